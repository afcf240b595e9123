//! Finds the servers of an address: where its mail is read and where it is sent, with how to log in, and how far each can be
//! trusted.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use mailwire_transport::discover::Discovery;
//!
//! let discovered = Discovery::new()?.discover("anna@example.org").await?;
//! for settings in discovered.incoming().chain(discovered.submission()) {
//!     println!("{settings}, as {}", settings.user);
//!     for found in &settings.found {
//!         println!("    {} ({}), {}", found.source, found.place, found.trust);
//!     }
//!     if let Some(doubt) = settings.doubt() {
//!         println!("    ask the user: {doubt}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Where is looked
//!
//! At first, side by side:
//!
//! | what | where |
//! | --- | --- |
//! | SRV ([RFC 6186](https://www.rfc-editor.org/rfc/rfc6186), [RFC 8314](https://www.rfc-editor.org/rfc/rfc8314#section-5.1)) | `_imaps`, `_imap`, `_pop3s`, `_pop3`, `_submissions`, `_submission` |
//! | [autoconfig](https://datatracker.ietf.org/doc/draft-ietf-mailmaint-autoconfig/) | `https://autoconfig.DOMAIN/mail/config-v1.1.xml`, `https://DOMAIN/.well-known/autoconfig/mail/config-v1.1.xml` |
//! | PACC (draft-bucksch-mailmaint-pacc) | SRV `_pacc._https`, `https://HOST/.well-known/pacc.json` |
//! | Autodiscover | `https://autodiscover.DOMAIN/autodiscover/autodiscover.xml`, `https://DOMAIN/…`, SRV `_autodiscover._tcp` |
//! | known providers | [`KNOWN`] |
//! | a database of providers | [`Options::database`] |
//!
//! If something is missing after that, the domain of the host that takes the mail (MX) is asked for it by autoconfig, PACC, the
//! table and the database; and at last names and ports that many have are tried.
//!
//! What leaves the machine: the domain goes to DNS and to the database, the whole address over HTTPS to the hosts of the
//! domain, and, if these tell nothing, to those of the domain of its MX host. Never a password: nothing here takes one.
//!
//! # Whom to believe
//!
//! Whoever can forge what is found gets the password. Each server therefore says where it was [`found`](Settings::found), and
//! whether there is a [`doubt`](Settings::doubt): then it has no [`account`](Settings::account) before somebody has looked at its
//! host and [confirmed](Settings::confirmed) it. Show the host to the user in any case, and all of it. Settings are for
//! keeping: look again when the user wants it, and not at each connection (RFC 8314 section 5.1).
//!
//! What goes in clear is not found. Everything that is read is bounded in bytes, and all of it in [time](Options::timeout).

mod address;
mod autoconfig;
mod autodiscover;
mod gathered;
mod guess;
mod known;
mod mx;
mod pacc;
mod probe;
mod settings;
mod srv;
mod xml;

use std::{fmt, future::Future, time::Duration};

use mailwire_core::setters;
use tokio::time::Instant;

use self::{
    address::Address,
    gathered::{Gathered, in_time},
};
pub use self::{
    autoconfig::read_autoconfig,
    autodiscover::read_autodiscover,
    gathered::Missed,
    known::{KNOWN, Known},
    pacc::read_pacc,
    probe::{Connect, Probe},
    settings::{Authentication, Checked, Doubt, Found, OAuth, Settings, Source, Trust},
};
use crate::{
    InvalidValue, Protocol,
    dns::{DnsError, DnsResolver, RecordType, Resolver},
    http::{Http, HttpError, HttpsClient, Request, Url, document},
    side_by_side::{Boxed, all, boxed},
};

/// The most that a document may have, in bytes.
const DOCUMENT: usize = 256 * 1024;

/// How many servers of one document, or records of one name, are looked at.
const SERVERS: usize = 32;

/// The most that a name or a word in a document may have, in bytes.
const WORD: usize = 512;

/// How many of those that were told are tried, the best first.
const TRIED: usize = 16;

/// Looks for the servers of addresses.
///
/// It asks a [`Resolver`], an [`Http`] client and a [`Probe`]; there are defaults for each, and all can be an application's own.
#[derive(Debug, Clone)]
pub struct Discovery<R = DnsResolver, H = HttpsClient, P = Connect> {
    resolver: R,
    http: H,
    probe: P,
    options: Options,
}

impl Discovery {
    /// Asks the system's name servers, without looking at signatures, and connects directly.
    ///
    /// # Errors
    ///
    /// The system's name servers are not known.
    pub fn new() -> Result<Self, DnsError> {
        Ok(Self::over(DnsResolver::system()?, HttpsClient::new(), Connect::new()))
    }
}

impl<R: Resolver, H: Http, P: Probe> Discovery<R, H, P> {
    /// Asks these.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example() -> Result<(), mailwire_transport::dns::DnsError> {
    /// use mailwire_transport::{discover::{Connect, Discovery}, dns::DnsResolver, http::HttpsClient};
    ///
    /// // With signatures, where the network hands them on.
    /// let resolver = DnsResolver::system()?.with_dnssec();
    /// let discovery = Discovery::over(resolver, HttpsClient::new(), Connect::new());
    /// # let _ = discovery;
    /// # Ok(())
    /// # }
    /// ```
    pub fn over(resolver: R, http: H, probe: P) -> Self {
        Self { resolver, http, probe, options: Options::new() }
    }

    /// Sets where is looked, and for how long.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Looks for the servers of an address. That nothing is found is no error: [`Discovered::missed`] tells why.
    ///
    /// # Errors
    ///
    /// It is not an address of a domain in DNS.
    pub async fn discover(&self, address: &str) -> Result<Discovered, InvalidValue> {
        let address = &Address::parse(address)?;
        let begun = Instant::now();
        // Whoever is slow leaves time to the others.
        let by = |tenths: u32| begun + self.options.timeout * tenths / 10;
        let mut all = Gathered { settings: known::of_domain(address), ..Gathered::default() };
        all.extend(in_time(self.direct(address), by(4)).await);
        if !all.is_complete() {
            if let Some(mx) = all.mx.clone() {
                all.settings.extend(known::of_mx(address, &mx.host, mx.trust));
                all.extend(in_time(self.by_mx(address, mx), by(6)).await);
            }
        }
        let mut settings = ranked(std::mem::take(&mut all.settings));
        if self.options.tries {
            if self.options.guesses {
                let is_missing = |protocol| !settings.iter().any(|known| is_for(known, protocol));
                let mx = all.mx.as_ref().map(|mx| mx.host.as_str());
                settings.extend(guess::candidates(address, mx, is_missing, &all.not_offered));
            }
            self.try_all(&mut settings, by(10)).await;
            settings.retain(|known| known.trust() < Trust::Guess || known.checked == Checked::Answers);
            settings = ranked(settings);
        }
        Ok(Discovered { settings, missed: all.missed, not_offered: all.not_offered })
    }

    /// Tries a server, once more or after the user has [confirmed](Settings::confirmed) it, and notes in it what came of that.
    ///
    /// # Errors
    ///
    /// It is of no use as it is.
    pub async fn check(&self, settings: &mut Settings) -> crate::Result<()> {
        let result = self.probe.probe(settings).await;
        settings.checked = checked(&result);
        result
    }

    /// Those who speak for the domain.
    fn direct<'a>(&'a self, address: &'a Address<'a>) -> Vec<Work<'a>> {
        let domain = &address.domain;
        let mut work: Vec<Work<'a>> = Vec::new();
        for service in srv::SERVICES {
            let name = format!("{}.{domain}", service.0);
            work.push(Work::new(Source::Srv, name, srv::ask(&self.resolver, address, service)));
        }
        for url in [
            format!("https://autoconfig.{domain}/mail/config-v1.1.xml?emailaddress={}", address.encoded()),
            format!("https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml"),
        ] {
            work.push(self.autoconfig(address, Source::Autoconfig, url, Trust::Https));
        }
        work.push(self.pacc(address, format!("_pacc._https.{domain}")));
        for host in [format!("autodiscover.{domain}"), domain.clone()] {
            let place = host.clone();
            let asking = self.autodiscover(address, host, Trust::Https);
            work.push(Work::new(Source::Autodiscover, place, asking));
        }
        let name = format!("_autodiscover._tcp.{domain}");
        work.push(Work::new(Source::Autodiscover, name.clone(), self.autodiscover_by_srv(address, name)));
        work.extend(self.database(address, domain, Trust::Https));
        work.push(Work::new(Source::Guess, format!("{domain} MX"), mx::ask(&self.resolver, address)));
        work
    }

    /// Those who speak for the host that takes the domain's mail.
    fn by_mx<'a>(&'a self, address: &'a Address<'a>, mx: mx::MailHost) -> Vec<Work<'a>> {
        let mut work = Vec::new();
        for domain in mx.domains() {
            let encoded = address.encoded();
            let url = format!("https://autoconfig.{domain}/mail/config-v1.1.xml?emailaddress={encoded}");
            work.push(self.autoconfig(address, Source::Autoconfig, url, mx.trust));
            work.extend(self.database(address, &domain, mx.trust));
        }
        work.push(self.pacc(address, format!("_paccmx._https.{}", mx.host)));
        work
    }

    fn autoconfig<'a>(
        &'a self,
        address: &'a Address<'a>,
        source: Source,
        url: String,
        trust: Trust,
    ) -> Work<'a> {
        let place = url.clone();
        let asking = async move {
            let fetched = self.fetch(&url).await;
            Gathered::of(
                source,
                &url,
                fetched.map(|(at, document)| {
                    autoconfig::read(&document, address, &Found::new(source, at.to_string(), trust))
                }),
            )
        };
        Work::new(source, place, asking)
    }

    /// Asks the database about a domain.
    fn database<'a>(&'a self, address: &'a Address<'a>, domain: &str, trust: Trust) -> Option<Work<'a>> {
        let base = self.options.database.as_ref()?;
        Some(self.autoconfig(address, Source::Ispdb, format!("{base}{domain}"), trust))
    }

    fn pacc<'a>(&'a self, address: &'a Address<'a>, name: String) -> Work<'a> {
        let place = name.clone();
        let asking = async move {
            let (host, trust) = match self.named_by_srv(address, &name).await {
                Ok(Some(found)) => found,
                Ok(None) => return Gathered::default(),
                Err(error) => return Gathered::nothing(Source::Pacc, &name, &error),
            };
            let url = format!("https://{host}/.well-known/pacc.json");
            let fetched = self.fetch(&url).await;
            Gathered::of(
                Source::Pacc,
                &url,
                fetched.map(|(at, document)| {
                    pacc::read(&document, address, &Found::new(Source::Pacc, at.to_string(), trust))
                }),
            )
        };
        Work::new(Source::Pacc, place, asking)
    }

    async fn autodiscover_by_srv(&self, address: &Address<'_>, name: String) -> Gathered {
        match self.named_by_srv(address, &name).await {
            Ok(Some((host, trust))) => self.autodiscover(address, host, trust).await,
            Ok(None) => Gathered::default(),
            Err(error) => Gathered::nothing(Source::Autodiscover, &name, &error),
        }
    }

    async fn autodiscover(&self, address: &Address<'_>, host: String, trust: Trust) -> Gathered {
        let mut url = match Url::parse(&format!("https://{host}/autodiscover/autodiscover.xml")) {
            Ok(url) => url,
            Err(error) => return Gathered::nothing(Source::Autodiscover, &host, &error),
        };
        // One that sends to another is followed once.
        for _ in 0..2 {
            let body = autodiscover::request(address);
            let request = Request::post(url.clone(), autodiscover::MEDIA_TYPE, body, DOCUMENT);
            let (at, document) = match document(&self.http, request).await {
                Ok(fetched) => fetched,
                Err(error) => return Gathered::nothing(Source::Autodiscover, &url, &error),
            };
            let found = Found::new(Source::Autodiscover, at.to_string(), trust);
            match autodiscover::read(&document, address, &found) {
                Ok(autodiscover::Answer::Settings(settings)) => {
                    return Gathered { settings, ..Gathered::default() };
                }
                Ok(autodiscover::Answer::Elsewhere(other)) => url = other,
                Err(error) => return Gathered::nothing(Source::Autodiscover, &at, &error),
            }
        }
        Gathered::nothing(Source::Autodiscover, &url, &"it leads to too many others")
    }

    /// The host that SRV names for a service of HTTPS, and how far a document from there can be trusted: no further than what
    /// led to it, unless it is a host of the domain.
    async fn named_by_srv(
        &self,
        address: &Address<'_>,
        name: &str,
    ) -> Result<Option<(String, Trust)>, DnsError> {
        let answer = self.resolver.lookup(name, RecordType::Srv).await?;
        let named = srv::in_order(&answer).into_iter().find_map(|srv| {
            let host = crate::dns::host_name(&srv.target).filter(|_| srv.port == 443)?;
            let is_within = crate::dns::is_within(&host, &address.domain);
            let trust = if is_within { Trust::Https } else { srv::trust(&answer) };
            Some((host, trust))
        });
        Ok(named)
    }

    async fn fetch(&self, url: &str) -> Result<(Url, bytes::Bytes), HttpError> {
        document(&self.http, Request::get(Url::parse(url)?, DOCUMENT)).await
    }

    async fn try_all(&self, settings: &mut [Settings], until: Instant) {
        let mut told = 0;
        let mut tried: Vec<&mut Settings> = Vec::new();
        for settings in settings {
            let is_guess = settings.trust() == Trust::Guess;
            if is_guess || (told < TRIED && settings.may_be_tried()) {
                told += usize::from(!is_guess);
                tried.push(settings);
            }
        }
        let count = tried.len();
        let mut trying = Vec::with_capacity(count);
        for settings in tried {
            trying.push(boxed(async {
                if let Ok(result) = crate::runtime::timeout_at(until, self.probe.probe(settings)).await {
                    settings.checked = checked(&result);
                }
            }));
        }
        all(trying, count).await;
    }
}

/// The domain of an address, as DNS has it.
#[cfg(feature = "doctor")]
pub(crate) fn domain_of(address: &str) -> Result<String, InvalidValue> {
    Ok(Address::parse(address)?.domain)
}

fn checked(result: &crate::Result<()>) -> Checked {
    match result {
        Ok(()) => Checked::Answers,
        Err(error) => Checked::Fails(error.to_string()),
    }
}

/// Whether a server does what another of this protocol would do, too: one of either protocol is enough to read mail.
fn is_for(settings: &Settings, protocol: Protocol) -> bool {
    settings.is_incoming() == matches!(protocol, Protocol::Imap | Protocol::Pop3)
}

/// Each server once, with all places where it was found, the best first.
fn ranked(all: Vec<Settings>) -> Vec<Settings> {
    let mut ranked: Vec<Settings> = Vec::new();
    for settings in all {
        match ranked.iter_mut().find(|known| known.is_same(&settings)) {
            None => ranked.push(settings),
            Some(known) => known.merge(settings),
        }
    }
    ranked.sort_by_key(|settings| {
        (
            !settings.is_incoming(),
            matches!(settings.checked, Checked::Fails(_)),
            settings.trust(),
            settings.found.first().map(|found| found.source),
            settings.order >> 8,
            settings.security != crate::Security::implicit_tls(),
            settings.protocol == Protocol::Pop3,
            settings.order,
        )
    });
    ranked
}

/// A word of a document, if it is one that can be shown and sent.
fn named(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= WORD && !text.contains(char::is_control);
    fits.then(|| text.to_owned())
}

/// What was read of a document, if that is anything.
fn at_least_one(settings: Vec<Settings>) -> Result<Vec<Settings>, DocumentError> {
    match settings.is_empty() {
        true => Err(DocumentError::new("no server of IMAP, POP3 or SMTP with TLS")),
        false => Ok(settings),
    }
}

/// Something that is asked, with what it is.
struct Work<'a> {
    source: Source,
    place: String,
    asking: Boxed<'a, Gathered>,
}

impl<'a> Work<'a> {
    fn new(source: Source, place: String, asking: impl Future<Output = Gathered> + Send + 'a) -> Self {
        Self { source, place, asking: boxed(asking) }
    }
}

/// Where is looked for servers, and for how long.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long all of it may take: 30 seconds. What was found until then is the result.
    pub timeout: Duration,
    /// The URL of a database of autoconfig documents, to which a domain is added, with the `/` before it; `None` for none.
    /// `https://v1.ispdb.net/` by default: its operator sees the domain, not the address.
    pub database: Option<String>,
    /// Whether servers are tried, without credentials. True by default. Not before the user was asked, where nothing but DNS
    /// without signatures leads out of the domain.
    pub tries: bool,
    /// Whether servers are guessed where nobody tells, of which those remain that answer. True by default.
    pub guesses: bool,
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
            timeout: Duration::from_secs(30),
            database: Some("https://v1.ispdb.net/".into()),
            tries: true,
            guesses: true,
        }
    }
}

setters!(Options {
    with_timeout(timeout: Duration),
    with_database(database: Option<String>),
    with_tries(tries: bool),
    with_guesses(guesses: bool),
});

/// What was found for an address.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq)]
pub struct Discovered {
    /// The servers where mail is read, and then those where it is sent, the best first of each.
    pub settings: Vec<Settings>,
    /// Where nothing was found, and why.
    pub missed: Vec<Missed>,
    /// The services that the domain says it does not have (a target of `.`, [RFC 6186 section
    /// 3.4](https://www.rfc-editor.org/rfc/rfc6186#section-3.4)).
    pub not_offered: Vec<(Protocol, crate::Security)>,
}

impl Discovered {
    /// Returns the servers where mail is read, the best first.
    pub fn incoming(&self) -> impl Iterator<Item = &Settings> {
        self.settings.iter().filter(|settings| settings.is_incoming())
    }

    /// Returns the servers where mail is sent, the best first.
    pub fn submission(&self) -> impl Iterator<Item = &Settings> {
        self.settings.iter().filter(|settings| !settings.is_incoming())
    }
}

/// A document that tells nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the document is of no use: {0}")]
pub struct DocumentError(String);

impl DocumentError {
    fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

/// Says that a document was not read, because the address that it is asked about is not valid.
impl From<InvalidValue> for DocumentError {
    fn from(error: InvalidValue) -> Self {
        Self::new(error)
    }
}
