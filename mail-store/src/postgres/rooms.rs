//! Which accounts had plenty of room a moment ago: they are not asked again for each message that begins to come.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::kept::account::Account;

/// So long it is taken for true. Whether there is room is decided when a message is delivered.
const TIME: Duration = Duration::from_secs(1);
/// So many accounts are remembered.
const MOST: usize = 10_000;

#[derive(Debug)]
pub(super) struct Rooms {
    /// Bytes of all bodies that can be on their way in at one time.
    coming: u64,
    known: Mutex<HashMap<i64, (Instant, u64)>>,
}

impl Rooms {
    pub(super) fn new(coming: u64) -> Self {
        Self { coming, known: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, (Instant, u64)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers an account that has room for all that can be on its way in; others have to be asked.
    pub(super) fn put(&self, account: &Account) {
        let mut known = self.lock();
        match account.room(None).filter(|room| *room > self.coming) {
            Some(room) => {
                if known.len() >= MOST {
                    known.clear();
                }
                known.insert(account.id, (Instant::now(), room));
            }
            None => drop(known.remove(&account.id)),
        }
    }

    pub(super) fn forget(&self, account: i64) {
        self.lock().remove(&account);
    }

    /// The room of an account that had plenty.
    pub(super) fn plenty(&self, account: i64) -> Option<u64> {
        let known = self.lock().get(&account).copied();
        known.filter(|(at, _)| at.elapsed() < TIME).map(|(_, room)| room)
    }
}
