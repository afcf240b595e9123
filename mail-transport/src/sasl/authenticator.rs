use std::future::Future;

use mailwire_core::Secret;
use rustls::pki_types::CertificateDer;

use super::{DEFAULT_ITERATIONS, Mechanism, StoredPassword, stored};

/// The mechanisms that a password is enough for: what an [`Authenticator`] offers unless it says otherwise.
pub const DEFAULT_MECHANISMS: [Mechanism; 6] = [
    Mechanism::ScramSha256Plus,
    Mechanism::ScramSha256,
    Mechanism::ScramSha1Plus,
    Mechanism::ScramSha1,
    Mechanism::Plain,
    Mechanism::Login,
];

/// The user store of a server. An application implements what it has; the defaults
/// know nobody.
///
/// Users that do not exist and passwords that are wrong get the same answers for the same work, as
/// long as [`lookup`](Self::lookup) itself takes as long for both.
pub trait Authenticator: Send + Sync {
    /// Returns the mechanisms to offer, where the channel allows them: by default [`DEFAULT_MECHANISMS`].
    fn mechanisms(&self) -> &[Mechanism] {
        &DEFAULT_MECHANISMS
    }

    /// Looks up what is stored of a user's password; `None` if there is no such user.
    fn lookup(&self, user: &str) -> impl Future<Output = Result<Option<StoredPassword>, Unavailable>> + Send {
        let _ = user;
        async { Ok(None) }
    }

    /// Checks whether this is the user's password, for mechanisms and commands that show it. To be
    /// implemented where passwords are checked elsewhere (LDAP, PAM): by default it is compared with
    /// what [`lookup`](Self::lookup) gives.
    fn verify_password(
        &self,
        user: &str,
        password: &Secret,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send {
        async move {
            let found = self.lookup(user).await?;
            let known = found.is_some();
            let stored = found
                .unwrap_or_else(|| StoredPassword::decoy(user, &self.decoy_key(), self.decoy_iterations()));
            let password = password.clone();
            // Hashing is meant to be slow; it must not hold up other connections.
            let fits = tokio::task::spawn_blocking(move || stored.verify(&password))
                .await
                .map_err(|_| Unavailable)?;
            Ok(fits && known)
        }
    }

    /// Finds the user to whom this token belongs; `None` if it is not valid. `user` is who the client
    /// claims to be, where it says so; a token of somebody else is not valid then.
    fn verify_token(
        &self,
        user: Option<&str>,
        token: &Secret,
    ) -> impl Future<Output = Result<Option<String>, Unavailable>> + Send {
        let _ = (user, token);
        async { Ok(None) }
    }

    /// Finds the user to whom these certificates belong, verified already, the client's own first. Empty
    /// if the client is known by other means.
    fn verify_external(
        &self,
        certificates: &[CertificateDer<'static>],
        acting_as: Option<&str>,
    ) -> impl Future<Output = Result<Option<String>, Unavailable>> + Send {
        let _ = (certificates, acting_as);
        async { Ok(None) }
    }

    /// Returns the user as whom anonymous clients act; `None` if there is none.
    fn anonymous(&self, trace: &str) -> impl Future<Output = Result<Option<String>, Unavailable>> + Send {
        let _ = trace;
        async { Ok(None) }
    }

    /// Whether a user may act as another. Everybody may act as oneself; that is not asked.
    fn may_act_as(&self, user: &str, other: &str) -> impl Future<Output = Result<bool, Unavailable>> + Send {
        let _ = (user, other);
        async { Ok(false) }
    }

    /// Returns how often the passwords of this store are hashed, for the users that do not exist.
    fn decoy_iterations(&self) -> u32 {
        DEFAULT_ITERATIONS
    }

    /// Returns the key from which the salts of users that do not exist are made, at most 64 bytes of it. By default
    /// random, as long as the process lives; a server that is restarted often, or runs on several
    /// machines, has one that is stored.
    fn decoy_key(&self) -> Secret {
        stored::process_key()
    }
}

/// The user store cannot answer now. The client is told to come back later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("authentication is not available now")]
pub struct Unavailable;

/// The identity that a client has proved.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user whose credentials were shown.
    pub user: String,
    /// The user as whom that one acts: mostly the same.
    pub acting_as: String,
    /// The mechanism that was used; `None` for a protocol's own command.
    pub mechanism: Option<Mechanism>,
}

impl Identity {
    /// A user who acts as oneself, known by other means than SASL.
    pub fn new(user: impl Into<String>) -> Self {
        let user = user.into();
        Self { acting_as: user.clone(), user, mechanism: None }
    }
}
