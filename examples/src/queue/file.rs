//! The file of a queue: its tables, who runs it, and changes that wait for the disk together.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use super::QueueError;

/// The tables of the first version. A message whose last recipient is gone goes with it.
pub(super) const SCHEMA: &str = "
CREATE TABLE message(id INTEGER PRIMARY KEY AUTOINCREMENT, sender TEXT NOT NULL, arrived INTEGER NOT NULL,
    size INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE TABLE recipient(id INTEGER PRIMARY KEY AUTOINCREMENT, message INTEGER NOT NULL, address TEXT NOT NULL,
    next INTEGER NOT NULL, claimed INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
    interrupted INTEGER NOT NULL DEFAULT 0, warned INTEGER NOT NULL DEFAULT 0, why TEXT) STRICT;
CREATE INDEX recipient_due ON recipient(claimed, next);
CREATE INDEX recipient_message ON recipient(message);
CREATE TABLE total(messages INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
INSERT INTO total VALUES(0, 0);
CREATE TRIGGER message_comes AFTER INSERT ON message BEGIN
    UPDATE total SET messages=messages+1, bytes=bytes+new.size;
END;
CREATE TRIGGER message_goes AFTER DELETE ON message BEGIN
    UPDATE total SET messages=messages-1, bytes=bytes-old.size;
END;
CREATE TRIGGER recipient_goes AFTER DELETE ON recipient BEGIN
    DELETE FROM message WHERE id=old.message AND NOT EXISTS(SELECT 1 FROM recipient WHERE message=old.message);
END;
PRAGMA application_id=0x6d775175;
";

/// What the second version added: MAIL and RCPT as they were said, where that is more than the address.
const WISHES: &str = "
ALTER TABLE message ADD COLUMN mail TEXT;
ALTER TABLE recipient ADD COLUMN rcpt TEXT;
PRAGMA user_version=2;
";

/// What the third version added: until when messages are held back, which is known when they come, and whose they are; and which go first.
const HOLDS: &str = "
ALTER TABLE recipient ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
CREATE INDEX recipient_turn ON recipient(claimed, priority, next);
CREATE TABLE hold(message INTEGER PRIMARY KEY, sender TEXT NOT NULL, size INTEGER NOT NULL, until INTEGER NOT NULL) STRICT;
CREATE INDEX hold_sender ON hold(sender, until, size);
CREATE TRIGGER message_is_held_no_more AFTER DELETE ON message BEGIN
    DELETE FROM hold WHERE message=old.id;
END;
PRAGMA user_version=3;
";

/// What each version added.
const VERSIONS: [&str; 3] = [SCHEMA, WISHES, HOLDS];

/// Tells this file from those of other programs: `mwQu`.
const APPLICATION: i64 = 0x6d77_5175;

/// So long it is waited for another process that looks at the queue.
const PATIENCE: Duration = Duration::from_secs(10);

/// A change that waits for its turn. It says what came of it when that is on the disk, or is not.
type Job = Box<dyn FnOnce(Result<&Connection, QueueError>) -> Told + Send>;
type Told = Box<dyn FnOnce(Result<(), QueueError>) + Send>;

/// The file of a queue.
pub(super) struct File {
    path: PathBuf,
    sql: Mutex<Connection>,
    waiting: Mutex<Vec<Job>>,
}

/// Says that this process runs the queue, for as long as it lives. It ends with the process, however that ends.
#[derive(Debug)]
pub(super) struct Running {
    /// A transaction that excludes others. The system gives it up for a process that has died.
    _sql: Mutex<Connection>,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self, QueueError> {
        let sql = connect(path)?;
        let named = |error: rusqlite::Error| QueueError::File(format!("{}: {error}", path.display()));
        let number = |name: &str| sql.query_row(&format!("PRAGMA {name}"), [], |line| line.get::<_, i64>(0));
        match (number("application_id").map_err(named)?, number("user_version").map_err(named)?) {
            (APPLICATION, version) if (1..=VERSIONS.len() as i64).contains(&version) => {}
            (0, 0) => {
                let text = "SELECT count(*) FROM sqlite_schema";
                let tables: i64 = sql.query_row(text, [], |line| line.get(0)).map_err(named)?;
                if tables > 0 {
                    let why = format!("{}: it is the database of something else", path.display());
                    return Err(QueueError::File(why));
                }
            }
            (APPLICATION, _) => {
                return Err(QueueError::File(format!("{}: a later version made it", path.display())));
            }
            _ => {
                let why = format!("{}: it is the database of something else", path.display());
                return Err(QueueError::File(why));
            }
        }
        sql.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(())).map_err(named)?;
        sql.pragma_update(None, "synchronous", "FULL").map_err(named)?;
        sql.pragma_update(None, "journal_size_limit", 64 << 20).map_err(named)?;
        // Another process may make them, too.
        sql.execute_batch("BEGIN IMMEDIATE").map_err(named)?;
        let version =
            sql.query_row("PRAGMA user_version", [], |line| line.get::<_, i64>(0)).map_err(named)?;
        let missing = VERSIONS.iter().skip(usize::try_from(version).unwrap_or_default());
        let made = missing.copied().try_for_each(|added| sql.execute_batch(added));
        made.and_then(|()| sql.execute_batch("COMMIT")).map_err(named)?;
        Ok(Self { path: path.to_owned(), sql: Mutex::new(sql), waiting: Mutex::default() })
    }

    /// Excludes all other processes from running this queue.
    pub(super) fn run(&self) -> Result<Running, QueueError> {
        let mut name = OsString::from(&self.path);
        name.push("-running");
        let sql = connect(Path::new(&name))?;
        sql.busy_timeout(Duration::ZERO)?;
        match sql.execute_batch("BEGIN EXCLUSIVE") {
            Ok(()) => Ok(Running { _sql: Mutex::new(sql) }),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
                Err(QueueError::Busy)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Changes the file, together with others who want to at this time. It is done even if nobody waits for it any more.
    pub(super) async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&Connection) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |sql| {
            let done = sql.and_then(|sql| within_savepoint(sql, change));
            Box::new(move |committed: Result<(), QueueError>| drop(tell.send(committed.and(done))))
        });
        lock(&self.waiting).push(job);
        let file = Arc::clone(self);
        tokio::task::spawn_blocking(move || file.work());
        told.await.unwrap_or_else(|_| Err(QueueError::File("the change has come to no end".into())))
    }

    /// Changes the file on this thread.
    pub(super) fn change_now<T>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, QueueError>,
    ) -> Result<T, QueueError> {
        let sql = lock(&self.sql);
        sql.execute_batch("BEGIN IMMEDIATE")?;
        let done = within_savepoint(&sql, change);
        commit(&sql).and(done)
    }

    /// Does all that is waiting in one transaction. Whoever comes meanwhile waits for the next.
    fn work(&self) {
        let sql = lock(&self.sql);
        let jobs = std::mem::take(&mut *lock(&self.waiting));
        if jobs.is_empty() {
            return;
        }
        if let Err(error) = sql.execute_batch("BEGIN IMMEDIATE") {
            let error = QueueError::from(error);
            jobs.into_iter().for_each(|job| job(Err(error.clone()))(Ok(())));
            return;
        }
        let told: Vec<Told> = jobs.into_iter().map(|job| job(Ok(&sql))).collect();
        let committed = commit(&sql);
        drop(sql);
        told.into_iter().for_each(|tell| tell(committed.clone()));
    }
}

/// One change of a transaction: one that fails leaves nothing, and the others stay.
fn within_savepoint<T>(
    sql: &Connection,
    change: impl FnOnce(&Connection) -> Result<T, QueueError>,
) -> Result<T, QueueError> {
    sql.execute_batch("SAVEPOINT one")?;
    let done = change(sql);
    if done.is_err() {
        sql.execute_batch("ROLLBACK TO one")?;
    }
    sql.execute_batch("RELEASE one")?;
    done
}

fn commit(sql: &Connection) -> Result<(), QueueError> {
    sql.execute_batch("COMMIT").map_err(|error| {
        // There may be nothing left to roll back.
        let _ = sql.execute_batch("ROLLBACK");
        error.into()
    })
}

/// The file is its owner's alone: there is mail in it.
fn connect(path: &Path) -> Result<Connection, QueueError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // Why it cannot be made, SQLite tells.
    let _ = options.open(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let sql = Connection::open_with_flags(path, flags)
        .map_err(|error| QueueError::File(format!("{}: {error}", path.display())))?;
    sql.busy_timeout(PATIENCE)?;
    Ok(sql)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
