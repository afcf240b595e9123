//! `msg`: the number of a message in the maildrop (RFC 1939 section 4).

use core::{fmt, num::NonZeroU32};

use mailwire_core::Invalid;

/// The number of a message, which counts from 1 and is fixed for the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MessageNumber(NonZeroU32);

impl MessageNumber {
    /// The first message.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The message `number`.
    ///
    /// # Errors
    ///
    /// For 0, which is no message.
    pub fn new(number: u32) -> Result<Self, Invalid> {
        NonZeroU32::new(number).map(Self).ok_or(Invalid::new("message number", 0, "messages count from 1"))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl TryFrom<u32> for MessageNumber {
    type Error = Invalid;
    fn try_from(number: u32) -> Result<Self, Invalid> {
        Self::new(number)
    }
}

impl From<NonZeroU32> for MessageNumber {
    fn from(number: NonZeroU32) -> Self {
        Self(number)
    }
}

impl fmt::Display for MessageNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
