//! Values that are kept unparsed.

use alloc::vec::Vec;

use mailwire_core::{ParseError, Text};

use super::{
    chars,
    reader::Reader,
    string::{Literal, read_literal},
    value::Value,
};
use crate::{deviation, framing::announcement};

/// One value of an item that is not known here, as it stands on the wire: an atom, a number, a
/// string or a list with balanced parentheses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RawValue {
    bytes: Text,
    complete: bool,
}

impl RawValue {
    /// The bytes. Literals stand in them inline.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.as_bytes()
    }

    /// Whether all of the value is here, and as the grammar has it, so that it can be written: not if a
    /// literal of it was streamed, or is missing after what announces it.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The value, taken apart.
    ///
    /// # Errors
    ///
    /// A literal of it is not here, or it is nested too deeply.
    #[inline]
    pub fn value(&self) -> Result<Value, ParseError> {
        match Value::parse_all(self.as_bytes())?.pop() {
            Some(value) => Ok(value),
            None => Err(ParseError::new(0, "expected a value")),
        }
    }

    /// Reads one value.
    ///
    /// ```text
    /// tagged-ext-val = tagged-ext-simple / "(" [tagged-ext-comp] ")"
    /// body-extension = nstring / number / number64 / "(" body-extension *(SP body-extension) ")"
    /// ```
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        let complete = skip_value(r)?;
        Ok(Self { bytes: r.text_from(start), complete })
    }

    /// Reads a value where the grammar has no atom but `NIL` and numbers. Lenient: another, which is not
    /// written.
    pub(crate) fn read_extension(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        let value = Self::read(r)?;
        let proper = match value.as_bytes() {
            [b'"' | b'(' | b'{' | b'~', ..] => true,
            word => word.iter().all(u8::is_ascii_digit) || word.eq_ignore_ascii_case(b"NIL"),
        };
        if proper {
            return Ok(value);
        }
        r.deviate_at(start, deviation::ATOM_FOR_STRING)?;
        Ok(Self { complete: false, ..value })
    }

    /// Appends the value.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

/// Steps over one value, however it is nested, without recursion. Whether all of it is there and as the
/// grammar has it: no literal was streamed, or is announced and does not follow.
pub(crate) fn skip_value(r: &mut Reader<'_>) -> Result<bool, ParseError> {
    let mut complete = true;
    let mut depth = 0usize;
    loop {
        match r.peek() {
            Some(b'(') => {
                depth += 1;
                r.permits_levels(depth)?;
                r.skip(1);
                continue;
            }
            Some(b')') if depth > 0 => {
                depth -= 1;
                r.skip(1);
            }
            Some(b' ') if depth > 0 => {
                r.skip(1);
                continue;
            }
            Some(b'"') => complete &= skip_quoted(r)?,
            Some(b'{') => complete &= skip_literal(r)?,
            Some(b'~') if r.peek_at(1) == Some(b'{') => complete &= skip_literal(r)?,
            _ => {
                let start = r.offset();
                // A bracket holds what it holds: BODY[HEADER.FIELDS (DATE)].
                if r.take_class(chars::WORD).is_empty() {
                    return Err(r.error("expected a value"));
                }
                let word = r.since(start);
                if memchr::memchr3(0, b'\r', b'\n', word).is_some() {
                    return Err(r.error("NUL or a line end in a value"));
                }
                // It would announce a literal where it is written at the end of a line.
                complete &= announcement(word).is_none();
            }
        }
        if depth == 0 {
            return Ok(complete);
        }
    }
}

/// Whether it is all there, and as the grammar has it.
fn skip_literal(r: &mut Reader<'_>) -> Result<bool, ParseError> {
    let strict = memchr::memchr(b'\n', r.rest())
        .and_then(|end| r.rest().get(..end))
        .is_some_and(|line| line.ends_with(b"}\r"));
    Ok(matches!(read_literal(r)?, Literal::Inline(_)) && strict)
}

/// Whether it is as the grammar has it.
fn skip_quoted(r: &mut Reader<'_>) -> Result<bool, ParseError> {
    let start = r.offset();
    let mut strict = true;
    r.skip(1);
    loop {
        r.take_while(|byte| !matches!(byte, b'"' | b'\\' | 0 | b'\r' | b'\n'));
        match r.peek() {
            Some(b'"') => {
                r.skip(1);
                return Ok(strict);
            }
            Some(b'\\') if matches!(r.peek_at(1), Some(b'"' | b'\\')) => r.skip(2),
            Some(b'\\') => {
                r.deviate(deviation::UNESCAPED_BACKSLASH)?;
                strict = false;
                r.skip(1);
            }
            _ => return Err(ParseError::new(start, "a quoted string without its end")),
        }
    }
}
