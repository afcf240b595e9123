//! Dot-stuffing, the framing of bodies in SMTP (RFC 5321 section 4.5.2) and POP3 (RFC 1939
//! section 3), as a streaming transform.
//!
//! A body ends in a line that is a lone dot; a body line that starts with a dot gets another one
//! in front. Both directions hand out slices of what they are given and copy nothing.
//!
//! A bare CR or LF in a body is how one message is smuggled into another (CVE-2023-51764 and its
//! kin), because servers disagree on whether it ends a line. A [`Stuffer`] never emits one; an
//! [`Unstuffer`] never takes one for a line end unless told to, and says that it met one.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr2;

use crate::{Misuse, Output};

/// What a [`Stuffer`] does with a CR or LF that stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum BareNewline {
    /// The body is refused, as a signature over it would not survive a change.
    #[default]
    Refuse,
    /// It becomes CR LF.
    Normalize,
}

/// Makes a body ready for the wire.
///
/// ```
/// use bytes::{Buf, Bytes};
/// use mailwire_core::{Output, dot::{BareNewline, Stuffer}};
///
/// let mut output = Output::new(1024);
/// let mut stuffer = Stuffer::new(BareNewline::Refuse);
/// stuffer.push(Bytes::from_static(b"hello\r\n.world"), &mut output).unwrap();
/// stuffer.finish(&mut output).unwrap();
/// assert_eq!(output.copy_to_bytes(output.remaining()), "hello\r\n..world\r\n.\r\n");
/// ```
#[derive(Debug, Clone)]
pub struct Stuffer {
    bare: BareNewline,
    last: Last,
    /// Bytes taken so far, for errors.
    offset: u64,
}

/// What the bytes before a chunk ended in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// A whole line, or nothing yet.
    LineEnd,
    Cr,
    Other,
}

impl Stuffer {
    /// At the start of a body.
    #[must_use]
    pub const fn new(bare: BareNewline) -> Self {
        Self { bare, last: Last::LineEnd, offset: 0 }
    }

    /// Puts a part of the body into `output`.
    ///
    /// # Errors
    ///
    /// [`Misuse::InvalidBody`] at the first bare CR or LF under [`BareNewline::Refuse`]. What came
    /// before it is already in the output; the message has to be given up with the connection.
    pub fn push(&mut self, chunk: Bytes, output: &mut Output) -> Result<(), Misuse> {
        // A CR that ended the chunk before this one was held back until its LF is seen.
        let mut start = 0;
        if self.last == Last::Cr && !chunk.is_empty() {
            if chunk.first() == Some(&b'\n') {
                start = 1;
            } else {
                self.bare_newline(self.offset.saturating_sub(1))?;
            }
            output.put(b"\r\n");
            self.last = Last::LineEnd;
        }
        // Bytes from `start` on are not emitted yet, bytes before `at` are looked at.
        let mut at = start;
        while at < chunk.len() {
            if self.last == Last::LineEnd && chunk.get(at) == Some(&b'.') {
                // Emitting up to this dot and going on *from* it writes it twice without a copy.
                emit(output, &chunk, start, at + 1);
                start = at;
            }
            let (special, kind) = next_special(&chunk, at);
            match kind {
                Special::None => {
                    self.last = Last::Other;
                    at = chunk.len();
                }
                Special::LineEnd => {
                    self.last = Last::LineEnd;
                    at = special + 2;
                }
                Special::CrAtEnd => {
                    self.last = Last::Cr;
                    emit(output, &chunk, start, special);
                    start = chunk.len();
                    at = chunk.len();
                }
                Special::Bare => {
                    emit(output, &chunk, start, special);
                    self.bare_newline(self.offset.saturating_add(special as u64))?;
                    output.put(b"\r\n");
                    self.last = Last::LineEnd;
                    at = special + 1;
                    start = at;
                }
            }
        }
        emit(output, &chunk, start, chunk.len());
        self.offset = self.offset.saturating_add(chunk.len() as u64);
        Ok(())
    }

    /// Ends the body: a line end if it has none, then the lone dot.
    ///
    /// # Errors
    ///
    /// [`Misuse::InvalidBody`] for a bare CR at the very end.
    pub fn finish(&mut self, output: &mut Output) -> Result<(), Misuse> {
        match self.last {
            Last::LineEnd => {}
            Last::Other => output.put(b"\r\n"),
            Last::Cr => {
                self.bare_newline(self.offset.saturating_sub(1))?;
                output.put(b"\r\n");
            }
        }
        output.put(b".\r\n");
        *self = Self::new(self.bare);
        Ok(())
    }

    const fn bare_newline(&self, offset: u64) -> Result<(), Misuse> {
        match self.bare {
            BareNewline::Normalize => Ok(()),
            BareNewline::Refuse => {
                Err(Misuse::InvalidBody { reason: "a CR or LF that is not part of a CR LF pair", offset })
            }
        }
    }
}

fn emit(output: &mut Output, chunk: &Bytes, start: usize, end: usize) {
    if start < end {
        output.append(chunk.slice(start..end));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    None,
    /// CR LF, and the byte behind it is a dot or at the end of a block: worth a look.
    LineEnd,
    /// A CR as the last byte of the chunk.
    CrAtEnd,
    /// A CR without LF, or an LF without CR.
    Bare,
}

/// The next place at or after `from` where something must be done: a line end before a dot or at
/// the end, a bare CR or LF. The first line is looked at by itself, for where every line starts
/// with a dot; plain lines behind it are stepped over in whole blocks.
fn next_special(bytes: &[u8], from: usize) -> (usize, Special) {
    let mut at = from;
    loop {
        let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'\r', b'\n', rest)) else {
            return (bytes.len(), Special::None);
        };
        let special = at + found;
        match (bytes.get(special), bytes.get(special + 1), bytes.get(special + 2)) {
            (Some(b'\r'), None, _) => return (special, Special::CrAtEnd),
            (Some(b'\r'), Some(b'\n'), Some(b'.') | None) => return (special, Special::LineEnd),
            (Some(b'\r'), Some(b'\n'), Some(_)) => {
                at = special + 2;
                at += plain_prefix(bytes.get(at..).unwrap_or_default());
            }
            _ => return (special, Special::Bare),
        }
    }
}

/// The size of the blocks that [`plain_prefix`] looks at: large enough for the loop to be
/// vectorized, small enough that a dot costs a second look at little.
const BLOCK: usize = 256;

/// The length of a prefix of `bytes`, in whole blocks, in which every CR is followed by LF, every
/// LF preceded by CR, and no LF followed by a dot, with the byte behind each block included in the
/// look. A block that begins with LF is never plain, nor is one whose last byte is CR or LF.
///
/// The loop has no branch, so that the compiler turns it into vector instructions: this, not
/// `memchr`, is what makes bodies with short lines as fast as bodies with long ones.
fn plain_prefix(bytes: &[u8]) -> usize {
    let mut length = 0;
    while let Some(block) = bytes.get(length..length + BLOCK + 1) {
        let (Some(first), Some(last)) = (block.get(..BLOCK), block.get(1..)) else { break };
        let mut odd = u8::from(block.first() == Some(&b'\n'));
        for (&here, &next) in first.iter().zip(last) {
            let cr = u8::from(here == b'\r');
            let lf = u8::from(here == b'\n');
            odd |= (cr ^ u8::from(next == b'\n')) | (lf & u8::from(next == b'.'));
        }
        // The block's end must not cut a line end from what follows it.
        if odd != 0 || matches!(block.get(BLOCK - 1), Some(b'\r' | b'\n')) {
            break;
        }
        length += BLOCK;
    }
    length
}

/// What an [`Unstuffer`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unstuffed {
    /// A part of the body, a slice of the input. Never empty.
    Chunk(Bytes),
    /// The lone dot. The input stands behind it.
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
}

impl Unstuffer {
    /// At the start of a body, which is the start of a line.
    #[must_use]
    pub const fn new(ends: LineEnds) -> Self {
        Self { ends, last: Last::LineEnd, offset: 0, bare: None }
    }

    /// Where the first CR or LF stood that was not part of a CR LF pair, in bytes of the body as
    /// it came over the wire. It was handed out like any other byte. Certain once the end was seen.
    #[must_use]
    pub const fn bare_newline(&self) -> Option<u64> {
        self.bare
    }

    /// Takes the next part of the body off the front of `input`. At most four bytes stay behind
    /// without a verdict.
    pub fn next(&mut self, input: &mut BytesMut) -> Unstuffed {
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
                }
            }
        }
        let length = self.run(input);
        if length == 0 {
            return Unstuffed::NeedInput;
        }
        self.offset = self.offset.saturating_add(length as u64);
        Unstuffed::Chunk(input.split_to(length).freeze())
    }

    fn end(&mut self, input: &mut BytesMut, length: usize) -> Unstuffed {
        input.advance(length);
        self.offset += length as u64;
        Unstuffed::End
    }

    /// The length of what can be handed out at once: up to the next line that starts with a dot,
    /// or all. Leaves `last` as it is behind that.
    fn run(&mut self, input: &[u8]) -> usize {
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
            let (special, kind) = next_special(input, at);
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
    use alloc::{vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    /// Byte by byte, as the RFCs tell it.
    fn stuff_slowly(body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut line_start = true;
        let mut bytes = body.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\r' | b'\n' => {
                    if byte == b'\r' {
                        bytes.next_if_eq(&b'\n');
                    }
                    out.extend_from_slice(b"\r\n");
                    line_start = true;
                }
                _ => {
                    if byte == b'.' && line_start {
                        out.push(b'.');
                    }
                    out.push(byte);
                    line_start = false;
                }
            }
        }
        if !line_start {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
        out
    }

    fn stuff(pieces: &[&[u8]], bare: BareNewline) -> Result<Vec<u8>, Misuse> {
        let (mut output, mut stuffer) = (Output::new(usize::MAX), Stuffer::new(bare));
        for piece in pieces {
            stuffer.push(Bytes::copy_from_slice(piece), &mut output)?;
        }
        stuffer.finish(&mut output)?;
        Ok(output.copy_to_bytes(output.remaining()).to_vec())
    }

    /// The body, the place of the first bare newline, and what is left; `None` without an end.
    type Read = Option<(Vec<u8>, Option<u64>, Vec<u8>)>;

    fn unstuff(pieces: &[&[u8]], ends: LineEnds) -> Read {
        let (mut input, mut unstuffer) = (BytesMut::new(), Unstuffer::new(ends));
        let mut pieces = pieces.iter();
        let mut body = Vec::new();
        loop {
            match unstuffer.next(&mut input) {
                Unstuffed::Chunk(chunk) => {
                    assert!(!chunk.is_empty());
                    body.extend_from_slice(&chunk);
                }
                Unstuffed::End => break,
                Unstuffed::NeedInput => {
                    assert!(input.len() <= 4, "keeps back no more than it must");
                    input.extend_from_slice(pieces.next()?);
                }
            }
        }
        for piece in pieces {
            input.extend_from_slice(piece);
        }
        Some((body, unstuffer.bare_newline(), input.to_vec()))
    }

    #[test]
    fn stuffs() {
        for (body, wire) in [
            ("", ".\r\n"),
            (".", "..\r\n.\r\n"),
            ("..\r\n.", "...\r\n..\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            ("a\r\n", "a\r\n.\r\n"),
            ("a\r\n\r\n.b\r\n", "a\r\n\r\n..b\r\n.\r\n"),
        ] {
            assert_eq!(stuff(&[body.as_bytes()], BareNewline::Refuse).unwrap(), wire.as_bytes(), "{body:?}");
        }
    }

    #[test]
    fn refuses_bare_newlines_with_their_place() {
        for (body, place) in [("a\nb", 1), ("a\rb", 1), ("ab\r\n\n", 4), ("a\r", 1), ("\r\r\n", 0)] {
            for cut in 0..=body.len() {
                let (a, b) = body.as_bytes().split_at(cut);
                let Err(Misuse::InvalidBody { offset, .. }) = stuff(&[a, b], BareNewline::Refuse) else {
                    panic!("{body:?} was taken");
                };
                assert_eq!(offset, place, "{body:?} cut at {cut}");
            }
        }
    }

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
    fn chunks_are_slices_and_bodies_are_not_copied() {
        let body = Bytes::from([vec![b'x'; 1000], b"\r\n.".to_vec(), vec![b'y'; 1000]].concat());
        let mut output = Output::new(usize::MAX);
        Stuffer::new(BareNewline::Refuse).push(body.clone(), &mut output).unwrap();
        assert_eq!(output.chunk().as_ptr(), body.as_ptr());
        assert_eq!(output.chunk().len(), 1003);
        output.advance(1003);
        assert_eq!(output.chunk().as_ptr(), body[1002..].as_ptr(), "the dot again, from the same place");

        let mut input = BytesMut::from(&b"abc\r\n..def\r\n.\r\n"[..]);
        let start = input.as_ptr() as usize;
        let mut unstuffer = Unstuffer::new(LineEnds::CrLf);
        for (text, offset) in [("abc\r\n", 0), (".def\r\n", 6)] {
            let Unstuffed::Chunk(chunk) = unstuffer.next(&mut input) else { panic!("a chunk is due") };
            assert_eq!((&chunk[..], chunk.as_ptr() as usize - start), (text.as_bytes(), offset));
        }
    }

    /// Bodies made of what matters, long enough for several blocks.
    fn body() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => Just(b"\r\n".to_vec()), 2 => Just(b".".to_vec()), 1 => Just(b"\r".to_vec()),
            1 => Just(b"\n".to_vec()), 2 => Just(b"\r\n.".to_vec()), 1 => Just(b"\r\n.\r\n".to_vec()),
            4 => (0usize..400).prop_map(|n| vec![b'x'; n]),
        ];
        proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    fn cut<'a>(body: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        places.push(0);
        places.push(body.len());
        places.sort_unstable();
        places.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect()
    }

    proptest! {
        #[test]
        fn normalizes_as_the_slow_way_does(
            body in body(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)
        ) {
            let wire = stuff(&cut(&body, &cuts), BareNewline::Normalize).unwrap();
            prop_assert_eq!(&wire, &stuff_slowly(&body));
            // And it comes back as the body with its line ends made good.
            let (read, bare, rest) = unstuff(&[&wire], LineEnds::CrLf).unwrap();
            prop_assert_eq!((bare, rest.len()), (None, 0));
            prop_assert_eq!(stuff_slowly(&read), wire);
        }

        #[test]
        fn reading_does_not_depend_on_the_cuts(
            body in body(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6), any_end: bool
        ) {
            let ends = if any_end { LineEnds::Any } else { LineEnds::CrLf };
            let wire = [&body[..], b"\r\n.\r\n"].concat();
            let whole = unstuff(&[&wire], ends);
            prop_assert!(whole.is_some());
            prop_assert_eq!(unstuff(&cut(&wire, &cuts), ends), whole.clone());
            let bytes: Vec<&[u8]> = wire.chunks(1).collect();
            prop_assert_eq!(unstuff(&bytes, ends), whole);
        }
    }
}
