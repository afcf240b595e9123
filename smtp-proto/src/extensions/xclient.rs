//! XCLIENT and XFORWARD: a proxy or a filter that is trusted tells who its own client is, as Postfix has it
//! ([XCLIENT](https://www.postfix.org/XCLIENT_README.html), [XFORWARD](https://www.postfix.org/XFORWARD_README.html)).
//!
//! After XCLIENT the session begins anew, with the server's greeting, as if the client were the other one. XFORWARD is
//! for logs, and holds for one message.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use mailwire_core::{Cursor, Invalid, ParseError, Text, keywords};

use super::Offered;
use crate::{Capabilities, Capability, capability::Extension, types::xtext};

keywords! {
    /// What is told of a client.
    #[derive(PartialOrd, Ord)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize))]
    pub enum AttributeName {
        /// ADDR: its IP address.
        Addr = "ADDR",
        /// DESTADDR: the IP address that it connected to.
        DestAddr = "DESTADDR",
        /// DESTPORT: the port that it connected to.
        DestPort = "DESTPORT",
        /// HELO: its name in EHLO, HELO or LHLO.
        Helo = "HELO",
        /// IDENT: what the proxy calls the message, in its logs.
        Ident = "IDENT",
        /// LOGIN: the user as whom it has logged in.
        Login = "LOGIN",
        /// NAME: the name that belongs to its address.
        Name = "NAME",
        /// PORT: the port that it came from.
        Port = "PORT",
        /// PROTO: `SMTP` or `ESMTP`.
        Proto = "PROTO",
        /// SOURCE: `LOCAL` or `REMOTE`.
        Source = "SOURCE",
    }
}

/// The names that Postfix has for XCLIENT.
pub(crate) const XCLIENT: &[AttributeName] = {
    use AttributeName::{Addr, DestAddr, DestPort, Helo, Login, Name, Port, Proto};
    &[Name, Addr, Port, Proto, Helo, Login, DestAddr, DestPort]
};

/// The names that Postfix has for XFORWARD.
pub(crate) const XFORWARD: &[AttributeName] = {
    use AttributeName::{Addr, Helo, Ident, Name, Port, Proto, Source};
    &[Name, Addr, Port, Proto, Helo, Ident, Source]
};

/// What is told of one attribute.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum AttributeValue {
    /// `[UNAVAILABLE]`: there is none.
    Unavailable,
    /// `[TEMPUNAVAIL]`: it could not be found out now.
    TemporarilyUnavailable,
    /// The value, decoded: at least one character, and none that controls.
    Known(Text),
}

impl AttributeValue {
    /// A value of a text.
    ///
    /// # Errors
    ///
    /// No character, a control character, or a text that stands for something else, such as `[UNAVAILABLE]`.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        match Self::of(text) {
            Some(known @ Self::Known(_)) => Ok(known),
            _ => Err(Invalid::new("attribute", 0, "expected printable text")),
        }
    }

    fn of(text: Text) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.is_empty() || bytes.iter().any(u8::is_ascii_control) {
            return None;
        }
        Some(match bytes {
            _ if bytes.eq_ignore_ascii_case(b"[UNAVAILABLE]") => Self::Unavailable,
            _ if bytes.eq_ignore_ascii_case(b"[TEMPUNAVAIL]") => Self::TemporarilyUnavailable,
            _ => Self::Known(text),
        })
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Unavailable => b"[UNAVAILABLE]",
            Self::TemporarilyUnavailable => b"[TEMPUNAVAIL]",
            Self::Known(text) => text.as_bytes(),
        }
    }

    /// The text, if it is known and is UTF-8.
    #[must_use]
    pub fn known(&self) -> Option<&str> {
        match self {
            Self::Known(text) => text.as_str(),
            _ => None,
        }
    }
}

/// The arguments of XCLIENT or XFORWARD: at least one attribute, each name once.
///
/// # Examples
///
/// ```
/// use mailwire_smtp::{Command, extensions::xclient::{AttributeName, Attributes}};
///
/// let attributes = Attributes::of_address("2001:db8::1".parse()?).with(AttributeName::Helo, "client.example")?;
/// let mut out = Vec::new();
/// Command::Xclient(attributes).write(&mut out);
/// assert_eq!(out, b"XCLIENT ADDR=IPV6:2001:db8::1 HELO=client.example\r\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Attributes(Vec<(AttributeName, AttributeValue)>);

impl Attributes {
    /// One attribute.
    #[must_use]
    pub fn new(name: AttributeName, value: AttributeValue) -> Self {
        Self(Vec::from([(name, value)]))
    }

    /// The client's address.
    #[must_use]
    pub fn of_address(address: IpAddr) -> Self {
        Self::new(AttributeName::Addr, AttributeValue::Known(address_text(address)))
    }

    /// Sets an attribute to a text.
    ///
    /// # Errors
    ///
    /// Those of [`AttributeValue::new`].
    pub fn with(self, name: AttributeName, value: impl Into<Text>) -> Result<Self, Invalid> {
        Ok(self.with_value(name, AttributeValue::new(value)?))
    }

    /// Sets an attribute.
    #[must_use]
    #[inline]
    pub fn with_value(mut self, name: AttributeName, value: AttributeValue) -> Self {
        match self.0.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
        self
    }

    /// The attributes, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (AttributeName, &AttributeValue)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// What is told of one attribute.
    #[must_use]
    pub fn get(&self, name: AttributeName) -> Option<&AttributeValue> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// The text of an attribute, if it is known.
    #[must_use]
    pub fn text(&self, name: AttributeName) -> Option<&str> {
        self.get(name)?.known()
    }

    /// The client's address: ADDR.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.ip(AttributeName::Addr)
    }

    /// An attribute that is an IP address: ADDR or DESTADDR.
    #[must_use]
    #[inline]
    pub fn ip(&self, name: AttributeName) -> Option<IpAddr> {
        let text = self.text(name)?;
        match text.split_at_checked(5) {
            Some((tag, address)) if tag.eq_ignore_ascii_case("IPV6:") => {
                address.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
            }
            _ => text.parse().ok(),
        }
    }

    /// The port that the client came from: PORT.
    #[must_use]
    #[inline]
    pub fn port(&self) -> Option<u16> {
        self.text(AttributeName::Port)?.parse().ok()
    }

    /// A copy that keeps no receive buffer alive.
    #[must_use]
    pub fn compact(&self) -> Self {
        let value = |value: &AttributeValue| match value {
            AttributeValue::Known(text) => AttributeValue::Known(text.compact()),
            other => other.clone(),
        };
        Self(self.0.iter().map(|(name, known)| (*name, value(known))).collect())
    }

    /// ```abnf
    /// xclient   = "XCLIENT" 1*( SP attribute ) CRLF
    /// xforward  = "XFORWARD" 1*( SP attribute ) CRLF
    /// attribute = attribute-name "=" xtext
    /// ```
    ///
    /// `space` reads the space before each.
    pub(crate) fn read(
        cursor: &mut Cursor<'_>,
        mut space: impl FnMut(&mut Cursor<'_>) -> Result<bool, ParseError>,
    ) -> Result<Self, ParseError> {
        let mut attributes: Vec<(AttributeName, AttributeValue)> = Vec::new();
        while space(cursor)? {
            let start = cursor.offset();
            let name = AttributeName::of(cursor.take_while(|byte| byte.is_ascii_alphanumeric()));
            let name = name.ok_or(ParseError::new(start, "expected an attribute of a client"))?;
            if attributes.iter().any(|(other, _)| *other == name) {
                return Err(ParseError::new(start, "an attribute that was given before"));
            }
            cursor.expect(b'=', "expected = and a value")?;
            let start = cursor.offset();
            let encoded = cursor.take_while(|byte| byte > b' ' && byte < 127 && byte != b'=');
            let decoded =
                xtext::read(encoded).map_err(|at| ParseError::new(start.saturating_add(at), "not xtext"))?;
            let value = AttributeValue::of(Text::from(decoded));
            attributes.push((name, value.ok_or(ParseError::new(start, "expected printable text"))?));
        }
        match attributes.is_empty() {
            true => Err(cursor.error("expected an attribute of a client")),
            false => Ok(Self(attributes)),
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.0 {
            out.push(b' ');
            out.extend_from_slice(name.as_str().as_bytes());
            out.push(b'=');
            xtext::write(value.as_bytes(), out);
        }
    }
}

/// An address as Postfix writes it.
fn address_text(address: IpAddr) -> Text {
    Text::from(match address {
        IpAddr::V4(address) => alloc::format!("{address}"),
        IpAddr::V6(address) => alloc::format!("IPV6:{address}"),
    })
}

/// The attributes that a server takes: what stands after XCLIENT or XFORWARD in the reply to EHLO. Names that are not
/// known are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct AttributeNames(Vec<AttributeName>);

impl AttributeNames {
    /// Some attributes, each once.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = AttributeName>) -> Self {
        let mut list = Vec::new();
        for name in names {
            if !list.contains(&name) {
                list.push(name);
            }
        }
        Self(list)
    }

    /// All that Postfix has for XCLIENT.
    #[must_use]
    #[inline]
    pub fn xclient() -> Self {
        Self::new(XCLIENT.iter().copied())
    }

    /// All that Postfix has for XFORWARD.
    #[must_use]
    #[inline]
    pub fn xforward() -> Self {
        Self::new(XFORWARD.iter().copied())
    }

    /// Whether an attribute is taken.
    #[must_use]
    pub fn has(&self, name: AttributeName) -> bool {
        self.0.contains(&name)
    }

    /// Whether all of these are taken.
    pub(crate) fn has_all(&self, attributes: &Attributes) -> bool {
        attributes.iter().all(|(name, _)| self.has(name))
    }
}

impl Capabilities {
    /// Whether all of these are taken by XCLIENT or XFORWARD.
    pub(crate) fn take(&self, extension: Extension, attributes: &Attributes) -> bool {
        self.iter().any(|capability| match (extension, capability) {
            (Extension::Xclient, Capability::Xclient(names))
            | (Extension::Xforward, Capability::Xforward(names)) => names.has_all(attributes),
            _ => false,
        })
    }
}

impl Offered for AttributeNames {
    fn put(&self, out: &mut Vec<u8>) {
        for name in &self.0 {
            out.push(b' ');
            out.extend_from_slice(name.as_str().as_bytes());
        }
    }
}

#[cfg(feature = "extensions")]
mod grammar {
    use mailwire_core::grammar::Grammar;

    use super::{super::read::ReadOffered, AttributeName, AttributeNames};

    impl ReadOffered for AttributeNames {
        fn grammar<'a>() -> impl Grammar<'a, Self> {
            |input: &'a [u8]| {
                let names = input.split(|&byte| byte == b' ').filter_map(AttributeName::of);
                Ok((input.get(input.len()..).unwrap_or_default(), Self::new(names)))
            }
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Attributes {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut attributes = Self::of_address(IpAddr::from(u.arbitrary::<[u8; 16]>()?));
        for name in AttributeName::ALL {
            let value = match u.int_in_range(0..=3)? {
                0 => AttributeValue::Unavailable,
                1 => AttributeValue::TemporarilyUnavailable,
                2 => AttributeValue::Known(Text::from(alloc::format!(
                    "a{}",
                    crate::arbitrary::ascii(u, 0..=9)?
                ))),
                _ => continue,
            };
            attributes = attributes.with_value(name, value);
        }
        Ok(attributes)
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for AttributeNames {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(if u.arbitrary()? { Self::xclient() } else { Self::xforward() })
    }
}
