//! What a server's machine tells its owner.

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{Deviation, ParseError, SaslStep, Ticket};

use crate::{
    command::Command,
    reply::Reply,
    types::{Password, UserName},
};

/// What happened on a server's [`Connection`](super::Connection).
///
/// `Command` and `Login` have to be answered; the next command is read after that. What the machine
/// answers by itself does not come up here, unless something was odd about it: CAPA, AUTH alone, NOOP, USER,
/// UTF8, and QUIT before the login.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A command that fits the session's state. QUIT comes after a login only: it is the moment to
    /// delete what is marked, and the only one ([RFC 1939 section
    /// 6](https://www.rfc-editor.org/rfc/rfc1939#section-6)).
    Command {
        /// For the answer.
        ticket: Ticket,
        /// The command.
        command: Command,
        /// What was odd about it.
        deviations: Vec<Deviation>,
    },
    /// USER and PASS. The answer should be the same for a wrong name and a wrong password.
    Login {
        /// For the answer. A positive one begins the TRANSACTION state.
        ticket: Ticket,
        /// The name.
        user: UserName,
        /// The password.
        password: Password,
        /// What was odd about it.
        deviations: Vec<Deviation>,
    },
    /// The client's step of a SASL exchange. [`SaslStep::Cancel`] ends the exchange: the machine
    /// has answered it.
    AuthResponse {
        /// The AUTH command.
        ticket: Ticket,
        /// What it sent, decoded.
        step: SaslStep,
    },
    /// A command that departed from the grammar, and that the machine has answered by itself, such as
    /// `NOOP x`. Those it answers that are written as they should be are not told.
    Answered {
        /// The command.
        command: Command,
        /// Where it departed from the grammar: one place or more.
        deviations: Vec<Deviation>,
    },
    /// A command that is unknown, not offered or out of sequence. The machine has answered it.
    Refused {
        /// The command. Of an unknown one before the login there are only the first four characters of
        /// its name, as a line out of step can be a secret.
        command: Command,
        /// The answer that it got.
        reply: Reply,
    },
    /// A line that does not parse. The machine has answered it.
    Malformed {
        /// The AUTH command, if the line ended its exchange.
        ticket: Option<Ticket>,
        /// The line. Where it can hold a secret, its first word at most.
        bytes: Bytes,
        /// What is wrong.
        error: ParseError,
    },
}
