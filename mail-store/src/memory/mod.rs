//! A mail store in memory that all three servers share: what SMTP or LMTP delivers is read by IMAP
//! and POP3. It is the [`Authenticator`] of its users, too. For tests, examples and short-lived
//! servers; nothing of it outlives the process.
//!
//! ```
//! use mailwire_store::memory::Store;
//!
//! let store = Store::new();
//! let ada = store.add_user("ada", "secret").unwrap();
//! let mut view = ada.open("INBOX", false).unwrap();
//!
//! store.deliver("ada@example.org", "Subject: Hello\r\n\r\nHi!\r\n".into()).unwrap();
//!
//! let changes = view.take_changes();
//! assert_eq!(changes.added[0].raw().len(), 23);
//! ```

mod account;
mod error;
mod flags;
mod imap;
mod mailbox;
mod maildrop;
mod pop3;
mod smtp;
mod view;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;
use mailwire_core::Secret;

use mailwire_transport::sasl::{Authenticator, StoredPassword, Unavailable};

pub use account::{DELIMITER, MailboxInfo, Status, User};
pub use error::Refused;
pub use flags::{Change, Flags};
pub use imap::UserSession;
pub use mailbox::{InternalDate, Message, NewMessage, Stored};
pub use maildrop::Maildrop;
pub use smtp::Delivery;
pub use view::{Changes, Copied, View};

use account::Account;

/// What a user of a [`Store`] may have.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Config {
    /// Bytes of all messages of a user.
    pub bytes: u64,
    /// Messages of a user.
    pub messages: u64,
    /// Mailboxes of a user, and subscriptions.
    pub mailboxes: usize,
    /// The domains whose mail is for the users of this store. Empty: any.
    pub domains: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { bytes: 1 << 30, messages: 1_000_000, mailboxes: 1000, domains: Vec::new() }
    }
}

/// Users and their mail. Cloning gives another handle of the same store.
#[derive(Debug, Clone)]
pub struct Store {
    config: Arc<Config>,
    users: Arc<RwLock<HashMap<String, User>>>,
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::with_config(Config::default())
    }

    /// An empty store whose users may have this much.
    #[must_use]
    pub fn with_config(config: Config) -> Self {
        Self { config: Arc::new(config), users: Arc::default() }
    }

    /// A new user: `ada`, who gets mail for `ada` at any of the store's domains, or
    /// `ada@example.org`, who gets mail for that address.
    ///
    /// # Errors
    ///
    /// The name is taken, empty or has control characters, or this cannot be a password.
    pub fn add_user(&self, name: &str, password: impl Into<Secret>) -> Result<User, Refused> {
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(Refused::UserName);
        }
        let password = StoredPassword::derive(&password.into()).map_err(|_| Refused::Password)?;
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        if users.contains_key(&key(name)) {
            return Err(Refused::UserName);
        }
        let account = Account::new(name.to_owned(), password, Arc::clone(&self.config))?;
        let user = User { account: Arc::new(account) };
        users.insert(key(name), user.clone());
        Ok(user)
    }

    /// The user of this name, in any case of its letters.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<User> {
        self.users.read().unwrap_or_else(PoisonError::into_inner).get(&key(name)).cloned()
    }

    /// Who gets mail for this recipient: `ada@example.org`, or `ada`.
    #[must_use]
    pub fn resolve(&self, recipient: &str) -> Option<User> {
        self.user(recipient).or_else(|| {
            let (local, domain) = recipient.rsplit_once('@')?;
            let domains = &self.config.domains;
            let is_ours = domains.is_empty() || domains.iter().any(|ours| ours.eq_ignore_ascii_case(domain));
            if is_ours { self.user(local) } else { None }
        })
    }

    /// Puts a message into the recipient's INBOX. Gives its UID.
    ///
    /// # Errors
    ///
    /// Nobody here is this recipient, or there is no room.
    pub fn deliver(&self, recipient: &str, raw: Bytes) -> Result<u32, Refused> {
        self.resolve(recipient).ok_or(Refused::NoSuchUser)?.deliver(raw)
    }

    /// Locks a user's INBOX for a POP3 session.
    ///
    /// # Errors
    ///
    /// There is no such user, or another session has it.
    pub fn lock_maildrop(&self, user: &str) -> Result<Maildrop, Refused> {
        self.user(user).ok_or(Refused::NoSuchUser)?.lock_maildrop()
    }
}

/// Users prove who they are by their passwords, and act as themselves only.
impl Authenticator for Store {
    async fn lookup(&self, user: &str) -> Result<Option<StoredPassword>, Unavailable> {
        Ok(self.user(user).map(|user| user.account.password.clone()))
    }
}

/// User names are the same in any case.
fn key(name: &str) -> String {
    name.to_lowercase()
}

#[cfg(test)]
mod tests;
