//! A session's view of a mailbox.

use std::sync::Arc;

use tokio::sync::watch;

use super::{
    account::Account,
    error::Refused,
    flags::{Change, Flags},
    mailbox::{Mailbox, Message, NOBODY, Stored},
};

/// A mailbox as one session has it open. What other sessions do comes as [`Changes`].
#[derive(Debug)]
pub struct View {
    account: Arc<Account>,
    name: String,
    uid_validity: u32,
    read_only: bool,
    id: u64,
    /// The UIDs that the session knows, ascending.
    known: Vec<u32>,
    /// The change up to which it knows them.
    seen: u64,
    changes: watch::Receiver<u64>,
    recent: Vec<u32>,
}

/// What happened to a mailbox since it was last looked at.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Messages that are gone.
    pub expunged: Vec<u32>,
    /// Messages that came.
    pub added: Vec<Message>,
    /// Messages whose flags another session changed.
    pub changed: Vec<Message>,
    /// The mailbox itself is gone.
    pub deleted: bool,
}

impl Changes {
    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expunged.is_empty() && self.added.is_empty() && self.changed.is_empty() && !self.deleted
    }
}

/// Where copies came to lie, for COPYUID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The UIDVALIDITY of the mailbox that has the copies.
    pub uid_validity: u32,
    /// Each message's UID, and that of its copy.
    pub uids: Vec<(u32, u32)>,
}

impl View {
    pub(super) fn new(account: Arc<Account>, name: &str, read_only: bool) -> Result<Self, Refused> {
        let id = account.session_id();
        let mut state = account.lock();
        let mailbox = state.mailbox(name)?;
        let changes = mailbox.changes.subscribe();
        let seen = *changes.borrow();
        let known: Vec<u32> = mailbox.messages.keys().copied().collect();
        let first_recent = mailbox.first_recent;
        let recent = known.iter().copied().filter(|&uid| uid >= first_recent).collect();
        if !read_only {
            mailbox.first_recent = mailbox.uid_next;
        }
        let uid_validity = mailbox.uid_validity;
        drop(state);
        Ok(Self { account, name: name.to_owned(), uid_validity, read_only, id, known, seen, changes, recent })
    }

    /// The mailbox's name when it was opened.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The mailbox's UIDVALIDITY.
    #[must_use]
    pub const fn uid_validity(&self) -> u32 {
        self.uid_validity
    }

    /// The UID that the next message will have.
    #[must_use]
    pub fn uid_next(&self) -> u32 {
        self.with(|mailbox| mailbox.uid_next).unwrap_or(1)
    }

    /// Whether changes are refused.
    #[must_use]
    pub const fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// The UIDs that this session knows, ascending.
    #[must_use]
    pub fn uids(&self) -> &[u32] {
        &self.known
    }

    /// Whether this session was the first to be told of the message.
    #[must_use]
    pub fn is_recent(&self, uid: u32) -> bool {
        self.recent.binary_search(&uid).is_ok()
    }

    /// A message. `None` if it is gone.
    #[must_use]
    pub fn message(&self, uid: u32) -> Option<Message> {
        self.with(|mailbox| mailbox.messages.get(&uid).cloned()).ok().flatten()
    }

    /// All flags that are in use here.
    #[must_use]
    pub fn flags_in_use(&self) -> Flags {
        let all = |mailbox: &mut Mailbox| {
            mailbox.messages.values().flat_map(|message| message.flags.iter().cloned()).collect()
        };
        self.with(all).unwrap_or_default()
    }

    /// Waits until something has happened since [`take_changes`](Self::take_changes). Cancel-safe.
    pub async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            // The store is gone; nothing will ever happen.
            std::future::pending::<()>().await;
        }
    }

    /// What happened since this was last asked, or since the mailbox was opened. What this session
    /// did itself to flags is not in it.
    pub fn take_changes(&mut self) -> Changes {
        let now = *self.changes.borrow_and_update();
        if now == self.seen {
            return Changes::default();
        }
        let (id, seen, read_only) = (self.id, self.seen, self.read_only);
        let last = self.known.last().copied().unwrap_or(0);
        let taken = self.with(|mailbox| {
            let is_news = |message: &&Message| message.changed > seen && message.changed_by != id;
            let known = mailbox.messages.range(..=last).map(|(_, message)| message);
            let new = mailbox.messages.range(last.saturating_add(1)..).map(|(_, message)| message);
            let is_gone = |uid: &u32| !mailbox.messages.contains_key(uid);
            let changes = Changes {
                expunged: self.known.iter().copied().filter(is_gone).collect(),
                added: new.cloned().collect(),
                changed: known.filter(is_news).cloned().collect(),
                deleted: false,
            };
            let first_recent = mailbox.first_recent;
            if !read_only {
                mailbox.first_recent = mailbox.uid_next;
            }
            (changes, *mailbox.changes.borrow(), first_recent)
        });
        let Ok((changes, now, first_recent)) = taken else {
            self.seen = now;
            return Changes { deleted: true, ..Changes::default() };
        };
        self.seen = now;
        if !changes.expunged.is_empty() {
            let is_left = |uid: &u32| changes.expunged.binary_search(uid).is_err();
            self.known.retain(is_left);
            self.recent.retain(is_left);
        }
        for message in &changes.added {
            self.known.push(message.uid);
            if message.uid >= first_recent {
                self.recent.push(message.uid);
            }
        }
        changes
    }

    /// Changes flags. Gives the flags that the messages have now; messages that are gone are left
    /// out.
    ///
    /// # Errors
    ///
    /// The mailbox is gone, or open for reading only.
    pub fn store(&mut self, uids: &[u32], how: Change, flags: &Flags) -> Result<Vec<Stored>, Refused> {
        self.check_writable()?;
        let (id, seen) = (self.id, self.seen);
        self.with(|mailbox| mailbox.store(uids, how, flags, id, seen))
    }

    /// Removes those of `uids`, or of all messages, that are `\Deleted`. They come back as
    /// [`Changes::expunged`] too.
    ///
    /// # Errors
    ///
    /// The mailbox is gone, or open for reading only.
    pub fn expunge(&mut self, uids: Option<&[u32]>) -> Result<Vec<u32>, Refused> {
        self.check_writable()?;
        let known = &self.known;
        let account = &self.account;
        let mut state = account.lock();
        let mailbox = state.opened(&self.name, self.uid_validity)?;
        let is_deleted = |uid: &u32| {
            let message = mailbox.messages.get(uid);
            message.is_some_and(|message| message.flags.contains(Flags::DELETED.as_bytes()))
        };
        let doomed: Vec<u32> = uids.unwrap_or(known).iter().copied().filter(is_deleted).collect();
        let removed = mailbox.remove(doomed);
        state.forget(&removed);
        Ok(removed.iter().map(|message| message.uid).collect())
    }

    /// Copies messages into another mailbox, or moves them there: all or none.
    ///
    /// # Errors
    ///
    /// There is no such mailbox, the quota is full, or (for a move) the mailbox is open for reading
    /// only.
    pub fn copy(&mut self, uids: &[u32], target: &str, and_remove: bool) -> Result<Copied, Refused> {
        if and_remove {
            self.check_writable()?;
        }
        let mut state = self.account.lock();
        let source = state.opened(&self.name, self.uid_validity)?;
        let messages: Vec<Message> =
            uids.iter().filter_map(|uid| source.messages.get(uid).cloned()).collect();
        state.mailbox(target)?;
        if !and_remove {
            let size = messages.iter().map(Message::size).sum();
            state.reserve(messages.len() as u64, size, &self.account.config)?;
        }
        let destination = state.mailbox(target)?;
        let copies: Vec<(u32, u32)> = messages
            .into_iter()
            .map(|message| {
                (message.uid, destination.add_shared(message.content, message.flags, message.date, NOBODY))
            })
            .collect();
        let uid_validity = destination.uid_validity;
        if and_remove {
            let source = state.opened(&self.name, self.uid_validity)?;
            source.remove(copies.iter().map(|(uid, _)| *uid));
        }
        Ok(Copied { uid_validity, uids: copies })
    }

    fn check_writable(&self) -> Result<(), Refused> {
        if self.read_only { Err(Refused::ReadOnly) } else { Ok(()) }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Mailbox) -> T) -> Result<T, Refused> {
        self.account.lock().opened(&self.name, self.uid_validity).map(look)
    }
}
