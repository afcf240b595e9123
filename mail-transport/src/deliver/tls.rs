//! TLS between servers: by policy, or by chance.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    version::{TLS12, TLS13},
};

use super::{Dane, DaneError, TlsFailure};
use crate::{
    Error,
    tls::{ClientTls, TlsError, default_provider},
};

/// For how many sets of TLSA records configurations are kept.
const KEPT: usize = 1000;

/// How a host is talked to.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// STARTTLS, and the certificate is one that TLSA records are for.
    Dane(ClientTls),
    /// STARTTLS, and the certificate is verified.
    Verified,
    /// STARTTLS, with whatever certificate.
    AnyCertificate(ClientTls),
    /// In clear.
    Clear,
}

/// A configuration of TLS for certificates that TLSA records are for; or for any: that hides from who only listens.
pub(super) fn client_tls(dane: Option<Dane>) -> Result<ClientTls, TlsError> {
    let provider = default_provider()?;
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(TlsError::config)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { provider, dane }))
        .with_no_client_auth();
    Ok(ClientTls::from_config(Arc::new(config)))
}

/// The configurations of hosts with TLSA records, so that connections can be used again.
#[derive(Debug, Default)]
pub(super) struct Configurations(Mutex<HashMap<Dane, ClientTls>>);

impl Configurations {
    pub(super) fn of(&self, dane: Dane) -> Result<ClientTls, TlsError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(&dane) {
            return Ok(known.clone());
        }
        let made = dane.client_tls()?;
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(dane, made.clone());
        Ok(made)
    }
}

/// Takes the certificates that TLSA records are for, or any. Whoever shows one still has to have its key.
struct Verifier {
    provider: Arc<CryptoProvider>,
    dane: Option<Dane>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verifier").field(&self.dane).finish()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        time: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(dane) = &self.dane {
            dane.verify_with(&self.provider, own, others, name, time).map_err(DaneError::into_rustls)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What failed about TLS, if that is what failed: another way may do then.
pub(super) fn failure(error: &Error) -> Option<TlsFailure> {
    use rustls::{CertificateError as Bad, Error::InvalidCertificate};
    match error {
        Error::Protocol { error: mailwire_core::Error::TlsUnavailable { .. }, .. } => {
            Some(TlsFailure::StarttlsNotSupported)
        }
        Error::WithWords { error, .. } => failure(error),
        Error::Tls(TlsError::Handshake(handshake)) => Some(match &*handshake.error {
            InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
                TlsFailure::CertificateHostMismatch
            }
            InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => TlsFailure::CertificateExpired,
            InvalidCertificate(Bad::Other(OtherError(error))) if error.is::<DaneError>() => {
                TlsFailure::ValidationFailure
            }
            InvalidCertificate(_) => TlsFailure::CertificateNotTrusted,
            _ => TlsFailure::ValidationFailure,
        }),
        _ => None,
    }
}
