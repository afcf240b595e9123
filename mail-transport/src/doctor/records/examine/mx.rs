//! Which hosts take the mail of a domain.

use std::net::IpAddr;

use super::{Findings, failed};
use crate::{
    dns::{DnsError, RecordType, Resolver, host_name},
    doctor::{
        Finding,
        checks::records::{
            MX_ALIAS, MX_FOUND, MX_IMPLICIT, MX_LITERAL, MX_NONE, MX_NOWHERE, MX_NULL, MX_PRIVATE,
        },
    },
};

/// How many hosts are looked at, and how many addresses of each.
const HOSTS: usize = 16;
const ADDRESSES: usize = 8;

/// A host that takes a domain's mail, and can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super::super) struct Exchange {
    pub(super) host: String,
    pub(super) addresses: Vec<IpAddr>,
    /// The name that has the addresses, where the host is an alias.
    pub(super) alias_of: Option<String>,
    /// Whether signatures prove all that leads to it (DNSSEC).
    pub(super) authenticated: bool,
}

impl Exchange {
    /// `authenticated` is whether signatures prove the host itself.
    fn new(host: String, found: HostAddresses, authenticated: bool) -> Self {
        let authenticated = authenticated && found.authenticated;
        Self { host, addresses: found.addresses, alias_of: found.alias_of, authenticated }
    }
}

/// Looks at the hosts of a domain. Returns those that have an address; `None` where nobody answers.
pub(super) async fn examine(
    resolver: &impl Resolver,
    domain: &str,
    findings: &mut Findings,
) -> Option<Vec<Exchange>> {
    let answer = match resolver.lookup(domain, RecordType::Mx).await {
        Ok(answer) => answer,
        Err(error) => {
            findings.push(failed(domain, "the hosts that take this domain's mail", &error));
            return None;
        }
    };
    let mut records: Vec<_> =
        answer.mx().take(HOSTS).map(|mx| (mx.preference, mx.exchange.as_str())).collect();
    records.sort_unstable();
    if records.is_empty() {
        return Some(implicit(resolver, domain, findings).await);
    }
    if records.iter().all(|(_, exchange)| *exchange == ".") {
        findings.push(
            Finding::new(
                &MX_NULL,
                domain,
                "This domain says that it takes no mail (a null MX): nobody can write to it.",
            )
            .with_remedy(format!(
                "If it is to take mail, replace the MX record “0 .” of {domain} by one that names a host."
            )),
        );
        return Some(Vec::new());
    }
    let mut hosts = Vec::new();
    for (preference, exchange) in records {
        hosts.extend(exchange_of(resolver, exchange, answer.authenticated, findings).await.inspect(|_| {
            findings.push(Finding::new(
                &MX_FOUND,
                exchange,
                format!("It takes mail of {domain}, with the preference {preference}."),
            ));
        }));
    }
    Some(hosts)
}

/// A domain without MX records is its own host, if it has an address: RFC 5321 section 5.1.
async fn implicit(resolver: &impl Resolver, domain: &str, findings: &mut Findings) -> Vec<Exchange> {
    match addresses(resolver, domain).await {
        Err(error) => findings.push(failed(domain, "its addresses", &error)),
        Ok(found) if found.addresses.is_empty() => findings.push(
            Finding::new(
                &MX_NONE,
                domain,
                "No host takes this domain's mail: it has no MX record and no address.",
            )
            .with_remedy(format!(
                "Publish an MX record for {domain} that names the host where its mail is taken."
            )),
        ),
        Ok(found) => {
            findings.push(
                Finding::new(&MX_IMPLICIT, domain, "There is no MX record: mail goes to the address of the domain itself, which is often a web server.")
                    .with_remedy(format!("Publish an MX record for {domain} that names the host where its mail is taken.")),
            );
            return vec![Exchange::new(domain.to_owned(), found, true)];
        }
    }
    Vec::new()
}

async fn exchange_of(
    resolver: &impl Resolver,
    exchange: &str,
    authenticated: bool,
    findings: &mut Findings,
) -> Option<Exchange> {
    let bare = exchange.trim_end_matches('.').trim_matches(['[', ']']);
    if bare.parse::<IpAddr>().is_ok() {
        findings.push(
            Finding::new(
                &MX_LITERAL,
                exchange,
                "An MX record names an address. It has to name a host; most servers find nothing there.",
            )
            .with_remedy(
                "Give the address a name with an A or AAAA record, and have the MX record name that.",
            ),
        );
        return None;
    }
    let nowhere = |what: &str| {
        Finding::new(&MX_NOWHERE, exchange, what).with_remedy(format!(
            "Publish an A or AAAA record for {exchange}, or have the MX record name a host that has one."
        ))
    };
    let Some(host) = host_name(exchange) else {
        findings.push(nowhere("An MX record names what is not the name of a host."));
        return None;
    };
    match addresses(resolver, &host).await {
        Err(error) => {
            findings.push(failed(&host, "the addresses of a host that takes mail", &error));
            None
        }
        Ok(found) if found.addresses.is_empty() => {
            findings.push(nowhere(
                "An MX record names this host, and it has no address: mail cannot be delivered to it.",
            ));
            None
        }
        Ok(found) => {
            if let Some(target) = &found.alias_of {
                findings.push(
                    Finding::new(&MX_ALIAS, exchange, format!("An MX record names this host, which is an alias (CNAME) of {target}. That is forbidden, and some servers refuse it."))
                        .with_remedy(format!("Have the MX record name {target} itself, or give {host} an address of its own.")),
                );
            }
            if let Some(address) = found.addresses.iter().find(|address| is_private(address)) {
                findings.push(
                    Finding::new(&MX_PRIVATE, exchange, format!("This host takes mail, and has the address {address}, which nobody outside its network can reach."))
                        .with_remedy("Publish an address that can be reached from the internet."),
                );
            }
            Some(Exchange::new(host, found, authenticated))
        }
    }
}

/// Where a host is.
pub(super) struct HostAddresses {
    pub(super) addresses: Vec<IpAddr>,
    alias_of: Option<String>,
    authenticated: bool,
}

/// Looks up the addresses of a host.
pub(super) async fn addresses(resolver: &impl Resolver, host: &str) -> Result<HostAddresses, DnsError> {
    let (four, six) =
        tokio::join!(resolver.lookup(host, RecordType::A), resolver.lookup(host, RecordType::Aaaa));
    let answers = [four?, six?];
    let with_some = || answers.iter().filter(|answer| answer.addresses().next().is_some());
    Ok(HostAddresses {
        addresses: answers.iter().flat_map(|answer| answer.addresses().take(ADDRESSES)).collect(),
        alias_of: with_some().find_map(|answer| host_name(answer.alias_of.as_deref()?)),
        authenticated: with_some().all(|answer| answer.authenticated),
    })
}

fn is_private(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => {
            four.is_private() || four.is_loopback() || four.is_link_local() || four.is_unspecified()
        }
        IpAddr::V6(six) => {
            six.is_loopback() || six.is_unspecified() || six.is_unique_local() || six.is_unicast_link_local()
        }
    }
}
