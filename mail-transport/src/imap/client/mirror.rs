//! What a mirror of a mailbox sends over a connection, and takes from it.

use std::time::Duration;

use mailwire_core::Ticket;
use mailwire_imap::{
    Capability,
    client::{Connection, Event},
    command::Command,
    extensions::notify::Notify,
    response::{Code, FetchData, MsgAtt, Reply, ReplyKind, Untagged},
    sync::{Change, InDoubt, Step, Synchronizer},
};
use tokio::time::Instant;

use crate::runtime::timeout_at;

use super::{
    Call, Client,
    error::{refused, unexpected},
    idle::Pace,
    kept::{compact, compact_reply},
};
use crate::{Error, Phase, Result, session::Machine};

/// A synchronizer over one connection after another.
pub(super) struct Mirror {
    pub(super) sync: Synchronizer,
    waiting: Waiting,
    talk: Talk,
    /// Why it may not be in step, although nothing is to be asked.
    pub(super) in_doubt: Option<InDoubt>,
}

/// What goes on over the present connection.
struct Talk {
    /// The command in progress.
    call: Option<Call>,
    /// IDLE, which any command ends.
    idle: Option<Call>,
    push: Push,
    pace: Pace,
    /// When the server is asked, IDLE is begun anew, or a pause ends.
    due: Option<Instant>,
    /// When an answer has to be there.
    answer_by: Option<Instant>,
}

/// How news are waited for.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    /// What is asked for by NOTIFY, where the server has that.
    pub(super) notify: Option<Notify>,
    /// Whether IDLE is used, where the server has that.
    pub(super) idle: bool,
    /// How often a server is asked that does not push.
    pub(super) poll: Duration,
    /// How long the server may be silent while it is asked for news; `None`: as long as in any command.
    pub(super) patience: Option<Duration>,
}

impl Waiting {
    pub(super) const POLL: Duration = Duration::from_secs(60);
}

impl Default for Waiting {
    fn default() -> Self {
        Self { notify: None, idle: true, poll: Self::POLL, patience: None }
    }
}

/// How news come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Push {
    /// By themselves, once NOTIFY was answered.
    Notify(Told),
    /// While IDLE lasts.
    Idle,
    /// When the server is asked.
    Ask,
}

/// Whether the server was told what to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    No,
    Asked,
    Yes,
}

impl Push {
    fn by(client: &Client, waiting: &Waiting) -> Self {
        if waiting.notify.is_some() && client.has(&Capability::Notify) {
            Self::Notify(Told::No)
        } else {
            Self::without_notify(client, waiting)
        }
    }

    fn without_notify(client: &Client, waiting: &Waiting) -> Self {
        if waiting.idle && client.has_or_rev2(&Capability::Idle) { Self::Idle } else { Self::Ask }
    }
}

/// An answer whose time was over before anybody waited for it again may still take so long.
const GRACE: Duration = Duration::from_secs(5);

impl Mirror {
    pub(super) fn new(sync: Synchronizer, waiting: Waiting) -> Self {
        let talk =
            Talk { call: None, idle: None, push: Push::Ask, pace: Pace::new(), due: None, answer_by: None };
        Self { sync, waiting, talk, in_doubt: None }
    }

    /// The synchronizer begins over this connection.
    pub(super) fn connected(&mut self, client: &Client) {
        let (push, pace) = (Push::by(client, &self.waiting), Pace::new());
        self.talk = Talk { call: None, idle: None, push, pace, due: None, answer_by: None };
    }

    /// News are waited for in another way from now on.
    pub(super) fn wait_by(&mut self, client: Option<&Client>, waiting: Waiting) {
        if let Some(client) = client {
            self.talk.push = Push::by(client, &waiting);
            self.talk.due = None;
        }
        self.waiting = waiting;
    }

    /// The next change; `None` in step, or as near as the server lets it come. Cancel-safe.
    pub(super) async fn next(&mut self, client: &mut Client) -> Result<Option<Change>> {
        loop {
            if let Some(change) = self.sync.change() {
                return Ok(Some(change));
            }
            if self.talk.call.is_some() {
                if let Some(event) = self.event(client, None).await? {
                    self.take(client, event)?;
                }
                continue;
            }
            self.in_doubt = None;
            match self.sync.next_step() {
                Step::Send(command) => {
                    let call = self.send(client, *command).inspect_err(|_| self.sync.not_sent())?;
                    self.sync.sent(call.ticket);
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

    /// Waits for something to happen, in step. Cancel-safe.
    pub(super) async fn wait(&mut self, client: &mut Client) -> Result<()> {
        let due = match self.talk.due {
            Some(due) => due,
            None => match self.begin(client)? {
                Some(due) => *self.talk.due.insert(due),
                None => return Ok(()),
            },
        };
        match self.event(client, Some(due)).await? {
            Some(event) => self.take(client, event),
            None => self.ring(client),
        }
    }

    /// Begins to wait: gives until when, unless a command has to be answered first.
    fn begin(&mut self, client: &mut Client) -> Result<Option<Instant>> {
        let now = Instant::now();
        let renewal = now + client.settings.idle_interval;
        let pause = Some(self.talk.pace.next()).filter(|next| *next > now);
        Ok(Some(match (self.talk.push, &self.waiting.notify, pause) {
            (Push::Notify(Told::No) | Push::Idle, _, Some(pause)) => pause,
            (Push::Notify(Told::No), Some(notify), None) => {
                let command = Command::Notify(notify.clone().into());
                self.send(client, command)?;
                self.talk.push = Push::Notify(Told::Asked);
                self.talk.pace.begin();
                self.await_answer();
                return Ok(None);
            }
            // The server may take one who says nothing for gone.
            (Push::Notify(_), ..) => renewal,
            (Push::Idle, ..) => {
                if self.talk.idle.is_none() {
                    self.talk.idle = Some(client.send(Command::Idle)?);
                    self.talk.pace.begin();
                    self.await_answer();
                }
                renewal
            }
            (Push::Ask, ..) => now + self.waiting.poll,
        }))
    }

    /// It is time to say something.
    fn ring(&mut self, client: &mut Client) -> Result<()> {
        self.talk.due = None;
        if self.talk.idle.is_some() {
            // Not possible while it is being begun anew, and not needed then.
            let _ = client.session.machine().renew_idle();
            self.await_answer();
        } else if matches!(self.talk.push, Push::Ask | Push::Notify(Told::Yes)) {
            self.send(client, Command::Noop)?;
            self.await_answer();
        }
        Ok(())
    }

    fn send(&mut self, client: &mut Client, command: Command) -> Result<Call> {
        self.talk.due = None;
        Ok(*self.talk.call.insert(client.send(command)?))
    }

    fn await_answer(&mut self) {
        self.talk.answer_by = self.waiting.patience.map(|patience| Instant::now() + patience);
    }

    /// The next event; `None` if it is `due` before there is one.
    async fn event(&mut self, client: &mut Client, due: Option<Instant>) -> Result<Option<Event>> {
        let now = Instant::now();
        // Time in which nobody looked does not count.
        self.talk.answer_by = self.talk.answer_by.map(|by| if by <= now { now + GRACE } else { by });
        let until = self.talk.answer_by.into_iter().chain(due).min();
        let event = match until {
            Some(until) => match timeout_at(until, client.session.event()).await {
                Ok(event) => event?,
                Err(_) if self.talk.answer_by == Some(until) => return Err(self.unanswered(client)),
                Err(_) => return Ok(None),
            },
            None => client.session.event().await?,
        };
        if self.talk.answer_by.is_some() {
            self.await_answer();
        }
        match self.talk.call.or(self.talk.idle) {
            Some(call) => client.judge(call, event).map(Some),
            None => Ok(Some(event)),
        }
    }

    fn unanswered(&self, client: &mut Client) -> Error {
        let after = self.waiting.patience.unwrap_or_default();
        let server = Some(client.endpoint().address().to_string());
        client.session.end(Error::Timeout { phase: Phase::Command, after, server })
    }

    fn take(&mut self, client: &mut Client, event: Event) -> Result<()> {
        self.sync.handle(&event);
        let event = match event {
            Event::Data { data, .. } => {
                client.inbox.note(&data);
                let overflow = has_overflowed(&data);
                // The rest is the mirror's.
                if is_for_people(&data) || is_about_others(&data) {
                    client.inbox.push(data);
                }
                if overflow {
                    self.overflowed(client)?;
                }
                // It may never end the stream.
                return client.session.check_goodbye();
            }
            Event::Idling { ticket } if self.talk.idle.is_some_and(|call| call.ticket == ticket) => {
                self.talk.answer_by = None;
                self.talk.due = Some(Instant::now() + client.settings.idle_interval);
                return Ok(());
            }
            event => event,
        };
        let Some(ended) = self.ended(&event) else {
            client.inbox.unclaimed(event);
            return Ok(());
        };
        let is_call = self.talk.idle.is_none_or(|idle| idle.ticket != ended.ticket);
        match client.ended(ended, event) {
            Some(Err(error)) if !client.is_usable() => return Err(error),
            // The mirror knows what to make of a refusal.
            Some(Err(error)) => {
                crate::traces::debug!(command = ended.name, %error, "refused within a synchronization");
                self.concluded(client, is_call, false);
            }
            _ => self.concluded(client, is_call, true),
        }
        Ok(())
    }

    /// The command that the event ends, if it is the mirror's.
    fn ended(&self, event: &Event) -> Option<Call> {
        let ticket: Ticket = <Connection as Machine>::completes(event)?;
        self.talk.call.into_iter().chain(self.talk.idle).find(|call| call.ticket == ticket)
    }

    /// The command in progress has ended, or IDLE has.
    fn concluded(&mut self, client: &mut Client, is_call: bool, accepted: bool) {
        if is_call {
            self.talk.call = None;
            self.talk.answer_by = None;
            if self.talk.push == Push::Notify(Told::Asked) {
                if accepted {
                    self.talk.push = Push::Notify(Told::Yes);
                    // What came before it.
                    self.talk.due = Some(Instant::now());
                } else {
                    self.talk.push = Push::without_notify(client, &self.waiting);
                    let answer = client.inbox.completion.clone();
                    answer.into_iter().for_each(|answer| client.inbox.push(Untagged::Reply(answer)));
                }
            }
            return;
        }
        self.talk.idle = None;
        // Otherwise it was ended for a command of the mirror.
        if self.talk.call.is_none() {
            (self.talk.due, self.talk.answer_by) = (None, None);
            if !accepted || !self.talk.pace.ended() {
                self.talk.push = Push::Ask;
            }
        }
    }

    /// The server tells nothing more: what it has not told is asked for, and NOTIFY is sent again.
    fn overflowed(&mut self, client: &mut Client) -> Result<()> {
        if self.talk.push != Push::Notify(Told::Yes) {
            return Ok(());
        }
        if !self.talk.pace.ended() {
            // Without it, this connection would be told nothing: the next one is told by other means.
            self.waiting.notify = None;
            return Err(client.session.end(unexpected("the end of NOTIFY at once, again and again")));
        }
        self.talk.push = Push::Notify(Told::No);
        self.talk.due = None;
        self.sync.lost();
        Ok(())
    }

    /// Goes on after other calls.
    ///
    /// # Errors
    ///
    /// One of them has ended the connection, or left it spent.
    pub(super) async fn resume(&mut self, client: &mut Client) -> Result<()> {
        let Some(witness) = client.session.witness.take() else { return Ok(()) };
        witness.events.iter().for_each(|event| self.sync.handle(event));
        let is_over = |call: &mut Call| !client.session.is_pending(call.ticket);
        if self.talk.call.take_if(is_over).is_some() {
            self.talk.answer_by = None;
            if self.talk.push == Push::Notify(Told::Asked) {
                self.talk.push = Push::Notify(Told::No);
            }
            if witness.lost {
                self.sync.not_sent();
            }
        }
        if self.talk.idle.take_if(is_over).is_some() {
            (self.talk.due, self.talk.answer_by) = (None, None);
        }
        if witness.lost {
            self.sync.lost();
        }
        if client.is_usable() {
            return Ok(());
        }
        client.settle().await
    }
}

/// What other calls have brought that is the mirror's.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    events: Vec<Event>,
    weight: usize,
    /// Something is missing.
    lost: bool,
}

impl Witness {
    /// How many bytes it keeps; what is more is asked for again.
    const ROOM: usize = 1 << 20;

    /// The mailbox is left, or too much came.
    pub(super) fn lose(&mut self) {
        *self = Self { lost: true, ..Self::default() };
    }

    pub(super) fn see(&mut self, event: &Event) {
        if self.lost {
            return;
        }
        let (event, weight) = match event {
            Event::Data { data, during, .. } => {
                let data = match data {
                    Untagged::Fetch(fetch) => Untagged::Fetch(about_flags(fetch)),
                    Untagged::Exists(_)
                    | Untagged::Expunge(_)
                    | Untagged::Vanished(_)
                    | Untagged::Search(_)
                    | Untagged::ESearch(_)
                    | Untagged::Reply(_)
                    | Untagged::Enabled(_) => data.clone(),
                    _ => return,
                };
                let (data, weight) = compact(data);
                (Event::Data { data, during: *during, deviations: Vec::new() }, weight)
            }
            Event::Reply { ticket, reply, .. } => {
                let Some((reply, weight)) = compact_reply(reply, Self::ROOM / 4) else { return self.lose() };
                (Event::Reply { ticket: *ticket, reply, deviations: Vec::new() }, weight)
            }
            Event::Malformed { ticket, error, .. } => {
                (Event::Malformed { ticket: *ticket, bytes: bytes::Bytes::new(), error: *error }, 0)
            }
            Event::NotSent { .. } => (event.clone(), 0),
            _ => return,
        };
        self.weight = self.weight.saturating_add(weight).saturating_add(size_of::<Event>() * 3);
        self.events.push(event);
        if self.weight > Self::ROOM {
            self.lose();
        }
    }
}

/// What a FETCH response says of flags.
fn about_flags(fetch: &FetchData) -> FetchData {
    let items = fetch
        .items
        .iter()
        .filter(|item| matches!(item, MsgAtt::Uid(_) | MsgAtt::Flags(_) | MsgAtt::ModSeq(_)));
    let items: Vec<MsgAtt> = items.cloned().collect();
    let mut kept = fetch.clone();
    kept.items = items.into();
    kept
}

/// Words for people, which belong to no mirror.
fn is_for_people(data: &Untagged) -> bool {
    match data {
        Untagged::Reply(Reply { kind: ReplyKind::Ok, code, .. }) => {
            matches!(code, Some(Code::Alert | Code::NotificationOverflow))
        }
        Untagged::Reply(_) => true,
        _ => false,
    }
}

/// What NOTIFY tells of other mailboxes, and of the server.
const fn is_about_others(data: &Untagged) -> bool {
    matches!(data, Untagged::List(_) | Untagged::Status(_) | Untagged::Extension(_))
}

fn has_overflowed(data: &Untagged) -> bool {
    matches!(data, Untagged::Reply(Reply { code: Some(Code::NotificationOverflow), .. }))
}
