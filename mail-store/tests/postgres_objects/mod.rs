//! Large bodies in an object store, which is a folder here.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use mailwire_core::Channel;
use mailwire_imap::types::Uid;
use mailwire_store::{
    AccountId, BodyReader as _, Error, How, MailboxChange, Result, Store as _, Uids, Which,
    postgres::{
        Config, Objects, PostgresStore,
        object_store::{ObjectStore, local::LocalFileSystem},
    },
};

use crate::{
    client, count, deliver, inbox,
    killed::{self, Told},
    path,
    postgres_server::{place, url},
    raw::{Protocol, Servers},
    uid, write,
};

const HOUR: Duration = Duration::from_secs(3600);

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static MADE: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let made = MADE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("mailwire-objects-{}-{made}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// But for files that a process was about to write when it was killed: they are not there for an object store.
    fn pieces(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| !path.to_string_lossy().contains('#')).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A server of mail whose bodies of more than 100 bytes are in a folder.
async fn node(place: &str, folder: &Path, kept_for: Duration) -> PostgresStore {
    let objects: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(folder).unwrap());
    let objects = Objects::new(objects).with_above(100);
    let config = Config::new().with_connections(8).with_bytes(u64::MAX).with_kept_for(kept_for);
    PostgresStore::connect_with(place, config.with_objects(Some(objects))).await.unwrap()
}

/// All bodies are there.
#[tokio::test]
async fn conformance() {
    let Some(server) = url() else { return };
    let folder = Folder::new();
    mailwire_store::conformance::check(|| async {
        let objects = LocalFileSystem::new_with_prefix(&folder.0).unwrap();
        let config = Config::new().with_connections(8);
        let config = config.with_objects(Some(Objects::new(Arc::new(objects)).with_above(0)));
        let store = PostgresStore::connect_with(&place(&server).await, config).await.unwrap();
        store.add_user("ada", "secret").await.unwrap();
        store
    })
    .await;
    assert!(folder.pieces().len() > 100);
}

async fn read(
    store: &PostgresStore,
    ada: AccountId,
    uid: Uid,
    range: std::ops::Range<u64>,
) -> Result<Vec<u8>> {
    let mailbox = inbox(store, ada).await;
    let row = store.messages(mailbox, &uid.into(), Default::default(), 1).await?.remove(0);
    let mut reader = store.read(row.body, range).await?;
    let mut raw = Vec::new();
    while let Some(chunk) = reader.chunk().await? {
        raw.extend_from_slice(&chunk);
    }
    Ok(raw)
}

/// Text that shows where it is, of so many bytes.
fn text(size: usize) -> Vec<u8> {
    let mut raw = b"Subject: x\r\n\r\n".to_vec();
    for line in 0.. {
        if raw.len() >= size {
            break;
        }
        raw.extend_from_slice(format!("{line}\r\n").as_bytes());
    }
    raw.truncate(size);
    raw
}

#[tokio::test]
async fn pieces_are_there_as_long_as_they_are_needed() {
    let Some(server) = url() else { return };
    let (place, folder) = (place(&server).await, Folder::new());
    let store = node(&place, &folder.0, Duration::ZERO).await;
    let ada = store.add_user("ada", "secret").await.unwrap();
    let (small, large, exact) = (text(100), text(2_500_000), text(1 << 20));
    for raw in [&small, &large, &exact] {
        deliver(&store, ada, raw).await.unwrap();
    }
    // Three pieces, and one.
    assert_eq!((folder.pieces().len(), count(&place, "chunk").await), (4, 1));
    let size = large.len() as u64;
    for range in [0..u64::MAX, 0..size, 1_048_575..1_048_577, 2_000_000..2_400_000, size..u64::MAX, 5..5] {
        let end = range.end.min(size);
        let expected = &large[range.start as usize..end as usize];
        assert!(read(&store, ada, uid(2), range.clone()).await.unwrap() == expected, "{range:?}");
    }
    assert!(read(&store, ada, uid(3), 0..u64::MAX).await.unwrap() == exact);
    // Who has no object store has the small ones.
    let without = crate::postgres_server::node(&place).await;
    assert!(read(&without, ada, uid(1), 0..u64::MAX).await.unwrap() == small);
    let told = read(&without, ada, uid(2), 0..u64::MAX).await.unwrap_err().to_string();
    assert!(told.contains("object store"), "{told}");

    // A copy needs no other pieces, and keeps them.
    let mailbox = inbox(&store, ada).await;
    let change = MailboxChange::Create { path: path("b"), special_use: None };
    store.alter(ada, change).await.unwrap();
    let b = store.mailbox(ada, &path("b")).await.unwrap().id;
    store.copy(mailbox, &uid(2).into(), b, How::Copy).await.unwrap();
    store.expunge(mailbox, &Uids::below(uid(4)), Which::All).await.unwrap();
    store.sweep().await.unwrap();
    assert_eq!((folder.pieces().len(), count(&place, "blob").await), (3, 1));
    // What is under way is not swept, and what is given up is.
    let under_way = write(&store, ada, &large).await.unwrap();
    store.sweep().await.unwrap();
    assert_eq!(folder.pieces().len(), 6);
    store.deliver(under_way, &[]).await;
    store.expunge(b, &uid(1).into(), Which::All).await.unwrap();
    store.sweep().await.unwrap();
    assert_eq!(
        (folder.pieces().len(), count(&place, "blob").await, count(&place, "doomed").await),
        (0, 0, 0)
    );

    // After a restored backup there is what the database does not know; other files are not ours.
    deliver(&store, ada, &large).await.unwrap();
    let forget = "UPDATE message SET blob=0; DELETE FROM blob";
    client(&place).await.batch_execute(forget).await.unwrap();
    deliver(&store, ada, &exact).await.unwrap();
    std::fs::write(folder.0.join("other.0"), "x").unwrap();
    assert_eq!(store.sweep_objects().await.unwrap(), 3);
    assert_eq!(folder.pieces().len(), 2);
    assert!(read(&store, ada, uid(5), 0..u64::MAX).await.unwrap() == exact);
}

/// The object store is away: who has a large message is told to come again, and what was answered is there when it is back.
#[tokio::test]
async fn an_object_store_that_fails() {
    let Some(server) = url() else { return };
    let (place, folder) = (place(&server).await, Folder::new());
    let store = node(&place, &folder.0, Duration::ZERO).await;
    let ada = store.add_user("ada", "secret").await.unwrap();
    let mut large = text(300_000);
    while !large.ends_with(b"\r\n") {
        large.pop();
    }
    deliver(&store, ada, &large).await.unwrap();
    let servers = Servers::new(&store);
    let mut smtp = servers.connect(Protocol::Smtp, Channel::Tls, 1 << 20).await;
    smtp.command(Protocol::Smtp, "EHLO client.example").await;
    let mut imap = servers.connect(Protocol::Imap, Channel::Tls, 1 << 20).await;
    assert!(imap.login(Protocol::Imap, "ada", "secret").await);
    imap.command(Protocol::Imap, "SELECT INBOX").await;
    let mut pop3 = servers.connect(Protocol::Pop3, Channel::Tls, 1 << 20).await;
    assert!(pop3.login(Protocol::Pop3, "ada", "secret").await);

    let mut send = async |raw: &[u8]| {
        for command in ["MAIL FROM:<b@example.org>", "RCPT TO:<ada@example.org>", "DATA"] {
            smtp.command(Protocol::Smtp, command).await;
        }
        smtp.write(raw).await;
        smtp.command(Protocol::Smtp, "\r\n.").await
    };
    // A file is where the folder was.
    let away = folder.0.with_extension("away");
    std::fs::rename(&folder.0, &away).unwrap();
    std::fs::write(&folder.0, "").unwrap();
    let told = send(&large).await;
    assert!(told.starts_with("451 "), "{told}");
    assert!(send(b"Subject: small\r\n\r\nx\r\n").await.starts_with("250 "));
    let append = format!("APPEND INBOX {{{}+}}\r\n{}", large.len(), String::from_utf8_lossy(&large));
    let told = imap.command(Protocol::Imap, &append).await;
    assert!(told.starts_with("a NO [UNAVAILABLE]"), "{told}");
    let told = imap.command(Protocol::Imap, "UID FETCH 1 BODY.PEEK[]").await;
    assert!(told.starts_with("a NO [UNAVAILABLE]") || told.starts_with("* BYE"), "{told}");
    let told = pop3.command(Protocol::Pop3, "RETR 1").await;
    assert!(told.starts_with("-ERR [SYS/TEMP]"), "{told}");
    assert!(matches!(deliver(&store, ada, &large).await, Err(Error::NotDone(_))));
    // What was given up there cannot be removed now, and is later.
    assert!(store.sweep().await.is_err());
    assert!(count(&place, "doomed").await > 0);

    std::fs::remove_file(&folder.0).unwrap();
    std::fs::rename(&away, &folder.0).unwrap();
    assert!(send(&large).await.starts_with("250 "));
    let told = imap.command(Protocol::Imap, &append).await;
    assert!(told.starts_with("a OK"), "{told}");
    let inbox = inbox(&store, ada).await;
    let rows = store.messages(inbox, &Uids::below(Uid::MAX), Default::default(), usize::MAX).await.unwrap();
    assert_eq!(rows.len(), 4);
    for row in rows {
        let raw = read(&store, ada, row.uid, 0..u64::MAX).await.unwrap();
        assert_eq!(raw.len() as u64, row.size);
    }
    store.sweep().await.unwrap();
    assert_eq!((folder.pieces().len(), count(&place, "doomed").await), (3, 0));
}

#[test]
#[ignore = "it is run to be killed"]
fn to_be_killed() {
    let Some(place) = killed::place() else { return };
    let (place, folder) = place.split_once(' ').unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { killed::work(node(place, Path::new(folder), HOUR).await).await });
}

/// A server of mail is killed some times: no body is missing, and nothing is left that nobody needs.
#[test]
fn bodies_outlive_the_process() {
    let Some(server) = url() else { return };
    let folder = Folder::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (place, store) = runtime.block_on(async {
        let place = place(&server).await;
        let store = node(&place, &folder.0, HOUR).await;
        store.add_user("ada", "secret").await.unwrap();
        killed::prepare(&store).await;
        (place, store)
    });
    let mut told = Told::default();
    let times = killed::times(4);
    for (_, lines) in killed::rounds(times) {
        told.take(&killed::killed_as(
            "postgres_objects::to_be_killed",
            format!("{place} {}", folder.0.display()),
            lines,
        ));
        runtime.block_on(told.check(&store));
    }
    runtime.block_on(async {
        // What is under way is not known to others: only now nothing is.
        let store = node(&place, &folder.0, Duration::ZERO).await;
        while count(&place, "garbage").await > 0 {
            store.sweep().await.unwrap();
        }
        let known = "SELECT count(*), coalesce(sum((size+1048575)/1048576), 0)::bigint FROM blob WHERE object IS NOT NULL";
        let line = client(&place).await.query_one(known, &[]).await.unwrap();
        let (bodies, pieces): (i64, i64) = (line.get(0), line.get(1));
        println!("{times} kills: {} messages were answered, {bodies} large bodies are there", told.put.len());
        assert!(bodies > 0);
        assert_eq!(folder.pieces().len() as i64, pieces);
    });
}
