//! Messages come, change their flags, are copied, and go.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use mailwire_imap::types::{FlagSet, ModSeq, Uid, UidValidity};
use tokio_postgres::Row as Line;

use super::{
    lines::{entry, entry_columns, uid},
    save::{Fresh, Told},
    sql::{Query, broken, get, int, lines, number, query, small},
    tx::Tx,
};
use crate::{
    BodyId, Copied, Delivered, Destination, Error, FlagChange, How, InternalDate, MailboxId, MailboxPath,
    Result, Stored, Target, Uids, Which,
    imap::rights::permitted,
    kept::{
        check_uids,
        coming::Staged,
        folder::{Entry, Folder},
        keywords::{Bits, Keywords, Unknown},
        messages::{Copying, FORGOTTEN, KNOWN, flagged, thread_keys},
        mod_seq,
        references::references,
        tables::now,
    },
};

/// A body that is being delivered.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) id: i64,
    pub(super) size: u64,
    /// By what its thread is found.
    pub(super) threads: Vec<Bytes>,
    /// It is not in the tables yet.
    pub(super) fresh: Option<Fresh>,
    /// It may have no message yet.
    pub(super) is_new: bool,
}

impl Body {
    pub(super) fn staged(id: BodyId, staged: &Arc<Staged>) -> Self {
        let id = int(id.get());
        let summary = staged.summary.clone();
        let fresh = |raw: &Bytes| Fresh { size: staged.size, raw: raw.clone(), summary: summary.clone() };
        Self {
            id,
            size: staged.size,
            threads: thread_keys(id, &staged.references),
            fresh: staged.raw.as_ref().map(fresh),
            is_new: true,
        }
    }

    /// A body that has messages, with the begin of it.
    pub(super) fn known(id: BodyId, size: u64, begin: &Bytes) -> Self {
        let id = int(id.get());
        let references = references(begin);
        Self { id, size, threads: thread_keys(id, &references), fresh: None, is_new: false }
    }
}

/// The messages of a set that are there, ascending, at most `limit`.
pub(super) fn look_within(mailbox: i64, uids: &Uids, limit: usize) -> Query {
    let text = concat!(
        "SELECT m.* FROM unnest($2::bigint[], $3::bigint[]) AS run(first, last), LATERAL (SELECT ",
        entry_columns!(),
        " FROM message WHERE mailbox=$1 AND uid BETWEEN run.first AND run.last ORDER BY uid LIMIT $4) m
        ORDER BY m.uid LIMIT $4"
    );
    let (first, last) = ends(uids);
    query!(text, mailbox, first, last, int(limit as u64))
}

/// Those that are `\Deleted`.
fn look_deleted(mailbox: i64, uids: &Uids) -> Query {
    let text = concat!(
        "SELECT m.* FROM unnest($2::bigint[], $3::bigint[]) AS run(first, last), LATERAL (SELECT ",
        entry_columns!(),
        " FROM message WHERE mailbox=$1 AND uid BETWEEN run.first AND run.last AND flags & 8 <> 0 ORDER BY uid) m
        ORDER BY m.uid"
    );
    let (first, last) = ends(uids);
    query!(text, mailbox, first, last)
}

fn ends(uids: &Uids) -> (Vec<i64>, Vec<i64>) {
    uids.ranges().map(|(first, last)| (i64::from(first.get()), i64::from(last.get()))).unzip()
}

pub(super) fn entries(lines: &[Line]) -> Result<Vec<(Uid, Entry)>> {
    lines.iter().map(entry).collect()
}

impl Tx {
    async fn within(&mut self, folder: &Folder, uids: &Uids) -> Result<Vec<(Uid, Entry)>> {
        let found = self.read(vec![look_within(folder.id, uids, usize::MAX)]).await?;
        entries(lines(&found, 0))
    }

    async fn target(&mut self, target: &Target) -> Result<Folder> {
        match target.to {
            Destination::Mailbox(mailbox) => self.folder(int(mailbox.get())).await,
            Destination::Inbox(_) => self.named(&MailboxPath::inbox()).await,
        }
    }

    pub(super) async fn deliver(&mut self, body: &Body, target: &Target, place: i64) -> Result<Delivered> {
        if self.repeated {
            let text = "SELECT mailbox, uid_validity, uid, modseq FROM delivery
                WHERE blob=$1 AND account=$2 AND place=$3";
            let found = self.read(vec![query!(text, body.id, self.account.id, place)]).await?;
            if let Some(line) = lines(&found, 0).first() {
                let uid_validity =
                    UidValidity::new(small(line, 1)?).ok_or_else(|| broken("no UIDVALIDITY"))?;
                let mailbox = MailboxId::new(number(line, 0)?);
                return Ok(Delivered::new(mailbox, uid_validity, uid(line, 2)?, mod_seq(number(line, 3)?)));
            }
        }
        let mut folder = self.target(target).await?;
        check_uids(folder.info.uid_next, 1)?;
        let bits = self.bits(&mut folder, &target.flags, Unknown::Add).await?;
        self.account.reserve(1, body.size)?;
        let change = self.account.next_change();
        let uid = self.put_message(&mut folder, body, target, bits, change).await?;
        let uid_validity = folder.info.uid_validity;
        self.tell(Told {
            blob: body.id,
            place,
            mailbox: folder.id,
            uid_validity: uid_validity.get(),
            uid,
            mod_seq: change,
        });
        let delivered = Delivered::new(folder.info.id, uid_validity, uid, mod_seq(change));
        self.put(folder);
        Ok(delivered)
    }

    async fn put_message(
        &mut self,
        folder: &mut Folder,
        body: &Body,
        target: &Target,
        bits: Bits,
        change: u64,
    ) -> Result<Uid> {
        match &body.fresh {
            Some(fresh) => self.add_body(body.id, fresh.clone()),
            None if self.has_body(body.id) => {}
            None => {
                // The sweeper leaves it alone from now on.
                let text = "SELECT 1 FROM blob WHERE id=$1 AND (refs>0 OR $2) FOR KEY SHARE";
                let found = self.read(vec![query!(text, body.id, body.is_new)]).await?;
                lines(&found, 0).first().ok_or(Error::NoSuchBody)?;
            }
        }
        let entry = Entry {
            mod_seq: change,
            bits,
            date: target.date.unwrap_or_else(InternalDate::now),
            saved: now(),
            size: body.size,
            blob: body.id,
            thread: self.thread_of(body),
        };
        let uid = folder.arrive(&entry);
        self.add_message(folder.id, uid, entry);
        Ok(uid)
    }

    /// Delivers messages and removes one, by one change.
    pub(super) async fn deliver_all(
        &mut self,
        messages: &[(Body, Target)],
        replaced: Option<(MailboxId, Uid)>,
    ) -> Result<Vec<Delivered>> {
        let mut folders: HashMap<i64, Folder> = HashMap::new();
        let mut places = Vec::with_capacity(messages.len());
        for (_, target) in messages {
            let folder = self.target(target).await?;
            places.push(folder.id);
            folders.insert(folder.id, folder);
        }
        let mut going = None;
        if let Some((mailbox, uid)) = replaced {
            let folder = self.folder(int(mailbox.get())).await?;
            let entry = self.within(&folder, &uid.into()).await?.pop().ok_or(Error::NoSuchBody)?;
            going = Some((folder.id, entry));
            folders.entry(folder.id).or_insert(folder);
        }
        let mut bits = Vec::with_capacity(messages.len());
        for ((_, target), place) in messages.iter().zip(&places) {
            let Some(folder) = folders.get_mut(place) else { continue };
            check_uids(folder.info.uid_next, messages.len())?;
            bits.push(self.bits(folder, &target.flags, Unknown::Add).await?);
        }
        // Only what is more in the end counts (RFC 8508 section 3.4).
        if let Some((_, (_, entry))) = &going {
            self.account.release(1, entry.size);
        }
        let size = messages.iter().map(|(body, _)| body.size).fold(0, u64::saturating_add);
        self.account.reserve(messages.len() as u64, size)?;
        let change = self.account.next_change();
        let mut delivered = Vec::with_capacity(messages.len());
        for (((body, target), place), bits) in messages.iter().zip(&places).zip(bits) {
            let Some(folder) = folders.get_mut(place) else { continue };
            let uid = self.put_message(folder, body, target, bits, change).await?;
            delivered.push(Delivered::new(folder.info.id, folder.info.uid_validity, uid, mod_seq(change)));
        }
        if let Some((place, entry)) = going
            && let Some(folder) = folders.get_mut(&place)
        {
            self.remove(folder, &[entry], change);
            self.refer(entry.1.blob, -1);
        }
        folders.into_values().for_each(|folder| self.put(folder));
        Ok(delivered)
    }

    /// Flags as bits of a mailbox. Keywords that are new there are kept, and count.
    async fn bits(&mut self, folder: &mut Folder, flags: &FlagSet, unknown: Unknown) -> Result<Bits> {
        if let Some(bits) = Keywords::system(flags) {
            return Ok(bits);
        }
        let mut known = self.keywords(folder.id).await?;
        let before = known.all().len();
        let bits = folder.bits(&mut self.account, &mut known, flags, unknown)?;
        for (bit, flag) in (before..).zip(known.from(before)) {
            let text = "INSERT INTO keyword VALUES($1, $2, $3)";
            self.write(query!(text, folder.id, int(bit as u64), flag.to_string()));
        }
        self.put_keywords(folder.id, known);
        Ok(bits)
    }

    /// The thread of a message that comes. It never changes: where a message joins two threads, they stay two.
    fn thread_of(&mut self, body: &Body) -> i64 {
        let known = body.threads.iter().find_map(|key| self.thread(key));
        let thread = known.unwrap_or_else(|| {
            self.account.last_thread += 1;
            int(self.account.last_thread)
        });
        for key in &body.threads {
            if self.thread(key).is_none() {
                self.add_thread(key.clone(), thread);
                self.account.thread_keys += 1;
            }
        }
        if self.account.thread_keys > KNOWN {
            let text = "DELETE FROM thread_key WHERE id IN
                (SELECT id FROM thread_key WHERE account=$1 ORDER BY id LIMIT $2)";
            self.write(query!(text, self.account.id, int(FORGOTTEN)));
            self.account.thread_keys = self.account.thread_keys.saturating_sub(FORGOTTEN);
        }
        thread
    }

    pub(super) async fn store(&mut self, mailbox: i64, uids: &Uids, how: &FlagChange) -> Result<Stored> {
        let mut folder = self.folder(mailbox).await?;
        let before = folder.clone();
        let named = self.bits(&mut folder, &how.flags, how.action.into()).await?;
        let mut stored = Stored::new(folder.mod_seq());
        let change = self.account.mod_seq + 1;
        let (mut changed, mut flags, mut keywords) = (Vec::new(), Vec::new(), Vec::new());
        for (uid, entry) in self.within(&folder, uids).await? {
            let Some(bits) = flagged(&mut stored, (uid, &entry), how, named) else { continue };
            folder.flagged(&entry, bits, change);
            changed.push(i64::from(uid.get()));
            flags.push(i16::from(bits.system()));
            keywords.push(int(bits.keywords()));
        }
        if !changed.is_empty() {
            self.account.mod_seq = change;
            stored.mod_seq = mod_seq(change);
            let text = "UPDATE message m SET flags=c.flags, keywords=c.keywords, modseq=$2
                FROM unnest($3::bigint[], $4::smallint[], $5::bigint[]) AS c(uid, flags, keywords)
                WHERE m.mailbox=$1 AND m.uid=c.uid";
            self.write(query!(text, folder.id, int(change), changed, flags, keywords));
        }
        if folder != before {
            self.put(folder);
        }
        Ok(stored)
    }

    /// Takes messages out of a mailbox. Their bodies are the caller's.
    fn remove(&mut self, folder: &mut Folder, messages: &[(Uid, Entry)], change: u64) {
        let uids: Vec<i64> = messages.iter().map(|(uid, _)| i64::from(uid.get())).collect();
        self.write(query!("DELETE FROM message WHERE mailbox=$1 AND uid=ANY($2)", folder.id, uids));
        folder.leave(messages, change);
    }

    /// Removes messages. `holder`: only if this one has the maildrop's lease.
    pub(super) async fn expunge(
        &mut self,
        mailbox: i64,
        uids: &Uids,
        which: Which,
        holder: Option<&[u8]>,
    ) -> Result<ModSeq> {
        let mut folder = self.folder(mailbox).await?;
        if let Some(holder) = holder {
            let text = "SELECT 1 FROM lease WHERE account=$1 AND holder=$2 FOR SHARE";
            let found = self.read(vec![query!(text, self.account.id, holder.to_vec())]).await?;
            lines(&found, 0)
                .first()
                .ok_or_else(|| Error::NotDone("another session has the maildrop by now".to_owned()))?;
        }
        let doomed = match which {
            Which::All => self.within(&folder, uids).await?,
            Which::Deleted => entries(lines(&self.read(vec![look_deleted(folder.id, uids)]).await?, 0))?,
        };
        if !doomed.is_empty() {
            let change = self.account.next_change();
            self.remove(&mut folder, &doomed, change);
            doomed.iter().for_each(|(_, entry)| self.refer(entry.blob, -1));
            self.account.release(doomed.len() as u64, doomed.iter().map(|(_, entry)| entry.size).sum());
            self.put(folder.clone());
        }
        Ok(folder.mod_seq())
    }

    pub(super) async fn copy(&mut self, from: i64, uids: &Uids, to: i64, how: How) -> Result<Copied> {
        let mut source = self.folder(from).await?;
        let mut target = if from == to { None } else { Some(self.folder(to).await?) };
        self.copy_between(&mut source, target.as_mut(), uids, how).await
    }

    /// Copies or moves messages into another mailbox; `None` is the same one.
    pub(super) async fn copy_between(
        &mut self,
        source: &mut Folder,
        mut target: Option<&mut Folder>,
        uids: &Uids,
        how: How,
    ) -> Result<Copied> {
        let messages = self.within(source, uids).await?;
        let into = target.as_deref().unwrap_or(source);
        let copying = Copying::begin(&mut self.account, into, &messages, how)?;
        let (Some(change), saved, rights) = (copying.change, copying.saved, into.info.rights) else {
            return Ok(copying.end(into));
        };
        let known = self.keywords(source.id).await?;
        let mut others: HashMap<Bits, Bits> = HashMap::new();
        for (_, entry) in &messages {
            let into = target.as_deref_mut().unwrap_or(source);
            let bits = match others.get(&entry.bits) {
                Some(bits) => *bits,
                None => {
                    let flags = permitted(&known.set(entry.bits), rights);
                    let bits = self.bits(into, &flags, Unknown::AddSome).await?;
                    others.insert(entry.bits, bits);
                    bits
                }
            };
            let entry = Entry { mod_seq: change, bits, saved, ..*entry };
            let uid = into.arrive(&entry);
            self.add_message(into.id, uid, entry);
        }
        if how == How::Move {
            self.remove(source, &messages, change);
            messages.iter().for_each(|(_, entry)| self.refer(entry.blob, -1));
        }
        self.put(source.clone());
        if let Some(target) = &target {
            self.put(Folder::clone(target));
        }
        Ok(copying.end(target.as_deref().unwrap_or(source)))
    }

    /// Messages below a UID are no longer recent. Gives the first that was until now.
    pub(super) async fn claim(&mut self, mailbox: i64, below: Uid) -> Result<Uid> {
        let mut folder = self.folder(mailbox).await?;
        let first = folder.first_recent;
        let end = first.max(below.min(folder.info.uid_next));
        if end > first {
            let text = "SELECT count(*) FROM message WHERE mailbox=$1 AND uid>=$2 AND uid<$3";
            let line = query!(text, folder.id, i64::from(first.get()), i64::from(end.get()));
            let found = self.read(vec![line]).await?;
            let claimed = lines(&found, 0).first().map(|line| get::<i64>(line, 0)).transpose()?;
            let claimed = u32::try_from(claimed.unwrap_or_default()).unwrap_or(u32::MAX);
            folder.first_recent = end;
            folder.info.recent = folder.info.recent.saturating_sub(claimed);
            self.put(folder);
        }
        Ok(first)
    }
}
