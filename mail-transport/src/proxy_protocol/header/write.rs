use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    Header, Origin, Tlv, UnixAddresses, Version,
    checksum::{TLV_LENGTH, checksum},
    framing::SIGNATURE,
    tlv,
};

impl Header {
    /// Returns the bytes that a proxy sends before the client's first one.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut output = BytesMut::new();
        self.write(&mut output);
        output.freeze()
    }

    /// Writes the bytes that a proxy sends before the client's first one.
    pub fn write(&self, output: &mut BytesMut) {
        match self.version {
            Version::V1 => output.extend_from_slice(self.line().as_bytes()),
            Version::V2 => self.write_binary(output),
        }
    }

    fn line(&self) -> String {
        let Origin::Inet { source, destination } = &self.origin else { return "PROXY UNKNOWN\r\n".into() };
        let (family, from, to) = match (source.ip(), destination.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => ("TCP4", from.to_string(), to.to_string()),
            (from, to) => ("TCP6", mapped(from).to_string(), mapped(to).to_string()),
        };
        format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port())
    }

    fn write_binary(&self, output: &mut BytesMut) {
        let begin = output.len();
        output.extend_from_slice(&SIGNATURE);
        let (command, family) = match &self.origin {
            Origin::Local => (0x20, 0x00),
            Origin::Unknown => (0x21, 0x00),
            Origin::Inet { source, destination } if both_v4(source, destination) => (0x21, 0x11),
            Origin::Inet { .. } => (0x21, 0x21),
            Origin::Unix(_) => (0x21, 0x31),
        };
        output.extend_from_slice(&[command, family]);
        let checksum_length = if self.checksum { TLV_LENGTH } else { 0 };
        output.put_u16(short(length(self).saturating_add(checksum_length)));
        write_addresses(&self.origin, output);
        for tlv in &self.tlvs {
            write_tlv(tlv, output);
        }
        if self.checksum {
            write_element(tlv::CRC32C, &[0; 4], output);
            let at = output.len().saturating_sub(begin).saturating_sub(4);
            let sum = checksum(output.get(begin..).unwrap_or_default(), at);
            output.truncate(begin.saturating_add(at));
            output.put_u32(sum);
        }
    }
}

/// What comes after the fixed part, apart from the checksum, in bytes.
pub(super) fn length(header: &Header) -> usize {
    let mut output = BytesMut::new();
    write_addresses(&header.origin, &mut output);
    header.tlvs.iter().fold(output.len(), |length, tlv| length.saturating_add(tlv_length(tlv)))
}

fn both_v4(source: &SocketAddr, destination: &SocketAddr) -> bool {
    source.is_ipv4() && destination.is_ipv4()
}

fn write_addresses(origin: &Origin, output: &mut BytesMut) {
    match origin {
        Origin::Local | Origin::Unknown => {}
        Origin::Inet { source, destination } => {
            for address in [source.ip(), destination.ip()] {
                match address {
                    IpAddr::V4(v4) if both_v4(source, destination) => output.put_u32(v4.to_bits()),
                    address => output.put_u128(mapped(address).to_bits()),
                }
            }
            output.put_u16(source.port());
            output.put_u16(destination.port());
        }
        Origin::Unix(names) => {
            for name in [names.source(), names.destination()] {
                output.extend_from_slice(name);
                output.put_bytes(0, UnixAddresses::LENGTH.saturating_sub(name.len()));
            }
        }
    }
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// What a TLV takes, with its type and length.
fn tlv_length(tlv: &Tlv) -> usize {
    let value = match tlv {
        Tlv::Alpn(value) | Tlv::UniqueId(value) => value.len(),
        Tlv::Authority(text) | Tlv::NetworkNamespace(text) => text.as_bytes().len(),
        Tlv::Ssl(ssl) => {
            ssl.parts.iter().fold(5, |sum, (_, part)| part.len().saturating_add(3).saturating_add(sum))
        }
        Tlv::Other(other) => other.value().len(),
    };
    value.saturating_add(3)
}

fn write_tlv(tlv: &Tlv, output: &mut BytesMut) {
    match tlv {
        Tlv::Alpn(value) => write_element(tlv::ALPN, value, output),
        Tlv::Authority(name) => write_element(tlv::AUTHORITY, name.as_bytes(), output),
        Tlv::UniqueId(id) => write_element(tlv::UNIQUE_ID, id, output),
        Tlv::NetworkNamespace(name) => write_element(tlv::NETNS, name.as_bytes(), output),
        Tlv::Other(other) => write_element(other.kind(), other.value(), output),
        Tlv::Ssl(ssl) => {
            output.put_u8(tlv::SSL);
            output.put_u16(short(tlv_length(tlv).saturating_sub(3)));
            output.put_u8(ssl.client);
            output.put_u32(ssl.verify);
            for (kind, value) in &ssl.parts {
                write_element(*kind, value, output);
            }
        }
    }
}

fn write_element(kind: u8, value: &[u8], output: &mut BytesMut) {
    output.put_u8(kind);
    output.put_u16(short(value.len()));
    output.extend_from_slice(value);
}

/// A length. All of them together are bounded by [`Header::MOST_V2`].
fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}
