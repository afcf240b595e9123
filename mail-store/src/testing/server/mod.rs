//! The server.

mod listening;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use mailwire_imap::types::Uid;
use mailwire_transport::{
    Endpoint, Protocol, Security,
    sasl::{Authenticator, Credentials},
    server::Listener,
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use self::listening::{Authority, Listening};
use super::{
    Config, Fault, Happened, ReceivedMessage, Tally, TooFew, faults::Script, log::Log, users::Users,
};
use crate::{
    BodyId, BodyReader as _, Delivery, Store,
    memory::{MemoryStore, Strangers, User},
};

/// A mail server for tests, as long as this value lives.
///
/// It runs in tasks of the runtime in which it was started. See the [module](super) for what it is good for. Its mail is in
/// memory, or in another store: [`start_over`](Self::start_over).
#[derive(Debug)]
pub struct MailServer<S = MemoryStore> {
    store: S,
    users: Vec<Credentials>,
    log: Arc<Log>,
    script: Arc<Script>,
    listening: Vec<Listening>,
    authority: Authority,
    stop: CancellationToken,
    running: JoinSet<()>,
}

/// A [`MailServer`] could not be started.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There cannot be such a user.
    #[error("user {name}: {error}")]
    User {
        /// The name.
        name: String,
        /// What is wrong with it, or with the password.
        error: crate::Error,
    },
    /// The user who is to get all other mail is none of the users.
    #[error("{0} is to get all other mail, and is no user")]
    CatchAll(String),
    /// It cannot listen at a place.
    #[error("cannot listen for {protocol} at {address}: {error}")]
    Listen {
        /// The protocol.
        protocol: Protocol,
        /// The host and port.
        address: String,
        /// The reason.
        #[source]
        error: mailwire_transport::Error,
    },
    /// There is no certificate.
    #[error("the server's certificate cannot be made: {0}")]
    Certificate(mailwire_transport::Error),
}

impl MailServer {
    /// Starts a server of all protocols on free ports of this machine, for everybody.
    ///
    /// # Errors
    ///
    /// The system gives no port or no randomness.
    pub async fn start() -> Result<Self, StartError> {
        Self::start_with(Config::new()).await
    }

    /// Starts a server.
    ///
    /// # Errors
    ///
    /// A user's name or password cannot be one, a place cannot be listened at, or there is no certificate.
    pub async fn start_with(config: Config) -> Result<Self, StartError> {
        let (mut server, users) = Self::prepare(&config)?;
        let observe = server.observer();
        for (protocol, listener, clear) in server.bind(&config).await? {
            server.attend(&config, &users, &observe, protocol, listener, clear);
        }
        Ok(server)
    }

    /// Starts a server at listeners of the caller's, with certificates of their own: sockets that are open already, Unix
    /// sockets, clients after a proxy; nobody logs in there without TLS. What the configuration says of [where to listen](Config::listeners) and of
    /// [a certificate](Config::tls) does not count, and an [endpoint](Self::endpoint) has the system's trust.
    ///
    /// # Errors
    ///
    /// A user's name or password cannot be one.
    pub async fn start_on(
        config: Config,
        listeners: impl IntoIterator<Item = (Protocol, Listener)>,
    ) -> Result<Self, StartError> {
        let (mut server, users) = Self::prepare(&config)?;
        let observe = server.observer();
        for (protocol, listener) in listeners {
            server.attend(&config, &users, &observe, protocol, listener, false);
        }
        Ok(server)
    }

    /// A server that listens nowhere.
    fn prepare(config: &Config) -> Result<(Self, Users), StartError> {
        let anybody = config.users.is_empty();
        let strangers = match &config.catch_all {
            Some(user) => {
                if !config.users.iter().any(|(name, _)| name == user) {
                    return Err(StartError::CatchAll(user.clone()));
                }
                Strangers::Are(user.clone())
            }
            None if anybody => Strangers::Welcome,
            None => Strangers::Unknown,
        };
        let store = MemoryStore::with_config(config.store.clone()).with_strangers(strangers);
        for (name, password) in &config.users {
            let added = store.add_user(name, password.clone());
            added.map_err(|error| StartError::User { name: name.clone(), error })?;
        }
        Ok((Self::new(config, store.clone()), Users { store, anybody }))
    }

    /// Keeps what comes, at once.
    fn observer(&self) -> Observe {
        let (store, log) = (self.store.clone(), Arc::clone(&self.log));
        Arc::new(move |protocol, delivery| {
            let begin = usize::try_from(delivery.added).unwrap_or(usize::MAX);
            let Some(mut raw) = store.raw(delivery.body) else { return };
            let raw = raw.split_off(begin.min(raw.len()));
            log.add(received(protocol, delivery, raw));
        })
    }

    /// Forgets the messages that came and the faults that have happened, and empties all mailboxes. Faults that are to come
    /// stay.
    pub fn clear(&self) {
        self.store.users().iter().for_each(User::clear);
        self.log.clear();
        self.script.forget();
    }

    /// A user's mailboxes, to put messages there and to look into them. Where everybody is a user, this makes one.
    ///
    /// # Errors
    ///
    /// There is no such user.
    pub fn user(&self, name: &str) -> crate::Result<User> {
        self.store.user_or_stranger(name)
    }

    /// Puts a message into a user's INBOX. It is not among those that [came](Self::messages).
    ///
    /// # Errors
    ///
    /// There is no such user, or no room.
    pub fn deliver(&self, user: &str, message: impl Into<Bytes>) -> crate::Result<Uid> {
        self.user(user)?.deliver(message.into())
    }
}

/// Is told of each message that was taken.
type Observe = Arc<dyn Fn(Protocol, &Delivery<'_>) + Send + Sync>;

fn received(protocol: Protocol, delivery: &Delivery<'_>, raw: Bytes) -> ReceivedMessage {
    let (client, transaction) = (delivery.client.clone(), delivery.transaction.clone());
    ReceivedMessage { number: 0, protocol, at: SystemTime::now(), client, transaction, raw }
}

impl<S: Store + Authenticator> MailServer<S> {
    /// Starts a server over a store: one whose mail survives it, or one of your own. Who has a mailbox there, and may log in,
    /// is the store's affair; those whom [the configuration](Config::with_user) names are not added. The messages that come
    /// are read from the store, in their turn: [`wait_for`](Self::wait_for) them.
    ///
    /// # Errors
    ///
    /// A place cannot be listened at, or there is no certificate.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[cfg(feature = "sqlite")]
    /// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
    /// use mailwire_store::{sqlite, testing::{Config, MailServer}};
    ///
    /// let store = sqlite::SqliteStore::open("test.db", sqlite::Config::new())?;
    /// store.add_user("ada", "secret").await?;
    /// let server = MailServer::start_over(store, Config::new()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start_over(store: S, config: Config) -> Result<Self, StartError> {
        let mut server = Self::new(&config, store);
        let (tell, mut told) = mpsc::unbounded_channel();
        let observe: Observe = Arc::new(move |protocol, delivery| {
            // At the end there is nobody who keeps them.
            let _ = tell.send((delivery.body, delivery.added, received(protocol, delivery, Bytes::new())));
        });
        for (protocol, listener, clear) in server.bind(&config).await? {
            let users = server.store.clone();
            server.attend(&config, &users, &observe, protocol, listener, clear);
        }
        let (store, log) = (server.store.clone(), Arc::clone(&server.log));
        server.running.spawn(async move {
            while let Some((body, added, mut message)) = told.recv().await {
                match raw(&store, body, added).await {
                    Ok(raw) => message.raw = raw,
                    Err(error) => {
                        tracing::debug!(%error, "a message cannot be read any more");
                        continue;
                    }
                }
                log.add(message);
            }
        });
        Ok(server)
    }
}

/// A message as it came.
async fn raw<S: Store>(store: &S, body: BodyId, added: u64) -> crate::Result<Bytes> {
    let mut reader = store.read(body, added..u64::MAX).await?;
    let mut raw = BytesMut::new();
    while let Some(piece) = reader.chunk().await? {
        raw.extend_from_slice(&piece);
    }
    Ok(raw.freeze())
}

impl<S: Store> MailServer<S> {
    fn new(config: &Config, store: S) -> Self {
        let credentials =
            |(name, password): &(String, _)| Credentials::password(name, Clone::clone(password));
        Self {
            users: config.users.iter().map(credentials).collect(),
            log: Arc::new(Log::new(config.kept)),
            script: Arc::new(Script::new(config.faults.clone(), config.seed)),
            listening: Vec::new(),
            authority: Authority { pem: None, client_tls: None },
            stop: CancellationToken::new(),
            running: JoinSet::new(),
            store,
        }
    }
}

impl<S> MailServer<S> {
    /// A server's endpoint, for a client of that protocol: IMAP, POP3 and submission within TLS, SMTP and LMTP with
    /// STARTTLS. It trusts this server's authority alone.
    ///
    /// # Panics
    ///
    /// The [configuration](Config::listeners) has the server not listen for this.
    #[must_use]
    #[track_caller]
    pub fn endpoint(&self, protocol: Protocol) -> Endpoint {
        let mut securities = [
            Security::implicit_tls(),
            Security::required_starttls(),
            Security::plaintext_without_encryption(),
        ];
        if matches!(protocol, Protocol::Smtp | Protocol::Lmtp) {
            securities.swap(0, 1);
        }
        let first = securities.into_iter().find(|security| self.find(protocol, *security).is_some());
        self.endpoint_with(protocol, first.unwrap_or(Security::implicit_tls()))
    }

    /// A server's endpoint with this protection.
    ///
    /// # Panics
    ///
    /// The [configuration](Config::listeners) has the server not listen for this.
    #[must_use]
    #[track_caller]
    pub fn endpoint_with(&self, protocol: Protocol, security: Security) -> Endpoint {
        let address = self.address(protocol, security);
        let endpoint = Endpoint::tcp(address.ip().to_string(), address.port(), security);
        match &self.authority.client_tls {
            Some(tls) => endpoint.with_tls(tls.clone()),
            None => endpoint,
        }
    }

    /// Where the server listens for a protocol with this protection.
    ///
    /// # Panics
    ///
    /// The [configuration](Config::listeners) has the server not listen for this.
    #[must_use]
    #[track_caller]
    #[allow(clippy::panic, reason = "a test is better off with the reason than with an endpoint of nothing")]
    pub fn address(&self, protocol: Protocol, security: Security) -> SocketAddr {
        let Some(listening) = self.find(protocol, security) else {
            panic!("the server was started without a listener for {protocol} with {security}");
        };
        listening.address
    }

    /// All places where the server listens, in the order of the configuration.
    pub fn addresses(&self) -> impl Iterator<Item = (Protocol, Security, SocketAddr)> + '_ {
        self.listening.iter().map(|place| (place.protocol, place.security, place.address))
    }

    fn find(&self, protocol: Protocol, security: Security) -> Option<&Listening> {
        let fits = |place: &&Listening| place.security == security || (place.clear && !security.is_tls());
        self.listening.iter().filter(|place| place.protocol == protocol).find(fits)
    }

    /// The certificate of the authority that vouches for this server, in PEM: for programs that are no clients of
    /// ours. `None` where the configuration has a certificate.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.authority.pem.as_deref()
    }

    /// What lets the first user in; where everybody is one, `user@localhost`.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        let anybody = || Credentials::password("user@localhost", "password");
        self.users.first().cloned().unwrap_or_else(anybody)
    }

    /// The messages that came since the start, or since [`clear`](Self::clear), in the order in which they were taken.
    #[must_use]
    pub fn messages(&self) -> Vec<ReceivedMessage> {
        self.log.messages()
    }

    /// Waits until so many messages have come since the start, or since [`clear`](Self::clear), and gives all of them.
    /// It returns at the moment when the last is stored, and asks for nothing meanwhile.
    ///
    /// # Errors
    ///
    /// They did not come in time.
    pub async fn wait_for(&self, count: usize, within: Duration) -> Result<Vec<ReceivedMessage>, TooFew> {
        self.log.wait_for(count, within).await
    }

    /// The message of this [number](ReceivedMessage::number), if it has come and is still kept.
    #[must_use]
    pub fn message(&self, number: u64) -> Option<ReceivedMessage> {
        self.log.message(number)
    }

    /// The last messages that came, or the last before that of the number `before`: the newest first, and no more than
    /// `most` of them. So all can be looked at piece by piece, while others come.
    #[must_use]
    pub fn latest(&self, before: Option<u64>, most: usize) -> Vec<ReceivedMessage> {
        self.log.latest(before, most)
    }

    /// How many messages came, and what is left of them.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.log.tally()
    }

    /// Waits until the tally is another than `since`, and gives it. It does not end by itself where nothing comes.
    pub async fn changed(&self, since: Tally) -> Tally {
        self.log.changed(since).await
    }

    /// Forgets the message of this [number](ReceivedMessage::number): whether it was there. What is in mailboxes stays there.
    pub fn forget(&self, number: u64) -> bool {
        self.log.forget(number)
    }

    /// Forgets all messages that came. What is in mailboxes stays there: [`clear`](Self::clear) empties them, too.
    pub fn forget_all(&self) {
        self.log.clear();
    }

    /// Has something go wrong, over all connections that are there or come, unless the configuration says that [nothing
    /// can](Config::injectable).
    pub fn inject(&self, fault: Fault) {
        self.script.add(fault);
    }

    /// Cuts all connections that there are at this moment, those too that wait for something, as a lost network does: what
    /// reconnects has to come back. Others are taken. It does nothing where the configuration says that nothing
    /// [can go wrong](Config::injectable).
    pub fn cut_connections(&self) {
        self.script.cut();
    }

    /// Has nothing go wrong any more.
    pub fn mend(&self) {
        self.script.disarm();
    }

    /// The faults that have happened since the start, or since [`clear`](Self::clear), in their order; the last 100,000
    /// of them.
    #[must_use]
    pub fn faults(&self) -> Vec<Happened> {
        self.script.happened()
    }

    /// The store that holds the users of this server and their mail.
    #[must_use]
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Tells the clients that the server ends (421, BYE), gives them [the grace](mailwire_transport::server::ServerLimits::grace)
    /// to end what they do, and returns when all connections are over. Dropping the server cuts them at once.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        while self.running.join_next().await.is_some() {}
    }
}
