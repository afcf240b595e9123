//! AUTHENTICATE and LOGIN.

use mailwire_core::{ParseError, Secret, Text, sasl};

use super::{AString, encode::Encoder, parse::read_atom};
use crate::types::{Atom, Reader, read_astring};

/// `AUTHENTICATE` (RFC 9051 section 6.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Authenticate {
    /// The name of the mechanism.
    pub mechanism: Atom,
    /// The initial response, decoded. It may be empty, which is not the same as none.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub initial: Option<Secret>,
}

/// `LOGIN` (RFC 9051 section 6.2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Login {
    /// The user.
    pub user: AString,
    /// The password: no NUL, CR or LF, or the command is refused.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub password: Secret,
}

impl Authenticate {
    /// ```text
    /// authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]
    /// auth-type    = atom
    /// initial-resp = (base64 / "=")
    /// ```
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let mechanism = read_atom(r)?;
        let initial = if r.is_at_end() {
            None
        } else {
            r.space()?;
            let start = r.offset();
            let response = r.take_while(|byte| !matches!(byte, b' ' | b'\r' | b'\n'));
            let decoded = sasl::decode_initial(response);
            Some(decoded.map_err(|error| ParseError::new(start + error.offset, error.reason))?)
        };
        Ok(Self { mechanism, initial })
    }

    pub(super) fn write(&self, e: &mut Encoder<'_>) {
        e.put(b"AUTHENTICATE ");
        e.put(self.mechanism.as_bytes());
        if let Some(initial) = &self.initial {
            e.put(b" ");
            sasl::encode_initial(initial.expose(), e.out);
        }
    }
}

impl Login {
    /// ```text
    /// login    = "LOGIN" SP userid SP password
    /// userid   = astring
    /// password = astring
    /// ```
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let user = AString::read(r)?;
        r.space()?;
        let start = r.offset();
        let password = read_astring(r)?.into_text();
        if !is_password(&password) {
            return Err(ParseError::new(start, "a line end in an argument"));
        }
        Ok(Self { user, password: Secret::from(password.as_bytes()) })
    }

    pub(super) fn write(&self, e: &mut Encoder<'_>) {
        e.put(b"LOGIN ");
        e.astring(&self.user);
        e.put(b" ");
        // Whatever the caller put into the secret, the command stays one line.
        let password = self.password.expose();
        let end = memchr::memchr3(0, b'\r', b'\n', password).unwrap_or(password.len());
        e.string_bytes(password.get(..end).unwrap_or_default());
    }

    /// Whether the password can be sent.
    pub(crate) fn is_valid(&self) -> bool {
        memchr::memchr3(0, b'\r', b'\n', self.password.expose()).is_none()
    }
}

fn is_password(text: &Text) -> bool {
    memchr::memchr3(0, b'\r', b'\n', text.as_bytes()).is_none()
}
