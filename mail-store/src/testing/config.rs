//! What can be chosen.

use std::time::Duration;

use mailwire_core::{Dialect, Secret};
use mailwire_smtp::{Domain, Host};
use mailwire_transport::{
    Protocol, Security, WireLine, WireLog,
    proxy_protocol::Network,
    server::{LoginLimits, ServerLimits},
    tls::ServerTls,
};

use super::Fault;
use crate::memory;

/// What a [`MailServer`](super::MailServer) is to be.
///
/// # Examples
///
/// ```
/// use mailwire_store::testing::{Config, MailServer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::new().with_user("ada", "secret").with_catch_all("ada");
/// let server = MailServer::start_with(config).await?;
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Config {
    /// Names and passwords. Without any, everybody is a user, by any password.
    pub users: Vec<(String, Secret)>,
    /// The user who gets all mail that is for nobody else. Without, it is refused where there are users.
    pub catch_all: Option<String>,
    /// Where to listen. Without any, all protocols listen at free ports of 127.0.0.1, within TLS and with STARTTLS.
    pub listeners: Vec<ListenAt>,
    /// The certificate of the server. Without, it has one for `localhost`, `127.0.0.1`, `::1` and its own name, of an
    /// authority made for it: [`MailServer::authority`](super::MailServer::authority).
    pub tls: Option<ServerTls>,
    /// The name that the servers call themselves: `localhost`.
    pub name: Host,
    /// How exact clients have to be: [`Dialect::Strict`], so that a test finds what other servers refuse.
    pub dialect: Dialect,
    /// What users may have, and which mechanisms are offered to them.
    pub store: memory::Config,
    /// The bounds on what the servers take on. By default they are wide, logins that fail are not delayed, and at a shutdown
    /// clients have 2 seconds. With `None`, each protocol has those that its server has by itself.
    pub limits: Option<ServerLimits>,
    /// How many bytes of messages are [kept to be looked at](super::MailServer::messages), in all: 256 MiB. Beyond it,
    /// the oldest is forgotten.
    pub kept: usize,
    /// The networks whose SMTP clients are believed when they say by XCLIENT or XFORWARD for whom they speak. None.
    pub trusted: Vec<Network>,
    /// What goes wrong. Of more faults that fit a moment, the first happens.
    pub faults: Vec<Fault>,
    /// From what the chances of faults [by odds](Fault::with_odds) are drawn: 0.
    pub seed: u64,
    /// Whether faults can be [injected](super::MailServer::inject) later: true. If not, and there are none, nothing stands
    /// between the servers and their connections.
    pub injectable: bool,
    /// What is shown the lines of all conversations, without secrets and messages.
    pub wire_log: Option<WireLog>,
}

/// One place where a [`MailServer`](super::MailServer) listens.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAt {
    /// What is spoken there.
    pub protocol: Protocol,
    /// How it is protected.
    pub security: Security,
    /// A host and a port, which is any free one if it is 0.
    pub address: String,
    /// With STARTTLS: whether clients may do without.
    pub(super) clear: bool,
}

impl Default for Config {
    fn default() -> Self {
        let mut limits = ServerLimits::default();
        (limits.connections, limits.connections_per_address) = (10_000, 10_000);
        limits.fair_shares = false;
        limits.logins = LoginLimits::without_delays();
        limits.grace = Duration::from_secs(2);
        Self {
            users: Vec::new(),
            catch_all: None,
            listeners: Vec::new(),
            tls: None,
            name: Domain::localhost().into(),
            dialect: Dialect::Strict,
            store: memory::Config::default(),
            limits: Some(limits),
            kept: 256 << 20,
            trusted: Vec::new(),
            faults: Vec::new(),
            seed: 0,
            injectable: true,
            wire_log: None,
        }
    }
}

impl Config {
    /// All protocols on free ports, for everybody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a user: `ada`, who gets mail for `ada` at any domain, or `ada@example.org`, who gets mail for that address.
    /// Nobody else has a mailbox then.
    #[must_use]
    pub fn with_user(mut self, name: impl Into<String>, password: impl Into<Secret>) -> Self {
        self.users.push((name.into(), password.into()));
        self
    }

    /// Gives one of the users all mail that is for nobody else.
    #[must_use]
    pub fn with_catch_all(mut self, user: impl Into<String>) -> Self {
        self.catch_all = Some(user.into());
        self
    }

    /// Listens at `address`, a host and a port, in place of free ports. With port 0, any free port is taken; with STARTTLS,
    /// nobody logs in without.
    #[must_use]
    pub fn with_listener(
        mut self,
        protocol: Protocol,
        security: Security,
        address: impl Into<String>,
    ) -> Self {
        self.listeners.push(ListenAt { protocol, security, address: address.into(), clear: false });
        self
    }

    /// Adds things that go wrong.
    #[must_use]
    pub fn with_faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults.extend(faults);
        self
    }

    /// Believes the SMTP clients in these networks when they say for whom they speak.
    #[must_use]
    pub fn with_trusted(mut self, networks: impl IntoIterator<Item = Network>) -> Self {
        self.trusted.extend(networks);
        self
    }

    /// Shows the lines of all conversations, without secrets and messages:
    /// [`wire_transcript`](mailwire_transport::wire_transcript) writes them to a file.
    #[must_use]
    pub fn with_wire_log(mut self, show: impl Fn(WireLine<'_>) + Send + Sync + 'static) -> Self {
        self.wire_log = Some(WireLog::of_server(show));
        self
    }

    pub(super) fn places(&self) -> Vec<ListenAt> {
        if !self.listeners.is_empty() {
            return self.listeners.clone();
        }
        let protocols =
            [Protocol::Smtp, Protocol::Submission, Protocol::Lmtp, Protocol::Imap, Protocol::Pop3];
        let at = |protocol, security| ListenAt {
            protocol,
            security,
            address: "127.0.0.1:0".into(),
            clear: security != Security::implicit_tls(),
        };
        let securities = [Security::implicit_tls(), Security::required_starttls()];
        protocols.into_iter().flat_map(|protocol| securities.map(|security| at(protocol, security))).collect()
    }
}

mailwire_core::setters!(Config {
    with_tls(tls: some ServerTls),
    with_name(name: Host),
    with_dialect(dialect: Dialect),
    with_store(store: memory::Config),
    with_limits(limits: Option<ServerLimits>),
    with_kept(kept: usize),
    with_seed(seed: u64),
    with_injectable(injectable: bool),
});
