//! NUL in what is received or sent.

use memchr::memchr;

/// Looks for the first NUL in a body that comes or goes in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NulSearch {
    /// Bytes looked at so far.
    offset: u64,
    found: Option<u64>,
}

impl NulSearch {
    /// At the start of a body.
    #[must_use]
    pub const fn new() -> Self {
        Self { offset: 0, found: None }
    }

    /// Looks through the next piece.
    #[inline]
    pub fn look(&mut self, piece: &[u8]) {
        // A call is not worth it for a few bytes.
        let has_nul = if piece.len() < 16 { piece.contains(&0) } else { has_nul(piece) };
        if has_nul && self.found.is_none() {
            let at = piece.iter().position(|&byte| byte == 0);
            self.found = at.map(|at| self.offset.saturating_add(at as u64));
        }
        self.pass(piece);
    }

    /// Takes the next piece, of which it is known that it has none.
    #[inline]
    pub(crate) const fn pass(&mut self, piece: &[u8]) {
        self.offset = self.offset.saturating_add(piece.len() as u64);
    }

    /// Where the first NUL stood, in bytes from the start of the body.
    #[must_use]
    pub const fn found(&self) -> Option<u64> {
        self.found
    }
}

/// [`lowest_is_nul`] with the registers that `simd::level` chooses.
#[cfg(feature = "simd")]
fn has_nul(bytes: &[u8]) -> bool {
    use fearless_simd::{Simd, dispatch};
    if bytes.len() < LANES {
        return memchr(0, bytes).is_some();
    }
    dispatch!(crate::simd::level(), simd => simd.vectorize(
        #[inline(always)]
        || lowest_is_nul(bytes)
    ))
}

/// [`lowest_is_nul`] with the registers that all processors of this kind have.
#[cfg(not(feature = "simd"))]
fn has_nul(bytes: &[u8]) -> bool {
    if bytes.len() < LANES { memchr(0, bytes).is_some() } else { lowest_is_nul(bytes) }
}

/// As many bytes as are looked at with one set of vector registers.
const LANES: usize = 64;

/// Whether the lowest byte is NUL, of at least as many as `LANES`. Where there is none, as nearly always, that takes
/// a third of what it takes to look for the first.
#[inline(always)]
fn lowest_is_nul(bytes: &[u8]) -> bool {
    let mut lowest = [u8::MAX; LANES];
    let blocks = bytes.chunks_exact(4 * LANES);
    let rest = blocks.remainder();
    for block in blocks {
        for lanes in block.chunks_exact(LANES) {
            lowest = lower(lowest, lanes);
        }
    }
    for lanes in rest.chunks_exact(LANES) {
        lowest = lower(lowest, lanes);
    }
    // The last set may begin before the end of the one before: a second look does no harm.
    let end = bytes.last_chunk::<LANES>().map_or(lowest, |end| lower(lowest, end));
    end.map(|byte| u8::from(byte == 0)) != [0; LANES]
}

/// The lower of each two bytes.
#[inline(always)]
fn lower(mut lowest: [u8; LANES], bytes: &[u8]) -> [u8; LANES] {
    for (lowest, byte) in lowest.iter_mut().zip(bytes) {
        *lowest = (*lowest).min(*byte);
    }
    lowest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_anywhere_is_found() {
        for length in [0, 1, 15, 16, 63, 64, 65, 128, 255, 256, 257, 300, 1400] {
            let mut body = alloc::vec![b'x'; length];
            assert!(!has_nul(&body));
            for at in 0..length {
                body[at] = 0;
                assert!(has_nul(&body), "at {at} of {length}");
                let mut search = NulSearch::new();
                search.look(&body);
                assert_eq!(search.found(), Some(at as u64));
                body[at] = b'x';
            }
        }
    }

    #[test]
    fn the_first_one_is_found_in_any_cut() {
        for (body, place) in [(&b"abcde"[..], None), (b"\0", Some(0)), (b"ab\0c\0", Some(2)), (b"", None)] {
            for cut in 0..=body.len() {
                let mut search = NulSearch::new();
                search.look(&body[..cut]);
                search.look(&body[cut..]);
                assert_eq!(search.found(), place, "{body:?} cut at {cut}");
            }
        }
    }
}
