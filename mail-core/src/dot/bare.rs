//! Bare CRs and LFs in bodies that are framed by their length, not by dots.

/// Looks for the first CR or LF that stands alone, in a body that comes or goes in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BareSearch {
    /// Bytes looked at so far.
    offset: u64,
    /// The last of them is a CR.
    after_cr: bool,
    found: Option<u64>,
}

impl BareSearch {
    /// At the start of a body.
    #[must_use]
    pub const fn new() -> Self {
        Self { offset: 0, after_cr: false, found: None }
    }

    /// Looks through the next piece.
    #[inline]
    pub fn look(&mut self, piece: &[u8]) {
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

    /// Ends the body, in which nothing follows a CR at its end.
    pub fn finish(&mut self) {
        if self.after_cr {
            self.found = self.found.or(Some(self.offset.saturating_sub(1)));
        }
    }

    /// Where the first one stood, in bytes from the start of the body.
    #[must_use]
    pub const fn found(&self) -> Option<u64> {
        self.found
    }
}

/// So many pairs of bytes are looked at before it is asked whether one of them was odd.
const BLOCK: usize = 512;

/// As many pairs as are looked at with one set of vector registers.
const LANES: usize = if cfg!(feature = "simd") { 64 } else { 32 };

/// The first bare CR or LF, of what may start with the LF of a CR before it and end with the CR of an LF after it.
#[cfg(feature = "simd")]
pub(super) fn bare(bytes: &[u8]) -> Option<usize> {
    use fearless_simd::{Level, Simd, dispatch};
    dispatch!(Level::new(), simd => simd.vectorize(
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
    let (mut firsts, mut seconds) = (here.chunks_exact(LANES), next.chunks_exact(LANES));
    let mut odd = [false; LANES];
    for (here, next) in firsts.by_ref().zip(seconds.by_ref()) {
        for ((odd, here), next) in odd.iter_mut().zip(here).zip(next) {
            *odd |= (*here == b'\r') != (*next == b'\n');
        }
    }
    let mut ends = firsts.remainder().iter().zip(seconds.remainder());
    odd == [false; LANES] && ends.all(|(here, next)| (*here == b'\r') == (*next == b'\n'))
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
        let mut search = BareSearch::new();
        search.look(&bytes[..cut]);
        search.look(&bytes[cut..]);
        search.finish();
        search.found()
    }

    #[test]
    fn one_odd_place_anywhere_is_found() {
        for length in [0, 1, 2, 31, 32, 33, 34, 100, 512, 513, 514, 515, 1100] {
            let plain: Vec<u8> = b"line\r\n".iter().copied().cycle().take(length).collect();
            for at in 0..length {
                for odd in *b"\r\n." {
                    let mut bytes = plain.clone();
                    bytes[at] = odd;
                    for cut in [0, 1, length / 2, at] {
                        assert_eq!(in_two(&bytes, cut), slowly(&bytes), "{odd} at {at} of {length}");
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
