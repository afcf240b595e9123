//! Identifiers in ranges.

use alloc::collections::BTreeMap;
#[cfg(feature = "sync")]
use alloc::vec::Vec;

use crate::types::Uid;

/// A set of identifiers, as ranges without overlap: the first of each with the last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Uids(BTreeMap<u32, u32>);

impl Uids {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> u32 {
        self.0.iter().map(|(low, high)| high - low + 1).sum()
    }

    pub(crate) fn contains(&self, uid: Uid) -> bool {
        self.0.range(..=uid.get()).next_back().is_some_and(|(_, high)| uid.get() <= *high)
    }

    pub(crate) fn first(&self) -> Option<Uid> {
        self.0.first_key_value().and_then(|(low, _)| Uid::new(*low))
    }

    /// The ranges, ascending.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (Uid, Uid)> + '_ {
        self.0.iter().filter_map(|(low, high)| Some((Uid::new(*low)?, Uid::new(*high)?)))
    }

    pub(crate) fn insert(&mut self, low: Uid, high: Uid) {
        let (mut low, mut high) = (low.get(), high.get());
        // What overlaps, or is a neighbour.
        while let Some((&first, &last)) = self.0.range(..=high.saturating_add(1)).next_back() {
            if last.saturating_add(1) < low {
                break;
            }
            self.0.remove(&first);
            (low, high) = (low.min(first), high.max(last));
        }
        self.0.insert(low, high);
    }

    pub(crate) fn remove(&mut self, low: Uid, high: Uid) {
        let (low, high) = (low.get(), high.get());
        while let Some((&first, &last)) = self.0.range(..=high).next_back() {
            if last < low {
                break;
            }
            self.0.remove(&first);
            if first < low {
                self.0.insert(first, low - 1);
            }
            if last > high {
                self.0.insert(high + 1, last);
            }
        }
    }
}

/// What a mirror asks.
#[cfg(feature = "sync")]
impl Uids {
    /// The highest one.
    pub(crate) fn last(&self) -> Option<Uid> {
        self.0.last_key_value().and_then(|(_, high)| Uid::new(*high))
    }

    /// The parts of the ranges between these two, descending; none if the first is the higher one.
    fn within(&self, low: u32, high: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        let high = if low <= high { high } else { 0 };
        let ranges = self.0.range(..=high).rev().map(|(first, last)| (*first, *last));
        ranges
            .take_while(move |(_, last)| *last >= low)
            .map(move |(first, last)| (first.max(low), last.min(high)))
    }

    /// The one between these two that has `skip` higher ones between them.
    pub(crate) fn nth_back(&self, low: Uid, high: Uid, mut skip: u32) -> Option<Uid> {
        for (first, last) in self.within(low.get(), high.get()) {
            match last.checked_sub(skip) {
                Some(uid) if uid >= first => return Uid::new(uid),
                _ => skip -= last - first + 1,
            }
        }
        None
    }

    /// Those between these two that are not in `others`, in descending ranges.
    pub(crate) fn missing_in(&self, others: &Self, low: Uid, high: Uid) -> Vec<(Uid, Uid)> {
        let mut missing = Vec::new();
        let mut push = |low, high| missing.extend(Uid::new(low).zip(Uid::new(high)));
        for (first, mut last) in self.within(low.get(), high.get()) {
            let mut left = true;
            for (there, until) in others.within(first, last) {
                if until < last {
                    push(until + 1, last);
                }
                left = there > first;
                last = there.saturating_sub(1);
            }
            if left {
                push(first, last);
            }
        }
        missing
    }

    /// Those between these two that are in `others`, too: how many.
    pub(crate) fn common(&self, others: &Self) -> u32 {
        let ranges = self.0.iter().flat_map(|(low, high)| others.within(*low, *high));
        ranges.map(|(low, high)| high - low + 1).sum()
    }

    /// Every so-many-th, from the highest down.
    pub(crate) fn every_back(&self, step: u32) -> impl Iterator<Item = Uid> + '_ {
        let step = step.max(1);
        let mut skip = step - 1;
        self.0.iter().rev().flat_map(move |(first, last)| {
            let start = last.checked_sub(skip).filter(|start| start >= first);
            let count = start.map_or(0, |start| (start - first) / step + 1);
            skip = match start {
                Some(start) => step - 1 - (start - first) % step,
                None => skip - (last - first + 1),
            };
            (0..count).filter_map(move |nth| Uid::new(start? - nth * step))
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    fn uid(uid: u32) -> Uid {
        Uid::new(uid).unwrap()
    }

    fn numbers(ranges: &[(Uid, Uid)]) -> BTreeSet<u32> {
        ranges.iter().flat_map(|(low, high)| low.get()..=high.get()).collect()
    }

    /// All of it against a set of numbers.
    #[test]
    fn ranges_are_sets() {
        let mut random = 1_u64;
        let mut next = |below: u32| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) as u32 % below
        };
        for _ in 0..2000 {
            let (mut uids, mut others) = (Uids::default(), Uids::default());
            let (mut plain, mut plain_others) = (BTreeSet::new(), BTreeSet::new());
            for _ in 0..next(8) {
                let low = 1 + next(30);
                let high = low + next(6);
                if next(4) == 0 {
                    uids.remove(uid(low), uid(high));
                    plain.retain(|it| !(low..=high).contains(it));
                } else {
                    uids.insert(uid(low), uid(high));
                    plain.extend(low..=high);
                }
                let low = 1 + next(30);
                others.insert(uid(low), uid(low + next(4)));
                plain_others = numbers(&others.ranges().collect::<Vec<_>>());
            }
            assert_eq!(numbers(&uids.ranges().collect::<Vec<_>>()), plain);
            assert_eq!(uids.last().map(Uid::get), plain.last().copied());
            assert_eq!(uids.common(&others) as usize, plain.intersection(&plain_others).count());
            let low = 1 + next(36);
            let high = (low + next(24)).saturating_sub(4).max(1);
            let within: Vec<u32> =
                plain.iter().rev().copied().filter(|it| (low..=high).contains(it)).collect();
            let missing = uids.missing_in(&others, uid(low), uid(high));
            let expected = within.iter().copied().filter(|it| !plain_others.contains(it)).collect();
            assert_eq!(numbers(&missing), expected);
            let skip = next(12);
            let nth = uids.nth_back(uid(low), uid(high), skip);
            assert_eq!(nth.map(Uid::get), within.get(skip as usize).copied());
            let step = 1 + next(7);
            let every: Vec<u32> = uids.every_back(step).map(Uid::get).collect();
            let expected: Vec<u32> =
                plain.iter().rev().copied().skip(step as usize - 1).step_by(step as usize).collect();
            assert_eq!(every, expected);
        }
    }

    /// Up to the highest numbers there are.
    #[test]
    fn every_so_many_of_all() {
        let mut all = Uids::default();
        all.insert(Uid::MIN, Uid::MAX);
        for step in [1 << 16, 1 << 31, u32::MAX] {
            let count = all.every_back(step).count();
            assert_eq!(count, (u32::MAX / step) as usize, "{step}");
        }
        all.remove(uid(7), uid(7));
        assert_eq!(all.every_back(u32::MAX - 1).map(Uid::get).collect::<Vec<_>>(), [1]);
        assert_eq!(all.every_back(u32::MAX).count(), 0);
    }
}
