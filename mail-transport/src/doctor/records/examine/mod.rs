//! Looking at the records of a domain.

mod dkim;
mod dmarc;
mod mx;
mod reverse;
mod spf;
mod sts;
#[cfg(test)]
mod tests;
mod tlsrpt;

use mailwire_core::ParseError;

use self::mx::Exchange;
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
    /// Looks at the records of the domain.
    pub(in super::super) async fn records(&self, subject: &Subject, findings: &mut Findings) {
        let (resolver, domain) = (&self.resolver, subject.domain.as_str());
        self.step("looking at the MX records");
        let exchanges = mx::examine(resolver, domain, findings).await;
        self.step("looking at SPF, DKIM and DMARC");
        spf::examine(resolver, domain, findings).await;
        dkim::examine(resolver, domain, &self.options.selectors, findings).await;
        dmarc::examine(resolver, domain, findings).await;
        self.step("looking at MTA-STS and TLSRPT");
        sts::examine(resolver, &self.http, domain, &exchanges, findings).await;
        tlsrpt::examine(resolver, domain, findings).await;
        self.step("looking at the names of addresses");
        for exchange in &exchanges {
            reverse::examine(resolver, exchange, findings).await;
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
