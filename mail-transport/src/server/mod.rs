//! What servers of all three protocols have in common: listening, limits, TLS, shutting down.
//!
//! An [`Acceptor`] takes connections off a [`Listener`], counts them, shakes hands where TLS is
//! implicit, and gives each as an [`Accepted`] to a function of the protocol's server, in a task of
//! its own.
//!
//! ```
//! use mailwire_transport::{
//!     Result, Security,
//!     server::{Accepted, Acceptor, Listener},
//! };
//! use tokio::io::AsyncWriteExt;
//! use tokio_util::sync::CancellationToken;
//!
//! async fn serve(mut connection: Accepted) -> Result<()> {
//!     connection.stream.write_all(b"hello\r\n").await?;
//!     connection.stream.shutdown().await?;
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let listener =
//!     Listener::bind("127.0.0.1:0", Security::plaintext_without_encryption(), None).await?;
//! let shutdown = CancellationToken::new();
//! # shutdown.cancel();
//! Acceptor::new("greeter").with_shutdown(shutdown).serve(listener, serve).await?;
//! # Ok(())
//! # }
//! ```

mod acceptor;
pub(crate) mod attempts;
mod content;
mod handle;
mod listener;
pub(crate) mod login;
mod protocol;
mod proxied;
mod refusal;
mod slots;

use std::time::Duration;

pub use acceptor::{Accepted, Acceptor};
pub use attempts::LoginLimits;
#[cfg(any(feature = "imap", feature = "pop3"))]
pub(crate) use content::without_nul;
pub use content::{AsyncReader, Content, NoReader, Reader};
pub use handle::{Handle, Notice};
pub use listener::Listener;
pub use login::LoginGate;
#[cfg(any(feature = "smtp", feature = "pop3"))]
pub(crate) use protocol::configured;
pub use protocol::{Server, ServerProtocol};
pub use proxied::{Proxied, ProxyProtocol};
pub use refusal::Refusal;

/// The bounds on what a server takes on.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// Connections at one time: 1000.
    pub connections: usize,
    /// Connections at one time from one address: 100. IPv6 is counted by /64, which is what one customer
    /// usually has.
    pub connections_per_address: usize,
    /// Whether an address that has 8 connections gets another one only while it has less than a tenth of
    /// what is free, so that no handful of addresses takes all. True by default; a server whose clients
    /// all come from one proxy or relay says no, unless that tells it their addresses:
    /// see [`Listener::with_proxy_protocol`].
    pub fair_shares: bool,
    /// The time for a TLS handshake, implicit or after STARTTLS: 30 seconds.
    pub tls_timeout: Duration,
    /// The time that a connection may stay without a user: then [`Handle::notice`] says
    /// [`Notice::Unauthenticated`]. It starts when the connection is accepted. 3 minutes; for an SMTP server
    /// that takes mail without a login 5 minutes until the first recipient is accepted.
    pub unauthenticated: Option<Duration>,
    /// The time that a connection may last in all: then [`Handle::notice`] says [`Notice::Expired`], what is in
    /// progress has the grace to end, and the client comes back if it wants. 24 hours; for SMTP 2 hours.
    pub session: Option<Duration>,
    /// The time that a client may let the server wait for a whole command, from its first byte to the
    /// last of its answer, however steadily its bytes trickle. The bytes of a message add to it by
    /// [`least_rate`](Self::least_rate). 10 minutes. It is never shorter than what the protocol's own
    /// `Timeouts` give between two bytes.
    pub command: Option<Duration>,
    /// The least rate at which a client has to send and to read what is large, in bytes per second: 500. 0 for
    /// none: then `command` is all the time that a message has.
    pub least_rate: u32,
    /// The delays of logins after others that failed.
    pub logins: LoginLimits,
    /// The time that connections have to end by themselves after a notice: 30 seconds. Then what is in progress is broken
    /// off with the protocol's last word where it has one, and the connection is cut. Before the login there
    /// is no grace.
    pub grace: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 1000,
            connections_per_address: 100,
            fair_shares: true,
            tls_timeout: Duration::from_secs(30),
            unauthenticated: Some(Duration::from_secs(180)),
            session: Some(Duration::from_secs(24 * 3600)),
            command: Some(Duration::from_secs(600)),
            least_rate: 500,
            logins: LoginLimits::default(),
            grace: Duration::from_secs(30),
        }
    }
}
