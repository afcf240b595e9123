use std::{borrow::Cow, future::Future, net::SocketAddr, sync::Arc};

use mailwire_core::Secret;
use rustls::pki_types::CertificateDer;

use super::{
    CustomServer, DEFAULT_ITERATIONS, DEFAULT_MECHANISMS, Mechanism, OAuthError, StoredPassword,
    hashing::hash, stored,
};
use crate::server::attempts::{Attempt, Attempts};

/// The user store of a server. An application implements what it has; the defaults
/// know nobody.
///
/// Users that do not exist and passwords that are wrong get the same answers for the same work, as
/// long as [`lookup`](Self::lookup) itself takes as long for both. A store to which several spellings
/// are one user says so by [`canonical_name`](Self::canonical_name).
///
/// Every call is told by a [`LoginContext`] who asks, for rules of one's own and for logs. Failed logins
/// are delayed by the server already: see [`LoginLimits`](crate::server::LoginLimits).
pub trait Authenticator: Send + Sync {
    /// Returns the mechanisms to offer, where the channel allows them: by default [`DEFAULT_MECHANISMS`]. What is
    /// neither [spoken](super::SPOKEN) nor one of the application's [own](Self::custom) is not offered.
    fn mechanisms(&self) -> &[Mechanism] {
        &DEFAULT_MECHANISMS
    }

    /// Returns the one spelling under which the store knows a user, whether there is such a user or not:
    /// in lower case, for a store to which `Carol` and `carol` are the same. `user` has gone through SASLprep
    /// ([RFC 4013](https://www.rfc-editor.org/rfc/rfc4013)) already.
    ///
    /// All other calls, failures, and what stands in for users that do not exist go by this spelling. By
    /// default every spelling is a user of its own.
    fn canonical_name<'a>(&self, user: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(user)
    }

    /// Looks up what is stored of a user's password; `None` if there is no such user.
    fn lookup(
        &self,
        user: &str,
        login: &LoginContext,
    ) -> impl Future<Output = Result<Option<StoredPassword>, Unavailable>> + Send {
        let _ = (user, login);
        async { Ok(None) }
    }

    /// Checks whether this is the user's password, for mechanisms and commands that show it. To be
    /// implemented where passwords are checked elsewhere (LDAP, PAM): by default it is compared with
    /// what [`lookup`](Self::lookup) gives.
    fn verify_password(
        &self,
        user: &str,
        password: &Secret,
        login: &LoginContext,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send {
        async move {
            let found = self.lookup(user, login).await?;
            let known = found.is_some();
            let decoy = self.decoy(user);
            let stored = found.unwrap_or(decoy);
            let password = password.clone();
            let fits = hash(move || stored.verify(&password)).await?;
            Ok(fits && known)
        }
    }

    /// Finds the user to whom this token belongs; `None` if it is not valid. `user` is who the client
    /// claims to be, where it says so; a token of somebody else is not valid then.
    fn verify_token(
        &self,
        user: Option<&str>,
        token: &Secret,
        login: &LoginContext,
    ) -> impl Future<Output = Result<Option<String>, Unavailable>> + Send {
        let _ = (user, token, login);
        async { Ok(None) }
    }

    /// As [`verify_token`](Self::verify_token), with what the client is told of a token that is not valid: that it is
    /// not, by default. To be implemented where clients should be told which scope they need, or where tokens are
    /// to be had.
    fn check_token(
        &self,
        user: Option<&str>,
        token: &Secret,
        login: &LoginContext,
    ) -> impl Future<Output = Result<Result<String, OAuthError>, Unavailable>> + Send {
        async move {
            let owner = self.verify_token(user, token, login).await?;
            Ok(owner.ok_or_else(OAuthError::invalid_token))
        }
    }

    /// Returns a user's password as it is, in the form of [SASLprep](https://www.rfc-editor.org/rfc/rfc4013), for CRAM-MD5;
    /// `None` if there is no such user, or the password is stored in another form. It is asked for only if
    /// [`mechanisms`](Self::mechanisms) has that mechanism.
    fn shared_secret(
        &self,
        user: &str,
        login: &LoginContext,
    ) -> impl Future<Output = Result<Option<Secret>, Unavailable>> + Send {
        let _ = (user, login);
        async { Ok(None) }
    }

    /// Begins an exchange by a mechanism of the application's own; `None` if it has none of this name. It is offered if
    /// [`mechanisms`](Self::mechanisms) has its name, where a channel in clear allows it: see
    /// [`Mechanism::hiding_secret`]. This is asked for each offer, too.
    fn custom(&self, mechanism: &Mechanism) -> Option<Box<dyn CustomServer>> {
        let _ = mechanism;
        None
    }

    /// Finds the user to whom these certificates belong, verified already, the client's own first. Empty
    /// if the client is known by other means.
    fn verify_external(
        &self,
        certificates: &[CertificateDer<'static>],
        acting_as: Option<&str>,
        login: &LoginContext,
    ) -> impl Future<Output = Result<Option<String>, Unavailable>> + Send {
        let _ = (certificates, acting_as, login);
        async { Ok(None) }
    }

    /// Returns the user as whom anonymous clients act; `None` if there is none.
    fn anonymous(
        &self,
        trace: &str,
        login: &LoginContext,
    ) -> impl Future<Output = Result<Option<String>, Unavailable>> + Send {
        let _ = (trace, login);
        async { Ok(None) }
    }

    /// Whether a user may act as another. Everybody may act as oneself; that is not asked.
    fn may_act_as(
        &self,
        user: &str,
        other: &str,
        login: &LoginContext,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send {
        let _ = (user, other, login);
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

    /// Returns what stands in for a user that does not exist, by the canonical name. It has to look as
    /// what [`lookup`](Self::lookup) gives of real users: a store whose users have another salt for each hash function, or
    /// longer ones, makes its own. The same name gives the same each time.
    fn decoy(&self, user: &str) -> StoredPassword {
        StoredPassword::decoy(user, &self.decoy_key(), self.decoy_iterations())
    }
}

/// Who asks an [`Authenticator`], and how.
#[non_exhaustive]
#[derive(Debug, Clone, Default)]
pub struct LoginContext {
    /// The client's address; none over a Unix socket.
    pub address: Option<SocketAddr>,
    /// The address of the proxy that told it by the PROXY protocol, if one did.
    pub proxy: Option<SocketAddr>,
    /// The protocol that is spoken, as in the traces: `smtp`, `imap`, `pop3`. Empty if it is not known.
    pub protocol: &'static str,
    /// Whether the connection is protected: by TLS, or because it never leaves the machine.
    pub protected: bool,
    /// The mechanism that is used; `None` for a protocol's own command.
    pub mechanism: Option<Mechanism>,
    attempts: Option<Arc<Attempts>>,
}

impl LoginContext {
    /// A client at an address.
    #[must_use]
    pub fn new(address: Option<SocketAddr>) -> Self {
        Self { address, ..Self::default() }
    }

    /// Counts failed logins here, and delays what comes after them.
    pub(crate) fn with_attempts(mut self, attempts: Arc<Attempts>) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Begins an attempt to log in, as soon as it may be made. What is given is kept until its end is known.
    pub(crate) async fn begin(&self, account: Option<&str>) -> Result<Option<Attempt>, Unavailable> {
        match &self.attempts {
            Some(attempts) => attempts.begin(self.address.map(|peer| peer.ip()), account).await.map(Some),
            None => Ok(None),
        }
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
