//! Bytes that are written as two hexadecimal digits after a mark: `%C3`, `=C3`.

use alloc::vec::Vec;

/// Appends what a text stands for. A mark that begins nothing is kept.
pub fn unescape(text: &[u8], mark: u8, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = match tail {
            [high, low, after @ ..] if first == mark => {
                hex(*high).zip(hex(*low)).map(|digits| (digits, after))
            }
            _ => None,
        };
        let byte;
        (byte, rest) = match escaped {
            Some(((high, low), after)) => (high << 4 | low, after),
            None => (first, tail),
        };
        out.push(byte);
    }
}

/// The value of a hexadecimal digit.
#[must_use]
pub const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
