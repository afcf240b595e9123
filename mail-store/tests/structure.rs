//! What BODYSTRUCTURE says of messages, whole ones and broken ones, is what the sections are.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::num::NonZeroU32;

use bytes::Bytes;
use mailwire_imap::types::{BodyStructure, MultiPart, PartKind, Section, SectionText};
use mailwire_store::message::{Content, Message, Part, header, without_extension};
use proptest::{collection::vec, prelude::*, sample::select};

/// Some are the beginning of others.
const BOUNDARIES: [&str; 6] = ["x", "xy", "x--", "x--y", "a b", "--"];

fn leaf() -> impl Strategy<Value = String> {
    let header = select(vec![
        "",
        "Content-Type: text/html\r\n",
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n",
        "Content-Type: application/pdf; name*0=a; name*1=b\r\n",
        "Content-Type: multipart/mixed\r\n",
        "Content-Type: message/delivery-status\r\n",
        "Content-Type: nonsense\r\n",
        "no field\r\n",
    ]);
    let text = select(vec![
        "",
        "one\r\n",
        "one\r\ntwo",
        "\r\n\r\n",
        "--\r\n",
        "--x\r\n",
        "-- \r\nA\nB\n",
        "a=3D=\r\nb",
    ]);
    (header, text).prop_map(|(header, text)| format!("{header}\r\n{text}"))
}

fn message() -> impl Strategy<Value = String> {
    leaf().prop_recursive(4, 24, 4, |inside| {
        let multipart = (
            select(&BOUNDARIES[..]),
            select(vec!["mixed", "digest", "alternative"]),
            vec(inside.clone(), 0..4),
            any::<(bool, bool, bool)>(),
        );
        let multipart = multipart.prop_map(|(boundary, kind, parts, (preamble, closed, epilogue))| {
            let mut text = format!("Content-Type: multipart/{kind}; boundary=\"{boundary}\"\r\n\r\n");
            text.push_str(if preamble { "preamble\r\n" } else { "" });
            for part in parts {
                text.push_str(&format!("--{boundary}\r\n{part}\r\n"));
            }
            text.push_str(&if closed { format!("--{boundary}--\r\n") } else { String::new() });
            text.push_str(if epilogue { "epilogue\r\n" } else { "" });
            text
        });
        let embedded =
            inside.prop_map(|part| format!("Content-Type: message/rfc822\r\n\r\nSubject: s\r\n{part}"));
        prop_oneof![3 => multipart, 1 => embedded]
    })
}

/// Lines that are lost, repeated, exchanged, cut or end in another way.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let mutation = (0..5u8, any::<prop::sample::Index>(), any::<prop::sample::Index>());
    (message(), vec(mutation, 0..4)).prop_map(|(message, mutations)| {
        let mut lines: Vec<Vec<u8>> =
            message.as_bytes().split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        for (kind, one, other) in mutations {
            if lines.is_empty() {
                break;
            }
            let (one, other) = (one.index(lines.len()), other.index(lines.len()));
            match kind {
                0 => drop(lines.remove(one)),
                1 => lines.insert(one, lines[other].clone()),
                2 => lines.swap(one, other),
                3 => {
                    let end = other.min(lines[one].len());
                    lines[one].truncate(end);
                }
                _ => lines[one].retain(|&byte| byte != b'\r'),
            }
        }
        lines.concat()
    })
}

/// A part's sections, beside what BODYSTRUCTURE says of it.
struct Check<'a> {
    message: &'a Message,
}

impl Check<'_> {
    fn section(&self, number: &[u32], text: Option<SectionText>) -> Option<Bytes> {
        let number = number.iter().map(|&number| NonZeroU32::new(number).unwrap()).collect::<Vec<_>>();
        self.message.section(&Section::new(number, text).unwrap())
    }

    /// What stands in a message: the message itself, or an embedded one.
    fn message(&self, number: &[u32], structure: &BodyStructure, root: &Part) {
        match structure {
            BodyStructure::Multi(multi) => self.multipart(number, multi, root),
            // It is its own first part.
            BodyStructure::Single(_) => {
                self.part(&[number, &[1]].concat(), structure, root, false);
                assert!(self.section(&[number, &[2]].concat(), None).is_none());
            }
        }
    }

    fn multipart(&self, number: &[u32], multi: &MultiPart, part: &Part) {
        let Content::Multipart(parts) = &part.content else { panic!("{part:?}") };
        assert_eq!(parts.len(), multi.parts.len());
        self.nothing_is_lost(part, parts);
        for (index, (structure, part)) in (1..).zip(multi.parts.iter().zip(parts)) {
            self.part(&[number, &[index]].concat(), structure, part, multi.media_subtype == "digest");
        }
        let beyond = [number, &[u32::try_from(parts.len()).unwrap() + 1]].concat();
        assert!(
            self.section(&beyond, None).is_none() && self.section(&beyond, Some(SectionText::Mime)).is_none()
        );
    }

    fn part(&self, number: &[u32], structure: &BodyStructure, part: &Part, in_digest: bool) {
        let body = self.section(number, None).unwrap();
        let mime = self.section(number, Some(SectionText::Mime)).unwrap();
        assert_eq!((&body, &mime), (&self.message.body(part), &self.message.header(part)), "{number:?}");
        self.media_type(&mime, structure, part, in_digest);
        match structure {
            BodyStructure::Multi(multi) => self.multipart(number, multi, part),
            BodyStructure::Single(single) => {
                assert_eq!(single.octets, Some(body.len() as u64));
                let lines = body.iter().filter(|&&byte| byte == b'\n').count() as u64;
                let [header, text] =
                    [SectionText::Header, SectionText::Text].map(|text| self.section(number, Some(text)));
                match &single.kind {
                    PartKind::Message(inner) => {
                        assert_eq!(inner.lines, Some(lines));
                        assert_eq!([header.unwrap(), text.unwrap()].concat(), body);
                        // As if it had come by itself.
                        let alone = Message::parse(body);
                        assert_eq!(
                            (&alone.envelope(), &alone.structure(true)),
                            (&inner.envelope, &inner.body)
                        );
                        self.message(number, &inner.body, part.message().unwrap());
                    }
                    PartKind::Text { lines: counted } => assert_eq!(*counted, Some(lines)),
                    _ => assert!(self.section(&[number, &[1]].concat(), None).is_none()),
                }
            }
        }
    }

    /// The header of a part says what it is.
    fn media_type(&self, mime: &Bytes, structure: &BodyStructure, part: &Part, in_digest: bool) {
        let said = Message::parse(mime.clone());
        let has_field = header::first(mime, b"content-type").is_some();
        let said = match &said.root().content_type {
            _ if !has_field && in_digest && !mime.is_empty() => ("message".into(), "rfc822".into()),
            said => (said.kind.clone(), said.subtype.clone()),
        };
        let shown = match structure {
            BodyStructure::Multi(multi) => {
                (Bytes::from_static(b"multipart"), multi.media_subtype.as_bytes().to_vec().into())
            }
            BodyStructure::Single(single) => (
                single.media_type.as_bytes().to_vec().into(),
                single.media_subtype.as_bytes().to_vec().into(),
            ),
        };
        // What is found where no part is, is a text; an empty part of a digest has no header either.
        let is_bare = part.header.is_empty();
        assert!(shown == said || is_bare, "{shown:?} {said:?} in {:?}", self.message.raw());
    }

    /// Between the parts of a multipart there are boundaries, and no more.
    fn nothing_is_lost(&self, part: &Part, parts: &[Part]) {
        let raw = self.message.raw();
        let shown = || format!("{:?} of {raw:?}", &raw[part.body.clone()]);
        if let [only] = parts
            && only.header.is_empty()
            && only.body == part.body
        {
            return;
        }
        let boundary = part.content_type.parameter("boundary").unwrap().trim_ascii_end();
        let mut end = part.body.start;
        for (index, inside) in parts.iter().enumerate() {
            let gap = &raw[end..inside.header.start];
            assert!(inside.header.end == inside.body.start && inside.body.end >= inside.header.start);
            let line = gap.trim_ascii();
            let line = if index == 0 { line.rsplit(|&byte| byte == b'\n').next().unwrap() } else { line };
            assert!(line.strip_prefix(b"--") == Some(boundary), "{} at {end}", shown());
            end = inside.body.end;
        }
        let rest = raw[end..part.body.end].trim_ascii_start();
        let closing = [b"--", boundary, b"--"].concat();
        // The last one ends with what surrounds it, or at a closing boundary. A delimiter may stand there
        // without the part that it would begin, if there are too many.
        assert!(rest.is_empty() || rest.starts_with(&closing), "{} at {end}", shown());
    }
}

fn check(raw: Vec<u8>) {
    let message = Message::parse(raw.into());
    let structure = message.structure(true);
    assert_eq!(without_extension(structure.clone()), message.structure(false));
    Check { message: &message }.message(&[], &structure, message.root());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn structure_and_sections_agree(raw in mutated()) {
        check(raw);
    }
}

#[test]
fn broken_shapes() {
    for body in [
        "",
        "--x",
        "--x\r\n",
        "--x--",
        "--x--\r\n--x\r\n\r\n1",
        "--x\r\n--x\r\n--x--",
        "--x\r\n\r\n1",
        "no part",
        "\r\n",
        "--xy\r\n\r\n1\r\n--x junk\r\n--x\r\n\r\n2\r\n--x-- \r\nafter\r\n--x\r\n\r\n3",
        "--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n1\r\n--x--\r\n--x\r\n\r\n2\r\n--x--",
        "--x\r\nContent-Type: message/rfc822\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n--x--",
    ] {
        for boundary in
            ["; boundary=x", "; boundary=\"x \"", "; boundary*0=\"\"; boundary*1=x", "; boundary=\"\"", ""]
        {
            for kind in ["mixed", "digest"] {
                check(format!("Content-Type: multipart/{kind}{boundary}\r\n\r\n{body}").into());
            }
        }
    }
}
