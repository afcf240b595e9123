//! Leases of a store that one process has: their holders live in it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{AccountId, Error, Lease, Result};

/// What is leased now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leases(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    maildrops: HashSet<AccountId>,
    /// When those who have logged in may do so again.
    logins: HashMap<AccountId, Instant>,
}

impl Leases {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a lease of an account that is there.
    pub(crate) fn take(&self, account: AccountId, lease: Lease, time: Duration) -> Result<Held> {
        let mut state = self.lock();
        let is_free = match lease {
            Lease::Maildrop => state.maildrops.insert(account),
            Lease::Login => {
                let now = Instant::now();
                let is_free = state.logins.get(&account).is_none_or(|until| *until <= now);
                if let Some(until) = now.checked_add(time).filter(|_| is_free) {
                    state.logins.insert(account, until);
                }
                is_free
            }
        };
        drop(state);
        if is_free { Ok(Held { leases: self.clone(), account, lease }) } else { Err(Error::InUse) }
    }
}

/// A lease of a store that one process has. That of a maildrop ends with this value.
#[derive(Debug)]
pub struct Held {
    leases: Leases,
    account: AccountId,
    lease: Lease,
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.lease == Lease::Maildrop {
            self.leases.lock().maildrops.remove(&self.account);
        }
    }
}
