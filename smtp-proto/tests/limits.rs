//! Each limit is reached, and answered as documented.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use common::{Granting, client_config, drain, feed, mailbox, ready_client, server_config, try_feed};
use mailwire_smtp::{Command, Connection as _, Error, Mail, Misuse, Next, Rcpt, ReversePath, client, server};

fn server(change: impl FnOnce(&mut server::Config)) -> Granting {
    let mut config = server_config();
    change(&mut config);
    let mut server = Granting::new(config);
    server.say("EHLO client.example\r\n");
    server
}

const TRANSACTION: &str = "MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mx.example>\r\nDATA\r\n";

#[test]
fn command_line() {
    let mut server = server(|config| config.limits.line = 100);
    let long = format!("NOOP {}\r\n", "x".repeat(1000));
    assert_eq!(server.say(&long), "500 5.5.6 Line too long\r\n");
    assert_eq!(server.say("NOOP\r\n"), "250 2.0.0 Ok\r\n", "the next line is a command");
    // Byte by byte, too, and nothing of it is kept.
    let mut replies = String::new();
    for byte in long.bytes() {
        replies += &server.say([byte]);
        assert!(server.input.len() <= 100);
    }
    assert_eq!(replies, "500 5.5.6 Line too long\r\n");
    assert_eq!(
        server.say(format!("NOOP {}\r\n", "x".repeat(93))),
        "250 2.0.0 Ok\r\n",
        "100 bytes are within it"
    );
}

#[test]
fn auth_line() {
    let mut server = server(|config| config.limits.auth_line = 200);
    assert!(server.say(format!("AUTH PLAIN {}\r\n", "A".repeat(400))).starts_with("500 5.5.6 "));
    server.say("AUTH LOGIN\r\n");
    assert!(server.say(format!("{}\r\n", "A".repeat(400))).starts_with("500 5.5.6 "));
    assert_eq!(server.say("NOOP\r\n"), "250 2.0.0 Ok\r\n", "the exchange is over");
    assert!(!format!("{:?}", server.events).contains("AAAA"));
}

#[test]
fn message_size() {
    let mut server = server(|config| config.limits.message = 1000);
    assert!(server.say("MAIL FROM:<> SIZE=1001\r\n").starts_with("552 5.3.4 "));
    server.say(TRANSACTION);
    assert_eq!(server.say(format!("{}\r\n.\r\n", "x".repeat(998))), "250 2.0.0 Queued\r\n");
    server.say(TRANSACTION);
    for _ in 0..1000 {
        assert_eq!(server.say(format!("{}\r\n", "x".repeat(998))), "");
        assert!(server.body.len() <= 1000 && server.input.len() < 5);
    }
    assert_eq!(server.say(".\r\n"), "552 5.3.4 Message too large\r\n");
    assert!(matches!(
        server.events.last(),
        Some(server::Event::BodyRefused { reason: server::BodyRefusal::TooLarge(1000), .. })
    ));
    assert!(server.say("DATA\r\n").starts_with("503 "), "the transaction is over");
    let ehlo = server.say("EHLO client.example\r\n");
    assert!(ehlo.contains("250-SIZE 1000\r\n"));
}

/// However long the lines are, and however many parameters they have that nobody knows.
#[test]
fn bytes_of_a_transaction() {
    let mut server = server(|config| config.limits.transaction = 10_000);
    server.say("MAIL FROM:<a@client.example>\r\n");
    let long = format!("RCPT TO:<{}@mx.example>\r\n", "b".repeat(960));
    for _ in 0..10 {
        assert!(server.say(&long).starts_with("250 "));
    }
    assert!(server.say(&long).starts_with("250 "), "the last one may go beyond it");
    assert_eq!(server.say("RCPT TO:<c@mx.example>\r\n"), "452 4.5.3 Too many recipients\r\n");
    assert!(server.say("DATA\r\n").starts_with("354 "));
    assert!(server.say(".\r\n").starts_with("250 "));
    // The next message begins anew.
    server.say("MAIL FROM:<a@client.example>\r\n");
    assert!(server.say("RCPT TO:<c@mx.example>\r\n").starts_with("250 "));

    let mut server = self::server(|config| {
        config.limits.transaction = 10_000;
        config.pass_unknown_parameters = true;
    });
    server.say("MAIL FROM:<a@client.example>\r\n");
    let many = format!("RCPT TO:<b@mx.example>{}\r\n", " A".repeat(200));
    assert!(server.say(&many).starts_with("250 "));
    assert_eq!(server.say(&many), "452 4.5.3 Too many recipients\r\n");
}

#[test]
fn recipients() {
    let mut server = server(|config| config.limits.recipients = 2);
    server.say("MAIL FROM:<>\r\nRCPT TO:<a@mx.example>\r\nRCPT TO:<b@mx.example>\r\n");
    assert!(server.say("RCPT TO:<c@mx.example>\r\n").starts_with("452 4.5.3 "));
    assert!(server.say("DATA\r\n").starts_with("354 "));
}

#[test]
fn bad_commands() {
    let mut server = server(|config| config.limits.bad_commands = 5);
    let said = server.say("WHAT\r\n".repeat(10));
    assert_eq!(said.matches("500 5.5.1").count(), 4);
    assert!(said.ends_with("421 4.7.0 Too many bad commands\r\n"));
    assert_eq!(server.error, Some(Error::TooManyBadCommands { limit: 5 }));
}

#[test]
fn idle_commands() {
    for command in ["NOOP", "RSET", "HELP", "VRFY a", "EXPN a", "EHLO a.example"] {
        let mut server = server(|config| config.limits.idle_commands = 10);
        let said = server.say(format!("{command}\r\n").repeat(20));
        assert!(said.ends_with("421 4.7.0 Too many commands without a message\r\n"), "{command} {said}");
        assert!(matches!(server.error, Some(Error::LimitExceeded { .. })));
    }
    // EHLO was the first.
    let mut server = server(|config| config.limits.idle_commands = 10);
    assert_eq!(server.say("NOOP\r\n".repeat(9)), "250 2.0.0 Ok\r\n".repeat(9));
    assert_eq!(server.say("NOOP\r\n"), "421 4.7.0 Too many commands without a message\r\n");
    let mut server = self::server(|config| config.limits.idle_commands = 10);
    for _ in 0..20 {
        server.say("NOOP\r\nNOOP\r\n");
        server.say(TRANSACTION);
        assert_eq!(server.say(".\r\n"), "250 2.0.0 Queued\r\n");
    }
}

#[test]
fn a_refused_mail_does_not_make_its_group_bad() {
    let mut server = server(|config| {
        config.limits.bad_commands = 5;
        config.limits.message = 10;
    });
    let said = server
        .say("MAIL FROM:<> SIZE=100\r\n".to_owned() + &"RCPT TO:<a@mx.example>\r\n".repeat(200) + "DATA\r\n");
    assert_eq!(said.matches("503 5.5.1").count(), 201);
    assert_eq!(server.error, None);
}

#[test]
fn auth_failures() {
    let mut server = server(|config| config.limits.auth_failures = 3);
    let mut said = String::new();
    for _ in 0..3 {
        said += &server.say("AUTH LOGIN\r\n");
        said += &server.say("*\r\n");
    }
    assert!(said.ends_with("421 4.7.0 Too many failed authentications\r\n"), "{said}");
    assert!(server.error.is_some());
}

#[test]
fn server_output() {
    let mut config = server_config();
    config.limits.output = 200;
    config.limits.idle_commands = usize::MAX;
    let mut server = server::Connection::new(config);
    let mut input = BytesMut::from(&b"NOOP\r\n".repeat(100_000)[..]);
    let mut paused = 0;
    loop {
        match server.next_event(&mut input).unwrap() {
            Next::Event(server::Event::Command { ticket, command, .. }) => {
                server.reply(ticket, server::default_reply(&command)).unwrap();
                assert!(server.output().len() < 300);
            }
            Next::Paused => {
                paused += 1;
                drain(&mut server);
            }
            Next::NeedInput => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(paused > 1000);
}

#[test]
fn reply_line_and_lines() {
    let mut config = client_config();
    config.limits.line = 100;
    config.limits.reply_lines = 10;
    let mut client = ready_client(config.clone());
    assert_eq!(try_feed(&mut client, &[b'2'; 101]), Err(Error::LineTooLong { limit: 100 }));
    let mut client = ready_client(config.clone());
    let mut input = BytesMut::from(&b"250-a\r\n".repeat(1000)[..]);
    assert!(matches!(client.next_event(&mut input), Err(Error::LimitExceeded { limit: 10, .. })));
    // Each line may be as long as the limit.
    let mut client = ready_client(config);
    client.send(Command::Noop(None)).unwrap();
    drain(&mut client);
    let line = "x".repeat(90);
    let events = feed(&mut client, format!("250-{line}\r\n250-{line}\r\n250 {line}\r\n").as_bytes());
    assert_eq!(events.len(), 1);
}

#[test]
fn pipeline() {
    let mut config = client_config();
    config.limits.queue = 10;
    let mut client = ready_client(config);
    for _ in 0..10 {
        client.send(Command::Noop(None)).unwrap();
    }
    let refused = client.send(Command::Noop(None)).unwrap_err();
    assert_eq!((refused.reason, refused.message), (Misuse::Full { limit: 10 }, Command::Noop(None)));
    assert_eq!(drain(&mut client), "NOOP\r\n", "NOOP ends its group");
    for _ in 0..10 {
        feed(&mut client, b"250 ok\r\n");
        feed(&mut client, b"");
        drain(&mut client);
    }
    client.send(Command::Noop(None)).unwrap();
}

#[test]
fn client_output() {
    let mut config = client_config();
    config.limits.output = 1000;
    let mut client = ready_client(config);
    client.send(Command::Mail(Mail::new(ReversePath::Null))).unwrap();
    for _ in 0..100 {
        client.send(Command::Rcpt(Rcpt::new(mailbox("somebody@mx.example")))).unwrap();
    }
    assert!(client.output().len() < 1100);
    client.send(Command::Data).unwrap();
    let mut said = drain(&mut client);
    while !said.ends_with("DATA\r\n") {
        feed(&mut client, b"");
        said += &drain(&mut client);
    }
    feed(&mut client, [&b"250 ok\r\n".repeat(101)[..], b"354 go\r\n"].concat());
    let body = Bytes::from(vec![b'.'; 10_000]);
    let (mut left, mut written) = (body.clone(), 0);
    while !left.is_empty() {
        let taken = client.send_body(&mut left).unwrap();
        assert!(taken <= 1000);
        assert!(client.output().len() <= 1001);
        assert_eq!(client.send_body(&mut Bytes::from_static(b"x")), Ok(0), "full");
        written += drain(&mut client).len();
    }
    assert_eq!(written, body.len() + 1);
    assert_eq!(left.len(), 0);
}

#[test]
fn noise() {
    let mut client = ready_client(client_config());
    client.send(Command::Noop(None)).unwrap();
    drain(&mut client);
    let events = feed(&mut client, b"warning: disk is full\r\n250 ok\r\n");
    assert!(matches!(&events[..], [client::Event::Malformed { .. }, client::Event::Reply { .. }]));
    assert!(try_feed(&mut client, &b"noise\r\n".repeat(100)).is_err());
}

#[test]
fn timeouts_are_of_the_phase() {
    let minutes = |count: u64| Some(Duration::from_secs(count * 60));
    let mut client = client::Connection::new(client_config());
    assert_eq!(client.timeout(), minutes(5));
    let mut client_ready = ready_client(client_config());
    assert_eq!(client_ready.timeout(), None, "the server owes nothing");
    client_ready.send(Command::Mail(Mail::new(ReversePath::Null))).unwrap();
    client_ready.send(Command::Rcpt(Rcpt::new(mailbox("a@mx.example")))).unwrap();
    client_ready.send(Command::Data).unwrap();
    drain(&mut client_ready);
    assert_eq!(client_ready.timeout(), minutes(5));
    feed(&mut client_ready, b"250 ok\r\n250 ok\r\n");
    assert_eq!(client_ready.timeout(), minutes(2));
    feed(&mut client_ready, b"354 go\r\n");
    assert_eq!(client_ready.timeout(), None, "the caller's turn");
    client_ready.send_body(&mut Bytes::from_static(b"x")).unwrap();
    assert_eq!(client_ready.timeout(), minutes(3));
    client_ready.finish_body().unwrap();
    drain(&mut client_ready);
    assert_eq!(client_ready.timeout(), minutes(10));
    client_ready.handle_timeout();
    assert!(matches!(try_feed(&mut client_ready, b"250 late\r\n"), Err(Error::TimedOut { .. })));
    assert_eq!(client_ready.outcome(), client::Outcome::Unknown);
    client.handle_timeout();
    assert!(matches!(try_feed(&mut client, b""), Err(Error::TimedOut { waiting_for: "the greeting" })));

    let mut server = server::Connection::new(server_config());
    drain(&mut server);
    assert_eq!(server.timeout(), minutes(5));
    server.handle_timeout();
    assert!(matches!(try_feed(&mut server, b""), Err(Error::TimedOut { .. })));
    assert!(drain(&mut server).starts_with("421 4.4.2 "));
}

/// What is out of order again and again is counted, though the state stays as it is.
#[test]
fn data_without_recipients_again_and_again() {
    for lmtp in [false, true] {
        let mut server = Granting::new(server_config().with_lmtp(lmtp));
        let hello = if lmtp { "LHLO" } else { "EHLO" };
        server.say(format!("{hello} client.example\r\nMAIL FROM:<>\r\n"));
        let mut said = 0;
        while server.error.is_none() && said < 100 {
            server.say("DATA\r\n");
            said += 1;
        }
        assert_eq!(said, 20);
    }
}

/// A reply that is short by its lines can be long by its bytes.
#[test]
fn bytes_of_a_reply() {
    let mut client =
        ready_client(client_config().with_limits(mailwire_smtp::Limits::client().with_reply(3000)));
    let line = format!("250-{}\r\n", "a".repeat(994));
    for (lines, fits) in [(2, true), (4, false)] {
        client.send(Command::Noop(None)).unwrap();
        drain(&mut client);
        let reply = format!("{}250 ok\r\n", line.repeat(lines));
        match try_feed(&mut client, reply.as_bytes()) {
            Ok(_) => assert!(fits),
            Err(error) => {
                assert_eq!(error, Error::LimitExceeded { what: "bytes of a reply", limit: 3000 });
                assert!(!fits);
            }
        }
    }
}
