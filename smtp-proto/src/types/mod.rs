//! Validated values, one noun a file. A value that exists can be written safely: none holds a CR,
//! an LF or a NUL.

mod argument;
pub(crate) mod chars;
mod date_time;
mod ehlo;
mod host;
mod mailbox;
mod parameter;
mod path;
pub(crate) mod xtext;

pub use argument::{Argument, Query, Verb};
pub use date_time::DateTime;
pub use ehlo::EhloName;
pub use host::{AddressLiteral, Domain, Host};
pub use mailbox::{LocalPart, Mailbox};
pub use parameter::{BodyType, Keyword, Parameter, ParameterValue, Submitter};
pub use path::{ForwardPath, ReversePath};

use mailwire_core::{Cursor, Dialect, Invalid, ParseError, Text};

/// Reads a domain, without the dot that may trail.
pub(crate) fn read_domain(cursor: &mut Cursor<'_>) -> Result<Domain, ParseError> {
    let start = cursor.offset();
    let end = host::read_domain(cursor, true)?;
    Ok(Domain::unchecked(text_between(cursor, start, end)))
}

/// Reads a value that a caller gives: the strict grammar over the whole text.
pub(crate) fn read_all<T>(
    what: &'static str,
    text: Text,
    grammar: impl FnOnce(&mut Cursor<'_>) -> Result<T, ParseError>,
) -> Result<T, Invalid> {
    Cursor::parse(&text.into_bytes(), Dialect::Strict, grammar)
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
