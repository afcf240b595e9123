//! What a client's machine tells its owner.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use mailwire_core::{Deviation, Misuse, ParseError, Secret, Ticket};

use crate::{Capabilities, Reply};

/// What the client's machine tells its owner.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// The server's first words. Unless they are positive, the conversation is over: the next call
    /// says [`Closed`](mailwire_core::Next::Closed).
    #[non_exhaustive]
    Greeting {
        /// 220, or a refusal: 554, 521, 421.
        reply: Reply,
        /// What was odd about it.
        deviations: Vec<Deviation>,
    },
    /// The server took EHLO, LHLO or HELO, and TLS is up where it is wanted: commands can be sent.
    #[non_exhaustive]
    Capabilities {
        /// What the server offers. Nothing after HELO.
        capabilities: Capabilities,
        /// The reply itself.
        reply: Reply,
        /// What was odd about it.
        deviations: Vec<Deviation>,
    },
    /// The server refused EHLO or LHLO, and HELO where that was tried, or ended the conversation before
    /// it answered that. The conversation is over.
    #[non_exhaustive]
    HelloRefused {
        /// The refusal of EHLO or LHLO.
        reply: Reply,
    },
    /// The server refused EHLO or STARTTLS where TLS is wanted. The next call is the error
    /// [`TlsUnavailable`](mailwire_core::Error::TlsUnavailable).
    #[non_exhaustive]
    StartTlsRefused {
        /// The refusal.
        reply: Reply,
    },
    /// The answer to a command, or with the ticket of DATA, the answer to the message.
    #[non_exhaustive]
    Reply {
        /// The command.
        ticket: Ticket,
        /// Its answer. After 421 the conversation is over, and no other command will be answered.
        reply: Reply,
        /// What was odd about it.
        deviations: Vec<Deviation>,
    },
    /// LMTP, or SMTP with PRDR: what became of the message for one recipient. With PRDR the [`Reply`](Self::Reply) to
    /// the message follows, and a refusal by that is for all.
    #[non_exhaustive]
    RecipientReply {
        /// The recipient's RCPT.
        ticket: Ticket,
        /// The message's DATA.
        data: Ticket,
        /// The answer.
        reply: Reply,
        /// Whether it is the last one for this message. With PRDR none is.
        last: bool,
        /// What was odd about it.
        deviations: Vec<Deviation>,
    },
    /// The server waits for the message: `send_body`, then `finish_body`.
    #[non_exhaustive]
    BodyRequested {
        /// The message's DATA.
        ticket: Ticket,
    },
    /// The server was ready for a message, though it accepted no recipient. The machine sent an
    /// empty one to get out of it ([RFC 2920 section
    /// 3.1](https://www.rfc-editor.org/rfc/rfc2920#section-3.1)): no message was sent, whatever the reply
    /// says.
    #[non_exhaustive]
    NoRecipients {
        /// The message's DATA.
        ticket: Ticket,
        /// The answer to the empty message.
        reply: Reply,
    },
    /// The server's challenge in a SASL exchange: `send_auth`.
    #[non_exhaustive]
    AuthChallenge {
        /// The AUTH command.
        ticket: Ticket,
        /// The challenge, decoded. In the lenient dialect it is the text itself where that is no
        /// base64, which mechanisms like LOGIN ignore.
        data: Secret,
        /// What was odd about it.
        deviations: Vec<Deviation>,
    },
    /// A chunk that waited in the machine will not be sent: the server has accepted no recipient, or it has
    /// refused a chunk before this one.
    #[non_exhaustive]
    NotSent {
        /// The chunk.
        ticket: Ticket,
        /// Why.
        reason: Misuse,
    },
    /// A reply that answers nothing. The conversation is over: after 421 and 221, with which a server
    /// ends an idle connection, the next call says [`Closed`](mailwire_core::Next::Closed); after any
    /// other it is an error.
    #[non_exhaustive]
    Unsolicited {
        /// The reply.
        reply: Reply,
    },
    /// A line that is no reply. If it has a reply's form, the conversation cannot go on, and the
    /// next call is an error; otherwise it is dropped as noise, and counted against
    /// [`Limits::noise`](crate::Limits::noise).
    #[non_exhaustive]
    Malformed {
        /// The command that it would answer, or the AUTH command whose exchange is cancelled because of
        /// it; `None` for noise.
        ticket: Option<Ticket>,
        /// The line, or the whole reply.
        bytes: Bytes,
        /// What is wrong with it.
        error: ParseError,
    },
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Greeting { reply, .. } => f.debug_tuple("Greeting").field(reply).finish(),
            Self::Capabilities { capabilities, .. } => {
                f.debug_tuple("Capabilities").field(capabilities).finish()
            }
            Self::HelloRefused { reply } => f.debug_tuple("HelloRefused").field(reply).finish(),
            Self::StartTlsRefused { reply } => f.debug_tuple("StartTlsRefused").field(reply).finish(),
            Self::Reply { ticket, reply, .. } => f.debug_tuple("Reply").field(ticket).field(reply).finish(),
            Self::RecipientReply { ticket, reply, last, .. } => {
                f.debug_tuple("RecipientReply").field(ticket).field(reply).field(last).finish()
            }
            Self::BodyRequested { ticket } => f.debug_tuple("BodyRequested").field(ticket).finish(),
            Self::NoRecipients { ticket, reply } => {
                f.debug_tuple("NoRecipients").field(ticket).field(reply).finish()
            }
            Self::AuthChallenge { ticket, data, .. } => {
                f.debug_tuple("AuthChallenge").field(ticket).field(data).finish()
            }
            Self::NotSent { ticket, reason } => f.debug_tuple("NotSent").field(ticket).field(reason).finish(),
            Self::Unsolicited { reply } => f.debug_tuple("Unsolicited").field(reply).finish(),
            // The bytes can be a challenge that does not parse.
            Self::Malformed { ticket, bytes, error } => f
                .debug_struct("Malformed")
                .field("ticket", ticket)
                .field("length", &bytes.len())
                .field("error", error)
                .finish(),
        }
    }
}

/// What is known of the last message, at any time: for when a connection is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// No message was begun, or it did not come to its end: the server cannot have accepted it.
    NotSent,
    /// It was sent in full, and there is no answer yet. If the connection is lost now, nobody but
    /// the server knows whether it has it: sending it again can double it.
    Unknown,
    /// The server has it. In LMTP: for one recipient at least, and all replies are in.
    Accepted,
    /// The server refused it.
    Refused,
}
