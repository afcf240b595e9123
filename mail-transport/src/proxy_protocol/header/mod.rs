//! The header itself.

mod checksum;
mod framing;
mod parse;
mod tlv;
mod write;

use std::net::SocketAddr;

use bytes::Bytes;
use mailwire_core::Invalid;

pub use self::tlv::{OtherTlv, Ssl, Tlv};

/// The two forms of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// A line of text, at most 107 bytes long.
    V1,
    /// Binary, with room for more than addresses.
    V2,
}

/// Where a connection comes from, as a proxy tells it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The proxy speaks for itself: it looks whether the server is well (`LOCAL` of version 2).
    Local,
    /// The proxy speaks for somebody of whom it knows no address (`UNKNOWN`, `AF_UNSPEC`).
    Unknown,
    /// A client that has come by TCP.
    Inet {
        /// The client's address.
        source: SocketAddr,
        /// The address to which the client has connected.
        destination: SocketAddr,
    },
    /// A client that has come by a Unix socket of the proxy's machine. Version 2 alone has it.
    Unix(UnixAddresses),
}

impl Origin {
    /// A client at `source` that has connected to `destination`. If only one of the addresses is of IPv4, it is written as one
    /// of IPv6, `::ffff:192.0.2.1`: a header has room for one family.
    #[must_use]
    pub const fn inet(source: SocketAddr, destination: SocketAddr) -> Self {
        Self::Inet { source, destination }
    }
}

/// The names of the two ends of a Unix socket, which can be empty: at most 108 bytes each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnixAddresses {
    source: Bytes,
    destination: Bytes,
}

impl UnixAddresses {
    const LENGTH: usize = 108;

    /// Names of at most 108 bytes. NULs at their ends do not count as parts of them.
    ///
    /// # Errors
    ///
    /// One of them is longer.
    pub fn new(source: impl Into<Bytes>, destination: impl Into<Bytes>) -> Result<Self, Invalid> {
        let [source, destination] = [source.into(), destination.into()].map(trimmed);
        if source.len().max(destination.len()) > Self::LENGTH {
            return Err(Invalid::new("name of a Unix socket", Self::LENGTH, "longer than 108 bytes"));
        }
        Ok(Self { source, destination })
    }

    /// Returns the name of the client's end.
    #[must_use]
    pub const fn source(&self) -> &Bytes {
        &self.source
    }

    /// Returns the name of the end to which the client has connected.
    #[must_use]
    pub const fn destination(&self) -> &Bytes {
        &self.destination
    }
}

fn trimmed(mut name: Bytes) -> Bytes {
    let length = name.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
    name.truncate(length);
    name
}

/// A header of the PROXY protocol.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Header {
    version: Version,
    origin: Origin,
    tlvs: Vec<Tlv>,
    checksum: bool,
}

impl Header {
    /// The most bytes that a line of version 1 has, with its end.
    pub const MOST_V1: usize = 107;

    /// The most bytes that are taken after the first 16 of version 2: 4096. The protocol itself has no bound
    /// below 65535; what proxies say fits in a tenth of this.
    pub const MOST_V2: usize = 4096;

    /// A header without TLVs. Version 1 knows only TCP: every other origin is [`Origin::Unknown`] there.
    #[must_use]
    pub fn new(version: Version, origin: Origin) -> Self {
        let origin = match (version, origin) {
            (Version::V1, Origin::Local | Origin::Unix(_)) => Origin::Unknown,
            (_, origin) => origin,
        };
        Self { version, origin, tlvs: Vec::new(), checksum: false }
    }

    /// Adds something that the proxy knows of the client.
    ///
    /// # Errors
    ///
    /// Version 1 has no place for it, a server is told nothing by `LOCAL`, or the header becomes longer than
    /// [`MOST_V2`](Self::MOST_V2) allows.
    pub fn with_tlv(mut self, tlv: Tlv) -> Result<Self, Invalid> {
        let refused = |reason| Err(Invalid::new("PROXY header", 0, reason));
        match (self.version, &self.origin) {
            (Version::V1, _) => return refused("version 1 has no TLVs"),
            (Version::V2, Origin::Local) => return refused("LOCAL tells of nobody"),
            (Version::V2, _) => {}
        }
        if matches!(&tlv, Tlv::UniqueId(id) if id.len() > tlv::MOST_UNIQUE_ID) {
            return refused("a name of more than 128 bytes");
        }
        self.tlvs.push(tlv);
        // With room for the checksum, whether it comes or not.
        let most = Self::MOST_V2.saturating_sub(checksum::TLV_LENGTH);
        if write::length(&self) > most { refused("too many TLVs") } else { Ok(self) }
    }

    /// Adds a checksum (CRC-32C), which servers check. Version 1 has none, and of `LOCAL` servers look at nothing.
    #[must_use]
    pub fn with_checksum(mut self) -> Self {
        self.checksum = self.version == Version::V2 && self.origin != Origin::Local;
        self
    }

    /// Returns the version in which it was written.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Returns for whom the proxy speaks.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the client's address, if it has come by TCP.
    #[must_use]
    pub const fn source(&self) -> Option<SocketAddr> {
        match self.origin {
            Origin::Inet { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Returns the address to which the client has connected, if it has come by TCP.
    #[must_use]
    pub const fn destination(&self) -> Option<SocketAddr> {
        match self.origin {
            Origin::Inet { destination, .. } => Some(destination),
            _ => None,
        }
    }

    /// Whether there is a checksum, which was right.
    #[must_use]
    pub const fn has_checksum(&self) -> bool {
        self.checksum
    }

    /// Returns what else the proxy tells, in its order.
    #[must_use]
    pub fn tlvs(&self) -> &[Tlv] {
        &self.tlvs
    }

    /// Returns the name that the client asked for, by SNI or otherwise, if it is UTF-8.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.tlvs.iter().find_map(|tlv| match tlv {
            Tlv::Authority(name) => name.as_str(),
            _ => None,
        })
    }

    /// Returns the protocol that the client chose by ALPN.
    #[must_use]
    pub fn alpn(&self) -> Option<&Bytes> {
        self.tlvs.iter().find_map(|tlv| match tlv {
            Tlv::Alpn(protocol) => Some(protocol),
            _ => None,
        })
    }

    /// Returns the name that the proxy has given the connection, for logs: at most 128 bytes of any kind.
    #[must_use]
    pub fn unique_id(&self) -> Option<&Bytes> {
        self.tlvs.iter().find_map(|tlv| match tlv {
            Tlv::UniqueId(id) => Some(id),
            _ => None,
        })
    }

    /// Returns what the proxy says of the TLS that it speaks with the client.
    #[must_use]
    pub fn ssl(&self) -> Option<&Ssl> {
        self.tlvs.iter().find_map(|tlv| match tlv {
            Tlv::Ssl(ssl) => Some(ssl),
            _ => None,
        })
    }
}
