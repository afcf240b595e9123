//! SEARCH: what is in a message's text ([RFC 9051 section 6.4.4](https://www.rfc-editor.org/rfc/rfc9051#section-6.4.4)).

use mailwire_imap::types::Address;

use super::{Content, Message, Part, casemap::Needle, decode, envelope::address_list, header};

impl Message {
    /// Tells whether a field with this name contains `needle`, with encoded words decoded: `HEADER` and
    /// `SUBJECT`. An empty needle asks for the field alone.
    ///
    /// Texts are compared by [`i;unicode-casemap`](https://www.rfc-editor.org/rfc/rfc5051), here and in the other
    /// searches: in any case, and with letters decomposed, so that `o` is found in `ö`.
    #[must_use]
    pub fn header_contains(&self, name: &[u8], needle: &str) -> bool {
        let needle = Needle::new(needle);
        header::fields(&self.header(&self.root))
            .filter(|field| field.is(name))
            .any(|field| needle.is_in(&super::encoded_words(&field.body)))
    }

    /// Tells whether an address field with this name contains `needle`, as [`header_contains`](Self::header_contains)
    /// does or in an address as ENVELOPE shows it: `FROM`, `TO`, `CC` and `BCC`. There, an address is
    /// `name <mailbox@host>`, without the comments, quotes and white space of the field.
    #[must_use]
    pub fn address_contains(&self, name: &[u8], needle: &str) -> bool {
        let needle = Needle::new(needle);
        header::fields(&self.header(&self.root)).filter(|field| field.is(name)).any(|field| {
            needle.is_in(&super::encoded_words(&field.body))
                || address_list(&field.value()).any(|address| needle.is_in(&shown(&address)))
        })
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

/// An address as a person reads it.
fn shown(address: &Address) -> String {
    let text = |text: &Option<mailwire_imap::types::ImapString>| {
        text.as_ref().map(|text| super::encoded_words(text.as_bytes())).unwrap_or_default()
    };
    match address.host {
        Some(_) => format!("{} <{}@{}>", text(&address.name), text(&address.mailbox), text(&address.host)),
        // The name of a group.
        None => text(&address.mailbox),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn finds_addresses_as_they_are_shown() {
        let message = Message::parse(Bytes::from_static(
            b"From: anna (c) . b @ (d) example.org (Anna (x) B)\r\n\
              To: \"Meier, \\\"J\\\"\" (d) Karl <k@x>, us: =?utf-8?q?=C3=9C?= <u@x>;\r\n\r\n",
        ));
        for (field, needle) in [
            ("from", "anna.b@example.org"),
            ("from", "Anna (x) B <ANNA"),
            ("from", "@ (d) example"),
            ("to", "meier, \"j\" karl"),
            ("to", "\\\"J"),
            ("to", "u\u{308} <U@x>"),
            ("to", "us"),
            ("to", ""),
        ] {
            assert!(message.address_contains(field.as_bytes(), needle), "{field} {needle}");
        }
        assert!(!message.address_contains(b"to", "anna") && !message.address_contains(b"cc", ""));
        assert!(!message.header_contains(b"from", "anna.b@example.org"));
    }

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
        assert!(
            message.header_contains(b"subject", "gru\u{308}") && message.header_contains(b"subject", "u")
        );
        assert!(!message.header_contains(b"subject", "gruess") && message.body_contains("jo"));
        assert!(message.header_contains(b"X-Empty", "") && !message.header_contains(b"X-None", ""));
        assert!(message.body_contains("j\u{f6}rg LACHT") && !message.body_contains("hidden"));
        assert!(!message.body_contains("alle") && message.text_contains("alle"));
        assert_eq!(message.sent_on(), Some((2026, 2, 2)));
        assert!(Message::parse(Bytes::new()).sent_on().is_none());
    }
}
