//! The store in PostgreSQL: what every store must do, and what only this one has. `interop/postgres.sh` starts a server for
//! it.
#![cfg(all(feature = "postgres", unix))]
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod growth;
mod killed;
mod postgres_faults;
#[cfg(feature = "object-store")]
mod postgres_objects;
mod postgres_server;
mod raw;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use killed::Told;
use mailwire_core::Channel;
use mailwire_imap::{
    command::StoreAction,
    types::{Flag, Uid},
};
use mailwire_store::{
    AccountId, BodyId, BodyWriter as _, Error, FlagChange, How, Lease, MailboxChange, MailboxId, MailboxPath,
    Result, Store as _, Target, Uids, Watch as _, Which,
    postgres::{Config, PostgresStore},
};
use mailwire_transport::pop3::server::Policy;
use postgres_server::{client, node, place, url};
use raw::{Protocol, Servers};
use rustls::pki_types::pem::PemObject as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn path(name: &str) -> MailboxPath {
    MailboxPath::new(name).unwrap()
}

async fn inbox(store: &PostgresStore, ada: AccountId) -> MailboxId {
    store.mailbox(ada, &MailboxPath::inbox()).await.unwrap().id
}

async fn write(store: &PostgresStore, ada: AccountId, raw: &[u8]) -> Result<BodyId> {
    let mut body = store.body(&[ada], None).await?;
    for piece in raw.chunks(100_000) {
        body.write(Bytes::copy_from_slice(piece)).await?;
    }
    body.finish().await
}

async fn deliver(store: &PostgresStore, ada: AccountId, raw: &[u8]) -> Result<Uid> {
    let body = write(store, ada, raw).await?;
    store.deliver(body, &[Target::inbox(ada)]).await.remove(0).map(|delivered| delivered.uid)
}

/// So many lines of a table.
async fn count(place: &str, table: &str) -> i64 {
    client(place).await.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn conformance() {
    let Some(server) = url() else { return };
    mailwire_store::conformance::check(|| async {
        let store = node(&place(&server).await).await;
        store.add_user("ada", "secret").await.unwrap();
        store
    })
    .await;
}

#[tokio::test]
async fn what_is_not_its_database_is_refused() {
    let Some(server) = url() else { return };
    let refused = async |url: &str| {
        let config = Config::new().with_wait(Duration::from_secs(1));
        PostgresStore::connect_with(url, config).await.unwrap_err().to_string()
    };
    let told = refused("nonsense").await;
    assert!(told.contains("not a PostgreSQL URL"), "{told}");
    let told = refused("postgres://mail@127.0.0.1:1/mail").await;
    assert!(told.contains("not done"), "{told}");
    let other = place(&server).await;
    client(&other).await.batch_execute("CREATE TABLE mine(x int)").await.unwrap();
    let told = refused(&other).await;
    assert!(told.contains("of something else"), "{told}");

    let ours = place(&server).await;
    let store = node(&ours).await;
    let ada = store.add_user("ada", "secret").await.unwrap();
    deliver(&store, ada, b"x").await.unwrap();
    drop(store);
    let sql = client(&ours).await;
    sql.batch_execute("UPDATE mailwire SET version=version+1000").await.unwrap();
    let told = refused(&ours).await;
    assert!(told.contains("version 1002"), "{told}");
    sql.batch_execute("UPDATE mailwire SET version=version-1000").await.unwrap();
    assert_eq!(node(&ours).await.mailbox(ada, &MailboxPath::inbox()).await.unwrap().messages, 1);
}

/// By the caller's configuration, with its provider: none is there for the whole process.
#[tokio::test]
async fn tls() {
    let (Some(server), Ok(certificate)) = (url(), std::env::var("POSTGRES_CERTIFICATE")) else { return };
    let place = place(&server).await;
    let name = format!("tls-{}", std::process::id());
    let connect = async |roots: &[u8], mode: &str| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut trusted = rustls::RootCertStore::empty();
        for root in rustls::pki_types::CertificateDer::pem_slice_iter(roots) {
            trusted.add(root.unwrap()).unwrap();
        }
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(trusted)
            .with_no_client_auth();
        let config = Config::new().with_tls(Some(Arc::new(tls))).with_wait(Duration::from_secs(2));
        let url = format!("{place}&sslmode={mode}&application_name={name}");
        PostgresStore::connect_with(&url, config).await
    };
    let own = std::fs::read(certificate).unwrap();
    let store = connect(&own, "require").await.unwrap();
    let ada = store.add_user("ada", "secret").await.unwrap();
    deliver(&store, ada, b"x").await.unwrap();
    let how =
        "SELECT count(*), count(*) FILTER (WHERE ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name=$1";
    let line = client(&server).await.query_one(how, &[&name]).await.unwrap();
    let (all, protected): (i64, i64) = (line.get(0), line.get(1));
    assert!(all > 0 && all == protected, "{all} {protected}");
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    let unknown = connect(b"", "require").await.unwrap_err().to_string();
    assert!(unknown.contains("certificate"), "{unknown}");
    // Who has no configuration speaks no TLS.
    let without = PostgresStore::connect(&format!("{place}&sslmode=require")).await.unwrap_err().to_string();
    assert!(without.to_lowercase().contains("tls"), "{without}");
}

/// Servers that start at the same time make the tables once.
#[tokio::test]
async fn several_make_the_tables() {
    let Some(server) = url() else { return };
    let place = place(&server).await;
    let nodes = futures_util::future::join_all((0..4).map(|_| node(&place))).await;
    let ada = nodes[0].add_user("ada", "secret").await.unwrap();
    assert!(matches!(nodes[1].add_user("ADA", "x").await, Err(Error::Account(_))));
    for store in &nodes {
        deliver(store, ada, b"x").await.unwrap();
    }
    assert_eq!(nodes[3].mailbox(ada, &MailboxPath::inbox()).await.unwrap().messages, 4);
    nodes[2].renew_uid_validity().await.unwrap();
}

/// What one server changes wakes those who wait at another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_reach_other_servers() {
    let Some(server) = url() else { return };
    let place = place(&server).await;
    let (here, there) = (node(&place).await, node(&place).await);
    let ada = here.add_user("ada", "secret").await.unwrap();
    let inbox = inbox(&here, ada).await;
    let servers = Servers::new(&there);
    let mut imap = servers.connect(Protocol::Imap, Channel::Tls, 1 << 16).await;
    assert!(imap.login(Protocol::Imap, "ada", "secret").await);
    imap.command(Protocol::Imap, "SELECT INBOX").await;
    imap.write("a IDLE\r\n").await;
    assert!(imap.line().await.starts_with('+'));
    let (mut arrivals, mut flags) = (Vec::new(), Vec::new());
    let seen = FlagChange::new(StoreAction::Add, [Flag::Seen].into_iter().collect());
    for n in 1..=100 {
        let body = write(&here, ada, b"Subject: x\r\n\r\nx\r\n").await.unwrap();
        let begin = Instant::now();
        here.deliver(body, &[Target::inbox(ada)]).await.remove(0).unwrap();
        while imap.line().await != format!("* {n} EXISTS") {}
        arrivals.push(begin.elapsed());
        let begin = Instant::now();
        here.store(inbox, &uid(n).into(), &seen).await.unwrap();
        while !imap.line().await.contains("\\Seen") {}
        flags.push(begin.elapsed());
    }
    for (name, mut times) in [("a delivery", arrivals), ("flags", flags)] {
        times.sort();
        let (median, last) = (times[50].as_secs_f64() * 1e3, times[99].as_secs_f64() * 1e3);
        println!(
            "from the begin of {name} to IDLE at another server: median {median:.1} ms, at most {last:.1} ms"
        );
    }
}

/// A hint can be lost: here all are.
#[tokio::test]
async fn lost_hints_cost_a_second() {
    let Some(server) = url() else { return };
    let place = place(&server).await;
    let store = node(&place).await;
    let ada = store.add_user("ada", "secret").await.unwrap();
    let mut watch = store.watch(ada);
    // It is asked how far the account is, and nothing more.
    watch.changed().await;
    client(&place).await.batch_execute("UPDATE account SET modseq=modseq+1").await.unwrap();
    watch.changed().await;
}

#[tokio::test]
async fn a_maildrop_is_leased_by_one_server() {
    let Some(server) = url() else { return };
    let place = place(&server).await;
    let (here, there) = (node(&place).await, node(&place).await);
    let ada = here.add_user("ada", "secret").await.unwrap();
    deliver(&here, ada, b"x").await.unwrap();
    let inbox = inbox(&here, ada).await;
    let long = Duration::from_secs(60);
    let held = here.lease(ada, Lease::Maildrop, long).await.unwrap();
    assert_eq!(there.lease(ada, Lease::Maildrop, long).await.err(), Some(Error::InUse));
    // Its holder was away for so long that another one has it: it removes nothing any more.
    let end = "UPDATE lease SET until=now()-interval '1 s'";
    client(&place).await.batch_execute(end).await.unwrap();
    let other = there.lease(ada, Lease::Maildrop, long).await.unwrap();
    let late = here.expunge(inbox, &uid(1).into(), Which::All).await;
    assert!(matches!(late, Err(Error::NotDone(_))), "{late:?}");
    drop(held);
    assert_eq!(here.lease(ada, Lease::Maildrop, long).await.err(), Some(Error::InUse));
    there.expunge(inbox, &uid(1).into(), Which::All).await.unwrap();
    assert_eq!(here.mailbox(ada, &MailboxPath::inbox()).await.unwrap().messages, 0);
    drop(other);
    assert!(there.lease(ada, Lease::Maildrop, long).await.is_ok());
    // A short one is renewed while it is held.
    let short = Duration::from_millis(200);
    let held = there.lease(ada, Lease::Maildrop, short).await.unwrap();
    let until = "SELECT extract(epoch FROM until)::float8 FROM lease";
    let sql = client(&place).await;
    let first: f64 = sql.query_one(until, &[]).await.unwrap().get(0);
    while sql.query_one(until, &[]).await.unwrap().get::<_, f64>(0) < first + 0.3 {
        tokio::task::yield_now().await;
    }
    drop(held);
}

/// LOGIN-DELAY is kept by all servers together.
#[tokio::test]
async fn a_login_delays_the_next_one_at_any_server() {
    let Some(server) = url() else { return };
    let place = place(&server).await;
    let nodes = [node(&place).await, node(&place).await];
    for name in ["ada", "bob"] {
        nodes[0].add_user(name, "secret").await.unwrap();
    }
    let policy = Policy::new().with_login_delay(Duration::from_secs(60));
    let servers = nodes.each_ref().map(|store| Servers::with_policy(store, policy));
    let login = async |node: usize, user: &str| {
        loop {
            let mut pop3 = servers[node].connect(Protocol::Pop3, Channel::Tls, 1 << 16).await;
            pop3.command(Protocol::Pop3, &format!("USER {user}")).await;
            let answer = pop3.command(Protocol::Pop3, "PASS secret").await;
            pop3.command(Protocol::Pop3, "QUIT").await;
            // The maildrop is given back after the answer to QUIT.
            if !answer.contains("[IN-USE]") {
                return answer;
            }
        }
    };
    let is_early = |answer: String| answer.starts_with("-ERR [LOGIN-DELAY]");
    assert!(login(0, "ada").await.starts_with("+OK"));
    assert!(is_early(login(1, "ada").await) && is_early(login(0, "ada").await));
    assert!(login(1, "bob").await.starts_with("+OK"));
    let end = "UPDATE lease SET until=now()-interval '1 s' WHERE kind='login' AND account=1";
    assert_eq!(client(&place).await.execute(end, &[]).await.unwrap(), 1);
    assert!(login(1, "ada").await.starts_with("+OK"));
    assert!(is_early(login(0, "ada").await) && is_early(login(0, "bob").await));
}

#[tokio::test]
async fn what_nobody_needs_is_swept() {
    let Some(server) = url() else { return };
    let place = place(&server).await;
    let open = async || {
        let config = Config::new().with_kept_for(Duration::ZERO);
        PostgresStore::connect_with(&place, config).await.unwrap()
    };
    let store = open().await;
    let ada = store.add_user("ada", "secret").await.unwrap();
    store.alter(ada, MailboxChange::Create { path: path("a"), special_use: None }).await.unwrap();
    let large = vec![b'x'; 600_000];
    deliver(&store, ada, &large).await.unwrap();
    deliver(&store, ada, b"small").await.unwrap();
    let (inbox, a) = (inbox(&store, ada).await, store.mailbox(ada, &path("a")).await.unwrap().id);
    let both = Uids::below(uid(3));
    store.copy(inbox, &both, a, How::Copy).await.unwrap();
    assert_eq!((count(&place, "chunk").await, count(&place, "blob").await), (4, 2));

    // One that is given up on its way, one that is never delivered.
    let mut writer = store.body(&[ada], None).await.unwrap();
    writer.write(large.clone().into()).await.unwrap();
    let never = write(&store, ada, &large).await.unwrap();
    assert_eq!(count(&place, "chunk").await, 4 + 2 + 3);
    // What is on its way stays.
    store.sweep().await.unwrap();
    assert_eq!(count(&place, "chunk").await, 4 + 2 + 3);
    assert!(store.deliver(never, &[]).await.is_empty());
    drop((writer, store));

    let store = open().await;
    store.expunge(inbox, &both, Which::All).await.unwrap();
    // The store before this one may have been at it when it ended, and its transaction takes a moment to end, too.
    while count(&place, "blob").await > 2 {
        store.sweep().await.unwrap();
    }
    assert_eq!((count(&place, "chunk").await, count(&place, "blob").await), (4, 2), "copies have them");
    // More than are removed at once.
    for _ in 0..10 {
        let all = store.open(a, None).await.unwrap().uids;
        store.copy(a, &all, a, How::Copy).await.unwrap();
    }
    assert_eq!(count(&place, "message").await, 2048);
    store.alter(ada, MailboxChange::Delete(path("a"))).await.unwrap();
    store.sweep().await.unwrap();
    for table in ["chunk", "blob", "garbage", "message", "emptied", "page"] {
        assert_eq!(count(&place, table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn quotas() {
    let Some(server) = url() else { return };
    let place = place(&server).await;
    let config = Config::new().with_bytes(10).with_messages(3).with_mailboxes(2).with_coming(25);
    let store = PostgresStore::connect_with(&place, config).await.unwrap();
    let ada = store.add_user("ada", "secret").await.unwrap();
    let inbox = inbox(&store, ada).await;
    let room = async |size| store.body(&[ada], Some(size)).await.is_ok();
    deliver(&store, ada, b"12345678").await.unwrap();
    assert!(room(2).await && !room(3).await);
    assert_eq!(store.check_room(ada, 3).await, Err(Error::OverQuota));
    assert_eq!(deliver(&store, ada, b"123").await, Err(Error::OverQuota));
    let one = Uids::from(Uid::MIN);
    assert_eq!(store.copy(inbox, &one, inbox, How::Copy).await, Err(Error::OverQuota));
    store.copy(inbox, &one, inbox, How::Move).await.unwrap();
    assert!(store.body_in_place(ada, Some(10), (inbox, uid(2))).await.is_ok());
    store.expunge(inbox, &Uids::below(uid(9)), Which::All).await.unwrap();
    // Of several that wait for the same transaction, some have room.
    let bodies = futures_util::future::join_all((0..6).map(|_| write(&store, ada, b"12"))).await;
    let to = [Target::inbox(ada)];
    let each = bodies.into_iter().map(|body| store.deliver(body.unwrap(), &to));
    let delivered: Vec<_> = futures_util::future::join_all(each).await.concat();
    assert_eq!(delivered.iter().filter(|one| one.is_ok()).count(), 3);
    assert!(delivered.iter().all(|one| one.is_ok() || *one == Err(Error::OverQuota)), "{delivered:?}");
    let create = |name| store.alter(ada, MailboxChange::Create { path: path(name), special_use: None });
    assert_eq!(create("a/b").await, Err(Error::OverQuota));
    create("a").await.unwrap();
    assert_eq!(create("b").await, Err(Error::OverQuota));
}

/// Deliveries of one account at several servers, beside those of others: no UID is given twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_write_at_once() {
    let Some(server) = url() else { return };
    let place = place(&server).await;
    let nodes = [node(&place).await, node(&place).await, node(&place).await];
    let ada = nodes[0].add_user("ada", "secret").await.unwrap();
    let bob = nodes[0].add_user("bob", "secret").await.unwrap();
    let tasks = (0..24).map(|n| {
        let store = nodes[n % 3].clone();
        tokio::spawn(async move {
            let mut given = Vec::new();
            for _ in 0..10 {
                let body = write(&store, ada, b"Subject: x\r\n\r\n").await.unwrap();
                let targets = [Target::inbox(ada), Target::inbox(bob)];
                let to = if n % 2 == 0 { &targets[..] } else { &targets[..1] };
                given.push(store.deliver(body, to).await.remove(0).unwrap().uid);
            }
            given
        })
    });
    let given: Vec<Uid> =
        futures_util::future::join_all(tasks).await.into_iter().flat_map(|task| task.unwrap()).collect();
    assert_eq!((given.len(), given.into_iter().collect::<Uids>().len()), (240, 240));
    assert_eq!(nodes[1].mailbox(bob, &MailboxPath::inbox()).await.unwrap().messages, 120);
    assert_eq!(count(&place, "blob").await, 240);
}

/// What is delivered at one time is written together. An account that somebody has locked keeps nobody else waiting, and one
/// that has no room is refused alone.
#[tokio::test]
async fn accounts_do_not_wait_for_each_other() {
    let Some(server) = url() else { return };
    let place = place(&server).await;
    let store = PostgresStore::connect_with(&place, Config::new().with_bytes(10)).await.unwrap();
    let mut accounts = Vec::new();
    for n in 0..10 {
        accounts.push(store.add_user(&format!("user{n}"), "secret").await.unwrap());
    }
    deliver(&store, accounts[1], b"123456789").await.unwrap();
    let mut bodies = Vec::new();
    for _ in &accounts {
        // Of another account, which has room for it.
        bodies.push(write(&store, accounts[9], b"12").await.unwrap());
    }
    let outside = client(&place).await;
    outside.batch_execute("BEGIN; SELECT 1 FROM account WHERE key='user0' FOR UPDATE").await.unwrap();
    let mut each: Vec<_> = accounts
        .iter()
        .zip(bodies)
        .map(|(account, body)| {
            let (store, to) = (store.clone(), [Target::inbox(*account)]);
            tokio::spawn(async move { store.deliver(body, &to).await.remove(0) })
        })
        .collect();
    for (n, one) in each.drain(1..).enumerate() {
        match one.await.unwrap() {
            Err(error) => assert_eq!((n, error), (0, Error::OverQuota)),
            Ok(delivered) => assert_eq!((n > 0, delivered.uid), (true, uid(1))),
        }
    }
    assert!(!each[0].is_finished());
    outside.batch_execute("COMMIT").await.unwrap();
    assert_eq!(each.remove(0).await.unwrap().unwrap().uid, uid(1));
    assert_eq!(count(&place, "message").await, 10);
}

/// A way to the server that ends where it is about to tell of a commit, so many times. Gives its URL.
async fn cut_at_commits(place: &str, cuts: &Arc<AtomicUsize>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = listener.local_addr().unwrap().to_string();
    let far = place.split(['@', '/']).nth(3).unwrap().to_owned();
    let url = place.replace(&far, &near);
    let cuts = Arc::clone(cuts);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (cuts, far) = (Arc::clone(&cuts), far.clone());
            tokio::spawn(async move {
                let server = tokio::net::TcpStream::connect(far).await.unwrap();
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                    (client.into_split(), server.into_split());
                let up = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
                let mut buffer = vec![0; 1 << 16];
                while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
                    let told = &buffer[..count];
                    // What was written without a transaction of its own is a commit, too.
                    let ends: [&[u8]; 2] = [b"COMMIT\0", b"UPDATE 1\0Z\0\0\0\x05I"];
                    let is_commit = ends.iter().any(|end| told.windows(end.len()).any(|words| words == *end));
                    let one_less = |cuts: usize| cuts.checked_sub(1);
                    if is_commit && cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
                        break;
                    }
                    to_client.write_all(told).await.unwrap();
                }
                up.abort();
            });
        }
    });
    url
}

/// The connection breaks after a commit, before it is told.
#[tokio::test]
async fn a_commit_that_is_not_answered() {
    let Some(server) = url() else { return };
    let place = place(&server).await;
    let cuts = Arc::new(AtomicUsize::new(0));
    let store = node(&cut_at_commits(&place, &cuts).await).await;
    let ada = store.add_user("ada", "secret").await.unwrap();
    let bob = store.add_user("bob", "secret").await.unwrap();
    for n in 1..=3 {
        let body = write(&store, ada, format!("Subject: {n}\r\n\r\n").as_bytes()).await.unwrap();
        cuts.store(2, Ordering::SeqCst);
        let delivered = store.deliver(body, &[Target::inbox(ada), Target::inbox(bob)]).await;
        assert_eq!(delivered.into_iter().map(|one| one.unwrap().uid).collect::<Vec<_>>(), [uid(n), uid(n)]);
        assert_eq!(cuts.load(Ordering::SeqCst), 0);
    }
    assert_eq!((count(&place, "message").await, count(&place, "blob").await), (6, 3));
    // Of what is not made again, nobody knows.
    let inbox = inbox(&store, ada).await;
    cuts.store(1, Ordering::SeqCst);
    let seen = FlagChange::new(StoreAction::Add, [Flag::Seen].into_iter().collect());
    let stored = store.store(inbox, &uid(1).into(), &seen).await;
    assert!(matches!(stored, Err(Error::Unknown(_))), "{stored:?}");
    assert_eq!(store.mailbox(ada, &MailboxPath::inbox()).await.unwrap().unseen, 2);
}

/// The server is started again, several times, at once or after what is under way. What was answered OK is there once;
/// what was not, at most once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_is_restarted() {
    let (Some(server), Ok(control)) = (url(), std::env::var("POSTGRES_CTL")) else { return };
    let place = place(&server).await;
    let nodes = [node(&place).await, node(&place).await];
    let ada = nodes[0].add_user("ada", "secret").await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let (store, stop, answered) = (nodes[n % 2].clone(), Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut refused = 0;
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let raw = format!("Subject: {n}-{round}\r\n\r\nx\r\n");
                    match deliver(&store, ada, raw.as_bytes()).await {
                        Ok(uid) => answered.lock().unwrap().push((uid, format!("{n}-{round}"))),
                        Err(Error::NotDone(_) | Error::Unknown(_)) => refused += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
                refused
            })
        })
        .collect();
    // A session that is open all the time.
    let servers = Servers::new(&nodes[0]);
    let mut imap = servers.connect(Protocol::Imap, Channel::Tls, 1 << 20).await;
    assert!(imap.login(Protocol::Imap, "ada", "secret").await);
    imap.command(Protocol::Imap, "SELECT INBOX").await;
    for mode in ["immediate", "fast", "immediate", "fast"] {
        let before = answered.lock().unwrap().len();
        while answered.lock().unwrap().len() < before + 100 {
            tokio::task::yield_now().await;
        }
        let restart = format!("{control} restart -m {mode} >/dev/null 2>&1");
        let done = move || std::process::Command::new("sh").args(["-c", &restart]).status().unwrap();
        assert!(tokio::task::spawn_blocking(done).await.unwrap().success());
        let told = imap.command(Protocol::Imap, "NOOP").await;
        assert!(["a OK", "a NO", "* BYE"].iter().any(|word| told.starts_with(word)), "{told}");
    }
    stop.store(true, Ordering::Relaxed);
    let mut refused = 0;
    for task in tasks {
        refused += task.await.unwrap();
    }
    let told = imap.command(Protocol::Imap, "NOOP").await;
    assert!(told.starts_with("a OK"), "{told}");
    let answered = std::mem::take(&mut *answered.lock().unwrap());
    let inbox = inbox(&nodes[1], ada).await;
    let fields = mailwire_store::Fields::new().with_envelope(true);
    let rows = nodes[1].messages(inbox, &Uids::below(Uid::MAX), fields, usize::MAX).await.unwrap();
    let mut there = std::collections::HashMap::new();
    for row in &rows {
        let subject = row.envelope.as_ref().unwrap().subject().unwrap().to_string_lossy().into_owned();
        assert!(there.insert(subject.clone(), row.uid).is_none(), "{subject} is there twice");
    }
    for (uid, subject) in &answered {
        assert_eq!(there.get(subject), Some(uid), "{subject}");
    }
    println!("4 restarts: {} were answered, {refused} refused, {} are there", answered.len(), rows.len());
}

#[test]
#[ignore = "it is run to be killed"]
fn to_be_killed() {
    let Some(place) = killed::place() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let config = Config::new().with_bytes(u64::MAX).with_connections(8);
        killed::work(PostgresStore::connect_with(&place, config).await.unwrap()).await;
    });
}

/// A server of mail is killed, 20 times or as `MAILWIRE_KILLS` says, while another one goes on.
#[test]
fn what_was_answered_outlives_the_process() {
    let Some(server) = url() else { return };
    let times = killed::times(20);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (place, store) = runtime.block_on(async {
        let place = place(&server).await;
        let store = node(&place).await;
        store.add_user("ada", "secret").await.unwrap();
        killed::prepare(&store).await;
        (place, store)
    });
    let mut told = Told::default();
    for (round, lines) in killed::rounds(times) {
        told.take(&killed::killed(&place, lines));
        // All of it is read after each of the first, and then more and more seldom.
        if round <= 5 || round.is_power_of_two() || round == times {
            runtime.block_on(told.check(&store));
        }
    }
    println!(
        "{times} kills: {} messages were answered, {} are gone, change {}",
        told.put.len(),
        told.gone.len(),
        told.highest
    );
    assert!(told.put.len() > times);
}

/// How the cost grows with a mailbox: prints a table, for `benches/growth.py`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures, and takes its time"]
async fn what_mailboxes_of_many_messages_cost() {
    let Some(server) = url() else { return };
    let make = || async {
        let config = Config::new().with_messages(u64::MAX).with_bytes(u64::MAX);
        let store = PostgresStore::connect_with(&place(&server).await, config).await.unwrap();
        store.add_user("ada", "secret").await.unwrap();
        store
    };
    // As after a while: what came at once is counted, and on disk.
    let settled = async || {
        for statement in ["VACUUM (ANALYZE)", "CHECKPOINT"] {
            client(&server).await.batch_execute(statement).await.unwrap();
        }
    };
    growth::measure(make, settled).await;
}
