//! FUTURERELEASE: messages that are held back for a while ([RFC 4865](https://www.rfc-editor.org/rfc/rfc4865)).

use alloc::vec::Vec;

use mailwire_core::{Invalid, private::write_number};

use super::{Offered, Value, deliver_by::DeliverBy, put_offered};
use crate::types::DateTime;

/// How long a message is held, in seconds: 1 to 999,999,999 ([RFC 4865 section
/// 3](https://www.rfc-editor.org/rfc/rfc4865#section-3)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct HoldInterval(u32);

impl HoldInterval {
    /// So many seconds, if a message can be held for them.
    #[must_use]
    pub const fn new(seconds: u32) -> Option<Self> {
        if matches!(seconds, 1..=999_999_999) { Some(Self(seconds)) } else { None }
    }

    /// The seconds.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// How long a message is held back: HOLDFOR or HOLDUNTIL ([RFC 4865 section
/// 3](https://www.rfc-editor.org/rfc/rfc4865#section-3)).
///
/// # Examples
///
/// ```
/// use mailwire_smtp::{Command, DateTime, Mail, Mailbox, extensions::future_release::Hold};
///
/// let tomorrow = DateTime::new("2026-11-29T08:00:00Z")?;
/// let mut out = Vec::new();
/// let mail = Mail::new(Mailbox::try_from("anna@example.org")?).with_hold(Hold::Until(tomorrow));
/// Command::Mail(mail).write(&mut out);
/// assert_eq!(out, b"MAIL FROM:<anna@example.org> HOLDUNTIL=2026-11-29T08:00:00Z\r\n");
/// # Ok::<(), mailwire_smtp::Invalid>(())
/// ```
///
/// A server that took the message finds out until when it has to keep it:
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use mailwire_smtp::{DateTime, extensions::future_release::{Hold, HoldInterval}};
///
/// let now = SystemTime::now();
/// let hour = Hold::For(HoldInterval::new(3600).unwrap());
/// assert_eq!(hour.release_time(now), now + Duration::from_secs(3600));
/// // What is past is released at once.
/// assert_eq!(Hold::Until(DateTime::new("2001-01-01T00:00:00Z")?).release_time(now), now);
/// # Ok::<(), mailwire_smtp::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Hold {
    /// HOLDFOR: for so long from now.
    For(HoldInterval),
    /// HOLDUNTIL: until then. It is written in UTC.
    Until(DateTime),
}

impl Hold {
    /// When a message is released that came at `now`: no earlier than it asks for, whose seconds may have a fraction; `now` if
    /// that is past ([RFC 4865 section 4.2](https://www.rfc-editor.org/rfc/rfc4865#section-4.2)).
    #[cfg(feature = "std")]
    #[must_use]
    pub fn release_time(&self, now: std::time::SystemTime) -> std::time::SystemTime {
        use std::time::{Duration, SystemTime};

        let (start, seconds) = match self {
            Self::For(interval) => (now, u64::from(interval.get())),
            Self::Until(until) => {
                let seconds = u64::try_from(until.unix_seconds()).unwrap_or(0);
                (SystemTime::UNIX_EPOCH, seconds + u64::from(until.has_fraction()))
            }
        };
        // A clock that stands at the end of all time does not hold anything.
        start.checked_add(Duration::from_secs(seconds)).unwrap_or(now).max(now)
    }

    /// What is left for the delivery of a message that comes `now`, once it is released. `None` if it would be released after the
    /// time by which it has to be delivered: a server refuses it, by 501 and 5.5.4; a client sends it only with some time left
    /// ([RFC 4865 section 5.2](https://www.rfc-editor.org/rfc/rfc4865#section-5.2)).
    #[cfg(feature = "std")]
    #[must_use]
    pub fn time_to_deliver(&self, by: DeliverBy, now: std::time::SystemTime) -> Option<core::time::Duration> {
        let held = self.release_time(now).duration_since(now).unwrap_or_default();
        let by = u64::try_from(by.seconds()).ok().map(core::time::Duration::from_secs);
        // A time that is over is below zero.
        by?.checked_sub(held)
    }

    /// Whether the message is held for longer than until it has to be delivered, as far as that can be told without a clock.
    pub(crate) fn outlasts(&self, by: DeliverBy) -> bool {
        matches!(self, Self::For(interval) if i64::from(interval.get()) > i64::from(by.seconds()))
    }
}

impl Value for Hold {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::For(interval) => write_number(out, interval.get().into()),
            Self::Until(until) if until.is_utc() => until.write(out),
            Self::Until(until) => {
                // One at the edge of what years can be is written as it is.
                let utc = DateTime::from_unix_seconds(until.unix_seconds());
                utc.as_ref().unwrap_or(until).write(out);
            }
        }
    }

    fn keyword(&self, first: &'static str) -> &'static str {
        match self {
            Self::For(_) => first,
            Self::Until(_) => " HOLDUNTIL",
        }
    }

    fn compact(&self) -> Self {
        match self {
            Self::For(interval) => Self::For(*interval),
            Self::Until(until) => Self::Until(until.compact()),
        }
    }
}

/// The longest that a server holds messages ([RFC 4865 section
/// 3](https://www.rfc-editor.org/rfc/rfc4865#section-3)).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FutureRelease {
    max_interval: HoldInterval,
    max_date_time: DateTime,
}

impl FutureRelease {
    /// That messages are held for so long, or until then, at most.
    ///
    /// # Errors
    ///
    /// The date is not in UTC.
    pub fn new(max_interval: HoldInterval, max_date_time: DateTime) -> Result<Self, Invalid> {
        if !max_date_time.is_utc() {
            return Err(Invalid::new("last date of release", 0, "not in UTC"));
        }
        Ok(Self { max_interval, max_date_time })
    }

    /// That messages are held for so long at most, be it told as an interval or as a date, which is counted from `now`: it has
    /// to be made anew for each client, as the date would come nearer.
    ///
    /// # Errors
    ///
    /// The date would be beyond the year 9999.
    #[cfg(feature = "std")]
    pub fn starting(now: std::time::SystemTime, max_interval: HoldInterval) -> Result<Self, Invalid> {
        let since = now.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
        let end =
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX).saturating_add(max_interval.get().into());
        let max_date_time = DateTime::from_unix_seconds(end);
        let too_far = Invalid::new("last date of release", 0, "a year beyond 9999");
        Ok(Self { max_interval, max_date_time: max_date_time.ok_or(too_far)? })
    }

    /// The longest interval.
    #[must_use]
    pub const fn max_interval(&self) -> HoldInterval {
        self.max_interval
    }

    /// The last date.
    #[must_use]
    pub const fn max_date_time(&self) -> &DateTime {
        &self.max_date_time
    }

    /// Whether the server holds a message for so long.
    #[must_use]
    pub fn permits(&self, hold: &Hold) -> bool {
        match hold {
            Hold::For(interval) => *interval <= self.max_interval,
            Hold::Until(until) => until.unix_seconds() <= self.max_date_time.unix_seconds(),
        }
    }
}

impl Offered for FutureRelease {
    fn put(&self, out: &mut Vec<u8>) {
        put_offered(out, Some(self.max_interval.get().into()), b"");
        out.push(b' ');
        self.max_date_time.write(out);
    }
}

#[cfg(feature = "extensions")]
mod grammar {
    use mailwire_core::{
        Cursor, ParseError, Text,
        grammar::{Expected, Grammar, byte},
    };
    use nom::Parser;

    use super::{
        super::read::{ReadOffered, ReadValue, number9},
        FutureRelease, Hold, HoldInterval,
    };
    use crate::types::DateTime;

    impl ReadValue for Hold {
        /// ```abnf
        /// hold-for-param   = "HOLDFOR=" future-release-integer      ; %x31-39 *8DIGIT
        /// hold-until-param = "HOLDUNTIL=" date-time                 ; in UTC
        /// ```
        fn read(keyword: &[u8], cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
            if keyword.len() == "HOLDFOR".len() {
                return cursor.run(|_| hold_interval()).map(Self::For);
            }
            let start = cursor.offset();
            let until = DateTime::read(cursor)?;
            if until.is_utc() { Ok(Self::Until(until)) } else { Err(ParseError::new(start, "not in UTC")) }
        }
    }

    impl ReadOffered for FutureRelease {
        /// ```abnf
        /// "FUTURERELEASE" SP max-future-release-interval SP max-future-release-date-time
        /// ```
        fn grammar<'a>() -> impl Grammar<'a, Self> {
            (hold_interval(), byte(b' ', "expected a space"), date_time())
                .map(|(max_interval, (), max_date_time)| Self { max_interval, max_date_time })
        }
    }

    fn hold_interval<'a>() -> impl Grammar<'a, HoldInterval> {
        const REASON: &str = "expected a number of seconds from 1 on";
        move |input: &'a [u8]| {
            let (rest, seconds) = number9(REASON).parse_complete(input)?;
            match HoldInterval::new(seconds).filter(|_| !input.starts_with(b"0")) {
                Some(interval) => Ok((rest, interval)),
                None => Err(nom::Err::Error(Expected { rest: input, reason: REASON })),
            }
        }
    }

    /// What is left is the date.
    fn date_time<'a>() -> impl Grammar<'a, DateTime> {
        move |input: &'a [u8]| match DateTime::new(Text::from(input)) {
            Ok(date_time) if date_time.is_utc() => {
                Ok((input.get(input.len()..).unwrap_or_default(), date_time))
            }
            _ => Err(nom::Err::Error(Expected { rest: input, reason: "expected a date in UTC" })),
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Hold {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(if u.arbitrary()? { Self::For(u.arbitrary()?) } else { Self::Until(u.arbitrary()?) })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for HoldInterval {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self(u.int_in_range(1..=999_999_999)?))
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for FutureRelease {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { max_interval: u.arbitrary()?, max_date_time: u.arbitrary()? })
    }
}
