//! The field that every server adds.

use alloc::{string::ToString, vec::Vec};
use core::net::IpAddr;

use mailwire_core::{Invalid, Text, private::check_text, setters};

use super::{Protocol, Timestamp};
use crate::{
    AddressLiteral, Domain, EhloName, Host, Mailbox,
    extensions::priority::Priority,
    types::chars::{self, ATEXT},
};

/// The field `Received`: who gave a message to whom, by which protocol, and when ([RFC 5321 section
/// 4.4](https://www.rfc-editor.org/rfc/rfc5321#section-4.4)). The [module](super) has an example.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What the client calls itself in EHLO, HELO or LHLO.
    pub from: EhloName,
    /// The client's address, as the connection has it.
    pub address: Option<IpAddr>,
    /// The name that belongs to the client's address, if it was looked up and leads back to the address.
    pub reverse: Option<Domain>,
    /// The name of the server that writes the field.
    pub by: Host,
    /// The protocol that the message came by.
    pub protocol: Option<Protocol>,
    /// The recipient. One at most: a list would show to each who the others are ([RFC 5321 section
    /// 7.6](https://www.rfc-editor.org/rfc/rfc5321#section-7.6)).
    pub recipient: Option<Mailbox>,
    /// The priority that the message has by MT-PRIORITY ([RFC 6710 section
    /// 7](https://www.rfc-editor.org/rfc/rfc6710#section-7)).
    pub priority: Option<Priority>,
    /// The moment when the message came.
    pub date: Timestamp,
    /// See [`with_id`](Self::with_id).
    id: Option<Text>,
    /// See [`with_cipher_suite`](Self::with_cipher_suite).
    cipher_suite: Option<Text>,
}

/// What is written of a name that is none, in bytes. A line has 998 at most.
const KEPT: usize = 255;

impl Received {
    /// A field that says who gave the message to whom, and when.
    #[must_use]
    pub const fn new(from: EhloName, by: Host, date: Timestamp) -> Self {
        Self {
            from,
            address: None,
            reverse: None,
            by,
            protocol: None,
            recipient: None,
            priority: None,
            date,
            id: None,
            cipher_suite: None,
        }
    }

    /// Sets the name that the server has for the message.
    ///
    /// # Errors
    ///
    /// A text that is no atom of at most 255 bytes: letters, digits and ``!#$%&'*+-/=?^_`{|}~``.
    pub fn with_id(mut self, id: impl Into<Text>) -> Result<Self, Invalid> {
        let id = id.into();
        check_text(
            "queue id",
            id.as_bytes(),
            1..=KEPT,
            |byte| chars::is(byte, ATEXT),
            "not a character of an atom",
        )?;
        self.id = Some(id);
        Ok(self)
    }

    /// Sets the registered name of the TLS cipher suite, such as `TLS13_AES_256_GCM_SHA384` ([RFC 8314 section
    /// 4.3](https://www.rfc-editor.org/rfc/rfc8314#section-4.3)).
    ///
    /// # Errors
    ///
    /// A text that is no letter and then letters, digits and `_`, of at most 255 bytes.
    pub fn with_cipher_suite(mut self, name: impl Into<Text>) -> Result<Self, Invalid> {
        const WHAT: &str = "cipher suite";
        let name = name.into();
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        check_text(WHAT, name.as_bytes(), 1..=KEPT, is_word, "not a letter, a digit or _")?;
        if !name.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) {
            return Err(Invalid::new(WHAT, 0, "expected a letter"));
        }
        self.cipher_suite = Some(name);
        Ok(self)
    }

    /// The name that the server has for the message.
    #[must_use]
    pub const fn id(&self) -> Option<&Text> {
        self.id.as_ref()
    }

    /// The TLS cipher suite.
    #[must_use]
    pub const fn cipher_suite(&self) -> Option<&Text> {
        self.cipher_suite.as_ref()
    }

    /// Whether a text may stand in the field: beyond ASCII after SMTPUTF8 only ([RFC 6531 section
    /// 3.7.3](https://www.rfc-editor.org/rfc/rfc6531#section-3.7.3)).
    fn permits(&self, text: &[u8]) -> bool {
        text.is_ascii() || self.protocol.is_some_and(Protocol::is_smtp_utf8)
    }

    /// Appends the field with its line ends.
    ///
    /// A client's name that is no name of a host stands in a comment, without what could end that. The recipient is
    /// left out where it would make the line too long, or needs SMTPUTF8 that MAIL did not have; so is a name that belongs to
    /// the client's address, and the server's own name is `unknown` then.
    ///
    /// ```abnf
    /// Time-stamp-line = "Received:" FWS Stamp <CRLF>                ; RFC 5321 section 4.4
    /// Stamp           = From-domain By-domain Opt-info [CFWS] ";" FWS date-time
    /// From-domain     = "FROM" FWS Extended-Domain
    /// By-domain       = CFWS "BY" FWS Extended-Domain
    /// Extended-Domain = Domain / ( Domain FWS "(" TCP-info ")" ) /
    ///                   ( address-literal FWS "(" TCP-info ")" )
    /// TCP-info        = address-literal / ( Domain FWS address-literal )
    /// Opt-info        = [Via] [With] [ID] [For] [Additional-Registered-Clauses]
    /// Pri             = CFWS "PRIORITY" FWS priority-value           ; RFC 6710 section 7
    /// ```
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_from(out);
        put(out, &[b"\r\n\tby ", self.host(&self.by)]);
        if let Some(protocol) = self.protocol {
            put(out, &[b" with ", protocol.as_str().as_bytes()]);
        }
        if let Some(id) = &self.id {
            put(out, &[b" id ", id.as_bytes()]);
        }
        if let Some(recipient) = self.recipient.as_ref().map(Mailbox::as_bytes) {
            if recipient.len() <= 2 * KEPT && self.permits(recipient) {
                put(out, &[b"\r\n\tfor <", recipient, b">"]);
            }
        }
        if let Some(cipher_suite) = &self.cipher_suite {
            put(out, &[b"\r\n\ttls ", cipher_suite.as_bytes()]);
        }
        if let Some(priority) = self.priority {
            put(out, &[b"\r\n\tpriority ", priority.get().to_string().as_bytes()]);
        }
        put(out, &[b";\r\n\t", self.date.to_string().as_bytes(), b"\r\n"]);
    }

    fn write_from(&self, out: &mut Vec<u8>) {
        let named =
            self.from.host().filter(|host| host.as_bytes().len() <= KEPT && self.permits(host.as_bytes()));
        let address = self.address.map(|address| AddressLiteral::from(address.to_canonical()));
        let address = address.as_ref().map(AddressLiteral::as_bytes);
        let name = named.as_ref().map(Host::as_bytes);
        put(out, &[b"Received: from ", name.or(address).unwrap_or(b"unknown")]);
        if let Some(address) = address {
            out.extend_from_slice(b" (");
            let fits =
                |reverse: &&Domain| reverse.as_bytes().len() <= KEPT && self.permits(reverse.as_bytes());
            if let Some(reverse) = self.reverse.as_ref().filter(fits) {
                put(out, &[reverse.as_bytes(), b" "]);
            }
            put(out, &[address, b")"]);
        }
        if named.is_none() {
            out.extend_from_slice(b"\r\n\t(called ");
            for &byte in self.from.as_bytes().iter().take(KEPT) {
                match byte {
                    b'(' | b')' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                    b'!'..=b'~' => out.push(byte),
                    _ => out.push(b'?'),
                }
            }
            out.push(b')');
        }
    }

    fn host<'a>(&self, host: &'a Host) -> &'a [u8] {
        let bytes = host.as_bytes();
        if bytes.len() <= KEPT && self.permits(bytes) { bytes } else { b"unknown" }
    }
}

setters!(Received {
    with_address(address: some IpAddr),
    with_reverse(reverse: some Domain),
    with_protocol(protocol: some Protocol),
    with_recipient(recipient: some Mailbox),
    with_priority(priority: some Priority),
});

fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use mailwire_core::{Cursor, Dialect};

    use super::*;

    fn written(received: &Received) -> String {
        let mut out = Vec::new();
        received.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn received(from: &str) -> Received {
        let from =
            Cursor::parse(&Text::from(from).into_bytes(), Dialect::Lenient, EhloName::read).unwrap().value;
        Received::new(from, "mx.example".try_into().unwrap(), Timestamp::new(0, 0).unwrap())
    }

    #[test]
    fn whole() {
        let whole = received("client.example")
            .with_address("2001:db8::1".parse().unwrap())
            .with_reverse("name.example".parse().unwrap())
            .with_protocol(Protocol::smtp(true).with_tls(true).with_authenticated(true))
            .with_recipient("\"b c\"@mx.example".parse().unwrap())
            .with_priority(Priority::new(-3).unwrap())
            .with_id("a1-b2")
            .unwrap()
            .with_cipher_suite("TLS13_AES_256_GCM_SHA384")
            .unwrap();
        assert_eq!(
            written(&whole),
            "Received: from client.example (name.example [IPv6:2001:db8::1])\r\n\
             \tby mx.example with ESMTPSA id a1-b2\r\n\
             \tfor <\"b c\"@mx.example>\r\n\
             \ttls TLS13_AES_256_GCM_SHA384\r\n\
             \tpriority -3;\r\n\
             \tThu, 1 Jan 1970 00:00:00 +0000\r\n"
        );
        assert_eq!(
            written(&received("[192.0.2.1]")),
            "Received: from [192.0.2.1]\r\n\tby mx.example;\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n"
        );
        // An address of IPv4 that came over a socket of IPv6.
        let mapped = received("a").with_address("::ffff:192.0.2.1".parse().unwrap());
        assert!(written(&mapped).starts_with("Received: from a ([192.0.2.1])\r\n"));
    }

    /// What a client calls itself is anybody's.
    #[test]
    fn no_name_ends_the_field() {
        let long = "x".repeat(4000);
        for name in ["a_b", "x)(y\\", ";", "<a@b>", "a\u{fc}", "::1", "()", "\\)", "for", long.as_str()] {
            for address in [None, Some("192.0.2.1".parse().unwrap())] {
                let field = Received { address, ..received(name) };
                let text = written(&field);
                assert!(text.is_ascii(), "{text}");
                let lines: Vec<&str> = text.split("\r\n").collect();
                assert!(lines.iter().skip(1).all(|line| line.is_empty() || line.starts_with('\t')), "{text}");
                assert!(
                    lines.iter().all(|line| line.len() <= 998 && !line.contains(['\r', '\n', '\0'])),
                    "{text}"
                );
                // Outside of comments there are three words and a date.
                let (mut depth, mut quoted, mut outside) = (0, false, String::new());
                for char in text.chars() {
                    match char {
                        _ if quoted => quoted = false,
                        '\\' => quoted = true,
                        '(' => depth += 1,
                        ')' => depth -= 1,
                        char if depth == 0 => outside.push(char),
                        _ => {}
                    }
                }
                assert_eq!(depth, 0, "{text}");
                let words: Vec<&str> = outside.split_whitespace().collect();
                assert_eq!(
                    (words[0], words[1], words[3], words.len()),
                    ("Received:", "from", "by", 11),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn beyond_ascii_after_smtputf8_only() {
        let field = Received::new(
            "b\u{fc}cher.example".parse().unwrap(),
            "mx.b\u{fc}cher.example".try_into().unwrap(),
            Timestamp::new(0, 0).unwrap(),
        )
        .with_recipient("\u{e9}@mx.example".parse().unwrap());
        assert!(written(&field).is_ascii());
        let utf8 = written(&field.with_protocol(Protocol::lmtp().with_smtp_utf8(true)));
        assert!(
            utf8.starts_with(
                "Received: from b\u{fc}cher.example\r\n\tby mx.b\u{fc}cher.example with UTF8LMTP"
            ),
            "{utf8}"
        );
        assert!(utf8.contains("for <\u{e9}@mx.example>"));
    }

    /// RFC 5322 section 2.1.1, whatever the application says.
    #[test]
    fn no_line_is_too_long() {
        let long = "x.".repeat(600) + "example";
        let field = Received::new(
            "client.example".parse().unwrap(),
            Host::try_from(&*long).unwrap(),
            Timestamp::new(0, 0).unwrap(),
        )
        .with_address("192.0.2.1".parse().unwrap())
        .with_reverse(long.parse().unwrap())
        .with_protocol(Protocol::smtp(true))
        .with_recipient(Mailbox::try_from(&*alloc::format!("a@{long}")).unwrap())
        .with_id("i".repeat(KEPT))
        .unwrap()
        .with_cipher_suite("C".repeat(KEPT))
        .unwrap();
        let text = written(&field);
        assert!(text.lines().all(|line| line.len() <= 998), "{text}");
        assert!(
            text.starts_with("Received: from client.example ([192.0.2.1])\r\n\tby unknown with ESMTP id iii")
        );
    }

    #[test]
    fn ids_are_atoms() {
        for id in ["", "a b", "a;b", "a\r\nb", "(a)", "a\u{e9}", "a@b"] {
            assert!(received("a").with_id(id).is_err(), "{id:?}");
        }
        for name in ["", "1A", "A B", "A\r\n", "A-B"] {
            assert!(received("a").with_cipher_suite(name).is_err(), "{name:?}");
        }
    }
}
