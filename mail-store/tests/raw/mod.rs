//! A peer of a server that writes bytes and reads lines, for tests of all three protocols.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use mailwire_core::Channel;
use mailwire_store::{ImapService, Pop3Service, SmtpService, Store, memory::MemoryStore};
use mailwire_transport::{
    Endpoint, Security, Stream, WireLine, imap, pop3,
    sasl::{Authenticator, Credentials},
    server::ServerLimits,
    smtp,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Smtp,
    Imap,
    Pop3,
}
use Protocol::{Imap, Pop3, Smtp};

pub const ALL: [Protocol; 3] = [Smtp, Imap, Pop3];

/// A server of each protocol over one store. Clones count together.
#[derive(Clone)]
pub struct Servers<S: Store + Authenticator = MemoryStore> {
    smtp: smtp::Server<SmtpService<S>>,
    imap: imap::Server<ImapService<S>>,
    pop3: pop3::Server<Pop3Service<S>>,
}

impl<S: Store + Authenticator> Servers<S> {
    pub fn new(store: &S) -> Self {
        let name = smtp::proto::Host::try_from("mx.example").unwrap();
        Self {
            smtp: smtp::Server::new(SmtpService::new(store.clone()).with_trace_fields(false), name),
            imap: imap::Server::new(ImapService::new(store.clone())),
            pop3: pop3::Server::new(Pop3Service::new(store.clone())),
        }
    }

    /// As [`new`](Self::new), with a policy of maildrops.
    pub fn with_policy(store: &S, policy: pop3::server::Policy) -> Self {
        let service = Pop3Service::new(store.clone()).with_policy(policy);
        Self { pop3: pop3::Server::new(service), ..Self::new(store) }
    }

    pub fn with_limits(self, limits: &ServerLimits) -> Self {
        Self {
            smtp: self.smtp.with_server_limits(limits.clone()),
            imap: self.imap.with_server_limits(limits.clone()),
            pop3: self.pop3.with_server_limits(limits.clone()),
        }
    }

    pub fn with_wire_log(self, show: impl Fn(WireLine<'_>) + Clone + Send + Sync + 'static) -> Self {
        Self {
            smtp: self.smtp.with_wire_log(show.clone()),
            imap: self.imap.with_wire_log(show.clone()),
            pop3: self.pop3.with_wire_log(show),
        }
    }

    /// A connection over a pipe that holds so many bytes, after its greeting.
    pub async fn connect(&self, protocol: Protocol, channel: Channel, size: usize) -> Raw {
        let (ours, theirs) = tokio::io::duplex(size);
        let server = self.clone();
        let stream = Stream::other(theirs);
        let task = tokio::spawn(async move {
            let _ = match protocol {
                Smtp => server.smtp.serve_stream(stream, channel).await,
                Imap => server.imap.serve_stream(stream, channel).await,
                Pop3 => server.pop3.serve_stream(stream, channel).await,
            };
        });
        let mut raw = Raw { stream: ours, task };
        let greeting = raw.line().await;
        assert!(["220 ", "* OK", "+OK "].iter().any(|start| greeting.starts_with(start)), "{greeting}");
        raw
    }
}

pub struct Raw {
    pub stream: DuplexStream,
    task: JoinHandle<()>,
}

impl Raw {
    /// The next line; empty at the end.
    pub async fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            match self.stream.read_u8().await {
                Ok(byte) => line.push(byte),
                Err(_) => break,
            }
        }
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    /// Whether it still takes bytes.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// The last line of the answer: IMAP's tag has to be `a`.
    pub async fn answer(&mut self, protocol: Protocol) -> String {
        loop {
            let line = self.line().await;
            let goes_on = match protocol {
                Smtp => line.as_bytes().get(3) == Some(&b'-'),
                Imap => line.starts_with("* ") && !line.starts_with("* BYE"),
                Pop3 => false,
            };
            if !goes_on {
                return line;
            }
        }
    }

    pub async fn command(&mut self, protocol: Protocol, command: &str) -> String {
        let tag = if protocol == Imap { "a " } else { "" };
        self.write(format!("{tag}{command}\r\n")).await;
        self.answer(protocol).await
    }

    /// Everything up to the end.
    pub async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest).await;
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// Waits until the server has nothing more to do with this connection.
    pub async fn ended(self) {
        self.task.await.unwrap();
    }

    pub async fn login(&mut self, protocol: Protocol, user: &str, password: &str) -> bool {
        let answer = match protocol {
            Smtp => {
                self.command(protocol, "EHLO client.example").await;
                let initial = base64(format!("\0{user}\0{password}").as_bytes());
                self.command(protocol, &format!("AUTH PLAIN {initial}")).await
            }
            Imap => self.command(protocol, &format!("LOGIN {user} {password}")).await,
            Pop3 => {
                self.command(protocol, &format!("USER {user}")).await;
                self.command(protocol, &format!("PASS {password}")).await
            }
        };
        ["235", "a OK", "+OK"].iter().any(|ok| answer.starts_with(ok))
    }

    /// Begins an exchange of SCRAM-SHA-256, and gives the server's first message.
    pub async fn scram(&mut self, protocol: Protocol, user: &str) -> String {
        if protocol == Smtp {
            self.command(protocol, "EHLO client.example").await;
        }
        let command = if protocol == Imap { "AUTHENTICATE" } else { "AUTH" };
        let first = base64(format!("n,,n={user},r=abcdefgh").as_bytes());
        let line = self.command(protocol, &format!("{command} SCRAM-SHA-256 {first}")).await;
        let challenge = line.split_once(' ').unwrap_or_default().1;
        let challenge = mailwire_core::sasl::decode(challenge.as_bytes());
        assert!(challenge.is_ok(), "{protocol:?}: {line}: {challenge:?}");
        let challenge = challenge.unwrap();
        String::from_utf8(challenge.expose().to_vec()).unwrap()
    }
}

pub fn base64(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    mailwire_core::sasl::encode(bytes, &mut text);
    String::from_utf8(text).unwrap()
}

/// A store with Ada, whose password is `secret`, and one message of so many bytes.
pub fn store(size: usize) -> MemoryStore {
    let store = MemoryStore::new();
    let ada = store.add_user("ada", "secret").unwrap();
    if size > 0 {
        let line = format!("{}\r\n", "x".repeat(70));
        ada.deliver(format!("Subject: x\r\n\r\n{}", line.repeat(size / line.len())).into()).unwrap();
    }
    store
}

/// A pipe that holds so many bytes, whose other end is served as if TLS protected it.
pub fn imap_pipe<S: imap::server::Service>(server: &imap::Server<S>, size: usize) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(size);
    let server = server.clone();
    tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Tls).await });
    ours
}

/// Our client over a pipe, logged in as Ada.
pub async fn imap_client<S: imap::server::Service>(server: &imap::Server<S>) -> imap::Client {
    imap_over(imap_pipe(server, 1 << 16)).await
}

/// Our client over a stream to a server, logged in as Ada.
pub async fn imap_over(stream: DuplexStream) -> imap::Client {
    let config =
        imap::Config::login(Credentials::password("ada", "secret")).with_allow_clear_credentials(true);
    let endpoint = Endpoint::tcp("localhost", 143, Security::plaintext_without_encryption());
    imap::Client::over(Stream::other(stream), endpoint, config).await.unwrap()
}
