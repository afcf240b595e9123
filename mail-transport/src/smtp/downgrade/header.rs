//! What the header of a part says about its body, and how another encoding is said.

use std::ops::Range;

use super::super::signed::SIGNATURES;

/// What a part of a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Parts between lines with this boundary; `digest` if they are messages by default.
    Multipart { boundary: Vec<u8>, digest: bool, signed: bool },
    /// A message with a header of its own.
    Message,
    /// Anything that can be encoded; `text` if it has lines.
    Leaf { text: bool },
    /// Something in parts that cannot be encoded, nor looked into.
    Opaque,
}

/// What a field Content-Transfer-Encoding says ([RFC 2045 section
/// 6](https://www.rfc-editor.org/rfc/rfc2045#section-6)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    SevenBit,
    EightBit,
    Binary,
    QuotedPrintable,
    Base64,
    Other,
}

impl Encoding {
    const NAMES: [(&'static str, Self); 5] = [
        ("7bit", Self::SevenBit),
        ("8bit", Self::EightBit),
        ("binary", Self::Binary),
        ("quoted-printable", Self::QuotedPrintable),
        ("base64", Self::Base64),
    ];

    fn of(value: &[u8]) -> Self {
        let word = words(value).next().unwrap_or_default();
        let known = Self::NAMES.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        known.map_or(Self::Other, |(_, encoding)| *encoding)
    }

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, encoding)| *encoding == self).map_or("7bit", |(name, _)| name)
    }
}

/// A header, as far as it is about the body.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) encoding: Encoding,
    /// There is a Content-Type, and it says the charset or needs none.
    pub(super) typed: bool,
    /// There is a signature of the whole message.
    pub(super) signed: bool,
    /// The byte beyond ASCII, if there is one.
    pub(super) beyond_ascii: Option<usize>,
    mime_version: bool,
    /// The fields Content-Transfer-Encoding, and Content-Type where it does not say the charset of a plain text.
    encoding_fields: Vec<Range<usize>>,
    type_fields: Vec<Range<usize>>,
}

impl Header {
    /// Reads the fields of a header without the empty line after it. `message` says that it is one of a digest, whose parts
    /// are messages if they do not say something else.
    pub(super) fn read(block: &[u8], message: bool) -> Self {
        let mut header = Self {
            kind: if message { Kind::Message } else { Kind::Leaf { text: true } },
            encoding: Encoding::SevenBit,
            typed: message,
            signed: false,
            beyond_ascii: block.iter().position(|byte| !byte.is_ascii()),
            mime_version: false,
            encoding_fields: Vec::new(),
            type_fields: Vec::new(),
        };
        for range in fields(block) {
            let field = block.get(range.clone()).unwrap_or_default();
            let Some(colon) = memchr::memchr(b':', field) else { continue };
            let (name, value) = field.split_at_checked(colon).unwrap_or_default();
            let value = value.get(1..).unwrap_or_default();
            let is = |known: &str| name.trim_ascii_end().eq_ignore_ascii_case(known.as_bytes());
            if is("Content-Transfer-Encoding") {
                if header.encoding_fields.is_empty() {
                    header.encoding = Encoding::of(value);
                }
                header.encoding_fields.push(range);
            } else if is("Content-Type") && header.type_fields.is_empty() {
                header.read_type(value);
                header.type_fields.push(range);
            } else if is("MIME-Version") {
                header.mime_version = true;
            } else if SIGNATURES.into_iter().any(is) {
                header.signed = true;
            }
        }
        header
    }

    fn read_type(&mut self, value: &[u8]) {
        let mut words = words(value);
        let full = words.next().unwrap_or_default().to_ascii_lowercase();
        let (main, sub) = match full.iter().position(|byte| *byte == b'/') {
            Some(at) => {
                (full.get(..at).unwrap_or_default(), full.get(at.saturating_add(1)..).unwrap_or_default())
            }
            None => (&full[..], &[][..]),
        };
        let parameter = |name: &str| {
            parameters(value)
                .find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
                .map(|(_, value)| value)
        };
        self.typed = main != b"text" || parameter("charset").is_some();
        self.kind = match (main, sub) {
            (b"multipart", sub) => match parameter("boundary").filter(|boundary| !boundary.is_empty()) {
                Some(boundary) => {
                    Kind::Multipart { boundary, digest: sub == b"digest", signed: sub == b"signed" }
                }
                None => Kind::Opaque,
            },
            (b"message", b"rfc822" | b"news") => Kind::Message,
            // RFC 6532 section 3.7: this one may be encoded.
            (b"message", b"global" | b"global-headers" | b"global-delivery-status") => {
                Kind::Leaf { text: false }
            }
            (b"message", _) => Kind::Opaque,
            (b"text", _) => Kind::Leaf { text: true },
            _ => Kind::Leaf { text: false },
        };
    }

    /// Writes the header with another encoding of the body, and with a charset where a text has none.
    pub(super) fn write(&self, block: &[u8], to: Encoding, charset: &str, message: bool, out: &mut Vec<u8>) {
        let untyped = !self.typed && matches!(to, Encoding::QuotedPrintable | Encoding::Base64);
        let mut left_out: Vec<_> = self.encoding_fields.clone();
        let mut content_type = None;
        if untyped {
            // RFC 1428 section 3: what nobody has said is not known.
            let named = self.type_fields.first().and_then(|range| block.get(range.clone()));
            let said = named
                .and_then(|field| field.trim_ascii_end().strip_suffix(b";").or(Some(field.trim_ascii_end())));
            let mut line = said.map_or_else(|| b"Content-Type: text/plain".to_vec(), <[u8]>::to_vec);
            line.extend_from_slice(b";\r\n charset=");
            line.extend_from_slice(charset.as_bytes());
            line.extend_from_slice(b"\r\n");
            content_type = Some(line);
            left_out.extend(self.type_fields.iter().cloned());
            left_out.sort_by_key(|range| range.start);
        }
        let mut at = 0;
        for range in left_out {
            out.extend_from_slice(block.get(at..range.start).unwrap_or_default());
            at = range.end;
        }
        out.extend_from_slice(block.get(at..).unwrap_or_default());
        if !block.is_empty() && !block.ends_with(b"\n") {
            out.extend_from_slice(b"\r\n");
        }
        if !self.mime_version && message {
            out.extend_from_slice(b"MIME-Version: 1.0\r\n");
        }
        out.extend_from_slice(&content_type.unwrap_or_default());
        out.extend_from_slice(b"Content-Transfer-Encoding: ");
        out.extend_from_slice(to.name().as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// The fields of a header, each with its continuations and line ends.
fn fields(block: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let from = start;
        while start < block.len() {
            let rest = block.get(start..).unwrap_or_default();
            start = start
                .saturating_add(memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at.saturating_add(1)));
            if !matches!(block.get(start), Some(b' ' | b'\t')) {
                break;
            }
        }
        (from < start).then_some(from..start)
    })
}

/// The parts of a value between semicolons, without white space, comments and what stands after it.
fn words(value: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at > value.len() {
            return None;
        }
        let (mut word, mut quoted, mut depth) = (Vec::new(), false, 0_u32);
        while let Some(&byte) = value.get(at) {
            at = at.saturating_add(1);
            match byte {
                b'\\' if quoted || depth > 0 => {
                    let next = value.get(at).copied();
                    at = at.saturating_add(1);
                    word.extend(next.filter(|_| depth == 0));
                }
                b'"' if depth == 0 => {
                    quoted = !quoted;
                }
                b'(' if !quoted => depth = depth.saturating_add(1),
                b')' if !quoted && depth > 0 => depth = depth.saturating_sub(1),
                _ if depth > 0 => {}
                b';' if !quoted => return Some(word),
                b'\r' | b'\n' => {}
                b' ' | b'\t' if !quoted => {}
                _ => word.push(byte),
            }
        }
        at = value.len().saturating_add(1);
        Some(word)
    })
}

fn parameters(value: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    words(value).skip(1).filter_map(|word| {
        let equals = word.iter().position(|byte| *byte == b'=')?;
        Some((word.get(..equals)?.to_vec(), word.get(equals.saturating_add(1)..)?.to_vec()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(block: &str) -> Header {
        Header::read(block.as_bytes(), false)
    }

    #[test]
    fn kinds() {
        let multipart = |boundary: &str, digest, signed| Kind::Multipart {
            boundary: boundary.as_bytes().to_vec(),
            digest,
            signed,
        };
        for (block, kind, encoding) in [
            ("", Kind::Leaf { text: true }, Encoding::SevenBit),
            ("Content-Type: text/html; charset=x\r\n", Kind::Leaf { text: true }, Encoding::SevenBit),
            (
                "content-type : image/PNG\r\nContent-Transfer-Encoding: BINARY (x)\r\n",
                Kind::Leaf { text: false },
                Encoding::Binary,
            ),
            (
                "Content-Type: multipart/mixed;\r\n\tboundary=\"a; \\\"b\"\r\n",
                multipart("a; \"b", false, false),
                Encoding::SevenBit,
            ),
            (
                "Content-Type: multipart/digest (c; d); Boundary=x (y)\r\nContent-Transfer-Encoding:8bit\r\n",
                multipart("x", true, false),
                Encoding::EightBit,
            ),
            (
                "Content-Type: multipart/signed; boundary=x\r\n",
                multipart("x", false, true),
                Encoding::SevenBit,
            ),
            ("Content-Type: multipart/mixed\r\n", Kind::Opaque, Encoding::SevenBit),
            ("Content-Type: message/rfc822\r\n", Kind::Message, Encoding::SevenBit),
            ("Content-Type: message/partial\r\n", Kind::Opaque, Encoding::SevenBit),
            ("Content-Type: message/global\r\n", Kind::Leaf { text: false }, Encoding::SevenBit),
            ("Content-Transfer-Encoding: x-y\r\n", Kind::Leaf { text: true }, Encoding::Other),
        ] {
            let header = read(block);
            assert_eq!((header.kind, header.encoding), (kind, encoding), "{block}");
        }
    }

    #[test]
    fn fields_are_replaced_and_added() {
        let write = |block: &str, outermost| {
            let mut out = Vec::new();
            read(block).write(block.as_bytes(), Encoding::Base64, "utf-8", outermost, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            write("A: b\r\nContent-Transfer-Encoding:\r\n 8bit\r\nC: d\r\n", true),
            "A: b\r\nC: d\r\nMIME-Version: 1.0\r\nContent-Type: text/plain;\r\n charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n"
        );
        let typed = "Mime-version: 1.0\r\nContent-Type: text/plain; charset=latin1\r\n";
        assert_eq!(write(typed, true), format!("{typed}Content-Transfer-Encoding: base64\r\n"));
        let html = write("Content-Type: text/html;\r\n", false);
        assert_eq!(
            html,
            "Content-Type: text/html;\r\n charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n"
        );
    }
}
