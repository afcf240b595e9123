use std::{
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::{Acceptor, WebPkiClientVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use super::{
    CertificateInfo, TlsError, TlsStream, add_roots, certificates, default_provider,
    identities::{Identities, Identity},
    private_key,
};
use crate::{Error, Stream};

/// The TLS configuration of a server: who it is, and which clients' certificates it takes. Cheap to clone; what
/// [replaces](Self::replace) one of the clones replaces all of them.
///
/// # Examples
///
/// One server with several names, whose certificates are renewed while it serves:
///
/// ```no_run
/// use mailwire_transport::tls::ServerTls;
///
/// # fn example(org: [&str; 2], net: [&str; 2], newer: [&str; 2]) -> Result<(), mailwire_transport::tls::TlsError> {
/// let tls = ServerTls::builder(org[0], org[1])?.certificate(net[0], net[1])?.build()?;
/// // Listeners have clones of `tls`. From here on, new connections see the new certificate.
/// tls.replace(&ServerTls::builder(newer[0], newer[1])?.certificate(net[0], net[1])?.build()?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ServerTls {
    current: Arc<RwLock<Arc<Identities>>>,
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
        Self::without_certificate().certificate(chain, key)
    }

    pub(super) const fn without_certificate() -> ServerTlsBuilder {
        ServerTlsBuilder { certificates: Vec::new(), provider: None, clients: Clients::NotAsked }
    }

    /// Uses a configuration of the caller's as it is. `certificate` is the server's own, for the
    /// channel binding `tls-server-end-point`, if there is only one that it can show.
    #[must_use]
    pub fn from_config(config: Arc<ServerConfig>, certificate: Option<&CertificateDer<'_>>) -> Self {
        Self::of(vec![Identity::new(config, certificate, None)])
    }

    fn of(identities: Vec<Identity>) -> Self {
        Self { current: Arc::new(RwLock::new(Arc::new(Identities::new(identities)))) }
    }

    fn identities(&self) -> Arc<Identities> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts what `with` has in the place of this configuration, for this value and all its clones: handshakes that begin
    /// from now on see it. Connections that there are, and handshakes that have begun, are not touched. Sessions of before are
    /// not resumed.
    pub fn replace(&self, with: &Self) {
        let identities = with.identities();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = identities;
    }

    /// Returns what is known of the certificates that are shown, the first one's first.
    #[must_use]
    pub fn certificates(&self) -> Vec<CertificateInfo> {
        self.identities().all().iter().filter_map(|identity| identity.info.clone()).collect()
    }

    /// Shakes hands over a stream in clear.
    ///
    /// # Errors
    ///
    /// The stream is not in clear or fails, or the handshake does.
    pub async fn accept(&self, stream: Stream) -> Result<Stream, Error> {
        let Stream::Plain(plain) = stream.settled() else { return Err(TlsError::NotPlain.into()) };
        let identities = self.identities();
        let (tls, server_end_point) = match identities.all() {
            [one] => (TlsAcceptor::from(Arc::clone(&one.config)).accept(plain).await, &one.server_end_point),
            _ => {
                let asked = LazyConfigAcceptor::new(Acceptor::default(), plain).await;
                let asked = asked.map_err(TlsError::from_handshake)?;
                let hello = asked.client_hello();
                let chosen = identities.choose(hello.server_name(), hello.signature_schemes());
                let one = chosen.ok_or(TlsError::NotConfigured)?;
                (asked.into_stream(Arc::clone(&one.config)).await, &one.server_end_point)
            }
        };
        let tls = tls.map_err(TlsError::from_handshake)?;
        Ok(TlsStream { inner: Box::new(tls), server_end_point: server_end_point.clone(), verified: false }
            .into())
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
    certificates: Vec<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    provider: Option<Arc<CryptoProvider>>,
    clients: Clients,
}

impl ServerTlsBuilder {
    /// Adds a certificate (the chain, its own first) and its key. Clients are shown the one that is for the name which they
    /// ask for by SNI ([RFC 6066 section 3](https://www.rfc-editor.org/rfc/rfc6066#section-3)): exactly, or else by a `*.` in the place of
    /// its first label. Of several for a name it is the first whose key the client can check, so that one can be of RSA and one of ECDSA.
    /// Clients that ask for no name, or for another, are shown the first of all.
    ///
    /// The names are those in the certificate's `subjectAltName`; names beyond ASCII are there, and in what clients ask
    /// for, in A-labels (`xn--`).
    ///
    /// # Errors
    ///
    /// The chain or the key is not in its PEM.
    pub fn certificate(self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self, TlsError> {
        let (chain, key) = (certificates(chain.as_ref())?, private_key(key.as_ref())?);
        Ok(self.with(chain, key))
    }

    pub(super) fn with(mut self, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        self.certificates.push((chain, key));
        self
    }

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

    /// The configuration. A certificate that is not valid now is used all the same, and told as a warning in the traces:
    /// [`ServerTls::certificates`] has the times.
    ///
    /// # Errors
    ///
    /// There is no provider, or a key does not belong to its certificate.
    pub fn build(self) -> Result<ServerTls, TlsError> {
        let provider = self.provider.map_or_else(default_provider, Ok)?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(TlsError::config)?;
        let (roots, required) = match self.clients {
            Clients::NotAsked => (None, false),
            Clients::Optional(roots) => (Some(roots), false),
            Clients::Required(roots) => (Some(roots), true),
        };
        let builder = match roots {
            None => builder.with_no_client_auth(),
            Some(roots) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
                let verifier = if required { verifier } else { verifier.allow_unauthenticated() };
                let verifier = verifier.build().map_err(|error| TlsError::NoRoots(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let identify = |(chain, key): (Vec<CertificateDer<'static>>, _)| {
            let info = chain.first().and_then(|certificate| CertificateInfo::of(certificate));
            let key = CertifiedKey::from_der(chain, key, &provider).map_err(|error| match (error, info) {
                (rustls::Error::InconsistentKeys(_), Some(info)) => TlsError::KeyMismatch(info.to_string()),
                (error, _) => TlsError::config(error),
            })?;
            let key = Arc::new(key);
            let resolver = SingleCertAndKey::from(Arc::clone(&key));
            let config = Arc::new(builder.clone().with_cert_resolver(Arc::new(resolver)));
            Ok(Identity::new(config, key.cert.first(), Some(Arc::clone(&key))))
        };
        let identities = self.certificates.into_iter().map(identify).collect::<Result<Vec<_>, TlsError>>()?;
        let now = SystemTime::now();
        for info in identities.iter().filter_map(|identity| identity.info.as_ref()) {
            if !info.is_valid_at(now) {
                let (from, until) = (info.not_before, info.not_after);
                tracing::warn!(?from, ?until, "{info} is not valid now");
            }
        }
        Ok(ServerTls::of(identities))
    }
}
