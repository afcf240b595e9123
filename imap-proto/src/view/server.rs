//! What a server's client is to be told, and when it may be told.

use alloc::vec::Vec;

use super::{Numbering, View, walk::Walk};
use crate::types::{KnownUids, ModSeq, SeqNumber, Uid};

/// Says what may be told now.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Allow {
    /// Whether sequence numbers may change: see
    /// [`Command::permits_expunge`](crate::Command::permits_expunge).
    pub expunge: bool,
}

impl Allow {
    /// Allows all, or all but EXPUNGE.
    #[must_use]
    pub const fn new(expunge: bool) -> Self {
        Self { expunge }
    }
}

/// Says how a client is told that messages are gone.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Telling {
    /// With EXPUNGE, one by one.
    Expunge,
    /// With VANISHED, once QRESYNC or UIDONLY is enabled.
    Vanished,
}

/// Holds what a client is to be told, from [`View::tell`].
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// Say EXISTS, and RECENT to a client of IMAP4rev1.
    Exists {
        /// How many messages there are.
        exists: u32,
        /// How many of them are new to this session.
        recent: u32,
    },
    /// Say FETCH with the flags of a message as they are now.
    Flags {
        /// Its number; of no use with [`Numbering::UidOnly`].
        number: SeqNumber,
        /// Its identifier.
        uid: Uid,
        /// The modification sequence of the change.
        mod_seq: ModSeq,
    },
    /// Say EXPUNGE.
    Expunge {
        /// The number that the message had.
        number: SeqNumber,
        /// Its identifier.
        uid: Uid,
    },
    /// Say VANISHED.
    Vanished(KnownUids),
}

impl View {
    /// Takes account of messages that another session added, in ascending ranges. Those that are known
    /// are left out.
    pub fn arrived(&mut self, ranges: impl IntoIterator<Item = (Uid, Uid)>, at: ModSeq, recent: bool) {
        for (low, high) in ranges {
            // Identifiers only grow (RFC 9051 section 2.3.1.1). What is pending may come in any order.
            let after = self.slots.last().map_or(Some(Uid::MIN), |last| Uid::new(last.get().checked_add(1)?));
            let Some(low) = after.map(|after| low.max(after)).filter(|low| *low <= high) else { continue };
            self.pending.arrived.insert(low, high);
            if recent {
                self.pending.recent.insert(low, high);
            }
            self.pending.arrived_at = lower(self.pending.arrived_at, at);
        }
    }

    /// Takes account of flags that another session changed; the message may be one that is not told of yet.
    pub fn changed(&mut self, uid: Uid, at: ModSeq) {
        let is_there = self.pending.arrived.contains(uid) || self.number(uid).is_some();
        if is_there && !self.pending.removed.contains(uid) {
            let known = self.pending.changed.entry(uid).or_insert(at);
            *known = at.max(*known);
        }
    }

    /// Takes account of messages that were removed, by this session or another, in ascending ranges. One
    /// that was not told of yet is never told of.
    pub fn removed(&mut self, ranges: impl IntoIterator<Item = (Uid, Uid)>, at: ModSeq) {
        let mut known = Walk::through(&self.slots);
        for (low, high) in ranges {
            self.pending.arrived.remove(low, high);
            self.pending.recent.remove(low, high);
            let gone: Vec<Uid> = self.pending.changed.range(low..=high).map(|(uid, _)| *uid).collect();
            for uid in gone {
                self.pending.changed.remove(&uid);
            }
            for (low, high) in known.within(low, high) {
                self.pending.removed.insert(low, high);
                self.pending.removed_at = lower(self.pending.removed_at, at);
            }
        }
        if self.pending.arrived.is_empty() {
            self.pending.arrived_at = None;
        }
    }

    /// Gives the next thing that the client is to be told, and takes it as told. `None`: nothing more may
    /// be told now.
    pub fn tell(&mut self, allow: Allow, telling: Telling) -> Option<Update> {
        if !self.pending.arrived.is_empty() {
            let arrived = core::mem::take(&mut self.pending.arrived);
            for (low, high) in arrived.ranges() {
                self.slots.push_range(low, high);
            }
            let recent = core::mem::take(&mut self.pending.recent);
            for (low, high) in recent.ranges() {
                self.recent.insert(low, high);
            }
            self.pending.arrived_at = None;
            return Some(Update::Exists { exists: self.len(), recent: self.recent() });
        }
        if let Some((uid, mod_seq)) = self.pending.changed.pop_first() {
            let number = self.number(uid)?;
            return Some(Update::Flags { number, uid, mod_seq });
        }
        // VANISHED moves numbers, too.
        if allow.expunge { self.tell_removed(telling) } else { None }
    }

    fn tell_removed(&mut self, telling: Telling) -> Option<Update> {
        let update = match telling {
            Telling::Expunge if self.numbering == Numbering::Numbers => {
                let uid = self.pending.removed.first()?;
                let number = self.number(uid)?;
                self.pending.removed.remove(uid, uid);
                self.slots.remove(number.get() - 1, 1);
                self.forget(uid, uid);
                Update::Expunge { number, uid }
            }
            _ => {
                let removed = core::mem::take(&mut self.pending.removed);
                let uids = KnownUids::from_ranges(removed.ranges()).ok()?;
                self.vanished(removed.ranges());
                Update::Vanished(uids)
            }
        };
        if self.pending.removed.is_empty() {
            self.pending.removed_at = None;
        }
        Some(update)
    }

    /// Takes account of a FETCH response that carried the flags of this message as an answer: they need
    /// not be told again.
    pub fn told(&mut self, uid: Uid) {
        self.pending.changed.remove(&uid);
    }

    /// The HIGHESTMODSEQ that the client may be told while the mailbox is at `mailbox`: lower than all
    /// that it was not told yet
    /// ([RFC 7162 section 3.2](https://www.rfc-editor.org/rfc/rfc7162#section-3.2)).
    #[must_use]
    pub fn safe_mod_seq(&self, mailbox: ModSeq) -> ModSeq {
        let pending = self.pending.changed.values().copied();
        let pending = pending.chain(self.pending.arrived_at).chain(self.pending.removed_at).min();
        let safe = pending.and_then(|lowest| ModSeq::new(lowest.get().saturating_sub(1)));
        safe.map_or(mailbox, |safe| safe.min(mailbox))
    }

    /// Sets the messages that are new to this session, as the mailbox is selected; those that are not
    /// known are left out
    /// ([RFC 3501 section 2.3.2](https://www.rfc-editor.org/rfc/rfc3501#section-2.3.2)).
    ///
    /// `ranges` are in ascending order, as stores have them: then the way through both is walked once.
    pub fn set_recent(&mut self, ranges: impl IntoIterator<Item = (Uid, Uid)>) {
        let mut known = Walk::through(&self.slots);
        for (low, high) in ranges {
            for (low, high) in known.within(low, high) {
                self.recent.insert(low, high);
            }
        }
    }

    /// How many messages are new to this session.
    #[must_use]
    pub fn recent(&self) -> u32 {
        self.recent.len()
    }

    /// Whether a message is new to this session.
    #[must_use]
    pub fn is_recent(&self, uid: Uid) -> bool {
        self.recent.contains(uid)
    }

    /// The messages that are new to this session, as ascending ranges.
    pub fn recent_uids(&self) -> impl Iterator<Item = (Uid, Uid)> + '_ {
        self.recent.ranges()
    }
}

fn lower(one: Option<ModSeq>, other: ModSeq) -> Option<ModSeq> {
    Some(one.map_or(other, |one| one.min(other)))
}
