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
mod content;
mod handle;
mod listener;
mod login;
mod protocol;
mod refusal;
mod slots;

use std::time::Duration;

pub use acceptor::{Accepted, Acceptor};
pub use content::{AsyncReader, Content, NoReader, Reader};
pub use handle::{Handle, Notice};
pub use listener::Listener;
pub use login::LoginGate;
pub use protocol::{Server, ServerProtocol};
pub use refusal::Refusal;

/// The bounds on what a server takes on.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// Connections at one time.
    pub connections: usize,
    /// Connections at one time from one address. IPv6 is counted by /64, which is what one customer
    /// usually has.
    pub connections_per_address: usize,
    /// The time for a TLS handshake, implicit or after STARTTLS.
    pub tls_timeout: Duration,
    /// The time that a connection may stay without a user: then [`Handle::notice`] says
    /// [`Notice::Unauthenticated`]. Starts when the connection is accepted.
    pub unauthenticated: Option<Duration>,
    /// The time that connections have to end by themselves after a notice; then they are cut.
    pub grace: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 1000,
            connections_per_address: 100,
            tls_timeout: Duration::from_secs(30),
            unauthenticated: Some(Duration::from_secs(180)),
            grace: Duration::from_secs(30),
        }
    }
}
