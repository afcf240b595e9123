//! Parameters of MAIL and RCPT.

use alloc::{boxed::Box, vec::Vec};

use mailwire_core::{Cursor, Dialect, Invalid, ParseError, Text, setters, text_newtype};

use super::{
    Mailbox,
    chars::{self, ALNUM, HIGH, KEYWORD, VALUE},
    check_utf8, read_all, xtext,
};
use crate::deviation;

text_newtype! {
    /// The name of a parameter or of an extension: a letter or digit, then letters, digits or `-`. The
    /// case of letters does not count.
    pub struct Keyword: str, ignore_case;
}

impl Keyword {
    /// Makes a keyword of a text.
    ///
    /// # Errors
    ///
    /// Other characters than those, or none.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        read_all("keyword", text.into(), Self::read)
    }

    /// ```abnf
    /// esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")   ; RFC 5321 section 4.1.2
    /// ```
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let start = cursor.offset();
        Self::skip(cursor);
        Self::from_start(cursor, start)
    }

    /// Steps over the bytes of a keyword.
    #[inline]
    pub(crate) fn skip<'a>(cursor: &mut Cursor<'a>) -> &'a [u8] {
        cursor.take_while(|byte| chars::is(byte, KEYWORD))
    }

    /// The keyword that lies between `start` and the cursor.
    #[inline]
    pub(crate) fn from_start(cursor: &Cursor<'_>, start: usize) -> Result<Self, ParseError> {
        Self::check(cursor.between(start, cursor.offset()), start)?;
        Ok(Self::unchecked(cursor.text_from(start)))
    }

    /// That the bytes of a keyword, which stand at `start`, are one.
    #[inline]
    pub(crate) fn check(bytes: &[u8], start: usize) -> Result<(), ParseError> {
        match bytes.first() {
            Some(&byte) if chars::is(byte, ALNUM) => Ok(()),
            _ => Err(ParseError::new(start, "expected a keyword")),
        }
    }
}

text_newtype! {
    /// The value of a parameter: printable, without spaces and equals signs.
    pub struct ParameterValue: str;
}

impl ParameterValue {
    /// Makes a value of a text.
    ///
    /// # Errors
    ///
    /// No character, a space, an equals sign, a control character, or not UTF-8.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        read_all("parameter value", text.into(), Self::read)
    }

    /// ```abnf
    /// esmtp-value = 1*(%d33-60 / %d62-126 / UTF8-non-ascii)    ; RFC 6531 section 3.3
    /// ```
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let start = cursor.offset();
        let mut value = cursor.take_while(|byte| chars::is(byte, VALUE | HIGH));
        if cursor.peek() == Some(b'=') {
            cursor.deviate(deviation::EQUALS_SIGN_IN_PARAMETER_VALUE)?;
            let end = cursor.take_while(|byte| byte == b'=' || chars::is(byte, VALUE | HIGH));
            value = if value.is_empty() || value.is_ascii() { end } else { value };
        }
        if cursor.offset() == start {
            return Err(cursor.error("expected a value"));
        }
        if !value.is_ascii() {
            check_utf8(cursor, start)?;
        }
        Ok(Self::unchecked(cursor.text_from(start)))
    }
}

/// A parameter of MAIL or RCPT that this crate does not know, kept as it came.
///
/// # Examples
///
/// ```
/// use mailwire_smtp::{Mail, Mailbox, Parameter};
///
/// // Of Postfix: each recipient has a sender of its own.
/// let xverp = Parameter::new("XVERP".parse()?).with_value("+-".parse()?);
/// let mail = Mail::new(Mailbox::try_from("a@client.example")?).with_parameter(xverp);
/// assert_eq!(mail.parameters().other.len(), 1);
/// # Ok::<(), mailwire_smtp::Invalid>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Parameter {
    /// The parameter's name.
    pub keyword: Keyword,
    /// What follows the `=`, if there is one.
    pub value: Option<ParameterValue>,
}

impl Parameter {
    /// A parameter without a value.
    #[must_use]
    pub const fn new(keyword: Keyword) -> Self {
        Self { keyword, value: None }
    }

    /// A copy that keeps no receive buffer alive.
    #[must_use]
    pub fn compact(&self) -> Self {
        Self { keyword: self.keyword.compact(), value: self.value.as_ref().map(ParameterValue::compact) }
    }

    /// What lies between `start` and the cursor is the name.
    pub(crate) fn read(cursor: &mut Cursor<'_>, start: usize) -> Result<Self, ParseError> {
        let keyword = Keyword::from_start(cursor, start)?;
        let value = if cursor.eat(b'=') { Some(ParameterValue::read(cursor)?) } else { None };
        Ok(Self { keyword, value })
    }

    /// Appends the parameter, without a space before it.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.keyword.as_bytes());
        if let Some(value) = &self.value {
            out.push(b'=');
            out.extend_from_slice(value.as_bytes());
        }
    }
}

setters!(Parameter {
    with_value(value: some ParameterValue),
});

/// What a body may contain: the BODY parameter ([RFC 6152](https://www.rfc-editor.org/rfc/rfc6152), [RFC
/// 3030](https://www.rfc-editor.org/rfc/rfc3030)).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum BodyType {
    /// ASCII lines, as without the parameter.
    SevenBit,
    /// Lines with bytes beyond ASCII.
    EightBitMime,
    /// Any bytes, by BDAT only.
    BinaryMime,
}

impl BodyType {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        }
    }

    /// ```abnf
    /// body-value = "7BIT" / "8BITMIME" / "BINARYMIME"   ; RFC 6152 section 2, RFC 3030 section 3
    /// ```
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let body = match cursor.peek() {
            Some(b'7') => Self::SevenBit,
            Some(b'8') => Self::EightBitMime,
            _ => Self::BinaryMime,
        };
        cursor.expect_ignore_case(body.as_str(), "expected 7BIT, 8BITMIME or BINARYMIME")?;
        Ok(body)
    }
}

/// Who submitted a message first: the AUTH parameter of MAIL
/// ([RFC 4954 section 5](https://www.rfc-editor.org/rfc/rfc4954#section-5)).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Submitter {
    /// `<>`: not known, or not trusted.
    Unknown,
    /// The authenticated submitter. Rare, and boxed so that commands are not larger for it.
    Mailbox(Box<Mailbox>),
}

impl Submitter {
    /// A copy that keeps no receive buffer alive.
    #[must_use]
    pub fn compact(&self) -> Self {
        match self {
            Self::Unknown => Self::Unknown,
            Self::Mailbox(mailbox) => mailbox.compact().into(),
        }
    }

    /// Appends the value, in `xtext`.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Unknown => out.extend_from_slice(b"<>"),
            Self::Mailbox(mailbox) => xtext::write(mailbox.as_bytes(), out),
        }
    }

    /// ```abnf
    /// auth-param = "AUTH=" xtext    ; decoded, a mailbox or "<>" (RFC 4954 section 8)
    /// ```
    ///
    /// [RFC 4954 section 5](https://www.rfc-editor.org/rfc/rfc4954#section-5) has a server treat what it does not trust as `<>`; the lenient dialect
    /// does so with what it cannot read.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let start = cursor.offset();
        let encoded = cursor.take_while(|byte| chars::is(byte, VALUE));
        if encoded == b"<>" {
            return Ok(Self::Unknown);
        }
        let mailbox = match xtext::read(encoded) {
            Ok(decoded) => Mailbox::try_from(Text::from(decoded))
                .map_err(|_| ParseError::new(start, "expected a mailbox or <>")),
            Err(at) => Err(ParseError::new(start.saturating_add(at), "not xtext")),
        };
        match mailbox {
            Ok(mailbox) => Ok(mailbox.into()),
            Err(error) if cursor.dialect() == Dialect::Strict || encoded.is_empty() => Err(error),
            Err(_) => {
                cursor.deviate_at(start, deviation::MALFORMED_AUTH_PARAMETER)?;
                Ok(Self::Unknown)
            }
        }
    }
}

impl From<Mailbox> for Submitter {
    fn from(mailbox: Mailbox) -> Self {
        Self::Mailbox(Box::new(mailbox))
    }
}
