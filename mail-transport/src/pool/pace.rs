//! How often something is done in a stretch of time.

use std::{collections::VecDeque, time::Duration};

use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, sleep_until},
};

use super::Rate;

/// Keeps uses within a rate. Whoever asks first goes first.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Rate,
    /// When the last ones were, as many as the rate permits.
    uses: Mutex<VecDeque<Instant>>,
}

impl Pace {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, uses: Mutex::default() }
    }

    /// Counts a use, if there may be one now and nobody waits for that.
    pub(super) fn try_use(&self) -> bool {
        let Ok(uses) = self.uses.try_lock() else { return false };
        self.due(&uses).is_none_or(|due| due <= Instant::now()) && {
            self.count(uses);
            true
        }
    }

    /// Waits until there may be a use. Nobody else has a turn before this one is counted or dropped.
    pub(super) async fn turn(&self) -> Turn<'_> {
        let uses = self.uses.lock().await;
        if let Some(due) = self.due(&uses) {
            sleep_until(due).await;
        }
        Turn { pace: self, uses }
    }

    /// When there may be another use; `None` for now.
    fn due(&self, uses: &VecDeque<Instant>) -> Option<Instant> {
        /// A clock counts no further than some hundred years.
        const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        let first = uses.front().filter(|_| uses.len() >= self.rate.uses)?;
        first.checked_add(self.rate.per.min(LONGEST))
    }

    fn count(&self, mut uses: MutexGuard<'_, VecDeque<Instant>>) {
        if uses.len() >= self.rate.uses {
            uses.pop_front();
        }
        uses.push_back(Instant::now());
    }
}

/// Somebody may use something now, or later.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pace: &'a Pace,
    uses: MutexGuard<'a, VecDeque<Instant>>,
}

impl Turn<'_> {
    /// Counts the use, which begins now.
    pub(super) fn count(self) {
        self.pace.count(self.uses);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_stretch_of_time_has_more_than_the_rate() {
        let per = Duration::from_secs(60);
        let pace = Pace::new(Rate::new(3, per));
        let begun = Instant::now();
        let mut times = Vec::new();
        for at in 0..20 {
            if at == 7 {
                tokio::time::sleep(Duration::from_secs(75)).await;
            }
            pace.turn().await.count();
            times.push(begun.elapsed());
        }
        assert!(times.windows(4).all(|four| four[3] - four[0] >= per), "{times:?}");
        assert_eq!(&times[..4], [Duration::ZERO, Duration::ZERO, Duration::ZERO, per]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_wait_counts_nothing_and_nobody_overtakes() {
        let per = Duration::from_secs(60);
        let pace = Pace::new(Rate::new(1, per));
        assert!(pace.try_use() && !pace.try_use());
        let begun = Instant::now();
        assert!(tokio::time::timeout(per / 2, pace.turn()).await.is_err());
        {
            let mut waiting = std::pin::pin!(pace.turn());
            assert!(tokio::time::timeout(per / 4, waiting.as_mut()).await.is_err());
            assert!(!pace.try_use());
            waiting.await.count();
        }
        assert_eq!(begun.elapsed(), per);
    }

    #[test]
    fn a_rate_of_none_is_one() {
        assert_eq!(Rate::new(0, Duration::ZERO), Rate::new(1, Duration::ZERO));
    }
}
