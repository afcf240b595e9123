//! Looking at the records of a domain.

mod dane;
mod dkim;
mod dmarc;
mod mx;
mod reverse;
mod spf;
mod sts;
#[cfg(test)]
mod tests;
mod tlsrpt;

use std::collections::BTreeMap;

use mailwire_core::ParseError;
use rustls::pki_types::CertificateDer;

pub(in super::super) use self::mx::Exchange;
use crate::{
    dns::{DnsError, RecordType, Resolver},
    doctor::{
        Check, Doctor, Finding, Subject,
        checks::{records::DNSSEC_BOGUS, servers::DNS_FAILS},
    },
    http::Http,
};

type Findings = Vec<Finding>;

/// How many texts of a name are looked at.
const TEXTS: usize = 64;

impl<R: Resolver, H: Http> Doctor<R, H> {
    /// Looks at the records of the domain, and returns the hosts that take its mail.
    pub(in super::super) async fn records(
        &self,
        subject: &Subject,
        findings: &mut Findings,
    ) -> Vec<Exchange> {
        let (resolver, domain) = (&self.resolver, subject.domain.as_str());
        self.step("looking at the MX records");
        // Where nobody answers to that, nobody answers to the rest.
        let Some(found) = mx::examine(resolver, domain, findings).await else { return Vec::new() };
        self.step("looking at the records of the domain");
        let exchanges = found.as_slice();
        let mut parts: [Findings; 5] = Default::default();
        let [spf, dkim, dmarc, sts, tlsrpt] = &mut parts;
        tokio::join!(
            spf::examine(resolver, domain, spf),
            dkim::examine(resolver, domain, &self.options.selectors, dkim),
            dmarc::examine(resolver, domain, dmarc),
            sts::examine(resolver, &self.http, domain, exchanges, sts),
            tlsrpt::examine(resolver, domain, tlsrpt),
        );
        findings.extend(parts.into_iter().flatten());
        for exchange in exchanges {
            reverse::examine(resolver, exchange, findings).await;
        }
        found
    }

    /// Looks at the TLSA records of the hosts that take the domain's mail. `shown` are the certificates that they show on port 25,
    /// as far as they are known.
    pub(in super::super) async fn dane(
        &self,
        exchanges: &[Exchange],
        shown: &BTreeMap<String, Vec<CertificateDer<'static>>>,
        findings: &mut Findings,
    ) {
        for exchange in exchanges {
            let chain = shown.get(&exchange.host).map(Vec::as_slice);
            dane::examine(&self.resolver, exchange, chain, findings).await;
        }
    }
}

/// The texts of a name, each of one record.
async fn texts(resolver: &impl Resolver, name: &str) -> Result<Vec<Vec<u8>>, DnsError> {
    let answer = resolver.lookup(name, RecordType::Txt).await?;
    Ok(answer.texts().take(TEXTS).map(<[u8]>::to_vec).collect())
}

/// A look-up failed: what there is is not known.
fn failed(subject: &str, what: &str, error: &DnsError) -> Finding {
    let (check, reason, remedy) = match error.bogus {
        true => (
            &DNSSEC_BOGUS,
            "the signatures of the answer are wrong, and whoever verifies them gets none",
            "Sign the zone anew, and see that the DS record at the parent is of a key that the zone has.",
        ),
        false => (
            &DNS_FAILS,
            "the name servers do not answer as they should",
            "See that the name servers of the domain are up, and answer to this name.",
        ),
    };
    Finding::new(check, subject, format!("DNS does not tell {what}: {reason}."))
        .with_remedy(remedy)
        .with_detail("asked", &error.name)
        .with_detail("reason", &error.reason)
}

/// A record that does not parse.
fn wrong(check: &Check, subject: &str, kind: &str, record: &[u8], error: ParseError) -> Finding {
    let mark = |at: usize| {
        let (before, after) = record.split_at_checked(at).unwrap_or((record, &[]));
        format!("{}👉{}", String::from_utf8_lossy(before), String::from_utf8_lossy(after))
    };
    let place = error.offset.saturating_add(1);
    Finding::new(
        check,
        subject,
        format!(
            "The {kind} is wrong at its byte {place}: {}. Receivers do as if there were none.",
            error.reason
        ),
    )
    .with_remedy("Correct the record there.")
    .with_detail("record, wrong at the hand", mark(error.offset))
}

/// Whether two names are the same, with or without a final dot.
fn same(one: &str, other: &str) -> bool {
    one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'))
}
