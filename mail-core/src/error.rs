//! The three kinds of error: a message that does not parse, the peer's violation, our caller's
//! mistake.

use core::fmt;

use crate::{Deviation, NotOffered, WrongAnswer, WrongState};

/// Why some bytes are not what the grammar asks for.
///
/// ```
/// use mailwire_core::{ParseError, ParseErrorKind};
///
/// let error = ParseError::new(4, "expected a space");
/// assert_eq!(error.kind, ParseErrorKind::Syntax);
/// assert_eq!(error.to_string(), "at byte 4: expected a space");
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[error("at byte {offset}: {reason}")]
pub struct ParseError {
    /// Where, in bytes from the start of the message.
    pub offset: usize,
    /// What was expected or wrong there, for people. With [`ParseErrorKind::Deviation`] the name of
    /// the deviation.
    pub reason: &'static str,
    /// What kind of error it is, for programs.
    pub kind: ParseErrorKind,
}

/// What kind of error a [`ParseError`] is.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
// As wide as what stands beside it in an error, so that results of grammars are moved in whole words.
#[repr(usize)]
pub enum ParseErrorKind {
    /// The bytes are not of the grammar.
    #[default]
    Syntax,
    /// A known deviation, which [`Dialect::Strict`](crate::Dialect::Strict) refuses and
    /// [`Dialect::Lenient`](crate::Dialect::Lenient) accepts.
    Deviation,
    /// Something is longer than it may be.
    TooLong,
    /// There are more of something than there may be.
    TooMany,
    /// Something is nested deeper than it may be.
    TooDeep,
    /// A number is too large or too small.
    OutOfRange,
    /// The grammar has this, with a name that is not known: a command, for instance.
    Unknown,
}

impl ParseError {
    /// An error at `offset`: bytes that are not of the grammar.
    #[must_use]
    pub const fn new(offset: usize, reason: &'static str) -> Self {
        Self { offset, reason, kind: ParseErrorKind::Syntax }
    }

    /// Sets the kind of the error.
    #[must_use]
    pub const fn with_kind(mut self, kind: ParseErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Moves the error by `bytes`, for a grammar that was run on a part of the message.
    #[must_use]
    pub const fn after(mut self, bytes: usize) -> Self {
        self.offset = self.offset.saturating_add(bytes);
        self
    }
}

/// The error that a deviation is in the strict dialect.
impl From<Deviation> for ParseError {
    fn from(deviation: Deviation) -> Self {
        Self::new(deviation.offset, deviation.name).with_kind(ParseErrorKind::Deviation)
    }
}

/// A value that cannot be built because no peer could read it, or would read more than one value.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("not a valid {what}: {reason} (at byte {offset})")]
pub struct Invalid {
    /// The kind of value: `mailbox name`, `domain`.
    pub what: &'static str,
    /// Where in the text that was given.
    pub offset: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

impl Invalid {
    /// An invalid `what`, because of `reason` at `offset`.
    #[must_use]
    pub const fn new(what: &'static str, offset: usize, reason: &'static str) -> Self {
        Self { what, offset, reason }
    }
}

/// A violation of the protocol by the peer, or the end of its patience or ours. It ends the
/// connection.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Error {
    /// A line is longer than the limit, in bytes with its line end.
    #[error("a line from the peer exceeds the limit of {limit} bytes")]
    LineTooLong {
        /// The limit that was passed.
        limit: usize,
    },
    /// Something else passed its limit.
    #[error("too much from the peer: {what} (the limit is {limit})")]
    LimitExceeded {
        /// What there was too much of.
        what: &'static str,
        /// The limit that was passed.
        limit: u64,
    },
    /// The peer closed the stream where the protocol does not allow it.
    #[error("the peer closed the connection {during}")]
    UnexpectedEof {
        /// What was going on.
        during: &'static str,
    },
    /// Bytes in clear after STARTTLS or STLS: somebody tries to have them taken for protected
    /// ones (CVE-2011-0411).
    #[error("bytes in clear after the {command} command: refused as an injection")]
    BytesAfterUpgrade {
        /// The command's name.
        command: &'static str,
    },
    /// A reply to a command that was not sent, or not yet in full.
    #[error("a reply that answers nothing: {what}")]
    UnsolicitedReply {
        /// What came.
        what: &'static str,
    },
    /// A reply that the protocol does not have at this point, whose meaning would be a guess.
    #[error("unexpected from the peer: {what} (at byte {offset})")]
    Unexpected {
        /// What came, or what is wrong with it.
        what: &'static str,
        /// Where in the message.
        offset: usize,
    },
    /// The greeting is not one of this protocol.
    #[error("the greeting is not one of this protocol: {reason} (at byte {offset})")]
    InvalidGreeting {
        /// What is wrong.
        reason: &'static str,
        /// Where in the greeting.
        offset: usize,
    },
    /// TLS is required, and the server does not offer, refuses or tries to skip it.
    #[error("TLS is required, but {reason}")]
    TlsUnavailable {
        /// What the server did instead.
        reason: &'static str,
    },
    /// The peer took longer than the step may take.
    #[error("timed out while waiting for {waiting_for}")]
    TimedOut {
        /// What was due.
        waiting_for: &'static str,
    },
    /// Too many bad commands.
    #[error("the client sent {limit} bad commands")]
    TooManyBadCommands {
        /// The limit that was reached.
        limit: usize,
    },
}

/// A mistake of the caller. It never harms the connection.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Misuse {
    /// This cannot be done in the connection's present state.
    #[error("not possible now: {0}")]
    WrongState(WrongState),
    /// The peer does not offer what this needs.
    #[error("the peer does not offer {0}")]
    NotOffered(NotOffered),
    /// The command is longer than its line may be, in bytes with the line end.
    #[error("the command is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// No command with this ticket waits for an answer.
    #[error("no command with this ticket waits for this")]
    UnknownTicket,
    /// The queue of commands or the output is full: drain first.
    #[error("the queue of {limit} is full")]
    Full {
        /// The limit that was reached.
        limit: usize,
    },
    /// The answer is not one that the command can have.
    #[error("not an answer to this command: {0}")]
    WrongAnswer(WrongAnswer),
    /// The body that was sent is not the one that was announced.
    #[error("the body is not the one announced: {0}")]
    BodyMismatch(&'static str),
    /// The body has something that this protocol cannot carry, a bare CR or LF for instance.
    #[error("the body cannot be sent: {reason} (at byte {offset})")]
    InvalidBody {
        /// What is wrong.
        reason: &'static str,
        /// Where, in bytes from the start of the body.
        offset: u64,
    },
    /// The credentials would go over the wire in clear.
    #[error("refused to send credentials without TLS")]
    CredentialsInClear,
    /// The connection is over.
    #[error("the connection is closed")]
    Closed,
}

/// A message that was not taken, with the reason. The message is handed back.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendError<M> {
    /// Why it was not taken.
    pub reason: Misuse,
    /// What was to be sent.
    pub message: M,
}

impl<M> SendError<M> {
    /// `message` was refused for `reason`.
    pub const fn new(reason: Misuse, message: M) -> Self {
        Self { reason, message }
    }
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<M: fmt::Debug> core::error::Error for SendError<M> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.reason)
    }
}
