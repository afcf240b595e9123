//! The lines of a reply.

use alloc::vec::Vec;
use core::{fmt, ops::Range};

use mailwire_core::Text;

use super::{EnhancedCode, ReplyCode};

/// The lines of a reply in one text, as they go over the wire without the end of the last, with or
/// without the code of the first. To receive a reply takes one slice, whatever the number of its lines; they
/// are told apart when they are asked for.
#[derive(Clone)]
pub(super) struct Written {
    text: Text,
    /// How many bytes stand before the text of the first line.
    before: u8,
    /// How many bytes the enhanced code has at the start of the first line. It is taken off each line
    /// that starts with the same.
    enhanced: u8,
}

impl Written {
    /// A whole frame, of which the text of the first line begins at `start`, with an enhanced code of so
    /// many bytes.
    #[inline]
    pub(super) fn received(frame: Text, start: usize, enhanced: u8) -> Self {
        // A code and what follows it: a few bytes.
        Self { text: frame, before: start as u8, enhanced }
    }

    /// A program's own line.
    pub(super) const fn made(text: Text, enhanced: u8) -> Self {
        Self { text, before: 0, enhanced }
    }

    /// A program's own lines, of which none has a line end in it, and the enhanced code with which
    /// they start.
    pub(super) fn of(code: ReplyCode, lines: &[Text]) -> (Self, Option<EnhancedCode>) {
        let text = match lines {
            [line] => line.clone(),
            _ => {
                let mut text = Vec::new();
                for (at, line) in lines.iter().enumerate() {
                    if at > 0 {
                        begin_line(code, &mut text);
                    }
                    text.extend_from_slice(line.as_bytes());
                }
                text.into()
            }
        };
        let first = lines.first().map(Text::as_bytes).unwrap_or_default();
        let (enhanced, length) = EnhancedCode::of_first_line(code, first).unzip();
        (Self::made(text, length.unwrap_or(0)), enhanced)
    }

    /// These lines and another one.
    pub(super) fn with(self, code: ReplyCode, line: &Text) -> Self {
        let mut text = Vec::from(self.text.into_bytes());
        begin_line(code, &mut text);
        text.extend_from_slice(line.as_bytes());
        Self { text: text.into(), ..self }
    }

    pub(super) fn compact(&self) -> Self {
        Self { text: self.text.compact(), ..*self }
    }

    pub(super) fn lines(&self) -> ReplyLines<'_> {
        let (bytes, before) = (self.text.as_bytes(), usize::from(self.before));
        let enhanced = bytes.get(before..).and_then(|first| first.get(..self.enhanced.into()));
        ReplyLines { text: &self.text, bytes, enhanced: enhanced.unwrap_or_default(), next: Some(before) }
    }
}

/// Ends a line, and begins another.
fn begin_line(code: ReplyCode, text: &mut Vec<u8>) {
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(&code.digits());
    text.push(b'-');
}

impl PartialEq for Written {
    fn eq(&self, other: &Self) -> bool {
        self.lines().bytes().eq(other.lines().bytes())
    }
}

impl Eq for Written {}

#[cfg(feature = "serde")]
impl serde::Serialize for Written {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.lines())
    }
}

/// The lines of a reply without their codes. There is at least one; it may be empty.
#[derive(Clone)]
pub struct ReplyLines<'a> {
    text: &'a Text,
    bytes: &'a [u8],
    enhanced: &'a [u8],
    /// Where the next line's text begins.
    next: Option<usize>,
}

impl<'a> ReplyLines<'a> {
    /// Where the next line stands.
    fn next_range(&mut self) -> Option<Range<usize>> {
        let mut start = self.next?;
        let rest = self.bytes.get(start..)?;
        let line = match memchr::memchr(b'\n', rest) {
            Some(length) => {
                self.next = Some(next_line(self.bytes, start + length + 1));
                let line = rest.get(..length)?;
                line.strip_suffix(b"\r").unwrap_or(line)
            }
            None => {
                self.next = None;
                rest
            }
        };
        let end = start + line.len();
        match line.strip_prefix(self.enhanced) {
            Some([]) => start = end,
            Some([b' ', ..]) if !self.enhanced.is_empty() => start += self.enhanced.len() + 1,
            _ => {}
        }
        Some(start..end)
    }

    /// The next line as bytes, and whether it is the last.
    pub(super) fn next_bytes(&mut self) -> Option<(&'a [u8], bool)> {
        let range = self.next_range()?;
        Some((self.bytes.get(range)?, self.next.is_none()))
    }

    /// The lines as bytes.
    pub(super) fn bytes(mut self) -> impl Iterator<Item = &'a [u8]> {
        core::iter::from_fn(move || self.next_bytes().map(|(line, _)| line))
    }
}

/// Where the text of the line at `start` begins: after its code and what follows that. Empty lines
/// within a reply are none.
fn next_line(bytes: &[u8], mut start: usize) -> usize {
    loop {
        start += match bytes.get(start..) {
            Some([b'\r', b'\n', ..]) => 2,
            Some([b'\n', ..]) => 1,
            _ => return (start + 4).min(bytes.len()),
        };
    }
}

impl Iterator for ReplyLines<'_> {
    type Item = Text;

    fn next(&mut self) -> Option<Text> {
        let range = self.next_range()?;
        Some(self.text.slice(range))
    }
}

impl core::iter::FusedIterator for ReplyLines<'_> {}

impl fmt::Debug for ReplyLines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString, vec};

    use bytes::Bytes;
    use mailwire_core::Dialect;

    use super::*;
    use crate::Reply;

    fn parse(frame: &'static str) -> Reply {
        Reply::parse(&Bytes::from_static(frame.as_bytes()), Dialect::Lenient).unwrap().value
    }

    #[test]
    fn received_and_made_replies_are_alike() {
        let code = ReplyCode::new(550).unwrap();
        let received = parse("550-5.1.1 a line of more than a few bytes\r\n\r\n550-5.1.1\r\n550 5.7.1 b");
        let lines = ["5.1.1 a line of more than a few bytes", "5.1.1", "5.7.1 b"];
        let made = Reply::try_new(code, lines.map(Text::from)).unwrap();
        let piecewise =
            lines[1..].iter().fold(Reply::new(code, lines[0]), |reply, line| reply.with_line(line));
        for reply in [&received, &made, &piecewise, &received.compact()] {
            assert_eq!(reply, &received);
            assert_eq!(reply.enhanced(), EnhancedCode::new(5, 1, 1));
            let texts = ["a line of more than a few bytes", "", "5.7.1 b"];
            assert!(reply.lines().map(|line| line.to_string()).eq(texts));
            assert_eq!(format!("{:?}", reply.lines()), format!("{texts:?}"));
            let mut out = vec![];
            reply.write(&mut out);
            assert_eq!(
                out,
                b"550-5.1.1 a line of more than a few bytes\r\n550-5.1.1\r\n550 5.1.1 5.7.1 b\r\n"
            );
        }
        assert_ne!(received, parse("550-5.1.1 a line of more than a few bytes\r\n550 5.1.1"));
        assert_ne!(parse("550 a"), parse("550-a\r\n550"));
    }

    #[test]
    fn another_enhanced_code_leaves_the_lines() {
        let reply = parse("550-5.1.1 a\r\n550 5.1.1 b").with_enhanced(7, 2);
        assert_eq!(reply.to_string(), "550 5.7.2 a b");
        assert_eq!(Reply::new(ReplyCode::FAILED, "a").with_enhanced(1, 1).to_string(), "554 5.1.1 a");
    }

    #[test]
    fn long_lines_are_slices_of_what_was_received() {
        let frame =
            Bytes::from_static(b"250-first line, of more than a few bytes\r\n250 and another one of those");
        let reply = Reply::parse(&frame, Dialect::Strict).unwrap().value;
        let starts = [4, 46];
        for (line, start) in reply.lines().zip(starts) {
            assert_eq!(line.as_bytes().as_ptr(), frame[start..].as_ptr());
        }
    }
}
