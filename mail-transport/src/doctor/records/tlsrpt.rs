//! Where reports about TLS go: [RFC 8460 section 3](https://www.rfc-editor.org/rfc/rfc8460#section-3).

use mailwire_core::{
    ParseError,
    grammar::{Expected, Grammar, byte, expected, run_all},
};
use nom::{
    Err, IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_while_m_n, take_while1},
    combinator::opt,
    multi::{fold_many0, separated_list1},
    sequence::{preceded, separated_pair, terminated},
};

use super::{dmarc::uri, tags::within_bounds};

/// Where a domain wants reports about the TLS of those who deliver to it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsRpt {
    /// The places: URIs of `mailto:` or `https:`.
    pub places: Vec<String>,
}

impl TlsRpt {
    /// Reads a record. Unknown fields mean nothing.
    ///
    /// # Errors
    ///
    /// It is none; with the place and the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_transport::doctor::records::TlsRpt;
    ///
    /// let record = TlsRpt::parse(b"v=TLSRPTv1; rua=mailto:tls@example.org,https://example.org/tls")?;
    /// assert_eq!(record.places.len(), 2);
    /// # Ok::<(), mailwire_core::ParseError>(())
    /// ```
    pub fn parse(record: &[u8]) -> Result<Self, ParseError> {
        within_bounds(record)?;
        let places = run_all(record, tlsrpt_record())?;
        match places.is_empty() {
            true => Err(ParseError::new(record.len(), "there is no place: rua=")),
            false => Ok(Self { places }),
        }
    }

    /// Whether a text is meant to be such a record.
    pub(super) fn is_one(text: &[u8]) -> bool {
        text.strip_prefix(b"v=TLSRPTv1")
            .is_some_and(|rest| rest.first().is_none_or(|byte| matches!(byte, b';' | b' ' | b'\t')))
    }
}

/// ```text
/// tlsrpt-record     = tlsrpt-version 1*(field-delim tlsrpt-field)
///                     [field-delim]
/// field-delim       = *WSP ";" *WSP
/// tlsrpt-field      = tlsrpt-rua / tlsrpt-extension
/// tlsrpt-version    = %s"v=TLSRPTv1"
/// ```
fn tlsrpt_record<'a>() -> impl Grammar<'a, Vec<String>> {
    let version = expected("expected v=TLSRPTv1", tag(&b"v=TLSRPTv1"[..]));
    let field = || preceded(delimiter, alt((rua, extension)));
    let fields = move |input: &'a [u8]| {
        let (rest, first) = field().parse_complete(input)?;
        let with = |mut all: Vec<String>, some| {
            all.extend(some);
            all
        };
        fold_many0(field(), || first.clone(), with).parse_complete(rest)
    };
    terminated(preceded(version, fields), opt(delimiter))
}

fn delimiter(input: &[u8]) -> IResult<&[u8], (), Expected<'_>> {
    let (rest, _) = wsp(input)?;
    let (rest, ()) = byte(b';', "expected ;").parse_complete(rest)?;
    wsp(rest)
}

fn wsp(input: &[u8]) -> IResult<&[u8], (), Expected<'_>> {
    nom::bytes::complete::take_while(|byte: u8| matches!(byte, b' ' | b'\t')).map(drop).parse_complete(input)
}

/// ```text
/// tlsrpt-rua = %s"rua="
///              tlsrpt-uri *(*WSP "," *WSP tlsrpt-uri)
/// ```
fn rua(input: &[u8]) -> IResult<&[u8], Vec<String>, Expected<'_>> {
    let (rest, _) = expected("expected a field", tag(&b"rua="[..])).parse_complete(input)?;
    let comma = (wsp, byte(b',', "expected ,"), wsp);
    // What begins as this field is no other.
    separated_list1(comma, uri()).parse_complete(rest).map_err(|error| match error {
        Err::Error(error) => Err::Failure(error),
        error => error,
    })
}

/// ```text
/// tlsrpt-extension  = tlsrpt-ext-name "=" tlsrpt-ext-value
/// tlsrpt-ext-name   = (ALPHA / DIGIT) *31(ALPHA /
///                     DIGIT / "_" / "-" / ".")
/// tlsrpt-ext-value  = 1*(%x21-3A / %x3C / %x3E-7E)
/// ```
fn extension(input: &[u8]) -> IResult<&[u8], Vec<String>, Expected<'_>> {
    let name = (
        take_while_m_n(1, 1, |byte: u8| byte.is_ascii_alphanumeric()),
        take_while_m_n(0, 31, |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')),
    );
    let value = take_while1(|byte: u8| matches!(byte, b'!'..=b':' | b'<' | b'>'..=b'~'));
    let field = separated_pair(
        expected("expected a field", name),
        byte(b'=', "expected ="),
        expected("expected a value", value),
    );
    field.map(|_| Vec::new()).parse_complete(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read() {
        for (record, places) in [
            ("v=TLSRPTv1;rua=mailto:reports@example.com", vec!["mailto:reports@example.com"]),
            (
                "v=TLSRPTv1; rua=https://a.example/v1 , mailto:b@c ; x.y=z;",
                vec!["https://a.example/v1", "mailto:b@c"],
            ),
        ] {
            assert_eq!(TlsRpt::parse(record.as_bytes()).unwrap().places, places);
        }
        assert!(TlsRpt::is_one(b"v=TLSRPTv1;") && !TlsRpt::is_one(b"v=TLSRPTv10;"));
    }

    #[test]
    fn records_that_are_none() {
        for (record, offset) in [
            ("", 0),
            ("v=tlsrptv1; rua=mailto:a@b", 0),
            ("v=TLSRPTv1", 10),
            ("v=TLSRPTv1 rua=mailto:a@b", 11),
            ("v=TLSRPTv1; rua=a@b", 16),
            ("v=TLSRPTv1; rua=mailto:", 23),
            ("v=TLSRPTv1; x=y", 15),
            ("v=TLSRPTv1; rua=mailto:a@b x", 26),
        ] {
            assert_eq!(TlsRpt::parse(record.as_bytes()).unwrap_err().offset, offset, "{record}");
        }
    }
}
