//! Dates with a time, as parameters have them.

use alloc::{format, vec::Vec};
use core::fmt;

use mailwire_core::{
    Cursor, Invalid, ParseError, Text,
    private::{day_of_epoch, days_since_epoch},
};

use super::read_all;

const DAY: i64 = 24 * 60 * 60;

/// A date with a time and a zone, as parameters have it ([RFC 3339 section
/// 5.6](https://www.rfc-editor.org/rfc/rfc3339#section-5.6)).
///
/// # Examples
///
/// ```
/// use mailwire_smtp::DateTime;
///
/// let one = DateTime::new("2026-11-28T23:30:00+01:00")?;
/// assert_eq!(one.unix_seconds(), 1_795_905_000);
/// assert_eq!(DateTime::from_unix_seconds(1_795_905_000).unwrap(), "2026-11-28T22:30:00Z");
/// assert!(!one.is_utc());
/// # Ok::<(), mailwire_smtp::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(into = "alloc::string::String"))]
pub struct DateTime {
    text: Text,
    unix_seconds: i64,
}

impl DateTime {
    /// Makes a date of a text.
    ///
    /// # Errors
    ///
    /// It has another form, or there is no such day or time.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        read_all("date-time", text.into(), Self::read)
    }

    /// The moment so many seconds after 1970-01-01T00:00:00Z, in the years 0 to 9999.
    #[must_use]
    pub fn from_unix_seconds(unix_seconds: i64) -> Option<Self> {
        let days = i32::try_from(unix_seconds.div_euclid(DAY)).ok()?;
        let (year @ 0..=9999, month, day) = day_of_epoch(days)? else { return None };
        let second = unix_seconds.rem_euclid(DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
        Some(Self { text: Text::from(text), unix_seconds })
    }

    /// Seconds since 1970-01-01T00:00:00Z, without their fraction.
    #[must_use]
    pub const fn unix_seconds(&self) -> i64 {
        self.unix_seconds
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.as_str().unwrap_or_default()
    }

    /// The bytes of the text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Whether the time is told in UTC.
    #[must_use]
    pub fn is_utc(&self) -> bool {
        matches!(self.as_bytes(), [.., b'Z' | b'z'] | [.., b'+' | b'-', b'0', b'0', b':', b'0', b'0'])
    }

    /// Whether the seconds have a fraction.
    #[must_use]
    pub fn has_fraction(&self) -> bool {
        self.as_bytes().contains(&b'.')
    }

    /// A copy that keeps no receive buffer alive.
    #[must_use]
    pub fn compact(&self) -> Self {
        Self { text: self.text.compact(), ..*self }
    }

    /// ```abnf
    /// date-time      = full-date "T" full-time
    /// full-date      = 4DIGIT "-" 2DIGIT "-" 2DIGIT
    /// full-time      = 2DIGIT ":" 2DIGIT ":" 2DIGIT ["." 1*DIGIT] time-offset
    /// time-offset    = "Z" / ("+" / "-") 2DIGIT ":" 2DIGIT
    /// ```
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let start = cursor.offset();
        let year = number(cursor, 4, 0..=9999)?;
        cursor.expect(b'-', "expected - after a year")?;
        let month = number(cursor, 2, 1..=12)?;
        cursor.expect(b'-', "expected - after a month")?;
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let day = number(cursor, 2, 1..=last)?;
        cursor.expect_ignore_case("T", "expected T after a day")?;
        let hour = number(cursor, 2, 0..=23)?;
        cursor.expect(b':', "expected : after an hour")?;
        let minute = number(cursor, 2, 0..=59)?;
        cursor.expect(b':', "expected : after a minute")?;
        let second = number(cursor, 2, 0..=60)?;
        if cursor.eat(b'.') && cursor.take_while(|byte| byte.is_ascii_digit()).is_empty() {
            return Err(cursor.error("expected a fraction of a second"));
        }
        let offset = match cursor.peek() {
            Some(sign @ (b'+' | b'-')) => {
                cursor.skip(1);
                let hours = number(cursor, 2, 0..=23)?;
                cursor.expect(b':', "expected : in a time zone")?;
                let seconds = (hours * 60 + number(cursor, 2, 0..=59)?) * 60;
                if sign == b'+' { seconds } else { -seconds }
            }
            _ => {
                cursor.expect_ignore_case("Z", "expected Z or a time zone")?;
                0
            }
        };
        // Both are of two digits.
        let days = days_since_epoch(year, month as u8, day as u8);
        let of_day = i64::from((hour * 60 + minute) * 60 + second - offset);
        Ok(Self { text: cursor.text_from(start), unix_seconds: i64::from(days) * DAY + of_day })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

/// A number of so many digits.
fn number(
    cursor: &mut Cursor<'_>,
    digits: usize,
    range: core::ops::RangeInclusive<i32>,
) -> Result<i32, ParseError> {
    let error = cursor.error("no such date or time");
    let mut number = 0;
    for _ in 0..digits {
        match cursor.peek() {
            Some(digit @ b'0'..=b'9') => number = number * 10 + i32::from(digit - b'0'),
            _ => return Err(cursor.error("expected a digit")),
        }
        cursor.skip(1);
    }
    if range.contains(&number) { Ok(number) } else { Err(error) }
}

impl PartialEq<str> for DateTime {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for DateTime {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl From<DateTime> for alloc::string::String {
    fn from(date_time: DateTime) -> Self {
        date_time.as_str().into()
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for DateTime {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Self::from_unix_seconds(u.int_in_range(0..=250_000_000_000)?).ok_or(arbitrary::Error::IncorrectFormat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31t23:59:59z", -1),
            ("2000-02-29T12:00:00.25+00:00", 951_825_600),
            ("1996-12-19T16:39:57-08:00", 851_042_397),
            ("1990-12-31T23:59:60Z", 662_688_000),
        ] {
            let one = DateTime::new(text).unwrap();
            assert_eq!(one.unix_seconds(), seconds, "{text}");
            let again = DateTime::from_unix_seconds(seconds).unwrap();
            assert_eq!(DateTime::new(again.as_str()).unwrap(), again);
            assert_eq!(again.unix_seconds(), seconds);
        }
        for (text, offset) in [
            ("", 0),
            ("2026-11-28", 10),
            ("2026-13-28T00:00:00Z", 5),
            ("2025-02-29T00:00:00Z", 8),
            ("1900-02-29T00:00:00Z", 8),
            ("2026-11-28 00:00:00Z", 10),
            ("2026-11-28T24:00:00Z", 11),
            ("2026-11-28T00:00:61Z", 17),
            ("2026-11-28T00:00:00.Z", 20),
            ("2026-11-28T00:00:00", 19),
            ("2026-11-28T00:00:00+1:00", 21),
            ("2026-11-28T00:00:00Zx", 20),
        ] {
            assert_eq!(DateTime::new(text).unwrap_err().offset, offset, "{text}");
        }
        assert_eq!(DateTime::from_unix_seconds(i64::MAX), None);
    }
}
