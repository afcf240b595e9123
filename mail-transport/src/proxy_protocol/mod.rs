//! The PROXY protocol, versions 1 and 2: how a proxy tells a server for whom it speaks.
//!
//! A proxy or load balancer that passes a connection on writes one header before the client's first byte, and before
//! TLS. A server reads it from those whom it trusts: see
//! [`Listener::with_proxy_protocol`](crate::server::Listener::with_proxy_protocol). This module has the header itself,
//! for whoever writes a proxy or reads by other means. It is
//! [HAProxy's specification](https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt), section 2.
//!
//! # Examples
//!
//! ```
//! use bytes::Bytes;
//! use mailwire_transport::proxy_protocol::{Header, Origin, Tlv, Version};
//!
//! // What a proxy writes before it passes on what a client says.
//! let origin = Origin::inet("192.0.2.7:51000".parse()?, "198.51.100.1:993".parse()?);
//! let header = Header::new(Version::V1, origin.clone());
//! assert_eq!(header.to_bytes(), "PROXY TCP4 192.0.2.7 198.51.100.1 51000 993\r\n");
//!
//! // Version 2 is binary, and has room for more.
//! let header = Header::new(Version::V2, origin).with_tlv(Tlv::Authority("mail.example.org".into()))?.with_checksum();
//! let bytes = header.to_bytes();
//!
//! // What a server makes of it: nothing beyond the header's end is read.
//! assert_eq!(Header::missing(&bytes[..20])?, bytes.len() - 20);
//! let read = Header::parse(&bytes)?;
//! assert_eq!(read.source(), Some("192.0.2.7:51000".parse()?));
//! assert_eq!(read.authority(), Some("mail.example.org"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "server")]
mod header;
mod network;

#[cfg(feature = "server")]
pub use self::header::{Header, Origin, OtherTlv, Ssl, Tlv, UnixAddresses, Version};
pub use self::network::{Network, NetworkError};
