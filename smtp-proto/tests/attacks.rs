//! The classes of incident that a machine has to survive, each by name. Attacks on STARTTLS have a
//! file of their own, and so have injection and limits; this one names them all, with what is left.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod common;

use bytes::{Bytes, BytesMut};
use common::{Granting, client_config, drain, feed, mailbox, ready_client, server_config, try_feed};
use mailwire_smtp::{
    Auth, Channel, Command, Connection as _, Dialect, Error, Mail, Mechanism, Misuse, Next, Rcpt, Reply,
    ReplyCode, ReversePath, Secret, client, server,
};

fn server() -> Granting {
    let mut server = Granting::new(server_config());
    server.say("EHLO client.example\r\n");
    server
}

const TRANSACTION: &str = "MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mx.example>\r\nDATA\r\n";

/// What is taken for the end of a message by one server or another (CVE-2023-51764, -51765, -51766).
const FALSE_ENDS: [&str; 7] = ["\n.\n", "\n.\r\n", "\r.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\r\n.\r\r\n"];

#[test]
fn smuggling_does_not_end_a_message_and_the_message_is_refused() {
    for dialect in [Dialect::Strict, Dialect::Lenient] {
        for end in FALSE_ENDS {
            // In the middle, and at the very start of the body without its first line end.
            let at_start = end.trim_start_matches(['\r', '\n']);
            // A lone dot and CR LF there is the end of an empty message, and no attack.
            let bodies = [format!("Hello{end}"), at_start.to_owned()];
            for body in bodies.into_iter().filter(|body| body != ".\r\n") {
                let smuggled = format!(
                    "{body}MAIL FROM:<evil@client.example>\r\nRCPT TO:<victim@mx.example>\r\nDATA\r\n"
                );
                for cut in 0..=smuggled.len() {
                    let mut config = server_config();
                    config.dialect = dialect;
                    let mut server = Granting::new(config);
                    server.say("EHLO client.example\r\n");
                    server.say(TRANSACTION);
                    let mut said = server.say(&smuggled.as_bytes()[..cut]);
                    said += &server.say(&smuggled.as_bytes()[cut..]);
                    assert_eq!(said, "", "{body:?} did not end it");
                    let said = server.say("\r\n.\r\n");
                    assert!(said.starts_with("554 5.6.0 "), "{body:?} {said}");
                    let messages =
                        server.events.iter().filter(|it| matches!(it, server::Event::BodyEnd { .. }));
                    assert_eq!(messages.count(), 0, "{body:?}");
                    assert!(server.say("NOOP\r\n").starts_with("250 "), "in step again");
                }
            }
        }
    }
}

#[test]
fn smuggling_by_a_client_is_refused_or_normalized() {
    // Everything that a client could send as a false end: see also injection.rs.
    for end in FALSE_ENDS {
        let mut client = ready_client(client_config());
        client.send(Command::Mail(Mail::new(ReversePath::Null))).unwrap();
        client.send(Command::Rcpt(Rcpt::new(mailbox("b@mx.example")))).unwrap();
        client.send(Command::Data).unwrap();
        drain(&mut client);
        feed(&mut client, b"250 ok\r\n250 ok\r\n354 go\r\n");
        let mut result = Ok(());
        for byte in format!("Hello{end}").bytes() {
            result = result.and_then(|()| client.send_body(&mut Bytes::from(vec![byte])).map(|_| ()));
        }
        result = result.and_then(|()| client.finish_body());
        assert!(matches!(result, Err(Misuse::InvalidBody { .. })), "{end:?}");
    }
}

#[test]
fn a_nul_in_a_message_is_refused_unless_allowed() {
    for allow_nul in [false, true] {
        let message = "Subject: x\r\n\r\na\0b\r\n.\r\n";
        for cut in 0..=message.len() {
            let mut config = server_config();
            config.allow_nul = allow_nul;
            let mut server = Granting::new(config);
            server.say("EHLO client.example\r\n");
            server.say(TRANSACTION);
            let mut said = server.say(&message.as_bytes()[..cut]);
            said += &server.say(&message.as_bytes()[cut..]);
            let refused = server.events.iter().find_map(|it| match it {
                server::Event::BodyRefused { reason, .. } => Some(*reason),
                _ => None,
            });
            let ended = server.events.iter().any(|it| matches!(it, server::Event::BodyEnd { .. }));
            assert_eq!(ended, allow_nul);
            if !allow_nul {
                assert_eq!(refused, Some(server::BodyRefusal::Nul(15)), "cut at {cut}");
                assert!(said.starts_with("554 5.6.0 A NUL"), "{said}");
                assert!(server.say("NOOP\r\n").starts_with("250 "), "in step again");
            }
        }

        let mut config = client_config();
        config.allow_nul = allow_nul;
        let mut client = ready_client(config);
        client.send(Command::Mail(Mail::new(ReversePath::Null))).unwrap();
        client.send(Command::Rcpt(Rcpt::new(mailbox("b@mx.example")))).unwrap();
        client.send(Command::Data).unwrap();
        drain(&mut client);
        feed(&mut client, b"250 ok\r\n250 ok\r\n354 go\r\n");
        client.send_body(&mut Bytes::from_static(b"Subject: x\r\n\r\na")).unwrap();
        let result = client.send_body(&mut Bytes::from_static(b"\0b\r\n"));
        if allow_nul {
            assert_eq!(result, Ok(4));
        } else {
            assert_eq!(result, Err(Misuse::InvalidBody { reason: "a NUL", offset: 15 }));
            assert!(client.finish_body().is_err(), "its end must not be sent");
        }
    }
}

#[test]
fn bare_line_feeds_end_no_command() {
    for dialect in [Dialect::Strict, Dialect::Lenient] {
        let mut config = server_config();
        config.dialect = dialect;
        let mut server = Granting::new(config);
        server.say("EHLO client.example\r\n");
        assert!(server.say("NOOP\n").starts_with("501 5.5.4 "));
        assert!(server.say("MAIL FROM:<a@b.example>\nRCPT TO:<c@mx.example>\r\n").starts_with("501 "));
        assert!(server.say("NOOP\r\r\n").starts_with("501 "));
        assert!(server.say("NOOP\r\n").starts_with("250 "));
    }
}

#[test]
fn a_rejected_transaction_leaves_no_recipient_behind() {
    // A message that the application refuses, one that the machine refuses, DATA that is refused,
    // RSET, EHLO: no recipient is left, and DATA gets 503.
    let with_recipient = || {
        let mut server = server();
        server.say("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mx.example>\r\n");
        server
    };
    for ends in [
        &["DATA\r\n", "x\r\n.\r\n"][..],
        &["DATA\r\n", "x\n.\r\n\r\n.\r\n"],
        &["RSET\r\n"],
        &["EHLO a.example\r\n"],
    ] {
        let mut server = with_recipient();
        for end in ends {
            server.say(end);
        }
        assert!(server.say("DATA\r\n").starts_with("503 "), "{ends:?}");
        server.say("MAIL FROM:<other@client.example>\r\n");
        assert!(server.say("DATA\r\n").starts_with("503 "), "{ends:?}");
    }
    // DATA refused by the application.
    let mut server = server::Connection::new(server_config());
    let mut input =
        BytesMut::from("EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@mx.example>\r\nDATA\r\nDATA\r\n");
    let mut refused = false;
    while let Next::Event(event) = server.next_event(&mut input).unwrap() {
        match event {
            server::Event::Command { ticket, command: Command::Data, .. } => {
                let reply = Reply::new(ReplyCode::LOCAL_ERROR, "not now");
                server.reject_body(ticket, reply).unwrap();
            }
            server::Event::Command { ticket, command, .. } => {
                server.reply(ticket, server::default_reply(&command)).unwrap();
            }
            server::Event::Refused { command, .. } => refused = command == Command::Data,
            _ => {}
        }
    }
    assert!(refused, "the second DATA has no transaction");
}

#[test]
fn an_unasked_reply_is_no_reply_to_the_next_command() {
    // 421 and 221 on an idle connection.
    for farewell in ["421 4.4.2 timeout\r\n", "221 bye\r\n"] {
        let mut client = ready_client(client_config());
        let (events, next) = try_feed(&mut client, farewell.as_bytes()).unwrap();
        assert!(matches!(&events[..], [client::Event::Unsolicited { .. }]), "{events:?}");
        assert_eq!(next, Next::Closed);
        assert_eq!(client.send(Command::Noop(None)).unwrap_err().reason, Misuse::Closed);
    }
    // It is there, and the command is not yet written.
    for farewell in ["421 4.4.2 timeout\r\n", "250 success\r\n", "221 bye\r\n"] {
        let mut client = ready_client(client_config());
        client.send(Command::Mail(Mail::new(ReversePath::Null))).unwrap();
        match try_feed(&mut client, farewell.as_bytes()) {
            Ok((events, Next::Closed)) => assert!(matches!(&events[..], [client::Event::Unsolicited { .. }])),
            Err(Error::UnsolicitedReply { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    // 221 in place of an answer is no success.
    let mut client = ready_client(client_config());
    client.send(Command::Rset).unwrap();
    drain(&mut client);
    assert!(matches!(&feed(&mut client, b"221 bye\r\n")[..], [client::Event::Unsolicited { .. }]));
    // 421 as an answer: told with its ticket, and then it is over.
    let mut client = ready_client(client_config());
    let first = client.send(Command::Rset).unwrap();
    client.send(Command::Rset).unwrap();
    drain(&mut client);
    let (events, next) = try_feed(&mut client, b"421 bye\r\n250 ok\r\n").unwrap();
    assert!(matches!(&events[..], [client::Event::Reply { ticket, .. }] if *ticket == first));
    assert_eq!(next, Next::Closed);
    // Any other reply that nothing asked for.
    let mut client = ready_client(client_config());
    assert!(matches!(try_feed(&mut client, b"250 ok\r\n"), Err(Error::UnsolicitedReply { .. })));
}

#[test]
fn credentials_in_clear() {
    let auth = || Command::Auth(Auth::new(Mechanism::Plain).with_initial(Secret::from("\0a\0b")));
    let mut config = client_config();
    config.channel = Channel::Clear;
    let mut client = ready_client(config.clone());
    assert_eq!(client.send(auth()).unwrap_err().reason, Misuse::CredentialsInClear);
    config.allow_clear_credentials = true;
    ready_client(config).send(auth()).unwrap();

    for channel in [Channel::Clear, Channel::StartTls] {
        let mut config = server_config();
        config.channel = channel;
        let mut server = Granting::new(config.clone());
        assert!(!server.say("EHLO client.example\r\n").contains("AUTH"));
        let said = server.say("AUTH PLAIN AGEAYg==\r\n");
        assert!(said.starts_with("530 ") || said.starts_with("504 "), "{said}");
        assert!(!server.events.iter().any(|it| matches!(
            it,
            server::Event::Command { command: Command::Auth(_), .. } | server::Event::AuthResponse { .. }
        )));
        config.allow_clear_credentials = true;
        let mut server = Granting::new(config);
        assert!(server.say("EHLO client.example\r\n").contains("AUTH PLAIN"));
        assert!(server.say("AUTH PLAIN AGEAYg==\r\n").starts_with("235 "));
    }
}

/// So much that a cost which grows faster than the input would be felt. How many instructions it
/// takes is measured, not timed, by the package of benchmarks.
#[test]
fn one_byte_at_a_time() {
    // A command without an end, and a reply without one.
    {
        let mut config = server_config();
        config.limits.line = usize::MAX;
        let mut server = server::Connection::new(config);
        let mut input = BytesMut::new();
        for _ in 0..40_000 {
            input.extend_from_slice(b"x");
            assert_eq!(server.next_event(&mut input), Ok(Next::NeedInput));
        }
    }
    {
        let mut config = client_config();
        config.limits.reply_lines = usize::MAX;
        let mut client = ready_client(config);
        client.send(Command::Noop(None)).unwrap();
        drain(&mut client);
        let mut input = BytesMut::new();
        for byte in b"250-x\r\n".repeat(6_000) {
            input.extend_from_slice(&[byte]);
            assert_eq!(client.next_event(&mut input), Ok(Next::NeedInput));
        }
    }
}

#[test]
fn a_hundred_thousand_pipelined_commands() {
    // By default they are ended early.
    let mut server = server();
    let said = server.say(b"NOOP\r\n".repeat(100_000));
    assert!(said.ends_with("421 4.7.0 Too many commands without a message\r\n") && said.len() < 10_000);
    // Where they are allowed, each costs the same.
    {
        let mut config = server_config();
        config.limits.idle_commands = usize::MAX;
        let mut server = Granting::new(config);
        server.say(b"NOOP\r\n".repeat(100_000));
    }
    // Recipients too, whose tickets are kept.
    {
        let mut config = server_config();
        config.limits.recipients = usize::MAX;
        let mut server = Granting::new(config);
        server.say("EHLO client.example\r\nMAIL FROM:<>\r\n");
        server.say(b"RCPT TO:<a@mx.example>\r\n".repeat(20_000));
    }
}

#[test]
fn a_line_without_an_end_is_not_kept() {
    let mut server = server();
    for _ in 0..10_000 {
        server.say([b'x'; 1000]);
        assert!(server.input.len() <= 16 * 1024);
    }
    assert_eq!(server.say("\r\n"), "500 5.5.6 Line too long\r\n");
    let mut client = ready_client(client_config());
    assert!(matches!(try_feed(&mut client, &[b'2'; 100_000]), Err(Error::LineTooLong { .. })));
    let mut client = ready_client(client_config());
    assert!(matches!(try_feed(&mut client, &b"250-\r\n".repeat(5000)), Err(Error::LimitExceeded { .. })));
}

#[test]
fn a_peer_that_vanishes_at_any_byte() {
    // A client whose server vanishes: the caller knows what became of the message.
    let replies: [(&str, client::Outcome); 7] = [
        ("220 mx.example\r\n", client::Outcome::NotSent),
        ("250-mx.example\r\n250 PIPELINING\r\n", client::Outcome::NotSent),
        ("250 ok\r\n", client::Outcome::NotSent),
        ("250 ok\r\n", client::Outcome::NotSent),
        ("354 go\r\n", client::Outcome::NotSent),
        ("250 queued\r\n", client::Outcome::Unknown),
        ("221 bye\r\n", client::Outcome::Accepted),
    ];
    let all: String = replies.iter().map(|it| it.0).collect();
    for at in 0..all.len() {
        let mut client = client::Connection::new(client_config());
        let mut input = BytesMut::new();
        let mut left = at;
        let mut expected = client::Outcome::NotSent;
        for (reply, outcome) in replies {
            expected = outcome;
            let count = left.min(reply.len());
            input.extend_from_slice(&reply.as_bytes()[..count]);
            left -= count;
            while let Next::Event(event) = client.next_event(&mut input).unwrap() {
                match event {
                    client::Event::Capabilities { .. } => {
                        client.send(Command::Mail(Mail::new(ReversePath::Null))).unwrap();
                        client.send(Command::Rcpt(Rcpt::new(mailbox("a@mx.example")))).unwrap();
                        client.send(Command::Data).unwrap();
                    }
                    client::Event::BodyRequested { .. } => {
                        client.send_body(&mut Bytes::from_static(b"Hello\r\n")).unwrap();
                        client.finish_body().unwrap();
                        client.send(Command::Quit).unwrap();
                    }
                    _ => {}
                }
            }
            drain(&mut client);
            if left == 0 && count < reply.len() {
                break;
            }
        }
        assert_eq!(client.outcome(), expected, "at {at}");
        client.handle_eof();
        match client.next_event(&mut input) {
            Err(Error::UnexpectedEof { .. }) => {}
            // The server may end the stream rather than answer QUIT.
            Ok(Next::Closed) => assert_eq!(expected, client::Outcome::Accepted),
            other => panic!("{other:?} at {at}"),
        }
    }
    // A server whose client vanishes.
    let said = format!("EHLO client.example\r\n{TRANSACTION}Hello\r\n.\r\nQUIT\r\n");
    for at in 0..said.len() {
        let mut server = Granting::new(server_config());
        server.say(&said.as_bytes()[..at]);
        server.machine.handle_eof();
        let mut input = std::mem::take(&mut server.input);
        match server.machine.next_event(&mut input) {
            Ok(Next::Closed) => assert!(said[..at].ends_with("\r\n") || at == 0, "{at}"),
            Err(Error::UnexpectedEof { .. }) => {}
            other => panic!("{other:?}"),
        }
        let accepted = server.events.iter().any(|it| matches!(it, server::Event::BodyEnd { .. }));
        assert_eq!(accepted, at >= said.len() - "QUIT\r\n".len());
    }
}

#[test]
fn a_message_is_in_doubt_only_when_its_end_was_written() {
    let mut client = ready_client(client_config());
    client.send(Command::Mail(Mail::new(ReversePath::Null))).unwrap();
    client.send(Command::Rcpt(Rcpt::new(mailbox("a@mx.example")))).unwrap();
    client.send(Command::Data).unwrap();
    drain(&mut client);
    feed(&mut client, b"250 ok\r\n250 ok\r\n354 go\r\n");
    client.send_body(&mut Bytes::from_static(b"Hello\r\n")).unwrap();
    client.finish_body().unwrap();
    assert_eq!(client.outcome(), client::Outcome::NotSent, "its end is still here");
    drain(&mut client);
    assert_eq!(client.outcome(), client::Outcome::Unknown);
    client.send(Command::Mail(Mail::new(ReversePath::Null))).unwrap();
    assert_eq!(client.outcome(), client::Outcome::Unknown, "of the first message");
    drain(&mut client);
    feed(&mut client, b"250 ok\r\n");
    assert_eq!(client.outcome(), client::Outcome::NotSent, "of the second");
}

#[test]
fn a_refusal_in_the_middle_of_a_message() {
    let mut client = ready_client(client_config());
    client.send(Command::Mail(Mail::new(ReversePath::Null))).unwrap();
    client.send(Command::Rcpt(Rcpt::new(mailbox("a@mx.example")))).unwrap();
    let data = client.send(Command::Data).unwrap();
    drain(&mut client);
    feed(&mut client, b"250 ok\r\n250 ok\r\n354 go\r\n");
    client.send_body(&mut Bytes::from_static(b"Hello\r\n")).unwrap();
    let (events, next) = try_feed(&mut client, b"552 too large\r\n").unwrap();
    assert!(matches!(&events[..], [client::Event::Reply { ticket, .. }] if *ticket == data));
    assert_eq!((next, client.outcome()), (Next::Closed, client::Outcome::Refused));
    assert_eq!(client.finish_body(), Err(Misuse::Closed), "the end might be read as a command");
}

#[test]
fn a_success_that_cannot_be() {
    // 250 to DATA, 354 to RCPT, 334 to MAIL: nobody knows what the server thinks.
    for replies in ["250 ok\r\n250 ok\r\n250 ok\r\n", "250 ok\r\n354 go\r\n", "334 x\r\n"] {
        let mut client = ready_client(client_config());
        client.send(Command::Mail(Mail::new(ReversePath::Null))).unwrap();
        client.send(Command::Rcpt(Rcpt::new(mailbox("a@mx.example")))).unwrap();
        client.send(Command::Data).unwrap();
        drain(&mut client);
        assert!(
            matches!(try_feed(&mut client, replies.as_bytes()), Err(Error::Unexpected { .. })),
            "{replies}"
        );
    }
}

#[test]
fn other_protocols_are_ended_soon() {
    // A web browser that was made to talk to a mail server.
    let mut server = Granting::new(server_config());
    let request = "POST / HTTP/1.1\r\nHost: mx.example\r\n".to_owned() + &"X-Header: y\r\n".repeat(20);
    let said = server.say(request + "\r\nEHLO a.example\r\nMAIL FROM:<>\r\n");
    assert!(said.ends_with("421 4.7.0 Too many bad commands\r\n"), "{said}");
    assert!(server.events.iter().all(|it| !matches!(it, server::Event::Command { .. })));
}

#[test]
fn misuse_harms_nothing() {
    let mut client = ready_client(client_config());
    assert!(client.send_body(&mut Bytes::from_static(b"x")).is_err());
    assert!(client.finish_body().is_err());
    assert!(client.send_auth(mailwire_smtp::SaslStep::Cancel).is_err());
    assert!(client.send(Command::StartTls).is_err());
    client.handle_eof();
    assert_eq!(try_feed(&mut client, b"").unwrap().1, Next::Closed);

    let mut server = server::Connection::new(server_config());
    let mut input = BytesMut::from("EHLO a.example\r\n");
    let Next::Event(server::Event::Command { ticket, command, .. }) = server.next_event(&mut input).unwrap()
    else {
        panic!()
    };
    assert_eq!(server.accept_body(ticket), Err(Misuse::UnknownTicket));
    assert_eq!(server.accept_upgrade(ticket), Err(Misuse::UnknownTicket));
    assert!(server.goodbye(Reply::new(ReplyCode::OK, "")).is_err());
    assert!(server.reply(ticket, Reply::new(ReplyCode::START_INPUT, "")).is_err());
    assert!(server.send_auth(mailwire_smtp::SaslStep::Cancel).is_err());
    server.reply(ticket, server::default_reply(&command)).unwrap();
    let twice = server.reply(ticket, server::default_reply(&command)).unwrap_err();
    assert_eq!(twice.reason, Misuse::UnknownTicket);
    server.goodbye(Reply::new(ReplyCode::UNAVAILABLE, "shutting down")).unwrap();
    assert_eq!(try_feed(&mut server, b"").unwrap().1, Next::Closed);
    assert!(drain(&mut server).ends_with("421 4.0.0 shutting down\r\n"));
}

/// A client cancels where it does not trust the server: neither another challenge nor a success is believed.
#[test]
fn nothing_but_a_refusal_follows_a_cancelled_exchange() {
    for (answer, refused) in
        [("334 eA==\r\n", false), ("235 welcome\r\n", false), ("501 cancelled\r\n", true)]
    {
        let mut client = ready_client(client_config());
        client.send(Command::Auth(Auth::new(Mechanism::Login))).unwrap();
        drain(&mut client);
        feed(&mut client, b"334 VXNlcm5hbWU6\r\n");
        client.send_auth(mailwire_smtp::SaslStep::Cancel).unwrap();
        assert_eq!(drain(&mut client), "*\r\n");
        let found = try_feed(&mut client, answer.as_bytes());
        assert_eq!(found.is_ok(), refused, "{answer}");
        assert!(!client.is_authenticated());
        if !refused {
            assert!(matches!(found, Err(Error::Unexpected { .. })));
        }
    }
}

#[test]
fn a_success_before_the_client_has_said_anything_is_none() {
    let plain = |length: usize| Auth::new(Mechanism::Plain).with_initial(Secret::from(vec![b'x'; length]));
    for (auth, believed) in [
        // Too long for the command's line: held back.
        (plain(1000), false),
        (Auth::new(Mechanism::Plain), false),
        // The name went, and the password did not.
        (Auth::new(Mechanism::Login).with_initial(Secret::from("joe")), false),
        (plain(10), true),
    ] {
        let mut client = ready_client(client_config());
        client.send(Command::Auth(auth)).unwrap();
        drain(&mut client);
        let found = try_feed(&mut client, b"235 welcome\r\n");
        assert_eq!((found.is_ok(), client.is_authenticated()), (believed, believed));
        if !believed {
            assert!(matches!(found, Err(Error::Unexpected { .. })), "{found:?}");
        }
    }
}
