//! A server, and who logs in there, in one URL.
//!
//! ```
//! use mailwire_transport::{Account, Protocol};
//!
//! let account: Account = "imaps://anna:secret@mail.example.org".parse()?;
//! assert_eq!((account.protocol(), account.user()), (Protocol::Imap, Some("anna")));
//! assert_eq!(account.endpoint().address().to_string(), "mail.example.org:993");
//! // What is shown is without the password.
//! assert_eq!(account.to_string(), "imaps://anna@mail.example.org");
//! # Ok::<(), mailwire_core::Invalid>(())
//! ```

mod config;
mod parse;
#[cfg(test)]
mod tests;
mod write;

use std::str::FromStr;

use mailwire_core::{Invalid, Secret};

#[cfg(feature = "proxy")]
pub(crate) use self::parse::authority;
use crate::{
    Endpoint, Protocol, Result,
    sasl::{Credentials, Mechanism, SaslError},
};

/// A server and who logs in there, as one URL says it: what a program keeps in its configuration.
///
/// | part | |
/// | --- | --- |
/// | `smtp:`, `submission:`, `lmtp:`, `imap:`, `pop3:` or `pop:` | STARTTLS, which has to be there |
/// | `smtps:`, `submissions:`, `imaps:`, `pop3s:` | TLS from the first byte |
/// | `lmtp+unix:/path`, and so for each protocol | a Unix socket: `imap+unix:///path`, `imap+unix://anna@/path` |
/// | `//anna:secret@` | who logs in, percent-encoded: `%40` is an `@` in a name. Nobody does without it |
/// | `//anna;AUTH=PLAIN:secret@` | by this SASL mechanism and no other ([RFC 5092](https://www.rfc-editor.org/rfc/rfc5092#section-3.2), [RFC 2384](https://www.rfc-editor.org/rfc/rfc2384#section-4)). With `OAUTHBEARER` and `XOAUTH2` the password is a token. `+APOP` and `+LOGIN` are the commands of POP3 and IMAP, the latter USER and PASS in POP3 |
/// | `mail.example.org`, `192.0.2.1`, `[2001:db8::1]` | the host; an internationalized name as it is, percent-encoded or in A-labels |
/// | `:2525` | the port; without, the registered one |
/// | `/Archive` | a mailbox of IMAP, for programs that take one |
/// | `?tls=starttls`, `?tls=implicit`, `?tls=none` | how the connection is protected, where the scheme has no `s`. `none`: everybody on the way can read and change all |
/// | `?credentials=clear` | lets them be read by everybody on the way, where `tls=none` |
///
/// Without a password in the URL there is one [from elsewhere](Self::with_password). A password in a URL is a password
/// in configuration files, process lists and the history of shells.
///
/// # Examples
///
/// ```no_run
/// # #[cfg(feature = "imap")]
/// # async fn example() -> mailwire_transport::Result<()> {
/// use mailwire_transport::{Account, Timeouts, imap};
///
/// let account: Account = "imap://anna@mail.example.org".parse()?;
/// let account = account
///     .with_password(std::env::var("MAIL_PASSWORD").unwrap_or_default())
///     .map_endpoint(|endpoint| endpoint.with_timeouts(Timeouts::interactive()));
/// let mut client = imap::Client::connect_to(account).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Account {
    protocol: Protocol,
    endpoint: Endpoint,
    user: Option<String>,
    password: Option<Secret>,
    auth: Option<Auth>,
    /// In place of what the URL says.
    credentials: Option<Credentials>,
    mailbox: Option<String>,
    clear_credentials: bool,
}

/// How to log in: `;AUTH=`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Auth {
    Sasl(Mechanism),
    /// `+LOGIN`: the command that shows the password.
    Login,
    /// `+APOP`.
    Apop,
}

impl Auth {
    fn of(protocol: Protocol, name: &str) -> Option<Self> {
        match (protocol, name.to_ascii_uppercase().as_str()) {
            (Protocol::Pop3, "+APOP") => Some(Self::Apop),
            (Protocol::Pop3 | Protocol::Imap, "+LOGIN") => Some(Self::Login),
            _ => Mechanism::new(name).ok().map(Self::Sasl),
        }
    }
}

impl Account {
    /// Makes an account of nobody in particular at this server.
    #[must_use]
    pub const fn new(protocol: Protocol, endpoint: Endpoint) -> Self {
        Self {
            protocol,
            endpoint,
            user: None,
            password: None,
            auth: None,
            credentials: None,
            mailbox: None,
            clear_credentials: false,
        }
    }

    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// It is none of these: where, in bytes, and what was expected there. Nothing of the URL stands in the error.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_transport::Account;
    ///
    /// let error = Account::parse("imaps://anna@example.org:secret@mail.example.org").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "not a valid URL of an account: an @ that is part of a name or password is written %40 (at byte 12)"
    /// );
    /// ```
    pub fn parse(url: &str) -> Result<Self, Invalid> {
        parse::account(url.as_bytes())
            .map_err(|error| Invalid::new("URL of an account", error.offset, error.reason))
    }

    /// Whether a text is meant to be such a URL, and not the name of a host: it has `://` or `+unix:` in it.
    #[must_use]
    pub fn is_url(text: &str) -> bool {
        text.contains("://") || text.contains("+unix:")
    }

    /// Sets who logs in.
    #[must_use]
    pub fn with_user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Sets the password; or the token, if the mechanism is one that takes a token.
    #[must_use]
    pub fn with_password(mut self, password: impl Into<Secret>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Sets other credentials than a user and a password: some that are asked for when they are needed, for instance.
    /// No URL can say them.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Sets the only SASL mechanism to log in by, or `+LOGIN` or `+APOP`: what a URL says after `;AUTH=`.
    ///
    /// # Errors
    ///
    /// It is not the name of a mechanism, or the protocol has no such command.
    pub fn with_auth(mut self, auth: &str) -> Result<Self, Invalid> {
        let invalid = Invalid::new("way to log in", 0, "not a SASL mechanism");
        self.auth = Some(Auth::of(self.protocol, auth).ok_or(invalid)?);
        Ok(self)
    }

    /// Sets the mailbox.
    #[must_use]
    pub fn with_mailbox(mut self, mailbox: impl Into<String>) -> Self {
        self.mailbox = Some(mailbox.into());
        self
    }

    /// Sets whether credentials may go over a connection in clear, readable by everyone on the way.
    #[must_use]
    pub const fn with_allow_clear_credentials(mut self, allow: bool) -> Self {
        self.clear_credentials = allow;
        self
    }

    /// Sets more of the endpoint: TLS, timeouts, a proxy.
    #[must_use]
    pub fn map_endpoint(mut self, change: impl FnOnce(Endpoint) -> Endpoint) -> Self {
        self.endpoint = change(self.endpoint);
        self
    }

    /// Returns the protocol.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Returns the server.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns the server, for a client.
    #[must_use]
    pub fn into_endpoint(self) -> Endpoint {
        self.endpoint
    }

    /// Returns who logs in, if somebody does.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Whether there is a password, or a token.
    #[must_use]
    pub const fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Returns the only SASL mechanism to log in by, if there is one.
    #[must_use]
    pub const fn mechanism(&self) -> Option<&Mechanism> {
        match &self.auth {
            Some(Auth::Sasl(mechanism)) => Some(mechanism),
            _ => None,
        }
    }

    /// Returns the mailbox.
    #[must_use]
    pub fn mailbox(&self) -> Option<&str> {
        self.mailbox.as_deref()
    }

    /// Whether credentials may go over a connection in clear.
    #[must_use]
    pub const fn allows_clear_credentials(&self) -> bool {
        self.clear_credentials
    }

    /// Returns the credentials to log in with: `None` if nobody logs in.
    ///
    /// # Errors
    ///
    /// There is a user, and no password.
    pub fn credentials(&self) -> Result<Option<Credentials>> {
        if self.credentials.is_some() {
            return Ok(self.credentials.clone());
        }
        let secret = |user: &str| match &self.password {
            Some(password) => Ok((user.to_owned(), password.clone())),
            None => Err(SaslError::InvalidCredentials("a user without a password")),
        };
        Ok(match (self.mechanism(), &self.user) {
            (Some(Mechanism::Anonymous), trace) => {
                Some(Credentials::anonymous(trace.as_deref().unwrap_or_default()))
            }
            (Some(Mechanism::External), None) => Some(Credentials::external()),
            (Some(Mechanism::External), Some(user)) => Some(Credentials::external().acting_as(user)),
            (_, None) => None,
            (Some(Mechanism::OAuthBearer | Mechanism::XOAuth2), Some(user)) => {
                let (user, token) = secret(user)?;
                Some(Credentials::token(user, token))
            }
            (_, Some(user)) => {
                let (user, password) = secret(user)?;
                Some(Credentials::password(user, password))
            }
        })
    }
}

impl FromStr for Account {
    type Err = Invalid;

    fn from_str(url: &str) -> Result<Self, Invalid> {
        Self::parse(url)
    }
}

impl TryFrom<&str> for Account {
    type Error = Invalid;

    fn try_from(url: &str) -> Result<Self, Invalid> {
        Self::parse(url)
    }
}

impl TryFrom<String> for Account {
    type Error = Invalid;

    fn try_from(url: String) -> Result<Self, Invalid> {
        Self::parse(&url)
    }
}

impl TryFrom<&String> for Account {
    type Error = Invalid;

    fn try_from(url: &String) -> Result<Self, Invalid> {
        Self::parse(url)
    }
}

impl From<&Self> for Account {
    fn from(account: &Self) -> Self {
        account.clone()
    }
}
