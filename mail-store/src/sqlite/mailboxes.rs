//! Mailboxes come, go, and get other names.

use mailwire_core::Text;
use mailwire_imap::{
    extensions::acl::Rights,
    types::{ModSeq, Uid},
};

use super::{
    account::Account,
    annotations,
    folder::Folder,
    sql::{all, get, int, nat, one, params, run},
    writer::Tx,
};
use crate::{
    DELIMITER, Error, How, MAX_COPIED, MailboxChange, MailboxPath, Result, Uids,
    kept::{limits::check_use, mod_seq},
};

/// So many mailboxes are remembered as gone.
const MAX_GONE: u64 = 1000;
/// A mailbox with more messages than this is emptied later.
const MANY: u32 = 1000;

/// Whether there is a mailbox of this name.
fn exists(tx: &Tx<'_>, account: &Account, name: &str) -> Result<bool> {
    let text = "SELECT 1 FROM mailbox WHERE account=?1 AND name=?2";
    Ok(one(tx.sql, text, params![account.id, name], |_| Ok(()))?.is_some())
}

/// The names below one.
fn below(tx: &Tx<'_>, account: &Account, path: &MailboxPath) -> Result<Vec<String>> {
    // What comes after the delimiter.
    let (first, end) = (format!("{path}{DELIMITER}"), format!("{path}0"));
    let text = "SELECT name FROM mailbox WHERE account=?1 AND name>=?2 AND name<?3 ORDER BY name";
    all(tx.sql, text, params![account.id, first, end], |line| get(line, 0))
}

impl Tx<'_> {
    pub(super) fn alter(&mut self, account: i64, change: MailboxChange) -> Result<ModSeq> {
        let mut account = Account::load(self.sql, account, self.config)?;
        let before = account.mod_seq;
        match change {
            MailboxChange::Create { path, special_use } => self.create(&mut account, &path, special_use)?,
            MailboxChange::Delete(path) => self.delete(&mut account, &path)?,
            MailboxChange::Rename { from, to } => self.rename(&mut account, &from, &to)?,
            MailboxChange::Subscribe(path) => {
                let text = "SELECT count(*) FROM subscription WHERE account=?1";
                let count: i64 = one(self.sql, text, [account.id], |line| get(line, 0))?.unwrap_or_default();
                if nat(count) >= account.limits.mailboxes as u64 {
                    return Err(Error::OverQuota);
                }
                let text = "INSERT INTO subscription VALUES(?1, ?2) ON CONFLICT DO NOTHING";
                if run(self.sql, text, params![account.id, path.as_str()])? > 0 {
                    account.subscribed_at = account.next_change();
                }
            }
            MailboxChange::Unsubscribe(path) => {
                let text = "DELETE FROM subscription WHERE account=?1 AND name=?2";
                if run(self.sql, text, params![account.id, path.as_str()])? > 0 {
                    account.subscribed_at = account.next_change();
                }
            }
        }
        if account.mod_seq != before {
            account.save(self)?;
        }
        Ok(mod_seq(account.mod_seq))
    }

    pub(super) fn create(
        &mut self,
        account: &mut Account,
        path: &MailboxPath,
        special_use: Option<Text>,
    ) -> Result<()> {
        if exists(self, account, path.as_str())? {
            return Err(Error::MailboxExists);
        }
        check_use(special_use.as_ref())?;
        self.create_levels(account, path.parents().chain([path.as_str()]))?;
        if let Some(special_use) = special_use {
            let text = "UPDATE mailbox SET special_use=?3 WHERE account=?1 AND name=?2";
            run(self.sql, text, params![account.id, path.as_str(), special_use.as_bytes()])?;
        }
        Ok(())
    }

    /// Makes those of the mailboxes that are missing: all or none.
    fn create_levels<'a>(
        &mut self,
        account: &mut Account,
        levels: impl Iterator<Item = &'a str>,
    ) -> Result<()> {
        let mut missing = Vec::new();
        for name in levels {
            if !exists(self, account, name)? {
                missing.push(name);
            }
        }
        let count = account.mailboxes.saturating_add(missing.len() as u64);
        if count > account.limits.mailboxes as u64 {
            return Err(Error::OverQuota);
        }
        account.mailboxes = count;
        for name in missing {
            let uid_validity = account.uid_validity().get();
            let change = int(account.next_change());
            let text =
                "INSERT INTO mailbox(account, name, uid_validity, modseq, rights) VALUES(?1, ?2, ?3, ?4, ?5)";
            let rights = Rights::ALL.to_string();
            run(self.sql, text, params![account.id, name, uid_validity, change, rights])?;
        }
        Ok(())
    }

    fn delete(&mut self, account: &mut Account, path: &MailboxPath) -> Result<()> {
        if path.is_inbox() {
            return Err(Error::Inbox);
        }
        let Some(folder) = Folder::find(self.sql, account.id, path.as_str())? else {
            let has_children = !below(self, account, path)?.is_empty();
            return Err(if has_children { Error::HasChildren } else { Error::NoSuchMailbox });
        };
        account.release(folder.info.messages.into(), folder.info.bytes.saturating_add(folder.keyword_bytes));
        account.annotations = account.annotations.saturating_sub(folder.annotations);
        account.mailboxes = account.mailboxes.saturating_sub(1);
        let change = int(account.next_change());
        // It stays as a tombstone, and its number is never given again.
        let text = "UPDATE mailbox SET name=NULL, gone=?2, url_key=NULL WHERE id=?1";
        run(self.sql, text, [folder.id, change])?;
        run(self.sql, "DELETE FROM annotation WHERE account=?1 AND mailbox=?2", [account.id, folder.id])?;
        run(self.sql, "INSERT INTO emptied VALUES(?1)", [folder.id])?;
        if folder.info.messages <= MANY {
            while self.empty(folder.id)? {}
        } else {
            self.sweeps = true;
        }
        self.forget_gone(account)
    }

    /// Forgets the earlier half of the mailboxes that are gone.
    fn forget_gone(&mut self, account: &mut Account) -> Result<()> {
        let text = "SELECT count(*) FROM mailbox WHERE account=?1 AND name IS NULL";
        let count: i64 = one(self.sql, text, [account.id], |line| get(line, 0))?.unwrap_or_default();
        if nat(count) <= MAX_GONE {
            return Ok(());
        }
        let late = count - int(MAX_GONE / 2) - 1;
        let text =
            "SELECT gone FROM mailbox WHERE account=?1 AND name IS NULL ORDER BY gone LIMIT 1 OFFSET ?2";
        if let Some(floor) = one(self.sql, text, [account.id, late], |line| get::<i64>(line, 0))? {
            let text = "DELETE FROM mailbox WHERE account=?1 AND name IS NULL AND gone<=?2";
            run(self.sql, text, [account.id, floor])?;
            account.gone_floor = nat(floor);
        }
        Ok(())
    }

    fn rename(&mut self, account: &mut Account, from: &MailboxPath, to: &MailboxPath) -> Result<()> {
        if exists(self, account, to.as_str())? {
            return Err(Error::MailboxExists);
        }
        if from.is_inbox() {
            return self.rename_inbox(account, to);
        }
        if to.is_below(from) {
            return Err(Error::MailboxName("it lies below the mailbox itself"));
        }
        let mut renamed = Vec::new();
        let own = exists(self, account, from.as_str())?.then(|| from.as_str().to_owned());
        for name in own.into_iter().chain(below(self, account, from)?) {
            let target = MailboxPath::new(&name)?.renamed(from, to)?;
            if exists(self, account, target.as_str())? {
                return Err(Error::MailboxExists);
            }
            renamed.push((name, target));
        }
        if renamed.is_empty() {
            return Err(Error::NoSuchMailbox);
        }
        self.create_levels(account, to.parents())?;
        let change = int(account.next_change());
        for (name, target) in renamed {
            let text = "UPDATE mailbox SET name=?3, modseq=?4 WHERE account=?1 AND name=?2";
            run(self.sql, text, params![account.id, name, target.as_str(), change])?;
        }
        Ok(())
    }

    /// Its messages move; it stays (RFC 9051 section 6.3.6).
    fn rename_inbox(&mut self, account: &mut Account, to: &MailboxPath) -> Result<()> {
        let mut inbox = Folder::named(self.sql, account.id, &MailboxPath::inbox())?;
        if inbox.info.messages > MAX_COPIED {
            return Err(Error::Limit("messages at once"));
        }
        self.create(account, to, None)?;
        let mut other = Folder::named(self.sql, account.id, to)?;
        // They stay there, too (RFC 5464 section 4.1), as far as there is room.
        if account.annotations.saturating_add(inbox.annotations) <= account.limits.annotations {
            annotations::copy(self.sql, account, &inbox, &mut other)?;
        }
        self.copy_between(account, &mut inbox, Some(&mut other), &Uids::below(Uid::MAX), How::Move).map(drop)
    }
}
