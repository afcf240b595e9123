//! Exchanges of the application's own.

#[cfg(feature = "client")]
use std::{fmt, sync::Arc};
#[cfg(feature = "server")]
use std::{future::Future, pin::Pin};

use mailwire_core::Secret;

use super::SaslContext;
#[cfg(feature = "server")]
use super::{LoginContext, Unavailable, prepared_name};
#[cfg(feature = "client")]
use super::{Mechanism, SaslError};
#[cfg(feature = "server")]
use crate::server::attempts::Attempt;

/// A mechanism of the application's own, for clients: GSSAPI, NTLM, or what two programs have agreed on.
///
/// [`Credentials::custom`](super::Credentials::custom) logs in by it. Its first message and its steps may take
/// their time, to talk to a ticket server: they run on a thread for that.
///
/// Without TLS it is used only if its name is [known](Mechanism::shows_secret) to show no secret, or
/// [said](Mechanism::hiding_secret) to.
///
/// # Examples
///
/// A mechanism in which the client answers a word with that word and its key, turned round. (A server's side is
/// at [`CustomServer`](super::CustomServer).)
///
/// ```
/// use mailwire_core::Secret;
/// use mailwire_transport::sasl::{
///     ClientExchange, Credentials, Custom, CustomClient, Mechanism, SaslContext, SaslError,
/// };
///
/// struct Mirror {
///     key: String,
///     answered: bool,
/// }
///
/// impl CustomClient for Mirror {
///     fn step(&mut self, challenge: &Secret) -> Result<Secret, SaslError> {
///         let word = std::str::from_utf8(challenge.expose())
///             .map_err(|_| SaslError::Custom("a word that is none".into()))?;
///         self.answered = true;
///         Ok(word.chars().chain(self.key.chars()).rev().collect::<String>().into())
///     }
///
///     fn is_done(&self) -> bool {
///         self.answered
///     }
/// }
///
/// let name = Mechanism::new("X-MIRROR")?;
/// let mirror = Custom::new(name, |_| Ok(Mirror { key: "key".into(), answered: false }));
/// let credentials = Credentials::custom(mirror);
/// let mut exchange = ClientExchange::choose(
///     &credentials,
///     ["PLAIN", "X-MIRROR"],
///     &SaslContext::clear().allow_clear_credentials(true),
/// )?;
/// assert_eq!(exchange.initial()?, None, "the server speaks first");
/// exchange.step(&"word".into())?;
/// exchange.finish(None)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "client")]
#[derive(Clone)]
pub struct Custom {
    mechanism: Mechanism,
    needs_protection: bool,
    needs_binding: bool,
    start: Arc<Start>,
}

#[cfg(feature = "client")]
type Start = dyn Fn(&SaslContext) -> Result<Box<dyn CustomClient>, SaslError> + Send + Sync;

#[cfg(feature = "client")]
impl Custom {
    /// Describes a mechanism of this name, whose exchanges `start` begins, each for one login. The context says
    /// what protects the channel, what can be [bound to](SaslContext::bindings) and which
    /// [service](SaslContext::service) it is of which [host](SaslContext::host).
    ///
    /// A name that ends in `-PLUS` needs something to bind to, as after
    /// [`with_needed_binding`](Self::with_needed_binding).
    pub fn new<C: CustomClient>(
        mechanism: Mechanism,
        start: impl Fn(&SaslContext) -> Result<C, SaslError> + Send + Sync + 'static,
    ) -> Self {
        let needs_binding = mechanism.binds_channel();
        let start = move |context: &SaslContext| {
            start(context).map(|exchange| Box::new(exchange) as Box<dyn CustomClient>)
        };
        Self { mechanism, needs_protection: false, needs_binding, start: Arc::new(start) }
    }

    /// Uses it only over a channel that is protected, even if it shows no secret.
    #[must_use]
    pub const fn with_needed_protection(mut self) -> Self {
        self.needs_protection = true;
        self
    }

    /// Uses it only where TLS has something to bind to.
    #[must_use]
    pub const fn with_needed_binding(mut self) -> Self {
        self.needs_binding = true;
        self
    }

    /// Returns the mechanism's name.
    #[must_use]
    pub const fn mechanism(&self) -> &Mechanism {
        &self.mechanism
    }

    /// Whether it can be used over this channel, whatever it shows.
    pub(super) const fn is_available(&self, context: &SaslContext) -> bool {
        (!self.needs_protection || context.is_protected())
            && (!self.needs_binding || !context.bindings.is_empty())
    }

    pub(super) fn start(&self, context: &SaslContext) -> Result<Box<dyn CustomClient>, SaslError> {
        (self.start)(context)
    }
}

/// Two are one if one is a copy of the other.
#[cfg(feature = "client")]
impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        self.mechanism == other.mechanism
            && (self.needs_protection, self.needs_binding) == (other.needs_protection, other.needs_binding)
            && Arc::ptr_eq(&self.start, &other.start)
    }
}

#[cfg(feature = "client")]
impl Eq for Custom {}

#[cfg(feature = "client")]
impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Custom").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

/// A client's side of one exchange of the application's own: see [`Custom`].
///
/// Its errors are [`SaslError::Custom`], or any other that fits. After one, the exchange is cancelled.
#[cfg(feature = "client")]
pub trait CustomClient: Send + 'static {
    /// Returns the first message, where the client speaks first; by default the server does.
    ///
    /// # Errors
    ///
    /// There can be none.
    fn initial(&mut self) -> Result<Option<Secret>, SaslError> {
        Ok(None)
    }

    /// Answers a challenge.
    ///
    /// # Errors
    ///
    /// The challenge is not one that the mechanism has, or the server is not the one that it claims to be.
    fn step(&mut self, challenge: &Secret) -> Result<Secret, SaslError>;

    /// Whether the server may say now that the login succeeded. Where it may not, the login fails with
    /// [`SaslError::ServerNotVerified`].
    fn is_done(&self) -> bool;
}

/// A server's side of one exchange of the application's own, which
/// [`Authenticator::custom`](super::Authenticator::custom) begins.
///
/// # Examples
///
/// The other side of the mechanism at [`Custom`](super::Custom).
///
/// ```
/// use std::{future::Future, pin::Pin};
///
/// use mailwire_core::Secret;
/// use mailwire_transport::sasl::{Claim, CustomServer, CustomStep, Unavailable};
///
/// struct Mirror {
///     word: String,
/// }
///
/// impl CustomServer for Mirror {
///     fn step<'a>(
///         &'a mut self,
///         response: Option<&'a Secret>,
///         claim: &'a mut Claim,
///     ) -> Pin<Box<dyn Future<Output = Result<CustomStep, Unavailable>> + Send + 'a>> {
///         Box::pin(async move {
///             let Some(response) = response else {
///                 return Ok(CustomStep::Challenge(self.word.as_str().into()));
///             };
///             // Before anything is checked: failed logins delay what comes after them.
///             let user = claim.user("ada").await?;
///             let expected: String = self.word.chars().chain("key".chars()).rev().collect();
///             if *response == Secret::from(expected) {
///                 Ok(CustomStep::success(user))
///             } else {
///                 Ok(CustomStep::Failed)
///             }
///         })
///     }
/// }
/// ```
#[cfg(feature = "server")]
pub trait CustomServer: Send + 'static {
    /// Takes the client's next message. `None` is only the first, where the client has sent no initial response:
    /// what follows is the server's first message, or an empty one where the client speaks first.
    ///
    /// How many steps there may be, and how long each message, is bounded by the protocol's `Limits`.
    ///
    /// # Errors
    ///
    /// What is needed for an answer cannot be had now.
    fn step<'a>(
        &'a mut self,
        response: Option<&'a Secret>,
        claim: &'a mut Claim,
    ) -> Pin<Box<dyn Future<Output = Result<CustomStep, Unavailable>> + Send + 'a>>;
}

/// What a server does next in an exchange of the application's own.
#[cfg(feature = "server")]
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomStep {
    /// Send this, and wait for the client's response.
    Challenge(Secret),
    /// The client has proved who it is.
    Success {
        /// The user, under the name that the authenticator knows.
        user: String,
        /// The user as whom this one wants to act, if it is another;
        /// [`Authenticator::may_act_as`](super::Authenticator::may_act_as) is asked.
        acting_as: Option<String>,
        /// What the client is to be told with it. It is sent as a challenge that the client answers with nothing, as
        /// none of the three protocols can send it with the success.
        data: Option<Secret>,
    },
    /// The client is not who it claims to be, or sent nonsense.
    Failed,
}

#[cfg(feature = "server")]
impl CustomStep {
    /// A success of a user who acts as oneself, with nothing more to be said.
    pub fn success(user: impl Into<String>) -> Self {
        Self::Success { user: user.into(), acting_as: None, data: None }
    }
}

/// What is known of a login by a mechanism of the application's own, and what it counts as.
#[cfg(feature = "server")]
#[derive(Debug)]
pub struct Claim {
    login: LoginContext,
    context: SaslContext,
    attempt: Option<Attempt>,
}

#[cfg(feature = "server")]
impl Claim {
    pub(super) const fn new(login: LoginContext, context: SaslContext, attempt: Option<Attempt>) -> Self {
        Self { login, context, attempt }
    }

    pub(super) fn into_attempt(self) -> Option<Attempt> {
        self.attempt
    }

    /// Who asks, and how.
    #[must_use]
    pub const fn login(&self) -> &LoginContext {
        &self.login
    }

    /// What protects the channel, and what can be bound to.
    #[must_use]
    pub const fn context(&self) -> &SaslContext {
        &self.context
    }

    /// Says as whom the client wants to log in, and waits until that may be tried: failed logins of the account or
    /// from the address delay further ones (see [`LoginLimits`](crate::server::LoginLimits)). To be called as
    /// soon as the name is known, before the client's proof is checked. From then on the exchange counts as a failed
    /// login unless it succeeds. Gives the name, [prepared](prepared_name).
    ///
    /// # Errors
    ///
    /// Too many others wait already.
    pub async fn user(&mut self, name: &str) -> Result<String, Unavailable> {
        let name = prepared_name(name).into_owned();
        self.attempt = self.login.begin(Some(&name)).await?;
        Ok(name)
    }
}
