//! What is written is read again as the same, by the strict parser.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use mailwire_core::{Dialect, Secret};
use mailwire_pop3::{
    ApopDigest, Capability, Challenge, Command, DropListing, Expected, Keyword, LanguageListing,
    LanguageRange, LanguageTag, LineText, Listing, Mechanism, MessageNumber, ParseContext, Password, Reply,
    ReplyText, ResponseCode, ScanListing, UniqueId, UniqueIdListing, UserName, Xclient,
};
use proptest::{option, prelude::*};

fn message() -> impl Strategy<Value = MessageNumber> {
    (1..=u32::MAX).prop_map(|number| MessageNumber::new(number).unwrap())
}

fn line_text() -> impl Strategy<Value = LineText> {
    "[^\r\n\0]{1,60}".prop_map(|text| LineText::new(text).unwrap())
}

fn user() -> impl Strategy<Value = UserName> {
    "[!-~äöü€]{1,40}".prop_map(|text| UserName::new(text).unwrap())
}

fn mechanism() -> impl Strategy<Value = Mechanism> {
    "[A-Z0-9_-]{1,20}".prop_map(|text| Mechanism::new(text).unwrap())
}

fn tag() -> impl Strategy<Value = LanguageTag> {
    "[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,3}".prop_map(|text| LanguageTag::new(text).unwrap())
}

fn language() -> impl Strategy<Value = LanguageListing> {
    (tag(), ".{0,200}").prop_map(|(tag, text)| LanguageListing::new(tag, &text))
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        user().prop_map(Command::User),
        "[^\r\n\0]{1,60}".prop_map(|text| Command::Pass(Password::new(text).unwrap())),
        (user(), any::<[u8; 16]>())
            .prop_map(|(name, digest)| Command::Apop { name, digest: ApopDigest::new(digest) }),
        (mechanism(), option::of(prop::collection::vec(any::<u8>(), 0..90)))
            .prop_map(|(mechanism, data)| { Command::Auth { mechanism, initial: data.map(Secret::from) } }),
        Just(Command::Stls),
        Just(Command::Capa),
        Just(Command::Stat),
        option::of(message()).prop_map(Command::List),
        option::of(message()).prop_map(Command::Uidl),
        message().prop_map(Command::Retr),
        (message(), any::<u64>()).prop_map(|(number, lines)| Command::Top { number, lines }),
        message().prop_map(Command::Dele),
        Just(Command::Rset),
        Just(Command::Noop),
        Just(Command::Quit),
        Just(Command::AuthList),
        Just(Command::Utf8),
        option::of(prop_oneof![Just(LanguageRange::PREFERRED), tag().prop_map(LanguageRange::from)])
            .prop_map(Command::Lang),
        (any::<std::net::IpAddr>(), "[!-<>-~]{1,9}", "[!-~]{0,20}").prop_map(|(addr, name, value)| {
            Command::Xclient(Xclient::new().with_addr(addr).with(name, value).unwrap())
        }),
        ("X[A-Z]{2,3}", option::of(line_text())).prop_map(|(keyword, arguments)| Command::Other {
            keyword: Keyword::new(keyword).unwrap(),
            arguments
        }),
    ]
}

fn capability() -> impl Strategy<Value = Capability> {
    prop_oneof![
        Just(Capability::Top),
        Just(Capability::User),
        prop::collection::vec(mechanism(), 0..5).prop_map(Capability::Sasl),
        Just(Capability::RespCodes),
        (any::<u64>(), any::<bool>())
            .prop_map(|(seconds, per_user)| Capability::LoginDelay { seconds, per_user }),
        Just(Capability::Pipelining),
        (option::of(any::<u64>()), any::<bool>())
            .prop_map(|(days, per_user)| Capability::Expire { days, per_user }),
        Just(Capability::Uidl),
        line_text().prop_map(Capability::Implementation),
        Just(Capability::Stls),
        Just(Capability::AuthRespCode),
        any::<bool>().prop_map(|user| Capability::Utf8 { user }),
        Just(Capability::Lang),
        ("X-[!-~]{1,20}", option::of(line_text()))
            .prop_map(|(tag, arguments)| Capability::Other { tag: Keyword::new(tag).unwrap(), arguments }),
    ]
}

fn rest() -> impl Strategy<Value = LineText> {
    prop_oneof![Just(LineText::default()), line_text()]
}

fn scan() -> impl Strategy<Value = ScanListing> {
    (message(), any::<u64>(), rest())
        .prop_map(|(number, octets, rest)| ScanListing::new(number, octets).with_rest(rest))
}

fn unique_id() -> impl Strategy<Value = UniqueIdListing> {
    (message(), "[!-~]{1,70}")
        .prop_map(|(number, id)| UniqueIdListing::new(number, UniqueId::new(id).unwrap()))
}

fn code() -> impl Strategy<Value = ResponseCode> {
    "[A-Z0-9@-]{1,9}(/[!-.0-\\\\^-~]{1,9}){0,2}".prop_map(|text| ResponseCode::new(text).unwrap())
}

fn text() -> impl Strategy<Value = ReplyText> {
    "([ -Z^-~€][^\r\n\0]{0,80})?".prop_map(|text| ReplyText::new(text).unwrap())
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        (option::of(code()), text()).prop_map(|(code, text)| Reply::Ok { code, text }),
        (option::of(code()), text()).prop_map(|(code, text)| Reply::Err { code, text }),
        (any::<u64>(), any::<u64>(), rest()).prop_map(|(messages, octets, rest)| {
            Reply::Drop(DropListing::new(messages, octets).with_rest(rest))
        }),
        scan().prop_map(|scan| Reply::Listing(Listing::Scan(scan))),
        unique_id().prop_map(|listing| Reply::Listing(Listing::UniqueId(listing))),
        language().prop_map(|listing| Reply::Listing(Listing::Language(listing))),
    ]
}

/// One line, which ends in CR LF and has none elsewhere.
fn one_line(mut written: Vec<u8>) -> Bytes {
    assert!(written.ends_with(b"\r\n"), "{written:?}");
    written.truncate(written.len() - 2);
    assert!(!written.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{written:?}");
    written.into()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn commands(command in command()) {
        let mut written = Vec::new();
        command.write(&mut written);
        let parsed = Command::parse(&one_line(written), Dialect::Strict).unwrap();
        prop_assert_eq!(parsed.value, command);
    }

    #[test]
    fn replies(reply in reply()) {
        let mut written = Vec::new();
        reply.write(&mut written);
        let parsed = Reply::parse(&one_line(written), ParseContext::new(Dialect::Strict).expecting(Expected::of_reply(&reply))).unwrap();
        prop_assert_eq!(parsed.value, reply);
    }

    #[test]
    fn lines(line in prop_oneof![
        scan().prop_map(Listing::Scan),
        unique_id().prop_map(Listing::UniqueId),
        capability().prop_map(Listing::Capability),
        language().prop_map(Listing::Language),
        mechanism().prop_map(Listing::Mechanism),
        line_text().prop_map(Listing::Other),
    ]) {
        let mut written = Vec::new();
        line.write(&mut written);
        let parsed = Listing::parse(&written.into(), ParseContext::new(Dialect::Strict).expecting(Expected::of_line(&line))).unwrap();
        prop_assert_eq!(parsed.value, line);
    }

    #[test]
    fn challenges(data: Vec<u8>) {
        let mut written = Vec::new();
        Challenge::new(&data[..]).write(&mut written);
        let line = one_line(written);
        prop_assert!(Challenge::is_one(&line));
        let parsed = Challenge::parse(&line, Dialect::Strict).unwrap();
        prop_assert_eq!(parsed.value.data.expose(), &data[..]);
    }

    /// Whatever comes is read or refused, and what was read leniently is read the same again.
    #[test]
    fn any_bytes(line: Vec<u8>) {
        let line = Bytes::from(line);
        for expected in Expected::ALL {
            for dialect in [Dialect::Strict, Dialect::Lenient] {
                let _ = Reply::parse(&line, ParseContext::new(dialect).expecting(expected));
                let _ = Listing::parse(&line, ParseContext::new(dialect).expecting(expected));
            }
        }
        let _ = Challenge::parse(&line, Dialect::Lenient);
        if let Ok(parsed) = Command::parse(&line, Dialect::Lenient) {
            let mut written = Vec::new();
            parsed.value.write(&mut written);
            let again = Command::parse(&one_line(written), Dialect::Lenient).unwrap();
            prop_assert_eq!(again.value, parsed.value);
        }
    }
}

/// What `Arbitrary` makes for fuzzing is valid.
#[cfg(feature = "arbitrary")]
mod made_up {
    use arbitrary::{Arbitrary, Unstructured};
    use mailwire_pop3::Greeting;

    use super::*;

    proptest! {
        #[test]
        fn values(seed in prop::collection::vec(any::<u8>(), 0..512)) {
            if let Ok(command) = Command::arbitrary(&mut Unstructured::new(&seed)) {
                let mut written = Vec::new();
                command.write(&mut written);
                prop_assert_eq!(Command::parse(&one_line(written), Dialect::Strict).unwrap().value, command);
            }
            if let Ok(reply) = Reply::arbitrary(&mut Unstructured::new(&seed)) {
                let mut written = Vec::new();
                reply.write(&mut written);
                let expected = Expected::of_reply(&reply);
                let parsed = Reply::parse(&one_line(written), ParseContext::new(Dialect::Strict).expecting(expected)).unwrap();
                prop_assert_eq!(parsed.value, reply);
            }
            if let Ok(line) = Listing::arbitrary(&mut Unstructured::new(&seed)) {
                let mut written = Vec::new();
                line.write(&mut written);
                let expected = Expected::of_line(&line);
                let parsed = Listing::parse(&written.into(), ParseContext::new(Dialect::Strict).expecting(expected)).unwrap();
                prop_assert_eq!(parsed.value, line);
            }
            if let Ok(greeting) = Greeting::arbitrary(&mut Unstructured::new(&seed)) {
                let mut written = Vec::new();
                greeting.write(&mut written);
                let parsed = Greeting::parse(&one_line(written), Dialect::Strict).unwrap();
                prop_assert_eq!(parsed.value, greeting);
            }
        }
    }
}
