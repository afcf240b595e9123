//! Why a call was a mistake, to be matched.

/// Why something cannot be done in the connection's present state, in
/// [`Misuse::WrongState`](crate::Misuse::WrongState).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum WrongState {
    /// The server has not said yet what it can do.
    #[error("the server's capabilities are not known yet")]
    CapabilitiesUnknown,
    /// It needs a login first.
    #[error("log in first")]
    NotAuthenticated,
    /// A login, and there was one.
    #[error("already logged in")]
    AlreadyAuthenticated,
    /// It needs the success of a login that was sent with it, and that failed.
    #[error("the login before it failed")]
    LoginFailed,
    /// PASS, and the server has not accepted USER.
    #[error("PASS has no accepted USER before it")]
    NoUser,
    /// IMAP: it needs a mailbox, and none is selected.
    #[error("no mailbox is selected")]
    NoMailbox,
    /// SMTP: not within a mail transaction.
    #[error("not possible within a mail transaction")]
    InTransaction,
    /// SMTP: a message for nobody.
    #[error("an envelope without recipients")]
    NoRecipients,
    /// SMTP: an address beyond ASCII, and MAIL has no SMTPUTF8.
    #[error("an address beyond ASCII, and MAIL without SMTPUTF8")]
    NeedsSmtpUtf8,
    /// SMTP: DATA where BDAT sends the message, or the other way round.
    #[error("DATA and BDAT do not mix in one transaction, and BINARYMIME needs BDAT")]
    Chunked,
    /// SMTP: a part of a message, whose transaction has failed.
    #[error("a part of the message was refused")]
    ChunkRefused,
    /// IMAP: EXPUNGE, while no command permits that messages change their numbers.
    #[error("EXPUNGE waits for a command that permits it")]
    NumbersInUse,
    /// IMAP: the connection is compressed already.
    #[error("already compressed")]
    Compressed,
    /// It waits until something else has come to its end.
    #[error("{0} first")]
    Busy(&'static str),
    /// It answers or ends something that does not go on.
    #[error("no {0} is due")]
    NothingDue(&'static str),
    /// The machine does it by itself, as its configuration says.
    #[error("the machine does this by itself")]
    Automatic,
    /// It has a call of its own, which the machine has to see.
    #[error("this has a call of its own")]
    OwnCall,
    /// It needs an extension that is offered, and was not enabled.
    #[error("{0} is not enabled")]
    NotEnabled(&'static str),
    /// Sequence numbers, although UIDONLY is enabled (IMAP).
    #[error("sequence numbers are not used once UIDONLY is enabled")]
    UidRequired,
    /// It would begin something that the machine does not know how to keep up.
    #[error("the machine cannot keep {0}")]
    Unsupported(&'static str),
    /// The conversation was asked to end, and nothing may follow.
    #[error("the session ends")]
    Ending,
}

impl WrongState {
    /// The reason in a few words, as a server tells it to a client.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAuthenticated => "log in first",
            Self::AlreadyAuthenticated => "already logged in",
            Self::NoMailbox => "no mailbox is selected",
            Self::InTransaction => "not possible within a mail transaction",
            Self::NoRecipients => "an envelope without recipients",
            Self::Ending => "the session ends",
            _ => "not possible now",
        }
    }
}

/// Why an answer is not one that its command can have, in
/// [`Misuse::WrongAnswer`](crate::Misuse::WrongAnswer).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum WrongAnswer {
    /// It is an answer to another command.
    #[error("it answers another command")]
    OtherCommand,
    /// What it says has a call of its own, which the machine has to see.
    #[error("this is answered by {0}")]
    OwnCall(&'static str),
    /// Only a client cancels an exchange; a server refuses with a reply.
    #[error("a server ends an exchange by a reply")]
    Cancelled,
    /// The command is not over with it.
    #[error("the command is not over with it")]
    NotFinal,
    /// The command cannot be refused.
    #[error("the command cannot be refused")]
    NotRefusable,
    /// It is sent unasked, and does not end the conversation.
    #[error("only a goodbye is sent unasked")]
    NotGoodbye,
    /// There is nothing in it.
    #[error("there is nothing in it")]
    Empty,
    /// What it announces or is part of was not sent whole.
    #[error("what was begun is not complete")]
    Incomplete,
    /// It is longer than a line may be, in bytes with its line end.
    #[error("it is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// It has characters beyond ASCII, and the peer did not ask for them.
    #[error("it is not ASCII")]
    NotAscii,
}

/// What the peer does not offer, in [`Misuse::NotOffered`](crate::Misuse::NotOffered).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotOffered {
    /// A command or an extension, by its name.
    #[error("{0}")]
    Extension(&'static str),
    /// The SASL mechanism.
    #[error("this SASL mechanism")]
    Mechanism,
    /// Messages as large as this one.
    #[error("messages of this size")]
    MessageSize,
    /// As many messages at once.
    #[error("so many messages at once")]
    MessageCount,
    /// More than a limit allows that it has announced, by the limit's name.
    #[error("more than {0} allows")]
    Limit(&'static str),
    /// A value of a parameter, by the parameter's name, while it offers others.
    #[error("this value of {0}")]
    Value(&'static str),
}
