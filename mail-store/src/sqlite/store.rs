//! The store in SQLite as a [`Store`].

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, SystemTime},
};

use mailwire_core::{Secret, Text};
use mailwire_imap::{
    Capability,
    extensions::{
        acl::{Rights, RightsChange},
        metadata::EntryName,
        quota::{QuotaRoot, SetQuotaResource},
    },
    types::{ModSeq, Uid},
};
use mailwire_transport::imap::server::{GrantableRights, MetadataOptions};

use super::{
    SqliteStore,
    account::Account,
    annotations,
    bodies::{Reader, Writer},
    feed,
    folder::Folder,
    index,
    sql::{Sql, get, int, nat, one, params, run},
    users,
};
use crate::{
    AccountId, BodyId, Changes, Copied, Cursor, Delivered, Error, Fields, Filter, FlagChange, How, Lease,
    MAX_CHANGED, MAX_COPIED, Mailbox, MailboxChange, MailboxId, MailboxPath, Mailboxes, Opened, Preselected,
    Result, Row, Store, Stored, Target, Uids, Which,
    filter::Candidates,
    kept::{
        after, check_count, key,
        keywords::Keywords,
        leases::Held,
        limits::{extensions, grantable, of_owner},
        rows::{message, row, summarize},
        tables::time,
        watch::Watch,
    },
    message::Message,
};

/// So many rows are looked at by one look of a search.
const SEARCHED: usize = 4000;

impl Store for SqliteStore {
    type Writer = Writer;
    type Reader = Reader;
    type Watch = Watch;
    type Held = Held;

    fn extensions(&self) -> Vec<Capability> {
        extensions(self.inner.config.set_quota).collect()
    }

    async fn account(&self, name: &str) -> Result<AccountId> {
        let name = name.to_owned();
        let found = self.inner.look(move |sql, config| users::resolve(sql, &config.domains, &name));
        found.await.map(|account| AccountId::new(nat(account)))
    }

    /// The user `postmaster`, otherwise the one who was added first.
    async fn postmaster(&self, domain: Option<&str>) -> Result<AccountId> {
        let domain = domain.map(str::to_owned);
        let found =
            self.inner.look(move |sql, config| users::postmaster(sql, &config.domains, domain.as_deref()));
        found.await.map(|account| AccountId::new(nat(account)))
    }

    async fn owner_since(&self, account: AccountId) -> Result<Option<SystemTime>> {
        let text = "SELECT owner_since FROM account WHERE id=?1";
        let id = int(account.get());
        let since = self.inner.look(move |sql, _| one(sql, text, [id], |line| get::<Option<i64>>(line, 0)));
        Ok(since.await?.ok_or(Error::NoSuchAccount)?.map(time))
    }

    async fn mailboxes(&self, account: AccountId, after: ModSeq) -> Result<Mailboxes> {
        let account = int(account.get());
        self.inner.look(move |sql, config| feed::mailboxes(sql, config, account, after)).await
    }

    async fn mailbox(&self, account: AccountId, path: &MailboxPath) -> Result<Mailbox> {
        let (account, path) = (int(account.get()), path.clone());
        self.inner.look(move |sql, _| Folder::named(sql, account, &path).map(|folder| folder.info)).await
    }

    async fn alter(&self, account: AccountId, change: MailboxChange) -> Result<ModSeq> {
        let account = int(account.get());
        self.inner.grow(move |tx| tx.alter(account, change)).await
    }

    async fn body(&self, accounts: &[AccountId], announced: Option<u64>) -> Result<Writer> {
        let accounts = accounts.iter().map(|account| int(account.get())).collect();
        Writer::new(Arc::clone(&self.inner), accounts, announced, None).await
    }

    async fn body_in_place(
        &self,
        account: AccountId,
        announced: Option<u64>,
        (mailbox, uid): (MailboxId, Uid),
    ) -> Result<Writer> {
        let account = int(account.get());
        let replaced = self.inner.look(move |sql, _| {
            let folder = Folder::load(sql, mailbox)?;
            let found = folder.within(sql, &uid.into(), 1)?.pop();
            found.filter(|_| folder.account == account).map(|(_, entry)| entry.size).ok_or(Error::NoSuchBody)
        });
        let replaced = replaced.await?;
        Writer::new(Arc::clone(&self.inner), vec![account], announced, Some(replaced)).await
    }

    async fn check_room(&self, account: AccountId, bytes: u64) -> Result<()> {
        let id = int(account.get());
        let room = self.inner.look(move |sql, config| Ok(Account::load(sql, id, config)?.room(None))).await?;
        let coming = self.inner.coming.of(id);
        let has_room = room.is_some_and(|room| bytes <= room.saturating_sub(coming));
        if has_room { Ok(()) } else { Err(Error::OverQuota) }
    }

    async fn deliver(&self, body: BodyId, to: &[Target]) -> Vec<Result<Delivered>> {
        let staged = self.inner.coming.take(body);
        if to.is_empty() {
            return Vec::new();
        }
        let targets = to.to_vec();
        let delivered = self.inner.grow(move |tx| tx.deliver(body, staged, &targets)).await;
        delivered.unwrap_or_else(|error| vec![Err(error); to.len()])
    }

    async fn deliver_all(
        &self,
        messages: &[(BodyId, Target)],
        replaced: Option<(MailboxId, Uid)>,
    ) -> Result<Vec<Delivered>> {
        // All are taken, whatever comes of it: nothing stays of them then.
        let take = |(body, target): &(BodyId, Target)| (*body, self.inner.coming.take(*body), target.clone());
        let messages = messages.iter().map(take).collect();
        self.inner.grow(move |tx| tx.deliver_all(messages, replaced)).await
    }

    async fn open(&self, mailbox: MailboxId, since: Option<Cursor>) -> Result<Opened> {
        let inner = Arc::clone(&self.inner);
        self.inner.look(move |sql, _| feed::open(sql, &inner.maps, mailbox, since)).await
    }

    async fn changes(&self, mailbox: MailboxId, after: Cursor, limit: usize) -> Result<Changes> {
        let changes = self.inner.look(move |sql, _| match Folder::load(sql, mailbox) {
            Ok(folder) => feed::changes(sql, &folder, after, limit.max(1)),
            Err(Error::NoSuchMailbox) => {
                let mut changes = Changes::new(after);
                changes.gone = true;
                Ok(changes)
            }
            Err(error) => Err(error),
        });
        changes.await
    }

    async fn recent(&self, mailbox: MailboxId, below: Uid, claim: bool) -> Result<Uid> {
        // Most often there is nothing to claim, and nothing to be written.
        let (first, end) = self
            .inner
            .look(move |sql, _| {
                let folder = Folder::load(sql, mailbox)?;
                Ok((folder.first_recent, folder.info.uid_next))
            })
            .await?;
        if !claim || below.min(end) <= first {
            return Ok(first);
        }
        match self.inner.writer.change(move |tx| tx.claim(mailbox, below)).await {
            // A mailbox can be read all the same: nothing is recent then.
            Err(Error::Full | Error::NotDone(_)) => Ok(below.min(end)),
            claimed => claimed,
        }
    }

    async fn messages(
        &self,
        mailbox: MailboxId,
        uids: &Uids,
        fields: Fields,
        limit: usize,
    ) -> Result<Vec<Row>> {
        let uids = uids.clone();
        let mut rows = self
            .inner
            .look(move |sql, _| {
                let folder = Folder::load(sql, mailbox)?;
                rows(sql, &folder, &uids, fields, limit)
            })
            .await?;
        if fields.envelope || fields.structure {
            self.summarize(&mut rows, fields).await?;
        }
        Ok(rows)
    }

    async fn preselect(&self, mailbox: MailboxId, filter: &Filter) -> Result<Preselected> {
        let mut found = Preselected::new();
        let (candidates, mut left) = self.narrow(mailbox, filter).await?;
        let (filter, candidates) = (Arc::new(filter.clone()), Arc::new(candidates));
        while !left.is_empty() {
            let (filter, candidates) = (Arc::clone(&filter), Arc::clone(&candidates));
            let look = self.inner.look(move |sql, _| {
                let folder = Folder::load(sql, mailbox)?;
                let rows = rows(sql, &folder, &left, filter.fields(), SEARCHED)?;
                let rest = rows.get(SEARCHED - 1).and_then(|row| after(row.uid));
                let tests = rows.iter().map(|row| (row.uid, filter.test_with(row, &candidates)));
                let rest = rest.map(|from| left.intersection(&Uids::range(from, Uid::MAX)));
                Ok((tests.collect::<Vec<_>>(), rest.unwrap_or_default()))
            });
            let tests;
            (tests, left) = look.await?;
            for (uid, test) in tests {
                match test {
                    Some(true) => found.sure.insert(uid),
                    Some(false) => {}
                    None => found.maybe.insert(uid),
                }
            }
        }
        Ok(found)
    }

    async fn read(&self, body: BodyId, range: Range<u64>) -> Result<Reader> {
        Reader::new(Arc::clone(&self.inner), body, range).await
    }

    async fn message(&self, body: BodyId) -> Result<Arc<Message>> {
        message(self, body).await
    }

    async fn store(&self, mailbox: MailboxId, uids: &Uids, change: &FlagChange) -> Result<Stored> {
        check_count(uids, MAX_CHANGED)?;
        let (uids, change) = (uids.clone(), change.clone());
        self.inner.writer.change(move |tx| tx.store(mailbox, &uids, &change)).await
    }

    async fn expunge(&self, mailbox: MailboxId, uids: &Uids, which: Which) -> Result<ModSeq> {
        check_count(uids, MAX_CHANGED)?;
        let uids = uids.clone();
        self.inner.writer.change(move |tx| tx.expunge(mailbox, &uids, which)).await
    }

    async fn copy(&self, from: MailboxId, uids: &Uids, to: MailboxId, how: How) -> Result<Copied> {
        check_count(uids, MAX_COPIED)?;
        let uids = uids.clone();
        self.inner.grow(move |tx| tx.copy(from, &uids, to, how)).await
    }

    async fn quota_roots(&self, account: AccountId) -> Result<Vec<QuotaRoot>> {
        let id = int(account.get());
        self.inner.look(move |sql, config| Ok(vec![Account::load(sql, id, config)?.quota_root()])).await
    }

    async fn set_quota(
        &self,
        account: AccountId,
        root: &str,
        limits: &[SetQuotaResource],
    ) -> Result<QuotaRoot> {
        if !root.is_empty() {
            return Err(Error::Denied("there is no such quota root"));
        }
        let (id, limits) = (int(account.get()), limits.to_vec());
        let set = self.inner.writer.change(move |tx| {
            let mut account = Account::load(tx.sql, id, tx.config)?;
            account.set_quota(tx, &limits)
        });
        set.await
    }

    /// The owner's rights: nobody else reaches a mailbox of this store.
    async fn acl(&self, mailbox: MailboxId) -> Result<Vec<(String, Rights)>> {
        let acl = self.inner.look(move |sql, config| {
            let folder = Folder::load(sql, mailbox)?;
            Ok(vec![(Account::load(sql, folder.account, config)?.name, folder.info.rights)])
        });
        acl.await
    }

    async fn set_acl(
        &self,
        mailbox: MailboxId,
        identifier: &str,
        change: Option<RightsChange>,
    ) -> Result<()> {
        let identifier = key(identifier);
        let set = self.inner.writer.change(move |tx| {
            let folder = Folder::load(tx.sql, mailbox)?;
            let owner = Account::load(tx.sql, folder.account, tx.config)?;
            let change = of_owner(identifier == owner.key, change)?;
            tx.set_rights(&folder, change)
        });
        set.await
    }

    async fn list_rights(&self, mailbox: MailboxId, identifier: &str) -> Result<GrantableRights> {
        let identifier = key(identifier);
        let list = self.inner.look(move |sql, config| {
            let owner = Account::load(sql, Folder::load(sql, mailbox)?.account, config)?;
            Ok(grantable(identifier == owner.key))
        });
        list.await
    }

    async fn metadata(
        &self,
        account: AccountId,
        mailbox: Option<MailboxId>,
        options: &MetadataOptions,
    ) -> Result<Vec<(EntryName, Text)>> {
        let (account, options) = (int(account.get()), options.clone());
        let found = self.inner.look(move |sql, config| {
            let (account, place) = match mailbox {
                Some(mailbox) => {
                    let folder = Folder::load(sql, mailbox)?;
                    (folder.account, folder.id)
                }
                None => (Account::load(sql, account, config)?.id, 0),
            };
            Ok(annotations::load(sql, account, place)?.find(&options))
        });
        found.await
    }

    async fn set_metadata(
        &self,
        account: AccountId,
        mailbox: Option<MailboxId>,
        entries: &[(EntryName, Option<Text>)],
    ) -> Result<()> {
        let (account, entries) = (int(account.get()), entries.to_vec());
        self.inner.writer.change(move |tx| tx.set_metadata(account, mailbox, &entries)).await
    }

    async fn url_key(
        &self,
        _: AccountId,
        mailbox: MailboxId,
        fresh: Option<Secret>,
    ) -> Result<Option<Secret>> {
        let kept = |sql: &Sql, mailbox: MailboxId| {
            let text = "SELECT url_key FROM mailbox WHERE id=?1 AND gone IS NULL";
            let kept = one(sql, text, [int(mailbox.get())], |line| get::<Option<Vec<u8>>>(line, 0))?;
            Ok(kept.ok_or(Error::NoSuchMailbox)?.map(Secret::from))
        };
        let known: Option<Secret> = self.inner.look(move |sql, _| kept(sql, mailbox)).await?;
        let Some(fresh) = fresh.filter(|_| known.is_none()) else { return Ok(known) };
        let set = self.inner.writer.change(move |tx| {
            let text = "UPDATE mailbox SET url_key=?2 WHERE id=?1 AND gone IS NULL AND url_key IS NULL";
            run(tx.sql, text, params![int(mailbox.get()), fresh.expose()])?;
            kept(tx.sql, mailbox)
        });
        set.await
    }

    async fn reset_url_keys(&self, account: AccountId, mailbox: Option<MailboxId>) -> Result<()> {
        let reset = self.inner.writer.change(move |tx| {
            match mailbox {
                Some(mailbox) => {
                    let folder = Folder::load(tx.sql, mailbox)?;
                    run(tx.sql, "UPDATE mailbox SET url_key=NULL WHERE id=?1", [folder.id])?;
                }
                None => {
                    let account = Account::load(tx.sql, int(account.get()), tx.config)?;
                    run(tx.sql, "UPDATE mailbox SET url_key=NULL WHERE account=?1", [account.id])?;
                }
            }
            Ok(())
        });
        reset.await
    }

    fn watch(&self, account: AccountId) -> Watch {
        Watch(self.inner.writer.watch(int(account.get())))
    }

    /// Holders live in this process: theirs end with it.
    async fn lease(&self, account: AccountId, lease: Lease, time: Duration) -> Result<Held> {
        let id = int(account.get());
        self.inner.look(move |sql, config| Account::load(sql, id, config).map(drop)).await?;
        self.inner.leases.take(account, lease, time)
    }
}

/// What is known of messages, but for their summaries.
fn rows(sql: &Sql, folder: &Folder, uids: &Uids, fields: Fields, limit: usize) -> Result<Vec<Row>> {
    let found = folder.within(sql, uids, limit)?;
    let has_keywords = fields.flags && found.iter().any(|(_, entry)| entry.bits.keywords() != 0);
    let keywords = if has_keywords { feed::keywords(sql, folder.id)? } else { Keywords::default() };
    Ok(found.iter().map(|(uid, entry)| row(*uid, entry, fields, &keywords)).collect())
}

impl SqliteStore {
    /// What the index knows of a filter, and the messages in which what it asks for can be.
    async fn narrow(&self, mailbox: MailboxId, filter: &Filter) -> Result<(Candidates, Uids)> {
        let named = filter.ranges().into_iter().map(|(first, last)| Uids::range(first, last));
        let named = named.reduce(|all, more| all.union(&more)).unwrap_or_default();
        if !self.inner.config.search_index || filter.words().next().is_none() {
            return Ok((Candidates::default(), named));
        }
        self.inner.index_soon();
        let filter = Arc::new(filter.clone());
        let asked = Arc::clone(&filter);
        let look = self
            .inner
            .look(move |sql, _| index::candidates(sql, &Folder::load(sql, mailbox)?, asked.words()));
        let candidates = look.await?;
        let needed = filter.needed(&candidates).filter(|needed| needed.ranges().count() <= SEARCHED);
        let left = needed.map_or_else(|| named.clone(), |needed| needed.intersection(&named));
        Ok((candidates, left))
    }

    /// Adds envelopes and structures to rows. What has no summary yet is read once for it.
    async fn summarize(&self, rows: &mut [Row], fields: Fields) -> Result<()> {
        let bodies: Vec<i64> = rows.iter().map(|row| int(row.body.get())).collect();
        let known = self.inner.look(move |sql, _| {
            let text = "SELECT summary FROM blob WHERE id=?1";
            let read = |blob: &i64| one(sql, text, [blob], |line| get::<Option<Vec<u8>>>(line, 0));
            bodies.iter().map(read).collect::<Result<Vec<_>>>()
        });
        let known = known.await?.into_iter().map(Option::flatten).collect();
        let missing = summarize(self, rows, known, fields).await?;
        if missing.is_empty() {
            return Ok(());
        }
        let keep = self.inner.writer.change(move |tx| {
            for (blob, text) in missing {
                run(tx.sql, "UPDATE blob SET summary=?2 WHERE id=?1", params![blob, text])?;
            }
            Ok(())
        });
        // It is worked out once more if it cannot be kept.
        if let Err(error) = keep.await {
            tracing::debug!(%error, "summaries of messages cannot be kept now");
        }
        Ok(())
    }
}
