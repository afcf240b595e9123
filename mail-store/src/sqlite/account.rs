//! An account's line: its counter of changes, and what it has of what it may have.

use mailwire_imap::extensions::quota::{QuotaRoot, SetQuotaResource};

use super::{
    Config,
    sql::{Sql, get, int, nat, one, params, run},
    writer::Tx,
};
pub(super) use crate::kept::account::Account;
use crate::{Error, Result, kept::limits::Limits};

const COLUMNS: &str = "id, name, key, modseq, messages, bytes, mailboxes, annotations, max_bytes, max_messages,
    max_mailboxes, max_annotations, subscribed_at, gone_floor, annotated_floor, last_uid_validity, last_thread,
    thread_keys";

impl Account {
    pub(super) fn load(sql: &Sql, id: i64, config: &Config) -> Result<Self> {
        let text = format!("SELECT {COLUMNS} FROM account WHERE id=?1");
        let account = one(sql, &text, [id], |line| {
            let number = |column| get(line, column).map(nat);
            let most = config.limits();
            let limit = |column, most: u64| {
                Ok::<_, Error>(get::<Option<i64>>(line, column)?.map_or(most, |limit| nat(limit).min(most)))
            };
            Ok(Self {
                id: get(line, 0)?,
                name: get(line, 1)?,
                key: get(line, 2)?,
                mod_seq: number(3)?,
                messages: number(4)?,
                bytes: number(5)?,
                mailboxes: number(6)?,
                annotations: number(7)?,
                limits: Limits {
                    bytes: limit(8, most.bytes)?,
                    messages: limit(9, most.messages)?,
                    mailboxes: usize::try_from(limit(10, most.mailboxes as u64)?).unwrap_or(usize::MAX),
                    annotations: limit(11, most.annotations)?,
                },
                subscribed_at: number(12)?,
                gone_floor: number(13)?,
                annotated_floor: number(14)?,
                last_uid_validity: get(line, 15)?,
                last_thread: number(16)?,
                thread_keys: number(17)?,
            })
        });
        account?.ok_or(Error::NoSuchAccount)
    }

    pub(super) fn save(&self, tx: &mut Tx<'_>) -> Result<()> {
        tx.rung.push(self.id);
        let text = "UPDATE account SET modseq=?2, messages=?3, bytes=?4, mailboxes=?5, annotations=?6,
            subscribed_at=?7, gone_floor=?8, annotated_floor=?9, last_uid_validity=?10, last_thread=?11,
            thread_keys=?12 WHERE id=?1";
        run(
            tx.sql,
            text,
            params![
                self.id,
                int(self.mod_seq),
                int(self.messages),
                int(self.bytes),
                int(self.mailboxes),
                int(self.annotations),
                int(self.subscribed_at),
                int(self.gone_floor),
                int(self.annotated_floor),
                self.last_uid_validity,
                int(self.last_thread),
                int(self.thread_keys),
            ],
        )
        .map(drop)
    }

    pub(super) fn set_quota(&mut self, tx: &Tx<'_>, limits: &[SetQuotaResource]) -> Result<QuotaRoot> {
        if !tx.config.set_quota {
            return Err(Error::Denied("users cannot change their limits"));
        }
        self.limits = tx.config.limits().lowered(limits)?;
        let text = "UPDATE account SET max_bytes=?2, max_messages=?3, max_mailboxes=?4, max_annotations=?5 WHERE id=?1";
        let Limits { bytes, messages, mailboxes, annotations } = self.limits;
        let mailboxes = int(mailboxes as u64);
        run(tx.sql, text, params![self.id, int(bytes), int(messages), mailboxes, int(annotations)])?;
        Ok(self.quota_root())
    }
}
