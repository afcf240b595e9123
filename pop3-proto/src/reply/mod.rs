//! Replies (RFC 1939 section 3, RFC 2449 sections 3 and 8).

mod challenge;
mod code;
mod greeting;
mod listing;
mod parse;
mod write;

pub use challenge::{parse_challenge, write_challenge};
pub use code::{ResponseCode, ResponseCodeKind};
pub use greeting::Greeting;
pub use listing::{DropListing, Listing, ScanListing, UniqueIdListing};
pub use parse::Expected;

use crate::types::{MessageNumber, ReplyText, UniqueId};

/// The longest status line that a server sends, with its line end (RFC 1939 section 3).
pub const MAX_STATUS_LINE: usize = 512;

/// A status line.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Reply {
    /// `+OK`.
    Ok {
        /// What machines read of it.
        code: Option<ResponseCode>,
        /// What humans read of it.
        text: ReplyText,
    },
    /// `-ERR`.
    Err {
        /// What machines read of it.
        code: Option<ResponseCode>,
        /// What humans read of it.
        text: ReplyText,
    },
    /// `+OK nn mm`, the answer to STAT.
    Drop(DropListing),
    /// `+OK n ...`, the answer to LIST or UIDL of one message.
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

    /// The answer to STAT.
    #[must_use]
    pub fn drop_listing(messages: u64, octets: u64) -> Self {
        Self::Drop(DropListing::new(messages, octets))
    }

    /// The answer to LIST of one message.
    #[must_use]
    pub fn scan_listing(number: MessageNumber, octets: u64) -> Self {
        Self::Listing(Listing::Scan(ScanListing::new(number, octets)))
    }

    /// The answer to UIDL of one message.
    #[must_use]
    pub fn unique_id_listing(number: MessageNumber, unique_id: UniqueId) -> Self {
        Self::Listing(Listing::UniqueId(UniqueIdListing::new(number, unique_id)))
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
