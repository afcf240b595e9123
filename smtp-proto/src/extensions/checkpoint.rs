//! CHECKPOINT: transactions that go on where they were cut off ([RFC 1845](https://www.rfc-editor.org/rfc/rfc1845)).

use alloc::vec::Vec;

use mailwire_core::{Cursor, Invalid, ParseError, Text, text_newtype};

use super::Value;
use crate::types::read_all;

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
        read_all("transaction identifier", text.into(), Self::read)
    }

    /// ```abnf
    /// transid-value = "<" transid-token "@" transid-token ">"   ; at most 80 characters
    /// transid-token = transid-atom *("." transid-atom)
    /// ```
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let start = cursor.offset();
        cursor.expect(b'<', "expected <")?;
        token(cursor)?;
        cursor.expect(b'@', "expected @")?;
        token(cursor)?;
        cursor.expect(b'>', "expected >")?;
        if cursor.offset().saturating_sub(start) > MOST {
            return Err(ParseError::new(start, "more than 80 characters"));
        }
        Ok(Self::unchecked(cursor.text_from(start)))
    }
}

/// ```abnf
/// transid-atom  = 1*<any CHAR except SPACE, CTLs, tspecials, or ".">
/// ```
fn token(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    let is_atom = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=.".contains(&byte);
    loop {
        if cursor.take_while(is_atom).is_empty() {
            return Err(cursor.error("expected an atom"));
        }
        if !cursor.eat(b'.') {
            return Ok(());
        }
    }
}

impl Value for TransactionId {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn compact(&self) -> Self {
        self.compact()
    }
}

#[cfg(feature = "extensions")]
impl super::read::ReadValue for TransactionId {
    fn read(_: &[u8], cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        Self::read(cursor)
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for TransactionId {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self::unchecked(Text::from(alloc::format!("<{}.x@client.example>", u.arbitrary::<u32>()?))))
    }
}
