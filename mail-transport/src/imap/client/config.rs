use std::time::Duration;

use mailwire_core::{Channel, Dialect, Invalid, setters};
use mailwire_imap::{
    Limits,
    client::{Config as MachineConfig, Profile},
    command::AString,
    extensions::inprogress::Progress,
};

use super::inbox::ProgressHook;
use crate::{
    Endpoint,
    sasl::{Credentials, DEFAULT_MAX_ITERATIONS, Mechanism},
};

/// A way to log in.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LoginMechanism {
    /// AUTHENTICATE with this mechanism.
    Sasl(Mechanism),
    /// LOGIN: the password is shown, so TLS has to protect it.
    Login,
}

/// The configuration of a [`Client`](super::Client), beyond what its [`Endpoint`] says.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> mailwire_transport::Result<()> {
/// use std::time::Duration;
/// use mailwire_transport::{Endpoint, Protocol, Security, imap, sasl::Credentials};
///
/// let endpoint = Endpoint::new("imap.example.org", Protocol::Imap, Security::implicit_tls());
/// let mut config = imap::Config::login(Credentials::password("ada", "secret"));
/// config.idle_interval = Duration::from_secs(5 * 60);
/// config.identify("example", "1.0")?;
/// let client = imap::Client::connect_with(endpoint, config).await?;
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The credentials to log in with. Without, nobody logs in: for servers that greet with PREAUTH, and to ask what a
    /// server offers.
    pub credentials: Option<Credentials>,
    /// The only way to log in. Without, the best SASL mechanism that the server offers is used, and
    /// LOGIN if it offers none that fits and does not refuse LOGIN.
    pub mechanism: Option<LoginMechanism>,
    /// Send credentials without TLS, readable by everyone on the way.
    pub allow_clear_credentials: bool,
    /// The fields of the ID that is sent right after the login, if the server knows ID ([RFC 2971](https://www.rfc-editor.org/rfc/rfc2971)). Some servers,
    /// such as those of 163 and 126, refuse SELECT without it. See [`identify`](Self::identify).
    pub identity: Option<Vec<(AString, Option<AString>)>>,
    /// Send the first message of a SASL exchange with its command where the server offers SASL-IR: some
    /// offer it and fail at it.
    pub initial_response: bool,
    /// Send literals without waiting for the server where it offers LITERAL+ or LITERAL-.
    pub non_synchronizing_literals: bool,
    /// The time after which an IDLE is ended and begun anew. Never longer than 29 minutes
    /// ([RFC 9051 section 6.3.13](https://www.rfc-editor.org/rfc/rfc9051#section-6.3.13)); shorter where something between the peers forgets idle connections.
    pub idle_interval: Duration,
    /// The number of updates that are kept for [`Client::updates`](super::Client::updates).
    pub updates: usize,
    /// The bytes of memory that those updates take at most: 1 MiB by default.
    pub update_bytes: usize,
    /// The bytes of memory that one call collects at most, of mailboxes, flags, numbers: 64 MiB by
    /// default. A call that brings more fails with [`LimitExceeded`](mailwire_core::Error::LimitExceeded), and
    /// the connection ends.
    pub collected: usize,
    /// The number of items that one call collects at most: mailboxes of LIST, ranges of SEARCH. 1,000,000 by
    /// default. A call that brings more fails with [`LimitExceeded`](mailwire_core::Error::LimitExceeded), and
    /// the connection ends.
    pub items: usize,
    /// The number of bytes of bodies that one [`FetchedMessage`](super::FetchedMessage) collects. Larger ones are left out of
    /// it: [`Client::fetch_body`](super::Client::fetch_body) is for those.
    pub message_bodies: usize,
    /// The dialect in which the server is read: how exactly it is held to the grammar.
    pub dialect: Dialect,
    /// The bounds on what the server may send.
    pub limits: Limits,
    /// Log in without channel binding where the server offers it and then refuses the bound exchange
    /// (`-PLUS`), as some do that know other bindings. Done only within TLS with a verified certificate,
    /// and without [`mechanism`](Self::mechanism). True by default.
    pub binding_fallback: bool,
    /// The most iterations that a server may ask for in SCRAM: 500,000 by default.
    pub scram_iterations: u32,
    /// What is sent where servers differ. `None`, the default: what is known of the server by what it says.
    pub profile: Option<Profile>,
    pub(super) progress: Option<ProgressHook>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            credentials: None,
            mechanism: None,
            allow_clear_credentials: false,
            identity: None,
            initial_response: true,
            non_synchronizing_literals: true,
            idle_interval: Duration::from_secs(14 * 60),
            updates: 4096,
            update_bytes: 1 << 20,
            collected: 64 << 20,
            items: 1_000_000,
            message_bodies: 64 << 20,
            dialect: Dialect::default(),
            limits: Limits::client(),
            binding_fallback: true,
            scram_iterations: DEFAULT_MAX_ITERATIONS,
            profile: None,
            progress: None,
        }
    }
}

impl Config {
    /// A configuration without a login.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A configuration to log in with `credentials`, unless the server greets with PREAUTH.
    #[must_use]
    pub fn login(credentials: Credentials) -> Self {
        Self { credentials: Some(credentials), ..Self::default() }
    }

    /// Has the client send ID with this name and version.
    ///
    /// # Errors
    ///
    /// There is a NUL, CR or LF in them.
    #[inline]
    pub fn identify(&mut self, name: &str, version: &str) -> Result<(), Invalid> {
        self.identity = Some(vec![
            (AString::new("name")?, Some(AString::new(name)?)),
            (AString::new("version")?, Some(AString::new(version)?)),
        ]);
        Ok(())
    }

    /// Has `hear` told how far a call has come while it runs, by servers that say so
    /// ([RFC 9585](https://www.rfc-editor.org/rfc/rfc9585)). The numbers are the server's, and good for showing
    /// only. It is called within the call, and should return at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_transport::imap::Config;
    ///
    /// let config = Config::anonymous().with_progress(|progress| match progress.count {
    ///     Some(count) => println!("{} done", count.done),
    ///     None => println!("still at it"),
    /// });
    /// # let _ = config;
    /// ```
    #[must_use]
    pub fn with_progress(mut self, hear: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(ProgressHook::new(hear));
        self
    }

    pub(super) fn machine(&self, endpoint: &Endpoint, channel: Channel) -> MachineConfig {
        let mut seed = [0; 8];
        // Tags that can be guessed are still tags.
        let _ = getrandom::fill(&mut seed);
        let times = endpoint.timeouts();
        let mut config = MachineConfig::new(channel, u64::from_ne_bytes(seed));
        config.dialect = self.dialect;
        config.allow_clear_credentials = self.allow_clear_credentials;
        config.initial_response = self.initial_response;
        config.non_synchronizing_literals = self.non_synchronizing_literals;
        config.profile = self.profile.clone();
        config.limits = self.limits;
        config.timeouts.greeting = times.greeting;
        config.timeouts.command = times.command;
        config.timeouts.idle_renewal = self.idle_interval();
        config
    }

    pub(super) fn idle_interval(&self) -> Duration {
        const LONGEST: Duration = Duration::from_secs(29 * 60);
        self.idle_interval.clamp(Duration::from_millis(10), LONGEST)
    }
}

setters!(Config {
    with_initial_response(initial_response: bool),
    with_non_synchronizing_literals(non_synchronizing_literals: bool),
    with_allow_clear_credentials(allow_clear_credentials: bool),
    with_binding_fallback(binding_fallback: bool),
    with_profile(profile: some Profile),
    with_dialect(dialect: Dialect),
    with_limits(limits: Limits),
});
