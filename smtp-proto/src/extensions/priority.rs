//! MT-PRIORITY: which message goes first ([RFC 6710](https://www.rfc-editor.org/rfc/rfc6710)).

use alloc::vec::Vec;

use mailwire_core::{Invalid, Text, private::check_text, text_newtype};

use super::{Offered, Value};

/// How urgent a message is: -9 to 9, 0 for most ([RFC 6710 section
/// 3](https://www.rfc-editor.org/rfc/rfc6710#section-3)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct Priority(i8);

impl Priority {
    /// This priority, if there is one.
    #[must_use]
    pub const fn new(priority: i8) -> Option<Self> {
        if matches!(priority, -9..=9) { Some(Self(priority)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> i8 {
        self.0
    }
}

impl Value for Priority {
    fn write(&self, out: &mut Vec<u8>) {
        if self.0 < 0 {
            out.push(b'-');
        }
        out.push(b'0' + self.0.unsigned_abs());
    }
}

text_newtype! {
    /// The name of a server's rules about priorities: up to 20 letters, digits, `-`, `_` and `.` ([RFC 6710 section
    /// 9.2](https://www.rfc-editor.org/rfc/rfc6710#section-9.2)).
    pub struct PriorityProfile: str;
}

impl PriorityProfile {
    /// Makes a name of a text.
    ///
    /// # Errors
    ///
    /// Other characters, none, or more than 20.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        check_text("priority profile", text.as_bytes(), 1..=20, is_profile, "unexpected character")?;
        Ok(Self::unchecked(text))
    }
}

const fn is_profile(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

impl Offered for Option<PriorityProfile> {
    fn put(&self, out: &mut Vec<u8>) {
        if let Some(profile) = self {
            out.push(b' ');
            out.extend_from_slice(profile.as_bytes());
        }
    }
}

#[cfg(feature = "extensions")]
mod grammar {
    use mailwire_core::{
        Cursor, ParseError, Text,
        grammar::{Expected, Grammar},
    };
    use nom::{Parser, bytes::complete::take_while1};

    use super::{
        super::read::{ReadOffered, ReadValue},
        Priority, PriorityProfile, is_profile,
    };

    impl ReadValue for Priority {
        /// ```abnf
        /// priority-value = (["-"] NZDIGIT) / "0"
        /// ```
        fn read(_: &[u8], cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
            let (length, number) = match cursor.rest() {
                [b'0', ..] => (1, 0),
                // Of one digit.
                [digit @ b'1'..=b'9', ..] => (1, (digit - b'0') as i8),
                [b'-', digit @ b'1'..=b'9', ..] => (2, -((digit - b'0') as i8)),
                _ => return Err(cursor.error("expected a number from -9 to 9")),
            };
            cursor.skip(length);
            Ok(Self(number))
        }
    }

    impl ReadOffered for Option<PriorityProfile> {
        /// ```abnf
        /// mt-priority-ehlo = "MT-PRIORITY" [SP priority-profile]
        /// priority-profile = 1*20(ALPHA / DIGIT / "-" / "_" / ".")
        /// ```
        fn grammar<'a>() -> impl Grammar<'a, Self> {
            move |input: &'a [u8]| {
                if input.is_empty() {
                    return Ok((input, None));
                }
                let (rest, name) = take_while1::<_, &[u8], Expected<'a>>(is_profile).parse_complete(input)?;
                match PriorityProfile::new(Text::from(name)) {
                    Ok(profile) => Ok((rest, Some(profile))),
                    Err(_) => {
                        Err(nom::Err::Error(Expected { rest: input, reason: "a name that is too long" }))
                    }
                }
            }
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Priority {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self(u.int_in_range(-9..=9)?))
    }
}
