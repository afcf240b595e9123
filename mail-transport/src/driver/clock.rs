use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use crate::runtime::{Sleep, sleep_until};

/// What the time of a whole is: of a command, a reply or a body, from its first byte to its last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole {
    /// The time that it has whatever its length.
    pub(super) time: Option<Duration>,
    /// So many bytes add a second to it; 0 if none do.
    pub(super) least_rate: u32,
}

/// The time that the peer has left.
///
/// Only time in which the peer is waited for counts: from when the clock is looked at to when bytes move.
/// A caller who comes back after an hour of its own finds it full.
#[derive(Debug, Default)]
pub(super) struct Clock {
    sleep: Option<Pin<Box<Sleep>>>,
    limit: Option<Duration>,
    /// The peer is waited for since then.
    since: Option<Instant>,
    /// How long it was waited for before that, since the whole began.
    waited: Duration,
    /// How many bytes have moved since the whole began, of what was asked for.
    moved: u64,
    /// How many bytes have come that nobody had asked for.
    unasked: u64,
}

/// So many bytes that nobody asked for cost a second: whoever sends them without a pause is never waited for, and would
/// have no end.
const UNASKED_RATE: u64 = 1 << 20;

impl Clock {
    /// A new whole begins, and the peer is not waited for yet.
    pub(super) fn restart(&mut self) {
        self.since = None;
        self.begin_whole();
    }

    /// A new whole begins. The time since bytes have moved runs on.
    pub(super) const fn begin_whole(&mut self) {
        self.waited = Duration::ZERO;
        self.moved = 0;
        self.unasked = 0;
    }

    /// Bytes moved, in either direction.
    pub(super) fn moved(&mut self, count: usize) {
        self.moved = self.moved.saturating_add(count as u64);
        self.stop();
    }

    /// Bytes that moved were of something that nobody had asked for. They give the peer no time, and take some.
    pub(super) const fn unasked(&mut self, count: usize) {
        self.moved = self.moved.saturating_sub(count as u64);
        self.unasked = self.unasked.saturating_add(count as u64);
    }

    /// How long waiting for the peer would have had to be for what it has sent that nobody had asked for.
    const fn flooded(&self) -> Duration {
        Duration::from_secs(self.unasked / UNASKED_RATE)
    }

    /// How many bytes that nobody had asked for were too many, if they have used up more of the time than waiting has.
    pub(super) fn flood(&self) -> Option<u64> {
        (self.flooded() > self.waited).then(|| self.flooded().as_secs().saturating_mul(UNASKED_RATE))
    }

    /// What is left of the time of the whole, apart from the present wait.
    pub(super) fn left(&self, limit: Duration, whole: Whole) -> Option<Duration> {
        let earned = self.moved.checked_div(whole.least_rate.into()).unwrap_or(0);
        let spent = self.waited.saturating_add(self.flooded());
        let all = whole.time?.max(limit).saturating_add(Duration::from_secs(earned));
        Some(all.saturating_sub(spent))
    }

    /// The peer is not waited for any more.
    pub(super) fn stop(&mut self) {
        if let Some(since) = self.since.take() {
            self.waited = self.waited.saturating_add(since.elapsed());
        }
    }

    /// Waits until the peer has moved no byte for `limit`, or the time of the whole has passed. That is
    /// never shorter than `limit`.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, limit: Option<Duration>, whole: Whole) -> Poll<()> {
        if self.limit != limit {
            self.limit = limit;
            self.stop();
        }
        let Some(limit) = limit else {
            self.stop();
            return Poll::Pending;
        };
        let since = *self.since.get_or_insert_with(Instant::now);
        let left = self.left(limit, whole);
        // Beyond what the clock can count: no end.
        let Some(at) = since.checked_add(left.map_or(limit, |left| left.min(limit))) else {
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }
}
