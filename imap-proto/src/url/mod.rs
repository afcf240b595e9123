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

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod auth;
mod parse;
mod resolve;
mod target;
mod write;

use mailwire_core::{Invalid, ParseError, Text, setters};

pub use self::{
    auth::{Access, UrlAuth, Verifier},
    target::{MailboxRef, MessageList, MessageRef, Target, UrlPartial, UrlSection},
};
pub use crate::extensions::urlauth::AuthMechanism;

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

mailwire_core::text_newtype! {
    /// A text in a URL, without its `%`: at least one byte.
    pub struct UrlText: bytes;
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
