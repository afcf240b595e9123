//! Bodies as they come in.

use bytes::{Buf, Bytes, BytesMut};

use super::{
    Last,
    scan::{Special, line_end, next_in_line, next_special},
};

/// What an [`Unstuffer`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unstuffed {
    /// A part of the body, a slice of the input. Never empty.
    Chunk(Bytes),
    /// The lone dot. The input stands after it.
    End,
    /// Nothing more without input.
    NeedInput,
}

/// Which line ends a body may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum LineEnds {
    /// Only CR LF ends a line or the body. A CR or LF alone is data, and
    /// [`Unstuffer::bare_newline`] tells of it: a server's way.
    #[default]
    CrLf,
    /// A bare LF ends a line too, so that LF `.` LF ends the body: a POP3 client's way with
    /// servers that send text files as they are.
    Any,
}

/// Reads a body off the wire.
///
/// ```
/// use bytes::BytesMut;
/// use mailwire_core::dot::{LineEnds, Unstuffed, Unstuffer};
///
/// let mut input = BytesMut::from("a\r\n..b\r\n.\r\nQUIT\r\n");
/// let mut unstuffer = Unstuffer::new(LineEnds::CrLf);
/// assert_eq!(unstuffer.next(&mut input), Unstuffed::Chunk("a\r\n".into()));
/// assert_eq!(unstuffer.next(&mut input), Unstuffed::Chunk(".b\r\n".into()));
/// assert_eq!(unstuffer.next(&mut input), Unstuffed::End);
/// assert_eq!(&input[..], b"QUIT\r\n");
/// ```
#[derive(Debug, Clone)]
pub struct Unstuffer {
    ends: LineEnds,
    /// What the bytes already handed out ended in.
    last: Last,
    /// Bytes handed out or dropped so far.
    offset: u64,
    bare: Option<u64>,
    /// How many short chunks in a row ended before a dot, not counting those that the input ended.
    short: u8,
}

/// A line shorter than this is moved rather than handed out by itself, where lines with dots follow
/// one another.
const SHORT: usize = 512;

/// After so many short chunks, lines with dots are taken to be the rule.
const DENSE: u8 = 4;

/// A chunk made of several lines does not grow much longer than this, so that it stays in the cache.
const JOINED: usize = 16 * 1024;

impl Unstuffer {
    /// At the start of a body, which is the start of a line.
    #[must_use]
    pub const fn new(ends: LineEnds) -> Self {
        Self { ends, last: Last::LineEnd, offset: 0, bare: None, short: 0 }
    }

    /// Where the first CR or LF stood that was not part of a CR LF pair, in bytes of the body as
    /// it came over the wire. It was handed out like any other byte. Certain once the end was seen.
    #[must_use]
    pub const fn bare_newline(&self) -> Option<u64> {
        self.bare
    }

    /// Takes the next part of the body off the front of `input`. At most four bytes stay there
    /// without a verdict.
    ///
    /// A chunk ends before a stuffed dot. Where short lines with dots follow one another, which would
    /// make a chunk of each, they are moved together within `input` instead.
    pub fn next(&mut self, input: &mut BytesMut) -> Unstuffed {
        let mut after_dot = false;
        if self.last == Last::LineEnd && input.first() == Some(&b'.') {
            match (input.get(1), input.get(2)) {
                (Some(b'\r'), Some(b'\n')) => return self.end(input, 3),
                (Some(b'\n'), _) if self.ends == LineEnds::Any => {
                    self.note_bare(1);
                    return self.end(input, 2);
                }
                (None, _) | (Some(b'\r'), None) => return Unstuffed::NeedInput,
                _ => {
                    input.advance(1);
                    self.offset += 1;
                    // The dot was stuffing. Whatever stands here, a dot too, is data.
                    self.last = Last::Other;
                    after_dot = true;
                }
            }
        }
        let length = self.run(input, after_dot);
        if length == 0 {
            return Unstuffed::NeedInput;
        }
        let (mut whole, mut taken) = (length, length);
        if length >= SHORT {
            self.short = 0;
        } else if self.last == Last::LineEnd && input.len() > length {
            self.short = self.short.saturating_add(1);
            if self.short >= DENSE {
                (whole, taken) = self.join(input, length);
            }
        }
        self.offset = self.offset.saturating_add(taken as u64);
        let chunk = input.split_to(whole).freeze();
        input.advance(taken - whole);
        Unstuffed::Chunk(chunk)
    }

    /// Moves the lines after the first `length` bytes of `input` up against them, without the dots
    /// that are stuffing, as long as each line starts with one. The lengths of what is now one chunk,
    /// and of what it was made of.
    // Apart, so that its loop has all registers.
    #[inline(never)]
    fn join(&mut self, input: &mut [u8], length: usize) -> (usize, usize) {
        let (mut whole, mut taken) = (length, length);
        while whole < JOINED {
            // The end of the body, and all that is odd or not there in full, is not for here.
            let (Some(b'.'), Some(second)) = (input.get(taken), input.get(taken + 1)) else { break };
            if matches!(second, b'\r' | b'\n') {
                break;
            }
            let start = taken + 1;
            let (end, goes_on) = match line_end(input, start) {
                Ok((special, Special::LineEnd)) => (special + 2, true),
                Err(next_line) => (next_line, false),
                Ok(_) => break,
            };
            if end - start >= SHORT {
                break;
            }
            input.copy_within(start..end, whole);
            whole += end - start;
            taken = end;
            if !goes_on {
                self.short = 0;
                break;
            }
        }
        (whole, taken)
    }

    fn end(&mut self, input: &mut BytesMut, length: usize) -> Unstuffed {
        input.advance(length);
        self.offset += length as u64;
        Unstuffed::End
    }

    /// The length of what can be handed out at once: up to the next line that starts with a dot,
    /// or all. Leaves `last` as it is after that.
    fn run(&mut self, input: &[u8], after_dot: bool) -> usize {
        let mut at = 0;
        if self.last == Last::Cr {
            match input.first() {
                None => return 0,
                Some(b'\n') => {
                    self.last = Last::LineEnd;
                    at = 1;
                    if input.get(1) == Some(&b'.') {
                        return 1;
                    }
                }
                Some(_) => {
                    // The CR was handed out as the last byte of the chunk before.
                    self.bare.get_or_insert(self.offset.saturating_sub(1));
                    self.last = Last::Other;
                }
            }
        }
        while at < input.len() {
            let (special, kind) =
                if after_dot && at == 0 { next_in_line(input, at) } else { next_special(input, at) };
            match kind {
                Special::None => {
                    self.last = Last::Other;
                    at = input.len();
                }
                Special::CrAtEnd => {
                    self.last = Last::Cr;
                    at = input.len();
                }
                Special::LineEnd => {
                    self.last = Last::LineEnd;
                    return special + 2;
                }
                Special::Bare => {
                    self.note_bare(special as u64);
                    at = special + 1;
                    self.last = Last::Other;
                    if input.get(special) == Some(&b'\n') && self.ends == LineEnds::Any {
                        self.last = Last::LineEnd;
                        if matches!(input.get(at), Some(b'.') | None) {
                            return at;
                        }
                    }
                }
            }
        }
        at
    }

    fn note_bare(&mut self, at: u64) {
        self.bare.get_or_insert(self.offset.saturating_add(at));
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            BareNewline,
            tests::{stuff, unstuff},
        },
        *,
    };
    use alloc::vec::Vec;

    #[test]
    fn nothing_but_the_lone_dot_ends_a_body() {
        // The list of SMTP smuggling, each also at the very start of the body.
        for fake in ["\n.\n", "\n.\r\n", "\r.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\r\n.\r\r\n"] {
            for before in ["", "text"] {
                for fake in [fake, fake.trim_start_matches(['\r', '\n'])] {
                    if before.is_empty() && fake == ".\r\n" {
                        continue; // the real end
                    }
                    let wire = [before, fake, "MAIL FROM:<a@b>\r\n.\r\nREST"].concat();
                    let (body, bare, rest) = unstuff(&[wire.as_bytes()], LineEnds::CrLf).unwrap();
                    assert_eq!(rest, b"REST", "{wire:?}");
                    assert!(body.windows(4).any(|window| window == b"MAIL"));
                    if fake.starts_with(['\r', '\n']) || fake != ".\r\n" {
                        assert!(bare.is_some(), "{wire:?} has a bare CR or LF");
                    }
                }
            }
        }
    }

    #[test]
    fn lone_line_feeds_end_lines_where_told() {
        let (body, bare, rest) = unstuff(&[b"line\r\n..x\n.\nrest"], LineEnds::Any).unwrap();
        assert_eq!((&body[..], bare, &rest[..]), (&b"line\r\n.x\n"[..], Some(9), &b"rest"[..]));
    }

    #[test]
    fn a_dot_on_every_line_does_not_make_a_chunk_of_every_line() {
        let body = b".line\r\n".repeat(1000);
        let wire = stuff(&[&body], BareNewline::Refuse).unwrap();
        let mut input = BytesMut::from(&wire[..]);
        let mut unstuffer = Unstuffer::new(LineEnds::CrLf);
        let (mut read, mut chunks) = (Vec::new(), 0);
        while let Unstuffed::Chunk(chunk) = unstuffer.next(&mut input) {
            read.extend_from_slice(&chunk);
            chunks += 1;
        }
        assert_eq!(read, body);
        assert!(chunks < 10, "{chunks} chunks");
    }

    #[test]
    fn neither_does_it_where_the_input_comes_in_pieces() {
        let wire = stuff(&[&b".line\r\n".repeat(1000)], BareNewline::Refuse).unwrap();
        let (mut input, mut unstuffer) = (BytesMut::new(), Unstuffer::new(LineEnds::CrLf));
        let mut chunks = 0;
        for piece in wire.chunks(1400) {
            input.extend_from_slice(piece);
            while let Unstuffed::Chunk(_) = unstuffer.next(&mut input) {
                chunks += 1;
            }
        }
        assert!(chunks < 4 + 3 * wire.len() / 1400, "{chunks} chunks");
    }

    #[test]
    fn chunks_are_slices_of_the_input() {
        let mut input = BytesMut::from(&b"abc\r\n..def\r\n.\r\n"[..]);
        let start = input.as_ptr() as usize;
        let mut unstuffer = Unstuffer::new(LineEnds::CrLf);
        for (text, offset) in [("abc\r\n", 0), (".def\r\n", 6)] {
            let Unstuffed::Chunk(chunk) = unstuffer.next(&mut input) else { panic!("a chunk is due") };
            assert_eq!((&chunk[..], chunk.as_ptr() as usize - start), (text.as_bytes(), offset));
        }
    }
}
