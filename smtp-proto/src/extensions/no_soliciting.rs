//! NO-SOLICITING: which advertisements a server does not want ([RFC 3865](https://www.rfc-editor.org/rfc/rfc3865)).

use alloc::vec::Vec;

use mailwire_core::{
    Cursor, Invalid, ParseError, Text,
    grammar::{Expected, Grammar, byte, expected, run_all},
    text_newtype,
};
use nom::{
    Parser,
    bytes::complete::{take_while, take_while_m_n},
    combinator::recognize,
    multi::separated_list1,
};

use super::{Offered, Value};

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
        const WHAT: &str = "solicitation keywords";
        let text = text.into();
        run_all(text.as_bytes(), keywords())
            .map_err(|error| Invalid::new(WHAT, error.offset, error.reason))?;
        Ok(Self::unchecked(text))
    }

    /// Each of the keywords.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.as_str().split(',')
    }
}

/// ```abnf
/// Solicitation-keywords = word 0*("," word)    ; at most 1000 characters
/// word     = ALPHA 0*(wordchar)
/// wordchar = ("." / "-" / "_" / ":" / ALPHA / DIGIT)
/// ```
fn keywords<'a>() -> impl Grammar<'a, &'a [u8]> {
    let is_wordchar = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    let first = expected("expected a letter", take_while_m_n(1, 1, |byte: u8| byte.is_ascii_alphabetic()));
    let word = (first, take_while(is_wordchar));
    let mut words = recognize(separated_list1(byte(b',', "expected a comma"), word));
    move |input: &'a [u8]| match words.parse_complete(input) {
        Ok((_, words)) if words.len() > MOST => {
            Err(nom::Err::Error(Expected { rest: input, reason: "more than 1000 characters" }))
        }
        result => result,
    }
}

impl Value for SolicitationKeywords {
    fn read(_: &[u8], cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        cursor.run(|frame| keywords().map(|words| Self::unchecked(Text::of(frame, words))))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn compact(&self) -> Self {
        self.compact()
    }
}

impl Offered for Option<SolicitationKeywords> {
    /// ```abnf
    /// No-Soliciting-Service = "NO-SOLICITING" [ SP Solicitation-keywords ]
    /// ```
    fn grammar<'a>() -> impl Grammar<'a, Self> {
        move |input: &'a [u8]| {
            if input.is_empty() {
                return Ok((input, None));
            }
            let (rest, words) = keywords().parse_complete(input)?;
            Ok((rest, Some(SolicitationKeywords::unchecked(Text::from(words)))))
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        if let Some(keywords) = self {
            out.push(b' ');
            out.extend_from_slice(keywords.as_bytes());
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
