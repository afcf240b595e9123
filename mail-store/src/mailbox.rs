//! Mailboxes, and what happens in them.

use mailwire_core::Text;
use mailwire_imap::{
    extensions::{acl::Rights, metadata::EntryName},
    types::{FlagSet, ModSeq, ObjectId, Uid, UidValidity},
};

use crate::{MailboxPath, Uids};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The id that a store calls by this number.
            #[must_use]
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
        }
    };
}

id! {
    /// An account: somebody who has mailboxes.
    AccountId
}
id! {
    /// A mailbox, for as long as it exists: its name may change. It is never given again.
    MailboxId
}
id! {
    /// The bytes of a message, which never change and which copies of the message share.
    BodyId
}
id! {
    /// A thread: messages of an account that belong together. A message's thread never changes.
    ThreadId
}

impl MailboxId {
    /// The MAILBOXID of RFC 8474.
    #[must_use]
    pub fn object_id(self) -> ObjectId {
        ObjectId::mailbox(self.0)
    }
}

impl BodyId {
    /// The EMAILID of RFC 8474.
    #[must_use]
    pub fn object_id(self) -> ObjectId {
        ObjectId::email(self.0)
    }
}

impl ThreadId {
    /// The THREADID of RFC 8474.
    #[must_use]
    pub fn object_id(self) -> ObjectId {
        ObjectId::thread(self.0)
    }
}

/// A mailbox and what it holds.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The mailbox.
    pub id: MailboxId,
    /// Its name.
    pub path: MailboxPath,
    /// What it is for (RFC 6154): `\Sent`.
    pub special_use: Option<Text>,
    /// UIDs are comparable while this stays.
    pub uid_validity: UidValidity,
    /// The UID that the next message will have.
    pub uid_next: Uid,
    /// The number of the last change in it: HIGHESTMODSEQ (RFC 7162).
    pub mod_seq: ModSeq,
    /// How many messages it has.
    pub messages: u32,
    /// How many of them are not `\Seen`.
    pub unseen: u32,
    /// How many of them are `\Deleted`.
    pub deleted: u32,
    /// How many of them no session has been told of (IMAP4rev1's `\Recent`).
    pub recent: u32,
    /// The size of all messages, in bytes.
    pub bytes: u64,
    /// The size of those that are `\Deleted`, in bytes.
    pub deleted_bytes: u64,
    /// What the account may do with it (RFC 4314): all by default. [`ImapService`](crate::ImapService) holds sessions to
    /// that.
    pub rights: Rights,
}

impl Mailbox {
    /// An empty mailbox, in which nothing has happened.
    #[must_use]
    pub const fn new(id: MailboxId, path: MailboxPath, uid_validity: UidValidity) -> Self {
        Self {
            id,
            path,
            special_use: None,
            uid_validity,
            uid_next: Uid::MIN,
            mod_seq: ModSeq::ZERO,
            messages: 0,
            unseen: 0,
            deleted: 0,
            recent: 0,
            bytes: 0,
            deleted_bytes: 0,
            rights: Rights::ALL,
        }
    }
}

/// The mailboxes of an account: [`Store::mailboxes`](crate::Store::mailboxes).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailboxes {
    /// The number of the account's last change: ask for those after it the next time.
    pub mod_seq: ModSeq,
    /// The mailboxes that have changed, in any order.
    pub mailboxes: Vec<Mailbox>,
    /// The mailboxes that are gone.
    pub gone: Vec<MailboxId>,
    /// `mailboxes` are all that there are, because all were asked for, or because it is not known any more
    /// which are gone.
    pub complete: bool,
    /// All names that the user is subscribed to, with or without a mailbox. `None` if that has not
    /// changed.
    pub subscriptions: Option<Vec<MailboxPath>>,
    /// The annotations that were changed, of mailboxes and of the account itself (RFC 5464). `None` if that is not known,
    /// or not any more.
    pub annotations: Option<Vec<(Option<MailboxId>, EntryName)>>,
}

impl Mailboxes {
    /// Nothing has changed up to `mod_seq`.
    #[must_use]
    pub const fn new(mod_seq: ModSeq) -> Self {
        Self {
            mod_seq,
            mailboxes: Vec::new(),
            gone: Vec::new(),
            complete: false,
            subscriptions: None,
            annotations: Some(Vec::new()),
        }
    }
}

/// What [`Store::alter`](crate::Store::alter) does to an account's mailboxes.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailboxChange {
    /// Makes a mailbox, and those above it that are missing.
    Create {
        /// Its name.
        path: MailboxPath,
        /// What it is for (RFC 6154): `\Sent`.
        special_use: Option<Text>,
    },
    /// Deletes a mailbox and its messages. Those below it stay, and its subscription.
    Delete(MailboxPath),
    /// Gives a mailbox and those below it another name; mailboxes above the new name are made. INBOX
    /// stays, empty: its messages move, and what is below it stays too (RFC 9051 section 6.3.6).
    Rename {
        /// Its name, or that of a level that has mailboxes below it.
        from: MailboxPath,
        /// Its new name.
        to: MailboxPath,
    },
    /// Subscribes to a name, whether there is such a mailbox or not.
    Subscribe(MailboxPath),
    /// Ends a subscription, if there is one.
    Unsubscribe(MailboxPath),
}

/// A place in a mailbox's feed: see [`Store::changes`](crate::Store::changes).
///
/// It holds several numbers. By mod-sequence alone, a message that was flagged after another one arrived
/// would be told after that one, and sequence numbers would be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    mod_seq: ModSeq,
    uid_next: Uid,
    within: Uid,
    vanished: ModSeq,
}

impl Cursor {
    /// After all changes up to `mod_seq`, in a mailbox whose next UID was `uid_next` then.
    #[must_use]
    pub const fn new(mod_seq: ModSeq, uid_next: Uid) -> Self {
        Self { mod_seq, uid_next, within: Uid::MAX, vanished: mod_seq }
    }

    /// After all changes up to a number that a client has named (QRESYNC, CHANGEDSINCE): messages that
    /// arrived later come as [`flags`](Changes::flags), not as [`arrived`](Changes::arrived).
    #[must_use]
    pub const fn since(mod_seq: ModSeq) -> Self {
        Self::new(mod_seq, Uid::MAX)
    }

    /// This place, in the middle of a change of many messages: after that of `uid`.
    #[must_use]
    pub const fn within(mut self, mod_seq: ModSeq, uid: Uid) -> Self {
        self.mod_seq = mod_seq;
        self.within = uid;
        self
    }

    /// The change up to which everything is known.
    #[must_use]
    pub const fn mod_seq(self) -> ModSeq {
        self.mod_seq
    }

    /// The first UID that is not known.
    #[must_use]
    pub const fn uid_next(self) -> Uid {
        self.uid_next
    }

    /// The last message that is known of the change [`mod_seq`](Self::mod_seq).
    #[must_use]
    pub const fn last_within(self) -> Uid {
        self.within
    }

    /// The change up to which it is known which messages are gone. In the middle of the flags, that is more
    /// than [`mod_seq`](Self::mod_seq).
    #[must_use]
    pub const fn vanished(self) -> ModSeq {
        self.vanished
    }

    /// Whether a message's flags, which were changed by `mod_seq`, are still to be told.
    #[must_use]
    pub fn is_before(self, mod_seq: ModSeq, uid: Uid) -> bool {
        (self.mod_seq, self.within) < (mod_seq, uid)
    }
}

/// What happened in a mailbox: [`Store::changes`](crate::Store::changes).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Where to go on.
    pub cursor: Cursor,
    /// Messages that came and are still there.
    pub arrived: Uids,
    /// Messages that are gone. Some of them may never have been known.
    pub vanished: Uids,
    /// The flags of messages whose flags were changed, by mod-sequence and UID.
    pub flags: Vec<(Uid, ModSeq, FlagSet)>,
    /// There are more `flags`: ask again. HIGHESTMODSEQ may be told only when there are none.
    pub more: bool,
    /// The mailbox itself is gone.
    pub gone: bool,
}

impl Changes {
    /// Nothing has happened since `cursor`.
    #[must_use]
    pub const fn new(cursor: Cursor) -> Self {
        Self {
            cursor,
            arrived: Uids::new(),
            vanished: Uids::new(),
            flags: Vec::new(),
            more: false,
            gone: false,
        }
    }

    /// Whether nothing has happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.arrived.is_empty() && self.vanished.is_empty() && self.flags.is_empty() && !self.gone
    }
}

/// A mailbox in one snapshot: [`Store::open`](crate::Store::open).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The mailbox with its counters.
    pub mailbox: Mailbox,
    /// All messages.
    pub uids: Uids,
    /// The first message that is not `\Seen`.
    pub first_unseen: Option<Uid>,
    /// The keywords that messages may have, and have had.
    pub keywords: FlagSet,
    /// Whether there is room for new keywords.
    pub new_keywords: bool,
    /// What happened since the cursor that was given.
    pub changes: Option<Changes>,
    /// From where the feed goes on.
    pub cursor: Cursor,
}

impl Opened {
    /// A mailbox with these messages, none of them unseen.
    #[must_use]
    pub fn new(mailbox: Mailbox, uids: Uids) -> Self {
        let cursor = Cursor::new(mailbox.mod_seq, mailbox.uid_next);
        Self {
            mailbox,
            uids,
            first_unseen: None,
            keywords: FlagSet::new(),
            new_keywords: true,
            changes: None,
            cursor,
        }
    }
}
