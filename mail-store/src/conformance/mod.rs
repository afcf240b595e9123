//! What every store must do, as checks for the tests of a store of one's own.
//!
//! See [`check`].
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "these are tests: a fault is a panic"
)]

mod feed;
mod mailboxes;
mod messages;
mod promises;

use std::future::Future;

use bytes::Bytes;
use mailwire_imap::{
    command::StoreAction,
    types::{Flag, FlagSet, ModSeq, Uid},
};

use crate::{
    AccountId, BodyId, BodyReader as _, BodyWriter as _, Changes, Cursor, Delivered, Fields, FlagChange,
    Mailbox, MailboxChange, MailboxId, MailboxPath, Result, Row, Store, Target, Uids,
};

/// Checks that a store does what [`Store`] says.
///
/// `make` is called for each check, one after the other, and gives an empty store with an account that is
/// called `ada`. Its quota, if it has one, must have room for thousands of small messages and one of a megabyte, and each of its
/// mailboxes for 63 keywords and no more. Stores that `make` gives may be in one database, if the account
/// is a new one each time.
///
/// The checks need a runtime of tokio with its time, and take some seconds. A new version of this crate
/// can have more of them.
///
/// # Panics
///
/// The store does something else. The place of the panic is the check that failed.
///
/// # Examples
///
/// In the test of a store, which is here the one in memory:
///
/// ```
/// use mailwire_store::{conformance, memory::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// conformance::check(|| async {
///     let store = MemoryStore::new();
///     store.add_user("ada", "secret").unwrap();
///     store
/// })
/// .await;
/// # }
/// ```
pub async fn check<S: Store, F: Future<Output = S>>(mut make: impl FnMut() -> F) {
    mailboxes::hierarchy(make().await).await;
    mailboxes::renaming_inbox_moves_its_messages(make().await).await;
    mailboxes::a_name_that_is_used_again_is_another_mailbox(make().await).await;
    mailboxes::an_open_mailbox_can_be_renamed(make().await).await;
    mailboxes::mailboxes_that_have_changed(make().await).await;
    mailboxes::annotations_that_were_changed(make().await).await;
    mailboxes::leases(make().await).await;
    mailboxes::logins_are_apart(make().await).await;
    messages::flags_change(make().await).await;
    messages::keywords_are_bounded(make().await).await;
    messages::copies_and_moves(make().await).await;
    messages::bodies(make().await).await;
    messages::searches(make().await).await;
    messages::recent_is_claimed_once(make().await).await;
    messages::labels(make().await).await;
    feed::the_feed_tells_arrivals_before_flags(make().await).await;
    feed::the_feed_has_pages_within_one_change(make().await).await;
    feed::a_watch_loses_nothing(make().await).await;
    feed::the_feed_is_the_state(make().await).await;
    promises::numbers_never_come_again(make().await).await;
    promises::changes_are_seen_in_their_order(make().await).await;
    promises::a_dropped_call_is_whole_or_nothing(make().await).await;
    promises::bounds(make().await).await;
    promises::a_cursor_stays_what_it_is(make().await).await;
    promises::large_bodies(make().await).await;
    promises::several_messages_come_together(make().await).await;
    promises::quotas_rights_and_uses(make().await).await;
    promises::threads(make().await).await;
}

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
