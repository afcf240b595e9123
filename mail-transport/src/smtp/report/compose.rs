//! Reports as messages.

use std::borrow::Cow;

use bytes::Bytes;
use mail_builder::{
    MessageBuilder,
    headers::{address::Address, content_type::ContentType, raw::Raw, text::Text},
    mime::{BodyPart, MimePart},
};
use mailwire_smtp::{Mailbox, trace::Timestamp};
use sha2::{Digest, Sha256};

use super::{
    Action, DeliveryReport, DispositionReport, FieldText, Original,
    message::{header_end, split},
};

/// The header of the message that a report is sent as.
///
/// # Examples
///
/// ```
/// use std::time::SystemTime;
/// use mailwire_transport::smtp::{proto::Mailbox, report::Header};
///
/// // From us, to the address that MAIL gave.
/// let from = Mailbox::try_from("mailer-daemon@mail.example.org")?;
/// let header = Header::new(from, Mailbox::try_from("anna@example.org")?, SystemTime::now());
/// let header = header.with_from_name("Mail delivery".parse()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Who reports: for delivery the host's postmaster
    /// ([RFC 3464 section 2](https://www.rfc-editor.org/rfc/rfc3464#section-2)), for disposition the recipient.
    pub from: Mailbox,
    /// The name of who reports.
    pub from_name: Option<FieldText>,
    /// Who gets the report: of a delivery the sender in the message's envelope, of a disposition the address in
    /// Disposition-Notification-To.
    pub to: Mailbox,
    /// The subject. `None`, the default: one that says in English what the report says.
    pub subject: Option<FieldText>,
    /// When the report is made.
    pub date: Timestamp,
    /// The Message-ID without angle brackets. `None`, the default: one that is made of the report.
    pub message_id: Option<FieldText>,
    /// The report is to pass servers without 8BITMIME. `false`, the default: what has 8-bit characters is sent as it is, and the message needs
    /// 8BITMIME then. `true`: fields are encoded, and of a message with 8-bit characters the header is returned alone
    /// ([RFC 6522 section 3](https://www.rfc-editor.org/rfc/rfc6522#section-3)).
    pub seven_bit: bool,
}

mailwire_core::setters!(Header {
    with_from_name(from_name: some FieldText),
    with_subject(subject: some FieldText),
    with_message_id(message_id: some FieldText),
    with_seven_bit(seven_bit: bool),
});

impl Header {
    /// The header of a report from `from` to `to`, made at `date`.
    #[must_use]
    pub fn new(from: Mailbox, to: Mailbox, date: impl Into<Timestamp>) -> Self {
        Self {
            from,
            from_name: None,
            to,
            subject: None,
            date: date.into(),
            message_id: None,
            seven_bit: false,
        }
    }

    /// The envelope of the report: from the null address, so that nobody reports about it
    /// ([RFC 3464 section 2](https://www.rfc-editor.org/rfc/rfc3464#section-2), [RFC 8098 section
    /// 3](https://www.rfc-editor.org/rfc/rfc8098#section-3)).
    #[cfg(feature = "client")]
    #[must_use]
    pub fn envelope(&self) -> crate::smtp::Envelope {
        use mailwire_smtp::{Mail, Rcpt, ReversePath};

        crate::smtp::Envelope::from_commands(Mail::new(ReversePath::Null), [Rcpt::new(self.to.clone())])
    }
}

impl DeliveryReport {
    /// Writes the report as a message: `multipart/report` with `text`, the fields, and `original`
    /// ([RFC 6522 section 3](https://www.rfc-editor.org/rfc/rfc6522#section-3)). Lines end in CR LF.
    ///
    /// What cannot stand in a message is not returned: NUL, lines of more than 998 bytes. Of an `original` with such the
    /// header is.
    #[must_use]
    pub fn write(&self, header: &Header) -> Vec<u8> {
        let mut content = Vec::new();
        self.write_content(&mut content);
        let subject = match self.recipients.first().map(|recipient| &recipient.action) {
            Some(Action::Delayed) => "Delivery delayed",
            Some(Action::Delivered | Action::Relayed | Action::Expanded) => "Delivery report",
            _ => "Undelivered mail",
        };
        let subtype = ["delivery-status", "global-delivery-status"];
        compose(header, subject, subtype, content, self.text.as_deref(), self.original.as_ref())
    }
}

impl DispositionReport {
    /// Writes the report as a message, as [`DeliveryReport::write`] does.
    #[must_use]
    pub fn write(&self, header: &Header) -> Vec<u8> {
        let mut content = Vec::new();
        self.write_content(&mut content);
        let subtype = ["disposition-notification", "global-disposition-notification"];
        compose(header, "Disposition", subtype, content, self.text.as_deref(), self.original.as_ref())
    }
}

/// `subtype` of the part that programs read: of ASCII, which is the report's type, too, and beyond it.
fn compose(
    header: &Header,
    subject: &str,
    subtype: [&'static str; 2],
    content: Vec<u8>,
    text: Option<&str>,
    original: Option<&Original>,
) -> Vec<u8> {
    let original = original.map(Returned::of);
    let mark = mark(header, &content, text, original.as_ref());
    let [plain, global] = subtype;
    let kind = if content.is_ascii() { plain } else { global };
    let mut parts = vec![
        MimePart::new("text/plain", BodyPart::Text(lines(text.unwrap_or_default()).into())),
        part(&format!("message/{kind}"), content.into(), header.seven_bit),
    ];
    parts.extend(original.map(|original| original.part(header.seven_bit)));
    let boundary = format!("{mark}/report");
    let report =
        ContentType::new("multipart/report").attribute("report-type", plain).attribute("boundary", boundary);
    let from = Address::new_address(header.from_name.as_ref().map(FieldText::as_str), header.from.as_str());
    let subject = header.subject.as_ref().map_or(subject, FieldText::as_str);
    let message_id = match &header.message_id {
        Some(id) => format!("<{id}>"),
        None => format!("<{mark}@{}>", header.from.domain()),
    };
    let message = MessageBuilder::new()
        .header("Date", Raw::new(header.date.to_string()))
        .from(from)
        .to(Address::new_address(None::<&str>, header.to.as_str()))
        .subject(Text::new(subject))
        .header("Message-ID", Raw::new(message_id))
        // RFC 3834 section 5.
        .header("Auto-Submitted", Raw::new("auto-replied"))
        .body(MimePart::new(report, parts));
    // Nothing fails that writes into memory.
    message.write_to_vec().unwrap_or_default()
}

/// A word that stands in none of the parts, as nobody can put the digest of a text into that text.
fn mark(header: &Header, content: &[u8], text: Option<&str>, original: Option<&Returned<'_>>) -> String {
    let mut digest = Sha256::new();
    digest.update(header.to.as_bytes());
    digest.update(header.date.to_string());
    for part in [content, text.unwrap_or_default().as_bytes(), original.map_or(&[], Returned::bytes)] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// What is returned of a message, in a form that can stand in another.
enum Returned<'a> {
    Message(Cow<'a, [u8]>),
    Headers(Cow<'a, [u8]>),
}

impl<'a> Returned<'a> {
    fn of(original: &'a Original) -> Self {
        match original {
            Original::Message(message) => match mended(message) {
                whole if fits(&whole) => Self::Message(whole),
                _ => Self::Headers(fitting(split(message).0)),
            },
            Original::Headers(header) => Self::Headers(match mended(header) {
                whole if fits(&whole) => whole,
                _ => fitting(header.clone()),
            }),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Message(bytes) | Self::Headers(bytes) => bytes,
        }
    }

    fn part(self, seven_bit: bool) -> MimePart<'a> {
        let (name, bytes) = match self {
            Self::Message(bytes) => {
                let header = bytes.get(..header_end(&bytes).0).unwrap_or_default();
                let international = !header.is_ascii();
                match (international, seven_bit && !bytes.is_ascii()) {
                    (true, _) => ("message/global", bytes),
                    (false, false) => ("message/rfc822", bytes),
                    (false, true) => ("text/rfc822-headers", Cow::Owned(header.to_vec())),
                }
            }
            Self::Headers(bytes) if bytes.is_ascii() => ("text/rfc822-headers", bytes),
            Self::Headers(bytes) => ("message/global-headers", bytes),
        };
        part(name, bytes, seven_bit)
    }
}

/// A part as it is, unless it may not be.
fn part<'a>(name: &str, bytes: Cow<'a, [u8]>, seven_bit: bool) -> MimePart<'a> {
    let encoding = match (bytes.is_ascii(), seven_bit) {
        (true, _) => Some("7bit"),
        (false, false) => Some("8bit"),
        // The builder takes base64.
        (false, true) => None,
    };
    let part = MimePart::new(ContentType::new(name.to_owned()), BodyPart::Binary(bytes));
    match encoding {
        Some(encoding) => part.transfer_encoding(encoding),
        None => part,
    }
}

/// A text whose lines end in LF and that has no NUL: the builder encodes all else.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "")
}

/// Each CR and LF that stands alone becomes CR LF.
fn mended(bytes: &[u8]) -> Cow<'_, [u8]> {
    let alone = |at: usize| match bytes.get(at) {
        Some(b'\r') => bytes.get(at + 1) != Some(&b'\n'),
        Some(_) => at == 0 || bytes.get(at - 1) != Some(&b'\r'),
        None => false,
    };
    if !memchr::memchr2_iter(b'\r', b'\n', bytes).any(alone) {
        return Cow::Borrowed(bytes);
    }
    let mut mended = Vec::with_capacity(bytes.len() + bytes.len() / 16);
    let mut start = 0;
    for at in memchr::memchr2_iter(b'\r', b'\n', bytes).filter(|at| alone(*at)) {
        mended.extend_from_slice(bytes.get(start..at).unwrap_or_default());
        mended.extend_from_slice(b"\r\n");
        start = at + 1;
    }
    mended.extend_from_slice(bytes.get(start..).unwrap_or_default());
    Cow::Owned(mended)
}

/// Whether bytes whose lines end in CR LF can stand in a message
/// ([RFC 5322 section 2.1.1](https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1)).
fn fits(bytes: &[u8]) -> bool {
    memchr::memchr(0, bytes).is_none() && bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= 999)
}

/// What of a header can stand in a message: its fields but for those that cannot.
fn fitting(header: Bytes) -> Cow<'static, [u8]> {
    let header = mended(&header);
    let mut kept = Vec::with_capacity(header.len());
    let (mut field, mut fit) = (0, true);
    for line in header.split_inclusive(|byte| *byte == b'\n') {
        if !matches!(line.first(), Some(b' ' | b'\t')) {
            (field, fit) = (kept.len(), true);
        }
        fit &= fits(line);
        match fit {
            true => kept.extend_from_slice(line),
            false => kept.truncate(field),
        }
    }
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_line_ends() {
        for (text, expected) in
            [("a\r\nb", "a\r\nb"), ("a\nb\rc\r\n\n", "a\r\nb\r\nc\r\n\r\n"), ("\r\r\n", "\r\n\r\n")]
        {
            assert_eq!(mended(text.as_bytes()), expected.as_bytes(), "{text:?}");
        }
    }
}
