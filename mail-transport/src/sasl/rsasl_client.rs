//! What rsasl says for a client.

use std::sync::Arc;

use mailwire_core::{ParseError, Secret};
use rsasl::{
    callback::{Context, Request, SessionCallback, SessionData},
    mechanisms::scram,
    prelude::{Mechanism as Registered, Mechname, Registry, SASLClient, SASLConfig, Session, SessionError},
    property::{AuthId, AuthzId, OverrideCBType, Password},
    validate::NoValidation,
};

use super::{
    Credentials, Mechanism, SaslContext, SaslError,
    credentials::Kind,
    library::{Binding, registry},
};

/// An exchange of SCRAM that rsasl makes.
pub(super) struct Library(Session<NoValidation, Binding>);

impl Library {
    /// `plus_offered`: the server offers mechanisms that bind to the channel.
    pub(super) fn new(
        credentials: Credentials,
        mechanism: &Mechanism,
        context: &SaslContext,
        plus_offered: bool,
    ) -> Result<Self, SaslError> {
        let callback = Callback {
            credentials,
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
        Ok(Self(session))
    }

    /// The next message, and whether it is the mechanism's last.
    pub(super) fn step(&mut self, input: Option<&[u8]>) -> Result<(Secret, bool), SaslError> {
        let mut out = Wiped(Vec::new());
        let step = self.0.step(input, &mut out.0).map_err(|error| match error {
            SessionError::MutualAuthenticationFailed => SaslError::ServerNotVerified,
            _ if input.is_none() => SaslError::InvalidCredentials("the mechanism does not take them"),
            _ => SaslError::Malformed(ParseError::new(0, "the mechanism does not take it")),
        })?;
        Ok((std::mem::take(&mut out.0).into(), step.is_finished()))
    }
}

/// What a mechanism writes, zeroed if it fails in the middle.
struct Wiped(Vec<u8>);

impl Drop for Wiped {
    fn drop(&mut self) {
        drop(Secret::from(std::mem::take(&mut self.0)));
    }
}

fn registry(mechanism: &Mechanism) -> Option<&'static [Registered]> {
    Some(match mechanism {
        Mechanism::ScramSha512Plus => registry!(scram::SCRAM_SHA512_PLUS),
        Mechanism::ScramSha512 => registry!(scram::SCRAM_SHA512),
        Mechanism::ScramSha256Plus => registry!(scram::SCRAM_SHA256_PLUS),
        Mechanism::ScramSha256 => registry!(scram::SCRAM_SHA256),
        Mechanism::ScramSha1Plus => registry!(scram::SCRAM_SHA1_PLUS),
        Mechanism::ScramSha1 => registry!(scram::SCRAM_SHA1),
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
        _: &SessionData,
        _: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        if let Some(name) = self.binding_type {
            request.satisfy::<OverrideCBType>(name)?;
        }
        let acting_as = self.credentials.acting_as.as_deref();
        if let Kind::Password { user, password } = &self.credentials.kind {
            request.satisfy::<AuthId>(user)?.satisfy::<Password>(password.expose())?;
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
