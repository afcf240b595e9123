//! Messages for people: odd inputs, and what holds for any.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use mailwire_imap::{
    Dialect, Response, Untagged,
    reading::{TransferDecoder, addresses, decode_text, decode_words, groups, parameter, safe_file_name},
    response::MsgAtt,
    types::{
        Address, BodyStructure, ContentEncoding, Envelope, ImapString, MailboxName, PartKind, Section,
        SectionText,
    },
};
use proptest::prelude::*;

fn item(text: &str) -> MsgAtt {
    let line = format!("* 1 FETCH ({text})");
    let parsed = Response::parse(&line.clone().into(), Dialect::Lenient)
        .unwrap_or_else(|error| panic!("{error}: {line}"));
    let Response::Untagged(Untagged::Fetch(message)) = parsed.value else { panic!("{line}") };
    message.items[0].clone()
}

fn structure(text: &str) -> BodyStructure {
    match item(&format!("BODYSTRUCTURE {text}")) {
        MsgAtt::BodyStructure(structure) => structure,
        other => panic!("{other:?}"),
    }
}

fn envelope(text: &str) -> Envelope {
    match item(&format!("ENVELOPE {text}")) {
        MsgAtt::Envelope(envelope) => *envelope,
        other => panic!("{other:?}"),
    }
}

const NONE: &str = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";

fn text(subtype: &str) -> String {
    format!("(\"TEXT\" \"{subtype}\" NIL NIL NIL \"7BIT\" 5 1)")
}

fn image(disposition: &str) -> String {
    format!("(\"IMAGE\" \"PNG\" (\"NAME\" \"a.png\") \"<a@b>\" NIL \"BASE64\" 5 NIL {disposition})")
}

fn message(body: &str) -> String {
    format!("(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 90 {NONE} {body} 9)")
}

fn numbers(structure: &BodyStructure) -> Vec<String> {
    structure.parts().map(|part| format!("{part} {}", part.media_type())).collect()
}

#[test]
fn part_numbers() {
    // RFC 9051 section 6.4.5.1, its example.
    let mixed = |parts: &[String]| format!("({} \"MIXED\")", parts.concat());
    let inner = mixed(&[text("PLAIN"), image("NIL")]);
    let deeper = mixed(&[text("PLAIN"), text("RICHTEXT")]);
    let alternative = mixed(&[image("NIL"), message(&mixed(&[text("PLAIN"), deeper]))]);
    let whole = structure(&mixed(&[text("PLAIN"), image("NIL"), message(&inner), alternative]));
    assert_eq!(
        numbers(&whole),
        [
            "1 text/plain",
            "2 image/png",
            "3 message/rfc822",
            "3.1 text/plain",
            "3.2 image/png",
            "4.1 image/png",
            "4.2 message/rfc822",
            "4.2.1 text/plain",
            "4.2.2.1 text/plain",
            "4.2.2.2 text/richtext",
        ]
    );
    let part = whole.parts().nth(8).unwrap();
    let number = [4, 2, 2, 1].map(|number| number.try_into().unwrap()).to_vec();
    assert_eq!(part.section(), Section::new(number.clone(), None).unwrap());
    assert_eq!(part.mime_section(), Section::new(number, Some(SectionText::Mime)).unwrap());
    // One part is the first; of a message that is the message, too.
    assert_eq!(numbers(&structure(&text("PLAIN"))), ["1 text/plain"]);
    assert_eq!(
        numbers(&structure(&message(&message(&text("PLAIN"))))),
        ["1 message/rfc822", "1.1 message/rfc822", "1.1.1 text/plain"]
    );
}

#[test]
fn contents() {
    let attachment = "(\"attachment\" (\"filename\" \"b.txt\"))";
    let file = format!("(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 5 1 NIL {attachment})");
    let named = "(\"TEXT\" \"PLAIN\" (\"NAME\" \"c.txt\") NIL NIL \"7BIT\" 5 1)";
    let html = text("HTML");
    let related = format!("({html}{}{} \"RELATED\")", image("(\"inline\" NIL)"), image(attachment));
    let alternative = format!("({}{related} \"ALTERNATIVE\")", text("PLAIN"));
    for (body, plain, html, related, attachments) in [
        (text("PLAIN"), "1", "1", "", ""),
        (html.clone(), "1", "1", "", ""),
        (image("NIL"), "", "", "", "1"),
        (file.clone(), "", "", "", "1"),
        (named.to_owned(), "1", "1", "", ""),
        (format!("({}{named}{file}{html} \"MIXED\")", text("PLAIN")), "1 4", "1 4", "", "2 3"),
        (format!("({html}{} \"ALTERNATIVE\")", text("PLAIN")), "2", "1", "", ""),
        (format!("({html}{html} \"ALTERNATIVE\")"), "2", "2", "", ""),
        (format!("({} \"ALTERNATIVE\")", text("CALENDAR")), "", "", "", "1"),
        (alternative.clone(), "1", "2.1", "2.2", "2.3"),
        (format!("({alternative}{} \"MIXED\")", image("NIL")), "1.1", "1.2.1", "1.2.2", "1.2.3 2"),
        (format!("({}{} \"MIXED\")", text("PLAIN"), message(&text("PLAIN"))), "1", "1", "", "2"),
    ] {
        let structure = structure(&body);
        let contents = structure.contents();
        let shown = |parts: &[mailwire_imap::reading::Part<'_>]| {
            parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            (
                shown(&contents.plain),
                shown(&contents.html),
                shown(&contents.related),
                shown(&contents.attachments)
            ),
            (plain.into(), html.into(), related.into(), attachments.into()),
            "{body}"
        );
    }
    // The root of what belongs together can be another than the first.
    let start = format!(
        "({}(\"TEXT\" \"HTML\" NIL \"<r>\" NIL \"7BIT\" 5 1) \"RELATED\" (\"START\" \"<r>\") NIL NIL)",
        image("NIL")
    );
    let start = structure(&start);
    let contents = start.contents();
    assert_eq!((contents.html[0].to_string(), contents.related[0].to_string()), ("2".into(), "1".into()));
    assert_eq!(contents.related[0].content_id(), Some(&b"a@b"[..]));
    assert!(!contents.has_attachment());
    assert!(!structure(&image("(\"inline\" NIL)")).contents().has_attachment());
    assert!(structure(&image("NIL")).contents().has_attachment());
}

#[test]
fn file_names() {
    let of = |parameters: &str, disposition: &str| {
        let text = format!("(\"APPLICATION\" \"X\" {parameters} NIL NIL \"7BIT\" 5 NIL {disposition})");
        let structure = structure(&text);
        structure.parts().next().unwrap().file_name()
    };
    let in_disposition = |parameters: &str| of("NIL", &format!("(\"attachment\" {parameters})"));
    assert_eq!(in_disposition("(\"FILENAME\" \"../../etc/passwd\")").as_deref(), Some("passwd"));
    assert_eq!(
        in_disposition("(\"filename*0*\" \"''%E2%80%AEx\" \"filename*1\" \".pdf\")").as_deref(),
        Some("x.pdf")
    );
    assert_eq!(in_disposition("(\"filename\" \"..\")"), None);
    assert_eq!(of("(\"name\" \"a\")", "NIL").as_deref(), Some("a"));
    assert_eq!(of("(\"name\" \"a\")", "(\"inline\" (\"filename\" \"b\"))").as_deref(), Some("b"));
    assert_eq!(of("NIL", "\"attachment\""), None);
}

#[test]
fn people() {
    let envelope = envelope(concat!(
        "(NIL NIL ((\"\\\"M=?utf-8?q?=C3=BC?=ller, J\\\"\" NIL \"j\" \"x\")(NIL NIL \"only\" \".MISSING-HOST-NAME.\"))",
        " NIL NIL ((NIL NIL \"=?utf-8?q?B=C3=BCro?=\" NIL)(\"A (x)\" NIL \"a.b\" \"x\")(\" \" NIL \"c d\" \"y\")(NIL NIL NIL NIL)",
        "(NIL NIL \"z\" \"z\")(NIL NIL \"none\" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL)"
    ));
    let from: Vec<_> = addresses(envelope.from()).map(|one| one.to_string()).collect();
    assert_eq!(from, ["\"Müller, J\" <j@x>", "only"]);
    let to: Vec<_> = groups(envelope.to()).iter().map(ToString::to_string).collect();
    assert_eq!(to, ["Büro: \"A (x)\" <a.b@x>, \"c d\"@y;", "z@z", "none: ;"]);
    assert_eq!(addresses(envelope.to()).count(), 3);
    assert_eq!(envelope.decoded_subject(), None);
}

/// What a stranger writes is no address or group of its own.
#[test]
fn names_and_local_parts_stay_within_their_quotes() {
    let envelope = envelope(concat!(
        "(NIL NIL ((NIL NIL \"\\\"a\\\" <b@c>, \\\"\" \"x\")(NIL NIL \"\\\"a\\\" <b@c>, d\" \"x\")",
        "(NIL NIL \"\\\"a b\\\"\" \"x\")(NIL NIL \"\\\"a.b\\\"\" \"x\")) NIL NIL",
        " ((NIL NIL \"b <b@c>, d\" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL)"
    ));
    let from: Vec<_> = addresses(envelope.from()).map(|one| one.address).collect();
    let quoted = [r#""a\" <b@c>, "@x"#, r#""\"a\" <b@c>, d"@x"#, "\"a b\"@x", "a.b@x"];
    assert_eq!(from, quoted);
    assert_eq!(groups(envelope.to())[0].to_string(), "\"b <b@c>, d\": ;");
}

#[test]
fn names_are_shown_in_unicode() {
    let name = MailboxName::from_wire("Entw&APw-rfe").unwrap();
    assert_eq!(format!("{name} {name:?}"), "Entwürfe \"Entw&APw-rfe\"");
    assert_eq!(MailboxName::from_wire("a&AAc-b").unwrap().to_string(), "a\\u{7}b");
    assert_eq!(MailboxName::from_wire("a&b").unwrap().to_string(), "a&b");
}

/// As servers do: lines of base64 of 76 letters, and quoted-printable whose every byte is encoded or its own.
fn encoded(bytes: &[u8], base64: bool) -> Vec<u8> {
    if !base64 {
        return bytes.iter().flat_map(|byte| format!("={byte:02X}").into_bytes()).collect();
    }
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= three.len() { letter } else { b'=' });
        }
    }
    out.chunks(76).flat_map(|line| [line, b"\r\n"].concat()).collect()
}

/// A structure as a server may write it, made of bytes.
fn any_structure(bytes: &mut impl Iterator<Item = u8>, depth: usize) -> String {
    match bytes.next().unwrap_or_default() % if depth == 0 { 5 } else { 9 } {
        0 => text("PLAIN"),
        1 => text("HTML"),
        2 => image("NIL"),
        3 => image("(\"attachment\" (\"filename\" \"a\"))"),
        4 => "(\"TEXT\" \"PLAIN\" (\"NAME\" \"c.txt\") NIL NIL \"7BIT\" 5 1)".into(),
        5 => message(&any_structure(bytes, depth - 1)),
        kind => {
            let parts: String =
                (0..=bytes.next().unwrap_or_default() % 4).map(|_| any_structure(bytes, depth - 1)).collect();
            let kind = ["MIXED", "ALTERNATIVE", "RELATED"][usize::from(kind) - 6];
            format!("({parts} \"{kind}\")")
        }
    }
}

proptest! {
    #[test]
    fn encodings_are_undone_however_they_are_cut(bytes: Vec<u8>, base64: bool, by in 1usize..50) {
        let encoding = if base64 { ContentEncoding::Base64 } else { ContentEncoding::QuotedPrintable };
        let (mut decoder, mut out) = (TransferDecoder::new(&encoding).unwrap(), Vec::new());
        for piece in encoded(&bytes, base64).chunks(by) {
            decoder.decode(piece, &mut out);
        }
        decoder.finish(&mut out);
        prop_assert_eq!(out, bytes);
    }

    #[test]
    fn any_bytes_are_decoded_the_same_however_they_are_cut(
        bytes in proptest::collection::vec(proptest::sample::select(b"=A4z \t\r\n\xff".to_vec()), 0..60),
        base64: bool,
        by in 1usize..9,
    ) {
        let encoding = if base64 { ContentEncoding::Base64 } else { ContentEncoding::QuotedPrintable };
        let mut all = Vec::new();
        for by in [by, bytes.len().max(1)] {
            let (mut decoder, mut out) = (TransferDecoder::new(&encoding).unwrap(), Vec::new());
            for piece in bytes.chunks(by) {
                decoder.decode(piece, &mut out);
            }
            decoder.finish(&mut out);
            prop_assert!(out.len() <= bytes.len());
            all.push(out);
        }
        prop_assert_eq!(&all[0], &all[1]);
    }

    #[test]
    fn encoded_words_are_decoded(text in "\\PC{0,40}", base64: bool, at in 0usize..100) {
        let bytes = text.as_bytes();
        let (one, two) = bytes.split_at(at.min(bytes.len()));
        let word = |bytes: &[u8]| {
            let encoded: Vec<u8> = encoded(bytes, base64).into_iter().filter(|byte| !b"\r\n".contains(byte)).collect();
            format!("=?utf-8?{}?{}?=", if base64 { 'B' } else { 'q' }, String::from_utf8(encoded).unwrap())
        };
        // Letters that are cut in two are whole again.
        let words = format!("{} \r\n\t{}", word(one), word(two));
        prop_assert_eq!(decode_words(words.as_bytes()), text);
    }

    #[test]
    fn nothing_is_shown_that_is_more_than_a_line(bytes: Vec<u8>, piece in 0usize..8) {
        let pieces: [&[u8]; 8] =
            [b"=?utf-8?q?", b"=?utf-8?b?", b"?=", b"=0A", b"''", b"%0a", b"=?", b"=?iso-8859-1*x?Q?=07?="];
        let bytes = [&bytes[..], pieces[piece], &bytes[..], b"?="].concat();
        prop_assert!(!decode_words(&bytes).contains(char::is_control));
        let _ = decode_text(Some(&bytes), &bytes);
        let Ok(value) = ImapString::new(&bytes[..]) else { return Ok(()) };
        for name in ["filename", "filename*", "filename*0", "filename*0*"] {
            let parameters = [(ImapString::new(name).unwrap(), value.clone())];
            let found = parameter(&parameters, "filename").unwrap();
            prop_assert!(!found.contains(char::is_control));
            if let Some(name) = safe_file_name(&found) {
                prop_assert!(!name.contains(['/', '\\', ':']) && !name.is_empty() && name.len() <= 255);
            }
        }
    }

    /// Each part has one number, and each number is one that FETCH can ask for.
    #[test]
    fn any_structure_has_parts(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let structure = structure(&any_structure(&mut bytes.into_iter(), 6));
        let parts: Vec<_> = structure.parts().collect();
        let mut numbers: Vec<_> = parts.iter().map(|part| part.number.clone()).collect();
        prop_assert!(numbers.is_sorted());
        numbers.dedup();
        prop_assert_eq!(numbers.len(), parts.len());
        prop_assert!(parts.iter().all(|part| part.section() != Section::WHOLE));
        // What is sorted is each part of the message itself, once.
        let contents = structure.contents();
        let mut sorted: Vec<_> = [&contents.plain, &contents.html, &contents.related, &contents.attachments]
            .into_iter().flatten().map(|part| part.number.clone()).collect();
        sorted.sort();
        sorted.dedup();
        for number in &sorted {
            prop_assert!(parts.iter().any(|part| part.number == *number));
        }
        for part in &parts {
            let _ = (part.file_name(), part.media_type(), part.content_id(), part.charset());
            let is_nested = parts.iter().any(|other| {
                matches!(other.part.kind, PartKind::Message(_))
                    && part.number.len() > other.number.len()
                    && part.number.starts_with(&other.number)
            });
            let is_sorted = sorted.contains(&part.number);
            // Of alternatives, one is chosen.
            prop_assert!(!(is_nested && is_sorted));
        }
    }

    #[test]
    fn any_addresses_are_in_groups(list in proptest::collection::vec(any::<[Option<Vec<u8>>; 3]>(), 0..9)) {
        let string = |bytes: Option<Vec<u8>>| ImapString::new(bytes?).ok();
        let list: Vec<_> = list
            .into_iter()
            .map(|[name, mailbox, host]| Address::new(string(mailbox), string(host)).with_name(string(name)))
            .collect();
        let all: Vec<_> = addresses(&list).collect();
        let grouped: Vec<_> = groups(&list).into_iter().flat_map(|group| group.members).collect();
        prop_assert!(all.iter().all(|one| !one.to_string().contains(char::is_control)));
        prop_assert_eq!(all, grouped);
    }
}
