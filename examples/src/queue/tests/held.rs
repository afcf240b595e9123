//! Messages that are held back (RFC 4865), and those that go first (RFC 6710).

use mailwire_transport::smtp::proto::{
    DateTime,
    extensions::{
        future_release::{Hold, HoldInterval},
        priority::Priority,
    },
};

use super::*;

const DAY: u64 = 24 * 3600;

fn held_for(seconds: u32) -> Hold {
    Hold::For(HoldInterval::new(seconds).unwrap())
}

async fn add_held(queue: &Queue, hold: Hold) -> Result<u64, QueueError> {
    let envelope = envelope(&["bob@example.net"]).map_mail(|mail| mail.with_hold(hold));
    queue.add(envelope, MESSAGE.into()).await
}

/// The file of another process, in which as much time has passed.
fn reopened(folder: &Folder, queue: Queue) -> Queue {
    let clock = queue.clock.clone();
    drop(queue);
    Queue::with_clock(&folder.0.join("queue.db"), Limits::default(), clock).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_message_is_released_at_its_time_and_not_before() {
    let folder = Folder::new();
    let queue = folder.queue();
    // The time of the queue begins at 2001-09-09T01:46:40Z.
    let until = |text: &str| Hold::Until(DateTime::new(text).unwrap());
    let started = Instant::now();
    let carrier = Scripted::new(|_, _| Fate::Delivered);
    let running = Running::start(&queue, options(), Arc::clone(&carrier));
    for hold in [
        held_for(3600),
        until("2001-09-09T01:47:40.5Z"),
        held_for(10),
        // It is past.
        until("2001-09-09T01:00:00Z"),
    ] {
        add_held(&queue, hold).await.unwrap();
    }
    let carried = carrier.carried(4).await;
    assert_eq!(times(&carried), [0, 10, 61, 3600]);
    assert_eq!(started.elapsed().as_secs(), 3600);
    // Whoever gets it is not asked to hold it once more.
    for (_, parcel) in &carried {
        assert!(parcel.hold.is_some() && parcel.envelope == envelope(&["bob@example.net"]), "{parcel:?}");
    }
    running.end().await;
    assert_eq!((queue.total().await.unwrap(), queue.list(9).await.unwrap()), ((0, 0), vec![]));
}

#[tokio::test(start_paused = true)]
async fn what_is_held_survives_restarts_and_no_flush_releases_it() {
    let folder = Folder::new();
    let mut queue = folder.queue();
    let carrier = Scripted::new(|_, _| Fate::Delivered);
    let number = add_held(&queue, held_for(3600)).await.unwrap();
    for hours in 1..4 {
        let running = Running::start(&queue, options(), Arc::clone(&carrier));
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!((queue.flush(None).await.unwrap(), queue.flush(Some(number)).await.unwrap()), (0, 0));
        let [entry] = &queue.list(9).await.unwrap()[..] else { panic!() };
        let release = UNIX_EPOCH + Duration::from_secs(1_000_003_600);
        assert_eq!((entry.held, entry.recipients[0].next), (Some(release), Some(release)));
        assert_eq!(entry.recipients[0].attempts, 0);
        // As it comes, and as `kill -9` has it.
        if hours % 2 == 0 {
            running.end().await
        } else {
            running.kill().await
        }
        queue = reopened(&folder, queue);
    }
    let running = Running::start(&queue, options(), Arc::clone(&carrier));
    assert_eq!(times(&carrier.carried(1).await), [3600]);
    running.end().await;
    // What is released is tried again as all else is.
    let refusing = Scripted::new(|_, _| later());
    let number = add_held(&queue, held_for(60)).await.unwrap();
    let running = Running::start(&queue, options(), Arc::clone(&refusing));
    refusing.carried(1).await;
    while queue.list(9).await.unwrap()[0].recipients[0].next.is_none() {}
    assert_eq!(queue.flush(Some(number)).await.unwrap(), 1);
    refusing.carried(2).await;
    running.end().await;
    // Who has sent it can have it forgotten, too.
    let number = add_held(&queue, held_for(60)).await.unwrap();
    assert_eq!(queue.remove(number).await.unwrap(), 1);
}

/// Section 5.1.2: reports tell of it; and the time in which it has to be delivered begins when it is released.
#[tokio::test(start_paused = true)]
async fn reports_tell_how_long_it_was_held() {
    let until = "2001-09-19T01:46:40Z";
    for (hold, said) in [
        (held_for(10 * DAY as u32), "for;864000".to_owned()),
        (Hold::Until(DateTime::new(until).unwrap()), format!("until;{until}")),
    ] {
        let folder = Folder::new();
        let queue = folder.queue();
        let carrier =
            Scripted::new(|parcel, _| if parcel.from().is_some() { later() } else { Fate::Delivered });
        let running = Running::start(&queue, options(), Arc::clone(&carrier));
        add_held(&queue, hold).await.unwrap();
        let reports = loop {
            let carried = carrier.carried(0).await;
            assert!(carried[..].iter().all(|(at, _)| *at >= 10 * DAY), "{:?}", times(&carried));
            let reports: Vec<_> =
                carried.iter().filter(|(_, parcel)| parcel.from().is_none()).cloned().collect();
            if reports.len() == 2 {
                break reports;
            }
            carrier.carried(carried.len() + 1).await;
        };
        running.end().await;
        assert!((10 * DAY + 4 * 3600..10 * DAY + 7 * 3600).contains(&reports[0].0), "{}", reports[0].0);
        assert_eq!(reports[1].0, 15 * DAY);
        for (_, parcel) in &reports {
            let report = reported(parcel);
            let [request] = &report.extensions[..] else { panic!("{report:?}") };
            assert_eq!((request.name(), request.value().as_str()), ("Future-Release-Request", said.as_str()));
            // When it came, not when it was released.
            assert_eq!(report.arrival_date.unwrap().seconds(), 1_000_000_000);
        }
        let until = reported(&reports[0].1).recipients[0].retry_until.unwrap().seconds();
        assert_eq!(until, 1_000_000_000 + 15 * DAY as i64);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_has_more_held_than_may_be() {
    let folder = Folder::new();
    let size = MESSAGE.len() as u64;
    let queue = folder.queue_of(Limits::default().with_held_messages(2).with_held_bytes(3 * size));
    let ada = || ReversePath::from(address("ada@example.org"));
    let is_held = |result| matches!(result, Err(QueueError::Held));
    add_held(&queue, held_for(60)).await.unwrap();
    assert!(queue.check_hold(ada(), 2 * size).await.is_ok());
    assert!(is_held(queue.check_hold(ada(), 2 * size + 1).await));
    add_held(&queue, held_for(3600)).await.unwrap();
    assert!(is_held(queue.check_hold(ada(), 0).await));
    assert!(is_held(add_held(&queue, held_for(60)).await.map(drop)));
    // Others may, and so may what is not held.
    assert!(queue.check_hold(address("bob@example.org").into(), 3 * size).await.is_ok());
    add(&queue, &["bob@example.net"]).await;
    // What is released makes room.
    tokio::time::sleep(Duration::from_secs(60)).await;
    add_held(&queue, held_for(3600)).await.unwrap();
    assert!(is_held(add_held(&queue, held_for(60)).await.map(drop)));
    let last = queue.list(9).await.unwrap().last().unwrap().number;
    assert_eq!(queue.remove(last).await.unwrap(), 1);
    add_held(&queue, held_for(60)).await.unwrap();
}

/// RFC 6710: of what is due the most urgent goes first, then what waits for the longest time; and so do reports about it.
#[tokio::test(start_paused = true)]
async fn the_most_urgent_goes_first() {
    let folder = Folder::new();
    let queue = folder.queue();
    let priority = |priority| Priority::new(priority).unwrap();
    let add = async |said: Option<i8>, seconds: Option<u32>| {
        let envelope = envelope(&["bob@example.net"]).map_mail(|mut mail| {
            mail.parameters_mut().priority = said.map(priority);
            mail.parameters_mut().hold = seconds.map(held_for);
            mail
        });
        queue.add(envelope, MESSAGE.into()).await.unwrap()
    };
    let expected = [
        (add(Some(-9), None).await, -9),
        (add(None, None).await, 0),
        (add(Some(5), None).await, 5),
        (add(Some(0), None).await, 0),
        (add(Some(9), Some(60)).await, 9),
        (add(Some(5), None).await, 5),
    ];
    let carrier = Scripted::new(|parcel, _| match parcel.from() {
        Some(_) if parcel.envelope.mail().parameters().priority == Priority::new(-9) => never(),
        _ => Fate::Delivered,
    });
    let running = Running::start(&queue, options().with_at_once(1), Arc::clone(&carrier));
    let carried = carrier.carried(7).await;
    running.end().await;
    let [one, two, three, four, five, six] = expected.map(|(number, _)| number);
    let order: Vec<u64> = carried.iter().map(|(_, parcel)| parcel.number).collect();
    assert_eq!([order[..5].to_vec(), vec![order[6]]].concat(), [three, six, two, four, one, five]);
    // What is told of the least urgent is as urgent, and what was held goes at its time.
    assert_eq!(carried[5].1.envelope.mail().parameters().priority, Some(priority(-9)));
    assert_eq!((carried[5].1.from(), carried[6].0), (None, 60));
}
