//! Flags of a message.

use mailwire_core::Text;

/// The flags and keywords of one message: each once, in any case of its letters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags(Vec<Text>);

impl Flags {
    /// `\Seen`
    pub const SEEN: &'static str = "\\Seen";
    /// `\Answered`
    pub const ANSWERED: &'static str = "\\Answered";
    /// `\Flagged`
    pub const FLAGGED: &'static str = "\\Flagged";
    /// `\Deleted`
    pub const DELETED: &'static str = "\\Deleted";
    /// `\Draft`
    pub const DRAFT: &'static str = "\\Draft";

    /// More than these are not kept: a client cannot grow a message without end.
    pub const MAX: usize = 64;

    /// No flags.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this flag is set.
    #[must_use]
    pub fn contains(&self, flag: &[u8]) -> bool {
        self.0.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(flag))
    }

    /// Sets a flag. Whether that changed anything.
    pub fn insert(&mut self, flag: &Text) -> bool {
        let new = !self.contains(flag.as_bytes()) && self.0.len() < Self::MAX;
        if new {
            self.0.push(flag.compact());
        }
        new
    }

    /// Takes a flag away. Whether that changed anything.
    pub fn remove(&mut self, flag: &[u8]) -> bool {
        let before = self.0.len();
        self.0.retain(|known| !known.as_bytes().eq_ignore_ascii_case(flag));
        before != self.0.len()
    }

    /// Whether both have the same flags, in whatever order.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.iter().all(|flag| other.contains(flag.as_bytes()))
    }

    /// The flags as they were first set.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Text> {
        self.0.iter()
    }
}

impl<T: Into<Text>> FromIterator<T> for Flags {
    fn from_iter<I: IntoIterator<Item = T>>(flags: I) -> Self {
        let mut set = Self::new();
        for flag in flags {
            set.insert(&flag.into());
        }
        set
    }
}

/// How [`View::store`](super::View::store) changes flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// These, and no others.
    Replace,
    /// These too.
    Add,
    /// Not these.
    Remove,
}
