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
//!         server::{Content, Entry, Maildrop, No, Service},
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
//!     async fn open(&self, _: &Identity) -> Result<Messages, No> {
//!         Ok(Messages(vec![Bytes::from_static(b"Subject: hello\r\n\r\nHello!\r\n")]))
//!     }
//! }
//!
//! struct Messages(Vec<Bytes>);
//!
//! impl Maildrop for Messages {
//!     type Reader = tokio::io::Empty;
//!
//!     async fn messages(&mut self) -> Result<Vec<Entry>, No> {
//!         let entry = |(index, message): (usize, &Bytes)| {
//!             let unique_id = UniqueId::new(index.to_string()).map_err(|_| No::unavailable())?;
//!             Ok(Entry { size: message.len() as u64, unique_id })
//!         };
//!         self.0.iter().enumerate().map(entry).collect()
//!     }
//!
//!     async fn retr(&mut self, index: usize) -> Result<Content, No> {
//!         let message = self.0.get(index).ok_or_else(|| No::new("no such message"))?;
//!         Ok(message.clone().into())
//!     }
//!
//!     async fn commit(self, _deleted: Vec<usize>) -> Result<(), No> {
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

use mailwire_core::{Channel, Dialect};
use mailwire_pop3::{Limits, server::Config};
use tokio_util::sync::CancellationToken;

pub use self::service::{Content, Entry, Maildrop, No, Service};
use crate::{
    Result, Stream,
    server::{Accepted, Acceptor, Listener, ServerLimits},
};

/// A POP3 server. Clones share their limits: use one for all ports.
#[must_use]
pub struct Server<S> {
    service: Arc<S>,
    settings: Settings,
    acceptor: Acceptor,
}

#[derive(Debug, Clone)]
struct Settings {
    machine: Config,
    /// The name in APOP's timestamps.
    apop_host: Option<String>,
}

impl<S> Clone for Server<S> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
            settings: self.settings.clone(),
            acceptor: self.acceptor.clone(),
        }
    }
}

/// Shows nothing of the application.
impl<S> std::fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<S: Service> Server<S> {
    /// A server with the default configuration and limits.
    pub fn new(service: S) -> Self {
        // The channel is each connection's.
        let machine = Config::new(Channel::Clear);
        let acceptor =
            Acceptor::new("pop3").with_refusal(b"-ERR [SYS/TEMP] too many connections, come back later\r\n");
        Self { service: Arc::new(service), settings: Settings { machine, apop_host: None }, acceptor }
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
        self.settings.apop_host = Some(host);
        Ok(self)
    }

    /// How exactly clients are held to the grammar. Line ends are strict in every dialect.
    pub const fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.settings.machine.dialect = dialect;
        self
    }

    /// Takes passwords and tokens also without TLS, readable by everyone on the way.
    pub const fn allow_clear_credentials(mut self) -> Self {
        self.settings.machine.allow_clear_credentials = true;
        self
    }

    /// Bounds on what one client may cost.
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.settings.machine.limits = limits;
        self
    }

    /// How many may connect, and for how long without a login.
    pub fn with_server_limits(mut self, limits: ServerLimits) -> Self {
        self.acceptor = self.acceptor.with_limits(limits);
        self
    }

    /// Everything that the state machine can be told: the greeting, further capabilities, limits,
    /// timeouts. The channel is the listener's, mechanisms are the
    /// [authenticator](Service::authenticator)'s, and APOP's timestamp is made for each connection.
    pub fn configure(mut self, configure: impl FnOnce(&mut Config)) -> Self {
        configure(&mut self.settings.machine);
        self
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
                session::serve(&*server.service, &server.settings, stream, channel, Some(handle)).await
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
        session::serve(&*self.service, &self.settings, stream, channel, None).await
    }
}
