//! What a server's machine remembers.

use mailwire_core::Ticket;

use crate::{command::Rules, state::State, types::Tag};

/// What is learnt from the client under the present protection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    pub(super) tls: bool,
    pub(super) state: State,
    /// IMAP4rev2 was enabled.
    pub(super) rev2: bool,
    /// Bad commands in a row.
    pub(super) bad_commands: usize,
    /// Commands before authentication that do nothing.
    pub(super) idle_commands: usize,
    /// Logins that were refused.
    pub(super) auth_failures: usize,
}

impl Session {
    pub(super) const fn new(tls: bool) -> Self {
        Self {
            tls,
            state: State::NotAuthenticated,
            rev2: false,
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
    Rest,
}

/// The command in progress.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) ticket: Ticket,
    pub(super) tag: Tag,
    pub(super) rules: Rules,
    /// What ended IDLE was not DONE.
    pub(super) bad_end: bool,
}
