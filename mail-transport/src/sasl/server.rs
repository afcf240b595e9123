use std::sync::{Mutex, PoisonError};

use mailwire_core::{SaslStep, Secret};
use rsasl::{
    mechanisms::scram,
    prelude::{Mechanism as Registered, SessionError},
};

use super::{
    Authenticator, Claim, CustomServer, CustomStep, Identity, LoginContext, Mechanism, SaslContext,
    SaslError, Unavailable, bearer, cram_md5,
    library::registry,
    prepare::canonical,
    rsasl_server::Scram,
    scram as grammar,
    simple::{check_trace, read_plain},
    stored,
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
    Proof(Box<Proof>),
    /// CRAM-MD5: waits for the client's proof.
    Challenged(Secret),
    /// Waits for the next message of an exchange of the application's own.
    Custom(Mutex<Box<dyn CustomServer>>),
    /// Has said all; the client has nothing more to say.
    Proved(Identity),
    /// OAUTHBEARER, XOAUTH2: said what is wrong, and waits for the client to notice.
    Refused,
    Ended,
}

struct Proof {
    scram: Scram,
    /// Whether there is such a user.
    known: bool,
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
        let offered = context.offered_by(authenticator);
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
        if let Some(custom) = authenticator.custom(&self.mechanism) {
            self.state = State::Custom(Mutex::new(custom));
            return self.advance(authenticator, initial).await;
        }
        match (initial, &self.mechanism) {
            (None, Mechanism::Login) => ServerStep::Challenge("Username:".into()),
            (None, Mechanism::CramMd5) => match cram_md5::challenge() {
                Some(challenge) => {
                    self.state = State::Challenged(challenge.clone());
                    ServerStep::Challenge(challenge)
                }
                None => ServerStep::Unavailable,
            },
            (None, _) => ServerStep::Challenge(Secret::default()),
            // It answers nothing.
            (Some(_), Mechanism::CramMd5) => {
                self.state = State::Ended;
                ServerStep::Failed
            }
            (Some(_), _) => self.advance(authenticator, initial).await,
        }
    }

    /// The next step, with the client's response. An exchange whose step was dropped is over.
    pub async fn step<A: Authenticator>(&mut self, authenticator: &A, response: &SaslStep) -> ServerStep {
        match response {
            SaslStep::Data(response) => self.advance(authenticator, Some(response)).await,
            SaslStep::Cancel => {
                self.state = State::Ended;
                ServerStep::Cancelled
            }
        }
    }

    async fn advance<A: Authenticator>(
        &mut self,
        authenticator: &A,
        response: Option<&Secret>,
    ) -> ServerStep {
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
        message: Option<&Secret>,
    ) -> Result<ServerStep, Stop> {
        let response = message.map(Secret::expose).unwrap_or_default();
        match std::mem::replace(&mut self.state, State::Ended) {
            State::New => self.first(authenticator, response).await,
            State::Password { user } => {
                self.password(authenticator, &user, None, &Secret::from(response)).await
            }
            State::Proof(proof) => self.proof(authenticator, *proof, response).await,
            State::Challenged(challenge) => self.cram_md5(authenticator, &challenge, response).await,
            State::Custom(custom) => {
                let custom = custom.into_inner().unwrap_or_else(PoisonError::into_inner);
                self.custom(authenticator, custom, message).await
            }
            State::Proved(identity) if response.is_empty() => Ok(ServerStep::Success(identity)),
            State::Proved(_) | State::Refused | State::Ended => Ok(ServerStep::Failed),
        }
    }

    async fn first<A: Authenticator>(
        &mut self,
        authenticator: &A,
        response: &[u8],
    ) -> Result<ServerStep, Stop> {
        match &self.mechanism {
            Mechanism::ScramSha512Plus
            | Mechanism::ScramSha512
            | Mechanism::ScramSha256Plus
            | Mechanism::ScramSha256
            | Mechanism::ScramSha1Plus
            | Mechanism::ScramSha1 => self.scram(authenticator, response).await,
            Mechanism::Login => {
                let user = canonical(authenticator, text(response)?);
                self.state = State::Password { user };
                Ok(ServerStep::Challenge("Password:".into()))
            }
            Mechanism::Plain => {
                let plain = read_plain(response)?;
                let user = canonical(authenticator, &plain.user);
                self.password(authenticator, &user, plain.acting_as, &plain.password).await
            }
            Mechanism::XOAuth2 => {
                let (user, token) = bearer::xoauth2_message(response)?;
                self.token(authenticator, user, &token).await
            }
            Mechanism::OAuthBearer => {
                let (user, token) = bearer::client_response(response)?;
                self.token(authenticator, user, &token).await
            }
            Mechanism::External => {
                // RFC 4422 appendix A.1: nothing, or the identity that is asked for.
                let acting_as = text(response)?;
                if acting_as.contains('\0') {
                    return Err(Stop::Failed);
                }
                let acting_as = Some(acting_as).filter(|name| !name.is_empty());
                let certificates = self.context.external.as_deref().unwrap_or_default();
                let user = authenticator.verify_external(certificates, acting_as, &self.login).await?;
                let acting_as = acting_as.map(str::to_owned);
                self.identity(authenticator, user.ok_or(Stop::Failed)?, acting_as)
                    .await
                    .map(ServerStep::Success)
            }
            Mechanism::Anonymous => {
                let trace = text(response)?;
                check_trace(trace).map_err(|_| Stop::Failed)?;
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
        match authenticator.check_token(user.as_deref(), token, &self.login).await? {
            // Who the token is for need not be spelt as the client spells it.
            Ok(owner) => self.identity(authenticator, owner, None).await.map(ServerStep::Success),
            Err(error) => {
                self.state = State::Refused;
                Ok(ServerStep::Challenge(error.to_json(&self.mechanism).into()))
            }
        }
    }

    async fn cram_md5<A: Authenticator>(
        &mut self,
        authenticator: &A,
        challenge: &Secret,
        response: &[u8],
    ) -> Result<ServerStep, Stop> {
        let (user, digest) = cram_md5::read(response).ok_or(Stop::Failed)?;
        let user = canonical(authenticator, user);
        self.attempt = self.login.begin(Some(&user)).await?;
        let found = authenticator.shared_secret(&user, &self.login).await?;
        let known = found.as_ref().is_some_and(|secret| !secret.is_empty());
        // A user that does not exist costs as much.
        let secret = found.unwrap_or_else(stored::process_key);
        let fits = cram_md5::digest(&secret, challenge.expose()) == digest;
        if !(fits && known) {
            return Err(Stop::Failed);
        }
        self.identity(authenticator, user, None).await.map(ServerStep::Success)
    }

    async fn custom<A: Authenticator>(
        &mut self,
        authenticator: &A,
        mut custom: Box<dyn CustomServer>,
        response: Option<&Secret>,
    ) -> Result<ServerStep, Stop> {
        let mut claim = Claim::new(self.login.clone(), self.context.clone(), self.attempt.take());
        let step = custom.step(response, &mut claim).await;
        self.attempt = claim.into_attempt();
        match step? {
            CustomStep::Challenge(challenge) => {
                self.state = State::Custom(Mutex::new(custom));
                Ok(ServerStep::Challenge(challenge))
            }
            CustomStep::Success { user, acting_as, data } => {
                let identity = self.identity(authenticator, user, acting_as).await?;
                let Some(data) = data else { return Ok(ServerStep::Success(identity)) };
                self.state = State::Proved(identity);
                Ok(ServerStep::Challenge(data))
            }
            CustomStep::Failed => {
                // Somebody who was not named has failed all the same.
                if self.attempt.is_none() {
                    self.attempt = self.login.begin(None).await?;
                }
                Err(Stop::Failed)
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
        let decoy = authenticator.decoy(&user);
        let stand_in = decoy.stand_in(found.as_ref(), &self.mechanism, &user, &authenticator.decoy_key());
        let keys = found.as_ref().and_then(|found| found.keys(&self.mechanism)).cloned();
        let known = keys.is_some();
        let bindings = self.context.bindings.clone();
        let mut scram = Scram::new(self.registry(), &self.mechanism, keys.unwrap_or(stand_in), bindings)?;
        let out = scram.step(response)?;
        self.state = State::Proof(Box::new(Proof { scram, known, user, acting_as: first.acting_as }));
        Ok(ServerStep::Challenge(out.into()))
    }

    async fn proof<A: Authenticator>(
        &mut self,
        authenticator: &A,
        proof: Proof,
        response: &[u8],
    ) -> Result<ServerStep, Stop> {
        grammar::client_final(response)?;
        let Proof { mut scram, known, user, acting_as } = proof;
        let out = scram.step(response)?;
        if !scram.has_proved() || !known || !out.starts_with(b"v=") {
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
            (Mechanism::ScramSha512 | Mechanism::ScramSha512Plus, true) => {
                registry!(scram::SCRAM_SHA512, scram::SCRAM_SHA512_PLUS)
            }
            (Mechanism::ScramSha512 | Mechanism::ScramSha512Plus, false) => registry!(scram::SCRAM_SHA512),
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
pub(super) enum Stop {
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
