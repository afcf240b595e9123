//! What calls take: numbers of messages.

use mailwire_core::Invalid;
use mailwire_pop3::MessageNumber;

/// Names a message of a maildrop: the [`MessageNumber`] of a listing, or that number as a program counts, from 1.
pub trait ToNumber {
    /// Converts into the number as it is sent.
    ///
    /// # Errors
    ///
    /// It is zero.
    fn to_number(self) -> Result<MessageNumber, Invalid>;
}

impl ToNumber for MessageNumber {
    fn to_number(self) -> Result<MessageNumber, Invalid> {
        Ok(self)
    }
}

impl ToNumber for u32 {
    fn to_number(self) -> Result<MessageNumber, Invalid> {
        MessageNumber::try_from(self)
    }
}
