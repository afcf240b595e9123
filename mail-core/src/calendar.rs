//! The calendar's arithmetic, which dates of messages and of parameters share.

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
