//! Messages: flags, copies, bodies, searches.

use mailwire_imap::{
    Capability,
    command::{AString, SearchKey, StoreAction},
    extensions::gmail::GmailLabel,
    types::{Flag, Uid},
};

use super::{World, add, flags, path, uid, uids};
use crate::{
    Error, Fields, Filter, FlagChange, How, LabelChange, MailboxChange, MailboxId, Store, Target, Uids, Which,
};

pub(super) async fn flags_change<S: Store>(store: S) {
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

pub(super) async fn keywords_are_bounded<S: Store>(store: S) {
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

/// Of stores that have them.
pub(super) async fn labels<S: Store>(store: S) {
    let world = World::new(store).await;
    let inbox = world.inbox().await;
    world.deliver("1").await;
    world.deliver("2").await;
    let start = world.cursor(inbox).await;
    let label = |name: &str| GmailLabel::new(name).unwrap();
    let add = |names: &[&str]| {
        LabelChange::new(StoreAction::Add, names.iter().map(|name| label(name)).collect::<Vec<_>>())
    };
    let change = |how: LabelChange| {
        let store = world.store.clone();
        async move { store.store_labels(inbox, &uids(&[1, 2, 77]), &how).await }
    };
    if !world.store.extensions().contains(&Capability::GmailExtensions) {
        assert!(change(add(&["a"])).await.is_err());
        return;
    }
    let one = change(add(&["a", "\\Inbox"])).await.unwrap();
    assert_eq!((&one.changed, &one.met, &one.refused), (&uids(&[1, 2]), &Uids::new(), &Uids::new()));
    assert!(one.mod_seq > start.mod_seq());
    let same = change(add(&["A"])).await.unwrap();
    assert_eq!((same.mod_seq, same.changed), (one.mod_seq, Uids::new()));
    // The feed has it as a change of flags.
    let mut cursor = start;
    let told = world.changes(inbox, &mut cursor).await.flags;
    assert_eq!(told.iter().map(|(uid, ..)| *uid).collect::<Uids>(), uids(&[1, 2]));
    let guarded = change(add(&["b"]).unchanged_since(start.mod_seq())).await.unwrap();
    assert_eq!((&guarded.changed, &guarded.refused), (&Uids::new(), &uids(&[1, 2])));
    assert_eq!(change(add(&["c"]).seen(start.mod_seq())).await.unwrap().met, uids(&[1, 2]));
    let moved = world.create("a").await.unwrap();
    world.store.copy(inbox, &uids(&[1]), moved, How::Move).await.unwrap();
    let fields = Fields::new().with_labels(true);
    let rows = world.store.messages(moved, &uids(&[1]), fields, usize::MAX).await.unwrap();
    assert_eq!(rows[0].labels, [GmailLabel::INBOX, label("a"), label("c")]);
    assert!(world.rows(moved, &[1]).await[0].labels.is_empty(), "not asked for");
}

pub(super) async fn copies_and_moves<S: Store>(store: S) {
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

pub(super) async fn bodies<S: Store>(store: S) {
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
    // One that is given up.
    let body = world.write(raw).await;
    assert!(world.store.deliver(body, &[]).await.is_empty());
    assert_eq!(world.store.deliver(body, &targets[..1]).await[0], Err(Error::NoSuchBody));
    assert_eq!(world.store.account("eve").await, Err(Error::NoSuchAccount));
}

pub(super) async fn searches<S: Store>(store: S) {
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

pub(super) async fn recent_is_claimed_once<S: Store>(store: S) {
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
