//! The name that a client gives itself.

use mailwire_core::{Cursor, Dialect, ParseError, Text};

use super::{
    Domain, Host,
    chars::{self, HIGH, PRINTABLE},
    check_utf8, text_between,
};
use crate::deviation;

/// What a client calls itself in EHLO, HELO or LHLO: a domain or an address literal.
///
/// Clients send much else. A server in the lenient dialect takes any word, which is then no
/// [`Host`]; callers can build proper names only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct EhloName(Text);

impl EhloName {
    /// The bytes as they go over the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The text as it goes over the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str().unwrap_or_default()
    }

    /// The host it names, if it is the name of one.
    #[must_use]
    pub fn host(&self) -> Option<Host> {
        Host::try_from(self.as_str()).ok()
    }

    /// A copy that keeps no receive buffer alive.
    #[must_use]
    pub fn compact(&self) -> Self {
        Self(self.0.compact())
    }

    /// ```abnf
    /// ehlo = "EHLO" SP ( Domain / address-literal ) CRLF    ; RFC 5321 section 4.1.1.1
    /// helo = "HELO" SP Domain CRLF
    /// ```
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let start = cursor.offset();
        match Host::skip(cursor) {
            Ok(end) if matches!(cursor.peek(), None | Some(b' ' | b'\t')) => {
                Ok(Self(text_between(cursor, start, end)))
            }
            // What is wrong after it, the end of the line says.
            Ok(end) if cursor.dialect() == Dialect::Strict => Ok(Self(text_between(cursor, start, end))),
            Err(error) if cursor.dialect() == Dialect::Strict => Err(error),
            _ => Self::read_word(cursor, start),
        }
    }

    /// Whatever a client calls itself.
    #[cold]
    fn read_word(cursor: &mut Cursor<'_>, start: usize) -> Result<Self, ParseError> {
        cursor.rewind(start);
        let text = cursor
            .text_while1(|byte| byte != b' ' && chars::is(byte, PRINTABLE | HIGH), "expected a host name")?;
        check_utf8(cursor, start)?;
        cursor.deviate_at(start, deviation::UNUSUAL_EHLO_NAME)?;
        Ok(Self(text))
    }
}

impl TryFrom<&str> for EhloName {
    type Error = mailwire_core::Invalid;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Host::try_from(text).map(Self::from)
    }
}

impl From<Host> for EhloName {
    fn from(host: Host) -> Self {
        match host {
            Host::Domain(domain) => Self(domain.into_text()),
            Host::Literal(literal) => Self(literal.into_text()),
        }
    }
}

impl From<Domain> for EhloName {
    fn from(domain: Domain) -> Self {
        Self(domain.into_text())
    }
}

impl core::fmt::Display for EhloName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}
