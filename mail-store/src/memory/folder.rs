//! A mailbox and its messages, as they lie in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
    time::SystemTime,
};

use mailwire_core::Secret;
use mailwire_imap::types::{ModSeq, Uid, UidValidity};

use super::{bodies::Body, labels::Labels};
use crate::{
    Changes, Cursor, Fields, FlagChange, InternalDate, Mailbox, Opened, Result, Row, Stored, ThreadId, Uids,
    Which,
    kept::{
        after,
        annotations::Annotations,
        keywords::{Bits, Keywords},
        mod_seq,
    },
};

/// So many runs of UIDs are remembered as gone. Who asks for earlier ones is told of every UID that is not
/// there: as exact, only longer.
const MAX_VANISHED: usize = 4096;

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) mod_seq: u64,
    pub(super) bits: Bits,
    pub(super) date: InternalDate,
    pub(super) saved: SystemTime,
    pub(super) thread: ThreadId,
    pub(super) labels: Labels,
    pub(super) body: Arc<Body>,
}

impl Entry {
    /// What the quota counts.
    pub(super) fn bytes(&self) -> u64 {
        self.body.size().saturating_add(self.labels.bytes())
    }
}

/// A mailbox. It lies under its account's lock.
#[derive(Debug)]
pub(super) struct Folder {
    /// The mailbox with its counters.
    info: Mailbox,
    pub(super) messages: BTreeMap<Uid, Entry>,
    /// The messages by their last change.
    by_change: BTreeSet<(u64, Uid)>,
    /// Change, first and last UID of messages that are gone, by change.
    vanished: Vec<(u64, Uid, Uid)>,
    /// Up to this change, `vanished` is not complete.
    vanished_floor: u64,
    /// From this UID on, no session has been told that a message is recent.
    first_recent: Uid,
    pub(super) keywords: Keywords,
    pub(super) annotations: Annotations,
    /// With which URLs of its messages are authorized.
    pub(super) url_key: Option<Secret>,
}

impl Folder {
    pub(super) fn new(info: Mailbox) -> Self {
        Self {
            info,
            messages: BTreeMap::new(),
            by_change: BTreeSet::new(),
            vanished: Vec::new(),
            vanished_floor: 0,
            first_recent: Uid::MIN,
            keywords: Keywords::default(),
            annotations: Annotations::default(),
            url_key: None,
        }
    }

    pub(super) const fn info(&self) -> &Mailbox {
        &self.info
    }

    pub(super) fn info_mut(&mut self) -> &mut Mailbox {
        &mut self.info
    }

    pub(super) const fn uid_validity(&self) -> UidValidity {
        self.info.uid_validity
    }

    pub(super) const fn uid_next(&self) -> Uid {
        self.info.uid_next
    }

    pub(super) const fn mod_seq(&self) -> ModSeq {
        self.info.mod_seq
    }

    /// Adds a message, as the change of `message`. The caller has checked the quota and the UIDs.
    pub(super) fn add(&mut self, message: Entry) -> Uid {
        let Entry { mod_seq: change, bits, ref body, .. } = message;
        let uid = self.info.uid_next;
        self.info.uid_next = after(uid).unwrap_or(Uid::MAX);
        self.info.mod_seq = mod_seq(change);
        self.info.messages += 1;
        self.info.recent += 1;
        self.info.bytes += body.size();
        self.info.unseen += u32::from(!bits.is_seen());
        self.info.deleted += u32::from(bits.is_deleted());
        self.info.deleted_bytes += if bits.is_deleted() { body.size() } else { 0 };
        self.by_change.insert((change, uid));
        self.messages.insert(uid, message);
        uid
    }

    /// The messages of a set that are there, ascending.
    pub(super) fn within<'a>(&'a self, uids: &'a Uids) -> impl Iterator<Item = (Uid, &'a Entry)> {
        uids.ranges()
            .flat_map(|(first, last)| self.messages.range(first..=last))
            .map(|(uid, message)| (*uid, message))
    }

    /// The UIDs of messages that would be removed, ascending.
    pub(super) fn doomed(&self, uids: &Uids, which: Which) -> Vec<Uid> {
        self.within(uids)
            .filter(|(_, message)| which == Which::All || message.bits.is_deleted())
            .map(|(uid, _)| uid)
            .collect()
    }

    /// Removes messages, ascending, by one change.
    pub(super) fn remove(&mut self, uids: &[Uid], change: u64) -> Vec<Entry> {
        let mut removed = Vec::with_capacity(uids.len());
        for &uid in uids {
            let Some(message) = self.messages.remove(&uid) else { continue };
            self.by_change.remove(&(message.mod_seq, uid));
            self.info.messages -= 1;
            self.info.recent -= u32::from(uid >= self.first_recent);
            self.info.bytes -= message.body.size();
            self.info.unseen -= u32::from(!message.bits.is_seen());
            self.info.deleted -= u32::from(message.bits.is_deleted());
            self.info.deleted_bytes -= if message.bits.is_deleted() { message.body.size() } else { 0 };
            match self.vanished.last_mut() {
                Some((same, _, last)) if *same == change && after(*last) == Some(uid) => *last = uid,
                _ => self.vanished.push((change, uid, uid)),
            }
            removed.push(message);
        }
        if !removed.is_empty() {
            self.info.mod_seq = mod_seq(change);
        }
        if self.vanished.len() > MAX_VANISHED {
            let late = self.vanished.len() - MAX_VANISHED / 2;
            self.vanished_floor = self.vanished.drain(..late).next_back().map_or(0, |(change, ..)| change);
        }
        removed
    }

    /// Changes flags; `change` is the number that this takes if it changes any, and `room` how many bytes the account
    /// has left.
    pub(super) fn store(&mut self, uids: &Uids, how: &FlagChange, change: u64, room: u64) -> Result<Stored> {
        let bits = self.keywords.bits(&how.flags, how.action.into(), room)?;
        let guard = |message: &Entry| message.bits.is_refused(message.mod_seq, how, bits);
        Ok(self.change(uids, guard, how.seen, change, |info, message| {
            let before = message.bits;
            message.bits = before.after(how.action, bits);
            info.unseen += u32::from(!message.bits.is_seen());
            info.unseen -= u32::from(!before.is_seen());
            info.deleted += u32::from(message.bits.is_deleted());
            info.deleted -= u32::from(before.is_deleted());
            let size = message.body.size();
            info.deleted_bytes += if message.bits.is_deleted() { size } else { 0 };
            info.deleted_bytes -= if before.is_deleted() { size } else { 0 };
            message.bits != before
        }))
    }

    /// Changes the messages of a set by `alter`, which says whether it did. Those that `refuses` are left alone.
    pub(super) fn change(
        &mut self,
        uids: &Uids,
        refuses: impl Fn(&Entry) -> bool,
        seen: Option<ModSeq>,
        change: u64,
        mut alter: impl FnMut(&mut Mailbox, &mut Entry) -> bool,
    ) -> Stored {
        let mut stored = Stored::new(self.info.mod_seq);
        for (first, last) in uids.ranges() {
            for (&uid, message) in self.messages.range_mut(first..=last) {
                if refuses(message) {
                    stored.refused.insert(uid);
                    continue;
                }
                if !alter(&mut self.info, message) {
                    continue;
                }
                if seen.is_some_and(|seen| message.mod_seq > seen.get()) {
                    stored.met.insert(uid);
                }
                self.by_change.remove(&(message.mod_seq, uid));
                self.by_change.insert((change, uid));
                message.mod_seq = change;
                stored.changed.insert(uid);
            }
        }
        if !stored.changed.is_empty() {
            stored.mod_seq = mod_seq(change);
            self.info.mod_seq = stored.mod_seq;
        }
        stored
    }

    /// What is known of a message. The body's own fields are the caller's.
    pub(super) fn row(&self, uid: Uid, message: &Entry, fields: Fields) -> Row {
        let mut row = Row::new(uid, mod_seq(message.mod_seq), message.body.id, message.body.size());
        (row.date, row.saved, row.thread) = (message.date, message.saved, Some(message.thread));
        if fields.flags {
            row.flags = self.keywords.set(message.bits);
        }
        if fields.labels {
            row.labels = message.labels.all();
        }
        row
    }

    fn uids(&self) -> Uids {
        self.messages.keys().copied().collect()
    }

    pub(super) fn open(&self, since: Option<Cursor>) -> Opened {
        let mut opened = Opened::new(self.info.clone(), self.uids());
        if self.info.unseen > 0 {
            let unseen = self.messages.iter().find(|(_, message)| !message.bits.is_seen());
            opened.first_unseen = unseen.map(|(&uid, _)| uid);
        }
        opened.keywords = self.keywords.all();
        opened.new_keywords = !self.keywords.is_full();
        opened.changes = since.map(|since| self.changes(since, usize::MAX));
        opened
    }

    pub(super) fn changes(&self, after: Cursor, limit: usize) -> Changes {
        let mut changes = Changes::new(Cursor::new(self.info.mod_seq, self.info.uid_next));
        if after.mod_seq() >= self.info.mod_seq && !after.is_before(self.info.mod_seq, Uid::MAX) {
            return changes;
        }
        let (change, gone) = (after.mod_seq().get(), after.vanished().get());
        changes.arrived = self.messages.range(after.uid_next()..).map(|(&uid, _)| uid).collect();
        changes.vanished = if gone < self.vanished_floor {
            Uids::below(after.uid_next().min(self.info.uid_next)).difference(&self.uids())
        } else {
            let first = self.vanished.partition_point(|&(at, ..)| at <= gone);
            let runs = self.vanished.get(first..).unwrap_or_default();
            runs.iter().map(|&(_, first, last)| (first, last)).collect()
        };
        let later = self.by_change.range((Bound::Excluded((change, after.last_within())), Bound::Unbounded));
        for &(at, uid) in later.filter(|(_, uid)| *uid < after.uid_next()) {
            let Some(message) = self.messages.get(&uid) else { continue };
            if changes.flags.len() == limit {
                changes.more = true;
                if let Some(&(last, at, _)) = changes.flags.last() {
                    changes.cursor = changes.cursor.within(at, last);
                }
                break;
            }
            changes.flags.push((uid, mod_seq(at), self.keywords.set(message.bits)));
        }
        changes
    }

    pub(super) fn recent(&mut self, below: Uid, claim: bool) -> Uid {
        let first = self.first_recent;
        if claim {
            self.first_recent = first.max(below.min(self.info.uid_next));
            let claimed = self.messages.range(first..self.first_recent).count();
            self.info.recent -= u32::try_from(claimed).unwrap_or_default().min(self.info.recent);
        }
        first
    }
}
