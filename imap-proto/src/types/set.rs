//! Sets of messages as commands name them.

use alloc::vec::Vec;
use core::{fmt, num::NonZeroU32, str::FromStr};

use mailwire_core::{Invalid, ParseError};

use super::{
    known_set::KnownSet,
    numbers::{SeqNumber, SetMember, Uid},
    reader::Reader,
    short_list::ShortList,
    text::{display, parse_whole},
    write::write_number,
};
use crate::deviation;

/// Messages by their sequence numbers, in a command: `sequence-set`
/// ([RFC 9051 section 9](https://www.rfc-editor.org/rfc/rfc9051#section-9)).
///
/// ```
/// use mailwire_imap::types::{SeqNumber, SequenceSet};
///
/// let number = |number| SeqNumber::new(number).unwrap();
/// let set: SequenceSet = "2,4:7,9,12:*".parse()?;
/// assert!(set.contains(number(6), number(15)) && !set.contains(number(8), number(15)));
/// assert_eq!(set.count(number(15)), 10);
/// assert_eq!(SequenceSet::from_numbers([3, 4, 5, 9].map(number))?.to_string(), "3:5,9");
/// # Ok::<(), mailwire_core::Invalid>(())
/// ```
pub type SequenceSet = MessageSet<SeqNumber>;

/// Messages by their unique identifiers, in a command: `sequence-set` after `UID`
/// ([RFC 9051 section 6.4.9](https://www.rfc-editor.org/rfc/rfc9051#section-6.4.9)).
///
/// What servers name has no `*`: that is [`KnownUids`](super::KnownUids).
pub type UidSet = MessageSet<Uid>;

/// One end of a range: a number, or the largest in use.
///
/// ```text
/// seq-number = nz-number / "*"
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum SetNumber<N> {
    /// A number.
    Value(N),
    /// `*`: the largest number in use.
    Largest,
}

impl<N: SetMember> From<N> for SetNumber<N> {
    fn from(number: N) -> Self {
        Self::Value(number)
    }
}

impl<N: SetMember> SetNumber<N> {
    /// Gives the number, where `largest` is the largest in use.
    #[must_use]
    pub fn resolve(self, largest: N) -> N {
        match self {
            Self::Value(value) => value,
            Self::Largest => largest,
        }
    }

    fn precedes(self, number: N) -> bool {
        matches!(self, Self::Value(value) if value.to_nz().checked_add(1) == Some(number.to_nz()))
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        if r.eat(b'*') { Ok(Self::Largest) } else { read_nz(r).map(|number| Self::Value(number.into())) }
    }

    fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Value(value) => write_number(out, u64::from(value.to_nz().get())),
            Self::Largest => out.push(b'*'),
        }
    }
}

/// A range of numbers with both its ends, in either order. A single number is both ends.
///
/// ```text
/// seq-range = seq-number ":" seq-number
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SeqRange<N> {
    /// What is named first.
    pub start: SetNumber<N>,
    /// What is named last.
    pub end: SetNumber<N>,
}

impl<N: SetMember> SeqRange<N> {
    /// Makes a range of two ends.
    #[must_use]
    pub fn new(start: impl Into<SetNumber<N>>, end: impl Into<SetNumber<N>>) -> Self {
        Self { start: start.into(), end: end.into() }
    }

    /// Gives the lower and the higher end, where `largest` is the largest number in use.
    #[must_use]
    pub fn bounds(self, largest: N) -> (N, N) {
        let (start, end) = (self.start.resolve(largest), self.end.resolve(largest));
        (start.min(end), start.max(end))
    }
}

/// A set of messages in a command: ranges in the order they are named, or `$`. It is used as
/// [`SequenceSet`] and [`UidSet`], is never expanded and never empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MessageSet<N>(Set<N>);

/// Most commands name one range or two, which take no memory of their own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Set<N> {
    /// `$`
    Saved,
    /// At least one.
    Ranges(ShortList<SeqRange<N>>),
}

#[cfg(feature = "serde")]
impl<N: serde::Serialize> serde::Serialize for Set<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Saved => serializer.serialize_unit_variant("Set", 0, "Saved"),
            Self::Ranges(ranges) => serializer.serialize_newtype_variant("Set", 1, "Ranges", ranges),
        }
    }
}

impl<N: SetMember> MessageSet<N> {
    /// Names the ranges in ascending order, each with its lower end first.
    pub(crate) fn ascend(&mut self) {
        let key = |number| match number {
            SetNumber::Value(value) => N::to_nz(value).get(),
            // Not below any other.
            SetNumber::Largest => u32::MAX,
        };
        let turn = |range: &mut SeqRange<N>| {
            if key(range.end) < key(range.start) {
                core::mem::swap(&mut range.start, &mut range.end);
            }
        };
        match &mut self.0 {
            Set::Saved => {}
            Set::Ranges(ranges) => {
                ranges.iter_mut().for_each(turn);
                let mut order: Vec<_> =
                    (0_u32..).zip(ranges.iter()).map(|(at, range)| (key(range.start), at)).collect();
                sort_pairs(&mut order);
                *ranges = order.iter().filter_map(|(_, at)| ranges.get(*at as usize).copied()).collect();
            }
        }
    }

    /// All messages: `1:*`.
    #[must_use]
    pub fn all() -> Self {
        Self::range(N::from(NonZeroU32::MIN), SetNumber::Largest)
    }

    /// The result of the last search that was saved: `$`
    /// ([RFC 9051 section 6.4.4.1](https://www.rfc-editor.org/rfc/rfc9051#section-6.4.4.1)).
    #[must_use]
    pub const fn saved() -> Self {
        Self(Set::Saved)
    }

    /// One message.
    #[must_use]
    pub fn single(number: impl Into<SetNumber<N>>) -> Self {
        let number = number.into();
        Self::range(number, number)
    }

    /// All messages between two, with both.
    #[must_use]
    pub fn range(start: impl Into<SetNumber<N>>, end: impl Into<SetNumber<N>>) -> Self {
        Self(Set::Ranges([SeqRange::new(start, end)].into()))
    }

    /// Several ranges, in this order.
    ///
    /// # Errors
    ///
    /// There are none.
    pub fn from_ranges(ranges: impl IntoIterator<Item = SeqRange<N>>) -> Result<Self, Invalid> {
        let ranges: Vec<_> = ranges.into_iter().collect();
        if ranges.is_empty() { Err(EMPTY) } else { Ok(Self(Set::Ranges(ranges.into()))) }
    }

    /// Several messages, in this order; numbers that follow each other become a range.
    ///
    /// # Errors
    ///
    /// There are none.
    pub fn from_numbers(numbers: impl IntoIterator<Item = N>) -> Result<Self, Invalid> {
        let mut ranges: Vec<SeqRange<N>> = Vec::new();
        for number in numbers {
            match ranges.last_mut() {
                Some(range) if range.start <= range.end && range.end.precedes(number) => {
                    range.end = number.into();
                }
                _ => ranges.push(SeqRange::new(number, number)),
            }
        }
        Self::from_ranges(ranges)
    }

    /// Tells whether this is `$`.
    #[must_use]
    pub const fn is_saved(&self) -> bool {
        matches!(self.0, Set::Saved)
    }

    /// Tells whether it depends on what is in the mailbox which messages these are: `$` or `*`.
    #[must_use]
    pub fn is_relative(&self) -> bool {
        let is_relative = |range: &SeqRange<N>| {
            matches!(range.start, SetNumber::Largest) || matches!(range.end, SetNumber::Largest)
        };
        self.is_saved() || self.ranges().iter().any(is_relative)
    }

    /// The ranges as they were named; none if this is `$`.
    #[must_use]
    pub fn ranges(&self) -> &[SeqRange<N>] {
        match &self.0 {
            Set::Saved => &[],
            Set::Ranges(ranges) => ranges,
        }
    }

    /// Tells whether `number` is in the set, where `largest` is the largest number in use.
    #[must_use]
    pub fn contains(&self, number: N, largest: N) -> bool {
        self.ranges().iter().any(|range| {
            let (low, high) = range.bounds(largest);
            low <= number && number <= high
        })
    }

    /// The numbers up to `largest`, in the order they were named, at most `max` of them. A number
    /// that was named twice comes twice: see [`normalized`](Self::normalized).
    pub fn iter(&self, largest: N, max: usize) -> impl Iterator<Item = N> + '_ {
        self.ranges()
            .iter()
            .flat_map(move |range| {
                let (low, high) = range.bounds(largest);
                numbers(low, high.min(largest))
            })
            .take(max)
    }

    /// The ranges in ascending order, without overlaps, neighbours merged and `*` replaced, cut to
    /// `1..=largest`.
    #[must_use]
    pub fn normalized(&self, largest: N) -> Vec<(N, N)> {
        merge(self.ranges().iter().map(|range| range.bounds(largest)), largest)
    }

    /// How many numbers up to `largest` are in the set.
    #[must_use]
    pub fn count(&self, largest: N) -> u64 {
        self.normalized(largest).into_iter().map(span).sum()
    }

    /// ```text
    /// sequence-set     = (seq-number / seq-range) ["," sequence-set]
    /// seq-range        = seq-number ":" seq-number
    /// sequence-set     =/ seq-last-command
    /// seq-last-command = "$"
    /// ```
    ///
    /// Lenient: an empty item between commas.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        if r.eat(b'$') {
            return Ok(Self::saved());
        }
        let mut ranges = ShortList::new();
        read_ranges(r, |r| {
            let start = SetNumber::read(r)?;
            let end = if r.eat(b':') { SetNumber::read(r)? } else { start };
            ranges.push(SeqRange { start, end });
            Ok(())
        })?;
        // One range at least was read.
        Ok(Self(Set::Ranges(ranges)))
    }

    /// Appends the set.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if self.is_saved() {
            return out.push(b'$');
        }
        for (at, range) in self.ranges().iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            range.start.write(out);
            if range.end != range.start {
                out.push(b':');
                range.end.write(out);
            }
        }
    }
}

pub(super) const EMPTY: Invalid = Invalid::new("set of messages", 0, "empty");

/// The numbers from `low` to `high`.
pub(super) fn numbers<N: SetMember>(low: N, high: N) -> impl Iterator<Item = N> {
    (low.to_nz().get()..=high.to_nz().get()).filter_map(NonZeroU32::new).map(N::from)
}

/// How many numbers are in a range.
pub(super) fn span<N: SetMember>((low, high): (N, N)) -> u64 {
    u64::from(high.to_nz().get() - low.to_nz().get()) + 1
}

/// Sorts and merges ranges, cut to `1..=largest`.
pub(super) fn merge<N: SetMember>(ranges: impl Iterator<Item = (N, N)>, largest: N) -> Vec<(N, N)> {
    let number = |number: N| number.to_nz().get();
    let cut = ranges.map(|(low, high)| (low, high.min(largest))).filter(|(low, high)| low <= high);
    let mut sorted: Vec<_> = cut.map(|(low, high)| (number(low), number(high))).collect();
    sort_pairs(&mut sorted);
    let mut merged: Vec<(u32, u32)> = Vec::new();
    for (low, high) in sorted {
        match merged.last_mut() {
            Some((_, end)) if low <= end.saturating_add(1) => *end = high.max(*end),
            _ => merged.push((low, high)),
        }
    }
    let back = |number| NonZeroU32::new(number).map(N::from);
    merged.into_iter().filter_map(|(low, high)| back(low).zip(back(high))).collect()
}

/// Sorting is a lot of code: once for all kinds of numbers.
fn sort_pairs(pairs: &mut [(u32, u32)]) {
    pairs.sort_unstable();
}

/// Reads ranges with commas between them.
pub(super) fn read_ranges(
    r: &mut Reader<'_>,
    mut range: impl FnMut(&mut Reader<'_>) -> Result<(), ParseError>,
) -> Result<(), ParseError> {
    loop {
        if r.peek() == Some(b',') {
            r.deviate(deviation::EMPTY_ITEM_IN_SET)?;
            r.skip(1);
            continue;
        }
        range(r)?;
        if !r.eat(b',') {
            return Ok(());
        }
        if matches!(r.peek(), None | Some(b' ' | b']' | b')')) {
            return r.deviate(deviation::EMPTY_ITEM_IN_SET);
        }
    }
}

/// ```text
/// nz-number = digit-nz *DIGIT
/// ```
pub(crate) fn read_nz(r: &mut Reader<'_>) -> Result<NonZeroU32, ParseError> {
    let start = r.offset();
    NonZeroU32::new(r.number_u32()?).ok_or(ParseError::new(start, "zero where a number from 1 is due"))
}

impl<N: SetMember> From<KnownSet<N>> for MessageSet<N> {
    fn from(set: KnownSet<N>) -> Self {
        let ranges: Vec<_> = set.ranges().map(|(start, end)| SeqRange::new(start, end)).collect();
        Self(Set::Ranges(ranges.into()))
    }
}

impl<N: SetMember> FromStr for MessageSet<N> {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        parse_whole("set of messages", text, Self::read)
    }
}

impl<N: SetMember> fmt::Display for MessageSet<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, &|out| self.write(out))
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::*;

    fn number(number: u32) -> SeqNumber {
        SeqNumber::new(number).unwrap()
    }

    #[test]
    fn sets_are_never_expanded() {
        let set: SequenceSet = "4294967295:1,*:4".parse().unwrap();
        assert_eq!(set.ranges().len(), 2);
        assert_eq!(set.normalized(number(100)), [(number(1), number(100))]);
        assert_eq!(set.iter(number(u32::MAX), 3).collect::<Vec<_>>(), [1, 2, 3].map(number));
        assert_eq!(set.count(number(u32::MAX)), u64::from(u32::MAX));
        for wrong in ["", "0", "1,", ",1", "1:", "*:", "1;2", "4294967296", "a", "1\n", "$1", "1 "] {
            assert!(wrong.parse::<SequenceSet>().is_err(), "{wrong:?}");
        }
        assert_eq!("$".parse::<UidSet>().unwrap().to_string(), "$");
    }

    #[test]
    fn order_and_ends() {
        let set: SequenceSet = "2,4:7,9,12:*".parse().unwrap();
        let all: Vec<_> = set.iter(number(15), 1000).collect();
        assert_eq!(all, vec![2, 4, 5, 6, 7, 9, 12, 13, 14, 15].into_iter().map(number).collect::<Vec<_>>());
        assert!(set.is_relative() && !"1:4".parse::<SequenceSet>().unwrap().is_relative());
        assert!(SequenceSet::from_numbers([]).is_err());
    }
}
