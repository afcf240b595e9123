use super::*;

fn store() -> (Store, User) {
    let store = Store::new();
    let user = store.add_user("ada", "secret").unwrap();
    (store, user)
}

fn uids(messages: &[Message]) -> Vec<u32> {
    messages.iter().map(|message| message.uid).collect()
}

fn flags(flags: &[&'static str]) -> Flags {
    flags.iter().copied().collect()
}

#[test]
fn recipients() {
    let store = Store::with_config(Config { domains: vec!["example.org".into()], ..Config::default() });
    store.add_user("ada", "x").unwrap();
    store.add_user("bob@other.net", "x").unwrap();
    for (recipient, user) in [
        ("ada", Some("ada")),
        ("Ada@EXAMPLE.org", Some("ada")),
        ("ada@other.net", None),
        ("bob@other.net", Some("bob@other.net")),
        ("bob", None),
        ("", None),
        ("@example.org", None),
    ] {
        let found = store.resolve(recipient);
        assert_eq!(found.as_ref().map(User::name), user, "{recipient}");
    }
    assert_eq!(store.deliver("eve", Bytes::new()), Err(Refused::NoSuchUser));
    assert_eq!(store.add_user("ADA", "x").unwrap_err(), Refused::UserName);
}

#[tokio::test]
async fn passwords() {
    let (store, _) = store();
    assert!(store.verify_password("ada", &"secret".into()).await.unwrap());
    for (name, password) in [("ada", ""), ("ada", "secre"), ("ada", "secret1"), ("eve", "secret"), ("", "")] {
        assert!(!store.verify_password(name, &password.into()).await.unwrap());
    }
    assert_eq!(store.add_user("bob", "").unwrap_err(), Refused::Password);
    assert!(!format!("{store:?}").contains("secret"));
}

#[test]
fn hierarchy() {
    let (_, user) = store();
    user.create("a/b/c", None).unwrap();
    user.create("Sent/", Some("\\Sent".into())).unwrap();
    let names = || user.mailboxes().into_iter().map(|info| (info.name, info.exists)).collect::<Vec<_>>();
    let expected =
        |list: &[(&str, bool)]| list.iter().map(|(n, e)| ((*n).to_owned(), *e)).collect::<Vec<_>>();
    assert_eq!(
        names(),
        expected(&[("INBOX", true), ("Sent", true), ("a", true), ("a/b", true), ("a/b/c", true)])
    );
    assert_eq!(user.create("inbox", None), Err(Refused::MailboxExists));
    for name in ["", "/", "/a", "a//b", "a\r\nb", "a*", "%"] {
        assert!(matches!(user.create(name, None), Err(Refused::MailboxName(_))), "{name:?}");
    }

    user.delete("a").unwrap();
    assert_eq!(user.delete("a"), Err(Refused::HasChildren));
    assert_eq!(names()[2], ("a".to_owned(), false));
    user.rename("a", "x/y").unwrap();
    assert_eq!(user.rename("x", "x/z"), Err(Refused::MailboxName("it lies below the mailbox itself")));
    assert_eq!(
        names(),
        expected(&[
            ("INBOX", true),
            ("Sent", true),
            ("x", true),
            ("x/y", false),
            ("x/y/b", true),
            ("x/y/b/c", true)
        ])
    );
    assert_eq!(user.delete("Inbox"), Err(Refused::Inbox));
    assert_eq!(user.delete("none"), Err(Refused::NoSuchMailbox));
    assert_eq!(user.rename("none", "n"), Err(Refused::NoSuchMailbox));
}

#[test]
fn renaming_inbox_moves_its_messages() {
    let (_, user) = store();
    user.deliver("x".into()).unwrap();
    user.create("inbox/sub", None).unwrap();
    user.rename("INBOX", "old").unwrap();
    assert_eq!(user.status("inbox").unwrap().messages, 0);
    assert_eq!(user.status("old").unwrap().messages, 1);
    assert!(user.status("INBOX/sub").is_ok());
}

#[test]
fn a_name_that_is_used_again_has_another_uid_validity() {
    let (_, user) = store();
    user.create("a", None).unwrap();
    let before = user.status("a").unwrap().uid_validity;
    user.delete("a").unwrap();
    user.create("a", None).unwrap();
    assert!(user.status("a").unwrap().uid_validity > before);
}

#[test]
fn subscriptions_outlive_mailboxes() {
    let (_, user) = store();
    user.create("a", None).unwrap();
    user.subscribe("a").unwrap();
    user.delete("a").unwrap();
    let found = user.mailboxes().into_iter().find(|info| info.name == "a").unwrap();
    assert!(found.subscribed && !found.exists);
    assert!(user.unsubscribe("a") && !user.unsubscribe("a"));
}

#[test]
fn sessions_see_each_other() {
    let (_, user) = store();
    let mut one = user.open("INBOX", false).unwrap();
    let mut two = user.open("inbox", false).unwrap();
    let first = user.deliver("1".into()).unwrap();
    let second = user.deliver("2".into()).unwrap();
    assert_eq!(uids(&one.take_changes().added), [first, second]);
    assert!(one.take_changes().is_empty());
    assert!(one.is_recent(first));
    assert_eq!(uids(&two.take_changes().added), [first, second]);
    assert!(!two.is_recent(first), "recent for one session only");

    let stored = one.store(&[first, 77], Change::Add, &flags(&["\\Seen", "$Junk"])).unwrap();
    assert_eq!((stored.len(), stored[0].uid), (1, first), "what is gone is left out");
    assert!(stored[0].flags.same(&flags(&["\\seen", "$junk"])));
    assert!(one.take_changes().is_empty(), "one's own change is known");
    let changed = two.take_changes().changed;
    assert!(changed[0].flags.same(&flags(&["\\SEEN", "$junk"])));

    two.store(&[second], Change::Replace, &flags(&["\\Deleted"])).unwrap();
    assert_eq!(two.expunge(None).unwrap(), [second]);
    let seen = two.take_changes();
    assert_eq!((seen.expunged, seen.changed.len()), (vec![second], 0));
    let seen = one.take_changes();
    assert_eq!((seen.expunged, seen.changed.len()), (vec![second], 0));
    assert_eq!(one.uids(), [first]);
    assert!(one.message(second).is_none());
}

#[test]
fn a_change_that_meets_another_is_told() {
    let (_, user) = store();
    let uid = user.deliver("1".into()).unwrap();
    let mut one = user.open("INBOX", false).unwrap();
    let mut two = user.open("INBOX", false).unwrap();
    one.store(&[uid], Change::Add, &flags(&["\\Seen"])).unwrap();
    // Two has not seen that yet.
    two.store(&[uid], Change::Add, &flags(&["\\Flagged"])).unwrap();
    assert!(two.take_changes().changed[0].flags.same(&flags(&["\\Seen", "\\Flagged"])));
    assert_eq!(one.take_changes().changed.len(), 1);
}

#[test]
fn copies_and_moves() {
    let (_, user) = store();
    user.create("a", None).unwrap();
    let uid = user.deliver("1".into()).unwrap();
    let mut inbox = user.open("INBOX", false).unwrap();
    assert_eq!(inbox.copy(&[uid], "none", false), Err(Refused::NoSuchMailbox));
    let copied = inbox.copy(&[uid, 99], "a", false).unwrap();
    assert_eq!(copied.uids, [(uid, 1)]);
    let moved = inbox.copy(&[uid], "a", true).unwrap();
    assert_eq!((moved.uids, moved.uid_validity), (vec![(uid, 2)], user.status("a").unwrap().uid_validity));
    assert_eq!(inbox.take_changes().expunged, [uid]);
    // Into itself.
    let mut a = user.open("a", false).unwrap();
    assert_eq!(a.copy(&[1], "a", true).unwrap().uids, [(1, 3)]);
    let seen = a.take_changes();
    assert_eq!((seen.expunged, uids(&seen.added)), (vec![1], vec![3]));
    assert_eq!(user.status("a").unwrap().messages, 2);
}

#[test]
fn what_is_open_can_be_renamed_and_deleted() {
    let (_, user) = store();
    user.create("a", None).unwrap();
    let (_, uid) = user.append("a", NewMessage::new("1".into())).unwrap();
    let mut view = user.open("a", false).unwrap();
    user.rename("a", "b").unwrap();
    user.create("a", None).unwrap();
    assert!(view.message(uid).is_some());
    user.delete("b").unwrap();
    assert!(view.take_changes().deleted);
    assert!(view.message(uid).is_none());
    assert_eq!(view.expunge(None), Err(Refused::NoSuchMailbox));
}

#[test]
fn read_only_views_change_nothing() {
    let (_, user) = store();
    let uid = user.deliver("1".into()).unwrap();
    let mut view = user.open("INBOX", true).unwrap();
    assert!(view.is_recent(uid));
    assert_eq!(view.store(&[uid], Change::Add, &flags(&["\\Deleted"])), Err(Refused::ReadOnly));
    assert_eq!(view.expunge(None), Err(Refused::ReadOnly));
    assert_eq!(view.copy(&[uid], "INBOX", true), Err(Refused::ReadOnly));
    assert!(user.open("INBOX", false).unwrap().is_recent(uid));
}

#[test]
fn quotas() {
    let store = Store::with_config(Config { bytes: 10, messages: 3, mailboxes: 2, ..Config::default() });
    let user = store.add_user("ada", "x").unwrap();
    user.deliver("12345678".into()).unwrap();
    assert_eq!(user.room(), 2);
    assert_eq!(user.deliver("123".into()), Err(Refused::OverQuota));
    let mut view = user.open("INBOX", false).unwrap();
    assert_eq!(view.copy(&[1], "INBOX", false), Err(Refused::OverQuota));
    view.store(&[1], Change::Add, &flags(&["\\Deleted"])).unwrap();
    view.expunge(Some(&[1])).unwrap();
    assert_eq!(user.room(), 10);
    for _ in 0..3 {
        user.deliver("1".into()).unwrap();
    }
    assert_eq!((user.deliver("1".into()), user.room()), (Err(Refused::OverQuota), 0));
    assert_eq!(user.create("a/b", None), Err(Refused::OverQuota));
    user.create("a", None).unwrap();
    assert_eq!(user.create("b", None), Err(Refused::OverQuota));
}

#[test]
fn maildrops() {
    let (store, user) = store();
    for text in ["1", "2", "3"] {
        user.deliver(text.into()).unwrap();
    }
    let drop_one = store.lock_maildrop("ada").unwrap();
    assert_eq!(store.lock_maildrop("ada").unwrap_err(), Refused::Locked);
    user.deliver("4".into()).unwrap();
    assert_eq!(drop_one.messages().len(), 3);
    let ids: Vec<_> = drop_one.messages().iter().map(|message| drop_one.unique_id(message)).collect();
    drop(drop_one);

    let drop_two = store.lock_maildrop("ada").unwrap();
    assert_eq!(drop_two.unique_id(&drop_two.messages()[2]), ids[2]);
    assert_eq!(drop_two.messages().len(), 4, "nothing was deleted without a commit");
    drop_two.commit([0, 2, 9]).unwrap();
    let left = store.lock_maildrop("ada").unwrap();
    assert_eq!(left.messages().iter().map(|message| &message.raw()[..]).collect::<Vec<_>>(), [b"2", b"4"]);
}

#[tokio::test]
async fn waits_for_changes() {
    let (_, user) = store();
    let mut view = user.open("INBOX", false).unwrap();
    let waiting = tokio::spawn(async move {
        view.changed().await;
        view.take_changes().added.len()
    });
    tokio::task::yield_now().await;
    user.deliver("1".into()).unwrap();
    assert_eq!(waiting.await.unwrap(), 1);
}
