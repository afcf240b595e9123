//! The host that takes a domain's mail, which often is the provider's.

use super::{Address, Gathered, SERVERS, Source, Trust, srv::trust};
use crate::dns::{RecordType, Resolver, host_name, is_within};

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
    /// That of the host and the one that somebody has registered, by the list of [public suffixes](https://publicsuffix.org), so that
    /// no registry is handed an address.
    pub(super) fn domains(&self) -> Vec<String> {
        let registered = psl::domain_str(&self.host);
        let above = self.host.split_once('.').map(|(_, above)| above);
        let above = above.filter(|above| registered.is_some_and(|registered| is_within(above, registered)));
        let registered =
            registered.filter(|registered| above != Some(*registered) && *registered != self.host);
        above.into_iter().chain(registered).map(str::to_owned).collect()
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
            ("mx.a.example.co.uk", &["a.example.co.uk", "example.co.uk"]),
            ("mx.a.example.de", &["a.example.de", "example.de"]),
            ("example.com", &[]),
            ("example.co.uk", &[]),
            ("mx.co.uk", &[]),
            ("co.uk", &[]),
            ("localhost", &[]),
            // What each customer has a part of.
            ("mx.anna.github.io", &["anna.github.io"]),
        ] {
            let host = MailHost { host: host.to_owned(), trust: Trust::Plain };
            assert_eq!(host.domains(), domains, "{}", host.host);
        }
    }
}
