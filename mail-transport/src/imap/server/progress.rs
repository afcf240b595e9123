//! INPROGRESS: the client hears how far a long command has come (RFC 9585).

use std::{
    future::Future,
    num::NonZeroU32,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use mailwire_imap::{
    extensions::inprogress,
    response::{Code, ReplyKind, Untagged},
    types::Tag,
};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{
    refusal::status,
    sending::{ServerDriver, push},
};
use crate::Error;

/// How often the client hears of it: the RFC recommends 10 to 15 seconds.
const EVERY: Duration = Duration::from_secs(12);

/// Where a session notes how far a call has come, so that the client of a long one hears of it
/// ([RFC 9585](https://www.rfc-editor.org/rfc/rfc9585)).
///
/// Nothing has to be noted: then the client hears that the command goes on, and nothing else. Clones are one
/// place.
///
/// # Examples
///
/// ```
/// use mailwire_transport::imap::server::Progress;
///
/// let progress = Progress::new();
/// progress.expect(2);
/// for _message in ["one", "two"] {
///     progress.advance(1);
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    done: AtomicU32,
    goal: AtomicU32,
}

impl Progress {
    /// A place where nothing is noted.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that so many items, messages mostly, are to be done in all.
    pub fn expect(&self, items: u64) {
        self.0.goal.store(u32::try_from(items).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Notes that so many more of them are done.
    pub fn advance(&self, items: u32) {
        self.0.done.fetch_add(items, Ordering::Relaxed);
    }

    /// What the client is told.
    fn told(&self, tag: Option<&Tag>) -> inprogress::Progress {
        let mut told = inprogress::Progress::new();
        if let Some(tag) = tag {
            told = told.clone().with_tag(tag.as_text().clone()).unwrap_or(told);
        }
        let (done, goal) = (self.0.done.load(Ordering::Relaxed), self.0.goal.load(Ordering::Relaxed));
        match NonZeroU32::new(goal) {
            None if done == 0 => told,
            // What has come to its goal has come to its end, and that is told otherwise.
            Some(goal) => told.with_count(done.min(goal.get() - 1), Some(goal)),
            None => told.with_count(done, None),
        }
    }
}

/// One place is as good as another: options with one are alike by the rest of them.
impl PartialEq for Progress {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Progress {}

/// Does a call of the session, and tells the client how far it is from time to time.
pub(super) async fn telling<T>(
    driver: &mut ServerDriver,
    tag: Option<&Tag>,
    progress: &Progress,
    call: impl Future<Output = T>,
) -> Result<T, Error> {
    let mut call = pin!(call);
    let mut ticks = interval_at(Instant::now() + EVERY, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            result = &mut call => return Ok(result),
            _ = ticks.tick() => {}
        }
        let code = Code::InProgress(progress.told(tag).into());
        push(driver, Untagged::Reply(status(ReplyKind::Ok, "Working").with_code(code))).await?;
        // A client that does not read holds nothing up but itself.
        tokio::select! {
            biased;
            result = &mut call => return Ok(result),
            flushed = driver.flush() => flushed?,
        }
    }
}
