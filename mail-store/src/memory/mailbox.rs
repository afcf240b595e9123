//! A mailbox and its messages.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use bytes::Bytes;
use mailwire_core::Text;
use tokio::sync::watch;

use super::flags::{Change, Flags};
use crate::message::Message as Parts;

/// One message of a mailbox. Cloning shares its content.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its number in its mailbox, for ever.
    pub uid: u32,
    /// Its flags.
    pub flags: Flags,
    /// When it arrived, or what the client that stored it said.
    pub date: InternalDate,
    /// When it was put into this mailbox.
    pub saved: SystemTime,
    pub(super) content: Arc<Content>,
    /// Number of the mailbox's change that made the message what it is.
    pub(super) changed: u64,
    /// Who made that change.
    pub(super) changed_by: u64,
}

/// When a message arrived: seconds since 1970, and the time zone's minutes east of Greenwich.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InternalDate {
    /// Seconds since 1970-01-01 00:00:00 UTC.
    pub seconds: i64,
    /// Minutes east of Greenwich.
    pub zone: i16,
}

impl InternalDate {
    /// This moment, in UTC.
    #[must_use]
    pub fn now() -> Self {
        let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        Self { seconds: i64::try_from(seconds).unwrap_or(i64::MAX), zone: 0 }
    }
}

/// What a message consists of, shared by its copies.
#[derive(Debug)]
pub(super) struct Content {
    raw: Bytes,
    parts: OnceLock<Arc<Parts>>,
}

impl Message {
    /// The message as it was received.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.content.raw
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.content.raw.len() as u64
    }

    /// The message as IMAP sees it, worked out when it is first asked for. It is kept where that
    /// takes less memory than the message itself, so that the quota bounds it too.
    #[must_use]
    pub fn parts(&self) -> Arc<Parts> {
        if let Some(parts) = self.content.parts.get() {
            return Arc::clone(parts);
        }
        let parts = Arc::new(Parts::parse(self.content.raw.clone()));
        if parts.footprint() <= self.content.raw.len().max(1024) {
            return Arc::clone(self.content.parts.get_or_init(|| parts));
        }
        parts
    }
}

/// A message that is to be stored.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Its bytes.
    pub raw: Bytes,
    /// Its first flags.
    pub flags: Flags,
    /// When it arrived.
    pub date: InternalDate,
}

impl NewMessage {
    /// A message that arrives now.
    #[must_use]
    pub fn new(raw: Bytes) -> Self {
        Self { raw, flags: Flags::new(), date: InternalDate::now() }
    }
}

/// A message's flags after [`View::store`](super::View::store).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The message.
    pub uid: u32,
    /// Its flags now.
    pub flags: Flags,
    /// Whether they were others before.
    pub changed: bool,
}

/// The state of one mailbox. It lives under its account's lock.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) uid_validity: u32,
    pub(super) uid_next: u32,
    pub(super) messages: BTreeMap<u32, Message>,
    pub(super) special_use: Option<Text>,
    /// Counts changes; those who look on wait for it.
    pub(super) changes: watch::Sender<u64>,
    /// From this UID on, no session has been told that a message is recent.
    pub(super) first_recent: u32,
}

impl Mailbox {
    pub(super) fn new(uid_validity: u32) -> Self {
        Self {
            uid_validity,
            uid_next: 1,
            messages: BTreeMap::new(),
            special_use: None,
            changes: watch::Sender::new(0),
            first_recent: 1,
        }
    }

    fn change(&self) -> u64 {
        self.changes.borrow().wrapping_add(1)
    }

    /// Tells everybody. After the change itself, so that nobody looks too early.
    fn announce(&mut self, change: u64) {
        self.changes.send_replace(change);
    }

    /// Wakes those who look on, for them to see that the mailbox is gone.
    pub(super) fn announce_end(&mut self) {
        let change = self.change();
        self.announce(change);
    }

    /// The caller has checked the quota.
    pub(super) fn add(&mut self, message: NewMessage, by: u64) -> u32 {
        let content = Arc::new(Content { raw: message.raw, parts: OnceLock::new() });
        self.add_shared(content, message.flags, message.date, by)
    }

    pub(super) fn add_shared(
        &mut self,
        content: Arc<Content>,
        flags: Flags,
        date: InternalDate,
        by: u64,
    ) -> u32 {
        let (uid, changed) = (self.uid_next, self.change());
        self.uid_next = self.uid_next.saturating_add(1);
        let saved = SystemTime::now();
        self.messages.insert(uid, Message { uid, flags, date, saved, content, changed, changed_by: by });
        self.announce(changed);
        uid
    }

    pub(super) fn remove(&mut self, uids: impl IntoIterator<Item = u32>) -> Vec<Message> {
        let removed: Vec<_> = uids.into_iter().filter_map(|uid| self.messages.remove(&uid)).collect();
        if !removed.is_empty() {
            let changed = self.change();
            self.announce(changed);
        }
        removed
    }

    /// Changes flags on behalf of a session that has seen all changes up to `seen`.
    pub(super) fn store(
        &mut self,
        uids: &[u32],
        how: Change,
        flags: &Flags,
        by: u64,
        seen: u64,
    ) -> Vec<Stored> {
        let changed = self.change();
        let mut stored = Vec::new();
        let mut any = false;
        for uid in uids {
            let Some(message) = self.messages.get_mut(uid) else { continue };
            let before = message.flags.clone();
            match how {
                Change::Replace => message.flags = flags.clone(),
                Change::Add => flags.iter().for_each(|flag| {
                    message.flags.insert(flag);
                }),
                Change::Remove => flags.iter().for_each(|flag| {
                    message.flags.remove(flag.as_bytes());
                }),
            }
            let is_other = !before.same(&message.flags);
            if is_other {
                any = true;
                // A change by somebody else that this session has not seen: it must still be told.
                let unseen = message.changed > seen && message.changed_by != by;
                (message.changed, message.changed_by) = (changed, if unseen { NOBODY } else { by });
            }
            stored.push(Stored { uid: *uid, flags: message.flags.clone(), changed: is_other });
        }
        if any {
            self.announce(changed);
        }
        stored
    }
}

/// No session has this number.
pub(super) const NOBODY: u64 = 0;
