//! NOTIFY: what a client is told by itself, whether a command is in progress or not (RFC 5465).

use std::time::Duration;

use mailwire_core::Misuse;
use mailwire_imap::{
    Capability,
    command::{FetchAtt, FetchAtts, List, StatusAtt},
    extensions::{
        metadata::{EntryName, MetadataData},
        notify::{EventGroup, MailboxFilter, Notify, NotifyEvent},
    },
    response::{Code, ListExtension, ListKind, Reply, Untagged},
    types::{Atom, ListPattern, MailboxAttribute, MailboxName, Uid},
};
use tokio::time::Instant;

use super::{
    answers::{MailboxEvent, MailboxUpdate, Update},
    conversation::{Conversation, Stop, done},
    listing::{Mailbox, wire_name},
    mailboxes::{listed, show_attributes},
    messages,
    open::ok,
    options::{StatusOptions, WatchOptions},
    picking::Filter,
    refusal::Refusal,
    sending::push,
    service::{Service, Session},
};
use crate::{Budget, Error};

/// So many bytes of names may be watched one by one.
const NAMES: usize = 64 << 10;
/// What it costs to see whether a mailbox is watched, in bytes.
const LOOKED_AT: u64 = 256;
/// So many changed annotations are told at once.
const ENTRIES: usize = 16;
/// So many times a session is asked for more news after a command: others may go on for ever.
const MAX_PAGES: usize = 4096;
/// Nor is it asked for longer than this, where each answer takes a while: the rest is told later.
const NEWS_TIME: Duration = Duration::from_secs(1);

/// What a client wants to be told.
#[derive(Debug, Default)]
pub(super) struct Watching {
    /// Of messages in the selected mailbox; `None` for nothing.
    here: Option<Here>,
    /// Messages that come or are gone.
    counts: Filter,
    flags: Filter,
    names: Filter,
    subscriptions: Filter,
    metadata: Filter,
    server_metadata: bool,
}

/// What is told of the selected mailbox.
#[derive(Debug)]
struct Here {
    /// EXPUNGE comes at any time.
    at_once: bool,
    flags: bool,
    /// What is shown of new messages.
    items: Vec<FetchAtt>,
}

impl Watching {
    fn filters(&self) -> [&Filter; 5] {
        [&self.counts, &self.flags, &self.names, &self.subscriptions, &self.metadata]
    }

    /// Whether EXPUNGE may come while no command is in progress.
    pub(super) fn expunges_at_once(&self) -> bool {
        self.here.as_ref().is_some_and(|here| here.at_once)
    }

    /// Whether there is something that can be told.
    pub(super) fn is_listening(&self) -> bool {
        self.here.is_some() || self.server_metadata || self.filters().iter().any(|filter| !filter.is_empty())
    }

    /// Whether the client sees something of messages that it did not put there itself.
    pub(super) fn shows(&self) -> bool {
        self.here.as_ref().is_some_and(|here| !here.items.is_empty())
    }

    fn options(&self) -> WatchOptions {
        WatchOptions::new()
            .with_selected(self.here.is_some())
            .with_flags(self.here.as_ref().is_some_and(|here| here.flags))
            .with_mailboxes(self.is_listening())
    }

    fn is_watched(&self, mailbox: &Mailbox) -> bool {
        self.filters().iter().any(|filter| filter.covers(mailbox))
    }

    /// The numbers that tell of the events that are wanted of messages in a mailbox; none if there are none.
    fn status_items(&self, mailbox: &Mailbox, counts: bool, flags: bool, mod_seq: bool) -> Vec<StatusAtt> {
        let (counts, flags) = (counts && self.counts.covers(mailbox), flags && self.flags.covers(mailbox));
        let mut items = Vec::new();
        if counts {
            items.extend([StatusAtt::Messages, StatusAtt::UidNext]);
        }
        if flags {
            items.push(StatusAtt::Unseen);
        }
        if counts || flags {
            items.push(StatusAtt::UidValidity);
            items.extend(mod_seq.then_some(StatusAtt::HighestModSeq));
        }
        items
    }
}

impl<S: Service> Conversation<S> {
    /// NOTIFY: RFC 5465 section 3.1.
    pub(super) async fn notify(&mut self, notify: &Notify) -> Result<Reply, Stop> {
        let watching = self.watching(notify).await?;
        let options = watching.options();
        if notify.groups().is_empty() {
            self.session()?.watch(&options).await?;
            self.watching = Some(watching);
            return Ok(done());
        }
        // What has happened until now is told, whatever is told from now on.
        let all = WatchOptions::new().with_mailboxes(options.mailboxes);
        self.session()?.watch(&all).await?;
        self.watching = Some(watching);
        self.tell_news(true).await?;
        if options != all {
            self.session()?.watch(&options).await?;
        }
        if notify.status() || self.offers(&Capability::Acl) {
            self.tell_watched(notify.status()).await?;
        }
        Ok(done())
    }

    async fn watching(&mut self, notify: &Notify) -> Result<Watching, Stop> {
        let supported = self.supported_events();
        let mut watching = Watching::default();
        let is_supported = |event: &NotifyEvent| supported.iter().any(|name| name.as_bytes() == event.name());
        let events = || notify.groups().iter().flat_map(|group| &group.events);
        if !events().all(is_supported) {
            let names = supported.iter().filter_map(|name| Atom::new(*name).ok()).collect();
            let refusal = Refusal::new("These are the events that are told");
            return Err(refusal.with_code(Code::BadEvent(names)).into());
        }
        watching.server_metadata = events().any(|event| *event == NotifyEvent::ServerMetadataChange);
        let (namespaces, utf8) = (self.session()?.namespace().await?, self.utf8());
        let (mut budget, mut bytes) = (self.budget(), 0);
        for EventGroup { mailboxes, events, .. } in notify.groups() {
            if mailboxes.is_selected() {
                watching.here = here(*mailboxes == MailboxFilter::Selected, events)?;
                continue;
            }
            let filter = Filter::new([mailboxes], &namespaces, utf8);
            let cost = filter.bytes();
            bytes += cost * events.len();
            if bytes > NAMES {
                let refusal = Refusal::new("Too many mailboxes are named");
                return Err(refusal.with_code(Code::NotificationOverflow).into());
            }
            for event in events {
                budget.spend(cost as u64 + LOOKED_AT).await?;
                match event {
                    NotifyEvent::MessageNew(_) => watching.counts.add(&filter),
                    NotifyEvent::FlagChange => watching.flags.add(&filter),
                    NotifyEvent::MailboxName => watching.names.add(&filter),
                    NotifyEvent::SubscriptionChange => watching.subscriptions.add(&filter),
                    NotifyEvent::MailboxMetadataChange => watching.metadata.add(&filter),
                    _ => {}
                }
            }
        }
        Ok(watching)
    }

    /// The events that are told (RFC 5465 sections 5.6 and 5.7: those of annotations where there are some).
    fn supported_events(&self) -> Vec<&'static str> {
        let mut names =
            vec!["MessageNew", "MessageExpunge", "FlagChange", "MailboxName", "SubscriptionChange"];
        let metadata = self.offers(&Capability::Metadata);
        names.extend(metadata.then_some("MailboxMetadataChange"));
        names
            .extend((metadata || self.offers(&Capability::MetadataServer)).then_some("ServerMetadataChange"));
        names
    }

    /// Tells of the mailboxes that are watched: which of them cannot be read, and, with `status`, what is in the others.
    async fn tell_watched(&mut self, status: bool) -> Result<(), Stop> {
        let Ok(root) = MailboxName::new("") else { return Ok(()) };
        let mod_seq = self.can_count_changes();
        let mut turns = Budget::unlimited();
        for mailbox in self.session()?.list(&List::new(root, ListPattern::ALL)).await? {
            // A store in memory waits for nothing; this one has no limit.
            let _ = turns.spend(LOOKED_AT).await;
            let Some(watching) = &self.watching else { break };
            let is_open = self.open.as_ref().is_some_and(|open| open.name == mailbox.name);
            if !mailbox.is_selectable() || is_open || !watching.is_watched(&mailbox) {
                continue;
            }
            let flags = watching.flags.covers(&mailbox);
            let items =
                watching.status_items(&mailbox, true, true, mod_seq && (flags || self.counts_changes()));
            let asked = StatusOptions::new(items.as_slice());
            match self.session()?.status(&mailbox.name, &asked).await {
                Ok(found) if status && !items.is_empty() => {
                    self.tell_status(&mailbox.name, &items, &found).await?;
                }
                Err(Refusal { code: Some(Code::NoPerm), .. }) => {
                    self.tell_mailbox(mailbox.with(MailboxAttribute::NoAccess), None).await?;
                }
                // It can be gone since.
                _ => {}
            }
        }
        Ok(())
    }

    /// Tells what there is now.
    pub(super) async fn tell_news(&mut self, permits_expunge: bool) -> Result<(), Error> {
        let begin = Instant::now();
        for _ in 0..MAX_PAGES {
            let Some(session) = &mut self.session else { break };
            let updates = session.poll_updates().await;
            let is_late = begin.elapsed() >= NEWS_TIME;
            let is_last = is_late || updates.is_empty() || updates.contains(&Update::MailboxGone);
            self.tell(updates, permits_expunge).await?;
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// Before news is waited for: the client has read what was told until now, and is told which messages a command
    /// did not permit to tell as gone.
    pub(super) async fn tell_held(&mut self) -> Result<(), Error> {
        use mailwire_core::Connection as _;
        if self.driver.connection_mut().output().is_full() {
            self.driver.flush().await?;
        }
        self.tell_at_once(Vec::new()).await
    }

    /// Tells what has happened while no command is in progress.
    pub(super) async fn tell_at_once(&mut self, updates: Vec<Update>) -> Result<(), Error> {
        let permits_expunge = self.watching.as_ref().is_some_and(Watching::expunges_at_once);
        let is_end = updates.contains(&Update::MailboxGone);
        let told = match self.tell(updates, permits_expunge).await {
            Ok(()) if !is_end => self.update_contexts().await,
            told => told,
        };
        let is_closed = matches!(told, Err(Error::Misuse(Misuse::Closed)));
        if is_end || is_closed {
            // BYE was said.
            self.watching = None;
        }
        if is_closed { Ok(()) } else { told }
    }

    /// Tells what others did, as far as the client wants to know it.
    pub(super) async fn tell(&mut self, updates: Vec<Update>, permits_expunge: bool) -> Result<(), Error> {
        let (mut here, mut arrived, mut turns) = (Vec::new(), Vec::new(), Budget::unlimited());
        for update in updates {
            match update {
                Update::Mailbox(update) => {
                    // A client that reads fast takes no turns from others; this one has no limit.
                    let _ = turns.spend(LOOKED_AT).await;
                    self.tell_mailbox_update(*update).await?;
                }
                Update::ServerMetadata(entries) => {
                    if self.watching.as_ref().is_some_and(|watching| watching.server_metadata) {
                        self.tell_changed("", &entries).await?;
                    }
                }
                Update::Overflow => self.overflow().await?,
                update => {
                    if let Update::Added { uids, .. } = &update {
                        arrived.extend_from_slice(uids);
                    }
                    here.push(update);
                }
            }
        }
        let is_gone = here.contains(&Update::MailboxGone);
        if let Some(open) = &mut self.open {
            open.tell(&mut self.driver, here, permits_expunge).await?;
            open.changes.given = self.session.as_ref().and_then(Session::highest_mod_seq);
        }
        if is_gone { Ok(()) } else { self.show(arrived).await }
    }

    /// What the client asked to see of new messages, unless it put them there itself (section 5.2).
    async fn show(&mut self, mut arrived: Vec<Uid>) -> Result<(), Error> {
        let here = self.watching.as_ref().and_then(|watching| watching.here.as_ref());
        let (Some(Here { items, .. }), Some(open)) = (here, &self.open) else { return Ok(()) };
        arrived.retain(|uid| !open.made.contains(uid));
        if items.is_empty() || arrived.is_empty() {
            return Ok(());
        }
        arrived.sort_unstable();
        match self.give(arrived, items.clone(), true).await {
            Err(Stop::Fatal(error)) => Err(error),
            // The client waits for what does not come, and has to know that.
            Err(_) => self.overflow().await,
            Ok(_) => Ok(()),
        }
    }

    /// Nothing is told any more (section 5.8).
    async fn overflow(&mut self) -> Result<(), Error> {
        if self.watching.is_none() {
            return Ok(());
        }
        let nothing = Watching::default();
        if let Some(session) = &mut self.session {
            if let Err(refusal) = session.watch(&nothing.options()).await {
                tracing::warn!(reason = %refusal.text, "the session goes on watching");
            }
        }
        self.watching = Some(nothing);
        push(&mut self.driver, ok(Code::NotificationOverflow, "Too much happens to tell it")).await
    }

    /// Tells what happened to a mailbox by its name, or in one that is not open.
    async fn tell_mailbox_update(&mut self, update: MailboxUpdate) -> Result<(), Error> {
        let Some(watching) = &self.watching else { return Ok(()) };
        let MailboxUpdate { mailbox, event } = update;
        match event {
            MailboxEvent::Messages { status, counts, unseen } => {
                let mod_seq = self.counts_changes();
                // Without modification sequences, there would be nothing new in it.
                let items = watching.status_items(&mailbox, counts, unseen || mod_seq, mod_seq);
                if items.is_empty() { Ok(()) } else { self.tell_status(&mailbox.name, &items, &status).await }
            }
            MailboxEvent::Name { old_name } => {
                let before = old_name.clone().map(|name| Mailbox { name, ..mailbox.clone() });
                let is_wanted = [Some(&mailbox), before.as_ref()];
                if is_wanted.into_iter().flatten().any(|mailbox| watching.names.covers(mailbox)) {
                    return self.tell_mailbox(mailbox, old_name.as_deref()).await;
                }
                Ok(())
            }
            // It can be the end of a subscription.
            MailboxEvent::Subscription
                if watching.subscriptions.subscribed || watching.subscriptions.covers(&mailbox) =>
            {
                self.tell_mailbox(mailbox, None).await
            }
            MailboxEvent::Access if watching.is_watched(&mailbox) => self.tell_mailbox(mailbox, None).await,
            MailboxEvent::Metadata(entries) if watching.metadata.covers(&mailbox) => {
                self.tell_changed(&mailbox.name, &entries).await
            }
            _ => Ok(()),
        }
    }

    /// LIST, as a mailbox is now.
    async fn tell_mailbox(&mut self, mut mailbox: Mailbox, old_name: Option<&str>) -> Result<(), Error> {
        let utf8 = self.utf8();
        show_attributes(&mut mailbox, true);
        let Some(mut data) = listed(ListKind::List, mailbox, utf8) else { return Ok(()) };
        data.extensions.extend(old_name.and_then(|old| wire_name(old, utf8)).map(ListExtension::OldName));
        push(&mut self.driver, Untagged::List(data)).await
    }

    /// METADATA: annotations that were changed, of a mailbox, or of the server where there is no name.
    async fn tell_changed(&mut self, name: &str, entries: &[EntryName]) -> Result<(), Error> {
        let Some(mailbox) = wire_name(name, self.utf8()) else { return Ok(()) };
        for entries in entries.chunks(ENTRIES) {
            let data = MetadataData::Changed { mailbox: mailbox.clone(), entries: entries.to_vec() };
            push(&mut self.driver, data.into()).await?;
        }
        Ok(())
    }

    /// Whether the client counts changes.
    fn counts_changes(&self) -> bool {
        self.driver.connection().is_condstore()
    }

    /// The client put messages there itself.
    pub(super) fn put(&mut self, mailbox: &str, uids: impl IntoIterator<Item = Uid>) {
        let shows = self.watching.as_ref().is_some_and(Watching::shows);
        if let Some(open) = self.open.as_mut().filter(|open| shows && open.name == mailbox) {
            open.made.extend(uids);
        }
    }
}

/// What is told of the selected mailbox.
fn here(at_once: bool, events: &[NotifyEvent]) -> Result<Option<Here>, Stop> {
    for event in events {
        if let NotifyEvent::MessageNew(items) = event {
            let flags = events.contains(&NotifyEvent::FlagChange);
            let items = messages::items(FetchAtts::List(items.clone()))?;
            return Ok(Some(Here { at_once, flags, items }));
        }
    }
    Ok(None)
}
