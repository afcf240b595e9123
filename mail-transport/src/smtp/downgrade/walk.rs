//! The parts of a message, found as its bytes come.

use mailwire_core::Misuse;

use super::header::{Header, Kind};

/// The most bytes of a header.
const HEADER: usize = 1024 * 1024;
/// The most bytes of a line that are looked at for a boundary, which has 70 ([RFC 2046 section
/// 5.1.1](https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1)), and white space.
const LINE: usize = 1000;
/// How deep parts may be within each other.
const DEPTH: usize = 100;

/// What is made of the parts.
pub(super) trait Sink {
    /// The header of a part, without the empty line after it, which is there or not. `signed` says that the part stands
    /// within one that is signed.
    fn header(&mut self, block: &[u8], header: &Header, context: HeaderContext) -> Result<(), Misuse>;
    /// Bytes of the body of a part that has no parts.
    fn body(&mut self, bytes: &[u8]) -> Result<(), Misuse>;
    /// That body is at its end.
    fn body_end(&mut self) -> Result<(), Misuse>;
    /// What stands between parts: boundaries, and what nobody reads. `signed` says that it stands within a part that is signed.
    fn between(&mut self, bytes: &[u8], signed: bool, offset: u64) -> Result<(), Misuse>;
    /// What was taken for such text, with a byte beyond ASCII at this offset, is all that there is: no part has come.
    fn without_parts(&mut self, offset: u64) -> Result<(), Misuse>;
}

/// Where a header stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeaderContext {
    pub(super) outermost: bool,
    /// It is that of a message, not of a part.
    pub(super) message: bool,
    /// Within a part that is signed.
    pub(super) signed: bool,
    /// An empty line follows.
    pub(super) empty_line: bool,
    /// Where it begins, in bytes from the start of the message.
    pub(super) offset: u64,
}

/// A way through a message.
#[derive(Debug)]
pub(super) struct Walk {
    state: State,
    /// The parts that this one stands in.
    parts: Vec<Parts>,
    header: Vec<u8>,
    /// The beginning of a line, whose end has not come.
    line: Vec<u8>,
    /// The line so far was handed on.
    within: bool,
    /// A line end of a body, which may belong to the boundary after it.
    held: bool,
    first: bool,
    message: bool,
    offset: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Body,
    Between,
}

#[derive(Debug)]
struct Parts {
    boundary: Vec<u8>,
    digest: bool,
    signed: bool,
    /// The first of them has come.
    begun: bool,
    /// The first byte beyond ASCII before that.
    beyond_ascii: Option<u64>,
}

impl Walk {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Header,
            parts: Vec::new(),
            header: Vec::new(),
            line: Vec::new(),
            within: false,
            held: false,
            first: true,
            message: true,
            offset: 0,
        }
    }

    /// How many bytes were looked at.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], sink: &mut impl Sink) -> Result<(), Misuse> {
        while !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes).map(|at| at.saturating_add(1));
            let (piece, rest) = bytes.split_at_checked(end.unwrap_or(bytes.len())).unwrap_or_default();
            bytes = rest;
            // A line that came whole is not copied.
            match (self.line.is_empty(), end) {
                (true, Some(_)) => self.piece(piece, sink)?,
                (true, None) if piece.len() > LINE => {
                    let piece = self.cut(piece);
                    self.piece(piece, sink)?;
                }
                _ => {
                    self.line.extend_from_slice(piece);
                    if end.is_some() || self.line.len() > LINE {
                        let line = std::mem::take(&mut self.line);
                        let line = if end.is_some() { &line[..] } else { self.cut(&line) };
                        self.piece(line, sink)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Where a long line is cut, keeps what may go on in its next part: a CR, of a line end, and a character of UTF-8.
    fn cut<'b>(&mut self, piece: &'b [u8]) -> &'b [u8] {
        let goes_on = |count: usize| match piece.get(piece.len().checked_sub(count)?)? {
            b'\r' if count == 1 => Some(count),
            0xC0..=0xDF if count < 2 => Some(count),
            0xE0..=0xEF if count < 3 => Some(count),
            0xF0.. if count < 4 => Some(count),
            _ => None,
        };
        let kept = (1..4).find_map(goes_on).unwrap_or_default();
        let (piece, kept) = piece.split_at_checked(piece.len() - kept).unwrap_or((piece, &[]));
        self.line.extend_from_slice(kept);
        piece
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) -> Result<(), Misuse> {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.piece(&line, sink)?;
        }
        match self.state {
            State::Header => {
                self.header_end(false, sink)?;
                if self.state == State::Body {
                    sink.body_end()?;
                }
            }
            State::Body => self.body_end(true, sink)?,
            State::Between => {}
        }
        self.leave(0, sink)
    }

    /// Parts that are so deep, or deeper, are at their end.
    fn leave(&mut self, depth: usize, sink: &mut impl Sink) -> Result<(), Misuse> {
        self.parts
            .drain(depth..)
            .filter_map(|parts| parts.beyond_ascii)
            .try_for_each(|at| sink.without_parts(at))
    }

    fn between(&self, bytes: &[u8], offset: u64, sink: &mut impl Sink) -> Result<(), Misuse> {
        let signed = self.parts.iter().rev().skip(1).any(|parts| parts.signed);
        sink.between(bytes, signed, offset)
    }

    /// A line, or a part of a long one.
    fn piece(&mut self, piece: &[u8], sink: &mut impl Sink) -> Result<(), Misuse> {
        let starts = !std::mem::replace(&mut self.within, piece.last() != Some(&b'\n'));
        let offset = self.offset;
        self.offset = offset.saturating_add(piece.len() as u64);
        if let Some((depth, closes)) = self.boundary(piece, starts) {
            match self.state {
                State::Header => {
                    self.header_end(false, sink)?;
                    if self.state == State::Body {
                        self.body_end(false, sink)?;
                    }
                }
                State::Body => self.body_end(false, sink)?,
                State::Between => {}
            }
            let inner = depth.saturating_add(1);
            self.leave(inner, sink)?;
            self.between(piece, offset, sink)?;
            if closes {
                self.state = State::Between;
                return self.leave(depth, sink);
            }
            if let Some(parts) = self.parts.last_mut() {
                (parts.begun, parts.beyond_ascii) = (true, None);
            }
            self.state = State::Header;
            return Ok(());
        }
        match self.state {
            State::Header if starts && matches!(piece, b"\r\n" | b"\n") => {
                bare(piece, offset)?;
                self.header_end(true, sink)
            }
            State::Header => {
                bare(piece, offset)?;
                self.header.extend_from_slice(piece);
                if self.header.len() > HEADER {
                    return Err(Misuse::InvalidBody { reason: "a header that is too large", offset });
                }
                Ok(())
            }
            State::Between => {
                bare(piece, offset)?;
                let at = piece.iter().position(|byte| !byte.is_ascii());
                if let (Some(at), Some(parts @ Parts { begun: false, .. })) = (at, self.parts.last_mut()) {
                    parts.beyond_ascii.get_or_insert(offset.saturating_add(at as u64));
                }
                self.between(piece, offset, sink)
            }
            State::Body => {
                if std::mem::take(&mut self.held) {
                    sink.body(b"\r\n")?;
                }
                match piece.strip_suffix(b"\r\n").filter(|_| !self.parts.is_empty()) {
                    Some(piece) => {
                        self.held = true;
                        sink.body(piece)
                    }
                    None => sink.body(piece),
                }
            }
        }
    }

    /// How deep the parts are that a boundary belongs to, and whether it closes them.
    fn boundary(&self, line: &[u8], starts: bool) -> Option<(usize, bool)> {
        let line = line.strip_prefix(b"--").filter(|_| starts && line.len() <= LINE)?.trim_ascii_end();
        self.parts.iter().enumerate().rev().find_map(|(depth, parts)| {
            match line.strip_prefix(&parts.boundary[..])? {
                b"" => Some((depth, false)),
                b"--" => Some((depth, true)),
                _ => None,
            }
        })
    }

    fn body_end(&mut self, last: bool, sink: &mut impl Sink) -> Result<(), Misuse> {
        let held = std::mem::take(&mut self.held);
        if held && last {
            sink.body(b"\r\n")?;
        }
        sink.body_end()?;
        match held && !last {
            true => self.between(b"\r\n", self.offset, sink),
            false => Ok(()),
        }
    }

    fn header_end(&mut self, empty_line: bool, sink: &mut impl Sink) -> Result<(), Misuse> {
        let block = std::mem::take(&mut self.header);
        let header = Header::read(&block, self.parts.last().is_some_and(|parts| parts.digest));
        let signed = self.parts.iter().any(|parts| parts.signed);
        let offset = self.offset.saturating_sub(block.len() as u64);
        let outermost = std::mem::take(&mut self.first);
        let message = std::mem::replace(&mut self.message, header.kind == Kind::Message);
        sink.header(&block, &header, HeaderContext { outermost, message, signed, empty_line, offset })?;
        self.state = match header.kind {
            Kind::Multipart { .. } if self.parts.len() >= DEPTH => {
                return Err(Misuse::InvalidBody {
                    reason: "parts that are too deep within each other",
                    offset,
                });
            }
            Kind::Multipart { boundary, digest, signed } => {
                self.parts.push(Parts { boundary, digest, signed, begun: false, beyond_ascii: None });
                State::Between
            }
            Kind::Message => State::Header,
            Kind::Leaf { .. } | Kind::Opaque => State::Body,
        };
        Ok(())
    }
}

/// Refuses a line that does not end in CR LF.
fn bare(line: &[u8], offset: u64) -> Result<(), Misuse> {
    let text = line.strip_suffix(b"\r\n").unwrap_or(line);
    match memchr::memchr2(b'\r', b'\n', text) {
        Some(at) if at.saturating_add(1) < line.len() || line.ends_with(b"\n") => {
            let reason = "a CR or LF that is not part of a CR LF pair";
            Err(Misuse::InvalidBody { reason, offset: offset.saturating_add(at as u64) })
        }
        _ => Ok(()),
    }
}
