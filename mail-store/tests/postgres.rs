//! The store in PostgreSQL: what every store must do, and what only this one has. `interop/postgres.sh` starts a server for
//! it.
#![cfg(feature = "postgres")]
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod postgres_server;

use postgres_server::{node, place, url};

#[cfg(feature = "conformance")]
#[tokio::test]
async fn conformance() {
    let Some(server) = url() else { return };
    mailwire_store::conformance::check(|| async {
        let store = node(&place(&server).await).await;
        store.add_user("ada", "secret").await.unwrap();
        store
    })
    .await;
}
