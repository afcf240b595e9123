use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mailwire_core::Channel;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use super::{
    Handle, Listener, Notice, ServerLimits, listener,
    slots::{Slot, Slots},
};
use crate::{Error, Result, Stream};

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
#[non_exhaustive]
#[derive(Debug)]
pub struct Accepted {
    /// The stream, within TLS if that is implicit.
    pub stream: Stream,
    /// The channel for the state machine: an upgrade that cannot be granted is not among it. A Unix
    /// socket counts as protected.
    pub channel: Channel,
    /// The peer's address; a Unix socket has none.
    pub peer: Option<SocketAddr>,
    /// The number of this connection in this process, as in the traces.
    pub id: u64,
    /// For what goes beside the stream: notices, the handshake after STARTTLS.
    pub handle: Handle,
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

    /// Sets what is said to a connection in clear that is one too many, before it is closed: the
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

    /// Returns the limits.
    #[must_use]
    pub const fn limits(&self) -> &ServerLimits {
        &self.limits
    }

    /// Returns the number of connections now.
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
        let deadline = self.limits.unauthenticated.and_then(|limit| Instant::now().checked_add(limit));
        let tls = listener.tls().cloned();
        Accepted {
            stream,
            channel: listener.channel(),
            peer,
            id: next_id(),
            handle: Handle::new(self.shutdown.clone(), deadline, tls, self.limits.tls_timeout),
        }
    }
}

impl Accepted {
    /// A connection over a stream that is there: a pipe, a tunnel. It gets no notices, and STARTTLS is
    /// not to be had.
    #[must_use]
    pub fn over(stream: Stream, channel: Channel) -> Self {
        let channel = if channel == Channel::StartTls { Channel::Clear } else { channel };
        let peer = stream.peer_addr();
        let handle = Handle::new(CancellationToken::new(), None, None, Duration::ZERO);
        Self { stream, channel, peer, id: next_id(), handle }
    }
}

/// Counts the connections of this process.
fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
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
    let mut handle = connection.handle.clone();
    let conversation = async {
        tracing::debug!("accepted");
        if connection.channel == Channel::Tls && connection.handle.has_tls() {
            let stream = std::mem::take(&mut connection.stream);
            connection.stream = connection.handle.start_tls(stream).await?;
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
