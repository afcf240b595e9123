//! Sets of messages and search keys, as an application gets them: there are UIDs alone.

use mailwire_core::Dialect;
use mailwire_imap::{
    command::{Messages, SearchKey},
    response::{Untagged, VanishedData},
    types::{KnownUids, SeqRange, Uid, UidSet},
    view::{BadSet, View},
};

use super::conversation::Stop;

/// Ranges of numbers in all keys of one search. What a client writes is bounded by its command; what `$`
/// and RECENT stand for is bounded by this.
const MAX_RANGES: usize = 1 << 20;

/// The messages that a set names, ascending. A set of UIDs can name some that are not there. Lenient: so
/// can `1:*`, where there is no message at all.
pub(super) fn resolve(view: &View, messages: &Messages, dialect: Dialect) -> Result<Vec<Uid>, BadSet> {
    match messages {
        Messages::Uid(set) => Ok(resolve_uids(view, set)),
        Messages::Sequence(set) if dialect == Dialect::Lenient && view.is_empty() && set.is_relative() => {
            Ok(expand(view, view.resolve_within(set)?))
        }
        Messages::Sequence(set) => Ok(expand(view, view.resolve(set)?)),
    }
}

/// The messages of a set of UIDs that are there, ascending.
pub(super) fn resolve_uids(view: &View, set: &UidSet) -> Vec<Uid> {
    expand(view, view.resolve_uids(set))
}

fn expand(view: &View, ranges: Vec<(Uid, Uid)>) -> Vec<Uid> {
    let known = ranges.into_iter().flat_map(|(low, high)| view.known(low, high));
    known.flat_map(members).collect()
}

pub(super) fn members((low, high): (Uid, Uid)) -> impl Iterator<Item = Uid> {
    (low.get()..=high.get()).filter_map(Uid::new)
}

/// Those of `uids` that are in `ranges` and that the client knows, ascending, in one pass over the view.
pub(super) fn known_of(view: &View, uids: Vec<Uid>, asked: &[(Uid, Uid)]) -> Vec<Uid> {
    let asked = common(&ranges(uids), asked);
    view.numbers(asked.into_iter().flat_map(members)).map(|(uid, _)| uid).collect()
}

/// UIDs in any order, as ascending ranges.
pub(super) fn ranges(mut uids: Vec<Uid>) -> Vec<(Uid, Uid)> {
    uids.sort_unstable();
    uids.dedup();
    let runs = uids.chunk_by(|one, next| one.get().checked_add(1) == Some(next.get()));
    runs.filter_map(|run| Some((*run.first()?, *run.last()?))).collect()
}

/// What is in both of two lists of ascending ranges.
pub(super) fn common(one: &[(Uid, Uid)], other: &[(Uid, Uid)]) -> Vec<(Uid, Uid)> {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    let mut both = Vec::new();
    while let (Some(&&(a, b)), Some(&&(c, d))) = (one.peek(), other.peek()) {
        if a.max(c) <= b.min(d) {
            both.push((a.max(c), b.min(d)));
        }
        if b < d {
            one.next();
        } else {
            other.next();
        }
    }
    both
}

/// So many ranges are told in one VANISHED response.
const VANISHED: usize = 500;

/// VANISHED responses for these messages, each of a few kilobytes.
pub(super) fn vanished(earlier: bool, ranges: &[(Uid, Uid)]) -> impl Iterator<Item = Untagged> + '_ {
    let sets =
        ranges.chunks(VANISHED).filter_map(|ranges| KnownUids::from_ranges(ranges.iter().copied()).ok());
    sets.map(move |uids| Untagged::Vanished(VanishedData::new(earlier, uids)))
}

/// Why keys are not taken: the answer is BAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadKeys {
    Set(BadSet),
    /// All together become many times larger than they were written.
    TooLarge,
    /// One is not known.
    Unknown,
}

impl From<BadSet> for BadKeys {
    fn from(bad: BadSet) -> Self {
        Self::Set(bad)
    }
}

impl From<BadSet> for Stop {
    fn from(bad: BadSet) -> Self {
        Self::Bad(match bad {
            BadSet::OutOfRange => "There is no message of this number",
            _ => "These messages cannot be named so",
        })
    }
}

impl From<BadKeys> for Stop {
    fn from(bad: BadKeys) -> Self {
        match bad {
            BadKeys::Set(bad) => bad.into(),
            BadKeys::TooLarge => Self::Bad("Too many search keys"),
            BadKeys::Unknown => Self::Bad("Unknown search key"),
        }
    }
}

/// Keys for an application, which knows neither sequence numbers nor what is recent to whom. In their
/// sets, ranges ascend and do not overlap. Lenient: numbers beyond the last message find nothing.
pub(super) fn translate(
    view: &View,
    keys: Vec<SearchKey>,
    dialect: Dialect,
) -> Result<Vec<SearchKey>, BadKeys> {
    let mut translation = Translation { view, dialect, left: MAX_RANGES };
    keys.into_iter().map(|key| translation.key(key)).collect()
}

struct Translation<'a> {
    view: &'a View,
    dialect: Dialect,
    /// So many ranges more.
    left: usize,
}

impl Translation<'_> {
    /// The messages from one identifier to another; none if one of them cannot be.
    fn between(&mut self, low: Option<Uid>, high: Option<Uid>) -> Result<SearchKey, BadKeys> {
        let ranges = low.zip(high).map(|(low, high)| self.view.resolve_uids(&UidSet::range(low, high)));
        self.set(ranges.unwrap_or_default())
    }

    fn key(&mut self, key: SearchKey) -> Result<SearchKey, BadKeys> {
        Ok(match key {
            SearchKey::Sequence(set) if self.dialect == Dialect::Lenient => {
                self.set(self.view.resolve_within(&set)?)?
            }
            SearchKey::Sequence(set) => self.set(self.view.resolve(&set)?)?,
            SearchKey::Uid(set) => self.set(self.view.resolve_uids(&set))?,
            SearchKey::UidAfter(uid) => {
                let next = uid.get().checked_add(1).and_then(Uid::new);
                self.between(next, Some(Uid::MAX))?
            }
            SearchKey::UidBefore(uid) => self.between(Some(Uid::MIN), Uid::new(uid.get() - 1))?,
            SearchKey::Fuzzy(key) => SearchKey::Fuzzy(Box::new(self.key(*key)?)),
            SearchKey::Recent => self.recent()?,
            SearchKey::Old => self.recent()?.not(),
            SearchKey::New => SearchKey::And(vec![self.recent()?, SearchKey::Unseen]),
            SearchKey::Not(key) => self.key(*key)?.not(),
            SearchKey::Or(one, other) => self.key(*one)?.or(self.key(*other)?),
            SearchKey::And(keys) => {
                let keys: Result<_, _> = keys.into_iter().map(|key| self.key(key)).collect();
                SearchKey::And(keys?)
            }
            SearchKey::Other(_) => return Err(BadKeys::Unknown),
            key => key,
        })
    }

    fn recent(&mut self) -> Result<SearchKey, BadKeys> {
        self.set(self.view.recent_uids().collect())
    }

    fn set(&mut self, ranges: Vec<(Uid, Uid)>) -> Result<SearchKey, BadKeys> {
        self.left = self.left.checked_sub(ranges.len()).ok_or(BadKeys::TooLarge)?;
        let ranges = ranges.into_iter().map(|(low, high)| SeqRange::new(low, high));
        // An empty set is what no message is.
        Ok(UidSet::from_ranges(ranges).map_or_else(|_| SearchKey::All.not(), SearchKey::Uid))
    }
}

#[cfg(test)]
mod tests {
    use mailwire_imap::{command::OtherItem, types::SequenceSet, view::Numbering};

    use super::*;

    fn uid(number: u32) -> Uid {
        Uid::new(number).unwrap()
    }

    fn view() -> View {
        let mut view = View::with_uids(ranges([13, 2, 8, 3, 5, 8].map(uid).to_vec()), Numbering::Numbers);
        view.set_recent([(uid(13), uid(13))]);
        view
    }

    fn numbers(set: &str, by_uid: bool) -> Result<Vec<u32>, BadSet> {
        let messages = if by_uid {
            Messages::Uid(set.parse().unwrap())
        } else {
            Messages::Sequence(set.parse().unwrap())
        };
        let uids = resolve(&view(), &messages, Dialect::Strict)?;
        Ok(uids.into_iter().map(Uid::get).collect())
    }

    #[test]
    fn sets() {
        assert_eq!(numbers("1:*", false).unwrap(), [2, 3, 5, 8, 13]);
        assert_eq!(numbers("4,2:1,*", false).unwrap(), [2, 3, 8, 13]);
        assert_eq!(numbers("6", false), Err(BadSet::OutOfRange));
        assert_eq!(numbers("1:4294967295", false), Err(BadSet::OutOfRange));
        assert_eq!(numbers("1:4294967295", true).unwrap(), [2, 3, 5, 8, 13]);
        assert_eq!(numbers("4:9,1", true).unwrap(), [5, 8]);
        assert_eq!(numbers("100:*", true).unwrap(), [13]);
        assert_eq!(numbers("*", true).unwrap(), [13]);
        let empty = View::default();
        assert_eq!(resolve(&empty, &SequenceSet::all().into(), Dialect::Strict), Err(BadSet::OutOfRange));
        assert_eq!(resolve(&empty, &UidSet::all().into(), Dialect::Strict), Ok(vec![]));
    }

    /// Scripts ask for them daily.
    #[test]
    fn a_lenient_server_finds_nothing_beyond_the_mailbox() {
        let empty = View::default();
        let all = Messages::from(SequenceSet::all());
        assert_eq!(resolve(&empty, &all, Dialect::Lenient), Ok(vec![]));
        // A message that is named and not there is another matter.
        for (view, set) in [(&empty, "1"), (&view(), "6"), (&view(), "1:4294967295")] {
            let set = Messages::Sequence(set.parse().unwrap());
            assert_eq!(resolve(view, &set, Dialect::Lenient), Err(BadSet::OutOfRange));
        }
        let found = |view: &View, set: &str| {
            let keys = vec![SearchKey::Sequence(set.parse().unwrap())];
            translate(view, keys, Dialect::Lenient).unwrap().remove(0)
        };
        assert_eq!(found(&view(), "6"), SearchKey::All.not());
        assert_eq!(found(&view(), "4:9"), SearchKey::Uid("8:13".parse().unwrap()));
        assert_eq!(found(&empty, "1:*"), SearchKey::All.not());
    }

    #[test]
    fn saved_results() {
        let mut view = view();
        view.save(ranges(vec![uid(13), uid(2)]));
        assert_eq!(resolve(&view, &SequenceSet::saved().into(), Dialect::Strict), Ok(vec![uid(2), uid(13)]));
        view.vanished([(uid(2), uid(2)), (uid(13), uid(13))]);
        assert_eq!(resolve(&view, &UidSet::saved().into(), Dialect::Strict), Ok(vec![]));
    }

    #[test]
    fn search_keys() {
        let mut view = view();
        view.save([(uid(3), uid(3)), (uid(8), uid(8))]);
        let uids = |set: &str| SearchKey::Uid(set.parse().unwrap());
        let one = |key| translate(&view, vec![key], Dialect::Strict).unwrap().remove(0);
        assert_eq!(one(SearchKey::Sequence("2:4".parse().unwrap())), uids("3:8"));
        assert_eq!(one(SearchKey::Uid("6:7".parse().unwrap())), SearchKey::All.not());
        assert_eq!(one(SearchKey::UidAfter(uid(5))), uids("8:13"));
        assert_eq!(one(SearchKey::UidBefore(uid(5))), uids("2:3"));
        assert_eq!(one(SearchKey::UidAfter(Uid::MAX)), SearchKey::All.not());
        assert_eq!(one(SearchKey::UidBefore(Uid::MIN)), SearchKey::All.not());
        assert_eq!(one(SearchKey::Uid("50:*".parse().unwrap())), uids("13"));
        assert_eq!(one(SearchKey::Sequence(SequenceSet::saved())), uids("3,8"));
        assert_eq!(one(SearchKey::New), SearchKey::And(vec![uids("13"), SearchKey::Unseen]));
        assert_eq!(one(SearchKey::Old.or(SearchKey::Seen)), uids("13").not().or(SearchKey::Seen));
        let other = OtherItem::new("X-FOO".try_into().unwrap());
        let unknown = vec![SearchKey::Seen, SearchKey::Other(other).not()];
        assert_eq!(translate(&view, unknown, Dialect::Strict), Err(BadKeys::Unknown));
        let far = vec![SearchKey::Sequence("9".parse().unwrap()).not()];
        assert_eq!(translate(&view, far, Dialect::Strict), Err(BadKeys::Set(BadSet::OutOfRange)));
    }

    #[test]
    fn keys_that_grow() {
        let every_second = (1..=MAX_RANGES as u32 / 2).map(|number| (uid(2 * number), uid(2 * number)));
        let mut view = View::with_uids(every_second.clone(), Numbering::Numbers);
        view.set_recent(every_second);
        assert!(translate(&view, vec![SearchKey::Recent, SearchKey::Recent], Dialect::Strict).is_ok());
        let keys = vec![SearchKey::Recent, SearchKey::Recent, SearchKey::Old];
        assert_eq!(translate(&view, keys, Dialect::Strict), Err(BadKeys::TooLarge));
    }
}
