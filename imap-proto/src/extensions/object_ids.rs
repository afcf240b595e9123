//! OBJECTID+: identifiers in one list, accounts' among them (draft-ietf-mailmaint-imap-objectid-bis).
//!
//! The draft still changes; what is here is what servers do that have it. It begins with `ENABLE OBJECTID+`, or as its
//! items are used first: in STATUS ([`StatusAtt::ObjectIds`](crate::command::StatusAtt::ObjectIds)), in FETCH
//! ([`FetchAtt::ObjectIds`](crate::command::FetchAtt::ObjectIds)) and in SELECT
//! ([`Select::object_ids`](crate::command::Select::object_ids)), which can open a mailbox by its identifier.
//!
//! ```
//! use mailwire_imap::command::{Command, Request, Select, WriteOptions};
//! use mailwire_imap::extensions::object_ids::ObjectIds;
//! use mailwire_imap::types::{MailboxName, ObjectId, Tag};
//!
//! let known = ObjectIds::new().with_mailbox(ObjectId::mailbox(7));
//! let select = Select::new(MailboxName::new("Reports")?).with_object_ids(known);
//! let mut out = Vec::new();
//! Request { tag: Tag::new("a1")?, command: Command::Select(select) }.write(WriteOptions::default(), &mut out);
//! // Whatever it is called now.
//! assert_eq!(out, b"a1 SELECT Reports (OBJECTID (MAILBOXID F7))\r\n");
//! # Ok::<(), mailwire_core::Invalid>(())
//! ```

use alloc::vec::Vec;

use mailwire_core::{ParseError, Text, keywords, setters};

use crate::{
    capability::Capability,
    command::Need,
    types::{ObjectId, RawValue, Reader, chars},
};

/// Identifiers of one thing: of a mailbox and its account, or of a message and its thread. What is not known, or is no
/// identifier, is left out.
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ObjectIds {
    /// `MAILBOXID`: the mailbox, whatever its name.
    pub mailbox: Option<ObjectId>,
    /// `ACCOUNTID`: the account that the mailbox is in.
    pub account: Option<ObjectId>,
    /// `EMAILID`: the content of the message.
    pub email: Option<ObjectId>,
    /// `THREADID`: the thread of the message.
    pub thread: Option<ObjectId>,
}

keywords! {
    enum Key { Mailbox = "MAILBOXID", Account = "ACCOUNTID", Email = "EMAILID", Thread = "THREADID" }
}

/// What a server must have for any of it.
pub(crate) fn needs_object_ids() -> Need {
    Need::of(&Capability::ObjectIds)
}

impl ObjectIds {
    /// No identifiers: in SELECT, to be told those of the mailbox.
    #[must_use]
    pub const fn new() -> Self {
        Self { mailbox: None, account: None, email: None, thread: None }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::new()
    }

    /// ```text
    /// "(" [key SP value *(SP key SP value)] ")"
    /// key = "MAILBOXID" / "ACCOUNTID" / "EMAILID" / "THREADID" / atom
    /// ```
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let mut ids = Self::new();
        r.expect(b'(', "expected a list of identifiers")?;
        r.items(|r| {
            let key = r.text_class(chars::ATOM, "expected the name of an identifier")?;
            r.space()?;
            let value = RawValue::read(r)?;
            let id = ObjectId::new(Text::from(value.as_bytes())).ok();
            match Key::of(key.as_bytes()) {
                Some(Key::Mailbox) => ids.mailbox = id,
                Some(Key::Account) => ids.account = id,
                Some(Key::Email) => ids.email = id,
                Some(Key::Thread) => ids.thread = id,
                None => {}
            }
            Ok(())
        })?;
        Ok(ids)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut before = b'(';
        for (key, id) in [
            (Key::Mailbox, &self.mailbox),
            (Key::Account, &self.account),
            (Key::Email, &self.email),
            (Key::Thread, &self.thread),
        ] {
            if let Some(id) = id {
                out.push(before);
                out.extend_from_slice(key.as_str().as_bytes());
                out.push(b' ');
                out.extend_from_slice(id.as_bytes());
                before = b' ';
            }
        }
        if before == b'(' {
            out.push(b'(');
        }
        out.push(b')');
    }
}

setters!(ObjectIds {
    with_mailbox(mailbox: some ObjectId),
    with_account(account: some ObjectId),
    with_email(email: some ObjectId),
    with_thread(thread: some ObjectId),
});

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for ObjectIds {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let number = u.arbitrary()?;
        let mut ids = Self::new();
        if u.arbitrary()? {
            ids.mailbox = Some(ObjectId::mailbox(number));
        }
        if u.arbitrary()? {
            ids.account = Some(ObjectId::mailbox(u.arbitrary()?));
        }
        if u.arbitrary()? {
            ids.email = Some(ObjectId::email(number));
        }
        if u.arbitrary()? {
            ids.thread = Some(ObjectId::thread(number));
        }
        Ok(ids)
    }
}
