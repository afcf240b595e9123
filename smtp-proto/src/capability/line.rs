//! Reading the lines of a reply to EHLO.

use bytes::Bytes;
use mailwire_core::{Cursor, Dialect, ParseError, sasl::Mechanism};

use super::Extension;
use crate::{deviation, extensions::read_offered, types::Keyword};

/// What a line says, in the line's own bytes.
pub(super) enum Line<'a> {
    /// An extension without parameters.
    Plain(Extension),
    Size(Option<u64>),
    /// One with parameters that are as they have to be.
    Valued(Extension, &'a [u8]),
    /// What follows AUTH: names of mechanisms, between them spaces, or `=`.
    Auth(&'a [u8]),
    Other {
        keyword: &'a [u8],
        parameters: &'a [u8],
    },
}

/// The lines of a reply that was read before. What is odd about them was reported then.
#[derive(Debug)]
pub(super) struct Lines<'a>(Cursor<'a>);

impl<'a> Lines<'a> {
    pub(super) fn of(lines: &'a Bytes) -> Self {
        Self(Cursor::new(lines, Dialect::Lenient))
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        next_line(&mut self.0).unwrap_or_default()
    }
}

/// Steps over the next line that has a capability, and those without before it.
#[inline(always)]
pub(super) fn next_line<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Line<'a>>, ParseError> {
    while !cursor.is_at_end() {
        if matches!(cursor.peek(), Some(b'\r' | b'\n')) {
            skip_line(cursor);
            continue;
        }
        cursor.skip(4);
        let start = cursor.offset();
        match line(cursor) {
            Ok(line) => {
                skip_line(cursor);
                return Ok(Some(line));
            }
            Err(error) if cursor.dialect() == Dialect::Strict => return Err(error),
            Err(_) => {
                cursor.rewind(start);
                cursor.deviate(deviation::MALFORMED_CAPABILITY)?;
                skip_line(cursor);
            }
        }
    }
    Ok(None)
}

/// Steps over what is left of a line, and its end.
#[inline]
pub(super) fn skip_line(cursor: &mut Cursor<'_>) {
    let rest = cursor.rest();
    cursor.skip(match rest {
        [b'\r', b'\n', ..] => 2,
        _ => memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1),
    });
}

/// ```abnf
/// ehlo-line    = ehlo-keyword *( SP ehlo-param )
/// ehlo-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
/// ehlo-param   = 1*(%d33-126)
/// ```
#[inline(always)]
fn line<'a>(cursor: &mut Cursor<'a>) -> Result<Line<'a>, ParseError> {
    let start = cursor.offset();
    let keyword = Keyword::skip(cursor);
    match Extension::of(keyword) {
        Some(Extension::Size) => size(cursor),
        Some(Extension::Auth) => auth(cursor),
        Some(valued) if valued.is_valued() => {
            let start = cursor.offset().saturating_add(1);
            let parameters = parameters(cursor)?;
            match read_offered(valued, parameters) {
                Some(read) => {
                    read.map_err(|error| error.after(start)).map(|_| Line::Valued(valued, parameters))
                }
                None => Ok(Line::Other { keyword, parameters }),
            }
        }
        Some(plain) => {
            // SMTPUTF8 and others may get parameters one day, which are to be ignored (RFC 6531
            // section 3.1).
            parameters(cursor)?;
            Ok(Line::Plain(plain))
        }
        None => {
            Keyword::check(keyword, start)?;
            Ok(Line::Other { keyword, parameters: parameters(cursor)? })
        }
    }
}

/// ```abnf
/// size-line = "SIZE" [ SP 1*20DIGIT ]     ; RFC 1870 section 3
/// ```
#[inline]
fn size<'a>(cursor: &mut Cursor<'a>) -> Result<Line<'a>, ParseError> {
    let size = if cursor.peek() == Some(b' ') && cursor.peek_at(1).is_some_and(|byte| byte.is_ascii_digit()) {
        cursor.skip(1);
        Some(cursor.number_u64()?)
    } else {
        None
    };
    parameters(cursor)?;
    Ok(Line::Size(size))
}

/// ```abnf
/// auth-line = "AUTH" *( SP sasl-mech )
/// ```
///
/// `AUTH=PLAIN LOGIN` is of the time before RFC 2554, for clients of that time.
#[inline(always)]
fn auth<'a>(cursor: &mut Cursor<'a>) -> Result<Line<'a>, ParseError> {
    let begin = cursor.offset();
    if cursor.peek() == Some(b'=') {
        cursor.deviate(deviation::EQUALS_SIGN_FOR_SPACE)?;
        cursor.skip(1);
        Mechanism::skip(cursor)?;
    }
    loop {
        let start = cursor.offset();
        let spaces = cursor.take_while(|byte| byte == b' ').len();
        if matches!(cursor.peek(), None | Some(b'\r' | b'\n')) {
            trailing_space(cursor, start, spaces)?;
            return Ok(Line::Auth(cursor.between(begin, start)));
        }
        if spaces == 0 {
            return Err(cursor.error("expected a space"));
        }
        if spaces > 1 {
            cursor.deviate_at(start.saturating_add(1), deviation::EXTRA_SPACE)?;
        }
        Mechanism::skip(cursor)?;
    }
}

fn trailing_space(cursor: &mut Cursor<'_>, start: usize, spaces: usize) -> Result<(), ParseError> {
    if spaces > 0 { cursor.deviate_at(start, deviation::SPACE_BEFORE_LINE_END) } else { Ok(()) }
}

/// The parameters of a line, without the space before them.
#[inline]
fn parameters<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], ParseError> {
    match cursor.peek() {
        None | Some(b'\r' | b'\n') => Ok(&[]),
        _ => some_parameters(cursor),
    }
}

fn some_parameters<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], ParseError> {
    let start = cursor.offset();
    match cursor.peek() {
        Some(b' ') => {}
        Some(b'=') => cursor.deviate(deviation::EQUALS_SIGN_FOR_SPACE)?,
        _ => return Err(cursor.error("expected a space")),
    }
    cursor.skip(1);
    let begin = cursor.offset();
    let text = cursor.take_while(|byte| !matches!(byte, b'\r' | b'\n'));
    let spaces = text.iter().rev().take_while(|&&byte| byte == b' ').count();
    if text.is_empty() {
        trailing_space(cursor, start, 1)?;
        return Ok(&[]);
    }
    let end = begin.saturating_add(text.len()).saturating_sub(spaces);
    trailing_space(cursor, end, spaces)?;
    if let Some(at) = text.iter().position(|byte| !matches!(byte, b' '..=126)) {
        cursor.deviate_at(begin.saturating_add(at), deviation::UNPRINTABLE_CAPABILITY)?;
    }
    Ok(cursor.between(begin, end))
}
