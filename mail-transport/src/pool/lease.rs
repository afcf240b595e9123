//! A connection in use.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use tokio::{
    runtime::Handle,
    sync::{Mutex as AsyncMutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{
    Pooled, answers,
    owner::Owner,
    pace::{Pace, Turn},
    state::{Found, History, Shared, end},
};
use crate::{CLIENT_TRACES, Error, Result};

/// A connection in use, which is a client. It goes back when it is dropped, if it can be used on; otherwise, and after
/// [`discard`](Self::discard), it is closed.
///
/// What the next one finds is what this one leaves: the mailbox that is selected, updates that nobody took. A session that
/// is not the same any more, by another login or by what changes what the server says, is not given back.
#[must_use = "dropped at once, it was got for nothing"]
pub struct Lease<C: Pooled> {
    /// The lock is never waited for: it lets the client be held here, and be kept when this is dropped.
    client: OwnedMutexGuard<C>,
    history: History,
    discarded: bool,
    // Given back after the client.
    slot: Arc<Slot<C>>,
}

/// The right to have a connection, counted until it is dropped.
pub(crate) struct Slot<C: Pooled> {
    shared: Arc<Shared<C>>,
    owner: Arc<Owner<C>>,
    _permits: Option<Permits>,
}

/// One of the account's own, where it has fewer than all, and one of all.
type Permits = (Option<OwnedSemaphorePermit>, OwnedSemaphorePermit);

/// Counts the further uses of a connection by whoever has it.
#[cfg(feature = "smtp")]
pub(crate) struct Uses<'a, C: Pooled> {
    history: &'a mut History,
    slot: &'a Slot<C>,
}

/// What a connection must be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// As far as can be seen it is alive.
    Any,
    /// The server has just answered over it.
    #[cfg(feature = "smtp")]
    Proven,
    /// It is new.
    Fresh,
}

impl<C: Pooled> Slot<C> {
    /// The right, if nobody has to be waited for.
    pub(super) fn at_once(shared: &Arc<Shared<C>>, owner: &Arc<Owner<C>>) -> Option<Self> {
        let permits = permits(shared, owner)?;
        let in_pace = owner.pace.as_ref().is_none_or(Pace::try_use);
        in_pace.then(|| Self::new(shared, owner, Some(permits)))
    }

    /// The right to end a connection that is kept, which is no use: it is [counted](Shared::taken) already. None where somebody
    /// else is about to have one in place of it.
    pub(super) fn to_end(shared: &Arc<Shared<C>>, owner: &Arc<Owner<C>>) -> Option<Self> {
        let permits = permits(shared, owner)?;
        Some(Self { shared: shared.clone(), owner: owner.clone(), _permits: Some(permits) })
    }

    /// Counts a connection that is ended because the pool is closed: nobody else can have one.
    pub(super) fn at_the_end(shared: &Arc<Shared<C>>, owner: &Arc<Owner<C>>) -> Self {
        Self::new(shared, owner, None)
    }

    /// The right, when it is this one's turn. The use that `turn` is about is counted when there is a connection for it: what it
    /// waits for that is no use, nor is one that is given up.
    ///
    /// # Errors
    ///
    /// The pool is closed.
    pub(super) async fn in_turn(
        shared: &Arc<Shared<C>>,
        owner: &Arc<Owner<C>>,
        turn: Option<Turn<'_>>,
    ) -> Result<Self> {
        let _waiting = shared.begin_waiting();
        let wait =
            async |slots: &Arc<Semaphore>| slots.clone().acquire_owned().await.map_err(|_| Error::Closed);
        let own = match &owner.slots {
            Some(slots) => Some(wait(slots).await?),
            None => None,
        };
        let any = wait(&shared.slots).await?;
        if let Some(turn) = turn {
            turn.count();
        }
        Ok(Self::new(shared, owner, Some((own, any))))
    }

    fn new(shared: &Arc<Shared<C>>, owner: &Arc<Owner<C>>, permits: Option<Permits>) -> Self {
        shared.taken();
        Self { shared: shared.clone(), owner: owner.clone(), _permits: permits }
    }

    /// Gives a connection: one that is kept and alive, or a new one.
    ///
    /// # Errors
    ///
    /// None can be made.
    pub(crate) async fn lease(self, mut wanted: Wanted) -> Result<Lease<C>> {
        let options = &self.shared.options;
        loop {
            match self.shared.find(&self.owner, wanted == Wanted::Fresh) {
                Found::Kept(idle) => {
                    let History { made, uses } = idle.history;
                    let ask = wanted != Wanted::Any || idle.unused() >= options.ask_after;
                    let mut client = idle.client.lock_owned().await;
                    if !client.look() {
                        continue;
                    }
                    if (ask || !client.is_settled()) && !answers(&mut *client, options.patience).await {
                        // Those that were kept with it are no better.
                        wanted = Wanted::Fresh;
                        continue;
                    }
                    crate::metrics::leased(C::PROTOCOL, true);
                    let history = History { made, uses: uses.saturating_add(1) };
                    return Ok(Lease { client, history, discarded: false, slot: Arc::new(self) });
                }
                Found::InPlaceOf(other) => {
                    // One of this account is no better than the one that was lost, where a fresh one is wanted.
                    let lost =
                        |other: &Arc<Owner<C>>| wanted == Wanted::Fresh && Arc::ptr_eq(other, &self.owner);
                    match other {
                        Some(other) if !lost(&other.owner) => end(other.client).await,
                        _ => {}
                    }
                    let mut client = self.owner.connect().await?;
                    client.mark_unaltered();
                    let client = Arc::new(AsyncMutex::new(client)).lock_owned().await;
                    crate::metrics::leased(C::PROTOCOL, false);
                    let history = History { made: Instant::now(), uses: 1 };
                    return Ok(Lease { client, history, discarded: false, slot: Arc::new(self) });
                }
            }
        }
    }
}

/// The permits, if there are any to be had now.
fn permits<C: Pooled>(shared: &Shared<C>, owner: &Owner<C>) -> Option<Permits> {
    let now = |slots: &Arc<Semaphore>| slots.clone().try_acquire_owned().ok();
    let own = match &owner.slots {
        Some(slots) => Some(now(slots)?),
        None => None,
    };
    Some((own, now(&shared.slots)?))
}

impl<C: Pooled> Drop for Slot<C> {
    fn drop(&mut self) {
        self.shared.freed();
    }
}

impl<C: Pooled> Lease<C> {
    /// Closes the connection, without a goodbye, instead of giving it back.
    pub fn discard(mut self) {
        self.discarded = true;
    }

    /// Whether the connection was used before it came here.
    #[must_use]
    pub const fn is_reused(&self) -> bool {
        self.history.uses > 1
    }

    /// The client, and what counts its further uses.
    #[cfg(feature = "smtp")]
    pub(crate) fn parts(&mut self) -> (&mut C, Uses<'_, C>) {
        (&mut self.client, Uses { history: &mut self.history, slot: &self.slot })
    }

    /// How old the connection is.
    #[must_use]
    pub fn age(&self) -> std::time::Duration {
        self.history.made.elapsed()
    }
}

#[cfg(feature = "smtp")]
impl<C: Pooled> Uses<'_, C> {
    /// Counts another use of the connection, if there may be one now: its bounds and the rate permit it, and nobody waits for a
    /// connection.
    pub(crate) fn another(&mut self) -> bool {
        let Slot { shared, owner, .. } = self.slot;
        let another = self.history.permits(&shared.options)
            && !shared.is_closed()
            && !shared.is_waited_for()
            && owner.pace.as_ref().is_none_or(Pace::try_use);
        self.history.uses = self.history.uses.saturating_add(another.into());
        another
    }
}

impl<C: Pooled> Drop for Lease<C> {
    fn drop(&mut self) {
        // What panicked may have left anything.
        if self.discarded || std::thread::panicking() || !self.client.is_reusable() {
            crate::traces::debug!(target: CLIENT_TRACES, server = self.slot.owner.server(), "not kept");
            return;
        }
        let (client, slot) = (OwnedMutexGuard::mutex(&self.client), &self.slot);
        let kept =
            self.history.permits(&slot.shared.options) && slot.shared.keep(client, &slot.owner, self.history);
        if kept {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            // It counts as in use until it has ended.
            let (client, slot) = (client.clone(), slot.clone());
            runtime.spawn(async move {
                end(client).await;
                drop(slot);
            });
        }
    }
}

impl<C: Pooled> Deref for Lease<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.client
    }
}

impl<C: Pooled> DerefMut for Lease<C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.client
    }
}

impl<C: Pooled + fmt::Debug> fmt::Debug for Lease<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("client", &*self.client).finish_non_exhaustive()
    }
}
