//! Watching a mailbox, in virtual time, on servers that follow a script: one for each connection.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod peer;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use mailwire_transport::{
    Error, RefusedKind, Result, Stream,
    imap::{
        Client, MailboxName, Watch, WatchEvent, WatchOptions,
        client::Update,
        proto::{
            extensions::notify::MailboxFilter,
            response::Untagged,
            sync::{Change, SyncOptions, SyncState},
        },
    },
};
use tokio::time::{Instant, sleep, timeout};

/// A server that says these are its capabilities, tells of an INBOX with the message 4, and goes on with the script.
fn session(capabilities: &str, script: &str) -> String {
    format!(
        "{}
        {}
        C: ~ UID FETCH 1:* FLAGS
        S: * 1 FETCH (UID 4 FLAGS ())
        S: ~ OK done
        {script}",
        login(capabilities),
        select(1, 5)
    )
}

fn select(messages: u32, uid_next: u32) -> String {
    format!(
        "C: ~ SELECT INBOX
        S: * {messages} EXISTS
        S: * OK [UIDVALIDITY 3] valid
        S: * OK [UIDNEXT {uid_next}] next
        S: ~ OK [READ-WRITE] selected"
    )
}

fn login(capabilities: &str) -> String {
    format!(
        "S: * OK [CAPABILITY IMAP4rev1] hi
        C: ~ LOGIN ada \"tanstaaf\"
        S: ~ OK [CAPABILITY IMAP4rev1 {capabilities}] in"
    )
}

/// What the servers had to complain of.
type Complaints = Arc<Mutex<Vec<String>>>;

/// A watcher of servers that follow these scripts, one after the other; then there are no more.
fn watch(scripts: impl IntoIterator<Item = String>, options: WatchOptions) -> (Watch<'static>, Complaints) {
    let complaints = Complaints::default();
    let told = Arc::clone(&complaints);
    let mut scripts: VecDeque<String> = scripts.into_iter().collect();
    let connect = move || {
        let (script, told) = (scripts.pop_front(), Arc::clone(&told));
        async move {
            let Some(script) = script else {
                return Err::<Client, Error>(
                    std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into(),
                );
            };
            let (ours, mut theirs) = tokio::io::duplex(1 << 16);
            tokio::spawn(async move {
                let wrong = peer::play(&mut theirs, &script).await;
                if !wrong.is_empty() {
                    told.lock().unwrap().push(wrong);
                }
            });
            peer::imap(Stream::other(ours)).await
        }
    };
    let watch = Watch::new(connect, SyncState::default(), [], SyncOptions::new(MailboxName::INBOX));
    (watch.with_options(options), complaints)
}

/// Says what happens, in a word each, until the error that tells of the end.
async fn story(scripts: impl IntoIterator<Item = String>, options: WatchOptions) -> (Vec<String>, Error) {
    let (mut watch, complaints) = watch(scripts, options);
    let mut words = Vec::new();
    let error = loop {
        let event = timeout(Duration::from_secs(7200), watch.next()).await;
        match event.unwrap_or_else(|_| panic!("nothing after {words:?}, {:?}", complaints.lock().unwrap())) {
            Ok(WatchEvent::Change(Change::New { uid, .. })) => words.push(format!("new {uid}")),
            Ok(WatchEvent::Change(Change::Flags { uid, flags })) => {
                let flags: Vec<String> = flags.iter().map(|flag| flag.to_string()).collect();
                words.push(format!("{uid}: {}", flags.join(" ")));
            }
            Ok(WatchEvent::Change(Change::Gone { first, last })) => {
                words.push(format!("gone {first}:{last}"))
            }
            Ok(WatchEvent::Change(Change::Reset { uid_validity })) => {
                words.push(format!("reset {uid_validity}"))
            }
            Ok(WatchEvent::Change(_)) => {}
            Ok(WatchEvent::InStep) => words.push("in step".into()),
            Ok(WatchEvent::Update(Update::Data(data))) => words.push(match *data {
                Untagged::Status(status) => format!("status {}", status.mailbox),
                Untagged::List(list) => format!("list {}", list.name),
                other => format!("{other:?}"),
            }),
            Ok(WatchEvent::Update(Update::Notice(reply))) => {
                words.push(reply.code.map_or_else(|| "notice".into(), |code| code.to_string()));
            }
            Ok(WatchEvent::Lost { error, .. }) => words.push(match error {
                Error::Refused(refused) => format!("lost: {:?}", refused.kind),
                Error::Timeout { .. } => "lost: timeout".into(),
                Error::Io(_) => "lost: refused".into(),
                Error::Closed | Error::Protocol { .. } => "lost: closed".into(),
                other => format!("lost: {other:?}"),
            }),
            Ok(other) => words.push(format!("{other:?}")),
            Err(error) => break error,
        }
    };
    let complaints = complaints.lock().unwrap();
    assert!(complaints.is_empty(), "{complaints:?} after {words:?}");
    (words, error)
}

fn once() -> WatchOptions {
    WatchOptions::new().with_attempts(1)
}

const NOTIFY: &str = "C: ~ NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange))";

#[tokio::test(start_paused = true)]
async fn by_notify() {
    let first = session(
        "NOTIFY IDLE",
        "C: ~ NOTIFY SET STATUS (SELECTED (MessageNew MessageExpunge FlagChange)) (PERSONAL (MessageNew MessageExpunge MailboxName))
        S: * STATUS a (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)
        S: ~ OK done
        C: ~ NOOP
        S: ~ OK done
        S: * 1 FETCH (UID 4 FLAGS (\\Seen))
        S: * STATUS a (MESSAGES 2 UIDNEXT 3)
        S: * LIST () \"/\" b
        S: * 2 EXISTS
        C: ~ UID FETCH 5:* FLAGS
        S: * 2 FETCH (UID 6 FLAGS ())
        S: ~ OK done
        S: * 1 EXPUNGE
        C: ~ NOOP
        S: ~ OK done",
    );
    let options = once().with_others(MailboxFilter::Personal);
    let begun = Instant::now();
    let (words, _) = story([first], options).await;
    let told = [
        "new 4",
        "in step",
        "status a",
        "4: \\Seen",
        "status a",
        "list b",
        "new 6",
        "gone 4:4",
        "lost: closed",
    ];
    assert_eq!(words, told);
    // It gave a sign of life.
    assert!(begun.elapsed() > Duration::from_secs(14 * 60), "{:?}", begun.elapsed());
}

/// A server that refuses the events is watched by IDLE; one that tells nothing more is asked again.
#[tokio::test(start_paused = true)]
async fn notify_is_refused_or_overflows() {
    let refused = session(
        "NOTIFY IDLE",
        &format!(
            "{NOTIFY}
            S: ~ NO [BADEVENT (MessageNew MessageExpunge)] not that
            C: ~ IDLE
            S: + idling
            S: * 1 FETCH (UID 4 FLAGS (\\Seen))"
        ),
    );
    let (words, _) = story([refused], once()).await;
    let told = ["new 4", "in step", "BADEVENT (MessageNew MessageExpunge)", "4: \\Seen", "lost: closed"];
    assert_eq!(words, told);

    let set = format!("{NOTIFY}\nS: ~ OK done\nC: ~ NOOP\nS: ~ OK done");
    let overflows = session(
        "NOTIFY",
        &format!(
            "{set}
            S: * OK [NOTIFICATIONOVERFLOW] too much
            {}
            C: ~ UID FETCH 1:4 FLAGS
            S: * 1 FETCH (UID 4 FLAGS ())
            S: ~ OK done
            C: ~ UID FETCH 5:* FLAGS
            S: * 2 FETCH (UID 5 FLAGS ())
            S: ~ OK done
            {set}
            S: * 1 EXPUNGE",
            select(2, 6)
        ),
    );
    let (words, _) = story([overflows], once()).await;
    let told = ["new 4", "in step", "NOTIFICATIONOVERFLOW", "4: ", "new 5", "gone 4:4", "lost: closed"];
    assert_eq!(words, told);
}

/// What came and went while there was no connection is not missed.
#[tokio::test(start_paused = true)]
async fn a_restart_of_the_server_is_no_gap() {
    for (capabilities, waits) in [
        ("IDLE", "C: ~ IDLE\nS: + idling"),
        ("NOTIFY", &*format!("{NOTIFY}\nS: ~ OK done\nC: ~ NOOP\nS: ~ OK done")),
        ("", ""),
    ] {
        let bye = "S: * BYE [UNAVAILABLE] restarting\nwait";
        let first = session(capabilities, &format!("{waits}\n{bye}"));
        // It is there, and does not take logins yet.
        let second = "S: * BYE [UNAVAILABLE] starting".to_owned();
        let third = login("") + "\nC: ~ SELECT INBOX\nS: ~ NO [UNAVAILABLE] not yet\nwait";
        let last = format!(
            "{}
            {}
            C: ~ UID FETCH 1:4 FLAGS
            S: ~ OK done
            C: ~ UID FETCH 5:* FLAGS
            S: * 1 FETCH (UID 5 FLAGS (\\Seen))
            S: ~ OK done
            C: ~ UID SEARCH ALL
            S: * SEARCH 5
            S: ~ OK done
            C: ~ NOOP
            S: ~ OK done",
            login(""),
            select(1, 6)
        );
        let begun = Instant::now();
        let (words, error) = story([first, second, third, last], once().with_attempts(4)).await;
        assert!(matches!(error, Error::Io(_)), "{error}");
        let bye = format!("lost: {:?}", RefusedKind::Bye);
        let no = format!("lost: {:?}", RefusedKind::No);
        let told = ["new 4", "in step", &bye, &bye, &no, "gone 4:4", "new 5", "in step", "lost: closed"];
        assert_eq!(words, told, "{capabilities}");
        // The goodbye was heard at once, though the server keeps the connection.
        assert!(begun.elapsed() < Duration::from_secs(60), "{capabilities}: {:?}", begun.elapsed());
    }
}

/// Who does not answer is gone, whatever is waited for.
#[tokio::test(start_paused = true)]
async fn silence_is_noticed() {
    let notified = format!("{NOTIFY}\nS: ~ OK done\nC: ~ NOOP\nS: ~ OK done");
    let cases = [
        ("IDLE", "C: ~ IDLE\nwait".to_owned(), 20),
        ("IDLE", "C: ~ IDLE\nS: + idling\nC: DONE\nwait".to_owned(), 14 * 60 + 20),
        ("IDLE", "C: ~ IDLE\nS: + idling\nC: DONE\nS: ~ OK done\nC: ~ IDLE\nwait".to_owned(), 14 * 60 + 20),
        ("NOTIFY", format!("{NOTIFY}\nwait"), 20),
        ("NOTIFY", format!("{notified}\nC: ~ NOOP\nwait"), 14 * 60 + 20),
        ("", "C: ~ NOOP\nwait".to_owned(), 60 + 20),
        ("", "C: ~ NOOP\nS: * 1 FETCH (UID 4 FLAGS ())\nwait".to_owned(), 60 + 20),
    ];
    for (capabilities, script, seconds) in cases {
        for waits_often in [false, true] {
            let options = once().with_patience(Duration::from_secs(20));
            let (mut watch, complaints) = watch([session(capabilities, &script)], options);
            let begun = Instant::now();
            let error = loop {
                let limit = if waits_often { 7 } else { 7200 };
                match timeout(Duration::from_secs(limit), watch.next()).await {
                    Ok(Ok(WatchEvent::Lost { error, .. })) => break error,
                    Ok(event) => drop(event.unwrap()),
                    Err(_) => assert!(waits_often, "{script}"),
                }
            };
            assert!(complaints.lock().unwrap().is_empty(), "{complaints:?}");
            assert!(matches!(error, Error::Timeout { .. }), "{script}: {error}");
            let took = begun.elapsed().as_secs();
            assert!((seconds..seconds + 20).contains(&took), "{script}: {took} s");
        }
    }
}

/// A server that ends each IDLE at once is begun with less and less often, and asked in the end; nothing is missed.
#[tokio::test(start_paused = true)]
async fn an_idle_that_comes_to_nothing() {
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    let server = tokio::spawn(async move {
        assert_eq!(peer::play(&mut theirs, &session("IDLE", "")).await, "");
        let (mut rounds, begun) = (0, Instant::now());
        loop {
            let said = peer::play(&mut theirs, "C: ~ IDLE\nS: + idling\nS: ~ OK done").await;
            if !said.is_empty() {
                assert!(said.contains("NOOP"), "{said}");
                return (rounds, begun.elapsed());
            }
            rounds += 1;
        }
    });
    let mut client = peer::imap(Stream::other(ours)).await.unwrap();
    let options = SyncOptions::new(MailboxName::INBOX);
    let mut syncing = client.sync(SyncState::default(), [], options).await.unwrap();
    while let Ok(change) = syncing.wait().await {
        drop(change);
    }
    let (rounds, took) = server.await.unwrap();
    assert!((5..20).contains(&rounds), "{rounds}");
    assert!(took > Duration::from_secs(60) && took < Duration::from_secs(600), "{took:?}");
}

/// One who is lent a connection goes on over its own when that is lost.
#[tokio::test(start_paused = true)]
async fn a_mirror_in_step_becomes_a_watcher() -> Result<()> {
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    let first = session(
        "IDLE NOTIFY",
        &format!(
            "C: ~ IDLE\nS: + idling\nC: DONE\nS: ~ OK done\n{NOTIFY}\nS: ~ OK done\nC: ~ NOOP\nS: ~ OK done\nS: * 1 FETCH (UID 4 FLAGS (\\Seen))"
        ),
    );
    let played = tokio::spawn(async move { peer::play(&mut theirs, &first).await });
    let mut client = peer::imap(Stream::other(ours)).await?;
    let options = SyncOptions::new(MailboxName::INBOX);
    let mut syncing = client.sync(SyncState::default(), [], options).await?;
    while !matches!(syncing.next().await?, Some(Change::New { .. })) {}
    // It waits in IDLE already.
    assert!(timeout(Duration::from_secs(60), async { while syncing.wait().await.is_ok() {} }).await.is_err());
    let connect = || async {
        sleep(Duration::from_secs(1)).await;
        Err::<Client, _>(Error::Closed)
    };
    let mut watch = syncing.into_watch(connect, once());
    let mut words = Vec::new();
    while let Ok(event) = watch.next().await {
        words.push(format!("{event:?}").split(['(', ' ', '{']).take(2).collect::<Vec<_>>().join(" "));
    }
    assert_eq!(played.await.unwrap(), "");
    assert_eq!(words, ["InStep", "Change Flags", "Lost "]);
    watch.stop().await
}

/// Events that a server cannot be asked for are a mistake that is told.
#[tokio::test]
async fn wrong_options_are_told() {
    let options = WatchOptions::new().with_others(MailboxFilter::SelectedDelayed);
    let (mut watch, _) = watch([], options);
    assert!(matches!(watch.next().await, Err(Error::Invalid(_))));
}
