//! A moment, and the clock that told it.

use core::fmt;

use mailwire_core::{
    Invalid,
    private::{HeaderDate, MONTHS, day_of_epoch, days_since_epoch},
};

/// A moment as header fields tell it, with the offset of the clock ([RFC 5322 section
/// 3.3](https://www.rfc-editor.org/rfc/rfc5322#section-3.3)): `Sat, 28 Nov 2026 22:31:11 +0100`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timestamp {
    seconds: i64,
    offset: i16,
}

const DAY: i64 = 86_400;

/// The days of the years 0 to 9999, which four digits can tell.
const FIRST: i64 = days_since_epoch(0, 1, 1) as i64 * DAY;
const LAST: i64 = days_since_epoch(10_000, 1, 1) as i64 * DAY - 1;

impl Timestamp {
    /// The moment so many seconds after 1970-01-01 in UTC, told by a clock that is `offset` minutes before UTC.
    ///
    /// # Errors
    ///
    /// A year of that clock beyond 0 to 9999, or an offset of more than 99 hours and 59 minutes.
    pub const fn new(seconds: i64, offset: i16) -> Result<Self, Invalid> {
        if offset < -5999 || offset > 5999 {
            return Err(Invalid::new("offset from UTC", 0, "more than 99 hours and 59 minutes"));
        }
        match seconds.checked_add(offset as i64 * 60) {
            Some(FIRST..=LAST) => Ok(Self { seconds, offset }),
            _ => Err(Invalid::new("date", 0, "a year beyond 0 to 9999")),
        }
    }

    /// Reads a date as others write it in header fields: without a weekday, with the name of a zone, with a comment; a zone
    /// that is not known counts as UTC ([RFC 5322 section 4.3](https://www.rfc-editor.org/rfc/rfc5322#section-4.3)).
    /// `None` without a day or a time.
    #[must_use]
    pub fn read(field: &[u8]) -> Option<Self> {
        let date = HeaderDate::read(field)?;
        date.time?;
        Self::new(date.unix_seconds()?, date.zone.unwrap_or_default()).ok()
    }

    /// Seconds after 1970-01-01 in UTC; before it, negative.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// How many minutes the clock is before UTC.
    #[must_use]
    pub const fn offset(self) -> i16 {
        self.offset
    }
}

/// The moment in UTC; beyond the years 0 to 9999, their first or last second.
#[cfg(feature = "std")]
impl From<std::time::SystemTime> for Timestamp {
    fn from(time: std::time::SystemTime) -> Self {
        let seconds = match time.duration_since(std::time::SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_secs()).unwrap_or(LAST),
            Err(before) => i64::try_from(before.duration().as_secs()).map_or(FIRST, |seconds| -seconds),
        };
        Self { seconds: seconds.clamp(FIRST, LAST), offset: 0 }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        let local = self.seconds + i64::from(self.offset) * 60;
        // Within the years 0 to 9999.
        let (days, time) = (local.div_euclid(DAY) as i32, local.rem_euclid(DAY));
        let (year, month, day) = day_of_epoch(days).unwrap_or_default();
        let weekday = WEEKDAYS.get(days.rem_euclid(7) as usize).unwrap_or(&"");
        let month = MONTHS.get(usize::from(month.saturating_sub(1)));
        let month = month.and_then(|month| core::str::from_utf8(*month).ok()).unwrap_or_default();
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        let sign = if self.offset < 0 { '-' } else { '+' };
        let (hours, minutes) = (self.offset.unsigned_abs() / 60, self.offset.unsigned_abs() % 60);
        write!(
            f,
            "{weekday}, {day} {month} {year:04} {hour:02}:{minute:02}:{second:02} {sign}{hours:02}{minutes:02}"
        )
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn dates() {
        for (seconds, offset, text) in [
            (0, 0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (-1, 0, "Wed, 31 Dec 1969 23:59:59 +0000"),
            (951_782_400, 0, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_795_905_071, 60, "Sat, 28 Nov 2026 23:31:11 +0100"),
            (1_795_905_071, -570, "Sat, 28 Nov 2026 13:01:11 -0930"),
            (FIRST, 0, "Sat, 1 Jan 0000 00:00:00 +0000"),
            (LAST, 0, "Fri, 31 Dec 9999 23:59:59 +0000"),
        ] {
            assert_eq!(Timestamp::new(seconds, offset).unwrap().to_string(), text);
        }
        for (text, seconds, offset) in [
            ("Sat, 28 Nov 2026 23:31:11 +0100 (CET)", 1_795_905_071, 60),
            ("28 Nov 26 22:31:11 GMT", 1_795_905_071, 0),
            ("Sat, 28 Nov 2026 14:31:11 PST", 1_795_905_071, -480),
        ] {
            assert_eq!(Timestamp::read(text.as_bytes()), Timestamp::new(seconds, offset).ok(), "{text}");
        }
        for none in ["", "28 Nov 2026", "30 Feb 2026 10:00:00 +0000", "soon"] {
            assert_eq!(Timestamp::read(none.as_bytes()), None, "{none}");
        }
        for (seconds, offset) in
            [(FIRST, -1), (LAST, 1), (i64::MAX, 0), (i64::MIN, 0), (0, 6000), (0, i16::MIN)]
        {
            assert!(Timestamp::new(seconds, offset).is_err());
        }
    }
}
