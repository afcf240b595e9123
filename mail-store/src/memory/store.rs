//! The memory store as a [`Store`].

use std::{
    ops::Range,
    sync::{Arc, PoisonError},
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
use mailwire_transport::{
    Budget,
    imap::server::{GrantableRights, MetadataOptions},
    run_blocking,
};
use tokio::sync::watch;

use super::{
    MemoryStore,
    account::{Account, Coming},
    bodies::{Reader, Writer},
    folder::Entry,
};
use crate::{
    AccountId, BodyId, Changes, Copied, Cursor, Delivered, Destination, Error, Fields, Filter, FlagChange,
    How, LabelChange, Lease, MAX_CHANGED, MAX_COPIED, Mailbox, MailboxChange, MailboxId, MailboxPath,
    Mailboxes, Opened, Preselected, Result, Row, Store, Stored, Target, Uids, Which,
    kept::{
        after, check_count, key,
        leases::Held,
        limits::{extensions, grantable, of_owner},
        references::{LOOKED_AT, references},
    },
    message::Message,
};

/// So many questions are asked of messages before others have their turn.
const QUESTIONS: usize = 20_000;
/// A row whose labels are looked at costs as much as so many.
const LABELLED: usize = 200;
/// What it costs to put a message into a mailbox, in bytes that are looked at.
const DELIVERED: u64 = 4096;
/// More messages than this are copied, or dropped, where that holds up nobody's turn.
const MANY: usize = 1000;

impl Store for MemoryStore {
    type Writer = Writer;
    type Reader = Reader;
    type Watch = Watch;
    type Held = Held;

    fn extensions(&self) -> Vec<Capability> {
        let labels = self.config.labels.then_some(Capability::GmailExtensions);
        extensions(self.config.set_quota).chain(labels).collect()
    }

    async fn account(&self, name: &str) -> Result<AccountId> {
        Ok(AccountId::new(self.account_of(name)?.id.into()))
    }

    /// The user `postmaster`, otherwise the one who was added first.
    async fn postmaster(&self, domain: Option<&str>) -> Result<AccountId> {
        let account = match domain {
            Some(domain) if !self.serves(domain) => None,
            _ => self.named("postmaster").or_else(|| self.first()).or(self.account_of("postmaster").ok()),
        };
        Ok(AccountId::new(account.ok_or(Error::NoSuchAccount)?.id.into()))
    }

    async fn owner_since(&self, account: AccountId) -> Result<Option<SystemTime>> {
        Ok(*self.by_id(account)?.owner_since.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn mailboxes(&self, account: AccountId, after: ModSeq) -> Result<Mailboxes> {
        Ok(self.by_id(account)?.lock().mailboxes(after))
    }

    async fn mailbox(&self, account: AccountId, path: &MailboxPath) -> Result<Mailbox> {
        self.by_id(account)?.lock().mailbox(path)
    }

    async fn alter(&self, account: AccountId, change: MailboxChange) -> Result<ModSeq> {
        let account = self.by_id(account)?;
        let moves_all = matches!(&change, MailboxChange::Rename { from, .. } if from.is_inbox());
        let alter = move || account.change(|state| state.alter(change));
        let (mod_seq, gone) = if moves_all { run_blocking(alter).await? } else { alter()? };
        if let Some(gone) = gone.filter(|gone| gone.messages.len() > MANY) {
            run_blocking(move || drop(gone)).await;
        }
        Ok(mod_seq)
    }

    async fn body(&self, accounts: &[AccountId], announced: Option<u64>) -> Result<Writer> {
        let accounts: Result<_> = accounts.iter().map(|&account| self.by_id(account)).collect();
        Writer::new(&self.bodies, accounts?, announced, None)
    }

    async fn body_in_place(
        &self,
        account: AccountId,
        announced: Option<u64>,
        (mailbox, uid): (MailboxId, Uid),
    ) -> Result<Writer> {
        let (owner, number) = self.owner(mailbox)?;
        let replaced = owner.lock().folder(number)?.messages.get(&uid).map(Entry::bytes);
        let account = self.by_id(account)?;
        let replaced = replaced.filter(|_| account.id == owner.id).ok_or(Error::NoSuchBody)?;
        Writer::new(&self.bodies, vec![account], announced, Some(replaced))
    }

    async fn check_room(&self, account: AccountId, bytes: u64) -> Result<()> {
        let has_room = self.by_id(account)?.lock().has_room(bytes, None);
        if has_room { Ok(()) } else { Err(Error::OverQuota) }
    }

    async fn deliver(&self, body: BodyId, to: &[Target]) -> Vec<Result<Delivered>> {
        let mut delivered = Vec::with_capacity(to.len());
        self.deliver_each(body, to, |one| delivered.push(one)).await;
        delivered
    }

    async fn deliver_each(
        &self,
        body: BodyId,
        to: &[Target],
        mut told: impl FnMut(Result<Delivered>) + Send,
    ) {
        let body = match self.bodies.take(body) {
            Ok(body) => body,
            Err(error) => return to.iter().for_each(|_| told(Err(error.clone()))),
        };
        let references = references(&body.raw);
        let one = |target: &Target| {
            let body = Arc::clone(&body);
            match target.to {
                Destination::Mailbox(mailbox) => {
                    let (account, number) = self.owner(mailbox)?;
                    account.change(|state| state.deliver(number, body, &references, target))
                }
                Destination::Inbox(account) => self.by_id(account)?.change(|state| {
                    let number = state.number(&MailboxPath::inbox())?;
                    state.deliver(number, body, &references, target)
                }),
            }
        };
        let mut turns = Budget::unlimited();
        for target in to {
            told(one(target));
            // It has no limit; who was told of it has a turn.
            let _ = turns.spend(DELIVERED).await;
        }
    }

    async fn deliver_all(
        &self,
        messages: &[(BodyId, Target)],
        replaced: Option<(MailboxId, Uid)>,
    ) -> Result<Vec<Delivered>> {
        // All are taken, whatever comes of it: nothing stays of them then.
        let bodies: Vec<_> = messages.iter().map(|(body, _)| self.bodies.take(*body)).collect();
        let (mut coming, mut owner) = (Vec::with_capacity(messages.len()), None);
        let mut one_account = |account: Arc<Account>| match &owner {
            Some(owner) if !Arc::ptr_eq(owner, &account) => Err(Error::NoSuchMailbox),
            _ => {
                owner = Some(account);
                Ok(())
            }
        };
        let mut turns = Budget::unlimited();
        for ((_, target), body) in messages.iter().zip(bodies) {
            let (account, number) = match target.to {
                Destination::Mailbox(mailbox) => self.owner(mailbox)?,
                Destination::Inbox(account) => {
                    let account = self.by_id(account)?;
                    let number = account.lock().number(&MailboxPath::inbox())?;
                    (account, number)
                }
            };
            one_account(account)?;
            let body = body?;
            // It has no limit.
            let _ = turns.spend(body.size().min(LOOKED_AT as u64)).await;
            let references = references(&body.raw);
            coming.push(Coming { number, body, references, target: target.clone() });
        }
        let mut going = None;
        if let Some((mailbox, uid)) = replaced {
            let (account, number) = self.owner(mailbox)?;
            one_account(account)?;
            going = Some((number, uid));
        }
        let Some(account) = owner else { return Ok(Vec::new()) };
        let many = coming.len() > MANY;
        // What is gone is dropped here, without the lock.
        let deliver =
            move || account.change(|state| state.deliver_all(coming, going)).map(|(delivered, _)| delivered);
        if many { run_blocking(deliver).await } else { deliver() }
    }

    async fn open(&self, mailbox: MailboxId, since: Option<Cursor>) -> Result<Opened> {
        let (account, number) = self.owner(mailbox)?;
        let state = account.lock();
        Ok(state.folder(number)?.open(since))
    }

    async fn changes(&self, mailbox: MailboxId, after: Cursor, limit: usize) -> Result<Changes> {
        let (account, number) = self.owner(mailbox)?;
        let state = account.lock();
        Ok(match state.folder(number) {
            Ok(folder) => folder.changes(after, limit.max(1)),
            Err(_) => {
                let mut changes = Changes::new(after);
                changes.gone = true;
                changes
            }
        })
    }

    async fn recent(&self, mailbox: MailboxId, below: Uid, claim: bool) -> Result<Uid> {
        let (account, number) = self.owner(mailbox)?;
        let mut state = account.lock();
        Ok(state.folder_mut(number)?.recent(below, claim))
    }

    async fn messages(
        &self,
        mailbox: MailboxId,
        uids: &Uids,
        fields: Fields,
        limit: usize,
    ) -> Result<Vec<Row>> {
        let (account, number) = self.owner(mailbox)?;
        let (mut rows, mut bodies) = (Vec::new(), Vec::new());
        {
            let state = account.lock();
            let folder = state.folder(number)?;
            for (uid, message) in folder.within(uids).take(limit) {
                rows.push(folder.row(uid, message, fields));
                if fields.envelope || fields.structure {
                    bodies.push(Arc::clone(&message.body));
                }
            }
        }
        let mut budget = Budget::unlimited();
        for (row, body) in rows.iter_mut().zip(bodies) {
            let summary = move || {
                let parts = body.parts();
                let envelope = fields.envelope.then(|| Box::new(parts.envelope()));
                (envelope, fields.structure.then(|| Box::new(parts.structure(true))))
            };
            // It has no limit.
            if let Ok(summary) = budget.run(row.size, summary).await {
                (row.envelope, row.structure) = summary;
            }
        }
        Ok(rows)
    }

    async fn preselect(&self, mailbox: MailboxId, filter: &Filter) -> Result<Preselected> {
        let (account, number) = self.owner(mailbox)?;
        let mut found = Preselected::new();
        // The row itself costs as much as some questions.
        let fields = filter.fields();
        let row = if fields.labels { LABELLED } else { 20 };
        let step = QUESTIONS / filter.questions().saturating_add(row) + 1;
        let mut ranges = filter.ranges();
        ranges.reverse();
        while !ranges.is_empty() {
            {
                let state = account.lock();
                let folder = state.folder(number)?;
                let mut left = step;
                while let Some((low, high)) = if left > 0 { ranges.pop() } else { None } {
                    let (mut seen, mut count) = (None, 0);
                    for (&uid, message) in folder.messages.range(low..=high).take(left) {
                        (seen, count) = (Some(uid), count + 1);
                        let row = folder.row(uid, message, fields);
                        match filter.test(&row) {
                            Some(true) => found.sure.insert(row.uid),
                            Some(false) => {}
                            None => found.maybe.insert(row.uid),
                        }
                    }
                    if count == left {
                        let rest = seen.and_then(after).filter(|next| *next <= high);
                        ranges.extend(rest.map(|next| (next, high)));
                    }
                    left = left.saturating_sub(count.max(1));
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(found)
    }

    async fn read(&self, body: BodyId, range: Range<u64>) -> Result<Reader> {
        Ok(Reader::new(&*self.bodies.get(body)?, range))
    }

    async fn message(&self, body: BodyId) -> Result<Arc<Message>> {
        let body = self.bodies.get(body)?;
        if body.size() <= Budget::TURN {
            return Ok(body.parts());
        }
        Ok(run_blocking(move || body.parts()).await)
    }

    async fn store(&self, mailbox: MailboxId, uids: &Uids, change: &FlagChange) -> Result<Stored> {
        check_count(uids, MAX_CHANGED)?;
        let (account, number) = self.owner(mailbox)?;
        account.change(|state| state.store(number, uids, change))
    }

    async fn store_labels(&self, mailbox: MailboxId, uids: &Uids, change: &LabelChange) -> Result<Stored> {
        check_count(uids, MAX_CHANGED)?;
        if !self.config.labels {
            return Err(Error::Denied("messages have no labels here"));
        }
        let (account, number) = self.owner(mailbox)?;
        account.change(|state| state.store_labels(number, uids, change))
    }

    async fn expunge(&self, mailbox: MailboxId, uids: &Uids, which: Which) -> Result<ModSeq> {
        check_count(uids, MAX_CHANGED)?;
        let (account, number) = self.owner(mailbox)?;
        // What is gone is dropped here, without the lock.
        account.change(|state| state.expunge(number, uids, which)).map(|(mod_seq, _)| mod_seq)
    }

    async fn copy(&self, from: MailboxId, uids: &Uids, to: MailboxId, how: How) -> Result<Copied> {
        check_count(uids, MAX_COPIED)?;
        let (account, source) = self.owner(from)?;
        let (other, target) = self.owner(to)?;
        if account.id != other.id {
            return Err(Error::NoSuchMailbox);
        }
        if uids.len() <= MANY as u64 {
            return account.change(|state| state.copy(source, uids, target, how));
        }
        let uids = uids.clone();
        run_blocking(move || account.change(|state| state.copy(source, &uids, target, how))).await
    }

    async fn quota_roots(&self, account: AccountId) -> Result<Vec<QuotaRoot>> {
        Ok(vec![self.by_id(account)?.lock().quota_root()])
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
        self.by_id(account)?.change(|state| state.set_quota(limits))
    }

    /// The owner's rights: nobody else reaches a mailbox of this store.
    async fn acl(&self, mailbox: MailboxId) -> Result<Vec<(String, Rights)>> {
        let (account, number) = self.owner(mailbox)?;
        let rights = account.lock().folder(number)?.info().rights;
        Ok(vec![(account.name.clone(), rights)])
    }

    async fn set_acl(
        &self,
        mailbox: MailboxId,
        identifier: &str,
        change: Option<RightsChange>,
    ) -> Result<()> {
        let (account, number) = self.owner(mailbox)?;
        let change = of_owner(key(identifier) == key(&account.name), change)?;
        account.change(|state| state.set_rights(number, change))
    }

    async fn list_rights(&self, mailbox: MailboxId, identifier: &str) -> Result<GrantableRights> {
        let (account, _) = self.owner(mailbox)?;
        Ok(grantable(key(identifier) == key(&account.name)))
    }

    async fn metadata(
        &self,
        account: AccountId,
        mailbox: Option<MailboxId>,
        options: &MetadataOptions,
    ) -> Result<Vec<(EntryName, Text)>> {
        let (account, number) = self.account_or_mailbox(account, mailbox)?;
        account.lock().metadata(number, options)
    }

    async fn set_metadata(
        &self,
        account: AccountId,
        mailbox: Option<MailboxId>,
        entries: &[(EntryName, Option<Text>)],
    ) -> Result<()> {
        let (account, number) = self.account_or_mailbox(account, mailbox)?;
        account.change(|state| state.set_metadata(number, entries))
    }

    async fn url_key(
        &self,
        _: AccountId,
        mailbox: MailboxId,
        fresh: Option<Secret>,
    ) -> Result<Option<Secret>> {
        let (account, number) = self.owner(mailbox)?;
        let mut state = account.lock();
        let key = &mut state.folder_mut(number)?.url_key;
        if key.is_none() {
            *key = fresh;
        }
        Ok(key.clone())
    }

    async fn reset_url_keys(&self, account: AccountId, mailbox: Option<MailboxId>) -> Result<()> {
        let (account, number) = self.account_or_mailbox(account, mailbox)?;
        let mut state = account.lock();
        match number {
            Some(number) => state.folder_mut(number)?.url_key = None,
            None => state.folders.values_mut().for_each(|folder| folder.url_key = None),
        }
        drop(state);
        Ok(())
    }

    fn watch(&self, account: AccountId) -> Watch {
        Watch(self.by_id(account).ok().map(|account| account.subscribe()))
    }

    /// Holders live in this process: theirs end with it.
    async fn lease(&self, account: AccountId, lease: Lease, time: Duration) -> Result<Held> {
        self.by_id(account)?;
        self.leases.take(account, lease, time)
    }
}

/// Waits for changes in an account of a [`MemoryStore`].
#[derive(Debug)]
pub struct Watch(Option<watch::Receiver<u64>>);

impl crate::Watch for Watch {
    async fn changed(&mut self) {
        if let Some(changes) = &mut self.0
            && changes.changed().await.is_ok()
        {
            return;
        }
        // There is no such account, or no more; nothing will ever happen.
        std::future::pending::<()>().await;
    }
}
