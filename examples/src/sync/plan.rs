//! What is to be done on either side.

use std::collections::{BTreeMap, HashSet};

use mailwire_transport::imap::proto::types::Uid;

use super::table::{Row, Table};
use crate::maildir::{Entries, Letters};

/// What is to be done for both sides to be equal, flags apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Files of messages that were fetched by a run that could not say so.
    pub adopt: Vec<(Uid, String)>,
    /// Gone on the server.
    pub remove_here: Vec<Uid>,
    /// Gone here.
    pub remove_there: Vec<Uid>,
    /// New on the server, with their sizes.
    pub fetch: Vec<(Uid, u64)>,
    /// New here.
    pub store: Vec<String>,
}

impl Plan {
    pub(super) fn of(table: &Table, here: &Entries) -> Self {
        let mut plan = Self::default();
        let paired: HashSet<&str> = table.files().collect();
        let mut adopted = HashSet::new();
        for name in here.keys().filter(|name| !paired.contains(name.as_str())) {
            let uid = table.fetched_from(name).filter(|uid| {
                table.rows.get(uid).is_some_and(|row| row.there.is_some() && row.file.is_none())
            });
            match uid {
                Some(uid) if adopted.insert(uid) => plan.adopt.push((uid, name.clone())),
                _ if table.sent.contains(name) => {}
                _ => plan.store.push(name.clone()),
            }
        }
        for (uid, row) in &table.rows {
            match (row.there, &row.file) {
                (None, _) => plan.remove_here.push(*uid),
                (Some(_), Some(file)) if !here.contains_key(file) => plan.remove_there.push(*uid),
                (Some(_), None) if !adopted.contains(uid) => plan.fetch.push((*uid, row.size)),
                (Some(_), _) => {}
            }
        }
        plan
    }
}

/// Flags that are to be changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// Here: what they are to be.
    pub here: Vec<(Uid, Letters)>,
    /// On the server: which are added to, and taken from, which messages.
    pub there: BTreeMap<(Letters, Letters), Vec<Uid>>,
}

impl Marks {
    /// `kept` are those that the server keeps: others stay on either side as they are.
    pub(super) fn of(table: &Table, here: &Entries, kept: Letters) -> Self {
        let mut marks = Self::default();
        for (uid, row) in &table.rows {
            let Row { there: Some(there), agreed, file: Some(file), .. } = row else { continue };
            let Some(entry) = here.get(file) else { continue };
            let ours = entry.letters();
            let merged = agreed.merged(ours, *there).and(kept);
            if merged != ours.and(kept) {
                marks.here.push((*uid, merged.or(ours.without(kept))));
            }
            let (add, remove) = (merged.without(*there), there.and(kept).without(merged));
            if !add.or(remove).is_empty() {
                marks.there.entry((add, remove)).or_default().push(*uid);
            }
        }
        marks
    }
}
