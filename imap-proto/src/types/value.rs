//! Values of extensions that are not known here, read and written.

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{Dialect, Invalid, ParseError, Text, from_variants};

use super::{
    chars,
    quoted::read_quoted,
    raw::skip_value,
    reader::{ParseContext, Reader},
    string::{ImapString, checked, read_string},
};
use crate::deviation;

/// One value of an item, a key, a parameter or a response that is not known here
/// ([RFC 9051 section 9](https://www.rfc-editor.org/rfc/rfc9051#section-9), `tagged-ext-val`).
///
/// ```
/// use mailwire_imap::types::Value;
///
/// let values = Value::parse_all(b"5 \"a b\" (NIL (\\Seen x))")?;
/// assert_eq!(values[0].as_number(), Some(5));
/// assert_eq!(values[1], Value::string("a b")?);
/// let [nil, inner] = values[2].as_list().unwrap() else { panic!() };
/// assert!(nil.is_nil() && inner.as_list().unwrap().len() == 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Value {
    /// What stands without quotes: an atom, a number, a set, a flag, `NIL`.
    Word(Word),
    /// A string. Whether it goes between quotes or as a literal, the writer decides.
    String(ImapString),
    /// `(...)`: values in a list.
    List(Vec<Value>),
}

mailwire_core::text_newtype! {
    /// What stands in a [`Value`] without quotes: an atom, a number, a set, a flag, `NIL`.
    pub struct Word: bytes;
}

impl Word {
    /// A word of these bytes.
    ///
    /// # Errors
    ///
    /// There are none, or one of them needs quotes.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        match text.as_bytes() {
            [b'\\', rest @ ..] => checked("word", Text::from(rest), chars::LIST)?,
            _ => checked("word", text.clone(), chars::LIST)?,
        };
        Ok(Self::unchecked(text))
    }
}

impl Value {
    /// A word: an atom, a number, a set, a flag, `NIL`.
    ///
    /// # Errors
    ///
    /// Those of [`Word::new`].
    pub fn word(text: impl Into<Text>) -> Result<Self, Invalid> {
        Word::new(text).map(Self::Word)
    }

    /// A string of any bytes but NUL.
    ///
    /// # Errors
    ///
    /// One of them is NUL.
    pub fn string(text: impl Into<Text>) -> Result<Self, Invalid> {
        ImapString::new(text).map(Self::String)
    }

    /// A number.
    #[inline]
    #[must_use]
    pub fn number(number: u64) -> Self {
        Self::Word(Word::unchecked(alloc::format!("{number}").into()))
    }

    /// The bytes of a word or a string.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Word(word) => Some(word.as_bytes()),
            Self::String(string) => Some(string.as_bytes()),
            Self::List(_) => None,
        }
    }

    /// A word or a string as text, if it is UTF-8.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.as_bytes().and_then(|bytes| core::str::from_utf8(bytes).ok())
    }

    /// A word as a number, if it is one of 64 bits.
    #[inline]
    #[must_use]
    pub fn as_number(&self) -> Option<u64> {
        match self {
            Self::Word(word) if word.as_bytes().iter().all(u8::is_ascii_digit) => {
                word.as_str().and_then(|digits| digits.parse().ok())
            }
            _ => None,
        }
    }

    /// The values of a list.
    #[inline]
    #[must_use]
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(values) => Some(values),
            _ => None,
        }
    }

    /// Whether there is nothing but ASCII in it.
    #[inline]
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        match self {
            Self::Word(word) => word.as_bytes().is_ascii(),
            Self::String(string) => string.as_bytes().is_ascii(),
            Self::List(values) => values.iter().all(Self::is_ascii),
        }
    }

    /// Whether it is `NIL`: no value.
    #[inline]
    #[must_use]
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case("NIL"))
    }

    /// Reads the values of `text`, with a space between each: what [`OtherData`], [`OtherMsgAtt`] and
    /// [`OtherCommand`] hold. Lists can be nested 64 deep.
    ///
    /// [`OtherData`]: crate::response::OtherData
    /// [`OtherMsgAtt`]: crate::response::OtherMsgAtt
    /// [`OtherCommand`]: crate::command::OtherCommand
    ///
    /// # Errors
    ///
    /// The text is not of values: parentheses that are not in pairs, a string without its end, a literal
    /// that is not all there.
    #[inline]
    pub fn parse_all(text: &[u8]) -> Result<Vec<Self>, ParseError> {
        let frame = Bytes::copy_from_slice(text);
        let context = ParseContext::new(Dialect::Lenient);
        let mut r = Reader::new(&frame, &context);
        let mut values = Vec::new();
        r.no_space()?;
        if !r.is_at_end() {
            Self::read_rest(&mut r, &mut values)?;
        }
        r.end()?;
        Ok(values)
    }

    /// Reads one.
    ///
    /// ```text
    /// tagged-ext-val = tagged-ext-simple / "(" [tagged-ext-comp] ")"
    /// ```
    #[inline]
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        match r.peek() {
            Some(b'(') => r.nested(|r| {
                r.skip(1);
                Self::read_list(r).map(Self::List)
            }),
            Some(b'"') => read_quoted(r).map(Self::String),
            Some(b'{') => read_string(r).map(Self::String),
            Some(b'~') if r.peek_at(1) == Some(b'{') => read_string(r).map(Self::String),
            _ => Self::read_word(r),
        }
    }

    /// Reads values, each but the first after a space, as long as there are more.
    pub(crate) fn read_rest(r: &mut Reader<'_>, values: &mut Vec<Self>) -> Result<(), ParseError> {
        loop {
            values.push(Self::read(r)?);
            if r.peek() != Some(b' ') || r.peek_at(1).is_none() {
                return Ok(());
            }
            r.space()?;
        }
    }

    /// Reads the values of a list up to its `)`; its `(` was read.
    #[inline]
    pub(crate) fn read_list(r: &mut Reader<'_>) -> Result<Vec<Self>, ParseError> {
        r.list_of(Self::read)
    }

    /// Steps over values, with a space between each, up to the end.
    pub(crate) fn skip_all(r: &mut Reader<'_>) -> Result<(), ParseError> {
        while !r.is_at_end() {
            skip_value(r)?;
            if r.is_at_end() {
                break;
            }
            r.space()?;
        }
        Ok(())
    }

    /// Lenient: characters that need quotes.
    fn read_word(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        r.eat(b'\\');
        r.take_class(chars::LIST);
        let end = r.offset();
        if !r.peek().is_some_and(|byte| chars::is(byte, chars::WORD)) && r.since(start) != b"\\" {
            if end == start {
                return Err(r.error("expected a value"));
            }
            return Ok(Self::Word(Word::unchecked(r.text_from(start))));
        }
        r.deviate_at(start, deviation::ODD_CHARACTER_IN_ATOM)?;
        r.take_class(chars::WORD);
        Ok(Self::String(ImapString::unchecked(r.text_from(start))))
    }
}

from_variants!(Value {
    Word(Word),
    String(ImapString),
    List(Vec<Value>),
});
