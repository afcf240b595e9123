//! Finding lines in what arrives.

use bytes::{Bytes, BytesMut};
use memchr::memchr;

/// How a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Newline {
    /// CR LF, as all three protocols have it.
    CrLf,
    /// A lone LF. Whether that is accepted is the protocol's and the dialect's matter.
    Lf,
}

/// One line, without its line end.
///
/// The text holds no LF. It can hold a CR or a NUL, which the grammar has to refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The text, a slice of the input.
    pub text: Bytes,
    /// What stood behind it.
    pub newline: Newline,
}

/// A line that has no end within its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no line end within {limit} bytes")]
pub struct LineTooLong {
    /// The limit, in bytes with the line end.
    pub limit: usize,
}

impl From<LineTooLong> for crate::Error {
    fn from(error: LineTooLong) -> Self {
        Self::LineTooLong { limit: error.limit }
    }
}

/// Finds line ends and remembers how far it has looked, so that a line that arrives byte by byte
/// costs no more than one that arrives whole.
#[derive(Debug, Clone, Default)]
pub struct LineFramer {
    looked: usize,
}

impl LineFramer {
    /// A framer at the start of a line.
    #[must_use]
    pub const fn new() -> Self {
        Self { looked: 0 }
    }

    /// The length, with its line end, of the message part of `input` that ends in the first LF
    /// not looked at yet; `None` when there is none so far. `limit` counts from the start of
    /// `input`.
    ///
    /// The framer then stands behind that line: a message of several lines or with literals in it
    /// goes on with [`skip_to`](Self::skip_to) or another call, and one that is taken off the
    /// input ends with [`reset`](Self::reset).
    ///
    /// # Errors
    ///
    /// No LF within `limit` bytes, as soon as that is certain.
    pub fn find(&mut self, input: &[u8], limit: usize) -> Result<Option<usize>, LineTooLong> {
        let unseen = input.get(self.looked..).unwrap_or_default();
        match memchr(b'\n', unseen) {
            Some(at) => {
                self.looked = self.looked.saturating_add(at).saturating_add(1);
                if self.looked > limit { Err(LineTooLong { limit }) } else { Ok(Some(self.looked)) }
            }
            None => {
                self.looked = self.looked.max(input.len());
                if self.looked >= limit { Err(LineTooLong { limit }) } else { Ok(None) }
            }
        }
    }

    /// Goes on looking at `offset`, which lies behind a literal.
    pub fn skip_to(&mut self, offset: usize) {
        self.looked = offset;
    }

    /// What was looked at has been taken off the input.
    pub fn reset(&mut self) {
        self.looked = 0;
    }

    /// Takes one whole line off the front of `input`. `limit` is in bytes with the line end.
    ///
    /// # Errors
    ///
    /// A line longer than `limit`. The input is left as it was.
    pub fn next_line(&mut self, input: &mut BytesMut, limit: usize) -> Result<Option<Line>, LineTooLong> {
        let Some(length) = self.find(input, limit)? else { return Ok(None) };
        self.reset();
        let mut text = input.split_to(length).freeze();
        let newline = if text.ends_with(b"\r\n") { Newline::CrLf } else { Newline::Lf };
        let end = length.saturating_sub(match newline {
            Newline::CrLf => 2,
            Newline::Lf => 1,
        });
        text.truncate(end);
        Ok(Some(Line { text, newline }))
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    fn lines(pieces: &[&[u8]], limit: usize) -> Result<Vec<(Vec<u8>, Newline)>, LineTooLong> {
        let (mut framer, mut input, mut out) = (LineFramer::new(), BytesMut::new(), Vec::new());
        for piece in pieces {
            input.extend_from_slice(piece);
            while let Some(line) = framer.next_line(&mut input, limit)? {
                out.push((line.text.to_vec(), line.newline));
            }
        }
        Ok(out)
    }

    #[test]
    fn every_cut_gives_the_same_lines() {
        let text = b"one\r\n\r\ntwo\n\nthr\ree\r\n";
        let whole = lines(&[text], 10).unwrap();
        assert_eq!(
            whole,
            vec![
                (b"one".to_vec(), Newline::CrLf),
                (b"".to_vec(), Newline::CrLf),
                (b"two".to_vec(), Newline::Lf),
                (b"".to_vec(), Newline::Lf),
                (b"thr\ree".to_vec(), Newline::CrLf),
            ]
        );
        for cut in 0..=text.len() {
            let (a, b) = text.split_at(cut);
            assert_eq!(lines(&[a, b], 10).unwrap(), whole);
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(lines(&bytes, 10).unwrap(), whole);
    }

    #[test]
    fn the_limit_counts_the_line_end() {
        assert!(lines(&[b"12345678\r\n"], 10).is_ok());
        assert_eq!(lines(&[b"123456789\r\n"], 10), Err(LineTooLong { limit: 10 }));
        assert_eq!(lines(&[b"1234567890"], 10), Err(LineTooLong { limit: 10 }), "no end can come in time");
        assert!(lines(&[b"123456789"], 10).is_ok());
    }

    #[test]
    fn a_line_is_a_slice_of_the_input() {
        let mut input = BytesMut::from(&b"abc\r\nrest"[..]);
        let at = input.as_ptr();
        let line = LineFramer::new().next_line(&mut input, 100).unwrap().unwrap();
        assert_eq!(line.text.as_ptr(), at);
    }
}
