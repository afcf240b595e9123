//! The server's lines in a SASL exchange.

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{Cursor, ParseError, Parsed, Secret, sasl};

use crate::{context::ParseContext, deviation, types::trim_end};

/// A server's step of a SASL exchange, `+ ` and base64 ([RFC 5034 section
/// 4](https://www.rfc-editor.org/rfc/rfc5034#section-4)).
///
/// # Examples
///
/// ```
/// use mailwire_pop3::Challenge;
///
/// let mut line = Vec::new();
/// Challenge::new("who?").write(&mut line);
/// assert_eq!(line, b"+ d2hvPw==\r\n");
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The message, decoded. It may be empty.
    pub data: Secret,
}

impl Challenge {
    /// A challenge with this message.
    #[must_use]
    pub fn new(data: impl Into<Secret>) -> Self {
        Self { data: data.into() }
    }

    /// Whether a line is a challenge, not a status line: `+OK` begins with a `+`, too.
    #[must_use]
    pub const fn is_one(frame: &[u8]) -> bool {
        matches!(frame, [b'+'] | [b'+', b' ' | b'\t', ..])
    }

    /// Reads a challenge from a line without its line end.
    ///
    /// ```text
    /// continue-req = "+" SP [base64] CRLF   ; RFC 5034 section 5
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong and where.
    pub fn parse(frame: &Bytes, context: impl Into<ParseContext>) -> Result<Parsed<Self>, ParseError> {
        context.into().parse(frame, challenge)
    }

    /// Appends the challenge with its line end.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"+ ");
        sasl::encode(self.data.expose(), out);
        out.extend_from_slice(b"\r\n");
    }
}

fn challenge(cursor: &mut Cursor<'_>) -> Result<Challenge, ParseError> {
    cursor.expect(b'+', "expected a challenge")?;
    if !cursor.eat(b' ') {
        let tab = cursor.peek() == Some(b'\t');
        cursor.deviate(if tab { deviation::TAB_FOR_SPACE } else { deviation::MISSING_SPACE })?;
        cursor.take_while(|byte| byte == b'\t');
    }
    let start = cursor.offset();
    let data = trim_end(cursor.rest(), b" \t\r");
    cursor.skip(data.len());
    if !cursor.is_at_end() {
        cursor.deviate(deviation::SPACE_BEFORE_LINE_END)?;
        cursor.skip(usize::MAX);
    }
    let data = sasl::decode(data)
        .map_err(|error| ParseError::new(start.saturating_add(error.offset), error.reason))?;
    Ok(Challenge { data })
}
