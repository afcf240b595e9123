//! What can go wrong.

use std::{fmt, io, sync::Arc, time::Duration};

use mailwire_core::{Invalid, Misuse, SendError, Text, escape_ascii, from_variants};

pub use crate::refused::{Refused, RefusedKind};
#[cfg(feature = "oauth")]
pub use crate::sasl::OAuthError;
use crate::{
    DriverError,
    sasl::SaslError,
    tls::{HandshakeError, TlsError},
};

/// The error of a client's call, or of a server's conversation.
///
/// What it displays says all that is known: whom it was about, what was going on, and the cause.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The network or the system failed.
    #[error("{}", Failed(.0))]
    Io(io::Error),
    /// The proxy does not connect to the server.
    #[cfg(feature = "proxy")]
    #[error(transparent)]
    Proxy(Box<crate::proxy::ProxyError>),
    /// TLS failed: its configuration or its handshake.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The peer breaks the protocol, or closed the connection in the middle of something.
    #[error("{}{error}", AtServer(.server.as_deref()))]
    Protocol {
        /// What the peer did.
        error: mailwire_core::Error,
        /// The server, where this side is its client and knows it.
        server: Option<String>,
    },
    /// The error within, and the server had said something before that answers no command: a sentence in
    /// place of a reply, a warning. That can be the only explanation that there is.
    #[error("{error}; the server said: {words}")]
    WithWords {
        /// The error.
        error: Box<Error>,
        /// The server's last words of that kind, or the beginning of them.
        words: Text,
    },
    /// What a proxy sent before its client's first byte is no header of the PROXY protocol.
    #[error("the PROXY header cannot be used: {0}")]
    ProxyHeader(mailwire_core::ParseError),
    /// Authentication could not be carried out. A server's plain no is [`Error::Refused`].
    #[error(transparent)]
    Sasl(#[from] SaslError),
    /// A mistake of the caller, found before anything was sent.
    #[error(transparent)]
    Misuse(Misuse),
    /// A value that no peer could read, or would read as more than one value.
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    /// The server refused a command.
    #[error(transparent)]
    Refused(Box<Refused>),
    /// One phase took longer than allowed.
    #[error("{}{phase} took longer than {after:?}", AtServer(.server.as_deref()))]
    Timeout {
        /// The phase that took too long.
        phase: Phase,
        /// The time it was given.
        after: Duration,
        /// The server that was waited for, where it is known.
        server: Option<String>,
    },
    /// A call was dropped in the middle of something that cannot be taken up again. What became of
    /// that call is unknown; this connection is of no more use.
    #[error("an earlier call was dropped before its end: this connection is spent")]
    Spent,
    /// The connection is over, as it was to be, or because the server closed it while nothing was going
    /// on. Nothing was sent.
    #[error("the connection is closed")]
    Closed,
    /// Of a [`Pool`](crate::pool::Pool): so many calls wait for a connection already that this one may not.
    #[cfg(feature = "pool")]
    #[error("{server}: {waiting} calls wait for a connection already")]
    Busy {
        /// The server.
        server: String,
        /// How many may wait: [`PoolOptions::waiting`](crate::pool::PoolOptions::waiting).
        waiting: usize,
    },
    /// Of a [`Mailer`](crate::smtp::Mailer): the message was sent to its end, and the connection lost before the answer.
    /// Nobody but the server knows whether it has it; sending it again can double it.
    #[cfg(all(feature = "pool", feature = "smtp"))]
    #[error("{0}; the server may have accepted the message all the same")]
    InDoubt(Box<Error>),
    /// Of an [`imap::Pool`](crate::imap::Pool): the mailbox is another one than the caller knows, and the UIDs of that mean
    /// nothing in it ([RFC 9051 section 2.3.1.1](https://www.rfc-editor.org/rfc/rfc9051#section-2.3.1.1)).
    #[cfg(all(feature = "client", feature = "imap"))]
    #[error("{mailbox} is not the mailbox that it was: its UIDVALIDITY is {}, not {known}", Now(*.now))]
    UidValidity {
        /// The mailbox's name.
        mailbox: String,
        /// The UIDVALIDITY that the caller knows.
        known: mailwire_imap::types::UidValidity,
        /// The UIDVALIDITY that it has now; `None` where the server says none.
        now: Option<mailwire_imap::types::UidValidity>,
    },
    /// The connection had ended before this call, of which nothing was sent. Each later call says the same.
    /// (If the server itself had said goodbye, by 421 or BYE, each later call is that refusal.)
    #[error("the connection is over: {0}")]
    Ended(Arc<Error>),
}

/// The result of most calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

from_variants!(Error {
    Io(io::Error),
    Invalid(Invalid),
    Refused(Refused),
});

/// What cannot be.
impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl From<mailwire_core::Error> for Error {
    fn from(error: mailwire_core::Error) -> Self {
        Self::Protocol { error, server: None }
    }
}

impl From<DriverError> for Error {
    fn from(error: DriverError) -> Self {
        match error {
            DriverError::Io(error) => Self::Io(error),
            DriverError::Protocol(error) => error.into(),
            DriverError::Flooded { limit } => {
                mailwire_core::Error::LimitExceeded { what: "bytes that nobody asked for", limit }.into()
            }
            DriverError::BytesBeforeUpgrade => {
                mailwire_core::Error::BytesAfterUpgrade { command: "STARTTLS" }.into()
            }
        }
    }
}

/// [`Misuse::Closed`] is [`Error::Closed`].
impl From<Misuse> for Error {
    fn from(misuse: Misuse) -> Self {
        match misuse {
            Misuse::Closed => Self::Closed,
            misuse => Self::Misuse(misuse),
        }
    }
}

/// The message is dropped: whoever wants it back matches on the [`SendError`].
impl<M> From<SendError<M>> for Error {
    fn from(error: SendError<M>) -> Self {
        error.reason.into()
    }
}

impl From<HandshakeError> for Error {
    fn from(error: HandshakeError) -> Self {
        Self::Tls(TlsError::Handshake(error))
    }
}

/// An I/O error is copied by its kind and its words.
impl Clone for Error {
    fn clone(&self) -> Self {
        match self {
            Self::Io(error) => Self::Io(copy(error)),
            #[cfg(feature = "proxy")]
            Self::Proxy(error) => Self::Proxy(error.clone()),
            Self::Tls(error) => Self::Tls(error.clone()),
            Self::Protocol { error, server } => Self::Protocol { error: *error, server: server.clone() },
            Self::WithWords { error, words } => {
                Self::WithWords { error: error.clone(), words: words.clone() }
            }
            Self::ProxyHeader(error) => Self::ProxyHeader(*error),
            Self::Sasl(error) => Self::Sasl(error.clone()),
            Self::Misuse(misuse) => Self::Misuse(*misuse),
            Self::Invalid(invalid) => Self::Invalid(invalid.clone()),
            Self::Refused(refused) => Self::Refused(refused.clone()),
            Self::Timeout { phase, after, server } => {
                Self::Timeout { phase: *phase, after: *after, server: server.clone() }
            }
            #[cfg(feature = "pool")]
            Self::Busy { server, waiting } => Self::Busy { server: server.clone(), waiting: *waiting },
            #[cfg(all(feature = "pool", feature = "smtp"))]
            Self::InDoubt(error) => Self::InDoubt(error.clone()),
            #[cfg(all(feature = "client", feature = "imap"))]
            Self::UidValidity { mailbox, known, now } => {
                Self::UidValidity { mailbox: mailbox.clone(), known: *known, now: *now }
            }
            Self::Spent => Self::Spent,
            Self::Closed => Self::Closed,
            Self::Ended(cause) => Self::Ended(Arc::clone(cause)),
        }
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

    /// Returns what the server said of an OAuth token, within its refusal of a login.
    #[cfg(feature = "oauth")]
    #[must_use]
    pub fn oauth(&self) -> Option<&OAuthError> {
        self.refused().and_then(|refused| refused.oauth.as_deref())
    }

    /// Returns what the peer did that its protocol does not allow, if that is the error.
    #[must_use]
    pub fn violation(&self) -> Option<&mailwire_core::Error> {
        match self {
            Self::Protocol { error, .. } => Some(error),
            Self::WithWords { error, .. } => error.violation(),
            _ => None,
        }
    }

    /// Whether the same call may succeed later or over another connection: the network failed, time
    /// ran out, the connection had ended before the call, or the server itself said that its no is for
    /// now.
    #[inline]
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Io(_) | Self::Timeout { .. } | Self::Spent | Self::Closed | Self::Ended(_) => true,
            #[cfg(feature = "pool")]
            Self::Busy { .. } => true,
            Self::Protocol { error, .. } => matches!(
                error,
                mailwire_core::Error::UnexpectedEof { .. } | mailwire_core::Error::TimedOut { .. }
            ),
            #[cfg(feature = "proxy")]
            Self::Proxy(error) => error.reason.is_transient(),
            Self::WithWords { error, .. } => error.is_transient(),
            Self::Refused(refused) => refused.is_transient(),
            Self::Sasl(error) => error.is_transient(),
            _ => false,
        }
    }

    /// Whether the server does not accept these credentials: with others, the login may succeed. The
    /// three protocols say it in different ways, which this hides.
    #[inline]
    #[must_use]
    pub fn is_authentication(&self) -> bool {
        match self {
            Self::Refused(refused) => refused.is_authentication(),
            Self::Sasl(error) => error.is_authentication(),
            _ => false,
        }
    }

    /// Whether the peer is just gone, or going: what it said before tells more, and whoever wanted the end has
    /// it.
    #[cfg(feature = "client")]
    pub(crate) fn is_end(&self) -> bool {
        match self {
            Self::Io(_)
            | Self::Closed
            | Self::Protocol { error: mailwire_core::Error::UnexpectedEof { .. }, .. }
            | Self::Misuse(Misuse::WrongState(mailwire_core::WrongState::Ending)) => true,
            Self::WithWords { error, .. } => error.is_end(),
            _ => false,
        }
    }

    /// Adds the server to an error that does not tell it, and to an I/O error what was being done.
    #[cfg(feature = "client")]
    pub(crate) fn during(self, place: &dyn fmt::Display, what: &dyn fmt::Display) -> Self {
        match self {
            Self::Io(error) if located(&error).is_none() => {
                let place = format!("{place}: {what}");
                Self::Io(io::Error::new(error.kind(), Located { place, error }))
            }
            Self::Tls(TlsError::Handshake(error)) => error.with_server(place.to_string()).into(),
            Self::Timeout { phase, after, server: None } => {
                Self::Timeout { phase, after, server: Some(place.to_string()) }
            }
            Self::Protocol { error, server: None } => {
                Self::Protocol { error, server: Some(place.to_string()) }
            }
            error => error,
        }
    }
}

/// A value that no peer could read, or would read as more than one value, with the value where it is not
/// secret.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidValue {
    /// What is wrong with it.
    pub invalid: Invalid,
    /// The value, or the beginning of it.
    pub value: Option<Text>,
}

impl InvalidValue {
    /// How much of a value is kept, in bytes.
    const SHOWN: usize = 200;

    /// Makes the error of a value that can be shown.
    #[must_use]
    pub fn new(invalid: Invalid, value: &str) -> Self {
        let shown = value.as_bytes().get(..Self::SHOWN).unwrap_or(value.as_bytes());
        Self { invalid, value: Some(Text::from(shown)) }
    }
}

impl From<Invalid> for InvalidValue {
    fn from(invalid: Invalid) -> Self {
        Self { invalid, value: None }
    }
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "\"{}\" is {}", escape_ascii(value.as_bytes()), self.invalid),
            None => self.invalid.fmt(f),
        }
    }
}

impl std::error::Error for InvalidValue {}

/// An I/O error, and where it happened. It stands in an [`io::Error`] of the same kind.
#[derive(Debug)]
struct Located {
    place: String,
    error: io::Error,
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.error)
    }
}

impl std::error::Error for Located {
    /// What is displayed is not told once more.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.get_ref().and_then(|inner| inner.source())
    }
}

fn located(error: &io::Error) -> Option<&Located> {
    error.get_ref()?.downcast_ref()
}

fn copy(error: &io::Error) -> io::Error {
    if let Some(Located { place, error }) = located(error) {
        return io::Error::new(error.kind(), Located { place: place.clone(), error: copy(error) });
    }
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None if error.get_ref().is_some() => io::Error::new(error.kind(), error.to_string()),
        None => error.kind().into(),
    }
}

/// Shows an I/O error.
struct Failed<'a>(&'a io::Error);

impl fmt::Display for Failed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match located(self.0) {
            Some(located) => located.fmt(f),
            None => write!(f, "the connection failed: {}", self.0),
        }
    }
}

/// Shows a UIDVALIDITY that may be missing.
#[cfg(all(feature = "client", feature = "imap"))]
struct Now(Option<mailwire_imap::types::UidValidity>);

#[cfg(all(feature = "client", feature = "imap"))]
impl fmt::Display for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(now) => now.fmt(f),
            None => f.write_str("none"),
        }
    }
}

/// Shows a server before what happened there.
pub(crate) struct AtServer<'a>(pub(crate) Option<&'a str>);

impl fmt::Display for AtServer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |server| write!(f, "{server}: "))
    }
}

/// The phases of a conversation: what was going on when it failed. Some have times of their own: see
/// [`Timeouts`](crate::Timeouts).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Waiting until a connection of a [`Pool`](crate::pool::Pool) is free.
    #[cfg(feature = "pool")]
    Pool,
    /// Looking up the name.
    Resolve,
    /// Connecting to the address.
    Connect,
    /// The header of the PROXY protocol, which a server waits for.
    ProxyHeader,
    /// Asking the proxy.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The server's greeting, and what it offers.
    Greeting,
    /// The login, with all that comes before it.
    Login,
    /// All of a session.
    Session,
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

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            #[cfg(feature = "pool")]
            Self::Pool => "waiting for a free connection",
            Self::Resolve => "looking up the name",
            Self::Connect => "connecting",
            Self::ProxyHeader => "the PROXY header",
            Self::Proxy => "the answer of the proxy",
            Self::Tls => "the TLS handshake",
            Self::Greeting => "the greeting",
            Self::Login => "the login",
            Self::Session => "the session",
            Self::Command => "a command",
            Self::Body => "a body",
            Self::BodyReply => "the reply to a body",
            Self::Close => "closing",
            Self::Unauthenticated => "authentication",
        })
    }
}
