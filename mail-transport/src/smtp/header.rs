//! An envelope out of the header of a message.

use bytes::Bytes;
use mail_parser::{Address, Header, HeaderName, HeaderValue, MessageParser};
use mailwire_core::{Invalid, dot::Mender};

use super::{Envelope, fields::Fields};
use crate::InvalidValue;

/// The fields that say who sent a message and who is to get it: those of the author, or of who sent it again.
struct Names {
    sender: HeaderName<'static>,
    from: HeaderName<'static>,
    to: [HeaderName<'static>; 3],
}

const AUTHOR: Names = Names {
    sender: HeaderName::Sender,
    from: HeaderName::From,
    to: [HeaderName::To, HeaderName::Cc, HeaderName::Bcc],
};

const RESENT: Names = Names {
    sender: HeaderName::ResentSender,
    from: HeaderName::ResentFrom,
    to: [HeaderName::ResentTo, HeaderName::ResentCc, HeaderName::ResentBcc],
};

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
    pub fn from_header(message: &[u8]) -> Result<Self, InvalidValue> {
        let missing = |reason| InvalidValue::new(Invalid::new("header of a message", 0, reason), "");
        let header = header(message);
        let parsed = MessageParser::new()
            .with_address_headers()
            .parse_headers(&header[..])
            .ok_or_else(|| missing("there is none"))?;
        let headers = parsed.headers();
        let (block, fields) = match resent(headers) {
            Some(block) => (block, RESENT),
            None => (headers, AUTHOR),
        };
        let from = addresses(block, &fields.sender).chain(addresses(block, &fields.from)).next();
        let from = from.ok_or_else(|| missing("it names no sender"))?;
        let mut to: Vec<&str> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        to.extend(fields.to.iter().flat_map(|name| addresses(block, name)).filter(|to| seen.insert(*to)));
        Self::new(from, to)
    }
}

/// Leaves Bcc and Resent-Bcc out of the header of a message ([RFC 5322 section
/// 3.6.3](https://www.rfc-editor.org/rfc/rfc5322#section-3.6.3)). A message that has neither is not copied.
#[must_use]
pub fn without_bcc(message: Bytes) -> Bytes {
    match &without(&message, &BLIND)[..] {
        [whole] if whole.len() == message.len() => message,
        kept => kept.concat().into(),
    }
}

/// The fields whose addresses are nobody's business.
pub(super) const BLIND: [&str; 2] = ["bcc", "resent-bcc"];

/// The pieces of a message without the fields of these names.
pub(super) fn without(message: &Bytes, names: &[&str]) -> Vec<Bytes> {
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
fn header(message: &[u8]) -> Bytes {
    let end = Fields::of(message).last().map_or(0, |field| field.place.end);
    Mender::new().push(Bytes::copy_from_slice(message.get(..end).unwrap_or_default()))
}

const fn is_resent(name: &HeaderName<'_>) -> bool {
    matches!(
        name,
        HeaderName::ResentTo
            | HeaderName::ResentFrom
            | HeaderName::ResentBcc
            | HeaderName::ResentCc
            | HeaderName::ResentSender
            | HeaderName::ResentDate
            | HeaderName::ResentMessageId
    )
}

/// The topmost block of Resent- fields: each of them once, and nothing else between them.
fn resent<'h, 'x>(headers: &'h [Header<'x>]) -> Option<&'h [Header<'x>]> {
    let start = headers.iter().position(|header| is_resent(&header.name))?;
    let rest = headers.get(start..)?;
    let again = |(at, header): (usize, &Header<'x>)| {
        !is_resent(&header.name) || rest.iter().take(at).any(|before| before.name == header.name)
    };
    // A block has seven fields at most.
    let end = rest.iter().enumerate().take(8).position(again).unwrap_or(rest.len().min(8));
    rest.get(..end)
}

/// The addresses of all fields of this name. What has only a name is none, and found out so.
fn addresses<'h>(headers: &'h [Header<'_>], name: &HeaderName<'_>) -> impl Iterator<Item = &'h str> {
    let fields = headers.iter().filter(move |header| header.name == *name);
    let lists = fields.filter_map(|header| match &header.value {
        HeaderValue::Address(address) => Some(address),
        _ => None,
    });
    lists.flat_map(Address::iter).filter_map(|one| one.address.as_deref().or(one.name.as_deref()))
}
