//! How exact reading is.

use alloc::vec::Vec;

/// How exactly a parser holds its peer to the grammar. Writing is always strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Dialect {
    /// Every deviation from the grammar is an error.
    Strict,
    /// A known deviation of a real peer is accepted where its meaning is beyond doubt, and reported
    /// as a [`Deviation`].
    #[default]
    Lenient,
}

/// A departure from the grammar that was accepted.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Deviation {
    /// What was deviated from, in kebab case: `space-before-line-end`.
    pub name: &'static str,
    /// Where, in bytes from the start of the message.
    pub offset: usize,
}

impl Deviation {
    /// The deviation of this name, at `offset`.
    #[must_use]
    pub const fn new(name: &'static str, offset: usize) -> Self {
        Self { name, offset }
    }
}

/// A value that was read, and the deviations from the grammar that were accepted on the way.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[repr(C)] // The value at the start: moves out of this are then as fast as moves of the whole.
pub struct Parsed<T> {
    /// The value.
    pub value: T,
    /// What was accepted though the grammar does not have it, in the order of the bytes. Always
    /// empty in [`Dialect::Strict`].
    pub deviations: Vec<Deviation>,
}

impl<T> Parsed<T> {
    /// A value with the deviations that were met.
    #[inline]
    pub const fn new(value: T, deviations: Vec<Deviation>) -> Self {
        Self { value, deviations }
    }

    /// Replaces the value and keeps the deviations.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Parsed<U> {
        Parsed { value: f(self.value), deviations: self.deviations }
    }
}
