//! Tokens, and credentials that are asked for at each login.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use mailwire_core::{Secret, Text};

use super::{Credentials, SaslError, credentials::Kind};
use crate::Refused;

/// Who is asked for credentials.
#[derive(Clone)]
pub(super) struct Provider(Arc<Ask>);

type Ask = dyn Fn(CredentialsRequest) -> Asking + Send + Sync;
type Asking = Pin<Box<dyn Future<Output = Result<Credentials, NoCredentials>> + Send>>;

/// What credentials are needed for: see [`Credentials::provided`].
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct CredentialsRequest {
    /// The registered name of the service: `smtp`, `imap`, `pop`, `lmtp`.
    pub service: &'static str,
    /// The name of the host; `localhost` over a Unix socket.
    pub host: String,
    /// What the server said of the token that was given for this login. A fresh one is asked for, and only
    /// once. What it [says in JSON](Refused::oauth) tells the scope that is needed.
    pub refused: Option<Box<Refused>>,
}

/// The reason why a provider has no credentials: [`SaslError::NoCredentials`].
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no credentials: {reason}")]
pub struct NoCredentials {
    /// The reason, for people.
    pub reason: Text,
    /// Whether there may be some later: what watches a mailbox then tries again.
    pub is_transient: bool,
}

impl NoCredentials {
    /// There are none, and trying again would not help.
    pub fn new(reason: impl Into<Text>) -> Self {
        Self { reason: reason.into(), is_transient: false }
    }

    /// There are none now: whoever has them does not answer.
    pub fn for_now(reason: impl Into<Text>) -> Self {
        Self { reason: reason.into(), is_transient: true }
    }
}

impl Credentials {
    /// A user's name and an OAuth 2 access token ([RFC 7628](https://www.rfc-editor.org/rfc/rfc7628)).
    pub fn token(user: impl Into<String>, token: impl Into<Secret>) -> Self {
        Kind::Token { user: user.into(), token: token.into() }.into()
    }

    /// Credentials that `ask` is asked for at each login, over each connection: for access tokens, which last an hour,
    /// and passwords that people can change while a program runs. How long it may take is in
    /// [`Timeouts::login`](crate::Timeouts::login).
    ///
    /// Where a server does not take a token because it is [not valid](super::OAuthError::is_invalid_token), or does not
    /// say why, `ask` is asked once more, with the [refusal](CredentialsRequest::refused), and the login is tried once
    /// more if it gives another token.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_transport::{imap, sasl::{Credentials, NoCredentials}};
    ///
    /// # struct Tokens; impl Tokens { async fn cached(&self) -> Option<String> { None }
    /// # async fn renew(&self) -> Result<String, std::io::Error> { Ok(String::new()) } }
    /// # let tokens = std::sync::Arc::new(Tokens);
    /// let credentials = Credentials::provided(move |request| {
    ///     let tokens = tokens.clone();
    ///     async move {
    ///         let token = match tokens.cached().await {
    ///             Some(token) if request.refused.is_none() => token,
    ///             _ => tokens.renew().await.map_err(|error| NoCredentials::for_now(error.to_string()))?,
    ///         };
    ///         Ok(Credentials::token("ada@example.org", token))
    ///     }
    /// });
    /// let config = imap::Config::login(credentials);
    /// ```
    pub fn provided<F>(ask: impl Fn(CredentialsRequest) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Self, NoCredentials>> + Send + 'static,
    {
        Kind::Provider(Provider(Arc::new(move |request| Box::pin(ask(request))))).into()
    }

    /// Whether these are asked for at each login.
    #[must_use]
    pub const fn is_provided(&self) -> bool {
        matches!(self.kind, Kind::Provider(_))
    }

    /// The credentials of this moment, if they have to be asked for.
    pub(crate) async fn ask(&self, request: CredentialsRequest) -> Result<Option<Self>, SaslError> {
        let Kind::Provider(provider) = &self.kind else { return Ok(None) };
        let mut given = provider.0(request).await.map_err(SaslError::NoCredentials)?;
        if given.is_provided() {
            return Err(SaslError::InvalidCredentials("who was asked for them only knows whom to ask"));
        }
        given.acting_as = given.acting_as.or_else(|| self.acting_as.clone());
        given.customs.splice(0..0, self.customs.iter().cloned());
        Ok(Some(given))
    }

    /// Whether these are a token, which another one can be in place of.
    pub(crate) const fn is_token(&self) -> bool {
        matches!(self.kind, Kind::Token { .. })
    }
}

impl PartialEq for Provider {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Provider {}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Provider(..)")
    }
}
