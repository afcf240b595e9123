//! SEARCH: whether a message is one that is looked for.

use std::{borrow::Cow, ops::Deref};

use mailwire_imap::{
    command::{AString, SearchKey},
    types::{Date, Uid, UidSet},
};

use super::{Content, Message, Part, decode, header};

/// A message of a mailbox, for SEARCH. Only what the keys ask for is asked of it.
pub trait Candidate {
    /// Its UID.
    fn uid(&self) -> u32;
    /// Whether this flag is set: `\\Seen`, `$Junk`.
    fn has_flag(&self, flag: &[u8]) -> bool;
    /// The day of its internal date, in the date's own time zone; `None` if it has none.
    fn internal_date(&self) -> Option<Date>;
    /// Its size in bytes.
    fn size(&self) -> u64;
    /// The message itself.
    fn message(&self) -> impl Deref<Target = Message>;

    /// Whether all is true of this message that `key` asks for (RFC 9051 section 6.4.4), one of the
    /// keys that a [`Session`](mailwire_transport::imap::server::Session) gets: sequence numbers and `\Recent` are resolved
    /// in them, and the ranges of their sets ascend.
    fn matches(&self, key: &SearchKey) -> bool {
        let field = |name: &[u8], word: &AString| self.message().header_contains(name, &word_of(word));
        let sent = |is: fn(Date, Date) -> bool, date: &Date| {
            self.message()
                .sent_on()
                .and_then(|(year, month, day)| Date::new(year, month, day).ok())
                .is_some_and(|sent| is(sent, *date))
        };
        match key {
            SearchKey::All => true,
            SearchKey::Answered => self.has_flag(b"\\Answered"),
            SearchKey::Bcc(word) => field(b"bcc", word),
            SearchKey::Before(date) => self.internal_date().is_some_and(|day| day < *date),
            SearchKey::Body(word) => self.message().body_contains(&word_of(word)),
            SearchKey::Cc(word) => field(b"cc", word),
            SearchKey::Deleted => self.has_flag(b"\\Deleted"),
            SearchKey::Draft => self.has_flag(b"\\Draft"),
            SearchKey::Flagged => self.has_flag(b"\\Flagged"),
            SearchKey::From(word) => field(b"from", word),
            SearchKey::Header(name, word) => field(name.as_bytes(), word),
            SearchKey::Keyword(keyword) => self.has_flag(keyword.as_bytes()),
            SearchKey::Larger(size) => self.size() > *size,
            SearchKey::Not(key) => !self.matches(key),
            SearchKey::On(date) => self.internal_date() == Some(*date),
            SearchKey::Or(one, other) => self.matches(one) || self.matches(other),
            SearchKey::Seen => self.has_flag(b"\\Seen"),
            SearchKey::SentBefore(date) => sent(|sent, date| sent < date, date),
            SearchKey::SentOn(date) => sent(|sent, date| sent == date, date),
            SearchKey::SentSince(date) => sent(|sent, date| sent >= date, date),
            SearchKey::Since(date) => self.internal_date().is_some_and(|day| day >= *date),
            SearchKey::Smaller(size) => self.size() < *size,
            SearchKey::Subject(word) => field(b"subject", word),
            SearchKey::Text(word) => self.message().text_contains(&word_of(word)),
            SearchKey::To(word) => field(b"to", word),
            SearchKey::Uid(set) => is_in(set, self.uid()),
            SearchKey::Unanswered => !self.has_flag(b"\\Answered"),
            SearchKey::Undeleted => !self.has_flag(b"\\Deleted"),
            SearchKey::Undraft => !self.has_flag(b"\\Draft"),
            SearchKey::Unflagged => !self.has_flag(b"\\Flagged"),
            SearchKey::Unkeyword(keyword) => !self.has_flag(keyword.as_bytes()),
            SearchKey::Unseen => !self.has_flag(b"\\Seen"),
            SearchKey::And(keys) => keys.iter().all(|key| self.matches(key)),
            _ => false,
        }
    }
}

/// In a set whose ranges ascend.
fn is_in(set: &UidSet, uid: u32) -> bool {
    let Some(uid) = Uid::new(uid) else { return false };
    let ranges = set.ranges();
    let place = ranges.partition_point(|range| range.bounds(Uid::MAX).1 < uid);
    ranges.get(place).is_some_and(|range| range.bounds(Uid::MAX).0 <= uid)
}

fn word_of(word: &AString) -> Cow<'_, str> {
    word.as_text().to_string_lossy()
}

impl Message {
    /// Whether a field with this name contains `needle`, in any case, with encoded words decoded:
    /// `HEADER`, `FROM`, `SUBJECT` and their like. An empty needle asks for the field alone.
    #[must_use]
    pub fn header_contains(&self, name: &[u8], needle: &str) -> bool {
        let needle = Needle::new(needle);
        header::fields(&self.header(&self.root))
            .filter(|field| field.is(name))
            .any(|field| needle.is_in(&super::encoded_words(&field.body)))
    }

    /// Whether the text of the body contains `needle`: `BODY`. Texts are decoded, in the header of
    /// each part too.
    #[must_use]
    pub fn body_contains(&self, needle: &str) -> bool {
        self.body_has(&self.root, &Needle::new(needle))
    }

    /// The same, or the header: `TEXT`.
    #[must_use]
    pub fn text_contains(&self, needle: &str) -> bool {
        let needle = Needle::new(needle);
        self.header_has(&self.root, &needle) || self.body_has(&self.root, &needle)
    }

    /// The day of the Date field, in its own time zone: year, month, day. For `SENTON` and its like.
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
