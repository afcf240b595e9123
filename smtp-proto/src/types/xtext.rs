//! `xtext`, in which parameters carry addresses (RFC 3461 section 4).
//!
//! ```abnf
//! xtext   = *(xchar / hexchar)
//! xchar   = %x21-2A / %x2C-3C / %x3E-7E
//! hexchar = "+" HEXDIG HEXDIG
//! ```

use alloc::vec::Vec;

use super::chars::{self, XCHAR};

/// How long `text` is in this encoding.
pub(crate) fn length(text: &[u8]) -> usize {
    text.iter().map(|&byte| if chars::is(byte, XCHAR) { 1 } else { 3 }).sum()
}

/// Appends `text` in this encoding.
pub(crate) fn write(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut rest = text;
    loop {
        let (plain, after) = rest.split_at_checked(chars::run(rest, 0, XCHAR)).unwrap_or_default();
        out.extend_from_slice(plain);
        let Some((byte, after)) = after.split_first() else { return };
        out.push(b'+');
        for digit in [byte >> 4, byte & 15] {
            out.extend(HEX.get(usize::from(digit)));
        }
        rest = after;
    }
}

/// The text that `encoded` stands for. The error is the offset of what is wrong.
pub(crate) fn read(encoded: &[u8]) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(encoded.len());
    let mut at = 0;
    while let Some(&byte) = encoded.get(at) {
        match byte {
            b'+' => {
                let digit = |offset: usize| match encoded.get(at + offset) {
                    Some(digit @ b'0'..=b'9') => Some(digit - b'0'),
                    Some(digit @ b'A'..=b'F') => Some(digit - b'A' + 10),
                    _ => None,
                };
                let (Some(high), Some(low)) = (digit(1), digit(2)) else { return Err(at) };
                out.push(high << 4 | low);
                at += 3;
            }
            0x21..=0x3c | 0x3e..=0x7e => {
                out.push(byte);
                at += 1;
            }
            _ => return Err(at),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let text: Vec<u8> = (0..=255).collect();
        let mut encoded = Vec::new();
        write(&text, &mut encoded);
        assert!(encoded.iter().all(|byte| (0x21..0x7f).contains(byte) && *byte != b'='));
        assert_eq!((length(&text), read(&encoded)), (encoded.len(), Ok(text)));
        assert_eq!(read(b"a+4"), Err(1));
        assert_eq!(read(b"a+4g"), Err(1));
        assert_eq!(read(b"a b"), Err(1));
    }
}
