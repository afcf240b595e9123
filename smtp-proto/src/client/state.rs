//! Where a client stands.

use alloc::{collections::VecDeque, vec::Vec};

use mailwire_core::{Secret, Ticket, dot::Stuffer};

use crate::{Capabilities, Command};

/// The parts of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Greeting,
    /// EHLO, LHLO or HELO was written, up to `end`.
    Hello {
        fallback: bool,
        end: u64,
    },
    StartTls {
        end: u64,
    },
    /// The server agreed to TLS.
    Upgrading,
    Ready,
    /// QUIT was accepted for sending; nothing may follow it.
    Leaving,
    Closed,
}

/// A command that was written and waits for its reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlight {
    pub(super) ticket: Ticket,
    pub(super) kind: Kind,
    /// Where the command ends, in bytes since the beginning: no reply to it can come before these
    /// were written to the stream. The largest number while it is the caller's turn.
    pub(super) end: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Mail,
    Rcpt,
    Rset,
    Data,
    /// The end of a message.
    BodyEnd,
    /// The end of an empty message that nobody is to get.
    EmptyEnd,
    /// LMTP: the end of a message, for the recipient of the ticket.
    RecipientEnd {
        data: Ticket,
        last: bool,
    },
    Auth,
    Quit,
    Other,
}

impl Kind {
    pub(super) const fn of(command: &Command) -> Self {
        match command {
            Command::Mail(_) => Self::Mail,
            Command::Rcpt(_) => Self::Rcpt,
            Command::Rset => Self::Rset,
            Command::Data => Self::Data,
            Command::Auth(_) => Self::Auth,
            Command::Quit => Self::Quit,
            _ => Self::Other,
        }
    }

    /// Whether another command may follow in the same group (RFC 2920 section 3.1).
    pub(super) const fn groups(self) -> bool {
        match self {
            Self::Mail
            | Self::Rcpt
            | Self::Rset
            | Self::BodyEnd
            | Self::EmptyEnd
            | Self::RecipientEnd { .. } => true,
            Self::Data | Self::Auth | Self::Quit | Self::Other => false,
        }
    }

    /// What a reply is waited for, in words.
    pub(super) const fn waiting_for(self) -> &'static str {
        match self {
            Self::Mail => "the reply to MAIL",
            Self::Rcpt => "the reply to RCPT",
            Self::Rset => "the reply to RSET",
            Self::Data => "the reply to DATA",
            Self::BodyEnd | Self::EmptyEnd | Self::RecipientEnd { .. } => "the reply to the message",
            Self::Auth => "the reply to AUTH",
            Self::Quit => "the reply to QUIT",
            Self::Other => "the reply to a command",
        }
    }
}

/// A message on its way.
#[derive(Debug)]
pub(super) enum Body {
    None,
    /// The server waits for it.
    Sending {
        ticket: Ticket,
        stuffer: Stuffer,
    },
    /// It has something that cannot be sent, and part of it is out already.
    Broken(mailwire_core::Misuse),
}

/// How far the last message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Unfinished,
    /// It was written, up to here.
    Ended(u64),
    Answered {
        accepted: bool,
    },
}

/// All that is learnt of a server. It is made anew when TLS is up.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) capabilities: Capabilities,
    pub(super) pipelining: bool,
    pub(super) authenticated: bool,
    /// Commands that are not written yet.
    pub(super) queue: VecDeque<(Ticket, Command)>,
    pub(super) in_flight: VecDeque<InFlight>,
    pub(super) body: Body,
    pub(super) progress: Progress,
    /// MAIL was taken for sending while the message before was not answered yet.
    pub(super) begun: bool,
    /// The server accepted MAIL, and the transaction is not over.
    pub(super) mail_accepted: bool,
    /// The RCPTs that it accepted since.
    pub(super) accepted: Vec<Ticket>,
    /// The last MAIL that was taken for sending has SMTPUTF8.
    pub(super) smtp_utf8: bool,
    /// A first message that is too long for AUTH's line. It answers the first, empty challenge.
    pub(super) held_initial: Option<Secret>,
}

impl Session {
    pub(super) const fn new() -> Self {
        Self {
            capabilities: Capabilities::new(),
            pipelining: false,
            authenticated: false,
            queue: VecDeque::new(),
            in_flight: VecDeque::new(),
            body: Body::None,
            progress: Progress::Unfinished,
            begun: false,
            mail_accepted: false,
            accepted: Vec::new(),
            smtp_utf8: false,
            held_initial: None,
        }
    }

    /// MAIL is taken for sending: a message that was answered is the last one no more.
    pub(super) fn begin(&mut self) {
        match self.progress {
            Progress::Ended(_) => self.begun = true,
            Progress::Unfinished | Progress::Answered { .. } => self.progress = Progress::Unfinished,
        }
    }

    /// The server has answered a message, or refused to take it.
    pub(super) fn answered(&mut self, accepted: bool) {
        let begun = core::mem::take(&mut self.begun);
        self.progress = if begun { Progress::Unfinished } else { Progress::Answered { accepted } };
    }

    pub(super) fn end_transaction(&mut self) {
        self.mail_accepted = false;
        self.accepted.clear();
    }
}
