//! What clients need of a runtime beside their stream: time, and threads for work that keeps one. This is tokio's where there is
//! one, and where there is none what stands here, so that nothing above knows the difference.

#[cfg(not(any(feature = "blocking", feature = "futures-io")))]
#[allow(unused_imports, reason = "each protocol and role uses a part of it")]
pub(crate) use tokio::time::{Sleep, sleep_until, timeout, timeout_at};

#[cfg(any(feature = "blocking", feature = "futures-io"))]
#[allow(unused_imports, reason = "each protocol and role uses a part of it")]
pub(crate) use self::anywhere::{Sleep, sleep_until, timeout, timeout_at};

/// A boxed future. Its code is compiled into this crate once, and not again into each program that awaits it.
#[cfg(any(feature = "client", feature = "deliver", feature = "discover"))]
pub(crate) type Boxed<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Lets work take until a time, if there is one: `None` if that came first.
#[cfg(feature = "client")]
pub(crate) async fn until<T>(
    deadline: Option<tokio::time::Instant>,
    work: impl Future<Output = T>,
) -> Option<T> {
    use std::{future::poll_fn, pin::pin, task::Poll};
    let mut overdue = deadline.map(|deadline| Box::pin(sleep_until(deadline)));
    let mut work = pin!(work);
    poll_fn(|cx| match (work.as_mut().poll(cx), &mut overdue) {
        (Poll::Ready(output), _) => Poll::Ready(Some(output)),
        // tokio's alarm has no turn where the work before it has used up all of the task's.
        (Poll::Pending, Some(sleep)) if sleep.deadline() <= tokio::time::Instant::now() => Poll::Ready(None),
        (Poll::Pending, Some(sleep)) => sleep.as_mut().poll(cx).map(|()| None),
        (Poll::Pending, None) => Poll::Pending,
    })
    .await
}

/// Does work that keeps a thread for a while.
///
/// # Errors
///
/// There is no thread for it, or the work panicked.
#[cfg(feature = "client")]
pub(crate) async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<T> {
    #[cfg(any(feature = "blocking", feature = "futures-io"))]
    if !has_tokio() {
        let (done, result) = tokio::sync::oneshot::channel();
        std::thread::Builder::new().name("mailwire".into()).spawn(move || drop(done.send(work())))?;
        return result.await.map_err(std::io::Error::other);
    }
    Ok(tokio::task::spawn_blocking(work).await?)
}

/// Whether tokio's clock and threads are to be used here.
#[cfg(any(feature = "blocking", feature = "futures-io"))]
fn has_tokio() -> bool {
    #[cfg(feature = "blocking")]
    if crate::blocking::is_waiting() {
        return false;
    }
    tokio::runtime::Handle::try_current().is_ok()
}

#[cfg(any(feature = "blocking", feature = "futures-io"))]
#[allow(dead_code, reason = "each protocol and role uses a part of it")]
mod anywhere {
    use std::{
        collections::BTreeMap,
        future::Future,
        pin::Pin,
        sync::{
            Condvar, Mutex, MutexGuard, PoisonError,
            atomic::{AtomicU64, Ordering},
        },
        task::{Context, Poll, Waker},
        thread,
        time::Duration,
    };

    use pin_project_lite::pin_project;
    use tokio::time::Instant;

    use super::has_tokio;

    /// Waits until a time, by whichever clock there is when it is polled.
    #[derive(Debug)]
    pub(crate) struct Sleep {
        deadline: Instant,
        timer: Option<Timer>,
    }

    #[derive(Debug)]
    enum Timer {
        Tokio(Pin<Box<tokio::time::Sleep>>),
        Thread(Alarm),
    }

    pub(crate) const fn sleep_until(deadline: Instant) -> Sleep {
        Sleep { deadline, timer: None }
    }

    impl Sleep {
        pub(crate) const fn deadline(&self) -> Instant {
            self.deadline
        }

        pub(crate) fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
            self.deadline = deadline;
            match &mut self.timer {
                Some(Timer::Tokio(sleep)) => sleep.as_mut().reset(deadline),
                timer => *timer = None,
            }
        }
    }

    impl Future for Sleep {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            let deadline = self.deadline;
            #[cfg(feature = "blocking")]
            if crate::blocking::wait_until(deadline) {
                self.timer = None;
                return if deadline <= Instant::now() { Poll::Ready(()) } else { Poll::Pending };
            }
            let timer = self.timer.get_or_insert_with(|| {
                if has_tokio() {
                    Timer::Tokio(Box::pin(tokio::time::sleep_until(deadline)))
                } else {
                    Timer::Thread(Alarm::new(deadline))
                }
            });
            match timer {
                // tokio's own has no turn where the work before it has used up all of the task's.
                _ if deadline <= Instant::now() => Poll::Ready(()),
                Timer::Tokio(sleep) => sleep.as_mut().poll(cx),
                Timer::Thread(alarm) => {
                    alarm.set(cx.waker());
                    Poll::Pending
                }
            }
        }
    }

    /// The time is over.
    #[derive(Debug)]
    pub(crate) struct Elapsed;

    pin_project! {
        /// Work that has to be done by a time. Not an `async fn`, which would hold the work twice: futures of clients are large,
        /// and stand within each other.
        pub(crate) struct Timeout<F> {
            #[pin]
            work: F,
            // Unless it is beyond what the clock can count.
            sleep: Option<Sleep>,
        }
    }

    impl<F: Future> Future for Timeout<F> {
        type Output = Result<F::Output, Elapsed>;

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            let this = self.project();
            if let Poll::Ready(output) = this.work.poll(cx) {
                return Poll::Ready(Ok(output));
            }
            match this.sleep {
                Some(sleep) => Pin::new(sleep).poll(cx).map(|()| Err(Elapsed)),
                None => Poll::Pending,
            }
        }
    }

    pub(crate) const fn timeout_at<F: Future>(deadline: Instant, work: F) -> Timeout<F> {
        Timeout { work, sleep: Some(sleep_until(deadline)) }
    }

    pub(crate) fn timeout<F: Future>(limit: Duration, work: F) -> Timeout<F> {
        Timeout { work, sleep: Instant::now().checked_add(limit).map(sleep_until) }
    }

    /// Wakes somebody at a time, by a thread for all of the process.
    #[derive(Debug)]
    struct Alarm {
        key: Key,
    }

    type Key = (std::time::Instant, u64);

    /// All alarms of the process.
    struct Alarms {
        state: Mutex<State>,
        changed: Condvar,
    }

    struct State {
        due: BTreeMap<Key, Waker>,
        /// The thread is there. It begins with the first alarm.
        runs: bool,
    }

    static ALARMS: Alarms =
        Alarms { state: Mutex::new(State { due: BTreeMap::new(), runs: false }), changed: Condvar::new() };

    impl Alarms {
        fn lock(&self) -> MutexGuard<'_, State> {
            self.state.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn run(&self) {
            let mut state = self.lock();
            loop {
                let now = std::time::Instant::now();
                match state.due.first_entry() {
                    None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                    Some(first) if first.key().0 <= now => {
                        let waker = first.remove();
                        // Whoever is woken can set an alarm at once.
                        drop(state);
                        waker.wake();
                        state = self.lock();
                    }
                    Some(first) => {
                        let left = first.key().0.duration_since(now);
                        state =
                            self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                    }
                }
            }
        }

        /// Sets an alarm. What was set for it before is given back: dropping a waker can drop a task, and the alarms in that,
        /// so that nothing may be locked then.
        fn set(&'static self, key: Key, waker: Waker) -> Option<Waker> {
            let mut state = self.lock();
            if !state.runs {
                let thread = thread::Builder::new().name("mailwire-timer".into()).spawn(|| self.run());
                match thread {
                    Ok(_) => state.runs = true,
                    Err(error) => {
                        crate::traces::error!(%error, "no thread for the timer: nothing ends by its time");
                    }
                }
            }
            if state.due.keys().next().is_none_or(|first| key < *first) {
                self.changed.notify_one();
            }
            state.due.insert(key, waker)
        }

        /// Takes an alarm back, with what was set for it.
        fn take(&self, key: &Key) -> Option<Waker> {
            self.lock().due.remove(key)
        }
    }

    impl Alarm {
        fn new(deadline: Instant) -> Self {
            static NEXT: AtomicU64 = AtomicU64::new(0);
            Self { key: (deadline.into_std(), NEXT.fetch_add(1, Ordering::Relaxed)) }
        }

        fn set(&self, waker: &Waker) {
            drop(ALARMS.set(self.key, waker.clone()));
        }
    }

    impl Drop for Alarm {
        fn drop(&mut self) {
            drop(ALARMS.take(&self.key));
        }
    }

    #[cfg(test)]
    mod tests {
        use std::{
            sync::{Arc, mpsc},
            task::Wake,
        };

        use super::*;

        /// What a peer that sends without end makes of the work that reads it: it is never done, and never has to wait.
        #[tokio::test(start_paused = true)]
        async fn work_that_uses_up_its_turns_is_ended_by_time() {
            let busy = async {
                for _ in 0..100_000 {
                    tokio::task::consume_budget().await;
                }
            };
            let clock = tokio::spawn(tokio::time::advance(Duration::from_secs(60)));
            assert!(timeout(Duration::from_secs(30), busy).await.is_err());
            clock.await.unwrap();
        }

        /// A waker can be the last that holds a task, which has an alarm, too.
        #[test]
        fn a_waker_that_holds_another_alarm_can_be_replaced_and_dropped() {
            struct Task(#[allow(dead_code, reason = "held to be dropped")] Alarm);
            impl Wake for Task {
                fn wake(self: Arc<Self>) {}
            }
            let (done, is_done) = mpsc::channel();
            std::thread::spawn(move || {
                let later = Instant::now() + Duration::from_secs(3600);
                let held = || {
                    let alarm = Alarm::new(later);
                    alarm.set(Waker::noop());
                    Waker::from(Arc::new(Task(alarm)))
                };
                let alarm = Alarm::new(later);
                alarm.set(&held());
                alarm.set(&held());
                drop(alarm);
                done.send(()).unwrap();
            });
            is_done.recv_timeout(Duration::from_secs(20)).unwrap();
        }
    }
}
