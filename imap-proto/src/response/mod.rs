//! What a server says (RFC 9051 section 7).
//!
//! [`Response::parse`] reads one complete message, [`Response::write`] writes one. Reading takes
//! what real servers send ([`Dialect::Lenient`](mailwire_core::Dialect::Lenient)) or what the
//! grammar has; writing keeps to the grammar always.
//!
//! ```
//! use mailwire_core::Dialect;
//! use mailwire_imap::response::{MsgAtt, Response, Untagged};
//! use mailwire_imap::types::{ParseContext, SeqNumber};
//!
//! let line = bytes::Bytes::from_static(b"* 12 FETCH (UID 40 RFC822.SIZE 4286)");
//! let parsed = Response::parse(&line, ParseContext::new(Dialect::Strict))?;
//! let Response::Untagged(Untagged::Fetch(fetch)) = parsed.value else { panic!() };
//! assert_eq!(fetch.number, SeqNumber::new(12));
//! assert!(matches!(fetch.items[..], [MsgAtt::Uid(_), MsgAtt::Rfc822Size(4286)]));
//! # Ok::<(), mailwire_core::ParseError>(())
//! ```

#[cfg(feature = "arbitrary")]
pub(crate) mod arbitrary;
mod code;
mod esearch;
mod fetch;
mod mailbox_data;
mod parse;
mod reply;
mod search;
mod thread;
mod write;

use alloc::{boxed::Box, vec::Vec};

use mailwire_core::{ParseError, Text, from_variants};

pub(crate) use self::write::Detached;
pub use self::write::StreamedLiteral;
pub use self::{
    code::{Code, CopyUid, OtherCode},
    esearch::{ContextChange, ESearchData, SearchReturnData, SearchedMailbox},
    fetch::{BinaryData, BinarySize, FetchData, MsgAtt, OtherMsgAtt, SectionData},
    mailbox_data::{ListData, ListExtension, ListKind, StatusAttVal, StatusData},
    reply::{Continuation, Reply, ReplyKind, ReplyText, Tagged},
    search::{SearchData, VanishedData},
    thread::{ThreadData, ThreadNode},
};
use crate::{
    Capability,
    extensions::namespace::NamespaceData,
    types::{FlagSet, ImapString, SeqNumber, Value},
};

/// One message of a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Response {
    /// The end of a command: `a1 OK done`.
    Tagged(Tagged),
    /// The server waits for the rest of a command: `+ go ahead`.
    Continuation(Continuation),
    /// Everything else: `* ...`. The greeting is one of these.
    Untagged(Untagged),
}

/// Data that a server sends by itself or before the end of a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Untagged {
    /// `OK`, `NO`, `BAD`, `PREAUTH` or `BYE`.
    Reply(Reply),
    /// `CAPABILITY`: all that the server can do now.
    Capability(Vec<Capability>),
    /// `ENABLED`: what ENABLE has switched on.
    Enabled(Vec<Capability>),
    /// `LIST`, `LSUB` or `XLIST`: one mailbox.
    List(ListData),
    /// `STATUS`: numbers about one mailbox.
    Status(StatusData),
    /// `SEARCH`: the messages found.
    Search(SearchData),
    /// `ESEARCH`: the same, and what else was asked about them.
    ESearch(ESearchData),
    /// `SORT`: the messages found, in their order ([RFC 5256](https://www.rfc-editor.org/rfc/rfc5256)).
    Sort(SearchData),
    /// `THREAD`: the messages found, in conversations ([RFC 5256](https://www.rfc-editor.org/rfc/rfc5256)).
    Thread(ThreadData),
    /// `FLAGS`: the flags that messages of the mailbox have.
    Flags(FlagSet),
    /// `EXISTS`: so many messages are in the mailbox.
    Exists(u32),
    /// `RECENT`: so many of them are new to this session (IMAP4rev1).
    Recent(u32),
    /// `EXPUNGE`: the message of this number is gone, and those after it move up. `None`:
    /// the server says 0. It is not written.
    Expunge(Option<SeqNumber>),
    /// `FETCH` or `UIDFETCH`: data of one message.
    Fetch(FetchData),
    /// `VANISHED`: the messages of these identifiers are gone (RFC 7162).
    Vanished(VanishedData),
    /// `NAMESPACE`: where the mailboxes are.
    Namespace(Box<NamespaceData>),
    /// `ID`: what the server calls itself; nothing for `NIL`.
    Id(Vec<(ImapString, Option<ImapString>)>),
    /// Data of an extension that stands on its own.
    Extension(Box<crate::extensions::ExtensionData>),
    /// What is not known here.
    Other(Box<OtherData>),
}

/// Untagged data that is not known here, as it stands on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OtherData {
    /// The number before the name, if there is one.
    pub(crate) number: Option<u64>,
    pub(crate) name: Text,
    pub(crate) rest: Text,
    /// Not if a literal of it was streamed, or something was odd about it: it is not written then.
    pub(crate) complete: bool,
}

impl OtherData {
    /// The number before the name, if there is one.
    #[must_use]
    pub const fn number(&self) -> Option<u64> {
        self.number
    }

    /// The name: `QUOTA`.
    #[must_use]
    pub const fn name(&self) -> &Text {
        &self.name
    }

    /// What stands after the name and its space. Literals stand in it inline.
    #[must_use]
    pub const fn rest(&self) -> &Text {
        &self.rest
    }

    /// What stands after the name, taken apart.
    ///
    /// # Errors
    ///
    /// It is not made of values, as text for people, or a literal of it was streamed.
    #[inline]
    pub fn values(&self) -> Result<Vec<Value>, ParseError> {
        Value::parse_all(self.rest.as_bytes())
    }
}

impl From<Reply> for Response {
    fn from(reply: Reply) -> Self {
        Self::Untagged(Untagged::Reply(reply))
    }
}

from_variants!(Response {
    Untagged(Untagged),
    Tagged(Tagged),
    Continuation(Continuation),
});

impl Untagged {
    /// The name as it stands on the wire: `FETCH`.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        match self {
            Self::Reply(reply) => reply.kind.as_str().as_bytes(),
            Self::Capability(_) => b"CAPABILITY",
            Self::Enabled(_) => b"ENABLED",
            Self::List(list) => list.kind.as_str().as_bytes(),
            Self::Status(_) => b"STATUS",
            Self::Search(_) => b"SEARCH",
            Self::ESearch(_) => b"ESEARCH",
            Self::Sort(_) => b"SORT",
            Self::Thread(_) => b"THREAD",
            Self::Flags(_) => b"FLAGS",
            Self::Exists(_) => b"EXISTS",
            Self::Recent(_) => b"RECENT",
            Self::Expunge(_) => b"EXPUNGE",
            Self::Fetch(fetch) if fetch.uid.is_some() => b"UIDFETCH",
            Self::Fetch(_) => b"FETCH",
            Self::Vanished(_) => b"VANISHED",
            Self::Namespace(_) => b"NAMESPACE",
            Self::Id(_) => b"ID",
            Self::Extension(data) => data.name().as_bytes(),
            Self::Other(other) => other.name.as_bytes(),
        }
    }
}

// What is moved often stays small.
const _: () = assert!(size_of::<MsgAtt>() <= 56 && size_of::<Untagged>() <= 112);
