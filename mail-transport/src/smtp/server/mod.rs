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
//!     smtp::{
//!         proto::{Host, Reply, ReplyCode},
//!         server::{Body, BodyError, Client, Server, Service, Session, Transaction},
//!     },
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
//!     async fn message(
//!         &mut self,
//!         _client: &Client,
//!         _transaction: &Transaction,
//!         body: &mut Body<'_>,
//!     ) -> Result<Reply, BodyError> {
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
mod each;
mod service;
mod transaction;

use std::{sync::Arc, time::Duration};

use mailwire_core::Channel;
use mailwire_smtp::{Capability, Host, extensions::limits::SessionLimits, server::Config};

pub use body::{Body, BodyError, Part};
pub use each::{EachMessage, Incoming, each_message};
pub use service::{Client, Service, Session};
pub use transaction::Transaction;

use crate::{
    Result,
    server::{Accepted, ServerLimits, ServerProtocol, configured},
};

/// A server of SMTP, submission or LMTP.
pub type Server<S> = crate::server::Server<Smtp, S>;

/// SMTP, submission or LMTP as a server speaks it.
#[derive(Debug, Clone)]
pub struct Smtp {
    config: Config,
}

impl<S: Service> ServerProtocol<S> for Smtp {
    configured!();

    const NAME: &'static str = "smtp";

    const REFUSAL: &'static [u8] = b"421 4.3.2 Too many connections\r\n";

    async fn converse(&self, service: Arc<S>, client: Accepted) -> Result<()> {
        connection::serve(&*service, self.config.clone(), client).await
    }
}

impl<S: Service> Server<S> {
    /// Makes a server that calls itself `name`. Nobody has to log in; a client that does not has five
    /// minutes to name a recipient that is accepted. A connection lasts for two hours at most.
    pub fn new(service: S, name: Host) -> Self {
        // The channel and the mechanisms are each connection's.
        let mut config = Config::new(name, Channel::Clear);
        offer(&mut config, Capability::Chunking);
        offer(&mut config, Capability::Limits(SessionLimits::new()));
        for kept in service.extensions() {
            offer(&mut config, kept);
        }
        Self::with_protocol(Smtp { config }, service).with_server_limits(limits(Duration::from_secs(300)))
    }

    /// Speaks LMTP ([RFC 2033](https://www.rfc-editor.org/rfc/rfc2033)): every recipient has an answer
    /// of its own.
    #[must_use]
    pub fn lmtp(self) -> Self {
        self.configure(|config| config.lmtp = true)
    }

    /// Makes it a submission server ([RFC 6409](https://www.rfc-editor.org/rfc/rfc6409)): nobody sends
    /// without having logged in, and nobody stays without.
    #[must_use]
    pub fn require_authentication(self) -> Self {
        self.with_server_limits(limits(Duration::from_secs(180)))
            .configure(|config| config.require_auth = true)
    }

    /// Offers BINARYMIME ([RFC 3030 section 3](https://www.rfc-editor.org/rfc/rfc3030#section-3)), for a service
    /// that keeps every byte of a message as it is, and hands it on so or not at all: messages then come with NULs
    /// and with bare CRs and LFs. CHUNKING alone is offered by default.
    #[must_use]
    pub fn binary_mime(self) -> Self {
        self.configure(|config| offer(config, Capability::BinaryMime))
    }

    /// Offers one more extension whose parameters the service keeps, beside its
    /// [own](Service::extensions): [`Session::mail`] and [`Session::rcpt`] are given them, and
    /// [`Session::message`] once more. DSN is for a service that sends reports, REQUIRETLS for one that relays nothing, or
    /// relays as [RFC 8689](https://www.rfc-editor.org/rfc/rfc8689) has it. LIMITS is offered by default, with what the
    /// configuration says.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_transport::smtp::{proto::Capability, server::{Server, Service}};
    ///
    /// fn with_reports<S: Service>(server: Server<S>) -> Server<S> {
    ///     server.with_extension(Capability::Dsn).expect("the machine hands on what DSN says")
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The machine cannot keep what it promises, or offers it by itself: see
    /// [`Config::set_capabilities`](mailwire_smtp::server::Config::set_capabilities).
    pub fn with_extension(self, capability: Capability) -> Result<Self, mailwire_smtp::Invalid> {
        let mut taken = Ok(());
        let server = self.configure(|config| {
            let offered: Vec<_> = config.capabilities().iter().chain([capability]).collect();
            taken = config.set_capabilities(offered);
        });
        taken.map(|()| server)
    }

    /// Lets nobody send without TLS.
    #[must_use]
    pub fn require_tls(self) -> Self {
        self.configure(|config| config.require_tls = true)
    }
}

/// Offers one more of what the machine keeps by itself.
fn offer(config: &mut Config, capability: Capability) {
    let offered: Vec<_> = config.capabilities().iter().chain([capability]).collect();
    // One that cannot be kept is not offered.
    let _ = config.set_capabilities(offered);
}

/// The limits of a server of mail, whose clients have something to say or go.
fn limits(unauthenticated: Duration) -> ServerLimits {
    let session = Some(Duration::from_secs(2 * 3600));
    ServerLimits { unauthenticated: Some(unauthenticated), session, ..ServerLimits::default() }
}
