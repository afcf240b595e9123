//! The user of a session, and the mailboxes that clients name.

use mailwire_imap::{extensions::acl::Rights, types::Uid};
use mailwire_transport::imap::server::Refusal;

use super::{rights, try_create};
use crate::{AccountId, BodyWriter, Delivered, Error, MailboxChange, MailboxId, MailboxPath, Store, Target};

/// Whose session it is.
pub(super) struct User<S> {
    pub(super) store: S,
    pub(super) account: AccountId,
}

impl<S: Store> User<S> {
    /// Whether this is the user of that name.
    pub(super) async fn is(&self, name: Option<&str>) -> bool {
        let Some(name) = name else { return false };
        self.store.account(name).await.is_ok_and(|account| account == self.account)
    }

    /// A user by name.
    pub(super) async fn other(&self, name: &str) -> Result<Option<Self>, Error> {
        match self.store.account(name).await {
            Ok(account) => Ok(Some(Self { store: self.store.clone(), account })),
            Err(Error::NoSuchAccount) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A mailbox that a client names.
    pub(super) async fn named(&self, name: &str) -> Result<crate::Mailbox, Error> {
        let path = MailboxPath::new(name).map_err(|_| Error::NoSuchMailbox)?;
        self.store.mailbox(self.account, &path).await
    }

    /// Stores messages that have come whole: all or none. Until then nothing of them stays, whatever happens.
    pub(super) async fn deliver(
        &self,
        written: Vec<(S::Writer, Target)>,
        replaced: Option<(MailboxId, Uid)>,
    ) -> Result<Vec<Delivered>, Refusal> {
        let store = &self.store;
        let mut ready = Vec::with_capacity(written.len());
        for (writer, target) in written {
            match writer.finish().await {
                Ok(body) => ready.push((body, target)),
                Err(error) => {
                    for (body, _) in ready {
                        store.deliver(body, &[]).await;
                    }
                    return Err(error.into());
                }
            }
        }
        store.deliver_all(&ready, replaced).await.map_err(try_create)
    }

    /// A mailbox that messages are put into.
    pub(super) async fn target(&self, name: &str) -> Result<crate::Mailbox, Refusal> {
        let mailbox = self.named(name).await.map_err(try_create)?;
        rights::check(mailbox.rights, Rights::INSERT)?;
        Ok(mailbox)
    }

    /// Refuses what takes other rights to a mailbox than there are. One that is not there is for the store to refuse.
    pub(super) async fn check(&self, path: &MailboxPath, needs: Rights) -> Result<(), Refusal> {
        match self.store.mailbox(self.account, path).await {
            Ok(mailbox) => rights::check(mailbox.rights, needs),
            Err(Error::NoSuchMailbox) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Refuses a new mailbox below one where none may be made: the nearest that is there decides ([RFC 4314 section
    /// 4](https://www.rfc-editor.org/rfc/rfc4314#section-4)).
    pub(super) async fn check_above(&self, path: &MailboxPath) -> Result<(), Refusal> {
        let mut parents: Vec<&str> = path.parents().collect();
        while let Some(parent) = parents.pop() {
            match self.named(parent).await {
                Ok(mailbox) => return rights::check(mailbox.rights, Rights::CREATE),
                Err(Error::NoSuchMailbox) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// A mailbox whose rights the user may see and change.
    pub(super) async fn administered(&self, name: &str) -> Result<MailboxId, Refusal> {
        let mailbox = self.named(name).await?;
        rights::check(mailbox.rights, Rights::ADMINISTER)?;
        Ok(mailbox.id)
    }

    /// A mailbox whose annotations the user may see and change; `None` for those of the account.
    pub(super) async fn annotated(&self, name: Option<&str>) -> Result<Option<MailboxId>, Refusal> {
        let Some(name) = name else { return Ok(None) };
        let mailbox = self.named(name).await?;
        rights::check_annotated(&mailbox)?;
        Ok(Some(mailbox.id))
    }

    pub(super) async fn alter(&self, change: MailboxChange) -> Result<(), Refusal> {
        Ok(self.store.alter(self.account, change).await.map(drop)?)
    }
}
