//! The messages of a mailbox in their order, as many of their identifiers as are known.

use alloc::{vec, vec::Vec};

use super::walk::Walk;
use crate::types::Uid;

/// Messages that stand side by side: either with identifiers that follow each other, or all with
/// identifiers that are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The identifier of the first one; `None` if they are not known.
    pub(super) first: Option<Uid>,
    pub(super) length: u32,
}

impl Run {
    const fn unknown(length: u32) -> Self {
        Self { first: None, length }
    }

    pub(super) fn uid_at(self, offset: u32) -> Option<Uid> {
        self.first.and_then(|first| Uid::new(first.get().checked_add(offset)?))
    }

    pub(super) fn last(self) -> Option<Uid> {
        self.uid_at(self.length.saturating_sub(1))
    }

    /// The parts before and after so many messages.
    pub(super) fn split(self, at: u32) -> (Self, Self) {
        let (before, after) = (at.min(self.length), self.length.saturating_sub(at));
        (Self { length: before, ..self }, Self { first: self.uid_at(before), length: after })
    }

    /// Whether `next`, which stands after it, is a part of the same run.
    fn goes_on_in(self, next: Self) -> bool {
        match (self.first, next.first) {
            (None, None) => true,
            (Some(_), Some(first)) => self.uid_at(self.length) == Some(first),
            _ => false,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Chunk {
    pub(super) runs: Vec<Run>,
    /// All their messages.
    pub(super) length: u32,
    /// The highest identifier that is known.
    pub(super) last: Option<Uid>,
}

/// More runs than this are two chunks.
pub(super) const MOST_RUNS: usize = 256;

/// Runs in chunks with their counts: finding a message, or taking it away, looks at the counts of the
/// chunks and at the runs of one of them. That is at most 8 bytes a message, and as many as there are
/// runs: a mailbox that nothing was ever removed from is one run.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots {
    pub(super) chunks: Vec<Chunk>,
    pub(super) length: u32,
    unknown: u32,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy)]
struct Position {
    chunk: usize,
    run: usize,
    /// In its run.
    offset: u32,
}

/// The first message with a known identifier from some number on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) uid: Uid,
    /// Where it stands, from 0.
    pub(super) index: u32,
    /// How many identifiers follow each other from it on.
    pub(super) length: u32,
}

impl Slots {
    pub(super) const fn len(&self) -> u32 {
        self.length
    }

    pub(super) const fn unknown(&self) -> u32 {
        self.unknown
    }

    pub(super) fn last(&self) -> Option<Uid> {
        self.chunks.iter().rev().find_map(|chunk| chunk.last)
    }

    /// The known identifiers, as ranges in ascending order.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (Uid, Uid)> + '_ {
        self.runs().filter_map(|run| Some((run.first?, run.last()?)))
    }

    /// The known identifiers from `low` to `high`, as ranges in ascending order.
    pub(super) fn ranges_within(&self, low: Uid, high: Uid) -> impl Iterator<Item = (Uid, Uid)> + '_ {
        let chunks = self.chunks.iter().skip_while(move |chunk| chunk.last.is_none_or(|last| last < low));
        chunks
            .flat_map(|chunk| chunk.runs.iter())
            .filter_map(|run| Some((run.first?, run.last()?)))
            .skip_while(move |&(_, last)| last < low)
            .take_while(move |&(first, _)| first <= high)
            .map(move |(first, last)| (first.max(low), last.min(high)))
    }

    fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        self.chunks.iter().flat_map(|chunk| chunk.runs.iter().copied())
    }

    fn place(&self, index: u32) -> Option<Position> {
        let mut start = 0u32;
        for (at, chunk) in self.chunks.iter().enumerate() {
            if index - start >= chunk.length {
                start += chunk.length;
                continue;
            }
            for (run_at, run) in chunk.runs.iter().enumerate() {
                if index - start < run.length {
                    return Some(Position { chunk: at, run: run_at, offset: index - start });
                }
                start += run.length;
            }
        }
        None
    }

    fn run(&self, place: Position) -> Option<Run> {
        self.chunks.get(place.chunk)?.runs.get(place.run).copied()
    }

    /// The identifier of the message at `index`, from 0, if it is known.
    pub(super) fn uid(&self, index: u32) -> Option<Uid> {
        Walk::through(self).uid(index)
    }

    /// The first message whose known identifier is `uid` or higher.
    pub(super) fn known_from(&self, uid: Uid) -> Option<Known> {
        Walk::through(self).known_from(uid)
    }

    /// The last message with a known identifier before `index`: where it stands, and the identifier.
    pub(super) fn known_before(&self, index: u32) -> Option<(u32, Uid)> {
        let mut start = self.length;
        for chunk in self.chunks.iter().rev() {
            if start.saturating_sub(chunk.length) >= index || chunk.last.is_none() {
                start -= chunk.length;
                continue;
            }
            for run in chunk.runs.iter().rev() {
                start -= run.length;
                if start < index && run.first.is_some() {
                    let offset = run.length.min(index - start) - 1;
                    return Some((start + offset, run.uid_at(offset)?));
                }
            }
        }
        None
    }

    /// The first message with a known identifier from `index` on.
    fn known_after(&self, index: u32) -> Option<(u32, Uid)> {
        let mut start = 0u32;
        for chunk in &self.chunks {
            if start + chunk.length <= index || chunk.last.is_none() {
                start += chunk.length;
                continue;
            }
            for run in &chunk.runs {
                if start + run.length > index && run.first.is_some() {
                    let offset = index.saturating_sub(start);
                    return Some((start + offset, run.uid_at(offset)?));
                }
                start += run.length;
            }
        }
        None
    }

    /// Adds messages whose identifiers are not known.
    pub(super) fn push_unknown(&mut self, count: u32) {
        self.push(Run::unknown(count.min(u32::MAX - self.length)));
    }

    /// Adds messages with the identifiers from `low` to `high`, which are higher than all before.
    pub(super) fn push_range(&mut self, low: Uid, high: Uid) {
        let length = (high.get().saturating_sub(low.get())).saturating_add(1).min(u32::MAX - self.length);
        self.push(Run { first: Some(low), length });
    }

    fn push(&mut self, run: Run) {
        self.length += run.length;
        self.unknown += if run.first.is_none() { run.length } else { 0 };
        self.append(run);
    }

    /// Puts a run that was counted at the end.
    pub(super) fn append(&mut self, run: Run) {
        if run.length == 0 {
            return;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.runs.len() >= MOST_RUNS) {
            self.chunks.push(Chunk::default());
        }
        let Some(chunk) = self.chunks.last_mut() else { return };
        chunk.length += run.length;
        chunk.last = run.last().or(chunk.last);
        push(&mut chunk.runs, run);
    }

    /// Whether the message at `index` can have this identifier: those before it have lower ones,
    /// those after it have higher ones, and there are enough between for those that are not known.
    fn fits(&self, index: u32, uid: Uid) -> bool {
        let before =
            self.known_before(index).map_or(u64::from(uid.get()) > u64::from(index), |(at, known)| {
                known < uid && uid.get() - known.get() >= index - at
            });
        let after = self
            .known_after(index + 1)
            .is_none_or(|(at, known)| uid < known && known.get() - uid.get() >= at - index);
        before && after
    }

    /// The message at `index`, whose identifier was not known, has this one. Whether that can be.
    pub(super) fn set(&mut self, index: u32, uid: Uid) -> bool {
        let Some(place) = self.place(index) else { return false };
        if self.run(place).is_none_or(|run| run.first.is_some()) || !self.fits(index, uid) {
            return false;
        }
        self.change(place, |run| {
            let (before, rest) = run.split(place.offset);
            let (_, after) = rest.split(1);
            vec![before, Run { first: Some(uid), length: 1 }, after]
        });
        true
    }

    /// Takes away `count` messages from `index` on, which are in one run.
    pub(super) fn remove(&mut self, index: u32, count: u32) {
        let Some(place) = self.place(index) else { return };
        self.change(place, |run| {
            let (before, rest) = run.split(place.offset);
            let (_, after) = rest.split(count);
            vec![before, after]
        });
    }

    /// Keeps the first `count` messages only.
    pub(super) fn truncate(&mut self, count: u32) {
        self.take_back(self.length.saturating_sub(count), |_| true);
    }

    /// Takes away up to `count` messages from the end, as far as they are in runs like this: how many.
    pub(super) fn take_back(&mut self, count: u32, is_like_this: impl Fn(&Run) -> bool) -> u32 {
        let mut taken = 0;
        while let Some(chunk) = self.chunks.last_mut() {
            step();
            let Some(run) = chunk.runs.pop() else {
                self.chunks.pop();
                continue;
            };
            let gone = if is_like_this(&run) { run.length.min(count - taken) } else { 0 };
            let (left, _) = run.split(run.length - gone);
            taken += gone;
            chunk.length -= gone;
            self.length -= gone;
            self.unknown -= if run.first.is_none() { gone } else { 0 };
            if left.length > 0 {
                chunk.runs.push(left);
            }
            if gone > 0 && run.first.is_some() {
                chunk.last = chunk.highest();
            }
            if left.length > 0 {
                break;
            }
        }
        taken
    }

    /// Puts others in the place of one run.
    fn change(&mut self, place: Position, change: impl FnOnce(Run) -> Vec<Run>) {
        let Some(chunk) = self.chunks.get_mut(place.chunk) else { return };
        let Some(run) = chunk.runs.get(place.run).copied() else { return };
        self.length -= chunk.length;
        self.unknown -= run.first.map_or(run.length, |_| 0);
        let mut parts = change(run);
        self.unknown += parts.iter().filter(|run| run.first.is_none()).map(|run| run.length).sum::<u32>();
        // Neighbours may have become one run.
        let from = place.run.saturating_sub(1);
        let to = (place.run + 2).min(chunk.runs.len());
        if from < place.run {
            parts.splice(..0, chunk.runs.get(from).copied());
        }
        parts.extend(chunk.runs.get(place.run + 1).copied());
        let mut joined: Vec<Run> = Vec::with_capacity(parts.len());
        parts.into_iter().for_each(|part| push(&mut joined, part));
        chunk.runs.splice(from..to, joined);
        let [first, second] = Chunk::halves(core::mem::take(&mut chunk.runs));
        self.length += [&first, &second].into_iter().flatten().map(|chunk| chunk.length).sum::<u32>();
        match first {
            Some(first) => *chunk = first,
            None => drop(self.chunks.remove(place.chunk)),
        }
        if let Some(second) = second {
            self.chunks.insert(place.chunk + 1, second);
        }
    }

    /// The first message, from 0, whose known identifier is not the one that stands there in `other`.
    pub(super) fn first_difference(&self, other: &Self) -> Option<u32> {
        let mut start = 0u32;
        let mut other = Walk::through(other);
        for run in self.runs() {
            if run.first.is_some() {
                let ends = [0, run.length - 1];
                if ends.iter().any(|&offset| other.uid(start + offset) != run.uid_at(offset)) {
                    return Some(start);
                }
            }
            start += run.length;
        }
        None
    }
}

impl Chunk {
    fn of(runs: Vec<Run>) -> Self {
        let length = runs.iter().map(|run| run.length).sum();
        let mut chunk = Self { runs, length, last: None };
        chunk.last = chunk.highest();
        chunk
    }

    /// No chunk for no runs, and two for more than [`MOST_RUNS`].
    pub(super) fn halves(mut runs: Vec<Run>) -> [Option<Self>; 2] {
        let half = if runs.len() > MOST_RUNS { runs.len() / 2 } else { runs.len() };
        let second = runs.split_off(half);
        [runs, second].map(|runs| (!runs.is_empty()).then(|| Self::of(runs)))
    }

    fn highest(&self) -> Option<Uid> {
        self.runs.iter().rev().find_map(|run| run.last())
    }
}

/// Adds a run, which can be a part of the last one.
pub(super) fn push(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        Some(before) if before.goes_on_in(run) => before.length += run.length,
        _ if run.length > 0 => runs.push(run),
        _ => {}
    }
}

#[cfg(test)]
std::thread_local! {
    /// Counts the chunks and runs that are looked at.
    pub(super) static STEPS: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
}

/// Tells the tests that a chunk or a run is looked at.
pub(super) fn step() {
    #[cfg(test)]
    STEPS.set(STEPS.get() + 1);
}
