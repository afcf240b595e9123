//! What is examined, and what may be done.

use std::{fmt, time::Duration};

use mailwire_core::setters;

use crate::{
    Protocol, Security, discover,
    discover::{Doubt, Settings},
    sasl::Credentials,
};

/// A server to be examined.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Server {
    /// What it speaks.
    pub protocol: Protocol,
    /// Its host: a name in ASCII.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is to be protected.
    pub security: Security,
    /// Why nobody logs in there before somebody has looked: it was found, and nothing proves that it is the right one.
    pub doubt: Option<Doubt>,
}

impl Server {
    /// A server at the port that is registered for its protocol and protection.
    #[must_use]
    pub fn new(protocol: Protocol, host: impl Into<String>, security: Security) -> Self {
        Self { protocol, host: host.into(), port: security.default_port(protocol), security, doubt: None }
    }

    /// Sets the port.
    #[must_use]
    pub const fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }
}

impl From<&Settings> for Server {
    fn from(settings: &Settings) -> Self {
        let server = Self::new(settings.protocol, settings.host.clone(), settings.security);
        Self { doubt: settings.doubt(), ..server.with_port(settings.port) }
    }
}

/// `mail.example.org:993`.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// What is examined, and what may be done for that. By default nobody logs in and nothing is sent.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Options {
    /// The servers, where they are not to be looked for; the ports of their hosts are examined all the same.
    pub servers: Option<Vec<Server>>,
    /// How servers are looked for.
    pub discovery: discover::Options,
    /// The ports that are examined: 25 of the hosts that take the domain's mail; 465, 587, 143, 993, 110 and 995 of those where
    /// it is read and sent. None leaves it at the servers' own.
    pub ports: Vec<u16>,
    /// How long connecting, the handshake of TLS, and each answer may take: 10 seconds.
    pub timeout: Duration,
    /// The selectors of the DKIM keys that are looked at ([RFC 6376 section
    /// 3.1](https://www.rfc-editor.org/rfc/rfc6376#section-3.1)). None by default: they cannot be found from outside.
    pub selectors: Vec<String>,
    /// Who logs in. Without it nobody does.
    pub credentials: Option<Credentials>,
    /// Whether a message is sent from the address to itself, and waited for. Needs credentials.
    pub send_test: bool,
    /// How long the message is waited for: 5 minutes.
    pub patience: Duration,
    /// After how long a message is slow: 1 minute.
    pub slow: Duration,
    /// How soon the end of a certificate is warned of: 14 days before.
    pub certificate_days: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            servers: None,
            discovery: discover::Options::new(),
            ports: vec![25, 465, 587, 143, 993, 110, 995],
            timeout: Duration::from_secs(10),
            selectors: Vec::new(),
            credentials: None,
            send_test: false,
            patience: Duration::from_secs(300),
            slow: Duration::from_secs(60),
            certificate_days: 14,
        }
    }
}

setters!(Options {
    with_servers(servers: Option<Vec<Server>>),
    with_discovery(discovery: discover::Options),
    with_ports(ports: Vec<u16>),
    with_timeout(timeout: Duration),
    with_selectors(selectors: Vec<String>),
    with_credentials(credentials: Option<Credentials>),
    with_send_test(send_test: bool),
    with_patience(patience: Duration),
    with_slow(slow: Duration),
    with_certificate_days(certificate_days: u32),
});
