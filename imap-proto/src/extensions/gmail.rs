//! Gmail's labels, `X-GM-EXT-1`: [FETCH](crate::command::FetchAtt::GmailLabels) tells them,
//! [SEARCH](crate::command::SearchKey::GmailLabel) finds them, and STORE changes them. There too are Gmail's
//! identifiers of messages and conversations, and its search language
//! ([`GmailRaw`](crate::command::SearchKey::GmailRaw)).
//!
//! [Gmail's document](https://developers.google.com/workspace/gmail/imap/imap-extensions) has no grammar; this is what
//! the server does.
//!
//! ```
//! use mailwire_imap::command::{Command, Request, StoreAction, WriteOptions};
//! use mailwire_imap::extensions::gmail::{GmailLabel, GmailStore};
//! use mailwire_imap::types::{Tag, UidSet};
//!
//! let labels = [GmailLabel::new("Entwürfe")?, GmailLabel::INBOX];
//! let command = GmailStore::new("7".parse::<UidSet>()?, StoreAction::Add, labels).into();
//! let mut out = Vec::new();
//! Request { tag: Tag::new("a1")?, command }.write(WriteOptions::default(), &mut out);
//! assert_eq!(out, b"a1 UID STORE 7 +X-GM-LABELS (Entw&APw-rfe \\Inbox)\r\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::{borrow::Cow, boxed::Box, vec::Vec};

use mailwire_core::{Invalid, ParseError, Text, setters};

use crate::{
    capability::Capability,
    command::{Command, Messages, Need, Needs, StoreAction, Writer, write_messages},
    extensions::condstore,
    types::{MailboxName, ModSeq, Reader, chars, read_astring, write_astring},
};

mailwire_core::text_newtype! {
    /// A label of a message, as it stands on the wire: one of Gmail's own, which begins with `\`, or the user's, in
    /// modified UTF-7. `Display` shows it in Unicode, with controls escaped.
    pub struct GmailLabel: bytes => to_unicode;
}

impl GmailLabel {
    /// `\Inbox`: it is in the inbox. (What is not there is archived.)
    pub const INBOX: Self = Self::unchecked(Text::from_static("\\Inbox"));
    /// `\Sent`: the user has sent it.
    pub const SENT: Self = Self::unchecked(Text::from_static("\\Sent"));
    /// `\Draft`: it is not sent yet.
    pub const DRAFT: Self = Self::unchecked(Text::from_static("\\Draft"));
    /// `\Starred`: the user has marked it.
    pub const STARRED: Self = Self::unchecked(Text::from_static("\\Starred"));
    /// `\Important`: Gmail or the user takes it for important.
    pub const IMPORTANT: Self = Self::unchecked(Text::from_static("\\Important"));
    /// `\Trash`: it is to be deleted.
    pub const TRASH: Self = Self::unchecked(Text::from_static("\\Trash"));
    /// `\Spam`: it is unwanted.
    pub const SPAM: Self = Self::unchecked(Text::from_static("\\Spam"));

    /// A label of the user, or one of Gmail's with its `\`.
    ///
    /// # Errors
    ///
    /// It is empty, or there is a control character in it.
    #[inline]
    pub fn new(name: &str) -> Result<Self, Invalid> {
        if name.is_empty() {
            return Err(Invalid::new("label", 0, "empty"));
        }
        // `INBOX` is no mailbox here.
        let name = if name.is_ascii() && !name.contains('&') {
            Text::from(name)
        } else {
            MailboxName::new(name)?.into_text()
        };
        MailboxName::from_wire(name.clone()).map(|_| Self::unchecked(name))
    }

    /// Whether it is one of Gmail's own.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.as_bytes().first() == Some(&b'\\')
    }

    /// The label for people.
    ///
    /// ```
    /// use mailwire_imap::extensions::gmail::GmailLabel;
    ///
    /// assert_eq!(GmailLabel::new("Entwürfe")?.to_unicode(), "Entwürfe");
    /// assert_eq!(GmailLabel::new("Entwürfe")?.to_string(), "Entwürfe");
    /// assert!(GmailLabel::IMPORTANT.is_system());
    /// # Ok::<(), mailwire_imap::Invalid>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn to_unicode(&self) -> Cow<'_, str> {
        match MailboxName::from_wire(self.as_text().clone()) {
            Ok(name) if !name.is_inbox() => Cow::Owned(name.to_unicode().into_owned()),
            _ => self.as_text().to_string_lossy(),
        }
    }

    /// ```text
    /// label = astring / "\" atom
    /// ```
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        if r.peek() != Some(b'\\') {
            let label = read_astring(r)?.into_text();
            // Only a literal can hold what must not be here.
            return match memchr::memchr2(b'\r', b'\n', label.as_bytes()) {
                Some(_) => Err(ParseError::new(start, "a line end in a label")),
                None => Ok(Self::unchecked(label)),
            };
        }
        r.skip(1);
        r.text_class(chars::ASTRING, "expected a label")?;
        Ok(Self::unchecked(r.text_from(start)))
    }

    /// Whether it stands without quotes, as a flag does.
    fn is_flag(&self) -> bool {
        matches!(self.as_bytes(), [b'\\', name @ ..] if !name.is_empty() && chars::all(name, chars::ASTRING))
    }

    /// Appends it as servers may.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if self.is_flag() {
            out.extend_from_slice(self.as_bytes());
        } else {
            write_astring(out, self.as_bytes());
        }
    }

    pub(crate) fn put(&self, e: &mut Writer<'_>) {
        if self.is_flag() { e.put(self.as_bytes()) } else { e.astring_bytes(self.as_bytes()) }
    }
}

/// `STORE` and `UID STORE` of labels: `X-GM-LABELS`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GmailStore {
    /// Which messages; UIDs make it `UID STORE`.
    pub messages: Messages,
    /// What is done with the labels.
    pub action: StoreAction,
    /// `.SILENT`: the server need not tell the new labels.
    pub silent: bool,
    /// The labels.
    pub labels: Vec<GmailLabel>,
    /// `UNCHANGEDSINCE`: only messages that did not change since ([RFC 7162 section
    /// 3.1.3](https://www.rfc-editor.org/rfc/rfc7162#section-3.1.3)).
    pub unchanged_since: Option<ModSeq>,
}

impl GmailStore {
    /// Changes labels of these messages.
    #[inline]
    #[must_use]
    pub fn new(
        messages: impl Into<Messages>,
        action: StoreAction,
        labels: impl Into<Vec<GmailLabel>>,
    ) -> Self {
        Self {
            messages: messages.into(),
            action,
            silent: false,
            labels: labels.into(),
            unchanged_since: None,
        }
    }

    /// What a server must have for it.
    pub(crate) fn needs(&self, needs: &mut Needs<'_>) {
        needs.add(Some(Need::of(&Capability::GmailExtensions)));
        needs.add(self.unchanged_since.map(|_| condstore::needs_condstore()));
        needs.add(self.messages.needs());
    }

    /// ```text
    /// [".SILENT"] SP "(" [label *(SP label)] ")"
    /// ```
    ///
    /// After the name of the item.
    pub(crate) fn read(
        messages: Messages,
        action: StoreAction,
        r: &mut Reader<'_>,
    ) -> Result<Self, ParseError> {
        let silent = r.eat_ignore_case(".SILENT");
        r.space()?;
        r.expect(b'(', "expected a list of labels")?;
        let labels = r.list_of(GmailLabel::read)?;
        Ok(Self { messages, action, silent, labels, unchanged_since: None })
    }

    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        write_messages(&self.messages, self.unchanged_since, e);
        e.put(match self.action {
            StoreAction::Replace => b" X-GM-LABELS",
            StoreAction::Add => b" +X-GM-LABELS",
            StoreAction::Remove => b" -X-GM-LABELS",
        });
        e.put(if self.silent { b".SILENT (" } else { b" (" });
        e.spaced(&self.labels, |e, label| label.put(e));
        e.put(b")");
    }
}

setters!(const GmailStore {
    with_silent(silent: bool),
    with_unchanged_since(unchanged_since: some ModSeq),
});

impl From<GmailStore> for Command {
    fn from(store: GmailStore) -> Self {
        Self::StoreLabels(Box::new(store))
    }
}

#[cfg(feature = "arbitrary")]
mod arbitrary {
    use ::arbitrary::{Arbitrary, Result, Unstructured};
    use mailwire_core::Text;

    use super::{GmailLabel, GmailStore};
    use crate::command::{
        StoreAction,
        arbitrary::{maybe, messages, some, text},
    };

    impl<'a> Arbitrary<'a> for GmailLabel {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let all = [Self::INBOX, Self::IMPORTANT, Self::unchecked(Text::from_static("\\a b"))];
            let own = u.choose(&all)?;
            let name = maybe(u, text)?.map(|mut name| {
                name.retain(u8::is_ascii);
                name
            });
            Ok(name.map_or_else(|| own.clone(), |name| Self::unchecked(Text::from(name))))
        }
    }

    impl<'a> Arbitrary<'a> for GmailStore {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let labels = maybe(u, |u| some(u, |u| u.arbitrary()))?.unwrap_or_default();
            let store = Self::new(messages(u)?, StoreAction::arbitrary(u)?, labels);
            let store = Self { unchanged_since: maybe(u, |u| u.arbitrary())?, ..store };
            Ok(store.with_silent(u.arbitrary()?))
        }
    }
}
