//! What a server writes.

use alloc::vec::Vec;

use mailwire_core::{Error, Ticket};

use super::{
    Connection,
    state::{Asked, Hello, Phase},
};
use crate::{Capability, Command, EnhancedCode, Reply, ReplyCode, reply::write_line};

impl Connection {
    /// Writes a reply with or without an enhanced code, as RFC 2034 section 4 wants it.
    pub(super) fn write_reply(&mut self, reply: &Reply) {
        let enhanced = if self.offered.has(&Capability::EnhancedStatusCodes) {
            let class = reply.code().class();
            reply
                .enhanced()
                .filter(|enhanced| enhanced.class() == class)
                .or_else(|| EnhancedCode::new(class, 0, 0))
        } else {
            None
        };
        self.output.write(|out| reply.write_with(enhanced, out));
    }

    pub(super) fn hello_reply(&mut self, hello: Hello, reply: &Reply) {
        let mut greeting = Vec::from(self.config.name.as_bytes());
        if !reply.first_line().is_empty() {
            greeting.push(b' ');
            greeting.extend_from_slice(reply.first_line().as_bytes());
        }
        match hello {
            Hello::Extended => self.output.write(|out| self.offered.write_reply(&greeting, out)),
            Hello::Plain => self.output.write(|out| write_line(ReplyCode::OK, None, &greeting, true, out)),
        }
    }

    pub(super) fn close_if_unavailable(&mut self, reply: &Reply) {
        if reply.code() == ReplyCode::UNAVAILABLE {
            self.phase = Phase::Closed;
        }
    }

    /// LMTP: takes one recipient's reply, and writes those whose turn it is.
    pub(super) fn recipient_reply(
        &mut self,
        data: Ticket,
        mut recipients: Vec<(Ticket, Option<Reply>)>,
        ticket: Ticket,
        reply: Reply,
    ) {
        for (recipient, slot) in &mut recipients {
            if slot.is_none() && (*recipient == ticket || ticket == data) {
                *slot = Some(reply.clone());
            }
        }
        let ready = recipients.iter().take_while(|(_, reply)| reply.is_some()).count();
        for (_, reply) in recipients.drain(..ready) {
            if let Some(reply) = reply {
                self.write_reply(&reply);
            }
        }
        if recipients.is_empty() {
            self.session.transaction = None;
        } else {
            self.phase = Phase::Answering { ticket: data, asked: Asked::Recipients(recipients) };
        }
    }

    pub(super) fn auth_failed(&mut self) {
        self.auth_failures += 1;
        self.secret_may_follow = true;
        let limit = self.config.limits.auth_failures;
        if self.auth_failures >= limit {
            self.end("Too many failed authentications");
            self.failed = Some(Error::LimitExceeded { what: "failed authentications", limit: limit as u64 });
        }
    }

    /// Writes the last reply before an error.
    pub(super) fn end(&mut self, text: &'static str) {
        self.write_reply(&Reply::of(ReplyCode::UNAVAILABLE, 7, 0, text));
    }
}

/// The usual answer of a server that has nothing particular to say. DATA, STARTTLS and AUTH are
/// refused by it, as granting them is a call of its own.
#[must_use]
pub fn default_reply(command: &Command) -> Reply {
    let of = Reply::of;
    match command {
        Command::Ehlo(_) | Command::Helo(_) | Command::Lhlo(_) => Reply::new(ReplyCode::OK, ""),
        Command::Mail(_) => of(ReplyCode::OK, 1, 0, "Ok"),
        Command::Rcpt(_) => of(ReplyCode::OK, 1, 5, "Ok"),
        Command::Rset | Command::Noop(_) => of(ReplyCode::OK, 0, 0, "Ok"),
        Command::Vrfy(_) => of(ReplyCode::CANNOT_VERIFY, 1, 5, "Cannot verify, but will accept and attempt"),
        Command::Expn(_) => of(ReplyCode::NOT_IMPLEMENTED, 5, 1, "Not implemented"),
        Command::Help(_) => of(ReplyCode::HELP, 0, 0, "See RFC 5321"),
        Command::Quit => of(ReplyCode::CLOSING, 0, 0, "Goodbye"),
        Command::Data => of(ReplyCode::LOCAL_ERROR, 3, 0, "Not now"),
        Command::StartTls => of(ReplyCode::TEMPORARY_FAILURE, 7, 0, "TLS not available"),
        Command::Auth(_) => of(ReplyCode::TEMPORARY_FAILURE, 7, 0, "Authentication not available"),
        Command::Other { .. } => of(ReplyCode::UNRECOGNIZED, 5, 1, "Command not recognized"),
    }
}
