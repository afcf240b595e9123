//! The unique-id of UIDL.

use mailwire_core::{Invalid, Text, private::check_text, text_newtype};

use super::is_vchar;

text_newtype! {
    /// The name of a message that stays the same from session to session ([RFC 1939 section
    /// 7](https://www.rfc-editor.org/rfc/rfc1939#section-7)).
    ///
    /// One to 70 characters in the range 0x21 to 0x7E. One that was read leniently can be longer or
    /// contain other characters, but never a control character.
    pub struct UniqueId: bytes;
}

impl UniqueId {
    /// The greatest length that a server may give.
    pub const MAX_LENGTH: usize = 70;

    /// A unique-id as [RFC 1939 section 7](https://www.rfc-editor.org/rfc/rfc1939#section-7) has it.
    ///
    /// # Errors
    ///
    /// It is empty, or has more than 70 octets, or a character outside 0x21 to 0x7E.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        let reason = "a character that is not printable ASCII";
        check_text("unique-id", text.as_bytes(), 1..=Self::MAX_LENGTH, is_vchar, reason)?;
        Ok(Self(text))
    }
}
