use mailwire_core::{Channel, SaslStep, Secret};

use super::Handle;
use crate::{
    Stream,
    sasl::{
        Authenticator, Identity, Mechanism, SaslContext, SaslError, ServerExchange, ServerStep, Unavailable,
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
    exchange: Option<ServerExchange>,
}

impl LoginGate {
    /// The gate of a connection. `allow_clear`: passwords may be shown without TLS.
    #[must_use]
    pub fn new(stream: &Stream, channel: Channel, handle: Handle, allow_clear: bool) -> Self {
        let context = context(stream, channel == Channel::Tls, allow_clear);
        Self { handle, allow_clear, context, exchange: None }
    }

    /// Tells that TLS was begun under the conversation.
    pub fn upgraded(&mut self, stream: &Stream) {
        self.context = context(stream, true, self.allow_clear);
        self.exchange = None;
    }

    /// Returns the mechanisms that are offered to this client.
    pub fn offered(&self, authenticator: &impl Authenticator) -> Vec<Mechanism> {
        self.context.offered(authenticator.mechanisms())
    }

    /// Checks a name and a password that came in a command of the protocol.
    pub async fn password(
        &self,
        authenticator: &impl Authenticator,
        user: &str,
        password: &Secret,
    ) -> ServerStep {
        match authenticator.verify_password(user, password).await {
            Ok(true) => ServerStep::Success(Identity::new(user)),
            Ok(false) => ServerStep::Failed,
            Err(Unavailable) => ServerStep::Unavailable,
        }
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
        let exchange = ServerExchange::new(authenticator, mechanism, &self.context)?;
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
        tracing::info!(
            user = identity.user,
            acting_as = identity.acting_as,
            mechanism = identity.mechanism.as_ref().map(tracing::field::display),
            "logged in"
        );
    }
}

/// What SASL may rely on in a server's role.
fn context(stream: &Stream, protected: bool, allow_clear: bool) -> SaslContext {
    SaslContext::of(stream).with_protection(protected).allow_clear_credentials(allow_clear)
}
