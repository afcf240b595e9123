//! A server of POP3.
//!
//! An application implements [`Service`] and [`Maildrop`]; the protocol, TLS, authentication, limits
//! and the end are the server's.
//!
//! ```
//! use bytes::Bytes;
//! use mailwire_core::Secret;
//! use mailwire_transport::{
//!     Result, Security,
//!     pop3::{
//!         Server, UniqueId,
//!         server::{Content, Entry, Maildrop, Refusal, Service},
//!     },
//!     sasl::{Authenticator, Identity, StoredPassword, Unavailable},
//!     server::Listener,
//! };
//! use tokio_util::sync::CancellationToken;
//!
//! /// One user, with the password `secret`, and the same message each time.
//! struct One {
//!     password: StoredPassword,
//! }
//!
//! impl Authenticator for One {
//!     async fn lookup(&self, user: &str) -> Result<Option<StoredPassword>, Unavailable> {
//!         Ok((user == "ada").then(|| self.password.clone()))
//!     }
//! }
//!
//! impl Service for One {
//!     type Maildrop = Messages;
//!     type Authenticator = Self;
//!
//!     fn authenticator(&self) -> &Self {
//!         self
//!     }
//!
//!     async fn open(&self, _: &Identity) -> Result<Messages, Refusal> {
//!         Ok(Messages(vec![Bytes::from_static(b"Subject: hello\r\n\r\nHello!\r\n")]))
//!     }
//! }
//!
//! struct Messages(Vec<Bytes>);
//!
//! impl Maildrop for Messages {
//!     type Reader = tokio::io::Empty;
//!
//!     async fn messages(&mut self) -> Result<Vec<Entry>, Refusal> {
//!         let entry = |(index, message): (usize, &Bytes)| {
//!             let unique_id = UniqueId::new(index.to_string()).map_err(|_| Refusal::unavailable())?;
//!             Ok(Entry { size: message.len() as u64, unique_id })
//!         };
//!         self.0.iter().enumerate().map(entry).collect()
//!     }
//!
//!     async fn retr(&mut self, index: usize) -> Result<Content, Refusal> {
//!         let message = self.0.get(index).ok_or_else(|| Refusal::new("no such message"))?;
//!         Ok(message.clone().into())
//!     }
//!
//!     async fn commit(self, _deleted: Vec<usize>) -> Result<(), Refusal> {
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let service = One { password: StoredPassword::derive(&"secret".into())? };
//! // A server with `Security::implicit_tls()` has a `ServerTls` in the place of `None`.
//! let listener =
//!     Listener::bind("127.0.0.1:0", Security::plaintext_without_encryption(), None).await?;
//! let shutdown = CancellationToken::new();
//! # shutdown.cancel();
//! Server::new(service).serve(listener, shutdown).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Deleting
//!
//! DELE marks; only QUIT deletes, by [`Maildrop::commit`]. A client that vanishes, is cut off or is
//! told that the server shuts down has deleted nothing.

mod service;
mod session;
mod top;
mod transaction;

use std::sync::Arc;

use mailwire_core::Channel;
use mailwire_pop3::server::Config;
use tokio_util::sync::CancellationToken;

pub use self::service::{Content, Entry, Maildrop, Refusal, Service};
use crate::{
    Result, Stream,
    server::{Accepted, Acceptor, Handle, Listener, ServerLimits, grantable},
};

/// A POP3 server. Clones share their limits: use one for all ports.
#[derive(Debug)]
pub struct Server<S> {
    service: Arc<S>,
    acceptor: Acceptor,
    config: Arc<Config>,
    /// The name in APOP's timestamps.
    apop_host: Option<String>,
}

impl<S> Clone for Server<S> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
            acceptor: self.acceptor.clone(),
            config: Arc::clone(&self.config),
            apop_host: self.apop_host.clone(),
        }
    }
}

impl<S: Service> Server<S> {
    /// A server with the default configuration and limits.
    pub fn new(service: S) -> Self {
        // The channel is each connection's.
        let config = Config::new(Channel::Clear);
        let acceptor =
            Acceptor::new("pop3").with_refusal(b"-ERR [SYS/TEMP] too many connections, come back later\r\n");
        Self { service: Arc::new(service), acceptor, config: Arc::new(config), apop_host: None }
    }

    /// Everything that the state machine can be told: the greeting, further capabilities, the dialect,
    /// what one client may cost and how long it may be silent. The channel is the listener's, and
    /// mechanisms are the [authenticator](Service::authenticator)'s. APOP's timestamp is made
    /// for each connection.
    #[must_use]
    pub fn configure(mut self, configure: impl FnOnce(&mut Config)) -> Self {
        configure(Arc::make_mut(&mut self.config));
        self
    }

    /// Offers APOP, for which the application has to know passwords as they are
    /// ([`Service::apop_secret`]). `host` is for the timestamp in the greeting.
    ///
    /// # Errors
    ///
    /// A timestamp cannot have this in it.
    pub fn apop(mut self, host: impl Into<String>) -> Result<Self> {
        let host = host.into();
        session::timestamp(&host)?;
        self.apop_host = Some(host);
        Ok(self)
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

    /// Serves a port until `shutdown` is cancelled: then a message that is being sent has the
    /// [grace](ServerLimits::grace) to come to its end, everybody is told, and this returns.
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
                server.converse(stream, channel, Some(handle)).await
            }
        };
        self.acceptor.clone().with_shutdown(shutdown).serve(listener, serve).await
    }

    /// Serves one client over a stream that is there: a pipe, a tunnel. Protect it, or call it
    /// [`Channel::Tls`] if it never leaves the machine; STLS is not to be had here.
    ///
    /// # Errors
    ///
    /// The stream failed, or the client broke the protocol.
    pub async fn serve_stream(&self, stream: Stream, channel: Channel) -> Result<()> {
        self.converse(stream, channel, None).await
    }

    async fn converse(&self, stream: Stream, channel: Channel, handle: Option<Handle>) -> Result<()> {
        let mut config = Config::clone(&self.config);
        config.channel = grantable(channel, handle.as_ref());
        config.apop = self.apop_host.as_deref().map(session::timestamp).transpose()?;
        session::serve(&*self.service, config, stream, handle).await
    }
}
