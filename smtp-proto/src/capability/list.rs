//! All that a server offers.

use alloc::{collections::BTreeSet, vec::Vec};
use core::fmt;

use bytes::Bytes;
use mailwire_core::{Cursor, Dialect, ParseError, Parsed, Text, sasl::Mechanism};

use super::{
    Capability, Extension, ExtensionSet, OtherCapability,
    line::{Line, Lines, next_line, skip_line},
};
use crate::{
    ParseContext, Reply, ReplyCode,
    extensions::{
        burl::UrlSources, deliver_by::DeliverByParam, find_offered, future_release::FutureRelease,
        limits::SessionLimits, read_offered,
    },
    reply::write_line,
    types::Keyword,
};

/// All that a server offers: the extensions of its reply to EHLO ([RFC 5321 section
/// 4.1.1.1](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.1)).
///
/// It is kept as the lines that were received, which [`iter`](Self::iter) reads again: so nothing is lost
/// of extensions that this crate does not know, and to receive it takes one slice. What is asked for
/// often is found in the same pass.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use mailwire_smtp::{Capabilities, Capability, Dialect};
///
/// let frame = Bytes::from_static(b"250-mx.example.org\r\n250-SIZE 1000000\r\n250-PIPELINING\r\n250 DSN");
/// let capabilities = Capabilities::parse(&frame, Dialect::Lenient)?.value;
/// assert!(capabilities.has(&Capability::Pipelining));
/// assert_eq!(capabilities.size_limit(), Some(1_000_000));
/// assert!(capabilities.has(&Capability::Dsn) && capabilities.other("X-EXPS").is_none());
/// # Ok::<(), mailwire_smtp::ParseError>(())
/// ```
#[derive(Clone, Default)]
pub struct Capabilities {
    /// Each with a code before it.
    lines: Bytes,
    offered: ExtensionSet,
    /// That of the first SIZE.
    size: Option<u64>,
    /// Whether the server has said what it offers.
    known: bool,
}

impl Capabilities {
    /// No extension, as long as the server has not said what it offers.
    #[must_use]
    pub const fn new() -> Self {
        Self { lines: Bytes::new(), offered: ExtensionSet::NONE, size: None, known: false }
    }

    /// Whether the server has said what it offers. With HELO it says that it offers nothing.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.known
    }

    /// The number of extensions.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether no extension is offered.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// All extensions, in the server's order. Mechanisms that are spread over several lines are told with
    /// the first.
    #[must_use]
    pub fn iter(&self) -> CapabilitiesIter<'_> {
        CapabilitiesIter {
            capabilities: self,
            lines: Lines::of(&self.lines),
            auth: self.offers(Extension::Auth),
        }
    }

    /// Adds an extension.
    #[inline]
    pub fn push(&mut self, capability: Capability) {
        self.extend([capability]);
    }

    /// Whether exactly this is offered, its parameters included.
    #[must_use]
    pub fn has(&self, capability: &Capability) -> bool {
        match Extension::of_value(capability) {
            Some(plain) if !plain.has_parameters() => self.offers(plain),
            _ => self.iter().any(|offered| offered == *capability),
        }
    }

    /// Whether an extension is offered, whatever its parameters.
    pub(crate) const fn offers(&self, extension: Extension) -> bool {
        self.offered.has(extension)
    }

    /// Whether SIZE is offered, so that MAIL may tell a message's size ([RFC 1870 section
    /// 3](https://www.rfc-editor.org/rfc/rfc1870#section-3)).
    #[must_use]
    pub const fn has_size(&self) -> bool {
        self.offers(Extension::Size)
    }

    /// The largest message in bytes that the server takes. `None` if it has not said: SIZE is not offered,
    /// or stands without a number or with 0 ([RFC 1870 section
    /// 4](https://www.rfc-editor.org/rfc/rfc1870#section-4)).
    #[must_use]
    pub fn size_limit(&self) -> Option<u64> {
        self.size.filter(|&size| size > 0)
    }

    /// The SASL mechanisms, if AUTH is offered, each once.
    #[must_use]
    pub fn auth(&self) -> Option<Vec<Mechanism>> {
        let mut seen = BTreeSet::new();
        let mut mechanisms = Vec::new();
        for line in Lines::of(&self.lines) {
            if let Line::Auth(names) = line {
                for name in names.split(|byte| matches!(byte, b' ' | b'=')).filter(|name| !name.is_empty()) {
                    if seen.insert(name.to_ascii_uppercase()) {
                        mechanisms.extend(Mechanism::new(Text::from(name)));
                    }
                }
            }
        }
        self.offers(Extension::Auth).then_some(mechanisms)
    }

    /// How much the server takes at once, if LIMITS is offered ([RFC 9422 section
    /// 4](https://www.rfc-editor.org/rfc/rfc9422#section-4)).
    #[must_use]
    pub fn limits(&self) -> Option<SessionLimits> {
        find_offered(self, Extension::Limits, |capability| match capability {
            Capability::Limits(limits) => Some(limits),
            _ => None,
        })
    }

    /// From where the server fetches messages, if BURL is offered ([RFC 4468 section
    /// 3.3](https://www.rfc-editor.org/rfc/rfc4468#section-3.3)).
    #[must_use]
    #[inline]
    pub fn burl(&self) -> Option<UrlSources> {
        find_offered(self, Extension::Burl, |capability| match capability {
            Capability::Burl(sources) => Some(sources),
            _ => None,
        })
    }

    /// How long messages can be held, if FUTURERELEASE is offered ([RFC 4865 section
    /// 3](https://www.rfc-editor.org/rfc/rfc4865#section-3)).
    #[must_use]
    #[inline]
    pub fn future_release(&self) -> Option<FutureRelease> {
        find_offered(self, Extension::FutureRelease, |capability| match capability {
            Capability::FutureRelease(offered) => Some(offered),
            _ => None,
        })
    }

    /// What is said of DELIVERBY, if it is offered ([RFC 2852 section
    /// 2](https://www.rfc-editor.org/rfc/rfc2852#section-2)).
    #[must_use]
    #[inline]
    pub fn deliver_by(&self) -> Option<DeliverByParam> {
        find_offered(self, Extension::DeliverBy, |capability| match capability {
            Capability::DeliverBy(offered) => Some(offered),
            _ => None,
        })
    }

    /// The parameters of the extension called `keyword`, if this crate does not know it and it is offered.
    #[must_use]
    #[inline]
    pub fn other(&self, keyword: &str) -> Option<Text> {
        Lines::of(&self.lines).find_map(|line| match line {
            Line::Other { keyword: found, parameters } if found.eq_ignore_ascii_case(keyword.as_bytes()) => {
                Some(Text::from(parameters))
            }
            _ => None,
        })
    }

    /// Reads the reply to EHLO or LHLO, `frame` being all its lines without the last line end. The
    /// first one is the server's name and no capability.
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
    pub fn parse(frame: &Bytes, context: impl Into<ParseContext>) -> Result<Parsed<Self>, ParseError> {
        Self::parse_in(frame, context.into())
    }

    fn parse_in(frame: &Bytes, context: ParseContext) -> Result<Parsed<Self>, ParseError> {
        let mut cursor = Cursor::new(frame, context.dialect);
        skip_line(&mut cursor);
        let capabilities = Self::read(&mut cursor)?;
        Ok(cursor.finish(capabilities))
    }

    /// All lines that are left.
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, ParseError> {
        let start = cursor.offset();
        let (mut offered, mut size) = (ExtensionSet::NONE, None);
        while let Some(line) = next_line(cursor)? {
            match line {
                Line::Plain(found) | Line::Valued(found, _) => offered = offered.with(found),
                Line::Size(found) => {
                    if !offered.has(Extension::Size) {
                        size = found;
                    }
                    offered = offered.with(Extension::Size);
                }
                Line::Auth(_) => offered = offered.with(Extension::Auth),
                Line::Other { .. } => {}
            }
        }
        Ok(Self { lines: cursor.slice(start, cursor.offset()), offered, size, known: true })
    }

    /// How much longer than 512 bytes a line can be with the parameters of what is offered.
    pub(crate) fn line_growth(&self) -> usize {
        self.offered.map(Extension::line_growth).sum()
    }

    /// A copy that keeps no receive buffer alive.
    #[must_use]
    pub fn compact(&self) -> Self {
        Self { lines: Bytes::copy_from_slice(&self.lines), ..*self }
    }

    /// Appends the reply to EHLO: the server's greeting line, then one line for each.
    pub(crate) fn write_reply(&self, greeting: &[u8], out: &mut Vec<u8>) {
        let mut capabilities = self.iter().peekable();
        write_line(ReplyCode::OK, None, greeting, capabilities.peek().is_none(), out);
        while let Some(capability) = capabilities.next() {
            out.extend_from_slice(if capabilities.peek().is_none() { b"250 " } else { b"250-" });
            capability.write(out);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// The reply to EHLO that offers these, for programs that write it themselves.
    #[must_use]
    #[inline]
    pub fn to_reply(&self, greeting: &str) -> Reply {
        self.iter().fold(Reply::new(ReplyCode::OK, greeting), |reply, capability| {
            let mut line = Vec::new();
            capability.write(&mut line);
            reply.with_line(core::str::from_utf8(&line).unwrap_or_default())
        })
    }
}

/// The capabilities of a server, each read when it is asked for.
#[derive(Debug)]
pub struct CapabilitiesIter<'a> {
    capabilities: &'a Capabilities,
    lines: Lines<'a>,
    /// Whether AUTH is still to come.
    auth: bool,
}

impl Iterator for CapabilitiesIter<'_> {
    type Item = Capability;

    fn next(&mut self) -> Option<Capability> {
        loop {
            match self.lines.next()? {
                Line::Plain(extension) => return extension.plain(),
                Line::Valued(extension, parameters) => return read_offered(extension, parameters)?.ok(),
                Line::Size(size) => return Some(Capability::Size(size)),
                Line::Auth(_) if !core::mem::take(&mut self.auth) => {}
                Line::Auth(_) => return self.capabilities.auth().map(Capability::Auth),
                Line::Other { keyword, parameters } => {
                    return Some(Capability::Other(OtherCapability {
                        keyword: Keyword::unchecked(Text::from(keyword)),
                        parameters: Text::from(parameters),
                    }));
                }
            }
        }
    }
}

impl Extend<Capability> for Capabilities {
    fn extend<I: IntoIterator<Item = Capability>>(&mut self, list: I) {
        let mut lines = Vec::from(core::mem::take(&mut self.lines));
        for capability in list {
            lines.extend_from_slice(if lines.is_empty() { &b"250-"[..] } else { b"\r\n250-" });
            capability.write(&mut lines);
        }
        let lines = Bytes::from(lines);
        // A lenient reader leaves out what does not parse.
        *self = Self::read(&mut Cursor::new(&lines, Dialect::Lenient)).unwrap_or_default();
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(list: I) -> Self {
        let mut capabilities = Self::new();
        capabilities.extend(list);
        capabilities
    }
}

impl PartialEq for Capabilities {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl Eq for Capabilities {}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Capabilities {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = serializer.serialize_struct("Capabilities", 1)?;
        fields.serialize_field("list", &self.iter().collect::<Vec<_>>())?;
        fields.end()
    }
}

impl<'a> IntoIterator for &'a Capabilities {
    type Item = Capability;
    type IntoIter = CapabilitiesIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn parse(frame: &'static str) -> Parsed<Capabilities> {
        Capabilities::parse(&Bytes::from_static(frame.as_bytes()), Dialect::Lenient).unwrap()
    }

    #[test]
    fn both_forms_of_auth_are_one() {
        let parsed = parse("250-mx.example.org\r\n250-AUTH=PLAIN LOGIN\r\n250 AUTH PLAIN LOGIN");
        assert_eq!(parsed.value.auth().unwrap(), [Mechanism::Plain, Mechanism::Login]);
        assert_eq!((parsed.deviations[0].name, parsed.deviations[0].offset), ("equals-sign-for-space", 28));
        assert_eq!(parsed.deviations.len(), 1);
    }

    #[test]
    fn made_and_received_are_alike() {
        let other = |keyword: &str, parameters: &str| {
            let other = OtherCapability::new(keyword.parse().unwrap()).unwrap();
            Capability::Other(other.with_parameters(parameters).unwrap())
        };
        let list = [
            other("X-DSN", ""),
            Capability::Size(Some(0)),
            Capability::Auth(alloc::vec![Mechanism::Login, Mechanism::Plain]),
            Capability::Help,
            other("X-LONG", "parameters of more than a few bytes"),
            Capability::Size(Some(5)),
        ];
        let made: Capabilities = list.iter().cloned().collect();
        let mut pushed = Capabilities::new();
        list.iter().for_each(|capability| pushed.push(capability.clone()));
        let received = parse(
            "250-mx\r\n250-X-DSN\r\n250-size 0\r\n250-AUTH LOGIN\r\n\r\n250-HELP me\r\n250-AUTH=plain login\r\n\
             250-X-LONG parameters of more than a few bytes\r\n250-SIZE 5",
        )
        .value;
        for capabilities in [&made, &pushed, &received, &received.compact()] {
            assert_eq!(capabilities, &made);
            assert!(capabilities.iter().eq(list.iter().cloned()), "{capabilities:?}");
            assert!(list.iter().all(|capability| capabilities.has(capability)));
            assert!(!capabilities.has(&Capability::Vrfy) && !capabilities.has(&Capability::Size(None)));
            assert!(capabilities.has_size());
            assert_eq!((capabilities.size_limit(), capabilities.auth().unwrap().len()), (None, 2));
            assert_eq!(capabilities.other("x-long").unwrap(), "parameters of more than a few bytes");
            assert_eq!((capabilities.other("x-dsn").unwrap().len(), capabilities.other("HELP")), (0, None));
        }
        let mut out = Vec::new();
        received.write_reply(b"mx", &mut out);
        assert_eq!(
            out.escape_ascii().to_string(),
            "250-mx\\r\\n250-X-DSN\\r\\n250-SIZE 0\\r\\n250-AUTH LOGIN PLAIN\\r\\n250-HELP\\r\\n\
             250-X-LONG parameters of more than a few bytes\\r\\n250 SIZE 5\\r\\n"
        );
        assert_ne!(made, Capabilities::new());
        assert_eq!(Capabilities::new().auth(), None);
        out.clear();
        Capabilities::new().write_reply(b"mx", &mut out);
        assert_eq!(out, b"250 mx\r\n");
    }

    #[test]
    fn unknown_keywords_are_kept() {
        let parsed = parse("250-mx.example.org\r\n250-X-EXPS GSSAPI NTLM\r\n250 SIZE 37748736");
        assert_eq!(parsed.value.other("x-exps").unwrap(), "GSSAPI NTLM");
        assert_eq!(parsed.value.size_limit(), Some(37_748_736));
        assert!(parsed.deviations.is_empty());
    }

    #[test]
    fn a_bad_line_costs_that_line() {
        let parsed = parse("250-mx\r\n250-\x01\r\n250-SIZE 99999999999999999999999\r\n250 PIPELINING ");
        assert_eq!(parsed.value.iter().collect::<Vec<_>>(), [Capability::Pipelining]);
        assert_eq!(
            parsed.deviations.iter().map(|deviation| deviation.name).collect::<Vec<_>>(),
            ["malformed-capability", "malformed-capability", "space-before-line-end"]
        );
    }
}
