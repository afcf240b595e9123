//! The search that both directions share: for line ends before a dot, and for bare CR and LF.

use memchr::memchr2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    None,
    /// CR LF, and the byte after it is a dot or not there yet: worth a look.
    LineEnd,
    /// A CR as the last byte of the chunk.
    CrAtEnd,
    /// A CR without LF, or an LF without CR.
    Bare,
}

/// The next place at or after `from` where something must be done. The first line is looked at by
/// itself, for where every line starts with a dot.
pub(super) fn next_in_line(bytes: &[u8], from: usize) -> (usize, Special) {
    match line_end(bytes, from) {
        Ok(found) => found,
        Err(next_line) => next_special(bytes, next_line),
    }
}

/// The next special place after plain lines, which are stepped over in whole blocks.
pub(super) fn next_special(bytes: &[u8], from: usize) -> (usize, Special) {
    let enough = bytes.len().saturating_sub(from) >= LANES + 2;
    let mut at = if enough { skip_plain(bytes, from) } else { from };
    loop {
        match line_end(bytes, at) {
            Ok(found) => return found,
            Err(next_line) => at = next_line,
        }
    }
}

/// What ends the line at `from`, or where the next line starts if that is nothing special.
#[inline]
pub(super) fn line_end(bytes: &[u8], from: usize) -> Result<(usize, Special), usize> {
    let Some(found) = bytes.get(from..).and_then(line_break) else {
        return Ok((bytes.len(), Special::None));
    };
    let special = from + found;
    match (bytes.get(special), bytes.get(special + 1), bytes.get(special + 2)) {
        (Some(b'\r'), None, _) => Ok((special, Special::CrAtEnd)),
        (Some(b'\r'), Some(b'\n'), Some(b'.') | None) => Ok((special, Special::LineEnd)),
        (Some(b'\r'), Some(b'\n'), Some(_)) => Err(special + 2),
        _ => Ok((special, Special::Bare)),
    }
}

#[inline]
fn line_break(bytes: &[u8]) -> Option<usize> {
    // A call is not worth it for the few bytes after the last block.
    if bytes.len() <= 4 {
        bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'))
    } else {
        memchr2(b'\r', b'\n', bytes)
    }
}

/// [`step_over_plain`] with the registers that `simd::level` chooses.
#[cfg(feature = "simd")]
fn skip_plain(bytes: &[u8], from: usize) -> usize {
    use fearless_simd::{Simd, dispatch};
    dispatch!(crate::simd::level(), simd => simd.vectorize(
        #[inline(always)]
        || step_over_plain::<LANES>(bytes, from)
    ))
}

/// [`step_over_plain`] with the registers that all processors of this kind have.
#[cfg(not(feature = "simd"))]
fn skip_plain(bytes: &[u8], from: usize) -> usize {
    step_over_plain::<LANES>(bytes, from)
}

/// As many places as are looked at with one set of vector registers.
const LANES: usize = if cfg!(feature = "simd") { 64 } else { 32 };

/// So many places are looked at before it is asked whether one of them was special.
const BLOCK: usize = 512;

/// Blocks of this size are looked at to come close to a place that is.
const SMALL: usize = 128;

/// A place at or after `from` with nothing special before it, and close to the next that is, or to
/// the end of the text.
///
/// A place in the text is plain when it holds CR just if the next one holds LF, and when no dot
/// follows that LF. That is asked of all places of a block at once, without a branch, so that the
/// compiler makes vector instructions of it: this, not `memchr`, is what makes bodies with short lines
/// as fast as bodies with long ones.
#[inline(always)]
fn step_over_plain<const LANES: usize>(bytes: &[u8], from: usize) -> usize {
    // No place looks at what is before it, so an LF here would not be seen.
    if bytes.get(from) == Some(&b'\n') {
        return from;
    }
    let mut at = from;
    while bytes.get(at..at + BLOCK + 2).is_some_and(is_plain::<LANES>) {
        at += BLOCK;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    if (LANES + 2..BLOCK + 2).contains(&rest.len()) && is_plain::<LANES>(rest) {
        at = bytes.len() - 2;
    } else {
        while bytes.get(at..at + SMALL + 2).is_some_and(is_plain::<LANES>) {
            at += SMALL;
        }
    }
    // An LF here was found to belong to the CR before it.
    if at > from && bytes.get(at) == Some(&b'\n') && bytes.get(at - 1) == Some(&b'\r') {
        at += 1;
    }
    at
}

/// Whether all places are plain but the last two, after which there is too little to look at. There
/// are at least as many as `LANES`.
#[inline(always)]
fn is_plain<const LANES: usize>(bytes: &[u8]) -> bool {
    let places = bytes.len().saturating_sub(2);
    let (Some(here), Some(next), Some(after)) =
        (bytes.get(..places), bytes.get(1..places + 1), bytes.get(2..places + 2))
    else {
        return false;
    };
    let mut odd = [0; LANES];
    for ((here, next), after) in
        here.chunks_exact(LANES).zip(next.chunks_exact(LANES)).zip(after.chunks_exact(LANES))
    {
        odd = mark_odd(here, next, after, odd);
    }
    // The last set may begin before the end of the one before: a second look does no harm.
    if places % LANES != 0 {
        if let (Some(here), Some(next), Some(after)) =
            (here.last_chunk::<LANES>(), next.last_chunk::<LANES>(), after.last_chunk::<LANES>())
        {
            odd = mark_odd(here, next, after, odd);
        }
    }
    odd == [0; LANES]
}

/// `odd` with marks at the places that are not plain. It is given and returned, so that it stays in registers.
#[inline(always)]
fn mark_odd<const LANES: usize>(here: &[u8], next: &[u8], after: &[u8], mut odd: [u8; LANES]) -> [u8; LANES] {
    let (Some(here), Some(next), Some(after)) =
        (here.first_chunk::<LANES>(), next.first_chunk::<LANES>(), after.first_chunk::<LANES>())
    else {
        return odd;
    };
    for (odd, ((here, next), after)) in odd.iter_mut().zip(here.iter().zip(next).zip(after)) {
        let (cr, lf, dot) = (*here == b'\r', *next == b'\n', *after == b'.');
        *odd |= if (cr != lf) | (lf & dot) { 0xff } else { 0 };
    }
    odd
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::{super::tests::body, *};

    /// Place by place.
    fn slowly(bytes: &[u8], from: usize) -> (usize, Special) {
        let mut at = from;
        while let Some(byte) = bytes.get(at) {
            match (byte, bytes.get(at + 1), bytes.get(at + 2)) {
                (b'\r', None, _) => return (at, Special::CrAtEnd),
                (b'\r', Some(b'\n'), Some(b'.') | None) => return (at, Special::LineEnd),
                (b'\r', Some(b'\n'), Some(_)) => at += 2,
                (b'\r' | b'\n', ..) => return (at, Special::Bare),
                _ => at += 1,
            }
        }
        (bytes.len(), Special::None)
    }

    #[test]
    fn one_odd_place_anywhere_is_found() {
        for length in [0, 1, 2, 33, 34, 35, 100, 513, 514, 515, 1400, 1600] {
            let plain: Vec<u8> = b"line\r\n".iter().copied().cycle().take(length).collect();
            for at in 0..length {
                for odd in *b"\r\n." {
                    let mut bytes = plain.clone();
                    bytes[at] = odd;
                    let found = slowly(&bytes, 0);
                    assert_eq!(next_special(&bytes, 0), found, "{odd} at {at} of {length}");
                    for near in [step_over_plain::<32>(&bytes, 0), step_over_plain::<64>(&bytes, 0)] {
                        assert!(
                            near <= found.0 && slowly(&bytes, near) == found,
                            "{odd} at {at} of {length}"
                        );
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn finds_what_the_slow_way_finds(body in body(), from: prop::sample::Index) {
            let from = from.index(body.len() + 1);
            prop_assert_eq!(next_special(&body, from), slowly(&body, from));
            prop_assert_eq!(next_in_line(&body, from), slowly(&body, from));
        }
    }
}
