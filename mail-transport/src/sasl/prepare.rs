//! What both roles give to rsasl.

use mailwire_core::Secret;
use rsasl::prelude::ChannelBindingCallback;

use super::SaslError;
use crate::tls::ChannelBindings;

/// Puts a password into the one form that SASLprep has for it ([RFC 4013](https://www.rfc-editor.org/rfc/rfc4013)), as
/// [RFC 5802 section 5.1](https://www.rfc-editor.org/rfc/rfc5802#section-5.1) asks for.
///
/// # Errors
///
/// The password is empty or has characters that passwords must not have. What is not UTF-8 is left
/// as it is.
pub fn prepared_password(password: &Secret) -> Result<Secret, SaslError> {
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

/// Puts a user's name into the one form that SASLprep has for it
/// ([RFC 4013](https://www.rfc-editor.org/rfc/rfc4013)), as is done before an
/// [`Authenticator`](super::Authenticator) is asked: a store that keeps names keeps them so. A name that has
/// characters which names must not have stays as it is.
///
/// ```
/// use mailwire_transport::sasl::prepared_name;
///
/// assert_eq!(prepared_name("ca\u{ad}rol"), "carol", "a soft hyphen is nothing");
/// assert_eq!(prepared_name("\u{2168}"), "IX", "a Roman numeral is its letters");
/// ```
#[cfg(feature = "server")]
#[must_use]
pub fn prepared_name(user: &str) -> std::borrow::Cow<'_, str> {
    stringprep::saslprep(user).unwrap_or(std::borrow::Cow::Borrowed(user))
}

/// The name under which a store knows a user: prepared, and in the store's own spelling.
#[cfg(feature = "server")]
pub(crate) fn canonical(authenticator: &impl super::Authenticator, user: &str) -> String {
    authenticator.canonical_name(&prepared_name(user)).into_owned()
}

/// What ANONYMOUS can carry ([RFC 4505 sections 2 and 3](https://www.rfc-editor.org/rfc/rfc4505#section-2)): an address,
/// or up to 255 characters without `@`; none of them controls anything.
///
/// ```abnf
/// message = [ email / token ]
/// token   = 1*255TCHAR
/// ```
pub(super) fn check_trace(trace: &str) -> Result<(), &'static str> {
    if trace.chars().any(char::is_control) {
        Err("a control character in a trace")
    } else if !trace.contains('@') && trace.chars().count() > 255 {
        Err("a trace of more than 255 characters")
    } else {
        Ok(())
    }
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
