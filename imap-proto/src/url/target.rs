//! What a URL names on its server.

use alloc::boxed::Box;
use core::num::NonZeroU64;

use mailwire_core::{Invalid, ParseError, Text, setters};

use super::{UrlAuth, UrlText, resolve};
use crate::types::{MailboxName, Section, Uid, UidValidity};

/// What a URL names on its server: `icommand`. [`Display`](core::fmt::Display) gives the URL without its server, as CATENATE needs it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Target {
    /// A mailbox, or messages of it: `imessagelist`.
    Messages(MessageList),
    /// A message, or a part of one: `imessagepart`.
    Message(Box<MessageRef>),
}

/// A mailbox: `imailbox-ref`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MailboxRef {
    name: Text,
    /// The URL is stale where the mailbox has another one.
    pub uid_validity: Option<UidValidity>,
}

/// A mailbox, or what a search finds there: `imessagelist`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MessageList {
    /// The mailbox.
    pub mailbox: MailboxRef,
    /// The arguments of SEARCH. Literals in them are non-synchronizing.
    pub search: Option<UrlText>,
}

/// A message, or a part of one: `imessagepart`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MessageRef {
    /// The mailbox.
    pub mailbox: MailboxRef,
    /// The message.
    pub uid: Uid,
    /// What of it; all where there is nothing.
    pub section: Option<UrlSection>,
    /// Which bytes of that ([RFC 5550 section 5.7.1](https://www.rfc-editor.org/rfc/rfc5550#section-5.7.1)).
    pub partial: Option<UrlPartial>,
    /// Who may use the URL without being the mailbox's user (URLAUTH).
    pub auth: Option<UrlAuth>,
}

/// What of a message: `isection`. It is not all of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct UrlSection(Section);

/// A range of bytes: `partial-range`.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UrlPartial {
    /// The first byte, from 0.
    pub offset: u64,
    /// How many bytes at most; up to the end where it is not said.
    pub length: Option<NonZeroU64>,
}

impl MailboxRef {
    /// Makes the name of a mailbox, in Unicode.
    ///
    /// # Errors
    ///
    /// It is empty, or has a NUL, CR or LF in it.
    pub fn new(name: &str) -> Result<Self, Invalid> {
        match name.bytes().position(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
            Some(at) => Err(Invalid::new("mailbox of a URL", at, "NUL, CR or LF")),
            None if name.is_empty() => Err(Invalid::new("mailbox of a URL", 0, "empty")),
            None => Ok(Self { name: name.into(), uid_validity: None }),
        }
    }

    /// The name, in Unicode.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str().unwrap_or_default()
    }
}

setters!(const MailboxRef {
    with_uid_validity(uid_validity: some UidValidity),
});

impl TryFrom<&str> for MailboxRef {
    type Error = Invalid;

    fn try_from(name: &str) -> Result<Self, Invalid> {
        Self::new(name)
    }
}

impl TryFrom<&MailboxName> for MailboxRef {
    type Error = Invalid;

    /// The name as people see it.
    fn try_from(name: &MailboxName) -> Result<Self, Invalid> {
        Self::new(&name.to_unicode())
    }
}

impl MessageList {
    /// Makes a mailbox with all its messages.
    #[must_use]
    pub const fn new(mailbox: MailboxRef) -> Self {
        Self { mailbox, search: None }
    }
}

setters!(MessageList {
    with_search(search: some UrlText),
});

impl MessageRef {
    /// Makes a message.
    #[must_use]
    pub const fn new(mailbox: MailboxRef, uid: Uid) -> Self {
        Self { mailbox, uid, section: None, partial: None, auth: None }
    }

    /// Sets what of the message it is.
    #[must_use]
    pub fn with_section(mut self, section: Section) -> Self {
        self.section = UrlSection::new(section);
        self
    }

    /// Sets which bytes of it: `length` of them from `offset` on, or all from there on.
    #[must_use]
    pub fn with_partial(mut self, offset: u64, length: Option<NonZeroU64>) -> Self {
        self.partial = Some(UrlPartial { offset, length });
        self
    }

    /// What of the message it is.
    #[must_use]
    pub fn section(&self) -> &Section {
        static WHOLE: Section = Section::WHOLE;
        self.section.as_ref().map_or(&WHOLE, |section| &section.0)
    }
}

setters!(MessageRef {
    with_auth(auth: some UrlAuth),
});

impl UrlSection {
    /// Makes a part of a message. `None`: it is all of it.
    #[must_use]
    pub fn new(section: Section) -> Option<Self> {
        (section != Section::WHOLE).then_some(Self(section))
    }

    /// The section.
    #[must_use]
    pub const fn section(&self) -> &Section {
        &self.0
    }
}

impl Target {
    /// Reads a URL without a server, as CATENATE takes it: `/` and a mailbox, or what is relative to `mailbox` if one is
    /// selected ([RFC 4469 section 3](https://www.rfc-editor.org/rfc/rfc4469#section-3)).
    ///
    /// # Errors
    ///
    /// It is not one, or has a scheme or a server.
    pub fn parse(reference: impl AsRef<[u8]>, mailbox: Option<&MailboxRef>) -> Result<Self, ParseError> {
        resolve::target(reference.as_ref(), mailbox)
    }

    /// The mailbox.
    #[must_use]
    pub const fn mailbox(&self) -> &MailboxRef {
        match self {
            Self::Messages(list) => &list.mailbox,
            Self::Message(part) => &part.mailbox,
        }
    }
}

impl From<MessageList> for Target {
    fn from(list: MessageList) -> Self {
        Self::Messages(list)
    }
}

impl From<MessageRef> for Target {
    fn from(part: MessageRef) -> Self {
        Self::Message(part.into())
    }
}
