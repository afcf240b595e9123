//! A certificate for a server that was given none.

use std::{fs, io::Write as _, path::Path};

use anyhow::{Context as _, Result};
use mailwire_transport::tls::CertificateFiles;

use crate::config::{Config, beside};

/// The certificate that is configured, or the one that is kept beside the store: it is made once, signed by nobody else, so that
/// clients have to be told to trust it.
pub(crate) fn files(config: &Config) -> Result<CertificateFiles> {
    if let Some(files) = &config.certificates {
        return Ok(files.clone());
    }
    let (chain, key) = (beside(&config.beside, "cert.pem"), beside(&config.beside, "key.pem"));
    // The key is written first: where there is a certificate, there is its key.
    if !chain.exists() {
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        names.extend(
            Some(config.name.as_str().to_owned())
                .filter(|name| name != "localhost" && !name.starts_with('[')),
        );
        let made = rcgen::generate_simple_self_signed(names).context("a certificate")?;
        write(&key, &made.signing_key.serialize_pem())?;
        write(&chain, &made.cert.pem())?;
        eprintln!("{}: made, for this server; it is signed by nobody else", chain.display());
    }
    Ok(CertificateFiles::new(chain, key))
}

/// Writes a file that its owner alone can read, whole or not at all.
fn write(path: &Path, text: &str) -> Result<()> {
    let named = || path.display().to_string();
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new).with_context(named)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(named)?;
    fs::rename(&new, path).with_context(named)
}
