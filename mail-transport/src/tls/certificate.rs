//! What a certificate says of itself.

use std::{
    fmt,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use mailwire_core::private::days_since_epoch;

use super::der::{
    EXPLICIT_0, EXPLICIT_3, GENERALIZED_TIME, OCTET_STRING, OID, SEQUENCE, UTC_TIME, any_element, element,
};

/// A certificate that a server shows: for whom it is, and how long it is valid.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateInfo {
    /// The names and addresses that the certificate is for, in lower case; names beyond ASCII in their A-labels
    /// (`xn--`). One can begin with `*.`.
    pub names: Vec<String>,
    /// The time before which it is not valid.
    pub not_before: SystemTime,
    /// The last second in which it is valid.
    pub not_after: SystemTime,
}

impl CertificateInfo {
    /// Whether the certificate is valid at this time.
    #[must_use]
    pub fn is_valid_at(&self, time: SystemTime) -> bool {
        let second = Duration::from_secs(1);
        self.not_before <= time && self.not_after.checked_add(second).is_none_or(|end| time < end)
    }

    /// Reads a certificate in DER; `None` if it is none.
    pub(super) fn of(certificate: &[u8]) -> Option<Self> {
        let (certificate, _) = element(certificate, SEQUENCE)?;
        let (mut rest, _) = element(certificate, SEQUENCE)?;
        // version [0] EXPLICIT is left out in version 1.
        if let Some((_, after)) = element(rest, EXPLICIT_0) {
            rest = after;
        }
        // serialNumber, signature, issuer.
        for _ in 0..3 {
            (_, _, rest) = any_element(rest)?;
        }
        let (validity, after) = element(rest, SEQUENCE)?;
        let (not_before, until) = time(validity)?;
        let (not_after, _) = time(until)?;
        let mut names = Vec::new();
        rest = after;
        while let Some((tag, contents, after)) = any_element(rest) {
            if tag == EXPLICIT_3 {
                names = alternative_names(contents).unwrap_or_default();
            }
            rest = after;
        }
        Some(Self { names, not_before, not_after })
    }
}

/// Shows the names, or that there are none.
impl fmt::Display for CertificateInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.names[..] {
            [] => f.write_str("a certificate without names"),
            names => write!(f, "the certificate for {}", names.join(", ")),
        }
    }
}

/// ```asn1
/// Extensions ::= SEQUENCE OF SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE,
///                                       extnValue OCTET STRING }
/// SubjectAltName ::= SEQUENCE OF CHOICE { ..., dNSName [2] IA5String, ..., iPAddress [7] OCTET STRING, ... }
/// ```
/// RFC 5280 sections 4.1 and 4.2.1.6.
fn alternative_names(extensions: &[u8]) -> Option<Vec<String>> {
    let (mut extensions, _) = element(extensions, SEQUENCE)?;
    while !extensions.is_empty() {
        let (extension, after) = element(extensions, SEQUENCE)?;
        extensions = after;
        let (oid, mut rest) = element(extension, OID)?;
        // 2.5.29.17
        if oid != [0x55, 0x1d, 0x11] {
            continue;
        }
        let (mut value, mut tag) = (rest, 0);
        while tag != OCTET_STRING {
            (tag, value, rest) = any_element(rest)?;
        }
        let (mut list, _) = element(value, SEQUENCE)?;
        let mut names = Vec::new();
        while let Some((tag, name, after)) = any_element(list) {
            match tag {
                0x82 => names.push(String::from_utf8_lossy(name).to_ascii_lowercase()),
                0x87 => names.extend(address(name).map(|address| address.to_string())),
                _ => {}
            }
            list = after;
        }
        return Some(names);
    }
    None
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// ```asn1
/// Time ::= CHOICE { utcTime UTCTime, generalTime GeneralizedTime }
/// ```
/// `YYMMDDHHMMSSZ` and `YYYYMMDDHHMMSSZ`: RFC 5280 section 4.1.2.5.
fn time(der: &[u8]) -> Option<(SystemTime, &[u8])> {
    let (tag, text, rest) = any_element(der)?;
    let digits = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let year_digits = match tag {
        UTC_TIME => 2,
        GENERALIZED_TIME => 4,
        _ => return None,
    };
    let (year, mut others) = digits.split_at_checked(year_digits)?;
    let mut year = year.parse::<u16>().ok()?;
    if tag == UTC_TIME {
        year = year.saturating_add(if year < 50 { 2000 } else { 1900 });
    }
    let mut parts = [0_u8; 5];
    for part in &mut parts {
        let (number, after) = others.split_at_checked(2)?;
        *part = number.parse().ok()?;
        others = after;
    }
    let [month, day, hour, minute, second] = parts;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = u64::try_from(days_since_epoch(year.into(), month, day)).ok()?;
    let of_day = (u64::from(hour) * 60 + u64::from(minute)) * 60 + u64::from(second);
    let seconds = days.checked_mul(86400)?.checked_add(of_day)?;
    Some((SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(tag: u8, text: &str) -> Option<u64> {
        let der = [&[tag, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        time(&der).map(|(time, _)| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn times_are_read() {
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", 0),
            (UTC_TIME, "000229235959Z", 951_868_799),
            (UTC_TIME, "491231235959Z", 2_524_607_999),
            (GENERALIZED_TIME, "20240301000000Z", 1_709_251_200),
            (GENERALIZED_TIME, "21000301000000Z", 4_107_542_400),
            (GENERALIZED_TIME, "99991231235959Z", 253_402_300_799),
        ] {
            assert_eq!(seconds(tag, text), Some(expected), "{text}");
        }
        for (tag, text) in [
            (UTC_TIME, "500101000000Z"),
            (UTC_TIME, "240101000000"),
            (UTC_TIME, "2401010000Z"),
            (GENERALIZED_TIME, "20241301000000Z"),
            (GENERALIZED_TIME, "20240100000000Z"),
            (SEQUENCE, "20240101000000Z"),
        ] {
            assert_eq!(seconds(tag, text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        assert_eq!(CertificateInfo::of(b""), None);
        assert_eq!(CertificateInfo::of(&[0x30, 0x80]), None);
        assert_eq!(CertificateInfo::of(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
