//! Names of SASL mechanisms, and what is known of each.

use core::{fmt, hash, str::FromStr};

use crate::{Cursor, Invalid, ParseError, ParseErrorKind, Text};

/// The most characters that a mechanism's name can have.
const MAX_NAME: usize = 20;

macro_rules! mechanisms {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),* $(,)?) => {
        /// A SASL mechanism, by its name.
        ///
        /// The names that are known are variants; any other keeps its bytes as they came. The case of
        /// letters does not count.
        ///
        /// ```
        /// use mailwire_core::sasl::Mechanism;
        ///
        /// assert_eq!(Mechanism::try_from("scram-sha-256"), Ok(Mechanism::ScramSha256));
        /// let other = Mechanism::try_from("X-Token").unwrap();
        /// assert_eq!(other.as_str(), "X-Token");
        /// assert_eq!(other, Mechanism::try_from("X-TOKEN").unwrap());
        /// assert!(Mechanism::try_from("NOT A NAME").is_err());
        /// ```
        #[non_exhaustive]
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Mechanism {
            $($(#[$doc])* $variant,)*
            /// Any other.
            Other(OtherMechanism),
        }

        impl Mechanism {
            /// All mechanisms that are known by name.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant),*];

            /// The name: as it is registered if it is known, otherwise as it came.
            #[must_use]
            #[inline(never)]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(other) => other.as_str(),
                }
            }

            #[allow(non_upper_case_globals)]
            fn known(name: &[u8]) -> Option<Self> {
                crate::keyword_match!(name, $($variant = $name => Self::$variant),*)
            }
        }
    };
}

mechanisms! {
    /// PLAIN: [RFC 4616](https://www.rfc-editor.org/rfc/rfc4616).
    Plain = "PLAIN",
    /// LOGIN, the forerunner of PLAIN: obsolete and widely used.
    Login = "LOGIN",
    /// SCRAM-SHA-1: [RFC 5802](https://www.rfc-editor.org/rfc/rfc5802).
    ScramSha1 = "SCRAM-SHA-1",
    /// SCRAM-SHA-1-PLUS, which is bound to the TLS channel: [RFC 5802](https://www.rfc-editor.org/rfc/rfc5802).
    ScramSha1Plus = "SCRAM-SHA-1-PLUS",
    /// SCRAM-SHA-256: [RFC 7677](https://www.rfc-editor.org/rfc/rfc7677).
    ScramSha256 = "SCRAM-SHA-256",
    /// SCRAM-SHA-256-PLUS, which is bound to the TLS channel: [RFC 7677](https://www.rfc-editor.org/rfc/rfc7677).
    ScramSha256Plus = "SCRAM-SHA-256-PLUS",
    /// SCRAM-SHA-512, as RFC 7677 with another hash.
    ScramSha512 = "SCRAM-SHA-512",
    /// SCRAM-SHA-512-PLUS, which is bound to the TLS channel.
    ScramSha512Plus = "SCRAM-SHA-512-PLUS",
    /// OAUTHBEARER: [RFC 7628](https://www.rfc-editor.org/rfc/rfc7628).
    OAuthBearer = "OAUTHBEARER",
    /// XOAUTH2, the forerunner of OAUTHBEARER, as Google and Microsoft have it.
    XOAuth2 = "XOAUTH2",
    /// EXTERNAL, whose client is known already: [RFC 4422 appendix A](https://www.rfc-editor.org/rfc/rfc4422#appendix-A).
    External = "EXTERNAL",
    /// ANONYMOUS: [RFC 4505](https://www.rfc-editor.org/rfc/rfc4505).
    Anonymous = "ANONYMOUS",
    /// CRAM-MD5: [RFC 2195](https://www.rfc-editor.org/rfc/rfc2195).
    CramMd5 = "CRAM-MD5",
    /// DIGEST-MD5: [RFC 2831](https://www.rfc-editor.org/rfc/rfc2831), declared historic by RFC 6331.
    DigestMd5 = "DIGEST-MD5",
    /// GSSAPI, which is Kerberos: [RFC 4752](https://www.rfc-editor.org/rfc/rfc4752).
    GssApi = "GSSAPI",
    /// GSS-SPNEGO, Microsoft's negotiation between Kerberos and NTLM.
    GssSpnego = "GSS-SPNEGO",
    /// GS2-KRB5: [RFC 5801](https://www.rfc-editor.org/rfc/rfc5801).
    Gs2Krb5 = "GS2-KRB5",
    /// GS2-KRB5-PLUS, which is bound to the TLS channel: [RFC 5801](https://www.rfc-editor.org/rfc/rfc5801).
    Gs2Krb5Plus = "GS2-KRB5-PLUS",
    /// NTLM, Microsoft's.
    Ntlm = "NTLM",
    /// KERBEROS_V4: [RFC 2222](https://www.rfc-editor.org/rfc/rfc2222#section-7.1).
    KerberosV4 = "KERBEROS_V4",
    /// KERBEROS_V5, registered and hardly used.
    KerberosV5 = "KERBEROS_V5",
    /// OTP, passwords for one use: [RFC 2444](https://www.rfc-editor.org/rfc/rfc2444).
    Otp = "OTP",
    /// SKEY, the forerunner of OTP: [RFC 2222](https://www.rfc-editor.org/rfc/rfc2222#section-7.3).
    Skey = "SKEY",
}

/// The name of a mechanism that is not known, in [`Mechanism::Other`].
#[derive(Clone)]
pub struct OtherMechanism {
    name: Text,
    /// Whether its owner has said that it shows no secret.
    hides_secret: bool,
}

impl OtherMechanism {
    /// The name, as it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Always ASCII.
        self.name.as_str().unwrap_or_default()
    }
}

impl PartialEq for OtherMechanism {
    fn eq(&self, other: &Self) -> bool {
        self.name.as_bytes().eq_ignore_ascii_case(other.name.as_bytes())
    }
}

impl Eq for OtherMechanism {}

impl hash::Hash for OtherMechanism {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.name.as_bytes().iter().for_each(|byte| byte.to_ascii_uppercase().hash(state));
        0xff_u8.hash(state);
    }
}

impl fmt::Debug for OtherMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

impl Mechanism {
    /// The mechanism of a name that a caller gives.
    ///
    /// ```abnf
    /// sasl-mech = 1*20mech-char                    ; RFC 4422 section 3.1
    /// mech-char = UPPER-ALPHA / DIGIT / HYPHEN / UNDERSCORE
    /// ```
    ///
    /// Small letters are read as their capital ones.
    ///
    /// # Errors
    ///
    /// No character, more than 20, or others than letters, digits, `-` and `_`.
    pub fn new(name: impl Into<Text>) -> Result<Self, Invalid> {
        let name = name.into();
        check(name.as_bytes()).map_err(|(offset, reason)| Invalid::new(WHAT, offset, reason))?;
        Ok(Self::of(name))
    }

    /// The mechanism of a name that a peer sent, of any length and with any printable ASCII that a
    /// line of each protocol can carry as a word: all but space and `(){%*"\]`.
    ///
    /// Real servers list names that [RFC 4422](https://www.rfc-editor.org/rfc/rfc4422#section-3.1)
    /// does not allow. Which of them are accepted is the dialect's matter.
    ///
    /// # Errors
    ///
    /// No character, or another one than those.
    pub fn from_peer(name: impl Into<Text>) -> Result<Self, Invalid> {
        let name = name.into();
        match name.as_bytes().iter().position(|&byte| !is_word(byte)) {
            None if name.is_empty() => Err(Invalid::new(WHAT, 0, "it is empty")),
            None => Ok(Self::of(name)),
            Some(offset) => Err(Invalid::new(WHAT, offset, "not a character of a word")),
        }
    }

    /// Reads a name as [`new`](Self::new) takes it.
    ///
    /// # Errors
    ///
    /// No character of a name is next, or more than 20.
    #[inline]
    pub fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let start = cursor.offset();
        Self::skip(cursor)?;
        Ok(Self::of(cursor.text_from(start)))
    }

    /// Steps over a name as [`read`](Self::read) reads it.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read).
    #[inline]
    pub fn skip(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
        let start = cursor.offset();
        match cursor.take_while(is_mech_char).len() {
            0 => Err(cursor.error("expected a SASL mechanism")),
            1..=MAX_NAME => Ok(()),
            _ => {
                let error = ParseError::new(start.saturating_add(MAX_NAME), TOO_LONG);
                Err(error.with_kind(ParseErrorKind::TooLong))
            }
        }
    }

    fn of(name: Text) -> Self {
        Self::known(name.as_bytes()).unwrap_or(Self::Other(OtherMechanism { name, hides_secret: false }))
    }

    /// Says of a mechanism that is not known by name that it [shows no secret](Self::shows_secret), so that it
    /// can be used in clear. What is known by name stays as it is.
    ///
    /// ```
    /// use mailwire_core::sasl::Mechanism;
    ///
    /// let toy = Mechanism::new("X-TOY").unwrap();
    /// assert!(toy.shows_secret());
    /// assert!(!toy.hiding_secret().shows_secret());
    /// assert!(Mechanism::Plain.hiding_secret().shows_secret());
    /// ```
    #[must_use]
    pub fn hiding_secret(mut self) -> Self {
        if let Self::Other(other) = &mut self {
            other.hides_secret = true;
        }
        self
    }

    /// The one of these that has this name, which may [say more](Self::hiding_secret) of it than a name that a
    /// peer sent; itself if there is none.
    #[must_use]
    pub fn among<'a>(&'a self, known: &'a [Self]) -> &'a Self {
        known.iter().find(|known| *known == self).unwrap_or(self)
    }

    /// The bytes of the name.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.as_str().as_bytes()
    }

    /// A copy that keeps no receive buffer alive.
    #[must_use]
    pub fn compact(&self) -> Self {
        match self {
            Self::Other(other) => {
                Self::Other(OtherMechanism { name: other.name.compact(), hides_secret: other.hides_secret })
            }
            known => known.clone(),
        }
    }

    /// Whether an exchange shows a password or a token that whoever sees it can use again.
    ///
    /// True for a mechanism of which nothing is known. What may go in clear is decided by a
    /// [`Policy`](super::Policy).
    #[must_use]
    pub fn shows_secret(&self) -> bool {
        match self {
            Self::Plain | Self::Login | Self::OAuthBearer | Self::XOAuth2 => true,
            Self::Other(other) => !(other.hides_secret || self.is_scram() || self.starts_with("GS2-")),
            _ => false,
        }
    }

    /// Whether an exchange is bound to the TLS channel under it: the names that end in `-PLUS`
    /// ([RFC 5801 section 3.3](https://www.rfc-editor.org/rfc/rfc5801#section-3.3)).
    #[must_use]
    pub fn binds_channel(&self) -> bool {
        match self.as_bytes().split_last_chunk::<5>() {
            Some(([_, ..], end)) => end.eq_ignore_ascii_case(b"-PLUS"),
            _ => false,
        }
    }

    /// Whether the client has the first word, so that its first message can go with the command.
    ///
    /// True for a mechanism of which nothing is known, as it is for most.
    #[must_use]
    pub const fn is_client_first(&self) -> bool {
        !matches!(self, Self::Login | Self::CramMd5 | Self::DigestMd5 | Self::KerberosV4)
    }

    /// Whether a server takes a client's message with the command: where the client has the first word, and for LOGIN, as
    /// many clients send the name so. With other mechanisms it answers nothing, and is refused ([RFC 4954 section
    /// 4](https://www.rfc-editor.org/rfc/rfc4954#section-4), [RFC 4959 section
    /// 3](https://www.rfc-editor.org/rfc/rfc4959#section-3)).
    #[must_use]
    pub const fn takes_initial(&self) -> bool {
        self.is_client_first() || matches!(self, Self::Login)
    }

    /// Whether it is one of the SCRAM family ([RFC 5802](https://www.rfc-editor.org/rfc/rfc5802)).
    #[must_use]
    pub fn is_scram(&self) -> bool {
        self.starts_with("SCRAM-")
    }

    fn starts_with(&self, start: &str) -> bool {
        self.as_bytes().get(..start.len()).is_some_and(|name| name.eq_ignore_ascii_case(start.as_bytes()))
    }
}

const WHAT: &str = "SASL mechanism name";
const TOO_LONG: &str = "a SASL mechanism has at most 20 characters";

#[inline]
const fn is_mech_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// What an atom of IMAP can be made of, which stands in the lines of the others, too.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

fn check(name: &[u8]) -> Result<(), (usize, &'static str)> {
    match name.iter().position(|&byte| !is_mech_char(byte)) {
        Some(offset) => Err((offset, "not a letter, digit, hyphen or underscore")),
        None if name.is_empty() => Err((0, "it is empty")),
        None if name.len() > MAX_NAME => Err((MAX_NAME, TOO_LONG)),
        None => Ok(()),
    }
}

impl TryFrom<&str> for Mechanism {
    type Error = Invalid;

    fn try_from(name: &str) -> Result<Self, Invalid> {
        Self::new(name)
    }
}

impl TryFrom<Text> for Mechanism {
    type Error = Invalid;

    fn try_from(name: Text) -> Result<Self, Invalid> {
        Self::new(name)
    }
}

impl FromStr for Mechanism {
    type Err = Invalid;

    fn from_str(name: &str) -> Result<Self, Invalid> {
        Self::new(name)
    }
}

impl AsRef<[u8]> for Mechanism {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Mechanism {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Mechanism {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        const CHARS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_abcxyz";
        if u.arbitrary()? {
            return Ok(u.choose(Self::KNOWN)?.clone());
        }
        let length = u.int_in_range(1..=MAX_NAME)?;
        let name: alloc::vec::Vec<u8> =
            (0..length).map(|_| u.choose(CHARS).copied()).collect::<Result<_, _>>()?;
        Self::new(name).map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use bytes::Bytes;

    use super::*;
    use crate::Dialect;

    #[test]
    fn known_names_are_found_in_any_case() {
        for known in Mechanism::KNOWN {
            for name in [known.to_string(), known.as_str().to_ascii_lowercase()] {
                assert_eq!(&Mechanism::new(name.as_str()).unwrap(), known);
                let frame = Bytes::from(name + " rest");
                assert_eq!(&Mechanism::read(&mut Cursor::new(&frame, Dialect::Strict)).unwrap(), known);
            }
            assert!(!matches!(known, Mechanism::Other(_)));
        }
    }

    #[test]
    fn names_have_one_to_twenty_characters() {
        for (name, offset) in
            [("", 0), ("A B", 1), ("PLÄIN", 2), ("ABCDEFGHIJKLMNOPQRSTU", 20), ("PLAIN+", 5)]
        {
            assert_eq!(Mechanism::new(name).unwrap_err().offset, offset, "{name}");
        }
        assert!(Mechanism::new("ABCDEFGHIJKLMNOPQRST").is_ok());
        let frame = Bytes::from_static(b"ABCDEFGHIJKLMNOPQRSTU");
        assert_eq!(Mechanism::read(&mut Cursor::new(&frame, Dialect::Lenient)).unwrap_err().offset, 20);
    }

    #[test]
    fn a_peer_may_send_what_a_word_can_be() {
        assert_eq!(Mechanism::from_peer("PLAIN+").unwrap().as_str(), "PLAIN+");
        assert_eq!(Mechanism::from_peer("login"), Ok(Mechanism::Login));
        assert!(Mechanism::from_peer("ABCDEFGHIJKLMNOPQRSTUVWXYZ").is_ok());
        for name in ["", "A B", "A\r\nB", "A\0", "A(", "A\"", "A]", "\u{e9}", "A\x7f"] {
            assert!(Mechanism::from_peer(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn what_is_unknown_shows_its_secret() {
        for name in ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "X-UNKNOWN", "SCRAM", "CRAM-MD5X"] {
            assert!(Mechanism::new(name).unwrap().shows_secret(), "{name}");
        }
        for name in
            ["CRAM-MD5", "scram-sha3-512", "SCRAM-SHA-256-PLUS", "GS2-X", "EXTERNAL", "ANONYMOUS", "GSSAPI"]
        {
            assert!(!Mechanism::new(name).unwrap().shows_secret(), "{name}");
        }
    }

    #[test]
    fn plus_binds() {
        for name in ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "GS2-KRB5-PLUS", "x-other-plus"] {
            assert!(Mechanism::new(name).unwrap().binds_channel(), "{name}");
        }
        for name in ["SCRAM-SHA-1", "PLUS", "-PLUS", "PLAIN"] {
            assert!(!Mechanism::new(name).unwrap().binds_channel(), "{name}");
        }
    }
}
