//! Transfer encodings: [RFC 2045 section 6](https://www.rfc-editor.org/rfc/rfc2045#section-6).

use alloc::vec::Vec;

use super::base64::Base64;
use crate::types::{ContentEncoding, hex};

/// Undoes a part's transfer encoding as its bytes come, however they are cut.
///
/// It is lenient: in base64, what is not of the alphabet is ignored; in quoted-printable, an `=` that begins nothing is
/// kept. It never gives more bytes than it took, and keeps less than 1100.
///
/// # Examples
///
/// ```
/// use mailwire_imap::{reading::TransferDecoder, types::ContentEncoding};
///
/// let mut decoder = TransferDecoder::new(&ContentEncoding::QuotedPrintable).unwrap();
/// let mut text = Vec::new();
/// for piece in ["caf=C", "3=A9 =\r", "\nau lait"] {
///     decoder.decode(piece.as_bytes(), &mut text);
/// }
/// decoder.finish(&mut text);
/// assert_eq!(text, "café au lait".as_bytes());
/// ```
#[derive(Debug, Clone)]
pub struct TransferDecoder(Encoding);

#[derive(Debug, Clone)]
enum Encoding {
    Identity,
    Base64(Base64),
    QuotedPrintable(QuotedPrintable),
}

impl TransferDecoder {
    /// Begins a part of this encoding. `None`: it is not known.
    #[must_use]
    pub fn new(encoding: &ContentEncoding) -> Option<Self> {
        Some(Self(match encoding {
            ContentEncoding::SevenBit | ContentEncoding::EightBit | ContentEncoding::Binary => {
                Encoding::Identity
            }
            ContentEncoding::Base64 => Encoding::Base64(Base64::default()),
            ContentEncoding::QuotedPrintable => Encoding::QuotedPrintable(QuotedPrintable::default()),
            ContentEncoding::Other(_) => return None,
        }))
    }

    /// Whether what it gives is what it takes.
    #[must_use]
    pub const fn is_identity(&self) -> bool {
        matches!(self.0, Encoding::Identity)
    }

    /// Appends to `out` what the next bytes decode to.
    pub fn decode(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match &mut self.0 {
            Encoding::Identity => out.extend_from_slice(bytes),
            Encoding::Base64(base64) => base64.decode(bytes, out),
            Encoding::QuotedPrintable(text) => text.decode(bytes, out),
        }
    }

    /// Ends the part: appends to `out` what waited for more.
    pub fn finish(self, out: &mut Vec<u8>) {
        match self.0 {
            Encoding::Base64(base64) => base64.finish(out),
            // Blanks, and an `=`, at the end of a line are none of the text.
            Encoding::QuotedPrintable(QuotedPrintable { state: State::Digit(high), .. }) => {
                out.extend_from_slice(&[b'=', high]);
            }
            Encoding::Identity | Encoding::QuotedPrintable(_) => {}
        }
    }
}

/// RFC 2045 section 6.7.
#[derive(Debug, Clone, Default)]
struct QuotedPrintable {
    state: State,
    /// Blanks that the end of the line may follow; then they are none of the text.
    blanks: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After `=`.
    Equals,
    /// After `=` and a digit.
    Digit(u8),
    /// After `=` and blanks: the line goes on in the next, if this is its end.
    Soft,
}

/// So many blanks can end a line; a line has 76 characters.
const BLANKS: usize = 1024;

impl QuotedPrintable {
    fn decode(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.state {
                State::Text => {
                    bytes = self.text(bytes, out);
                    continue;
                }
                State::Equals if hex(byte).is_some() => self.state = State::Digit(byte),
                State::Equals | State::Soft if byte == b'\n' => {
                    self.blanks.clear();
                    self.state = State::Text;
                }
                State::Equals | State::Soft if is_blank(byte) && self.blanks.len() < BLANKS => {
                    self.blanks.push(byte);
                    self.state = State::Soft;
                }
                State::Equals | State::Soft => {
                    // It began nothing.
                    out.push(b'=');
                    self.keep_blanks(out);
                    continue;
                }
                State::Digit(high) => {
                    self.state = State::Text;
                    match (hex(high), hex(byte)) {
                        (Some(high), Some(low)) => out.push(high << 4 | low),
                        _ => {
                            out.extend_from_slice(&[b'=', high]);
                            continue;
                        }
                    }
                }
            }
            bytes = rest;
        }
    }

    /// Takes text, blanks or a line end; gives what follows.
    fn text<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let special = |byte: &u8| *byte == b'=' || *byte == b'\n' || is_blank(*byte);
        let length = bytes.iter().position(special).unwrap_or(bytes.len());
        let (plain, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
        if !plain.is_empty() {
            self.keep_blanks(out);
            out.extend_from_slice(plain);
        }
        let Some((&byte, rest)) = rest.split_first() else { return rest };
        match byte {
            b'=' => {
                self.keep_blanks(out);
                self.state = State::Equals;
            }
            b'\n' => {
                let ends_in_crlf = self.blanks.last() == Some(&b'\r');
                self.blanks.clear();
                out.extend_from_slice(if ends_in_crlf { b"\r\n" } else { b"\n" });
            }
            blank => {
                if self.blanks.len() >= BLANKS {
                    self.keep_blanks(out);
                }
                self.blanks.push(blank);
            }
        }
        rest
    }

    /// More text follows the blanks.
    fn keep_blanks(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.blanks);
        self.state = State::Text;
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\x0c')
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn decoded(encoding: &ContentEncoding, bytes: &[u8], by: usize) -> Vec<u8> {
        let (mut decoder, mut out) = (TransferDecoder::new(encoding).unwrap(), Vec::new());
        for piece in bytes.chunks(by) {
            decoder.decode(piece, &mut out);
        }
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn however_it_is_cut() {
        let text = ContentEncoding::QuotedPrintable;
        for (encoding, body, expected) in [
            (&ContentEncoding::Base64, "aGVs\r\nbG8=\r\nxxxx", "hello"),
            (&ContentEncoding::Base64, "aGVs!bG8", "hello"),
            (&ContentEncoding::Base64, "", ""),
            (&text, "a=3Db=\r\nc  \r\n=4", "a=bc\r\n=4"),
            (&text, "=\n=zz=", "=zz"),
            (&text, "a \t= \r\nb=  c\r\n", "a \tb=  c\r\n"),
            (&text, "a\rb \r\r\nc \n d", "a\rb\r\nc\n d"),
            (&text, "==3D= =3d=\r=x", "=== ==\r=x"),
            (&ContentEncoding::EightBit, "a=3D \r\n", "a=3D \r\n"),
        ] {
            for by in 1..=body.len().max(1) {
                let decoded = decoded(encoding, body.as_bytes(), by);
                assert_eq!(String::from_utf8_lossy(&decoded), expected, "{body:?} by {by}");
            }
        }
        assert!(TransferDecoder::new(&ContentEncoding::Other("x-uuencode".try_into().unwrap())).is_none());
    }

    #[test]
    fn what_waits_has_an_end() {
        for start in ["", "="] {
            let mut decoder = QuotedPrintable::default();
            let mut out = Vec::new();
            decoder.decode(start.as_bytes(), &mut out);
            for _ in 0..100 {
                decoder.decode(&[b' '; 1000], &mut out);
                assert!(decoder.blanks.capacity() <= 2 * BLANKS);
            }
            assert!(out.len() >= 98_000);
        }
    }
}
