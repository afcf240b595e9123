//! A mail server in memory, or over a file.

#[cfg(feature = "http")]
mod page;
mod stored;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Result;
use clap::Parser;
use mailwire_core::Dialect;
use mailwire_examples::{
    Usage, WireArguments, program, say,
    server::{Listen, Opened, asked_to_end, renew},
};
use mailwire_store::{
    memory,
    testing::{Config, Fault, MailServer, StartError},
};
use mailwire_transport::{
    Protocol,
    proxy_protocol::Network,
    sasl::Mechanism,
    server::{Listener, ProxyProtocol},
    smtp::proto::Host,
    testing::TestCa,
    tls::{CertificateFiles, ServerTls},
};
#[cfg(feature = "http")]
use tokio::net::TcpListener;
#[cfg(feature = "http")]
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
/// Without --user, everybody has a mailbox: mail is taken for any address, and whoever logs in as that address, by any
/// password, reads it. Where others than this machine can come, that takes --everybody.
///
/// A fault is WHEN: WHAT. When: a protocol, `connection N`, `nth N`, `times N`, `always`, `odds P`, and one of
/// `before COMMAND`, `answer COMMAND`, `after COMMAND` (`.` is the end of a message, `*` any command), `read BYTES`,
/// `written BYTES`; otherwise at a new connection. What: `reply TEXT`, `delay TIME`, `close`, `cut`, `reset`, `stall`,
/// `garbage BYTES`, `goodbye`, `no-close-notify`, `slow BYTES TIME`. Times are as 250ms or 2s. So the second recipient is
/// greylisted: --fault "before RCPT nth 2: reply 450 4.7.1 Come back later".
///
/// With --http, a page shows the messages that came, live: their text, HTML (nothing in it runs or is loaded), parts,
/// headers and source; and a small JSON API, which the page has the description of, is for tests in any language. Whoever
/// can come there sees all messages, without a login.
///
/// With --store sqlite:FILE, users and their mail are in that file, which is made if there is none, and stay there. --user
/// adds a user, or gives one another password; without it, those who are in the file are served. --search-index makes SEARCH
/// for a word read only the messages that may have it, for a file that is larger and takes mail more slowly.
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
    /// Let everybody in from other machines, too, by any password
    #[arg(long, conflicts_with = "users")]
    everybody: bool,
    /// A protocol and where to listen; may be given several times
    #[arg(long, value_name = "PROTOCOL=ADDRESS", required = true)]
    listen: Vec<Listen>,
    /// Where users and mail are kept, in place of memory
    #[arg(long, value_name = "sqlite:FILE", conflicts_with_all = ["everybody", "catch_all", "faults", "chance"])]
    #[cfg_attr(feature = "http", arg(conflicts_with = "http"))]
    store: Option<stored::File>,
    /// Have an index in the file for searches in texts
    #[arg(long, requires = "store")]
    search_index: bool,
    /// How many connections there may be at each place with --store, in place of 1000; a tenth of them from one address
    #[arg(long, value_name = "NUMBER", requires = "store")]
    connections: Option<usize>,
    /// Where a page of the messages that came is shown to this machine; port 0 is any free port
    #[cfg(feature = "http")]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
    /// Show the page, which has all messages and asks nobody for a password, to other machines, too
    #[cfg(feature = "http")]
    #[arg(long, requires = "http")]
    http_everybody: bool,
    /// The user who gets all mail that is for nobody else, in place of it being refused
    #[arg(long, value_name = "NAME")]
    catch_all: Option<String>,
    /// Something that goes wrong, to see what a client makes of it; may be given several times
    #[arg(long = "fault", value_name = "WHEN: WHAT")]
    faults: Vec<Fault>,
    /// Have about this part of the commands, from 0 to 1, go wrong in one way or another
    #[arg(long, value_name = "ODDS")]
    chance: Option<f64>,
    /// What chances are drawn from: the same client meets the same
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
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
    /// A network whose SMTP clients are believed when they tell, by XCLIENT or XFORWARD, for whom they speak; may be given
    /// several times
    #[arg(long, value_name = "NETWORK")]
    trust: Vec<Network>,
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
    #[command(flatten)]
    wire: WireArguments,
}

impl Arguments {
    /// Not everybody is let in.
    fn names_users(&self) -> bool {
        !self.users.is_empty() || self.store.is_some()
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    program(async |arguments, _| run(arguments).await).await
}

async fn run(arguments: &Arguments) -> Result<()> {
    let config = config(arguments)?;
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
    let listeners = listeners(arguments, &tls, &mut opened).await?;
    if let Some(file) = &arguments.store {
        return stored::serve(file, &config, arguments, listeners).await;
    }
    #[cfg(feature = "http")]
    let http = http_listener(arguments, &mut opened).await?;
    let server = match MailServer::start_on(config, listeners).await {
        Ok(server) => server,
        Err(StartError::User { error, .. }) => return Err(error.into()),
        Err(error) => return Err(error.into()),
    };
    let end = asked_to_end();
    for (listen, (_, _, address)) in arguments.listen.iter().zip(server.addresses()) {
        say(format_args!("{} {address}", listen.name))?;
    }
    let server = Arc::new(server);
    #[cfg(feature = "http")]
    if let Some(listener) = http {
        let address = listener.local_addr()?;
        let hosts = page::Hosts::new(address, &arguments.name);
        let stop = CancellationToken::new();
        let page = page::Page::new(Arc::clone(&server), hosts).serve(listener, stop.clone());
        let page = tokio::spawn(page);
        say(format_args!("http {address}"))?;
        end.await;
        stop.cancel();
        page.await?;
    } else {
        end.await;
    }
    #[cfg(not(feature = "http"))]
    end.await;
    // The page has ended, and had it besides.
    if let Some(server) = Arc::into_inner(server) {
        server.shutdown().await;
    }
    Ok(())
}

/// Where the page is shown.
#[cfg(feature = "http")]
async fn http_listener(arguments: &Arguments, opened: &mut Opened) -> Result<Option<TcpListener>> {
    let Some(address) = &arguments.http else { return Ok(None) };
    let (listener, bound) = opened.bind(address).await?;
    if !bound.ip().to_canonical().is_loopback() && !arguments.http_everybody {
        let why =
            format!("--http {bound}: others can come there and see all messages; --http-everybody lets them");
        return Err(Usage(why).into());
    }
    Ok(Some(listener))
}

async fn listeners(
    arguments: &Arguments,
    tls: &ServerTls,
    opened: &mut Opened,
) -> Result<Vec<(Protocol, Listener)>> {
    let proxies = ProxyProtocol::from_networks(arguments.proxy_from.iter().copied());
    let mut listeners = Vec::new();
    for listen in &arguments.listen {
        let mut listener = listen.bind(tls, opened).await?;
        let public = listener.local_addr().filter(|address| !address.ip().to_canonical().is_loopback());
        if let Some(public) = public.filter(|_| !arguments.names_users() && !arguments.everybody) {
            let why = format!("{public}: others can come there; --user says who is let in, or --everybody");
            return Err(Usage(why).into());
        }
        if !arguments.proxy_from.is_empty() {
            listener = listener.with_proxy_protocol(proxies.clone());
        }
        listeners.push((listen.protocol, listener));
    }
    Ok(listeners)
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

/// What the server is to be.
fn config(arguments: &Arguments) -> Result<Config> {
    let mut store = memory::Config::default();
    if !arguments.mechanisms.is_empty() {
        store.mechanisms.clone_from(&arguments.mechanisms);
    }
    if arguments.without_channel_binding {
        store.mechanisms.retain(|mechanism| !mechanism.binds_channel());
    }
    // The programs of people's devices: they are not all exact.
    let dialect = if arguments.strict { Dialect::Strict } else { Dialect::Lenient };
    let mut config = Config::new()
        .with_store(store)
        .with_dialect(dialect)
        .with_name(Host::try_from(arguments.name.as_str())?)
        .with_limits(None)
        .with_seed(arguments.seed)
        .with_injectable(false)
        .with_trusted(arguments.trust.iter().copied())
        .with_faults(arguments.faults.iter().cloned());
    if let Some(odds) = arguments.chance {
        config = config.with_faults(Fault::weather(odds, Duration::from_millis(100)));
    }
    if let Some(write) = arguments.wire.open()? {
        config = config.with_wire_log(write);
    }
    for user in &arguments.users {
        let given = || Usage("--user: given as NAME=PASSWORD".into());
        let (name, password) = user.split_once('=').ok_or_else(given)?;
        config = config.with_user(name, password);
    }
    if let Some(user) = &arguments.catch_all {
        config = config.with_catch_all(user);
    }
    Ok(config)
}
