//! How long the phases of a conversation may take.

use std::time::Duration;

/// The times that the phases of a conversation may take.
///
/// Times of commands and bodies are idle times: they start anew whenever bytes move. So that nobody
/// makes this side wait for ever by single bytes, [`whole`](Self::whole), [`least_rate`](Self::least_rate) and
/// [`login`](Self::login) bound what takes long although bytes move.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// Looking up the name and connecting: 30 seconds.
    pub connect: Duration,
    /// The TLS handshake: 30 seconds.
    pub tls: Duration,
    /// The server's greeting: 5 minutes ([RFC 5321 section 4.5.3.2.1](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.2.1)).
    pub greeting: Duration,
    /// A command's reply: 5 minutes ([RFC 5321 section 4.5.3.2](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.2)).
    pub command: Duration,
    /// Each part of a body: 3 minutes.
    pub body: Duration,
    /// The reply to a whole body, and to POP3's QUIT, before which the server deletes what is marked: 10
    /// minutes.
    pub body_reply: Duration,
    /// QUIT of SMTP, LOGOUT, and the closing of the stream: 10 seconds.
    pub close: Duration,
    /// All from the connected stream to the end of the login: 15 minutes.
    pub login: Duration,
    /// The whole of a command with all that comes before its end: 30 minutes. Time that the caller takes
    /// for itself, between two pieces of a body, does not count. Each MiB that no command asked for costs a second of it, so that a
    /// flood without a pause has an end, too: [`LimitExceeded`](mailwire_core::Error::LimitExceeded) in place of
    /// [`TimedOut`](mailwire_core::Error::TimedOut).
    pub whole: Duration,
    /// The least rate of what is large, in bytes per second: so many bytes of a whole, in either
    /// direction, give the server another second. 100; 0 for none. What no command asked for gives none.
    pub least_rate: u32,
    /// All of a session, if that has an end: none by default, as IDLE can last for days.
    pub session: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            tls: Duration::from_secs(30),
            greeting: Duration::from_secs(300),
            command: Duration::from_secs(300),
            body: Duration::from_secs(180),
            body_reply: Duration::from_secs(600),
            close: Duration::from_secs(10),
            login: Duration::from_secs(900),
            whole: Duration::from_secs(1800),
            least_rate: 100,
            session: None,
        }
    }
}

impl Timeouts {
    /// Times for a program whose user waits: half a minute for everything but bodies, whose replies still get
    /// a few minutes; five minutes for a whole, and 500 bytes per second of a large one.
    #[must_use]
    pub fn interactive() -> Self {
        let short = Duration::from_secs(30);
        Self {
            connect: Duration::from_secs(10),
            tls: Duration::from_secs(10),
            greeting: short,
            command: short,
            body: short,
            body_reply: Duration::from_secs(180),
            close: Duration::from_secs(3),
            login: Duration::from_secs(90),
            whole: Duration::from_secs(300),
            least_rate: 500,
            session: None,
        }
    }
}
