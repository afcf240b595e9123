//! What lenient reading accepts is written as the strict grammar has it.
#![allow(clippy::unwrap_used, clippy::panic)]

use bytes::Bytes;
use mailwire_smtp::{Capabilities, Command, Dialect, Reply, deviation};
use proptest::prelude::*;

/// What has no strict form that means the same: it is written as it came.
const AS_IT_CAME: [&str; 6] = [
    deviation::UNDERSCORE_IN_DOMAIN,
    deviation::HYPHEN_AT_LABEL_EDGE,
    deviation::MALFORMED_ADDRESS_LITERAL,
    deviation::MISSING_DOMAIN,
    deviation::UNUSUAL_EHLO_NAME,
    deviation::EQUALS_SIGN_IN_PARAMETER_VALUE,
];

fn without_end(written: &[u8]) -> Bytes {
    Bytes::copy_from_slice(written.strip_suffix(b"\r\n").unwrap())
}

/// Whether the command could be read, and had a deviation.
fn check_command(line: &[u8]) -> bool {
    let Ok(parsed) = Command::parse(&Bytes::copy_from_slice(line), Dialect::Lenient) else { return false };
    let mut written = Vec::new();
    parsed.value.write(&mut written);
    let as_it_came = parsed.deviations.iter().any(|found| AS_IT_CAME.contains(&found.name));
    match Command::parse(&without_end(&written), Dialect::Strict) {
        Ok(again) => assert_eq!(again.value, parsed.value, "{}", line.escape_ascii()),
        Err(error) => assert!(as_it_came, "{}: {error}", line.escape_ascii()),
    }
    !parsed.deviations.is_empty()
}

fn check_reply(frame: &[u8]) -> bool {
    let frame = Bytes::copy_from_slice(frame);
    let Ok(parsed) = Reply::parse(&frame, Dialect::Lenient) else { return false };
    let mut written = Vec::new();
    parsed.value.write(&mut written);
    let again = Reply::parse(&without_end(&written), Dialect::Strict)
        .unwrap_or_else(|error| panic!("{}: {error}", written.escape_ascii()));
    let (reply, again) = (parsed.value, again.value);
    assert_eq!((reply.code().class(), reply.enhanced()), (again.code().class(), again.enhanced()));
    // What cannot be written is a question mark now.
    assert_eq!(reply.lines().count(), again.lines().count());
    for (one, other) in reply.lines().zip(again.lines()) {
        let same = one.as_bytes() == other.as_bytes();
        assert!(same || other.as_bytes().contains(&b'?'), "{}", frame.escape_ascii());
    }
    let mut once_more = Vec::new();
    again.write(&mut once_more);
    assert_eq!(once_more, written);
    if let Ok(parsed) = Capabilities::parse(&frame, Dialect::Lenient) {
        let mut written = Vec::new();
        parsed.value.to_reply("mx.example").write(&mut written);
        let again = Capabilities::parse(&without_end(&written), Dialect::Strict)
            .unwrap_or_else(|error| panic!("{}: {error}", written.escape_ascii()));
        assert_eq!(again.value.len(), parsed.value.len());
    }
    !parsed.deviations.is_empty()
}

#[test]
fn each_kind() {
    for line in [
        "MAIL  FROM :  a..b@example.org.  SIZE=1 ",
        "RCPT TO:< .a@[2001:db8::1] >",
        "RCPT TO:<@a.example,@b.example:x.@example.org>",
        "RCPT TO:<jürgen..x@example.org>",
        "MAIL FROM:<a@example.org> AUTH=nobody",
        "EHLO [2001:db8::1]",
        "HELO example.org.",
        "QUIT now",
        "DATA x y",
        "rset\tnow",
        "NOOP  x ",
    ] {
        assert!(check_command(line.as_bytes()), "no deviation: {line}");
    }
    for frame in [
        &b"280 caf\xe9"[..],
        b"599-a\r\n\r\n599 b\x07",
        b"250-mx\r\n250-AUTH=PLAIN  LOGIN\r\n250-X-A \xff\xe9\r\n250-\x01\r\n250\tSIZE 5",
        b"250-5.1.1 a\n550 5.1.1 \xf0\x9f",
    ] {
        assert!(check_reply(frame), "no deviation: {}", frame.escape_ascii());
    }
}

/// Parts of commands, odd ones among them, put together at random.
fn odd_command() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "MAIL",
        "FROM",
        "RCPT",
        "TO",
        ":",
        "<",
        ">",
        "@",
        "a",
        "b.c",
        ".",
        "..",
        "example.org",
        "-",
        "_",
        "\"x y\"",
        "[2001:db8::1]",
        "[1.2.3]",
        "[IPv6:::1]",
        " ",
        "\t",
        "SIZE=5",
        "AUTH=<>",
        "AUTH=x",
        "BODY=8BITMIME",
        "X-A=b=c",
        "RET=HDRS",
        "ENVID=a+2B",
        "NOTIFY=DELAY,NEVER",
        "NOTIFY=delay,SUCCESS",
        "ORCPT=rfc822;+",
        "ORCPT=utf-8;ü+2B",
        "EHLO",
        "QUIT",
        "DATA",
        "NOOP",
        "postmaster",
        "ü",
        "@r.example:",
        "PLAIN",
        "VRFY",
    ]);
    let parts = prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat());
    prop_oneof![
        parts.clone(),
        ("(MAIL FROM|RCPT TO) ?: ?<?", "[a-z.ü]{1,5}@(a|b-|_c|[.]){1,3}", ">? ?", parts)
            .prop_map(|(start, address, end, rest)| [start, address, end, rest].concat()),
        ("(RSET|DATA|QUIT|NOOP|EHLO|HELO)[ \t]{0,2}", "[ -~]{0,8}").prop_map(|(name, rest)| name + &rest),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn commands(line in odd_command()) {
        check_command(line.as_bytes());
    }

    #[test]
    fn replies(
        code in "[2-5][0-9][0-9]",
        lines in prop::collection::vec(("(5\\.1\\.1 |AUTH[= ]|SIZE |[A-Z-]{0,4} ?)?", prop::collection::vec(any::<u8>(), 0..8)), 1..4),
    ) {
        let mut frame = Vec::new();
        for (at, (start, text)) in lines.iter().enumerate() {
            let last = at + 1 == lines.len();
            frame.extend_from_slice(code.as_bytes());
            frame.push(if last { b' ' } else { b'-' });
            frame.extend_from_slice(start.as_bytes());
            frame.extend(text.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')));
            frame.extend_from_slice(if last { b"" } else { b"\r\n" });
        }
        check_reply(&frame);
    }
}
