//! What the calls of a [`Session`](super::Session) are given beside mailboxes and messages. Extensions
//! add to it.

use mailwire_core::setters;
use mailwire_imap::{
    command::{
        AppendKind, AppendMessage, FetchAtt, SearchKey, SortCriterion, StatusAtt, StoreAction,
        ThreadAlgorithm,
    },
    extensions::{
        gmail::GmailLabel,
        metadata::{Depth, EntryName},
    },
    types::{DateTime, FlagSet, MailboxAttribute, ModSeq, Uid},
};

use super::progress::Progress;

/// How a mailbox is to be opened.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SelectOptions {
    /// Whether nothing is to be changed: EXAMINE.
    pub read_only: bool,
}

impl SelectOptions {
    /// Options to read and to change: SELECT.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

setters!(const SelectOptions {
    with_read_only(read_only: bool),
});

/// How a mailbox is to be made.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CreateOptions {
    /// What it is for ([RFC 6154](https://www.rfc-editor.org/rfc/rfc6154#section-3)). What cannot be is refused with
    /// [`Code::UseAttr`](mailwire_imap::response::Code::UseAttr).
    pub special_use: Vec<MailboxAttribute>,
}

impl CreateOptions {
    /// Options for a mailbox without special use.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

setters!(CreateOptions {
    with_special_use(special_use: into Vec<MailboxAttribute>),
});

/// The annotations that GETMETADATA asks for.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataOptions {
    /// The entries. They are in any case of their letters.
    pub entries: Vec<EntryName>,
    /// How far below them entries are asked for, too.
    pub depth: Depth,
}

impl MetadataOptions {
    /// Options that ask for `entries`.
    #[must_use]
    pub fn new(entries: impl Into<Vec<EntryName>>) -> Self {
        Self { entries: entries.into(), depth: Depth::Zero }
    }

    /// Whether an entry is asked for.
    #[must_use]
    pub fn asks_for(&self, entry: &EntryName) -> bool {
        self.entries.iter().filter_map(EntryName::as_str).any(|above| entry.is_within(above, self.depth))
    }
}

setters!(const MetadataOptions {
    with_depth(depth: Depth),
});

/// The change that STORE makes to Gmail's labels.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelOptions {
    /// Whether labels are set, added or taken away.
    pub action: StoreAction,
    /// The labels.
    pub labels: Vec<GmailLabel>,
    /// As [`StoreOptions::unchanged_since`].
    pub unchanged_since: Option<ModSeq>,
}

impl LabelOptions {
    /// Options that do `action` with `labels`.
    #[must_use]
    pub fn new(action: StoreAction, labels: impl Into<Vec<GmailLabel>>) -> Self {
        Self { action, labels: labels.into(), unchanged_since: None }
    }
}

setters!(const LabelOptions {
    with_unchanged_since(unchanged_since: Option<ModSeq>),
});

/// The data that STATUS asks of a mailbox.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusOptions {
    /// The numbers that are wanted. More may be given.
    pub items: Vec<StatusAtt>,
}

impl StatusOptions {
    /// Options that ask for `items`.
    #[must_use]
    pub fn new(items: impl Into<Vec<StatusAtt>>) -> Self {
        Self { items: items.into() }
    }
}

/// The data that FETCH asks of messages.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchOptions {
    /// The data that is wanted.
    pub items: Vec<FetchAtt>,
}

impl FetchOptions {
    /// Options that ask for `items`.
    #[must_use]
    pub fn new(items: impl Into<Vec<FetchAtt>>) -> Self {
        Self { items: items.into() }
    }
}

/// The change that STORE makes to messages' flags.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// Whether flags are set, added or taken away.
    pub action: StoreAction,
    /// The flags.
    pub flags: FlagSet,
    /// Only messages that nobody has changed after this are changed: UNCHANGEDSINCE
    /// ([RFC 7162 section 3.1.3](https://www.rfc-editor.org/rfc/rfc7162#section-3.1.3)). The others are
    /// [refused](super::Stored::refused).
    pub unchanged_since: Option<ModSeq>,
}

impl StoreOptions {
    /// Options that do `action` with `flags`.
    #[must_use]
    pub const fn new(action: StoreAction, flags: FlagSet) -> Self {
        Self { action, flags, unchanged_since: None }
    }
}

setters!(const StoreOptions {
    with_unchanged_since(unchanged_since: Option<ModSeq>),
});

/// The messages that SEARCH looks for.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchOptions {
    /// All of these are true of them. There are neither sequence numbers nor `$`, `NEW`, `OLD`, `RECENT`,
    /// `UIDAFTER` and `UIDBEFORE` in the keys any more, strings are UTF-8, and the ranges of sets ascend.
    pub keys: Vec<SearchKey>,
    /// How many messages of the mailbox the client knows: so many are asked.
    pub messages: u64,
    /// Where to note how far the search has come.
    pub progress: Progress,
}

impl SearchOptions {
    /// Options that look for messages of which all `keys` are true, in an empty mailbox.
    #[must_use]
    pub fn new(keys: impl Into<Vec<SearchKey>>) -> Self {
        Self { keys: keys.into(), messages: 0, progress: Progress::new() }
    }
}

setters!(SearchOptions {
    with_messages(messages: u64),
});

/// What a session is to give as [`updates`](super::Session::updates): NOTIFY.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchOptions {
    /// Whether updates of the open mailbox are given. What is not given now is given once it is wanted again; only
    /// [`Update::MailboxGone`](super::Update::MailboxGone) is given in any case.
    pub selected: bool,
    /// Whether the flags of messages are among them.
    pub flags: bool,
    /// Whether updates of the other mailboxes and of the server are given:
    /// [`Update::Mailbox`](super::Update::Mailbox), [`Update::ServerMetadata`](super::Update::ServerMetadata).
    pub mailboxes: bool,
}

impl WatchOptions {
    /// Options to watch the open mailbox and nothing else, as a session does from its begin.
    #[must_use]
    pub const fn new() -> Self {
        Self { selected: true, flags: true, mailboxes: false }
    }
}

setters!(const WatchOptions {
    with_selected(selected: bool),
    with_flags(flags: bool),
    with_mailboxes(mailboxes: bool),
});

impl Default for WatchOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// The order that SORT brings messages into ([RFC 5256](https://www.rfc-editor.org/rfc/rfc5256)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortOptions {
    /// What the order goes by, the most important first. Messages that are alike in all of it stay in the order of
    /// the mailbox.
    pub criteria: Vec<SortCriterion>,
    /// How relevant the messages are, as [`Session::relevancy`](super::Session::relevancy) said, in ascending order of
    /// their UIDs; empty if no criterion asks for it. The most relevant message is the first one.
    pub relevancy: Vec<(Uid, u8)>,
}

impl SortOptions {
    /// Options that sort by `criteria`.
    #[must_use]
    pub fn new(criteria: impl Into<Vec<SortCriterion>>) -> Self {
        Self { criteria: criteria.into(), relevancy: Vec::new() }
    }

    /// Sets how relevant the messages are, in ascending order of their UIDs.
    #[must_use]
    pub fn with_relevancy(mut self, relevancy: impl Into<Vec<(Uid, u8)>>) -> Self {
        self.relevancy = relevancy.into();
        self
    }
}

/// The conversations that THREAD brings messages into ([RFC 5256](https://www.rfc-editor.org/rfc/rfc5256)).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadOptions {
    /// How messages are brought together.
    pub algorithm: ThreadAlgorithm,
}

impl ThreadOptions {
    /// Options that use `algorithm`.
    #[must_use]
    pub const fn new(algorithm: ThreadAlgorithm) -> Self {
        Self { algorithm }
    }
}

/// The changes that a client asks for: CHANGEDSINCE, and QRESYNC as it selects a mailbox.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangesOptions {
    /// The change up to which the client knows all.
    pub since: ModSeq,
    /// The messages that it asks about, as ascending ranges with both ends. What happened to others may be
    /// given, too.
    pub uids: Vec<(Uid, Uid)>,
    /// Whether it asks for messages that are gone.
    pub vanished: bool,
}

impl ChangesOptions {
    /// Options that ask for messages of `uids` that were changed after `since`.
    #[must_use]
    pub fn new(since: ModSeq, uids: impl Into<Vec<(Uid, Uid)>>) -> Self {
        Self { since, uids: uids.into(), vanished: false }
    }
}

setters!(const ChangesOptions {
    with_vanished(vanished: bool),
});

/// How messages are to be copied or moved.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CopyOptions {
    /// Where to note how far it has come.
    pub progress: Progress,
}

impl CopyOptions {
    /// Options to keep flags and dates.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// What APPEND says of the message that it brings.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Its flags.
    pub flags: FlagSet,
    /// When it arrived, if the client says.
    pub date: Option<DateTime>,
    /// Its size in bytes: of one that is put together, what the client sends of it itself, as far as it has said.
    pub length: u64,
    /// It can have NUL in it (RFC 3516).
    pub binary: bool,
}

impl NewMessage {
    pub(super) fn of(message: &AppendMessage) -> Self {
        let length = message.len();
        let binary = message.literals().any(|literal| literal.kind != AppendKind::Plain);
        Self { flags: message.flags.clone(), date: message.date, length, binary }
    }
}

/// What URLFETCH asks of a URL.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrlOptions {
    /// The form of its bytes; `None` where they are not asked for.
    pub bytes: Option<UrlBytes>,
    /// Whether the structure of the part is asked for.
    pub structure: bool,
    /// So many bytes are given at most.
    pub limit: u64,
}

/// The form of the bytes that a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlBytes {
    /// As they are.
    Encoded,
    /// Without transfer encoding ([RFC 5524](https://www.rfc-editor.org/rfc/rfc5524)).
    Decoded,
}

impl UrlOptions {
    /// Options that ask for at most `limit` bytes, in this form.
    #[must_use]
    pub const fn new(bytes: Option<UrlBytes>, limit: u64) -> Self {
        Self { bytes, structure: false, limit }
    }
}
