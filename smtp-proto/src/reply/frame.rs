//! Finding the end of a reply.

use bytes::{Bytes, BytesMut};
use mailwire_core::{Dialect, Error, LineFramer, Newline};

use super::has_code;
use crate::{Limits, ParseContext};

/// One whole reply as it arrived.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyFrame {
    /// All its lines, without the last line end.
    pub bytes: Bytes,
    /// How the last line ended.
    pub newline: Newline,
}

impl ReplyFrame {
    /// What [`Reply::parse`](super::Reply::parse) is told of this frame.
    #[must_use]
    pub const fn context(&self, dialect: Dialect) -> ParseContext {
        ParseContext::new(dialect).with_newline(self.newline)
    }
}

/// Finds replies in what arrives: one line, or several of which all but the last have `-` after the
/// code. It remembers how far it has looked.
#[derive(Debug, Clone, Default)]
pub struct ReplyFramer {
    framer: LineFramer,
    /// Where the line that is looked at begins.
    line_start: usize,
    lines: usize,
}

impl ReplyFramer {
    /// At the start of a reply.
    #[must_use]
    pub const fn new() -> Self {
        Self { framer: LineFramer::new(), line_start: 0, lines: 0 }
    }

    /// Whether the next byte is the first one of a reply.
    pub(crate) const fn at_start(&self) -> bool {
        self.lines == 0
    }

    /// Parks the framer: [`LineFramer::park`].
    pub(crate) fn park(&mut self) {
        self.framer.park();
    }

    /// What it finds lines with.
    #[inline]
    pub(crate) const fn lines(&mut self) -> &mut LineFramer {
        &mut self.framer
    }

    /// Takes one whole reply off the front of `input`. A line that has no code is one by itself, unless
    /// it is an empty one within a reply.
    ///
    /// # Errors
    ///
    /// A line or a reply beyond its limit.
    pub fn next_reply(&mut self, input: &mut BytesMut, limits: &Limits) -> Result<Option<ReplyFrame>, Error> {
        loop {
            let limit = self.line_start.saturating_add(limits.line);
            let end = match self.framer.find(input, limit) {
                Ok(Some(end)) => end,
                Ok(None) => return Ok(None),
                Err(_) => return Err(Error::LineTooLong { limit: limits.line }),
            };
            let line = input.get(self.line_start..end).unwrap_or_default();
            let empty_within = self.lines > 0 && matches!(line, b"\r\n" | b"\n");
            if !(empty_within || has_code(line) && line.get(3) == Some(&b'-')) {
                let (newline, length) = if line.ends_with(b"\r\n") {
                    (Newline::CrLf, end.saturating_sub(2))
                } else {
                    (Newline::Lf, end.saturating_sub(1))
                };
                *self = Self::new();
                let mut bytes = input.split_to(end).freeze();
                bytes.truncate(length);
                return Ok(Some(ReplyFrame { bytes, newline }));
            }
            self.lines += 1;
            self.line_start = end;
            if self.lines >= limits.reply_lines {
                return Err(Error::LimitExceeded { what: "reply lines", limit: limits.reply_lines as u64 });
            }
            if end > limits.reply {
                return Err(Error::LimitExceeded { what: "bytes of a reply", limit: limits.reply as u64 });
            }
        }
    }
}
