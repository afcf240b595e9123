//! As much of DER as is looked at in certificates that rustls has checked, or is about to, and in keys.

#[cfg(feature = "server")]
pub(super) const OCTET_STRING: u8 = 0x04;
#[cfg(feature = "scram")]
pub(super) const OID: u8 = 0x06;
#[cfg(feature = "server")]
pub(super) const UTC_TIME: u8 = 0x17;
#[cfg(feature = "server")]
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
#[cfg(feature = "doctor")]
pub(crate) const INTEGER: u8 = 0x02;
#[cfg(feature = "doctor")]
pub(crate) const BIT_STRING: u8 = 0x03;
#[cfg(feature = "scram")]
pub(super) const EXPLICIT_0: u8 = 0xa0;
#[cfg(feature = "server")]
pub(super) const EXPLICIT_3: u8 = 0xa3;

/// The contents of the DER element in front if it has this tag, and what follows it.
pub(crate) fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    if found != tag {
        return None;
    }
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if digits.len() > 4 {
            return None;
        }
        (digits.iter().fold(0usize, |length, &digit| (length << 8) | usize::from(digit)), rest)
    };
    rest.split_at_checked(length)
}

/// The tag of the element in front, its contents, and what follows it.
#[cfg(feature = "server")]
pub(super) fn any_element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let tag = *der.first()?;
    element(der, tag).map(|(contents, rest)| (tag, contents, rest))
}
