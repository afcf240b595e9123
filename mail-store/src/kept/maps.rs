//! The maps of UIDs of large mailboxes that were opened lately.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use mailwire_imap::types::{ModSeq, Uid, UidValidity};

use super::folder::Folder;
use crate::{Result, Uids};

/// So many runs of UIDs are kept in all, of 8 bytes each.
const MOST: usize = 1 << 20;

/// What is kept of them. To open a mailbox again costs what is new there since, whoever has made it, and not what there is.
#[derive(Debug)]
pub(crate) struct Maps {
    from: u32,
    kept: Mutex<HashMap<i64, Map>>,
}

/// The UIDs that there were up to a change.
#[derive(Debug, Clone)]
pub(crate) struct Map {
    pub(crate) at: ModSeq,
    pub(crate) uid_next: Uid,
    uid_validity: UidValidity,
    uids: Arc<Uids>,
}

impl Maps {
    /// From so many UIDs on a map is kept: those of fewer are read in no time.
    pub(crate) fn new(from: u32) -> Self {
        Self { from, kept: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Map>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, mailbox: i64) -> Option<Map> {
        self.lock().get(&mailbox).cloned()
    }

    pub(crate) fn keep(&self, folder: &Folder, uids: &Uids) {
        let info = &folder.info;
        if info.uid_next.get() < self.from {
            return;
        }
        let map = Map {
            at: info.mod_seq,
            uid_next: info.uid_next,
            uid_validity: info.uid_validity,
            uids: Arc::new(uids.clone()),
        };
        let mut kept = self.lock();
        if kept.get(&folder.id).is_some_and(|known| known.is_of(folder) && known.at >= map.at) {
            return;
        }
        kept.insert(folder.id, map);
        if kept.values().map(|map| map.uids.runs()).sum::<usize>() > MOST {
            kept.clear();
        }
    }
}

impl Map {
    fn is_of(&self, folder: &Folder) -> bool {
        self.uid_validity == folder.info.uid_validity
    }

    /// The UIDs of the mailbox now, by what has arrived from its [`uid_next`](Self::uid_next) on, and vanished since
    /// [`at`](Self::at). `None` if the log of what has vanished does not go back so far.
    pub(crate) fn now(
        &self,
        folder: &Folder,
        arrived: impl FnOnce() -> Result<Uids>,
        vanished: impl FnOnce() -> Result<Uids>,
    ) -> Result<Option<Uids>> {
        if !self.is_of(folder) || self.at > folder.mod_seq() || self.at.get() < folder.vanished_floor {
            return Ok(None);
        }
        if self.at == folder.mod_seq() {
            return Ok(Some(Uids::clone(&self.uids)));
        }
        Ok(Some(self.uids.union(&arrived()?).difference(&vanished()?)))
    }
}
