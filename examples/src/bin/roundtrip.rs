//! Mail that really flows: one message through all three protocols, over real sockets.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use clap::Parser;
use mailwire_examples::program;
use mailwire_store::{ImapService, Pop3Service, SmtpService, memory::MemoryStore};
use mailwire_transport::{
    Endpoint, Security,
    imap::{
        self, FetchAtt, Flag, SearchKey,
        client::{FlagChange, Update},
        proto::types::{Section, Uid},
    },
    pop3,
    sasl::{Credentials, Mechanism},
    server::Listener,
    smtp::{self, proto::Host},
    testing::TestCa,
};
use tokio_util::sync::CancellationToken;

/// Sends one message through all three protocols and checks every byte.
///
/// Servers for submission, IMAP and POP3 start on loopback ports, over one store in memory, with a
/// certificate authority made on the spot. Bob submits a message; two of Anna's devices see it arrive by
/// IMAP, fetch it, and see what the other does to it; POP3 downloads it, leaves it, and at last deletes
/// it. What happens is printed. The exit status is 0 only if every byte came through.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Arguments {
    /// The message to send, with its header; without, one is made
    file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    program(async |arguments, _| {
        run(arguments).await?;
        println!("\nEvery byte came through.");
        Ok(())
    })
    .await
}

fn say(who: &str, what: impl std::fmt::Display) {
    println!("{who:>10} | {what}");
}

/// Where the servers are, and whom to trust.
struct World {
    ca: TestCa,
    submission: SocketAddr,
    imap: SocketAddr,
    pop3: SocketAddr,
    shutdown: CancellationToken,
    servers: tokio::task::JoinSet<mailwire_transport::Result<()>>,
}

const STARTTLS: Security = Security::required_starttls();
const TLS: Security = Security::implicit_tls();

impl World {
    async fn start() -> Result<Self> {
        let store = MemoryStore::new();
        store.add_user("bob", "bob's secret")?;
        store.add_user("anna", "anna's secret")?;
        let ca = TestCa::new()?;
        let tls = ca.server_tls(&["localhost"])?;
        let listen = |security| {
            let tls = tls.clone();
            async move { Listener::bind("127.0.0.1:0", security, Some(tls)).await }
        };
        let (submission, imap, pop3) = (listen(STARTTLS).await?, listen(TLS).await?, listen(TLS).await?);
        let address = |listener: &Listener| listener.local_addr().context("a listener without an address");
        let shutdown = CancellationToken::new();
        let mut world = Self {
            ca,
            submission: address(&submission)?,
            imap: address(&imap)?,
            pop3: address(&pop3)?,
            shutdown: shutdown.clone(),
            servers: tokio::task::JoinSet::new(),
        };
        // What is stored is compared with what was sent, byte for byte.
        let smtp_service = SmtpService::new(store.clone()).with_trace_fields(false);
        let smtp_server =
            smtp::Server::new(smtp_service, Host::try_from("localhost")?).require_authentication();
        let (imap_server, pop3_server) =
            (imap::Server::new(ImapService::new(store.clone())), pop3::Server::new(Pop3Service::new(store)));
        let token = shutdown.clone();
        world.servers.spawn(async move { smtp_server.serve(submission, token).await });
        let token = shutdown.clone();
        world.servers.spawn(async move { imap_server.serve(imap, token).await });
        world.servers.spawn(async move { pop3_server.serve(pop3, shutdown).await });
        say("servers", format_args!("submission on {}, STARTTLS required", world.submission));
        say("servers", format_args!("IMAP on {}, POP3 on {}, within TLS", world.imap, world.pop3));
        Ok(world)
    }

    fn endpoint(&self, address: SocketAddr, security: Security) -> Result<Endpoint> {
        Ok(Endpoint::tcp("localhost", address.port(), security).with_tls(self.ca.client_tls()?))
    }

    fn anna() -> Credentials {
        Credentials::password("anna", "anna's secret")
    }

    async fn device(&self, who: &str) -> Result<imap::Client> {
        let mut client = imap::Client::connect(self.endpoint(self.imap, TLS)?, &Self::anna()).await?;
        let selected = client.select("INBOX").await?;
        say(who, format_args!("IMAP: logged in, INBOX has {} messages", selected.exists));
        Ok(client)
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    let message = match &arguments.file {
        Some(path) => {
            with_crlf(&std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?)
        }
        None => made(),
    };
    let mut world = World::start().await?;
    let mut laptop = world.device("laptop").await?;
    let mut phone = world.device("phone").await?;
    let mut idle = phone.idle().await?;
    say("phone", "IMAP: IDLE");

    submit(&world, &message).await?;

    let count = loop {
        if let Update::Exists(count) = idle.next().await? {
            break count;
        }
    };
    say("phone", format_args!("IMAP: a message has come, there are {count}"));
    idle.done().await?;
    ensure!(count == 1, "one message was sent, and there are {count}");

    let uid = fetch_on("phone", &mut phone, &message).await?;
    let same = fetch_on("laptop", &mut laptop, &message).await?;
    ensure!(uid == same, "both devices see the same UID");
    flags(&mut laptop, &mut phone, uid).await?;
    download(&world, &message).await?;

    laptop.noop().await?;
    let gone = laptop.updates().any(|update| matches!(update, Update::Expunge(number) if number.get() == 1));
    ensure!(gone && laptop.exists() == Some(0), "the laptop was not told that POP3 deleted the message");
    say("laptop", "IMAP: NOOP: the message is gone");
    laptop.logout().await?;
    phone.logout().await?;
    world.shutdown.cancel();
    while let Some(ended) = world.servers.join_next().await {
        ended??;
    }
    say("servers", "shut down");
    Ok(())
}

/// Bob submits the message over STARTTLS, with SCRAM.
async fn submit(world: &World, message: &Bytes) -> Result<()> {
    let mut config = smtp::Config::login(Credentials::password("bob", "bob's secret"));
    config.mechanism = Some(Mechanism::ScramSha256Plus);
    let mut client = smtp::Client::connect_with(world.endpoint(world.submission, STARTTLS)?, config).await?;
    say("bob", "submission: STARTTLS, logged in by SCRAM-SHA-256-PLUS");
    let envelope = smtp::Envelope::new("bob@localhost", ["anna@localhost"])?;
    let sent = client.send(&envelope, message.clone()).await?;
    ensure!(sent.refused.is_empty(), "a recipient was refused");
    say("bob", format_args!("submission: {} bytes sent: {}", message.len(), sent.reply));
    client.quit().await?;
    Ok(())
}

/// A device finds the message, looks at it and fetches it.
async fn fetch_on(who: &str, client: &mut imap::Client, message: &Bytes) -> Result<Uid> {
    client.noop().await?;
    let unseen = client.uid_search([SearchKey::Unseen]).await?;
    let uid = unseen.min().context("no message is unseen")?;
    let mut messages =
        client.uid_fetch(uid, [FetchAtt::Uid, FetchAtt::Envelope, FetchAtt::Rfc822Size]).await?;
    let found = messages.next().await?.context("the message is gone")?;
    drop(messages);
    let subject = found.subject().unwrap_or_default();
    say(who, format_args!("IMAP: UID {uid}, {} bytes: {subject}", found.size().unwrap_or(0)));
    let mut body = client.fetch_body(uid, Section::WHOLE).await?.context("no body")?;
    let mut fetched = Vec::new();
    while let Some(chunk) = body.chunk().await? {
        fetched.extend_from_slice(&chunk);
    }
    ensure!(fetched == *message, "{who} fetched other bytes than were sent");
    say(who, format_args!("IMAP: fetched {} bytes, the same as were sent", fetched.len()));
    Ok(uid)
}

/// Each device changes a flag, and the other sees it: the phone in IDLE, the laptop at its next command.
async fn flags(laptop: &mut imap::Client, phone: &mut imap::Client, uid: Uid) -> Result<()> {
    let _ = phone.updates().count();
    let mut idle = phone.idle().await?;
    laptop.uid_store(uid, FlagChange::add([Flag::Flagged])).await?;
    say("laptop", "IMAP: \\Flagged set");
    loop {
        if let Update::Flags { flags, .. } = idle.next().await? {
            ensure!(flags.contains(&Flag::Flagged), "the phone sees other flags: {flags}");
            say("phone", format_args!("IMAP: IDLE: flags are {flags} now"));
            break;
        }
    }
    idle.done().await?;
    phone.uid_store(uid, FlagChange::add([Flag::Seen])).await?;
    say("phone", "IMAP: \\Seen set");
    let _ = laptop.updates().count();
    laptop.noop().await?;
    let seen = laptop.updates().find_map(|update| match update {
        Update::Flags { flags, .. } if flags.contains(&Flag::Seen) => Some(flags),
        _ => None,
    });
    let flags = seen.context("the laptop does not see the phone's flag")?;
    say("laptop", format_args!("IMAP: NOOP: flags are {flags} now"));
    Ok(())
}

/// POP3 downloads the message and leaves it, then downloads and deletes it.
async fn download(world: &World, message: &Bytes) -> Result<()> {
    for delete in [false, true] {
        let mut client = pop3::Client::connect(world.endpoint(world.pop3, TLS)?, &World::anna()).await?;
        let stat = client.stat().await?;
        ensure!(stat.messages == 1, "the maildrop has {} messages", stat.messages);
        let retrieved = client.retr(1).await?.bytes(usize::MAX).await?;
        ensure!(retrieved == message, "POP3 gave other bytes than were sent");
        if delete {
            client.dele(1).await?;
        }
        let deletions = client.quit().await?;
        let done = if delete { "and deleted" } else { "and left" };
        say("anna", format_args!("POP3: {} bytes downloaded {done} ({deletions:?})", retrieved.len()));
    }
    Ok(())
}

/// A message with what mail has: a header, 8-bit text, dots at line starts, a long line.
fn made() -> Bytes {
    let long = "x".repeat(900);
    format!(
        "From: Bob <bob@localhost>\r\nTo: Anna <anna@localhost>\r\nSubject: A round trip\r\n\
         Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <roundtrip@localhost>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         Grüße, Anna!\r\n.\r\n..dots\r\n.\r\n{long}\r\n\r\nBob\r\n"
    )
    .into()
}

/// The file with the line ends of mail, and one at its end.
fn with_crlf(file: &[u8]) -> Bytes {
    let mut message = Vec::with_capacity(file.len() + file.len() / 32);
    let mut before = 0;
    for &byte in file {
        if byte == b'\n' && before != b'\r' {
            message.push(b'\r');
        }
        message.push(byte);
        before = byte;
    }
    if !message.ends_with(b"\r\n") {
        message.extend_from_slice(b"\r\n");
    }
    message.into()
}
