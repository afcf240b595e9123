//! What a server offers: the lines of its reply to EHLO.

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{Cursor, Dialect, ParseError, Parsed, Text};

use crate::{
    Reply, ReplyCode,
    command::put_number,
    reply::write_line,
    types::{Keyword, Mechanism},
};

/// One extension that a server offers (RFC 5321 section 4.1.1.1).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Capability {
    /// Commands in groups (RFC 2920).
    Pipelining,
    /// The largest message, if it is told (RFC 1870).
    Size(Option<u64>),
    /// Bodies with bytes beyond ASCII (RFC 6152).
    EightBitMime,
    /// Internationalized addresses (RFC 6531).
    SmtpUtf8,
    /// Enhanced status codes (RFC 2034).
    EnhancedStatusCodes,
    /// TLS (RFC 3207).
    StartTls,
    /// SASL, with its mechanisms (RFC 4954).
    Auth(Vec<Mechanism>),
    /// VRFY.
    Vrfy,
    /// EXPN.
    Expn,
    /// HELP.
    Help,
    /// An extension that this crate does not know: BDAT's CHUNKING, DSN, X-EXPS.
    Other {
        /// Its keyword.
        keyword: Keyword,
        /// What stands behind it.
        parameters: Text,
    },
}

/// All that a server offers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Capabilities {
    list: Vec<Capability>,
}

impl Capabilities {
    /// No extension, as after HELO.
    #[must_use]
    pub const fn new() -> Self {
        Self { list: Vec::new() }
    }

    /// All of them, in the server's order.
    pub fn iter(&self) -> core::slice::Iter<'_, Capability> {
        self.list.iter()
    }

    /// Adds one.
    pub fn push(&mut self, capability: Capability) {
        self.list.push(capability);
    }

    /// Whether exactly this is offered.
    #[must_use]
    pub fn has(&self, capability: &Capability) -> bool {
        self.list.contains(capability)
    }

    /// SIZE: `None` if it is not offered, `Some(None)` if without a limit (RFC 1870 section 4: 0
    /// says the same).
    #[must_use]
    pub fn size(&self) -> Option<Option<u64>> {
        self.list.iter().find_map(|capability| match capability {
            Capability::Size(size) => Some(size.filter(|&size| size > 0)),
            _ => None,
        })
    }

    /// The SASL mechanisms, if AUTH is offered.
    #[must_use]
    pub fn auth(&self) -> Option<&[Mechanism]> {
        self.list.iter().find_map(|capability| match capability {
            Capability::Auth(mechanisms) => Some(mechanisms.as_slice()),
            _ => None,
        })
    }

    /// What stands behind `keyword`, if this crate does not know it and it is offered.
    #[must_use]
    pub fn other(&self, keyword: &str) -> Option<&Text> {
        self.list.iter().find_map(|capability| match capability {
            Capability::Other { keyword: found, parameters }
                if found.as_bytes().eq_ignore_ascii_case(keyword.as_bytes()) =>
            {
                Some(parameters)
            }
            _ => None,
        })
    }

    /// Reads the reply to EHLO or LHLO, `frame` being all its lines. The first one is the server's
    /// name and no capability.
    ///
    /// In the lenient dialect a line that does not parse is left out, and reported.
    ///
    /// ```abnf
    /// ehlo-ok-rsp = ( "250" SP Domain [ SP ehlo-greet ] CRLF ) /
    ///               ( "250-" Domain [ SP ehlo-greet ] CRLF
    ///                 *( "250-" ehlo-line CRLF )
    ///                    "250" SP ehlo-line CRLF )
    /// ```
    ///
    /// # Errors
    ///
    /// In the strict dialect, a line that does not parse.
    pub fn parse(frame: &Bytes, dialect: Dialect) -> Result<Parsed<Self>, ParseError> {
        let mut cursor = Cursor::new(frame, dialect);
        let mut capabilities = Self { list: Vec::with_capacity(8) };
        skip_line(&mut cursor);
        while !cursor.is_at_end() {
            if matches!(cursor.peek(), Some(b'\r' | b'\n')) {
                skip_line(&mut cursor);
                continue;
            }
            cursor.skip(4);
            let start = cursor.offset();
            match line(&mut cursor) {
                Ok(capability) => capabilities.merge(capability),
                Err(error) if dialect == Dialect::Strict => return Err(error),
                Err(_) => {
                    cursor.rewind(start);
                    cursor.deviate("malformed-capability")?;
                }
            }
            skip_line(&mut cursor);
        }
        Ok(cursor.finish(capabilities))
    }

    /// What is said twice (`AUTH=PLAIN` and `AUTH PLAIN LOGIN`) is one.
    fn merge(&mut self, capability: Capability) {
        if let Capability::Auth(more) = capability {
            for known in &mut self.list {
                if let Capability::Auth(mechanisms) = known {
                    for mechanism in more {
                        if !mechanisms.contains(&mechanism) {
                            mechanisms.push(mechanism);
                        }
                    }
                    return;
                }
            }
            self.list.push(Capability::Auth(more));
        } else {
            self.list.push(capability);
        }
    }

    /// Appends the reply to EHLO: the server's greeting line, then one line for each.
    pub(crate) fn write_reply(&self, greeting: &[u8], out: &mut Vec<u8>) {
        write_line(ReplyCode::OK, None, greeting, self.list.is_empty(), out);
        let mut left = self.list.len();
        for capability in &self.list {
            left -= 1;
            out.extend_from_slice(if left == 0 { b"250 " } else { b"250-" });
            capability.write(out);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// The reply to EHLO that offers these, for programs that write it themselves.
    #[must_use]
    pub fn to_reply(&self, greeting: &str) -> Reply {
        self.list.iter().fold(Reply::new(ReplyCode::OK, greeting), |reply, capability| {
            let mut line = Vec::new();
            capability.write(&mut line);
            reply.with_line(core::str::from_utf8(&line).unwrap_or_default())
        })
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(list: I) -> Self {
        Self { list: list.into_iter().collect() }
    }
}

impl<'a> IntoIterator for &'a Capabilities {
    type Item = &'a Capability;
    type IntoIter = core::slice::Iter<'a, Capability>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn skip_line(cursor: &mut Cursor<'_>) {
    let rest = cursor.rest();
    cursor.skip(memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1));
}

/// ```abnf
/// ehlo-line    = ehlo-keyword *( SP ehlo-param )
/// ehlo-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
/// ehlo-param   = 1*(%d33-126)
/// ```
fn line(cursor: &mut Cursor<'_>) -> Result<Capability, ParseError> {
    let start = cursor.offset();
    let word = Keyword::skip(cursor);
    let plain = |name: &[u8]| word.eq_ignore_ascii_case(name);
    let capability = match word.len() {
        10 if plain(b"PIPELINING") => Capability::Pipelining,
        8 if plain(b"8BITMIME") => Capability::EightBitMime,
        8 if plain(b"SMTPUTF8") => Capability::SmtpUtf8,
        19 if plain(b"ENHANCEDSTATUSCODES") => Capability::EnhancedStatusCodes,
        8 if plain(b"STARTTLS") => Capability::StartTls,
        4 if plain(b"VRFY") => Capability::Vrfy,
        4 if plain(b"EXPN") => Capability::Expn,
        4 if plain(b"HELP") => Capability::Help,
        4 if plain(b"SIZE") => return size(cursor),
        4 if plain(b"AUTH") => return auth(cursor),
        _ => {
            let keyword = Keyword::from_start(cursor, start)?;
            let parameters = parameters(cursor)?;
            return Ok(Capability::Other { keyword, parameters });
        }
    };
    // SMTPUTF8 and others may get parameters one day, which are to be ignored (RFC 6531 section 3.1).
    parameters(cursor)?;
    Ok(capability)
}

/// ```abnf
/// size-line = "SIZE" [ SP 1*20DIGIT ]     ; RFC 1870 section 3
/// ```
fn size(cursor: &mut Cursor<'_>) -> Result<Capability, ParseError> {
    let size = if cursor.peek() == Some(b' ') && cursor.peek_at(1).is_some_and(|byte| byte.is_ascii_digit()) {
        cursor.skip(1);
        Some(cursor.number_u64()?)
    } else {
        None
    };
    parameters(cursor)?;
    Ok(Capability::Size(size))
}

/// ```abnf
/// auth-line = "AUTH" *( SP sasl-mech )
/// ```
///
/// `AUTH=PLAIN LOGIN` is of the time before RFC 2554, for clients of that time.
fn auth(cursor: &mut Cursor<'_>) -> Result<Capability, ParseError> {
    let mut mechanisms = Vec::new();
    if cursor.peek() == Some(b'=') {
        cursor.deviate("equals-sign-behind-auth")?;
        cursor.skip(1);
        mechanisms.push(Mechanism::read(cursor)?);
    }
    loop {
        let start = cursor.offset();
        let spaces = cursor.take_while(|byte| byte == b' ').len();
        if matches!(cursor.peek(), None | Some(b'\r' | b'\n')) {
            trailing_space(cursor, start, spaces)?;
            return Ok(Capability::Auth(mechanisms));
        }
        if spaces == 0 {
            return Err(cursor.error("expected a space"));
        }
        if spaces > 1 {
            cursor.deviate_at(start.saturating_add(1), "extra-space")?;
        }
        let mechanism = Mechanism::read(cursor)?;
        if !mechanisms.contains(&mechanism) {
            mechanisms.push(mechanism);
        }
    }
}

fn trailing_space(cursor: &mut Cursor<'_>, start: usize, spaces: usize) -> Result<(), ParseError> {
    if spaces > 0 { cursor.deviate_at(start, "space-before-line-end") } else { Ok(()) }
}

/// The parameters of a line, without the space before them.
fn parameters(cursor: &mut Cursor<'_>) -> Result<Text, ParseError> {
    let start = cursor.offset();
    let separator = match cursor.peek() {
        None | Some(b'\r' | b'\n') => return Ok(Text::new()),
        Some(b' ') => 1,
        Some(b'=') => {
            cursor.deviate("equals-sign-behind-keyword")?;
            1
        }
        _ => return Err(cursor.error("expected a space")),
    };
    cursor.skip(separator);
    let begin = cursor.offset();
    let text = cursor.take_while(|byte| !matches!(byte, b'\r' | b'\n'));
    let spaces = text.iter().rev().take_while(|&&byte| byte == b' ').count();
    if text.is_empty() {
        trailing_space(cursor, start, 1)?;
        return Ok(Text::new());
    }
    let end = begin.saturating_add(text.len()).saturating_sub(spaces);
    trailing_space(cursor, end, spaces)?;
    if let Some(at) = text.iter().position(|byte| !matches!(byte, b' '..=126)) {
        cursor.deviate_at(begin.saturating_add(at), "unprintable-capability")?;
    }
    Ok(Text::from(cursor.slice(begin, end)))
}

impl Capability {
    /// Appends the line without code and line end.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Pipelining => out.extend_from_slice(b"PIPELINING"),
            Self::Size(size) => {
                out.extend_from_slice(b"SIZE");
                if let Some(size) = size {
                    out.push(b' ');
                    put_number(*size, out);
                }
            }
            Self::EightBitMime => out.extend_from_slice(b"8BITMIME"),
            Self::SmtpUtf8 => out.extend_from_slice(b"SMTPUTF8"),
            Self::EnhancedStatusCodes => out.extend_from_slice(b"ENHANCEDSTATUSCODES"),
            Self::StartTls => out.extend_from_slice(b"STARTTLS"),
            Self::Vrfy => out.extend_from_slice(b"VRFY"),
            Self::Expn => out.extend_from_slice(b"EXPN"),
            Self::Help => out.extend_from_slice(b"HELP"),
            Self::Auth(mechanisms) => {
                out.extend_from_slice(b"AUTH");
                for mechanism in mechanisms {
                    out.push(b' ');
                    out.extend_from_slice(mechanism.as_bytes());
                }
            }
            Self::Other { keyword, parameters } => {
                out.extend_from_slice(keyword.as_bytes());
                if !parameters.is_empty() {
                    out.push(b' ');
                    // What a program puts here is not checked when it is built.
                    out.extend(
                        parameters
                            .as_bytes()
                            .iter()
                            .map(|&byte| if matches!(byte, b' '..=126) { byte } else { b'?' }),
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(frame: &'static str) -> Parsed<Capabilities> {
        Capabilities::parse(&Bytes::from_static(frame.as_bytes()), Dialect::Lenient).unwrap()
    }

    #[test]
    fn both_forms_of_auth_are_one() {
        let parsed = parse("250-mx.example.org\r\n250-AUTH=PLAIN LOGIN\r\n250 AUTH PLAIN LOGIN\r\n");
        assert_eq!(parsed.value.auth().unwrap(), [Mechanism::PLAIN, Mechanism::LOGIN]);
        assert_eq!((parsed.deviations[0].name, parsed.deviations[0].offset), ("equals-sign-behind-auth", 28));
        assert_eq!(parsed.deviations.len(), 1);
    }

    #[test]
    fn unknown_keywords_are_kept() {
        let parsed = parse("250-mx.example.org\r\n250-X-EXPS GSSAPI NTLM\r\n250 SIZE 37748736\r\n");
        assert_eq!(parsed.value.other("x-exps").unwrap(), &"GSSAPI NTLM");
        assert_eq!(parsed.value.size(), Some(Some(37_748_736)));
        assert!(parsed.deviations.is_empty());
    }

    #[test]
    fn a_bad_line_costs_that_line() {
        let parsed = parse("250-mx\r\n250-\x01\r\n250-SIZE 99999999999999999999999\r\n250 PIPELINING \r\n");
        assert_eq!(parsed.value.iter().collect::<Vec<_>>(), [&Capability::Pipelining]);
        assert_eq!(
            parsed.deviations.iter().map(|deviation| deviation.name).collect::<Vec<_>>(),
            ["malformed-capability", "malformed-capability", "space-before-line-end"]
        );
    }
}
