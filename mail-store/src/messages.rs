//! Messages of a mailbox.

use std::time::SystemTime;

use mailwire_core::setters;
use mailwire_imap::{
    command::StoreAction,
    extensions::gmail::GmailLabel,
    types::{BodyStructure, DateTime, Envelope, FlagSet, ModSeq, Uid, UidValidity},
};

use crate::{AccountId, BodyId, MailboxId, ThreadId, Uids};

/// When a message arrived, or what the client that stored it said: seconds and a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InternalDate {
    /// Seconds since 1970-01-01 00:00:00 UTC.
    pub seconds: i64,
    /// Minutes east of Greenwich.
    pub zone: i16,
}

impl InternalDate {
    /// This moment, in UTC.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// The date as IMAP says it. `None` outside of the years 0 to 9999.
    #[must_use]
    pub fn to_date_time(self) -> Option<DateTime> {
        DateTime::from_unix(self.seconds, self.zone)
    }
}

impl From<SystemTime> for InternalDate {
    /// In UTC; what lies before 1970 is that year's begin.
    fn from(time: SystemTime) -> Self {
        let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        Self { seconds: i64::try_from(seconds).unwrap_or(i64::MAX), zone: 0 }
    }
}

impl From<DateTime> for InternalDate {
    fn from(date: DateTime) -> Self {
        Self { seconds: date.to_unix(), zone: date.zone() }
    }
}

/// What [`Store::messages`](crate::Store::messages) is to find out beside what costs nothing.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Fields {
    /// Whether [`Row::flags`] is asked for.
    pub flags: bool,
    /// Whether [`Row::envelope`] is asked for.
    pub envelope: bool,
    /// Whether [`Row::structure`] is asked for.
    pub structure: bool,
    /// Whether [`Row::labels`] is asked for.
    pub labels: bool,
}

impl Fields {
    /// Nothing more.
    #[must_use]
    pub const fn new() -> Self {
        Self { flags: false, envelope: false, structure: false, labels: false }
    }
}

setters!(const Fields {
    with_flags(flags: bool),
    with_envelope(envelope: bool),
    with_structure(structure: bool),
    with_labels(labels: bool),
});

/// What is known of a message without reading it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The message.
    pub uid: Uid,
    /// Number of the last change of its flags, or of its arrival.
    pub mod_seq: ModSeq,
    /// Its flags, without `\Recent`. Empty if [`Fields::flags`] was not asked for.
    pub flags: FlagSet,
    /// When it arrived.
    pub date: InternalDate,
    /// When it was put into this mailbox (RFC 8514: SAVEDATE).
    pub saved: SystemTime,
    /// Its size in bytes.
    pub size: u64,
    /// Where its bytes are; also its EMAILID (RFC 8474).
    pub body: BodyId,
    /// The thread that it belongs to (RFC 8474: THREADID), the same for all messages of one body in an account.
    /// `None` if the store has no threads.
    pub thread: Option<ThreadId>,
    /// The main fields of its header; given if [`Fields::envelope`] is asked for.
    pub envelope: Option<Box<Envelope>>,
    /// Its parts with their extension data (BODYSTRUCTURE); given if [`Fields::structure`] is asked for.
    pub structure: Option<Box<BodyStructure>>,
    /// Its labels (X-GM-LABELS); given if [`Fields::labels`] is asked for, by a store that has some.
    pub labels: Vec<GmailLabel>,
}

impl Row {
    /// A message that arrives now.
    #[must_use]
    pub fn new(uid: Uid, mod_seq: ModSeq, body: BodyId, size: u64) -> Self {
        Self {
            uid,
            mod_seq,
            flags: FlagSet::new(),
            date: InternalDate::now(),
            saved: SystemTime::now(),
            size,
            body,
            thread: None,
            envelope: None,
            structure: None,
            labels: Vec::new(),
        }
    }
}

/// Where [`Store::deliver`](crate::Store::deliver) puts a message, and as what.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The mailbox.
    pub to: Destination,
    /// The message's first flags. What a client cannot set is left out.
    pub flags: FlagSet,
    /// When it arrived; now if nothing is said.
    pub date: Option<InternalDate>,
}

/// A mailbox for [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Destination {
    /// An account's INBOX.
    Inbox(AccountId),
    /// A mailbox.
    Mailbox(MailboxId),
}

impl Target {
    /// An account's INBOX.
    #[must_use]
    pub const fn inbox(account: AccountId) -> Self {
        Self { to: Destination::Inbox(account), flags: FlagSet::new(), date: None }
    }

    /// A mailbox.
    #[must_use]
    pub const fn mailbox(mailbox: MailboxId) -> Self {
        Self { to: Destination::Mailbox(mailbox), flags: FlagSet::new(), date: None }
    }
}

setters!(const Target {
    with_date(date: Option<InternalDate>),
});

setters!(Target {
    with_flags(flags: FlagSet),
});

/// A message that was stored.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// Where it is.
    pub mailbox: MailboxId,
    /// The mailbox's UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// The message.
    pub uid: Uid,
    /// The number of this change.
    pub mod_seq: ModSeq,
}

impl Delivered {
    /// A message that was stored by the change `mod_seq`.
    #[must_use]
    pub const fn new(mailbox: MailboxId, uid_validity: UidValidity, uid: Uid, mod_seq: ModSeq) -> Self {
        Self { mailbox, uid_validity, uid, mod_seq }
    }
}

/// How [`Store::store`](crate::Store::store) changes flags.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagChange {
    /// Whether the flags are added, removed, or replace those before.
    pub action: StoreAction,
    /// The flags. What a client cannot set is left out.
    pub flags: FlagSet,
    /// Only messages that have not changed after this (RFC 7162: UNCHANGEDSINCE).
    pub unchanged_since: Option<ModSeq>,
    /// The change up to which the caller knows the messages: see [`Stored::met`].
    pub seen: Option<ModSeq>,
}

impl FlagChange {
    /// A change of flags, whatever the messages' state.
    #[must_use]
    pub const fn new(action: StoreAction, flags: FlagSet) -> Self {
        Self { action, flags, unchanged_since: None, seen: None }
    }
}

setters!(const FlagChange {
    unchanged_since(unchanged_since: some ModSeq),
    seen(seen: some ModSeq),
});

/// How [`Store::store_labels`](crate::Store::store_labels) changes labels.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelChange {
    /// Whether the labels are added, removed, or replace those before.
    pub action: StoreAction,
    /// The labels. They are the same in any case of their letters.
    pub labels: Vec<GmailLabel>,
    /// As [`FlagChange::unchanged_since`].
    pub unchanged_since: Option<ModSeq>,
    /// As [`FlagChange::seen`].
    pub seen: Option<ModSeq>,
}

impl LabelChange {
    /// A change of labels, whatever the messages' state.
    #[must_use]
    pub fn new(action: StoreAction, labels: impl Into<Vec<GmailLabel>>) -> Self {
        Self { action, labels: labels.into(), unchanged_since: None, seen: None }
    }
}

setters!(const LabelChange {
    unchanged_since(unchanged_since: some ModSeq),
    seen(seen: some ModSeq),
});

/// What [`Store::store`](crate::Store::store) did. Messages that are gone are in none of the sets.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The number of this change; the mailbox's last if nothing was changed.
    pub mod_seq: ModSeq,
    /// The messages whose flags are others now.
    pub changed: Uids,
    /// Those of `changed` that another change had met since [`FlagChange::seen`]: whoever tells nobody of
    /// his own changes must tell of these.
    pub met: Uids,
    /// The messages that were left alone for UNCHANGEDSINCE.
    pub refused: Uids,
}

impl Stored {
    /// Nothing was changed.
    #[must_use]
    pub const fn new(mod_seq: ModSeq) -> Self {
        Self { mod_seq, changed: Uids::new(), met: Uids::new(), refused: Uids::new() }
    }
}

/// Which messages [`Store::expunge`](crate::Store::expunge) removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Which {
    /// Those that are `\Deleted` (IMAP).
    Deleted,
    /// All that are named (POP3).
    All,
}

/// Whether [`Store::copy`](crate::Store::copy) leaves the messages where they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum How {
    /// The messages stay.
    Copy,
    /// The messages are removed.
    Move,
}

/// What [`Store::copy`](crate::Store::copy) did.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The number of this change.
    pub mod_seq: ModSeq,
    /// The UIDVALIDITY of the mailbox that has the copies.
    pub uid_validity: UidValidity,
    /// The messages that were copied; those that were gone are left out.
    pub source: Uids,
    /// The UID of the first copy. The others follow, in the order of the messages.
    pub first: Uid,
}

impl Copied {
    /// Messages whose copies have the UIDs from `first` on.
    #[must_use]
    pub const fn new(mod_seq: ModSeq, uid_validity: UidValidity, source: Uids, first: Uid) -> Self {
        Self { mod_seq, uid_validity, source, first }
    }

    /// Each message's UID, and that of its copy.
    pub fn pairs(&self) -> impl Iterator<Item = (Uid, Uid)> + '_ {
        self.source.iter().zip((self.first.get()..=u32::MAX).filter_map(Uid::new))
    }
}

/// What [`Store::lease`](crate::Store::lease) gives to one holder at a time.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lease {
    /// The maildrop of a POP3 session (RFC 1939 section 8). Other protocols go on meanwhile.
    Maildrop,
    /// A login of POP3, and the time until the next one (RFC 2449 section 6.5, LOGIN-DELAY). It is not given back: it ends
    /// after its time, by the clock of the store.
    Login,
}
