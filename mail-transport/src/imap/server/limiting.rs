//! Commands about more messages than are handled at once (RFC 9738).

use std::{num::NonZeroU32, ops::Range};

use mailwire_imap::{
    command::SearchKey,
    response::Code,
    types::{SeqRange, Uid, UidSet},
    view::View,
};

use super::{conversation::Conversation, refusal::Refusal, service::Service, sets};

impl<S: Service> Conversation<S> {
    /// How many messages a command is done for at most.
    pub(super) fn message_limit(&self) -> Option<NonZeroU32> {
        self.driver.connection().capabilities().message_limit()
    }

    /// How many messages COPY and APPEND take at most.
    pub(super) fn save_limit(&self) -> Option<NonZeroU32> {
        self.driver.connection().capabilities().save_limit()
    }

    /// Leaves of these messages, which ascend, the highest that a command is done for; the client is told so
    /// in its answer.
    pub(super) fn cut(&mut self, uids: &mut Vec<Uid>) {
        let Some(limit) = self.message_limit() else { return };
        let over = uids.len().saturating_sub(most(limit));
        if over > 0 {
            uids.drain(..over);
            self.part = Some(Code::MessageLimit { limit, uid: uids.first().copied() });
        }
    }

    /// Leaves of a search the highest messages that are looked at, whatever is found among them.
    ///
    /// # Errors
    ///
    /// There are more, and a page of the result is asked for, of which no part can be told.
    pub(super) fn cut_search(&mut self, keys: &mut Vec<SearchKey>, pages: bool) -> Result<(), Refusal> {
        let (Some(limit), Some(open)) = (self.message_limit(), &self.open) else { return Ok(()) };
        if u64::from(open.view.len()) <= u64::from(limit.get()) {
            return Ok(());
        }
        let Some(lowest) = nth_highest(&looked_at(&open.view, keys), limit) else { return Ok(()) };
        if pages {
            return Err(too_many(limit));
        }
        if let Ok(set) = UidSet::from_ranges([SeqRange::new(lowest, Uid::MAX)]) {
            keys.push(SearchKey::Uid(set));
        }
        self.part = Some(Code::MessageLimit { limit, uid: Some(lowest) });
        Ok(())
    }
}

fn most(limit: NonZeroU32) -> usize {
    usize::try_from(limit.get()).unwrap_or(usize::MAX)
}

/// The refusal of a command that is done for all messages or for none.
pub(super) fn too_many(limit: NonZeroU32) -> Refusal {
    Refusal::new(format!("No more than {limit} messages at once"))
        .with_code(Code::MessageLimit { limit, uid: None })
}

/// # Errors
///
/// There are more than a command may be about that is done for all messages or for none.
pub(super) fn check(count: usize, limit: Option<NonZeroU32>) -> Result<(), Refusal> {
    match limit {
        Some(limit) if count > most(limit) => Err(too_many(limit)),
        _ => Ok(()),
    }
}

/// The messages that a search has to look at: those that all its sets name.
fn looked_at(view: &View, keys: &[SearchKey]) -> Vec<(Uid, Uid)> {
    let sets = keys.iter().filter_map(|key| match key {
        SearchKey::Uid(set) => Some(set.normalized(Uid::MAX)),
        _ => None,
    });
    sets.fold(view.uids().collect(), |all, set| sets::common(&all, &set))
}

/// The lowest of so many messages from the highest on. `None`: there are no more than those.
fn nth_highest(ranges: &[(Uid, Uid)], limit: NonZeroU32) -> Option<Uid> {
    let mut left = limit.get();
    let mut lowest = None;
    for (low, high) in ranges.iter().rev() {
        if left == 0 {
            return lowest;
        }
        let length = high.get() - low.get() + 1;
        if length > left {
            return Uid::new(high.get() - left + 1);
        }
        left -= length;
        lowest = Some(*low);
    }
    None
}

/// The batches of a mailbox, that of the highest identifiers first: each has so many messages, but for the
/// last (RFC 10022).
pub(super) fn batches(view: &View, size: NonZeroU32) -> Vec<(Uid, Uid)> {
    let ranges: Vec<(Uid, Uid)> = view.uids().collect();
    let mut batches = Vec::new();
    let (mut open, mut left): (Option<(Uid, Uid)>, u32) = (None, size.get());
    for (low, high) in ranges.into_iter().rev() {
        let mut high = high;
        loop {
            let length = high.get() - low.get() + 1;
            let end = if length > left { Uid::new(high.get() - left + 1).unwrap_or(low) } else { low };
            open = Some((end, open.map_or(high, |(_, highest)| highest)));
            left -= length.min(left);
            if left == 0 {
                batches.extend(open.take());
                left = size.get();
            }
            match Uid::new(end.get() - 1).filter(|next| end > low && *next >= low) {
                Some(next) => high = next,
                None => break,
            }
        }
    }
    batches.extend(open);
    batches
}

/// The batches that a client was told of: it may ask for the same ones again once enough has changed (RFC 10022).
#[derive(Debug)]
pub(super) struct Parted {
    size: NonZeroU32,
    /// The places of the batches that were asked for.
    places: Vec<Range<usize>>,
    /// How many messages there were, and the last of them.
    messages: u32,
    last: Option<Uid>,
}

impl Parted {
    /// So many times a client may go on with further batches.
    const MOST: usize = 1000;

    /// What a client is told of that asks for batches of so many messages, at these places. `None`: it asks too soon.
    pub(super) fn new(
        before: Option<&Self>,
        view: &View,
        size: NonZeroU32,
        places: Range<usize>,
    ) -> Option<Self> {
        let last = view.uids().last().map(|(_, last)| last);
        let (mut told, messages, last) = match before.filter(|before| !before.has_changed(view)) {
            Some(before) => (before.places.clone(), before.messages, before.last),
            None => (Vec::new(), view.len(), last),
        };
        let is_new = told.iter().all(|told| places.start >= told.end || places.end <= told.start);
        if !is_new || told.len() >= Self::MOST || !told.is_empty() && before.is_some_and(|it| it.size != size)
        {
            return None;
        }
        told.push(places);
        Some(Self { size, places: told, messages, last })
    }

    /// Whether more than half a batch of messages has come or gone.
    fn has_changed(&self, view: &View) -> bool {
        let length = |(low, high): (Uid, Uid)| match self.last {
            Some(last) => high.get().saturating_sub(last.get().max(low.get() - 1)),
            None => high.get() - low.get() + 1,
        };
        let came: u32 = view.uids().map(length).sum();
        let gone = self.messages.saturating_add(came).saturating_sub(view.len());
        came.saturating_add(gone) > self.size.get() / 2
    }
}

#[cfg(test)]
mod tests {
    use mailwire_imap::view::Numbering;

    use super::*;

    fn uid(number: u32) -> Uid {
        Uid::new(number).unwrap()
    }

    fn ranges(ranges: &[(u32, u32)]) -> Vec<(Uid, Uid)> {
        ranges.iter().map(|(low, high)| (uid(*low), uid(*high))).collect()
    }

    fn view() -> View {
        View::with_uids(ranges(&[(1, 3), (7, 7), (10, 14)]), Numbering::Numbers)
    }

    #[test]
    fn batches_of_a_mailbox() {
        let of = |size| batches(&view(), NonZeroU32::new(size).unwrap());
        assert_eq!(of(9), ranges(&[(1, 14)]));
        assert_eq!(of(100), ranges(&[(1, 14)]));
        assert_eq!(of(8), ranges(&[(2, 14), (1, 1)]));
        assert_eq!(of(6), ranges(&[(7, 14), (1, 3)]));
        assert_eq!(of(4), ranges(&[(11, 14), (2, 10), (1, 1)]));
        assert_eq!(of(1).len(), 9);
        assert_eq!(batches(&View::default(), NonZeroU32::MIN), []);
    }

    #[test]
    fn batches_are_asked_for_again_after_changes() {
        let size = NonZeroU32::new(4).unwrap();
        let view = view();
        let asks =
            |before: Option<&Parted>, view: &View, size, places| Parted::new(before, view, size, places);
        let first = asks(None, &view, size, 0..2).unwrap();
        assert!(asks(Some(&first), &view, size, 0..1).is_none());
        assert!(asks(Some(&first), &view, NonZeroU32::new(5).unwrap(), 5..6).is_none());
        // Further ones.
        let more = asks(Some(&first), &view, size, 2..3).unwrap();
        assert!(asks(Some(&more), &view, size, 2..3).is_none());
        let with = |ranges: &[(u32, u32)]| View::with_uids(super::tests::ranges(ranges), Numbering::Numbers);
        let all = 0..usize::MAX;
        // Two are half a batch, three are more: 7 and 14 gone, one new.
        assert!(asks(Some(&first), &with(&[(1, 3), (7, 7), (10, 16)]), size, all.clone()).is_none());
        assert!(asks(Some(&first), &with(&[(1, 3), (10, 13)]), size, all.clone()).is_none());
        assert!(asks(Some(&first), &with(&[(1, 3), (10, 13), (15, 15)]), size, all.clone()).is_some());
        assert!(asks(Some(&first), &View::default(), size, all).is_some());
    }

    #[test]
    fn messages_that_a_search_looks_at() {
        let keys = |sets: &[&str]| -> Vec<SearchKey> {
            sets.iter().map(|set| SearchKey::Uid(set.parse().unwrap())).collect()
        };
        let at = |sets: &[&str]| looked_at(&view(), &keys(sets));
        assert_eq!(at(&[]), ranges(&[(1, 3), (7, 7), (10, 14)]));
        assert_eq!(at(&["2:12", "3,8:*"]), ranges(&[(3, 3), (10, 12)]));
        assert_eq!(at(&["4:6"]), []);
        let lowest = |limit| nth_highest(&at(&[]), NonZeroU32::new(limit).unwrap()).map(Uid::get);
        assert_eq!(
            [1, 5, 6, 7, 8, 9, 10].map(lowest),
            [Some(14), Some(10), Some(7), Some(3), Some(2), None, None]
        );
    }
}
