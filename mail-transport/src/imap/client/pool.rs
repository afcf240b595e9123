//! Connections that are kept.

use mailwire_imap::types::UidValidity;

use super::{Client, Config, Selected, ToMailbox};
use crate::{
    Error, Result,
    pool::{Lease, pooled},
};

pooled!("imap", |client| {
    let Client { session, inbox, .. } = client;
    session.look(|event| inbox.unclaimed(event))
});

/// A [`Pool`](crate::pool::Pool) of IMAP's clients.
pub type Pool = crate::pool::Pool<Client>;

impl Pool {
    /// Gives a connection on which a mailbox is selected, as [`get`](Self::get) does, and what the server says of the mailbox. It
    /// is selected anew in any case, so that what another call has left means nothing here.
    ///
    /// `known` is the UIDVALIDITY that the mailbox had when the caller learnt the UIDs that it is going to use: whoever goes on
    /// over another connection gives that of the [`Selected`] before.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(pool: mailwire_transport::imap::Pool) -> mailwire_transport::Result<()> {
    /// use mailwire_transport::{Error, imap::{Flag, FlagChange, SearchKey}};
    ///
    /// let (mut client, inbox) = pool.select("INBOX", None).await?;
    /// let unseen = client.uid_search([SearchKey::Unseen]).await?;
    /// drop(client);
    /// // Later:
    /// match pool.select("INBOX", inbox.uid_validity).await {
    ///     Ok((mut client, _)) => {
    ///         client.uid_store(&unseen, FlagChange::add([Flag::Seen])).await?;
    ///     }
    ///     Err(Error::UidValidity { .. }) => println!("these messages are not there any more"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get) and [`Client::select`]; [`Error::UidValidity`] if the mailbox is not the `known` one.
    pub async fn select(
        &self,
        mailbox: impl ToMailbox,
        known: Option<UidValidity>,
    ) -> Result<(Lease<Client>, Selected)> {
        let mailbox = mailbox.to_mailbox()?;
        let mut client = self.get().await?;
        let selected = match client.select(&mailbox).await {
            // It was lost while it was kept; nothing was changed by asking.
            Err(error) if client.is_reused() && !client.is_usable() && error.is_transient() => {
                drop(client);
                client = self.fresh().await?;
                client.select(&mailbox).await?
            }
            selected => selected?,
        };
        match known {
            Some(known) if selected.uid_validity != Some(known) => {
                let now = selected.uid_validity;
                Err(Error::UidValidity { mailbox: mailbox.to_string(), known, now })
            }
            _ => Ok((client, selected)),
        }
    }
}
