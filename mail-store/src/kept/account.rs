//! An account: its counter of changes, and what it has of what it may have.

use mailwire_imap::{extensions::quota::QuotaRoot, types::UidValidity};

use crate::{Error, InternalDate, Result, kept::limits::Limits};

/// What changes of an account. It is loaded, changed, and saved within one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) key: String,
    /// Counts the account's changes.
    pub(crate) mod_seq: u64,
    pub(crate) messages: u64,
    /// Of messages and keywords.
    pub(crate) bytes: u64,
    pub(crate) mailboxes: u64,
    /// Bytes of annotations.
    pub(crate) annotations: u64,
    pub(crate) limits: Limits,
    pub(crate) subscribed_at: u64,
    /// Up to this change it is not known any more which mailboxes are gone.
    pub(crate) gone_floor: u64,
    /// Up to this change it is not known any more which annotations were changed.
    pub(crate) annotated_floor: u64,
    pub(crate) last_uid_validity: u32,
    pub(crate) last_thread: u64,
    pub(crate) thread_keys: u64,
}

impl Account {
    pub(crate) const fn next_change(&mut self) -> u64 {
        self.mod_seq += 1;
        self.mod_seq
    }

    /// How many bytes may still be stored; in the place of a message of `replaced` bytes if there is one. `None`: there
    /// may be no more messages.
    pub(crate) fn room(&self, replaced: Option<u64>) -> Option<u64> {
        let messages = self.limits.messages.saturating_add(u64::from(replaced.is_some()));
        let bytes = self.limits.bytes.saturating_add(replaced.unwrap_or(0));
        (self.messages < messages).then(|| bytes.saturating_sub(self.bytes))
    }

    /// Counts messages that are about to be stored.
    pub(crate) fn reserve(&mut self, messages: u64, bytes: u64) -> Result<()> {
        let messages = self.messages.saturating_add(messages);
        let bytes = self.bytes.saturating_add(bytes);
        if messages > self.limits.messages || bytes > self.limits.bytes {
            return Err(Error::OverQuota);
        }
        (self.messages, self.bytes) = (messages, bytes);
        Ok(())
    }

    /// Counts messages that are gone.
    pub(crate) fn release(&mut self, messages: u64, bytes: u64) {
        self.messages = self.messages.saturating_sub(messages);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// The UIDVALIDITY of a new mailbox: a name that is used again must not bring old UIDs back.
    pub(crate) fn uid_validity(&mut self) -> UidValidity {
        let now = u32::try_from(InternalDate::now().seconds).unwrap_or(1);
        self.last_uid_validity = now.max(self.last_uid_validity.saturating_add(1));
        UidValidity::new(self.last_uid_validity).unwrap_or(UidValidity::MIN)
    }

    pub(crate) fn quota_root(&self) -> QuotaRoot {
        self.limits.quota_root(Limits {
            bytes: self.bytes,
            messages: self.messages,
            mailboxes: usize::try_from(self.mailboxes).unwrap_or(usize::MAX),
            annotations: self.annotations,
        })
    }
}
