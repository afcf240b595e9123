//! Who a server is, by the name that a client asks for.

use std::{collections::HashMap, sync::Arc};

use rustls::{ServerConfig, SignatureScheme, pki_types::CertificateDer, sign::CertifiedKey};

use super::{CertificateInfo, end_point};

/// The certificates of a server, each with its configuration.
pub(super) struct Identities {
    all: Vec<Identity>,
    /// Which of them are for a name, in their order. A name can begin with `*.`.
    by_name: HashMap<String, Vec<usize>>,
}

/// One certificate, and how the handshake goes with it.
pub(super) struct Identity {
    pub(super) config: Arc<ServerConfig>,
    pub(super) server_end_point: Option<Vec<u8>>,
    pub(super) info: Option<CertificateInfo>,
    key: Option<Arc<CertifiedKey>>,
}

impl Identity {
    /// A configuration that shows this certificate, or some that nobody knows here.
    pub(super) fn new(
        config: Arc<ServerConfig>,
        certificate: Option<&CertificateDer<'_>>,
        key: Option<Arc<CertifiedKey>>,
    ) -> Self {
        Self {
            config,
            server_end_point: certificate.and_then(|certificate| end_point::server_end_point(certificate)),
            info: certificate.and_then(|certificate| CertificateInfo::of(certificate)),
            key,
        }
    }

    fn can_sign(&self, schemes: &[SignatureScheme]) -> bool {
        self.key.as_ref().is_none_or(|key| key.key.choose_scheme(schemes).is_some())
    }
}

impl Identities {
    /// The first is shown to clients that ask for no name, or for one that no certificate is for.
    pub(super) fn new(all: Vec<Identity>) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, identity) in all.iter().enumerate() {
            for name in identity.info.iter().flat_map(|info| &info.names) {
                by_name.entry(name.clone()).or_default().push(index);
            }
        }
        Self { all, by_name }
    }

    pub(super) fn all(&self) -> &[Identity] {
        &self.all
    }

    /// The one to show to a client that asks for `name`: the first that is for exactly this name, or for all names beside it,
    /// and whose key the client can check.
    pub(super) fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<&Identity> {
        let name = name.map(str::to_ascii_lowercase);
        let wildcard =
            name.as_deref().and_then(|name| name.split_once('.')).map(|(_, parent)| format!("*.{parent}"));
        let first_name = self.all.first().and_then(|first| first.info.as_ref()?.names.first().cloned());
        let of_name = |name: Option<&String>| {
            let indices = name.and_then(|name| self.by_name.get(name)).map(Vec::as_slice);
            let mut all =
                indices.unwrap_or_default().iter().filter_map(|index| self.all.get(*index)).peekable();
            let first = all.peek().copied();
            all.find(|identity| identity.can_sign(schemes)).or(first)
        };
        of_name(name.as_ref())
            .or_else(|| of_name(wildcard.as_ref()))
            .or_else(|| of_name(first_name.as_ref()))
            .or_else(|| self.all.first())
    }
}
