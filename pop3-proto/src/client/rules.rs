//! What a client may say now, and what the answer changes.
//!
//! What a command is stands in `command/rules.rs`, the states in `state.rs`.

use mailwire_core::{
    Channel, Error, Misuse, NotOffered, WrongState,
    sasl::{Exchange, Policy},
};

use super::state::{Machine, Phase, Session};
use crate::{
    capability::Capability,
    command::{Command, Effect, Follows, MAX_COMMAND_LINE, Rules, ValidIn},
    state::State,
};

impl Machine {
    /// What can be said of a command that has to wait: the state may be another when its turn comes,
    /// but protection only comes with STLS.
    pub(super) fn permits_later(&self, command: &Command, rules: &Rules) -> Result<(), Misuse> {
        if self.is_over() {
            return Err(Misuse::Closed);
        }
        if self.quits() {
            return Err(Misuse::WrongState(WrongState::Ending));
        }
        match command {
            Command::Stls => return Err(Misuse::WrongState(WrongState::Automatic)),
            // Its variant tells what it changes, and what follows its answer.
            Command::Other { .. } if rules.effect != Effect::Nothing || rules.follows != Follows::Nothing => {
                return Err(Misuse::WrongState(WrongState::OwnCall));
            }
            _ => {}
        }
        match rules.valid_in {
            ValidIn::Authorization if self.logs_in() => {
                return Err(Misuse::WrongState(WrongState::Busy("the answer to another login")));
            }
            ValidIn::Transaction if self.logs_in() => {}
            valid_in => valid_in.check(self.session.state).map_err(Misuse::WrongState)?,
        }
        let policy = Policy::new(self.config.channel != Channel::Clear)
            .allow_clear_credentials(self.config.allow_clear_credentials);
        match command {
            Command::User(_) | Command::Pass(_) => policy.check_password()?,
            Command::Auth { mechanism, .. } => policy.check(mechanism)?,
            Command::Apop { .. } if self.session.timestamp.is_none() => {
                return Err(Misuse::NotOffered(NotOffered::Extension("APOP")));
            }
            _ => {}
        }
        if longest_line(command) > MAX_COMMAND_LINE {
            return Err(Misuse::TooLong { limit: MAX_COMMAND_LINE });
        }
        if self.queue.len() >= self.config.limits.queue {
            return Err(Misuse::Full { limit: self.config.limits.queue });
        }
        Ok(())
    }

    /// Whether a login is in the queue or in flight.
    fn logs_in(&self) -> bool {
        self.session.state == State::Authorization
            && (self.session.has_in_flight(Effect::is_login)
                || self.queue.iter().any(|queued| queued.command.rules().effect.is_login()))
    }

    /// Whether QUIT is in the queue or was sent.
    fn quits(&self) -> bool {
        let last = match (self.queue.back(), self.session.in_flight.back()) {
            (Some(queued), _) => queued.command.rules().effect,
            (None, Some(sent)) => sent.rules.effect,
            (None, None) => Effect::Nothing,
        };
        last == Effect::Quit
    }

    pub(super) const fn is_over(&self) -> bool {
        self.failed.is_some() || matches!(self.session.phase, Phase::Closed)
    }

    /// Whether TLS has to come first.
    pub(super) fn waits_for_tls(&self) -> bool {
        self.config.channel == Channel::StartTls && !self.session.tls
    }
}

impl Session {
    /// Whether the server can be asked for this now. Mostly it is not asked what it offers: some servers have TOP and
    /// UIDL that they do not announce, and only trying tells.
    pub(super) fn permits(&self, command: &Command, rules: &Rules) -> Result<(), Misuse> {
        let ascii = match command {
            Command::User(name) | Command::Apop { name, .. } => name.is_ascii(),
            Command::Pass(password) => password.expose().is_ascii(),
            _ => true,
        };
        if !ascii && !self.capabilities.has(&Capability::Utf8 { user: true }) {
            return Err(Misuse::NotOffered(NotOffered::Extension("UTF-8 in USER, PASS and APOP")));
        }
        match command {
            Command::Pass(_) if !self.user => Err(Misuse::WrongState(WrongState::NoUser)),
            Command::Apop { .. } if self.timestamp.is_none() => {
                Err(Misuse::NotOffered(NotOffered::Extension("APOP")))
            }
            Command::Xclient(_) if !self.xclient => Err(Misuse::NotOffered(NotOffered::Extension("XCLIENT"))),
            Command::Utf8 | Command::Lang(_) if !self.may_offer(rules) => {
                Err(Misuse::NotOffered(NotOffered::Extension(command.known_name().unwrap_or_default())))
            }
            _ if rules.valid_in == ValidIn::Transaction
                && self.state == State::Authorization
                && !self.has_in_flight(Effect::is_login) =>
            {
                Err(Misuse::WrongState(WrongState::LoginFailed))
            }
            _ => Ok(()),
        }
    }

    /// Whether the server offers what a command needs, or has not said what it offers.
    fn may_offer(&self, rules: &Rules) -> bool {
        !self.capabilities.is_known() || rules.needs.is_none_or(|tag| self.capabilities.offers(tag))
    }

    /// The command was put out.
    pub(super) fn begin(&mut self, effect: Effect) {
        self.state = effect.before(self.state);
        match effect {
            Effect::User => self.user = true,
            Effect::Login => self.user = false,
            Effect::Dele => self.marks.sent = true,
            _ => {}
        }
    }

    /// The command was answered.
    ///
    /// # Errors
    ///
    /// The connection cannot go on without TLS.
    pub(super) fn conclude(&mut self, effect: Effect, ok: bool) -> Result<Then, Error> {
        if let Some(exchange) = self.exchange.as_ref().filter(|_| effect == Effect::Authenticate) {
            exchange.conclude(ok)?;
        }
        self.state = effect.after(self.state, ok);
        match (effect, ok) {
            (Effect::StartTls, true) => return Ok(Then::Upgrade),
            (Effect::StartTls, false) => {
                return Err(Error::TlsUnavailable { reason: "the server refuses STLS" });
            }
            (Effect::Login | Effect::Authenticate, _) => {
                self.exchange = None;
                // A QUIT after the login is already on its way when commands are pipelined.
                if ok && self.has_in_flight(|effect| effect == Effect::Quit) {
                    self.state = Effect::Quit.before(self.state);
                } else if ok {
                    return Ok(Then::LoggedIn);
                }
            }
            (Effect::Quit, _) => {
                self.marks.deleted = Some(ok);
                return Ok(Then::Close);
            }
            (Effect::User, false) => self.user = false,
            (Effect::Utf8, true) => self.utf8 = true,
            (Effect::Dele, true) => self.marks.accepted = self.marks.accepted.saturating_add(1),
            (Effect::Rset, true) => self.marks.accepted = 0,
            _ => {}
        }
        Ok(Then::GoOn)
    }

    /// Whether a `+OK` stands for an empty challenge: it cannot be a success before the client has
    /// sent what its mechanism needs.
    pub(super) fn takes_ok_for_challenge(&self) -> bool {
        self.exchange.as_ref().is_some_and(Exchange::owes)
    }
}

/// What follows from the answer to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    /// TLS is put in place.
    Upgrade,
    /// The capabilities may be others.
    LoggedIn,
    Close,
}

/// The length of a command's line with what the caller put into it, or more. AUTH finds its own way.
fn longest_line(command: &Command) -> usize {
    let arguments = match command {
        Command::User(name) => name.as_bytes().len(),
        Command::Pass(password) => password.expose().len(),
        Command::Apop { name, .. } => name.as_bytes().len().saturating_add(33),
        Command::Xclient(client) => client.written_length().saturating_add("XCLIENT".len() - "APOP".len()),
        Command::Other { keyword, arguments } => keyword
            .as_bytes()
            .len()
            .saturating_sub("APOP".len())
            .saturating_add(arguments.as_ref().map_or(0, |arguments| arguments.as_bytes().len())),
        _ => 0,
    };
    arguments.saturating_add("APOP \r\n".len())
}
