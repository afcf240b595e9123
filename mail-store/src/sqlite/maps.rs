//! The maps of UIDs of large mailboxes that were opened lately.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use mailwire_imap::types::{ModSeq, Uid};

use super::{feed, folder::Folder, sql::Sql};
use crate::{Result, Uids};

/// From so many UIDs on a map is kept: those of fewer are read in no time.
const FROM: u32 = 1 << 16;
/// So many runs of UIDs are kept in all, of 8 bytes each.
const MOST: usize = 1 << 20;

/// What is kept of them. To open a mailbox again costs what is new there since, and not what there is.
#[derive(Debug, Default)]
pub(super) struct Maps(Mutex<HashMap<i64, Map>>);

/// The UIDs that there were up to a change.
#[derive(Debug, Clone)]
struct Map {
    at: ModSeq,
    uid_next: Uid,
    uids: Arc<Uids>,
}

impl Maps {
    /// The UIDs of a mailbox, as the snapshot has it.
    pub(super) fn uids(&self, sql: &Sql, folder: &Folder) -> Result<Uids> {
        let info = &folder.info;
        if info.uid_next.get() < FROM {
            return folder.uids(sql, Uid::MIN);
        }
        let uids = match self.kept(folder) {
            Some(map) if map.at == info.mod_seq => return Ok(Uids::clone(&map.uids)),
            Some(map) => {
                let arrived = feed::arrived(sql, folder, map.uid_next)?;
                map.uids.union(&arrived).difference(&feed::vanished(sql, folder, map.at)?)
            }
            None => folder.uids(sql, Uid::MIN)?,
        };
        self.keep(folder, uids.clone());
        Ok(uids)
    }

    /// What the log of what is gone can bring up to date, if it is not.
    fn kept(&self, folder: &Folder) -> Option<Map> {
        let maps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let map = maps.get(&folder.id)?;
        let is_within = map.at <= folder.mod_seq() && map.at.get() >= folder.vanished_floor;
        is_within.then(|| map.clone())
    }

    fn keep(&self, folder: &Folder, uids: Uids) {
        let (at, uid_next, uids) = (folder.mod_seq(), folder.info.uid_next, Arc::new(uids));
        let mut maps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if maps.get(&folder.id).is_some_and(|map| map.at >= at) {
            return;
        }
        maps.insert(folder.id, Map { at, uid_next, uids });
        if maps.values().map(|map| map.uids.runs()).sum::<usize>() > MOST {
            maps.clear();
        }
    }
}
