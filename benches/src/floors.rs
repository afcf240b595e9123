//! The least that has to be done: what no parser can be faster than.

use std::hint::black_box;

use bytes::Bytes;
use memchr::{memchr_iter, memchr2_iter};

use crate::{Group, Kind};

/// The floors of more than one group.
impl Group {
    /// Everything is copied once, in pieces.
    pub(crate) fn add_copying(self, bytes: &Bytes, piece: usize) -> Self {
        let bytes = bytes.clone();
        self.add(Kind::Floor, "memcpy", move || {
            let bytes = bytes.clone();
            let mut out = vec![0; bytes.len()];
            move || copy_in_pieces(&bytes, piece, &mut out)
        })
    }

    /// Each token of a message is found.
    pub(crate) fn add_tokens(self, wire: &'static [u8]) -> Self {
        self.add(Kind::Floor, "tokens", move || {
            let mut out = Vec::new();
            move || tokens(black_box(wire), &mut out)
        })
    }

    /// Each line end of a message is found.
    pub(crate) fn add_line_ends(self, who: &'static str, wire: &'static [u8]) -> Self {
        self.add(Kind::Floor, who, move || move || lines(black_box(wire)))
    }
}

/// Copies everything once.
fn copy_in_pieces(bytes: &[u8], piece: usize, to: &mut [u8]) -> u8 {
    for (from, to) in bytes.chunks(piece).zip(to.chunks_mut(piece)) {
        to[..from.len()].copy_from_slice(from);
    }
    to[bytes.len() / 2]
}

/// Looks at everything once, and finds nothing.
pub(crate) fn look(bytes: &[u8]) -> usize {
    memchr::memchr(0xff, bytes).unwrap_or(bytes.len())
}

/// Finds each line end.
fn lines(bytes: &[u8]) -> usize {
    memchr_iter(b'\n', bytes).count()
}

/// Splits at spaces and parentheses, strings in quotes apart: one pass, the bounds of each token in a
/// vector that is reused. Any parser has to find at least these.
fn tokens(bytes: &[u8], out: &mut Vec<(u32, u32)>) -> usize {
    out.clear();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        match byte {
            b' ' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'(' | b')' => at += 1,
            b'"' => {
                at += 1;
                for found in memchr2_iter(b'"', b'\\', &bytes[at..]) {
                    if bytes[at + found] == b'"' && (found == 0 || bytes[at + found - 1] != b'\\') {
                        at += found + 1;
                        break;
                    }
                }
            }
            _ => {
                while bytes.get(at).is_some_and(|byte| !matches!(byte, b' ' | b'(' | b')' | b'\r' | b'\n')) {
                    at += 1;
                }
            }
        }
        #[allow(clippy::cast_possible_truncation)]
        out.push((start as u32, at as u32));
    }
    out.len()
}
