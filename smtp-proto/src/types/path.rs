//! What stands in the angle brackets of MAIL and RCPT.

use alloc::vec::Vec;
use core::fmt;

use mailwire_core::{Cursor, Dialect, Invalid, Mark, ParseError, from_variants};

use super::{LocalPart, Mailbox, host::read_domain};
use crate::deviation;

/// The sender of a message: `<>` for reports, otherwise an address ([RFC 5321 section
/// 4.1.1.2](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.2)).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum ReversePath {
    /// `<>`: nobody is to be told if delivery fails.
    Null,
    /// An address with a domain.
    Mailbox(Mailbox),
}

/// A recipient of a message ([RFC 5321 section
/// 4.1.1.3](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.3)).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum ForwardPath {
    /// `<Postmaster>`, the one address that needs no domain.
    Postmaster,
    /// An address with a domain.
    Mailbox(Mailbox),
    /// A user of the server, as `<root>`: only a lenient server reads it.
    Local(LocalPart),
}

impl ReversePath {
    /// The address, if there is one.
    #[inline]
    #[must_use]
    pub const fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Null => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }

    /// A copy that keeps no receive buffer alive.
    #[must_use]
    pub fn compact(&self) -> Self {
        match self {
            Self::Null => Self::Null,
            Self::Mailbox(mailbox) => Self::Mailbox(mailbox.compact()),
        }
    }

    /// Appends the path with its brackets.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        write_path(self.mailbox().map_or(b"", Mailbox::as_bytes), out);
    }

    /// ```abnf
    /// Reverse-path = Path / "<>"
    /// ```
    #[inline]
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        if cursor.peek() == Some(b'<') && cursor.peek_at(1) == Some(b'>') {
            cursor.skip(2);
            return Ok(Self::Null);
        }
        read_path(cursor, Mailbox::read).map(Self::Mailbox)
    }
}

impl ForwardPath {
    /// The address, if it has a domain.
    #[inline]
    #[must_use]
    pub const fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Postmaster | Self::Local(_) => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }

    /// A copy that keeps no receive buffer alive.
    #[must_use]
    pub fn compact(&self) -> Self {
        match self {
            Self::Postmaster => Self::Postmaster,
            Self::Mailbox(mailbox) => Self::Mailbox(mailbox.compact()),
            Self::Local(local_part) => Self::Local(local_part.compact()),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Postmaster => b"Postmaster",
            Self::Mailbox(mailbox) => mailbox.as_bytes(),
            Self::Local(local_part) => local_part.as_bytes(),
        }
    }

    /// Appends the path with its brackets.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        write_path(self.as_bytes(), out);
    }

    /// ```abnf
    /// rcpt-path = "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path
    /// Forward-path = Path
    /// ```
    #[inline]
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        read_path(cursor, |cursor| {
            if matches!(cursor.peek(), Some(b'p' | b'P')) {
                let rest = cursor.rest();
                let name = rest.get(..10).unwrap_or_default();
                if name.eq_ignore_ascii_case(b"postmaster")
                    && matches!(rest.get(10), None | Some(b'>' | b' '))
                {
                    cursor.skip(10);
                    return Ok(Self::Postmaster);
                }
            }
            let start = cursor.mark();
            match Mailbox::read(cursor) {
                Ok(mailbox) => Ok(Self::Mailbox(mailbox)),
                Err(error) => local(cursor, start, error).map(Self::Local),
            }
        })
    }
}

/// What is no address may be a local part alone, which scripts send to the host that they run on.
#[cold]
fn local(cursor: &mut Cursor<'_>, start: Mark, error: ParseError) -> Result<LocalPart, ParseError> {
    cursor.reset(start);
    LocalPart::read(cursor).map_err(|_| error)
}

#[inline]
fn write_path(address: &[u8], out: &mut Vec<u8>) {
    out.push(b'<');
    out.extend_from_slice(address);
    out.push(b'>');
}

/// ```abnf
/// Path      = "<" [ A-d-l ":" ] Mailbox ">"
/// A-d-l     = At-domain *( "," At-domain )    ; MUST be accepted, SHOULD be ignored
/// At-domain = "@" Domain
/// ```
///
/// Devices leave the brackets out, and some programs put spaces into them.
// MAIL and RCPT have it once each: a call, and what it hands over, is 5 % of them (smtp/command-mail).
#[inline(always)]
fn read_path<T>(
    cursor: &mut Cursor<'_>,
    address: impl FnOnce(&mut Cursor<'_>) -> Result<T, ParseError>,
) -> Result<T, ParseError> {
    if !cursor.eat(b'<') {
        if matches!(cursor.peek(), None | Some(b' ')) {
            return Err(cursor.error("expected <"));
        }
        cursor.deviate(deviation::MISSING_ANGLE_BRACKETS)?;
        return address(cursor);
    }
    spaces(cursor)?;
    if cursor.peek() == Some(b'@') {
        source_route(cursor)?;
    }
    let value = address(cursor)?;
    spaces(cursor)?;
    cursor.expect(b'>', "expected > after an address")?;
    Ok(value)
}

#[cold]
fn source_route(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    // No error in the strict dialect either.
    if cursor.dialect() == Dialect::Lenient {
        cursor.deviate(deviation::SOURCE_ROUTE)?;
    }
    loop {
        cursor.expect(b'@', "expected @ of a source route")?;
        read_domain(cursor, true)?;
        if !cursor.eat(b',') {
            break;
        }
    }
    cursor.expect(b':', "expected : after a source route")
}

#[inline(always)]
fn spaces(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    if cursor.peek() == Some(b' ') {
        cursor.deviate(deviation::SPACE_IN_PATH)?;
        cursor.take_while(|byte| byte == b' ');
    }
    Ok(())
}

from_variants!(ReversePath { Mailbox(Mailbox) });

from_variants!(ForwardPath { Mailbox(Mailbox) });

impl TryFrom<&str> for ForwardPath {
    type Error = Invalid;

    /// An address, or `postmaster` in any case.
    fn try_from(text: &str) -> Result<Self, Invalid> {
        if text.eq_ignore_ascii_case("postmaster") {
            Ok(Self::Postmaster)
        } else {
            Mailbox::try_from(text).map(Self::Mailbox)
        }
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.mailbox().map_or("", Mailbox::as_str))
    }
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("<Postmaster>"),
            Self::Mailbox(mailbox) => write!(f, "<{}>", mailbox.as_str()),
            Self::Local(local_part) => write!(f, "<{}>", local_part.as_str()),
        }
    }
}
