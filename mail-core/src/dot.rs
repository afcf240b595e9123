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

use crate::{Misuse, Output, output::CHAIN_FROM};

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
            let (special, kind) = if self.last == Last::LineEnd && chunk.get(at) == Some(&b'.') {
                // Emitting up to this dot and going on *from* it writes it twice without a copy.
                emit(output, &chunk, start, at + 1);
                start = at;
                next_in_line(&chunk, at)
            } else {
                next_special(&chunk, at)
            };
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
        self.offset = self.offset.saturating_add(chunk.len() as u64);
        if start == 0 {
            output.append(chunk);
        } else {
            emit(output, &chunk, start, chunk.len());
        }
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
    match chunk.get(start..end) {
        Some(part) if part.len() >= CHAIN_FROM => output.append(chunk.slice(start..end)),
        Some(part) => output.put(part),
        None => {}
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
/// the end, a bare CR or LF. The first line is looked at by itself, for where every line starts with
/// a dot.
fn next_in_line(bytes: &[u8], from: usize) -> (usize, Special) {
    match line_end(bytes, from) {
        Ok(found) => found,
        Err(next_line) => next_special(bytes, next_line),
    }
}

/// The same, where plain lines are expected: they are stepped over in whole blocks.
fn next_special(bytes: &[u8], from: usize) -> (usize, Special) {
    let mut at = skip_plain(bytes, from);
    loop {
        match line_end(bytes, at) {
            Ok(found) => return found,
            Err(next_line) => at = next_line,
        }
    }
}

/// What ends the line at `from`, or where the next line starts if that is nothing special.
#[inline]
fn line_end(bytes: &[u8], from: usize) -> Result<(usize, Special), usize> {
    let Some(found) = bytes.get(from..).and_then(|rest| memchr2(b'\r', b'\n', rest)) else {
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

/// A place at or after `from` with nothing special before it, and close to the next that is: it is
/// in the next 128 bytes, or the text ends there.
///
/// A place in the text is plain when it holds CR just if the next one holds LF, and when no dot is
/// behind that LF. That is asked of all places of a block at once, without a branch, so that the
/// compiler makes vector instructions of it: this, not `memchr`, is what makes bodies with short lines
/// as fast as bodies with long ones.
fn skip_plain(bytes: &[u8], from: usize) -> usize {
    // No place looks at what is before it. At the last two places there is too little to look at.
    let end = bytes.len().saturating_sub(2);
    if bytes.get(from) == Some(&b'\n') || from + LANES > end {
        return from;
    }
    let mut at = from;
    let mut size = 512;
    while at < end {
        let next = end.min(at + size);
        // A block of less than one set of registers begins before `at`: a second look does no harm.
        if is_plain(bytes, at.min(next.saturating_sub(LANES)), next) {
            at = next;
        } else if size > 128 {
            size = 128;
        } else {
            break;
        }
    }
    // An LF here was found to belong to the CR before it.
    if at > from && bytes.get(at) == Some(&b'\n') && bytes.get(at - 1) == Some(&b'\r') {
        at += 1;
    }
    at
}

/// As many places as are looked at with one set of vector registers.
const LANES: usize = 32;

/// Whether all places from `from` to `to` are plain. There are at least as many as [`LANES`], and two
/// bytes behind them.
#[inline]
fn is_plain(bytes: &[u8], from: usize, to: usize) -> bool {
    let (Some(here), Some(next), Some(behind)) =
        (bytes.get(from..to), bytes.get(from + 1..to + 1), bytes.get(from + 2..to + 2))
    else {
        return false;
    };
    let mut odd = [0; LANES];
    for ((here, next), behind) in
        here.chunks_exact(LANES).zip(next.chunks_exact(LANES)).zip(behind.chunks_exact(LANES))
    {
        mark_odd(here, next, behind, &mut odd);
    }
    if let (Some(here), Some(next), Some(behind)) =
        (here.last_chunk::<LANES>(), next.last_chunk::<LANES>(), behind.last_chunk::<LANES>())
    {
        mark_odd(here, next, behind, &mut odd);
    }
    odd == [0; LANES]
}

/// Marks the places that are not plain.
#[inline(always)]
fn mark_odd(here: &[u8], next: &[u8], behind: &[u8], odd: &mut [u8; LANES]) {
    let (Some(here), Some(next), Some(behind)) =
        (here.first_chunk::<LANES>(), next.first_chunk::<LANES>(), behind.first_chunk::<LANES>())
    else {
        return;
    };
    for (odd, ((here, next), behind)) in odd.iter_mut().zip(here.iter().zip(next).zip(behind)) {
        let cr = if *here == b'\r' { 0xff } else { 0 };
        let lf = if *next == b'\n' { 0xff } else { 0 };
        let dot = if *behind == b'.' { 0xff } else { 0 };
        *odd |= (cr ^ lf) | (lf & dot);
    }
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
    /// How many short chunks in a row ended before a dot.
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

    /// Takes the next part of the body off the front of `input`. At most four bytes stay behind
    /// without a verdict.
    ///
    /// A chunk ends before a stuffed dot. Where short lines with dots follow one another, which would
    /// make a chunk of each, they are moved together within `input` instead.
    pub fn next(&mut self, input: &mut BytesMut) -> Unstuffed {
        let mut behind_dot = false;
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
                    behind_dot = true;
                }
            }
        }
        let length = self.run(input, behind_dot);
        if length == 0 {
            return Unstuffed::NeedInput;
        }
        let (mut whole, mut taken) = (length, length);
        if self.last == Last::LineEnd && length < SHORT && input.len() > length {
            self.short = self.short.saturating_add(1);
            if self.short >= DENSE {
                (whole, taken) = self.join(input, length);
            }
        } else {
            self.short = 0;
        }
        self.offset = self.offset.saturating_add(taken as u64);
        let chunk = input.split_to(whole).freeze();
        input.advance(taken - whole);
        Unstuffed::Chunk(chunk)
    }

    /// Moves the lines behind the first `length` bytes of `input` up against them, without the dots
    /// that are stuffing, as long as each line starts with one. The lengths of what is now one chunk,
    /// and of what it was made of.
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
    /// or all. Leaves `last` as it is behind that.
    fn run(&mut self, input: &[u8], behind_dot: bool) -> usize {
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
                if behind_dot && at == 0 { next_in_line(input, at) } else { next_special(input, at) };
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

    /// Bodies in which most lines start with a dot.
    fn dotted_body() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            20 => (0usize..200).prop_map(|n| [b".".to_vec(), vec![b'x'; n], b"\r\n".to_vec()].concat()),
            1 => (0usize..1000).prop_map(|n| [vec![b'x'; n], b"\r\n".to_vec()].concat()),
            1 => Just(b"..\r.x\r\n".to_vec()), 1 => Just(b".\n".to_vec()),
        ];
        proptest::collection::vec(line, 0..60).prop_map(|lines| lines.concat())
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
            body in prop_oneof![body(), dotted_body()], cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)
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
            body in prop_oneof![body(), dotted_body()], cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6), any_end: bool
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
