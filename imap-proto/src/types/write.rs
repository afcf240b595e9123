//! Writing numbers and strings.

use alloc::vec::Vec;

use super::{chars, string::ImapString};

/// Appends a decimal number.
#[inline]
pub(crate) fn write_number(out: &mut Vec<u8>, number: u64) {
    if number < EIGHT {
        let digits = eight_digits(number);
        // The first digit is the lowest byte; the last one is written though it be zero.
        let zeros = (digits.trailing_zeros() as usize / 8).min(7);
        out.extend_from_slice(&((digits | ZEROS) >> (zeros * 8)).to_le_bytes());
        out.truncate(out.len().saturating_sub(zeros));
    } else {
        write_large_number(out, number);
    }
}

/// Appends a space and a decimal number, for lists of many.
#[inline]
pub(crate) fn write_spaced_number(out: &mut Vec<u8>, number: u64) {
    if number < EIGHT / 10 {
        // The first of the eight digits is a zero: its byte is for the space.
        let digits = eight_digits(number);
        let zeros = (digits.trailing_zeros() as usize / 8).min(7);
        let text = ((digits | ZEROS) >> (zeros * 8)) << 8 | u64::from(b' ');
        out.extend_from_slice(&text.to_le_bytes());
        out.truncate(out.len().saturating_add(1).saturating_sub(zeros));
    } else {
        out.push(b' ');
        write_number(out, number);
    }
}

#[cold]
fn write_large_number(out: &mut Vec<u8>, number: u64) {
    write_number(out, number / EIGHT);
    out.extend_from_slice(&(eight_digits(number % EIGHT) | ZEROS).to_le_bytes());
}

const EIGHT: u64 = 100_000_000;

/// Eight times `0`.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The eight digits of a number below 10^8, one a byte, the first one in the lowest: halves, quarters
/// and eighths are divided at once, by multiplication.
#[inline]
const fn eight_digits(number: u64) -> u64 {
    let halves = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let quarters = hundreds | ((halves - 100 * hundreds) << 16);
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((quarters - 10 * tens) << 8)
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

/// Appends `bytes` between quotes if they are short and need no escape, as most strings.
#[inline]
pub(crate) fn write_plain_quoted(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let plain = bytes.len() <= LONGEST_QUOTED && chars::all_quoted(bytes);
    if plain {
        out.reserve(bytes.len().saturating_add(2));
        out.push(b'"');
        out.extend_from_slice(bytes);
        out.push(b'"');
    }
    plain
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
fn write_literal(out: &mut Vec<u8>, bytes: &[u8]) {
    write_announcement(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends what stands before a literal's bytes.
pub(crate) fn write_announcement(out: &mut Vec<u8>, length: u64) {
    out.push(b'{');
    write_number(out, length);
    out.extend_from_slice(b"}\r\n");
}

/// Appends a `string` as servers may: quoted, or as an inline literal. There is no NUL in `bytes`.
pub(crate) fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    if write_plain_quoted(out, bytes) {
        return;
    }
    if is_quotable(bytes) { write_quoted(out, bytes) } else { write_literal(out, bytes) }
}

/// The same of what was read, which is mostly short and then copied whole.
pub(crate) fn write_imap_string(out: &mut Vec<u8>, string: &ImapString) {
    let bytes = string.as_bytes();
    if bytes.len() <= LONGEST_QUOTED && chars::all_quoted(bytes) {
        out.push(b'"');
        string.as_text().append_to(out);
        out.push(b'"');
    } else {
        write_string(out, bytes);
    }
}

/// Appends an `astring` as servers may.
pub(crate) fn write_astring(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_astring_atom(bytes) { out.extend_from_slice(bytes) } else { write_string(out, bytes) }
}

/// Appends an `nstring` as servers may.
pub(crate) fn write_nstring(out: &mut Vec<u8>, string: Option<&ImapString>) {
    match string {
        Some(string) => write_imap_string(out, string),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Appends a space and an `nstring`.
#[inline]
pub(crate) fn write_next_nstring(out: &mut Vec<u8>, string: Option<&ImapString>) {
    match string {
        Some(string) => {
            out.push(b' ');
            write_imap_string(out, string);
        }
        None => out.extend_from_slice(b" NIL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_displayed() {
        let edges =
            (0..20).map(|digits| 10u64.pow(digits)).flat_map(|ten| [ten - 1, ten, ten + 1, ten / 7 * 9]);
        let mut random = 1u64;
        let randoms = core::iter::repeat_with(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random >> (random % 64)
        });
        for number in edges.chain([u64::MAX, u64::MAX - 1]).chain(randoms.take(10_000)) {
            let mut out = Vec::new();
            write_number(&mut out, number);
            assert_eq!(out, alloc::format!("{number}").into_bytes());
            write_spaced_number(&mut out, number);
            assert_eq!(out, alloc::format!("{number} {number}").into_bytes());
        }
    }
}
