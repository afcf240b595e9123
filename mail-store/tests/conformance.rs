//! What every store must do, for the stores of this crate.
#![cfg(feature = "conformance")]
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

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
