//! What every store must do, whatever is behind it. At the end stands for which stores it is run.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{collections::BTreeMap, future::Future, time::Duration};

use bytes::Bytes;
use mailwire_imap::{
    command::{AString, SearchKey, StoreAction},
    types::{Flag, FlagSet, ModSeq, Uid},
};
use mailwire_store::{
    AccountId, BodyId, BodyReader, BodyWriter, Changes, Cursor, Delivered, Error, Fields, Filter, FlagChange,
    How, Lease, Mailbox, MailboxChange, MailboxId, MailboxPath, Result, Row, Store, Target, Uids, Watch,
    Which,
};

/// A store with the account of `ada`.
struct World<S> {
    store: S,
    ada: AccountId,
}

fn path(name: &str) -> MailboxPath {
    MailboxPath::new(name).unwrap()
}

fn uids(numbers: &[u32]) -> Uids {
    numbers.iter().copied().filter_map(Uid::new).collect()
}

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

fn flags(flags: &[&str]) -> FlagSet {
    flags.iter().map(|flag| Flag::new(*flag).unwrap()).collect()
}

fn add(names: &[&str]) -> FlagChange {
    FlagChange::new(StoreAction::Add, flags(names))
}

impl<S: Store> World<S> {
    async fn new(store: S) -> Self {
        Self { ada: store.account("ada").await.unwrap(), store }
    }

    async fn create(&self, name: &str) -> Result<MailboxId> {
        let change = MailboxChange::Create { path: path(name), special_use: None };
        self.store.alter(self.ada, change).await?;
        Ok(self.mailbox(name).await?.id)
    }

    async fn mailbox(&self, name: &str) -> Result<Mailbox> {
        self.store.mailbox(self.ada, &path(name)).await
    }

    async fn inbox(&self) -> MailboxId {
        self.mailbox("INBOX").await.unwrap().id
    }

    async fn write(&self, raw: &str) -> BodyId {
        let mut writer = self.store.body(&[self.ada], Some(raw.len() as u64)).await.unwrap();
        let (one, two) = raw.split_at(raw.len() / 2);
        for piece in [one, two] {
            writer.write(Bytes::copy_from_slice(piece.as_bytes())).await.unwrap();
        }
        writer.finish().await.unwrap()
    }

    async fn put(&self, mailbox: MailboxId, raw: &str, names: &[&str]) -> Delivered {
        let target = Target::mailbox(mailbox).with_flags(flags(names));
        let body = self.write(raw).await;
        self.store.deliver(body, &[target]).await.pop().unwrap().unwrap()
    }

    async fn deliver(&self, raw: &str) -> Uid {
        let body = self.write(raw).await;
        self.store.deliver(body, &[Target::inbox(self.ada)]).await.pop().unwrap().unwrap().uid
    }

    async fn names(&self) -> Vec<String> {
        let all = self.store.mailboxes(self.ada, ModSeq::ZERO).await.unwrap();
        assert!(all.complete);
        let mut names: Vec<_> = all.mailboxes.iter().map(|mailbox| mailbox.path.to_string()).collect();
        names.sort();
        names
    }

    async fn cursor(&self, mailbox: MailboxId) -> Cursor {
        self.store.open(mailbox, None).await.unwrap().cursor
    }

    async fn changes(&self, mailbox: MailboxId, cursor: &mut Cursor) -> Changes {
        let changes = self.store.changes(mailbox, *cursor, 100).await.unwrap();
        *cursor = changes.cursor;
        changes
    }

    async fn read(&self, body: BodyId, start: u64, end: u64) -> Result<String> {
        let mut reader = self.store.read(body, start..end).await?;
        let mut text = String::new();
        while let Some(chunk) = reader.chunk().await? {
            text += std::str::from_utf8(&chunk).unwrap();
        }
        Ok(text)
    }

    async fn rows(&self, mailbox: MailboxId, set: &[u32]) -> Vec<Row> {
        self.store.messages(mailbox, &uids(set), Fields::new().with_flags(true), usize::MAX).await.unwrap()
    }
}

async fn hierarchy<S: Store>(store: S) {
    let world = World::new(store).await;
    world.create("a/b/c").await.unwrap();
    world.create("Sent/").await.unwrap();
    assert_eq!(world.names().await, ["INBOX", "Sent", "a", "a/b", "a/b/c"]);
    assert_eq!(world.create("inbox").await, Err(Error::MailboxExists));
    let alter = |change| world.store.alter(world.ada, change);
    let rename = |from, to| MailboxChange::Rename { from: path(from), to: path(to) };
    let delete = |name| MailboxChange::Delete(path(name));

    alter(delete("a")).await.unwrap();
    assert_eq!(alter(delete("a")).await, Err(Error::HasChildren));
    assert_eq!(world.mailbox("a").await, Err(Error::NoSuchMailbox));
    alter(rename("a", "x/y")).await.unwrap();
    assert!(matches!(alter(rename("x", "x/z")).await, Err(Error::MailboxName(_))));
    assert_eq!(alter(rename("x/y/b", "Sent")).await, Err(Error::MailboxExists));
    assert_eq!(world.names().await, ["INBOX", "Sent", "x", "x/y/b", "x/y/b/c"]);
    assert_eq!(alter(delete("Inbox")).await, Err(Error::Inbox));
    assert_eq!(alter(delete("none")).await, Err(Error::NoSuchMailbox));
    assert_eq!(alter(rename("none", "n")).await, Err(Error::NoSuchMailbox));
}

async fn renaming_inbox_moves_its_messages<S: Store>(store: S) {
    let world = World::new(store).await;
    let inbox = world.inbox().await;
    world.deliver("x").await;
    world.create("inbox/sub").await.unwrap();
    let mut cursor = world.cursor(inbox).await;
    let rename = MailboxChange::Rename { from: path("INBOX"), to: path("old") };
    world.store.alter(world.ada, rename).await.unwrap();
    let moved =
        (world.mailbox("INBOX").await.unwrap().messages, world.mailbox("old").await.unwrap().messages);
    assert_eq!((moved, world.inbox().await), ((0, 1), inbox));
    assert!(world.mailbox("INBOX/sub").await.is_ok());
    assert_eq!(world.changes(inbox, &mut cursor).await.vanished, uids(&[1]));
}

async fn a_name_that_is_used_again_is_another_mailbox<S: Store>(store: S) {
    let world = World::new(store).await;
    let before = world.create("a").await.unwrap();
    let validity = world.mailbox("a").await.unwrap().uid_validity;
    let mut cursor = world.cursor(before).await;
    world.store.alter(world.ada, MailboxChange::Delete(path("a"))).await.unwrap();
    let after = world.create("a").await.unwrap();
    assert!(world.mailbox("a").await.unwrap().uid_validity > validity && after != before);
    assert!(world.changes(before, &mut cursor).await.gone);
    assert_eq!(world.store.open(before, None).await.unwrap_err(), Error::NoSuchMailbox);
}

async fn an_open_mailbox_can_be_renamed<S: Store>(store: S) {
    let world = World::new(store).await;
    let a = world.create("a").await.unwrap();
    world.put(a, "1", &[]).await;
    world.store.alter(world.ada, MailboxChange::Rename { from: path("a"), to: path("b") }).await.unwrap();
    world.create("a").await.unwrap();
    assert_eq!(world.rows(a, &[1]).await.len(), 1);
    assert_eq!(world.mailbox("b").await.unwrap().id, a);
}

async fn mailboxes_that_have_changed<S: Store>(store: S) {
    let world = World::new(store).await;
    let (a, b) = (world.create("a").await.unwrap(), world.create("b").await.unwrap());
    let alter = |change| world.store.alter(world.ada, change);
    let start = world.store.mailboxes(world.ada, ModSeq::ZERO).await.unwrap();
    assert_eq!(start.subscriptions, Some(vec![path("INBOX")]));
    let nothing = world.store.mailboxes(world.ada, start.mod_seq).await.unwrap();
    assert!(nothing.mailboxes.is_empty() && nothing.gone.is_empty() && nothing.subscriptions.is_none());

    world.put(a, "1", &["\\Seen"]).await;
    alter(MailboxChange::Delete(path("b"))).await.unwrap();
    alter(MailboxChange::Subscribe(path("b"))).await.unwrap();
    let changed = world.store.mailboxes(world.ada, start.mod_seq).await.unwrap();
    let counted: Vec<_> = changed.mailboxes.iter().map(|m| (m.id, m.messages, m.unseen, m.bytes)).collect();
    assert_eq!((counted, changed.gone), (vec![(a, 1, 0, 1)], vec![b]));
    // A subscription outlives its mailbox.
    let subscriptions = changed.subscriptions.unwrap();
    assert!(subscriptions.contains(&path("b")) && subscriptions.len() == 2);
    alter(MailboxChange::Unsubscribe(path("b"))).await.unwrap();
    alter(MailboxChange::Unsubscribe(path("none"))).await.unwrap();
    let changed = world.store.mailboxes(world.ada, changed.mod_seq).await.unwrap();
    assert_eq!(changed.subscriptions, Some(vec![path("INBOX")]));
}

/// By mod-sequence alone, message 1 would be told after message 2.
async fn the_feed_tells_arrivals_before_flags<S: Store>(store: S) {
    let world = World::new(store).await;
    let inbox = world.inbox().await;
    world.deliver("1").await;
    let mut cursor = world.cursor(inbox).await;
    let start = cursor;
    world.deliver("2").await;
    world.deliver("3").await;
    let store = world.store.clone();
    store.store(inbox, &uids(&[1, 2, 77]), &add(&["\\Seen", "$Junk"])).await.unwrap();
    let mod_seq = store.expunge(inbox, &uids(&[3]), Which::All).await.unwrap();

    let changes = world.changes(inbox, &mut cursor).await;
    assert_eq!((&changes.arrived, &changes.vanished), (&uids(&[2]), &uids(&[3])));
    let told: Vec<_> = changes.flags.iter().map(|(uid, _, flags)| (uid.get(), flags.clone())).collect();
    assert_eq!(told, [(1, flags(&["\\Seen", "$Junk"]))], "what has just arrived needs no flags");
    assert_eq!((cursor.mod_seq(), cursor.uid_next()), (mod_seq, uid(4)));
    assert!(world.changes(inbox, &mut cursor).await.is_empty());

    // A client's own number: arrivals come as flags.
    let since = store.changes(inbox, Cursor::since(start.mod_seq()), 100).await.unwrap();
    assert_eq!(since.flags.iter().map(|(uid, ..)| uid.get()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((&since.arrived, &since.vanished), (&Uids::new(), &uids(&[3])));
    let opened = store.open(inbox, Some(Cursor::since(start.mod_seq()))).await.unwrap();
    assert_eq!((opened.changes.unwrap(), opened.cursor), (since, cursor));
    assert_eq!((opened.uids, opened.first_unseen), (uids(&[1, 2]), None));
    assert_eq!(opened.keywords, flags(&["$Junk"]));
}

async fn the_feed_has_pages_within_one_change<S: Store>(store: S) {
    let world = World::new(store).await;
    let inbox = world.inbox().await;
    for _ in 0..5 {
        world.deliver("x").await;
    }
    let mut cursor = world.cursor(inbox).await;
    let stored = world.store.store(inbox, &uids(&[1, 2, 3, 4, 5]), &add(&["\\Seen"])).await.unwrap();
    let mut told = Vec::new();
    for more in [true, true, false] {
        let changes = world.store.changes(inbox, cursor, 2).await.unwrap();
        assert_eq!(changes.more, more);
        assert!(changes.flags.iter().all(|(_, mod_seq, _)| *mod_seq == stored.mod_seq));
        told.extend(changes.flags.iter().map(|(uid, ..)| uid.get()));
        cursor = changes.cursor;
    }
    assert_eq!((told, stored.changed.len()), (vec![1, 2, 3, 4, 5], 5));
}

async fn flags_change<S: Store>(store: S) {
    let world = World::new(store).await;
    let inbox = world.inbox().await;
    world.deliver("1").await;
    world.deliver("2").await;
    let start = world.cursor(inbox).await;
    let change = |how: FlagChange, set: Uids| {
        let store = world.store.clone();
        async move { store.store(inbox, &set, &how).await.unwrap() }
    };
    let one = change(add(&["\\Seen", "$Work", "\\Recent"]), uids(&[1, 77])).await;
    assert_eq!((&one.changed, &one.met, &one.refused), (&uids(&[1]), &Uids::new(), &Uids::new()).clone());
    assert!(one.mod_seq > start.mod_seq());

    // Nothing changes: the last number stays.
    let same = change(add(&["\\seen", "$work"]), uids(&[1])).await;
    assert_eq!((same.mod_seq, same.changed), (one.mod_seq, Uids::new()));

    // A change that meets another, of which its author does not know.
    let met = change(add(&["\\Flagged"]).seen(start.mod_seq()), uids(&[1, 2])).await;
    assert_eq!((&met.changed, &met.met), (&uids(&[1, 2]), &uids(&[1])));
    let known = change(add(&["\\Draft"]).seen(met.mod_seq), uids(&[1])).await;
    assert_eq!(known.met, Uids::new());

    // UNCHANGEDSINCE.
    let guarded = FlagChange::new(StoreAction::Remove, flags(&["\\Flagged"])).unchanged_since(met.mod_seq);
    let stored = change(guarded, uids(&[1, 2])).await;
    assert_eq!((&stored.changed, &stored.refused), (&uids(&[2]), &uids(&[1])));

    change(FlagChange::new(StoreAction::Replace, flags(&["\\Deleted"])), uids(&[2])).await;
    let rows = world.rows(inbox, &[1, 2]).await;
    assert_eq!(rows[0].flags, flags(&["\\Seen", "\\Flagged", "\\Draft", "$Work"]));
    assert_eq!(rows[1].flags, flags(&["\\Deleted"]));
    let mailbox = world.mailbox("INBOX").await.unwrap();
    assert_eq!((mailbox.unseen, mailbox.deleted), (1, 1));

    world.store.expunge(inbox, &uids(&[1, 2]), Which::Deleted).await.unwrap();
    let mailbox = world.mailbox("INBOX").await.unwrap();
    assert_eq!((mailbox.messages, mailbox.unseen, mailbox.deleted, mailbox.uid_next), (1, 0, 0, uid(3)));
    let too_many = world.store.store(inbox, &Uids::below(uid(5000)), &add(&["\\Seen"])).await;
    assert!(matches!(too_many, Err(Error::Limit(_))));
}

async fn keywords_are_bounded<S: Store>(store: S) {
    let world = World::new(store).await;
    let inbox = world.inbox().await;
    world.deliver("1").await;
    for number in 0..63 {
        world.store.store(inbox, &uids(&[1]), &add(&[&format!("k{number}")])).await.unwrap();
    }
    assert!(!world.store.open(inbox, None).await.unwrap().new_keywords);
    let full = world.store.store(inbox, &uids(&[1]), &add(&["other", "\\Seen"])).await;
    assert!(matches!(full, Err(Error::Limit(_))));
    let row = world.rows(inbox, &[1]).await.remove(0);
    assert_eq!((row.flags.len(), row.flags.contains(&Flag::Seen)), (63, false), "nothing was done");
    // Copies keep what fits.
    let a = world.create("a").await.unwrap();
    world.put(a, "x", &["mine"]).await;
    world.store.copy(inbox, &uids(&[1]), a, How::Copy).await.unwrap();
    assert_eq!(world.rows(a, &[2]).await[0].flags.len(), 62);
}

async fn copies_and_moves<S: Store>(store: S) {
    let world = World::new(store).await;
    let (inbox, a) = (world.inbox().await, world.create("a").await.unwrap());
    let body = world.write("12").await;
    world.store.deliver(body, &[Target::inbox(world.ada)]).await.pop().unwrap().unwrap();
    let none = MailboxId::new(u64::MAX);
    assert_eq!(
        world.store.copy(inbox, &uids(&[1]), none, How::Copy).await.unwrap_err(),
        Error::NoSuchMailbox
    );
    let copied = world.store.copy(inbox, &uids(&[1, 99]), a, How::Copy).await.unwrap();
    assert_eq!(copied.pairs().collect::<Vec<_>>(), [(uid(1), uid(1))]);
    let mut cursor = world.cursor(inbox).await;
    let moved = world.store.copy(inbox, &uids(&[1]), a, How::Move).await.unwrap();
    assert_eq!(moved.pairs().collect::<Vec<_>>(), [(uid(1), uid(2))]);
    assert_eq!(moved.uid_validity, world.mailbox("a").await.unwrap().uid_validity);
    assert_eq!(world.changes(inbox, &mut cursor).await.vanished, uids(&[1]));
    // The body is one.
    assert!(world.rows(a, &[1, 2]).await.iter().all(|row| row.body == body));
    // Into itself.
    let mut cursor = world.cursor(a).await;
    world.store.copy(a, &uids(&[1]), a, How::Move).await.unwrap();
    let changes = world.changes(a, &mut cursor).await;
    assert_eq!((changes.vanished, changes.arrived), (uids(&[1]), uids(&[3])));
    assert_eq!(world.mailbox("a").await.unwrap().messages, 2);
}

async fn bodies<S: Store>(store: S) {
    let world = World::new(store).await;
    let inbox = world.inbox().await;
    let a = world.create("a").await.unwrap();
    let raw = "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhello\r\n";
    let body = world.write(raw).await;
    let targets = [Target::inbox(world.ada), Target::mailbox(MailboxId::new(u64::MAX)), Target::mailbox(a)];
    let delivered = world.store.deliver(body, &targets).await;
    assert_eq!(delivered.len(), 3);
    assert_eq!(
        (delivered[0].as_ref().unwrap().mailbox, delivered[1].clone()),
        (inbox, Err(Error::NoSuchMailbox))
    );
    assert_eq!(delivered[2].as_ref().unwrap().mailbox, a);

    assert_eq!(world.read(body, 0, u64::MAX).await.unwrap(), raw);
    assert_eq!(world.read(body, 3, 7).await.unwrap(), "ject");
    assert_eq!(world.read(body, 1000, 2000).await.unwrap(), "");
    let message = world.store.message(body).await.unwrap();
    let fields = Fields::new().with_envelope(true).with_structure(true);
    let row = world.store.messages(inbox, &uids(&[1]), fields, 1).await.unwrap().remove(0);
    assert_eq!((row.size, row.envelope.as_deref()), (raw.len() as u64, Some(&message.envelope())));
    assert_eq!(row.structure.as_deref(), Some(&message.structure(true)));
    drop(message);

    world.store.expunge(inbox, &uids(&[1]), Which::All).await.unwrap();
    assert!(world.read(body, 0, 1).await.is_ok(), "a copy has it");
    world.store.alter(world.ada, MailboxChange::Delete(path("a"))).await.unwrap();
    assert_eq!(world.read(body, 0, 1).await, Err(Error::NoSuchBody));
    assert_eq!(world.store.deliver(body, &targets[..1]).await[0], Err(Error::NoSuchBody));
    assert_eq!(world.store.account("eve").await, Err(Error::NoSuchAccount));
}

async fn searches<S: Store>(store: S) {
    let world = World::new(store).await;
    let inbox = world.inbox().await;
    world.put(inbox, "Subject: a\r\n\r\n", &["\\Seen"]).await;
    world.put(inbox, "Subject: b\r\n\r\n", &["$Work"]).await;
    world.put(inbox, "Subject: a, and much more\r\n\r\n", &["$Work"]).await;
    let subject = |text: &str| SearchKey::Subject(AString::new(text).unwrap());
    let keyword = SearchKey::Keyword("$work".try_into().unwrap());
    for (keys, found) in [
        (vec![SearchKey::All], vec![1, 2, 3]),
        (vec![SearchKey::Seen], vec![1]),
        (vec![keyword.clone(), SearchKey::Larger(20)], vec![3]),
        (vec![keyword.clone(), subject("a")], vec![3]),
        (vec![subject("a").not()], vec![2]),
        (vec![SearchKey::Seen.or(subject("b"))], vec![1, 2]),
        (vec![SearchKey::And(vec![subject("a"), SearchKey::Unseen])], vec![3]),
        (vec![SearchKey::Uid("2:3".parse().unwrap()), SearchKey::Seen.not()], vec![2, 3]),
    ] {
        let filter = Filter::new(keys.clone());
        let preselected = world.store.preselect(inbox, &filter).await.unwrap();
        assert!(preselected.sure.intersection(&preselected.maybe).is_empty());
        let mut all = preselected.sure;
        for row in world.rows(inbox, &preselected.maybe.iter().map(Uid::get).collect::<Vec<_>>()).await {
            if filter.matches(&row, &world.store.message(row.body).await.unwrap()) {
                all.insert(row.uid);
            }
        }
        assert_eq!(all, uids(&found), "{keys:?}");
    }
    // What the rows tell needs no look into a message.
    let filter = Filter::new([keyword, SearchKey::Unseen, SearchKey::Seen.or(SearchKey::Larger(20))]);
    assert!(world.store.preselect(inbox, &filter).await.unwrap().maybe.is_empty());
}

async fn recent_is_claimed_once<S: Store>(store: S) {
    let world = World::new(store).await;
    let inbox = world.inbox().await;
    world.deliver("1").await;
    world.deliver("2").await;
    assert_eq!(world.mailbox("INBOX").await.unwrap().recent, 2);
    assert_eq!(world.store.recent(inbox, uid(3), false).await, Ok(uid(1)));
    assert_eq!(world.store.recent(inbox, uid(2), true).await, Ok(uid(1)));
    assert_eq!(world.store.recent(inbox, uid(3), true).await, Ok(uid(2)));
    assert_eq!(world.store.recent(inbox, uid(2), true).await, Ok(uid(3)), "it never goes back");
    assert_eq!(world.mailbox("INBOX").await.unwrap().recent, 0);
}

async fn leases<S: Store>(store: S) {
    let world = World::new(store).await;
    let lease = || world.store.lease(world.ada, Lease::Maildrop, Duration::from_secs(60));
    let held = lease().await.unwrap();
    assert_eq!(lease().await.err(), Some(Error::InUse));
    world.deliver("others go on").await;
    drop(held);
    assert!(lease().await.is_ok());
}

async fn soon<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(Duration::from_millis(100), future).await.ok()
}

async fn a_watch_loses_nothing<S: Store>(store: S) {
    let world = World::new(store).await;
    let inbox = world.inbox().await;
    let mut watch = world.store.watch(world.ada);
    let mut cursor = world.cursor(inbox).await;
    // It may wake for nothing, but not for ever.
    let mut spurious = 0;
    while soon(watch.changed()).await.is_some() {
        spurious += 1;
        assert!(spurious < 100);
    }
    for step in 0..3 {
        // Dropped while it waits; then the change comes.
        assert!(soon(watch.changed()).await.is_none(), "{step}");
        match step {
            0 => drop(world.deliver("1").await),
            1 => drop(world.store.store(inbox, &uids(&[1]), &add(&["\\Seen"])).await.unwrap()),
            _ => drop(world.store.expunge(inbox, &uids(&[1]), Which::All).await.unwrap()),
        }
        tokio::time::timeout(Duration::from_secs(20), watch.changed()).await.unwrap();
        assert!(!world.changes(inbox, &mut cursor).await.is_empty(), "{step}");
    }
    // One that waits already.
    let waiting = tokio::spawn(async move {
        watch.changed().await;
    });
    tokio::task::yield_now().await;
    world.deliver("2").await;
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap();
}

/// Whoever reads the feed alone, in pages of any size, knows what a fresh look shows.
async fn the_feed_is_the_state<S: Store>(store: S) {
    let world = World::new(store).await;
    let inbox = world.inbox().await;
    let mut random: u64 = 7;
    let mut draw = move |below: u32| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(random >> 33).unwrap() % below
    };
    let mut cursor = world.cursor(inbox).await;
    let mut known: BTreeMap<u32, Option<FlagSet>> = BTreeMap::new();
    for _ in 0..600 {
        for _ in 0..draw(4) {
            let top = world.mailbox("INBOX").await.unwrap().uid_next.get();
            let first = draw(top) + 1;
            let set = Uids::range(uid(first), uid(first + draw(6)));
            let names = [["\\Seen"], ["\\Deleted"], ["$Work"], ["\\Flagged"]];
            match draw(6) {
                0 | 1 => drop(world.deliver("x").await),
                2 => {
                    let change = FlagChange::new(StoreAction::Remove, flags(&names[draw(4) as usize]));
                    world.store.store(inbox, &set, &change).await.unwrap();
                }
                3 => drop(world.store.store(inbox, &set, &add(&names[draw(4) as usize])).await.unwrap()),
                4 => drop(world.store.expunge(inbox, &set, Which::Deleted).await.unwrap()),
                _ if draw(4) == 0 => drop(world.store.copy(inbox, &set, inbox, How::Move).await.unwrap()),
                _ => drop(world.store.copy(inbox, &set, inbox, How::Copy).await.unwrap()),
            }
        }
        let before = cursor.mod_seq();
        let changes = world.store.changes(inbox, cursor, 1 + draw(3) as usize).await.unwrap();
        assert!(changes.cursor.mod_seq() >= before);
        cursor = changes.cursor;
        known.extend(changes.arrived.iter().map(|uid| (uid.get(), None)));
        for (uid, _, flags) in changes.flags {
            if let Some(known) = known.get_mut(&uid.get()) {
                *known = Some(flags);
            }
        }
        known.retain(|number, _| !changes.vanished.contains(uid(*number)));
        // Who reads flags that were not told.
        for row in world.rows(inbox, &known.keys().copied().collect::<Vec<_>>()).await {
            if let Some(known @ None) = known.get_mut(&row.uid.get()) {
                *known = Some(row.flags);
            }
        }
        if changes.more {
            continue;
        }
        let opened = world.store.open(inbox, None).await.unwrap();
        if opened.cursor.mod_seq() != cursor.mod_seq() {
            continue;
        }
        assert_eq!(known.keys().copied().filter_map(Uid::new).collect::<Uids>(), opened.uids);
        let rows = world.rows(inbox, &known.keys().copied().collect::<Vec<_>>()).await;
        for row in &rows {
            assert_eq!(known[&row.uid.get()].as_ref(), Some(&row.flags), "{}", row.uid);
        }
        let count = |is: fn(&Row) -> bool| u32::try_from(rows.iter().filter(|row| is(row)).count()).unwrap();
        let mailbox = opened.mailbox;
        assert_eq!(mailbox.messages, count(|_| true));
        assert_eq!(mailbox.unseen, count(|row| !row.flags.contains(&Flag::Seen)));
        assert_eq!(mailbox.deleted, count(|row| row.flags.contains(&Flag::Deleted)));
        assert_eq!(mailbox.bytes, rows.iter().map(|row| row.size).sum::<u64>());
        let unseen = rows.iter().find(|row| !row.flags.contains(&Flag::Seen)).map(|row| row.uid);
        assert_eq!(opened.first_unseen, unseen);
    }
    assert!(known.len() > 10);
}

macro_rules! run {
    ($store:ident: $make:expr; $($test:ident)*) => {
        mod $store {
            $(#[tokio::test]
            async fn $test() {
                super::$test($make).await;
            })*
        }
    };
}

macro_rules! conformance {
    ($store:ident, $make:expr) => {
        run! { $store: $make;
            hierarchy renaming_inbox_moves_its_messages a_name_that_is_used_again_is_another_mailbox
            an_open_mailbox_can_be_renamed mailboxes_that_have_changed the_feed_tells_arrivals_before_flags
            the_feed_has_pages_within_one_change flags_change keywords_are_bounded copies_and_moves bodies searches
            recent_is_claimed_once leases a_watch_loses_nothing the_feed_is_the_state
        }
    };
}

#[cfg(feature = "memory")]
conformance!(memory, {
    let store = mailwire_store::memory::MemoryStore::new();
    store.add_user("ada", "secret").unwrap();
    store
});
