//! Finding the end of a reply.

use bytes::{Bytes, BytesMut};
use mailwire_core::{Error, LineFramer};

use super::has_code;
use crate::Limits;

/// Finds replies in what arrives: one line, or several of which all but the last have `-` behind
/// the code. It remembers how far it has looked.
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

    /// [`LineFramer::wait`].
    pub(crate) fn wait(&mut self) {
        self.framer.wait();
    }

    /// [`LineFramer::waits`].
    #[inline]
    pub(crate) fn waits(&mut self, input: &[u8]) -> bool {
        self.framer.waits(input)
    }

    /// [`LineFramer::wake`].
    pub(crate) fn wake(&mut self) {
        self.framer.wake();
    }

    /// Takes one whole reply off the front of `input`, with its line ends. A line that has no code
    /// is one by itself, unless it is an empty one within a reply.
    ///
    /// # Errors
    ///
    /// A line or a reply beyond its limit.
    pub fn next_reply(&mut self, input: &mut BytesMut, limits: &Limits) -> Result<Option<Bytes>, Error> {
        loop {
            let limit = self.line_start.saturating_add(limits.reply_line);
            let end = match self.framer.find(input, limit) {
                Ok(Some(end)) => end,
                Ok(None) => return Ok(None),
                Err(_) => return Err(Error::LineTooLong { limit: limits.reply_line }),
            };
            let line = input.get(self.line_start..end).unwrap_or_default();
            let empty_within = self.lines > 0 && matches!(line, b"\r\n" | b"\n");
            if !(empty_within || has_code(line) && line.get(3) == Some(&b'-')) {
                *self = Self::new();
                return Ok(Some(input.split_to(end).freeze()));
            }
            self.lines += 1;
            self.line_start = end;
            if self.lines >= limits.reply_lines {
                return Err(Error::LimitExceeded { what: "reply lines", limit: limits.reply_lines as u64 });
            }
        }
    }
}
