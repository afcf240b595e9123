//! Channel bindings: [RFC 5056](https://www.rfc-editor.org/rfc/rfc5056), [RFC 5929](https://www.rfc-editor.org/rfc/rfc5929) and [RFC 9266](https://www.rfc-editor.org/rfc/rfc9266).

use mailwire_core::Secret;
#[cfg(any(feature = "client", feature = "server"))]
use rustls::ConnectionCommon;

/// The data that tie a SASL exchange to the TLS session around it, so that nobody in the middle can pass
/// the exchange on. Empty without TLS.
#[derive(Debug, Clone, Default)]
pub struct ChannelBindings {
    exporter: Option<Secret>,
    server_end_point: Option<Secret>,
}

impl ChannelBindings {
    /// No TLS, nothing to bind to.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Bindings from a TLS session of another making: the data of `tls-exporter` and of
    /// `tls-server-end-point`.
    #[must_use]
    pub fn new(tls_exporter: Option<Vec<u8>>, tls_server_end_point: Option<Vec<u8>>) -> Self {
        Self {
            exporter: tls_exporter.map(Secret::from),
            server_end_point: tls_server_end_point.map(Secret::from),
        }
    }

    /// Whether there is nothing to bind to.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.exporter.is_none() && self.server_end_point.is_none()
    }

    /// The data of a binding type by its registered name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        match name {
            "tls-exporter" => self.exporter.as_ref(),
            "tls-server-end-point" => self.server_end_point.as_ref(),
            _ => None,
        }
        .map(Secret::expose)
    }

    /// The type to use: `tls-exporter` with TLS 1.3 ([RFC 9266 section 4](https://www.rfc-editor.org/rfc/rfc9266#section-4)), otherwise
    /// `tls-server-end-point`.
    #[must_use]
    pub const fn preferred(&self) -> Option<&'static str> {
        if self.exporter.is_some() {
            Some("tls-exporter")
        } else if self.server_end_point.is_some() {
            Some("tls-server-end-point")
        } else {
            None
        }
    }
}

/// RFC 9266 section 2: 32 bytes for this label and an empty context.
#[cfg(any(feature = "client", feature = "server"))]
pub(super) fn exporter<D>(session: &ConnectionCommon<D>) -> Option<Vec<u8>> {
    session.export_keying_material(vec![0; 32], b"EXPORTER-Channel-Binding", Some(b"")).ok()
}
