use std::time::Duration;

use mailwire_core::Connection;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Driver, DriverError, Error, Phase, Result, Stream,
    tls::{ServerTls, TlsError},
    within,
};

/// The side of an [`Accepted`](super::Accepted) connection that is not the stream: notices, and the
/// handshake after STARTTLS. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    shutdown: CancellationToken,
    authenticated: CancellationToken,
    deadline: Option<Instant>,
    tls_timeout: Duration,
    tls: Option<ServerTls>,
    noticed: bool,
}

/// The reason why a connection is to end.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The server shuts down.
    Shutdown,
    /// Nobody has authenticated in time.
    Unauthenticated,
}

impl Handle {
    pub(super) fn new(
        shutdown: CancellationToken,
        deadline: Option<Instant>,
        tls: Option<ServerTls>,
        tls_timeout: Duration,
    ) -> Self {
        let authenticated = CancellationToken::new();
        Self { shutdown, authenticated, deadline, tls_timeout, tls, noticed: false }
    }

    /// Waits until the connection is to end. Its function then says so in its protocol (421, BYE)
    /// and returns; if it does not within [`ServerLimits::grace`](super::ServerLimits::grace), it is
    /// cut off.
    ///
    /// A notice is given once; after that this waits for ever. Cancel-safe, to be used in `select!`
    /// beside [`Driver::next`](crate::Driver::next).
    pub async fn notice(&mut self) -> Notice {
        if self.noticed {
            return std::future::pending().await;
        }
        let overdue = async {
            match self.deadline {
                Some(deadline) if !self.authenticated.is_cancelled() => {
                    tokio::select! {
                        () = self.authenticated.cancelled() => std::future::pending().await,
                        () = tokio::time::sleep_until(deadline) => {}
                    }
                }
                _ => std::future::pending().await,
            }
        };
        let notice = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Notice::Shutdown,
            () = overdue => Notice::Unauthenticated,
        };
        self.noticed = true;
        notice
    }

    /// Tells that somebody has authenticated, or need not: the time for it no longer runs.
    pub fn authenticated(&self) {
        self.authenticated.cancel();
    }

    /// Whether the server shuts down.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.shutdown.is_cancelled()
    }

    /// Whether STARTTLS can be granted.
    #[must_use]
    pub const fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Shakes hands over a stream in clear, after STARTTLS.
    ///
    /// # Errors
    ///
    /// No TLS is configured, the handshake fails or takes too long.
    pub async fn start_tls(&self, stream: Stream) -> Result<Stream> {
        let Some(tls) = &self.tls else { return Err(TlsError::NotConfigured.into()) };
        within(self.tls_timeout, Phase::Tls, tls.accept(stream)).await
    }

    /// Replaces a driver's stream in clear by one within TLS, after
    /// [`Step::Upgrade`](crate::Step::Upgrade).
    ///
    /// # Errors
    ///
    /// Those of [`start_tls`](Self::start_tls), or that bytes came in clear after STARTTLS.
    pub async fn upgrade<C: Connection>(&self, driver: &mut Driver<Stream, C>) -> Result<()>
    where
        Error: From<DriverError<C::Error>>,
    {
        driver.upgrade_in_place(Stream::Absent, |stream, _| self.start_tls(stream)).await
    }
}
