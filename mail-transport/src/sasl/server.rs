use std::sync::{Arc, Mutex, PoisonError};

use mailwire_core::{SaslStep, Secret};
use rsasl::{
    callback::{Context, Request, SessionCallback, SessionData},
    mechanisms::{
        anonymous, external, plain,
        scram::{self, properties::ScramStoredPassword},
        xoauth2::{self, properties::XOAuth2Validate},
    },
    prelude::{Mechanism as Registered, Mechname, Registry, SASLConfig, SASLServer, Session, SessionError},
    property::{AuthId, AuthzId, OAuthBearerToken, Password},
    validate::{NoValidation, Validate, ValidationError},
};

use super::{
    Authenticator, Identity, LoginContext, Mechanism, SaslContext, SaslError, ScramKeys, StoredPassword,
    Unavailable, bearer,
    prepare::{Binding, canonical, registry},
    scram as grammar,
};
use crate::server::attempts::Attempt;

/// The next step of a server in an exchange.
#[must_use]
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerStep {
    /// Send this, and wait for the client's response.
    Challenge(Secret),
    /// The client is who it claims to be.
    Success(Identity),
    /// The client is not who it claims to be, or sent nonsense. The answer is the same for all reasons.
    Failed,
    /// The client gave up.
    Cancelled,
    /// The user store cannot answer now.
    Unavailable,
}

/// A server's side of one exchange.
pub struct ServerExchange {
    mechanism: Mechanism,
    context: SaslContext,
    supports_binding: bool,
    state: State,
    login: LoginContext,
    /// What is going on, from when a user was named. It counts as failed unless it succeeds.
    attempt: Option<Attempt>,
}

enum State {
    /// Waits for the client's first message.
    New,
    /// LOGIN: waits for the password.
    Password {
        user: String,
    },
    /// SCRAM: waits for the client's proof.
    Proof {
        session: Box<ScramSession>,
        known: bool,
    },
    /// Sent the server's proof; the client has nothing more to say.
    Proved(Identity),
    /// OAUTHBEARER, XOAUTH2: said what is wrong, and waits for the client to notice.
    Refused,
    Over,
}

struct ScramSession {
    session: Session<NoValidation, Binding>,
    seen: Arc<Mutex<Seen>>,
    user: String,
    acting_as: Option<String>,
}

impl ServerExchange {
    /// Starts an exchange that a client asked for by this mechanism.
    ///
    /// # Errors
    ///
    /// The authenticator does not support it, or it is not available over this channel.
    pub fn new<A: Authenticator>(
        authenticator: &A,
        mechanism: &Mechanism,
        context: &SaslContext,
    ) -> Result<Self, SaslError> {
        let offered = context.offered(authenticator.mechanisms());
        if !offered.contains(mechanism) {
            return Err(SaslError::NotAvailable(mechanism.clone()));
        }
        let supports_binding = offered.iter().any(Mechanism::binds_channel);
        Ok(Self {
            mechanism: mechanism.clone(),
            context: context.clone(),
            supports_binding,
            state: State::New,
            login: LoginContext::default(),
            attempt: None,
        }
        .with_login(LoginContext::default()))
    }

    /// Says who the client is, for the authenticator to know. The mechanism is the exchange's.
    #[must_use]
    pub fn with_login(mut self, login: LoginContext) -> Self {
        self.login = login;
        self.login.mechanism = Some(self.mechanism.clone());
        self
    }

    /// The mechanism that is spoken.
    #[must_use]
    pub const fn mechanism(&self) -> &Mechanism {
        &self.mechanism
    }

    /// The first step, with the initial response if the client has sent one with its command.
    pub async fn start<A: Authenticator>(
        &mut self,
        authenticator: &A,
        initial: Option<&Secret>,
    ) -> ServerStep {
        match (initial, &self.mechanism) {
            (Some(response), _) => self.advance(authenticator, response.expose()).await,
            (None, Mechanism::Login) => ServerStep::Challenge("Username:".into()),
            (None, _) => ServerStep::Challenge(Secret::default()),
        }
    }

    /// The next step, with the client's response. An exchange whose step was dropped is over.
    pub async fn step<A: Authenticator>(&mut self, authenticator: &A, response: &SaslStep) -> ServerStep {
        match response {
            SaslStep::Data(response) => self.advance(authenticator, response.expose()).await,
            SaslStep::Cancel => {
                self.state = State::Over;
                ServerStep::Cancelled
            }
        }
    }

    async fn advance<A: Authenticator>(&mut self, authenticator: &A, response: &[u8]) -> ServerStep {
        let step = match self.try_advance(authenticator, response).await {
            Ok(step) => step,
            Err(Stop::Failed) => ServerStep::Failed,
            Err(Stop::Unavailable) => ServerStep::Unavailable,
        };
        // The client has proved who it is, or nothing was found out; otherwise the attempt has failed when
        // this exchange is dropped, wherever the client breaks it off.
        let proved = matches!(step, ServerStep::Success(_)) || matches!(self.state, State::Proved(_));
        match (&step, self.attempt.take()) {
            (_, Some(attempt)) if proved => attempt.succeeded(),
            (ServerStep::Unavailable, Some(attempt)) => attempt.void(),
            (ServerStep::Challenge(_), attempt) if !matches!(self.state, State::Refused) => {
                self.attempt = attempt;
            }
            _ => {}
        }
        step
    }

    async fn try_advance<A: Authenticator>(
        &mut self,
        authenticator: &A,
        response: &[u8],
    ) -> Result<ServerStep, Stop> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::New => self.first(authenticator, response).await,
            State::Password { user } => {
                self.password(authenticator, &user, None, &Secret::from(response)).await
            }
            State::Proof { session, known } => self.proof(authenticator, *session, known, response).await,
            State::Proved(identity) if response.is_empty() => Ok(ServerStep::Success(identity)),
            State::Proved(_) | State::Refused | State::Over => Ok(ServerStep::Failed),
        }
    }

    async fn first<A: Authenticator>(
        &mut self,
        authenticator: &A,
        response: &[u8],
    ) -> Result<ServerStep, Stop> {
        match &self.mechanism {
            Mechanism::ScramSha256Plus
            | Mechanism::ScramSha256
            | Mechanism::ScramSha1Plus
            | Mechanism::ScramSha1 => self.scram(authenticator, response).await,
            Mechanism::Login => {
                let user = canonical(authenticator, text(response)?);
                self.state = State::Password { user };
                Ok(ServerStep::Challenge("Password:".into()))
            }
            Mechanism::Plain => {
                let seen = read(registry!(plain::PLAIN), response)?;
                let (user, password) = (seen.user.ok_or(Stop::Failed)?, seen.password.ok_or(Stop::Failed)?);
                self.password(authenticator, &canonical(authenticator, &user), seen.acting_as, &password)
                    .await
            }
            Mechanism::XOAuth2 => {
                let seen = read(registry!(xoauth2::XOAUTH2), response)?;
                self.token(authenticator, seen.user, &seen.token.ok_or(Stop::Failed)?).await
            }
            Mechanism::OAuthBearer => {
                let (user, token) = bearer::client_response(response)?;
                self.token(authenticator, user, &token).await
            }
            Mechanism::External => {
                let seen = read(registry!(external::EXTERNAL), response)?;
                let certificates = self.context.external.as_deref().unwrap_or_default();
                let acting_as = seen.acting_as.as_deref();
                let user = authenticator.verify_external(certificates, acting_as, &self.login).await?;
                self.identity(authenticator, user.ok_or(Stop::Failed)?, seen.acting_as)
                    .await
                    .map(ServerStep::Success)
            }
            Mechanism::Anonymous => {
                let seen = read(registry!(anonymous::ANONYMOUS), response)?;
                let trace = seen.trace.as_deref().unwrap_or_default();
                let user = authenticator.anonymous(trace, &self.login).await?;
                self.identity(authenticator, user.ok_or(Stop::Failed)?, None).await.map(ServerStep::Success)
            }
            _ => Err(Stop::Failed),
        }
    }

    async fn password<A: Authenticator>(
        &mut self,
        authenticator: &A,
        user: &str,
        acting_as: Option<String>,
        password: &Secret,
    ) -> Result<ServerStep, Stop> {
        self.attempt = self.login.begin(Some(user)).await?;
        if authenticator.verify_password(user, password, &self.login).await? {
            self.identity(authenticator, user.to_owned(), acting_as).await.map(ServerStep::Success)
        } else {
            Err(Stop::Failed)
        }
    }

    async fn token<A: Authenticator>(
        &mut self,
        authenticator: &A,
        user: Option<String>,
        token: &Secret,
    ) -> Result<ServerStep, Stop> {
        let user = user.map(|user| canonical(authenticator, &user));
        self.attempt = self.login.begin(user.as_deref()).await?;
        match authenticator.verify_token(user.as_deref(), token, &self.login).await? {
            // Who the token is for need not be spelt as the client spells it.
            Some(owner) => self.identity(authenticator, owner, None).await.map(ServerStep::Success),
            None => {
                self.state = State::Refused;
                let error = match self.mechanism {
                    Mechanism::XOAuth2 => r#"{"status":"400","schemes":"bearer"}"#,
                    _ => r#"{"status":"invalid_token"}"#,
                };
                Ok(ServerStep::Challenge(error.into()))
            }
        }
    }

    async fn identity<A: Authenticator>(
        &self,
        authenticator: &A,
        user: String,
        acting_as: Option<String>,
    ) -> Result<Identity, Stop> {
        let acting_as = match acting_as.map(|other| canonical(authenticator, &other)) {
            Some(other) if other != user => {
                if !authenticator.may_act_as(&user, &other, &self.login).await? {
                    return Err(Stop::Failed);
                }
                other
            }
            _ => user.clone(),
        };
        Ok(Identity { user, acting_as, mechanism: Some(self.mechanism.clone()) })
    }

    async fn scram<A: Authenticator>(
        &mut self,
        authenticator: &A,
        response: &[u8],
    ) -> Result<ServerStep, Stop> {
        let first = grammar::client_first(response)?;
        // RFC 5802 section 6: -PLUS has to bind, the bare mechanism must not.
        let binds = match &first.binding {
            Some(name) => self.context.bindings.get(name).is_some(),
            None => false,
        };
        if binds != self.mechanism.binds_channel() {
            return Err(Stop::Failed);
        }
        let user = canonical(authenticator, &first.user);
        self.attempt = self.login.begin(Some(&user)).await?;
        let found = authenticator.lookup(&user, &self.login).await?;
        // Made for users that exist as well, so that it takes as long.
        let decoy = authenticator.decoy(&user).keys(&self.mechanism).cloned();
        let keys = found.as_ref().and_then(|found| found.keys(&self.mechanism)).cloned();
        let known = keys.is_some();
        let keys = match (keys, decoy, &found) {
            (Some(keys), ..) => keys,
            (None, Some(keys), Some(found)) => StoredPassword::looks_like(keys, found),
            (None, Some(keys), None) => keys,
            (None, None, _) => return Err(Stop::Failed),
        };
        let seen = Arc::new(Mutex::new(Seen::default()));
        let callback = Callback { keys: Some(keys), seen: Arc::clone(&seen) };
        let mut session =
            open(self.registry(), self.mechanism.as_str(), callback, Binding(self.context.bindings.clone()))?;
        let mut out = Vec::new();
        session.step(Some(response), &mut out)?;
        let session = ScramSession { session, seen, user, acting_as: first.acting_as };
        self.state = State::Proof { session: Box::new(session), known };
        Ok(ServerStep::Challenge(out.into()))
    }

    async fn proof<A: Authenticator>(
        &mut self,
        authenticator: &A,
        scram: ScramSession,
        known: bool,
        response: &[u8],
    ) -> Result<ServerStep, Stop> {
        grammar::client_final(response)?;
        let ScramSession { mut session, seen, user, acting_as } = scram;
        let mut out = Vec::new();
        session.step(Some(response), &mut out)?;
        let proved = seen.lock().unwrap_or_else(PoisonError::into_inner).validated;
        if !proved || !known || !out.starts_with(b"v=") {
            return Err(Stop::Failed);
        }
        let identity = self.identity(authenticator, user, acting_as).await?;
        self.state = State::Proved(identity);
        Ok(ServerStep::Challenge(out.into()))
    }

    /// With `-PLUS` in it, a client that says "I could bind, you cannot" is refused: somebody took
    /// it off the list on the way.
    fn registry(&self) -> &'static [Registered] {
        match (&self.mechanism, self.supports_binding) {
            (Mechanism::ScramSha1 | Mechanism::ScramSha1Plus, true) => {
                registry!(scram::SCRAM_SHA1, scram::SCRAM_SHA1_PLUS)
            }
            (Mechanism::ScramSha1 | Mechanism::ScramSha1Plus, false) => registry!(scram::SCRAM_SHA1),
            (_, true) => registry!(scram::SCRAM_SHA256, scram::SCRAM_SHA256_PLUS),
            (_, false) => registry!(scram::SCRAM_SHA256),
        }
    }
}

impl std::fmt::Debug for ServerExchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerExchange").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

/// Why an exchange ends without success. What exactly was wrong is nobody's business.
enum Stop {
    Failed,
    Unavailable,
}

impl From<Unavailable> for Stop {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl From<SaslError> for Stop {
    fn from(_: SaslError) -> Self {
        Self::Failed
    }
}

impl From<SessionError> for Stop {
    fn from(_: SessionError) -> Self {
        Self::Failed
    }
}

fn text(bytes: &[u8]) -> Result<&str, Stop> {
    std::str::from_utf8(bytes).map_err(|_| Stop::Failed)
}

/// What rsasl read out of the client's messages.
#[derive(Default)]
struct Seen {
    validated: bool,
    user: Option<String>,
    acting_as: Option<String>,
    password: Option<Secret>,
    token: Option<Secret>,
    trace: Option<String>,
}

struct Callback {
    keys: Option<ScramKeys>,
    seen: Arc<Mutex<Seen>>,
}

impl SessionCallback for Callback {
    fn callback(
        &self,
        _: &SessionData,
        _: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        if let Some(keys) = &self.keys {
            request.satisfy::<ScramStoredPassword<'_>>(&ScramStoredPassword::new(
                keys.iterations,
                &keys.salt,
                keys.stored_key.expose(),
                keys.server_key.expose(),
            ))?;
        }
        // The token is judged afterwards, by the authenticator.
        request.satisfy::<XOAuth2Validate>(&Ok(()))?;
        Ok(())
    }

    fn validate(
        &self,
        _: &SessionData,
        context: &Context<'_>,
        _: &mut Validate<'_>,
    ) -> Result<(), ValidationError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        *seen = Seen {
            validated: true,
            user: context.get_ref::<AuthId>().and_then(filled),
            acting_as: context.get_ref::<AuthzId>().and_then(filled),
            password: context.get_ref::<Password>().map(Secret::from),
            token: context.get_ref::<OAuthBearerToken>().map(Secret::from),
            trace: context.get_ref::<anonymous::AnonymousToken>().map(str::to_owned),
        };
        Ok(())
    }
}

fn open(
    registry: &'static [Registered],
    name: &str,
    callback: Callback,
    binding: Binding,
) -> Result<Session<NoValidation, Binding>, Stop> {
    let config = SASLConfig::builder()
        .with_registry(Registry::with_mechanisms(registry))
        .with_callback(callback)
        .map_err(|_| Stop::Failed)?;
    let name = Mechname::parse(name.as_bytes()).map_err(|_| Stop::Failed)?;
    SASLServer::with_cb(config, binding).start_suggested(name).map_err(|_| Stop::Failed)
}

/// Reads the message of a mechanism that has only one.
fn read(registry: &'static [Registered], response: &[u8]) -> Result<Seen, Stop> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let name = registry.first().map(|mechanism| mechanism.mechanism.as_str()).unwrap_or_default();
    let callback = Callback { keys: None, seen: Arc::clone(&seen) };
    open(registry, name, callback, Binding(Default::default()))?.step(Some(response), &mut Vec::new())?;
    let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    if seen.validated { Ok(seen) } else { Err(Stop::Failed) }
}
