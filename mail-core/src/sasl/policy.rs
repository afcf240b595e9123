//! What may go in clear.

use super::Mechanism;
use crate::Misuse;

/// Decides which mechanisms and commands may be used over a stream: the one place for this rule, in
/// all protocols and both roles.
///
/// Over a protected stream everything goes. In clear only what does not show the secret, unless the
/// owner has allowed that by name; a mechanism of which nothing is known counts as showing it.
///
/// ```
/// use mailwire_core::sasl::{Mechanism, Policy};
///
/// let clear = Policy::new(false);
/// assert!(clear.permits(&Mechanism::ScramSha256) && !clear.permits(&Mechanism::Plain));
/// assert!(clear.allow_clear_credentials(true).permits(&Mechanism::Plain));
/// assert!(Policy::new(true).permits(&Mechanism::Plain));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Policy {
    protected: bool,
    allow_clear_credentials: bool,
}

impl Policy {
    /// The policy for a stream; `protected` if nobody can listen to it: within TLS, or where it never
    /// leaves the machine.
    #[must_use]
    pub const fn new(protected: bool) -> Self {
        Self { protected, allow_clear_credentials: false }
    }

    /// Sets whether passwords and tokens may go in clear. Whoever is on the way can then read them.
    #[must_use]
    pub const fn allow_clear_credentials(mut self, allow: bool) -> Self {
        self.allow_clear_credentials = allow;
        self
    }

    /// Whether a password or a token may go over the stream as it is.
    #[must_use]
    pub const fn permits_password(self) -> bool {
        self.protected || self.allow_clear_credentials
    }

    /// Whether a mechanism may be used, by a client, or offered, by a server.
    #[must_use]
    pub fn permits(self, mechanism: &Mechanism) -> bool {
        self.permits_password() || !mechanism.shows_secret()
    }

    /// That a password or a token may go over the stream as it is.
    ///
    /// # Errors
    ///
    /// [`Misuse::CredentialsInClear`].
    pub const fn check_password(self) -> Result<(), Misuse> {
        if self.permits_password() { Ok(()) } else { Err(Misuse::CredentialsInClear) }
    }

    /// That a mechanism may be used.
    ///
    /// # Errors
    ///
    /// [`Misuse::CredentialsInClear`].
    pub fn check(self, mechanism: &Mechanism) -> Result<(), Misuse> {
        if self.permits(mechanism) { Ok(()) } else { Err(Misuse::CredentialsInClear) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_clear_only_what_hides_the_secret() {
        for mechanism in Mechanism::KNOWN.iter().chain(&[Mechanism::new("X-OTHER").unwrap()]) {
            assert_eq!(Policy::new(false).permits(mechanism), !mechanism.shows_secret());
            assert_eq!(Policy::new(false).check(mechanism).is_ok(), !mechanism.shows_secret());
            assert!(Policy::new(true).permits(mechanism));
            assert!(Policy::new(false).allow_clear_credentials(true).permits(mechanism));
        }
        assert_eq!(Policy::new(false).check_password(), Err(Misuse::CredentialsInClear));
        assert_eq!(Policy::new(true).check_password(), Ok(()));
    }
}
