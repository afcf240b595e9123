//! Changes: those of an account come one after the other, and all that wait are one transaction.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::{Inner, Patience, sql::Failure, together::Look, tx::Tx};
use crate::{Error, Result};

/// So many changes are in one transaction.
const GROUP: usize = 64;

/// What a change is sure to look at: it comes with the lock of the account.
#[derive(Debug, Clone, Default)]
pub(super) struct Needs {
    pub(super) mailboxes: Vec<i64>,
    pub(super) inbox: bool,
    /// Identifiers by which threads are found.
    pub(super) threads: Vec<Bytes>,
    /// It is likely to need nothing else.
    pub(super) is_all: bool,
}

impl Needs {
    pub(super) fn mailboxes(mailboxes: impl Into<Vec<i64>>) -> Self {
        Self { mailboxes: mailboxes.into(), ..Self::default() }
    }

    fn add(&mut self, other: &Self) {
        self.mailboxes.extend(&other.mailboxes);
        self.inbox |= other.inbox;
        self.threads.extend(other.threads.iter().cloned());
        self.is_all &= other.is_all;
    }
}

/// The changes that wait, by account. Where there is an account, somebody makes its changes.
#[derive(Default)]
pub(super) struct Lanes(Mutex<HashMap<i64, VecDeque<Box<dyn Job>>>>);

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lanes").field("accounts", &self.lock().len()).finish()
    }
}

impl Lanes {
    fn lock(&self) -> MutexGuard<'_, HashMap<i64, VecDeque<Box<dyn Job>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change, and who waits for its answer.
trait Job: Send {
    fn needs(&self) -> &Needs;
    /// Whether it finds out by itself, if it is made again, that it was made already.
    fn repeats(&self) -> bool;
    /// Makes it, or nothing, which is false.
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, bool>;
    /// Tells what came of it, now that it is stored; or why it is not.
    fn answer(self: Box<Self>, failure: Option<Error>);
}

struct Change<T, F> {
    needs: Needs,
    repeats: bool,
    work: F,
    done: Option<Result<T>>,
    answer: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Change<T, F>
where
    T: Send,
    F: for<'a> FnMut(&'a mut Tx) -> BoxFuture<'a, Result<T>> + Send,
{
    fn needs(&self) -> &Needs {
        &self.needs
    }

    fn repeats(&self) -> bool {
        self.repeats
    }

    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let done = (self.work)(tx).await;
            let is_done = done.is_ok();
            self.done = Some(done);
            is_done
        })
    }

    fn answer(self: Box<Self>, failure: Option<Error>) {
        let result = match (self.done, failure) {
            // What refused it says more than what became of the others.
            (Some(Err(refused)), None) => Err(refused),
            (_, Some(failure)) => Err(failure),
            (Some(done), None) => done,
            (None, None) => Err(stopped()),
        };
        // Nobody may wait any more.
        let _ = self.answer.send(result);
    }
}

fn stopped() -> Error {
    Error::NotDone("the store has stopped".to_owned())
}

/// Why there was no commit.
enum Stop {
    /// One has failed that had sent some of its statements: the others begin again.
    Refused(usize),
    Failed(Failure),
    /// It may have come to the commit, or not.
    InDoubt(String),
}

impl Inner {
    /// Makes a change of an account, all of it or nothing. What was begun is done, even if nobody waits for it any more.
    /// It may be begun several times, if others are in the way.
    pub(super) async fn change<T, F>(self: &Arc<Self>, account: i64, needs: Needs, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnMut(&'a mut Tx) -> BoxFuture<'a, Result<T>> + Send + 'static,
    {
        self.change_or_repeat(account, needs, false, work).await
    }

    /// As [`change`](Self::change). One that `repeats` is made again where nobody knows whether it was made.
    pub(super) async fn change_or_repeat<T, F>(
        self: &Arc<Self>,
        account: i64,
        needs: Needs,
        repeats: bool,
        work: F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: for<'a> FnMut(&'a mut Tx) -> BoxFuture<'a, Result<T>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Change { needs, repeats, work, done: None, answer });
        let leads = {
            let mut lanes = self.lanes.lock();
            let leads = !lanes.contains_key(&account);
            lanes.entry(account).or_default().push_back(job);
            leads
        };
        if leads {
            let leader = Leader { store: Arc::clone(self), account, has_ended: false };
            tokio::spawn(async move { leader.lead().await });
        }
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Makes changes by one transaction, and answers.
    async fn commit(self: &Arc<Self>, account: i64, mut jobs: Vec<Box<dyn Job>>) {
        let mut patience = Patience::new(self.config.wait);
        let mut doubt: Option<String> = None;
        loop {
            let failure = match self.attempt(account, &mut jobs, doubt.is_some()).await {
                Ok(mod_seq) => {
                    if let Some(mod_seq) = mod_seq {
                        self.hints.tell(account, mod_seq);
                    }
                    return jobs.into_iter().for_each(|job| job.answer(None));
                }
                Err(Stop::Refused(place)) => {
                    if place < jobs.len() {
                        jobs.remove(place).answer(None);
                    }
                    if jobs.is_empty() {
                        return;
                    }
                    continue;
                }
                Err(Stop::InDoubt(text)) => {
                    let (repeat, end): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.repeats());
                    end.into_iter().for_each(|job| job.answer(Some(Error::Unknown(text.clone()))));
                    jobs = repeat;
                    if jobs.is_empty() {
                        return;
                    }
                    doubt = Some(text.clone());
                    Failure::Lost(text)
                }
                Err(Stop::Failed(failure)) => failure,
            };
            let Err(failure) = patience.wait(failure).await else { continue };
            let error = match (doubt, failure) {
                (Some(text), Failure::Lost(_) | Failure::Again(_) | Failure::ReadOnly(_)) => {
                    Error::Unknown(text)
                }
                (_, failure) => failure.not_done(),
            };
            return jobs.into_iter().for_each(|job| job.answer(Some(error.clone())));
        }
    }

    /// Makes changes by one transaction. Gives the number of the last one, if something has changed.
    async fn attempt(
        self: &Arc<Self>,
        account: i64,
        jobs: &mut [Box<dyn Job>],
        repeated: bool,
    ) -> Result<Option<u64>, Stop> {
        let mut needs = Needs { is_all: !repeated, ..Needs::default() };
        jobs.iter().for_each(|job| needs.add(job.needs()));
        if needs.is_all
            && let Some(done) = self.attempt_together(account, jobs, &needs).await
        {
            return done;
        }
        let conn = self.conn().await.map_err(Stop::Failed)?;
        let begun = Tx::begin(conn, &self.config, account, &needs, repeated).await;
        let mut tx = begun.map_err(Stop::Failed)?;
        for (place, job) in jobs.iter_mut().enumerate() {
            let mark = tx.mark();
            let is_done = job.run(&mut tx).await;
            if let Some(failure) = tx.failure.take() {
                tx.conn.roll_back().await;
                return Err(Stop::Failed(failure));
            }
            if !is_done && !tx.reset(mark) {
                tx.conn.roll_back().await;
                return Err(Stop::Refused(place));
            }
        }
        match tx.finish().await {
            Ok(mod_seq) => {
                self.rooms.put(&tx.account);
                Ok(mod_seq)
            }
            Err((Failure::Lost(text), true)) => Err(Stop::InDoubt(text)),
            Err((failure, _)) => {
                tx.conn.roll_back().await;
                Err(Stop::Failed(failure))
            }
        }
    }
}

impl Inner {
    /// Works changes out from what is seen without a lock, and writes them together with those of other accounts. `None`:
    /// nothing was done, and it takes a transaction of their own to find out why.
    async fn attempt_together(
        self: &Arc<Self>,
        account: i64,
        jobs: &mut [Box<dyn Job>],
        needs: &Needs,
    ) -> Option<Result<Option<u64>, Stop>> {
        let seen = self.together(Look { account, needs: needs.clone() }).await.ok()?;
        let mut tx = Tx::apart(seen?);
        for job in jobs {
            let mark = tx.mark();
            let is_done = job.run(&mut tx).await;
            if tx.failure.is_some() || !is_done && !tx.reset(mark) {
                return None;
            }
        }
        let part = tx.part()?;
        if tx.mod_seq().is_none() {
            return Some(Ok(None));
        }
        match self.together(part).await {
            Ok(true) => {
                self.rooms.put(&tx.account);
                Some(Ok(tx.mod_seq()))
            }
            Err(Failure::Lost(text)) => Some(Err(Stop::InDoubt(text))),
            Ok(false) | Err(_) => None,
        }
    }
}

/// The task that makes an account's changes now.
struct Leader {
    store: Arc<Inner>,
    account: i64,
    /// There is nothing more to do, and others may be at it again.
    has_ended: bool,
}

impl Leader {
    async fn lead(mut self) {
        loop {
            let jobs: Vec<_> = {
                let mut lanes = self.store.lanes.lock();
                let waiting = lanes.entry(self.account).or_default();
                if waiting.is_empty() {
                    lanes.remove(&self.account);
                    self.has_ended = true;
                    return;
                }
                let count = waiting.len().min(GROUP);
                waiting.drain(..count).collect()
            };
            self.store.commit(self.account, jobs).await;
        }
    }
}

impl Drop for Leader {
    /// Where a change panicked, or the runtime ends, those who wait are told that nothing was done.
    fn drop(&mut self) {
        if !self.has_ended {
            let waiting = self.store.lanes.lock().remove(&self.account);
            drop(waiting);
        }
    }
}
