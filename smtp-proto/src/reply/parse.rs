//! Reading replies.

use bytes::Bytes;
use mailwire_core::{Cursor, Dialect, ParseError, Parsed, Text};

use super::{EnhancedCode, Reply, ReplyCode, Written, is_text};
use crate::types::chars;

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
        // What is shared is counted here, so that this is done when the value is put together.
        let text = Text::from(frame);
        let mut cursor = Cursor::new(frame, dialect);
        let first = line(&mut cursor)?;
        let enhanced = EnhancedCode::of_first_line(first.code, cursor.between(first.start, first.end));
        let (mut code, mut end, mut more) = (first.code, first.end, first.more);
        while more {
            if matches!(cursor.peek(), Some(b'\r' | b'\n')) && empty_line(&mut cursor)? {
                continue;
            }
            let start = cursor.offset();
            let next = line(&mut cursor)?;
            if next.code != code {
                cursor.deviate_at(start, "reply-codes-differ")?;
                // The last line's code counts.
                code = next.code;
            }
            (end, more) = (next.end, next.more);
        }
        cursor.expect_end()?;
        let (enhanced, taken_off) = enhanced.unzip();
        let text = Written::received(text, first.start, end, taken_off.unwrap_or(0));
        Ok(cursor.finish(Self { code, enhanced, text }))
    }
}

/// Where a line has its text.
struct Line {
    code: ReplyCode,
    start: usize,
    end: usize,
    /// Whether another line follows.
    more: bool,
}

/// Steps over a line of nothing, which some servers write within a reply.
#[cold]
fn empty_line(cursor: &mut Cursor<'_>) -> Result<bool, ParseError> {
    let empty = matches!(cursor.rest(), [b'\r', b'\n', ..] | [b'\n', ..]);
    if empty {
        cursor.deviate("empty-line-in-reply")?;
        cursor.take_while(|byte| byte == b'\r');
        cursor.skip(1);
    }
    Ok(empty)
}

/// Whether a line has the form of a reply's: three digits and what can stand behind them.
pub(crate) fn has_code(line: &[u8]) -> bool {
    matches!(line, [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9', b' ' | b'-' | b'\t' | b'\r' | b'\n', ..])
}

/// Steps over one line with its end.
#[inline(always)]
fn line(cursor: &mut Cursor<'_>) -> Result<Line, ParseError> {
    match plain_line(cursor.rest()) {
        Some((code, more, length)) => {
            cursor.skip(4);
            let start = cursor.offset();
            cursor.skip(length.saturating_add(2));
            Ok(Line { code, start, end: start.saturating_add(length), more })
        }
        None => other_line(cursor),
    }
}

/// A line with nothing but printable ASCII in it: its code, whether another line follows, and the
/// length of its text. The first byte that is not printable is its CR, so this is found in the same
/// pass.
#[inline(always)]
fn plain_line(rest: &[u8]) -> Option<(ReplyCode, bool, usize)> {
    let (digits, rest) = rest.split_first_chunk()?;
    let code = ReplyCode::of_digits(digits)?;
    let (separator @ (b' ' | b'-'), text) = rest.split_first()? else { return None };
    let length = chars::printable(text);
    text.get(length..)?.starts_with(b"\r\n").then_some((code, *separator == b'-', length))
}

/// Any line.
#[cold]
fn other_line(cursor: &mut Cursor<'_>) -> Result<Line, ParseError> {
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
    let separator = cursor.peek();
    match separator {
        Some(b' ' | b'-') => cursor.skip(1),
        Some(b'\t') => {
            cursor.deviate("tab-for-space")?;
            cursor.skip(1);
        }
        _ => {}
    }
    let start = cursor.offset();
    let rest = cursor.rest();
    let Some(length) = memchr::memchr(b'\n', rest) else {
        cursor.skip(rest.len());
        return Err(cursor.error("expected the end of the line"));
    };
    let text = match rest.get(..length).unwrap_or_default() {
        [text @ .., b'\r'] => text,
        text => {
            cursor.deviate_at(start.saturating_add(length), "bare-lf")?;
            text
        }
    };
    if !matches!(separator, Some(b' ' | b'-' | b'\t')) && !text.is_empty() {
        return Err(cursor.error("expected a space or - behind a reply code"));
    }
    check_text(cursor, text, start)?;
    cursor.skip(length.saturating_add(1));
    Ok(Line { code, start, end: start.saturating_add(text.len()), more: separator == Some(b'-') })
}

/// Bytes that the grammar does not have are kept. UTF-8 is in RFC 6531's grammar.
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
    use alloc::vec::Vec;

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
