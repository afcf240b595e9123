//! Domain names beyond ASCII.

use std::borrow::Cow;

use mailwire_core::Invalid;

use crate::InvalidValue;

/// Returns a domain in the form that DNS, certificates and servers without SMTPUTF8 know: in ASCII, its labels beyond
/// that as A-labels ([RFC 5890 section 2.3.2.1](https://www.rfc-editor.org/rfc/rfc5890#section-2.3.2.1)). One that is in
/// ASCII already, or is an IP address, is returned as it is.
///
/// Letters become what is registered for them, as browsers have it ([UTS 46](https://www.unicode.org/reports/tr46/)):
/// small ones, full stops of other scripts are dots. An [`Endpoint`](crate::Endpoint) does that by itself.
///
/// # Errors
///
/// A label cannot be one of a domain, or would be longer than 63 bytes: it stands in the error, and its place in the
/// domain. Or the feature `idn` is off.
///
/// # Examples
///
/// ```
/// use mailwire_transport::domain_to_ascii;
///
/// # #[cfg(feature = "idn")]
/// assert_eq!(domain_to_ascii("mail.bücher.example")?, "mail.xn--bcher-kva.example");
/// assert_eq!(domain_to_ascii("mail.example.org")?, "mail.example.org");
/// # Ok::<(), mailwire_transport::InvalidValue>(())
/// ```
pub fn domain_to_ascii(domain: &str) -> Result<Cow<'_, str>, InvalidValue> {
    if domain.is_ascii() {
        return Ok(Cow::Borrowed(domain));
    }
    convert(domain)
}

#[cfg(not(feature = "idn"))]
fn convert(domain: &str) -> Result<Cow<'_, str>, InvalidValue> {
    let at = domain.bytes().position(|byte| !byte.is_ascii()).unwrap_or(0);
    let reason = "it is not in ASCII, and the feature `idn` is off";
    Err(InvalidValue::new(Invalid::new("domain", at, reason), domain))
}

#[cfg(feature = "idn")]
fn convert(domain: &str) -> Result<Cow<'_, str>, InvalidValue> {
    ascii(domain, DnsLength::VerifyAllowRootDot).map_err(|_| culprit(domain))
}

#[cfg(feature = "idn")]
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

/// Letters, digits, hyphens, and underscores, which hosts have.
#[cfg(feature = "idn")]
const DENIED: AsciiDenyList = AsciiDenyList::new(true, "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~");

#[cfg(feature = "idn")]
fn ascii(domain: &str, length: DnsLength) -> Result<Cow<'_, str>, idna::Errors> {
    Uts46::new().to_ascii(domain.as_bytes(), DENIED, Hyphens::CheckFirstLast, length)
}

/// The label for which a domain has no form in ASCII.
#[cfg(feature = "idn")]
fn culprit(domain: &str) -> InvalidValue {
    /// What UTS 46 takes for dots.
    const DOTS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];
    let invalid =
        |offset, reason, value| InvalidValue::new(Invalid::new("label of a domain", offset, reason), value);
    let mut offset = 0;
    for label in domain.split_inclusive(DOTS) {
        let bare = label.strip_suffix(DOTS).unwrap_or(label);
        match ascii(bare, DnsLength::Ignore) {
            Err(_) => return invalid(offset, "no domain can have it", bare),
            Ok(ascii) if ascii.is_empty() => return invalid(offset, "it is empty", bare),
            Ok(ascii) if ascii.len() > 63 => return invalid(offset, "it is longer than 63 bytes", bare),
            Ok(_) => offset = offset.saturating_add(label.len()),
        }
    }
    // Each for itself is one: they are too many, or of scripts that run in different directions.
    InvalidValue::new(Invalid::new("domain", 0, "its labels do not go together"), domain)
}

#[cfg(all(test, feature = "idn"))]
mod tests {
    use super::*;

    #[test]
    fn labels_beyond_ascii_become_a_labels() {
        for (domain, ascii) in [
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.Example.", "xn--bcher-kva.example."),
            ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
            ("straße.example", "xn--strae-oqa.example"),
            ("mail。例え．jp", "mail.xn--r8jz45g.jp"),
            ("_imaps._tcp.bücher.example", "_imaps._tcp.xn--bcher-kva.example"),
        ] {
            assert_eq!(domain_to_ascii(domain).unwrap(), ascii, "{domain}");
        }
    }

    #[test]
    fn what_is_ascii_stays_as_it_is() {
        for host in ["Mail.Example.org", "a_b", "::1", "192.0.2.1", "xn--bcher-kva.example", "", "..", "-x-"]
        {
            assert!(matches!(domain_to_ascii(host), Ok(Cow::Borrowed(it)) if it == host), "{host}");
        }
    }

    #[test]
    fn errors_name_the_label() {
        let long = format!("mail.{}.example", "ü".repeat(60));
        for (domain, offset, label, reason) in [
            ("mail.bü cher.example", 5, "bü cher", "no domain can have it"),
            ("bücher..example", 8, "", "it is empty"),
            ("bücher.xn--u-.example", 8, "xn--u-", "no domain can have it"),
            ("bücher.-ü.example", 8, "-ü", "no domain can have it"),
            ("ü/etc", 0, "ü/etc", "no domain can have it"),
            (&long, 5, &"ü".repeat(60), "it is longer than 63 bytes"),
        ] {
            let error = domain_to_ascii(domain).unwrap_err();
            assert_eq!(error, InvalidValue::new(Invalid::new("label of a domain", offset, reason), label));
        }
        let error = domain_to_ascii("mail.bü cher.example").unwrap_err().to_string();
        assert_eq!(error, "\"bü cher\" is not a valid label of a domain: no domain can have it (at byte 5)");
        let many = "ü.".repeat(60) + "example";
        assert_eq!(domain_to_ascii(&many).unwrap_err().invalid.reason, "its labels do not go together");
    }
}
