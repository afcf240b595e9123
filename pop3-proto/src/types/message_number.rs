//! The number of a message in the maildrop.

use core::num::NonZeroU32;

mailwire_core::number! {
    /// The number of a message, from 1 to 2^32 - 1, which stays the same for the session ([RFC 1939
    /// section 4](https://www.rfc-editor.org/rfc/rfc1939#section-4)).
    MessageNumber(NonZeroU32) from u32, "message number", "messages count from 1", NonZeroU32::new, NonZeroU32::get
}

impl MessageNumber {
    /// The first message.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The reason why 0 is none.
    pub(crate) const NOT_ZERO: &str = "messages count from 1";
}
