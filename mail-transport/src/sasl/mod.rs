//! Authentication by SASL ([RFC 4422](https://www.rfc-editor.org/rfc/rfc4422)), in both roles.
//!
//! The three protocols carry the messages of a mechanism in their own way; what is in them is made
//! and read here. The proofs of SCRAM are rsasl's, and each of its messages is checked against the grammar before rsasl
//! sees it. An application brings mechanisms of its own: [`Custom`] and [`CustomServer`]. How far each goes is at
//! [`support::MECHANISMS`], in which order a client chooses at [`ClientExchange::choose`].
//!
//! Without the feature `scram`, which is a default one as `oauth` is, clients have what needs no hash function: PLAIN, LOGIN,
//! EXTERNAL, ANONYMOUS and those of the application, and with `oauth` OAUTHBEARER and XOAUTH2. A server has all of them.
//!
//! Names and passwords are put into one form by [`prepared_name`] and [`prepared_password`] where both sides have to hash
//! the same. Credentials are given, or [asked for](Credentials::provided) at each login.
//!
//! # What it costs
//!
//! A peer can ask for no more than this: the messages of an exchange, and their lengths, are bounded by the `Limits` of
//! each protocol; the iterations of SCRAM by [`SaslContext::with_max_iterations`], and a client refuses less than 4096;
//! slow hashing and exchanges of the application's own run on threads for blocking work. A server takes as long for users
//! that do not exist, shows salts and iterations of them that stay the same, and delays logins after failures.
//!
//! A client:
//!
//! ```
//! use mailwire_core::SaslStep;
//! use mailwire_transport::sasl::{ClientExchange, Credentials, SaslContext};
//!
//! let credentials = Credentials::password("tim", "tanstaaf");
//! // `SaslContext::of(&stream)` says what protects the channel.
//! let context = SaslContext::clear().allow_clear_credentials(true);
//! let mut exchange = ClientExchange::choose(&credentials, ["LOGIN", "PLAIN"], &context)?;
//! assert_eq!(exchange.mechanism().as_str(), "PLAIN");
//! let initial = exchange.initial()?.expect("the client goes first");
//! assert_eq!(initial.expose(), b"\0tim\0tanstaaf");
//! // The server's challenges go to `exchange.step(..)`. When the protocol says that it succeeded:
//! exchange.finish(None)?;
//! # Ok::<(), mailwire_transport::sasl::SaslError>(())
//! ```

#[cfg(feature = "server")]
mod authenticator;
#[cfg(any(feature = "client", feature = "server"))]
mod bearer;
#[cfg(feature = "client")]
mod client;
#[cfg(all(feature = "scram", any(feature = "client", feature = "server")))]
mod cram_md5;
#[cfg(feature = "client")]
mod credentials;
#[cfg(any(feature = "client", feature = "server"))]
mod custom;
#[cfg(all(feature = "scram", feature = "client"))]
mod digest_md5;
#[cfg(feature = "server")]
mod hashing;
#[cfg(all(feature = "scram", any(feature = "client", feature = "server")))]
mod library;
mod mechanism;
#[cfg(feature = "oauth")]
mod oauth;
#[cfg(all(any(feature = "scram", feature = "pop3"), any(feature = "client", feature = "server")))]
pub(crate) mod prepare;
#[cfg(all(feature = "client", feature = "oauth"))]
mod provider;
#[cfg(all(feature = "scram", feature = "client"))]
mod rsasl_client;
#[cfg(feature = "server")]
mod rsasl_server;
#[cfg(all(feature = "scram", any(feature = "client", feature = "server")))]
mod scram;
#[cfg(feature = "server")]
mod server;
#[cfg(any(feature = "client", feature = "server"))]
mod simple;
#[cfg(feature = "server")]
mod stored;
pub mod support;

#[cfg(feature = "server")]
pub use authenticator::{Authenticator, Identity, LoginContext, Unavailable};
#[cfg(feature = "client")]
pub use client::ClientExchange;
#[cfg(feature = "client")]
pub use credentials::Credentials;
#[cfg(feature = "server")]
pub use custom::{Claim, CustomServer, CustomStep};
#[cfg(feature = "client")]
pub use custom::{Custom, CustomClient};
pub use mailwire_core::sasl::Mechanism;
#[cfg(feature = "client")]
pub(crate) use mechanism::DEFAULT_MAX_ITERATIONS;
pub use mechanism::{DEFAULT_MECHANISMS, SPOKEN, SaslContext};
#[cfg(feature = "oauth")]
pub use oauth::OAuthError;
#[cfg(all(any(feature = "scram", feature = "pop3"), any(feature = "client", feature = "server")))]
pub use prepare::{prepared_name, prepared_password};
#[cfg(all(feature = "client", feature = "oauth"))]
pub use provider::{CredentialsRequest, NoCredentials};
#[cfg(feature = "server")]
pub use server::{ServerExchange, ServerStep};
#[cfg(feature = "server")]
pub use stored::{DEFAULT_ITERATIONS, ScramKeys, StoredPassword};

use mailwire_core::{ParseError, Text};

/// The name of a deviation: the server offers an exchange that is bound to the TLS channel (`-PLUS`) and
/// refused it; the client has logged in without binding.
#[cfg(feature = "client")]
pub const UNBOUND_AFTER_REFUSAL: &str = "unbound-after-refusal";

/// The reason why an exchange cannot go on. None holds a byte of a secret.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    /// The peer offers no mechanism that can carry these credentials.
    #[error("{}", NoMechanism { offered, needs_tls: *needs_tls })]
    NoMechanism {
        /// The mechanisms that are offered.
        offered: Text,
        /// Whether the server forbids logins without TLS, or may offer more within it.
        needs_tls: bool,
    },
    /// All mechanisms that fit would show the credentials to whoever is on the way.
    #[error("refused to send credentials without TLS, and no mechanism is offered that hides them")]
    CredentialsInClear,
    /// The credentials cannot be carried: a NUL in a password, nothing where something must be.
    #[error("these credentials cannot be sent: {0}")]
    InvalidCredentials(&'static str),
    /// The peer's message is not one of the mechanism. Where only the whole of it is known to be wrong,
    /// the offset is 0.
    #[error("not a message of the mechanism: {0}")]
    Malformed(ParseError),
    /// The server asks for so few iterations that the password could be guessed from the exchange,
    /// or for so many that computing them harms the client.
    #[error("the server asks for {0} iterations, which is out of bounds")]
    Iterations(u64),
    /// The server asked for more when the mechanism was at its end.
    #[error("a challenge that the mechanism does not have")]
    UnexpectedChallenge,
    /// The server claims success without having proved that it knows the password: it is not the
    /// server that it claims to be ([RFC 5802 section 5](https://www.rfc-editor.org/rfc/rfc5802#section-5)).
    #[error("the server did not prove that it knows the password")]
    ServerNotVerified,
    /// The server says, within the mechanism, what it does not like.
    #[error("the server refused: {0}")]
    ServerError(Text),
    /// The mechanism is not to be had over this channel.
    #[error("{0} is not available over this channel")]
    NotAvailable(Mechanism),
    /// This is one of the mechanisms that prove a password by a hash, and the program is built without the feature
    /// `scram`.
    #[error("{0} needs mailwire-transport's feature scram, which is off")]
    NeedsScram(Mechanism),
    /// An exchange of the [application's own](Custom) cannot go on.
    #[error("{0}")]
    Custom(Text),
    /// Whoever was [asked for credentials](Credentials::provided) has none.
    #[cfg(all(feature = "client", feature = "oauth"))]
    #[error(transparent)]
    NoCredentials(NoCredentials),
    /// The exchange is over, or was broken off.
    #[error("the exchange is over")]
    Ended,
}

impl SaslError {
    /// Whether the server, within the mechanism, does not accept the credentials
    /// ([RFC 5802 section 7](https://www.rfc-editor.org/rfc/rfc5802#section-7)).
    #[must_use]
    pub fn is_authentication(&self) -> bool {
        match self {
            Self::ServerError(words) => {
                matches!(words.as_bytes(), b"invalid-proof" | b"unknown-user" | b"invalid-username-encoding")
            }
            _ => false,
        }
    }

    /// Whether the same login may succeed later: there are no credentials now.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            #[cfg(all(feature = "client", feature = "oauth"))]
            Self::NoCredentials(error) => error.is_transient,
            _ => false,
        }
    }

    /// Adds that this server forbids logins without TLS, or may offer more within it.
    #[cfg(feature = "client")]
    pub(crate) fn needing_tls(self, needs: bool) -> Self {
        match self {
            Self::NoMechanism { offered, needs_tls } => {
                Self::NoMechanism { offered, needs_tls: needs_tls || needs }
            }
            error => error,
        }
    }
}

/// Shows [`SaslError::NoMechanism`].
struct NoMechanism<'a> {
    offered: &'a Text,
    needs_tls: bool,
}

impl std::fmt::Display for NoMechanism<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no mechanism is offered that fits the credentials (offered: ")?;
        if self.offered.is_empty() {
            f.write_str("none)")?
        } else {
            write!(f, "{})", self.offered)?
        }
        f.write_str(if self.needs_tls { "; the server may take logins only within TLS" } else { "" })?;
        let has_scram = self.offered.as_bytes().windows(5).any(|name| name == b"SCRAM");
        // Nobody finds out by himself that it is there, and not built in.
        match has_scram && !cfg!(feature = "scram") {
            true => f.write_str("; SCRAM needs mailwire-transport's feature scram, which is off"),
            false => Ok(()),
        }
    }
}
