//! What a server offers and takes.

use alloc::vec::Vec;
use core::time::Duration;

use mailwire_core::{Channel, Dialect, Invalid, Text, dot::BareNewline, sasl::Mechanism};

use crate::{
    capability::{Capability, Tag},
    command::Name,
    limits::Limits,
    reply::MAX_STATUS_LINE,
    types::{ApopTimestamp, Keyword, LineText, ReplyText},
};

/// The settings of a server's [`Connection`](super::Connection). The machine announces what follows from them and from
/// the session's state, and refuses what it does not announce.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How the stream is protected. With [`Channel::StartTls`] STLS is offered.
    pub channel: Channel,
    /// How exactly the client is held to the grammar: strictly, if nothing else is said. Line ends are
    /// strict in any case. Choose lenient for the programs of people's devices.
    pub dialect: Dialect,
    /// The greeting's text.
    pub greeting: ReplyText,
    /// A timestamp makes APOP possible. It has to be a new one for each connection.
    pub apop: Option<ApopTimestamp>,
    /// Whether USER and PASS are offered, on a protected stream or where it is allowed in clear.
    pub user: bool,
    /// The SASL mechanisms. Those that [show the secret](Mechanism::shows_secret) are offered on a
    /// protected stream, or where it is allowed in clear.
    pub mechanisms: Vec<Mechanism>,
    /// Whether secrets may come in clear.
    pub allow_clear_credentials: bool,
    /// Whether TOP is offered.
    pub top: bool,
    /// Whether UIDL is offered.
    pub uidl: bool,
    /// Whether PIPELINING is announced. Commands are read one by one in any case.
    pub pipelining: bool,
    /// Whether RESP-CODES is announced. If not, codes in replies are left out.
    pub resp_codes: bool,
    /// Whether AUTH-RESP-CODE is announced: the application then gives each refusal of credentials
    /// the code AUTH ([RFC 3206 section
    /// 6](https://www.rfc-editor.org/rfc/rfc3206#section-6)).
    pub auth_resp_code: bool,
    /// The text of IMPLEMENTATION, which is announced after the login, if it fits into a line of 512 octets.
    pub implementation: Option<LineText>,
    /// How far UTF-8 is offered. Nothing by default: the application has to keep what it promises.
    pub utf8: Utf8Offer,
    /// Whether LANG is offered: the application then answers it.
    pub lang: bool,
    /// Whether the greeting offers XCLIENT, for a client that is a trusted proxy: the application then answers it.
    pub xclient: bool,
    /// See [`more`](Self::more).
    more: Vec<Capability>,
    /// See [`extension_commands`](Self::extension_commands).
    extension_commands: Vec<Keyword>,
    /// What happens to a CR or LF that stands alone in a message that is sent.
    pub bare_newline: BareNewline,
    /// What is taken from the client.
    pub limits: Limits,
    /// How long the client may take.
    pub timeouts: Timeouts,
}

impl Config {
    /// The default settings for a channel: everything that needs nothing of the application but a maildrop.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self {
            channel,
            dialect: Dialect::Strict,
            greeting: ReplyText::unchecked(Text::from_static("POP3 server ready")),
            apop: None,
            user: true,
            mechanisms: Vec::new(),
            allow_clear_credentials: false,
            top: true,
            uidl: true,
            pipelining: true,
            resp_codes: true,
            auth_resp_code: true,
            implementation: None,
            utf8: Utf8Offer::Nothing,
            lang: false,
            xclient: false,
            more: Vec::new(),
            extension_commands: Vec::new(),
            bare_newline: BareNewline::Normalize,
            limits: Limits::server(),
            timeouts: Timeouts::default(),
        }
    }

    /// What else is announced: LOGIN-DELAY, EXPIRE, vendors' own. Nothing by default.
    #[must_use]
    pub fn more(&self) -> &[Capability] {
        &self.more
    }

    /// Announces these as well, and none that were set before.
    ///
    /// # Errors
    ///
    /// The machine announces one of them by itself, or its line has more than 512 octets ([RFC 2449 section
    /// 5](https://www.rfc-editor.org/rfc/rfc2449#section-5)). Nothing is changed.
    pub fn set_more(&mut self, more: impl IntoIterator<Item = Capability>) -> Result<(), Invalid> {
        const WHAT: &str = "capability to be announced";
        let more: Vec<Capability> = more.into_iter().collect();
        for capability in &more {
            let tag = capability.tag();
            if !fits_line(capability) {
                return Err(Invalid::new(WHAT, MAX_STATUS_LINE, "its line is too long"));
            }
            let reason = match (capability, Tag::of(tag.as_bytes())) {
                (Capability::LoginDelay { .. } | Capability::Expire { .. }, _) => continue,
                (_, Some(Tag::LoginDelay | Tag::Expire)) => "its parameters mean nothing",
                (_, Some(_)) => "the machine announces it by itself",
                _ if Name::of(tag.as_bytes()).is_some() => "the machine announces it by itself",
                _ => continue,
            };
            return Err(Invalid::new(WHAT, 0, reason));
        }
        self.more = more;
        Ok(())
    }

    /// Names of further commands, which are handed to the application as
    /// [`Command::Other`](crate::Command::Other). None by default.
    #[must_use]
    pub fn extension_commands(&self) -> &[Keyword] {
        &self.extension_commands
    }

    /// Hands these commands to the application, and none that were set before. Their names may be longer than the
    /// four characters that the RFC has, in the strict dialect too.
    ///
    /// # Errors
    ///
    /// One of them is known here. Nothing is changed.
    pub fn set_extension_commands(
        &mut self,
        names: impl IntoIterator<Item = Keyword>,
    ) -> Result<(), Invalid> {
        const WHAT: &str = "extension command";
        let names: Vec<Keyword> = names.into_iter().collect();
        for name in &names {
            if Name::of(name.as_bytes()).is_some() {
                return Err(Invalid::new(WHAT, 0, "a command that is known by name"));
            }
        }
        self.extension_commands = names;
        Ok(())
    }
}

/// Whether the line of a capability has at most 512 octets.
pub(super) fn fits_line(capability: &Capability) -> bool {
    let mut line = Vec::new();
    capability.write(&mut line);
    line.len() + 2 <= MAX_STATUS_LINE
}

/// How far a server offers UTF-8 ([RFC 6856 section 2](https://www.rfc-editor.org/rfc/rfc6856#section-2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Utf8Offer {
    /// UTF8 is neither announced nor taken.
    #[default]
    Nothing,
    /// `UTF8`. A client that has said it is given messages as they are; for others the application makes
    /// header fields ASCII, or refuses the message with the code [`UTF8`](crate::ResponseCode::UTF8).
    Messages,
    /// `UTF8 USER`: names and passwords beyond ASCII, too, which the application prepares by SASLprep. Those that are
    /// not UTF-8 are refused.
    MessagesAndCredentials,
}

/// How long a client may be silent. The driver keeps the clock.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a command before the login: 10 minutes.
    pub login: Duration,
    /// For a command after the login: 10 minutes, and not less ([RFC 1939 section
    /// 3](https://www.rfc-editor.org/rfc/rfc1939#section-3)).
    pub idle: Duration,
    /// For taking what is sent to it: 5 minutes.
    pub body: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            login: Duration::from_secs(600),
            idle: Duration::from_secs(600),
            body: Duration::from_secs(300),
        }
    }
}
