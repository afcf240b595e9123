//! IDLE.

use std::time::Duration;

use mailwire_imap::{client::Event, command::Command};
use tokio::time::Instant;

use super::{Call, Client, Update, error::unexpected};
use crate::{
    Error, Result,
    runtime::{sleep_until, timeout_at},
};

/// An IDLE in progress: the server tells what is new as it happens.
///
/// It is ended and begun anew every [`Config::idle_interval`](field@super::Config::idle_interval), as long as
/// [`next`](Self::next) is waited for. It can be dropped: the next call ends it.
#[must_use]
pub struct Idle<'a> {
    client: &'a mut Client,
    /// The command in progress; none during a pause.
    call: Option<Call>,
    over: bool,
    renew_at: Instant,
    pace: Pace,
}

/// How often to begin anew what a server ends by itself: where it comes to nothing, doing so at once would keep
/// both sides busy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// When the present one began.
    begun: Instant,
    /// How many in a row the server has ended at once.
    short: u32,
    /// When the next one may begin.
    next: Instant,
}

impl Pace {
    /// What the server itself ends within this time was ended at once.
    const SHORT: Duration = Duration::from_secs(10);
    /// The pause after the second of those, and the longest. Each is twice as long as the one before.
    const FIRST_PAUSE: Duration = Duration::from_millis(100);
    const LONGEST_PAUSE: Duration = Duration::from_secs(30);
    /// So many of them in a row, and it is given up.
    const GIVE_UP: u32 = 12;

    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { begun: now, short: 0, next: now }
    }

    /// It begins.
    pub(super) fn begin(&mut self) {
        self.begun = Instant::now();
    }

    /// When it may begin anew.
    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    /// The server has ended it. Gives whether it is to begin anew.
    pub(super) fn ended(&mut self) -> bool {
        let now = Instant::now();
        self.next = now;
        if now.saturating_duration_since(self.begun) >= Self::SHORT {
            self.short = 0;
            return true;
        }
        self.short = self.short.saturating_add(1);
        // The first one can be a matter of chance.
        if let Some(doublings) = self.short.checked_sub(2) {
            let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
            self.next = now + Self::FIRST_PAUSE.saturating_mul(factor).min(Self::LONGEST_PAUSE);
        }
        self.short < Self::GIVE_UP
    }
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
                    let pace = Pace::new();
                    return Ok(Idle { client: self, call: Some(call), over: false, renew_at, pace });
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
    /// The server ends IDLE with NO or BAD, or at once, again and again although the client pauses before it
    /// begins anew; or the connection fails. IDLE is over then.
    pub async fn next(&mut self) -> Result<Update> {
        loop {
            if let Some(update) = self.client.inbox.pop() {
                return Ok(update);
            }
            if self.over {
                return Err(Error::Closed);
            }
            let Some(call) = self.call else {
                sleep_until(self.pace.next()).await;
                self.call = Some(self.client.send(Command::Idle).inspect_err(|_| self.over = true)?);
                self.pace.begin();
                self.restart_clock();
                continue;
            };
            match timeout_at(self.renew_at, self.client.event(call)).await {
                Ok(Ok(event)) => self.take(call, event)?,
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

    #[inline]
    fn take(&mut self, call: Call, event: Event) -> Result<()> {
        match event {
            Event::Idling { .. } => self.restart_clock(),
            event => match self.client.ended(call, event) {
                None => {}
                // The server has ended it by itself.
                Some(Ok(_)) => {
                    self.call = None;
                    if !self.pace.ended() {
                        self.over = true;
                        return Err(unexpected("the end of IDLE at once, again and again"));
                    }
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
        let Some(call) = call else { return Ok(()) };
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
