use std::{fmt, future::Future, sync::Arc};

use mailwire_core::Channel;
use tokio_util::sync::CancellationToken;

use super::{Accepted, Acceptor, Listener, ServerLimits};
use crate::{Result, Stream, WireLine};

/// Makes a [`Server`] one of a protocol: how it says that it is full, what its machine can be
/// told, and how it serves one client of a service `S`.
pub trait ServerProtocol<S>: Clone + Send + Sync + 'static {
    /// The configuration of the state machine.
    type Config;

    /// The protocol's name in the traces.
    const NAME: &'static str;

    /// The line for a client that is one too many: the protocol's "come back later".
    const REFUSAL: &'static [u8];

    /// Returns the configuration of each connection's state machine. Its channel and its mechanisms are each
    /// connection's.
    fn config_mut(&mut self) -> &mut Self::Config;

    /// Takes passwords on connections without TLS.
    fn allow_clear_credentials(&mut self);

    /// Serves one client until it leaves.
    ///
    /// # Errors
    ///
    /// The client or the stream failed.
    fn converse(&self, service: Arc<S>, client: Accepted) -> impl Future<Output = Result<()>> + Send;
}

/// What those protocols have in common whose machine's `Config` is in the field `config`.
#[cfg(any(feature = "smtp", feature = "pop3"))]
macro_rules! configured {
    () => {
        type Config = Config;

        fn config_mut(&mut self) -> &mut Config {
            &mut self.config
        }

        fn allow_clear_credentials(&mut self) {
            self.config.allow_clear_credentials = true;
        }
    };
}
#[cfg(any(feature = "smtp", feature = "pop3"))]
pub(crate) use configured;

/// A server of the protocol `P` over an application's service `S`.
///
/// `smtp::Server`, `imap::Server` and `pop3::Server` are this for their protocol, and say how one is
/// made. Clones share their limits: one server can serve several ports.
///
/// # Examples
///
/// ```no_run
/// # #[cfg(feature = "pop3")] mod example {
/// use mailwire_transport::{Result, Security, pop3, server::Listener, tls::ServerTls};
/// use tokio_util::sync::CancellationToken;
///
/// async fn run(service: impl pop3::server::Service, tls: ServerTls) -> Result<()> {
///     let server = pop3::Server::new(service);
///     let shutdown = CancellationToken::new();
///     let implicit = Listener::bind("[::]:995", Security::implicit_tls(), Some(tls.clone())).await?;
///     let upgraded = Listener::bind("[::]:110", Security::required_starttls(), Some(tls)).await?;
///     tokio::try_join!(server.serve(implicit, shutdown.clone()), server.serve(upgraded, shutdown))?;
///     Ok(())
/// }
/// # }
/// ```
pub struct Server<P, S> {
    protocol: Arc<P>,
    service: Arc<S>,
    acceptor: Acceptor,
}

impl<P, S> Clone for Server<P, S> {
    fn clone(&self) -> Self {
        Self {
            protocol: Arc::clone(&self.protocol),
            service: Arc::clone(&self.service),
            acceptor: self.acceptor.clone(),
        }
    }
}

impl<P, S> fmt::Debug for Server<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("acceptor", &self.acceptor).finish_non_exhaustive()
    }
}

impl<P: ServerProtocol<S>, S: Send + Sync + 'static> Server<P, S> {
    /// A server of `service` with the default limits.
    pub fn with_protocol(protocol: P, service: S) -> Self {
        let acceptor = Acceptor::new(P::NAME).with_refusal(P::REFUSAL);
        Self { protocol: Arc::new(protocol), service: Arc::new(service), acceptor }
    }

    /// Changes what the state machine of each connection is told: the greeting, further capabilities,
    /// the dialect, what one client may cost and how long it may be silent.
    ///
    /// The channel is the listener's, and the mechanisms are the authenticator's, whatever is said
    /// here.
    #[must_use]
    pub fn configure(mut self, configure: impl FnOnce(&mut P::Config)) -> Self {
        configure(Arc::make_mut(&mut self.protocol).config_mut());
        self
    }

    /// Bounds what all clients together may cost.
    #[must_use]
    pub fn with_server_limits(mut self, limits: ServerLimits) -> Self {
        self.acceptor = self.acceptor.with_limits(limits);
        self
    }

    /// Returns what all clients together may cost: what [`with_server_limits`](Self::with_server_limits) can be given with a part of it
    /// changed.
    #[must_use]
    pub fn server_limits(&self) -> &ServerLimits {
        self.acceptor.limits()
    }

    /// Takes passwords on connections without TLS, where everybody on the way can read them.
    #[must_use]
    pub fn allow_clear_credentials(mut self) -> Self {
        Arc::make_mut(&mut self.protocol).allow_clear_credentials();
        self
    }

    /// Sets whether SASL mechanisms that bind to TLS (`SCRAM-SHA-256-PLUS` and `SCRAM-SHA-1-PLUS`) are
    /// offered and taken; `true` by default. Some programs choose them where they are offered, and then
    /// cannot bind.
    #[must_use]
    pub fn with_channel_binding(mut self, offer: bool) -> Self {
        self.acceptor = self.acceptor.with_channel_binding(offer);
        self
    }

    /// Shows the lines of all conversations, without secrets: see [`WireLog`](crate::WireLog).
    #[must_use]
    pub fn with_wire_log(mut self, show: impl Fn(WireLine<'_>) + Send + Sync + 'static) -> Self {
        self.acceptor = self.acceptor.with_wire_log(show);
        self
    }

    /// Puts a [`Layer`](crate::testing::Layer) above the stream of each connection, and of TLS, by which the server fails
    /// as a test wants it. It is made when the connection is accepted, one after the other.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_layers(
        mut self,
        layers: impl Fn() -> Box<dyn crate::testing::Layer> + Send + Sync + 'static,
    ) -> Self {
        self.acceptor = self.acceptor.with_layers(layers);
        self
    }

    /// Returns the service.
    #[must_use]
    pub fn service(&self) -> &S {
        &self.service
    }

    /// Returns the number of connections now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.acceptor.connections()
    }

    /// Serves a port until `shutdown` is cancelled: then no more clients are taken, those that there
    /// are get told, messages on their way have the [grace](ServerLimits::grace) to end, and this
    /// returns. If this future is dropped, all of its connections are cut.
    ///
    /// It borrows the server; a task of its own takes it along:
    ///
    /// ```no_run
    /// # use mailwire_transport::{Result, server::Listener, smtp::{Server, proto::{Reply, ReplyCode}, server::each_message}};
    /// # use tokio_util::sync::CancellationToken;
    /// # #[cfg(feature = "smtp")]
    /// # async fn run(listener: Listener) -> std::result::Result<(), Box<dyn std::error::Error>> {
    /// # let service = each_message(async |_| Reply::new(ReplyCode::OK, "2.0.0 Seen"));
    /// let server = Server::new(service, "mx.example.org".try_into()?);
    /// let stop = CancellationToken::new();
    /// let stopped = stop.clone();
    /// let serving = tokio::spawn(async move { server.serve(listener, stopped).await });
    /// // Later:
    /// stop.cancel();
    /// serving.await??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The listener is of no more use.
    pub async fn serve(&self, listener: Listener, shutdown: CancellationToken) -> Result<()> {
        let server = self.clone();
        let serve = move |client: Accepted| {
            let server = server.clone();
            async move { server.protocol.converse(server.service, client).await }
        };
        self.acceptor.clone().with_shutdown(shutdown).serve(listener, serve).await
    }

    /// Serves one client over a stream that is there: a pipe, a tunnel. Protect it, or call it
    /// [`Channel::Tls`] if it never leaves the machine; STARTTLS is not to be had here. It is not counted
    /// among the connections; the limits of time hold.
    ///
    /// # Errors
    ///
    /// The client or the stream failed.
    pub async fn serve_stream(&self, stream: Stream, channel: Channel) -> Result<()> {
        self.protocol.converse(Arc::clone(&self.service), self.acceptor.over(stream, channel)).await
    }

    /// The protocol, with its settings.
    #[cfg(feature = "pop3")]
    pub(crate) fn protocol_mut(&mut self) -> &mut P {
        Arc::make_mut(&mut self.protocol)
    }
}
