//! A process that is killed while it changes a store: what it was answered is there once, what it was not at most once, and
//! no number comes again.
//!
//! The process is this test itself, which does nothing but to be killed where `MAILWIRE_KILLED` names a file.
//! `.ci/run kills` kills it 200 times. In `served` the same is done to a server over a store.
#![cfg(all(feature = "sqlite", unix))]
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod file;
mod killed;
mod served;

use killed::{Told, killed, place, prepare, rounds};
use mailwire_store::sqlite::{Config, SqliteStore};

#[test]
#[ignore = "it is run to be killed"]
fn to_be_killed() {
    let Some(path) = place() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        killed::work(SqliteStore::open(path, Config::new().with_search_index(true)).unwrap()).await
    });
}

fn kill(times: usize) {
    let folder = file::Folder::new();
    let path = folder.path("mail.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = || Config::new().with_bytes(u64::MAX);
    runtime.block_on(async {
        let store = SqliteStore::open(&path, config()).unwrap();
        store.add_user("ada", "secret").await.unwrap();
        prepare(&store).await;
    });
    let mut told = Told::default();
    for (round, lines) in rounds(times) {
        told.take(&killed(&path, lines));
        // All of it is read after each of the first, and then more and more seldom.
        if round <= 5 || round.is_power_of_two() || round == times {
            runtime.block_on(async {
                let store = SqliteStore::open(&path, config()).unwrap();
                told.check(&store).await;
                store.index().await.unwrap();
            });
            let sql = rusqlite::Connection::open(&path).unwrap();
            let whole: String = sql.query_row("PRAGMA integrity_check", [], |line| line.get(0)).unwrap();
            assert_eq!(whole, "ok");
            // All messages are in the index, and nothing else.
            let count = |text: &str| sql.query_row(text, [], |line| line.get::<_, i64>(0)).unwrap();
            let there = count("SELECT count(*) FROM message");
            assert_eq!(count("SELECT count(*) FROM words_docsize"), there);
            let both =
                "SELECT count(*) FROM words_docsize JOIN message ON words_docsize.id = mailbox << 32 | uid";
            assert_eq!(count(both), there);
        }
    }
    println!(
        "{times} kills: {} messages were answered, {} are gone, change {}",
        told.put.len(),
        told.gone.len(),
        told.highest
    );
    assert!(told.put.len() > times);
}

#[test]
fn what_was_answered_outlives_the_process() {
    kill(5);
}

#[test]
#[ignore = "it takes a minute: .ci/run kills"]
fn what_was_answered_outlives_200_kills() {
    kill(200);
}
