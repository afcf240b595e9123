//! Reading status lines.

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{Cursor, ParseError, Parsed, Text};

use super::{Listing, MAX_STATUS_LINE, Reply, ResponseCode, code, listing};
use crate::{
    command::{Command, Follows},
    context::ParseContext,
    deviation,
    types::{ReplyText, find_break, is_blank, is_line_byte, trim_end},
};

/// What a server's line is. Only the command tells: a line that means a number to one is a text to
/// another.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expected {
    /// A status and a text.
    Status,
    /// The answer to STAT.
    DropListing,
    /// The answer to LIST with a message, or a line of LIST without one.
    ScanListing,
    /// The answer to UIDL with a message, or a line of UIDL without one.
    UniqueIdListing,
    /// A line of CAPA.
    Capability,
    /// The answer to LANG with a language, or a line of LANG without one.
    Language,
    /// A line of AUTH without a mechanism.
    Mechanism,
    /// The command is not known. In a status line two numbers alone are taken for a drop listing,
    /// all else for a text; in a listing two numbers are taken for a scan listing, a number and a
    /// word for a unique-id listing. For looking at recorded traffic.
    Any,
}

impl Expected {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Status,
        Self::DropListing,
        Self::ScanListing,
        Self::UniqueIdListing,
        Self::Capability,
        Self::Language,
        Self::Mechanism,
        Self::Any,
    ];

    /// What a reply is, to read it again.
    #[must_use]
    pub const fn of_reply(reply: &Reply) -> Self {
        match reply {
            Reply::Ok { .. } | Reply::Err { .. } => Self::Status,
            Reply::Drop(_) => Self::DropListing,
            Reply::Listing(listing) => Self::of_line(listing),
        }
    }

    /// What a line of a listing is, to read it again.
    #[must_use]
    pub const fn of_line(line: &Listing) -> Self {
        match line {
            Listing::Scan(_) => Self::ScanListing,
            Listing::UniqueId(_) => Self::UniqueIdListing,
            Listing::Capability(_) => Self::Capability,
            Listing::Language(_) => Self::Language,
            Listing::Mechanism(_) => Self::Mechanism,
            Listing::Other(_) => Self::Status,
        }
    }

    /// What stands in the status line when `command` succeeds.
    #[must_use]
    pub fn status_of(command: &Command) -> Self {
        command.rules().status
    }

    /// What stands in each line after the status line of `command`; `None` if no lines follow.
    #[must_use]
    pub fn lines_of(command: &Command) -> Option<Self> {
        match command.follows() {
            Follows::Lines => Some(command.rules().lines),
            Follows::Nothing | Follows::Body => None,
        }
    }
}

impl Reply {
    /// Reads a status line without its line end.
    ///
    /// ```text
    /// single-line = status [SP text] CRLF  ;512 octets maximum
    /// status      = "+OK" / "-ERR"
    /// text        = *schar / resp-code *CHAR
    /// schar       = %x21-5A / %x5C-7F      ; RFC 2449 section 3
    /// ```
    ///
    /// `schar` has no space there, which the examples of all RFCs have.
    ///
    /// # Errors
    ///
    /// What is wrong and where.
    pub fn parse(frame: &Bytes, context: impl Into<ParseContext>) -> Result<Parsed<Self>, ParseError> {
        let context = context.into();
        context.parse(frame, |cursor| reply(cursor, &context))
    }
}

fn reply(cursor: &mut Cursor<'_>, context: &ParseContext) -> Result<Reply, ParseError> {
    let (expected, asked) = (context.expected, context.number);
    // One server answers DELE with an empty line (see the client for when it counts).
    if cursor.is_at_end() && expected == Expected::Any {
        cursor.deviate(deviation::EMPTY_LINE_FOR_OK)?;
        return Ok(Reply::Ok { code: None, text: ReplyText::default() });
    }
    let ok = status(cursor)?;
    if ok {
        let numbers = match expected {
            Expected::DropListing => return listing::drop_listing(cursor).map(Reply::Drop),
            Expected::ScanListing => {
                return listing::scan_answer(cursor, asked).map(|scan| Reply::Listing(Listing::Scan(scan)));
            }
            Expected::UniqueIdListing => {
                return listing::unique_id_answer(cursor, asked)
                    .map(|id| Reply::Listing(Listing::UniqueId(id)));
            }
            Expected::Language if !cursor.is_at_end() => {
                return listing::language_listing(cursor)
                    .map(|language| Reply::Listing(Listing::Language(language)));
            }
            Expected::Language => {
                cursor.deviate(deviation::MISSING_LANGUAGE_TAG)?;
                false
            }
            Expected::Any => looks_like_drop_listing(cursor.rest()),
            Expected::Status | Expected::Capability | Expected::Mechanism => false,
        };
        if numbers {
            return listing::drop_listing(cursor).map(Reply::Drop);
        }
    }
    let (code, text) = text(cursor)?;
    Ok(if ok { Reply::Ok { code, text } } else { Reply::Err { code, text } })
}

/// Digits, blanks, digits with or without a sign, and nothing more.
fn looks_like_drop_listing(text: &[u8]) -> bool {
    let mut words = text.split(|&byte| is_blank(byte)).filter(|word| !word.is_empty());
    let digits = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    match (words.next(), words.next(), words.next()) {
        (Some(messages), Some(octets), None) => {
            digits(messages) && digits(octets.strip_prefix(b"-").unwrap_or(octets))
        }
        _ => false,
    }
}

/// The status and the space after it; true for `+OK`.
pub(super) fn status(cursor: &mut Cursor<'_>) -> Result<bool, ParseError> {
    if cursor.rest().len() + 2 > MAX_STATUS_LINE {
        cursor.deviate_at(MAX_STATUS_LINE - 2, deviation::LONG_STATUS_LINE)?;
    }
    if cursor.peek() == Some(b' ') {
        cursor.deviate(deviation::SPACE_AT_LINE_START)?;
        cursor.take_while(|byte| byte == b' ');
    }
    let rest = cursor.rest();
    let (ok, length) = match rest {
        [b'+', b'O', b'K', ..] => (true, 3),
        [b'-', b'E', b'R', b'R', ..] => (false, 4),
        [b'+', o, k, ..] if o | 32 == b'o' && k | 32 == b'k' => (true, 3),
        [b'-', e, r, s, ..] if e | 32 == b'e' && r | 32 == b'r' && s | 32 == b'r' => (false, 4),
        _ => return Err(cursor.error("expected +OK or -ERR")),
    };
    if rest.get(1..length).is_some_and(|word| word.iter().any(u8::is_ascii_lowercase)) {
        cursor.deviate(deviation::STATUS_IN_LOWER_CASE)?;
    }
    cursor.skip(length);
    match cursor.peek() {
        None => {}
        Some(b' ') => cursor.skip(1),
        Some(b'\t') => {
            cursor.deviate(deviation::TAB_FOR_SPACE)?;
            cursor.skip(1);
        }
        Some(_) => cursor.deviate(deviation::MISSING_SPACE)?,
    }
    Ok(ok)
}

/// `text = *schar / resp-code *CHAR`
pub(super) fn text(cursor: &mut Cursor<'_>) -> Result<(Option<ResponseCode>, ReplyText), ParseError> {
    let mut found = None;
    if cursor.peek() == Some(b'[') {
        let start = cursor.offset();
        match code::parse(cursor) {
            Ok(code) => {
                found = Some(code);
                cursor.eat(b' ');
            }
            Err(error) => {
                cursor.rewind(start);
                cursor.deviate_at(error.offset, deviation::MALFORMED_RESPONSE_CODE)?;
            }
        }
    }
    let start = cursor.offset();
    let text = cursor.text_rest();
    Ok((found, ReplyText::unchecked(without_controls(cursor, text, start)?)))
}

/// A CR at the end is dropped; a CR or NUL within becomes `?`, as only humans read it.
fn without_controls(cursor: &mut Cursor<'_>, text: Text, start: usize) -> Result<Text, ParseError> {
    let Some(odd) = find_break(text.as_bytes()) else {
        return Ok(text);
    };
    cursor.deviate_at(start.saturating_add(odd), deviation::CONTROL_CHARACTER)?;
    let bytes: Vec<u8> = trim_end(text.as_bytes(), b"\r")
        .iter()
        .map(|&byte| if is_line_byte(byte) { byte } else { b'?' })
        .collect();
    Ok(Text::from(bytes))
}
