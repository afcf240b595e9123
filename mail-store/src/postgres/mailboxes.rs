//! Mailboxes come, go, and get other names.

use mailwire_core::Text;
use mailwire_imap::{
    extensions::acl::Rights,
    types::{ModSeq, Uid},
};

use super::{
    sql::{Query, get, int, lines, number, query},
    tx::Tx,
};
use crate::{
    DELIMITER, Error, How, MAX_COPIED, MailboxChange, MailboxPath, Result, Uids,
    kept::{limits::check_use, mod_seq},
};

/// So many mailboxes are remembered as gone.
const MAX_GONE: u64 = 1000;
/// A mailbox with more messages than this is emptied later.
const MANY: u32 = 1000;

/// Removes what is left of mailboxes whose messages are gone.
pub(super) fn empty(mailboxes: Vec<i64>) -> [Query; 3] {
    [
        query!("DELETE FROM page WHERE mailbox=ANY($1)", mailboxes.clone()),
        query!("DELETE FROM vanished WHERE mailbox=ANY($1)", mailboxes.clone()),
        query!("DELETE FROM keyword WHERE mailbox=ANY($1)", mailboxes),
    ]
}

impl Tx {
    pub(super) async fn alter(&mut self, change: &MailboxChange) -> Result<ModSeq> {
        match change {
            MailboxChange::Create { path, special_use } => self.create(path, special_use.as_ref()).await?,
            MailboxChange::Delete(path) => self.delete(path).await?,
            MailboxChange::Rename { from, to } => self.rename(from, to).await?,
            MailboxChange::Subscribe(path) => {
                let text =
                    "SELECT count(*), count(*) FILTER (WHERE name=$2) FROM subscription WHERE account=$1";
                let look = query!(text, self.account.id, path.as_str().to_owned());
                let found = self.read(vec![look]).await?;
                let line =
                    lines(&found, 0).first().ok_or_else(|| super::sql::broken("nothing was counted"))?;
                if number(line, 0)? >= self.account.limits.mailboxes as u64 {
                    return Err(Error::OverQuota);
                }
                if number(line, 1)? == 0 {
                    let text = "INSERT INTO subscription VALUES($1, $2)";
                    self.write(query!(text, self.account.id, path.as_str().to_owned()));
                    self.account.subscribed_at = self.account.next_change();
                }
            }
            MailboxChange::Unsubscribe(path) => {
                let text = "DELETE FROM subscription WHERE account=$1 AND name=$2 RETURNING 1";
                let gone = query!(text, self.account.id, path.as_str().to_owned());
                if !self.write_and_read(gone).await?.is_empty() {
                    self.account.subscribed_at = self.account.next_change();
                }
            }
        }
        Ok(mod_seq(self.account.mod_seq))
    }

    /// The names below one.
    async fn below(&mut self, path: &MailboxPath) -> Result<Vec<String>> {
        // What comes after the delimiter.
        let (first, end) = (format!("{path}{DELIMITER}"), format!("{path}0"));
        let text = "SELECT name FROM mailbox WHERE account=$1 AND name>=$2 AND name<$3 ORDER BY name";
        let found = self.read(vec![query!(text, self.account.id, first, end)]).await?;
        lines(&found, 0).iter().map(|line| get(line, 0)).collect()
    }

    async fn create(&mut self, path: &MailboxPath, special_use: Option<&Text>) -> Result<()> {
        if self.find(path.as_str()).await?.is_some() {
            return Err(Error::MailboxExists);
        }
        check_use(special_use)?;
        self.create_levels(path.parents().chain([path.as_str()])).await?;
        if let Some(special_use) = special_use {
            let text = "UPDATE mailbox SET special_use=$3 WHERE account=$1 AND name=$2";
            let path = path.as_str().to_owned();
            self.write(query!(text, self.account.id, path, special_use.as_bytes().to_vec()));
        }
        Ok(())
    }

    /// Makes those of the mailboxes that are missing: all or none.
    async fn create_levels(&mut self, levels: impl Iterator<Item = &str> + Send) -> Result<()> {
        let mut missing = Vec::new();
        for name in levels {
            if self.find(name).await?.is_none() {
                missing.push(name.to_owned());
            }
        }
        let count = self.account.mailboxes.saturating_add(missing.len() as u64);
        if count > self.account.limits.mailboxes as u64 {
            return Err(Error::OverQuota);
        }
        self.account.mailboxes = count;
        for name in missing {
            let uid_validity = i64::from(self.account.uid_validity().get());
            let change = int(self.account.next_change());
            let text =
                "INSERT INTO mailbox(account, name, uid_validity, modseq, rights) VALUES($1, $2, $3, $4, $5)";
            self.write(query!(text, self.account.id, name, uid_validity, change, Rights::ALL.to_string()));
        }
        Ok(())
    }

    async fn delete(&mut self, path: &MailboxPath) -> Result<()> {
        if path.is_inbox() {
            return Err(Error::Inbox);
        }
        let Some(folder) = self.find(path.as_str()).await? else {
            let has_children = !self.below(path).await?.is_empty();
            return Err(if has_children { Error::HasChildren } else { Error::NoSuchMailbox });
        };
        let account = &mut self.account;
        account.release(folder.info.messages.into(), folder.info.bytes.saturating_add(folder.keyword_bytes));
        account.annotations = account.annotations.saturating_sub(folder.annotations);
        account.mailboxes = account.mailboxes.saturating_sub(1);
        let change = int(account.next_change());
        let account = account.id;
        // It stays as a tombstone, and its number is never given again.
        let text = "UPDATE mailbox SET name=NULL, gone=$2, url_key=NULL WHERE id=$1";
        self.write(query!(text, folder.id, change));
        self.write(query!("DELETE FROM annotation WHERE account=$1 AND mailbox=$2", account, folder.id));
        if folder.info.messages > MANY {
            // The sweeper takes them.
            self.write(query!("INSERT INTO emptied VALUES($1)", folder.id));
        } else {
            let gone = query!("DELETE FROM message WHERE mailbox=$1 RETURNING blob", folder.id);
            for line in self.write_and_read(gone).await? {
                self.refer(get(&line, 0)?, -1);
            }
            empty(vec![folder.id]).into_iter().for_each(|query| self.write(query));
        }
        self.forget(folder.id);
        self.forget_gone().await
    }

    /// Forgets the earlier half of the mailboxes that are gone.
    async fn forget_gone(&mut self) -> Result<()> {
        let text = "SELECT gone FROM mailbox WHERE account=$1 AND name IS NULL ORDER BY gone";
        let found = self.read(vec![query!(text, self.account.id)]).await?;
        let gone = lines(&found, 0);
        if gone.len() as u64 <= MAX_GONE {
            return Ok(());
        }
        let late = gone.len() - MAX_GONE as usize / 2 - 1;
        if let Some(line) = gone.get(late) {
            let floor: i64 = get(line, 0)?;
            let text = "DELETE FROM mailbox WHERE account=$1 AND name IS NULL AND gone<=$2";
            self.write(query!(text, self.account.id, floor));
            self.account.gone_floor = super::sql::nat(floor);
        }
        Ok(())
    }

    async fn rename(&mut self, from: &MailboxPath, to: &MailboxPath) -> Result<()> {
        if self.find(to.as_str()).await?.is_some() {
            return Err(Error::MailboxExists);
        }
        if from.is_inbox() {
            return self.rename_inbox(to).await;
        }
        if to.is_below(from) {
            return Err(Error::MailboxName("it lies below the mailbox itself"));
        }
        let own = self.find(from.as_str()).await?.map(|_| from.as_str().to_owned());
        let mut renamed = Vec::new();
        for name in own.into_iter().chain(self.below(from).await?) {
            let target = MailboxPath::new(&name)?.renamed(from, to)?;
            if self.find(target.as_str()).await?.is_some() {
                return Err(Error::MailboxExists);
            }
            renamed.push((name, target));
        }
        if renamed.is_empty() {
            return Err(Error::NoSuchMailbox);
        }
        self.create_levels(to.parents()).await?;
        let change = self.account.next_change();
        for (name, target) in renamed {
            let Some(mut folder) = self.find(&name).await? else { continue };
            let text = "UPDATE mailbox SET name=$2 WHERE id=$1";
            self.write(query!(text, folder.id, target.as_str().to_owned()));
            folder.info.path = target;
            folder.info.mod_seq = mod_seq(change);
            self.put(folder);
        }
        Ok(())
    }

    /// Its messages move; it stays (RFC 9051 section 6.3.6).
    async fn rename_inbox(&mut self, to: &MailboxPath) -> Result<()> {
        let mut inbox = self.named(&MailboxPath::inbox()).await?;
        if inbox.info.messages > MAX_COPIED {
            return Err(Error::Limit("messages at once"));
        }
        self.create(to, None).await?;
        let mut other = self.named(to).await?;
        // They stay there, too (RFC 5464 section 4.1), as far as there is room.
        if self.account.annotations.saturating_add(inbox.annotations) <= self.account.limits.annotations {
            self.copy_annotations(&inbox, &mut other);
        }
        self.copy_between(&mut inbox, Some(&mut other), &Uids::below(Uid::MAX), How::Move).await?;
        self.put(other);
        Ok(())
    }
}
