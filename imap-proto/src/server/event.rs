//! The events of a server.

use alloc::{boxed::Box, vec::Vec};

use bytes::Bytes;
use mailwire_core::{Deviation, ParseError, SaslStep, Ticket};

use crate::{
    capability::Capability,
    command::{AppendMessage, CatPart, Command},
    response::Reply,
};

/// Tells the application of a [`server::Connection`](super::Connection) what happened.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A command has come, to be answered with [`reply`](super::Connection::reply), after the data it
    /// asks for. The next one comes after the reply.
    ///
    /// STARTTLS, COMPRESS, IDLE, AUTHENTICATE and APPEND have answers of their own before that:
    /// `accept_upgrade`, `accept_idle`, `send_auth`, `accept_body`. UNAUTHENTICATE can only be answered with
    /// OK.
    Command {
        /// The command's name on this connection.
        ticket: Ticket,
        /// The command. Messages of an APPEND are always streamed; of several, those are in it that have come
        /// with the first literal, and [`AppendMore`](Self::AppendMore) tells of the others.
        command: Command,
        /// What was accepted although the grammar does not have it.
        deviations: Vec<Deviation>,
    },
    /// The message of an APPEND begins.
    BodyStart {
        /// The APPEND.
        ticket: Ticket,
        /// How many bytes will come.
        length: u64,
    },
    /// A part of the message has come: a slice of the input.
    BodyChunk(Bytes),
    /// After a literal of an APPEND, more follows: parts of the message that is being put together (CATENATE), or
    /// other messages (MULTIAPPEND). If the last of them has a literal, the machine waits for `accept_body` again;
    /// otherwise `BodyEnd` follows.
    AppendMore {
        /// The APPEND.
        ticket: Ticket,
        /// More parts of the last message.
        parts: Vec<CatPart>,
        /// More messages, which come after them.
        messages: Vec<AppendMessage>,
    },
    /// The message, or the last of several, and its command are complete: it can be answered with OK.
    BodyEnd {
        /// The APPEND.
        ticket: Ticket,
    },
    /// The message is refused after it came: the machine has answered BAD, and the message must not
    /// be kept.
    BodyRefused {
        /// The APPEND, which is over.
        ticket: Ticket,
        /// Why.
        reason: BodyRefusal,
    },
    /// The client sent its step of a SASL exchange. Answer with `send_auth` or `reply`. If it is
    /// [`SaslStep::Cancel`], the machine has answered BAD and the command is over; so it is with a
    /// step that is not base64, which is [`Malformed`](Self::Malformed).
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
    /// The machine refused a well-formed command by itself: it is not known, not offered or not
    /// allowed now.
    Refused {
        /// The command. The message of an APPEND does not come.
        command: Command,
        /// What it was answered.
        reply: Box<Reply>,
    },
    /// A line does not parse, or a command's literal was refused before it came. The machine
    /// has answered it with BAD or NO.
    Malformed {
        /// The AUTHENTICATE, if this was a step of its exchange: it is over.
        ticket: Option<Ticket>,
        /// The command. Of one that may carry a password, the name only; nothing of a step of an
        /// exchange.
        bytes: Bytes,
        /// What is wrong.
        error: ParseError,
    },
}

/// Says why a message was refused after it came.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyRefusal {
    /// Another message follows it (MULTIAPPEND, [RFC 3502](https://www.rfc-editor.org/rfc/rfc3502)),
    /// which is not offered.
    SecondMessage,
    /// What follows it, from this byte of the command on, is not the end of the command.
    Trailing(usize),
    /// It has a NUL, at this byte of it, and is no `literal8`.
    Nul(u64),
    /// The one after it is larger than what is taken, or the message that its parts make (CATENATE).
    TooLarge,
}
