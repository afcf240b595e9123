//! What a client may say now, what the application may answer, and what either changes.
//!
//! What a command is stands in `command/rules.rs`, the states in `state.rs`.

use alloc::vec::Vec;

use mailwire_core::{
    Channel, Misuse, Ticket, WrongAnswer, WrongState,
    sasl::{Mechanism, Policy},
};

use super::{
    Config, Utf8Offer,
    config::fits_line,
    state::{Current, Machine, Phase, Stage},
};
use crate::{
    capability::{Capabilities, Capability},
    command::{Command, Effect, Rules},
    reply::{Expected, Listing, MAX_STATUS_LINE, Reply},
    state::State,
};

impl Config {
    const fn policy(&self, tls: bool) -> Policy {
        Policy::new(tls).allow_clear_credentials(self.allow_clear_credentials)
    }

    /// What is announced in this state.
    pub(super) fn announced(&self, tls: bool, state: State, utf8: bool) -> Capabilities {
        let policy = self.policy(tls);
        let mechanisms: Vec<Mechanism> =
            self.mechanisms.iter().filter(|mechanism| policy.permits(mechanism)).cloned().collect();
        let implementation = self.implementation.clone().filter(|_| state == State::Transaction);
        // STLS is announced only where it is permitted (RFC 2595 section 4, RFC 6856 section 2.1).
        let stls = self.channel == Channel::StartTls && !tls && state == State::Authorization && !utf8;
        let user = match self.utf8 {
            Utf8Offer::Nothing => None,
            Utf8Offer::Messages => Some(false),
            Utf8Offer::MessagesAndCredentials => Some(true),
        };
        [
            self.top.then_some(Capability::Top),
            self.uidl.then_some(Capability::Uidl),
            self.resp_codes.then_some(Capability::RespCodes),
            (self.auth_resp_code && self.resp_codes).then_some(Capability::AuthRespCode),
            self.pipelining.then_some(Capability::Pipelining),
            stls.then_some(Capability::Stls),
            (self.user && policy.permits_password()).then_some(Capability::User),
            (!mechanisms.is_empty()).then_some(Capability::Sasl(mechanisms)),
            user.map(|user| Capability::Utf8 { user }),
            self.lang.then_some(Capability::Lang),
            implementation.map(Capability::Implementation).filter(fits_line),
        ]
        .into_iter()
        .flatten()
        .chain(self.more().iter().cloned())
        .collect()
    }
}

impl Machine {
    /// Whether the client may give this command now.
    ///
    /// # Errors
    ///
    /// Why not, in the words of the answer.
    pub(super) fn permits(&self, command: &Command, rules: &Rules) -> Result<(), &'static str> {
        const NOT_OFFERED: Result<(), &str> = Err("not offered");
        const NEEDS_TLS: Result<(), &str> = Err("not without TLS");
        if self.session.tls && rules.effect == Effect::StartTls {
            return Err("not permitted when TLS is active");
        }
        rules.valid_in.check(self.session.state).map_err(WrongState::as_str)?;
        let offered = rules.needs.is_none_or(|tag| self.session.capabilities.offers(tag));
        match command {
            Command::Auth { mechanism, .. } if !self.config.mechanisms.contains(mechanism) => {
                Err("mechanism not offered")
            }
            Command::Auth { mechanism, initial: Some(_) } if !mechanism.takes_initial() => {
                Err("this mechanism has no initial response")
            }
            Command::Auth { mechanism, .. } => {
                if self.config.policy(self.session.tls).permits(mechanism.among(&self.config.mechanisms)) {
                    Ok(())
                } else {
                    NEEDS_TLS
                }
            }
            Command::Stls if self.session.utf8 => Err("not after UTF8"),
            Command::User(_) | Command::Pass(_) if self.config.user && !offered => NEEDS_TLS,
            Command::Pass(password)
                if self.config.utf8 == Utf8Offer::MessagesAndCredentials
                    && core::str::from_utf8(password.expose()).is_err() =>
            {
                Err("the password is not UTF-8")
            }
            Command::Xclient(_) if !(self.config.xclient && self.config.resp_codes) => NOT_OFFERED,
            Command::Apop { .. } if self.config.apop.is_none() => NOT_OFFERED,
            Command::Other { keyword, .. } if !self.config.extension_commands().contains(keyword) => {
                Err("unknown command")
            }
            _ if !offered => NOT_OFFERED,
            _ => Ok(()),
        }
    }

    /// The command that the application may answer now.
    pub(super) fn answerable(&self, ticket: Ticket) -> Result<&Current, Misuse> {
        if self.is_over() {
            return Err(Misuse::Closed);
        }
        match &self.session.current {
            Some(current) if current.ticket == ticket => match current.stage {
                Stage::Reply => Ok(current),
                Stage::Auth => Err(Misuse::WrongState(WrongState::Busy("the client's step of the exchange"))),
                Stage::Body(_) | Stage::Lines => {
                    Err(Misuse::WrongState(WrongState::Busy("the rest of the answer")))
                }
            },
            _ => Err(Misuse::UnknownTicket),
        }
    }

    /// Whether a reply is one that the command can have.
    pub(super) fn permits_reply(&self, ticket: Ticket, reply: &Reply) -> Result<(), Misuse> {
        let current = self.answerable(ticket)?;
        let fits = match (reply, current.rules.status) {
            (Reply::Err { .. }, _) => true,
            _ if current.rules.effect == Effect::StartTls => {
                return Err(Misuse::WrongAnswer(WrongAnswer::OwnCall("accept_upgrade")));
            }
            _ if current.own => true,
            (Reply::Drop(_), expected) => expected == Expected::DropListing,
            (Reply::Listing(Listing::Scan(scan)), Expected::ScanListing) => {
                Some(scan.number) == current.number
            }
            (Reply::Listing(Listing::UniqueId(id)), Expected::UniqueIdListing) => {
                Some(id.number) == current.number
            }
            (Reply::Listing(Listing::Language(_)), expected) => expected == Expected::Language,
            (Reply::Ok { .. }, expected) => expected == Expected::Status,
            _ => false,
        };
        let utf8 = current.rules.effect == Effect::Lang && reply.is_ok();
        if fits {
            self.permits_status_line(reply, utf8)
        } else {
            Err(Misuse::WrongAnswer(WrongAnswer::OtherCommand))
        }
    }

    /// Whether a challenge is due from the application.
    pub(super) fn permits_challenge(&self) -> Result<(), Misuse> {
        const NO_EXCHANGE: Misuse = Misuse::WrongState(WrongState::NothingDue("step of an exchange"));
        let current = self.session.current.as_ref().ok_or(NO_EXCHANGE)?;
        match self.answerable(current.ticket)?.rules.effect {
            Effect::Authenticate => Ok(()),
            _ => Err(NO_EXCHANGE),
        }
    }

    /// Whether lines may follow the reply to this command.
    pub(super) fn permits_lines(&self, ticket: Ticket, reply: &Reply) -> Result<(), Misuse> {
        self.permits_reply(ticket, reply)?;
        if reply.is_ok() && self.answerable(ticket)?.own {
            Ok(())
        } else {
            Err(Misuse::WrongAnswer(WrongAnswer::OtherCommand))
        }
    }

    /// Whether a line is one that the answer to the command can have.
    pub(super) fn permits_line(&self, line: &Listing) -> Result<(), Misuse> {
        let Some(current @ Current { stage: Stage::Lines, .. }) = &self.session.current else {
            return Err(Misuse::WrongState(WrongState::NothingDue("line")));
        };
        if !current.own && Expected::of_line(line) != current.rules.lines {
            return Err(Misuse::WrongAnswer(WrongAnswer::OtherCommand));
        }
        if matches!(line, Listing::Language(language) if core::str::from_utf8(language.description.as_bytes()).is_err())
        {
            return Err(Misuse::WrongAnswer(WrongAnswer::NotAscii));
        }
        if self.output.is_full() {
            return Err(Misuse::Full { limit: self.output.limit() });
        }
        Ok(())
    }

    /// Whether the application may end the session with this reply now.
    pub(super) fn permits_goodbye(&self, reply: &Reply) -> Result<(), Misuse> {
        if self.is_over() {
            return Err(Misuse::Closed);
        }
        if self.session.phase == Phase::Upgrading {
            return Err(Misuse::WrongState(WrongState::Busy("TLS")));
        }
        if let Some(Current { stage: Stage::Body(_) | Stage::Lines, .. }) = &self.session.current {
            return Err(Misuse::WrongState(WrongState::Busy("the rest of the answer")));
        }
        if reply.is_ok() {
            return Err(Misuse::WrongAnswer(WrongAnswer::NotGoodbye));
        }
        self.permits_status_line(reply, false)
    }

    /// The command was given.
    pub(super) fn begin(&mut self, effect: Effect) {
        self.session.state = effect.before(self.session.state);
        self.session.idle_commands = 0;
    }

    /// The command was answered.
    pub(super) fn conclude(&mut self, effect: Effect, ok: bool) -> Then {
        self.session.state = effect.after(self.session.state, ok);
        match (effect, ok) {
            (Effect::Login | Effect::Authenticate, true) => {
                self.announce();
                Then::GoOn
            }
            (Effect::Login | Effect::Authenticate, false) => Then::LoginFailed,
            (Effect::Quit, _) => Then::Close,
            _ => Then::GoOn,
        }
    }

    /// Something that is announced may have changed.
    pub(super) fn announce(&mut self) {
        self.session.capabilities =
            self.config.announced(self.session.tls, self.session.state, self.session.utf8);
    }

    /// Whether a reply is one line of at most 512 octets of ASCII; of UTF-8 where `utf8` or the session says so.
    fn permits_status_line(&self, reply: &Reply, utf8: bool) -> Result<(), Misuse> {
        let (code, text) = match reply {
            Reply::Ok { code, text } | Reply::Err { code, text } => (code.as_ref(), text.as_bytes()),
            Reply::Drop(listing) => (None, listing.rest.as_bytes()),
            Reply::Listing(Listing::Language(language)) => (None, language.description.as_bytes()),
            Reply::Listing(_) => (None, &[][..]),
        };
        let utf8 = utf8 || self.session.utf8 || self.session.language.is_some();
        if !(text.is_ascii() || utf8 && core::str::from_utf8(text).is_ok()) {
            return Err(Misuse::WrongAnswer(WrongAnswer::NotAscii));
        }
        let code = match reply {
            Reply::Listing(Listing::Language(language)) => language.tag.as_bytes().len().saturating_add(1),
            _ => code.map_or(0, |code| code.as_text().len().saturating_add(3)),
        };
        if text.len().saturating_add(code).saturating_add("-ERR \r\n".len()) > MAX_STATUS_LINE {
            return Err(Misuse::WrongAnswer(WrongAnswer::TooLong { limit: 512 }));
        }
        Ok(())
    }

    pub(super) fn is_over(&self) -> bool {
        self.failed.is_some() || self.session.phase == Phase::Closed
    }
}

/// What follows from the answer to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    LoginFailed,
    Close,
}
