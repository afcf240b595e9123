//! What is in mailboxes, and what happens in them: each look is one snapshot.

use mailwire_imap::{
    extensions::metadata::EntryName,
    types::{ModSeq, Uid},
};

use super::{
    Inner,
    lines::{
        bits, folder, folder_columns, keywords, look_at_account, look_at_folder, look_at_keywords,
        look_at_map, map, uid,
    },
    sql::{Query, get, int, lines, nat, number, query},
};
use crate::{Changes, Cursor, Error, MailboxId, MailboxPath, Mailboxes, Opened, Result, Uids, kept::mod_seq};
use tokio_postgres::Row as Line;

/// Flags that were changed.
fn look_at_flags(mailbox: i64, after: Cursor, limit: usize) -> Query {
    let flags = "SELECT uid, modseq, flags, keywords FROM message
        WHERE mailbox=$1 AND (modseq, uid) > ($2, $3) AND uid < $4 ORDER BY modseq, uid LIMIT $5";
    let (number, within) = (int(after.mod_seq().get()), i64::from(after.last_within().get()));
    // Of `Uid::MAX`, which is never given, all messages are below.
    let below = i64::from(after.uid_next().get());
    query!(flags, mailbox, number, within, below, int(limit as u64).saturating_add(1))
}

/// What is gone.
fn look_at_gone(mailbox: i64, after: ModSeq) -> Query {
    let gone = "SELECT first, last, modseq FROM vanished WHERE mailbox=$1 AND modseq>$2";
    query!(gone, mailbox, int(after.get()))
}

/// What is gone after a change.
fn gone(lines: &[Line], after: ModSeq) -> Result<Uids> {
    let mut gone = Vec::new();
    for line in lines {
        if number(line, 2)? > after.get() {
            gone.push((uid(line, 0)?, uid(line, 1)?));
        }
    }
    Ok(gone.into_iter().collect())
}

/// What happened. `uids`: those that there are, at least from where the cursor is, or all if it is from before what is
/// remembered as gone.
fn changes(
    folder: &crate::kept::folder::Folder,
    after: Cursor,
    limit: usize,
    uids: &Uids,
    [flags, lost, names]: [&[Line]; 3],
) -> Result<Changes> {
    let info = &folder.info;
    let mut changes = Changes::new(Cursor::new(folder.mod_seq(), info.uid_next));
    if after.uid_next() < info.uid_next {
        changes.arrived = uids.difference(&Uids::below(after.uid_next()));
    }
    changes.vanished = if after.vanished().get() < folder.vanished_floor {
        let known = Uids::below(after.uid_next().min(info.uid_next));
        known.difference(uids)
    } else {
        gone(lost, after.vanished())?
    };
    let told = |line: &Line| Ok((uid(line, 0)?, mod_seq(number(line, 1)?), bits(line, 2, 3)?));
    let mut told = flags.iter().map(told).collect::<Result<Vec<_>>>()?;
    changes.more = told.len() > limit;
    told.truncate(limit);
    if let Some(&(last, at, _)) = told.last().filter(|_| changes.more) {
        changes.cursor = changes.cursor.within(at, last);
    }
    let keywords = keywords(names, folder.id)?;
    changes.flags = told.into_iter().map(|(uid, at, bits)| (uid, at, keywords.set(bits))).collect();
    Ok(changes)
}

impl Inner {
    pub(super) async fn open(&self, mailbox: MailboxId, since: Option<Cursor>) -> Result<Opened> {
        let id = int(mailbox.get());
        let unseen = "SELECT uid FROM message WHERE mailbox=$1 AND flags & 1 = 0 ORDER BY uid LIMIT 1";
        let mut kept = self.maps.get(id);
        let (found, folder, uids) = loop {
            // What has come and gone since the map was kept, or all there is.
            let from = kept.as_ref().map_or(Uid::MIN, |map| map.uid_next);
            let since_when = [kept.as_ref().map(|map| map.at), since.map(|since| since.vanished())];
            let mut look = vec![look_at_folder(mailbox), look_at_keywords(vec![id]), query!(unseen, id)];
            look.push(look_at_map(id, from));
            look.extend(since_when.into_iter().flatten().min().map(|after| look_at_gone(id, after)));
            look.extend(since.map(|since| look_at_flags(id, since, usize::MAX)));
            let found = self.ask(look).await?;
            let folder = folder(lines(&found, 0).first().ok_or(Error::NoSuchMailbox)?)?;
            let there = || map(lines(&found, 3), from);
            let uids = match &kept {
                Some(known) => known.now(&folder, there, || gone(lines(&found, 4), known.at))?,
                None => Some(there()?),
            };
            match uids {
                Some(uids) => break (found, folder, uids),
                None => kept = None,
            }
        };
        self.maps.keep(&folder, &uids);
        let mut opened = Opened::new(folder.info.clone(), uids);
        opened.first_unseen = lines(&found, 2).first().map(|line| uid(line, 0)).transpose()?;
        let keywords = keywords(lines(&found, 1), id)?;
        opened.keywords = keywords.all();
        opened.new_keywords = !keywords.is_full();
        let told = |since| {
            let parts = [lines(&found, 5), lines(&found, 4), lines(&found, 1)];
            changes(&folder, since, usize::MAX, &opened.uids, parts)
        };
        opened.changes = since.map(told).transpose()?;
        Ok(opened)
    }

    /// The feed. It is a query over what there is, and over a log of what is gone.
    pub(super) async fn changes(&self, mailbox: MailboxId, after: Cursor, limit: usize) -> Result<Changes> {
        let gone = || {
            let mut changes = Changes::new(after);
            changes.gone = true;
            changes
        };
        // Most often there is nothing.
        let found = self.ask(vec![look_at_folder(mailbox)]).await?;
        let Some(line) = lines(&found, 0).first() else { return Ok(gone()) };
        let seen = folder(line)?;
        if after.mod_seq() >= seen.mod_seq() && !after.is_before(seen.mod_seq(), Uid::MAX) {
            return Ok(Changes::new(Cursor::new(seen.mod_seq(), seen.info.uid_next)));
        }
        let mut whole = after.vanished().get() < seen.vanished_floor;
        loop {
            let from = if whole { Uid::MIN } else { after.uid_next().min(seen.info.uid_next) };
            let mut look = vec![look_at_folder(mailbox), look_at_keywords(vec![seen.id])];
            look.extend([
                look_at_flags(seen.id, after, limit),
                look_at_gone(seen.id, after.vanished()),
                look_at_map(seen.id, from),
            ]);
            let found = self.ask(look).await?;
            let Some(line) = lines(&found, 0).first() else { return Ok(gone()) };
            let now = folder(line)?;
            // It rises seldom, and more seldom in between.
            if !whole && after.vanished().get() < now.vanished_floor {
                whole = true;
                continue;
            }
            let uids = map(lines(&found, 4), from)?;
            let parts = [lines(&found, 2), lines(&found, 3), lines(&found, 1)];
            return changes(&now, after, limit, &uids, parts);
        }
    }

    pub(super) async fn mailboxes(&self, account: i64, after: ModSeq) -> Result<Mailboxes> {
        let after = after.get();
        let since = int(after);
        let changed = concat!(
            "SELECT ",
            folder_columns!(),
            " FROM mailbox WHERE account=$1 AND name IS NOT NULL AND modseq >
                (SELECT CASE WHEN $2 < a.gone_floor THEN 0 ELSE $2 END FROM account a WHERE a.id=$1) ORDER BY name"
        );
        let annotated = "SELECT d.mailbox, d.name FROM annotated d WHERE d.account=$1 AND d.modseq>$2
            AND (d.mailbox=0 OR EXISTS (SELECT 1 FROM mailbox m WHERE m.id=d.mailbox AND m.gone IS NULL))
            ORDER BY d.modseq DESC";
        let found = self
            .ask(vec![
                look_at_account(account),
                query!(changed, account, since),
                query!(
                    "SELECT id FROM mailbox WHERE account=$1 AND name IS NULL AND gone>$2",
                    account,
                    since
                ),
                query!("SELECT name FROM subscription WHERE account=$1 ORDER BY name", account),
                query!(annotated, account, since),
            ])
            .await?;
        let account = lines(&found, 0).first().ok_or(Error::NoSuchAccount)?;
        let account = super::lines::account(account, &self.config)?;
        let mut changed = Mailboxes::new(mod_seq(account.mod_seq));
        changed.complete = after == 0 || after < account.gone_floor;
        for line in lines(&found, 1) {
            changed.mailboxes.push(folder(line)?.info);
        }
        for line in lines(&found, 2) {
            changed.gone.push(MailboxId::new(number(line, 0)?));
        }
        if changed.complete || account.subscribed_at > after {
            let names = lines(&found, 3).iter().map(|line| MailboxPath::new(&get::<String>(line, 0)?));
            changed.subscriptions = Some(names.collect::<Result<_>>()?);
        }
        changed.annotations = None;
        if after == 0 || after >= account.annotated_floor {
            let mut told = Vec::new();
            for line in lines(&found, 4) {
                let mailbox: i64 = get(line, 0)?;
                let Ok(name) = EntryName::new(get::<Vec<u8>>(line, 1)?) else { continue };
                told.push(((mailbox != 0).then(|| MailboxId::new(nat(mailbox))), name));
            }
            changed.annotations = Some(told);
        }
        Ok(changed)
    }
}
