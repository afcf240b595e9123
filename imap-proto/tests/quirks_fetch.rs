//! What real servers send for messages, and what it must mean. See `quirks.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/responses.rs"]
mod responses;

use mailwire_core::Dialect;
use mailwire_imap::{response::*, types::*};
use responses::*;

fn flags() -> MsgAtt {
    MsgAtt::Flags([Flag::Seen].into())
}

/// A server that closes the list after the first items.
#[test]
fn items_after_the_list_are_read() {
    for (line, expected) in [
        ("* 5 FETCH (UID 7) FLAGS (\\Seen)", vec![uid(7), flags()]),
        ("* 5 FETCH (UID 7) FLAGS (\\Seen))", vec![uid(7), flags()]),
        ("* 5 FETCH (UID 7))", vec![uid(7)]),
        ("* 5 FETCH (UID 7) (FLAGS (\\Seen))", vec![uid(7), flags()]),
        ("* 5 FETCH (UID 7)FLAGS (\\Seen)", vec![uid(7), flags()]),
        ("* 5 FETCH (UID 7)) ) FLAGS (\\Seen) )", vec![uid(7), flags()]),
    ] {
        assert_eq!(items(accepted(line)), expected, "{line}");
    }
    let found = items(accepted("* 5 FETCH (BODY[] {3}\r\nabc) UID 7 RFC822.SIZE 3 ] junk"));
    assert!(
        matches!(
            &found[..],
            [MsgAtt::Section(_), MsgAtt::Uid(_), MsgAtt::Rfc822Size(3), MsgAtt::Malformed(_)]
        ),
        "{found:?}"
    );
    let error = parse(b"* 5 FETCH (UID 7) FLAGS (\\Seen)", Dialect::Strict).unwrap_err();
    assert_eq!((error.reason, error.offset), ("surplus-data", 17));
}

#[test]
fn what_follows_other_responses_is_left_out() {
    for (line, expected) in [
        ("* 5 EXISTS now", Untagged::Exists(5)),
        ("* 5 RECENT ()", Untagged::Recent(5)),
        ("* 5 EXPUNGE 6", Untagged::Expunge(SeqNumber::new(5))),
        ("* FLAGS (\\Seen) \\Draft", Untagged::Flags([Flag::Seen].into())),
        ("* FLAGS (\\Seen))", Untagged::Flags([Flag::Seen].into())),
        ("* ID NIL NIL", Untagged::Id(vec![])),
        (
            "* STATUS x (MESSAGES 1) (UNSEEN 2)",
            Untagged::Status(StatusData::new("x".try_into().unwrap(), [StatusAttVal::Messages(1)])),
        ),
    ] {
        assert_eq!(accepted(line), expected, "{line}");
    }
}

#[test]
fn addresses_that_are_none_cost_themselves() {
    for (addresses, hosts) in [
        (r#"(NIL (NIL NIL "a" "b"))"#, 1),
        (r#"(NIL(NIL NIL "a" "b"))"#, 1),
        (r#"("" (NIL NIL "a" "b"))"#, 1),
        (r#"(""(NIL NIL "a" "b"))"#, 1),
        (r#"((NIL NIL "a" "b") NIL (NIL NIL "c" "d"))"#, 2),
        (r#"((NIL NIL "a" "b")""(NIL NIL "c" "d"))"#, 2),
        (r#"((NIL NIL (x) "y")(NIL NIL "c" "b"))"#, 1),
        (r#"(((NIL NIL "x" "y"))(NIL NIL "c" "b"))"#, 1),
        (r#"(NIL NIL "a" "b")"#, 1),
        (r#"("" NIL "a" "b")"#, 1),
        (r#"(NIL)"#, 0),
        (r#"(NIL )"#, 0),
        (r#"("")"#, 0),
    ] {
        let line = format!(r#"* 1 FETCH (ENVELOPE (NIL "s" {addresses} NIL NIL NIL NIL NIL NIL "m"))"#);
        let found = envelope(accepted(&line));
        assert_eq!(found.from().len(), hosts, "{line}: {:?}", found.from());
        assert!(
            found.from().iter().all(|address| address.mailbox.is_some() && address.host.is_some()),
            "{line}"
        );
        assert_eq!(found.message_id().cloned(), some("m"), "{line}");
    }
}

#[test]
fn encodings_in_every_form() {
    for (text, encoding) in [
        ("{16}\r\nquoted-printable", ContentEncoding::QuotedPrintable),
        ("{6}\r\nBase64", ContentEncoding::Base64),
        ("\"\"", ContentEncoding::SevenBit),
        ("{0}\r\n", ContentEncoding::SevenBit),
        ("\"x-uuencode\"", ContentEncoding::Other(s("x-uuencode"))),
    ] {
        let part = single(valid(format!(r#"* 1 FETCH (BODY ("text" "plain" NIL NIL NIL {text} 5 1))"#)));
        assert_eq!((part.encoding, part.octets), (encoding, Some(5)), "{text}");
    }
    let part = single(accepted(r#"* 1 FETCH (BODY ("text" "plain" NIL NIL NIL quoted-printable 5 1))"#));
    assert_eq!((part.encoding, part.octets), (ContentEncoding::QuotedPrintable, Some(5)));
}

#[test]
fn a_missing_subtype_moves_nothing() {
    for (text, subtype) in [
        (r#"("APPLICATION" NIL NIL NIL "base64" 356)"#, "octet-stream"),
        (r#"("application" ("name" "x") NIL NIL "base64" 356)"#, "octet-stream"),
        (r#"("application" NIL "<id>" NIL "base64" 356 NIL ("attachment" NIL) NIL NIL)"#, "octet-stream"),
        (r#"("TEXT" ("charset" "us-ascii") NIL NIL "base64" 356 7)"#, "plain"),
        (r#"("TEXT" NIL NIL NIL "base64" 356 7 NIL NIL NIL NIL)"#, "plain"),
        (r#"("IMAGE" NIL NIL NIL "base64" 356)"#, "octet-stream"),
    ] {
        for line in [
            format!("* 1 FETCH (BODYSTRUCTURE {text} UID 7)"),
            format!("* 1 FETCH (BODYSTRUCTURE ({text} \"mixed\") UID 7)"),
        ] {
            let found = accepted(&line);
            assert_eq!(items(found.clone())[1], uid(7), "{line}");
            let part = match body(found) {
                BodyStructure::Multi(multi) => multi.parts[0].clone(),
                single => single,
            };
            let BodyStructure::Single(part) = part else { panic!("{line}: {part:?}") };
            assert_eq!((part.encoding, part.octets), (ContentEncoding::Base64, Some(356)), "{line}");
            assert_eq!(part.media_subtype, subtype, "{line}");
            assert_eq!(
                matches!(part.kind, PartKind::Text { lines: Some(7) }),
                text.starts_with("(\"TEXT"),
                "{line}"
            );
        }
    }
    // GMX: a multipart without parts, as a part with the extension data of a multipart.
    let found = multi(accepted(
        r#"* 1 FETCH (BODYSTRUCTURE (("multipart" "related" ("boundary" "b1") NIL NIL "7BIT" 400 ("boundary" "b1") NIL NIL NIL)("TEXT" "html" NIL NIL NIL "7BIT" 11 7 NIL NIL NIL NIL) "mixed"))"#,
    ));
    assert_eq!(found.parts.len(), 2, "{found:?}");
    let BodyStructure::Single(html) = &found.parts[1] else { panic!() };
    assert_eq!(html.octets, Some(11));
}

#[test]
fn rfc822_with_the_section_of_body() {
    let content = || Data::Inline("foo\r\n".into());
    let fetched = |name: &str| items(accepted(format!("* 1 FETCH ({name} {{5}}\r\nfoo\r\n UID 7)")));
    assert_eq!(fetched("RFC822[]"), [MsgAtt::Rfc822(content()), uid(7)]);
    assert_eq!(fetched("RFC822.TEXT[]"), [MsgAtt::Rfc822Text(content()), uid(7)]);
    assert_eq!(fetched("RFC822.HEADER[]"), [MsgAtt::Rfc822Header(content()), uid(7)]);
    let header = SectionData::new(Section::HEADER, content());
    assert_eq!(fetched("RFC822[HEADER]"), [MsgAtt::Section(Box::new(header)), uid(7)]);
}

/// 0 is no number of a message.
#[test]
fn zero_is_no_message() {
    assert_eq!(items(accepted("* 5 FETCH (UID 0 FLAGS (\\Seen))")), [flags()]);
    assert_eq!(items(accepted("* 5 FETCH (FLAGS (\\Seen) UID \"0\")")), [flags()]);
    assert_eq!(items(accepted("* 5 FETCH (UID 0)")), []);
    assert!(matches!(accepted("* SEARCH 0"), Untagged::Search(found) if found.numbers.is_empty()));
    assert!(matches!(accepted("* SEARCH 3 0 5"), Untagged::Search(found) if found.numbers == [3, 5]));
    let Untagged::ESearch(found) = accepted("* ESEARCH (TAG \"a\") MIN 0 MAX 0 COUNT 0") else { panic!() };
    assert_eq!(found.items, [SearchReturnData::Count(0)]);
    for line in ["* VANISHED 0", "* VANISHED 1:0", "* ESEARCH ALL 0"] {
        assert!(parse(line.as_bytes(), Dialect::Lenient).is_err(), "{line}");
    }
    for line in
        ["* OK [COPYUID 1 0 5] x", "* OK [COPYUID 1 5 0] x", "* OK [APPENDUID 1 0] x", "* OK [MODIFIED 0] x"]
    {
        let Untagged::Reply(reply) = accepted(line) else { panic!("{line}") };
        assert!(matches!(reply.code, Some(Code::Malformed(_))), "{line}");
    }
}

/// Exchange: neither an asterisk nor OK.
#[test]
fn a_code_alone_on_its_line() {
    let Untagged::Reply(reply) = accepted("[COPYUID 124 10 233]") else { panic!() };
    assert!(matches!(reply.code, Some(Code::CopyUid(_))) && reply.is_ok());
}

#[test]
fn items_named_as_they_were_asked_for() {
    let found = items(accepted("* 1 FETCH (BODY.PEEK[HEADER] {5}\r\na: b\n UID 7)"));
    let header = SectionData::new(Section::HEADER, Data::Inline("a: b\n".into()));
    assert_eq!(found, [MsgAtt::Section(Box::new(header)), uid(7)]);
    let found = items(accepted("* 1 FETCH (BINARY.PEEK[1] ~{1}\r\n\0 UID 7)"));
    assert!(matches!(&found[..], [MsgAtt::Binary(_), MsgAtt::Uid(_)]), "{found:?}");
}

#[test]
fn a_missing_field_before_the_encoding() {
    let part =
        single(accepted(r#"* 1 FETCH (BODY ("text" "plain" ("charset" "utf-8") NIL "base64" 356 7))"#));
    assert_eq!((part.encoding, part.octets), (ContentEncoding::Base64, Some(356)));
    assert_eq!((part.kind, part.description), (PartKind::Text { lines: Some(7) }, None));
    let part = single(accepted(r#"* 1 FETCH (BODY ("text" "plain" NIL NIL "" 356 7))"#));
    assert_eq!((part.encoding, part.octets), (ContentEncoding::SevenBit, Some(356)));
    // Not what begins with a digit only.
    let part = single(accepted(r#"* 1 FETCH (BODY ("text" "plain" NIL NIL NIL 7bit 356 7))"#));
    assert_eq!((part.encoding, part.octets), (ContentEncoding::SevenBit, Some(356)));
}

#[test]
fn lists_without_their_end() {
    let Untagged::Status(found) = accepted("* STATUS x (MESSAGES 3 UNSEEN 1") else { panic!() };
    assert_eq!(found.items, [StatusAttVal::Messages(3), StatusAttVal::Unseen(1)]);
    let Untagged::ESearch(found) = accepted("* ESEARCH (TAG \"a\") UID COUNT 3 )") else { panic!() };
    assert_eq!((found.uid, &found.items[..]), (true, &[SearchReturnData::Count(3)][..]));
    assert!(parse(b"* ESEARCH (TAG \"a\") UID )", Dialect::Lenient).is_err());
}
