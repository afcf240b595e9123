//! Extensions: what they change in a session, in both roles.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Client, Server, drain};
use mailwire_core::{Channel, Misuse, NotOffered, WrongAnswer};
use mailwire_pop3::{
    Capability, Command, LanguageListing, LanguageRange, LanguageTag, Listing, Reply, ReplyText,
    ResponseCode, ResponseCodeKind, Xclient,
    client::{self, Event},
    server::{self, Utf8Offer},
};

fn config() -> server::Config {
    let mut config = server::Config::new(Channel::Tls);
    config.utf8 = Utf8Offer::Messages;
    config.lang = true;
    config
}

fn said(server: &mut Server, line: &str) -> String {
    server.hear(&format!("{line}\r\n"));
    drain(&mut server.connection)
}

#[test]
fn capabilities_change_with_the_state() {
    let mut config = config();
    config.channel = Channel::StartTls;
    config.implementation = Some("Mailwire 1".try_into().unwrap());
    let (loose, exact) = (
        Capability::LoginDelay { seconds: 900, per_user: true },
        Capability::LoginDelay { seconds: 60, per_user: false },
    );
    config.set_more([loose.clone(), Capability::Expire { days: Some(7), per_user: false }]).unwrap();
    let mut s = Server::new(config);
    drain(&mut s.connection);
    let first = said(&mut s, "CAPA");
    for line in ["STLS", "UTF8", "LANG", "LOGIN-DELAY 900 USER", "EXPIRE 7"] {
        assert!(first.contains(&format!("\r\n{line}\r\n")), "{line}: {first}");
    }
    assert!(!first.contains("\r\nUSER\r\n") && !first.contains("IMPLEMENTATION"), "{first}");
    let events = s.hear("STLS\r\n");
    let [server::Event::Command { ticket, .. }] = &events[..] else { panic!("{events:?}") };
    s.connection.accept_upgrade(*ticket).unwrap();
    drain(&mut s.connection);
    mailwire_core::Connection::upgraded(&mut s.connection, mailwire_core::Upgrade::Tls);
    let within = said(&mut s, "CAPA");
    assert!(!within.contains("STLS") && within.contains("\r\nUSER\r\n"), "{within}");
    let events = s.hear("USER a\r\nPASS b\r\n");
    let Some(server::Event::Login { ticket, .. }) = events.first() else { panic!("{events:?}") };
    s.connection.set_more([exact.clone()]).unwrap();
    s.connection.reply(*ticket, Reply::ok("")).unwrap();
    drain(&mut s.connection);
    let after = said(&mut s, "CAPA");
    assert!(after.contains("\r\nIMPLEMENTATION Mailwire 1\r\n"), "{after}");
    assert!(after.contains("\r\nLOGIN-DELAY 60\r\n") && !after.contains("EXPIRE"), "{after}");
    assert!(s.connection.capabilities().has(&exact) && !s.connection.capabilities().has(&loose));
    assert!(s.connection.set_more([Capability::Lang]).is_err());
    // RFC 2449 section 5: a line has 512 octets at most.
    let long = |length: usize| Capability::Other {
        tag: "X-LONG".parse().unwrap(),
        arguments: Some("x".repeat(length).try_into().unwrap()),
    };
    s.connection.set_more([long(503)]).unwrap();
    assert!(s.connection.set_more([long(504)]).is_err());
}

#[test]
fn utf8_is_a_mode_of_the_session() {
    let mut config = config();
    config.channel = Channel::StartTls;
    let mut s = Server::new(config);
    drain(&mut s.connection);
    assert!(!s.connection.is_utf8());
    assert_eq!(said(&mut s, "UTF8"), "+OK UTF-8 mode\r\n");
    assert!(s.connection.is_utf8());
    // RFC 6856 section 2.1: no STLS after it.
    assert!(said(&mut s, "STLS").starts_with("-ERR"));
    assert!(!said(&mut s, "CAPA").contains("STLS"));
    // Only before the login, and only where it is offered.
    let mut s = Server::logged_in(self::config());
    assert!(said(&mut s, "UTF8").starts_with("-ERR already logged in"));
    assert!(!s.connection.is_utf8());
    let mut s = Server::new(server::Config::new(Channel::Tls));
    drain(&mut s.connection);
    assert!(said(&mut s, "UTF8").starts_with("-ERR not offered"));
    assert!(said(&mut s, "LANG").starts_with("-ERR not offered"));
    assert!(said(&mut s, "XCLIENT ADDR=::1").starts_with("-ERR not offered"));
}

#[test]
fn credentials_beyond_ascii_are_utf_8_where_that_is_offered() {
    let mut config = config();
    config.utf8 = Utf8Offer::MessagesAndCredentials;
    let mut s = Server::new(config);
    drain(&mut s.connection);
    s.hear("USER a\r\n");
    s.input.extend_from_slice(b"PASS \xff\r\n");
    s.hear("");
    assert!(drain(&mut s.connection).ends_with("-ERR the password is not UTF-8\r\n"));
    // Nothing is said of it otherwise: old clients send their own charset.
    let mut s = Server::new(self::config());
    s.input.extend_from_slice(b"USER a\r\nPASS \xff\r\n");
    assert!(matches!(&s.hear("")[..], [server::Event::Login { .. }]));
}

#[test]
fn texts_are_in_ascii_until_a_language_is_chosen() {
    let text = |text: &str| Reply::Err { code: None, text: ReplyText::international(text) };
    let mut s = Server::logged_in(config());
    let (ticket, _) = s.command("LANG uga");
    let error = s.connection.reply(ticket, text("größe")).unwrap_err();
    assert_eq!(error.reason, Misuse::WrongAnswer(WrongAnswer::NotAscii));
    s.connection.reply(ticket, Reply::err("no such language")).unwrap();
    assert_eq!(s.connection.language(), None);
    // A plain +OK does not tell which language it is.
    let (ticket, command) = s.command("LANG DE");
    assert_eq!(command, Command::Lang(Some("de".parse().unwrap())));
    let tag = LanguageTag::new("de-CH").unwrap();
    let error = s.connection.reply(ticket, Reply::ok("")).unwrap_err();
    assert_eq!(error.reason, Misuse::WrongAnswer(WrongAnswer::OtherCommand));
    s.connection.reply(ticket, Reply::language(tag.clone(), "geändert")).unwrap();
    assert_eq!(s.connection.language(), Some(&tag));
    let (ticket, _) = s.command("RETR 9");
    s.connection.reply(ticket, text("größe")).unwrap();
    // But not what is no UTF-8.
    let (ticket, _) = s.command("RETR 9");
    let odd = Reply::Err { code: None, text: ReplyText::new(&b"\xff"[..]).unwrap() };
    assert!(s.connection.reply(ticket, odd).is_err());
    s.connection.reply(ticket, Reply::err("no")).unwrap();
    let (ticket, _) = s.command("LANG");
    assert!(s.connection.reply(ticket, Reply::language(tag.clone(), "")).is_err());
    s.connection.reply(ticket, Reply::ok("")).unwrap();
    s.connection.send_line(Listing::Language(LanguageListing::new(tag, " Schwiizertüütsch\r\n"))).unwrap();
    s.connection.finish_body().unwrap();
    assert_eq!(
        drain(&mut s.connection),
        "-ERR no such language\r\n+OK de-CH geändert\r\n-ERR größe\r\n-ERR no\r\n+OK\r\nde-CH Schwiizertüütsch??\r\n.\r\n"
    );
}

fn offered(capabilities: &str) -> Client {
    let mut client = Client::new(client::Config::new(Channel::Tls));
    client.hear("+OK\r\n");
    client.hear(&format!("+OK\r\n{capabilities}.\r\n"));
    client
}

#[test]
fn a_client_asks_for_what_is_offered() {
    let mut c = offered("UIDL\r\n");
    for command in [Command::Utf8, Command::Lang(None), Command::Lang(Some(LanguageRange::PREFERRED))] {
        let name = command.known_name().unwrap();
        let ticket = c.connection.send(command).unwrap();
        let reason = Misuse::NotOffered(NotOffered::Extension(name));
        assert_eq!(c.hear(""), [Event::NotSent { ticket, reason }]);
    }
    let ticket = c.connection.send(Command::Xclient(Xclient::new().with_port(1))).unwrap();
    let reason = Misuse::NotOffered(NotOffered::Extension("XCLIENT"));
    assert_eq!(c.hear(""), [Event::NotSent { ticket, reason }]);
    assert_eq!(drain(&mut c.connection), "");

    let mut c = offered("UTF8\r\nLANG\r\nPIPELINING\r\n");
    c.connection.send(Command::Utf8).unwrap();
    c.connection.send(Command::Lang(Some("sv".parse().unwrap()))).unwrap();
    assert_eq!(drain(&mut c.connection), "UTF8\r\nLANG sv\r\n");
    assert!(!c.connection.is_utf8());
    let events = c.hear("+OK\r\n+OK sv Kommandot \"LANG\" lyckades\r\n");
    let [_, Event::Reply { reply, .. }] = &events[..] else { panic!("{events:?}") };
    let Reply::Listing(Listing::Language(language)) = reply else { panic!("{reply:?}") };
    assert_eq!(language.description.as_bytes(), b"Kommandot \"LANG\" lyckades");
    assert!(c.connection.is_utf8());
    assert_eq!(c.connection.language().unwrap().as_bytes(), b"sv");
    // A refusal leaves the language as it was; an answer that is none costs itself alone.
    c.connection.send(Command::Lang(Some("uga".parse().unwrap()))).unwrap();
    c.hear("-ERR no\r\n");
    assert_eq!(c.connection.language().unwrap().as_bytes(), b"sv");
    c.connection.send(Command::Lang(Some("de".parse().unwrap()))).unwrap();
    let events = c.hear("+OK\r\n");
    assert!(
        matches!(&events[..], [Event::Reply { deviations, .. }] if deviations.first().unwrap().name == "missing-language-tag")
    );
    // Names need UTF8 USER, whatever the mode.
    let ticket = c.connection.send(Command::User("jörg".parse().unwrap())).unwrap();
    assert!(matches!(&c.hear("")[..], [Event::NotSent { ticket: of, .. }] if *of == ticket));
}

#[test]
fn auth_alone_lists_mechanisms() {
    let mut config = server::Config::new(Channel::Tls);
    config.mechanisms = vec![mailwire_pop3::Mechanism::Plain];
    let mut s = Server::new(config);
    drain(&mut s.connection);
    assert_eq!(said(&mut s, "AUTH"), "+OK list of SASL mechanisms follows\r\nPLAIN\r\n.\r\n");
    let mut s = Server::new(server::Config::new(Channel::Tls));
    drain(&mut s.connection);
    assert_eq!(said(&mut s, "AUTH"), "-ERR not offered\r\n");
    // Exchange answers so.
    let mut c = offered("");
    c.connection.send(Command::AuthList).unwrap();
    let lines: Vec<_> = c
        .hear("+OK\r\nNTLM\r\nLOGIN\r\n.\r\n")
        .into_iter()
        .filter_map(|event| match event {
            Event::Line { line: Listing::Mechanism(mechanism), .. } => Some(mechanism.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(lines, ["NTLM", "LOGIN"]);
}

#[test]
fn a_proxy_tells_who_its_client_is() {
    let mut config = server::Config::new(Channel::Tls);
    config.xclient = true;
    let mut s = Server::new(config);
    assert_eq!(drain(&mut s.connection), "+OK [XCLIENT] POP3 server ready\r\n");
    let (ticket, command) = s.command("XCLIENT addr=2001:db8::1 PORT=99 FORWARD=YQ== TTL=3");
    let Command::Xclient(client) = command else { panic!("{command:?}") };
    assert_eq!((client.addr(), client.port()), (Some("2001:db8::1".parse().unwrap()), Some(99)));
    assert_eq!(client.get("forward").unwrap(), "YQ==");
    s.connection.reply(ticket, Reply::ok("Updated")).unwrap();
    let mut c = Client::new(common::quiet_config(Channel::Tls));
    c.hear("+OK [XCLIENT] ready\r\n");
    c.connection.send(Command::Xclient(client)).unwrap();
    assert_eq!(drain(&mut c.connection), "XCLIENT addr=2001:db8::1 PORT=99 FORWARD=YQ== TTL=3\r\n");
    let long = Xclient::new().with("FORWARD", "x".repeat(250)).unwrap();
    let error = c.connection.send(Command::Xclient(long)).unwrap_err();
    assert_eq!(error.reason, Misuse::TooLong { limit: 255 });
}

#[test]
fn codes_are_hierarchical() {
    let code = |text: &str| ResponseCode::new(text.to_owned()).unwrap();
    for (text, kind) in [
        ("login-delay", ResponseCodeKind::LoginDelay),
        ("IN-USE/OTHER", ResponseCodeKind::InUse),
        ("SYS", ResponseCodeKind::Sys),
        ("sys/temp/disk", ResponseCodeKind::SysTemp),
        ("SYS/PERM", ResponseCodeKind::SysPerm),
        ("SYS/TEMPORARY", ResponseCodeKind::Sys),
        ("AUTH/ZERO", ResponseCodeKind::Auth),
        ("UTF8", ResponseCodeKind::Utf8),
        ("XCLIENT", ResponseCodeKind::Xclient),
        ("AUTHOR", ResponseCodeKind::Other),
    ] {
        let code = code(text);
        assert_eq!(code.kind(), kind, "{text}");
        let transient = matches!(text, "login-delay" | "IN-USE/OTHER" | "sys/temp/disk");
        assert_eq!(code.is_transient(), transient, "{text}");
        assert_eq!(code.is_permanent(), matches!(text, "SYS/PERM" | "AUTH/ZERO"), "{text}");
        assert_eq!(code.is_authentication(), text == "AUTH/ZERO", "{text}");
        assert_eq!(code.is_system(), text.get(..3).unwrap().eq_ignore_ascii_case("sys"), "{text}");
    }
    assert!(code("sys/temp").is_within(&ResponseCode::SYS_TEMP));
    assert!(!code("SYS").is_within(&ResponseCode::SYS_TEMP));
    assert!(!code("SYS/TEMPORARY").is_within(&ResponseCode::SYS_TEMP));
}
