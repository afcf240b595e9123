//! A queue in virtual time: five days pass in a moment.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod held;
mod wishes;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

use mailwire_transport::smtp::{
    proto::Mailbox,
    report::{self, Action, DeliveryReport, Report},
};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use super::*;

/// A folder of a test's own, gone with this value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("mailwire-queue-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn queue(&self) -> Queue {
        self.queue_of(Limits::default())
    }

    /// The time of the queue is that of tokio.
    fn queue_of(&self, limits: Limits) -> Queue {
        let (begun, start) = (Instant::now(), UNIX_EPOCH + Duration::from_secs(1_000_000_000));
        let clock = Clock(Arc::new(move || start + begun.elapsed()));
        Queue::with_clock(&self.0.join("queue.db"), limits, clock).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn options() -> Options {
    Options::default().with_look(None)
}

fn address(text: &str) -> Mailbox {
    Mailbox::try_from(text).unwrap()
}

fn name() -> Host {
    Host::try_from("mx.example.org").unwrap()
}

const MESSAGE: &str = "From: ada@example.org\r\nSubject: Hello\r\n\r\nHello.\r\n";

fn envelope(to: &[&str]) -> Envelope {
    Envelope::new("ada@example.org", to.iter().copied()).unwrap()
}

fn from_nobody() -> Envelope {
    Envelope::new("", ["bob@example.net"]).unwrap()
}

async fn add(queue: &Queue, to: &[&str]) -> u64 {
    queue.add(envelope(to), MESSAGE.into()).await.unwrap()
}

type Say = dyn Fn(&Parcel, &Mailbox) -> Fate + Send + Sync;

/// Writes down what it is given and when, in seconds, and says of each recipient what it was told to.
struct Scripted {
    begun: Instant,
    say: Box<Say>,
    carried: Mutex<Vec<(u64, Parcel)>>,
    told: Notify,
}

impl Scripted {
    fn new(say: impl Fn(&Parcel, &Mailbox) -> Fate + Send + Sync + 'static) -> Arc<Self> {
        let carried = Mutex::default();
        Arc::new(Self { begun: Instant::now(), say: Box::new(say), carried, told: Notify::new() })
    }

    /// What it was given, once that are so many parcels.
    async fn carried(&self, count: usize) -> Vec<(u64, Parcel)> {
        loop {
            let carried = self.carried.lock().unwrap().clone();
            if carried.len() >= count {
                return carried;
            }
            self.told.notified().await;
        }
    }
}

impl Carrier for Scripted {
    async fn carry(&self, parcel: Parcel) -> Vec<Fate> {
        let fates = parcel.to().map(|to| (self.say)(&parcel, to)).collect();
        self.carried.lock().unwrap().push((self.begun.elapsed().as_secs(), parcel));
        self.told.notify_one();
        fates
    }
}

/// A runner that runs.
struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(queue: &Queue, options: Options, carrier: Arc<impl Carrier>) -> Self {
        let stop = CancellationToken::new();
        let runner = queue.runner(name(), options).unwrap();
        let task = tokio::spawn(runner.run(carrier, stop.clone()));
        Self { stop, task }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// As `kill -9` does.
    async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

fn refused(code: &str, reply: &str) -> Why {
    let why = Why::new(code, reply);
    Why { reply: Some(reply.to_owned()), host: Some("mx.example.net".into()), ..why }
}

fn later() -> Fate {
    Fate::Deferred(refused("4.2.1", "451 4.2.1 Later"))
}

fn never() -> Fate {
    Fate::Failed(refused("5.1.1", "550 5.1.1 No such user"))
}

fn times(carried: &[(u64, Parcel)]) -> Vec<u64> {
    carried.iter().map(|(at, _)| *at).collect()
}

/// Of a report the actions, by recipient.
fn actions(parcel: &Parcel) -> Vec<(String, Action, String)> {
    let of = |it: report::RecipientReport| (it.recipient.text().to_owned(), it.action, it.status.to_string());
    reported(parcel).recipients.into_iter().map(of).collect()
}

/// A report for the sender.
fn reported(parcel: &Parcel) -> DeliveryReport {
    assert_eq!((parcel.from(), to(parcel)), (None, vec!["ada@example.org".to_owned()]));
    let Report::Delivery(report) = Report::parse(&parcel.message, &report::Limits::default()).unwrap() else {
        panic!()
    };
    report
}

fn to(parcel: &Parcel) -> Vec<String> {
    parcel.to().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_is_delivered_once() {
    let folder = Folder::new();
    let queue = folder.queue();
    let carrier = Scripted::new(|_, _| Fate::Delivered);
    let number = add(&queue, &["bob@example.net", "carol@example.net"]).await;
    let running = Running::start(&queue, options(), Arc::clone(&carrier));
    let carried = carrier.carried(1).await;
    assert_eq!((carried[0].1.number, &*carried[0].1.message), (number, MESSAGE.as_bytes()));
    assert_eq!(to(&carried[0].1), ["bob@example.net", "carol@example.net"]);
    // One that comes while it runs is delivered, too.
    add(&queue, &["bob@example.net"]).await;
    assert_eq!(times(&carrier.carried(2).await), [0, 0]);
    running.end().await;
    assert_eq!((queue.total().await.unwrap(), queue.list(9).await.unwrap()), ((0, 0), vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_now_is_tried_again_after_pauses_that_grow() {
    let folder = Folder::new();
    let queue = folder.queue();
    let count = AtomicUsize::new(0);
    let carrier = Scripted::new(move |_, _| match count.fetch_add(1, Ordering::Relaxed) {
        0..3 => later(),
        _ => Fate::Delivered,
    });
    let running = Running::start(&queue, options(), Arc::clone(&carrier));
    add(&queue, &["bob@example.net"]).await;
    assert_eq!(times(&carrier.carried(4).await), [0, 300, 900, 2100]);
    running.end().await;
    assert_eq!(queue.total().await.unwrap(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_greylisted_is_tried_soon() {
    let folder = Folder::new();
    let queue = folder.queue();
    let carrier = Scripted::new(|_, _| {
        Fate::Deferred(Why { is_greylisting: true, ..refused("4.7.1", "450 4.7.1 Greylisted") })
    });
    let running = Running::start(&queue, options(), Arc::clone(&carrier));
    add(&queue, &["bob@example.net"]).await;
    assert_eq!(times(&carrier.carried(3).await), [0, 90, 90 + 600]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn each_recipient_has_its_own_fate_and_the_sender_is_told() {
    let folder = Folder::new();
    let queue = folder.queue();
    let carrier = Scripted::new(|parcel, to| match to.local_part() {
        "bob" => Fate::Delivered,
        "carol" if parcel.from().is_some() => later(),
        "dan" => never(),
        _ => Fate::Delivered,
    });
    let running = Running::start(&queue, options(), Arc::clone(&carrier));
    add(&queue, &["bob@example.net", "carol@example.net", "dan@example.net"]).await;
    let carried = carrier.carried(3).await;
    let [(0, _), (0, report), (300, again)] = &carried[..] else { panic!("{carried:?}") };
    assert_eq!(actions(report), [("dan@example.net".into(), Action::Failed, "5.1.1".into())]);
    assert!(String::from_utf8_lossy(&report.message).contains("550 5.1.1 No such user"));
    assert_eq!(to(again), ["carol@example.net"]);
    running.end().await;
    let left = queue.list(9).await.unwrap();
    assert_eq!((left.len(), left[0].recipients.len()), (1, 1));
    assert_eq!(left[0].recipients[0].why.as_deref(), Some("4.2.1 451 4.2.1 Later"));
    assert_eq!(left[0].recipients[0].attempts, 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_about_a_message_from_nobody() {
    let folder = Folder::new();
    let queue = folder.queue();
    let carrier = Scripted::new(|_, _| never());
    queue.add(from_nobody(), MESSAGE.into()).await.unwrap();
    let running = Running::start(&queue, options(), Arc::clone(&carrier));
    carrier.carried(1).await;
    running.end().await;
    assert_eq!((queue.total().await.unwrap(), carrier.carried(1).await.len()), ((0, 0), 1));
}

#[tokio::test(start_paused = true)]
async fn the_sender_is_warned_once_and_told_at_the_end() {
    let folder = Folder::new();
    let queue = folder.queue();
    let carrier = Scripted::new(|parcel, _| if parcel.from().is_some() { later() } else { Fate::Delivered });
    let running = Running::start(&queue, options(), Arc::clone(&carrier));
    add(&queue, &["bob@example.net"]).await;
    loop {
        let carried = carrier.carried(0).await;
        let reports: Vec<_> = carried.iter().filter(|(_, parcel)| parcel.from().is_none()).collect();
        if let [(warned, warning), (ended, bounce)] = &reports[..] {
            assert_eq!(actions(warning), [("bob@example.net".into(), Action::Delayed, "4.2.1".into())]);
            assert_eq!(actions(bounce), [("bob@example.net".into(), Action::Failed, "5.4.7".into())]);
            assert!((4 * 3600..7 * 3600).contains(warned), "{warned}");
            assert_eq!(*ended, 5 * 24 * 3600);
            break;
        }
        carrier.carried(carried.len() + 1).await;
    }
    running.end().await;
    assert_eq!(queue.total().await.unwrap(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_bounded_and_reports_enter_all_the_same() {
    let folder = Folder::new();
    let size = MESSAGE.len() as u64;
    let queue = folder.queue_of(Limits::default().with_messages(2).with_bytes(size + 1));
    add(&queue, &["bob@example.net"]).await;
    let full = |result| matches!(result, Err(QueueError::Full));
    assert!(full(queue.add(from_nobody(), MESSAGE.into()).await));
    queue.add(from_nobody(), "\n".into()).await.unwrap();
    assert!(full(queue.add(from_nobody(), Bytes::new()).await));
    assert_eq!(queue.total().await.unwrap(), (2, size + 1));

    let carrier = Scripted::new(|parcel, _| if parcel.from().is_some() { never() } else { later() });
    let running = Running::start(&queue, options(), Arc::clone(&carrier));
    // The two, and the report.
    carrier.carried(3).await;
    running.end().await;
    assert_eq!(queue.total().await.unwrap().0, 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_process_was_delivering_is_delivered_by_the_next() {
    /// Takes a parcel, and never says what became of it.
    struct Silent(Notify);
    impl Carrier for Silent {
        async fn carry(&self, _: Parcel) -> Vec<Fate> {
            self.0.notify_one();
            std::future::pending().await
        }
    }

    let folder = Folder::new();
    let queue = folder.queue();
    add(&queue, &["bob@example.net"]).await;
    for times in 1..4 {
        let silent = Arc::new(Silent(Notify::new()));
        let running = Running::start(&queue, options(), Arc::clone(&silent));
        silent.0.notified().await;
        assert!(matches!(queue.runner(name(), options()), Err(QueueError::Busy)));
        // Nobody takes it meanwhile.
        let entry = queue.list(9).await.unwrap().remove(0);
        assert_eq!((entry.recipients[0].next, entry.recipients[0].attempts), (None, times));
        assert_eq!(queue.remove(entry.number).await.unwrap(), 0);
        running.kill().await;
    }
    // What has seen the end of several processes may be the reason.
    let carrier = Scripted::new(|_, _| Fate::Delivered);
    let running = Running::start(&queue, options(), Arc::clone(&carrier));
    assert!(times(&carrier.carried(1).await)[0] >= 300);
    running.end().await;
    assert_eq!(queue.total().await.unwrap(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_listed_flushed_and_removed() {
    let folder = Folder::new();
    let queue = folder.queue();
    let carrier = Scripted::new(|_, _| later());
    let one = add(&queue, &["bob@example.net"]).await;
    let two = add(&queue, &["carol@example.net"]).await;
    let running = Running::start(&queue, options(), Arc::clone(&carrier));
    carrier.carried(2).await;
    // The second attempt of one, and of one alone: the other waits for its own.
    while queue.list(9).await.unwrap().iter().any(|entry| entry.recipients[0].next.is_none()) {}
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(queue.flush(Some(two)).await.unwrap(), 1);
    let carried = carrier.carried(3).await;
    assert_eq!((carried[2].0, carried[2].1.number), (10, two));
    running.end().await;

    let listed = queue.list(1).await.unwrap();
    assert_eq!((listed.len(), listed[0].number, listed[0].size), (1, one, MESSAGE.len() as u64));
    assert_eq!(listed[0].from.as_deref(), Some("ada@example.org"));
    assert_eq!(queue.remove(one).await.unwrap(), 1);
    assert_eq!(queue.remove(one).await.unwrap(), 0);
    assert_eq!(queue.flush(None).await.unwrap(), 1);
    assert_eq!(queue.total().await.unwrap().0, 1);
}

#[tokio::test(start_paused = true)]
async fn no_more_goes_on_at_once_than_may() {
    /// Counts what goes on. Each delivery takes a second.
    #[derive(Default)]
    struct Slow {
        now: Mutex<(usize, u64)>,
        most: Mutex<(usize, u64)>,
        done: AtomicUsize,
        told: Notify,
    }
    impl Carrier for Slow {
        async fn carry(&self, parcel: Parcel) -> Vec<Fate> {
            let size = parcel.message.len() as u64;
            {
                let (mut now, mut most) = (self.now.lock().unwrap(), self.most.lock().unwrap());
                *now = (now.0 + 1, now.1 + size);
                *most = (most.0.max(now.0), most.1.max(now.1));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut now = self.now.lock().unwrap();
            *now = (now.0 - 1, now.1 - size);
            self.done.fetch_add(parcel.to().count(), Ordering::Relaxed);
            self.told.notify_one();
            vec![Fate::Delivered; parcel.to().count()]
        }
    }

    async fn run(options: Options) -> (usize, u64) {
        let folder = Folder::new();
        let queue = folder.queue();
        let to = ["a@example.net", "b@example.net", "c@example.net"];
        for _ in 0..12 {
            add(&queue, &to).await;
        }
        let slow = Arc::new(Slow::default());
        let running = Running::start(&queue, options, Arc::clone(&slow));
        while slow.done.load(Ordering::Relaxed) < 36 {
            slow.told.notified().await;
        }
        running.end().await;
        assert_eq!(queue.total().await.unwrap(), (0, 0));
        *slow.most.lock().unwrap()
    }

    assert_eq!(run(options().with_at_once(5)).await.0, 5);
    let size = MESSAGE.len() as u64;
    assert_eq!(run(options().with_memory(3 * size + 1)).await, (3, 3 * size));
    // One that is larger than what may be goes alone.
    assert_eq!(run(options().with_memory(1)).await, (1, size));
    // Two transactions for each: two recipients, and one.
    assert_eq!(run(options().with_recipients(2)).await.0, 20);
}

#[tokio::test(start_paused = true)]
async fn changes_of_many_at_once_are_all_there() {
    let folder = Folder::new();
    let queue = folder.queue();
    let added = (0..200).map(|number| {
        let queue = queue.clone();
        tokio::spawn(async move { add(&queue, &[&format!("u{number}@example.net")]).await })
    });
    let added: Vec<_> = added.collect();
    let mut numbers = std::collections::BTreeSet::new();
    for added in added {
        numbers.insert(added.await.unwrap());
    }
    assert_eq!((numbers.len(), queue.total().await.unwrap().0), (200, 200));
    // It is there for another process, too.
    drop(queue);
    assert_eq!(folder.queue().list(1000).await.unwrap().len(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_file_of_the_first_version_is_taken_over() {
    let folder = Folder::new();
    let sql = rusqlite::Connection::open(folder.0.join("queue.db")).unwrap();
    sql.execute_batch(file::SCHEMA).unwrap();
    sql.execute_batch(
        "PRAGMA user_version=1;
        INSERT INTO message(sender, arrived, size, body) VALUES('ada@example.org', 0, 1, x'0a');
        INSERT INTO recipient(message, address, next) VALUES(1, 'bob@example.net', 0);",
    )
    .unwrap();
    drop(sql);
    let queue = folder.queue();
    let carrier = Scripted::new(|_, _| Fate::Delivered);
    let running = Running::start(&queue, options(), Arc::clone(&carrier));
    let carried = carrier.carried(1).await;
    assert_eq!(carried[0].1.envelope, envelope(&["bob@example.net"]));
    running.end().await;
    assert_eq!(queue.total().await.unwrap(), (0, 0));
}

#[tokio::test]
async fn a_file_of_something_else_is_refused() {
    let folder = Folder::new();
    let path = folder.0.join("other.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t(a)").unwrap();
    let Err(QueueError::File(why)) = Queue::open(&path, Limits::default()) else { panic!() };
    assert!(why.ends_with("other.db: it is the database of something else"), "{why}");
    std::fs::write(&path, "no database, but something long enough to be looked at as one").unwrap();
    assert!(Queue::open(&path, Limits::default()).is_err());
}
