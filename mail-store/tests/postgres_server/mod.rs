//! A PostgreSQL server for tests: `interop/postgres.sh` starts one, and tells where it is.
#![allow(dead_code, unreachable_pub, reason = "not every test uses all of it")]

use std::sync::atomic::{AtomicU32, Ordering};

use mailwire_store::postgres::{Config, PostgresStore};
use tokio_postgres::{Client, NoTls};

/// Where the server is. Without one, tests are passed over, with a word.
pub fn url() -> Option<String> {
    let url = std::env::var("POSTGRES_URL").ok();
    if url.is_none() {
        eprintln!("passed over: POSTGRES_URL is not set; interop/postgres.sh starts a server and sets it");
    }
    url
}

/// A connection past the store.
pub async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A place for a store in the server: a schema of its own, which is removed when it is made again.
pub async fn place(server: &str) -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    let make = format!("DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}");
    client(server).await.batch_execute(&make).await.unwrap();
    format!("{server}?options=-csearch_path%3D{name}")
}

/// A server of mail.
pub async fn node(place: &str) -> PostgresStore {
    PostgresStore::connect_with(place, Config::new().with_connections(8)).await.unwrap()
}
