//! base64, read leniently.

use alloc::vec::Vec;

use mailwire_core::private::base64_value;

/// RFC 2045 section 6.8: what is not of the alphabet is ignored, and padding ends it.
#[derive(Debug, Clone, Default)]
pub(super) struct Base64 {
    /// The bits that make no byte yet, and how many letters they came from.
    bits: u32,
    letters: u8,
    over: bool,
}

impl Base64 {
    pub(super) fn decode(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        for &byte in bytes {
            let Some(value) = base64_value(byte) else {
                self.over = byte == b'=';
                if self.over { return } else { continue }
            };
            self.bits = self.bits << 6 | u32::from(value);
            self.letters += 1;
            if self.letters == 4 {
                let [_, whole @ ..] = self.bits.to_be_bytes();
                out.extend_from_slice(&whole);
                (self.bits, self.letters) = (0, 0);
            }
        }
    }

    /// Two letters are one byte, three are two.
    pub(super) fn finish(self, out: &mut Vec<u8>) {
        let bytes = (self.bits << (6 * (4 - u32::from(self.letters)))).to_be_bytes();
        out.extend(bytes.iter().skip(1).take(usize::from(self.letters.saturating_sub(1))));
    }
}
