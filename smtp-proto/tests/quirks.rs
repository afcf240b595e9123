//! What real peers send: read with its meaning and reported in the lenient dialect, refused at the
//! place in the strict one. Each sample has others of its kind beside it.
//!
//! Where a peer's behaviour is more than a line, another test has it:
//!
//! | behaviour | test |
//! | --- | --- |
//! | EHLO after AUTH logs out: it is not sent again | `smtp-proto/tests/transcripts/auth.txt` |
//! | 421 and 221 that nothing asked for | `smtp-proto/tests/attacks.rs::an_unasked_reply_is_no_reply_to_the_next_command`, `mail-transport/tests/endings.rs::a_421_between_messages_is_told` |
//! | 421 for one recipient, after the message was accepted for another | `mail-transport/tests/smtp_sending.rs::a_goodbye_after_a_part_is_the_reason_for_the_rest` |
//! | the answer to a message takes minutes | `smtp-proto/tests/limits.rs::timeouts_are_of_the_phase` |
//! | a command in two segments is read wrongly, a body in two small writes is slow | `mail-transport/tests/driver.rs::a_group_of_commands_is_one_write`, `smtp-proto/tests/pair.rs::a_group_leaves_in_one_write_and_a_body_is_not_copied` |
//! | PIPELINING is offered and broken | `smtp-proto/tests/chunking.rs::without_pipelining_each_chunk_waits`, `mail-transport/tests/smtp_sending.rs::a_connection_that_is_cut_at_any_byte_leaves_no_doubt_beyond_the_unknown` |
//! | CHUNKING is offered and broken | `mail-transport/tests/smtp_sending.rs::large_messages_go_by_bdat_unless_that_is_forbidden` |
//! | one of several recipients is refused | `mail-store/tests/smtp.rs::each_recipient_has_a_result` |
//! | too many recipients, told by 452, 552 or LIMITS | `mail-transport/tests/smtp_parameters.rs::too_many_recipients_are_tried_again`, `mail-transport/tests/smtp_sending.rs::messages_in_parts_leave_no_doubt_at_any_cut` |
//! | 354 though no recipient was accepted | `smtp-proto/tests/transcripts/no-recipients.txt` |
//! | prompts of LOGIN vary | `a_challenge_that_is_no_base64` |
//! | EHLO is refused | `smtp-proto/tests/transcripts/helo.txt` |
//! | underscores in host names | `addresses_that_break_the_rfc`, `names_in_ehlo` |
//! | `[127.0.0.1]` is refused as a name in EHLO | `mail-transport/src/smtp/client.rs::a_loopback_address_is_no_name` |
//! | a tarpit answers a byte a second | `mail-transport/tests/patience.rs::a_command_ends_however_alive_the_server_is` |
//! | no 8BITMIME, BINARYMIME or SMTPUTF8 | `mail-transport/tests/smtp_parameters.rs::parts_beyond_ascii_are_encoded_for_a_server_without_8bitmime` and those after it |
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::{Bytes, BytesMut};
use mailwire_smtp::{
    Capabilities, Command, Deviation, Dialect, Error, Limits, Mechanism, ParseError, Reply, ReplyFramer,
    client,
};

/// In the lenient dialect `line` is `meaning` with these deviations; strict reading ends at the first.
fn accept_command(line: &str, meaning: &str, deviations: &[(&str, usize)]) {
    let frame = Bytes::from(line.to_owned());
    let parsed = Command::parse(&frame, Dialect::Lenient).unwrap_or_else(|error| panic!("{line}: {error}"));
    let mut out = Vec::new();
    parsed.value.write(&mut out);
    assert_eq!(String::from_utf8(out).unwrap(), format!("{meaning}\r\n"), "{line}");
    let found: Vec<_> = parsed.deviations.iter().map(|it| (it.name, it.offset)).collect();
    assert_eq!(found, deviations, "{line}");
    match (Command::parse(&frame, Dialect::Strict), deviations.iter().min_by_key(|it| it.1)) {
        (Ok(strict), None) => assert_eq!(strict.value, parsed.value, "{line}"),
        (Err(error), Some((_, offset))) => assert_eq!(error.offset, *offset, "{line}: {error}"),
        (strict, _) => panic!("{line}: {strict:?}"),
    }
}

fn valid_command(line: &str, meaning: &str) {
    accept_command(line, meaning, &[]);
}

fn refuse_command(frame: &[u8], offset: usize) {
    for dialect in [Dialect::Strict, Dialect::Lenient] {
        let error = Command::parse(&Bytes::copy_from_slice(frame), dialect).unwrap_err();
        assert_eq!(error.offset, offset, "{}: {error}", frame.escape_ascii());
    }
}

#[test]
fn spaces_around_the_colon() {
    for (line, deviation) in [
        ("MAIL FROM: <a@example.org>", ("space-after-colon", 10)),
        ("MAIL FROM:   <a@example.org>", ("space-after-colon", 10)),
        ("mail from :<a@example.org>", ("space-before-colon", 9)),
        ("MAIL  FROM:<a@example.org>", ("extra-space", 5)),
        ("MAIL\tFROM:<a@example.org>", ("tab-for-space", 4)),
        ("MAIL FROM:< a@example.org>", ("space-in-path", 11)),
        ("MAIL FROM:<a@example.org >", ("space-in-path", 24)),
    ] {
        accept_command(line, "MAIL FROM:<a@example.org>", &[deviation]);
    }
    accept_command("RCPT TO: <b@example.org>", "RCPT TO:<b@example.org>", &[("space-after-colon", 8)]);
    accept_command("MAIL FROM: <>", "MAIL FROM:<>", &[("space-after-colon", 10)]);
}

#[test]
fn a_local_part_alone() {
    let name = "missing-domain";
    accept_command("RCPT TO:<root>", "RCPT TO:<root>", &[(name, 13)]);
    accept_command("RCPT TO:<root> NOTIFY=NEVER", "RCPT TO:<root> NOTIFY=NEVER", &[(name, 13)]);
    accept_command(r#"RCPT TO:<"a b">"#, r#"RCPT TO:<"a b">"#, &[(name, 14)]);
    accept_command("RCPT TO:<root >", "RCPT TO:<root>", &[(name, 13), ("space-in-path", 13)]);
    // Without brackets it may be anything, and reports are not sent to one.
    for line in ["RCPT TO:root", "RCPT TO:<>", "RCPT TO:<root@>", "RCPT TO:<a b>", "MAIL FROM:<root>"] {
        let line = Bytes::copy_from_slice(line.as_bytes());
        assert!(Command::parse(&line, Dialect::Lenient).is_err(), "{line:?}");
    }
    assert!(Command::parse(&Bytes::from("RCPT TO:<root>"), Dialect::Strict).is_err());
}

#[test]
fn missing_brackets() {
    let name = "missing-angle-brackets";
    accept_command("MAIL FROM:a@example.org", "MAIL FROM:<a@example.org>", &[(name, 10)]);
    accept_command("MAIL FROM:a@example.org SIZE=5", "MAIL FROM:<a@example.org> SIZE=5", &[(name, 10)]);
    accept_command("RCPT TO:b@[127.0.0.1]", "RCPT TO:<b@[127.0.0.1]>", &[(name, 8)]);
    accept_command("RCPT TO:postmaster", "RCPT TO:<Postmaster>", &[(name, 8)]);
    accept_command(
        "RCPT TO: b@example.org",
        "RCPT TO:<b@example.org>",
        &[("space-after-colon", 8), (name, 9)],
    );
    for line in [&b"MAIL FROM:"[..], b"MAIL FROM: "] {
        assert!(
            Command::parse(&Bytes::from_static(line), Dialect::Lenient).is_err(),
            "no address, no brackets"
        );
    }
    refuse_command(b"MAIL FROM:<a@example.org", 24);
}

#[test]
fn addresses_that_break_the_rfc() {
    for (address, meaning, name, offset) in [
        ("a..b@docomo.example", "\"a..b\"@docomo.example", "misplaced-dot-in-local-part", 2),
        ("a.@docomo.example.", "\"a.\"@docomo.example", "misplaced-dot-in-local-part", 1),
        (".a@docomo.example", "\".a\"@docomo.example", "misplaced-dot-in-local-part", 0),
        ("a@[2001:db8::1]", "a@[IPv6:2001:db8::1]", "malformed-address-literal", 3),
    ] {
        let frame = Bytes::from(format!("RCPT TO:<{address}>"));
        let parsed = Command::parse(&frame, Dialect::Lenient).unwrap();
        assert_eq!((parsed.deviations[0].name, parsed.deviations[0].offset), (name, 9 + offset));
        let Command::Rcpt(rcpt) = &parsed.value else { panic!() };
        let mailbox = rcpt.to.mailbox().unwrap();
        assert_eq!((mailbox.as_str(), mailbox), (meaning, &meaning.parse().unwrap()));
        let unquoted = address.split('@').next().unwrap();
        assert_eq!(mailbox.unquoted_local_part(), unquoted);
        assert_eq!(Command::parse(&frame, Dialect::Strict).unwrap_err().offset, 9 + offset);
    }
    for (address, name, offset) in [
        ("a@my_host.example", "underscore-in-domain", 4),
        ("a@-b.example", "hyphen-at-label-edge", 2),
        ("a@b-.example", "hyphen-at-label-edge", 4),
        ("a@[IPv6:fe80::1%eth0]", "malformed-address-literal", 3),
    ] {
        let line = format!("RCPT TO:<{address}>");
        accept_command(&line, &line, &[(name, 9 + offset)]);
    }
    accept_command("RCPT TO:<a@example.org.>", "RCPT TO:<a@example.org>", &[("trailing-dot-in-domain", 22)]);
}

#[test]
fn valid_commands() {
    for (line, meaning) in [
        (
            "mail from:<a@example.org> size=1000 body=8bitmime",
            "MAIL FROM:<a@example.org> SIZE=1000 BODY=8BITMIME",
        ),
        ("MAIL FROM:<>", "MAIL FROM:<>"),
        ("MAIL FROM:<> SMTPUTF8 RET=HDRS", "MAIL FROM:<> SMTPUTF8 RET=HDRS"),
        ("RCPT TO:<Postmaster>", "RCPT TO:<Postmaster>"),
        ("RCPT TO:<POSTMASTER>", "RCPT TO:<Postmaster>"),
        ("RCPT TO:<postmaster@example.org>", "RCPT TO:<postmaster@example.org>"),
        ("RCPT TO:<a@[127.0.0.1]>", "RCPT TO:<a@[127.0.0.1]>"),
        ("RCPT TO:<a@[IPv6:2001:db8::1]>", "RCPT TO:<a@[IPv6:2001:db8::1]>"),
        (
            r#"RCPT TO:<"foo@x> ORCPT=rfc822;y"@example.org>"#,
            r#"RCPT TO:<"foo@x> ORCPT=rfc822;y"@example.org>"#,
        ),
        (r#"RCPT TO:<"a \"b\" \\ c"@example.org>"#, r#"RCPT TO:<"a \"b\" \\ c"@example.org>"#),
        (r#"RCPT TO:<""@example.org>"#, r#"RCPT TO:<""@example.org>"#),
        (
            r"RCPT TO:<a@example.org> ORCPT=UTF-8;e\x{3D}mc2@example.com",
            r"RCPT TO:<a@example.org> ORCPT=UTF-8;e\x{3D}mc2@example.com",
        ),
        ("RCPT TO:<jürgen@bücher.example>", "RCPT TO:<jürgen@bücher.example>"),
        ("EHLO [IPv6:::1]", "EHLO [IPv6:::1]"),
        ("hElO Example.org", "HELO Example.org"),
        ("auth plain =", "AUTH PLAIN ="),
        ("BDAT 100 LAST", "BDAT 100 LAST"),
        ("XCLIENT NAME=spike.example ADDR=168.100.189.2", "XCLIENT NAME=spike.example ADDR=168.100.189.2"),
    ] {
        valid_command(line, meaning);
    }
}

/// RFC 5321 section 4.1.2 and appendix C: a server takes and ignores them.
#[test]
fn source_routes() {
    for (line, meaning, offset) in [
        ("RCPT TO:<@a.example,@b.example:user@example.org>", "RCPT TO:<user@example.org>", 9),
        ("MAIL FROM:<@a.example:user@example.org>", "MAIL FROM:<user@example.org>", 11),
        ("RCPT TO:<@a.example:postmaster>", "RCPT TO:<Postmaster>", 9),
    ] {
        let frame = Bytes::from(line);
        let lenient = Command::parse(&frame, Dialect::Lenient).unwrap();
        assert_eq!(lenient.deviations, [Deviation::new("source-route", offset)], "{line}");
        let strict = Command::parse(&frame, Dialect::Strict).unwrap();
        assert_eq!((&strict.value, &strict.deviations[..]), (&lenient.value, &[][..]), "{line}");
        let mut out = Vec::new();
        strict.value.write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{meaning}\r\n"));
    }
}

#[test]
fn surplus_arguments() {
    for (line, meaning, deviations) in [
        ("QUIT now", "QUIT", &[("surplus-argument", 5)][..]),
        ("DATA foo bar ", "DATA", &[("surplus-argument", 5)]),
        ("rset  caf\u{e9}", "RSET", &[("extra-space", 5), ("surplus-argument", 6)]),
    ] {
        accept_command(line, meaning, deviations);
    }
    for line in ["DATA foo\0", "QUIT now\r", "RSET \x7f", "STARTTLS x"] {
        assert!(Command::parse(&Bytes::from(line), Dialect::Lenient).is_err(), "{line:?}");
    }
}

#[test]
fn names_in_ehlo() {
    for name in ["FE80::1", "2001:db8::1", "192.168.1.2]", "[127.0.0.1", "host!name", "(none)", "a@b", "x-"] {
        let line = format!("EHLO {name}");
        let frame = Bytes::from(line.to_owned());
        let parsed = Command::parse(&frame, Dialect::Lenient).unwrap();
        let mut out = Vec::new();
        parsed.value.write(&mut out);
        assert_eq!(out, format!("{line}\r\n").as_bytes());
        assert_eq!(parsed.deviations.len(), 1, "{line}");
        assert!(Command::parse(&frame, Dialect::Strict).is_err(), "{line}");
    }
    accept_command("EHLO my_host", "EHLO my_host", &[("underscore-in-domain", 7)]);
    accept_command("EHLO [2001:db8::1]", "EHLO [IPv6:2001:db8::1]", &[("malformed-address-literal", 6)]);
    refuse_command(b"EHLO ", 5);
    refuse_command(b"HELO a b", 7);
}

#[test]
fn parameters() {
    accept_command(
        "MAIL FROM:<a@b.example>  SIZE=1 ",
        "MAIL FROM:<a@b.example> SIZE=1",
        &[("extra-space", 24), ("space-before-line-end", 31)],
    );
    accept_command(
        "RCPT TO:<a@b.example> X-A=b=c==",
        "RCPT TO:<a@b.example> X-A=b=c==",
        &[("equals-sign-in-parameter-value", 27)],
    );
    accept_command(
        "MAIL FROM:<a@b.example> AUTH=nobody",
        "MAIL FROM:<a@b.example> AUTH=<>",
        &[("malformed-auth-parameter", 29)],
    );
    valid_command(
        "MAIL FROM:<a@b.example> AUTH=e+3Dmc2@b.example",
        "MAIL FROM:<a@b.example> AUTH=e+3Dmc2@b.example",
    );
    refuse_command(b"MAIL FROM:<a@b.example> SIZE=18446744073709551616", 29);
    refuse_command(b"MAIL FROM:<a@b.example> SIZE=-1", 29);
    refuse_command(b"MAIL FROM:<a@b.example> BODY=9BIT", 29);
    refuse_command(b"MAIL FROM:<a@b.example> =1", 24);
}

#[test]
fn refused_in_every_dialect() {
    for (frame, offset) in [
        (&b"RCPT TO:<a\rb@example.org>"[..], 10),
        (b"RCPT TO:<a\nb@example.org>", 10),
        (b"RCPT TO:<\"a\rb\"@example.org>", 11),
        (b"RCPT TO:<a\0b@example.org>", 10),
        (b"RCPT TO:<a@example\x7f.org>", 18),
        (b"RCPT TO:<a@\xff.example>", 11),
        (b"DATA\x00", 4),
        (b"QUIT\rnow", 4),
        (b"STARTTLS x", 9),
        (b"RSET\r", 4),
        (b"NOOP \x00", 5),
        (b"NOOP\n", 4),
        (b"NOOP x\n", 6),
        (b"VRFY", 4),
        (b"\x16\x03\x01", 0),
        (b" NOOP", 0),
    ] {
        refuse_command(frame, offset);
    }
}

/// The code, the lines, and the names of the deviations.
fn accept_reply(frame: &[u8], code: u16, lines: &[&[u8]], deviations: &[&str]) {
    // The framer takes all of it.
    let mut input = BytesMut::from(frame);
    let frame = ReplyFramer::new().next_reply(&mut input, &Limits::client()).unwrap().unwrap();
    assert!(input.is_empty());
    let parsed = Reply::parse(&frame.bytes, frame.context(Dialect::Lenient)).unwrap();
    assert_eq!(parsed.value.code().get(), code);
    assert_eq!(parsed.value.lines().map(|line| line.into_bytes()).collect::<Vec<_>>(), lines);
    assert_eq!(parsed.deviations.iter().map(|it| it.name).collect::<Vec<_>>(), deviations);
    match (Reply::parse(&frame.bytes, frame.context(Dialect::Strict)), parsed.deviations.first()) {
        (Ok(strict), None) => assert_eq!(strict.value, parsed.value),
        (Err(error), Some(first)) => assert_eq!(error, ParseError::from(*first)),
        (strict, _) => panic!("{strict:?}"),
    }
}

#[test]
fn replies() {
    accept_reply(b"250\r\n", 250, &[b""], &[]);
    accept_reply(
        b"220-mx.example.org ESMTP\r\n220-no spam\r\n220 ready\r\n",
        220,
        &[b"mx.example.org ESMTP", b"no spam", b"ready"],
        &[],
    );
    accept_reply(b"250-a\r\n\r\n250 b\r\n", 250, &[b"a", b"b"], &["empty-line-in-reply"]);
    accept_reply(
        b"250-a\r\n\n\r\n250 b\r\n",
        250,
        &[b"a", b"b"],
        &["empty-line-in-reply", "empty-line-in-reply"],
    );
    accept_reply(b"250-a\r\n550 b\r\n", 550, &[b"a", b"b"], &["reply-codes-differ"]);
    accept_reply(b"550-a\r\n250 b\r\n", 250, &[b"a", b"b"], &["reply-codes-differ"]);
    accept_reply(b"550 caf\xe9 \x07\r\n", 550, &[b"caf\xe9 \x07"], &["control-character", "not-utf-8"]);
    accept_reply("550 café\r\n".as_bytes(), 550, &["café".as_bytes()], &[]);
    accept_reply(b"250 a\rb\r\n", 250, &[b"a\rb"], &["control-character"]);
    accept_reply(b"250 ok\n", 250, &[b"ok"], &["bare-lf"]);
    accept_reply(b"250-a\n250 b\r\n", 250, &[b"a", b"b"], &["bare-lf"]);
    accept_reply(b"250\tok\r\n", 250, &[b"ok"], &["tab-for-space"]);
    accept_reply(b"571 blocked\r\n", 571, &[b"blocked"], &["reply-code-out-of-range"]);
    accept_reply(
        b"251 User not local; will forward to <a@example.org>\r\n",
        251,
        &[b"User not local; will forward to <a@example.org>"],
        &[],
    );
    accept_reply(b"334 \r\n", 334, &[b""], &[]);
    // Lines are told apart when they are asked for: as they were when they were read.
    accept_reply(b"250-a\r\r\n250-\n250\r\n", 250, &[b"a\r", b"", b""], &["control-character", "bare-lf"]);
    accept_reply(
        b"250-\xe9\n\n250-\x01\r\n\r\n250\tb\r\r\n",
        250,
        &[b"\xe9", b"\x01", b"b\r"],
        &[
            "bare-lf",
            "not-utf-8",
            "empty-line-in-reply",
            "control-character",
            "empty-line-in-reply",
            "tab-for-space",
            "control-character",
        ],
    );
    accept_reply(
        b"550-5.1.1\r\n\n550-5.1.1 a\r\n550-5.1.1b\r\n550-5.01.1 c\r\n571 5.1.1  d\n",
        571,
        &[b"", b"a", b"5.1.1b", b"5.01.1 c", b" d"],
        &["empty-line-in-reply", "reply-code-out-of-range", "reply-codes-differ", "bare-lf"],
    );
}

#[test]
fn enhanced_codes() {
    for (frame, code, text) in [
        ("550 5.1.1 No such user here", Some("5.1.1"), "No such user here"),
        ("556 5.1.10 Recipient address has null MX", Some("5.1.10"), "Recipient address has null MX"),
        ("250 2.0.0", Some("2.0.0"), ""),
        ("250 5.1.1 of another class is text", None, "5.1.1 of another class is text"),
        ("354 3.0.0 go on", None, "3.0.0 go on"),
        ("250 2.0 is no code", None, "2.0 is no code"),
    ] {
        let reply = Reply::parse(&Bytes::from(frame), Dialect::Strict).unwrap().value;
        assert_eq!(reply.enhanced().map(|code| code.to_string()).as_deref(), code);
        assert_eq!(reply.first_line(), text);
    }
    let frame = Bytes::from("550-5.1.1 a\r\n550-5.1.1\r\n550-b\r\n550 5.7.1 c");
    let reply = Reply::parse(&frame, Dialect::Strict).unwrap().value;
    let lines: Vec<_> = reply.lines().map(|line| line.to_string()).collect();
    assert_eq!(lines, ["a", "", "b", "5.7.1 c"]);
}

#[test]
fn no_replies() {
    for frame in ["Hello there", "\r", "25 ok", "2500 ok", "250ok", "000 x", "600 x"] {
        for dialect in [Dialect::Strict, Dialect::Lenient] {
            assert!(Reply::parse(&Bytes::from(frame), dialect).is_err(), "{frame}");
        }
    }
    let mut input = BytesMut::from(&b"250 "[..]);
    input.extend_from_slice(&b"a".repeat(100_000));
    input.extend_from_slice(b"\r\n");
    assert!(matches!(
        ReplyFramer::new().next_reply(&mut input, &Limits::client()),
        Err(Error::LineTooLong { limit: 16384 })
    ));
}

#[test]
fn capabilities() {
    let parse = |frame: &'static str| Capabilities::parse(&Bytes::from(frame), Dialect::Lenient).unwrap();
    let names = |frame| parse(frame).deviations.iter().map(|it| it.name).collect::<Vec<_>>();
    let both = "250-mx.example.org\r\n250-AUTH=PLAIN LOGIN\r\n250 AUTH PLAIN LOGIN";
    assert_eq!(parse(both).value.auth(), Some(vec![Mechanism::Plain, Mechanism::Login]));
    assert_eq!(names(both), ["equals-sign-for-space"]);
    assert_eq!(
        names("250-mx\r\n250-X-EXPS GSSAPI NTLM\r\n250-X-EXPS=LOGIN\r\n250 SIZE 37748736"),
        ["equals-sign-for-space"]
    );
    let unlimited = parse("250-mx\r\n250-SIZE\r\n250 size 0").value;
    assert!(unlimited.has_size() && unlimited.size_limit().is_none());
    assert_eq!(parse("250-mx\r\n250 auth  plain").value.auth(), Some(vec![Mechanism::Plain]));
    assert_eq!(
        names("250-mx\r\n250-PIPELINING\r\n\r\n250-!\r\n250 8BITMIME "),
        ["malformed-capability", "space-before-line-end"]
    );
    assert!(Capabilities::parse(&Bytes::from(both), Dialect::Strict).is_err());
}

#[test]
fn a_challenge_that_is_no_base64() {
    use common::{client_config, feed, ready_client};
    use mailwire_smtp::{Auth, Connection as _, SaslStep};
    for challenge in ["334 User name\0\r\n", "334 Username:\r\n", "334 ?\r\n"] {
        let mut client = ready_client(client_config());
        client.send(Command::Auth(Auth::new(Mechanism::Login))).unwrap();
        common::drain(&mut client);
        let events = feed(&mut client, challenge.as_bytes());
        let [client::Event::AuthChallenge { deviations, .. }] = &events[..] else { panic!("{events:?}") };
        assert_eq!(deviations.last().unwrap().name, "challenge-not-base64");
        client.send_auth(SaslStep::Data("user".into())).unwrap();
        assert_eq!(common::drain(&mut client), "dXNlcg==\r\n");
    }
    // The strict dialect cancels, as RFC 4954 section 4 says.
    let mut config = client_config();
    config.dialect = Dialect::Strict;
    let mut client = ready_client(config);
    client.send(Command::Auth(Auth::new(Mechanism::Login))).unwrap();
    common::drain(&mut client);
    let events = feed(&mut client, b"334 Username:\r\n");
    assert!(matches!(&events[..], [client::Event::Malformed { bytes, .. }] if bytes.is_empty()));
    assert_eq!(common::drain(&mut client), "*\r\n");
}
