//! Commands: what they are, how they are read and how they are written.
//!
//! [`Request::parse`] reads one complete frame, [`Request::write`] writes one. All commands of
//! RFC 3501 and RFC 9051 are here, and those of extensions that change what the session is or add to
//! them; other extensions are in [`extensions`](crate::extensions). A command that is not known is
//! [`Command::Other`].
//!
//! ```
//! use bytes::Bytes;
//! use mailwire_core::Dialect;
//! use mailwire_imap::command::{Command, WriteOptions, FetchAtt, FetchAtts, Request};
//! use mailwire_imap::types::ParseContext;
//!
//! let frame = Bytes::from_static(b"a1 UID FETCH 1:* (UID FLAGS)");
//! let request = Request::parse(&frame, ParseContext::new(Dialect::Strict))?.value;
//! let Command::Fetch(fetch) = &request.command else { panic!() };
//! assert!(fetch.messages.is_uid());
//! assert_eq!(fetch.items, FetchAtts::List(vec![FetchAtt::Uid, FetchAtt::Flags]));
//!
//! let mut out = Vec::new();
//! request.write(WriteOptions::default(), &mut out);
//! assert_eq!(out, b"a1 UID FETCH 1:* (UID FLAGS)\r\n");
//! # Ok::<(), mailwire_core::ParseError>(())
//! ```

mod append;
#[cfg(feature = "arbitrary")]
pub(crate) mod arbitrary;
mod auth;
mod fetch;
mod list;
mod mailbox;
mod messages;
mod other;
mod parse;
mod preview;
mod replace;
pub(crate) mod rules;
mod search;
mod sort;
mod store;
mod string;
mod write;
mod writer;

use alloc::{boxed::Box, vec::Vec};

use crate::{
    capability::Capability,
    types::{MailboxName, Tag, UidSet},
};

pub use append::{Append, AppendBytes, AppendData, AppendKind, AppendLiteral, AppendMessage, CatPart};
pub(crate) use append::{AppendMore, OpenAppend};
pub use auth::{Authenticate, Login};
pub use fetch::{Fetch, FetchAtt, FetchAtts, Since};
pub use list::{List, ListOptions, ListPatterns, ListReturnOpt, ListSelectOpt};
pub use mailbox::{Create, Select, Status, StatusAtt};
pub use messages::Messages;
pub use other::OtherItem;
pub(crate) use parse::{announces_argument, announces_message, eat_word, parse_head, takes_message};
pub use preview::PreviewMods;
pub use replace::{Replace, Replaced};
pub(crate) use rules::{Effect, Name, Need, Needs, Numbers, Rules, Then, row_of};
pub use search::{Search, SearchKey, SearchReturnOpt};
pub use sort::{Sort, SortCriterion, SortKey, Thread, ThreadAlgorithm};
pub(crate) use store::write_messages;
pub use store::{Copy, Store, StoreAction};
pub use string::{AString, OtherCommand};
pub(crate) use writer::{LITERAL_MINUS, WriteStep, Writer};
pub use writer::{Literals, WriteOptions, Written};

/// A command with its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Request {
    /// What names the command in its completion.
    pub tag: Tag,
    /// What is to be done.
    pub command: Command,
}

/// What a client asks for (RFC 9051 section 6).
///
/// `UID FETCH` and the like are the command that they modify, with `uid` set.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Command {
    /// `CAPABILITY`: RFC 9051 section 6.1.1.
    Capability,
    /// `NOOP`: section 6.1.2.
    Noop,
    /// `LOGOUT`: section 6.1.3.
    Logout,
    /// `STARTTLS`: section 6.2.1.
    StartTls,
    /// `AUTHENTICATE`: section 6.2.2.
    Authenticate(Authenticate),
    /// `LOGIN`: section 6.2.3.
    Login(Login),
    /// `ENABLE`: section 6.3.1. At least one.
    Enable(Vec<Capability>),
    /// `SELECT`: section 6.3.2.
    Select(Select),
    /// `EXAMINE`: section 6.3.3.
    Examine(Select),
    /// `COMPRESS DEFLATE`: the connection is compressed from its OK on ([RFC 4978](https://www.rfc-editor.org/rfc/rfc4978)).
    Compress,
    /// `CREATE`: section 6.3.4.
    Create(Create),
    /// `DELETE`: section 6.3.5.
    Delete(MailboxName),
    /// `RENAME`: section 6.3.6.
    Rename {
        /// The name that is.
        from: MailboxName,
        /// The name that is to be.
        to: MailboxName,
    },
    /// `SUBSCRIBE`: section 6.3.7.
    Subscribe(MailboxName),
    /// `UNSUBSCRIBE`: section 6.3.8.
    Unsubscribe(MailboxName),
    /// `LIST`: section 6.3.9.
    List(List),
    /// `LSUB`: RFC 3501 section 6.3.9. Obsolete.
    Lsub {
        /// Where the pattern begins.
        reference: MailboxName,
        /// What is asked for.
        pattern: crate::types::ListPattern,
    },
    /// `NAMESPACE`: section 6.3.10.
    Namespace,
    /// `STATUS`: section 6.3.11.
    Status(Status),
    /// `APPEND`: section 6.3.12.
    Append(Append),
    /// `REPLACE`, `UID REPLACE`: RFC 8508.
    Replace(Box<Replace>),
    /// `IDLE`: section 6.3.13. It lasts until `DONE`.
    Idle,
    /// `NOTIFY`: what the server tells by itself ([RFC 5465](https://www.rfc-editor.org/rfc/rfc5465)).
    Notify(Box<crate::extensions::notify::Notify>),
    /// `CHECK`: RFC 3501 section 6.4.1. Obsolete.
    Check,
    /// `CLOSE`: section 6.4.1.
    Close,
    /// `UNAUTHENTICATE`: back to before the login, over the same connection
    /// ([RFC 8437](https://www.rfc-editor.org/rfc/rfc8437)).
    Unauthenticate,
    /// `UNSELECT`: section 6.4.2.
    Unselect,
    /// `EXPUNGE`: section 6.4.3.
    Expunge,
    /// `UID EXPUNGE`: section 6.4.9.
    UidExpunge(UidSet),
    /// `SEARCH`: section 6.4.4.
    Search(Search),
    /// `ESEARCH`: a search in several mailboxes ([RFC 7377](https://www.rfc-editor.org/rfc/rfc7377)).
    ESearch(Box<crate::extensions::multisearch::ESearch>),
    /// `SORT`: [RFC 5256 section 3](https://www.rfc-editor.org/rfc/rfc5256#section-3).
    Sort(Box<Sort>),
    /// `THREAD`: [RFC 5256 section 3](https://www.rfc-editor.org/rfc/rfc5256#section-3).
    Thread(Box<Thread>),
    /// `FETCH`: section 6.4.5.
    Fetch(Fetch),
    /// `STORE`: section 6.4.6.
    Store(Store),
    /// `STORE` of annotations.
    StoreAnnotations(Box<crate::extensions::annotate::AnnotationStore>),
    /// `STORE` of Gmail's labels.
    StoreLabels(Box<crate::extensions::gmail::GmailStore>),
    /// `COPY`: section 6.4.7.
    Copy(Copy),
    /// `MOVE`: section 6.4.8.
    Move(Copy),
    /// `ID`: RFC 2971. `None` is `NIL`. At most 30 fields.
    Id(Option<Vec<(AString, Option<AString>)>>),
    /// A command of an extension that stands on its own.
    Extension(crate::extensions::ExtensionCommand),
    /// A command that this crate does not know; or one that it does, with a parameter, a modifier or the like
    /// that it does not know: all of it is kept as it came. A server answers it with BAD, unless its
    /// application [takes it](crate::server::Config::pass_unknown_commands).
    Other(OtherCommand),
}

impl Command {
    /// Its name, without `UID`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Command::Other(other) => other.name().as_str().unwrap_or_default(),
            known => known.known_name().unwrap_or_default(),
        }
    }

    /// What it stores: of APPEND and REPLACE.
    #[must_use]
    pub fn appended(&self) -> Option<&Append> {
        match self {
            Command::Append(append) => Some(append),
            Command::Replace(replace) => Some(&replace.append),
            _ => None,
        }
    }

    /// Whether what it stores has headers in UTF-8.
    pub(crate) fn appends_utf8(&self) -> bool {
        self.appended().is_some_and(|append| append.literals().any(AppendLiteral::is_utf8))
    }

    /// What it stores, to take it.
    pub(crate) fn appended_mut(&mut self) -> Option<&mut Append> {
        match self {
            Command::Append(append) => Some(append),
            Command::Replace(replace) => Some(&mut replace.append),
            _ => None,
        }
    }

    /// Its name, without `UID`, if this crate knows the command.
    #[must_use]
    pub fn known_name(&self) -> Option<&'static str> {
        match self {
            Command::Extension(command) => Some(command.name()),
            known => known.key().map(Name::as_str),
        }
    }

    /// Whether it names messages by UID.
    #[must_use]
    pub fn is_uid(&self) -> bool {
        match self {
            Command::UidExpunge(_) => true,
            Command::Search(search) => search.uid,
            Command::Sort(sort) => sort.search.uid,
            Command::Thread(thread) => thread.search.uid,
            Command::Fetch(fetch) => fetch.messages.is_uid(),
            Command::Store(store) => store.messages.is_uid(),
            Command::StoreAnnotations(store) => store.messages.is_uid(),
            Command::StoreLabels(store) => store.messages.is_uid(),
            Command::Copy(copy) | Command::Move(copy) => copy.messages.is_uid(),
            Command::Replace(replace) => matches!(replace.replaced, Replaced::Uid(_)),
            _ => false,
        }
    }

    /// Whether it names messages by their sequence numbers, so that an EXPUNGE before it would
    /// change what it means.
    #[inline]
    #[must_use]
    pub fn uses_sequence_numbers(&self) -> bool {
        match self.searched() {
            // A set among the keys counts messages under UID SEARCH, too, and need not be there under SEARCH.
            Some(search) => search.keys.iter().any(SearchKey::uses_sequence_numbers),
            None => self.rules().numbers == Numbers::Sequence,
        }
    }

    /// What it looks for, if it does.
    #[inline]
    pub(crate) fn searched(&self) -> Option<&Search> {
        match self {
            Command::Search(search) => Some(search),
            Command::ESearch(search) => Some(&search.search),
            Command::Sort(sort) => Some(&sort.search),
            Command::Thread(thread) => Some(&thread.search),
            _ => None,
        }
    }

    /// Whether the server may send EXPUNGE while it is in progress: all commands but FETCH, STORE, SEARCH,
    /// SORT and THREAD (RFC 9051 section 7.5.1), and the UID forms of the last three with sequence numbers
    /// among their keys (RFC 7162 section 3.2.10).
    #[inline]
    #[must_use]
    pub fn permits_expunge(&self) -> bool {
        self.expunges(&self.rules())
    }

    /// [`permits_expunge`](Self::permits_expunge), where the row is known.
    pub(crate) fn expunges(&self, rules: &Rules) -> bool {
        let counts = || self.searched().is_some() && self.uses_sequence_numbers();
        rules.expunge && !counts()
    }
}

// What is moved often stays small.
const _: () = assert!(size_of::<Command>() <= 96);
