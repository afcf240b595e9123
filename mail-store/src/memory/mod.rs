//! A store in memory: for tests, examples and short-lived servers. Nothing of it outlives the process.
//!
//! It is the [`Authenticator`] of its users, too.
//!
//! # Examples
//!
//! ```
//! use mailwire_store::{MailboxPath, Store, memory::MemoryStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> mailwire_store::Result<()> {
//! let store = MemoryStore::new();
//! let ada = store.add_user("ada", "secret")?;
//! let inbox = store.mailbox(ada.account(), &MailboxPath::inbox()).await?;
//! let opened = store.open(inbox.id, None).await?;
//!
//! let uid = ada.deliver("Subject: Hello\r\n\r\nHi!\r\n".into())?;
//!
//! let changes = store.changes(inbox.id, opened.cursor, 100).await?;
//! assert_eq!(changes.arrived, uid.into());
//! # Ok(())
//! # }
//! ```

mod account;
mod bodies;
mod folder;
mod labels;
mod limits;
mod store;
mod threads;
mod user;

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use mailwire_core::Secret;
use mailwire_transport::sasl::{
    Authenticator, DEFAULT_MECHANISMS, LoginContext, Mechanism, StoredPassword, Unavailable,
};

pub use self::{
    bodies::{Reader, Writer},
    store::Watch,
    user::{NewMessage, User},
};

use self::{account::Account, bodies::Bodies};
pub use crate::kept::leases::Held;
use crate::{
    AccountId, Error, MailboxId, Result,
    kept::{check_name, is_ours, kept_password, key, leases::Leases, limits::Limits},
};

/// What a user of a [`MemoryStore`] may have.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Config {
    /// Bytes of all messages of a user, and of keywords. Room for a message that is on its way in is kept.
    pub bytes: u64,
    /// Bytes of all messages that are on their way in at one time, for all users together.
    pub coming: u64,
    /// Messages of a user.
    pub messages: u64,
    /// Mailboxes of a user, and subscriptions.
    pub mailboxes: usize,
    /// Bytes of all annotations of a user.
    pub annotations: u64,
    /// Whether users can change their own limits, up to these. False by default.
    pub set_quota: bool,
    /// Whether messages can have Gmail's labels, and are found by its [search language](crate::gmail): X-GM-EXT-1. False by default:
    /// clients that know Gmail expect a mailbox for each label, which there is not here. The labels of a message are
    /// those of one mailbox; a copy has them, too.
    pub labels: bool,
    /// The domains whose mail is for the users of this store. Empty: any.
    pub domains: Vec<String>,
    /// The mechanisms that are offered to those who log in. By default all that a password is enough for; without
    /// the `-PLUS` ones, clients that cannot bind to the TLS channel and choose them all the same get in. With CRAM-MD5
    /// the passwords themselves are kept beside what they are checked against.
    pub mechanisms: Vec<Mechanism>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bytes: 1 << 30,
            coming: 256 << 20,
            messages: 1_000_000,
            mailboxes: 1000,
            annotations: 1 << 20,
            set_quota: false,
            labels: false,
            domains: Vec::new(),
            mechanisms: DEFAULT_MECHANISMS.to_vec(),
        }
    }
}

impl Config {
    const fn limits(&self) -> Limits {
        Limits {
            bytes: self.bytes,
            messages: self.messages,
            mailboxes: self.mailboxes,
            annotations: self.annotations,
        }
    }
}

/// Users and their mail, in memory. Cloning gives another handle of one store.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    config: Arc<Config>,
    strangers: Strangers,
    users: Arc<RwLock<Users>>,
    bodies: Arc<Bodies>,
    leases: Leases,
}

/// What names are that are no user's.
#[derive(Debug, Clone, Default)]
pub(crate) enum Strangers {
    /// There are no such users.
    #[default]
    Unknown,
    /// Users, from when they are named first. No password fits.
    #[cfg(feature = "testing")]
    Welcome,
    /// Other names of this user.
    #[cfg(feature = "testing")]
    Are(String),
}

/// So many users come about by being named.
#[cfg(feature = "testing")]
const MOST_STRANGERS: usize = 10_000;

#[derive(Debug, Default)]
struct Users {
    by_name: HashMap<String, Arc<Account>>,
    /// Each at the place that its id says.
    all: Vec<Arc<Account>>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::with_config(Config::default())
    }

    /// An empty store whose users may have this much.
    #[must_use]
    pub fn with_config(config: Config) -> Self {
        let bodies = Arc::new(Bodies::new(config.coming));
        Self {
            config: Arc::new(config),
            strangers: Strangers::default(),
            users: Arc::default(),
            bodies,
            leases: Leases::default(),
        }
    }

    /// A new user: `ada`, who gets mail for `ada` at any of the store's domains, or
    /// `ada@example.org`, who gets mail for that address.
    ///
    /// # Errors
    ///
    /// [`Error::Account`]: the name is taken, empty or has control characters, or this cannot be a password.
    pub fn add_user(&self, name: &str, password: impl Into<Secret>) -> Result<User> {
        check_name(name)?;
        let (password, shared) = kept_password(&password.into(), &self.config.mechanisms)?;
        self.add(name, password, shared).map(|account| self.user_of(account))
    }

    fn add(&self, name: &str, password: StoredPassword, shared: Option<Secret>) -> Result<Arc<Account>> {
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        if users.by_name.contains_key(&key(name)) {
            return Err(Error::Account("the user name is taken"));
        }
        let id = u32::try_from(users.all.len()).map_err(|_| Error::Limit("users"))?;
        let mut account = Account::new(id, name.to_owned(), password, Arc::clone(&self.config))?;
        account.shared = shared;
        let account = Arc::new(account);
        users.by_name.insert(key(name), Arc::clone(&account));
        users.all.push(Arc::clone(&account));
        Ok(account)
    }

    /// The user of this name, in any case of its letters.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<User> {
        self.named(name).map(|account| self.user_of(account))
    }

    fn user_of(&self, account: Arc<Account>) -> User {
        User { account, bodies: Arc::clone(&self.bodies) }
    }

    fn named(&self, name: &str) -> Option<Arc<Account>> {
        self.users.read().unwrap_or_else(PoisonError::into_inner).by_name.get(&key(name)).cloned()
    }

    /// Who logs in by this name, or gets the mail for this address: `ada@example.org`, or `ada`.
    fn resolve(&self, name: &str) -> Option<Arc<Account>> {
        self.named(name).or_else(|| {
            let (local, domain) = name.rsplit_once('@')?;
            if self.is_ours(domain) { self.named(local) } else { None }
        })
    }

    /// Whose this name is, in the end.
    fn account_of(&self, name: &str) -> Result<Arc<Account>> {
        if let Some(account) = self.resolve(name) {
            return Ok(account);
        }
        match &self.strangers {
            Strangers::Unknown => Err(Error::NoSuchAccount),
            #[cfg(feature = "testing")]
            Strangers::Are(user) => self.named(user).ok_or(Error::NoSuchAccount),
            #[cfg(feature = "testing")]
            Strangers::Welcome => self.welcome(name),
        }
    }

    /// Whether users without a domain in their names get mail there.
    fn is_ours(&self, domain: &str) -> bool {
        is_ours(&self.config.domains, domain)
    }

    /// Whether anybody gets mail there.
    fn serves(&self, domain: &str) -> bool {
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        let there = |account: &Arc<Account>| {
            account.name.rsplit_once('@').is_some_and(|(_, its)| its.eq_ignore_ascii_case(domain))
        };
        self.is_ours(domain) || users.all.iter().any(there)
    }

    /// The user who was added first.
    fn first(&self) -> Option<Arc<Account>> {
        self.users.read().unwrap_or_else(PoisonError::into_inner).all.first().cloned()
    }

    fn by_id(&self, id: AccountId) -> Result<Arc<Account>> {
        let place = usize::try_from(id.get()).unwrap_or(usize::MAX);
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        users.all.get(place).cloned().ok_or(Error::NoSuchAccount)
    }

    /// What is meant: a mailbox of the account by its number there, or the account itself.
    fn account_or_mailbox(
        &self,
        account: AccountId,
        mailbox: Option<MailboxId>,
    ) -> Result<(Arc<Account>, Option<u32>)> {
        match mailbox {
            Some(mailbox) => self.owner(mailbox).map(|(account, number)| (account, Some(number))),
            None => Ok((self.by_id(account)?, None)),
        }
    }

    /// The account of a mailbox, and the mailbox's number there.
    fn owner(&self, mailbox: MailboxId) -> Result<(Arc<Account>, u32)> {
        let (account, number) = account::parts(mailbox);
        let account = self.by_id(account).map_err(|_| Error::NoSuchMailbox)?;
        Ok((account, number))
    }
}

/// For `MailServer`.
#[cfg(feature = "testing")]
impl MemoryStore {
    pub(crate) fn with_strangers(mut self, strangers: Strangers) -> Self {
        self.strangers = strangers;
        self
    }

    /// Makes a stranger a user.
    fn welcome(&self, name: &str) -> Result<Arc<Account>> {
        check_name(name).map_err(|_| Error::NoSuchAccount)?;
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        // Whoever has an address is known without the domain, too.
        let has_part = |account: &&Arc<Account>| {
            account.name.rsplit_once('@').is_some_and(|(local, _)| key(local) == key(name))
        };
        if let Some(account) = users.all.iter().find(has_part) {
            return Ok(Arc::clone(account));
        }
        if users.all.len() >= MOST_STRANGERS {
            return Err(Error::Limit("users"));
        }
        drop(users);
        match self.add(name, StoredPassword::decoy(name, &self.decoy_key(), 1), None) {
            // Somebody else was quicker.
            Err(Error::Account(_)) => self.named(name).ok_or(Error::NoSuchAccount),
            added => added,
        }
    }

    /// The user of this name, who may come about by that.
    pub(crate) fn user_or_stranger(&self, name: &str) -> Result<User> {
        self.account_of(name).map(|account| self.user_of(account))
    }

    /// All users, in the order in which they came about.
    pub(crate) fn users(&self) -> Vec<User> {
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        users.all.iter().map(|account| self.user_of(Arc::clone(account))).collect()
    }

    /// The bytes of a body.
    pub(crate) fn raw(&self, body: crate::BodyId) -> Option<bytes::Bytes> {
        self.bodies.get(body).ok().map(|body| body.raw.clone())
    }
}

/// Users prove who they are by their passwords, and act as themselves only.
impl Authenticator for MemoryStore {
    fn mechanisms(&self) -> &[Mechanism] {
        &self.config.mechanisms
    }

    fn canonical_name<'a>(&self, user: &'a str) -> Cow<'a, str> {
        key(user).into()
    }

    async fn lookup(&self, user: &str, _: &LoginContext) -> Result<Option<StoredPassword>, Unavailable> {
        Ok(self.named(user).map(|account| account.password.clone()))
    }

    async fn shared_secret(&self, user: &str, _: &LoginContext) -> Result<Option<Secret>, Unavailable> {
        Ok(self.named(user).and_then(|account| account.shared.clone()))
    }
}

#[cfg(test)]
mod tests;
