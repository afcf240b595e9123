#[cfg(any(feature = "client", feature = "server"))]
use std::io;
use std::{fmt, sync::Arc};

use crate::error::AtServer;

/// The reason why there is no TLS.
#[non_exhaustive]
#[derive(Debug, Clone, thiserror::Error)]
pub enum TlsError {
    /// The crate was built with neither `ring` nor `aws-lc-rs`, and no provider was given.
    #[error("no crypto provider: enable the feature `ring` or `aws-lc-rs`, or pass one")]
    NoProvider,
    /// There is nothing to verify a server with.
    #[error("no roots to verify servers with: {0}")]
    NoRoots(String),
    /// PEM that cannot be used.
    #[error("cannot read a {what} from PEM: {reason}")]
    Pem {
        /// The kind of object that was looked for.
        what: &'static str,
        /// The reason why there is none.
        reason: String,
    },
    /// A file that cannot be read, or has not what it should have.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// The reason why it is of no use.
        reason: String,
    },
    /// A private key that does not belong to its certificate, which is named.
    #[error("the private key does not belong to {0}")]
    KeyMismatch(String),
    /// The configuration does not hold together.
    #[error("the TLS configuration cannot be used: {0}")]
    Config(Arc<rustls::Error>),
    /// Not the name of a server.
    #[error("not a name that a certificate can be for: {0:?}")]
    ServerName(String),
    /// The handshake failed: a certificate that does not verify, no version in common, an alert.
    #[error(transparent)]
    Handshake(HandshakeError),
    /// TLS is needed where none is configured.
    #[error("TLS is asked for, but there is no TLS configuration")]
    NotConfigured,
    /// There is TLS already, or no stream to put it on.
    #[error("this stream cannot be put within TLS")]
    NotPlain,
}

/// A handshake that failed.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct HandshakeError {
    /// The server, where this side is its client.
    pub server: Option<String>,
    /// What rustls says: a certificate that does not verify, an alert of the peer.
    pub error: Arc<rustls::Error>,
}

impl HandshakeError {
    #[cfg(feature = "client")]
    pub(crate) fn with_server(mut self, server: String) -> Self {
        self.server.get_or_insert(server);
        self
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}the TLS handshake failed: {}", AtServer(self.server.as_deref()), self.error)?;
        match *self.error {
            // The first bytes that came are a greeting, as at ports 25, 587, 143 and 110.
            rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)
                if self.server.is_some() =>
            {
                f.write_str(
                    ": the server does not begin with TLS; Security::required_starttls() is for such a port",
                )
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for HandshakeError {}

#[cfg(any(feature = "client", feature = "server"))]
impl TlsError {
    pub(crate) fn config(error: rustls::Error) -> Self {
        Self::Config(Arc::new(error))
    }

    pub(super) fn pem(what: &'static str, reason: &dyn fmt::Display) -> Self {
        Self::Pem { what, reason: reason.to_string() }
    }

    /// rustls' error out of the I/O error that it comes wrapped in.
    pub(super) fn from_handshake(error: io::Error) -> crate::Error {
        match error.downcast() {
            Ok(error) => HandshakeError { server: None, error: Arc::new(error) }.into(),
            Err(error) => error.into(),
        }
    }
}
