//! A store in one SQLite file, for mail that outlives the process.
//!
//! It needs no server beside it: SQLite is compiled in. What was answered OK survives `kill -9` and, as long as the disk
//! keeps what it says that it has, a power cut. It is the [`Authenticator`](mailwire_transport::sasl::Authenticator) of its
//! users, too.
//!
//! # Examples
//!
//! ```
//! use mailwire_store::{BodyWriter, MailboxPath, Store, Target, sqlite::{Config, SqliteStore}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> mailwire_store::Result<()> {
//! # let folder = std::env::temp_dir().join(format!("mailwire-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder).unwrap();
//! # let path = folder.join("doc.db");
//! # let _ = std::fs::remove_file(&path);
//! let store = SqliteStore::open(&path, Config::default())?;
//! let ada = store.add_user("ada", "secret").await?;
//!
//! let mut body = store.body(&[ada], None).await?;
//! body.write("Subject: Hello\r\n\r\nHi!\r\n".into()).await?;
//! let body = body.finish().await?;
//! store.deliver(body, &[Target::inbox(ada)]).await;
//! drop(store);
//!
//! // After the next start it is still there.
//! let store = SqliteStore::open(&path, Config::default())?;
//! let ada = store.account("ada").await?;
//! assert_eq!(store.mailbox(ada, &MailboxPath::inbox()).await?.messages, 1);
//! # drop(store);
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok(())
//! # }
//! ```
//!
//! # What it costs
//!
//! Changes wait for the disk together: up to 256 of them, of all sessions, are one transaction with one `fsync`. A look at a
//! mailbox runs on a thread for such work, in a short transaction of its own, and none is held while a client is waited
//! for. To select a mailbox is to read
//! the map of its UIDs, a bit for each; of large mailboxes it is kept, and what is new is put to it, so that to select one
//! again, to be told what is new in it, to deliver into it and to expunge from it go by
//! indexes, however many messages it has. Large bodies go in and out in
//! pieces of 256 KiB.
//!
//! # The index of texts
//!
//! SEARCH for a word in texts or headers reads each message. With [`Config::with_search_index`], it reads only those that
//! have all the sequences of three letters that are in the word: messages are put into an index for that (FTS5) after they were
//! delivered, in the background, and are read by searches as long as they are not in it. The answers are the same. Words of fewer
//! than three letters have no use of the index, nor has `FUZZY`; a message with more than a mebibyte of text, or of
//! 32 MiB in all, is always read. The file grows by about half of what the texts have, and to take mail takes about twice as
//! much work. The switch can be turned at each start, for a file of any age; [`SqliteStore::index`] waits until all is in
//! the index.
//!
//! # One process
//!
//! The file is for one process at a time. Others may read it, to back it up by `VACUUM INTO`, say. A second process that
//! writes breaks nothing, but the sessions of the first are not told of its changes, and a POP3 session of one does not keep
//! out those of the other. **A file that was restored from a backup gives UIDs a second time** that were given after that
//! backup was made: clients that keep mail have to be told by new UIDVALIDITYs, which is
//! [`SqliteStore::renew_uid_validity`].
//!
//! # When it fails
//!
//! [`Error::Full`]: there is no room on the disk. [`Error::NotDone`]: another process has
//! locked the file for longer than [`Config::wait`]; the file was removed, or replaced, while it was open; or it cannot be
//! read. [`Error::Unknown`]: the disk failed while a change was written. The services tell clients to
//! try again later in all cases. [`SqliteStore::open`] refuses a file of a newer version of this crate.

mod account;
mod annotations;
mod bodies;
mod feed;
mod folder;
mod index;
mod mailboxes;
mod messages;
mod schema;
mod sql;
mod store;
mod users;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mailwire_core::{Secret, setters};
use mailwire_transport::sasl::{DEFAULT_MECHANISMS, Mechanism};
use tokio::sync::Semaphore;

pub use self::bodies::{Reader, Writer};

use self::sql::{Sql, all, failed, get, one, params, run};
pub use crate::kept::{leases::Held, watch::Watch};
use crate::{
    Error, Result,
    kept::{coming::Coming, leases::Leases, limits::Limits, maps::Maps},
};

/// From so many UIDs on the map of a mailbox is kept.
const MAPPED: u32 = 1 << 16;

/// What a [`SqliteStore`] may cost, and what its users may have.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Config {
    /// Bytes of all messages of a user, and of keywords. Room for a message that is on its way in is kept. 1 GiB by default.
    pub bytes: u64,
    /// Bytes of all messages that are on their way in at one time, for all users together. 256 MiB by default.
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
    /// What an answer waits for: [`Synchronous::Full`] by default.
    pub synchronous: Synchronous,
    /// How many looks at the file there are at one time: 4 by default.
    pub readers: usize,
    /// How long it is waited for other processes that have locked the file: 5 seconds by default.
    pub wait: Duration,
    /// How long a body is kept after its last message is gone, so that a client can read to the end what it has begun: an
    /// hour by default. That long after the process died, what was on its way in then is removed, too.
    pub kept_for: Duration,
    /// Whether searches have an [index](self#the-index-of-texts): false by default.
    pub search_index: bool,
    /// To how many bytes the file may grow. `None`, the default: as far as the disk has room.
    pub max_file: Option<u64>,
}

/// What an answer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Synchronous {
    /// The disk has it: it survives a power cut.
    #[default]
    Full,
    /// The system has it: it survives the end of the process, but not a power cut. UIDs that were told would come again
    /// after one, as those of other messages.
    Normal,
    /// As `Normal`, and a power cut can break the file. For tests.
    Off,
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
            synchronous: Synchronous::default(),
            readers: 4,
            wait: Duration::from_secs(5),
            kept_for: Duration::from_secs(3600),
            search_index: false,
            max_file: None,
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
    with_synchronous(synchronous: Synchronous),
    with_readers(readers: usize),
    with_wait(wait: Duration),
    with_kept_for(kept_for: Duration),
    with_search_index(search_index: bool),
    with_max_file(max_file: Option<u64>),
});

setters!(Config {
    with_domains(domains: Vec<String>),
    with_mechanisms(mechanisms: Vec<Mechanism>),
});

/// Users and their mail, in one file. Cloning gives another handle of one store.
///
/// Its calls run on a runtime of tokio. See the [module](self).
#[derive(Debug, Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Arc<Config>,
    writer: Arc<writer::Writer>,
    coming: Arc<Coming>,
    path: PathBuf,
    maps: Maps,
    readers: Mutex<Vec<Sql>>,
    places: Arc<Semaphore>,
    decoy_key: Secret,
    /// The numbers of bodies that are this process': the next one, and the one after the last.
    blobs: Mutex<(i64, i64)>,
    leases: Leases,
    indexing: Mutex<index::Indexing>,
}

impl SqliteStore {
    /// Opens a file, which is made if there is none, and brings it up to date. It waits for the disk: to be called before
    /// a server is started, or on a thread of its own.
    ///
    /// Beside the file there are two others, with `-wal` and `-shm` at the end of their names. They belong to it while it
    /// is open, and after a crash until it was opened again. A file that is made here can be read by its owner alone, as
    /// those beside it: passwords and mail are in it.
    ///
    /// # Errors
    ///
    /// [`Error::NotDone`]: it is no such database, or that of a newer version of this crate; it cannot be read or written;
    /// its file system has no shared memory, as most of a network have not.
    pub fn open(path: impl AsRef<Path>, config: Config) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let sql = schema::open(&path, &config)?;
        let text = "SELECT value FROM setting WHERE name='decoy key'";
        let decoy_key = one(&sql, text, [], |line| get::<Vec<u8>>(line, 0))?;
        let config = Arc::new(config);
        let coming = Arc::new(Coming::new(config.coming));
        let writer = writer::Writer::new(sql, path.clone(), Arc::clone(&config), Arc::clone(&coming))?;
        Ok(Self {
            inner: Arc::new(Inner {
                places: Arc::new(Semaphore::new(config.readers.max(1))),
                config,
                writer: Arc::new(writer),
                coming,
                path,
                maps: Maps::new(MAPPED),
                readers: Mutex::default(),
                decoy_key: decoy_key.unwrap_or_default().into(),
                blobs: Mutex::new((0, 0)),
                leases: Leases::default(),
                indexing: Mutex::default(),
            }),
        })
    }

    /// Removes at once what nobody needs: bodies without a message, as far as [`Config::kept_for`] has passed for them, and
    /// what is left of mailboxes that were deleted. In time that is done after other changes by itself. The room in the
    /// file is used again; the file itself grows smaller by `VACUUM` alone.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub async fn sweep(&self) -> Result<()> {
        while self.inner.writer.change(|tx| tx.sweep()).await? {}
        Ok(())
    }

    /// Puts all that is not there yet into the [index](self#the-index-of-texts), which is done by itself after changes and
    /// searches with [`Config::with_search_index`].
    ///
    /// # Errors
    ///
    /// The file cannot be read or written. What was put there stays there.
    pub async fn index(&self) -> Result<()> {
        while self.inner.index_some().await? {}
        Ok(())
    }

    /// Gives all mailboxes new UIDVALIDITYs, so that clients forget what they know of UIDs: to be called once after the file
    /// was restored from a backup, before it is served.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub async fn renew_uid_validity(&self) -> Result<()> {
        let renew = self.inner.writer.change(|tx| {
            for id in all(tx.sql, "SELECT id FROM account", [], |line| get::<i64>(line, 0))? {
                let mut account = account::Account::load(tx.sql, id, tx.config)?;
                let change = account.next_change();
                for folder in folder::Folder::changed(tx.sql, id, 0)? {
                    let text = "UPDATE mailbox SET uid_validity=?2, modseq=?3 WHERE id=?1";
                    let validity = account.uid_validity().get();
                    run(tx.sql, text, params![folder.id, validity, sql::int(change)])?;
                }
                account.save(tx)?;
            }
            Ok(())
        });
        renew.await
    }
}

impl Inner {
    /// Looks at the file, in one snapshot, on a thread for such work.
    async fn look<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&Sql, &Config) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        // It is never closed.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let inner = Arc::clone(self);
        let looked = tokio::task::spawn_blocking(move || {
            let kept = inner.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let sql = match kept {
                Some(sql) => sql,
                None => schema::reader(&inner.path, &inner.config)?,
            };
            sql.prepare_cached("BEGIN").and_then(|mut begin| begin.execute([])).map_err(failed)?;
            let found = look(&sql, &inner.config);
            let ended =
                sql.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([])).map_err(failed);
            // One that failed is not used again.
            if ended.is_ok() {
                inner.readers.lock().unwrap_or_else(PoisonError::into_inner).push(sql);
            }
            drop(place);
            found
        });
        match looked.await {
            Ok(found) => found,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime ends, and this future with it.
            Err(_) => std::future::pending().await,
        }
    }

    /// A number for a body, which is never given again.
    async fn next_blob(&self) -> Result<i64> {
        /// So many are reserved at once.
        const SOME: i64 = 4096;
        loop {
            {
                let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
                if blobs.0 < blobs.1 {
                    blobs.0 += 1;
                    return Ok(blobs.0 - 1);
                }
            }
            let reserve = self.writer.change(|tx| {
                let text = "UPDATE counter SET value=value+?1 WHERE name='next blob' RETURNING value-?1";
                one(tx.sql, text, [SOME], |line| get::<i64>(line, 0))
            });
            let first = reserve.await?.ok_or_else(|| Error::NotDone("the database is broken".to_owned()))?;
            let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
            if blobs.0 >= blobs.1 {
                *blobs = (first, first.saturating_add(SOME));
            }
        }
    }
}
