//! MTRK: messages whose way can be asked for later ([RFC 3885](https://www.rfc-editor.org/rfc/rfc3885)).

use alloc::vec::Vec;

use mailwire_core::{
    Invalid, Text,
    private::{check_text, write_number},
};

use super::Value;

/// How the way of a message can be asked for: MTRK ([RFC 3885 section
/// 3.1](https://www.rfc-editor.org/rfc/rfc3885#section-3.1)). MAIL must have an
/// [ENVID](super::MailParameters::envelope_id) then.
///
/// # Examples
///
/// ```
/// use mailwire_smtp::extensions::tracking::Tracking;
///
/// let tracking = Tracking::new("VGVzdA")?.with_timeout(86_400)?;
/// assert_eq!((tracking.certifier(), tracking.timeout()), ("VGVzdA", Some(86_400)));
/// # Ok::<(), mailwire_smtp::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Tracking {
    certifier: Text,
    timeout: Option<u32>,
}

impl Tracking {
    /// With a certifier in base64 without padding: the SHA-1 of what who asks must know.
    ///
    /// # Errors
    ///
    /// Other characters than those of base64, none, or more than 100.
    pub fn new(certifier: impl Into<Text>) -> Result<Self, Invalid> {
        let certifier = certifier.into();
        check_text("certifier", certifier.as_bytes(), 1..=100, is_base64, "not base64")?;
        Ok(Self { certifier, timeout: None })
    }

    /// Asks that it can be asked for so many seconds.
    ///
    /// # Errors
    ///
    /// More than 999,999,999.
    pub fn with_timeout(mut self, seconds: u32) -> Result<Self, Invalid> {
        if seconds > 999_999_999 {
            return Err(Invalid::new("timeout of tracking", 0, "more than nine digits"));
        }
        self.timeout = Some(seconds);
        Ok(self)
    }

    /// The certifier, in base64.
    #[must_use]
    pub fn certifier(&self) -> &str {
        self.certifier.as_str().unwrap_or_default()
    }

    /// For how many seconds it can be asked.
    #[must_use]
    pub const fn timeout(&self) -> Option<u32> {
        self.timeout
    }
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

impl Value for Tracking {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.certifier.as_bytes());
        if let Some(timeout) = self.timeout {
            out.push(b':');
            write_number(out, timeout.into());
        }
    }

    fn compact(&self) -> Self {
        Self { certifier: self.certifier.compact(), ..*self }
    }
}

#[cfg(feature = "extensions")]
mod grammar {
    use mailwire_core::{Cursor, ParseError};

    use super::{
        super::read::{ReadValue, number9},
        Tracking, is_base64,
    };

    impl ReadValue for Tracking {
        /// ```abnf
        /// mtrk-parameter = "MTRK=" mtrk-certifier [ ":" mtrk-timeout ]
        /// mtrk-certifier = base64
        /// mtrk-timeout   = 1*9DIGIT
        /// ```
        fn read(_: &[u8], cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
            let start = cursor.offset();
            let certifier = cursor.text_while1(is_base64, "expected a certifier in base64")?;
            let mut tracking = Self::new(certifier).map_err(|error| ParseError::new(start, error.reason))?;
            if cursor.eat(b':') {
                tracking.timeout = Some(cursor.run(|_| number9("expected a number of seconds"))?);
            }
            Ok(tracking)
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Tracking {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let timeout = if u.arbitrary()? { Some(u.int_in_range(0..=999_999_999)?) } else { None };
        Ok(Self { certifier: Text::from_static("VGVz+/dA"), timeout })
    }
}
