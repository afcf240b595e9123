//! What servers of all three protocols have in common: listening, limits, TLS, shutting down.
//!
//! An [`Acceptor`] takes connections off a [`Listener`], counts them, shakes hands where TLS is
//! implicit, and gives each as an [`Accepted`] to a function of the protocol's server, in a task of
//! its own.
//!
//! ```
//! use mailwire_transport::{
//!     Result, Security,
//!     server::{Accepted, Acceptor, Listener},
//! };
//! use tokio::io::AsyncWriteExt;
//! use tokio_util::sync::CancellationToken;
//!
//! async fn serve(mut connection: Accepted) -> Result<()> {
//!     connection.stream.write_all(b"hello\r\n").await?;
//!     connection.stream.shutdown().await?;
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let listener =
//!     Listener::bind("127.0.0.1:0", Security::plaintext_without_encryption(), None).await?;
//! let shutdown = CancellationToken::new();
//! # shutdown.cancel();
//! Acceptor::new("greeter").with_shutdown(shutdown).serve(listener, serve).await?;
//! # Ok(())
//! # }
//! ```

mod listener;
mod refusal;
mod slots;

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use listener::Listener;
use mailwire_core::Channel;
pub use refusal::Refusal;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use self::slots::{Slot, Slots};
use crate::{Error, Phase, Result, Stream, tls::ServerTls, within};

/// How much a server takes on.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// Connections at one time.
    pub connections: usize,
    /// Connections at one time from one address. IPv6 is counted by /64, which is what one customer
    /// usually has.
    pub connections_per_address: usize,
    /// The time for a TLS handshake, implicit or after STARTTLS.
    pub tls_timeout: Duration,
    /// The time that a connection may stay without a user: then [`Handle::notice`] says
    /// [`Notice::Unauthenticated`]. Starts when the connection is accepted.
    pub unauthenticated: Option<Duration>,
    /// The time that connections have to end by themselves after a notice; then they are cut.
    pub grace: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 1000,
            connections_per_address: 100,
            tls_timeout: Duration::from_secs(30),
            unauthenticated: Some(Duration::from_secs(180)),
            grace: Duration::from_secs(30),
        }
    }
}

/// Takes connections and gives them to a function. Clones count together: use one for all ports of
/// a server.
#[derive(Debug, Clone)]
pub struct Acceptor {
    protocol: &'static str,
    refusal: &'static [u8],
    limits: ServerLimits,
    shutdown: CancellationToken,
    slots: Arc<Slots>,
}

/// A connection that a server has accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The stream, within TLS if that is implicit.
    pub stream: Stream,
    /// What the state machine is to be told. A Unix socket counts as protected.
    pub channel: Channel,
    /// How to do STARTTLS: see [`Handle::start_tls`].
    pub tls: Option<ServerTls>,
    /// The peer's address; a Unix socket has none.
    pub peer: Option<SocketAddr>,
    /// The number of this connection in this process, as in the traces.
    pub id: u64,
    /// For what goes beside the stream: notices, the handshake after STARTTLS.
    pub handle: Handle,
}

/// What is left of an [`Accepted`] when its stream has been moved away. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    shutdown: CancellationToken,
    authenticated: CancellationToken,
    deadline: Option<Instant>,
    tls_timeout: Duration,
    tls: Option<ServerTls>,
}

/// Why a connection is to end.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The server shuts down.
    Shutdown,
    /// Nobody has authenticated in time.
    Unauthenticated,
}

/// What a machine is told of a channel: an upgrade that cannot be granted is not offered.
pub(crate) fn grantable(channel: Channel, handle: Option<&Handle>) -> Channel {
    match channel {
        Channel::StartTls if !handle.is_some_and(Handle::has_tls) => Channel::Clear,
        channel => channel,
    }
}

impl Handle {
    /// Waits until the connection is to end. Its function then says so in its protocol (421, BYE)
    /// and returns; if it does not within [`ServerLimits::grace`], it is cut off. Cancel-safe, to be
    /// used in `select!` beside [`Driver::next`](crate::Driver::next).
    pub async fn notice(&self) -> Notice {
        let overdue = async {
            match self.deadline {
                Some(deadline) if !self.authenticated.is_cancelled() => {
                    tokio::select! {
                        () = self.authenticated.cancelled() => std::future::pending().await,
                        () = tokio::time::sleep_until(deadline) => {}
                    }
                }
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Notice::Shutdown,
            () = overdue => Notice::Unauthenticated,
        }
    }

    /// Somebody has authenticated, or need not: the time for it no longer runs.
    pub fn authenticated(&self) {
        self.authenticated.cancel();
    }

    /// Whether the server shuts down.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shutdown.is_cancelled()
    }

    /// Whether STARTTLS can be granted.
    #[must_use]
    pub const fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Shakes hands over a stream in clear, after STARTTLS.
    ///
    /// # Errors
    ///
    /// No TLS is configured, the handshake fails or takes too long.
    pub async fn start_tls(&self, stream: Stream) -> Result<Stream> {
        let Some(tls) = &self.tls else { return Err(crate::tls::TlsError::NotConfigured.into()) };
        within(self.tls_timeout, Phase::Tls, tls.accept(stream)).await
    }
}

impl Acceptor {
    /// An acceptor with the default limits. `protocol` is for the traces.
    #[must_use]
    pub fn new(protocol: &'static str) -> Self {
        let limits = ServerLimits::default();
        Self {
            protocol,
            refusal: b"",
            slots: Slots::new(limits.connections, limits.connections_per_address),
            limits,
            shutdown: CancellationToken::new(),
        }
    }

    /// Uses these limits.
    #[must_use]
    pub fn with_limits(mut self, limits: ServerLimits) -> Self {
        self.slots = Slots::new(limits.connections, limits.connections_per_address);
        self.limits = limits;
        self
    }

    /// What is said to a connection in clear that is one too many, before it is closed: the
    /// protocol's line for "come back later".
    #[must_use]
    pub const fn with_refusal(mut self, line: &'static [u8]) -> Self {
        self.refusal = line;
        self
    }

    /// Shuts down when this token is cancelled.
    #[must_use]
    pub fn with_shutdown(mut self, token: CancellationToken) -> Self {
        self.shutdown = token;
        self
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> &ServerLimits {
        &self.limits
    }

    /// The number of connections now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.slots.taken()
    }

    /// Serves `listener` until the shutdown: then it takes no more connections, gives notice to
    /// those that there are, and returns when the last has ended, or was cut after the grace. If
    /// this future is dropped, all of its connections are cut.
    ///
    /// # Errors
    ///
    /// The listener is of no more use.
    pub async fn serve<F, R>(&self, listener: Listener, serve: F) -> Result<()>
    where
        F: Fn(Accepted) -> R + Send + Sync + 'static,
        R: Future<Output = Result<()>> + Send + 'static,
    {
        let serve = Arc::new(serve);
        let tasks = TaskTracker::new();
        let cut = CancellationToken::new();
        let _cut_on_drop = cut.clone().drop_guard();
        loop {
            let (stream, peer) = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) if is_passing(&error) => continue,
                    Err(error) => {
                        // Too many open files, mostly: it passes when a connection ends.
                        tracing::warn!(protocol = self.protocol, %error, "cannot accept");
                        tokio::time::sleep(Duration::from_millis(200)).await;
                        continue;
                    }
                },
            };
            match self.slots.take(peer.map(|peer| peer.ip())) {
                Some(slot) => {
                    let connection = self.connection(&listener, stream, peer);
                    tasks.spawn(run(connection, slot, Arc::clone(&serve), cut.clone(), self.clone()));
                }
                None => {
                    tracing::info!(protocol = self.protocol, ?peer, "too many connections");
                    if !listener.is_implicit_tls() {
                        listener::refuse(&stream, self.refusal);
                    }
                }
            }
        }
        drop(listener);
        tasks.close();
        if tokio::time::timeout(self.limits.grace, tasks.wait()).await.is_err() {
            tracing::info!(protocol = self.protocol, connections = tasks.len(), "cut at shutdown");
            cut.cancel();
            tasks.wait().await;
        }
        Ok(())
    }

    fn connection(&self, listener: &Listener, stream: Stream, peer: Option<SocketAddr>) -> Accepted {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let deadline = self.limits.unauthenticated.and_then(|limit| Instant::now().checked_add(limit));
        Accepted {
            stream,
            channel: listener.channel(),
            tls: listener.tls().cloned(),
            peer,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            handle: Handle {
                shutdown: self.shutdown.clone(),
                authenticated: CancellationToken::new(),
                deadline,
                tls_timeout: self.limits.tls_timeout,
                tls: listener.tls().cloned(),
            },
        }
    }
}

/// What does not concern the listener: the peer was gone before it was accepted.
fn is_passing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | ConnectionRefused | Interrupted)
}

async fn run<F, R>(
    mut connection: Accepted,
    slot: Slot,
    serve: Arc<F>,
    cut: CancellationToken,
    acceptor: Acceptor,
) where
    F: Fn(Accepted) -> R,
    R: Future<Output = Result<()>>,
{
    let span = tracing::info_span!(
        "connection",
        protocol = acceptor.protocol,
        id = connection.id,
        peer = connection.peer.map(tracing::field::display),
    );
    let handle = connection.handle.clone();
    let conversation = async {
        tracing::debug!("accepted");
        if connection.channel == Channel::Tls && connection.tls.is_some() {
            let stream = std::mem::take(&mut connection.stream);
            connection.stream = handle.start_tls(stream).await?;
        }
        serve(connection).await
    };
    // Whoever does not heed the notice in time is cut.
    let overstayed = async {
        match handle.notice().await {
            Notice::Unauthenticated => tokio::time::sleep(acceptor.limits.grace).await,
            // At shutdown, `serve` keeps the time for all.
            Notice::Shutdown => std::future::pending().await,
        }
    };
    let ending = async {
        tokio::select! {
            result = conversation => match result {
                Ok(()) => tracing::debug!("closed"),
                Err(error @ (Error::Misuse(_) | Error::Sasl(_))) => {
                    tracing::error!(error = %Chain(&error), "failed");
                }
                Err(error) => tracing::info!(error = %Chain(&error), "ended"),
            },
            () = cut.cancelled() => tracing::info!("cut"),
            () = overstayed => tracing::info!("cut: nobody authenticated"),
        }
    };
    ending.instrument(span).await;
    drop(slot);
}

/// An error and what caused it, in one line.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
