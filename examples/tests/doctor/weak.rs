//! Certificates that were good once: signed by SHA-1, with a short key, and one that its authority has revoked. No library of today
//! makes any of them; the first two are from openssl, in `weak/`.

use std::sync::Arc;

use num_bigint::BigUint;
use rcgen::{KeyPair, SigningKey as _};
use rustls::{
    SignatureAlgorithm, SignatureScheme,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::{CertifiedKey, Signer, SigningKey},
};
use sha2::{Digest as _, Sha256};

const SHA_1: &str = include_str!("weak/sha1.pem");
const SHORT: &str = include_str!("weak/short.pem");
/// The modulus and the private exponent of the short key.
const MODULUS: &str = "fcc29736f0b00f8d67191fe1217178697ae7a0ea97b70f7a4db703772dc85cf855b634b2f345f6027f4db2ac434fb6d3cffa4c173d1e0f21\
    9417505d25377e9d2245c63fe92f5e82063b84e2409124fe53f5ce530c0081c28692bcd40d4069d6505957ab05f3627d91a5de0200022bfbe4ed343900783cf6\
    938882273eaa8837";
const EXPONENT: &str = "d962cec4fcba9f95a0df15f0fd5f670d691c3fe4a3b958c17a87759e91acaa7116de8f727d1265a3fe3328014a1f0c021df48a6ece2cc51c\
    bf0e521ada40614e34364f5bcf6c406453f130ce5845f381fc25f99d858d2517fdf6e2d7ee6e3021276b8d90f41a3c7fe68421ae8a2ee6aec95fda5cbe2501dd\
    5b08ceaf6354ec59";

/// A certificate that is signed by SHA-1, and its key.
pub(crate) fn signed_by_sha_1() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let own = CertificateDer::from_pem_slice(SHA_1.as_bytes()).unwrap();
    (own, PrivateKeyDer::from_pem_slice(SHA_1.as_bytes()).unwrap())
}

/// A certificate whose key has 1,024 bits, with what signs by it. In TLS 1.2.
pub(crate) fn with_short_key() -> CertifiedKey {
    let own = CertificateDer::from_pem_slice(SHORT.as_bytes()).unwrap();
    let number = |text: &str| BigUint::parse_bytes(text.as_bytes(), 16).unwrap();
    let key = Short { modulus: number(MODULUS), exponent: number(EXPONENT) };
    CertifiedKey::new(vec![own], Arc::new(key))
}

/// A key of RSA that is too short for any library.
#[derive(Debug, Clone)]
struct Short {
    modulus: BigUint,
    exponent: BigUint,
}

impl SigningKey for Short {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&self.scheme()).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

impl Signer for Short {
    /// RSASSA-PKCS1-v1_5: RFC 8017 section 8.2.1.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        const SHA_256: &[u8] =
            &[0x30, 0x31, 0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 32];
        let digest = Sha256::digest(message);
        let mut encoded = vec![0xff; 128];
        (encoded[0], encoded[1]) = (0, 1);
        let end = encoded.len() - SHA_256.len() - digest.len();
        encoded.truncate(end);
        encoded[end - 1] = 0;
        encoded.extend([SHA_256, digest.as_slice()].concat());
        let signature = BigUint::from_bytes_be(&encoded).modpow(&self.exponent, &self.modulus).to_bytes_be();
        Ok([vec![0; 128 - signature.len()], signature].concat())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::RSA_PKCS1_SHA256
    }
}

/// What an authority says of the certificate with this number: that it has revoked it. RFC 6960 section 4.2.1, with the key of the
/// authority, which is of ECDSA with P-256.
pub(crate) fn revoked(serial: u8, key: &KeyPair) -> Vec<u8> {
    const SEQUENCE: u8 = 0x30;
    const OCTETS: u8 = 4;
    let time = |tag| der(tag, &[b"20260101000000Z"]);
    // ecdsa-with-SHA256, sha1, id-pkix-ocsp-basic.
    let with_sha_256 = der(SEQUENCE, &[&der(6, &[&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]])]);
    let sha_1 = der(SEQUENCE, &[&der(6, &[&[0x2b, 0x0e, 3, 2, 0x1a]])]);
    let basic = der(6, &[&[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1]]);
    let whose =
        der(SEQUENCE, &[&sha_1, &der(OCTETS, &[&[0; 20]]), &der(OCTETS, &[&[0; 20]]), &der(2, &[&[serial]])]);
    let single = der(SEQUENCE, &[&whose, &der(0xa1, &[&time(0x18)]), &time(0x18)]);
    let by_key = der(0xa2, &[&der(OCTETS, &[&[0; 20]])]);
    let data = der(SEQUENCE, &[&by_key, &time(0x18), &der(SEQUENCE, &[&single])]);
    let signature = key.sign(&data).unwrap();
    let response = der(SEQUENCE, &[&data, &with_sha_256, &der(3, &[&[0], &signature])]);
    let bytes = der(SEQUENCE, &[&basic, &der(OCTETS, &[&response])]);
    der(SEQUENCE, &[&der(0x0a, &[&[0]]), &der(0xa0, &[&bytes])])
}

/// A value of DER.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let length = u16::try_from(contents.len()).unwrap();
    let [high, low] = length.to_be_bytes();
    let head = match length {
        0..=127 => vec![tag, low],
        128..=255 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head, contents].concat()
}
