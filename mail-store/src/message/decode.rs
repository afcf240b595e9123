//! Transfer encodings and charsets.

use std::borrow::Cow;

use bytes::Bytes;
use mail_parser::decoders::{base64::base64_decode, charsets::map::charset_decoder};
use mailwire_imap::types::ContentEncoding;

use super::{envelope::string, words::Words};

/// The error of a content transfer encoding that is not known: `UNKNOWN-CTE`
/// ([RFC 3516 section 4.3](https://www.rfc-editor.org/rfc/rfc3516#section-4.3)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown content transfer encoding")]
pub struct UnknownEncoding;

/// What a Content-Transfer-Encoding field says ([RFC 2045 section 6.1](https://www.rfc-editor.org/rfc/rfc2045#section-6.1)),
/// read leniently: what comes after one that is known does not matter.
pub(super) fn encoding(value: Option<&Bytes>) -> ContentEncoding {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return ContentEncoding::SevenBit };
    let token = Words::new(value).token().unwrap_or_default();
    let is = |name: &str| token.eq_ignore_ascii_case(name.as_bytes());
    if is("7bit") {
        ContentEncoding::SevenBit
    } else if is("8bit") {
        ContentEncoding::EightBit
    } else if is("binary") {
        ContentEncoding::Binary
    } else if is("base64") {
        ContentEncoding::Base64
    } else if is("quoted-printable") {
        ContentEncoding::QuotedPrintable
    } else {
        ContentEncoding::Other(string(value.clone()))
    }
}

/// Undoes a transfer encoding. A slice of `body` where there is nothing to undo.
pub(super) fn transfer(body: &Bytes, field: Option<&Bytes>) -> Result<Bytes, UnknownEncoding> {
    match encoding(field) {
        ContentEncoding::SevenBit | ContentEncoding::EightBit | ContentEncoding::Binary => Ok(body.clone()),
        ContentEncoding::Base64 => Ok(base64(body).into()),
        ContentEncoding::QuotedPrintable => Ok(quoted_printable(body).into()),
        _ => Err(UnknownEncoding),
    }
}

/// RFC 2045 section 6.8: what is not of the alphabet is ignored, and padding ends it.
fn base64(body: &[u8]) -> Vec<u8> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let end = memchr::memchr(b'=', body).unwrap_or(body.len());
    let body = body.get(..end).unwrap_or(body);
    let clean: Cow<'_, [u8]> = if body.iter().all(|&byte| known(byte) || byte.is_ascii_whitespace()) {
        body.into()
    } else {
        body.iter().copied().filter(|&byte| known(byte)).collect()
    };
    base64_decode(&clean).unwrap_or_default()
}

/// RFC 2045 section 6.7. An `=` that begins nothing is kept.
fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let end = line.get(text.len()..).unwrap_or_default();
        // White space at the end of a line was added on the way.
        let mut text = text.trim_ascii_end();
        let soft = text.last() == Some(&b'=');
        if soft {
            text = text.get(..text.len() - 1).unwrap_or_default();
        }
        while let Some(equals) = memchr::memchr(b'=', text) {
            let (before, rest) = text.split_at(equals);
            out.extend_from_slice(before);
            let hex = |at: usize| rest.get(at).and_then(|&byte| char::from(byte).to_digit(16));
            match (hex(1), hex(2)) {
                (Some(high), Some(low)) => {
                    out.push(u8::try_from(high << 4 | low).unwrap_or_default());
                    text = rest.get(3..).unwrap_or_default();
                }
                _ => {
                    out.push(b'=');
                    text = rest.get(1..).unwrap_or_default();
                }
            }
        }
        out.extend_from_slice(text);
        if !soft {
            out.extend_from_slice(end);
        }
    }
    out
}

/// Bytes of a charset as text; without a name that is known, they are taken for UTF-8.
pub(super) fn charset<'a>(bytes: &'a [u8], name: Option<&[u8]>) -> Cow<'a, str> {
    let decoder = name
        .filter(|name| !name.eq_ignore_ascii_case(b"utf-8") && !name.eq_ignore_ascii_case(b"us-ascii"))
        .and_then(charset_decoder);
    match decoder {
        Some(decode) => decode(bytes).into(),
        None => String::from_utf8_lossy(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(body: &'static str, encoding: &str) -> Option<String> {
        let body = Bytes::from_static(body.as_bytes());
        let decoded = transfer(&body, Some(&Bytes::copy_from_slice(encoding.as_bytes()))).ok()?;
        Some(String::from_utf8_lossy(&decoded).into_owned())
    }

    #[test]
    fn transfer_encodings() {
        for (body, encoding, expected) in [
            ("x=3D", " 8BIT ", Some("x=3D")),
            ("aGVs\r\nbG8=\r\n", "Base64", Some("hello")),
            ("aGVs!bG8", "base64", Some("hello")),
            ("", "base64", Some("")),
            ("aGk=", "base64 (a comment)", Some("hi")),
            ("aGk=", "\"base64\";", Some("hi")),
            ("aGk=", "", Some("aGk=")),
            ("a=3Db", "quoted printable", None),
            ("a=3Db=\r\nc  \r\n=4", "quoted-printable", Some("a=bc\r\n=4")),
            ("=\n=zz=", "quoted-printable", Some("=zz")),
            ("x", "x-uuencode", None),
        ] {
            assert_eq!(decode(body, encoding).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn charsets() {
        assert_eq!(charset(b"J\xf6rg", Some(b"ISO-8859-1")), "J\u{f6}rg");
    }
}
