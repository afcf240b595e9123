//! Any store as a POP3 service.

use std::time::Duration;

use mailwire_imap::types::UidValidity;
use mailwire_pop3::UniqueId;
use mailwire_transport::{
    Budget,
    pop3::server::{Entry, Maildrop, Refusal, Service},
    sasl::{Authenticator, Identity},
    server::Content,
};

use crate::{
    Error, Fields, Lease, MAX_CHANGED, MailboxId, MailboxPath, Result, Row, Store, Uids, Which,
    content::{Contents, content},
    service::over_store,
};

/// So many rows are asked of a store at once.
const ROWS: u32 = 1000;
/// What it costs to tell of a message, in bytes that are looked at.
const TOLD: u64 = 64;
/// A lease whose holder has died ends after this.
const LEASE: Duration = Duration::from_secs(60);

over_store! {
    /// A POP3 service over any [`Store`], for a [`pop3::Server`](mailwire_transport::pop3::Server): the
    /// maildrop is INBOX.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use mailwire_store::{Pop3Service, memory::MemoryStore};
    /// use mailwire_transport::{Result, Security, pop3, server::Listener, tls::ServerTls};
    /// use tokio_util::sync::CancellationToken;
    ///
    /// # async fn run(store: MemoryStore, tls: ServerTls) -> Result<()> {
    /// let server = pop3::Server::new(Pop3Service::new(store));
    /// let listener = Listener::bind("[::]:995", Security::implicit_tls(), Some(tls)).await?;
    /// server.serve(listener, CancellationToken::new()).await
    /// # }
    /// ```
    Pop3Service
}

impl<S: Store, A: Authenticator + 'static> Service for Pop3Service<S, A> {
    type Maildrop = Pop3Maildrop<S>;
    type Authenticator = A;

    fn authenticator(&self) -> &A {
        &self.authenticator
    }

    async fn open(&self, identity: &Identity) -> Result<Pop3Maildrop<S>, Refusal> {
        Ok(Pop3Maildrop::open(self.store.clone(), &identity.acting_as).await?)
    }
}

/// The messages of an INBOX as they were when it was leased (RFC 1939 section 8). The lease ends with this
/// value.
///
/// Nothing is deleted before QUIT. IMAP sessions go on meanwhile.
pub struct Pop3Maildrop<S: Store> {
    store: S,
    inbox: MailboxId,
    uid_validity: UidValidity,
    rows: Vec<Row>,
    _held: S::Held,
}

impl<S: Store> Pop3Maildrop<S> {
    async fn open(store: S, user: &str) -> Result<Self> {
        let account = store.account(user).await?;
        let held = store.lease(account, Lease::Maildrop, LEASE).await?;
        let inbox = store.mailbox(account, &MailboxPath::inbox()).await?.id;
        let opened = store.open(inbox, None).await?;
        let mut rows = Vec::new();
        for page in opened.uids.pages(ROWS) {
            // A store in memory waits for nothing.
            tokio::task::yield_now().await;
            rows.extend(store.messages(inbox, &page, Fields::new(), usize::MAX).await?);
        }
        Ok(Self { store, inbox, uid_validity: opened.mailbox.uid_validity, rows, _held: held })
    }
}

impl<S: Store> std::fmt::Debug for Pop3Maildrop<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pop3Maildrop").field("messages", &self.rows.len()).finish_non_exhaustive()
    }
}

impl<S: Store> Maildrop for Pop3Maildrop<S> {
    type Reader = Contents<S::Reader>;

    async fn messages(&mut self) -> Result<Vec<Entry>, Refusal> {
        let (mut entries, mut turns) = (Vec::with_capacity(self.rows.len()), Budget::unlimited());
        for row in &self.rows {
            let _ = turns.spend(TOLD).await;
            let unique_id = format!("{:08x}{:08x}", self.uid_validity.get(), row.uid.get());
            let unique_id = UniqueId::new(unique_id).map_err(|_| Refusal::unavailable())?;
            entries.push(Entry::new(row.size, unique_id));
        }
        Ok(entries)
    }

    async fn retr(&mut self, index: usize) -> Result<Content<Self::Reader>, Refusal> {
        let row = self.rows.get(index).ok_or(Error::NoSuchBody)?;
        Ok(content(&self.store, row, 0..row.size).await?)
    }

    async fn commit(self, deleted: Vec<usize>) -> Result<(), Refusal> {
        let uids: Uids =
            deleted.into_iter().filter_map(|index| self.rows.get(index)).map(|row| row.uid).collect();
        for page in uids.pages(MAX_CHANGED) {
            tokio::task::yield_now().await;
            self.store.expunge(self.inbox, &page, Which::All).await?;
        }
        Ok(())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::InUse => Self::in_use(),
            Error::NotDone(_) | Error::Unknown(_) => {
                tracing::warn!(%error, "the store failed");
                Self::unavailable()
            }
            error => Self::new(error.to_string()),
        }
    }
}
