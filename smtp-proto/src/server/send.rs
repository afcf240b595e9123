//! How what a server says leaves.

use alloc::vec::Vec;

use mailwire_core::{Error, Ticket};

use super::{
    rules::Then,
    state::{Due, Machine, Phase},
};
use crate::{
    Command, EnhancedCode, Reply, ReplyCode,
    capability::Extension,
    command::{Effect, Name},
    reply::write_line,
};

impl Machine {
    /// Writes a reply with or without an enhanced code, as RFC 2034 section 4 wants it.
    pub(super) fn write_reply(&mut self, reply: &Reply) {
        let enhanced = if self.capabilities.offers(Extension::EnhancedStatusCodes) {
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

    /// What the application answered to a command, or to a message.
    pub(super) fn answer(&mut self, ticket: Ticket, reply: Reply) {
        let Some(current) = &mut self.current else { return };
        let effect = current.rules.effect;
        if let Due::RecipientReplies(replies) = &mut current.due {
            let recipient = Some(ticket).filter(|ticket| *ticket != current.ticket);
            if !self.config.lmtp {
                let replies = replies.by_prdr(recipient, reply);
                return self.answer_by_prdr(&replies);
            }
            let ready = replies.by_lmtp(recipient, reply);
            if replies.is_empty() {
                self.current = None;
                self.session.end_transaction();
            }
            for reply in ready {
                self.write_reply(&reply);
            }
            return;
        }
        if let Due::PartReply { last } = current.due {
            return self.answer_part(ticket, last, &reply);
        }
        if let Due::ChunkReply { size, last } = current.due {
            self.current = None;
            return self.refuse_asked_chunk(size, last, reply);
        }
        self.current = None;
        match self.session.conclude(ticket, effect, &reply) {
            Then::Introduced => return self.write_introduction(effect, &reply),
            Then::NotIntroduced => {
                self.output.write(|out| reply.write_with(None, out));
                return self.close_if_unavailable(&reply);
            }
            Then::Progress => self.counts.idle_commands = 0,
            Then::Authenticated => {
                self.secret_may_follow = false;
                self.offer();
            }
            Then::AuthFailed => {
                self.auth_failed();
                if self.failed.is_some() {
                    return;
                }
            }
            Then::Close => self.phase = Phase::Closed,
            Then::Restarted => {
                self.offer();
                return self.greet();
            }
            Then::GoOn => {}
        }
        let reply = self.session.permitted(reply);
        self.write_reply(&reply);
        self.close_if_unavailable(&reply);
    }

    /// The greeting.
    pub(super) fn greet(&mut self) {
        let config = &self.config;
        let banner = match (config.banner.as_str(), config.lmtp) {
            ("", false) => "ESMTP",
            ("", true) => "LMTP",
            (banner, _) => banner,
        };
        let mut text = Vec::from(config.name.as_bytes());
        text.push(b' ');
        text.extend_from_slice(banner.as_bytes());
        self.output.write(|out| write_line(ReplyCode::READY, None, &text, true, out));
    }

    /// PRDR: the replies for the recipients and the one for the message, once all are there; that alone if all are
    /// answered alike.
    fn answer_by_prdr(&mut self, replies: &[Reply]) {
        if replies.is_empty() {
            return;
        }
        self.current = None;
        self.session.end_transaction();
        if replies.len() > 1 {
            self.output.put(b"353 A reply for each recipient, and one for the message\r\n");
        }
        for reply in replies {
            self.write_reply(reply);
        }
    }

    /// The reply to EHLO, LHLO or HELO: the server's name, what the application says, what is offered.
    fn write_introduction(&mut self, effect: Effect, reply: &Reply) {
        let mut greeting = Vec::from(self.config.name.as_bytes());
        if !reply.first_line().is_empty() {
            greeting.push(b' ');
            greeting.extend_from_slice(reply.first_line().as_bytes());
        }
        if effect == Effect::Ehlo {
            self.output.write(|out| self.capabilities.write_reply(&greeting, out));
        } else {
            self.output.write(|out| write_line(ReplyCode::OK, None, &greeting, true, out));
        }
    }

    pub(super) fn close_if_unavailable(&mut self, reply: &Reply) {
        if reply.code() == ReplyCode::UNAVAILABLE {
            self.phase = Phase::Closed;
        }
    }

    pub(super) fn auth_failed(&mut self) {
        self.counts.auth_failures += 1;
        self.secret_may_follow = true;
        let limit = self.config.limits.auth_failures;
        if self.counts.auth_failures >= limit {
            self.write_last("Too many failed authentications");
            self.failed = Some(Error::LimitExceeded { what: "failed authentications", limit: limit as u64 });
        }
    }

    /// Answers a bad line, or ends the conversation if there were too many.
    pub(super) fn refuse_line(&mut self, reply: &Reply) {
        if self.failed.is_some() {
            return;
        }
        self.counts.bad_commands += 1;
        let limit = self.config.limits.bad_commands;
        if self.counts.bad_commands >= limit {
            self.write_last("Too many bad commands");
            self.failed = Some(Error::TooManyBadCommands { limit });
        } else {
            self.write_reply(reply);
        }
    }

    /// Counts a command that leads nowhere. `None` if it was one too many.
    pub(super) fn idle(&mut self) -> Option<()> {
        self.counts.idle_commands += 1;
        let limit = self.config.limits.idle_commands;
        if self.counts.idle_commands <= limit {
            return Some(());
        }
        self.write_last("Too many commands without a message");
        self.failed = Some(Error::LimitExceeded { what: "commands that lead nowhere", limit: limit as u64 });
        None
    }

    /// Writes the last reply before an error.
    pub(super) fn write_last(&mut self, text: &'static str) {
        self.write_reply(&Reply::of(ReplyCode::UNAVAILABLE, 7, 0, text));
    }
}

/// The usual answer of a server that has nothing particular to say. DATA, STARTTLS and AUTH are
/// refused by it, as granting them is a call of its own.
#[must_use]
pub fn default_reply(command: &Command) -> Reply {
    let of = Reply::of;
    let Some(name) = Name::of_value(command) else {
        return of(ReplyCode::UNRECOGNIZED, 5, 1, "Command not recognized");
    };
    match name {
        Name::Ehlo | Name::Helo | Name::Lhlo => Reply::new(ReplyCode::OK, ""),
        Name::Mail => of(ReplyCode::OK, 1, 0, "Ok"),
        Name::Rcpt => of(ReplyCode::OK, 1, 5, "Ok"),
        Name::Rset | Name::Noop => of(ReplyCode::OK, 0, 0, "Ok"),
        Name::Vrfy => of(ReplyCode::CANNOT_VERIFY, 1, 5, "Cannot verify, but will accept and attempt"),
        Name::Expn => of(ReplyCode::NOT_IMPLEMENTED, 5, 1, "Not implemented"),
        Name::Help => of(ReplyCode::HELP, 0, 0, "See RFC 5321"),
        Name::Atrn => of(ReplyCode::NO_MAIL_WAITING, 3, 2, "You have no mail"),
        Name::ClientId | Name::Onex | Name::Verb | Name::Xforward => of(ReplyCode::OK, 0, 0, "Ok"),
        Name::Etrn => of(ReplyCode::CANNOT_QUEUE, 5, 0, "Unable to queue messages"),
        // The machine writes its greeting.
        Name::Xclient => Reply::new(ReplyCode::READY, ""),
        // RFC 4468 section 5.
        Name::Burl => of(ReplyCode::FAILED, 6, 6, "Message content not available"),
        Name::Quit => of(ReplyCode::CLOSING, 0, 0, "Goodbye"),
        Name::Data | Name::Bdat => of(ReplyCode::LOCAL_ERROR, 3, 0, "Not now"),
        Name::StartTls => of(ReplyCode::TEMPORARY_FAILURE, 7, 0, "TLS not available"),
        Name::Auth => of(ReplyCode::TEMPORARY_FAILURE, 7, 0, "Authentication not available"),
    }
}
