//! What only the memory store has; the rest is in `conformance`.

use bytes::Bytes;
use mailwire_core::Text;
use mailwire_imap::{
    extensions::metadata::EntryName,
    types::{FlagSet, ModSeq, Uid},
};

use super::*;
use crate::{BodyWriter, Cursor, How, MailboxChange, MailboxPath, Store, Uids, Which};

fn store() -> (MemoryStore, User) {
    let store = MemoryStore::new();
    let user = store.add_user("ada", "secret").unwrap();
    (store, user)
}

#[tokio::test]
async fn recipients() {
    let store = MemoryStore::with_config(Config { domains: vec!["example.org".into()], ..Config::default() });
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
        let found = store.account(recipient).await.ok();
        assert_eq!(found, user.map(|user| store.user(user).unwrap().account()), "{recipient}");
    }
    assert!(matches!(store.add_user("ADA", "x"), Err(Error::Account(_))));
}

#[tokio::test]
async fn passwords() {
    let (store, _) = store();
    assert!(store.verify_password("ada", &"secret".into(), &LoginContext::default()).await.unwrap());
    for (name, password) in [("ada", ""), ("ada", "secre"), ("ada", "secret1"), ("eve", "secret"), ("", "")] {
        assert!(!store.verify_password(name, &password.into(), &LoginContext::default()).await.unwrap());
    }
    assert!(matches!(store.add_user("bob", ""), Err(Error::Account(_))));
    assert!(!format!("{store:?}").contains("secret"));
}

#[tokio::test]
async fn quotas() {
    let config = Config { bytes: 10, messages: 3, mailboxes: 2, ..Config::default() };
    let store = MemoryStore::with_config(config);
    let user = store.add_user("ada", "x").unwrap();
    let inbox = user.status("INBOX").unwrap().id;
    let room = async |size| store.body(&[user.account()], Some(size)).await.is_ok();
    user.deliver("12345678".into()).unwrap();
    assert!(room(2).await && !room(3).await);
    assert_eq!(user.deliver("123".into()), Err(Error::OverQuota));
    let one = Uids::from(Uid::MIN);
    assert_eq!(store.copy(inbox, &one, inbox, How::Copy).await, Err(Error::OverQuota));
    // To move takes no room.
    store.copy(inbox, &one, inbox, How::Move).await.unwrap();
    store.expunge(inbox, &Uids::below(Uid::new(9).unwrap()), Which::All).await.unwrap();
    assert!(room(10).await);
    let mut writer = store.body(&[user.account()], None).await.unwrap();
    assert_eq!(writer.write(Bytes::from_static(&[b'x'; 11])).await, Err(Error::OverQuota));
    for _ in 0..3 {
        user.deliver("1".into()).unwrap();
    }
    assert_eq!((user.deliver("1".into()), room(1).await), (Err(Error::OverQuota), false));
    assert_eq!(user.create("a/b", None), Err(Error::OverQuota));
    user.create("a", None).unwrap();
    assert_eq!(user.create("b", None), Err(Error::OverQuota));
}

#[tokio::test]
async fn forgotten_history_is_told_whole() {
    let (store, user) = store();
    let inbox = user.status("INBOX").unwrap().id;
    for _ in 0..5002 {
        user.deliver("x".into()).unwrap();
    }
    let start = store.open(inbox, None).await.unwrap().cursor;
    // Each is a run of its own.
    for number in (1..5000).filter(|number| number % 5 != 0) {
        store.expunge(inbox, &Uid::new(number).unwrap().into(), Which::All).await.unwrap();
    }
    let left: Uids = (1..5003).filter(|n| n % 5 == 0 || *n > 4999).filter_map(Uid::new).collect();
    let gone = Uids::below(Uid::new(5003).unwrap()).difference(&left);
    assert_eq!(store.changes(inbox, start, 10).await.unwrap().vanished, gone);
    let since = store.changes(inbox, Cursor::since(start.mod_seq()), 10).await.unwrap();
    assert_eq!((since.vanished, store.open(inbox, None).await.unwrap().uids), (gone, left));
    // Mailboxes, too.
    for _ in 0..1001 {
        user.create("a", None).unwrap();
        user.delete("a").unwrap();
    }
    let late = store.mailboxes(user.account(), start.mod_seq()).await.unwrap();
    assert!(late.complete && late.gone.len() <= 1000);
    let recent = store.mailboxes(user.account(), late.mod_seq).await.unwrap();
    assert!(!recent.complete && recent.mailboxes.is_empty());
}

/// What is remembered of annotations is bounded by what a user may have of them.
#[tokio::test]
async fn annotations_that_are_not_there_are_no_news() {
    let (store, user) = store();
    let (ada, start) = (user.account(), store.mailboxes(user.account(), ModSeq::ZERO).await.unwrap().mod_seq);
    let entry = |name: &str| EntryName::new(name).unwrap();
    // Longer than any that can be there.
    let long = entry(&format!("/private/{}", "x".repeat(5000)));
    store.set_metadata(ada, None, &[(long, None)]).await.unwrap();
    let comment = [(entry("/private/comment"), Some(Text::from("x")))];
    store.set_metadata(ada, None, &comment).await.unwrap();
    let told = store.mailboxes(ada, start).await.unwrap();
    assert_eq!(told.annotations, Some(vec![(None, entry("/private/comment"))]));
}

/// RENAME INBOX moves them all at once, or none.
#[tokio::test]
async fn a_move_of_all_messages_is_bounded() {
    let (store, user) = store();
    for _ in 0..=crate::MAX_COPIED {
        user.deliver("x".into()).unwrap();
    }
    let path = |name| MailboxPath::new(name).unwrap();
    let rename = |to| {
        let change = MailboxChange::Rename { from: MailboxPath::inbox(), to: path(to) };
        store.alter(user.account(), change)
    };
    assert!(matches!(rename("a").await, Err(Error::Limit(_))));
    assert_eq!(user.status("a"), Err(Error::NoSuchMailbox), "nothing was done");
    store.expunge(user.status("INBOX").unwrap().id, &Uid::MIN.into(), Which::All).await.unwrap();
    rename("a").await.unwrap();
    assert_eq!(user.status("a").unwrap().messages, crate::MAX_COPIED);
}

/// Bodies are dropped when the account's lock is given back.
#[tokio::test]
async fn what_is_removed_outlives_the_lock() {
    let (_, user) = store();
    user.create("a", None).unwrap();
    for mailbox in ["INBOX", "a"] {
        user.append(mailbox, NewMessage::new("x".into())).unwrap();
        let mailbox = user.status(mailbox).unwrap();
        let (_, number) = account::parts(mailbox.id);
        let held = user.account.change(|state| {
            let body = Arc::downgrade(&state.folder(number).unwrap().messages[&Uid::MIN].body);
            let removed = match mailbox.path.is_inbox() {
                true => (Some(state.expunge(number, &Uid::MIN.into(), Which::All).unwrap()), None),
                false => (None, Some(state.alter(MailboxChange::Delete(mailbox.path.clone())).unwrap())),
            };
            assert_eq!(body.strong_count(), 1);
            (body, removed)
        });
        let (body, removed) = held;
        drop(removed);
        assert_eq!(body.strong_count(), 0);
    }
}

#[test]
fn messages_at_hand() {
    let (_, user) = store();
    let date = crate::InternalDate { seconds: 5, zone: 60 };
    let message = NewMessage::new("x".into()).with_flags(FlagSet::new()).with_date(date);
    assert_eq!(user.append("a", message.clone()), Err(Error::NoSuchMailbox));
    user.append(MailboxPath::inbox().as_str(), message).unwrap();
    assert_eq!(user.messages("inbox").unwrap(), ["x"]);
}
