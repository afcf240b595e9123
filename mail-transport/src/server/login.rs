use mailwire_core::{Channel, SaslStep, Secret};

use super::{Accepted, Handle, attempts::Attempt};
use crate::{
    Stream, metrics,
    sasl::{
        Authenticator, Identity, LoginContext, Mechanism, SaslContext, SaslError, ServerExchange, ServerStep,
        Unavailable, prepare::canonical,
    },
};

/// The login of one client, by SASL or by a name and a password, in any protocol.
///
/// A protocol's conversation gives it what the client sends, and says in its own words what comes of
/// it: each way ends in a [`ServerStep`].
#[derive(Debug)]
pub struct LoginGate {
    handle: Handle,
    allow_clear: bool,
    context: SaslContext,
    login: LoginContext,
    exchange: Option<ServerExchange>,
}

impl LoginGate {
    /// The gate of a connection. `allow_clear`: passwords may be shown without TLS.
    #[must_use]
    pub fn new(accepted: &Accepted, allow_clear: bool) -> Self {
        let Accepted { stream, channel, peer, proxied, handle, .. } = accepted;
        let context = context(stream, handle, *channel == Channel::Tls, allow_clear);
        let mut login = handle.login(context.is_protected());
        // After a proxy it is not the stream's.
        login.address = *peer;
        login.proxy = proxied.as_ref().and_then(|proxied| proxied.proxy);
        Self { handle: handle.clone(), allow_clear, context, login, exchange: None }
    }

    /// Tells that the client is a proxy that is trusted, and speaks for one at this address.
    #[cfg(any(feature = "smtp", feature = "pop3"))]
    pub fn speaks_for(&mut self, address: std::net::SocketAddr) {
        self.login.address = Some(address);
    }

    /// Tells that TLS was begun under the conversation.
    pub fn upgraded(&mut self, stream: &Stream) {
        self.context = context(stream, &self.handle, true, self.allow_clear);
        self.login.protected = true;
        self.exchange = None;
    }

    /// Tells that nobody is logged in any more. `handle` is the connection's, after it was
    /// [told](Handle::logged_out), too.
    pub fn logged_out(&mut self, handle: Handle) {
        self.handle = handle;
        self.exchange = None;
    }

    /// Returns the mechanisms that are offered to this client.
    pub fn offered(&self, authenticator: &impl Authenticator) -> Vec<Mechanism> {
        self.context.offered_by(authenticator)
    }

    /// Checks a name and a password that came in a command of the protocol.
    pub async fn password(
        &self,
        authenticator: &impl Authenticator,
        user: &str,
        password: &Secret,
    ) -> ServerStep {
        let user = canonical(authenticator, user);
        let Ok(attempt) = self.begin(&user).await else { return ServerStep::Unavailable };
        let fits = authenticator.verify_password(&user, password, &self.login).await;
        let step = judge(user, fits, attempt);
        self.count(&step, None);
        step
    }

    /// Counts a login that has come to nothing.
    fn count(&self, step: &ServerStep, mechanism: Option<&Mechanism>) {
        let result = match step {
            ServerStep::Failed => "refused",
            ServerStep::Unavailable => "unavailable",
            _ => return,
        };
        metrics::login(self.login.protocol, "server", result, mechanism);
    }

    /// Begins an attempt of a user that is checked by the caller, when its time has come: see [`judge`].
    pub(crate) async fn begin(&self, user: &str) -> Result<Option<Attempt>, Unavailable> {
        self.login.begin(Some(user)).await
    }

    /// Starts an exchange by the mechanism that the client names, with its initial response.
    ///
    /// # Errors
    ///
    /// The mechanism is not offered to this client.
    pub async fn start(
        &mut self,
        authenticator: &impl Authenticator,
        mechanism: &Mechanism,
        initial: Option<&Secret>,
    ) -> Result<ServerStep, SaslError> {
        let exchange =
            ServerExchange::new(authenticator, mechanism, &self.context)?.with_login(self.login.clone());
        let step = self.exchange.insert(exchange).start(authenticator, initial).await;
        Ok(self.after(step))
    }

    /// Goes on with the client's response.
    pub async fn step(&mut self, authenticator: &impl Authenticator, response: &SaslStep) -> ServerStep {
        let Some(exchange) = &mut self.exchange else { return ServerStep::Failed };
        let step = exchange.step(authenticator, response).await;
        self.after(step)
    }

    fn after(&mut self, step: ServerStep) -> ServerStep {
        self.count(&step, self.exchange.as_ref().map(ServerExchange::mechanism));
        if !matches!(step, ServerStep::Challenge(_)) {
            self.exchange = None;
        }
        step
    }

    /// Ends an exchange that came to nothing.
    pub fn cancel(&mut self) {
        self.exchange = None;
    }

    /// Lets the client in: the time that it had for that no longer runs.
    pub fn let_in(&mut self, identity: &Identity) {
        self.handle.authenticated();
        metrics::login(self.login.protocol, "server", "ok", identity.mechanism.as_ref());
        tracing::info!(
            user = identity.user,
            acting_as = identity.acting_as,
            mechanism = identity.mechanism.as_ref().map(tracing::field::display),
            "logged in"
        );
    }
}

/// What comes of an attempt, by whether what the client showed fits.
pub(crate) fn judge(user: String, fits: Result<bool, Unavailable>, attempt: Option<Attempt>) -> ServerStep {
    match (fits, attempt) {
        (Ok(true), attempt) => {
            if let Some(attempt) = attempt {
                attempt.succeeded();
            }
            ServerStep::Success(Identity::new(user))
        }
        // The attempt has failed when it is dropped.
        (Ok(false), _) => ServerStep::Failed,
        (Err(Unavailable), attempt) => {
            if let Some(attempt) = attempt {
                attempt.void();
            }
            ServerStep::Unavailable
        }
    }
}

/// What SASL may rely on in a server's role.
fn context(stream: &Stream, handle: &Handle, protected: bool, allow_clear: bool) -> SaslContext {
    SaslContext::of(stream)
        .with_protection(protected)
        .with_channel_binding(handle.binds_channels())
        .allow_clear_credentials(allow_clear)
}
