//! What a host's TLSA records come to: [RFC 7672](https://www.rfc-editor.org/rfc/rfc7672).

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Exchange, Findings, failed};
use crate::{
    deliver::Dane,
    dns::{Answer, DnsError, RecordType, Resolver, Tlsa},
    doctor::{
        Finding,
        checks::records::{
            DANE_FOUND, DANE_INSECURE, DANE_MALFORMED, DANE_MISMATCH, DANE_MISSING, DANE_UNPROVED,
            DANE_UNUSABLE,
        },
    },
};

/// Looks at the TLSA records of a host, and whether they are for the certificates that it shows, where these are known.
pub(super) async fn examine(
    resolver: &impl Resolver,
    exchange: &Exchange,
    chain: Option<&[CertificateDer<'static>]>,
    findings: &mut Findings,
) {
    let host = exchange.host.as_str();
    let (base, answer) = match records(resolver, exchange).await {
        Ok(found) => found,
        Err(error) => return findings.push(failed(host, "its TLSA records", &error)),
    };
    let all: Vec<&Tlsa> = answer.tlsa().collect();
    let told = all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if all.is_empty() {
        return findings.push(Finding::new(
            &DANE_MISSING,
            host,
            "There is no TLSA record (DANE) for port 25: DNS does not vouch for the certificate of this host.",
        ));
    }
    if !resolver.verifies_signatures() {
        return findings.push(
            Finding::new(
                &DANE_UNPROVED,
                host,
                "There are TLSA records (DANE), and whether they are signed was not looked at.",
            )
            .with_remedy("Examine the address once more by a name server that hands signatures on.")
            .with_detail("records", told),
        );
    }
    if !answer.authenticated || !exchange.authenticated {
        return findings.push(
            Finding::new(&DANE_INSECURE, host, "There are TLSA records (DANE), but no signatures prove them and all that leads to them: nobody looks at them.")
                .with_remedy("Sign the zones of the domain and of this host (DNSSEC), or take the TLSA records away.")
                .with_detail("records", told),
        );
    }
    if let Some(record) = all.iter().find(|record| is_malformed(record)) {
        return findings.push(
            Finding::new(&DANE_MALFORMED, host, format!("A TLSA record is none: {record}.")).with_remedy(
                format!(
                    "Write it anew, such as “_25._tcp.{base} TLSA 3 1 1” and the SHA-256 of the public key."
                ),
            ),
        );
    }
    let dane = Dane::new(all.into_iter().cloned());
    if !dane.is_usable() {
        return findings.push(
            Finding::new(&DANE_UNUSABLE, host, "No TLSA record is of a kind that counts between mail servers: the first number has to be 2 or 3.")
                .with_remedy("Publish “3 1 1” and the SHA-256 of the public key.")
                .with_detail("records", told),
        );
    }
    let verified = chain.filter(|chain| !chain.is_empty()).map(|chain| {
        let name = ServerName::try_from(base.clone()).map_err(|error| error.to_string())?;
        dane.verify(chain, &name, UnixTime::now()).map_err(|error| error.to_string())
    });
    findings.push(match verified {
        Some(Err(error)) => Finding::new(&DANE_MISMATCH, host, "The TLSA records (DANE) are for another certificate than this host has: senders that look at them deliver nothing there.")
            .with_remedy("Publish a record for the certificate of now, beside the old one, before the certificate is changed; or take the records away.")
            .with_detail("records", told)
            .with_detail("reason", error),
        Some(Ok(())) => Finding::new(&DANE_FOUND, host, "TLSA records (DANE) vouch for the certificate of this host."),
        None => Finding::new(&DANE_FOUND, host, "There are TLSA records (DANE). The certificate of this host is not known, so that they could not be compared."),
    });
}

/// The records, and the name that has them: that which the host is an alias of, or its own.
async fn records(resolver: &impl Resolver, exchange: &Exchange) -> Result<(String, Answer), DnsError> {
    let mut last = (exchange.host.clone(), Answer::default());
    for base in exchange.alias_of.iter().chain([&exchange.host]) {
        let answer = resolver.lookup(&format!("_25._tcp.{base}"), RecordType::Tlsa).await?;
        last = (base.clone(), answer);
        if last.1.tlsa().next().is_some() {
            break;
        }
    }
    Ok(last)
}

/// RFC 6698 section 2.1: the numbers that there are, and the length that a digest has.
fn is_malformed(record: &Tlsa) -> bool {
    let has_length = match record.matching {
        0 => !record.data.is_empty(),
        1 => record.data.len() == 32,
        2 => record.data.len() == 64,
        _ => false,
    };
    !has_length || record.usage > 3 || record.selector > 1
}
