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
//!         server::{Entry, Maildrop, Refusal, Service},
//!     },
//!     sasl::{Authenticator, Identity, LoginContext, StoredPassword, Unavailable},
//!     server::{Content, Listener, NoReader},
//! };
//! use tokio_util::sync::CancellationToken;
//!
//! /// One user, with the password `secret`, and the same message each time.
//! struct One {
//!     password: StoredPassword,
//! }
//!
//! impl Authenticator for One {
//!     async fn lookup(&self, user: &str, _: &LoginContext) -> Result<Option<StoredPassword>, Unavailable> {
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
//!     type Reader = NoReader;
//!
//!     async fn messages(&mut self) -> Result<Vec<Entry>, Refusal> {
//!         let entry = |(index, message): (usize, &Bytes)| {
//!             let unique_id = UniqueId::new(index.to_string()).map_err(|_| Refusal::unavailable())?;
//!             Ok(Entry::new(message.len() as u64, unique_id))
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
//! # More than a maildrop
//!
//! A [`Service`] says further what it has, each by a method with a default: [`utf8`](Service::utf8) offers UTF8,
//! [`languages`](Service::languages) LANG, [`policy`](Service::policy) EXPIRE and LOGIN-DELAY. With
//! [`Config::xclient`] the server believes its clients when they tell by XCLIENT for whom they speak: it is for
//! ports that trusted proxies alone can reach.
//!
//! # Deleting
//!
//! DELE marks; only QUIT deletes, by [`Maildrop::commit`], and where a [policy](Policy) says that nothing may stay it
//! deletes what was downloaded, too. A client that vanishes, is cut off or is
//! told that the server shuts down has deleted nothing.

mod delays;
mod options;
mod presented;
mod service;
mod session;
mod speech;
mod surrogate;
mod top;
mod transaction;

use std::sync::Arc;

use mailwire_core::Channel;
use mailwire_pop3::{LineText, server::Config};

use self::delays::Delays;
pub use self::{
    options::{Expire, Language, Policy, Utf8},
    service::{Entry, Maildrop, Refusal, Service},
};
use crate::{
    Result,
    server::{Accepted, ServerProtocol, configured},
};

/// For the project's fuzz targets, and no part of the public API: a header in ASCII, of at most so many bytes.
#[doc(hidden)]
#[must_use]
pub fn header_surrogate(header: &[u8], limit: usize) -> Option<Vec<u8>> {
    surrogate::surrogate(header, limit)
}

/// A server of POP3.
pub type Server<S> = crate::server::Server<Pop3, S>;

/// POP3 as a server speaks it.
#[derive(Debug, Clone)]
pub struct Pop3 {
    config: Config,
    /// The name in APOP's timestamps.
    apop_host: Option<String>,
    delays: Arc<Delays>,
}

impl<S: Service> ServerProtocol<S> for Pop3 {
    configured!();

    const NAME: &'static str = "pop3";

    const REFUSAL: &'static [u8] = b"-ERR [SYS/TEMP] too many connections, come back later\r\n";

    async fn converse(&self, service: Arc<S>, client: Accepted) -> Result<()> {
        let mut config = self.config.clone();
        config.apop = self.apop_host.as_deref().map(session::timestamp).transpose()?;
        session::serve(&*service, &self.delays, config, client).await
    }
}

impl<S: Service> Server<S> {
    /// Makes a server with the default configuration and limits.
    pub fn new(service: S) -> Self {
        // The channel and the mechanisms are each connection's.
        let mut config = Config::new(Channel::Clear);
        config.implementation = LineText::new("mailwire").ok();
        Self::with_protocol(Pop3 { config, apop_host: None, delays: Arc::default() }, service)
    }

    /// Offers APOP, for which the application has to know passwords as they are
    /// ([`Service::apop_secret`]). `host` is for the timestamp in the greeting, which is made for each
    /// connection.
    ///
    /// # Errors
    ///
    /// A timestamp cannot have this in it.
    pub fn apop(mut self, host: impl Into<String>) -> Result<Self> {
        let host = host.into();
        session::timestamp(&host)?;
        self.protocol_mut().apop_host = Some(host);
        Ok(self)
    }
}
