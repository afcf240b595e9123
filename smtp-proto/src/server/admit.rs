//! Which commands are allowed when.

use mailwire_core::Channel;

use super::{
    Config,
    state::{Hello, Session},
};
use crate::{Auth, BodyType, Capabilities, Capability, Command, Mail, Rcpt, Reply, ReplyCode};

/// A command that the machine refuses.
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

fn sequence(text: &'static str) -> Result<(), Refusal> {
    bad(ReplyCode::BAD_SEQUENCE, 5, 1, text)
}

/// Everything that decides on a command.
pub(super) struct Rules<'a> {
    pub(super) config: &'a Config,
    pub(super) session: &'a Session,
    pub(super) offered: &'a Capabilities,
    pub(super) tls: bool,
}

impl Rules<'_> {
    /// RFC 5321 section 4.1.4, RFC 3207 section 4, RFC 4954 section 4, and the configuration.
    pub(super) fn admit(&self, command: &Command) -> Result<(), Refusal> {
        match command {
            Command::Noop(_) | Command::Quit => return Ok(()),
            Command::Ehlo(_) | Command::Helo(_) if self.config.lmtp => {
                return bad(ReplyCode::UNRECOGNIZED, 5, 1, "This is LMTP: send LHLO");
            }
            Command::Lhlo(_) if !self.config.lmtp => {
                return bad(ReplyCode::UNRECOGNIZED, 5, 1, "This is SMTP: send EHLO");
            }
            Command::Ehlo(_) | Command::Helo(_) | Command::Lhlo(_) => return Ok(()),
            Command::StartTls => return self.starttls(),
            Command::Other { .. } if !self.config.pass_unknown_commands => {
                return bad(ReplyCode::UNRECOGNIZED, 5, 1, "Command not recognized");
            }
            _ => {}
        }
        if self.config.require_tls && !self.tls {
            return bad(ReplyCode::REQUIRED, 7, 0, "Must issue a STARTTLS command first");
        }
        match command {
            Command::Auth(auth) => self.auth(auth),
            Command::Mail(mail) => self.mail(mail),
            Command::Rcpt(rcpt) => self.rcpt(rcpt),
            Command::Data => self.data(),
            Command::Vrfy(_) | Command::Expn(_) => self.authenticated(),
            _ => Ok(()),
        }
    }

    fn authenticated(&self) -> Result<(), Refusal> {
        if self.config.require_auth && !self.session.authenticated {
            return bad(ReplyCode::REQUIRED, 7, 0, "Authentication required");
        }
        Ok(())
    }

    fn starttls(&self) -> Result<(), Refusal> {
        if self.config.channel != Channel::StartTls {
            return bad(ReplyCode::NOT_IMPLEMENTED, 5, 1, "STARTTLS is not offered");
        }
        if self.tls {
            return sequence("TLS is active already");
        }
        self.extended()
    }

    fn extended(&self) -> Result<(), Refusal> {
        match self.session.hello {
            Some(Hello::Extended) => Ok(()),
            _ if self.config.lmtp => sequence("Send LHLO first"),
            _ => sequence("Send EHLO first"),
        }
    }

    fn auth(&self, auth: &Auth) -> Result<(), Refusal> {
        if self.config.mechanisms.is_empty() {
            return bad(ReplyCode::NOT_IMPLEMENTED, 5, 1, "AUTH is not offered");
        }
        self.extended()?;
        if self.session.authenticated {
            return sequence("Already authenticated");
        }
        if self.session.transaction.is_some() {
            return sequence("AUTH is not permitted during a mail transaction");
        }
        match self.offered.auth() {
            None if self.config.channel == Channel::StartTls => {
                bad(ReplyCode::REQUIRED, 7, 0, "Must issue a STARTTLS command first")
            }
            None => bad(ReplyCode::PARAMETER_NOT_IMPLEMENTED, 5, 4, "No mechanism is offered without TLS"),
            Some(mechanisms) if mechanisms.contains(&auth.mechanism) => Ok(()),
            Some(_) => bad(ReplyCode::PARAMETER_NOT_IMPLEMENTED, 5, 4, "Mechanism not offered"),
        }
    }

    fn mail(&self, mail: &Mail) -> Result<(), Refusal> {
        if self.session.hello.is_none() {
            return match self.config.lmtp {
                true => sequence("Send LHLO first"),
                false => sequence("Send EHLO or HELO first"),
            };
        }
        self.authenticated()?;
        if self.session.transaction.is_some() {
            return sequence("A transaction is under way");
        }
        let unoffered = |text| bad(ReplyCode::BAD_PARAMETERS, 5, 4, text);
        match mail.body {
            Some(BodyType::BinaryMime) => return unoffered("BINARYMIME is not offered"),
            Some(_) if !self.offered.has(&Capability::EightBitMime) => {
                return unoffered("BODY is not offered");
            }
            _ => {}
        }
        if mail.smtp_utf8 && !self.offered.has(&Capability::SmtpUtf8) {
            return unoffered("SMTPUTF8 is not offered");
        }
        if mail.size.is_some() && self.offered.size().is_none() {
            return unoffered("SIZE is not offered");
        }
        if mail.auth.is_some() && self.config.mechanisms.is_empty() {
            return unoffered("AUTH is not offered");
        }
        if !mail.other.is_empty() && !self.config.pass_unknown_parameters {
            return unoffered("Parameter not recognized");
        }
        if mail.is_international() && !mail.smtp_utf8 {
            return policy(ReplyCode::BAD_MAILBOX, 6, 7, "An address beyond ASCII needs SMTPUTF8");
        }
        if mail.size.is_some_and(|size| size > self.config.limits.message) {
            return policy(ReplyCode::TOO_LARGE, 3, 4, "Message too large");
        }
        Ok(())
    }

    fn rcpt(&self, rcpt: &Rcpt) -> Result<(), Refusal> {
        let Some(transaction) = &self.session.transaction else { return self.no_transaction() };
        if transaction.recipients.len() >= self.config.limits.recipients {
            return policy(ReplyCode::INSUFFICIENT_STORAGE, 5, 3, "Too many recipients");
        }
        if !rcpt.other.is_empty() && !self.config.pass_unknown_parameters {
            return bad(ReplyCode::BAD_PARAMETERS, 5, 4, "Parameter not recognized");
        }
        if rcpt.is_international() && !transaction.smtp_utf8 {
            return policy(ReplyCode::BAD_MAILBOX, 6, 7, "An address beyond ASCII needs SMTPUTF8");
        }
        Ok(())
    }

    fn data(&self) -> Result<(), Refusal> {
        match &self.session.transaction {
            None => self.no_transaction(),
            Some(transaction) if !transaction.recipients.is_empty() => Ok(()),
            // RFC 2033 section 4.2 has 503 here.
            Some(transaction) if transaction.tried == 0 || self.config.lmtp => {
                policy(ReplyCode::BAD_SEQUENCE, 5, 1, "No recipients")
            }
            Some(_) => policy(ReplyCode::FAILED, 5, 1, "No valid recipients"),
        }
    }

    /// What was sent in one group with a MAIL that is refused is no mistake of the client's.
    fn no_transaction(&self) -> Result<(), Refusal> {
        let of_group = self.session.mail_refused && self.session.orphans < self.config.limits.recipients;
        match of_group {
            true => policy(ReplyCode::BAD_SEQUENCE, 5, 1, "Send MAIL first"),
            false => sequence("Send MAIL first"),
        }
    }
}
