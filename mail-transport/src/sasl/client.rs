use std::{borrow::Cow, sync::Arc};

use mailwire_core::{ParseError, SaslStep, Secret, Text};
use rsasl::{
    callback::{Context, Request, SessionCallback, SessionData},
    mechanisms::{anonymous, external, login, oauthbearer, plain, scram, xoauth2},
    prelude::{Mechanism as Registered, Mechname, Registry, SASLClient, SASLConfig, Session, SessionError},
    property::{AuthId, AuthzId, OAuthBearerToken, OverrideCBType, Password},
    validate::NoValidation,
};

use super::{
    Credentials, Mechanism, SaslContext, SaslError,
    credentials::Kind,
    prepare::{Binding, prepare as prepare_password, registry},
    scram as grammar,
};

/// A client's side of one exchange.
///
/// After an error the caller cancels the exchange (`SaslStep::Cancel`) and reports the error.
pub struct ClientExchange {
    mechanism: Mechanism,
    session: Session<NoValidation, Binding>,
    state: State,
    server_error: Option<Text>,
    max_iterations: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was sent.
    New,
    /// So many of our messages were sent.
    Sent(u8),
    /// The mechanism is at its end, as far as this side is concerned.
    Done,
    /// The server has refused within the mechanism. It cannot succeed any more.
    Refused,
    /// Broken off.
    Failed,
}

impl ClientExchange {
    /// Starts the best mechanism that is offered, can carry the credentials and is safe over this
    /// channel: SCRAM before PLAIN before LOGIN, SHA-256 before SHA-1, bound to TLS where both sides
    /// can; OAUTHBEARER before XOAUTH2.
    ///
    /// # Errors
    ///
    /// There is none; with [`SaslError::CredentialsInClear`] there is one, but it would show the
    /// credentials.
    pub fn choose<M: AsRef<[u8]>>(
        credentials: &Credentials,
        offered: impl IntoIterator<Item = M>,
        context: &SaslContext,
    ) -> Result<Self, SaslError> {
        let mut names = Vec::new();
        let mut known = Vec::new();
        for name in offered {
            let name = name.as_ref();
            if !names.is_empty() {
                names.push(b' ');
            }
            names.extend_from_slice(name);
            known.extend(Mechanism::from_peer(name));
        }
        let fits = |mechanism: &&Mechanism| {
            known.contains(mechanism) && (!mechanism.binds_channel() || !context.bindings.is_empty())
        };
        let mut candidates = credentials.mechanisms().iter().filter(fits).peekable();
        if candidates.peek().is_none() {
            return Err(SaslError::NoMechanism { offered: names.into(), needs_tls: false });
        }
        let Some(mechanism) = candidates.find(|mechanism| context.permits(mechanism)) else {
            return Err(SaslError::CredentialsInClear);
        };
        let plus_offered = known.iter().any(|offered| offered.is_scram() && offered.binds_channel());
        Self::start(credentials, mechanism, context, plus_offered)
    }

    /// Starts this mechanism and no other.
    ///
    /// # Errors
    ///
    /// It cannot carry the credentials, or is not safe over this channel.
    pub fn with_mechanism(
        credentials: &Credentials,
        mechanism: &Mechanism,
        context: &SaslContext,
    ) -> Result<Self, SaslError> {
        if !credentials.mechanisms().contains(mechanism) {
            return Err(SaslError::NotAvailable(mechanism.clone()));
        }
        if !context.policy().permits(mechanism) {
            return Err(SaslError::CredentialsInClear);
        }
        if !context.permits(mechanism) {
            return Err(SaslError::NotAvailable(mechanism.clone()));
        }
        // Whether the server offers binding is not known: saying "I could, you cannot" would be a
        // guess, so the message says that this side cannot.
        Self::start(credentials, mechanism, context, true)
    }

    /// The exchange of `refused`, which binds to the channel, without that: if this is allowed over the
    /// channel, and the server offers it, too.
    ///
    /// As the server does offer binding, the message says "this side cannot" (`n`), not "I could, you
    /// cannot" (`y`), which such a server has to refuse (RFC 5802 section 6).
    pub(crate) fn unbound<M: AsRef<[u8]>>(
        refused: &Mechanism,
        credentials: &Credentials,
        offered: impl IntoIterator<Item = M>,
        context: &SaslContext,
    ) -> Option<Result<Self, SaslError>> {
        let mechanism = match refused {
            Mechanism::ScramSha256Plus => Mechanism::ScramSha256,
            Mechanism::ScramSha1Plus => Mechanism::ScramSha1,
            _ => return None,
        };
        let name = mechanism.as_bytes();
        let is_offered = offered.into_iter().any(|offered| offered.as_ref().eq_ignore_ascii_case(name));
        let tries = context.binding_fallback && context.verified && is_offered;
        tries.then(|| Self::start(credentials, &mechanism, context, true))
    }

    fn start(
        credentials: &Credentials,
        mechanism: &Mechanism,
        context: &SaslContext,
        plus_offered: bool,
    ) -> Result<Self, SaslError> {
        check(credentials)?;
        let callback = Callback {
            credentials: prepare(credentials, mechanism),
            // With the flag "y" a server that does offer binding notices that somebody in the
            // middle has taken it off the list: RFC 5802 section 6.
            bind: mechanism.binds_channel() || (!context.bindings.is_empty() && !plus_offered),
            binding_type: context.bindings.preferred(),
        };
        let not_available = || SaslError::NotAvailable(mechanism.clone());
        let unavailable = |_| not_available();
        let config = SASLConfig::builder()
            .with_registry(Registry::with_mechanisms(registry(mechanism).ok_or_else(not_available)?))
            .with_callback(callback)
            .map_err(unavailable)?;
        let name = Mechname::parse(mechanism.as_bytes()).map_err(|_| not_available())?;
        let session = SASLClient::with_cb(Arc::clone(&config), Binding(context.bindings.clone()))
            .start_suggested(&[name])
            .map_err(unavailable)?;
        let max_iterations = context.max_iterations;
        let mechanism = mechanism.clone();
        Ok(Self { mechanism, session, state: State::New, server_error: None, max_iterations })
    }

    /// The mechanism that is spoken.
    #[must_use]
    pub const fn mechanism(&self) -> &Mechanism {
        &self.mechanism
    }

    /// The initial response, to be sent with the command where the protocol can. `None` for LOGIN,
    /// where the server speaks first. Where it is not called, the first [`step`](Self::step) gives
    /// the same.
    ///
    /// # Errors
    ///
    /// The credentials cannot be carried.
    pub fn initial(&mut self) -> Result<Option<Secret>, SaslError> {
        match self.state {
            State::New if self.mechanism.is_client_first() => self.advance(None).map(Some),
            State::New => Ok(None),
            _ => Err(SaslError::Over),
        }
    }

    /// The answer to a challenge.
    ///
    /// # Errors
    ///
    /// The challenge is not one that the mechanism has, the server refuses within the mechanism, or
    /// it is not the server that it claims to be. The caller then cancels.
    pub fn step(&mut self, challenge: &Secret) -> Result<SaslStep, SaslError> {
        let result = self.answer(challenge.expose());
        if result.is_err() {
            self.state = State::Failed;
        }
        result.map(SaslStep::Data)
    }

    /// As [`step`](Self::step), where the iterations of a password take their time on a thread for that.
    pub(crate) async fn step_blocking(
        mut self,
        challenge: Secret,
    ) -> std::io::Result<(Self, Result<SaslStep, SaslError>)> {
        if !(self.mechanism.is_scram() && self.state == State::Sent(1)) {
            let step = self.step(&challenge);
            return Ok((self, step));
        }
        let work = move || {
            let step = self.step(&challenge);
            (self, step)
        };
        Ok(tokio::task::spawn_blocking(work).await?)
    }

    fn answer(&mut self, challenge: &[u8]) -> Result<Secret, SaslError> {
        match (self.state, &self.mechanism) {
            // The initial response was not sent with the command. What the server says here is
            // nothing, or words for people.
            (State::New, _) => self.advance(None),
            // What LOGIN's prompts say varies, and does not matter.
            (State::Sent(1), Mechanism::Login) => self.advance(Some(challenge)),
            (State::Sent(1), mechanism) if mechanism.is_scram() => {
                grammar::server_first(challenge, self.max_iterations)?;
                self.advance(Some(challenge))
            }
            (State::Sent(2), mechanism) if mechanism.is_scram() => {
                if let Some(error) = grammar::server_final(challenge)? {
                    return Err(SaslError::ServerError(error.into()));
                }
                self.advance(Some(challenge))
            }
            // RFC 7628 section 3.2.3: the challenge is the error, and has to be answered before the
            // server says so in its protocol.
            (State::Sent(1), Mechanism::OAuthBearer | Mechanism::XOAuth2) => {
                self.server_error = Some(challenge.into());
                self.state = State::Refused;
                let dummy = if self.mechanism == Mechanism::OAuthBearer { "\x01" } else { "" };
                Ok(dummy.into())
            }
            (State::Failed, _) => Err(SaslError::Over),
            _ => Err(SaslError::UnexpectedChallenge),
        }
    }

    fn advance(&mut self, input: Option<&[u8]>) -> Result<Secret, SaslError> {
        let before = std::mem::replace(&mut self.state, State::Failed);
        let mut out = Wiped(Vec::new());
        let step = self.session.step(input, &mut out.0).map_err(|error| match error {
            SessionError::MutualAuthenticationFailed => SaslError::ServerNotVerified,
            _ if input.is_none() => SaslError::InvalidCredentials("the mechanism does not take them"),
            _ => SaslError::Malformed(ParseError::new(0, "the mechanism does not take it")),
        })?;
        self.state = match before {
            _ if step.is_finished() => State::Done,
            State::Sent(count) => State::Sent(count.saturating_add(1)),
            _ => State::Sent(1),
        };
        Ok(std::mem::take(&mut out.0).into())
    }

    /// The protocol says that the exchange succeeded. `data` is what the server said with it, where
    /// the protocol has a place for that.
    ///
    /// # Errors
    ///
    /// It cannot have succeeded: the server has not proved that it knows the password, or it refused
    /// before, or it did not wait for the credentials.
    pub fn finish(&mut self, data: Option<&Secret>) -> Result<(), SaslError> {
        if let Some(data) = data {
            // RFC 4422 section 3.6: the last challenge came with the success.
            self.step(data)?;
        }
        let result = match self.state {
            State::Done => Ok(()),
            State::Sent(_) if matches!(self.mechanism, Mechanism::OAuthBearer | Mechanism::XOAuth2) => Ok(()),
            _ => Err(SaslError::ServerNotVerified),
        };
        self.state = if result.is_ok() { State::Done } else { State::Failed };
        result
    }

    /// Returns what the server did not like about a token: JSON, to be shown beside its refusal.
    #[must_use]
    pub const fn server_error(&self) -> Option<&Text> {
        self.server_error.as_ref()
    }
}

impl std::fmt::Debug for ClientExchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientExchange")
            .field("mechanism", &self.mechanism)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// What a mechanism writes, zeroed if it fails in the middle.
struct Wiped(Vec<u8>);

impl Drop for Wiped {
    fn drop(&mut self) {
        drop(Secret::from(std::mem::take(&mut self.0)));
    }
}

/// What rsasl would either refuse with less words or carry into places where it means something
/// else.
fn check(credentials: &Credentials) -> Result<(), SaslError> {
    let name = |name: &str| {
        if name.is_empty() {
            Err(SaslError::InvalidCredentials("an empty name"))
        } else if name.contains(['\0', '\r', '\n', '\x01']) {
            Err(SaslError::InvalidCredentials("a control character in a name"))
        } else {
            Ok(())
        }
    };
    credentials.acting_as.as_deref().map_or(Ok(()), name)?;
    match &credentials.kind {
        Kind::Password { user, password } => {
            name(user)?;
            if password.is_empty() {
                Err(SaslError::InvalidCredentials("an empty password"))
            } else if password.expose().contains(&0) {
                Err(SaslError::InvalidCredentials("NUL in a password"))
            } else {
                Ok(())
            }
        }
        Kind::Token { user, token } => {
            name(user)?;
            // RFC 6750 section 2.1: b64token.
            let good = token.expose().iter().all(|byte| byte.is_ascii_graphic());
            if good && !token.is_empty() {
                Ok(())
            } else {
                Err(SaslError::InvalidCredentials("a token of other than printable characters"))
            }
        }
        Kind::External => Ok(()),
        Kind::Anonymous { trace } if trace.contains('\0') => {
            Err(SaslError::InvalidCredentials("NUL in a trace"))
        }
        Kind::Anonymous { .. } => Ok(()),
    }
}

/// SCRAM wants names and passwords prepared (RFC 5802 section 5.1). What does not go through that is
/// sent as it is: a server that took it once will take it again.
fn prepare(credentials: &Credentials, mechanism: &Mechanism) -> Credentials {
    let mut credentials = credentials.clone();
    if let (Kind::Password { user, password }, true) = (&mut credentials.kind, mechanism.is_scram()) {
        if let Ok(prepared) = stringprep::saslprep(user).map(Cow::into_owned) {
            if !prepared.is_empty() {
                *user = prepared;
            }
        }
        if let Ok(prepared) = prepare_password(password) {
            *password = prepared;
        }
    }
    credentials
}

fn registry(mechanism: &Mechanism) -> Option<&'static [Registered]> {
    Some(match mechanism {
        Mechanism::ScramSha256Plus => registry!(scram::SCRAM_SHA256_PLUS),
        Mechanism::ScramSha256 => registry!(scram::SCRAM_SHA256),
        Mechanism::ScramSha1Plus => registry!(scram::SCRAM_SHA1_PLUS),
        Mechanism::ScramSha1 => registry!(scram::SCRAM_SHA1),
        Mechanism::OAuthBearer => registry!(oauthbearer::OAUTHBEARER),
        Mechanism::XOAuth2 => registry!(xoauth2::XOAUTH2),
        Mechanism::Plain => registry!(plain::PLAIN),
        Mechanism::Login => registry!(login::LOGIN),
        Mechanism::External => registry!(external::EXTERNAL),
        Mechanism::Anonymous => registry!(anonymous::ANONYMOUS),
        _ => return None,
    })
}

struct Callback {
    credentials: Credentials,
    bind: bool,
    binding_type: Option<&'static str>,
}

impl SessionCallback for Callback {
    fn callback(
        &self,
        session: &SessionData,
        _: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        if let Some(name) = self.binding_type {
            request.satisfy::<OverrideCBType>(name)?;
        }
        let acting_as = self.credentials.acting_as.as_deref();
        match &self.credentials.kind {
            Kind::Password { user, password } => {
                request.satisfy::<AuthId>(user)?.satisfy::<Password>(password.expose())?;
            }
            Kind::Token { user, token } => {
                let token = std::str::from_utf8(token.expose()).unwrap_or_default();
                request.satisfy::<AuthId>(user)?.satisfy::<OAuthBearerToken>(token)?;
                // OAUTHBEARER names its user in the GS2 header: RFC 7628 section 3.1.
                if session.mechanism().mechanism.as_str() == Mechanism::OAuthBearer.as_str() {
                    let name = acting_as.unwrap_or(user);
                    request.satisfy::<AuthzId>(&name.replace('=', "=3D").replace(',', "=2C"))?;
                }
            }
            Kind::External => {}
            Kind::Anonymous { trace } => {
                request.satisfy::<anonymous::AnonymousToken>(trace)?;
            }
        }
        if let Some(acting_as) = acting_as {
            request.satisfy::<AuthzId>(acting_as)?;
        }
        Ok(())
    }

    fn enable_channel_binding(&self) -> bool {
        self.bind
    }
}
