//! XCLIENT: a proxy tells who its client is, as Dovecot has it in POP3.

use alloc::{string::ToString as _, vec::Vec};
use core::net::IpAddr;

use mailwire_core::{Cursor, Invalid, ParseError, Text, private::check_text};

use crate::{deviation, types::is_vchar};

/// The attributes of XCLIENT: what a proxy that the server trusts says of its client, in place of what the
/// connection shows.
///
/// It is Dovecot's, and in no RFC. A server offers it with the response code `[XCLIENT]` in its greeting. Names are
/// those of Dovecot; unknown ones are kept.
///
/// ```text
/// xclient   = "XCLIENT" 1*(SP name "=" value)
/// name      = 1*<VCHAR except "=">
/// value     = *VCHAR
/// ```
///
/// # Examples
///
/// ```
/// use mailwire_pop3::{Command, Xclient};
///
/// let client = Xclient::new().with_addr([192, 0, 2, 7].into()).with_port(4711).with("SESSION", "a1b2")?;
/// let mut line = Vec::new();
/// Command::Xclient(client).write(&mut line);
/// assert_eq!(line, b"XCLIENT ADDR=192.0.2.7 PORT=4711 SESSION=a1b2\r\n");
/// # Ok::<(), mailwire_pop3::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Xclient {
    attributes: Vec<(Text, Text)>,
}

impl Xclient {
    /// No attributes.
    #[must_use]
    pub const fn new() -> Self {
        Self { attributes: Vec::new() }
    }

    /// Adds an attribute: `SESSION`, `TTL` or `FORWARD`, for instance.
    ///
    /// # Errors
    ///
    /// The name is empty or has `=`; or something in either is not printable ASCII.
    pub fn with(mut self, name: impl Into<Text>, value: impl Into<Text>) -> Result<Self, Invalid> {
        const REASON: &str = "a character that is not printable ASCII";
        let (name, value) = (name.into(), value.into());
        check_text("name of XCLIENT", name.as_bytes(), 1..=usize::MAX, is_name, REASON)?;
        check_text("value of XCLIENT", value.as_bytes(), 0..=usize::MAX, is_vchar, REASON)?;
        self.attributes.push((name, value));
        Ok(self)
    }

    /// Adds the client's address, `ADDR`.
    #[must_use]
    pub fn with_addr(self, addr: IpAddr) -> Self {
        self.with_number("ADDR", Text::from(addr.to_string()))
    }

    /// Adds the client's port, `PORT`.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        self.with_number("PORT", Text::from(port.to_string()))
    }

    fn with_number(mut self, name: &'static str, value: Text) -> Self {
        self.attributes.push((Text::from_static(name), value));
        self
    }

    /// The value of an attribute, whose name is in any case; of several the last.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Text> {
        self.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).last().map(|(_, value)| value)
    }

    /// The client's address, if it is told and is one.
    #[must_use]
    pub fn addr(&self) -> Option<IpAddr> {
        self.get("ADDR")?.as_str()?.parse().ok()
    }

    /// The client's port, if it is told and is one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.get("PORT")?.as_str()?.parse().ok()
    }

    /// All attributes, names and values, as they came.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Text)> {
        self.attributes.iter().map(|(name, value)| (name, value))
    }

    /// After the command's name.
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let mut attributes = Vec::new();
        while !cursor.is_at_end() {
            let start = cursor.offset();
            let spaces = cursor.take_while(|byte| byte == b' ').len();
            if cursor.is_at_end() {
                cursor.deviate_at(start, deviation::SPACE_BEFORE_LINE_END)?;
                break;
            }
            if spaces > 1 {
                cursor.deviate_at(start, deviation::EXTRA_SPACE)?;
            }
            let name = cursor.text_while1(is_name, "expected the name of an attribute")?;
            cursor.expect(b'=', "expected an equals sign")?;
            let value = cursor.text_while(is_vchar);
            if !matches!(cursor.peek(), None | Some(b' ')) {
                return Err(cursor.error("a character that no value has"));
            }
            attributes.push((name, value));
        }
        if attributes.is_empty() {
            return Err(cursor.error("an argument is missing"));
        }
        Ok(Self { attributes })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"XCLIENT");
        for (name, value) in self.iter() {
            out.push(b' ');
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            out.extend_from_slice(value.as_bytes());
        }
    }

    /// The bytes that it takes in a line, after the command's name.
    pub(crate) fn written_length(&self) -> usize {
        self.iter()
            .map(|(name, value)| name.len().saturating_add(value.len()).saturating_add(2))
            .fold(0, usize::saturating_add)
    }
}

const fn is_name(byte: u8) -> bool {
    is_vchar(byte) && byte != b'='
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Xclient {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let client = Self::new().with_addr(if u.arbitrary()? {
            IpAddr::from(u.arbitrary::<[u8; 4]>()?)
        } else {
            IpAddr::from(u.arbitrary::<[u8; 16]>()?)
        });
        let client = if u.arbitrary()? { client.with_port(u.arbitrary()?) } else { client };
        let value: u64 = u.arbitrary()?;
        client.with("SESSION", value.to_string()).or(Err(arbitrary::Error::IncorrectFormat))
    }
}
