//! Certificates, right and wrong.

use std::sync::Arc;

use mailwire_transport::tls::{ServerTls, default_provider};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use sha2::{Digest as _, Sha256};

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
        let names = if wrong == Wrong::Name { vec!["other.example.test"] } else { names.to_vec() };
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names.clone()).unwrap();
        params.distinguished_name.push(DnType::CommonName, names[0].clone());
        params.use_authority_key_identifier_extension = true;
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
        let digest = Sha256::digest(own.der()).to_vec();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(default_provider().unwrap())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.clone(), key)
            .unwrap();
        Shown { tls: ServerTls::from_config(Arc::new(config), chain.first()), digest }
    }
}
