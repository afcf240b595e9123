//! Names compared all at once.

/// A name of at most 16 bytes in upper case, as a number.
#[inline]
pub(super) fn name(text: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    match bytes.get_mut(..text.len()) {
        // No name that is known is longer.
        None => return u128::MAX,
        Some(room) => room.copy_from_slice(text),
    }
    uppercase(u128::from_le_bytes(bytes))
}

/// The same of a name that is part of the program, in upper case.
pub(super) const fn known(text: &str) -> u128 {
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
    number
}

const fn each(byte: u8) -> u128 {
    u128::from_le_bytes([byte; 16])
}

/// Each of the 16 bytes, if it is a small letter, as a capital one.
const fn uppercase(bytes: u128) -> u128 {
    let low = bytes & each(0x7f);
    let from_a = low.wrapping_add(each(0x80 - b'a'));
    let beyond_z = low.wrapping_add(each(0x7f - b'z'));
    let small = from_a & !beyond_z & !bytes & each(0x80);
    bytes ^ (small >> 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte() {
        for byte in 0..=255u8 {
            assert_eq!(name(&[byte, b'x']), name(&[byte.to_ascii_uppercase(), b'X']), "{byte}");
            assert_eq!(name(&[byte]) == known("A"), byte.eq_ignore_ascii_case(&b'a'));
        }
        assert_eq!(name(b"Rfc822.Header"), known("RFC822.HEADER"));
        assert_ne!(name(b"FLAGSX"), known("FLAGS"));
        assert_ne!(name(b"FLAG"), known("FLAGS"));
        assert_eq!(name(&[b'x'; 17]), u128::MAX);
    }
}
