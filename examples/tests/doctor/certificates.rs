//! Certificates, right and wrong.

use std::sync::Arc;

use mailwire_transport::tls::{ServerTls, default_provider};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::{
    ConfigBuilder, ServerConfig, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WantsServerCert,
    sign::SingleCertAndKey,
};
use sha2::{Digest as _, Sha256};

use crate::weak;

/// The number of each certificate.
const SERIAL: u8 = 7;

/// What is wrong with a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    Nothing,
    Expired,
    NotYet,
    Name,
    SelfSigned,
    /// The certificate of the authority between is not sent.
    Chain,
    /// Its signature is of SHA-1.
    WeakSignature,
    /// Its key is of RSA with 1,024 bits.
    WeakKey,
    /// An OCSP response is stapled that says so.
    Revoked,
}

/// A root, and an authority below it that issues.
pub(crate) struct Authority {
    pub(crate) root_pem: String,
    issuing: Issuer<'static, KeyPair>,
    issuing_der: CertificateDer<'static>,
}

/// A server's TLS, and the SHA-256 of its certificate.
pub(crate) struct Shown {
    pub(crate) tls: ServerTls,
    pub(crate) digest: Vec<u8>,
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Authority {
    pub(crate) fn new() -> Self {
        let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let root = authority("root");
        let root_pem = root.self_signed(&root_key).unwrap().pem();
        let root = Issuer::new(root, root_key);
        let params = authority("issuing");
        let issuing_der = params.signed_by(&key, &root).unwrap().der().clone();
        Self { root_pem, issuing: Issuer::new(params, key), issuing_der }
    }

    pub(crate) fn issue(&self, names: &[&str], wrong: Wrong) -> Shown {
        match wrong {
            Wrong::WeakSignature => {
                let (own, key) = weak::signed_by_sha_1();
                return shown(rustls::ALL_VERSIONS, vec![own], |config, chain| {
                    config.with_single_cert(chain, key).unwrap()
                });
            }
            Wrong::WeakKey => {
                let key = weak::with_short_key();
                return shown(&[&rustls::version::TLS12], key.cert.clone(), |config, _| {
                    config.with_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
                });
            }
            _ => {}
        }
        let names = if wrong == Wrong::Name { vec!["other.example.test"] } else { names.to_vec() };
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names.clone()).unwrap();
        params.distinguished_name.push(DnType::CommonName, names[0].clone());
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(vec![SERIAL].into());
        params.not_before = date_time_ymd(if wrong == Wrong::NotYet { 2090 } else { 2020 }, 1, 1);
        params.not_after = date_time_ymd(if wrong == Wrong::Expired { 2021 } else { 2099 }, 1, 1);
        let key = KeyPair::generate().unwrap();
        let own = match wrong {
            Wrong::SelfSigned => params.self_signed(&key).unwrap(),
            _ => params.signed_by(&key, &self.issuing).unwrap(),
        };
        let mut chain = vec![own.der().clone()];
        if !matches!(wrong, Wrong::SelfSigned | Wrong::Chain) {
            chain.push(self.issuing_der.clone());
        }
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let staple = match wrong {
            Wrong::Revoked => weak::revoked(SERIAL, self.issuing.key()),
            _ => Vec::new(),
        };
        shown(rustls::ALL_VERSIONS, chain, |config, chain| {
            config.with_single_cert_with_ocsp(chain, key, staple).unwrap()
        })
    }
}

/// A server that shows this chain.
fn shown(
    versions: &[&'static SupportedProtocolVersion],
    chain: Vec<CertificateDer<'static>>,
    with: impl FnOnce(ConfigBuilder<ServerConfig, WantsServerCert>, Vec<CertificateDer<'static>>) -> ServerConfig,
) -> Shown {
    let digest = Sha256::digest(&chain[0]).to_vec();
    let builder = ServerConfig::builder_with_provider(default_provider().unwrap())
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth();
    let own = chain[0].clone();
    Shown { tls: ServerTls::from_config(Arc::new(with(builder, chain)), Some(&own)), digest }
}
