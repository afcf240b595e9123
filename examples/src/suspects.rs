//! What was on the way when a connection was lost.

use std::{collections::HashMap, hash::Hash};

use anyhow::Error;

use crate::Failed;

/// What was on the way when connections were lost. Some servers end the connection rather than refuse a message: what
/// was on the way goes alone the next time, and what was alone on the way several times is given up.
#[derive(Debug, Default)]
pub struct Suspects<K> {
    times: HashMap<K, u32>,
}

/// How often something is alone on the way when a connection is lost, until it is given up.
const TIMES: u32 = 3;

impl<K: Eq + Hash + Clone> Suspects<K> {
    /// Of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { times: HashMap::new() }
    }

    /// Whether it has to go alone.
    #[must_use]
    pub fn has(&self, one: &K) -> bool {
        self.times.contains_key(one)
    }

    /// Something has failed while these were on the way. If that was the connection, gives the one that is to be given up, if there
    /// is one, and why.
    pub fn failed<'f>(
        &mut self,
        all: impl IntoIterator<Item = K>,
        failed: &'f Failed,
    ) -> Option<(K, &'f Error)> {
        match failed {
            Failed::Connection(error) => Some((self.blame(all)?, error)),
            _ => None,
        }
    }

    /// The connection was lost while these were on the way. Gives the one that is to be given up, if there is one.
    pub fn blame(&mut self, all: impl IntoIterator<Item = K>) -> Option<K> {
        let mut all = all.into_iter();
        let first = all.next()?;
        let Some(second) = all.next() else {
            let times = self.times.entry(first.clone()).or_default();
            *times += 1;
            return (*times >= TIMES).then_some(first);
        };
        for one in [first, second].into_iter().chain(all) {
            self.times.entry(one).or_default();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_always_there_alone_is_given_up() {
        let mut suspects = Suspects::new();
        assert!(!suspects.has(&1));
        assert_eq!(suspects.blame([1, 2, 3]), None);
        assert!(suspects.has(&1) && suspects.has(&3));
        assert_eq!(suspects.blame([2]), None);
        assert_eq!(suspects.blame([3]), None);
        assert_eq!(suspects.blame([2]), None);
        assert_eq!(suspects.blame([2]), Some(2));
        assert_eq!(suspects.blame([]), None);
    }
}
