//! How a command is sent, and what comes until its end.

use std::task::{Context, Poll, ready};

use mailwire_core::Ticket;
use mailwire_imap::{
    client::{Connection, Event},
    command::Command,
    response::{Reply, ReplyKind, Untagged},
};

use super::{
    Client,
    error::{refusal, refused, reply_line},
    kept::Room,
    mirror::Witness,
};
use crate::{
    Result,
    runtime::Boxed,
    session::{Machine, Turn, Verdict, Words, machine_turns},
};

/// A command in progress.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) ticket: Ticket,
    pub(super) name: &'static str,
    /// Whether it ends the present mailbox, in success.
    pub(super) leaves: bool,
    /// Whether it is about messages, so that its success can be for a part of them.
    pub(super) partial: bool,
}

/// Takes the data that comes before the end of a command, and hands back what is not for it.
pub(super) type Take<'t> = dyn FnMut(Untagged) -> Result<Option<Untagged>> + Send + 't;

/// A [`Take`] for a command that has no data of its own.
pub(super) const fn hand_back(data: Untagged) -> Result<Option<Untagged>> {
    Ok(Some(data))
}

/// What each command goes through. It is compiled into this crate once: the calls above, which are compiled into each program
/// that makes them, hold none of it.
impl Client {
    /// Room for what one call collects.
    pub(super) const fn room(&self) -> Room {
        Room::new(self.settings.collected)
    }

    /// Sends a command of which nothing but its end is of interest.
    pub(super) fn simple(&mut self, command: Command) -> Boxed<'_, Result<()>> {
        Box::pin(async move {
            let call = self.start(command).await?;
            self.finish(call, &mut hand_back).await.map(drop)
        })
    }

    /// Sends a command and waits for its end. `take` is given the data that comes before that.
    pub(super) fn run<'a>(
        &'a mut self,
        command: Command,
        take: &'a mut Take<'_>,
    ) -> Boxed<'a, Result<Reply>> {
        Box::pin(async move {
            let call = self.start(command).await?;
            self.finish(call, take).await
        })
    }

    /// Sends a command, after what dropped calls have left.
    pub(super) fn start(&mut self, command: Command) -> Boxed<'_, Result<Call>> {
        Box::pin(async move {
            self.settle().await?;
            self.send(command)
        })
    }

    /// Waits for what dropped calls have left.
    pub(super) fn settle(&mut self) -> Boxed<'_, Result<()>> {
        let Self { session, inbox, .. } = self;
        Box::pin(session.finish_dropped(|event| inbox.unclaimed(event)))
    }

    /// Hands a command to the machine. No await lies between that and the note that its answer is due.
    // Not inlined: what drops a command that was not sent is large.
    #[inline(never)]
    pub(super) fn send(&mut self, command: Command) -> Result<Call> {
        let name = command.known_name().unwrap_or("the command");
        let leaves =
            matches!(command, Command::Select(_) | Command::Examine(_) | Command::Close | Command::Unselect);
        let partial = matches!(
            command,
            Command::Fetch(_)
                | Command::Store(_)
                | Command::StoreAnnotations(_)
                | Command::StoreLabels(_)
                | Command::Copy(_)
                | Command::Move(_)
                | Command::Search(_)
                | Command::Sort(_)
                | Command::Thread(_)
                | Command::Expunge
                | Command::UidExpunge(_)
        );
        self.altered |= alters_the_session(&command);
        self.inbox.begin();
        if let Some(witness) = self.session.witness.as_mut().filter(|_| leaves) {
            witness.lose();
        }
        match self.session.machine().send(command) {
            Ok(ticket) => Ok(Call { ticket: self.session.expect(ticket, name), name, leaves, partial }),
            Err(error) => Err(self.session.failed(error.into())),
        }
    }

    /// The next event of a call.
    pub(super) async fn event(&mut self, call: Call) -> Result<Event> {
        let event = self.session.event().await?;
        self.judge(call, event)
    }

    /// The next event of a call, for whoever has no future of his own for it.
    #[inline]
    pub(super) fn poll_event(&mut self, call: Call, cx: &mut Context<'_>) -> Poll<Result<Turn<Event>>> {
        Poll::Ready(match ready!(Connection::poll_turn(&mut self.session, cx))? {
            Turn::Event(Some(event)) => self.judge(call, event).map(|event| Turn::Event(Some(event))),
            turn => Ok(turn),
        })
    }

    /// The event, unless it is the server's no to what the call waits for.
    pub(super) fn judge(&mut self, call: Call, event: Event) -> Result<Event> {
        match refuses_continuation(self.session.machine_ref(), &event) {
            Some(reply) => Err(self.session.end(refused(call.name, reply))),
            None => Ok(event),
        }
    }

    /// How the call ended, if the event is its end. Any other belongs to no call.
    pub(super) fn ended(&mut self, call: Call, event: Event) -> Option<Result<Reply>> {
        let end = self.inbox.ended(call, event)?;
        Some(end.map_err(|error| self.session.failed(error)))
    }

    /// Waits for the end of a command.
    pub(super) fn finish<'a>(&'a mut self, call: Call, take: &'a mut Take<'_>) -> Boxed<'a, Result<Reply>> {
        Box::pin(async move {
            loop {
                match self.event(call).await? {
                    Event::Data { data, deviations, .. } => {
                        if !deviations.is_empty() {
                            crate::traces::debug!(command = call.name, ?deviations, "odd response");
                        }
                        self.inbox.note(&data);
                        match take(data) {
                            Ok(None) => {}
                            Ok(Some(data)) => self.inbox.push(data),
                            // The rest of what has no end is not worth waiting for.
                            Err(error) => return Err(self.session.end(error)),
                        }
                    }
                    event => {
                        if let Some(end) = self.ended(call, event) {
                            return end;
                        }
                    }
                }
            }
        })
    }
}

/// Whether the session is another one after a command, for whoever comes next: somebody else's, or one in which the
/// server says other things.
const fn alters_the_session(command: &Command) -> bool {
    matches!(
        command,
        Command::StartTls
            | Command::Authenticate(_)
            | Command::Login(_)
            | Command::Unauthenticate
            | Command::Enable(_)
            | Command::Compress
            | Command::Notify(_)
            | Command::Other(_)
    )
}

/// An untagged BAD while the one command in progress waits for `+`: it is about that, and the server waits
/// for something else.
pub(super) fn refuses_continuation<'a>(machine: &Connection, event: &'a Event) -> Option<&'a Reply> {
    match event {
        Event::Data { data: Untagged::Reply(reply), .. }
            if reply.kind == ReplyKind::Bad
                && machine.awaits_continuation()
                && machine.outstanding() == 1 =>
        {
            Some(reply)
        }
        _ => None,
    }
}

impl Machine for Connection {
    type Witness = Witness;

    machine_turns!();

    fn show(witness: &mut Witness, event: &Event) {
        witness.see(event);
    }

    fn completes(event: &Event) -> Option<Ticket> {
        match event {
            Event::Reply { ticket, .. } | Event::NotSent { ticket, .. } => Some(*ticket),
            Event::Malformed { ticket, .. } => *ticket,
            _ => None,
        }
    }

    fn verdict(event: &Event) -> Option<Verdict> {
        match event {
            Event::Reply { reply, .. } => Some(Verdict::of(reply.kind == ReplyKind::Ok)),
            _ => None,
        }
    }

    fn words(event: &Event) -> Option<Words> {
        match event {
            Event::Data { data: Untagged::Reply(reply), .. } => match reply.kind {
                ReplyKind::Bye => Some(Words::Goodbye(refusal("the connection", reply))),
                ReplyKind::No | ReplyKind::Bad => Words::sentence(reply_line(reply).as_bytes()),
                ReplyKind::Ok | ReplyKind::PreAuth => None,
            },
            Event::StartTlsRefused(reply) => Words::sentence(reply_line(reply).as_bytes()),
            Event::Malformed { bytes, .. } => Words::sentence(bytes),
            _ => None,
        }
    }

    fn is_closed(&self) -> bool {
        Self::is_closed(self)
    }

    fn service(&self) -> &'static str {
        "imap"
    }

    /// An IDLE that was dropped would last for ever.
    fn cut_short(&mut self) {
        let _ = self.done();
    }
}
