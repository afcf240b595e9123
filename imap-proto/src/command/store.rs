//! STORE, COPY and MOVE.

use alloc::boxed::Box;

use mailwire_core::{ParseError, ParseErrorKind, setters};

use super::{Command, Messages, rules::Needs, writer::Writer};
use crate::extensions::{annotate::AnnotationStore, condstore, gmail::GmailStore};
use crate::types::{Flag, FlagSet, MailboxName, ModSeq, Reader};

/// `STORE` and `UID STORE` (RFC 9051 section 6.4.6).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Store {
    /// Which messages; UIDs make it `UID STORE`.
    pub messages: Messages,
    /// What is done with the flags.
    pub action: StoreAction,
    /// `.SILENT`: the server need not tell the new flags.
    pub silent: bool,
    /// The flags.
    pub flags: FlagSet,
    /// `UNCHANGEDSINCE`: only messages that did not change since (RFC 7162 section 3.1.3).
    pub unchanged_since: Option<ModSeq>,
}

/// What STORE does with the flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum StoreAction {
    /// `FLAGS`: these are all that the message has.
    Replace,
    /// `+FLAGS`: these are added.
    Add,
    /// `-FLAGS`: these are taken away.
    Remove,
}

/// `COPY`, `MOVE` and their UID forms (RFC 9051 sections 6.4.7 and 6.4.8).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Copy {
    /// Which messages; UIDs make it `UID COPY` or `UID MOVE`.
    pub messages: Messages,
    /// Where to.
    pub mailbox: MailboxName,
}

impl Store {
    /// Changes flags of these messages.
    #[must_use]
    pub fn new(messages: impl Into<Messages>, action: StoreAction, flags: FlagSet) -> Self {
        Self { messages: messages.into(), action, silent: false, flags, unchanged_since: None }
    }

    /// What a server must have for the options and the messages.
    pub(super) fn needs(&self, needs: &mut Needs<'_>) {
        needs.add(self.unchanged_since.map(|_| condstore::needs_condstore()));
        needs.add(self.messages.needs());
    }

    /// ```text
    /// store           = "STORE" SP sequence-set SP store-att-flags
    /// store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))
    /// ```
    ///
    /// Annotations and Gmail's labels are stored by it, too.
    pub(super) fn read(r: &mut Reader<'_>, uid: bool) -> Result<Command, ParseError> {
        r.space()?;
        let messages = Messages::read(r, uid)?;
        r.space()?;
        let unchanged_since = if r.peek() == Some(b'(') { Some(read_modifiers(r)?) } else { None };
        let action = match r.peek() {
            Some(b'+') => StoreAction::Add,
            Some(b'-') => StoreAction::Remove,
            _ => StoreAction::Replace,
        };
        r.skip(usize::from(action != StoreAction::Replace));
        if !r.eat_ignore_case("FLAGS") {
            if r.eat_ignore_case("X-GM-LABELS") {
                let mut store = GmailStore::read(messages, action, r)?;
                store.unchanged_since = unchanged_since;
                return Ok(Command::StoreLabels(Box::new(store)));
            }
            if action == StoreAction::Replace && r.eat_ignore_case("ANNOTATION") {
                let store = AnnotationStore::read(messages, unchanged_since, r)?;
                return Ok(Command::StoreAnnotations(Box::new(store)));
            }
            let letter = r.peek().is_some_and(|byte| byte.is_ascii_alphabetic());
            let kind = if letter { ParseErrorKind::Unknown } else { ParseErrorKind::Syntax };
            return Err(r.error("unknown STORE item").with_kind(kind));
        }
        let silent = r.eat_ignore_case(".SILENT");
        r.space()?;
        let start = r.offset();
        let flags = if r.peek() == Some(b'(') { FlagSet::read(r)? } else { read_bare(r)? };
        if flags.contains(&Flag::Recent) {
            return Err(ParseError::new(start, "\\Recent cannot be stored"));
        }
        Ok(Command::Store(Self { messages, action, silent, flags, unchanged_since }))
    }

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        write_messages(&self.messages, self.unchanged_since, e);
        e.put(match self.action {
            StoreAction::Replace => b" FLAGS",
            StoreAction::Add => b" +FLAGS",
            StoreAction::Remove => b" -FLAGS",
        });
        e.put(if self.silent { b".SILENT " } else { b" " });
        self.flags.write(e.out);
    }
}

setters!(const Store {
    with_silent(silent: bool),
    with_unchanged_since(unchanged_since: some ModSeq),
});

/// The command up to its item.
#[inline]
pub(crate) fn write_messages(messages: &Messages, unchanged_since: Option<ModSeq>, e: &mut Writer<'_>) {
    e.name(messages.is_uid(), b"STORE ");
    messages.write(e.out);
    if let Some(mod_seq) = unchanged_since {
        e.put(b" (UNCHANGEDSINCE ");
        e.number(mod_seq.get());
        e.put(b")");
    }
}

/// ```text
/// store-modifiers = SP "(" store-modifier *(SP store-modifier) ")"
/// store-modifier  = "UNCHANGEDSINCE" SP mod-sequence-valzer       ; RFC 7162
/// ```
#[cold]
fn read_modifiers(r: &mut Reader<'_>) -> Result<ModSeq, ParseError> {
    r.skip(1);
    if !r.eat_ignore_case("UNCHANGEDSINCE") {
        return Err(r.error("unknown STORE modifier").with_kind(ParseErrorKind::Unknown));
    }
    r.space()?;
    let mod_seq = ModSeq::read(r)?;
    if r.peek() == Some(b' ') {
        return Err(r.error("unknown STORE modifier").with_kind(ParseErrorKind::Unknown));
    }
    r.expect(b')', "expected )")?;
    r.space()?;
    Ok(mod_seq)
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
    /// Copies or moves these messages to a mailbox.
    #[must_use]
    pub fn new(messages: impl Into<Messages>, mailbox: MailboxName) -> Self {
        Self { messages: messages.into(), mailbox }
    }

    /// ```text
    /// copy = "COPY" SP sequence-set SP mailbox
    /// move = "MOVE" SP sequence-set SP mailbox
    /// ```
    pub(super) fn read(r: &mut Reader<'_>, uid: bool) -> Result<Self, ParseError> {
        r.space()?;
        let messages = Messages::read(r, uid)?;
        r.space()?;
        Ok(Self { messages, mailbox: MailboxName::read(r)? })
    }

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        self.messages.write(e.out);
        e.put(b" ");
        e.mailbox(&self.mailbox);
    }
}
