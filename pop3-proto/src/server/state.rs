//! What a server remembers.

use mailwire_core::{Channel, Error, LineFramer, Output, Ticket, Tickets, dot::Stuffer, sasl::Steps};

use super::Config;
use crate::{
    capability::Capabilities,
    command::{Command, Rules},
    state::State,
    types::{LanguageTag, MessageNumber, UserName},
};

/// All that a server is. Whoever changes it wakes its framer: see [`Gate`](mailwire_core::private::Gate).
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) config: Config,
    pub(super) session: Session,
    pub(super) output: Output,
    pub(super) tickets: Tickets,
    pub(super) bad_commands: usize,
    pub(super) auth_failures: usize,
    /// Why the connection ends; it is told once the last reply is in the output.
    pub(super) failed: Option<Error>,
    pub(super) eof: bool,
}

impl Machine {
    /// A server that has said nothing.
    pub(super) fn new(config: Config) -> Self {
        Self {
            session: Session::new(&config, config.channel == Channel::Tls),
            output: Output::new(config.limits.output),
            tickets: Tickets::new(),
            bad_commands: 0,
            auth_failures: 0,
            failed: None,
            eof: false,
            config,
        }
    }

    pub(super) fn fail(&mut self, error: Error) {
        self.failed = Some(error);
        self.session.current = None;
    }
}

/// All that is forgotten when TLS takes over.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) tls: bool,
    pub(super) state: State,
    pub(super) phase: Phase,
    pub(super) framer: LineFramer,
    /// What is announced now.
    pub(super) capabilities: Capabilities,
    /// The name of the USER that stood in the line before.
    pub(super) user: Option<UserName>,
    pub(super) current: Option<Current>,
    /// The client has said UTF8.
    pub(super) utf8: bool,
    /// The language that LANG has chosen.
    pub(super) language: Option<LanguageTag>,
    /// Commands in a row that led nowhere.
    pub(super) idle_commands: usize,
}

impl Session {
    pub(super) fn new(config: &Config, tls: bool) -> Self {
        let state = State::Authorization;
        Self {
            tls,
            state,
            phase: Phase::Running,
            framer: LineFramer::new(),
            capabilities: config.announced(tls, state, false),
            user: None,
            current: None,
            utf8: false,
            language: None,
            idle_commands: 0,
        }
    }
}

/// How far the conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Commands are read and answered.
    Running,
    /// STLS was agreed to.
    Upgrading,
    /// The conversation is over.
    Closed,
}

/// The command that is being answered.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) ticket: Ticket,
    pub(super) rules: Rules,
    /// The message that it asks about, if its answer names it.
    pub(super) number: Option<MessageNumber>,
    /// It is one of the application's own.
    pub(super) own: bool,
    pub(super) stage: Stage,
    /// The client's steps of its SASL exchange.
    pub(super) steps: Steps,
}

impl Current {
    /// `command` where more than its rules matters.
    pub(super) fn new(ticket: Ticket, rules: Rules, command: Option<&Command>) -> Self {
        let number = match command {
            Some(Command::List(number) | Command::Uidl(number)) => *number,
            _ => None,
        };
        let own = matches!(command, Some(Command::Other { .. }));
        Self { ticket, rules, number, own, stage: Stage::Reply, steps: Steps::default() }
    }
}

/// Whose turn it is.
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
