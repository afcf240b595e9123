//! What a server's machine tells.

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{Deviation, ParseError, SaslStep, Ticket};

use crate::{capability::Capability, command::Command};

/// An event of [`server::Connection`](super::Connection).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A command to answer with [`reply`](super::Connection::reply), after the data it asks for.
    /// The next one comes behind the reply.
    ///
    /// STARTTLS, IDLE, AUTHENTICATE and APPEND have answers of their own before that:
    /// `accept_upgrade`, `accept_idle`, `send_auth`, `accept_body`.
    Command {
        /// The command's name on this connection.
        ticket: Ticket,
        /// The command. The message of an APPEND is always streamed.
        command: Command,
        /// What was odd.
        deviations: Vec<Deviation>,
    },
    /// The message of an APPEND begins.
    BodyStart {
        /// The APPEND.
        ticket: Ticket,
        /// How many bytes will come.
        length: u64,
    },
    /// A part of it: a slice of the input.
    BodyChunk(Bytes),
    /// The message and its command are complete: the APPEND can be answered with OK.
    BodyEnd {
        /// The APPEND.
        ticket: Ticket,
    },
    /// What follows the message is not the end of the command. The machine has answered BAD; the
    /// message must not be kept.
    BodyAborted {
        /// The APPEND, which is over.
        ticket: Ticket,
        /// What is wrong.
        error: ParseError,
    },
    /// The client's step of a SASL exchange. Answer with `send_auth` or `reply`. If it is
    /// [`SaslStep::Cancel`], the machine has answered BAD and the command is over.
    AuthResponse {
        /// The AUTHENTICATE.
        ticket: Ticket,
        /// The step.
        step: SaslStep,
    },
    /// The client has ended IDLE: answer it with `reply`.
    IdleDone {
        /// The IDLE.
        ticket: Ticket,
    },
    /// These extensions are on from now on, by ENABLE. The machine has answered it.
    Enabled(Vec<Capability>),
    /// A command that does not parse, is not known, or is not allowed now. The machine has
    /// answered it with BAD or NO.
    Malformed {
        /// The command. Of one that may carry a password, the name only.
        bytes: Bytes,
        /// What is wrong.
        error: ParseError,
    },
}
