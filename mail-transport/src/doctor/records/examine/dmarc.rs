//! What a domain's DMARC comes to.

use mailwire_core::ParseError;

use super::{Findings, failed, texts, wrong};
use crate::{
    dns::{DnsError, Resolver, host_name},
    doctor::{
        Finding,
        checks::records::{
            DMARC_FOUND, DMARC_MISSING, DMARC_POLICY_NONE, DMARC_REPORTS, DMARC_SEVERAL, DMARC_SYNTAX,
            DMARC_TAG,
        },
        records::{Dmarc, DmarcPolicy, dmarc::mail_domain},
    },
};

/// How many names a walk asks at most, and how many labels the second of them has at most.
const ASKED: usize = 8;
const LABELS: usize = 7;

/// How many places of reports are looked at.
const PLACES: usize = 8;

/// Looks at the policy of a domain, or that of a domain above it.
pub(super) async fn examine(resolver: &impl Resolver, domain: &str, findings: &mut Findings) {
    let (owner, found) = match policies(resolver, domain).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            return findings.push(
                Finding::new(&DMARC_MISSING, domain, "There is no DMARC record: receivers are not told what to do with forged mail of this domain.")
                    .with_remedy(format!("Publish a TXT record for _dmarc.{domain}, at first “v=DMARC1; p=none; rua=mailto:postmaster@{domain}”.")),
            );
        }
        Err(error) => return findings.push(failed(domain, "its DMARC record", &error)),
    };
    let name = format!("_dmarc.{owner}");
    let mut records = found.iter().filter(|text| Dmarc::is_one(text));
    let dmarc = match (records.next(), records.next()) {
        (Some(text), None) => match Dmarc::parse(text) {
            Ok(dmarc) => dmarc,
            Err(error) => return findings.push(wrong(&DMARC_SYNTAX, &name, "DMARC record", text, error)),
        },
        (Some(_), Some(_)) => {
            return findings.push(
                Finding::new(
                    &DMARC_SEVERAL,
                    name,
                    "There are several DMARC records; receivers do as if there were none.",
                )
                .with_remedy("Leave one of them."),
            );
        }
        // What stands there can hardly be meant for something else.
        (None, _) => {
            let text = found.first().map(Vec::as_slice).unwrap_or_default();
            let error = ParseError::new(0, "expected v=DMARC1");
            return findings.push(wrong(&DMARC_SYNTAX, &name, "DMARC record", text, error));
        }
    };
    for error in &dmarc.ignored {
        findings.push(
            Finding::new(&DMARC_TAG, &name, format!("A tag of the DMARC record is wrong at byte {}: {}. Receivers do as if it were not there.", error.offset.saturating_add(1), error.reason))
                .with_remedy("Correct the record there."),
        );
    }
    reports(resolver, &owner, &dmarc, findings).await;
    findings.push(match dmarc.policy {
        DmarcPolicy::None => Finding::new(
            &DMARC_POLICY_NONE,
            &name,
            "The DMARC policy is “none”: forged mail of this domain is only reported.",
        )
        .with_remedy("When the reports show that all of your mail passes, make it “quarantine” or “reject”."),
        _ => Finding::new(
            &DMARC_FOUND,
            &name,
            "DMARC tells receivers what to do with forged mail of this domain.",
        ),
    });
}

/// The texts where the policy of a domain is: its own, or that of its organization, or that of the registry above it.
async fn policies(
    resolver: &impl Resolver,
    domain: &str,
) -> Result<Option<(String, Vec<Vec<u8>>)>, DnsError> {
    let own = texts(resolver, &format!("_dmarc.{domain}")).await?;
    if !own.is_empty() {
        return Ok(Some((domain.to_owned(), own)));
    }
    let Walk { organization, mut found } = walk(resolver, domain).await?;
    let at = found.iter().position(|(owner, _)| *owner == organization);
    Ok(at.map(|at| found.swap_remove(at)).or_else(|| found.pop()))
}

/// What a walk up from a domain has found.
struct Walk {
    /// The domain that its organization has registered, as far as records tell.
    organization: String,
    /// Who has a policy, the lowest first, with its text.
    found: Vec<(String, Vec<Vec<u8>>)>,
}

/// Walks up from a domain: the DNS Tree Walk of DMARC ([RFC 9989](https://www.rfc-editor.org/rfc/rfc9989)). It asks DNS which part of
/// a domain is its organization's, and so needs no list of public suffixes, which would be out of date some day.
///
/// The highest domain with a record is the organization's, unless a record says `psd=n`: then it is that one; or `psd=y`: then it
/// is the domain below that one.
async fn walk(resolver: &impl Resolver, domain: &str) -> Result<Walk, DnsError> {
    let mut walk = Walk { organization: domain.to_owned(), found: Vec::new() };
    let mut below = domain;
    for name in upward(domain) {
        let mut records = texts(resolver, &format!("_dmarc.{name}")).await?;
        records.retain(|text| Dmarc::is_one(text));
        // Of several none counts.
        if let [record] = records.as_slice() {
            let is_suffix = Dmarc::parse(record).ok().and_then(|dmarc| dmarc.public_suffix);
            walk.organization = if is_suffix == Some(true) { below } else { name }.to_owned();
            walk.found.push((name.to_owned(), records));
            if is_suffix.is_some() {
                break;
            }
        }
        below = name;
    }
    Ok(walk)
}

/// A domain and those above it.
fn upward(domain: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(domain), |name| above(name)).take(ASKED)
}

/// The domain above another one. Of a name with many labels those are left out where hardly anybody has a record.
fn above(name: &str) -> Option<&str> {
    let cut = name.split('.').count().saturating_sub(LABELS).max(1);
    name.splitn(cut.saturating_add(1), '.').nth(cut)
}

/// Whether those of other organizations who are to get reports want them: RFC 7489 section 7.1.
async fn reports(resolver: &impl Resolver, owner: &str, dmarc: &Dmarc, findings: &mut Findings) {
    let organization = match walk(resolver, owner).await {
        Ok(walk) => walk.organization,
        Err(error) => return findings.push(failed(owner, "its organization", &error)),
    };
    for place in dmarc.aggregate.iter().chain(&dmarc.failure).take(PLACES) {
        let Some(host) = mail_domain(place).and_then(host_name) else { continue };
        if host == organization
            || walk(resolver, &host).await.is_ok_and(|walk| walk.organization == organization)
        {
            continue;
        }
        match texts(resolver, &format!("{owner}._report._dmarc.{host}")).await {
            Err(error) => findings.push(failed(&host, "whether it takes reports", &error)),
            Ok(texts) if texts.iter().any(|text| Dmarc::is_one(text)) => {}
            Ok(_) => findings.push(
                Finding::new(&DMARC_REPORTS, format!("_dmarc.{owner}"), format!("DMARC reports are to go to {place}, and {host} does not say that it takes them: they are not sent."))
                    .with_remedy(format!("Have {host} publish a TXT record “v=DMARC1” for {owner}._report._dmarc.{host}, or name an address at {owner}.")),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::dns::{Answer, Record, RecordType};

    #[test]
    fn names_above() {
        let upward = |domain| upward(domain).collect::<Vec<_>>();
        assert_eq!(upward("mail.example.org"), ["mail.example.org", "example.org", "org"]);
        let deep = upward("a.b.c.d.e.f.g.h.i.example.org");
        assert_eq!(deep[..2], ["a.b.c.d.e.f.g.h.i.example.org", "e.f.g.h.i.example.org"]);
        assert_eq!(deep.last(), Some(&"org"));
        assert_eq!(super::upward(&"a.".repeat(120)).count(), ASKED);
    }

    /// Policies by the names that have them.
    struct Zone(HashMap<&'static str, &'static str>);

    impl Resolver for Zone {
        async fn lookup(&self, name: &str, _: RecordType) -> Result<Answer, DnsError> {
            let text = name.strip_prefix("_dmarc.").and_then(|name| self.0.get(name));
            Ok(Answer::new(text.map(|&text| Record::Txt(text.into())).into_iter().collect()))
        }
    }

    #[tokio::test]
    async fn whose_a_domain_is() {
        const PLAIN: &str = "v=DMARC1; p=none";
        const SUFFIX: &str = "v=DMARC1; p=reject; psd=y";
        const OWN: &str = "v=DMARC1; p=none; psd=n";
        for (records, organization, policy) in [
            (&[][..], "a.b.example.org", None),
            (&[("example.org", PLAIN)], "example.org", Some("example.org")),
            // The highest one counts, and that of the domain itself is its policy all the same.
            (&[("b.example.org", PLAIN), ("example.org", PLAIN)], "example.org", Some("example.org")),
            (&[("a.b.example.org", PLAIN), ("example.org", PLAIN)], "example.org", Some("a.b.example.org")),
            // A registry, and whoever says that it is not below one.
            (&[("example.org", PLAIN), ("org", SUFFIX)], "example.org", Some("example.org")),
            (&[("org", SUFFIX)], "example.org", Some("org")),
            (&[("b.example.org", SUFFIX), ("example.org", PLAIN)], "a.b.example.org", Some("b.example.org")),
            (&[("b.example.org", OWN), ("example.org", PLAIN)], "b.example.org", Some("b.example.org")),
            (&[("a.b.example.org", SUFFIX)], "a.b.example.org", Some("a.b.example.org")),
        ] {
            let zone = Zone(records.iter().copied().collect());
            let domain = "a.b.example.org";
            assert_eq!(walk(&zone, domain).await.unwrap().organization, organization, "{records:?}");
            let found = policies(&zone, domain).await.unwrap().map(|(owner, _)| owner);
            assert_eq!(found.as_deref(), policy, "{records:?}");
        }
    }
}
