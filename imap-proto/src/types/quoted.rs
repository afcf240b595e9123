//! Quoted strings, and the mistakes in them.

use alloc::vec::Vec;

use mailwire_core::{ParseError, Text};

use super::{chars, reader::Reader, string::ImapString};
use crate::deviation;

/// What can stand after the closing quote of a string.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follow {
    /// Something that is not part of a word.
    Any,
    /// A space and another value, or `)`.
    Value,
}

/// ```text
/// quoted          = DQUOTE *QUOTED-CHAR DQUOTE
/// QUOTED-CHAR     = <any TEXT-CHAR except quoted-specials> / "\" quoted-specials / UTF8-2 / UTF8-3 / UTF8-4
/// quoted-specials = DQUOTE / "\"
/// ```
///
/// The next byte is `"`. Lenient: 8-bit that is not UTF-8; a backslash before something else;
/// quotes that are not escaped.
// One function for what can stand anywhere, one for what stands in an envelope or a body structure: the first need not look at what
// follows, which is a tenth of its instructions.
pub(crate) fn read_quoted(r: &mut Reader<'_>) -> Result<ImapString, ParseError> {
    quoted(r, Follow::Any)
}

/// A quoted string that a value or `)` follows.
#[cold]
pub(crate) fn read_quoted_field(r: &mut Reader<'_>) -> Result<ImapString, ParseError> {
    quoted(r, Follow::Value)
}

#[inline(always)]
fn quoted(r: &mut Reader<'_>, follow: Follow) -> Result<ImapString, ParseError> {
    let start = r.offset() + 1;
    match take_plain(r, follow) {
        Some([]) => Ok(ImapString::EMPTY),
        Some(plain) => Ok(ImapString::unchecked(r.text_between(start, start + plain.len()))),
        None => slow_quoted(r, follow),
    }
}

/// The bytes between the quotes, if the next string is one without escapes, 8-bit characters and
/// mistakes, as most are. Nothing is read otherwise. The next byte is `"`.
#[inline(always)]
pub(crate) fn take_plain<'a>(r: &mut Reader<'a>, follow: Follow) -> Option<&'a [u8]> {
    let inner = r.rest().get(1..)?;
    if let [b'"', after @ ..] = inner {
        if closes(after, follow) {
            r.skip(2);
            return Some(&[]);
        }
    }
    let (plain, after) = inner.split_at_checked(chars::quoted_prefix(inner))?;
    match after {
        [b'"', after @ ..] if closes(after, follow) => {
            r.skip(plain.len() + 2);
            Some(plain)
        }
        _ => None,
    }
}

/// Whether a quote ends its string, if this stands after it.
#[inline(always)]
fn closes(after: &[u8], follow: Follow) -> bool {
    match after {
        [] | [b')', ..] | [b' ', b'"' | b'(', ..] | [b' ', b'N', b'I', b'L', b' ' | b')', ..] => true,
        [b' ', ..] if follow == Follow::Any => true,
        _ => closes_before(after, follow),
    }
}

#[inline]
fn closes_before(after: &[u8], follow: Follow) -> bool {
    match after {
        [] | [b')' | b'(', ..] => true,
        [b'"', ..] => false,
        [b' ', rest @ ..] => follow == Follow::Any || begins_value(rest),
        [byte, ..] => follow == Follow::Any && !chars::is(*byte, chars::ATOM),
    }
}

/// Whether a value of ENVELOPE or BODYSTRUCTURE can begin so, or an atom in the place of one.
#[inline]
fn begins_value(rest: &[u8]) -> bool {
    begins_proper_value(rest) || begins_atom(rest)
}

/// An atom, and `)` or a value after it.
#[cold]
fn begins_atom(rest: &[u8]) -> bool {
    let end = rest.iter().position(|&byte| !chars::is(byte, chars::ASTRING)).unwrap_or(rest.len());
    end > 0
        && match rest.get(end..).unwrap_or_default() {
            [b')', ..] => true,
            [b' ', rest @ ..] => begins_proper_value(rest),
            _ => false,
        }
}

#[inline]
fn begins_proper_value(rest: &[u8]) -> bool {
    match rest {
        [] | [b'"' | b'(' | b')' | b'{' | b'~' | b' ', ..] => true,
        [b'N' | b'n', b'I' | b'i', b'L' | b'l', rest @ ..] => {
            !rest.first().is_some_and(|&byte| chars::is(byte, chars::ATOM))
        }
        [b'0'..=b'9' | b'-', ..] => {
            let end = rest.iter().find(|byte| !byte.is_ascii_digit() && !matches!(byte, b'-' | b'.'));
            matches!(end, None | Some(b' ' | b')'))
        }
        _ => false,
    }
}

/// With escapes, 8-bit characters and mistakes.
#[cold]
fn slow_quoted(r: &mut Reader<'_>, follow: Follow) -> Result<ImapString, ParseError> {
    r.skip(1);
    let start = r.offset();
    let mut unescaped: Option<Vec<u8>> = None;
    let mut piece = start;
    let mut eight_bit = false;
    // Quotes before this place were found to be part of the text.
    let mut inner_until = start;
    loop {
        let plain = chars::quoted_prefix(r.rest());
        r.skip(plain);
        match r.peek() {
            Some(b'"') => {
                if r.offset() >= inner_until {
                    let after = r.rest().get(1..).unwrap_or_default();
                    if closes(after, follow) {
                        break;
                    }
                    // `"a""b"`: a missing space.
                    if let [b'"', next, ..] = after {
                        if r.offset() > start && !matches!(next, b' ' | b')' | b'"') {
                            break;
                        }
                    }
                    let Some(end) = closes_later(r, follow) else { break };
                    inner_until = end;
                }
                r.deviate(deviation::UNESCAPED_QUOTE)?;
                r.skip(1);
            }
            Some(b'\\') => {
                if matches!(r.peek_at(1), Some(b'"' | b'\\')) {
                    // A backslash that somebody forgot to escape, before the real end.
                    if r.peek_at(1) == Some(b'"')
                        && (r.peek_at(2).is_none()
                            || closes(r.rest().get(2..).unwrap_or_default(), Follow::Value)
                                && !quote_ahead(r, 2))
                    {
                        r.deviate(deviation::UNESCAPED_BACKSLASH)?;
                        r.skip(1);
                        continue;
                    }
                    let so_far = r.slice(piece, r.offset());
                    unescaped.get_or_insert_default().extend_from_slice(&so_far);
                    r.skip(1);
                    piece = r.offset();
                    r.skip(1);
                } else {
                    r.deviate(deviation::UNESCAPED_BACKSLASH)?;
                    r.skip(1);
                }
            }
            Some(byte) if byte >= 0x80 => {
                eight_bit = true;
                r.take_while(|byte| byte >= 0x80);
            }
            Some(0) => return Err(r.error("NUL in a string")),
            Some(_) => return Err(r.error("a line end in a quoted string")),
            None => return Err(r.error("a quoted string without its end")),
        }
    }
    let text = match unescaped {
        Some(mut bytes) => {
            bytes.extend_from_slice(&r.slice(piece, r.offset()));
            Text::from(bytes)
        }
        None => r.text_from(start),
    };
    if eight_bit && text.as_str().is_none() {
        r.deviate_at(start, deviation::NOT_UTF_8)?;
    }
    r.skip(1);
    Ok(ImapString::unchecked(text))
}

/// Whether a quote stands somewhere after the next `from` bytes.
fn quote_ahead(r: &Reader<'_>, from: usize) -> bool {
    r.rest().get(from..).is_some_and(|rest| memchr::memchr(b'"', rest).is_some())
}

/// A string with quotes that were not escaped is not expected to go on for longer. It bounds what
/// each quote can cost.
const LONGEST_GUESS: usize = 500;

/// Where a quote after the next one ends the string, so that the next one does not.
fn closes_later(r: &Reader<'_>, follow: Follow) -> Option<usize> {
    let rest = r.rest();
    let near = rest.get(..LONGEST_GUESS).unwrap_or(rest);
    let line = near.get(..memchr::memchr2(b'\r', b'\n', near).unwrap_or(near.len())).unwrap_or_default();
    memchr::memchr_iter(b'"', line)
        .skip(1)
        .find(|at| closes(rest.get(at + 1..).unwrap_or_default(), follow))
        .map(|at| r.offset() + at)
}
