use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    client::WebPkiServerVerifier,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    version::{TLS12, TLS13},
};
use tokio_rustls::TlsConnector;

#[cfg(feature = "scram")]
use super::end_point::server_end_point;
use super::{TlsError, TlsStream, add_roots, certificates, default_provider, private_key};
use crate::{Error, Stream, idn::domain_to_ascii};

/// The TLS configuration of a client: whom it trusts and who it is. Cheap to clone; clones share session
/// tickets, so make one and keep it.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    /// Whether servers' certificates are verified, for certain.
    verifies: bool,
}

impl ClientTls {
    /// Trusts what the system trusts (feature `platform-verifier`), or else Mozilla's roots (feature
    /// `webpki-roots`).
    ///
    /// # Errors
    ///
    /// Neither feature is on, or the system has no roots.
    pub fn new() -> Result<Self, TlsError> {
        Self::builder().build()
    }

    /// Trusts the certificate authorities in `pem` and no others.
    ///
    /// # Errors
    ///
    /// No certificate is in `pem`.
    pub fn with_roots_pem(pem: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        Self::builder().roots_pem(pem)?.build()
    }

    /// Begins a configuration with everything that can be set.
    pub fn builder() -> ClientTlsBuilder {
        ClientTlsBuilder { provider: None, roots: None, webpki: false, identity: None }
    }

    /// Uses a configuration of the caller's as it is. As it may verify nobody,
    /// [`TlsStream::is_verified`] is false, unless [`with_verification`](Self::with_verification) says
    /// otherwise.
    #[must_use]
    pub const fn from_config(config: Arc<ClientConfig>) -> Self {
        Self { config, verifies: false }
    }

    /// Sets whether the configuration verifies the certificates of servers.
    #[must_use]
    pub const fn with_verification(mut self, verifies: bool) -> Self {
        self.verifies = verifies;
        self
    }

    /// Returns the configuration as rustls has it: for other clients, such as that of a database, that are to trust the same.
    #[must_use]
    pub const fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// Whether one is a clone of the other.
    #[cfg(all(feature = "pool", any(feature = "smtp", feature = "imap")))]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.verifies == other.verifies && Arc::ptr_eq(&self.config, &other.config)
    }

    /// Reads the name of a server: a DNS name, which may be an [internationalized](domain_to_ascii) one, or an IP
    /// address.
    ///
    /// # Errors
    ///
    /// It is neither.
    pub fn server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
        let unknown = || TlsError::ServerName(name.to_owned());
        let ascii = domain_to_ascii(name).map_err(|_| unknown())?;
        // A final dot makes a DNS name absolute; certificates are without.
        let bare = ascii.strip_suffix('.').unwrap_or(&ascii);
        ServerName::try_from(bare.to_owned()).map_err(|_| unknown())
    }

    /// Shakes hands over a stream in clear, with a server that must prove to be `name`.
    ///
    /// # Errors
    ///
    /// The stream is not in clear or fails, or the handshake does.
    pub async fn connect(&self, name: ServerName<'static>, stream: Stream) -> Result<Stream, Error> {
        let Stream::Plain(plain) = stream.settled() else { return Err(TlsError::NotPlain.into()) };
        let tls = TlsConnector::from(self.config.clone())
            .connect(name, plain)
            .await
            .map_err(TlsError::from_handshake)?;
        #[cfg(feature = "scram")]
        let server_end_point = {
            let server = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
            server.and_then(|certificate| server_end_point(certificate))
        };
        #[cfg(not(feature = "scram"))]
        let server_end_point = None;
        Ok(TlsStream { inner: Box::new(tls), server_end_point, verified: self.verifies }.into())
    }
}

/// Shows nothing: a client's key can be in there.
impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientTls(..)")
    }
}

/// Builds a [`ClientTls`].
#[must_use]
pub struct ClientTlsBuilder {
    provider: Option<Arc<CryptoProvider>>,
    roots: Option<RootCertStore>,
    webpki: bool,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

impl ClientTlsBuilder {
    /// Trusts the certificate authorities in `pem`. As soon as roots are named, the system's are
    /// not used.
    ///
    /// # Errors
    ///
    /// No certificate is in `pem`.
    pub fn roots_pem(mut self, pem: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        add_roots(self.roots.get_or_insert_with(RootCertStore::empty), pem.as_ref())?;
        Ok(self)
    }

    /// Trusts Mozilla's roots, beside others that are named.
    #[cfg(feature = "webpki-roots")]
    pub const fn webpki_roots(mut self) -> Self {
        self.webpki = true;
        self
    }

    /// Shows this certificate to a server that asks for one: the chain, the client's own first, and
    /// its key.
    ///
    /// # Errors
    ///
    /// The chain or the key is not in its PEM.
    pub fn client_certificate_pem(
        mut self,
        chain: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, TlsError> {
        self.identity = Some((certificates(chain.as_ref())?, private_key(key.as_ref())?));
        Ok(self)
    }

    /// Uses another crypto provider than the features chose.
    #[inline]
    pub fn provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// The configuration.
    ///
    /// # Errors
    ///
    /// There is no provider, there are no roots, or the client's key does not fit its certificate.
    pub fn build(self) -> Result<ClientTls, TlsError> {
        let provider = self.provider.map_or_else(default_provider, Ok)?;
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(TlsError::config)?;
        let builder = match named_roots(self.roots, self.webpki) {
            Some(roots) => {
                let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(|error| TlsError::NoRoots(error.to_string()))?;
                builder.with_webpki_verifier(verifier)
            }
            None => platform(builder)?,
        };
        let config = match self.identity {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(TlsError::config)?,
            None => builder.with_no_client_auth(),
        };
        Ok(ClientTls { config: Arc::new(config), verifies: true })
    }
}

/// The roots to use in place of the system's: those that were named, or Mozilla's where there is
/// nothing else.
fn named_roots(roots: Option<RootCertStore>, webpki: bool) -> Option<RootCertStore> {
    #[cfg(feature = "webpki-roots")]
    if webpki || (roots.is_none() && !cfg!(feature = "platform-verifier")) {
        let mut roots = roots.unwrap_or_else(RootCertStore::empty);
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Some(roots);
    }
    let _ = webpki;
    roots
}

type Unverified = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;
type Verified = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

#[cfg(feature = "platform-verifier")]
fn platform(builder: Unverified) -> Result<Verified, TlsError> {
    use rustls_platform_verifier::BuilderVerifierExt;
    builder.with_platform_verifier().map_err(|error| TlsError::NoRoots(error.to_string()))
}

#[cfg(not(feature = "platform-verifier"))]
fn platform(_: Unverified) -> Result<Verified, TlsError> {
    Err(TlsError::NoRoots("the feature `platform-verifier` is off, and none were named".into()))
}
