//! SELECT, EXAMINE, CREATE and STATUS.

use alloc::vec::Vec;

use mailwire_core::ParseError;

use super::{parse::read_atom, writer::Writer};
use crate::types::{Atom, MailboxName, Reader};

/// `SELECT` and `EXAMINE` (RFC 9051 sections 6.3.2 and 6.3.3).
///
/// Extensions add parameters here (RFC 4466 section 2.1).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Select {
    /// The mailbox.
    pub mailbox: MailboxName,
}

/// `CREATE` (RFC 9051 section 6.3.4).
///
/// Extensions add parameters here (RFC 4466 section 2.2).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Create {
    /// The mailbox.
    pub mailbox: MailboxName,
}

/// `STATUS` (RFC 9051 section 6.3.11).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Status {
    /// The mailbox, which should not be the selected one.
    pub mailbox: MailboxName,
    /// What of it, at least one.
    pub items: Vec<StatusAtt>,
}

/// What STATUS asks for (RFC 9051 section 6.3.11).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum StatusAtt {
    /// `MESSAGES`
    Messages,
    /// `RECENT`: RFC 3501 only.
    Recent,
    /// `UIDNEXT`
    UidNext,
    /// `UIDVALIDITY`
    UidValidity,
    /// `UNSEEN`
    Unseen,
    /// `DELETED`
    Deleted,
    /// `SIZE`
    Size,
    /// The name of another item.
    Other(Atom),
}

impl From<MailboxName> for Select {
    fn from(mailbox: MailboxName) -> Self {
        Self { mailbox }
    }
}

impl From<MailboxName> for Create {
    fn from(mailbox: MailboxName) -> Self {
        Self { mailbox }
    }
}

impl Create {
    /// Creates a mailbox.
    #[must_use]
    pub const fn new(mailbox: MailboxName) -> Self {
        Self { mailbox }
    }

    /// ```text
    /// create = "CREATE" SP mailbox
    /// ```
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        Ok(Self { mailbox: MailboxName::read(r)? })
    }

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        e.put(b"CREATE ");
        e.mailbox(&self.mailbox);
    }
}

impl Status {
    /// Asks for `items` of a mailbox, at least one.
    #[must_use]
    pub fn new(mailbox: MailboxName, items: impl Into<Vec<StatusAtt>>) -> Self {
        Self { mailbox, items: items.into() }
    }

    /// ```text
    /// status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"
    /// ```
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let mailbox = MailboxName::read(r)?;
        r.space()?;
        Ok(Self { mailbox, items: StatusAtt::read_list(r)? })
    }

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        e.put(b"STATUS ");
        e.mailbox(&self.mailbox);
        e.put(b" ");
        StatusAtt::write_list(&self.items, e);
    }
}

impl Select {
    /// Opens a mailbox.
    #[must_use]
    pub const fn new(mailbox: MailboxName) -> Self {
        Self { mailbox }
    }

    /// ```text
    /// select  = "SELECT" SP mailbox
    /// examine = "EXAMINE" SP mailbox
    /// ```
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        Ok(Self { mailbox: MailboxName::read(r)? })
    }

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        e.mailbox(&self.mailbox);
    }
}

impl StatusAtt {
    /// ```text
    /// "(" status-att *(SP status-att) ")"
    /// status-att = "MESSAGES" / "UIDNEXT" / "UIDVALIDITY" / "UNSEEN" / "DELETED" / "SIZE"
    /// ```
    pub(super) fn read_list(r: &mut Reader<'_>) -> Result<Vec<Self>, ParseError> {
        let start = r.offset();
        r.expect(b'(', "expected a list of STATUS items")?;
        let mut items = Vec::with_capacity(4);
        r.items(|r| {
            let name = read_atom(r)?;
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            items.push(if is("MESSAGES") {
                Self::Messages
            } else if is("RECENT") {
                Self::Recent
            } else if is("UIDNEXT") {
                Self::UidNext
            } else if is("UIDVALIDITY") {
                Self::UidValidity
            } else if is("UNSEEN") {
                Self::Unseen
            } else if is("DELETED") {
                Self::Deleted
            } else if is("SIZE") {
                Self::Size
            } else {
                Self::Other(name)
            });
            Ok(())
        })?;
        if items.is_empty() {
            return Err(ParseError::new(start, "an empty list of items"));
        }
        Ok(items)
    }

    pub(super) fn write_list(items: &[Self], e: &mut Writer<'_>) {
        e.put(b"(");
        e.spaced(items, |e, item| {
            e.put(match item {
                Self::Messages => b"MESSAGES",
                Self::Recent => b"RECENT",
                Self::UidNext => b"UIDNEXT",
                Self::UidValidity => b"UIDVALIDITY",
                Self::Unseen => b"UNSEEN",
                Self::Deleted => b"DELETED",
                Self::Size => b"SIZE",
                Self::Other(name) => name.as_bytes(),
            });
        });
        e.put(b")");
    }
}
