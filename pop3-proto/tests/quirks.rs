//! What real servers and clients send. Lenient reading accepts it, gives its meaning and reports
//! the deviation; strict reading says where it departs from the RFCs. What is valid is neither.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::{Client, Server, drain, quiet_config};
use mailwire_core::{Channel, Connection as _, Deviation, Dialect, Error, Next, SaslStep};
use mailwire_pop3::{
    Capability, Challenge, Command, Expected, Follows, Greeting, Listing, Mechanism, MessageNumber,
    ParseContext, Reply, ResponseCodeKind, State, client::Event, deviation, server,
};

fn line(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn names(deviations: &[Deviation]) -> Vec<(&'static str, usize)> {
    deviations.iter().map(|deviation| (deviation.name, deviation.offset)).collect()
}

/// Lenient: the value, with this deviation first. Strict: an error of that name and place.
fn accept(text: &str, expected: Expected, name: &'static str, offset: usize) -> Reply {
    let parsed = Reply::parse(&line(text), ParseContext::new(Dialect::Lenient).expecting(expected)).unwrap();
    assert_eq!(names(&parsed.deviations).first(), Some(&(name, offset)), "{text:?}");
    let error =
        Reply::parse(&line(text), ParseContext::new(Dialect::Strict).expecting(expected)).unwrap_err();
    assert_eq!((error.reason, error.offset), (name, offset), "{text:?}");
    parsed.value
}

fn accept_line(text: &str, expected: Expected, name: &'static str, offset: usize) -> Listing {
    let parsed =
        Listing::parse(&line(text), ParseContext::new(Dialect::Lenient).expecting(expected)).unwrap();
    assert_eq!(names(&parsed.deviations).first(), Some(&(name, offset)), "{text:?}");
    let error =
        Listing::parse(&line(text), ParseContext::new(Dialect::Strict).expecting(expected)).unwrap_err();
    assert_eq!((error.reason, error.offset), (name, offset), "{text:?}");
    parsed.value
}

fn accept_command(text: &str, name: &'static str, offset: usize) -> Command {
    let parsed = Command::parse(&line(text), Dialect::Lenient).unwrap();
    assert_eq!(names(&parsed.deviations).first(), Some(&(name, offset)), "{text:?}");
    let error = Command::parse(&line(text), Dialect::Strict).unwrap_err();
    assert_eq!((error.reason, error.offset), (name, offset), "{text:?}");
    parsed.value
}

fn valid(text: &str, expected: Expected) -> Reply {
    let parsed = Reply::parse(&line(text), ParseContext::new(Dialect::Strict).expecting(expected)).unwrap();
    assert_eq!(
        Reply::parse(&line(text), ParseContext::new(Dialect::Lenient).expecting(expected)).unwrap(),
        parsed
    );
    assert_eq!(parsed.deviations, []);
    parsed.value
}

/// The events of one command's answer, lenient, after a login.
fn answer(command: &str, text: &str) -> Vec<Event> {
    let mut client = Client::logged_in(quiet_config(Channel::Tls));
    let command = Command::parse(&line(command), Dialect::Strict).unwrap().value;
    client.connection.send(command).unwrap();
    client.feed(text).unwrap().0
}

fn strict_answer(command: &str, text: &str) -> Result<Vec<Event>, Error> {
    let mut config = quiet_config(Channel::Tls);
    config.dialect = Dialect::Strict;
    let mut client = Client::logged_in(config);
    let command = Command::parse(&line(command), Dialect::Strict).unwrap().value;
    client.connection.send(command).unwrap();
    client.feed(text).map(|(events, _)| events)
}

fn deviations(events: &[Event]) -> Vec<&'static str> {
    events
        .iter()
        .flat_map(|event| match event {
            Event::Reply { deviations, .. }
            | Event::Line { deviations, .. }
            | Event::BodyEnd { deviations, .. }
            | Event::Greeting { deviations, .. }
            | Event::AuthChallenge { deviations, .. } => {
                deviations.iter().map(|d| d.name).collect::<Vec<_>>()
            }
            _ => Vec::new(),
        })
        .collect()
}

#[test]
fn a_body_that_ends_with_a_bare_line_feed() {
    for text in
        ["+OK\r\nline\r\n.\n", "+OK\r\nline\n.\n", "+OK\r\nline\n.\r\n", "+OK\nline\n.\n", "+OK\r\n.\n"]
    {
        let events = answer("RETR 1", text);
        assert!(matches!(events.last(), Some(Event::BodyEnd { .. })), "{text:?}: {events:?}");
        assert!(!deviations(&events).is_empty(), "{text:?}");
        let strict = strict_answer("RETR 1", text);
        assert!(
            matches!(&strict, Err(Error::Unexpected { .. }))
                || !matches!(strict.as_ref().unwrap().last(), Some(Event::BodyEnd { .. })),
            "{text:?}: {strict:?}"
        );
    }
}

#[test]
fn a_listing_that_ends_with_a_bare_line_feed() {
    for text in ["+OK\r\n1 120\r\n.\n", "+OK\r\n1 120\n.\r\n", "+OK\n1 120\n.\n"] {
        let events = answer("LIST", text);
        assert!(matches!(events.last(), Some(Event::LinesEnd { .. })), "{text:?}: {events:?}");
        assert!(matches!(strict_answer("LIST", text), Err(Error::Unexpected { .. })), "{text:?}");
    }
}

#[test]
fn ok_where_a_challenge_is_due() {
    for ok in ["+OK\r\n", "+OK go on\r\n", "+ok\r\n"] {
        let mut client = Client::new(quiet_config(Channel::Tls));
        client.hear("+OK\r\n");
        let auth = Command::Auth { mechanism: Mechanism::Plain, initial: None };
        client.connection.send(auth).unwrap();
        let (events, next) = client.feed(ok).unwrap();
        assert!(matches!(&events[..], [Event::AuthChallenge { data, .. }] if data.is_empty()), "{events:?}");
        assert!(deviations(&events).contains(&"ok-for-challenge"));
        assert_eq!(next, Next::Paused);
        client.connection.send_auth(SaslStep::Data("\0a\0b".into())).unwrap();
        // The second one is the success.
        let (events, _) = client.feed("+OK\r\n").unwrap();
        assert!(matches!(&events[..], [Event::Reply { .. }]));
        assert_eq!(client.connection.state(), State::Transaction);
    }
    let mut config = quiet_config(Channel::Tls);
    config.dialect = Dialect::Strict;
    let mut client = Client::new(config);
    client.hear("+OK\r\n");
    client.connection.send(Command::Auth { mechanism: Mechanism::Plain, initial: None }).unwrap();
    assert_eq!(client.feed("+OK\r\n"), Err(Error::Unexpected { what: "ok-for-challenge", offset: 0 }));
}

#[test]
fn ok_for_both_prompts_of_login() {
    let mut client = Client::new(quiet_config(Channel::Tls));
    client.hear("+OK\r\n");
    client.connection.send(Command::Auth { mechanism: Mechanism::Login, initial: None }).unwrap();
    for answer in ["user", "password"] {
        let (events, _) = client.feed("+OK\r\n").unwrap();
        assert!(matches!(&events[..], [Event::AuthChallenge { .. }]), "{events:?}");
        client.connection.send_auth(SaslStep::Data(answer.into())).unwrap();
    }
    let (events, _) = client.feed("+OK\r\n").unwrap();
    assert!(matches!(&events[..], [Event::Reply { .. }]), "{events:?}");
}

#[test]
fn the_status_alone() {
    assert!(valid("+OK", Expected::Status).is_ok());
    assert!(!valid("-ERR", Expected::Status).is_ok());
    assert!(valid("+OK ", Expected::Status).is_ok());
}

/// Some servers answer LIST and UIDL about one message without its number.
#[test]
fn answers_about_one_message_without_its_number() {
    for (command, text, written) in [
        ("UIDL 1", "+OK 00001a1457b5a851\r\n", "1 00001a1457b5a851"),
        ("UIDL 7", "+OK 7\r\n", "7 7"),
        ("LIST 2", "+OK 120\r\n", "2 120"),
    ] {
        let events = answer(command, text);
        let [Event::Reply { reply: Reply::Listing(listing), deviations, .. }] = &events[..] else {
            panic!("{command}: {events:?}")
        };
        let mut bytes = Vec::new();
        listing.write(&mut bytes);
        assert_eq!(String::from_utf8(bytes).unwrap(), written);
        assert_eq!(names(deviations), [("missing-number", 4)], "{command}");
    }
    // This is the number without the size.
    let events = answer("LIST 2", "+OK 2\r\n");
    let [Event::Reply { deviations, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(names(deviations), [("missing-octets", 5)]);
    let context = ParseContext::new(Dialect::Strict).expecting(Expected::UniqueIdListing);
    let context = context.about(mailwire_pop3::MessageNumber::new(1));
    assert_eq!(Reply::parse(&line("+OK abc"), context).unwrap_err().reason, "missing-number");
}

#[test]
fn octets_that_nobody_knows() {
    for text in ["+OK 3 -1", "+OK 3 -4294967296"] {
        for expected in [Expected::DropListing, Expected::Any] {
            let Reply::Drop(listing) = accept(text, expected, "negative-octets", 6) else { panic!() };
            assert_eq!((listing.messages, listing.octets), (3, None));
        }
    }
    let Reply::Drop(listing) = accept("+OK 3", Expected::DropListing, "missing-octets", 5) else { panic!() };
    assert_eq!((listing.messages, listing.octets), (3, None));
    let Reply::Listing(Listing::Scan(scan)) = accept("+OK 1 -1", Expected::ScanListing, "negative-octets", 6)
    else {
        panic!()
    };
    assert_eq!(scan.octets, None);
    accept_line("1 -1", Expected::ScanListing, "negative-octets", 2);
    // No number at all is no listing.
    for text in ["+OK", "+OK x", "+OK 1 x", "+OK 3 -", "+OK 99999999999999999999999 1"] {
        assert!(
            Reply::parse(&line(text), ParseContext::new(Dialect::Lenient).expecting(Expected::DropListing))
                .is_err(),
            "{text}"
        );
    }
}

#[test]
fn more_after_the_numbers_is_valid() {
    let Reply::Drop(listing) = valid("+OK 2 320 octets in all", Expected::DropListing) else { panic!() };
    assert_eq!(listing.rest.as_text(), &"octets in all");
    let Reply::Listing(Listing::Scan(scan)) = valid("+OK 2 200 more", Expected::ScanListing) else {
        panic!()
    };
    assert_eq!((scan.number.get(), scan.octets), (2, Some(200)));
}

#[test]
fn blanks_in_listings() {
    for (text, expected, name, offset) in [
        ("1   abc", Expected::UniqueIdListing, "extra-space", 1),
        ("1   abc", Expected::Any, "extra-space", 1),
        ("1\tabc", Expected::UniqueIdListing, "tab-for-space", 1),
        (" 1 abc", Expected::UniqueIdListing, "space-at-line-start", 0),
        ("1 abc ", Expected::UniqueIdListing, "space-before-line-end", 5),
    ] {
        let Listing::UniqueId(listing) = accept_line(text, expected, name, offset) else { panic!() };
        assert_eq!((listing.number.get(), listing.unique_id.as_bytes()), (1, &b"abc"[..]));
    }
    for (text, name, offset) in [
        ("12   340", "extra-space", 2),
        ("   12 340", "space-at-line-start", 0),
        ("12\t340", "tab-for-space", 2),
    ] {
        let Listing::Scan(scan) = accept_line(text, Expected::ScanListing, name, offset) else { panic!() };
        assert_eq!((scan.number.get(), scan.octets), (12, Some(340)));
    }
    accept("+OK 2  320", Expected::DropListing, "extra-space", 5);
    accept("+OK 2   QhdPYR", Expected::UniqueIdListing, "extra-space", 5);
}

#[test]
fn odd_unique_ids() {
    let long = format!("1 {}", "x".repeat(71));
    accept_line(&long, Expected::UniqueIdListing, "unique-id-longer-than-70-characters", 72);
    accept_line("1 a b", Expected::UniqueIdListing, "odd-character-in-unique-id", 3);
    accept_line("1 ä", Expected::UniqueIdListing, "odd-character-in-unique-id", 2);
    for text in ["1", "1 ", "0 abc", "x abc", "1 a\x07b", "1 a\0b", ""] {
        assert!(
            Listing::parse(
                &line(text),
                ParseContext::new(Dialect::Lenient).expecting(Expected::UniqueIdListing)
            )
            .is_err(),
            "{text:?}"
        );
    }
}

#[test]
fn one_bad_line_costs_one_line() {
    let events = answer("UIDL", "+OK\r\n1 a\r\nfoo\r\n3 c\r\n.\r\n");
    let lines = events.iter().filter(|event| matches!(event, Event::Line { .. })).count();
    let malformed =
        events.iter().filter(|event| matches!(event, Event::Malformed { ticket: None, .. })).count();
    assert_eq!((lines, malformed), (2, 1));
    assert!(matches!(events.last(), Some(Event::LinesEnd { .. })));
}

#[test]
fn an_empty_line_for_ok() {
    for command in ["DELE 1", "NOOP", "RSET"] {
        let events = answer(command, "\r\n");
        assert!(matches!(&events[..], [Event::Reply { reply, .. }] if reply.is_ok()), "{events:?}");
        assert_eq!(deviations(&events), ["empty-line-for-ok"]);
        let strict = strict_answer(command, "\r\n").unwrap();
        assert!(
            matches!(&strict[..], [Event::Malformed { ticket: Some(_), error, .. }] if error.offset == 0),
            "{strict:?}"
        );
    }
    accept("", Expected::Any, "empty-line-for-ok", 0);
    // It is no success where success means something.
    let mut client = Client::new(quiet_config(Channel::Tls));
    client.hear("+OK\r\n");
    client.connection.send(Command::parse(&line("USER a"), Dialect::Strict).unwrap().value).unwrap();
    assert!(client.feed("\r\n").is_err());
}

#[test]
fn the_timestamp_anywhere_in_the_greeting() {
    for (text, timestamp) in [
        ("+OK hello <1896.697170952@dbc.mtview.ca.us> ready", Some("<1896.697170952@dbc.mtview.ca.us>")),
        ("+OK <1@a>", Some("<1@a>")),
        ("+OK ready <1@a>", Some("<1@a>")),
        ("+OK 1 < 2 <5> <1@a> <2@b>", Some("<1@a>")),
        ("+OK x<1@a>y", Some("<1@a>")),
        ("+OK no <timestamp> here", None),
        ("+OK <a@b", None),
        ("+OK >a@b<", None),
        ("+OK <a\u{7f}@b>", None),
        ("+OK <ä@b>", None),
        ("+OK <a b@c>", None),
        ("+OK <@>", None),
    ] {
        let greeting = Greeting::parse(&line(text), Dialect::Strict).unwrap();
        assert_eq!(greeting.deviations, []);
        assert_eq!(greeting.value.timestamp().as_ref().map(|t| t.as_str()), timestamp, "{text}");
    }
}

#[test]
fn dots_at_line_starts() {
    let body = |text: &str| {
        let events = answer("RETR 1", text);
        assert!(matches!(events.last(), Some(Event::BodyEnd { deviations, .. }) if deviations.is_empty()));
        let chunks = events.iter().filter_map(|event| match event {
            Event::BodyChunk(chunk) => Some(&chunk[..]),
            _ => None,
        });
        chunks.collect::<Vec<_>>().concat()
    };
    assert_eq!(body("+OK\r\n..leading dot\r\n.\r\n"), b".leading dot\r\n");
    assert_eq!(body("+OK\r\n..\r\n...\r\n.\r\n"), b".\r\n..\r\n");
    assert_eq!(body("+OK\r\n.unstuffed\r\n.\r\n"), b"unstuffed\r\n");
    assert_eq!(body("+OK\r\n.\r\n"), b"");
}

#[test]
fn a_capability_that_starts_with_a_dot() {
    let events = answer("CAPA", "+OK\r\n..cap\r\nUIDL\r\n.\r\n");
    assert_eq!(deviations(&events), [""; 0]);
    let Some(Event::Capabilities(capabilities)) =
        events.iter().find(|event| matches!(event, Event::Capabilities(_)))
    else {
        panic!("{events:?}")
    };
    assert!(capabilities.has_tag(".cap") && capabilities.has(&Capability::Uidl));
    assert!(!events.iter().any(|event| matches!(event, Event::Malformed { .. })));
}

#[test]
fn the_capabilities_of_rfc_2449() {
    let text = "+OK Capability list follows\r\nTOP\r\nSASL PLAIN X-ZIMBRA\r\nEXPIRE 31 USER\r\n\
        LOGIN-DELAY 900 USER\r\nUTF8 USER\r\nIMPLEMENTATION x y z\r\nexpire never\r\nlang\r\nX-GOOGLE-RICO\r\n.\r\n";
    let events = answer("CAPA", text);
    assert_eq!(deviations(&events), [""; 0]);
    let Some(Event::Capabilities(list)) = events.iter().find(|event| matches!(event, Event::Capabilities(_)))
    else {
        panic!("{events:?}")
    };
    assert!(list.is_known() && list.has_tag("SASL") && list.has(&Capability::Utf8 { user: true }));
    assert_eq!(list.mechanisms().map(|m| m.to_string()).collect::<Vec<_>>(), ["PLAIN", "X-ZIMBRA"]);
    for capability in [
        Capability::Top,
        Capability::Expire { days: Some(31), per_user: true },
        Capability::LoginDelay { seconds: 900, per_user: true },
        Capability::Utf8 { user: true },
        Capability::Implementation("x y z".try_into().unwrap()),
        Capability::Expire { days: None, per_user: false },
        Capability::Lang,
        Capability::Other { tag: "X-GOOGLE-RICO".try_into().unwrap(), arguments: None },
    ] {
        assert!(list.has(&capability), "{capability:?}");
    }
}

#[test]
fn odd_capabilities() {
    let capability = |text: &str, name, offset| match accept_line(text, Expected::Capability, name, offset) {
        Listing::Capability(capability) => capability,
        other => panic!("{other:?}"),
    };
    assert_eq!(capability("TOP ", "space-before-line-end", 3), Capability::Top);
    assert_eq!(capability(" UIDL", "space-at-line-start", 0), Capability::Uidl);
    assert_eq!(capability("PIPELINING yes", "surplus-parameter", 11), Capability::Pipelining);
    assert_eq!(capability("SASL  PLAIN", "extra-space", 4), Capability::Sasl(vec![Mechanism::Plain]));
    assert_eq!(
        capability("LOGIN-DELAY soon", "text-for-number", 11),
        Capability::Other {
            tag: "LOGIN-DELAY".try_into().unwrap(),
            arguments: Some("soon".try_into().unwrap())
        }
    );
    capability("SASL PLAIN+", "odd-mechanism-name", 10);
    capability("EXPIRE", "missing-parameter", 6);
    for text in ["", "\u{1}", "IMPLEMENTATION a\0b"] {
        let context = ParseContext::new(Dialect::Lenient).expecting(Expected::Capability);
        assert!(Listing::parse(&line(text), context).is_err(), "{text:?}");
    }
}

#[test]
fn response_codes_and_their_prefixes() {
    use ResponseCodeKind as Kind;
    for (text, kind, rest) in [
        ("-ERR [SYS/TEMP] try later", Kind::SysTemp, "try later"),
        ("-ERR [IN-USE] locked", Kind::InUse, "locked"),
        ("-ERR [in-use]", Kind::InUse, ""),
        ("-ERR [SYS/PERM/DISK] x", Kind::SysPerm, "x"),
        ("-ERR [SYS/ELSE] x", Kind::Sys, "x"),
        ("-ERR [SYS] x", Kind::Sys, "x"),
        ("-ERR [AUTH/EXPIRED] x", Kind::Auth, "x"),
        ("-ERR [LOGIN-DELAY] x", Kind::LoginDelay, "x"),
        ("-ERR [UTF8] x", Kind::Utf8, "x"),
        ("-ERR [X-NEW/THING] x", Kind::Other, "x"),
        ("+OK [X]x", Kind::Other, "x"),
    ] {
        let reply = valid(text, Expected::Status);
        assert_eq!(reply.code().map(|code| code.kind()), Some(kind), "{text}");
        assert_eq!(reply.text().unwrap().as_text(), &rest, "{text}");
    }
    for (text, offset) in [
        ("-ERR [SYS TEMP] x", 9),
        ("-ERR [", 6),
        ("-ERR []", 6),
        ("-ERR [/A]", 6),
        ("-ERR [A/] x", 8),
        ("-ERR [A//B] x", 8),
        ("-ERR [AUTH x", 10),
    ] {
        let reply = accept(text, Expected::Status, "malformed-response-code", offset);
        assert_eq!(reply.code(), None);
        assert_eq!(reply.text().unwrap().as_bytes(), &text.as_bytes()[5..]);
    }
}

#[test]
fn odd_status_lines() {
    assert!(accept("+ok hi", Expected::Status, "status-in-lower-case", 0).is_ok());
    assert!(!accept("-Err hi", Expected::Status, "status-in-lower-case", 0).is_ok());
    assert!(accept(" +OK hi", Expected::Status, "space-at-line-start", 0).is_ok());
    assert!(accept("+OK\thi", Expected::Status, "tab-for-space", 3).is_ok());
    assert!(accept("+OKhi", Expected::Status, "missing-space", 3).is_ok());
    assert!(!accept("-ERROR", Expected::Status, "missing-space", 4).is_ok());
    let reply = accept("+OK a\0b\r\r", Expected::Status, "control-character", 5);
    assert_eq!(reply.text().unwrap().as_text(), &"a?b");
    let long = format!("+OK {}", "x".repeat(600));
    accept(&long, Expected::Status, "status-line-longer-than-512-octets", 510);
    for text in ["", "OK", "+", "+O", "*OK", "HTTP/1.1 400 Bad Request", "220 smtp", "* OK imap", "+0K"] {
        let context = ParseContext::new(Dialect::Lenient).expecting(Expected::Status);
        assert!(Reply::parse(&line(text), context).is_err(), "{text:?}");
    }
}

#[test]
fn odd_challenges() {
    for (text, data, name) in [
        ("+", "", "missing-space"),
        ("+  ", "", "space-before-line-end"),
        ("+ YQ== ", "a", "space-before-line-end"),
        ("+\tYQ==", "a", "tab-for-space"),
    ] {
        let parsed = Challenge::parse(&line(text), Dialect::Lenient).unwrap();
        assert_eq!(parsed.value.data.expose(), data.as_bytes());
        assert_eq!(parsed.deviations[0].name, name);
        assert!(Challenge::is_one(text.as_bytes()));
        assert!(Challenge::parse(&line(text), Dialect::Strict).is_err());
    }
    assert_eq!(Challenge::parse(&line("+ "), Dialect::Strict).unwrap().deviations, []);
    assert!(!Challenge::is_one(b"+OK") && !Challenge::is_one(b""));
    assert!(Challenge::parse(&line("+ User name"), Dialect::Lenient).is_err());
    assert!(Challenge::parse(&line("+ =AAA"), Dialect::Lenient).is_err());
}

#[test]
fn odd_commands() {
    assert_eq!(accept_command("QUIT ", "space-before-line-end", 4), Command::Quit);
    assert_eq!(accept_command("LIST ", "space-before-line-end", 4), Command::List(None));
    assert_eq!(accept_command("retr  1", "extra-space", 5), Command::Retr(MessageNumber::FIRST));
    assert_eq!(
        accept_command("TOP 1  0 ", "extra-space", 6),
        Command::Top { number: MessageNumber::FIRST, lines: 0 }
    );
    let Command::User(name) = accept_command("USER john doe", "space-in-user-name", 9) else { panic!() };
    assert_eq!(name.as_bytes(), b"john doe");
    accept_command("APOP mrose C4C9334BAC560ECC979E58001B3E22FB", "digest-in-upper-case", 11);
    assert_eq!(accept_command("QUIT now", "surplus-argument", 5), Command::Quit);
    assert_eq!(accept_command("stat  1 2", "surplus-argument", 6), Command::Stat);
    for (text, command) in [("NOOP x", Command::Noop), ("RSET 1", Command::Rset), ("CAPA x ", Command::Capa)]
    {
        assert_eq!(accept_command(text, "surplus-argument", 5), command);
    }
    for text in ["auth ", "AUTH   "] {
        assert_eq!(accept_command(text, "space-before-line-end", 4), Command::AuthList);
    }
    assert_eq!(accept_command("LANG  de ", "extra-space", 5), Command::Lang(Some("de".parse().unwrap())));
    assert_eq!(accept_command("LANG ", "space-before-line-end", 4), Command::Lang(None));
    assert_eq!(accept_command("utf8 now", "surplus-argument", 5), Command::Utf8);
    accept_command("XCLIENT  ADDR=1 ", "extra-space", 7);
    accept_command("XVENDOR ADDR=1", "keyword-not-of-3-or-4-characters", 4);
    let long = format!("PASS {}", "x".repeat(300));
    accept_command(&long, "command-longer-than-255-octets", 253);
    for text in [
        "QUIT",
        "AUTH",
        "utf8",
        "LANG *",
        "lang en-US",
        "xclient ADDR=::1",
        "quit",
        "Quit",
        "list",
        "LIST 1",
        "top 1 2",
        "auth plain",
        "AUTH PLAIN =",
        "PASS  a b ",
    ] {
        let parsed = Command::parse(&line(text), Dialect::Strict).unwrap();
        assert_eq!(parsed.deviations, [], "{text}");
    }
    for text in [
        "",
        " ",
        "QUIT a\rb",
        "STLS now",
        "RETR",
        "RETR ",
        "RETR 0",
        "RETR -1",
        "RETR +1",
        "RETR 1 2",
        "RETR 1x",
        "RETR x",
        "RETR 4294967296",
        "TOP 1",
        "TOP 1 -1",
        "TOP 1 x",
        "USER",
        "USER ",
        "PASS",
        "PASS ",
        "APOP a",
        "APOP a b",
        "APOP a c4c9334bac560ecc979e58001b3e22f",
        "APOP a c4c9334bac560ecc979e58001b3e22fbb",
        "AUTH P@",
        "AUTH PLAIN !!",
        "AUTH PLAIN a",
        "AUTH PLAIN YQ== x",
        "USER a\rb",
        "PASS a\0b",
        "USER \x1b",
        "ÄÖÜ",
        "UTF\x18",
        "LANG de_DE",
        "LANG toolongatag",
        "LANG de en",
        "LANG **",
        "XCLIENT",
        "XCLIENT ADDR",
        "XCLIENT =1",
        "XCLIENT ADDR=\u{e9}",
        "AUTH ABCDEFGHIJKLMNOPQRSTU",
    ] {
        assert!(Command::parse(&line(text), Dialect::Lenient).is_err(), "{text:?}");
    }
}

#[test]
fn a_pass_keeps_its_spaces() {
    let Command::Pass(password) = Command::parse(&line("PASS  a b "), Dialect::Strict).unwrap().value else {
        panic!()
    };
    assert_eq!(password.expose(), b" a b ");
}

#[test]
fn a_lenient_server_reports_what_was_odd() {
    let mut config = server::Config::new(Channel::Tls);
    config.dialect = Dialect::Lenient;
    let mut server = Server::logged_in(config);
    let (events, _) = server.feed("RETR  1\r\n").unwrap();
    let [server::Event::Command { deviations, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(names(deviations), [("extra-space", 5)]);
}

/// Old clients ask so for the mechanisms, and others give arguments to commands that have none.
#[test]
fn a_lenient_server_answers_careless_commands() {
    let mut config = server::Config::new(Channel::Tls);
    config.dialect = Dialect::Lenient;
    config.mechanisms = vec![Mechanism::Plain, Mechanism::Login];
    let mut server = Server::new(config.clone());
    drain(&mut server.connection);
    let mut answer = |line: &str, name: &str| {
        let (events, _) = server.feed(line).unwrap();
        let [server::Event::Answered { deviations, .. }] = &events[..] else { panic!("{line}: {events:?}") };
        assert_eq!(deviations[0].name, name);
        drain(&mut server.connection)
    };
    let list = "+OK list of SASL mechanisms follows\r\nPLAIN\r\nLOGIN\r\n.\r\n";
    assert_eq!(answer("AUTH \r\n", deviation::SPACE_BEFORE_LINE_END), list);
    assert_eq!(answer("USER  mrose\r\n", deviation::EXTRA_SPACE), "+OK send PASS\r\n");
    assert!(answer("CAPA x\r\n", deviation::SURPLUS_ARGUMENT).contains("SASL PLAIN LOGIN"));
    assert_eq!(answer("QUIT x\r\n", deviation::SURPLUS_ARGUMENT), "+OK bye\r\n");
    // After the login the rest comes to the application.
    let mut server = Server::logged_in(config);
    let (events, _) = server.feed("NOOP x\r\nSTAT 1\r\n").unwrap();
    let [server::Event::Answered { .. }, server::Event::Command { command, deviations, .. }] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((command, names(deviations)), (&Command::Stat, vec![("surplus-argument", 5)]));
}

#[test]
fn an_error_instead_of_lines_or_a_body() {
    for command in ["LIST", "UIDL", "RETR 1", "TOP 1 1", "CAPA"] {
        let events = answer(command, "-ERR no\r\n");
        assert!(
            matches!(&events[..], [Event::Reply { follows: Follows::Nothing, .. }]),
            "{command}: {events:?}"
        );
    }
}

#[test]
fn list_and_uidl_of_one_message_have_one_line() {
    for (command, text) in
        [("LIST 1", "+OK 1 120\r\n"), ("UIDL 1", "+OK 1 abc\r\n"), ("STAT", "+OK 1 120\r\n")]
    {
        let events = answer(command, text);
        assert!(matches!(&events[..], [Event::Reply { follows: Follows::Nothing, .. }]), "{events:?}");
    }
}

#[test]
fn a_server_is_strict_unless_told_otherwise() {
    let config = server::Config::new(Channel::Tls);
    assert_eq!(config.dialect, Dialect::Strict);
    let mut server = Server::logged_in(config);
    let (events, _) = server.feed("RETR  1\r\n").unwrap();
    assert!(
        matches!(&events[..], [server::Event::Malformed { ticket: None, error, .. }]
            if error.reason == deviation::EXTRA_SPACE),
        "{events:?}"
    );
    assert_eq!(common::drain(&mut server.connection), "-ERR extra-space\r\n");
    assert_eq!(mailwire_pop3::client::Config::new(Channel::Tls).dialect, Dialect::Lenient);
}

/// A bare LF is a deviation of a server's line, and an error of a command.
#[test]
fn a_bare_line_feed_is_told_with_the_context() {
    let lf = |dialect| ParseContext::new(dialect).with_newline(mailwire_core::Newline::Lf);
    let reply = Reply::parse(&line("+OK hi"), lf(Dialect::Lenient)).unwrap();
    assert_eq!(names(&reply.deviations), [(deviation::BARE_LF, 6)]);
    let error = Reply::parse(&line("+OK hi"), lf(Dialect::Strict)).unwrap_err();
    assert_eq!((error.reason, error.offset), (deviation::BARE_LF, 6));
    for dialect in [Dialect::Lenient, Dialect::Strict] {
        assert_eq!(Command::parse(&line("NOOP"), lf(dialect)).unwrap_err().offset, 4);
    }
}
