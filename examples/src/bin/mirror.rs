//! What it costs to keep a mirror of a large mailbox.

use std::{
    io::BufRead as _,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use anyhow::Result;
use clap::Parser;
use mailwire_core::Channel;
use mailwire_examples::{arguments, exit_code};
use mailwire_imap::{
    command::StoreAction,
    sync::{Change, SyncOptions, SyncState},
    types::{Flag, MailboxName, Uid},
};
use mailwire_store::{
    FlagChange, ImapService, Store as _, Uids, Which,
    memory::{MemoryStore, User},
};
use mailwire_transport::{
    Endpoint, Security, Stream,
    imap::{Client, Config, LoginMechanism, Server},
    sasl::Credentials,
    server::Listener,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_util::sync::CancellationToken;

/// Mirrors a large mailbox, changes it, and mirrors it again, by what the server offers: QRESYNC, CONDSTORE or
/// neither. Prints commands, bytes in both directions, and seconds.
///
/// Of 100,000 messages, 800 get other flags, 100 go and 100 come.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Arguments {
    /// How many messages there are
    #[arg(long, default_value_t = 100_000)]
    messages: u32,
    /// Serve the mailbox on this port, in clear, to `ada` with the password `secret`, so that another client
    /// can be measured; each line on the standard input makes the changes
    #[arg(long)]
    serve: Option<u16>,
}

const OFFERS: [(&str, &[&str]); 3] =
    [("QRESYNC", &[]), ("CONDSTORE", &["QRESYNC"]), ("plain", &["QRESYNC", "CONDSTORE"])];

#[derive(Debug, Default)]
struct Traffic {
    commands: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

struct Mailbox {
    store: MemoryStore,
    user: User,
    messages: u32,
}

impl Mailbox {
    fn new(messages: u32) -> Result<Self> {
        let store = MemoryStore::new();
        let user = store.add_user("ada", "secret")?;
        for number in 0..messages {
            user.deliver(format!("From: ada@example.org\r\nSubject: {number}\r\n\r\n{number}\r\n").into())?;
        }
        Ok(Self { store, user, messages })
    }

    /// 800 messages get other flags, 100 go, 100 come.
    async fn change(&self) -> Result<()> {
        let status = self.user.status("INBOX")?;
        let every = |step: u32, first: u32| -> Uids {
            (first..=self.messages).step_by(step as usize).filter_map(Uid::new).collect()
        };
        let flags = FlagChange::new(StoreAction::Add, [Flag::Flagged].into());
        self.store.store(status.id, &every(125, 1), &flags).await?;
        self.store.expunge(status.id, &every(1000, 2), Which::All).await?;
        for _ in 0..100 {
            self.user.deliver("Subject: new\r\n\r\nnew\r\n".into())?;
        }
        Ok(())
    }

    /// A client over a connection that is counted, and hides some of what the server can do.
    async fn connect(&self, hidden: &'static [&'static str], traffic: &Arc<Traffic>) -> Result<Client> {
        let (ours, middle) = tokio::io::duplex(64 << 10);
        let (theirs, far) = tokio::io::duplex(64 << 10);
        let server = Server::new(ImapService::new(self.store.clone()));
        tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Tls).await });
        tokio::spawn(count(middle, far, hidden, Arc::clone(traffic)));
        let mut config = Config::login(Credentials::password("ada", "secret"));
        config.allow_clear_credentials = true;
        config.mechanism = Some(LoginMechanism::Login);
        let endpoint = Endpoint::tcp("localhost", 143, Security::plaintext_without_encryption());
        Ok(Client::over(Stream::other(ours), endpoint, config).await?)
    }
}

async fn count(client: DuplexStream, server: DuplexStream, hidden: &[&str], traffic: Arc<Traffic>) {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let up = async {
        let mut piece = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from_client.read(&mut piece).await {
            let bytes = piece.get(..length).unwrap_or_default();
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
            traffic.commands.fetch_add(lines as u64, Ordering::Relaxed);
            traffic.sent.fetch_add(length as u64, Ordering::Relaxed);
            if to_server.write_all(bytes).await.is_err() {
                break;
            }
        }
    };
    let down = async {
        let mut piece = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from_server.read(&mut piece).await {
            let bytes = piece.get(..length).unwrap_or_default();
            traffic.received.fetch_add(length as u64, Ordering::Relaxed);
            // Capabilities come in one piece, after a login.
            let done = match std::str::from_utf8(bytes) {
                Ok(text) if text.contains("CAPABILITY") => {
                    let text = hidden
                        .iter()
                        .fold(text.to_owned(), |text, name| text.replace(name, &"X".repeat(name.len())));
                    to_client.write_all(text.as_bytes()).await
                }
                _ => to_client.write_all(bytes).await,
            };
            if done.is_err() {
                break;
            }
        }
    };
    tokio::join!(up, down);
}

async fn measure(messages: u32, name: &str, hidden: &'static [&'static str]) -> Result<()> {
    let mailbox = Mailbox::new(messages)?;
    let (mut state, mut known) = (SyncState::default(), Vec::new());
    for round in ["first", "again"] {
        let traffic = Arc::new(Traffic::default());
        let mut client = mailbox.connect(hidden, &traffic).await?;
        let before = (
            traffic.commands.load(Ordering::Relaxed),
            traffic.sent.load(Ordering::Relaxed),
            traffic.received.load(Ordering::Relaxed),
        );
        let begun = Instant::now();
        let options = SyncOptions::new(MailboxName::INBOX).with_batch(5000);
        let mut syncing = client.sync(state.clone(), known.clone(), options).await?;
        let mut changes = 0;
        while let Some(change) = syncing.next().await? {
            changes += u32::from(change != Change::Checkpoint);
        }
        let seconds = begun.elapsed().as_secs_f64();
        state = syncing.state().clone();
        known = syncing.view().uids().collect();
        let commands = traffic.commands.load(Ordering::Relaxed) - before.0;
        let (sent, received) = (
            traffic.sent.load(Ordering::Relaxed) - before.1,
            traffic.received.load(Ordering::Relaxed) - before.2,
        );
        println!(
            "{name:10} {round}: {commands:4} commands, {sent:7} bytes sent, {received:9} received, {seconds:6.3} s, {changes:6} changes, state of {} bytes",
            state.to_bytes().len()
        );
        mailbox.change().await?;
    }
    Ok(())
}

async fn serve(messages: u32, port: u16) -> Result<()> {
    let mailbox = Mailbox::new(messages)?;
    let listener =
        Listener::bind(("127.0.0.1", port), Security::plaintext_without_encryption(), None).await?;
    let server = Server::new(ImapService::new(mailbox.store.clone())).allow_clear_credentials();
    let running = tokio::spawn(async move { server.serve(listener, CancellationToken::new()).await });
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        line?;
        mailbox.change().await?;
        println!("changed");
    }
    running.abort();
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(exit) => return exit,
    };
    // The main thread waits for lines, others serve.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Into::into);
    exit_code(runtime.and_then(|runtime| runtime.block_on(run(&arguments))))
}

async fn run(arguments: &Arguments) -> Result<()> {
    if let Some(port) = arguments.serve {
        return serve(arguments.messages, port).await;
    }
    for (name, hidden) in OFFERS {
        measure(arguments.messages, name, hidden).await?;
    }
    Ok(())
}
