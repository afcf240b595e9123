//! How URLs are authorized.

use alloc::vec::Vec;

use mailwire_core::{Invalid, ParseError, Text};

use crate::{
    extensions::spaced,
    types::{Reader, chars},
};

mailwire_core::text_newtype! {
    /// How URLs are authorized: `uauth-mechanism`, of letters, digits, `-` and `.`. Case does not count.
    pub struct AuthMechanism: str, ignore_case;
}

/// What a server tells of an authorization mechanism: `URLMECH`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UrlMechanism {
    /// The mechanism.
    pub mechanism: AuthMechanism,
    /// What belongs to it, in base64.
    data: Option<Text>,
}

impl AuthMechanism {
    /// `INTERNAL`: in the server's own way.
    pub const INTERNAL: Self = Self(Text::from_static("INTERNAL"));

    /// Makes a mechanism of its name.
    ///
    /// # Errors
    ///
    /// There is nothing in it, or another character than letters, digits, `-` and `.`.
    pub fn new(name: impl Into<Text>) -> Result<Self, Invalid> {
        let name = name.into();
        match name.as_bytes().iter().position(|&byte| !is_mechanism(byte)) {
            Some(at) => Err(Invalid::new("mechanism", at, "a character that cannot stand here")),
            None if name.is_empty() => Err(Invalid::new("mechanism", 0, "empty")),
            None => Ok(Self(name)),
        }
    }
}

impl UrlMechanism {
    /// Tells of a mechanism.
    #[must_use]
    pub const fn new(mechanism: AuthMechanism) -> Self {
        Self { mechanism, data: None }
    }

    /// What belongs to it, in base64.
    #[must_use]
    pub const fn data(&self) -> Option<&Text> {
        self.data.as_ref()
    }

    /// ```text
    /// resp-text-code =/ "URLMECH" SP "INTERNAL" *(SP mechanism ["=" base64])
    /// ```
    ///
    /// After the name. Those beside `INTERNAL`.
    pub(crate) fn read_all(r: &mut Reader<'_>) -> Result<Vec<Self>, ParseError> {
        let first = spaced(r, read_mechanism)?;
        if first != AuthMechanism::INTERNAL {
            return Err(r.error("expected INTERNAL"));
        }
        let mut others = Vec::new();
        while r.peek() == Some(b' ') && r.peek_at(1).is_some_and(|byte| !matches!(byte, b' ' | b']')) {
            let mechanism = spaced(r, read_mechanism)?;
            let mut data = None;
            if r.eat(b'=') {
                data = Some(r.text_class(chars::BASE64, "expected base64")?);
            }
            others.push(Self { mechanism, data });
        }
        Ok(others)
    }

    pub(crate) fn write_all(out: &mut Vec<u8>, others: &[Self]) {
        out.extend_from_slice(b"URLMECH INTERNAL");
        for Self { mechanism, data } in others {
            out.push(b' ');
            out.extend_from_slice(mechanism.as_bytes());
            if let Some(data) = data {
                out.push(b'=');
                out.extend_from_slice(data.as_bytes());
            }
        }
    }
}

// Grammar

pub(crate) fn is_mechanism(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')
}

/// ```text
/// mechanism = "INTERNAL" / 1*(ALPHA / DIGIT / "-" / ".")
/// ```
pub(super) fn read_mechanism(r: &mut Reader<'_>) -> Result<AuthMechanism, ParseError> {
    let start = r.offset();
    r.take_while(is_mechanism);
    if r.offset() == start {
        return Err(r.error("expected a mechanism"));
    }
    Ok(AuthMechanism::unchecked(r.text_from(start)))
}

#[cfg(feature = "arbitrary")]
pub(super) mod arbitrary {
    use ::arbitrary::{Arbitrary, Error, Result, Unstructured};

    use super::{AuthMechanism, UrlMechanism};
    use crate::command::arbitrary::{maybe, word};

    pub(in crate::extensions::urlauth) fn mechanism(u: &mut Unstructured<'_>) -> Result<AuthMechanism> {
        AuthMechanism::new(word(u, b"AZ09.-")?).map_err(|_| Error::IncorrectFormat)
    }

    impl<'a> Arbitrary<'a> for UrlMechanism {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let data = maybe(u, |u| word(u, b"Aa0+/="))?.map(Into::into);
            Ok(Self { mechanism: mechanism(u)?, data })
        }
    }
}
