//! What a client's machine tells its owner.

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{Deviation, Misuse, ParseError, Secret, Ticket};

use crate::{
    capability::Capabilities,
    command::Follows,
    reply::{Greeting, Listing, Reply},
};

/// What happened on a client's [`Connection`](super::Connection).
///
/// A command's answer is a `Reply`. If lines follow it, each is a `Line`, and `LinesEnd` ends them;
/// if a message follows, it comes as `BodyStart`, `BodyChunk`s and `BodyEnd`. Answers come in the
/// order of the commands.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server is there. If the greeting is `-ERR`, the connection is over.
    Greeting {
        /// The greeting.
        greeting: Greeting,
        /// What was odd about it.
        deviations: Vec<Deviation>,
    },
    /// What the server offers from now on. [`Capabilities::unknown`] if it does not know CAPA.
    Capabilities(Capabilities),
    /// The server refused STLS. The next call is the error
    /// [`TlsUnavailable`](mailwire_core::Error::TlsUnavailable).
    StartTlsRefused(Reply),
    /// The answer to a command.
    Reply {
        /// The command.
        ticket: Ticket,
        /// The status line.
        reply: Reply,
        /// What follows it.
        follows: Follows,
        /// What was odd about it.
        deviations: Vec<Deviation>,
    },
    /// One line of the answer to LIST, UIDL or CAPA.
    Line {
        /// The command.
        ticket: Ticket,
        /// The line.
        line: Listing,
        /// What was odd about it.
        deviations: Vec<Deviation>,
    },
    /// The lines of an answer are complete.
    LinesEnd {
        /// The command.
        ticket: Ticket,
    },
    /// A message begins, the answer to RETR or TOP.
    BodyStart {
        /// The command.
        ticket: Ticket,
    },
    /// A part of a message, without dot-stuffing: a slice of the input.
    BodyChunk(Bytes),
    /// The message is complete.
    BodyEnd {
        /// The command.
        ticket: Ticket,
        /// What was odd about it.
        deviations: Vec<Deviation>,
    },
    /// The server's step of a SASL exchange. Answer with `send_auth`.
    AuthChallenge {
        /// The AUTH command.
        ticket: Ticket,
        /// The message, decoded. It may be empty.
        data: Secret,
        /// What was odd about it.
        deviations: Vec<Deviation>,
    },
    /// A command that waited in the machine will not be sent: the login before it failed, say.
    NotSent {
        /// The command.
        ticket: Ticket,
        /// Why.
        reason: Misuse,
    },
    /// A line that does not parse. What comes after it is not disturbed, unless its meaning would be a
    /// guess: then the next call is an error.
    Malformed {
        /// The command whose answer it was, so that nothing more comes for it; or the AUTH command
        /// whose exchange the machine has cancelled because of it: the reply to that comes next.
        /// `None` for a line of a listing, and for one that answers nothing.
        ticket: Option<Ticket>,
        /// The line. Of a challenge, which can hold a secret, its first byte.
        bytes: Bytes,
        /// What is wrong.
        error: ParseError,
    },
}

/// Whether messages are gone from the server. Only QUIT deletes them: a connection that is lost before
/// deletes nothing ([RFC 1939 section 6](https://www.rfc-editor.org/rfc/rfc1939#section-6)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletions {
    /// No message was marked.
    None,
    /// So many messages are marked, and QUIT is not answered yet.
    Marked(u64),
    /// So many messages are deleted.
    Done(u64),
    /// So many messages were marked, and the server could not delete all of them.
    Incomplete(u64),
    /// The connection ended before QUIT was sent: so many marks were lost, and nothing is deleted.
    Lost(u64),
    /// The connection ended between QUIT and its answer: nobody knows.
    Unknown,
}
