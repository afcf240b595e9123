//! SEARCH: what is in a message's text ([RFC 9051 section 6.4.4](https://www.rfc-editor.org/rfc/rfc9051#section-6.4.4)).

use std::borrow::Cow;

use super::{Content, Message, Part, decode, header};

impl Message {
    /// Tells whether a field with this name contains `needle`, in any case, with encoded words decoded:
    /// `HEADER`, `FROM`, `SUBJECT` and their like. An empty needle asks for the field alone.
    #[must_use]
    pub fn header_contains(&self, name: &[u8], needle: &str) -> bool {
        let needle = Needle::new(needle);
        header::fields(&self.header(&self.root))
            .filter(|field| field.is(name))
            .any(|field| needle.is_in(&super::encoded_words(&field.body)))
    }

    /// Tells whether the text of the body contains `needle`: `BODY`. Texts are decoded, in the header of
    /// each part too.
    #[must_use]
    pub fn body_contains(&self, needle: &str) -> bool {
        self.body_has(&self.root, &Needle::new(needle))
    }

    /// Tells whether the header, or the text of the body, contains `needle`: `TEXT`.
    #[must_use]
    pub fn text_contains(&self, needle: &str) -> bool {
        let needle = Needle::new(needle);
        self.header_has(&self.root, &needle) || self.body_has(&self.root, &needle)
    }

    /// Reads the day of the Date field, in its own time zone: year, month, day. For `SENTON` and its like.
    #[must_use]
    pub fn sent_on(&self) -> Option<(u16, u8, u8)> {
        let date = header::first(&self.header(&self.root), b"date")?;
        let date = mail_parser::DateTime::parse_rfc822(&String::from_utf8_lossy(&date))?;
        date.is_valid().then_some((date.year, date.month, date.day))
    }

    fn header_has(&self, part: &Part, needle: &Needle) -> bool {
        let header = self.header(part);
        header::fields(&header).any(|field| {
            let value = super::encoded_words(&field.body);
            // The field as a person sees it, and its value alone where the needle ends in it.
            needle.is_in(&format!("{}: {value}", String::from_utf8_lossy(&field.name)))
        })
    }

    fn body_has(&self, part: &Part, needle: &Needle) -> bool {
        match &part.content {
            Content::Multipart(parts) => {
                parts.iter().any(|part| self.header_has(part, needle) || self.body_has(part, needle))
            }
            Content::Message { message, .. } => {
                self.header_has(message, needle) || self.body_has(message, needle)
            }
            Content::Leaf { .. } if part.content_type.kind.eq_ignore_ascii_case(b"text") => {
                let Ok(body) = self.decoded(part) else { return false };
                let charset = part.content_type.parameter("charset").map(|charset| &charset[..]);
                needle.is_in(&decode::charset(&body, charset))
            }
            Content::Leaf { .. } => false,
        }
    }
}

/// What is looked for, in any case.
struct Needle(String);

impl Needle {
    fn new(text: &str) -> Self {
        Self(lower(text).into_owned())
    }

    fn is_in(&self, haystack: &str) -> bool {
        self.0.is_empty() || memchr::memmem::find(lower(haystack).as_bytes(), self.0.as_bytes()).is_some()
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    let is_lower = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if is_lower { text.into() } else { text.to_lowercase().into() }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn finds_text_whatever_its_encoding() {
        let message = Message::parse(Bytes::from_static(
            b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= an alle\r\nDate: Mon, 2 Feb 2026 23:30:00 -0800\r\n\
              X-Empty:\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
              --x\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\
              Content-Transfer-Encoding: quoted-printable\r\n\r\nJ=F6rg l=\r\nacht\r\n\
              --x\r\nContent-Type: application/x\r\n\r\nhidden\r\n--x--\r\n",
        ));
        assert!(message.header_contains(b"subject", "GR\u{dc}\u{df}E AN"));
        assert!(message.header_contains(b"X-Empty", "") && !message.header_contains(b"X-None", ""));
        assert!(message.body_contains("j\u{f6}rg LACHT") && !message.body_contains("hidden"));
        assert!(!message.body_contains("alle") && message.text_contains("alle"));
        assert_eq!(message.sent_on(), Some((2026, 2, 2)));
        assert!(Message::parse(Bytes::new()).sent_on().is_none());
    }
}
