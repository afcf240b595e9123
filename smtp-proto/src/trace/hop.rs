//! The way that a message has come, as its trace fields tell it.

use alloc::vec::Vec;
use core::net::IpAddr;

use mailwire_core::Text;

use super::{Protocol, Timestamp};
use crate::extensions::priority::Priority;

/// A step on a message's way: a field `Received` as some server wrote it.
///
/// Servers write what they like there, and whoever sends a message can put such fields before it: only those of one's own
/// servers, which stand on top, are to be believed ([RFC 5321 section
/// 7.6](https://www.rfc-editor.org/rfc/rfc5321#section-7.6)). What is not there, or cannot be understood, is `None`.
///
/// # Examples
///
/// ```
/// use mailwire_smtp::trace::Hop;
///
/// let hop = Hop::read(
///     b"from mail.example.org (mail.example.org [192.0.2.1]) (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)
///       by mx.example.net (Postfix) with ESMTPS id 4XyZ for <bob@example.net>; Sat, 28 Nov 2026 23:31:11 +0100",
/// );
/// assert_eq!(hop.from.unwrap(), "mail.example.org");
/// assert_eq!(hop.address, "192.0.2.1".parse().ok());
/// assert_eq!(hop.recipient.unwrap(), "bob@example.net");
/// assert_eq!(hop.date.unwrap().seconds(), 1_795_905_071);
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hop {
    /// What the client called itself, after `from`; for servers that write so, after `helo=` or `HELO` in a comment.
    pub from: Option<Text>,
    /// The name that belongs to the client's address.
    pub reverse: Option<Text>,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The server that took the message.
    pub by: Option<Text>,
    /// The link, after `via`.
    pub via: Option<Text>,
    /// The protocol, after `with`, as it stands there; several words are one text. See [`protocol`](Self::protocol).
    pub with: Option<Text>,
    /// The server's name for the message.
    pub id: Option<Text>,
    /// The recipient, after `for`, without angle brackets; several are one text.
    pub recipient: Option<Text>,
    /// The TLS cipher suite, after `tls`, or after `cipher` in a comment.
    pub cipher_suite: Option<Text>,
    /// The priority that the server gave it, by MT-PRIORITY.
    pub priority: Option<Priority>,
    /// The comments, in their order, without their outer parentheses: 50 at most.
    pub comments: Vec<Text>,
    /// When the server took the message, by its own clock.
    pub date: Option<Timestamp>,
    /// The seconds since the hop before, where [`hops`] has read both: less than 0 if their clocks differ.
    pub delay: Option<i64>,
}

/// So many fields of a header are looked at: those that were written last.
const MOST: usize = 500;

/// The most bytes of a field. Servers write some hundred.
const LONGEST: usize = 16 * 1024;

/// The most comments of a field that are kept: each is a value of its own, however little it says.
const COMMENTS: usize = 50;

/// Reads the way of a message out of its header, or the whole message: the first hop first, each with the seconds that it
/// took. At most 500 are read, those that were written last. A field that cannot be understood is a hop of which nothing is
/// known.
///
/// # Examples
///
/// ```
/// use mailwire_smtp::trace::hops;
///
/// let message = b"Received: from b by c; Sat, 28 Nov 2026 23:31:11 +0100\r\n\
///     Received: from a by b; Sat, 28 Nov 2026 22:31:01 +0000\r\nSubject: hi\r\n\r\nhello\r\n";
/// let hops = hops(message);
/// assert_eq!(hops[0].from.as_ref().unwrap(), &"a");
/// assert_eq!(hops[1].delay, Some(10));
/// ```
#[must_use]
pub fn hops(message: &[u8]) -> Vec<Hop> {
    let mut hops: Vec<Hop> = Fields { rest: message }
        .filter(|(name, _)| name.trim_ascii_end().eq_ignore_ascii_case(b"received"))
        .take(MOST)
        .map(|(_, value)| Hop::read(value))
        .collect();
    hops.reverse();
    let mut before: Option<i64> = None;
    for hop in &mut hops {
        let now = hop.date.map(Timestamp::seconds);
        hop.delay = now.zip(before).map(|(now, before)| now - before);
        before = now.or(before);
    }
    hops
}

/// The fields of a header up to the empty line, each with the lines that it goes on in.
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut end = 0;
            loop {
                let rest = self.rest.get(end..).unwrap_or_default();
                let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |length| length + 1);
                end += length;
                if length == 0 || !matches!(self.rest.get(end), Some(b' ' | b'\t')) {
                    break;
                }
            }
            let (field, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest;
            if matches!(field, b"" | b"\n" | b"\r\n") {
                return None;
            }
            // A line that is no field is passed over.
            let Some(colon) = memchr::memchr(b':', field) else { continue };
            let (name, value) = field.split_at_checked(colon)?;
            return Some((name, value.get(1..)?));
        }
    }
}

/// The clauses that begin with these words.
const CLAUSES: [&[u8]; 8] = [b"from", b"by", b"via", b"with", b"id", b"for", b"tls", b"priority"];

impl Hop {
    /// Reads what stands after `Received:`, folded or not. It takes time in proportion to its length, and never fails; of a
    /// field of more than 16 KiB nothing is known.
    #[must_use]
    pub fn read(value: &[u8]) -> Self {
        let mut hop = Self::default();
        if value.len() > LONGEST {
            return hop;
        }
        let mut values: [Vec<u8>; CLAUSES.len()] = Default::default();
        let mut seen = [false; CLAUSES.len()];
        let (mut at, mut client, mut date) = (None, Vec::new(), None);
        let mut tokens = Tokens { text: value, at: 0 };
        while let Some(token) = tokens.next() {
            match token {
                Token::Comment(_) if hop.comments.len() >= COMMENTS => {}
                Token::Comment(comment) => {
                    // What is said of the client stands after its name.
                    if at == Some(0) {
                        client.push(comment);
                    }
                    hop.comments.push(Text::from(comment));
                }
                Token::Semicolon => (at, date) = (None, Some(tokens.at)),
                Token::Word(word) => {
                    let clause = CLAUSES.iter().position(|name| word.eq_ignore_ascii_case(name));
                    let new = clause.filter(|&clause| seen.get(clause) == Some(&false));
                    if let Some(seen) = new.and_then(|new| seen.get_mut(new)) {
                        *seen = true;
                        at = new;
                    } else if let Some(value) = at.and_then(|at| values.get_mut(at)) {
                        if !value.is_empty() {
                            value.push(b' ');
                        }
                        value.extend_from_slice(word);
                    }
                }
            }
        }
        let [from, by, via, with, id, recipient, tls, priority] = values.map(text);
        hop.date = date.and_then(|date| Timestamp::read(value.get(date..)?));
        let recipient = recipient.as_ref().map(|recipient| bare(recipient.as_bytes()));
        hop.recipient = recipient.filter(|recipient| !recipient.is_empty()).map(Text::from);
        hop.cipher_suite = tls.or_else(|| hop.comments.iter().find_map(|comment| cipher(comment.as_bytes())));
        hop.priority = priority.and_then(|number| Priority::new(number.as_str()?.parse().ok()?));
        (hop.by, hop.via, hop.with, hop.id) = (by, via, with, id);
        hop.client(from, &client);
        hop
    }

    /// Reads who the client is: its name, and the comments after it.
    fn client(&mut self, from: Option<Text>, comments: &[&[u8]]) {
        let words = |comment: &'_ [u8]| -> Vec<Text> {
            let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')' | b',');
            comment.split(blank).filter(|word| !word.is_empty()).map(Text::from).collect()
        };
        let mut hello: Option<Text> = None;
        let mut named: Option<Text> = None;
        self.address = from.as_ref().and_then(|from| address(from.as_bytes()));
        for comment in comments {
            let words = words(comment);
            let mut words = words.iter().peekable();
            let mut first = true;
            while let Some(word) = words.next() {
                let bytes = word.as_bytes();
                let found = address(bytes);
                if let Some(name) = after(bytes, b"helo=") {
                    hello = hello.or_else(|| Some(Text::from(name)));
                } else if matches!(bytes, [_, _, _, _] if bytes.eq_ignore_ascii_case(b"helo") || bytes.eq_ignore_ascii_case(b"ehlo"))
                {
                    hello = hello.or_else(|| words.next().cloned());
                } else if found.is_some() {
                    self.address = self.address.or(found);
                } else if first && is_name(bytes) && named.is_none() {
                    named = Some(word.clone());
                }
                first = false;
            }
        }
        let known = |name: &Text| !name.as_bytes().eq_ignore_ascii_case(b"unknown");
        (self.from, self.reverse) = match hello {
            // The name before the comment is then what belongs to the address.
            Some(hello) => {
                let name = from.filter(|name| known(name) && address(name.as_bytes()).is_none());
                (Some(hello), named.or(name))
            }
            None => (from, named.filter(known)),
        };
    }

    /// The protocol, if [`with`](Self::with) is a registered word.
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        Protocol::of(self.with.as_ref()?.as_bytes())
    }

    /// Whether the field says that TLS protected the message on this hop: by the protocol's word, or by a cipher suite.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.cipher_suite.is_some() || self.protocol().is_some_and(Protocol::is_tls)
    }
}

fn text(value: Vec<u8>) -> Option<Text> {
    (!value.is_empty()).then(|| Text::from(&value[..]))
}

/// An address of the IP, in brackets or without, as in `[192.0.2.1]:1234` and `IPv6:2001:db8::1`.
fn address(word: &[u8]) -> Option<IpAddr> {
    let word = word.strip_prefix(b"[").map_or(word, |rest| {
        rest.get(..memchr::memchr(b']', rest).unwrap_or(rest.len())).unwrap_or_default()
    });
    let word = after(word, b"ipv6:").unwrap_or(word);
    core::str::from_utf8(word).ok()?.parse().ok()
}

/// Whether a word may be the name of a host.
fn is_name(word: &[u8]) -> bool {
    let alike =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') || *byte >= 0x80;
    word.iter().all(alike)
        && (word.contains(&b'.') || word.eq_ignore_ascii_case(b"unknown") || word == b"localhost")
}

/// What follows these letters, in any case.
fn after<'a>(word: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    let (first, rest) = word.split_at_checked(start.len())?;
    (first.eq_ignore_ascii_case(start) && !rest.is_empty()).then_some(rest)
}

/// An address without the angle brackets around it.
fn bare(recipient: &[u8]) -> &[u8] {
    let inner = recipient.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">"));
    inner.filter(|inner| !inner.contains(&b'<')).unwrap_or(recipient)
}

/// The suite in `using TLSv1.3 with cipher NAME (256 bits)` and `version=TLS1_3 cipher=NAME bits=256`.
fn cipher(comment: &[u8]) -> Option<Text> {
    let at = memchr::memmem::find(comment, b"cipher")?;
    let rest = comment.get(at..)?.get(6..)?;
    let [b' ' | b'=', rest @ ..] = rest else { return None };
    let end = rest.iter().position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')));
    let name = rest.get(..end.unwrap_or(rest.len()))?;
    (!name.is_empty()).then(|| Text::from(name))
}

/// A part of the field.
enum Token<'a> {
    Word(&'a [u8]),
    /// Without the outer parentheses.
    Comment(&'a [u8]),
    Semicolon,
}

struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let byte = loop {
            match self.text.get(self.at)? {
                b' ' | b'\t' | b'\r' | b'\n' | b')' => self.at += 1,
                byte => break *byte,
            }
        };
        let start = self.at;
        if byte == b';' {
            self.at += 1;
            return Some(Token::Semicolon);
        }
        if byte == b'(' {
            self.comment();
            let comment = self.text.get(start..self.at).unwrap_or_default();
            let comment = comment.strip_prefix(b"(").unwrap_or(comment);
            return Some(Token::Comment(comment.strip_suffix(b")").unwrap_or(comment)));
        }
        self.word();
        Some(Token::Word(self.text.get(start..self.at).unwrap_or_default()))
    }
}

impl Tokens<'_> {
    /// Steps over a comment, in which others may stand.
    fn comment(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.text.get(self.at) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'(' => depth += 1,
                b')' if depth == 1 => break,
                b')' => depth -= 1,
                _ => {}
            }
        }
        self.at = self.at.min(self.text.len());
    }

    /// Steps over a word: up to a blank, a comment or a semicolon that is not quoted.
    fn word(&mut self) {
        let mut quoted = false;
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b'\\' if quoted => self.at += 1,
                b'"' => quoted = !quoted,
                b' ' | b'\t' | b'(' | b';' if !quoted => break,
                // No quotes go on over the end of a line.
                b'\r' | b'\n' => break,
                _ => {}
            }
            self.at += 1;
        }
        self.at = self.at.min(self.text.len());
    }
}
