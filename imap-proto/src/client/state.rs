//! What a client's machine remembers.

use alloc::collections::VecDeque;

use bytes::Bytes;
use mailwire_core::{
    Channel, Error, Output, OutputMark, Secret, Ticket, Tickets, Upgrade, apart, sasl::Exchange,
};

use super::{Config, Event, Profile};
use crate::{
    body::Outgoing,
    capability::{Capabilities, Capability},
    command::{Command, Literals, Rules, WriteOptions, WriteStep},
    framing::{Framer, Speaker},
    state::State,
    types::{MailboxName, SeqNumber, Tag, Uid},
};

/// All that a client is. Whoever changes it wakes its framer: see [`Gate`](mailwire_core::private::Gate).
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) config: Config,
    pub(super) session: Session,
    /// What is known of the server, or was set.
    pub(super) profile: Profile,
    pub(super) framer: Framer,
    pub(super) output: Output,
    pub(super) tickets: Tickets,
    pub(super) tags: u64,
    /// The last of the caller's commands that was written.
    pub(super) written: Option<Ticket>,
    pub(super) phase: Phase,
    /// Commands that wait for their turn.
    pub(super) queue: Queue,
    /// Commands that were written and are unanswered, oldest first.
    pub(super) in_flight: AllInFlight,
    /// What the youngest of them still has to send.
    pub(super) unfinished: MaybeUnfinished,
    pub(super) events: Events,
    /// The number and UID of the message whose streamed FETCH response is being read.
    pub(super) fetching: Option<(Option<SeqNumber>, Option<Uid>)>,
    /// How an APPEND ended whose message is still being sent.
    pub(super) held: MaybeEvent,
    /// The present response is read past.
    pub(super) ignoring: Option<Ignoring>,
    /// What poisoned the connection.
    pub(super) failed: Option<Error>,
    pub(super) eof: bool,
    /// BYE responses that came.
    pub(super) byes: usize,
    /// Responses in a row that do not parse while no command is in progress.
    pub(super) noise: usize,
    /// What is told before the error that ends the connection: the words of the server that explain it.
    pub(super) last_words: MaybeEvent,
}

impl Machine {
    pub(super) fn new(config: Config) -> Self {
        Self {
            session: Session::new(config.channel == Channel::Tls),
            profile: config.profile.clone().unwrap_or_default(),
            framer: Framer::new(Speaker::Server),
            output: Output::new(config.limits.output),
            tickets: Tickets::new(),
            tags: 0,
            written: None,
            phase: Phase::Greeting,
            queue: Queue::default(),
            in_flight: AllInFlight::default(),
            unfinished: MaybeUnfinished::default(),
            events: Events::default(),
            fetching: None,
            held: MaybeEvent::default(),
            ignoring: None,
            failed: None,
            eof: false,
            byes: 0,
            noise: 0,
            last_words: MaybeEvent::default(),
            config,
        }
    }

    /// The connection cannot go on: each later call says why.
    pub(super) fn fail(&mut self, error: Error) {
        self.failed = Some(error);
    }

    /// The youngest command has been put out as far as it can be now.
    pub(super) fn mark_end(&mut self) {
        if let Some(youngest) = self.in_flight.back_mut() {
            youngest.end = self.output.mark();
        }
    }
}

apart! {
    #[derive(Debug)]
    pub(super) struct Queue(VecDeque<Queued>);

    #[derive(Debug)]
    pub(super) struct AllInFlight(VecDeque<InFlight>);

    #[derive(Debug)]
    pub(super) struct MaybeUnfinished(Option<Unfinished>);

    #[derive(Debug)]
    pub(super) struct Events(VecDeque<Event>);

    #[derive(Debug)]
    pub(super) struct MaybeEvent(Option<Event>);
}

/// The parts of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Greeting,
    Running,
    /// Another stream was agreed upon.
    Upgrading(Upgrade),
    /// LOGOUT was completed, or the greeting was BYE.
    Closed,
}

/// Why a response is not given to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ignoring {
    /// It has no place in this state.
    State,
    /// A literal is too large for where it stands.
    Literal(usize),
    /// It is about message 0.
    Zero,
}

/// What is learnt from the server under the present protection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) tls: bool,
    /// COMPRESS is active.
    pub(super) compressed: bool,
    pub(super) state: State,
    pub(super) capabilities: Capabilities,
    /// Capabilities came since the login was sent.
    pub(super) capabilities_fresh: bool,
    /// IMAP4rev2 or UTF8=ACCEPT was enabled.
    pub(super) utf8: bool,
    /// QRESYNC was enabled.
    pub(super) qresync: bool,
    /// UIDONLY was enabled.
    pub(super) uid_only: bool,
    /// UTF8=ACCEPT was enabled.
    pub(super) utf8_accept: bool,
    /// What STATUS said of single mailboxes.
    pub(super) append_limits: AppendLimits,
}

/// The largest messages that mailboxes take (RFC 7889), of those that STATUS told of last.
#[derive(Debug, Default)]
pub(super) struct AppendLimits(VecDeque<(MailboxName, Option<u64>)>);

impl AppendLimits {
    /// So many mailboxes, with names of so many bytes.
    const MAILBOXES: usize = 64;
    const NAME: usize = 1024;

    /// Takes account of what STATUS says. `None`: there is no limit.
    pub(super) fn learn(&mut self, mailbox: &MailboxName, limit: Option<u64>) {
        self.0.retain(|(name, _)| name != mailbox);
        if mailbox.as_bytes().len() > Self::NAME {
            return;
        }
        if self.0.len() >= Self::MAILBOXES {
            self.0.pop_front();
        }
        // A copy, so that no receive buffer is held.
        self.0.push_back((mailbox.compact(), limit));
    }

    /// What is known of a mailbox; `Some(None)`: it has no limit.
    pub(super) fn of(&self, mailbox: &MailboxName) -> Option<Option<u64>> {
        self.0.iter().find(|(name, _)| name == mailbox).map(|(_, limit)| *limit)
    }
}

impl Session {
    pub(super) const fn new(tls: bool) -> Self {
        Self {
            tls,
            compressed: false,
            state: State::NotAuthenticated,
            capabilities: Capabilities::unknown(),
            capabilities_fresh: false,
            utf8: false,
            qresync: false,
            uid_only: false,
            utf8_accept: false,
            append_limits: AppendLimits(VecDeque::new()),
        }
    }

    pub(super) fn write_options(&self, boldest: Literals) -> WriteOptions {
        let literals = match boldest {
            Literals::Plus if self.capabilities.has(&Capability::LiteralPlus) => Literals::Plus,
            Literals::Plus | Literals::Minus if self.takes_small_literals() => Literals::Minus,
            _ => Literals::Synchronizing,
        };
        WriteOptions::default().with_literals(literals).with_utf8(self.utf8)
    }

    fn takes_small_literals(&self) -> bool {
        self.capabilities.has_or_rev2(&Capability::LiteralMinus)
            || self.capabilities.has(&Capability::LiteralPlus)
    }
}

/// A command that was not written yet.
#[derive(Debug)]
pub(super) struct Queued {
    /// `None`: the machine's own.
    pub(super) ticket: Option<Ticket>,
    pub(super) command: Command,
}

/// A command in progress.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) ticket: Option<Ticket>,
    pub(super) tag: Tag,
    pub(super) rules: Rules,
    /// Where it ends in the output: no reply to it can come before it was written to the stream.
    pub(super) end: OutputMark,
}

/// What the command that was written last still has to send. No other is written meanwhile.
#[derive(Debug)]
pub(super) enum Unfinished {
    /// The rest, for which the server has to say `+`.
    Parts(Unsent),
    /// A literal that the caller sends, and the rest.
    Sending(Outgoing, Unsent),
    /// A SASL exchange.
    Auth(Exchange),
    /// IDLE.
    Idle(Idle),
}

/// What is left of a command.
#[derive(Debug)]
pub(super) struct Unsent {
    /// Its text, which can be a password.
    pub(super) text: Secret,
    /// So much of the text was sent.
    pub(super) sent: usize,
    /// What is to be done.
    pub(super) steps: VecDeque<WriteStep>,
    /// The bytes of the literals that are not in the text; `None`: the caller gives them.
    pub(super) bodies: VecDeque<Option<Bytes>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Idle {
    /// The server said `+`.
    pub(super) begun: bool,
    /// DONE is to be sent, or was.
    pub(super) done: bool,
    pub(super) done_sent: bool,
    /// Begin anew after the completion.
    pub(super) renew: bool,
}
