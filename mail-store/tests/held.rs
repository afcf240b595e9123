//! What a connection holds on the heap while it waits, after all that it did: a server of many clients has little else.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

#[cfg(feature = "sqlite")]
mod file;

use std::time::Duration;

use mailwire_oracles::memory;
use mailwire_store::{
    AccountId, BodyWriter as _, ImapService, Pop3Service, SmtpService, Store, Target, memory::MemoryStore,
};
use mailwire_transport::{
    Security, imap, pop3,
    sasl::Authenticator,
    server::{Listener, Server, ServerProtocol},
    smtp,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// So many connections are there before it is counted, and so many are counted.
const BEFORE: usize = 3;
const COUNTED: usize = 8;
/// Of a message, and of what is taken back to the last byte.
const LARGE: usize = 200_000;

/// What a client says, each with how the last line of its answer begins.
type Talk = Vec<(String, &'static str)>;

async fn connect(port: u16, talk: Talk) -> TcpStream {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    for (command, answer) in [(String::new(), "")].into_iter().chain(talk) {
        stream.write_all(command.as_bytes()).await.unwrap();
        let mut line = String::new();
        while line.is_empty() || !line.starts_with(answer) {
            line.clear();
            assert!(stream.read_line(&mut line).await.unwrap() > 0, "{answer}");
        }
    }
    assert!(stream.buffer().is_empty());
    stream.into_inner()
}

/// The bytes that each connection of a server holds after this talk, of which each has its own.
async fn check<P: ServerProtocol<S>, S: Send + Sync + 'static>(
    server: Server<P, S>,
    most: usize,
    talk: impl Fn(usize) -> Talk,
) {
    let clear = Security::plaintext_without_encryption();
    let listener = Listener::bind("127.0.0.1:0", clear, None).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = server.allow_clear_credentials();
    let task = tokio::spawn(async move { server.serve(listener, CancellationToken::new()).await });
    let mut clients = Vec::with_capacity(BEFORE + COUNTED);
    let mut before = 0;
    for number in 0..BEFORE + COUNTED {
        if number == BEFORE {
            before = memory::held();
        }
        clients.push(connect(port, talk(number)).await);
    }
    let each = || memory::held().saturating_sub(before) / COUNTED;
    // Servers go on for a little after they have answered.
    let come_down = async {
        while each() > most {
            tokio::task::yield_now().await;
        }
    };
    let is_down = tokio::time::timeout(Duration::from_secs(5), come_down).await.is_ok();
    println!("{}: {} bytes", P::NAME, each());
    assert!(is_down, "{}: {} bytes, and not {most}", P::NAME, each());
    task.abort();
}

async fn large(store: &impl Store, account: AccountId) {
    let mut body = store.body(&[account], None).await.unwrap();
    body.write(format!("Subject: x\r\n\r\n{}", "words\r\n".repeat(LARGE / 7)).into()).await.unwrap();
    let body = body.finish().await.unwrap();
    assert!(store.deliver(body, &[Target::inbox(account)]).await.remove(0).is_ok());
}

fn user(number: usize) -> String {
    format!("user{number}")
}

/// IDLE in a mailbox, at once, and after a large message in each direction.
async fn imap<S: Store + Authenticator>(store: &S) {
    let begin = |number| vec![(format!("a LOGIN {} secret\r\nb SELECT INBOX\r\n", user(number)), "b OK")];
    let idle = || [("z IDLE\r\n".to_owned(), "+ ")];
    let server = || imap::Server::new(ImapService::new(store.clone()));
    check(server(), IMAP, |number| begin(number).into_iter().chain(idle()).collect()).await;
    let both = || {
        let refused = format!("c APPEND none {{{LARGE}+}}\r\n{}\r\n", "x".repeat(LARGE));
        [("d FETCH 1 BODY[]\r\n".to_owned(), "d OK"), (refused, "c NO")]
    };
    check(server(), IMAP, |number| begin(number).into_iter().chain(both()).chain(idle()).collect()).await;
}

async fn pop3<S: Store + Authenticator>(store: &S) {
    check(pop3::Server::new(Pop3Service::new(store.clone())), POP3, |number| {
        let login = format!("USER {}\r\nPASS secret\r\nRETR 1\r\n", user(number));
        vec![(login, ".")]
    })
    .await;
}

async fn smtp<S: Store + Authenticator>(store: &S) {
    let name = smtp::proto::Host::try_from("mx.example").unwrap();
    let server = smtp::Server::new(SmtpService::new(store.clone()), name);
    check(server, SMTP, |_| {
        vec![("EHLO a.example\r\nMAIL FROM:<a@example.org>\r\nRSET\r\n".into(), "250 2.0.0")]
    })
    .await;
}

/// In bytes. Whatever makes one larger is paid for by each connection that waits.
const IMAP: usize = 14_000;
const POP3: usize = 12_500;
const SMTP: usize = 10_500;

// One test: it counts for the whole program.
#[tokio::test]
async fn a_connection_holds_little() {
    let store = MemoryStore::new();
    for name in (0..BEFORE + COUNTED).map(user) {
        store.add_user(&name, "secret").unwrap();
        large(&store, store.account(&name).await.unwrap()).await;
    }
    imap(&store).await;
    pop3(&store).await;
    smtp(&store).await;
    #[cfg(feature = "sqlite")]
    {
        use mailwire_store::sqlite::{Config, SqliteStore};
        let folder = file::Folder::new();
        let store = SqliteStore::open(folder.path("mail.db"), Config::new()).unwrap();
        for name in (0..BEFORE + COUNTED).map(user) {
            let account = store.add_user(&name, "secret").await.unwrap();
            large(&store, account).await;
        }
        imap(&store).await;
        pop3(&store).await;
        smtp(&store).await;
    }
}
