//! Which server, how the connection is protected, and who logs in.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use mailwire_transport::{
    Account, Address, Endpoint, Protocol, Proxy, Security, Timeouts, imap,
    sasl::{Credentials, Mechanism},
    tls::ClientTls,
};

use crate::{Usage, WireArguments};

/// Which server, how the connection is protected, and who logs in. The secret comes from the
/// environment: MAILWIRE_PASSWORD, or MAILWIRE_TOKEN for OAuth.
#[derive(Debug, clap::Args)]
pub struct AccountArguments {
    /// The server: HOST or HOST:PORT; without a port, the standard one for the security. Or a URL, such as
    /// imaps://anna@mail.example.org, submission://mail.example.org or lmtp+unix:/run/lmtp. A password in it, though
    /// it is possible, is seen by everybody on this machine
    #[arg(long, value_name = "HOST[:PORT]|URL")]
    pub server: String,
    /// How the connection is protected: `tls` from the first byte (as by default), `starttls` before anything else,
    /// or `plaintext`, which everybody on the way can read and change
    #[arg(long)]
    pub security: Option<SecurityName>,
    /// Trust the certificate authorities in this PEM file, and no others
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Connect through this proxy: socks5://HOST:PORT or http://HOST:PORT, with USER:PASSWORD@ before HOST where it asks
    /// for them; `env` is the one that ALL_PROXY names, unless NO_PROXY excepts the server
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,
    /// The user who logs in, with MAILWIRE_PASSWORD or MAILWIRE_TOKEN from the environment
    #[arg(long, env = "MAILWIRE_USER")]
    pub user: Option<String>,
    /// Log in by this SASL mechanism and no other, such as PLAIN or SCRAM-SHA-256; without, by the best one that
    /// the server offers. IMAP's own LOGIN, POP3's USER and APOP have these names, too
    #[arg(long, value_name = "NAME")]
    pub mechanism: Option<Mechanism>,
    #[command(flatten)]
    wire: WireArguments,
}

/// The ways to protect a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SecurityName {
    /// TLS from the first byte.
    Tls,
    /// STARTTLS or STLS, required.
    Starttls,
    /// No protection.
    Plaintext,
}

impl AccountArguments {
    /// Returns the account that is meant, for a program of this protocol.
    ///
    /// # Errors
    ///
    /// The port is not a number, the URL is none or of another protocol, the certificates cannot be read, the
    /// file for what is said cannot be written, or there is a user without a secret.
    pub fn account(&self, protocol: Protocol) -> Result<Account> {
        let mut account = match Account::is_url(&self.server) {
            true => self.url(protocol)?,
            false => Account::new(protocol, self.endpoint(protocol)?)
                .with_allow_clear_credentials(self.security == Some(SecurityName::Plaintext)),
        };
        if let Some(mechanism) = &self.mechanism {
            let name = match (account.protocol(), mechanism.as_str().to_ascii_uppercase().as_str()) {
                // Every server has the command; few have the mechanism.
                (Protocol::Imap, "LOGIN") | (Protocol::Pop3, "USER") => "+LOGIN".to_owned(),
                (Protocol::Pop3, "APOP") => "+APOP".to_owned(),
                (_, name) => name.to_owned(),
            };
            account = account.with_auth(&name)?;
        }
        account = self.logging_in(account)?;
        if let Some(path) = &self.ca {
            let named = || format!("--ca {}", path.display());
            let pem = std::fs::read(path).with_context(named)?;
            let tls =
                ClientTls::with_roots_pem(pem).map_err(|error| Usage(format!("{}: {error}", named())))?;
            account = account.map_endpoint(|endpoint| endpoint.with_tls(tls));
        }
        if let Some(write) = self.wire.open()? {
            account = account.map_endpoint(|endpoint| endpoint.with_wire_log(write));
        }
        let proxy = self.proxy(account.endpoint()).map_err(|error| Usage(format!("--proxy: {error}")))?;
        Ok(account.map_endpoint(|endpoint| endpoint.with_proxy(proxy).with_timeouts(Timeouts::interactive())))
    }

    /// Returns the account that is meant, where somebody must log in.
    ///
    /// # Errors
    ///
    /// Those of [`account`](Self::account), or nobody is to log in.
    pub fn required_account(&self, protocol: Protocol) -> Result<Account> {
        let account = self.account(protocol)?;
        match account.credentials()? {
            Some(_) => Ok(account),
            None => Err(Usage("a user is needed: --user or MAILWIRE_USER".into()).into()),
        }
    }

    /// Returns the mailbox that the URL names, if there is a URL and it names one.
    #[must_use]
    pub fn mailbox(&self) -> Option<String> {
        Account::parse(&self.server).ok()?.mailbox().map(str::to_owned)
    }

    fn proxy(&self, endpoint: &Endpoint) -> Result<Option<Proxy>, mailwire_core::Invalid> {
        match (self.proxy.as_deref(), endpoint.address()) {
            (Some("env"), Address::Tcp { host, .. }) => Proxy::from_environment(host),
            (None | Some("env"), _) => Ok(None),
            (Some(url), _) => Proxy::parse(url).map(Some),
        }
    }

    fn url(&self, protocol: Protocol) -> Result<Account> {
        let usage = |why: &dyn std::fmt::Display| Usage(format!("--server: {why}"));
        let account = Account::parse(&self.server).map_err(|error| usage(&error))?;
        let is_smtp = |protocol| matches!(protocol, Protocol::Smtp | Protocol::Submission | Protocol::Lmtp);
        if account.protocol() != protocol && !(is_smtp(account.protocol()) && is_smtp(protocol)) {
            return Err(usage(&format_args!("{account} is of another protocol")).into());
        }
        if self.security.is_some() {
            return Err(Usage("--security: a URL says it by its scheme, or by ?tls=".into()).into());
        }
        Ok(account)
    }

    fn endpoint(&self, protocol: Protocol) -> Result<Endpoint> {
        let security = match self.security.unwrap_or(SecurityName::Tls) {
            SecurityName::Tls => Security::implicit_tls(),
            SecurityName::Starttls => Security::required_starttls(),
            SecurityName::Plaintext => Security::plaintext_without_encryption(),
        };
        Ok(match self.server.rsplit_once(':') {
            // `::1` is a host; `[::1]:993` has a port.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                let port = port.parse().map_err(|_| Usage(format!("--server: not a port: {port}")))?;
                Endpoint::tcp(host.trim_matches(['[', ']']), port, security)
            }
            _ => Endpoint::new(&self.server, protocol, security),
        })
    }

    /// The account with the user and the secret that are said elsewhere than in a URL.
    fn logging_in(&self, mut account: Account) -> Result<Account> {
        match (&self.user, account.user()) {
            (Some(user), Some(other)) if user != other => {
                return Err(Usage(format!("--user {user}: the URL says {other}")).into());
            }
            (Some(user), None) => account = account.with_user(user),
            _ => {}
        }
        let Some(user) = account.user().filter(|_| !account.has_password()) else { return Ok(account) };
        if let Ok(token) = std::env::var("MAILWIRE_TOKEN") {
            let credentials = Credentials::token(user, token);
            return Ok(account.with_credentials(credentials));
        }
        if let Ok(password) = std::env::var("MAILWIRE_PASSWORD") {
            return Ok(account.with_password(password));
        }
        match account.credentials() {
            // Of a certificate, or of nobody.
            Ok(_) => Ok(account),
            Err(_) => {
                let missing = format!("set MAILWIRE_PASSWORD or MAILWIRE_TOKEN for the user {user}");
                Err(Usage(missing).into())
            }
        }
    }

    /// Logs in by IMAP, as `program`.
    ///
    /// # Errors
    ///
    /// The arguments do not fit, there is no connection, or the login fails.
    pub async fn imap(&self, program: &str) -> Result<imap::Client> {
        let account = self.required_account(Protocol::Imap)?;
        let mut config = imap::Config::try_from(&account)?;
        config.identify(program, env!("CARGO_PKG_VERSION"))?;
        Ok(imap::Client::connect_with(account.into_endpoint(), config).await?)
    }
}
