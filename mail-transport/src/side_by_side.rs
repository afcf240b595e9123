//! Doing many things at once, within one task.

use std::{
    future::{Future, poll_fn},
    task::Poll,
};

pub(crate) use crate::runtime::Boxed;

/// Makes work of its kind.
pub(crate) fn boxed<'a, T>(work: impl Future<Output = T> + Send + 'a) -> Boxed<'a, T> {
    Box::pin(work)
}

/// The outcomes of all of it, in its order; so many go on at once, and the next begins when one is done. All that go on are polled
/// when one of them can: that is for some dozens.
pub(crate) async fn all<'a, T>(work: impl IntoIterator<Item = Boxed<'a, T>>, at_once: usize) -> Vec<T> {
    let mut waiting = work.into_iter().enumerate();
    let mut going: Vec<_> = waiting.by_ref().take(at_once.max(1)).collect();
    let mut outcomes = Vec::new();
    poll_fn(|cx| {
        let mut at = 0;
        while let Some((index, one)) = going.get_mut(at) {
            match one.as_mut().poll(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(outcome) => {
                    outcomes.push((*index, outcome));
                    match waiting.next() {
                        // Its turn comes at once, at the same place.
                        Some(next) => drop(going.get_mut(at).map(|place| std::mem::replace(place, next))),
                        None => drop(going.swap_remove(at)),
                    }
                }
            }
        }
        if going.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outcomes.sort_unstable_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn so_many_at_once_in_order() {
        let (now, most) = (&AtomicUsize::new(0), &AtomicUsize::new(0));
        let work = (0..50_usize).map(|index| {
            boxed(async move {
                most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                for _ in 0..50 - index {
                    tokio::task::yield_now().await;
                }
                now.fetch_sub(1, Ordering::Relaxed);
                index
            })
        });
        let work: Vec<_> = work.collect();
        assert_eq!(all(work, 7).await, (0..50).collect::<Vec<_>>());
        assert_eq!(most.load(Ordering::Relaxed), 7);
        assert_eq!(all(Vec::<Boxed<'_, ()>>::new(), 7).await, []);
    }
}
