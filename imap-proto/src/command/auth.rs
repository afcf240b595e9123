//! AUTHENTICATE and LOGIN.

use mailwire_core::{
    Invalid, ParseError, Secret,
    sasl::{self, Mechanism},
};

use super::{AString, writer::Writer};
use crate::types::{Reader, chars};

/// `AUTHENTICATE` (RFC 9051 section 6.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Authenticate {
    /// The name of the mechanism.
    pub mechanism: Mechanism,
    /// The initial response, decoded. It may be empty, which is not the same as none.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub initial: Option<Secret>,
}

/// `LOGIN` (RFC 9051 section 6.2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Login {
    user: AString,
    #[cfg_attr(feature = "serde", serde(skip))]
    password: Secret,
}

impl Authenticate {
    /// ```text
    /// authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]
    /// auth-type    = atom
    /// initial-resp = (base64 / "=")
    /// ```
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let start = r.offset();
        let name = r.text_class(chars::ATOM, "expected a mechanism")?;
        let mechanism = Mechanism::from_peer(name)
            .map_err(|error| ParseError::new(start + error.offset, "not the name of a mechanism"))?;
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

    pub(super) fn write(&self, e: &mut Writer<'_>) {
        e.put(b"AUTHENTICATE ");
        e.put(self.mechanism.as_bytes());
        if let Some(initial) = &self.initial {
            e.put(b" ");
            sasl::encode_initial(initial.expose(), e.out);
        }
    }
}

impl Login {
    /// A login.
    ///
    /// # Errors
    ///
    /// There is a NUL, CR or LF in the password.
    pub fn new(user: AString, password: impl Into<Secret>) -> Result<Self, Invalid> {
        let password = password.into();
        // The place would tell something of the password.
        match memchr::memchr3(0, b'\r', b'\n', password.expose()) {
            Some(_) => Err(Invalid::new("password", 0, "NUL, CR or LF")),
            None => Ok(Self { user, password }),
        }
    }

    /// The user.
    #[must_use]
    pub const fn user(&self) -> &AString {
        &self.user
    }

    /// The password.
    #[must_use]
    pub const fn password(&self) -> &Secret {
        &self.password
    }

    /// ```text
    /// login    = "LOGIN" SP userid SP password
    /// userid   = astring
    /// password = astring
    /// ```
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let user = AString::read(r)?;
        r.space()?;
        let password = AString::read(r)?;
        Ok(Self { user, password: Secret::from(password.as_bytes()) })
    }

    // Another caller would move it out of line, which is 3 to 7 % of a LOGIN (imap/write-login).
    #[inline(always)]
    pub(super) fn write(&self, e: &mut Writer<'_>) {
        e.put(b"LOGIN ");
        e.astring(&self.user);
        e.put(b" ");
        e.string_bytes(self.password.expose());
    }
}
