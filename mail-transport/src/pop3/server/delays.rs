//! LOGIN-DELAY: how soon a user may come back.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// So many users are remembered in each of two generations. Beyond it, who came first is forgotten: a limit on
/// memory that lets somebody in too soon harms less than one that locks somebody out.
const USERS: usize = 100_000;

/// When the users who have logged in lately may do so again.
#[derive(Debug, Default)]
pub(super) struct Delays {
    keys: RandomState,
    free_at: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    younger: HashMap<u64, Instant>,
    elder: HashMap<u64, Instant>,
}

impl Delays {
    /// How long this user has to wait yet.
    pub(super) fn left(&self, user: &str) -> Option<Duration> {
        let key = self.keys.hash_one(user);
        let known = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let free_at = known.younger.get(&key).or_else(|| known.elder.get(&key))?;
        free_at.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// The user has logged in.
    pub(super) fn begin(&self, user: &str, delay: Duration) {
        let key = self.keys.hash_one(user);
        let Some(free_at) = Instant::now().checked_add(delay) else { return };
        let mut known = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        if known.younger.len() >= USERS {
            known.elder = std::mem::take(&mut known.younger);
        }
        known.younger.insert(key, free_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let delays = Delays::default();
        let minute = Duration::from_secs(60);
        for user in 0..3 * USERS {
            delays.begin(&user.to_string(), minute);
        }
        let kept = {
            let known = delays.free_at.lock().unwrap();
            known.younger.len() + known.elder.len()
        };
        assert!(kept <= 2 * USERS);
        let last = (3 * USERS - 1).to_string();
        assert_eq!(delays.left(&last), Some(minute));
        tokio::time::advance(minute).await;
        assert_eq!(delays.left(&last), None);
        assert_eq!(delays.left("nobody"), None);
    }
}
