//! How a client behaves.

use core::time::Duration;

use mailwire_core::{Channel, Dialect, dot::BareNewline, setters};

use crate::{EhloName, Limits};

/// The settings of a client's connection.
///
/// # Examples
///
/// ```
/// use mailwire_smtp::{Channel, client::Config};
///
/// let config = Config::new("client.example".try_into()?, Channel::StartTls).with_pipelining(false);
/// assert!(!config.pipelining && config.helo_fallback);
/// # Ok::<(), mailwire_smtp::Invalid>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Config {
    /// What the client calls itself in EHLO, HELO or LHLO.
    pub name: EhloName,
    /// How the stream is protected. With [`Channel::StartTls`] nothing but EHLO is sent before TLS
    /// is up.
    pub channel: Channel,
    /// Whether LMTP ([RFC 2033](https://www.rfc-editor.org/rfc/rfc2033)) is spoken in place of SMTP: LHLO,
    /// and one reply for each accepted recipient after a
    /// message. False by default.
    pub lmtp: bool,
    /// How exactly replies are read. Lenient by default.
    pub dialect: Dialect,
    /// What the server may use up.
    pub limits: Limits,
    /// How long the server may take.
    pub timeouts: Timeouts,
    /// Whether commands are sent in groups when the server offers PIPELINING. True by default; some
    /// servers offer it and break.
    pub pipelining: bool,
    /// Whether HELO is tried where EHLO is refused. True by default. Never done where TLS or LMTP is
    /// wanted.
    pub helo_fallback: bool,
    /// Whether EHLO is sent before the greeting has come: for a server that said PIPECONNECT ([`Capability::PipeConnect`])
    /// at an earlier connection. It saves a round trip; a server that does not expect it may refuse the connection. False
    /// by default.
    ///
    /// [`Capability::PipeConnect`]: crate::Capability::PipeConnect
    pub early_hello: bool,
    /// What happens to a bare CR or LF in a body. Refused by default.
    pub bare_newline: BareNewline,
    /// Whether a NUL may stand in a body ([RFC 5322 section
    /// 2.2](https://www.rfc-editor.org/rfc/rfc5322#section-2.2) has none). False by default: most servers
    /// refuse it, or cut the message off there.
    pub allow_nul: bool,
    /// Whether mechanisms that show the secret may be used without TLS. False by default.
    pub allow_clear_credentials: bool,
}

impl Config {
    /// The defaults, for a client that calls itself `name`.
    #[must_use]
    pub fn new(name: EhloName, channel: Channel) -> Self {
        Self {
            name,
            channel,
            lmtp: false,
            dialect: Dialect::Lenient,
            limits: Limits::client(),
            timeouts: Timeouts::default(),
            pipelining: true,
            helo_fallback: true,
            early_hello: false,
            bare_newline: BareNewline::Refuse,
            allow_nul: false,
            allow_clear_credentials: false,
        }
    }
}

/// How long a server may take for each step ([RFC 5321 section
/// 4.5.3.2](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.2)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// For the greeting: 5 minutes.
    pub greeting: Duration,
    /// For the reply to MAIL: 5 minutes.
    pub mail: Duration,
    /// For the reply to RCPT: 5 minutes.
    pub rcpt: Duration,
    /// For the reply to DATA: 2 minutes.
    pub data: Duration,
    /// For taking a part of the message: 3 minutes.
    pub body: Duration,
    /// For the reply to the end of the message: 10 minutes.
    pub body_reply: Duration,
    /// For the reply to any other command: 5 minutes.
    pub command: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        Self {
            greeting: Duration::from_secs(5 * MINUTE),
            mail: Duration::from_secs(5 * MINUTE),
            rcpt: Duration::from_secs(5 * MINUTE),
            data: Duration::from_secs(2 * MINUTE),
            body: Duration::from_secs(3 * MINUTE),
            body_reply: Duration::from_secs(10 * MINUTE),
            command: Duration::from_secs(5 * MINUTE),
        }
    }
}

setters!(Config {
    with_name(name: EhloName),
    with_channel(channel: Channel),
    with_lmtp(lmtp: bool),
    with_dialect(dialect: Dialect),
    with_limits(limits: Limits),
    with_timeouts(timeouts: Timeouts),
    with_pipelining(pipelining: bool),
    with_helo_fallback(helo_fallback: bool),
    with_early_hello(early_hello: bool),
    with_bare_newline(bare_newline: BareNewline),
    with_allow_nul(allow_nul: bool),
    with_allow_clear_credentials(allow_clear_credentials: bool),
});

setters!(Timeouts {
    with_greeting(greeting: Duration),
    with_mail(mail: Duration),
    with_rcpt(rcpt: Duration),
    with_data(data: Duration),
    with_body(body: Duration),
    with_body_reply(body_reply: Duration),
    with_command(command: Duration),
});
