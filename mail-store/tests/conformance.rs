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
    check_sqlite(mailwire_store::sqlite::Config::default()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sqlite_with_an_index() {
    check_sqlite(mailwire_store::sqlite::Config::default().with_search_index(true)).await;
}

#[cfg(feature = "sqlite")]
async fn check_sqlite(config: mailwire_store::sqlite::Config) {
    use mailwire_store::sqlite::SqliteStore;

    let folder = file::Folder::new();
    let mut made = 0;
    conformance::check(|| {
        made += 1;
        let path = folder.path(&format!("{made}.db"));
        let config = config.clone();
        async move {
            let store = SqliteStore::open(path, config).unwrap();
            store.add_user("ada", "secret").await.unwrap();
            store
        }
    })
    .await;
}
