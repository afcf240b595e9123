//! Searches with an index of texts find what those without find, whatever becomes of the messages.
#![cfg(feature = "sqlite")]
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod file;

use std::path::Path;

use mailwire_imap::{
    command::{AString, SearchKey},
    types::Uid,
};
use mailwire_store::{
    AccountId, BodyWriter as _, Filter, How, MailboxChange, MailboxId, MailboxPath, Store as _, Target, Uids,
    Which,
    sqlite::{Config, SqliteStore, Synchronous},
};
use proptest::prelude::*;

struct World {
    store: SqliteStore,
    ada: AccountId,
    inbox: MailboxId,
}

impl World {
    async fn open(path: &Path, index: bool) -> Self {
        let config = Config::new().with_search_index(index).with_synchronous(Synchronous::Off);
        let store = SqliteStore::open(path, config).unwrap();
        let ada = match store.account("ada").await {
            Ok(ada) => ada,
            Err(_) => store.add_user("ada", "secret").await.unwrap(),
        };
        let inbox = store.mailbox(ada, &MailboxPath::inbox()).await.unwrap().id;
        Self { store, ada, inbox }
    }

    async fn deliver(&self, raw: impl Into<Vec<u8>>) {
        let mut body = self.store.body(&[self.ada], None).await.unwrap();
        body.write(raw.into().into()).await.unwrap();
        let body = body.finish().await.unwrap();
        self.store.deliver(body, &[Target::inbox(self.ada)]).await.remove(0).unwrap();
    }

    async fn find(&self, mailbox: MailboxId, key: &SearchKey) -> Uids {
        let filter = Filter::new([key.clone()]);
        let selected = self.store.preselect(mailbox, &filter).await.unwrap();
        let mut found = selected.sure;
        for row in self.store.messages(mailbox, &selected.maybe, filter.fields(), usize::MAX).await.unwrap() {
            if filter.matches(&row, &self.store.message(row.body).await.unwrap()) {
                found.insert(row.uid);
            }
        }
        found
    }

    /// The messages that have to be read for an answer.
    async fn read_for(&self, mailbox: MailboxId, key: SearchKey) -> Uids {
        self.store.preselect(mailbox, &Filter::new([key])).await.unwrap().maybe
    }
}

fn text(word: &str) -> SearchKey {
    SearchKey::Text(AString::new(word.to_owned()).unwrap())
}

fn uids(numbers: &[u32]) -> Uids {
    numbers.iter().copied().filter_map(Uid::new).collect()
}

/// How many messages are in the index, and how many there are.
fn counts(path: &Path) -> (i64, i64) {
    let sql = rusqlite::Connection::open(path).unwrap();
    let whole: String = sql.query_row("PRAGMA integrity_check", [], |line| line.get(0)).unwrap();
    assert_eq!(whole, "ok");
    let count =
        |table| sql.query_row(&format!("SELECT count(*) FROM {table}"), [], |line| line.get(0)).unwrap();
    (count("words_docsize"), count("message"))
}

#[tokio::test]
async fn only_what_may_have_the_words_is_read() {
    let folder = file::Folder::new();
    let path = folder.path("mail.db");
    let world = World::open(&path, true).await;
    let other = world.store.add_user("bob", "secret").await.unwrap();
    for raw in [
        "Subject: one\r\n\r\nA needle in a haystack.\r\n",
        "Subject: two\r\n\r\nHay.\r\n",
        "Subject: =?utf-8?q?N=C3=A9edle?=\r\n\r\n\0 Nothing after it is lost.\r\n",
    ] {
        world.deliver(raw).await;
    }
    let mut body = world.store.body(&[other], None).await.unwrap();
    body.write("Subject: needle of somebody else\r\n\r\n".into()).await.unwrap();
    let body = body.finish().await.unwrap();
    world.store.deliver(body, &[Target::inbox(other)]).await.remove(0).unwrap();
    world.store.index().await.unwrap();
    let inbox = world.inbox;
    assert_eq!(world.read_for(inbox, text("NEEDLE")).await, uids(&[1]));
    assert_eq!(world.find(inbox, &text("needle")).await, uids(&[1]));
    // The mark over the letter is a letter of its own.
    assert_eq!(world.read_for(inbox, text("n\u{e9}edle")).await, uids(&[3]));
    assert_eq!(world.read_for(inbox, text("lost")).await, uids(&[3]));
    assert!(world.read_for(inbox, text("nowhere")).await.is_empty());
    // What is too short has to be looked for in all of them.
    assert_eq!(world.read_for(inbox, text("ha")).await, uids(&[1, 2, 3]));
    let key = SearchKey::And(vec![text("hay"), SearchKey::Not(Box::new(text("haystack")))]);
    assert_eq!(world.find(inbox, &key).await, uids(&[2]));
    // What is not in the index yet is read. (A text without three letters would not be asked for.)
    let sql = rusqlite::Connection::open(&path).unwrap();
    sql.execute_batch("UPDATE mailbox SET indexed_to=2; DELETE FROM words WHERE rowid & 3 = 3").unwrap();
    let without = World::open(&path, false).await;
    assert_eq!(without.read_for(inbox, text("needle")).await, uids(&[1, 2, 3]));
    assert_eq!(world.find(inbox, &text("n\u{e9}edle")).await, uids(&[3]));
    world.store.index().await.unwrap();
    assert_eq!(world.read_for(inbox, text("n\u{e9}edle")).await, uids(&[3]));
}

#[tokio::test]
async fn what_comes_is_put_there_and_what_goes_is_removed() {
    let folder = file::Folder::new();
    let path = folder.path("mail.db");
    let world = World::open(&path, true).await;
    for number in 0..5 {
        world.deliver(format!("Subject: message {number}\r\n\r\nwords\r\n")).await;
    }
    // By itself, without anybody who asks for it.
    while counts(&path) != (5, 5) {
        tokio::task::yield_now().await;
    }
    world.store.expunge(world.inbox, &uids(&[2]), Which::All).await.unwrap();
    assert_eq!(counts(&path), (4, 4));
    let box_ = MailboxPath::new("box").unwrap();
    let create = MailboxChange::Create { path: box_.clone(), special_use: None };
    world.store.alter(world.ada, create).await.unwrap();
    let other = world.store.mailbox(world.ada, &box_).await.unwrap().id;
    world.store.copy(world.inbox, &uids(&[1, 3]), other, How::Copy).await.unwrap();
    world.store.copy(world.inbox, &uids(&[4]), other, How::Move).await.unwrap();
    world.store.index().await.unwrap();
    assert_eq!(counts(&path), (6, 6));
    assert_eq!(world.find(other, &text("message 3")).await, uids(&[3]));
    assert_eq!(world.read_for(other, text("message 3")).await, uids(&[3]));
    // Without the switch it stays right.
    let without = World::open(&path, false).await;
    without.store.expunge(world.inbox, &uids(&[1]), Which::All).await.unwrap();
    without.store.alter(without.ada, MailboxChange::Delete(box_)).await.unwrap();
    assert_eq!(counts(&path), (2, 2));
    without.deliver("Subject: late\r\n\r\n").await;
    assert_eq!(counts(&path), (2, 3));
    world.store.index().await.unwrap();
    assert_eq!(counts(&path), (3, 3));
    assert_eq!(world.read_for(world.inbox, text("late")).await, uids(&[6]));
}

#[tokio::test]
async fn files_of_before_come_to_have_one() {
    let folder = file::Folder::new();
    let path = folder.path("mail.db");
    let world = World::open(&path, false).await;
    world.deliver("Subject: old\r\n\r\nwords of before\r\n").await;
    drop(world);
    let sql = rusqlite::Connection::open(&path).unwrap();
    sql.execute_batch(
        "DROP TABLE words; DROP INDEX mailbox_unindexed; ALTER TABLE mailbox DROP COLUMN indexed_to;
        PRAGMA user_version=1",
    )
    .unwrap();
    drop(sql);
    let world = World::open(&path, true).await;
    assert_eq!(world.find(world.inbox, &text("before")).await, uids(&[1]));
    world.store.index().await.unwrap();
    assert!(world.read_for(world.inbox, text("behind")).await.is_empty());
    assert_eq!(world.read_for(world.inbox, text("before")).await, uids(&[1]));
}

#[tokio::test]
async fn what_is_too_large_for_the_index_is_read() {
    let folder = file::Folder::new();
    let world = World::open(&folder.path("mail.db"), true).await;
    world.deliver(format!("Subject: large\r\n\r\n{}needle\r\n", "hay ".repeat(300_000))).await;
    // An attachment is no text.
    let attachment = format!("Content-Type: image/png\r\n\r\n{}needle\r\n", "hay ".repeat(300_000));
    world.deliver(attachment).await;
    world.store.index().await.unwrap();
    assert_eq!(world.read_for(world.inbox, text("absent")).await, uids(&[1]));
    assert_eq!(world.find(world.inbox, &text("needle")).await, uids(&[1]));
}

/// Texts in which there is something to be found, some of it across the borders of letters and bytes.
fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("needle"),
        Just("Needles\u{df}"),
        Just("\u{fc}ber"),
        Just("UBER"),
        Just("\u{1c6}\u{130}x"),
        Just("a\u{308}bc"),
        Just("\u{65e5}\u{672c}\u{8a9e}"),
        Just("\"quo\"ted*"),
        Just("x"),
    ];
    prop::collection::vec(word, 1..6).prop_map(|words| words.join(" "))
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("={byte:02X}")).collect()
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    (words(), words(), words(), 0..5).prop_map(|(subject, from, body, kind)| {
        let head = format!(
            "Subject: =?utf-8?q?{}?=\r\nFrom: =?utf-8?q?{}?= (a comment) <ada@needle.example>, \"b, c\" <d@e>\r\n",
            encoded(&subject).replace("=20", "_"),
            encoded(&from).replace("=20", "_")
        );
        let plain = format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n");
        match kind {
            0 => format!("{head}{plain}").into_bytes(),
            1 => {
                let qp = "Content-Transfer-Encoding: quoted-printable\r\n\r\n";
                format!("{head}Content-Type: text/html; charset=utf-8\r\n{qp}{}", encoded(&body)).into_bytes()
            }
            2 => {
                let mut raw = format!("{head}Content-Type: text/plain; charset=iso-8859-1\r\n\r\n").into_bytes();
                raw.extend(body.chars().map(|letter| u8::try_from(letter).unwrap_or(b'?')));
                raw
            }
            3 => format!(
                "{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{plain}--b\r\n\
                Content-Type: message/rfc822\r\n\r\nSubject: {subject}\r\n{plain}--b--\r\n"
            )
            .into_bytes(),
            _ => format!("{head}Content-Type: image/png\r\n\r\n{body}\r\n").into_bytes(),
        }
    })
}

fn key() -> impl Strategy<Value = SearchKey> {
    let part = (words(), 0..20_usize, 0..8_usize).prop_map(|(words, skip, take)| {
        let part: String = words.chars().skip(skip % words.chars().count()).take(take).collect();
        AString::new(part).unwrap()
    });
    let leaf = (part, 0..5).prop_map(|(part, kind)| match kind {
        0 => SearchKey::Text(part),
        1 => SearchKey::Body(part),
        2 => SearchKey::Subject(part),
        3 => SearchKey::From(part),
        _ => SearchKey::Header(AString::new("content-type").unwrap(), part),
    });
    leaf.prop_recursive(2, 6, 3, |key| {
        prop_oneof![
            key.clone().prop_map(|key| SearchKey::Not(Box::new(key))),
            (key.clone(), key.clone()).prop_map(|(one, other)| SearchKey::Or(Box::new(one), Box::new(other))),
            prop::collection::vec(key, 1..3).prop_map(SearchKey::And),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_those_without_an_index(
        messages in prop::collection::vec(message(), 1..12),
        keys in prop::collection::vec(key(), 24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = file::Folder::new();
            let path = folder.path("mail.db");
            let with = World::open(&path, true).await;
            for raw in messages {
                with.deliver(raw).await;
            }
            with.store.index().await.unwrap();
            let without = World::open(&path, false).await;
            for key in keys {
                let (one, other) = (with.find(with.inbox, &key).await, without.find(with.inbox, &key).await);
                assert_eq!(one, other, "{key:?}");
            }
        });
    }
}
