//! Signatures of what users send (DKIM, [RFC 6376](https://www.rfc-editor.org/rfc/rfc6376)), by which others know that a domain stands
//! for a message.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use bytes::Bytes;
use mail_auth::{
    AuthenticatedMessage,
    common::{
        crypto::{Ed25519Key, RsaKey, Sha256, SigningKey},
        headers::HeaderWriter as _,
    },
    dkim::{DkimSigner, Done},
};
use mailwire_transport::smtp::proto::Mailbox;
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};

/// The fields that are signed: those of [RFC 6376 section 5.4.1](https://www.rfc-editor.org/rfc/rfc6376#section-5.4.1) that no
/// server on the way changes. One that is named once more than it is there cannot be added later.
const FIELDS: [&str; 20] = [
    "From",
    "From",
    "Sender",
    "Reply-To",
    "Subject",
    "Subject",
    "Date",
    "Date",
    "Message-ID",
    "To",
    "To",
    "Cc",
    "Cc",
    "MIME-Version",
    "Content-Type",
    "Content-Type",
    "Content-Transfer-Encoding",
    "In-Reply-To",
    "References",
    "List-Unsubscribe",
];

/// The keys of domains. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Signers(Arc<BTreeMap<String, Signer>>);

impl std::fmt::Debug for Signers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl FromIterator<(String, Signer)> for Signers {
    fn from_iter<T: IntoIterator<Item = (String, Signer)>>(signers: T) -> Self {
        Self(Arc::new(signers.into_iter().collect()))
    }
}

/// One key of one domain.
pub(crate) enum Signer {
    Rsa(DkimSigner<RsaKey<Sha256>, Done>),
    Ed25519(DkimSigner<Ed25519Key, Done>),
}

impl Signer {
    /// With a key in a file in PEM: RSA of 2048 bits or more, or Ed25519.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    pub(crate) fn read(domain: &str, selector: &str, key: &Path) -> Result<Self, String> {
        let pem = std::fs::read(key).map_err(|error| error.to_string())?;
        let der = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| format!("no key in PEM: {error}"))?;
        match RsaKey::from_key_der(der.clone_key()) {
            Ok(key) => Ok(Self::Rsa(signer(key, domain, selector))),
            Err(refused) => {
                let PrivateKeyDer::Pkcs8(der) = &der else { return Err(refused.to_string()) };
                match Ed25519Key::from_pkcs8_maybe_unchecked_der(der.secret_pkcs8_der()) {
                    Ok(key) => Ok(Self::Ed25519(signer(key, domain, selector))),
                    Err(_) => Err(format!("neither RSA of 2048 bits or more nor Ed25519: {refused}")),
                }
            }
        }
    }

    fn sign(&self, message: &[u8]) -> mail_auth::Result<String> {
        let signature = match self {
            Self::Rsa(signer) => signer.sign(message),
            Self::Ed25519(signer) => signer.sign(message),
        };
        signature.map(|signature| signature.to_header())
    }
}

fn signer<K: SigningKey>(key: K, domain: &str, selector: &str) -> DkimSigner<K, Done> {
    DkimSigner::from_key(key).domain(domain).selector(selector).headers(FIELDS)
}

impl Signers {
    /// Who a message is from, if it is from one alone and their domain has a key.
    pub(crate) fn author(&self, message: &Bytes) -> Option<Mailbox> {
        if self.0.is_empty() {
            return None;
        }
        let parsed = AuthenticatedMessage::parse(message)?;
        let [from] = parsed.froms() else { return None };
        let from = Mailbox::try_from(from.as_str()).ok()?;
        self.0.contains_key(&from.domain().to_lowercase()).then_some(from)
    }

    /// The field that signs a message for a domain; empty if that has no key.
    pub(crate) fn sign(&self, domain: &str, message: &Bytes) -> String {
        let Some(signer) = self.0.get(&domain.to_lowercase()) else { return String::new() };
        signer.sign(message).unwrap_or_else(|error| {
            // Without a signature it is as good as that of a domain without a key.
            tracing::warn!(%error, domain, "a message is not signed");
            String::new()
        })
    }
}
