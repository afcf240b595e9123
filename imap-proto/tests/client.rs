//! How a client's machine behaves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::{Buf, Bytes, BytesMut};
use common::*;
use mailwire_core::{Channel, Connection, Misuse, Next, SaslStep, Secret, WrongState};
use mailwire_imap::{
    Capability,
    client::{self, BodyItem, Event, State},
    command::{Append, Command, FetchAtt, Store, StoreAction},
    response::{ReplyKind, Untagged},
    types::{MailboxName, Section, SeqNumber, Uid},
};

/// What goes out when these are sent at once.
fn at_once(commands: &[&str]) -> usize {
    let mut client = selected("IMAP4rev1 MOVE UIDPLUS IDLE");
    for line in commands {
        client.send(command(line)).unwrap();
    }
    drain_text(&mut client).matches("\r\n").count()
}

/// RFC 9051 section 5.5.
#[test]
fn ambiguous_commands_wait() {
    // The sequences that the RFC calls valid.
    assert_eq!(at_once(&["FETCH 1 FLAGS", "STORE 1 FLAGS ()", "SEARCH ALL", "NOOP"]), 4);
    assert_eq!(at_once(&["STORE 1 FLAGS ()", "COPY 1 x", "EXPUNGE"]), 3);
    // Those that it calls invalid.
    assert_eq!(at_once(&["FETCH 1 FLAGS", "NOOP", "STORE 1 FLAGS ()"]), 2);
    assert_eq!(at_once(&["STORE 1 FLAGS ()", "COPY 1 x", "FETCH 1 FLAGS"]), 2);
    assert_eq!(at_once(&["COPY 1 x", "COPY 2 x"]), 1);
    // UIDs mean the same whatever is expunged, but let it be expunged.
    assert_eq!(at_once(&["UID FETCH 1 FLAGS", "UID STORE 1 FLAGS ()", "UID COPY 1 x", "UID MOVE 1 x"]), 4);
    assert_eq!(at_once(&["UID FETCH 1 FLAGS", "FETCH 1 FLAGS"]), 1);
    assert_eq!(at_once(&["UID SEARCH ALL", "UID SEARCH UID 5"]), 2);
    assert_eq!(at_once(&["UID SEARCH ALL", "UID SEARCH NOT (OR 5 SEEN)"]), 1);
    assert_eq!(at_once(&["NOOP", "SEARCH SEEN"]), 2);
    assert_eq!(at_once(&["NOOP", "SEARCH 1:*"]), 1);
    // What changes the session is alone.
    assert_eq!(at_once(&["SELECT x", "UID FETCH 1 FLAGS"]), 1);
    assert_eq!(at_once(&["NOOP", "CLOSE"]), 1);
    assert_eq!(at_once(&["NOOP", "IDLE"]), 1);
    assert_eq!(at_once(&["CREATE x", "CREATE y", "LIST \"\" *", "STATUS x (MESSAGES)"]), 4);
}

#[test]
fn without_pipelining_one_by_one() {
    let mut config = client_config(Channel::Tls);
    config.pipelining = false;
    let mut client = client::Connection::new(config);
    feed(&mut client, b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n");
    client.send(Command::Noop).unwrap();
    client.send(Command::Noop).unwrap();
    assert_eq!(drain_text(&mut client), "b.1 NOOP\r\n");
    feed(&mut client, b"b.1 OK done\r\n");
    assert_eq!(drain_text(&mut client), "b.2 NOOP\r\n");
}

#[test]
fn the_session_follows_the_completions() {
    let mut client = client(Channel::Tls);
    feed(&mut client, b"* OK [CAPABILITY IMAP4rev1] hi\r\n");
    let run = |client: &mut client::Connection, line: &str, answer: &str| {
        client.send(command(line)).unwrap();
        let said = drain_text(client);
        feed(client, format!("{} {answer}\r\n", said.split(' ').next().unwrap()).as_bytes());
        client.state()
    };
    assert_eq!(run(&mut client, "LOGIN a b", "NO wrong"), State::NotAuthenticated);
    assert_eq!(
        run(&mut client, "LOGIN a b", "OK [CAPABILITY IMAP4rev1 UNSELECT] right"),
        State::Authenticated
    );
    assert_eq!(run(&mut client, "SELECT x", "NO none"), State::Authenticated);
    assert_eq!(run(&mut client, "SELECT x", "OK there"), State::Selected);
    assert_eq!(run(&mut client, "EXAMINE y", "BAD what"), State::Selected);
    assert_eq!(run(&mut client, "EXAMINE y", "NO none"), State::Authenticated, "nothing is selected then");
    assert_eq!(run(&mut client, "EXAMINE y", "OK there"), State::Selected);
    assert_eq!(run(&mut client, "UNSELECT", "OK done"), State::Authenticated);
    assert_eq!(run(&mut client, "SELECT x", "OK there"), State::Selected);
    assert_eq!(run(&mut client, "CLOSE", "NO no"), State::Selected);
    assert_eq!(run(&mut client, "CLOSE", "OK done"), State::Authenticated);
    assert_eq!(run(&mut client, "LOGOUT", "OK bye"), State::Logout);
    assert_eq!(client.next_event(&mut BytesMut::new()), Ok(Next::Closed));
}

#[test]
fn what_cannot_be_asked_is_refused_at_once_or_when_its_turn_comes() {
    let mut client = logged_in("IMAP4rev1");
    for line in [
        "IDLE",
        "UNSELECT",
        "NAMESPACE",
        "ENABLE X",
        "ID NIL",
        "LOGIN a b",
        "FETCH 1 FLAGS",
        "MOVE 1 x",
        "EXPUNGE",
        "CLOSE",
    ] {
        let refused = client.send(command(line)).unwrap_err();
        assert!(matches!(refused.reason, Misuse::NotOffered(_) | Misuse::WrongState(_)), "{line}");
        assert_eq!(refused.message, command(line));
    }
    assert!(client.output().is_empty());
    // After a SELECT that fails.
    client.send(command("SELECT x")).unwrap();
    let fetch = client.send(command("FETCH 1 FLAGS")).unwrap();
    drain(&mut client);
    let found = feed(&mut client, b"b.1 NO none\r\n");
    assert!(
        matches!(&found[1], Event::NotSent { ticket, reason: Misuse::WrongState(_) } if *ticket == fetch)
    );
    // What IMAP4rev2 took in needs no capability of its own.
    let mut client = logged_in("IMAP4rev2");
    for line in ["ENABLE X", "NAMESPACE", "IDLE"] {
        client.send(command(line)).unwrap();
    }
}

#[test]
fn capabilities_are_asked_for_where_they_are_not_told() {
    let mut client = client(Channel::Tls);
    let found = feed(&mut client, b"* OK hi\r\n");
    assert_eq!(found.len(), 1);
    client.send(command("LOGIN a b")).unwrap();
    assert_eq!(drain_text(&mut client), "b.1 CAPABILITY\r\n");
    let found = feed(&mut client, b"* CAPABILITY IMAP4rev1 XLIST\r\nb.1 OK done\r\n");
    assert_eq!(found, [Event::Capabilities(vec![Capability::Imap4Rev1, Capability::XList].into())]);
    assert_eq!(drain_text(&mut client), "b.2 LOGIN a \"b\"\r\n");
    // They change with the login.
    let found = feed(&mut client, b"b.2 OK done\r\n");
    assert!(matches!(&found[..], [Event::Reply { .. }]));
    assert!(!client.capabilities().is_known());
    assert_eq!(drain_text(&mut client), "b.3 CAPABILITY\r\n");
    feed(&mut client, b"* CAPABILITY IMAP4rev1 IDLE\r\nb.3 OK done\r\n");
    assert_eq!(
        client.capabilities(),
        &mailwire_imap::Capabilities::from(vec![Capability::Imap4Rev1, Capability::Idle])
    );
    // Some servers tell them before the completion, some in it.
    for told in
        ["* CAPABILITY IMAP4rev1 IDLE\r\nb.1 OK done\r\n", "b.1 OK [CAPABILITY IMAP4rev1 IDLE] done\r\n"]
    {
        let mut client = common::client(Channel::Tls);
        feed(&mut client, b"* OK [CAPABILITY IMAP4rev1] hi\r\n");
        client.send(command("LOGIN a b")).unwrap();
        drain(&mut client);
        let found = feed(&mut client, told.as_bytes());
        assert!(matches!(&found[..], [Event::Capabilities(_), Event::Reply { .. }]), "{found:?}");
        assert!(client.output().is_empty());
    }
    // And asking can be switched off.
    let mut config = client_config(Channel::Tls);
    config.ask_capabilities.after_greeting = false;
    let mut client = client::Connection::new(config);
    feed(&mut client, b"* OK hi\r\n");
    assert!(client.output().is_empty());
}

#[test]
fn no_and_bad_are_replies_with_their_code() {
    let mut client = selected("IMAP4rev1");
    let copy = client.send(command("COPY 1 x")).unwrap();
    drain(&mut client);
    let found =
        feed(&mut client, b"* OK [INPROGRESS (\"b.2\" 3 7)] half\r\nb.2 NO [TRYCREATE] no such mailbox\r\n");
    let Event::Reply { ticket, reply, .. } = &found[1] else { panic!("{found:?}") };
    assert_eq!((*ticket, reply.kind, reply.is_ok()), (copy, ReplyKind::No, false));
    assert_eq!(reply.code, Some(mailwire_imap::response::Code::TryCreate));
    let Event::Data { during, .. } = &found[0] else { panic!() };
    assert_eq!(*during, Some(copy));
}

#[test]
fn a_completion_that_does_not_parse_ends_its_command() {
    let mut client = selected("IMAP4rev1");
    let ticket = client.send(Command::Noop).unwrap();
    drain(&mut client);
    let found = feed(&mut client, b"b.2 WELL done\r\n");
    assert!(matches!(&found[..], [Event::Malformed { ticket: Some(ended), .. }] if *ended == ticket));
    client.send(Command::Noop).unwrap();
    drain(&mut client);
    assert_eq!(feed(&mut client, b"b.3 OK done\r\n").len(), 1);
}

#[test]
fn sasl_with_and_without_the_initial_response() {
    let login = |capabilities: &str, initial_response: bool| {
        let mut config = client_config(Channel::Tls);
        config.initial_response = initial_response;
        let mut client = client::Connection::new(config);
        feed(&mut client, format!("* OK [CAPABILITY {capabilities} AUTH=PLAIN] hi\r\n").as_bytes());
        client.send(command("AUTHENTICATE PLAIN AGEAYg==")).unwrap();
        let mut said = drain_text(&mut client);
        if !said.contains("AGEAYg==") {
            assert_eq!(feed(&mut client, b"+ \r\n"), []);
            said += &drain_text(&mut client);
        }
        said
    };
    assert_eq!(login("IMAP4rev1 SASL-IR", true), "b.1 AUTHENTICATE PLAIN AGEAYg==\r\n");
    assert_eq!(login("IMAP4rev2", true), "b.1 AUTHENTICATE PLAIN AGEAYg==\r\n");
    for said in [login("IMAP4rev1", true), login("IMAP4rev1 SASL-IR", false)] {
        assert_eq!(said, "b.1 AUTHENTICATE PLAIN\r\nAGEAYg==\r\n");
    }
    // An empty one is not none.
    let mut client = client(Channel::Tls);
    feed(&mut client, b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=EXTERNAL] hi\r\n");
    client.send(command("AUTHENTICATE EXTERNAL =")).unwrap();
    assert_eq!(drain_text(&mut client), "b.1 AUTHENTICATE EXTERNAL =\r\n");
}

#[test]
fn a_challenge_is_the_callers_move() {
    let mut client = client(Channel::Tls);
    feed(&mut client, b"* OK [CAPABILITY IMAP4rev1 AUTH=CRAM-MD5] hi\r\n");
    client.send(command("AUTHENTICATE CRAM-MD5")).unwrap();
    let step = SaslStep::Data(Secret::from("x"));
    assert!(client.send_auth(step.clone()).is_err(), "no challenge has come");
    drain(&mut client);
    let found = feed(&mut client, b"+ PDE+\r\n");
    assert!(matches!(&found[..], [Event::AuthChallenge { data, .. }] if data.expose() == b"<1>"));
    assert_eq!(client.next_event(&mut BytesMut::new()), Ok(Next::Paused));
    client.send_auth(step.clone()).unwrap();
    assert_eq!(drain_text(&mut client), "eA==\r\n");
    assert!(client.send_auth(step).is_err());
    // A challenge that is not base64 is cancelled.
    let found = feed(&mut client, b"+ not base64\r\n");
    assert!(matches!(&found[..], [Event::Malformed { .. }]), "{found:?}");
    assert_eq!(drain_text(&mut client), "*\r\n");
    assert_eq!(feed(&mut client, b"b.1 BAD cancelled\r\n").len(), 1);
}

#[test]
fn an_exchange_has_an_end() {
    let mut config = client_config(Channel::Tls);
    config.limits.auth_steps = 3;
    let mut client = client::Connection::new(config);
    feed(&mut client, b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n");
    client.send(command("AUTHENTICATE PLAIN")).unwrap();
    drain(&mut client);
    for _ in 0..3 {
        feed(&mut client, b"+ YWJj\r\n");
        client.send_auth(SaslStep::Data(Secret::from(&b"x"[..]))).unwrap();
        drain(&mut client);
    }
    let error = client.next_event(&mut BytesMut::from("+ YWJj\r\n")).unwrap_err();
    assert!(matches!(error, mailwire_core::Error::LimitExceeded { limit: 3, .. }), "{error:?}");
}

/// A server made it up; it has no form in the grammar.
#[test]
fn a_flag_that_cannot_be_written_is_refused() {
    let mut client = selected("IMAP4rev1");
    let odd = Bytes::from_static(b"* FLAGS (a]b)");
    let parsed = mailwire_imap::Response::parse(&odd, mailwire_core::Dialect::Lenient).unwrap().value;
    let mailwire_imap::Response::Untagged(Untagged::Flags(flags)) = parsed else { panic!("{parsed:?}") };
    let store = Store::new(SeqNumber::MIN, StoreAction::Add, flags.clone());
    let append = Append::inline(MailboxName::INBOX, "x").with_flags(flags);
    for command in [Command::Store(store), Command::Append(append)] {
        let error = client.send(command.clone()).unwrap_err();
        assert!(matches!(error.reason, Misuse::WrongState(WrongState::Unsupported(_))), "{error:?}");
        // Nor where it would wait.
        let mut waiting = common::client(Channel::Tls);
        assert!(waiting.send(command).is_err());
    }
    assert_eq!(drain_text(&mut client), "");
}

/// What is said of message 0 is said of none, however large it is.
#[test]
fn data_of_message_zero_are_no_data() {
    let mut client = selected("IMAP4rev1");
    client.send(command("UID FETCH 7 BODY.PEEK[]")).unwrap();
    drain(&mut client);
    let large = "x".repeat(100_000);
    for line in [
        "* 0 FETCH (UID 7 BODY[] {3}\r\nabc)".to_owned(),
        "* 0 FETCH (UID 0)".to_owned(),
        "* 0 EXPUNGE".to_owned(),
        format!("* 0 FETCH (UID 7 BODY[] {{100000}}\r\n{large})"),
    ] {
        let found = feed(&mut client, format!("{line}\r\n").as_bytes());
        let [Event::Malformed { ticket: None, error, .. }] = &found[..] else { panic!("{found:?}") };
        assert_eq!(error.reason, "zero-for-message-number");
    }
    let found = feed(&mut client, b"* 1 FETCH (UID 0 FLAGS ())\r\nb.2 OK done\r\n");
    let [Event::Data { data: Untagged::Fetch(fetch), deviations, .. }, Event::Reply { .. }] = &found[..]
    else {
        panic!("{found:?}")
    };
    assert_eq!((fetch.items.len(), deviations[0].name), (1, "zero-for-uid"));
}

#[test]
fn the_announced_length_is_kept() {
    let mut client = logged_in("IMAP4rev1 LITERAL+");
    client.send(Command::Append(Append::streamed(MailboxName::INBOX, 10))).unwrap();
    assert_eq!(client.next_event(&mut BytesMut::new()).unwrap().map(|_| ()), Next::Event(()));
    assert_eq!(client.next_event(&mut BytesMut::new()), Ok(Next::Paused), "the message is due");
    assert!(matches!(client.send_body(&mut Bytes::from(vec![b'x'; 11])), Err(Misuse::BodyMismatch(_))));
    assert!(matches!(
        client.send_body(&mut Bytes::from_static(b"a\0b")),
        Err(Misuse::InvalidBody { offset: 1, .. })
    ));
    client.send_body(&mut Bytes::from_static(b"123456789")).unwrap();
    assert!(matches!(client.finish_body(), Err(Misuse::BodyMismatch(_))));
    // Other commands wait for it.
    client.send(Command::Noop).unwrap();
    client.send_body(&mut Bytes::from_static(b"0")).unwrap();
    client.finish_body().unwrap();
    assert_eq!(drain_text(&mut client), "b.1 APPEND INBOX {10+}\r\n1234567890\r\nb.2 NOOP\r\n");
    assert!(client.send_body(&mut Bytes::from_static(b"x")).is_err());
}

#[test]
fn an_append_that_is_refused_midway_is_still_sent_in_full() {
    let mut client = logged_in("IMAP4rev1 LITERAL+");
    let append = client.send(Command::Append(Append::streamed(MailboxName::INBOX, 10))).unwrap();
    feed(&mut client, b"");
    client.send_body(&mut Bytes::from_static(b"12345")).unwrap();
    drain(&mut client);
    // The server reads on all the same: the caller sees the answer when the message is out.
    assert_eq!(feed(&mut client, b"b.1 NO [OVERQUOTA] full\r\n"), []);
    client.send_body(&mut Bytes::from_static(b"67890")).unwrap();
    client.finish_body().unwrap();
    let found = feed(&mut client, b"");
    assert!(
        matches!(&found[..], [Event::Reply { ticket, reply, .. }] if *ticket == append && !reply.is_ok())
    );
    assert_eq!(drain_text(&mut client), "67890\r\n");
}

/// As after an answer that does parse: the server reads as many bytes as were announced.
#[test]
fn an_append_that_is_answered_by_nonsense_midway_is_still_sent_in_full() {
    let mut client = logged_in("IMAP4rev1 LITERAL+");
    let append = client.send(Command::Append(Append::streamed(MailboxName::INBOX, 10))).unwrap();
    feed(&mut client, b"");
    client.send_body(&mut Bytes::from_static(b"12345")).unwrap();
    drain(&mut client);
    client.send(Command::Noop).unwrap();
    assert_eq!(feed(&mut client, b"b.1 WELL full\r\n"), []);
    assert_eq!(drain_text(&mut client), "", "it would stand in the message");
    client.send_body(&mut Bytes::from_static(b"67890")).unwrap();
    client.finish_body().unwrap();
    let found = feed(&mut client, b"");
    assert!(matches!(&found[..], [Event::Malformed { ticket: Some(ticket), .. }] if *ticket == append));
    assert_eq!(drain_text(&mut client), "67890\r\nb.2 NOOP\r\n");
    assert!(matches!(&feed(&mut client, b"b.2 OK done\r\n")[..], [Event::Reply { .. }]));
}

#[test]
fn a_message_in_memory_is_sent_by_itself_without_a_copy() {
    let mut client = logged_in("IMAP4rev1");
    let message = Bytes::from(vec![b'm'; 10_000]);
    client.send(Command::Append(Append::inline(MailboxName::INBOX, message.clone()))).unwrap();
    assert_eq!(drain_text(&mut client), "b.1 APPEND INBOX {10000}\r\n");
    assert_eq!(feed(&mut client, b"+ go\r\n"), []);
    assert_eq!(client.output().chunk().as_ptr(), message.as_ptr());
    client.output().advance(10_000);
    assert_eq!(drain_text(&mut client), "\r\n");
    assert_eq!(feed(&mut client, b"b.1 OK done\r\n").len(), 1);
}

#[test]
fn chunks_are_slices_of_the_input_and_of_what_was_given() {
    let mut client = selected("IMAP4rev1 LITERAL+");
    let mut text = b"* 5 FETCH (UID 77 BODY[1.2.HEADER]<10> {100000}\r\n".to_vec();
    let start = text.len();
    text.extend_from_slice(&[b'x'; 100_000]);
    text.extend_from_slice(b" FLAGS ())\r\n");
    let mut input = BytesMut::from(&text[..]);
    let place = input.as_ptr() as usize + start;
    let Event::BodyStart(begun) = event(&mut client, &mut input) else { panic!() };
    assert_eq!((begun.number, begun.uid, begun.length), (SeqNumber::new(5), Uid::new(77), 100_000));
    let BodyItem::Section { section, origin: Some(10) } = &begun.item else { panic!("{begun:?}") };
    assert_eq!(section.part().len(), 2);
    let Event::BodyChunk(chunk) = event(&mut client, &mut input) else { panic!() };
    assert_eq!((chunk.as_ptr() as usize, chunk.len()), (place, 100_000));
    assert!(matches!(event(&mut client, &mut input), Event::BodyEnd));
    let Event::Data { data: Untagged::Fetch(fetch), deviations, .. } = event(&mut client, &mut input) else {
        panic!()
    };
    assert_eq!((fetch.items.len(), deviations.len()), (3, 0));

    client.send(Command::Append(Append::streamed(MailboxName::INBOX, 5000))).unwrap();
    feed(&mut client, b"");
    let line = client.output().chunk().len();
    client.output().advance(line);
    let mut given = Bytes::from(vec![b'm'; 5000]);
    let place = given.as_ptr();
    client.send_body(&mut given).unwrap();
    assert_eq!(client.output().chunk().as_ptr(), place);
}

#[test]
fn what_a_streamed_literal_belongs_to() {
    let start = |item: &str| {
        let mut client = selected("IMAP4rev1");
        let text =
            [format!("* 1 FETCH ({item} {{70000}}\r\n").as_bytes(), &[b'x'; 70_000], b")\r\n"].concat();
        match feed(&mut client, &text).swap_remove(0) {
            Event::BodyStart(start) => Some(start.item),
            _ => None,
        }
    };
    let section = |section| Some(BodyItem::Section { section, origin: None });
    assert_eq!(start("BODY[]"), section(Section::WHOLE));
    assert_eq!(start("FLAGS (\\Seen) body[text]"), section(Section::TEXT));
    assert_eq!(start("RFC822"), Some(BodyItem::Rfc822));
    assert_eq!(start("UID 1 RFC822.TEXT"), Some(BodyItem::Rfc822Text));
    assert_eq!(
        start("RFC822.HEADER "),
        Some(BodyItem::Rfc822Header),
        "with the space too many of some servers"
    );
    assert!(matches!(start("BINARY[1.2]"), Some(BodyItem::Binary { .. })));
    // What stands in a string before it does not matter.
    assert_eq!(
        start("ENVELOPE (NIL \"BODY[] ((\" NIL NIL NIL NIL NIL NIL NIL NIL) BODY[]"),
        section(Section::WHOLE)
    );
    assert_eq!(start("X-FOO"), None);
    assert_eq!(start("ENVELOPE (NIL"), None);
    let _ = FetchAtt::MESSAGE;
}

#[test]
fn idle() {
    let mut client = selected("IMAP4rev1 IDLE");
    assert!(client.done().is_err());
    client.send(Command::Idle).unwrap();
    assert_eq!(drain_text(&mut client), "b.2 IDLE\r\n");
    // Not before the server said +.
    client.done().unwrap();
    assert!(client.output().is_empty());
    assert_eq!(feed(&mut client, b"* 4 EXISTS\r\n+ idling\r\n").len(), 1);
    assert_eq!(drain_text(&mut client), "DONE\r\n");
    assert_eq!(feed(&mut client, b"b.2 OK done\r\n").len(), 1);
    // It is not answered with DONE twice, and can be refused.
    client.send(Command::Idle).unwrap();
    drain(&mut client);
    feed(&mut client, b"+ \r\n");
    client.done().unwrap();
    client.send(Command::Noop).unwrap();
    assert_eq!(drain_text(&mut client), "DONE\r\n");
    feed(&mut client, b"b.3 OK done\r\n");
    assert_eq!(drain_text(&mut client), "b.4 NOOP\r\n");
    feed(&mut client, b"b.4 OK done\r\n");
    client.send(Command::Idle).unwrap();
    drain(&mut client);
    assert_eq!(feed(&mut client, b"b.5 NO not now\r\n").len(), 1);
    assert!(client.done().is_err());
}

#[test]
fn the_end() {
    // BYE, and then the end of the stream.
    let mut client = selected("IMAP4rev1");
    assert_eq!(feed(&mut client, b"* BYE idle for too long\r\n").len(), 1);
    assert_eq!(client.state(), State::Logout);
    assert!(client.send(Command::Noop).is_err());
    client.handle_eof();
    assert_eq!(client.next_event(&mut BytesMut::new()), Ok(Next::Closed));
    // A greeting that is BYE: what waits is told not to have been sent.
    let mut client = common::client(Channel::Tls);
    let ticket = client.send(command("LOGIN a b")).unwrap();
    let found = feed(&mut client, b"* BYE busy\r\n");
    assert!(
        matches!(&found[..], [Event::Greeting { .. }, Event::NotSent { ticket: waiting, .. }] if *waiting == ticket)
    );
    assert_eq!(client.next_event(&mut BytesMut::new()), Ok(Next::Closed));
    // LOGOUT whose completion does not come.
    let mut client = selected("IMAP4rev1");
    client.send(Command::Logout).unwrap();
    drain(&mut client);
    feed(&mut client, b"* BYE bye\r\n");
    client.handle_eof();
    assert_eq!(client.next_event(&mut BytesMut::new()), Ok(Next::Closed));
}

#[test]
fn bare_line_feeds_of_a_server() {
    let mut client = client(Channel::Tls);
    let found = feed(&mut client, b"* OK [CAPABILITY IMAP4rev1] hi\n* OK more\n");
    let Event::Greeting { deviations, .. } = &found[0] else { panic!() };
    assert_eq!(deviations[0].name, "bare-lf");
    let mut config = client_config(Channel::Tls);
    config.dialect = mailwire_core::Dialect::Strict;
    let mut client = client::Connection::new(config);
    let (_, last) = events(&mut client, &mut BytesMut::from("* OK hi\n"));
    assert!(last.is_err());
}

#[test]
fn noise_between_commands_has_an_end() {
    let mut client = client_within(|limits| limits.noise = 3);
    feed(&mut client, b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n* LIST\r\n* LIST\r\n* LIST\r\n* 1 EXISTS\r\n");
    let found = feed(&mut client, b"* LIST\r\n* LIST\r\n* LIST\r\n");
    assert!(found.iter().all(|event| matches!(event, Event::Malformed { ticket: None, .. })), "{found:?}");
    let error = client.next_event(&mut BytesMut::from("* LIST\r\n")).unwrap_err();
    assert!(matches!(error, mailwire_core::Error::LimitExceeded { limit: 3, .. }), "{error}");
}

/// RFC 7889: what the server does not take is not sent.
#[test]
fn a_message_beyond_the_limit_is_not_sent() {
    let append = |mailbox: &str, length| Append::streamed(MailboxName::new(mailbox).unwrap(), length);
    let refused = |client: &mut client::Connection, mailbox: &str, length| {
        let result = client.send(Command::Append(append(mailbox, length)));
        let refused = result
            .as_ref()
            .is_err_and(|error| error.reason == Misuse::NotOffered(mailwire_core::NotOffered::MessageSize));
        assert!(refused || result.is_ok(), "{result:?}");
        refused
    };
    let mut client = logged_in("IMAP4rev1 APPENDLIMIT=1000");
    assert!(refused(&mut client, "INBOX", 1001));
    assert_eq!(drain_text(&mut client), "");
    let mut client = logged_in("IMAP4rev1 APPENDLIMIT=1000");
    assert!(!refused(&mut client, "INBOX", 1000));
    // Of single mailboxes, which may have more.
    let mut client = logged_in("IMAP4rev1 APPENDLIMIT=1000");
    feed(&mut client, b"* STATUS small (APPENDLIMIT 10)\r\n* STATUS Large (MESSAGES 1 APPENDLIMIT NIL)\r\n");
    assert!(refused(&mut client, "small", 11) && refused(&mut client, "INBOX", 1001));
    assert!(!refused(&mut client, "Large", 5000));
    // What is kept of them has an end.
    let mut client = logged_in("IMAP4rev1 APPENDLIMIT");
    for number in 0..1000 {
        feed(&mut client, format!("* STATUS box{number} (APPENDLIMIT 10)\r\n").as_bytes());
    }
    assert!(refused(&mut client, "box999", 11));
    assert!(!refused(&mut client, "box0", 11));
    // Nor when its turn comes.
    let mut client = common::client(Channel::Tls);
    client.send(Command::Append(append("INBOX", 1001))).unwrap();
    let found = feed(&mut client, b"* PREAUTH [CAPABILITY IMAP4rev1 APPENDLIMIT=1000] hi\r\n");
    assert!(found.iter().any(|event| matches!(event, Event::NotSent { .. })), "{found:?}");
    assert_eq!(drain_text(&mut client), "");
}
