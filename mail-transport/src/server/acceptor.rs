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
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use super::{
    Handle, Listener, Proxied, ProxyProtocol, ServerLimits,
    attempts::Attempts,
    handle::Shared,
    listener,
    proxied::Admission,
    slots::{Slot, Slots},
};
use crate::{Error, Result, Stream, WireLine, WireLog, metrics, proxy_protocol::Header};

/// Takes connections and gives them to a function. Clones count together: use one for all ports of
/// a server.
#[derive(Debug, Clone)]
pub struct Acceptor {
    refusal: &'static [u8],
    shared: Arc<Shared>,
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
    /// The client's address; a Unix socket has none. Where a trusted proxy has told it, the peer of the stream is that proxy,
    /// and this is its client.
    pub peer: Option<SocketAddr>,
    /// What a trusted proxy has told of the client by the PROXY protocol.
    pub proxied: Option<Box<Proxied>>,
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
        Self { refusal: b"", slots: Slots::new(&limits), shared: Arc::new(Shared::new(protocol, limits)) }
    }

    /// Uses these limits.
    #[must_use]
    pub fn with_limits(mut self, limits: ServerLimits) -> Self {
        self.slots = Slots::new(&limits);
        let shared = Arc::make_mut(&mut self.shared);
        shared.attempts = Attempts::new(limits.logins.clone());
        shared.limits = limits;
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
        let shared = Arc::make_mut(&mut self.shared);
        shared.shutdown = token;
        shared.last_call = CancellationToken::new();
        self
    }

    /// Sets whether SASL mechanisms that bind to TLS (`-PLUS`) are offered; `true` by default.
    #[must_use]
    pub fn with_channel_binding(mut self, offer: bool) -> Self {
        Arc::make_mut(&mut self.shared).channel_binding = offer;
        self
    }

    /// Shows the lines of all conversations, without secrets: see [`WireLog`](crate::WireLog).
    #[must_use]
    pub fn with_wire_log(mut self, show: impl Fn(WireLine<'_>) + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.shared).wire_log = Some(WireLog::of_server(show));
        self
    }

    /// Puts a [`Layer`](crate::testing::Layer) above the stream of each connection, and of TLS: for tests. It is made
    /// when the connection is accepted, one after the other.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_layers(
        mut self,
        layers: impl Fn() -> Box<dyn crate::testing::Layer> + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.shared).layers = Some(crate::layer::Layers(Arc::new(layers)));
        self
    }

    /// Returns the limits.
    #[must_use]
    pub fn limits(&self) -> &ServerLimits {
        &self.shared.limits
    }

    /// Returns the number of connections now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.slots.taken()
    }

    /// Serves `listener` until the shutdown: then it takes no more connections, gives notice to
    /// those that there are, and returns when the last has ended, or was cut after the grace. Those on
    /// which nobody has logged in, and TLS handshakes, have no more than a moment. If
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
                () = self.shared.shutdown.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) if is_passing(&error) => continue,
                    Err(error) => {
                        // Too many open files, mostly: it passes when a connection ends.
                        tracing::warn!(protocol = self.shared.protocol, %error, "cannot accept");
                        tokio::time::sleep(Duration::from_millis(200)).await;
                        continue;
                    }
                },
            };
            let admission = listener.admission(peer);
            let counted = match admission {
                Admission::Direct => peer.map(|peer| peer.ip()),
                // Its client's address is counted once it is known.
                Admission::Proxied => None,
                Admission::Refused => {
                    metrics::refused(self.shared.protocol, "proxy");
                    tracing::info!(protocol = self.shared.protocol, ?peer, "not a trusted proxy");
                    continue;
                }
            };
            match self.slots.take(counted) {
                Some(slot) => {
                    let door = Door {
                        proxies: listener.proxies().filter(|_| admission == Admission::Proxied).cloned(),
                        refusal: if listener.is_implicit_tls() { b"" } else { self.refusal },
                    };
                    let connection = Accepted {
                        stream,
                        channel: listener.channel(),
                        peer,
                        proxied: None,
                        id: next_id(),
                        handle: Handle::new(Arc::clone(&self.shared), listener.tls().cloned(), peer),
                    };
                    #[cfg(feature = "testing")]
                    let layer = self.shared.layers.as_ref().map(|layers| (layers.0)());
                    tasks.spawn(run(
                        connection,
                        #[cfg(feature = "testing")]
                        layer,
                        slot,
                        door,
                        Arc::clone(&serve),
                        cut.clone(),
                        Arc::clone(&self.shared),
                    ));
                }
                None => {
                    metrics::refused(self.shared.protocol, "limit");
                    tracing::info!(protocol = self.shared.protocol, ?peer, "too many connections");
                    if !listener.is_implicit_tls() {
                        listener::refuse(&stream, self.refusal);
                    }
                }
            }
        }
        drop(listener);
        tasks.close();
        let farewell = self.shared.farewell();
        let grace = self.shared.limits.grace.saturating_sub(farewell);
        if tokio::time::timeout(grace, tasks.wait()).await.is_err() {
            self.shared.last_call.cancel();
            if tokio::time::timeout(farewell, tasks.wait()).await.is_err() {
                tracing::info!(protocol = self.shared.protocol, connections = tasks.len(), "cut at shutdown");
                cut.cancel();
                tasks.wait().await;
            }
        }
        Ok(())
    }

    /// A connection over a stream that was not accepted here, within the limits for one connection.
    pub(super) fn over(&self, stream: Stream, channel: Channel) -> Accepted {
        let peer = stream.peer_addr();
        let handle = Handle::new(Arc::clone(&self.shared), None, peer);
        Accepted { peer, handle, ..Accepted::over(stream, channel) }
    }
}

impl Accepted {
    /// A connection over a stream that is there: a pipe, a tunnel. It has the default limits, gets no
    /// notices, and STARTTLS is not to be had.
    #[must_use]
    pub fn over(stream: Stream, channel: Channel) -> Self {
        let channel = if channel == Channel::StartTls { Channel::Clear } else { channel };
        let peer = stream.peer_addr();
        let limits = ServerLimits { unauthenticated: None, session: None, ..ServerLimits::default() };
        let handle = Handle::new(Arc::new(Shared::new("", limits)), None, peer);
        Self { stream, channel, peer, proxied: None, id: next_id(), handle }
    }

    /// Whom a proxy speaks for is whom this connection is with.
    fn proxied(self, header: Header) -> Self {
        let proxied = Proxied { proxy: self.peer, header };
        let peer = proxied.client();
        // By a Unix socket it came from the proxy alone.
        let exposed = self.channel == Channel::Tls && !self.handle.has_tls() && proxied.is_exposed();
        Self {
            channel: if exposed { Channel::Clear } else { self.channel },
            peer,
            handle: self.handle.with_peer(peer),
            proxied: Some(Box::new(proxied)),
            ..self
        }
    }
}

/// What a connection has to pass before it is served.
struct Door {
    /// Whose header is to be read.
    proxies: Option<ProxyProtocol>,
    /// What a client is told that is one too many.
    refusal: &'static [u8],
}

impl Door {
    /// Reads for whom a proxy speaks, who is counted in its place. `None` if that one has its share of the slots.
    async fn pass(&self, mut connection: Accepted, slot: &mut Slot) -> Result<Option<Accepted>> {
        let Some(proxies) = &self.proxies else { return Ok(Some(connection)) };
        let header = proxies.read(&mut connection.stream).await?;
        let connection = connection.proxied(header);
        let span = tracing::Span::current();
        span.record("peer", connection.peer.map(tracing::field::display));
        span.record(
            "proxy",
            connection.proxied.as_ref().and_then(|proxied| proxied.proxy).map(tracing::field::display),
        );
        if connection.peer.is_none_or(|peer| slot.claim(peer.ip())) {
            return Ok(Some(connection));
        }
        metrics::refused(connection.handle.protocol(), "limit");
        tracing::info!("too many connections");
        listener::refuse(&connection.stream, self.refusal);
        Ok(None)
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
    connection: Accepted,
    #[cfg(feature = "testing")] layer: Option<Box<dyn crate::layer::Layer>>,
    mut slot: Slot,
    door: Door,
    serve: Arc<F>,
    cut: CancellationToken,
    shared: Arc<Shared>,
) where
    F: Fn(Accepted) -> R,
    R: Future<Output = Result<()>>,
{
    let span = tracing::info_span!(
        "connection",
        protocol = shared.protocol,
        id = connection.id,
        peer = connection.peer.map(tracing::field::display),
        proxy = tracing::field::Empty,
    );
    let handle = connection.handle.clone();
    let mut counted = metrics::Counted::opened(shared.protocol, "server");
    // Moved about, it would be here once more for each place that it was in.
    let conversation = Box::pin(async {
        tracing::debug!("accepted");
        let Some(mut connection) = door.pass(connection, &mut slot).await? else { return Ok(()) };
        if connection.channel == Channel::Tls && connection.handle.has_tls() {
            let stream = std::mem::take(&mut connection.stream);
            connection.stream = connection.handle.start_tls(stream).await?;
        }
        #[cfg(feature = "testing")]
        if let Some(layer) = layer {
            let inner = std::mem::take(&mut connection.stream);
            connection.stream = Stream::Layered(Box::new(crate::layer::Layered { layer, inner }));
        }
        serve(connection).await
    });
    // Whoever does not heed the notice in time is cut.
    let overstayed = async {
        let notice = handle.overdue().await;
        tokio::time::sleep(shared.farewell()).await;
        notice
    };
    let ending = async {
        tokio::select! {
            result = conversation => match result {
                Ok(()) => tracing::debug!("closed"),
                Err(error) => {
                    counted.ends(metrics::cause(&error));
                    match error {
                        Error::Misuse(_) | Error::Sasl(_) => tracing::error!(error = %Chain(&error), "failed"),
                        error => tracing::info!(error = %Chain(&error), "ended"),
                    }
                }
            },
            () = cut.cancelled() => {
                counted.ends("cut");
                tracing::info!("cut");
            }
            notice = overstayed => {
                counted.ends(notice.cause());
                tracing::info!(?notice, "cut");
            }
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
