//! Looking for many messages, and taking many away, in one way through the mailbox.
//!
//! Both go forward: what they cost is the number of chunks and the runs of those that were looked into,
//! however often they are asked. Who asks for something before it begins anew.

use alloc::vec::{IntoIter, Vec};

use super::slots::{Chunk, Known, MOST_RUNS, Run, Slots, push, step};
use crate::types::Uid;

/// Looks for messages in ascending order.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    slots: &'a Slots,
    ahead: &'a [Chunk],
    /// How many runs of the first chunk ahead were passed.
    run: usize,
    /// How many messages were passed.
    index: u32,
    /// The highest identifier that was passed.
    passed: Option<Uid>,
}

impl<'a> Walk<'a> {
    pub(super) fn through(slots: &'a Slots) -> Self {
        Self { slots, ahead: &slots.chunks, run: 0, index: 0, passed: None }
    }

    /// Finds the first message whose known identifier is `uid` or higher.
    pub(super) fn known_from(&mut self, uid: Uid) -> Option<Known> {
        if self.passed.is_some_and(|passed| uid <= passed) {
            *self = Self::through(self.slots);
        }
        let run = self.come_to(|_, last| last.is_some_and(|last| uid <= last))?;
        let first = run.first?;
        let uid = uid.max(first);
        let offset = uid.get() - first.get();
        Some(Known { uid, index: self.index + offset, length: run.length - offset })
    }

    /// The identifier of the message at `index`, from 0, if it is known.
    pub(super) fn uid(&mut self, index: u32) -> Option<Uid> {
        if index < self.index {
            *self = Self::through(self.slots);
        }
        let run = self.come_to(|end, _| index < end)?;
        run.uid_at(index - self.index)
    }

    /// Passes all runs up to the one that is looked for. Of a run, and of a chunk, it is told how many
    /// messages there are up to its end, and its highest identifier.
    fn come_to(&mut self, is_here: impl Fn(u32, Option<Uid>) -> bool) -> Option<Run> {
        while let Some((chunk, rest)) = self.ahead.split_first() {
            step();
            if self.run == 0 && !is_here(self.index + chunk.length, chunk.last) {
                self.pass(chunk.length, chunk.last);
            } else {
                for run in chunk.runs.iter().skip(self.run) {
                    step();
                    let last = run.last();
                    if is_here(self.index + run.length, last) {
                        return Some(*run);
                    }
                    self.run += 1;
                    self.pass(run.length, last);
                }
            }
            (self.ahead, self.run) = (rest, 0);
        }
        None
    }

    /// Finds the parts of a range that are known, as ascending ranges.
    pub(super) fn within(&mut self, low: Uid, high: Uid) -> impl Iterator<Item = (Uid, Uid)> + use<'_, 'a> {
        let mut from = Some(low);
        core::iter::from_fn(move || {
            let known = self.known_from(from?).filter(|known| known.uid <= high)?;
            let last = Uid::new(known.uid.get() + (known.length - 1))?.min(high);
            from = Uid::new(last.get().saturating_add(1)).filter(|next| *next <= high && *next > last);
            Some((known.uid, last))
        })
    }

    /// Finds the first and the last known identifier of a range.
    pub(super) fn span(&mut self, low: Uid, high: Uid) -> Option<(Uid, Uid)> {
        let first = self.known_from(low).filter(|known| known.uid <= high)?;
        let last = match self.known_from(high) {
            Some(known) if known.uid == high => high,
            _ => self.passed?,
        };
        Some((first.uid, last))
    }

    fn pass(&mut self, messages: u32, last: Option<Uid>) {
        self.index += messages;
        self.passed = last.or(self.passed);
    }
}

/// Takes messages away in ascending order.
#[derive(Debug)]
pub(super) struct Sweep<'a> {
    /// What stays of all that was passed. Its counts have what is ahead, too.
    kept: &'a mut Slots,
    ahead: IntoIter<Chunk>,
    /// A chunk was come to, and these are its runs ahead, from the last to the first.
    open: Option<Vec<Run>>,
    /// All below this was passed.
    from: u32,
}

/// Counts what [`Sweep::take`] has taken away.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// The identifiers that were known, as ascending ranges.
    pub(super) known: Vec<(Uid, Uid)>,
    /// How many messages whose identifiers were not known.
    pub(super) unknown: u32,
    /// How many identifiers there was no message for.
    pub(super) missing: u32,
}

impl<'a> Sweep<'a> {
    pub(super) fn through(slots: &'a mut Slots) -> Self {
        let ahead = core::mem::take(&mut slots.chunks).into_iter();
        Self { kept: slots, ahead, open: None, from: 0 }
    }

    /// Takes away the messages of a range. One whose identifier is not known is any of those that stand
    /// where it could: they are all alike.
    pub(super) fn take(&mut self, low: Uid, high: Uid, taken: &mut Taken) {
        if low.get() < self.from {
            self.finish();
            (self.ahead, self.from) = (core::mem::take(&mut self.kept.chunks).into_iter(), 0);
        }
        let mut next = Some(low);
        while let Some(from) = next.filter(|next| *next <= high) {
            let known = self.come_to(from).filter(|&(first, _)| first <= high);
            // Up to the next that is known, none is.
            let unlearnt = known.map_or(high.get() - from.get() + 1, |(first, _)| first.get() - from.get());
            let unknown = self.kept.take_back(unlearnt, |run| run.first.is_none());
            taken.unknown += unknown;
            taken.missing = taken.missing.saturating_add(unlearnt - unknown);
            next = known.and_then(|(first, last)| {
                let last = last.min(high);
                taken.known.push((first, last));
                self.drop_front(last.get() - first.get() + 1);
                Uid::new(last.get().checked_add(1)?)
            });
        }
        self.from = high.get().saturating_add(1);
    }

    /// Passes all messages before the first whose known identifier is `uid` or higher: where its run
    /// begins from there on, and where it ends.
    fn come_to(&mut self, uid: Uid) -> Option<(Uid, Uid)> {
        loop {
            step();
            if let Some(open) = &mut self.open {
                while let Some(run) = open.pop() {
                    step();
                    if let Some((first, last)) = run.first.zip(run.last()).filter(|&(_, last)| uid <= last) {
                        let (before, rest) = run.split(uid.get().saturating_sub(first.get()));
                        self.kept.append(before);
                        open.push(rest);
                        return Some((uid.max(first), last));
                    }
                    self.kept.append(run);
                }
                self.close();
            }
            let chunk = self.ahead.next()?;
            if chunk.last.is_none_or(|last| last < uid) {
                self.kept.chunks.push(chunk);
            } else {
                self.kept.chunks.push(Chunk::default());
                self.open = Some(chunk.runs.into_iter().rev().collect());
            }
        }
    }

    /// Takes away the first messages of the run that was come to.
    fn drop_front(&mut self, count: u32) {
        let Some(open) = &mut self.open else { return };
        if let Some(run) = open.pop() {
            let (_, rest) = run.split(count);
            if rest.length > 0 {
                open.push(rest);
            }
            self.kept.length -= count;
        }
    }

    /// Passes the rest of the chunk that was come to. A chunk of few runs becomes one with that before it.
    fn close(&mut self) {
        for run in self.open.take().into_iter().flatten().rev() {
            step();
            self.kept.append(run);
        }
        let chunks = &mut self.kept.chunks;
        if chunks.last().is_some_and(|last| last.runs.len() < MOST_RUNS / 2) {
            let last = chunks.pop().unwrap_or_default();
            let mut runs = chunks.pop().unwrap_or_default().runs;
            last.runs.into_iter().for_each(|run| push(&mut runs, run));
            chunks.extend(Chunk::halves(runs).into_iter().flatten());
        }
    }

    /// Passes what is ahead.
    pub(super) fn finish(&mut self) {
        if self.open.is_some() {
            self.close();
        }
        self.kept.chunks.extend(self.ahead.by_ref());
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use crate::{
        types::{ModSeq, SeqNumber, SequenceSet, Uid, UidSet},
        view::{
            News, Numbering, View,
            slots::{MOST_RUNS, STEPS},
        },
    };

    fn uid(number: usize) -> Uid {
        Uid::new(number as u32).unwrap()
    }

    /// So many messages with odd identifiers: each is a run.
    fn odd(count: usize) -> View {
        View::with_uids(single(count, 1), Numbering::Numbers)
    }

    fn single(count: usize, step: usize) -> impl Iterator<Item = (Uid, Uid)> {
        (0..count).step_by(step).map(|at| (uid(at * 2 + 1), uid(at * 2 + 1)))
    }

    fn counted(run: impl FnOnce()) -> usize {
        STEPS.set(0);
        run();
        STEPS.get()
    }

    #[test]
    fn many_ranges_are_one_way() {
        let count = 30_000;
        let chunks = count / MOST_RUNS + 1;
        let at = ModSeq::new(1).unwrap();
        for step in [1, 2, 10, 1000, count] {
            let ranges: Vec<_> = single(count, step).collect();
            let inside = (ranges.len() * MOST_RUNS).min(count);
            let most = chunks + 3 * inside + 8 * ranges.len() + MOST_RUNS;
            let mut view = odd(count);
            let uids = UidSet::from_numbers(ranges.iter().map(|range| range.0)).unwrap();
            let numbers = (0..count).step_by(step).map(|at| SeqNumber::new(at as u32 + 1).unwrap());
            let numbers = SequenceSet::from_numbers(numbers).unwrap();
            let runs = if step == 1 { 1 } else { ranges.len() };
            let steps = [
                counted(|| assert_eq!(view.resolve_uids(&uids), ranges)),
                counted(|| assert_eq!(view.resolve(&numbers).unwrap().len(), runs)),
                counted(|| {
                    assert_eq!(view.numbers(ranges.iter().map(|range| range.0)).count(), ranges.len())
                }),
                counted(|| view.set_recent(ranges.clone())),
                counted(|| view.removed(ranges.clone(), at)),
                counted(|| {
                    assert!(
                        matches!(view.vanished(ranges.clone()), News::Vanished { uids, unknown: 0 } if uids == ranges)
                    )
                }),
            ];
            assert!(steps.iter().all(|steps| *steps <= most), "{step}: {steps:?} > {most}");
            assert_eq!((view.len() as usize, view.doubt(), view.recent()), (count - ranges.len(), None, 0));
        }
        let mut view = odd(count);
        assert!(counted(|| assert_eq!(view.learn(single(count, 1)), Ok(()))) < 6 * count);
        assert!(counted(|| drop(view.exists(0))) < 2 * count);
        assert!(view.is_empty() && view.uids().next().is_none());
    }

    /// Chunks stay full, wherever messages go.
    #[test]
    fn chunks_do_not_become_many() {
        let count = 10_000;
        let mut view = View::with_uids([(uid(1), uid(count))], Numbering::Numbers);
        for offset in [1, 5, 3, 7] {
            view.vanished((offset..=count).step_by(8).map(|at| (uid(at), uid(at))));
            let runs = view.uids().count();
            assert!(view.slots.chunks.len() <= runs / (MOST_RUNS / 2) + 1, "{runs}");
        }
        let left = 100;
        for at in (left + 1..=count / 2).rev() {
            view.vanished([(uid(at * 2), uid(at * 2))]);
        }
        assert_eq!((view.len() as usize, view.slots.chunks.len(), view.doubt()), (left, 1, None));
    }

    /// Ranges need not be in order, nor in one chunk, nor known.
    #[test]
    fn ranges_of_any_form() {
        let mut view = odd(MOST_RUNS - 1);
        view.exists(MOST_RUNS as u32 + 1);
        view.exists(MOST_RUNS as u32 + 3);
        let last = MOST_RUNS * 2 - 3;
        assert_eq!(view.uids().last(), Some((uid(last), uid(last))));
        assert_eq!(
            view.vanished([(uid(last + 1), uid(last + 4))]),
            News::Vanished { uids: [].into(), unknown: 4 }
        );
        assert_eq!((view.len() as usize, view.unknown(), view.doubt()), (MOST_RUNS - 1, 0, None));
        let ranges = [(uid(7), uid(7)), (uid(1), uid(1)), (uid(4), uid(3)), (uid(9), uid(9))];
        let gone = [ranges[0], ranges[1], ranges[3]];
        assert_eq!(view.vanished(ranges), News::Vanished { uids: gone.into(), unknown: 0 });
        assert_eq!(view.number(uid(11)), SeqNumber::new(3));
        view.vanished([(uid(10), uid(11)), (uid(11), uid(11))]);
        assert!(view.doubt().is_some());
    }
}
