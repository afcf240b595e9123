//! What is in mailboxes, and what happens in them: each look is one snapshot.

use mailwire_imap::types::{Flag, ModSeq, Uid};

use super::{
    Config,
    account::Account,
    folder::{Folder, broken, uid},
    sql::{Sql, all, get, int, nat, one, params},
};
use crate::{
    Changes, Cursor, MailboxId, MailboxPath, Mailboxes, Opened, Result, Uids,
    kept::{
        keywords::{Bits, Keywords},
        maps::Maps,
        mod_seq,
    },
};
use mailwire_imap::extensions::metadata::EntryName;

/// The keywords of a mailbox, by their places.
pub(super) fn keywords(sql: &Sql, mailbox: i64) -> Result<Keywords> {
    let text = "SELECT name FROM keyword WHERE mailbox=?1 ORDER BY bit";
    let all = all(sql, text, [mailbox], |line| {
        Flag::new(get::<String>(line, 0)?).map_err(|_| broken("there is no such keyword"))
    });
    Ok(Keywords::kept(all?))
}

pub(super) fn open(sql: &Sql, maps: &Maps, mailbox: MailboxId, since: Option<Cursor>) -> Result<Opened> {
    let folder = Folder::load(sql, mailbox)?;
    let mut opened = Opened::new(folder.info.clone(), uids(sql, maps, &folder)?);
    opened.first_unseen = folder.first_unseen(sql)?;
    let keywords = keywords(sql, folder.id)?;
    opened.keywords = keywords.all();
    opened.new_keywords = !keywords.is_full();
    opened.changes = since.map(|since| changes(sql, &folder, since, usize::MAX)).transpose()?;
    Ok(opened)
}

/// The UIDs of a mailbox, as the snapshot has it.
fn uids(sql: &Sql, maps: &Maps, folder: &Folder) -> Result<Uids> {
    let known = match maps.get(folder.id) {
        Some(map) => {
            let arrived = || arrived(sql, folder, map.uid_next);
            map.now(folder, arrived, || vanished(sql, folder, map.at))?
        }
        None => None,
    };
    let uids = known.map_or_else(|| folder.uids(sql, Uid::MIN), Ok)?;
    maps.keep(folder, &uids);
    Ok(uids)
}

/// The feed. It is a query over what there is, and over a log of what is gone.
pub(super) fn changes(sql: &Sql, folder: &Folder, after: Cursor, limit: usize) -> Result<Changes> {
    let info = &folder.info;
    let mut changes = Changes::new(Cursor::new(folder.mod_seq(), info.uid_next));
    if after.mod_seq() >= folder.mod_seq() && !after.is_before(folder.mod_seq(), Uid::MAX) {
        return Ok(changes);
    }
    changes.arrived = arrived(sql, folder, after.uid_next())?;
    changes.vanished = if after.vanished().get() < folder.vanished_floor {
        let known = Uids::below(after.uid_next().min(info.uid_next));
        known.difference(&folder.uids(sql, Uid::MIN)?)
    } else {
        vanished(sql, folder, after.vanished())?
    };
    let text = "SELECT uid, modseq, flags, keywords FROM message INDEXED BY message_modseq
        WHERE mailbox=?1 AND (modseq, uid) > (?2, ?3) AND uid < ?4 ORDER BY modseq, uid LIMIT ?5";
    let (number, within) = (int(after.mod_seq().get()), after.last_within().get());
    // Of `Uid::MAX`, which is never given, all messages are below.
    let line =
        params![folder.id, number, within, after.uid_next().get(), int(limit as u64).saturating_add(1)];
    let mut told = all(sql, text, line, |line| {
        let bits = Bits::new(get(line, 2)?, get(line, 3).map(nat)?);
        Ok((uid(line, 0)?, mod_seq(get(line, 1).map(nat)?), bits))
    })?;
    changes.more = told.len() > limit;
    told.truncate(limit);
    if let Some(&(last, at, _)) = told.last().filter(|_| changes.more) {
        changes.cursor = changes.cursor.within(at, last);
    }
    let has_keywords = told.iter().any(|(.., bits)| bits.keywords() != 0);
    let keywords = if has_keywords { keywords(sql, folder.id)? } else { Keywords::default() };
    changes.flags = told.into_iter().map(|(uid, at, bits)| (uid, at, keywords.set(bits))).collect();
    Ok(changes)
}

/// The messages that there are of those that came from a UID on.
pub(super) fn arrived(sql: &Sql, folder: &Folder, from: Uid) -> Result<Uids> {
    if from < folder.info.uid_next { folder.uids(sql, from) } else { Ok(Uids::new()) }
}

/// What is gone since a change, if that is remembered.
pub(super) fn vanished(sql: &Sql, folder: &Folder, since: ModSeq) -> Result<Uids> {
    let text = "SELECT first, last FROM vanished WHERE mailbox=?1 AND modseq>?2";
    let runs = all(sql, text, [folder.id, int(since.get())], |line| Ok((uid(line, 0)?, uid(line, 1)?)))?;
    Ok(runs.into_iter().collect())
}

pub(super) fn mailboxes(sql: &Sql, config: &Config, account: i64, after: ModSeq) -> Result<Mailboxes> {
    let account = Account::load(sql, account, config)?;
    let after = after.get();
    let mut changed = Mailboxes::new(mod_seq(account.mod_seq));
    changed.complete = after == 0 || after < account.gone_floor;
    let from = if changed.complete { 0 } else { after };
    let folders = Folder::changed(sql, account.id, from)?;
    changed.mailboxes = folders.into_iter().map(|folder| folder.info).collect();
    let text = "SELECT id FROM mailbox WHERE account=?1 AND name IS NULL AND gone>?2";
    changed.gone =
        all(sql, text, [account.id, int(after)], |line| Ok(MailboxId::new(get(line, 0).map(nat)?)))?;
    if changed.complete || account.subscribed_at > after {
        let text = "SELECT name FROM subscription WHERE account=?1 ORDER BY name";
        let names = all(sql, text, [account.id], |line| MailboxPath::new(&get::<String>(line, 0)?))?;
        changed.subscriptions = Some(names);
    }
    changed.annotations = None;
    if after == 0 || after >= account.annotated_floor {
        let text = "SELECT mailbox, name FROM annotated WHERE account=?1 AND modseq>?2 ORDER BY modseq DESC";
        let found = all(sql, text, [account.id, int(after)], |line| {
            Ok((get::<i64>(line, 0)?, EntryName::new(get::<Vec<u8>>(line, 1)?)))
        })?;
        let is_there = "SELECT 1 FROM mailbox WHERE id=?1 AND gone IS NULL";
        let mut told = Vec::new();
        for (mailbox, name) in found {
            let Ok(name) = name else { continue };
            if mailbox == 0 {
                told.push((None, name));
            } else if one(sql, is_there, [mailbox], |_| Ok(()))?.is_some() {
                told.push((Some(MailboxId::new(nat(mailbox))), name));
            }
        }
        changed.annotations = Some(told);
    }
    Ok(changed)
}
