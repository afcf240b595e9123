//! What STAT, LIST and UIDL tell (RFC 1939 sections 5 and 7).

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{Cursor, Dialect, ParseError, Parsed};

use super::Expected;
use crate::{
    capability::Capability,
    command::write_number,
    types::{LineText, MessageNumber, UniqueId, find_break, is_vchar},
};

/// How much is in the maildrop, without what is marked as deleted.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DropListing {
    /// How many messages.
    pub messages: u64,
    /// Their size. `None` if the server does not know it.
    pub octets: Option<u64>,
    /// What stands behind, which RFC 1939 discourages.
    pub rest: LineText,
}

/// The size of one message.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ScanListing {
    /// The message.
    pub number: MessageNumber,
    /// Its size. `None` if the server does not know it.
    pub octets: Option<u64>,
    /// What stands behind, which RFC 1939 discourages.
    pub rest: LineText,
}

/// The unique-id of one message.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UniqueIdListing {
    /// The message.
    pub number: MessageNumber,
    /// Its name for all time.
    pub unique_id: UniqueId,
}

/// One line of a listing.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Listing {
    /// Of LIST.
    Scan(ScanListing),
    /// Of UIDL.
    UniqueId(UniqueIdListing),
    /// Of CAPA.
    Capability(Capability),
    /// Of a command that this crate does not know.
    Other(LineText),
}

impl DropListing {
    /// A drop listing with nothing behind it.
    #[must_use]
    pub fn new(messages: u64, octets: u64) -> Self {
        Self { messages, octets: Some(octets), rest: LineText::default() }
    }

    /// Adds text after the numbers, which RFC 1939 discourages.
    #[must_use]
    pub fn with_rest(mut self, rest: LineText) -> Self {
        self.rest = rest;
        self
    }

    /// Appends it without status and line end. An unknown size is written as 0.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_number(out, self.messages);
        out.push(b' ');
        write_number(out, self.octets.unwrap_or(0));
        write_rest(out, &self.rest);
    }
}

impl ScanListing {
    /// A scan listing with nothing behind it.
    #[must_use]
    pub fn new(number: MessageNumber, octets: u64) -> Self {
        Self { number, octets: Some(octets), rest: LineText::default() }
    }

    /// Adds text after the numbers, which RFC 1939 discourages.
    #[must_use]
    pub fn with_rest(mut self, rest: LineText) -> Self {
        self.rest = rest;
        self
    }
}

impl UniqueIdListing {
    /// A unique-id listing.
    #[must_use]
    pub const fn new(number: MessageNumber, unique_id: UniqueId) -> Self {
        Self { number, unique_id }
    }
}

impl Listing {
    /// Reads a line of a listing, without its line end and without stuffing.
    ///
    /// # Errors
    ///
    /// What is wrong and where. It costs this line.
    pub fn parse(line: &Bytes, expected: Expected, dialect: Dialect) -> Result<Parsed<Self>, ParseError> {
        match expected {
            Expected::Capability => Ok(Capability::parse(line, dialect)?.map(Self::Capability)),
            Expected::ScanListing => Cursor::parse(line, dialect, |cursor| {
                indented(cursor)?;
                scan_listing(cursor).map(Self::Scan)
            }),
            Expected::UniqueIdListing => Cursor::parse(line, dialect, |cursor| {
                indented(cursor)?;
                unique_id_listing(cursor).map(Self::UniqueId)
            }),
            Expected::Any if looks_like_scan_listing(line) => {
                Self::parse(line, Expected::ScanListing, dialect)
            }
            Expected::Any if looks_like_unique_id_listing(line) => {
                Self::parse(line, Expected::UniqueIdListing, dialect)
            }
            Expected::Status | Expected::Any | Expected::DropListing => {
                Cursor::parse(line, dialect, |cursor| rest_of_line(cursor).map(Self::Other))
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

/// The first word, and all behind the blanks that follow it.
fn two_words(line: &[u8]) -> (&[u8], &[u8]) {
    let Some(end) = line.iter().position(|&byte| is_blank(byte)) else { return (line, &[]) };
    let (word, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    (word, rest.trim_ascii_start())
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Blanks before the number of a line.
fn indented(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    if cursor.peek().is_some_and(is_blank) {
        cursor.deviate("space-at-line-start")?;
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
        _ => cursor.deviate_at(start, "not-a-single-space"),
    }
}

/// `nn SP mm`: number of messages and their octets. More can stand behind.
pub(super) fn drop_listing(cursor: &mut Cursor<'_>) -> Result<DropListing, ParseError> {
    let messages = cursor.number_u64()?;
    let octets = octets(cursor)?;
    let rest = rest(cursor)?;
    Ok(DropListing { messages, octets, rest })
}

/// `scan listing`: message-number SP size. More can stand behind.
pub(super) fn scan_listing(cursor: &mut Cursor<'_>) -> Result<ScanListing, ParseError> {
    let number = message_number(cursor)?;
    let octets = octets(cursor)?;
    let rest = rest(cursor)?;
    Ok(ScanListing { number, octets, rest })
}

fn message_number(cursor: &mut Cursor<'_>) -> Result<MessageNumber, ParseError> {
    let start = cursor.offset();
    let number = cursor.number_u32()?;
    MessageNumber::new(number).map_err(|invalid| ParseError::new(start, invalid.reason))
}

/// A size. Servers that do not know it send a negative one, or none.
fn octets(cursor: &mut Cursor<'_>) -> Result<Option<u64>, ParseError> {
    let start = cursor.offset();
    if cursor.rest().iter().all(|&byte| is_blank(byte)) {
        cursor.deviate_at(start, "no-octets")?;
        cursor.skip(usize::MAX);
        return Ok(None);
    }
    space(cursor, "expected a space and the octets")?;
    let start = cursor.offset();
    if cursor.eat(b'-') {
        cursor.deviate_at(start, "negative-octets")?;
        if cursor.take_while(|byte| byte.is_ascii_digit()).is_empty() {
            return Err(cursor.error("expected a number"));
        }
        return Ok(None);
    }
    cursor.number_u64().map(Some)
}

/// What is behind the octets.
fn rest(cursor: &mut Cursor<'_>) -> Result<LineText, ParseError> {
    match cursor.peek() {
        None => return Ok(LineText::default()),
        Some(b' ') => cursor.skip(1),
        Some(_) => cursor.deviate("no-space-behind-octets")?,
    }
    rest_of_line(cursor)
}

pub(super) fn rest_of_line(cursor: &mut Cursor<'_>) -> Result<LineText, ParseError> {
    let start = cursor.offset();
    let text = cursor.text_rest();
    match find_break(text.as_bytes()) {
        Some(offset) => Err(ParseError::new(start.saturating_add(offset), "a CR or NUL in a line")),
        None => Ok(LineText::from_peer(text)),
    }
}

/// `unique-id listing`: message-number SP unique-id, one to 70 characters from 0x21 to 0x7E.
/// Nothing stands behind.
pub(super) fn unique_id_listing(cursor: &mut Cursor<'_>) -> Result<UniqueIdListing, ParseError> {
    let number = message_number(cursor)?;
    space(cursor, "expected a space and the unique-id")?;
    let start = cursor.offset();
    let mut id = cursor.rest();
    while let Some((b' ' | b'\t', shorter)) = id.split_last() {
        id = shorter;
    }
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
        cursor.deviate_at(offset, "odd-character-in-unique-id")?;
    }
    if text.len() > UniqueId::MAX_LENGTH {
        let end = start.saturating_add(UniqueId::MAX_LENGTH);
        cursor.deviate_at(end, "unique-id-longer-than-70-characters")?;
    }
    if !cursor.is_at_end() {
        cursor.deviate("space-at-line-end")?;
        cursor.skip(usize::MAX);
    }
    Ok(UniqueIdListing { number, unique_id: UniqueId::from_peer(text) })
}
