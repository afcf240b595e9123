//! Delivers messages to the servers of their recipients: what an MTA does when it has a message for somewhere else.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use mailwire_transport::{deliver::{Delivery, Status}, smtp::Envelope};
//!
//! let delivery = Delivery::new()?;
//! let envelope = Envelope::new("anna@example.org", ["bob@example.net", "carol@example.com"])?;
//! let report = delivery.deliver(&envelope, "Subject: Hi\r\n\r\nHello.\r\n").await;
//! for recipient in &report.recipients {
//!     match &recipient.status {
//!         Status::Delivered(reply) => println!("{}: {reply}", recipient.address),
//!         // The queue is the caller's.
//!         Status::Deferred(reason) => println!("{} later: {reason}", recipient.address),
//!         Status::Failed(reason) => println!("{} never: {reason}", recipient.address),
//!         other => println!("{}: {other:?}", recipient.address),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is done
//!
//! The host of each recipient's domain is looked up (MX, [RFC 5321 section
//! 5.1](https://www.rfc-editor.org/rfc/rfc5321#section-5.1); a null MX, [RFC 7505](https://www.rfc-editor.org/rfc/rfc7505), says that
//! there is none), and recipients with the same hosts get the message in one transaction (those of each domain by themselves where it has
//! a policy or signatures prove its hosts). Hosts are tried in the order of their
//! preference, equal ones by chance, until one takes the message or refuses it for good. A refusal for now has the next host
//! tried, unless it is greylisting, which all of them do.
//!
//! # TLS
//!
//! Servers on port 25 have no account to lose, and most have certificates that nobody can verify. So, other than everywhere else
//! in this crate, TLS is opportunistic here ([RFC 7435](https://www.rfc-editor.org/rfc/rfc7435)): with whatever certificate, and
//! without TLS where that cannot be had. Whoever is on the way and can change what is said reads the message then. What
//! prevents that:
//!
//! - TLSA records of the hosts (DANE, [RFC 7672](https://www.rfc-editor.org/rfc/rfc7672)), where signatures prove the domain's MX, the
//!   hosts' addresses and these records (DNSSEC): [`DnsResolver::with_dnssec`] looks for such proof. A host that has records gets the
//!   message within TLS and with a certificate that they are for ([`Dane`]), or not at all; so does one whose records cannot be
//!   looked up. Where none of them can be used it still has to have TLS. What a policy says does not count beside them;
//! - a policy of the recipient's domain: MTA-STS ([RFC 8461](https://www.rfc-editor.org/rfc/rfc8461)), fetched over HTTPS and kept as
//!   long as it says. With `enforce` the message goes to no host that the policy does not name, and to none without a
//!   verified certificate; with `testing` that is only [told](Report::tls);
//! - the sender's wish: REQUIRETLS ([RFC 8689](https://www.rfc-editor.org/rfc/rfc8689)) in the envelope. The hosts must be known for
//!   certain then, by DNSSEC or by a policy, and must offer REQUIRETLS themselves.
//!
//! A message with `TLS-Required: No` in its header ([RFC 8689 section 5](https://www.rfc-editor.org/rfc/rfc8689#section-5)) is not
//! held up by a policy or TLSA records.
//!
//! # Who keeps what is left
//!
//! The caller: a [`Report`] says for each recipient whether it is done, is to be tried again, or has failed for good. Nothing is
//! tried again by itself.

mod attempt;
mod dane;
mod host;
mod report;
mod route;
pub(crate) mod sts;
mod tls;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use mailwire_core::setters;
use tokio::sync::Semaphore;

pub use self::{
    dane::{Dane, DaneError},
    host::MxHost,
    report::{Reason, Recipient, Report, Status, TlsFailure, TlsPolicy, TlsResult},
    sts::{Mode, Policy},
};
use self::{
    route::Route,
    sts::Policies,
    tls::{Configurations, client_tls},
};
use crate::{
    Endpoint,
    dns::{DnsError, DnsResolver, Resolver, host_name},
    http::{Http, HttpsClient},
    pool::{Pool, PoolOptions},
    side_by_side::{all, boxed},
    smtp::{self, Client, Envelope, proto::Rcpt},
    tls::{ClientTls, TlsError},
};

/// Delivers messages to the servers of their recipients. Cheap to clone: clones share connections and policies.
#[derive(Clone)]
pub struct Delivery<R = DnsResolver, H = HttpsClient> {
    resolver: R,
    http: H,
    shape: Arc<dyn Fn(Endpoint) -> Endpoint + Send + Sync>,
    options: Options,
    policies: Arc<Policies>,
    pool: Arc<OnceLock<Pool<Client>>>,
    /// Takes any certificate. Made when it is needed first.
    opportunistic: Arc<OnceLock<ClientTls>>,
    configurations: Arc<Configurations>,
    turns: Arc<Semaphore>,
}

impl Delivery {
    /// Asks the system's name servers, and fetches policies directly. No signature of DNS is looked at, so that TLSA records do not
    /// count; they do [over](Self::over) a resolver with [`DnsResolver::with_dnssec`], if the name servers hand signatures on.
    ///
    /// # Errors
    ///
    /// The system's name servers are not known.
    pub fn new() -> Result<Self, DnsError> {
        Ok(Self::over(DnsResolver::system()?, HttpsClient::new()))
    }
}

impl<R: Resolver, H: Http> Delivery<R, H> {
    /// Asks these.
    pub fn over(resolver: R, http: H) -> Self {
        Self {
            resolver,
            http,
            shape: Arc::new(|endpoint| endpoint),
            policies: Arc::default(),
            pool: Arc::default(),
            opportunistic: Arc::default(),
            configurations: Arc::default(),
            turns: Arc::new(Semaphore::new(Options::new().at_once)),
            options: Options::new(),
        }
    }

    /// Sets options.
    #[must_use]
    pub fn with_options(mut self, options: Options) -> Self {
        self.turns = Arc::new(Semaphore::new(options.at_once.max(1)));
        self.pool = Arc::default();
        self.options = options;
        self
    }

    /// Changes each server before it is connected to: from another address of the machine, with other times, or, with
    /// [`Endpoint::with_tls`], by whom the certificates that have to be verified are to be (those that TLSA records are for aside).
    #[must_use]
    pub fn with_endpoint(mut self, shape: impl Fn(Endpoint) -> Endpoint + Send + Sync + 'static) -> Self {
        self.shape = Arc::new(shape);
        self
    }

    /// Delivers a message to all recipients of the envelope, and says what became of it for each.
    ///
    /// Dropping the call ends what is going on; what became of the recipients is not known then.
    pub async fn deliver(&self, envelope: &Envelope, message: impl Into<Bytes>) -> Report {
        let message = message.into();
        let wishes = Wishes::of(envelope, &message);
        let mut report = Report::new(envelope.recipients());
        let mut by_domain: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (rcpt, index) in envelope.recipients().iter().zip(0..) {
            match route::domain(&rcpt.to) {
                Ok(domain) => by_domain.entry(domain).or_default().push(index),
                Err(reason) => report.set(index, Status::Failed(reason)),
            }
        }
        let at_once = self.options.at_once;
        let routes = by_domain
            .into_iter()
            .map(|(domain, recipients)| boxed(async move { (recipients, self.route(domain, wishes).await) }));
        let mut groups: BTreeMap<route::Key, (Route, Vec<usize>)> = BTreeMap::new();
        for (recipients, route) in all(routes, at_once).await {
            match route {
                Err(status) => recipients.iter().for_each(|&index| report.set(index, status.clone())),
                Ok((route, results)) => {
                    report.tls.extend(results);
                    groups.entry(route.key()).or_insert_with(|| (route, Vec::new())).1.extend(recipients);
                }
            }
        }
        let message = &message;
        let transactions = groups.into_values().map(|(route, recipients)| {
            boxed(async move { self.deliver_to(&route, recipients, envelope, message, wishes).await })
        });
        for (done, results) in all(transactions, at_once).await {
            report.tls.extend(results);
            for said in done {
                report.said(said);
            }
        }
        report
    }

    /// Where a domain's mail goes, and by which policy.
    async fn route(&self, domain: String, wishes: Wishes) -> Result<(Route, Vec<TlsResult>), Status> {
        // Only the semaphore's end is an error, and it has none.
        let _turn = self.turns.acquire().await;
        let mut route = route::find(&self.resolver, domain, &self.options.names).await?;
        let mut results = Vec::new();
        if !route.is_literal && wishes != Wishes::NoTls {
            let found = self.policies.of(&self.resolver, &self.http, &route.domain).await;
            match found {
                Ok(policy) => route.policy = policy.filter(|policy| policy.mode != Mode::None),
                Err(failure) => results.push(TlsResult::of_policy(&route.domain, failure)),
            }
        }
        Ok((route, results))
    }

    /// The pool's connections to a host, by one of the ways to have TLS.
    fn pool(&self, endpoint: Endpoint) -> Pool<Client> {
        let config = self.options.client.clone();
        let all = self
            .pool
            .get_or_init(|| Pool::with_options(endpoint.clone(), config.clone(), self.options.pool.clone()));
        all.for_account(endpoint, config)
    }

    /// The configuration of TLS that takes any certificate.
    fn opportunistic(&self) -> Result<&ClientTls, TlsError> {
        match self.opportunistic.get() {
            Some(known) => Ok(known),
            None => {
                let made = client_tls(None)?;
                Ok(self.opportunistic.get_or_init(|| made))
            }
        }
    }

    /// Whether the options want TLSA records of a domain's hosts.
    fn is_dane_required(&self, domain: &str) -> bool {
        let mut required = self.options.dane_required.iter();
        required.any(|required| host_name(required).is_some_and(|required| required == domain))
    }

    /// Ends the connections that are kept, with QUIT.
    pub async fn close(&self, grace: std::time::Duration) {
        if let Some(pool) = self.pool.get() {
            pool.close(grace).await;
        }
    }
}

impl<R, H> fmt::Debug for Delivery<R, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("options", &self.options).finish_non_exhaustive()
    }
}

/// What a message says about TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wishes {
    None,
    /// It is to go with TLS alone: REQUIRETLS.
    Tls,
    /// It may go without: `TLS-Required: No`.
    NoTls,
}

impl Wishes {
    fn of(envelope: &Envelope, message: &[u8]) -> Self {
        // The envelope's goes before the header's: RFC 8689 section 4.1.
        if envelope.mail().parameters().require_tls {
            return Self::Tls;
        }
        let mut lines = message.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
        let is_it = |line: &[u8]| {
            let (name, value) = line.split_at_checked(13).unwrap_or((line, &[]));
            name.eq_ignore_ascii_case(b"tls-required:") && value.trim_ascii().eq_ignore_ascii_case(b"no")
        };
        match lines.by_ref().take_while(|line| !line.is_empty()).any(is_it) {
            true => Self::NoTls,
            false => Self::None,
        }
    }
}

/// How messages are delivered.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The configuration of the clients: the name in EHLO, which should be the one that this machine's address has in DNS.
    pub client: smtp::Config,
    /// The connections that are kept: by default 100 in all, and what else [`PoolOptions`] says.
    pub pool: PoolOptions,
    /// The names that this machine has as a host for mail: hosts that are preferred no more than it are not tried, so that no
    /// message comes round ([RFC 5321 section 5.1](https://www.rfc-editor.org/rfc/rfc5321#section-5.1)). None by default.
    pub names: Vec<String>,
    /// The domains whose hosts must have TLSA records, proved and matching, or get no message ("mandatory DANE", [RFC 7672 section
    /// 6](https://www.rfc-editor.org/rfc/rfc7672#section-6)): by agreement with who runs them. None by default.
    pub dane_required: Vec<String>,
    /// How many look-ups and transactions go on at once: 50. What is beyond waits.
    pub at_once: usize,
    /// How many hosts of a domain are tried: 5.
    pub hosts: usize,
    /// The port of the hosts: 25, which is that of mail everywhere. Another one is for a network of one's own.
    pub port: u16,
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
            client: smtp::Config::anonymous(),
            pool: PoolOptions::new().with_connections(100).with_uses(100),
            names: Vec::new(),
            dane_required: Vec::new(),
            at_once: 50,
            hosts: 5,
            port: 25,
        }
    }
}

setters!(Options {
    with_client(client: smtp::Config),
    with_pool(pool: PoolOptions),
    with_names(names: Vec<String>),
    with_dane_required(dane_required: Vec<String>),
    with_at_once(at_once: usize),
    with_hosts(hosts: usize),
    with_port(port: u16),
});

/// The hosts that take a domain's mail, the preferred ones first, as far as there are any and they can be found out.
#[cfg(feature = "doctor")]
pub(crate) async fn hosts_of(resolver: &impl Resolver, domain: &str) -> Vec<String> {
    match route::find(resolver, domain.to_owned(), &[]).await {
        Ok(route) => route.names_of_hosts(),
        Err(_) => Vec::new(),
    }
}

/// The recipients of some of an envelope's numbers.
fn recipients<'a>(envelope: &'a Envelope, indexes: &'a [usize]) -> impl Iterator<Item = &'a Rcpt> {
    indexes.iter().filter_map(|&index| envelope.recipients().get(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_says_about_tls() {
        let plain = Envelope::new("a@example.org", ["b@example.net"]).unwrap();
        let of = |message: &str| Wishes::of(&plain, message.as_bytes());
        assert_eq!(of("Subject: x\r\nTLS-Required: No\r\n\r\n"), Wishes::NoTls);
        assert_eq!(of("tls-required:NO\n\nx"), Wishes::NoTls);
        assert_eq!(of("TLS-Required: Yes\r\n\r\n"), Wishes::None);
        assert_eq!(of("Subject: x\r\n\r\nTLS-Required: No\r\n"), Wishes::None);
        let required = plain.with_require_tls();
        assert_eq!(Wishes::of(&required, b"TLS-Required: No\r\n\r\n"), Wishes::Tls);
    }
}
