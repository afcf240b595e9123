//! Which hosts take a domain's mail: [RFC 5321 section 5.1](https://www.rfc-editor.org/rfc/rfc5321#section-5.1).

use std::{net::IpAddr, sync::Arc};

use mailwire_smtp::{ForwardPath, Host};

use super::{MxHost, Policy, Reason, Status};
use crate::{
    dns::{DnsError, Mx, RecordType, Resolver, host_name},
    pauses::chance,
};

/// How many MX records are looked at.
const RECORDS: usize = 64;

/// Where a domain's mail goes.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) domain: String,
    /// The hosts with their preferences, sorted.
    hosts: Vec<(u16, String)>,
    /// Whether signatures prove that these are the hosts (DNSSEC).
    pub(super) authenticated: bool,
    /// The domain is an alias of this one.
    alias_of: Option<String>,
    /// The domain is an address.
    pub(super) is_literal: bool,
    pub(super) policy: Option<Arc<Policy>>,
}

/// What has to be the same for recipients of two domains to share a transaction.
pub(super) type Key = (Vec<(u16, String)>, Option<String>, bool);

impl Route {
    pub(super) fn key(&self) -> Key {
        // A policy is its domain's alone, and a host's certificate may be for the domain where that is proved.
        let own = (self.policy.is_some() || self.authenticated).then(|| self.domain.clone());
        (self.hosts.clone(), own, self.authenticated)
    }

    /// What the certificate of a host may be for besides the host, where that is proved: RFC 7672 section 3.2.2.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        std::iter::once(self.domain.clone()).chain(self.alias_of.clone())
    }

    /// The hosts by their preferences, and equal ones by their names.
    #[cfg(feature = "doctor")]
    pub(super) fn names_of_hosts(self) -> Vec<String> {
        self.hosts.into_iter().map(|(_, host)| host).collect()
    }

    /// The hosts in the order in which they are tried: equal ones by chance.
    pub(super) fn hosts(&self) -> Vec<&str> {
        let mut hosts: Vec<_> =
            self.hosts.iter().map(|(preference, host)| (*preference, chance(), host.as_str())).collect();
        hosts.sort_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)));
        hosts.into_iter().map(|(.., host)| host).collect()
    }
}

/// The domain that a recipient's mail goes to, as DNS knows it; an address in brackets stays as it is.
pub(super) fn domain(to: &ForwardPath) -> Result<String, Reason> {
    let none = || Reason::new("5.1.2", "the address has no domain that mail can be sent to");
    let mailbox = to.mailbox().ok_or_else(none)?;
    match mailbox.host() {
        Host::Literal(_) => Ok(mailbox.domain().to_ascii_lowercase()),
        _ => host_name(mailbox.domain()).ok_or_else(none),
    }
}

/// Looks up where a domain's mail goes.
pub(super) async fn find(resolver: &impl Resolver, domain: String, own: &[String]) -> Result<Route, Status> {
    let route = |domain, hosts, authenticated| Route {
        domain,
        hosts,
        authenticated,
        alias_of: None,
        is_literal: false,
        policy: None,
    };
    if let Some(literal) = domain.strip_prefix('[').and_then(|domain| domain.strip_suffix(']')) {
        let literal = literal.strip_prefix("ipv6:").unwrap_or(literal);
        let address: IpAddr =
            literal.parse().map_err(|_| Status::Failed(Reason::new("5.1.2", "no address")))?;
        let hosts = vec![(0, address.to_string())];
        return Ok(Route { is_literal: true, ..route(domain, hosts, false) });
    }
    let answer = resolver.lookup(&domain, RecordType::Mx).await.map_err(deferred)?;
    let records: Vec<&Mx> = answer.mx().take(RECORDS).collect();
    if records.is_empty() {
        // The domain itself is the host then, if it is one.
        let host = MxHost::without_tlsa(resolver, &domain).await.map_err(deferred)?;
        return match host.addresses.is_empty() {
            false => Ok(route(domain.clone(), vec![(0, domain)], host.authenticated)),
            true => Err(Status::Failed(Reason::new("5.1.2", format_args!("{domain} does not exist")))),
        };
    }
    // RFC 7505 section 3: the only one, or it means nothing.
    if records.iter().all(|mx| mx.exchange == ".") {
        return Err(Status::Failed(Reason::new("5.1.10", format_args!("{domain} takes no mail (null MX)"))));
    }
    let mut hosts: Vec<_> =
        records.iter().filter_map(|mx| Some((mx.preference, host_name(&mx.exchange)?))).collect();
    hosts.sort_unstable();
    hosts.dedup();
    if hosts.is_empty() {
        return Err(Status::Failed(Reason::new(
            "5.4.4",
            format_args!("{domain} names no host that there could be"),
        )));
    }
    let own: Vec<_> = own.iter().filter_map(|name| host_name(name)).collect();
    if let Some(preference) =
        hosts.iter().find(|(_, host)| own.contains(host)).map(|(preference, _)| *preference)
    {
        hosts.retain(|(other, _)| *other < preference);
        if hosts.is_empty() {
            let text = format!("this machine is the host of {domain}, and does not know it");
            return Err(Status::Failed(Reason::new("5.4.6", text)));
        }
    }
    let alias_of = answer.alias_of.as_deref().and_then(host_name);
    Ok(Route { alias_of, ..route(domain, hosts, answer.authenticated) })
}

pub(super) fn later(error: DnsError) -> Reason {
    Reason::new("4.4.3", error)
}

fn deferred(error: DnsError) -> Status {
    Status::Deferred(later(error))
}
