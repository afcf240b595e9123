//! TLS 1.2 and 1.3, by rustls.
//!
//! The crypto provider is passed to every configuration and never installed process-wide, so that
//! nothing here depends on, or changes, what other parts of a program do.

mod binding;
#[cfg(feature = "server")]
mod certificate;
#[cfg(feature = "client")]
mod client;
#[cfg(any(feature = "scram", feature = "server", feature = "doctor"))]
pub(crate) mod der;
#[cfg(all(feature = "scram", any(feature = "client", feature = "server")))]
mod end_point;
mod error;
#[cfg(feature = "server")]
mod files;
#[cfg(feature = "server")]
mod identities;
#[cfg(feature = "server")]
mod server;

use std::{fmt::Debug, sync::Arc};

pub use binding::ChannelBindings;
#[cfg(feature = "server")]
pub use certificate::CertificateInfo;
#[cfg(feature = "client")]
pub use client::{ClientTls, ClientTlsBuilder};
pub use error::{HandshakeError, TlsError};
#[cfg(feature = "server")]
pub use files::CertificateFiles;
pub use rustls::pki_types::ServerName;
use rustls::{CommonState, ProtocolVersion, crypto::CryptoProvider, pki_types::CertificateDer};
#[cfg(any(feature = "client", feature = "server"))]
use rustls::{
    RootCertStore,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
#[cfg(feature = "server")]
pub use server::{ServerTls, ServerTlsBuilder};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::Plain;

/// What rustls keeps of a stream, in either role. Behind a pointer, so that what drops all that is compiled once.
pub(crate) trait Inner: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin {
    fn plain(&self) -> &Plain;
    fn session(&self) -> &CommonState;
    fn exporter(&self) -> Option<Vec<u8>>;
}

#[cfg(any(feature = "client", feature = "server"))]
macro_rules! inner {
    ($stream:ty) => {
        impl Inner for $stream {
            fn plain(&self) -> &Plain {
                self.get_ref().0
            }
            fn session(&self) -> &CommonState {
                self.get_ref().1
            }
            fn exporter(&self) -> Option<Vec<u8>> {
                binding::exporter(self.get_ref().1)
            }
        }
    };
}
#[cfg(feature = "client")]
inner!(tokio_rustls::client::TlsStream<Plain>);
#[cfg(feature = "server")]
inner!(tokio_rustls::server::TlsStream<Plain>);

/// A stream within TLS, of either role.
#[derive(Debug)]
pub struct TlsStream {
    pub(crate) inner: Box<dyn Inner>,
    server_end_point: Option<Vec<u8>>,
    verified: bool,
}

impl TlsStream {
    /// Returns the stream beneath.
    #[must_use]
    pub fn plain(&self) -> &Plain {
        self.inner.plain()
    }

    /// Returns rustls' view of the session.
    #[must_use]
    pub fn session(&self) -> &CommonState {
        self.inner.session()
    }

    /// Returns the version of TLS.
    #[must_use]
    pub fn version(&self) -> Option<ProtocolVersion> {
        self.session().protocol_version()
    }

    /// Returns the cipher suite's name, for logs and Received headers.
    #[must_use]
    pub fn cipher_suite(&self) -> Option<&'static str> {
        self.session().negotiated_cipher_suite().and_then(|suite| suite.suite().as_str())
    }

    /// Whether this side is a client that has verified the server's certificate for certain: not if the
    /// caller's own configuration of rustls was used as it is.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        self.verified
    }

    /// Returns the peer's certificates, its own first.
    #[must_use]
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.session().peer_certificates()
    }

    /// Returns what SASL's `-PLUS` mechanisms bind to. Without the feature `scram` there is no `tls-server-end-point`,
    /// and so nothing with TLS 1.2.
    #[must_use]
    pub fn channel_bindings(&self) -> ChannelBindings {
        let exporter = (self.version() == Some(ProtocolVersion::TLSv1_3)).then(|| self.inner.exporter());
        ChannelBindings::new(exporter.flatten(), self.server_end_point.clone())
    }
}

/// Returns the crypto provider that the features chose.
///
/// # Errors
///
/// Neither of the features `ring` and `aws-lc-rs` is on.
pub fn default_provider() -> Result<Arc<CryptoProvider>, TlsError> {
    #[cfg(feature = "ring")]
    {
        Ok(Arc::new(rustls::crypto::ring::default_provider()))
    }
    #[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
    {
        Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
    }
    #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
    {
        Err(TlsError::NoProvider)
    }
}

/// The certificates in PEM, at least one.
#[inline]
#[cfg(any(feature = "client", feature = "server"))]
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::pem("certificate", &error))?;
    if chain.is_empty() { Err(TlsError::pem("certificate", &"there is none")) } else { Ok(chain) }
}

#[inline]
#[cfg(any(feature = "client", feature = "server"))]
fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| TlsError::pem("private key", &error))
}

#[inline]
#[cfg(any(feature = "client", feature = "server"))]
fn add_roots(store: &mut RootCertStore, pem: &[u8]) -> Result<(), TlsError> {
    for certificate in certificates(pem)? {
        store.add(certificate).map_err(TlsError::config)?;
    }
    Ok(())
}
