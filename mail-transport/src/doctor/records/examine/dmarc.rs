//! What a domain's DMARC comes to.

use mailwire_core::ParseError;

use super::{Findings, failed, texts, wrong};
use crate::{
    dns::{DnsError, Resolver, host_name, is_within},
    doctor::{
        Finding,
        checks::records::{
            DMARC_FOUND, DMARC_MISSING, DMARC_POLICY_NONE, DMARC_REPORTS, DMARC_SEVERAL, DMARC_SYNTAX,
            DMARC_TAG,
        },
        records::{Dmarc, DmarcPolicy, dmarc::mail_domain},
    },
};

/// How many domains above one are asked, as RFC 9989 has it.
const PARENTS: usize = 8;

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

/// The texts at the first of the domain and those above it where there are any.
async fn policies(
    resolver: &impl Resolver,
    domain: &str,
) -> Result<Option<(String, Vec<Vec<u8>>)>, DnsError> {
    let mut owner = domain;
    for _ in 0..PARENTS {
        let found = texts(resolver, &format!("_dmarc.{owner}")).await?;
        let is_policy = |text: &Vec<u8>| Dmarc::is_one(text);
        // Above the domain something else can stand there.
        if !found.is_empty() && (owner == domain || found.iter().any(is_policy)) {
            return Ok(Some((owner.to_owned(), found)));
        }
        match owner.split_once('.') {
            Some((_, above)) if above.contains('.') => owner = above,
            _ => break,
        }
    }
    Ok(None)
}

/// Whether those who are to get reports want them: RFC 7489 section 7.1.
async fn reports(resolver: &impl Resolver, owner: &str, dmarc: &Dmarc, findings: &mut Findings) {
    for place in dmarc.aggregate.iter().chain(&dmarc.failure).take(PLACES) {
        let Some(host) = mail_domain(place).and_then(host_name) else { continue };
        if is_of_one(&host, owner) {
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

/// Whether two domains are surely of one owner, or could be: who is below which registry is not known here.
fn is_of_one(one: &str, other: &str) -> bool {
    let common = |(one, other): &(&str, &str)| one == other;
    is_within(one, other)
        || is_within(other, one)
        || one.rsplit('.').zip(other.rsplit('.')).take_while(common).count() >= 2
}
