//! What a client may say now, what a server may, and what either changes.
//!
//! What a command is stands in `command/rules.rs`, the states in `state.rs`.

use mailwire_core::{
    Error, Misuse, NotOffered, WrongState,
    sasl::{Mechanism, Policy},
};

use super::state::Session;
use crate::{
    capability::Capability,
    command::{Append, Command, Effect, Rules, Then},
    extensions::condstore,
    response::{ReplyKind, Untagged},
    state::State,
    types::FlagSet,
};

impl Session {
    /// Whether the server can be asked for this now.
    pub(super) fn permits(&self, command: &Command, rules: &Rules, allow_clear: bool) -> Result<(), Misuse> {
        rules.valid_in.check(self.state).map_err(Misuse::WrongState)?;
        permits_value(command, rules)?;
        if self.capabilities.is_known() {
            if let Some(missing) = command.lacks(rules, &self.capabilities) {
                return Err(Misuse::NotOffered(NotOffered::Extension(missing.name())));
            }
        }
        if !self.qresync && condstore::needs_enabled(command) {
            return Err(Misuse::WrongState(WrongState::NotEnabled("QRESYNC")));
        }
        if self.uid_only && command.needs_numbers(rules) {
            return Err(Misuse::WrongState(WrongState::UidRequired));
        }
        self.permits_utf8(command)?;
        let policy = Policy::new(self.tls).allow_clear_credentials(allow_clear);
        match command {
            Command::StartTls => Err(Misuse::WrongState(WrongState::Automatic)),
            Command::Login(_) => {
                policy.check_password()?;
                let refused = self.capabilities.has(&Capability::LoginDisabled);
                if refused { Err(Misuse::NotOffered(NotOffered::Extension("LOGIN"))) } else { Ok(()) }
            }
            Command::Authenticate(authenticate) => {
                policy.check(&authenticate.mechanism)?;
                self.permits_mechanism(&authenticate.mechanism)
            }
            Command::Append(append) => {
                self.permits_count(append.messages.len() as u64)?;
                self.permits_size(append)
            }
            Command::Copy(copy) => self.permits_count(copy.messages.least()),
            Command::Compress if self.compressed => Err(Misuse::WrongState(WrongState::Compressed)),
            Command::Replace(replace) => self.permits_size(&replace.append),
            _ => Ok(()),
        }
    }

    /// What is said in UTF-8, and what has to be enabled for it (RFC 6855 sections 3 and 4, RFC 9755).
    fn permits_utf8(&self, command: &Command) -> Result<(), Misuse> {
        let reason = match command {
            Command::Search(_) | Command::ESearch(_)
                if self.utf8_accept && command.searched().is_some_and(|search| search.charset.is_some()) =>
            {
                WrongState::Unsupported("a character set of SEARCH: UTF8=ACCEPT is enabled")
            }
            command if self.utf8_accept || command.appended().is_none() => return Ok(()),
            command if command.appends_utf8() => WrongState::NotEnabled("UTF8=ACCEPT"),
            _ => return Ok(()),
        };
        Err(Misuse::WrongState(reason))
    }

    /// Whether the server takes messages as large as this one, as far as it said
    /// ([RFC 7889](https://www.rfc-editor.org/rfc/rfc7889)): of the mailbox, or of all.
    fn permits_size(&self, append: &Append) -> Result<(), Misuse> {
        let of_all = || self.capabilities.append_limit();
        let limit = self.append_limits.of(&append.mailbox).unwrap_or_else(of_all);
        if limit.is_some_and(|limit| append.messages.iter().any(|message| message.len() > limit)) {
            return Err(Misuse::NotOffered(NotOffered::MessageSize));
        }
        Ok(())
    }

    /// Whether the server saves so many messages at once ([RFC 9738](https://www.rfc-editor.org/rfc/rfc9738)).
    fn permits_count(&self, count: u64) -> Result<(), Misuse> {
        match self.capabilities.save_limit() {
            Some(limit) if count > u64::from(limit.get()) => {
                Err(Misuse::NotOffered(NotOffered::MessageCount))
            }
            _ => Ok(()),
        }
    }

    fn permits_mechanism(&self, mechanism: &Mechanism) -> Result<(), Misuse> {
        let offered = self.capabilities.mechanisms().any(|offered| offered == mechanism);
        if offered || !self.capabilities.is_known() {
            Ok(())
        } else {
            Err(Misuse::NotOffered(NotOffered::Mechanism))
        }
    }

    /// What can be said of a command that has to wait: the state may be another when its turn comes,
    /// but protection only comes with STARTTLS.
    pub(super) fn permits_later(&self, command: &Command, safe: bool) -> Result<(), Misuse> {
        match command {
            Command::StartTls => Err(Misuse::WrongState(WrongState::Automatic)),
            Command::Login(_) if !safe => Err(Misuse::CredentialsInClear),
            _ => permits_value(command, &command.rules()),
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
        if effect == Effect::StartTls && answer != ReplyKind::Ok {
            return Err(Error::TlsUnavailable { reason: "the server refuses STARTTLS" });
        }
        Ok(effect.then(answer))
    }

    /// Whether untagged data can have a meaning now (RFC 9051 section 11.3): nothing is known of
    /// mailboxes before the login, nor of messages before a mailbox is selected.
    pub(super) fn takes(&self, data: &Untagged, is_selecting: impl FnOnce() -> bool) -> bool {
        match data {
            Untagged::Reply(_) | Untagged::Capability(_) | Untagged::Id(_) | Untagged::Other(_) => true,
            Untagged::Flags(_)
            | Untagged::Exists(_)
            | Untagged::Recent(_)
            | Untagged::Expunge(_)
            | Untagged::Fetch(_)
            | Untagged::Vanished(_) => self.state == State::Selected || is_selecting(),
            Untagged::Extension(data) if data.is_for_all() => true,
            _ => self.state != State::NotAuthenticated,
        }
    }
}

/// Whether the machine can keep up with a command in any state: it is no raw one that changes the session
/// unseen, turns nothing on that is not followed, and all its flags have a form in the grammar, for writing
/// would leave out the others.
fn permits_value(command: &Command, rules: &Rules) -> Result<(), Misuse> {
    if let Some(conflict) = command.conflict() {
        return Err(Misuse::WrongState(WrongState::Unsupported(conflict)));
    }
    let flags = match command {
        Command::Other(_) if rules.effect != Effect::Nothing => {
            return Err(Misuse::WrongState(WrongState::OwnCall));
        }
        Command::Enable(extensions) => {
            let unsupported = extensions.iter().find(|extension| !follows(extension));
            return match unsupported {
                Some(extension) => Err(Misuse::WrongState(WrongState::Unsupported(
                    extension.known_name().unwrap_or("the extension"),
                ))),
                None => Ok(()),
            };
        }
        Command::Store(store) => core::slice::from_ref(&store.flags),
        command => match command.appended() {
            Some(append) if append.messages.is_empty() => {
                return Err(Misuse::WrongState(WrongState::Unsupported("APPEND without a message")));
            }
            Some(append) => {
                return check_flags(append.messages.iter().map(|message| &message.flags));
            }
            None => return Ok(()),
        },
    };
    check_flags(flags)
}

fn check_flags<'a>(flags: impl IntoIterator<Item = &'a FlagSet>) -> Result<(), Misuse> {
    if flags.into_iter().any(FlagSet::is_malformed) {
        return Err(Misuse::WrongState(WrongState::Unsupported("a flag that the grammar does not have")));
    }
    Ok(())
}

/// Whether the machine understands the server after this was enabled.
const fn follows(extension: &Capability) -> bool {
    extension.is_enabled_freely()
        || matches!(extension, Capability::Imap4Rev2 | Capability::UidOnly | Capability::Utf8Accept)
}
