//! What a client's machine tells.

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{Deviation, Misuse, ParseError, Secret, Ticket};

use crate::{
    capability::Capabilities,
    command::Follows,
    reply::{Greeting, Listing, Reply},
};

/// An event of [`client::Connection`](super::Connection).
///
/// A command's answer is a `Reply`. If lines follow it, each is a `Line`, and `LinesEnd` ends them;
/// if a message follows, it comes as `BodyStart`, `BodyChunk`s and `BodyEnd`. Answers come in the
/// order of the commands.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server is there. If the greeting is `-ERR`, the connection is over.
    Greeting {
        /// What it says.
        greeting: Greeting,
        /// What was odd.
        deviations: Vec<Deviation>,
    },
    /// What the server offers from now on. [`Capabilities::unknown`] if it does not know CAPA.
    Capabilities(Capabilities),
    /// The answer to a command.
    Reply {
        /// The command.
        ticket: Ticket,
        /// The status line.
        reply: Reply,
        /// What comes behind it.
        follows: Follows,
        /// What was odd.
        deviations: Vec<Deviation>,
    },
    /// One line of the answer to LIST, UIDL or CAPA.
    Line {
        /// The command.
        ticket: Ticket,
        /// The line.
        line: Listing,
        /// What was odd.
        deviations: Vec<Deviation>,
    },
    /// The lines are complete.
    LinesEnd {
        /// The command.
        ticket: Ticket,
    },
    /// A message begins, the answer to RETR or TOP.
    BodyStart {
        /// The command.
        ticket: Ticket,
    },
    /// A part of it, without dot-stuffing: a slice of the input.
    BodyChunk(Bytes),
    /// The message is complete.
    BodyEnd {
        /// The command.
        ticket: Ticket,
        /// What was odd.
        deviations: Vec<Deviation>,
    },
    /// The server's step of a SASL exchange. Answer with `send_auth`.
    AuthChallenge {
        /// The AUTH command.
        ticket: Ticket,
        /// The message, decoded. It may be empty.
        data: Secret,
        /// What was odd.
        deviations: Vec<Deviation>,
    },
    /// A command that waited in the machine will not be sent: the login before it failed, say.
    NotSent {
        /// The command.
        ticket: Ticket,
        /// Why.
        reason: Misuse,
    },
    /// A line that does not parse. What comes behind it is not disturbed.
    Malformed {
        /// The command that it answers; `None` for one of the machine's own.
        ticket: Option<Ticket>,
        /// Whether it was the status line, so that nothing more comes for the command.
        ends: bool,
        /// The line.
        bytes: Bytes,
        /// What is wrong.
        error: ParseError,
    },
}

/// Whether messages are gone from the server. Only the answer to QUIT deletes them: a connection
/// that is lost before deletes nothing (RFC 1939 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletions {
    /// No message was marked.
    None,
    /// So many are marked, and QUIT was not sent yet.
    Marked(u64),
    /// So many are deleted.
    Done(u64),
    /// The server could not delete all of so many.
    Incomplete(u64),
    /// The connection ended before QUIT was sent: so many marks were lost, and nothing is deleted.
    Lost(u64),
    /// The connection ended between QUIT and its answer: nobody knows.
    Unknown,
}
