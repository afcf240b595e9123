//! Where the parts of a message lie.

use std::{num::NonZeroU32, ops::Range};

use bytes::Bytes;

use super::{header, words::Words};

/// Multiparts and messages nested deeper than this are given as they stand, without their parts.
const MAX_DEPTH: usize = 32;
/// A message of more parts than this shows these; the rest is part of the last one.
const MAX_PARTS: usize = 2000;

/// One part of a message: the message itself, a part of a multipart, or an embedded message.
///
/// What a multipart holds is found by lines that are its boundary exactly, but for white space after it
/// ([RFC 2046 section 5.1.1](https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1)): a boundary that only begins
/// like another one is not mistaken for it. Nothing of the text of a broken one is lost:
///
/// - Where no part is found, because there is no boundary, no line is one or the end comes first, there is one
///   part, which is all that stands there, as plain text without a header. IMAP has no multipart of no parts.
/// - Without a closing boundary, the last part goes on to the end of what surrounds it. The boundary of a
///   multipart ends whatever is inside it.
/// - A part between two boundaries with nothing between them is empty.
/// - A multipart inside one that has its boundary ends at the first closing boundary, and the outer one goes on.
/// - What is nested too deep, or comes after too many parts, belongs to the last part that is shown.
#[derive(Debug, Clone)]
pub struct Part {
    /// The range of the header in the message, with the empty line after it.
    pub header: Range<usize>,
    /// The range of the body in the message, in its transfer encoding.
    pub body: Range<usize>,
    /// Its media type.
    pub content_type: ContentType,
    /// The parts inside it, if it has any.
    pub content: Content,
}

/// What is inside a part.
#[derive(Debug, Clone)]
pub enum Content {
    /// A body that IMAP does not look into.
    Leaf {
        /// The number of lines of the body.
        lines: u64,
    },
    /// The parts of a multipart. There is at least one.
    Multipart(Vec<Part>),
    /// The message in a message/rfc822 or message/global.
    Message {
        /// The embedded message as a part.
        message: Box<Part>,
        /// The number of lines of the body.
        lines: u64,
    },
}

/// A media type as the Content-Type field gives it, or its default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentType {
    /// The type: `text` of `text/plain`.
    pub kind: Bytes,
    /// The subtype: `plain` of `text/plain`.
    pub subtype: Bytes,
    /// The parameters as they are written: [RFC 2231](https://www.rfc-editor.org/rfc/rfc2231) is not undone.
    pub parameters: Vec<(Bytes, Bytes)>,
}

impl ContentType {
    /// Tells whether this is `kind/subtype`, in any case.
    #[must_use]
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind.as_bytes())
            && self.subtype.eq_ignore_ascii_case(subtype.as_bytes())
    }

    /// Gives the value of a parameter, whose name is compared in any case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Bytes> {
        let of_name = |parameter: &&(Bytes, Bytes)| parameter.0.eq_ignore_ascii_case(name.as_bytes());
        self.parameters.iter().find(of_name).map(|(_, value)| value)
    }

    /// Whether it is for people to read: texts, and reports such as message/delivery-status.
    pub(super) fn is_readable(&self) -> bool {
        [&b"text"[..], b"message"].iter().any(|kind| self.kind.eq_ignore_ascii_case(kind))
    }

    /// Whether it is a text in the narrow sense.
    pub(super) fn is_text(&self) -> bool {
        self.kind.eq_ignore_ascii_case(b"text")
    }

    /// What divides the parts of a multipart.
    fn boundary(&self) -> Option<&[u8]> {
        self.parameter("boundary")
            .filter(|boundary| !boundary.trim_ascii().is_empty())
            .map(|boundary| &boundary[..])
    }

    /// RFC 2045 section 5.2.
    fn text_plain() -> Self {
        Self {
            kind: Bytes::from_static(b"text"),
            subtype: Bytes::from_static(b"plain"),
            parameters: vec![us_ascii()],
        }
    }

    /// RFC 2046 section 5.1.5: the default in a multipart/digest.
    fn message() -> Self {
        Self {
            kind: Bytes::from_static(b"message"),
            subtype: Bytes::from_static(b"rfc822"),
            parameters: Vec::new(),
        }
    }

    /// A field's value. `None` if it is not a media type.
    fn parse(value: &Bytes) -> Option<Self> {
        let mut words = Words::new(value);
        let kind = words.token()?;
        if !words.eat(b'/') {
            return None;
        }
        let subtype = words.token()?;
        let mut content_type = Self { kind, subtype, parameters: words.parameters() };
        let has_charset =
            ["charset", "charset*"].into_iter().any(|name| content_type.parameter(name).is_some());
        if content_type.kind.eq_ignore_ascii_case(b"text") && !has_charset {
            content_type.parameters.push(us_ascii());
        }
        Some(content_type)
    }
}

/// The charset of a text that names none ([RFC 2046 section 4.1.2](https://www.rfc-editor.org/rfc/rfc2046#section-4.1.2)).
const fn us_ascii() -> (Bytes, Bytes) {
    (Bytes::from_static(b"charset"), Bytes::from_static(b"us-ascii"))
}

/// A value with parameters, such as that of Content-Disposition. The value is empty if there are only
/// parameters.
pub(super) fn value_with_parameters(value: &Bytes) -> Option<(Bytes, Vec<(Bytes, Bytes)>)> {
    let mut words = Words::new(value);
    let found = words.token().unwrap_or_default();
    let parameters = words.parameters();
    (!found.is_empty() || !parameters.is_empty()).then_some((found, parameters))
}

/// Comma-separated tokens, such as those of Content-Language.
pub(super) fn tokens(value: &Bytes) -> Vec<Bytes> {
    let mut words = Words::new(value);
    let mut tokens = Vec::new();
    while let Some(token) = words.token() {
        tokens.push(token);
        if !words.eat(b',') {
            break;
        }
    }
    tokens
}

impl Part {
    /// Finds the parts of `raw`.
    pub(super) fn parse(raw: &Bytes) -> Self {
        let mut left = MAX_PARTS;
        Self::parse_at(raw, 0..raw.len(), ContentType::text_plain, 0, &mut left)
    }

    fn parse_at(
        raw: &Bytes,
        range: Range<usize>,
        default: fn() -> ContentType,
        depth: usize,
        left: &mut usize,
    ) -> Self {
        let part = raw.slice(range.clone());
        let body_start = range.start + header::body_start(&part);
        let header = range.start..body_start;
        let body = body_start..range.end;
        let content_type = header::first(&raw.slice(header.clone()), b"content-type")
            .map_or_else(default, |value| ContentType::parse(&value).unwrap_or_else(ContentType::text_plain));
        let mut part = Self { header, body: body.clone(), content_type, content: Content::Leaf { lines: 0 } };
        if part.content_type.kind.eq_ignore_ascii_case(b"multipart") {
            part.content = Content::Multipart(part.parse_multipart(raw, depth, left));
            return part;
        }
        let lines = count_lines(raw.get(body.clone()).unwrap_or_default());
        let is_message =
            part.content_type.is("message", "rfc822") || part.content_type.is("message", "global");
        part.content = if is_message {
            let message = if depth < MAX_DEPTH && *left > 0 {
                *left -= 1;
                Self::parse_at(raw, body, ContentType::text_plain, depth + 1, left)
            } else {
                Self::opaque(raw, body)
            };
            Content::Message { message: Box::new(message), lines }
        } else {
            Content::Leaf { lines }
        };
        part
    }

    /// RFC 2046 section 5.1.1, and what becomes of broken ones: see [`Part`].
    fn parse_multipart(&self, raw: &Bytes, depth: usize, left: &mut usize) -> Vec<Self> {
        let mut parts = Vec::new();
        if let Some(boundary) = self.content_type.boundary().filter(|_| depth < MAX_DEPTH) {
            let default = if self.content_type.subtype.eq_ignore_ascii_case(b"digest") {
                ContentType::message
            } else {
                ContentType::text_plain
            };
            let body = raw.get(self.body.clone()).unwrap_or_default();
            let mut delimiters = Delimiters::new(body, boundary);
            let mut open = delimiters.next().filter(|delimiter| !delimiter.last);
            while let Some(delimiter) = open.take().filter(|_| *left > 0) {
                *left -= 1;
                let mut next = if *left > 0 { delimiters.next() } else { None };
                // Without a delimiter after it, a part goes on to the end of its surroundings.
                let range = |next: Option<&Delimiter>| {
                    let end = next.map_or(body.len(), |next| next.before).max(delimiter.after);
                    self.body.start + delimiter.after..self.body.start + end
                };
                if next.is_some() && has_boundary(&raw.slice(range(next.as_ref())), boundary) {
                    next = delimiters.after_last(next);
                }
                let range = range(next.as_ref());
                parts.push(Self::parse_at(raw, range, default, depth + 1, left));
                open = next.filter(|next| !next.last);
            }
        }
        if parts.is_empty() {
            parts.push(Self::opaque(raw, self.body.clone()));
        }
        parts
    }

    /// A part without a header that is not looked into.
    fn opaque(raw: &Bytes, body: Range<usize>) -> Self {
        let lines = count_lines(raw.get(body.clone()).unwrap_or_default());
        Self {
            header: body.start..body.start,
            body,
            content_type: ContentType::text_plain(),
            content: Content::Leaf { lines },
        }
    }

    /// Finds the part that a section's number names: `2.1` is the first part of the second
    /// ([RFC 9051 section 6.4.5.1](https://www.rfc-editor.org/rfc/rfc9051#section-6.4.5.1)).
    #[must_use]
    pub fn find(&self, number: &[NonZeroU32]) -> Option<&Self> {
        let Some((first, rest)) = number.split_first() else { return Some(self) };
        let index = usize::try_from(first.get()).ok()? - 1;
        match &self.content {
            Content::Multipart(parts) => parts.get(index)?.find_within(rest),
            // A message that is not a multipart is its own first part.
            _ if index == 0 => self.find_within(rest),
            _ => None,
        }
    }

    /// Finds a part below one that has a number itself: what is in an embedded message is numbered
    /// as if the message stood in its part's place.
    fn find_within(&self, rest: &[NonZeroU32]) -> Option<&Self> {
        if rest.is_empty() {
            return Some(self);
        }
        match &self.content {
            Content::Multipart(_) => self.find(rest),
            Content::Message { message, .. } => message.find(rest),
            Content::Leaf { .. } => None,
        }
    }

    pub(super) fn footprint(&self) -> usize {
        let parameters = self.content_type.parameters.capacity() * size_of::<(Bytes, Bytes)>();
        let inside: usize = match &self.content {
            Content::Leaf { .. } => 0,
            Content::Multipart(parts) => parts.iter().map(Self::footprint).sum(),
            Content::Message { message, .. } => message.footprint(),
        };
        size_of::<Self>() + parameters + inside
    }

    /// Gives the message in this part, if it is an embedded message.
    #[must_use]
    pub fn message(&self) -> Option<&Self> {
        match &self.content {
            Content::Message { message, .. } => Some(message),
            _ => None,
        }
    }
}

/// How many lines a text has: what stands after the last line end is none.
fn count_lines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

/// Whether a part is a multipart of this boundary itself.
fn has_boundary(part: &Bytes, boundary: &[u8]) -> bool {
    let header = part.slice(..header::body_start(part));
    // Hardly any part is.
    memchr::memmem::find(&header, boundary).is_some()
        && header::first(&header, b"content-type").and_then(|value| ContentType::parse(&value)).is_some_and(
            |found| found.kind.eq_ignore_ascii_case(b"multipart") && found.boundary() == Some(boundary),
        )
}

struct Delimiter {
    /// Where the part before it ends: the line end before a delimiter is the delimiter's.
    before: usize,
    /// Where the part after it begins.
    after: usize,
    last: bool,
}

struct Delimiters<'a> {
    body: &'a [u8],
    found: memchr::memmem::FindIter<'a, 'static>,
    length: usize,
    /// White space at the end of the boundary, which is none of it, and may have been lost on the way
    /// (RFC 2046 section 5.1.1).
    padding: &'a [u8],
}

impl<'a> Delimiters<'a> {
    fn new(body: &'a [u8], boundary: &'a [u8]) -> Self {
        let (boundary, padding) = boundary.split_at(boundary.trim_ascii_end().len());
        let dashed = [b"--", boundary].concat();
        let found = memchr::memmem::Finder::new(&dashed).find_iter(body).into_owned();
        Self { body, found, length: dashed.len(), padding }
    }

    /// The one after the first that is the last of its multipart, from `next` on.
    fn after_last(&mut self, mut next: Option<Delimiter>) -> Option<Delimiter> {
        while !next?.last {
            next = self.next();
        }
        self.next()
    }
}

impl Iterator for Delimiters<'_> {
    type Item = Delimiter;

    fn next(&mut self) -> Option<Delimiter> {
        loop {
            let start = self.found.next()?;
            let before = self.body.get(..start)?;
            if !matches!(before.last(), None | Some(b'\n')) {
                continue;
            }
            let rest = self.body.get(start + self.length..)?;
            let line = memchr::memchr(b'\n', rest).map_or(rest, |end| rest.split_at(end + 1).0);
            let padding = line.strip_prefix(self.padding).unwrap_or(line);
            let (last, padding) =
                padding.strip_prefix(b"--").map_or((false, padding), |padding| (true, padding));
            if !padding.trim_ascii().is_empty() {
                continue;
            }
            let after = start + self.length + line.len();
            let before = before.strip_suffix(b"\n").unwrap_or(before);
            let before = before.strip_suffix(b"\r").unwrap_or(before).len();
            return Some(Delimiter { before, after, last });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &'static str) -> (Bytes, Part) {
        let raw = Bytes::from_static(raw.as_bytes());
        let part = Part::parse(&raw);
        (raw, part)
    }

    fn number(number: &[u32]) -> Vec<NonZeroU32> {
        number.iter().map(|&number| NonZeroU32::new(number).unwrap()).collect()
    }

    fn body_of(raw: &Bytes, part: Option<&Part>) -> Option<String> {
        part.map(|part| String::from_utf8_lossy(&raw[part.body.clone()]).into_owned())
    }

    const NESTED: &str = "Content-Type: multipart/mixed; boundary=\"a b\"\r\n\r\npreamble\r\n\
        --a b\r\n\r\none\r\n\
        --a b  \r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: inner\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
        --a\r\n\r\nx\r\n--a\r\nContent-Type: text/html\r\n\r\ny\r\n--a--\r\n\r\n\
        --a b\r\nContent-Type: message/rfc822\r\n\r\nSubject: plain\r\n\r\nlast\r\n\
        --a b--\r\nepilogue";

    #[test]
    fn parts_are_numbered_as_rfc_9051_says() {
        let (raw, part) = parse(NESTED);
        for (numbers, body) in [
            (&[1][..], Some("one")),
            (&[2, 1], Some("x")),
            (&[2, 2], Some("y")),
            (&[3, 1], Some("last")),
            (&[4], None),
            (&[1, 1], None),
            (&[3, 2], None),
            (&[2, 1, 1], None),
        ] {
            assert_eq!(body_of(&raw, part.find(&number(numbers))).as_deref(), body, "{numbers:?}");
        }
        assert!(part.find(&number(&[2])).unwrap().message().is_some());
    }

    #[test]
    fn broken_multiparts_have_one_part() {
        for raw in [
            "Content-Type: multipart/mixed\r\n\r\nbody",
            "Content-Type: multipart/mixed; boundary=x\r\n\r\nbody",
            "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\nbody",
            "Content-Type: multipart/mixed; boundary=x\n\nbody",
            "Content-Type: multipart/mixed; boundary=body\n\nbody",
        ] {
            let (raw, part) = parse(raw);
            assert_eq!(body_of(&raw, part.find(&number(&[1]))).as_deref(), Some("body"));
            assert!(part.find(&number(&[2])).is_none());
        }
        // No closing delimiter, an empty part, no line end at the end.
        let (raw, part) = parse("Content-Type: multipart/mixed; boundary=x\n\n--x\n--x\n\nlast");
        assert_eq!(body_of(&raw, part.find(&number(&[1]))).as_deref(), Some(""));
        assert_eq!(body_of(&raw, part.find(&number(&[2]))).as_deref(), Some("last"));
    }

    #[test]
    fn boundaries_are_compared_exactly() {
        for (boundary, body, expected) in [
            (
                "x",
                "--x\n\n1\n--xjunk\n--x junk\n--X\n --x\n--x\n\n2\n--x--",
                &["1\n--xjunk\n--x junk\n--X\n --x", "2"][..],
            ),
            ("x", "--x \t\n\n1\n--x\t--\n\n--x\n\n2\n--x-- ", &["1\n--x\t--\n", "2"]),
            ("\"x \"", "--x \n\n1\n--x --\n", &["1"]),
            ("x--", "--x--\n\n1\n--x----\n", &["1"]),
            ("boundary*0=a; boundary*1=b", "", &[]),
            ("x", "--x--\n\n--x\n\n1", &["--x--\n\n--x\n\n1"]),
            ("x", "--x\n", &[""]),
            ("x", "--x\n--x\n--x--", &["", ""]),
        ] {
            let header = match boundary {
                pieces if pieces.contains('=') => {
                    format!("Content-Type: multipart/mixed; {pieces}\n\n--ab\n\n1\n--ab--\n")
                }
                _ => format!("Content-Type: multipart/mixed; boundary={boundary}\n\n{body}"),
            };
            let expected = if boundary.contains('=') { &["1"][..] } else { expected };
            let raw = Bytes::from(header);
            let Content::Multipart(parts) = Part::parse(&raw).content else { panic!("{raw:?}") };
            let bodies: Vec<_> =
                parts.iter().map(|part| String::from_utf8_lossy(&raw[part.body.clone()])).collect();
            assert_eq!(bodies, expected, "{raw:?}");
        }
    }

    #[test]
    fn a_multipart_may_have_the_boundary_of_the_one_around_it() {
        let nested = "Content-Type: multipart/mixed; boundary=x\n\n--x\n\
            Content-Type: multipart/alternative; boundary=\"x\"\n\n--x\n\n1\n--x\n\n2\n--x--\n--x\n\n3\n--x--\n";
        for (raw, expected) in [
            (nested.to_owned(), [Some("1"), Some("2"), Some("3")]),
            // Only one of them ends.
            (nested.replacen("--x--\n", "", 1), [Some("1"), Some("2"), None]),
        ] {
            let raw = Bytes::from(raw);
            let part = Part::parse(&raw);
            for (numbers, body) in [&[1, 1][..], &[1, 2], &[2]].into_iter().zip(expected) {
                assert_eq!(
                    body_of(&raw, part.find(&number(numbers))).as_deref(),
                    body,
                    "{raw:?} {numbers:?}"
                );
            }
        }
    }

    #[test]
    fn deep_nesting_ends() {
        let mut raw = String::new();
        for _ in 0..10_000 {
            raw.push_str("Content-Type: message/rfc822\r\n\r\n");
        }
        let part = Part::parse(&raw.into());
        assert!(part.find(&number(&[1; 30])).is_some() && part.find(&number(&[1; 40])).is_none());
    }

    #[test]
    fn many_parts_end() {
        let raw = format!("Content-Type: multipart/mixed; boundary=x\r\n\r\n{}", "--x\r\n".repeat(100_000));
        match Part::parse(&raw.into()).content {
            Content::Multipart(parts) => assert!(parts.len() <= MAX_PARTS),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_end_at_a_space_before_another_parameter() {
        for (value, expected) in [
            ("a/b; access-type=mail-server server=\"x\"", &["access-type=mail-server", "server=x"][..]),
            ("a/b; name=my file.txt (c) size=3; x=y", &["name=my file.txt", "size=3", "x=y"]),
            ("a/b; name=my file = 3", &["name=my", "file=3"]),
            ("a/b; name=\"a\" size=3 ; name=a/b=c?d", &["name=a", "size=3", "name=a/b=c?d"]),
            ("a/b charset=utf-8", &["charset=utf-8"]),
            ("a/b; a=; b= ;c", &["a=", "b="]),
            ("text/html", &["charset=us-ascii"]),
            ("text/html; name=a; CHARSET*=''x", &["name=a", "CHARSET*=''x"]),
        ] {
            let parameters = ContentType::parse(&value.into()).unwrap().parameters;
            let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let parameters: Vec<_> =
                parameters.iter().map(|(name, value)| format!("{}={}", show(name), show(value))).collect();
            assert_eq!(parameters, expected, "{value}");
        }
    }

    #[test]
    fn content_types() {
        let value = Bytes::from_static(
            b"Text / Plain (a (nested) comment); charset (c) = (d) \"utf-\\8\"; name=my file.txt ;;junk; x*0*=a''b%20",
        );
        let parsed = ContentType::parse(&value).unwrap();
        assert!(parsed.is("text", "plain"));
        let parameters: Vec<_> = parsed
            .parameters
            .iter()
            .map(|(name, value)| (std::str::from_utf8(name).unwrap(), std::str::from_utf8(value).unwrap()))
            .collect();
        assert_eq!(parameters, [("charset", "utf-8"), ("name", "my file.txt"), ("x*", "a''b%20")]);
        for junk in ["", "text", "/plain", ";charset=x", "text plain"] {
            assert!(ContentType::parse(&Bytes::from_static(junk.as_bytes())).is_none(), "{junk}");
        }
    }
}
