//! APPEND.

use mailwire_core::{ParseError, ParseErrorKind, Text};

use super::writer::Writer;
use crate::types::{DateTime, Flag, FlagSet, Literal, MailboxName, Reader, read_literal};

/// `APPEND` (RFC 9051 section 6.3.12).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Append {
    /// Where to.
    pub mailbox: MailboxName,
    /// The message's flags.
    pub flags: FlagSet,
    /// The message's internal date; that of its arrival if there is none.
    pub date: Option<DateTime>,
    /// Whether the message is a `literal8`, which can hold NUL (BINARY, RFC 3516).
    pub binary: bool,
    /// The message.
    pub message: AppendData,
}

/// The message of an APPEND.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum AppendData {
    /// All of it.
    Inline(Text),
    /// It is sent, or comes, in chunks.
    Streamed {
        /// Its length in bytes.
        length: u64,
    },
}

impl AppendData {
    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Inline(text) => text.len() as u64,
            Self::Streamed { length } => *length,
        }
    }

    /// Its length, if it comes or is to be sent in chunks.
    #[must_use]
    pub const fn streamed(&self) -> Option<u64> {
        match self {
            Self::Inline(_) => None,
            Self::Streamed { length } => Some(*length),
        }
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Append {
    /// A message that is to be sent in chunks, `length` bytes in all.
    #[must_use]
    pub const fn streamed(mailbox: MailboxName, length: u64) -> Self {
        Self {
            mailbox,
            flags: FlagSet::new(),
            date: None,
            binary: false,
            message: AppendData::Streamed { length },
        }
    }

    /// A message in memory.
    #[must_use]
    pub fn inline(mailbox: MailboxName, message: impl Into<Text>) -> Self {
        Self { message: AppendData::Inline(message.into()), ..Self::streamed(mailbox, 0) }
    }

    /// Gives the message these flags.
    #[must_use]
    pub fn with_flags(mut self, flags: FlagSet) -> Self {
        self.flags = flags;
        self
    }

    /// Gives the message this internal date.
    #[must_use]
    pub const fn with_date(mut self, date: DateTime) -> Self {
        self.date = Some(date);
        self
    }

    /// Whether the message is a `literal8`, which can hold NUL.
    #[must_use]
    pub const fn with_binary(mut self, binary: bool) -> Self {
        self.binary = binary;
        self
    }

    /// ```text
    /// append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal
    /// ```
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let mailbox = MailboxName::read(r)?;
        r.space()?;
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
        let binary = r.peek() == Some(b'~');
        let start = r.offset();
        if !binary && r.peek() != Some(b'{') {
            // `CATENATE (...)`
            let letter = r.peek().is_some_and(|byte| byte.is_ascii_alphabetic());
            let kind = if letter { ParseErrorKind::Unknown } else { ParseErrorKind::Syntax };
            return Err(r.error("expected the message as a literal").with_kind(kind));
        }
        let message = match read_literal(r)? {
            Literal::Inline(text) if !binary && memchr::memchr(0, text.as_bytes()).is_some() => {
                return Err(ParseError::new(start, "NUL in a message"));
            }
            Literal::Inline(text) => AppendData::Inline(text),
            Literal::Streamed { length } => AppendData::Streamed { length },
        };
        Ok(Self { mailbox, flags, date, binary, message })
    }

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        e.put(b"APPEND ");
        e.mailbox(&self.mailbox);
        if self.flags.has_form() {
            e.put(b" ");
            self.flags.write(e.out);
        }
        if let Some(date) = self.date {
            e.put(b" ");
            date.write(e.out);
        }
        e.put(b" ");
        e.announce(self.message.len(), self.binary);
        if let AppendData::Inline(text) = &self.message {
            e.put(text.as_bytes());
        }
    }
}
