//! What a domain's TLSRPT comes to.

use mailwire_core::ParseError;

use super::{Findings, failed, texts, wrong};
use crate::{
    dns::Resolver,
    doctor::{
        Finding,
        checks::records::{TLSRPT_FOUND, TLSRPT_MISSING, TLSRPT_SEVERAL, TLSRPT_SYNTAX},
        records::TlsRpt,
    },
};

/// Looks at where reports about TLS go.
pub(super) async fn examine(resolver: &impl Resolver, domain: &str, findings: &mut Findings) {
    let name = format!("_smtp._tls.{domain}");
    let found = match texts(resolver, &name).await {
        Ok(found) => found,
        Err(error) => return findings.push(failed(&name, "where reports about TLS go", &error)),
    };
    let mut records = found.iter().filter(|text| TlsRpt::is_one(text));
    findings.push(match (records.next(), records.next(), found.first()) {
        (Some(_), Some(_), _) => Finding::new(
            &TLSRPT_SEVERAL,
            name,
            "There are several TLSRPT records; senders do as if there were none.",
        )
        .with_remedy("Leave one of them."),
        (Some(text), None, _) => match TlsRpt::parse(text) {
            Err(error) => wrong(&TLSRPT_SYNTAX, &name, "TLSRPT record", text, error),
            Ok(record) => Finding::new(
                &TLSRPT_FOUND,
                name,
                format!("Reports about TLS go to {}.", record.places.join(", ")),
            ),
        },
        (None, _, Some(text)) => {
            wrong(&TLSRPT_SYNTAX, &name, "TLSRPT record", text, ParseError::new(0, "expected v=TLSRPTv1"))
        }
        (None, _, None) => Finding::new(
            &TLSRPT_MISSING,
            domain,
            "There is no TLSRPT record: nobody tells you if others cannot deliver to you within TLS.",
        )
        .with_remedy(format!(
            "Publish a TXT record for {name}: “v=TLSRPTv1; rua=mailto:postmaster@{domain}”."
        )),
    });
}
