//! The number of a message in the maildrop.

use core::{fmt, num::NonZeroU32};

use mailwire_core::Invalid;

/// The number of a message, from 1 to 2^32 - 1, which stays the same for the session ([RFC 1939 section
/// 4](https://www.rfc-editor.org/rfc/rfc1939#section-4)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MessageNumber(NonZeroU32);

impl MessageNumber {
    /// The first message.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The number of a message.
    ///
    /// # Errors
    ///
    /// It is 0: messages count from 1.
    pub fn new(number: u32) -> Result<Self, Invalid> {
        NonZeroU32::new(number).map(Self).ok_or(Invalid::new("message number", 0, "messages count from 1"))
    }

    /// The number as an integer.
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
