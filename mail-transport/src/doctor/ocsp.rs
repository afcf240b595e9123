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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, SigningKey};
    use x509_cert::der::asn1::{BitString, GeneralizedTime, OctetString};
    use x509_ocsp::{
        CertId, CertStatus, OcspGeneralizedTime, ResponderId, ResponseData, RevokedInfo, SingleResponse,
        Version,
    };

    use super::*;
    use crate::tls::default_provider;

    type Issuer = CertifiedIssuer<'static, KeyPair>;

    fn issuer() -> Issuer {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn time(days: i64) -> OcspGeneralizedTime {
        let seconds = Duration::from_secs(days.unsigned_abs() * 86_400);
        let time = if days < 0 { now() - seconds } else { now() + seconds };
        OcspGeneralizedTime(GeneralizedTime::from_system_time(time).unwrap())
    }

    fn revoked() -> CertStatus {
        CertStatus::revoked(RevokedInfo { revocation_time: time(-2), revocation_reason: None })
    }

    /// A response about a certificate, valid between these days, and signed with this key.
    fn response(
        about: &CertificateDer<'_>,
        status: CertStatus,
        (from, until): (i64, i64),
        key: &KeyPair,
        certs: Option<Vec<Certificate>>,
    ) -> Vec<u8> {
        let algorithm = AlgorithmIdentifierOwned {
            oid: ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"),
            parameters: None,
        };
        let hash = OctetString::new([0; 20]).unwrap();
        let about = Certificate::from_der(about).unwrap().tbs_certificate;
        let single = SingleResponse {
            cert_id: CertId {
                hash_algorithm: algorithm.clone(),
                issuer_name_hash: hash.clone(),
                issuer_key_hash: hash,
                serial_number: about.serial_number,
            },
            cert_status: status,
            this_update: time(from),
            next_update: Some(time(until)),
            single_extensions: None,
        };
        let data = ResponseData {
            version: Version::V1,
            responder_id: ResponderId::ByName(about.issuer),
            produced_at: time(from),
            responses: vec![single],
            response_extensions: None,
        };
        let signature = key.sign(&data.to_der().unwrap()).unwrap();
        let basic = BasicOcspResponse {
            tbs_response_data: data,
            signature_algorithm: algorithm,
            signature: BitString::from_bytes(&signature).unwrap(),
            certs,
        };
        OcspResponse::successful(basic).unwrap().to_der().unwrap()
    }

    fn leaf(issuer: &Issuer, usage: Option<ExtendedKeyUsagePurpose>) -> (CertificateDer<'static>, KeyPair) {
        let mut params = CertificateParams::new(vec!["mail.example.org".to_owned()]).unwrap();
        params.extended_key_usages.extend(usage);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, issuer).unwrap().der().clone(), key)
    }

    fn is_useless(staple: &Staple) -> bool {
        matches!(staple, Staple::Useless(_))
    }

    #[test]
    fn what_the_authority_says() {
        let provider = default_provider().unwrap();
        let authority = issuer();
        let (own, _) = leaf(&authority, None);
        let chain = [own.clone(), authority.der().clone()];
        let judged = |staple: &[u8]| read(staple, &chain, &provider, now());
        let said = |status, days| response(&own, status, days, authority.key(), None);

        assert!(matches!(judged(&said(CertStatus::good(), (-1, 1))), Staple::Good(Some(_))));
        let bad = said(revoked(), (-1, 1));
        assert!(matches!(judged(&bad), Staple::Revoked { is_verified: true, .. }));
        // Without the authority's certificate nobody can tell whose the signature is.
        let alone = read(&bad, std::slice::from_ref(&own), &provider, now());
        assert!(matches!(alone, Staple::Revoked { is_verified: false, .. }));
        // Too old, of the future, unknown, of another certificate, by somebody else.
        let (other, key) = leaf(&authority, None);
        for staple in [
            said(CertStatus::good(), (-3, -1)),
            said(CertStatus::good(), (1, 2)),
            said(CertStatus::unknown(), (-1, 1)),
            response(&other, CertStatus::good(), (-1, 1), authority.key(), None),
            response(&own, CertStatus::good(), (-1, 1), &key, None),
            OcspResponse::try_later().to_der().unwrap(),
            Vec::new(),
        ] {
            assert!(is_useless(&judged(&staple)));
        }
        // Whatever is cut off, nothing counts any more, and nothing breaks.
        assert!((0..bad.len()).all(|end| is_useless(&judged(&bad[..end]))));
    }

    #[test]
    fn who_may_speak_for_the_authority() {
        let provider = default_provider().unwrap();
        let (authority, stranger) = (issuer(), issuer());
        let (own, _) = leaf(&authority, None);
        let chain = [own.clone(), authority.der().clone()];
        let by = |issuer: &Issuer, usage| {
            let (responder, key) = leaf(issuer, usage);
            let responder = Certificate::from_der(&responder).unwrap();
            let staple = response(&own, CertStatus::good(), (-1, 1), &key, Some(vec![responder]));
            read(&staple, &chain, &provider, now())
        };
        let signs = Some(ExtendedKeyUsagePurpose::OcspSigning);
        assert!(matches!(by(&authority, signs.clone()), Staple::Good(_)));
        assert!(is_useless(&by(&authority, None)) && is_useless(&by(&stranger, signs)));
    }
}
