//! How much is worked out at a time.

use std::sync::Arc;

use tokio::{sync::Semaphore, task::spawn_blocking};

use super::answer::Refused;

/// Work where it holds nobody up, so many pieces of it at a time.
pub(super) struct Turns(Arc<Semaphore>);

impl Turns {
    pub(super) fn new(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once)))
    }

    /// Does a piece of work when it is its turn. Once begun it cannot be broken off, so it counts to its end, whether or not
    /// whoever wants it has left.
    pub(super) async fn take<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let turn = Arc::clone(&self.0).acquire_owned().await.map_err(|_| Refused::Failed)?;
        let work = move || {
            let _turn = turn;
            work()
        };
        spawn_blocking(work).await.map_err(|_| Refused::Failed)
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, sync::mpsc, task::Poll};

    use super::*;

    #[tokio::test]
    async fn who_leaves_makes_no_room_before_the_work_is_done() {
        let turns = Turns::new(1);
        let (go_on, wait) = mpsc::channel::<()>();
        let mut first = Box::pin(turns.take(move || wait.recv()));
        // It begins, and nobody waits for its end.
        poll_fn(|context| {
            assert!(first.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(first);
        assert_eq!(turns.0.available_permits(), 0);
        go_on.send(()).unwrap();
        assert_eq!(turns.take(|| 2).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn work_that_fails_gives_its_turn_back() {
        let turns = Turns::new(1);
        assert!(turns.take(|| panic!("on purpose")).await.is_err());
        assert_eq!(turns.take(|| 2).await.unwrap(), 2);
    }
}
