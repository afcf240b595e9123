//! What is asked about URLs.

use alloc::vec::Vec;

use mailwire_core::{ParseError, Text, keywords, private::cmp_ignore_case};

use super::{
    super::{more, rest, some, spaced},
    AuthMechanism,
    mechanism::read_mechanism,
};
use crate::{
    capability::Capability,
    command::{AString, Rules, Writer, rules},
    types::{Atom, MailboxName, Reader, chars},
};

// Types

/// What a client asks about URLs.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum UrlAuthCommand {
    /// `RESETKEY`: takes back the URLs of a mailbox, or all of the user's ([RFC 4467 section
    /// 7](https://www.rfc-editor.org/rfc/rfc4467#section-7)).
    ResetKey(Option<ResetKey>),
    /// `GENURLAUTH`: authorizes URLs.
    Generate(Vec<UrlRump>),
    /// `URLFETCH`: what URLs name.
    Fetch(Vec<UrlFetchArg>),
}

/// The mailbox whose URLs are taken back.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ResetKey {
    /// The mailbox.
    pub mailbox: MailboxName,
    /// How they were authorized; `INTERNAL` where none is named.
    pub mechanisms: Vec<AuthMechanism>,
}

/// A URL that is to be authorized.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UrlRump {
    /// The URL, which says who may use it.
    pub url: AString,
    /// By which mechanism it is authorized.
    pub mechanism: AuthMechanism,
}

/// A URL whose content is asked for.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UrlFetchArg {
    /// The URL, with what proves that it was authorized.
    pub url: AString,
    /// What of it, with URLAUTH=BINARY; its content alone where nothing is named.
    pub params: Vec<UrlFetchParam>,
}

/// What is asked of a URL: `url-fetch-param` of [RFC 5524 section 5](https://www.rfc-editor.org/rfc/rfc5524#section-5).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum UrlFetchParam {
    /// `BODY`: its content as it is.
    Body,
    /// `BINARY`: its content without transfer encoding. Not with [`Body`](Self::Body).
    Binary,
    /// `BODYPARTSTRUCTURE`: what kind of content it is.
    BodyPartStructure,
    /// Another parameter, as it was named.
    Other(Atom),
}

keywords! {
    enum Verb {
        ResetKey = "RESETKEY",
        GenUrlAuth = "GENURLAUTH",
        UrlFetch = "URLFETCH",
    }
}

keywords! {
    enum Param {
        Body = "BODY",
        Binary = "BINARY",
    }
}

/// Too long for the table.
const BODY_PART_STRUCTURE: &str = "BODYPARTSTRUCTURE";

impl ResetKey {
    /// Takes back the URLs of a mailbox that were authorized in the server's own way.
    #[must_use]
    pub const fn new(mailbox: MailboxName) -> Self {
        Self { mailbox, mechanisms: Vec::new() }
    }
}

impl UrlRump {
    /// Asks for a URL to be authorized in the server's own way.
    #[must_use]
    pub const fn new(url: AString) -> Self {
        Self { url, mechanism: AuthMechanism::INTERNAL }
    }
}

impl UrlFetchArg {
    /// Asks for the content of a URL.
    #[must_use]
    pub const fn new(url: AString) -> Self {
        Self { url, params: Vec::new() }
    }

    /// Says what of it is asked for.
    #[must_use]
    pub fn with_params(mut self, params: impl Into<Vec<UrlFetchParam>>) -> Self {
        self.params = params.into();
        self
    }
}

// Rules

impl UrlAuthCommand {
    const fn verb(&self) -> Verb {
        match self {
            Self::ResetKey(_) => Verb::ResetKey,
            Self::Generate(_) => Verb::GenUrlAuth,
            Self::Fetch(_) => Verb::UrlFetch,
        }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.verb().as_str()
    }

    pub(crate) fn rules(&self) -> Rules {
        match self {
            Self::Fetch(urls) if urls.iter().any(|url| !url.params.is_empty()) => {
                rules::logged_in().needs(&Capability::UrlAuthBinary)
            }
            _ => rules::logged_in().needs(&Capability::UrlAuth),
        }
    }

    pub(crate) fn row(name: &[u8]) -> Option<Rules> {
        Verb::of(name).map(|_| rules::logged_in().needs(&Capability::UrlAuth))
    }
}

// Grammar

impl UrlAuthCommand {
    /// ```text
    /// resetkey   = "RESETKEY" [SP mailbox *(SP mechanism)]
    /// genurlauth = "GENURLAUTH" 1*(SP url-rump SP mechanism)
    /// urlfetch   = "URLFETCH" 1*(SP url-fetch-arg)
    /// ```
    ///
    /// After the name. `None`: the name is not one of these.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        Some(match Verb::of(name)? {
            Verb::ResetKey if !more(r) => Ok(Self::ResetKey(None)),
            Verb::ResetKey => spaced(r, MailboxName::read).and_then(|mailbox| {
                let mechanisms = rest(r, read_mechanism)?;
                Ok(Self::ResetKey(Some(ResetKey { mailbox, mechanisms })))
            }),
            Verb::GenUrlAuth => some(r, |r| {
                let url = AString::read(r)?;
                Ok(UrlRump { url, mechanism: spaced(r, read_mechanism)? })
            })
            .map(Self::Generate),
            Verb::UrlFetch => some(r, UrlFetchArg::read).map(Self::Fetch),
        })
    }

    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        e.put(self.name().as_bytes());
        match self {
            Self::ResetKey(None) => {}
            Self::ResetKey(Some(reset)) => {
                e.put(b" ");
                e.mailbox(&reset.mailbox);
                for mechanism in &reset.mechanisms {
                    e.put(b" ");
                    e.put(mechanism.as_bytes());
                }
            }
            Self::Generate(urls) => {
                for UrlRump { url, mechanism } in urls {
                    e.put(b" ");
                    e.astring(url);
                    e.put(b" ");
                    e.put(mechanism.as_bytes());
                }
            }
            Self::Fetch(urls) => {
                for UrlFetchArg { url, params } in urls {
                    e.put(if params.is_empty() { b" " } else { b" (" });
                    e.astring(url);
                    for param in params {
                        e.put(b" ");
                        e.put(param.as_bytes());
                    }
                    if !params.is_empty() {
                        e.put(b")");
                    }
                }
            }
        }
    }
}

impl UrlFetchArg {
    /// ```text
    /// url-fetch-arg   = url-full / "(" url-full *(SP url-fetch-param) ")"
    /// url-fetch-param = "BODY" / "BINARY" / "BODYPARTSTRUCTURE" / atom
    /// ```
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        if !r.eat(b'(') {
            return AString::read(r).map(Self::new);
        }
        let start = r.offset();
        let mut found = AString::read(r).map(Self::new)?;
        r.items_after(|r| {
            let name = r.text_class(chars::ATOM, "expected what is asked for")?;
            found.params.push(UrlFetchParam::of(name));
            Ok(())
        })?;
        let has = |param: &UrlFetchParam| found.params.contains(param);
        let mut names: Vec<_> = found.params.iter().map(UrlFetchParam::as_bytes).collect();
        names.sort_unstable_by(|a, b| cmp_ignore_case(a, b));
        let twice = names.windows(2).any(|two| matches!(two, [a, b] if a.eq_ignore_ascii_case(b)));
        if twice || (has(&UrlFetchParam::Body) && has(&UrlFetchParam::Binary)) {
            return Err(ParseError::new(start, "the same twice, or BODY with BINARY"));
        }
        Ok(found)
    }
}

impl UrlFetchParam {
    pub(super) fn of(name: Text) -> Self {
        match Param::of(name.as_bytes()) {
            Some(Param::Body) => Self::Body,
            Some(Param::Binary) => Self::Binary,
            None if name.eq_ignore_ascii_case(BODY_PART_STRUCTURE) => Self::BodyPartStructure,
            None => Self::Other(Atom::unchecked(name)),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Body => b"BODY",
            Self::Binary => b"BINARY",
            Self::BodyPartStructure => BODY_PART_STRUCTURE.as_bytes(),
            Self::Other(name) => name.as_bytes(),
        }
    }
}

// Values for fuzzing

#[cfg(feature = "arbitrary")]
mod arbitrary {
    use alloc::vec::Vec;

    use ::arbitrary::{Arbitrary, Result, Unstructured};

    use super::{
        super::mechanism::arbitrary::mechanism, ResetKey, UrlAuthCommand, UrlFetchArg, UrlFetchParam, UrlRump,
    };
    use crate::command::arbitrary::{astring, atom, mailbox, maybe, some};

    impl<'a> Arbitrary<'a> for UrlAuthCommand {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(match u.int_in_range(0..=3)? {
                0 => Self::ResetKey(None),
                1 => {
                    let mechanisms = maybe(u, |u| some(u, mechanism))?.unwrap_or_default();
                    Self::ResetKey(Some(ResetKey { mailbox: mailbox(u)?, mechanisms }))
                }
                2 => Self::Generate(some(u, |u| Ok(UrlRump { url: astring(u)?, mechanism: mechanism(u)? }))?),
                _ => Self::Fetch(some(u, |u| {
                    let mut params = Vec::new();
                    if u.arbitrary()? {
                        params.push(if u.arbitrary()? { UrlFetchParam::Body } else { UrlFetchParam::Binary });
                    }
                    if u.arbitrary()? {
                        params.push(UrlFetchParam::BodyPartStructure);
                    }
                    params.extend(maybe(u, atom)?.map(UrlFetchParam::Other));
                    Ok(UrlFetchArg { url: astring(u)?, params })
                })?),
            })
        }
    }
}
