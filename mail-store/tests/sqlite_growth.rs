//! How the cost of a store in a file grows with a mailbox: prints a table.
//!
//! `cargo test --release -p mailwire-store --test sqlite_growth -- --ignored --nocapture`, up to as many messages as
//! `MAILWIRE_GROWTH` says: 1,000,000 otherwise, which takes minutes. `.ci/run long` goes up to 100,000, and
//! `benches/growth.py` draws what is printed.
#![cfg(feature = "sqlite")]
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod file;
mod growth;

use mailwire_store::sqlite::{Config, SqliteStore};

#[tokio::test]
#[ignore = "it measures, and takes its time"]
async fn what_mailboxes_of_many_messages_cost() {
    let folder = file::Folder::new();
    let mut made = 0;
    let make = || {
        made += 1;
        let path = folder.path(&format!("{made}.db"));
        async move {
            let config = Config::new().with_messages(u64::MAX).with_bytes(u64::MAX);
            let store = SqliteStore::open(path, config).unwrap();
            store.add_user("ada", "secret").await.unwrap();
            store
        }
    };
    growth::measure(make, async || {}).await;
}
