//! What `BODY[...]` and `BINARY[...]` give.

use bytes::Bytes;

use super::{Message, Part, UnknownEncoding, header};

/// The text of a section: RFC 9051 section 6.4.5.1.
#[derive(Debug, Clone, Copy)]
pub enum Text<'a> {
    /// All of it.
    Whole,
    /// `HEADER`
    Header,
    /// `HEADER.FIELDS`
    HeaderFields(&'a [&'a [u8]]),
    /// `HEADER.FIELDS.NOT`
    HeaderFieldsNot(&'a [&'a [u8]]),
    /// `TEXT`
    Text,
    /// `MIME`
    Mime,
}

impl Message {
    /// A section of the message: a slice of it, except for chosen header fields. `None` if there is
    /// no such section.
    #[must_use]
    pub fn section(&self, number: &[u32], text: Text<'_>) -> Option<Bytes> {
        if number.is_empty() && matches!(text, Text::Whole) {
            return Some(self.raw.clone());
        }
        let part = self.root.find(number)?;
        // HEADER and TEXT with a number are those of the message in that part.
        let message = || if number.is_empty() { Some(part) } else { part.message() };
        match text {
            Text::Whole => Some(self.body(part)),
            Text::Mime => Some(self.header(part)),
            Text::Header => Some(self.header(message()?)),
            Text::Text => Some(self.body(message()?)),
            Text::HeaderFields(names) => {
                Some(self.chosen_fields(message()?, |field| is_one_of(field, names)))
            }
            Text::HeaderFieldsNot(names) => {
                Some(self.chosen_fields(message()?, |field| !is_one_of(field, names)))
            }
        }
    }

    /// The part's content without its transfer encoding (RFC 3516). `None` if there is no such part.
    #[must_use]
    pub fn binary(&self, number: &[u32]) -> Option<Result<Bytes, UnknownEncoding>> {
        if number.is_empty() {
            return Some(Ok(self.raw.clone()));
        }
        self.root.find(number).map(|part| self.decoded(part))
    }

    /// Fields as they stand, in the message's order, with the empty line behind them.
    fn chosen_fields(&self, part: &Part, choose: impl Fn(&header::Field) -> bool) -> Bytes {
        let header = self.header(part);
        let mut chosen = Vec::new();
        for field in header::fields(&header).filter(choose) {
            chosen.extend_from_slice(&field.whole);
            if !field.whole.ends_with(b"\n") {
                chosen.extend_from_slice(b"\r\n");
            }
        }
        chosen.extend_from_slice(b"\r\n");
        chosen.into()
    }
}

fn is_one_of(field: &header::Field, names: &[&[u8]]) -> bool {
    names.iter().any(|name| field.is(name))
}

/// `<offset.count>` of `data`: what lies beyond its end is cut off.
#[must_use]
pub fn partial(data: &Bytes, offset: u64, count: u64) -> Bytes {
    let bound = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(data.len());
    data.slice(bound(offset)..bound(offset.saturating_add(count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &[u8] = b"Subject: s\r\nTo: a@b\r\n c\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
        --x\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=\r\n\
        --x\r\nContent-Type: message/rfc822\r\n\r\nSubject: i\r\nFrom: f\r\n\r\nbody\r\n--x--\r\n";

    fn section(number: &[u32], text: Text<'_>) -> Option<String> {
        let message = Message::parse(Bytes::from_static(RAW));
        let found = message.section(number, text)?;
        if !matches!(text, Text::HeaderFields(_) | Text::HeaderFieldsNot(_)) {
            assert!(RAW.as_ptr_range().contains(&found.as_ptr()), "a copy: {text:?}");
        }
        Some(String::from_utf8_lossy(&found).into_owned())
    }

    #[test]
    fn sections() {
        assert_eq!(section(&[], Text::Whole).unwrap().as_bytes(), RAW);
        assert!(section(&[], Text::Header).unwrap().ends_with("boundary=x\r\n\r\n"));
        assert!(section(&[], Text::Text).unwrap().starts_with("--x\r\n"));
        assert_eq!(section(&[1], Text::Whole).as_deref(), Some("aGk="));
        assert_eq!(section(&[1], Text::Mime).as_deref(), Some("Content-Transfer-Encoding: base64\r\n\r\n"));
        assert_eq!(section(&[1], Text::Header), None);
        assert_eq!(section(&[2], Text::Mime).as_deref(), Some("Content-Type: message/rfc822\r\n\r\n"));
        assert_eq!(section(&[2], Text::Header).as_deref(), Some("Subject: i\r\nFrom: f\r\n\r\n"));
        assert_eq!(section(&[2], Text::Text).as_deref(), Some("body"));
        assert_eq!(section(&[2, 1], Text::Whole).as_deref(), Some("body"));
        assert_eq!(section(&[3], Text::Whole), None);
        assert_eq!(
            section(&[], Text::HeaderFields(&[b"TO", b"x"])).as_deref(),
            Some("To: a@b\r\n c\r\n\r\n")
        );
        assert_eq!(section(&[2], Text::HeaderFieldsNot(&[b"from"])).as_deref(), Some("Subject: i\r\n\r\n"));
        assert_eq!(section(&[], Text::HeaderFields(&[b"x"])).as_deref(), Some("\r\n"));
    }

    #[test]
    fn binary_sections() {
        let message = Message::parse(Bytes::from_static(RAW));
        assert_eq!(message.binary(&[1]).unwrap().unwrap(), "hi");
        assert_eq!(message.binary(&[2, 1]).unwrap().unwrap(), "body");
        assert!(message.binary(&[7]).is_none());
    }

    #[test]
    fn partials_are_cut() {
        let data = Bytes::from_static(b"0123");
        for (offset, count, expected) in
            [(0, 2, "01"), (3, 9, "3"), (4, 1, ""), (9, 1, ""), (1, u64::MAX, "123"), (u64::MAX, 1, "")]
        {
            assert_eq!(partial(&data, offset, count), expected);
        }
    }

    #[test]
    fn odd_messages() {
        for raw in ["", "\r\n", "A: b", "no header", "\r\nx"] {
            let message = Message::parse(Bytes::from(raw));
            assert_eq!(message.section(&[], Text::Whole).unwrap(), raw);
            let parts = [Text::Header, Text::Text].map(|text| message.section(&[], text).unwrap());
            assert_eq!(parts.concat(), raw.as_bytes());
            assert_eq!(message.section(&[1], Text::Whole), message.section(&[], Text::Text));
        }
    }

    #[test]
    fn twenty_megabytes_are_not_copied() {
        let mut raw = b"Subject: large\r\n\r\n".to_vec();
        raw.resize(20 << 20, b'x');
        let raw = Bytes::from(raw);
        let message = Message::parse(raw.clone());
        assert_eq!(message.section(&[1], Text::Whole).unwrap().as_ptr(), raw[18..].as_ptr());
    }
}
