//! BURL: a message, or a part of one, that a submission server fetches from somewhere else ([RFC
//! 4468](https://www.rfc-editor.org/rfc/rfc4468)).
//!
//! # Examples
//!
//! ```
//! use mailwire_smtp::{Command, extensions::burl::{Burl, MessageUrl}};
//!
//! let url = MessageUrl::new("imap://harry@imap.example.com/outbox/;uid=25;urlauth=submit+harry:internal:91354a47")?;
//! let mut out = Vec::new();
//! Command::Burl(Burl::new(url)).write(&mut out);
//! assert!(out.starts_with(b"BURL imap://harry@imap.example.com/outbox/;uid=25") && out.ends_with(b" LAST\r\n"));
//! # Ok::<(), mailwire_smtp::Invalid>(())
//! ```

use alloc::vec::Vec;

use mailwire_core::{Cursor, Invalid, ParseError, Text, setters, text_newtype};

use super::Offered;

text_newtype! {
    /// Where a message is: a URL, mostly of IMAP with an authorization in it ([RFC
    /// 4467](https://www.rfc-editor.org/rfc/rfc4467)), which lets whoever has it read that message. What it says is not
    /// looked into, but for its scheme and host.
    pub struct MessageUrl: str;
}

impl MessageUrl {
    /// Makes a URL of a text.
    ///
    /// # Errors
    ///
    /// It has no scheme, or a character that cannot stand in a URL without a fragment ([RFC 3986 section
    /// 4.3](https://www.rfc-editor.org/rfc/rfc3986#section-4.3)).
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        match check(text.as_bytes()) {
            Ok(()) => Ok(Self::unchecked(text)),
            Err((offset, reason)) => Err(Invalid::new("URL of a message", offset, reason)),
        }
    }

    /// The scheme, as it is written: `imap`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.as_str().split(':').next().unwrap_or_default()
    }

    /// The host, with its port if that is told; empty where the URL names none.
    #[must_use]
    pub fn host(&self) -> &str {
        let rest = self.as_str().split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        authority.rsplit('@').next().unwrap_or_default()
    }
}

/// ```abnf
/// absolute-URI = scheme ":" hier-part [ "?" query ]           ; RFC 3986 section 4.3
/// scheme       = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
/// ```
fn check(text: &[u8]) -> Result<(), (usize, &'static str)> {
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let colon = text.iter().position(|byte| !is_scheme(*byte)).unwrap_or(text.len());
    if !text.first().is_some_and(u8::is_ascii_alphabetic) || text.get(colon) != Some(&b':') {
        return Err((colon, "expected a scheme and a colon"));
    }
    match text.iter().position(|byte| !is_url(*byte)) {
        Some(at) => Err((at, "a character that cannot stand in a URL")),
        None if text.len() == colon.saturating_add(1) => Err((text.len(), "nothing after the scheme")),
        None => Ok(()),
    }
}

const fn is_url(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// The command BURL: what a URL leads to is the message, or a part of it ([RFC 4468 section
/// 3.2](https://www.rfc-editor.org/rfc/rfc4468#section-3.2)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Burl {
    /// Where it is.
    pub url: MessageUrl,
    /// `LAST`: the message ends with it. True by default; otherwise other parts follow, by BURL or BDAT, which needs
    /// CHUNKING.
    pub last: bool,
}

impl Burl {
    /// The message, or the last part of it.
    #[must_use]
    pub const fn new(url: MessageUrl) -> Self {
        Self { url, last: true }
    }

    /// A copy that keeps no receive buffer alive.
    #[must_use]
    pub fn compact(&self) -> Self {
        Self { url: self.url.compact(), last: self.last }
    }

    /// Reads the URL; the mark of the end is like that of BDAT.
    pub(crate) fn read_url(cursor: &mut Cursor<'_>) -> Result<MessageUrl, ParseError> {
        let start = cursor.offset();
        let url = cursor.take_while(|byte| byte > b' ' && byte != 127);
        check(url).map_err(|(at, reason)| ParseError::new(start.saturating_add(at), reason))?;
        Ok(MessageUrl::unchecked(cursor.text_from(start)))
    }

    /// ```abnf
    /// burl-cmd   = "BURL" SP absolute-URI [SP end-marker] CRLF   ; RFC 4468 section 3.5
    /// end-marker = "LAST"
    /// ```
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.url.as_bytes());
        if self.last {
            out.extend_from_slice(b" LAST");
        }
    }
}

setters!(Burl {
    with_last(last: bool),
});

text_newtype! {
    /// What a server says after BURL: from where it fetches messages ([RFC 4468 section
    /// 3.3](https://www.rfc-editor.org/rfc/rfc4468#section-3.3)). Nothing, where who asks has to log in first.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_smtp::extensions::burl::{MessageUrl, UrlSources};
    ///
    /// let sources = UrlSources::new("imap imap://imap.example.com")?;
    /// assert!(sources.permits(&MessageUrl::new("imap://a@imap.example.org/x/;uid=1;urlauth=submit+a:internal:9")?));
    /// assert!(!UrlSources::default().permits(&MessageUrl::new("imap://a@imap.example.org/x/;uid=1")?));
    /// # Ok::<(), mailwire_smtp::Invalid>(())
    /// ```
    pub struct UrlSources: str;
}

impl UrlSources {
    /// Makes what is said of words with a space between two of them: `imap` for URLs with an authorization,
    /// `imap://` and a host for a server that trusts this one.
    ///
    /// # Errors
    ///
    /// A character that is not printable ASCII; a space at an end, or two in a row.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        let wrong = |offset| Invalid::new("sources of messages", offset, "expected words");
        let bytes = text.as_bytes();
        if let Some(at) = bytes.iter().position(|byte| !matches!(byte, b' '..=b'~')) {
            return Err(wrong(at));
        }
        match !bytes.is_empty() && bytes.split(|byte| *byte == b' ').any(<[u8]>::is_empty) {
            true => Err(wrong(0)),
            false => Ok(Self::unchecked(text)),
        }
    }

    /// Each word.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.as_str().split(' ').filter(|word| !word.is_empty())
    }

    /// Whether the server would fetch from there: with `imap` whatever is authorized in the URL itself, otherwise from hosts
    /// that trust it.
    #[must_use]
    pub fn permits(&self, url: &MessageUrl) -> bool {
        let authorized = url.as_str().to_ascii_lowercase().contains(";urlauth=");
        self.iter().any(|word| match word.split_once("://") {
            Some((scheme, host)) => {
                scheme.eq_ignore_ascii_case(url.scheme()) && host.eq_ignore_ascii_case(url.host())
            }
            None => word.eq_ignore_ascii_case(url.scheme()) && authorized,
        })
    }
}

impl Default for UrlSources {
    fn default() -> Self {
        Self::unchecked(Text::default())
    }
}

impl Offered for UrlSources {
    fn put(&self, out: &mut Vec<u8>) {
        if !self.as_bytes().is_empty() {
            out.push(b' ');
            out.extend_from_slice(self.as_bytes());
        }
    }
}

#[cfg(feature = "extensions")]
mod grammar {
    use mailwire_core::grammar::{Expected, Grammar};
    use nom::{Parser, bytes::complete::take_while};

    use super::{super::read::ReadOffered, UrlSources};

    impl ReadOffered for UrlSources {
        /// ```abnf
        /// burl-param = "imap" / ("imap://" authority)   ; words with a space between two; others are passed over
        /// ```
        fn grammar<'a>() -> impl Grammar<'a, Self> {
            move |input: &'a [u8]| {
                let printable = |byte: u8| matches!(byte, b' '..=b'~');
                let (rest, words) = take_while::<_, &[u8], Expected<'a>>(printable).parse_complete(input)?;
                let unfit = |_| nom::Err::Error(Expected { rest: input, reason: "expected words" });
                Ok((rest, Self::new(words.trim_ascii_end()).map_err(unfit)?))
            }
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Burl {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let url = *u.choose(&[
            "imap://a@b.example/c/;uid=1;urlauth=submit+a:internal:0",
            "imap://b.example/c",
            "x:y",
        ])?;
        Ok(Self { url: MessageUrl::unchecked(Text::from_static(url)), last: u.arbitrary()? })
    }
}
