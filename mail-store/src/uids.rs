//! Sets of messages.

use std::fmt;

use mailwire_imap::types::{KnownUids, Uid};

/// A set of UIDs, kept as ranges that ascend and neither touch nor overlap.
///
/// It may be empty and can be joined with others, unlike the [`KnownUids`] of the wire, which keeps the
/// order in which its ranges were written.
///
/// # Examples
///
/// ```
/// use mailwire_imap::types::Uid;
/// use mailwire_store::Uids;
///
/// let uids: Uids = [7, 3, 4].into_iter().filter_map(Uid::new).collect();
/// assert_eq!((uids.len(), uids.to_string().as_str()), (3, "3:4,7"));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Uids(Vec<(u32, u32)>);

impl Uids {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The UIDs from `first` to `last`, both included; none if `last` is lower.
    #[must_use]
    pub fn range(first: Uid, last: Uid) -> Self {
        Self(if first <= last { vec![(first.get(), last.get())] } else { Vec::new() })
    }

    /// All UIDs below `end`.
    #[must_use]
    pub fn below(end: Uid) -> Self {
        Self(if end > Uid::MIN { vec![(1, end.get() - 1)] } else { Vec::new() })
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many UIDs are in the set.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.iter().map(|&(first, last)| u64::from(last - first) + 1).sum()
    }

    /// Whether a UID is in the set. Takes the logarithm of the number of ranges.
    #[must_use]
    pub fn contains(&self, uid: Uid) -> bool {
        let place = self.0.partition_point(|&(_, last)| last < uid.get());
        self.0.get(place).is_some_and(|&(first, _)| first <= uid.get())
    }

    /// The UIDs, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Uid> + '_ {
        self.0.iter().flat_map(|&(first, last)| first..=last).filter_map(Uid::new)
    }

    /// The ranges, ascending, with both ends included.
    pub fn ranges(&self) -> impl Iterator<Item = (Uid, Uid)> + '_ {
        self.0.iter().filter_map(|&(first, last)| Some((Uid::new(first)?, Uid::new(last)?)))
    }

    /// Adds a UID. Cheap at the end of the set.
    pub fn insert(&mut self, uid: Uid) {
        let uid = uid.get();
        match self.0.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(uid) => *last = uid,
            Some((_, last)) if *last >= uid => *self = self.union(&Self(vec![(uid, uid)])),
            _ => self.0.push((uid, uid)),
        }
    }

    /// The UIDs of both sets.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::from_ranges(self.0.iter().chain(&other.0).copied())
    }

    /// Adds all UIDs of another set. Costs nothing if there are none.
    pub(crate) fn add(&mut self, other: &Self) {
        if !other.is_empty() {
            *self = self.union(other);
        }
    }

    /// The UIDs that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut ours, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut both = Vec::new();
        while let (Some(&&(a, b)), Some(&&(c, d))) = (ours.peek(), theirs.peek()) {
            let (first, last) = (a.max(c), b.min(d));
            if first <= last {
                both.push((first, last));
            }
            if b < d {
                ours.next();
            } else {
                theirs.next();
            }
        }
        Self(both)
    }

    /// The UIDs that are in this set and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut rest = Vec::new();
        let mut gone = other.0.iter().peekable();
        for &(mut first, last) in &self.0 {
            let mut open = true;
            while let Some(&&(low, high)) = gone.peek() {
                if high < first {
                    gone.next();
                    continue;
                }
                if low > last {
                    break;
                }
                if low > first {
                    rest.push((first, low - 1));
                }
                if high >= last {
                    open = false;
                    break;
                }
                first = high + 1;
            }
            if open {
                rest.push((first, last));
            }
        }
        Self(rest)
    }

    /// The set in pieces of at most `size` UIDs, ascending.
    pub fn pages(&self, size: u32) -> impl Iterator<Item = Self> + '_ {
        let size = size.max(1);
        let mut rest = self.0.iter().copied();
        let mut begun: Option<(u32, u32)> = None;
        std::iter::from_fn(move || {
            let (mut page, mut room) = (Vec::new(), size);
            while room > 0 {
                let Some((first, last)) = begun.take().or_else(|| rest.next()) else { break };
                let end = last.min(first.saturating_add(room - 1));
                page.push((first, end));
                room -= end - first + 1;
                if end < last {
                    begun = Some((end + 1, last));
                }
            }
            (!page.is_empty()).then_some(Self(page))
        })
    }

    /// The set for the wire. `None` if it is empty.
    #[must_use]
    pub fn to_known(&self) -> Option<KnownUids> {
        KnownUids::from_ranges(self.ranges()).ok()
    }

    /// How many ranges there are.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn runs(&self) -> usize {
        self.0.len()
    }

    fn from_ranges(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut sorted: Vec<(u32, u32)> = ranges.into_iter().collect();
        sorted.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(sorted.len());
        for (first, last) in sorted {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }
}

impl From<Uid> for Uids {
    fn from(uid: Uid) -> Self {
        Self(vec![(uid.get(), uid.get())])
    }
}

impl From<&KnownUids> for Uids {
    fn from(set: &KnownUids) -> Self {
        set.normalized().into_iter().collect()
    }
}

impl From<&[Uid]> for Uids {
    fn from(uids: &[Uid]) -> Self {
        uids.iter().copied().collect()
    }
}

impl FromIterator<Uid> for Uids {
    fn from_iter<I: IntoIterator<Item = Uid>>(uids: I) -> Self {
        let mut set = Self::new();
        let mut late = Vec::new();
        for uid in uids {
            let number = uid.get();
            match set.0.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
                Some((_, last)) if *last >= number => late.push((number, number)),
                _ => set.0.push((number, number)),
            }
        }
        if late.is_empty() { set } else { Self::from_ranges(set.0.into_iter().chain(late)) }
    }
}

/// Ranges, in any order.
impl FromIterator<(Uid, Uid)> for Uids {
    fn from_iter<I: IntoIterator<Item = (Uid, Uid)>>(ranges: I) -> Self {
        let ends = ranges.into_iter().map(|(first, last)| (first.get(), last.get()));
        Self::from_ranges(ends.filter(|(first, last)| first <= last))
    }
}

impl fmt::Display for Uids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, &(first, last)) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}:{last}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Uids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uids(numbers: &[u32]) -> Uids {
        numbers.iter().copied().filter_map(Uid::new).collect()
    }

    /// Every pair of sets of the numbers 1 to 5, against the operations on bits.
    #[test]
    fn operations() {
        let of = |bits: u32| uids(&(1..=5).filter(|number| bits >> number & 1 == 1).collect::<Vec<_>>());
        for a in 0..32 {
            for b in 0..32 {
                let (one, two) = (of(a << 1), of(b << 1));
                assert_eq!(one.union(&two), of((a | b) << 1), "{one} {two}");
                assert_eq!(one.intersection(&two), of((a & b) << 1), "{one} {two}");
                assert_eq!(one.difference(&two), of((a & !b) << 1), "{one} {two}");
            }
            let set = of(a << 1);
            assert_eq!(set.len(), u64::from(a.count_ones()));
            assert!((1..=5).all(|n| set.contains(Uid::new(n).unwrap()) == (a << 1 >> n & 1 == 1)));
            for size in 1..4 {
                let pages: Vec<Uids> = set.pages(size).collect();
                assert!(pages.iter().all(|page| page.len() <= u64::from(size)));
                assert_eq!(pages.iter().flat_map(Uids::iter).collect::<Uids>(), set);
            }
        }
    }

    #[test]
    fn inserting() {
        let mut set = Uids::new();
        for number in [5, 6, 9, 2, 6, 7, u32::MAX] {
            set.insert(Uid::new(number).unwrap());
        }
        assert_eq!(set.to_string(), "2,5:7,9,4294967295");
        assert_eq!(uids(&[9, 1, 2, 9]).to_string(), "1:2,9");
        assert_eq!(Uids::below(Uid::MIN), Uids::new());
        assert_eq!(Uids::new().to_known(), None);
    }
}
