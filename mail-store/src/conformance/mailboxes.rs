//! Mailboxes, their names, and who holds them.

use std::time::Duration;

use mailwire_imap::{Capability, extensions::metadata::EntryName, types::ModSeq};

use super::{World, path, uids};
use crate::{AccountId, Error, Lease, MailboxChange, Store, Watch as _};

pub(super) async fn hierarchy<S: Store>(store: S) {
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

pub(super) async fn renaming_inbox_moves_its_messages<S: Store>(store: S) {
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

pub(super) async fn a_name_that_is_used_again_is_another_mailbox<S: Store>(store: S) {
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

pub(super) async fn an_open_mailbox_can_be_renamed<S: Store>(store: S) {
    let world = World::new(store).await;
    let a = world.create("a").await.unwrap();
    world.put(a, "1", &[]).await;
    world.store.alter(world.ada, MailboxChange::Rename { from: path("a"), to: path("b") }).await.unwrap();
    world.create("a").await.unwrap();
    assert_eq!(world.rows(a, &[1]).await.len(), 1);
    assert_eq!(world.mailbox("b").await.unwrap().id, a);
}

pub(super) async fn mailboxes_that_have_changed<S: Store>(store: S) {
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

/// Of a store that has annotations.
pub(super) async fn annotations_that_were_changed<S: Store>(store: S) {
    if !store.extensions().contains(&Capability::Metadata) {
        return;
    }
    let world = World::new(store).await;
    let a = world.create("a").await.unwrap();
    let start = world.store.mailboxes(world.ada, ModSeq::ZERO).await.unwrap();
    let mut watch = world.store.watch(world.ada);
    let entry = |name: &str| EntryName::new(name).unwrap();
    let name = entry("/private/comment");
    for mailbox in [Some(a), None] {
        let set = [(name.clone(), Some("x".into()))];
        world.store.set_metadata(world.ada, mailbox, &set).await.unwrap();
    }
    tokio::time::timeout(Duration::from_secs(10), watch.changed()).await.unwrap();
    let changed = world.store.mailboxes(world.ada, start.mod_seq).await.unwrap();
    let mut annotations = changed.annotations.unwrap();
    annotations.sort_by_key(|(mailbox, _)| mailbox.is_some());
    assert_eq!(annotations, [(None, name.clone()), (Some(a), name)]);
    let nothing = world.store.mailboxes(world.ada, changed.mod_seq).await.unwrap();
    assert_eq!(nothing.annotations, Some(Vec::new()));
}

pub(super) async fn leases<S: Store>(store: S) {
    let world = World::new(store).await;
    let lease = || world.store.lease(world.ada, Lease::Maildrop, Duration::from_secs(60));
    let held = lease().await.unwrap();
    assert_eq!(lease().await.err(), Some(Error::InUse));
    world.deliver("others go on").await;
    drop(held);
    assert!(lease().await.is_ok());
}

pub(super) async fn logins_are_apart<S: Store>(store: S) {
    let world = World::new(store).await;
    let login = |time| world.store.lease(world.ada, Lease::Login, time);
    let long = Duration::from_secs(60);
    // One that is over at once keeps nobody away.
    for time in [Duration::ZERO, Duration::ZERO, long] {
        drop(login(time).await.unwrap());
    }
    // It is not given back.
    assert_eq!(login(long).await.err(), Some(Error::InUse));
    assert!(world.store.lease(world.ada, Lease::Maildrop, long).await.is_ok());
    let nobody = AccountId::new(u64::from(u32::MAX));
    assert_eq!(world.store.lease(nobody, Lease::Login, long).await.err(), Some(Error::NoSuchAccount));
}
