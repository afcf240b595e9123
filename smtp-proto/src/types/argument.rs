//! Free text after a verb, and verbs that this crate does not know.

use mailwire_core::{Cursor, Invalid, ParseError, Text, setters, text_newtype};

use super::{
    chars::{self, HIGH, PRINTABLE, TAB},
    check_utf8, read_all,
};

text_newtype! {
    /// The argument of VRFY, EXPN, HELP, NOOP or an unknown command: at least one printable character,
    /// no space at either end, UTF-8.
    pub struct Argument: str;
}

impl Argument {
    /// Makes an argument of a text.
    ///
    /// # Errors
    ///
    /// No character, a space at an end, a control character other than a tab, or not UTF-8.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        read_all("argument", text.into(), Self::read)
    }

    /// ```abnf
    /// String = Atom / Quoted-string     ; RFC 5321 section 4.1.2
    /// ```
    ///
    /// Servers take any text for it, as a mailing list's name or a person's can be asked for. Spaces
    /// at the end are left to the caller.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let start = cursor.offset();
        if cursor.peek() == Some(b' ') {
            return Err(cursor.error("unexpected space"));
        }
        let text = cursor.take_while(|byte| chars::is(byte, PRINTABLE | HIGH | TAB));
        let trailing = text.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let length = text.len().saturating_sub(trailing);
        if length == 0 {
            return Err(ParseError::new(start, "expected an argument"));
        }
        if !text.is_ascii() {
            check_utf8(cursor, start)?;
        }
        cursor.rewind(start.saturating_add(length));
        Ok(Self::unchecked(cursor.text_from(start)))
    }
}

/// What VRFY or EXPN asks for.
///
/// # Examples
///
/// ```
/// use mailwire_smtp::{Argument, Command, Query};
///
/// let query = Query::new(Argument::new("Müller")?).with_smtp_utf8(true);
/// let mut out = Vec::new();
/// Command::Vrfy(query).write(&mut out);
/// assert_eq!(out, "VRFY Müller SMTPUTF8\r\n".as_bytes());
/// # Ok::<(), mailwire_smtp::Invalid>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Query {
    /// Who or what is asked for.
    pub text: Argument,
    /// SMTPUTF8: whether the answer may have more than ASCII ([RFC 6531 section
    /// 3.7.4.2](https://www.rfc-editor.org/rfc/rfc6531#section-3.7.4.2)).
    pub smtp_utf8: bool,
}

impl Query {
    /// A query whose answer is to be ASCII.
    ///
    /// A text that ends in the word SMTPUTF8 is read as the server would read it.
    #[must_use]
    pub fn new(text: Argument) -> Self {
        const KEYWORD: &str = " SMTPUTF8";
        let asked = text.as_bytes().len().checked_sub(KEYWORD.len());
        match asked.and_then(|length| text.as_str().split_at_checked(length)) {
            Some((asked, keyword))
                if keyword.eq_ignore_ascii_case(KEYWORD) && !asked.trim_ascii().is_empty() =>
            {
                let text = Argument::unchecked(text.as_text().slice(0..asked.trim_ascii_end().len()));
                Self { text, smtp_utf8: true }
            }
            _ => Self { text, smtp_utf8: false },
        }
    }

    /// Whether what is asked for needs SMTPUTF8.
    #[must_use]
    pub fn is_international(&self) -> bool {
        !self.text.as_bytes().is_ascii()
    }

    /// ```abnf
    /// vrfy = "VRFY" SP String [SP "SMTPUTF8"] CRLF     ; RFC 6531 section 3.7.4.2
    /// ```
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        Argument::read(cursor).map(Self::new)
    }

    pub(crate) fn write(&self, out: &mut alloc::vec::Vec<u8>) {
        out.extend_from_slice(self.text.as_bytes());
        if self.smtp_utf8 {
            out.extend_from_slice(b" SMTPUTF8");
        }
    }
}

setters!(const Query {
    with_smtp_utf8(smtp_utf8: bool),
});

impl From<Argument> for Query {
    fn from(text: Argument) -> Self {
        Self::new(text)
    }
}

text_newtype! {
    /// The name of a command that this crate does not know: a letter, then letters, digits, `-` or
    /// `_`. Never one of the names that it does know. The case of letters does not count.
    pub struct Verb: str, ignore_case;
}

impl Verb {
    /// Makes a name of a text.
    ///
    /// # Errors
    ///
    /// Other characters than those, or a name that is known.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let verb: Self = read_all("verb", text.into(), Self::read)?;
        if crate::command::is_known(verb.as_bytes()) {
            return Err(Invalid::new("verb", 0, "a command of its own"));
        }
        Ok(verb)
    }

    /// ```abnf
    /// verb = ALPHA *(ALPHA / DIGIT / "-" / "_")    ; a superset of RFC 5321 section 4.1.1
    /// ```
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        if !cursor.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
            return Err(cursor.error("expected a command"));
        }
        let name = cursor.text_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        Ok(Self::unchecked(name))
    }
}
