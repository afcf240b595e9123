//! The store in PostgreSQL as a [`Store`].

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

use tokio_postgres::Row as Line;

use super::{
    PostgresStore, annotations,
    bodies::{Reader, Writer},
    change::Needs,
    leases::Held,
    lines::{account, folder, look_at_account, look_at_folder},
    messages::{Body, entries, look_within},
    sql::{Query, get, int, lines, nat, query},
};
use crate::{
    AccountId, BodyId, Changes, Copied, Cursor, Delivered, Destination, Error, Fields, Filter, FlagChange,
    How, Lease, MAX_CHANGED, MAX_COPIED, Mailbox, MailboxChange, MailboxId, MailboxPath, Mailboxes, Opened,
    Preselected, Result, Row, Store, Stored, Target, Uids, Which,
    kept::{
        after, check_count,
        folder::Folder,
        key,
        limits::{extensions, grantable, of_owner},
        rows::message,
        tables::time,
        watch::Watch,
    },
    message::Message,
};

/// So many rows are looked at by one look of a search.
const SEARCHED: usize = 4000;

impl Store for PostgresStore {
    type Writer = Writer;
    type Reader = Reader;
    type Watch = Watch;
    type Held = Held;

    fn extensions(&self) -> Vec<Capability> {
        extensions(self.inner.config.set_quota).collect()
    }

    async fn account(&self, name: &str) -> Result<AccountId> {
        self.inner.resolve(name).await.map(|account| AccountId::new(nat(account)))
    }

    /// The user `postmaster`, otherwise the one who was added first.
    async fn postmaster(&self, domain: Option<&str>) -> Result<AccountId> {
        self.inner.postmaster(domain).await.map(|account| AccountId::new(nat(account)))
    }

    async fn owner_since(&self, account: AccountId) -> Result<Option<SystemTime>> {
        let look = query!("SELECT owner_since FROM account WHERE id=$1", int(account.get()));
        let found = self.inner.ask(vec![look]).await?;
        let since: Option<i64> = get(lines(&found, 0).first().ok_or(Error::NoSuchAccount)?, 0)?;
        Ok(since.map(time))
    }

    async fn mailboxes(&self, account: AccountId, after: ModSeq) -> Result<Mailboxes> {
        self.inner.mailboxes(int(account.get()), after).await
    }

    async fn mailbox(&self, account: AccountId, path: &MailboxPath) -> Result<Mailbox> {
        let text =
            concat!("SELECT ", super::lines::folder_columns!(), " FROM mailbox WHERE account=$1 AND name=$2");
        let found = self.inner.ask(vec![query!(text, int(account.get()), path.as_str().to_owned())]).await?;
        Ok(folder(lines(&found, 0).first().ok_or(Error::NoSuchMailbox)?)?.info)
    }

    async fn alter(&self, account: AccountId, change: MailboxChange) -> Result<ModSeq> {
        let account = int(account.get());
        self.inner
            .change(account, Needs::default(), move |tx| {
                let change = change.clone();
                Box::pin(async move { tx.alter(&change).await })
            })
            .await
    }

    async fn body(&self, accounts: &[AccountId], announced: Option<u64>) -> Result<Writer> {
        let accounts: Vec<i64> = accounts.iter().map(|account| int(account.get())).collect();
        Writer::new(Arc::clone(&self.inner), &accounts, announced, None).await
    }

    async fn body_in_place(
        &self,
        account: AccountId,
        announced: Option<u64>,
        (mailbox, uid): (MailboxId, Uid),
    ) -> Result<Writer> {
        let account = int(account.get());
        let look = vec![look_at_folder(mailbox), look_within(int(mailbox.get()), &uid.into(), 1)];
        let found = self.inner.ask(look).await?;
        let folder = folder(lines(&found, 0).first().ok_or(Error::NoSuchMailbox)?)?;
        let replaced = entries(lines(&found, 1))?.pop().filter(|_| folder.account == account);
        let (_, replaced) = replaced.ok_or(Error::NoSuchBody)?;
        Writer::new(Arc::clone(&self.inner), &[account], announced, Some(replaced.size)).await
    }

    async fn check_room(&self, account: AccountId, bytes: u64) -> Result<()> {
        if self.inner.rooms.plenty(int(account.get())).is_some_and(|room| bytes <= room) {
            return Ok(());
        }
        let room = self.load(account).await?.room(None);
        let coming = self.inner.coming.of(int(account.get()));
        let has_room = room.is_some_and(|room| bytes <= room.saturating_sub(coming));
        if has_room { Ok(()) } else { Err(Error::OverQuota) }
    }

    async fn deliver(&self, body: BodyId, to: &[Target]) -> Vec<Result<Delivered>> {
        let mut delivered = Vec::with_capacity(to.len());
        self.deliver_each(body, to, |one| delivered.push(one)).await;
        delivered
    }

    /// Each is a transaction.
    async fn deliver_each(
        &self,
        body: BodyId,
        to: &[Target],
        mut told: impl FnMut(Result<Delivered>) + Send,
    ) {
        let staged = self.inner.coming.take(body).map(Arc::new);
        let mut found = None;
        for (place, target) in to.iter().enumerate() {
            let one = match &mut found {
                Some(found) => self.deliver_to(found, target, place).await,
                None => match self.find_body(body, staged.as_ref()).await {
                    Ok(body) => self.deliver_to(found.insert(body), target, place).await,
                    Err(error) => Err(error),
                },
            };
            told(one);
        }
    }

    async fn deliver_all(
        &self,
        messages: &[(BodyId, Target)],
        replaced: Option<(MailboxId, Uid)>,
    ) -> Result<Vec<Delivered>> {
        // All are taken, whatever comes of it: nothing stays of them then.
        let staged: Vec<_> =
            messages.iter().map(|(body, _)| self.inner.coming.take(*body).map(Arc::new)).collect();
        let mut owner = None;
        let mut needs = Needs::default();
        let mut all = Vec::with_capacity(messages.len());
        for ((body, target), staged) in messages.iter().zip(&staged) {
            let account = self.owner_of(target, &mut needs).await?;
            if *owner.get_or_insert(account) != account {
                return Err(Error::NoSuchMailbox);
            }
            let body = self.find_body(*body, staged.as_ref()).await?;
            needs.threads.extend(body.threads.iter().cloned());
            all.push((body, target.clone()));
        }
        if let Some((mailbox, _)) = replaced {
            let account = self.inner.owner(mailbox).await?;
            if *owner.get_or_insert(account) != account {
                return Err(Error::NoSuchMailbox);
            }
            needs.mailboxes.push(int(mailbox.get()));
        }
        let Some(owner) = owner else { return Ok(Vec::new()) };
        let all = Arc::new((all, staged));
        self.inner
            .change(owner, needs, move |tx| {
                let all = Arc::clone(&all);
                Box::pin(async move { tx.deliver_all(&all.0, replaced).await })
            })
            .await
    }

    async fn open(&self, mailbox: MailboxId, since: Option<Cursor>) -> Result<Opened> {
        self.inner.open(mailbox, since).await
    }

    async fn changes(&self, mailbox: MailboxId, after: Cursor, limit: usize) -> Result<Changes> {
        self.inner.changes(mailbox, after, limit.max(1)).await
    }

    async fn recent(&self, mailbox: MailboxId, below: Uid, claim: bool) -> Result<Uid> {
        // Most often there is nothing to claim, and nothing to be written.
        let folder = self.folder(mailbox).await?;
        let (first, end) = (folder.first_recent, folder.info.uid_next);
        if !claim || below.min(end) <= first {
            return Ok(first);
        }
        let id = folder.id;
        let claimed = self
            .inner
            .change(folder.account, Needs::mailboxes([id]), move |tx| {
                Box::pin(async move { tx.claim(id, below).await })
            })
            .await;
        match claimed {
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
        let mut rows = self.rows(mailbox, uids, fields, limit).await?;
        if fields.envelope || fields.structure {
            self.summarize(&mut rows, fields).await?;
        }
        Ok(rows)
    }

    async fn preselect(&self, mailbox: MailboxId, filter: &Filter) -> Result<Preselected> {
        let mut found = Preselected::new();
        let fields = filter.fields();
        for (first, last) in filter.ranges() {
            let mut next = Some(first);
            while let Some(first) = next.filter(|first| *first <= last) {
                let rows = self.rows(mailbox, &Uids::range(first, last), fields, SEARCHED).await?;
                for row in &rows {
                    match filter.test(row) {
                        Some(true) => found.sure.insert(row.uid),
                        Some(false) => {}
                        None => found.maybe.insert(row.uid),
                    }
                }
                next = rows.get(SEARCHED - 1).and_then(|row| after(row.uid));
                tokio::task::yield_now().await;
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
        let owner = self.inner.owner(mailbox).await?;
        let (mailbox, asked) = (int(mailbox.get()), Arc::new((uids.clone(), change.clone())));
        self.inner
            .change(owner, Needs::mailboxes([mailbox]), move |tx| {
                let asked = Arc::clone(&asked);
                Box::pin(async move { tx.store(mailbox, &asked.0, &asked.1).await })
            })
            .await
    }

    async fn expunge(&self, mailbox: MailboxId, uids: &Uids, which: Which) -> Result<ModSeq> {
        check_count(uids, MAX_CHANGED)?;
        let owner = self.inner.owner(mailbox).await?;
        // POP3 removes what it has listed only as long as nobody else has the maildrop.
        let holder = if which == Which::All { self.inner.leases.holder(owner) } else { None };
        let (mailbox, asked) = (int(mailbox.get()), Arc::new((uids.clone(), holder)));
        self.inner
            .change(owner, Needs::mailboxes([mailbox]), move |tx| {
                let asked = Arc::clone(&asked);
                Box::pin(async move { tx.expunge(mailbox, &asked.0, which, asked.1.as_deref()).await })
            })
            .await
    }

    async fn copy(&self, from: MailboxId, uids: &Uids, to: MailboxId, how: How) -> Result<Copied> {
        check_count(uids, MAX_COPIED)?;
        let owner = self.inner.owner(from).await?;
        let (from, to, uids) = (int(from.get()), int(to.get()), Arc::new(uids.clone()));
        self.inner
            .change(owner, Needs::mailboxes([from, to]), move |tx| {
                let uids = Arc::clone(&uids);
                Box::pin(async move { tx.copy(from, &uids, to, how).await })
            })
            .await
    }

    async fn quota_roots(&self, account: AccountId) -> Result<Vec<QuotaRoot>> {
        Ok(vec![self.load(account).await?.quota_root()])
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
        if !self.inner.config.set_quota {
            return Err(Error::Denied("users cannot change their limits"));
        }
        let limits = self.inner.config.limits().lowered(limits)?;
        let text = "UPDATE account SET max_bytes=$2, max_messages=$3, max_mailboxes=$4, max_annotations=$5 WHERE id=$1";
        let (bytes, messages) = (int(limits.bytes), int(limits.messages));
        let (mailboxes, annotations) = (int(limits.mailboxes as u64), int(limits.annotations));
        let set = query!(text, int(account.get()), bytes, messages, mailboxes, annotations);
        self.inner.apply(vec![set]).await?;
        self.inner.rooms.forget(int(account.get()));
        Ok(self.load(account).await?.quota_root())
    }

    /// The owner's rights: nobody else reaches a mailbox of this store.
    async fn acl(&self, mailbox: MailboxId) -> Result<Vec<(String, Rights)>> {
        let folder = self.folder(mailbox).await?;
        Ok(vec![(self.load(AccountId::new(nat(folder.account))).await?.name, folder.info.rights)])
    }

    async fn set_acl(
        &self,
        mailbox: MailboxId,
        identifier: &str,
        change: Option<RightsChange>,
    ) -> Result<()> {
        let owner = self.inner.owner(mailbox).await?;
        let is_owner = key(identifier) == self.load(AccountId::new(nat(owner))).await?.key;
        // Whether there is such a mailbox is told first.
        self.folder(mailbox).await?;
        let (mailbox, change) = (int(mailbox.get()), of_owner(is_owner, change)?);
        self.inner
            .change(owner, Needs::mailboxes([mailbox]), move |tx| {
                Box::pin(async move { tx.set_rights(mailbox, change).await })
            })
            .await
    }

    async fn list_rights(&self, mailbox: MailboxId, identifier: &str) -> Result<GrantableRights> {
        let owner = self.folder(mailbox).await?.account;
        Ok(grantable(key(identifier) == self.load(AccountId::new(nat(owner))).await?.key))
    }

    async fn metadata(
        &self,
        account: AccountId,
        mailbox: Option<MailboxId>,
        options: &MetadataOptions,
    ) -> Result<Vec<(EntryName, Text)>> {
        let (account, place) = match mailbox {
            Some(mailbox) => {
                let folder = self.folder(mailbox).await?;
                (folder.account, folder.id)
            }
            None => (self.load(account).await?.id, 0),
        };
        let found = self.inner.ask(vec![annotations::look(account, place)]).await?;
        Ok(annotations::annotations(lines(&found, 0))?.find(options))
    }

    async fn set_metadata(
        &self,
        account: AccountId,
        mailbox: Option<MailboxId>,
        entries: &[(EntryName, Option<Text>)],
    ) -> Result<()> {
        let owner = match mailbox {
            Some(mailbox) => self.inner.owner(mailbox).await?,
            None => int(account.get()),
        };
        let (mailbox, entries) = (mailbox.map(|mailbox| int(mailbox.get())), Arc::new(entries.to_vec()));
        self.inner
            .change(owner, Needs::mailboxes(mailbox.into_iter().collect::<Vec<_>>()), move |tx| {
                let entries = Arc::clone(&entries);
                Box::pin(async move { tx.set_metadata(mailbox, &entries).await })
            })
            .await
    }

    async fn url_key(
        &self,
        _: AccountId,
        mailbox: MailboxId,
        fresh: Option<Secret>,
    ) -> Result<Option<Secret>> {
        let id = int(mailbox.get());
        let found = self.inner.ask(vec![look_at_url_key(id)]).await?;
        let known = url_key(lines(&found, 0))?;
        let Some(fresh) = fresh.filter(|_| known.is_none()) else { return Ok(known) };
        let owner = self.inner.owner(mailbox).await?;
        self.inner
            .change(owner, Needs::mailboxes([id]), move |tx| {
                let fresh = fresh.clone();
                Box::pin(async move {
                    let text =
                        "UPDATE mailbox SET url_key=$2 WHERE id=$1 AND gone IS NULL AND url_key IS NULL";
                    tx.write(query!(text, id, fresh.expose().to_vec()));
                    url_key(lines(&tx.read(vec![look_at_url_key(id)]).await?, 0))
                })
            })
            .await
    }

    async fn reset_url_keys(&self, account: AccountId, mailbox: Option<MailboxId>) -> Result<()> {
        let (account, mailbox) = match mailbox {
            Some(mailbox) => {
                let folder = self.folder(mailbox).await?;
                (folder.account, Some(folder.id))
            }
            None => (int(account.get()), None),
        };
        self.inner
            .change(account, Needs::default(), move |tx| {
                Box::pin(async move {
                    tx.write(match mailbox {
                        Some(mailbox) => query!("UPDATE mailbox SET url_key=NULL WHERE id=$1", mailbox),
                        None => query!("UPDATE mailbox SET url_key=NULL WHERE account=$1", account),
                    });
                    Ok(())
                })
            })
            .await
    }

    fn watch(&self, account: AccountId) -> Watch {
        Watch(self.inner.hints.watch(int(account.get())))
    }

    async fn lease(&self, account: AccountId, lease: Lease, time: Duration) -> Result<Held> {
        self.inner.lease(int(account.get()), lease, time).await
    }
}

fn look_at_url_key(mailbox: i64) -> Query {
    query!("SELECT url_key FROM mailbox WHERE id=$1 AND gone IS NULL", mailbox)
}

fn url_key(lines: &[Line]) -> Result<Option<Secret>> {
    let key: Option<Vec<u8>> = get(lines.first().ok_or(Error::NoSuchMailbox)?, 0)?;
    Ok(key.map(Secret::from))
}

impl PostgresStore {
    async fn load(&self, id: AccountId) -> Result<crate::kept::account::Account> {
        let found = self.inner.ask(vec![look_at_account(int(id.get()))]).await?;
        account(lines(&found, 0).first().ok_or(Error::NoSuchAccount)?, &self.inner.config)
    }

    async fn folder(&self, id: MailboxId) -> Result<Folder> {
        let found = self.inner.ask(vec![look_at_folder(id)]).await?;
        folder(lines(&found, 0).first().ok_or(Error::NoSuchMailbox)?)
    }

    /// Whose a target is, and what has to be known to deliver there.
    async fn owner_of(&self, target: &Target, needs: &mut Needs) -> Result<i64> {
        match target.to {
            Destination::Inbox(account) => {
                needs.inbox = true;
                Ok(int(account.get()))
            }
            Destination::Mailbox(mailbox) => {
                needs.mailboxes.push(int(mailbox.get()));
                self.inner.owner(mailbox).await
            }
        }
    }

    /// A body that is to be delivered: what was kept of it in memory, or what is in the tables.
    async fn find_body(&self, id: BodyId, staged: Option<&Arc<crate::kept::coming::Staged>>) -> Result<Body> {
        if let Some(staged) = staged {
            return Ok(Body::staged(id, staged));
        }
        let (size, begin) = self.inner.begin_of(int(id.get())).await?;
        Ok(Body::known(id, size, &begin))
    }

    async fn deliver_to(&self, body: &mut Body, target: &Target, place: usize) -> Result<Delivered> {
        let mut needs = Needs { threads: body.threads.clone(), ..Needs::default() };
        let owner = self.owner_of(target, &mut needs).await?;
        needs.is_all = needs.inbox && body.fresh.is_some();
        let (asked, place) = (Arc::new((body.clone(), target.clone())), int(place as u64));
        let delivered = self
            .inner
            .change_or_repeat(owner, needs, true, move |tx| {
                let asked = Arc::clone(&asked);
                Box::pin(async move { tx.deliver(&asked.0, &asked.1, place).await })
            })
            .await?;
        // It is in the tables from now on.
        (body.fresh, body.is_new) = (None, false);
        Ok(delivered)
    }
}
