//! Values as people write them.

use std::{str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};

use super::StoreAt;

/// What there is.
#[cfg(feature = "postgres")]
pub(super) const STORES: &str = "sqlite:FILE, postgres://USER@HOST/DATABASE";
#[cfg(not(feature = "postgres"))]
pub(super) const STORES: &str = "sqlite:FILE";

/// A time: `90s`, `15m`, `4h`, `5d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time(pub(super) Duration);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let given = || format!("{text:?} is no time: 90s, 15m, 4h, 5d");
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or_else(given)?;
        let number: u32 = number.parse().map_err(|_| given())?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 24 * 3600,
            _ => return Err(given()),
        };
        Ok(Self(Duration::from_secs(u64::from(number) * seconds)))
    }
}

/// A number of bytes: `64K`, `256M`, `4G`, or the number itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let given = || format!("{text:?} is no number of bytes: 64K, 256M, 4G");
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or_else(given)?;
        let number: u32 = number.parse().map_err(|_| given())?;
        let shift = match unit {
            "" => 0,
            "K" => 10,
            "M" => 20,
            "G" => 30,
            _ => return Err(given()),
        };
        Ok(Self(u64::from(number) << shift))
    }
}

impl FromStr for StoreAt {
    type Err = String;

    fn from_str(store: &str) -> Result<Self, String> {
        match store.split_once(':') {
            Some(("sqlite", file)) if !file.is_empty() => Ok(Self::Sqlite(file.into())),
            #[cfg(feature = "postgres")]
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                Ok(Self::Postgres(store.to_owned()))
            }
            #[cfg(feature = "postgres")]
            Some(("postgres", url)) if !url.is_empty() => Ok(Self::Postgres(url.to_owned())),
            _ => Err(format!("{store:?} is no store: {STORES}")),
        }
    }
}

macro_rules! read_from_text {
    ($($name:ty),*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}
read_from_text!(Time, Bytes, StoreAt);

/// One, or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected a text, or a list of texts")]
pub(super) enum OneOrMore<T> {
    One(T),
    All(Vec<T>),
}

impl<T> OneOrMore<T> {
    pub(super) fn all(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::All(all) => all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_bytes() {
        let time = |text: &str| text.parse::<Time>().ok().map(|time| time.0.as_secs());
        assert_eq!(["90s", "15m", "4h", "5d"].map(time), [90, 900, 14400, 432_000].map(Some));
        assert_eq!(["", "s", "5", "-1s", "1w", "99999999999s", "1 s"].map(time), [None; 7]);
        let bytes = |text: &str| text.parse::<Bytes>().ok().map(|bytes| bytes.0);
        assert_eq!(["7", "64K", "4G"].map(bytes), [7, 65536, 4 << 30].map(Some));
        assert_eq!(["", "K", "1T", "1.5G"].map(bytes), [None; 4]);
    }
}
