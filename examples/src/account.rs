//! Which server, how the connection is protected, and who logs in.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use mailwire_transport::{
    Endpoint, Protocol, Security, Timeouts, imap,
    sasl::{Credentials, Mechanism},
    tls::ClientTls,
};

use crate::Usage;

/// Which server, how the connection is protected, and who logs in. The secret comes from the
/// environment: MAILWIRE_PASSWORD, or MAILWIRE_TOKEN for OAuth.
#[derive(Debug, clap::Args)]
pub struct AccountArguments {
    /// The server: HOST or HOST:PORT; without a port, the standard one for the security
    #[arg(long, value_name = "HOST[:PORT]")]
    pub server: String,
    /// How the connection is protected: `tls` from the first byte, `starttls` before anything else, or
    /// `plaintext`, which everybody on the way can read and change
    #[arg(long, default_value = "tls")]
    pub security: SecurityName,
    /// Trust the certificate authorities in this PEM file, and no others
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// The user who logs in, with MAILWIRE_PASSWORD or MAILWIRE_TOKEN from the environment
    #[arg(long, env = "MAILWIRE_USER")]
    pub user: Option<String>,
    /// Log in by this SASL mechanism and no other, such as PLAIN or SCRAM-SHA-256; without, by the best one that
    /// the server offers. IMAP's own LOGIN, POP3's USER and APOP have these names, too
    #[arg(long, value_name = "NAME", requires = "user")]
    pub mechanism: Option<Mechanism>,
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
    /// Returns the endpoint that is meant.
    ///
    /// # Errors
    ///
    /// The port is not a number, or the certificates cannot be read.
    pub fn endpoint(&self, protocol: Protocol) -> Result<Endpoint> {
        let security = match self.security {
            SecurityName::Tls => Security::implicit_tls(),
            SecurityName::Starttls => Security::required_starttls(),
            SecurityName::Plaintext => Security::plaintext_without_encryption(),
        };
        let mut endpoint = match self.server.rsplit_once(':') {
            // `::1` is a host; `[::1]:993` has a port.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                let port = port.parse().map_err(|_| Usage(format!("--server: not a port: {port}")))?;
                Endpoint::tcp(host.trim_matches(['[', ']']), port, security)
            }
            _ => Endpoint::new(&self.server, protocol, security),
        };
        if let Some(path) = &self.ca {
            let named = || format!("--ca {}", path.display());
            let pem = std::fs::read(path).with_context(named)?;
            let tls =
                ClientTls::with_roots_pem(pem).map_err(|error| Usage(format!("{}: {error}", named())))?;
            endpoint = endpoint.with_tls(tls);
        }
        Ok(endpoint.with_timeouts(Timeouts::interactive()))
    }

    /// Whether credentials may go over the connection as they are.
    #[must_use]
    pub fn allows_clear_credentials(&self) -> bool {
        self.security == SecurityName::Plaintext
    }

    /// Returns the credentials, or none without a user.
    ///
    /// # Errors
    ///
    /// A user without a secret.
    pub fn credentials(&self) -> Result<Option<Credentials>> {
        let Some(user) = &self.user else { return Ok(None) };
        if let Ok(token) = std::env::var("MAILWIRE_TOKEN") {
            return Ok(Some(Credentials::token(user, token)));
        }
        match std::env::var("MAILWIRE_PASSWORD") {
            Ok(password) => Ok(Some(Credentials::password(user, password))),
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
        let mut config = imap::Config::login(self.required_credentials()?);
        config.allow_clear_credentials = self.allows_clear_credentials();
        config.mechanism = self.mechanism.clone().map(|mechanism| match mechanism {
            // Every server has the command; few have the mechanism.
            Mechanism::Login => imap::LoginMechanism::Login,
            mechanism => imap::LoginMechanism::Sasl(mechanism),
        });
        config.identify(program, env!("CARGO_PKG_VERSION"))?;
        Ok(imap::Client::connect_with(self.endpoint(Protocol::Imap)?, config).await?)
    }

    /// Returns the credentials, where there must be some.
    ///
    /// # Errors
    ///
    /// No user, or no secret.
    pub fn required_credentials(&self) -> Result<Credentials> {
        let missing = || Usage("a user is needed: --user or MAILWIRE_USER".into());
        Ok(self.credentials()?.ok_or_else(missing)?)
    }
}
