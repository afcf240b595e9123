//! What APOP is made of. The MD5 itself is the caller's.

use alloc::vec::Vec;
use core::fmt;

use mailwire_core::{Invalid, Text, private::check_text, text_newtype};

use super::is_vchar;

text_newtype! {
    /// The timestamp in a greeting, with its angle brackets: `<1896.697170952@dbc.mtview.ca.us>` ([RFC 1939
    /// section 7](https://www.rfc-editor.org/rfc/rfc1939#section-7)).
    ///
    /// `timestamp = "<" *VCHAR ">"`, and it "MUST conform to RFC-822 msg-id" ([RFC 2449 section 3](https://www.rfc-editor.org/rfc/rfc2449#section-3)): an
    /// `@` is in it, and printable ASCII only. Attacks on APOP choose timestamps with other bytes.
    pub struct ApopTimestamp: str;
}

impl ApopTimestamp {
    /// A timestamp. A server has to make a new one for each connection.
    ///
    /// # Errors
    ///
    /// Brackets are missing or within, there is no `@` with something on both its sides, or a byte
    /// is not printable ASCII.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        const WHAT: &str = "APOP timestamp";
        let text = text.into();
        let bytes = text.as_bytes();
        let Some(inner) = bytes.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">")) else {
            return Err(Invalid::new(WHAT, 0, "it does not stand in angle brackets"));
        };
        let allowed = |byte| is_vchar(byte) && !matches!(byte, b'<' | b'>');
        check_text(WHAT, inner, 0..=usize::MAX, allowed, "a bracket, or what is not printable ASCII")?;
        match inner.iter().position(|&byte| byte == b'@') {
            Some(at) if at > 0 && at + 1 < inner.len() => Ok(Self(text)),
            _ => Err(Invalid::new(WHAT, 0, "not of the form <local@domain>")),
        }
    }
}

/// The digest of an APOP command: MD5 over the timestamp and the shared secret ([RFC 1939 section
/// 7](https://www.rfc-editor.org/rfc/rfc1939#section-7)).
///
/// Whoever sees it can try passwords on it, so `Debug` does not show it.
#[derive(Clone, Copy)]
pub struct ApopDigest([u8; 16]);

impl ApopDigest {
    /// A digest.
    #[must_use]
    pub const fn new(digest: [u8; 16]) -> Self {
        Self(digest)
    }

    /// The bytes themselves. Named so that its use stands out.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 16] {
        &self.0
    }

    /// Appends the 32 lower-case hexadecimal digits.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for byte in self.0 {
            out.push(hex_digit(byte >> 4));
            out.push(hex_digit(byte & 15));
        }
    }
}

const fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

/// Compares in a time that does not depend on the bytes.
impl PartialEq for ApopDigest {
    fn eq(&self, other: &Self) -> bool {
        let differing = self.0.iter().zip(&other.0).fold(0, |acc, (a, b)| acc | (a ^ b));
        core::hint::black_box(differing) == 0
    }
}

impl Eq for ApopDigest {}

impl fmt::Debug for ApopDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApopDigest(..)")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for ApopDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("<secret>")
    }
}
