use mailwire_core::{Channel, Dialect, setters};
use mailwire_pop3::{
    LanguageRange, Limits, Xclient,
    client::{AskCapabilities, Config as MachineConfig},
};

use crate::{
    Endpoint,
    sasl::{Credentials, DEFAULT_MAX_ITERATIONS, Mechanism},
};

/// A way to log in.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LoginMechanism {
    /// AUTH ([RFC 5034](https://www.rfc-editor.org/rfc/rfc5034)) with this mechanism, even if the server does not list it.
    Sasl(Mechanism),
    /// APOP ([RFC 1939 section 7](https://www.rfc-editor.org/rfc/rfc1939#section-7)): the password is not shown, but its protection is MD5.
    Apop,
    /// USER and PASS ([RFC 1939 section 7](https://www.rfc-editor.org/rfc/rfc1939#section-7)): the password is shown, so TLS has to protect it.
    UserPass,
}

/// The configuration of a [`Client`](super::Client), beyond what its [`Endpoint`] says.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> mailwire_transport::Result<()> {
/// use mailwire_transport::{Endpoint, Security, pop3, sasl::Credentials};
///
/// let endpoint = Endpoint::tcp("127.0.0.1", 1110, Security::plaintext_without_encryption());
/// let mut config = pop3::Config::login(Credentials::password("ada", "secret"));
/// config.allow_clear_credentials = true;
/// config.mechanism = Some(pop3::LoginMechanism::UserPass);
/// let client = pop3::Client::connect_with(endpoint, config).await?;
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Config {
    /// The credentials to log in with.
    pub credentials: Credentials,
    /// The only way to log in. Without, the best SASL mechanism that the server lists is used, then
    /// APOP, then USER and PASS; without TLS, APOP comes before mechanisms that show the password.
    /// If APOP is refused, USER and PASS are tried where the password may be shown, as some servers
    /// put a timestamp into their greeting and do not know APOP.
    pub mechanism: Option<LoginMechanism>,
    /// Send credentials without TLS, readable by everyone on the way.
    pub allow_clear_credentials: bool,
    /// Send commands in groups where the server offers PIPELINING: some offer it and fail at it.
    pub pipelining: bool,
    /// Say UTF8 before the login where the server offers it ([RFC 6856 section
    /// 2.1](https://www.rfc-editor.org/rfc/rfc6856#section-2.1)), so that messages come as they are. Otherwise such a
    /// server refuses those with headers beyond ASCII, or sends a poorer one in their place. True by default.
    pub utf8: bool,
    /// The language of the server's texts, asked for before the login where the server offers LANG ([RFC 6856 section
    /// 3](https://www.rfc-editor.org/rfc/rfc6856#section-3)). None by default.
    pub language: Option<LanguageRange>,
    /// For whom this client, a proxy, speaks: told before the login where the server's greeting offers XCLIENT, as
    /// Dovecot's does to clients it trusts. None by default.
    pub xclient: Option<Xclient>,
    /// Ask the server for its capabilities: some end the connection when they hear CAPA.
    pub ask_capabilities: bool,
    /// The dialect in which the server is read: how exactly it is held to the grammar.
    pub dialect: Dialect,
    /// The bounds on what the server may send.
    pub limits: Limits,
    /// The bytes of memory that one listing takes at most: 64 MiB by default. A longer one fails with
    /// [`LimitExceeded`](mailwire_core::Error::LimitExceeded), and the connection ends.
    pub collected: usize,
    /// Log in without channel binding where the server offers it and then refuses the bound exchange
    /// (`-PLUS`), as some do that know other bindings. Done only within TLS with a verified certificate,
    /// and without [`mechanism`](Self::mechanism). True by default.
    pub binding_fallback: bool,
    /// The most iterations that a server may ask for in SCRAM: 500,000 by default.
    pub scram_iterations: u32,
}

impl Config {
    /// A configuration to log in with `credentials`.
    #[must_use]
    pub fn login(credentials: Credentials) -> Self {
        let mut limits = Limits::client();
        // A client keeps the lines of a listing, other than the machine.
        limits.listing_lines = 1_000_000;
        Self {
            credentials,
            mechanism: None,
            allow_clear_credentials: false,
            pipelining: true,
            utf8: true,
            language: None,
            xclient: None,
            ask_capabilities: true,
            dialect: Dialect::default(),
            limits,
            collected: 64 << 20,
            binding_fallback: true,
            scram_iterations: DEFAULT_MAX_ITERATIONS,
        }
    }

    pub(super) fn machine(&self, endpoint: &Endpoint, channel: Channel) -> MachineConfig {
        let times = endpoint.timeouts();
        let mut config = MachineConfig::new(channel);
        config.dialect = self.dialect;
        config.allow_clear_credentials = self.allow_clear_credentials;
        config.pipelining = self.pipelining;
        config.limits = self.limits;
        let timeouts = &mut config.timeouts;
        timeouts.greeting = times.greeting;
        timeouts.command = times.command;
        timeouts.body = times.body;
        // The server deletes messages before it answers QUIT.
        timeouts.quit = times.body_reply;
        if !self.ask_capabilities {
            config.ask_capabilities = AskCapabilities::never();
        }
        config
    }
}

setters!(Config {
    with_binding_fallback(binding_fallback: bool),
    with_pipelining(pipelining: bool),
    with_utf8(utf8: bool),
    with_language(language: some LanguageRange),
    with_xclient(xclient: some Xclient),
    with_ask_capabilities(ask_capabilities: bool),
    with_allow_clear_credentials(allow_clear_credentials: bool),
    with_dialect(dialect: Dialect),
    with_limits(limits: Limits),
});
