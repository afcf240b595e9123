//! Annotations and rights.

use mailwire_core::Text;
use mailwire_imap::extensions::{acl::RightsChange, metadata::EntryName};

use super::{
    account::Account,
    folder::{Folder, broken},
    sql::{Sql, all, get, int, nat, one, params, run},
    writer::Tx,
};
use crate::{
    Error, MailboxId, Result,
    kept::{annotations::Annotations, limits::changed_rights},
};

/// So many changes of annotations are remembered.
const MAX_ANNOTATED: u64 = 500;

/// Those of a mailbox, or of the account itself, which is mailbox 0.
pub(super) fn load(sql: &Sql, account: i64, mailbox: i64) -> Result<Annotations> {
    let text = "SELECT name, value FROM annotation WHERE account=?1 AND mailbox=?2";
    let found = all(sql, text, [account, mailbox], |line| {
        let name = EntryName::new(get::<Vec<u8>>(line, 0)?);
        Ok((name.map_err(|_| broken("there is no such annotation"))?, Text::from(get::<Vec<u8>>(line, 1)?)))
    });
    Ok(Annotations::kept(found?))
}

/// Gives a mailbox the annotations of another.
pub(super) fn copy(sql: &Sql, account: &mut Account, from: &Folder, to: &mut Folder) -> Result<()> {
    let text = "INSERT INTO annotation SELECT account, ?3, key, name, value FROM annotation
        WHERE account=?1 AND mailbox=?2";
    run(sql, text, [account.id, from.id, to.id])?;
    to.annotations = from.annotations;
    account.annotations = account.annotations.saturating_add(from.annotations);
    Ok(())
}

impl Tx<'_> {
    pub(super) fn set_metadata(
        &mut self,
        account: i64,
        mailbox: Option<MailboxId>,
        entries: &[(EntryName, Option<Text>)],
    ) -> Result<()> {
        let mut folder = mailbox.map(|mailbox| Folder::load(self.sql, mailbox)).transpose()?;
        let owner = folder.as_ref().map_or(account, |folder| folder.account);
        let mut account = Account::load(self.sql, owner, self.config)?;
        if entries.iter().any(|(name, _)| !name.is_valid()) {
            return Err(Error::Denied("such an annotation cannot be changed here"));
        }
        let place = folder.as_ref().map_or(0, |folder| folder.id);
        let before = load(self.sql, account.id, place)?;
        // Entries of the server that all users see are nobody's to change.
        let after = before.changed(entries, folder.is_some())?;
        let all = account.annotations.saturating_sub(before.bytes()).saturating_add(after.bytes());
        if all > account.limits.annotations && after.bytes() > before.bytes() {
            return Err(Error::OverQuota);
        }
        let mut changed = Vec::new();
        for (name, _) in entries {
            let (key, entry) = after.get(name);
            match entry {
                Some((name, value)) => {
                    let text = "INSERT OR REPLACE INTO annotation VALUES(?1, ?2, ?3, ?4, ?5)";
                    let (name, value) = (name.as_bytes(), value.as_bytes());
                    run(self.sql, text, params![account.id, place, key, name, value])?;
                }
                None if before.contains(name) => {
                    let text = "DELETE FROM annotation WHERE account=?1 AND mailbox=?2 AND key=?3";
                    run(self.sql, text, params![account.id, place, key])?;
                }
                // Of what neither was there nor is, there is nothing to tell: its name can be of any length.
                None => continue,
            }
            changed.push(name);
        }
        account.annotations = all;
        if let Some(folder) = &mut folder {
            folder.annotations = after.bytes();
            folder.save(self)?;
        }
        if !changed.is_empty() {
            let change = int(account.next_change());
            for name in changed {
                let text = "INSERT OR IGNORE INTO annotated VALUES(?1, ?2, ?3, ?4)";
                run(self.sql, text, params![account.id, change, place, name.as_bytes()])?;
            }
            self.forget_annotated(&mut account)?;
        }
        account.save(self)
    }

    /// Forgets the earlier half of the changes: whole ones.
    fn forget_annotated(&mut self, account: &mut Account) -> Result<()> {
        let text = "SELECT count(*) FROM annotated WHERE account=?1";
        let count: i64 = one(self.sql, text, [account.id], |line| get(line, 0))?.unwrap_or_default();
        if nat(count) <= MAX_ANNOTATED {
            return Ok(());
        }
        let late = count - int(MAX_ANNOTATED / 2) - 1;
        let text = "SELECT modseq FROM annotated WHERE account=?1 ORDER BY modseq LIMIT 1 OFFSET ?2";
        if let Some(floor) = one(self.sql, text, [account.id, late], |line| get::<i64>(line, 0))? {
            run(self.sql, "DELETE FROM annotated WHERE account=?1 AND modseq<=?2", [account.id, floor])?;
            account.annotated_floor = nat(floor);
        }
        Ok(())
    }

    /// The owner's rights to a mailbox change.
    pub(super) fn set_rights(&mut self, folder: &Folder, change: RightsChange) -> Result<()> {
        let before = folder.info.rights;
        let after = changed_rights(before, change)?;
        if after != before {
            let mut account = Account::load(self.sql, folder.account, self.config)?;
            let change = int(account.next_change());
            let text = "UPDATE mailbox SET rights=?2, modseq=?3 WHERE id=?1";
            run(self.sql, text, params![folder.id, after.to_string(), change])?;
            account.save(self)?;
        }
        Ok(())
    }
}
