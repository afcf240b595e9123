//! What a server says of URLs.

use alloc::{boxed::Box, vec::Vec};

use mailwire_core::{ParseError, Text, keywords};

use super::{super::some, UrlFetchParam};
use crate::{
    literal::Announcement,
    types::{
        BodyStructure, Data, ImapString, Reader, chars, read_astring, read_data, read_nstring, write_astring,
        write_nstring, write_string,
    },
};

// Types

/// What a server says of URLs.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum UrlAuthData {
    /// `GENURLAUTH`: URLs that are authorized.
    Generated(Vec<ImapString>),
    /// `URLFETCH`: what URLs name.
    Fetched(Vec<UrlFetched>),
}

/// What a URL names.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UrlFetched {
    /// The URL, as it was asked for.
    pub url: ImapString,
    /// What there is.
    pub content: UrlContent,
}

/// The content of a URL.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum UrlContent {
    /// `NIL`: the URL is not valid, whatever the reason.
    Nil,
    /// Its bytes.
    Bytes(ImapString),
    /// What was asked for with URLAUTH=BINARY.
    Items(Vec<UrlItem>),
}

/// One of the things that were asked for: `url-metadata-el`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum UrlItem {
    /// `BODYPARTSTRUCTURE`: what kind of content it is, as it is given.
    BodyPartStructure(Box<BodyStructure>),
    /// `BODY`: its bytes as they are.
    Body(Option<ImapString>),
    /// `BINARY`: its bytes without transfer encoding. `None`: that is not known.
    Binary(Option<Text>),
}

keywords! {
    enum Noun {
        GenUrlAuth = "GENURLAUTH",
        UrlFetch = "URLFETCH",
    }
}

impl UrlFetched {
    /// Tells what a URL names.
    #[must_use]
    pub const fn new(url: ImapString, content: UrlContent) -> Self {
        Self { url, content }
    }
}

impl UrlAuthData {
    /// Whether the grammar has a form for it.
    pub(crate) fn has_form(&self) -> bool {
        match self {
            Self::Generated(urls) => !urls.is_empty(),
            Self::Fetched(urls) => !urls.is_empty(),
        }
    }

    /// ```text
    /// genurlauth-data = "GENURLAUTH" 1*(SP url-full)
    /// urlfetch-data   = "URLFETCH" 1*(SP url-full (SP nstring / url-metadata))
    /// url-metadata    = 1*(SP "(" url-metadata-el ")")
    /// ```
    ///
    /// After the name. `None`: the name is not one of these.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        Some(match Noun::of(name)? {
            Noun::GenUrlAuth => some(r, read_astring).map(Self::Generated),
            Noun::UrlFetch => some(r, UrlFetched::read).map(Self::Fetched),
        })
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Generated(_) => Noun::GenUrlAuth.as_str(),
            Self::Fetched(_) => Noun::UrlFetch.as_str(),
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name().as_bytes());
        match self {
            Self::Generated(urls) => {
                for url in urls {
                    out.push(b' ');
                    write_astring(out, url.as_bytes());
                }
            }
            Self::Fetched(urls) => urls.iter().for_each(|url| url.write(out)),
        }
    }
}

impl UrlFetched {
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let url = read_astring(r)?;
        r.space()?;
        if r.peek() != Some(b'(') {
            let content = read_nstring(r)?.map_or(UrlContent::Nil, UrlContent::Bytes);
            return Ok(Self { url, content });
        }
        let mut items = Vec::new();
        loop {
            r.expect(b'(', "expected (")?;
            items.push(UrlItem::read(r)?);
            r.expect(b')', "expected )")?;
            if r.peek() != Some(b' ') || r.peek_at(1) != Some(b'(') {
                return Ok(Self { url, content: UrlContent::Items(items) });
            }
            r.space()?;
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b' ');
        write_astring(out, self.url.as_bytes());
        match &self.content {
            UrlContent::Bytes(bytes) => {
                out.push(b' ');
                write_string(out, bytes.as_bytes());
            }
            UrlContent::Items(items) if !items.is_empty() => {
                for item in items {
                    out.extend_from_slice(b" (");
                    item.write(out);
                    out.push(b')');
                }
            }
            _ => out.extend_from_slice(b" NIL"),
        }
    }
}

impl UrlItem {
    /// ```text
    /// url-metadata-el     = url-meta-bodystruct / url-meta-body / url-meta-binary
    /// url-meta-bodystruct = "BODYPARTSTRUCTURE" SP body
    /// url-meta-binary     = "BINARY" SP ( nstring / literal8 )
    /// url-meta-body       = "BODY" SP nstring
    /// ```
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        let name = r.text_class(chars::ATOM, "expected what was asked for")?;
        r.space()?;
        match UrlFetchParam::of(name) {
            UrlFetchParam::BodyPartStructure => {
                BodyStructure::read(r).map(|structure| Self::BodyPartStructure(structure.into()))
            }
            UrlFetchParam::Body => read_nstring(r).map(Self::Body),
            UrlFetchParam::Binary => match read_data(r)? {
                Data::Nil => Ok(Self::Binary(None)),
                Data::Inline(bytes) => Ok(Self::Binary(Some(bytes))),
                Data::Streamed { .. } => {
                    Err(ParseError::new(start, "the literal is too large for this value"))
                }
            },
            UrlFetchParam::Other(_) => Err(ParseError::new(start, "unknown content of a URL")),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::BodyPartStructure(structure) => {
                out.extend_from_slice(b"BODYPARTSTRUCTURE ");
                structure.write(out);
            }
            Self::Body(bytes) => {
                out.extend_from_slice(b"BODY ");
                write_nstring(out, bytes.as_ref());
            }
            Self::Binary(None) => out.extend_from_slice(b"BINARY NIL"),
            Self::Binary(Some(bytes)) => {
                out.extend_from_slice(b"BINARY ");
                if memchr::memchr(0, bytes.as_bytes()).is_some() {
                    Announcement::by_server(bytes.len() as u64, true).write(out);
                    out.extend_from_slice(bytes.as_bytes());
                } else {
                    write_string(out, bytes.as_bytes());
                }
            }
        }
    }
}

// Values for fuzzing

#[cfg(feature = "arbitrary")]
mod arbitrary {
    use ::arbitrary::{Arbitrary, Error, Result, Unstructured};

    use super::{UrlAuthData, UrlContent, UrlFetched, UrlItem};
    use crate::{
        command::arbitrary::{maybe, some, text},
        response::arbitrary::body,
        types::ImapString,
    };

    fn string(u: &mut Unstructured<'_>) -> Result<ImapString> {
        ImapString::new(text(u)?).map_err(|_| Error::IncorrectFormat)
    }

    impl<'a> Arbitrary<'a> for UrlAuthData {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            if u.arbitrary()? {
                return some(u, string).map(Self::Generated);
            }
            let item = |u: &mut Unstructured<'_>| {
                Ok(match u.int_in_range(0..=3)? {
                    0 => UrlItem::BodyPartStructure(body(u, true, 0)?.into()),
                    1 => UrlItem::Body(maybe(u, string)?),
                    2 => UrlItem::Binary(Some((&b"a\0b"[..]).into())),
                    _ => UrlItem::Binary(maybe(u, text)?.map(Into::into)),
                })
            };
            let content = |u: &mut Unstructured<'_>| {
                Ok(match u.int_in_range(0..=2)? {
                    0 => UrlContent::Nil,
                    1 => UrlContent::Bytes(string(u)?),
                    _ => UrlContent::Items(some(u, item)?),
                })
            };
            Ok(Self::Fetched(some(u, |u| Ok(UrlFetched { url: string(u)?, content: content(u)? }))?))
        }
    }
}
