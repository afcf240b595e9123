//! Sent dates: RFC 5256 section 2.2.

use crate::types::{Date, DateTime};

/// Reads a Date field as the moment in seconds since 1970 that messages are ordered by
/// ([RFC 5256 section 2.2](https://www.rfc-editor.org/rfc/rfc5256#section-2.2)): a zone that is not valid counts as
/// UTC, a time that is not valid as midnight. `None` if there is no day in it: then the internal date counts.
///
/// ```
/// use mailwire_imap::threading::sent_date;
///
/// assert_eq!(sent_date(b"31 Dec 2000 16:01:33 -0800"), sent_date(b"Mon, 1 Jan 2001 00:01:33 +0000"));
/// assert_eq!(sent_date(b"yesterday"), None);
/// ```
#[must_use]
pub fn sent_date(field: &[u8]) -> Option<i64> {
    // Longer ones are none, and comments in it are stepped over once.
    let mut words = Words { rest: field.get(..MAX_LENGTH).unwrap_or(field) };
    let mut first = words.next()?;
    if first.iter().all(u8::is_ascii_alphabetic) {
        first = words.next()?;
    }
    let day = u8::try_from(number(first)?).ok()?;
    let month = words.next()?.get(..3)?;
    let month = (1..).zip(MONTHS).find(|(_, name)| month.eq_ignore_ascii_case(name.as_bytes()))?.0;
    let year = words.next()?;
    // RFC 5322 section 4.3.
    let year = match (number(year)?, year.len()) {
        (year @ 0..=49, 2) => year + 2000,
        (year, 2 | 3) => year + 1900,
        (year, 4) => year,
        _ => return None,
    };
    let date = Date::new(u16::try_from(year).ok()?, month, day).ok()?;
    let (hour, minute, second) = words.time().unwrap_or_default();
    let zone = words.zone().unwrap_or_default();
    DateTime::new(date, hour, minute, second, 0).ok().map(|moment| moment.to_unix() - 60 * zone)
}

const MAX_LENGTH: usize = 256;
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

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
    fn zone(&mut self) -> Option<i64> {
        self.skip(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        let sign: i64 = match self.rest.first()? {
            b'-' => -1,
            b'+' => 1,
            _ => {
                let name = self.next()?;
                let hours = |hours: i64| Some(60 * hours);
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
        let zone = i64::from(number(digits)?);
        (zone % 100 < 60).then_some(sign * (zone / 100 * 60 + zone % 100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_all_kinds() {
        for (date, seconds) in [
            ("Thu, 1 Jan 1970 00:00:00 +0000", Some(0)),
            ("1 Jan 70 00:00 GMT", Some(0)),
            ("Thu (x (y)), 1 (z) Jan 1970 01:00:05 +0100 (CET)", Some(5)),
            ("1-January-1970 02:00:00 -0130", Some(12_600)),
            ("1 Jan 1970 00:00:00 PST", Some(28_800)),
            ("1 Jan 1970 00:00:00 XYZ", Some(0)),
            ("1 Jan 1970 00:00:00 +0199", Some(0)),
            ("1 Jan 1970 25:00:00 +0100", Some(-3600)),
            ("2 Jan 1970", Some(86_400)),
            ("1 Jan 1970 00:00:60", Some(59)),
            ("30 Feb 1970 00:00:00", None),
            ("1 Jan", None),
            ("", None),
            ("yesterday", None),
        ] {
            assert_eq!(sent_date(date.as_bytes()), seconds, "{date}");
        }
    }
}
