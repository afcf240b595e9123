//! What rsasl reads for a server.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rsasl::{
    callback::{Context, Request, SessionCallback, SessionData},
    mechanisms::scram::properties::ScramStoredPassword,
    prelude::{Mechanism as Registered, Mechname, Registry, SASLConfig, SASLServer, Session, SessionError},
    validate::{NoValidation, Validate, ValidationError},
};

use super::{Mechanism, ScramKeys, library::Binding, server::Stop};
use crate::tls::ChannelBindings;

/// A SCRAM exchange that rsasl answers.
pub(super) struct Scram {
    session: Session<NoValidation, Binding>,
    /// The client's proof was right.
    proved: Arc<AtomicBool>,
}

impl Scram {
    pub(super) fn new(
        registry: &'static [Registered],
        mechanism: &Mechanism,
        keys: ScramKeys,
        bindings: ChannelBindings,
    ) -> Result<Self, Stop> {
        let proved = Arc::new(AtomicBool::new(false));
        let callback = Callback { keys, proved: Arc::clone(&proved) };
        let config = SASLConfig::builder()
            .with_registry(Registry::with_mechanisms(registry))
            .with_callback(callback)
            .map_err(|_| Stop::Failed)?;
        let name = Mechname::parse(mechanism.as_bytes()).map_err(|_| Stop::Failed)?;
        let server = SASLServer::with_cb(config, Binding(bindings));
        let session = server.start_suggested(name).map_err(|_| Stop::Failed)?;
        Ok(Self { session, proved })
    }

    pub(super) fn step(&mut self, response: &[u8]) -> Result<Vec<u8>, Stop> {
        let mut out = Vec::new();
        self.session.step(Some(response), &mut out)?;
        Ok(out)
    }

    /// Whether the client's proof was right.
    pub(super) fn has_proved(&self) -> bool {
        self.proved.load(Ordering::Relaxed)
    }
}

struct Callback {
    keys: ScramKeys,
    proved: Arc<AtomicBool>,
}

impl SessionCallback for Callback {
    fn callback(
        &self,
        _: &SessionData,
        _: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        request.satisfy::<ScramStoredPassword<'_>>(&ScramStoredPassword::new(
            self.keys.iterations,
            &self.keys.salt,
            self.keys.stored_key.expose(),
            self.keys.server_key.expose(),
        ))?;
        Ok(())
    }

    fn validate(
        &self,
        _: &SessionData,
        _: &Context<'_>,
        _: &mut Validate<'_>,
    ) -> Result<(), ValidationError> {
        self.proved.store(true, Ordering::Relaxed);
        Ok(())
    }
}
