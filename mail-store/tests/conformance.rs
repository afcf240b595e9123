//! What every store must do, for the stores of this crate.
#![cfg(feature = "conformance")]
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

#[cfg(feature = "sqlite")]
mod file;

use mailwire_store::conformance;

#[cfg(feature = "memory")]
#[tokio::test]
async fn memory() {
    conformance::check(|| async {
        let mut config = mailwire_store::memory::Config::default();
        config.labels = true;
        let store = mailwire_store::memory::MemoryStore::with_config(config);
        store.add_user("ada", "secret").unwrap();
        store
    })
    .await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sqlite() {
    use mailwire_store::sqlite::{Config, SqliteStore};

    let folder = file::Folder::new();
    let mut made = 0;
    conformance::check(|| {
        made += 1;
        let path = folder.path(&format!("{made}.db"));
        async move {
            let store = SqliteStore::open(path, Config::default()).unwrap();
            store.add_user("ada", "secret").await.unwrap();
            store
        }
    })
    .await;
}
