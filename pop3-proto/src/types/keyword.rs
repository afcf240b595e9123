//! Names of commands and capabilities that this crate does not know.

use mailwire_core::{Invalid, Text};

use super::{check, is_vchar, text_value};

/// The name of a command (`3*4VCHAR`) or the tag of a capability (`1*cchar`), of printable ASCII ([RFC
/// 2449 section 3](https://www.rfc-editor.org/rfc/rfc2449#section-3)). [`is`](Self::is) compares it in
/// any case of its letters.
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Keyword(Text);

text_value!(Keyword);

impl Keyword {
    /// The greatest length that is taken.
    pub const MAX_LENGTH: usize = 64;

    /// A keyword. Longer ones than the RFC's four characters are possible, as vendors use them.
    ///
    /// # Errors
    ///
    /// Nothing, more than 64 octets, or what is not printable ASCII.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        const WHAT: &str = "keyword";
        let text = text.into();
        check(WHAT, text.as_bytes(), is_vchar, "a character that is not printable ASCII")?;
        if text.len() > Self::MAX_LENGTH {
            return Err(Invalid::new(WHAT, Self::MAX_LENGTH, "longer than 64 characters"));
        }
        Ok(Self(text))
    }

    /// What a parser read: printable ASCII.
    pub(crate) const fn from_peer(text: Text) -> Self {
        Self(text)
    }

    /// A name that is part of the program.
    pub(crate) const fn from_static(text: &'static str) -> Self {
        Self(Text::from_static(text))
    }

    /// Whether this is `name` in any case of its letters.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }
}
