//! What the programs share: naming a server, credentials from the environment, progress.

use std::{
    io::IsTerminal,
    path::PathBuf,
    process::{ExitCode, Termination},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use mailwire_transport::{Endpoint, Protocol, Security, Timeouts, sasl::Credentials, tls::ClientTls};

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
    /// The endpoint that is meant.
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
                let port = port.parse().with_context(|| format!("not a port: {port}"))?;
                Endpoint::tcp(host.trim_matches(['[', ']']), port, security)
            }
            _ => Endpoint::new(&self.server, protocol, security),
        };
        if let Some(path) = &self.ca {
            let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            endpoint = endpoint.with_tls(ClientTls::with_roots_pem(pem)?);
        }
        Ok(endpoint.with_timeouts(Timeouts::interactive()))
    }

    /// Whether credentials may go over the connection as they are.
    #[must_use]
    pub fn allows_clear_credentials(&self) -> bool {
        self.security == SecurityName::Plaintext
    }

    /// The credentials, or none without a user.
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
            Err(_) => bail!("set MAILWIRE_PASSWORD or MAILWIRE_TOKEN for the user {user}"),
        }
    }

    /// The credentials, where there must be some.
    ///
    /// # Errors
    ///
    /// No user, or no secret.
    pub fn required_credentials(&self) -> Result<Credentials> {
        self.credentials()?.context("a user is needed: --user or MAILWIRE_USER")
    }
}

/// The exit status of a program that came to this. An error is told in a line that begins with the
/// program's name: `env!("CARGO_BIN_NAME")`.
#[must_use]
pub fn exit_code(program: &str, result: Result<impl Termination>) -> ExitCode {
    match result {
        Ok(result) => result.report(),
        Err(error) => {
            eprintln!("{program}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A progress bar over so many bytes: shown only on a terminal, and only if the work takes a while.
#[must_use]
pub fn progress(bytes: u64, what: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(bytes).with_style(style).with_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The examples of READMEs that no crate's own tests compile.
#[cfg(doctest)]
mod readmes {
    #[doc = include_str!("../../mail-core/README.md")]
    struct Core;
    #[doc = include_str!("../../mail-transport/README.md")]
    struct Transport;
}
