//! Why a store does not do something.

/// Why a [`Store`](crate::Store) did not do what it was asked.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Error {
    /// There is no such account.
    #[error("no such user")]
    NoSuchAccount,
    /// There is no such mailbox, or no more.
    #[error("no such mailbox")]
    NoSuchMailbox,
    /// There is no such body, or no more.
    #[error("no such message")]
    NoSuchBody,
    /// There cannot be such an account: why not.
    #[error("{0}")]
    Account(&'static str),
    /// There is such a mailbox already.
    #[error("the mailbox exists already")]
    MailboxExists,
    /// This cannot be a mailbox's name.
    #[error("not a mailbox name: {0}")]
    MailboxName(&'static str),
    /// INBOX is always there.
    #[error("INBOX cannot be deleted")]
    Inbox,
    /// The name is no mailbox itself, and has mailboxes below it.
    #[error("the name has mailboxes below it")]
    HasChildren,
    /// The account may not have so many messages, bytes or mailboxes.
    #[error("quota exceeded")]
    OverQuota,
    /// The account may not do this: why not.
    #[error("{0}")]
    Denied(&'static str),
    /// A mailbox cannot be for this: why not.
    #[error("{0}")]
    SpecialUse(&'static str),
    /// No message can have such a label.
    #[error("there is no such label")]
    NoLabel,
    /// The value of an annotation has more bytes than this.
    #[error("an annotation has at most {0} bytes")]
    AnnotationSize(u64),
    /// There cannot be so many annotations.
    #[error("too many annotations")]
    Annotations,
    /// Another session holds the lease.
    #[error("another session has it")]
    InUse,
    /// More was asked for than the store does at once, or keeps: what it is that is limited.
    #[error("too many {0}")]
    Limit(&'static str),
    /// The store has no room left, for nobody.
    #[error("the store is full")]
    Full,
    /// It was not done, and may work later: the store is not reachable, or failed.
    #[error("not done: {0}")]
    NotDone(String),
    /// Nobody knows whether it was done: the connection to the store broke while it was.
    #[error("not known whether it was done: {0}")]
    Unknown(String),
}

/// The result of a call of a [`Store`](crate::Store).
pub type Result<T, E = Error> = std::result::Result<T, E>;
