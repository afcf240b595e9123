//! Certificates in files.

use std::path::{Path, PathBuf};

use super::{ServerTls, ServerTlsBuilder, TlsError};

/// The files with a server's certificates and keys, in PEM, which can be read again when they have changed.
///
/// # Examples
///
/// ```no_run
/// use mailwire_transport::tls::CertificateFiles;
///
/// let files = CertificateFiles::new("/etc/mail/example.org.pem", "/etc/mail/example.org.key")
///     .and("/etc/mail/example.net.pem", "/etc/mail/example.net.key");
/// let tls = files.read()?.build()?;
/// // ... servers have clones of it; later, at SIGHUP or when a timer says so:
/// tls.replace(&files.read()?.build()?);
/// # Ok::<(), mailwire_transport::tls::TlsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    pairs: Vec<(PathBuf, PathBuf)>,
}

impl CertificateFiles {
    /// The certificate's chain, its own first, and its private key; both can be in one file.
    #[must_use]
    pub fn new(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { pairs: vec![(chain.into(), key.into())] }
    }

    /// A further certificate, for other names: see [`ServerTlsBuilder::certificate`].
    #[must_use]
    pub fn and(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.pairs.push((chain.into(), key.into()));
        self
    }

    /// Reads the files. It blocks the thread meanwhile.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or what it should have is not in it; the error names it.
    pub fn read(&self) -> Result<ServerTlsBuilder, TlsError> {
        let mut builder = ServerTls::without_certificate();
        for (chain, key) in &self.pairs {
            let within = |path: &Path, error: &dyn std::fmt::Display| TlsError::File {
                path: path.to_owned(),
                reason: error.to_string(),
            };
            let read = |path: &Path| std::fs::read(path).map_err(|error| within(path, &error));
            let (chain_pem, key_pem) = (read(chain)?, zeroize::Zeroizing::new(read(key)?));
            let chain_der = super::certificates(&chain_pem).map_err(|error| within(chain, &error))?;
            let key_der = super::private_key(&key_pem).map_err(|error| within(key, &error))?;
            builder = builder.with(chain_der, key_der);
        }
        Ok(builder)
    }
}
