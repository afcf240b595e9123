//! TOP: the header, the empty line, and some lines.

use bytes::Bytes;
use memchr::memchr;

/// Cuts a message that comes in pieces.
#[derive(Debug)]
pub(super) struct Top {
    lines: u64,
    in_header: bool,
    /// What there is of the line that goes on.
    line: Line,
    ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Nothing,
    Cr,
    Text,
}

impl Top {
    pub(super) const fn new(lines: u64) -> Self {
        Self { lines, in_header: true, line: Line::Nothing, ended: false }
    }

    /// Whether nothing more belongs to it.
    pub(super) const fn ended(&self) -> bool {
        self.ended
    }

    /// What of this piece belongs to it.
    pub(super) fn cut(&mut self, mut piece: Bytes) -> Bytes {
        let mut at = 0;
        while !self.ended {
            let rest = piece.get(at..).unwrap_or_default();
            let Some(end) = memchr(b'\n', rest) else {
                self.line = self.line.and(rest);
                return piece;
            };
            let line = self.line.and(rest.get(..end).unwrap_or_default());
            at = at.saturating_add(end).saturating_add(1);
            self.line = Line::Nothing;
            if !self.in_header {
                self.lines = self.lines.saturating_sub(1);
            } else if line != Line::Text {
                self.in_header = false;
            }
            self.ended = !self.in_header && self.lines == 0;
        }
        piece.truncate(at);
        piece
    }
}

impl Line {
    const fn and(self, more: &[u8]) -> Self {
        match (self, more) {
            (line, []) => line,
            (Self::Nothing, [b'\r']) => Self::Cr,
            _ => Self::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn top(message: &'static str, lines: u64) -> String {
        let mut whole = Top::new(lines);
        let expected = whole.cut(Bytes::from_static(message.as_bytes()));
        // In any two pieces, the same.
        for at in 0..=message.len() {
            let (one, two) = message.split_at(at);
            let mut pieces = Top::new(lines);
            let mut cut = pieces.cut(Bytes::from_static(one.as_bytes())).to_vec();
            cut.extend_from_slice(&pieces.cut(Bytes::from_static(two.as_bytes())));
            assert_eq!((&cut[..], pieces.ended()), (&expected[..], whole.ended()), "at {at}");
        }
        String::from_utf8(expected.to_vec()).unwrap()
    }

    #[test]
    fn cuts_after_the_lines() {
        let message = "A: b\r\n c\r\n\r\none\r\n\r\ntwo\r\nthree";
        assert_eq!(top(message, 0), "A: b\r\n c\r\n\r\n");
        assert_eq!(top(message, 1), "A: b\r\n c\r\n\r\none\r\n");
        assert_eq!(top(message, 3), "A: b\r\n c\r\n\r\none\r\n\r\ntwo\r\n");
        assert_eq!(top(message, 4), message);
        assert_eq!(top(message, u64::MAX), message);
        assert_eq!(top("A: b\n\none\ntwo\n", 1), "A: b\n\none\n");
        assert_eq!(top("\r\nno header\r\n", 0), "\r\n");
        assert_eq!(top("only: header\r\n", 0), "only: header\r\n");
        assert_eq!(top("", 5), "");
    }
}
