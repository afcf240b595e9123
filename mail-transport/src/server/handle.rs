use std::{net::SocketAddr, sync::Arc, time::Duration};

use mailwire_core::Connection;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{ServerLimits, attempts::Attempts};
use crate::{
    Driver, DriverConfig, DriverError, Error, Phase, Result, Stream, WireLog,
    metrics::{Meter, Watch},
    sasl::LoginContext,
    tls::{ServerTls, TlsError},
    within,
};

/// The side of an [`Accepted`](super::Accepted) connection that is not the stream: notices, and the
/// handshake after STARTTLS. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    /// Somebody has logged in, or need not.
    authenticated: CancellationToken,
    login_until: Option<Instant>,
    session_until: Option<Instant>,
    tls: Option<ServerTls>,
    peer: Option<SocketAddr>,
    noticed: bool,
}

/// What all connections of a server have in common.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) protocol: &'static str,
    pub(super) limits: ServerLimits,
    pub(super) attempts: Arc<Attempts>,
    pub(super) channel_binding: bool,
    pub(super) wire_log: Option<WireLog>,
    #[cfg(feature = "testing")]
    pub(super) layers: Option<crate::layer::Layers>,
    pub(super) shutdown: CancellationToken,
    /// The grace is nearly over.
    pub(super) last_call: CancellationToken,
}

impl Shared {
    pub(super) fn new(protocol: &'static str, limits: ServerLimits) -> Self {
        Self {
            protocol,
            attempts: Attempts::new(limits.logins.clone()),
            limits,
            channel_binding: true,
            wire_log: None,
            #[cfg(feature = "testing")]
            layers: None,
            shutdown: CancellationToken::new(),
            last_call: CancellationToken::new(),
        }
    }

    /// The time that a last word has to leave when a connection is broken off: a part of the grace.
    pub(super) fn farewell(&self) -> Duration {
        Duration::from_secs(1).min(self.limits.grace / 4)
    }
}

/// The reason why a connection is to end.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The server shuts down.
    Shutdown,
    /// Nobody has authenticated in time.
    Unauthenticated,
    /// The connection has lasted as long as one may: see
    /// [`ServerLimits::session`](super::ServerLimits::session).
    Expired,
}

impl Notice {
    /// What it is called where it is counted.
    pub(super) const fn cause(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::Unauthenticated => "unauthenticated",
            Self::Expired => "expired",
        }
    }
}

impl Handle {
    /// The handle of a connection that begins now.
    pub(super) fn new(shared: Arc<Shared>, tls: Option<ServerTls>, peer: Option<SocketAddr>) -> Self {
        let session_until = until_after(shared.limits.session);
        let authenticated = CancellationToken::new();
        let mut handle =
            Self { shared, authenticated, login_until: None, session_until, tls, peer, noticed: false };
        handle.logged_out();
        handle
    }

    /// Sets the address of the client, which a proxy has told.
    pub(super) fn with_peer(mut self, peer: Option<SocketAddr>) -> Self {
        self.peer = peer;
        self
    }

    /// Waits until the connection is to end. Its function then says so in its protocol (421, BYE)
    /// and returns; if it does not within [`ServerLimits::grace`](super::ServerLimits::grace), it is
    /// cut off.
    ///
    /// A notice is given once; after that this waits for ever. Cancel-safe, to be used in `select!`
    /// beside [`Driver::next`](crate::Driver::next).
    pub async fn notice(&mut self) -> Notice {
        if self.noticed {
            return std::future::pending().await;
        }
        let notice = tokio::select! {
            biased;
            () = self.shared.shutdown.cancelled() => Notice::Shutdown,
            () = self.unauthenticated() => Notice::Unauthenticated,
            () = until(self.session_until) => Notice::Expired,
        };
        self.noticed = true;
        notice
    }

    /// Waits until what is in progress has to be broken off. Before the login that is when there is a
    /// [`notice`](Self::notice): nothing can be lost. After it, what is in progress has the
    /// [grace](super::ServerLimits::grace) to come to its end.
    ///
    /// The connection's function then says its last word where the protocol has a place for one, and returns
    /// at once. Cancel-safe.
    pub async fn overdue(&self) -> Notice {
        let before_login = async {
            tokio::select! {
                biased;
                () = self.authenticated.cancelled() => std::future::pending().await,
                () = self.shared.shutdown.cancelled() => Notice::Shutdown,
                () = self.unauthenticated() => Notice::Unauthenticated,
            }
        };
        let expired = self.session_until.and_then(|at| at.checked_add(self.shared.limits.grace));
        tokio::select! {
            biased;
            notice = before_login => notice,
            () = self.shared.last_call.cancelled() => Notice::Shutdown,
            () = until(expired) => Notice::Expired,
        }
    }

    /// Works until that is done, or until it [has to be broken off](Self::overdue): then it gives the notice.
    ///
    /// # Errors
    ///
    /// Those of the work.
    pub async fn unless_overdue<E>(
        &self,
        work: impl Future<Output = Result<(), E>>,
    ) -> Result<Option<Notice>, E> {
        tokio::select! {
            biased;
            result = work => result.map(|()| None),
            notice = self.overdue() => Ok(Some(notice)),
        }
    }

    /// Waits until nobody has authenticated in time.
    async fn unauthenticated(&self) {
        tokio::select! {
            biased;
            () = self.authenticated.cancelled() => std::future::pending().await,
            () = until(self.login_until) => {}
        }
    }

    /// Tells that somebody has authenticated, or need not: the time for it no longer runs.
    pub fn authenticated(&self) {
        self.authenticated.cancel();
    }

    /// Tells that nobody is logged in any more: the time for the login begins anew, for this handle and those
    /// that are cloned from it after that.
    pub fn logged_out(&mut self) {
        self.authenticated = CancellationToken::new();
        self.login_until = until_after(self.shared.limits.unauthenticated);
        if self.login_until.is_none() {
            self.authenticated.cancel();
        }
    }

    /// Whether the server shuts down.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shared.shutdown.is_cancelled()
    }

    /// Returns how a driver is bounded by the server's limits, and to whom it shows what is said: see
    /// [`ServerLimits::command`](super::ServerLimits::command) and
    /// [`ServerLimits::least_rate`](super::ServerLimits::least_rate).
    #[must_use]
    pub fn driver_config(&self) -> DriverConfig {
        let limits = &self.shared.limits;
        DriverConfig {
            step_deadline: limits.command,
            least_rate: limits.least_rate,
            wire_log: self.shared.wire_log.clone(),
            meter: Meter::new(self.shared.protocol, "server"),
            ..DriverConfig::server()
        }
    }

    /// Gets a driver ready for the end after [`overdue`](Self::overdue): its last word leaves in a
    /// moment or not at all.
    pub fn end_soon<C: Connection>(&self, driver: &mut Driver<Stream, C>) {
        let config = driver.config_mut();
        config.close_timeout = config.close_timeout.min(self.shared.farewell() / 2);
        config.linger = Duration::ZERO;
    }

    /// Who a client is, for the authenticator, which also counts its failures.
    pub(super) fn login(&self, protected: bool) -> LoginContext {
        let mut login = LoginContext::new(self.peer).with_attempts(Arc::clone(&self.shared.attempts));
        login.protocol = self.shared.protocol;
        login.protected = protected;
        login
    }

    /// The protocol, as the server was told it.
    pub(crate) fn protocol(&self) -> &'static str {
        self.shared.protocol
    }

    /// Whether `-PLUS` mechanisms are offered.
    pub(super) fn binds_channels(&self) -> bool {
        self.shared.channel_binding
    }

    /// Whether STARTTLS can be granted.
    #[must_use]
    pub const fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Shakes hands over a stream in clear, after STARTTLS. It is broken off when it is
    /// [overdue](Self::overdue): at a shutdown, nobody waits for it.
    ///
    /// # Errors
    ///
    /// No TLS is configured, the handshake fails or takes too long, or the server shuts down.
    pub async fn start_tls(&self, stream: Stream) -> Result<Stream> {
        let Some(tls) = &self.tls else { return Err(TlsError::NotConfigured.into()) };
        #[cfg(feature = "testing")]
        if let Stream::Layered(mut layered) = stream {
            let below = Box::pin(self.shake_hands(tls, std::mem::take(&mut layered.inner))).await?;
            return layered.replace(|_| Ok(below));
        }
        // Apart: a connection keeps no room for it afterwards.
        Box::pin(self.shake_hands(tls, stream)).await
    }

    async fn shake_hands(&self, tls: &ServerTls, stream: Stream) -> Result<Stream> {
        let watch = Watch::start();
        let stream = tokio::select! {
            biased;
            stream = within(self.shared.limits.tls_timeout, Phase::Tls, tls.accept(stream)) => stream,
            () = self.shared.shutdown.cancelled() => Err(Error::Closed),
            _ = self.overdue() => Err(Error::Closed),
        };
        watch.handshake("server", &stream);
        stream
    }

    /// Replaces a driver's stream in clear by one within TLS, after
    /// [`Step::Upgrade`](crate::Step::Upgrade).
    ///
    /// # Errors
    ///
    /// Those of [`start_tls`](Self::start_tls), or that bytes came in clear after STARTTLS.
    pub async fn upgrade<C: Connection>(&self, driver: &mut Driver<Stream, C>) -> Result<()>
    where
        Error: From<DriverError<C::Error>>,
    {
        driver.upgrade_in_place(Stream::Absent, |stream, _| self.start_tls(stream)).await
    }
}

fn until_after(limit: Option<Duration>) -> Option<Instant> {
    limit.and_then(|limit| Instant::now().checked_add(limit))
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
