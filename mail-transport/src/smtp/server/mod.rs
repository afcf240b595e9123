//! A server, over what an application decides.
//!
//! An application implements [`Service`] and [`Session`]: it is asked for a verdict on each sender,
//! recipient and message, and reads the message as it comes. The [`Server`] does the rest: the
//! protocol, TLS, authentication, limits, shutting down.
//!
//! ```no_run
//! use mailwire_transport::{
//!     Security,
//!     sasl::Authenticator,
//!     server::Listener,
//!     smtp::{proto::{Host, Reply, ReplyCode}, server::{Body, BodyError, Client, Server, Service, Session}},
//! };
//! use tokio_util::sync::CancellationToken;
//!
//! /// Takes every message and counts its bytes.
//! struct Counter;
//!
//! impl Authenticator for Counter {}
//!
//! impl Service for Counter {
//!     type Session = Connected;
//!     type Authenticator = Self;
//!     fn authenticator(&self) -> &Self {
//!         self
//!     }
//!     async fn connect(&self, _client: &Client) -> Result<Connected, Reply> {
//!         Ok(Connected)
//!     }
//! }
//!
//! struct Connected;
//!
//! impl Session for Connected {
//!     async fn message(&mut self, _client: &Client, body: &mut Body<'_>) -> Result<Reply, BodyError> {
//!         let mut length = 0;
//!         while let Some(chunk) = body.chunk().await? {
//!             length += chunk.len();
//!         }
//!         Ok(Reply::new(ReplyCode::OK, &format!("2.0.0 {length} bytes")))
//!     }
//! }
//!
//! # async fn run() -> mailwire_transport::Result<()> {
//! let listener = Listener::bind("127.0.0.1:2525", Security::plaintext_without_encryption(), None).await?;
//! let server = Server::new(Counter, Host::try_from("mx.example.org")?);
//! server.serve(listener, CancellationToken::new()).await?;
//! # Ok(())
//! # }
//! ```

mod body;
mod connection;
mod service;

use std::sync::Arc;

use mailwire_core::Channel;
use mailwire_smtp::{Host, server::Config};
use tokio_util::sync::CancellationToken;

pub use body::{Body, BodyError};
pub use service::{Client, Service, Session};

use crate::{
    Result, Stream,
    server::{Accepted, Acceptor, Listener, ServerLimits},
};

/// A server of SMTP, submission or LMTP. One can serve several ports, which then share its limits.
#[derive(Debug)]
pub struct Server<S> {
    service: Arc<S>,
    acceptor: Acceptor,
    config: Arc<Config>,
}

impl<S> Clone for Server<S> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
            acceptor: self.acceptor.clone(),
            config: Arc::clone(&self.config),
        }
    }
}

impl<S: Service> Server<S> {
    /// A server that calls itself `name`, with the default limits.
    pub fn new(service: S, name: Host) -> Self {
        // The channel and the mechanisms are each connection's.
        let config = Config::new(name, Channel::Clear);
        let acceptor = Acceptor::new("smtp")
            .with_refusal(b"421 4.3.2 Too many connections\r\n")
            .with_limits(ServerLimits { unauthenticated: None, ..ServerLimits::default() });
        Self { service: Arc::new(service), acceptor, config: Arc::new(config) }
    }

    /// Everything that the state machine can be told: the greeting, further capabilities, the dialect,
    /// what one client may cost and how long it may be silent. The channel is the listener's, and
    /// mechanisms are the [authenticator](Service::authenticator)'s. The largest message is
    /// [`Limits::message`](mailwire_smtp::Limits).
    #[must_use]
    pub fn configure(mut self, configure: impl FnOnce(&mut Config)) -> Self {
        configure(Arc::make_mut(&mut self.config));
        self
    }

    /// Speaks LMTP (RFC 2033): every recipient has an answer of its own.
    #[must_use]
    pub fn lmtp(self) -> Self {
        self.configure(|config| config.lmtp = true)
    }

    /// A submission server (RFC 6409): nobody sends without having logged in, and nobody stays
    /// without.
    #[must_use]
    pub fn require_authentication(mut self) -> Self {
        self.acceptor = self.acceptor.with_limits(ServerLimits::default());
        self.configure(|config| config.require_auth = true)
    }

    /// Nobody sends without TLS.
    #[must_use]
    pub fn require_tls(self) -> Self {
        self.configure(|config| config.require_tls = true)
    }

    /// Bounds on what all clients may cost.
    #[must_use]
    pub fn with_server_limits(mut self, limits: ServerLimits) -> Self {
        self.acceptor = self.acceptor.with_limits(limits);
        self
    }

    /// Takes passwords on connections without TLS, where everybody on the way can read them.
    #[must_use]
    pub fn allow_clear_credentials(self) -> Self {
        self.configure(|config| config.allow_clear_credentials = true)
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> &S {
        &self.service
    }

    /// The number of connections now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.acceptor.connections()
    }

    /// Serves a port until `shutdown` is cancelled: then clients are told 421 once their message is
    /// through, messages on their way have the [grace](ServerLimits::grace) to end, and this returns.
    ///
    /// # Errors
    ///
    /// The listener is of no more use.
    pub async fn serve(&self, listener: Listener, shutdown: CancellationToken) -> Result<()> {
        let server = self.clone();
        let serve = move |accepted: Accepted| {
            let server = server.clone();
            async move {
                let Accepted { stream, channel, handle, .. } = accepted;
                connection::serve(&*server.service, &server.config, stream, channel, Some(handle)).await
            }
        };
        self.acceptor.clone().with_shutdown(shutdown).serve(listener, serve).await
    }

    /// Serves one client over a stream that is there: a pipe, a tunnel. Protect it, or call it
    /// [`Channel::Tls`] if it never leaves the machine; STARTTLS is not to be had here.
    ///
    /// # Errors
    ///
    /// The client or the stream failed.
    pub async fn serve_stream(&self, stream: Stream, channel: Channel) -> Result<()> {
        connection::serve(&*self.service, &self.config, stream, channel, None).await
    }
}
