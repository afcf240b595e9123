//! Dates and times.

use alloc::vec::Vec;
use core::fmt;

use mailwire_core::{
    Invalid, ParseError,
    private::{MONTHS, day_of_epoch, days_in, days_since_epoch},
};

use super::{
    reader::Reader,
    string::{Literal, read_literal},
    text::display,
};
use crate::deviation;

/// A day, as SEARCH has it.
///
/// ```text
/// date-text = date-day "-" date-month "-" date-year
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// A day of the Gregorian calendar.
    ///
    /// # Errors
    ///
    /// There is no such day, or the year has more than four digits.
    pub const fn new(year: u16, month: u8, day: u8) -> Result<Self, Invalid> {
        if year > 9999 {
            Err(Invalid::new("date", 0, "a year of more than four digits"))
        } else if month == 0 || month > 12 {
            Err(Invalid::new("date", 0, "no such month"))
        } else if day == 0 || day > days_in(year, month) {
            Err(Invalid::new("date", 0, "no such day"))
        } else {
            Ok(Self { year, month, day })
        }
    }

    /// The year.
    #[must_use]
    pub const fn year(self) -> u16 {
        self.year
    }

    /// The month, from 1.
    #[must_use]
    pub const fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, from 1.
    #[must_use]
    pub const fn day(self) -> u8 {
        self.day
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn days_since_epoch(self) -> i32 {
        days_since_epoch(self.year as i32, self.month, self.day)
    }

    /// The day so many days after 1970-01-01, in the years 0 to 9999.
    #[inline]
    #[must_use]
    pub const fn from_days_since_epoch(days: i32) -> Option<Self> {
        match day_of_epoch(days) {
            Some((year @ 0..=9999, month, day)) => Some(Self { year: year as u16, month, day }),
            _ => None,
        }
    }

    /// ```text
    /// date      = date-text / DQUOTE date-text DQUOTE
    /// ```
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let quoted = r.eat(b'"');
        let start = r.offset();
        let day = digits(r, 1, 2)?;
        let (month, year) = read_month_year(r)?;
        if quoted {
            r.expect(b'"', "expected a closing quote")?;
        }
        Self::new(year, month, day as u8).map_err(|error| ParseError::new(start, error.reason))
    }

    /// Appends the date without quotes.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        if self.day >= 10 {
            out.push(b'0' + self.day / 10);
        }
        out.push(b'0' + self.day % 10);
        self.write_month_year(out);
    }

    fn write_month_year(self, out: &mut Vec<u8>) {
        out.push(b'-');
        let month = MONTHS.get(usize::from(self.month.saturating_sub(1)));
        out.extend_from_slice(month.map_or(b"Jan", |month| *month));
        out.push(b'-');
        two_digits(out, (self.year / 100) as u8);
        two_digits(out, (self.year % 100) as u8);
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, &|out| self.write(out))
    }
}

/// A day, a time and its zone, as INTERNALDATE and APPEND have it (RFC 9051 section 9).
///
/// ```
/// use mailwire_imap::types::DateTime;
///
/// let time = DateTime::from_unix(1_420_361_615, 480).unwrap();
/// assert_eq!(time.to_string(), "\" 4-Jan-2015 16:53:35 +0800\"");
/// assert_eq!(time.to_unix(), 1_420_361_615);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DateTime {
    date: Date,
    hour: u8,
    minute: u8,
    second: u8,
    zone: i16,
}

impl DateTime {
    /// A time of a day, in a zone so many minutes east of Greenwich. Second 60 is a leap second.
    ///
    /// # Errors
    ///
    /// There is no such time or zone.
    pub const fn new(date: Date, hour: u8, minute: u8, second: u8, zone: i16) -> Result<Self, Invalid> {
        if hour > 23 || minute > 59 || second > 60 {
            return Err(Invalid::new("date-time", 0, "no such time"));
        }
        if zone <= -100 * 60 || zone >= 100 * 60 {
            return Err(Invalid::new("date-time", 0, "no such zone"));
        }
        Ok(Self { date, hour, minute, second, zone })
    }

    /// So many seconds after 1970, shown in a zone so many minutes east of Greenwich; `None` beyond
    /// the years 0 to 9999.
    #[inline]
    #[must_use]
    pub fn from_unix(seconds: i64, zone: i16) -> Option<Self> {
        let local = seconds.checked_add(i64::from(zone) * 60)?;
        let date = Date::from_days_since_epoch(i32::try_from(local.div_euclid(86_400)).ok()?)?;
        let second = local.rem_euclid(86_400);
        Self::new(date, (second / 3600) as u8, (second / 60 % 60) as u8, (second % 60) as u8, zone).ok()
    }

    /// Seconds since 1970.
    #[inline]
    #[must_use]
    pub fn to_unix(self) -> i64 {
        i64::from(self.date.days_since_epoch()) * 86_400
            + i64::from(self.hour) * 3600
            + (i64::from(self.minute) - i64::from(self.zone)) * 60
            + i64::from(self.second)
    }

    /// The day, in the zone.
    #[must_use]
    pub const fn date(self) -> Date {
        self.date
    }

    /// Hour, minute and second, in the zone.
    #[must_use]
    pub const fn time(self) -> (u8, u8, u8) {
        (self.hour, self.minute, self.second)
    }

    /// The zone, in minutes east of Greenwich.
    #[must_use]
    pub const fn zone(self) -> i16 {
        self.zone
    }

    /// ```text
    /// date-time      = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
    /// date-day-fixed = (SP DIGIT) / 2DIGIT
    /// time           = 2DIGIT ":" 2DIGIT ":" 2DIGIT
    /// zone           = ("+" / "-") 4DIGIT
    /// ```
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        match Self::read_lenient(r)? {
            Some(time) => Ok(time),
            None => Err(ParseError::new(start, "no such day")),
        }
    }

    /// Reads a date and time as some servers write them. Lenient: a day without its leading space; no seconds, a zone in letters or none,
    /// which are 0; days that do not exist, which are `None`.
    pub(crate) fn read_lenient(r: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        if let Some(time) = r.rest().first_chunk().and_then(Self::read_fixed) {
            r.skip(28);
            return Ok(Some(time));
        }
        Self::read_odd(r)
    }

    /// As the grammar has it.
    #[inline]
    fn read_fixed(text: &[u8; 28]) -> Option<Self> {
        let [
            b'"',
            d1,
            d2,
            b'-',
            m1,
            m2,
            m3,
            b'-',
            y1,
            y2,
            y3,
            y4,
            b' ',
            h1,
            h2,
            b':',
            n1,
            n2,
            b':',
            s1,
            s2,
            b' ',
            sign,
            z1,
            z2,
            z3,
            z4,
            b'"',
        ] = *text
        else {
            return None;
        };
        let two = |tens: u8, ones: u8| {
            let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
            (tens < 10 && ones < 10).then(|| tens * 10 + ones)
        };
        let day = two(if d1 == b' ' { b'0' } else { d1 }, d2)?;
        let month = MONTHS.iter().position(|month| **month == [m1, m2, m3])? as u8 + 1;
        let year = u16::from(two(y1, y2)?) * 100 + u16::from(two(y3, y4)?);
        let zone = i16::from(two(z1, z2)?) * 60 + i16::from(two(z3, z4).filter(|minutes| *minutes < 60)?);
        let zone = match sign {
            b'+' => zone,
            b'-' => -zone,
            _ => return None,
        };
        let date = Date::new(year, month, day).ok()?;
        Self::new(date, two(h1, h2)?, two(n1, n2)?, two(s1, s2)?, zone).ok()
    }

    #[cold]
    fn read_odd(r: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        if matches!(r.peek(), Some(b'{' | b'~')) {
            return Self::read_literal(r);
        }
        r.expect(b'"', "expected a date-time")?;
        let time = Self::read_inner(r)?;
        r.expect(b'"', "expected a closing quote")?;
        Ok(time)
    }

    /// What would stand between the quotes, as a literal.
    fn read_literal(r: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        r.deviate(deviation::LITERAL_FOR_DATE)?;
        let Literal::Inline(text) = read_literal(r)? else {
            return Err(r.error("the literal is too large for a date-time"));
        };
        let end = r.offset();
        r.seek(end.saturating_sub(text.len()));
        if text.is_empty() {
            return Ok(None);
        }
        let time = Self::read_inner(r)?;
        if r.offset() == end { Ok(time) } else { Err(r.error("expected the end of the literal")) }
    }

    fn read_inner(r: &mut Reader<'_>) -> Result<Option<Self>, ParseError> {
        let start = r.offset();
        while r.peek() == Some(b' ') {
            r.skip(1);
            if r.peek() == Some(b' ') {
                r.deviate(deviation::EXTRA_SPACE)?;
            }
        }
        let padded = r.offset() > start;
        let day_start = r.offset();
        let day = digits(r, 1, 2)?;
        let width = r.offset() - day_start;
        if (width == 1) != padded {
            r.deviate_at(start, deviation::DAY_WITHOUT_LEADING_SPACE)?;
        }
        let (month, year) = read_month_year(r)?;
        r.space()?;
        let time_start = r.offset();
        let mut time = [0u8; 3];
        let mut wide = true;
        for (at, slot) in time.iter_mut().enumerate() {
            if at > 0 && !r.eat(b':') {
                if at == 2 {
                    r.deviate(deviation::TIME_WITHOUT_SECONDS)?;
                    break;
                }
                return Err(r.error("expected :"));
            }
            let start = r.offset();
            *slot = digits(r, 1, 2)? as u8;
            wide &= r.offset() - start == 2;
        }
        if !wide {
            r.deviate_at(time_start, deviation::TIME_WITHOUT_LEADING_ZERO)?;
        }
        if r.peek() == Some(b'.') {
            r.deviate(deviation::FRACTION_OF_A_SECOND)?;
            r.skip(1);
            r.take_while(|byte| byte.is_ascii_digit());
        }
        let zone = read_zone(r)?;
        r.no_space()?;
        let [hour, minute, second] = time;
        let value =
            Date::new(year, month, day as u8).and_then(|date| Self::new(date, hour, minute, second, zone));
        match value {
            Ok(value) => Ok(Some(value)),
            Err(_) => {
                r.deviate_at(start, deviation::IMPOSSIBLE_DATE)?;
                Ok(None)
            }
        }
    }

    /// Appends the date-time with its quotes.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        out.push(b'"');
        out.push(if self.date.day < 10 { b' ' } else { b'0' + self.date.day / 10 });
        out.push(b'0' + self.date.day % 10);
        self.date.write_month_year(out);
        out.push(b' ');
        two_digits(out, self.hour);
        out.push(b':');
        two_digits(out, self.minute);
        out.push(b':');
        two_digits(out, self.second);
        out.extend_from_slice(if self.zone < 0 { b" -" } else { b" +" });
        let zone = self.zone.unsigned_abs();
        two_digits(out, (zone / 60) as u8);
        two_digits(out, (zone % 60) as u8);
        out.push(b'"');
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write(&mut out);
        f.write_str(core::str::from_utf8(&out).unwrap_or_default())
    }
}

fn read_zone(r: &mut Reader<'_>) -> Result<i16, ParseError> {
    if r.peek() == Some(b'"') {
        r.deviate(deviation::DATE_TIME_WITHOUT_ZONE)?;
        return Ok(0);
    }
    r.space()?;
    let sign = match r.peek() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(byte) if byte.is_ascii_alphabetic() => {
            let start = r.offset();
            let name = r.take_while(|byte| byte.is_ascii_alphabetic());
            let known =
                [&b"GMT"[..], b"UT", b"UTC", b"Z"].iter().any(|known| name.eq_ignore_ascii_case(known));
            r.deviate_at(start, if known { deviation::ZONE_IN_LETTERS } else { deviation::UNKNOWN_ZONE })?;
            return Ok(0);
        }
        Some(b'"') => {
            r.deviate(deviation::DATE_TIME_WITHOUT_ZONE)?;
            return Ok(0);
        }
        Some(byte) if byte.is_ascii_digit() => {
            r.deviate(deviation::ZONE_WITHOUT_SIGN)?;
            1
        }
        _ => return Err(r.error("expected a zone")),
    };
    if !r.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        r.skip(1);
    }
    let start = r.offset();
    let hours = digits(r, 2, 2)?;
    if r.peek() == Some(b':') {
        r.deviate(deviation::COLON_IN_ZONE)?;
        r.skip(1);
    }
    let minutes = digits(r, 2, 2)?;
    if minutes > 59 {
        r.deviate_at(start, deviation::IMPOSSIBLE_ZONE)?;
        return Ok(0);
    }
    Ok(sign * (hours * 60 + minutes) as i16)
}

fn read_month_year(r: &mut Reader<'_>) -> Result<(u8, u16), ParseError> {
    r.expect(b'-', "expected - after the day")?;
    let month = r.rest().first_chunk::<3>();
    let month = month
        .and_then(|name| MONTHS.iter().position(|known| known.eq_ignore_ascii_case(name)))
        .ok_or_else(|| r.error("expected a month"))?;
    r.skip(3);
    r.expect(b'-', "expected - after the month")?;
    let start = r.offset();
    let year = digits(r, 1, 4)?;
    if r.offset() - start < 4 {
        r.deviate_at(start, deviation::SHORT_YEAR)?;
    }
    Ok((month as u8 + 1, year))
}

fn digits(r: &mut Reader<'_>, least: usize, most: usize) -> Result<u16, ParseError> {
    let mut value = 0;
    let mut count = 0;
    while count < most {
        let Some(digit @ b'0'..=b'9') = r.peek() else { break };
        value = value * 10 + u16::from(digit - b'0');
        r.skip(1);
        count += 1;
    }
    if count < least { Err(r.error("expected a digit")) } else { Ok(value) }
}

fn two_digits(out: &mut Vec<u8>, value: u8) {
    out.push(b'0' + value / 10 % 10);
    out.push(b'0' + value % 10);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_round_trip() {
        for days in (-719_528..2_932_896).step_by(37) {
            assert_eq!(Date::from_days_since_epoch(days).unwrap().days_since_epoch(), days);
        }
        assert_eq!(Date::new(1970, 1, 1).unwrap().days_since_epoch(), 0);
        assert_eq!(Date::new(2000, 3, 1).unwrap().days_since_epoch(), 11_017);
        assert!(Date::new(2023, 2, 29).is_err() && Date::new(2024, 2, 29).is_ok());
    }
}
