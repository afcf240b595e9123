//! What a server remembers.

use alloc::vec::Vec;

use mailwire_core::{
    Ticket,
    dot::{LineEnds, Unstuffer},
    sasl::Steps,
};

use crate::{Reply, State, command::Rules};

/// The parts of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// The greeting was a refusal: only QUIT is left (RFC 5321 section 3.1).
    Refused,
    /// STARTTLS was accepted.
    Upgrading,
    Closed,
}

/// The command that is being answered.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) ticket: Ticket,
    pub(super) rules: Rules,
    pub(super) due: Due,
    /// Responses of its SASL exchange.
    pub(super) steps: Steps,
}

/// What the answer to a command waits for.
#[derive(Debug)]
pub(super) enum Due {
    /// The application's reply, or what it grants.
    Reply,
    /// The client's response to a challenge.
    Response,
    /// The client's message.
    Body(Body),
    /// The application's reply to the message.
    MessageReply,
    /// LMTP: the application's reply to the message for each recipient.
    RecipientReplies(Vec<(Ticket, Option<Reply>)>),
}

/// A message on its way.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) unstuffer: Unstuffer,
    pub(super) started: bool,
    pub(super) length: u64,
    pub(super) too_large: bool,
}

impl Body {
    pub(super) fn new() -> Self {
        Self { unstuffer: Unstuffer::new(LineEnds::CrLf), started: false, length: 0, too_large: false }
    }
}

/// What was learnt of a client. It is made anew when TLS is up.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) state: State,
    /// The client introduced itself with EHLO or LHLO, not with HELO.
    pub(super) extended: bool,
    pub(super) authenticated: bool,
    pub(super) transaction: Transaction,
    /// Recipients of transactions whose MAIL was refused, since one was accepted.
    pub(super) orphans: usize,
}

/// What follows MAIL.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    pub(super) smtp_utf8: bool,
    /// MAIL was refused, and recipients that were sent along are to come.
    pub(super) refused: bool,
    /// RCPTs, accepted or not.
    pub(super) tried: usize,
    /// Those accepted.
    pub(super) recipients: Vec<Ticket>,
}

/// How often a client did what does not lead to mail. Kept until the connection ends.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) bad_commands: usize,
    pub(super) idle_commands: usize,
    pub(super) auth_failures: usize,
}

impl Session {
    pub(super) fn new() -> Self {
        Self {
            state: State::Connected,
            extended: false,
            authenticated: false,
            transaction: Transaction::default(),
            orphans: 0,
        }
    }
}
