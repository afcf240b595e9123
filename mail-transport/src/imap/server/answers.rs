//! What a [`Session`](super::Session) answers. Extensions add to it.

use bytes::Bytes;
use mailwire_core::setters;
use mailwire_imap::{
    command::FetchAtt,
    extensions::{acl::Rights, gmail::GmailLabel, metadata::EntryName},
    response::MsgAtt,
    types::{BodyStructure, Flag, FlagSet, ModSeq, ObjectId, PermanentFlags, Uid, UidValidity},
};

use super::{listing::Mailbox, sets::ranges};
use crate::server::{Content, NoReader};

/// What is in a mailbox: what STATUS asks for, and more if it costs nothing.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Number of messages.
    pub messages: Option<u32>,
    /// Messages that no session was told of (IMAP4rev1).
    pub recent: Option<u32>,
    /// The UID that the next message will have.
    pub uid_next: Option<Uid>,
    /// UIDs are comparable while this stays.
    pub uid_validity: Option<UidValidity>,
    /// Messages that are not `\Seen`.
    pub unseen: Option<u32>,
    /// Messages that are `\Deleted`.
    pub deleted: Option<u32>,
    /// The size of all messages, in bytes.
    pub size: Option<u64>,
    /// The size of the messages that are `\Deleted`, in bytes.
    pub deleted_bytes: Option<u64>,
    /// The largest message that the mailbox takes, in bytes; `Some(None)` if it has no limit. What the server
    /// takes of any ([`Limits::message`](mailwire_imap::Limits::message)) is said where this is `None`.
    pub append_limit: Option<Option<u64>>,
    /// What identifies the mailbox for good, whatever its name (RFC 8474): needed for
    /// [`Capability::ObjectId`](mailwire_imap::Capability::ObjectId). It is asked for after CREATE, too.
    pub mailbox_id: Option<ObjectId>,
    /// The last change (HIGHESTMODSEQ).
    pub highest_mod_seq: Option<ModSeq>,
}

/// An open mailbox.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// UIDs are comparable while this stays.
    pub uid_validity: UidValidity,
    /// The UID that the next message will have.
    pub uid_next: Uid,
    /// The messages, as ascending ranges with both ends: a large mailbox may have few of them.
    pub uids: Vec<(Uid, Uid)>,
    /// Those that no session was told of before (IMAP4rev1's `\Recent`), likewise. It may be left empty.
    pub recent: Vec<(Uid, Uid)>,
    /// The first one that is not `\Seen`.
    pub unseen: Option<Uid>,
    /// The flags that messages have.
    pub flags: FlagSet,
    /// The flags that the client can change for ever.
    pub permanent_flags: PermanentFlags,
    /// Changes are refused.
    pub read_only: bool,
    /// What identifies the mailbox for good (RFC 8474): needed for [`Capability::ObjectId`](mailwire_imap::Capability::ObjectId).
    pub mailbox_id: Option<ObjectId>,
}

impl Selected {
    /// A mailbox with these messages, without flags. `uid_next` is the UID that the next one will have.
    #[must_use]
    pub fn new(uid_validity: UidValidity, uid_next: Uid, uids: impl Into<Vec<Uid>>) -> Self {
        Self::with_ranges(uid_validity, uid_next, ranges(uids.into()))
    }

    /// A mailbox with the messages of these ranges, which ascend, without flags.
    #[must_use]
    pub fn with_ranges(
        uid_validity: UidValidity,
        uid_next: Uid,
        ranges: impl IntoIterator<Item = (Uid, Uid)>,
    ) -> Self {
        Self {
            uid_validity,
            uid_next,
            uids: ranges.into_iter().collect(),
            recent: Vec::new(),
            unseen: None,
            flags: FlagSet::new(),
            permanent_flags: PermanentFlags::default(),
            read_only: false,
            mailbox_id: None,
        }
    }

    /// The flags that every mailbox has.
    #[must_use]
    pub fn system_flags() -> FlagSet {
        [Flag::Answered, Flag::Flagged, Flag::Deleted, Flag::Seen, Flag::Draft].into_iter().collect()
    }
}

setters!(const Selected {
    with_read_only(read_only: bool),
});

/// What FETCH gives of one message. `R` is what large contents are read from; [`NoReader`] if all are in memory.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched<R = NoReader> {
    /// The message.
    pub uid: Uid,
    /// What was asked for.
    pub items: Vec<FetchedItem<R>>,
}

/// One item of [`Fetched`].
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchedItem<R = NoReader> {
    /// A small one: flags, dates, sizes, structures.
    Data(MsgAtt),
    /// Bytes of the message.
    Content {
        /// For what was asked.
        asked: FetchAtt,
        /// The bytes: of the part that was asked for, only the range that was asked for. `None` if
        /// there is no such part.
        content: Option<Content<R>>,
    },
}

impl<R> Fetched<R> {
    /// A message of which nothing is given so far.
    #[must_use]
    pub const fn new(uid: Uid) -> Self {
        Self { uid, items: Vec::new() }
    }

    /// Adds a small item.
    pub fn data(&mut self, item: MsgAtt) {
        self.items.push(FetchedItem::Data(item));
    }

    /// Adds bytes of the message: see [`FetchedItem::Content`].
    pub fn content(&mut self, asked: FetchAtt, content: Option<impl Into<Content<R>>>) {
        self.items.push(FetchedItem::Content { asked, content: content.map(Into::into) });
    }
}

/// A message's flags after STORE.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The message.
    pub uid: Uid,
    /// Its flags now.
    pub flags: FlagSet,
    /// Whether they were others before.
    pub changed: bool,
    /// The last change of the message.
    pub mod_seq: Option<ModSeq>,
    /// Whether the message was left alone because somebody had changed it:
    /// [`StoreOptions::unchanged_since`](super::StoreOptions::unchanged_since).
    pub refused: bool,
}

impl Stored {
    /// A message with the flags that it has now; `changed`: it had others before.
    #[must_use]
    pub const fn new(uid: Uid, flags: FlagSet, changed: bool) -> Self {
        Self { uid, flags, changed, mod_seq: None, refused: false }
    }
}

setters!(const Stored {
    with_mod_seq(mod_seq: some ModSeq),
    with_refused(refused: bool),
});

/// A message's labels after STORE.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// The message.
    pub uid: Uid,
    /// Its labels now.
    pub labels: Vec<GmailLabel>,
    /// The last change of the message.
    pub mod_seq: Option<ModSeq>,
    /// Whether the message was left alone because somebody had changed it:
    /// [`LabelOptions::unchanged_since`](super::LabelOptions::unchanged_since).
    pub refused: bool,
}

impl Labelled {
    /// A message with the labels that it has now.
    #[must_use]
    pub fn new(uid: Uid, labels: impl Into<Vec<GmailLabel>>) -> Self {
        Self { uid, labels: labels.into(), mod_seq: None, refused: false }
    }
}

setters!(const Labelled {
    with_mod_seq(mod_seq: some ModSeq),
    with_refused(refused: bool),
});

/// What happened in a mailbox: [`Session::changes`](super::Session::changes).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Messages that came or were changed, and are still there, in any order.
    pub changed: Vec<Uid>,
    /// Messages that are gone, as ascending ranges with both ends. Some may never have been there.
    pub vanished: Vec<(Uid, Uid)>,
}

impl Changes {
    /// Messages that were changed, and those that are gone, as ascending ranges.
    #[must_use]
    pub fn new(changed: impl Into<Vec<Uid>>, vanished: impl Into<Vec<(Uid, Uid)>>) -> Self {
        Self { changed: changed.into(), vanished: vanished.into() }
    }
}

/// A message's flags as they are now.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flagged {
    /// The message.
    pub uid: Uid,
    /// Its flags.
    pub flags: FlagSet,
    /// The last change of the message.
    pub mod_seq: Option<ModSeq>,
}

impl Flagged {
    /// A message with these flags.
    #[must_use]
    pub const fn new(uid: Uid, flags: FlagSet) -> Self {
        Self { uid, flags, mod_seq: None }
    }
}

setters!(const Flagged {
    with_mod_seq(mod_seq: some ModSeq),
});

/// Where an appended message lies.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The mailbox's UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// The message's UID.
    pub uid: Uid,
}

impl Appended {
    /// A message in a mailbox of this UIDVALIDITY.
    #[must_use]
    pub const fn new(uid_validity: UidValidity, uid: Uid) -> Self {
        Self { uid_validity, uid }
    }
}

/// Where copies lie.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The UIDVALIDITY of the mailbox that has the copies.
    pub uid_validity: UidValidity,
    /// Each message's UID, and that of its copy.
    pub uids: Vec<(Uid, Uid)>,
}

impl Copied {
    /// Copies in a mailbox of this UIDVALIDITY: each message's UID, and that of its copy.
    #[must_use]
    pub fn new(uid_validity: UidValidity, uids: impl Into<Vec<(Uid, Uid)>>) -> Self {
        Self { uid_validity, uids: uids.into() }
    }
}

/// What happened: to the open mailbox, and to others where [`Session::watch`](super::Session::watch) says so.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// Messages came.
    Added {
        /// Their UIDs.
        uids: Vec<Uid>,
        /// Whether this session is the first that is told (IMAP4rev1's `\Recent`).
        recent: bool,
    },
    /// Messages are gone.
    Expunged(Vec<Uid>),
    /// Flags were changed: what they are now.
    Flags(Vec<Flagged>),
    /// The mailbox itself is gone. The connection is closed: IMAP has no other way to say so.
    MailboxGone,
    /// The user must see this.
    Alert(String),
    /// Something happened to a mailbox by its name, or to messages of one that is not open.
    Mailbox(Box<MailboxUpdate>),
    /// These annotations of the server were changed.
    ServerMetadata(Vec<EntryName>),
    /// More has happened to other mailboxes than can be told. Nothing is watched any more.
    Overflow,
}

/// What happened to a mailbox that need not be open: see [`Session::watch`](super::Session::watch).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxUpdate {
    /// The mailbox as it is now, with all its attributes: [`NonExistent`](mailwire_imap::types::MailboxAttribute::NonExistent)
    /// if there is none of that name, [`NoAccess`](mailwire_imap::types::MailboxAttribute::NoAccess) if the user may
    /// not read it.
    pub mailbox: Mailbox,
    /// What happened.
    pub event: MailboxEvent,
}

impl MailboxUpdate {
    /// An event of a mailbox.
    #[must_use]
    pub const fn new(mailbox: Mailbox, event: MailboxEvent) -> Self {
        Self { mailbox, event }
    }
}

/// An event of a mailbox.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailboxEvent {
    /// Messages came, are gone or have other flags, in a mailbox that is not open.
    Messages {
        /// What is in it now.
        status: Status,
        /// Whether messages came or are gone.
        counts: bool,
        /// Whether another number of messages is not `\Seen`.
        unseen: bool,
    },
    /// A mailbox of this name was made, is gone or was renamed; or one directly below it was made or is gone.
    /// Mailboxes below one that was renamed are not told of.
    Name {
        /// The name that it had before, if it was renamed.
        old_name: Option<String>,
    },
    /// The user has subscribed to the name, or does not any more.
    Subscription,
    /// The user may see or read it, or may not any more.
    Access,
    /// These annotations were changed.
    Metadata(Vec<EntryName>),
}

/// Which rights an identifier can be given ([RFC 4314 section
/// 3.7](https://www.rfc-editor.org/rfc/rfc4314#section-3.7)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantableRights {
    /// What it has whatever is said.
    pub required: Rights,
    /// What it can be given: the rights of one member only together.
    pub optional: Vec<Rights>,
}

impl GrantableRights {
    /// These rights always, and of the others those of each member together.
    #[must_use]
    pub fn new(required: Rights, optional: impl Into<Vec<Rights>>) -> Self {
        Self { required, optional: optional.into() }
    }
}

/// Where mailboxes are: prefixes and the delimiters below them.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namespaces {
    /// The user's own.
    pub personal: Vec<(String, Option<char>)>,
    /// Other users'.
    pub other_users: Vec<(String, Option<char>)>,
    /// Those that users share.
    pub shared: Vec<(String, Option<char>)>,
}

/// What a URL names.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UrlContent {
    /// Its bytes, if they were asked for. `None`, too: their transfer encoding is not known.
    pub bytes: Option<Bytes>,
    /// Its structure as it is given, if it was asked for and is known: with the encoding and the size of the bytes.
    pub structure: Option<BodyStructure>,
}

impl UrlContent {
    /// Nothing so far.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}
