//! What is written reads back as itself.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use mailwire_smtp::{
    Argument, Auth, BodyType, Capabilities, Capability, Command, Dialect, Domain, EhloName, ForwardPath,
    Host, Keyword, Mail, Mailbox, Mechanism, OtherCapability, Parameter, ParameterValue, Query, Rcpt, Reply,
    ReplyCode, ReversePath, Secret, Submitter, Text, Verb,
    extensions::{
        client_id::ClientId,
        etrn::Node,
        xclient::{AttributeName, AttributeValue, Attributes},
    },
};
use proptest::prelude::*;

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        "[a-zA-Z0-9]{1,4}(-[a-z0-9]{1,3})?(\\.[a-zü0-9]{1,4}){0,3}"
            .prop_map(|text| Host::try_from(text.as_str()).unwrap()),
        any::<std::net::IpAddr>().prop_map(|address| Host::Literal(address.into())),
    ]
}

fn mailbox() -> impl Strategy<Value = Mailbox> {
    ("[ -~üé€]{0,12}", host()).prop_map(|(local_part, host)| Mailbox::new(&local_part, &host).unwrap())
}

fn parameter() -> impl Strategy<Value = Parameter> {
    ("X[A-Za-z0-9-]{0,8}", proptest::option::of("[!-<>-~ü]{1,12}")).prop_map(|(keyword, value)| {
        let parameter = Parameter::new(Keyword::try_from(keyword).unwrap());
        match value {
            Some(value) => parameter.with_value(ParameterValue::try_from(value).unwrap()),
            None => parameter,
        }
    })
}

fn mail() -> impl Strategy<Value = Command> {
    (
        proptest::option::of(mailbox()),
        any::<Option<u64>>(),
        proptest::option::of(prop_oneof![
            Just(BodyType::SevenBit),
            Just(BodyType::EightBitMime),
            Just(BodyType::BinaryMime)
        ]),
        any::<bool>(),
        proptest::option::of(proptest::option::of(mailbox())),
        proptest::collection::vec(parameter(), 0..3),
    )
        .prop_map(|(from, size, body, smtp_utf8, auth, other)| {
            let mut mail = Mail::new(from.map_or(ReversePath::Null, ReversePath::Mailbox));
            mail.size = size;
            mail.body = body;
            mail.smtp_utf8 = smtp_utf8;
            mail.auth = auth.map(|auth| auth.map_or(Submitter::Unknown, Submitter::from));
            mail.parameters_mut().other = other;
            Command::Mail(mail)
        })
}

fn argument() -> impl Strategy<Value = Argument> {
    "[!-~ü]([ -~\t]{0,10}[!-~])?".prop_map(|text| Argument::try_from(text).unwrap())
}

fn query() -> impl Strategy<Value = Query> {
    (argument(), any::<bool>()).prop_map(|(text, smtp_utf8)| Query::new(text).with_smtp_utf8(smtp_utf8))
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let value = prop_oneof![
        Just(AttributeValue::Unavailable),
        Just(AttributeValue::TemporarilyUnavailable),
        "[ -~\u{fc}]{1,12}".prop_map(|text| AttributeValue::new(text.as_str()).unwrap()),
    ];
    let one = (proptest::sample::select(&AttributeName::ALL[..]), value);
    (any::<std::net::IpAddr>(), proptest::collection::vec(one, 0..4)).prop_map(|(address, list)| {
        let with = |all: Attributes, (name, value)| all.with_value(name, value);
        list.into_iter().fold(Attributes::of_address(address), with)
    })
}

fn further() -> impl Strategy<Value = Command> {
    let domain = "[a-z0-9]{1,4}(\\.[a-z0-9]{1,4}){0,3}".prop_map(|text| Domain::new(text).unwrap());
    prop_oneof![
        proptest::collection::vec(domain.clone(), 0..4).prop_map(Command::Atrn),
        domain.clone().prop_map(|domain| Command::Etrn(Node::Host(domain))),
        domain.prop_map(|domain| Command::Etrn(Node::Subdomains(domain))),
        argument().prop_map(|queue| Command::Etrn(Node::Queue(queue))),
        attributes().prop_map(Command::Xclient),
        attributes().prop_map(Command::Xforward),
        ("[A-Za-z0-9-]{1,16}", "[!-~]{1,128}")
            .prop_map(|(kind, token)| Command::ClientId(ClientId::new(kind, token).unwrap())),
        prop_oneof![Just(Command::Verb), Just(Command::Onex)],
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        mail(),
        (proptest::option::of(mailbox()), proptest::collection::vec(parameter(), 0..3)).prop_map(
            |(to, other)| {
                let mut rcpt = Rcpt::new(to.map_or(ForwardPath::Postmaster, ForwardPath::Mailbox));
                rcpt.parameters_mut().other = other;
                Command::Rcpt(rcpt)
            }
        ),
        host().prop_map(|host| Command::Ehlo(EhloName::from(host))),
        host().prop_map(|host| Command::Helo(EhloName::from(host))),
        host().prop_map(|host| Command::Lhlo(EhloName::from(host))),
        proptest::option::of(argument()).prop_map(Command::Noop),
        proptest::option::of(argument()).prop_map(Command::Help),
        query().prop_map(Command::Vrfy),
        query().prop_map(Command::Expn),
        further(),
        ("[A-Z0-9_-]{1,20}", any::<Option<Vec<u8>>>()).prop_map(|(mechanism, initial)| {
            let mechanism = Mechanism::try_from(mechanism.as_str()).unwrap();
            Command::Auth(Auth::new(mechanism).with_initial(initial.map(Secret::from)))
        }),
        ("X[A-Z0-9_-]{0,9}", proptest::option::of(argument())).prop_map(|(verb, argument)| {
            Command::Other { verb: Verb::try_from(verb).unwrap(), argument }
        }),
        prop_oneof![Just(Command::Data), Just(Command::Rset), Just(Command::Quit), Just(Command::StartTls)],
    ]
}

fn reply() -> impl Strategy<Value = Reply> {
    (
        (2..=5u16, 0..=59u16),
        proptest::collection::vec("([245]\\.[0-9]{1,4}\\.[0-9]{1,4} ?)?[ -~\tü]{0,20}", 1..4),
        any::<Option<(u8, u8)>>(),
    )
        .prop_map(|((class, rest), lines, enhanced)| {
            let code = ReplyCode::new(class * 100 + rest).unwrap();
            let reply = Reply::try_new(code, lines.into_iter().map(Text::from)).unwrap();
            match enhanced {
                Some((subject, detail)) if reply.enhanced().is_none() => {
                    reply.with_enhanced(subject.into(), detail.into())
                }
                _ => reply,
            }
        })
}

/// One line, with nothing in it that a line cannot have.
fn is_clean(written: &[u8]) -> bool {
    written.strip_suffix(b"\r\n").is_some_and(|line| !line.iter().any(|byte| b"\r\n\0".contains(byte)))
}

/// What is parsed of what was written.
fn frame(written: &[u8]) -> Bytes {
    Bytes::copy_from_slice(written.strip_suffix(b"\r\n").unwrap())
}

proptest! {
    #[test]
    fn commands(command in command()) {
        let mut out = Vec::new();
        command.write(&mut out);
        prop_assert!(is_clean(&out), "{}", out.escape_ascii());
        for dialect in [Dialect::Strict, Dialect::Lenient] {
            let parsed = Command::parse(&frame(&out), dialect).unwrap();
            prop_assert_eq!(&parsed.value, &command);
            prop_assert!(parsed.deviations.is_empty());
        }
    }

    #[test]
    fn replies(reply in reply()) {
        let mut out = Vec::new();
        reply.write(&mut out);
        prop_assert!(out.split_inclusive(|&byte| byte == b'\n').all(is_clean), "{}", out.escape_ascii());
        for dialect in [Dialect::Strict, Dialect::Lenient] {
            let parsed = Reply::parse(&frame(&out), dialect).unwrap();
            prop_assert_eq!(&parsed.value, &reply, "{}", out.escape_ascii());
            prop_assert!(parsed.deviations.is_empty());
        }
    }

    #[test]
    fn any_line_gives_a_value_or_an_error(line in proptest::collection::vec(any::<u8>(), 0..60)) {
        for dialect in [Dialect::Strict, Dialect::Lenient] {
            let line = Bytes::from(line.clone());
            if let Ok(parsed) = Command::parse(&line, dialect) {
                let mut out = Vec::new();
                parsed.value.write(&mut out);
                prop_assert!(is_clean(&out));
                let again = Command::parse(&frame(&out), Dialect::Lenient).unwrap();
                prop_assert_eq!(again.value, parsed.value);
            }
            let _ = Reply::parse(&line, dialect);
            let _ = Capabilities::parse(&line, dialect);
        }
    }

    #[test]
    fn capabilities(size in any::<Option<u64>>(), mechanisms in proptest::collection::hash_set("[A-Z]{1,20}", 0..5)) {
        let capabilities: Capabilities = [
            Capability::Pipelining,
            Capability::Size(size),
            Capability::Auth(mechanisms.iter().map(|name| Mechanism::try_from(name.as_str()).unwrap()).collect()),
            Capability::Other(
                OtherCapability::new(Keyword::try_from("X-EXPS").unwrap())
                    .and_then(|other| other.with_parameters("GSSAPI NTLM"))
                    .unwrap()
            ),
        ]
        .into_iter()
        .collect();
        let mut out = Vec::new();
        capabilities.to_reply("mx.example.org").write(&mut out);
        let parsed = Capabilities::parse(&frame(&out), Dialect::Strict).unwrap();
        prop_assert_eq!(parsed.value, capabilities);
    }
}

/// Every value that fuzzing makes, with the parameters of all extensions.
#[cfg(feature = "arbitrary")]
mod arbitrary_values {
    use super::*;
    use arbitrary::{Arbitrary, Unstructured};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn commands(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let Ok(command) = Command::arbitrary(&mut Unstructured::new(&bytes)) else { return Ok(()) };
            let mut out = Vec::new();
            command.write(&mut out);
            prop_assert!(is_clean(&out), "{}", out.escape_ascii());
            for dialect in [Dialect::Strict, Dialect::Lenient] {
                let parsed = Command::parse(&frame(&out), dialect);
                let parsed = parsed.map_err(|error| TestCaseError::fail(format!("{}: {error}", out.escape_ascii())))?;
                prop_assert_eq!(&parsed.value, &command);
                prop_assert!(parsed.deviations.is_empty());
            }
            let Command::Mail(mail) = &command else { return Ok(()) };
            prop_assert_eq!(&mail.compact(), mail);
        }

        #[test]
        fn capabilities(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let Ok(made) = Capabilities::arbitrary(&mut Unstructured::new(&bytes)) else { return Ok(()) };
            let mut out = Vec::new();
            made.to_reply("mx.example.org").write(&mut out);
            let parsed = Capabilities::parse(&frame(&out), Dialect::Strict).unwrap();
            prop_assert_eq!(&parsed.value, &made);
            for capability in &made {
                prop_assert!(parsed.value.has(&capability), "{:?}", capability);
            }
        }
    }
}
