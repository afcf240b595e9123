//! Names of commands and capabilities that this crate does not know.

use mailwire_core::{Invalid, Text, private::check_text, text_newtype};

use super::is_vchar;

text_newtype! {
    /// The name of a command (`3*4VCHAR`) or the tag of a capability (`1*cchar`), of printable ASCII ([RFC
    /// 2449 section 3](https://www.rfc-editor.org/rfc/rfc2449#section-3)). The case of
    /// letters does not count.
    pub struct Keyword: str, ignore_case;
}

impl Keyword {
    /// The greatest length that is taken.
    pub const MAX_LENGTH: usize = 64;

    /// A keyword. Longer ones than the RFC's four characters are possible, as vendors use them.
    ///
    /// # Errors
    ///
    /// It is empty, or has more than 64 octets, or what is not printable ASCII.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        let reason = "a character that is not printable ASCII";
        check_text("keyword", text.as_bytes(), 1..=Self::MAX_LENGTH, is_vchar, reason)?;
        Ok(Self(text))
    }
}
