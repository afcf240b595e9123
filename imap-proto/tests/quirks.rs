//! What real servers send, and what it must mean: lenient reading gives the meaning and reports a
//! deviation, strict reading gives an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/responses.rs"]
mod responses;

use bytes::Bytes;
use mailwire_core::Dialect;
use mailwire_imap::{Capability, extensions::gmail::GmailLabel, response::*, types::*};
use responses::*;

#[test]
fn spaces() {
    let messages = |data| match data {
        Untagged::Status(status) => {
            assert_eq!(status.items, [StatusAttVal::Messages(0)]);
            status.mailbox
        }
        other => panic!("{other:?}"),
    };
    for line in [
        "* STATUS INBOX (MESSAGES 0) ",
        "* STATUS INBOX  (MESSAGES 0)",
        "* STATUS INBOX (MESSAGES 0 )",
        "* STATUS INBOX ( MESSAGES 0)",
        "* STATUS INBOX (MESSAGES  0)",
        "*  STATUS INBOX (MESSAGES 0)",
    ] {
        assert_eq!(messages(accepted(line)), MailboxName::INBOX);
    }
    for line in [
        "* CAPABILITY IMAP4 IMAP4rev1 XLIST MOVE IDLE XAPPLEPUSHSERVICE NAMESPACE CHILDREN ID UIDPLUS ",
        "* CAPABILITY  IMAP4 IMAP4rev1 XLIST  MOVE IDLE XAPPLEPUSHSERVICE NAMESPACE CHILDREN ID UIDPLUS",
    ] {
        let Untagged::Capability(found) = accepted(line) else { panic!() };
        assert_eq!(found.len(), 10);
        assert_eq!(found[5], Capability::new("XAPPLEPUSHSERVICE").unwrap());
        assert_eq!(found[9], Capability::UidPlus);
    }
    for (line, numbers) in [
        ("* SEARCH 1 2 3 ", vec![1, 2, 3]),
        ("* SEARCH ", vec![]),
        ("* SEARCH  1 2", vec![1, 2]),
        ("* SEARCH 1  2   ", vec![1, 2]),
        ("* SEARCH 0 2", vec![2]),
        ("* SEARCH 4294967296 2", vec![2]),
    ] {
        assert_eq!(accepted(line), Untagged::Search(SearchData::new(numbers)), "{line}");
    }
    for line in [
        "* 11487 FETCH (UID 19436 )",
        "* 11487 FETCH ( UID 19436)",
        "* 11487 FETCH (UID  19436)",
        "* 11487  FETCH (UID 19436)",
        "* 11487 FETCH  (UID 19436)",
        "* 11487 FETCH (UID 19436) ",
        "* 11487 FETCH(UID 19436)",
    ] {
        assert_eq!(items(accepted(line)), [uid(19436)], "{line}");
    }
    assert_eq!(
        items(accepted("* 1 FETCH (FLAGS (\\Seen)UID 5)")),
        [MsgAtt::Flags([Flag::Seen].into()), uid(5)]
    );
    assert_eq!(
        items(accepted("* 1 FETCH (FLAGS(\\Seen) UID 5)")),
        [MsgAtt::Flags([Flag::Seen].into()), uid(5)]
    );
    for line in ["*  1843 EXISTS", "* 1843  EXISTS", "* 1843 EXISTS  ", "*1843 EXISTS"] {
        assert_eq!(accepted(line), Untagged::Exists(1843), "{line}");
    }
    assert_eq!(accepted("* 5 EXPUNGE "), Untagged::Expunge(SeqNumber::new(5)));
    assert_eq!(accepted("* 5 RECENT "), Untagged::Recent(5));
    assert_eq!(
        items(accepted("* 4 FETCH (UID 71372 RFC822.HEADER  {5}\r\nhello)")),
        [uid(71372), MsgAtt::Rfc822Header(Data::Inline("hello".into()))]
    );
    assert_eq!(accepted("* OK hi\n"), Reply::new(ReplyKind::Ok, "hi").unwrap().into_untagged());
}

trait IntoUntagged {
    fn into_untagged(self) -> Untagged;
}

impl IntoUntagged for Reply {
    fn into_untagged(self) -> Untagged {
        Untagged::Reply(self)
    }
}

#[test]
fn flags() {
    let flags = |data| match data {
        Untagged::Flags(flags) => flags,
        other => panic!("{other:?}"),
    };
    let five = [Flag::Answered, Flag::Flagged, Flag::Deleted, Flag::Draft, Flag::Seen];
    let mut six = FlagSet::from(five.clone());
    six.insert(Flag::Forwarded);
    assert_eq!(flags(accepted("* FLAGS (\\Answered \\Flagged \\Deleted \\Draft \\Seen $Forwarded )")), six);
    assert_eq!(flags(accepted("* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)")), five.into());
    for name in ["OIB-Seen-[Gmail]/All", "a]b", "50%", "a*", "gr\u{fc}n", "back\\slash", "\\a]b", "\\*x"] {
        let found = flags(accepted(format!("* FLAGS ({name})")));
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!(found.iter().next().unwrap().to_string(), name);
    }
    assert_eq!(flags(accepted("* FLAGS NIL")), FlagSet::new());
    assert_eq!(flags(accepted("* FLAGS (\\ \\Seen)")), [Flag::Seen].into());
    assert_eq!(flags(accepted("* FLAGS (\"\" \\Seen)")), [Flag::Seen].into());
    assert_eq!(flags(accepted("* FLAGS (\"\\\\Seen\" \\Draft)")), [Flag::Seen, Flag::Draft].into());
    assert_eq!(
        flags(valid("* FLAGS (\\seen $FORWARDED NonJunk \\Foo)")),
        [Flag::Seen, Flag::Forwarded, Flag::new("NonJunk").unwrap(), Flag::new("\\Foo").unwrap()].into()
    );
    let Some(Code::PermanentFlags(permanent)) =
        status(accepted("* OK [PERMANENTFLAGS (OIB-Seen-[Gmail]/All \\*)] yes")).code
    else {
        panic!()
    };
    assert!(permanent.new_keywords && permanent.flags.len() == 1);
}

#[test]
fn status_text() {
    let text = |data: Reply| data.text.as_bytes().to_vec();
    let found = status(accepted("* OK [HIGHESTMODSEQ 1234]"));
    assert_eq!((found.code, found.text.is_empty()), (Some(Code::HighestModSeq(ModSeq::new(1234))), true));
    let found = status(accepted("* OK [ALERT] Gr\u{fc}\u{df}e"));
    assert_eq!((&found.code, text(found.clone())), (&Some(Code::Alert), "Gr\u{fc}\u{df}e".into()));
    assert_eq!(text(status(accepted(b"* OK caf\xe9"))), b"caf\xe9");
    assert_eq!(text(status(valid("* OK see ticket {20}"))), b"see ticket {20}");
    assert_eq!(status(accepted("* OK")).text.as_bytes(), b"");
    assert_eq!(status(accepted("* BYE")).kind, ReplyKind::Bye);
    let limit = |uid| Some(Code::MessageLimit { limit: 1000.try_into().unwrap(), uid });
    assert_eq!(status(valid("* OK [MESSAGELIMIT 1000 23221] x")).code, limit(Uid::new(23221)));
    assert_eq!(status(valid("* NO [MESSAGELIMIT 1000] x")).code, limit(None));
    assert!(matches!(status(accepted("* OK [MESSAGELIMIT x] x")).code, Some(Code::Malformed(_))));
    assert_eq!(status(accepted("* OK [UIDVALIDITY 0] x")).code, Some(Code::UidValidity(None)));
    assert_eq!(status(accepted("* OK [UIDNEXT 0] x")).code, Some(Code::UidNext(None)));
    assert_eq!(status(accepted("* OK [UNSEEN 0] x")).code, Some(Code::Unseen(None)));
    let found = status(accepted("* [COPYUID 1 2 3] done"));
    assert_eq!(found.kind, ReplyKind::Ok);
    let Some(Code::CopyUid(copy)) = found.code else { panic!() };
    assert_eq!(
        (copy.uid_validity, copy.source.count(), copy.destination.contains(3.try_into().unwrap())),
        (UidValidity::new(1), 1, true)
    );
    assert_eq!(status(accepted("* [ALERT] look")).code, Some(Code::Alert));
    assert_eq!(status(accepted("* OK[ALERT] look")).code, Some(Code::Alert));
    assert_eq!(status(accepted("* OK [ALERT]look")).code, Some(Code::Alert));
    assert_eq!(status(accepted("* OK  [ALERT] look")).code, Some(Code::Alert));
    assert_eq!(status(accepted("* OK [UIDNEXT 5 ] look")).code, Some(Code::UidNext(Uid::new(5))));
    assert_eq!(text(status(accepted("* OK [no end"))), b"[no end");
    // A code whose arguments are not what they should be keeps them.
    let found = status(accepted("* OK [COPYUID 1  ] done"));
    assert_eq!(
        (found.code, found.text.as_bytes()),
        (Some(Code::Malformed("COPYUID 1  ".into())), &b"done"[..])
    );
    let Some(Code::Other(other)) = status(valid("* OK [X-FOO bar (baz] x")).code else { panic!() };
    assert_eq!((other.name.as_bytes(), other.arguments), (&b"X-FOO"[..], some("bar (baz")));
    // Tagged responses and continuations alike.
    for line in ["+", "+go ahead", "a1 OK", "a1  OK x", "a1 OK [ALERT]", "a1 OK caf\u{e9}", "+ [ALERT]"] {
        let parsed = parse(line.as_bytes(), Dialect::Lenient).unwrap();
        assert!(!parsed.deviations.is_empty(), "{line}");
        assert!(parse(line.as_bytes(), Dialect::Strict).is_err(), "{line}");
    }
    for line in ["+ ", "+ go ahead", "+ YWJj", "a1 OK ", "a1 OK x", "a1 no [ALERT] x", "a1 BAD "] {
        assert_eq!(parse(line.as_bytes(), Dialect::Strict).unwrap().deviations, [], "{line}");
    }
    for line in ["a1 BYE x", "a1 PREAUTH x", "a1", "a1 OKAY x", "", "+\u{e9}", "%1 OK x", "(a) OK x"] {
        assert!(parse(line.as_bytes(), Dialect::Strict).is_err(), "{line}");
    }
}

#[test]
fn numbers() {
    for (line, size) in [
        ("* 1 FETCH (RFC822.SIZE 9.3736e+06)", 9_373_600),
        ("* 1 FETCH (RFC822.SIZE 9.37365e+04)", 93736),
        ("* 1 FETCH (RFC822.SIZE 1E3)", 1000),
        ("* 1 FETCH (RFC822.SIZE 12.0)", 12),
        ("* 1 FETCH (RFC822.SIZE \"12\")", 12),
        ("* 1 FETCH (RFC822.SIZE +12)", 12),
    ] {
        assert_eq!(items(accepted(line)), [MsgAtt::Rfc822Size(size)], "{line}");
    }
    for line in [
        "* 1 FETCH (RFC822.SIZE -1 UID 5)",
        "* 1 FETCH (RFC822.SIZE NIL UID 5)",
        "* 1 FETCH (RFC822.SIZE 99999999999999999999999 UID 5)",
        "* 1 FETCH (RFC822.SIZE 1e99 UID 5)",
        "* 1 FETCH (RFC822.SIZE x UID 5)",
    ] {
        let items = items(accepted(line));
        assert!(matches!(items[0], MsgAtt::Malformed(_)), "{line}");
        assert_eq!(items[1], uid(5), "{line}");
    }
    for line in ["* 1 FETCH (UID 5 MODSEQ (-1))", "* 1 FETCH (UID 5 MODSEQ (0))"] {
        assert_eq!(items(accepted(line)), [uid(5), MsgAtt::ModSeq(None)]);
    }
    let Some(MsgAtt::ModSeq(Some(value))) = items(accepted("* 1 FETCH (MODSEQ 12)")).pop() else { panic!() };
    assert_eq!(value.get(), 12);
    assert_eq!(items(valid("* 1 FETCH (RFC822.SIZE 5000000000)")), [MsgAtt::Rfc822Size(5_000_000_000)]);
    let Untagged::Fetch(fetch) = accepted("* 0 FETCH (FLAGS (\\Seen))") else { panic!() };
    assert_eq!((fetch.number, fetch.items.len()), (None, 1));
    assert_eq!(accepted("* 0 EXPUNGE"), Untagged::Expunge(None));
    let Untagged::Status(found) = accepted("* STATUS a (MESSAGES 3 UNSEEN -1 UIDNEXT 0)") else { panic!() };
    assert_eq!(found.items[0], StatusAttVal::Messages(3));
    assert_eq!(found.items[1], StatusAttVal::Malformed("UNSEEN -1".into()));
    assert_eq!(found.items[2], StatusAttVal::UidNext(None));
}

#[test]
fn envelopes() {
    let found = envelope(accepted(
        r#"* 6 FETCH (UID 6 ENVELOPE ("d" "s" ((NIL NIL "a" "b")) () () ((NIL NIL "a" "b")) () () "" "mid"))"#,
    ));
    assert_eq!((found.from().len(), found.sender().len(), found.to().len()), (1, 0, 1));
    assert_eq!((found.in_reply_to().cloned(), found.message_id().cloned()), (some(""), some("mid")));
    let two = envelope(accepted(
        r#"* 6 FETCH (ENVELOPE (NIL "s" ((NIL NIL "a" "b") (NIL NIL "c" "d")) NIL NIL NIL NIL NIL NIL NIL))"#,
    ));
    assert_eq!(two.from().len(), 2);
    assert_eq!(two.from()[1].mailbox, some("c"));
    for fields in 2..10 {
        let line = format!("* 6 FETCH (ENVELOPE (NIL \"s\"{}) UID 6)", " NIL".repeat(fields - 2));
        let items = items(accepted(&line));
        assert_eq!(items[1], uid(6), "{line}");
        let MsgAtt::Envelope(envelope) = &items[0] else { panic!("{line}") };
        assert_eq!(envelope.subject().cloned(), some("s"));
    }
    let surplus = format!("* 6 FETCH (ENVELOPE (NIL \"s\"{}) UID 6)", " NIL".repeat(9));
    assert_eq!(items(accepted(surplus)).len(), 2);
    assert_eq!(
        items(accepted(
            r#"* 1 FETCH (UID 14934 (ENVELOPE (NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL)) RFC822.SIZE 5)"#
        ))
        .len(),
        3
    );
    for wrong in ["(ENVELOPE NIL UID 6)", "(ENVELOPE () UID 6)"] {
        assert_eq!(items(accepted(format!("* 1 FETCH {wrong}")))[0], MsgAtt::Envelope(Box::default()));
    }
    let eight_bit =
        envelope(accepted(b"* 1 FETCH (ENVELOPE (NIL \"h\xe9llo\" NIL NIL NIL NIL NIL NIL NIL NIL))"));
    assert_eq!(eight_bit.subject().unwrap().as_bytes(), b"h\xe9llo");
    // Addresses.
    for (addresses, name, host) in [
        (r#"(("x" NIL "a" "b"))"#, "x", "b"),
        (r#"("x" NIL "a" "b")"#, "x", "b"),
        (r#"(("x" NIL "a" "b")NIL)"#, "x", "b"),
        (r#"(("x" "a" "b"))"#, "x", ""),
        (r#"(("x" NIL "a" "b" NIL))"#, "x", "b"),
        (r#"(("a "quoted" name" NIL "a" "b"))"#, "a \"quoted\" name", "b"),
        (r#"((""x"" NIL "a" "b"))"#, "\"x\"", "b"),
        (r#"(("x" NIL "a"  "b"))"#, "x", "b"),
        (r#"(("x" NIL "a" "b") )"#, "x", "b"),
        (r#"(( "x" NIL "a" "b"))"#, "x", "b"),
        (r#"((x NIL "a" "b"))"#, "x", "b"),
        (r#"(("x\y" NIL "a" "b"))"#, "x\\y", "b"),
        (r#"(("x" () "a" "b"))"#, "x", "b"),
    ] {
        let line = format!(r#"* 1 FETCH (ENVELOPE (NIL "s" {addresses} NIL NIL NIL NIL NIL NIL "m"))"#);
        let strict = addresses == r#"(("x" NIL "a" "b"))"#;
        let found = envelope(if strict { valid(&line) } else { accepted(&line) });
        assert_eq!(found.from()[0].name, some(name), "{line}");
        assert_eq!(found.from()[0].host.clone().unwrap_or_default(), host, "{line}");
        assert_eq!(found.message_id().cloned(), some("m"), "{line}");
    }
    let empty = envelope(accepted(r#"* 1 FETCH (ENVELOPE (NIL "s" "" NIL NIL NIL NIL NIL NIL "m"))"#));
    assert_eq!((empty.from().len(), empty.message_id().cloned()), (0, some("m")));
    // An envelope that cannot be read costs itself.
    let kept = items(accepted(r#"* 1 FETCH (UID 1 ENVELOPE (NIL "s" ("a" (x))) FLAGS ())"#));
    assert_eq!(kept.len(), 3);
    assert!(matches!(&kept[1], MsgAtt::Malformed(raw) if *raw == r#"ENVELOPE (NIL "s" ("a" (x)))"#));
}

#[test]
fn body_structures() {
    let part = single(accepted(r#"* 1 FETCH (BODYSTRUCTURE ("TEXT" "PLAIN" NIL NIL NIL "7BIT" -1 3))"#));
    assert_eq!((part.octets, part.kind), (None, PartKind::Text { lines: Some(3) }));
    let part = single(accepted(
        r#"* 150 FETCH (BODY ("application" "octet-stream" ("name" "2154973550.pdf") NIL """" "base64" 65322))"#,
    ));
    assert_eq!((part.description, part.octets), (some("\"\""), Some(65322)));
    assert_eq!(part.encoding, ContentEncoding::Base64);
    let part = single(accepted(r#"* 1 FETCH (BODYSTRUCTURE ("text" "plain" NIL NIL NIL NIL 536 0))"#));
    assert_eq!((part.encoding, part.octets), (ContentEncoding::SevenBit, Some(536)));
    let plain = r#"("text" "plain" NIL NIL NIL "7BIT" 1 1)"#;
    let found = multi(accepted(format!("* 1 FETCH (BODYSTRUCTURE ({plain} {plain} \"ALTERNATIVE\"))")));
    assert_eq!((found.parts.len(), found.media_subtype), (2, s("ALTERNATIVE")));
    let part = single(accepted(
        r#"* 1 FETCH (BODYSTRUCTURE ("MESSAGE" "RFC822" NIL NIL NIL "BASE64" 2942 NIL NIL NIL))"#,
    ));
    assert_eq!((part.kind, part.octets), (PartKind::Basic, Some(2942)));
    let part = single(accepted(
        r#"* 1 FETCH (BODYSTRUCTURE ("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 2942 NIL ("attachment" ("filename" "a.eml")) NIL))"#,
    ));
    assert_eq!(part.extension.unwrap().common.disposition.unwrap().kind, "attachment");
    let found = multi(accepted(
        r#"* 1 FETCH (BODYSTRUCTURE (("TEXT" "PLAIN" NIL NIL NIL "7BIT" 1 1)("RELATED" NIL ("ATTACHMENT" NIL) NIL) "MIXED"))"#,
    ));
    assert_eq!((found.parts.len(), &found.media_subtype), (2, &s("MIXED")));
    let BodyStructure::Multi(inner) = &found.parts[1] else { panic!() };
    assert_eq!((inner.parts.len(), &inner.media_subtype), (0, &s("RELATED")));
    assert_eq!(inner.extension.as_ref().unwrap().common.disposition.as_ref().unwrap().kind, "ATTACHMENT");
    for childless in ["(\"MIXED\")", "(NIL \"MIXED\")", "(() \"MIXED\")", "(NIL \"MIXED\" NIL NIL NIL)"] {
        let found = multi(accepted(format!("* 1 FETCH (BODYSTRUCTURE {childless})")));
        assert_eq!(found.media_subtype, "MIXED", "{childless}");
    }
    let nil = single(accepted(r#"* 1 FETCH (BODYSTRUCTURE (NIL NIL NIL NIL NIL "7BIT" 0))"#));
    assert_eq!((nil.media_type, nil.octets), (s(""), Some(0)));

    // Parts with what their neighbours could have wrong.
    for (text, octets) in [
        (r#"("text" "plain" () NIL NIL "7bit" 5 1)"#, Some(5)),
        (r#"("text" "plain" "" NIL NIL "7bit" 5 1)"#, Some(5)),
        (r#"("text" "plain" ("charset") NIL NIL "7bit" 5 1)"#, Some(5)),
        (r#"("text" "plain" ("charset" NIL) NIL NIL "7bit" 5 1)"#, Some(5)),
        (r#"("text" "plain" ("charset" "a" "b") NIL NIL "7bit" 5 1)"#, Some(5)),
        (r#"("text" "plain" ("charset" "a" ) NIL NIL "7bit" 5 1)"#, Some(5)),
        (r#"("text" "plain" ("charset"  "a") NIL NIL "7bit" 5 1)"#, Some(5)),
        (r#"("text" "plain" ("charset" us-ascii) NIL NIL "7bit" 5 1)"#, Some(5)),
        (r#"("text" "plain"("charset" "a") NIL NIL "7bit" 5 1)"#, Some(5)),
        (r#"("text" "plain" ("charset""a") NIL NIL "7bit" 5 1)"#, Some(5)),
        (r#"("text" "plain" ("name" "a "b" c") NIL NIL "7bit" 5 1)"#, Some(5)),
        (r#"("text" "plain" ("name" ""a b"") NIL NIL "7bit" 5 1)"#, Some(5)),
        (r#"("text" "plain" ("name" "C:\x.txt") NIL NIL "7bit" 5 1)"#, Some(5)),
        (r#"("text" "plain" NIL () NIL "7bit" 5 1)"#, Some(5)),
        (r#"("text" "plain" NIL NIL () "7bit" 5 1)"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL () 5 1)"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL 7bit 5 1)"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL "7bit" "5" 1)"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL "7bit" NIL 1)"#, None),
        (r#"("text" "plain" NIL NIL NIL "7bit" 5)"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL "7bit" 5 NIL)"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL "7bit" 5 "1")"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL "7bit" 5 -1)"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL "7bit" 5 1 )"#, Some(5)),
        (r#"( "text" "plain" NIL NIL NIL "7bit" 5 1)"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL "7bit" 5 1 NIL ())"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL "7bit" 5 1 NIL "inline")"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL "7bit" 5 1 NIL ("inline"))"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL "7bit" 5 1 NIL ("inline" ()))"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL "7bit" 5 1 NIL ("inline" NIL NIL))"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL "7bit" 5 1 NIL NIL ())"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL "7bit" 5 1 NIL NIL (NIL))"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL "7bit" 5 1 NIL NIL NIL ())"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL "7bit" 5 1 ("inline" NIL) NIL)"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL "7bit" 5 NIL ("inline" NIL) NIL NIL)"#, Some(5)),
        (r#"("text" "plain" NIL NIL NIL "7bit" 5 NIL NIL ("inline" NIL) NIL NIL)"#, Some(5)),
        (r#"("application" "pdf" NIL NIL NIL "7bit" 5 1)"#, Some(5)),
        (r#"("application" "pdf" NIL NIL NIL)"#, None),
        (r#"("application" NIL NIL NIL NIL "7bit" 5)"#, Some(5)),
        (r#"("message" "rfc822" NIL NIL NIL "7bit" 5)"#, Some(5)),
        (
            r#"("message" "rfc822" NIL NIL NIL "7bit" 5 NIL ("text" "plain" NIL NIL NIL "7bit" 1 1) 3)"#,
            Some(5),
        ),
    ] {
        let line = format!("* 1 FETCH (UID 7 BODYSTRUCTURE {text} FLAGS ())");
        let found = accepted(&line);
        assert_eq!(items(found.clone()).len(), 3, "{line}");
        let part = single(found);
        assert_eq!(part.octets, octets, "{line}");
        if text.contains("(\"inline") {
            let extension = part.extension.expect("extension data");
            assert_eq!(extension.common.disposition.expect("a disposition").kind, "inline", "{line}");
        }
    }
    let languages = single(valid(
        r#"* 1 FETCH (BODYSTRUCTURE ("text" "plain" NIL NIL NIL "7bit" 5 1 NIL NIL ("en" "de") "loc" (1 "x" (y)) 3))"#,
    ));
    let common = languages.extension.unwrap().common;
    assert_eq!((common.language.len(), common.location, common.others.len()), (2, some("loc"), 2));
}

fn label(name: &str) -> GmailLabel {
    GmailLabel::new(name).unwrap()
}

#[test]
fn fetch_items() {
    assert_eq!(
        items(valid(
            "* 1 FETCH (X-GM-THRID 1563190496481790748 X-GM-MSGID 1 X-GM-LABELS (\"\\\\Sent\" foo) UID 1)"
        )),
        [
            MsgAtt::GmailThreadId(1_563_190_496_481_790_748),
            MsgAtt::GmailMessageId(1),
            MsgAtt::GmailLabels(vec![GmailLabel::SENT, label("foo")]),
            uid(1)
        ]
    );
    assert_eq!(
        items(valid("* 1 FETCH (X-GM-LABELS (\\Inbox \\Sent Important \"Muy Importante\"))")),
        [MsgAtt::GmailLabels(vec![
            GmailLabel::INBOX,
            GmailLabel::SENT,
            label("Important"),
            label("Muy Importante")
        ])]
    );
    let found = items(valid("* 1 FETCH (UID 9 X-FOO ((a b) \"c\") FLAGS ())"));
    let [_, MsgAtt::Other(other), MsgAtt::Flags(_)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((other.name().as_bytes(), other.value().as_bytes()), (&b"X-FOO"[..], &b"((a b) \"c\")"[..]));
    for value in ["NIL", "12", "\"a b)\"", "{3}\r\n)(\"", "atom", "(a {3}\r\nb)c d)", "()", "a[b"] {
        let found = items(valid(format!("* 1 FETCH (UID 9 X-FOO {value} FLAGS ())")));
        let [_, MsgAtt::Other(other), MsgAtt::Flags(_)] = &found[..] else { panic!("{found:?}") };
        assert_eq!(other.value().as_bytes(), value.as_bytes());
    }
    let time = |data| match items(data).pop() {
        Some(MsgAtt::InternalDate(date)) => date.map(|date| date.to_string()),
        other => panic!("{other:?}"),
    };
    let fourth = Some("\" 4-Jan-2015 16:53:35 +0800\"".to_owned());
    assert_eq!(time(valid("* 1 FETCH (INTERNALDATE \" 4-Jan-2015 16:53:35 +0800\")")), fourth);
    assert_eq!(time(accepted("* 1 FETCH (INTERNALDATE \"4-Jan-2015 16:53:35 +0800\")")), fourth);
    assert_eq!(time(accepted("* 1 FETCH (INTERNALDATE \"  4-Jan-2015 16:53:35 +0800\")")), fourth);
    assert_eq!(time(accepted("* 1 FETCH (INTERNALDATE \" 04-Jan-2015 16:53:35 +0800\")")), fourth);
    assert_eq!(time(valid("* 1 FETCH (INTERNALDATE \"04-Jan-2015 16:53:35 +0800\")")), fourth);
    for none in ["\"00-Jan-0000 00:00:00 +0000\"", "\"31-Feb-2020 00:00:00 +0000\"", "\"\"", "NIL"] {
        assert_eq!(time(accepted(format!("* 1 FETCH (INTERNALDATE {none})"))), None, "{none}");
    }
    assert_eq!(time(accepted("* 1 FETCH (INTERNALDATE {26}\r\n 4-Jan-2015 16:53:35 +0800)")), fourth);
    let found = items(accepted("* 1 FETCH (INTERNALDATE {27}\r\n 4-Jan-2015 16:53:35 +0800x UID 5)"));
    assert!(matches!(&found[..], [MsgAtt::Malformed(_), MsgAtt::Uid(_)]), "{found:?}");
    for odd in ["\"Sun, 4 Jan 2015 16:53:35 +0800\"", "04-Jan-2015", "\"x\"", "()"] {
        let found = items(accepted(format!("* 1 FETCH (INTERNALDATE {odd} UID 5)")));
        assert!(matches!(&found[..], [MsgAtt::Malformed(_), MsgAtt::Uid(_)]), "{odd}: {found:?}");
    }
    // Parts of messages.
    let data = |data| match items(data).swap_remove(0) {
        MsgAtt::Section(part) => (part.section, part.origin, part.data),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        data(valid("* 1 FETCH (BODY[] {5}\r\nab\r\n) UID 1)")),
        (Section::WHOLE, None, Data::Inline("ab\r\n)".into()))
    );
    assert_eq!(data(valid("* 1 FETCH (BODY[HEADER]<0> NIL)")), (Section::HEADER, Some(0), Data::Nil));
    assert_eq!(data(valid("* 1 FETCH (BODY[1.2.HEADER.FIELDS (DATE \"X Y\")] \"x\")")).0.part().len(), 2);
    assert_eq!(data(accepted("* 1 FETCH (BODY[TEXT]<0.100> \"x\")")).1, Some(0));
    assert_eq!(data(accepted("* 1 FETCH (BODY[TEXT] () UID 1)")).2, Data::Nil);
    assert_eq!(data(accepted("* 1 FETCH (BODY[TEXT]{1}\r\nx UID 1)")).2, Data::Inline("x".into()));
    // A NUL that does not belong there is not looked for in lenient reading.
    let nul = b"* 1 FETCH (BODY[TEXT] {1}\r\n\0 UID 1)";
    assert!(parse(nul, Dialect::Strict).is_err() && parse(nul, Dialect::Lenient).is_ok());
    assert_eq!(
        data(accepted("* 1 FETCH (BODY[HEADER.FIELDS (DATE )] {1}\r\nx UID 1)")).2,
        Data::Inline("x".into())
    );
    let binary = items(valid("* 1 FETCH (BINARY[1] ~{3}\r\na\0b BINARY.SIZE[1] 3)"));
    assert!(matches!(&binary[0], MsgAtt::Binary(part) if part.data == Data::Inline("a\0b".into())));
    // An item without a value, or with one that has no end.
    let kept = items(accepted("* 1 FETCH (UID 5 FLAGS)"));
    assert!(matches!(&kept[..], [MsgAtt::Uid(_), MsgAtt::Malformed(_)]), "{kept:?}");
    let kept = items(accepted("* 1 FETCH (UID 5 ENVELOPE (NIL \"unclosed)"));
    assert!(matches!(&kept[..], [MsgAtt::Uid(_), MsgAtt::Malformed(_)]), "{kept:?}");
    assert_eq!(items(accepted("* 1 FETCH ()")), []);
}

#[test]
fn mailboxes() {
    let name = |data| list(data).name.to_unicode().into_owned();
    assert_eq!(name(accepted("* LIST () \"/\" INBOX/Da\tOggetto")), "INBOX/Da\tOggetto");
    assert_eq!(name(accepted("* LIST () \"/\" Sent Items")), "Sent Items");
    assert_eq!(name(accepted("* LIST () \"/\" Sent Items ")), "Sent Items");
    assert_eq!(name(accepted("* LIST () \"/\" Sent (old)")), "Sent (old)");
    assert_eq!(name(accepted("* LIST () \"/\" \"a \"b\" c\"")), "a \"b\" c");
    assert_eq!(name(accepted("* LIST () \"/\" \"x\" ")), "x");
    assert_eq!(name(accepted(b"* LIST () \"/\" caf\xe9")), "caf\u{fffd}");
    assert_eq!(name(valid("* LIST () \"/\" inbox")), "INBOX");
    assert_eq!(name(valid("* LIST () \"/\" {3}\r\na\"b")), "a\"b");
    assert_eq!(name(valid("* LIST () \"/\" \"Entw&APw-rfe\"")), "Entw\u{fc}rfe");
    assert_eq!(name(valid("* LIST () \"/\" a]b")), "a]b");
    for (line, delimiter) in [
        ("* LIST () \"\\\" x", Some(b'\\')),
        ("* LIST () \"\" x", None),
        ("* LIST () / x", Some(b'/')),
        ("* LIST () () x", None),
        ("* LIST NIL \"/\" x", Some(b'/')),
        ("* LIST ( ) \"/\" x", Some(b'/')),
        ("* LIST ()  \"/\" x", Some(b'/')),
        ("* LIST () \"/\"  x", Some(b'/')),
        ("* LIST ()\"/\" x", Some(b'/')),
        ("* LIST (\\HasNoChildren ) \"/\" x", Some(b'/')),
        ("* LIST (HasNoChildren) \"/\" x", Some(b'/')),
        ("* LSUB () NIL x ", None),
    ] {
        let found = list(accepted(line));
        assert_eq!((found.delimiter, found.name.as_bytes()), (delimiter, &b"x"[..]), "{line}");
    }
    assert_eq!(list(valid("* LIST () \"\\\\\" x")).delimiter, Some(b'\\'));
    let found = list(valid(
        "* LIST (\\HasChildren \\Foo) NIL x (\"CHILDINFO\" (\"SUBSCRIBED\") OLDNAME (y) X-Z (a (b)))",
    ));
    assert_eq!((found.attributes.len(), found.extensions.len()), (2, 3));
    let empty = valid("* STATUS \"INBOX\" ()");
    assert!(matches!(empty, Untagged::Status(status) if status.items.is_empty()));
    let spaced = accepted("* STATUS Sent Items (MESSAGES 3)");
    assert!(matches!(spaced, Untagged::Status(status) if status.mailbox.as_bytes() == b"Sent Items"));
    let Untagged::Namespace(found) = valid("* NAMESPACE ((\"\" NIL)) NIL NIL") else { panic!() };
    assert_eq!((found.personal.len(), found.personal[0].delimiter), (1, None));
    for line in [
        "* NAMESPACE ((\"\" \"/\")) () ()",
        "* NAMESPACE ((\"\" \"/\")) NIL",
        "* NAMESPACE ((\"\" \"/\")) NIL NIL ",
        "* NAMESPACE (\"\" \"/\") NIL NIL",
        "* NAMESPACE ((\"\" \"/\") ) NIL NIL",
    ] {
        let Untagged::Namespace(found) = accepted(line) else { panic!() };
        assert_eq!(found.personal[0].delimiter, Some(b'/'), "{line}");
    }
    let Untagged::Namespace(found) = valid(
        "* NAMESPACE ((\"\" \"/\")(\"#mh/\" \"/\" \"X-PARAM\" (\"FLAG1\" \"FLAG2\"))) NIL ((\"#shared/\" NIL))",
    ) else {
        panic!()
    };
    assert_eq!((found.personal.len(), found.shared.len()), (2, 1));
    assert!(matches!(valid("* CAPABILITY IMAP4rev2 IDLE"), Untagged::Capability(found) if found.len() == 2));
}

#[test]
fn other_data() {
    accepted("* QUOTA \"\" (STORAGE  10 512 )");
    valid("* QUOTA \"\" (STORAGE 10 512)");
    let Untagged::Other(other) = valid("* X-QUOTA \"\" (STORAGE 10 {3}\r\n512)") else { panic!() };
    assert_eq!((other.name().as_bytes(), other.number()), (&b"X-QUOTA"[..], None));
    assert_eq!(other.rest().as_bytes(), b"\"\" (STORAGE 10 {3}\r\n512)");
    let Untagged::Other(other) = valid("* 5 X-FETCH (FLAGS ())") else { panic!() };
    assert_eq!(other.number(), Some(5));
    assert_eq!(valid("* ID NIL"), Untagged::Id(vec![]));
    assert_eq!(
        accepted("* ID (\"name\" \"x\" \"y\")"),
        Untagged::Id(vec![(s("name"), some("x")), (s("y"), None)])
    );
    assert_eq!(accepted("* ID"), Untagged::Id(vec![]));
    let Untagged::ESearch(found) = valid("* ESEARCH (TAG \"A282\") UID MIN 2 COUNT 3 ALL 2,10:11 X (a b)")
    else {
        panic!()
    };
    assert_eq!((found.tag.clone(), found.uid, found.items.len()), (some("A282"), true, 4));
    assert_eq!(found.all().unwrap().count(), 3);
    assert!(matches!(valid("* ESEARCH"), Untagged::ESearch(found) if found.items.is_empty()));
    assert!(
        matches!(accepted("* ESEARCH (TAG \"a\") UID ALL "), Untagged::ESearch(found) if found.items.is_empty())
    );
    assert!(matches!(accepted("* ESEARCH (TAG \"a\") "), Untagged::ESearch(found) if found.items.is_empty()));
    let Untagged::Vanished(found) = valid("* VANISHED (EARLIER) 300:310,405") else { panic!() };
    assert!(found.earlier && found.uids.count() == 12);
    let Untagged::Search(found) = valid("* SEARCH 2 5 (MODSEQ 917162500)") else { panic!() };
    assert_eq!((found.numbers.len(), found.mod_seq.unwrap().get()), (2, 917_162_500));
    for line in ["* ", "*", "* 5", "* 5 ", "* (a)", "* FLAGS", "* LIST", "* STATUS", "* x EXISTS\0"] {
        let strict = parse(line.as_bytes(), Dialect::Strict);
        assert!(strict.is_err(), "{line}: {strict:?}");
    }
}

#[test]
fn streamed_literals() {
    // The literal's header alone stands in the frame; framing names the place after it.
    let frame = Bytes::from_static(b"* 1 FETCH (BODY[] {70000}\r\n UID 5)");
    let mut context = ParseContext::new(Dialect::Strict);
    context.streamed = vec![27];
    let Response::Untagged(data) = Response::parse(&frame, context).unwrap().value else { panic!() };
    let found = items(data.clone());
    assert!(matches!(&found[0], MsgAtt::Section(part) if part.data == Data::Streamed { length: 70000 }));
    assert_eq!(found[1], uid(5));
    let (mut out, mut streamed) = (Vec::new(), Vec::new());
    Response::Untagged(data).write_streamed(&mut out, &mut streamed);
    let [literal] = &streamed[..] else { panic!("{streamed:?}") };
    assert_eq!((&out[..out.len() - 2], literal.offset), (&frame[..], 27));
}

#[test]
fn nesting_ends() {
    for open in [
        "* 1 FETCH (BODYSTRUCTURE ",
        "* 1 FETCH (X-FOO ",
        "* 1 FETCH (ENVELOPE ",
        "* 1 FETCH (BODYSTRUCTURE (\"a\" \"b\" NIL NIL NIL \"c\" 1 NIL NIL NIL NIL ",
        "* LIST () \"/\" x (X ",
    ] {
        for close in ["", ")"] {
            let line = format!("{open}{}{}", "(".repeat(100_000), close.repeat(100_000));
            for dialect in [Dialect::Strict, Dialect::Lenient] {
                let found = parse(line.as_bytes(), dialect);
                assert!(found.is_err(), "{open}: {dialect:?}");
            }
        }
    }
    let deep = |levels: usize| {
        let part = "(\"a\" \"b\" NIL NIL NIL \"7BIT\" 1)";
        format!("* 1 FETCH (BODYSTRUCTURE {}{part}{})", "(".repeat(levels), " \"mixed\")".repeat(levels))
    };
    assert!(parse(deep(60).as_bytes(), Dialect::Strict).is_ok());
    assert!(parse(deep(64).as_bytes(), Dialect::Strict).is_err());
    // The levels of an extension's value are within those of the body that it belongs to.
    let extended = |levels: usize| {
        let value = format!("{}{}", "(".repeat(levels), ")".repeat(levels));
        format!("* 1 FETCH (BODYSTRUCTURE (\"a\" \"b\" NIL NIL NIL \"7BIT\" 1 NIL NIL NIL NIL {value}))")
    };
    assert!(parse(extended(63).as_bytes(), Dialect::Strict).is_ok());
    assert!(parse(extended(64).as_bytes(), Dialect::Strict).is_err());
}

/// The cost of mistakes grows with their number and no faster: four times as many take about four
/// times as long, measured in the same way on both.
#[test]
fn parentheses_after_what_is_no_space_come_to_an_end() {
    for line in ["* SEARCH 4,(MODSEQ 7)", "* SEARCH 4\t\t(MODSEQ 7)", "* SEARCH 4  (MODSEQ 7)"] {
        let Untagged::Search(search) = accepted(line) else { panic!("{line}") };
        assert_eq!((&search.numbers[..], search.mod_seq), (&[4][..], ModSeq::new(7)), "{line}");
    }
    for line in
        ["* SEARCH 4,(", "* SEARCH ,(", "* SEARCH\t\t(x", "* SEARCH 4\t(", "* SEARCH 4,(\0\0\08* S OK"]
    {
        let frame = Bytes::copy_from_slice(line.as_bytes());
        assert!(Response::parse(&frame, Dialect::Lenient).is_err(), "{line}");
    }
}

#[test]
fn a_status_item_without_its_value_costs_that_item() {
    let line = "* STATUS INBOX (MESSAGES 1 UNSEEN)";
    let Untagged::Status(status) = accepted(line) else { panic!() };
    assert_eq!(status.items, [StatusAttVal::Messages(1), StatusAttVal::Malformed("UNSEEN".into())]);
}

/// Exchange 2013, in answer to UID MOVE; wp.pl, in answer to LOGOUT.
#[test]
fn status_responses_without_their_beginning() {
    let Untagged::Reply(reply) = accepted("[COPYUID 124 10 233]\r\n") else { panic!() };
    assert_eq!((reply.kind, reply.text.as_bytes()), (ReplyKind::Ok, &b""[..]));
    assert!(matches!(reply.code, Some(Code::CopyUid(_))));
    let parsed = parse(b"[COPYUID 124 10 233]", Dialect::Lenient).unwrap();
    assert_eq!(parsed.deviations.len(), 2);
    // A tag can begin like that.
    let tagged = parse(b"[a OK done", Dialect::Strict).unwrap();
    assert_eq!(parse(b"[a OK done", Dialect::Lenient), Ok(tagged));
    let Untagged::Reply(reply) = accepted("a1 BYE Server logging out\r\n") else { panic!() };
    assert_eq!((reply.kind, reply.text.as_bytes()), (ReplyKind::Bye, &b"Server logging out"[..]));
}

#[test]
fn the_case_of_a_capability_does_not_count() {
    for name in ["AUTH=PLAIN", "auth=plain", "Auth=PLAIN", "aUTh=PLAIN"] {
        assert_eq!(
            Capability::new(name),
            Ok(Capability::Auth(mailwire_core::sasl::Mechanism::Plain)),
            "{name}"
        );
    }
}
