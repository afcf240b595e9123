//! Any store as a POP3 service.

use std::time::{Duration, SystemTime};

use mailwire_imap::types::UidValidity;
use mailwire_pop3::UniqueId;
use mailwire_transport::{
    Budget,
    pop3::{
        proto::ResponseCode,
        server::{Entry, Expire, Maildrop, Policy, Refusal, Service, Utf8},
    },
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
/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;
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
    Pop3Service,
    utf8: Utf8 = Utf8::Surrogate,
    policy: Policy = Policy::new(),
    now: fn() -> SystemTime = SystemTime::now
}

impl<S, A> Pop3Service<S, A> {
    /// Says what clients without UTF8 get of messages with text beyond ASCII in their headers. By default UTF8 is
    /// offered, and they get a [surrogate](Utf8::Surrogate).
    #[must_use]
    pub const fn with_utf8(mut self, utf8: Utf8) -> Self {
        self.utf8 = utf8;
        self
    }

    /// Announces EXPIRE and LOGIN-DELAY, and keeps them, alike for all users. Of [`Expire::Days`] other than 0 the days
    /// count from when a message was put into INBOX, and what is older is deleted at the next POP3 login. None by
    /// default.
    #[must_use]
    pub const fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Takes the time from here, in place of the system's clock, to tell how old messages are.
    #[must_use]
    pub const fn with_clock(mut self, now: fn() -> SystemTime) -> Self {
        self.now = now;
        self
    }
}

impl<S: Store, A: Authenticator + 'static> Service for Pop3Service<S, A> {
    type Maildrop = Pop3Maildrop<S>;
    type Authenticator = A;

    fn authenticator(&self) -> &A {
        &self.authenticator
    }

    async fn open(&self, identity: &Identity) -> Result<Pop3Maildrop<S>, Refusal> {
        let lasts = match self.policy.expire {
            Some(Expire::Days(days @ 1..)) => Some(Duration::from_secs(u64::from(days) * DAY)),
            _ => None,
        };
        let expired = lasts.and_then(|lasts| (self.now)().checked_sub(lasts));
        Pop3Maildrop::open(self.store.clone(), &identity.acting_as, expired, self.policy.login_delay).await
    }

    fn utf8(&self) -> Utf8 {
        self.utf8
    }

    fn policy(&self) -> Policy {
        self.policy
    }

    /// The store does: it knows who has logged in at other servers over it.
    fn keeps_login_delay(&self) -> bool {
        true
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
    /// `expired`: what was put there before is deleted. `delay`: so long it is to the next login.
    async fn open(
        store: S,
        user: &str,
        expired: Option<SystemTime>,
        delay: Option<Duration>,
    ) -> Result<Self, Refusal> {
        let account = store.account(user).await?;
        let held = store.lease(account, Lease::Maildrop, LEASE).await?;
        if let Some(delay) = delay {
            // Before the messages are listed, which costs most.
            match store.lease(account, Lease::Login, delay).await {
                Err(Error::InUse) => return Err(Refusal::login_delay()),
                leased => drop(leased?),
            }
        }
        let inbox = store.mailbox(account, &MailboxPath::inbox()).await?.id;
        let opened = store.open(inbox, None).await?;
        let mut rows = Vec::new();
        for page in opened.uids.pages(ROWS) {
            // A store in memory waits for nothing.
            tokio::task::yield_now().await;
            let page = store.messages(inbox, &page, Fields::new(), usize::MAX).await?;
            let (old, kept): (Vec<_>, Vec<_>) =
                page.into_iter().partition(|row| expired.is_some_and(|expired| row.saved < expired));
            if !old.is_empty() {
                let old: Uids = old.into_iter().map(|row| row.uid).collect();
                store.expunge(inbox, &old, Which::All).await?;
            }
            rows.extend(kept);
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
            Error::Full | Error::NotDone(_) | Error::Unknown(_) => {
                tracing::warn!(%error, "the store failed");
                Self::unavailable()
            }
            Error::NoSuchAccount | Error::NoSuchMailbox | Error::Account(_) => {
                Self::new(error.to_string()).with_code(ResponseCode::SYS_PERM)
            }
            error => Self::new(error.to_string()),
        }
    }
}
