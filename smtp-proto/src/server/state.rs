//! Where a server stands.

use alloc::vec::Vec;

use mailwire_core::{Ticket, dot::Unstuffer};

use crate::{Command, Reply};

#[derive(Debug)]
pub(super) enum Phase {
    /// The next line is a command.
    Commands,
    /// The greeting was a refusal: only QUIT is left (RFC 5321 section 3.1).
    Refused,
    /// The application has to answer.
    Answering {
        ticket: Ticket,
        asked: Asked,
    },
    /// The next line is a response to a SASL challenge.
    Challenged {
        ticket: Ticket,
    },
    /// What comes is a message.
    Body {
        ticket: Ticket,
        body: Body,
    },
    /// STARTTLS was accepted.
    Upgrading,
    Closed,
}

/// What the application has to answer.
#[derive(Debug)]
pub(super) enum Asked {
    Hello(Hello),
    Mail {
        smtp_utf8: bool,
    },
    Rcpt,
    Data,
    /// The end of a message.
    Message,
    /// LMTP: the end of a message, for each recipient.
    Recipients(Vec<(Ticket, Option<Reply>)>),
    Auth,
    StartTls,
    Quit,
    Other,
}

impl Asked {
    pub(super) const fn of(command: &Command) -> Self {
        match command {
            Command::Ehlo(_) | Command::Lhlo(_) => Self::Hello(Hello::Extended),
            Command::Helo(_) => Self::Hello(Hello::Plain),
            Command::Mail(mail) => Self::Mail { smtp_utf8: mail.smtp_utf8 },
            Command::Rcpt(_) => Self::Rcpt,
            Command::Data => Self::Data,
            Command::Auth(_) => Self::Auth,
            Command::StartTls => Self::StartTls,
            Command::Quit => Self::Quit,
            _ => Self::Other,
        }
    }
}

/// How the client introduced itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hello {
    Plain,
    Extended,
}

/// A message on its way.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) unstuffer: Unstuffer,
    pub(super) started: bool,
    pub(super) length: u64,
    pub(super) too_large: bool,
}

/// What was learnt of a client. It is made anew when TLS is up.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) hello: Option<Hello>,
    pub(super) authenticated: bool,
    pub(super) transaction: Option<Transaction>,
    /// MAIL was refused, and recipients that were sent along are to come.
    pub(super) mail_refused: bool,
    /// How many of them came.
    pub(super) orphans: usize,
}

/// What follows MAIL.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) smtp_utf8: bool,
    /// RCPTs, accepted or not.
    pub(super) tried: usize,
    pub(super) recipients: Vec<Ticket>,
}
