//! Validated values, one noun a file. A value that exists can be written safely: none holds a CR,
//! an LF or a NUL.

mod argument;
pub(crate) mod chars;
mod ehlo;
mod host;
mod mailbox;
mod mechanism;
mod parameter;
mod path;
pub(crate) mod xtext;

pub use argument::{Argument, Verb};
pub use ehlo::EhloName;
pub use host::{AddressLiteral, Domain, Host};
pub use mailbox::Mailbox;
pub use mechanism::Mechanism;
pub use parameter::{BodyType, Keyword, Parameter, ParameterValue, Submitter};
pub use path::{ForwardPath, ReversePath};

/// What all newtypes over text have in common.
macro_rules! text_newtype {
    ($name:ident, $what:literal, $grammar:path) => {
        impl $name {
            /// The bytes as they go over the wire.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }

            /// The text. It is always UTF-8.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str().unwrap_or_default()
            }

            /// A copy that keeps no receive buffer alive.
            #[must_use]
            pub fn compact(&self) -> Self {
                Self(self.0.compact())
            }
        }

        impl TryFrom<mailwire_core::Text> for $name {
            type Error = mailwire_core::Invalid;

            fn try_from(text: mailwire_core::Text) -> Result<Self, Self::Error> {
                crate::types::read_all($what, text.into_bytes(), $grammar)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = mailwire_core::Invalid;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                Self::try_from(mailwire_core::Text::from(text))
            }
        }

        impl TryFrom<alloc::string::String> for $name {
            type Error = mailwire_core::Invalid;

            fn try_from(text: alloc::string::String) -> Result<Self, Self::Error> {
                Self::try_from(mailwire_core::Text::from(text))
            }
        }

        impl core::str::FromStr for $name {
            type Err = mailwire_core::Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::try_from(text)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}
pub(crate) use text_newtype;

use bytes::Bytes;
use mailwire_core::{Cursor, Dialect, Invalid, ParseError, Text};

/// Reads a value that a caller gives: the strict grammar over the whole text.
pub(crate) fn read_all<T>(
    what: &'static str,
    text: Bytes,
    grammar: impl FnOnce(&mut Cursor<'_>) -> Result<T, ParseError>,
) -> Result<T, Invalid> {
    Cursor::parse(&text, Dialect::Strict, grammar)
        .map(|parsed| parsed.value)
        .map_err(|error| Invalid::new(what, error.offset, error.reason))
}

/// The text between two places, of which the second is at most a byte before the cursor.
#[inline]
pub(crate) fn text_between(cursor: &Cursor<'_>, start: usize, end: usize) -> Text {
    if end == cursor.offset() { cursor.text_from(start) } else { Text::from(cursor.slice(start, end)) }
}

/// That what lies between `start` and the cursor is UTF-8 (RFC 6531 section 3.3), asked only when
/// it is not ASCII.
#[cold]
pub(crate) fn check_utf8(cursor: &Cursor<'_>, start: usize) -> Result<(), ParseError> {
    match core::str::from_utf8(cursor.between(start, cursor.offset())) {
        Ok(_) => Ok(()),
        Err(error) => Err(ParseError::new(start.saturating_add(error.valid_up_to()), "not UTF-8")),
    }
}
