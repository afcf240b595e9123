//! What text may not have, in bodies that are framed by their length, not by dots: bare CRs and LFs, and NUL.

use crate::nul::NulSearch;

/// Looks for the first CR or LF that stands alone, and for the first NUL, in a body that comes or goes in pieces: for what is
/// asked of them, while the bytes pass once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextSearch {
    bare: Option<BareSearch>,
    nul: Option<NulSearch>,
}

impl TextSearch {
    /// At the start of a body. What is looked for: `bare` CRs and LFs, `nul`.
    #[must_use]
    pub fn new(bare: bool, nul: bool) -> Self {
        Self { bare: bare.then(BareSearch::default), nul: nul.then(NulSearch::new) }
    }

    /// Looks through the next piece.
    #[inline]
    pub fn look(&mut self, piece: &[u8]) {
        // The second search finds the block in the processor's nearest cache.
        for block in piece.chunks(PART) {
            if let Some(bare) = &mut self.bare {
                bare.look(block);
            }
            if let Some(nul) = &mut self.nul {
                nul.look(block);
            }
        }
    }

    /// Ends the body, in which nothing follows a CR at its end.
    pub fn finish(&mut self) {
        if let Some(bare) = self.bare.as_mut().filter(|bare| bare.after_cr) {
            bare.found = bare.found.or(Some(bare.offset.saturating_sub(1)));
        }
    }

    /// Where the first bare CR or LF stood, in bytes from the start of the body.
    #[must_use]
    pub fn bare(&self) -> Option<u64> {
        self.bare.and_then(|bare| bare.found)
    }

    /// Where the first NUL stood, in bytes from the start of the body.
    #[must_use]
    pub fn nul(&self) -> Option<u64> {
        self.nul.and_then(|nul| nul.found())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct BareSearch {
    /// Bytes looked at so far.
    offset: u64,
    /// The last of them is a CR.
    after_cr: bool,
    found: Option<u64>,
}

impl BareSearch {
    #[inline]
    fn look(&mut self, piece: &[u8]) {
        let (Some(&first), Some(&last)) = (piece.first(), piece.last()) else { return };
        let odd = match (self.after_cr, first == b'\n') {
            (true, false) => Some(self.offset.saturating_sub(1)),
            (false, true) => Some(self.offset),
            _ => bare(piece).map(|at| self.offset.saturating_add(at as u64)),
        };
        self.found = self.found.or(odd);
        self.after_cr = last == b'\r';
        self.offset = self.offset.saturating_add(piece.len() as u64);
    }
}

/// So many bytes are searched for one thing, and then for the other.
const PART: usize = 16 * 1024;

/// So many pairs of bytes are looked at before it is asked whether one of them was odd.
const BLOCK: usize = 2048;

/// As many pairs as are looked at with one set of vector registers.
const LANES: usize = if cfg!(feature = "simd") { 64 } else { 32 };

/// The first bare CR or LF, of what may start with the LF of a CR before it and end with the CR of an LF after it.
#[cfg(feature = "simd")]
pub(super) fn bare(bytes: &[u8]) -> Option<usize> {
    use fearless_simd::{Simd, dispatch};
    dispatch!(crate::simd::level(), simd => simd.vectorize(
        #[inline(always)]
        || first_odd(bytes)
    ))
}

/// The first bare CR or LF, of what may start with the LF of a CR before it and end with the CR of an LF after it.
#[cfg(not(feature = "simd"))]
pub(super) fn bare(bytes: &[u8]) -> Option<usize> {
    first_odd(bytes)
}

/// A pair of bytes is odd when the first is a CR or the second an LF, and not both. That is asked of all pairs
/// of a block at once and without a branch, so that the compiler makes vector instructions of it.
#[inline(always)]
fn first_odd(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while bytes.get(at..at + BLOCK + 1).is_some_and(is_paired) {
        at += BLOCK;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.len() <= BLOCK && is_paired(rest) {
        return None;
    }
    rest.windows(2).enumerate().find_map(|(pair, bytes)| match bytes {
        [b'\r', b'\n'] => None,
        [b'\r', _] => Some(at + pair),
        [_, b'\n'] => Some(at + pair + 1),
        _ => None,
    })
}

#[inline(always)]
fn is_paired(bytes: &[u8]) -> bool {
    let here = bytes.split_last().map_or(bytes, |(_, here)| here);
    let next = bytes.get(1..).unwrap_or_default();
    let mut odd = [0; LANES];
    for (here, next) in here.chunks_exact(LANES).zip(next.chunks_exact(LANES)) {
        odd = mark_odd(here, next, odd);
    }
    // The last set may begin before the end of the one before: a second look does no harm.
    if let (Some(here), Some(next)) = (here.last_chunk::<LANES>(), next.last_chunk::<LANES>()) {
        return mark_odd(here, next, odd) == [0; LANES];
    }
    here.iter().zip(next).all(|(here, next)| (*here == b'\r') == (*next == b'\n'))
}

/// `odd` with marks at the odd pairs. It is given and returned, so that it stays in registers.
#[inline(always)]
fn mark_odd(here: &[u8], next: &[u8], mut odd: [u8; LANES]) -> [u8; LANES] {
    let (Some(here), Some(next)) = (here.first_chunk::<LANES>(), next.first_chunk::<LANES>()) else {
        return odd;
    };
    for (odd, (here, next)) in odd.iter_mut().zip(here.iter().zip(next)) {
        *odd |= if (*here == b'\r') != (*next == b'\n') { 0xff } else { 0 };
    }
    odd
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::{super::tests::body, *};

    /// Place by place.
    fn slowly(bytes: &[u8]) -> Option<u64> {
        let mut last = None;
        for (at, byte) in bytes.iter().enumerate() {
            match (last, byte) {
                (Some(b'\r'), b'\n') => {}
                (Some(b'\r'), _) => return Some(at as u64 - 1),
                (_, b'\n') => return Some(at as u64),
                _ => {}
            }
            last = Some(*byte);
        }
        (last == Some(b'\r')).then(|| bytes.len() as u64 - 1)
    }

    fn in_two(bytes: &[u8], cut: usize) -> Option<u64> {
        let (first, second) = bytes.split_at(cut);
        let [alone, both] = [false, true].map(|nul| {
            let mut search = TextSearch::new(true, nul);
            search.look(first);
            search.look(second);
            search.finish();
            search
        });
        let nul = bytes.iter().position(|byte| *byte == 0).map(|at| at as u64);
        assert_eq!((both.nul(), alone.nul()), (nul, None));
        assert_eq!(both.bare(), alone.bare(), "whether NUL is looked for or not");
        both.bare()
    }

    #[test]
    fn one_odd_place_anywhere_is_found() {
        for length in [0, 1, 2, 63, 64, 65, 66, 67, 128, 129, 130, 200] {
            let plain: Vec<u8> = b"line\r\n".iter().copied().cycle().take(length).collect();
            for at in 0..length {
                for odd in *b"\r\n.\0" {
                    let mut bytes = plain.clone();
                    bytes[at] = odd;
                    for cut in [0, 1, length / 2, at] {
                        assert_eq!(in_two(&bytes, cut), slowly(&bytes), "{odd} at {at} of {length}");
                    }
                }
            }
        }
    }

    /// Near the end of a block, of a part and of a piece, wherever the lines end.
    #[test]
    fn one_odd_place_near_a_border_is_found() {
        for phase in 0..6 {
            for border in [BLOCK, 2 * BLOCK, PART] {
                let lines = b"line\r\n".iter().copied().cycle().skip(phase);
                let plain: Vec<u8> = lines.take(border + LANES).collect();
                assert_eq!(in_two(&plain, border), slowly(&plain), "{phase}");
                for at in border - 2..border + 3 {
                    for odd in *b"\r\n.\0" {
                        let mut bytes = plain.clone();
                        bytes[at] = odd;
                        for cut in [0, border] {
                            assert_eq!(in_two(&bytes, cut), slowly(&bytes), "{odd} at {at} of {phase}");
                        }
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn finds_what_the_slow_way_finds(body in body(), cut: prop::sample::Index) {
            prop_assert_eq!(in_two(&body, cut.index(body.len() + 1)), slowly(&body));
        }
    }
}
