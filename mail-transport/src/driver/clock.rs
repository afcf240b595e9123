use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// The time that the peer has left. Both ends are set when the clock is looked at, so that a caller
/// who comes back after an hour of its own finds it full.
#[derive(Debug, Default)]
pub(super) struct Clock {
    sleep: Option<Pin<Box<Sleep>>>,
    idle_since: Option<Instant>,
    step_since: Option<Instant>,
    limit: Option<Duration>,
}

impl Clock {
    /// A new step begins.
    pub(super) fn restart(&mut self) {
        self.idle_since = None;
        self.step_since = None;
    }

    /// Bytes came, of a step that is not at its end.
    pub(super) fn received(&mut self) {
        self.idle_since = None;
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        limit: Option<Duration>,
        step: Option<Duration>,
    ) -> Poll<()> {
        if self.limit != limit {
            self.limit = limit;
            self.restart();
        }
        let Some(limit) = limit else {
            self.restart();
            return Poll::Pending;
        };
        let now = Instant::now();
        let idle = self.idle_since.get_or_insert(now).checked_add(limit);
        let whole = step.and_then(|step| self.step_since.get_or_insert(now).checked_add(step.max(limit)));
        let at = match (idle, whole) {
            (Some(idle), Some(whole)) => idle.min(whole),
            (Some(at), None) | (None, Some(at)) => at,
            // Beyond what the clock can count.
            (None, None) => return Poll::Pending,
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }
}
