//! Others have their turn while a server works, even for a client that never makes it wait.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::{
    fmt::Write as _,
    future::{Future, poll_fn},
    io::{self, Cursor},
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use mailwire_core::{Channel, Secret};
use mailwire_imap::{
    command::StoreAction,
    types::{Flag, Uid},
};
use mailwire_store::{
    FlagChange, ImapService, MAX_CHANGED, Pop3Service, Store as _, Uids,
    memory::{MemoryStore, User},
};
use mailwire_transport::{
    Stream, imap, pop3,
    sasl::{Authenticator, LoginContext, Unavailable},
};
use tokio::io::AsyncWrite;

const MESSAGES: u32 = 20_000;

/// Lets everybody in: a login waits for nothing.
#[derive(Debug, Clone)]
struct Open;

impl Authenticator for Open {
    async fn verify_password(&self, _: &str, _: &Secret, _: &LoginContext) -> Result<bool, Unavailable> {
        Ok(true)
    }
}

/// Takes whatever there is at once.
struct Answers(Arc<Mutex<Vec<u8>>>);

impl AsyncWrite for Answers {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// How many turns a server has taken to answer all commands, and its answers.
async fn turns<F: Future<Output = mailwire_transport::Result<()>>>(
    commands: String,
    serve: impl FnOnce(Stream) -> F,
) -> (u64, String) {
    let answers = Arc::default();
    // A client that has sent all its commands.
    let script = tokio::io::join(Cursor::new(commands), Answers(Arc::clone(&answers)));
    let mut serving = pin!(serve(Stream::other(script)));
    let mut count = 0;
    let served = poll_fn(|cx| {
        count += 1;
        serving.as_mut().poll(cx)
    });
    served.await.unwrap();
    let answers = String::from_utf8(std::mem::take(&mut answers.lock().unwrap())).unwrap();
    (count, answers)
}

fn full(first: &str) -> (MemoryStore, User) {
    let store = MemoryStore::new();
    let user = store.add_user("ada", "secret").unwrap();
    user.deliver(first.to_owned().into()).unwrap();
    for _ in 1..MESSAGES {
        user.deliver("x\r\n".into()).unwrap();
    }
    (store, user)
}

async fn pop3(store: &MemoryStore, commands: &str) -> u64 {
    let service = Pop3Service::with_authenticator(store.clone(), Open);
    let server = pop3::Server::new(service);
    let commands = format!("USER ada\r\nPASS secret\r\n{commands}QUIT\r\n");
    let (turns, answers) =
        turns(commands, async |stream| server.serve_stream(stream, Channel::Tls).await).await;
    assert!(!answers.contains("-ERR"), "{answers:.1000}");
    turns
}

#[tokio::test]
async fn of_pop3() {
    // A message whose only line has no end.
    let (store, user) = full(&"x".repeat(4 << 20));
    let login = pop3(&store, "").await;
    assert!(login > 25, "{login}");
    for (command, least) in
        [("STAT", 4), ("LIST", 4), ("UIDL", 4), ("RSET", 4), ("RETR 1", 15), ("TOP 1 0", 15)]
    {
        let turns = pop3(&store, &format!("{command}\r\n")).await - login;
        assert!(turns >= least, "{command}: {turns}");
    }
    let mut dele = String::new();
    (1..=MESSAGES).for_each(|number| write!(dele, "DELE {number}\r\n").unwrap());
    let turns = pop3(&store, &dele).await - login;
    assert!(turns >= 5, "{turns}");
    assert_eq!(user.status("INBOX").unwrap().messages, 0);
}

async fn imap(store: &MemoryStore, commands: &str) -> u64 {
    let service = ImapService::with_authenticator(store.clone(), Open);
    let server = imap::Server::new(service);
    let commands = format!("a LOGIN ada secret\r\nb SELECT INBOX\r\n{commands}z LOGOUT\r\n");
    let (turns, answers) =
        turns(commands, async |stream| server.serve_stream(stream, Channel::Tls).await).await;
    let refused = answers.lines().find(|line| line.contains(" NO ") || line.contains(" BAD "));
    assert_eq!(refused, None);
    assert!(answers.contains("z OK"));
    turns
}

#[tokio::test]
async fn of_imap() {
    let (store, user) = full("x\r\n");
    let selected = imap(&store, "").await;
    let batches = u64::from(MESSAGES / 256);
    for command in ["STORE 1:* +FLAGS.SILENT (\\Flagged)", "FETCH 1:* FLAGS"] {
        let turns = imap(&store, &format!("c {command}\r\n")).await - selected;
        assert!(turns >= batches, "{command}: {turns}");
    }
    let inbox = user.status("INBOX").unwrap().id;
    let deleted = FlagChange::new(StoreAction::Add, [Flag::Deleted].into());
    for page in Uids::below(Uid::new(MESSAGES + 1).unwrap()).pages(MAX_CHANGED) {
        store.store(inbox, &page, &deleted).await.unwrap();
    }
    let turns = imap(&store, "c EXPUNGE\r\n").await - selected;
    // Besides what finds them: pages of the change, and what is told of each message.
    assert!(turns >= 28, "{turns}");
    assert_eq!(user.status("INBOX").unwrap().messages, 0);
}
