//! The events of a client.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use bytes::Bytes;
use mailwire_core::{Deviation, Misuse, ParseError, Secret, Ticket};

use crate::{
    capability::Capabilities,
    response::{Reply, Untagged},
    types::{Section, SeqNumber, Uid},
};

/// Tells the caller of a [`client::Connection`](super::Connection) what happened.
///
/// What a command brings comes as `Data`, in the order of the bytes, and its completion as `Reply`.
/// Data that nobody asked for comes the same way.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server has greeted. If the greeting is BYE, the connection is over.
    Greeting {
        /// OK, PREAUTH or BYE.
        greeting: Reply,
        /// What was accepted although the grammar does not have it.
        deviations: Vec<Deviation>,
    },
    /// What the server offers from now on; not [known](Capabilities::is_known) if it was asked and
    /// did not say.
    Capabilities(Capabilities),
    /// The server refused STARTTLS. The next call is the error
    /// [`TlsUnavailable`](mailwire_core::Error::TlsUnavailable).
    StartTlsRefused(Reply),
    /// The server sent untagged data.
    Data {
        /// The data.
        data: Untagged,
        /// The oldest command in progress, which the data may be about.
        during: Option<Ticket>,
        /// What was accepted although the grammar does not have it.
        deviations: Vec<Deviation>,
    },
    /// A command was completed with OK, NO or BAD.
    Reply {
        /// The command.
        ticket: Ticket,
        /// How it ended.
        reply: Reply,
        /// What was accepted although the grammar does not have it.
        deviations: Vec<Deviation>,
    },
    /// The server waits for a message of an APPEND or REPLACE, or a part of one: give it with `send_body` and
    /// `finish_body`. Each literal that is streamed is asked for in turn.
    BodyRequested {
        /// The APPEND.
        ticket: Ticket,
    },
    /// A large literal of a FETCH response begins. It comes in `BodyChunk`s; the response itself
    /// comes after `BodyEnd` as `Data`, with the literal named by its length.
    BodyStart(BodyStart),
    /// A part of the large literal has come: a slice of the input.
    BodyChunk(Bytes),
    /// The large literal is complete.
    BodyEnd,
    /// The server sent its step of a SASL exchange. Answer with `send_auth`.
    AuthChallenge {
        /// The AUTHENTICATE.
        ticket: Ticket,
        /// The message, decoded. It may be empty.
        data: Secret,
    },
    /// IDLE has begun. [`done`](super::Connection::done), or another command, ends it.
    Idling {
        /// The IDLE.
        ticket: Ticket,
    },
    /// A command that waited in the machine will not be sent: the login before it failed, say.
    NotSent {
        /// The command.
        ticket: Ticket,
        /// Why.
        reason: Misuse,
    },
    /// A response does not parse. What comes after it is not disturbed.
    Malformed {
        /// The command, if this was its completion: it is over, and how it ended is not known.
        ticket: Option<Ticket>,
        /// The response, without the bytes of streamed literals.
        bytes: Bytes,
        /// What is wrong.
        error: ParseError,
    },
}

/// Tells what a streamed literal of a FETCH response belongs to.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyStart {
    /// The message's sequence number; `None` in UIDFETCH, where `uid` names it. (What a server says of message 0
    /// is [`Event::Malformed`].)
    pub number: Option<SeqNumber>,
    /// Its UID, if it stood before the literal in the response: it does in UIDFETCH.
    pub uid: Option<Uid>,
    /// The item.
    pub item: BodyItem,
    /// How many bytes will come.
    pub length: u64,
}

/// Names an item of a FETCH response that can be large.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyItem {
    /// `BODY[...]`: a part as it is.
    Section {
        /// Which part.
        section: Section,
        /// At which byte of it the literal begins, if only some were asked for.
        origin: Option<u64>,
    },
    /// `BINARY[...]`: a part, decoded.
    Binary {
        /// The part's numbers; none for the whole message.
        part: Vec<NonZeroU32>,
        /// At which byte of it the literal begins, if only some were asked for.
        origin: Option<u64>,
    },
    /// `RFC822`: the message.
    Rfc822,
    /// `RFC822.HEADER`: its header.
    Rfc822Header,
    /// `RFC822.TEXT`: its body.
    Rfc822Text,
}
