//! The calendar's arithmetic, which dates of messages and of parameters share, and how header fields write dates.

/// The months' names, as mail has them.
pub const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// The days of a month.
#[must_use]
pub const fn days_in(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; months and days count from 1.
#[must_use]
pub const fn days_since_epoch(year: i32, month: u8, day: u8) -> i32 {
    // Years are counted from March, so that the leap day is the last.
    let year = year - if month <= 2 { 1 } else { 0 };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let month = (month as i32 + 9) % 12;
    let of_year = (153 * month + 2) / 5 + day as i32 - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The year, month and day that come so many days after 1970-01-01; `None` beyond what can be counted.
#[must_use]
pub const fn day_of_epoch(days: i32) -> Option<(i32, u8, u8)> {
    let Some(days) = days.checked_add(719_468) else { return None };
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    Some((year, month as u8, day as u8))
}

/// A date of a header field, as others write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderDate {
    /// The year.
    pub year: u16,
    /// The month, from 1.
    pub month: u8,
    /// The day, from 1 to 31: there need not be such a day in this month.
    pub day: u8,
    /// Hour, minute and second; `None` if there is no time, or none that is valid.
    pub time: Option<(u8, u8, u8)>,
    /// The zone in minutes east of Greenwich; `None` if there is none that is valid.
    pub zone: Option<i16>,
}

impl HeaderDate {
    /// Reads the date of a field: a weekday, zones by their names, years of two digits, months in full, hyphens and
    /// comments may stand in it, and a time or a zone need not ([RFC 5322 sections 3.3 and
    /// 4.3](https://www.rfc-editor.org/rfc/rfc5322#section-4.3)). `None` without a day, a month and a year.
    #[must_use]
    pub fn read(field: &[u8]) -> Option<Self> {
        // Longer ones are none, and comments in it are stepped over once.
        let mut words = Words { rest: field.get(..MAX_LENGTH).unwrap_or(field) };
        let mut first = words.next()?;
        if first.iter().all(u8::is_ascii_alphabetic) {
            first = words.next()?;
        }
        let day = u8::try_from(number(first)?).ok().filter(|day| (1..=31).contains(day))?;
        let name = words.next()?.first_chunk::<3>()?;
        let month = (1..).zip(MONTHS).find(|(_, month)| name.eq_ignore_ascii_case(*month))?.0;
        let year = words.next()?;
        let year = match (number(year)?, year.len()) {
            (year @ 0..=49, 2) => year + 2000,
            (year, 2 | 3) => year + 1900,
            (year, 4) => year,
            _ => return None,
        };
        let year = u16::try_from(year).ok()?;
        let time = words.time();
        Some(Self { year, month, day, time, zone: words.zone() })
    }

    /// The moment in seconds after 1970-01-01 in UTC: a zone that is not valid counts as UTC, a time that is not as
    /// midnight. `None` if there is no such day.
    #[must_use]
    pub fn unix_seconds(self) -> Option<i64> {
        if self.day > days_in(self.year, self.month) {
            return None;
        }
        let days = i64::from(days_since_epoch(i32::from(self.year), self.month, self.day));
        let (hour, minute, second) = self.time.unwrap_or_default();
        let minutes = i64::from(hour) * 60 + i64::from(minute) - i64::from(self.zone.unwrap_or_default());
        Some(days * 86_400 + minutes * 60 + i64::from(second))
    }
}

const MAX_LENGTH: usize = 256;

fn number(digits: &[u8]) -> Option<u32> {
    core::str::from_utf8(digits).ok().filter(|_| digits.first().is_some_and(u8::is_ascii_digit))?.parse().ok()
}

struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    /// The next letters and digits. What stands before them, and comments, is left out.
    fn next(&mut self) -> Option<&'a [u8]> {
        self.skip(|byte| !byte.is_ascii_alphanumeric());
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let (word, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// Steps over these bytes, and over comments.
    fn skip(&mut self, over: impl Fn(u8) -> bool) {
        let mut depth = 0_usize;
        while let [first, rest @ ..] = self.rest {
            match first {
                b'(' => depth += 1,
                b')' => depth = depth.saturating_sub(1),
                first if depth > 0 || over(*first) => {}
                _ => return,
            }
            self.rest = rest;
        }
    }

    fn time(&mut self) -> Option<(u8, u8, u8)> {
        let before = self.rest;
        let part = |word: Option<&[u8]>, below: u32| {
            word.and_then(number)
                .filter(|number| *number < below)
                .and_then(|number| u8::try_from(number).ok())
        };
        let hour = part(self.next(), 24);
        let with_minute = self.rest.starts_with(b":");
        let minute = if with_minute { part(self.next(), 60) } else { None };
        let second = if self.rest.starts_with(b":") { self.next().and_then(number) } else { Some(0) };
        match (hour, minute, second) {
            // A leap second is the one before it.
            (Some(hour), Some(minute), Some(second)) if second <= 60 => {
                Some((hour, minute, u8::try_from(second.min(59)).unwrap_or_default()))
            }
            _ => {
                if !with_minute {
                    self.rest = before;
                }
                None
            }
        }
    }

    /// Minutes east of Greenwich.
    fn zone(&mut self) -> Option<i16> {
        self.skip(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        let sign: i16 = match self.rest.first()? {
            b'-' => -1,
            b'+' => 1,
            _ => {
                let name = self.next()?;
                let hours = |hours: i16| Some(60 * hours);
                return match name.to_ascii_uppercase().as_slice() {
                    b"EDT" => hours(-4),
                    b"EST" | b"CDT" => hours(-5),
                    b"CST" | b"MDT" => hours(-6),
                    b"MST" | b"PDT" => hours(-7),
                    b"PST" => hours(-8),
                    _ => None,
                };
            }
        };
        let digits = self.next().filter(|digits| digits.len() == 4)?;
        let zone = i16::try_from(number(digits)?).ok()?;
        (zone % 100 < 60).then_some(sign * (zone / 100 * 60 + zone % 100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_dates() {
        let date = |text: &str| HeaderDate::read(text.as_bytes());
        let read = date("mon, (x) 02-february-99 10:00 (EDT) EDT").unwrap();
        assert_eq!((read.year, read.month, read.day), (1999, 2, 2));
        assert_eq!((read.time, read.zone), (Some((10, 0, 0)), Some(-240)));
        let read = date("30 Feb 2026 25:00").unwrap();
        assert_eq!((read.time, read.zone, read.unix_seconds()), (None, None, None));
        assert_eq!(date("1 Jan 1970 00:01 -0001").unwrap().unix_seconds(), Some(120));
        for none in ["", "yesterday", "32 Jan 2026", "0 Jan 2026", "1 Ja 2026", "1 Jan 20261", "2026-01-01"] {
            assert_eq!(date(none), None, "{none}");
        }
    }
}
