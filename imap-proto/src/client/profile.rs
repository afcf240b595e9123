//! What is sent to which server.

use alloc::vec::Vec;

use mailwire_core::setters;

use crate::{
    capability::Capability,
    command::{AString, Command, Literals, Messages, SearchKey},
    response::Reply,
    types::ImapString,
};

/// Says what a server is sent where servers differ in what they take, although all of it is in the grammar.
///
/// No profile changes what a command means. The machine knows a server by its greeting (not by one before
/// STARTTLS, which anybody can have written), by its capabilities, and by its answer to ID; [`Config::profile`]
/// puts another profile in place of what it knows.
///
/// | server | known by | what is sent |
/// | --- | --- | --- |
/// | Coremail (163, 126, yeah.net) | greeting, ID | [ID before SELECT](Self::id_before_select) |
/// | Exchange, Outlook | greeting, ID, `CLIENTACCESSRULES` | [CHARSET only where keys need it](SearchCharset::OnlyIfNeeded) |
/// | QQ | greeting | [sets in ascending order](Self::ascending_sets) |
/// | all others, Gmail among them | | as the caller says it; the capabilities say the rest |
///
/// # Examples
///
/// ```
/// use mailwire_imap::{Capability, Channel, client::{Config, Profile}, command::Literals};
///
/// let mut config = Config::new(Channel::Tls, 1);
/// let careful = Profile::new().with_initial_response(false).with_literals(Literals::Minus);
/// config.profile = Some(careful.with_unused([Capability::Notify]));
/// ```
///
/// [`Config::profile`]: field@super::Config::profile
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Where SEARCH names a character set.
    pub charset: SearchCharset,
    /// The server wants ID before a mailbox is selected. This is for whoever drives the machine, which sends no ID
    /// by itself.
    pub id_before_select: bool,
    /// The first message of a SASL exchange is sent with AUTHENTICATE where SASL-IR is offered; true by default.
    pub initial_response: bool,
    /// The boldest way to announce literals, where it is offered: [`Literals::Plus`] by default.
    pub literals: Literals,
    /// Sets of messages are written in ascending order, whatever their order was.
    pub ascending_sets: bool,
    /// What the server offers and does not keep: it is as if it were not offered.
    pub unused: Vec<Capability>,
}

/// Says where SEARCH names a character set.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum SearchCharset {
    /// As the caller says.
    #[default]
    AsAsked,
    /// UTF-8 and US-ASCII are left out where all keys are in ASCII, and so mean the same without.
    OnlyIfNeeded,
    /// UTF-8 and US-ASCII are left out: the server takes bytes beyond ASCII for UTF-8 unasked. No known server has
    /// this by itself.
    Never,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            charset: SearchCharset::AsAsked,
            id_before_select: false,
            initial_response: true,
            literals: Literals::Plus,
            ascending_sets: false,
            unused: Vec::new(),
        }
    }
}

impl Profile {
    /// Makes the profile of a server of which nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is known of a server by what it said.
    pub(super) fn of(said: Said<'_>) -> Option<Self> {
        KNOWN.iter().find(|known| known.is(said)).map(|known| (known.profile)(Self::new()))
    }

    /// Gives the command the form that the server takes.
    #[inline]
    pub(super) fn adapt(&self, command: &mut Command) {
        if self.charset != SearchCharset::AsAsked {
            self.adapt_charset(command);
        }
        if self.ascending_sets {
            match command {
                Command::Fetch(fetch) => fetch.messages.ascend(),
                Command::Store(store) => store.messages.ascend(),
                Command::Copy(copy) | Command::Move(copy) => copy.messages.ascend(),
                Command::UidExpunge(set) => set.ascend(),
                _ => {}
            }
        }
    }

    fn adapt_charset(&self, command: &mut Command) {
        let Command::Search(search) = command else { return };
        let may_go = |charset: &AString| {
            [&b"UTF-8"[..], b"US-ASCII"].iter().any(|name| charset.as_bytes().eq_ignore_ascii_case(name))
        };
        if search.charset.as_deref().is_some_and(may_go)
            && (self.charset == SearchCharset::Never || search.keys.iter().all(SearchKey::is_ascii))
        {
            search.charset = None;
        }
    }
}

setters!(Profile {
    with_charset(charset: SearchCharset),
    with_id_before_select(id_before_select: bool),
    with_initial_response(initial_response: bool),
    with_literals(literals: Literals),
    with_ascending_sets(ascending_sets: bool),
    with_unused(unused: into Vec<Capability>),
});

/// What a server says that tells which one it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Said<'a> {
    Greeting(&'a Reply),
    Capabilities(&'a [Capability]),
    Id(&'a [(ImapString, Option<ImapString>)]),
}

struct Known {
    /// A part of the greeting.
    greeting: &'static [u8],
    /// How the name in the answer to ID begins.
    id: &'static [u8],
    capability: &'static str,
    profile: fn(Profile) -> Profile,
}

const KNOWN: &[Known] = &[
    Known {
        greeting: b"Coremail",
        id: b"Coremail",
        capability: "",
        profile: |profile| profile.with_id_before_select(true),
    },
    Known {
        greeting: b"Microsoft Exchange",
        id: b"Microsoft.Exchange",
        capability: "CLIENTACCESSRULES",
        profile: |profile| profile.with_charset(SearchCharset::OnlyIfNeeded),
    },
    Known {
        greeting: b"QQMail",
        id: b"QQMail",
        capability: "",
        profile: |profile| profile.with_ascending_sets(true),
    },
];

impl Known {
    fn is(&self, said: Said<'_>) -> bool {
        match said {
            Said::Greeting(greeting) => {
                greeting.text.as_bytes().windows(self.greeting.len()).any(|part| part == self.greeting)
            }
            Said::Capabilities(list) => list.iter().any(|has| match has {
                Capability::Other(name) => name.as_bytes().eq_ignore_ascii_case(self.capability.as_bytes()),
                _ => false,
            }),
            Said::Id(fields) => fields.iter().any(|(name, value)| {
                name.as_bytes().eq_ignore_ascii_case(b"name")
                    && value.as_ref().is_some_and(|value| value.as_bytes().starts_with(self.id))
            }),
        }
    }
}

impl Messages {
    fn ascend(&mut self) {
        match self {
            Self::Sequence(set) => set.ascend(),
            Self::Uid(set) => set.ascend(),
        }
    }
}
