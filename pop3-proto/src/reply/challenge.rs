//! The server's lines in a SASL exchange (RFC 5034 section 4).

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{Cursor, Dialect, ParseError, Parsed, Secret, sasl};

/// Reads a challenge from a line without its line end. `None` if the line is a status line.
///
/// ```text
/// continue-req = "+" SP [base64] CRLF   ; RFC 5034 section 5
/// ```
///
/// # Errors
///
/// What is wrong and where.
pub fn parse_challenge(line: &Bytes, dialect: Dialect) -> Result<Option<Parsed<Secret>>, ParseError> {
    match line.as_ref() {
        [b'+'] | [b'+', b' ' | b'\t', ..] => Cursor::parse(line, dialect, challenge).map(Some),
        _ => Ok(None),
    }
}

fn challenge(cursor: &mut Cursor<'_>) -> Result<Secret, ParseError> {
    cursor.skip(1);
    if !cursor.eat(b' ') {
        cursor.deviate("no-space-behind-plus")?;
        cursor.take_while(|byte| byte == b'\t');
    }
    let start = cursor.offset();
    let mut data = cursor.rest();
    while let Some((b' ' | b'\t' | b'\r', shorter)) = data.split_last() {
        data = shorter;
    }
    cursor.skip(data.len());
    if !cursor.is_at_end() {
        cursor.deviate("space-at-line-end")?;
        cursor.skip(usize::MAX);
    }
    sasl::decode(data).map_err(|error| ParseError::new(start.saturating_add(error.offset), error.reason))
}

/// Appends a challenge with its line end.
pub fn write_challenge(data: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"+ ");
    sasl::encode(data, out);
    out.extend_from_slice(b"\r\n");
}
