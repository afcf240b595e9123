//! Managers for [`deadpool`]'s pools, for programs that have all their pools from there.
//!
//! deadpool gives connections and nothing else: [`smtp::Mailer`](crate::smtp::Mailer), which knows when a message may be sent once more, and
//! the bounds of [`PoolOptions`] are not in it.
//!
//! ```no_run
//! use deadpool::managed::Pool;
//! use mailwire_transport::{Endpoint, Protocol, Security, pool::deadpool::Manager, sasl::Credentials, smtp};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Endpoint::new("mail.example.org", Protocol::Submission, Security::implicit_tls());
//! let config = smtp::Config::login(Credentials::password("anna", "secret"));
//! let pool: Pool<Manager<smtp::Client>> = Pool::builder(Manager::new(server, config)).max_size(4).build()?;
//! let mut client = pool.get().await?;
//! let envelope = smtp::Envelope::new("anna@example.org", ["bob@example.net"])?;
//! client.send(&envelope, "Subject: Hi\r\n\r\nHello, Bob.\r\n").await?;
//! # Ok(())
//! # }
//! ```

use std::{fmt, time::Duration};

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};

use super::{PoolOptions, Pooled, answers};
use crate::{Endpoint, Error, Result};

/// Makes clients of one account for a pool of deadpool, and says which of them can be used again.
#[derive(Clone)]
pub struct Manager<C: Pooled> {
    endpoint: Endpoint,
    config: C::Config,
    ask_after: Duration,
    patience: Duration,
}

impl<C: Pooled> Manager<C> {
    /// A manager of clients with this configuration.
    #[must_use]
    pub fn new(endpoint: Endpoint, config: C::Config) -> Self {
        let PoolOptions { ask_after, patience, .. } = PoolOptions::default();
        Self { endpoint, config, ask_after, patience }
    }

    /// Sets how long a connection may have been unused so that its server need not be asked whether it is still there: see
    /// [`PoolOptions::ask_after`].
    #[must_use]
    pub const fn with_ask_after(mut self, ask_after: Duration) -> Self {
        self.ask_after = ask_after;
        self
    }

    /// Sets how long the answer to that may take: see [`PoolOptions::patience`].
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

impl<C: Pooled> managed::Manager for Manager<C> {
    type Type = C;
    type Error = Error;

    async fn create(&self) -> Result<C> {
        let mut client = C::open(self.endpoint.clone(), self.config.clone()).await?;
        client.mark_unaltered();
        Ok(client)
    }

    async fn recycle(&self, client: &mut C, metrics: &Metrics) -> RecycleResult<Error> {
        if !(client.is_reusable() && client.look()) {
            return Err(RecycleError::message("the connection has ended, or the session is not what it was"));
        }
        if client.is_settled() && metrics.last_used() < self.ask_after {
            return Ok(());
        }
        match answers(client, self.patience).await {
            true => Ok(()),
            false => Err(RecycleError::message("the server does not answer, or has ended the session")),
        }
    }
}

impl<C: Pooled> fmt::Debug for Manager<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager").field("server", self.endpoint.address()).finish_non_exhaustive()
    }
}
