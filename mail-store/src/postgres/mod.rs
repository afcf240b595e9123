//! A store in a PostgreSQL database, for any number of servers, on any number of machines, over one store of mail.
//!
//! It is the [`Authenticator`](mailwire_transport::sasl::Authenticator) of its users, too. PostgreSQL has to be of version 13
//! or later. The tables are made in the schema that a connection begins in; nothing else may be there. Another one than
//! `public` is named by the URL: `postgres://mail@db.example.org/mail?options=-csearch_path%3Dmail`.
//!
//! # Examples
//!
//! ```no_run
//! use mailwire_store::{BodyWriter, MailboxPath, Store, Target, postgres::PostgresStore};
//!
//! # async fn run() -> mailwire_store::Result<()> {
//! let store = PostgresStore::connect("postgres://mail:secret@localhost/mail").await?;
//! let ada = store.add_user("ada", "secret").await?;
//!
//! let mut body = store.body(&[ada], None).await?;
//! body.write("Subject: Hello\r\n\r\nHi!\r\n".into()).await?;
//! let body = body.finish().await?;
//! store.deliver(body, &[Target::inbox(ada)]).await;
//!
//! // Another server, wherever it runs, has it, too.
//! let other = PostgresStore::connect("postgres://mail:secret@localhost/mail").await?;
//! assert_eq!(other.mailbox(ada, &MailboxPath::inbox()).await?.messages, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # How servers work together
//!
//! What has to be decided once is decided in the database: UIDs and mod-sequences, quotas, who has the maildrop of POP3 and who
//! may log in there again. The line of an account is its lock, from the first statement of a change to its commit; different accounts do not wait for
//! each other. All changes of an account that wait in one server are one transaction, of two round trips. Messages that are
//! delivered to INBOX, of any accounts, are written by one statement as far as they wait at one time: worked out from what was
//! seen without a lock, and each account's part only if its line is still the same.
//!
//! After a change, other servers are told by NOTIFY, so that sessions that wait (IDLE, NOTIFY) wake at once. A hint that
//! was lost costs a second: so often each server asks how far the accounts are that its sessions wait for. A maildrop whose
//! server has died is free after a minute.
//!
//! Bodies of messages are in the database, in pieces of 256 KiB. There are no other files, and none is needed. With the
//! feature `object-store`, large ones can be in an object store instead: `Config::with_objects`. There, too, a message that
//! was answered OK is stored before; what is not needed any more is removed [later](Config::kept_for) than its last line in the
//! database.
//!
//! # TLS
//!
//! [`Config::with_tls`] takes a configuration of rustls. With it, `sslmode=require` in the URL takes nothing but TLS; without
//! it, a server that wants TLS is refused. Over a network without it, passwords and mail go in the clear.
//!
//! # When it fails
//!
//! A server that is away, or starts again, is waited for: [`Config::wait`], then [`Error::NotDone`]. [`Error::Unknown`]: the
//! connection broke while a change was committed; a delivery is asked for again, and not made twice. [`Error::Full`]: no
//! room on the server's disk. The services tell clients to try again later in all cases. Whether an answer waits for the
//! disk is the setting `synchronous_commit` of the server.
//! [`PostgresStore::connect`] refuses a database whose tables are of a newer version of this crate.
//!
//! # Replicas and backups
//!
//! Servers connect to the primary alone: a replica has a change later than the notification of it, and is refused. Where the URL
//! names several hosts, the one is taken that can be written. **After a restored
//! backup, or a promoted replica that was not synchronous, UIDs are given a second time**:
//! [`PostgresStore::renew_uid_validity`] has to be called once, with no server running, before it is served. Bodies in an object store that were
//! removed since that backup are gone: [`Config::kept_for`] longer than backups are kept, or a bucket that keeps versions, prevents it.

mod annotations;
mod bodies;
mod change;
mod connect;
mod feed;
mod hints;
mod leases;
mod lines;
mod mailboxes;
mod messages;
#[cfg(not(feature = "object-store"))]
#[path = "no_objects.rs"]
mod objects;
#[cfg(feature = "object-store")]
mod objects;
mod rooms;
mod rows;
mod save;
mod schema;
mod sql;
mod store;
mod sweep;
mod together;
mod tx;
mod users;

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mailwire_core::{Secret, setters};
use mailwire_transport::sasl::{DEFAULT_MECHANISMS, Mechanism};
use rustls::ClientConfig;
use tokio::time::Instant;
use tokio_postgres::Row as Line;

#[cfg(feature = "object-store")]
pub use self::objects::Objects;
pub use self::{
    bodies::{Reader, Writer},
    leases::Held,
};
/// The crate `object_store`, in the version that [`Objects`] takes.
#[cfg(feature = "object-store")]
pub use object_store;

pub use crate::kept::watch::Watch;

use self::{
    change::{Lanes, Needs},
    connect::Connector,
    hints::{Hints, Tasks},
    leases::Leases,
    rooms::Rooms,
    save::Part,
    sql::{Conn, Failure, Query, get, int, lines as of, query},
    together::{Look, Queue},
};
use crate::{
    Error, MailboxId, Result,
    kept::{coming::Coming, limits::Limits, maps::Maps, mod_seq},
};

/// So many numbers of bodies are left out after the database went back to an earlier state.
const SKIPPED: i64 = 1 << 32;

/// From so many UIDs on the map of a mailbox is kept.
const MAPPED: u32 = 1 << 13;

/// How often it is looked whether there is something to be swept.
const SWEEP: Duration = Duration::from_secs(10);

/// What a [`PostgresStore`] may cost, and what its users may have.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Config {
    /// Bytes of all messages of a user, and of keywords. Room for a message that is on its way in is kept, by the server
    /// that it comes to. 1 GiB by default.
    pub bytes: u64,
    /// Bytes of all messages that are on their way in at one time, for all users of this server together. 256 MiB by
    /// default.
    pub coming: u64,
    /// Messages of a user: 1,000,000 by default.
    pub messages: u64,
    /// Mailboxes of a user, and subscriptions: 1000 by default.
    pub mailboxes: usize,
    /// Bytes of all annotations of a user: 1 MiB by default.
    pub annotations: u64,
    /// Whether users can change their own limits, up to these. False by default.
    pub set_quota: bool,
    /// The domains whose mail is for the users of this store. Empty, the default: any.
    pub domains: Vec<String>,
    /// The mechanisms that are offered to those who log in. By default all that a password is enough for; without the
    /// `-PLUS` ones, clients that cannot bind to the TLS channel and choose them all the same get in. With CRAM-MD5 the
    /// passwords themselves are kept beside what they are checked against.
    pub mechanisms: Vec<Mechanism>,
    /// Connections of this server to the database at one time: 16 by default. Two more are for hints.
    pub connections: usize,
    /// How long it is waited for a database that is away, and for those who have locked what is to be changed: 5 seconds by
    /// default.
    pub wait: Duration,
    /// How long a body is kept after its last message is gone, so that a client can read to the end what it has begun: an
    /// hour by default. That long after its last piece, what was never delivered is removed, too: so it has to be longer
    /// than any message is on its way in without a pause, alike for all servers of one database.
    pub kept_for: Duration,
    /// How TLS is spoken with the database, by whose crypto provider, and which servers are trusted. `None`, the default:
    /// not at all.
    pub tls: Option<Arc<ClientConfig>>,
    /// Where large bodies are. `None`, the default: in the database, as all others.
    #[cfg(feature = "object-store")]
    pub objects: Option<Objects>,
}

impl Config {
    /// What it is by default.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: 1 << 30,
            coming: 256 << 20,
            messages: 1_000_000,
            mailboxes: 1000,
            annotations: 1 << 20,
            set_quota: false,
            domains: Vec::new(),
            mechanisms: DEFAULT_MECHANISMS.to_vec(),
            connections: 16,
            wait: Duration::from_secs(5),
            kept_for: Duration::from_secs(3600),
            tls: None,
            #[cfg(feature = "object-store")]
            objects: None,
        }
    }

    const fn limits(&self) -> Limits {
        Limits {
            bytes: self.bytes,
            messages: self.messages,
            mailboxes: self.mailboxes,
            annotations: self.annotations,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

setters!(const Config {
    with_bytes(bytes: u64),
    with_coming(coming: u64),
    with_messages(messages: u64),
    with_mailboxes(mailboxes: usize),
    with_annotations(annotations: u64),
    with_set_quota(set_quota: bool),
    with_connections(connections: usize),
    with_wait(wait: Duration),
    with_kept_for(kept_for: Duration),
});

setters!(Config {
    with_domains(domains: Vec<String>),
    with_mechanisms(mechanisms: Vec<Mechanism>),
    with_tls(tls: Option<Arc<ClientConfig>>),
});

#[cfg(feature = "object-store")]
setters!(Config {
    with_objects(objects: Option<Objects>),
});

/// Users and their mail, in one database. Cloning gives another handle of one store.
///
/// Its calls run on a runtime of tokio. See the [module](self).
#[derive(Debug, Clone)]
pub struct PostgresStore {
    inner: Arc<Inner>,
    /// They end with the last handle.
    _tasks: Arc<Tasks>,
}

#[derive(Debug)]
struct Inner {
    config: Arc<Config>,
    connector: Connector,
    coming: Arc<Coming>,
    lanes: Lanes,
    looks: Queue<Look>,
    parts: Queue<Part>,
    rooms: Rooms,
    maps: Maps,
    hints: Arc<Hints>,
    leases: Leases,
    decoy_key: Secret,
    /// The numbers of bodies that are this process'.
    blobs: Mutex<Range<i64>>,
    /// One sweeps at a time.
    sweeping: tokio::sync::Mutex<()>,
    /// The accounts of mailboxes, which never change.
    owners: Known<i64>,
    /// Those of whole names: an account neither goes nor gets another one.
    named: Known<String>,
}

impl PostgresStore {
    /// Connects with a database, whose tables are made if there are none, with what [`Config`] has by default.
    ///
    /// # Errors
    ///
    /// As [`connect_with`](Self::connect_with).
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, Config::new()).await
    }

    /// Connects with a database, whose tables are made if there are none, or brought up to date. The URL is as
    /// [libpq](https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING) has it:
    /// `postgres://user:password@host/database`, or `host=/var/run/postgresql user=mail dbname=mail`.
    ///
    /// # Errors
    ///
    /// [`Error::NotDone`]: this is no such URL; the server cannot be reached, or lets nobody in by it; something else is in
    /// the schema, or tables of a newer version of this crate.
    pub async fn connect_with(url: &str, config: Config) -> Result<Self> {
        let connector = Connector::new(url, config.tls.as_deref().cloned(), &config)?;
        let known = schema::migrate(&connector.connect().await?).await?;
        let hints = Arc::new(Hints::default());
        let mut tasks = Tasks::start(&hints, &connector, &known.channel);
        let inner = Arc::new(Inner {
            coming: Arc::new(Coming::new(config.coming)),
            rooms: Rooms::new(config.coming),
            maps: Maps::new(MAPPED),
            config: Arc::new(config),
            connector,
            lanes: Lanes::default(),
            looks: Queue::default(),
            parts: Queue::default(),
            hints,
            leases: Leases::default(),
            decoy_key: known.decoy_key.into(),
            blobs: Mutex::new(0..0),
            sweeping: tokio::sync::Mutex::default(),
            owners: Known::default(),
            named: Known::default(),
        });
        let weak = Arc::downgrade(&inner);
        let sweeps = tokio::spawn(async move {
            while let Some(inner) = weak.upgrade() {
                if let Err(failure) = inner.sweep_all().await {
                    let error = failure.not_done();
                    tracing::warn!(%error, "what nobody needs cannot be removed now");
                }
                let every = SWEEP.min(inner.config.kept_for.max(Duration::from_secs(1)));
                drop(inner);
                tokio::time::sleep(every).await;
            }
        });
        tasks.add(sweeps.abort_handle());
        Ok(Self { inner, _tasks: Arc::new(tasks) })
    }

    /// Removes at once what nobody needs: bodies without a message, as far as [`Config::kept_for`] has passed for them, and
    /// what is left of mailboxes that were deleted. In time that is done by itself.
    ///
    /// # Errors
    ///
    /// The database cannot be written.
    pub async fn sweep(&self) -> Result<()> {
        self.inner.sweep_all().await.map_err(Failure::not_done)
    }

    /// Gives all mailboxes new UIDVALIDITYs, so that clients forget what they know of UIDs, and leaves out numbers of bodies
    /// that may have been given: to be called once after the database was restored from a backup, or a replica was promoted
    /// that may lack what was answered, before it is served.
    ///
    /// # Errors
    ///
    /// The database cannot be written. Some accounts may have new ones then.
    pub async fn renew_uid_validity(&self) -> Result<()> {
        let accounts = self.inner.ask(vec![query!("SELECT id FROM account ORDER BY id")]).await?;
        // Servers may have numbers for bodies that are about to be given once more.
        self.inner.apply(vec![query!("SELECT setval('blob_id', nextval('blob_id')+$1)", SKIPPED)]).await?;
        for line in of(&accounts, 0) {
            let renew = self.inner.change(get(line, 0)?, Needs::default(), |tx| {
                Box::pin(async move {
                    let text = "SELECT id FROM mailbox WHERE account=$1 AND gone IS NULL ORDER BY id";
                    let found = tx.read(vec![query!(text, tx.account.id)]).await?;
                    let change = tx.account.next_change();
                    for line in of(&found, 0) {
                        let mut folder = tx.folder(get(line, 0)?).await?;
                        folder.info.mod_seq = mod_seq(change);
                        let uid_validity = i64::from(tx.account.uid_validity().get());
                        tx.write(query!(
                            "UPDATE mailbox SET uid_validity=$2 WHERE id=$1",
                            folder.id,
                            uid_validity
                        ));
                        tx.put(folder);
                    }
                    Ok(())
                })
            });
            renew.await?;
        }
        Ok(())
    }
}

/// What a commit that failed is told as.
fn in_doubt(failure: Failure) -> Error {
    match failure {
        Failure::Lost(text) => Error::Unknown(text),
        failure => failure.not_done(),
    }
}

impl Inner {
    fn blobs(&self) -> MutexGuard<'_, Range<i64>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection of the pool.
    async fn conn(&self) -> Result<Conn, Failure> {
        use deadpool_postgres::{HookError, PoolError};
        match self.connector.pool.get().await {
            Ok(object) => Ok(Conn::new(object)),
            Err(PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error))) => {
                Err(error.into())
            }
            Err(error) => Err(Failure::Lost(error.to_string())),
        }
    }

    /// Looks, with all statements in one snapshot. A database that is away is waited for.
    async fn ask(&self, queries: Vec<Query>) -> Result<Vec<Vec<Line>>> {
        let mut patience = Patience::new(self.config.wait);
        loop {
            let asked = match self.conn().await {
                Ok(mut conn) => conn.look(&queries).await,
                Err(failure) => Err(failure),
            };
            match asked {
                Ok(found) => return Ok(found),
                Err(failure) => patience.wait(failure).await.map_err(Failure::not_done)?,
            }
        }
    }

    /// Writes, by one transaction, what can be written twice. A database that is away is waited for.
    async fn apply(&self, queries: Vec<Query>) -> Result<()> {
        self.apply_and_read(queries).await.map(drop)
    }

    /// As [`apply`](Self::apply), and gives what the statements gave.
    async fn apply_and_read(&self, queries: Vec<Query>) -> Result<Vec<Vec<Line>>> {
        let mut patience = Patience::new(self.config.wait);
        loop {
            let applied = match self.conn().await {
                Ok(mut conn) => conn.apply(&queries).await,
                Err(failure) => Err(failure),
            };
            match applied {
                Ok(found) => return Ok(found),
                Err(failure) => patience.wait(failure).await.map_err(Failure::not_done)?,
            }
        }
    }

    /// Whose a mailbox is.
    async fn owner(&self, mailbox: MailboxId) -> Result<i64> {
        let id = int(mailbox.get());
        if let Some(owner) = self.owners.get(&id) {
            return Ok(owner);
        }
        let look = query!("SELECT account FROM mailbox WHERE id=$1 AND gone IS NULL", id);
        let found = self.ask(vec![look]).await?;
        let owner = get(of(&found, 0).first().ok_or(Error::NoSuchMailbox)?, 0)?;
        self.owners.put(id, owner);
        Ok(owner)
    }
}

/// Accounts that are remembered.
#[derive(Debug)]
struct Known<K>(Mutex<HashMap<K, i64>>);

impl<K> Default for Known<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + std::hash::Hash> Known<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get<Q: Eq + std::hash::Hash + ?Sized>(&self, key: &Q) -> Option<i64>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.lock().get(key).copied()
    }

    fn put(&self, key: K, account: i64) {
        /// So many are remembered.
        const MOST: usize = 100_000;
        let mut known = self.lock();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, account);
    }
}

/// How long a database is waited for that is away, or where others are in the way.
struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    fn new(time: Duration) -> Self {
        Self { until: Instant::now() + time, pause: Duration::from_millis(2) }
    }

    /// Waits a little. Gives the failure back if it is final, or has lasted too long.
    async fn wait(&mut self, failure: Failure) -> Result<(), Failure> {
        if matches!(failure, Failure::Refused(_)) || Instant::now() + self.pause >= self.until {
            return Err(failure);
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(200));
        Ok(())
    }
}
