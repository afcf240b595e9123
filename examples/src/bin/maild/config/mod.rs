//! What the server is to be: a file in TOML, and what is without one.

mod file;
mod queue;
mod values;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use mailwire_examples::{
    Usage,
    queue::{Limits, Options},
    server::Listen,
};
use mailwire_transport::{
    Account, Protocol,
    proxy_protocol::Network,
    smtp::proto::{Host, extensions::future_release::HoldInterval},
    tls::CertificateFiles,
    tls::ClientTls,
};

use crate::dkim::Signers;

/// What the server is to be.
#[derive(Debug)]
pub(crate) struct Config {
    /// What it calls itself, and what its address should have as its name in DNS.
    pub(crate) name: Host,
    /// The domains whose mail is for its users.
    pub(crate) domains: Vec<String>,
    pub(crate) store: StoreAt,
    /// Whom the database has to be vouched for by, where TLS is spoken with it.
    #[cfg(feature = "postgres")]
    pub(crate) store_tls: Option<ClientTls>,
    /// Whether searches in texts have an index.
    pub(crate) search_index: bool,
    /// How many connections there may be at each place.
    pub(crate) connections: Option<usize>,
    /// The name of files beside the store, or the queue where that is in a database: `.cert.pem` comes after it.
    pub(crate) beside: PathBuf,
    pub(crate) listen: Vec<Listen>,
    /// Where health and metrics are told.
    pub(crate) http: Option<String>,
    /// Without, one is made.
    pub(crate) certificates: Option<CertificateFiles>,
    pub(crate) proxies: Vec<Network>,
    pub(crate) dns: Dns,
    pub(crate) checks: Option<Checks>,
    /// Who signs what users send.
    pub(crate) signers: Signers,
    pub(crate) outgoing: Outgoing,
    pub(crate) queue: QueueAt,
    /// Bytes of messages that are whole in memory at one time.
    pub(crate) memory: usize,
}

/// Where users and their mail are.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum StoreAt {
    Sqlite(PathBuf),
    /// As libpq has it. There may be a password in it.
    #[cfg(feature = "postgres")]
    Postgres(String),
}

impl std::fmt::Debug for StoreAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => f.write_str("Postgres(..)"),
        }
    }
}

/// The queue of what leaves.
#[derive(Debug)]
pub(crate) struct QueueAt {
    pub(crate) file: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) options: Options,
    /// The longest for which users may have their messages held back; `None`: not at all.
    pub(crate) longest_hold: Option<HoldInterval>,
    /// Whether users say which messages go first.
    pub(crate) priorities: bool,
}

/// Who is asked for names; the system's name servers, if none is told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dns {
    pub(crate) servers: Vec<SocketAddr>,
    pub(crate) dnssec: bool,
}

/// What is checked of messages from elsewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checks {
    /// Whether what a domain wants refused is.
    pub(crate) reject: bool,
}

/// Where the mail of users to others goes.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// It is not taken.
    Nowhere,
    /// To the servers of its recipients, at this port.
    Mx(u16),
    SmartHost(Box<Account>, Option<ClientTls>),
}

/// Where it listens if nothing is said: on this machine alone, at ports that anybody may have.
const LISTEN: [(&str, &str); 7] = [
    ("smtp", "127.0.0.1:2525"),
    ("submission", "127.0.0.1:1587"),
    ("submissions", "127.0.0.1:1465"),
    ("imap", "127.0.0.1:1143"),
    ("imaps", "127.0.0.1:1993"),
    ("pop3", "127.0.0.1:1110"),
    ("pop3s", "127.0.0.1:1995"),
];

impl Config {
    /// Reads the file, if there is one. What is said to the program itself takes the place of what is in there.
    pub(crate) fn read(
        path: Option<&Path>,
        store: Option<&StoreAt>,
        listen: &[Listen],
        http: Option<&String>,
    ) -> Result<Self> {
        let mut config = match path {
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
                file::read(path, &text, store)?
            }
            None => file::read(Path::new("maild"), "", store)?,
        };
        if !listen.is_empty() {
            config.listen = listen.to_vec();
            config.http = None;
        }
        if let Some(http) = http {
            config.http = Some(http.clone());
        }
        config.check_lmtp()?;
        Ok(config)
    }

    /// LMTP takes mail from anybody, for anybody here, and checks nothing.
    fn check_lmtp(&self) -> Result<()> {
        for listen in self.listen.iter().filter(|listen| listen.protocol == Protocol::Lmtp) {
            let address = &listen.address;
            let here = ["unix:", "systemd:", "127.", "[::1]:", "localhost:"];
            if !here.iter().any(|start| address.starts_with(start)) {
                let why =
                    format!("lmtp = {address:?}: it asks nobody who it is, and is for this machine alone");
                return Err(Usage(why).into());
            }
        }
        Ok(())
    }
}

/// The places where it listens if nothing is said.
fn usual_places() -> Vec<Listen> {
    LISTEN.iter().filter_map(|(name, address)| Listen::new(name, address)).collect()
}

/// A file beside another: `mail.db.queue` beside `mail.db`.
pub(crate) fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    name.into()
}
