//! No string that a caller or a peer gives becomes a command or a reply of its own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::{Bytes, BytesMut};
use common::{client_config, drain, ready_client, server_config, try_feed};
use mailwire_smtp::{
    AddressLiteral, Argument, Auth, Capability, Command, Connection as _, Dialect, Domain, EhloName, Host,
    Keyword, Mail, Mailbox, Mechanism, Misuse, Next, OtherCapability, ParameterValue, Rcpt, Reply, ReplyCode,
    Secret, Text, Verb, client, server,
};

/// Texts that end a line, or are cut by somebody.
const EVIL: [&str; 9] = [
    "a\r\nQUIT",
    "a\rb",
    "a\nb",
    "a\0b",
    "\r\n",
    "\n",
    "\x7f",
    "a\r",
    "a@b.example>\r\nRCPT TO:<c@d.example",
];

#[test]
fn values_of_a_caller() {
    for evil in EVIL {
        let at = format!("{evil}@mx.example");
        assert!(Mailbox::try_from(at.as_str()).is_err(), "{evil:?}");
        assert!(Mailbox::try_from(format!("\"{evil}\"@mx.example").as_str()).is_err(), "{evil:?}");
        assert!(Mailbox::try_from(format!("a@{evil}").as_str()).is_err(), "{evil:?}");
        assert!(Mailbox::new(evil, &Host::try_from("mx.example").unwrap()).is_err(), "{evil:?}");
        assert!(Domain::try_from(evil).is_err());
        assert!(AddressLiteral::try_from(format!("[x-tagged:{evil}]").as_str()).is_err());
        assert!(EhloName::try_from(evil).is_err());
        assert!(Keyword::try_from(evil).is_err());
        assert!(ParameterValue::try_from(evil).is_err());
        assert!(Argument::try_from(evil).is_err());
        assert!(Mechanism::try_from(evil).is_err());
        assert!(Verb::try_from(evil).is_err());
        assert!(Reply::try_new(ReplyCode::OK, [Text::from(evil)]).is_err());
    }
    for evil in ["a b", "SIZE=1", "a=b", ""] {
        assert!(Keyword::try_from(evil).is_err() && ParameterValue::try_from(evil).is_err(), "{evil:?}");
    }
    assert!(Verb::try_from("RCPT").is_err(), "a known command has its own form");
    assert!(Domain::new(&b"a\xff"[..]).is_err());
}

#[test]
fn a_quoted_local_part_is_one_address() {
    for local_part in ["a@x> ORCPT=rfc822;y", "a>, <b", "a\" b", "\\", "<>", " ", "a@b@c", "@c.example:d"] {
        let mailbox = Mailbox::new(local_part, &Host::try_from("y.example").unwrap()).unwrap();
        let mut out = Vec::new();
        Command::Rcpt(Rcpt::new(mailbox.clone())).write(&mut out);
        let Command::Rcpt(rcpt) =
            Command::parse(&Bytes::copy_from_slice(out.trim_ascii_end()), Dialect::Strict).unwrap().value
        else {
            panic!()
        };
        assert_eq!(rcpt.to.mailbox(), Some(&mailbox));
        assert_eq!(mailbox.unquoted_local_part(), local_part);
        assert!(rcpt.parameters().other.is_empty());
    }
}

#[test]
fn replies_of_an_application() {
    for evil in EVIL {
        let mut out = Vec::new();
        Reply::new(ReplyCode::OK, evil).with_line(evil).write(&mut out);
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 2, "{evil:?}");
        assert!(!out.contains(&0));
    }
    // Neither does a reply that was read from somebody else and is handed on.
    let reply = Reply::parse(&Bytes::from_static(b"250 a\rb\x00"), Dialect::Lenient).unwrap().value;
    let mut out = Vec::new();
    reply.write(&mut out);
    assert_eq!(out, b"250 a?b?\r\n");
    // And what a configuration holds.
    let mut config = server_config();
    config.banner = "x\r\n250 y".into();
    let capability = OtherCapability::new(Keyword::try_from("X-A").unwrap()).unwrap();
    for parameters in ["a\r\n250 b", "a\0", " a", "a ", "a  b", "\u{e9}"] {
        assert!(capability.clone().with_parameters(parameters).is_err(), "{parameters:?}");
    }
    config.set_capabilities([Capability::Other(capability.with_parameters("a b").unwrap())]).unwrap();
    let mut server = server::Connection::new(config);
    assert_eq!(drain(&mut server), "220 mx.example x??250 y\r\n");
}

#[test]
fn bodies_of_a_caller() {
    let body = |client: &mut client::Connection| {
        client.send(Command::Mail(Mail::new(common::mailbox("a@client.example")))).unwrap();
        client.send(Command::Rcpt(Rcpt::new(common::mailbox("b@mx.example")))).unwrap();
        client.send(Command::Data).unwrap();
        drain(client);
        common::feed(client, b"250 ok\r\n250 ok\r\n354 go\r\n");
    };
    for evil in [&b"a\n.\nQUIT\r\n"[..], b"a\r.\r\n", b"a\n.\r\nMAIL", b"a\r\n.\r", b"\n", b"\r\n.\r\r\n"] {
        let mut client = ready_client(client_config());
        body(&mut client);
        let sent = client.send_body(&mut Bytes::copy_from_slice(evil)).and_then(|_| client.finish_body());
        assert!(matches!(sent, Err(Misuse::InvalidBody { .. })), "{}", evil.escape_ascii());
        assert!(client.finish_body().is_err() && client.send_body(&mut Bytes::from_static(b"x")).is_err());
        assert!(!drain(&mut client).ends_with("\r\n.\r\n"), "no end is sent");
        assert_eq!(client.outcome(), client::Outcome::NotSent);

        let mut config = client_config();
        config.bare_newline = mailwire_core::dot::BareNewline::Normalize;
        let mut client = ready_client(config);
        body(&mut client);
        client.send_body(&mut Bytes::copy_from_slice(evil)).unwrap();
        client.finish_body().unwrap();
        let written = drain(&mut client);
        let (text, end) = written.split_at(written.len() - 3);
        assert_eq!(end, ".\r\n");
        assert!(!text.contains("\r\n.\r\n") && !text.replace("\r\n", "").contains(['\r', '\n']), "{text:?}");
    }
}

#[test]
fn no_secret_is_shown() {
    let secret = "tanstaaf";
    let encoded = "dGFuc3RhYWY=";
    let auth = Command::Auth(Auth::new(Mechanism::Plain).with_initial(Secret::from(secret)));
    let shown = |text: String| {
        assert!(!text.contains("dGFuc3RhYWY"), "{text}");
        assert!(!text.contains(secret) && !text.contains(encoded) && !text.contains("tansta"), "{text}");
        assert!(!text.contains("116, 97, 110"), "{text}");
    };
    shown(format!("{auth:?}"));
    let mut client = ready_client(client_config());
    client.send(auth.clone()).unwrap();
    shown(format!("{client:?}"));
    let mut clear = client_config();
    clear.channel = mailwire_smtp::Channel::Clear;
    let mut client = ready_client(clear);
    let refused = client.send(auth).unwrap_err();
    assert_eq!(refused.reason, Misuse::CredentialsInClear);
    shown(format!("{refused:?} {refused}"));
    assert_eq!(drain(&mut client), "");

    for lines in [
        format!("AUTH PLAIN {encoded}\r\n"),
        format!("AUTH PLAIN {encoded}!\r\n"),
        format!("AUTH PLAIN  {encoded} x\r\n"),
        format!("AUTH LOGIN\r\n{encoded}!\r\n"),
        format!("AUTH LOGIN\r\n{encoded}\n"),
        // A client that does not notice that AUTH was refused.
        format!(" AUTH PLAIN {encoded}\r\n"),
        format!("AUTH CRAM-MD5\r\n{encoded}\r\n"),
        format!("AUTH CRAM-MD5\r\n{}\r\n", encoded.trim_end_matches('=')),
        format!("AUTH LOGIN\r\n*\r\n{}\r\n", encoded.trim_end_matches('=')),
    ] {
        let mut server = common::Granting::new(server_config());
        let mut written = server.say("EHLO client.example\r\n");
        for line in lines.split_inclusive('\n') {
            written += &server.say(line);
        }
        shown(format!("{:?} {:?} {written}", server.events, server.machine));
    }
}

/// It may be AUTH. What is zeroed where it stood is a copy.
#[test]
fn a_line_that_begins_with_a_blank_leaves_nothing_in_the_input() {
    for (line, hidden) in [(" NOOP x\r\n", true), ("\tNOOP x\r\n", true), ("NOOP \0\r\n", false)] {
        let mut server = common::Granting::new(server_config());
        server.say("EHLO client.example\r\n");
        let mut input = BytesMut::from(line);
        let place = input.as_ptr();
        let found = server.machine.next_event(&mut input);
        let Ok(Next::Event(server::Event::Malformed { bytes, .. })) = found else { panic!("{found:?}") };
        assert_eq!((&bytes[..], bytes.as_ptr() != place), (line.trim_end().as_bytes(), hidden), "{line}");
    }
}

#[test]
fn text_of_a_peer_is_escaped_where_it_is_shown() {
    let mut client = ready_client(client_config());
    client.send(Command::Noop(None)).unwrap();
    drain(&mut client);
    let (events, next) = try_feed(&mut client, b"250 \x1b[2J\x07 \xe2\x80\xae x\r\n").unwrap();
    assert_eq!(next, Next::NeedInput);
    let [client::Event::Reply { reply, .. }] = &events[..] else { panic!() };
    for shown in [format!("{events:?}"), reply.to_string()] {
        assert!(!shown.contains(['\x1b', '\x07', '\u{202e}']), "{shown}");
    }
}
