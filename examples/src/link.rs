//! Connections to an account, one after another.

use std::time::Duration;

use anyhow::{Context as _, Result};
use mailwire_transport::imap::Client;

use crate::{Failed, Status, tell};

/// Connections to an account, one after another: when one is lost, the next one goes on.
#[derive(Debug)]
pub struct Link<C> {
    connect: C,
    client: Option<Client>,
    /// It was connected before.
    known: bool,
    /// How often it was lost with nothing done in between.
    losses: u32,
}

/// How often a connection may be lost with nothing done in between, and how often one is tried for.
const TRIES: u32 = 5;

impl<C: AsyncFnMut() -> Result<Client>> Link<C> {
    /// `connect` makes a connection, whose user is logged in.
    pub const fn new(connect: C) -> Self {
        Self { connect, client: None, known: false, losses: 0 }
    }

    /// The connection, or another one.
    ///
    /// # Errors
    ///
    /// There is none. After one that was lost, it is tried several times, with pauses.
    pub async fn client(&mut self) -> Result<&mut Client> {
        let client = match self.client.take().filter(Client::is_usable) {
            Some(client) => client,
            None => self.connected().await?,
        };
        Ok(self.client.insert(client))
    }

    async fn connected(&mut self) -> Result<Client> {
        let mut pause = Duration::from_millis(500);
        let mut left = if self.known { TRIES } else { 1 };
        loop {
            left -= 1;
            match (self.connect)().await {
                Ok(client) => {
                    self.known = true;
                    return Ok(client);
                }
                Err(error) if left == 0 || Status::of(&error) != Status::Temporary => return Err(error),
                Err(error) => tell(format_args!("no connection yet: {error:#}")),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    /// Does something that can be done again, over as many connections as it takes.
    ///
    /// # Errors
    ///
    /// It is refused, or there is no connection that lasts.
    pub async fn retried<T>(
        &mut self,
        mut work: impl AsyncFnMut(&mut Client) -> Result<T, Failed>,
    ) -> Result<T> {
        loop {
            match work(self.client().await?).await {
                Ok(done) => return Ok(done),
                Err(Failed::Connection(error)) => self.lost(error)?,
                Err(Failed::Alone(_, error) | Failed::Disk(error)) => return Err(error),
            }
        }
    }

    /// The connection was lost.
    ///
    /// # Errors
    ///
    /// It was lost too often with nothing done in between: another one would not help.
    pub fn lost(&mut self, error: anyhow::Error) -> Result<()> {
        self.client = None;
        self.losses += 1;
        if self.losses >= TRIES {
            return Err(error).context("the connection was lost too often");
        }
        tell(format_args!("the connection was lost, and another one is made: {error:#}"));
        Ok(())
    }

    /// Something was done over this connection.
    pub const fn done(&mut self) {
        self.losses = 0;
    }

    /// Ends the session. All is done: how it ends changes nothing.
    pub async fn leave(self) {
        let Some(client) = self.client.filter(Client::is_usable) else { return };
        if let Err(error) = client.logout().await {
            tell(format_args!("the end of the session: {error}"));
        }
    }
}
