//! Classes of bytes, in one table.

/// Up to sixteen sets of bytes in one table, each a bit: the character classes of a grammar.
///
/// ```
/// use mailwire_core::private::ByteClasses;
///
/// const DIGIT: u16 = 1;
/// const HEX: u16 = 2;
/// static CLASSES: ByteClasses =
///     ByteClasses::NONE.with_range(DIGIT | HEX, b'0', b'9').with_range(HEX, b'A', b'F');
/// assert!(CLASSES.is(b'7', DIGIT) && CLASSES.is(b'A', HEX) && !CLASSES.is(b'A', DIGIT));
/// assert_eq!(CLASSES.run(b"12AFx", HEX), 4);
/// ```
#[derive(Debug)]
pub struct ByteClasses([u16; 256]);

#[allow(clippy::indexing_slicing)] // Of a byte in 256 entries, by the compiler.
impl ByteClasses {
    /// No byte in any class.
    pub const NONE: Self = Self([0; 256]);

    /// Adds the bytes from `first` to `last`.
    #[must_use]
    pub const fn with_range(mut self, classes: u16, first: u8, last: u8) -> Self {
        let mut byte = first as usize;
        while byte <= last as usize {
            self.0[byte] |= classes;
            byte += 1;
        }
        self
    }

    /// Adds these bytes.
    #[must_use]
    pub const fn with(mut self, classes: u16, bytes: &[u8]) -> Self {
        let mut at = 0;
        while at < bytes.len() {
            self.0[bytes[at] as usize] |= classes;
            at += 1;
        }
        self
    }

    /// Takes these bytes out.
    #[must_use]
    pub const fn without(mut self, classes: u16, bytes: &[u8]) -> Self {
        let mut at = 0;
        while at < bytes.len() {
            self.0[bytes[at] as usize] &= !classes;
            at += 1;
        }
        self
    }

    /// Adds the letters and digits of ASCII.
    #[must_use]
    pub const fn with_alphanumeric(self, classes: u16) -> Self {
        self.with_range(classes, b'0', b'9').with_range(classes, b'A', b'Z').with_range(classes, b'a', b'z')
    }
}

impl ByteClasses {
    /// Whether `byte` is in one of `classes`.
    #[inline]
    #[must_use]
    pub fn is(&self, byte: u8, classes: u16) -> bool {
        self.0.get(usize::from(byte)).is_some_and(|found| found & classes != 0)
    }

    /// Whether all of `bytes` are in one of `classes`.
    #[inline]
    #[must_use]
    pub fn all(&self, bytes: &[u8], classes: u16) -> bool {
        bytes.iter().all(|&byte| self.is(byte, classes))
    }

    /// How many bytes from the start are in one of `classes`.
    #[inline]
    #[must_use]
    pub fn run(&self, bytes: &[u8], classes: u16) -> usize {
        bytes.iter().position(|&byte| !self.is(byte, classes)).unwrap_or(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_in_the_classes_that_they_were_put_into() {
        static CLASSES: ByteClasses =
            ByteClasses::NONE.with_alphanumeric(1).with(2, b"+-").with_range(4, 128, 255).without(1, b"xX");
        for byte in 0..=255u8 {
            let class = u16::from(byte.is_ascii_alphanumeric() && !matches!(byte, b'x' | b'X'))
                | if matches!(byte, b'+' | b'-') { 2 } else { 0 }
                | if byte >= 128 { 4 } else { 0 };
            for wanted in 1..8 {
                assert_eq!(CLASSES.is(byte, wanted), class & wanted != 0, "{byte} {wanted}");
                assert_eq!(CLASSES.all(&[byte], wanted), CLASSES.run(&[byte], wanted) == 1);
            }
        }
    }
}
