//! Tells what is wrong with the mail of an address, and what to do about it: its servers, their TLS and certificates, the
//! records of its domain, and on request a test message.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use mailwire_transport::doctor::{Doctor, Severity};
//!
//! let doctor = Doctor::new()?;
//! for step in doctor.plan("anna@example.org")? {
//!     println!("will be done: {}", step.what);
//! }
//! let report = doctor.examine("anna@example.org").await?;
//! for finding in report.at_least(Severity::Warning) {
//!     println!("{finding}");
//!     println!("    {}", finding.remedy.as_deref().unwrap_or_default());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is done
//!
//! [`Doctor::plan`] says it before. Without credentials nobody logs in, and without [`Options::send_test`] no message is sent. All
//! that is found stands in a [`Report`]; each [`Finding`] has one cause, and what follows from another is not told. What is
//! checked, with its names: [`checks::servers::SERVERS`], [`checks::records::RECORDS`].

mod advice;
mod certificate;
pub mod checks;
mod discovery;
mod finding;
mod handshake;
mod legacy;
mod login;
mod ocsp;
mod offered;
mod options;
mod port;
mod ports;
mod reach;
pub mod records;
mod results;
mod talk;
mod test_mail;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use self::port::{Examined, Port};
pub use self::{
    checks::{Check, checks},
    finding::{Finding, Report, Section, Severity},
    options::{Options, Server},
};
use crate::{
    Endpoint, InvalidValue, Protocol, deliver,
    discover::domain_of,
    dns::{DnsError, DnsResolver, Resolver},
    http::{Http, HttpsClient},
    side_by_side::boxed,
    tls::ClientTls,
};

/// How many of the hosts that take a domain's mail are examined.
const HOSTS: usize = 5;

/// Examines addresses.
#[derive(Clone)]
pub struct Doctor<R = DnsResolver, H = HttpsClient> {
    resolver: R,
    http: H,
    shape: Arc<dyn Fn(Endpoint) -> Endpoint + Send + Sync>,
    progress: Arc<dyn Fn(Progress<'_>) + Send + Sync>,
    /// What verifies servers, made when it is needed first.
    tls: Arc<OnceLock<ClientTls>>,
    options: Options,
}

impl Doctor {
    /// Asks the system's name servers, without looking at signatures, and connects directly.
    ///
    /// # Errors
    ///
    /// The system's name servers are not known.
    pub fn new() -> Result<Self, DnsError> {
        Ok(Self::over(DnsResolver::system()?, HttpsClient::new()))
    }
}

impl<R: Resolver, H: Http> Doctor<R, H> {
    /// Asks these.
    pub fn over(resolver: R, http: H) -> Self {
        Self {
            resolver,
            http,
            shape: Arc::new(|endpoint| endpoint),
            progress: Arc::new(|_| ()),
            tls: Arc::default(),
            options: Options::new(),
        }
    }

    /// Sets what is examined, and what may be done.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Changes each server before it is connected to: through a proxy, from another address of the machine, by another
    /// configuration of TLS.
    #[must_use]
    pub fn with_endpoint(mut self, shape: impl Fn(Endpoint) -> Endpoint + Send + Sync + 'static) -> Self {
        self.shape = Arc::new(shape);
        self
    }

    /// Calls this as the examination goes on.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Fn(Progress<'_>) + Send + Sync + 'static) -> Self {
        self.progress = Arc::new(progress);
        self
    }

    /// Says what will be done, before it is.
    ///
    /// # Errors
    ///
    /// It is not an address of a domain in DNS.
    pub fn plan(&self, address: &str) -> Result<Vec<Step>, InvalidValue> {
        let Subject { domain, .. } = Subject::parse(address)?;
        let mut steps = Vec::new();
        let mut step = |section, what: String| steps.push(Step { section, what });
        match &self.options.servers {
            Some(servers) => {
                let servers: Vec<_> = servers.iter().map(ToString::to_string).collect();
                step(Section::Discovery, format!("The servers are given: {}.", servers.join(", ")));
            }
            None => step(
                Section::Discovery,
                format!(
                    "The servers of {address} are looked for in DNS, and over HTTPS at hosts of {domain}, which are told the address."
                ),
            ),
        }
        step(
            Section::Ports,
            format!(
                "The hosts of these servers, and those that take mail for {domain}, are connected to, a dozen times each at most ports: \
                 {}. Their greetings, TLS, certificates and offers are looked at; nobody logs in for that.",
                self.options.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ),
        );
        step(
            Section::Records,
            format!(
                "The records of {domain} that are about mail are looked up in DNS, and the policy of MTA-STS is fetched from \
                 mta-sts.{domain} if there is one."
            ),
        );
        match (&self.options.credentials, self.options.send_test) {
            (None, _) => step(Section::Login, "Nobody logs in, and no message is sent.".into()),
            (Some(_), is_sent) => {
                step(
                    Section::Login,
                    "At servers whose certificates are good, and that are the address's for certain, the account is logged in to.".into(),
                );
                let message = match is_sent {
                    true => format!(
                        "One message is sent from {address} to itself, and waited for by IMAP and POP3 for {} seconds at most. It is \
                         left where it arrives.",
                        self.options.patience.as_secs()
                    ),
                    false => "No message is sent.".to_owned(),
                };
                step(Section::Delivery, message);
            }
        }
        Ok(steps)
    }

    /// Examines an address. However much is wrong with it is no error: it stands in the report.
    ///
    /// # Errors
    ///
    /// It is not an address of a domain in DNS.
    pub async fn examine(&self, address: &str) -> Result<Report, InvalidValue> {
        let subject = Subject::parse(address)?;
        let mut report = Report::new(subject.address.clone(), subject.domain.clone());
        self.step("looking for the servers");
        report.servers = boxed(self.servers(&subject, &mut report.findings)).await?;
        self.step("looking for the hosts that take the domain's mail");
        // Why there is none is told where the records are.
        report.hosts = deliver::hosts_of(&self.resolver, &subject.domain).await;
        report.hosts.truncate(HOSTS);
        let ports = self.ports(&report.servers, &report.hosts);
        let (mut of_records, mut of_ports) = (Vec::new(), Vec::new());
        // In boxes, so that the compiler sees that all of it can be sent to another thread.
        let (exchanges, examined) = tokio::join!(
            boxed(self.records(&subject, &mut of_records)),
            boxed(self.examine_ports(ports, &mut of_ports))
        );
        let takes_mail = |(port, _): &&(Port, Examined)| port.server.protocol == Protocol::Smtp;
        let shown = examined
            .iter()
            .filter(takes_mail)
            .map(|(port, examined)| (port.server.host.clone(), examined.chain.clone()))
            .collect();
        boxed(self.dane(&exchanges, &shown, &mut of_records)).await;
        report.findings.extend(of_ports);
        report.findings.extend(of_records);
        if let Some(credentials) = &self.options.credentials {
            let accounts = boxed(self.log_in(&examined, credentials, &mut report.findings)).await;
            if self.options.send_test {
                report.findings.extend(boxed(self.test_mail(&subject, &accounts, credentials)).await);
            }
        }
        report.findings.extend(advice::of(&subject.domain, &examined));
        report.arrange();
        Ok(report)
    }

    /// What verifies servers, if this machine has roots to do so by.
    fn tls(&self) -> Option<ClientTls> {
        if self.tls.get().is_none() {
            let tls = ClientTls::new().ok()?;
            return Some(self.tls.get_or_init(|| tls).clone());
        }
        self.tls.get().cloned()
    }

    /// Tells what is going on.
    fn step(&self, what: &str) {
        (self.progress)(Progress::Step(what));
    }
}

impl<R, H> fmt::Debug for Doctor<R, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doctor").field("options", &self.options).finish_non_exhaustive()
    }
}

/// What is going on.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// This begins now.
    Step(&'a str),
}

/// Something that will be done.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it is about.
    pub section: Section,
    /// What will be done, in a sentence.
    pub what: String,
}

/// Whom it is all about.
#[derive(Debug, Clone)]
struct Subject {
    /// The address as it was given.
    address: String,
    /// Its domain, as DNS has it.
    domain: String,
}

impl Subject {
    fn parse(address: &str) -> Result<Self, InvalidValue> {
        Ok(Self { address: address.to_owned(), domain: domain_of(address)? })
    }
}
