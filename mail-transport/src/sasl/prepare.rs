//! What both roles give to rsasl.

use mailwire_core::Secret;
use rsasl::prelude::ChannelBindingCallback;

use super::SaslError;
use crate::tls::ChannelBindings;

/// SASLprep (RFC 4013), as RFC 5802 section 5.1 asks for.
///
/// # Errors
///
/// The password is empty or has characters that passwords must not have. What is not UTF-8 is left
/// as it is.
pub(super) fn prepare(password: &Secret) -> Result<Secret, SaslError> {
    let prepared = match std::str::from_utf8(password.expose()) {
        Ok(text) => match stringprep::saslprep(text) {
            Ok(prepared) => Secret::from(prepared.as_ref()),
            Err(_) => {
                return Err(SaslError::InvalidCredentials("a character that passwords must not have"));
            }
        },
        Err(_) => password.clone(),
    };
    if prepared.is_empty() {
        return Err(SaslError::InvalidCredentials("an empty password"));
    }
    Ok(prepared)
}

pub(super) struct Binding(pub(super) ChannelBindings);

impl ChannelBindingCallback for Binding {
    fn get_cb_data(&self, cbname: &str) -> Option<&[u8]> {
        self.0.get(cbname)
    }
}

/// Those of rsasl's mechanisms, as a registry wants them.
macro_rules! registry {
    ($($mechanism:path),+) => {{
        static REGISTRY: &[rsasl::prelude::Mechanism] = &[$($mechanism),+];
        REGISTRY
    }};
}
pub(super) use registry;
