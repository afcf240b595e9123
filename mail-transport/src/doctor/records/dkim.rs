//! Keys of DKIM: [RFC 6376 section 3.6.1](https://www.rfc-editor.org/rfc/rfc6376#section-3.6.1).

use mailwire_core::{
    ParseError,
    grammar::{Expected, Grammar, byte, expected},
    private::base64_value,
};
use nom::{
    Err, IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_while, take_while_m_n},
    combinator::{opt, recognize, verify},
    multi::fold_many0,
    sequence::{pair, preceded},
};

use super::tags::{Tag, fws, tags, with_colons};
use crate::tls::der::{BIT_STRING, INTEGER, SEQUENCE, element};

/// The key of a selector, by which signatures of a domain are verified.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DkimKey {
    /// The kind of the key: `rsa` or `ed25519`, or one that is not known here.
    pub kind: String,
    /// The key as it is in the record; `None` where it is revoked.
    pub key: Option<Vec<u8>>,
    /// The hashes that signatures may have; any, where there are none.
    pub hashes: Vec<String>,
    /// For what the key is: `*` is all, `email` is mail.
    pub services: Vec<String>,
    /// `y`: the domain is only testing; `s`: no subdomain signs with it.
    pub flags: Vec<String>,
}

impl DkimKey {
    /// Reads a record. Unknown tags mean nothing.
    ///
    /// # Errors
    ///
    /// It is not a key of DKIM; with the place and the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_transport::doctor::records::DkimKey;
    ///
    /// let key = DkimKey::parse(b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")?;
    /// assert_eq!((key.kind.as_str(), key.bits()), ("ed25519", Some(256)));
    /// # Ok::<(), mailwire_core::ParseError>(())
    /// ```
    pub fn parse(record: &[u8]) -> Result<Self, ParseError> {
        let tags = tags(record)?;
        let mut read = Self {
            kind: "rsa".to_owned(),
            key: None,
            hashes: Vec::new(),
            services: vec!["*".to_owned()],
            flags: Vec::new(),
        };
        let mut has_key = false;
        for (index, tag) in tags.iter().enumerate() {
            match tag.name {
                "v" if index > 0 => return Err(ParseError::new(tag.at, "the version is not the first tag")),
                "v" => tag.read(version())?,
                "k" => read.kind = tag.read(hyphenated_word())?,
                "h" => read.hashes = tag.read(with_colons(hyphenated_word()))?,
                "s" => read.services = tag.read(with_colons(alt((star(), hyphenated_word()))))?,
                "t" if tag.value.is_empty() => {}
                "t" => read.flags = tag.read(with_colons(hyphenated_word()))?,
                "p" => {
                    has_key = true;
                    read.key = tag.read(key())?;
                }
                _ => {}
            }
        }
        if !has_key {
            return Err(ParseError::new(record.len(), "there is no key: p="));
        }
        read.is_key(&tags)?;
        Ok(read)
    }

    /// The length of the key in bits; `None` where it is revoked or of a kind that is not known here.
    #[must_use]
    pub fn bits(&self) -> Option<usize> {
        let key = self.key.as_deref()?;
        match self.kind.as_str() {
            "rsa" => rsa_bits(key),
            "ed25519" => Some(key.len().saturating_mul(8)),
            _ => None,
        }
    }

    /// Whether the domain says that it is only testing.
    #[must_use]
    pub fn is_testing(&self) -> bool {
        self.flags.iter().any(|flag| flag == "y")
    }

    /// Whether the key is for mail.
    #[must_use]
    pub fn is_for_mail(&self) -> bool {
        self.services.iter().any(|service| service == "*" || service == "email")
    }

    fn is_key(&self, tags: &[Tag<'_>]) -> Result<(), ParseError> {
        let is_one = match (self.kind.as_str(), &self.key) {
            ("rsa", Some(key)) => rsa_bits(key).is_some(),
            ("ed25519", Some(key)) => key.len() == 32,
            _ => true,
        };
        let at = || tags.iter().find(|tag| tag.name == "p").map_or(0, |tag| tag.at);
        if is_one { Ok(()) } else { Err(ParseError::new(at(), "not a key of this kind")) }
    }
}

/// ```text
/// key-v-tag = %x76 [FWS] "=" [FWS] %x44.4B.49.4D.31
/// ```
fn version<'a>() -> impl Grammar<'a, ()> {
    expected("expected DKIM1", tag(&b"DKIM1"[..]).map(drop))
}

fn star<'a>() -> impl Grammar<'a, String> {
    byte(b'*', "expected * or a word").map(|()| "*".to_owned())
}

/// ```text
/// hyphenated-word = ALPHA [ *(ALPHA / DIGIT / "-") (ALPHA / DIGIT) ]
/// ```
fn hyphenated_word<'a>() -> impl Grammar<'a, String> {
    let word = recognize((
        take_while_m_n(1, 1, |byte: u8| byte.is_ascii_alphabetic()),
        take_while(|byte: u8| byte.is_ascii_alphanumeric() || byte == b'-'),
    ));
    let word = verify(word, |word: &[u8]| !word.ends_with(b"-"));
    expected("expected a word", word).map(|word| String::from_utf8_lossy(word).to_ascii_lowercase())
}

/// ```text
/// key-p-tag     =  %x70 [FWS] "=" [ [FWS] base64string]
/// base64string  =  ALPHADIGITPS *([FWS] ALPHADIGITPS)
///                  [ [FWS] "=" [ [FWS] "=" ] ]
/// ```
/// `None` for none, which revokes the key.
fn key<'a>() -> impl Grammar<'a, Option<Vec<u8>>> {
    |input: &'a [u8]| {
        let (rest, (bytes, _, letters)) =
            fold_many0(preceded(fws, letter), || (Vec::new(), 0_u32, 0_usize), add).parse_complete(input)?;
        let equals = || preceded(fws, byte(b'=', "expected ="));
        let (rest, pad) = opt(pair(equals(), opt(equals()))).parse_complete(rest)?;
        // White space can be in it, and the padding be left out.
        let is_whole = matches!(
            (letters % 4, pad),
            (0 | 2 | 3, None) | (3, Some(((), None))) | (2, Some(((), Some(()))))
        );
        if !is_whole {
            return Err(Err::Error(Expected { rest, reason: "base64 that is cut off" }));
        }
        Ok((rest, (letters > 0).then_some(bytes)))
    }
}

fn letter(input: &[u8]) -> IResult<&[u8], u8, Expected<'_>> {
    match input.split_first() {
        Some((&letter, rest)) => match base64_value(letter) {
            Some(value) => Ok((rest, value)),
            None => Err(Err::Error(Expected { rest: input, reason: "not base64" })),
        },
        None => Err(Err::Error(Expected { rest: input, reason: "expected base64" })),
    }
}

/// Adds six bits to what there is.
fn add((mut bytes, bits, letters): (Vec<u8>, u32, usize), value: u8) -> (Vec<u8>, u32, usize) {
    let bits = (bits << 6 | u32::from(value)) & 0xfff;
    // Every letter but the first of four ends a byte.
    let byte = match letters % 4 {
        0 => None,
        1 => Some(bits >> 4),
        2 => Some(bits >> 2),
        _ => Some(bits),
    };
    bytes.extend(byte.map(|byte| (byte & 0xff) as u8));
    (bytes, bits, letters.saturating_add(1))
}

/// The bits of the modulus of a key, as it is in X.509, or alone, as RFC 6376 says it.
///
/// ```asn1
/// SubjectPublicKeyInfo ::= SEQUENCE { algorithm SEQUENCE, subjectPublicKey BIT STRING }
/// RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }
/// ```
fn rsa_bits(der: &[u8]) -> Option<usize> {
    let (contents, _) = element(der, SEQUENCE)?;
    let key = match element(contents, SEQUENCE) {
        None => contents,
        Some((_, rest)) => {
            let (bits, _) = element(rest, BIT_STRING)?;
            // The first byte says how many bits are unused.
            element(bits.get(1..)?, SEQUENCE)?.0
        }
    };
    let (modulus, rest) = element(key, INTEGER)?;
    element(rest, INTEGER)?;
    let start = modulus.iter().position(|&byte| byte != 0)?;
    let first = modulus.get(start)?;
    let bytes = modulus.len().saturating_sub(start);
    Some(bytes.saturating_mul(8).saturating_sub(first.leading_zeros() as usize))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const KEY_512: &str = "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALzOiCjrOZyGuHLFiUzCMLfxm5dlLOmRPU1fdxp6MGgoyCnpdWLYZLh/uhH5GAsh\
                               0uu4YCzcHhMj4fBWJW8XWYkCAwEAAQ==";

    #[test]
    fn keys_are_read() {
        let key = DkimKey::parse(format!("v=DKIM1; k=rsa; t=y:s; s=email; h=sha256; p={KEY_512}").as_bytes());
        let key = key.unwrap();
        assert_eq!((key.kind.as_str(), key.bits()), ("rsa", Some(512)));
        assert!(key.is_testing() && key.is_for_mail() && key.hashes == ["sha256"]);
        // In pieces, with white space, without v, k and padding.
        let pieces = KEY_512.replace("AA", "A A").replace('=', "");
        assert_eq!(DkimKey::parse(format!("p={pieces};").as_bytes()).unwrap().bits(), Some(512));
        let revoked = DkimKey::parse(b"v=DKIM1; p=").unwrap();
        assert_eq!((revoked.key.as_deref(), revoked.bits(), revoked.is_for_mail()), (None, None, true));
        assert!(!DkimKey::parse(b"s=tlsrpt:x; p=").unwrap().is_for_mail());
        let unknown = DkimKey::parse(b"k=x-new; p=AAAA; z=1").unwrap();
        assert_eq!((unknown.key.as_deref(), unknown.bits()), (Some(&[0, 0, 0][..]), None));
    }

    #[test]
    fn keys_that_are_none() {
        for (record, offset, reason) in [
            ("", 0, "expected the name of a tag"),
            ("v=DKIM1; k=rsa", 14, "there is no key: p="),
            ("v=DKIM2; p=", 2, "expected DKIM1"),
            ("v=DKIM1.0; p=", 7, "expected the end"),
            ("p=; v=DKIM1", 6, "the version is not the first tag"),
            ("k=; p=", 2, "expected a word"),
            ("k=rsa-; p=", 2, "expected a word"),
            ("h=sha256:; p=", 8, "expected the end"),
            ("p=AA!A", 4, "expected the end"),
            ("p=AAAAA", 7, "base64 that is cut off"),
            ("p=AAA==", 7, "base64 that is cut off"),
            ("p=AAAA", 2, "not a key of this kind"),
            ("k=ed25519; p=AAAA", 13, "not a key of this kind"),
        ] {
            assert_eq!(DkimKey::parse(record.as_bytes()), Err(ParseError::new(offset, reason)), "{record}");
        }
    }
}
