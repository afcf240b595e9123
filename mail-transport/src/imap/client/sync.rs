//! Keeping a mirror of a mailbox in step.

use std::time::Duration;

use mailwire_core::Ticket;
use mailwire_imap::{
    Capability,
    client::{Connection, Event},
    command::Command,
    response::{Code, Reply, ReplyKind, Untagged},
    sync::{Change, InDoubt, Step, SyncOptions, SyncState, Synchronizer},
    types::Uid,
    view::View,
};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Call, Client, error::refused, idle::SHORT};
use crate::{Result, session::Machine};

/// A mirror of a mailbox that is brought in step, and kept there.
///
/// The mailbox is selected as long as this lives. It can be dropped at any time: what was given until then
/// is right, and [`Client::sync`] goes on from there, over this connection or another one.
#[must_use]
pub struct Syncing<'a> {
    client: &'a mut Client,
    sync: Synchronizer,
    /// The command in progress.
    call: Option<Call>,
    /// IDLE, and when it is to be begun anew.
    idle: Option<(Call, Instant)>,
    idle_begun: Instant,
    /// The server ends IDLE by itself: it is asked now and then in place of that.
    polls: bool,
    /// When it is asked next.
    poll_at: Option<Instant>,
    in_doubt: Option<InDoubt>,
}

/// How often a server is asked that does not push.
const POLL: Duration = Duration::from_secs(60);

impl Client {
    /// Brings a mirror of a mailbox in step with the server: by QRESYNC or CONDSTORE where they are offered
    /// ([RFC 7162](https://www.rfc-editor.org/rfc/rfc7162)), else by reading all flags.
    ///
    /// `state` and `known` are what the application has stored: how far it had come, and the identifiers of the
    /// messages that it has, in ranges with both ends. See [`mailwire_imap::sync`] for what to store when.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use mailwire_imap::{sync::{Change, SyncOptions, SyncState}, types::{MailboxName, Uid}};
    /// # async fn example(client: &mut mailwire_transport::imap::Client) -> mailwire_transport::Result<()> {
    /// # let (stored, known): (SyncState, Vec<(Uid, Uid)>) = Default::default();
    /// let mut syncing = client.sync(stored, known, SyncOptions::new(MailboxName::INBOX)).await?;
    /// while let Some(change) = syncing.next().await? {
    ///     match change {
    ///         Change::New { uid, .. } => println!("{uid} is new"),
    ///         Change::Checkpoint => println!("store {:?}", syncing.state().to_bytes()),
    ///         _ => {}
    ///     }
    /// }
    /// // In step: from here on, changes come as they happen.
    /// let change = syncing.wait().await?;
    /// # let _ = change;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The connection has failed.
    pub async fn sync(
        &mut self,
        state: SyncState,
        known: impl IntoIterator<Item = (Uid, Uid)>,
        options: SyncOptions,
    ) -> Result<Syncing<'_>> {
        let Self { session, inbox, .. } = self;
        session.finish_dropped(|event| inbox.unclaimed(event)).await?;
        let sync = Synchronizer::new(state, known, self.capabilities(), options);
        let polls = !self.has_or_rev2(&Capability::Idle);
        Ok(Syncing {
            client: self,
            sync,
            call: None,
            idle: None,
            idle_begun: Instant::now(),
            polls,
            poll_at: None,
            in_doubt: None,
        })
    }
}

impl Syncing<'_> {
    /// The next change; `None` in step with what the server has told, or as near as it lets come
    /// ([`in_doubt`](Self::in_doubt)). Cancel-safe.
    ///
    /// # Errors
    ///
    /// The server refuses to select the mailbox, or the connection fails. What was given before is right.
    pub async fn next(&mut self) -> Result<Option<Change>> {
        loop {
            if let Some(change) = self.sync.change() {
                return Ok(Some(change));
            }
            if let Some(call) = self.call {
                let event = self.client.event(call).await?;
                self.take(event)?;
                continue;
            }
            self.in_doubt = None;
            match self.sync.next_step() {
                Step::Send(command) => {
                    let call = self.client.send(*command).inspect_err(|_| self.sync.not_sent())?;
                    self.sync.sent(call.ticket);
                    self.call = Some(call);
                }
                Step::Refused(reply) => return Err(refused("SELECT", &reply)),
                step => {
                    if let Step::InDoubt(reason) = step {
                        self.in_doubt = Some(reason);
                    }
                    // The proof that it is in step is a change of the state.
                    return Ok(self.sync.change());
                }
            }
        }
    }

    /// Waits for the next change: by IDLE, or by asking once a minute where the server does not push.
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub async fn wait(&mut self) -> Result<Change> {
        loop {
            if let Some(change) = self.next().await? {
                return Ok(change);
            }
            match self.idle {
                Some((call, renew_at)) => match timeout_at(renew_at, self.client.event(call)).await {
                    Ok(event) => self.take(event?)?,
                    // Not possible while it is being begun anew, and not needed then.
                    Err(_) => {
                        let _ = self.client.session.machine().renew_idle();
                        self.idle = Some((call, Instant::now() + self.client.settings.idle_interval));
                    }
                },
                None if self.polls => {
                    // Whoever waits again and again for less than this goes on with the same wait.
                    sleep_until(*self.poll_at.get_or_insert_with(|| Instant::now() + POLL)).await;
                    self.poll_at = None;
                    self.call = Some(self.client.send(Command::Noop)?);
                }
                None => {
                    let call = self.client.send(Command::Idle)?;
                    self.idle_begun = Instant::now();
                    self.idle = Some((call, self.idle_begun + self.client.settings.idle_interval));
                }
            }
        }
    }

    fn take(&mut self, event: Event) -> Result<()> {
        self.sync.handle(&event);
        if let Event::Data { data, .. } = event {
            self.client.inbox.note(&data);
            // The rest is the mirror's.
            if is_notice(&data) {
                self.client.inbox.push(data);
            }
            return Ok(());
        }
        let Some(ended) = self.ended(&event) else {
            self.client.inbox.unclaimed(event);
            return Ok(());
        };
        match self.client.ended(ended, event) {
            Some(Err(error)) if !self.client.is_usable() => Err(error),
            // The mirror knows what to make of a refusal.
            Some(Err(error)) => {
                tracing::debug!(command = ended.name, %error, "refused within a synchronization");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The command that the event ends, if it is ours.
    fn ended(&mut self, event: &Event) -> Option<Call> {
        let ticket: Ticket = <Connection as Machine>::completes(event)?;
        if let Some(call) = self.call.take_if(|call| call.ticket == ticket) {
            return Some(call);
        }
        let (call, _) = self.idle.take_if(|(call, _)| call.ticket == ticket)?;
        // It was ended for a command of ours, or the server does not like it.
        let at_once = self.idle_begun.elapsed() < SHORT;
        self.polls |= self.call.is_none() && at_once;
        Some(call)
    }

    /// What to store beside the mirror, for the changes that were given until now.
    #[must_use]
    pub const fn state(&self) -> &SyncState {
        self.sync.state()
    }

    /// Why the mirror may not be in step, although [`next`](Self::next) gave `None`. Nothing in it was invented;
    /// something may be missing.
    #[must_use]
    pub const fn in_doubt(&self) -> Option<InDoubt> {
        self.in_doubt
    }

    /// Which message of the mailbox has which number.
    #[must_use]
    pub const fn view(&self) -> &View {
        self.sync.view()
    }
}

/// Words for people, which belong to no mirror.
fn is_notice(data: &Untagged) -> bool {
    match data {
        Untagged::Reply(Reply { kind: ReplyKind::Ok, code, .. }) => matches!(code, Some(Code::Alert)),
        Untagged::Reply(_) => true,
        _ => false,
    }
}

impl std::fmt::Debug for Syncing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Syncing").field("in_doubt", &self.in_doubt).finish_non_exhaustive()
    }
}
