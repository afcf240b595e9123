//! How the cost of a store in a file grows with a mailbox: prints a table.
//!
//! `cargo test --release -p mailwire-store --test sqlite_growth mailboxes -- --ignored --nocapture`, up to as many messages as
//! `MAILWIRE_GROWTH` says: 1,000,000 otherwise, which takes minutes. `.ci/run long` goes up to 100,000, and
//! `benches/growth.py` draws what is printed.
#![cfg(feature = "sqlite")]
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod file;
mod growth;
mod raw;

use std::{cell::Cell, path::Path, time::Instant};

use mailwire_core::Channel;
use mailwire_store::{
    AccountId, MailboxId, MailboxPath, Store as _,
    sqlite::{Config, SqliteStore},
};

async fn open(path: &Path) -> (SqliteStore, AccountId, MailboxId) {
    let config = Config::new().with_messages(u64::MAX).with_bytes(u64::MAX);
    let store = SqliteStore::open(path, config).unwrap();
    let ada = match store.account("ada").await {
        Ok(ada) => ada,
        Err(_) => store.add_user("ada", "secret").await.unwrap(),
    };
    let inbox = store.mailbox(ada, &MailboxPath::inbox()).await.unwrap().id;
    (store, ada, inbox)
}

#[tokio::test]
#[ignore = "it measures, and takes its time"]
async fn what_mailboxes_of_many_messages_cost() {
    let folder = file::Folder::new();
    let made = Cell::new(0);
    let path = || folder.path(&format!("{}.db", made.get()));
    let make = || {
        made.set(made.get() + 1);
        let path = path();
        async move { open(&path).await.0 }
    };
    let first = async || {
        let mut times = Vec::new();
        for _ in 0..21 {
            let (store, _, inbox) = open(&path()).await;
            let start = Instant::now();
            drop(store.open(inbox, None).await.unwrap());
            times.push(start.elapsed().as_micros());
        }
        println!("The first SELECT after a start: {}", growth::median_of(times));
    };
    growth::measure(make, first).await;
}

/// Twice as many take twice as long, of 100,000: prints a table of it.
#[tokio::test]
#[ignore = "it measures, and takes its time"]
async fn what_commands_for_many_messages_cost() {
    let folder = file::Folder::new();
    println!("| messages of 100,000 | STORE, ms | EXPUNGE, ms |\n| --- | --- | --- |");
    for many in [5_000_u32, 10_000, 20_000, 40_000] {
        let (store, ada, inbox) = open(&folder.path(&format!("{many}.db"))).await;
        growth::fill(&store, ada, inbox, 100_000).await;
        let mut client = raw::Servers::new(&store).connect(raw::Protocol::Imap, Channel::Tls, 1 << 16).await;
        let mut command = async |command: &str| {
            let start = Instant::now();
            let answer = client.command(raw::Protocol::Imap, command).await;
            assert!(answer.starts_with("a OK"), "{command}: {answer}");
            start.elapsed().as_millis()
        };
        command("LOGIN ada secret").await;
        command("SELECT INBOX").await;
        let stored = command(&format!("STORE 30001:{} +FLAGS.SILENT (\\Deleted)", 30_000 + many)).await;
        let expunged = command("EXPUNGE").await;
        assert_eq!(store.open(inbox, None).await.unwrap().uids.len(), u64::from(100_000 - many));
        println!("| {many} | {stored} | {expunged} |");
    }
}
