//! An envelope out of the header of a message.

use std::collections::HashSet;

use bytes::Bytes;
use mailwire_core::Invalid;
#[cfg(feature = "header-envelope")]
use mailwire_core::dot::Mender;

use super::{Envelope, fields::Fields};
use crate::InvalidValue;

/// A field of a header, with the addresses that it lists.
pub(super) struct Listed<'h> {
    pub(super) name: &'h str,
    pub(super) addresses: Vec<&'h str>,
}

impl Listed<'_> {
    fn is(&self, resent: bool, name: &str) -> bool {
        is_resent(self.name) == resent && base(self.name).eq_ignore_ascii_case(name)
    }
}

/// The fields that say who sends a message, and who is to get it.
pub(super) const FROM: [&str; 2] = ["sender", "from"];
pub(super) const TO: [&str; 3] = ["to", "cc", "bcc"];

/// The name of a field without `Resent-`.
pub(super) fn base(name: &str) -> &str {
    match name.split_at_checked("resent-".len()) {
        Some((prefix, base)) if prefix.eq_ignore_ascii_case("resent-") => base,
        _ => name,
    }
}

impl Envelope {
    /// Makes an envelope of what the header of a message says, for messages that come without one: from Sender or else the
    /// first address of From, to those of To, Cc and Bcc, each once. Where a message was sent again, the last time counts
    /// ([RFC 5322 section 3.6.6](https://www.rfc-editor.org/rfc/rfc5322#section-3.6.6)): the topmost block of Resent- fields.
    ///
    /// What Bcc says is not for those who get the message: [`without_bcc`] leaves it out, and so does a
    /// [`Message`](super::Message), which is both.
    ///
    /// # Errors
    ///
    /// The message has no header, its header names no sender, or what stands there is not an address. A header that names
    /// nobody as a recipient is no error: the envelope has none then.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_transport::smtp::{Envelope, without_bcc};
    ///
    /// let message = "From: Ada <ada@example.org>\r\nTo: Team: bob@example.net, cy@example.net;\r\nBcc: dan@example.net\r\n\r\nHi\r\n";
    /// let envelope = Envelope::from_header(message.as_bytes())?;
    /// assert_eq!(envelope.mail().from.mailbox().unwrap().as_str(), "ada@example.org");
    /// assert_eq!(envelope.recipients().len(), 3);
    /// assert!(!without_bcc(message.into()).windows(3).any(|part| part == b"dan"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "header-envelope")]
    pub fn from_header(message: &[u8]) -> Result<Self, InvalidValue> {
        let header = header(message);
        let parsed = mail_parser::MessageParser::new()
            .with_address_headers()
            .parse_headers(&header[..])
            .ok_or_else(|| missing("there is none"))?;
        let mut fields = Vec::new();
        for header in parsed.headers() {
            fields.push(Listed { name: header.name.as_str(), addresses: addresses(header) });
        }
        Self::of_fields(&fields)
    }

    /// Makes an envelope of what the fields of a header say.
    pub(super) fn of_fields(fields: &[Listed<'_>]) -> Result<Self, InvalidValue> {
        let (block, resent) = resent(fields).map_or((fields, false), |block| (block, true));
        let listed = |names: &[&str]| {
            let mut listed = Vec::new();
            for name in names {
                for field in block.iter().filter(|field| field.is(resent, name)) {
                    listed.extend_from_slice(&field.addresses);
                }
            }
            listed
        };
        let from = listed(&FROM);
        let from = from.first().ok_or_else(|| missing("it names no sender"))?;
        let (mut to, mut seen) = (listed(&TO), HashSet::new());
        to.retain(|address| seen.insert(address.to_string()));
        Self::new(from, to)
    }
}

fn missing(reason: &'static str) -> InvalidValue {
    Invalid::new("header of a message", 0, reason).into()
}

/// Leaves Bcc and Resent-Bcc out of the header of a message ([RFC 5322 section
/// 3.6.3](https://www.rfc-editor.org/rfc/rfc5322#section-3.6.3)). A message that has neither is not copied.
#[must_use]
pub fn without_bcc(message: Bytes) -> Bytes {
    match &without_fields(&message, &BLIND)[..] {
        [whole] if whole.len() == message.len() => message,
        kept => kept.concat().into(),
    }
}

/// The fields whose addresses are nobody's business.
pub(super) const BLIND: [&str; 2] = ["bcc", "resent-bcc"];

/// Leaves the fields of some names out of the header of a message: the pieces that stay, which are slices of it. The names are
/// in lower case. A field counts however its name is written, and where it stands more than once.
///
/// ```
/// use bytes::Bytes;
/// use mailwire_transport::smtp::without_fields;
///
/// let message = Bytes::from("Subject: a\r\nAuthentication-Results: mx.example.org;\r\n dkim=pass\r\n\r\nb\r\n");
/// let kept = without_fields(&message, &["authentication-results"]);
/// assert_eq!(kept.concat(), b"Subject: a\r\n\r\nb\r\n");
/// ```
#[must_use]
pub fn without_fields(message: &Bytes, names: &[&str]) -> Vec<Bytes> {
    let mut kept = Vec::new();
    let mut from = 0;
    let mut keep = |piece: Bytes| (!piece.is_empty()).then(|| kept.push(piece));
    let mut left_out = false;
    for field in Fields::of(message) {
        // The lines after a name that has no colon belong to it.
        left_out = field.is(names) || left_out && matches!(field.bytes.first(), Some(b' ' | b'\t'));
        if left_out {
            keep(message.slice(from..field.place.start));
            from = field.place.end;
        }
    }
    let rest = message.slice(from..);
    if from > 0 && rest.starts_with(b"\n") && kept.last().is_some_and(|before| before.ends_with(b"\r")) {
        // A CR and an LF that were two line ends are not to become one.
        kept.push(Bytes::from_static(b"\n"));
    }
    kept.extend((!rest.is_empty()).then_some(rest));
    kept
}

/// The header of a message, whose lines all end in CR LF.
#[cfg(feature = "header-envelope")]
fn header(message: &[u8]) -> Bytes {
    let end = Fields::of(message).last().map_or(0, |field| field.place.end);
    Mender::new().push(Bytes::copy_from_slice(message.get(..end).unwrap_or_default()))
}

fn is_resent(name: &str) -> bool {
    let base = base(name);
    let has = |names: &[&str]| names.iter().any(|name| base.eq_ignore_ascii_case(name));
    base.len() < name.len() && (has(&FROM) || has(&TO) || has(&["date", "message-id"]))
}

/// The topmost block of Resent- fields: each of them once, and nothing else between them.
fn resent<'f, 'h>(fields: &'f [Listed<'h>]) -> Option<&'f [Listed<'h>]> {
    let start = fields.iter().position(|field| is_resent(field.name))?;
    let rest = fields.get(start..)?;
    let again = |(at, field): (usize, &Listed<'h>)| {
        let is_same = |before: &Listed<'h>| before.name.eq_ignore_ascii_case(field.name);
        !is_resent(field.name) || rest.iter().take(at).any(is_same)
    };
    // A block has seven fields at most.
    let end = rest.iter().enumerate().take(8).position(again).unwrap_or(rest.len().min(8));
    rest.get(..end)
}

/// The addresses of a field. What has only a name is none, and found out so.
#[cfg(feature = "header-envelope")]
fn addresses<'h>(header: &'h mail_parser::Header<'_>) -> Vec<&'h str> {
    match &header.value {
        mail_parser::HeaderValue::Address(list) => {
            list.iter().filter_map(|one| one.address.as_deref().or(one.name.as_deref())).collect()
        }
        _ => Vec::new(),
    }
}
