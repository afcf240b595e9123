//! XCLIENT, XFORWARD, ETRN and the commands that few have, in both machines.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use bytes::BytesMut;
use common::{Granting, client_config, drain, feed, ready_client_with, server_config, try_feed};
use mailwire_smtp::{
    Argument, Capability, Command, Connection as _, Dialect, Error, Misuse, Next, Query, Reply, ReplyCode,
    State, Verb, client,
    extensions::{
        client_id::ClientId,
        etrn::Node,
        xclient::{AttributeName, AttributeNames, AttributeValue, Attributes},
    },
    server,
};

fn parse(line: &str) -> Result<Command, mailwire_smtp::ParseError> {
    Command::parse(&line.as_bytes().to_vec().into(), Dialect::Strict).map(|parsed| parsed.value)
}

/// A server that offers these beside what it does by default.
fn server(capabilities: impl IntoIterator<Item = Capability>) -> Granting {
    let mut config = server_config();
    let offered: Vec<_> = config.capabilities().iter().chain(capabilities).collect();
    config.set_capabilities(offered).unwrap();
    Granting::new(config)
}

fn client(keywords: &str) -> client::Connection {
    ready_client_with(client_config(), &format!("250-mx.example\r\n250-PIPELINING\r\n250 {keywords}\r\n"))
}

fn address(text: &str) -> Attributes {
    Attributes::of_address(text.parse().unwrap())
}

#[test]
fn attributes_as_postfix_writes_them() {
    let line = "XCLIENT NAME=spike.porcupine.org ADDR=168.100.189.2 PORT=25 PROTO=ESMTP HELO=a+20b LOGIN=[UNAVAILABLE]";
    let Command::Xclient(attributes) = parse(line).unwrap() else { panic!() };
    assert_eq!(attributes.address(), Some("168.100.189.2".parse().unwrap()));
    assert_eq!(attributes.port(), Some(25));
    assert_eq!(attributes.text(AttributeName::Helo), Some("a b"));
    assert_eq!(attributes.get(AttributeName::Login), Some(&AttributeValue::Unavailable));
    assert_eq!(attributes.text(AttributeName::Login), None);
    assert_eq!(attributes.get(AttributeName::DestAddr), None);
    for line in
        ["xforward addr=IPV6:2001:db8::1 source=LOCAL", "XFORWARD ADDR=ipv6:2001:db8::1  SOURCE=LOCAL"]
    {
        let command = Command::parse(&line.as_bytes().to_vec().into(), Dialect::Lenient).unwrap().value;
        let Command::Xforward(attributes) = command else { panic!() };
        assert_eq!(attributes.address(), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(attributes.text(AttributeName::Source), Some("LOCAL"));
    }
    for line in [
        "XCLIENT",
        "XCLIENT ",
        "XCLIENT ADDR",
        "XCLIENT ADDR=",
        "XCLIENT FOO=a",
        "XCLIENT ADDR=1.2.3.4 ADDR=1.2.3.5",
        "XCLIENT HELO=a+0D+0Ab",
        "XCLIENT HELO=a+0",
        "XCLIENT HELO=a=b",
        "XCLIENT HELO=a\tNAME=b",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
    for value in ["", "a\r\nb", "\0", "[unavailable]"] {
        assert!(AttributeValue::new(value).is_err(), "{value:?}");
    }
}

#[test]
fn etrn_names_a_host_a_domain_or_a_queue() {
    assert_eq!(parse("ETRN example.org").unwrap(), Command::Etrn(Node::Host("example.org".parse().unwrap())));
    assert_eq!(
        parse("etrn @example.org").unwrap(),
        Command::Etrn(Node::Subdomains("example.org".parse().unwrap()))
    );
    assert_eq!(parse("ETRN #uucp").unwrap(), Command::Etrn(Node::Queue("uucp".parse().unwrap())));
    for line in ["ETRN", "ETRN ", "ETRN a b", "ETRN @", "ETRN #", "ETRN a..b", "ETRN <a>"] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn clientid_has_two_words() {
    let Command::ClientId(id) = parse("CLIENTID UUID 23bf83be-aad7").unwrap() else { panic!() };
    assert_eq!((id.kind(), id.token()), (&"UUID".into(), &"23bf83be-aad7".into()));
    for line in ["CLIENTID", "CLIENTID UUID", "CLIENTID UUID ", "CLIENTID U_ID a", "CLIENTID UUID a b"] {
        assert!(parse(line).is_err(), "{line}");
    }
    assert!(ClientId::new("UUID", "a\r\nb").is_err() && ClientId::new("UUID", "x".repeat(129)).is_err());
}

/// Postfix's way: 220, and all of the session begins anew.
#[test]
fn a_client_begins_anew_after_xclient() {
    let mut client = client("XCLIENT NAME ADDR HELO");
    let ticket = client.send(Command::Xclient(address("192.0.2.1"))).unwrap();
    assert_eq!(drain(&mut client), "XCLIENT ADDR=192.0.2.1\r\n");
    // What follows would be said in the name of nobody knows whom.
    let busy = client.send(Command::Noop(None)).unwrap_err().reason;
    assert!(matches!(busy, Misuse::WrongState(_)), "{busy}");
    let (events, _) = try_feed(&mut client, b"220 mx.example ESMTP\r\n").unwrap();
    let [client::Event::Reply { ticket: answered, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*answered, ticket);
    assert_eq!(client.state(), State::Connected);
    assert!(!client.capabilities().is_known());
    assert_eq!(drain(&mut client), "EHLO client.example\r\n");
    let (events, _) = try_feed(&mut client, b"250-mx.example\r\n250 SIZE 7\r\n").unwrap();
    let [client::Event::Capabilities { capabilities, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(capabilities.size_limit(), Some(7));
    // Offered before, and not to this client.
    assert!(matches!(
        client.send(Command::Xclient(address("192.0.2.1"))).unwrap_err().reason,
        Misuse::NotOffered(_)
    ));
}

#[test]
fn a_refused_xclient_changes_nothing() {
    let mut client = client("XCLIENT ADDR");
    client.send(Command::Xclient(address("192.0.2.1"))).unwrap();
    drain(&mut client);
    feed(&mut client, b"550 5.7.1 Insufficient authorization\r\n");
    assert_eq!((client.state(), drain(&mut client)), (State::Ready, String::new()));
    client.send(Command::Noop(None)).unwrap();
}

#[test]
fn what_is_not_offered_is_not_sent() {
    let mut none = client("SIZE");
    for command in [
        Command::Xclient(address("192.0.2.1")),
        Command::Xforward(address("192.0.2.1")),
        Command::Etrn(Node::Host("example.org".parse().unwrap())),
        Command::ClientId(ClientId::new("UUID", "a").unwrap()),
        Command::Verb,
        Command::Onex,
        Command::Vrfy(Query::new(Argument::new("a").unwrap()).with_smtp_utf8(true)),
        Command::Expn(Query::new(Argument::new("\u{fc}").unwrap())),
    ] {
        let refused = none.send(command).unwrap_err();
        assert!(matches!(refused.reason, Misuse::NotOffered(_)), "{:?}: {}", refused.message, refused.reason);
    }
    for verb in ["SEND", "SOML", "SAML", "TURN", "ATRN"] {
        let Ok(verb) = Verb::try_from(verb) else { continue };
        let refused = none.send(Command::Other { verb, argument: None }).unwrap_err();
        assert!(matches!(refused.reason, Misuse::WrongState(_)), "{}", refused.reason);
    }
    let mut some = client("XFORWARD ADDR\r\n");
    let helo = address("192.0.2.1").with(AttributeName::Helo, "a").unwrap();
    assert!(matches!(some.send(Command::Xforward(helo)).unwrap_err().reason, Misuse::NotOffered(_)));
    some.send(Command::Xforward(address("192.0.2.1"))).unwrap();
    let busy = some.send(Command::Noop(None));
    busy.unwrap();
}

#[test]
fn a_server_begins_anew_after_xclient() {
    let mut server = server([Capability::Xclient(AttributeNames::xclient())]);
    let hello = server.say("EHLO proxy.example\r\n");
    assert!(hello.contains("250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n"), "{hello}");
    assert_eq!(server.say("XCLIENT ADDR=192.0.2.1 IDENT=a\r\n"), "501 5.5.4 Attribute not supported\r\n");
    assert_eq!(
        server.say("MAIL FROM:<a@b.example>\r\nXCLIENT ADDR=192.0.2.1\r\n"),
        "250 2.1.0 Ok\r\n503 5.5.1 A transaction is under way\r\n"
    );
    server.say("RSET\r\n");
    assert_eq!(server.say("XCLIENT ADDR=192.0.2.1\r\n"), "220 mx.example ESMTP\r\n");
    assert_eq!(server.machine.state(), State::Connected);
    // Nothing of the proxy's session is left.
    assert_eq!(server.say("MAIL FROM:<a@b.example>\r\n"), "503 5.5.1 Send EHLO or HELO first\r\n");
    server.say("EHLO client.example\r\n");
    assert!(server.say("MAIL FROM:<a@b.example>\r\n").starts_with("250 "));
}

/// Who logged in before XCLIENT was the proxy; LOGIN is its client.
#[test]
fn a_login_is_the_clients_own() {
    let mut config = server_config().with_require_auth(true);
    let offered: Vec<_> =
        config.capabilities().iter().chain([Capability::Xclient(AttributeNames::xclient())]).collect();
    config.set_capabilities(offered).unwrap();
    let mut server = Granting::new(config);
    server.say("EHLO proxy.example\r\nAUTH PLAIN AHVzZXIAcGFzcw==\r\n");
    assert!(server.machine.is_authenticated());
    server.say("XCLIENT ADDR=192.0.2.1\r\n");
    assert!(!server.machine.is_authenticated());
    let said = server.say("EHLO client.example\r\nMAIL FROM:<a@b.example>\r\n");
    assert!(
        said.contains("AUTH PLAIN LOGIN") && said.ends_with("530 5.7.0 Authentication required\r\n"),
        "{said}"
    );
    server.say("XCLIENT LOGIN=anna\r\nEHLO client.example\r\n");
    assert!(server.machine.is_authenticated());
    assert!(server.say("MAIL FROM:<a@b.example>\r\n").starts_with("250 "));
    server.say("RSET\r\nXCLIENT LOGIN=[UNAVAILABLE]\r\n");
    assert!(!server.machine.is_authenticated());
}

#[test]
fn a_server_takes_what_it_offers() {
    let mut plain = server([]);
    plain.say("EHLO client.example\r\n");
    for line in
        ["XCLIENT ADDR=192.0.2.1", "XFORWARD ADDR=192.0.2.1", "ETRN a", "VERB", "ONEX", "CLIENTID UUID a"]
    {
        let said = plain.say(format!("{line}\r\n"));
        assert!(said.starts_with("502 5.5.1 "), "{line}: {said}");
    }
    let mut server = server([
        Capability::Xforward(AttributeNames::xforward()),
        Capability::Etrn,
        Capability::Verb,
        Capability::Onex,
        Capability::ClientId,
    ]);
    server.say("EHLO client.example\r\n");
    for (line, code) in [
        ("XFORWARD ADDR=192.0.2.1 IDENT=7", "250"),
        ("ETRN a", "458"),
        ("VERB", "250"),
        ("ONEX", "250"),
        ("CLIENTID UUID a", "250"),
    ] {
        let said = server.say(format!("{line}\r\n"));
        assert!(said.starts_with(code), "{line}: {said}");
    }
    // RFC 1985 section 5: not within a transaction.
    server.say("MAIL FROM:<>\r\n");
    assert!(server.say("ETRN a\r\n").starts_with("503 "));
    // A password after CLIENTID is nobody's command.
    assert!(server.events.iter().all(|event| !matches!(event, server::Event::Malformed { .. })));
}

/// None of these is mail.
#[test]
fn commands_that_lead_nowhere_come_to_an_end() {
    for line in ["XFORWARD NAME=a", "XCLIENT NAME=a", "ETRN a", "VERB", "ONEX", "CLIENTID UUID a"] {
        let mut config = server_config();
        config.limits.idle_commands = 10;
        let offered = [
            Capability::Xclient(AttributeNames::xclient()),
            Capability::Xforward(AttributeNames::xforward()),
            Capability::Etrn,
            Capability::Verb,
            Capability::Onex,
            Capability::ClientId,
        ];
        let mut machine = server::Connection::new(config.with_capabilities(offered).unwrap());
        drain(&mut machine);
        let mut input = BytesMut::from(&*format!("EHLO a.example\r\n{}", format!("{line}\r\n").repeat(20)));
        let error = loop {
            match machine.next_event(&mut input) {
                Ok(Next::Event(server::Event::Command { ticket, command: Command::Ehlo(_), .. })) => {
                    machine.reply(ticket, Reply::new(ReplyCode::OK, "")).unwrap();
                }
                Ok(Next::Event(server::Event::Command { ticket, .. })) => {
                    machine.reply(ticket, Reply::new(ReplyCode::MAILBOX_UNAVAILABLE, "Not you")).unwrap();
                }
                Ok(other) => panic!("{line}: {other:?}"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::LimitExceeded { limit: 10, .. }), "{line}: {error:?}");
    }
}

/// RFC 5321 appendix F: SEND and the like are gone, and are known to be.
#[test]
fn what_was_given_up_is_not_implemented() {
    let mut server = server([]);
    server.say("EHLO client.example\r\n");
    for line in ["SEND FROM:<a@b.example>", "SOML FROM:<a@b.example>", "SAML FROM:<a@b.example>", "TURN"] {
        assert_eq!(server.say(format!("{line}\r\n")), "502 5.5.1 Command not implemented\r\n");
    }
    assert!(server.say("WHAT\r\n").starts_with("500 "));
}

/// RFC 6531 section 3.7.4.2.
#[test]
fn answers_beyond_ascii_are_permitted_first() {
    let query = |line: &str| match parse(line).unwrap() {
        Command::Vrfy(query) | Command::Expn(query) => (query.text.to_string(), query.smtp_utf8),
        other => panic!("{other:?}"),
    };
    assert_eq!(query("VRFY M\u{fc}ller smtputf8"), ("M\u{fc}ller".into(), true));
    assert_eq!(query("EXPN Example People"), ("Example People".into(), false));
    assert_eq!(query("VRFY SMTPUTF8"), ("SMTPUTF8".into(), false));
    assert_eq!(query("VRFY a SMTPUTF8 SMTPUTF8"), ("a SMTPUTF8".into(), true));
    let found = || Reply::new(ReplyCode::OK, "2.1.5 M\u{fc}ller <a@b.example>");
    for (line, said) in [
        ("VRFY a SMTPUTF8", "250 2.1.5 M\u{fc}ller <a@b.example>\r\n"),
        ("VRFY a", "252 2.6.8 The answer needs SMTPUTF8\r\n"),
        ("VRFY \u{fc}", "553 5.6.7 An address beyond ASCII needs SMTPUTF8\r\n"),
    ] {
        let mut server = server::Connection::new(server_config());
        let mut input = bytes::BytesMut::from(format!("{line}\r\n").as_str());
        drain(&mut server);
        match server.next_event(&mut input).unwrap() {
            mailwire_smtp::Next::Event(server::Event::Command { ticket, .. }) => {
                server.reply(ticket, found()).unwrap()
            }
            mailwire_smtp::Next::Event(server::Event::Refused { .. }) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(drain(&mut server), said, "{line}");
    }
}

/// RFC 1845: a server that wants to go on in the middle of a message gets nothing.
#[test]
fn a_restart_offset_ends_the_connection() {
    let mut client = client("SIZE");
    client.send(Command::Mail(mailwire_smtp::Mail::new(common::mailbox("a@b.example")))).unwrap();
    client.send(Command::Rcpt(mailwire_smtp::Rcpt::new(common::mailbox("a@b.example")))).unwrap();
    client.send(Command::Data).unwrap();
    drain(&mut client);
    let error = try_feed(&mut client, b"250 ok\r\n250 ok\r\n355 6135 is the transaction offset\r\n");
    assert!(matches!(error, Err(Error::Unexpected { .. })), "{error:?}");
}

/// RFC 2645.
#[test]
fn atrn_needs_a_login_and_ends_the_conversation() {
    let domains = || vec!["example.org".parse().unwrap(), "example.com".parse().unwrap()];
    assert_eq!(parse("ATRN").unwrap(), Command::Atrn(vec![]));
    assert_eq!(parse("atrn example.org,example.com").unwrap(), Command::Atrn(domains()));
    for line in ["ATRN a,", "ATRN ,a", "ATRN a, b", "ATRN a b"] {
        assert!(parse(line).is_err(), "{line}");
    }
    let mut server = server([Capability::Atrn]);
    server.say("EHLO client.example\r\n");
    assert_eq!(server.say("ATRN\r\n"), "530 5.7.0 Authentication required\r\n");
    server.say("AUTH PLAIN AHVzZXIAcGFzcw==\r\n");
    assert_eq!(server.say("ATRN\r\n"), "453 4.3.2 You have no mail\r\n");

    let mut client = client("AUTH PLAIN\r\n");
    assert!(matches!(client.send(Command::Atrn(vec![])).unwrap_err().reason, Misuse::NotOffered(_)));
    let mut client = ready_client_with(client_config(), "250-mx.example\r\n250-ATRN\r\n250 AUTH PLAIN\r\n");
    assert!(matches!(client.send(Command::Atrn(vec![])).unwrap_err().reason, Misuse::WrongState(_)));
    let auth = mailwire_smtp::Auth::new(mailwire_smtp::Mechanism::Plain)
        .with_initial(mailwire_smtp::Secret::from(&b"\0a\0b"[..]));
    client.send(Command::Auth(auth)).unwrap();
    drain(&mut client);
    feed(&mut client, b"235 ok\r\n");
    client.send(Command::Atrn(domains())).unwrap();
    assert_eq!(drain(&mut client), "ATRN example.org,example.com\r\n");
    assert!(matches!(client.send(Command::Noop(None)).unwrap_err().reason, Misuse::WrongState(_)));
    feed(&mut client, b"453 You have no mail\r\n");
    client.send(Command::Atrn(vec![])).unwrap();
    drain(&mut client);
    let (events, next) = try_feed(&mut client, b"250 OK now reversing the connection\r\n").unwrap();
    assert!(matches!(events[..], [client::Event::Reply { .. }]) && next == mailwire_smtp::Next::Closed);
    assert_eq!(client.send(Command::Quit).unwrap_err().reason, Misuse::Closed);
}

/// Exim's PIPECONNECT: one round trip less.
#[test]
fn hello_before_the_greeting() {
    let mut client = client::Connection::new(client_config().with_early_hello(true));
    assert_eq!(drain(&mut client), "EHLO client.example\r\n");
    let (events, _) =
        try_feed(&mut client, b"220 mx.example ESMTP\r\n250-mx.example\r\n250 PIPECONNECT\r\n").unwrap();
    let [client::Event::Greeting { .. }, client::Event::Capabilities { capabilities, .. }] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert!(capabilities.has(&Capability::PipeConnect));
    assert_eq!((client.state(), drain(&mut client)), (State::Ready, String::new()));
    // The greeting may come in pieces, and may be a refusal.
    let mut refused = client::Connection::new(client_config().with_early_hello(true));
    drain(&mut refused);
    let (events, next) = try_feed(&mut refused, b"421 too busy\r\n").unwrap();
    assert!(matches!(events[..], [client::Event::Greeting { .. }]) && next == mailwire_smtp::Next::Closed);
    // HELO is still tried where EHLO is not known.
    let mut old = client::Connection::new(client_config().with_early_hello(true));
    drain(&mut old);
    feed(&mut old, b"220 mx.example\r\n500 what?\r\n");
    assert_eq!(drain(&mut old), "HELO client.example\r\n");

    // A server reads what came before it was asked for after its own greeting.
    let mut server = server::Connection::new(server_config());
    let mut input = bytes::BytesMut::from("EHLO client.example\r\n");
    let event = server.next_event(&mut input).unwrap();
    let mailwire_smtp::Next::Event(server::Event::Command { ticket, command, .. }) = event else {
        panic!("{event:?}")
    };
    server.reply(ticket, server::default_reply(&command)).unwrap();
    assert!(drain(&mut server).starts_with("220 mx.example ESMTP\r\n250-mx.example\r\n"));
}
