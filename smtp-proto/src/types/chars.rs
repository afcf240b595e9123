//! Classes of bytes, in one table.

use mailwire_core::private::ByteClasses;

/// `atext` of RFC 5322 section 3.2.3.
pub(crate) const ATEXT: u16 = 1;
/// ALPHA / DIGIT.
pub(crate) const ALNUM: u16 = 2;
/// Not ASCII: RFC 6531's UTF8-non-ascii, byte by byte.
pub(crate) const HIGH: u16 = 4;
/// `%d32-126`.
pub(crate) const PRINTABLE: u16 = 8;
/// `esmtp-value`: `%d33-60 / %d62-126`.
pub(crate) const VALUE: u16 = 16;
/// `dcontent`: `%d33-90 / %d94-126`.
pub(crate) const DCONTENT: u16 = 32;
/// A horizontal tab.
pub(crate) const TAB: u16 = 64;
/// `esmtp-keyword` and `ehlo-keyword`: ALPHA / DIGIT / "-".
pub(crate) const KEYWORD: u16 = 128;
/// `xchar` of RFC 3461 section 4: `%d33-42 / %d44-60 / %d62-126`.
pub(crate) const XCHAR: u16 = 256;
/// What stands between commas in an `esmtp-value`: `%d33-43 / %d45-60 / %d62-126`.
pub(crate) const LISTED: u16 = 512;

static CLASSES: ByteClasses = ByteClasses::NONE
    .with_alphanumeric(ALNUM | ATEXT)
    .with(ATEXT, b"!#$%&'*+-/=?^_`{|}~")
    .with_range(HIGH, 128, 255)
    .with_range(PRINTABLE, 32, 126)
    .with_range(VALUE, 33, 126)
    .without(VALUE, b"=")
    .with_range(DCONTENT, 33, 90)
    .with_range(DCONTENT, 94, 126)
    .with(TAB, b"\t")
    .with_alphanumeric(KEYWORD)
    .with(KEYWORD, b"-")
    .with_range(XCHAR, 33, 126)
    .without(XCHAR, b"+=")
    .with_range(LISTED, 33, 126)
    .without(LISTED, b",=");

/// Whether `byte` is in one of `classes`.
#[inline]
pub(crate) fn is(byte: u8, classes: u16) -> bool {
    CLASSES.is(byte, classes)
}

/// How many bytes from `at` on are in one of `classes`.
#[inline]
pub(crate) fn run(bytes: &[u8], at: usize, classes: u16) -> usize {
    CLASSES.run(bytes.get(at..).unwrap_or_default(), classes)
}

/// How many bytes from the start are `%d32-126`, looked at eight at a time.
#[inline]
pub(crate) fn printable(bytes: &[u8]) -> usize {
    const fn each(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    let chunks = bytes.chunks_exact(8);
    let rest = chunks.remainder();
    for (at, eight) in chunks.filter_map(<[u8]>::first_chunk).enumerate() {
        let eight = u64::from_le_bytes(*eight);
        // The highest bit of a byte tells: below 32 by the first, 127 by the second, beyond by the
        // third. What is carried on comes from such a byte, so the first one that is told is one.
        let odd = (eight.wrapping_sub(each(32)) | eight.wrapping_add(each(1)) | eight) & each(128);
        if odd != 0 {
            return at * 8 + odd.trailing_zeros() as usize / 8;
        }
    }
    bytes.len() - rest.len() + run(rest, 0, PRINTABLE)
}

/// The bytes of a domain, as bits: what a byte is, and four bits higher, what may not follow it.
const LETTER: u8 = 1;
const DOT: u8 = 2;
const HYPHEN: u8 = 4;
const ODD: u8 = 8;
const AFTER_DOT: u8 = (DOT | HYPHEN | ODD) << 4;

static DOMAIN: [u8; 256] = domain();

#[allow(clippy::indexing_slicing)] // Evaluated by the compiler.
const fn domain() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0u8;
    loop {
        table[byte as usize] = match byte {
            b'.' => DOT | AFTER_DOT,
            b'-' => HYPHEN | (DOT | ODD) << 4,
            b'_' | 128.. => ODD | ODD << 4,
            _ if byte.is_ascii_alphanumeric() => LETTER | ODD << 4,
            _ => 0,
        };
        if byte == 255 {
            return table;
        }
        byte += 1;
    }
}

/// The length of the domain at the start of `bytes`, if nothing about it is odd.
#[inline]
pub(crate) fn plain_domain(bytes: &[u8]) -> Option<usize> {
    let (mut before, mut odd) = (AFTER_DOT, 0);
    let mut length = bytes.len();
    for (at, &byte) in bytes.iter().enumerate() {
        let class = DOMAIN.get(usize::from(byte)).copied().unwrap_or(0);
        if class == 0 {
            length = at;
            break;
        }
        odd |= before >> 4 & class;
        before = class;
    }
    (odd == 0 && before & LETTER != 0).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_that_is_not_printable() {
        for length in 0..20 {
            for at in 0..=length {
                for odd in 0..=255u8 {
                    // What follows it does not count, whatever it is.
                    for after in [b'a', 0, 31, 127, 255] {
                        let mut bytes = [b' ', b'~'].repeat(10);
                        bytes.truncate(length);
                        bytes.iter_mut().skip(at).for_each(|byte| *byte = after);
                        bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = odd);
                        let found = bytes.iter().position(|byte| !matches!(byte, 32..=126)).unwrap_or(length);
                        assert_eq!(printable(&bytes), found, "{}", bytes.escape_ascii());
                    }
                }
            }
        }
    }
}
