//! A user's mail at hand, for tests and examples.

use std::{
    sync::{Arc, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;
use mailwire_core::{Text, setters};
use mailwire_imap::types::{FlagSet, Uid};

use super::{account::Account, bodies::Bodies};
use crate::{
    AccountId, Delivered, InternalDate, Mailbox, MailboxChange, MailboxPath, Result, Target,
    kept::references::references,
};

/// One user of a [`MemoryStore`](super::MemoryStore), without waiting. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct User {
    pub(super) account: Arc<Account>,
    pub(super) bodies: Arc<Bodies>,
}

/// A message for [`User::append`].
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Its bytes.
    pub raw: Bytes,
    /// Its first flags.
    pub flags: FlagSet,
    /// When it arrived.
    pub date: InternalDate,
}

impl NewMessage {
    /// A message that arrives now.
    #[must_use]
    pub fn new(raw: Bytes) -> Self {
        Self { raw, flags: FlagSet::new(), date: InternalDate::now() }
    }
}

setters!(NewMessage {
    with_flags(flags: FlagSet),
    with_date(date: InternalDate),
});

impl User {
    /// The user's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.account.name
    }

    /// The user's account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        AccountId::new(self.account.id.into())
    }

    /// Says that the user's name was another user's until then: mail for that one is not for this user ([RFC
    /// 7293](https://www.rfc-editor.org/rfc/rfc7293), see
    /// [`SmtpService::with_valid_since`](crate::SmtpService::with_valid_since)). Nobody had it by default.
    pub fn set_owner_since(&self, since: SystemTime) {
        *self.account.owner_since.lock().unwrap_or_else(PoisonError::into_inner) = Some(since);
    }

    /// Makes a mailbox, and those above it that are missing.
    ///
    /// # Errors
    ///
    /// The name is taken or is none, or the user has too many.
    pub fn create(&self, name: &str, special_use: Option<Text>) -> Result<()> {
        let change = MailboxChange::Create { path: MailboxPath::new(name)?, special_use };
        self.account.change(|state| state.alter(change)).map(drop)
    }

    /// Deletes a mailbox and its messages. Mailboxes below it stay.
    ///
    /// # Errors
    ///
    /// There is none, or it is INBOX.
    pub fn delete(&self, name: &str) -> Result<()> {
        let change = MailboxChange::Delete(MailboxPath::new(name)?);
        self.account.change(|state| state.alter(change)).map(drop)
    }

    /// What is in a mailbox.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn status(&self, name: &str) -> Result<Mailbox> {
        self.account.lock().mailbox(&MailboxPath::new(name)?)
    }

    /// The messages of a mailbox as they were received, in their order.
    ///
    /// # Errors
    ///
    /// There is no such mailbox.
    pub fn messages(&self, name: &str) -> Result<Vec<Bytes>> {
        let state = self.account.lock();
        let folder = state.folder(state.number(&MailboxPath::new(name)?)?)?;
        Ok(folder.messages.values().map(|message| message.body.raw.clone()).collect())
    }

    /// Puts a message into a mailbox.
    ///
    /// # Errors
    ///
    /// There is no such mailbox, or no room.
    pub fn append(&self, name: &str, message: NewMessage) -> Result<Delivered> {
        let path = MailboxPath::new(name)?;
        let body = self.bodies.keep(message.raw);
        let references = references(&body.raw);
        self.account.change(|state| {
            let number = state.number(&path)?;
            let mailbox = state.folder(number)?.info().id;
            let target = Target::mailbox(mailbox).with_flags(message.flags).with_date(Some(message.date));
            state.deliver(number, body, &references, &target)
        })
    }

    /// Puts a message into INBOX.
    ///
    /// # Errors
    ///
    /// There is no room.
    pub fn deliver(&self, raw: Bytes) -> Result<Uid> {
        self.append("INBOX", NewMessage::new(raw)).map(|delivered| delivered.uid)
    }

    /// Removes the messages of all mailboxes.
    #[cfg(feature = "testing")]
    pub(crate) fn clear(&self) {
        self.account.change(|state| {
            let numbers: Vec<u32> = state.folders.keys().copied().collect();
            let all = crate::Uids::range(Uid::MIN, Uid::MAX);
            for number in numbers {
                // There is nothing that could refuse it.
                let _ = state.expunge(number, &all, crate::Which::All);
            }
        });
    }
}
