//! Short texts as machine words.

/// A text of at most 24 bytes as three little-endian words, with zeros after it.
///
/// It is read in words, too: bytes that are written one by one and read together have to wait for
/// each other in the processor, and a call to copy a few bytes costs more than the copy. So short
/// texts are copied and compared by their words.
///
/// ```
/// use mailwire_core::private::words;
///
/// assert_eq!(words(b"NOOP"), Some([u32::from_le_bytes(*b"NOOP").into(), 0, 0]));
/// assert_eq!(words(&[0; 25]), None);
/// ```
#[must_use]
#[inline]
pub fn words(text: &[u8]) -> Option<[u64; 3]> {
    // The last eight bytes, of which some may be in the word before: those are shifted out.
    let last = |beyond: usize| Some(u64::from_le_bytes(*text.last_chunk()?) >> (beyond * 8));
    let first = || Some(u64::from_le_bytes(*text.first_chunk()?));
    let second = || Some(u64::from_le_bytes(*text.get(8..)?.first_chunk()?));
    match text.len() {
        length @ ..=8 => Some([word(text, length), 0, 0]),
        length @ ..=16 => Some([first()?, last(16 - length)?, 0]),
        length @ ..=24 => Some([first()?, second()?, last(24 - length)?]),
        _ => None,
    }
}

/// A text of at most eight bytes as a word.
#[inline]
fn word(text: &[u8], length: usize) -> u64 {
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let beyond = length.saturating_sub(4);
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << (beyond * 8);
    }
    match *text {
        [first] => first.into(),
        [first, second] => u16::from_le_bytes([first, second]).into(),
        [first, second, third] => u32::from_le_bytes([first, second, third, 0]).into(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_are_in_their_places() {
        let text: [u8; 30] = core::array::from_fn(|at| at as u8 + 1);
        for length in 0..=24 {
            let mut expected = [0; 24];
            expected[..length].copy_from_slice(&text[3..3 + length]);
            let words = words(&text[3..3 + length]).unwrap();
            assert_eq!(words.map(u64::to_le_bytes).concat(), expected, "{length}");
        }
        assert_eq!(words(&text[..25]), None);
    }
}
