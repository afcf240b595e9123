//! Shows that no message is ever whole in memory.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    pin::Pin,
    process::{Child, Command, ExitCode, Stdio},
    task::{Context, Poll},
};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use clap::Parser;
use mailwire_examples::{arguments, exit_code};
use mailwire_store::memory::MemoryStore;
use mailwire_transport::{
    Budget, Endpoint, Payload, Security,
    imap::{
        self,
        proto::{
            command::{FetchAtt, List},
            response::MsgAtt,
            types::{Uid, UidValidity},
        },
        server::{
            Appended, Body, FetchOptions, FetchWriter, Fetched, Mailbox, NewMessage, Refusal, SearchOptions,
            SelectOptions, Selected, Status, StatusOptions, StoreOptions, Stored,
        },
    },
    pop3,
    sasl::{Credentials, Identity},
    server::{self, Content, Listener},
    smtp,
};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

/// Sends a giant message by SMTP, appends and fetches it by IMAP and downloads it by POP3, between two
/// processes, and prints the memory that each has used at most.
///
/// The server's side of each protocol is a sink or a source in place of a store, so that only the
/// libraries' own memory counts. The exit status is 1 if either process went more than the allowed growth
/// above what it used while idle.
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Arguments {
    /// The message's size in bytes
    #[arg(long, default_value_t = 1 << 30)]
    size: u64,
    /// How far the peak may lie above idle, in KiB
    #[arg(long, default_value_t = 16 * 1024)]
    growth: u64,
    /// Be the server's process, and say where it listens
    #[arg(long, hide = true)]
    server: bool,
}

fn main() -> ExitCode {
    let arguments: Arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(exit) => return exit,
    };
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| {
            let size = arguments.size;
            if arguments.server { runtime.block_on(serve(size)) } else { runtime.block_on(run(&arguments)) }
        });
    exit_code(result)
}

const LINE: &[u8] =
    b".This line starts with a dot and ends as lines do, and there are very many of them.\r\n";
const CLEAR: Security = Security::plaintext_without_encryption();

/// The message: the same lines again and again, cut at its size. It ends in a line end.
#[derive(Debug)]
struct Source {
    /// Many lines.
    block: Bytes,
    left: u64,
}

impl Source {
    fn new(size: u64) -> Self {
        Self { block: LINE.repeat(700).into(), left: size }
    }

    /// The next piece; empty at the end.
    fn next(&mut self) -> Bytes {
        let length = usize::try_from(self.left).map_or(self.block.len(), |left| left.min(self.block.len()));
        self.left -= length as u64;
        self.block.slice(..length)
    }
}

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let room = out.remaining();
        let before = self.left;
        let mut piece = self.next();
        if piece.len() > room {
            // Lines may be cut anywhere; what counts is the number of bytes.
            piece.truncate(room);
            self.left = before - room as u64;
        }
        out.put_slice(&piece);
        Poll::Ready(Ok(()))
    }
}

impl server::Reader for Source {
    async fn chunk(&mut self) -> std::io::Result<Option<Bytes>> {
        let piece = self.next();
        Ok(if piece.is_empty() { None } else { Some(piece) })
    }
}

/// A size that is a whole number of lines, so that nothing has to be added at the end.
fn whole_lines(size: u64) -> u64 {
    size - size % LINE.len() as u64
}

#[derive(Clone)]
struct Giant {
    size: u64,
    users: MemoryStore,
}

impl smtp::server::Service for Giant {
    type Session = Sink;
    type Authenticator = MemoryStore;

    fn authenticator(&self) -> &MemoryStore {
        &self.users
    }

    async fn connect(&self, _: &smtp::server::Client) -> Result<Sink, smtp::proto::Reply> {
        Ok(Sink)
    }
}

/// Counts bytes, and has nothing else.
struct Sink;

impl smtp::server::Session for Sink {
    async fn message(
        &mut self,
        _: &smtp::server::Client,
        _: &smtp::server::Transaction,
        body: &mut smtp::server::Body<'_>,
    ) -> Result<smtp::proto::Reply, smtp::server::BodyError> {
        let mut length = 0;
        while let Some(chunk) = body.chunk().await? {
            length += chunk.len() as u64;
        }
        Ok(smtp::proto::Reply::new(smtp::proto::ReplyCode::OK, &format!("2.0.0 {length}")))
    }
}

impl pop3::server::Service for Giant {
    type Maildrop = OneMessage;
    type Authenticator = MemoryStore;

    fn authenticator(&self) -> &MemoryStore {
        &self.users
    }

    async fn open(&self, _: &Identity) -> Result<OneMessage, pop3::server::Refusal> {
        Ok(OneMessage { size: self.size })
    }
}

/// A mailbox with the message.
struct OneMessage {
    size: u64,
}

impl pop3::server::Maildrop for OneMessage {
    type Reader = Source;

    async fn messages(&mut self) -> Result<Vec<pop3::server::Entry>, pop3::server::Refusal> {
        let unique_id = pop3::proto::UniqueId::new("giant")
            .map_err(|error| pop3::server::Refusal::new(error.to_string()))?;
        Ok(vec![pop3::server::Entry::new(self.size, unique_id)])
    }

    async fn retr(&mut self, _: usize) -> Result<Content<Source>, pop3::server::Refusal> {
        Ok(Content::stream(self.size, Source::new(self.size)))
    }

    async fn commit(self, _: Vec<usize>) -> Result<(), pop3::server::Refusal> {
        Ok(())
    }
}

impl imap::server::Service for Giant {
    type Session = OneMessage;
    type Authenticator = MemoryStore;

    fn authenticator(&self) -> &MemoryStore {
        &self.users
    }

    async fn open(&self, _: &Identity) -> Result<OneMessage, imap::server::Refusal> {
        Ok(OneMessage { size: self.size })
    }
}

impl imap::server::Session for OneMessage {
    async fn list(&mut self, _: &List) -> Result<Vec<Mailbox>, Refusal> {
        Ok(vec![Mailbox::new("INBOX")])
    }

    async fn status(&mut self, _: &str, _: &StatusOptions) -> Result<Status, Refusal> {
        let mut status = Status::default();
        status.messages = Some(1);
        Ok(status)
    }

    async fn select(&mut self, _: &str, options: &SelectOptions) -> Result<Selected, Refusal> {
        let uid_next = Uid::new(2).unwrap_or(Uid::MAX);
        Ok(Selected::new(UidValidity::MIN, uid_next, [Uid::MIN]).with_read_only(options.read_only))
    }

    async fn fetch(
        &mut self,
        uids: &[Uid],
        options: &FetchOptions,
        out: &mut FetchWriter<'_>,
    ) -> Result<(), Refusal> {
        for &uid in uids {
            let mut message = Fetched::new(uid);
            for item in &options.items {
                match item {
                    FetchAtt::Rfc822Size => message.data(MsgAtt::Rfc822Size(self.size)),
                    FetchAtt::BodySection { .. } => {
                        let content = Content::Stream { length: self.size, reader: Source::new(self.size) };
                        message.content(item.clone(), Some(content));
                    }
                    _ => {}
                }
            }
            out.message(message).await?;
        }
        Ok(())
    }

    async fn store(&mut self, _: &[Uid], _: &StoreOptions) -> Result<Vec<Stored>, Refusal> {
        Ok(Vec::new())
    }

    async fn search(&mut self, _: &SearchOptions, _: &mut Budget) -> Result<Vec<Uid>, Refusal> {
        Ok(Uid::new(1).into_iter().collect())
    }

    async fn append(
        &mut self,
        _: &str,
        message: NewMessage,
        body: &mut Body<'_>,
    ) -> Result<Option<Appended>, Refusal> {
        let mut length = 0;
        while let Some(chunk) = body.chunk().await? {
            length += chunk.len() as u64;
        }
        if length == message.length { Ok(None) } else { Err(Refusal::new("a part is missing")) }
    }
}

/// The server's process: prints its ports and its memory while idle, then its peak when standard input
/// ends.
async fn serve(size: u64) -> Result<()> {
    let users = MemoryStore::new();
    users.add_user("giant", "secret")?;
    let giant = Giant { size, users };
    let name = smtp::proto::Host::try_from("localhost")?;
    let smtp = smtp::Server::new(giant.clone(), name)
        .allow_clear_credentials()
        .configure(|config| config.limits.message = size.saturating_mul(2));
    let imap = imap::Server::new(giant.clone())
        .allow_clear_credentials()
        .configure(|config| config.limits.message = size.saturating_mul(2));
    let pop3 = pop3::Server::new(giant).allow_clear_credentials();

    let mut listeners = Vec::new();
    for _ in 0..3 {
        let listener = Listener::bind("127.0.0.1:0", CLEAR, None).await?;
        println!("{}", listener.local_addr().context("no address")?);
        listeners.push(listener);
    }
    println!("{}", resident("VmRSS:")?);
    let shutdown = CancellationToken::new();
    let mut next = listeners.into_iter();
    let (Some(a), Some(b), Some(c)) = (next.next(), next.next(), next.next()) else { bail!("no listener") };
    let stop = shutdown.clone();
    std::thread::spawn(move || {
        let _ = std::io::stdin().lines().count();
        stop.cancel();
    });
    let (a, b, c) = tokio::join!(
        smtp.serve(a, shutdown.clone()),
        imap.serve(b, shutdown.clone()),
        pop3.serve(c, shutdown.clone()),
    );
    a.and(b).and(c)?;
    println!("{}", resident("VmHWM:")?);
    Ok(())
}

/// A line of this process's memory statistics, in KiB: what is resident, or what was at most.
fn resident(name: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("this needs Linux's /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// The server's process as its client sees it.
struct Server {
    process: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Server {
    fn start(size: u64) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--server", "--size", &size.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = BufReader::new(process.stdout.take().context("no output")?);
        Ok(Self { process, said })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.said.read_line(&mut line)? > 0, "the server's process has ended");
        Ok(line.trim().to_owned())
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    let size = whole_lines(arguments.size);
    let mut server = Server::start(size)?;
    let mut endpoint = || -> Result<Endpoint> {
        let address: SocketAddr = server.line()?.parse()?;
        Ok(Endpoint::tcp(address.ip().to_string(), address.port(), CLEAR))
    };
    let (smtp, imap, pop3) = (endpoint()?, endpoint()?, endpoint()?);
    let server_idle: u64 = server.line()?.parse()?;
    let client_idle = resident("VmRSS:")?;
    let credentials = Credentials::password("giant", "secret");

    let mut client = smtp::Client::connect_with(smtp, smtp::Config::anonymous()).await?;
    let envelope = smtp::Envelope::new("", ["giant@localhost"])?;
    let sent = client.send(&envelope, Payload::from_reader(Source::new(size), Some(size))).await?;
    ensure!(sent.reply.to_string() == format!("250 2.0.0 {size}"), "SMTP: {}", sent.reply);
    client.quit().await?;
    println!("SMTP: {size} bytes sent");

    let mut config = imap::Config::login(credentials.clone());
    config.allow_clear_credentials = true;
    config.limits.message = size.saturating_mul(2);
    let mut client = imap::Client::connect_with(imap, config).await?;
    let message = Payload::from_reader(Source::new(size), Some(size));
    client.append("INBOX", message).await?;
    println!("IMAP: {size} bytes appended");
    client.examine("INBOX").await?;
    let mut body =
        client.fetch_body(Uid::MIN, imap::proto::types::Section::WHOLE).await?.context("IMAP: no body")?;
    let mut length = 0;
    while let Some(chunk) = body.chunk().await? {
        length += chunk.len() as u64;
    }
    ensure!(length == size, "IMAP: {length} bytes fetched");
    client.logout().await?;
    println!("IMAP: {length} bytes fetched");

    let mut config = pop3::Config::login(credentials);
    config.allow_clear_credentials = true;
    let mut client = pop3::Client::connect_with(pop3, config).await?;
    let mut body = client.retr(1).await?;
    let mut length = 0;
    while let Some(chunk) = body.chunk().await? {
        length += chunk.len() as u64;
    }
    ensure!(length == size, "POP3: {length} bytes retrieved");
    client.quit().await?;
    println!("POP3: {length} bytes retrieved");

    drop(server.process.stdin.take());
    let server_peak: u64 = server.line()?.parse()?;
    server.process.wait()?;
    let client_peak = resident("VmHWM:")?;
    for (who, idle, peak) in [("client", client_idle, client_peak), ("server", server_idle, server_peak)] {
        println!("{who}: {idle} KiB idle, {peak} KiB at most: {} KiB above", peak.saturating_sub(idle));
        ensure!(peak.saturating_sub(idle) <= arguments.growth, "the {who} used too much memory");
    }
    Ok(())
}
