//! The header field `Require-Recipient-Valid-Since`: [RFC 7293 section 5.2](https://www.rfc-editor.org/rfc/rfc7293#section-5.2).

use bytes::{Bytes, BytesMut};
use mail_parser::DateTime;
use mailwire_smtp::{Mailbox, Rcpt};

use crate::message::header;

/// As much of a header is looked at, in bytes. What is beyond is stored as it is.
const HEADER: usize = 64 * 1024;

/// As many fields count.
const FIELDS: usize = 100;

const NAME: &[u8] = b"Require-Recipient-Valid-Since";

/// Mailboxes of an office, whoever has it: RFC 2142.
const ROLES: [&str; 15] = [
    "info",
    "marketing",
    "sales",
    "support",
    "abuse",
    "noc",
    "security",
    "postmaster",
    "hostmaster",
    "usenet",
    "news",
    "webmaster",
    "www",
    "uucp",
    "ftp",
];

/// The header of a message, as it comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Header {
    held: BytesMut,
}

/// Since when somebody must have had an address, in seconds since 1970.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Required {
    address: Mailbox,
    pub(crate) since: i64,
}

impl Header {
    /// Takes a piece of the message; false once there is enough.
    pub(crate) fn push(&mut self, piece: &[u8]) -> bool {
        // The end can be in both pieces.
        let from = self.held.len().saturating_sub(3);
        self.held.extend_from_slice(piece);
        let new = self.held.get(from..).unwrap_or_default();
        let is_empty = self.held.starts_with(b"\r\n");
        self.held.len() < HEADER && !is_empty && !new.windows(4).any(|end| end == b"\r\n\r\n")
    }

    /// What was held, without the fields; and what these say.
    pub(crate) fn split(self) -> (Bytes, Vec<Required>) {
        let all = self.held.freeze();
        let (mut kept, mut required) = (BytesMut::new(), Vec::new());
        let (mut fields, mut start) = (header::fields(&all), 0);
        while let Some(field) = fields.next() {
            if !field.is(NAME) {
                continue;
            }
            let end = fields.position();
            kept.extend_from_slice(all.get(start..end - field.whole.len()).unwrap_or_default());
            start = end;
            if required.len() < FIELDS {
                required.extend(parse(&field.value()));
            }
        }
        let tail = all.slice(start..);
        if kept.is_empty() {
            (tail, required)
        } else {
            kept.extend_from_slice(&tail);
            (kept.freeze(), required)
        }
    }
}

/// ```abnf
/// rrvs = "Require-Recipient-Valid-Since:" addr-spec ";" date-time CRLF
/// ```
/// One that is none, or of a [role](ROLES), counts for nothing.
fn parse(value: &[u8]) -> Option<Required> {
    let value = std::str::from_utf8(value).ok()?;
    // A quoted local part can have a semicolon; a date has none.
    let (address, date) = value.rsplit_once(';')?;
    let address = Mailbox::try_from(address.trim()).ok()?;
    let is_role = ROLES.iter().any(|role| role.eq_ignore_ascii_case(&address.unquoted_local_part()));
    let date = DateTime::parse_rfc822(date.trim()).filter(DateTime::is_valid)?;
    (!is_role).then(|| Required { address, since: date.to_timestamp() })
}

impl Required {
    /// Whether it is about this recipient, of whom RCPT has not said it.
    pub(crate) fn is_about(&self, rcpt: &Rcpt) -> bool {
        rcpt.parameters().valid_since.is_none()
            && rcpt.to.mailbox().is_some_and(|to| {
                to.domain().eq_ignore_ascii_case(self.address.domain())
                    && to.unquoted_local_part().eq_ignore_ascii_case(&self.address.unquoted_local_part())
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_taken_out_however_the_header_comes() {
        let field = "Require-Recipient-Valid-Since: ann@b.example;\r\n\tSat, 1 Jun 2013 09:23:01 -0700\r\n";
        let message = format!("A: 1\r\n{field}B: 2\r\n 3\r\nrequire-recipient-valid-SINCE:x\r\n\r\n{field}");
        for size in 1..message.len() {
            let mut header = Header::default();
            let mut pieces = message.as_bytes().chunks(size);
            while header.push(pieces.next().unwrap()) {}
            let (kept, required) = header.split();
            let rest = pieces.flatten().copied().collect::<Vec<_>>();
            let expected = format!("A: 1\r\nB: 2\r\n 3\r\n\r\n{field}");
            assert_eq!(String::from_utf8([&kept[..], &rest].concat()).unwrap(), expected, "{size}");
            assert_eq!(required.iter().map(|one| one.since).collect::<Vec<_>>(), [1_370_103_781], "{size}");
        }
    }

    #[test]
    fn messages_without_end_are_held_no_further() {
        for (message, limit) in [("\r\nno header", 11), ("a: b\r\n", HEADER + 6), ("x", HEADER + 1)] {
            let mut header = Header::default();
            let mut all = 0;
            loop {
                all += message.len();
                if !header.push(message.as_bytes()) {
                    break;
                }
            }
            assert!(all <= limit, "{message:?}: {all}");
            assert_eq!((header.split().0.len(), header_of(message, all)), (all, Vec::new()));
        }
    }

    fn header_of(message: &str, length: usize) -> Vec<Required> {
        let mut header = Header::default();
        header.push(message.repeat(length / message.len()).as_bytes());
        header.split().1
    }

    #[test]
    fn what_counts() {
        for (value, since) in [
            ("ann@b.example; Sat, 1 Jun 2013 09:23:01 -0700", Some(1_370_103_781)),
            ("\"a;b\"@b.example ; 1 Jun 2013 16:23:01 +0000", Some(1_370_103_781)),
            ("Postmaster@b.example; Sat, 1 Jun 2013 09:23:01 -0700", None),
            ("ann@b.example; yesterday", None),
            ("ann; Sat, 1 Jun 2013 09:23:01 -0700", None),
            ("ann@b.example", None),
            ("\u{ff}", None),
        ] {
            assert_eq!(parse(value.as_bytes()).map(|one| one.since), since, "{value}");
        }
        assert_eq!(parse(b"\xff@b.example; Sat, 1 Jun 2013 09:23:01 -0700"), None);
    }
}
