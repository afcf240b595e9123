//! Writing numbers and strings.

use alloc::vec::Vec;

use super::{chars, string::ImapString};

/// Appends a decimal number.
pub(crate) fn write_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (number % 10) as u8;
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// A longer string is written as a literal.
const LONGEST_QUOTED: usize = 1000;

/// Whether these bytes can be written as a quoted string that every peer understands.
#[must_use]
pub(crate) fn is_quotable(bytes: &[u8]) -> bool {
    bytes.len() <= LONGEST_QUOTED && chars::all(bytes, chars::TEXT)
}

/// Whether these bytes can be written as an atom where an `astring` stands, and are not `NIL`.
#[must_use]
pub(crate) fn is_astring_atom(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes.len() <= LONGEST_QUOTED
        && chars::all(bytes, chars::ASTRING)
        && !bytes.eq_ignore_ascii_case(b"NIL")
}

/// Appends `bytes`, which [`is_quotable`], between quotes.
pub(crate) fn write_quoted(out: &mut Vec<u8>, mut bytes: &[u8]) {
    out.push(b'"');
    while let Some(at) = memchr::memchr2(b'"', b'\\', bytes) {
        let (before, rest) = bytes.split_at(at);
        out.extend_from_slice(before);
        out.push(b'\\');
        let (special, rest) = rest.split_at(1);
        out.extend_from_slice(special);
        bytes = rest;
    }
    out.extend_from_slice(bytes);
    out.push(b'"');
}

/// Appends `bytes` as an inline literal, as servers may always do.
pub(crate) fn write_literal(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'{');
    write_number(out, bytes.len() as u64);
    out.extend_from_slice(b"}\r\n");
    out.extend_from_slice(bytes);
}

/// Appends a `string` as servers may: quoted, or as an inline literal. There is no NUL in `bytes`.
pub(crate) fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_quotable(bytes) { write_quoted(out, bytes) } else { write_literal(out, bytes) }
}

/// Appends an `astring` as servers may.
pub(crate) fn write_astring(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_astring_atom(bytes) { out.extend_from_slice(bytes) } else { write_string(out, bytes) }
}

/// Appends an `nstring` as servers may.
pub(crate) fn write_nstring(out: &mut Vec<u8>, string: Option<&ImapString>) {
    match string {
        Some(string) => write_string(out, string.as_bytes()),
        None => out.extend_from_slice(b"NIL"),
    }
}
