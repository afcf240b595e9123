//! Messages come, change their flags, are copied, and go.

use std::collections::HashMap;

use bytes::Bytes;
use mailwire_imap::types::{FlagSet, ModSeq, Uid};

use super::{
    account::Account,
    feed::keywords,
    folder::{Entry, Folder, uid},
    index,
    sql::{get, int, nat, one, params, run},
    writer::Tx,
};
use crate::{
    BodyId, Copied, Delivered, Destination, Error, FlagChange, How, InternalDate, MailboxId, MailboxPath,
    Result, Stored, Target, Uids, Which,
    imap::rights::permitted,
    kept::{
        check_uids,
        coming::Staged,
        keywords::{Bits, Keywords, Unknown},
        messages::{Copying, FORGOTTEN, KNOWN, flagged, thread_keys},
        mod_seq,
        tables::now,
    },
};

/// A body that is being delivered.
pub(super) struct Body {
    id: i64,
    size: u64,
    /// What the message refers to.
    references: Vec<Bytes>,
    /// It is not in the file yet.
    fresh: Option<Staged>,
    /// So many messages were made of it.
    added: i64,
}

impl Tx<'_> {
    /// Finds a body that is to be delivered: what was kept of it in memory, or what is in the file.
    fn body(&mut self, id: BodyId, staged: Option<Staged>) -> Result<Body> {
        let id = int(id.get());
        let Some(staged) = staged else {
            let text = "SELECT size FROM blob WHERE id=?1 AND refs>0";
            let size = one(self.sql, text, [id], |line| get(line, 0).map(nat))?.ok_or(Error::NoSuchBody)?;
            let references = self.references(id)?;
            return Ok(Body { id, size, references, fresh: None, added: 0 });
        };
        let references = staged.references.clone();
        Ok(Body { id, size: staged.size, references, fresh: Some(staged), added: 0 })
    }

    /// Writes what has become of a body.
    fn keep(&mut self, body: Body) -> Result<()> {
        if body.added == 0 {
            return Ok(());
        }
        if let Some(Staged { raw: Some(raw), summary, size, .. }) = body.fresh {
            let text = "INSERT INTO blob VALUES(?1, ?2, ?3, ?4)";
            run(self.sql, text, params![body.id, int(size), body.added, summary])?;
            return self.write_chunk(body.id, 0, &raw);
        }
        run(self.sql, "UPDATE blob SET refs=refs+?2 WHERE id=?1", [body.id, body.added])?;
        run(self.sql, "DELETE FROM garbage WHERE blob=?1", [body.id]).map(drop)
    }

    /// A message of a body is gone.
    fn unref(&mut self, blob: i64) -> Result<()> {
        let text = "UPDATE blob SET refs=refs-1 WHERE id=?1 RETURNING refs";
        let refs = one(self.sql, text, [blob], |line| get::<i64>(line, 0))?;
        if refs == Some(0) {
            let text = "INSERT INTO garbage VALUES(?1, ?2) ON CONFLICT DO NOTHING";
            run(self.sql, text, [blob, now()])?;
        }
        Ok(())
    }

    pub(super) fn deliver(
        &mut self,
        body: BodyId,
        staged: Option<Staged>,
        to: &[Target],
    ) -> Result<Vec<Result<Delivered>>> {
        let mut body = self.body(body, staged)?;
        let mut delivered = Vec::with_capacity(to.len());
        for target in to {
            let one = self.within(|tx| tx.deliver_to(&mut body, target));
            match one {
                // SQLite has given up the whole transaction.
                Err(error) if self.sql.is_autocommit() => return Err(error),
                one => delivered.push(one),
            }
        }
        self.keep(body)?;
        Ok(delivered)
    }

    fn target(&self, target: &Target) -> Result<Folder> {
        match target.to {
            Destination::Mailbox(mailbox) => Folder::load(self.sql, mailbox),
            Destination::Inbox(account) => {
                let account = Account::load(self.sql, int(account.get()), self.config)?;
                Folder::named(self.sql, account.id, &MailboxPath::inbox())
            }
        }
    }

    fn deliver_to(&mut self, body: &mut Body, target: &Target) -> Result<Delivered> {
        let mut folder = self.target(target)?;
        let mut account = Account::load(self.sql, folder.account, self.config)?;
        check_uids(folder.info.uid_next, 1)?;
        let bits = self.bits(&mut account, &mut folder, &target.flags, Unknown::Add)?;
        account.reserve(1, body.size)?;
        let change = account.next_change();
        let uid = self.put(&mut account, &mut folder, body, target, bits, change)?;
        folder.save(self)?;
        account.save(self)?;
        body.added += 1;
        Ok(Delivered::new(folder.info.id, folder.info.uid_validity, uid, mod_seq(change)))
    }

    fn put(
        &mut self,
        account: &mut Account,
        folder: &mut Folder,
        body: &Body,
        target: &Target,
        bits: Bits,
        change: u64,
    ) -> Result<Uid> {
        let thread = self.thread(account, body)?;
        folder.add(
            self.sql,
            &Entry {
                mod_seq: change,
                bits,
                date: target.date.unwrap_or_else(InternalDate::now),
                saved: now(),
                size: body.size,
                blob: body.id,
                thread,
            },
        )
    }

    /// Delivers messages and removes one, by one change.
    pub(super) fn deliver_all(
        &mut self,
        messages: Vec<(BodyId, Option<Staged>, Target)>,
        replaced: Option<(MailboxId, Uid)>,
    ) -> Result<Vec<Delivered>> {
        let mut folders: HashMap<i64, Folder> = HashMap::new();
        let mut account: Option<Account> = None;
        let mut coming = Vec::with_capacity(messages.len());
        let count = messages.len();
        let mut one_account = |tx: &Self, folder: &Folder| match &account {
            Some(account) if account.id != folder.account => Err(Error::NoSuchMailbox),
            Some(_) => Ok(()),
            None => {
                account = Some(Account::load(tx.sql, folder.account, tx.config)?);
                Ok(())
            }
        };
        for (body, staged, target) in messages {
            let folder = self.target(&target)?;
            one_account(self, &folder)?;
            coming.push((self.body(body, staged)?, folder.id, target));
            folders.insert(folder.id, folder);
        }
        let mut going = None;
        if let Some((mailbox, uid)) = replaced {
            let folder = Folder::load(self.sql, mailbox)?;
            one_account(self, &folder)?;
            let entry = folder.within(self.sql, &uid.into(), 1)?.pop().ok_or(Error::NoSuchBody)?;
            going = Some((folder.id, entry));
            folders.entry(folder.id).or_insert(folder);
        }
        let Some(mut account) = account else { return Ok(Vec::new()) };
        let mut bits = Vec::with_capacity(count);
        for (_, folder, target) in &coming {
            let Some(folder) = folders.get_mut(folder) else { continue };
            check_uids(folder.info.uid_next, count)?;
            bits.push(self.bits(&mut account, folder, &target.flags, Unknown::Add)?);
        }
        // Only what is more in the end counts (RFC 8508 section 3.4).
        if let Some((_, (_, entry))) = &going {
            account.release(1, entry.size);
        }
        let size = coming.iter().map(|(body, ..)| body.size).fold(0, u64::saturating_add);
        account.reserve(count as u64, size)?;
        let change = account.next_change();
        let mut delivered = Vec::with_capacity(count);
        for ((mut body, folder, target), bits) in coming.into_iter().zip(bits) {
            let Some(folder) = folders.get_mut(&folder) else { continue };
            let uid = self.put(&mut account, folder, &body, &target, bits, change)?;
            let (id, uid_validity) = (folder.info.id, folder.info.uid_validity);
            delivered.push(Delivered::new(id, uid_validity, uid, mod_seq(change)));
            body.added = 1;
            self.keep(body)?;
        }
        if let Some((folder, entry)) = going {
            let Some(folder) = folders.get_mut(&folder) else { return Err(Error::NoSuchMailbox) };
            folder.remove(self.sql, &[entry], change)?;
            self.unref(entry.1.blob)?;
        }
        for folder in folders.values_mut() {
            folder.save(self)?;
        }
        account.save(self)?;
        Ok(delivered)
    }

    /// Flags as bits of a mailbox. Keywords that are new there are kept, and count.
    fn bits(
        &mut self,
        account: &mut Account,
        folder: &mut Folder,
        flags: &FlagSet,
        unknown: Unknown,
    ) -> Result<Bits> {
        if let Some(bits) = Keywords::system(flags) {
            return Ok(bits);
        }
        let mut known = keywords(self.sql, folder.id)?;
        let before = known.all().len();
        let bits = folder.bits(account, &mut known, flags, unknown)?;
        for (bit, flag) in (before..).zip(known.from(before)) {
            let text = "INSERT INTO keyword VALUES(?1, ?2, ?3)";
            run(self.sql, text, params![folder.id, int(bit as u64), flag.to_string()])?;
        }
        Ok(bits)
    }

    /// The thread of a message that comes. It never changes: where a message joins two threads, they stay two.
    fn thread(&mut self, account: &mut Account, body: &Body) -> Result<i64> {
        let (mut thread, mut unknown) = (None, Vec::new());
        for key in thread_keys(body.id, &body.references) {
            let text = "SELECT thread FROM thread_key WHERE account=?1 AND key=?2";
            match one(self.sql, text, params![account.id, &*key], |line| get::<i64>(line, 0))? {
                Some(known) => thread = thread.or(Some(known)),
                None => unknown.push(key),
            }
        }
        let thread = thread.unwrap_or_else(|| {
            account.last_thread += 1;
            int(account.last_thread)
        });
        for key in unknown {
            let text =
                "INSERT INTO thread_key(account, key, thread) VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING";
            account.thread_keys += run(self.sql, text, params![account.id, &*key, thread])? as u64;
        }
        if account.thread_keys > KNOWN {
            let text = "DELETE FROM thread_key WHERE id IN
                (SELECT id FROM thread_key WHERE account=?1 ORDER BY id LIMIT ?2)";
            let forgotten = run(self.sql, text, [account.id, int(FORGOTTEN)])?;
            account.thread_keys = account.thread_keys.saturating_sub(forgotten as u64);
        }
        Ok(thread)
    }

    pub(super) fn store(&mut self, mailbox: MailboxId, uids: &Uids, how: &FlagChange) -> Result<Stored> {
        let mut folder = Folder::load(self.sql, mailbox)?;
        let mut account = Account::load(self.sql, folder.account, self.config)?;
        let before = folder.keyword_bytes;
        let named = self.bits(&mut account, &mut folder, &how.flags, how.action.into())?;
        let mut stored = Stored::new(folder.mod_seq());
        let change = account.mod_seq + 1;
        for (uid, entry) in folder.within(self.sql, uids, usize::MAX)? {
            let Some(bits) = flagged(&mut stored, (uid, &entry), how, named) else { continue };
            folder.flag(self.sql, uid, &entry, bits, change)?;
        }
        if !stored.changed.is_empty() {
            account.mod_seq = change;
            stored.mod_seq = mod_seq(change);
        }
        if !stored.changed.is_empty() || folder.keyword_bytes > before {
            folder.save(self)?;
            account.save(self)?;
        }
        Ok(stored)
    }

    pub(super) fn expunge(&mut self, mailbox: MailboxId, uids: &Uids, which: Which) -> Result<ModSeq> {
        let mut folder = Folder::load(self.sql, mailbox)?;
        let doomed = folder.doomed(self.sql, uids, which)?;
        if !doomed.is_empty() {
            let mut account = Account::load(self.sql, folder.account, self.config)?;
            let change = account.next_change();
            folder.remove(self.sql, &doomed, change)?;
            for (_, entry) in &doomed {
                self.unref(entry.blob)?;
            }
            account.release(doomed.len() as u64, doomed.iter().map(|(_, entry)| entry.size).sum());
            folder.save(self)?;
            account.save(self)?;
        }
        Ok(folder.mod_seq())
    }

    pub(super) fn copy(&mut self, from: MailboxId, uids: &Uids, to: MailboxId, how: How) -> Result<Copied> {
        let mut source = Folder::load(self.sql, from)?;
        let mut target = if from == to { None } else { Some(Folder::load(self.sql, to)?) };
        if target.as_ref().is_some_and(|target| target.account != source.account) {
            return Err(Error::NoSuchMailbox);
        }
        let mut account = Account::load(self.sql, source.account, self.config)?;
        let before = account.mod_seq;
        let copied = self.copy_between(&mut account, &mut source, target.as_mut(), uids, how)?;
        if account.mod_seq != before {
            account.save(self)?;
        }
        Ok(copied)
    }

    /// Copies or moves messages into another mailbox; `None` is the same one.
    pub(super) fn copy_between(
        &mut self,
        account: &mut Account,
        source: &mut Folder,
        mut target: Option<&mut Folder>,
        uids: &Uids,
        how: How,
    ) -> Result<Copied> {
        let messages = source.within(self.sql, uids, usize::MAX)?;
        let into = target.as_deref().unwrap_or(source);
        let copying = Copying::begin(account, into, &messages, how)?;
        let (Some(change), saved, rights) = (copying.change, copying.saved, into.info.rights) else {
            return Ok(copying.end(into));
        };
        let known = keywords(self.sql, source.id)?;
        let mut others: HashMap<Bits, Bits> = HashMap::new();
        for (_, entry) in &messages {
            let into = target.as_deref_mut().unwrap_or(source);
            let bits = match others.get(&entry.bits) {
                Some(bits) => *bits,
                None => {
                    let flags = permitted(&known.set(entry.bits), rights);
                    let bits = self.bits(account, into, &flags, Unknown::AddSome)?;
                    others.insert(entry.bits, bits);
                    bits
                }
            };
            into.add(self.sql, &Entry { mod_seq: change, bits, saved, ..*entry })?;
            if how == How::Copy {
                run(self.sql, "UPDATE blob SET refs=refs+1 WHERE id=?1", [entry.blob])?;
            }
        }
        if how == How::Move {
            source.remove(self.sql, &messages, change)?;
        }
        source.save(self)?;
        if let Some(target) = &mut target {
            target.save(self)?;
        }
        Ok(copying.end(target.as_deref().unwrap_or(source)))
    }

    /// Messages below a UID are no longer recent. Gives the first that was until now.
    pub(super) fn claim(&mut self, mailbox: MailboxId, below: Uid) -> Result<Uid> {
        let mut folder = Folder::load(self.sql, mailbox)?;
        let first = folder.first_recent;
        let end = first.max(below.min(folder.info.uid_next));
        if end > first {
            let text = "SELECT count(*) FROM message WHERE mailbox=?1 AND uid>=?2 AND uid<?3";
            let line = params![folder.id, first.get(), end.get()];
            let claimed: u32 = one(self.sql, text, line, |line| get(line, 0))?.unwrap_or_default();
            folder.first_recent = end;
            folder.info.recent = folder.info.recent.saturating_sub(claimed);
            folder.save(self)?;
        }
        Ok(first)
    }

    /// Removes some messages of a mailbox that is gone. Whether there are more.
    pub(super) fn empty(&mut self, mailbox: i64) -> Result<bool> {
        const SOME: i64 = 256;
        let text = "SELECT uid, blob FROM message WHERE mailbox=?1 ORDER BY uid LIMIT ?2";
        let some = super::sql::all(self.sql, text, [mailbox, SOME], |line| {
            Ok((uid(line, 0)?, get::<i64>(line, 1)?))
        })?;
        for (uid, blob) in &some {
            run(self.sql, "DELETE FROM message WHERE mailbox=?1 AND uid=?2", params![mailbox, uid.get()])?;
            index::forget(self.sql, mailbox, *uid)?;
            self.unref(*blob)?;
        }
        if int(some.len() as u64) == SOME {
            return Ok(true);
        }
        for table in ["page", "vanished", "keyword", "emptied"] {
            run(self.sql, &format!("DELETE FROM {table} WHERE mailbox=?1"), [mailbox])?;
        }
        Ok(false)
    }
}
