//! What the calls of a [`Session`](super::Session) are given beside mailboxes and messages. Extensions
//! add to it.

use mailwire_imap::{
    command::{FetchAtt, SearchKey, StatusAtt, StoreAction},
    types::FlagSet,
};

/// How a mailbox is to be opened.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SelectOptions {
    /// Nothing is to be changed: EXAMINE.
    pub read_only: bool,
}

impl SelectOptions {
    /// To read and to change: SELECT.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether nothing is to be changed.
    #[must_use]
    pub const fn with_read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }
}

/// How a mailbox is to be made.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateOptions {}

impl CreateOptions {
    /// A mailbox without special use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// What is asked of a mailbox.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusOptions {
    /// The numbers that are wanted. More may be given.
    pub items: Vec<StatusAtt>,
}

impl StatusOptions {
    /// To ask for `items`.
    #[must_use]
    pub fn new(items: impl Into<Vec<StatusAtt>>) -> Self {
        Self { items: items.into() }
    }
}

/// What is asked of messages.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchOptions {
    /// The data that is wanted.
    pub items: Vec<FetchAtt>,
}

impl FetchOptions {
    /// To ask for `items`.
    #[must_use]
    pub fn new(items: impl Into<Vec<FetchAtt>>) -> Self {
        Self { items: items.into() }
    }
}

/// What is to be done to messages' flags.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// Whether flags are set, added or taken away.
    pub action: StoreAction,
    /// The flags.
    pub flags: FlagSet,
}

impl StoreOptions {
    /// To do `action` with `flags`.
    #[must_use]
    pub const fn new(action: StoreAction, flags: FlagSet) -> Self {
        Self { action, flags }
    }
}

/// Which messages are looked for.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchOptions {
    /// All of these are true of them. There are neither sequence numbers nor `$`, `NEW`, `OLD` and
    /// `RECENT` in the keys any more, strings are UTF-8, and the ranges of sets ascend.
    pub keys: Vec<SearchKey>,
}

impl SearchOptions {
    /// To look for messages of which all `keys` are true.
    #[must_use]
    pub fn new(keys: impl Into<Vec<SearchKey>>) -> Self {
        Self { keys: keys.into() }
    }
}

/// How messages are to be copied or moved.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CopyOptions {}

impl CopyOptions {
    /// With their flags and dates.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}
