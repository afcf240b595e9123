//! Free text behind a verb, and verbs that this crate does not know.

use mailwire_core::{Cursor, ParseError, Text};

use super::{
    chars::{self, HIGH, PRINTABLE, TAB},
    check_utf8, text_newtype,
};

/// The argument of VRFY, EXPN, HELP, NOOP or an unknown command: at least one printable character,
/// no space at either end, UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct Argument(pub(crate) Text);

text_newtype!(Argument, "argument", Argument::read);

impl Argument {
    /// ```abnf
    /// String = Atom / Quoted-string     ; RFC 5321 section 4.1.2
    /// ```
    ///
    /// Servers take any text for it, as a mailing list's name or a person's can be asked for. Spaces
    /// at the end are left to the caller.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let start = cursor.offset();
        if cursor.peek() == Some(b' ') {
            return Err(cursor.error("unexpected space"));
        }
        let text = cursor.take_while(|byte| chars::is(byte, PRINTABLE | HIGH | TAB));
        let trailing = text.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let length = text.len().saturating_sub(trailing);
        if length == 0 {
            return Err(ParseError::new(start, "expected an argument"));
        }
        if !text.is_ascii() {
            check_utf8(cursor, start)?;
        }
        cursor.rewind(start.saturating_add(length));
        Ok(Self(cursor.text_from(start)))
    }
}

/// The name of a command that this crate does not know: a letter, then letters, digits, `-` or
/// `_`. Never one of the names that it does know.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct Verb(pub(crate) Text);

text_newtype!(Verb, "verb", Verb::read_unknown);

impl Verb {
    /// ```abnf
    /// verb = ALPHA *(ALPHA / DIGIT / "-" / "_")    ; a superset of RFC 5321 section 4.1.1
    /// ```
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        if !cursor.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
            return Err(cursor.error("expected a command"));
        }
        Ok(Self(cursor.text_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))))
    }

    fn read_unknown(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let verb = Self::read(cursor)?;
        if crate::command::is_known(verb.as_bytes()) {
            return Err(ParseError::new(0, "a command of its own"));
        }
        Ok(verb)
    }
}

/// The case of letters does not count.
impl PartialEq for Verb {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes().eq_ignore_ascii_case(other.as_bytes())
    }
}

impl Eq for Verb {}
