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

use mailwire_core::Dialect;
use mailwire_smtp::{Host, Mechanism, server::Config};
use tokio_util::sync::CancellationToken;

pub use body::{Body, BodyError};
pub use service::{Client, Service, Session};

use crate::{
    Result,
    server::{Accepted, Acceptor, Listener, ServerLimits},
};

/// A server of SMTP, submission or LMTP.
#[derive(Debug)]
#[must_use]
pub struct Server<S> {
    service: Arc<S>,
    config: Config,
    limits: ServerLimits,
}

impl<S: Service> Server<S> {
    /// A server that calls itself `name`.
    pub fn new(service: S, name: Host) -> Self {
        // The channel is each listener's.
        let mut config = Config::new(name, mailwire_core::Channel::Clear);
        config.mechanisms = service
            .mechanisms()
            .iter()
            .filter_map(|mechanism| Mechanism::try_from(mechanism.name()).ok())
            .collect();
        Self { service: Arc::new(service), config, limits: ServerLimits::default() }
    }

    /// Speaks LMTP (RFC 2033): every recipient has an answer of its own.
    pub const fn lmtp(mut self) -> Self {
        self.config.lmtp = true;
        self
    }

    /// A submission server (RFC 6409): nobody sends without having logged in.
    pub const fn require_authentication(mut self) -> Self {
        self.config.require_auth = true;
        self
    }

    /// Nobody sends without TLS.
    pub const fn require_tls(mut self) -> Self {
        self.config.require_tls = true;
        self
    }

    /// How exactly clients are held to the grammar. Strict by default; a bare CR or LF is refused in
    /// every dialect.
    pub const fn dialect(mut self, dialect: Dialect) -> Self {
        self.config.dialect = dialect;
        self
    }

    /// Offers mechanisms that show passwords also without TLS.
    pub const fn allow_clear_credentials(mut self) -> Self {
        self.config.allow_clear_credentials = true;
        self
    }

    /// How many may connect, and for how long.
    pub fn limits(mut self, limits: ServerLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Everything that the state machine can be told. The channel is the listener's.
    pub fn configure(mut self, configure: impl FnOnce(&mut Config)) -> Self {
        configure(&mut self.config);
        self
    }

    /// Serves until `shutdown` is cancelled; then says 421 to those who are connected, once their
    /// message is through, and waits for them as long as the limits allow.
    ///
    /// # Errors
    ///
    /// The listener fails.
    pub async fn serve(&self, listener: Listener, shutdown: CancellationToken) -> Result<()> {
        let (service, config) = (Arc::clone(&self.service), Arc::new(self.config.clone()));
        let mut limits = self.limits.clone();
        if !config.require_auth {
            // Whoever need not log in is not late.
            limits.unauthenticated = None;
        }
        Acceptor::new(if config.lmtp { "lmtp" } else { "smtp" })
            .with_refusal(b"421 4.3.2 Too many connections\r\n")
            .with_limits(limits)
            .with_shutdown(shutdown)
            .serve(listener, move |accepted| {
                let (service, config) = (Arc::clone(&service), Arc::clone(&config));
                async move { connection::serve(&*service, &config, accepted).await }
            })
            .await
    }

    /// Serves one connection that was accepted elsewhere.
    ///
    /// # Errors
    ///
    /// The connection fails, or the client breaks the protocol.
    pub async fn serve_one(&self, accepted: Accepted) -> Result<()> {
        connection::serve(&*self.service, &self.config, accepted).await
    }
}
