//! What can go wrong.

use std::{io, time::Duration};

use mailwire_core::{Misuse, SendError, Text};

use crate::{DriverError, sasl::SaslError, tls::TlsError};

/// The error of a client's call, or of a server's conversation.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The network or the system failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// TLS failed: its configuration or its handshake.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The peer breaks the protocol, or closed the connection in the middle of something.
    #[error(transparent)]
    Protocol(#[from] mailwire_core::Error),
    /// Authentication could not be carried out. A server's plain no is [`Error::Refused`].
    #[error(transparent)]
    Sasl(#[from] SaslError),
    /// A mistake of the caller, found before anything was sent.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// A value that no peer could read, or would read as more than one value.
    #[error(transparent)]
    Invalid(#[from] mailwire_core::Invalid),
    /// The server refused a command.
    #[error(transparent)]
    Refused(Box<Refused>),
    /// One phase took longer than allowed.
    #[error("{phase} took longer than {after:?}")]
    Timeout {
        /// The phase that took too long.
        phase: Phase,
        /// The time it was given.
        after: Duration,
    },
    /// A call was dropped in the middle of something that cannot be taken up again. What became of
    /// that call is unknown; this connection is of no more use.
    #[error("an earlier call was dropped before its end: this connection is spent")]
    Spent,
    /// The connection is over. Nothing was sent.
    #[error("the connection is closed")]
    Closed,
}

/// The result of most calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<DriverError> for Error {
    fn from(error: DriverError) -> Self {
        match error {
            DriverError::Io(error) => Self::Io(error),
            DriverError::Protocol(error) => Self::Protocol(error),
            DriverError::BytesBeforeUpgrade => {
                Self::Protocol(mailwire_core::Error::BytesBehindUpgrade { command: "STARTTLS" })
            }
        }
    }
}

/// The message is dropped: whoever wants it back matches on the [`SendError`].
impl<M> From<SendError<M>> for Error {
    fn from(error: SendError<M>) -> Self {
        Self::Misuse(error.reason)
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
}

impl Error {
    /// Returns the server's refusal, if this is one.
    #[must_use]
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Refused(refused) => Some(refused),
            _ => None,
        }
    }

    /// Whether the same call may succeed later or over another connection: the network failed, time
    /// ran out, or the server itself said that its no is for now.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Io(_) | Self::Timeout { .. } | Self::Spent | Self::Closed => true,
            Self::Protocol(error) => matches!(
                error,
                mailwire_core::Error::UnexpectedEof { .. } | mailwire_core::Error::TimedOut { .. }
            ),
            Self::Refused(refused) => refused.is_transient(),
            _ => false,
        }
    }
}

/// A server's refusal of one command, in any of the protocols.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The command's name.
    pub command: &'static str,
    /// The kind of the refusal.
    pub kind: RefusedKind,
    /// The machine-readable reason beside it: SMTP's enhanced kind code (`5.1.1`), IMAP's response
    /// code (`AUTHENTICATIONFAILED`, with its arguments), POP3's (`IN-USE`).
    pub code: Option<Text>,
    /// The words for people; lines are separated by LF.
    pub text: Text,
}

/// The ways in which a server refuses.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusedKind {
    /// SMTP's and LMTP's three digits, 4xx or 5xx.
    Smtp(u16),
    /// IMAP's NO.
    No,
    /// IMAP's BAD.
    Bad,
    /// IMAP's BYE.
    Bye,
    /// IMAP's OK with the code `MESSAGELIMIT`: a part was done, for no more messages than the code says, and
    /// up to its UID; the rest is still to do ([RFC 9738](https://www.rfc-editor.org/rfc/rfc9738)).
    Partial,
    /// POP3's -ERR.
    Err,
}

impl Refused {
    /// Makes a refusal of `command` from the parts of the server's answer.
    #[must_use]
    pub const fn new(command: &'static str, kind: RefusedKind, code: Option<Text>, text: Text) -> Self {
        Self { command, kind, code, text }
    }

    /// Whether the server said, by its code, that the same may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        let code = |word: &str| {
            self.code.as_ref().is_some_and(|code| {
                let code = code.as_bytes();
                let end = code.iter().position(|&byte| byte == b' ').unwrap_or(code.len());
                code.get(..end).unwrap_or_default().eq_ignore_ascii_case(word.as_bytes())
            })
        };
        match self.kind {
            RefusedKind::Smtp(code) => (400..500).contains(&code),
            // RFC 5530 section 3.
            RefusedKind::No | RefusedKind::Bad | RefusedKind::Bye => {
                code("UNAVAILABLE") || code("INUSE") || code("LIMIT") || code("SERVERBUG")
            }
            // RFC 2449 section 8.1, RFC 3206 section 3.
            // The same would do nothing new: the rest is to be asked for.
            RefusedKind::Partial => false,
            RefusedKind::Err => code("IN-USE") || code("LOGIN-DELAY") || code("SYS/TEMP"),
        }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let did = if self.kind == RefusedKind::Partial { "did only a part of" } else { "refused" };
        write!(f, "the server {did} {}: ", self.command)?;
        match self.kind {
            RefusedKind::Smtp(code) => write!(f, "{code}")?,
            RefusedKind::No => f.write_str("NO")?,
            RefusedKind::Bad => f.write_str("BAD")?,
            RefusedKind::Bye => f.write_str("BYE")?,
            RefusedKind::Partial => f.write_str("OK")?,
            RefusedKind::Err => f.write_str("-ERR")?,
        }
        match (&self.code, self.kind) {
            (Some(code), RefusedKind::Smtp(_)) => write!(f, " {code}")?,
            (Some(code), _) => write!(f, " [{code}]")?,
            (None, _) => {}
        }
        if self.text.is_empty() { Ok(()) } else { write!(f, " {}", self.text) }
    }
}

impl std::error::Error for Refused {}

/// The phases of a conversation that have times of their own: see [`Timeouts`](crate::Timeouts).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Looking up the name and connecting.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The server's greeting.
    Greeting,
    /// A command and its reply.
    Command,
    /// Sending or receiving a body.
    Body,
    /// The reply to a whole body.
    BodyReply,
    /// Saying goodbye.
    Close,
    /// The time that a client has to authenticate.
    Unauthenticated,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Tls => "the TLS handshake",
            Self::Greeting => "the greeting",
            Self::Command => "a command",
            Self::Body => "a body",
            Self::BodyReply => "the reply to a body",
            Self::Close => "closing",
            Self::Unauthenticated => "authentication",
        })
    }
}
