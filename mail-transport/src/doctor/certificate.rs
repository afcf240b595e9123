//! What is wrong with the certificates that a server shows: one cause, the first one that explains the rest.

use std::time::{Duration, SystemTime};

use rustls::CertificateError;
use x509_cert::{
    Certificate,
    der::{
        Decode, Reader, SliceReader,
        asn1::{ObjectIdentifier, UintRef},
    },
    ext::pkix::{SubjectAltName, name::GeneralName},
    name::Name,
};

use super::{
    Check, Finding,
    checks::servers::{
        CERTIFICATE_CHAIN, CERTIFICATE_EXPIRED, CERTIFICATE_EXPIRES_SOON, CERTIFICATE_GOOD, CERTIFICATE_NAME,
        CERTIFICATE_NOT_YET, CERTIFICATE_REVOKED, CERTIFICATE_SELF_SIGNED, CERTIFICATE_UNREADABLE,
        CERTIFICATE_UNTRUSTED, CERTIFICATE_UNVERIFIED, CERTIFICATE_WEAK, STAPLE_MISSING, STAPLE_USELESS,
    },
    handshake::Shown,
    ocsp::{self, Staple},
};
use crate::{
    Error,
    tls::{TlsError, default_provider},
};

/// How many certificates of a chain are looked at.
const CHAIN: usize = 10;

/// The TLS feature extension: [RFC 7633](https://www.rfc-editor.org/rfc/rfc7633).
const TLS_FEATURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.24");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// MD2, MD4, MD5 and SHA-1 with RSA, SHA-1 with ECDSA and with DSA.
const WEAK_SIGNATURES: &[(ObjectIdentifier, &str)] = &[
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.2"), "MD2"),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.3"), "MD4"),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.4"), "MD5"),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"), "SHA-1"),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"), "SHA-1"),
    (ObjectIdentifier::new_unwrap("1.2.840.10040.4.3"), "SHA-1"),
];

/// What a server showed, and what came of verifying it.
pub(super) struct Case<'a> {
    pub(super) subject: &'a str,
    pub(super) host: &'a str,
    pub(super) shown: &'a Shown,
    pub(super) verified: Result<(), &'a Error>,
    pub(super) now: SystemTime,
    /// How soon the end is warned of, in days.
    pub(super) soon: u32,
}

impl Case<'_> {
    /// The findings: what is wrong, or that all is well; and what of the staple.
    pub(super) fn judge(&self) -> Vec<Finding> {
        let read: Result<Vec<Certificate>, _> =
            self.shown.chain.iter().take(CHAIN).map(|one| Certificate::from_der(one)).collect();
        let chain = match read {
            Ok(chain) if !chain.is_empty() => chain,
            Ok(_) => return Vec::new(),
            Err(error) => {
                let what = "The certificate cannot be read.";
                let finding = self.finding(&CERTIFICATE_UNREADABLE, what, "Install another certificate.");
                return vec![finding.with_detail("reason", error)];
            }
        };
        let mut findings = Vec::new();
        let (staple, good) = self.staple(&chain, &mut findings);
        let wrong = self
            .dates(&chain)
            .or_else(|| weak(&chain).map(|what| {
                self.finding(&CERTIFICATE_WEAK, what, "Have a new certificate issued, with a key of RSA of 2048 bits or more, or of ECDSA, and a signature by SHA-256.")
            }))
            .or(staple)
            .or_else(|| self.verified.err().map(|error| self.not_verified(&chain, error)));
        let is_wrong = wrong.is_some();
        let first = wrong.unwrap_or_else(|| self.good(&chain));
        let first = described(first, &chain);
        findings.insert(0, good.into_iter().fold(first, |first, good| first.with_detail("OCSP", good)));
        if !is_wrong {
            findings.extend(self.ends_soon(&chain));
        }
        findings
    }

    fn finding(&self, check: &Check, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding::new(check, self.subject, what).with_remedy(remedy)
    }

    fn good(&self, chain: &[Certificate]) -> Finding {
        let until = chain.first().map(|own| day(end(own))).unwrap_or_default();
        Finding::new(
            &CERTIFICATE_GOOD,
            self.subject,
            format!(
                "The certificate is for {}, from an authority that is trusted, and valid until {until}.",
                self.host
            ),
        )
    }

    /// A certificate of the chain that is not valid now: the server's own, or one that it needs.
    fn dates(&self, chain: &[Certificate]) -> Option<Finding> {
        // What is sent beyond the need, such as an old root, does no harm to who finds another way.
        let needed = if self.verified.is_ok() { 1 } else { chain.len() };
        chain.iter().zip(0..).take(needed).find_map(|(one, index)| {
            let whose = match index {
                0 => "The certificate".to_owned(),
                _ => format!("The certificate of the authority {}, which the server sends,", named(&one.tbs_certificate.subject)),
            };
            let (begin, end) = (begin(one), end(one));
            if end < self.now {
                let what = format!("{whose} has expired on {}: mail programs refuse to connect.", day(end));
                let remedy = "Renew the certificate, have the server load it, and see to it that this happens by itself (for instance by ACME).";
                return Some(self.finding(&CERTIFICATE_EXPIRED, what, remedy));
            }
            if begin > self.now {
                let what = format!("{whose} is valid only from {} on.", day(begin));
                let remedy = "Check the clocks of this machine and of the authority's, or wait.";
                return Some(self.finding(&CERTIFICATE_NOT_YET, what, remedy));
            }
            None
        })
    }

    fn ends_soon(&self, chain: &[Certificate]) -> Option<Finding> {
        let end = end(chain.first()?);
        let left = end.duration_since(self.now).ok()?;
        let days = left.as_secs() / 86_400;
        (days < u64::from(self.soon)).then(|| {
            let days = if days == 1 { "1 more day".to_owned() } else { format!("{days} more days") };
            let what = format!("The certificate is valid for {days} only, until {}.", day(end));
            self.finding(
                &CERTIFICATE_EXPIRES_SOON,
                what,
                "Renew it, and find out why that did not happen by itself.",
            )
        })
    }

    /// What is stapled: that the certificate is revoked is what is wrong with it, that it is not is a detail, and the rest is
    /// told beside.
    fn staple(
        &self,
        chain: &[Certificate],
        findings: &mut Vec<Finding>,
    ) -> (Option<Finding>, Option<String>) {
        let must = chain.first().is_some_and(|own| {
            own.tbs_certificate.extensions.iter().flatten().any(|extension| extension.extn_id == TLS_FEATURE)
        });
        if self.shown.staple.is_empty() {
            if must {
                let what = "The certificate says that the server sends proof that it is not revoked (OCSP must-staple), and the server sends none: some programs refuse it.";
                let remedy = "Switch OCSP stapling on at the server, or have a certificate issued without must-staple.";
                findings.push(self.finding(&STAPLE_MISSING, what, remedy));
            }
            return (None, None);
        }
        let Ok(provider) = default_provider() else { return (None, None) };
        match ocsp::read(&self.shown.staple, &self.shown.chain, &provider, self.now) {
            Staple::Good(until) => {
                let until =
                    until.map(|until| format!(", and says so until {}", day(until))).unwrap_or_default();
                (None, Some(format!("the authority has not revoked it{until}")))
            }
            Staple::Revoked { at, is_verified } => {
                let what = format!("The authority has revoked the certificate on {}.", day(at));
                let remedy = "Find out why it was revoked (a stolen key?), make a new key, and have a new certificate issued.";
                let verified = if is_verified {
                    "verified"
                } else {
                    "not verified: the authority's certificate is not sent"
                };
                (
                    Some(self.finding(&CERTIFICATE_REVOKED, what, remedy).with_detail("signature", verified)),
                    None,
                )
            }
            Staple::Useless(reason) => {
                let what = format!(
                    "The OCSP response that the server sends with its certificate is of no use: {reason}."
                );
                findings.push(self.finding(
                    &STAPLE_USELESS,
                    what,
                    "See that the server renews the response, and reaches the authority's OCSP responder.",
                ));
                (None, None)
            }
        }
    }

    /// What rustls says, in the words of what it means here.
    fn not_verified(&self, chain: &[Certificate], error: &Error) -> Finding {
        use CertificateError as Bad;
        let unverified = |reason: String| {
            let what = format!("The certificate cannot be verified: {reason}.");
            self.finding(&CERTIFICATE_UNVERIFIED, what, "Have a new certificate issued for the server.")
        };
        let bad = match error {
            Error::Tls(TlsError::Handshake(failed)) => match &*failed.error {
                rustls::Error::InvalidCertificate(bad) => bad,
                other => return unverified(other.to_string()),
            },
            other => return unverified(other.to_string()),
        };
        match bad {
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                let names = chain.first().map(names).unwrap_or_default();
                let what = match names.is_empty() {
                    true => format!("The certificate is for no name at all, and not for {}.", self.host),
                    false => {
                        format!("The certificate is for {}, and not for {}.", names.join(", "), self.host)
                    }
                };
                let remedy = format!(
                    "Have a certificate issued for {}, or let programs connect to a name that the certificate is for.",
                    self.host
                );
                self.finding(&CERTIFICATE_NAME, what, remedy)
            }
            Bad::UnknownIssuer => self.unknown_issuer(chain),
            // What webpki says of a certificate that is its own authority.
            Bad::Other(_) if chain.first().is_some_and(is_own_issuer) => self.unknown_issuer(chain),
            Bad::Revoked => {
                let what = "The authority has revoked the certificate.";
                self.finding(&CERTIFICATE_REVOKED, what, "Make a new key, and have a new certificate issued.")
            }
            other => unverified(rustls::Error::InvalidCertificate(other.clone()).to_string()),
        }
    }

    fn unknown_issuer(&self, chain: &[Certificate]) -> Finding {
        let last = chain.last();
        let issuer = last.map(|last| named(&last.tbs_certificate.issuer)).unwrap_or_default();
        match chain {
            [own, ..] if is_own_issuer(own) => {
                let what = "The certificate is signed by itself: programs cannot know whose it is, and refuse or ask.";
                let remedy = format!(
                    "Have a certificate for {} issued by an authority that is trusted everywhere, for instance by ACME.",
                    self.host
                );
                self.finding(&CERTIFICATE_SELF_SIGNED, what, remedy)
            }
            _ if last.is_some_and(is_own_issuer) => {
                let what = format!(
                    "The certificate comes from the authority {issuer}, which this machine does not trust."
                );
                let remedy = "Have a certificate issued by an authority that is trusted everywhere, or install the authority's certificate on every machine that connects.";
                self.finding(&CERTIFICATE_UNTRUSTED, what, remedy)
            }
            _ => {
                let what = format!(
                    "The chain of certificates is not complete: the server does not send the certificate of {issuer}, which issued the last one that it sends, and this machine does not have it."
                );
                let remedy = "Have the server send all certificates between its own and the root (the \"full chain\"). If the authority is a private one, its certificate has to be installed on every machine that connects.";
                self.finding(&CERTIFICATE_CHAIN, what, remedy)
            }
        }
    }
}

/// Adds what the certificate says.
fn described(finding: Finding, chain: &[Certificate]) -> Finding {
    let Some(own) = chain.first() else { return finding };
    let mut finding = finding
        .with_detail("names", names(own).join(", "))
        .with_detail("issuer", named(&own.tbs_certificate.issuer))
        .with_detail("valid", format!("{} to {}", day(begin(own)), day(end(own))));
    for one in chain.iter().skip(1) {
        finding = finding.with_detail("sent with it", named(&one.tbs_certificate.subject));
    }
    finding
}

/// What is weak about a chain: a key, or a signature that somebody has to rely on.
fn weak(chain: &[Certificate]) -> Option<String> {
    let own = chain.first()?;
    if let Some(bits) = rsa_bits(own).filter(|bits| *bits < 2048) {
        return Some(format!("The key of the certificate has {bits} bits only: it can be broken."));
    }
    chain.iter().filter(|one| !is_own_issuer(one) || std::ptr::eq(*one, own)).find_map(|one| {
        let oid = one.signature_algorithm.oid;
        let (_, name) = WEAK_SIGNATURES.iter().find(|(weak, _)| *weak == oid)?;
        Some(format!(
            "The certificate of {} is signed with {name}, which can be forged.",
            named(&one.tbs_certificate.subject)
        ))
    })
}

/// How many bits an RSA key has.
fn rsa_bits(certificate: &Certificate) -> Option<usize> {
    let key = &certificate.tbs_certificate.subject_public_key_info;
    if key.algorithm.oid != RSA {
        return None;
    }
    let mut reader = SliceReader::new(key.subject_public_key.raw_bytes()).ok()?;
    let modulus = reader.sequence(|key| {
        let modulus = UintRef::decode(key)?;
        UintRef::decode(key)?;
        Ok(modulus)
    });
    let modulus = modulus.ok()?;
    let zeros = modulus.as_bytes().first().map_or(0, |first| first.leading_zeros());
    Some(modulus.as_bytes().len().saturating_mul(8).saturating_sub(zeros as usize))
}

fn is_own_issuer(certificate: &Certificate) -> bool {
    certificate.tbs_certificate.issuer == certificate.tbs_certificate.subject
}

fn begin(certificate: &Certificate) -> SystemTime {
    certificate.tbs_certificate.validity.not_before.to_system_time()
}

/// The end of the last second.
fn end(certificate: &Certificate) -> SystemTime {
    certificate.tbs_certificate.validity.not_after.to_system_time() + Duration::from_secs(1)
}

/// `2026-11-29`.
fn day(time: SystemTime) -> String {
    match x509_cert::der::DateTime::try_from(time) {
        Ok(time) => format!("{:04}-{:02}-{:02}", time.year(), time.month(), time.day()),
        Err(_) => "an impossible day".into(),
    }
}

/// The names and addresses that a certificate is for.
fn names(certificate: &Certificate) -> Vec<String> {
    let Ok(Some((_, SubjectAltName(names)))) = certificate.tbs_certificate.get() else { return Vec::new() };
    let named = names.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(address) => match <[u8; 4]>::try_from(address.as_bytes()) {
            Ok(four) => Some(std::net::Ipv4Addr::from(four).to_string()),
            Err(_) => {
                Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(address.as_bytes()).ok()?).to_string())
            }
        },
        _ => None,
    });
    named.take(20).collect()
}

/// A name as people read it; never empty.
fn named(name: &Name) -> String {
    let text = super::finding::shown(&name.to_string());
    if text.is_empty() { "(no name)".into() } else { text }
}
