//! The argument of PASS.

use mailwire_core::{Invalid, Secret, private::check_text};

use super::is_line_byte;

/// A password that can stand in a PASS command ([RFC 1939 section
/// 7](https://www.rfc-editor.org/rfc/rfc1939#section-7)): a [`Secret`] without CR, LF and NUL. Spaces
/// are part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password(Secret);

impl Password {
    /// A password.
    ///
    /// # Errors
    ///
    /// It is empty, or has a CR, LF or NUL. The error shows no byte of it.
    pub fn new(secret: impl Into<Secret>) -> Result<Self, Invalid> {
        let secret = secret.into();
        check_text("password", secret.expose(), 1..=usize::MAX, is_line_byte, "a CR, LF or NUL")?;
        Ok(Self(secret))
    }

    /// The bytes themselves. Named so that its use stands out.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// The secret.
    #[must_use]
    pub fn into_secret(self) -> Secret {
        self.0
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Password {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("<secret>")
    }
}
