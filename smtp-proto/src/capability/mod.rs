//! What a server offers: the lines of its reply to EHLO.

mod line;

use alloc::{collections::BTreeSet, vec::Vec};
use core::fmt;

use bytes::Bytes;
use mailwire_core::{
    Cursor, Dialect, Invalid, ParseError, Parsed, Text, keywords, private::check_text, sasl::Mechanism,
};

use self::line::{Line, Lines, next_line, skip_line};
use crate::{ParseContext, Reply, ReplyCode, command::put_number, reply::write_line, types::Keyword};

/// One extension that a server offers ([RFC 5321 section
/// 4.1.1.1](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.1)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Capability {
    /// PIPELINING: commands may come in groups ([RFC 2920 section
    /// 3](https://www.rfc-editor.org/rfc/rfc2920#section-3)).
    Pipelining,
    /// SIZE: the size of the largest message in bytes, if the server tells it ([RFC 1870 section
    /// 4](https://www.rfc-editor.org/rfc/rfc1870#section-4)).
    Size(Option<u64>),
    /// 8BITMIME: messages may have bytes beyond ASCII ([RFC 6152 section
    /// 2](https://www.rfc-editor.org/rfc/rfc6152#section-2)).
    EightBitMime,
    /// SMTPUTF8: addresses may have more than ASCII ([RFC 6531 section
    /// 3.1](https://www.rfc-editor.org/rfc/rfc6531#section-3.1)).
    SmtpUtf8,
    /// ENHANCEDSTATUSCODES: replies have enhanced status codes ([RFC 2034 section
    /// 3](https://www.rfc-editor.org/rfc/rfc2034#section-3)).
    EnhancedStatusCodes,
    /// STARTTLS: the server can do TLS ([RFC 3207 section
    /// 4](https://www.rfc-editor.org/rfc/rfc3207#section-4)).
    StartTls,
    /// AUTH: the client can log in, with these SASL mechanisms ([RFC 4954 section
    /// 3](https://www.rfc-editor.org/rfc/rfc4954#section-3)).
    Auth(Vec<Mechanism>),
    /// VRFY: users can be verified ([RFC 5321 section
    /// 3.5](https://www.rfc-editor.org/rfc/rfc5321#section-3.5)).
    Vrfy,
    /// EXPN: mailing lists can be expanded ([RFC 5321 section
    /// 3.5](https://www.rfc-editor.org/rfc/rfc5321#section-3.5)).
    Expn,
    /// HELP: help can be asked for ([RFC 5321 section
    /// 4.1.1.8](https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.8)).
    Help,
    /// An extension that this crate does not know: CHUNKING, DSN, X-EXPS.
    Other(OtherCapability),
}

/// An extension that this crate does not know, in [`Capability::Other`].
///
/// # Examples
///
/// ```
/// use mailwire_smtp::OtherCapability;
///
/// let limits = OtherCapability::new("LIMITS".parse()?)?.with_parameters("RCPTMAX=100")?;
/// assert_eq!((limits.keyword().as_str(), limits.parameters()), ("LIMITS", &"RCPTMAX=100".into()));
/// # Ok::<(), mailwire_smtp::Invalid>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OtherCapability {
    keyword: Keyword,
    parameters: Text,
}

impl OtherCapability {
    /// An extension without parameters.
    ///
    /// # Errors
    ///
    /// The keyword is one that this crate knows, which is a variant of [`Capability`].
    pub fn new(keyword: Keyword) -> Result<Self, Invalid> {
        match Extension::of(keyword.as_bytes()) {
            Some(_) => Err(Invalid::new("capability", 0, "an extension that is known by name")),
            None => Ok(Self { keyword, parameters: Text::default() }),
        }
    }

    /// Sets what follows the keyword and a space: words with a space between two of them.
    ///
    /// # Errors
    ///
    /// A byte that is not printable ASCII, a space at an end, or two in a row.
    pub fn with_parameters(self, parameters: impl Into<Text>) -> Result<Self, Invalid> {
        const WHAT: &str = "parameters of a capability";
        let parameters = parameters.into();
        let bytes = parameters.as_bytes();
        check_text(WHAT, bytes, 0..=usize::MAX, is_parameter, "not printable ASCII")?;
        let empty = bytes.split(|&byte| byte == b' ').any(<[u8]>::is_empty);
        if empty && !bytes.is_empty() {
            return Err(Invalid::new(WHAT, 0, "a space at an end, or two in a row"));
        }
        Ok(Self { parameters, ..self })
    }

    /// The keyword.
    #[must_use]
    pub const fn keyword(&self) -> &Keyword {
        &self.keyword
    }

    /// What follows the keyword and a space; empty if nothing does. What a peer sent can have any bytes but
    /// line ends.
    #[must_use]
    pub const fn parameters(&self) -> &Text {
        &self.parameters
    }
}

/// A byte of the parameters, or a space between them.
const fn is_parameter(byte: u8) -> bool {
    matches!(byte, b' '..=126)
}

keywords! {
    /// The extensions that are known here, by their keywords in the reply to EHLO.
    pub(crate) enum Extension of Capability except Other {
        Auth = "AUTH",
        EightBitMime = "8BITMIME",
        EnhancedStatusCodes = "ENHANCEDSTATUSCODES",
        Expn = "EXPN",
        Help = "HELP",
        Pipelining = "PIPELINING",
        Size = "SIZE",
        SmtpUtf8 = "SMTPUTF8",
        StartTls = "STARTTLS",
        Vrfy = "VRFY",
    }
}

impl Extension {
    const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// The capability without parameters.
    const fn plain(self) -> Capability {
        match self {
            Self::Pipelining => Capability::Pipelining,
            Self::Size => Capability::Size(None),
            Self::EightBitMime => Capability::EightBitMime,
            Self::SmtpUtf8 => Capability::SmtpUtf8,
            Self::EnhancedStatusCodes => Capability::EnhancedStatusCodes,
            Self::StartTls => Capability::StartTls,
            Self::Auth => Capability::Auth(Vec::new()),
            Self::Vrfy => Capability::Vrfy,
            Self::Expn => Capability::Expn,
            Self::Help => Capability::Help,
        }
    }
}

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
/// assert!(capabilities.other("dsn").is_some() && capabilities.other("CHUNKING").is_none());
/// # Ok::<(), mailwire_smtp::ParseError>(())
/// ```
#[derive(Clone, Default)]
pub struct Capabilities {
    /// Each with a code before it.
    lines: Bytes,
    /// A bit for each [`Extension`].
    offered: u16,
    /// That of the first SIZE.
    size: Option<u64>,
    /// Whether the server has said what it offers.
    known: bool,
}

impl Capabilities {
    /// No extension, as long as the server has not said what it offers.
    #[must_use]
    pub const fn new() -> Self {
        Self { lines: Bytes::new(), offered: 0, size: None, known: false }
    }

    /// Whether the server has said what it offers. With HELO it says that it offers nothing.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.known
    }

    /// The number of extensions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether no extension is offered.
    #[must_use]
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
    pub fn push(&mut self, capability: Capability) {
        self.extend([capability]);
    }

    /// Whether exactly this is offered, its parameters included.
    #[must_use]
    pub fn has(&self, capability: &Capability) -> bool {
        match (capability, Extension::of_value(capability)) {
            (Capability::Size(_) | Capability::Auth(_), _) | (_, None) => {
                self.iter().any(|offered| offered == *capability)
            }
            (_, Some(plain)) => self.offers(plain),
        }
    }

    /// Whether an extension is offered, whatever its parameters.
    pub(crate) const fn offers(&self, extension: Extension) -> bool {
        self.offered & extension.bit() != 0
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

    /// The parameters of the extension called `keyword`, if this crate does not know it and it is offered.
    #[must_use]
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
        let (mut offered, mut size) = (0, None);
        while let Some(line) = next_line(cursor)? {
            match line {
                Line::Plain(found) => offered |= found.bit(),
                Line::Size(found) => {
                    if offered & Extension::Size.bit() == 0 {
                        size = found;
                    }
                    offered |= Extension::Size.bit();
                }
                Line::Auth(_) => offered |= Extension::Auth.bit(),
                Line::Other { .. } => {}
            }
        }
        Ok(Self { lines: cursor.slice(start, cursor.offset()), offered, size, known: true })
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
                Line::Plain(plain) => return Some(plain.plain()),
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

impl Capability {
    /// Appends the line without code and line end.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Size(size) => {
                out.extend_from_slice(b"SIZE");
                if let Some(size) = size {
                    out.push(b' ');
                    put_number(*size, out);
                }
            }
            Self::Auth(mechanisms) => {
                out.extend_from_slice(b"AUTH");
                for mechanism in mechanisms {
                    out.push(b' ');
                    out.extend_from_slice(mechanism.as_bytes());
                }
            }
            Self::Other(OtherCapability { keyword, parameters }) => {
                out.extend_from_slice(keyword.as_bytes());
                if !parameters.is_empty() {
                    out.push(b' ');
                    // Those of a peer can have other bytes.
                    let written = |&byte| if is_parameter(byte) { byte } else { b'?' };
                    out.extend(parameters.as_bytes().iter().map(written));
                }
            }
            plain => {
                let name = Extension::of_value(plain).map_or("", Extension::as_str);
                out.extend_from_slice(name.as_bytes());
            }
        }
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
            other("DSN", ""),
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
            "250-mx\r\n250-DSN\r\n250-size 0\r\n250-AUTH LOGIN\r\n\r\n250-HELP me\r\n250-AUTH=plain login\r\n\
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
            assert_eq!((capabilities.other("dsn").unwrap().len(), capabilities.other("HELP")), (0, None));
        }
        let mut out = Vec::new();
        received.write_reply(b"mx", &mut out);
        assert_eq!(
            out.escape_ascii().to_string(),
            "250-mx\\r\\n250-DSN\\r\\n250-SIZE 0\\r\\n250-AUTH LOGIN PLAIN\\r\\n250-HELP\\r\\n\
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
