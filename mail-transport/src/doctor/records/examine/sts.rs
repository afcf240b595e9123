//! What a domain's MTA-STS comes to: [RFC 8461](https://www.rfc-editor.org/rfc/rfc8461).

use std::time::Duration;

use super::{Exchange, Findings, failed, texts};
use crate::{
    deliver::{Mode, Policy, TlsFailure, sts},
    dns::Resolver,
    doctor::{
        Finding, Severity,
        checks::records::{
            STS_FETCH, STS_FOUND, STS_MISMATCH, STS_MISSING, STS_OFF, STS_POLICY, STS_RECORD, STS_SEVERAL,
            STS_SHORT, STS_TESTING,
        },
    },
    http::Http,
};

/// A policy that is kept for less protects hardly: RFC 8461 section 3.2 speaks of weeks.
const SHORT: Duration = Duration::from_secs(86400);

/// Looks at the policy of a domain, and whether the domain's hosts are in it.
pub(super) async fn examine(
    resolver: &impl Resolver,
    http: &impl Http,
    domain: &str,
    exchanges: &[Exchange],
    findings: &mut Findings,
) {
    let name = format!("_mta-sts.{domain}");
    let found = match texts(resolver, &name).await {
        Ok(found) => found,
        Err(error) => return findings.push(failed(&name, "whether there is MTA-STS", &error)),
    };
    let mut records = found.iter().filter(|text| sts::is_record(text));
    match (records.next(), records.next()) {
        (Some(text), None) if sts::id(text).is_some() => {}
        (Some(_), Some(_)) => {
            return findings.push(
                Finding::new(
                    &STS_SEVERAL,
                    name,
                    "There are several MTA-STS records; senders do as if there were none.",
                )
                .with_remedy("Leave one of them."),
            );
        }
        (None, _) if found.is_empty() => {
            return findings.push(
                Finding::new(&STS_MISSING, domain, "There is no MTA-STS: whoever is on the way can have mail to this domain sent without TLS.")
                    .with_remedy(format!("Publish a policy at https://mta-sts.{domain}/.well-known/mta-sts.txt and a TXT record for {name}: “v=STSv1; id=1”.")),
            );
        }
        _ => {
            let text = found.first().map(|text| String::from_utf8_lossy(text)).unwrap_or_default();
            return findings.push(
                Finding::new(&STS_RECORD, name, "The MTA-STS record is wrong; senders do as if there were none.")
                    .with_remedy("Let it be “v=STSv1; id=” and up to 32 letters and digits, which are others each time the policy changes.")
                    .with_detail("record", text),
            );
        }
    }
    match sts::fetch(http, domain).await {
        Err((failure, reason)) => findings.push(not_had(domain, failure, &reason)),
        Ok(policy) => findings.extend(of_policy(domain, &policy, exchanges)),
    }
}

fn not_had(domain: &str, failure: TlsFailure, reason: &str) -> Finding {
    let place = format!("https://mta-sts.{domain}/.well-known/mta-sts.txt");
    let subject = format!("mta-sts.{domain}");
    match failure {
        TlsFailure::StsPolicyInvalid => Finding::new(
            &STS_POLICY,
            subject,
            format!("The MTA-STS policy is wrong ({reason}); senders do as if there were none."),
        )
        .with_remedy(format!(
            "Correct the document at {place}; it has to be text/plain, with version, mode, mx and max_age."
        )),
        _ => Finding::new(
            &STS_FETCH,
            subject,
            "There is an MTA-STS record, but the policy cannot be fetched; senders do as if there were none.",
        )
        .with_remedy(format!(
            "See that {place} can be opened in a browser, without a warning and without being led elsewhere."
        ))
        .with_detail("reason", reason),
    }
}

fn of_policy(domain: &str, policy: &Policy, exchanges: &[Exchange]) -> Vec<Finding> {
    let subject = format!("mta-sts.{domain}");
    let mut findings = Vec::new();
    if policy.mode == Mode::None {
        return vec![
            Finding::new(&STS_OFF, subject, "The MTA-STS policy has the mode “none”: it protects nothing.")
                .with_remedy("Make the mode “testing”, and “enforce” when reports show that all is well."),
        ];
    }
    let others: Vec<_> = exchanges
        .iter()
        .map(|exchange| exchange.host.as_str())
        .filter(|host| !policy.permits(host))
        .collect();
    if !others.is_empty() {
        let (severity, harm) = match policy.mode {
            Mode::Enforce => (Severity::Error, "senders that keep to it deliver nothing there"),
            _ => (Severity::Warning, "with the mode “enforce” nothing would be delivered there"),
        };
        findings.push(
            Finding::new(
                &STS_MISMATCH,
                &subject,
                format!(
                    "The MTA-STS policy does not name {}, which takes this domain's mail: {harm}.",
                    others.join(", ")
                ),
            )
            .with_severity(severity)
            .with_remedy("Add the host to the policy (mx:), and change the id of the record.")
            .with_detail("hosts of the policy", policy.mx.join(", ")),
        );
    }
    if policy.max_age < SHORT {
        findings.push(
            Finding::new(
                &STS_SHORT,
                &subject,
                format!(
                    "The MTA-STS policy is kept for {} seconds only: whoever is on the way has but to wait.",
                    policy.max_age.as_secs()
                ),
            )
            .with_remedy("Make max_age some weeks, such as 1209600."),
        );
    }
    match policy.mode {
        Mode::Testing => findings.push(
            Finding::new(
                &STS_TESTING,
                &subject,
                "The MTA-STS policy has the mode “testing”: what is wrong is only reported.",
            )
            .with_remedy("Make the mode “enforce” when reports show that all is well."),
        ),
        _ if findings.is_empty() => {
            findings.push(Finding::new(
                &STS_FOUND,
                &subject,
                "MTA-STS has mail to this domain delivered within TLS, to its own hosts only.",
            ));
        }
        _ => {}
    }
    findings
}
