//! A certificate authority made on the spot, for tests and examples; and a [`Layer`] by which servers fail in tests.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

pub use crate::layer::{Layer, Layered};
use crate::{
    Result,
    tls::{ClientTls, ServerTls, TlsError},
};

/// A certificate authority that lives as long as this value.
///
/// # Examples
///
/// ```
/// let ca = mailwire_transport::testing::TestCa::new()?;
/// let server = ca.server_tls(&["localhost", "127.0.0.1"])?;
/// let client = ca.client_tls()?;
/// # Ok::<(), mailwire_transport::Error>(())
/// ```
pub struct TestCa {
    issuer: Issuer<'static, KeyPair>,
    root_pem: String,
}

/// A certificate and its key.
pub struct Identity {
    /// The certificate in PEM.
    pub chain_pem: String,
    /// The key in PEM.
    pub key_pem: String,
}

fn error(error: rcgen::Error) -> TlsError {
    TlsError::config(rustls::Error::General(error.to_string()))
}

impl TestCa {
    /// A fresh authority.
    ///
    /// # Errors
    ///
    /// The key cannot be made.
    pub fn new() -> Result<Self> {
        let key = KeyPair::generate().map_err(error)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "mailwire test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let root_pem = params.self_signed(&key).map_err(error)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), root_pem })
    }

    /// The authority's own certificate in PEM.
    #[must_use]
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// A server's certificate for these names: DNS names or IP addresses.
    ///
    /// # Errors
    ///
    /// A name cannot be in a certificate.
    pub fn server(&self, names: &[&str]) -> Result<Identity> {
        self.issue(names, "mailwire test server", ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client's certificate with this common name.
    ///
    /// # Errors
    ///
    /// The key cannot be made.
    pub fn client(&self, common_name: &str) -> Result<Identity> {
        self.issue(&[], common_name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// A server's configuration with a certificate for these names.
    ///
    /// # Errors
    ///
    /// A name cannot be in a certificate.
    pub fn server_tls(&self, names: &[&str]) -> Result<ServerTls> {
        let Identity { chain_pem, key_pem } = self.server(names)?;
        Ok(ServerTls::from_pem(chain_pem, key_pem)?)
    }

    /// A client's configuration that trusts this authority alone.
    ///
    /// # Errors
    ///
    /// None that this authority can cause.
    pub fn client_tls(&self) -> Result<ClientTls> {
        Ok(ClientTls::with_roots_pem(&self.root_pem)?)
    }

    fn issue(&self, names: &[&str], common_name: &str, usage: ExtendedKeyUsagePurpose) -> Result<Identity> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).map_err(error)?;
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().map_err(error)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(error)?;
        Ok(Identity { chain_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

/// Shows nothing: the key is in there.
impl std::fmt::Debug for TestCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestCa(..)")
    }
}

/// Shows nothing: the key is in there.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(..)")
    }
}
