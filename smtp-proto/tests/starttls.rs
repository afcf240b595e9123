//! STARTTLS in both roles: nothing of the clear part survives, nothing is smuggled across.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::BytesMut;
use common::{Granting, client_config, drain, feed, server_config, try_feed};
use mailwire_smtp::{
    Channel, Command, Connection as _, Error, Mail, Misuse, Next, ReversePath, Upgrade, client, server,
};

fn client() -> client::Connection {
    let mut config = client_config();
    config.channel = Channel::StartTls;
    let mut client = client::Connection::new(config);
    feed(&mut client, b"220 mx.example\r\n");
    drain(&mut client);
    client
}

/// A client that has sent STARTTLS.
fn asking_client() -> client::Connection {
    let mut client = client();
    assert!(
        feed(&mut client, b"250-mx.example\r\n250-PIPELINING\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n")
            .is_empty()
    );
    assert_eq!(drain(&mut client), "STARTTLS\r\n");
    client
}

fn server() -> Granting {
    let mut config = server_config();
    config.channel = Channel::StartTls;
    Granting::new(config)
}

#[test]
fn client_refuses_bytes_after_the_reply() {
    for after in ["2", "250 ok\r\n", "\r\n", "220 again\r\n"] {
        let mut client = asking_client();
        let error = try_feed(&mut client, format!("220 go\r\n{after}").as_bytes()).unwrap_err();
        assert_eq!(error, Error::BytesAfterUpgrade { command: "STARTTLS" });
        assert_eq!(try_feed(&mut client, b""), Err(error), "the connection stays poisoned");
    }
}

#[test]
fn client_refuses_bytes_that_come_before_the_handshake() {
    let mut client = asking_client();
    let mut input = BytesMut::from("220 go\r\n");
    assert!(matches!(client.next_event(&mut input), Ok(Next::Upgrade(Upgrade::Tls))));
    input.extend_from_slice(b"250 injected\r\n");
    assert_eq!(client.next_event(&mut input), Err(Error::BytesAfterUpgrade { command: "STARTTLS" }));
}

#[test]
fn client_refuses_a_reply_before_its_command_was_sent() {
    // After the reply to EHLO, in the same segment.
    let mut connection = client();
    let both = b"250-mx.example\r\n250 STARTTLS\r\n220 go\r\n";
    assert!(matches!(try_feed(&mut connection, both), Err(Error::UnsolicitedReply { .. })));
    // In a segment of its own, while STARTTLS is still in the output.
    let mut connection = client();
    feed(&mut connection, b"250-mx.example\r\n250 STARTTLS\r\n");
    assert!(matches!(try_feed(&mut connection, b"220 go\r\n"), Err(Error::UnsolicitedReply { .. })));
    assert_eq!(drain(&mut connection), "STARTTLS\r\n", "the output still drains");
}

#[test]
fn client_needs_the_offer_and_the_success() {
    for (ehlo, answer) in [
        ("250 mx.example\r\n", ""),
        ("250-mx.example\r\n250 AUTH PLAIN\r\n", ""),
        ("500 what\r\n", ""),
        ("502 what\r\n", ""),
        ("250-mx.example\r\n250 STARTTLS\r\n", "454 not now\r\n"),
        ("250-mx.example\r\n250 STARTTLS\r\n", "250 ok\r\n"),
        ("250-mx.example\r\n250 STARTTLS\r\n", "501 no\r\n"),
    ] {
        let mut client = client();
        let result = try_feed(&mut client, ehlo.as_bytes()).and_then(|_| {
            drain(&mut client);
            try_feed(&mut client, answer.as_bytes())
        });
        assert!(matches!(result, Err(Error::TlsUnavailable { .. })), "{ehlo} {answer} {result:?}");
        assert_eq!(drain(&mut client), "", "no HELO, no credentials");
        let mail = Command::Mail(Mail::new(ReversePath::Null));
        assert_eq!(client.send(mail).unwrap_err().reason, Misuse::Closed);
    }
}

#[test]
fn client_cannot_be_greeted_out_of_it() {
    for greeting in ["* OK IMAP4rev1\r\n", "+OK POP3\r\n", "250 ok\r\n", "354 go on\r\n", "junk\r\n"] {
        let mut config = client_config();
        config.channel = Channel::StartTls;
        let mut client = client::Connection::new(config);
        let error = try_feed(&mut client, greeting.as_bytes()).unwrap_err();
        assert!(matches!(error, Error::InvalidGreeting { .. }), "{greeting} {error:?}");
        assert_eq!(drain(&mut client), "");
    }
}

#[test]
fn client_forgets_what_it_learnt() {
    let mut client = asking_client();
    let mut input = BytesMut::from("220 go\r\n");
    assert!(matches!(client.next_event(&mut input), Ok(Next::Upgrade(_))));
    assert!(!client.is_tls());
    client.upgraded(Upgrade::Tls);
    assert!(client.is_tls());
    assert_eq!(drain(&mut client), "EHLO client.example\r\n");
    assert_eq!(client.capabilities().iter().count(), 0);
    assert!(matches!(
        client.send(Command::Mail(Mail::new(ReversePath::Null))).unwrap_err().reason,
        Misuse::WrongState(_)
    ));
    let events = feed(&mut client, b"250-mx.example\r\n250-STARTTLS\r\n250 SIZE 5\r\n");
    assert!(matches!(&events[..], [client::Event::Capabilities { .. }]));
    assert!(client.capabilities().auth().is_none(), "AUTH was offered in clear only");
    assert_eq!(drain(&mut client), "", "no second STARTTLS");
}

#[test]
fn upgraded_without_an_upgrade_does_nothing() {
    let mut client = client();
    client.upgraded(Upgrade::Tls);
    assert!(!client.is_tls());
    let mut server = server();
    server.machine.upgraded(Upgrade::Tls);
    assert!(!server.machine.is_tls());
}

#[test]
fn server_refuses_bytes_after_the_command() {
    for after in ["N", "NOOP\r\n", "\r\n", "EHLO again.example\r\n"] {
        let mut server = server();
        server.say("EHLO client.example\r\n");
        let reply = server.say(format!("STARTTLS\r\n{after}"));
        assert!(reply.starts_with("554 5.5.1 "), "{reply}");
        assert_eq!(server.error, Some(Error::BytesAfterUpgrade { command: "STARTTLS" }));
        assert_eq!(server.say("NOOP\r\n"), "", "nothing more is read");
    }
}

#[test]
fn server_refuses_bytes_that_come_before_the_handshake() {
    let mut config = server_config();
    config.channel = Channel::StartTls;
    let mut server = server::Connection::new(config);
    let mut input = BytesMut::from("EHLO client.example\r\n");
    let Next::Event(server::Event::Command { ticket, command, .. }) = server.next_event(&mut input).unwrap()
    else {
        panic!()
    };
    server.reply(ticket, server::default_reply(&command)).unwrap();
    input.extend_from_slice(b"STARTTLS\r\n");
    let Next::Event(server::Event::Command { ticket, .. }) = server.next_event(&mut input).unwrap() else {
        panic!()
    };
    server.accept_upgrade(ticket).unwrap();
    assert!(matches!(server.next_event(&mut input), Ok(Next::Paused)), "220 is to be written first");
    input.extend_from_slice(b"NOOP\r\n");
    assert_eq!(server.next_event(&mut input), Err(Error::BytesAfterUpgrade { command: "STARTTLS" }));
}

#[test]
fn the_end_of_input_before_the_handshake_is_an_error() {
    let ended = Error::UnexpectedEof { during: "before TLS was up" };
    let mut input = BytesMut::from("220 go\r\n");
    let mut client = asking_client();
    assert!(matches!(client.next_event(&mut input), Ok(Next::Upgrade(Upgrade::Tls))));
    client.handle_eof();
    assert_eq!(client.next_event(&mut input), Err(ended));

    let mut server = server();
    server.say("EHLO client.example\r\n");
    assert_eq!(server.say("STARTTLS\r\n"), "220 2.0.0 Ready to start TLS\r\n");
    server.machine.handle_eof();
    assert_eq!(server.say(""), "");
    assert_eq!(server.error, Some(ended));
}

#[test]
fn server_forgets_what_it_learnt() {
    let mut server = server();
    server.say("EHLO client.example\r\nMAIL FROM:<a@client.example>\r\nRCPT TO:<b@mx.example>\r\n");
    assert_eq!(server.say("STARTTLS\r\n"), "220 2.0.0 Ready to start TLS\r\n");
    assert_eq!(server.say(""), "");
    assert!(server.machine.is_tls());
    assert!(server.say("DATA\r\n").starts_with("503 "));
    assert!(server.say("MAIL FROM:<a@client.example>\r\n").starts_with("503 "), "EHLO is needed again");
    let offer = server.say("EHLO client.example\r\n");
    assert!(!offer.contains("STARTTLS") && offer.contains("AUTH PLAIN LOGIN"), "{offer}");
    assert!(server.say("STARTTLS\r\n").starts_with("503 "), "only once");
}

#[test]
fn server_wants_tls_before_credentials_and_mail() {
    let mut config = server_config();
    config.channel = Channel::StartTls;
    config.require_tls = true;
    let mut server = Granting::new(config);
    let offer = server.say("EHLO client.example\r\n");
    assert!(!offer.contains("AUTH") && offer.contains("STARTTLS"), "{offer}");
    for command in ["AUTH PLAIN AHVzZXIAcGFzcw==", "MAIL FROM:<>", "VRFY a", "DATA"] {
        assert!(server.say(format!("{command}\r\n")).starts_with("530 5.7.0 "), "{command}");
    }
    assert!(server.say("NOOP\r\n").starts_with("250 "));
    assert!(!format!("{:?}", server.events).contains("AHVz"));
}

#[test]
fn starttls_is_not_there_without_the_channel() {
    for channel in [Channel::Clear, Channel::Tls] {
        let mut config = server_config();
        config.channel = channel;
        let mut server = Granting::new(config);
        assert!(!server.say("EHLO client.example\r\n").contains("STARTTLS"));
        assert!(
            server.say("STARTTLS\r\nNOOP\r\n").starts_with("502 5.5.1 "),
            "and what follows is a command"
        );
    }
}
