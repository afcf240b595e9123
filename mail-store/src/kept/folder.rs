//! A mailbox: its counters; its map of UIDs; its messages.

use mailwire_imap::types::{ModSeq, Uid};

use super::{
    account::Account,
    after,
    keywords::{Bits, Keywords, Unknown},
    mod_seq,
};
use crate::{InternalDate, Mailbox, Result};
use mailwire_imap::types::FlagSet;

/// UIDs in a page of the map: 512 bytes.
pub(crate) const PAGE: u32 = 4096;
/// So many runs of UIDs are remembered as gone. Who asks for earlier ones is told of every UID that is not there: as
/// exact, only longer.
pub(crate) const MAX_VANISHED: u64 = 8192;

/// A message without its UID.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) mod_seq: u64,
    pub(crate) bits: Bits,
    pub(crate) date: InternalDate,
    /// Microseconds since 1970.
    pub(crate) saved: i64,
    pub(crate) size: u64,
    pub(crate) blob: i64,
    pub(crate) thread: i64,
}

/// A mailbox with what is about to become of it. It is loaded, changed, and saved within one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) id: i64,
    pub(crate) account: i64,
    pub(crate) info: Mailbox,
    pub(crate) first_recent: Uid,
    /// How many runs of UIDs are remembered as gone.
    pub(crate) vanished: u64,
    pub(crate) vanished_floor: u64,
    /// The bytes of its keywords, which the quota counts.
    pub(crate) keyword_bytes: u64,
    /// The bytes of its annotations.
    pub(crate) annotations: u64,
    /// UIDs that are not in the map yet; those that still are, though their messages are gone.
    pub(crate) added: Vec<Uid>,
    pub(crate) removed: Vec<Uid>,
}

impl Folder {
    /// Counts a message in, or out.
    fn count(&mut self, entry: &Entry, comes: bool) {
        let info = &mut self.info;
        let step = |counter: &mut u32, counts: bool| {
            let by = u32::from(counts);
            *counter = if comes { counter.saturating_add(by) } else { counter.saturating_sub(by) };
        };
        step(&mut info.messages, true);
        step(&mut info.unseen, !entry.bits.is_seen());
        step(&mut info.deleted, entry.bits.is_deleted());
        let step = |counter: &mut u64, by: u64| {
            *counter = if comes { counter.saturating_add(by) } else { counter.saturating_sub(by) };
        };
        step(&mut info.bytes, entry.size);
        step(&mut info.deleted_bytes, if entry.bits.is_deleted() { entry.size } else { 0 });
    }

    /// A message arrives, as the change of the entry. The caller has checked the quota and the UIDs.
    pub(crate) fn arrive(&mut self, entry: &Entry) -> Uid {
        let uid = self.info.uid_next;
        self.info.uid_next = after(uid).unwrap_or(Uid::MAX);
        self.info.mod_seq = mod_seq(entry.mod_seq);
        self.count(entry, true);
        self.info.recent = self.info.recent.saturating_add(1);
        self.added.push(uid);
        uid
    }

    /// Messages leave, ascending, by one change.
    pub(crate) fn leave(&mut self, messages: &[(Uid, Entry)], change: u64) {
        for (uid, entry) in messages {
            self.count(entry, false);
            let was_recent = u32::from(*uid >= self.first_recent);
            self.info.recent = self.info.recent.saturating_sub(was_recent);
            self.removed.push(*uid);
        }
        if !messages.is_empty() {
            self.info.mod_seq = mod_seq(change);
        }
    }

    /// A message has other flags, by a change.
    pub(crate) fn flagged(&mut self, entry: &Entry, bits: Bits, change: u64) {
        self.count(entry, false);
        self.count(&Entry { bits, ..*entry }, true);
        self.info.mod_seq = mod_seq(change);
    }

    /// Flags as bits, by the mailbox's keywords. Those that are new there count.
    pub(crate) fn bits(
        &mut self,
        account: &mut Account,
        known: &mut Keywords,
        flags: &FlagSet,
        unknown: Unknown,
    ) -> Result<Bits> {
        let bytes = known.bytes();
        let room = account.limits.bytes.saturating_sub(account.bytes);
        let bits = known.bits(flags, unknown, room)?;
        let made = known.bytes() - bytes;
        self.keyword_bytes = self.keyword_bytes.saturating_add(made);
        account.bytes = account.bytes.saturating_add(made);
        Ok(bits)
    }

    pub(crate) const fn mod_seq(&self) -> ModSeq {
        self.info.mod_seq
    }
}

/// Adds the runs of bits that are set, the first of which has the number `start`.
pub(crate) fn runs_of(start: u32, bits: &[u8], runs: &mut Vec<(u32, u32)>) {
    let mut add = |first: u32, last: u32| match runs.last_mut() {
        Some((_, end)) if end.checked_add(1) == Some(first) => *end = last,
        _ => runs.push((first, last)),
    };
    for (place, bytes) in (0_u32..).zip(bits.chunks(8)) {
        let start = start + place * 64;
        let mut word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        while word != 0 {
            let first = word.trailing_zeros();
            let end = first + (word >> first).trailing_ones();
            add(start + first, start + (end - 1));
            word &= u64::MAX.checked_shl(end).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cross_bytes_and_pages() {
        let mut runs = Vec::new();
        runs_of(0, &[0b1100_0010, 0xff, 0b1, 0], &mut runs);
        runs_of(32, &[0b101], &mut runs);
        runs_of(40, &[0], &mut runs);
        assert_eq!(runs, [(1, 1), (6, 16), (32, 32), (34, 34)]);
        runs_of(35, &[1], &mut runs);
        assert_eq!(runs.last(), Some(&(34, 35)));
        let mut runs = Vec::new();
        runs_of(4096, &[0xff; 512], &mut runs);
        runs_of(8192, &[0xff, 0, 0, 0, 0, 0, 0, 0x80, 0x81], &mut runs);
        assert_eq!(runs, [(4096, 8199), (8255, 8256), (8263, 8263)]);
    }
}
