//! RRVS: mail that only who had the address then may get ([RFC 7293](https://www.rfc-editor.org/rfc/rfc7293)).

use alloc::vec::Vec;

use mailwire_core::Invalid;

use super::Value;
use crate::types::DateTime;

/// Since when the recipient must have had the address: RRVS ([RFC 7293 section
/// 3.1](https://www.rfc-editor.org/rfc/rfc7293#section-3.1)).
///
/// # Examples
///
/// ```
/// use mailwire_smtp::{Command, DateTime, ForwardPath, Rcpt, extensions::valid_since::{NoSupport, ValidSince}};
///
/// let since = ValidSince::new(DateTime::new("2014-04-03T23:01:00Z")?)?.with_no_support(NoSupport::Continue);
/// let mut out = Vec::new();
/// Command::Rcpt(Rcpt::new(ForwardPath::Postmaster).with_valid_since(since)).write(&mut out);
/// assert_eq!(out, b"RCPT TO:<Postmaster> RRVS=2014-04-03T23:01:00Z;C\r\n");
/// # Ok::<(), mailwire_smtp::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ValidSince {
    since: DateTime,
    no_support: Option<NoSupport>,
}

/// What happens at a server that does not have the extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum NoSupport {
    /// `R`: the message is refused. This is so without the letter, too.
    Reject,
    /// `C`: it is sent on without the parameter.
    Continue,
}

impl ValidSince {
    /// Since this moment.
    ///
    /// # Errors
    ///
    /// Its seconds have a fraction.
    pub fn new(since: DateTime) -> Result<Self, Invalid> {
        if since.has_fraction() {
            return Err(Invalid::new("date-time of RRVS", 0, "a fraction of a second"));
        }
        Ok(Self { since, no_support: None })
    }

    /// Says what happens at a server that does not have the extension.
    #[must_use]
    pub fn with_no_support(mut self, action: NoSupport) -> Self {
        self.no_support = Some(action);
        self
    }

    /// The moment.
    #[must_use]
    pub const fn since(&self) -> &DateTime {
        &self.since
    }

    /// What happens at a server that does not have the extension.
    #[must_use]
    pub fn no_support(&self) -> NoSupport {
        self.no_support.unwrap_or(NoSupport::Reject)
    }
}

impl Value for ValidSince {
    fn write(&self, out: &mut Vec<u8>) {
        self.since.write(out);
        match self.no_support {
            Some(NoSupport::Continue) => out.extend_from_slice(b";C"),
            Some(NoSupport::Reject) => out.extend_from_slice(b";R"),
            None => {}
        }
    }

    fn compact(&self) -> Self {
        Self { since: self.since.compact(), ..*self }
    }
}

#[cfg(feature = "extensions")]
mod grammar {
    use mailwire_core::{Cursor, ParseError};

    use super::{super::read::ReadValue, NoSupport, ValidSince};
    use crate::types::DateTime;

    impl ReadValue for ValidSince {
        /// ```abnf
        /// rrvs-param = "RRVS=" date-time [ ";" ( "C" / "R" ) ]
        /// ```
        fn read(_: &[u8], cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
            let start = cursor.offset();
            let since = Self::new(DateTime::read(cursor)?);
            let mut since = since.map_err(|error| ParseError::new(start, error.reason))?;
            if cursor.eat(b';') {
                since.no_support = Some(match cursor.peek() {
                    Some(b'C' | b'c') => NoSupport::Continue,
                    Some(b'R' | b'r') => NoSupport::Reject,
                    _ => return Err(cursor.error("expected C or R")),
                });
                cursor.skip(1);
            }
            Ok(since)
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for ValidSince {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { since: u.arbitrary()?, no_support: u.arbitrary()? })
    }
}
