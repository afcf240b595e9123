//! What `BODY[...]` and `BINARY[...]` give.

use std::{num::NonZeroU32, sync::Arc};

use bytes::Bytes;
use mailwire_imap::types::{ImapString, Partial, Section, SectionText};

use super::{
    Message, UnknownEncoding,
    header::{self, FieldNames},
    pieces::Pieces,
};

impl Message {
    /// Gives a section of the message
    /// ([RFC 9051 section 6.4.5.1](https://www.rfc-editor.org/rfc/rfc9051#section-6.4.5.1)): a
    /// slice of it, except for chosen header fields. `None` if there is no such section.
    #[must_use]
    pub fn section(&self, section: &Section) -> Option<Bytes> {
        let part = self.root.find(section.part())?;
        let is_root = section.part().is_empty();
        // HEADER and TEXT with a number are those of the message in that part.
        let message = || if is_root { Some(part) } else { part.message() };
        match section.text() {
            None if is_root => Some(self.raw.clone()),
            None => Some(self.body(part)),
            Some(SectionText::Mime) => Some(self.header(part)),
            Some(SectionText::Header) => Some(self.header(message()?)),
            Some(SectionText::Text) => Some(self.body(message()?)),
            Some(SectionText::HeaderFields(_) | SectionText::HeaderFieldsNot(_)) => {
                Some(self.chosen(section, &Choice::of(section)?)?.whole())
            }
        }
    }

    /// Gives a part's content without its transfer encoding
    /// ([RFC 3516 section 4.2](https://www.rfc-editor.org/rfc/rfc3516#section-4.2)); without a number, the message as
    /// it is. `None` if there is no such part.
    #[must_use]
    pub fn binary(&self, number: &[NonZeroU32]) -> Option<Result<Bytes, UnknownEncoding>> {
        if number.is_empty() {
            return Some(Ok(self.raw.clone()));
        }
        self.root.find(number).map(|part| self.decoded(part))
    }

    /// The header fields that are chosen of a section's header, piece by piece. `None` if there is no such
    /// header.
    pub(crate) fn chosen(&self, section: &Section, choice: &Choice) -> Option<Pieces> {
        let part = self.root.find(section.part())?;
        let message = if section.part().is_empty() { part } else { part.message()? };
        Some(Pieces::fields(self.header(message), choice.clone()))
    }

    /// What [`binary`](Self::binary) gives, piece by piece; a slice where there is nothing to undo.
    pub(crate) fn binary_pieces(
        &self,
        number: &[NonZeroU32],
    ) -> Option<Result<Result<Pieces, Bytes>, UnknownEncoding>> {
        let part = self.root.find(number)?;
        Some(self.decoder(part).map(|decoder| decoder.map(Pieces::decoded)))
    }
}

/// Which fields of a header are chosen: `HEADER.FIELDS`, `HEADER.FIELDS.NOT`.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    names: Arc<FieldNames>,
    /// These and no others, or all others.
    named: bool,
}

impl Choice {
    /// What a section chooses, if it does. It is worth keeping: to make it takes time in proportion to the
    /// names.
    pub(crate) fn of(section: &Section) -> Option<Self> {
        let (names, named) = match section.text()? {
            SectionText::HeaderFields(names) => (names, true),
            SectionText::HeaderFieldsNot(names) => (names, false),
            _ => return None,
        };
        let names = Arc::new(FieldNames::new(names.iter().map(ImapString::as_bytes)));
        Some(Self { names, named })
    }

    pub(super) fn takes(&self, field: &header::Field) -> bool {
        self.names.contains(&field.name) == self.named
    }
}

/// Cuts out the range of `data` that a FETCH asks for, if it asks for less than all. What lies beyond the end
/// is cut off.
#[must_use]
pub fn partial(data: &Bytes, range: Option<Partial>) -> Bytes {
    let Some(range) = range else { return data.clone() };
    let bound = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(data.len());
    data.slice(bound(range.offset)..bound(range.offset.saturating_add(range.length.get())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &[u8] = b"Subject: s\r\nTo: a@b\r\n c\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
        --x\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=\r\n\
        --x\r\nContent-Type: message/rfc822\r\n\r\nSubject: i\r\nFrom: f\r\n\r\nbody\r\n--x--\r\n";

    fn section(number: &[u32], text: Option<SectionText>) -> Option<String> {
        let message = Message::parse(Bytes::from_static(RAW));
        let is_slice = !matches!(text, Some(SectionText::HeaderFields(_) | SectionText::HeaderFieldsNot(_)));
        let found = message.section(&Section::new(numbers(number), text).unwrap())?;
        assert!(!is_slice || RAW.as_ptr_range().contains(&found.as_ptr()), "a copy");
        Some(String::from_utf8_lossy(&found).into_owned())
    }

    fn numbers(number: &[u32]) -> Vec<NonZeroU32> {
        number.iter().map(|&number| NonZeroU32::new(number).unwrap()).collect()
    }

    fn names(names: &[&str]) -> Vec<ImapString> {
        names.iter().map(|&name| ImapString::try_from(name).unwrap()).collect()
    }

    #[test]
    fn sections() {
        use SectionText::{Header, HeaderFields, HeaderFieldsNot, Mime, Text};
        let encoded = "Content-Transfer-Encoding: base64\r\n\r\n";
        for (number, text, expected) in [
            (&[][..], None, Some(std::str::from_utf8(RAW).unwrap())),
            (&[1], None, Some("aGk=")),
            (&[1], Some(Mime), Some(encoded)),
            (&[1], Some(Header), None),
            (&[2], Some(Mime), Some("Content-Type: message/rfc822\r\n\r\n")),
            (&[2], Some(Header), Some("Subject: i\r\nFrom: f\r\n\r\n")),
            (&[2], Some(Text), Some("body")),
            (&[2, 1], None, Some("body")),
            (&[3], None, None),
            (&[], Some(HeaderFields(names(&["TO", "x"]))), Some("To: a@b\r\n c\r\n\r\n")),
            (&[2], Some(HeaderFieldsNot(names(&["from"]))), Some("Subject: i\r\n\r\n")),
            (&[], Some(HeaderFields(names(&["x"]))), Some("\r\n")),
        ] {
            assert_eq!(section(number, text.clone()).as_deref(), expected, "{number:?} {text:?}");
        }
        assert!(section(&[], Some(Header)).unwrap().ends_with("boundary=x\r\n\r\n"));
        assert!(section(&[], Some(Text)).unwrap().starts_with("--x\r\n"));
    }

    #[test]
    fn binary_sections() {
        let message = Message::parse(Bytes::from_static(RAW));
        assert_eq!(message.binary(&numbers(&[1])).unwrap().unwrap(), "hi");
        assert_eq!(message.binary(&numbers(&[2, 1])).unwrap().unwrap(), "body");
        assert!(message.binary(&numbers(&[7])).is_none());
    }

    #[test]
    fn partials_are_cut() {
        let data = Bytes::from_static(b"0123");
        for (offset, length, expected) in
            [(0, 2, "01"), (3, 9, "3"), (4, 1, ""), (9, 1, ""), (1, u64::MAX, "123"), (u64::MAX, 1, "")]
        {
            let range = Partial { offset, length: length.try_into().unwrap() };
            assert_eq!(partial(&data, Some(range)), expected);
        }
        assert_eq!(partial(&data, None), data);
    }

    #[test]
    fn odd_messages() {
        for raw in ["", "\r\n", "A: b", "no header", "\r\nx"] {
            let message = Message::parse(Bytes::from(raw));
            assert_eq!(message.section(&Section::WHOLE).unwrap(), raw);
            let parts = [Section::HEADER, Section::TEXT].map(|section| message.section(&section).unwrap());
            assert_eq!(parts.concat(), raw.as_bytes());
            let first = Section::new(numbers(&[1]), None).unwrap();
            assert_eq!(message.section(&first), message.section(&Section::TEXT));
        }
    }

    #[test]
    fn twenty_megabytes_are_not_copied() {
        let mut raw = b"Subject: large\r\n\r\n".to_vec();
        raw.resize(20 << 20, b'x');
        let raw = Bytes::from(raw);
        let message = Message::parse(raw.clone());
        assert_eq!(message.section(&Section::TEXT).unwrap().as_ptr(), raw[18..].as_ptr());
    }
}
