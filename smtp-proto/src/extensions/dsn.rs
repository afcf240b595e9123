//! DSN: which reports of delivery the sender wants
//! ([RFC 3461](https://www.rfc-editor.org/rfc/rfc3461), [RFC 6533](https://www.rfc-editor.org/rfc/rfc6533)).
//!
//! # Examples
//!
//! ```
//! use mailwire_smtp::{Command, Dialect, extensions::dsn::Notify};
//!
//! let line = bytes::Bytes::from_static(b"RCPT TO:<bob@example.net> NOTIFY=DELAY,FAILURE ORCPT=rfc822;Bob+40example.net");
//! let Command::Rcpt(rcpt) = Command::parse(&line, Dialect::Strict)?.value else { panic!() };
//! assert_eq!(rcpt.parameters().notify, Some(Notify::FAILURE | Notify::DELAY));
//! assert_eq!(rcpt.parameters().original_recipient.as_ref().unwrap().address(), "Bob@example.net");
//! # Ok::<(), mailwire_smtp::ParseError>(())
//! ```

use alloc::vec::Vec;
use core::{fmt, ops::BitOr};

use mailwire_core::{Invalid, Text, text_newtype};

use super::Value;
use crate::{
    Mailbox,
    capability::Extension,
    types::{
        chars::{self, ATEXT, XCHAR},
        xtext,
    },
};

/// How much of a message comes back with a report of failure: RET ([RFC 3461 section
/// 4.3](https://www.rfc-editor.org/rfc/rfc3461#section-4.3)).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Ret {
    /// `FULL`: all of it.
    Full,
    /// `HDRS`: its header.
    Headers,
}

impl Ret {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Headers => "HDRS",
        }
    }
}

impl Value for Ret {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_str().as_bytes());
    }
}

/// When the sender wants a report about a recipient: NOTIFY ([RFC 3461 section
/// 4.1](https://www.rfc-editor.org/rfc/rfc3461#section-4.1)). Without the parameter, reports are sent of failure, and
/// perhaps of delay.
///
/// # Examples
///
/// ```
/// use mailwire_smtp::extensions::dsn::Notify;
///
/// let notify = Notify::SUCCESS | Notify::FAILURE;
/// assert!(notify.has(Notify::SUCCESS) && !notify.has(Notify::DELAY));
/// assert_eq!((notify.to_string(), Notify::NEVER.to_string()), ("SUCCESS,FAILURE".into(), "NEVER".into()));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(into = "alloc::string::String"))]
pub struct Notify(u8);

impl Notify {
    /// `NEVER`: no report under any condition.
    pub const NEVER: Self = Self(0);
    /// `SUCCESS`: when the message is delivered.
    pub const SUCCESS: Self = Self(1);
    /// `FAILURE`: when it cannot be delivered.
    pub const FAILURE: Self = Self(2);
    /// `DELAY`: when delivery takes unusually long.
    pub const DELAY: Self = Self(4);

    /// Whether all of `conditions` are among these.
    #[must_use]
    pub const fn has(self, conditions: Self) -> bool {
        self.0 & conditions.0 == conditions.0
    }

    /// Whether no report is wanted.
    #[must_use]
    pub const fn is_never(self) -> bool {
        self.0 == 0
    }

    /// The words on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self.0 {
            0 => "NEVER",
            1 => "SUCCESS",
            2 => "FAILURE",
            3 => "SUCCESS,FAILURE",
            4 => "DELAY",
            5 => "SUCCESS,DELAY",
            6 => "FAILURE,DELAY",
            _ => "SUCCESS,FAILURE,DELAY",
        }
    }
}

impl BitOr for Notify {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "serde")]
impl From<Notify> for alloc::string::String {
    fn from(notify: Notify) -> Self {
        alloc::format!("{notify}")
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Notify {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self(u.int_in_range(0..=7)?))
    }
}

impl Value for Notify {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_str().as_bytes());
    }
}

text_newtype! {
    /// What the sender calls a transaction in reports: ENVID ([RFC 3461 section
    /// 4.4](https://www.rfc-editor.org/rfc/rfc3461#section-4.4)). Printable ASCII and spaces, decoded; it is written in
    /// `xtext`, in which it has at most 100 characters.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_smtp::{Mail, ReversePath, Command, extensions::dsn::EnvelopeId};
    ///
    /// let mail = Mail::new(ReversePath::Null).with_envelope_id(EnvelopeId::new("a b=c")?);
    /// let mut out = Vec::new();
    /// Command::Mail(mail).write(&mut out);
    /// assert_eq!(out, b"MAIL FROM:<> ENVID=a+20b+3Dc\r\n");
    /// # Ok::<(), mailwire_smtp::Invalid>(())
    /// ```
    pub struct EnvelopeId: str;
}

/// RFC 3461 section 4.4: the characters of an ENVID.
const ENVELOPE_ID: usize = 100;
/// RFC 3461 section 4.2: the characters of an ORCPT.
const ORIGINAL_RECIPIENT: usize = 500;

impl EnvelopeId {
    /// Makes an identifier of a text.
    ///
    /// # Errors
    ///
    /// No character, one that is not printable ASCII, or more than 100 in `xtext`.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        check_printable(text.as_bytes())
            .and_then(|()| check_length(xtext::length(text.as_bytes()), ENVELOPE_ID))
            .map_err(|(offset, reason)| Invalid::new("envelope identifier", offset, reason))?;
        Ok(Self::unchecked(text))
    }
}

impl Value for EnvelopeId {
    fn write(&self, out: &mut Vec<u8>) {
        xtext::write(self.as_bytes(), out);
    }

    fn compact(&self) -> Self {
        self.compact()
    }
}

/// The recipient as the sender named it: ORCPT ([RFC 3461 section
/// 4.2](https://www.rfc-editor.org/rfc/rfc3461#section-4.2), [RFC 6533 section
/// 3](https://www.rfc-editor.org/rfc/rfc6533#section-3)).
///
/// The address is decoded here. It is written in `xtext`, and with the address type `utf-8` in the seven-bit form of
/// RFC 6533, or in UTF-8 where it was [made so](Self::in_utf8) or read so. At most 500 characters of that are allowed.
///
/// # Examples
///
/// ```
/// use mailwire_smtp::{Command, ForwardPath, Rcpt, extensions::dsn::OriginalRecipient};
///
/// let original = OriginalRecipient::new("utf-8", "jörg+x@example.org")?;
/// let mut out = Vec::new();
/// Command::Rcpt(Rcpt::new(ForwardPath::Postmaster).with_original_recipient(original)).write(&mut out);
/// assert_eq!(out, b"RCPT TO:<Postmaster> ORCPT=utf-8;j\\x{F6}rg\\x{2B}x@example.org\r\n");
/// # Ok::<(), mailwire_smtp::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OriginalRecipient {
    address_type: Text,
    address: Text,
    /// Characters beyond ASCII are written as they are.
    native: bool,
    /// Each character of the address stands for itself, as in most addresses, so that it is written as it is.
    #[cfg_attr(feature = "serde", serde(skip))]
    plain: bool,
}

impl OriginalRecipient {
    /// An address of the type `address_type`: `rfc822` for addresses of mail, `utf-8` where they have characters beyond
    /// ASCII.
    ///
    /// # Errors
    ///
    /// The type is no atom; the address is empty, has characters that are not printable, or with another type than
    /// `utf-8` not ASCII; or more than 500 characters would be written.
    pub fn new(address_type: impl Into<Text>, address: impl Into<Text>) -> Result<Self, Invalid> {
        const WHAT: &str = "original recipient";
        let original = Self::encoded(address_type.into(), address.into());
        let kind = original.address_type.as_bytes();
        let address = original.address.as_bytes();
        if kind.is_empty() || !kind.iter().all(|&byte| chars::is(byte, ATEXT) && byte != b'=') {
            return Err(Invalid::new(WHAT, 0, "the address type is no atom"));
        }
        let encoded = if is_utf8(kind) {
            check_unicode(address).map(|text| text.chars().map(unitext_length).sum())
        } else {
            check_printable(address).map(|()| xtext::length(address))
        };
        encoded
            .and_then(|length| {
                check_length(kind.len().saturating_add(1).saturating_add(length), ORIGINAL_RECIPIENT)
            })
            .map_err(|(offset, reason)| Invalid::new(WHAT, offset, reason))?;
        Ok(original)
    }

    /// One whose address may have to be encoded.
    fn encoded(address_type: Text, address: Text) -> Self {
        let utf8 = is_utf8(address_type.as_bytes());
        let stands = |&byte: &u8| if utf8 { is_qchar(char::from(byte)) } else { chars::is(byte, XCHAR) };
        let plain = address.as_bytes().iter().all(stands);
        Self { address_type, address, native: false, plain }
    }

    /// That of a mailbox, as it is told at the first submission: the address of RCPT itself, with the type that it needs.
    ///
    /// # Errors
    ///
    /// More than 500 characters would be written.
    #[inline]
    pub fn of(mailbox: &Mailbox) -> Result<Self, Invalid> {
        Self::new(if mailbox.is_ascii() { "rfc822" } else { "utf-8" }, mailbox.as_str())
    }

    /// Has characters beyond ASCII written as they are, which a server takes that offers SMTPUTF8 ([RFC 6533 section
    /// 3](https://www.rfc-editor.org/rfc/rfc6533#section-3)).
    #[must_use]
    pub fn in_utf8(mut self) -> Self {
        self.native = !self.address.as_bytes().is_ascii();
        self
    }

    /// The type of the address: `rfc822`, `utf-8`.
    #[must_use]
    pub fn address_type(&self) -> &str {
        self.address_type.as_str().unwrap_or_default()
    }

    /// The address, decoded.
    #[must_use]
    pub fn address(&self) -> &str {
        self.address.as_str().unwrap_or_default()
    }
}

fn is_utf8(address_type: &[u8]) -> bool {
    address_type.eq_ignore_ascii_case(b"utf-8")
}

impl Value for OriginalRecipient {
    fn write(&self, out: &mut Vec<u8>) {
        self.address_type.append_to(out);
        out.push(b';');
        if self.plain {
            return self.address.append_to(out);
        }
        if !is_utf8(self.address_type.as_bytes()) {
            return xtext::write(self.address.as_bytes(), out);
        }
        for char in self.address().chars() {
            let mut buffer = [0; 4];
            if is_qchar(char) || self.native && !char.is_ascii() {
                out.extend_from_slice(char.encode_utf8(&mut buffer).as_bytes());
            } else {
                out.extend_from_slice(alloc::format!("\\x{{{:02X}}}", u32::from(char)).as_bytes());
            }
        }
    }

    fn compact(&self) -> Self {
        let (address_type, address) = (self.address_type.compact(), self.address.compact());
        Self { address_type, address, ..*self }
    }

    fn needs(&self) -> Option<Extension> {
        self.native.then_some(Extension::SmtpUtf8)
    }
}

/// What is wrong with a text, and where.
type Wrong = (usize, &'static str);

const EMPTY: Wrong = (0, "it is empty");

fn check_length(length: usize, limit: usize) -> Result<(), Wrong> {
    if length > limit { Err((limit, "it is too long")) } else { Ok(()) }
}

/// RFC 3461: "printable (graphic and white space) characters from the US-ASCII repertoire".
fn check_printable(text: &[u8]) -> Result<(), Wrong> {
    match text.iter().position(|byte| !matches!(byte, b'\t' | b' '..=b'~')) {
        Some(at) => Err((at, "not printable ASCII")),
        None if text.is_empty() => Err(EMPTY),
        None => Ok(()),
    }
}

fn check_unicode(text: &[u8]) -> Result<&str, Wrong> {
    let text = core::str::from_utf8(text).map_err(|error| (error.valid_up_to(), "not UTF-8"))?;
    match text.char_indices().find(|(_, char)| char.is_control() && *char != '\t') {
        Some((at, _)) => Err((at, "a control character")),
        None if text.is_empty() => Err(EMPTY),
        None => Ok(text),
    }
}

/// ```abnf
/// QCHAR = %x21-2a / %x2c-3c / %x3e-5b / %x5d-7e
/// ```
const fn is_qchar(char: char) -> bool {
    matches!(char, '!'..='*' | ','..='<' | '>'..='[' | ']'..='~')
}

/// How long a character is in the seven-bit form.
fn unitext_length(char: char) -> usize {
    match u32::from(char) {
        _ if is_qchar(char) => 1,
        0..=0xff => 6,
        0x100..=0xfff => 7,
        0x1000..=0xffff => 8,
        0x1_0000..=0xf_ffff => 9,
        _ => 10,
    }
}

#[cfg(feature = "extensions")]
mod grammar {
    use alloc::string::String;

    use mailwire_core::{Cursor, ParseError, Text, grammar::expected, keywords};
    use nom::{branch::alt, bytes::complete::tag_no_case, combinator::value};

    use super::{
        super::read::ReadValue, EMPTY, ENVELOPE_ID, EnvelopeId, Notify, ORIGINAL_RECIPIENT,
        OriginalRecipient, Ret, Wrong, check_length, check_printable, check_unicode, is_qchar, is_utf8,
    };
    use crate::types::{
        chars::{self, ATEXT, HIGH, LISTED, VALUE, XCHAR},
        xtext,
    };

    impl ReadValue for Ret {
        fn read(_: &[u8], cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
            cursor.run(|_| {
                expected(
                    "expected FULL or HDRS",
                    alt((value(Self::Full, tag_no_case("FULL")), value(Self::Headers, tag_no_case("HDRS")))),
                )
            })
        }
    }

    impl ReadValue for Notify {
        /// ```abnf
        /// notify-esmtp-value  = "NEVER" / 1#notify-list-element
        /// notify-list-element = "SUCCESS" / "FAILURE" / "DELAY"
        /// ```
        fn read(_: &[u8], cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
            let mut conditions = Self::NEVER;
            loop {
                let start = cursor.offset();
                let word = cursor.take_while(|byte| chars::is(byte, LISTED));
                conditions = conditions
                    | match Condition::of(word) {
                        Some(Condition::Success) => Self::SUCCESS,
                        Some(Condition::Failure) => Self::FAILURE,
                        Some(Condition::Delay) => Self::DELAY,
                        // It stands alone.
                        Some(Condition::Never) if conditions.is_never() && cursor.peek() != Some(b',') => {
                            Self::NEVER
                        }
                        _ => return Err(ParseError::new(start, "expected NEVER, SUCCESS, FAILURE or DELAY")),
                    };
                if !cursor.eat(b',') {
                    return Ok(conditions);
                }
            }
        }
    }

    keywords! {
        enum Condition { Never = "NEVER", Success = "SUCCESS", Failure = "FAILURE", Delay = "DELAY" }
    }

    impl ReadValue for EnvelopeId {
        /// It is not empty: though `xtext` can be, the value of a parameter cannot (RFC 5321 section 4.1.2), and there has to
        /// be one (RFC 3461 section 4.4).
        ///
        /// ```abnf
        /// envid-parameter = "ENVID=" xtext
        /// esmtp-value     = 1*(%d33-60 / %d62-126)
        /// ```
        fn read(_: &[u8], cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
            read_xtext(cursor, ENVELOPE_ID).map(Self::unchecked)
        }
    }

    impl ReadValue for OriginalRecipient {
        /// ```abnf
        /// original-recipient-address = addr-type ";" xtext
        /// addr-type                  = atom
        /// utf-8-type-addr            = "utf-8;" utf-8-enc-addr     ; RFC 6533 section 3
        /// ```
        ///
        /// What calls itself UTF-8 and is not, is `xtext` as with any other type.
        fn read(_: &[u8], cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
            let start = cursor.offset();
            let address_type = cursor.text_while1(
                |byte| chars::is(byte, ATEXT) && byte != b'=',
                "expected the type of an address",
            )?;
            cursor.expect(b';', "expected ; and an address")?;
            let limit = ORIGINAL_RECIPIENT.saturating_sub(cursor.offset().saturating_sub(start));
            if !is_utf8(address_type.as_bytes()) {
                let place = cursor.offset();
                let address = read_xtext(cursor, limit)?;
                // Nothing in it was encoded if it is as long as it was.
                return Ok(if place.saturating_add(address.len()) == cursor.offset() {
                    Self { address_type, address, native: false, plain: true }
                } else {
                    Self::encoded(address_type, address)
                });
            }
            let begin = cursor.mark();
            let place = cursor.offset();
            let encoded = cursor.take_while(|byte| chars::is(byte, VALUE | HIGH));
            let at = |(offset, reason)| ParseError::new(place.saturating_add(offset), reason);
            check_length(encoded.len(), limit).map_err(at)?;
            match unitext(encoded) {
                Ok(address) => {
                    check_unicode(address.as_bytes()).map_err(at)?;
                    Ok(Self { native: !encoded.is_ascii(), ..Self::encoded(address_type, address.into()) })
                }
                Err(error) => {
                    cursor.reset(begin);
                    let address = read_xtext(cursor, limit).map_err(|_| at(error))?;
                    Ok(Self::encoded(address_type, address))
                }
            }
        }
    }

    /// Reads a text in `xtext`, of at most so many characters.
    fn read_xtext(cursor: &mut Cursor<'_>, limit: usize) -> Result<Text, ParseError> {
        let start = cursor.offset();
        cursor.take_while(|byte| chars::is(byte, XCHAR));
        let has_more = !cursor.take_while(|byte| chars::is(byte, VALUE)).is_empty();
        let encoded = cursor.between(start, cursor.offset());
        let at = |(offset, reason)| ParseError::new(start.saturating_add(offset), reason);
        check_length(encoded.len(), limit).map_err(at)?;
        if encoded.is_empty() {
            return Err(at(EMPTY));
        }
        // All that stands for itself is printable.
        if !has_more {
            return Ok(cursor.text_from(start));
        }
        let decoded = xtext::read(encoded).map_err(|offset| at((offset, "not xtext")))?;
        check_printable(&decoded).map_err(|(_, reason)| at((0, reason)))?;
        Ok(Text::from(decoded))
    }

    /// ```abnf
    /// utf-8-addr-unitext  = 1*(QUCHAR / EmbeddedUnicodeChar)
    /// QUCHAR              = QCHAR / UTF8-2 / UTF8-3 / UTF8-4
    /// EmbeddedUnicodeChar = %x5C.78 "{" HEXPOINT "}"
    /// ```
    ///
    /// A HEXPOINT is a character that is none of the graphic ASCII characters besides `\`, `+` and `=`.
    fn unitext(encoded: &[u8]) -> Result<String, Wrong> {
        let text = core::str::from_utf8(encoded).map_err(|error| (error.valid_up_to(), "not UTF-8"))?;
        let mut decoded = String::with_capacity(text.len());
        let mut rest = text;
        loop {
            let at = text.len() - rest.len();
            let mut chars = rest.chars();
            let Some(char) = chars.next() else { return Ok(decoded) };
            if char == '\\' {
                let embedded = rest.strip_prefix("\\x{").and_then(|point| point.split_once('}'));
                let Some((point, after)) = embedded else {
                    return Err((at, "expected \\x{ and a code point"));
                };
                decoded.push(hexpoint(point).ok_or((at, "not a code point that is written so"))?);
                rest = after;
            } else if is_qchar(char) || !char.is_ascii() {
                decoded.push(char);
                rest = chars.as_str();
            } else {
                return Err((at, "a character that has to be encoded"));
            }
        }
    }

    fn hexpoint(point: &str) -> Option<char> {
        let length = point.len();
        if !(2..=6).contains(&length) || !point.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        // Longer forms have no leading zero.
        if length > 2 && point.starts_with('0') {
            return None;
        }
        char::from_u32(u32::from_str_radix(point, 16).ok()?).filter(|&char| !is_qchar(char))
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for EnvelopeId {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let text = crate::arbitrary::ascii(u, 1..=20)?;
        Self::new(text).map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for OriginalRecipient {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let original = if u.arbitrary()? {
            Self::new("rfc822", crate::arbitrary::ascii(u, 1..=20)?)
        } else {
            Self::of(&u.arbitrary()?)
        };
        let original = original.map_err(|_| arbitrary::Error::IncorrectFormat)?;
        let native = is_utf8(original.address_type.as_bytes()) && u.arbitrary()?;
        Ok(if native { original.in_utf8() } else { original })
    }
}
