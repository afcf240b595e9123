//! What a client may send now, and what the answers change.
//!
//! What a command is stands in `command/rules.rs`, the states in `state.rs`.

use core::borrow::Borrow;

use mailwire_core::{Error, Misuse, NotOffered, WrongState, sasl::Policy};

use super::state::{InFlight, Machine, Part, Phase, Progress, Sending, Session, Transaction};
use crate::{
    Auth, BodyType, Command, Mail, MailParameters, Rcpt, Reply,
    capability::Extension,
    command::{Effect, Foreign, Rules},
    extensions::{burl::Burl, xclient::Attributes},
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
        self.check_offered(rules.needs.into_iter().chain(command.option_needs()))?;
        if self.is_restarting() {
            return Err(Misuse::WrongState(WrongState::Busy("the command that begins the session anew")));
        }
        if self.transaction.failed && rules.effect.is_of_transaction() && !self.is_resetting() {
            return Err(Misuse::WrongState(WrongState::Busy("RSET")));
        }
        match command {
            Command::Ehlo(_) | Command::Helo(_) | Command::Lhlo(_) | Command::StartTls => {
                Err(Misuse::WrongState(WrongState::Automatic))
            }
            Command::Mail(mail) => self.permits_mail(mail),
            Command::Rcpt(rcpt) => {
                self.counts.permits_rcpt(rcpt)?;
                self.permits_recipient(rcpt, self.smtp_utf8)
            }
            Command::Auth(auth) => self.permits_auth(auth, rules),
            Command::Vrfy(query) | Command::Expn(query) if query.is_international() && !query.smtp_utf8 => {
                self.international()
            }
            Command::Atrn(_) if !self.authenticated => Err(Misuse::WrongState(WrongState::NotAuthenticated)),
            Command::Atrn(_) => self.permits_alone(rules),
            Command::Xclient(attributes) => {
                self.permits_alone(rules)?;
                self.permits_attributes(attributes, Extension::Xclient)
            }
            Command::Xforward(attributes) => self.permits_attributes(attributes, Extension::Xforward),
            Command::Data if self.binary || matches!(self.sending, Sending::Chunks | Sending::Whole) => {
                CHUNKED
            }
            Command::Bdat { .. } => self.permits_part(),
            Command::Burl(burl) => self.permits_part().and_then(|()| self.permits_burl(burl)),
            Command::Other { verb, .. } if Foreign::of(verb.as_bytes()).is_some() => {
                Err(Misuse::WrongState(WrongState::OwnCall))
            }
            _ => Ok(()),
        }
    }

    /// Whether a part of a message, by BDAT or BURL, can come now.
    fn permits_part(&self) -> Result<(), Misuse> {
        match self.sending {
            Sending::Nothing | Sending::Chunks => Ok(()),
            Sending::Data => CHUNKED,
            Sending::Whole => Err(Misuse::WrongState(WrongState::NothingDue("chunk"))),
        }
    }

    /// RFC 4468 section 3.2: several parts need CHUNKING; section 3.3: the server says from where it fetches.
    #[cold]
    fn permits_burl(&self, burl: &Burl) -> Result<(), Misuse> {
        if !burl.last || self.sending == Sending::Chunks {
            self.check_offered([Extension::Chunking].into_iter())?;
        }
        match self.capabilities.burl() {
            Some(sources) if sources.permits(&burl.url) => Ok(()),
            _ => Err(Misuse::NotOffered(NotOffered::Value("BURL"))),
        }
    }

    fn check_offered(&self, mut needs: impl Iterator<Item = Extension>) -> Result<(), Misuse> {
        match needs.find(|need| !self.capabilities.offers(*need)) {
            Some(missing) => Err(Misuse::NotOffered(NotOffered::Extension(missing.as_str()))),
            None => Ok(()),
        }
    }

    /// Whether the next transaction could be this one.
    pub(super) fn permits_transaction(
        &self,
        mail: &Mail,
        recipients: impl IntoIterator<Item = impl Borrow<Rcpt>>,
    ) -> Result<(), Misuse> {
        self.check_offered(mail.needs())?;
        self.permits_mail(mail)?;
        let mut counts = self.counts.clone();
        counts.mail();
        for rcpt in recipients {
            let rcpt = rcpt.borrow();
            self.check_offered(rcpt.needs())?;
            counts.permits_rcpt(rcpt)?;
            counts.rcpt(rcpt);
            self.permits_recipient(rcpt, mail.smtp_utf8)?;
        }
        Ok(())
    }

    /// Which recipients the limits leave room for in a transaction to come.
    pub(super) fn room_for<'r>(
        &self,
        recipients: impl IntoIterator<Item = &'r Rcpt>,
    ) -> impl Iterator<Item = Result<(), Misuse>> {
        let first = self.counts.permits_mail();
        let mut counts = self.counts.clone();
        counts.mail();
        recipients.into_iter().map(move |rcpt| {
            first.and_then(|()| counts.permits_rcpt(rcpt))?;
            counts.rcpt(rcpt);
            Ok(())
        })
    }

    fn permits_mail(&self, mail: &Mail) -> Result<(), Misuse> {
        if mail.body == Some(BodyType::BinaryMime) && !self.capabilities.offers(Extension::Chunking) {
            return Err(Misuse::NotOffered(NotOffered::Extension(Extension::Chunking.as_str())));
        }
        if mail.size.zip(self.capabilities.size_limit()).is_some_and(|(size, limit)| size > limit) {
            return Err(Misuse::NotOffered(NotOffered::MessageSize));
        }
        self.counts.permits_mail()?;
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
        // What the server says then is not understood here.
        if parameters.transaction_id.is_some() {
            return Err(Misuse::WrongState(WrongState::Unsupported("TRANSID")));
        }
        match (&parameters.hold, offered.future_release()) {
            (Some(hold), Some(most)) if !most.permits(hold) => return value("HOLDFOR or HOLDUNTIL"),
            _ => {}
        }
        // RFC 4865 section 5.2.1. Who has a clock sees to dates.
        match (&parameters.hold, parameters.deliver_by) {
            (Some(hold), Some(by)) if hold.outlasts(by) => return value("HOLDFOR beyond BY"),
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

    fn permits_recipient(&self, rcpt: &Rcpt, smtp_utf8: bool) -> Result<(), Misuse> {
        if rcpt.is_international() && !smtp_utf8 { self.international() } else { Ok(()) }
    }

    /// An address beyond ASCII, and SMTPUTF8 is not said.
    fn international(&self) -> Result<(), Misuse> {
        match self.capabilities.offers(Extension::SmtpUtf8) {
            true => Err(INTERNATIONAL),
            false => Err(Misuse::NotOffered(NotOffered::Extension(Extension::SmtpUtf8.as_str()))),
        }
    }

    /// Whether a command waits for its answer after which the session is another one.
    fn is_restarting(&self) -> bool {
        let restarts = |effect| matches!(effect, Effect::Atrn | Effect::Xclient);
        self.in_flight.back().is_some_and(|last| restarts(last.rules.effect))
            || self.queue.back().is_some_and(|last| restarts(last.command.rules().effect))
    }

    /// XCLIENT and ATRN end what the session was: nothing may be on its way with them.
    fn permits_alone(&self, rules: &Rules) -> Result<(), Misuse> {
        if rules.valid_in.check(self.state).is_err() {
            return Err(Misuse::WrongState(WrongState::InTransaction));
        }
        match self.queue.is_empty() && self.in_flight.is_empty() {
            true => Ok(()),
            false => Err(Misuse::WrongState(WrongState::Busy("the commands before it"))),
        }
    }

    fn permits_attributes(&self, attributes: &Attributes, extension: Extension) -> Result<(), Misuse> {
        match self.capabilities.take(extension, attributes) {
            true => Ok(()),
            false => Err(Misuse::NotOffered(NotOffered::Value(extension.as_str()))),
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
            Command::Data => self.sending = Sending::Data,
            Command::Rset => self.sending = Sending::Nothing,
            _ => {}
        }
        if let Command::Rcpt(rcpt) = command {
            self.counts.rcpt(rcpt);
        }
        if let Command::Mail(mail) = command {
            self.counts.mail();
            self.smtp_utf8 = mail.smtp_utf8;
            self.binary = mail.body == Some(BodyType::BinaryMime);
            self.sending = Sending::Nothing;
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
            Effect::Mail | Effect::Reset if accepted => {
                self.transaction = Transaction { prdr: command.prdr, ..Transaction::default() };
            }
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
            Effect::Atrn if accepted => return Ok(Then::Close),
            Effect::Xclient if accepted => return Ok(Then::Restart),
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

/// What follows from a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    Close,
    /// XCLIENT: the session begins anew.
    Restart,
}
