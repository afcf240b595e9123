//! Gmail's labels, identifiers and searches: our client against our server.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod raw;

use mailwire_store::{
    ImapService,
    memory::{Config as StoreConfig, MemoryStore, User},
};
use mailwire_transport::{
    Error,
    imap::{
        Capability, Client, FetchAtt, Flag, FlagChange, SearchKey, Server,
        proto::{
            command::{AString, Select, StoreAction},
            extensions::gmail::{GmailLabel, GmailStore},
            types::{MailboxName, SequenceSet, UidSet},
        },
    },
};
use raw::imap_client;

async fn over(store: MemoryStore) -> Client {
    imap_client(&Server::new(ImapService::new(store))).await
}

async fn store_of(config: impl FnOnce(&mut StoreConfig)) -> (MemoryStore, User) {
    let mut settings = StoreConfig::default();
    settings.labels = true;
    config(&mut settings);
    let store = MemoryStore::with_config(settings);
    let ada = store.add_user("ada", "secret").unwrap();
    (store, ada)
}

fn uids(set: &str) -> UidSet {
    set.parse().unwrap()
}

fn label(name: &str) -> GmailLabel {
    GmailLabel::new(name).unwrap()
}

fn names(labels: &[GmailLabel]) -> Vec<String> {
    labels.iter().map(|label| label.to_unicode().into_owned()).collect()
}

async fn labels_of(client: &mut Client, uid: &str) -> Vec<String> {
    let mut messages = client.uid_fetch(uids(uid), [FetchAtt::GmailLabels]).await.unwrap();
    let labels = names(messages.next().await.unwrap().unwrap().labels().unwrap());
    assert!(messages.next().await.unwrap().is_none());
    labels
}

async fn found(client: &mut Client, key: SearchKey) -> Vec<u32> {
    client.uid_search([key]).await.unwrap().iter().map(u32::from).collect()
}

async fn raw(client: &mut Client, query: &str) -> Vec<u32> {
    found(client, SearchKey::GmailRaw(AString::new(query).unwrap())).await
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    let error = result.unwrap_err();
    let refused = error.refused().unwrap_or_else(|| panic!("{error:?}"));
    refused.code.as_ref().map(ToString::to_string).unwrap_or_default()
}

#[tokio::test]
async fn labels_are_kept() {
    let (store, ada) = store_of(|_| {}).await;
    ada.create("Archiv", None).unwrap();
    ada.deliver("Subject: one\r\n\r\n1".into()).unwrap();
    ada.deliver("Subject: two\r\n\r\n2".into()).unwrap();
    let mut client = over(store.clone()).await;
    assert!(client.has(&Capability::GmailExtensions));
    client.select("INBOX").await.unwrap();
    assert!(labels_of(&mut client, "1").await.is_empty());

    let some = [label("Entwürfe"), GmailLabel::INBOX, label("a b")];
    let stored = client.uid_store_labels(uids("1:2"), StoreAction::Add, some).await.unwrap();
    assert_eq!(stored.len(), 2);
    assert_eq!(names(stored[0].labels().unwrap()), ["\\Inbox", "a b", "Entwürfe"]);
    let gone = [label("ENTWÜRFE"), label("none")];
    let stored = client.uid_store_labels(uids("1"), StoreAction::Remove, gone).await.unwrap();
    assert_eq!(names(stored[0].labels().unwrap()), ["\\Inbox", "a b"]);
    client.uid_store_labels(uids("2"), StoreAction::Replace, [label("x")]).await.unwrap();
    assert_eq!(labels_of(&mut client, "2").await, ["x"]);
    // By numbers, without an answer.
    let silent = GmailStore::new(SequenceSet::all(), StoreAction::Add, [label("y")]).with_silent(true);
    assert!(client.store_labels_with(silent).await.unwrap().messages.is_empty());
    assert_eq!(labels_of(&mut client, "2").await, ["x", "y"]);

    // Copies have them, too.
    client.uid_copy_to(uids("1:2"), "Archiv").await.unwrap();
    client.select("Archiv").await.unwrap();
    assert_eq!(labels_of(&mut client, "1").await, ["\\Inbox", "a b", "y"]);

    let refused = client.uid_store_labels(uids("1"), StoreAction::Add, [label("\\Odd")]).await;
    assert_eq!(code(refused), "CANNOT");
    let many: Vec<_> = (0..200).map(|number| label(&number.to_string())).collect();
    assert_eq!(code(client.uid_store_labels(uids("1:2"), StoreAction::Add, many).await), "LIMIT");
    client.examine("Archiv").await.unwrap();
    assert_eq!(code(client.uid_store_labels(uids("1"), StoreAction::Add, [label("z")]).await), "NOPERM");
}

#[tokio::test]
async fn labels_count() {
    let (store, ada) = store_of(|config| config.bytes = 3000).await;
    for body in ["1", "2"] {
        ada.deliver(body.into()).unwrap();
    }
    let mut client = over(store).await;
    client.select("INBOX").await.unwrap();
    let long = label(&"x".repeat(1500));
    assert_eq!(
        code(client.uid_store_labels(uids("1:2"), StoreAction::Add, [long.clone()]).await),
        "OVERQUOTA"
    );
    assert!(labels_of(&mut client, "1").await.is_empty());
    client.uid_store_labels(uids("1"), StoreAction::Add, [long.clone()]).await.unwrap();
    assert_eq!(code(client.uid_copy_to(uids("1"), "INBOX").await), "OVERQUOTA");
    // What is taken away, or gone with its message, is free again.
    client.uid_store_labels(uids("1"), StoreAction::Replace, []).await.unwrap();
    client.uid_store_labels(uids("2"), StoreAction::Add, [long.clone()]).await.unwrap();
    client.uid_store(uids("2"), FlagChange::add([Flag::Deleted]).silent()).await.unwrap();
    client.expunge().await.unwrap();
    client.uid_store_labels(uids("1"), StoreAction::Add, [long]).await.unwrap();
    assert_eq!(ada.status("INBOX").unwrap().bytes, 1, "a mailbox's size is that of its messages");
}

#[tokio::test]
async fn changes_of_labels_are_changes() {
    let (store, ada) = store_of(|_| {}).await;
    for body in ["1", "2"] {
        ada.deliver(body.into()).unwrap();
    }
    let (mut one, mut other) = (over(store.clone()).await, over(store).await);
    for client in [&mut one, &mut other] {
        let select = Select::new(MailboxName::INBOX).with_condstore(true);
        client.select_with(select).await.unwrap();
    }
    let before = one.highest_mod_seq().unwrap();
    let stored = other.uid_store_labels(uids("1"), StoreAction::Add, [label("a")]).await.unwrap();
    assert!(stored[0].mod_seq().unwrap() > u64::from(before));
    // The other session learns that something has changed.
    one.noop().await.unwrap();
    assert!(one.highest_mod_seq().unwrap() > before);
    // Who was slower changes nothing.
    let add = GmailStore::new(uids("1:2"), StoreAction::Add, [label("b")]).with_unchanged_since(before);
    let stored = one.store_labels_with(add).await.unwrap();
    assert_eq!(stored.modified.unwrap().to_string(), "1");
    assert_eq!(labels_of(&mut one, "1").await, ["a"]);
    assert_eq!(labels_of(&mut one, "2").await, ["b"]);
    // What stays what it is, is no change.
    let before = one.highest_mod_seq().unwrap();
    one.uid_store_labels(uids("1"), StoreAction::Add, [label("A")]).await.unwrap();
    assert_eq!(one.highest_mod_seq().unwrap(), before);
}

#[tokio::test]
async fn identifiers() {
    let (store, ada) = store_of(|_| {}).await;
    ada.deliver("Message-ID: <a@x>\r\n\r\n1".into()).unwrap();
    ada.deliver("References: <a@x>\r\n\r\n2".into()).unwrap();
    ada.deliver("\r\n3".into()).unwrap();
    let mut client = over(store).await;
    client.select("INBOX").await.unwrap();
    client.uid_copy_to(uids("1"), "INBOX").await.unwrap();
    let items = [FetchAtt::GmailMessageId, FetchAtt::GmailThreadId];
    let mut messages = client.uid_fetch(uids("1:*"), items).await.unwrap();
    let mut ids = Vec::new();
    while let Some(message) = messages.next().await.unwrap() {
        ids.push((message.gmail_message_id().unwrap(), message.gmail_thread_id().unwrap()));
    }
    assert_eq!((ids[0], ids[0].1), (ids[3], ids[1].1));
    assert!(ids[0].0 != ids[1].0 && ids[0].1 != ids[2].1);
    assert_eq!(found(&mut client, SearchKey::GmailMessageId(ids[0].0)).await, [1, 4]);
    assert_eq!(found(&mut client, SearchKey::GmailThreadId(ids[0].1)).await, [1, 2, 4]);
    assert!(found(&mut client, SearchKey::GmailThreadId(u64::MAX)).await.is_empty());
}

#[tokio::test]
async fn searches() {
    let (store, ada) = store_of(|_| {}).await;
    let plain =
        "From: Ada <ada@x>\r\nTo: Bo <bo@y>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nhello all\r\n";
    let with_file = "From: Bo <bo@y>\r\nSubject: file\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
        --x\r\n\r\nsee there\r\n--x\r\nContent-Type: application/pdf\r\n\
        Content-Disposition: attachment; filename=a.pdf\r\n\r\n%PDF\r\n--x--\r\n";
    let large = format!("From: bo@y\r\nSubject: large\r\n\r\n{}", "all work ".repeat(20_000));
    for message in [plain, with_file, &large] {
        ada.deliver(message.to_owned().into()).unwrap();
    }
    let mut client = over(store).await;
    client.select("INBOX").await.unwrap();
    client.uid_store_labels(uids("1"), StoreAction::Add, [label("Mein Büro/Neu")]).await.unwrap();
    client.uid_store(uids("2"), FlagChange::add([Flag::Seen, Flag::Flagged]).silent()).await.unwrap();

    assert_eq!(found(&mut client, SearchKey::GmailLabel(label("mein büro/neu"))).await, [1]);
    assert!(found(&mut client, SearchKey::GmailLabel(label("mein-büro-neu"))).await.is_empty());
    for (query, expected) in [
        ("", &[1, 2, 3][..]),
        ("from:ada", &[1]),
        ("from:bo to:bo", &[]),
        ("subject:GRÜSSE", &[]),
        ("subject:Grüße", &[1]),
        ("label:mein-büro-neu", &[1]),
        ("-label:mein-büro-neu", &[2, 3]),
        ("has:attachment", &[2]),
        ("-has:attachment all", &[1, 3]),
        ("is:unread", &[1, 3]),
        ("is:starred is:read", &[2]),
        ("larger:100k", &[3]),
        ("smaller:1k", &[1, 2]),
        ("\"see there\" OR hello", &[1, 2]),
        ("{has:attachment label:mein-büro-neu}", &[1, 2]),
        ("after:2001/01/01 -before:2001/01/01", &[1, 2, 3]),
        ("before:946684800", &[]),
        ("newer_than:1d", &[1, 2, 3]),
        ("in:inbox", &[]),
        ("no:operator", &[]),
    ] {
        assert_eq!(raw(&mut client, query).await, expected, "{query}");
    }
    let missing = SearchKey::GmailRaw(AString::new("all filename:a.pdf").unwrap());
    assert_eq!(code(client.uid_search([missing]).await), "CANNOT");
    // Beside other keys.
    let keys = [SearchKey::Unseen, SearchKey::GmailRaw(AString::new("all").unwrap()).not()];
    assert_eq!(client.uid_search(keys).await.unwrap().iter().count(), 0);
}

/// Labels are offered only where the store is told to.
#[tokio::test]
async fn nothing_is_offered_by_default() {
    let store = MemoryStore::new();
    store.add_user("ada", "secret").unwrap();
    let client = over(store).await;
    assert!(!client.has(&Capability::GmailExtensions));
}
