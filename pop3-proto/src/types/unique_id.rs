//! The unique-id of UIDL.

use mailwire_core::{Invalid, Text};

use super::{check, is_vchar, text_value};

/// The name of a message that stays the same from session to session ([RFC 1939 section
/// 7](https://www.rfc-editor.org/rfc/rfc1939#section-7)).
///
/// One to 70 characters in the range 0x21 to 0x7E. One that was read leniently can be longer or
/// contain other characters, but never a control character.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UniqueId(Text);

text_value!(UniqueId);

impl UniqueId {
    /// The greatest length that a server may give.
    pub const MAX_LENGTH: usize = 70;

    /// A unique-id as RFC 1939 has it.
    ///
    /// # Errors
    ///
    /// Nothing, more than 70 octets, or a character outside 0x21 to 0x7E.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        check("unique-id", text.as_bytes(), is_vchar, "a character that is not printable ASCII")?;
        if text.len() > Self::MAX_LENGTH {
            return Err(Invalid::new("unique-id", Self::MAX_LENGTH, "longer than 70 characters"));
        }
        Ok(Self(text))
    }

    /// What a lenient parser read. It holds no control character.
    pub(crate) const fn from_peer(text: Text) -> Self {
        Self(text)
    }
}
