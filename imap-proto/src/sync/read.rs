//! What becomes of what the server says.

use alloc::{boxed::Box, vec::Vec};
use core::mem::size_of;

use mailwire_core::Ticket;

use super::{Anchor, Ask, Change, Synchronizer, state::after};
use crate::{
    capability::Capability,
    client::Event,
    extensions::ExtensionData,
    response::{Code, ESearchData, FetchData, MsgAtt, Reply, SearchReturnData, Untagged, VanishedData},
    types::{Flag, FlagSet, ModSeq, Uid},
    view::{News, Uids},
};

/// A command in progress, and what came of it until now.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) ask: Ask,
    pub(super) ticket: Option<Ticket>,
    /// The messages that FETCH responses were about, and those whose flags were in them.
    seen: Uids,
    with_flags: Uids,
    /// What VANISHED (EARLIER) named.
    vanished: Uids,
    /// What SELECT told of messages before it was known whether their identifiers are valid.
    held: Vec<(Uid, FlagSet)>,
    /// How many bytes it may still take.
    room: usize,
    found: Uids,
    searched: bool,
    /// A response did not parse, or was not whole: what is missing proves nothing.
    garbled: bool,
    /// The highest modification sequence that was seen before.
    before: Option<ModSeq>,
    /// More messages arrived meanwhile.
    grew: bool,
    /// The highest message that was seen before they did.
    cap: Option<Uid>,
}

/// The bytes of what SELECT may tell of messages before it tells UIDVALIDITY. What is more is asked for again.
const MOST_HELD: usize = 256 * 1024;

/// How many batches one search is parted into: a range of a few bytes can name billions of messages, and a batch
/// can be one. What is below them is the last one.
const MOST_CUTS: usize = 1 << 18;

/// About how many bytes the flags of a message take.
fn cost(flags: &FlagSet) -> usize {
    let keywords = flags.iter().map(|flag| match flag {
        Flag::Keyword(name) => size_of::<Flag>() + name.as_bytes().len(),
        _ => 0,
    });
    size_of::<(Uid, FlagSet)>() + keywords.sum::<usize>()
}

impl Job {
    pub(super) fn new(ask: Ask, before: Option<ModSeq>) -> Self {
        Self {
            ask,
            ticket: None,
            seen: Uids::default(),
            with_flags: Uids::default(),
            vanished: Uids::default(),
            held: Vec::new(),
            room: MOST_HELD,
            found: Uids::default(),
            searched: false,
            garbled: false,
            before,
            grew: false,
            cap: None,
        }
    }

    /// How many messages wait for UIDVALIDITY.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    const fn selects(&self) -> bool {
        matches!(self.ask, Ask::Select { .. })
    }
}

impl Synchronizer {
    /// Takes account of an event of the machine. It has to get every event as long as the mailbox is selected,
    /// those of other commands, too.
    pub fn handle(&mut self, event: &Event) {
        match event {
            Event::Data { data, .. } => self.data(data),
            Event::Reply { ticket, reply, .. } => {
                match self.job.take_if(|job| job.ticket == Some(*ticket)) {
                    Some(job) => self.done(job, reply),
                    None => self.completed(reply.code.as_ref()),
                }
                self.mark();
            }
            Event::Malformed { ticket, .. } => {
                self.garbled();
                if let Some(job) =
                    ticket.and_then(|ticket| self.job.take_if(|job| job.ticket == Some(ticket)))
                {
                    self.failed(&job);
                }
            }
            Event::NotSent { ticket, .. } => {
                if let Some(job) = self.job.take_if(|job| job.ticket == Some(*ticket)) {
                    self.failed(&job);
                }
            }
            _ => {}
        }
    }

    fn data(&mut self, data: &Untagged) {
        match data {
            Untagged::Exists(exists) => self.exists(*exists, data),
            Untagged::Expunge(_) => {
                self.selection.settled = false;
                if let News::Gone(uid) = self.view.apply(data) {
                    self.gone(uid, uid);
                }
            }
            Untagged::Vanished(VanishedData { earlier: true, uids }) => {
                if let Some(job) = &mut self.job {
                    uids.normalized().into_iter().for_each(|(low, high)| job.vanished.insert(low, high));
                }
            }
            Untagged::Vanished(vanished) => {
                self.selection.settled = false;
                self.view.apply(data);
                for (low, high) in vanished.uids.normalized() {
                    self.gone(low, high);
                }
            }
            Untagged::Fetch(fetch) => self.fetch(fetch, data),
            Untagged::Search(found) => {
                let numbers = found.numbers.iter().filter_map(|number| Uid::new(*number));
                self.found(numbers.map(|uid| (uid, uid)));
            }
            Untagged::ESearch(found) if found.uid => self.extended(found),
            Untagged::Extension(data) => {
                if let (ExtensionData::UidBatches(parts), Some(job)) = (&**data, &mut self.job) {
                    self.selection.parted = Some(self.view.len());
                    job.searched = true;
                    let cuts = parts.batches.iter().take(MOST_CUTS);
                    cuts.for_each(|(low, _)| job.found.insert(*low, *low));
                }
            }
            Untagged::Reply(reply) => self.code(reply.code.as_ref()),
            Untagged::Enabled(enabled) => {
                self.offer.qresync |= enabled.contains(&Capability::QResync);
            }
            _ => {}
        }
    }

    fn code(&mut self, code: Option<&Code>) {
        match code {
            Some(Code::UidValidity(validity)) => self.selection.uid_validity = *validity,
            Some(Code::UidNext(next)) => self.selection.uid_next = *next,
            Some(Code::NoModSeq) => self.selection.no_mod_seq = true,
            Some(Code::HighestModSeq(highest)) => self.selection.highest = *highest,
            _ => {}
        }
    }

    fn exists(&mut self, exists: u32, data: &Untagged) {
        let selects = self.job.as_ref().is_some_and(Job::selects);
        if !selects && exists > self.view.len() {
            self.selection.top_due = true;
            self.selection.tries = 0;
            if let Some(job) = &mut self.job {
                // What comes from here on may be news of a message that the command did not ask for.
                if !job.grew && self.rules.cap {
                    job.cap = Some(job.seen.last().unwrap_or(Uid::MIN));
                }
                job.grew = true;
            }
        }
        self.selection.settled &= exists == self.view.len();
        self.view.apply(data);
    }

    fn fetch(&mut self, fetch: &FetchData, data: &Untagged) {
        let Some(uid) = fetch.message_uid().or_else(|| fetch.number.and_then(|number| self.view.uid(number)))
        else {
            // Of which message? If it can be one that was read already, the news are lost.
            self.selection.lossy |= self.rules.lossy;
            return;
        };
        // UIDFETCH says nothing of numbers.
        if fetch.uid.is_none() {
            self.view.apply(data);
        }
        let (mut flags, mut mod_seq) = (None, None);
        for item in fetch.items.iter() {
            match item {
                MsgAtt::Flags(told) => flags = Some(told),
                MsgAtt::ModSeq(told) => mod_seq = *told,
                _ => {}
            }
        }
        self.state.seen = self.state.seen.max(mod_seq);
        let checked =
            self.selection.uid_validity.is_some() && self.selection.uid_validity == self.state.uid_validity;
        if let Some(job) = &mut self.job {
            job.seen.insert(uid, uid);
            let Some(flags) = flags else { return };
            job.with_flags.insert(uid, uid);
            if job.selects() && !checked {
                match job.room.checked_sub(cost(flags)) {
                    Some(room) => {
                        job.room = room;
                        job.held.push((uid, flags.clone()));
                    }
                    None => job.garbled = true,
                }
                return;
            }
        }
        let Some(flags) = flags else { return };
        self.put(uid, flags.clone(), || fetch.items.iter().cloned().collect());
        if let Some(mod_seq) = mod_seq.filter(|_| !self.rules.sealed) {
            self.advance(mod_seq);
        }
    }

    fn found(&mut self, ranges: impl Iterator<Item = (Uid, Uid)>) {
        if let Some(job) = self.job.as_mut().filter(|job| matches!(job.ask, Ask::Search { .. })) {
            job.searched = true;
            ranges.for_each(|(low, high)| job.found.insert(low, high));
        }
    }

    fn extended(&mut self, found: &ESearchData) {
        let all = found.items.iter().filter_map(|item| match item {
            SearchReturnData::All(all) | SearchReturnData::Partial { found: Some(all), .. } => {
                Some(all.normalized())
            }
            _ => None,
        });
        self.found(all.flatten().map(|(low, high)| (low.into(), high.into())));
    }

    fn garbled(&mut self) {
        if let Some(job) = &mut self.job {
            job.garbled = true;
        }
        self.selection.lossy |= self.rules.garbled;
    }

    fn put(&mut self, uid: Uid, mut flags: FlagSet, items: impl FnOnce() -> Vec<MsgAtt>) {
        // It is of the session, not of the message.
        flags.remove(&Flag::Recent);
        let change = if self.known.contains(uid) {
            Change::Flags { uid, flags }
        } else {
            self.selection.settled = false;
            self.known.insert(uid, uid);
            Change::New { uid, flags, items: items() }
        };
        self.changes.push_back(change);
    }

    /// What the mirror has of this range is gone.
    fn gone(&mut self, first: Uid, last: Uid) {
        if self.known.nth_back(first, last, 0).is_some() {
            self.selection.settled = false;
            self.known.remove(first, last);
            self.changes.push_back(Change::Gone { first, last });
        }
    }

    /// What the mirror has between these two and these messages are not is gone.
    fn keep(&mut self, messages: &Uids, low: Uid, high: Uid) {
        for (first, last) in self.known.missing_in(messages, low, high) {
            self.gone(first, last);
        }
    }

    /// A command failed, or how it ended is not known.
    pub(super) fn failed(&mut self, job: &Job) {
        self.failures += 1;
        match job.ask {
            Ask::Search { .. } => (self.must_prove, self.selection.proved) = (true, false),
            Ask::Batches => self.offer.batches = None,
            _ => {}
        }
    }

    fn done(&mut self, mut job: Job, reply: &Reply) {
        if !reply.is_ok() {
            match job.ask {
                Ask::Enable => {}
                Ask::Select { .. } => self.refused = Some(Box::new(reply.clone())),
                _ => self.failed(&job),
            }
            return;
        }
        // It was done from the highest identifier down to this one (RFC 9738).
        let limited = match reply.code {
            Some(Code::MessageLimit { uid, .. }) => uid,
            _ => None,
        };
        match job.ask {
            // Not one of those that the command was about: how far it came is not known.
            Ask::Fetch { high, .. } | Ask::Search { high, .. }
                if limited.is_some_and(|limited| limited > high) =>
            {
                self.failed(&job);
            }
            Ask::Enable => return,
            Ask::Select { qresync } => {
                self.code(reply.code.as_ref());
                self.opened(&mut job, qresync.is_some());
                return;
            }
            Ask::Fetch { low, high, since, vanished } => {
                let before = (self.state.clone(), self.selection.top_due);
                self.fetched(&job, (limited.unwrap_or(low), high), since, vanished);
                // A server that answers and never gets on is as one that refuses.
                let got_on = before != (self.state.clone(), self.selection.top_due);
                self.failures = if got_on { 0 } else { self.failures + 1 };
            }
            Ask::Search { low, high, last } if !job.garbled && job.searched => {
                self.searched(&job, (low, high), last.is_some(), limited);
            }
            Ask::Search { .. } => self.failed(&job),
            Ask::Batches if job.searched => {
                let cuts = self.selection.cuts.get_or_insert_default();
                job.found.ranges().for_each(|(low, high)| cuts.insert(low, high));
            }
            Ask::Batches => self.offer.batches = None,
            Ask::Noop => self.selection.flushed = true,
        }
        self.completed(reply.code.as_ref());
    }

    /// A command is complete, whoever gave it: what HIGHESTMODSEQ said until here holds.
    fn completed(&mut self, code: Option<&Code>) {
        self.code(code);
        let Some(highest) = self.selection.highest.take().filter(|_| self.selected) else { return };
        self.state.seen = self.state.seen.max(Some(highest));
        if self.offer.qresync && !self.distrust && !self.selection.lossy && self.view.doubt().is_none() {
            self.advance(highest);
        }
    }

    /// What was in step stays so, up to this change.
    fn advance(&mut self, highest: ModSeq) {
        if let Some(target) = self.selection.target.filter(|target| highest > *target && !self.frozen) {
            self.state.map(|anchor| if anchor == Anchor::At(target) { Anchor::At(highest) } else { anchor });
            self.selection.target = Some(highest);
        }
    }

    fn fetched(&mut self, job: &Job, (low, high): (Uid, Uid), since: Option<ModSeq>, vanished: bool) {
        let garbled = job.garbled || !job.seen.missing_in(&job.with_flags, low, high).is_empty();
        if garbled && self.rules.garbled {
            if self.in_doubt.is_some() {
                // It will not get better: the rest goes on, and this is read again in the next session.
                let top = if high == Uid::MAX { job.seen.nth_back(low, high, 0) } else { Some(high) };
                self.state.set(low, top.unwrap_or(low), Anchor::Read);
                self.selection.top_due &= high != Uid::MAX;
            } else {
                self.batch = (self.batch / 2).max(1);
                self.selection.lossy = true;
            }
            return;
        }
        // What came after EXISTS grew may be of a message that the command did not ask for.
        let top = job.seen.nth_back(low, high, 0).map(|top| job.cap.map_or(top, |cap| top.min(cap)));
        let top = top.filter(|top| *top >= low);
        // Not beyond the highest that was seen: what UIDNEXT promises may not be in view yet.
        let until = match top {
            _ if high != Uid::MAX => Some(high),
            top if self.rules.seen => top,
            top => self.selection.uid_next.and_then(|next| Uid::new(next.get() - 1)).max(top),
        };
        if since.is_none() {
            if self.rules.absent {
                self.keep(&job.seen, low, high);
            }
        } else if vanished {
            if !self.is_plausible(&job.vanished) {
                (self.distrust, self.selection.top_due) = (true, true);
                return;
            }
            for (first, last) in job.vanished.ranges() {
                self.gone(first, last);
            }
        }
        if high == Uid::MAX {
            self.selection.top_due = job.grew && self.rules.grew;
            self.selection.flushed = self.selection.target.is_none();
            // There was nothing in the upper part: what is below it is still to be read.
            if until.is_none() && low > self.state.top().map_or(Uid::MIN, after) {
                self.selection.top_due = true;
                self.selection.cuts.iter_mut().for_each(|cuts| cuts.remove(low, high));
            }
        }
        if let Some(until) = until {
            self.state.set(low, until, self.selection.target.map_or(Anchor::Read, Anchor::At));
        }
    }

    fn searched(&mut self, job: &Job, (from, high): (Uid, Uid), partial: bool, limited: Option<Uid>) {
        let low = match limited {
            Some(limited) => limited,
            None if partial => job.found.first().unwrap_or(high),
            None => from,
        };
        self.keep(&job.found, low, high);
        let top = self.state.top();
        for (first, last) in job.found.missing_in(&self.known, low, high) {
            let below = top.filter(|top| first <= *top).map(|top| top.min(last));
            if let Some(below) = below {
                self.state.set(first, below, Anchor::None);
            }
            self.selection.top_due |= top.is_none_or(|top| last > top);
        }
        let cuts = self.selection.cuts.get_or_insert_default();
        for cut in job.found.every_back(self.batch).take(MOST_CUTS) {
            cuts.insert(cut, cut);
        }
        if let Some(limited) = limited {
            cuts.insert(limited, limited);
            self.selection.rest = Uid::new(limited.get() - 1).filter(|rest| !partial && *rest >= from);
        }
        self.selection.proved |= self.selection.rest.is_none() && !partial;
        self.selection.flushed = false;
    }

    /// Whether so few messages can be left as VANISHED (EARLIER) leaves: what is new is bounded by UIDNEXT.
    fn is_plausible(&self, vanished: &Uids) -> bool {
        let Some(next) = self.selection.uid_next else { return true };
        let left = u64::from(self.known.len() - self.known.common(vanished));
        let unread = self.state.ranges().filter(|(_, _, anchor)| *anchor == Anchor::None);
        let unread: u64 = unread.map(|(first, last, _)| u64::from(last.get() - first.get()) + 1).sum();
        let above = u64::from((next.get() - 1).saturating_sub(self.state.top().map_or(0, Uid::get)));
        let arrived = if self.selected && self.selection.top_due {
            self.view.len().saturating_sub(self.known.len())
        } else {
            0
        };
        left + unread + above + u64::from(arrived) >= u64::from(self.view.len())
    }

    fn opened(&mut self, job: &mut Job, qresync: bool) {
        self.failures = 0;
        let validity = self.selection.uid_validity;
        if validity != self.state.uid_validity {
            let known = self.state.uid_validity.is_some() || !self.known.is_empty() && self.rules.lost_state;
            if let Some(uid_validity) = validity.filter(|_| known) {
                self.changes.push_back(Change::Reset { uid_validity });
            }
            self.known = Uids::default();
            self.state.clear();
            self.state.uid_validity = validity;
        }
        let highest = self.selection.highest.take().filter(|highest| *highest > ModSeq::ZERO);
        let highest = highest.filter(|_| self.offer.condstore && !self.selection.no_mod_seq);
        // A FETCH within SELECT may be above it.
        let seen = if self.rules.before { job.before } else { self.state.seen };
        let went_back = highest.is_some() && highest < seen
            || self.selection.uid_next.is_some_and(|next| Some(next) <= self.state.top());
        if went_back && self.rules.rewind {
            self.state.clear();
            self.changes.push_back(Change::Rewound);
        }
        if highest.is_none() {
            self.state.map(|_| Anchor::None);
            self.state.seen = None;
        }
        self.selection.target = highest;
        self.state.seen = self.state.seen.max(highest);
        self.selection.flushed = highest.is_none();
        let next = self.state.top().map_or(1, |top| u64::from(top.get()) + 1);
        self.selection.top_due =
            self.selection.uid_next.is_none_or(|uid_next| u64::from(uid_next.get()) > next);
        if let Some(target) = highest.filter(|_| qresync && !job.garbled && !(went_back && self.rules.rewind))
        {
            let plausible = self.is_plausible(&job.vanished);
            for (uid, flags) in job.held.drain(..) {
                self.put(uid, flags, Vec::new);
            }
            if plausible {
                for (first, last) in job.vanished.ranges() {
                    for (first, last) in self.known.missing_in(&job.seen, first, last) {
                        self.gone(first, last);
                    }
                }
                self.state.map(|anchor| if let Anchor::At(_) = anchor { Anchor::At(target) } else { anchor });
            } else {
                self.distrust = true;
            }
        }
        self.selected = true;
    }
}
