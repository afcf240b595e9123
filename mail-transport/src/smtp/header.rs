//! An envelope out of the header of a message.

use bytes::{Bytes, BytesMut};
use mail_parser::{Address, Header, HeaderName, HeaderValue, MessageParser};
use mailwire_core::Invalid;

use super::Envelope;
use crate::InvalidValue;

/// The fields that say who sent a message and who is to get it: those of the author, or of who sent it again.
struct Fields {
    sender: HeaderName<'static>,
    from: HeaderName<'static>,
    to: [HeaderName<'static>; 3],
}

const AUTHOR: Fields = Fields {
    sender: HeaderName::Sender,
    from: HeaderName::From,
    to: [HeaderName::To, HeaderName::Cc, HeaderName::Bcc],
};

const RESENT: Fields = Fields {
    sender: HeaderName::ResentSender,
    from: HeaderName::ResentFrom,
    to: [HeaderName::ResentTo, HeaderName::ResentCc, HeaderName::ResentBcc],
};

impl Envelope {
    /// Makes an envelope of what the header of a message says, for messages that come without one: from Sender or else the
    /// first address of From, to those of To, Cc and Bcc, each once. Where a message was sent again, the last time counts
    /// ([RFC 5322 section 3.6.6](https://www.rfc-editor.org/rfc/rfc5322#section-3.6.6)): the topmost block of Resent- fields.
    ///
    /// What Bcc says is not for those who get the message: [`without_bcc`] leaves it out.
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
        let parsed = parser().parse_headers(message).ok_or_else(|| missing("there is none"))?;
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
    let is_bcc = |header: &&Header<'_>| matches!(header.name, HeaderName::Bcc | HeaderName::ResentBcc);
    let Some(parsed) = parser().parse_headers(&message[..]) else { return message };
    let fields = parsed.headers().iter().filter(is_bcc);
    let ranges: Vec<_> = fields.map(|field| field.offset_field as usize..field.offset_end as usize).collect();
    if ranges.is_empty() {
        return message;
    }
    let mut kept = BytesMut::with_capacity(message.len());
    let mut from = 0;
    for range in ranges {
        kept.extend_from_slice(message.get(from..range.start).unwrap_or_default());
        from = range.end;
    }
    kept.extend_from_slice(message.get(from..).unwrap_or_default());
    kept.freeze()
}

fn parser() -> MessageParser {
    MessageParser::new().with_address_headers()
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
