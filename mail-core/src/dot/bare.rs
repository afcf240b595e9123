//! What text may not have, in bodies that are framed by their length, not by dots: bare CRs and LFs, and NUL.

use bytes::Bytes;

use super::{CheckedText, Mender};
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

    /// Looks through the next piece: once for both, where there is neither.
    #[inline]
    pub fn look(&mut self, piece: &[u8]) {
        match (&mut self.bare, &mut self.nul) {
            (Some(bare), Some(nul)) if !piece.ends_with(&[0]) && odd_block::<true>(piece).is_none() => {
                bare.pass(piece, || None);
                nul.pass(piece);
            }
            (bare, nul) => {
                if let Some(bare) = bare {
                    bare.pass(piece, || self::bare(piece));
                }
                if let Some(nul) = nul {
                    nul.look(piece);
                }
            }
        }
    }

    /// Takes the next piece without looking through it: within it there is nothing of what is looked for. Its ends may be those of a
    /// line end that is cut in two.
    #[inline]
    pub fn pass(&mut self, piece: &CheckedText) {
        let piece = piece.as_bytes();
        if let Some(bare) = &mut self.bare {
            bare.pass(piece, || None);
        }
        if let Some(nul) = &mut self.nul {
            nul.pass(piece);
        }
    }

    /// Whether nothing of it was found so far.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.bare().is_none() && self.nul().is_none()
    }

    /// Ends the body, in which nothing follows a CR at its end.
    pub fn finish(&mut self) {
        if let Some(bare) = self.bare.as_mut().filter(|bare| bare.after_cr) {
            bare.found = bare.found.or(Some(bare.offset.saturating_sub(1)));
        }
    }

    /// Has a piece mended that was just looked through, for bare CRs and LFs as well: it is not looked through again where
    /// there were none.
    #[must_use]
    pub fn mend(&self, mender: &mut Mender, piece: Bytes) -> Bytes {
        match self.bare() {
            None => mender.take(piece, false),
            Some(_) => mender.push(piece),
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
    /// Takes the next piece, in which `bare` finds the first one.
    #[inline]
    fn pass(&mut self, piece: &[u8], bare: impl FnOnce() -> Option<usize>) {
        let (Some(&first), Some(&last)) = (piece.first(), piece.last()) else { return };
        let odd = match (self.after_cr, first == b'\n') {
            (true, false) => Some(self.offset.saturating_sub(1)),
            (false, true) => Some(self.offset),
            _ => bare().map(|at| self.offset.saturating_add(at as u64)),
        };
        self.found = self.found.or(odd);
        self.after_cr = last == b'\r';
        self.offset = self.offset.saturating_add(piece.len() as u64);
    }
}

/// So many pairs of bytes are looked at before it is asked whether one of them was odd.
const BLOCK: usize = 8192;

/// As many pairs as are looked at with one set of vector registers.
const LANES: usize = if cfg!(feature = "simd") { 64 } else { 32 };

/// The first bare CR or LF, of what may start with the LF of a CR before it and end with the CR of an LF after it.
pub(super) fn bare(bytes: &[u8]) -> Option<usize> {
    let start = odd_block::<false>(bytes)?;
    let pairs = bytes.get(start..).unwrap_or_default().windows(2);
    pairs.zip(start..).find_map(|(pair, at)| match pair {
        [b'\r', b'\n'] => None,
        [b'\r', _] => Some(at),
        [_, b'\n'] => Some(at + 1),
        _ => None,
    })
}

/// [`first_odd`] with the registers that `simd::level` chooses.
#[cfg(feature = "simd")]
fn odd_block<const NUL: bool>(bytes: &[u8]) -> Option<usize> {
    use fearless_simd::{Simd, dispatch};
    dispatch!(crate::simd::level(), simd => simd.vectorize(
        #[inline(always)]
        || first_odd::<NUL>(bytes)
    ))
}

/// [`first_odd`] with the registers that all processors of this kind have.
#[cfg(not(feature = "simd"))]
fn odd_block<const NUL: bool>(bytes: &[u8]) -> Option<usize> {
    first_odd::<NUL>(bytes)
}

/// Where the first block begins that has an odd pair.
///
/// A pair of bytes is odd when the first is a CR or the second an LF, and not both; with `NUL` also when the first is one. That
/// is asked of all pairs of a block at once and without a branch, so that the compiler makes vector instructions of it.
#[inline(always)]
fn first_odd<const NUL: bool>(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while bytes.get(at..at + BLOCK + 1).is_some_and(is_even::<NUL>) {
        at += BLOCK;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    (rest.len() > BLOCK || !is_even::<NUL>(rest)).then_some(at)
}

/// Whether no pair is odd.
#[inline(always)]
fn is_even<const NUL: bool>(bytes: &[u8]) -> bool {
    let here = bytes.split_last().map_or(bytes, |(_, here)| here);
    let next = bytes.get(1..).unwrap_or_default();
    let mut lowest = [u8::MAX; LANES];
    for (here, next) in here.chunks_exact(LANES).zip(next.chunks_exact(LANES)) {
        lowest = lower::<NUL>(here, next, lowest);
    }
    // The last set may begin before the end of the one before: a second look does no harm.
    if let (Some(here), Some(next)) = (here.last_chunk::<LANES>(), next.last_chunk::<LANES>()) {
        lowest = lower::<NUL>(here, next, lowest);
        return lowest.map(|byte| u8::from(byte == 0)) == [0; LANES];
    }
    here.iter().zip(next).all(|(here, next)| lowered::<NUL>(*here, *next, u8::MAX) != 0)
}

/// `lowest` with 0 at the odd pairs. It is given and returned, so that it stays in registers.
#[inline(always)]
fn lower<const NUL: bool>(here: &[u8], next: &[u8], mut lowest: [u8; LANES]) -> [u8; LANES] {
    let (Some(here), Some(next)) = (here.first_chunk::<LANES>(), next.first_chunk::<LANES>()) else {
        return lowest;
    };
    for (lowest, (here, next)) in lowest.iter_mut().zip(here.iter().zip(next)) {
        *lowest = lowered::<NUL>(*here, *next, *lowest);
    }
    lowest
}

#[inline(always)]
fn lowered<const NUL: bool>(here: u8, next: u8, lowest: u8) -> u8 {
    match (here == b'\r') == (next == b'\n') {
        false => 0,
        true if NUL => lowest.min(here),
        true => lowest,
    }
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
        let (mut searched, mut mender) = (TextSearch::new(true, true), [Mender::new(), Mender::new()]);
        for piece in [first, second] {
            searched.look(piece);
            let piece = Bytes::copy_from_slice(piece);
            assert_eq!(searched.mend(&mut mender[0], piece.clone()), mender[1].push(piece));
        }
        assert_eq!(mender[0].finish(), mender[1].finish());
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
            for border in [BLOCK, 2 * BLOCK] {
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
