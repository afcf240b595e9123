//! What is stapled to a certificate: an OCSP response ([RFC 6960](https://www.rfc-editor.org/rfc/rfc6960)). None is fetched.

use std::time::SystemTime;

use rustls::{crypto::CryptoProvider, pki_types::CertificateDer};
use x509_cert::{
    Certificate,
    der::{Any, Decode, Encode, asn1::ObjectIdentifier},
    ext::pkix::ExtendedKeyUsage,
    spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned},
};
use x509_ocsp::{BasicOcspResponse, CertStatus, OcspResponse, OcspResponseStatus};

/// id-kp-OCSPSigning: RFC 6960 section 4.2.2.2.
const OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");
/// id-pkix-ocsp-basic.
const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");

/// What a staple says of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Staple {
    /// The authority knows it and has not revoked it; until when that is said.
    Good(Option<SystemTime>),
    /// The authority has revoked it.
    Revoked {
        at: SystemTime,
        /// Whether the authority's signature was verified. Where the authority's certificate is not sent, it cannot be.
        is_verified: bool,
    },
    /// It says nothing that counts, and why.
    Useless(String),
}

/// Reads the response that is stapled to the first certificate of a chain.
pub(super) fn read(
    staple: &[u8],
    chain: &[CertificateDer<'_>],
    provider: &CryptoProvider,
    now: SystemTime,
) -> Staple {
    judge(staple, chain, provider, now).unwrap_or_else(Staple::Useless)
}

fn judge(
    staple: &[u8],
    chain: &[CertificateDer<'_>],
    provider: &CryptoProvider,
    now: SystemTime,
) -> Result<Staple, String> {
    let unreadable = |error: x509_cert::der::Error| format!("it cannot be read: {error}");
    let mut certificates = chain.iter().map(|one| Certificate::from_der(one));
    let own = certificates.next().ok_or("there is no certificate")?.map_err(unreadable)?;
    let issuer =
        certificates.flatten().find(|other| other.tbs_certificate.subject == own.tbs_certificate.issuer);
    let response = OcspResponse::from_der(staple).map_err(unreadable)?;
    if response.response_status != OcspResponseStatus::Successful {
        return Err(format!("the authority answered: {:?}", response.response_status));
    }
    let bytes =
        response.response_bytes.filter(|bytes| bytes.response_type == BASIC).ok_or("it has no answer")?;
    let basic = BasicOcspResponse::from_der(bytes.response.as_bytes()).map_err(unreadable)?;
    let serial = &own.tbs_certificate.serial_number;
    let single =
        basic.tbs_response_data.responses.iter().find(|single| single.cert_id.serial_number == *serial);
    let single = single.ok_or("it is about another certificate")?;
    let is_verified = match &issuer {
        Some(issuer) if is_signed(&basic, issuer, provider).map_err(unreadable)? => true,
        Some(_) => return Err("its signature is not the authority's".into()),
        None => false,
    };
    if single.this_update.0.to_system_time() > now {
        return Err("it is of the future".into());
    }
    let until = single.next_update.as_ref().map(|time| time.0.to_system_time());
    if until.is_some_and(|until| until < now) {
        return Err("it is out of date".into());
    }
    match &single.cert_status {
        CertStatus::Good(_) => Ok(Staple::Good(until)),
        CertStatus::Revoked(info) => {
            Ok(Staple::Revoked { at: info.revocation_time.0.to_system_time(), is_verified })
        }
        CertStatus::Unknown(_) => Err("the authority does not know the certificate".into()),
    }
}

/// Whether a response is signed by the authority, or by whom it has made a responder: RFC 6960 section 4.2.2.2.
fn is_signed(
    basic: &BasicOcspResponse,
    issuer: &Certificate,
    provider: &CryptoProvider,
) -> x509_cert::der::Result<bool> {
    let message = basic.tbs_response_data.to_der()?;
    let signature = basic.signature.raw_bytes();
    let by = |key: &SubjectPublicKeyInfoOwned| {
        verifies(provider, key, &basic.signature_algorithm, &message, signature)
    };
    let issuers = &issuer.tbs_certificate.subject_public_key_info;
    if by(issuers)? {
        return Ok(true);
    }
    for responder in basic.certs.iter().flatten().take(4) {
        let tbs = &responder.tbs_certificate;
        let usage = tbs.get::<ExtendedKeyUsage>()?;
        let may = usage.is_some_and(|(_, usage)| usage.0.contains(&OCSP_SIGNING));
        let signature = responder.signature.raw_bytes();
        if may
            && by(&tbs.subject_public_key_info)?
            && verifies(provider, issuers, &responder.signature_algorithm, &tbs.to_der()?, signature)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn verifies(
    provider: &CryptoProvider,
    key: &SubjectPublicKeyInfoOwned,
    algorithm: &AlgorithmIdentifierOwned,
    message: &[u8],
    signature: &[u8],
) -> x509_cert::der::Result<bool> {
    let (of_key, of_signature) = (contents(&key.algorithm)?, contents(algorithm)?);
    Ok(provider.signature_verification_algorithms.all.iter().any(|known| {
        *known.public_key_alg_id() == *of_key
            && *known.signature_alg_id() == *of_signature
            && known.verify_signature(key.subject_public_key.raw_bytes(), message, signature).is_ok()
    }))
}

/// The contents of the SEQUENCE, as rustls names algorithms.
fn contents(algorithm: &AlgorithmIdentifierOwned) -> x509_cert::der::Result<Vec<u8>> {
    Ok(Any::from_der(&algorithm.to_der()?)?.value().to_vec())
}
