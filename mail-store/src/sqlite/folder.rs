//! A mailbox's line: its counters; its map of UIDs; its messages.

use mailwire_core::Text;
use mailwire_imap::{
    extensions::acl::Rights,
    types::{Uid, UidValidity},
};

use super::{
    index,
    sql::{Line, Sql, all, bytes, get, int, nat, one, params, run},
    writer::Tx,
};
pub(super) use crate::kept::{
    folder::{Entry, Folder},
    tables::broken,
};
use crate::{
    Error, InternalDate, Mailbox, MailboxId, MailboxPath, Result, Uids, Which,
    kept::{
        after,
        folder::{MAX_VANISHED, PAGE, runs_of},
        keywords::Bits,
        mod_seq,
    },
};

/// The columns of an [`Entry`], after the UID.
pub(super) const ENTRY: &str = "uid, modseq, flags, keywords, date, zone, saved, size, blob, thread";

impl Entry {
    pub(super) fn of(line: &Line<'_>) -> Result<(Uid, Self)> {
        let entry = Self {
            mod_seq: get(line, 1).map(nat)?,
            bits: Bits::new(get(line, 2)?, get(line, 3).map(nat)?),
            date: InternalDate { seconds: get(line, 4)?, zone: get(line, 5)? },
            saved: get(line, 6)?,
            size: get(line, 7).map(nat)?,
            blob: get(line, 8)?,
            thread: get(line, 9)?,
        };
        Ok((uid(line, 0)?, entry))
    }
}

pub(super) fn uid(line: &Line<'_>, column: usize) -> Result<Uid> {
    Uid::new(get(line, column)?).ok_or_else(|| broken("a UID is 0"))
}

const COLUMNS: &str =
    "id, name, special_use, uid_validity, uid_next, modseq, messages, unseen, deleted, recent, bytes,
    deleted_bytes, rights, account, first_recent, vanished, vanished_floor, keyword_bytes, annotations";

impl Folder {
    fn of(line: &Line<'_>) -> Result<Self> {
        let id: i64 = get(line, 0)?;
        let path = MailboxPath::new(&get::<String>(line, 1)?)?;
        let uid_validity = UidValidity::new(get(line, 3)?).ok_or_else(|| broken("a UIDVALIDITY is 0"))?;
        let mut info = Mailbox::new(MailboxId::new(nat(id)), path, uid_validity);
        info.special_use = get::<Option<Vec<u8>>>(line, 2)?.map(Text::from);
        info.uid_next = uid(line, 4)?;
        info.mod_seq = mod_seq(get(line, 5).map(nat)?);
        (info.messages, info.unseen, info.deleted) = (get(line, 6)?, get(line, 7)?, get(line, 8)?);
        info.recent = get(line, 9)?;
        (info.bytes, info.deleted_bytes) = (get(line, 10).map(nat)?, get(line, 11).map(nat)?);
        let rights: String = get(line, 12)?;
        info.rights = Rights::new(&rights).map_err(|_| broken("there are no such rights"))?;
        Ok(Self {
            id,
            account: get(line, 13)?,
            info,
            first_recent: uid(line, 14)?,
            vanished: get(line, 15).map(nat)?,
            vanished_floor: get(line, 16).map(nat)?,
            keyword_bytes: get(line, 17).map(nat)?,
            annotations: get(line, 18).map(nat)?,
            added: Vec::new(),
            removed: Vec::new(),
        })
    }

    pub(super) fn load(sql: &Sql, id: MailboxId) -> Result<Self> {
        let text = format!("SELECT {COLUMNS} FROM mailbox WHERE id=?1 AND gone IS NULL");
        one(sql, &text, [int(id.get())], Self::of)?.ok_or(Error::NoSuchMailbox)
    }

    pub(super) fn find(sql: &Sql, account: i64, path: &str) -> Result<Option<Self>> {
        let text = format!("SELECT {COLUMNS} FROM mailbox WHERE account=?1 AND name=?2");
        one(sql, &text, params![account, path], Self::of)
    }

    pub(super) fn named(sql: &Sql, account: i64, path: &MailboxPath) -> Result<Self> {
        Self::find(sql, account, path.as_str())?.ok_or(Error::NoSuchMailbox)
    }

    /// The mailboxes of an account that were changed after a change.
    pub(super) fn changed(sql: &Sql, account: i64, change: u64) -> Result<Vec<Self>> {
        let text = format!(
            "SELECT {COLUMNS} FROM mailbox WHERE account=?1 AND name IS NOT NULL AND modseq>?2 ORDER BY name"
        );
        all(sql, &text, params![account, int(change)], Self::of)
    }

    /// Writes counters and map.
    pub(super) fn save(&mut self, tx: &Tx<'_>) -> Result<()> {
        if !self.removed.is_empty() {
            let change = int(self.info.mod_seq.get());
            for run_of in self.removed.chunk_by(|one, next| after(*one) == Some(*next)) {
                let (Some(first), Some(last)) = (run_of.first(), run_of.last()) else { continue };
                let text = "INSERT INTO vanished VALUES(?1, ?2, ?3, ?4)";
                run(tx.sql, text, params![self.id, change, first.get(), last.get()])?;
                self.vanished += 1;
            }
            if self.vanished > MAX_VANISHED {
                self.forget(tx.sql)?;
            }
        }
        mark(tx.sql, self.id, &std::mem::take(&mut self.added), true)?;
        mark(tx.sql, self.id, &std::mem::take(&mut self.removed), false)?;
        let info = &self.info;
        let text = "UPDATE mailbox SET uid_next=?2, modseq=?3, messages=?4, unseen=?5, deleted=?6, recent=?7, bytes=?8,
            deleted_bytes=?9, first_recent=?10, vanished=?11, vanished_floor=?12, keyword_bytes=?13, annotations=?14
            WHERE id=?1";
        run(
            tx.sql,
            text,
            params![
                self.id,
                info.uid_next.get(),
                int(info.mod_seq.get()),
                info.messages,
                info.unseen,
                info.deleted,
                info.recent,
                int(info.bytes),
                int(info.deleted_bytes),
                self.first_recent.get(),
                int(self.vanished),
                int(self.vanished_floor),
                int(self.keyword_bytes),
                int(self.annotations),
            ],
        )
        .map(drop)
    }

    /// Forgets the earlier half of what is gone: whole changes.
    fn forget(&mut self, sql: &Sql) -> Result<()> {
        let late = int(self.vanished.saturating_sub(MAX_VANISHED / 2).saturating_sub(1));
        let text = "SELECT modseq FROM vanished WHERE mailbox=?1 ORDER BY modseq, first LIMIT 1 OFFSET ?2";
        let Some(floor) = one(sql, text, [self.id, late], |line| get::<i64>(line, 0))? else { return Ok(()) };
        let forgotten = run(sql, "DELETE FROM vanished WHERE mailbox=?1 AND modseq<=?2", [self.id, floor])?;
        self.vanished = self.vanished.saturating_sub(forgotten as u64);
        self.vanished_floor = nat(floor);
        Ok(())
    }

    /// Adds a message, as the change of the entry. The caller has checked the quota and the UIDs.
    pub(super) fn add(&mut self, sql: &Sql, entry: &Entry) -> Result<Uid> {
        let uid = self.arrive(entry);
        run(
            sql,
            "INSERT INTO message VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                self.id,
                uid.get(),
                int(entry.mod_seq),
                entry.bits.system(),
                int(entry.bits.keywords()),
                entry.date.seconds,
                entry.date.zone,
                entry.saved,
                int(entry.size),
                entry.blob,
                entry.thread,
            ],
        )?;
        Ok(uid)
    }

    /// Removes messages, ascending, by one change. Their bodies are the caller's.
    pub(super) fn remove(&mut self, sql: &Sql, messages: &[(Uid, Entry)], change: u64) -> Result<()> {
        for (uid, _) in messages {
            run(sql, "DELETE FROM message WHERE mailbox=?1 AND uid=?2", params![self.id, uid.get()])?;
            index::forget(sql, self.id, *uid)?;
        }
        self.leave(messages, change);
        Ok(())
    }

    /// Gives a message other flags, by a change.
    pub(super) fn flag(&mut self, sql: &Sql, uid: Uid, entry: &Entry, bits: Bits, change: u64) -> Result<()> {
        let text = "UPDATE message SET flags=?3, keywords=?4, modseq=?5 WHERE mailbox=?1 AND uid=?2";
        let keywords = int(bits.keywords());
        run(sql, text, params![self.id, uid.get(), bits.system(), keywords, int(change)])?;
        self.flagged(entry, bits, change);
        Ok(())
    }

    /// The messages of a set that are there, ascending, at most `limit`.
    pub(super) fn within(&self, sql: &Sql, uids: &Uids, limit: usize) -> Result<Vec<(Uid, Entry)>> {
        let text = format!(
            "SELECT {ENTRY} FROM message WHERE mailbox=?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid LIMIT ?4"
        );
        self.entries(sql, &text, uids, limit)
    }

    /// The messages that would be removed, ascending.
    pub(super) fn doomed(&self, sql: &Sql, uids: &Uids, which: Which) -> Result<Vec<(Uid, Entry)>> {
        match which {
            Which::All => self.within(sql, uids, usize::MAX),
            // The index is not taken by itself.
            Which::Deleted => {
                let text = format!(
                    "SELECT {ENTRY} FROM message INDEXED BY message_deleted
                    WHERE mailbox=?1 AND uid BETWEEN ?2 AND ?3 AND flags & 8 ORDER BY uid LIMIT ?4"
                );
                self.entries(sql, &text, uids, usize::MAX)
            }
        }
    }

    fn entries(&self, sql: &Sql, text: &str, uids: &Uids, limit: usize) -> Result<Vec<(Uid, Entry)>> {
        let mut found = Vec::new();
        for (first, last) in uids.ranges() {
            let left = int(limit.saturating_sub(found.len()) as u64);
            if left == 0 {
                break;
            }
            let line = params![self.id, first.get(), last.get(), left];
            found.append(&mut all(sql, text, line, Entry::of)?);
        }
        Ok(found)
    }

    /// The messages from a UID on.
    pub(super) fn uids(&self, sql: &Sql, from: Uid) -> Result<Uids> {
        let mut runs = Vec::new();
        let text = "SELECT page, bits FROM page WHERE mailbox=?1 AND page>=?2 ORDER BY page";
        all(sql, text, params![self.id, from.get() / PAGE], |line| {
            runs_of(get::<u32>(line, 0)? * PAGE, bytes(line, 1)?, &mut runs);
            Ok(())
        })?;
        let ranges = runs.into_iter().filter(|(_, last)| *last >= from.get());
        Ok(ranges.filter_map(|(first, last)| Some((Uid::new(first)?.max(from), Uid::new(last)?))).collect())
    }

    pub(super) fn first_unseen(&self, sql: &Sql) -> Result<Option<Uid>> {
        if self.info.unseen == 0 {
            return Ok(None);
        }
        // The index is not taken by itself.
        let text = "SELECT uid FROM message INDEXED BY message_unseen WHERE mailbox=?1 AND NOT flags & 1
            ORDER BY uid LIMIT 1";
        one(sql, text, [self.id], |line| uid(line, 0))
    }
}

/// Sets or clears bits of the map of UIDs, which ascend.
fn mark(sql: &Sql, mailbox: i64, uids: &[Uid], are_there: bool) -> Result<()> {
    for group in uids.chunk_by(|one, other| one.get() / PAGE == other.get() / PAGE) {
        let Some(first) = group.first() else { continue };
        let page = first.get() / PAGE;
        let text = "SELECT bits FROM page WHERE mailbox=?1 AND page=?2";
        let known = one(sql, text, params![mailbox, page], |line| get::<Vec<u8>>(line, 0))?;
        let mut bits = known.unwrap_or_default();
        bits.resize(PAGE as usize / 8, 0);
        for uid in group {
            let place = uid.get() % PAGE;
            let Some(byte) = bits.get_mut(place as usize / 8) else { continue };
            if are_there { *byte |= 1 << (place % 8) } else { *byte &= !(1 << (place % 8)) }
        }
        let text = if bits.iter().any(|byte| *byte != 0) {
            "INSERT INTO page VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET bits=?3"
        } else {
            "DELETE FROM page WHERE mailbox=?1 AND page=?2 AND ?3 NOTNULL"
        };
        run(sql, text, params![mailbox, page, bits])?;
    }
    Ok(())
}
