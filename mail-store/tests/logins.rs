//! Ways to log in, by our clients at our servers in SMTP, IMAP and POP3: every mechanism, mechanisms of the
//! application's own, and credentials that are asked for each time.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use mailwire_core::{Channel, Secret};
use mailwire_store::{ImapService, Pop3Service, SmtpService, memory::MemoryStore};
use mailwire_transport::{
    Endpoint, Error, Login, OAuthError, Result, Security, Stream,
    imap::{self, proto::sync::SyncOptions},
    pop3,
    sasl::{
        Authenticator, Claim, Credentials, Custom, CustomClient, CustomServer, CustomStep, LoginContext,
        Mechanism, NoCredentials, SPOKEN, SaslContext, SaslError, StoredPassword, Unavailable,
    },
    smtp,
};
use tokio::task::JoinHandle;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Smtp,
    Imap,
    Pop3,
}

use Protocol::{Imap, Pop3, Smtp};

const ALL: [Protocol; 3] = [Smtp, Imap, Pop3];

/// Knows Ada by her password `secret`, by the token `fresh`, and by the mechanisms below.
#[derive(Clone)]
struct Users {
    store: MemoryStore,
    mechanisms: Vec<Mechanism>,
    /// What is said of other tokens.
    error: OAuthError,
    /// The tokens that were shown.
    shown: Arc<Mutex<Vec<String>>>,
}

impl Users {
    fn new(mechanisms: impl IntoIterator<Item = Mechanism>) -> Self {
        let store = MemoryStore::new();
        store.add_user("ada", "secret").unwrap();
        let (mechanisms, shown) = (mechanisms.into_iter().collect(), Arc::default());
        Self { store, mechanisms, error: OAuthError::invalid_token(), shown }
    }

    fn shown(&self) -> Vec<String> {
        self.shown.lock().unwrap().clone()
    }
}

impl Authenticator for Users {
    fn mechanisms(&self) -> &[Mechanism] {
        &self.mechanisms
    }

    async fn lookup(&self, user: &str, login: &LoginContext) -> Result<Option<StoredPassword>, Unavailable> {
        self.store.lookup(user, login).await
    }

    async fn shared_secret(&self, user: &str, _: &LoginContext) -> Result<Option<Secret>, Unavailable> {
        Ok((user == "ada").then(|| "secret".into()))
    }

    async fn check_token(
        &self,
        _: Option<&str>,
        token: &Secret,
        _: &LoginContext,
    ) -> Result<Result<String, OAuthError>, Unavailable> {
        let token = String::from_utf8(token.expose().to_vec()).unwrap();
        self.shown.lock().unwrap().push(token.clone());
        Ok(if token == "fresh" { Ok("ada".into()) } else { Err(self.error.clone()) })
    }

    async fn anonymous(&self, _: &str, _: &LoginContext) -> Result<Option<String>, Unavailable> {
        Ok(Some("ada".into()))
    }

    async fn may_act_as(&self, user: &str, other: &str, _: &LoginContext) -> Result<bool, Unavailable> {
        Ok(user == "ada" && other == "ada@example.org")
    }

    fn custom(&self, mechanism: &Mechanism) -> Option<Box<dyn CustomServer>> {
        match mechanism.as_str() {
            "X-MIRROR" | "X-MIRROR-PLUS" => Some(Box::new(MirrorServer { word: None })),
            "X-GREET" => Some(Box::new(GreetServer)),
            _ => None,
        }
    }
}

/// A client that is logged in.
enum Client {
    Smtp(Box<smtp::Client>),
    Imap(Box<imap::Client>),
    Pop3(Box<pop3::Client>),
}

impl Client {
    fn login(&self) -> Login {
        let login = match self {
            Self::Smtp(client) => client.login(),
            Self::Imap(client) => client.login(),
            Self::Pop3(client) => client.login(),
        };
        login.unwrap().clone()
    }

    async fn works(&mut self) -> Result<()> {
        match self {
            Self::Smtp(client) => client.noop().await,
            Self::Imap(client) => client.select("INBOX").await.map(drop),
            Self::Pop3(client) => client.stat().await.map(drop),
        }
    }
}

/// A server at the other end of a pipe.
fn served(protocol: Protocol, users: &Users) -> (Stream, JoinHandle<Result<()>>) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (stream, users) = (Stream::other(theirs), users.clone());
    let store = users.store.clone();
    let task = tokio::spawn(async move {
        // Credentials may be shown where the client shows them.
        match protocol {
            Smtp => {
                let service = SmtpService::with_authenticator(store, users);
                let server = smtp::Server::new(service, "mx.example".try_into()?);
                server.allow_clear_credentials().serve_stream(stream, Channel::Clear).await
            }
            Imap => {
                let server = imap::Server::new(ImapService::with_authenticator(store, users));
                server.allow_clear_credentials().serve_stream(stream, Channel::Clear).await
            }
            Pop3 => {
                let server = pop3::Server::new(Pop3Service::with_authenticator(store, users));
                server.allow_clear_credentials().serve_stream(stream, Channel::Clear).await
            }
        }
    });
    (Stream::other(ours), task)
}

/// How a client logs in.
#[derive(Clone)]
struct How {
    credentials: Credentials,
    mechanism: Option<Mechanism>,
    shows: bool,
}

impl How {
    fn by(credentials: Credentials) -> Self {
        Self { credentials, mechanism: None, shows: true }
    }
}

async fn over(stream: Stream, protocol: Protocol, how: How) -> Result<Client> {
    let endpoint = Endpoint::tcp("mail.example.org", 1, Security::plaintext_without_encryption());
    Ok(match protocol {
        Smtp => {
            let mut config = smtp::Config::login(how.credentials).with_allow_clear_credentials(how.shows);
            config.mechanism = how.mechanism;
            Client::Smtp(Box::new(smtp::Client::over(stream, endpoint, config).await?))
        }
        Imap => {
            let mut config = imap::Config::login(how.credentials).with_allow_clear_credentials(how.shows);
            config.mechanism = how.mechanism.map(imap::LoginMechanism::Sasl);
            Client::Imap(Box::new(imap::Client::over(stream, endpoint, config).await?))
        }
        Pop3 => {
            let mut config = pop3::Config::login(how.credentials).with_allow_clear_credentials(how.shows);
            config.mechanism = how.mechanism.map(pop3::LoginMechanism::Sasl);
            Client::Pop3(Box::new(pop3::Client::over(stream, endpoint, config).await?))
        }
    })
}

async fn log_in(protocol: Protocol, users: &Users, how: How) -> Result<Client> {
    let (stream, _) = served(protocol, users);
    tokio::time::timeout(Duration::from_secs(60), over(stream, protocol, how)).await.unwrap()
}

#[tokio::test]
async fn every_mechanism_in_every_protocol() {
    let users = Users::new(SPOKEN);
    for protocol in ALL {
        for mechanism in SPOKEN {
            let credentials = |good: bool| match mechanism {
                Mechanism::OAuthBearer | Mechanism::XOAuth2 => {
                    Credentials::token("ada", if good { "fresh" } else { "stale" })
                }
                Mechanism::Anonymous => Credentials::anonymous("ada@example.org"),
                _ => Credentials::password("ada", if good { "secret" } else { "wrong" }),
            };
            if mechanism == Mechanism::External || mechanism.binds_channel() {
                continue;
            }
            let how = |good| How { mechanism: Some(mechanism.clone()), ..How::by(credentials(good)) };
            let mut client = log_in(protocol, &users, how(true)).await.unwrap();
            assert_eq!(client.login().mechanism, Some(mechanism.clone()), "{protocol:?}");
            client.works().await.unwrap();
            if mechanism != Mechanism::Anonymous {
                let error = log_in(protocol, &users, how(false)).await.map(drop).unwrap_err();
                assert!(error.is_authentication(), "{protocol:?} {mechanism}: {error:?}");
            }
        }
        // By itself it is the best, and in clear one that hides the password.
        let how = How { shows: false, ..How::by(Credentials::password("ada", "secret")) };
        let client = log_in(protocol, &users, how.clone()).await.unwrap();
        assert_eq!(client.login().mechanism, Some(Mechanism::ScramSha512));
        let old = Users::new([Mechanism::CramMd5, Mechanism::Plain]);
        let client = log_in(protocol, &old, how).await.unwrap();
        assert_eq!(client.login().mechanism, Some(Mechanism::CramMd5));
    }
}

/// Both sides of a mechanism in which the server speaks first.
struct MirrorClient {
    key: &'static str,
    answered: bool,
}

fn mirrored(word: &[u8], key: &str) -> Secret {
    let bytes: Vec<u8> = word.iter().chain(key.as_bytes()).rev().copied().collect();
    [&b"ada "[..], &bytes].concat().into()
}

impl CustomClient for MirrorClient {
    fn step(&mut self, challenge: &Secret) -> Result<Secret, SaslError> {
        if self.answered || challenge.is_empty() {
            return Err(SaslError::Custom("no word".into()));
        }
        self.answered = true;
        Ok(mirrored(challenge.expose(), self.key))
    }

    fn is_done(&self) -> bool {
        self.answered
    }
}

struct MirrorServer {
    word: Option<Secret>,
}

type Stepping<'a> = Pin<Box<dyn Future<Output = Result<CustomStep, Unavailable>> + Send + 'a>>;

impl CustomServer for MirrorServer {
    fn step<'a>(&'a mut self, response: Option<&'a Secret>, claim: &'a mut Claim) -> Stepping<'a> {
        Box::pin(async move {
            let (Some(response), Some(word)) = (response, &self.word) else {
                self.word = Some("a word".into());
                return Ok(CustomStep::Challenge("a word".into()));
            };
            let user = claim.user("ada").await?;
            if *response == mirrored(word.expose(), "key") {
                Ok(CustomStep::success(user))
            } else {
                Ok(CustomStep::Failed)
            }
        })
    }
}

/// Both sides of a mechanism in which the client speaks first, and the server has the last word.
#[derive(Default)]
struct GreetClient {
    greeted: bool,
}

impl CustomClient for GreetClient {
    fn initial(&mut self) -> Result<Option<Secret>, SaslError> {
        Ok(Some("hello, I am ada, as ada@example.org".into()))
    }

    fn step(&mut self, challenge: &Secret) -> Result<Secret, SaslError> {
        self.greeted = challenge.expose() == b"welcome";
        if self.greeted { Ok(Secret::default()) } else { Err(SaslError::Custom("not welcome".into())) }
    }

    fn is_done(&self) -> bool {
        self.greeted
    }
}

struct GreetServer;

impl CustomServer for GreetServer {
    fn step<'a>(&'a mut self, response: Option<&'a Secret>, claim: &'a mut Claim) -> Stepping<'a> {
        Box::pin(async move {
            let Some(response) = response else { return Ok(CustomStep::Challenge(Secret::default())) };
            let user = claim.user("ada").await?;
            assert!(response.expose().starts_with(b"hello") && !claim.context().is_protected());
            let (acting_as, data) = (Some("ada@example.org".into()), Some("welcome".into()));
            Ok(CustomStep::Success { user, acting_as, data })
        })
    }
}

fn named(name: &str) -> Mechanism {
    Mechanism::new(name.to_owned()).unwrap()
}

fn mirror(name: Mechanism, key: &'static str) -> Custom {
    Custom::new(name, move |context| {
        assert_eq!(context.host(), Some("mail.example.org"));
        assert!(["smtp", "imap", "pop"].contains(&context.service().unwrap()));
        Ok(MirrorClient { key, answered: false })
    })
}

#[tokio::test]
async fn mechanisms_of_ones_own() {
    for protocol in ALL {
        let users = Users::new([named("X-MIRROR"), named("X-GREET"), Mechanism::Plain]);
        for custom in
            [mirror(named("X-MIRROR"), "key"), Custom::new(named("X-GREET"), |_| Ok(GreetClient::default()))]
        {
            let credentials = Credentials::custom(custom.clone());
            let mut client = log_in(protocol, &users, How::by(credentials)).await.unwrap();
            assert_eq!(client.login().mechanism.as_ref(), Some(custom.mechanism()), "{protocol:?}");
            client.works().await.unwrap();
        }
        // They come first, in their order; and where no server knows of them, there is a password.
        let credentials = Credentials::password("ada", "secret")
            .with_custom(mirror(named("X-NOBODY"), "key"))
            .with_custom(mirror(named("X-MIRROR"), "key"));
        let client = log_in(protocol, &users, How::by(credentials.clone())).await.unwrap();
        assert_eq!(client.login().mechanism, Some(named("X-MIRROR")));
        let plain = Users::new([Mechanism::Plain]);
        let client = log_in(protocol, &plain, How::by(credentials)).await.unwrap();
        assert_eq!(client.login().mechanism, Some(Mechanism::Plain));

        let wrong = Credentials::custom(mirror(named("X-MIRROR"), "wrong"));
        let error = log_in(protocol, &users, How::by(wrong)).await.map(drop).unwrap_err();
        assert!(error.is_authentication(), "{error:?}");
        // One that does not go on cancels.
        let broken = Custom::new(named("X-MIRROR"), |_| Ok(GreetClient { greeted: false }));
        let error = log_in(protocol, &users, How::by(Credentials::custom(broken))).await.map(drop);
        assert!(error.is_err());
    }
}

#[tokio::test]
async fn mechanisms_of_ones_own_in_clear() {
    for protocol in ALL {
        // What is not known by name counts as showing its secret, unless both sides say that it does not.
        for hides in [false, true] {
            let name = if hides { named("X-MIRROR").hiding_secret() } else { named("X-MIRROR") };
            let users = Users::new([name.clone()]);
            let credentials = Credentials::custom(mirror(name, "key"));
            let how = How { shows: false, ..How::by(credentials.clone()) };
            match log_in(protocol, &users, how).await.map(|client| client.login().mechanism) {
                Ok(mechanism) => assert!(hides && mechanism == Some(named("X-MIRROR")), "{protocol:?}"),
                Err(Error::Sasl(SaslError::CredentialsInClear)) => assert!(!hides, "{protocol:?}"),
                Err(error) => panic!("{protocol:?}: {error:?}"),
            }
        }
        // Needs that the channel does not meet.
        let users = Users::new([named("X-MIRROR"), named("X-MIRROR-PLUS")]);
        for custom in [
            mirror(named("X-MIRROR"), "key").with_needed_protection(),
            mirror(named("X-MIRROR"), "key").with_needed_binding(),
            mirror(named("X-MIRROR-PLUS"), "key"),
        ] {
            let error = log_in(protocol, &users, How::by(Credentials::custom(custom.clone()))).await;
            assert!(matches!(error.map(drop), Err(Error::Sasl(SaslError::NoMechanism { .. }))));
            let how =
                How { mechanism: Some(custom.mechanism().clone()), ..How::by(Credentials::custom(custom)) };
            let error = log_in(protocol, &users, how).await.map(drop);
            assert!(matches!(error, Err(Error::Sasl(SaslError::NotAvailable(_)))), "{error:?}");
        }
    }
}

/// What a provider was asked: the service, and what the server said of the token before.
type Asked = Arc<Mutex<Vec<(&'static str, Option<OAuthError>)>>>;

/// A provider that gives these tokens, one after the other and the last again and again, and notes what it is
/// asked.
fn provided(tokens: &'static [&'static str]) -> (Credentials, Asked) {
    let asked: Arc<Mutex<Vec<_>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let credentials = Credentials::provided(move |request| {
        let mut seen = seen.lock().unwrap();
        let token = tokens.get(seen.len()).or(tokens.last()).copied();
        assert_eq!(request.host, "mail.example.org");
        seen.push((
            request.service,
            request.refused.and_then(|refused| refused.oauth.map(|oauth| (*oauth).clone())),
        ));
        async move { token.map(|token| Credentials::token("ada", token)).ok_or(NoCredentials::for_now("off")) }
    });
    (credentials, asked)
}

#[tokio::test]
async fn a_stale_token_is_renewed_once() {
    for protocol in ALL {
        let service = ["smtp", "imap", "pop"].into_iter().zip(ALL).find(|(_, it)| *it == protocol).unwrap().0;
        for mechanism in [Mechanism::OAuthBearer, Mechanism::XOAuth2] {
            let users = Users::new([mechanism.clone()]);
            let (credentials, asked) = provided(&["stale", "fresh"]);
            let mut client = log_in(protocol, &users, How::by(credentials)).await.unwrap();
            client.works().await.unwrap();
            assert_eq!(client.login().mechanism, Some(mechanism.clone()));
            assert_eq!(users.shown(), ["stale", "fresh"]);
            let asked = asked.lock().unwrap().clone();
            let status = if mechanism == Mechanism::XOAuth2 { "401" } else { "invalid_token" };
            assert_eq!(asked[0], (service, None), "{protocol:?}");
            assert_eq!(asked[1].1.as_ref().unwrap().status, Some(status.into()));

            // A second one that is stale, too, is the end.
            let users = Users::new([mechanism.clone()]);
            let (credentials, _) = provided(&["stale", "older"]);
            let error = log_in(protocol, &users, How::by(credentials)).await.map(drop).unwrap_err();
            assert!(error.is_authentication() && error.oauth().unwrap().is_invalid_token(), "{error:?}");
            assert_eq!(users.shown(), ["stale", "older"], "{protocol:?}");

            // The same one again is not tried again.
            let users = Users::new([mechanism]);
            let (credentials, asked) = provided(&["stale"]);
            log_in(protocol, &users, How::by(credentials)).await.map(drop).unwrap_err();
            assert_eq!((users.shown().len(), asked.lock().unwrap().len()), (1, 2), "{protocol:?}");
        }
    }
}

#[tokio::test]
async fn what_a_fresh_token_does_not_mend_is_told() {
    for protocol in ALL {
        let mut users = Users::new([Mechanism::OAuthBearer]);
        users.error = OAuthError::new("insufficient_scope").with_scope("mail");
        let (credentials, asked) = provided(&["stale", "fresh"]);
        let error = log_in(protocol, &users, How::by(credentials)).await.map(drop).unwrap_err();
        assert_eq!(error.oauth(), Some(&users.error), "{protocol:?}");
        assert_eq!(asked.lock().unwrap().len(), 1);
        // Tokens that were given are not asked for.
        let users = Users::new([Mechanism::OAuthBearer]);
        let given = How::by(Credentials::token("ada", "stale"));
        let error = log_in(protocol, &users, given).await.map(drop).unwrap_err();
        assert!(error.is_authentication() && users.shown().len() == 1);
        // Nobody has any.
        let (credentials, _) = provided(&[]);
        let error = log_in(protocol, &users, How::by(credentials)).await.map(drop).unwrap_err();
        assert!(error.is_transient() && !error.is_authentication(), "{error:?}");
        // Nor who has.
        let circle = Credentials::provided(|_| async { Ok(provided(&[]).0) });
        let error = log_in(protocol, &users, How::by(circle)).await.map(drop).unwrap_err();
        assert!(matches!(error, Error::Sasl(SaslError::InvalidCredentials(_))), "{error:?}");
    }
}

/// A watcher asks at each connection; while nobody answers it goes on trying.
#[tokio::test(start_paused = true)]
async fn a_watcher_asks_for_each_connection() {
    let users = Users::new([Mechanism::OAuthBearer]);
    let asked = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&asked);
    let credentials = Credentials::provided(move |_| {
        let mut asked = counted.lock().unwrap();
        *asked += 1;
        let answer = match *asked {
            2 => Err(NoCredentials::for_now("the token server does not answer")),
            _ => Ok(Credentials::token("ada", "fresh")),
        };
        async move { answer }
    });
    let servers: Arc<Mutex<Vec<JoinHandle<Result<()>>>>> = Arc::default();
    let running = Arc::clone(&servers);
    let connect = move || {
        let (stream, task) = served(Imap, &users);
        running.lock().unwrap().push(task);
        let how = How::by(credentials.clone());
        async move {
            match over(stream, Imap, how).await? {
                Client::Imap(client) => Ok(*client),
                _ => unreachable!("it is IMAP"),
            }
        }
    };
    let inbox = SyncOptions::new(imap::MailboxName::INBOX);
    let mut watch = imap::Watch::new(connect, Default::default(), [], inbox);
    let mut in_step = 0;
    let mut lost = Vec::new();
    while in_step < 3 {
        match watch.next().await.unwrap() {
            imap::WatchEvent::InStep => {
                in_step += 1;
                servers.lock().unwrap().last().unwrap().abort();
            }
            imap::WatchEvent::Lost { error, .. } => lost.push(error),
            _ => {}
        }
    }
    assert_eq!((*asked.lock().unwrap(), lost.len()), (4, 3), "{lost:?}");
    assert!(matches!(lost[1], Error::Sasl(SaslError::NoCredentials(_))), "{lost:?}");
}

#[test]
fn what_is_of_ones_own_is_one_with_its_copies() {
    let custom = mirror(named("X-MIRROR"), "key");
    assert_eq!(custom, custom.clone());
    assert_ne!(custom, mirror(named("X-MIRROR"), "key"));
    let (credentials, _) = provided(&["secret-token"]);
    assert_eq!(credentials, credentials.clone());
    assert!(credentials.is_provided() && credentials.user().is_none() && credentials.mechanisms().is_empty());
    assert!(!format!("{credentials:?} {custom:?}").contains("key"));
    let context = SaslContext::clear();
    assert!(context.bindings().is_empty() && context.host().is_none());
}
