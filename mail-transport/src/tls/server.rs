use std::sync::Arc;

use rustls::{
    RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};
use tokio_rustls::TlsAcceptor;

use super::{TlsError, TlsStream, add_roots, certificates, default_provider, end_point, private_key};
use crate::{Error, Stream};

/// The TLS configuration of a server: who it is, and which clients' certificates it takes. Cheap to clone.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    server_end_point: Option<Vec<u8>>,
}

impl ServerTls {
    /// A server with this certificate (the chain, its own first) and its key, that asks clients for
    /// none.
    ///
    /// # Errors
    ///
    /// The chain or the key is not in its PEM, or they do not belong together.
    pub fn from_pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        Self::builder(chain, key)?.build()
    }

    /// Begins a configuration with everything that can be set.
    ///
    /// # Errors
    ///
    /// The chain or the key is not in its PEM.
    pub fn builder(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<ServerTlsBuilder, TlsError> {
        Ok(ServerTlsBuilder {
            chain: certificates(chain.as_ref())?,
            key: private_key(key.as_ref())?,
            provider: None,
            clients: Clients::NotAsked,
        })
    }

    /// Uses a configuration of the caller's as it is. `certificate` is the server's own, for the
    /// channel binding `tls-server-end-point`, if there is only one that it can show.
    #[must_use]
    pub fn from_config(config: Arc<ServerConfig>, certificate: Option<&CertificateDer<'_>>) -> Self {
        let server_end_point = certificate.and_then(|certificate| end_point::server_end_point(certificate));
        Self { config, server_end_point }
    }

    /// Shakes hands over a stream in clear.
    ///
    /// # Errors
    ///
    /// The stream is not in clear or fails, or the handshake does.
    pub async fn accept(&self, stream: Stream) -> Result<Stream, Error> {
        let Stream::Plain(plain) = stream.settled() else { return Err(TlsError::NotPlain.into()) };
        let tls =
            TlsAcceptor::from(self.config.clone()).accept(plain).await.map_err(TlsError::from_handshake)?;
        let server_end_point = self.server_end_point.clone();
        Ok(TlsStream { inner: tls.into(), server_end_point, verified: false }.into())
    }
}

/// Shows nothing: the key is in there.
impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerTls(..)")
    }
}

enum Clients {
    NotAsked,
    Optional(RootCertStore),
    Required(RootCertStore),
}

/// Builds a [`ServerTls`].
#[must_use]
pub struct ServerTlsBuilder {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: Option<Arc<CryptoProvider>>,
    clients: Clients,
}

impl ServerTlsBuilder {
    /// Asks clients for a certificate of one of these authorities, and takes those without one too.
    ///
    /// # Errors
    ///
    /// No certificate is in `pem`.
    pub fn client_certificates_optional(mut self, pem: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        add_roots(&mut roots, pem.as_ref())?;
        self.clients = Clients::Optional(roots);
        Ok(self)
    }

    /// Takes only clients with a certificate of one of these authorities.
    ///
    /// # Errors
    ///
    /// No certificate is in `pem`.
    pub fn client_certificates_required(mut self, pem: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        add_roots(&mut roots, pem.as_ref())?;
        self.clients = Clients::Required(roots);
        Ok(self)
    }

    /// Uses another crypto provider than the features chose.
    pub fn provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// The configuration.
    ///
    /// # Errors
    ///
    /// There is no provider, or the key does not fit the certificate.
    pub fn build(self) -> Result<ServerTls, TlsError> {
        let provider = self.provider.map_or_else(default_provider, Ok)?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(TlsError::Config)?;
        let (roots, required) = match self.clients {
            Clients::NotAsked => (None, false),
            Clients::Optional(roots) => (Some(roots), false),
            Clients::Required(roots) => (Some(roots), true),
        };
        let builder = match roots {
            None => builder.with_no_client_auth(),
            Some(roots) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = if required { verifier } else { verifier.allow_unauthenticated() };
                let verifier = verifier.build().map_err(|error| TlsError::NoRoots(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let server_end_point =
            self.chain.first().and_then(|certificate| end_point::server_end_point(certificate));
        let config = builder.with_single_cert(self.chain, self.key).map_err(TlsError::Config)?;
        Ok(ServerTls { config: Arc::new(config), server_end_point })
    }
}
