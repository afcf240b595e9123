//! Finding lines in what arrives.

use core::num::NonZeroUsize;

use bytes::{Bytes, BytesMut};
use memchr::memchr;

use crate::Secret;

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
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The text, a slice of the input.
    pub text: Bytes,
    /// How it ended.
    pub newline: Newline,
}

/// A line that has no end within its limit.
#[non_exhaustive]
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

/// Finds line ends and remembers how far it has looked, so that no byte is looked at twice.
///
/// A state machine that waits within a line parks its framer with [`park`](Self::park), and then asks
/// [`is_parked`](Self::is_parked) before anything else: a call that finds nothing new costs next to
/// nothing, and a line that arrives byte by byte not much more than one that arrives whole. Whatever
/// its owner does with the machine meanwhile calls [`unpark`](Self::unpark).
#[derive(Debug, Clone)]
pub struct LineFramer {
    /// One more than the bytes that are known to hold no line end, or to be a literal: the length of
    /// the input when the next byte is there.
    next: NonZeroUsize,
    /// Where the last search has to end.
    limit: usize,
    /// An input shorter than this is of interest only if an LF came. Zero: the framer is awake.
    quiet_below: usize,
}

impl Default for LineFramer {
    fn default() -> Self {
        Self::new()
    }
}

impl LineFramer {
    /// A framer at the start of a line.
    #[must_use]
    pub const fn new() -> Self {
        Self { next: NonZeroUsize::MIN, limit: 0, quiet_below: 0 }
    }

    const fn looked(&self) -> usize {
        self.next.get() - 1
    }

    const fn set_looked(&mut self, looked: usize) {
        self.next = NonZeroUsize::MIN.saturating_add(looked);
    }

    /// The length, with its line end, of the message part of `input` that ends in the first LF
    /// not looked at yet; `None` when there is none so far. `limit` counts from the start of
    /// `input`.
    ///
    /// The framer then stands after that line: a message of several lines or with literals in it
    /// goes on with [`skip_to`](Self::skip_to) or another call, and one that is taken off the
    /// input ends with [`reset`](Self::reset).
    ///
    /// # Errors
    ///
    /// No LF within `limit` bytes, as soon as that is certain.
    #[inline]
    pub fn find(&mut self, input: &[u8], limit: usize) -> Result<Option<usize>, LineTooLong> {
        self.limit = limit;
        let looked = self.looked();
        let unseen = input.get(looked..).unwrap_or_default();
        let found = match unseen {
            // As it is with every byte but one of a line that comes byte by byte.
            [byte] => (*byte == b'\n').then_some(0),
            _ => memchr(b'\n', unseen),
        };
        match found {
            Some(at) => {
                let end = looked.saturating_add(at).saturating_add(1);
                self.set_looked(end);
                if end > limit { Err(LineTooLong { limit }) } else { Ok(Some(end)) }
            }
            None => {
                let looked = looked.max(input.len());
                self.set_looked(looked);
                if looked >= limit { Err(LineTooLong { limit }) } else { Ok(None) }
            }
        }
    }

    /// Goes on looking at `offset`, which lies after a literal.
    pub fn skip_to(&mut self, offset: usize) {
        *self = Self { limit: offset, ..Self::new() };
        self.set_looked(offset);
    }

    /// What was looked at has been taken off the input.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    /// Parks the framer: within a line or literal, nothing matters from here on but its end and its
    /// limit.
    pub fn park(&mut self) {
        self.quiet_below = if self.looked() > 0 { self.limit } else { 0 };
    }

    /// Whether the framer is parked still: nothing has woken it since [`park`](Self::park), and
    /// neither a line end nor the limit is in what came since.
    #[inline]
    #[must_use]
    pub fn is_parked(&mut self, input: &[u8]) -> bool {
        let length = input.len();
        if length == self.next.get() {
            if input.last().is_some_and(|byte| *byte != b'\n') && length < self.quiet_below {
                self.next = self.next.saturating_add(1);
                return true;
            }
        } else if length < self.next.get() && length < self.quiet_below {
            return true;
        }
        // There is more to be searched, or the framer was woken.
        self.unpark();
        false
    }

    /// Wakes the framer: something else happened that may change what is waited for.
    #[inline]
    pub fn unpark(&mut self) {
        self.quiet_below = 0;
    }

    /// Takes one whole line off the front of `input`. `limit` is in bytes with the line end.
    ///
    /// # Errors
    ///
    /// A line longer than `limit`. The input is left as it was.
    #[inline]
    pub fn next_line(&mut self, input: &mut BytesMut, limit: usize) -> Result<Option<Line>, LineTooLong> {
        self.take_line(input, limit, |input, length| input.split_to(length).freeze())
    }

    /// Takes a line off the front of `input`, which may hold a secret if `hidden`. It is a copy then that is zeroed
    /// when its last slice is dropped, and it is zeroed in the input, whose memory others share.
    ///
    /// # Errors
    ///
    /// As [`next_line`](Self::next_line).
    #[inline]
    pub fn next_line_hidden(
        &mut self,
        input: &mut BytesMut,
        limit: usize,
        hidden: bool,
    ) -> Result<Option<Line>, LineTooLong> {
        self.take_line(input, limit, |input, length| {
            if hidden { Secret::take(input, length) } else { input.split_to(length).freeze() }
        })
    }

    #[inline]
    fn take_line(
        &mut self,
        input: &mut BytesMut,
        limit: usize,
        take: impl FnOnce(&mut BytesMut, usize) -> Bytes,
    ) -> Result<Option<Line>, LineTooLong> {
        let Some(length) = self.find(input, limit)? else { return Ok(None) };
        self.reset();
        let mut text = take(input, length);
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
    fn is_parked_within_a_line_for_its_end_and_its_limit() {
        let (mut framer, mut input) = (LineFramer::new(), BytesMut::new());
        let mut feed = |framer: &mut LineFramer, bytes: &[u8]| {
            input.extend_from_slice(bytes);
            (framer.is_parked(&input), framer.find(&input, 10))
        };
        assert_eq!(feed(&mut framer, b""), (false, Ok(None)));
        framer.park();
        assert_eq!(feed(&mut framer, b""), (false, Ok(None)), "no line has begun");
        assert_eq!(feed(&mut framer, b"a"), (false, Ok(None)));
        assert_eq!(feed(&mut framer, b"b"), (false, Ok(None)), "nobody parked it");
        framer.park();
        assert_eq!(feed(&mut framer, b""), (true, Ok(None)));
        assert_eq!(feed(&mut framer, b"c"), (true, Ok(None)));
        framer.unpark();
        assert_eq!(feed(&mut framer, b"d"), (false, Ok(None)));
        framer.park();
        assert_eq!(feed(&mut framer, b"\n"), (false, Ok(Some(5))));
        framer.park();
        assert_eq!(feed(&mut framer, b"6789"), (false, Ok(None)));
        framer.park();
        assert_eq!(feed(&mut framer, b"0"), (false, Err(LineTooLong { limit: 10 })));

        let (mut framer, mut input) = (LineFramer::new(), BytesMut::from("{3}\r\n"));
        framer.skip_to(8);
        framer.park();
        for (byte, parked) in [(b'a', true), (b'\n', true), (b'c', false), (b')', false)] {
            input.extend_from_slice(&[byte]);
            assert_eq!(framer.is_parked(&input), parked, "{input:?}");
        }
    }

    #[test]
    fn a_secret_line_is_a_copy_and_its_place_is_zeroed() {
        let mut input = BytesMut::from(&b"PASS a\r\nrest"[..]);
        let at = input.as_ptr();
        let line = LineFramer::new().next_line_hidden(&mut input, 100, true).unwrap().unwrap();
        assert_eq!((&line.text[..], line.newline, &input[..]), (&b"PASS a"[..], Newline::CrLf, &b"rest"[..]));
        assert_ne!(line.text.as_ptr(), at);
    }

    #[test]
    fn a_line_is_a_slice_of_the_input() {
        let mut input = BytesMut::from(&b"abc\r\nrest"[..]);
        let at = input.as_ptr();
        let line = LineFramer::new().next_line(&mut input, 100).unwrap().unwrap();
        assert_eq!(line.text.as_ptr(), at);
    }
}
