//! What a client may say now, what a server may, and what either changes.
//!
//! What a command is stands in `command/rules.rs`, the states in `state.rs`.

use mailwire_core::{Error, Misuse};

use super::state::Session;
use crate::{
    capability::Capability,
    command::{Authenticate, Command, Effect, Rules},
    response::{ReplyKind, Untagged},
    state::State,
};

impl Session {
    /// Whether the server can be asked for this now.
    pub(super) fn permits(&self, command: &Command, rules: &Rules, allow_clear: bool) -> Result<(), Misuse> {
        rules.valid_in.check(self.state).map_err(Misuse::WrongState)?;
        let mut needs = rules.needs.into_iter().chain(command.option_needs());
        let missing = needs.find(|need| !need.is_met(&self.capabilities));
        if let Some(missing) = missing.filter(|_| self.capabilities.is_known()) {
            return Err(Misuse::NotOffered(missing.capability.known_name().unwrap_or("the extension")));
        }
        let clear = !self.tls && !allow_clear;
        match command {
            Command::StartTls => Err(Misuse::WrongState("STARTTLS is sent with Channel::StartTls only")),
            Command::Login(_) if clear => Err(Misuse::CredentialsInClear),
            Command::Login(_) if self.capabilities.has(&Capability::LoginDisabled) => {
                Err(Misuse::NotOffered("LOGIN"))
            }
            Command::Authenticate(authenticate) => self.permits_mechanism(authenticate, clear),
            Command::Other(_) if rules.effect != Effect::Nothing => {
                Err(Misuse::WrongState("it would change the session: send the command that it is"))
            }
            _ => Ok(()),
        }
    }

    fn permits_mechanism(&self, authenticate: &Authenticate, clear: bool) -> Result<(), Misuse> {
        let mechanism = authenticate.mechanism.as_str().unwrap_or_default();
        let offered = self.capabilities.mechanisms().any(|offered| offered.eq_ignore_ascii_case(mechanism));
        if clear && shows_secret(mechanism) {
            Err(Misuse::CredentialsInClear)
        } else if self.capabilities.is_known() && !offered {
            Err(Misuse::NotOffered("this mechanism"))
        } else {
            Ok(())
        }
    }

    /// What can be said of a command that has to wait: the state may be another when its turn comes,
    /// but protection only comes with STARTTLS.
    pub(super) fn permits_later(&self, command: &Command, safe: bool) -> Result<(), Misuse> {
        match command {
            Command::StartTls => Err(Misuse::WrongState("STARTTLS is sent with Channel::StartTls only")),
            Command::Login(_) if !safe => Err(Misuse::CredentialsInClear),
            _ => Ok(()),
        }
    }

    /// The command was written.
    pub(super) fn begin(&mut self, effect: Effect) {
        if effect.is_login() {
            self.capabilities_fresh = false;
        }
    }

    /// The command was answered.
    ///
    /// # Errors
    ///
    /// The connection cannot go on without TLS.
    pub(super) fn conclude(&mut self, effect: Effect, answer: ReplyKind) -> Result<Then, Error> {
        self.state = effect.after(self.state, answer);
        match (effect, answer) {
            (Effect::StartTls, ReplyKind::Ok) => Ok(Then::Upgrade),
            (Effect::StartTls, _) => Err(Error::TlsUnavailable { reason: "the server refuses STARTTLS" }),
            (Effect::Login | Effect::Authenticate, ReplyKind::Ok) => Ok(Then::LoggedIn),
            (Effect::Logout, ReplyKind::Ok) => Ok(Then::Close),
            _ => Ok(Then::GoOn),
        }
    }

    /// Whether untagged data can have a meaning now (RFC 9051 section 11.3): nothing is known of
    /// mailboxes before the login, nor of messages before a mailbox is selected.
    pub(super) fn takes(&self, data: &Untagged, selecting: bool) -> bool {
        match data {
            Untagged::Reply(_) | Untagged::Capability(_) | Untagged::Id(_) | Untagged::Other(_) => true,
            Untagged::Flags(_)
            | Untagged::Exists(_)
            | Untagged::Recent(_)
            | Untagged::Expunge(_)
            | Untagged::Fetch(_)
            | Untagged::Vanished(_) => selecting || self.state == State::Selected,
            _ => self.state != State::NotAuthenticated,
        }
    }
}

/// What follows from the end of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    /// TLS is put in place.
    Upgrade,
    /// The capabilities may be others.
    LoggedIn,
    Close,
}

/// The mechanisms that are known not to show the secret, by name or beginning of the name.
fn shows_secret(mechanism: &str) -> bool {
    const SAFE: [&str; 8] =
        ["SCRAM-", "CRAM-MD5", "DIGEST-MD5", "GSSAPI", "GS2-", "NTLM", "ANONYMOUS", "EXTERNAL"];
    !SAFE
        .iter()
        .any(|safe| mechanism.get(..safe.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(safe)))
}
