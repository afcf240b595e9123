//! A mail server in memory.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use mailwire_core::Dialect;
use mailwire_examples::{Usage, program, say};
use mailwire_store::{
    ImapService, Pop3Service, SmtpService,
    memory::{self, MemoryStore},
};
use mailwire_transport::{
    Security, imap, pop3,
    proxy_protocol::Network,
    sasl::Mechanism,
    server::{Listener, ProxyProtocol},
    smtp::{self, proto::Host},
    testing::TestCa,
    tls::{CertificateFiles, ServerTls},
};
use tokio_util::sync::CancellationToken;

/// A mail server in memory: SMTP, LMTP, IMAP and POP3 over one store, for use with any mail client.
///
/// What is delivered by SMTP or LMTP to a user, or to user@any.domain, is read by IMAP and POP3. Nothing
/// outlives the process. Each --listen names a protocol and an address; port 0 is any free port. One line
/// with protocol and address is printed for each, once it listens. The process ends on SIGINT and
/// SIGTERM, after its clients have been told.
///
/// It is as patient as its clients need: known departures from the standards are taken where they leave no doubt,
/// such as `MAIL FROM: <a@example.org>`. With --strict, what the standards do not have is refused.
///
/// Protocols: smtp (STARTTLS offered), submission (login needed, STARTTLS), submissions (the same within
/// TLS), lmtp (in clear, for this machine alone), imap (STARTTLS), imaps, pop3 (STLS), pop3s.
///
/// A socket that systemd has opened is named systemd:NAME in the place of the address, by its FileDescriptorName.
/// On SIGHUP the certificates are read again, and clients that come after it see the new ones.
///
/// Example:
///   serve --user anna=secret --listen imap=127.0.0.1:1143 --listen submission=127.0.0.1:1587
#[derive(Parser)]
#[command(version, verbatim_doc_comment)]
struct Arguments {
    /// A user and the password; may be given several times. Also in MAILWIRE_USERS, separated by commas
    #[arg(
        long = "user",
        value_name = "NAME=PASSWORD",
        env = "MAILWIRE_USERS",
        value_delimiter = ',',
        hide_env_values = true
    )]
    users: Vec<String>,
    /// A protocol and where to listen; may be given several times
    #[arg(long, value_name = "PROTOCOL=ADDRESS", required = true)]
    listen: Vec<String>,
    /// The certificate chain, PEM; may be given several times, for other names. Without, one is made for localhost,
    /// and its authority is printed
    #[arg(long, value_name = "FILE", requires = "keys")]
    cert: Vec<PathBuf>,
    /// The certificate's private key, PEM; one for each certificate, in their order
    #[arg(long = "key", value_name = "FILE", requires = "cert")]
    keys: Vec<PathBuf>,
    /// A network whose proxies tell, by the PROXY protocol, for whom they speak; may be given several times. All
    /// clients have to come through them then
    #[arg(long, value_name = "NETWORK")]
    proxy_from: Vec<Network>,
    /// The name that the servers call themselves
    #[arg(long, default_value = "localhost")]
    name: String,
    /// Refuse what the standards do not have, to see whether a client keeps to them
    #[arg(long)]
    strict: bool,
    /// Do not offer logins that are bound to the TLS channel (SCRAM-SHA-256-PLUS): some clients, such as mutt, choose
    /// them and cannot bind
    #[arg(long)]
    without_channel_binding: bool,
    /// Offer this SASL mechanism and no others; may be given several times. Without, all for which what is stored of a
    /// password is enough. With CRAM-MD5, passwords are stored as they are
    #[arg(long = "mechanism", value_name = "NAME")]
    mechanisms: Vec<Mechanism>,
}

#[tokio::main]
async fn main() -> ExitCode {
    program(async |arguments, _| run(arguments).await).await
}

/// The servers: handles, one for each listener.
#[derive(Clone)]
struct Servers {
    smtp: smtp::Server<SmtpService<MemoryStore>>,
    submission: smtp::Server<SmtpService<MemoryStore>>,
    lmtp: smtp::Server<SmtpService<MemoryStore>>,
    imap: imap::Server<ImapService<MemoryStore>>,
    pop3: pop3::Server<Pop3Service<MemoryStore>>,
}

async fn run(arguments: &Arguments) -> Result<()> {
    let mut config = memory::Config::default();
    if !arguments.mechanisms.is_empty() {
        config.mechanisms.clone_from(&arguments.mechanisms);
    }
    if arguments.without_channel_binding {
        config.mechanisms.retain(|mechanism| !mechanism.binds_channel());
    }
    let store = MemoryStore::with_config(config);
    for user in &arguments.users {
        let given = || Usage("--user: given as NAME=PASSWORD".into());
        let (name, password) = user.split_once('=').ok_or_else(given)?;
        store.add_user(name, password)?;
    }
    let tls = match certificate_files(arguments)? {
        Some(files) => {
            let tls = files.read()?.build()?;
            #[cfg(unix)]
            tokio::spawn(renew(files, tls.clone()));
            tls
        }
        None => {
            let ca = TestCa::new()?;
            eprint!("{}", ca.root_pem());
            ca.server_tls(&["localhost", "127.0.0.1", &arguments.name])?
        }
    };
    let mut opened = Opened::take();
    let proxies = ProxyProtocol::from_networks(arguments.proxy_from.iter().copied());
    let name = Host::try_from(arguments.name.as_str())?;
    // The programs of people's devices: they are not all exact.
    let dialect = if arguments.strict { Dialect::Strict } else { Dialect::Lenient };
    let smtp =
        smtp::Server::new(SmtpService::new(store.clone()), name).configure(|config| config.dialect = dialect);
    let servers = Servers {
        submission: smtp.clone().require_authentication(),
        lmtp: smtp.clone().lmtp(),
        smtp,
        imap: imap::Server::new(ImapService::new(store.clone())).configure(|config| config.dialect = dialect),
        pop3: pop3::Server::new(Pop3Service::new(store)).configure(|config| config.dialect = dialect),
    };

    let shutdown = CancellationToken::new();
    let mut running = tokio::task::JoinSet::new();
    for listen in &arguments.listen {
        let given = || Usage(format!("--listen {listen}: given as PROTOCOL=ADDRESS"));
        let (protocol, address) = listen.split_once('=').ok_or_else(given)?;
        let security = match protocol {
            "smtp" | "submission" | "imap" | "pop3" => Security::required_starttls(),
            "submissions" | "imaps" | "pop3s" => Security::implicit_tls(),
            "lmtp" => Security::plaintext_without_encryption(),
            _ => return Err(Usage(format!("--listen {listen}: no such protocol")).into()),
        };
        let listener = match address.strip_prefix("systemd:") {
            Some(name) => Listener::from_std(opened.listener(name)?, security, Some(tls.clone())),
            None => Listener::bind(address, security, Some(tls.clone())).await,
        };
        let mut listener = listener.with_context(|| format!("cannot listen on {address}"))?;
        if !arguments.proxy_from.is_empty() {
            listener = listener.with_proxy_protocol(proxies.clone());
        }
        let address: SocketAddr = listener.local_addr().context("a listener without an address")?;
        say(format_args!("{protocol} {address}"))?;
        let shutdown = shutdown.clone();
        let servers = servers.clone();
        let protocol = protocol.to_owned();
        running.spawn(async move {
            match protocol.as_str() {
                "smtp" => servers.smtp.serve(listener, shutdown).await,
                "submission" | "submissions" => servers.submission.serve(listener, shutdown).await,
                "lmtp" => servers.lmtp.serve(listener, shutdown).await,
                "imap" | "imaps" => servers.imap.serve(listener, shutdown).await,
                _ => servers.pop3.serve(listener, shutdown).await,
            }
        });
    }
    tokio::spawn(async move {
        asked_to_end().await;
        shutdown.cancel();
    });
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}

fn certificate_files(arguments: &Arguments) -> Result<Option<CertificateFiles>> {
    if arguments.cert.len() != arguments.keys.len() {
        return Err(Usage("--cert and --key: one key for each certificate".into()).into());
    }
    let pairs = arguments.cert.iter().zip(&arguments.keys);
    Ok(pairs.fold(None, |files: Option<CertificateFiles>, (chain, key)| match files {
        Some(files) => Some(files.and(chain, key)),
        None => Some(CertificateFiles::new(chain, key)),
    }))
}

/// Reads the certificates again whenever that is asked for. What cannot be used changes nothing.
#[cfg(unix)]
async fn renew(files: CertificateFiles, tls: ServerTls) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut asked) = signal(SignalKind::hangup()) else { return };
    while asked.recv().await.is_some() {
        match files.read().and_then(|builder| builder.build()) {
            Ok(renewed) => tls.replace(&renewed),
            Err(error) => eprintln!("the certificates stay as they are: {error}"),
        }
    }
}

/// The sockets that systemd has opened for this process, with their names (`LISTEN_FDS`, `LISTEN_FDNAMES`).
struct Opened {
    sockets: listenfd::ListenFd,
    names: Vec<String>,
}

impl Opened {
    fn take() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self { sockets: listenfd::ListenFd::from_env(), names: names.split(':').map(str::to_owned).collect() }
    }

    /// The socket of this name, which can be had once. Of several it is the first that is left.
    fn listener(&mut self, name: &str) -> Result<std::net::TcpListener> {
        for (index, known) in self.names.iter_mut().enumerate() {
            if known == name {
                known.clear();
                let socket = self.sockets.take_tcp_listener(index);
                let socket =
                    socket.with_context(|| format!("the socket {name:?} of systemd is none of TCP"))?;
                return socket.with_context(|| format!("systemd has not handed on the socket {name:?}"));
            }
        }
        bail!("systemd has opened no socket of the name {name:?}")
    }
}

async fn asked_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
