use mailwire_core::Secret;

#[cfg(any(feature = "imap", feature = "pop3"))]
use super::SaslError;
#[cfg(feature = "oauth")]
use super::provider::Provider;
use super::{Custom, Mechanism};

/// The credentials of a client: who it is, and how it proves that.
///
/// # Examples
///
/// ```
/// use mailwire_transport::sasl::Credentials;
///
/// let credentials = Credentials::password("tim", "tanstaaf");
/// assert!(!format!("{credentials:?}").contains("tanstaaf"));
///
/// // An administrator, on behalf of a user.
/// let credentials = Credentials::password("root", "secret").acting_as("tim");
/// assert_eq!(credentials.user(), Some("root"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub(super) kind: Kind,
    pub(super) acting_as: Option<String>,
    /// Mechanisms of the application's own, the best first.
    pub(super) customs: Vec<Custom>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Password {
        user: String,
        password: Secret,
    },
    #[cfg_attr(not(feature = "oauth"), allow(dead_code, reason = "without the feature there are none"))]
    Token {
        user: String,
        token: Secret,
    },
    External,
    Anonymous {
        trace: String,
    },
    /// Nothing but mechanisms of the application's own.
    Custom,
    #[cfg_attr(not(feature = "oauth"), allow(dead_code, reason = "without the feature there is none"))]
    Provider(Provider),
}

/// Without the feature nobody is asked.
#[cfg(not(feature = "oauth"))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Provider {}

impl Credentials {
    /// A user's name and password.
    pub fn password(user: impl Into<String>, password: impl Into<Secret>) -> Self {
        Kind::Password { user: user.into(), password: password.into() }.into()
    }

    /// The client's certificate, which TLS has shown already.
    #[must_use]
    pub fn external() -> Self {
        Kind::External.into()
    }

    /// No user in particular ([RFC 4505](https://www.rfc-editor.org/rfc/rfc4505)). `trace` is for the server's log, often an e-mail address, and may be
    /// empty.
    pub fn anonymous(trace: impl Into<String>) -> Self {
        Kind::Anonymous { trace: trace.into() }.into()
    }

    /// A [mechanism of the application's own](Custom), which knows by itself who it is.
    #[must_use]
    pub fn custom(custom: Custom) -> Self {
        Self::from(Kind::Custom).with_custom(custom)
    }

    /// Adds a [mechanism of the application's own](Custom). It comes before those that these credentials have by
    /// themselves, and after those that were added before: a ticket first, and a password where no server knows of
    /// tickets.
    #[inline]
    #[must_use]
    pub fn with_custom(mut self, custom: Custom) -> Self {
        self.customs.push(custom);
        self
    }

    /// Acts as another user than the one whose credentials these are (the authorization identity).
    #[must_use]
    pub fn acting_as(mut self, user: impl Into<String>) -> Self {
        self.acting_as = Some(user.into());
        self
    }

    /// Returns the user's name, where there is one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match &self.kind {
            Kind::Password { user, .. } | Kind::Token { user, .. } => Some(user),
            Kind::External | Kind::Anonymous { .. } | Kind::Custom | Kind::Provider(_) => None,
        }
    }

    /// Returns the password, if these are a user's name and password: for commands outside SASL, such as
    /// IMAP's LOGIN and POP3's USER and PASS.
    #[must_use]
    pub const fn password_secret(&self) -> Option<&Secret> {
        match &self.kind {
            Kind::Password { password, .. } => Some(password),
            _ => None,
        }
    }

    /// A name and a password and nothing else, for commands that can carry just that: LOGIN, APOP,
    /// USER and PASS.
    #[cfg(any(feature = "imap", feature = "pop3"))]
    pub(crate) fn name_and_password(&self) -> Result<(&str, &Secret), SaslError> {
        match &self.kind {
            Kind::Password { user, password } if self.acting_as.is_none() => Ok((user, password)),
            _ => Err(SaslError::InvalidCredentials("only a name and a password can be")),
        }
    }

    /// Returns the mechanisms that can carry these, in the order in which a client chooses over a channel that is
    /// protected. Those that have to be [asked for by name](super::ClientExchange::with_mechanism) come last.
    #[must_use]
    pub fn mechanisms(&self) -> Vec<Mechanism> {
        let mut mechanisms = self.order(true);
        if cfg!(feature = "scram") && matches!(self.kind, Kind::Password { .. }) {
            mechanisms.push(Mechanism::DigestMd5);
        }
        mechanisms
    }

    /// The mechanisms that a client chooses by itself, the best first. CRAM-MD5 hides the password where somebody
    /// can listen. Where nobody can, servers that keep hashed passwords take PLAIN and fail at CRAM-MD5.
    pub(super) fn order(&self, protected: bool) -> Vec<Mechanism> {
        let customs = self.customs.iter().map(|custom| custom.mechanism().clone());
        let own: &[Mechanism] = match (&self.kind, protected) {
            (Kind::Password { .. }, true) => &[
                Mechanism::ScramSha512Plus,
                Mechanism::ScramSha512,
                Mechanism::ScramSha256Plus,
                Mechanism::ScramSha256,
                Mechanism::ScramSha1Plus,
                Mechanism::ScramSha1,
                Mechanism::Plain,
                Mechanism::Login,
                Mechanism::CramMd5,
            ],
            (Kind::Password { .. }, false) => &[
                Mechanism::ScramSha512,
                Mechanism::ScramSha256,
                Mechanism::ScramSha1,
                Mechanism::CramMd5,
                Mechanism::Plain,
                Mechanism::Login,
            ],
            (Kind::Token { .. }, _) => &[Mechanism::OAuthBearer, Mechanism::XOAuth2],
            (Kind::External, _) => &[Mechanism::External],
            (Kind::Anonymous { .. }, _) => &[Mechanism::Anonymous],
            (Kind::Custom | Kind::Provider(_), _) => &[],
        };
        // These have no place for another identity.
        let carries = |mechanism: &&Mechanism| {
            (self.acting_as.is_none() || !matches!(mechanism, Mechanism::Login | Mechanism::CramMd5))
                && (cfg!(feature = "scram") || !needs_scram(mechanism))
        };
        customs.chain(own.iter().filter(carries).cloned()).collect()
    }

    /// The mechanism of the application's own that has this name.
    pub(super) fn custom_of(&self, mechanism: &Mechanism) -> Option<&Custom> {
        self.customs.iter().find(|custom| custom.mechanism() == mechanism)
    }
}

/// Whether the feature `scram` brings this mechanism.
pub(super) fn needs_scram(mechanism: &Mechanism) -> bool {
    mechanism.is_scram() || matches!(mechanism, Mechanism::CramMd5 | Mechanism::DigestMd5)
}

impl From<Kind> for Credentials {
    fn from(kind: Kind) -> Self {
        Self { kind, acting_as: None, customs: Vec::new() }
    }
}
