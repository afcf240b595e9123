//! Gmail's labels of messages.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use mailwire_imap::{command::StoreAction, extensions::gmail::GmailLabel};

use super::{account::State, folder};
use crate::{Error, LabelChange, Result, Stored, Uids, gmail::folded, kept::mod_seq};

/// Labels of a message.
const MAX: usize = 100;
/// Bytes of all names of a message's labels.
const MAX_BYTES: u64 = 4096;
/// What a label takes beside its name.
const ONE: u64 = 64;

/// A label with what it is found by.
type Keyed = (String, GmailLabel);

/// The labels of one message. Messages that were given theirs by one command share them, and so do copies.
#[derive(Debug, Clone, Default)]
pub(super) struct Labels(Option<Arc<[Keyed]>>);

impl Labels {
    pub(super) fn all(&self) -> Vec<GmailLabel> {
        self.keyed().iter().map(|(_, label)| label.clone()).collect()
    }

    /// How many bytes they are, which the quota counts.
    pub(super) fn bytes(&self) -> u64 {
        self.keyed().iter().map(|(_, label)| ONE + label.as_bytes().len() as u64).sum()
    }

    fn keyed(&self) -> &[Keyed] {
        self.0.as_deref().unwrap_or_default()
    }

    /// What is the same for all messages that share them.
    fn place(&self) -> Option<usize> {
        self.0.as_ref().map(|all| all.as_ptr().addr())
    }

    /// These after a change; `None` if they stay what they are.
    fn changed(&self, action: StoreAction, named: &[Keyed]) -> Result<Option<Self>> {
        let before = self.keyed();
        let has = |labels: &[Keyed], key: &str| {
            labels.binary_search_by(|(other, _)| other.as_str().cmp(key)).is_ok()
        };
        let mut all: Vec<Keyed> = match action {
            StoreAction::Add => before.to_vec(),
            StoreAction::Remove => before.iter().filter(|(key, _)| !has(named, key)).cloned().collect(),
            StoreAction::Replace => named.to_vec(),
        };
        if action == StoreAction::Add {
            // One that is there keeps its spelling.
            all.extend(named.iter().filter(|(key, _)| !has(before, key)).cloned());
            all.sort_by(|(one, _), (other, _)| one.cmp(other));
        }
        if all == before {
            return Ok(None);
        }
        let bytes: u64 = all.iter().map(|(_, label)| label.as_bytes().len() as u64).sum();
        if all.len() > MAX || bytes > MAX_BYTES {
            return Err(Error::Limit("labels of a message"));
        }
        Ok(Some(if all.is_empty() { Self(None) } else { Self(Some(all.into())) }))
    }
}

/// Labels as they are kept: each once, in modified UTF-7 whatever form it came in.
fn keyed(labels: &[GmailLabel]) -> Result<Vec<Keyed>> {
    let system = [
        GmailLabel::INBOX,
        GmailLabel::SENT,
        GmailLabel::DRAFT,
        GmailLabel::STARRED,
        GmailLabel::IMPORTANT,
        GmailLabel::TRASH,
        GmailLabel::SPAM,
    ];
    // No message has more to add or to take away.
    if labels.len() > MAX {
        return Err(Error::Limit("labels at once"));
    }
    let mut keyed = Vec::with_capacity(labels.len());
    for label in labels {
        let key = folded(label);
        let label = if label.is_system() {
            system.iter().find(|known| folded(known) == key).cloned()
        } else {
            GmailLabel::new(&label.to_unicode()).ok().map(|label| label.compact())
        };
        keyed.push((key, label.ok_or(Error::NoLabel)?));
    }
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
    keyed.dedup_by(|(later, _), (first, _)| later == first);
    Ok(keyed)
}

impl State {
    /// Changes labels: of all messages, or of none.
    pub(super) fn store_labels(&mut self, number: u32, uids: &Uids, how: &LabelChange) -> Result<Stored> {
        let named = keyed(&how.labels)?;
        let refuses = |message: &folder::Entry| {
            how.unchanged_since.is_some_and(|since| mod_seq(message.mod_seq) > since)
        };
        // What becomes of labels, each found out once.
        let mut changes: HashMap<Option<usize>, Option<Labels>> = HashMap::new();
        let (mut more, mut less) = (0u64, 0u64);
        for (_, message) in self.folder(number)?.within(uids).filter(|(_, message)| !refuses(message)) {
            let place = message.labels.place();
            if let Entry::Vacant(vacant) = changes.entry(place) {
                vacant.insert(message.labels.changed(how.action, &named)?);
            }
            if let Some(Some(after)) = changes.get(&place) {
                more = more.saturating_add(after.bytes());
                less = less.saturating_add(message.labels.bytes());
            }
        }
        let bytes = self.bytes.saturating_sub(less).saturating_add(more);
        if bytes > self.limits.bytes && bytes > self.bytes {
            return Err(Error::OverQuota);
        }
        let change = self.change_to_come();
        let stored = self.folder_mut(number)?.change(uids, refuses, how.seen, change, |_, message| {
            let after = changes.get(&message.labels.place()).and_then(Option::as_ref);
            after.map(|after| message.labels = after.clone()).is_some()
        });
        self.bytes = bytes;
        self.changed_by(change, &stored);
        Ok(stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(labels: &Labels, action: StoreAction, names: &[&str]) -> Result<Option<Labels>> {
        let named: Vec<_> = names.iter().map(|name| GmailLabel::new(name).unwrap()).collect();
        labels.changed(action, &keyed(&named)?)
    }

    fn shown(labels: &Labels) -> Vec<String> {
        labels.all().iter().map(|label| label.to_unicode().into_owned()).collect()
    }

    #[test]
    fn labels_are_a_set_in_any_case() {
        let none = Labels::default();
        let some = change(&none, StoreAction::Add, &["Übung", "b", "\\inbox", "B"]).unwrap().unwrap();
        assert_eq!(shown(&some), ["\\Inbox", "b", "Übung"]);
        assert!(change(&some, StoreAction::Add, &["ÜBUNG", "\\Inbox"]).unwrap().is_none());
        assert!(change(&some, StoreAction::Remove, &["c"]).unwrap().is_none());
        let less = change(&some, StoreAction::Remove, &["übung", "c"]).unwrap().unwrap();
        assert_eq!(shown(&less), ["\\Inbox", "b"]);
        let other = change(&less, StoreAction::Replace, &["x"]).unwrap().unwrap();
        assert_eq!((shown(&other), other.bytes()), (vec!["x".to_owned()], 65));
        let empty = change(&other, StoreAction::Replace, &[]).unwrap().unwrap();
        assert!(empty.all().is_empty() && empty.place().is_none());
        assert_eq!(change(&none, StoreAction::Add, &["\\Other"]).unwrap_err(), Error::NoLabel);
    }

    #[test]
    fn labels_of_a_message_are_bounded() {
        let many: Vec<String> = (0..=MAX).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(change(&Labels::default(), StoreAction::Remove, &many).is_err());
        let full = change(&Labels::default(), StoreAction::Add, &many[1..]).unwrap().unwrap();
        assert!(change(&full, StoreAction::Add, &["one more"]).is_err());
        let long = "x".repeat(MAX_BYTES as usize + 1);
        assert!(change(&Labels::default(), StoreAction::Add, &[&long]).is_err());
    }
}
