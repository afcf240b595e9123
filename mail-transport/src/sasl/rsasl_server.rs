//! What rsasl reads for a server.

use std::sync::{Arc, Mutex, PoisonError};

use mailwire_core::Secret;
use rsasl::{
    callback::{Context, Request, SessionCallback, SessionData},
    mechanisms::{anonymous, scram::properties::ScramStoredPassword, xoauth2::properties::XOAuth2Validate},
    prelude::{Mechanism as Registered, Mechname, Registry, SASLConfig, SASLServer, Session, SessionError},
    property::{AuthId, AuthzId, OAuthBearerToken, Password},
    validate::{NoValidation, Validate, ValidationError},
};

use super::{Mechanism, ScramKeys, prepare::Binding, server::Stop};
use crate::tls::ChannelBindings;

/// A SCRAM exchange that rsasl answers.
pub(super) struct Scram {
    session: Session<NoValidation, Binding>,
    seen: Arc<Mutex<Seen>>,
}

impl Scram {
    pub(super) fn new(
        registry: &'static [Registered],
        mechanism: &Mechanism,
        keys: ScramKeys,
        bindings: ChannelBindings,
    ) -> Result<Self, Stop> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let callback = Callback { keys: Some(keys), seen: Arc::clone(&seen) };
        let session = open(registry, mechanism.as_str(), callback, Binding(bindings))?;
        Ok(Self { session, seen })
    }

    pub(super) fn step(&mut self, response: &[u8]) -> Result<Vec<u8>, Stop> {
        let mut out = Vec::new();
        self.session.step(Some(response), &mut out)?;
        Ok(out)
    }

    /// Whether the client's proof was right.
    pub(super) fn has_proved(&self) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).validated
    }
}

/// What rsasl read out of the client's messages.
#[derive(Default)]
pub(super) struct Seen {
    validated: bool,
    pub(super) user: Option<String>,
    pub(super) acting_as: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) token: Option<Secret>,
    pub(super) trace: Option<String>,
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
pub(super) fn read(registry: &'static [Registered], response: &[u8]) -> Result<Seen, Stop> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let name = registry.first().map(|mechanism| mechanism.mechanism.as_str()).unwrap_or_default();
    let callback = Callback { keys: None, seen: Arc::clone(&seen) };
    open(registry, name, callback, Binding(Default::default()))?.step(Some(response), &mut Vec::new())?;
    let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    if seen.validated { Ok(seen) } else { Err(Stop::Failed) }
}
