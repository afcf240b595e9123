//! The POP3 client and the POP3 server, over sockets and pipes.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    fmt::{Debug, Write as _},
    future::Future,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use mailwire_core::{Channel, Secret};
use mailwire_store::{Pop3Service, memory::MemoryStore};
use mailwire_transport::{
    Endpoint, Error, Result, Security, Stream,
    pop3::{
        Client, Config, Deletions, LoginMechanism, QuitError, Server, UniqueId,
        server::{Entry, Maildrop, Refusal, Service},
    },
    sasl::{
        Authenticator, Credentials, Identity, LoginContext, Mechanism, SPOKEN, SaslError, StoredPassword,
        Unavailable,
    },
    server::{AsyncReader, Content, Listener, NoReader, ServerLimits},
    testing::TestCa,
    tls::{ClientTls, ServerTls},
};
use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

const CLEAR: Security = Security::plaintext_without_encryption();

fn ada() -> Config {
    Config::login(Credentials::password("ada", "secret"))
}

fn by(mechanism: LoginMechanism) -> Config {
    let mut config = ada();
    config.mechanism = Some(mechanism);
    config
}

/// A store with Ada and these messages of hers.
fn store(messages: &[&str]) -> MemoryStore {
    let store = MemoryStore::new();
    let ada = store.add_user("ada", "secret").unwrap();
    for message in messages {
        ada.deliver(Bytes::copy_from_slice(message.as_bytes())).unwrap();
    }
    store
}

/// Knows one user without the work that makes passwords hard to guess, for tests of many sessions.
struct Quick;

impl Authenticator for Quick {
    async fn verify_password(
        &self,
        user: &str,
        password: &Secret,
        _: &LoginContext,
    ) -> Result<bool, Unavailable> {
        Ok(user == "ada" && password.expose() == b"secret")
    }
}

fn quick(store: &MemoryStore) -> Pop3Service<MemoryStore, Quick> {
    Pop3Service::with_authenticator(store.clone(), Quick)
}

/// How many messages Ada has.
fn count(store: &MemoryStore) -> usize {
    store.user("ada").unwrap().messages("INBOX").unwrap().len()
}

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<Result<()>>,
    tls: Option<ClientTls>,
    security: Security,
}

impl Running {
    async fn start<S: Service>(server: Server<S>, security: Security) -> Self {
        let ca = security.is_tls().then(|| TestCa::new().unwrap());
        let tls = ca.as_ref().map(|ca| ca.server_tls(&["localhost", "127.0.0.1"]).unwrap());
        let listener = Listener::bind("127.0.0.1:0", security, tls).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let task = tokio::spawn(async move { server.serve(listener, token).await });
        Self { address, shutdown, task, tls: ca.map(|ca| ca.client_tls().unwrap()), security }
    }

    fn endpoint(&self) -> Endpoint {
        let endpoint = Endpoint::tcp("127.0.0.1", self.address.port(), self.security);
        match &self.tls {
            Some(tls) => endpoint.with_tls(tls.clone()),
            None => endpoint,
        }
    }

    async fn client(&self, config: Config) -> Result<Client> {
        Client::connect_with(self.endpoint(), config).await
    }

    async fn end(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// A client and a server with a pipe between them that holds so many bytes.
async fn over_pipe<S: Service>(server: Server<S>, size: usize, config: Config) -> Client {
    let (ours, theirs) = tokio::io::duplex(size);
    tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Clear).await });
    let endpoint = Endpoint::tcp("pipe", 110, CLEAR);
    Client::over(Stream::other(ours), endpoint, config).await.unwrap()
}

fn in_clear<S: Service>(service: S) -> Server<S> {
    Server::new(service).allow_clear_credentials()
}

fn clear() -> Config {
    let mut config = ada();
    config.allow_clear_credentials = true;
    config
}

async fn all(client: &mut Client) -> Result<Vec<Bytes>> {
    let mut messages = Vec::new();
    for scan in client.list().await? {
        messages.push(client.retr(scan.number).await?.bytes(1 << 20).await?);
    }
    Ok(messages)
}

#[tokio::test]
async fn keeps_and_deletes_over_every_kind_of_tls() {
    const MESSAGES: [&str; 4] = ["Subject: one\r\n\r\n.\r\n..\r\n.dots\r\n", "", "\r\n", "no end of line"];
    for security in [Security::implicit_tls(), Security::required_starttls()] {
        let store = store(&MESSAGES);
        let server = Running::start(Server::new(Pop3Service::new(store.clone())), security).await;

        let mut client =
            Client::connect(server.endpoint(), &Credentials::password("ada", "secret")).await.unwrap();
        assert!(client.is_encrypted());
        let stat = client.stat().await.unwrap();
        assert_eq!((stat.messages, stat.octets), (4, Some(46)));
        let messages = all(&mut client).await.unwrap();
        assert_eq!(messages[..3], MESSAGES[..3]);
        assert_eq!(messages[3], "no end of line\r\n");
        assert_eq!(client.top(1, 1).await.unwrap().bytes(100).await.unwrap(), "Subject: one\r\n\r\n.\r\n");
        let ids = client.uidl().await.unwrap();
        assert_eq!(client.uidl_one(3).await.unwrap(), ids[2]);
        assert_eq!(client.list_one(1).await.unwrap().octets, Some(32 - 2));
        // Nothing was marked, so nothing is deleted.
        assert_eq!(client.quit().await.unwrap(), Deletions::None);

        // Marks that are taken back, and marks of a session without QUIT.
        let mut client = server.client(ada()).await.unwrap();
        client.dele(1).await.unwrap();
        assert_eq!(client.stat().await.unwrap().messages, 3);
        for error in [client.retr(1).await.unwrap_err(), client.dele(1).await.unwrap_err()] {
            assert!(matches!(error, Error::Refused(_)), "{error:?}");
        }
        client.rset().await.unwrap();
        assert_eq!(client.list().await.unwrap().len(), 4);
        client.dele(1).await.unwrap();
        drop(client);

        let mut client = loop {
            match server.client(ada()).await {
                Ok(client) => break client,
                // Until the server has noticed that the other is gone.
                Err(error) => assert_eq!(error.refused().unwrap().code.as_ref().unwrap(), "IN-USE"),
            }
        };
        assert_eq!(client.uidl().await.unwrap(), ids);
        let results = client.dele_all([1, 3, 9]).await.unwrap();
        assert!(results[0].1.is_ok() && results[1].1.is_ok() && results[2].1.is_err());
        assert_eq!(client.quit().await.unwrap(), Deletions::Done(2));

        let mut client = server.client(ada()).await.unwrap();
        let left: Vec<_> = client.uidl().await.unwrap().into_iter().map(|id| id.unique_id).collect();
        assert_eq!(left, [ids[1].unique_id.clone(), ids[3].unique_id.clone()]);
        assert!(client.capabilities().is_known());
        client.quit().await.unwrap();
        server.end().await;
    }
}

/// Ada by every mechanism there is.
struct Everyone {
    password: StoredPassword,
}

impl Everyone {
    fn new() -> Self {
        Self { password: StoredPassword::derive(&"secret".into()).unwrap() }
    }
}

impl Authenticator for Everyone {
    fn mechanisms(&self) -> &[Mechanism] {
        &SPOKEN
    }

    async fn lookup(&self, user: &str, _: &LoginContext) -> Result<Option<StoredPassword>, Unavailable> {
        match user {
            "ada" => Ok(Some(self.password.clone())),
            "outage" => Err(Unavailable),
            _ => Ok(None),
        }
    }

    async fn shared_secret(&self, user: &str, _: &LoginContext) -> Result<Option<Secret>, Unavailable> {
        Ok((user == "ada").then(|| "secret".into()))
    }

    async fn verify_token(
        &self,
        _: Option<&str>,
        token: &Secret,
        _: &LoginContext,
    ) -> Result<Option<String>, Unavailable> {
        Ok((token.expose() == b"good").then(|| "ada".to_owned()))
    }

    async fn verify_external(
        &self,
        certificates: &[CertificateDer<'static>],
        _: Option<&str>,
        _: &LoginContext,
    ) -> Result<Option<String>, Unavailable> {
        Ok((!certificates.is_empty()).then(|| "ada".to_owned()))
    }

    async fn anonymous(&self, _: &str, _: &LoginContext) -> Result<Option<String>, Unavailable> {
        Ok(Some("guest".into()))
    }
}

impl Service for Everyone {
    type Maildrop = One;
    type Authenticator = Self;

    fn authenticator(&self) -> &Self {
        self
    }

    async fn open(&self, identity: &Identity) -> Result<One, Refusal> {
        Ok(One(format!("To: {}\r\n\r\n", identity.acting_as).into()))
    }

    async fn apop_secret(&self, user: &str) -> Result<Option<Secret>, Unavailable> {
        Ok((user == "ada").then(|| "secret".into()))
    }
}

struct One(Bytes);

impl Maildrop for One {
    type Reader = NoReader;

    async fn messages(&mut self) -> Result<Vec<Entry>, Refusal> {
        Ok(vec![Entry::new(self.0.len() as u64, UniqueId::new("1").unwrap())])
    }

    async fn retr(&mut self, _: usize) -> Result<Content, Refusal> {
        Ok(self.0.clone().into())
    }

    async fn commit(self, _: Vec<usize>) -> Result<(), Refusal> {
        Err(Refusal::new("this message stays"))
    }
}

#[tokio::test]
async fn logs_in_by_every_mechanism() {
    let with = |mechanism, credentials| {
        let mut config = Config::login(credentials);
        config.mechanism = Some(LoginMechanism::Sasl(mechanism));
        config
    };
    for security in [Security::implicit_tls(), Security::required_starttls()] {
        let server = Running::start(Server::new(Everyone::new()), security).await;
        for mechanism in SPOKEN {
            let (good, bad) = match mechanism {
                Mechanism::External => continue,
                Mechanism::Anonymous => (Credentials::anonymous("x"), None),
                Mechanism::OAuthBearer | Mechanism::XOAuth2 => {
                    (Credentials::token("ada", "good"), Some(Credentials::token("ada", "bad")))
                }
                _ => (Credentials::password("ada", "secret"), Some(Credentials::password("ada", "wrong"))),
            };
            let mut client = server.client(with(mechanism.clone(), good)).await.unwrap();
            let user = if mechanism == Mechanism::Anonymous { "guest" } else { "ada" };
            let message = client.retr(1).await.unwrap().bytes(100).await.unwrap();
            assert_eq!(message, format!("To: {user}\r\n\r\n"), "{mechanism}");
            let Some(bad) = bad else { continue };
            let error = server.client(with(mechanism.clone(), bad)).await.unwrap_err();
            let refused = error.refused().unwrap_or_else(|| panic!("{mechanism}: {error:?}"));
            assert_eq!((refused.command, refused.code.as_ref().unwrap().as_str()), ("AUTH", Some("AUTH")));
        }
        // The best of what is offered.
        let client = server.client(ada()).await.unwrap();
        let offered: Vec<_> = client.capabilities().mechanisms().map(ToString::to_string).collect();
        assert_eq!(offered[0], "SCRAM-SHA-512-PLUS");
        assert!(!offered.contains(&"EXTERNAL".to_owned()), "no certificate was shown");
        drop(client);
        server.client(by(LoginMechanism::UserPass)).await.unwrap();
        server.end().await;
    }
}

#[tokio::test]
async fn logs_in_by_a_certificate() {
    let ca = TestCa::new().unwrap();
    let identity = ca.server(&["127.0.0.1"]).unwrap();
    for security in [Security::implicit_tls(), Security::required_starttls()] {
        let tls = ServerTls::builder(&identity.chain_pem, &identity.key_pem).unwrap();
        let tls = tls.client_certificates_optional(ca.root_pem()).unwrap().build().unwrap();
        let listener = Listener::bind("127.0.0.1:0", security, Some(tls)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let task = tokio::spawn(async move { Server::new(Everyone::new()).serve(listener, token).await });

        let client = ca.client("ada").unwrap();
        let tls = ClientTls::builder().roots_pem(ca.root_pem()).unwrap();
        let tls = tls.client_certificate_pem(client.chain_pem, client.key_pem).unwrap().build().unwrap();
        let endpoint = Endpoint::tcp("127.0.0.1", address.port(), security).with_tls(tls);
        let client = Client::connect(endpoint, &Credentials::external()).await.unwrap();
        assert!(client.capabilities().mechanisms().any(|mechanism| mechanism.as_bytes() == b"EXTERNAL"));
        drop(client);
        shutdown.cancel();
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn wrong_names_and_wrong_passwords_are_the_same() {
    let server = Running::start(Server::new(Everyone::new()), Security::implicit_tls()).await;
    for mechanism in [
        LoginMechanism::UserPass,
        LoginMechanism::Sasl(Mechanism::Plain),
        LoginMechanism::Sasl(Mechanism::ScramSha256),
    ] {
        let mut refusals = Vec::new();
        for (user, password) in [("ada", "wrong"), ("nobody", "secret"), ("ADA", "secret")] {
            let mut config = Config::login(Credentials::password(user, password));
            config.mechanism = Some(mechanism.clone());
            refusals.push(server.client(config).await.unwrap_err().refused().unwrap().clone());
        }
        assert!(refusals.iter().all(|refused| *refused == refusals[0]), "{refusals:?}");
        assert_eq!(refusals[0].code.as_ref().unwrap(), "AUTH");
        let mut config = Config::login(Credentials::password("outage", "secret"));
        config.mechanism = Some(mechanism);
        let error = server.client(config).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
    }
    server.end().await;
}

#[tokio::test]
async fn nothing_is_shown_in_clear_unless_allowed() {
    let server = Running::start(Server::new(Everyone::new()), CLEAR).await;
    // SCRAM shows nothing.
    let client = server.client(ada()).await.unwrap();
    assert!(client.capabilities().mechanisms().all(|mechanism| !mechanism.shows_secret()));
    for mechanism in [LoginMechanism::UserPass, LoginMechanism::Sasl(Mechanism::Plain)] {
        let error = server.client(by(mechanism.clone())).await.unwrap_err();
        assert!(matches!(error, Error::Sasl(SaslError::CredentialsInClear)), "{error:?}");
        // The server does not take it either.
        let mut config = clear();
        config.mechanism = Some(mechanism);
        assert!(matches!(server.client(config).await, Err(Error::Refused(_))));
    }
    drop(client);
    server.end().await;

    let server = Running::start(in_clear(Everyone::new()), CLEAR).await;
    let mut config = clear();
    config.mechanism = Some(LoginMechanism::UserPass);
    let mut client = server.client(config).await.unwrap();
    client.dele(1).await.unwrap();
    let error = client.quit().await.unwrap_err();
    assert_eq!(error.error.refused().unwrap().text, "this message stays");
    assert_eq!(error.deletions, Deletions::Incomplete(1));
    server.end().await;
}

#[tokio::test]
async fn apop() {
    let server = Server::new(Everyone::new());
    assert!(server.clone().apop("a host").is_err());
    let server = Running::start(server.apop("mail.example.org").unwrap(), CLEAR).await;
    server.client(by(LoginMechanism::Apop)).await.unwrap();
    for (user, password) in [("ada", "wrong"), ("nobody", "secret"), ("nobody", "")] {
        let mut config = Config::login(Credentials::password(user, password));
        config.mechanism = Some(LoginMechanism::Apop);
        let error = server.client(config).await.unwrap_err();
        assert_eq!(error.refused().unwrap().code.as_ref().unwrap(), "AUTH");
    }
    server.end().await;
}

#[tokio::test]
async fn one_session_has_the_maildrop() {
    let server = Running::start(Server::new(Pop3Service::new(store(&["x"]))), Security::implicit_tls()).await;
    let first = server.client(ada()).await.unwrap();
    let error = server.client(ada()).await.unwrap_err();
    assert_eq!(error.refused().unwrap().code.as_ref().unwrap(), "IN-USE");
    assert!(error.is_transient());
    first.quit().await.unwrap();
    server.client(ada()).await.unwrap();
    server.end().await;
}

/// A message of so many bytes that is nowhere in memory as a whole.
struct Huge {
    length: usize,
    fails_at: usize,
    /// What was read of it and not taken by the client yet.
    ahead: Arc<AtomicUsize>,
}

struct HugeReader {
    at: usize,
    end: usize,
    fails_at: usize,
    ahead: Arc<AtomicUsize>,
}

const LINE: &[u8; 64] = b".23456789 123456789 123456789 123456789 123456789 123456789 12\r\n";

impl AsyncRead for HugeReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.at >= self.fails_at {
            return Poll::Ready(Err(std::io::Error::other("the disk is gone")));
        }
        let before = buf.filled().len();
        while buf.remaining() > 0 && self.at < self.end {
            let line = &LINE[self.at % LINE.len()..];
            let count = line.len().min(buf.remaining()).min(self.end - self.at);
            buf.put_slice(&line[..count]);
            self.at += count;
        }
        self.ahead.fetch_add(buf.filled().len() - before, Ordering::SeqCst);
        Poll::Ready(Ok(()))
    }
}

impl Maildrop for Huge {
    type Reader = AsyncReader<HugeReader>;

    async fn messages(&mut self) -> Result<Vec<Entry>, Refusal> {
        Ok(vec![Entry::new(self.length as u64, UniqueId::new("huge").unwrap())])
    }

    async fn retr(&mut self, _: usize) -> Result<Content<AsyncReader<HugeReader>>, Refusal> {
        let (end, fails_at) = (self.length, self.fails_at);
        let reader = HugeReader { at: 0, end, fails_at, ahead: Arc::clone(&self.ahead) };
        Ok(Content::stream(end as u64, AsyncReader::new(reader)))
    }

    async fn commit(self, _: Vec<usize>) -> Result<(), Refusal> {
        Ok(())
    }
}

struct HugeService {
    everyone: Everyone,
    fails_at: usize,
    ahead: Arc<AtomicUsize>,
}

impl Service for HugeService {
    type Maildrop = Huge;
    type Authenticator = Everyone;

    fn authenticator(&self) -> &Everyone {
        &self.everyone
    }

    async fn open(&self, _: &Identity) -> Result<Huge, Refusal> {
        Ok(Huge { length: 20 << 20, fails_at: self.fails_at, ahead: Arc::clone(&self.ahead) })
    }
}

fn huge(fails_at: usize) -> (Server<HugeService>, Arc<AtomicUsize>) {
    let ahead = Arc::default();
    let service = HugeService { everyone: Everyone::new(), fails_at, ahead: Arc::clone(&ahead) };
    (in_clear(service), ahead)
}

#[tokio::test]
async fn streams_twenty_megabytes_in_bounded_memory() {
    let (server, ahead) = huge(usize::MAX);
    let mut client = over_pipe(server, 16 * 1024, clear()).await;
    let mut body = client.retr(1).await.unwrap();
    let mut length = 0;
    let mut most = 0;
    while let Some(chunk) = body.chunk().await.unwrap() {
        assert!(chunk.iter().zip(LINE.iter().cycle().skip(length % 64)).all(|(a, b)| a == b));
        length += chunk.len();
        most = most.max(ahead.fetch_sub(chunk.len(), Ordering::SeqCst));
    }
    assert_eq!(length, 20 << 20);
    // Two buffers of the server, the pipe, and one buffer of the client.
    assert!(most < 512 * 1024, "{most} bytes were somewhere in between");
    let error = client.retr(1).await.unwrap().bytes(1 << 20).await.unwrap_err();
    assert!(
        matches!(error, Error::Protocol { error: mailwire_core::Error::LimitExceeded { .. }, .. }),
        "{error:?}"
    );
    let mut sink = tokio::io::sink();
    assert_eq!(client.retr(1).await.unwrap().copy_to(&mut sink).await.unwrap(), 20 << 20);
    assert_eq!(client.quit().await.unwrap(), Deletions::None);
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_not_taken_for_whole() {
    let (server, _) = huge(1 << 20);
    let mut client = over_pipe(server, 4096, clear()).await;
    client.dele(1).await.unwrap();
    client.rset().await.unwrap();
    let error = client.retr(1).await.unwrap().copy_to(&mut tokio::io::sink()).await.unwrap_err();
    assert!(
        matches!(error, Error::Protocol { error: mailwire_core::Error::UnexpectedEof { .. }, .. }),
        "{error:?}"
    );
}

/// Polls a future so many times, and drops it then. `None` if it was not ready.
async fn dropped_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Drops a call after 0, 1, 2 ... polls, until it gets to its end; after each the client must be as
/// good as before.
macro_rules! drop_everywhere {
    ($client:ident, $call:expr) => {{
        let mut polls = 0;
        loop {
            let done = dropped_after(polls, async { $call.map(drop) }).await;
            assert_eq!($client.uidl_one(2).await.unwrap().number.get(), 2);
            assert_eq!($client.stat().await.unwrap().messages, 3);
            let message = $client.retr(3).await.unwrap().bytes(100_000).await.unwrap();
            assert!(message.starts_with(b"Subject: three\r\n"));
            if let Some(result) = done {
                result.unwrap();
                break polls;
            }
            polls += 1;
        }
    }};
}

#[tokio::test]
async fn a_call_can_be_dropped_at_any_point() {
    let two = format!("Subject: two\r\n\r\n{}", ".a line\r\n".repeat(40));
    let store = store(&["Subject: one\r\n\r\n", &two, "Subject: three\r\n\r\n.\r\n"]);
    // So small that each call waits many times.
    let mut client = over_pipe(in_clear(Pop3Service::new(store.clone())), 7, clear()).await;
    let mut most = 0;
    most = most.max(drop_everywhere!(client, client.stat().await));
    most = most.max(drop_everywhere!(client, client.list().await));
    most = most.max(drop_everywhere!(client, client.list_one(1).await));
    most = most.max(drop_everywhere!(client, client.uidl().await));
    most = most.max(drop_everywhere!(client, client.noop().await));
    most = most.max(drop_everywhere!(client, client.capa().await));
    most = most.max(drop_everywhere!(client, client.rset().await));
    most = most.max(drop_everywhere!(client, async { client.retr(2).await?.bytes(10_000).await }.await));
    most = most.max(drop_everywhere!(client, async { client.top(2, 3).await?.bytes(10_000).await }.await));
    most = most.max(drop_everywhere!(
        client,
        async {
            let mut messages = client.retr_all([1, 9, 2, 3, 1, 2, 3]).await?;
            while let Some((_, body)) = messages.next().await? {
                if let Ok(body) = body {
                    body.bytes(10_000).await?;
                }
            }
            Ok::<_, Error>(())
        }
        .await
    ));
    assert!(most > 10, "{most}");

    // What is dropped may have been done.
    for polls in 0.. {
        let done = dropped_after(polls, client.dele(1)).await;
        client.rset().await.unwrap();
        assert_eq!(client.list().await.unwrap().len(), 3);
        if done.is_some() {
            break;
        }
    }
    for polls in 0.. {
        let done = dropped_after(polls, client.dele_all([1, 2, 7, 3])).await;
        client.rset().await.unwrap();
        assert_eq!(client.list().await.unwrap().len(), 3);
        if done.is_some() {
            break;
        }
    }
    client.dele(2).await.unwrap();
    assert_eq!(client.quit().await.unwrap(), Deletions::Done(1));
    assert_eq!(count(&store), 2);
}

#[tokio::test]
async fn next_of_many_can_be_dropped_and_called_again() {
    let store = store(&["one\r\n", "two\r\n", "three\r\n"]);
    let mut client = over_pipe(in_clear(Pop3Service::new(store)), 5, clear()).await;
    for polls in 1..30 {
        let mut messages = client.retr_all([1, 2, 7, 3, 1]).await.unwrap();
        let mut seen = Vec::new();
        loop {
            // As long as it takes, but never more than so many polls at a time.
            let next = match dropped_after(polls, messages.next()).await {
                None => {
                    tokio::task::yield_now().await;
                    continue;
                }
                Some(next) => next.unwrap(),
            };
            let Some((number, body)) = next else { break };
            seen.push((number, body.is_ok()));
            if let Ok(mut body) = body {
                // A part of it only.
                let _ = dropped_after(polls, body.chunk()).await;
            }
        }
        assert_eq!(seen, [(1, true), (2, true), (7, false), (3, true), (1, true)], "{polls}");
    }
    client.noop().await.unwrap();
}

/// Passes so many bytes of the server on, and then nothing but the end.
struct CutOff {
    stream: TcpStream,
    left: usize,
}

impl AsyncRead for CutOff {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut part = buf.take(self.left);
        let before = part.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, &mut part);
        let count = part.filled().len() - before;
        // The bytes lie where `buf` goes on.
        let part = part.filled().to_vec();
        self.left -= count;
        buf.put_slice(&part);
        poll
    }
}

impl AsyncWrite for CutOff {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_server_may_vanish_at_any_byte() {
    async fn session(stream: CutOff) -> (Deletions, Result<Deletions>) {
        let endpoint = Endpoint::tcp("127.0.0.1", 110, CLEAR);
        let mut config = clear();
        config.mechanism = Some(LoginMechanism::UserPass);
        let mut client = match Client::over(Stream::other(stream), endpoint, config).await {
            Ok(client) => client,
            Err(error) => return (Deletions::None, Err(error)),
        };
        let result = async {
            client.list().await?;
            client.uidl().await?;
            assert_eq!(client.retr(1).await?.bytes(100).await?, "Subject: x\r\n\r\n.\r\n");
            client.dele(1).await
        };
        if let Err(error) = result.await {
            return (client.deletions(), Err(error));
        }
        match client.quit().await {
            Ok(done) => (done, Ok(done)),
            Err(QuitError { error, deletions, .. }) => (deletions, Err(error)),
        }
    }
    let mut lost = 0;
    let mut unknown = 0;
    let store = store(&["Subject: x\r\n\r\n.\r\n"]);
    for left in 0.. {
        if count(&store) == 0 {
            store.user("ada").unwrap().deliver("Subject: x\r\n\r\n.\r\n".into()).unwrap();
        }
        let server = Running::start(in_clear(quick(&store)), CLEAR).await;
        let stream = TcpStream::connect(server.address).await.unwrap();
        let (deletions, result) = session(CutOff { stream, left }).await;
        server.end().await;
        let is_there = count(&store) > 0;
        match result {
            Ok(done) => {
                assert_eq!((done, is_there), (Deletions::Done(1), false));
                break;
            }
            Err(error) => {
                assert!(matches!(error, Error::Protocol { .. }), "{left}: {error:?}");
                match deletions {
                    Deletions::None => assert!(is_there, "{left}"),
                    Deletions::Lost(1) => {
                        lost += 1;
                        assert!(is_there, "{left}");
                    }
                    Deletions::Unknown => unknown += 1,
                    other => panic!("{left}: {other:?}"),
                }
            }
        }
    }
    assert!(unknown > 3, "{lost} {unknown}");
}

#[tokio::test]
async fn a_client_may_vanish_at_any_byte() {
    const ALL: &[u8] =
        b"USER ada\r\nPASS secret\r\nSTAT\r\nRETR 1\r\nDELE 1\r\nAUTH PLAIN\r\nLIST\r\nDELE 1\r\nQUIT\r\n";
    let store = store(&["Subject: x\r\n\r\n.\r\n"]);
    for sent in 0..=ALL.len() {
        let server = Running::start(in_clear(quick(&store)), CLEAR).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&ALL[..sent]).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();
        assert!(answers.starts_with("+OK "), "{sent}");
        server.end().await;
        let is_there = count(&store) > 0;
        assert_eq!(is_there, sent < ALL.len(), "{sent}: {answers}");
    }
}

#[tokio::test]
async fn bytes_after_stls_are_refused_by_the_server() {
    let store = store(&["x"]);
    let server = Running::start(Server::new(Pop3Service::new(store)), Security::required_starttls()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"STLS\r\nUSER ada\r\nPASS secret\r\n").await.unwrap();
    let mut answers = Vec::new();
    let _ = stream.read_to_end(&mut answers).await;
    let answers = String::from_utf8_lossy(&answers);
    assert_eq!(answers.lines().filter(|line| line.starts_with("+OK")).count(), 1, "{answers}");

    // One by one it is a handshake, and what was said in clear is forgotten.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"USER ada\r\nSTLS\r\n").await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"negotiation\r\n") {
        seen.push(stream.read_u8().await.unwrap());
    }
    assert!(String::from_utf8_lossy(&seen).contains("-ERR"), "USER has no place in clear");
    drop(stream);
    server.end().await;
}

#[tokio::test]
async fn bytes_after_stls_are_refused_by_the_client() {
    for answer in [&b"+OK go\r\n+OK\r\nSASL PLAIN\r\n.\r\n"[..], b"-ERR no\r\n", b"+OK go\r\n\x16"] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"+OK ready\r\n").await.unwrap();
            let mut heard = Vec::new();
            while !heard.ends_with(b"CAPA\r\n") {
                heard.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"+OK\r\nSTLS\r\nPIPELINING\r\n.\r\n").await.unwrap();
            while !heard.ends_with(b"STLS\r\n") {
                heard.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer).await.unwrap();
            let _ = stream.read_to_end(&mut heard).await;
            heard
        });
        let ca = TestCa::new().unwrap();
        let endpoint = Endpoint::tcp("127.0.0.1", address.port(), Security::required_starttls())
            .with_tls(ca.client_tls().unwrap());
        let error = Client::connect_with(endpoint, clear()).await.unwrap_err();
        assert!(
            matches!(
                error.violation(),
                Some(
                    mailwire_core::Error::BytesAfterUpgrade { .. }
                        | mailwire_core::Error::TlsUnavailable { .. }
                )
            ),
            "{error:?}"
        );
        assert_eq!(server.await.unwrap(), b"CAPA\r\nSTLS\r\n");
    }
}

#[tokio::test]
async fn a_server_without_stls_gets_no_credentials() {
    let server = Running::start(in_clear(Pop3Service::new(store(&[]))), CLEAR).await;
    let endpoint = Endpoint::tcp("127.0.0.1", server.address.port(), Security::required_starttls());
    let error = Client::connect_with(endpoint, clear()).await.unwrap_err();
    assert!(
        matches!(error, Error::Protocol { error: mailwire_core::Error::TlsUnavailable { .. }, .. }),
        "{error:?}"
    );
    server.end().await;
}

#[tokio::test]
async fn a_shutdown_tells_clients_and_deletes_nothing() {
    let store = store(&["x"]);
    let server = Running::start(Server::new(Pop3Service::new(store.clone())), Security::implicit_tls()).await;
    let mut client = server.client(ada()).await.unwrap();
    client.dele(1).await.unwrap();
    server.shutdown.cancel();
    let error = client.quit().await.unwrap_err();
    match &error.error {
        Error::Refused(refused) => assert_eq!(refused.code.as_ref().unwrap(), "SYS/TEMP"),
        Error::Io(_) | Error::Protocol { .. } => {}
        _ => panic!("{error:?}"),
    }
    assert!(!matches!(error.deletions, Deletions::Done(_)));
    server.end().await;
    assert_eq!(count(&store), 1);
}

#[tokio::test]
async fn a_shutdown_lets_a_message_end() {
    let (server, _) = huge(usize::MAX);
    let server = Running::start(server, CLEAR).await;
    let mut client = server.client(clear()).await.unwrap();
    let mut body = client.retr(1).await.unwrap();
    let mut length = body.chunk().await.unwrap().unwrap().len();
    server.shutdown.cancel();
    while let Some(chunk) = body.chunk().await.unwrap() {
        length += chunk.len();
    }
    assert_eq!(length, 20 << 20);
    assert!(client.noop().await.is_err());
    drop(client);
    server.end().await;
}

#[tokio::test]
async fn connections_are_limited() {
    let mut limits = ServerLimits::default();
    limits.connections = 1;
    let server = in_clear(Pop3Service::new(store(&[]))).with_server_limits(limits);
    let server = Running::start(server, CLEAR).await;
    let first = server.client(clear()).await.unwrap();
    let error = server.client(clear()).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    drop(first);
    server.end().await;
}

#[tokio::test]
async fn who_does_not_log_in_is_cut() {
    let mut limits = ServerLimits::default();
    limits.unauthenticated = Some(std::time::Duration::from_millis(20));
    let server =
        Running::start(Server::new(Pop3Service::new(store(&[]))).with_server_limits(limits), CLEAR).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    // Never silent, and never logged in.
    let talking = tokio::spawn(async move { while write.write_all(b"NOOP\r\n").await.is_ok() {} });
    let mut said = Vec::new();
    let _ = read.read_to_end(&mut said).await;
    talking.abort();
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("-ERR"), "{said}");
    server.end().await;
}

/// Everything that is traced, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0.lock().unwrap(), "{field}={value:?} ");
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut self.clone());
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn no_secret_is_shown_or_traced() {
    let log = Log::default();
    // For the other tests, too: what is traced is decided once for all threads.
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    tracing::callsite::rebuild_interest_cache();
    let secrets = ["tans", "dGFuc3RhYWY", "HRhbnN0YWFm", "0YW5zdGFhZ"];
    let mut shown = String::new();
    let server = in_clear(Pop3Service::new(store(&["x"])));
    write!(shown, "{server:?}").unwrap();
    let server = Running::start(server, CLEAR).await;
    for password in ["secret", "tanstaaf"] {
        for mechanism in [
            None,
            Some(LoginMechanism::UserPass),
            Some(LoginMechanism::Sasl(Mechanism::Plain)),
            Some(LoginMechanism::Sasl(Mechanism::Login)),
        ] {
            let mut config = clear();
            config.credentials = Credentials::password("ada", password);
            config.mechanism = mechanism;
            write!(shown, "{config:?}").unwrap();
            match server.client(config).await {
                Ok(client) => {
                    write!(shown, "{client:?}").unwrap();
                    client.quit().await.unwrap();
                }
                Err(error) => write!(shown, "{error:?} {error}").unwrap(),
            }
        }
    }
    // Out of step: a password where a command is due.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"tanstaaf\r\nPASS tanstaaf\r\nAUTH tanstaaf\r\nUSER\r\nQUIT\r\n").await.unwrap();
    stream.read_to_string(&mut shown).await.unwrap();
    server.end().await;
    shown.push_str(&log.0.lock().unwrap());
    assert!(shown.contains("logged in") && shown.contains("login refused"), "{shown}");
    for secret in secrets {
        assert!(!shown.contains(secret), "{shown}");
    }
}
