//! How a client behaves.

use core::time::Duration;

use mailwire_core::{AskCapabilities, Channel, Dialect, dot::LineEnds};

use crate::limits::Limits;

/// The settings of a client's [`Connection`](super::Connection).
///
/// # Examples
///
/// ```
/// use mailwire_pop3::{Channel, client::Config};
///
/// let mut config = Config::new(Channel::StartTls);
/// config.limits.message = 50 * 1024 * 1024;
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How the stream is protected. With [`Channel::StartTls`] the machine sends STLS by itself,
    /// and nothing of the caller's before TLS is up.
    pub channel: Channel,
    /// How exactly the server is held to the grammar: lenient, if nothing else is said.
    pub dialect: Dialect,
    /// What ends a line of a message body. `None`: any line end if the dialect is lenient, CR LF
    /// if it is strict. With [`LineEnds::Any`] a server that lets a bare LF through unstuffed lets
    /// the author of a message end the body early; what comes after it is then read as replies to
    /// commands that are on their way, and is an error if there are none.
    pub body_line_ends: Option<LineEnds>,
    /// Whether USER, PASS and mechanisms that [show the
    /// secret](crate::Mechanism::shows_secret) may be used without TLS.
    pub allow_clear_credentials: bool,
    /// When the machine asks for the capabilities by itself.
    pub ask_capabilities: AskCapabilities,
    /// Whether PIPELINING is used where it is offered.
    pub pipelining: bool,
    /// Whether the first message of a SASL exchange is sent with AUTH, where that is allowed: SASL
    /// is announced, and the line is not longer than 255 octets. Otherwise the machine sends it
    /// when the server asks for it, as some servers need it.
    pub initial_response: bool,
    /// What is taken from the server.
    pub limits: Limits,
    /// How long the server may take.
    pub timeouts: Timeouts,
}

impl Config {
    /// The default settings for a channel.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self {
            channel,
            dialect: Dialect::Lenient,
            body_line_ends: None,
            allow_clear_credentials: false,
            ask_capabilities: AskCapabilities::default(),
            pipelining: true,
            initial_response: true,
            limits: Limits::client(),
            timeouts: Timeouts::default(),
        }
    }

    pub(super) fn line_ends(&self) -> LineEnds {
        self.body_line_ends.unwrap_or(match self.dialect {
            Dialect::Strict => LineEnds::CrLf,
            Dialect::Lenient => LineEnds::Any,
        })
    }
}

/// How long a server may be silent. The driver keeps the clock.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the greeting: 1 minute.
    pub greeting: Duration,
    /// For a status line, which can take long where a maildrop is large: 3 minutes.
    pub command: Duration,
    /// For the next bytes of a listing or a message: 2 minutes.
    pub body: Duration,
    /// For the answer to QUIT, while messages are deleted: 10 minutes.
    pub quit: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            greeting: Duration::from_secs(60),
            command: Duration::from_secs(180),
            body: Duration::from_secs(120),
            quit: Duration::from_secs(600),
        }
    }
}
