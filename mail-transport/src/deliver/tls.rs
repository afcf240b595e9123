//! TLS between servers: by policy, or by chance.

use std::{fmt, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    version::{TLS12, TLS13},
};

use super::TlsFailure;
use crate::{
    Error,
    tls::{ClientTls, TlsError, default_provider},
};

/// How a host is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// STARTTLS, and the certificate is verified.
    Verified,
    /// STARTTLS, with whatever certificate.
    AnyCertificate,
    /// In clear.
    Clear,
}

/// A configuration of TLS that takes any certificate: it hides from who only listens.
pub(super) struct Opportunistic(pub(super) ClientTls);

impl Opportunistic {
    pub(super) fn new() -> Result<Self, TlsError> {
        let provider = default_provider()?;
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(TlsError::Config)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth();
        Ok(Self(ClientTls::from_config(Arc::new(config))))
    }
}

/// Takes any certificate. Whoever shows it still has to have its key.
struct Anybody(Arc<CryptoProvider>);

impl fmt::Debug for Anybody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Anybody")
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// What failed about TLS, if that is what failed: another way may do then.
pub(super) fn failure(error: &Error) -> Option<TlsFailure> {
    use rustls::{CertificateError as Bad, Error::InvalidCertificate};
    match error {
        Error::Protocol(mailwire_core::Error::TlsUnavailable { .. }) => {
            Some(TlsFailure::StarttlsNotSupported)
        }
        Error::WithWords { error, .. } => failure(error),
        Error::Tls(TlsError::Handshake(handshake)) => Some(match &handshake.error {
            InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
                TlsFailure::CertificateHostMismatch
            }
            InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => TlsFailure::CertificateExpired,
            InvalidCertificate(_) => TlsFailure::CertificateNotTrusted,
            _ => TlsFailure::ValidationFailure,
        }),
        _ => None,
    }
}
