//! Identifiers in ranges.

use alloc::collections::BTreeMap;

use crate::types::Uid;

/// A set of identifiers, as ranges without overlap: the first of each with the last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Uids(BTreeMap<u32, u32>);

impl Uids {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> u32 {
        self.0.iter().map(|(low, high)| high - low + 1).sum()
    }

    pub(super) fn contains(&self, uid: Uid) -> bool {
        self.0.range(..=uid.get()).next_back().is_some_and(|(_, high)| uid.get() <= *high)
    }

    pub(super) fn first(&self) -> Option<Uid> {
        self.0.first_key_value().and_then(|(low, _)| Uid::new(*low))
    }

    /// The ranges, ascending.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (Uid, Uid)> + '_ {
        self.0.iter().filter_map(|(low, high)| Some((Uid::new(*low)?, Uid::new(*high)?)))
    }

    pub(super) fn insert(&mut self, low: Uid, high: Uid) {
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

    pub(super) fn remove(&mut self, low: Uid, high: Uid) {
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
