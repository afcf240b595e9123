//! IMAP URLs: servers, mailboxes, searches, messages and their parts ([RFC
//! 5092](https://www.rfc-editor.org/rfc/rfc5092)), with who may use them ([RFC
//! 4467](https://www.rfc-editor.org/rfc/rfc4467), [RFC 5593](https://www.rfc-editor.org/rfc/rfc5593)).
//!
//! CATENATE and URLAUTH name messages by them, and referrals are some. Mailboxes are in Unicode here, whatever
//! encoding their names have on the wire.
//!
//! ```
//! use mailwire_imap::{types::{Section, Uid}, url::{ImapUrl, MessageRef, Target}};
//!
//! let url = ImapUrl::parse("imap://joe@example.com/Entw%C3%BCrfe;UIDVALIDITY=385759045/;UID=20/;SECTION=1.2")?;
//! assert_eq!(url.server.user(), Some("joe"));
//! let Some(Target::Message(part)) = &url.target else { panic!() };
//! assert_eq!((part.mailbox.name(), part.uid.get()), ("Entwürfe", 20));
//!
//! // As CATENATE has it: without a server.
//! let header = MessageRef::new("Drafts".try_into()?, Uid::MIN).with_section(Section::HEADER);
//! assert_eq!(Target::from(header).to_string(), "/Drafts/;UID=1/;SECTION=HEADER");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod parse;
mod resolve;
mod write;

use alloc::boxed::Box;

use core::num::NonZeroU64;

use mailwire_core::{Invalid, ParseError, Text, setters};

use crate::types::{DateTime, MailboxName, Section, Uid, UidValidity};

/// An absolute URL: `imapurl` of [RFC 5092 section 11](https://www.rfc-editor.org/rfc/rfc5092#section-11).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ImapUrl {
    /// Where it is.
    pub server: Server,
    /// What there: the server itself where there is nothing.
    pub target: Option<Target>,
}

/// The server of a URL, and who asks it: `iserver`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Server {
    user: Option<Text>,
    auth: Option<AuthType>,
    host: Text,
    /// Its port; the default one where there is none.
    pub port: Option<u16>,
}

/// How to log in: `iauth`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum AuthType {
    /// `;AUTH=*`: in any way.
    Any,
    /// With this SASL mechanism.
    Mechanism(UrlText),
}

/// What a URL names on its server: `icommand`. [`Display`](core::fmt::Display) gives the URL without its server, as CATENATE needs it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Target {
    /// A mailbox, or messages of it: `imessagelist`.
    Messages(MessageList),
    /// A message, or a part of one: `imessagepart`.
    Message(Box<MessageRef>),
}

/// A mailbox: `imailbox-ref`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MailboxRef {
    name: Text,
    /// The URL is stale where the mailbox has another one.
    pub uid_validity: Option<UidValidity>,
}

/// A mailbox, or what a search finds there: `imessagelist`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MessageList {
    /// The mailbox.
    pub mailbox: MailboxRef,
    /// The arguments of SEARCH. Literals in them are non-synchronizing.
    pub search: Option<UrlText>,
}

/// A message, or a part of one: `imessagepart`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MessageRef {
    /// The mailbox.
    pub mailbox: MailboxRef,
    /// The message.
    pub uid: Uid,
    /// What of it; all where there is nothing.
    pub section: Option<UrlSection>,
    /// Which bytes of that ([RFC 5550 section 5.7.1](https://www.rfc-editor.org/rfc/rfc5550#section-5.7.1)).
    pub partial: Option<UrlPartial>,
    /// Who may use the URL without being the mailbox's user (URLAUTH).
    pub auth: Option<UrlAuth>,
}

/// What of a message: `isection`. It is not all of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct UrlSection(Section);

/// A range of bytes: `partial-range`.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UrlPartial {
    /// The first byte, from 0.
    pub offset: u64,
    /// How many bytes at most; up to the end where it is not said.
    pub length: Option<NonZeroU64>,
}

/// Who may use a URL, until when, and what proves it: `iurlauth`, or without a verifier `iurlauth-rump` ([RFC 5092
/// section 6.1](https://www.rfc-editor.org/rfc/rfc5092#section-6.1)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct UrlAuth {
    /// It cannot be used after that. Fractions of a second are cut off.
    pub expire: Option<DateTime>,
    /// Who may use it.
    pub access: Access,
    /// What proves it.
    pub verifier: Option<Verifier>,
}

/// Who may use a URL: `access` of [RFC 5593 section 4](https://www.rfc-editor.org/rfc/rfc5593#section-4).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Access {
    /// `authuser`: whoever has logged in, and not as anonymous.
    AuthUser,
    /// `anonymous`: everybody.
    Anonymous,
    /// `user+`: this user.
    User(UrlText),
    /// `submit+`: a submission server, on behalf of this user.
    Submit(UrlText),
    /// Another application.
    Application {
        /// Its name, of letters and digits.
        name: Text,
        /// On behalf of whom.
        user: Option<UrlText>,
    },
}

/// What proves that a URL was authorized: `iua-verifier`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Verifier {
    /// How it was made.
    pub mechanism: AuthMechanism,
    token: Text,
}

mailwire_core::text_newtype! {
    /// How URLs are authorized: `uauth-mechanism`, of letters, digits, `-` and `.`. Case does not count.
    pub struct AuthMechanism: str, ignore_case;
}

mailwire_core::text_newtype! {
    /// A text in a URL, without its `%`: at least one byte.
    pub struct UrlText: bytes;
}

impl AuthMechanism {
    /// `INTERNAL`: in the server's own way.
    pub const INTERNAL: Self = Self(Text::from_static("INTERNAL"));

    /// Makes a mechanism of its name.
    ///
    /// # Errors
    ///
    /// There is nothing in it, or another character than letters, digits, `-` and `.`.
    pub fn new(name: impl Into<Text>) -> Result<Self, Invalid> {
        let name = name.into();
        match name.as_bytes().iter().position(|&byte| !is_mechanism(byte)) {
            Some(at) => Err(Invalid::new("mechanism", at, "a character that cannot stand here")),
            None if name.is_empty() => Err(Invalid::new("mechanism", 0, "empty")),
            None => Ok(Self(name)),
        }
    }
}

impl UrlText {
    /// Makes a text of a URL.
    ///
    /// # Errors
    ///
    /// There is nothing in it, or a NUL.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        match memchr::memchr(0, text.as_bytes()) {
            Some(at) => Err(Invalid::new("text of a URL", at, "NUL")),
            None if text.is_empty() => Err(Invalid::new("text of a URL", 0, "empty")),
            None => Ok(Self(text)),
        }
    }
}

impl ImapUrl {
    /// Makes the URL of a server.
    #[must_use]
    pub const fn new(server: Server) -> Self {
        Self { server, target: None }
    }

    /// Reads an absolute URL.
    ///
    /// # Errors
    ///
    /// It is not one.
    pub fn parse(url: impl AsRef<[u8]>) -> Result<Self, ParseError> {
        parse::absolute(url.as_ref())
    }

    /// Reads a URL, which may be relative to this one ([section
    /// 7](https://www.rfc-editor.org/rfc/rfc5092#section-7)).
    ///
    /// `;UID=20` is a message of the mailbox that this URL names, and `;SECTION=1` another part of the message that it
    /// names.
    ///
    /// # Errors
    ///
    /// It is neither absolute nor relative.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_imap::url::ImapUrl;
    ///
    /// let base = ImapUrl::parse("imap://joe@example.com/INBOX/;UID=20/;SECTION=1")?;
    /// assert_eq!(base.resolve("/foo/;UID=20/..")?.to_string(), "imap://joe@example.com/foo");
    /// assert_eq!(base.resolve(";SECTION=2")?.to_string(), "imap://joe@example.com/INBOX/;UID=20/;SECTION=2");
    /// # Ok::<(), mailwire_imap::ParseError>(())
    /// ```
    pub fn resolve(&self, reference: impl AsRef<[u8]>) -> Result<Self, ParseError> {
        resolve::resolve(self, reference.as_ref())
    }
}

setters!(ImapUrl {
    with_target(target: some into Target),
});

impl Server {
    /// Makes a server of its name or address, the latter in brackets if it is of IPv6.
    ///
    /// # Errors
    ///
    /// It is neither a name nor an address: `host` of [RFC 3986 section
    /// 3.2.2](https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2).
    pub fn new(host: impl Into<Text>) -> Result<Self, Invalid> {
        let host = host.into();
        let checked = mailwire_core::grammar::run_all(host.as_bytes(), parse::host()).map(drop);
        checked.map_err(|error| Invalid::new("host", error.offset, error.reason))?;
        Ok(Self { user: None, auth: None, host, port: None })
    }

    /// Sets who asks.
    ///
    /// # Errors
    ///
    /// The name is empty, or has a NUL in it.
    pub fn with_user(mut self, user: &str) -> Result<Self, Invalid> {
        self.user = Some(UrlText::new(user)?.into_text());
        Ok(self)
    }

    /// Sets how to log in.
    #[must_use]
    pub fn with_auth(mut self, auth: AuthType) -> Self {
        self.auth = Some(auth);
        self
    }

    /// Who asks, if that is said.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_ref().and_then(Text::as_str)
    }

    /// How to log in, if that is said. [`AuthType::Any`] is meant where there is a user and nothing else; without both it
    /// is anonymous ([section 3.2](https://www.rfc-editor.org/rfc/rfc5092#section-3.2)).
    #[must_use]
    pub const fn auth(&self) -> Option<&AuthType> {
        self.auth.as_ref()
    }

    /// The name or address, as it was written.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.as_str().unwrap_or_default()
    }
}

setters!(const Server {
    with_port(port: some u16),
});

impl MailboxRef {
    /// Makes the name of a mailbox, in Unicode.
    ///
    /// # Errors
    ///
    /// It is empty, or has a NUL, CR or LF in it.
    pub fn new(name: &str) -> Result<Self, Invalid> {
        match name.bytes().position(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
            Some(at) => Err(Invalid::new("mailbox of a URL", at, "NUL, CR or LF")),
            None if name.is_empty() => Err(Invalid::new("mailbox of a URL", 0, "empty")),
            None => Ok(Self { name: name.into(), uid_validity: None }),
        }
    }

    /// The name, in Unicode.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str().unwrap_or_default()
    }
}

setters!(const MailboxRef {
    with_uid_validity(uid_validity: some UidValidity),
});

impl TryFrom<&str> for MailboxRef {
    type Error = Invalid;

    fn try_from(name: &str) -> Result<Self, Invalid> {
        Self::new(name)
    }
}

impl TryFrom<&MailboxName> for MailboxRef {
    type Error = Invalid;

    /// The name as people see it.
    fn try_from(name: &MailboxName) -> Result<Self, Invalid> {
        Self::new(&name.to_unicode())
    }
}

impl MessageList {
    /// Makes a mailbox with all its messages.
    #[must_use]
    pub const fn new(mailbox: MailboxRef) -> Self {
        Self { mailbox, search: None }
    }
}

setters!(MessageList {
    with_search(search: some UrlText),
});

impl MessageRef {
    /// Makes a message.
    #[must_use]
    pub const fn new(mailbox: MailboxRef, uid: Uid) -> Self {
        Self { mailbox, uid, section: None, partial: None, auth: None }
    }

    /// Sets what of the message it is.
    #[must_use]
    pub fn with_section(mut self, section: Section) -> Self {
        self.section = UrlSection::new(section);
        self
    }

    /// Sets which bytes of it: `length` of them from `offset` on, or all from there on.
    #[must_use]
    pub fn with_partial(mut self, offset: u64, length: Option<NonZeroU64>) -> Self {
        self.partial = Some(UrlPartial { offset, length });
        self
    }

    /// What of the message it is.
    #[must_use]
    pub fn section(&self) -> &Section {
        static WHOLE: Section = Section::WHOLE;
        self.section.as_ref().map_or(&WHOLE, |section| &section.0)
    }
}

setters!(MessageRef {
    with_auth(auth: some UrlAuth),
});

impl UrlSection {
    /// Makes a part of a message. `None`: it is all of it.
    #[must_use]
    pub fn new(section: Section) -> Option<Self> {
        (section != Section::WHOLE).then_some(Self(section))
    }

    /// The section.
    #[must_use]
    pub const fn section(&self) -> &Section {
        &self.0
    }
}

impl UrlAuth {
    /// Makes it for ever, for those with this access.
    #[must_use]
    pub const fn new(access: Access) -> Self {
        Self { expire: None, access, verifier: None }
    }
}

setters!(const UrlAuth {
    with_expire(expire: some DateTime),
});

setters!(UrlAuth {
    with_verifier(verifier: some Verifier),
});

impl Access {
    /// Makes that of an application, by its name.
    ///
    /// # Errors
    ///
    /// There is nothing in the name, or another character than letters and digits.
    pub fn application(name: &str, user: Option<UrlText>) -> Result<Self, Invalid> {
        match name.bytes().position(|byte| !byte.is_ascii_alphanumeric()) {
            Some(at) => Err(Invalid::new("application", at, "neither a letter nor a digit")),
            None if name.is_empty() => Err(Invalid::new("application", 0, "empty")),
            None => Ok(Self::of(name, user)),
        }
    }

    /// That of a name that was checked.
    fn of(name: &str, user: Option<UrlText>) -> Self {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match user {
            Some(user) if is("submit") => Self::Submit(user),
            Some(user) if is("user") => Self::User(user),
            None if is("authuser") => Self::AuthUser,
            None if is("anonymous") => Self::Anonymous,
            user => Self::Application { name: name.into(), user },
        }
    }

    /// The name before `+`.
    fn name(&self) -> &[u8] {
        match self {
            Self::AuthUser => b"authuser",
            Self::Anonymous => b"anonymous",
            Self::User(_) => b"user",
            Self::Submit(_) => b"submit",
            Self::Application { name, .. } => name.as_bytes(),
        }
    }

    fn user(&self) -> Option<&UrlText> {
        match self {
            Self::AuthUser | Self::Anonymous => None,
            Self::User(user) | Self::Submit(user) => Some(user),
            Self::Application { user, .. } => user.as_ref(),
        }
    }
}

impl Verifier {
    /// Makes what proves a URL: a token of at least 32 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// There are fewer, or something else.
    pub fn new(mechanism: AuthMechanism, token: impl Into<Text>) -> Result<Self, Invalid> {
        let token = token.into();
        match token.as_bytes().iter().position(|byte| !byte.is_ascii_hexdigit()) {
            Some(at) => Err(Invalid::new("token of a URL", at, "no hexadecimal digit")),
            None if token.len() < MIN_TOKEN => Err(Invalid::new("token of a URL", token.len(), "too short")),
            None => Ok(Self { mechanism, token }),
        }
    }

    /// The hexadecimal digits.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.as_str().unwrap_or_default()
    }
}

impl Target {
    /// Reads a URL without a server, as CATENATE takes it: `/` and a mailbox, or what is relative to `mailbox` if one is
    /// selected ([RFC 4469 section 3](https://www.rfc-editor.org/rfc/rfc4469#section-3)).
    ///
    /// # Errors
    ///
    /// It is not one, or has a scheme or a server.
    pub fn parse(reference: impl AsRef<[u8]>, mailbox: Option<&MailboxRef>) -> Result<Self, ParseError> {
        resolve::target(reference.as_ref(), mailbox)
    }

    /// The mailbox.
    #[must_use]
    pub const fn mailbox(&self) -> &MailboxRef {
        match self {
            Self::Messages(list) => &list.mailbox,
            Self::Message(part) => &part.mailbox,
        }
    }
}

impl From<MessageList> for Target {
    fn from(list: MessageList) -> Self {
        Self::Messages(list)
    }
}

impl From<MessageRef> for Target {
    fn from(part: MessageRef) -> Self {
        Self::Message(part.into())
    }
}

/// A token has so many hexadecimal digits at least: 128 bits.
const MIN_TOKEN: usize = 32;

pub(crate) fn is_mechanism(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')
}

#[cfg(feature = "arbitrary")]
mod arbitrary {
    use alloc::{format, string::String};
    use core::num::NonZeroU64;

    use ::arbitrary::{Arbitrary, Error, Result, Unstructured};

    use super::{
        Access, AuthMechanism, AuthType, ImapUrl, MailboxRef, MessageList, MessageRef, Server, Target,
        UrlAuth, UrlPartial, UrlSection, UrlText, Verifier,
    };
    use crate::{
        command::arbitrary::{maybe, section, some, word},
        types::{DateTime, Uid, UidValidity},
    };

    fn made<T, E>(value: core::result::Result<T, E>) -> Result<T> {
        value.map_err(|_| Error::IncorrectFormat)
    }

    /// Names with all that stands for something else in a URL.
    fn name(u: &mut Unstructured<'_>) -> Result<String> {
        const PARTS: [&str; 14] =
            ["a", "INBOX", "/", ".", "..", ";UID=", "%", "?", "ü", "&", "b c", ":@", "=+,", "台"];
        some(u, |u| u.choose(&PARTS).copied()).map(|parts| parts.concat())
    }

    fn text(u: &mut Unstructured<'_>) -> Result<UrlText> {
        if u.arbitrary()? {
            name(u).and_then(|name| made(UrlText::new(name)))
        } else {
            made(UrlText::new(&b"\xff\r\n"[..]))
        }
    }

    impl<'a> Arbitrary<'a> for Server {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            const HOSTS: [&str; 4] = ["example.com", "[::1]", "127.0.0.1", "m%C3%BC.example"];
            let mut server = made(Self::new(*u.choose(&HOSTS)?))?;
            server.port = u.arbitrary()?;
            if u.arbitrary()? {
                server = made(server.with_user(&name(u)?))?;
            }
            server.auth =
                maybe(u, |u| Ok(if u.arbitrary()? { AuthType::Any } else { AuthType::Mechanism(text(u)?) }))?;
            Ok(server)
        }
    }

    impl<'a> Arbitrary<'a> for MailboxRef {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let mut mailbox = made(Self::new(&name(u)?))?;
            mailbox.uid_validity = u.arbitrary::<Option<u32>>()?.and_then(UidValidity::new);
            Ok(mailbox)
        }
    }

    impl<'a> Arbitrary<'a> for UrlAuth {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let access = match u.int_in_range(0..=4)? {
                0 => Access::AuthUser,
                1 => Access::Anonymous,
                2 => Access::User(text(u)?),
                3 => Access::Submit(text(u)?),
                _ => made(Access::application(&format!("x{}", word(u, b"az09")?), maybe(u, text)?))?,
            };
            let mut auth = Self::new(access);
            auth.expire = maybe(u, |u| {
                let (seconds, zone) = (i64::from(u.arbitrary::<u32>()?), u.int_in_range(-1439..=1439)?);
                DateTime::from_unix(seconds, zone).ok_or(Error::IncorrectFormat)
            })?;
            auth.verifier = maybe(u, |u| {
                let mechanism = made(AuthMechanism::new(word(u, b"AZ09.-")?))?;
                made(Verifier::new(mechanism, format!("{:032x}", u.arbitrary::<u128>()?)))
            })?;
            Ok(auth)
        }
    }

    impl<'a> Arbitrary<'a> for Target {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let mailbox = u.arbitrary()?;
            if u.arbitrary()? {
                let mut list = MessageList::new(mailbox);
                list.search = maybe(u, text)?;
                return Ok(list.into());
            }
            let mut part = MessageRef::new(mailbox, Uid::new(u.arbitrary()?).unwrap_or(Uid::MIN));
            part.section = UrlSection::new(section(u)?);
            part.partial = maybe(u, |u| {
                Ok(UrlPartial { offset: u.arbitrary()?, length: maybe(u, |u| u.arbitrary::<NonZeroU64>())? })
            })?;
            part.auth = maybe(u, |u| u.arbitrary())?;
            Ok(part.into())
        }
    }

    impl<'a> Arbitrary<'a> for ImapUrl {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(Self { server: u.arbitrary()?, target: u.arbitrary()? })
        }
    }
}
