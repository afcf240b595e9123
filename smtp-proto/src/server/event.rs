//! What a server's machine tells its owner.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use bytes::Bytes;
use mailwire_core::{Deviation, ParseError, SaslStep, Ticket};

use crate::{Command, Reply};

/// What the server's machine tells its owner.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// A command that is allowed at this point. Answer it with
    /// [`reply`](super::Connection::reply), DATA and BDAT also with `accept_body`, STARTTLS with
    /// `accept_upgrade`, AUTH with `send_auth`. The next command is read after that.
    #[non_exhaustive]
    Command {
        /// Names the command in the answer.
        ticket: Ticket,
        /// The command.
        command: Command,
        /// What was odd about it, in the lenient dialect.
        deviations: Vec<Deviation>,
    },
    /// A command that the machine refused by itself: out of order, not offered, beyond a limit. There
    /// is nothing to answer.
    #[non_exhaustive]
    Refused {
        /// The command.
        command: Command,
        /// The reply that is on its way.
        reply: Box<Reply>,
    },
    /// A line that is no command, or within a SASL exchange no response. The machine has answered it,
    /// in order.
    #[non_exhaustive]
    Malformed {
        /// The AUTH command whose exchange is over because of it.
        ticket: Option<Ticket>,
        /// The line, or as much as the limit allows. Empty where it might hold a secret.
        bytes: Bytes,
        /// What is wrong with it.
        error: ParseError,
    },
    /// The client's response to a challenge. Answer [`Data`](SaslStep::Data) with `send_auth` or
    /// `reply`. [`Cancel`](SaslStep::Cancel) ends the exchange, and the machine has answered it.
    #[non_exhaustive]
    AuthResponse {
        /// The AUTH command.
        ticket: Ticket,
        /// The response.
        step: SaslStep,
    },
    /// A message begins.
    #[non_exhaustive]
    BodyStart {
        /// The message's DATA, or first BDAT.
        ticket: Ticket,
    },
    /// A part of the message, a slice of the input, without stuffed dots.
    BodyChunk(Bytes),
    /// The message is complete. Answer with `reply` and this ticket; in LMTP, with those of the
    /// accepted recipients, once each.
    #[non_exhaustive]
    BodyEnd {
        /// The message's DATA, or first BDAT.
        ticket: Ticket,
        /// Its length in bytes.
        length: u64,
    },
    /// The message is at its end, or with BDAT cannot be complete any more, and the machine has refused it. Drop what
    /// came of it.
    #[non_exhaustive]
    BodyRefused {
        /// The message's DATA, or first BDAT; the first BURL, where no BDAT came.
        ticket: Ticket,
        /// Why.
        reason: BodyRefusal,
    },
}

/// Why the machine refused a message.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BodyRefusal {
    /// A CR or LF that stands alone, at this offset of the body as it came: servers disagree on
    /// whether it ends a line, which lets one message smuggle in another (CVE-2023-51764).
    BareNewline(u64),
    /// It has a NUL, at this byte of the message as it is stored.
    Nul(u64),
    /// More bytes than the limit.
    TooLarge(u64),
    /// The client has given it up between two parts, by RSET, EHLO, STARTTLS or QUIT, which comes next; or a part that
    /// BURL names was refused.
    GivenUp,
}

// Up to here, moving an event is a few instructions and no call.
const _: () = assert!(size_of::<Event>() <= 128);

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command { ticket, command, deviations } => {
                f.debug_tuple("Command").field(ticket).field(command).field(deviations).finish()
            }
            Self::Refused { command, reply } => f.debug_tuple("Refused").field(command).field(reply).finish(),
            Self::Malformed { bytes, error, .. } => f
                .debug_tuple("Malformed")
                .field(&format_args!("\"{}\"", mailwire_core::escape_ascii(bytes)))
                .field(error)
                .finish(),
            Self::AuthResponse { ticket, step } => {
                f.debug_tuple("AuthResponse").field(ticket).field(step).finish()
            }
            Self::BodyStart { ticket } => f.debug_tuple("BodyStart").field(ticket).finish(),
            Self::BodyChunk(chunk) => {
                f.debug_tuple("BodyChunk").field(&format_args!("{} bytes", chunk.len())).finish()
            }
            Self::BodyEnd { ticket, length } => f.debug_tuple("BodyEnd").field(ticket).field(length).finish(),
            Self::BodyRefused { ticket, reason } => {
                f.debug_tuple("BodyRefused").field(ticket).field(reason).finish()
            }
        }
    }
}
