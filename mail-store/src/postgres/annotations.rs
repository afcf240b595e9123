//! Annotations and rights.

use mailwire_core::Text;
use mailwire_imap::extensions::{acl::RightsChange, metadata::EntryName};
use tokio_postgres::Row as Line;

use super::{
    sql::{Query, broken, get, int, lines, query},
    tx::Tx,
};
use crate::{
    Error, Result,
    kept::{annotations::Annotations, folder::Folder, limits::changed_rights, mod_seq},
};

/// So many changes of annotations are remembered.
const MAX_ANNOTATED: u64 = 500;

/// Those of a mailbox, or of the account itself, which is mailbox 0.
pub(super) fn look(account: i64, mailbox: i64) -> Query {
    query!("SELECT name, value FROM annotation WHERE account=$1 AND mailbox=$2", account, mailbox)
}

pub(super) fn annotations(lines: &[Line]) -> Result<Annotations> {
    let one = |line: &Line| {
        let name = EntryName::new(get::<Vec<u8>>(line, 0)?);
        Ok((name.map_err(|_| broken("there is no such annotation"))?, Text::from(get::<Vec<u8>>(line, 1)?)))
    };
    Ok(Annotations::kept(lines.iter().map(one).collect::<Result<_>>()?))
}

impl Tx {
    /// Gives a mailbox the annotations of another.
    pub(super) fn copy_annotations(&mut self, from: &Folder, to: &mut Folder) {
        let text = "INSERT INTO annotation SELECT account, $3, key, name, value FROM annotation
            WHERE account=$1 AND mailbox=$2";
        self.write(query!(text, self.account.id, from.id, to.id));
        to.annotations = from.annotations;
        self.account.annotations = self.account.annotations.saturating_add(from.annotations);
    }

    pub(super) async fn set_metadata(
        &mut self,
        mailbox: Option<i64>,
        entries: &[(EntryName, Option<Text>)],
    ) -> Result<()> {
        let folder = match mailbox {
            Some(mailbox) => Some(self.folder(mailbox).await?),
            None => None,
        };
        if entries.iter().any(|(name, _)| !name.is_valid()) {
            return Err(Error::Denied("such an annotation cannot be changed here"));
        }
        let (account, place) = (self.account.id, mailbox.unwrap_or(0));
        let before = annotations(lines(&self.read(vec![look(account, place)]).await?, 0))?;
        // Entries of the server that all users see are nobody's to change.
        let after = before.changed(entries, folder.is_some())?;
        let all = self.account.annotations.saturating_sub(before.bytes()).saturating_add(after.bytes());
        if all > self.account.limits.annotations && after.bytes() > before.bytes() {
            return Err(Error::OverQuota);
        }
        let mut changed = Vec::new();
        for (name, _) in entries {
            let (key, entry) = after.get(name);
            match entry {
                Some((name, value)) => {
                    let text = "INSERT INTO annotation VALUES($1, $2, $3, $4, $5)
                        ON CONFLICT (account, mailbox, key) DO UPDATE SET name=excluded.name, value=excluded.value";
                    let (name, value) = (name.as_bytes().to_vec(), value.as_bytes().to_vec());
                    self.write(query!(text, account, place, key, name, value));
                }
                None if before.contains(name) => {
                    let text = "DELETE FROM annotation WHERE account=$1 AND mailbox=$2 AND key=$3";
                    self.write(query!(text, account, place, key));
                }
                // Of what neither was there nor is, there is nothing to tell: its name can be of any length.
                None => continue,
            }
            changed.push(name.as_bytes().to_vec());
        }
        self.account.annotations = all;
        if let Some(mut folder) = folder {
            folder.annotations = after.bytes();
            self.put(folder);
        }
        if !changed.is_empty() {
            let change = int(self.account.next_change());
            let text =
                "INSERT INTO annotated SELECT $1, $2, $3, * FROM unnest($4::bytea[]) ON CONFLICT DO NOTHING";
            self.write(query!(text, account, change, place, changed));
            self.forget_annotated().await?;
        }
        Ok(())
    }

    /// Forgets the earlier half of the changes: whole ones.
    async fn forget_annotated(&mut self) -> Result<()> {
        let text = "SELECT modseq FROM annotated WHERE account=$1 ORDER BY modseq";
        let found = self.read(vec![query!(text, self.account.id)]).await?;
        let changes = lines(&found, 0);
        if changes.len() as u64 <= MAX_ANNOTATED {
            return Ok(());
        }
        if let Some(line) = changes.get(changes.len() - MAX_ANNOTATED as usize / 2 - 1) {
            let floor: i64 = get(line, 0)?;
            let text = "DELETE FROM annotated WHERE account=$1 AND modseq<=$2";
            self.write(query!(text, self.account.id, floor));
            self.account.annotated_floor = super::sql::nat(floor);
        }
        Ok(())
    }

    /// The owner's rights to a mailbox change.
    pub(super) async fn set_rights(&mut self, mailbox: i64, change: RightsChange) -> Result<()> {
        let mut folder = self.folder(mailbox).await?;
        let after = changed_rights(folder.info.rights, change)?;
        if after != folder.info.rights {
            folder.info.rights = after;
            folder.info.mod_seq = mod_seq(self.account.next_change());
            self.write(query!("UPDATE mailbox SET rights=$2 WHERE id=$1", folder.id, after.to_string()));
            self.put(folder);
        }
        Ok(())
    }
}
