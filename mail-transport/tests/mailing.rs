//! Many messages over connections that are kept, in virtual time, to servers that follow a script.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod peer;

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::Stream;
use mailwire_transport::{
    Error, Payload, Result,
    pool::{PoolOptions, Rate},
    smtp::{Envelope, Mailer, MailerOptions, Mailing, Sent},
};
use peer::scripts::{ACCEPTED, QUIT, Scripts, envelope};
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// The commands of a message.
const COMMANDS: &str = "
    C: MAIL FROM:<ada@a.example>
    C: RCPT TO:<bob@b.example>
    C: DATA
";
/// The answers to them.
const ANSWERS: &str = "
    S: 250 ok
    S: 250 ok
    S: 354 go
";

/// So many messages that are accepted, each begun before the one before it is answered.
fn pipelined(count: usize) -> String {
    let next = ["R: message", COMMANDS, "S: 250 taken", ANSWERS].join("\n");
    [COMMANDS, ANSWERS, &next.repeat(count - 1), "R: message\nS: 250 taken\n"].concat()
}

fn message() -> (Envelope, Payload<'static>) {
    (envelope(), Payload::from("Subject: x\r\n\r\nx\r\n"))
}

fn messages(count: usize) -> impl Iterator<Item = (Envelope, Payload<'static>)> {
    std::iter::repeat_with(message).take(count)
}

/// One connection, used as often as one likes.
fn one() -> MailerOptions {
    MailerOptions::new().with_pool(PoolOptions::new().with_connections(1))
}

/// What became of the messages, in their order, each told once. In a task: a runtime of one thread comes to it as often as to
/// servers.
async fn told<M, P>(mut mailing: Mailing<M>) -> Vec<Result<Sent>>
where
    M: Stream<Item = (Envelope, P)> + Unpin + Send + 'static,
    P: Into<Payload<'static>> + 'static,
{
    let telling = tokio::spawn(async move {
        let mut all = Vec::new();
        while let Some((place, result)) = mailing.next().await {
            all.resize_with(all.len().max(place + 1), || None);
            assert!(all[place].replace(result).is_none(), "{place} is told twice");
        }
        all
    });
    telling.await.unwrap().into_iter().map(Option::unwrap).collect()
}

/// Sends so many, all of which are accepted.
async fn accepted(mailer: &Mailer, count: usize) {
    let all = told(mailer.send_all(messages(count))).await;
    assert_eq!(all.len(), count);
    for one in all {
        assert_eq!(one.unwrap().reply.to_string(), "250 taken");
    }
}

#[tokio::test(start_paused = true)]
async fn each_message_goes_with_the_end_of_the_one_before() {
    let scripts = Scripts::new([&*[&pipelined(20), QUIT].concat()]);
    let mailer = scripts.mailer(one());
    accepted(&mailer, 20).await;
    assert_eq!((mailer.status().in_use, mailer.status().idle), (0, 1));
    assert_eq!(mailer.close(SECOND).await, 0);
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_nothing() {
    let scripts = Scripts::new([]);
    let mailer = scripts.mailer(MailerOptions::new());
    assert!(mailer.send_all(messages(0)).next().await.is_none());
    assert_eq!(scripts.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_no_more_messages_than_permitted() {
    let three = [&pipelined(3), QUIT].concat();
    let scripts = Scripts::new([&*three, &*three, ACCEPTED]);
    let pool = PoolOptions::new().with_connections(1).with_uses(3);
    accepted(&scripts.mailer(MailerOptions::new().with_pool(pool)), 7).await;
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn they_keep_to_the_rate_however_long_that_takes() {
    let scripts = Scripts::new([&*[&pipelined(2), &*ACCEPTED.repeat(3)].concat()]);
    let long = 600 * SECOND;
    let pool = PoolOptions::new().with_connections(1).with_rate(Rate::new(2, 60 * SECOND));
    let pool = pool.with_wait(SECOND).with_idle(long).with_ask_after(long);
    let mailer = scripts.mailer(MailerOptions::new().with_pool(pool));
    let begun = Instant::now();
    let mut times = Vec::new();
    let mut mailing = mailer.send_all(messages(5));
    while let Some((_, result)) = mailing.next().await {
        let _ = result.unwrap();
        times.push(begun.elapsed().as_secs());
    }
    assert_eq!(times, [0, 0, 60, 60, 120]);
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn there_are_no_more_connections_than_permitted() {
    let stuck = [COMMANDS, "wait"].concat();
    for (options, most) in [(MailerOptions::new(), 3), (MailerOptions::new().with_batch_connections(2), 2)] {
        let scripts = Scripts::new([&*stuck; 30]);
        let mailer = scripts.mailer(options.with_pool(PoolOptions::new().with_connections(3)));
        assert!(timeout(SECOND, mailer.send_all(messages(30)).next()).await.is_err());
        assert_eq!(scripts.connections(), most);
    }
    let scripts = Scripts::new([ACCEPTED; 30]);
    let pool = PoolOptions::new().with_connections(3).with_uses(1);
    let mailer = scripts.mailer(MailerOptions::new().with_pool(pool));
    let mut mailing = mailer.send_all(messages(30));
    while let Some((_, result)) = mailing.next().await {
        let _ = result.unwrap();
        let status = mailer.status();
        assert!(status.in_use + status.idle <= 3, "{status:?}");
    }
    assert_eq!(scripts.connections(), 30);
}

#[tokio::test(start_paused = true)]
async fn others_have_their_turn() {
    let scripts = Scripts::new([&*ACCEPTED.repeat(41)]);
    let mailer = scripts.mailer(one());
    let mut mailing = mailer.send_all(messages(40));
    let (_, first) = mailing.next().await.unwrap();
    let _ = first.unwrap();
    let other = tokio::spawn({
        let mailer = mailer.clone();
        async move { mailer.send(&envelope(), "Subject: y\r\n\r\ny\r\n").await }
    });
    let mut before = 1;
    while let Some((_, result)) = mailing.next().await {
        let _ = result.unwrap();
        before += usize::from(!other.is_finished());
    }
    let _ = other.await.unwrap().unwrap();
    assert!(before < 10, "{before} messages came before it");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_disturbs_no_other() {
    let refused = "
        C: MAIL FROM:<ada@a.example>
        C: RCPT TO:<bob@b.example>
        C: DATA
        S: 250 taken
        S: 250 ok
        S: 550 5.1.1 nobody
        S: 503 no recipients
        C: RSET
    ";
    let first = [COMMANDS, ANSWERS, "R: message\n"].concat();
    let last = [COMMANDS, "S: 250 reset\n", ANSWERS, "R: message\nS: 250 taken\n"].concat();
    let scripts = Scripts::new([&*[&*first, refused, &*last].concat()]);
    let all = told(scripts.mailer(one()).send_all(messages(3))).await;
    assert!(all[0].is_ok() && all[2].is_ok(), "{all:?}");
    assert_eq!(all[1].as_ref().unwrap_err().refused().unwrap().command, "RCPT");
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_server_may_have_is_not_sent_twice_and_the_next_one_is() {
    // The connection is lost when the first message has come, and the second has begun.
    let lost = [COMMANDS, ANSWERS, "R: message\n", COMMANDS].concat();
    let scripts = Scripts::new([&*lost, &*pipelined(2)]);
    let begun = Instant::now();
    let all = told(scripts.mailer(one().with_attempts(1)).send_all(messages(3))).await;
    assert!(matches!(all[0], Err(Error::InDoubt(_))), "{all:?}");
    assert!(all[1].is_ok() && all[2].is_ok(), "{all:?}");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_421_ends_a_connection_and_no_message() {
    for (place, script) in [
        ("the greeting", "S: 421 4.3.2 going down".to_owned()),
        ("MAIL", peer::smtp_script("C: MAIL FROM:<ada@a.example>\nS: 421 4.3.2 going down")),
        (
            "the message",
            peer::smtp_script(&[COMMANDS, ANSWERS, "R: message\n", COMMANDS, "S: 421 4.3.2 full"].concat()),
        ),
        (
            "the next MAIL",
            peer::smtp_script(
                &[COMMANDS, ANSWERS, "R: message\n", COMMANDS, "S: 250 taken\nS: 421 4.3.2 enough"].concat(),
            ),
        ),
    ] {
        let rest = if place == "the next MAIL" { 2 } else { 3 };
        let scripts = Scripts::raw([&*script, &*peer::smtp_script(&pipelined(rest))]);
        let begun = Instant::now();
        let mailer = scripts.mailer(one().with_attempts(2));
        let all = told(mailer.send_all(messages(3))).await;
        assert!(all.len() == 3 && all.iter().all(Result::is_ok), "{place}: {all:?}");
        // A connection that others were accepted over has done its duty.
        assert_eq!(begun.elapsed() == Duration::ZERO, rest == 2, "{place}");
        scripts.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_ends_each_connection_takes_no_other_with_it() {
    let poison = [COMMANDS, ANSWERS, "R: message\n", COMMANDS, "S: 421 4.3.2 not this one"].concat();
    let scripts = Scripts::new([&*poison, &*poison, &*poison, &*pipelined(2)]);
    let all = told(scripts.mailer(one()).send_all(messages(3))).await;
    assert!(all[0].as_ref().unwrap_err().refused().is_some(), "{all:?}");
    assert!(all[1].is_ok() && all[2].is_ok(), "{all:?}");
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn attempts_at_each_have_an_end() {
    let scripts = Scripts::new([]);
    let all = told(scripts.mailer(MailerOptions::new()).send_all(messages(25))).await;
    assert_eq!((all.len(), scripts.connections()), (25, 75));
    assert!(all.iter().all(|one| matches!(one, Err(Error::Io(_)))), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_costs_no_connection() {
    let scripts = Scripts::new([&*[&*ACCEPTED.repeat(2), QUIT].concat()]);
    let mailer = scripts.mailer(one());
    let nul = (envelope(), Payload::from("Subject: x\r\n\r\n\0\r\n"));
    let all = told(mailer.send_all([message(), nul, message()])).await;
    assert!(all[0].is_ok() && matches!(all[1], Err(Error::Misuse(_))) && all[2].is_ok(), "{all:?}");
    assert_eq!(mailer.close(SECOND).await, 0);
    scripts.finish().await;
}

/// Messages as they are asked for, which counts them.
struct Counted(Arc<AtomicUsize>, usize);

impl Iterator for Counted {
    type Item = (Envelope, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        self.1 = self.1.checked_sub(1)?;
        self.0.fetch_add(1, Ordering::Relaxed);
        Some((envelope(), b"0123456789\r\n".repeat(1000)))
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_is_bounded_in_number_and_bytes() {
    for (bytes, most) in [(1 << 30, 11), (1, 1), (25_000, 2)] {
        let scripts = Scripts::new([&*[COMMANDS, "wait"].concat()]);
        let taken = Arc::new(AtomicUsize::new(0));
        let mailer = scripts.mailer(one().with_batch_bytes(bytes));
        let mut mailing = mailer.send_all(Counted(taken.clone(), 100));
        assert!(timeout(SECOND, mailing.next()).await.is_err());
        assert!(taken.load(Ordering::Relaxed) <= most, "{taken:?} for {bytes}");
    }
    // However small, all are sent.
    let scripts = Scripts::new([&*ACCEPTED.repeat(9)]);
    let taken = Arc::new(AtomicUsize::new(0));
    let mailer = scripts.mailer(one().with_batch_bytes(0));
    let mut mailing = mailer.send_all(Counted(taken.clone(), 9));
    for told in 1..=9 {
        let _ = mailing.next().await.unwrap().1.unwrap();
        assert!(taken.load(Ordering::Relaxed) <= told + 1);
    }
    assert!(mailing.next().await.is_none());
    scripts.finish().await;
}

/// However much faster a server is than whoever asks for results.
#[tokio::test(start_paused = true)]
async fn results_that_nobody_has_asked_for_are_bounded() {
    let scripts = Scripts::new([&*ACCEPTED.repeat(30)]);
    let taken = Arc::new(AtomicUsize::new(0));
    let mailer = scripts.mailer(one());
    let mut mailing = mailer.send_all(Counted(taken.clone(), 30));
    for told in 1..=30 {
        let _ = mailing.next().await.unwrap().1.unwrap();
        // All that can be sent is.
        sleep(Duration::from_millis(1)).await;
        let ahead = taken.load(Ordering::Relaxed) - told;
        assert!(ahead <= 10, "{ahead} are taken when {told} are told");
    }
    assert!(mailing.next().await.is_none());
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn after_it_is_closed_each_is_told() {
    let scripts = Scripts::new([&*[COMMANDS, ANSWERS, "R: message\nS: 250 taken\n", QUIT].concat()]);
    let mailer = scripts.mailer(one());
    let mut mailing = mailer.send_all(messages(1));
    let _ = mailing.next().await.unwrap().1.unwrap();
    assert!(mailing.next().await.is_none());
    assert_eq!(mailer.close(SECOND).await, 0);
    let all = told(mailer.send_all(messages(50))).await;
    assert!(all.len() == 50 && all.iter().all(|one| matches!(one, Err(Error::Closed))), "{all:?}");
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn dropped_it_leaves_no_connection_half_used() {
    let stuck = [COMMANDS, ANSWERS, "R: message\nwait"].concat();
    let scripts = Scripts::new([&*stuck, ACCEPTED]);
    let mailer = scripts.mailer(one());
    assert!(timeout(SECOND, mailer.send_all(messages(5)).next()).await.is_err());
    tokio::task::yield_now().await;
    let _ = mailer.send(&envelope(), "Subject: x\r\n\r\nx\r\n").await.unwrap();
    assert_eq!(scripts.connections(), 2);
}

/// What can be read once is sent once, over a connection that has just answered.
#[tokio::test(start_paused = true)]
async fn messages_that_are_read_while_they_are_sent() {
    let noop = "C: NOOP\nS: 250 here\n";
    let script = [ACCEPTED, noop, ACCEPTED, noop, ACCEPTED, "C: NOOP"].concat();
    let scripts = Scripts::new([&*script, &*pipelined(2)]);
    let mailer = scripts.mailer(one());
    let reader = || (envelope(), Payload::from_reader(&b"Subject: x\r\n\r\nx\r\n"[..], None));
    let all = told(mailer.send_all([reader(), reader(), reader(), reader(), message()])).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    scripts.finish().await;
}

/// A channel.
struct Queue(tokio::sync::mpsc::Receiver<(Envelope, Payload<'static>)>);

impl Stream for Queue {
    type Item = (Envelope, Payload<'static>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_goes_back_while_nothing_comes() {
    let scripts = Scripts::new([&*[ACCEPTED, QUIT].concat(), &*pipelined(2)]);
    let mailer = scripts.mailer(one());
    let (sender, receiver) = tokio::sync::mpsc::channel(10);
    let mut mailing = mailer.send_stream(Queue(receiver));
    sender.send(message()).await.unwrap();
    let _ = mailing.next().await.unwrap().1.unwrap();
    assert!(timeout(100 * SECOND, mailing.next()).await.is_err());
    assert_eq!((mailer.status().in_use, mailer.status().idle), (0, 0));
    let sending = tokio::spawn(async move {
        sleep(10 * SECOND).await;
        for _ in 0..2 {
            sender.send(message()).await.unwrap();
        }
    });
    assert!(mailing.next().await.unwrap().1.is_ok() && mailing.next().await.unwrap().1.is_ok());
    sending.await.unwrap();
    assert!(mailing.next().await.is_none());
    scripts.finish().await;
}
