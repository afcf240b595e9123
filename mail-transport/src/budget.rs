use std::{num::NonZeroUsize, sync::LazyLock, thread::available_parallelism};

use tokio::sync::Semaphore;

/// Counts the work that is done for a peer, in bytes that are looked at, copied or compared.
///
/// It keeps three promises that hold above a state machine, too:
///
/// - **Others have their turn.** After [`TURN`](Self::TURN) bytes, which take about a millisecond, it lets
///   the other tasks of the runtime run.
/// - **Work has an end.** What goes beyond the limit is [`OverBudget`], which IMAP answers with `NO [LIMIT]`. What
///   SMTP and POP3 do is in proportion to what is stored or sent, so they only give others their turn.
/// - **Large work is done elsewhere.** [`run`](Self::run) moves a piece that is larger than a turn to the
///   runtime's blocking pool, as many at a time as there are processors.
///
/// A limit fits all sizes if what is stored and what was asked for is [granted](Self::grant) as it is met: then
/// the limit bounds only what is out of proportion to that.
///
/// # Examples
///
/// ```
/// use mailwire_transport::{Budget, OverBudget};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut budget = Budget::new(1000);
/// assert_eq!(budget.spend(900).await, Ok(()));
/// assert_eq!(budget.spend(200).await, Err(OverBudget));
/// budget.grant(100);
/// assert_eq!(budget.spend(200).await, Ok(()));
/// assert_eq!(budget.left(), 0);
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    left: u64,
    spent: u64,
    /// Bytes since others had their turn.
    turn: u64,
}

/// More work was asked for than a [`Budget`] allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("this takes too much work")]
pub struct OverBudget;

impl Budget {
    /// So many bytes of work are done before others have their turn: 256 KiB, about a millisecond even
    /// where each byte costs several instructions.
    pub const TURN: u64 = 256 << 10;

    /// A budget of `limit` bytes.
    #[must_use]
    pub const fn new(limit: u64) -> Self {
        Self { left: limit, spent: 0, turn: 0 }
    }

    /// A budget that only gives others their turn.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self::new(u64::MAX)
    }

    /// Returns how many bytes may still be spent.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// Returns how many bytes were spent.
    #[must_use]
    pub const fn spent(&self) -> u64 {
        self.spent
    }

    /// Allows `bytes` more: so much is stored, or was asked for.
    pub const fn grant(&mut self, bytes: u64) {
        self.left = self.left.saturating_add(bytes);
    }

    /// Counts `bytes` of work that is about to be done, where nothing can be waited for: call
    /// [`rest`](Self::rest) as soon as it can.
    ///
    /// # Errors
    ///
    /// There is not so much left. Nothing is counted then.
    pub const fn charge(&mut self, bytes: u64) -> Result<(), OverBudget> {
        if bytes > self.left {
            return Err(OverBudget);
        }
        self.left -= bytes;
        self.spent = self.spent.saturating_add(bytes);
        self.turn = self.turn.saturating_add(bytes);
        Ok(())
    }

    /// Lets others have their turn, if it is time.
    pub async fn rest(&mut self) {
        if self.turn >= Self::TURN {
            self.turn = 0;
            tokio::task::yield_now().await;
        }
    }

    /// Counts `bytes` of work that is about to be done here, and lets others have their turn if it is time.
    ///
    /// # Errors
    ///
    /// There is not so much left. Nothing is counted then.
    pub async fn spend(&mut self, bytes: u64) -> Result<(), OverBudget> {
        self.charge(bytes)?;
        self.rest().await;
        Ok(())
    }

    /// Counts `bytes` of work and does it: here if it is small, else by [`run_blocking`]. If this future is
    /// dropped, work that has begun there goes on to its end.
    ///
    /// # Errors
    ///
    /// There is not so much left. Nothing is done then.
    pub async fn run<T: Send + 'static>(
        &mut self,
        bytes: u64,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, OverBudget> {
        if bytes <= Self::TURN {
            self.spend(bytes).await?;
            return Ok(work());
        }
        self.charge(bytes)?;
        self.turn = 0;
        Ok(run_blocking(work).await)
    }
}

/// Does work that takes longer than a millisecond on the runtime's blocking pool. As many pieces as there are
/// processors are worked at, each by one thread; the others wait in their order. A panic of `work` goes on
/// here.
pub async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    static PLACES: LazyLock<Semaphore> =
        LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, NonZeroUsize::get)));
    // It is never closed.
    let place = PLACES.acquire().await.ok();
    let done = tokio::task::spawn_blocking(move || {
        let result = work();
        // Held until here even if nobody waits any more.
        drop(place);
        result
    });
    match done.await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime ends, and this future with it.
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        thread,
    };

    use super::*;

    #[test]
    fn counts_and_ends() {
        let mut budget = Budget::new(10);
        assert_eq!(budget.charge(11), Err(OverBudget));
        assert_eq!((budget.left(), budget.spent()), (10, 0));
        assert_eq!(budget.charge(10), Ok(()));
        assert_eq!(budget.charge(1), Err(OverBudget));
        budget.grant(u64::MAX);
        assert_eq!(budget.charge(u64::MAX), Ok(()));
        assert_eq!((budget.left(), budget.spent()), (0, u64::MAX));
    }

    #[tokio::test]
    async fn others_have_their_turn_after_each_turn_of_work() {
        static TURNS: AtomicU32 = AtomicU32::new(0);
        let other = tokio::spawn(async {
            loop {
                TURNS.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        let mut budget = Budget::unlimited();
        for _ in 0..10 {
            for _ in 0..4 {
                budget.spend(Budget::TURN / 4).await.unwrap();
            }
        }
        assert_eq!(TURNS.load(Ordering::Relaxed), 10);
        budget.spend(1).await.unwrap();
        assert_eq!(TURNS.load(Ordering::Relaxed), 10);
        other.abort();
    }

    #[tokio::test]
    async fn large_work_is_done_elsewhere() {
        let here = thread::current().id();
        let mut budget = Budget::new(2 * Budget::TURN);
        let thread = || thread::current().id();
        assert_eq!(budget.run(Budget::TURN, thread).await, Ok(here));
        assert_eq!(budget.run(Budget::TURN + 1, thread).await, Err(OverBudget));
        budget.grant(1);
        assert_ne!(budget.run(Budget::TURN + 1, thread).await, Ok(here));
        assert_eq!(budget.left(), 0);
    }

    #[tokio::test]
    async fn no_more_pieces_at_a_time_than_processors() {
        static NOW: AtomicU32 = AtomicU32::new(0);
        let most = u32::try_from(available_parallelism().unwrap().get()).unwrap();
        let work = || {
            let now = NOW.fetch_add(1, Ordering::SeqCst) + 1;
            thread::yield_now();
            NOW.fetch_sub(1, Ordering::SeqCst);
            now
        };
        let mut all = tokio::task::JoinSet::new();
        (0..50).for_each(|_| drop(all.spawn(run_blocking(work))));
        assert!(all.join_all().await.into_iter().all(|now| now <= most));
    }

    #[tokio::test]
    #[should_panic(expected = "inside")]
    async fn a_panic_goes_on() {
        run_blocking(|| panic!("inside")).await
    }
}
