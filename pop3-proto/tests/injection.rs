//! No string that a caller passes becomes a second line, and no line of the peer becomes two.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Client, Server, drain, quiet_config};
use mailwire_core::{Channel, Connection as _, Error, Misuse, Next, SaslStep, dot::BareNewline};
use mailwire_pop3::{
    ApopTimestamp, Capability, Command, Keyword, LineText, Listing, Mechanism, MessageNumber, ParseContext,
    Password, Reply, ReplyText, ResponseCode, State, UniqueId, UserName, client::Event, server,
};

const LINES: [&str; 8] = ["a\r\nDELE 1", "a\nDELE 1", "a\rDELE 1", "a\0b", "\r\n", "\n", "\r", "\0"];

#[test]
fn values_refuse_cr_lf_and_nul() {
    for text in LINES {
        assert!(UserName::new(text).is_err(), "{text:?}");
        assert!(Password::new(text).is_err(), "{text:?}");
        assert!(LineText::new(text).is_err(), "{text:?}");
        assert!(ReplyText::new(text).is_err(), "{text:?}");
        assert!(Keyword::new(text).is_err(), "{text:?}");
        assert!(UniqueId::new(text).is_err(), "{text:?}");
        assert!(Mechanism::new(text).is_err(), "{text:?}");
        assert!(ResponseCode::new(text).is_err(), "{text:?}");
        assert!(ApopTimestamp::new(format!("<{text}@b>")).is_err(), "{text:?}");
        assert!(!ReplyText::lossy(text).as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    }
}

#[test]
fn values_refuse_what_would_be_two_words_or_a_code() {
    assert!(UserName::new("a b").is_err() && UserName::new("").is_err());
    assert!(UniqueId::new("a b").is_err() && UniqueId::new("x".repeat(71)).is_err());
    assert!(Keyword::new("RETR 1").is_err() && Mechanism::new("PLAIN AAAA").is_err());
    assert!(ReplyText::new("[AUTH] no").is_err() && ResponseCode::new("A] B").is_err());
    assert!(Password::new("").is_err() && MessageNumber::new(0).is_none());
    let mut line = Vec::new();
    Reply::err("[AUTH] forged").write(&mut line);
    assert_eq!(line, b"-ERR (AUTH] forged\r\n");
    for timestamp in ["", "<>", "<a>", "a@b", "<a@b", "<a<@b>", "<a b@c>", "<@b>", "<a@>", "<a@b>x"] {
        assert!(ApopTimestamp::new(timestamp).is_err(), "{timestamp}");
    }
}

#[test]
fn a_line_feed_within_a_command_is_not_a_line_end() {
    for line in ["USER a\nPASS b\r\n", "USER a\n", "NOOP\nDELE 1\r\n", "\n"] {
        let mut server = Server::new(server::Config::new(Channel::Tls));
        drain(&mut server.connection);
        let refused = server.feed(line);
        assert!(matches!(refused, Err(Error::Unexpected { .. })), "{line:?}");
        assert_eq!(drain(&mut server.connection), "-ERR lines end in CR LF\r\n");
        assert_eq!(server.feed("QUIT\r\n"), refused);
    }
}

#[test]
fn a_carriage_return_within_a_command_is_an_error_of_that_line() {
    for line in ["USER a\rPASS b\r\n", "RETR 1\rDELE 1\r\n", "NOOP\r\r\n", "PASS a\0b\r\n", "STAT\0\r\n"] {
        let mut server = Server::new(server::Config::new(Channel::Tls));
        drain(&mut server.connection);
        let events = server.hear(line);
        assert!(
            matches!(&events[..], [server::Event::Malformed { .. } | server::Event::Refused { .. }]),
            "{line:?}: {events:?}"
        );
        let answer = drain(&mut server.connection);
        assert!(answer.starts_with("-ERR ") && answer.matches("\r\n").count() == 1, "{answer:?}");
    }
}

#[test]
fn a_sasl_response_is_one_line() {
    let mut config = server::Config::new(Channel::Tls);
    config.mechanisms = vec![Mechanism::Plain];
    for line in ["AAAA\rQUIT\r\n", "AA=A\r\n", "=AAA\r\n", "QUIT now\r\n"] {
        let mut server = Server::new(config.clone());
        let (ticket, _) = server.command("AUTH PLAIN");
        server.connection.send_auth(SaslStep::Data(Default::default())).unwrap();
        drain(&mut server.connection);
        let events = server.hear(line);
        assert!(
            matches!(&events[..], [server::Event::Malformed { ticket: Some(t), .. }] if *t == ticket),
            "{line:?}: {events:?}"
        );
        assert_eq!(drain(&mut server.connection), "-ERR not base64\r\n");
        assert_eq!(server.connection.reply(ticket, Reply::ok("")).unwrap_err().reason, Misuse::UnknownTicket);
    }
}

#[test]
fn a_client_cancels_a_challenge_that_is_not_base64() {
    let mut client = Client::new(quiet_config(Channel::Tls));
    client.hear("+OK\r\n");
    client.connection.send(Command::Auth { mechanism: Mechanism::Login, initial: None }).unwrap();
    let events = client.hear("+ User name:\r\n");
    assert!(matches!(&events[..], [Event::Malformed { ticket: Some(_), .. }]), "{events:?}");
    assert_eq!(drain(&mut client.connection), "*\r\n");
    let events = client.hear("-ERR cancelled\r\n");
    assert!(matches!(&events[..], [Event::Reply { .. }]));
    assert_eq!(client.connection.state(), State::Authorization);
}

/// A message that is sent cannot end itself.
#[test]
fn a_message_cannot_end_early() {
    let send = |bare, message: &str| {
        let mut config = server::Config::new(Channel::Tls);
        config.bare_newline = bare;
        let mut server = Server::logged_in(config);
        let (ticket, _) = server.command("RETR 1");
        server.connection.reply(ticket, Reply::ok("")).unwrap();
        let mut body = bytes::Bytes::copy_from_slice(message.as_bytes());
        let result = server.connection.send_body(&mut body).and_then(|_| server.connection.finish_body());
        (result, server)
    };
    for message in ["a\n.\nb", "a\n.\r\nb", "a\r.\r\nb", "\r.\rb", "a\r\n.\nb", "a\r\n.\rb", ".\nb", "a\r"] {
        let (result, mut server) = send(BareNewline::Normalize, message);
        result.unwrap();
        let text = drain(&mut server.connection);
        let body = text.strip_prefix("+OK\r\n").unwrap();
        assert_eq!(body.find("\r\n.\r\n"), Some(body.len() - 5), "{message:?}: {body:?}");
        assert!(!body.replace("\r\n", "").contains(['\r', '\n']));

        let (result, mut server) = send(BareNewline::Refuse, message);
        assert!(matches!(result, Err(Misuse::InvalidBody { .. })), "{message:?}");
        // It cannot be completed: the connection ends without the final dot.
        assert_eq!(server.feed("").unwrap().1, Next::Closed);
        assert!(!drain(&mut server.connection).ends_with("\r\n.\r\n"));
        assert_eq!(server.feed("NOOP\r\n").unwrap().1, Next::Closed);
    }
}

#[test]
fn what_the_peer_says_is_escaped_when_shown() {
    let line = bytes::Bytes::from_static(b"-ERR \x1b[31mred\x07 \xe2\x80\xaeabc \xff");
    let reply = Reply::parse(
        &line,
        ParseContext::new(mailwire_core::Dialect::Lenient).expecting(mailwire_pop3::Expected::Status),
    )
    .unwrap();
    let text = reply.value.text().unwrap().to_string();
    for shown in [format!("{reply:?}"), text] {
        assert!(!shown.contains(['\x1b', '\x07', '\u{202e}']), "{shown}");
    }
}

#[test]
fn a_server_does_not_send_what_does_not_belong() {
    let mut server = Server::logged_in(server::Config::new(Channel::Tls));
    let (ticket, _) = server.command("STAT");
    for wrong in [
        Reply::ok("2 320"),
        Reply::scan_listing(MessageNumber::FIRST, 1),
        Reply::Err { code: None, text: ReplyText::new("x".repeat(600)).unwrap() },
        Reply::Err { code: None, text: ReplyText::new("ä").unwrap() },
    ] {
        let refused = server.connection.reply(ticket, wrong.clone()).unwrap_err();
        assert!(matches!(refused.reason, Misuse::WrongAnswer(_)));
        assert_eq!(refused.message, wrong);
    }
    server.connection.reply(ticket, Reply::drop_listing(2, 320)).unwrap();
    assert_eq!(server.connection.reply(ticket, Reply::ok("")).unwrap_err().reason, Misuse::UnknownTicket);

    let (ticket, _) = server.command("LIST 2");
    let wrong = Reply::scan_listing(MessageNumber::FIRST, 1);
    assert!(matches!(server.connection.reply(ticket, wrong).unwrap_err().reason, Misuse::WrongAnswer(_)));
    server.connection.reply(ticket, Reply::err("no such message")).unwrap();

    let (ticket, _) = server.command("UIDL");
    server.connection.reply(ticket, Reply::ok("")).unwrap();
    let wrong = Listing::Capability(Capability::Top);
    assert!(matches!(server.connection.send_line(wrong).unwrap_err().reason, Misuse::WrongAnswer(_)));
    assert!(matches!(server.connection.send_body(&mut "x".into()), Err(Misuse::WrongState(_))));
    assert!(matches!(
        server.connection.reply(ticket, Reply::ok("")).unwrap_err().reason,
        Misuse::WrongState(_)
    ));
    server.connection.finish_body().unwrap();
    assert!(matches!(server.connection.finish_body(), Err(Misuse::WrongState(_))));
}

#[test]
fn codes_only_where_they_are_announced() {
    let mut config = server::Config::new(Channel::Tls);
    config.resp_codes = false;
    let mut server = Server::new(config);
    let events = server.hear("CAPA\r\nUSER a\r\nPASS b\r\n");
    let Some(server::Event::Login { ticket, .. }) = events.last() else { panic!() };
    server.connection.reply(*ticket, Reply::err_with(ResponseCode::AUTH, "no")).unwrap();
    let text = drain(&mut server.connection);
    assert!(text.ends_with("-ERR no\r\n") && !text.contains("RESP"), "{text}");
}
