//! CHECKPOINT: transactions that go on where they were cut off ([RFC 1845](https://www.rfc-editor.org/rfc/rfc1845)).

use alloc::vec::Vec;

use mailwire_core::{
    Cursor, Invalid, ParseError, Text,
    grammar::{Expected, Grammar, byte, expected, run_all},
    text_newtype,
};
use nom::{Parser, bytes::complete::take_while1, combinator::recognize, multi::separated_list1};

use super::Value;

text_newtype! {
    /// What a transaction is called, so that it can go on after its connection was lost: TRANSID ([RFC 1845 section
    /// 2](https://www.rfc-editor.org/rfc/rfc1845#section-2)). The case of letters counts.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_smtp::extensions::checkpoint::TransactionId;
    ///
    /// assert!(TransactionId::new("<12345@claremont.edu>").is_ok());
    /// assert!(TransactionId::new("12345").is_err());
    /// ```
    pub struct TransactionId: str;
}

/// RFC 1845 section 2.
const MOST: usize = 80;

impl TransactionId {
    /// Makes an identifier of a text, with its brackets.
    ///
    /// # Errors
    ///
    /// It has another form than `<local@domain>`, or more than 80 characters.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        run_all(text.as_bytes(), transid())
            .map_err(|error| Invalid::new("transaction identifier", error.offset, error.reason))?;
        Ok(Self::unchecked(text))
    }
}

/// ```abnf
/// transid-value = "<" transid-token "@" transid-token ">"   ; at most 80 characters
/// transid-token = transid-atom *("." transid-atom)
/// transid-atom  = 1*<any CHAR except SPACE, CTLs, tspecials, or ".">
/// ```
fn transid<'a>() -> impl Grammar<'a, &'a [u8]> {
    let is_atom = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=.".contains(&byte);
    let token = move || {
        let atom = expected("expected an atom", take_while1(is_atom));
        separated_list1(byte(b'.', "expected a dot"), atom)
    };
    let open = byte(b'<', "expected <");
    let at = byte(b'@', "expected @");
    let mut id = recognize((open, token(), at, token(), byte(b'>', "expected >")));
    move |input: &'a [u8]| match id.parse_complete(input) {
        Ok((_, id)) if id.len() > MOST => {
            Err(nom::Err::Error(Expected { rest: input, reason: "more than 80 characters" }))
        }
        result => result,
    }
}

impl Value for TransactionId {
    fn read(_: &[u8], cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        cursor.run(|frame| transid().map(|id| Self::unchecked(Text::of(frame, id))))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn compact(&self) -> Self {
        self.compact()
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for TransactionId {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self::unchecked(Text::from(alloc::format!("<{}.x@client.example>", u.arbitrary::<u32>()?))))
    }
}
