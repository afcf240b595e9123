//! Watching a mailbox over the client, the server and the memory store, in virtual time: connections are cut or
//! fall silent anywhere, and the mirror ends equal to the store.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod mirror;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use mailwire_imap::{
    command::FetchAtt,
    sync::{Change, SyncOptions, SyncState},
    types::{Flag, MailboxName},
};
use mailwire_store::memory::NewMessage;
use mailwire_transport::imap::{FlagChange, Watch, WatchEvent, WatchOptions};
use mirror::{End, HIDDEN, Mailbox, Mirror, Random};
use tokio::time::{Instant, timeout};

/// Longer than any pause, and than the time until IDLE is begun anew.
const LONG: Duration = Duration::from_secs(3600);

/// The next event, which has to come soon enough.
async fn event(watch: &mut Watch<'_>) -> mailwire_transport::Result<WatchEvent> {
    timeout(LONG, watch.next()).await.unwrap()
}

/// Takes events until the mirror is as it is to be; gives how often the connection was lost.
async fn follow(watch: &mut Watch<'_>, mirror: &mut Mirror, mailbox: &Mailbox, what: &str) -> usize {
    let truth = mailbox.messages().await;
    let (mut lost, begun) = (0, Instant::now());
    while mirror.messages != truth {
        match event(watch).await.unwrap() {
            WatchEvent::Change(change) => mirror.apply(change),
            WatchEvent::Lost { error, .. } => {
                assert!(error.is_transient(), "{what}: {error:?}");
                lost += 1;
            }
            WatchEvent::InStep => {}
            other => panic!("{what}: {other:?}"),
        }
        assert!(begun.elapsed() < 4 * LONG, "{what}");
    }
    lost
}

fn inbox() -> SyncOptions {
    SyncOptions::new(MailboxName::INBOX)
}

#[tokio::test(start_paused = true)]
async fn a_watcher_misses_nothing() {
    let mut all = 0;
    for seed in 0..60 {
        let random = &mut Random(seed);
        let mailbox = Arc::new(Mailbox::new());
        for _ in 0..random.below(6) {
            mailbox.change(random).await;
        }
        let connect = {
            let (mailbox, mut random) = (Arc::clone(&mailbox), Random(seed + 1000));
            move || {
                let mailbox = Arc::clone(&mailbox);
                let hidden = HIDDEN[random.below(4)];
                let end = if random.chance(70) { End::Cut } else { End::Silence };
                let lines = 4 + random.below(90);
                async move { mailbox.connect_as("secret", hidden, lines, end).await }
            }
        };
        let options = WatchOptions::new()
            .with_idle(random.chance(60))
            .with_notify(random.chance(60))
            .with_patience(Duration::from_secs(20));
        let sync = inbox().with_batch(2 + random.below(20) as u32);
        let mut watch = Watch::new(connect, SyncState::default(), [], sync).with_options(options);
        let mut mirror = Mirror::default();
        for round in 0..12 {
            all += follow(&mut watch, &mut mirror, &mailbox, &format!("seed {seed}, round {round}")).await;
            for _ in 0..1 + random.below(4) {
                mailbox.change(random).await;
            }
        }
    }
    assert!(all > 60, "{all} connections were lost");
}

/// Whoever answers nothing any more is left, within the time that is given for it.
#[tokio::test(start_paused = true)]
async fn a_dead_line_is_noticed() {
    for idle in [true, false] {
        let mailbox = Arc::new(Mailbox::new());
        let connect = {
            let mailbox = Arc::clone(&mailbox);
            let mut times = 0;
            move || {
                times += 1;
                let (mailbox, lines) = (Arc::clone(&mailbox), if times == 1 { 16 } else { usize::MAX });
                async move { mailbox.connect_as("secret", HIDDEN[3], lines, End::Silence).await }
            }
        };
        let options = WatchOptions::new().with_idle(idle).with_notify(false);
        let mut watch = Watch::new(connect, SyncState::default(), [], inbox())
            .with_options(options.with_patience(Duration::from_secs(30)));
        let mut mirror = Mirror::default();
        while !matches!(event(&mut watch).await.unwrap(), WatchEvent::InStep) {}
        let begun = Instant::now();
        // So many lines, and it is silent.
        let error = loop {
            mailbox.user.deliver("Subject: x\r\n\r\nx\r\n".into()).unwrap();
            match event(&mut watch).await.unwrap() {
                WatchEvent::Lost { error, pause } => {
                    assert!(pause <= Duration::from_secs(1), "{pause:?}");
                    break error;
                }
                WatchEvent::Change(change) => mirror.apply(change),
                other => panic!("{other:?}"),
            }
        };
        assert!(error.is_transient(), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(20 * 60), "{:?}", begun.elapsed());
        follow(&mut watch, &mut mirror, &mailbox, "dead").await;
    }
}

/// Credentials that the server does not take are told at once. With others it goes on where it was.
#[tokio::test(start_paused = true)]
async fn credentials_that_are_refused_are_told() {
    let mailbox = Arc::new(Mailbox::new());
    let password = Arc::new(Mutex::new("secret"));
    let connect = {
        let (mailbox, password) = (Arc::clone(&mailbox), Arc::clone(&password));
        move || {
            let (mailbox, password) = (Arc::clone(&mailbox), *password.lock().unwrap());
            async move { mailbox.connect_as(password, HIDDEN[0], 40, End::Cut).await }
        }
    };
    let mut watch = Watch::new(connect, SyncState::default(), [], inbox());
    let mut mirror = Mirror::default();
    mailbox.user.deliver("Subject: x\r\n\r\nx\r\n".into()).unwrap();
    follow(&mut watch, &mut mirror, &mailbox, "first").await;
    *password.lock().unwrap() = "old";
    let mut refused = 0;
    while refused < 2 {
        mailbox.user.deliver("Subject: x\r\n\r\nx\r\n".into()).unwrap();
        match event(&mut watch).await {
            Ok(WatchEvent::Change(change)) => mirror.apply(change),
            Ok(_) => {}
            Err(error) => {
                assert!(error.is_authentication(), "{error:?}");
                refused += 1;
            }
        }
    }
    *password.lock().unwrap() = "secret";
    follow(&mut watch, &mut mirror, &mailbox, "again").await;
    assert!(mirror.messages.len() > 2);
}

/// What cannot be reached is tried again, less and less often, as many times as was said.
#[tokio::test(start_paused = true)]
async fn attempts_have_pauses_and_an_end() {
    let connect = || async {
        Err::<mailwire_transport::imap::Client, _>(
            std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into(),
        )
    };
    let options = WatchOptions::new().with_attempts(12).with_longest_pause(Duration::from_secs(100));
    let mut watch = Watch::new(connect, SyncState::default(), [], inbox()).with_options(options);
    let begun = Instant::now();
    let mut pauses = Vec::new();
    let error = loop {
        match event(&mut watch).await {
            Ok(WatchEvent::Lost { pause, .. }) => pauses.push(pause),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, mailwire_transport::Error::Io(_)));
    assert_eq!(pauses.len(), 12);
    for (nth, pause) in pauses.iter().enumerate() {
        let whole = Duration::from_secs((1 << nth).min(100));
        assert!(whole / 2 <= *pause && *pause <= whole, "{nth}: {pause:?}");
    }
    let waited: Duration = pauses.iter().sum();
    assert!(begun.elapsed() >= waited && begun.elapsed() < waited + Duration::from_secs(1));
    // It can be asked once more.
    assert!(event(&mut watch).await.is_err());
    assert!(begun.elapsed() > waited);
    watch.stop().await.unwrap();
}

/// A mailbox that is made anew by the same name is read anew; one that is gone is told.
#[tokio::test(start_paused = true)]
async fn a_mailbox_is_made_anew() {
    let mailbox = Arc::new(Mailbox::new());
    let append = || mailbox.user.append("other", NewMessage::new("x\r\n".into())).unwrap();
    append();
    append();
    let connect = {
        let mailbox = Arc::clone(&mailbox);
        move || {
            let mailbox = Arc::clone(&mailbox);
            async move { mailbox.connect(HIDDEN[0], 60).await }
        }
    };
    let options = SyncOptions::new(MailboxName::new("other").unwrap());
    let mut watch = Watch::new(connect, SyncState::default(), [], options);
    let mut mirror = Mirror::default();
    let mut take = async |watch: &mut Watch<'_>, until: usize| {
        let mut resets = 0;
        loop {
            if let WatchEvent::Change(change) = event(watch).await.unwrap() {
                resets += usize::from(matches!(change, Change::Reset { .. }));
                mirror.apply(change);
            }
            if mirror.messages.len() == until {
                return resets;
            }
        }
    };
    assert_eq!(take(&mut watch, 2).await, 0);
    mailbox.user.delete("other").unwrap();
    mailbox.user.create("other", None).unwrap();
    append();
    let resets = take(&mut watch, 1).await;
    assert_eq!(resets, 1);
    mailbox.user.delete("other").unwrap();
    let error = loop {
        match event(&mut watch).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    let refused = error.refused().unwrap();
    assert!(refused.code.as_ref().is_some_and(|code| *code == "NONEXISTENT"), "{refused:?}");
}

/// The client is there for other calls, too, and what these bring is in the mirror.
#[tokio::test(start_paused = true)]
async fn other_calls_go_between() {
    for hidden in HIDDEN {
        let mailbox = Arc::new(Mailbox::new());
        let lines = Arc::new(Mutex::new(0));
        let connect = {
            let (mailbox, lines) = (Arc::clone(&mailbox), Arc::clone(&lines));
            move || {
                *lines.lock().unwrap() += 1;
                let mailbox = Arc::clone(&mailbox);
                async move { mailbox.connect(hidden, usize::MAX).await }
            }
        };
        let mut watch = Watch::new(connect, SyncState::default(), [], inbox());
        let mut mirror = Mirror::default();
        for round in 0..10_u32 {
            let uid = mailbox.user.deliver("Subject: x\r\n\r\nx\r\n".into()).unwrap();
            follow(&mut watch, &mut mirror, &mailbox, &format!("{hidden:?}, round {round}")).await;
            let client = watch.client().unwrap();
            // Something arrives meanwhile.
            mailbox.user.deliver("Subject: y\r\n\r\ny\r\n".into()).unwrap();
            match round % 5 {
                0 => drop(
                    client.uid_fetch(uid, [FetchAtt::Envelope, FetchAtt::Flags]).await.unwrap().next().await,
                ),
                1 => drop(client.uid_store(uid, FlagChange::add([Flag::Seen])).await.unwrap()),
                2 => drop(client.uid_move_to(uid, "other").await.unwrap()),
                3 => drop(client.select("other").await.unwrap()),
                // A call that is dropped.
                _ => drop(timeout(Duration::ZERO, client.noop()).await),
            }
            follow(&mut watch, &mut mirror, &mailbox, &format!("{hidden:?}, after round {round}")).await;
        }
        assert_eq!(*lines.lock().unwrap(), 1, "one connection");
    }
}
