//! What a header of version 2 tells beside addresses: section 2.2.

use bytes::Bytes;
use mailwire_core::{Invalid, Text};

pub(super) const ALPN: u8 = 0x01;
pub(super) const AUTHORITY: u8 = 0x02;
pub(super) const CRC32C: u8 = 0x03;
pub(super) const NOOP: u8 = 0x04;
pub(super) const UNIQUE_ID: u8 = 0x05;
pub(super) const SSL: u8 = 0x20;
pub(super) const NETNS: u8 = 0x30;

/// The longest name of a connection, in bytes.
pub(super) const MOST_UNIQUE_ID: usize = 128;

/// Something that a proxy tells of a client. The checksum and padding are not among these.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Tlv {
    /// The protocol that the client chose within TLS, by its registered name: `imap`.
    Alpn(Bytes),
    /// The name that the client asked for, by SNI or otherwise.
    Authority(Text),
    /// The name that the proxy has given this connection. A server reads at most 128 bytes.
    UniqueId(Bytes),
    /// The TLS between the client and the proxy.
    Ssl(Ssl),
    /// The name of the proxy's network namespace.
    NetworkNamespace(Text),
    /// Anything else, with its bytes.
    Other(OtherTlv),
}

/// A TLV that is not known here: those of an operator have the types 0xE0 to 0xEF.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OtherTlv {
    kind: u8,
    value: Bytes,
}

impl OtherTlv {
    /// A TLV with this type.
    ///
    /// # Errors
    ///
    /// The type has a meaning here.
    pub fn new(kind: u8, value: impl Into<Bytes>) -> Result<Self, Invalid> {
        match kind {
            ALPN | AUTHORITY | CRC32C | NOOP | UNIQUE_ID | SSL | NETNS => {
                Err(Invalid::new("TLV", 0, "a type that is known"))
            }
            kind => Ok(Self { kind, value: value.into() }),
        }
    }

    /// Returns the type.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        self.kind
    }

    /// Returns the value.
    #[must_use]
    pub const fn value(&self) -> &Bytes {
        &self.value
    }
}

/// What a proxy says of the TLS that it speaks with a client. Only a proxy that is trusted in this can be believed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ssl {
    pub(super) client: u8,
    pub(super) verify: u32,
    pub(super) parts: Vec<(u8, Bytes)>,
}

impl Ssl {
    /// The bit of a client within TLS.
    pub const CLIENT_SSL: u8 = 0x01;
    /// The bit of a client that showed a certificate on this connection.
    pub const CLIENT_CERT_CONN: u8 = 0x02;
    /// The bit of a client that showed a certificate in this TLS session, which can be resumed.
    pub const CLIENT_CERT_SESS: u8 = 0x04;
    /// The type of the TLS version's name.
    pub const VERSION: u8 = 0x21;
    /// The type of the common name in the client's certificate.
    pub const COMMON_NAME: u8 = 0x22;
    /// The type of the cipher's name.
    pub const CIPHER: u8 = 0x23;

    /// A client of which these bits hold, such as [`CLIENT_SSL`](Self::CLIENT_SSL), and what verifying its certificate came to:
    /// 0 if it showed one that is valid.
    #[must_use]
    pub const fn new(client: u8, verify: u32) -> Self {
        Self { client, verify, parts: Vec::new() }
    }

    /// Adds a part with this type.
    #[must_use]
    pub fn with_part(mut self, kind: u8, value: impl Into<Bytes>) -> Self {
        self.parts.push((kind, value.into()));
        self
    }

    /// Whether the client speaks TLS with the proxy.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.client & Self::CLIENT_SSL != 0
    }

    /// Whether the client has shown a certificate, and the proxy has verified it.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        self.client & (Self::CLIENT_CERT_CONN | Self::CLIENT_CERT_SESS) != 0 && self.verify == 0
    }

    /// Returns the bits that tell of the client.
    #[must_use]
    pub const fn client(&self) -> u8 {
        self.client
    }

    /// Returns what became of verifying the client's certificate: 0 if all is well.
    #[must_use]
    pub const fn verify(&self) -> u32 {
        self.verify
    }

    /// Returns the version of TLS: `TLSv1.3`.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.text(Self::VERSION)
    }

    /// Returns the common name in the client's certificate.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.text(Self::COMMON_NAME)
    }

    /// Returns the cipher's name.
    #[must_use]
    pub fn cipher(&self) -> Option<&str> {
        self.text(Self::CIPHER)
    }

    /// Returns the parts, each with its type.
    #[must_use]
    pub fn parts(&self) -> &[(u8, Bytes)] {
        &self.parts
    }

    fn text(&self, wanted: u8) -> Option<&str> {
        let (_, value) = self.parts.iter().find(|(kind, _)| *kind == wanted)?;
        std::str::from_utf8(value).ok()
    }
}
