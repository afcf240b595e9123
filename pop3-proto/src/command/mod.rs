//! Commands (RFC 1939 section 9, RFC 2449 section 5, RFC 2595 section 4, RFC 5034 section 4).

mod parse;
mod write;

pub(crate) use write::write_number;

use mailwire_core::Secret;

use crate::types::{ApopDigest, Keyword, LineText, Mechanism, MessageNumber, Password, UserName};

/// The longest command line that a client sends, with its line end (RFC 2449 section 4).
pub const MAX_COMMAND_LINE: usize = 255;

/// A command.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Command {
    /// `USER name`: the first half of a login (RFC 1939 section 7).
    User(UserName),
    /// `PASS string`: the second half.
    Pass(Password),
    /// `APOP name digest` (RFC 1939 section 7).
    Apop {
        /// The mailbox.
        name: UserName,
        /// MD5 over the greeting's timestamp and the shared secret.
        digest: ApopDigest,
    },
    /// `AUTH mechanism [initial-response]` (RFC 5034 section 4).
    Auth {
        /// The mechanism.
        mechanism: Mechanism,
        /// The client's first message, if it is sent at once. It may be empty.
        #[cfg_attr(feature = "serde", serde(serialize_with = "hide"))]
        initial: Option<Secret>,
    },
    /// `STLS` (RFC 2595 section 4).
    Stls,
    /// `CAPA` (RFC 2449 section 5).
    Capa,
    /// `STAT`: how much there is (RFC 1939 section 5).
    Stat,
    /// `LIST [msg]`: sizes of one message or of all (RFC 1939 section 5).
    List(Option<MessageNumber>),
    /// `UIDL [msg]`: unique-ids of one message or of all (RFC 1939 section 7).
    Uidl(Option<MessageNumber>),
    /// `RETR msg`: a whole message (RFC 1939 section 5).
    Retr(MessageNumber),
    /// `TOP msg n`: the header and the first lines (RFC 1939 section 7).
    Top {
        /// The message.
        number: MessageNumber,
        /// How many lines of its body.
        lines: u64,
    },
    /// `DELE msg`: mark for deletion at QUIT (RFC 1939 section 5).
    Dele(MessageNumber),
    /// `RSET`: take back all marks (RFC 1939 section 5).
    Rset,
    /// `NOOP` (RFC 1939 section 5).
    Noop,
    /// `QUIT`: delete what is marked and end (RFC 1939 sections 4 and 6).
    Quit,
    /// Any other command.
    Other {
        /// Its name.
        keyword: Keyword,
        /// What stands behind the name and a space.
        arguments: Option<LineText>,
    },
}

impl Command {
    /// The command's name, in upper case if it is one of the RFCs'.
    #[must_use]
    pub fn keyword(&self) -> Keyword {
        Keyword::from_static(match self {
            Self::User(_) => "USER",
            Self::Pass(_) => "PASS",
            Self::Apop { .. } => "APOP",
            Self::Auth { .. } => "AUTH",
            Self::Stls => "STLS",
            Self::Capa => "CAPA",
            Self::Stat => "STAT",
            Self::List(_) => "LIST",
            Self::Uidl(_) => "UIDL",
            Self::Retr(_) => "RETR",
            Self::Top { .. } => "TOP",
            Self::Dele(_) => "DELE",
            Self::Rset => "RSET",
            Self::Noop => "NOOP",
            Self::Quit => "QUIT",
            Self::Other { keyword, .. } => return keyword.clone(),
        })
    }

    /// What stands behind the status line when this command succeeds.
    #[must_use]
    pub const fn follows(&self) -> Follows {
        match self {
            Self::Capa | Self::List(None) | Self::Uidl(None) => Follows::Lines,
            Self::Retr(_) | Self::Top { .. } => Follows::Body,
            _ => Follows::Nothing,
        }
    }
}

/// What stands behind a positive status line. Only the command tells.
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
