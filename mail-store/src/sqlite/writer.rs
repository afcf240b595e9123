//! Changes: one writes at a time, for all who wait, and all of them are on the disk by one `fsync`.

use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{oneshot, watch};

use super::{
    Config, Synchronous,
    sql::{Sql, failed},
};
use crate::{Error, Result, kept::coming::Coming};

/// So many changes are in one transaction.
const GROUP: usize = 256;
/// How often it is looked whether there is something to be swept, where nothing says that there is.
const SWEEP: Duration = Duration::from_secs(10);

/// The connection that writes, and what waits for it.
///
/// Whoever finds nobody writing has a blocking thread write what waits until nothing does: that is one transaction for
/// all that came during the one before.
#[derive(Debug)]
pub(super) struct Writer {
    sql: Mutex<Sql>,
    file: File,
    config: Arc<Config>,
    coming: Arc<Coming>,
    queue: Mutex<Queue>,
    watches: Mutex<HashMap<i64, watch::Sender<u64>>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Box<dyn Job>>,
    /// Somebody writes.
    is_led: bool,
    /// There is something to be swept.
    sweeps: bool,
    swept: Option<Instant>,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

/// A change that is being made, in a transaction.
pub(super) struct Tx<'a> {
    pub(super) sql: &'a Sql,
    pub(super) config: &'a Config,
    /// What is on its way in.
    pub(super) coming: &'a Coming,
    /// The accounts in which something has changed.
    pub(super) rung: Vec<i64>,
    /// Bodies may be swept.
    pub(super) sweeps: bool,
}

impl Tx<'_> {
    /// Does something wholly or not at all, within a change that may do more.
    pub(super) fn within<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let rung = self.rung.len();
        self.sql.prepare_cached("SAVEPOINT part").and_then(|mut it| it.execute([])).map_err(failed)?;
        let done = work(self);
        if done.is_err() {
            self.rung.truncate(rung);
            // Without a transaction there is nothing to go back to.
            let _ = self.sql.prepare_cached("ROLLBACK TO part").and_then(|mut it| it.execute([]));
        }
        let released = self.sql.prepare_cached("RELEASE part").and_then(|mut it| it.execute([]));
        if done.is_ok() {
            released.map_err(failed)?;
        }
        done
    }
}

/// A change, and who waits for its answer.
trait Job: Send {
    /// Does it, or nothing.
    fn run(&mut self, tx: &mut Tx<'_>);
    /// Tells what came of it, now that it is on the disk; or why it is not.
    fn answer(self: Box<Self>, failure: Option<Error>);
}

struct Change<T, F> {
    work: Option<F>,
    done: Result<T>,
    answer: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnOnce(&mut Tx<'_>) -> Result<T> + Send> Job for Change<T, F> {
    fn run(&mut self, tx: &mut Tx<'_>) {
        if let Some(work) = self.work.take() {
            self.done = tx.within(work);
        }
    }

    fn answer(self: Box<Self>, failure: Option<Error>) {
        let result = match (self.done, failure) {
            // What refused it says more than what became of the others.
            (Ok(_), Some(failure)) => Err(failure),
            (done, _) => done,
        };
        // Nobody may wait any more.
        let _ = self.answer.send(result);
    }
}

fn stopped() -> Error {
    Error::NotDone("the store has stopped".to_owned())
}

impl Writer {
    pub(super) fn new(sql: Sql, path: PathBuf, config: Arc<Config>, coming: Arc<Coming>) -> Result<Self> {
        let queue = Queue { sweeps: true, ..Queue::default() };
        Ok(Self {
            sql: Mutex::new(sql),
            file: File::new(path)?,
            config,
            coming,
            queue: Mutex::new(queue),
            watches: Mutex::default(),
        })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tx<'a>(&'a self, sql: &'a Sql) -> Tx<'a> {
        Tx { sql, config: &self.config, coming: &self.coming, rung: Vec::new(), sweeps: false }
    }

    /// Makes a change, all of it or nothing. What was begun is done, even if nobody waits for it any more.
    pub(super) async fn change<T, F>(self: &Arc<Self>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Change { work: Some(work), done: Err(stopped()), answer });
        let leads = {
            let mut queue = self.queue();
            queue.waiting.push_back(job);
            !std::mem::replace(&mut queue.is_led, true)
        };
        if leads {
            let leader = Leader(Some(Arc::clone(self)));
            tokio::task::spawn_blocking(move || leader.lead());
        }
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Makes changes by one transaction, and answers.
    fn commit(&self, jobs: Vec<Box<dyn Job>>) {
        let sql = self.sql.lock().unwrap_or_else(PoisonError::into_inner);
        let mut jobs = VecDeque::from(jobs);
        while !jobs.is_empty() {
            if let Err(error) = self.file.check().and_then(|()| begin(&sql)) {
                jobs.drain(..).for_each(|job| job.answer(Some(error.clone())));
                return;
            }
            let mut tx = self.tx(&sql);
            let mut ran = Vec::with_capacity(jobs.len());
            let mut broken = false;
            while let Some(mut job) = jobs.pop_front() {
                job.run(&mut tx);
                ran.push(job);
                // SQLite gives the whole transaction up for some errors.
                if sql.is_autocommit() {
                    broken = true;
                    break;
                }
            }
            let failure = if broken {
                Some(Error::NotDone("another change has failed".to_owned()))
            } else {
                commit(&sql).err()
            };
            if failure.is_none() {
                self.ring(&mut tx.rung);
                if tx.sweeps {
                    self.queue().sweeps = true;
                }
            }
            ran.into_iter().for_each(|job| job.answer(failure.clone()));
        }
    }

    /// Wakes those who wait for changes in these accounts.
    fn ring(&self, accounts: &mut Vec<i64>) {
        accounts.sort_unstable();
        accounts.dedup();
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        for account in accounts {
            let Some(watch) = watches.get(account) else { continue };
            if watch.receiver_count() == 0 {
                watches.remove(account);
            } else {
                watch.send_modify(|changes| *changes += 1);
            }
        }
    }

    pub(super) fn watch(&self, account: i64) -> watch::Receiver<u64> {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        if watches.len() >= 1024 && watches.len().is_power_of_two() {
            watches.retain(|_, watch| watch.receiver_count() > 0);
        }
        watches.entry(account).or_default().subscribe()
    }

    /// Sweeps a little. Whether there may be more.
    fn sweep(&self) -> bool {
        let sql = self.sql.lock().unwrap_or_else(PoisonError::into_inner);
        let swept = self.file.check().and_then(|()| begin(&sql)).and_then(|()| {
            let mut tx = self.tx(&sql);
            let more = tx.sweep()?;
            commit(&sql)?;
            Ok(more)
        });
        swept.unwrap_or_else(|error| {
            tracing::warn!(%error, "bodies that nobody needs cannot be removed now");
            false
        })
    }
}

fn begin(sql: &Sql) -> Result<()> {
    if !sql.is_autocommit() {
        // A change has panicked.
        let _ = sql.execute_batch("ROLLBACK");
    }
    sql.prepare_cached("BEGIN IMMEDIATE").and_then(|mut begin| begin.execute([])).map_err(failed).map(drop)
}

fn commit(sql: &Sql) -> Result<()> {
    let committed = sql.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]));
    let Err(error) = committed else { return Ok(()) };
    if !sql.is_autocommit() {
        let _ = sql.execute_batch("ROLLBACK");
    }
    Err(match error.sqlite_error_code() {
        // It may be in the log all the same, and be found there at the next start.
        Some(rusqlite::ErrorCode::SystemIoFailure) => Error::Unknown(error.to_string()),
        _ => failed(error),
    })
}

/// The thread that writes now.
struct Leader(Option<Arc<Writer>>);

impl Leader {
    fn lead(mut self) {
        while let Some(writer) = &self.0 {
            let (jobs, sweeps): (Vec<_>, bool) = {
                let mut queue = writer.queue();
                let count = queue.waiting.len().min(GROUP);
                let jobs: Vec<_> = queue.waiting.drain(..count).collect();
                let is_late = |swept: Instant| swept.elapsed() >= SWEEP.min(writer.config.kept_for);
                let sweeps = jobs.is_empty() && (queue.sweeps || queue.swept.is_none_or(is_late));
                if jobs.is_empty() && !sweeps {
                    queue.is_led = false;
                    drop(queue);
                    self.0 = None;
                    return;
                }
                (jobs, sweeps)
            };
            if sweeps {
                let more = writer.sweep();
                let mut queue = writer.queue();
                (queue.sweeps, queue.swept) = (more, Some(Instant::now()));
                if !more {
                    // Whatever the grace is: once is enough.
                    queue.is_led = !queue.waiting.is_empty();
                    if !queue.is_led {
                        drop(queue);
                        self.0 = None;
                        return;
                    }
                }
            } else {
                writer.commit(jobs);
            }
        }
    }
}

impl Drop for Leader {
    /// Where it was never run, or a change panicked, those who wait are told that nothing was done.
    fn drop(&mut self) {
        if let Some(writer) = self.0.take() {
            let mut queue = writer.queue();
            queue.is_led = false;
            let waiting = std::mem::take(&mut queue.waiting);
            drop(queue);
            drop(waiting);
        }
    }
}

/// The file as it was when it was opened: what is written to one that was removed or replaced is lost.
#[derive(Debug)]
struct File {
    path: PathBuf,
    #[cfg(unix)]
    id: (u64, u64),
}

impl File {
    fn new(path: PathBuf) -> Result<Self> {
        #[cfg(unix)]
        let id = Self::id(&path)?;
        Ok(Self {
            path,
            #[cfg(unix)]
            id,
        })
    }

    #[cfg(unix)]
    fn id(path: &std::path::Path) -> Result<(u64, u64)> {
        use std::os::unix::fs::MetadataExt as _;
        let found = std::fs::metadata(path).map_err(|error| gone(path, &error))?;
        Ok((found.dev(), found.ino()))
    }

    #[cfg(unix)]
    fn check(&self) -> Result<()> {
        if Self::id(&self.path)? == self.id {
            Ok(())
        } else {
            Err(gone(&self.path, &"it is another file now"))
        }
    }

    #[cfg(not(unix))]
    fn check(&self) -> Result<()> {
        std::fs::metadata(&self.path).map(drop).map_err(|error| gone(&self.path, &error))
    }
}

fn gone(path: &std::path::Path, why: &dyn std::fmt::Display) -> Error {
    Error::NotDone(format!("{}: {why}", path.display()))
}

impl Synchronous {
    /// As `PRAGMA synchronous` has it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Normal => "NORMAL",
            Self::Off => "OFF",
        }
    }
}
