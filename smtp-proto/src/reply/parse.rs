//! Reading replies.

use bytes::Bytes;
use mailwire_core::{Cursor, ParseError, Parsed, Text};

use super::{EnhancedCode, Reply, ReplyCode, Written, is_text};
use crate::{ParseContext, deviation, types::chars};

impl Reply {
    /// Reads one reply, `frame` being all its lines without the last line end.
    ///
    /// ```abnf
    /// Reply-line = *( Reply-code "-" [ textstring ] CRLF )      ; RFC 5321 section 4.2
    ///              Reply-code [ SP textstring ] CRLF
    /// ```
    ///
    /// # Errors
    ///
    /// What is not a reply, with the place.
    pub fn parse(frame: &Bytes, context: impl Into<ParseContext>) -> Result<Parsed<Self>, ParseError> {
        Self::parse_in(frame, context.into())
    }

    fn parse_in(frame: &Bytes, context: ParseContext) -> Result<Parsed<Self>, ParseError> {
        // What is shared is counted here, so that this is done when the value is put together.
        let text = Text::from(frame);
        let mut cursor = Cursor::new(frame, context.dialect);
        let first = line(&mut cursor)?;
        let (mut code, mut more) = (first.code, first.more);
        while more {
            if matches!(cursor.peek(), Some(b'\r' | b'\n')) && empty_line(&mut cursor)? {
                continue;
            }
            let start = cursor.offset();
            let next = line(&mut cursor)?;
            if next.code != code {
                cursor.deviate_at(start, deviation::REPLY_CODES_DIFFER)?;
                // The last line's code counts.
                code = next.code;
            }
            more = next.more;
        }
        context.reply_end(&mut cursor)?;
        let enhanced = EnhancedCode::of_first_line(code, cursor.between(first.start, first.end));
        let (enhanced, taken_off) = enhanced.unzip();
        let text = Written::received(text, first.start, taken_off.unwrap_or(0));
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
        cursor.deviate(deviation::EMPTY_LINE_IN_REPLY)?;
        cursor.take_while(|byte| byte == b'\r');
        cursor.skip(1);
    }
    Ok(empty)
}

/// Whether a line has the form of a reply's: three digits and what can follow them.
pub(crate) fn has_code(line: &[u8]) -> bool {
    match line {
        [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9', rest @ ..] => {
            matches!(rest, [] | [b' ' | b'-' | b'\t' | b'\r' | b'\n', ..])
        }
        _ => false,
    }
}

/// Steps over one line, with its end unless it is the last one.
#[inline(always)]
fn line(cursor: &mut Cursor<'_>) -> Result<Line, ParseError> {
    match plain_line(cursor.rest()) {
        Some((code, more, length)) => {
            cursor.skip(4);
            let start = cursor.offset();
            cursor.skip(length.saturating_add(if more { 2 } else { 0 }));
            Ok(Line { code, start, end: start.saturating_add(length), more })
        }
        None => other_line(cursor),
    }
}

/// A line with nothing but printable ASCII in it: its code, whether another line follows, and the
/// length of its text. The first byte that is not printable is its CR or the end, so this is found in
/// the same pass.
#[inline(always)]
fn plain_line(rest: &[u8]) -> Option<(ReplyCode, bool, usize)> {
    let (digits, rest) = rest.split_first_chunk()?;
    let code = ReplyCode::of_digits(digits)?;
    let (separator @ (b' ' | b'-'), text) = rest.split_first()? else { return None };
    let length = chars::printable(text);
    let more = *separator == b'-';
    let rest = text.get(length..)?;
    let ends = if more { rest.starts_with(b"\r\n") } else { rest.is_empty() };
    ends.then_some((code, more, length))
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
            cursor.deviate(deviation::REPLY_CODE_OUT_OF_RANGE)?;
            code
        }
    };
    cursor.skip(3);
    let separator = cursor.peek();
    match separator {
        Some(b' ' | b'-') => cursor.skip(1),
        Some(b'\t') => {
            cursor.deviate(deviation::TAB_FOR_SPACE)?;
            cursor.skip(1);
        }
        _ => {}
    }
    let start = cursor.offset();
    let rest = cursor.rest();
    let more = separator == Some(b'-');
    let (text, length) = match memchr::memchr(b'\n', rest) {
        Some(length) if more => {
            let text = rest.get(..length).unwrap_or_default();
            if !text.ends_with(b"\r") {
                cursor.deviate_at(start.saturating_add(length), deviation::BARE_LF)?;
            }
            (text.strip_suffix(b"\r").unwrap_or(text), length.saturating_add(1))
        }
        None if more => {
            cursor.skip(rest.len());
            return Err(cursor.error("expected another line"));
        }
        Some(length) => {
            cursor.skip(length);
            return Err(cursor.error("expected the end of the reply"));
        }
        None => (rest, rest.len()),
    };
    if !matches!(separator, Some(b' ' | b'-' | b'\t')) && !text.is_empty() {
        return Err(cursor.error("expected a space or - after a reply code"));
    }
    check_text(cursor, text, start)?;
    cursor.skip(length);
    Ok(Line { code, start, end: start.saturating_add(text.len()), more })
}

/// Bytes that the grammar does not have are kept. UTF-8 is in RFC 6531's grammar.
fn check_text(cursor: &mut Cursor<'_>, text: &[u8], start: usize) -> Result<(), ParseError> {
    if let Some(at) = text.iter().position(|&byte| !is_text(byte)) {
        cursor.deviate_at(start.saturating_add(at), deviation::CONTROL_CHARACTER)?;
    }
    if let Err(error) = core::str::from_utf8(text) {
        cursor.deviate_at(start.saturating_add(error.valid_up_to()), deviation::NOT_UTF_8)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use mailwire_core::{Deviation, Dialect, Newline};

    use super::*;

    fn names(frame: &'static [u8]) -> (Reply, Vec<&'static str>) {
        let frame = Bytes::from_static(frame);
        let parsed = Reply::parse(&frame, Dialect::Lenient).unwrap();
        assert_eq!(Reply::parse(&frame, Dialect::Strict).is_err(), !parsed.deviations.is_empty());
        (parsed.value, parsed.deviations.iter().map(|deviation| deviation.name).collect())
    }

    #[test]
    fn valid() {
        for frame in [&b"250"[..], b"250 ", b"334 ", b"250 ok", b"250-\r\n250 ", b"550 5.1.1"] {
            assert_eq!(names(frame).1, [""; 0], "{}", frame.escape_ascii());
        }
        assert_eq!(names(b"251 User not local").0.code().get(), 251);
    }

    #[test]
    fn deviations() {
        assert_eq!(names(b"250-a\r\n\r\n250 b").1, ["empty-line-in-reply"]);
        let (reply, deviations) = names(b"250-a\r\n550 b");
        assert_eq!((reply.code().get(), &deviations[..]), (550, &["reply-codes-differ"][..]));
        let (reply, deviations) = names(b"550 caf\xe9 \x07");
        assert_eq!(reply.first_line().as_bytes(), b"caf\xe9 \x07");
        assert_eq!(deviations, ["control-character", "not-utf-8"]);
        assert_eq!(names(b"250-ok\n250 ok").1, ["bare-lf"]);
        let context = ParseContext::new(Dialect::Lenient).with_newline(Newline::Lf);
        let parsed = Reply::parse(&Bytes::from_static(b"250 ok"), context).unwrap();
        assert_eq!(parsed.deviations, [Deviation::new("bare-lf", 6)]);
        assert_eq!(names(b"280 ok").1, ["reply-code-out-of-range"]);
    }

    #[test]
    fn refused() {
        for frame in
            ["Hello there", "25", "250ok", "650 x", "150 x", "250 x\r\n", "250 x\n250 y", "", "\r", "250-a"]
        {
            for dialect in [Dialect::Strict, Dialect::Lenient] {
                assert!(Reply::parse(&Bytes::from(frame), dialect).is_err(), "{frame:?}");
            }
        }
    }
}
