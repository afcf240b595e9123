//! What lenient reading accepts is written as the strict grammar has it.
#![allow(clippy::unwrap_used, clippy::panic)]

use bytes::Bytes;
use mailwire_core::{Deviation, Dialect};
use mailwire_pop3::{
    Challenge, Command, Expected, Greeting, Listing, MAX_STATUS_LINE, ParseContext, Reply, deviation,
};
use proptest::prelude::*;

/// What has no strict form that means the same: it is written as it came.
const AS_IT_CAME: [&str; 10] = [
    deviation::LONG_UNIQUE_ID,
    deviation::ODD_CHARACTER_IN_UNIQUE_ID,
    deviation::ODD_MECHANISM_NAME,
    deviation::ODD_LANGUAGE_TAG,
    deviation::MISSING_PARAMETER,
    deviation::TEXT_FOR_NUMBER,
    deviation::SPACE_IN_USER_NAME,
    deviation::NOT_UTF_8,
    deviation::KEYWORD_LENGTH,
    deviation::LONG_COMMAND,
];

fn as_it_came(deviations: &[Deviation]) -> bool {
    deviations.iter().any(|found| AS_IT_CAME.contains(&found.name))
}

fn without_end(written: &[u8]) -> Bytes {
    Bytes::copy_from_slice(written.strip_suffix(b"\r\n").unwrap())
}

fn strict(expected: Expected) -> ParseContext {
    ParseContext::new(Dialect::Strict).expecting(expected)
}

fn check_command(line: &[u8]) -> bool {
    let Ok(parsed) = Command::parse(&Bytes::copy_from_slice(line), Dialect::Lenient) else { return false };
    let mut written = Vec::new();
    parsed.value.write(&mut written);
    match Command::parse(&without_end(&written), Dialect::Strict) {
        Ok(again) => assert_eq!(again.value, parsed.value, "{}", line.escape_ascii()),
        Err(error) => assert!(as_it_came(&parsed.deviations), "{}: {error}", line.escape_ascii()),
    }
    !parsed.deviations.is_empty()
}

/// As a status line, a line of a listing, a greeting and a challenge.
fn check_line(line: &[u8]) -> bool {
    let line = Bytes::copy_from_slice(line);
    let mut odd = false;
    for expected in Expected::ALL {
        let context = ParseContext::new(Dialect::Lenient).expecting(expected);
        if let Ok(parsed) = Reply::parse(&line, context) {
            odd |= !parsed.deviations.is_empty();
            let mut written = Vec::new();
            parsed.value.write(&mut written);
            assert!(written.len() <= MAX_STATUS_LINE);
            let again = Reply::parse(&without_end(&written), strict(Expected::of_reply(&parsed.value)));
            match again {
                Ok(again) => {
                    assert_eq!(again.value.is_ok(), parsed.value.is_ok());
                    let mut once_more = Vec::new();
                    again.value.write(&mut once_more);
                    assert_eq!(once_more, written);
                }
                Err(error) => assert!(as_it_came(&parsed.deviations), "{}: {error}", line.escape_ascii()),
            }
        }
        if let Ok(parsed) = Listing::parse(&line, context) {
            odd |= !parsed.deviations.is_empty();
            let mut written = Vec::new();
            parsed.value.write(&mut written);
            let again =
                Listing::parse(&Bytes::from(written.clone()), strict(Expected::of_line(&parsed.value)));
            match again {
                Ok(again) => {
                    let mut once_more = Vec::new();
                    again.value.write(&mut once_more);
                    assert_eq!(once_more, written);
                }
                Err(error) => assert!(as_it_came(&parsed.deviations), "{}: {error}", line.escape_ascii()),
            }
        }
    }
    if let Ok(parsed) = Greeting::parse(&line, Dialect::Lenient) {
        odd |= !parsed.deviations.is_empty();
        let mut written = Vec::new();
        parsed.value.write(&mut written);
        Greeting::parse(&without_end(&written), Dialect::Strict).unwrap();
    }
    if let Ok(parsed) = Challenge::parse(&line, Dialect::Lenient) {
        odd |= !parsed.deviations.is_empty();
        let mut written = Vec::new();
        parsed.value.write(&mut written);
        assert_eq!(Challenge::parse(&without_end(&written), Dialect::Strict).unwrap().value, parsed.value);
    }
    odd
}

#[test]
fn each_kind() {
    for line in [
        "QUIT now",
        "AUTH ",
        "LANG  de",
        "UTF8 x",
        "XCLIENT  a=b ",
        "retr  1 ",
        "APOP a C4C9334BAC560ECC979E58001B3E22FB",
        "USER a b",
        "LIST  ",
    ] {
        assert!(check_command(line.as_bytes()), "no deviation: {line}");
    }
    let long = format!("+OK {}", "x".repeat(600));
    let long_code = format!("-ERR [{}] x", "X".repeat(600));
    for line in [
        "+ok [not a code] hi",
        "-ERR [",
        " +OK",
        "+OK\ta\0b\r",
        "+OK 2 -1",
        "+OK 2",
        "1 120abc",
        "  1  abc ",
        "1 a b",
        "SASL PLAIN  A@B",
        "TOP yes",
        "+\teA==",
        "+OK de_DE Deutsch",
        "de  Deutsch ",
        "+OK de \u{e9}\t",
        &long,
        &long_code,
    ] {
        assert!(check_line(line.as_bytes()), "no deviation: {line}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn commands(
        name in "(QUIT|AUTH|UTF8|LANG|XCLIENT|RETR|LIST|UIDL|TOP|USER|PASS|APOP|NOOP|X[A-Z]{0,7}|[a-z]{3,5}) {0,2}",
        rest in "(1|2 3|PLAIN|de|\\*|[a-z]{1,3}=[!-~]{0,3}|a b|YQ==|[ -~\u{e9}]{0,9}| [0-9A-Fa-f]{32})?",
    ) {
        check_command((name + &rest).as_bytes());
    }

    #[test]
    fn lines(
        start in "( ?[+][OoKk]{2}|-ERR|[+]|[1-9]{1,3}|SASL|EXPIRE|LOGIN-DELAY|UTF8|de|en-[a-z]{1,9}|[A-Z-]{1,5})[ \t]{0,2}",
        middle in "(\\[[A-Z/-]{0,6}\\]?|[0-9]{1,3}|-1|NEVER|USER|PLAIN)?[ \t]{0,2}",
        rest in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let rest = rest.into_iter().filter(|byte| *byte != b'\n');
        let line: Vec<u8> = start.into_bytes().into_iter().chain(middle.into_bytes()).chain(rest).collect();
        check_line(&line);
    }
}
