//! What happens in mailboxes that are not open, and to their names.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
};

use mailwire_imap::{
    extensions::{acl::Rights, metadata::EntryName},
    response::Code,
    types::{MailboxAttribute, ModSeq},
};
use mailwire_transport::imap::server::{
    Mailbox as Listed, MailboxEvent, MailboxUpdate, Refusal, Status, Update,
};

use crate::{AccountId, DELIMITER, Mailbox, MailboxId, MailboxPath, Mailboxes, Result, Store, Watch as _};

/// So many updates are given at once.
const PAGE: usize = 256;
/// What a session keeps of all mailboxes may take so many bytes.
const KNOWN: usize = 16 << 20;
/// What is not told yet, beside what is in the mailboxes, may take so many bytes.
const NEWS: usize = 1 << 20;
/// The bytes of a mailbox or an event beside its name.
const ENTRY: usize = 256;

/// All mailboxes of an account as the client of a session knows them.
pub(super) struct Others<S: Store> {
    watch: S::Watch,
    state: State,
}

/// What is known, and what is not told of it.
#[derive(Debug)]
struct State {
    cursor: ModSeq,
    known: HashMap<MailboxId, Mailbox>,
    /// Those that the user may see.
    names: BTreeMap<MailboxPath, MailboxId>,
    subscribed: BTreeSet<MailboxPath>,
    news: News,
    own: Own,
    /// It is more than is kept.
    overflow: bool,
}

#[derive(Debug, Default)]
struct News {
    /// Mailboxes in which something happened.
    messages: BTreeMap<MailboxId, Messages>,
    /// Names of mailboxes that were made or are gone, and of those directly above them.
    names: BTreeSet<MailboxPath>,
    /// The names that the client knows of mailboxes that were renamed.
    renamed: BTreeMap<MailboxId, MailboxPath>,
    /// Names of mailboxes that may be seen or read now, or may not any more.
    access: BTreeSet<MailboxPath>,
    subscriptions: BTreeSet<MailboxPath>,
    /// By mailboxes, or of the account, and by their names in small letters.
    annotations: BTreeMap<Option<MailboxId>, BTreeMap<String, EntryName>>,
}

/// What happened to the messages of a mailbox.
#[derive(Debug, Default, Clone, Copy)]
struct Messages {
    counts: bool,
    unseen: bool,
}

/// What the session did itself since it looked last: it is not told (RFC 5465 section 5).
#[derive(Debug, Default)]
struct Own {
    names: BTreeSet<MailboxPath>,
    renamed: Vec<(MailboxPath, MailboxPath)>,
    subscriptions: BTreeSet<MailboxPath>,
    annotations: BTreeSet<(Option<MailboxId>, String)>,
    /// So many messages were put there by this change.
    messages: HashMap<MailboxId, (ModSeq, u32)>,
}

impl<S: Store> Others<S> {
    pub(super) async fn new(store: &S, account: AccountId) -> Result<Self, Refusal> {
        // Before the look, so that nothing is missed.
        let watch = store.watch(account);
        let all = store.mailboxes(account, ModSeq::ZERO).await?;
        let mut state = State::new();
        state.take(all);
        state.news = News::default();
        if state.known_bytes() > KNOWN {
            let refusal = Refusal::new("There are too many mailboxes to watch");
            return Err(refusal.with_code(Code::NotificationOverflow));
        }
        Ok(Self { watch, state })
    }

    pub(super) async fn changed(&mut self) {
        self.watch.changed().await;
    }

    /// Reads what has changed. It can be dropped: what was read is kept.
    pub(super) async fn catch_up(&mut self, store: &S, account: AccountId) -> Result<()> {
        let changed = store.mailboxes(account, self.state.cursor).await?;
        self.state.take(changed);
        Ok(())
    }

    /// A page of what the client is to be told; not of the messages in the mailbox that is open.
    pub(super) fn take_news(&mut self, open: Option<MailboxId>) -> Vec<Update> {
        self.state.take_news(open)
    }

    /// Whether the user may read a mailbox. One that is gone is another matter.
    pub(super) fn can_read(&self, mailbox: MailboxId) -> bool {
        self.state.known.get(&mailbox).is_none_or(can_read)
    }

    /// The session made or deleted a mailbox.
    pub(super) fn named(&mut self, path: MailboxPath) {
        self.state.own.names.insert(path);
    }

    /// The session renamed a mailbox and those below it.
    pub(super) fn renamed(&mut self, from: MailboxPath, to: MailboxPath) {
        self.state.own.renamed.push((from, to));
    }

    pub(super) fn subscribed(&mut self, path: MailboxPath) {
        self.state.own.subscriptions.insert(path);
    }

    pub(super) fn annotated<'a>(
        &mut self,
        mailbox: Option<MailboxId>,
        entries: impl Iterator<Item = &'a EntryName>,
    ) {
        self.state.own.annotations.extend(entries.map(|entry| (mailbox, key(entry))));
    }

    /// The session put so many messages into a mailbox.
    pub(super) fn put(&mut self, mailbox: MailboxId, change: ModSeq, messages: u32) {
        self.state.own.messages.insert(mailbox, (change, messages));
    }
}

/// RFC 5465 section 5: the rights that it takes to watch a mailbox.
fn can_read(mailbox: &Mailbox) -> bool {
    mailbox.rights.contains(Rights::LOOKUP | Rights::READ)
}

fn can_see(mailbox: &Mailbox) -> bool {
    mailbox.rights.contains(Rights::LOOKUP)
}

/// Under which an annotation is known, in whatever case it is written.
fn key(entry: &EntryName) -> String {
    entry.to_string().to_ascii_lowercase()
}

fn parent(path: &MailboxPath) -> Option<MailboxPath> {
    path.parents().last().and_then(|parent| MailboxPath::new(parent).ok())
}

/// Whether a mailbox has its new name because one above it was renamed.
fn goes_with(from: &MailboxPath, to: &MailboxPath, above: &MailboxPath, new_above: &MailboxPath) -> bool {
    (from == above || from.is_below(above)) && from.renamed(above, new_above).is_ok_and(|path| path == *to)
}

impl State {
    fn new() -> Self {
        Self {
            cursor: ModSeq::ZERO,
            known: HashMap::new(),
            names: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            news: News::default(),
            own: Own::default(),
            overflow: false,
        }
    }

    fn take(&mut self, changed: Mailboxes) {
        let own = std::mem::take(&mut self.own);
        self.cursor = changed.mod_seq;
        let (mut named, mut renamed) = (BTreeSet::new(), BTreeMap::new());
        let mut gone = changed.gone;
        if changed.complete {
            let there: BTreeSet<MailboxId> = changed.mailboxes.iter().map(|mailbox| mailbox.id).collect();
            gone.extend(self.known.keys().filter(|id| !there.contains(id)));
        }
        for id in gone {
            self.news.messages.remove(&id);
            self.news.annotations.remove(&Some(id));
            let known_as = self.news.renamed.remove(&id);
            let Some(mailbox) = self.known.remove(&id).filter(can_see) else { continue };
            self.names.remove(&mailbox.path);
            named.extend(known_as);
            named.insert(mailbox.path);
        }
        // All old names go before the new ones come: two mailboxes can change theirs.
        for mailbox in &changed.mailboxes {
            if let Some(before) = self.known.get(&mailbox.id).filter(|before| can_see(before))
                && (before.path != mailbox.path || !can_see(mailbox))
            {
                self.names.remove(&before.path);
            }
        }
        for mailbox in changed.mailboxes {
            if can_see(&mailbox) {
                self.names.insert(mailbox.path.clone(), mailbox.id);
            }
            self.take_mailbox(mailbox, &own, &mut named, &mut renamed);
        }
        self.take_names(named, &renamed, &own);
        if let Some(list) = changed.subscriptions {
            let now: BTreeSet<MailboxPath> = list.into_iter().collect();
            let others = now.symmetric_difference(&self.subscribed);
            self.news.subscriptions.extend(others.filter(|path| !own.subscriptions.contains(*path)).cloned());
            self.subscribed = now;
        }
        match changed.annotations {
            Some(annotations) => {
                for (mailbox, entry) in annotations {
                    let key = key(&entry);
                    if !own.annotations.contains(&(mailbox, key.clone())) {
                        self.news.annotations.entry(mailbox).or_default().insert(key, entry);
                    }
                }
            }
            None => self.overflow = true,
        }
        if self.news.bytes() > NEWS || self.known_bytes() > KNOWN {
            self.overflow = true;
        }
        if self.overflow {
            self.news = News::default();
        }
    }

    /// A mailbox has changed.
    fn take_mailbox(
        &mut self,
        mailbox: Mailbox,
        own: &Own,
        named: &mut BTreeSet<MailboxPath>,
        renamed: &mut BTreeMap<MailboxPath, (MailboxId, MailboxPath)>,
    ) {
        let (id, path, sees, reads) =
            (mailbox.id, mailbox.path.clone(), can_see(&mailbox), can_read(&mailbox));
        let Some(before) = self.known.insert(id, mailbox.clone()) else {
            if sees {
                named.insert(path);
            }
            // It can stand in place of another one: UIDVALIDITY is news.
            if reads {
                self.news.messages.insert(id, Messages { counts: true, unseen: true });
            }
            return;
        };
        if sees != can_see(&before) || reads != can_read(&before) {
            if sees != can_see(&before) {
                self.news.names.extend(parent(&path));
            }
            self.news.access.insert(path);
            if before.path != mailbox.path && can_see(&before) {
                self.news.access.insert(before.path);
            }
            if reads {
                self.news.messages.insert(id, Messages { counts: true, unseen: true });
            } else {
                self.news.messages.remove(&id);
            }
            return;
        }
        if sees && before.path != mailbox.path {
            renamed.insert(before.path.clone(), (id, mailbox.path.clone()));
        }
        let more = mailbox.messages.checked_sub(before.messages);
        let is_own =
            own.messages.get(&id).is_some_and(|own| more.is_some_and(|more| *own == (mailbox.mod_seq, more)));
        if reads && before.mod_seq != mailbox.mod_seq && !is_own {
            let told = self.news.messages.entry(id).or_default();
            told.counts |= before.messages != mailbox.messages || before.uid_next != mailbox.uid_next;
            told.unseen |= before.unseen != mailbox.unseen;
        }
    }

    /// Names that were made and are gone, and mailboxes that have new ones.
    fn take_names(
        &mut self,
        named: BTreeSet<MailboxPath>,
        renamed: &BTreeMap<MailboxPath, (MailboxId, MailboxPath)>,
        own: &Own,
    ) {
        let is_own = |path: &MailboxPath| {
            own.names.contains(path) || own.renamed.iter().any(|(from, to)| from.is_inbox() && to == path)
        };
        for path in named.into_iter().filter(|path| !is_own(path)) {
            self.news.names.extend(parent(&path));
            self.news.names.insert(path);
        }
        for (before, (id, now)) in renamed {
            // Those below a mailbox go with it, and are not told (RFC 5465 section 5.4).
            let with_parent = before.parents().any(|above| {
                let found = renamed.get_key_value(above);
                found.is_some_and(|(above, (_, new_above))| goes_with(before, now, above, new_above))
            });
            let by_us = own.renamed.iter().any(|(from, to)| goes_with(before, now, from, to));
            if by_us {
                self.news.renamed.remove(id);
            } else if !with_parent {
                self.news.renamed.entry(*id).or_insert_with(|| before.clone());
            }
        }
    }

    fn known_bytes(&self) -> usize {
        // Those that may not be seen are kept, too.
        let paths = self.known.values().map(|known| &known.path).chain(&self.subscribed);
        paths.map(|path| path.as_str().len() + ENTRY).sum()
    }

    fn take_news(&mut self, open: Option<MailboxId>) -> Vec<Update> {
        if std::mem::take(&mut self.overflow) {
            return vec![Update::Overflow];
        }
        if let Some(open) = open {
            self.news.messages.remove(&open);
        }
        let mut updates = Vec::new();
        while updates.len() < PAGE {
            let Some(news) = self.next_news() else { break };
            updates.extend(news);
        }
        updates
    }

    /// The next piece of news, which can be none any more.
    fn next_news(&mut self) -> Option<Option<Update>> {
        if let Some(path) = self.news.access.pop_first() {
            let mut mailbox = self.listed(&path);
            if mailbox.attributes.contains(&MailboxAttribute::NonExistent) {
                mailbox.attributes.push(MailboxAttribute::NoAccess);
            }
            return Some(Some(update(mailbox, MailboxEvent::Access)));
        }
        if let Some((id, old)) = self.news.renamed.pop_first() {
            let now = self.known.get(&id).map(|known| known.path.clone()).filter(|now| *now != old);
            return Some(now.map(|now| {
                update(self.listed(&now), MailboxEvent::Name { old_name: Some(old.to_string()) })
            }));
        }
        // INBOX keeps its identity when it is renamed, and its messages are in a new mailbox then: that one has no old
        // name, as a client would take it for the mailbox that it knows (RFC 9051 section 6.3.6).
        if let Some(path) = self.news.names.pop_first() {
            return Some(Some(update(self.listed(&path), MailboxEvent::Name { old_name: None })));
        }
        if let Some(path) = self.news.subscriptions.pop_first() {
            return Some(Some(update(self.listed(&path), MailboxEvent::Subscription)));
        }
        if let Some((id, entries)) = self.news.annotations.pop_first() {
            let entries = entries.into_values().collect();
            let Some(id) = id else { return Some(Some(Update::ServerMetadata(entries))) };
            let path = self.known.get(&id).filter(|known| can_read(known)).map(|known| known.path.clone());
            return Some(path.map(|path| update(self.listed(&path), MailboxEvent::Metadata(entries))));
        }
        let (id, Messages { counts, unseen }) = self.news.messages.pop_first()?;
        let told = self.known.get(&id).map(|known| {
            update(self.listed(&known.path), MailboxEvent::Messages { status: status(known), counts, unseen })
        });
        Some(told)
    }

    /// A name as LIST shows it.
    fn listed(&self, path: &MailboxPath) -> Listed {
        let mut listed = Listed::new(path.as_str()).subscribed(self.subscribed.contains(path));
        match self.names.get(path).and_then(|id| self.known.get(id)) {
            None => listed.attributes.push(MailboxAttribute::NonExistent),
            Some(known) => {
                let special_use = known.special_use.clone();
                listed.attributes.extend(special_use.and_then(|name| MailboxAttribute::new(name).ok()));
                if !can_read(known) {
                    listed.attributes.push(MailboxAttribute::NoAccess);
                }
            }
        }
        let below = format!("{path}{DELIMITER}");
        let next = self.names.range::<str, _>((Bound::Included(below.as_str()), Bound::Unbounded)).next();
        let has_children = next.is_some_and(|(next, _)| next.as_str().starts_with(&below));
        let children =
            if has_children { MailboxAttribute::HasChildren } else { MailboxAttribute::HasNoChildren };
        listed.with(children)
    }
}

impl News {
    /// What it takes, without what is bounded by the mailboxes there are.
    fn bytes(&self) -> usize {
        let paths = self.names.iter().chain(&self.access).chain(&self.subscriptions);
        let paths: usize = paths.map(|path| path.as_str().len() + ENTRY).sum();
        let entries = self.annotations.values().flat_map(BTreeMap::keys);
        paths + entries.map(|key| 2 * key.len() + ENTRY).sum::<usize>()
    }
}

fn update(mailbox: Listed, event: MailboxEvent) -> Update {
    Update::Mailbox(Box::new(MailboxUpdate::new(mailbox, event)))
}

/// What is in a mailbox.
pub(super) fn status(mailbox: &Mailbox) -> Status {
    let mut status = Status::default();
    status.messages = Some(mailbox.messages);
    status.recent = Some(mailbox.recent);
    status.uid_next = Some(mailbox.uid_next);
    status.uid_validity = Some(mailbox.uid_validity);
    status.unseen = Some(mailbox.unseen);
    status.deleted = Some(mailbox.deleted);
    status.size = Some(mailbox.bytes);
    status.deleted_bytes = Some(mailbox.deleted_bytes);
    status.mailbox_id = Some(mailbox.id.object_id());
    status.highest_mod_seq = Some(mailbox.mod_seq);
    status
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use mailwire_imap::types::UidValidity;

    use super::*;

    fn mailbox(id: u64, name: &str, change: u64, rights: Rights) -> Mailbox {
        let path = MailboxPath::new(name).unwrap();
        let mut mailbox = Mailbox::new(MailboxId::new(id), path, UidValidity::MIN);
        (mailbox.mod_seq, mailbox.rights) = (ModSeq::new(change).unwrap(), rights);
        mailbox
    }

    fn changed(change: u64, mailboxes: Vec<Mailbox>) -> Mailboxes {
        let mut changed = Mailboxes::new(ModSeq::new(change).unwrap());
        changed.mailboxes = mailboxes;
        changed
    }

    /// What is told, in short.
    fn told(state: &mut State) -> Vec<String> {
        let short = |update: Update| match update {
            Update::Mailbox(update) => {
                let attributes: Vec<_> = update.mailbox.attributes.iter().map(ToString::to_string).collect();
                let event = match update.event {
                    MailboxEvent::Messages { counts, .. } => format!("messages {counts}"),
                    MailboxEvent::Name { old_name } => format!("name {}", old_name.unwrap_or_default()),
                    MailboxEvent::Access => "access".into(),
                    other => panic!("{other:?}"),
                };
                format!("{} {}: {event}", update.mailbox.name, attributes.join(" "))
            }
            other => format!("{other:?}"),
        };
        state.take_news(None).into_iter().map(short).collect()
    }

    fn known() -> State {
        let mut state = State::new();
        let mut all = changed(2, vec![mailbox(1, "a", 1, Rights::ALL), mailbox(2, "a/b", 2, Rights::ALL)]);
        all.complete = true;
        state.take(all);
        state.news = News::default();
        state
    }

    /// RFC 5465 sections 5.4 and 5.9: the right to see a mailbox is taken away, and given again.
    #[test]
    fn a_mailbox_that_may_not_be_seen_is_not_there() {
        let mut state = known();
        let hidden = Rights::ALL.without(Rights::LOOKUP);
        state.take(changed(3, vec![mailbox(2, "a/b", 3, hidden)]));
        let gone = "a/b \\NonExistent \\HasNoChildren \\NoAccess: access";
        assert_eq!(told(&mut state), [gone, "a \\HasNoChildren: name "]);
        assert!(!state.known.values().all(can_read));
        // Whatever happens to it, its name included.
        state.take(changed(4, vec![mailbox(2, "a/secret", 4, hidden)]));
        assert!(told(&mut state).is_empty());
        state.take(changed(5, vec![mailbox(2, "a/secret", 5, Rights::ALL)]));
        let there = ["a/secret \\HasNoChildren: access", "a \\HasChildren: name "];
        assert_eq!(told(&mut state), [&there[..], &["a/secret \\HasNoChildren: messages true"]].concat());
    }

    #[test]
    fn mailboxes_that_may_not_be_seen_take_memory() {
        let mut state = known();
        let before = state.known_bytes();
        state.take(changed(3, vec![mailbox(3, "hidden", 3, Rights::ALL.without(Rights::LOOKUP))]));
        assert_eq!(state.known_bytes(), before + "hidden".len() + ENTRY);
    }

    /// What was not told of yet is told as it is then.
    #[test]
    fn names_that_change_again() {
        let mut state = known();
        state.take(changed(3, vec![mailbox(2, "x", 3, Rights::ALL)]));
        state.take(changed(4, vec![mailbox(2, "y", 4, Rights::ALL)]));
        let names = |told: Vec<String>| -> Vec<String> {
            told.into_iter().filter(|one| one.contains(": name")).collect()
        };
        assert_eq!(names(told(&mut state)), ["y \\HasNoChildren: name a/b"]);
        state.take(changed(5, vec![mailbox(2, "z", 5, Rights::ALL)]));
        state.take(changed(6, vec![mailbox(2, "y", 6, Rights::ALL)]));
        assert!(names(told(&mut state)).is_empty());
    }

    #[test]
    fn what_is_not_known_any_more_cannot_be_told() {
        let mut state = known();
        let mut lost = changed(3, vec![mailbox(2, "x", 3, Rights::ALL)]);
        lost.annotations = None;
        state.take(lost);
        assert_eq!(told(&mut state), ["Overflow"]);
        assert!(told(&mut state).is_empty());
    }
}
