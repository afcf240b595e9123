//! Each limit is reached, and has its answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::{Bytes, BytesMut};
use common::*;
use mailwire_core::{Channel, Connection, Error, Misuse, Next};
use mailwire_imap::{
    Capability, Limits, client,
    command::{Command, Literals},
    response::{ReplyKind, Untagged},
    server,
};

fn client_with(limits: Limits) -> client::Connection {
    let mut config = client_config(Channel::Tls);
    config.limits = limits;
    let mut client = client::Connection::new(config);
    feed(&mut client, b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n");
    client.send(command("SELECT x")).unwrap();
    drain(&mut client);
    feed(&mut client, b"b.1 OK done\r\n");
    client
}

fn server_with(limits: Limits) -> server::Connection {
    let mut config = server_config(Channel::Tls);
    config.limits = limits;
    serving_with(config)
}

fn last<C: Connection<Error = Error>>(connection: &mut C, text: &[u8]) -> Error {
    let (_, last) = events(connection, &mut BytesMut::from(text));
    match last {
        Err(error) => error,
        Ok(_) => panic!("no error"),
    }
}

#[test]
fn a_line() {
    let limits = limits!(Limits::client(); line: 100);
    let line = [b"* OK ".as_slice(), &[b'x'; 100]].concat();
    assert_eq!(last(&mut client_with(limits), &line), Error::LineTooLong { limit: 100 });
    let mut server = server_with(limits);
    assert_eq!(last(&mut server, &line), Error::LineTooLong { limit: 100 });
    assert_eq!(drain_text(&mut server), "* BYE the line is too long\r\n");
}

#[test]
fn a_message() {
    let limits = limits!(Limits::client(); frame: 100, inline_literal: 90);
    let text = b"* LIST () \"/\" {90}\r\n";
    let error = Error::LimitExceeded { what: "bytes in a message", limit: 100 };
    assert_eq!(last(&mut client_with(limits), text), error);
    // A server says so before the client sends it.
    let mut server = server_with(limits);
    feed(&mut server, b"a CREATE {90}\r\n");
    assert_eq!(drain_text(&mut server), "a BAD [TOOBIG] the literal is too large\r\n");
    take(&mut server, "b NOOP");
}

#[test]
fn the_number_of_literals() {
    let limits = limits!(Limits::client(); literals: 3);
    let error = Error::LimitExceeded { what: "literals in a message", limit: 3 };
    let text = [b"* X".as_slice(), &b" {0}\r\n".repeat(4)].concat();
    assert_eq!(last(&mut client_with(limits), &text), error);
    let mut server = server_with(limits);
    let text = [b"a X-SEARCH".as_slice(), &b" {0+}\r\n".repeat(4)].concat();
    assert_eq!(last(&mut server, &text), error);
    assert!(drain_text(&mut server).starts_with("* BYE [TOOBIG] "));
}

#[test]
fn a_literal_for_a_client() {
    for size in ["4294967295", "18446744073709551615", "18446744073709551616", "99999999999999999999999"] {
        let text = format!("* 1 FETCH (BODY[] {{{size}}}\r\n");
        let error = last(&mut client_with(Limits::client()), text.as_bytes());
        assert_eq!(error, Error::LimitExceeded { what: "bytes in a literal", limit: 2 << 30 });
    }
    // Signs are no part of a number: no literal at all.
    for size in ["-1", "+1", "0x1", "1 ", ""] {
        let mut client = client_with(Limits::client());
        let found = feed(&mut client, format!("* 1 FETCH (BODY[] {{{size}}}\r\n* 2 EXISTS\r\n").as_bytes());
        assert!(
            matches!(&found[..], [_, client::Event::Data { data: Untagged::Exists(2), .. }]),
            "{found:?}"
        );
    }
    // Zeros in front are.
    let found =
        feed(&mut client_with(Limits::client()), b"* 1 FETCH (BODY[] {0000000000000000000003}\r\nabc)\r\n");
    assert_eq!(found.len(), 1);
}

#[test]
fn a_large_literal_where_a_small_value_belongs() {
    let mut client = client_with(limits!(Limits::client(); inline_literal: 10));
    let found = feed(&mut client, b"* LIST () \"/\" {11}\r\nhello world\r\n* 2 EXISTS\r\n");
    assert!(matches!(&found[..], [client::Event::Malformed { .. }, client::Event::Data { .. }]), "{found:?}");
    let found =
        feed(&mut client, b"* 1 FETCH (ENVELOPE (NIL {11}\r\nhello world NIL) UID 1)\r\n* 2 EXISTS\r\n");
    assert!(matches!(&found[..], [client::Event::Malformed { .. }, client::Event::Data { .. }]), "{found:?}");
}

#[test]
fn a_literal_for_a_server() {
    let limits = limits!(Limits::server(); inline_literal: 10, message: 1000);
    for size in ["11", "1000", "4294967295", "18446744073709551616"] {
        let mut server = server_with(limits);
        let found = feed(&mut server, format!("a CREATE {{{size}}}\r\nb NOOP\r\n").as_bytes());
        assert!(matches!(&found[..], [server::Event::Malformed { .. }, server::Event::Command { .. }]));
        assert_eq!(drain_text(&mut server), "a BAD [TOOBIG] the literal is too large\r\n");
    }
    // One that is sent without waiting is read past, and what follows it is not a command.
    let mut server = server_with(limits);
    let found =
        feed(&mut server, b"a CREATE {12+}\r\nx LOGOUT\r\n\r\n y {10+}\r\nc LOGOUT\r\n\r\nb NOOP\r\n");
    assert!(
        matches!(
            &found[..],
            [server::Event::Malformed { .. }, server::Event::Command { command: Command::Noop, .. }]
        ),
        "{found:?}"
    );
    assert_eq!(drain_text(&mut server), "a BAD [TOOBIG] the literal is too large\r\n");
    // Not if it is larger than anything that is taken.
    for size in ["1001", "4294967295", "18446744073709551616"] {
        let mut server = server_with(limits);
        let error = last(&mut server, format!("a CREATE {{{size}+}}\r\n").as_bytes());
        assert!(matches!(error, Error::LimitExceeded { limit: 1000, .. }));
        assert_eq!(drain_text(&mut server), "* BYE [TOOBIG] too large\r\n");
    }
}

/// Whichever literal of a command it is, and however many there are.
#[test]
fn what_is_read_past_has_an_end() {
    let limits = limits!(Limits::server(); inline_literal: 10, message: 1000);
    let literal = |length: usize| format!(" {{{length}+}}\r\n{}", "x".repeat(length));
    for (text, ends) in [
        (format!("a CREATE{} {{18446744073709551615+}}\r\nx", literal(999)), true),
        (format!("a CREATE{} {{600+}}\r\nx", literal(600)), true),
        (format!("a CREATE{}\r\n", (literal(100)).repeat(11)), true),
        (format!("a CREATE{}\r\n", (literal(100)).repeat(10)), false),
        // Each command by itself.
        (format!("a CREATE{0}\r\na CREATE{0}\r\n", literal(1000)), false),
        (format!("a CREATE{} {{99}}\r\na CREATE{0}\r\n", literal(900)), false),
        // After the message of an APPEND.
        ("a APPEND x {5+}\r\nhello {1001+}\r\nx".to_owned(), true),
        (format!("a APPEND x {{5+}}\r\nhello{} {{600+}}\r\nx", literal(600)), true),
        (format!("a APPEND x {{5+}}\r\nhello{}\r\n", literal(1000)), false),
    ] {
        let mut config = server_config(Channel::Tls);
        (config.limits, config.accept_bodies) = (limits, true);
        let mut server = serving_with(config);
        let mut input = BytesMut::from(text.as_bytes());
        let last = loop {
            let (_, last) = events(&mut server, &mut input);
            // The events in between are not told to anybody.
            if last != Ok(Next::Paused) || input.is_empty() {
                break last;
            }
        };
        let shown: String = text.chars().filter(|byte| *byte != 'x').collect();
        match last {
            Err(error) => {
                assert!(ends, "{shown}: {error}");
                assert!(matches!(error, Error::LimitExceeded { limit: 1000, .. }), "{shown}: {error}");
                assert!(drain_text(&mut server).ends_with("* BYE [TOOBIG] too large\r\n"));
            }
            Ok(last) => assert!(!ends && last == Next::NeedInput, "{shown}: {last:?}"),
        }
    }
}

#[test]
fn a_nul_in_a_message_to_append() {
    for (allow_nul, announced, taken) in
        [(false, "{3+}", false), (true, "{3+}", true), (false, "~{3+}", true), (false, "{3}", false)]
    {
        let mut config = server_config(Channel::Tls);
        config.allow_nul = allow_nul;
        config.accept_bodies = true;
        config.add_capabilities([Capability::Binary]).unwrap();
        let mut server = serving_with(config);
        let mut input = BytesMut::from(format!("a APPEND x {announced}\r\na\0b\r\nb NOOP\r\n").as_bytes());
        let mut events = Vec::new();
        while let Ok(Next::Event(event)) = server.next_event(&mut input) {
            events.push(event);
        }
        let refused = events.iter().find_map(|event| match event {
            server::Event::BodyRefused { reason, .. } => Some(*reason),
            _ => None,
        });
        let ended = events.iter().any(|event| matches!(event, server::Event::BodyEnd { .. }));
        assert_eq!((ended, refused), (taken, (!taken).then_some(server::BodyRefusal::Nul(1))), "{announced}");
        assert_eq!(drain_text(&mut server).contains("a BAD a NUL in the message"), !taken);
        // The next command is not affected.
        let next = matches!(events.last(), Some(server::Event::Command { command: Command::Noop, .. }));
        assert_eq!(next, !taken, "{announced}");
    }
}

#[test]
fn a_message_to_append() {
    let limits = limits!(Limits::server(); message: 1000);
    let mut server = server_with(limits);
    feed(&mut server, b"a APPEND x {1001}\r\n");
    assert_eq!(drain_text(&mut server), "a NO [TOOBIG] the message is too large\r\n");
    let error = last(&mut server, b"a APPEND x {1001+}\r\n");
    assert!(matches!(error, Error::LimitExceeded { .. }));
    assert_eq!(drain_text(&mut server), "* BYE [TOOBIG] too large\r\n");
}

/// What counts is the message that its parts make, each message by itself.
#[test]
fn a_message_made_of_parts() {
    let begin = |announced: &str| format!("a APPEND x CATENATE (TEXT {announced}");
    let part = |length: usize| format!("{{{length}+}}\r\n{}", "x".repeat(length));
    for (announced, limit, taken) in [
        (None, 1000, begin(&format!("{} TEXT {} URL y TEXT {})", part(400), part(300), part(300)))),
        (Some(700), 700, begin(&format!("{} TEXT {})", part(400), part(300)))),
        (None, 1000, begin(&format!("{}) CATENATE (TEXT {})", part(600), part(600)))),
        (None, 1000, format!("a APPEND x {} {}", part(1000), part(1000))),
    ] {
        for refused in [false, true] {
            let mut config = server_config(Channel::Tls);
            (config.limits, config.accept_bodies) = (limits!(Limits::server(); message: 1000), true);
            config.add_capabilities([Capability::Catenate, Capability::MultiAppend]).unwrap();
            config.add_capabilities(announced.map(|limit| Capability::AppendLimit(Some(limit)))).unwrap();
            let mut server = serving_with(config);
            let text = match (refused, taken.strip_suffix(')')) {
                (false, _) => taken.clone(),
                (true, Some(open)) => format!("{open} TEXT {})", part(limit)),
                (true, None) => format!("{taken} CATENATE (TEXT {} TEXT {})", part(1), part(limit)),
            };
            let mut input = BytesMut::from(format!("{text}\r\n").as_bytes());
            let mut events = Vec::new();
            while let Ok(Next::Event(event)) = server.next_event(&mut input) {
                events.push(event);
            }
            let shown: String = text.chars().filter(|byte| *byte != 'x').collect();
            match events.last() {
                Some(server::Event::BodyRefused { reason, .. }) => {
                    assert!(refused && *reason == server::BodyRefusal::TooLarge, "{shown}: {reason:?}");
                    assert_eq!(drain_text(&mut server), "a NO [TOOBIG] the message is too large\r\n");
                }
                Some(server::Event::BodyEnd { .. }) => assert!(!refused, "{shown}"),
                other => panic!("{shown}: {other:?}"),
            }
            assert!(input.is_empty());
        }
    }
}

/// The messages of one APPEND have no number that they end at; the parts of one message have.
#[test]
fn messages_are_counted_one_by_one() {
    let run = |text: &str| {
        let mut config = server_config(Channel::Tls);
        config.limits = limits!(Limits::server(); frame: 200, literals: 4);
        config.accept_bodies = true;
        config.add_capabilities([Capability::Catenate, Capability::MultiAppend]).unwrap();
        let mut server = serving_with(config);
        let (events, last) = events(&mut server, &mut BytesMut::from(text));
        let messages = events.iter().filter(|event| matches!(event, server::Event::BodyStart { .. })).count();
        (messages, last.err())
    };
    let flags = format!(" ({}) {{1+}}\r\nx", "f".repeat(60));
    assert_eq!(run(&format!("a APPEND x{}\r\n", flags.repeat(50))), (50, None));
    let parts = format!("a APPEND x CATENATE (TEXT {{1+}}\r\nx{})\r\n", " TEXT {1+}\r\nx".repeat(4));
    let error = Error::LimitExceeded { what: "literals in a message", limit: 4 };
    assert_eq!(run(&parts).1, Some(error));
    // Of what was refused no more is kept than before.
    let error = Error::LimitExceeded { what: "bytes in a message", limit: 200 };
    assert_eq!(run(&format!("a APPEND x{} ({})\r\n", flags, "f".repeat(200))), (1, Some(error)));
}

#[test]
fn literal_minus() {
    let mut config = server_config(Channel::Tls);
    config.set_literals(Literals::Minus);
    let mut server = serving_with(config);
    assert!(server.capabilities().has(&mailwire_imap::Capability::LiteralMinus));
    assert!(!server.capabilities().has(&mailwire_imap::Capability::LiteralPlus));
    let text = [b"a APPEND x {4097+}\r\n".as_slice(), &[b'm'; 4097], b"\r\nb APPEND x {4096+}\r\n"].concat();
    let found = feed(&mut server, &text);
    assert!(
        matches!(&found[..], [server::Event::Refused { .. }, server::Event::Command { .. }]),
        "{found:?}"
    );
    assert_eq!(drain_text(&mut server), "a BAD [TOOBIG] too large for a non-synchronizing literal\r\n");

    let send = |capabilities: &str, size: u64| {
        let mut client = logged_in(capabilities);
        let inbox = mailwire_imap::types::MailboxName::INBOX;
        client.send(Command::Append(mailwire_imap::command::Append::streamed(inbox, size))).unwrap();
        drain_text(&mut client)
    };
    assert_eq!(send("IMAP4rev1 LITERAL-", 4096), "b.1 APPEND INBOX {4096+}\r\n");
    assert_eq!(send("IMAP4rev1 LITERAL-", 4097), "b.1 APPEND INBOX {4097}\r\n");
    assert_eq!(send("IMAP4rev2", 4096), "b.1 APPEND INBOX {4096+}\r\n");
    assert_eq!(send("IMAP4rev1 LITERAL+", 4097), "b.1 APPEND INBOX {4097+}\r\n");
    assert_eq!(send("IMAP4rev1", 1), "b.1 APPEND INBOX {1}\r\n");
}

#[test]
fn nesting() {
    for levels in [31, 32, 33, 30_000] {
        let mut server = server_with(limits!(Limits::server(); line: 1 << 20, frame: 1 << 20));
        done(&mut server, "a SELECT x");
        for (open, close) in [("(", ")"), ("NOT ", ""), ("OR ", " ALL")] {
            let key = format!("{}ALL{}", open.repeat(levels), close.repeat(levels));
            let found = feed(&mut server, format!("a SEARCH {key}\r\n").as_bytes());
            match &found[..] {
                [server::Event::Command { ticket, .. }] if levels <= 32 => {
                    server.reply(*ticket, status("OK done")).unwrap();
                }
                [server::Event::Malformed { error, .. }] if levels > 32 => {
                    assert_eq!(error.reason, "nested too deeply");
                }
                _ => panic!("{levels} {open}: {found:?}"),
            }
        }
    }
}

#[test]
fn the_pipeline() {
    let mut client = client_with(limits!(Limits::client(); queue: 3));
    for _ in 0..3 {
        client.send(Command::Noop).unwrap();
    }
    let refused = client.send(command("CREATE x")).unwrap_err();
    assert_eq!(refused.reason, Misuse::Full { limit: 3 });
    assert_eq!(refused.message, command("CREATE x"), "it is handed back");
    feed(&mut client, b"");
    drain(&mut client);
    feed(&mut client, b"b.2 OK done\r\n");
    client.send(Command::Noop).unwrap();
}

#[test]
fn a_servers_output() {
    let mut server = server_with(limits!(Limits::server(); output: 200));
    let mut input = BytesMut::from(&b"a CAPABILITY\r\n".repeat(100)[..]);
    assert_eq!(server.next_event(&mut input), Ok(Next::Paused));
    assert!(server.output().len() < 1000, "{}", server.output().len());
    let before = input.len();
    assert_eq!(server.next_event(&mut input), Ok(Next::Paused));
    assert_eq!(input.len(), before, "nothing is read while nobody reads");
    drain(&mut server);
    assert_eq!(server.next_event(&mut input), Ok(Next::Paused));
    assert!(input.len() < before);

    let mut server = server_with(limits!(Limits::server(); output: 200));
    let mut sent = 0;
    let refused = loop {
        match server.notify(Untagged::Exists(1)) {
            Ok(()) => sent += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.reason, Misuse::Full { limit: 200 });
    assert!(sent < 20);
}

#[test]
fn a_body_fills_the_output_no_further() {
    let mut client = client_with(limits!(Limits::client(); output: 1000));
    let inbox = mailwire_imap::types::MailboxName::INBOX;
    client.send(Command::Append(mailwire_imap::command::Append::streamed(inbox, 5000))).unwrap();
    drain(&mut client);
    feed(&mut client, b"+ go\r\n");
    let mut body = Bytes::from(vec![b'm'; 5000]);
    assert_eq!(client.send_body(&mut body), Ok(1000));
    assert_eq!(client.send_body(&mut body), Ok(0));
    drain(&mut client);
    assert_eq!(client.send_body(&mut body), Ok(1000));
}

#[test]
fn bad_commands() {
    let mut server = server_with(limits!(Limits::server(); bad_commands: 5));
    // A good one in between starts the count anew.
    feed(&mut server, b"x\r\n".repeat(4));
    done(&mut server, "a NOOP");
    let error = last(&mut server, &b"a WHAT\r\n".repeat(10));
    assert_eq!(error, Error::TooManyBadCommands { limit: 5 });
    let said = drain_text(&mut server);
    assert_eq!(said.matches("a BAD ").count(), 5);
    assert!(said.ends_with("* BYE too many bad commands\r\n"));
    assert_eq!(server.next_event(&mut BytesMut::new()), Err(error), "it is poisoned");
}

#[test]
fn commands_before_the_login() {
    let mut server = server_within(|limits| limits.idle_commands = 10);
    for _ in 0..10 {
        feed(&mut server, b"a CAPABILITY\r\n");
    }
    assert!(matches!(last(&mut server, b"a NOOP\r\n"), Error::LimitExceeded { limit: 10, .. }));
}

#[test]
fn repeated_byes() {
    let mut client = client_with(limits!(Limits::client(); noise: 5));
    let mut input = BytesMut::from(&b"* BYE go away\r\n".repeat(1000)[..]);
    let (found, last) = events(&mut client, &mut input);
    assert_eq!(found.len(), 1);
    assert!(
        matches!(&found[0], client::Event::Data { data: Untagged::Reply(status), .. } if status.kind == ReplyKind::Bye)
    );
    assert_eq!(last, Ok(Next::Closed));
}

#[test]
fn time() {
    let mut client = client::Connection::new(client_config(Channel::Tls));
    assert!(client.timeout().is_some());
    client.handle_timeout();
    assert_eq!(last(&mut client, b""), Error::TimedOut { waiting_for: "the greeting" });

    let mut client = client_with(Limits::client());
    assert_eq!(client.timeout(), None, "nothing is due");
    client.handle_timeout();
    client.send(Command::Noop).unwrap();
    assert!(client.timeout().is_some());
    client.handle_timeout();
    assert_eq!(last(&mut client, b"b.2 OK\r\n"), Error::TimedOut { waiting_for: "a response" });

    let mut server = serving();
    assert!(server.timeout().is_some());
    let ticket = take(&mut server, "a NOOP");
    assert_eq!(server.timeout(), None, "the application's move");
    server.reply(ticket, status("OK done")).unwrap();
    drain(&mut server);
    server.handle_timeout();
    assert_eq!(last(&mut server, b""), Error::TimedOut { waiting_for: "the client" });
    assert_eq!(drain_text(&mut server), "* BYE too slow\r\n");
}
