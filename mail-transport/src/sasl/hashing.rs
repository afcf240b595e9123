//! Slow hash functions, away from the async workers.

use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;

use super::Unavailable;

/// Runs what takes long by intention on the blocking pool: as many at a time as there are processors, so
/// that a flood of logins fills neither the pool nor the machine. Those that wait keep their order.
///
/// # Errors
///
/// The runtime shuts down, or `work` panicked.
pub(super) async fn hash<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unavailable> {
    static PERMITS: OnceLock<Arc<Semaphore>> = OnceLock::new();
    let permits = PERMITS.get_or_init(|| {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Semaphore::new(processors))
    });
    let permit = Arc::clone(permits).acquire_owned().await.map_err(|_| Unavailable)?;
    let hashed = tokio::task::spawn_blocking(move || {
        let result = work();
        // Not when the future is dropped: the work goes on without it.
        drop(permit);
        result
    });
    hashed.await.map_err(|_| Unavailable)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn no_more_run_at_a_time_than_there_are_processors() {
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let tasks: Vec<_> = (0..50)
            .map(|number| {
                tokio::spawn(hash(move || {
                    MOST.fetch_max(RUNNING.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    RUNNING.fetch_sub(1, Ordering::SeqCst);
                    number
                }))
            })
            .collect();
        for (number, task) in tasks.into_iter().enumerate() {
            if number % 3 == 0 {
                task.abort();
            } else {
                assert_eq!(task.await.unwrap().unwrap(), number);
            }
        }
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        assert!(MOST.load(Ordering::SeqCst) <= processors);
    }
}
