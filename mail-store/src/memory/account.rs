//! A user's mailboxes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use mailwire_core::Text;

use mailwire_transport::sasl::StoredPassword;

use super::{
    Config,
    error::Refused,
    flags::Flags,
    mailbox::{InternalDate, Mailbox, Message, NOBODY, NewMessage},
    maildrop::Maildrop,
    view::View,
};

/// What divides the levels of a mailbox's name.
pub const DELIMITER: char = '/';
const INBOX: &str = "INBOX";
const MAX_NAME: usize = 1000;

/// One user of a [`Store`](super::Store). Cloning is cheap.
#[derive(Debug, Clone)]
pub struct User {
    pub(super) account: Arc<Account>,
}

#[derive(Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) password: StoredPassword,
    pub(super) config: Arc<Config>,
    sessions: AtomicU64,
    state: Mutex<State>,
}

/// What is behind an account's lock, which is held for no longer than a look.
#[derive(Debug)]
pub(super) struct State {
    mailboxes: BTreeMap<String, Mailbox>,
    subscribed: BTreeSet<String>,
    messages: u64,
    bytes: u64,
    last_uid_validity: u32,
    pub(super) maildrop_locked: bool,
}

/// A mailbox in [`User::mailboxes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxInfo {
    /// Its name, with [`DELIMITER`] between its levels.
    pub name: String,
    /// There is such a mailbox, and not only the name: mailboxes below it, or a subscription.
    pub exists: bool,
    /// Mailboxes stand below it.
    pub has_children: bool,
    /// The user subscribed to it.
    pub subscribed: bool,
    /// What it is for, RFC 6154: `\Sent`.
    pub special_use: Option<Text>,
}

/// What is in a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Number of messages.
    pub messages: u32,
    /// Messages that are not `\Seen`.
    pub unseen: u32,
    /// Messages that are `\Deleted`.
    pub deleted: u32,
    /// Messages that no session was told of.
    pub recent: u32,
    /// The size of all messages.
    pub size: u64,
    /// The UID that the next message will have.
    pub uid_next: u32,
    /// UIDs are comparable while this stays.
    pub uid_validity: u32,
}

impl State {
    pub(super) fn mailbox(&mut self, name: &str) -> Result<&mut Mailbox, Refused> {
        self.mailboxes.get_mut(canonical(name).as_ref()).ok_or(Refused::NoSuchMailbox)
    }

    /// A mailbox that was opened under this name: it can have got another one.
    pub(super) fn opened(&mut self, name: &str, uid_validity: u32) -> Result<&mut Mailbox, Refused> {
        let is_it = |mailbox: &Mailbox| mailbox.uid_validity == uid_validity;
        let name = canonical(name);
        if self.mailboxes.get(name.as_ref()).is_some_and(is_it) {
            return self.mailbox(&name);
        }
        self.mailboxes.values_mut().find(|mailbox| is_it(mailbox)).ok_or(Refused::NoSuchMailbox)
    }

    /// Counts messages that are about to be stored.
    pub(super) fn reserve(&mut self, messages: u64, bytes: u64, config: &Config) -> Result<(), Refused> {
        let messages = self.messages.saturating_add(messages);
        let bytes = self.bytes.saturating_add(bytes);
        if messages > config.messages || bytes > config.bytes {
            return Err(Refused::OverQuota);
        }
        (self.messages, self.bytes) = (messages, bytes);
        Ok(())
    }

    /// Counts messages that are gone.
    pub(super) fn forget(&mut self, messages: &[Message]) {
        self.messages = self.messages.saturating_sub(messages.len() as u64);
        self.bytes = self.bytes.saturating_sub(messages.iter().map(Message::size).sum());
    }

    /// Makes a mailbox and those above it.
    fn create(&mut self, name: &str, config: &Config) -> Result<&mut Mailbox, Refused> {
        let parents = name.match_indices(DELIMITER).filter_map(|(end, _)| name.get(..end));
        let missing: Vec<&str> =
            parents.chain([name]).filter(|name| !self.mailboxes.contains_key(*name)).collect();
        if self.mailboxes.len() + missing.len() > config.mailboxes {
            return Err(Refused::OverQuota);
        }
        for name in missing {
            // A name that is used again must not bring old UIDs back.
            let now = u32::try_from(InternalDate::now().seconds).unwrap_or(1);
            self.last_uid_validity = now.max(self.last_uid_validity.saturating_add(1));
            self.mailboxes.insert(name.to_owned(), Mailbox::new(self.last_uid_validity));
        }
        self.mailbox(name)
    }

    fn has_children(&self, name: &str) -> bool {
        let prefix = format!("{name}{DELIMITER}");
        self.mailboxes.range(prefix.clone()..).next().is_some_and(|(name, _)| name.starts_with(&prefix))
    }
}

impl Account {
    pub(super) fn new(name: String, password: StoredPassword, config: Arc<Config>) -> Result<Self, Refused> {
        let mut state = State {
            mailboxes: BTreeMap::new(),
            subscribed: BTreeSet::from([INBOX.to_owned()]),
            messages: 0,
            bytes: 0,
            last_uid_validity: 0,
            maildrop_locked: false,
        };
        state.create(INBOX, &config)?;
        Ok(Self { name, password, config, sessions: AtomicU64::new(NOBODY), state: Mutex::new(state) })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn session_id(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }
}

impl User {
    /// The user's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.account.name
    }

    /// Makes a mailbox, and those above it that are missing.
    ///
    /// # Errors
    ///
    /// The name is taken or is none, or the user has too many.
    pub fn create(&self, name: &str, special_use: Option<Text>) -> Result<(), Refused> {
        let name = checked(name)?;
        let mut state = self.account.lock();
        if state.mailboxes.contains_key(&name) {
            return Err(Refused::MailboxExists);
        }
        state.create(&name, &self.account.config)?.special_use = special_use;
        Ok(())
    }

    /// Deletes a mailbox and its messages. Mailboxes below it stay.
    ///
    /// # Errors
    ///
    /// There is none, or it is INBOX.
    pub fn delete(&self, name: &str) -> Result<(), Refused> {
        let name = canonical(name);
        if name == INBOX {
            return Err(Refused::Inbox);
        }
        let mut state = self.account.lock();
        let Some(mut mailbox) = state.mailboxes.remove(name.as_ref()) else {
            let has_children = state.has_children(&name);
            return Err(if has_children { Refused::HasChildren } else { Refused::NoSuchMailbox });
        };
        let messages: Vec<_> = std::mem::take(&mut mailbox.messages).into_values().collect();
        state.forget(&messages);
        drop(state);
        mailbox.announce_end();
        Ok(())
    }

    /// Gives a mailbox and those below it another name. INBOX stays, empty: its messages move, and
    /// what is below it stays too (RFC 9051 section 6.3.6).
    ///
    /// # Errors
    ///
    /// There is none of the old name, or one of the new name, or that is no name.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), Refused> {
        let (from, to) = (canonical(from), checked(to)?);
        let mut state = self.account.lock();
        if state.mailboxes.contains_key(&to) {
            return Err(Refused::MailboxExists);
        }
        if from == INBOX {
            state.create(&to, &self.account.config)?;
            let inbox = state.mailbox(INBOX)?;
            let uids: Vec<u32> = inbox.messages.keys().copied().collect();
            let messages = inbox.remove(uids);
            let target = state.mailbox(&to)?;
            for message in messages {
                target.add_shared(message.content, message.flags, message.date, NOBODY);
            }
            return Ok(());
        }
        let below = format!("{from}{DELIMITER}");
        if to.starts_with(&below) {
            return Err(Refused::MailboxName("it lies below the mailbox itself"));
        }
        let moved: Vec<String> = state
            .mailboxes
            .keys()
            .filter(|name| **name == from || name.starts_with(&below))
            .cloned()
            .collect();
        if moved.is_empty() {
            return Err(Refused::NoSuchMailbox);
        }
        let target = |name: &str| format!("{to}{}", name.get(from.len()..).unwrap_or_default());
        if moved.iter().any(|name| {
            let target = target(name);
            target.len() > MAX_NAME || state.mailboxes.contains_key(&target)
        }) {
            return Err(Refused::MailboxExists);
        }
        if let Some((parent, _)) = to.rsplit_once(DELIMITER) {
            state.create(parent, &self.account.config)?;
        }
        for name in moved {
            if let Some(mailbox) = state.mailboxes.remove(&name) {
                state.mailboxes.insert(target(&name), mailbox);
            }
        }
        Ok(())
    }

    /// Subscribes to a name, whether there is such a mailbox or not.
    ///
    /// # Errors
    ///
    /// It is no name, or there are too many subscriptions.
    pub fn subscribe(&self, name: &str) -> Result<(), Refused> {
        let name = checked(name)?;
        let mut state = self.account.lock();
        if state.subscribed.len() >= self.account.config.mailboxes {
            return Err(Refused::OverQuota);
        }
        state.subscribed.insert(name);
        Ok(())
    }

    /// Ends a subscription. Whether there was one.
    pub fn unsubscribe(&self, name: &str) -> bool {
        self.account.lock().subscribed.remove(canonical(name).as_ref())
    }

    /// All names: mailboxes, names above them that are none themselves, and subscriptions.
    #[must_use]
    pub fn mailboxes(&self) -> Vec<MailboxInfo> {
        let state = self.account.lock();
        let mut names: BTreeSet<&str> =
            state.mailboxes.keys().chain(&state.subscribed).map(String::as_str).collect();
        for name in state.mailboxes.keys() {
            names.extend(name.match_indices(DELIMITER).filter_map(|(end, _)| name.get(..end)));
        }
        let info = |name: &str| {
            let mailbox = state.mailboxes.get(name);
            MailboxInfo {
                name: name.to_owned(),
                exists: mailbox.is_some(),
                has_children: state.has_children(name),
                subscribed: state.subscribed.contains(name),
                special_use: mailbox.and_then(|mailbox| mailbox.special_use.clone()),
            }
        };
        names.into_iter().map(info).collect()
    }

    /// What is in a mailbox.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn status(&self, name: &str) -> Result<Status, Refused> {
        let mut state = self.account.lock();
        let mailbox = state.mailbox(name)?;
        let count = |is: &dyn Fn(&Message) -> bool| {
            u32::try_from(mailbox.messages.values().filter(|message| is(message)).count()).unwrap_or(u32::MAX)
        };
        Ok(Status {
            messages: count(&|_| true),
            unseen: count(&|message| !message.flags.contains(Flags::SEEN.as_bytes())),
            deleted: count(&|message| message.flags.contains(Flags::DELETED.as_bytes())),
            recent: count(&|message| message.uid >= mailbox.first_recent),
            size: mailbox.messages.values().map(Message::size).sum(),
            uid_next: mailbox.uid_next,
            uid_validity: mailbox.uid_validity,
        })
    }

    /// How many bytes the user may still store.
    #[must_use]
    pub fn room(&self) -> u64 {
        let state = self.account.lock();
        if state.messages >= self.account.config.messages {
            return 0;
        }
        self.account.config.bytes.saturating_sub(state.bytes)
    }

    /// Puts a message into a mailbox. Gives its UIDVALIDITY and UID.
    ///
    /// # Errors
    ///
    /// There is no such mailbox, or no room.
    pub fn append(&self, name: &str, message: NewMessage) -> Result<(u32, u32), Refused> {
        let mut state = self.account.lock();
        state.mailbox(name)?;
        state.reserve(1, message.raw.len() as u64, &self.account.config)?;
        let mailbox = state.mailbox(name)?;
        Ok((mailbox.uid_validity, mailbox.add(message, NOBODY)))
    }

    /// Puts a message into INBOX. Gives its UID.
    ///
    /// # Errors
    ///
    /// There is no room.
    pub fn deliver(&self, raw: Bytes) -> Result<u32, Refused> {
        self.append(INBOX, NewMessage::new(raw)).map(|(_, uid)| uid)
    }

    /// Opens a mailbox, to look at it and to see what others do with it.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn open(&self, name: &str, read_only: bool) -> Result<View, Refused> {
        View::new(Arc::clone(&self.account), &canonical(name), read_only)
    }

    /// Locks INBOX for a POP3 session.
    ///
    /// # Errors
    ///
    /// Another session has it.
    pub fn lock_maildrop(&self) -> Result<Maildrop, Refused> {
        Maildrop::lock(Arc::clone(&self.account))
    }
}

/// INBOX in capitals, alone or above others; other names as they are.
fn canonical(name: &str) -> std::borrow::Cow<'_, str> {
    match name.split_at_checked(INBOX.len()) {
        Some((inbox, rest))
            if inbox.eq_ignore_ascii_case(INBOX) && (rest.is_empty() || rest.starts_with(DELIMITER)) =>
        {
            format!("{INBOX}{rest}").into()
        }
        _ => name.into(),
    }
}

/// A name that a mailbox can have. A delimiter at its end (RFC 9051 section 6.3.4) is dropped.
fn checked(name: &str) -> Result<String, Refused> {
    let name = name.strip_suffix(DELIMITER).unwrap_or(name);
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(Refused::MailboxName("empty or too long"));
    }
    if name.split(DELIMITER).any(str::is_empty) {
        return Err(Refused::MailboxName("it has an empty level"));
    }
    if name.split(DELIMITER).count() > MAX_LEVELS {
        return Err(Refused::MailboxName("it has too many levels"));
    }
    if name.chars().any(|c| c.is_control() || matches!(c, '*' | '%')) {
        return Err(Refused::MailboxName("it has wildcards or control characters"));
    }
    Ok(canonical(name).into_owned())
}

const MAX_LEVELS: usize = 32;
