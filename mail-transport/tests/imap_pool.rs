//! Connections of IMAP that are kept, in virtual time, to servers that follow a script.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod peer;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use mailwire_transport::{
    Error, Result, Stream,
    imap::{Capability, Client, Pool, proto::types::UidValidity},
    pool::PoolOptions,
};
use peer::{imap_script, play};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

type Played = Arc<Mutex<(VecDeque<String>, Vec<JoinHandle<String>>)>>;

async fn connect(played: Played) -> Result<Client> {
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    {
        let (left, playing) = &mut *played.lock().unwrap();
        let script = left.pop_front().unwrap();
        playing.push(tokio::spawn(async move { play(&mut theirs, &script).await }));
    }
    peer::imap(Stream::other(ours)).await
}

fn pool<'a>(scripts: impl IntoIterator<Item = &'a str>) -> (Pool, Played) {
    let played = Played::default();
    played.lock().unwrap().0 = scripts.into_iter().map(imap_script).collect();
    let (options, scripts) = (PoolOptions::new().with_connections(2), played.clone());
    (Pool::from_connector(move || connect(scripts.clone()), options), played)
}

/// All scripts were played to their end.
async fn finish(played: Played) {
    let (left, playing) = std::mem::take(&mut *played.lock().unwrap());
    assert!(left.is_empty(), "{left:?}");
    for played in playing {
        assert_eq!(played.await.unwrap(), "");
    }
}

const LOGOUT: &str = "
    C: ~ LOGOUT
    S: * BYE bye
    S: ~ OK bye
";

fn select(uid_validity: u32) -> String {
    format!(
        "C: ~ SELECT INBOX
        S: * 3 EXISTS
        S: * OK [UIDVALIDITY {uid_validity}] valid
        S: ~ OK selected
        "
    )
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_is_selected_anew_and_must_be_the_same() {
    let script = [&*select(7), &select(7), &select(8), &select(8), LOGOUT].concat();
    let (pool, played) = pool([&*script]);
    let (client, inbox) = pool.select("INBOX", None).await.unwrap();
    assert_eq!((client.exists(), inbox.uid_validity), (Some(3), UidValidity::new(7)));
    drop(client);
    let _ = pool.select("INBOX", inbox.uid_validity).await.unwrap();
    let error = pool.select("INBOX", inbox.uid_validity).await.unwrap_err();
    let Error::UidValidity { mailbox, known, now } = &error else { panic!("{error}") };
    assert_eq!((&**mailbox, known.get(), *now), ("INBOX", 7, UidValidity::new(8)));
    assert_eq!(error.to_string(), "INBOX is not the mailbox that it was: its UIDVALIDITY is 8, not 7");
    assert!(!error.is_transient());
    // Whoever has learnt that goes on.
    let _ = pool.select("INBOX", *now).await.unwrap();
    assert_eq!(pool.close(Duration::from_secs(9)).await, 0);
    finish(played).await;
}

#[tokio::test(start_paused = true)]
async fn over_another_connection_it_must_be_the_same_as_well() {
    let (pool, played) = pool([&*select(7), &*select(8)]);
    let (client, inbox) = pool.select("INBOX", None).await.unwrap();
    drop(client);
    // The server closes the first.
    tokio::task::yield_now().await;
    let error = pool.select("INBOX", inbox.uid_validity).await.unwrap_err();
    assert!(matches!(error, Error::UidValidity { .. }), "{error}");
    finish(played).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_lost_at_select_is_made_anew_at_once() {
    let (pool, played) = pool([&*[&*select(7), "C: ~ SELECT INBOX"].concat(), &*select(7)]);
    let (client, inbox) = pool.select("INBOX", None).await.unwrap();
    drop(client);
    let begun = Instant::now();
    let _ = pool.select("INBOX", inbox.uid_validity).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    finish(played).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_server_says_while_nobody_asks_ends_nothing_but_its_goodbye_does() {
    let script = [&*select(7), "S: * 4 EXISTS\nS: * 1 EXPUNGE\n", "C: ~ NOOP\nS: ~ OK\n"].concat();
    let (pool, played) = pool([&*[&*script, "S: * BYE idle for too long"].concat(), "C: ~ NOOP\nS: ~ OK"]);
    drop(pool.select("INBOX", None).await.unwrap());
    tokio::task::yield_now().await;
    let mut client = pool.get().await.unwrap();
    assert!(client.is_reused());
    assert_eq!((client.exists(), client.updates().count()), (Some(3), 2));
    client.noop().await.unwrap();
    drop(client);
    tokio::task::yield_now().await;
    let mut client = pool.get().await.unwrap();
    assert!(!client.is_reused());
    client.noop().await.unwrap();
    drop(client);
    finish(played).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_brought_to_its_end_before_the_connection_is_used_again() {
    let dropped = "
        C: ~ STATUS INBOX (MESSAGES)
        S: * STATUS INBOX (MESSAGES 1)
    ";
    let (pool, played) = pool([&*[dropped, "wait"].concat(), "C: ~ NOOP\nS: ~ OK"]);
    let mut client = pool.get().await.unwrap();
    let call = client.status("INBOX", [mailwire_transport::imap::StatusAtt::Messages]);
    assert!(tokio::time::timeout(Duration::from_secs(1), call).await.is_err());
    drop(client);
    assert_eq!(pool.status().idle, 1);
    // It does not come to its end, and is given up.
    let begun = Instant::now();
    let mut client = pool.get().await.unwrap();
    assert_eq!((begun.elapsed(), client.is_reused()), (Duration::from_secs(10), false));
    client.noop().await.unwrap();
    drop(client);
    let (_, mut playing) = std::mem::take(&mut *played.lock().unwrap());
    assert_eq!(playing.pop().unwrap().await.unwrap(), "");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_what_it_was_is_not_given_back() {
    let enable = "C: ~ ENABLE QRESYNC\nS: * ENABLED QRESYNC\nS: ~ OK\n";
    let greeting = "
        S: * OK [CAPABILITY IMAP4rev1 ENABLE CONDSTORE QRESYNC NOTIFY] hi
        C: ~ LOGIN ada \"tanstaaf\"
        S: ~ OK [CAPABILITY IMAP4rev1 ENABLE CONDSTORE QRESYNC NOTIFY] in
    ";
    let notify = "C: ~ NOTIFY NONE\nS: ~ OK\n";
    let played = Played::default();
    let scripts = [enable, notify, "C: ~ NOOP\nS: ~ OK\nwait"];
    played.lock().unwrap().0 = scripts.map(|script| format!("{greeting}{script}")).into();
    let connecting = played.clone();
    let pool = Pool::from_connector(move || connect(connecting.clone()), PoolOptions::new());
    for number in 0..3 {
        let mut client = pool.get().await.unwrap();
        assert!(!client.is_reused());
        match number {
            0 => drop(client.enable([Capability::QResync]).await.unwrap()),
            1 => client
                .notify(mailwire_transport::imap::proto::extensions::notify::Notify::none())
                .await
                .unwrap(),
            _ => client.noop().await.unwrap(),
        }
        drop(client);
        assert_eq!(pool.status().idle, usize::from(number == 2));
    }

    // What the connector does stays.
    let played = Played::default();
    played.lock().unwrap().0 = [format!("{greeting}{enable}wait")].into();
    let connecting = played.clone();
    let connect = move || {
        let connecting = connecting.clone();
        async move {
            let mut client = connect(connecting).await?;
            client.enable([Capability::QResync]).await?;
            Ok(client)
        }
    };
    let pool = Pool::from_connector(connect, PoolOptions::new());
    drop(pool.get().await.unwrap());
    assert!(pool.get().await.unwrap().is_reused());
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_ends_with_the_pool() {
    let (pool, played) = pool(["C: ~ NOOP\nS: ~ OK\nC: no more"]);
    let mut client = pool.get().await.unwrap();
    client.noop().await.unwrap();
    drop(client);
    drop(pool);
    let (_, mut playing) = std::mem::take(&mut *played.lock().unwrap());
    assert_eq!(playing.pop().unwrap().await.unwrap(), "gone before C: no more");
    sleep(Duration::from_secs(3600)).await;
}

#[tokio::test(start_paused = true)]
async fn a_discarded_connection_is_not_kept() {
    let (pool, _) = pool(["wait", "wait"]);
    pool.get().await.unwrap().discard();
    assert_eq!(pool.status().idle, 0);
    assert!(!pool.get().await.unwrap().is_reused());
}
