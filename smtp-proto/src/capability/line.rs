//! Reading the lines of a reply to EHLO.

use bytes::Bytes;
use mailwire_core::{Cursor, Dialect, ParseError};

use super::Capability;
use crate::types::{Keyword, Mechanism};

/// What a line says, in the line's own bytes.
pub(super) enum Line<'a> {
    Plain(Plain),
    Size(Option<u64>),
    /// What stands behind AUTH: names of mechanisms, between them spaces, or `=`.
    Auth(&'a [u8]),
    Other {
        keyword: &'a [u8],
        parameters: &'a [u8],
    },
}

/// The capabilities that are known and have no parameters.
#[derive(Clone, Copy)]
pub(super) enum Plain {
    Pipelining,
    EightBitMime,
    SmtpUtf8,
    EnhancedStatusCodes,
    StartTls,
    Vrfy,
    Expn,
    Help,
}

impl Plain {
    pub(super) const fn of(capability: &Capability) -> Option<Self> {
        match capability {
            Capability::Pipelining => Some(Self::Pipelining),
            Capability::EightBitMime => Some(Self::EightBitMime),
            Capability::SmtpUtf8 => Some(Self::SmtpUtf8),
            Capability::EnhancedStatusCodes => Some(Self::EnhancedStatusCodes),
            Capability::StartTls => Some(Self::StartTls),
            Capability::Vrfy => Some(Self::Vrfy),
            Capability::Expn => Some(Self::Expn),
            Capability::Help => Some(Self::Help),
            Capability::Size(_) | Capability::Auth(_) | Capability::Other { .. } => None,
        }
    }

    pub(super) const fn capability(self) -> Capability {
        match self {
            Self::Pipelining => Capability::Pipelining,
            Self::EightBitMime => Capability::EightBitMime,
            Self::SmtpUtf8 => Capability::SmtpUtf8,
            Self::EnhancedStatusCodes => Capability::EnhancedStatusCodes,
            Self::StartTls => Capability::StartTls,
            Self::Vrfy => Capability::Vrfy,
            Self::Expn => Capability::Expn,
            Self::Help => Capability::Help,
        }
    }

    pub(super) const fn name(self) -> &'static [u8] {
        match self {
            Self::Pipelining => b"PIPELINING",
            Self::EightBitMime => b"8BITMIME",
            Self::SmtpUtf8 => b"SMTPUTF8",
            Self::EnhancedStatusCodes => b"ENHANCEDSTATUSCODES",
            Self::StartTls => b"STARTTLS",
            Self::Vrfy => b"VRFY",
            Self::Expn => b"EXPN",
            Self::Help => b"HELP",
        }
    }

    pub(super) const fn bit(self) -> u16 {
        1 << self as u16
    }
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
                cursor.deviate("malformed-capability")?;
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
    let plain = match keyword.len() {
        10 if is(keyword, b"PIPELINING") => Plain::Pipelining,
        8 if is(keyword, b"8BITMIME") => Plain::EightBitMime,
        8 if is(keyword, b"SMTPUTF8") => Plain::SmtpUtf8,
        19 if is(keyword, b"ENHANCEDSTATUSCODES") => Plain::EnhancedStatusCodes,
        8 if is(keyword, b"STARTTLS") => Plain::StartTls,
        4 if is(keyword, b"VRFY") => Plain::Vrfy,
        4 if is(keyword, b"EXPN") => Plain::Expn,
        4 if is(keyword, b"HELP") => Plain::Help,
        4 if is(keyword, b"SIZE") => return size(cursor),
        4 if is(keyword, b"AUTH") => return auth(cursor),
        _ => {
            Keyword::check(keyword, start)?;
            return Ok(Line::Other { keyword, parameters: parameters(cursor)? });
        }
    };
    // SMTPUTF8 and others may get parameters one day, which are to be ignored (RFC 6531 section 3.1).
    parameters(cursor)?;
    Ok(Line::Plain(plain))
}

/// Whether a keyword, in any case, is this one. Its bytes are letters, digits and hyphens, so one bit
/// makes the case, and all are compared at once.
#[inline(always)]
fn is<const N: usize>(keyword: &[u8], name: &[u8; N]) -> bool {
    <&[u8; N]>::try_from(keyword)
        .is_ok_and(|keyword| keyword.iter().zip(name).fold(0, |odd, (a, b)| odd | (a ^ b) & !0x20) == 0)
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
#[inline]
fn auth<'a>(cursor: &mut Cursor<'a>) -> Result<Line<'a>, ParseError> {
    let begin = cursor.offset();
    if cursor.peek() == Some(b'=') {
        cursor.deviate("equals-sign-behind-auth")?;
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
            cursor.deviate_at(start.saturating_add(1), "extra-space")?;
        }
        Mechanism::skip(cursor)?;
    }
}

fn trailing_space(cursor: &mut Cursor<'_>, start: usize, spaces: usize) -> Result<(), ParseError> {
    if spaces > 0 { cursor.deviate_at(start, "space-before-line-end") } else { Ok(()) }
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
        Some(b'=') => cursor.deviate("equals-sign-behind-keyword")?,
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
        cursor.deviate_at(begin.saturating_add(at), "unprintable-capability")?;
    }
    Ok(cursor.between(begin, end))
}
