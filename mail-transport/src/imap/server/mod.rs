//! A server over an application's [`Service`].
//!
//! The application has users, mailboxes and messages, which it names by their UIDs. Everything else
//! is here: sequence numbers and what the client was told, `\Recent`, the two revisions of IMAP and
//! their responses, EXPUNGE held back where it would confuse, IDLE, login by all mechanisms, TLS,
//! limits, shutting down.

mod body;
mod conversation;
mod listing;
mod mailboxes;
mod messages;
mod numbers;
mod open;
mod sending;
mod service;

use std::sync::Arc;

use mailwire_core::Channel;
use mailwire_imap::{
    Capability,
    server::{Config, Connection},
};
use tokio_util::sync::CancellationToken;

pub use body::Body;
pub use listing::Mailbox;
pub use service::{
    Appended, Content, Copied, Fetched, Given, Namespaces, NewMessage, NoReader, Reader, Refusal, Selected,
    Service, Session, Status, Stored, Update,
};

use self::conversation::Conversation;
use crate::{
    Driver, DriverConfig, Result, Stream,
    sasl::SaslContext,
    server::{Accepted, Acceptor, Handle, Listener, ServerLimits, grantable},
};

/// An IMAP server. One can serve several ports, which then share its limits.
///
/// The store of the `memory` feature is a service to begin with. What a service of one's own has to
/// do stands at [`Service`] and [`Session`].
///
/// ```no_run
/// use mailwire_transport::{Result, Security, imap, server::Listener, tls::ServerTls};
/// use tokio_util::sync::CancellationToken;
///
/// # async fn run(service: impl imap::server::Service, tls: ServerTls) -> Result<()> {
/// let server = imap::Server::new(service);
/// let listener = Listener::bind("[::]:993", Security::implicit_tls(), Some(tls)).await?;
/// server.serve(listener, CancellationToken::new()).await
/// # }
/// ```
#[derive(Debug)]
pub struct Server<S> {
    service: Arc<S>,
    acceptor: Acceptor,
    config: Arc<Config>,
    attempts: usize,
}

impl<S> Clone for Server<S> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
            acceptor: self.acceptor.clone(),
            config: Arc::clone(&self.config),
            attempts: self.attempts,
        }
    }
}

impl<S: Service> Server<S> {
    /// A server with the default limits.
    pub fn new(service: S) -> Self {
        // The channel and the mechanisms are each connection's.
        let mut config = Config::new(Channel::Clear);
        config.capabilities.extend([Capability::Binary, Capability::SearchRes]);
        Self {
            service: Arc::new(service),
            acceptor: Acceptor::new("imap").with_refusal(b"* BYE [UNAVAILABLE] Too many connections\r\n"),
            config: Arc::new(config),
            attempts: 5,
        }
    }

    /// Everything that the state machine can be told: the greeting, further capabilities, the dialect,
    /// what one client may cost and how long it may be silent. The channel is the listener's, and
    /// mechanisms are the [authenticator](Service::authenticator)'s. The largest message is
    /// [`Limits::literal`](mailwire_imap::Limits).
    #[must_use]
    pub fn configure(mut self, configure: impl FnOnce(&mut Config)) -> Self {
        configure(Arc::make_mut(&mut self.config));
        self
    }

    /// Bounds on what all clients may cost.
    #[must_use]
    pub fn with_server_limits(mut self, limits: ServerLimits) -> Self {
        self.acceptor = self.acceptor.with_limits(limits);
        self
    }

    /// How many logins may fail on one connection; five by default.
    #[must_use]
    pub fn with_login_attempts(mut self, attempts: usize) -> Self {
        self.attempts = attempts.max(1);
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

    /// Serves a port until `shutdown` is cancelled: then clients that wait are told BYE, commands in
    /// progress have the [grace](ServerLimits::grace) to end, and this returns.
    ///
    /// # Errors
    ///
    /// The listener is of no more use.
    pub async fn serve(&self, listener: Listener, shutdown: CancellationToken) -> Result<()> {
        let server = self.clone();
        let serve = move |accepted: Accepted| {
            let server = server.clone();
            async move { server.converse(accepted.stream, accepted.channel, Some(accepted.handle)).await }
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
        self.converse(stream, channel, None).await
    }

    async fn converse(&self, stream: Stream, channel: Channel, handle: Option<Handle>) -> Result<()> {
        let mut config = Config::clone(&self.config);
        config.channel = grantable(channel, handle.as_ref());
        let allow_clear = config.allow_clear_credentials;
        let context = SaslContext::of_server(&stream, channel == Channel::Tls, allow_clear);
        config.mechanisms = conversation::offered(&*self.service, &context);
        let driver = Driver::with_config(stream, Connection::new(config), DriverConfig::server());
        let mut conversation = Conversation {
            driver,
            handle,
            service: Arc::clone(&self.service),
            allow_clear,
            attempts: self.attempts,
            session: None,
            open: None,
        };
        conversation.run().await
    }
}
