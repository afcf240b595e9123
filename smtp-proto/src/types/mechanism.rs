//! Names of SASL mechanisms.

use mailwire_core::{Cursor, ParseError, Text};

use super::{
    chars::{self, ALNUM},
    text_newtype,
};

/// The name of a SASL mechanism (RFC 4422 section 3.1): one to twenty letters, digits, `-` or `_`,
/// whose case does not count.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct Mechanism(pub(crate) Text);

text_newtype!(Mechanism, "SASL mechanism", Mechanism::read);

impl Mechanism {
    /// RFC 4616.
    pub const PLAIN: Self = Self(Text::from_static("PLAIN"));
    /// The obsolete two prompts.
    pub const LOGIN: Self = Self(Text::from_static("LOGIN"));
    /// RFC 5802.
    pub const SCRAM_SHA_1: Self = Self(Text::from_static("SCRAM-SHA-1"));
    /// RFC 5802, bound to the TLS channel.
    pub const SCRAM_SHA_1_PLUS: Self = Self(Text::from_static("SCRAM-SHA-1-PLUS"));
    /// RFC 7677.
    pub const SCRAM_SHA_256: Self = Self(Text::from_static("SCRAM-SHA-256"));
    /// RFC 7677, bound to the TLS channel.
    pub const SCRAM_SHA_256_PLUS: Self = Self(Text::from_static("SCRAM-SHA-256-PLUS"));
    /// RFC 4422 appendix A.
    pub const EXTERNAL: Self = Self(Text::from_static("EXTERNAL"));
    /// RFC 4505.
    pub const ANONYMOUS: Self = Self(Text::from_static("ANONYMOUS"));
    /// RFC 7628.
    pub const OAUTHBEARER: Self = Self(Text::from_static("OAUTHBEARER"));
    /// Google's and Microsoft's.
    pub const XOAUTH2: Self = Self(Text::from_static("XOAUTH2"));

    /// ```abnf
    /// sasl-mech = 1*20mech-char                      ; RFC 4422 section 3.1
    /// mech-char = UPPER-ALPHA / DIGIT / HYPHEN / UNDERSCORE
    /// ```
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let start = cursor.offset();
        Self::skip(cursor)?;
        Ok(Self(cursor.text_from(start)))
    }

    /// Steps over a name.
    #[inline]
    pub(crate) fn skip(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
        let start = cursor.offset();
        match cursor.take_while(|byte| matches!(byte, b'-' | b'_') || chars::is(byte, ALNUM)).len() {
            0 => Err(cursor.error("expected a SASL mechanism")),
            1..=20 => Ok(()),
            _ => Err(ParseError::new(start.saturating_add(20), "a SASL mechanism has at most 20 characters")),
        }
    }
}

impl PartialEq for Mechanism {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes().eq_ignore_ascii_case(other.as_bytes())
    }
}

impl Eq for Mechanism {}
