//! What a client's machine remembers.

use alloc::collections::VecDeque;

use bytes::Bytes;
use mailwire_core::{Secret, Ticket};

use crate::{
    body::Outgoing,
    capability::{Capabilities, Capability},
    command::{Command, Literals, Rules, WriteOptions},
    state::State,
    types::Tag,
};

/// What is learnt from the server under the present protection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) tls: bool,
    pub(super) state: State,
    pub(super) capabilities: Capabilities,
    /// Capabilities came since the login was sent.
    pub(super) capabilities_fresh: bool,
    /// IMAP4rev2 or UTF8=ACCEPT was enabled.
    pub(super) utf8: bool,
}

impl Session {
    pub(super) const fn new(tls: bool) -> Self {
        Self {
            tls,
            state: State::NotAuthenticated,
            capabilities: Capabilities::unknown(),
            capabilities_fresh: false,
            utf8: false,
        }
    }

    pub(super) fn write_options(&self, non_synchronizing: bool) -> WriteOptions {
        let literals = match non_synchronizing {
            true if self.capabilities.has(&Capability::LiteralPlus) => Literals::Plus,
            true if self.capabilities.has_or_rev2(&Capability::LiteralMinus) => Literals::Minus,
            _ => Literals::Synchronizing,
        };
        WriteOptions::default().with_literals(literals).with_utf8(self.utf8)
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
    /// All that was ever put out when the last byte of this command was.
    pub(super) end: u64,
}

/// What the command that was written last still has to send. No other is written meanwhile.
#[derive(Debug)]
pub(super) enum Unfinished {
    /// The rest, after a synchronizing literal's header.
    Parts {
        /// What was not sent yet. It can be a password.
        rest: Secret,
        /// How long each part is that one `+` lets go.
        parts: VecDeque<usize>,
        /// What follows the last part.
        body: Option<Body>,
    },
    /// A literal that the caller sends.
    Sending(Outgoing),
    /// A SASL exchange.
    Auth {
        /// The first message, held back.
        initial: Option<Secret>,
        /// The server waits for a step.
        challenged: bool,
    },
    /// IDLE.
    Idle(Idle),
}

/// The literal at the end of an APPEND.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) outgoing: Outgoing,
    /// The message, if the caller gave it with the command.
    pub(super) message: Option<Bytes>,
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
