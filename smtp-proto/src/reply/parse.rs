//! Reading replies.

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{Cursor, Dialect, ParseError, Parsed, Text};

use super::{EnhancedCode, Lines, Reply, ReplyCode, is_text};

impl Reply {
    /// Reads one reply, `frame` being all its lines with their line ends.
    ///
    /// ```abnf
    /// Reply-line = *( Reply-code "-" [ textstring ] CRLF )      ; RFC 5321 section 4.2
    ///              Reply-code [ SP textstring ] CRLF
    /// ```
    ///
    /// # Errors
    ///
    /// What is not a reply, with the place.
    pub fn parse(frame: &Bytes, dialect: Dialect) -> Result<Parsed<Self>, ParseError> {
        let mut cursor = Cursor::new(frame, dialect);
        let mut enhanced = First::Unknown;
        let Line { mut code, text, mut more } = line(&mut cursor, &mut enhanced)?;
        if !more {
            cursor.expect_end()?;
            return Ok(cursor.finish(Self { code, enhanced: enhanced.code(), text: Lines::One(text) }));
        }
        let mut lines = Vec::with_capacity(8);
        lines.push(text);
        while more {
            if matches!(cursor.rest(), [b'\r', b'\n', ..] | [b'\n', ..]) {
                cursor.deviate("empty-line-in-reply")?;
                cursor.take_while(|byte| byte == b'\r');
                cursor.skip(1);
                continue;
            }
            let start = cursor.offset();
            let next = line(&mut cursor, &mut enhanced)?;
            if next.code != code {
                cursor.deviate_at(start, "reply-codes-differ")?;
                // The last line's code counts.
                code = next.code;
            }
            lines.push(next.text);
            more = next.more;
        }
        cursor.expect_end()?;
        Ok(cursor.finish(Self { code, enhanced: enhanced.code(), text: Lines::Many(lines) }))
    }
}

/// The enhanced code of the first line.
enum First<'a> {
    Unknown,
    None,
    /// The code, and how it is written.
    Is(EnhancedCode, &'a [u8]),
}

impl<'a> First<'a> {
    const fn code(&self) -> Option<EnhancedCode> {
        match self {
            Self::Is(code, _) => Some(*code),
            Self::Unknown | Self::None => None,
        }
    }

    /// The length of the enhanced code that is to be taken off this line: on the first, any of the
    /// reply's class; on the others, the same one again.
    #[inline]
    fn take_off(&mut self, text: &'a [u8], class: u8) -> usize {
        match self {
            Self::None => 0,
            Self::Unknown => match EnhancedCode::at_start(text) {
                Some((code, length)) if code.class() == class => {
                    let written = text.get(..length).unwrap_or_default();
                    *self = Self::Is(code, written.strip_suffix(b" ").unwrap_or(written));
                    length
                }
                _ => {
                    *self = Self::None;
                    0
                }
            },
            Self::Is(_, written) => match text.strip_prefix(*written) {
                Some([]) => written.len(),
                Some([b' ', ..]) => written.len() + 1,
                _ => 0,
            },
        }
    }
}

struct Line {
    code: ReplyCode,
    text: Text,
    /// Whether another line follows.
    more: bool,
}

/// Whether a line has the form of a reply's: three digits and what can stand behind them.
pub(crate) fn has_code(line: &[u8]) -> bool {
    matches!(line, [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9', b' ' | b'-' | b'\t' | b'\r' | b'\n', ..])
}

/// One line, with the enhanced code taken off its text.
#[inline]
fn line<'a>(cursor: &mut Cursor<'a>, enhanced: &mut First<'a>) -> Result<Line, ParseError> {
    let start = cursor.offset();
    let code = match cursor.rest() {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] => {
            u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
        }
        _ => return Err(cursor.error("expected a reply code")),
    };
    let code = match ReplyCode::new(code) {
        Some(code) => code,
        None => {
            let code = ReplyCode::lenient(code).ok_or(cursor.error("expected a reply code of 2xx to 5xx"))?;
            cursor.deviate("reply-code-out-of-range")?;
            code
        }
    };
    cursor.skip(3);
    let more = match cursor.peek() {
        Some(b' ') => {
            cursor.skip(1);
            false
        }
        Some(b'-') => {
            cursor.skip(1);
            true
        }
        Some(b'\t') => {
            cursor.deviate("tab-for-space")?;
            cursor.skip(1);
            false
        }
        _ => false,
    };
    let text_start = cursor.offset();
    let rest = cursor.rest();
    if !more && text_start > start.saturating_add(3) {
        // The usual last line: its end is the frame's, and no other is in between.
        match rest.strip_suffix(b"\r\n") {
            Some(text) if is_printable(text) => {
                cursor.skip(text.len());
                let taken = enhanced.take_off(text, code.class());
                let value = cursor.text_from(text_start.saturating_add(taken));
                cursor.skip(2);
                return Ok(Line { code, text: value, more });
            }
            _ => {}
        }
    }
    // The framer has looked for the LF already; this finds it again in the first line that has it.
    let Some(length) = memchr::memchr(b'\n', rest) else {
        cursor.skip(rest.len());
        return Err(cursor.error("expected the end of the line"));
    };
    let with_cr = rest.get(..length).unwrap_or_default();
    let text = match with_cr {
        [text @ .., b'\r'] => text,
        text => {
            cursor.deviate_at(text_start.saturating_add(length), "bare-lf")?;
            text
        }
    };
    if text_start == start.saturating_add(3) && !text.is_empty() {
        return Err(cursor.error("expected a space or - behind a reply code"));
    }
    if !is_printable(text) {
        check_text(cursor, text, text_start)?;
    }
    cursor.skip(text.len());
    let value = cursor.text_from(text_start.saturating_add(enhanced.take_off(text, code.class())));
    cursor.skip(length.saturating_add(1).saturating_sub(text.len()));
    Ok(Line { code, text: value, more })
}

/// Whether all bytes are `%d32-126`. Sixteen at a time without a branch, which the compiler turns
/// into vector instructions; the last sixteen may overlap those before.
#[inline]
fn is_printable(text: &[u8]) -> bool {
    let bad = |bytes: &[u8]| bytes.iter().fold(0, |bad, byte| bad | u8::from(byte.wrapping_sub(32) > 94));
    match text.last_chunk::<16>() {
        None => bad(text) == 0,
        Some(last) => text.chunks_exact(16).fold(bad(last), |all, chunk| all | bad(chunk)) == 0,
    }
}

/// Bytes that the grammar does not have are kept. UTF-8 is in RFC 6531's grammar.
#[cold]
fn check_text(cursor: &mut Cursor<'_>, text: &[u8], start: usize) -> Result<(), ParseError> {
    if let Some(at) = text.iter().position(|&byte| !is_text(byte)) {
        cursor.deviate_at(start.saturating_add(at), "control-character-in-reply")?;
    }
    if let Err(error) = core::str::from_utf8(text) {
        cursor.deviate_at(start.saturating_add(error.valid_up_to()), "reply-text-not-utf-8")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(frame: &'static [u8]) -> (Reply, Vec<&'static str>) {
        let frame = Bytes::from_static(frame);
        let parsed = Reply::parse(&frame, Dialect::Lenient).unwrap();
        assert_eq!(Reply::parse(&frame, Dialect::Strict).is_err(), !parsed.deviations.is_empty());
        (parsed.value, parsed.deviations.iter().map(|deviation| deviation.name).collect())
    }

    #[test]
    fn valid() {
        for frame in
            [&b"250\r\n"[..], b"250 \r\n", b"334 \r\n", b"250 ok\r\n", b"250-\r\n250 \r\n", b"550 5.1.1\r\n"]
        {
            assert_eq!(names(frame).1, [""; 0], "{}", frame.escape_ascii());
        }
        assert_eq!(names(b"251 User not local\r\n").0.code().get(), 251);
    }

    #[test]
    fn deviations() {
        assert_eq!(names(b"250-a\r\n\r\n250 b\r\n").1, ["empty-line-in-reply"]);
        let (reply, deviations) = names(b"250-a\r\n550 b\r\n");
        assert_eq!((reply.code().get(), &deviations[..]), (550, &["reply-codes-differ"][..]));
        let (reply, deviations) = names(b"550 caf\xe9 \x07\r\n");
        assert_eq!(reply.first_line().as_bytes(), b"caf\xe9 \x07");
        assert_eq!(deviations, ["control-character-in-reply", "reply-text-not-utf-8"]);
        assert_eq!(names(b"250 ok\n").1, ["bare-lf"]);
        assert_eq!(names(b"280 ok\r\n").1, ["reply-code-out-of-range"]);
    }

    #[test]
    fn refused() {
        for frame in [
            "Hello there\r\n",
            "25\r\n",
            "250ok\r\n",
            "650 x\r\n",
            "150 x\r\n",
            "250 x",
            "",
            "\r\n",
            "250-a\r\n",
        ] {
            for dialect in [Dialect::Strict, Dialect::Lenient] {
                assert!(Reply::parse(&Bytes::from(frame), dialect).is_err(), "{frame:?}");
            }
        }
    }
}
