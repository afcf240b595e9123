//! What a client remembers of one session.

use alloc::{collections::VecDeque, vec::Vec};

use mailwire_core::{Error, LineFramer, Secret, Ticket, dot::Unstuffer};

use crate::{
    capability::{Capabilities, Capability},
    command::{Command, Follows},
    reply::Expected,
    types::{ApopTimestamp, Mechanism},
};

/// The states of RFC 1939.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Before the login.
    Authorization,
    /// After it.
    Transaction,
    /// QUIT was sent after the login.
    Update,
}

/// All that is forgotten when TLS takes over.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) tls: bool,
    pub(super) state: State,
    pub(super) framer: LineFramer,
    pub(super) reading: Reading,
    /// Commands on their way or being answered, in order.
    pub(super) pending: VecDeque<Pending>,
    /// What the machine itself has to send before the caller's commands.
    pub(super) setup: VecDeque<Setup>,
    pub(super) capabilities: Capabilities,
    pub(super) capa_refused: bool,
    pub(super) timestamp: Option<ApopTimestamp>,
    pub(super) user: UserStep,
    pub(super) auth: Option<Auth>,
}

impl Session {
    pub(super) fn new(tls: bool, reading: Reading) -> Self {
        Self {
            tls,
            state: State::Authorization,
            framer: LineFramer::new(),
            reading,
            pending: VecDeque::new(),
            setup: VecDeque::new(),
            capabilities: Capabilities::unknown(),
            capa_refused: false,
            timestamp: None,
            user: UserStep::None,
            auth: None,
        }
    }

    pub(super) fn pipelining(&self) -> bool {
        self.capabilities.contains(&Capability::Pipelining)
    }
}

/// What the next bytes of the server are.
#[derive(Debug)]
pub(super) enum Reading {
    Greeting,
    /// A status line, or a challenge.
    Status,
    Lines {
        expected: Expected,
        count: u64,
        capabilities: Vec<Capability>,
    },
    BodyStart,
    Body {
        unstuffer: Unstuffer,
        /// Octets handed out.
        length: u64,
        /// Octets read, with stuffing.
        wire: u64,
        /// Why reading ends here.
        stop: Option<Error>,
    },
    /// The answer to STLS was positive.
    Upgrade,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setup {
    Capa,
    Stls,
}

/// A command that was put into the output.
#[derive(Debug)]
pub(super) struct Pending {
    /// `None` for the machine's own.
    pub(super) ticket: Option<Ticket>,
    pub(super) kind: Kind,
    pub(super) expected: Expected,
    pub(super) lines: Option<Expected>,
    pub(super) follows: Follows,
    /// Where the command's last byte stands in all that was put out so far.
    pub(super) end: u64,
}

/// A command that waits to be sent.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) ticket: Ticket,
    pub(super) command: Command,
    pub(super) follows: Follows,
}

/// What matters of a command while its answer is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    /// PASS or APOP.
    Login,
    Auth,
    Stls,
    Capa,
    Dele,
    Rset,
    Noop,
    Quit,
    /// Nothing but its answer.
    Plain,
}

impl Kind {
    pub(super) const fn of(command: &Command) -> Self {
        match command {
            Command::User(_) => Self::User,
            Command::Pass(_) | Command::Apop { .. } => Self::Login,
            Command::Auth { .. } => Self::Auth,
            Command::Stls => Self::Stls,
            Command::Capa => Self::Capa,
            Command::Dele(_) => Self::Dele,
            Command::Rset => Self::Rset,
            Command::Noop => Self::Noop,
            Command::Quit => Self::Quit,
            _ => Self::Plain,
        }
    }

    pub(super) const fn is_login(self) -> bool {
        matches!(self, Self::Login | Self::Auth)
    }

    /// Nothing may be sent behind these before they are answered.
    pub(super) const fn blocks(self) -> bool {
        matches!(self, Self::Auth | Self::Stls | Self::Quit)
    }

    /// An empty line in place of `+OK` was seen from one server, for commands whose answer says
    /// nothing else.
    pub(super) const fn may_be_empty(self) -> bool {
        matches!(self, Self::Dele | Self::Rset | Self::Noop)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UserStep {
    /// No USER, or a refused one.
    None,
    Sent,
    Accepted,
}

/// A SASL exchange.
#[derive(Debug)]
pub(super) struct Auth {
    /// The first message, if it was not sent with AUTH.
    pub(super) held: Option<Secret>,
    /// Messages that the client has sent.
    pub(super) responses: u32,
    /// How many it has to send at least.
    pub(super) needed: u32,
    pub(super) steps: u32,
    /// It is the caller's turn.
    pub(super) challenged: bool,
    pub(super) cancelled: bool,
}

impl Auth {
    pub(super) fn new(mechanism: &Mechanism, held: Option<Secret>, sent: bool) -> Self {
        Self {
            held,
            responses: u32::from(sent),
            needed: if *mechanism == Mechanism::LOGIN { 2 } else { 1 },
            steps: 0,
            challenged: false,
            cancelled: false,
        }
    }
}

/// Where a command may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Authorization,
    Transaction,
    Both,
    /// Only the machine itself sends it.
    Nowhere,
}

impl Place {
    pub(super) const fn of(command: &Command) -> Self {
        match command {
            Command::User(_) | Command::Pass(_) | Command::Apop { .. } | Command::Auth { .. } => {
                Self::Authorization
            }
            Command::Stls => Self::Nowhere,
            Command::Capa | Command::Quit | Command::Other { .. } => Self::Both,
            Command::Stat
            | Command::List(_)
            | Command::Uidl(_)
            | Command::Retr(_)
            | Command::Top { .. }
            | Command::Dele(_)
            | Command::Rset
            | Command::Noop => Self::Transaction,
        }
    }
}
