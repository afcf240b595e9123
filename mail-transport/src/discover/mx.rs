//! The host that takes a domain's mail, which often is the provider's.

use super::{Address, Gathered, SERVERS, Source, Trust, srv::trust};
use crate::dns::{RecordType, Resolver, host_name};

/// The host that is preferred to take a domain's mail.
#[derive(Debug, Clone)]
pub(super) struct MailHost {
    pub(super) host: String,
    /// How far a document of its domain can be trusted: no further than what led there.
    pub(super) trust: Trust,
}

impl MailHost {
    /// The domains that may tell more: [draft-ietf-mailmaint-autoconfig](https://datatracker.ietf.org/doc/draft-ietf-mailmaint-autoconfig/), "MX".
    ///
    /// Where registries begin is in a list that grows (`co.uk`), which is not here: the second domain is asked only below
    /// domains of three letters and more, so that no registry is handed an address.
    pub(super) fn domains(&self) -> Vec<String> {
        let labels: Vec<&str> = self.host.split('.').collect();
        let last =
            |count: usize| labels.get(labels.len().saturating_sub(count)..).map(|labels| labels.join("."));
        let full = labels.len().saturating_sub(1);
        let mut domains = Vec::new();
        if full >= 2 {
            domains.extend(last(full));
        }
        if full > 2 && labels.last().is_some_and(|label| label.len() > 2) {
            domains.extend(last(2));
        }
        domains
    }
}

/// Asks which host it is.
pub(super) async fn ask(resolver: &impl Resolver, address: &Address<'_>) -> Gathered {
    let mut gathered = Gathered::default();
    let name = format!("{} MX", address.domain);
    match resolver.lookup(&address.domain, RecordType::Mx).await {
        Ok(answer) => {
            let best = answer.mx().take(SERVERS).min_by_key(|mx| (mx.preference, mx.exchange.clone()));
            let trust = match trust(&answer) {
                Trust::Dnssec => Trust::Https,
                trust => trust,
            };
            match best {
                Some(mx) if mx.exchange == "." => {
                    gathered.missed(Source::Guess, &name, &"the domain takes no mail");
                }
                Some(mx) => gathered.mx = host_name(&mx.exchange).map(|host| MailHost { host, trust }),
                None => gathered.missed(Source::Guess, &name, &"there is no host that takes mail"),
            }
        }
        Err(error) => gathered.missed(Source::Guess, &name, &error),
    }
    gathered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_of_hosts_that_take_mail() {
        for (host, domains) in [
            ("mx.premium.europe.example.com", &["premium.europe.example.com", "example.com"][..]),
            ("mx.example.com", &["example.com"]),
            ("mx.example.co.uk", &["example.co.uk"]),
            ("mx.a.example.co.uk", &["a.example.co.uk"]),
            ("example.com", &[]),
        ] {
            let host = MailHost { host: host.to_owned(), trust: Trust::Plain };
            assert_eq!(host.domains(), domains, "{}", host.host);
        }
    }
}
