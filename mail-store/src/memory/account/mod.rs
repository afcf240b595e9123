//! A user's mailboxes.

mod mailboxes;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;
use mailwire_core::Secret;
use mailwire_imap::{
    extensions::metadata::EntryName,
    types::{FlagSet, ModSeq, Uid},
};
use mailwire_transport::sasl::StoredPassword;
use tokio::sync::watch;

use super::{
    Config,
    bodies::Body,
    folder::{Entry, Folder},
    labels::Labels,
    threads::Threads,
};
use crate::{
    AccountId, Copied, Delivered, Error, FlagChange, How, InternalDate, Mailbox, MailboxId, MailboxPath,
    Result, Stored, Target, Uids, Which,
    imap::rights::permitted,
    kept::{
        annotations::Annotations,
        check_uids,
        keywords::{Bits, Unknown},
        limits::Limits,
        mod_seq,
    },
};

#[derive(Debug)]
pub(super) struct Account {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) password: StoredPassword,
    /// The password itself, where a mechanism wants it.
    pub(super) shared: Option<Secret>,
    /// When the name came to this user from another one.
    pub(super) owner_since: Mutex<Option<SystemTime>>,
    state: Mutex<State>,
    /// The number of the last change; those who look on wait for it.
    changes: watch::Sender<u64>,
}

/// What an account's lock guards, which is held for no longer than a look.
#[derive(Debug)]
pub(super) struct State {
    account: u32,
    pub(super) config: Arc<Config>,
    pub(super) limits: Limits,
    /// Counts the account's changes.
    mod_seq: u64,
    pub(super) folders: BTreeMap<u32, Folder>,
    names: BTreeMap<MailboxPath, u32>,
    subscribed: BTreeSet<MailboxPath>,
    subscribed_at: u64,
    /// The mailboxes that are gone, with the change that did it.
    gone: Vec<(u64, MailboxId)>,
    /// Up to this change, `gone` is not complete.
    gone_floor: u64,
    /// The annotations that were changed, with the change that did it.
    annotated: Vec<(u64, Option<u32>, EntryName)>,
    /// Up to this change, `annotated` is not complete.
    annotated_floor: u64,
    pub(super) messages: u64,
    /// Of messages and keywords.
    pub(super) bytes: u64,
    /// Of the account itself.
    pub(super) annotations: Annotations,
    /// Of bodies that are on their way in.
    coming: u64,
    threads: Threads,
    last_uid_validity: u32,
    last_folder: u32,
}

/// A message that is about to be stored.
pub(super) struct Coming {
    /// In this mailbox.
    pub(super) number: u32,
    pub(super) body: Arc<Body>,
    /// What it refers to.
    pub(super) references: Vec<Bytes>,
    pub(super) target: Target,
}

/// The account of a mailbox, and the mailbox's number there.
pub(super) fn parts(mailbox: MailboxId) -> (AccountId, u32) {
    let number = u32::try_from(mailbox.get() & u64::from(u32::MAX)).unwrap_or_default();
    (AccountId::new(mailbox.get() >> 32), number)
}

impl Account {
    pub(super) fn new(id: u32, name: String, password: StoredPassword, config: Arc<Config>) -> Result<Self> {
        let mut state = State {
            account: id,
            limits: config.limits(),
            config,
            mod_seq: 0,
            folders: BTreeMap::new(),
            names: BTreeMap::new(),
            subscribed: BTreeSet::from([MailboxPath::inbox()]),
            subscribed_at: 1,
            gone: Vec::new(),
            gone_floor: 0,
            annotated: Vec::new(),
            annotated_floor: 0,
            messages: 0,
            bytes: 0,
            annotations: Annotations::default(),
            coming: 0,
            threads: Threads::default(),
            last_uid_validity: 0,
            last_folder: 0,
        };
        state.create(&MailboxPath::inbox(), None)?;
        let changes = watch::Sender::new(state.mod_seq);
        Ok(Self {
            id,
            name,
            password,
            shared: None,
            owner_since: Mutex::new(None),
            state: Mutex::new(state),
            changes,
        })
    }

    /// A look at what is there.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and tells those who look on: after the change itself, so that nobody looks too
    /// early.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        let now = state.mod_seq;
        drop(state);
        self.changes.send_if_modified(|told| {
            let news = now > *told;
            *told = now.max(*told);
            news
        });
        result
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl State {
    pub(super) fn folder(&self, number: u32) -> Result<&Folder> {
        self.folders.get(&number).ok_or(Error::NoSuchMailbox)
    }

    pub(super) fn folder_mut(&mut self, number: u32) -> Result<&mut Folder> {
        self.folders.get_mut(&number).ok_or(Error::NoSuchMailbox)
    }

    pub(super) fn number(&self, path: &MailboxPath) -> Result<u32> {
        self.names.get(path).copied().ok_or(Error::NoSuchMailbox)
    }

    pub(super) fn mailbox(&self, path: &MailboxPath) -> Result<Mailbox> {
        Ok(self.folder(self.number(path)?)?.info().clone())
    }

    pub(super) fn next_change(&mut self) -> u64 {
        self.mod_seq += 1;
        self.mod_seq
    }

    /// How many bytes the user may still store, beside what is on its way in; in the place of a message of `replaced` bytes
    /// if there is one. `None`: there may be no more messages.
    pub(super) fn room(&self, replaced: Option<u64>) -> Option<u64> {
        let messages = self.limits.messages.saturating_add(u64::from(replaced.is_some()));
        let bytes = self.limits.bytes.saturating_add(replaced.unwrap_or(0));
        (self.messages < messages).then(|| bytes.saturating_sub(self.bytes.saturating_add(self.coming)))
    }

    /// Whether there is room for a message of so many bytes.
    pub(super) fn has_room(&self, bytes: u64, replaced: Option<u64>) -> bool {
        self.room(replaced).is_some_and(|room| bytes <= room)
    }

    /// Keeps room for a body that is on its way in, if there is so much.
    pub(super) fn expect(&mut self, bytes: u64, replaced: Option<u64>) -> bool {
        let has_room = self.has_room(bytes, replaced);
        if has_room {
            self.coming = self.coming.saturating_add(bytes);
        }
        has_room
    }

    /// Gives back what was kept.
    pub(super) fn expect_no_more(&mut self, bytes: u64) {
        self.coming = self.coming.saturating_sub(bytes);
    }

    /// How many bytes of keywords the user may still make.
    fn keyword_room(&self) -> u64 {
        self.limits.bytes.saturating_sub(self.bytes)
    }

    /// Counts messages that are about to be stored.
    fn reserve(&mut self, messages: u64, bytes: u64) -> Result<()> {
        let messages = self.messages.saturating_add(messages);
        let bytes = self.bytes.saturating_add(bytes);
        if messages > self.limits.messages || bytes > self.limits.bytes {
            return Err(Error::OverQuota);
        }
        (self.messages, self.bytes) = (messages, bytes);
        Ok(())
    }

    /// Counts messages that are gone.
    fn release(&mut self, messages: u64, bytes: u64) {
        self.messages = self.messages.saturating_sub(messages);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Flags as bits of a mailbox. Keywords that are new there count.
    fn bits(&mut self, number: u32, flags: &FlagSet, unknown: Unknown) -> Result<Bits> {
        let room = self.keyword_room();
        let keywords = &mut self.folder_mut(number)?.keywords;
        let before = keywords.bytes();
        let bits = keywords.bits(flags, unknown, room)?;
        let made = keywords.bytes() - before;
        self.bytes = self.bytes.saturating_add(made);
        Ok(bits)
    }

    /// Stores a message, which [refers to](crate::kept::references::references) others.
    pub(super) fn deliver(
        &mut self,
        number: u32,
        body: Arc<Body>,
        references: &[Bytes],
        target: &Target,
    ) -> Result<Delivered> {
        check_uids(self.folder(number)?.uid_next(), 1)?;
        let bits = self.bits(number, &target.flags, Unknown::Add)?;
        self.reserve(1, body.size())?;
        let change = self.next_change();
        let date = target.date.unwrap_or_else(InternalDate::now);
        let thread = self.threads.of(body.id, references);
        let folder = self.folder_mut(number)?;
        let uid = folder.add(Entry {
            mod_seq: change,
            bits,
            date,
            saved: SystemTime::now(),
            thread,
            labels: Labels::default(),
            body,
        });
        Ok(Delivered::new(folder.info().id, folder.uid_validity(), uid, mod_seq(change)))
    }

    /// Stores messages and removes one, by one change. Gives what is gone, too: it is dropped after the lock is
    /// given back.
    pub(super) fn deliver_all(
        &mut self,
        coming: Vec<Coming>,
        going: Option<(u32, Uid)>,
    ) -> Result<(Vec<Delivered>, Vec<Entry>)> {
        let freed = match going {
            Some((number, uid)) => {
                let message = self.folder(number)?.messages.get(&uid).ok_or(Error::NoSuchBody)?;
                Some(message.bytes())
            }
            None => None,
        };
        let mut bits = Vec::with_capacity(coming.len());
        for one in &coming {
            check_uids(self.folder(one.number)?.uid_next(), coming.len())?;
            bits.push(self.bits(one.number, &one.target.flags, Unknown::Add)?);
        }
        // Only what is more in the end counts (RFC 8508 section 3.4).
        let before = (self.messages, self.bytes);
        if let Some(freed) = freed {
            (self.messages, self.bytes) = (self.messages.saturating_sub(1), self.bytes.saturating_sub(freed));
        }
        let size = coming.iter().map(|one| one.body.size()).fold(0, u64::saturating_add);
        if let Err(error) = self.reserve(coming.len() as u64, size) {
            (self.messages, self.bytes) = before;
            return Err(error);
        }
        let (change, saved) = (self.next_change(), SystemTime::now());
        let mut delivered = Vec::with_capacity(coming.len());
        for (Coming { number, body, references, target }, bits) in coming.into_iter().zip(bits) {
            let date = target.date.unwrap_or_else(InternalDate::now);
            let thread = self.threads.of(body.id, &references);
            let folder = self.folder_mut(number)?;
            let uid = folder.add(Entry {
                mod_seq: change,
                bits,
                date,
                saved,
                thread,
                labels: Labels::default(),
                body,
            });
            delivered.push(Delivered::new(folder.info().id, folder.uid_validity(), uid, mod_seq(change)));
        }
        let gone = match going {
            Some((number, uid)) => self.folder_mut(number)?.remove(&[uid], change),
            None => Vec::new(),
        };
        Ok((delivered, gone))
    }

    pub(super) fn store(&mut self, number: u32, uids: &Uids, how: &FlagChange) -> Result<Stored> {
        let (change, room) = (self.change_to_come(), self.keyword_room());
        let folder = self.folder_mut(number)?;
        let before = folder.keywords.bytes();
        let stored = folder.store(uids, how, change, room)?;
        let made = folder.keywords.bytes() - before;
        self.bytes = self.bytes.saturating_add(made);
        self.changed_by(change, &stored);
        Ok(stored)
    }

    /// The number of the next change, if there is one.
    pub(super) const fn change_to_come(&self) -> u64 {
        self.mod_seq + 1
    }

    /// The change that was to come is done if it changed something.
    pub(super) fn changed_by(&mut self, change: u64, stored: &Stored) {
        if !stored.changed.is_empty() {
            self.mod_seq = change;
        }
    }

    /// Gives the messages that are gone, too: they are dropped after the lock is given back.
    pub(super) fn expunge(&mut self, number: u32, uids: &Uids, which: Which) -> Result<(ModSeq, Vec<Entry>)> {
        let doomed = self.folder(number)?.doomed(uids, which);
        let mut removed = Vec::new();
        if !doomed.is_empty() {
            let change = self.next_change();
            removed = self.folder_mut(number)?.remove(&doomed, change);
            self.release(removed.len() as u64, removed.iter().map(Entry::bytes).sum());
        }
        Ok((self.folder(number)?.mod_seq(), removed))
    }

    pub(super) fn copy(&mut self, from: u32, uids: &Uids, to: u32, how: How) -> Result<Copied> {
        let source = self.folder(from)?;
        let messages: Vec<(Uid, Entry)> =
            source.within(uids).map(|(uid, message)| (uid, message.clone())).collect();
        // The flags of all messages can be many times their bits.
        let keywords = source.keywords.clone();
        let mut known: HashMap<Bits, Bits> = HashMap::new();
        let target = self.folder(to)?;
        check_uids(target.uid_next(), messages.len())?;
        let (first, rights) = (target.uid_next(), target.info().rights);
        let found: Vec<Uid> = messages.iter().map(|(uid, _)| *uid).collect();
        let set = found.iter().copied().collect();
        if messages.is_empty() {
            return Ok(Copied::new(target.mod_seq(), target.uid_validity(), set, first));
        }
        if how == How::Copy {
            let size = messages.iter().map(|(_, message)| message.bytes()).sum();
            self.reserve(messages.len() as u64, size)?;
        }
        let (change, saved) = (self.next_change(), SystemTime::now());
        for (_, message) in messages {
            let bits = match known.get(&message.bits) {
                Some(bits) => *bits,
                None => {
                    let flags = permitted(&keywords.set(message.bits), rights);
                    let bits = self.bits(to, &flags, Unknown::AddSome)?;
                    known.insert(message.bits, bits);
                    bits
                }
            };
            let copy = Entry { mod_seq: change, bits, saved, ..message };
            self.folder_mut(to)?.add(copy);
        }
        let uid_validity = self.folder(to)?.uid_validity();
        if how == How::Move {
            self.folder_mut(from)?.remove(&found, change);
        }
        Ok(Copied::new(mod_seq(change), uid_validity, set, first))
    }
}
