//! What a client may say now, what the application may, and what either changes.
//!
//! What a command is stands in `command/rules.rs`, the states in `state.rs`.

use mailwire_core::{Channel, Invalid, Misuse, ParseError, WrongAnswer, WrongState, sasl::Policy};

use super::{
    refusal::{Refusal, UNKNOWN_COMMAND},
    state::{Current, Machine, Session},
};
use crate::{
    capability::Capability,
    command::{
        Authenticate, Command, Create, Effect, List, ListReturnOpt, ListSelectOpt, OtherCommand, Rules, Then,
        rules::ValidIn,
    },
    extensions::condstore,
    response::{Code, FetchData, Reply, ReplyKind, Untagged},
    state::State,
};

impl Machine {
    pub(super) fn offers_tls(&self) -> bool {
        self.config.channel == Channel::StartTls && !self.session.tls
    }

    /// What may go over the stream as it is.
    pub(super) const fn policy(&self) -> Policy {
        Policy::new(self.session.tls).allow_clear_credentials(self.config.allow_clear_credentials)
    }

    /// The largest message that is taken: what was announced, and no more than can be read.
    pub(super) fn append_limit(&self) -> u64 {
        let readable = self.config.limits.message;
        self.config.capabilities().append_limit().map_or(readable, |announced| announced.min(readable))
    }

    /// Whether the client may ask for this now (RFC 9051 section 3).
    #[inline]
    pub(super) fn permits(&self, command: &Command, rules: &Rules) -> Result<(), Refusal> {
        rules.valid_in.check(self.session.state).map_err(|reason| Refusal::bad(0, reason.as_str()))?;
        if command.lacks(rules, self.config.capabilities()).is_some() {
            return Err(Refusal::bad(0, "the extension is not offered"));
        }
        if self.session.uid_only && command.needs_numbers(rules) {
            let refusal = Refusal::bad(0, "message numbers are not used once UIDONLY is enabled");
            return Err(refusal.with_code(Code::UidRequired));
        }
        let utf8 = self.session.utf8_accept;
        if self.config.offers.utf8_only && !utf8 {
            permits_before_utf8(command, rules)?;
        }
        match command {
            Command::Fetch(_) | Command::Select(_) | Command::Examine(_)
                if !self.session.qresync && condstore::needs_enabled(command) =>
            {
                Err(Refusal::bad(0, "QRESYNC is not enabled"))
            }
            // RFC 6855 section 3.
            Command::Search(_) | Command::ESearch(_)
                if utf8 && command.searched().is_some_and(|search| search.charset.is_some()) =>
            {
                Err(Refusal::bad(0, "everything is UTF-8 now: there is no character set to name"))
            }
            Command::Search(_) | Command::ESearch(_) | Command::Sort(_) | Command::Thread(_) => {
                command.conflict().map_or(Ok(()), |conflict| Err(Refusal::bad(0, conflict)))
            }
            // Section 4.
            Command::Append(_) | Command::Replace(_) if !utf8 && command.appends_utf8() => {
                Err(Refusal::bad(0, "UTF8=ACCEPT is not enabled"))
            }
            Command::Extension(command) => {
                command.refusal().map_or(Ok(()), |(reply, reason)| Err(Refusal::of(reply, reason)))
            }
            Command::Other(_) if self.config.pass_unknown_commands => Ok(()),
            Command::Other(other) => self.permits_other(other),
            Command::List(list) => permits_list(list, self.config.pass_unknown_commands),
            Command::Create(Create { mailbox, .. }) | Command::Rename { to: mailbox, .. }
                if !self.session.utf8() && !mailbox.is_utf7() =>
            {
                Err(Refusal::no(Code::Cannot, "the name is not modified UTF-7"))
            }
            Command::Compress if self.session.compressed => {
                Err(Refusal::bad(0, "already compressed").with_code(Code::CompressionActive))
            }
            Command::StartTls => self.permits_starttls(),
            Command::Login(_) => self.permits_login(),
            Command::Authenticate(authenticate) => self.permits_authenticate(authenticate),
            _ => Ok(()),
        }
    }

    fn permits_other(&self, command: &OtherCommand) -> Result<(), Refusal> {
        let name = command.name().as_bytes();
        let known = self.config.commands.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name));
        if known { Ok(()) } else { Err(Refusal::bad(0, UNKNOWN_COMMAND)) }
    }

    fn permits_starttls(&self) -> Result<(), Refusal> {
        if self.session.tls {
            Err(Refusal::bad(0, "TLS is there already"))
        } else if !self.offers_tls() {
            Err(Refusal::bad(0, "STARTTLS is not offered"))
        } else {
            Ok(())
        }
    }

    fn permits_authenticate(&self, authenticate: &Authenticate) -> Result<(), Refusal> {
        if !self.policy().permits(authenticate.mechanism.among(&self.config.mechanisms)) {
            Err(privacy_required())
        } else if !self.config.mechanisms.contains(&authenticate.mechanism) {
            Err(Refusal::no(Code::Cannot, "this mechanism is not offered"))
        } else if authenticate.initial.is_some() && !authenticate.mechanism.takes_initial() {
            Err(Refusal::bad(0, "this mechanism has no initial response"))
        } else {
            Ok(())
        }
    }

    /// LOGIN, which is asked for before its arguments came, too: that saves a password from the wire.
    pub(super) fn permits_login(&self) -> Result<(), Refusal> {
        if self.session.state != State::NotAuthenticated {
            Err(Refusal::bad(0, "already logged in"))
        } else if !self.policy().permits_password() {
            Err(privacy_required())
        } else if !self.config.login {
            Err(Refusal::no(Code::Cannot, "LOGIN is disabled"))
        } else {
            Ok(())
        }
    }
}

impl Session {
    /// The command was answered.
    pub(super) fn conclude(&mut self, effect: Effect, answer: ReplyKind) -> Then {
        // As most commands.
        if effect == Effect::Nothing {
            return Then::GoOn;
        }
        self.state = effect.after(self.state, answer);
        let then = effect.then(answer);
        match effect {
            Effect::Notify { expunges_at_any_time } if answer == ReplyKind::Ok => {
                self.expunges_at_any_time = expunges_at_any_time;
            }
            _ if then == Then::LoggedIn => self.idle_commands = 0,
            _ => {}
        }
        then
    }
}

/// Whether the application may end a command so. What is still to come of it is another matter: see
/// `Mode`.
pub(super) fn permits_answer(effect: Effect, answer: &Reply) -> Result<(), Misuse> {
    let wrong = match answer.kind {
        _ if matches!(answer.code, Some(Code::InProgress(_))) => WrongAnswer::NotFinal,
        ReplyKind::Bye | ReplyKind::PreAuth => WrongAnswer::NotFinal,
        ReplyKind::Ok if matches!(effect, Effect::StartTls | Effect::Compress) => {
            WrongAnswer::OwnCall("accept_upgrade")
        }
        ReplyKind::No | ReplyKind::Bad if matches!(effect, Effect::Logout | Effect::Unauthenticate) => {
            WrongAnswer::NotRefusable
        }
        ReplyKind::Ok | ReplyKind::No | ReplyKind::Bad => return Ok(()),
    };
    Err(Misuse::WrongAnswer(wrong))
}

/// Whether the application may say this while `current` is in progress (RFC 9051 section 7.5.1).
pub(super) fn permits_data(
    data: &Untagged,
    current: Option<&Current>,
    session: &Session,
) -> Result<(), Misuse> {
    match data {
        Untagged::Reply(Reply { kind: ReplyKind::Bye | ReplyKind::PreAuth, .. }) => {
            Err(Misuse::WrongAnswer(WrongAnswer::NotFinal))
        }
        Untagged::Expunge(_) | Untagged::Vanished(_)
            if !current.map_or(session.expunges_at_any_time, |current| current.expunge) =>
        {
            Err(Misuse::WrongState(WrongState::NumbersInUse))
        }
        Untagged::Expunge(_) | Untagged::Fetch(FetchData { number: Some(_), .. }) if session.uid_only => {
            Err(Misuse::WrongState(WrongState::UidRequired))
        }
        Untagged::Fetch(FetchData { uid: Some(_), .. }) if !session.uid_only => {
            Err(Misuse::WrongState(WrongState::NotEnabled("UIDONLY")))
        }
        Untagged::Vanished(_) if !session.qresync && !session.uid_only => {
            Err(Misuse::WrongState(WrongState::NotEnabled("QRESYNC")))
        }
        _ => Ok(()),
    }
}

/// Whether the machine can keep what a capability promises, as far as it has a part in it.
///
/// # Errors
///
/// Why it cannot.
pub(super) fn permits_offer(capability: &Capability) -> Result<(), Invalid> {
    match capability {
        Capability::StartTls
        | Capability::LoginDisabled
        | Capability::SaslIr
        | Capability::LiteralPlus
        | Capability::LiteralMinus
        | Capability::Auth(_) => {
            let reason = "the machine says it by itself, where it applies";
            Err(Invalid::new("capability of this server", 0, reason))
        }
        _ => Ok(()),
    }
}

/// What UTF8=ONLY asks of a client (RFC 6855 section 6, RFC 9755).
#[cold]
fn permits_before_utf8(command: &Command, rules: &Rules) -> Result<(), Refusal> {
    let needs_utf8 = matches!(rules.valid_in, ValidIn::LoggedIn | ValidIn::Selected);
    if needs_utf8 && !matches!(command, Command::Enable(_)) {
        return Err(Refusal::no(Code::Cannot, "ENABLE UTF8=ACCEPT first"));
    }
    Ok(())
}

/// The options of LIST ([RFC 5258 section 3](https://www.rfc-editor.org/rfc/rfc5258#section-3)).
fn permits_list(list: &List, pass_unknown: bool) -> Result<(), Refusal> {
    let selected = list.selection();
    let unknown = selected.iter().find_map(|option| match option {
        ListSelectOpt::Other(name) => Some(name),
        _ => None,
    });
    let unknown = unknown.or_else(|| {
        list.returns().iter().find_map(|option| match option {
            ListReturnOpt::Other(name) => Some(name),
            _ => None,
        })
    });
    if let Some(name) = unknown.filter(|_| !pass_unknown) {
        return Err(Refusal::unknown(ParseError::new(0, "unknown LIST option"), name.as_bytes()));
    }
    let alone =
        |option: &ListSelectOpt| matches!(option, ListSelectOpt::RecursiveMatch | ListSelectOpt::Remote);
    if selected.contains(&ListSelectOpt::RecursiveMatch) && selected.iter().all(alone) {
        return Err(Refusal::bad(0, "RECURSIVEMATCH needs another option"));
    }
    Ok(())
}

pub(super) fn privacy_required() -> Refusal {
    Refusal::no(Code::PrivacyRequired, "TLS is needed first")
}
