//! Validated values, one noun a file. A value that exists can be written safely.

mod apop;
mod keyword;
mod line_text;
mod message_number;
mod password;
mod reply_text;
mod unique_id;
mod user_name;

pub use apop::{ApopDigest, ApopTimestamp};
pub use keyword::Keyword;
pub use line_text::LineText;
pub use message_number::MessageNumber;
pub use password::Password;
pub use reply_text::ReplyText;
pub use unique_id::UniqueId;
pub use user_name::UserName;

/// `VCHAR = %x21-7E` (RFC 5234 appendix B.1).
pub(crate) const fn is_vchar(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e)
}

/// What separates words, where real servers are concerned.
pub(crate) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// What can stand in a line at all: everything but CR, LF and NUL.
pub(crate) const fn is_line_byte(byte: u8) -> bool {
    !matches!(byte, b'\r' | b'\n' | 0)
}

/// The first CR, LF or NUL.
pub(crate) fn find_break(text: &[u8]) -> Option<usize> {
    memchr::memchr3(b'\r', b'\n', 0, text)
}

/// The methods that all values share which are a [`Text`](mailwire_core::Text) with a rule.
macro_rules! text_value {
    ($name:ident) => {
        impl $name {
            /// The text.
            #[must_use]
            pub const fn as_text(&self) -> &mailwire_core::Text {
                &self.0
            }

            /// The bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }

            /// The text as UTF-8, if it is.
            #[must_use]
            pub fn as_str(&self) -> Option<&str> {
                self.0.as_str()
            }

            /// A copy that holds no receive buffer alive.
            #[must_use]
            pub fn compact(&self) -> Self {
                Self(self.0.compact())
            }
        }

        impl TryFrom<&str> for $name {
            type Error = mailwire_core::Invalid;
            fn try_from(text: &str) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Debug::fmt(&self.0, f)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(&self.0, f)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }
    };
}
pub(crate) use text_value;

/// That every byte of `text` is `allowed`, and that there is one.
pub(crate) fn check(
    what: &'static str,
    text: &[u8],
    allowed: impl Fn(u8) -> bool,
    reason: &'static str,
) -> Result<(), mailwire_core::Invalid> {
    if text.is_empty() {
        return Err(mailwire_core::Invalid::new(what, 0, "it is empty"));
    }
    check_bytes(what, text, allowed, reason)
}

/// That every byte of `text` is `allowed`.
pub(crate) fn check_bytes(
    what: &'static str,
    text: &[u8],
    allowed: impl Fn(u8) -> bool,
    reason: &'static str,
) -> Result<(), mailwire_core::Invalid> {
    match text.iter().position(|&byte| !allowed(byte)) {
        Some(offset) => Err(mailwire_core::Invalid::new(what, offset, reason)),
        None => Ok(()),
    }
}
