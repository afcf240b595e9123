//! Replies.

mod challenge;
mod code;
mod greeting;
mod listing;
mod parse;
mod write;

pub use challenge::Challenge;
pub use code::{ResponseCode, ResponseCodeKind};
pub use greeting::Greeting;
pub use listing::{DropListing, LanguageListing, Listing, ScanListing, UniqueIdListing};
pub use parse::Expected;

use crate::types::{LanguageTag, MessageNumber, ReplyText, UniqueId};

/// The longest status line that a server sends, in bytes with its line end ([RFC 1939 section
/// 3](https://www.rfc-editor.org/rfc/rfc1939#section-3)).
pub const MAX_STATUS_LINE: usize = 512;

/// A server's answer to a command: one status line ([RFC 1939 section
/// 3](https://www.rfc-editor.org/rfc/rfc1939#section-3)).
///
/// # Examples
///
/// ```
/// use mailwire_pop3::{Reply, ResponseCode, ResponseCodeKind};
///
/// let reply = Reply::err_with(ResponseCode::IN_USE, "another session has the maildrop");
/// let mut line = Vec::new();
/// reply.write(&mut line);
/// assert_eq!(line, b"-ERR [IN-USE] another session has the maildrop\r\n");
/// assert_eq!(reply.code().unwrap().kind(), ResponseCodeKind::InUse);
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Reply {
    /// `+OK` and a text.
    Ok {
        /// What machines read of it.
        code: Option<ResponseCode>,
        /// What humans read of it.
        text: ReplyText,
    },
    /// `-ERR` and a text.
    Err {
        /// What machines read of it.
        code: Option<ResponseCode>,
        /// What humans read of it.
        text: ReplyText,
    },
    /// `+OK nn mm`, the answer to STAT.
    Drop(DropListing),
    /// `+OK n ...`, the answer to LIST or UIDL of one message; `+OK tag ...`, the answer to LANG with a language.
    Listing(Listing),
}

impl Reply {
    /// `+OK` with a text, which [`ReplyText::lossy`] makes fit.
    #[must_use]
    pub fn ok(text: &str) -> Self {
        Self::Ok { code: None, text: ReplyText::lossy(text) }
    }

    /// `-ERR` with a text, which [`ReplyText::lossy`] makes fit.
    #[must_use]
    pub fn err(text: &str) -> Self {
        Self::Err { code: None, text: ReplyText::lossy(text) }
    }

    /// `-ERR [code]` with a text, which [`ReplyText::lossy`] makes fit.
    #[must_use]
    pub fn err_with(code: ResponseCode, text: &str) -> Self {
        Self::Err { code: Some(code), text: ReplyText::lossy(text) }
    }

    /// `+OK nn mm`, the answer to STAT.
    #[must_use]
    pub fn drop_listing(messages: u64, octets: u64) -> Self {
        Self::Drop(DropListing::new(messages, octets))
    }

    /// `+OK n size`, the answer to LIST of one message.
    #[must_use]
    pub fn scan_listing(number: MessageNumber, octets: u64) -> Self {
        Self::Listing(Listing::Scan(ScanListing::new(number, octets)))
    }

    /// `+OK n unique-id`, the answer to UIDL of one message.
    #[must_use]
    pub fn unique_id_listing(number: MessageNumber, unique_id: UniqueId) -> Self {
        Self::Listing(Listing::UniqueId(UniqueIdListing::new(number, unique_id)))
    }

    /// `+OK tag text`, the answer to LANG with a language: the tag of the one that was chosen, and a text in it.
    #[must_use]
    pub fn language(tag: LanguageTag, text: &str) -> Self {
        Self::Listing(Listing::Language(LanguageListing::new(tag, text)))
    }

    /// Whether it is positive.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        !matches!(self, Self::Err { .. })
    }

    /// The response code.
    #[must_use]
    pub const fn code(&self) -> Option<&ResponseCode> {
        match self {
            Self::Ok { code, .. } | Self::Err { code, .. } => code.as_ref(),
            _ => None,
        }
    }

    /// The text for humans, if the reply has one.
    #[must_use]
    pub const fn text(&self) -> Option<&ReplyText> {
        match self {
            Self::Ok { text, .. } | Self::Err { text, .. } => Some(text),
            _ => None,
        }
    }
}
