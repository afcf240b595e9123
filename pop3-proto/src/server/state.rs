//! What a server remembers of one session.

use mailwire_core::{LineFramer, Ticket, dot::Stuffer};

use crate::{
    command::Command,
    types::{MessageNumber, UserName},
};

/// The states of RFC 1939.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Before the login.
    Authorization,
    /// After it.
    Transaction,
    /// QUIT came after the login: what is marked is to be deleted.
    Update,
}

/// All that is forgotten when TLS takes over.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) tls: bool,
    pub(super) state: State,
    pub(super) framer: LineFramer,
    pub(super) user: Option<UserName>,
    pub(super) current: Option<Current>,
    pub(super) upgrading: bool,
    pub(super) idle_commands: usize,
}

impl Session {
    pub(super) const fn new(tls: bool) -> Self {
        Self {
            tls,
            state: State::Authorization,
            framer: LineFramer::new(),
            user: None,
            current: None,
            upgrading: false,
            idle_commands: 0,
        }
    }
}

/// The command that is being answered.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) ticket: Ticket,
    pub(super) kind: Kind,
    pub(super) stage: Stage,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// The application owes a reply, or a challenge to AUTH.
    Reply,
    /// The client owes a line of a SASL exchange.
    Auth,
    /// The application sends a message.
    Body(Stuffer),
    /// The application sends lines.
    Lines,
}

/// What matters of a command while it is being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// PASS or APOP.
    Login,
    Auth,
    Stls,
    Stat,
    List(Option<MessageNumber>),
    Uidl(Option<MessageNumber>),
    /// RETR or TOP.
    Message,
    Quit,
    /// An application's own, whose answer may have lines.
    Other,
    Plain,
}

impl Kind {
    pub(super) const fn of(command: &Command) -> Self {
        match command {
            Command::Apop { .. } | Command::Pass(_) => Self::Login,
            Command::Auth { .. } => Self::Auth,
            Command::Stls => Self::Stls,
            Command::Stat => Self::Stat,
            Command::List(message) => Self::List(*message),
            Command::Uidl(message) => Self::Uidl(*message),
            Command::Retr(_) | Command::Top { .. } => Self::Message,
            Command::Quit => Self::Quit,
            Command::Other { .. } => Self::Other,
            _ => Self::Plain,
        }
    }
}
