//! NO-SOLICITING: which advertisements a server does not want ([RFC 3865](https://www.rfc-editor.org/rfc/rfc3865)).

use alloc::vec::Vec;

use mailwire_core::{Cursor, Invalid, ParseError, Text, text_newtype};

use super::{Offered, Value};
use crate::types::read_all;

text_newtype! {
    /// Classes of solicitations, with a comma between two: of a message in SOLICIT, of a server in its offer ([RFC 3865
    /// section 2.2](https://www.rfc-editor.org/rfc/rfc3865#section-2.2)).
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_smtp::extensions::no_soliciting::SolicitationKeywords;
    ///
    /// let keywords = SolicitationKeywords::new("net.example:ADV,org.example:ADV:ADLT")?;
    /// assert_eq!(keywords.iter().collect::<Vec<_>>(), ["net.example:ADV", "org.example:ADV:ADLT"]);
    /// # Ok::<(), mailwire_smtp::Invalid>(())
    /// ```
    pub struct SolicitationKeywords: str;
}

/// RFC 3865 section 2.2.
const MOST: usize = 1000;

impl SolicitationKeywords {
    /// Makes keywords of a text.
    ///
    /// # Errors
    ///
    /// Something else than words of letters, digits, `.`, `-`, `_` and `:` that begin with a letter, with a comma between
    /// two; or more than 1000 characters.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        read_all("solicitation keywords", text.into(), Self::read)
    }

    /// ```abnf
    /// Solicitation-keywords = word 0*("," word)    ; at most 1000 characters
    /// word     = ALPHA 0*(wordchar)
    /// wordchar = ("." / "-" / "_" / ":" / ALPHA / DIGIT)
    /// ```
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let is_wordchar =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
        let start = cursor.offset();
        loop {
            if !cursor.peek().is_some_and(|first| first.is_ascii_alphabetic()) {
                return Err(cursor.error("expected a letter"));
            }
            cursor.take_while(is_wordchar);
            if !cursor.eat(b',') {
                break;
            }
        }
        if cursor.offset().saturating_sub(start) > MOST {
            return Err(ParseError::new(start, "more than 1000 characters"));
        }
        Ok(Self::unchecked(cursor.text_from(start)))
    }

    /// Each of the keywords.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.as_str().split(',')
    }
}

impl Value for SolicitationKeywords {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn compact(&self) -> Self {
        self.compact()
    }
}

impl Offered for Option<SolicitationKeywords> {
    fn put(&self, out: &mut Vec<u8>) {
        if let Some(keywords) = self {
            out.push(b' ');
            out.extend_from_slice(keywords.as_bytes());
        }
    }
}

#[cfg(feature = "extensions")]
mod grammar {
    use mailwire_core::{
        Cursor, ParseError,
        grammar::{Expected, Grammar},
    };

    use super::{
        super::read::{ReadOffered, ReadValue},
        SolicitationKeywords,
    };

    impl ReadValue for SolicitationKeywords {
        fn read(_: &[u8], cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
            Self::read(cursor)
        }
    }

    impl ReadOffered for Option<SolicitationKeywords> {
        /// ```abnf
        /// No-Soliciting-Service = "NO-SOLICITING" [ SP Solicitation-keywords ]
        /// ```
        fn grammar<'a>() -> impl Grammar<'a, Self> {
            move |input: &'a [u8]| {
                let from = |at: usize| input.get(at..).unwrap_or_default();
                if input.is_empty() {
                    return Ok((input, None));
                }
                match SolicitationKeywords::new(input) {
                    Ok(keywords) => Ok((from(input.len()), Some(keywords))),
                    Err(error) => {
                        Err(nom::Err::Error(Expected { rest: from(error.offset), reason: error.reason }))
                    }
                }
            }
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for SolicitationKeywords {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let name = *u.choose(&["net.example:ADV", "a", "org.example:ADV:ADLT,b-1_2"])?;
        Ok(Self::unchecked(Text::from_static(name)))
    }
}
