//! What STAT, LIST, UIDL, LANG and AUTH tell.

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{Cursor, ParseError, Parsed, private::write_number, sasl::Mechanism, setters};

use super::Expected;
use crate::{
    capability::Capability,
    context::ParseContext,
    deviation,
    types::{
        LanguageTag, LineText, MessageNumber, ReplyText, UniqueId, find_break, is_blank, is_vchar, trim_end,
    },
};

/// How much is in the maildrop, without what is marked as deleted: the answer to STAT ([RFC 1939
/// section 5](https://www.rfc-editor.org/rfc/rfc1939#section-5)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DropListing {
    /// The number of messages.
    pub messages: u64,
    /// Their size in bytes. `None` if the server does not know it.
    pub octets: Option<u64>,
    /// What stands after the numbers, which [RFC 1939 section 5](https://www.rfc-editor.org/rfc/rfc1939#section-5) discourages.
    pub rest: LineText,
}

/// The size of one message: a line of LIST ([RFC 1939 section
/// 5](https://www.rfc-editor.org/rfc/rfc1939#section-5)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ScanListing {
    /// The message.
    pub number: MessageNumber,
    /// Its size in bytes. `None` if the server does not know it.
    pub octets: Option<u64>,
    /// What stands after the numbers, which [RFC 1939 section 5](https://www.rfc-editor.org/rfc/rfc1939#section-5) discourages.
    pub rest: LineText,
}

/// The unique-id of one message: a line of UIDL ([RFC 1939 section
/// 7](https://www.rfc-editor.org/rfc/rfc1939#section-7)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UniqueIdListing {
    /// The message.
    pub number: MessageNumber,
    /// Its name in all sessions.
    pub unique_id: UniqueId,
}

/// A language that a server has: a line of LANG, or its answer where it was chosen ([RFC 6856 section
/// 3.2](https://www.rfc-editor.org/rfc/rfc6856#section-3.2)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LanguageListing {
    /// The language.
    pub tag: LanguageTag,
    /// Its name in the language itself, or, where it was chosen, a text in it: UTF-8, and it can be empty.
    pub description: LineText,
}

/// One line of a listing.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Listing {
    /// A line of LIST.
    Scan(ScanListing),
    /// A line of UIDL.
    UniqueId(UniqueIdListing),
    /// A line of CAPA.
    Capability(Capability),
    /// A line of LANG.
    Language(LanguageListing),
    /// A line of AUTH without a mechanism.
    Mechanism(Mechanism),
    /// A line of a command that this crate does not know.
    Other(LineText),
}

setters!(DropListing { with_rest(rest: LineText), });

setters!(ScanListing { with_rest(rest: LineText), });

impl DropListing {
    /// A drop listing without further text.
    #[must_use]
    pub fn new(messages: u64, octets: u64) -> Self {
        Self { messages, octets: Some(octets), rest: LineText::default() }
    }

    /// Appends it without status and line end. An unknown size is written as 0.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        write_number(out, self.messages);
        out.push(b' ');
        write_number(out, self.octets.unwrap_or(0));
        write_rest(out, &self.rest);
    }
}

impl ScanListing {
    /// A scan listing without further text.
    #[must_use]
    pub fn new(number: MessageNumber, octets: u64) -> Self {
        Self { number, octets: Some(octets), rest: LineText::default() }
    }
}

impl UniqueIdListing {
    /// A unique-id listing.
    #[must_use]
    pub const fn new(number: MessageNumber, unique_id: UniqueId) -> Self {
        Self { number, unique_id }
    }
}

impl LanguageListing {
    /// A language, and its name in itself. Control characters become `?`, and a space at the start is left out; what is
    /// longer than 400 bytes is cut off.
    #[must_use]
    pub fn new(tag: LanguageTag, description: &str) -> Self {
        let description = ReplyText::international(description.trim_start());
        Self { tag, description: LineText::unchecked(description.into_text()) }
    }
}

impl Listing {
    /// Reads a line of a listing, without its line end and without stuffing.
    ///
    /// # Errors
    ///
    /// What is wrong and where. It costs this line.
    pub fn parse(frame: &Bytes, context: impl Into<ParseContext>) -> Result<Parsed<Self>, ParseError> {
        let context = context.into();
        match context.expected {
            Expected::Capability => Ok(Capability::parse(frame, context)?.map(Self::Capability)),
            Expected::ScanListing => context.parse(frame, |cursor| {
                indented(cursor)?;
                scan_listing(cursor).map(Self::Scan)
            }),
            Expected::UniqueIdListing => context.parse(frame, |cursor| {
                indented(cursor)?;
                unique_id_listing(cursor).map(Self::UniqueId)
            }),
            Expected::Language => context.parse(frame, |cursor| {
                indented(cursor)?;
                language_listing(cursor).map(Self::Language)
            }),
            Expected::Mechanism => context.parse(frame, |cursor| {
                indented(cursor)?;
                mechanism(cursor).map(Self::Mechanism)
            }),
            Expected::Any if looks_like_scan_listing(frame) => {
                Self::parse(frame, context.expecting(Expected::ScanListing))
            }
            Expected::Any if looks_like_unique_id_listing(frame) => {
                Self::parse(frame, context.expecting(Expected::UniqueIdListing))
            }
            Expected::Status | Expected::Any | Expected::DropListing => {
                context.parse(frame, |cursor| rest_of_line(cursor).map(Self::Other))
            }
        }
    }

    /// Appends the line without its line end and without stuffing. An unknown size is written
    /// as 0.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Scan(scan) => {
                write_number(out, scan.number.get().into());
                out.push(b' ');
                write_number(out, scan.octets.unwrap_or(0));
                write_rest(out, &scan.rest);
            }
            Self::UniqueId(listing) => {
                write_number(out, listing.number.get().into());
                out.push(b' ');
                out.extend_from_slice(listing.unique_id.as_bytes());
            }
            Self::Capability(capability) => capability.write(out),
            Self::Language(language) => {
                out.extend_from_slice(language.tag.as_bytes());
                write_rest(out, &language.description);
            }
            Self::Mechanism(mechanism) => out.extend_from_slice(mechanism.as_bytes()),
            Self::Other(line) => out.extend_from_slice(line.as_bytes()),
        }
    }
}

fn write_rest(out: &mut Vec<u8>, rest: &LineText) {
    if !rest.is_empty() {
        out.push(b' ');
        out.extend_from_slice(rest.as_bytes());
    }
}

/// Two numbers and nothing more.
fn looks_like_scan_listing(line: &[u8]) -> bool {
    let (number, rest) = two_words(line);
    is_number(number) && is_number(rest.strip_prefix(b"-").unwrap_or(rest))
}

/// A number, a word, and nothing more.
fn looks_like_unique_id_listing(line: &[u8]) -> bool {
    let (number, rest) = two_words(line);
    is_number(number) && !rest.is_empty() && rest.iter().all(|&byte| is_vchar(byte))
}

fn is_number(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(u8::is_ascii_digit)
}

/// The first word, and all after the blanks that follow it.
fn two_words(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(end) = line.iter().position(|&byte| is_blank(byte)) else { return (line, &[]) };
    let (word, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    (word, rest.trim_ascii_start())
}

/// Blanks before the number of a line.
fn indented(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    if cursor.peek().is_some_and(is_blank) {
        cursor.deviate(deviation::SPACE_AT_LINE_START)?;
        cursor.take_while(is_blank);
    }
    Ok(())
}

/// The one space between two fields.
fn space(cursor: &mut Cursor<'_>, reason: &'static str) -> Result<(), ParseError> {
    let start = cursor.offset();
    match cursor.take_while(is_blank) {
        b" " => Ok(()),
        b"" => Err(cursor.error(reason)),
        blank if blank.contains(&b'\t') => cursor.deviate_at(start, deviation::TAB_FOR_SPACE),
        _ => cursor.deviate_at(start, deviation::EXTRA_SPACE),
    }
}

/// `nn SP mm`: number of messages and their octets. More can follow.
pub(super) fn drop_listing(cursor: &mut Cursor<'_>) -> Result<DropListing, ParseError> {
    let messages = cursor.number_u64()?;
    let octets = octets(cursor)?;
    let rest = rest(cursor)?;
    Ok(DropListing { messages, octets, rest })
}

/// `scan listing`: message-number SP size. More can follow.
pub(super) fn scan_listing(cursor: &mut Cursor<'_>) -> Result<ScanListing, ParseError> {
    let number = message_number(cursor)?;
    let octets = octets(cursor)?;
    let rest = rest(cursor)?;
    Ok(ScanListing { number, octets, rest })
}

/// The answer to LIST about one message.
///
/// Lenient: the size alone.
pub(super) fn scan_answer(
    cursor: &mut Cursor<'_>,
    asked: Option<MessageNumber>,
) -> Result<ScanListing, ParseError> {
    match asked {
        Some(number) if is_number(cursor.rest()) && !is_same(cursor.rest(), number) => {
            cursor.deviate(deviation::MISSING_NUMBER)?;
            let octets = cursor.number_u64().map(Some)?;
            Ok(ScanListing { number, octets, rest: LineText::default() })
        }
        _ => scan_listing(cursor),
    }
}

/// The answer to UIDL about one message.
///
/// Lenient: the unique-id alone.
pub(super) fn unique_id_answer(
    cursor: &mut Cursor<'_>,
    asked: Option<MessageNumber>,
) -> Result<UniqueIdListing, ParseError> {
    let (word, rest) = two_words(cursor.rest());
    match asked {
        Some(number) if !word.is_empty() && rest.is_empty() => {
            cursor.deviate(deviation::MISSING_NUMBER)?;
            Ok(UniqueIdListing { number, unique_id: unique_id(cursor)? })
        }
        _ => unique_id_listing(cursor),
    }
}

/// Whether this is the number of the message, rather than a size.
fn is_same(word: &[u8], number: MessageNumber) -> bool {
    let mut written = Vec::new();
    write_number(&mut written, number.get().into());
    word == written
}

fn message_number(cursor: &mut Cursor<'_>) -> Result<MessageNumber, ParseError> {
    let start = cursor.offset();
    let number = cursor.number_u32()?;
    MessageNumber::new(number).ok_or(ParseError::new(start, MessageNumber::NOT_ZERO))
}

/// A size. Servers that do not know it send a negative one, or none.
fn octets(cursor: &mut Cursor<'_>) -> Result<Option<u64>, ParseError> {
    let start = cursor.offset();
    if cursor.rest().iter().all(|&byte| is_blank(byte)) {
        cursor.deviate_at(start, deviation::MISSING_OCTETS)?;
        cursor.skip(usize::MAX);
        return Ok(None);
    }
    space(cursor, "expected a space and the octets")?;
    let start = cursor.offset();
    if cursor.eat(b'-') {
        cursor.deviate_at(start, deviation::NEGATIVE_OCTETS)?;
        if cursor.take_while(|byte| byte.is_ascii_digit()).is_empty() {
            return Err(cursor.error("expected a number"));
        }
        return Ok(None);
    }
    cursor.number_u64().map(Some)
}

/// What follows the octets.
fn rest(cursor: &mut Cursor<'_>) -> Result<LineText, ParseError> {
    match cursor.peek() {
        None => return Ok(LineText::default()),
        Some(b' ') => cursor.skip(1),
        Some(_) => cursor.deviate(deviation::MISSING_SPACE)?,
    }
    rest_of_line(cursor)
}

pub(super) fn rest_of_line(cursor: &mut Cursor<'_>) -> Result<LineText, ParseError> {
    let start = cursor.offset();
    let text = cursor.text_rest();
    match find_break(text.as_bytes()) {
        Some(offset) => Err(ParseError::new(start.saturating_add(offset), "a CR or NUL in a line")),
        None => Ok(LineText::unchecked(text)),
    }
}

/// `unique-id listing`: message-number SP unique-id, one to 70 characters from 0x21 to 0x7E.
/// Nothing follows.
pub(super) fn unique_id_listing(cursor: &mut Cursor<'_>) -> Result<UniqueIdListing, ParseError> {
    let number = message_number(cursor)?;
    space(cursor, "expected a space and the unique-id")?;
    Ok(UniqueIdListing { number, unique_id: unique_id(cursor)? })
}

fn unique_id(cursor: &mut Cursor<'_>) -> Result<UniqueId, ParseError> {
    let start = cursor.offset();
    let id = trim_end(cursor.rest(), b" \t");
    cursor.skip(id.len());
    let text = cursor.text_from(start);
    if text.is_empty() {
        return Err(ParseError::new(start, "expected a unique-id"));
    }
    if let Some(offset) = id.iter().position(|&byte| !is_vchar(byte)) {
        let offset = start.saturating_add(offset);
        if id.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(ParseError::new(offset, "a control character in a unique-id"));
        }
        cursor.deviate_at(offset, deviation::ODD_CHARACTER_IN_UNIQUE_ID)?;
    }
    if text.len() > UniqueId::MAX_LENGTH {
        let end = start.saturating_add(UniqueId::MAX_LENGTH);
        cursor.deviate_at(end, deviation::LONG_UNIQUE_ID)?;
    }
    if !cursor.is_at_end() {
        cursor.deviate(deviation::SPACE_BEFORE_LINE_END)?;
        cursor.skip(usize::MAX);
    }
    Ok(UniqueId::unchecked(text))
}

/// ```text
/// language-listing = language-tag [SP description]       ; RFC 6856 section 3.2
/// ```
pub(super) fn language_listing(cursor: &mut Cursor<'_>) -> Result<LanguageListing, ParseError> {
    let start = cursor.offset();
    let word = cursor.text_while1(is_vchar, "expected a language")?;
    let tag = match LanguageTag::new(word.clone()) {
        Ok(tag) => tag,
        Err(invalid) => {
            cursor.deviate_at(start.saturating_add(invalid.offset), deviation::ODD_LANGUAGE_TAG)?;
            LanguageTag::unchecked(word)
        }
    };
    if cursor.rest().iter().all(|&byte| is_blank(byte)) {
        if !cursor.is_at_end() {
            cursor.deviate(deviation::SPACE_BEFORE_LINE_END)?;
            cursor.skip(usize::MAX);
        }
        return Ok(LanguageListing { tag, description: LineText::default() });
    }
    space(cursor, "a character that no language has")?;
    let start = cursor.offset();
    let description = rest_of_line(cursor)?;
    if let Err(error) = core::str::from_utf8(description.as_bytes()) {
        cursor.deviate_at(start.saturating_add(error.valid_up_to()), deviation::NOT_UTF_8)?;
    }
    Ok(LanguageListing { tag, description })
}

/// A line of AUTH without a mechanism: its name.
fn mechanism(cursor: &mut Cursor<'_>) -> Result<Mechanism, ParseError> {
    let start = cursor.offset();
    let name = cursor.text_while1(is_vchar, "not a SASL mechanism name")?;
    if !cursor.is_at_end() && cursor.rest().iter().all(|&byte| is_blank(byte)) {
        cursor.deviate(deviation::SPACE_BEFORE_LINE_END)?;
        cursor.skip(usize::MAX);
    }
    Mechanism::new(name.clone()).or_else(|invalid| {
        cursor.deviate_at(start.saturating_add(invalid.offset), deviation::ODD_MECHANISM_NAME)?;
        Mechanism::from_peer(name).map_err(|invalid| ParseError::new(start, invalid.reason))
    })
}
