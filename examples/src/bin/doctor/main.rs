//! Examines the mail of an address: what is wrong with it, and what to do about it.

mod page;
mod terminal;
mod told;

use std::{
    collections::HashMap,
    fs,
    io::{self, IsTerminal, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use mailwire_examples::{Status, Usage, arguments, exit_code, tell};
use mailwire_transport::{
    Account, Address, Endpoint,
    dns::{DnsResolver, RecordType, Resolver as _},
    doctor::{Doctor, Options, Progress, Report, Server, Severity},
    http::HttpsClient,
    sasl::Credentials,
    tls::ClientTls,
};

/// What `--help` says at its end.
const AFTER: &str = "Examples:
  doctor anna@example.org
  MAILWIRE_PASSWORD=... doctor anna@example.org --selector s1 --test-mail --yes --html report.html
  doctor anna@example.org --connect-to mail.example.org:993=192.0.2.7:993

Exit status:
   0  all is well; there may be notes
   1  there are warnings
   2  there are errors
  64  the arguments are wrong, and nothing was tried
  66  a file cannot be read
  69  the name servers of this machine are not known
  74  the report cannot be written

RUST_LOG=debug shows on standard error what is going on, without passwords and messages.";

/// Examines the mail of an address: how programs find its servers, whether these can be reached, their TLS and certificates,
/// logins, and the records of the domain; tells what is wrong, and what to do about it.
///
/// Nobody logs in, unless a user is named; and no message is sent, unless --test-mail asks for it. What will be done is told on
/// standard error before it is. Nothing goes to anybody else than the name servers and the servers of the address, and, to
/// find these, the public database of autoconfig.
#[derive(clap::Parser)]
#[command(version, after_help = AFTER)]
struct Arguments {
    /// The address
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// A server, in place of those that can be found: a URL such as imaps://mail.example.org, pop3s://mail.example.org:995 or
    /// submission://mail.example.org. Can be there several times
    #[arg(long = "server", value_name = "URL")]
    servers: Vec<String>,
    /// A port that is examined, in place of 25, 465, 587, 143, 993, 110 and 995. Can be there several times
    #[arg(long = "port", value_name = "PORT")]
    ports: Vec<u16>,
    /// Connect to this address where a host and port are examined: to look at a server before others find it, or from within
    /// its network. Can be there several times
    #[arg(long = "connect-to", value_name = "HOST:PORT=IP:PORT", value_parser = place)]
    places: Vec<((String, u16), SocketAddr)>,
    /// A selector of DKIM: what stands after “s=” in the DKIM-Signature of a message that was sent. Can be there several times
    #[arg(long = "selector", value_name = "NAME")]
    selectors: Vec<String>,
    /// The name server to be asked, in place of the system's
    #[arg(long, value_name = "IP:PORT")]
    resolver: Option<SocketAddr>,
    /// Believe the name servers, and do not verify the signatures of what they say (DNSSEC)
    #[arg(long)]
    no_dnssec: bool,
    /// Do not ask the public database of autoconfig
    #[arg(long)]
    no_database: bool,
    /// Trust the certificate authorities in this PEM file, and no others
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// How many seconds connecting, TLS and each answer may take
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
    /// Log in as this user, with MAILWIRE_PASSWORD or MAILWIRE_TOKEN from the environment, the password of --password-file, or
    /// one that is asked for
    #[arg(long, env = "MAILWIRE_USER")]
    user: Option<String>,
    /// A file with the password in its first line
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Send a message from the address to itself, and wait for it. Asks before. Logs in, as the address if no user is named
    #[arg(long)]
    test_mail: bool,
    /// Do not ask before a message is sent. Needed where nobody can be asked
    #[arg(long)]
    yes: bool,
    /// How many seconds the message is waited for
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    wait: u64,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
    /// Write the report as one JSON object
    #[arg(long)]
    json: bool,
    /// Write the report to this file as a page, too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Colours in the report: on a terminal, always, or never. NO_COLOR and CLICOLOR_FORCE in the environment decide where it is
    /// not said
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Colour,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(exit) => return exit,
    };
    match run(&arguments).await {
        Ok(severity) => ExitCode::from(match severity {
            Severity::Error => 2,
            Severity::Warning => 1,
            _ => 0,
        }),
        Err(error) => exit_code(Err::<Status, _>(error)),
    }
}

async fn run(arguments: &Arguments) -> Result<Severity> {
    let doctor = arguments.doctor().await?;
    let steps =
        doctor.plan(&arguments.address).map_err(|error| Usage(format!("{}: {error}", arguments.address)))?;
    let mut plan = String::from("what will be done:");
    for step in steps {
        plan += &format!("\n  - {}", step.what);
    }
    tell(plan);
    if arguments.dry_run || !arguments.may_send()? {
        return Ok(Severity::Good);
    }
    let bar = spinner();
    let shown = bar.clone();
    let doctor = doctor.with_progress(move |progress| {
        if let Progress::Step(what) = progress {
            shown.set_message(what.to_owned());
        }
    });
    let examined = doctor.examine(&arguments.address).await;
    bar.finish_and_clear();
    let report = examined.map_err(|error| Usage(format!("{}: {error}", arguments.address)))?;
    arguments.write(&report)?;
    Ok(report.worst())
}

impl Arguments {
    async fn doctor(&self) -> Result<Doctor> {
        let mut options = Options::new()
            .with_selectors(self.selectors.clone())
            .with_timeout(Duration::from_secs(self.timeout.max(1)))
            .with_patience(Duration::from_secs(self.wait))
            .with_send_test(self.test_mail)
            .with_credentials(self.credentials()?);
        if !self.ports.is_empty() {
            options = options.with_ports(self.ports.clone());
        }
        if !self.servers.is_empty() {
            options = options.with_servers(Some(servers(&self.servers)?));
        }
        if self.no_database {
            let discovery = options.discovery.clone().with_database(None);
            options = options.with_discovery(discovery);
        }
        let shape = self.shape()?;
        let http = HttpsClient::new().with_endpoint(shape.clone());
        Ok(Doctor::over(self.resolver().await?, http).with_options(options).with_endpoint(shape))
    }

    /// How servers are connected to.
    fn shape(&self) -> Result<impl Fn(Endpoint) -> Endpoint + Clone + Send + Sync + use<>> {
        let tls = match &self.ca {
            Some(path) => {
                let pem = fs::read(path).with_context(|| format!("--ca {}", path.display()))?;
                let tls = ClientTls::with_roots_pem(pem);
                Some(tls.map_err(|error| Usage(format!("--ca {}: {error}", path.display())))?)
            }
            None => None,
        };
        let places: HashMap<_, _> = self.places.iter().cloned().collect();
        Ok(move |endpoint: Endpoint| {
            let endpoint = elsewhere(endpoint, &places);
            match &tls {
                Some(tls) => endpoint.with_tls(tls.clone()),
                None => endpoint,
            }
        })
    }

    /// Whether the message may be sent that was told of, if one is to be: whoever sits there is asked.
    fn may_send(&self) -> Result<bool> {
        if !self.test_mail || self.yes {
            return Ok(true);
        }
        if !io::stdin().is_terminal() {
            let missing = "--test-mail sends a message: where nobody can be asked, say --yes";
            return Err(Usage(missing.to_owned()).into());
        }
        let terminal = console::Term::stderr();
        terminal.write_str("Do that, and send the message? [y/N] ")?;
        let may = matches!(terminal.read_line()?.trim(), "y" | "Y" | "yes");
        if !may {
            tell("nothing was done");
        }
        Ok(may)
    }

    /// The name servers that are asked: with DNSSEC, where they hand signatures on.
    async fn resolver(&self) -> Result<DnsResolver> {
        let plain = match self.resolver {
            Some(server) => DnsResolver::of_servers([server]),
            None => DnsResolver::system()?,
        };
        if self.no_dnssec {
            return Ok(plain);
        }
        let verifying = plain.clone().with_dnssec();
        // What is above the domain is signed, if anything is.
        let above = self.address.rsplit('.').next().unwrap_or_default();
        match verifying.lookup(above, RecordType::Mx).await {
            Ok(_) => Ok(verifying),
            Err(_) => {
                tell("the name servers hand no signatures on (DNSSEC): what they say is believed");
                Ok(plain)
            }
        }
    }

    fn credentials(&self) -> Result<Option<Credentials>> {
        let user = match (&self.user, self.test_mail) {
            (Some(user), _) => user,
            (None, true) => &self.address,
            (None, false) => return Ok(None),
        };
        if let Some(path) = &self.password_file {
            let text =
                fs::read_to_string(path).with_context(|| format!("--password-file {}", path.display()))?;
            let password = text.lines().next().unwrap_or_default();
            return Ok(Some(Credentials::password(user, password)));
        }
        if let Ok(token) = std::env::var("MAILWIRE_TOKEN") {
            return Ok(Some(Credentials::token(user, token)));
        }
        if let Ok(password) = std::env::var("MAILWIRE_PASSWORD") {
            return Ok(Some(Credentials::password(user, password)));
        }
        if !io::stdin().is_terminal() || self.dry_run {
            let missing = format!(
                "set MAILWIRE_PASSWORD or MAILWIRE_TOKEN for the user {user}, or name a --password-file"
            );
            return Err(Usage(missing).into());
        }
        let terminal = console::Term::stderr();
        terminal.write_str(&format!("Password of {user}: "))?;
        Ok(Some(Credentials::password(user, terminal.read_secure_line()?)))
    }

    fn write(&self, report: &Report) -> Result<()> {
        if let Some(path) = &self.html {
            write_page(path, report)?;
        }
        let text = match self.json {
            true => told::json(report)?,
            false => terminal::text(report, &terminal::Look::of_stdout(self.color)),
        };
        io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")
    }
}

fn write_page(path: &Path, report: &Report) -> Result<()> {
    fs::write(path, page::page(report)).map_err(|error| {
        io::Error::new(io::ErrorKind::WriteZero, format!("--html {}: {error}", path.display()))
    })?;
    Ok(())
}

/// When the report has colours.
#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal
    #[default]
    Auto,
    Always,
    Never,
}

/// A host and a port, and where they are: `mail.example.org:993=127.0.0.1:1993`.
fn place(text: &str) -> Result<((String, u16), SocketAddr), String> {
    let parts = || {
        let (server, place) = text.split_once('=')?;
        let (host, port) = server.rsplit_once(':')?;
        Some(((host.to_ascii_lowercase(), port.parse().ok()?), place.parse().ok()?))
    };
    parts().ok_or_else(|| "expected HOST:PORT=IP:PORT".to_owned())
}

/// A server where it is said to be. Its certificate is for its name all the same.
fn elsewhere(endpoint: Endpoint, places: &HashMap<(String, u16), SocketAddr>) -> Endpoint {
    let Address::Tcp { host, port } = endpoint.address() else { return endpoint };
    let Some(place) = places.get(&(host.clone(), *port)) else { return endpoint };
    Endpoint::tcp(place.ip().to_string(), place.port(), endpoint.security())
        .with_timeouts(endpoint.timeouts().clone())
        .with_server_name(host.clone())
}

/// The servers of these URLs.
fn servers(urls: &[String]) -> Result<Vec<Server>> {
    let server = |url: &String| {
        let account = Account::parse(url).map_err(|error| Usage(format!("--server: {error}")))?;
        let endpoint = account.endpoint();
        let Address::Tcp { host, port } = endpoint.address() else {
            return Err(Usage(format!("--server {url}: not a host")).into());
        };
        Ok(Server::new(account.protocol(), host.clone(), endpoint.security()).with_port(*port))
    };
    urls.iter().map(server).collect()
}

/// Turns while the examination goes on, on a terminal.
fn spinner() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
