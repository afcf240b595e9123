//! Large messages through the IMAP server: in memory are only pieces of them.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use mailwire_core::Channel;
use mailwire_imap::{
    command::List,
    types::{Uid, UidValidity},
};
use mailwire_store::{ImapService, memory::MemoryStore};
use mailwire_transport::{
    Budget, Stream,
    imap::server::{
        Appended, Body, FetchOptions, FetchWriter, Fetched, Mailbox, NewMessage, Refusal, SearchOptions,
        SelectOptions, Selected, Server, Service, Session, Status, StatusOptions, StoreOptions, Stored,
    },
    sasl::Identity,
    server::{Content, Reader},
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};

const LARGE: u64 = 256 << 20;
const PIECE: usize = 64 << 10;

/// Has one mailbox with one message that exists nowhere, and forgets what it is given.
struct Endless {
    users: MemoryStore,
    appended: Arc<AtomicU64>,
}

struct EndlessSession {
    appended: Arc<AtomicU64>,
}

struct Zeros {
    left: u64,
}

impl Reader for Zeros {
    async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        static PIECE_OF_IT: [u8; PIECE] = [b'0'; PIECE];
        let count = self.left.min(PIECE as u64);
        self.left -= count;
        Ok((count > 0).then(|| Bytes::from_static(&PIECE_OF_IT[..usize::try_from(count).unwrap()])))
    }
}

impl Service for Endless {
    type Session = EndlessSession;
    type Authenticator = MemoryStore;

    fn authenticator(&self) -> &MemoryStore {
        &self.users
    }

    async fn open(&self, _: &Identity) -> Result<EndlessSession, Refusal> {
        Ok(EndlessSession { appended: Arc::clone(&self.appended) })
    }
}

impl Session for EndlessSession {
    async fn list(&mut self, _: &List) -> Result<Vec<Mailbox>, Refusal> {
        Ok(vec![Mailbox::new("INBOX")])
    }

    async fn status(&mut self, _: &str, _: &StatusOptions) -> Result<Status, Refusal> {
        Ok(Status::default())
    }

    async fn select(&mut self, _: &str, _: &SelectOptions) -> Result<Selected, Refusal> {
        Ok(Selected::new(UidValidity::MIN, Uid::new(2).unwrap(), [Uid::MIN]))
    }

    async fn fetch(
        &mut self,
        uids: &[Uid],
        options: &FetchOptions,
        out: &mut FetchWriter<'_>,
    ) -> Result<(), Refusal> {
        let mut fetched = Fetched::new(uids[0]);
        for item in &options.items {
            let reader = Zeros { left: LARGE };
            fetched.content(item.clone(), Some(Content::Stream { length: LARGE, reader }));
        }
        out.message(fetched).await
    }

    async fn store(&mut self, _: &[Uid], _: &StoreOptions) -> Result<Vec<Stored>, Refusal> {
        Ok(Vec::new())
    }

    async fn search(&mut self, _: &SearchOptions, _: &mut Budget) -> Result<Vec<Uid>, Refusal> {
        Ok(Vec::new())
    }

    async fn append(
        &mut self,
        _: &str,
        _: NewMessage,
        body: &mut Body<'_>,
    ) -> Result<Option<Appended>, Refusal> {
        let mut length = 0;
        while let Some(chunk) = body.chunk().await? {
            length += chunk.len() as u64;
        }
        self.appended.store(length, Ordering::Relaxed);
        Ok(Some(Appended::new(UidValidity::MIN, Uid::MIN)))
    }
}

async fn connect<S: Service>(service: S) -> BufReader<DuplexStream> {
    let (ours, theirs) = tokio::io::duplex(PIECE);
    let server = Server::new(service).configure(|config| config.limits.message = LARGE);
    tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Tls).await });
    let mut stream = BufReader::new(ours);
    line(&mut stream).await;
    ok(&mut stream, "LOGIN ada secret").await;
    ok(&mut stream, "SELECT INBOX").await;
    stream
}

async fn line(stream: &mut BufReader<DuplexStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    assert!(!line.is_empty(), "closed");
    line.trim_end().to_owned()
}

async fn ok(stream: &mut BufReader<DuplexStream>, command: &str) {
    stream.write_all(format!("a {command}\r\n").as_bytes()).await.unwrap();
    loop {
        let line = line(stream).await;
        if let Some(end) = line.strip_prefix("a ") {
            assert!(end.starts_with("OK"), "{line}");
            return;
        }
    }
}

/// The most memory that this process ever had, in bytes. `None` where nobody tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

// One test, so that nothing else uses memory meanwhile.
#[tokio::test]
async fn large_literals_stream_both_ways() {
    let users = MemoryStore::new();
    users.add_user("ada", "secret").unwrap();
    let appended = Arc::new(AtomicU64::new(0));
    let mut stream = connect(Endless { users, appended: Arc::clone(&appended) }).await;
    let before = peak_memory();

    stream.write_all(format!("b APPEND INBOX {{{LARGE}}}\r\n").as_bytes()).await.unwrap();
    assert!(line(&mut stream).await.starts_with('+'));
    let piece = vec![b'x'; PIECE];
    for _ in 0..LARGE / PIECE as u64 {
        stream.write_all(&piece).await.unwrap();
    }
    stream.write_all(b"\r\n").await.unwrap();
    assert_eq!(line(&mut stream).await, "b OK [APPENDUID 1 1] Done");
    assert_eq!(appended.load(Ordering::Relaxed), LARGE);

    stream.write_all(b"c FETCH 1 BODY.PEEK[]\r\n").await.unwrap();
    assert_eq!(line(&mut stream).await, format!("* 1 FETCH (BODY[] {{{LARGE}}}"));
    let mut left = LARGE;
    let mut piece = vec![0; PIECE];
    while left > 0 {
        let count = usize::try_from(left.min(PIECE as u64)).unwrap();
        stream.read_exact(&mut piece[..count]).await.unwrap();
        left -= count as u64;
    }
    assert_eq!(line(&mut stream).await, ")");
    assert_eq!(line(&mut stream).await, "c OK Done");

    if let (Some(before), Some(after)) = (before, peak_memory()) {
        assert!(after - before < 16 << 20, "{} bytes more", after - before);
    }

    // Larger than what the server takes: it says so before the message is sent.
    stream.write_all(format!("d APPEND INBOX {{{}}}\r\n", LARGE + 1).as_bytes()).await.unwrap();
    assert!(line(&mut stream).await.starts_with("d NO [TOOBIG]"));

    // 20 MB through the memory store and back.
    let store = MemoryStore::new();
    let user = store.add_user("ada", "secret").unwrap();
    let mut stream = connect(ImapService::new(store)).await;
    let message: Vec<u8> = (0..20_000_000u32).map(|at| b'!' + (at % 90) as u8).collect();
    stream.write_all(format!("e APPEND INBOX {{{}}}\r\n", message.len()).as_bytes()).await.unwrap();
    line(&mut stream).await;
    stream.write_all(&message).await.unwrap();
    stream.write_all(b"\r\n").await.unwrap();
    assert_eq!(line(&mut stream).await, "* 1 EXISTS");
    assert_eq!(line(&mut stream).await, "* 1 RECENT");
    assert!(line(&mut stream).await.starts_with("e OK [APPENDUID"));
    assert_eq!(user.status("INBOX").unwrap().bytes, 20_000_000);
    stream.write_all(b"f FETCH 1 BODY.PEEK[]\r\n").await.unwrap();
    line(&mut stream).await;
    let mut back = vec![0; message.len()];
    stream.read_exact(&mut back).await.unwrap();
    assert!(back == message, "every byte comes back");
}
