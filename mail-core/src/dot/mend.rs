//! Bare CRs and LFs made CR LF, in bodies that are framed by their length, not by dots.

use alloc::vec::Vec;

use bytes::{Buf, Bytes};
use memchr::memchr2;

use super::{Mended, bare::bare};

/// Makes CR LF of each CR and LF that stands alone, in a body that comes in pieces. Whoever sends by dots has a
/// [`Stuffer`](super::Stuffer) do it.
///
/// # Examples
///
/// ```
/// use mailwire_core::dot::Mender;
///
/// let mut mender = Mender::new();
/// assert_eq!(mender.push("one\ntwo\r".into()), "one\r\ntwo\r\n");
/// assert_eq!(mender.push("\nthree\r\n".into()), "three\r\n");
/// assert_eq!(mender.finish().count, 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mender {
    /// The last piece ended in a CR, and its LF is out already.
    after_cr: bool,
    /// Bytes taken so far.
    offset: u64,
    mended: Mended,
}

impl Mender {
    /// At the start of a body.
    #[must_use]
    pub const fn new() -> Self {
        Self { after_cr: false, offset: 0, mended: Mended::none() }
    }

    /// The next piece as it is to be sent: not a copy, unless something in it is to be mended, or a line end is cut in two
    /// after it.
    #[must_use]
    pub fn push(&mut self, piece: Bytes) -> Bytes {
        let odd = bare(&piece).is_some();
        self.take(piece, odd)
    }

    /// The next piece; `odd` if a CR or LF within it may stand alone.
    pub(super) fn take(&mut self, mut piece: Bytes, odd: bool) -> Bytes {
        if self.after_cr && !piece.is_empty() {
            self.after_cr = false;
            match piece.first() {
                Some(b'\n') => {
                    piece.advance(1);
                    self.offset += 1;
                }
                _ => self.mended.note(self.offset.saturating_sub(1)),
            }
        }
        let length = piece.len() as u64;
        let odd = piece.first() == Some(&b'\n') || piece.last() == Some(&b'\r') || odd;
        let piece = if odd { self.mend(&piece) } else { piece };
        self.offset = self.offset.saturating_add(length);
        piece
    }

    /// The CRs and LFs that were mended so far. Whether a CR at the end of the last piece is one of them is not known yet.
    #[must_use]
    pub const fn mended(&self) -> Mended {
        self.mended
    }

    /// Ends a part of the body, after which something comes that does not go through here: a CR at its end stands alone.
    pub fn end_part(&mut self) {
        if core::mem::take(&mut self.after_cr) {
            self.mended.note(self.offset.saturating_sub(1));
        }
    }

    /// Ends the body, and tells which CRs and LFs were mended.
    pub fn finish(&mut self) -> Mended {
        self.end_part();
        core::mem::take(self).mended
    }

    fn mend(&mut self, piece: &[u8]) -> Bytes {
        let mut mended = Vec::with_capacity(piece.len() + piece.len() / 16 + 2);
        let mut rest = piece;
        while let Some((line, after)) = memchr2(b'\r', b'\n', rest).and_then(|at| rest.split_at_checked(at)) {
            mended.extend_from_slice(line);
            mended.extend_from_slice(b"\r\n");
            let end = match after {
                [b'\r', b'\n', ..] => 2,
                [b'\r'] => {
                    self.after_cr = true;
                    1
                }
                _ => {
                    let at = piece.len() - rest.len() + line.len();
                    self.mended.note(self.offset.saturating_add(at as u64));
                    1
                }
            };
            rest = after.get(end..).unwrap_or_default();
        }
        mended.extend_from_slice(rest);
        mended.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::tests::body, *};

    /// Byte by byte.
    fn slowly(body: &[u8]) -> (Vec<u8>, Mended) {
        let (mut out, mut mended) = (Vec::new(), Mended::none());
        let mut bytes = body.iter().zip(0..).peekable();
        while let Some((byte, at)) = bytes.next() {
            match byte {
                b'\r' | b'\n' => {
                    out.extend_from_slice(b"\r\n");
                    let whole = *byte == b'\r' && bytes.next_if(|next| *next.0 == b'\n').is_some();
                    if !whole {
                        mended.note(at);
                    }
                }
                byte => out.push(*byte),
            }
        }
        (out, mended)
    }

    fn in_two(body: &[u8], cut: usize) -> (Vec<u8>, Mended) {
        let mut mender = Mender::new();
        let pieces = [&body[..cut], &body[cut..]].map(|piece| mender.push(Bytes::copy_from_slice(piece)));
        (pieces.concat(), mender.finish())
    }

    #[test]
    fn mends_wherever_it_is_cut() {
        for body in ["", "\r", "\n", "\r\n", "\n\r", "a\nb\rc\r\nd\r\r\n\n", "\r\r", "\n\n", "a\r\n\r\nb\r\n"]
        {
            for cut in 0..=body.len() {
                assert_eq!(in_two(body.as_bytes(), cut), slowly(body.as_bytes()), "{body:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn no_line_end_reaches_over_the_end_of_a_part() {
        let mut mender = Mender::new();
        assert_eq!(mender.push("a\r".into()), "a\r\n");
        mender.end_part();
        assert_eq!(mender.push("\nb\r\n".into()), "\r\nb\r\n");
        mender.end_part();
        assert_eq!(mender.finish(), Mended { count: 2, first: Some(1) });
    }

    #[test]
    fn what_is_well_is_not_copied() {
        let piece = Bytes::from_static(b"one\r\ntwo\r\n\r\n.\r\nthree");
        let same = Mender::new().push(piece.clone());
        assert_eq!((same.as_ptr(), same.len()), (piece.as_ptr(), piece.len()));
    }

    proptest! {
        #[test]
        fn mends_as_the_slow_way_does(body in body(), cut: prop::sample::Index) {
            let (mended, found) = in_two(&body, cut.index(body.len() + 1));
            prop_assert_eq!((mended.clone(), found), slowly(&body));
            prop_assert_eq!(slowly(&mended), (mended.clone(), Mended::none()));
            let stuffed = super::super::tests::stuff(&[&body], super::super::BareNewline::Normalize).unwrap();
            let (unstuffed, ..) = super::super::tests::unstuff(&[&stuffed], super::super::LineEnds::CrLf).unwrap();
            prop_assert!(unstuffed.starts_with(&mended), "both ways of sending mend alike");
        }
    }
}
