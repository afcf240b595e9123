//! The hosts that take a domain's mail.

use crate::dns::{DnsError, RecordType, Resolver, host_name};

/// How many of them are examined.
const HOSTS: usize = 5;

/// The hosts that take a domain's mail, the preferred ones first: those of its MX records, or itself where it has none and an
/// address. Empty, where it takes none (a null MX, [RFC 7505](https://www.rfc-editor.org/rfc/rfc7505)) or does not exist.
pub(super) async fn of_domain(resolver: &impl Resolver, domain: &str) -> Result<Vec<String>, DnsError> {
    let answer = resolver.lookup(domain, RecordType::Mx).await?;
    let mut hosts: Vec<_> =
        answer.mx().filter_map(|mx| Some((mx.preference, host_name(&mx.exchange)?))).collect();
    if answer.mx().next().is_none() && has_address(resolver, domain).await? {
        hosts.push((0, domain.to_owned()));
    }
    hosts.sort();
    let mut hosts: Vec<_> = hosts.into_iter().map(|(_, host)| host).collect();
    hosts.dedup();
    hosts.truncate(HOSTS);
    Ok(hosts)
}

async fn has_address(resolver: &impl Resolver, host: &str) -> Result<bool, DnsError> {
    let (four, six) =
        tokio::join!(resolver.lookup(host, RecordType::A), resolver.lookup(host, RecordType::Aaaa));
    if [&four, &six].into_iter().flatten().any(|answer| answer.addresses().next().is_some()) {
        return Ok(true);
    }
    four.and(six).map(|_| false)
}
