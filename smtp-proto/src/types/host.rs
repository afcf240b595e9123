//! Host names and address literals.

use alloc::{format, string::String};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mailwire_core::{Cursor, Dialect, Invalid, ParseError, Text, from_variants, text_newtype};

use super::{
    chars::{self, ALNUM, DCONTENT, HIGH},
    check_utf8, read_all, text_between,
};
use crate::deviation;

text_newtype! {
    /// A domain name. The case of ASCII letters does not count.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_smtp::Domain;
    ///
    /// assert_eq!(Domain::new("mx.Example.org").unwrap(), Domain::new("MX.example.org").unwrap());
    /// assert!(Domain::new("a b.example").is_err());
    /// ```
    pub struct Domain: str, ignore_case;
}

impl Domain {
    /// Makes a domain of a text, with underscores where there are some, as hosts have them.
    ///
    /// # Errors
    ///
    /// An empty label, one with a hyphen at an end, or another character than letters, digits, hyphens,
    /// underscores and UTF-8 beyond ASCII.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        read_all("domain", text.into(), |cursor| {
            let start = cursor.offset();
            let end = read_domain(cursor, false)?;
            Ok(Self::unchecked(text_between(cursor, start, end)))
        })
    }

    /// The name `localhost`, for hosts without a better one.
    #[must_use]
    pub const fn localhost() -> Self {
        Self::unchecked(Text::from_static("localhost"))
    }
}

/// Steps over a domain and gives its end, which is one before the cursor if a dot trails.
/// Underscores are forbidden by the RFC and occur in host names.
///
/// ```abnf
/// Domain     = sub-domain *("." sub-domain)     ; RFC 5321 section 4.1.2
/// sub-domain = Let-dig [Ldh-str] / U-label      ; RFC 6531 section 3.3
/// Let-dig    = ALPHA / DIGIT
/// Ldh-str    = *( ALPHA / DIGIT / "-" ) Let-dig
/// ```
pub(crate) fn read_domain(cursor: &mut Cursor<'_>, refuse_underscore: bool) -> Result<usize, ParseError> {
    let start = cursor.offset();
    let rest = cursor.rest();
    if let Some(length) = chars::plain_domain(rest) {
        cursor.skip(length);
        return Ok(cursor.offset());
    }
    read_odd_domain(cursor, start, rest, refuse_underscore)
}

/// A domain that is not just labels of letters, digits and hyphens.
#[cold]
fn read_odd_domain(
    cursor: &mut Cursor<'_>,
    start: usize,
    rest: &[u8],
    refuse_underscore: bool,
) -> Result<usize, ParseError> {
    // `edge` is what stood before the run of letters and digits that is stepped over.
    let (mut at, mut edge, mut high) = (0, b'.', false);
    let before = loop {
        let run = chars::run(rest, at, ALNUM);
        at += run;
        let before = if run > 0 { b'a' } else { edge };
        match rest.get(at) {
            Some(b'.') if before == b'a' => edge = b'.',
            Some(&byte @ (b'.' | b'-' | b'_' | 128..)) => {
                odd(cursor, start.saturating_add(at), before, byte, refuse_underscore)?;
                high |= byte >= 128;
                edge = byte;
            }
            _ => break before,
        }
        at += 1;
    };
    if at == 0 {
        return Err(cursor.error("expected a domain"));
    }
    cursor.skip(at);
    if high {
        check_utf8(cursor, start)?;
    }
    let end = cursor.offset();
    match before {
        b'.' => {
            cursor.deviate_at(end.saturating_sub(1), deviation::TRAILING_DOT_IN_DOMAIN)?;
            Ok(end.saturating_sub(1))
        }
        b'-' => {
            cursor.deviate_at(end.saturating_sub(1), deviation::HYPHEN_AT_LABEL_EDGE)?;
            Ok(end)
        }
        _ => Ok(end),
    }
}

/// A byte of a domain that is no letter and no digit, after `before`.
fn odd(
    cursor: &mut Cursor<'_>,
    offset: usize,
    before: u8,
    byte: u8,
    refuse_underscore: bool,
) -> Result<(), ParseError> {
    match (before, byte) {
        (b'.', b'.') => Err(ParseError::new(offset, "expected a label of a domain")),
        (b'-', b'.') | (b'.', b'-') => cursor.deviate_at(offset, deviation::HYPHEN_AT_LABEL_EDGE),
        (_, b'_') if refuse_underscore => cursor.deviate_at(offset, deviation::UNDERSCORE_IN_DOMAIN),
        _ => Ok(()),
    }
}

text_newtype! {
    /// An address in brackets: `[192.0.2.1]`, `[IPv6:2001:db8::1]`
    /// ([RFC 5321 section 4.1.3](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.3)).
    pub struct AddressLiteral: str;
}

impl AddressLiteral {
    /// Makes a literal of a text, with its brackets.
    ///
    /// # Errors
    ///
    /// No brackets, or something else than an IPv4 address, `IPv6:` and an address, or a tag in them.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        read_all("address literal", text.into(), Self::read)
    }

    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let start = cursor.offset();
        // `new` alone comes here, which is strict.
        read_literal(cursor)?;
        Ok(Self::unchecked(cursor.text_from(start)))
    }

    /// The IP address, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        let content = self.as_str().strip_prefix('[')?.strip_suffix(']')?;
        match content.split_at_checked(5) {
            Some((tag, address)) if tag.eq_ignore_ascii_case("ipv6:") => {
                address.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
            }
            _ => ipv4(content.as_bytes()).map(IpAddr::V4),
        }
    }
}

impl From<IpAddr> for AddressLiteral {
    fn from(address: IpAddr) -> Self {
        Self::unchecked(Text::from(match address {
            IpAddr::V4(address) => alloc::format!("[{address}]"),
            IpAddr::V6(address) => alloc::format!("[IPv6:{address}]"),
        }))
    }
}

/// ```abnf
/// address-literal = "[" ( IPv4-address-literal / IPv6-address-literal /
///                   General-address-literal ) "]"
/// IPv4-address-literal    = Snum 3("."  Snum)
/// IPv6-address-literal    = "IPv6:" IPv6-addr
/// General-address-literal = Standardized-tag ":" 1*dcontent
/// ```
pub(crate) fn read_literal(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    cursor.expect(b'[', "expected an address literal")?;
    let start = cursor.offset();
    let content = cursor.take_while(|byte| chars::is(byte, DCONTENT));
    if !is_literal(content) {
        if content.is_empty() || cursor.dialect() == Dialect::Strict {
            return Err(ParseError::new(start, "expected an IPv4 address, IPv6: or a tag"));
        }
        cursor.deviate_at(start, deviation::MALFORMED_ADDRESS_LITERAL)?;
    }
    cursor.expect(b']', "expected ] after an address literal")
}

/// The literal of an IPv6 address that lacks its tag, with it.
pub(crate) fn with_tag(host: &str) -> Option<String> {
    let address = host.strip_prefix('[')?.strip_suffix(']')?;
    is_ipv6(address.as_bytes()).then(|| format!("[IPv6:{address}]"))
}

fn is_ipv6(address: &[u8]) -> bool {
    core::str::from_utf8(address).is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

fn is_literal(content: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', content) else { return ipv4(content).is_some() };
    let (Some(tag), Some(rest)) = (content.get(..colon), content.get(colon + 1..)) else { return false };
    if tag.eq_ignore_ascii_case(b"ipv6") {
        return is_ipv6(rest);
    }
    // A tag shorter than this is the first group of an IPv6 address that lacks its tag.
    tag.len() > 4
        && tag.last() != Some(&b'-')
        && tag.iter().all(|&byte| byte == b'-' || chars::is(byte, ALNUM))
        && !rest.is_empty()
}

/// ```abnf
/// Snum = 1*3DIGIT    ; 0 through 255
/// ```
fn ipv4(content: &[u8]) -> Option<Ipv4Addr> {
    let mut parts = content.split(|&byte| byte == b'.').map(|digits| {
        if !matches!(digits.len(), 1..=3) || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let value = digits.iter().fold(0u16, |value, digit| value * 10 + u16::from(digit - b'0'));
        u8::try_from(value).ok()
    });
    let address = Ipv4Addr::new(parts.next()??, parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(address)
}

/// A domain or an address literal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(untagged))]
pub enum Host {
    /// A domain name.
    Domain(Domain),
    /// An address in brackets.
    Literal(AddressLiteral),
}

impl Host {
    /// Steps over a host, and gives its end, which is one before the cursor if a dot trails.
    #[inline]
    pub(crate) fn skip(cursor: &mut Cursor<'_>) -> Result<usize, ParseError> {
        if cursor.peek() == Some(b'[') {
            read_literal(cursor)?;
            Ok(cursor.offset())
        } else {
            read_domain(cursor, true)
        }
    }

    /// The bytes as they go over the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Domain(domain) => domain.as_bytes(),
            Self::Literal(literal) => literal.as_bytes(),
        }
    }

    /// The text as it goes over the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Domain(domain) => domain.as_str(),
            Self::Literal(literal) => literal.as_str(),
        }
    }

    /// Whether it is ASCII, so that it needs no SMTPUTF8.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        !self.as_bytes().iter().any(|&byte| chars::is(byte, HIGH))
    }
}

impl TryFrom<&str> for Host {
    type Error = Invalid;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        if text.starts_with('[') {
            AddressLiteral::try_from(text).map(Self::Literal)
        } else {
            Domain::try_from(text).map(Self::Domain)
        }
    }
}

from_variants!(Host { Domain(Domain), Literal(AddressLiteral) });

impl core::fmt::Display for Host {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Domain(domain) => domain.fmt(f),
            Self::Literal(literal) => literal.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals() {
        for good in
            ["[127.0.0.1]", "[IPv6:2001:db8::1]", "[ipv6:::1]", "[X-long-tag:abc]", "[IPv6:::ffff:1.2.3.4]"]
        {
            AddressLiteral::try_from(good).unwrap();
        }
        for bad in
            ["[]", "[1.2.3]", "[256.1.1.1]", "[::1]", "[IPv6:]", "[1.2.3.4", "1.2.3.4", "[IPv6:x]", "[a:b]"]
        {
            assert!(AddressLiteral::try_from(bad).is_err(), "{bad}");
        }
        assert_eq!(
            AddressLiteral::try_from("[IPv6:::1]").unwrap().ip(),
            Some(IpAddr::V6(Ipv6Addr::LOCALHOST))
        );
        let literal = AddressLiteral::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!((literal.as_str(), literal.ip()), ("[127.0.0.1]", Some(IpAddr::V4(Ipv4Addr::LOCALHOST))));
    }

    #[test]
    fn domains() {
        for good in ["localhost", "a.b-c.d", "my_host.example", "bücher.example", "1.2.3"] {
            Domain::try_from(good).unwrap();
        }
        for bad in ["", ".", "a.", ".a", "a..b", "-a", "a-", "a\r\nb", "a b", "a\0", "a@b"] {
            assert!(Domain::try_from(bad).is_err(), "{bad:?}");
        }
    }
}
