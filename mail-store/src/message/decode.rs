//! Transfer encodings and charsets.

use std::borrow::Cow;

use bytes::Bytes;
use mail_parser::decoders::charsets::map::charset_decoder;
use mailwire_core::{Text, private::base64_value};
use mailwire_imap::types::{ContentEncoding, ImapString};

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
    let token = Words::new(value).token().and_then(|token| ImapString::new(Text::from(token)).ok());
    match token.map(ContentEncoding::from) {
        None | Some(ContentEncoding::Other(_)) => ContentEncoding::Other(string(value.clone())),
        Some(known) => known,
    }
}

/// Undoes a transfer encoding piece by piece.
#[derive(Debug, Clone)]
pub(super) struct Decoder {
    body: Bytes,
    at: usize,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    /// The bits that make no byte yet, and how many letters they came from.
    Base64 { bits: u32, letters: u8 },
    /// The line that was begun.
    QuotedPrintable(Option<Line>),
}

/// A line of quoted-printable. White space at its end was added on the way.
#[derive(Debug, Clone, Copy)]
struct Line {
    /// Where its text ends.
    text: usize,
    /// What stands between here and the next line is its line end.
    break_from: usize,
    next: usize,
}

impl Decoder {
    /// A decoder of `body`, of which `field` says how it is encoded; `None` if there is nothing to undo.
    pub(super) fn new(body: &Bytes, field: Option<&Bytes>) -> Result<Option<Self>, UnknownEncoding> {
        let state = match encoding(field) {
            ContentEncoding::SevenBit | ContentEncoding::EightBit | ContentEncoding::Binary => {
                return Ok(None);
            }
            ContentEncoding::Base64 => State::Base64 { bits: 0, letters: 0 },
            ContentEncoding::QuotedPrintable => State::QuotedPrintable(None),
            _ => return Err(UnknownEncoding),
        };
        Ok(Some(Self { body: body.clone(), at: 0, state }))
    }

    /// All that it decodes to.
    pub(super) fn whole(mut self) -> Bytes {
        let mut out = Vec::with_capacity(self.body.len());
        while self.next(&mut out, usize::MAX) {}
        out.into()
    }

    /// How many bytes there are before decoding.
    pub(super) fn encoded_len(&self) -> usize {
        self.body.len()
    }

    /// Appends the next bytes, of about `most` encoded ones. Whether there may be more.
    pub(super) fn next(&mut self, out: &mut Vec<u8>, most: usize) -> bool {
        let end = self.at.saturating_add(most).min(self.body.len());
        match &mut self.state {
            State::Base64 { bits, letters } => {
                let part = self.body.get(self.at..end).unwrap_or_default();
                self.at = end;
                if !base64(part, bits, letters, out) {
                    self.at = self.body.len();
                }
            }
            State::QuotedPrintable(line) => {
                while self.at < end {
                    self.at = quoted_printable(&self.body, self.at, end, line, out);
                }
            }
        }
        if self.at < self.body.len() {
            return true;
        }
        if let State::Base64 { bits, letters } = &mut self.state {
            // Two letters are one byte, three are two.
            let bytes = (*bits << (6 * (4 - u32::from(*letters)))).to_be_bytes();
            let count = usize::from(std::mem::take(letters).saturating_sub(1));
            out.extend(bytes.iter().skip(1).take(count));
        }
        false
    }
}

/// RFC 2045 section 6.8: what is not of the alphabet is ignored, and padding ends it. Whether it goes on.
fn base64(part: &[u8], bits: &mut u32, letters: &mut u8, out: &mut Vec<u8>) -> bool {
    for &byte in part {
        let Some(value) = base64_value(byte) else { if byte == b'=' { return false } else { continue } };
        *bits = *bits << 6 | u32::from(value);
        *letters += 1;
        if *letters == 4 {
            let [_, bytes @ ..] = bits.to_be_bytes();
            out.extend_from_slice(&bytes);
            (*bits, *letters) = (0, 0);
        }
    }
    true
}

/// RFC 2045 section 6.7. An `=` that begins nothing is kept. Decodes from `at` to `end` or the end of the line,
/// and gives the place that it came to.
fn quoted_printable(
    body: &[u8],
    at: usize,
    end: usize,
    begun: &mut Option<Line>,
    out: &mut Vec<u8>,
) -> usize {
    let line = *begun.get_or_insert_with(|| line_of(body, at));
    let text = body.get(at..line.text).unwrap_or_default();
    let Some((&first, rest)) = text.split_first() else {
        out.extend_from_slice(body.get(line.break_from..line.next).unwrap_or_default());
        *begun = None;
        return line.next;
    };
    if first == b'=' {
        let hex = |at: usize| rest.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        if let (Some(high), Some(low)) = (hex(0), hex(1)) {
            out.push(u8::try_from(high << 4 | low).unwrap_or_default());
            return at + 3;
        }
    }
    let most = text.len().min(end.saturating_sub(at).max(1));
    let plain = rest.get(..most - 1).unwrap_or_default();
    let length = 1 + memchr::memchr(b'=', plain).unwrap_or(plain.len());
    out.extend_from_slice(text.get(..length).unwrap_or_default());
    at + length
}

fn line_of(body: &[u8], start: usize) -> Line {
    let rest = body.get(start..).unwrap_or_default();
    let line = memchr::memchr(b'\n', rest).map_or(rest, |newline| rest.split_at(newline + 1).0);
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let next = start + line.len();
    let trimmed = text.trim_ascii_end();
    match trimmed.strip_suffix(b"=") {
        // The line goes on in the next.
        Some(soft) => Line { text: start + soft.len(), break_from: next, next },
        None => Line { text: start + trimmed.len(), break_from: start + text.len(), next },
    }
}

/// Bytes of a charset as text; without a name that is known, they are taken for UTF-8.
pub(super) fn charset<'a>(bytes: &'a [u8], name: Option<&[u8]>) -> Cow<'a, str> {
    match name.and_then(decoder_of) {
        Some(decode) => decode(bytes).into(),
        None => String::from_utf8_lossy(bytes),
    }
}

/// Whether a charset is known here, and another one than UTF-8.
pub(super) fn is_known(name: &[u8]) -> bool {
    decoder_of(name).is_some()
}

fn decoder_of(name: &[u8]) -> Option<fn(&[u8]) -> String> {
    if name.eq_ignore_ascii_case(b"utf-8") || name.eq_ignore_ascii_case(b"us-ascii") {
        return None;
    }
    charset_decoder(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(body: &Bytes, field: Option<&Bytes>) -> Result<Bytes, UnknownEncoding> {
        Ok(Decoder::new(body, field)?.map_or_else(|| body.clone(), Decoder::whole))
    }

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

    /// However it is cut, and as mail-parser decodes base64.
    #[test]
    fn pieces_are_the_whole() {
        let body = Bytes::from_static(
            b"YW=\r\nA=C3=BC \t \r\n=3D=\n a==4 \rb\r\n \n= =\r\n=E2=82=AC\0c= \r\nQUJD\r\nRA",
        );
        for from in 0..body.len() {
            for encoding in ["base64", "quoted-printable"] {
                let (body, field) = (body.slice(from..), Bytes::from_static(encoding.as_bytes()));
                let whole = transfer(&body, Some(&field)).unwrap();
                for most in 1..9 {
                    let mut decoder = Decoder::new(&body, Some(&field)).unwrap().unwrap();
                    let mut out = Vec::new();
                    while decoder.next(&mut out, most) {}
                    assert_eq!(out, whole, "{encoding} from {from} by {most}");
                }
            }
        }
        for text in ["QQ", "QUI", "QUJD", "QUJDRA", "QUJDREU"] {
            let field = Bytes::from_static(b"base64");
            let decoded = transfer(&Bytes::from_static(text.as_bytes()), Some(&field)).unwrap();
            assert_eq!(decoded, mail_parser::decoders::base64::base64_decode(text.as_bytes()).unwrap());
        }
    }

    #[test]
    fn charsets() {
        assert_eq!(charset(b"J\xf6rg", Some(b"ISO-8859-1")), "J\u{f6}rg");
    }
}
