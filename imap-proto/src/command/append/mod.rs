//! APPEND, with several messages and messages made of parts.

mod parse;
mod write;

use alloc::{collections::VecDeque, vec::Vec};

use bytes::Bytes;
use mailwire_core::{Text, setters};

pub(crate) use self::parse::{AppendMore, OpenAppend};
use super::{
    AString,
    rules::{Need, Needs},
};
use crate::{
    capability::Capability,
    extensions::annotate::{self, EntryAtts},
    types::{DateTime, FlagSet, MailboxName},
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
    /// `ANNOTATION`: its annotations ([RFC 5257 section
    /// 4.7](https://www.rfc-editor.org/rfc/rfc5257#section-4.7)).
    pub annotations: Vec<EntryAtts>,
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
    /// So many that are sent, or come, in chunks.
    Streamed {
        /// How many there are.
        length: u64,
    },
}

impl AppendBytes {
    /// How many there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Inline(text) => text.len() as u64,
            Self::Streamed { length } => *length,
        }
    }

    /// How many there are, if they come or are to be sent in chunks.
    #[inline]
    #[must_use]
    pub const fn streamed(&self) -> Option<u64> {
        match self {
            Self::Inline(_) => None,
            Self::Streamed { length } => Some(*length),
        }
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl AppendLiteral {
    /// Bytes that are sent in chunks, `length` of them in all.
    #[inline]
    #[must_use]
    pub const fn streamed(length: u64) -> Self {
        Self { kind: AppendKind::Plain, bytes: AppendBytes::Streamed { length } }
    }

    /// Bytes in memory.
    #[must_use]
    pub fn inline(bytes: impl Into<Text>) -> Self {
        Self { kind: AppendKind::Plain, bytes: AppendBytes::Inline(bytes.into()) }
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
            AppendKind::Utf8 => Some(Need::one_of(&[Capability::Utf8Accept, Capability::Utf8Only])),
        }
    }
}

setters!(const AppendLiteral {
    with_kind(kind: AppendKind),
});

impl AppendMessage {
    /// A message that is sent in chunks, `length` bytes in all.
    #[inline]
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
    #[inline]
    #[must_use]
    pub const fn new(data: AppendData) -> Self {
        Self { flags: FlagSet::new(), date: None, annotations: Vec::new(), data }
    }

    /// The bytes that come with the command, of the message or of its parts.
    #[inline]
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
    fn needs(&self, needs: &mut Needs<'_>) {
        needs.add(matches!(self.data, AppendData::Catenate(_)).then(|| Need::of(&Capability::Catenate)));
        needs.add((!self.annotations.is_empty()).then(annotate::needs_annotate));
        self.literals().for_each(|literal| needs.add(literal.needs()));
    }

    /// The bytes that come with the command, to change them: to have them streamed, say.
    #[inline]
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
    #[inline]
    #[must_use]
    pub fn len(&self) -> u64 {
        self.literals().fold(0, |sum, literal| sum.saturating_add(literal.bytes.len()))
    }

    /// Whether no bytes come with the command.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

setters!(const AppendMessage {
    with_date(date: some DateTime),
});

setters!(AppendMessage {
    with_annotations(annotations: into Vec<EntryAtts>),
    with_flags(flags: FlagSet),
});

impl Append {
    /// Appends a message.
    #[inline]
    #[must_use]
    pub fn new(mailbox: MailboxName, message: AppendMessage) -> Self {
        Self { mailbox, messages: alloc::vec![message] }
    }

    /// Appends a message that is to be sent in chunks, `length` bytes in all.
    #[inline]
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
    #[inline]
    #[must_use]
    pub fn and(mut self, message: AppendMessage) -> Self {
        self.messages.push(message);
        self
    }

    /// Gives the last message these flags.
    #[inline]
    #[must_use]
    pub fn with_flags(mut self, flags: FlagSet) -> Self {
        if let Some(message) = self.messages.last_mut() {
            message.flags = flags;
        }
        self
    }

    /// Gives the last message this internal date.
    #[inline]
    #[must_use]
    pub fn with_date(mut self, date: DateTime) -> Self {
        if let Some(message) = self.messages.last_mut() {
            message.date = Some(date);
        }
        self
    }

    /// Says how the bytes of the last message are announced.
    #[inline]
    #[must_use]
    pub fn with_kind(mut self, kind: AppendKind) -> Self {
        if let Some(message) = self.messages.last_mut() {
            message.literals_mut().for_each(|literal| literal.kind = kind);
        }
        self
    }

    /// All bytes that come with the command, in their order.
    #[inline]
    pub fn literals(&self) -> impl Iterator<Item = &AppendLiteral> {
        self.messages.iter().flat_map(AppendMessage::literals)
    }

    /// Takes the bytes that are in memory; they are then to be sent in chunks.
    pub(crate) fn detach(&mut self) -> VecDeque<Option<Bytes>> {
        let mut taken = VecDeque::new();
        for message in &mut self.messages {
            for literal in message.literals_mut() {
                let length = literal.bytes.len();
                let bytes = match core::mem::replace(&mut literal.bytes, AppendBytes::Streamed { length }) {
                    AppendBytes::Inline(text) => Some(text.into_bytes()),
                    AppendBytes::Streamed { .. } => None,
                };
                taken.push_back(bytes);
            }
        }
        taken
    }

    /// What a server must have for it.
    pub(super) fn needs(&self, needs: &mut Needs<'_>) {
        needs.add((self.messages.len() > 1).then(|| Need::of(&Capability::MultiAppend)));
        self.messages.iter().for_each(|message| message.needs(needs));
    }
}
