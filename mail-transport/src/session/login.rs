//! How a client logs in by SASL.

use mailwire_core::{Deviation, SaslStep, Secret};

use super::{Machine, Session};
use crate::{
    Address, CLIENT_TRACES, Error, Result,
    sasl::{ClientExchange, Credentials, Mechanism, SaslContext, SaslError},
    traces,
};

/// What an event of a machine means to a SASL exchange that goes on.
pub(crate) enum AuthEvent {
    /// The server's next message.
    Challenge(Secret),
    /// The server's message could not be read, and the machine has cancelled the exchange.
    #[cfg(feature = "pop3")]
    Cancelled(mailwire_core::ParseError),
    /// The end of the command, and whether the server was content.
    Ended(Result<()>),
    /// No part of the exchange.
    Other,
}

/// How a client has logged in: `login` of the three clients.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The SASL mechanism. `None` for a command of the protocol: LOGIN, USER and PASS, APOP.
    pub mechanism: Option<Mechanism>,
    /// What was accepted on the way:
    /// [`UNBOUND_AFTER_REFUSAL`](crate::sasl::UNBOUND_AFTER_REFUSAL).
    pub deviations: Vec<Deviation>,
}

impl<C: Machine> Session<C> {
    /// The login has succeeded, by this mechanism or by a command of the protocol.
    pub(crate) fn logged_in(&mut self, mechanism: Option<Mechanism>) {
        self.course.logged_in(mechanism.as_ref());
        self.login = Some(Login { mechanism, deviations: Vec::new() });
    }

    /// Runs an exchange whose command was sent, to the end of the command. `read` tells what an event
    /// means to it.
    ///
    /// # Errors
    ///
    /// The server refuses, or is not the one that it claims to be; or the connection fails.
    pub(crate) async fn authenticate(
        &mut self,
        mut exchange: ClientExchange,
        mut read: impl FnMut(&C, C::Event) -> AuthEvent,
    ) -> Result<()> {
        let mechanism = exchange.mechanism().clone();
        self.course.mechanism = Some(mechanism.clone());
        let mut failure = None;
        loop {
            let event = self.event().await?;
            match read(self.machine_ref(), event) {
                AuthEvent::Challenge(challenge) => {
                    let step;
                    (exchange, step) = exchange.step_blocking(challenge).await?;
                    let step = step.unwrap_or_else(|error| {
                        failure = Some(error);
                        SaslStep::Cancel
                    });
                    self.machine().send_auth(step)?;
                }
                #[cfg(feature = "pop3")]
                AuthEvent::Cancelled(error) => failure = Some(SaslError::Malformed(error)),
                AuthEvent::Ended(end) => {
                    self.course.mechanism = None;
                    // The server answers what was cancelled with an error of its own.
                    if let Some(error) = failure {
                        return Err(error.into());
                    }
                    return match end {
                        Ok(()) => {
                            exchange.finish(None)?;
                            self.logged_in(Some(mechanism));
                            Ok(())
                        }
                        Err(Error::Refused(refused)) => Err(match exchange.server_error() {
                            Some(words) => refused.with_server_error(words).into(),
                            None => Error::Refused(refused),
                        }),
                        Err(error) => Err(error),
                    };
                }
                AuthEvent::Other => {}
            }
        }
    }

    /// The name of the host, as the client knows it.
    pub(super) fn host(&self) -> &str {
        match self.course.endpoint.address() {
            Address::Tcp { host, .. } => host,
            Address::Unix(_) => "localhost",
        }
    }

    /// What to try after `first` was refused: the exchange without channel binding, where that is
    /// allowed. Says so to `tracing`.
    pub(crate) fn without_binding(
        &self,
        error: &Error,
        refused: &Mechanism,
        offered: impl IntoIterator<Item = impl AsRef<[u8]>>,
        credentials: &Credentials,
        context: &SaslContext,
    ) -> Option<Result<ClientExchange, SaslError>> {
        let about_binding = match error {
            Error::Refused(refused) => !refused.is_transient(),
            Error::Sasl(error @ SaslError::ServerError(_)) => !error.is_authentication(),
            _ => false,
        };
        if !about_binding || !self.is_usable() {
            return None;
        }
        let exchange = ClientExchange::unbound(refused, credentials, offered, context)?;
        let server = self.course.endpoint.address();
        traces::warn!(target: CLIENT_TRACES, %server, %refused, %error, "logging in without channel binding");
        Some(exchange)
    }

    /// The login succeeded without the channel binding that the server offers.
    pub(crate) fn note_unbound(&mut self) {
        if let Some(login) = &mut self.login {
            login.deviations.push(Deviation::new(crate::sasl::UNBOUND_AFTER_REFUSAL, 0));
        }
    }

    /// What SASL may rely on over this session's stream.
    pub(crate) fn sasl_context(
        &self,
        allow_clear_credentials: bool,
        binding_fallback: bool,
        max_iterations: u32,
    ) -> SaslContext {
        SaslContext::of(self.stream())
            .allow_clear_credentials(allow_clear_credentials)
            .with_binding_fallback(binding_fallback)
            .with_max_iterations(max_iterations)
            .with_service(self.machine_ref().service(), self.host())
    }
}
