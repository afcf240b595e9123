//! COMPRESS and UNAUTHENTICATE: our client and our server.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::FutureExt as _;
use mailwire_core::Channel;
use mailwire_store::{ImapService, memory::MemoryStore};
use mailwire_transport::{
    Budget, Endpoint, Error, Security, Stream,
    imap::{
        Capability, Client, Config, FetchAtt, SearchKey, Server,
        proto::{
            client::State,
            command::List,
            types::{Section, Uid, UidSet},
        },
        server::{
            FetchOptions, FetchWriter, Mailbox, Refusal, SearchOptions, SelectOptions, Selected, Service,
            Session, Status, StatusOptions,
        },
    },
    sasl::{Credentials, Identity},
    server::{Listener, ServerLimits},
    testing::TestCa,
};
use tokio_util::sync::CancellationToken;

type ImapServer = Server<ImapService<MemoryStore>>;

fn server() -> ImapServer {
    let store = MemoryStore::new();
    for name in ["ada", "bob"] {
        let user = store.add_user(name, "secret").unwrap();
        user.deliver(format!("Subject: for {name}\r\n\r\n{}\r\n", "hello ".repeat(5000)).into()).unwrap();
    }
    Server::new(ImapService::new(store))
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.unwrap()
}

fn config(user: &str) -> Config {
    Config::login(Credentials::password(user, "secret"))
}

/// A client over a pipe that holds so many bytes.
async fn piped(server: &Server<impl Service>, size: usize) -> Client {
    let (ours, theirs) = tokio::io::duplex(size);
    let server = server.clone();
    tokio::spawn(async move { server.serve_stream(Stream::other(theirs), Channel::Tls).await });
    let endpoint = Endpoint::tcp("localhost", 143, Security::plaintext_without_encryption());
    let config = config("ada").with_allow_clear_credentials(true);
    soon(Client::over(Stream::other(ours), endpoint, config)).await.unwrap()
}

/// Reads the mail, and stores one.
async fn use_it(client: &mut Client, user: &str) {
    client.select("INBOX").await.unwrap();
    let mut body = client.fetch_body(Uid::MIN, Section::TEXT).await.unwrap().unwrap();
    let mut length = 0;
    while let Some(chunk) = body.chunk().await.unwrap() {
        length += chunk.len();
    }
    assert_eq!(length, 30_002);
    let message = format!("Subject: from {user}\r\n\r\n{}\r\n", "\u{e9}".repeat(40_000));
    client.append("INBOX", message).await.unwrap();
    let mut rows = client.uid_fetch(UidSet::all(), [FetchAtt::Envelope]).await.unwrap();
    let mut subjects = Vec::new();
    while let Some(row) = rows.next().await.unwrap() {
        subjects.push(row.subject().unwrap_or_default().to_string());
    }
    assert_eq!(subjects, [format!("for {user}"), format!("from {user}")]);
}

#[tokio::test]
async fn a_compressed_session_is_like_any_other() {
    for size in [3, 64 << 10] {
        let mut client = piped(&server(), size).await;
        assert!(client.has(&Capability::CompressDeflate) && !client.is_compressed());
        soon(client.compress()).await.unwrap();
        assert!(client.is_compressed());
        soon(use_it(&mut client, "ada")).await;
        assert!(matches!(soon(client.compress()).await, Err(Error::Misuse(_))));
        // What comes in the middle of it leaves at once, too.
        let mut idle = soon(client.idle()).await.unwrap();
        while idle.next().now_or_never().is_some() {}
        soon(idle.done()).await.unwrap();
        soon(client.logout()).await.unwrap();
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_within_compress_is_made_good() {
    let mut client = piped(&server(), 64 << 10).await;
    assert!(client.compress().now_or_never().is_none());
    soon(use_it(&mut client, "ada")).await;
    assert!(client.is_compressed());
}

/// The peer sees what was compressed encrypted, and a third of it.
#[tokio::test]
async fn compression_lies_above_tls() {
    let ca = TestCa::new().unwrap();
    let tls = ca.server_tls(&["localhost"]).unwrap();
    for security in [Security::implicit_tls(), Security::required_starttls()] {
        let listener = Listener::bind("127.0.0.1:0", security, Some(tls.clone())).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (server, shutdown) = (server(), CancellationToken::new());
        let token = shutdown.clone();
        let task = tokio::spawn(async move { server.serve(listener, token).await });
        let endpoint = Endpoint::tcp("localhost", port, security).with_tls(ca.client_tls().unwrap());
        let mut client = soon(Client::connect_with(endpoint, config("ada"))).await.unwrap();
        soon(client.compress()).await.unwrap();
        soon(use_it(&mut client, "ada")).await;
        assert!(client.is_encrypted() && client.is_compressed());
        soon(client.unauthenticate()).await.unwrap();
        assert!(client.is_encrypted() && !client.is_compressed());
        // The login binds to the same TLS.
        soon(client.log_in(&config("bob"))).await.unwrap();
        assert!(client.login().unwrap().mechanism.as_ref().unwrap().as_str().ends_with("-PLUS"));
        soon(client.compress()).await.unwrap();
        soon(use_it(&mut client, "bob")).await;
        soon(client.logout()).await.unwrap();
        shutdown.cancel();
        soon(task).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn one_connection_serves_one_user_after_the_other() {
    let mut client = piped(&server(), 64 << 10).await;
    for turn in 0..3 {
        let user = if turn % 2 == 0 { "ada" } else { "bob" };
        client.select("INBOX").await.unwrap();
        client.enable([Capability::Imap4Rev2]).await.unwrap();
        let found = client.uid_search([SearchKey::Subject("for".try_into().unwrap())]).await.unwrap();
        assert_eq!(found.len(), 1, "{user}");
        if turn == 1 {
            client.compress().await.unwrap();
        }
        client.unauthenticate().await.unwrap();
        assert_eq!((client.state(), client.exists()), (State::NotAuthenticated, None));
        assert!(client.updates().next().is_none() && client.login().is_none());
        assert!(matches!(client.select("INBOX").await, Err(Error::Misuse(_))));
        // A refusal is no end.
        let wrong = Config::login(Credentials::password("bob", "wrong")).with_allow_clear_credentials(true);
        assert!(client.log_in(&wrong).await.unwrap_err().is_authentication());
        let next = if turn % 2 == 0 { "bob" } else { "ada" };
        client.log_in(&config(next).with_allow_clear_credentials(true)).await.unwrap();
        assert!(client.log_in(&config(next)).await.is_err(), "logged in already");
    }
    client.logout().await.unwrap();
}

#[tokio::test]
async fn what_is_turned_off_is_neither_offered_nor_done() {
    let server = server().with_compression(false).with_unauthenticate(false);
    let mut client = piped(&server, 64 << 10).await;
    assert!(!client.has(&Capability::CompressDeflate) && !client.has(&Capability::Unauthenticate));
    assert!(matches!(client.compress().await, Err(Error::Misuse(_))));
    assert!(matches!(client.unauthenticate().await, Err(Error::Misuse(_))));
    assert!(client.has(&Capability::Idle));
}

/// Whoever has logged out has to log in again as soon as a new client has.
#[tokio::test(start_paused = true)]
async fn a_client_that_has_logged_out_does_not_stay_for_ever() {
    let mut limits = ServerLimits::default();
    limits.unauthenticated = Some(Duration::from_secs(50));
    let server = server().with_server_limits(limits);
    let mut client = piped(&server, 64 << 10).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    client.unauthenticate().await.unwrap();
    tokio::time::sleep(Duration::from_secs(40)).await;
    client.capability().await.unwrap();
    tokio::time::sleep(Duration::from_secs(15)).await;
    let error = client.capability().await.unwrap_err();
    assert!(error.to_string().contains("Nobody has logged in"), "{error}");
}

/// Notes which languages its sessions were told to speak; they do nothing else.
struct Speaking {
    users: MemoryStore,
    heard: Arc<Mutex<Vec<String>>>,
}
struct SpeakingSession(Arc<Mutex<Vec<String>>>);

impl Service for Speaking {
    type Session = SpeakingSession;
    type Authenticator = MemoryStore;

    fn authenticator(&self) -> &MemoryStore {
        &self.users
    }

    async fn open(&self, user: &Identity) -> Result<SpeakingSession, Refusal> {
        self.heard.lock().unwrap().push(user.acting_as.clone());
        Ok(SpeakingSession(Arc::clone(&self.heard)))
    }

    fn capabilities(&self) -> Vec<Capability> {
        vec![Capability::Language]
    }

    fn languages(&self) -> Vec<String> {
        vec!["de".into()]
    }
}

fn not_here<T>() -> Result<T, Refusal> {
    Err(Refusal::unavailable())
}

impl Session for SpeakingSession {
    fn speak(&mut self, language: &str) {
        self.0.lock().unwrap().push(language.to_owned());
    }

    async fn list(&mut self, _: &List) -> Result<Vec<Mailbox>, Refusal> {
        not_here()
    }

    async fn status(&mut self, _: &str, _: &StatusOptions) -> Result<Status, Refusal> {
        not_here()
    }

    async fn select(&mut self, _: &str, _: &SelectOptions) -> Result<Selected, Refusal> {
        not_here()
    }

    async fn fetch(&mut self, _: &[Uid], _: &FetchOptions, _: &mut FetchWriter<'_>) -> Result<(), Refusal> {
        not_here()
    }

    async fn search(&mut self, _: &SearchOptions, _: &mut Budget) -> Result<Vec<Uid>, Refusal> {
        not_here()
    }
}

/// RFC 8437 section 4.1: i-default again.
#[tokio::test]
async fn the_next_user_is_not_spoken_to_in_the_language_of_the_one_before() {
    let users = MemoryStore::new();
    for name in ["ada", "bob"] {
        users.add_user(name, "secret").unwrap();
    }
    let heard = Arc::default();
    let mut client = piped(&Server::new(Speaking { users, heard: Arc::clone(&heard) }), 64 << 10).await;
    client.choose_language(&["de"]).await.unwrap();
    client.unauthenticate().await.unwrap();
    client.log_in(&config("bob").with_allow_clear_credentials(true)).await.unwrap();
    assert_eq!(*heard.lock().unwrap(), ["ada", "de", "bob"]);
}
