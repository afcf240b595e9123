//! Where a session stands.

/// Where a session stands ([RFC 5321 section 3](https://www.rfc-editor.org/rfc/rfc5321#section-3)).
///
/// ```text
///            EHLO, HELO, LHLO         MAIL           RCPT               DATA
///  Connected ---------------> Ready -------> Sender ------> Recipients ------> Message
///      ^                      ^  ^              |             |  |  ^             |
///      |                      |  '- RSET, EHLO -'- RSET, EHLO-'  '--'             |
///      |                      |                                 RCPT              |
///      '---- STARTTLS --------'------------- the message is answered -------------'
/// ```
///
/// A refused command changes nothing, but that a server ends the transaction with a refusal of DATA. A refusal
/// by 50z is about the command, not about the transaction, and does not end it.
/// QUIT and 421 end the session in every state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The client has not introduced itself.
    Connected,
    /// A transaction can begin.
    Ready,
    /// MAIL was accepted: the recipients are due.
    Sender,
    /// A recipient was accepted: there may be more, and the message can be sent.
    Recipients,
    /// DATA was accepted: the message is on its way, or waits for its reply.
    Message,
}

impl State {
    /// Whether a transaction is under way.
    pub(crate) const fn is_in_transaction(self) -> bool {
        matches!(self, State::Sender | State::Recipients | State::Message)
    }

    /// The state after RSET.
    pub(crate) const fn reset(self) -> Self {
        match self {
            State::Connected => State::Connected,
            _ => State::Ready,
        }
    }
}
