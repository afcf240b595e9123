//! The data of `tls-server-end-point`: [RFC 5929 section 4](https://www.rfc-editor.org/rfc/rfc5929#section-4).

use sha2::{Digest, Sha256, Sha384, Sha512};

use super::der::{EXPLICIT_0, OID, SEQUENCE, element};

/// RFC 5929 section 4.1: the hash of the server's certificate, by the hash function of its
/// signature, or SHA-256 in place of MD5 and SHA-1. Undefined for signatures without exactly one
/// hash function, such as Ed25519.
pub(super) fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    Some(match signature_hash(certificate)? {
        Hash::Sha256 => Sha256::digest(certificate).to_vec(),
        Hash::Sha384 => Sha384::digest(certificate).to_vec(),
        Hash::Sha512 => Sha512::digest(certificate).to_vec(),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// ```asn1
/// Certificate ::= SEQUENCE { tbsCertificate       TBSCertificate,
///                            signatureAlgorithm   AlgorithmIdentifier,
///                            signatureValue       BIT STRING }
/// AlgorithmIdentifier ::= SEQUENCE { algorithm   OBJECT IDENTIFIER,
///                                    parameters  ANY DEFINED BY algorithm OPTIONAL }
/// ```
/// RFC 5280 section 4.1.
fn signature_hash(certificate: &[u8]) -> Option<Hash> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (_, rest) = element(certificate, SEQUENCE)?;
    let (algorithm, _) = element(rest, SEQUENCE)?;
    let (oid, parameters) = element(algorithm, OID)?;
    match oid {
        // 1.2.840.113549.1.1: md5, sha1, sha256, sha384 and sha512WithRSAEncryption; RSASSA-PSS.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last] => match last {
            4 | 5 | 11 => Some(Hash::Sha256),
            12 => Some(Hash::Sha384),
            13 => Some(Hash::Sha512),
            10 => pss_hash(parameters),
            _ => None,
        },
        // 1.2.840.10045.4.1: ecdsa-with-SHA1.
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01] => Some(Hash::Sha256),
        // 1.2.840.10045.4.3: ecdsa-with-SHA256, -SHA384, -SHA512.
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, last] => match last {
            2 => Some(Hash::Sha256),
            3 => Some(Hash::Sha384),
            4 => Some(Hash::Sha512),
            _ => None,
        },
        _ => None,
    }
}

/// `RSASSA-PSS-params ::= SEQUENCE { hashAlgorithm [0] HashAlgorithm DEFAULT sha1, ... }`: RFC 4055
/// section 3.1.
fn pss_hash(parameters: &[u8]) -> Option<Hash> {
    let (parameters, _) = element(parameters, SEQUENCE)?;
    let Some((hash, _)) = element(parameters, EXPLICIT_0) else { return Some(Hash::Sha256) };
    let (hash, _) = element(hash, SEQUENCE)?;
    match element(hash, OID)?.0 {
        // 2.16.840.1.101.3.4.2: sha256, sha384, sha512.
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last] => match last {
            1 => Some(Hash::Sha256),
            2 => Some(Hash::Sha384),
            3 => Some(Hash::Sha512),
            _ => None,
        },
        _ => None,
    }
}
