//! Writing numbers and strings.

use alloc::vec::Vec;

use super::{chars, string::ImapString};
use crate::literal::Announcement;

/// Appends a decimal number.
#[inline]
pub(crate) fn write_number(out: &mut Vec<u8>, number: u64) {
    match u32::try_from(number) {
        Ok(number) if number < MILLION => {
            let (digits, length) = digits_of(number);
            append_start(out, digits, length);
        }
        _ => write_large_number(out, number),
    }
}

#[cold]
fn write_large_number(out: &mut Vec<u8>, number: u64) {
    write_number(out, number / u64::from(MILLION));
    append_start(out, six_digits((number % u64::from(MILLION)) as u32) | ZEROS, 6);
}

/// Appends items, a space between two of them.
#[inline]
pub(crate) fn write_spaced<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        write(out, item);
    }
}

/// Appends numbers, a space before each.
pub(crate) fn write_numbers(out: &mut Vec<u8>, numbers: &[u32]) {
    for &number in numbers {
        write_number_after(out, b' ', number);
    }
}

/// Appends a byte and a decimal number after it, in one step.
#[inline]
pub(crate) fn write_number_after(out: &mut Vec<u8>, before: u8, number: u32) {
    if number < MILLION {
        let (digits, length) = digits_of(number);
        append_start(out, digits << 8 | u64::from(before), length + 1);
    } else {
        out.push(before);
        write_large_number(out, u64::from(number));
    }
}

/// Appends the first bytes of a word. All of it, and then what is too much is cut off: that takes less
/// than to copy as much as there is.
#[inline(always)]
fn append_start(out: &mut Vec<u8>, word: u64, length: usize) {
    let end = out.len().saturating_add(length);
    out.extend_from_slice(&word.to_le_bytes());
    out.truncate(end);
}

const MILLION: u32 = 1_000_000;

/// Six times `0`.
const ZEROS: u64 = 0x3030_3030_3030;

/// The digits of a number below a million as text, the first one in the lowest byte, and how many
/// there are.
#[inline]
fn digits_of(number: u32) -> (u64, usize) {
    let digits = six_digits(number);
    // The last one is written though it be zero.
    let zeros = (digits | 1 << 40).trailing_zeros() / 8;
    ((digits | ZEROS) >> (zeros * 8), 6 - zeros as usize)
}

/// The six digits of a number below a million, one a byte, the first one in the lowest.
#[inline]
fn six_digits(number: u32) -> u64 {
    let three = |number: u32| THREE_DIGITS.get(number as usize).map_or(0, |&digits| u64::from(digits));
    three(number / 1000) | three(number % 1000) << 24
}

/// The digits of the numbers below a thousand, likewise.
static THREE_DIGITS: [u32; 1000] = {
    let mut table = [0; 1000];
    let mut number = 0;
    while number < 1000 {
        // An index below the length, in a constant.
        #[allow(clippy::indexing_slicing)]
        {
            table[number] =
                (number / 100) as u32 | ((number / 10 % 10) << 8) as u32 | ((number % 10) << 16) as u32;
        }
        number += 1;
    }
    table
};

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
#[inline(always)]
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
    Announcement::by_server(bytes.len() as u64, false).write(out);
    out.extend_from_slice(bytes);
}

/// Appends a `string` as servers may: quoted, or as an inline literal. There is no NUL in `bytes`.
pub(crate) fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    if write_plain_quoted(out, bytes) {
        return;
    }
    if is_quotable(bytes) { write_quoted(out, bytes) } else { write_literal(out, bytes) }
}

/// Writes a string that was read, which is mostly short and then copied whole.
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
        }
    }
    #[test]
    fn many_numbers_are_written_with_spaces() {
        let numbers: Vec<u32> =
            (0..32).flat_map(|bit| [(1 << bit) - 1, 1 << bit, 10u32.pow(bit % 10)]).collect();
        for count in 0..numbers.len() {
            let (mut out, numbers) = (Vec::new(), &numbers[..count]);
            write_numbers(&mut out, numbers);
            let expected: alloc::string::String = numbers.iter().map(|n| alloc::format!(" {n}")).collect();
            assert_eq!(out, expected.into_bytes());
        }
    }
}
