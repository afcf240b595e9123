//! When a message is tried again, and when it is given up.

use std::time::{Duration, SystemTime};

use mailwire_core::setters;

use super::{Fate, Why};

/// When a message that was not taken is tried again, and for how long.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The pause after the first attempt: 5 minutes. Each further one is twice as long.
    pub first: Duration,
    /// The longest pause: 2 hours.
    pub longest: Duration,
    /// The pause after a first attempt that was greylisted: a minute and a half. Most servers that do so take a message after
    /// one minute, or after five.
    pub greylisted: Duration,
    /// How long it is tried: 5 days, as [RFC 5321 section 4.5.4.1](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.4.1) has
    /// it.
    pub give_up: Duration,
    /// After how long a sender is told that a message is still on its way: 4 hours. `None`: never.
    pub warn: Option<Duration>,
}

impl Default for Retry {
    fn default() -> Self {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        Self {
            first: minutes(5),
            longest: minutes(120),
            greylisted: Duration::from_secs(90),
            give_up: minutes(5 * 24 * 60),
            warn: Some(minutes(4 * 60)),
        }
    }
}

setters!(const Retry {
    with_first(first: Duration),
    with_longest(longest: Duration),
    with_greylisted(greylisted: Duration),
    with_give_up(give_up: Duration),
    with_warn(warn: Option<Duration>),
});

/// What happens to a recipient next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// A sender who wants to hear of it is told so, unless somebody else does.
    Done(Option<Success>),
    /// The sender is told.
    Bounce(Why),
    Again {
        at: SystemTime,
        why: Why,
        /// The sender is told that it takes long.
        warn: bool,
    },
}

/// How far this side knows that a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Success {
    Delivered,
    /// To where no reports come from.
    Relayed,
}

/// A recipient, as far as it has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// When the message came, or, if it was held back, was released.
    pub(super) since: SystemTime,
    /// With the one that has just been made.
    pub(super) attempts: u32,
    pub(super) warned: bool,
}

impl Retry {
    /// What happens to a recipient after an attempt.
    pub(super) fn next(&self, fate: Fate, progress: Progress, now: SystemTime) -> Next {
        let why = match fate {
            Fate::Delivered => return Next::Done(Some(Success::Delivered)),
            Fate::Relayed { reports } => return Next::Done((!reports).then_some(Success::Relayed)),
            Fate::Failed(why) => return Next::Bounce(why),
            Fate::Deferred(why) | Fate::InDoubt(why) => why,
        };
        let end = progress.since + self.give_up;
        if now >= end {
            // Delivery time expired. The reply and the host tell of the last attempt.
            let text = format!("it was tried for too long; at last: {}", why.text);
            return Next::Bounce(Why { code: "4.4.7".into(), text, ..why });
        }
        let late = self.warn.is_some_and(|warn| now >= progress.since + warn);
        // The last attempt is at the end.
        let at = (now + self.pause(progress.attempts, why.is_greylisting)).min(end);
        Next::Again { at, warn: late && !progress.warned, why }
    }

    /// The pause after so many attempts.
    fn pause(&self, attempts: u32, is_greylisting: bool) -> Duration {
        if is_greylisting && attempts <= 1 {
            return self.greylisted;
        }
        let times = 1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
        // Of 2^31 on it is as good as for ever.
        self.first.saturating_mul(times.max(1)).min(self.longest.max(self.first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn after(attempts: u32, fate: Fate, now: u64) -> Next {
        Retry::default().next(fate, Progress { since: at(0), attempts, warned: false }, at(now))
    }

    fn busy() -> Why {
        Why::new("4.2.1", "busy")
    }

    #[test]
    fn pauses_grow_to_the_longest() {
        let minutes: Vec<_> =
            (1..9).map(|attempts| Retry::default().pause(attempts, false).as_secs() / 60).collect();
        assert_eq!(minutes, [5, 10, 20, 40, 80, 120, 120, 120]);
        assert_eq!(Retry::default().pause(u32::MAX, false), Retry::default().longest);
        assert_eq!(Retry::default().pause(0, false), Retry::default().first);
    }

    #[test]
    fn greylisting_is_tried_soon_once() {
        let grey = Why { is_greylisting: true, ..busy() };
        let again = |at, why: &Why, warn| Next::Again { at, why: why.clone(), warn };
        assert_eq!(after(1, Fate::Deferred(grey.clone()), 0), again(at(90), &grey, false));
        assert_eq!(after(2, Fate::Deferred(grey.clone()), 90), again(at(690), &grey, false));
    }

    #[test]
    fn a_refusal_for_good_is_told_at_once() {
        assert_eq!(after(1, Fate::Failed(busy()), 0), Next::Bounce(busy()));
        assert_eq!(after(1, Fate::Delivered, 0), Next::Done(Some(Success::Delivered)));
        assert_eq!(after(1, Fate::Relayed { reports: true }, 0), Next::Done(None));
    }

    #[test]
    fn the_last_attempt_is_at_the_end() {
        let days = 5 * 24 * 3600;
        let again = after(60, Fate::InDoubt(busy()), days - 60);
        assert_eq!(again, Next::Again { at: at(days), why: busy(), warn: true });
        let Next::Bounce(why) = after(61, Fate::Deferred(busy()), days) else { panic!() };
        assert_eq!(why.code, "4.4.7");
        assert!(why.text.ends_with("busy"), "{}", why.text);
    }

    #[test]
    fn a_sender_is_warned_once() {
        let hours = 4 * 3600;
        assert!(matches!(after(7, Fate::Deferred(busy()), hours), Next::Again { warn: true, .. }));
        let warned = Progress { since: at(0), attempts: 8, warned: true };
        let again = Retry::default().next(Fate::Deferred(busy()), warned, at(hours * 2));
        assert!(matches!(again, Next::Again { warn: false, .. }));
        let never = Retry::default().with_warn(None);
        let again = never.next(Fate::Deferred(busy()), Progress { warned: false, ..warned }, at(hours * 2));
        assert!(matches!(again, Next::Again { warn: false, .. }));
    }
}
