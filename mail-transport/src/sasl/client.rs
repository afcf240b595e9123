use mailwire_core::{SaslStep, Secret, Text};

use super::{
    Credentials, CustomClient, Mechanism, SaslContext, SaslError, bearer,
    credentials::{Kind, needs_scram},
    simple::{check_trace, plain},
};
#[cfg(feature = "scram")]
use super::{
    cram_md5,
    digest_md5::DigestMd5,
    prepare::{prepared_name, prepared_password},
    rsasl_client::Library,
    scram as grammar,
};
use crate::runtime::{Boxed, on_thread};

/// A client's side of one exchange.
///
/// After an error the caller cancels the exchange (`SaslStep::Cancel`) and reports the error.
pub struct ClientExchange {
    mechanism: Mechanism,
    voice: Voice,
    state: State,
    server_error: Option<Text>,
}

/// Who makes the messages.
enum Voice {
    /// Its one message: PLAIN, EXTERNAL, ANONYMOUS.
    Message(Secret),
    /// Its one message, which carries a token.
    Token(Secret),
    Login {
        user: Secret,
        password: Secret,
    },
    #[cfg(feature = "scram")]
    Scram {
        library: Box<Library>,
        max_iterations: u32,
    },
    #[cfg(feature = "scram")]
    CramMd5 {
        user: String,
        password: Secret,
    },
    #[cfg(feature = "scram")]
    DigestMd5(Box<DigestMd5>),
    Custom(Box<dyn CustomClient>),
}

/// The exchange, and what it says next.
type Spoken = std::io::Result<(ClientExchange, Result<Option<Secret>, SaslError>)>;

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
    /// Starts the best mechanism that is offered, can carry the credentials and is safe over this channel:
    ///
    /// 1. [those of the application](super::Custom), in its order;
    /// 2. SCRAM before PLAIN before LOGIN; SHA-512 before SHA-256 before SHA-1; each bound to TLS where both sides
    ///    can; OAUTHBEARER before XOAUTH2;
    /// 3. CRAM-MD5 in clear after SCRAM, and within TLS if there is nothing else.
    ///
    /// DIGEST-MD5 is never chosen: [RFC 6331](https://www.rfc-editor.org/rfc/rfc6331) has put an end to it, and
    /// [`with_mechanism`](Self::with_mechanism) asks for it nevertheless.
    ///
    /// A server that offers a mechanism bound to TLS, and whose offer somebody in the middle has cut short, notices that
    /// ([RFC 5802 section 6](https://www.rfc-editor.org/rfc/rfc5802#section-6)).
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
        let fits = |mechanism: &Mechanism| {
            known.contains(mechanism)
                && match credentials.custom_of(mechanism) {
                    Some(custom) => custom.is_available(context),
                    None => !mechanism.binds_channel() || !context.bindings.is_empty(),
                }
        };
        let order = credentials.order(context.is_protected());
        let mut candidates = order.into_iter().filter(fits).peekable();
        if candidates.peek().is_none() {
            return Err(SaslError::NoMechanism { offered: names.into(), needs_tls: false });
        }
        let Some(mechanism) = candidates.find(|mechanism| context.permits(mechanism)) else {
            return Err(SaslError::CredentialsInClear);
        };
        let plus_offered = known.iter().any(|offered| offered.is_scram() && offered.binds_channel());
        Self::start(credentials, &mechanism, context, plus_offered)
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
        // The credentials may know more of it than its name tells.
        let known = credentials.mechanisms().into_iter().find(|known| known == mechanism);
        let Some(mechanism) = &known else {
            let is_left_out = !cfg!(feature = "scram") && needs_scram(mechanism);
            let reason = if is_left_out { SaslError::NeedsScram } else { SaslError::NotAvailable };
            return Err(reason(mechanism.clone()));
        };
        if !context.policy().permits(mechanism) {
            return Err(SaslError::CredentialsInClear);
        }
        let available = match credentials.custom_of(mechanism) {
            Some(custom) => custom.is_available(context),
            None => context.permits(mechanism),
        };
        if !available {
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
        if !cfg!(feature = "scram") {
            return None;
        }
        let mechanism = match refused {
            Mechanism::ScramSha512Plus => Mechanism::ScramSha512,
            Mechanism::ScramSha256Plus => Mechanism::ScramSha256,
            Mechanism::ScramSha1Plus => Mechanism::ScramSha1,
            _ => return None,
        };
        let name = mechanism.as_bytes();
        let is_offered = offered.into_iter().any(|offered| offered.as_ref().eq_ignore_ascii_case(name));
        let tries = context.binding_fallback && context.verified && is_offered;
        tries.then(|| Self::start(credentials, &mechanism, context, true))
    }

    #[cfg_attr(not(feature = "scram"), expect(unused_variables, reason = "SCRAM tells it"))]
    fn start(
        credentials: &Credentials,
        mechanism: &Mechanism,
        context: &SaslContext,
        plus_offered: bool,
    ) -> Result<Self, SaslError> {
        check(credentials)?;
        if let Some(custom) = credentials.custom_of(mechanism) {
            let voice = Voice::Custom(custom.start(context)?);
            return Ok(Self::over(voice, mechanism));
        }
        let acting_as = credentials.acting_as.as_deref();
        let voice = match (mechanism, &credentials.kind) {
            (Mechanism::Plain, Kind::Password { user, password }) => {
                Voice::Message(plain(acting_as, user, password))
            }
            (Mechanism::Login, Kind::Password { user, password }) => {
                Voice::Login { user: user.as_str().into(), password: password.clone() }
            }
            (Mechanism::External, Kind::External) => Voice::Message(acting_as.unwrap_or_default().into()),
            (Mechanism::Anonymous, Kind::Anonymous { trace }) => Voice::Message(trace.as_str().into()),
            (Mechanism::OAuthBearer, Kind::Token { user, token }) => {
                Voice::Token(bearer::oauthbearer(acting_as.unwrap_or(user), token))
            }
            (Mechanism::XOAuth2, Kind::Token { user, token }) => Voice::Token(bearer::xoauth2(user, token)),
            #[cfg(feature = "scram")]
            (Mechanism::DigestMd5, Kind::Password { user, password }) => {
                let (Some(service), Some(host)) = (context.service(), context.host()) else {
                    return Err(SaslError::NotAvailable(mechanism.clone()));
                };
                Voice::DigestMd5(Box::new(DigestMd5::new(user, password, acting_as, service, host)?))
            }
            #[cfg(feature = "scram")]
            (Mechanism::CramMd5, Kind::Password { user, password }) => {
                let (user, password) = prepare(user, password);
                Voice::CramMd5 { user, password }
            }
            #[cfg(feature = "scram")]
            (mechanism, Kind::Password { user, password }) => {
                let (user, password) = prepare(user, password);
                let mut prepared = Credentials::password(user, password);
                prepared.acting_as = acting_as.map(str::to_owned);
                let library = Box::new(Library::new(prepared, mechanism, context, plus_offered)?);
                Voice::Scram { library, max_iterations: context.max_iterations }
            }
            _ => return Err(SaslError::NotAvailable(mechanism.clone())),
        };
        Ok(Self::over(voice, mechanism))
    }

    fn over(voice: Voice, mechanism: &Mechanism) -> Self {
        Self { mechanism: mechanism.clone(), voice, state: State::New, server_error: None }
    }

    /// The mechanism that is spoken.
    #[must_use]
    pub const fn mechanism(&self) -> &Mechanism {
        &self.mechanism
    }

    /// The initial response, to be sent with the command where the protocol can. `None` where the server speaks
    /// first: LOGIN, CRAM-MD5, DIGEST-MD5. Where it is not called, the first [`step`](Self::step) gives
    /// the same.
    ///
    /// # Errors
    ///
    /// The credentials cannot be carried.
    pub fn initial(&mut self) -> Result<Option<Secret>, SaslError> {
        match (self.state, &mut self.voice) {
            (State::New, Voice::Custom(custom)) => {
                let initial = custom.initial();
                self.state = match &initial {
                    Ok(Some(_)) => State::Sent(1),
                    Ok(None) => State::Sent(0),
                    Err(_) => State::Failed,
                };
                initial
            }
            (State::New, Voice::Token(message)) => {
                self.state = State::Sent(1);
                Ok(Some(std::mem::take(message)))
            }
            (State::New, Voice::Message(message)) => {
                self.state = State::Done;
                Ok(Some(std::mem::take(message)))
            }
            #[cfg(feature = "scram")]
            (State::New, Voice::Scram { .. }) => self.advance(None).map(Some),
            (State::New, _) => Ok(None),
            _ => Err(SaslError::Ended),
        }
    }

    /// The answer to a challenge.
    ///
    /// # Errors
    ///
    /// The challenge is not one that the mechanism has, the server refuses within the mechanism, or
    /// it is not the server that it claims to be. The caller then cancels.
    pub fn step(&mut self, challenge: &Secret) -> Result<SaslStep, SaslError> {
        self.answered(challenge).map(SaslStep::Data)
    }

    fn answered(&mut self, challenge: &Secret) -> Result<Secret, SaslError> {
        let result = self.answer(challenge);
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    /// As [`step`](Self::step), where the iterations of a password take their time on a thread for that.
    pub(crate) async fn step_blocking(
        self,
        challenge: Secret,
    ) -> std::io::Result<(Self, Result<SaslStep, SaslError>)> {
        let takes_time = match self.voice {
            Voice::Custom(_) => true,
            _ => self.mechanism.is_scram() && self.state == State::Sent(1),
        };
        let (exchange, said) = self.speak(Some(challenge), takes_time).await?;
        Ok((exchange, said.map(|data| SaslStep::Data(data.unwrap_or_default()))))
    }

    /// As [`initial`](Self::initial), where a mechanism of the application's own takes its time on a thread for that.
    pub(crate) async fn initial_blocking(self) -> std::io::Result<(Self, Result<Option<Secret>, SaslError>)> {
        let takes_time = matches!(self.voice, Voice::Custom(_));
        self.speak(None, takes_time).await
    }

    /// Makes the answer to a challenge, or the initial response, on a thread for that if it takes time.
    fn speak(mut self, challenge: Option<Secret>, takes_time: bool) -> Boxed<'static, Spoken> {
        let work = move || {
            let said = match &challenge {
                Some(challenge) => self.answered(challenge).map(Some),
                None => self.initial(),
            };
            (self, said)
        };
        Box::pin(async move { if takes_time { on_thread(work).await } else { Ok(work()) } })
    }

    fn answer(&mut self, challenge: &Secret) -> Result<Secret, SaslError> {
        match (self.state, &mut self.voice) {
            (State::Failed, _) => Err(SaslError::Ended),
            (State::New | State::Sent(_), Voice::Custom(custom)) => {
                let initial = if self.state == State::New { custom.initial()? } else { None };
                self.state = State::Sent(1);
                // The initial response was not sent with the command.
                initial.map_or_else(|| custom.step(challenge), Ok)
            }
            #[cfg(feature = "scram")]
            (State::New, Voice::CramMd5 { user, password }) => {
                self.state = State::Done;
                Ok(cram_md5::response(user, password, challenge.expose()))
            }
            #[cfg(feature = "scram")]
            (State::New, Voice::DigestMd5(digest)) => {
                self.state = State::Sent(1);
                digest.respond(challenge.expose())
            }
            #[cfg(feature = "scram")]
            (State::Sent(1), Voice::DigestMd5(digest)) => {
                digest.verify(challenge.expose())?;
                self.state = State::Done;
                Ok(Secret::default())
            }
            // The initial response was not sent with the command. What the server says here is
            // nothing, or words for people.
            (State::New, Voice::Message(message)) => {
                self.state = State::Done;
                Ok(std::mem::take(message))
            }
            // What LOGIN's prompts say varies, and does not matter.
            (State::New, Voice::Login { user, .. }) => {
                self.state = State::Sent(1);
                Ok(std::mem::take(user))
            }
            (State::Sent(1), Voice::Login { password, .. }) => {
                self.state = State::Done;
                Ok(std::mem::take(password))
            }
            (State::New, Voice::Token(message)) => {
                self.state = State::Sent(1);
                Ok(std::mem::take(message))
            }
            // RFC 7628 section 3.2.3: the challenge is the error, and has to be answered before the
            // server says so in its protocol.
            (State::Sent(1), Voice::Token(_)) => {
                self.server_error = Some(challenge.expose().into());
                self.state = State::Refused;
                let dummy = if self.mechanism == Mechanism::OAuthBearer { "\x01" } else { "" };
                Ok(dummy.into())
            }
            #[cfg(feature = "scram")]
            (State::New, Voice::Scram { .. }) => self.advance(None),
            #[cfg(feature = "scram")]
            (State::Sent(1), &mut Voice::Scram { max_iterations, .. }) => {
                grammar::server_first(challenge.expose(), max_iterations)?;
                self.advance(Some(challenge.expose()))
            }
            #[cfg(feature = "scram")]
            (State::Sent(2), Voice::Scram { .. }) => {
                if let Some(error) = grammar::server_final(challenge.expose())? {
                    return Err(SaslError::ServerError(error.into()));
                }
                self.advance(Some(challenge.expose()))
            }
            _ => Err(SaslError::UnexpectedChallenge),
        }
    }

    #[cfg(feature = "scram")]
    fn advance(&mut self, input: Option<&[u8]>) -> Result<Secret, SaslError> {
        let before = std::mem::replace(&mut self.state, State::Failed);
        let Voice::Scram { library, .. } = &mut self.voice else { return Err(SaslError::Ended) };
        let (message, finished) = library.step(input)?;
        self.state = match before {
            _ if finished => State::Done,
            State::Sent(count) => State::Sent(count.saturating_add(1)),
            _ => State::Sent(1),
        };
        Ok(message)
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
        let result = match (self.state, &self.voice) {
            (State::Done, _) => Ok(()),
            (State::Sent(_), Voice::Custom(custom)) if custom.is_done() => Ok(()),
            (State::Sent(_), Voice::Token(_)) => Ok(()),
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

/// What would mean something else in the messages, or nothing.
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
        Kind::Anonymous { trace } => check_trace(trace).map_err(SaslError::InvalidCredentials),
        Kind::Custom => Ok(()),
        Kind::Provider(_) => Err(SaslError::InvalidCredentials("they were not asked for yet")),
    }
}

/// SCRAM wants names and passwords prepared (RFC 5802 section 5.1), and so CRAM-MD5 has them, where both sides have
/// to see the same. What does not go through that is
/// sent as it is: a server that took it once will take it again.
#[cfg(feature = "scram")]
fn prepare(user: &str, password: &Secret) -> (String, Secret) {
    let prepared = prepared_name(user);
    let user = if prepared.is_empty() { user.to_owned() } else { prepared.into_owned() };
    (user, prepared_password(password).unwrap_or_else(|_| password.clone()))
}
