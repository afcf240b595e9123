//! Who may use a URL: [RFC 4467](https://www.rfc-editor.org/rfc/rfc4467), [RFC
//! 5593](https://www.rfc-editor.org/rfc/rfc5593).

use mailwire_core::{Invalid, Text, setters};

use super::UrlText;
use crate::{extensions::urlauth::AuthMechanism, types::DateTime};

/// Who may use a URL, until when, and what proves it: `iurlauth`, or without a verifier `iurlauth-rump` ([RFC 5092
/// section 6.1](https://www.rfc-editor.org/rfc/rfc5092#section-6.1)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UrlAuth {
    /// It cannot be used after that. Fractions of a second are cut off.
    pub expire: Option<DateTime>,
    /// Who may use it.
    pub access: Access,
    /// What proves it.
    pub verifier: Option<Verifier>,
}

/// Who may use a URL: `access` of [RFC 5593 section 4](https://www.rfc-editor.org/rfc/rfc5593#section-4).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Access {
    /// `authuser`: whoever has logged in, and not as anonymous.
    AuthUser,
    /// `anonymous`: everybody.
    Anonymous,
    /// `user+`: this user.
    User(UrlText),
    /// `submit+`: a submission server, on behalf of this user.
    Submit(UrlText),
    /// Another application.
    Application {
        /// Its name, of letters and digits.
        name: Text,
        /// On behalf of whom.
        user: Option<UrlText>,
    },
}

/// What proves that a URL was authorized: `iua-verifier`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Verifier {
    /// How it was made.
    pub mechanism: AuthMechanism,
    pub(super) token: Text,
}

impl UrlAuth {
    /// Makes it for ever, for those with this access.
    #[must_use]
    pub const fn new(access: Access) -> Self {
        Self { expire: None, access, verifier: None }
    }
}

setters!(const UrlAuth {
    with_expire(expire: some DateTime),
});

setters!(UrlAuth {
    with_verifier(verifier: some Verifier),
});

impl Access {
    /// Makes that of an application, by its name.
    ///
    /// # Errors
    ///
    /// There is nothing in the name, or another character than letters and digits.
    pub fn application(name: &str, user: Option<UrlText>) -> Result<Self, Invalid> {
        match name.bytes().position(|byte| !byte.is_ascii_alphanumeric()) {
            Some(at) => Err(Invalid::new("application", at, "neither a letter nor a digit")),
            None if name.is_empty() => Err(Invalid::new("application", 0, "empty")),
            None => Ok(Self::of(name, user)),
        }
    }

    /// That of a name that was checked.
    pub(super) fn of(name: &str, user: Option<UrlText>) -> Self {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match user {
            Some(user) if is("submit") => Self::Submit(user),
            Some(user) if is("user") => Self::User(user),
            None if is("authuser") => Self::AuthUser,
            None if is("anonymous") => Self::Anonymous,
            user => Self::Application { name: name.into(), user },
        }
    }

    /// The name before `+`.
    pub(super) fn name(&self) -> &[u8] {
        match self {
            Self::AuthUser => b"authuser",
            Self::Anonymous => b"anonymous",
            Self::User(_) => b"user",
            Self::Submit(_) => b"submit",
            Self::Application { name, .. } => name.as_bytes(),
        }
    }

    pub(super) fn user(&self) -> Option<&UrlText> {
        match self {
            Self::AuthUser | Self::Anonymous => None,
            Self::User(user) | Self::Submit(user) => Some(user),
            Self::Application { user, .. } => user.as_ref(),
        }
    }
}

impl Verifier {
    /// Makes what proves a URL: a token of at least 32 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// There are fewer, or something else.
    pub fn new(mechanism: AuthMechanism, token: impl Into<Text>) -> Result<Self, Invalid> {
        let token = token.into();
        match token.as_bytes().iter().position(|byte| !byte.is_ascii_hexdigit()) {
            Some(at) => Err(Invalid::new("token of a URL", at, "no hexadecimal digit")),
            None if token.len() < MIN_TOKEN => Err(Invalid::new("token of a URL", token.len(), "too short")),
            None => Ok(Self { mechanism, token }),
        }
    }

    /// The hexadecimal digits.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.as_str().unwrap_or_default()
    }
}

/// A token has so many hexadecimal digits at least: 128 bits.
pub(super) const MIN_TOKEN: usize = 32;
