//! ETRN: a client asks that its mail be sent now, over a connection to it ([RFC
//! 1985](https://www.rfc-editor.org/rfc/rfc1985)).

use alloc::vec::Vec;

use mailwire_core::{Cursor, ParseError};

use crate::types::{Argument, Domain, read_domain};

/// What ETRN asks for ([RFC 1985 section 5](https://www.rfc-editor.org/rfc/rfc1985#section-5)).
///
/// # Examples
///
/// ```
/// use mailwire_smtp::{Command, extensions::etrn::Node};
///
/// let mut out = Vec::new();
/// Command::Etrn(Node::Subdomains("example.org".parse()?)).write(&mut out);
/// assert_eq!(out, b"ETRN @example.org\r\n");
/// # Ok::<(), mailwire_smtp::Invalid>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Node {
    /// The mail for a host.
    Host(Domain),
    /// `@`: the mail for a domain and all below it ([RFC 1985 section
    /// 5.3](https://www.rfc-editor.org/rfc/rfc1985#section-5.3)).
    Subdomains(Domain),
    /// `#`: a queue, by the name that the server has for it.
    Queue(Argument),
}

impl Node {
    /// ```abnf
    /// etrn   = "ETRN" SP [option] node-name CRLF
    /// option = "@" / "#"
    /// ```
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        if cursor.eat(b'#') {
            return Argument::read(cursor).map(Self::Queue);
        }
        let subdomains = cursor.eat(b'@');
        let domain = read_domain(cursor)?;
        Ok(if subdomains { Self::Subdomains(domain) } else { Self::Host(domain) })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Host(domain) => out.extend_from_slice(domain.as_bytes()),
            Self::Subdomains(domain) => {
                out.push(b'@');
                out.extend_from_slice(domain.as_bytes());
            }
            Self::Queue(queue) => {
                out.push(b'#');
                out.extend_from_slice(queue.as_bytes());
            }
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Node {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match u.int_in_range(0..=2)? {
            0 => Self::Host(u.arbitrary()?),
            1 => Self::Subdomains(u.arbitrary()?),
            _ => Self::Queue(u.arbitrary()?),
        })
    }
}
