//! What only the store in SQLite has; the rest is in `conformance`.
#![cfg(feature = "sqlite")]
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod file;
mod raw;

use std::{path::Path, time::Duration};

use bytes::Bytes;
use mailwire_core::Channel;
use mailwire_imap::{
    command::StoreAction,
    types::{Flag, Uid},
};
use mailwire_store::{
    AccountId, BodyId, BodyReader as _, BodyWriter as _, Cursor, Error, Fields, FlagChange, How,
    MailboxChange, MailboxId, MailboxPath, Result, Store as _, Target, Uids, Watch as _, Which,
    sqlite::{Config, SqliteStore},
};
use mailwire_transport::sasl::{Authenticator as _, LoginContext};
use raw::{Protocol, Servers};

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn path(name: &str) -> MailboxPath {
    MailboxPath::new(name).unwrap()
}

async fn open(file: &Path, config: Config) -> (SqliteStore, AccountId) {
    let store = SqliteStore::open(file, config).unwrap();
    let ada = match store.account("ada").await {
        Ok(ada) => ada,
        Err(_) => store.add_user("ada", "secret").await.unwrap(),
    };
    (store, ada)
}

async fn inbox(store: &SqliteStore, ada: AccountId) -> MailboxId {
    store.mailbox(ada, &MailboxPath::inbox()).await.unwrap().id
}

async fn write(store: &SqliteStore, ada: AccountId, raw: &[u8]) -> Result<BodyId> {
    let mut body = store.body(&[ada], None).await?;
    for piece in raw.chunks(100_000) {
        body.write(Bytes::copy_from_slice(piece)).await?;
    }
    body.finish().await
}

async fn deliver(store: &SqliteStore, ada: AccountId, raw: &[u8]) -> Result<Uid> {
    let body = write(store, ada, raw).await?;
    store.deliver(body, &[Target::inbox(ada)]).await.remove(0).map(|delivered| delivered.uid)
}

async fn read(store: &SqliteStore, body: BodyId, start: u64, end: u64) -> Result<Vec<u8>> {
    let mut reader = store.read(body, start..end).await?;
    let mut read = Vec::new();
    while let Some(chunk) = reader.chunk().await? {
        assert!(chunk.len() <= 256 << 10);
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

/// So many lines of a table.
fn count(file: &Path, table: &str) -> i64 {
    let sql = rusqlite::Connection::open(file).unwrap();
    sql.query_row(&format!("SELECT count(*) FROM {table}"), [], |line| line.get(0)).unwrap()
}

#[tokio::test]
async fn what_is_not_its_file_is_refused() {
    let folder = file::Folder::new();
    let refused = |name: &str| SqliteStore::open(folder.path(name), Config::new()).unwrap_err().to_string();

    std::fs::write(folder.path("text"), "This is no database. ".repeat(100)).unwrap();
    assert!(refused("text").contains("not a database"), "{}", refused("text"));
    let other = rusqlite::Connection::open(folder.path("other")).unwrap();
    other.execute_batch("CREATE TABLE mine(x)").unwrap();
    drop(other);
    let before = std::fs::read(folder.path("other")).unwrap();
    assert!(refused("other").contains("database of something else"));
    assert!(std::fs::read(folder.path("other")).unwrap() == before, "it was changed");
    assert!(refused("no/such/folder").contains("unable to open"));

    let (store, ada) = open(&folder.path("new"), Config::new()).await;
    deliver(&store, ada, b"x").await.unwrap();
    drop(store);
    let newer = rusqlite::Connection::open(folder.path("new")).unwrap();
    newer.execute_batch("PRAGMA user_version=1000").unwrap();
    let told = refused("new");
    assert!(told.contains("version 1000") && told.contains("new"), "{told}");
    newer.execute_batch("PRAGMA user_version=2").unwrap();
    let (store, ada) = open(&folder.path("new"), Config::new()).await;
    assert_eq!(store.mailbox(ada, &MailboxPath::inbox()).await.unwrap().messages, 1);
}

/// Passwords and mail are in it.
#[cfg(unix)]
#[tokio::test]
async fn a_new_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = file::Folder::new();
    let (store, ada) = open(&folder.path("mail.db"), Config::new()).await;
    deliver(&store, ada, b"x").await.unwrap();
    for name in ["mail.db", "mail.db-wal", "mail.db-shm"] {
        let mode = std::fs::metadata(folder.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn users_stay() {
    let folder = file::Folder::new();
    let file = folder.path("mail.db");
    let config = || Config::new().with_domains(vec!["example.org".into()]);
    let (store, ada) = open(&file, config()).await;
    store.add_user("bob@other.net", "x").await.unwrap();
    assert!(matches!(store.add_user("ADA", "x").await, Err(Error::Account(_))));
    for (name, password) in [("", "x"), ("a\0", "x"), ("eve", "")] {
        assert!(matches!(store.add_user(name, password).await, Err(Error::Account(_))), "{name:?}");
    }
    let decoy = store.decoy("nobody");
    store.set_password("Ada", "other").await.unwrap();
    assert_eq!(store.set_password("eve", "x").await, Err(Error::NoSuchAccount));
    drop(store);

    let (store, again) = open(&file, config()).await;
    assert_eq!((again, store.users().await.unwrap()), (ada, vec!["ada".into(), "bob@other.net".into()]));
    // What stands in for nobody is the same after a start.
    assert_eq!(store.decoy("nobody"), decoy);
    let fits = async |name: &str, password: &str| {
        store.verify_password(name, &password.into(), &LoginContext::default()).await.unwrap()
    };
    assert!(fits("ada", "other").await && !fits("ada", "secret").await && !fits("eve", "other").await);
    for (recipient, is_ada) in [("Ada@EXAMPLE.org", true), ("ada@other.net", false), ("", false)] {
        assert_eq!(store.account(recipient).await.is_ok_and(|account| account == ada), is_ada, "{recipient}");
    }
    assert_eq!(store.postmaster(Some("other.net")).await.unwrap(), ada);
    assert_eq!(store.postmaster(Some("third.net")).await, Err(Error::NoSuchAccount));
}

#[tokio::test]
async fn large_bodies_go_in_and_out_in_pieces() {
    let folder = file::Folder::new();
    let file = folder.path("mail.db");
    let (store, ada) = open(&file, Config::new()).await;
    let header = b"Subject: large\r\nContent-Type: text/plain\r\n\r\n";
    let line = |n: u32| format!("{n:010} of many lines\r\n");
    let raw: Vec<u8> = header.iter().copied().chain((0..40_000).flat_map(|n| line(n).into_bytes())).collect();
    let body = write(&store, ada, &raw).await.unwrap();
    assert_eq!(count(&file, "chunk"), 4, "its pieces are in the file already");
    assert_eq!(read(&store, body, 0, u64::MAX).await.unwrap(), raw);
    store.deliver(body, &[Target::inbox(ada)]).await.remove(0).unwrap();
    drop(store);

    let (store, ada) = open(&file, Config::new()).await;
    let inbox = inbox(&store, ada).await;
    let size = raw.len() as u64;
    for (start, end) in [
        (0, size),
        (1, 5),
        (262_143, 262_145),
        (262_144, 524_288),
        (size - 1, size + 5),
        (size, size),
        (9, 3),
    ] {
        let expected = raw.get(start as usize..(end as usize).min(raw.len())).unwrap_or_default();
        assert_eq!(read(&store, body, start, end).await.unwrap(), expected, "{start}..{end}");
    }
    // Its summary is made when it is asked for, and kept.
    let fields = Fields::new().with_envelope(true).with_structure(true);
    let row = async || store.messages(inbox, &uid(1).into(), fields, 1).await.unwrap().remove(0);
    let first = row().await;
    assert_eq!(first.envelope.as_ref().unwrap().subject().unwrap(), &"large");
    assert_eq!(first.size, size);
    assert_eq!(count(&file, "blob WHERE summary NOTNULL"), 1);
    assert_eq!(row().await, first);

    // Who has begun to read it reads it to the end.
    let mut reader = store.read(body, 0..u64::MAX).await.unwrap();
    let mut rest = reader.chunk().await.unwrap().unwrap().to_vec();
    store.expunge(inbox, &uid(1).into(), Which::All).await.unwrap();
    assert_eq!(store.read(body, 0..1).await.unwrap_err(), Error::NoSuchBody);
    while let Some(chunk) = reader.chunk().await.unwrap() {
        rest.extend_from_slice(&chunk);
    }
    assert_eq!(rest, raw);
}

#[tokio::test]
async fn what_nobody_needs_is_swept() {
    let folder = file::Folder::new();
    let file = folder.path("mail.db");
    let config = || Config::new().with_kept_for(Duration::ZERO);
    let (store, ada) = open(&file, config()).await;
    store.alter(ada, MailboxChange::Create { path: path("a"), special_use: None }).await.unwrap();
    let large = vec![b'x'; 600_000];
    deliver(&store, ada, &large).await.unwrap();
    deliver(&store, ada, b"small").await.unwrap();
    let (inbox, a) = (inbox(&store, ada).await, store.mailbox(ada, &path("a")).await.unwrap().id);
    let both = Uids::below(uid(3));
    store.copy(inbox, &both, a, How::Copy).await.unwrap();
    assert_eq!((count(&file, "chunk"), count(&file, "blob")), (4, 2));

    // One that is given up on its way, one that is never delivered.
    let mut writer = store.body(&[ada], None).await.unwrap();
    writer.write(large.clone().into()).await.unwrap();
    write(&store, ada, &large).await.unwrap();
    assert_eq!(count(&file, "chunk"), 4 + 2 + 3);
    // What is on its way stays.
    store.sweep().await.unwrap();
    assert_eq!(count(&file, "chunk"), 4 + 2 + 3);
    drop((writer, store));

    let (store, ada) = open(&file, config()).await;
    store.expunge(inbox, &both, Which::All).await.unwrap();
    store.sweep().await.unwrap();
    assert_eq!((count(&file, "chunk"), count(&file, "blob")), (4, 2), "copies have them");
    store.alter(ada, MailboxChange::Delete(path("a"))).await.unwrap();
    store.sweep().await.unwrap();
    for table in ["chunk", "blob", "garbage", "message", "emptied", "page WHERE mailbox=2"] {
        assert_eq!(count(&file, table), 0, "{table}");
    }
}

#[tokio::test]
async fn quotas() {
    let folder = file::Folder::new();
    let config = Config::new().with_bytes(10).with_messages(3).with_mailboxes(2).with_coming(25);
    let (store, ada) = open(&folder.path("mail.db"), config).await;
    let inbox = inbox(&store, ada).await;
    let room = async |size| store.body(&[ada], Some(size)).await.is_ok();
    deliver(&store, ada, b"12345678").await.unwrap();
    assert!(room(2).await && !room(3).await);
    assert_eq!(
        (store.check_room(ada, 2).await, store.check_room(ada, 3).await),
        (Ok(()), Err(Error::OverQuota))
    );
    assert_eq!(deliver(&store, ada, b"123").await, Err(Error::OverQuota));
    // Room is kept from the begin, and given back.
    let kept = store.body(&[ada], Some(2)).await.unwrap();
    assert!(!room(1).await);
    drop(kept);
    assert!(room(2).await);
    let one = Uids::from(Uid::MIN);
    assert_eq!(store.copy(inbox, &one, inbox, How::Copy).await, Err(Error::OverQuota));
    // To move takes no room; a message in the place of another has its room.
    store.copy(inbox, &one, inbox, How::Move).await.unwrap();
    assert!(store.body_in_place(ada, Some(10), (inbox, uid(2))).await.is_ok());
    assert_eq!(store.body_in_place(ada, Some(11), (inbox, uid(2))).await.unwrap_err(), Error::OverQuota);
    store.expunge(inbox, &Uids::below(uid(9)), Which::All).await.unwrap();
    assert!(room(10).await);
    for _ in 0..3 {
        deliver(&store, ada, b"1").await.unwrap();
    }
    assert_eq!((deliver(&store, ada, b"1").await, room(1).await), (Err(Error::OverQuota), false));
    let create = |name| store.alter(ada, MailboxChange::Create { path: path(name), special_use: None });
    assert_eq!(create("a/b").await, Err(Error::OverQuota));
    create("a").await.unwrap();
    assert_eq!(create("b").await, Err(Error::OverQuota));
}

/// Even where messages have keywords.
#[tokio::test]
async fn who_changes_nothing_wakes_nobody() {
    let folder = file::Folder::new();
    let (store, ada) = open(&folder.path("mail.db"), Config::new()).await;
    let inbox = inbox(&store, ada).await;
    deliver(&store, ada, b"x").await.unwrap();
    let flags = [Flag::new("$Work").unwrap()].into_iter().collect();
    let change = FlagChange::new(StoreAction::Add, flags);
    let mut watch = store.watch(ada);
    let mut wakes = async || {
        store.store(inbox, &uid(1).into(), &change).await.unwrap();
        tokio::time::timeout(Duration::ZERO, watch.changed()).await.is_ok()
    };
    assert!(wakes().await);
    assert!(!wakes().await);
}

#[tokio::test]
async fn forgotten_history_is_told_whole() {
    let folder = file::Folder::new();
    let (store, ada) = open(&folder.path("mail.db"), Config::new()).await;
    let inbox = inbox(&store, ada).await;
    deliver(&store, ada, b"x").await.unwrap();
    let start = store.open(inbox, None).await.unwrap().cursor;
    for _ in 0..14 {
        let known = store.open(inbox, None).await.unwrap().uids;
        store.copy(inbox, &known, inbox, How::Copy).await.unwrap();
    }
    let all = store.open(inbox, None).await.unwrap();
    assert_eq!(all.uids.len(), 1 << 14);
    // Each is a run of its own.
    let doomed: Uids = all.uids.iter().filter(|uid| uid.get() % 2 == 0).collect();
    for page in doomed.pages(4096) {
        store.expunge(inbox, &page, Which::All).await.unwrap();
    }
    deliver(&store, ada, b"x").await.unwrap();
    store.expunge(inbox, &uid(1).into(), Which::All).await.unwrap();
    let gone = doomed.union(&uid(1).into());
    let left = store.open(inbox, None).await.unwrap().uids;
    assert_eq!(store.changes(inbox, all.cursor, 10).await.unwrap().vanished, gone);
    assert_eq!(store.changes(inbox, Cursor::since(start.mod_seq()), 10).await.unwrap().vanished, gone);
    assert_eq!(left, Uids::below(uid((1 << 14) + 2)).difference(&gone));
    // Mailboxes, too.
    let before = store.mailboxes(ada, start.mod_seq()).await.unwrap().mod_seq;
    for _ in 0..1001 {
        store.alter(ada, MailboxChange::Create { path: path("a"), special_use: None }).await.unwrap();
        store.alter(ada, MailboxChange::Delete(path("a"))).await.unwrap();
    }
    let late = store.mailboxes(ada, before).await.unwrap();
    assert!(late.complete && late.gone.len() <= 1000);
    assert!(!store.mailboxes(ada, late.mod_seq).await.unwrap().complete);
}

/// Of a mailbox that had many messages a store keeps which there are: another one reads it from the file.
#[tokio::test]
async fn a_map_that_is_kept_is_that_of_the_file() {
    let folder = file::Folder::new();
    let file = folder.path("mail.db");
    drop(open(&file, Config::new()).await);
    rusqlite::Connection::open(&file).unwrap().execute("UPDATE mailbox SET uid_next=100000", []).unwrap();
    let (store, ada) = open(&file, Config::new()).await;
    let inbox = inbox(&store, ada).await;
    store.alter(ada, MailboxChange::Create { path: path("other"), special_use: None }).await.unwrap();
    let other = store.mailbox(ada, &path("other")).await.unwrap().id;
    for round in 0_u32..30 {
        let known = store.open(inbox, None).await.unwrap().uids;
        let some: Uids = known.iter().filter(|uid| uid.get() % 7 == round % 7).collect();
        match round % 5 {
            0 => drop(deliver(&store, ada, b"x").await.unwrap()),
            1 | 3 => drop(store.copy(inbox, &known, inbox, How::Copy).await.unwrap()),
            2 => drop(store.expunge(inbox, &some, Which::All).await.unwrap()),
            _ => drop(store.copy(inbox, &some, other, How::Move).await.unwrap()),
        }
        if round == 22 {
            // What is gone is not remembered any more.
            let sql = rusqlite::Connection::open(&file).unwrap();
            sql.execute_batch("UPDATE mailbox SET vanished_floor=modseq, vanished=0; DELETE FROM vanished")
                .unwrap();
        }
        let there = open(&file, Config::new()).await.0.open(inbox, None).await.unwrap().uids;
        // Now it is up to date; and so it is when nothing was changed.
        for _ in 0..2 {
            assert_eq!(store.open(inbox, None).await.unwrap().uids, there, "round {round}");
        }
    }
}

#[tokio::test]
async fn a_restored_file_has_new_uid_validities() {
    let folder = file::Folder::new();
    let (store, ada) = open(&folder.path("mail.db"), Config::new()).await;
    let before = store.mailbox(ada, &MailboxPath::inbox()).await.unwrap();
    store.renew_uid_validity().await.unwrap();
    let after = store.mailbox(ada, &MailboxPath::inbox()).await.unwrap();
    assert!(after.uid_validity > before.uid_validity && after.mod_seq > before.mod_seq);
}

/// They wait for the disk together, and no UID is given twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_write_at_once() {
    let folder = file::Folder::new();
    let (store, ada) = open(&folder.path("mail.db"), Config::new()).await;
    let mut tasks = Vec::new();
    for _ in 0..32 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let mut uids = Vec::new();
            for _ in 0..8 {
                uids.push(deliver(&store, ada, b"x").await.unwrap());
            }
            uids
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.append(&mut task.await.unwrap());
    }
    all.sort();
    assert_eq!(all, (1..=256).map(uid).collect::<Vec<_>>());
}

/// The answers of the three services while the store cannot write, and what is there after that.
async fn refused(store: &SqliteStore, answers: [&str; 3]) {
    let servers = Servers::new(store);
    let mut smtp = servers.connect(Protocol::Smtp, Channel::Tls, 1 << 16).await;
    for command in ["EHLO x", "MAIL FROM:<a@x>", "RCPT TO:<ada@x>", "DATA"] {
        smtp.command(Protocol::Smtp, command).await;
    }
    let told = smtp.command(Protocol::Smtp, "Subject: x\r\n\r\nx\r\n.").await;
    assert!(told.starts_with(answers[0]), "{told}");

    let mut imap = servers.connect(Protocol::Imap, Channel::Tls, 1 << 16).await;
    assert!(imap.login(Protocol::Imap, "ada", "secret").await);
    imap.command(Protocol::Imap, "SELECT INBOX").await;
    for command in ["STORE 1 +FLAGS (\\Flagged)", "APPEND INBOX {5+}\r\nx\r\n\r\n", "CREATE new"] {
        let told = imap.command(Protocol::Imap, command).await;
        assert!(told.starts_with(answers[1]), "{command}: {told}");
    }
    // It can be read.
    assert!(imap.command(Protocol::Imap, "FETCH 1 (RFC822.SIZE ENVELOPE)").await.starts_with("a OK"));

    let mut pop3 = servers.connect(Protocol::Pop3, Channel::Tls, 1 << 16).await;
    assert!(pop3.login(Protocol::Pop3, "ada", "secret").await);
    pop3.command(Protocol::Pop3, "DELE 1").await;
    let told = pop3.command(Protocol::Pop3, "QUIT").await;
    assert!(told.starts_with(answers[2]), "{told}");
}

const TEMPORARY: [&str; 3] = ["451 ", "a NO [UNAVAILABLE]", "-ERR [SYS/TEMP]"];

#[tokio::test]
async fn a_file_that_is_locked() {
    let folder = file::Folder::new();
    let file = folder.path("mail.db");
    let (store, ada) = open(&file, Config::new().with_wait(Duration::ZERO)).await;
    deliver(&store, ada, b"x").await.unwrap();
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    refused(&store, TEMPORARY).await;
    other.execute_batch("ROLLBACK").unwrap();
    deliver(&store, ada, b"x").await.unwrap();
    assert_eq!(store.mailbox(ada, &MailboxPath::inbox()).await.unwrap().messages, 2);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_gone() {
    let folder = file::Folder::new();
    let file = folder.path("mail.db");
    let (store, ada) = open(&file, Config::new()).await;
    deliver(&store, ada, b"x").await.unwrap();
    std::fs::rename(&file, folder.path("moved.db")).unwrap();
    refused(&store, TEMPORARY).await;
    // Another one in its place is not it.
    std::fs::write(&file, "").unwrap();
    assert!(matches!(deliver(&store, ada, b"x").await, Err(Error::NotDone(_))));
    std::fs::rename(folder.path("moved.db"), &file).unwrap();
    deliver(&store, ada, b"x").await.unwrap();
}

#[tokio::test]
async fn a_disk_that_is_full() {
    let folder = file::Folder::new();
    let file = folder.path("mail.db");
    let (store, ada) = open(&file, Config::new().with_max_file(Some(400 << 10))).await;
    let mut stored = 0;
    // The last ones are small, until not even these have room.
    for size in [20_000, 2000, 10] {
        while deliver(&store, ada, &vec![b'x'; size]).await.is_ok() {
            stored += 1;
        }
    }
    assert_eq!(deliver(&store, ada, &[b'x'; 20_000]).await, Err(Error::Full));
    // Large ones are refused while they come.
    assert_eq!(write(&store, ada, &vec![b'x'; 1 << 20]).await, Err(Error::Full));
    let servers = Servers::new(&store);
    let mut smtp = servers.connect(Protocol::Smtp, Channel::Tls, 1 << 17).await;
    for command in ["EHLO x", "MAIL FROM:<a@x>", "RCPT TO:<ada@x>", "DATA"] {
        smtp.command(Protocol::Smtp, command).await;
    }
    let told = smtp.command(Protocol::Smtp, &format!("Subject: x\r\n\r\n{}.", "x\r\n".repeat(7000))).await;
    assert!(told.starts_with("452 4.3.1"), "{told}");
    assert_eq!(store.mailbox(ada, &MailboxPath::inbox()).await.unwrap().messages, stored);
    drop((smtp, servers, store));

    let (store, ada) = open(&file, Config::new()).await;
    assert_eq!(store.mailbox(ada, &MailboxPath::inbox()).await.unwrap().messages, stored);
    deliver(&store, ada, &vec![b'x'; 1 << 20]).await.unwrap();
}
