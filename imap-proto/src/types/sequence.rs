//! Sets of message numbers and unique identifiers.

use alloc::vec::Vec;
use core::{fmt, num::NonZeroU32, str::FromStr};

use bytes::Bytes;
use mailwire_core::{Dialect, Invalid, ParseError};

use super::{
    numbers::{SeqNumber, Uid},
    reader::{ParseContext, Reader},
    write::write_number,
};

/// One end of a range.
///
/// ```text
/// seq-number = nz-number / "*"
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum SetNumber {
    /// A number.
    Value(NonZeroU32),
    /// `*`: the largest number in use.
    Largest,
}

impl From<Uid> for SetNumber {
    fn from(uid: Uid) -> Self {
        NonZeroU32::new(uid.get()).map_or(Self::Largest, Self::Value)
    }
}

impl From<SeqNumber> for SetNumber {
    fn from(number: SeqNumber) -> Self {
        NonZeroU32::new(number.get()).map_or(Self::Largest, Self::Value)
    }
}

impl From<NonZeroU32> for SetNumber {
    fn from(value: NonZeroU32) -> Self {
        Self::Value(value)
    }
}

impl SetNumber {
    /// The number, where `largest` is the largest in use.
    #[must_use]
    pub const fn resolve(self, largest: u32) -> u32 {
        match self {
            Self::Value(value) => value.get(),
            Self::Largest => largest,
        }
    }

    fn precedes(self, number: NonZeroU32) -> bool {
        matches!(self, Self::Value(value) if value.checked_add(1) == Some(number))
    }

    fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Value(value) => write_number(out, u64::from(value.get())),
            Self::Largest => out.push(b'*'),
        }
    }
}

/// A range of numbers with both its ends, in either order. A single number is both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SeqRange {
    /// What was named first.
    pub start: SetNumber,
    /// What was named last.
    pub end: SetNumber,
}

impl SeqRange {
    /// The lower and the higher end, where `largest` is the largest number in use.
    #[must_use]
    pub fn bounds(self, largest: u32) -> (u32, u32) {
        let (start, end) = (self.start.resolve(largest), self.end.resolve(largest));
        (start.min(end), start.max(end))
    }
}

/// A set of message numbers or unique identifiers in a command: ranges in the order they were
/// named, or `$`. It is never expanded and never empty (RFC 9051 section 9).
///
/// ```
/// use mailwire_imap::types::SequenceSet;
///
/// let set: SequenceSet = "2,4:7,9,12:*".parse()?;
/// assert!(set.contains(6, 15) && set.contains(15, 15) && !set.contains(8, 15));
/// assert_eq!(set.iter(15, 1000).collect::<Vec<_>>(), [2, 4, 5, 6, 7, 9, 12, 13, 14, 15]);
/// assert_eq!(SequenceSet::from_numbers([3, 4, 5, 9])?.to_string(), "3:5,9");
/// # Ok::<(), mailwire_core::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SequenceSet(Set);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
enum Set {
    /// `$`
    Saved,
    /// At least one.
    Ranges(Vec<SeqRange>),
}

impl SequenceSet {
    /// All messages: `1:*`.
    #[must_use]
    pub fn all() -> Self {
        Self::range(SetNumber::Value(NonZeroU32::MIN), SetNumber::Largest)
    }

    /// `$`: the result of the last search that was saved (RFC 5182).
    #[must_use]
    pub const fn saved() -> Self {
        Self(Set::Saved)
    }

    /// One number.
    #[must_use]
    pub fn single(number: impl Into<SetNumber>) -> Self {
        let number = number.into();
        Self::range(number, number)
    }

    /// All numbers between two, with both.
    #[must_use]
    pub fn range(start: impl Into<SetNumber>, end: impl Into<SetNumber>) -> Self {
        Self(Set::Ranges([SeqRange { start: start.into(), end: end.into() }].into()))
    }

    /// Several ranges.
    ///
    /// # Errors
    ///
    /// There are none.
    pub fn from_ranges(ranges: impl IntoIterator<Item = SeqRange>) -> Result<Self, Invalid> {
        let ranges: Vec<_> = ranges.into_iter().collect();
        if ranges.is_empty() { Err(EMPTY) } else { Ok(Self(Set::Ranges(ranges))) }
    }

    /// Several numbers, in this order; neighbours that follow each other become a range.
    ///
    /// # Errors
    ///
    /// There are none, or one is zero.
    pub fn from_numbers(numbers: impl IntoIterator<Item = u32>) -> Result<Self, Invalid> {
        let mut ranges: Vec<SeqRange> = Vec::new();
        for number in numbers {
            let number = NonZeroU32::new(number).ok_or(Invalid::new("sequence set", 0, "zero"))?;
            match ranges.last_mut() {
                Some(range) if range.start <= range.end && range.end.precedes(number) => {
                    range.end = number.into();
                }
                _ => ranges.push(SeqRange { start: number.into(), end: number.into() }),
            }
        }
        Self::from_ranges(ranges)
    }

    /// Whether this is `$`.
    #[must_use]
    pub const fn is_saved(&self) -> bool {
        matches!(self.0, Set::Saved)
    }

    /// The ranges as they were named; none if this is `$`.
    #[must_use]
    pub fn ranges(&self) -> &[SeqRange] {
        match &self.0 {
            Set::Saved => &[],
            Set::Ranges(ranges) => ranges,
        }
    }

    /// Whether `number` is in the set, where `largest` is the largest number in use.
    #[must_use]
    pub fn contains(&self, number: u32, largest: u32) -> bool {
        self.ranges().iter().any(|range| {
            let (low, high) = range.bounds(largest);
            low <= number && number <= high
        })
    }

    /// The numbers up to `largest`, in the order they were named, at most `max` of them. Numbers
    /// that were named twice come twice: see [`normalized`](Self::normalized).
    pub fn iter(&self, largest: u32, max: usize) -> impl Iterator<Item = u32> + '_ {
        self.ranges()
            .iter()
            .flat_map(move |range| {
                let (low, high) = range.bounds(largest);
                low..=high.min(largest)
            })
            .take(max)
    }

    /// The ranges in ascending order, without overlaps, neighbours merged and `*` replaced, cut to
    /// `1..=largest`.
    #[must_use]
    pub fn normalized(&self, largest: u32) -> Vec<(u32, u32)> {
        merge(self.ranges().iter().map(|range| range.bounds(largest)), largest)
    }

    /// How many numbers up to `largest` are in the set.
    #[must_use]
    pub fn count(&self, largest: u32) -> u64 {
        self.normalized(largest).iter().map(|&(low, high)| u64::from(high - low) + 1).sum()
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
        let mut ranges = Vec::new();
        read_ranges(r, &mut ranges, true)?;
        Ok(Self(Set::Ranges(ranges)))
    }

    /// Appends the set.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Set::Saved => out.push(b'$'),
            Set::Ranges(ranges) => write_ranges(out, ranges),
        }
    }
}

const EMPTY: Invalid = Invalid::new("sequence set", 0, "empty");

/// Sorts and merges ranges, cut to `1..=largest`.
fn merge(ranges: impl Iterator<Item = (u32, u32)>, largest: u32) -> Vec<(u32, u32)> {
    let mut sorted: Vec<_> =
        ranges.map(|(low, high)| (low, high.min(largest))).filter(|(low, high)| low <= high).collect();
    sorted.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::new();
    for (low, high) in sorted {
        match merged.last_mut() {
            Some((_, end)) if low <= end.saturating_add(1) => *end = high.max(*end),
            _ => merged.push((low, high)),
        }
    }
    merged
}

fn read_ranges(r: &mut Reader<'_>, ranges: &mut Vec<SeqRange>, star: bool) -> Result<(), ParseError> {
    loop {
        if r.peek() == Some(b',') {
            r.deviate("empty-item-in-set")?;
            r.skip(1);
            continue;
        }
        let start = read_number(r, star)?;
        let end = if r.eat(b':') { read_number(r, star)? } else { start };
        ranges.push(SeqRange { start, end });
        if !r.eat(b',') {
            return Ok(());
        }
        if matches!(r.peek(), None | Some(b' ' | b']' | b')')) {
            return r.deviate("empty-item-in-set");
        }
    }
}

fn read_number(r: &mut Reader<'_>, star: bool) -> Result<SetNumber, ParseError> {
    if star && r.eat(b'*') {
        return Ok(SetNumber::Largest);
    }
    read_nz(r).map(SetNumber::Value)
}

/// ```text
/// nz-number = digit-nz *DIGIT
/// ```
pub(crate) fn read_nz(r: &mut Reader<'_>) -> Result<NonZeroU32, ParseError> {
    let start = r.offset();
    NonZeroU32::new(r.number_u32()?).ok_or(ParseError::new(start, "zero where a number from 1 is due"))
}

fn write_ranges(out: &mut Vec<u8>, ranges: &[SeqRange]) {
    for (at, range) in ranges.iter().enumerate() {
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

impl FromStr for SequenceSet {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        parse_whole("sequence set", text, Self::read)
    }
}

impl fmt::Display for SequenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| self.write(out))
    }
}

/// Reads a value that is all of `text`.
pub(crate) fn parse_whole<T>(
    what: &'static str,
    text: &str,
    grammar: impl FnOnce(&mut Reader<'_>) -> Result<T, ParseError>,
) -> Result<T, Invalid> {
    let frame = Bytes::copy_from_slice(text.as_bytes());
    let invalid = |error: ParseError| Invalid::new(what, error.offset, error.reason);
    let context = ParseContext::new(Dialect::Strict);
    let mut reader = Reader::new(&frame, &context);
    let value = grammar(&mut reader).map_err(invalid)?;
    reader.expect_end().map_err(invalid)?;
    Ok(value)
}

/// Shows what `write` appends.
pub(crate) fn display(f: &mut fmt::Formatter<'_>, write: impl FnOnce(&mut Vec<u8>)) -> fmt::Result {
    let mut out = Vec::new();
    write(&mut out);
    match core::str::from_utf8(&out) {
        Ok(text) if text.is_ascii() => f.write_str(text),
        _ => fmt::Display::fmt(&mailwire_core::escape_ascii(&out), f),
    }
}

/// A set of unique identifiers without `*`, as servers name them (RFC 4315 section 3). It is never
/// expanded; the order is kept, for COPYUID's two sets correspond by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UidSet(Vec<SeqRange>);

impl UidSet {
    /// One identifier.
    #[must_use]
    pub fn single(uid: Uid) -> Self {
        Self([SeqRange { start: uid.into(), end: uid.into() }].into())
    }

    /// Several identifiers, in this order; neighbours that follow each other become a range.
    ///
    /// # Errors
    ///
    /// There are none, or one is zero.
    pub fn from_uids(uids: impl IntoIterator<Item = u32>) -> Result<Self, Invalid> {
        match SequenceSet::from_numbers(uids)?.0 {
            Set::Ranges(ranges) => Ok(Self(ranges)),
            Set::Saved => Err(EMPTY),
        }
    }

    /// Several ranges.
    ///
    /// # Errors
    ///
    /// There are none.
    pub fn from_ranges(ranges: impl IntoIterator<Item = (Uid, Uid)>) -> Result<Self, Invalid> {
        let ranges: Vec<_> = ranges
            .into_iter()
            .map(|(start, end)| SeqRange { start: start.into(), end: end.into() })
            .collect();
        if ranges.is_empty() { Err(EMPTY) } else { Ok(Self(ranges)) }
    }

    /// The ranges as they were named, both ends included; the first may be the higher.
    pub fn ranges(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.0.iter().map(|range| (range.start.resolve(u32::MAX), range.end.resolve(u32::MAX)))
    }

    /// Whether `uid` is in the set.
    #[must_use]
    pub fn contains(&self, uid: u32) -> bool {
        self.0.iter().any(|range| {
            let (low, high) = range.bounds(u32::MAX);
            low <= uid && uid <= high
        })
    }

    /// The identifiers in the order they were named, each range ascending, at most `max` of them.
    pub fn iter(&self, max: usize) -> impl Iterator<Item = u32> + '_ {
        self.0
            .iter()
            .flat_map(|range| {
                let (low, high) = range.bounds(u32::MAX);
                low..=high
            })
            .take(max)
    }

    /// How many identifiers were named, twice if named twice.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0
            .iter()
            .map(|range| {
                let (low, high) = range.bounds(u32::MAX);
                u64::from(high - low) + 1
            })
            .sum()
    }

    /// The ranges in ascending order, without overlaps, neighbours merged.
    #[must_use]
    pub fn normalized(&self) -> Vec<(u32, u32)> {
        merge(self.0.iter().map(|range| range.bounds(u32::MAX)), u32::MAX)
    }

    /// ```text
    /// uid-set   = (uniqueid / uid-range) *("," uid-set)
    /// uid-range = (uniqueid ":" uniqueid)
    /// ```
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let mut ranges = Vec::new();
        read_ranges(r, &mut ranges, false)?;
        Ok(Self(ranges))
    }

    /// Appends the set.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        write_ranges(out, &self.0);
    }
}

impl From<UidSet> for SequenceSet {
    fn from(set: UidSet) -> Self {
        Self(Set::Ranges(set.0))
    }
}

impl FromStr for UidSet {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        parse_whole("set of unique identifiers", text, Self::read)
    }
}

impl fmt::Display for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| self.write(out))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn sets_are_never_expanded() {
        let set: SequenceSet = "4294967295:1,*:4".parse().unwrap();
        assert_eq!(set.ranges().len(), 2);
        assert_eq!(set.normalized(100), [(1, 100)]);
        assert_eq!(set.iter(u32::MAX, 3).count(), 3);
        assert_eq!(set.count(u32::MAX), u64::from(u32::MAX));
        for wrong in ["", "0", "1,", ",1", "1:", "*:", "1;2", "4294967296", "a", "1\n", "$1", "1 "] {
            assert!(wrong.parse::<SequenceSet>().is_err(), "{wrong:?}");
        }
        assert!("*".parse::<UidSet>().is_err());
        assert_eq!("$".parse::<SequenceSet>().unwrap().to_string(), "$");
    }

    #[test]
    fn merging() {
        let set: UidSet = "5,3:4,10:8,9".parse().unwrap();
        assert_eq!(set.normalized(), [(3, 5), (8, 10)]);
        assert_eq!(set.to_string(), "5,3:4,10:8,9");
        assert_eq!((set.count(), set.contains(9), set.contains(7)), (7, true, false));
    }
}
