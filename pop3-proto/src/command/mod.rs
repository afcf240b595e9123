//! Commands.

#[cfg(feature = "server")]
mod parse;
mod rules;
mod write;

use mailwire_core::{Secret, Text, sasl::Mechanism};
pub(crate) use rules::{Effect, Name, Rules, ValidIn};

use crate::{
    extensions::Xclient,
    types::{ApopDigest, Keyword, LanguageRange, LineText, MessageNumber, Password, UserName},
};

/// The longest command line that a client sends, in bytes with its line end ([RFC 2449 section
/// 4](https://www.rfc-editor.org/rfc/rfc2449#section-4)).
pub const MAX_COMMAND_LINE: usize = 255;

/// A command of a client.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use mailwire_pop3::{Command, Dialect, MessageNumber};
///
/// let command = Command::Top { number: MessageNumber::FIRST, lines: 10 };
/// let mut line = Vec::new();
/// command.write(&mut line);
/// assert_eq!(line, b"TOP 1 10\r\n");
/// assert_eq!(Command::parse(&Bytes::from_static(b"TOP 1 10"), Dialect::Strict)?.value, command);
/// # Ok::<(), mailwire_pop3::ParseError>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Command {
    /// `USER name`: the first half of a login ([RFC 1939 section
    /// 7](https://www.rfc-editor.org/rfc/rfc1939#section-7)).
    User(UserName),
    /// `PASS string`: the second half of a login.
    Pass(Password),
    /// `APOP name digest`: a login that does not show the password ([RFC 1939 section
    /// 7](https://www.rfc-editor.org/rfc/rfc1939#section-7)).
    Apop {
        /// The mailbox.
        name: UserName,
        /// MD5 over the greeting's timestamp and the shared secret.
        digest: ApopDigest,
    },
    /// `AUTH mechanism [initial-response]`: a login by SASL ([RFC 5034 section
    /// 4](https://www.rfc-editor.org/rfc/rfc5034#section-4)).
    Auth {
        /// The mechanism.
        mechanism: Mechanism,
        /// The client's first message, if it is sent at once. It may be empty.
        #[cfg_attr(feature = "serde", serde(serialize_with = "hide"))]
        initial: Option<Secret>,
    },
    /// `AUTH` alone: asks for the SASL mechanisms, one a line. It is in no RFC; clients from before CAPA ask so.
    AuthList,
    /// `STLS`: begins TLS ([RFC 2595 section 4](https://www.rfc-editor.org/rfc/rfc2595#section-4)).
    Stls,
    /// `CAPA`: asks what the server offers ([RFC 2449 section
    /// 5](https://www.rfc-editor.org/rfc/rfc2449#section-5)).
    Capa,
    /// `UTF8`: begins the UTF-8 mode, in which messages have header fields beyond ASCII as they are ([RFC 6856 section
    /// 2.1](https://www.rfc-editor.org/rfc/rfc6856#section-2.1)).
    Utf8,
    /// `LANG [range]`: asks for texts in a language, or which languages there are ([RFC 6856 section
    /// 3](https://www.rfc-editor.org/rfc/rfc6856#section-3)).
    Lang(Option<LanguageRange>),
    /// `XCLIENT name=value ...`: a proxy tells who its client is.
    Xclient(Xclient),
    /// `STAT`: asks how much there is ([RFC 1939 section
    /// 5](https://www.rfc-editor.org/rfc/rfc1939#section-5)).
    Stat,
    /// `LIST [msg]`: asks for the size of one message or of all ([RFC 1939 section
    /// 5](https://www.rfc-editor.org/rfc/rfc1939#section-5)).
    List(Option<MessageNumber>),
    /// `UIDL [msg]`: asks for the unique-id of one message or of all ([RFC 1939 section
    /// 7](https://www.rfc-editor.org/rfc/rfc1939#section-7)).
    Uidl(Option<MessageNumber>),
    /// `RETR msg`: asks for a whole message ([RFC 1939 section
    /// 5](https://www.rfc-editor.org/rfc/rfc1939#section-5)).
    Retr(MessageNumber),
    /// `TOP msg n`: asks for the header and the first lines of a message ([RFC 1939 section
    /// 7](https://www.rfc-editor.org/rfc/rfc1939#section-7)).
    Top {
        /// The message.
        number: MessageNumber,
        /// How many lines of its body.
        lines: u64,
    },
    /// `DELE msg`: marks a message, to be deleted at QUIT ([RFC 1939 section
    /// 5](https://www.rfc-editor.org/rfc/rfc1939#section-5)).
    Dele(MessageNumber),
    /// `RSET`: takes back all marks ([RFC 1939 section
    /// 5](https://www.rfc-editor.org/rfc/rfc1939#section-5)).
    Rset,
    /// `NOOP`: does nothing ([RFC 1939 section 5](https://www.rfc-editor.org/rfc/rfc1939#section-5)).
    Noop,
    /// `QUIT`: deletes what is marked, and ends the session ([RFC 1939 sections 4 and
    /// 6](https://www.rfc-editor.org/rfc/rfc1939#section-6)).
    Quit,
    /// Any other command.
    Other {
        /// Its name.
        keyword: Keyword,
        /// What stands after the name and a space.
        arguments: Option<LineText>,
    },
}

impl Command {
    /// The command's name, in upper case if it is one of the RFCs'.
    #[must_use]
    pub fn keyword(&self) -> Keyword {
        match self {
            Self::Other { keyword, .. } => keyword.clone(),
            known => Keyword::unchecked(Text::from_static(known.known_name().unwrap_or_default())),
        }
    }

    /// Its name, if this crate knows the command.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_pop3::{Command, Keyword};
    ///
    /// assert_eq!(Command::List(None).known_name(), Some("LIST"));
    /// let other = Command::Other { keyword: Keyword::new("XFOO")?, arguments: None };
    /// assert_eq!(other.known_name(), None);
    /// # Ok::<(), mailwire_pop3::Invalid>(())
    /// ```
    #[must_use]
    pub fn known_name(&self) -> Option<&'static str> {
        match self {
            Self::AuthList => Some(Name::Auth.as_str()),
            known => Name::of_value(known).map(Name::as_str),
        }
    }

    /// What follows the status line when this command succeeds. Nothing is taken to follow that of a
    /// command that is not known here.
    #[must_use]
    pub fn follows(&self) -> Follows {
        match self {
            Self::Other { .. } => Follows::Nothing,
            known => known.rules().follows,
        }
    }
}

/// What follows a positive status line. Only the command tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Follows {
    /// The status line is all.
    Nothing,
    /// Lines that mean something each.
    Lines,
    /// A message, or a part of one.
    Body,
}

#[cfg(feature = "serde")]
fn hide<S: serde::Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(_) => serializer.serialize_some("<secret>"),
        None => serializer.serialize_none(),
    }
}
