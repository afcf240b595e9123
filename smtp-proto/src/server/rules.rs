//! What a client may say now, what the application may, and what either changes.
//!
//! What a command is stands in `command/rules.rs`, the states in `state.rs`.

use alloc::format;

use mailwire_core::{Channel, Misuse, Ticket, WrongAnswer, sasl::Policy};

use super::state::{Current, Due, Machine, Phase, Session, Transaction};
use crate::{
    Auth, BodyType, Command, Mail, Query, Rcpt, Reply, ReplyCode, State,
    capability::Extension,
    command::{Effect, Foreign, OutOfOrder, Rules},
    extensions::xclient::{AttributeName, Attributes},
};

/// A command that the machine refuses.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) reply: Reply,
    /// Whether it counts as a bad command.
    pub(super) bad: bool,
}

fn bad(code: ReplyCode, subject: u16, detail: u16, text: &'static str) -> Result<(), Refusal> {
    Err(Refusal { reply: Reply::of(code, subject, detail, text), bad: true })
}

fn policy(code: ReplyCode, subject: u16, detail: u16, text: &'static str) -> Result<(), Refusal> {
    Err(Refusal { reply: Reply::of(code, subject, detail, text), bad: false })
}

/// An extension that a command or a parameter needs.
fn unoffered(code: ReplyCode, detail: u16, extension: Extension) -> Result<(), Refusal> {
    let name = match extension {
        Extension::EightBitMime => "BODY",
        Extension::Chunking => "BDAT",
        other => other.as_str(),
    };
    let reply = Reply::new(code, &format!("{name} is not offered")).with_enhanced(5, detail);
    Err(Refusal { reply, bad: true })
}

/// An extension that a parameter needs.
fn unoffered_parameter(extension: Extension) -> Result<(), Refusal> {
    let code = match extension {
        // RFC 4141 sections 4.2 and 5.2.
        Extension::Conneg | Extension::Conperm => ReplyCode::PARAMETER_NOT_IMPLEMENTED,
        _ => ReplyCode::BAD_PARAMETERS,
    };
    unoffered(code, 4, extension)
}

fn sequence(text: &'static str) -> Result<(), Refusal> {
    bad(ReplyCode::BAD_SEQUENCE, 5, 1, text)
}

impl Machine {
    pub(super) const fn policy(&self) -> Policy {
        Policy::new(self.session.tls).allow_clear_credentials(self.config.allow_clear_credentials)
    }

    /// Whether the client may ask for this now: RFC 5321 section 4.1.4, RFC 3207 section 4, RFC 4954
    /// section 4, and the configuration.
    pub(super) fn permits(&self, command: &Command, rules: &Rules) -> Result<(), Refusal> {
        if self.phase == Phase::Refused && !matches!(command, Command::Quit) {
            return sequence("No service here");
        }
        match command {
            Command::Ehlo(_) | Command::Helo(_) if self.config.lmtp => {
                return bad(ReplyCode::UNRECOGNIZED, 5, 1, "This is LMTP: send LHLO");
            }
            Command::Lhlo(_) if !self.config.lmtp => {
                return bad(ReplyCode::UNRECOGNIZED, 5, 1, "This is SMTP: send EHLO");
            }
            Command::Other { verb, .. } if Foreign::of(verb.as_bytes()).is_some() => {
                return bad(ReplyCode::NOT_IMPLEMENTED, 5, 1, "Command not implemented");
            }
            Command::Other { .. } if !self.config.pass_unknown_commands => {
                return bad(ReplyCode::UNRECOGNIZED, 5, 1, "Command not recognized");
            }
            Command::StartTls if self.session.tls && self.knows(Extension::StartTls) => {
                return sequence("TLS is active already");
            }
            _ => {}
        }
        if let Some(missing) = rules.needs.filter(|need| !self.knows(*need)) {
            return unoffered(ReplyCode::NOT_IMPLEMENTED, 1, missing);
        }
        if self.config.require_tls && !self.session.tls && !rules.before_tls {
            return bad(ReplyCode::REQUIRED, 7, 0, "Must issue a STARTTLS command first");
        }
        match rules.valid_in.check(self.session.state) {
            Ok(()) => {}
            Err(OutOfOrder::NotIntroduced) => return self.not_introduced(rules),
            Err(OutOfOrder::InTransaction) if rules.effect == Effect::Auth => {
                return sequence("AUTH is not permitted during a mail transaction");
            }
            Err(OutOfOrder::InTransaction) => return sequence("A transaction is under way"),
            Err(OutOfOrder::InMessage) if rules.effect == Effect::Data => {
                return sequence("DATA and BDAT do not mix");
            }
            Err(OutOfOrder::InMessage) => return sequence("The message has begun"),
            Err(OutOfOrder::NoTransaction) => return self.no_transaction(),
            Err(OutOfOrder::NoRecipients) => return self.no_recipients(),
        }
        match command {
            Command::StartTls if !self.session.extended => self.not_introduced(rules),
            Command::Auth(auth) => self.permits_auth(auth, rules),
            Command::Mail(mail) => self.permits_mail(mail, command),
            Command::Rcpt(rcpt) => self.permits_rcpt(rcpt, command),
            Command::Data if self.session.transaction.failed => sequence("Send RSET first"),
            Command::Data if self.session.transaction.binary => sequence("BINARYMIME needs BDAT"),
            Command::Bdat { size, .. } => self.permits_chunk(*size),
            Command::Burl(_) if self.config.lmtp => unoffered(ReplyCode::NOT_IMPLEMENTED, 1, Extension::Burl),
            // Its reply is one for all.
            Command::Burl(burl) if burl.last && self.session.transaction.prdr => {
                policy(ReplyCode::BAD_SEQUENCE, 5, 1, "PRDR needs DATA or BDAT LAST")
            }
            Command::Burl(_) => self.permits_chunk(0),
            Command::Vrfy(query) | Command::Expn(query) => self.permits_query(query, command),
            Command::Xclient(attributes) => self.permits_attributes(attributes, Extension::Xclient),
            Command::Xforward(attributes) => self.permits_attributes(attributes, Extension::Xforward),
            // RFC 2645 section 5.2.1, whatever else needs no login.
            Command::Atrn(_) if !self.session.authenticated => {
                bad(ReplyCode::REQUIRED, 7, 0, "Authentication required")
            }
            Command::Atrn(_) | Command::Etrn(_) | Command::ClientId(_) if self.config.lmtp => {
                bad(ReplyCode::NOT_IMPLEMENTED, 5, 1, "Not in LMTP")
            }
            _ => Ok(()),
        }
    }

    /// Whether this server has an extension, at one point or another.
    fn knows(&self, extension: Extension) -> bool {
        match extension {
            Extension::StartTls => self.config.channel == Channel::StartTls,
            Extension::Auth => !self.config.mechanisms.is_empty(),
            other => self.capabilities.offers(other),
        }
    }

    fn not_introduced(&self, rules: &Rules) -> Result<(), Refusal> {
        match (self.config.lmtp, rules.effect) {
            (true, _) => sequence("Send LHLO first"),
            (false, Effect::Mail) => sequence("Send EHLO or HELO first"),
            (false, _) => sequence("Send EHLO first"),
        }
    }

    /// What was sent in one group with a MAIL that is refused is no mistake of the client's.
    fn no_transaction(&self) -> Result<(), Refusal> {
        let of_group =
            self.session.transaction.refused && self.session.orphans < self.config.limits.recipients;
        match of_group {
            true => policy(ReplyCode::BAD_SEQUENCE, 5, 1, "Send MAIL first"),
            false => sequence("Send MAIL first"),
        }
    }

    fn no_recipients(&self) -> Result<(), Refusal> {
        match (self.session.transaction.tried, self.config.lmtp) {
            (0, _) => sequence("No recipients"),
            // RFC 2033 section 4.2 has 503 here.
            (_, true) => policy(ReplyCode::BAD_SEQUENCE, 5, 1, "No valid recipients"),
            (_, false) => policy(ReplyCode::FAILED, 5, 1, "No valid recipients"),
        }
    }

    fn authenticated(&self) -> Result<(), Refusal> {
        if self.config.require_auth && !self.session.authenticated {
            return bad(ReplyCode::REQUIRED, 7, 0, "Authentication required");
        }
        Ok(())
    }

    fn permits_query(&self, query: &Query, command: &Command) -> Result<(), Refusal> {
        self.authenticated()?;
        if let Some(missing) = command.option_needs().find(|need| !self.knows(*need)) {
            return unoffered_parameter(missing);
        }
        match query.is_international() && !query.smtp_utf8 {
            true => international(),
            false => Ok(()),
        }
    }

    /// XCLIENT and XFORWARD: what was offered, and no more.
    fn permits_attributes(&self, attributes: &Attributes, extension: Extension) -> Result<(), Refusal> {
        match self.capabilities.take(extension, attributes) {
            true => Ok(()),
            false => bad(ReplyCode::BAD_ARGUMENTS, 5, 4, "Attribute not supported"),
        }
    }

    fn permits_auth(&self, auth: &Auth, rules: &Rules) -> Result<(), Refusal> {
        if !self.session.extended {
            return self.not_introduced(rules);
        }
        if self.session.authenticated {
            return sequence("Already authenticated");
        }
        if !self.config.mechanisms.contains(&auth.mechanism) {
            return bad(ReplyCode::PARAMETER_NOT_IMPLEMENTED, 5, 4, "Mechanism not offered");
        }
        if auth.initial.is_some() && !auth.mechanism.takes_initial() {
            return bad(ReplyCode::BAD_ARGUMENTS, 7, 0, "This mechanism has no initial response");
        }
        match (self.policy().permits(auth.mechanism.among(&self.config.mechanisms)), self.config.channel) {
            (true, _) => Ok(()),
            (false, Channel::StartTls) => {
                bad(ReplyCode::REQUIRED, 7, 0, "Must issue a STARTTLS command first")
            }
            (false, _) => {
                bad(ReplyCode::PARAMETER_NOT_IMPLEMENTED, 5, 4, "Mechanism not offered without TLS")
            }
        }
    }

    fn permits_mail(&self, mail: &Mail, command: &Command) -> Result<(), Refusal> {
        self.authenticated()?;
        if let Some(missing) = command.option_needs().find(|need| !self.knows(*need)) {
            return unoffered_parameter(missing);
        }
        if !mail.parameters().other.is_empty() && !self.config.pass_unknown_parameters {
            return bad(ReplyCode::BAD_PARAMETERS, 5, 4, "Parameter not recognized");
        }
        if mail.is_international() && !mail.smtp_utf8 {
            return international();
        }
        if self.session.mails >= self.config.limits.transactions {
            return policy(ReplyCode::INSUFFICIENT_STORAGE, 5, 3, "Too many messages in this session");
        }
        self.permits_parameters(mail)?;
        if mail.size.is_some_and(|size| size > self.config.limits.message) {
            return policy(ReplyCode::TOO_LARGE, 3, 4, "Message too large");
        }
        Ok(())
    }

    /// What two parameters, or a parameter and what is offered, say to each other.
    fn permits_parameters(&self, mail: &Mail) -> Result<(), Refusal> {
        let Some(parameters) = mail.rare.get() else { return Ok(()) };
        let offered = &self.capabilities;
        // RFC 4865 section 4.2.
        match (&parameters.hold, offered.future_release()) {
            (Some(hold), Some(most)) if !most.permits(hold) => {
                return bad(ReplyCode::BAD_ARGUMENTS, 5, 4, "Messages are not held for so long");
            }
            _ => {}
        }
        // RFC 4865 section 5.2.2. Who has a clock sees to dates.
        match (&parameters.hold, parameters.deliver_by) {
            (Some(hold), Some(by)) if hold.outlasts(by) => {
                return bad(ReplyCode::BAD_ARGUMENTS, 5, 4, "It would be held until it is too late");
            }
            _ => {}
        }
        // RFC 2852 section 3.
        match (parameters.deliver_by, offered.deliver_by()) {
            (Some(by), Some(least)) if !least.permits(by) => {
                return policy(ReplyCode::BAD_PARAMETERS, 5, 4, "The time of delivery is too near");
            }
            _ => {}
        }
        // RFC 3885 section 3.2.
        if parameters.tracking.is_some() && parameters.envelope_id.is_none() {
            return bad(ReplyCode::BAD_ARGUMENTS, 5, 4, "MTRK needs ENVID");
        }
        Ok(())
    }

    fn permits_chunk(&self, size: u64) -> Result<(), Refusal> {
        let transaction = &self.session.transaction;
        if transaction.failed {
            // It may have been on its way when the one before it was refused.
            return policy(ReplyCode::BAD_SEQUENCE, 5, 1, "A chunk before this one was refused");
        }
        let length = transaction.chunk.as_ref().map_or(0, |chunk| chunk.length);
        match length.checked_add(size) {
            Some(length) if length <= self.config.limits.message => Ok(()),
            _ => policy(ReplyCode::TOO_LARGE, 3, 4, "Message too large"),
        }
    }

    fn permits_rcpt(&self, rcpt: &Rcpt, command: &Command) -> Result<(), Refusal> {
        let transaction = &self.session.transaction;
        if transaction.failed {
            return sequence("Send RSET first");
        }
        let limits = &self.config.limits;
        if transaction.recipients.len() >= limits.recipients || transaction.bytes >= limits.transaction {
            return policy(ReplyCode::INSUFFICIENT_STORAGE, 5, 3, "Too many recipients");
        }
        if let Some(missing) = command.option_needs().find(|need| !self.knows(*need)) {
            return unoffered_parameter(missing);
        }
        if !rcpt.parameters().other.is_empty() && !self.config.pass_unknown_parameters {
            return bad(ReplyCode::BAD_PARAMETERS, 5, 4, "Parameter not recognized");
        }
        if rcpt.is_international() && !transaction.smtp_utf8 {
            return international();
        }
        Ok(())
    }

    /// Whether the application may answer so now.
    pub(super) fn permits_reply(&self, ticket: Ticket, reply: &Reply) -> Result<(), Misuse> {
        if self.failed.is_some() || self.phase == Phase::Closed {
            return Err(Misuse::Closed);
        }
        let Some(current) = &self.current else { return Err(Misuse::UnknownTicket) };
        let known = match &current.due {
            Due::Reply | Due::ChunkReply { .. } | Due::PartReply { .. } | Due::MessageReply => {
                ticket == current.ticket
            }
            Due::RecipientReplies(replies) => ticket == current.ticket || replies.is_due(ticket),
            Due::Response | Due::Body(_) | Due::Chunk(_) | Due::RefusedChunk(_) => false,
        };
        match (&current.due, current.rules.effect) {
            _ if !known => Err(Misuse::UnknownTicket),
            _ if reply.is_intermediate() => Err(Misuse::WrongAnswer(WrongAnswer::NotFinal)),
            (Due::Reply, Effect::Data) if reply.is_positive() => {
                Err(Misuse::WrongAnswer(WrongAnswer::OwnCall("accept_body")))
            }
            (Due::ChunkReply { .. }, _) if reply.is_positive() => {
                Err(Misuse::WrongAnswer(WrongAnswer::OwnCall("accept_body")))
            }
            (Due::Reply, Effect::StartTls) if reply.is_positive() => {
                Err(Misuse::WrongAnswer(WrongAnswer::OwnCall("accept_upgrade")))
            }
            _ => Ok(()),
        }
    }

    /// Whether the application may grant the command of this ticket, which has this effect.
    pub(super) fn permits_grant(&self, ticket: Ticket, effect: Effect) -> Result<(), Misuse> {
        match &self.current {
            _ if self.failed.is_some() => Err(Misuse::Closed),
            Some(Current { ticket: current, rules, due: Due::Reply, .. })
                if *current == ticket && rules.effect == effect =>
            {
                Ok(())
            }
            _ => Err(Misuse::UnknownTicket),
        }
    }
}

impl Session {
    /// A command of so many bytes goes to the application.
    pub(super) fn begin(&mut self, command: &Command, length: usize) {
        self.query = None;
        match command {
            Command::Rcpt(rcpt) => {
                let other = rcpt.rare.get().map_or(0, |parameters| parameters.other.len());
                self.transaction.keep(length, other);
            }
            Command::Vrfy(query) | Command::Expn(query) => self.query = Some(query.smtp_utf8),
            Command::Xclient(attributes) => {
                self.logged_in_elsewhere = attributes.text(AttributeName::Login).is_some();
            }
            _ => {}
        }
        if let Command::Mail(mail) = command {
            self.mails = self.mails.saturating_add(1);
            let binary = mail.body == Some(BodyType::BinaryMime);
            self.transaction = Transaction {
                smtp_utf8: mail.smtp_utf8,
                binary,
                prdr: mail.parameters().prdr,
                ..Transaction::default()
            };
            let other = mail.rare.get().map_or(0, |parameters| parameters.other.len());
            self.transaction.keep(length, other);
        }
    }

    /// The machine has refused a command.
    pub(super) fn refused(&mut self, effect: Effect, code: ReplyCode) {
        let in_transaction = self.state.is_in_transaction();
        if effect == Effect::Mail {
            self.mails = self.mails.saturating_add(1);
        }
        match effect {
            // One within a transaction leaves that as it is.
            Effect::Mail if !in_transaction => self.transaction.refused = true,
            Effect::Rcpt if in_transaction => self.transaction.tried += 1,
            Effect::Rcpt | Effect::Bdat if !in_transaction => self.orphans += 1,
            Effect::Bdat => {}
            // RFC 5321 section 4.1.4: the same state. What is tried again is a mistake.
            Effect::Data if in_transaction && code.is_about_syntax() => self.transaction.tried = 0,
            Effect::Data => self.end_transaction(),
            _ => {}
        }
    }

    /// The application has answered a command, or a message.
    pub(super) fn conclude(&mut self, ticket: Ticket, effect: Effect, reply: &Reply) -> Then {
        let accepted = reply.is_positive();
        if effect == Effect::Bdat {
            self.end_transaction();
            return Then::GoOn;
        }
        if effect == Effect::Data {
            // The message ends the transaction, and so does a refusal of DATA that is about it.
            if self.state == State::Message || !reply.code().is_about_syntax() {
                self.end_transaction();
            }
            return Then::GoOn;
        }
        match effect {
            // RFC 5321 section 4.1.4: these end it, if they are accepted.
            Effect::Ehlo | Effect::Helo | Effect::Reset if accepted => self.end_transaction(),
            Effect::Mail => self.transaction.refused = !accepted,
            Effect::Rcpt => self.transaction.tried += 1,
            _ => {}
        }
        if accepted {
            self.state = effect.after(self.state);
        }
        match effect {
            Effect::Ehlo | Effect::Helo if accepted => {
                self.extended = effect == Effect::Ehlo;
                Then::Introduced
            }
            Effect::Ehlo | Effect::Helo => Then::NotIntroduced,
            Effect::Rcpt if accepted => {
                self.transaction.recipients.push(ticket);
                self.orphans = 0;
                Then::Progress
            }
            Effect::Auth if accepted => {
                self.authenticated = true;
                Then::Authenticated
            }
            Effect::Auth => Then::AuthFailed,
            Effect::Quit => Then::Close,
            Effect::Atrn if accepted => Then::Close,
            Effect::Xclient if accepted => {
                let authenticated = self.logged_in_elsewhere;
                *self = Self { authenticated, mails: self.mails, ..Self::new(self.tls) };
                Then::Restarted
            }
            _ => Then::GoOn,
        }
    }

    /// An answer as it may be given: one to VRFY or EXPN beyond ASCII has to be permitted ([RFC 6531 section
    /// 3.7.4.2](https://www.rfc-editor.org/rfc/rfc6531#section-3.7.4.2)).
    pub(super) fn permitted(&self, reply: Reply) -> Reply {
        let ascii = || reply.lines().all(|line| line.is_ascii());
        if self.query != Some(false) || ascii() {
            return reply;
        }
        let code = if reply.is_positive() { ReplyCode::CANNOT_VERIFY } else { reply.code() };
        Reply::of(code, 6, 8, "The answer needs SMTPUTF8")
    }

    pub(super) fn end_transaction(&mut self) {
        self.state = self.state.reset();
        self.transaction = Transaction::default();
    }
}

/// What follows from an answer of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    /// The machine writes the reply to EHLO.
    Introduced,
    NotIntroduced,
    /// The client is after mail.
    Progress,
    /// AUTH is no more offered.
    Authenticated,
    AuthFailed,
    Close,
    /// XCLIENT: the machine greets another client.
    Restarted,
}

fn international() -> Result<(), Refusal> {
    policy(ReplyCode::BAD_MAILBOX, 6, 7, "An address beyond ASCII needs SMTPUTF8")
}
