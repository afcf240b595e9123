//! Connections that are kept and used again: [`smtp::Mailer`](crate::smtp::Mailer) and [`imap::Pool`](crate::imap::Pool) are made of
//! this.
//!
//! A [`Pool`] keeps the connections of any number of accounts: a server, how it is reached and proves who it is, and who logs
//! in there. A connection is given to nobody but its own account. [`PoolOptions`] bound how many there are, how many calls wait
//! for one and for how long, how often and how long each is used, how long it is kept unused, and how fast all goes.
//!
//! ```no_run
//! use std::time::Duration;
//! use mailwire_transport::{Endpoint, Protocol, Security, imap, pool::PoolOptions, sasl::Credentials};
//!
//! # async fn run() -> mailwire_transport::Result<()> {
//! let server = Endpoint::new("imap.example.org", Protocol::Imap, Security::implicit_tls());
//! let ada = imap::Config::login(Credentials::password("ada", "secret"));
//! let pool = imap::Pool::with_options(server.clone(), ada, PoolOptions::new().with_connections(50));
//! let mut client = pool.get().await?;
//! client.status("INBOX", [imap::StatusAtt::Unseen]).await?;
//! drop(client); // Goes back.
//!
//! // Somebody else, within the same bounds.
//! let bob = pool.for_account(server, imap::Config::login(Credentials::password("bob", "geheim")));
//! let (mut client, inbox) = bob.select("INBOX", None).await?;
//! # let _ = (client, inbox);
//! pool.close(Duration::from_secs(10)).await;
//! # Ok(())
//! # }
//! ```
//!
//! # How a connection is known to be alive
//!
//! A server that has closed a connection, or said that it will, is noticed without asking it: what it sent is there to be
//! read before the connection is used again. Only after a connection was unused [for a while](PoolOptions::ask_after) NOOP
//! asks whether the way to the server is still open. A connection that a call was dropped on is given back if the client can
//! go on, and ended if it cannot; so is one whose session is not what it was: another login, NOTIFY, ENABLE, COMPRESS, XCLIENT.
//! (What a [connector](Pool::from_connector) does stays.)
//!
//! # POP3
//!
//! Connections of POP3 are not kept. A session locks its maildrop and shows it as it was when it began, deletes at its end and
//! not before ([RFC 1939 sections 4 to 6](https://www.rfc-editor.org/rfc/rfc1939#section-4)): a session that nobody uses keeps
//! others out and what is new unseen. [`pop3::Client`](crate::pop3::Client) is connected for each visit.

#[cfg(feature = "deadpool")]
pub mod deadpool;
mod lease;
mod options;
mod owner;
mod pace;
mod state;

use std::{fmt, future::Future, sync::Arc, time::Duration};

#[cfg(feature = "smtp")]
pub(crate) use self::lease::Uses;
pub(crate) use self::lease::{Slot, Wanted};
pub use self::{
    lease::Lease,
    options::{PoolOptions, Rate},
};
use self::{owner::Owner, state::Shared};
use crate::{Account, Endpoint, Error, Phase, Result, metrics::Watch};

mod sealed {
    pub trait Sealed {}

    #[cfg(feature = "smtp")]
    impl Sealed for crate::smtp::Client {}
    #[cfg(feature = "imap")]
    impl Sealed for crate::imap::Client {}
}

/// A client whose connections can be kept in a [`Pool`]: that of SMTP and LMTP, and that of IMAP.
pub trait Pooled: sealed::Sealed + Send + Sized + 'static {
    /// The configuration of a client, beyond what its endpoint says.
    type Config: for<'a> TryFrom<&'a Account, Error = Error>
        + fmt::Debug
        + Clone
        + PartialEq
        + Send
        + Sync
        + 'static;

    /// What is spoken, as it is counted.
    #[doc(hidden)]
    const PROTOCOL: &'static str;

    /// The user who logs in, if the configuration says so.
    #[doc(hidden)]
    fn user(config: &Self::Config) -> Option<&str>;

    /// Connects and logs in.
    #[doc(hidden)]
    fn open(endpoint: Endpoint, config: Self::Config) -> impl Future<Output = Result<Self>> + Send;

    /// From now on the session is to stay what it is.
    #[doc(hidden)]
    fn mark_unaltered(&mut self);

    /// Whether somebody else of the same account can go on with it.
    #[doc(hidden)]
    fn is_reusable(&self) -> bool;

    /// Whether no answer is due to a call that was dropped.
    #[doc(hidden)]
    fn is_settled(&self) -> bool;

    /// Reads what the server has sent, waiting for nothing: whether it can still be used.
    #[doc(hidden)]
    fn look(&mut self) -> bool;

    /// Asks the server whether it is there.
    #[doc(hidden)]
    fn ask(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Says goodbye, and closes.
    #[doc(hidden)]
    fn end(&mut self) -> impl Future<Output = ()> + Send;
}

/// Whether the server answers over a connection in time, and another call can be made over it.
pub(crate) async fn answers<C: Pooled>(client: &mut C, patience: Duration) -> bool {
    matches!(tokio::time::timeout(patience, client.ask()).await, Ok(Ok(()))) && client.is_reusable()
}

/// Implements [`Pooled`] for a client, in the same words for each protocol.
macro_rules! pooled {
    ($protocol:literal, $look:expr) => {
        impl $crate::pool::Pooled for Client {
            type Config = Config;
            const PROTOCOL: &'static str = $protocol;

            fn user(config: &Config) -> Option<&str> {
                config.credentials.as_ref().and_then($crate::sasl::Credentials::user)
            }

            async fn open(endpoint: $crate::Endpoint, config: Config) -> $crate::Result<Self> {
                Self::connect_with(endpoint, config).await
            }

            fn mark_unaltered(&mut self) {
                self.altered = false;
            }

            fn is_reusable(&self) -> bool {
                self.is_usable() && !self.altered
            }

            fn is_settled(&self) -> bool {
                self.session.is_settled()
            }

            fn look(&mut self) -> bool {
                let look: fn(&mut Self) -> bool = $look;
                look(self)
            }

            async fn ask(&mut self) -> $crate::Result<()> {
                self.noop().await
            }

            async fn end(&mut self) {
                if let Err(error) = self.say_goodbye().await {
                    $crate::traces::debug!(target: $crate::CLIENT_TRACES, %error, "ended without a goodbye");
                }
            }
        }
    };
}
pub(crate) use pooled;

/// Connections of any number of accounts, within common bounds. Cheap to clone: clones share all of it.
///
/// This value is about one account, whose connections [`get`](Self::get) gives; [`for_account`](Self::for_account) is about
/// another one, with the same bounds over both.
pub struct Pool<C: Pooled> {
    shared: Arc<Shared<C>>,
    owner: Arc<Owner<C>>,
}

/// How many connections and calls there are: [`Pool::status`].
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatus {
    /// Connections in use, those that are being made, and those that are being ended.
    pub in_use: usize,
    /// Connections that are kept.
    pub idle: usize,
    /// Calls of this account that wait for a connection.
    pub waiting: usize,
}

impl<C: Pooled> Pool<C> {
    /// A pool with the default options for clients with this configuration. Nothing is connected yet.
    #[must_use]
    pub fn new(endpoint: Endpoint, config: C::Config) -> Self {
        Self::with_options(endpoint, config, PoolOptions::default())
    }

    /// A pool for clients with this configuration. Nothing is connected yet.
    #[must_use]
    pub fn with_options(endpoint: Endpoint, config: C::Config, options: PoolOptions) -> Self {
        let shared = Arc::new(Shared::new(options));
        let owner = shared.owner(endpoint, config);
        Self { shared, owner }
    }

    /// A pool with the default options for clients of an [`Account`], or its URL. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// It is no URL of an account, or one of another protocol.
    pub fn to(account: impl TryInto<Account, Error: Into<Error>>) -> Result<Self> {
        let account = account.try_into().map_err(Into::into)?;
        let config = C::Config::try_from(&account)?;
        Ok(Self::new(account.into_endpoint(), config))
    }

    /// A pool of clients that `connect` makes: over a proxy, with extensions enabled, or, in tests, over a pipe. They must
    /// all be of one account.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use mailwire_transport::{Endpoint, imap, pool::PoolOptions, sasl::Credentials};
    /// use mailwire_transport::imap::Capability;
    ///
    /// # fn example(server: Endpoint) {
    /// let config = imap::Config::login(Credentials::password("ada", "secret"));
    /// let connect = move || {
    ///     let (server, config) = (server.clone(), config.clone());
    ///     async move {
    ///         let mut client = imap::Client::connect_with(server, config).await?;
    ///         client.enable([Capability::QResync]).await?;
    ///         Ok(client)
    ///     }
    /// };
    /// let pool = imap::Pool::from_connector(connect, PoolOptions::new());
    /// # }
    /// ```
    pub fn from_connector<F>(connect: impl Fn() -> F + Send + Sync + 'static, options: PoolOptions) -> Self
    where
        F: Future<Output = Result<C>> + Send + 'static,
    {
        let owner = Arc::new(Owner::from_connector(connect, &options));
        Self { shared: Arc::new(Shared::new(options)), owner }
    }

    /// The pool for another account. Its connections are kept apart from those of any other, and count within the same
    /// bounds: where all connections are taken and some are not in use, the one that was unused longest makes room.
    ///
    /// Called again with an equal endpoint and configuration, it finds the connections that are there: see
    /// [`Endpoint::with_tls`], one configuration of TLS is equal to its clones alone. So it need not be kept: a web
    /// application can call it for each request.
    #[must_use]
    pub fn for_account(&self, endpoint: Endpoint, config: C::Config) -> Self {
        Self { shared: self.shared.clone(), owner: self.shared.owner(endpoint, config) }
    }

    /// Gives a connection of this account: one that is there and alive, or a new one. Waits for its turn where all are in use;
    /// whoever came first is served first. When it is dropped, the connection goes back.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] with [`Phase::Pool`] if none is free in [time](PoolOptions::wait), [`Error::Busy`] if too many wait
    /// already, [`Error::Closed`] after [`close`](Self::close); or no connection can be made.
    pub async fn get(&self) -> Result<Lease<C>> {
        self.turn().await?.lease(Wanted::Any).await
    }

    /// Gives a new connection, in place of one that is kept.
    #[cfg(feature = "imap")]
    pub(crate) async fn fresh(&self) -> Result<Lease<C>> {
        self.turn().await?.lease(Wanted::Fresh).await
    }

    /// Waits for the right to have a connection.
    pub(crate) async fn turn(&self) -> Result<Slot<C>> {
        let Self { shared, owner } = self;
        if shared.is_closed() {
            return Err(Error::Closed);
        }
        if let Some(slot) = Slot::at_once(shared, owner) {
            return Ok(slot);
        }
        let waiting = shared.options.waiting;
        let Ok(_place) = owner.queue.try_acquire() else {
            return Err(Error::Busy { server: owner.server(), waiting });
        };
        let watch = Watch::start();
        let slot = self.in_time(async { Slot::in_turn(shared, owner, owner.turn().await).await }).await;
        watch.waited(C::PROTOCOL);
        slot
    }

    /// Waits for the right to have a connection, as one of many that do so for the same caller: for the rate as long as it takes,
    /// and then for a connection as [`turn`](Self::turn) does.
    #[cfg(feature = "smtp")]
    pub(crate) async fn turn_of_many(&self) -> Result<Slot<C>> {
        let Self { shared, owner } = self;
        if shared.is_closed() {
            return Err(Error::Closed);
        }
        if let Some(slot) = Slot::at_once(shared, owner) {
            return Ok(slot);
        }
        let turn = tokio::select! {
            biased;
            () = shared.closed() => return Err(Error::Closed),
            turn = owner.turn() => turn,
        };
        self.in_time(Slot::in_turn(shared, owner, turn)).await
    }

    /// Waits no longer than [the options](PoolOptions::wait) say, nor than until the pool is closed.
    async fn in_time(&self, slot: impl Future<Output = Result<Slot<C>>>) -> Result<Slot<C>> {
        let Self { shared, owner } = self;
        let after = shared.options.wait;
        tokio::select! {
            biased;
            () = shared.closed() => Err(Error::Closed),
            slot = tokio::time::timeout(after, slot) => slot.unwrap_or_else(|_| {
                Err(Error::Timeout { phase: Phase::Pool, after, server: Some(owner.server()) })
            }),
        }
    }

    /// How many connections of this account there can be at once.
    #[cfg(feature = "smtp")]
    pub(crate) fn most(&self) -> usize {
        let PoolOptions { connections, connections_per_account, .. } = self.shared.options;
        connections_per_account.map_or(connections, |own| own.min(connections)).max(1)
    }

    /// Ends it: no call gets a connection any more, those that are kept are ended with QUIT or LOGOUT, and those in use have
    /// `grace` to come back. Returns how many of them did not; these are closed as soon as they do. It is the end of all
    /// clones and accounts.
    pub async fn close(&self, grace: Duration) -> usize {
        self.shared.close(grace).await
    }

    /// Returns how many connections and calls there are now.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let waiting = self.shared.options.waiting.saturating_sub(self.owner.queue.available_permits());
        let (in_use, idle) = self.shared.counts();
        PoolStatus { in_use, idle, waiting }
    }
}

impl<C: Pooled> Clone for Pool<C> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), owner: self.owner.clone() }
    }
}

impl<C: Pooled> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("server", &self.owner.server())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
