//! The selected mailbox, and what the client is told of it.

use mailwire_imap::{
    response::{Code, FetchData, MsgAtt, Reply, ReplyKind, Untagged},
    types::{Flag, FlagSet, Uid},
};

use super::{
    numbers::Numbers,
    refusal::{status, words},
    sending::{ServerDriver, push},
    service::Update,
};
use crate::Error;

/// The selected mailbox as the client knows it.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) numbers: Numbers,
    pub(super) read_only: bool,
    /// Messages that are gone, which the client cannot be told now.
    held: Vec<Uid>,
}

impl Open {
    pub(super) const fn new(numbers: Numbers, read_only: bool) -> Self {
        Self { numbers, read_only, held: Vec::new() }
    }

    /// A message's flags as this client is to see them.
    pub(super) fn shown(&self, uid: Uid, mut flags: FlagSet, rev2: bool) -> FlagSet {
        flags.remove(&Flag::Recent);
        if !rev2 && self.numbers.is_recent(uid) {
            flags.insert(Flag::Recent);
        }
        flags
    }

    /// The response that shows a message's flags. `None` if the client does not know the message.
    pub(super) fn flags(&self, uid: Uid, flags: FlagSet, with_uid: bool, rev2: bool) -> Option<Untagged> {
        let number = self.numbers.number(uid)?;
        let flags = MsgAtt::Flags(self.shown(uid, flags, rev2));
        let items = if with_uid { vec![MsgAtt::Uid(uid), flags] } else { vec![flags] };
        Some(Untagged::Fetch(FetchData::new(number, items)))
    }

    /// Tells what others did. EXPUNGE is held back where sequence numbers must not change (RFC 9051
    /// section 7.5.1).
    pub(super) async fn tell(
        &mut self,
        driver: &mut ServerDriver,
        updates: Vec<Update>,
        permits_expunge: bool,
    ) -> Result<(), Error> {
        let rev2 = driver.connection().is_rev2();
        let mut flags = Vec::new();
        let mut news = false;
        for update in updates {
            match update {
                Update::Added { uids, recent } => news |= self.numbers.add(uids, recent),
                Update::Expunged(uids) => self.held.extend(uids),
                Update::Flags(changed) => flags.extend(changed),
                Update::MailboxGone => {
                    let bye = status(ReplyKind::Bye, "The selected mailbox was deleted");
                    // If it cannot be said any more, the connection is at its end anyway.
                    let _ = driver.connection_mut().goodbye(bye);
                    return Ok(());
                }
                Update::Alert(text) => {
                    let alert = Reply::from_text(ReplyKind::Ok, words(&text)).with_code(Code::Alert);
                    push(driver, Untagged::Reply(alert)).await?;
                }
            }
        }
        if news {
            push(driver, Untagged::Exists(self.numbers.len())).await?;
            if !rev2 {
                push(driver, Untagged::Recent(self.numbers.recent())).await?;
            }
        }
        for (uid, flags) in flags {
            if let Some(data) = self.flags(uid, flags, true, rev2) {
                push(driver, data).await?;
            }
        }
        if permits_expunge && !self.held.is_empty() {
            let gone = std::mem::take(&mut self.held);
            self.expunge(driver, &gone).await?;
        }
        Ok(())
    }

    /// Tells that messages are gone, during a command that permits it.
    pub(super) async fn expunge(&mut self, driver: &mut ServerDriver, gone: &[Uid]) -> Result<(), Error> {
        for number in self.numbers.remove(gone) {
            push(driver, Untagged::Expunge(Some(number))).await?;
        }
        Ok(())
    }
}
