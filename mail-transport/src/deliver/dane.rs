//! Certificates that DNS vouches for: DANE ([RFC 6698](https://www.rfc-editor.org/rfc/rfc6698), [RFC
//! 7671](https://www.rfc-editor.org/rfc/rfc7671), [RFC 7672](https://www.rfc-editor.org/rfc/rfc7672)).

use std::sync::Arc;

use rustls::{
    CertificateError, OtherError, RootCertStore,
    client::{verify_server_cert_signed_by_trust_anchor, verify_server_name},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use sha2::{Digest, Sha256, Sha512};

use super::tls::client_tls;
use crate::{
    dns::Tlsa,
    tls::{ClientTls, TlsError, default_provider},
};

/// How many records of a server are looked at.
const RECORDS: usize = 64;

const DANE_TA: u8 = 2;
const DANE_EE: u8 = 3;
const CERT: u8 = 0;
const SPKI: u8 = 1;
const FULL: u8 = 0;
const SHA2_256: u8 = 1;
const SHA2_512: u8 = 2;

/// What TLSA records say about the certificates of a server, and whether a server's are these.
///
/// Records count if their usage is DANE-TA(2) or DANE-EE(3), and selector, matching type and length are known ones. PKIX-TA(0) and
/// PKIX-EE(1) do not: between mail servers there is no list of authorities that all agree upon ([RFC 7672 section
/// 3.1.3](https://www.rfc-editor.org/rfc/rfc7672#section-3.1.3)). Beside a SHA-512 of the same usage and selector no SHA-256 counts ([RFC
/// 7671 section 9](https://www.rfc-editor.org/rfc/rfc7671#section-9)).
///
/// Whether the records are proved (DNSSEC) is for the caller to know: [`MxHost::find`](super::MxHost::find) finds such ones. Unproved
/// records mean nothing.
///
/// # Examples
///
/// ```
/// use mailwire_transport::{deliver::Dane, dns::Tlsa};
///
/// let dane = Dane::new([Tlsa::new(3, 1, 1, [7; 32]), Tlsa::new(1, 1, 1, [7; 32])]);
/// assert_eq!(dane.records().len(), 1);
/// assert!(dane.is_usable());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dane {
    records: Vec<Tlsa>,
    /// What the certificate may be for, beside the server's name: of no meaning where no authority is named.
    names: Vec<String>,
}

impl Dane {
    /// Keeps those of the records that can be used, of at most 64.
    #[must_use]
    pub fn new(records: impl IntoIterator<Item = Tlsa>) -> Self {
        let mut usable: Vec<_> = records.into_iter().take(RECORDS).filter(is_usable).collect();
        // An answer has its records in any order.
        usable.sort_unstable_by(|one, other| {
            let key = |tlsa: &Tlsa| (tlsa.usage, tlsa.selector, tlsa.matching);
            key(one).cmp(&key(other)).then_with(|| one.data.cmp(&other.data))
        });
        usable.dedup();
        let has_stronger = |tlsa: &Tlsa| {
            tlsa.matching == SHA2_256
                && usable.iter().any(|other| {
                    (other.usage, other.selector, other.matching) == (tlsa.usage, tlsa.selector, SHA2_512)
                })
        };
        let records = usable.iter().filter(|tlsa| !has_stronger(tlsa)).cloned().collect();
        Self { records, names: Vec::new() }
    }

    /// Adds names that the certificate may be for as well: the domain whose mail the server takes ([RFC 7672 section
    /// 3.2.2](https://www.rfc-editor.org/rfc/rfc7672#section-3.2.2)). They count for DANE-TA(2) alone.
    #[must_use]
    pub fn with_names(mut self, names: impl IntoIterator<Item = String>) -> Self {
        if self.records.iter().any(|tlsa| tlsa.usage == DANE_TA) {
            self.names.extend(names);
        }
        self
    }

    /// Whether there is a record to verify certificates with. Where none can be used, the records still say that the server has TLS
    /// ([RFC 7672 section 2.2](https://www.rfc-editor.org/rfc/rfc7672#section-2.2)).
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !self.records.is_empty()
    }

    /// Returns the records that count.
    #[must_use]
    pub fn records(&self) -> &[Tlsa] {
        &self.records
    }

    /// Verifies the certificates that a server has shown, its own first: one of the records has to be for it.
    ///
    /// With DANE-EE(3) nothing but the record counts, neither name nor dates ([RFC 7672 section
    /// 3.1.1](https://www.rfc-editor.org/rfc/rfc7672#section-3.1.1)). With DANE-TA(2) the certificate has to be in force, come from the
    /// authority through the certificates beside it, and be for `name`, the [base domain](super::MxHost::tlsa_name) of the records, or one of the
    /// [other names](Self::with_names). The authority's certificate is among them, or whole in the record.
    ///
    /// # Errors
    ///
    /// None of the records is for it, or what an authority's record is for cannot be verified, at this time or for this name.
    pub fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        time: UnixTime,
    ) -> Result<(), DaneError> {
        let (own, others) = chain.split_first().ok_or(DaneError::NoMatch)?;
        self.verify_with(&*default_provider()?, own, others, name, time)
    }

    pub(super) fn verify_with(
        &self,
        provider: &CryptoProvider,
        own: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        time: UnixTime,
    ) -> Result<(), DaneError> {
        if self.has(DANE_EE, own) {
            return Ok(());
        }
        let mut authorities = RootCertStore::empty();
        for certificate in others.iter().filter(|certificate| self.has(DANE_TA, certificate)) {
            // One that is broken is the authority of nothing.
            let _ = authorities.add(certificate.clone());
        }
        for record in &self.records {
            if (record.usage, record.selector, record.matching) == (DANE_TA, CERT, FULL) {
                let _ = authorities.add(CertificateDer::from(record.data.as_slice()));
            }
        }
        if authorities.is_empty() {
            return Err(DaneError::NoMatch);
        }
        let own = ParsedCertificate::try_from(own)?;
        let algorithms = provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&own, &authorities, others, time, algorithms)?;
        let other_names = self.names.iter().filter_map(|name| ServerName::try_from(name.as_str()).ok());
        let is_for_other = || other_names.into_iter().any(|name| verify_server_name(&own, &name).is_ok());
        verify_server_name(&own, name).or_else(|error| if is_for_other() { Ok(()) } else { Err(error) })?;
        Ok(())
    }

    /// Whether a record of this usage is for this certificate.
    fn has(&self, usage: u8, certificate: &CertificateDer<'_>) -> bool {
        [CERT, SPKI].into_iter().any(|selector| {
            let mut records = self
                .records
                .iter()
                .filter(|tlsa| (tlsa.usage, tlsa.selector) == (usage, selector))
                .peekable();
            if records.peek().is_none() {
                return false;
            }
            let key = match selector {
                CERT => None,
                _ => match ParsedCertificate::try_from(certificate) {
                    Ok(parsed) => Some(parsed.subject_public_key_info()),
                    Err(_) => return false,
                },
            };
            let selected = key.as_ref().map_or(certificate.as_ref(), AsRef::as_ref);
            let (short, long) = (Sha256::digest(selected), Sha512::digest(selected));
            records.any(|tlsa| match tlsa.matching {
                FULL => tlsa.data == selected,
                SHA2_256 => tlsa.data == short.as_slice(),
                _ => tlsa.data == long.as_slice(),
            })
        })
    }

    /// Returns the TLS configuration of a client that takes the certificates that [verify](Self::verify), and no others. The name that
    /// the client is told to verify is the base domain of the records.
    ///
    /// # Errors
    ///
    /// There is no crypto provider.
    pub fn client_tls(&self) -> Result<ClientTls, TlsError> {
        Ok(client_tls(Some(self.clone()))?.with_verification(true))
    }
}

/// [RFC 6698 section 4.1](https://www.rfc-editor.org/rfc/rfc6698#section-4.1), with what RFC 7672 takes away.
fn is_usable(tlsa: &Tlsa) -> bool {
    let has_length = match tlsa.matching {
        FULL => !tlsa.data.is_empty(),
        SHA2_256 => tlsa.data.len() == 32,
        SHA2_512 => tlsa.data.len() == 64,
        _ => false,
    };
    has_length && matches!(tlsa.usage, DANE_TA | DANE_EE) && matches!(tlsa.selector, CERT | SPKI)
}

/// Why the certificates of a server are not those that its TLSA records are for.
#[non_exhaustive]
#[derive(Debug, Clone, thiserror::Error)]
pub enum DaneError {
    /// No record is for them.
    #[error("no TLSA record matches the certificate")]
    NoMatch,
    /// A record of an authority matches, but the server's certificate does not come from there, is not in force, or is for
    /// another name.
    #[error("the TLSA record of an authority matches, but not the rest: {0}")]
    Certificate(#[from] rustls::Error),
    /// There is nothing to verify signatures with.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl DaneError {
    /// As rustls' verifiers say it.
    pub(super) fn into_rustls(self) -> rustls::Error {
        match self {
            Self::Certificate(error) => error,
            other => CertificateError::Other(OtherError(Arc::new(other))).into(),
        }
    }
}
