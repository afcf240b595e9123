//! What a server's machine remembers.

use alloc::collections::VecDeque;

use bytes::Bytes;
use mailwire_core::{Channel, Error, Output, Ticket, Tickets, Upgrade, private::NulSearch, sasl::Steps};

use super::{Config, Event};
use crate::{
    body::Outgoing,
    capability::Capabilities,
    command::{Effect, OpenAppend},
    framing::{Framer, Speaker},
    state::State,
    types::Tag,
};

/// All that a server is. Whoever changes it wakes its framer: see [`Gate`](mailwire_core::private::Gate).
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) config: Config,
    pub(super) session: Session,
    pub(super) framer: Framer,
    pub(super) output: Output,
    /// What is offered in the session's present state.
    pub(super) offer: Capabilities,
    pub(super) tickets: Tickets,
    pub(super) phase: Phase,
    pub(super) mode: Mode,
    /// A literal of the command that comes was let in, and none can be a message: what is asked of its name and
    /// of the session was asked then.
    pub(super) let_in: bool,
    /// The command being answered.
    pub(super) current: Option<Current>,
    /// What follows the event that was given last: all of it is about the command being answered.
    pub(super) events: VecDeque<Event>,
    /// What is left of a response: the literal that the application gives now in front, and what
    /// stands after it.
    pub(super) pieces: VecDeque<Piece>,
    /// What poisoned the connection.
    pub(super) failed: Option<Error>,
    pub(super) eof: bool,
    /// Where a NUL stands in the message of an APPEND; none where one may stand.
    pub(super) nul: Option<NulSearch>,
    /// What is open after the literal of an APPEND that comes.
    pub(super) open: OpenAppend,
    /// How many bytes the message has that comes, its parts so far together.
    pub(super) size: u64,
    /// Whether the command can have several messages: APPEND, not REPLACE.
    pub(super) several: bool,
}

impl Machine {
    /// A server that has said nothing.
    pub(super) fn new(config: Config) -> Self {
        Self {
            session: Session::new(config.channel == Channel::Tls),
            framer: Framer::new(Speaker::Client),
            output: Output::new(config.limits.output),
            offer: Capabilities::unknown(),
            tickets: Tickets::new(),
            phase: Phase::Running,
            mode: Mode::Command,
            let_in: false,
            current: None,
            events: VecDeque::new(),
            pieces: VecDeque::new(),
            failed: None,
            eof: false,
            nul: None,
            open: OpenAppend::default(),
            size: 0,
            several: false,
            config,
        }
    }
}

/// The parts of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    /// Another stream was agreed upon.
    Upgrading(Upgrade),
    /// LOGOUT was answered, or BYE was said.
    Closed,
}

/// A part of a response.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Bytes),
    /// A literal that the application gives in chunks.
    Literal(Outgoing),
}

/// What is learnt from the client under the present protection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    pub(super) tls: bool,
    /// COMPRESS is active.
    pub(super) compressed: bool,
    /// NOTIFY has it that EXPUNGE may come while no command is in progress.
    pub(super) expunges_at_any_time: bool,
    pub(super) state: State,
    /// IMAP4rev2 was enabled.
    pub(super) rev2: bool,
    /// UTF8=ACCEPT was enabled.
    pub(super) utf8_accept: bool,
    /// The client knows of modification sequences, by ENABLE or by what it asked for.
    pub(super) condstore: bool,
    /// QRESYNC was enabled.
    pub(super) qresync: bool,
    /// UIDONLY was enabled.
    pub(super) uid_only: bool,
    /// Bad commands in a row.
    pub(super) bad_commands: usize,
    /// Commands before authentication that do nothing.
    pub(super) idle_commands: usize,
    /// Logins that were refused.
    pub(super) auth_failures: usize,
}

impl Session {
    /// Whether the client reads UTF-8 in names and texts, and writes it.
    pub(super) const fn utf8(&self) -> bool {
        self.rev2 || self.utf8_accept
    }

    /// The session that begins after TLS or UNAUTHENTICATE: only what was counted against the client goes on.
    pub(super) const fn anew(self, tls: bool) -> Self {
        let Self { bad_commands, idle_commands, auth_failures, .. } = self;
        Self { bad_commands, idle_commands, auth_failures, ..Self::new(tls) }
    }

    pub(super) const fn new(tls: bool) -> Self {
        Self {
            tls,
            compressed: false,
            expunges_at_any_time: false,
            state: State::NotAuthenticated,
            rev2: false,
            utf8_accept: false,
            condstore: false,
            qresync: false,
            uid_only: false,
            bad_commands: 0,
            idle_commands: 0,
            auth_failures: 0,
        }
    }
}

/// What is read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A command.
    Command,
    /// Nothing: the application owes an answer.
    Answer,
    /// Nothing: the application decides about the message of an APPEND.
    Decision {
        /// The client waits for a go-ahead.
        synchronizing: bool,
        length: u64,
    },
    /// The message of an APPEND.
    Body,
    /// The end of an APPEND, after its message.
    Tail,
    /// A line of a SASL exchange.
    AuthLine,
    /// DONE.
    Idle,
    /// The rest of a command that was answered already.
    Rest {
        /// How many bytes its literals have that were refused.
        skipped: u64,
    },
}

/// The command in progress.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) ticket: Ticket,
    pub(super) tag: Tag,
    pub(super) effect: Effect,
    /// EXPUNGE may be sent while it is in progress.
    pub(super) expunge: bool,
    /// The responses of its exchange.
    pub(super) steps: Steps,
    /// What ended IDLE was not DONE.
    pub(super) bad_end: bool,
}
