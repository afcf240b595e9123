//! An IMAP session over a store.

use std::{collections::BTreeSet, sync::Arc};

use mailwire_core::{Secret, Text};
use mailwire_imap::{
    command::List,
    extensions::{
        acl::{Rights, RightsChange},
        metadata::EntryName,
        quota::{QuotaRoot, SetQuotaResource},
    },
    response::{Code, ThreadNode},
    types::{Flag, FlagSet, MailboxAttribute, ModSeq, Uid},
    url::{Access, MessageRef},
};
use mailwire_transport::{
    Budget,
    imap::server::{
        Appended, Body, Changes, ChangesOptions, Copied, CopyOptions, CreateOptions, FetchOptions,
        FetchWriter, GrantableRights, LabelOptions, Labelled, Mailbox, Messages, MetadataOptions, NewMessage,
        Refusal, SearchOptions, SelectOptions, Selected, Session, SortOptions, Status, StatusOptions,
        StoreOptions, Stored, ThreadOptions, Update, UrlContent, UrlOptions, WatchOptions,
    },
};

use super::{
    fetch::Plan,
    notify::{Others, status},
    open::Open,
    order, rights, search, try_create,
    user::User,
};
use crate::{
    AccountId, BodyWriter, Delivered, Error, How, InternalDate, MailboxChange, MailboxPath, Store, Target,
    Uids,
};

/// An IMAP session of a user of a [`Store`].
pub struct ImapSession<S: Store> {
    user: User<S>,
    open: Option<Open<S>>,
    wanted: WatchOptions,
    others: Option<Others<S>>,
    /// Applications and the users that fetch URLs for them.
    url_agents: Arc<[(String, String)]>,
}

impl<S: Store> ImapSession<S> {
    pub(super) const fn new(store: S, account: AccountId, url_agents: Arc<[(String, String)]>) -> Self {
        let user = User { store, account };
        Self { user, open: None, wanted: WatchOptions::new(), others: None, url_agents }
    }

    fn opened(&mut self) -> Result<&mut Open<S>, Refusal> {
        self.open.as_mut().ok_or_else(|| Refusal::new("No mailbox is open"))
    }

    /// Puts messages into another mailbox.
    async fn copy(&mut self, uids: &[Uid], target: &str, how: How) -> Result<Copied, Refusal> {
        let target = self.user.target(target).await?;
        let open = self.opened()?;
        if how == How::Move {
            rights::check(open.rights().await, Rights::DELETE_MESSAGES | Rights::EXPUNGE)?;
        }
        let copied = open.store.copy(open.mailbox, &uids.into(), target.id, how).await.map_err(try_create)?;
        if let Some(others) = &mut self.others {
            let messages = u32::try_from(copied.source.len()).unwrap_or(u32::MAX);
            others.put(target.id, copied.mod_seq, messages);
        }
        Ok(Copied::new(copied.uid_validity, copied.pairs().collect::<Vec<_>>()))
    }

    /// Reads the feed. What is read stays if a change cannot be.
    async fn catch_up(&mut self) {
        if let Some(open) = &mut self.open
            && let Err(error) = open.catch_up(&[]).await
        {
            tracing::warn!(%error, "the store does not tell what has changed");
        }
        if let Some(others) = &mut self.others
            && let Err(error) = others.catch_up(&self.user.store, self.user.account).await
        {
            tracing::warn!(%error, "the store does not tell which mailboxes have changed");
        }
    }

    async fn take_news(&mut self) -> Vec<Update> {
        let mailbox = self.open.as_ref().map(|open| open.mailbox);
        let can_read =
            self.others.as_ref().zip(mailbox).is_none_or(|(others, mailbox)| others.can_read(mailbox));
        let mut updates = match &mut self.open {
            Some(open) if self.wanted.selected && can_read => open.take_news(self.wanted.flags).await,
            Some(open) => open.take_end(),
            None => Vec::new(),
        };
        // Nothing is waited for after this: what is taken would be lost if this were dropped.
        if let Some(others) = &mut self.others {
            updates.extend(others.take_news(mailbox));
        }
        updates
    }

    /// What the client put into a mailbox is not news to it.
    fn put(&mut self, delivered: Vec<Delivered>) -> Vec<Appended> {
        if let (Some(others), Some(last)) = (&mut self.others, delivered.last()) {
            let messages = u32::try_from(delivered.len()).unwrap_or(u32::MAX);
            others.put(last.mailbox, last.mod_seq, messages);
        }
        delivered.into_iter().map(|one| Appended::new(one.uid_validity, one.uid)).collect()
    }
}

/// Where a message goes, with the flags that it may bring there.
fn target(mailbox: &crate::Mailbox, message: &NewMessage) -> Target {
    Target::mailbox(mailbox.id)
        .with_flags(rights::permitted(&message.flags, mailbox.rights))
        .with_date(message.date.map(InternalDate::from))
}

/// Refuses flags that no message can have: those of the system that are not in PERMANENTFLAGS.
fn check(flags: &FlagSet) -> Result<(), Refusal> {
    let unknown: Vec<String> =
        flags.iter().filter(|flag| matches!(flag, Flag::Extension(_))).map(Flag::to_string).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(format!("Not a flag of this mailbox: {}", unknown.join(" "))).with_code(Code::Cannot))
}

impl<S: Store> std::fmt::Debug for ImapSession<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mailbox = self.open.as_ref().map(|open| open.mailbox);
        f.debug_struct("ImapSession").field("mailbox", &mailbox).finish_non_exhaustive()
    }
}

impl<S: Store> Session for ImapSession<S> {
    async fn list(&mut self, _: &List) -> Result<Vec<Mailbox>, Refusal> {
        let all = self.user.store.mailboxes(self.user.account, ModSeq::ZERO).await?;
        let mut subscribed: BTreeSet<MailboxPath> =
            all.subscriptions.unwrap_or_default().into_iter().collect();
        let mut listed: Vec<Mailbox> = Vec::with_capacity(all.mailboxes.len());
        for mailbox in all.mailboxes {
            if !mailbox.rights.contains(Rights::LOOKUP) {
                continue;
            }
            let mut one = Mailbox::new(mailbox.path.as_str()).subscribed(subscribed.remove(&mailbox.path));
            if let Some(attribute) = mailbox.special_use.and_then(|name| MailboxAttribute::new(name).ok()) {
                one = one.with(attribute);
            }
            listed.push(one);
        }
        listed.extend(
            subscribed
                .into_iter()
                .map(|path| Mailbox::new(path.as_str()).subscribed(true).with(MailboxAttribute::NonExistent)),
        );
        Ok(listed)
    }

    async fn status(&mut self, mailbox: &str, _: &StatusOptions) -> Result<Status, Refusal> {
        let mailbox = self.user.named(mailbox).await?;
        rights::check(mailbox.rights, Rights::READ)?;
        Ok(status(&mailbox))
    }

    async fn select(&mut self, mailbox: &str, options: &SelectOptions) -> Result<Selected, Refusal> {
        self.open = None;
        let named = self.user.named(mailbox).await?;
        let (mailbox, rights) = (named.id, named.rights);
        rights::check(rights, Rights::READ)?;
        let read_only = options.read_only || rights::is_read_only(rights);
        // Before the look, so that nothing is missed.
        let watch = self.user.store.watch(self.user.account);
        let opened = self.user.store.open(mailbox, None).await?;
        let first_recent = self.user.store.recent(mailbox, opened.cursor.uid_next(), !read_only).await?;
        let flags: FlagSet = Selected::system_flags().iter().chain(opened.keywords.iter()).cloned().collect();
        let (store, named) = (self.user.store.clone(), (self.user.account, named));
        self.open = Some(Open::new(store, mailbox, opened.cursor, read_only, watch, named));
        let (uid_validity, uid_next) = (opened.mailbox.uid_validity, opened.mailbox.uid_next);
        let mut selected = Selected::with_ranges(uid_validity, uid_next, opened.uids.ranges());
        selected.recent = opened.uids.difference(&Uids::below(first_recent)).ranges().collect();
        selected.unseen = opened.first_unseen;
        selected.mailbox_id = Some(mailbox.object_id());
        selected.read_only = read_only;
        if !read_only {
            selected.permanent_flags = rights::permanent(&flags, opened.new_keywords, rights);
        }
        selected.flags = flags;
        Ok(selected)
    }

    async fn unselect(&mut self) {
        self.open = None;
    }

    async fn fetch(
        &mut self,
        uids: &[Uid],
        options: &FetchOptions,
        out: &mut FetchWriter<'_>,
    ) -> Result<(), Refusal> {
        let open = self.opened()?;
        Plan::new(&options.items).fetch(&open.store, open.mailbox, &uids.into(), out).await
    }

    async fn store(&mut self, uids: &[Uid], options: &StoreOptions) -> Result<Vec<Stored>, Refusal> {
        check(&options.flags)?;
        self.opened()?.store_flags(uids, options).await
    }

    async fn store_labels(&mut self, uids: &[Uid], options: &LabelOptions) -> Result<Vec<Labelled>, Refusal> {
        self.opened()?.store_labels(uids, options).await
    }

    async fn search(&mut self, options: &SearchOptions, budget: &mut Budget) -> Result<Vec<Uid>, Refusal> {
        let open = self.opened()?;
        search::search(&open.store, open.mailbox, options, budget).await
    }

    async fn relevancy(
        &mut self,
        uids: &[Uid],
        options: &SearchOptions,
        budget: &mut Budget,
    ) -> Result<Vec<(Uid, u8)>, Refusal> {
        let open = self.opened()?;
        search::relevancy(&open.store, open.mailbox, &uids.into(), options, budget).await
    }

    async fn sort(
        &mut self,
        uids: &[Uid],
        options: &SortOptions,
        budget: &mut Budget,
    ) -> Result<Vec<Uid>, Refusal> {
        let open = self.opened()?;
        order::sort(&open.store, open.mailbox, &uids.into(), options, budget).await
    }

    async fn thread(
        &mut self,
        uids: &[Uid],
        options: &ThreadOptions,
        budget: &mut Budget,
    ) -> Result<Vec<ThreadNode>, Refusal> {
        let open = self.opened()?;
        order::thread(&open.store, open.mailbox, &uids.into(), options.algorithm, budget).await
    }

    async fn append(
        &mut self,
        mailbox: &str,
        message: NewMessage,
        body: &mut Body<'_>,
    ) -> Result<Option<Appended>, Refusal> {
        // What can be told before the message is sent, is.
        check(&message.flags)?;
        let mailbox = self.user.target(mailbox).await?;
        let mut writer = self.user.store.body(&[self.user.account], Some(body.length())).await?;
        self.user.write(body, &mut writer).await?;
        let target = target(&mailbox, &message);
        let stored = self.user.store.deliver(writer.finish().await?, &[target]).await.pop();
        let delivered = stored.unwrap_or(Err(Error::NoSuchMailbox)).map_err(try_create)?;
        Ok(self.put(vec![delivered]).pop())
    }

    async fn append_all(
        &mut self,
        mailbox: &str,
        messages: &mut Messages<'_>,
    ) -> Result<Vec<Appended>, Refusal> {
        let mailbox = self.user.target(mailbox).await?;
        let mut written = Vec::new();
        while let Some(message) = messages.next().await? {
            check(&message.flags)?;
            let mut writer = self.user.store.body(&[self.user.account], Some(message.length)).await?;
            self.user.write(messages.body(), &mut writer).await?;
            written.push((writer, target(&mailbox, &message)));
        }
        let delivered = self.user.deliver(written, None).await?;
        Ok(self.put(delivered))
    }

    async fn replace(
        &mut self,
        replaced: Uid,
        mailbox: &str,
        message: NewMessage,
        body: &mut Body<'_>,
    ) -> Result<Option<Appended>, Refusal> {
        check(&message.flags)?;
        let open = self.opened()?;
        rights::check(open.rights().await, Rights::DELETE_MESSAGES | Rights::EXPUNGE)?;
        let from = open.mailbox;
        let mailbox = self.user.target(mailbox).await?;
        let (store, account) = (&self.user.store, self.user.account);
        let mut writer = store.body_in_place(account, Some(message.length), (from, replaced)).await?;
        self.user.write(body, &mut writer).await?;
        let written = vec![(writer, target(&mailbox, &message))];
        let delivered = self.user.deliver(written, Some((from, replaced))).await?;
        Ok(self.put(delivered).pop())
    }

    async fn copy_to(
        &mut self,
        uids: &[Uid],
        target: &str,
        _: &CopyOptions,
    ) -> Result<Option<Copied>, Refusal> {
        self.copy(uids, target, How::Copy).await.map(Some)
    }

    async fn move_to(&mut self, uids: &[Uid], target: &str, _: &CopyOptions) -> Result<Copied, Refusal> {
        self.copy(uids, target, How::Move).await
    }

    async fn expunge(&mut self, only: Option<&[Uid]>) -> Result<Vec<Uid>, Refusal> {
        self.opened()?.expunge(only).await
    }

    async fn updates(&mut self) -> Vec<Update> {
        loop {
            // Apart: who waits keeps no room for them.
            Box::pin(self.catch_up()).await;
            let updates = Box::pin(self.take_news()).await;
            if !updates.is_empty() {
                return updates;
            }
            match (&mut self.others, &mut self.open) {
                // It sees what happens in all mailboxes.
                (Some(others), _) => others.changed().await,
                (None, Some(open)) => open.changed().await,
                (None, None) => std::future::pending().await,
            }
        }
    }

    async fn watch(&mut self, options: &WatchOptions) -> Result<(), Refusal> {
        if !options.mailboxes {
            self.others = None;
        } else if self.others.is_none() {
            self.others = Some(Others::new(&self.user.store, self.user.account).await?);
        }
        self.wanted = *options;
        Ok(())
    }

    async fn poll_updates(&mut self) -> Vec<Update> {
        self.catch_up().await;
        self.take_news().await
    }

    async fn changes(&mut self, options: &ChangesOptions) -> Result<Changes, Refusal> {
        self.opened()?.changes_since(options).await
    }

    fn highest_mod_seq(&self) -> Option<ModSeq> {
        self.open.as_ref().map(Open::given)
    }

    async fn mod_seq_of(&mut self, uids: &[Uid]) -> Result<Option<ModSeq>, Refusal> {
        self.opened()?.mod_seq_of(uids).await
    }

    async fn create(&mut self, mailbox: &str, options: &CreateOptions) -> Result<(), Refusal> {
        let path = MailboxPath::new(mailbox)?;
        self.user.check_above(&path).await?;
        let special_use = match options.special_use.as_slice() {
            [] => None,
            [one] => Some(one.to_string().into()),
            _ => return Err(Error::SpecialUse("a mailbox is for one thing here").into()),
        };
        self.user.alter(MailboxChange::Create { path: path.clone(), special_use }).await?;
        if let Some(others) = &mut self.others {
            others.named(path);
        }
        Ok(())
    }

    async fn delete(&mut self, mailbox: &str) -> Result<(), Refusal> {
        let path = MailboxPath::new(mailbox).map_err(|_| Error::NoSuchMailbox)?;
        self.user.check(&path, Rights::DELETE_MAILBOX).await?;
        self.user.alter(MailboxChange::Delete(path.clone())).await?;
        if let Some(others) = &mut self.others {
            others.named(path);
        }
        Ok(())
    }

    async fn rename(&mut self, from: &str, to: &str) -> Result<(), Refusal> {
        let (from, to) = (MailboxPath::new(from).map_err(|_| Error::NoSuchMailbox)?, MailboxPath::new(to)?);
        self.user.check(&from, Rights::DELETE_MAILBOX).await?;
        self.user.check_above(&to).await?;
        self.user.alter(MailboxChange::Rename { from: from.clone(), to: to.clone() }).await?;
        if let Some(others) = &mut self.others {
            others.renamed(from, to);
        }
        Ok(())
    }

    async fn subscribe(&mut self, mailbox: &str, subscribed: bool) -> Result<(), Refusal> {
        let path = match MailboxPath::new(mailbox) {
            Ok(path) => path,
            Err(error) if subscribed => return Err(error.into()),
            // Nobody can be subscribed to what is no name.
            Err(_) => return Ok(()),
        };
        let change = if subscribed { MailboxChange::Subscribe } else { MailboxChange::Unsubscribe };
        self.user.alter(change(path.clone())).await?;
        if let Some(others) = &mut self.others {
            others.subscribed(path);
        }
        Ok(())
    }

    async fn quota_roots(&mut self, mailbox: &str) -> Result<Vec<QuotaRoot>, Refusal> {
        let mailbox = self.user.named(mailbox).await?;
        rights::check(mailbox.rights, Rights::READ)?;
        Ok(self.user.store.quota_roots(self.user.account).await?)
    }

    async fn quota(&mut self, root: &str) -> Result<QuotaRoot, Refusal> {
        let roots = self.user.store.quota_roots(self.user.account).await?;
        let found = roots.into_iter().find(|one| one.name == root);
        found.ok_or_else(|| Refusal::new("There is no such quota root").with_code(Code::NonExistent))
    }

    async fn set_quota(&mut self, root: &str, limits: &[SetQuotaResource]) -> Result<QuotaRoot, Refusal> {
        Ok(self.user.store.set_quota(self.user.account, root, limits).await?)
    }

    async fn acl(&mut self, mailbox: &str) -> Result<Vec<(String, Rights)>, Refusal> {
        let mailbox = self.user.administered(mailbox).await?;
        Ok(self.user.store.acl(mailbox).await?)
    }

    async fn set_acl(
        &mut self,
        mailbox: &str,
        identifier: &str,
        change: RightsChange,
    ) -> Result<(), Refusal> {
        let mailbox = self.user.administered(mailbox).await?;
        Ok(self.user.store.set_acl(mailbox, identifier, Some(change)).await?)
    }

    async fn delete_acl(&mut self, mailbox: &str, identifier: &str) -> Result<(), Refusal> {
        let mailbox = self.user.administered(mailbox).await?;
        Ok(self.user.store.set_acl(mailbox, identifier, None).await?)
    }

    async fn list_rights(&mut self, mailbox: &str, identifier: &str) -> Result<GrantableRights, Refusal> {
        let mailbox = self.user.administered(mailbox).await?;
        Ok(self.user.store.list_rights(mailbox, identifier).await?)
    }

    async fn my_rights(&mut self, mailbox: &str) -> Result<Rights, Refusal> {
        Ok(self.user.named(mailbox).await?.rights)
    }

    async fn metadata(
        &mut self,
        mailbox: Option<&str>,
        options: &MetadataOptions,
    ) -> Result<Vec<(EntryName, Text)>, Refusal> {
        let mailbox = self.user.annotated(mailbox).await?;
        Ok(self.user.store.metadata(self.user.account, mailbox, options).await?)
    }

    async fn set_metadata(
        &mut self,
        mailbox: Option<&str>,
        entries: &[(EntryName, Option<Text>)],
    ) -> Result<(), Refusal> {
        let mailbox = self.user.annotated(mailbox).await?;
        self.user.store.set_metadata(self.user.account, mailbox, entries).await?;
        if let Some(others) = &mut self.others {
            others.annotated(mailbox, entries.iter().map(|(name, _)| name));
        }
        Ok(())
    }

    async fn url_key(
        &mut self,
        owner: &str,
        mailbox: &str,
        fresh: Option<Secret>,
    ) -> Result<Option<Secret>, Refusal> {
        let Some(owner) = self.user.other(owner).await? else { return Ok(None) };
        if fresh.is_some() && owner.account != self.user.account {
            return Ok(None);
        }
        match owner.named(mailbox).await {
            Ok(mailbox) => Ok(owner.store.url_key(owner.account, mailbox.id, fresh).await?),
            Err(Error::NoSuchMailbox) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn reset_url_keys(&mut self, mailbox: Option<&str>) -> Result<(), Refusal> {
        let mailbox = match mailbox {
            Some(name) => Some(self.user.named(name).await?.id),
            None => None,
        };
        Ok(self.user.store.reset_url_keys(self.user.account, mailbox).await?)
    }

    async fn may_use_url(&mut self, access: &Access) -> bool {
        let application = match access {
            Access::AuthUser | Access::Anonymous => return true,
            Access::User(user) => return self.user.is(user.as_str()).await,
            Access::Submit(_) => "submit",
            Access::Application { name, .. } => name.as_str().unwrap_or_default(),
            _ => return false,
        };
        let of_it = self.url_agents.iter().filter(|(name, _)| name.eq_ignore_ascii_case(application));
        let agents: Vec<String> = of_it.map(|(_, agent)| agent.clone()).collect();
        for agent in agents {
            if self.user.is(Some(&agent)).await {
                return true;
            }
        }
        false
    }

    async fn url_content(
        &mut self,
        owner: &str,
        part: &MessageRef,
        options: &UrlOptions,
        budget: &mut Budget,
    ) -> Result<Option<UrlContent>, Refusal> {
        match self.user.other(owner).await? {
            Some(owner) => owner.url_content(part, options, budget).await,
            None => Ok(None),
        }
    }
}
