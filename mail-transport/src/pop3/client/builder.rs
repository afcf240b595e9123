use mailwire_core::{Channel, Dialect};
use mailwire_pop3::client::{Config, Connection, Timeouts};

use super::{Client, login};
use crate::{
    Endpoint, Result, Stream,
    sasl::{Credentials, Mechanism},
    session::Session,
};

/// A way to log in.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Login {
    /// AUTH (RFC 5034) with this mechanism, even if the server does not list it.
    Sasl(Mechanism),
    /// APOP (RFC 1939 section 7): the password is not shown, but its protection is MD5.
    Apop,
    /// USER and PASS (RFC 1939 section 7): the password is shown, so TLS has to protect it.
    UserPass,
}

/// How a [`Client`] connects and behaves.
///
/// ```no_run
/// # async fn example() -> mailwire_transport::Result<()> {
/// use mailwire_transport::{Endpoint, Security, pop3, sasl::Credentials};
///
/// let endpoint = Endpoint::tcp("127.0.0.1", 1110, Security::plaintext_without_encryption());
/// let client = pop3::Client::builder(endpoint)
///     .allow_clear_credentials()
///     .login(pop3::Login::UserPass)
///     .connect(&Credentials::password("ada", "secret"))
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ClientBuilder {
    endpoint: Endpoint,
    config: Config,
    login: Option<Login>,
}

impl ClientBuilder {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        let times = endpoint.timeouts();
        let mut config = Config::new(endpoint.channel());
        config.timeouts = Timeouts {
            greeting: times.greeting,
            reply: times.command,
            body: times.body,
            // The server deletes messages before it answers QUIT.
            quit: times.body_reply,
        };
        // Here the lines are kept.
        config.limits.listing_lines = 1_000_000;
        Self { endpoint, config, login: None }
    }

    /// Lets passwords and tokens be sent in clear, to be read by whoever is on the way.
    pub const fn allow_clear_credentials(mut self) -> Self {
        self.config.allow_clear_credentials = true;
        self
    }

    /// Logs in this way and no other.
    ///
    /// Without this, the best SASL mechanism that the server lists is used, then APOP, then USER and
    /// PASS; without TLS, APOP comes before mechanisms that show the password. If APOP is refused,
    /// USER and PASS are tried where the password may be shown, as some servers put a timestamp into
    /// their greeting and do not know APOP.
    pub const fn login(mut self, login: Login) -> Self {
        self.login = Some(login);
        self
    }

    /// How exactly the server is held to the grammar. Lenient by default.
    pub const fn dialect(mut self, dialect: Dialect) -> Self {
        self.config.dialect = dialect;
        self
    }

    /// Everything that the state machine can be told: limits, PIPELINING, when CAPA is asked. The
    /// channel is what the endpoint says.
    pub fn configure(mut self, configure: impl FnOnce(&mut Config)) -> Self {
        configure(&mut self.config);
        self
    }

    /// Connects and logs in.
    ///
    /// # Errors
    ///
    /// The connection or the login fails, or the login would show the password in clear.
    pub async fn connect(mut self, credentials: &Credentials) -> Result<Client> {
        self.config.channel = self.endpoint.channel();
        let session = Session::connect(self.endpoint, Connection::new(self.config.clone())).await?;
        log_in(session, &self.config, self.login, credentials).await
    }

    /// The same over a stream that is there: a proxy's tunnel, a pipe in tests. TLS comes on top of
    /// it as the endpoint says, unless the stream has it already.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_over(mut self, stream: Stream, credentials: &Credentials) -> Result<Client> {
        let protected = stream.is_tls() || stream.is_unix();
        let stream =
            if self.endpoint.channel() == Channel::Tls && self.endpoint.security().is_tls() && !protected {
                self.endpoint.start_tls(stream).await?
            } else {
                stream
            };
        self.config.channel = match self.endpoint.channel() {
            // A pipe is in clear, whatever the endpoint's address is.
            Channel::Tls if !stream.is_tls() && !stream.is_unix() => Channel::Clear,
            _ if stream.is_tls() => Channel::Tls,
            channel => channel,
        };
        let session = Session::over(stream, self.endpoint, Connection::new(self.config.clone()));
        log_in(session, &self.config, self.login, credentials).await
    }
}

async fn log_in(
    mut session: Session<Connection>,
    config: &Config,
    login: Option<Login>,
    credentials: &Credentials,
) -> Result<Client> {
    login::greet(&mut session).await?;
    login::log_in(&mut session, credentials, login, config.allow_clear_credentials).await?;
    Ok(Client::new(session))
}
