//! The address that settings are looked for.

use mailwire_core::{Invalid, grammar::percent_encode};

use crate::{InvalidValue, dns::host_name};

/// The most that an address may have, in bytes: [RFC 5321 section
/// 4.5.3.1](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1).
const MOST: usize = 64 + 1 + 255;

/// An address, taken apart.
#[derive(Debug)]
pub(super) struct Address<'a> {
    /// All of it, as it was given.
    pub(super) text: &'a str,
    pub(super) local: &'a str,
    /// The domain as it was given.
    domain_text: &'a str,
    /// The domain as DNS has it.
    pub(super) domain: String,
}

impl<'a> Address<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, InvalidValue> {
        let invalid = |at, reason| InvalidValue::new(Invalid::new("address", at, reason), text);
        if text.len() > MOST {
            return Err(invalid(MOST, "it is longer than addresses are"));
        }
        if let Some(at) = text.find(|letter: char| letter.is_control()) {
            return Err(invalid(at, "it has a control character"));
        }
        let (local, domain_text) =
            text.rsplit_once('@').ok_or_else(|| invalid(text.len(), "expected an @"))?;
        if local.is_empty() {
            return Err(invalid(0, "there is nothing before the @"));
        }
        let domain = host_name(domain_text)
            .ok_or_else(|| invalid(local.len().saturating_add(1), "no domain that DNS could know"))?;
        Ok(Self { text, local, domain_text, domain })
    }

    /// The address in a URL's query.
    pub(super) fn encoded(&self) -> String {
        let mut encoded = String::new();
        // A String takes all there is.
        let _ = percent_encode(&mut encoded, self.text.as_bytes(), is_unreserved);
        encoded
    }

    /// Fills in what a text leaves open
    /// ([draft-ietf-mailmaint-autoconfig](https://datatracker.ietf.org/doc/draft-ietf-mailmaint-autoconfig/), "Placeholders"),
    /// once: what stands in the address is not looked through again.
    pub(super) fn fill(&self, text: &str) -> String {
        let placeholders = [
            ("%EMAILADDRESS%", self.text),
            ("%EMAILLOCALPART%", self.local),
            ("%EMAILDOMAIN%", self.domain_text),
        ];
        let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
        while let Some((before, _)) = rest.split_once('%') {
            filled.push_str(before);
            rest = rest.get(before.len()..).unwrap_or_default();
            let known =
                placeholders.iter().find_map(|(name, value)| Some((rest.strip_prefix(name)?, *value)));
            let (after, value) = known.unwrap_or((rest.get(1..).unwrap_or_default(), "%"));
            filled.push_str(value);
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

/// ```text
/// unreserved = ALPHA / DIGIT / "-" / "." / "_" / "~"
/// ```
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let address = Address::parse("\"a@b\"@Example.ORG").unwrap();
        assert_eq!((address.local, address.domain.as_str()), ("\"a@b\"", "example.org"));
        assert_eq!(address.encoded(), "%22a%40b%22%40Example.ORG");
        for (text, at) in [
            ("anna", 4),
            ("@example.org", 0),
            ("anna@", 5),
            ("anna@localhost", 5),
            ("anna@[192.0.2.1]", 5),
            ("anna@192.0.2.1", 5),
            ("an\r\nna@example.org", 2),
            ("anna@example.org/x", 5),
        ] {
            assert_eq!(Address::parse(text).unwrap_err().invalid.offset, at, "{text:?}");
        }
        assert!(Address::parse(&format!("{}@example.org", "a".repeat(400))).is_err());
    }

    #[test]
    fn placeholders_are_filled_in_once() {
        let address = Address::parse("%EMAILDOMAIN%@example.org").unwrap();
        assert_eq!(address.fill("%EMAILLOCALPART%.%EMAILDOMAIN%%"), "%EMAILDOMAIN%.example.org%");
        assert_eq!(address.fill("%EMAILADDRESS% %x% %"), "%EMAILDOMAIN%@example.org %x% %");
    }
}
