//! The messages of the selected mailbox as the client counts them.

use mailwire_imap::{
    command::{Messages, SearchKey},
    types::{SeqNumber, SeqRange, SequenceSet, SetNumber, Uid, UidSet},
};

/// Why sets and keys are not taken: the answer is BAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadSet {
    /// A message beyond the mailbox's last (RFC 9051 section 6.4.9).
    OutOfRange,
    /// Keys that become many times larger than they were written.
    TooLarge,
}

/// Ranges of numbers in all keys of one search, as an application gets them. What a client writes
/// is bounded by its command; what `$` and RECENT stand for is bounded by this.
const MAX_RANGES: usize = 1 << 20;

/// Sequence numbers and UIDs: what the client was told last.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers {
    /// Ascending. A message's sequence number is its place, from 1.
    uids: Vec<Uid>,
    /// Ascending.
    recent: Vec<Uid>,
    /// The result that the client had kept (`$`), ascending.
    saved: Vec<Uid>,
}

impl Numbers {
    pub(super) fn new(mut uids: Vec<Uid>, mut recent: Vec<Uid>) -> Self {
        uids.sort_unstable();
        uids.dedup();
        recent.sort_unstable();
        recent.retain(|uid| uids.binary_search(uid).is_ok());
        Self { uids, recent, saved: Vec::new() }
    }

    pub(super) fn len(&self) -> u32 {
        count(&self.uids)
    }

    pub(super) fn recent(&self) -> u32 {
        count(&self.recent)
    }

    pub(super) fn is_recent(&self, uid: Uid) -> bool {
        self.recent.binary_search(&uid).is_ok()
    }

    pub(super) fn number(&self, uid: Uid) -> Option<SeqNumber> {
        let index = self.uids.binary_search(&uid).ok()?;
        u32::try_from(index).ok()?.checked_add(1).and_then(SeqNumber::new)
    }

    /// New messages. Those that the client knows are left out. Whether there are any.
    pub(super) fn add(&mut self, uids: impl IntoIterator<Item = Uid>, recent: bool) -> bool {
        let mut any = false;
        for uid in uids {
            // UIDs only grow (RFC 9051 section 2.3.1.1), so this is the end in all but odd cases.
            if let Err(place) = self.uids.binary_search(&uid) {
                if place == self.uids.len() {
                    self.uids.push(uid);
                    any = true;
                    if recent {
                        self.recent.push(uid);
                    }
                }
            }
        }
        any
    }

    /// Takes messages away. Gives the number of each, as EXPUNGE counts: after those before it are
    /// gone.
    pub(super) fn remove(&mut self, gone: &[Uid]) -> Vec<SeqNumber> {
        let mut gone: Vec<Uid> = gone.to_vec();
        gone.sort_unstable();
        gone.dedup();
        let numbers: Vec<SeqNumber> = gone.iter().filter_map(|&uid| self.number(uid)).collect();
        let is_left = |uid: &Uid| gone.binary_search(uid).is_err();
        self.uids.retain(is_left);
        self.recent.retain(is_left);
        self.saved.retain(is_left);
        (0u32..).zip(numbers).filter_map(|(before, number)| SeqNumber::new(number.get() - before)).collect()
    }

    pub(super) fn save(&mut self, mut uids: Vec<Uid>) {
        uids.sort_unstable();
        self.saved = uids;
    }

    /// The messages that a set names, ascending. A set of UIDs can name some that are not there.
    pub(super) fn resolve(&self, messages: &Messages) -> Result<Vec<Uid>, BadSet> {
        match messages {
            Messages::Uid(set) => Ok(self.resolve_uids(set)),
            Messages::Sequence(set) if set.is_saved() => Ok(self.saved.clone()),
            Messages::Sequence(set) => Ok(self.at(&self.places(set)?)),
        }
    }

    pub(super) fn resolve_uids(&self, set: &UidSet) -> Vec<Uid> {
        if set.is_saved() { self.saved.clone() } else { self.at(&self.uid_places(set)) }
    }

    fn at(&self, places: &[(usize, usize)]) -> Vec<Uid> {
        places.iter().filter_map(|&(start, end)| self.uids.get(start..end)).flatten().copied().collect()
    }

    /// Ranges of places in `uids`, ascending and without overlap: as many as the set has, however
    /// many messages they span.
    fn uid_places(&self, set: &UidSet) -> Vec<(usize, usize)> {
        let Some(largest) = self.uids.last() else { return Vec::new() };
        let before = |end: Uid| self.uids.partition_point(|uid| *uid < end);
        let until = |end: Uid| self.uids.partition_point(|uid| *uid <= end);
        set.normalized(*largest).into_iter().map(|(low, high)| (before(low), until(high))).collect()
    }

    /// Reads a set of sequence numbers likewise.
    fn places(&self, set: &SequenceSet) -> Result<Vec<(usize, usize)>, BadSet> {
        let exists = SeqNumber::new(self.len()).ok_or(BadSet::OutOfRange)?;
        let is_within = |number: SetNumber<SeqNumber>| match number {
            SetNumber::Value(number) => number <= exists,
            SetNumber::Largest => true,
        };
        if !set.ranges().iter().all(|range| is_within(range.start) && is_within(range.end)) {
            return Err(BadSet::OutOfRange);
        }
        let place = |number: SeqNumber| usize::try_from(number.get()).unwrap_or(usize::MAX);
        let ranges = set.normalized(exists);
        Ok(ranges.into_iter().map(|(low, high)| (place(low).saturating_sub(1), place(high))).collect())
    }

    /// Keys for an application: it knows neither sequence numbers nor what is recent to whom. In
    /// their sets, ranges ascend and do not overlap.
    pub(super) fn translate(&self, keys: Vec<SearchKey>) -> Result<Vec<SearchKey>, BadSet> {
        let mut left = MAX_RANGES;
        keys.into_iter().map(|key| self.translate_key(key, &mut left)).collect()
    }

    fn translate_key(&self, key: SearchKey, left: &mut usize) -> Result<SearchKey, BadSet> {
        Ok(match key {
            SearchKey::Sequence(set) if set.is_saved() => key_of_uids(&self.saved, left)?,
            SearchKey::Sequence(set) => self.key_of(&self.places(&set)?, left)?,
            SearchKey::Uid(set) if set.is_saved() => key_of_uids(&self.saved, left)?,
            SearchKey::Uid(set) => self.key_of(&self.uid_places(&set), left)?,
            SearchKey::Recent => key_of_uids(&self.recent, left)?,
            SearchKey::Old => key_of_uids(&self.recent, left)?.not(),
            SearchKey::New => SearchKey::And(vec![key_of_uids(&self.recent, left)?, SearchKey::Unseen]),
            SearchKey::Not(key) => self.translate_key(*key, left)?.not(),
            SearchKey::Or(one, other) => {
                self.translate_key(*one, left)?.or(self.translate_key(*other, left)?)
            }
            SearchKey::And(keys) => {
                let keys: Result<_, _> = keys.into_iter().map(|key| self.translate_key(key, left)).collect();
                SearchKey::And(keys?)
            }
            key => key,
        })
    }

    fn key_of(&self, places: &[(usize, usize)], left: &mut usize) -> Result<SearchKey, BadSet> {
        *left = left.checked_sub(places.len()).ok_or(BadSet::TooLarge)?;
        let ranges = places.iter().filter_map(|&(start, end)| {
            let uids = self.uids.get(start..end)?;
            Some(SeqRange::new(*uids.first()?, *uids.last()?))
        });
        Ok(UidSet::from_ranges(ranges).map_or_else(|_| nothing(), SearchKey::Uid))
    }
}

fn key_of_uids(uids: &[Uid], left: &mut usize) -> Result<SearchKey, BadSet> {
    let Ok(set) = UidSet::from_numbers(uids.iter().copied()) else { return Ok(nothing()) };
    *left = left.checked_sub(set.ranges().len()).ok_or(BadSet::TooLarge)?;
    Ok(SearchKey::Uid(set))
}

/// What no message is.
fn nothing() -> SearchKey {
    SearchKey::All.not()
}

fn count(uids: &[Uid]) -> u32 {
    u32::try_from(uids.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(number: u32) -> Uid {
        Uid::new(number).unwrap()
    }

    fn numbers() -> Numbers {
        Numbers::new([2, 3, 5, 8, 13].map(uid).to_vec(), vec![uid(13)])
    }

    fn resolve(set: &str, by_uid: bool) -> Result<Vec<u32>, BadSet> {
        let messages = if by_uid {
            Messages::Uid(set.parse().unwrap())
        } else {
            Messages::Sequence(set.parse().unwrap())
        };
        let uids = numbers().resolve(&messages)?;
        Ok(uids.into_iter().map(Uid::get).collect())
    }

    #[test]
    fn sets() {
        assert_eq!(resolve("1:*", false).unwrap(), [2, 3, 5, 8, 13]);
        assert_eq!(resolve("4,2:1,*", false).unwrap(), [2, 3, 8, 13]);
        assert_eq!(resolve("6", false), Err(BadSet::OutOfRange));
        assert_eq!(resolve("1:4294967295", false), Err(BadSet::OutOfRange));
        assert_eq!(resolve("1:4294967295", true).unwrap(), [2, 3, 5, 8, 13]);
        assert_eq!(resolve("4:9,1", true).unwrap(), [5, 8]);
        assert_eq!(resolve("100:*", true).unwrap(), [13]);
        assert_eq!(resolve("*", true).unwrap(), [13]);
        let empty = Numbers::default();
        assert_eq!(empty.resolve(&SequenceSet::all().into()), Err(BadSet::OutOfRange));
        assert_eq!(empty.resolve(&UidSet::all().into()), Ok(vec![]));
    }

    #[test]
    fn expunging() {
        let mut numbers = numbers();
        numbers.save(vec![uid(13), uid(2)]);
        assert_eq!(
            numbers.remove(&[uid(13), uid(2), uid(99), uid(5)]),
            [1, 2, 3].map(|number| SeqNumber::new(number).unwrap())
        );
        assert_eq!((numbers.len(), numbers.recent(), numbers.number(uid(8))), (2, 0, SeqNumber::new(2)));
        assert_eq!(numbers.resolve(&UidSet::saved().into()), Ok(vec![]));
        assert!(numbers.add([uid(8), uid(20), uid(4)], true));
        assert_eq!((numbers.len(), numbers.is_recent(uid(20))), (3, true));
        assert!(!numbers.add([uid(20)], true));
    }

    #[test]
    fn search_keys() {
        let numbers = numbers();
        let uids = |set: &str| SearchKey::Uid(set.parse().unwrap());
        let translate = |key| numbers.translate(vec![key]).unwrap().remove(0);
        assert_eq!(translate(SearchKey::Sequence("2:4".parse().unwrap())), uids("3:8"));
        assert_eq!(translate(SearchKey::Uid("6:7".parse().unwrap())), SearchKey::All.not());
        assert_eq!(translate(SearchKey::Uid("50:*".parse().unwrap())), uids("13"));
        assert_eq!(translate(SearchKey::New), SearchKey::And(vec![uids("13"), SearchKey::Unseen]));
        assert_eq!(translate(SearchKey::Old.or(SearchKey::Seen)), uids("13").not().or(SearchKey::Seen));
        assert!(numbers.translate(vec![SearchKey::Sequence("9".parse().unwrap()).not()]).is_err());
    }
}
