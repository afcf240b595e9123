//! STORE, COPY and MOVE.

use mailwire_core::ParseError;

use super::encode::Encoder;
use crate::types::{Flag, FlagSet, MailboxName, Reader, SequenceSet};

/// `STORE` and `UID STORE` (RFC 9051 section 6.4.6).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Store {
    /// Whether `set` holds UIDs.
    pub uid: bool,
    /// The messages.
    pub set: SequenceSet,
    /// What is done with the flags.
    pub action: StoreAction,
    /// `.SILENT`: the server need not tell the new flags.
    pub silent: bool,
    /// The flags.
    pub flags: FlagSet,
}

/// What STORE does with the flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum StoreAction {
    /// `FLAGS`: they are all that the message has.
    Replace,
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
}

/// `COPY`, `MOVE` and their UID forms (RFC 9051 sections 6.4.7 and 6.4.8).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Copy {
    /// Whether `set` holds UIDs.
    pub uid: bool,
    /// The messages.
    pub set: SequenceSet,
    /// Where to.
    pub mailbox: MailboxName,
}

impl Store {
    /// ```text
    /// store           = "STORE" SP sequence-set SP store-att-flags
    /// store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))
    /// ```
    pub(super) fn read(r: &mut Reader<'_>, uid: bool) -> Result<Self, ParseError> {
        r.space()?;
        let set = SequenceSet::read(r)?;
        r.space()?;
        let action = match r.peek() {
            Some(b'+') => StoreAction::Add,
            Some(b'-') => StoreAction::Remove,
            _ => StoreAction::Replace,
        };
        r.skip(usize::from(action != StoreAction::Replace));
        r.expect_ignore_case("FLAGS", "expected FLAGS")?;
        let silent = r.eat_ignore_case(".SILENT");
        r.space()?;
        let start = r.offset();
        let flags = if r.peek() == Some(b'(') { FlagSet::read(r)? } else { read_bare(r)? };
        if flags.contains(&Flag::Recent) {
            return Err(ParseError::new(start, "\\Recent cannot be stored"));
        }
        Ok(Self { uid, set, action, silent, flags })
    }

    pub(super) fn write(&self, e: &mut Encoder<'_>) {
        e.put(b"STORE ");
        self.set.write(e.out);
        e.put(match self.action {
            StoreAction::Replace => b" FLAGS",
            StoreAction::Add => b" +FLAGS",
            StoreAction::Remove => b" -FLAGS",
        });
        e.put(if self.silent { b".SILENT " } else { b" " });
        self.flags.write(e.out);
    }
}

/// ```text
/// flag *(SP flag)
/// ```
fn read_bare(r: &mut Reader<'_>) -> Result<FlagSet, ParseError> {
    let mut flags = FlagSet::new();
    loop {
        // The wildcard of PERMANENTFLAGS is no flag, and would be none between parentheses.
        if matches!(r.rest(), [b'\\', b'*'] | [b'\\', b'*', b' ', ..]) {
            return Err(r.error("expected a flag"));
        }
        flags.insert(Flag::read(r)?);
        if r.peek() != Some(b' ') || r.peek_at(1).is_none() {
            return Ok(flags);
        }
        r.space()?;
    }
}

impl Copy {
    /// ```text
    /// copy = "COPY" SP sequence-set SP mailbox
    /// move = "MOVE" SP sequence-set SP mailbox
    /// ```
    pub(super) fn read(r: &mut Reader<'_>, uid: bool) -> Result<Self, ParseError> {
        r.space()?;
        let set = SequenceSet::read(r)?;
        r.space()?;
        Ok(Self { uid, set, mailbox: MailboxName::read(r)? })
    }

    pub(super) fn write(&self, e: &mut Encoder<'_>) {
        self.set.write(e.out);
        e.put(b" ");
        e.mailbox(&self.mailbox);
    }
}
