//! What must be survived: a test for each class of incident, at the level of the machines.
//!
//! STARTTLS is in `starttls.rs`, limits are in `limits.rs`, injection and secrets in `injection.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::BytesMut;
use common::*;
use mailwire_core::{Channel, Connection, Error, Next, SaslStep};
use mailwire_imap::{
    Dialect, Limits, Request, client,
    command::Command,
    framing::{Framed, Framer, Speaker},
    response::Untagged,
    server,
};

#[test]
fn nesting_of_100_000_levels() {
    let deep = "(".repeat(100_000);
    for text in [
        format!("* 1 FETCH (BODYSTRUCTURE {deep})"),
        format!("* 1 FETCH (BODY {deep})"),
        format!("* 1 FETCH (ENVELOPE {deep})"),
        format!("* 1 FETCH (X-FOO {deep})"),
        format!("* THREAD {deep}"),
        format!("* 1 FETCH {deep}"),
        format!("* LIST {deep}"),
        format!("* NAMESPACE {deep}"),
        format!("* OK [X {deep}] x"),
        format!("* X {deep}"),
    ] {
        // Without optimisation a level takes several times the room.
        std::thread::Builder::new()
            .stack_size(if cfg!(debug_assertions) { 768 << 10 } else { 128 << 10 })
            .spawn(move || {
                let mut client = selected("IMAP4rev1");
                let found = feed(&mut client, format!("{text}\r\n* 7 EXISTS\r\n").as_bytes());
                assert!(matches!(found.last(), Some(client::Event::Data { data: Untagged::Exists(7), .. })));
            })
            .unwrap()
            .join()
            .unwrap();
    }
    for key in [deep.clone(), "NOT ".repeat(15_000), "OR ".repeat(15_000)] {
        std::thread::Builder::new()
            .stack_size(128 << 10)
            .spawn(move || {
                let mut config = server_config(Channel::Tls);
                config.limits = limits!(Limits::server(); line: 1 << 20, frame: 1 << 20);
                let mut server = serving_with(config);
                done(&mut server, "a SELECT x");
                let found = feed(&mut server, format!("a SEARCH {key}\r\n").as_bytes());
                assert!(matches!(&found[..], [server::Event::Malformed { .. }]));
            })
            .unwrap()
            .join()
            .unwrap();
    }
}

#[test]
fn a_literal_announced_and_never_sent_costs_nothing() {
    let mut client = selected("IMAP4rev1");
    let mut input = BytesMut::from(&b"* 1 FETCH (BODY[] {2000000000}\r\n"[..]);
    let (found, _) = events(&mut client, &mut input);
    assert_eq!(found.len(), 1);
    assert!(input.capacity() < 4096);
    client.handle_eof();
    assert!(matches!(client.next_event(&mut input), Err(Error::UnexpectedEof { .. })));

    let mut server = serving();
    let mut input = BytesMut::from(&b"a APPEND x {100000000}\r\n"[..]);
    let (found, _) = events(&mut server, &mut input);
    assert_eq!(found.len(), 1);
    assert!(input.capacity() < 4096);
}

/// How many bytes a framer looks at for one message: what it costs, whatever the machine.
fn looked_at(text: &[u8], step: usize) -> usize {
    let limits = limits!(Limits::client(); inline_literal: 100,
        literals: 1 << 20,
        line: 1 << 30,
        frame: 1 << 30);
    let (mut framer, mut input) = (Framer::new(Speaker::Client), BytesMut::new());
    let mut steps = 0;
    for piece in text.chunks(step) {
        input.extend_from_slice(piece);
        loop {
            steps += 1;
            match framer.next(&mut input, &limits).unwrap() {
                Framed::NeedInput => break,
                Framed::Literal(_) => framer.keep(&limits).unwrap(),
                _ => {}
            }
        }
    }
    steps
}

#[test]
fn thousands_of_literals_are_linear() {
    let text = |count: usize| [b"a SEARCH".as_slice(), &b" TEXT {3+}\r\nabc".repeat(count), b"\r\n"].concat();
    let (one, ten) = (looked_at(&text(1000), usize::MAX), looked_at(&text(10_000), usize::MAX));
    assert!(ten <= 10 * one + 10, "{one} {ten}");
}

#[test]
fn one_byte_at_a_time_gives_the_same() {
    let mut text = b"* SEARCH".to_vec();
    for number in 1..5000 {
        text.extend_from_slice(format!(" {number}").as_bytes());
    }
    text.extend_from_slice(b"\r\n* 1 FETCH (BODY[] {3}\r\nabc FLAGS ())\r\n");
    let mut client = selected("IMAP4rev1");
    let mut input = BytesMut::new();
    let mut found = vec![];
    for byte in &text {
        input.extend_from_slice(&[*byte]);
        found.extend(events(&mut client, &mut input).0);
    }
    let mut whole = selected("IMAP4rev1");
    assert_eq!(found, feed(&mut whole, &text));
    assert_eq!(found.len(), 2);
}

#[test]
fn a_hundred_thousand_pipelined_commands() {
    let mut server = serving();
    let mut input = BytesMut::from(&b"a NOOP\r\n".repeat(100_000)[..]);
    let mut seen = 0;
    loop {
        match server.next_event(&mut input).unwrap() {
            Next::Event(server::Event::Command { ticket, .. }) => {
                seen += 1;
                server.reply(ticket, status("OK done")).unwrap();
                assert!(server.output().len() < 300 << 10);
            }
            Next::Paused => {
                drain(&mut server);
            }
            Next::NeedInput => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, 100_000);
}

#[test]
fn large_sets_are_not_expanded() {
    let mut server = serving();
    done(&mut server, "a SELECT x");
    for line in
        ["a FETCH 1:4294967295 FLAGS", "a UID STORE 4294967295:1,1:* +FLAGS (x)", "a SEARCH 1:4294967295"]
    {
        done(&mut server, line);
    }
    for line in [
        "a FETCH 4294967296 FLAGS",
        "a FETCH 0 FLAGS",
        "a FETCH -1 FLAGS",
        "a FETCH 1: FLAGS",
        "a FETCH 1,,2 FLAGS",
    ] {
        assert!(
            matches!(
                &feed(&mut server, format!("{line}\r\n").as_bytes())[..],
                [server::Event::Malformed { .. }]
            ),
            "{line}"
        );
    }
    let mut client = selected("IMAP4rev1");
    let found = feed(
        &mut client,
        b"* ESEARCH (TAG \"x\") UID ALL 1:4294967295\r\n* OK [COPYUID 1 1:4294967295 1:4294967295] x\r\n",
    );
    assert_eq!(found.len(), 2);
}

#[test]
fn a_peer_that_vanishes_at_any_byte() {
    let said = b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n* 1 EXISTS\r\n+ go\r\n* 1 FETCH (BODY[] {3}\r\nabc)\r\nb.1 OK done\r\n";
    for cut in 0..said.len() {
        let mut client = client(Channel::Tls);
        let ticket = client.send(command("CREATE x")).unwrap();
        let mut input = BytesMut::from(&said[..37.min(cut)]);
        let _ = events(&mut client, &mut input);
        drain(&mut client);
        input.extend_from_slice(&said[37.min(cut)..cut]);
        client.handle_eof();
        let (found, last) = events(&mut client, &mut input);
        assert!(matches!(last, Err(Error::UnexpectedEof { .. })), "cut at {cut}: {last:?}");
        // Whether the command can have had an effect.
        assert_eq!(client.was_sent(ticket), cut > 36, "cut at {cut}");
        drop(found);
    }
    let said = b"a CREATE {1+}\r\nx\r\nb APPEND x {5+}\r\nabcde\r\n";
    for cut in 1..said.len() {
        let mut server = serving();
        let mut input = BytesMut::from(&said[..cut]);
        server.handle_eof();
        loop {
            match server.next_event(&mut input) {
                Ok(Next::Event(server::Event::Command { ticket, command, .. })) => match command {
                    Command::Append(_) => server.accept_body(ticket).unwrap(),
                    _ => server.reply(ticket, status("OK done")).unwrap(),
                },
                Ok(Next::Event(server::Event::BodyEnd { .. })) => panic!("cut at {cut}"),
                Ok(Next::Event(_)) => {}
                Ok(Next::Closed) => {
                    assert_eq!(cut, 18);
                    break;
                }
                Err(Error::UnexpectedEof { .. }) => break,
                other => panic!("cut at {cut}: {other:?}"),
            }
        }
    }
}

#[test]
fn completions_cannot_be_forged() {
    let unsolicited = |client: &mut client::Connection, text: &str| {
        let (_, last) = events(client, &mut BytesMut::from(text));
        assert!(matches!(last, Err(Error::UnsolicitedReply { .. })), "{text}: {last:?}");
    };
    let mut client = selected("IMAP4rev1");
    client.send(Command::Noop).unwrap();
    drain(&mut client);
    unsolicited(&mut client, "b.3 OK done\r\n");
    let mut client = selected("IMAP4rev1");
    unsolicited(&mut client, "b.2 OK done\r\n");
    // Before the command has left.
    let mut client = selected("IMAP4rev1");
    client.send(Command::Noop).unwrap();
    unsolicited(&mut client, "b.2 OK done\r\n");
    // Before the message was sent, or the client's step of an exchange.
    let mut client = logged_in("IMAP4rev1");
    client.send(command("APPEND x {3+}\r\nabc")).unwrap();
    drain(&mut client);
    unsolicited(&mut client, "b.1 OK done\r\n");
    let mut client = common::client(Channel::Tls);
    feed(&mut client, b"* OK [CAPABILITY IMAP4rev1 AUTH=SCRAM-SHA-1] hi\r\n");
    client.send(command("AUTHENTICATE SCRAM-SHA-1 bg==")).unwrap();
    drain(&mut client);
    unsolicited(&mut client, "b.1 OK done\r\n");
    // A go-ahead before its command has left.
    let mut client = logged_in("IMAP4rev1");
    client.send(command("APPEND x {3+}\r\nabc")).unwrap();
    unsolicited(&mut client, "+ go\r\n");
}

#[test]
fn data_that_has_no_place_is_not_believed() {
    // Nothing is known of mailboxes before the login, nor of messages before SELECT.
    let mut client = common::client(Channel::Tls);
    let found = feed(
        &mut client,
        b"* OK [CAPABILITY IMAP4rev1] hi\r\n* LIST () \"/\" x\r\n* 5 EXISTS\r\n* SEARCH 1\r\n",
    );
    assert_eq!(found.len(), 2, "{found:?}");
    let mut client = logged_in("IMAP4rev1");
    let text = [
        b"* 1 FETCH (BODY[] {100000}\r\n".as_slice(),
        &[b'x'; 100_000],
        b")\r\n* 1 EXPUNGE\r\n* LIST () \"/\" x\r\n",
    ]
    .concat();
    let found = feed(&mut client, &text);
    assert!(matches!(&found[..], [client::Event::Data { data: Untagged::List(_), .. }]), "{found:?}");
}

#[test]
fn a_mail_cannot_pretend_to_be_a_response() {
    // Text of a message that looks like responses stays within its literal.
    let evil = "x)\r\nb.2 OK done\r\n* 99 EXISTS\r\n* BYE\r\n* 1 FETCH (BODY[] {5}\r\n";
    let mut client = selected("IMAP4rev1");
    let ticket = client.send(command("FETCH 1 BODY[]")).unwrap();
    drain(&mut client);
    let text = format!("* 1 FETCH (BODY[] {{{}}}\r\n{evil} UID 5)\r\nb.2 OK done\r\n", evil.len());
    let found = feed(&mut client, text.as_bytes());
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(matches!(&found[1], client::Event::Reply { ticket: done, .. } if *done == ticket));
    // A subject with a brace at the end of a line that is none.
    let found = feed(
        &mut client,
        b"* 1 FETCH (ENVELOPE (NIL \"x {20}\" NIL NIL NIL NIL NIL NIL NIL NIL))\r\n* 3 EXISTS\r\n",
    );
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn literal_sizes_beyond_every_limit() {
    for size in [
        "4294967295",
        "4294967296",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999",
    ] {
        // A client is told that the server went too far, and holds nothing for it.
        for start in ["* 1 FETCH (BODY[] ", "* LIST () \"/\" ", "* X "] {
            let mut client = selected("IMAP4rev1");
            let mut input = BytesMut::from(format!("{start}{{{size}}}\r\n").as_bytes());
            let (found, last) = events(&mut client, &mut input);
            assert!(found.is_empty() && last.is_err(), "{start}{size}: {found:?}, {last:?}");
            assert!(input.capacity() < 4096);
        }
        // A server refuses the command before the literal comes, and reads the next one. One that comes
        // without being asked for cannot be read past.
        for start in ["a APPEND x ", "a CREATE ", "a LOGIN x "] {
            let mut server = serving();
            let mut input = BytesMut::from(format!("{start}{{{size}}}\r\nb NOOP\r\n").as_bytes());
            let (found, last) = events(&mut server, &mut input);
            assert!(last.is_ok(), "{start}{size}: {last:?}");
            assert!(
                matches!(&found[..], [.., server::Event::Command { command: Command::Noop, .. }]),
                "{start}{size}: {found:?}"
            );
            let mut server = serving();
            let mut input = BytesMut::from(format!("{start}{{{size}+}}\r\nb NOOP\r\n").as_bytes());
            let (found, _) = events(&mut server, &mut input);
            let executed = |event: &server::Event| matches!(event, server::Event::Command { .. });
            assert!(!found.iter().any(executed), "{start}{size}+: {found:?}");
            assert!(input.capacity() < 4096);
        }
    }
    // Zeros before the number change nothing; signs make no literal.
    let mut server = serving();
    done(&mut server, "a CREATE {0000000000000000000000000003+}\r\nbox");
    for size in ["-3", "+3", " 3", "0x3", "3 ", ""] {
        let found = feed(&mut server, format!("a CREATE {{{size}}}\r\n").as_bytes());
        assert!(matches!(&found[..], [server::Event::Malformed { .. }]), "{size}: {found:?}");
        done(&mut server, "b NOOP");
    }
}

/// A client that has sent a command, in a session with these capabilities.
fn authenticating(capabilities: &str, line: &str) -> client::Connection {
    let mut client = client(Channel::Tls);
    feed(
        &mut client,
        format!("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=LOGIN {capabilities}] hi\r\n").as_bytes(),
    );
    client.send(command(line)).unwrap();
    drain(&mut client);
    client
}

/// A client cancels where it does not trust the server: neither another challenge nor a success is believed.
#[test]
fn nothing_but_a_refusal_follows_a_cancelled_exchange() {
    // The machine cancels by itself what it cannot decode.
    for challenge in ["+ eA==\r\n", "+ not base64!\r\n"] {
        for (answer, refused) in
            [("+ eA==\r\n", false), ("b.1 OK welcome\r\n", false), ("b.1 BAD cancelled\r\n", true)]
        {
            let mut client = authenticating("", "AUTHENTICATE PLAIN");
            if let [client::Event::AuthChallenge { .. }] = &feed(&mut client, challenge.as_bytes())[..] {
                client.send_auth(SaslStep::Cancel).unwrap();
            }
            assert_eq!(drain_text(&mut client), "*\r\n");
            let (_, found) = events(&mut client, &mut BytesMut::from(answer));
            assert_eq!(found.is_ok(), refused, "{answer}");
            assert_eq!(client.state(), client::State::NotAuthenticated);
            assert_eq!(drain_text(&mut client), "", "no second cancellation");
            if !refused {
                assert!(matches!(found, Err(Error::Unexpected { .. })), "{found:?}");
            }
        }
    }
}

#[test]
fn a_success_before_the_client_has_said_anything_is_none() {
    for (capabilities, line, believed) in [
        // The first message is held back; there is none; the name went, and the password did not.
        ("", "AUTHENTICATE PLAIN AGEAYg==", false),
        ("SASL-IR", "AUTHENTICATE PLAIN", false),
        ("SASL-IR", "AUTHENTICATE LOGIN YQ==", false),
        ("SASL-IR", "AUTHENTICATE PLAIN AGEAYg==", true),
    ] {
        let mut client = authenticating(capabilities, line);
        let (_, found) = events(&mut client, &mut BytesMut::from("b.1 OK welcome\r\n"));
        assert_eq!(client.state() == client::State::Authenticated, believed, "{line}");
        if !believed {
            assert!(matches!(found, Err(Error::UnsolicitedReply { .. })), "{line}: {found:?}");
        }
    }
}

/// What is asked of a URL is asked once, however much it is.
#[test]
fn a_hundred_thousand_things_asked_of_a_url() {
    let fetch = |params: &str| {
        let line = format!("a URLFETCH (imap://x/y/;UID=1 {params})");
        Request::parse(&line.into(), Dialect::Strict).map(|parsed| parsed.value)
    };
    let many: Vec<_> = (0..100_000).map(|at| format!("X-{at}")).collect();
    assert!(fetch(&many.join(" ")).is_ok());
    for twice in ["BODY body", "X-A BINARY x-a", "BODY BINARY"] {
        assert_eq!(fetch(twice).unwrap_err().offset, 12, "{twice}");
    }
}
