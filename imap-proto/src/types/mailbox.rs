//! Mailbox names and patterns.

use alloc::{borrow::Cow, vec::Vec};

use mailwire_core::{Invalid, ParseError, Text};

use super::{
    quoted::read_quoted,
    reader::Reader,
    string::{read_astring, read_string},
    utf7,
    write::write_astring,
};
use crate::deviation;

mailwire_core::text_newtype! {
    /// The name of a mailbox, as it stands on the wire (RFC 9051 section 5.1).
    ///
    /// IMAP4rev1 writes names beyond ASCII in modified UTF-7 (RFC 3501 section 5.1.3), IMAP4rev2 and
    /// UTF8=ACCEPT in UTF-8. [`new`](Self::new) makes the former, [`new_utf8`](Self::new_utf8) the
    /// latter, and [`to_unicode`](Self::to_unicode) reads both. `INBOX` in any case is the one name
    /// `INBOX`. There is no NUL, CR or LF in it. `Display` shows it in Unicode, with controls escaped.
    ///
    /// ```
    /// use mailwire_imap::types::MailboxName;
    ///
    /// let name = MailboxName::new("Entwürfe & mehr")?;
    /// assert_eq!(name.as_bytes(), b"Entw&APw-rfe &- mehr");
    /// assert_eq!(name.to_unicode(), "Entwürfe & mehr");
    /// assert_eq!(name.to_string(), "Entwürfe & mehr");
    /// assert_eq!(MailboxName::new("inbox")?, MailboxName::INBOX);
    /// assert!(MailboxName::new("a\r\nb").is_err());
    /// # Ok::<(), mailwire_core::Invalid>(())
    /// ```
    pub struct MailboxName: bytes => to_unicode;
}

impl MailboxName {
    /// The user's own inbox.
    pub const INBOX: Self = Self(Text::from_static("INBOX"));

    /// A name, written in modified UTF-7 where it is not ASCII.
    ///
    /// # Errors
    ///
    /// There is a control character in it.
    pub fn new(name: &str) -> Result<Self, Invalid> {
        Self::from_wire(match utf7::encode(name) {
            Cow::Borrowed(name) => Text::from(name),
            Cow::Owned(name) => Text::from(name),
        })
    }

    /// A name, written in UTF-8 as it is.
    ///
    /// # Errors
    ///
    /// There is a control character in it.
    pub fn new_utf8(name: &str) -> Result<Self, Invalid> {
        Self::from_wire(name)
    }

    /// A name as it stands on the wire.
    ///
    /// # Errors
    ///
    /// There is a NUL, CR or LF in it.
    pub fn from_wire(name: impl Into<Text>) -> Result<Self, Invalid> {
        let name = name.into();
        match memchr::memchr3(0, b'\r', b'\n', name.as_bytes()) {
            Some(at) => Err(Invalid::new("mailbox name", at, "NUL, CR or LF")),
            None => {
                let mut name = Self(name);
                name.canonicalize();
                Ok(name)
            }
        }
    }

    #[inline]
    fn canonicalize(&mut self) {
        if self.0.len() == 5 && self.0.eq_ignore_ascii_case("INBOX") {
            *self = Self::INBOX;
        }
    }

    /// Whether this is the user's own inbox.
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        self.0.as_bytes() == b"INBOX"
    }

    /// The name for people: decoded from modified UTF-7 if it is that, else UTF-8 with U+FFFD for
    /// what is not.
    #[inline]
    #[must_use]
    pub fn to_unicode(&self) -> Cow<'_, str> {
        utf7::decode(self.as_bytes()).unwrap_or_else(|| self.0.to_string_lossy())
    }

    /// Whether the name is ASCII and correct modified UTF-7, as names of IMAP4rev1 are
    /// ([RFC 3501 section 5.1.3](https://www.rfc-editor.org/rfc/rfc3501#section-5.1.3)): `&` alone is not, and neither
    /// is `&AGE-`, for a letter of ASCII stands for itself.
    #[inline]
    #[must_use]
    pub fn is_utf7(&self) -> bool {
        utf7::decode(self.as_bytes()).is_some_and(|name| utf7::encode(&name).as_bytes() == self.as_bytes())
    }

    /// Gives the name in modified UTF-7, for a peer that speaks IMAP4rev1. A name that is neither ASCII
    /// nor UTF-8 stays as it is: it would become another one.
    #[must_use]
    pub fn to_utf7(&self) -> Self {
        match self.0.as_str() {
            Some(name) if !name.is_ascii() => Self(Text::from(utf7::encode(name).into_owned())),
            _ => self.clone(),
        }
    }

    /// Gives the name in UTF-8, for a peer that speaks IMAP4rev2. A name whose modified UTF-7 is not the
    /// only one of its characters stays as it is.
    #[must_use]
    pub fn to_utf8(&self) -> Self {
        match utf7::decode(self.as_bytes()) {
            Some(Cow::Owned(name)) if utf7::encode(&name).as_bytes() == self.as_bytes() => {
                Self::new_utf8(&name).unwrap_or_else(|_| self.clone())
            }
            _ => self.clone(),
        }
    }

    /// ```text
    /// mailbox = "INBOX" / astring
    /// ```
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        // Only a literal can hold what must not be here.
        if matches!(r.peek(), Some(b'{' | b'~')) {
            return Self::read_literal(r);
        }
        let mut name = read_astring(r).map(|name| Self(name.into_text()));
        // Looked at where it is, not moved once more.
        if let Ok(found) = &mut name {
            found.canonicalize();
        }
        name
    }

    #[inline(never)]
    fn read_literal(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        let name = read_astring(r)?;
        Self::from_wire(name.into_text()).map_err(|_| ParseError::new(start, "a line end in a mailbox name"))
    }

    /// Appends the name as servers may (with an inline literal where it must be one).
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        write_astring(out, self.as_bytes());
    }
}

mailwire_core::text_newtype! {
    /// A mailbox name in which `%` and `*` are wildcards (RFC 9051 section 6.3.9), as it stands on the
    /// wire.
    pub struct ListPattern: bytes;
}

impl ListPattern {
    /// Every mailbox.
    pub const ALL: Self = Self(Text::from_static("*"));

    /// A pattern, written in modified UTF-7 where it is not ASCII.
    ///
    /// # Errors
    ///
    /// There is a control character in it.
    pub fn new(pattern: &str) -> Result<Self, Invalid> {
        Self::from_wire(utf7::encode(pattern).into_owned())
    }

    /// A pattern as it stands on the wire.
    ///
    /// # Errors
    ///
    /// There is a NUL, CR or LF in it.
    pub fn from_wire(pattern: impl Into<Text>) -> Result<Self, Invalid> {
        let pattern = pattern.into();
        match memchr::memchr3(0, b'\r', b'\n', pattern.as_bytes()) {
            Some(at) => Err(Invalid::new("mailbox pattern", at, "NUL, CR or LF")),
            None => Ok(Self(pattern)),
        }
    }

    /// ```text
    /// list-mailbox = 1*list-char / string
    /// ```
    #[inline]
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        match r.peek() {
            Some(b'"') => read_quoted(r).map(|pattern| Self(pattern.into_text())),
            Some(b'{') => Self::read_literal(r),
            _ => Self::read_bare(r),
        }
    }

    fn read_literal(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        // Only a literal can hold what must not be here.
        Self::from_wire(read_string(r)?.into_text())
            .map_err(|_| ParseError::new(start, "a line end in a mailbox pattern"))
    }

    fn read_bare(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        r.take_class(super::chars::LIST);
        if r.peek().is_some_and(|byte| super::chars::is(byte, super::chars::WORD)) {
            r.deviate(deviation::ODD_CHARACTER_IN_ATOM)?;
            r.take_class(super::chars::WORD);
        }
        if r.offset() == start {
            Err(r.error("expected a mailbox pattern"))
        } else {
            Ok(Self(r.text_from(start)))
        }
    }
}

/// A hierarchy delimiter: one character, or none (`NIL`).
///
/// ```text
/// (DQUOTE QUOTED-CHAR DQUOTE / nil)
/// ```
///
/// Lenient: `"\"` without its escape; an empty string, which is none; an unquoted character; a
/// literal.
pub(crate) fn read_delimiter(r: &mut Reader<'_>) -> Result<Option<u8>, ParseError> {
    let start = r.offset();
    match r.rest() {
        [b'"', byte, b'"', ..] if *byte != b'\\' && super::chars::is(*byte, super::chars::QUOTED) => {
            r.skip(3);
            Ok(Some(*byte))
        }
        [b'"', b'\\', byte @ (b'\\' | b'"'), b'"', ..] => {
            r.skip(4);
            Ok(Some(*byte))
        }
        [b'"', b'\\', b'"', ..] => {
            r.deviate(deviation::UNESCAPED_BACKSLASH)?;
            r.skip(3);
            Ok(Some(b'\\'))
        }
        [b'"', b'"', ..] => {
            r.deviate(deviation::EMPTY_DELIMITER)?;
            r.skip(2);
            Ok(None)
        }
        [b'(', b')', ..] => {
            r.deviate(deviation::EMPTY_LIST_FOR_NIL)?;
            r.skip(2);
            Ok(None)
        }
        _ => {
            if super::string::eat_nil(r) {
                return Ok(None);
            }
            r.deviate(deviation::ODD_DELIMITER)?;
            let text = read_astring(r)?;
            match text.as_bytes() {
                [] => Ok(None),
                [byte] => Ok(Some(*byte)),
                other if other.eq_ignore_ascii_case(b"NIL") => Ok(None),
                _ => Err(ParseError::new(start, "a delimiter of more than one character")),
            }
        }
    }
}

/// Appends a hierarchy delimiter.
pub(crate) fn write_delimiter(out: &mut Vec<u8>, delimiter: Option<u8>) {
    match delimiter {
        Some(byte) if super::chars::is(byte, super::chars::TEXT) => super::write::write_quoted(out, &[byte]),
        _ => out.extend_from_slice(b"NIL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_patterns_stand_for() {
        let matches = |pattern: &str, name: &str| {
            ListPattern::new(pattern).unwrap().matches(&MailboxName::new(name).unwrap(), Some(b'/'))
        };
        assert!(
            matches("*", "a/b/c") && matches("%", "a") && matches("a/%", "a/b") && matches("*c", "a/b/c")
        );
        assert!(!matches("%", "a/b") && !matches("a/%", "a/b/c") && !matches("a", "ab") && !matches("", "a"));
        assert!(matches("iNbOx", "INBOX") && matches("in%", "inbox") && !matches("a", "A"));
        assert!(
            matches("%/%", "a/b") && matches("a*b*c", "axxbyyc") && matches("**", "x") && matches("*", "")
        );
    }
}
