//! The connections that are kept, and how many there are.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Mutex as AsyncMutex, Notify, Semaphore},
    task::AbortHandle,
    time::{Instant, sleep_until, timeout},
};

use super::{
    PoolOptions, Pooled,
    lease::Slot,
    owner::{Owner, Owners},
};
use crate::Endpoint;

/// What all clones and accounts of a pool share.
///
/// A connection in use has a permit of `slots`. Together with those that are kept there are never more than
/// `options.connections`: each permit is for one that is kept, or for which one that is kept makes room. One that is being ended
/// is in use.
pub(super) struct Shared<C: Pooled> {
    pub(super) options: PoolOptions,
    /// One for each connection that may be in use. Who asks first gets the first that is free.
    pub(super) slots: Arc<Semaphore>,
    /// Has no permits. It is closed when the pool is.
    closed: Semaphore,
    /// A connection in use is not any more.
    freed: Notify,
    /// How many wait for one.
    waiting: AtomicUsize,
    /// A connection is kept that has to be ended before the reaper looks again.
    sooner: Arc<Notify>,
    state: Mutex<State<C>>,
}

pub(super) struct State<C: Pooled> {
    /// The one that was used last is the last.
    idle: Vec<Idle<C>>,
    in_use: usize,
    /// Ends what was kept for too long.
    reaper: Option<AbortHandle>,
    /// When that looks next.
    next_end: Option<Instant>,
    owners: Owners<C>,
}

/// A connection that is kept. Whoever has had it may still have it locked, for an instant.
pub(super) struct Idle<C: Pooled> {
    pub(super) client: Arc<AsyncMutex<C>>,
    pub(super) owner: Arc<Owner<C>>,
    pub(super) history: History,
    since: Instant,
}

/// A connection that was kept for long enough, with the right to end it.
type Expired<C> = (Slot<C>, Idle<C>);

/// How old a connection is, and how often it was used: these have bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct History {
    pub(super) made: Instant,
    pub(super) uses: u32,
}

impl History {
    /// Whether it may be used once more.
    pub(super) fn permits(self, options: &PoolOptions) -> bool {
        options.uses.is_none_or(|most| self.uses < most.max(1)) && self.made.elapsed() < options.age
    }
}

impl<C: Pooled> Idle<C> {
    /// When it has to be ended.
    fn end(&self, options: &PoolOptions) -> Option<Instant> {
        let unused = self.since.checked_add(options.idle);
        let old = self.history.made.checked_add(options.age);
        unused.into_iter().chain(old).min()
    }

    /// How long it was unused.
    pub(super) fn unused(&self) -> Duration {
        self.since.elapsed()
    }
}

/// What there is for an account.
pub(super) enum Found<C: Pooled> {
    Kept(Idle<C>),
    /// None: a new one is to be made, in place of this one if there are too many.
    InPlaceOf(Option<Idle<C>>),
}

impl<C: Pooled> Shared<C> {
    pub(super) fn new(options: PoolOptions) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(options.connections.clamp(1, Semaphore::MAX_PERMITS))),
            closed: Semaphore::new(0),
            freed: Notify::new(),
            waiting: AtomicUsize::new(0),
            sooner: Arc::default(),
            state: Mutex::new(State {
                idle: Vec::new(),
                in_use: 0,
                reaper: None,
                next_end: None,
                owners: Owners::default(),
            }),
            options,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn owner(&self, endpoint: Endpoint, config: C::Config) -> Arc<Owner<C>> {
        self.lock().owners.find(endpoint, config, &self.options)
    }

    /// How many are in use, and how many are kept.
    pub(super) fn counts(&self) -> (usize, usize) {
        let state = self.lock();
        (state.in_use, state.idle.len())
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_closed()
    }

    /// Waits until it is closed.
    pub(super) async fn closed(&self) {
        // There is never a permit to be had.
        let _ = self.closed.acquire().await;
    }

    /// Whether somebody waits for a connection.
    #[cfg(feature = "smtp")]
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Somebody waits for a connection, until what this gives is dropped.
    pub(super) fn begin_waiting(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(&self.waiting)
    }

    /// Somebody has a permit.
    pub(super) fn taken(&self) {
        let mut state = self.lock();
        state.in_use = state.in_use.saturating_add(1);
    }

    /// Somebody is about to give a permit back, and keeps no connection.
    pub(super) fn freed(&self) {
        let mut state = self.lock();
        state.in_use = state.in_use.saturating_sub(1);
        drop(state);
        self.freed.notify_waiters();
    }

    /// Finds a connection for an account: the one that was used last. A `fresh` one is made anew, in place of one that
    /// is as old as the one that has failed.
    pub(super) fn find(&self, owner: &Arc<Owner<C>>, fresh: bool) -> Found<C> {
        let mut state = self.lock();
        let mut own = state.idle.iter().rposition(|idle| Arc::ptr_eq(&idle.owner, owner));
        if own.is_none() && state.idle.len().saturating_add(state.in_use) > self.options.connections.max(1) {
            own = (!state.idle.is_empty()).then_some(0);
            return Found::InPlaceOf(own.map(|first| state.idle.remove(first)));
        }
        match own.map(|own| state.idle.remove(own)) {
            Some(idle) if !fresh && idle.end(&self.options).is_none_or(|end| end > Instant::now()) => {
                Found::Kept(idle)
            }
            other => Found::InPlaceOf(other),
        }
    }

    /// Keeps a connection for its account, whose permit is about to be given back. Says no if the pool is closed.
    pub(super) fn keep(
        self: &Arc<Self>,
        client: &Arc<AsyncMutex<C>>,
        owner: &Arc<Owner<C>>,
        history: History,
    ) -> bool {
        // Without a runtime nobody would end it.
        let Ok(runtime) = Handle::try_current() else { return false };
        let mut state = self.lock();
        if self.is_closed() {
            return false;
        }
        let (client, owner) = (client.clone(), owner.clone());
        let idle = Idle { client, owner, history, since: Instant::now() };
        let end = idle.end(&self.options);
        state.idle.push(idle);
        if state.reaper.as_ref().is_none_or(AbortHandle::is_finished) {
            state.reaper = Some(runtime.spawn(reap(Arc::downgrade(self))).abort_handle());
        } else if end.zip(state.next_end).is_some_and(|(end, next)| end < next) {
            self.sooner.notify_one();
        }
        true
    }

    /// Takes out the connections that were kept for long enough, each with the right to end it, and says when there will be
    /// others.
    fn expired(self: &Arc<Self>) -> (Vec<Expired<C>>, Option<Instant>) {
        /// When one is looked for again that somebody else is about to end, or to have ended.
        const SOON: Duration = Duration::from_millis(100);
        let mut state = self.lock();
        let now = Instant::now();
        let ends = |idle: &Idle<C>| idle.end(&self.options);
        let mut expired = Vec::new();
        for idle in std::mem::take(&mut state.idle) {
            let slot = ends(&idle).filter(|end| *end <= now).and_then(|_| Slot::to_end(self, &idle.owner));
            match slot {
                Some(slot) => expired.push((slot, idle)),
                None => state.idle.push(idle),
            }
        }
        state.in_use = state.in_use.saturating_add(expired.len());
        state.next_end = state.idle.iter().filter_map(ends).min().map(|end| end.max(now + SOON));
        if state.next_end.is_none() {
            state.reaper = None;
        }
        (expired, state.next_end)
    }

    pub(super) async fn close(self: &Arc<Self>, grace: Duration) -> usize {
        let idle = {
            let mut state = self.lock();
            self.closed.close();
            std::mem::take(&mut state.idle)
        };
        let idle = idle.into_iter().map(|idle| (Slot::at_the_end(self, &idle.owner), idle)).collect();
        let ended = async {
            end_all(idle).await;
            loop {
                let freed = self.freed.notified();
                if self.counts().0 == 0 {
                    return;
                }
                freed.await;
            }
        };
        let _ = timeout(grace, ended).await;
        self.counts().0
    }
}

/// Somebody waits for a connection.
pub(super) struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<C: Pooled> Drop for State<C> {
    fn drop(&mut self) {
        if let Some(reaper) = &self.reaper {
            reaper.abort();
        }
    }
}

/// Ends what was kept for too long, until nothing is kept or the pool is gone.
async fn reap<C: Pooled>(pool: Weak<Shared<C>>) {
    loop {
        let Some(shared) = pool.upgrade() else { return };
        let (expired, next) = shared.expired();
        end_all(expired).await;
        let Some(next) = next else { return };
        // While this waits, it does not keep the pool.
        let sooner = shared.sooner.clone();
        drop(shared);
        tokio::select! {
            () = sleep_until(next) => {}
            () = sooner.notified() => {}
        }
    }
}

/// Ends connections, all at once. Each is counted until it has ended, or this is dropped.
async fn end_all<C: Pooled>(idle: Vec<Expired<C>>) {
    let end = |(slot, idle): (Slot<C>, Idle<C>)| -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            end(idle.client).await;
            drop(slot);
        })
    };
    let mut ending: Vec<_> = idle.into_iter().map(end).collect();
    poll_fn(|cx| {
        ending.retain_mut(|one| one.as_mut().poll(cx).is_pending());
        if ending.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Ends a connection that can still be used: with a goodbye, unless it has yet to come to the end of something.
pub(super) async fn end<C: Pooled>(client: Arc<AsyncMutex<C>>) {
    let mut client = client.lock().await;
    if client.look() && client.is_settled() {
        client.end().await;
    }
}
