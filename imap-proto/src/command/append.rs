//! APPEND, with several messages and messages made of parts.

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{ParseError, ParseErrorKind, Text};

use super::{AString, rules::Need, writer::Writer};
use crate::{
    capability::Capability,
    types::{DateTime, Flag, FlagSet, Literal, MailboxName, Reader, chars, read_astring, read_literal},
};

/// `APPEND` ([RFC 9051 section 6.3.12](https://www.rfc-editor.org/rfc/rfc9051#section-6.3.12)), of several messages
/// with MULTIAPPEND ([RFC 3502](https://www.rfc-editor.org/rfc/rfc3502)).
///
/// ```
/// use mailwire_imap::command::{Append, AppendMessage};
/// use mailwire_imap::types::{Flag, MailboxName};
///
/// let one = Append::inline(MailboxName::new("Sent")?, "Subject: a\r\n\r\n").with_flags([Flag::Seen].into());
/// let both = one.and(AppendMessage::streamed(5_000_000));
/// assert_eq!(both.messages.len(), 2);
/// # Ok::<(), mailwire_imap::Invalid>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Append {
    /// Where to.
    pub mailbox: MailboxName,
    /// The messages, at least one. All or none of them are stored.
    pub messages: Vec<AppendMessage>,
}

/// One message of an APPEND.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AppendMessage {
    /// Its flags.
    pub flags: FlagSet,
    /// Its internal date; that of its arrival if there is none.
    pub date: Option<DateTime>,
    /// What it consists of.
    pub data: AppendData,
}

/// What a message of an APPEND consists of.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum AppendData {
    /// Its bytes.
    Literal(AppendLiteral),
    /// `CATENATE`: parts that are put together, in their order ([RFC
    /// 4469](https://www.rfc-editor.org/rfc/rfc4469)).
    Catenate(Vec<CatPart>),
}

/// A part of a message that is put together.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum CatPart {
    /// `URL`: what the server has there.
    Url(AString),
    /// `TEXT`: these bytes. With [`AppendKind::Utf8`] it is written `UTF8 (...)`.
    Text(AppendLiteral),
}

/// Bytes of a message on their way to a server.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AppendLiteral {
    /// How they are announced.
    pub kind: AppendKind,
    /// The bytes.
    pub bytes: AppendBytes,
}

/// How bytes of a message are announced.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum AppendKind {
    /// `{n}`: without NUL.
    #[default]
    Plain,
    /// `~{n}`: a `literal8`, which can hold NUL (BINARY, [RFC 3516](https://www.rfc-editor.org/rfc/rfc3516)).
    Binary,
    /// `UTF8 (~{n})`: there is UTF-8 in the header, as [RFC 6855 section
    /// 4](https://www.rfc-editor.org/rfc/rfc6855#section-4) had it. RFC 9755 does without.
    Utf8,
}

/// Bytes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum AppendBytes {
    /// All of them.
    Inline(Text),
    /// They are sent, or come, in chunks.
    Streamed {
        /// How many there are.
        length: u64,
    },
}

impl AppendBytes {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Inline(text) => text.len() as u64,
            Self::Streamed { length } => *length,
        }
    }

    /// How many there are, if they come or are to be sent in chunks.
    #[must_use]
    pub const fn streamed(&self) -> Option<u64> {
        match self {
            Self::Inline(_) => None,
            Self::Streamed { length } => Some(*length),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What of an APPEND is still open after a literal of it that comes in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OpenAppend {
    /// The parenthesis of `UTF8 (`.
    utf8: bool,
    /// That of `CATENATE (`.
    catenate: bool,
}

/// What follows such a literal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct AppendMore {
    /// More parts of the message that is being put together.
    pub(crate) parts: Vec<CatPart>,
    /// More messages.
    pub(crate) messages: Vec<AppendMessage>,
}

impl AppendLiteral {
    /// Bytes that are sent in chunks, `length` of them in all.
    #[must_use]
    pub const fn streamed(length: u64) -> Self {
        Self { kind: AppendKind::Plain, bytes: AppendBytes::Streamed { length } }
    }

    /// Bytes in memory.
    #[must_use]
    pub fn inline(bytes: impl Into<Text>) -> Self {
        Self { kind: AppendKind::Plain, bytes: AppendBytes::Inline(bytes.into()) }
    }

    /// Says how they are announced.
    #[must_use]
    pub const fn with_kind(mut self, kind: AppendKind) -> Self {
        self.kind = kind;
        self
    }

    /// Whether it is one of RFC 6855, which has to be enabled.
    pub(crate) fn is_utf8(&self) -> bool {
        self.kind == AppendKind::Utf8
    }

    /// What a server must have to take it so.
    fn needs(&self) -> Option<Need> {
        match self.kind {
            AppendKind::Plain => None,
            AppendKind::Binary => Some(Need::of(&Capability::Binary)),
            AppendKind::Utf8 => Some(Need::of(&Capability::Utf8Accept).or(&[Capability::Utf8Only])),
        }
    }

    /// ```text
    /// literal / literal8 / utf8-literal
    /// utf8-literal = "UTF8" SP "(" literal8 ")"                  ; RFC 6855
    /// ```
    ///
    /// Of one that comes in chunks, what follows may come later, too.
    #[inline]
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        let kind = match r.peek() {
            Some(b'~') => AppendKind::Binary,
            Some(b'{') => AppendKind::Plain,
            Some(b'u' | b'U') if word(r, "UTF8") => {
                r.space()?;
                r.expect(b'(', "expected (")?;
                if r.peek() != Some(b'~') {
                    return Err(r.error("expected a literal8"));
                }
                AppendKind::Utf8
            }
            // An extension's.
            byte => {
                let letter = byte.is_some_and(|byte| byte.is_ascii_alphabetic());
                let kind = if letter { ParseErrorKind::Unknown } else { ParseErrorKind::Syntax };
                return Err(r.error("expected the message as a literal").with_kind(kind));
            }
        };
        let bytes = match read_literal(r)? {
            Literal::Inline(text)
                if kind == AppendKind::Plain && memchr::memchr(0, text.as_bytes()).is_some() =>
            {
                return Err(ParseError::new(start, "NUL in a message"));
            }
            Literal::Inline(text) => AppendBytes::Inline(text),
            Literal::Streamed { length } => AppendBytes::Streamed { length },
        };
        if kind == AppendKind::Utf8 {
            let comes_later = bytes.streamed().is_some() && r.is_at_end();
            if !comes_later {
                r.expect(b')', "expected )")?;
            }
        }
        Ok(Self { kind, bytes })
    }

    #[inline]
    fn write(&self, e: &mut Writer<'_>) {
        let utf8 = self.kind == AppendKind::Utf8;
        if utf8 {
            e.put(b"UTF8 (");
        }
        let binary = self.kind != AppendKind::Plain;
        e.announce(self.bytes.len(), binary);
        match &self.bytes {
            AppendBytes::Inline(text) => e.put(text.as_bytes()),
            AppendBytes::Streamed { length } => e.body(*length, binary),
        }
        if utf8 {
            e.put(b")");
        }
    }
}

impl AppendMessage {
    /// A message that is sent in chunks, `length` bytes in all.
    #[must_use]
    pub const fn streamed(length: u64) -> Self {
        Self::new(AppendData::Literal(AppendLiteral::streamed(length)))
    }

    /// A message in memory.
    #[must_use]
    pub fn inline(message: impl Into<Text>) -> Self {
        Self::new(AppendData::Literal(AppendLiteral::inline(message)))
    }

    /// A message without flags.
    #[must_use]
    pub const fn new(data: AppendData) -> Self {
        Self { flags: FlagSet::new(), date: None, data }
    }

    /// Gives it these flags.
    #[must_use]
    pub fn with_flags(mut self, flags: FlagSet) -> Self {
        self.flags = flags;
        self
    }

    /// Gives it this internal date.
    #[must_use]
    pub const fn with_date(mut self, date: DateTime) -> Self {
        self.date = Some(date);
        self
    }

    /// The bytes that come with the command, of the message or of its parts.
    pub fn literals(&self) -> impl Iterator<Item = &AppendLiteral> {
        let (one, parts) = match &self.data {
            AppendData::Literal(literal) => (Some(literal), &[][..]),
            AppendData::Catenate(parts) => (None, parts.as_slice()),
        };
        one.into_iter().chain(parts.iter().filter_map(|part| match part {
            CatPart::Text(literal) => Some(literal),
            CatPart::Url(_) => None,
        }))
    }

    /// What a server must have for it.
    fn needs(&self) -> impl Iterator<Item = Need> + '_ {
        let catenate = matches!(self.data, AppendData::Catenate(_)).then(|| Need::of(&Capability::Catenate));
        catenate.into_iter().chain(self.literals().filter_map(AppendLiteral::needs))
    }

    /// The bytes that come with the command, to change them: to have them streamed, say.
    pub fn literals_mut(&mut self) -> impl Iterator<Item = &mut AppendLiteral> {
        let (one, parts) = match &mut self.data {
            AppendData::Literal(literal) => (Some(literal), &mut [][..]),
            AppendData::Catenate(parts) => (None, parts.as_mut_slice()),
        };
        one.into_iter().chain(parts.iter_mut().filter_map(|part| match part {
            CatPart::Text(literal) => Some(literal),
            CatPart::Url(_) => None,
        }))
    }

    /// How many bytes come with the command.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.literals().fold(0, |sum, literal| sum.saturating_add(literal.bytes.len()))
    }

    /// Whether no bytes come with the command.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// ```text
    /// append-message = [SP flag-list] [SP date-time] SP append-data
    /// append-data    = literal / literal8 / "CATENATE" SP "(" cat-part *(SP cat-part) ")"   ; RFC 4469
    /// ```
    ///
    /// The first space was read.
    #[inline]
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let mut flags = FlagSet::new();
        if r.peek() == Some(b'(') {
            let start = r.offset();
            flags = FlagSet::read(r)?;
            if flags.contains(&Flag::Recent) {
                return Err(ParseError::new(start, "\\Recent cannot be stored"));
            }
            r.space()?;
        }
        let mut date = None;
        if r.peek() == Some(b'"') {
            date = Some(DateTime::read(r)?);
            r.space()?;
        }
        let data = if matches!(r.peek(), Some(b'c' | b'C')) && word(r, "CATENATE") {
            r.space()?;
            r.expect(b'(', "expected (")?;
            let mut parts = alloc::vec![CatPart::read(r)?];
            CatPart::read_more(r, &mut parts)?;
            AppendData::Catenate(parts)
        } else {
            AppendData::Literal(AppendLiteral::read(r)?)
        };
        Ok(Self { flags, date, data })
    }

    fn write(&self, e: &mut Writer<'_>) {
        if self.flags.has_form() {
            e.put(b" ");
            self.flags.write(e.out);
        }
        if let Some(date) = self.date {
            e.put(b" ");
            date.write(e.out);
        }
        e.put(b" ");
        match &self.data {
            AppendData::Literal(literal) => literal.write(e),
            AppendData::Catenate(parts) => {
                e.put(b"CATENATE (");
                e.spaced(parts, |e, part| part.write(e));
                e.put(b")");
            }
        }
    }
}

impl CatPart {
    /// ```text
    /// cat-part = "URL" SP astring / "TEXT" SP literal / utf8-literal     ; RFC 4469, RFC 6855
    /// ```
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        if word(r, "URL") {
            r.space()?;
            let url = AString::new(read_astring(r)?.into_text());
            return url.map(Self::Url).map_err(|_| ParseError::new(start, "a line end in a URL"));
        }
        if word(r, "TEXT") {
            r.space()?;
        } else if !matches!(r.peek(), Some(b'u' | b'U')) {
            return Err(ParseError::new(start, "expected URL or TEXT"));
        }
        AppendLiteral::read(r).map(Self::Text)
    }

    /// Those after the first, up to the `)`, or as far as they have come.
    fn read_more(r: &mut Reader<'_>, parts: &mut Vec<Self>) -> Result<(), ParseError> {
        loop {
            let streamed = matches!(parts.last(), Some(Self::Text(text)) if text.bytes.streamed().is_some());
            if (streamed && r.is_at_end()) || r.eat(b')') {
                return Ok(());
            }
            r.space()?;
            parts.push(Self::read(r)?);
        }
    }

    fn write(&self, e: &mut Writer<'_>) {
        match self {
            Self::Url(url) => {
                e.put(b"URL ");
                e.astring(url);
            }
            Self::Text(literal) => {
                if literal.kind != AppendKind::Utf8 {
                    e.put(b"TEXT ");
                }
                literal.write(e);
            }
        }
    }
}

/// Reads a word, if it stands here.
fn word(r: &mut Reader<'_>, known: &str) -> bool {
    let start = r.offset();
    let found = chars::is_name(r.take_class(chars::ATOM), known);
    if !found {
        r.seek(start);
    }
    found
}

impl OpenAppend {
    /// After the literal at the end of this message, which comes in chunks.
    pub(crate) fn after(message: &AppendMessage) -> Self {
        match &message.data {
            AppendData::Literal(literal) => Self { utf8: literal.kind == AppendKind::Utf8, catenate: false },
            AppendData::Catenate(parts) => Self::after_parts(parts),
        }
    }

    /// Whether parts of a message can follow.
    pub(crate) const fn is_catenate(self) -> bool {
        self.catenate
    }

    /// Whether anything has to follow.
    pub(crate) const fn is_open(self) -> bool {
        self.catenate || self.utf8
    }

    fn after_parts(parts: &[CatPart]) -> Self {
        let utf8 = matches!(parts.last(), Some(CatPart::Text(text)) if text.kind == AppendKind::Utf8);
        Self { utf8, catenate: true }
    }
}

impl AppendMore {
    /// What is open after the literal at its end, which comes in chunks.
    pub(crate) fn open(&self) -> OpenAppend {
        self.messages.last().map_or_else(|| OpenAppend::after_parts(&self.parts), OpenAppend::after)
    }

    /// What a server must have for it.
    pub(crate) fn needs(&self) -> impl Iterator<Item = Need> + '_ {
        let several = (!self.messages.is_empty()).then(|| Need::of(&Capability::MultiAppend));
        let parts = self.parts.iter().filter_map(|part| match part {
            CatPart::Text(text) => text.needs(),
            CatPart::Url(_) => None,
        });
        several.into_iter().chain(parts).chain(self.messages.iter().flat_map(AppendMessage::needs))
    }

    /// How the literal at its end is announced.
    pub(crate) fn last_kind(&self) -> Option<AppendKind> {
        match (self.messages.last(), self.parts.last()) {
            (Some(message), _) => message.literals().last().map(|literal| literal.kind),
            (None, Some(CatPart::Text(text))) => Some(text.kind),
            _ => None,
        }
    }

    /// What stands after a literal that came in chunks, where this was open: to the end of the command, or to
    /// the next such literal.
    pub(crate) fn read(r: &mut Reader<'_>, open: OpenAppend) -> Result<Self, ParseError> {
        let mut more = Self::default();
        if open.utf8 {
            r.expect(b')', "expected )")?;
        }
        if open.catenate {
            CatPart::read_more(r, &mut more.parts)?;
        }
        read_messages(r, &mut more.messages)?;
        Ok(more)
    }
}

/// Those after the first, each after a space.
#[inline]
fn read_messages(r: &mut Reader<'_>, messages: &mut Vec<AppendMessage>) -> Result<(), ParseError> {
    while r.peek() == Some(b' ') && r.peek_at(1).is_some_and(|byte| byte != b' ') {
        r.skip(1);
        messages.push(AppendMessage::read(r)?);
    }
    Ok(())
}

impl Append {
    /// Appends a message.
    #[must_use]
    pub fn new(mailbox: MailboxName, message: AppendMessage) -> Self {
        Self { mailbox, messages: alloc::vec![message] }
    }

    /// Appends a message that is to be sent in chunks, `length` bytes in all.
    #[must_use]
    pub fn streamed(mailbox: MailboxName, length: u64) -> Self {
        Self::new(mailbox, AppendMessage::streamed(length))
    }

    /// Appends a message in memory.
    #[must_use]
    pub fn inline(mailbox: MailboxName, message: impl Into<Text>) -> Self {
        Self::new(mailbox, AppendMessage::inline(message))
    }

    /// Appends another message, too.
    #[must_use]
    pub fn and(mut self, message: AppendMessage) -> Self {
        self.messages.push(message);
        self
    }

    /// Gives the last message these flags.
    #[must_use]
    pub fn with_flags(mut self, flags: FlagSet) -> Self {
        if let Some(message) = self.messages.last_mut() {
            message.flags = flags;
        }
        self
    }

    /// Gives the last message this internal date.
    #[must_use]
    pub fn with_date(mut self, date: DateTime) -> Self {
        if let Some(message) = self.messages.last_mut() {
            message.date = Some(date);
        }
        self
    }

    /// Says how the bytes of the last message are announced.
    #[must_use]
    pub fn with_kind(mut self, kind: AppendKind) -> Self {
        if let Some(message) = self.messages.last_mut() {
            message.literals_mut().for_each(|literal| literal.kind = kind);
        }
        self
    }

    /// All bytes that come with the command, in their order.
    pub fn literals(&self) -> impl Iterator<Item = &AppendLiteral> {
        self.messages.iter().flat_map(AppendMessage::literals)
    }

    /// Takes the bytes that are in memory; they are then to be sent in chunks.
    pub(crate) fn detach(&mut self) -> impl Iterator<Item = Option<Bytes>> + '_ {
        self.messages.iter_mut().flat_map(AppendMessage::literals_mut).map(|literal| {
            let length = literal.bytes.len();
            match core::mem::replace(&mut literal.bytes, AppendBytes::Streamed { length }) {
                AppendBytes::Inline(text) => Some(text.into_bytes()),
                AppendBytes::Streamed { .. } => None,
            }
        })
    }

    /// What a server must have for it.
    pub(super) fn needs(&self) -> impl Iterator<Item = Need> + '_ {
        let several = (self.messages.len() > 1).then(|| Need::of(&Capability::MultiAppend));
        several.into_iter().chain(self.messages.iter().flat_map(AppendMessage::needs))
    }

    /// ```text
    /// append = "APPEND" SP mailbox 1*append-message     ; RFC 3502
    /// ```
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let mailbox = MailboxName::read(r)?;
        r.space()?;
        let mut append = Self::new(mailbox, AppendMessage::read(r)?);
        read_messages(r, &mut append.messages)?;
        Ok(append)
    }

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        e.put(b"APPEND ");
        self.write_arguments(e);
    }

    #[inline]
    pub(super) fn write_arguments(&self, e: &mut Writer<'_>) {
        e.mailbox(&self.mailbox);
        for message in &self.messages {
            message.write(e);
        }
    }
}
