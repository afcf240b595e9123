//! What waits at one time is sent together, as one statement. What comes while one is under way waits for the next one: so
//! there are fewer the more there is to do.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio_postgres::Row as Line;

use super::{
    Config, Inner,
    change::Needs,
    lines::{self, account_columns, folder_columns},
    save::{Part, save},
    sql::{Failure, get, query},
};
use crate::{
    Result,
    kept::{account::Account, folder::Folder},
};

/// So many are sent together.
const MOST: usize = 64;
/// Bytes of them.
const BYTES: usize = 4 << 20;

/// Something that is sent together with others.
pub(super) trait Together: Sized + Send + Sync + 'static {
    type Answer: Send;

    fn queue(store: &Inner) -> &Queue<Self>;

    fn weight(&self) -> usize {
        0
    }

    /// Gives an answer for each of them, in their order.
    fn send(store: &Inner, all: &[Self]) -> impl Future<Output = Result<Vec<Self::Answer>, Failure>> + Send;
}

/// What waits.
pub(super) struct Queue<T: Together>(Mutex<State<T>>);

struct State<T: Together> {
    is_at_work: bool,
    waiting: VecDeque<(T, Answer<T>)>,
}

type Answer<T> = oneshot::Sender<Result<<T as Together>::Answer, Failure>>;

impl<T: Together> Default for Queue<T> {
    fn default() -> Self {
        Self(Mutex::new(State { is_at_work: false, waiting: VecDeque::new() }))
    }
}

impl<T: Together> std::fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("waiting", &self.lock().waiting.len()).finish()
    }
}

impl<T: Together> Queue<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Sends it, with others that wait. What was begun is done, even if nobody waits for it any more.
    pub(super) async fn together<T: Together>(self: &Arc<Self>, one: T) -> Result<T::Answer, Failure> {
        let (answer, answered) = oneshot::channel();
        let works = {
            let mut state = T::queue(self).lock();
            state.waiting.push_back((one, answer));
            !std::mem::replace(&mut state.is_at_work, true)
        };
        if works {
            let worker =
                Worker::<T> { store: Arc::clone(self), has_ended: false, of: std::marker::PhantomData };
            tokio::spawn(worker.work());
        }
        answered.await.unwrap_or_else(|_| Err(Failure::Lost("the store has stopped".to_owned())))
    }
}

/// The task that sends what waits.
struct Worker<T: Together> {
    store: Arc<Inner>,
    has_ended: bool,
    of: std::marker::PhantomData<fn(T)>,
}

impl<T: Together> Worker<T> {
    async fn work(mut self) {
        loop {
            let (all, answers): (Vec<_>, Vec<_>) = {
                let mut state = T::queue(&self.store).lock();
                if state.waiting.is_empty() {
                    state.is_at_work = false;
                    self.has_ended = true;
                    return;
                }
                let mut bytes = 0;
                let fits = |(one, _): &&(T, _)| {
                    bytes += one.weight();
                    bytes <= BYTES
                };
                let count = state.waiting.iter().take(MOST).take_while(fits).count().max(1);
                state.waiting.drain(..count).unzip()
            };
            match T::send(&self.store, &all).await {
                // Nobody may wait any more.
                Ok(given) => answers.into_iter().zip(given).for_each(|(to, one)| drop(to.send(Ok(one)))),
                Err(failure) => answers.into_iter().for_each(|to| drop(to.send(Err(failure.clone())))),
            }
        }
    }
}

impl<T: Together> Drop for Worker<T> {
    /// Where it panicked, or the runtime ends, those who wait are told that nothing is known.
    fn drop(&mut self) {
        if !self.has_ended {
            let mut state = T::queue(&self.store).lock();
            state.is_at_work = false;
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            drop(waiting);
        }
    }
}

/// A look at an account and its INBOX, and at threads.
pub(super) struct Look {
    pub(super) account: i64,
    pub(super) needs: Needs,
}

/// What was seen, without a lock.
pub(super) struct Seen {
    pub(super) version: i64,
    pub(super) account: Account,
    pub(super) inbox: Folder,
    pub(super) threads: Vec<(Bytes, i64)>,
}

impl Seen {
    fn of(line: &Line, config: &Config) -> Result<Self> {
        let keys: Option<Vec<Vec<u8>>> = get(line, lines::ACCOUNT + lines::FOLDER)?;
        let threads: Option<Vec<i64>> = get(line, lines::ACCOUNT + lines::FOLDER + 1)?;
        let keys = keys.unwrap_or_default().into_iter().map(Bytes::from);
        Ok(Self {
            version: lines::version(line)?,
            account: lines::account(line, config)?,
            inbox: lines::folder_from(line, lines::ACCOUNT)?,
            threads: keys.zip(threads.unwrap_or_default()).collect(),
        })
    }
}

impl Together for Look {
    /// `None`: there is no such account.
    type Answer = Option<Seen>;

    fn queue(store: &Inner) -> &Queue<Self> {
        &store.looks
    }

    /// Each account looks through the identifiers of all.
    fn weight(&self) -> usize {
        self.needs.threads.len() * BYTES / 256
    }

    async fn send(store: &Inner, all: &[Self]) -> Result<Vec<Self::Answer>, Failure> {
        let text = concat!(
            "SELECT a.*, m.*, t.* FROM (SELECT ",
            account_columns!(),
            " FROM account WHERE id=ANY($1)) a, LATERAL (SELECT ",
            folder_columns!(),
            " FROM mailbox WHERE account=a.id AND name='INBOX' OFFSET 0) m,
            LATERAL (SELECT array_agg(k.key), array_agg(k.thread) FROM unnest($2::bigint[], $3::bytea[]) AS n(account, key),
                LATERAL (SELECT key, thread FROM thread_key WHERE account=n.account AND key=n.key OFFSET 0) k
                WHERE n.account=a.id) t"
        );
        let accounts: Vec<i64> = all.iter().map(|look| look.account).collect();
        let keys = |look: &Self| {
            let account = look.account;
            look.needs.threads.iter().map(move |key| (account, key.to_vec())).collect::<Vec<_>>()
        };
        let (owners, keys): (Vec<i64>, Vec<Vec<u8>>) = all.iter().flat_map(keys).unzip();
        let found = store.conn().await?.send(&[query!(text, accounts, owners, keys)]).await?;
        let seen = found.iter().flatten().map(|line| Seen::of(line, &store.config));
        let seen = seen.collect::<Result<Vec<_>>>().map_err(Failure::Refused)?;
        let mut seen: HashMap<i64, Seen> = seen.into_iter().map(|seen| (seen.account.id, seen)).collect();
        Ok(all.iter().map(|look| seen.remove(&look.account)).collect())
    }
}

impl Together for Part {
    /// Whether it was written.
    type Answer = bool;

    fn queue(store: &Inner) -> &Queue<Self> {
        &store.parts
    }

    fn weight(&self) -> usize {
        self.weight()
    }

    async fn send(store: &Inner, all: &[Self]) -> Result<Vec<bool>, Failure> {
        let parts: Vec<&Self> = all.iter().collect();
        let written = match store.conn().await {
            Ok(conn) => conn.send(&[save(&parts)]).await?,
            // Nothing was sent.
            Err(_) => Vec::new(),
        };
        let written = written.iter().flatten().map(|line| get::<i64>(line, 0)).collect::<Result<Vec<_>>>();
        let written = written.map_err(Failure::Refused)?;
        Ok(all.iter().map(|part| written.contains(&part.account.id)).collect())
    }
}
