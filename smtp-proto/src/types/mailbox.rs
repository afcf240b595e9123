//! Addresses.

use alloc::{borrow::Cow, format, string::String, vec::Vec};
use core::{fmt, num::NonZeroUsize};

use mailwire_core::{Cursor, Invalid, ParseError, Text};

use super::{
    chars::{self, ATEXT, HIGH, PRINTABLE},
    check_utf8,
    host::{AddressLiteral, Domain, Host, read_domain, read_literal, with_tag},
    read_all, text_between,
};
use crate::deviation;

/// An address: a local part, `@`, and a domain or address literal.
///
/// It is kept as it was written, a quoted local part with its quotes. Two addresses are equal if
/// their local parts are equal byte for byte and their domains but for the case of ASCII letters. One that was
/// read leniently has the quotes and the tag that it lacked.
///
/// # Examples
///
/// ```
/// use mailwire_smtp::Mailbox;
///
/// let odd = Mailbox::try_from(r#""a@x> ORCPT=rfc822;y"@example.org"#).unwrap();
/// assert_eq!((odd.local_part(), odd.domain()), (r#""a@x> ORCPT=rfc822;y""#, "example.org"));
/// assert_eq!(odd.unquoted_local_part(), "a@x> ORCPT=rfc822;y");
/// assert!(Mailbox::try_from("a\r\nRCPT TO:<b@example.org").is_err());
/// ```
#[derive(Debug, Clone)]
pub struct Mailbox {
    text: Text,
    /// The place of the `@` between the two parts. It is never the first byte.
    at: NonZeroUsize,
}

impl Mailbox {
    /// Makes an address of `local_part`, which is quoted if it has to be, at `host`.
    ///
    /// # Errors
    ///
    /// A local part that is empty or has a control character.
    pub fn new(local_part: &str, host: &Host) -> Result<Self, Invalid> {
        let mut text = Vec::with_capacity(local_part.len() + host.as_bytes().len() + 3);
        let dot_string = local_part
            .split('.')
            .all(|atom| !atom.is_empty() && atom.bytes().all(|byte| chars::is(byte, ATEXT | HIGH)));
        if dot_string {
            text.extend_from_slice(local_part.as_bytes());
        } else {
            text.push(b'"');
            for byte in local_part.bytes() {
                if matches!(byte, b'"' | b'\\') {
                    text.push(b'\\');
                }
                text.push(byte);
            }
            text.push(b'"');
        }
        text.push(b'@');
        text.extend_from_slice(host.as_bytes());
        Self::try_from(Text::from(text))
    }

    /// The part before the `@`, with its quotes if it has any.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.as_str().get(..self.at.get()).unwrap_or_default()
    }

    /// The local part as it is meant: without quotes and backslashes.
    #[must_use]
    pub fn unquoted_local_part(&self) -> Cow<'_, str> {
        unquoted(self.local_part())
    }

    /// The part after the `@`: a domain, or an address literal with its brackets.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.as_str().get(self.at.get().saturating_add(1)..).unwrap_or_default()
    }

    /// The part after the `@`, as a value of its own.
    #[must_use]
    #[inline]
    pub fn host(&self) -> Host {
        let text = self.text.clone().into_bytes();
        let text = Text::from(text.slice(self.at.get().saturating_add(1).min(text.len())..));
        match text.as_bytes().first() {
            Some(b'[') => Host::Literal(AddressLiteral::unchecked(text)),
            _ => Host::Domain(Domain::unchecked(text)),
        }
    }

    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.as_str().unwrap_or_default()
    }

    /// The whole address, as it goes over the wire.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Whether it is ASCII, so that it needs no SMTPUTF8 ([RFC
    /// 6531](https://www.rfc-editor.org/rfc/rfc6531)).
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.text.as_bytes().is_ascii()
    }

    /// A copy that keeps no receive buffer alive.
    #[must_use]
    pub fn compact(&self) -> Self {
        Self { text: self.text.compact(), at: self.at }
    }

    /// ```abnf
    /// Mailbox    = Local-part "@" ( Domain / address-literal )   ; RFC 5321 section 4.1.2
    /// Local-part = Dot-string / Quoted-string
    /// ```
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        Self::read_with(cursor, true)
    }

    fn read_with(cursor: &mut Cursor<'_>, refuse_underscore: bool) -> Result<Self, ParseError> {
        let start = cursor.offset();
        let deviations = cursor.deviations().len();
        read_local_part(cursor)?;
        let at = NonZeroUsize::new(cursor.offset().saturating_sub(start))
            .ok_or(ParseError::new(start, "expected an address"))?;
        cursor.expect(b'@', "expected @ and a domain")?;
        let end = if cursor.peek() == Some(b'[') {
            read_literal(cursor)?;
            cursor.offset()
        } else {
            read_domain(cursor, refuse_underscore)?
        };
        if cursor.deviations().len() != deviations {
            return Ok(Self { text: text_between(cursor, start, end), at }.mended());
        }
        Ok(Self { text: text_between(cursor, start, end), at })
    }

    /// The address in the form that the strict grammar has: the local part in quotes, and the tag of an
    /// address literal.
    #[cold]
    fn mended(self) -> Self {
        let (local_part, domain) = (self.local_part(), self.domain());
        let odd = !local_part.starts_with('"') && local_part.split('.').any(str::is_empty);
        let (quote, literal) = (if odd { "\"" } else { "" }, with_tag(domain));
        if !odd && literal.is_none() {
            return self;
        }
        let domain = literal.as_deref().unwrap_or(domain);
        let text = format!("{quote}{local_part}{quote}@{domain}");
        let at = self.at.saturating_add(2 * quote.len());
        Self { text: text.into(), at }
    }
}

/// A local part alone, as of `RCPT TO:<root>`: whose domain that is, is the server's own affair. The grammar has
/// none but `postmaster`'s ([RFC 5321 section 4.1.1.3](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.3)), so
/// there is no way to make one: a server reads it leniently (`missing-domain`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LocalPart(Text);

impl LocalPart {
    /// The local part, with its quotes if it has any.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str().unwrap_or_default()
    }

    /// The local part, as it goes over the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// A copy that keeps no receive buffer alive.
    #[must_use]
    pub fn compact(&self) -> Self {
        Self(self.0.compact())
    }

    /// The local part as it is meant: without quotes and backslashes.
    #[must_use]
    pub fn unquoted(&self) -> Cow<'_, str> {
        unquoted(self.as_str())
    }

    /// Reads one that stands before the end of a path.
    #[cold]
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let start = cursor.offset();
        read_local_part(cursor)?;
        let text = cursor.text_from(start);
        if !cursor.rest().trim_ascii_start().starts_with(b">") {
            return Err(cursor.error("expected the end of a path"));
        }
        cursor.deviate(deviation::MISSING_DOMAIN)?;
        Ok(Self(text))
    }
}

fn unquoted(local_part: &str) -> Cow<'_, str> {
    let Some(quoted) = local_part.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return Cow::Borrowed(local_part);
    };
    if !quoted.contains('\\') {
        return Cow::Borrowed(quoted);
    }
    let mut chars = quoted.chars();
    let mut unquoted = String::with_capacity(quoted.len());
    while let Some(char) = chars.next() {
        unquoted.push(if char == '\\' { chars.next().unwrap_or(char) } else { char });
    }
    Cow::Owned(unquoted)
}

/// ```abnf
/// Local-part = Dot-string / Quoted-string
/// ```
#[inline(always)]
fn read_local_part(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    if cursor.peek() == Some(b'"') { read_quoted(cursor) } else { read_dot_string(cursor) }
}

/// ```abnf
/// Dot-string = Atom *("."  Atom)
/// Atom       = 1*atext                ; with UTF8-non-ascii, RFC 6531 section 3.3
/// ```
#[inline(always)]
fn read_dot_string(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    let start = cursor.offset();
    let rest = cursor.rest();
    let (mut at, mut high) = (0, false);
    // The first byte of the atom.
    let mut atom = 0;
    loop {
        at += chars::run(rest, at, ATEXT);
        match rest.get(at) {
            Some(b'.') => {
                if at == atom {
                    cursor.deviate_at(start.saturating_add(at), deviation::MISPLACED_DOT_IN_LOCAL_PART)?;
                }
                atom = at + 1;
            }
            Some(128..) => high = true,
            _ => break,
        }
        at += 1;
    }
    if at == 0 {
        return Err(cursor.error("expected an address"));
    }
    cursor.skip(at);
    if at == atom {
        cursor.deviate_at(cursor.offset().saturating_sub(1), deviation::MISPLACED_DOT_IN_LOCAL_PART)?;
    }
    if high { check_utf8(cursor, start) } else { Ok(()) }
}

/// ```abnf
/// Quoted-string  = DQUOTE *QcontentSMTP DQUOTE
/// QcontentSMTP   = qtextSMTP / quoted-pairSMTP
/// quoted-pairSMTP  = %d92 %d32-126
/// qtextSMTP      = %d32-33 / %d35-91 / %d93-126 / UTF8-non-ascii
/// ```
fn read_quoted(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    let start = cursor.offset();
    cursor.skip(1);
    let mut high = false;
    loop {
        match cursor.peek() {
            Some(b'"') => break,
            Some(b'\\') => {
                cursor.skip(1);
                if !cursor.peek().is_some_and(|byte| chars::is(byte, PRINTABLE)) {
                    return Err(cursor.error("expected a printable character after a backslash"));
                }
            }
            Some(128..) => high = true,
            Some(byte) if chars::is(byte, PRINTABLE) => {}
            _ => return Err(cursor.error("expected the end of a quoted local part")),
        }
        cursor.skip(1);
    }
    cursor.skip(1);
    if high { check_utf8(cursor, start) } else { Ok(()) }
}

impl PartialEq for Mailbox {
    fn eq(&self, other: &Self) -> bool {
        self.local_part() == other.local_part() && self.domain().eq_ignore_ascii_case(other.domain())
    }
}

impl Eq for Mailbox {}

impl TryFrom<Text> for Mailbox {
    type Error = Invalid;

    fn try_from(text: Text) -> Result<Self, Self::Error> {
        read_all("mailbox", text, |cursor| Self::read_with(cursor, false))
    }
}

impl TryFrom<&str> for Mailbox {
    type Error = Invalid;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::try_from(Text::from(text))
    }
}

impl TryFrom<String> for Mailbox {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::try_from(Text::from(text))
    }
}

impl core::str::FromStr for Mailbox {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text)
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not `Text`'s: a backslash or quote of a local part is printable and stays as it is.
        f.write_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Mailbox {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_where_it_must() {
        let host = Host::try_from("example.org").unwrap();
        for (local, wire) in [
            ("a.b", "a.b@example.org"),
            ("a..b", "\"a..b\"@example.org"),
            ("a\"\\ b", "\"a\\\"\\\\ b\"@example.org"),
            ("", "\"\"@example.org"),
            ("jürgen", "jürgen@example.org"),
        ] {
            let mailbox = Mailbox::new(local, &host).unwrap();
            assert_eq!((mailbox.as_str(), &*mailbox.unquoted_local_part()), (wire, local));
        }
        for bad in ["a\r\nb", "a\0", "\n"] {
            assert!(Mailbox::new(bad, &host).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn refuses() {
        for bad in [
            "", "a", "@b", "a@", "a b@c", "a@b c", "a@b>", "<a@b>", "a\r@b", "\"a@b", "\"a\"b@c", "a.@b",
            ".a@b",
        ] {
            assert!(Mailbox::try_from(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Mailbox::try_from("a@my_host.example").unwrap().domain(), "my_host.example");
    }
}
