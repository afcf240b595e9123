//! CLIENTID: a client tells which device or program it is, before it logs in
//! ([draft-storey-smtp-client-id](https://datatracker.ietf.org/doc/html/draft-storey-smtp-client-id)).

use alloc::vec::Vec;

use mailwire_core::{Cursor, Invalid, ParseError, Text, private::check_text};

/// The arguments of CLIENTID: what kind of identifier it is, and the identifier. It is no secret, but it follows a
/// device about: send it within TLS only.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ClientId {
    kind: Text,
    token: Text,
}

const KIND: usize = 16;
const TOKEN: usize = 128;
const WHAT: &str = "client identifier";

const fn is_kind(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

const fn is_token(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~')
}

impl ClientId {
    /// An identifier of a kind, such as `UUID`.
    ///
    /// # Errors
    ///
    /// A kind that is not 1 to 16 letters, digits and hyphens; an identifier that is not 1 to 128 printable characters
    /// without spaces.
    pub fn new(kind: impl Into<Text>, token: impl Into<Text>) -> Result<Self, Invalid> {
        let (kind, token) = (kind.into(), token.into());
        check_text(WHAT, kind.as_bytes(), 1..=KIND, is_kind, "not a letter, a digit or -")?;
        check_text(WHAT, token.as_bytes(), 1..=TOKEN, is_token, "not a printable character")?;
        Ok(Self { kind, token })
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> &Text {
        &self.kind
    }

    /// The identifier.
    #[must_use]
    pub const fn token(&self) -> &Text {
        &self.token
    }

    /// ```abnf
    /// clientid = "CLIENTID" SP client-id-type SP client-id-token CRLF
    /// client-id-type  = 1*16( ALPHA / DIGIT / "-" )
    /// client-id-token = 1*128( %d33-126 )
    /// ```
    ///
    /// `space` reads the space between the two.
    pub(crate) fn read(
        cursor: &mut Cursor<'_>,
        space: impl FnOnce(&mut Cursor<'_>) -> Result<(), ParseError>,
    ) -> Result<Self, ParseError> {
        let start = cursor.offset();
        let kind = cursor.text_while(is_kind);
        space(cursor)?;
        let token = cursor.text_while(is_token);
        Self::new(kind, token).map_err(|error| ParseError::new(start, error.reason))
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.kind.as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.token.as_bytes());
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for ClientId {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let token = crate::arbitrary::ascii(u, 0..=20)?.replace(' ', "_");
        Self::new("UUID", alloc::format!("a{token}")).map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}
