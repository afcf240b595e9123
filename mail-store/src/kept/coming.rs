//! Bodies on their way in.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::tables::int;
use crate::{BodyId, Error, Result};

/// Bytes of a piece in the tables. A body of one piece is kept in memory until it is delivered.
pub(crate) const CHUNK: usize = 256 << 10;
/// Room for a body whose size nobody has said is kept in steps of so many bytes.
const STEP: u64 = 1 << 20;
/// What was written and not delivered within this time is forgotten.
const STAGED: Duration = Duration::from_secs(3600);

/// A body that is complete, and not delivered yet.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) size: u64,
    /// All of it; `None` if it is in the tables already.
    pub(crate) raw: Option<Bytes>,
    pub(crate) summary: Option<Vec<u8>>,
    pub(crate) references: Vec<Bytes>,
    pub(crate) since: Instant,
    /// It is given back when this is dropped.
    pub(crate) _room: Room,
}

/// What is on its way in.
#[derive(Debug, Default)]
pub(crate) struct Coming {
    state: Mutex<State>,
    most: u64,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes of all bodies.
    bytes: u64,
    /// Bytes that are kept for each account.
    accounts: HashMap<i64, u64>,
    staged: HashMap<i64, Staged>,
    /// The bodies that are in the tables, or partly, and have no message yet.
    in_tables: HashSet<i64>,
}

impl Coming {
    pub(crate) fn new(most: u64) -> Self {
        Self { state: Mutex::default(), most }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A body that is to be delivered; nobody else gets it any more.
    pub(crate) fn take(&self, body: BodyId) -> Option<Staged> {
        self.lock().staged.remove(&int(body.get()))
    }

    /// Keeps a body until it is delivered.
    pub(crate) fn stage(&self, blob: i64, staged: Staged) {
        self.lock().staged.insert(blob, staged);
    }

    /// The size of a body that is not delivered yet, and all of it if it is in memory.
    pub(crate) fn staged(&self, blob: i64) -> Option<(u64, Option<Bytes>)> {
        self.lock().staged.get(&blob).map(|staged| (staged.size, staged.raw.clone()))
    }

    /// Whether a body may not be swept.
    pub(crate) fn is_in_tables(&self, blob: i64) -> bool {
        self.lock().in_tables.contains(&blob)
    }

    /// Bytes that are kept for an account.
    pub(crate) fn of(&self, account: i64) -> u64 {
        self.lock().accounts.get(&account).copied().unwrap_or_default()
    }

    /// Forgets what nobody has delivered in time.
    fn forget_late(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        let is_late = |staged: &Staged| now.duration_since(staged.since) > STAGED;
        let late: Vec<i64> =
            state.staged.iter().filter(|(_, staged)| is_late(staged)).map(|(id, _)| *id).collect();
        let late: Vec<_> = late.iter().filter_map(|id| state.staged.remove(id)).collect();
        drop(state);
        // They take the lock when they are dropped.
        drop(late);
    }
}

/// Room that is kept for a body: with its accounts, and with the store. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    coming: Arc<Coming>,
    /// Those that have room for it, and how much they had.
    accounts: Vec<(i64, u64)>,
    bytes: u64,
    /// The body, once some of it is in the tables.
    pub(crate) blob: Option<i64>,
}

impl Room {
    /// Room for a body of so many bytes, if that was said, for accounts that have so much.
    pub(crate) fn new(
        coming: Arc<Coming>,
        accounts: Vec<(i64, u64)>,
        announced: Option<u64>,
    ) -> Result<Self> {
        coming.forget_late();
        let mut room = Self { coming, accounts, bytes: 0, blob: None };
        room.grow(announced.unwrap_or(0))?;
        Ok(room)
    }

    /// Makes room for a body that has so many bytes by now.
    pub(crate) fn hold(&mut self, size: u64) -> Result<()> {
        let Some(more) = size.checked_sub(self.bytes).filter(|more| *more > 0) else { return Ok(()) };
        // The last step can be larger than what is left.
        if more >= STEP || self.grow(STEP).is_err() {
            self.grow(more)?;
        }
        Ok(())
    }

    /// Keeps so much more. If that cannot be, nothing is changed.
    fn grow(&mut self, more: u64) -> Result<()> {
        let mut state = self.coming.lock();
        let bytes = state.bytes.saturating_add(more);
        if bytes > self.coming.most {
            return Err(Error::Limit("messages on their way in"));
        }
        let kept = |state: &State, account: i64| state.accounts.get(&account).copied().unwrap_or_default();
        let fits = |&(account, room): &(i64, u64)| kept(&state, account).saturating_add(more) <= room;
        let (stay, leave): (Vec<_>, Vec<_>) = self.accounts.iter().partition(|account| fits(account));
        if stay.is_empty() {
            return Err(Error::OverQuota);
        }
        for &(account, _) in &stay {
            *state.accounts.entry(account).or_default() += more;
        }
        give_back(&mut state, &leave, self.bytes);
        state.bytes = bytes;
        self.accounts = stay;
        self.bytes += more;
        Ok(())
    }

    /// Gives back what the accounts have kept: now they are asked for it.
    pub(crate) fn leave_accounts(&mut self) {
        give_back(&mut self.coming.lock(), &std::mem::take(&mut self.accounts), self.bytes);
    }

    /// The body goes into the tables.
    pub(crate) fn enter(&mut self, blob: i64) {
        self.coming.lock().in_tables.insert(blob);
        self.blob = Some(blob);
    }
}

fn give_back(state: &mut State, accounts: &[(i64, u64)], bytes: u64) {
    for (account, _) in accounts {
        if let Some(kept) = state.accounts.get_mut(account) {
            *kept = kept.saturating_sub(bytes);
            if *kept == 0 {
                state.accounts.remove(account);
            }
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.leave_accounts();
        let mut state = self.coming.lock();
        state.bytes = state.bytes.saturating_sub(self.bytes);
        if let Some(blob) = self.blob {
            state.in_tables.remove(&blob);
        }
    }
}
