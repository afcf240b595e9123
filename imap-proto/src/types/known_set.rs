//! Sets of messages as servers name them.

use alloc::vec::Vec;
use core::{fmt, num::NonZeroU32, str::FromStr};

use mailwire_core::{Invalid, ParseError};

use super::{
    numbers::{SetMember, Uid},
    reader::Reader,
    set::{EMPTY, merge, numbers, read_nz, read_ranges, span},
    text::{display, parse_whole},
    write::{write_number, write_number_after},
};

/// Messages by their unique identifiers, in a response: `uid-set`
/// ([RFC 9051 section 9](https://www.rfc-editor.org/rfc/rfc9051#section-9)) and `known-uids`
/// ([RFC 7162 section 7](https://www.rfc-editor.org/rfc/rfc7162#section-7)).
///
/// ```
/// use mailwire_imap::types::{KnownUids, Uid};
///
/// let uids: KnownUids = "5,3:4".parse()?;
/// assert_eq!(uids.iter(10).map(Uid::get).collect::<Vec<_>>(), [5, 3, 4]);
/// # Ok::<(), mailwire_core::Invalid>(())
/// ```
pub type KnownUids = KnownSet<Uid>;

/// Messages by sequence numbers or unique identifiers, in a response: which of them, only the
/// command says that it answers.
pub type KnownNumbers = KnownSet<NonZeroU32>;

/// A set of messages in a response, which has no `*`. It is used as [`KnownUids`] and
/// [`KnownNumbers`], is never expanded and never empty; the order is kept, for COPYUID's two sets
/// correspond by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct KnownSet<N>(Vec<(N, N)>);

impl<N: SetMember> KnownSet<N> {
    /// One message.
    #[must_use]
    pub fn single(number: N) -> Self {
        Self([(number, number)].into())
    }

    /// Several messages, in this order; numbers that follow each other become a range.
    ///
    /// # Errors
    ///
    /// There are none.
    pub fn from_numbers(numbers: impl IntoIterator<Item = N>) -> Result<Self, Invalid> {
        let mut ranges: Vec<(N, N)> = Vec::new();
        for number in numbers {
            match ranges.last_mut() {
                Some((start, end))
                    if *start <= *end && end.to_nz().checked_add(1) == Some(number.to_nz()) =>
                {
                    *end = number;
                }
                _ => ranges.push((number, number)),
            }
        }
        Self::from_ranges(ranges)
    }

    /// Several ranges, in this order, both ends included.
    ///
    /// # Errors
    ///
    /// There are none.
    pub fn from_ranges(ranges: impl IntoIterator<Item = (N, N)>) -> Result<Self, Invalid> {
        let ranges: Vec<_> = ranges.into_iter().collect();
        if ranges.is_empty() { Err(EMPTY) } else { Ok(Self(ranges)) }
    }

    /// The ranges as they were named, both ends included; the first may be the higher.
    pub fn ranges(&self) -> impl Iterator<Item = (N, N)> + '_ {
        self.0.iter().copied()
    }

    fn bounds(&self) -> impl Iterator<Item = (N, N)> + '_ {
        self.0.iter().map(|&(start, end)| (start.min(end), start.max(end)))
    }

    /// Tells whether `number` is in the set.
    #[must_use]
    pub fn contains(&self, number: N) -> bool {
        self.bounds().any(|(low, high)| low <= number && number <= high)
    }

    /// The numbers in the order they were named, each range ascending, at most `max` of them.
    pub fn iter(&self, max: usize) -> impl Iterator<Item = N> + '_ {
        self.bounds().flat_map(|(low, high)| numbers(low, high)).take(max)
    }

    /// How many numbers were named, twice if named twice.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.bounds().map(span).sum()
    }

    /// The ranges in ascending order, without overlaps, neighbours merged.
    #[must_use]
    pub fn normalized(&self) -> Vec<(N, N)> {
        merge(self.bounds(), N::from(NonZeroU32::MAX))
    }

    /// ```text
    /// uid-set   = (uniqueid / uid-range) *("," uid-set)
    /// uid-range = (uniqueid ":" uniqueid)
    /// ```
    ///
    /// Lenient: an empty item between commas.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let mut ranges = Vec::new();
        read_ranges(r, |r| {
            let start = read_nz(r)?;
            let end = if r.eat(b':') { read_nz(r)? } else { start };
            ranges.push((start.into(), end.into()));
            Ok(())
        })?;
        Ok(Self(ranges))
    }

    /// Appends the set.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for (at, (start, end)) in self.ranges().enumerate() {
            let (first, last) = (start.to_nz().get(), end.to_nz().get());
            if at > 0 {
                write_number_after(out, b',', first);
            } else {
                write_number(out, u64::from(first));
            }
            if last != first {
                write_number_after(out, b':', last);
            }
        }
    }
}

impl<N: SetMember> FromStr for KnownSet<N> {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        parse_whole("set of messages", text, Self::read)
    }
}

impl<N: SetMember> fmt::Display for KnownSet<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, &|out| self.write(out))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn merging() {
        let uid = |number| Uid::new(number).unwrap();
        let set: KnownUids = "5,3:4,10:8,9".parse().unwrap();
        assert_eq!(set.normalized(), [(uid(3), uid(5)), (uid(8), uid(10))]);
        assert_eq!(set.to_string(), "5,3:4,10:8,9");
        assert_eq!((set.count(), set.contains(uid(9)), set.contains(uid(7))), (7, true, false));
        assert_eq!(KnownUids::from_numbers([7, 8, 6].map(uid)).unwrap().to_string(), "7:8,6");
    }

    #[test]
    fn no_largest_number() {
        for wrong in ["*", "1:*", "$", "", "0"] {
            assert!(wrong.parse::<KnownUids>().is_err(), "{wrong:?}");
        }
    }
}
