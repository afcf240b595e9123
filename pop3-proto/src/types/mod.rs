//! Validated values, one noun a file. A value that exists can be written safely.

mod apop;
mod keyword;
mod language;
mod line_text;
mod message_number;
mod password;
mod reply_text;
mod unique_id;
mod user_name;

pub use apop::{ApopDigest, ApopTimestamp};
pub use keyword::Keyword;
pub use language::{LanguageRange, LanguageTag};
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

/// The text without these bytes at its end.
pub(crate) fn trim_end<'a>(mut text: &'a [u8], trimmed: &[u8]) -> &'a [u8] {
    while let Some((last, shorter)) = text.split_last() {
        if !trimmed.contains(last) {
            break;
        }
        text = shorter;
    }
    text
}

/// What can stand in a line at all: everything but CR, LF and NUL.
pub(crate) const fn is_line_byte(byte: u8) -> bool {
    !matches!(byte, b'\r' | b'\n' | 0)
}

/// The first CR, LF or NUL.
pub(crate) fn find_break(text: &[u8]) -> Option<usize> {
    memchr::memchr3(b'\r', b'\n', 0, text)
}
