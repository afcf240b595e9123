//! Identifiers of mailboxes, messages and threads (RFC 8474).

use alloc::format;

use mailwire_core::{Invalid, Text};

use super::ImapString;

mailwire_core::text_newtype! {
    /// Identifies a mailbox, the content of a message, or a thread for good: `objectid`
    /// ([RFC 8474 section 7](https://www.rfc-editor.org/rfc/rfc8474#section-7)). Case is significant.
    ///
    /// ```
    /// use mailwire_imap::types::ObjectId;
    ///
    /// assert_eq!(ObjectId::new("M6d99ac3275bb4e")?.as_str(), Some("M6d99ac3275bb4e"));
    /// assert!(ObjectId::new("a.b").is_err());
    /// assert_eq!(ObjectId::mailbox(7), ObjectId::new("F7")?);
    /// # Ok::<(), mailwire_imap::Invalid>(())
    /// ```
    pub struct ObjectId: bytes;
}

impl ObjectId {
    /// The most bytes of an identifier.
    pub const MAX: usize = 255;

    /// Makes an identifier of ASCII letters, digits, `_` and `-`: 1 to 255 of them.
    ///
    /// # Errors
    ///
    /// There are none or too many, or one of them is something else.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        let invalid = |at, reason| Err(Invalid::new("object identifier", at, reason));
        if text.is_empty() {
            return invalid(0, "empty");
        }
        if text.len() > Self::MAX {
            return invalid(Self::MAX, "too long");
        }
        match text.as_bytes().iter().position(|byte| !is_object_id(*byte)) {
            Some(at) => invalid(at, "a character that cannot stand here"),
            None => Ok(Self(text)),
        }
    }

    /// Makes the identifier of a mailbox that a server counts: `F` and the number.
    ///
    /// A letter before the number keeps identifiers of different things apart, and is what [RFC 8474 section
    /// 8.1](https://www.rfc-editor.org/rfc/rfc8474#section-8.1) advises.
    #[inline]
    #[must_use]
    pub fn mailbox(number: u64) -> Self {
        Self(format!("F{number}").into())
    }

    /// Makes the identifier of a message's content that a server counts: `M` and the number.
    #[inline]
    #[must_use]
    pub fn email(number: u64) -> Self {
        Self(format!("M{number}").into())
    }

    /// Makes the identifier of a thread that a server counts: `T` and the number.
    #[inline]
    #[must_use]
    pub fn thread(number: u64) -> Self {
        Self(format!("T{number}").into())
    }
}

impl From<ObjectId> for ImapString {
    fn from(id: ObjectId) -> Self {
        Self::unchecked(id.0)
    }
}

/// ```text
/// objectid = 1*255(ALPHA / DIGIT / "_" / "-")
/// ```
pub(crate) const fn is_object_id(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
