//! INBOX as POP3 sees it.

use std::sync::Arc;

use super::{account::Account, error::Refused, mailbox::Message};

/// A locked maildrop (RFC 1939 section 8): the messages of INBOX as they were when it was locked.
/// The lock ends with this value.
///
/// Nothing is deleted before [`commit`](Self::commit). IMAP sessions go on meanwhile.
#[derive(Debug)]
pub struct Maildrop {
    account: Arc<Account>,
    uid_validity: u32,
    messages: Vec<Message>,
}

impl Maildrop {
    pub(super) fn lock(account: Arc<Account>) -> Result<Self, Refused> {
        let mut state = account.lock();
        if state.maildrop_locked {
            return Err(Refused::Locked);
        }
        let inbox = state.mailbox("INBOX")?;
        let (uid_validity, messages) = (inbox.uid_validity, inbox.messages.values().cloned().collect());
        state.maildrop_locked = true;
        drop(state);
        Ok(Self { account, uid_validity, messages })
    }

    /// The messages, whose first is number 1 in POP3.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// What UIDL says of a message: the same in each session, and never given again.
    #[must_use]
    pub fn unique_id(&self, message: &Message) -> String {
        format!("{:08x}{:08x}", self.uid_validity, message.uid)
    }

    /// Deletes the messages with these indexes in [`messages`](Self::messages), and gives the lock
    /// back: POP3's UPDATE state.
    ///
    /// # Errors
    ///
    /// INBOX is gone.
    pub fn commit(self, deleted: impl IntoIterator<Item = usize>) -> Result<(), Refused> {
        let uids: Vec<u32> = deleted
            .into_iter()
            .filter_map(|index| self.messages.get(index))
            .map(|message| message.uid)
            .collect();
        let mut state = self.account.lock();
        let removed = state.opened("INBOX", self.uid_validity)?.remove(uids);
        state.forget(&removed);
        Ok(())
    }
}

impl Drop for Maildrop {
    fn drop(&mut self) {
        self.account.lock().maildrop_locked = false;
    }
}
