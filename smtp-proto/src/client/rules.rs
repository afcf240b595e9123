//! What a client may send now, and what the answers change.
//!
//! What a command is stands in `command/rules.rs`, the states in `state.rs`.

use mailwire_core::{Error, Misuse, NotOffered, WrongState, sasl::Policy};

use super::state::{Given, InFlight, Machine, Part, Phase, Progress, Session, Transaction};
use crate::{
    Auth, BodyType, Command, Mail, MailParameters, Rcpt, Reply,
    capability::Extension,
    command::{Effect, Foreign, Rules},
};

const CHUNKED: Result<(), Misuse> = Err(Misuse::WrongState(WrongState::Chunked));
const INTERNATIONAL: Misuse = Misuse::WrongState(WrongState::NeedsSmtpUtf8);

impl Machine {
    /// Whether this can be sent now.
    pub(super) fn permits(&self, command: &Command) -> Result<(), Misuse> {
        match self.phase {
            _ if self.failed.is_some() => return Err(Misuse::Closed),
            Phase::Ready => {}
            Phase::Leaving | Phase::Closed => return Err(Misuse::Closed),
            _ => return Err(Misuse::WrongState(WrongState::CapabilitiesUnknown)),
        }
        let limit = self.config.limits.queue;
        if self.session.queue.len() + self.session.in_flight.len() >= limit {
            return Err(Misuse::Full { limit });
        }
        let policy =
            Policy::new(self.session.tls).allow_clear_credentials(self.config.allow_clear_credentials);
        self.session.permits(command, &command.rules(), policy)
    }
}

impl Session {
    /// Whether the server can be asked for this now.
    pub(super) fn permits(&self, command: &Command, rules: &Rules, policy: Policy) -> Result<(), Misuse> {
        if let Command::Auth(auth) = command {
            policy.check(&auth.mechanism)?;
        }
        let missing = |need: &Extension| !self.capabilities.offers(*need);
        if let Some(missing) = rules.needs.into_iter().chain(command.option_needs()).find(missing) {
            return Err(Misuse::NotOffered(NotOffered::Extension(missing.as_str())));
        }
        if self.transaction.failed && rules.effect.is_of_transaction() && !self.is_resetting() {
            return Err(Misuse::WrongState(WrongState::Busy("RSET")));
        }
        match command {
            Command::Ehlo(_) | Command::Helo(_) | Command::Lhlo(_) | Command::StartTls => {
                Err(Misuse::WrongState(WrongState::Automatic))
            }
            Command::Mail(mail) => self.permits_mail(mail),
            Command::Rcpt(rcpt) => self.permits_rcpt(rcpt),
            Command::Auth(auth) => self.permits_auth(auth, rules),
            Command::Data if self.binary || matches!(self.given, Given::Chunks | Given::Whole) => CHUNKED,
            Command::Bdat { .. } => match self.given {
                Given::Nothing | Given::Chunks => Ok(()),
                Given::Data => CHUNKED,
                Given::Whole => Err(Misuse::WrongState(WrongState::NothingDue("chunk"))),
            },
            Command::Other { verb, .. } if Foreign::of(verb.as_bytes()).is_some() => {
                Err(Misuse::WrongState(WrongState::OwnCall))
            }
            _ => Ok(()),
        }
    }

    fn permits_mail(&self, mail: &Mail) -> Result<(), Misuse> {
        if mail.body == Some(BodyType::BinaryMime) && !self.capabilities.offers(Extension::Chunking) {
            return Err(Misuse::NotOffered(NotOffered::Extension(Extension::Chunking.as_str())));
        }
        if mail.size.zip(self.capabilities.size_limit()).is_some_and(|(size, limit)| size > limit) {
            return Err(Misuse::NotOffered(NotOffered::MessageSize));
        }
        check_limit("MAILMAX", self.limits.mail_max(), self.counts.mails)?;
        if let Some(parameters) = mail.rare.get() {
            self.permits_parameters(parameters)?;
        }
        if mail.is_international() && !mail.smtp_utf8 { self.international() } else { Ok(()) }
    }

    #[cold]
    fn permits_parameters(&self, parameters: &MailParameters) -> Result<(), Misuse> {
        let offered = &self.capabilities;
        let value = |parameter| Err(Misuse::NotOffered(NotOffered::Value(parameter)));
        // RFC 8689 section 2: only where the session employs TLS, whatever the server says.
        if parameters.require_tls && !self.tls {
            return Err(Misuse::NotOffered(NotOffered::Extension(Extension::RequireTls.as_str())));
        }
        match (&parameters.hold, offered.future_release()) {
            (Some(hold), Some(most)) if !most.permits(hold) => return value("HOLDFOR or HOLDUNTIL"),
            _ => {}
        }
        match (parameters.deliver_by, offered.deliver_by()) {
            (Some(by), Some(least)) if !least.permits(by) => return value("BY"),
            _ => {}
        }
        // RFC 3885 section 3.2.
        if parameters.tracking.is_some() && parameters.envelope_id.is_none() {
            return Err(Misuse::NotOffered(NotOffered::Extension("MTRK without ENVID")));
        }
        Ok(())
    }

    fn permits_rcpt(&self, rcpt: &Rcpt) -> Result<(), Misuse> {
        check_limit("RCPTMAX", self.limits.rcpt_max(), self.counts.rcpts)?;
        if let (Some(limit), Some(mailbox)) = (self.limits.rcpt_domain_max(), rcpt.to.mailbox()) {
            let domains = &self.counts.domains;
            if domains.len() >= limit as usize && !domains.contains(&mailbox.domain().to_lowercase()) {
                return Err(Misuse::NotOffered(NotOffered::Limit("RCPTDOMAINMAX")));
            }
        }
        if rcpt.is_international() && !self.smtp_utf8 { self.international() } else { Ok(()) }
    }

    /// An address beyond ASCII, and SMTPUTF8 is not said.
    fn international(&self) -> Result<(), Misuse> {
        match self.capabilities.offers(Extension::SmtpUtf8) {
            true => Err(INTERNATIONAL),
            false => Err(Misuse::NotOffered(NotOffered::Extension(Extension::SmtpUtf8.as_str()))),
        }
    }

    fn permits_auth(&self, auth: &Auth, rules: &Rules) -> Result<(), Misuse> {
        if self.authenticated {
            return Err(Misuse::WrongState(WrongState::AlreadyAuthenticated));
        }
        if rules.valid_in.check(self.state).is_err() {
            return Err(Misuse::WrongState(WrongState::InTransaction));
        }
        match self.capabilities.auth() {
            Some(mechanisms) if mechanisms.contains(&auth.mechanism) => Ok(()),
            _ => Err(Misuse::NotOffered(NotOffered::Mechanism)),
        }
    }

    /// A command was taken for sending.
    pub(super) fn begin(&mut self, command: &Command) {
        match command {
            Command::Data => self.given = Given::Data,
            Command::Rset => self.given = Given::Nothing,
            _ => {}
        }
        if let Command::Rcpt(rcpt) = command {
            self.counts.rcpts = self.counts.rcpts.saturating_add(1);
            if let (Some(_), Some(mailbox)) = (self.limits.rcpt_domain_max(), rcpt.to.mailbox()) {
                self.counts.domains.insert(mailbox.domain().to_lowercase());
            }
        }
        if let Command::Mail(mail) = command {
            self.counts.mails = self.counts.mails.saturating_add(1);
            self.counts.rcpts = 0;
            self.smtp_utf8 = mail.smtp_utf8;
            self.binary = mail.body == Some(BodyType::BinaryMime);
            self.given = Given::Nothing;
            // A message that was answered is the last one no more.
            match self.progress {
                Progress::Ended(_) => self.begun = true,
                Progress::Unfinished | Progress::Answered { .. } => self.progress = Progress::Unfinished,
            }
        }
    }

    /// A command, or the part of it that was in flight, was answered, and not by an intermediate reply.
    ///
    /// # Errors
    ///
    /// The reply is none that the command can have.
    pub(super) fn conclude(&mut self, command: &InFlight, reply: &Reply) -> Result<Then, Error> {
        let accepted = reply.is_positive();
        let effect = command.rules.effect;
        match command.part {
            Part::Line => {}
            Part::Chunk => {
                match accepted {
                    true => self.state = effect.after(self.state),
                    false => self.chunk_refused(),
                }
                return Ok(Then::GoOn);
            }
            Part::Message if effect == Effect::Bdat && !accepted => {
                self.answered(false);
                self.transaction.failed = true;
                return Ok(Then::GoOn);
            }
            Part::Message => {
                self.answered(accepted);
                self.end_transaction();
                return Ok(Then::GoOn);
            }
            Part::Empty => {
                self.end_transaction();
                return Ok(Then::GoOn);
            }
            Part::Recipient { last, .. } => {
                self.transaction.delivered |= accepted;
                if last {
                    self.answered(self.transaction.delivered);
                    self.end_transaction();
                }
                return Ok(Then::GoOn);
            }
        }
        match effect {
            Effect::Data if accepted => {
                return Err(Error::Unexpected { what: "a success to DATA before the message", offset: 0 });
            }
            Effect::Data => self.answered(false),
            Effect::Mail | Effect::Reset if accepted => self.transaction = Transaction::default(),
            Effect::Rcpt if accepted && self.state.is_in_transaction() => {
                self.transaction.recipients.push(command.ticket);
            }
            Effect::Auth => {
                if let Some(exchange) = self.exchange.take() {
                    exchange.conclude(accepted)?;
                }
                self.authenticated = accepted;
            }
            Effect::Quit => return Ok(Then::Close),
            _ => {}
        }
        if accepted {
            self.state = effect.after(self.state);
        }
        Ok(Then::GoOn)
    }

    /// The server has answered a message, or refused to take it.
    pub(super) fn answered(&mut self, accepted: bool) {
        let begun = core::mem::take(&mut self.begun);
        self.progress = if begun { Progress::Unfinished } else { Progress::Answered { accepted } };
    }

    fn end_transaction(&mut self) {
        self.state = self.state.reset();
        self.transaction = Transaction::default();
    }
}

impl Effect {
    /// Whether a command with this effect is one of a transaction.
    const fn is_of_transaction(self) -> bool {
        matches!(self, Effect::Mail | Effect::Rcpt | Effect::Data | Effect::Bdat)
    }
}

/// RFC 9422 section 4: every command counts, whatever became of it.
fn check_limit(name: &'static str, limit: Option<u32>, sent: u32) -> Result<(), Misuse> {
    match limit {
        Some(limit) if sent >= limit => Err(Misuse::NotOffered(NotOffered::Limit(name))),
        _ => Ok(()),
    }
}

/// What follows from a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    Close,
}
