//! The name that a client gives itself.

use mailwire_core::{Cursor, Dialect, Invalid, ParseError, Text, text_newtype};

use super::{
    Domain, Host,
    chars::{self, HIGH, PRINTABLE},
    check_utf8,
    host::with_tag,
    text_between,
};
use crate::deviation;

text_newtype! {
    /// What a client calls itself in EHLO, HELO or LHLO: a domain or an address literal.
    ///
    /// Clients send much else. A server in the lenient dialect takes any word, which is then no
    /// [`Host`]; callers can build proper names only.
    pub struct EhloName: str;
}

impl EhloName {
    /// Makes a name of a text.
    ///
    /// # Errors
    ///
    /// A text that is neither a domain nor an address literal.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        Host::try_from(text.into().as_str().unwrap_or_default()).map(Self::from)
    }

    /// The host it names, if it is the name of one.
    #[must_use]
    pub fn host(&self) -> Option<Host> {
        Host::try_from(self.as_str()).ok()
    }

    /// ```abnf
    /// ehlo = "EHLO" SP ( Domain / address-literal ) CRLF    ; RFC 5321 section 4.1.1.1
    /// helo = "HELO" SP Domain CRLF
    /// ```
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let start = cursor.offset();
        let deviations = cursor.deviations().len();
        match Host::skip(cursor) {
            Ok(end) if matches!(cursor.peek(), None | Some(b' ' | b'\t')) => {
                let name = text_between(cursor, start, end);
                let odd = cursor.deviations().len() > deviations;
                Ok(Self::unchecked(if odd { tagged(name) } else { name }))
            }
            // What is wrong after it, the end of the line says.
            Ok(end) if cursor.dialect() == Dialect::Strict => {
                Ok(Self::unchecked(text_between(cursor, start, end)))
            }
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
        Ok(Self::unchecked(text))
    }
}

/// A name that the grammar does not have, with the tag of its address literal if that is missing.
#[cold]
fn tagged(name: Text) -> Text {
    name.as_str().and_then(with_tag).map_or(name, Text::from)
}

impl From<Host> for EhloName {
    fn from(host: Host) -> Self {
        match host {
            Host::Domain(domain) => Self::unchecked(domain.into_text()),
            Host::Literal(literal) => Self::unchecked(literal.into_text()),
        }
    }
}

impl From<Domain> for EhloName {
    fn from(domain: Domain) -> Self {
        Self::unchecked(domain.into_text())
    }
}
