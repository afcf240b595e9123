//! CRC-32C, by which a proxy can protect its header: section 2.2.3 of the specification.

/// What the TLV takes, with its type and length.
pub(super) const TLV_LENGTH: usize = 7;

/// The CRC-32C (RFC 4960 appendix B) of a header whose own checksum, four bytes from `at`, counts as zeros.
///
/// Bit by bit: a header is a few hundred bytes long, and a table would take a kilobyte.
pub(super) fn checksum(header: &[u8], at: usize) -> u32 {
    let own = at..at.saturating_add(4);
    let bytes = header.iter().enumerate().map(|(index, byte)| if own.contains(&index) { 0 } else { *byte });
    !bytes.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            let carry = if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
            (crc >> 1) ^ carry
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksums_of_rfc_3720_come_out() {
        // Appendix B.4, in this machine's order.
        assert_eq!(checksum(&[0; 32], 32), 0x8a91_36aa);
        assert_eq!(checksum(&[0xff; 32], 32), 0x62a8_ab43);
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(checksum(&ascending, 32), 0x46dd_794e);
        assert_eq!(checksum(b"123456789", 9), 0xe306_9283);
        assert_eq!(checksum(&[0xff; 4], 0), checksum(&[0; 4], 4), "its own place counts as zeros");
    }
}
