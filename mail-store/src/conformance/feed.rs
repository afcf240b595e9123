//! The feed of changes, and the watch that wakes for it.

use std::{collections::BTreeMap, future::Future, time::Duration};

use mailwire_imap::{
    command::StoreAction,
    types::{Flag, FlagSet, Uid},
};

use super::{World, add, flags, uid, uids};
use crate::{Cursor, FlagChange, How, Row, Store, Uids, Watch as _, Which};

/// By mod-sequence alone, message 1 would be told after message 2.
pub(super) async fn the_feed_tells_arrivals_before_flags<S: Store>(store: S) {
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

pub(super) async fn the_feed_has_pages_within_one_change<S: Store>(store: S) {
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

async fn soon<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(Duration::from_millis(100), future).await.ok()
}

pub(super) async fn a_watch_loses_nothing<S: Store>(store: S) {
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
pub(super) async fn the_feed_is_the_state<S: Store>(store: S) {
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
