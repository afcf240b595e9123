//! What changes of messages come to, before it is written.

use bytes::Bytes;
use mailwire_imap::types::{Uid, UidValidity};

use super::{
    account::Account,
    check_uids,
    folder::{Entry, Folder},
    keywords::Bits,
    mod_seq,
    tables::now,
};
use crate::{Copied, FlagChange, How, Result, Stored, Uids};

/// So many identifiers of messages are remembered for an account. What refers to an earlier one begins a thread.
pub(crate) const KNOWN: u64 = 100_000;
/// So many are forgotten at once.
pub(crate) const FORGOTTEN: u64 = 1000;
/// So much of an identifier is looked at.
const IDENTIFIER: usize = 200;

/// By what the thread of a body's messages is found.
pub(crate) fn thread_keys(blob: i64, references: &[Bytes]) -> Vec<Bytes> {
    if references.is_empty() {
        // Messages of one body are in one thread. No identifier has these bytes.
        return vec![Bytes::copy_from_slice(&blob.to_be_bytes())];
    }
    references.iter().map(|id| id.slice(..id.len().min(IDENTIFIER))).collect()
}

/// The bits that a message gets by a change of flags, which is noted down. `None`: it stays as it is.
pub(crate) fn flagged(
    stored: &mut Stored,
    (uid, entry): (Uid, &Entry),
    how: &FlagChange,
    named: Bits,
) -> Option<Bits> {
    if entry.bits.is_refused(entry.mod_seq, how, named) {
        stored.refused.insert(uid);
        return None;
    }
    let bits = entry.bits.after(how.action, named);
    if bits == entry.bits {
        return None;
    }
    if how.seen.is_some_and(|seen| entry.mod_seq > seen.get()) {
        stored.met.insert(uid);
    }
    stored.changed.insert(uid);
    Some(bits)
}

/// Messages that are about to be copied into a mailbox, or moved there.
pub(crate) struct Copying {
    /// The number of the change. `None`: there are none.
    pub(crate) change: Option<u64>,
    pub(crate) saved: i64,
    set: Uids,
    first: Uid,
    uid_validity: UidValidity,
}

impl Copying {
    /// Counts them, and takes a number for the change.
    pub(crate) fn begin(
        account: &mut Account,
        into: &Folder,
        messages: &[(Uid, Entry)],
        how: How,
    ) -> Result<Self> {
        let first = into.info.uid_next;
        check_uids(first, messages.len())?;
        if how == How::Copy {
            account.reserve(messages.len() as u64, messages.iter().map(|(_, entry)| entry.size).sum())?;
        }
        let change = (!messages.is_empty()).then(|| account.next_change());
        let set = messages.iter().map(|(uid, _)| *uid).collect();
        Ok(Self { change, saved: now(), set, first, uid_validity: into.info.uid_validity })
    }

    /// What was done, or that there was nothing to do in a mailbox.
    pub(crate) fn end(self, into: &Folder) -> Copied {
        let mod_seq = self.change.map_or(into.mod_seq(), mod_seq);
        Copied::new(mod_seq, self.uid_validity, self.set, self.first)
    }
}
