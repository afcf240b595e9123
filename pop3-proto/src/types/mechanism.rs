//! SASL mechanism names (RFC 4422 section 3.1).

use alloc::vec::Vec;

use mailwire_core::{Invalid, Text};

use super::{check, text_value};

/// The name of a SASL mechanism, in upper case.
///
/// ```text
/// sasl-mech = 1*20mech-char
/// mech-char = UPPER-ALPHA / DIGIT / HYPHEN / UNDERSCORE
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Mechanism(Text);

text_value!(Mechanism);

impl Mechanism {
    /// RFC 4616.
    pub const PLAIN: Self = Self(Text::from_static("PLAIN"));
    /// Obsolete, and widely used.
    pub const LOGIN: Self = Self(Text::from_static("LOGIN"));
    /// RFC 2195.
    pub const CRAM_MD5: Self = Self(Text::from_static("CRAM-MD5"));
    /// RFC 5802.
    pub const SCRAM_SHA_1: Self = Self(Text::from_static("SCRAM-SHA-1"));
    /// RFC 7677.
    pub const SCRAM_SHA_256: Self = Self(Text::from_static("SCRAM-SHA-256"));
    /// RFC 5802.
    pub const SCRAM_SHA_1_PLUS: Self = Self(Text::from_static("SCRAM-SHA-1-PLUS"));
    /// RFC 7677.
    pub const SCRAM_SHA_256_PLUS: Self = Self(Text::from_static("SCRAM-SHA-256-PLUS"));
    /// Bearer tokens as large providers take them.
    pub const XOAUTH2: Self = Self(Text::from_static("XOAUTH2"));
    /// RFC 7628.
    pub const OAUTHBEARER: Self = Self(Text::from_static("OAUTHBEARER"));
    /// RFC 4422 appendix A.
    pub const EXTERNAL: Self = Self(Text::from_static("EXTERNAL"));
    /// RFC 4505.
    pub const ANONYMOUS: Self = Self(Text::from_static("ANONYMOUS"));

    /// A mechanism's name. Lower case becomes upper case, as RFC 5034 section 5 reads names in
    /// any case.
    ///
    /// # Errors
    ///
    /// Nothing, more than 20 characters, or others than letters, digits, `-` and `_`.
    pub fn new(name: impl Into<Text>) -> Result<Self, Invalid> {
        const WHAT: &str = "SASL mechanism name";
        let name = name.into();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        check(WHAT, name.as_bytes(), allowed, "not a letter, digit, hyphen or underscore")?;
        if name.len() > 20 {
            return Err(Invalid::new(WHAT, 20, "longer than 20 characters"));
        }
        Ok(Self::from_peer(name))
    }

    /// What a lenient parser read: printable ASCII.
    pub(crate) fn from_peer(name: Text) -> Self {
        if name.as_bytes().iter().any(u8::is_ascii_lowercase) {
            let upper: Vec<u8> = name.as_bytes().to_ascii_uppercase();
            Self(Text::from(upper))
        } else {
            Self(name)
        }
    }

    /// Whether an exchange shows what could be used again to whoever listens. True for names not
    /// known to be safe in this respect.
    #[must_use]
    pub fn exposes_credentials(&self) -> bool {
        let name = self.as_bytes();
        !(name.starts_with(b"SCRAM-")
            || matches!(
                name,
                b"CRAM-MD5"
                    | b"DIGEST-MD5"
                    | b"EXTERNAL"
                    | b"ANONYMOUS"
                    | b"GSSAPI"
                    | b"GS2-KRB5"
                    | b"GS2-KRB5-PLUS"
                    | b"GSS-SPNEGO"
                    | b"NTLM"
                    | b"KERBEROS_V4"
                    | b"KERBEROS_V5"
                    | b"OTP"
                    | b"SKEY"
            ))
    }
}
