//! Literals that are sent in chunks.

use bytes::Bytes;
use mailwire_core::{Misuse, Output};

/// A literal whose length was announced and whose bytes the caller gives piece by piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outgoing {
    length: u64,
    left: u64,
    /// A `literal8`, which can hold NUL.
    binary: bool,
}

impl Outgoing {
    pub(crate) const fn new(length: u64, binary: bool) -> Self {
        Self { length, left: length, binary }
    }

    /// Takes off the front of `chunk` what the output has room for, without copying it.
    pub(crate) fn send(&mut self, chunk: &mut Bytes, output: &mut Output) -> Result<usize, Misuse> {
        if chunk.len() as u64 > self.left {
            return Err(Misuse::BodyMismatch("longer than announced"));
        }
        let count = chunk.len().min(output.room());
        if count == 0 {
            return Ok(0);
        }
        let piece = chunk.get(..count).unwrap_or_default();
        if !self.binary {
            if let Some(at) = memchr::memchr(0, piece) {
                let offset = self.length.saturating_sub(self.left).saturating_add(at as u64);
                return Err(Misuse::InvalidBody { reason: "NUL in a literal", offset });
            }
        }
        output.append(chunk.split_to(count));
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }

    /// Whether all of it was given.
    pub(crate) const fn finish(&self) -> Result<(), Misuse> {
        if self.left == 0 { Ok(()) } else { Err(Misuse::BodyMismatch("shorter than announced")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_announced_length_is_kept() {
        let mut output = Output::new(4);
        let mut body = Outgoing::new(6, false);
        let mut chunk = Bytes::from_static(b"1234567");
        assert_eq!(body.send(&mut chunk, &mut output), Err(Misuse::BodyMismatch("longer than announced")));
        assert_eq!(chunk, "1234567");
        let mut chunk = Bytes::from_static(b"123456");
        assert_eq!(body.send(&mut chunk, &mut output), Ok(4));
        assert_eq!(body.send(&mut chunk, &mut output), Ok(0), "the output is full");
        assert_eq!(chunk, "56");
        assert_eq!(body.finish(), Err(Misuse::BodyMismatch("shorter than announced")));
        output.clear();
        assert_eq!(body.send(&mut chunk, &mut output), Ok(2));
        assert_eq!(body.finish(), Ok(()));
    }

    #[test]
    fn nul_is_for_literal8() {
        let mut output = Output::new(100);
        let mut chunk = Bytes::from_static(b"ab\0c");
        assert_eq!(
            Outgoing::new(4, false).send(&mut chunk, &mut output),
            Err(Misuse::InvalidBody { reason: "NUL in a literal", offset: 2 })
        );
        assert_eq!(Outgoing::new(4, true).send(&mut chunk, &mut output), Ok(4));
    }
}
