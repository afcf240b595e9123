//! Why the store does not do something.

/// Why the store refuses.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refused {
    /// There is no such user.
    #[error("no such user")]
    NoSuchUser,
    /// The user's name is taken, or is none.
    #[error("this user name cannot be given")]
    UserName,
    /// This cannot be a password.
    #[error("this password cannot be had")]
    Password,
    /// There is no such mailbox.
    #[error("no such mailbox")]
    NoSuchMailbox,
    /// There is such a mailbox already.
    #[error("the mailbox exists already")]
    MailboxExists,
    /// This cannot be a mailbox's name.
    #[error("not a mailbox name: {0}")]
    MailboxName(&'static str),
    /// INBOX is always there.
    #[error("INBOX cannot be deleted")]
    Inbox,
    /// It is no mailbox itself, and has mailboxes below it.
    #[error("the name has mailboxes below it")]
    HasChildren,
    /// The messages would be more or larger than the user may have.
    #[error("quota exceeded")]
    OverQuota,
    /// Another of the user's sessions has the maildrop.
    #[error("the maildrop is locked by another session")]
    Locked,
    /// The mailbox was opened to read it only.
    #[error("the mailbox is open for reading only")]
    ReadOnly,
}
