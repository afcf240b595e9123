//! Where a report stands in a message: `multipart/report` ([RFC 6522](https://www.rfc-editor.org/rfc/rfc6522)).

use bytes::Bytes;
use mail_parser::{
    MessageParser, MimeHeaders,
    decoders::{
        base64::base64_decode, charsets::map::charset_decoder, quoted_printable::quoted_printable_decode,
    },
};

use super::{DeliveryReport, DispositionReport, Limits, Original, Report, ReportError};

/// How deep a report is looked for, and how many parts are looked at on each level: a list or a scanner may have put its own around it.
const DEPTH: usize = 3;
const PARTS: usize = 16;

/// Reads the report that a message is.
pub(super) fn read(message: &Bytes, limits: &Limits) -> Result<Report, ReportError> {
    limits.check("bytes of the message", message.len(), limits.message)?;
    let found = find(&Entity::of(message), DEPTH).ok_or(ReportError::NotReport)?;
    Ok(match found.kind {
        Kind::Delivery => {
            let report = DeliveryReport::parse_content(&found.content, limits)?;
            Report::Delivery(DeliveryReport { text: found.text, original: found.original, ..report })
        }
        Kind::Disposition => {
            let report = DispositionReport::parse_content(&found.content, limits)?;
            Report::Disposition(DispositionReport { text: found.text, original: found.original, ..report })
        }
    })
}

#[derive(Clone, Copy)]
enum Kind {
    Delivery,
    Disposition,
}

struct Found {
    kind: Kind,
    content: Bytes,
    text: Option<String>,
    original: Option<Original>,
}

/// The report in an entity: itself, among its parts, or in one of them. A message within it is another's.
fn find(entity: &Entity, depth: usize) -> Option<Found> {
    if let Some(kind) = entity.report() {
        return Some(Found { kind, content: entity.decoded(), text: None, original: None });
    }
    let parts = entity.parts();
    if let Some((at, kind)) = parts.iter().enumerate().find_map(|(at, part)| Some((at, part.report()?))) {
        let (before, after) = parts.split_at_checked(at)?;
        let (report, after) = after.split_first()?;
        return Some(Found {
            kind,
            content: report.decoded(),
            text: before.iter().find_map(|part| part.text(DEPTH)),
            original: after.iter().find_map(Entity::original),
        });
    }
    let depth = depth.checked_sub(1)?;
    parts.iter().find_map(|part| find(part, depth))
}

/// A message, or a part of one.
struct Entity {
    /// In lower case, `text/plain` where nothing is said.
    content_type: String,
    boundary: Option<String>,
    charset: Option<String>,
    /// In lower case.
    encoding: String,
    body: Bytes,
}

impl Entity {
    fn of(bytes: &Bytes) -> Self {
        let (header, body) = split(bytes);
        let parser = MessageParser::new().with_mime_headers();
        let parsed = parser.parse_headers(&header[..]);
        let parameter = |name: &str| {
            parsed.as_ref()?.content_type()?.attribute(name).map(|value| value.trim().to_owned())
        };
        let content_type = parsed.as_ref().and_then(|parsed| parsed.content_type());
        let content_type = content_type.map_or_else(
            || "text/plain".to_owned(),
            |it| format!("{}/{}", it.ctype(), it.subtype().unwrap_or_default()).to_ascii_lowercase(),
        );
        let encoding = parsed.as_ref().and_then(|parsed| parsed.content_transfer_encoding());
        Self {
            boundary: parameter("boundary").filter(|boundary| !boundary.is_empty()),
            charset: parameter("charset"),
            encoding: encoding.unwrap_or_default().trim().to_ascii_lowercase(),
            content_type,
            body,
        }
    }

    fn report(&self) -> Option<Kind> {
        match &*self.content_type {
            "message/delivery-status" | "message/global-delivery-status" => Some(Kind::Delivery),
            "message/disposition-notification" | "message/global-disposition-notification" => {
                Some(Kind::Disposition)
            }
            _ => None,
        }
    }

    /// What is returned of the message.
    fn original(&self) -> Option<Original> {
        match &*self.content_type {
            "message/rfc822" | "message/global" => Some(Original::Message(self.decoded())),
            "text/rfc822-headers"
            | "text/rfc822-header"
            | "message/rfc822-headers"
            | "message/global-headers" => Some(Original::Headers(self.decoded())),
            _ => None,
        }
    }

    /// The words for people.
    fn text(&self, depth: usize) -> Option<String> {
        if self.content_type == "text/plain" {
            let body = self.decoded();
            let decode = self.charset.as_ref().and_then(|name| charset_decoder(name.as_bytes()));
            let text =
                decode.map_or_else(|| String::from_utf8_lossy(&body).into_owned(), |decode| decode(&body));
            return Some(text.replace("\r\n", "\n"));
        }
        let depth = depth.checked_sub(1)?;
        self.parts().iter().find_map(|part| part.text(depth))
    }

    /// The body without its transfer encoding; as it is, if it cannot be decoded.
    fn decoded(&self) -> Bytes {
        let decoded = match &*self.encoding {
            "base64" => base64_decode(&self.body),
            "quoted-printable" => quoted_printable_decode(&self.body),
            _ => None,
        };
        decoded.map_or_else(|| self.body.clone(), Bytes::from)
    }

    /// The parts of a multipart.
    ///
    /// ```abnf
    /// multipart-body = [preamble CRLF] dash-boundary transport-padding CRLF body-part *encapsulation
    ///                  close-delimiter transport-padding [CRLF epilogue]   ; RFC 2046 section 5.1.1
    /// ```
    fn parts(&self) -> Vec<Self> {
        let boundary = self.boundary.as_ref().filter(|_| self.content_type.starts_with("multipart/"));
        let Some(boundary) = boundary else { return Vec::new() };
        let delimiter = format!("--{boundary}");
        let body = &self.body[..];
        let mut parts = Vec::new();
        let mut start = None;
        for at in memchr::memmem::find_iter(body, delimiter.as_bytes()) {
            let (before, delimited) = body.split_at_checked(at).unwrap_or_default();
            if !matches!(before.last(), None | Some(b'\n')) || parts.len() == PARTS {
                continue;
            }
            let after = delimited.get(delimiter.len()..).unwrap_or_default();
            let line = memchr::memchr(b'\n', after).map_or(after.len(), |end| end + 1);
            let (line, rest) = after.split_at_checked(line).unwrap_or_default();
            let closes = line.starts_with(b"--");
            if !closes && !line.trim_ascii().is_empty() {
                // A line that begins like one.
                continue;
            }
            if let Some(start) = start {
                parts.push(Self::of(&self.body.slice(start..without_line_end(before).len().max(start))));
            }
            start = (!closes).then(|| body.len() - rest.len());
            if closes {
                break;
            }
        }
        // Cut off, as some do.
        if let Some(start) = start.filter(|_| parts.len() < PARTS) {
            parts.push(Self::of(&self.body.slice(start..)));
        }
        parts
    }
}

/// A message's header with the line end of its last field, and its body. A part can begin with the empty line.
pub(super) fn split(bytes: &Bytes) -> (Bytes, Bytes) {
    let (header, body) = header_end(bytes);
    (bytes.slice(..header), bytes.slice(body..))
}

/// Where the header of a message ends, and where its body begins.
pub(super) fn header_end(bytes: &[u8]) -> (usize, usize) {
    let mut at = 0;
    while let Some(line) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let length = memchr::memchr(b'\n', line).map_or(line.len(), |end| end + 1);
        if matches!(line.get(..length), Some(b"\n" | b"\r\n")) {
            return (at, at + length);
        }
        at += length;
    }
    (bytes.len(), bytes.len())
}

fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}
