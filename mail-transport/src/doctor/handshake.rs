//! Handshakes that look: with whatever certificate, which is kept together with what is stapled to it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme, SupportedProtocolVersion,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::{
    Endpoint, Result, Stream,
    tls::{ClientTls, TlsError, default_provider},
};

/// What a server showed.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    /// Its certificates, its own first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// The OCSP response that is stapled; empty if none is.
    pub(super) staple: Vec<u8>,
    pub(super) version: Option<ProtocolVersion>,
    pub(super) suite: Option<&'static str>,
}

/// Shakes hands with whoever is there, in one of these versions. Nothing of worth may be sent over such a stream: not even that
/// the server has the key of its certificate is certain.
pub(super) async fn look(
    endpoint: &Endpoint,
    stream: Stream,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<(Stream, Shown)> {
    let provider = default_provider()?;
    let witness = Arc::new(Witness { provider: provider.clone(), shown: Mutex::default() });
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(TlsError::config)?
        .dangerous()
        .with_custom_certificate_verifier(witness.clone())
        .with_no_client_auth();
    let stream =
        endpoint.clone().with_tls(ClientTls::from_config(Arc::new(config))).start_tls(stream).await?;
    let mut shown = std::mem::take(&mut *witness.shown.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(tls) = stream.tls() {
        (shown.version, shown.suite) = (tls.version(), tls.cipher_suite());
    }
    Ok((stream, shown))
}

/// Takes everything, and keeps it.
struct Witness {
    provider: Arc<CryptoProvider>,
    shown: Mutex<Shown>,
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        staple: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(own).chain(others).map(|one| one.clone().into_owned()).collect();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = Shown { chain, staple: staple.to_vec(), ..Shown::default() };
        Ok(ServerCertVerified::assertion())
    }

    /// A key that is too short to be trusted is to be told, and a handshake that ends here would not.
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
