//! SEARCH: what is in a message's text ([RFC 9051 section 6.4.4](https://www.rfc-editor.org/rfc/rfc9051#section-6.4.4)).

use std::collections::BTreeMap;

use mailwire_imap::types::Address;

use super::{
    Content, Message, Part,
    casemap::casemap,
    charset::Charset,
    date,
    envelope::address_list,
    header,
    needles::{Needles, Position},
    pieces::Pieces,
};

impl Message {
    /// Tells whether a field with this name contains `needle`, with encoded words decoded: `HEADER` and
    /// `SUBJECT`. An empty needle asks for the field alone.
    ///
    /// Texts are compared by [`i;unicode-casemap`](https://www.rfc-editor.org/rfc/rfc5051), here and in the other
    /// searches: in any case, and with letters decomposed, so that `o` is found in `ö`.
    #[must_use]
    pub fn header_contains(&self, name: &[u8], needle: &str) -> bool {
        self.has(Scope::Field(name.to_ascii_lowercase()), needle)
    }

    /// Tells whether an address field with this name contains `needle`, as [`header_contains`](Self::header_contains)
    /// does or in an address as ENVELOPE shows it: `FROM`, `TO`, `CC` and `BCC`. There, an address is
    /// `name <mailbox@host>`, without the comments, quotes and white space of the field.
    #[must_use]
    pub fn address_contains(&self, name: &[u8], needle: &str) -> bool {
        self.has(Scope::Address(name.to_ascii_lowercase()), needle)
    }

    /// Tells whether the text of the body contains `needle`: `BODY`. Texts are decoded, in the header of
    /// each part too; parts of other types than text and message are not searched.
    #[must_use]
    pub fn body_contains(&self, needle: &str) -> bool {
        self.has(Scope::Body, needle)
    }

    /// Tells whether the header, or the text of the body, contains `needle`: `TEXT`.
    #[must_use]
    pub fn text_contains(&self, needle: &str) -> bool {
        self.has(Scope::Text, needle)
    }

    /// Reads the day of the Date field, in its own time zone: year, month, day. For `SENTON` and its like, which
    /// disregard time and zone: they may be odd, or missing. `None` for what does not begin like a date of
    /// [RFC 5322](https://www.rfc-editor.org/rfc/rfc5322#section-3.3): such a message is found by none of them.
    #[must_use]
    pub fn sent_on(&self) -> Option<(u16, u8, u8)> {
        date::day(&header::first(&self.header(&self.root), b"date")?)
    }

    fn has(&self, scope: Scope, needle: &str) -> bool {
        let mut words = Words::default();
        let word = words.add(scope, needle);
        let search = words.ready();
        let mut found = Found::new(&search);
        search.look_at_header(self, &mut found);
        if found.get(word).is_none() {
            search.look_at_body(self, &mut found);
        }
        found.get(word) == Some(true)
    }
}

/// Where a word is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// In the fields of this name, which is in small letters.
    Field(Vec<u8>),
    /// In the fields of this name, and in their addresses as they are shown.
    Address(Vec<u8>),
    /// In the texts of the body.
    Body,
    /// In the header and the texts of the body.
    Text,
}

/// A word of [`Words`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word {
    at: usize,
    /// Whether the header says all of it.
    in_header: bool,
}

impl Word {
    /// Its place among all words.
    pub(crate) const fn place(self) -> usize {
        self.at
    }
}

/// What is looked for in messages, as it is gathered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words {
    words: Vec<(Scope, Vec<u8>)>,
    bytes: usize,
}

impl Words {
    /// Adds a word, as a person writes it.
    pub(crate) fn add(&mut self, scope: Scope, word: &str) -> Word {
        let in_header = matches!(scope, Scope::Field(_) | Scope::Address(_));
        let mut mapped = Vec::new();
        casemap(word, &mut mapped);
        self.bytes += mapped.len();
        self.words.push((scope, mapped));
        Word { at: self.words.len() - 1, in_header }
    }

    /// The words as texts are compared, by their [places](Word::place).
    #[cfg(feature = "sqlite")]
    pub(crate) fn mapped(&self) -> impl Iterator<Item = &[u8]> {
        self.words.iter().map(|(_, word)| &**word)
    }

    /// How much memory it takes to look for all of them at once.
    pub(crate) fn footprint(&self) -> usize {
        self.bytes.saturating_mul(Needles::PER_BYTE)
    }

    /// Makes them ready: then each message is looked through once for all of them.
    pub(crate) fn ready(&self) -> TextSearch {
        let count = self.words.len();
        let mut scopes: BTreeMap<Scope, Group<'_>> = BTreeMap::new();
        let mut bodies = Group::default();
        for (at, (scope, word)) in self.words.iter().enumerate() {
            if matches!(scope, Scope::Body | Scope::Text) {
                bodies.add(at, word);
            }
            if *scope != Scope::Body {
                scopes.entry(scope.clone()).or_default().add(at, word);
            }
        }
        let scopes = scopes.into_iter().map(|(scope, group)| (scope, group.ready())).collect();
        TextSearch { count, scopes, bodies: bodies.ready() }
    }
}

#[derive(Debug, Default)]
struct Group<'a> {
    places: Vec<usize>,
    words: Vec<&'a [u8]>,
}

impl<'a> Group<'a> {
    fn add(&mut self, at: usize, word: &'a [u8]) {
        self.places.push(at);
        self.words.push(word);
    }

    fn ready(self) -> Finder {
        Finder { needles: Needles::new(&self.words), places: self.places }
    }
}

/// Words that are looked for in the same texts.
#[derive(Debug, Clone)]
struct Finder {
    needles: Needles,
    /// The place of each among all words.
    places: Vec<usize>,
}

/// What is looked for in messages, ready.
#[derive(Debug, Clone)]
pub(crate) struct TextSearch {
    count: usize,
    /// What is looked for in headers.
    scopes: BTreeMap<Scope, Finder>,
    /// What is looked for in bodies.
    bodies: Finder,
}

/// What was found in a message.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    words: Vec<bool>,
    header: bool,
    body: bool,
}

impl Found {
    /// Nothing so far.
    pub(crate) fn new(search: &TextSearch) -> Self {
        Self { words: vec![false; search.count], header: false, body: false }
    }

    /// Whether a word is there; `None` if that was not looked for yet.
    pub(crate) fn get(&self, word: Word) -> Option<bool> {
        match self.words.get(word.at) {
            Some(true) => Some(true),
            _ if self.body || (self.header && word.in_header) => Some(false),
            _ => None,
        }
    }
}

/// One text in which words of a group are looked for.
struct Pass<'a> {
    finder: &'a Finder,
    /// What was found, by the places in the group.
    found: Vec<bool>,
    mapped: Vec<u8>,
}

/// So much of a text is mapped at once: some letters become eighteen.
const PIECE: usize = 16 << 10;

/// What is shown the texts of a message in which words are looked for.
pub(super) trait Looks {
    /// Looks at the next piece of a text; the first is at the default position.
    fn look_at(&mut self, place: &mut Position, text: &str);

    /// Nothing more is wanted.
    fn is_done(&self) -> bool;

    fn look_at_all(&mut self, text: &str) {
        self.look_at(&mut Position::default(), text);
    }
}

impl<'a> Pass<'a> {
    fn new(finder: &'a Finder) -> Self {
        Self { finder, found: vec![false; finder.places.len()], mapped: Vec::new() }
    }

    fn end(self, found: &mut Found) {
        for (place, is_there) in self.finder.places.iter().zip(self.found) {
            if let Some(found) = found.words.get_mut(*place) {
                *found |= is_there;
            }
        }
    }
}

impl Looks for Pass<'_> {
    fn look_at(&mut self, place: &mut Position, mut text: &str) {
        if text.is_empty() {
            return self.finder.needles.scan(place, b"", &mut self.found);
        }
        while !text.is_empty() {
            let mut end = PIECE.min(text.len());
            while !text.is_char_boundary(end) {
                end += 1;
            }
            let (piece, rest) = text.split_at(end);
            text = rest;
            self.mapped.clear();
            casemap(piece, &mut self.mapped);
            self.finder.needles.scan(place, &self.mapped, &mut self.found);
        }
    }

    fn is_done(&self) -> bool {
        self.found.iter().all(|&found| found)
    }
}

impl TextSearch {
    /// Looks through the header of a message.
    pub(crate) fn look_at_header(&self, message: &Message, found: &mut Found) {
        let mut passes: BTreeMap<&Scope, Pass<'_>> =
            self.scopes.iter().map(|(scope, finder)| (scope, Pass::new(finder))).collect();
        let header = message.header(&message.root);
        let mut scope = (Scope::Field(Vec::new()), Scope::Address(Vec::new()));
        let fields = header::fields(&header).take(if passes.is_empty() { 0 } else { usize::MAX });
        for field in fields {
            for name in [&mut scope.0, &mut scope.1] {
                let (Scope::Field(name) | Scope::Address(name)) = name else { continue };
                name.clear();
                name.extend(field.name.iter().map(u8::to_ascii_lowercase));
            }
            if let Some(pass) = passes.get_mut(&scope.0) {
                look_at_field(pass, &field, "");
            }
            if let Some(pass) = passes.get_mut(&scope.1) {
                look_at_field(pass, &field, "");
                for address in address_list(&field.value()) {
                    pass.look_at_all(&shown(&address));
                }
            }
            if let Some(pass) = passes.get_mut(&Scope::Text) {
                look_at_named_field(pass, &field);
            }
        }
        passes.into_values().for_each(|pass| pass.end(found));
        found.header = true;
    }

    /// Looks through the texts of a message's body, each decoded once and piece by piece.
    pub(crate) fn look_at_body(&self, message: &Message, found: &mut Found) {
        let mut pass = Pass::new(&self.bodies);
        for (word, place) in pass.found.iter_mut().zip(&self.bodies.places) {
            *word = found.words.get(*place).copied().unwrap_or_default();
        }
        look_at_body(message, &message.root, &mut pass);
        pass.end(found);
        found.body = true;
    }
}

/// Gives the texts in which a word would be looked for, decoded, until `look` does not want more; of a body they come in
/// pieces. What lies after the first `most` bytes of the header is left out.
pub(crate) fn texts(message: &Message, scope: &Scope, most: usize, look: &mut impl FnMut(&str) -> bool) {
    let header = message.header(&message.root);
    let header = header.slice(..header.len().min(most));
    for field in header::fields(&header) {
        let name = match scope {
            Scope::Field(name) | Scope::Address(name) => Some(name),
            Scope::Text => None,
            Scope::Body => break,
        };
        if name.is_some_and(|name| !field.name.eq_ignore_ascii_case(name)) {
            continue;
        }
        let body = field.body.get(..FIELD).unwrap_or(&field.body);
        if !look(&field_text(body)) {
            return;
        }
    }
    if matches!(scope, Scope::Body | Scope::Text) {
        texts_of(message, &message.root, look);
    }
}

/// Whether more is wanted.
fn texts_of(message: &Message, part: &Part, look: &mut impl FnMut(&str) -> bool) -> bool {
    match &part.content {
        Content::Multipart(parts) => parts.iter().all(|part| texts_of(message, part, look)),
        Content::Message { message: part, .. } => texts_of(message, part, look),
        Content::Leaf { .. } if part.content_type.is_readable() => {
            let Ok(decoder) = message.decoder(part) else { return true };
            let mut pieces = decoder.map_or_else(Pieces::plain, Pieces::decoded);
            let charset = part.content_type.parameter("charset").map(|charset| &charset[..]);
            let (mut charset, mut more) = (Charset::new(charset), true);
            while let Some(bytes) = pieces.next().filter(|_| more) {
                charset.decode(&bytes, |text| more = more && look(text));
            }
            if more {
                charset.end(|text| more = look(text));
            }
            more
        }
        Content::Leaf { .. } => true,
    }
}

/// A field as a person sees it.
pub(super) fn look_at_named_field(pass: &mut impl Looks, field: &header::Field) {
    look_at_field(pass, field, &format!("{}: ", String::from_utf8_lossy(&field.name)));
}

/// So much of a field is decoded at once.
const FIELD: usize = 64 << 10;

fn look_at_field(pass: &mut impl Looks, field: &header::Field, prefix: &str) {
    let mut place = Position::default();
    pass.look_at(&mut place, prefix);
    if field.body.len() <= FIELD {
        return pass.look_at(&mut place, &field_text(&field.body));
    }
    // Longer than any that was meant to be read: words across the lines are found where a space is between them.
    let mut piece = Vec::new();
    for line in field.body.split_inclusive(|&byte| byte == b'\n') {
        for line in line.chunks(FIELD) {
            if piece.len() + line.len() > FIELD {
                pass.look_at(&mut place, &field_text(&piece));
                pass.look_at(&mut place, " ");
                piece.clear();
            }
            piece.extend_from_slice(line);
        }
    }
    pass.look_at(&mut place, &field_text(&piece));
}

pub(super) fn look_at_body(message: &Message, part: &Part, pass: &mut impl Looks) {
    if pass.is_done() {
        return;
    }
    match &part.content {
        Content::Multipart(parts) => parts.iter().for_each(|part| look_at_part(message, part, pass)),
        Content::Message { message: part, .. } => look_at_part(message, part, pass),
        Content::Leaf { .. } if part.content_type.is_readable() => {
            let Ok(decoder) = message.decoder(part) else { return };
            let mut pieces = decoder.map_or_else(Pieces::plain, Pieces::decoded);
            let charset = part.content_type.parameter("charset").map(|charset| &charset[..]);
            let (mut place, mut charset) = (Position::default(), Charset::new(charset));
            pass.look_at(&mut place, "");
            while let Some(bytes) = pieces.next() {
                charset.decode(&bytes, |text| pass.look_at(&mut place, text));
                if pass.is_done() {
                    return;
                }
            }
            charset.end(|text| pass.look_at(&mut place, text));
        }
        Content::Leaf { .. } => {}
    }
}

fn look_at_part(message: &Message, part: &Part, pass: &mut impl Looks) {
    let header = message.header(part);
    header::fields(&header).for_each(|field| look_at_named_field(pass, &field));
    look_at_body(message, part, pass);
}

/// The text of a field as it is searched: a tab is a space.
fn field_text(body: &[u8]) -> String {
    let text = super::encoded_words(body);
    if text.contains('\t') { text.replace('\t', " ") } else { text }
}

/// An address as a person reads it.
pub(super) fn shown(address: &Address) -> String {
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

    #[test]
    fn many_words_in_one_pass() {
        let text = "Gr\u{fc}\u{df}e ".repeat(40_000);
        let message = format!(
            "Subject: {}\r\nTo: a@b\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 8bit\r\n\r\n{text}last",
            "word\r\n ".repeat(40_000)
        );
        let message = Message::parse(message.into());
        let mut words = Words::default();
        let subject = || Scope::Field(b"subject".to_vec());
        let asked = [
            (words.add(Scope::Body, "gr\u{dc}\u{df}e last"), Some(true)),
            (words.add(Scope::Body, "word word"), Some(false)),
            (words.add(Scope::Text, "subject: word word"), Some(true)),
            (words.add(Scope::Text, "nowhere"), Some(false)),
            (words.add(subject(), "word word"), Some(true)),
            (words.add(subject(), "last"), Some(false)),
            (words.add(subject(), ""), Some(true)),
            (words.add(Scope::Field(b"cc".to_vec()), ""), Some(false)),
            (words.add(Scope::Address(b"to".to_vec()), "<a@"), Some(true)),
            (words.add(Scope::Body, ""), Some(true)),
        ];
        let search = words.ready();
        let mut found = Found::new(&search);
        assert!(asked.iter().all(|(word, _)| found.get(*word).is_none()));
        search.look_at_header(&message, &mut found);
        assert_eq!((found.get(asked[2].0), found.get(asked[5].0)), (Some(true), Some(false)));
        assert_eq!((found.get(asked[0].0), found.get(asked[3].0)), (None, None));
        search.look_at_body(&message, &mut found);
        for (place, (word, expected)) in asked.iter().enumerate() {
            assert_eq!(found.get(*word), *expected, "{place}");
        }
    }

    #[test]
    fn found_across_pieces() {
        for at in PIECE - 4..PIECE + 2 {
            for text in ["N\u{f6}\u{ff21}D", "nO\u{308}aD"] {
                let text = format!("\r\n{}{text}{}", "x".repeat(at), "\u{e9}".repeat(PIECE));
                let has = |text: String, word: &str| Message::parse(text.into()).body_contains(word);
                assert!(has(text.clone(), "n\u{d6}\u{ff41}d"), "{at}");
                assert!(!has(text.replace(['N', 'n'], "m"), "nod"));
            }
        }
        let long = "ab".repeat(PIECE * 2);
        let message = Message::parse(format!("\r\nb{long}c").into());
        assert!(message.body_contains(&long) && !message.body_contains(&format!("{long}a")));
    }

    #[test]
    fn reports_are_texts() {
        let message = Message::parse(Bytes::from_static(
            b"Content-Type: multipart/report; boundary=x\r\n\r\n\
              --x\r\nContent-Type: message/delivery-status\r\n\r\nStatus: 5.1.1\r\n\
              --x\r\nContent-Type: application/pdf\r\n\r\nhidden\r\n--x--\r\n",
        ));
        assert!(message.body_contains("status: 5.1") && !message.body_contains("hidden"));
    }

    #[test]
    fn a_tab_is_a_space() {
        let message = Message::parse(Bytes::from_static(b"Subject: one\ttwo\r\n\tthree\r\n\r\n"));
        assert!(message.header_contains(b"subject", "one two three"));
    }
}
