//! Names compared all at once.

use mailwire_core::words;

/// A name as two words, the same in any case; the second one is zero for most. It is made of
/// `ATOM-CHAR`s.
#[inline]
pub(super) fn name(text: &[u8]) -> (u64, u64) {
    match words(text) {
        Some([first, second, 0]) => (fold(first), fold(second)),
        // No name that is known is longer.
        _ => (u64::MAX, u64::MAX),
    }
}

/// The same of a name that is part of the program.
pub(super) const fn known(text: &str) -> (u64, u64) {
    let text = text.as_bytes();
    let mut number = 0;
    let mut at = text.len();
    while at > 0 {
        at -= 1;
        // An index below the length, in a constant.
        #[allow(clippy::indexing_slicing)]
        {
            number = number << 8 | text[at] as u128;
        }
    }
    (fold(number as u64), fold((number >> 64) as u64))
}

/// Each byte without the bit that tells small letters from capital ones. Of the characters of an
/// atom, no other becomes one of a name's: letters, digits, `.` and `-`.
const fn fold(word: u64) -> u64 {
    word & !u64::from_le_bytes([0x20; 8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::chars;

    #[test]
    fn every_byte() {
        let in_names = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        for byte in (0..=255).filter(|&byte| chars::is(byte, chars::ATOM)) {
            for known in (0..=255).filter(|&known| in_names(known)) {
                let same = byte.eq_ignore_ascii_case(&known);
                assert_eq!(name(&[b'x', byte]) == name(&[b'X', known]), same, "{byte} {known}");
            }
        }
        assert_eq!(name(b"Rfc822.Header"), known("RFC822.HEADER"));
        assert_ne!(name(b"FLAGSX"), known("FLAGS"));
        assert_ne!(name(b"FLAG"), known("FLAGS"));
        assert_eq!(name(&[b'x'; 17]), (u64::MAX, u64::MAX));
    }
}
