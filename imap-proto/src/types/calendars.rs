//! Date-times as those of the crates that compute with them.

use mailwire_core::Invalid;

use super::datetime::DateTime;

/// The error of what is not in the range of the other type.
const OUT_OF_RANGE: Invalid = Invalid::new("date-time", 0, "out of range");

/// Seconds since 1970 and a zone so many seconds east of Greenwich: only minutes of the zone can be said.
fn of_unix(seconds: i64, zone: i32) -> Result<DateTime, Invalid> {
    let zone = i16::try_from(zone / 60).ok();
    zone.and_then(|zone| DateTime::from_unix(seconds, zone)).ok_or(OUT_OF_RANGE)
}

fn zone_seconds(time: DateTime) -> i32 {
    i32::from(time.zone()) * 60
}

/// A leap second is the first of the next minute.
#[cfg(feature = "chrono")]
#[cfg_attr(docsrs, doc(cfg(feature = "chrono")))]
impl TryFrom<DateTime> for chrono::DateTime<chrono::FixedOffset> {
    type Error = Invalid;

    fn try_from(time: DateTime) -> Result<Self, Invalid> {
        let zone = chrono::FixedOffset::east_opt(zone_seconds(time)).ok_or(OUT_OF_RANGE)?;
        let utc = chrono::DateTime::from_timestamp(time.to_unix(), 0).ok_or(OUT_OF_RANGE)?;
        Ok(utc.with_timezone(&zone))
    }
}

/// Fractions of a second are cut off.
#[cfg(feature = "chrono")]
#[cfg_attr(docsrs, doc(cfg(feature = "chrono")))]
impl<Z: chrono::TimeZone> TryFrom<chrono::DateTime<Z>> for DateTime {
    type Error = Invalid;

    fn try_from(time: chrono::DateTime<Z>) -> Result<Self, Invalid> {
        use chrono::Offset as _;
        of_unix(time.timestamp(), time.offset().fix().local_minus_utc())
    }
}

/// A leap second is the first of the next minute.
#[cfg(feature = "jiff")]
#[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
impl TryFrom<DateTime> for jiff::Zoned {
    type Error = Invalid;

    fn try_from(time: DateTime) -> Result<Self, Invalid> {
        let zone = jiff::tz::Offset::from_seconds(zone_seconds(time)).map_err(|_| OUT_OF_RANGE)?;
        let timestamp = jiff::Timestamp::from_second(time.to_unix()).map_err(|_| OUT_OF_RANGE)?;
        Ok(timestamp.to_zoned(zone.to_time_zone()))
    }
}

/// Fractions of a second are cut off.
#[cfg(feature = "jiff")]
#[cfg_attr(docsrs, doc(cfg(feature = "jiff")))]
impl TryFrom<&jiff::Zoned> for DateTime {
    type Error = Invalid;

    fn try_from(time: &jiff::Zoned) -> Result<Self, Invalid> {
        of_unix(time.timestamp().as_second(), time.offset().seconds())
    }
}

/// A leap second is the first of the next minute.
#[cfg(feature = "time")]
#[cfg_attr(docsrs, doc(cfg(feature = "time")))]
impl TryFrom<DateTime> for time::OffsetDateTime {
    type Error = Invalid;

    fn try_from(time: DateTime) -> Result<Self, Invalid> {
        let zone = time::UtcOffset::from_whole_seconds(zone_seconds(time)).map_err(|_| OUT_OF_RANGE)?;
        let utc = Self::from_unix_timestamp(time.to_unix()).map_err(|_| OUT_OF_RANGE)?;
        utc.checked_to_offset(zone).ok_or(OUT_OF_RANGE)
    }
}

/// Fractions of a second are cut off.
#[cfg(feature = "time")]
#[cfg_attr(docsrs, doc(cfg(feature = "time")))]
impl TryFrom<time::OffsetDateTime> for DateTime {
    type Error = Invalid;

    fn try_from(time: time::OffsetDateTime) -> Result<Self, Invalid> {
        of_unix(time.unix_timestamp(), time.offset().whole_seconds())
    }
}

#[cfg(all(test, feature = "chrono", feature = "jiff", feature = "time"))]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::types::Date;

    #[test]
    fn there_and_back() {
        for (seconds, zone) in
            [(0, 0), (1_420_361_615, 480), (-62_000_000_000, -150), (253_402_000_000, 0), (-1, 1)]
        {
            let time = DateTime::from_unix(seconds, zone).unwrap();
            let jiff = jiff::Zoned::try_from(time).unwrap();
            assert_eq!((jiff.timestamp().as_second(), DateTime::try_from(&jiff).unwrap()), (seconds, time));
            let chrono = chrono::DateTime::<chrono::FixedOffset>::try_from(time).unwrap();
            assert_eq!((chrono.timestamp(), DateTime::try_from(chrono).unwrap()), (seconds, time));
            let other = time::OffsetDateTime::try_from(time).unwrap();
            assert_eq!((other.unix_timestamp(), DateTime::try_from(other).unwrap()), (seconds, time));
        }
        let zoned = jiff::Zoned::try_from(DateTime::from_unix(1_420_361_615, 480).unwrap()).unwrap();
        assert_eq!(zoned.to_string(), "2015-01-04T16:53:35+08:00[+08:00]");
    }

    #[test]
    fn what_is_out_of_range() {
        // No place on Earth has such a zone.
        let far = DateTime::new(Date::new(2026, 1, 1).unwrap(), 0, 0, 0, 99 * 60).unwrap();
        assert!(jiff::Zoned::try_from(far).is_err() && time::OffsetDateTime::try_from(far).is_err());
        assert!(chrono::DateTime::try_from(far).is_err());
        let last = DateTime::new(Date::new(9999, 12, 31).unwrap(), 23, 59, 60, -23 * 60).unwrap();
        assert!(jiff::Zoned::try_from(last).is_err() && time::OffsetDateTime::try_from(last).is_err());
        let early = chrono::DateTime::from_timestamp(-99_999_999_999, 0).unwrap();
        assert!(DateTime::try_from(early).is_err());
    }
}
