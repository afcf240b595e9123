//! Certificates, good and bad.

use std::sync::Arc;

use mailwire_transport::tls::{ServerTls, default_provider};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};

/// A root, and an authority below it that issues.
pub struct Authority {
    root_pem: String,
    pub issuing: Issuer<'static, KeyPair>,
    issuing_der: CertificateDer<'static>,
}

/// A certificate for a server.
pub struct Wanted {
    pub params: CertificateParams,
    pub sends_issuer: bool,
    pub is_own_issuer: bool,
    pub staple: Vec<u8>,
}

impl Wanted {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2099, 1, 1);
        params.use_authority_key_identifier_extension = true;
        Self { params, sends_issuer: true, is_own_issuer: false, staple: Vec::new() }
    }

    /// OCSP must-staple: RFC 7633.
    pub fn must_staple(mut self) -> Self {
        let oid = [1, 3, 6, 1, 5, 5, 7, 1, 24];
        self.params.custom_extensions = vec![CustomExtension::from_oid_content(&oid, vec![0x30, 3, 2, 1, 5])];
        self
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Authority {
    pub fn new() -> Self {
        let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let root = authority("root");
        let root_pem = root.self_signed(&root_key).unwrap().pem();
        let root = Issuer::new(root, root_key);
        let params = authority("issuing");
        let issuing_der = params.signed_by(&key, &root).unwrap().der().clone();
        Self { root_pem, issuing: Issuer::new(params, key), issuing_der }
    }

    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    pub fn issue(&self, wanted: Wanted) -> ServerTls {
        let key = KeyPair::generate().unwrap();
        let own = match wanted.is_own_issuer {
            true => wanted.params.self_signed(&key).unwrap(),
            false => wanted.params.signed_by(&key, &self.issuing).unwrap(),
        };
        let mut chain = vec![own.der().clone()];
        if wanted.sends_issuer && !wanted.is_own_issuer {
            chain.push(self.issuing_der.clone());
        }
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(default_provider().unwrap())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert_with_ocsp(chain.clone(), key, wanted.staple)
            .unwrap();
        ServerTls::from_config(Arc::new(config), chain.first())
    }

    pub fn good(&self) -> ServerTls {
        self.issue(Wanted::new("mail.example.org"))
    }
}
