//! Values as tables have them.

use std::time::{Duration, SystemTime};

use crate::Error;

/// A number as databases have it: with a sign.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that is never below zero.
pub(crate) fn nat(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Now, in microseconds since 1970.
pub(crate) fn now() -> i64 {
    micros(SystemTime::now())
}

/// A time in microseconds since 1970.
pub(crate) fn micros(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Microseconds since 1970, as a time.
pub(crate) fn time(micros: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(nat(micros))
}

/// The tables were changed by something else.
pub(crate) fn broken(what: &str) -> Error {
    Error::NotDone(format!("the database is broken: {what}"))
}
