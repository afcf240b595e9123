//! IDLE.

use mailwire_imap::{client::Event, command::Command};
use tokio::time::{Instant, timeout_at};

use super::{Call, Client, Update, error::unexpected};
use crate::{Error, Result};

/// An IDLE in progress: the server tells what is new as it happens.
///
/// It is ended and begun anew every [`Config::idle_interval`](field@super::Config::idle_interval), as long as
/// [`next`](Self::next) is waited for. It can be dropped: the next call ends it.
#[must_use]
pub struct Idle<'a> {
    client: &'a mut Client,
    call: Call,
    over: bool,
    renew_at: Instant,
}

impl Client {
    /// IDLE: begins to wait for what is new ([RFC 9051 section 6.3.13](https://www.rfc-editor.org/rfc/rfc9051#section-6.3.13)).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::imap::Client) -> mailwire_transport::Result<()> {
    /// use mailwire_transport::imap::client::Update;
    ///
    /// client.select("INBOX").await?;
    /// let mut idle = client.idle().await?;
    /// loop {
    ///     if let Update::Exists(count) = idle.next().await? {
    ///         println!("{count} messages");
    ///         break;
    ///     }
    /// }
    /// idle.done().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The server refuses or does not offer IDLE, or the connection fails.
    pub async fn idle(&mut self) -> Result<Idle<'_>> {
        let call = self.start(Command::Idle).await?;
        loop {
            match self.event(call).await? {
                Event::Idling { ticket } if ticket == call.ticket => {
                    let renew_at = Instant::now() + self.settings.idle_interval;
                    return Ok(Idle { client: self, call, over: false, renew_at });
                }
                event => {
                    if let Some(end) = self.ended(call, event) {
                        end?;
                        return Err(unexpected("the end of IDLE before its beginning"));
                    }
                }
            }
        }
    }
}

impl Idle<'_> {
    /// Waits for the next update; those that the client has kept come first. Cancel-safe.
    ///
    /// # Errors
    ///
    /// The server ends IDLE with NO or BAD, or the connection fails. IDLE is over then.
    pub async fn next(&mut self) -> Result<Update> {
        loop {
            if let Some(update) = self.client.inbox.pop() {
                return Ok(update);
            }
            if self.over {
                return Err(Error::Closed);
            }
            match timeout_at(self.renew_at, self.client.event(self.call)).await {
                Ok(Ok(event)) => self.take(event)?,
                Ok(Err(error)) => {
                    self.over = true;
                    return Err(error);
                }
                // Not possible while it is being begun anew, and not needed then.
                Err(_) => {
                    let _ = self.client.session.machine().renew_idle();
                    self.restart_clock();
                }
            }
        }
    }

    fn take(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Idling { .. } => self.restart_clock(),
            event => match self.client.ended(self.call, event) {
                None => {}
                // The server has ended it by itself.
                Some(Ok(_)) => {
                    self.call = self.client.send(Command::Idle).inspect_err(|_| self.over = true)?;
                    self.restart_clock();
                }
                Some(Err(error)) => {
                    self.over = true;
                    return Err(error);
                }
            },
        }
        Ok(())
    }

    fn restart_clock(&mut self) {
        self.renew_at = Instant::now() + self.client.settings.idle_interval;
    }

    /// Ends IDLE. What has come is among the client's [`updates`](Client::updates).
    ///
    /// # Errors
    ///
    /// The server answers with NO or BAD, or the connection fails.
    pub async fn done(self) -> Result<()> {
        let Self { client, call, mut over, .. } = self;
        while !over {
            // It may have to begin before it can end.
            let _ = client.session.machine().done();
            let event = client.event(call).await?;
            if let Some(end) = client.ended(call, event) {
                end?;
                over = true;
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Idle<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Idle").field("over", &self.over).finish_non_exhaustive()
    }
}
