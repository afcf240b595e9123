//! What holds for all calls: the order of numbers, dropped calls, bounds, room, all or nothing.

use std::{collections::BTreeMap, future::Future, pin::pin, task::Poll};

use bytes::Bytes;
use mailwire_imap::{
    Capability,
    extensions::{
        acl::{Rights, RightsChange},
        quota::ResourceName,
    },
    types::ModSeq,
};

use super::{World, add, path, uid, uids};
use crate::{
    BodyReader as _, BodyWriter as _, Cursor, Error, How, MAX_CHANGED, MAX_COPIED, MailboxChange, Store,
    Target, Uids, Which,
};

/// Nothing that is gone gives its number to another.
pub(super) async fn numbers_never_come_again<S: Store>(store: S) {
    let world = World::new(store).await;
    let inbox = world.inbox().await;
    let other = world.create("a").await.unwrap();
    let mut told = vec![world.store.mailboxes(world.ada, ModSeq::ZERO).await.unwrap().mod_seq];
    let mut given = Vec::new();
    for _ in 0..5 {
        let delivered = world.put(inbox, "x", &[]).await;
        told.push(delivered.mod_seq);
        let moved = world.store.copy(inbox, &delivered.uid.into(), other, How::Move).await.unwrap();
        told.push(moved.mod_seq);
        told.push(world.store.expunge(other, &moved.first.into(), Which::All).await.unwrap());
        given.push((delivered.uid, moved.first));
    }
    assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "one counter an account: {told:?}");
    assert!(given.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1), "{given:?}");
    let mailbox = world.mailbox("INBOX").await.unwrap();
    assert_eq!((mailbox.messages, mailbox.uid_next), (0, uid(6)));
    assert!(world.store.mailboxes(world.ada, ModSeq::ZERO).await.unwrap().mod_seq >= told[told.len() - 1]);
}

/// Whoever sees a number sees all changes below it, while many are made.
pub(super) async fn changes_are_seen_in_their_order<S: Store>(store: S) {
    let world = World::new(store).await;
    let inbox = world.inbox().await;
    let mut cursor = world.cursor(inbox).await;
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (store, ada) = (world.store.clone(), world.ada);
            tokio::spawn(async move {
                let world = World { store, ada };
                let mut done = Vec::new();
                for _ in 0..12 {
                    let delivered = world.put(inbox, "x", &[]).await;
                    done.push((delivered.mod_seq, delivered.uid));
                    if task % 2 == 0 {
                        let set = Uids::from(delivered.uid);
                        world.store.store(inbox, &set, &add(&["\\Seen"])).await.unwrap();
                    }
                }
                done
            })
        })
        .collect();
    // Up to which number it was looked, and what had arrived then.
    let mut looks = Vec::new();
    let mut seen = Uids::new();
    while seen.len() < 8 * 12 {
        let changes = world.changes(inbox, &mut cursor).await;
        seen = seen.union(&changes.arrived);
        looks.push((changes.cursor.mod_seq(), seen.clone()));
        tokio::task::yield_now().await;
    }
    let mut all = BTreeMap::new();
    for task in tasks {
        for (mod_seq, uid) in task.await.unwrap() {
            assert!(all.insert(mod_seq, uid).is_none(), "{mod_seq} was given twice");
        }
    }
    // UIDs ascend as the numbers do.
    assert!(all.values().zip(all.values().skip(1)).all(|(one, next)| one < next));
    for (mod_seq, seen) in looks {
        let below: Uids = all.range(..=mod_seq).map(|(_, uid)| *uid).collect();
        assert!(below.difference(&seen).is_empty(), "{mod_seq} was seen without {below:?} in {seen:?}");
    }
}

/// Polls a call so many times, with turns for others between, and drops it then. Whether it was done.
async fn dropped_after<T>(polls: u32, call: impl Future<Output = T>) -> bool {
    let mut call = pin!(call);
    for _ in 0..polls {
        let done = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_ready())).await;
        if done {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// A dropped change happens wholly or not at all; what comes after it goes on.
pub(super) async fn a_dropped_call_is_whole_or_nothing<S: Store>(store: S) {
    let world = World::new(store).await;
    let (inbox, other) = (world.inbox().await, world.create("a").await.unwrap());
    for _ in 0..20 {
        world.deliver("x").await;
    }
    let all = Uids::below(uid(21));
    for polls in 0..12 {
        let done = dropped_after(polls, world.store.copy(inbox, &all, other, How::Copy)).await;
        // Whatever is still being done comes before a change that is asked for later.
        let mark = world.put(inbox, "mark", &[]).await;
        let copied = world.mailbox("a").await.unwrap().messages;
        assert!(copied == 20 || (copied == 0 && !done), "{polls}: {copied}");
        let there = world.store.open(other, None).await.unwrap().uids;
        world.store.expunge(other, &there, Which::All).await.unwrap();

        let body = world.write("y").await;
        let targets = [Target::mailbox(other), Target::mailbox(other)];
        let done = dropped_after(polls, world.store.deliver(body, &targets)).await;
        world.store.expunge(inbox, &mark.uid.into(), Which::All).await.unwrap();
        let count = world.mailbox("a").await.unwrap().messages;
        assert!(count <= 2 && (!done || count == 2), "{polls}: {count}");
        // Each target is a change of its own; none comes twice.
        let there = world.store.open(other, None).await.unwrap().uids;
        world.store.expunge(other, &there, Which::All).await.unwrap();
    }
    // A body that is given up on its way leaves nothing.
    let mut writer = world.store.body(&[world.ada], None).await.unwrap();
    dropped_after(1, writer.write(Bytes::from_static(b"z"))).await;
    drop(writer);
    assert_eq!(world.mailbox("a").await.unwrap().messages, 0);
    assert_eq!(world.mailbox("INBOX").await.unwrap().messages, 20);
}

pub(super) async fn bounds<S: Store>(store: S) {
    let world = World::new(store).await;
    let inbox = world.inbox().await;
    for _ in 0..3 {
        world.deliver("x").await;
    }
    let store = &world.store;
    let most = |count: u32| Uids::below(uid(count + 1));
    let seen = add(&["\\Seen"]);
    assert!(store.store(inbox, &most(MAX_CHANGED), &seen).await.is_ok());
    assert!(matches!(store.store(inbox, &most(MAX_CHANGED + 1), &seen).await, Err(Error::Limit(_))));
    assert!(store.expunge(inbox, &most(MAX_CHANGED), Which::Deleted).await.is_ok());
    assert!(matches!(store.expunge(inbox, &most(MAX_CHANGED + 1), Which::All).await, Err(Error::Limit(_))));
    assert!(store.copy(inbox, &most(MAX_COPIED), inbox, How::Copy).await.is_ok());
    let more = store.copy(inbox, &most(MAX_COPIED + 1), inbox, How::Move).await;
    assert!(matches!(more, Err(Error::Limit(_))));
    // Pages of messages, and no more of the feed than is asked for.
    let page = store.messages(inbox, &most(99), crate::Fields::new(), 2).await.unwrap();
    assert_eq!(page.iter().map(|row| row.uid.get()).collect::<Vec<_>>(), [1, 2]);
    let since = Cursor::since(ModSeq::ZERO);
    let told = store.changes(inbox, since, 4).await.unwrap();
    assert_eq!((told.flags.len(), told.more), (4, true));
}

/// One place in the feed gives the same each time, however late.
pub(super) async fn a_cursor_stays_what_it_is<S: Store>(store: S) {
    let world = World::new(store).await;
    let inbox = world.inbox().await;
    for _ in 0..4 {
        world.deliver("x").await;
    }
    let early = world.cursor(inbox).await;
    let store = &world.store;
    store.expunge(inbox, &uids(&[2]), Which::All).await.unwrap();
    world.deliver("x").await;
    store.store(inbox, &uids(&[1, 5]), &add(&["$A"])).await.unwrap();
    let once = store.changes(inbox, early, 100).await.unwrap();
    let twice = store.changes(inbox, early, 100).await.unwrap();
    assert_eq!(once, twice);
    assert_eq!((&once.arrived, &once.vanished, once.flags.len()), (&uids(&[5]), &uids(&[2]), 1));
    // What came and went in between need not be known.
    store.expunge(inbox, &uids(&[5]), Which::All).await.unwrap();
    let late = store.changes(inbox, early, 100).await.unwrap();
    assert!(late.arrived.is_empty() && late.vanished.contains(uid(2)), "{late:?}");
    // In pages: the rest is what is not told yet, and what is gone is told once.
    let first = store.changes(inbox, Cursor::since(ModSeq::ZERO), 1).await.unwrap();
    assert!(first.more && first.vanished.contains(uid(2)));
    let rest = store.changes(inbox, first.cursor, 100).await.unwrap();
    assert_eq!((first.flags.len() + rest.flags.len(), rest.more), (3, false));
    assert!(rest.vanished.is_empty());
    let ahead = store.changes(inbox, rest.cursor, 100).await.unwrap();
    assert!(ahead.is_empty() && ahead.cursor == rest.cursor);
}

/// A body of many pieces.
pub(super) async fn large_bodies<S: Store>(store: S) {
    let world = World::new(store).await;
    let raw: Vec<u8> = (0..700_000_u32).map(|place| (place % 251) as u8).collect();
    let mut writer = world.store.body(&[world.ada], Some(5)).await.unwrap();
    for piece in raw.chunks(33_333) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    let body = writer.finish().await.unwrap();
    world.store.deliver(body, &[Target::inbox(world.ada)]).await.remove(0).unwrap();
    assert_eq!(world.mailbox("INBOX").await.unwrap().bytes, raw.len() as u64);
    for (start, end) in [(0, u64::MAX), (1, 300_000), (299_999, 300_001), (699_999, 700_001), (5, 5), (9, 2)]
    {
        let mut reader = world.store.read(body, start..end).await.unwrap();
        let mut read = Vec::new();
        while let Some(chunk) = reader.chunk().await.unwrap() {
            assert!(!chunk.is_empty());
            read.extend_from_slice(&chunk);
        }
        let end = usize::try_from(end).unwrap().min(raw.len());
        assert!(read == raw.get(start as usize..end).unwrap_or_default(), "{start}..{end}: {}", read.len());
    }
}

/// Of a store that has MULTIAPPEND and REPLACE.
pub(super) async fn several_messages_come_together<S: Store>(store: S) {
    let extensions = store.extensions();
    if !extensions.contains(&Capability::MultiAppend) || !extensions.contains(&Capability::Replace) {
        return;
    }
    let world = World::new(store).await;
    let (inbox, other) = (world.inbox().await, world.create("a").await.unwrap());
    let store = &world.store;
    let one = world.deliver("old").await;
    let target = Target::mailbox(other);
    let two = [(world.write("1").await, target.clone()), (world.write("2").await, target.clone())];
    let delivered = store.deliver_all(&two, Some((inbox, one))).await.unwrap();
    assert_eq!(delivered.iter().map(|one| one.uid).collect::<Uids>(), uids(&[1, 2]));
    assert_eq!(delivered[0].mod_seq, delivered[1].mod_seq, "it is one change");
    assert_eq!(world.mailbox("INBOX").await.unwrap().messages, 0);
    // What is to be replaced is gone: nothing is done, and the bodies are given up.
    let body = world.write("3").await;
    let gone = store.deliver_all(&[(body, target.clone())], Some((inbox, one))).await;
    assert_eq!(gone.unwrap_err(), Error::NoSuchBody);
    assert_eq!(store.deliver(body, &[target]).await[0], Err(Error::NoSuchBody));
    assert_eq!(world.mailbox("a").await.unwrap().messages, 2);
}

/// Of a store that has them.
pub(super) async fn quotas_rights_and_uses<S: Store>(store: S) {
    let extensions = store.extensions();
    let world = World::new(store).await;
    let store = &world.store;
    let inbox = world.inbox().await;
    if extensions.contains(&Capability::Quota) {
        let messages = async || {
            let roots = store.quota_roots(world.ada).await.unwrap();
            let all = roots.into_iter().flat_map(|root| root.usage);
            all.filter(|one| one.resource == ResourceName::Message).map(|one| one.usage).sum::<u64>()
        };
        let before = messages().await;
        world.deliver("1").await;
        world.deliver("2").await;
        store.copy(inbox, &uids(&[1]), inbox, How::Copy).await.unwrap();
        store.copy(inbox, &uids(&[1]), inbox, How::Move).await.unwrap();
        assert_eq!(messages().await, before + 3);
        store.expunge(inbox, &Uids::below(uid(9)), Which::All).await.unwrap();
        assert_eq!(messages().await, before);
    }
    if extensions.contains(&Capability::CreateSpecialUse) {
        let change = |name, special_use: &'static str| MailboxChange::Create {
            path: path(name),
            special_use: Some(special_use.into()),
        };
        store.alter(world.ada, change("Sent", "\\Sent")).await.unwrap();
        assert_eq!(world.mailbox("Sent").await.unwrap().special_use, Some("\\Sent".into()));
        let odd = store.alter(world.ada, change("odd", "\\Nonsense")).await;
        assert!(matches!(odd, Err(Error::SpecialUse(_))), "{odd:?}");
        assert_eq!(world.mailbox("odd").await, Err(Error::NoSuchMailbox));
    }
    if extensions.contains(&Capability::Acl) {
        let owner = store.acl(inbox).await.unwrap().remove(0).0;
        let change = RightsChange::Remove(Rights::SEEN);
        store.set_acl(inbox, &owner, Some(change)).await.unwrap();
        let mailbox = world.mailbox("INBOX").await.unwrap();
        assert!(!mailbox.rights.contains(Rights::SEEN) && mailbox.rights.contains(Rights::LOOKUP));
        assert_eq!(store.acl(inbox).await.unwrap(), [(owner, mailbox.rights)]);
    }
}

/// Of a store that has threads.
pub(super) async fn threads<S: Store>(store: S) {
    let world = World::new(store).await;
    let (inbox, other) = (world.inbox().await, world.create("a").await.unwrap());
    for raw in [
        "Message-ID: <a@x>\r\n\r\n",
        "Message-ID: <b@x>\r\n\r\n",
        "Message-ID: <c@x>\r\nReferences: <a@x>\r\n\r\n",
        "In-Reply-To: <c@x>\r\n\r\n",
        "Subject: none\r\n\r\n",
    ] {
        world.put(inbox, raw, &[]).await;
    }
    world.store.copy(inbox, &uids(&[2, 5]), other, How::Copy).await.unwrap();
    let rows = world.rows(inbox, &[1, 2, 3, 4, 5]).await;
    if rows.iter().all(|row| row.thread.is_none()) {
        return;
    }
    let threads: Vec<_> = rows.iter().map(|row| row.thread.unwrap()).collect();
    assert_eq!((threads[2], threads[3]), (threads[0], threads[0]));
    assert!(threads[1] != threads[0] && threads[4] != threads[0] && threads[4] != threads[1]);
    let copies: Vec<_> = world.rows(other, &[1, 2]).await.iter().map(|row| row.thread.unwrap()).collect();
    assert_eq!(copies, [threads[1], threads[4]]);
}
