//! How a server's machine behaves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::{Buf, Bytes, BytesMut};
use common::*;
use mailwire_core::{Channel, Connection, Dialect, Misuse, Next, SaslStep, Secret};
use mailwire_imap::{
    command::Command,
    response::{FetchData, MsgAtt, SectionData, Untagged},
    server::{self, Event, State},
    types::{Data, Section, SeqNumber},
};

#[test]
fn commands_belong_to_states() {
    let mut server = server(Channel::Tls);
    assert!(drain_text(&mut server).starts_with("* OK [CAPABILITY IMAP4rev1 IMAP4rev2 "));
    for line in [
        "a SELECT x",
        "a LIST \"\" *",
        "a APPEND x {5}",
        "a IDLE",
        "a ENABLE X",
        "a FETCH 1 FLAGS",
        "a CLOSE",
    ] {
        assert_eq!(refused(&mut server, line), "a BAD log in first\r\n", "{line}");
    }
    let ticket = take(&mut server, "a LOGIN fred foo");
    server.reply(ticket, status("NO [AUTHENTICATIONFAILED] no")).unwrap();
    assert_eq!(server.state(), State::NotAuthenticated);
    let ticket = take(&mut server, "a LOGIN fred foo");
    server.reply(ticket, status("OK yes")).unwrap();
    drain(&mut server);
    assert_eq!(server.state(), State::Authenticated);
    for line in ["a LOGIN fred foo", "a LOGIN {4}", "a AUTHENTICATE PLAIN", "a STARTTLS"] {
        assert_eq!(refused(&mut server, line), "a BAD already logged in\r\n", "{line}");
    }
    for line in ["a FETCH 1 FLAGS", "a UID SEARCH ALL", "a CLOSE", "a EXPUNGE", "a CHECK", "a UNSELECT"] {
        assert_eq!(refused(&mut server, line), "a BAD no mailbox is selected\r\n", "{line}");
    }
    done(&mut server, "a SELECT x");
    assert_eq!(server.state(), State::Selected);
    done(&mut server, "a FETCH 1 FLAGS");
    // A SELECT that fails leaves none selected.
    let ticket = take(&mut server, "a SELECT y");
    server.reply(ticket, status("NO no such mailbox")).unwrap();
    assert_eq!(server.state(), State::Authenticated);
    done(&mut server, "a SELECT x");
    done(&mut server, "a UNSELECT");
    assert_eq!(server.state(), State::Authenticated);
}

#[test]
fn what_does_not_parse_is_answered_and_disturbs_nothing() {
    let mut server = serving();
    for (line, answer) in [
        ("", "* BAD expected a tag\r\n"),
        (" NOOP", "* BAD expected a tag\r\n"),
        ("a", "* BAD expected a space\r\n"),
        ("a ", "a BAD expected a command\r\n"),
        ("+a NOOP", "* BAD expected a tag\r\n"),
        ("a WHATEVER 1 2", "a BAD unknown command\r\n"),
        ("a NOOP x", "a BAD expected the end of the line\r\n"),
        ("a SELECT", "a BAD expected a space\r\n"),
        ("a SELECT \"x", "a BAD a quoted string without its end\r\n"),
        ("a CREATE a\0b", "a BAD expected the end of the line\r\n"),
        ("a STATUS x ()", "a BAD an empty list of items\r\n"),
        ("a STORE 1 FLAGS (\\Recent)", "a BAD \\Recent cannot be stored\r\n"),
        ("a SEARCH WHO KNOWS", "a BAD no mailbox is selected\r\n"),
        ("a SEARCH -5", "a BAD not a search key\r\n"),
    ] {
        assert_eq!(refused(&mut server, line), answer, "{line}");
        done(&mut server, "b NOOP");
    }
    // A bare LF does not end a command.
    let found = feed(&mut server, b"a NOOP\nb NOOP\r\n");
    assert!(matches!(&found[..], [Event::Malformed { .. }, Event::Command { .. }]));
    let mut config = server_config(Channel::Tls);
    config.dialect = Dialect::Lenient;
    let mut server = serving_with(config);
    let found = feed(&mut server, b"a NOOP \n");
    assert!(matches!(&found[..], [Event::Command { deviations, .. }] if deviations.len() == 2), "{found:?}");
}

#[test]
fn one_command_at_a_time() {
    let mut server = serving();
    let mut input = BytesMut::from("a NOOP\r\nb NOOP\r\n");
    let Event::Command { ticket, .. } = event(&mut server, &mut input) else { panic!() };
    assert_eq!(server.next_event(&mut input), Ok(Next::Paused));
    assert_eq!(&input[..], b"b NOOP\r\n", "it is not even read");
    server.notify(Untagged::Exists(5)).unwrap();
    server.reply(ticket, status("OK one")).unwrap();
    assert_eq!(server.reply(ticket, status("OK again")).unwrap_err().reason, Misuse::UnknownTicket);
    let Event::Command { ticket, .. } = event(&mut server, &mut input) else { panic!() };
    server.reply(ticket, status("NO two")).unwrap();
    assert_eq!(drain_text(&mut server), "* 5 EXISTS\r\na OK one\r\nb NO two\r\n");
}

/// RFC 9051 section 7.5.1.
#[test]
fn expunge_waits_for_its_time() {
    let mut server = serving();
    done(&mut server, "a SELECT x");
    let expunge =
        |server: &mut server::Connection| server.notify(Untagged::Expunge(SeqNumber::new(1))).is_ok();
    assert!(!expunge(&mut server), "no command is in progress");
    for (line, allowed) in [
        ("a FETCH 1 FLAGS", false),
        ("a STORE 1 FLAGS ()", false),
        ("a SEARCH ALL", false),
        ("a UID FETCH 1 FLAGS", true),
        ("a UID STORE 1 FLAGS ()", true),
        ("a UID SEARCH ALL", true),
        ("a NOOP", true),
        ("a COPY 1 x", true),
        ("a IDLE", true),
    ] {
        let ticket = take(&mut server, line);
        assert_eq!(expunge(&mut server), allowed, "{line}");
        server.reply(ticket, status("NO no")).unwrap();
        drain(&mut server);
    }
}

#[test]
fn idle() {
    let mut server = serving();
    let ticket = take(&mut server, "a IDLE");
    server.accept_idle(ticket).unwrap();
    assert!(server.accept_idle(ticket).is_err());
    assert_eq!(server.next_event(&mut BytesMut::new()), Ok(Next::NeedInput));
    server.notify(Untagged::Exists(2)).unwrap();
    assert!(matches!(server.reply(ticket, status("OK done")).unwrap_err().reason, Misuse::WrongState(_)));
    assert_eq!(feed(&mut server, b"done\r\n"), [Event::IdleDone { ticket }]);
    server.reply(ticket, status("OK done")).unwrap();
    assert_eq!(drain_text(&mut server), "+ idling\r\n* 2 EXISTS\r\na OK done\r\n");
    // Something else than DONE ends it as well, and is no command: not even with a literal.
    for line in ["b NOOP", "DONE ", "", "b LOGIN {5}", "b LOGIN {5+}"] {
        let ticket = take(&mut server, "a IDLE");
        server.accept_idle(ticket).unwrap();
        assert_eq!(feed(&mut server, format!("{line}\r\n").as_bytes()), [Event::IdleDone { ticket }]);
        server.reply(ticket, status("OK done")).unwrap();
        assert_eq!(drain_text(&mut server), "+ idling\r\na BAD expected DONE\r\n");
    }
    done(&mut server, "b NOOP");
}

#[test]
fn authentication() {
    let mut server = server(Channel::Tls);
    drain(&mut server);
    assert_eq!(
        refused(&mut server, "a AUTHENTICATE GSSAPI"),
        "a NO [CANNOT] this mechanism is not offered\r\n"
    );
    let ticket = take(&mut server, "a authenticate plain");
    assert!(server.send_auth(SaslStep::Cancel).is_err());
    server.send_auth(SaslStep::Data(Secret::default())).unwrap();
    assert!(server.send_auth(SaslStep::Data(Secret::default())).is_err(), "the client's turn");
    assert!(server.reply(ticket, status("OK x")).is_err());
    assert_eq!(drain_text(&mut server), "+ \r\n");
    let found = feed(&mut server, b"AGEAYg==\r\n");
    assert!(
        matches!(&found[..], [Event::AuthResponse { step: SaslStep::Data(data), .. }] if data.expose() == b"\0a\0b")
    );
    server.reply(ticket, status("OK welcome")).unwrap();
    let said = drain_text(&mut server);
    assert!(said.starts_with("a OK [CAPABILITY IMAP4rev1 ") && !said.contains("AUTH="), "{said}");
    // What is not base64 is no step, whatever it looks like.
    for line in ["x NOOP", "{5}", "{5+}", "AAA=BBB", "=AAA", "*x", "A"] {
        let mut server = common::server(Channel::Tls);
        drain(&mut server);
        let ticket = take(&mut server, "a AUTHENTICATE PLAIN");
        server.send_auth(SaslStep::Data(Secret::default())).unwrap();
        drain(&mut server);
        let found = feed(&mut server, format!("{line}\r\n").as_bytes());
        let [Event::Malformed { ticket: Some(ended), bytes, .. }] = &found[..] else {
            panic!("{line}: {found:?}")
        };
        assert!(*ended == ticket && bytes.is_empty(), "{line}");
        assert!(drain_text(&mut server).starts_with("a BAD "));
        take(&mut server, "b NOOP");
    }
}

#[test]
fn literals_of_commands_go_on_by_themselves() {
    let mut server = serving();
    let mut input = BytesMut::from("a CREATE {3}\r\n");
    assert_eq!(server.next_event(&mut input), Ok(Next::NeedInput));
    assert_eq!(drain_text(&mut server), "+ go on\r\n");
    input.extend_from_slice(b"a b\r\n");
    assert!(
        matches!(event(&mut server, &mut input), Event::Command { command: Command::Create(create), .. } if create.mailbox == "a b")
    );
}

#[test]
fn appending() {
    let mut server = serving();
    let head = "a APPEND \"my {box}\" (\\Seen) \"17-Jul-1996 02:44:25 -0700\" ";
    // Accepted.
    let ticket = take(&mut server, &format!("{head}{{5}}"));
    assert_eq!(server.next_event(&mut BytesMut::new()), Ok(Next::Paused), "the application decides");
    assert!(server.reply(ticket, status("OK done")).is_err());
    server.accept_body(ticket).unwrap();
    assert!(server.accept_body(ticket).is_err());
    assert_eq!(drain_text(&mut server), "+ go on\r\n");
    let found = feed(&mut server, b"hello");
    assert!(
        matches!(&found[..], [Event::BodyStart { length: 5, .. }, Event::BodyChunk(chunk)] if chunk == "hello"),
        "{found:?}"
    );
    assert_eq!(feed(&mut server, b"\r\n"), [Event::BodyEnd { ticket }]);
    server.reply(ticket, status("OK [APPENDUID 1 2] done")).unwrap();
    assert_eq!(drain_text(&mut server), "a OK [APPENDUID 1 2] done\r\n");
    // Refused before it was sent.
    let ticket = take(&mut server, "a APPEND x {5}");
    server.reject_body(ticket, status("NO [TRYCREATE] none")).unwrap();
    assert_eq!(drain_text(&mut server), "a NO [TRYCREATE] none\r\n");
    take_and_end(&mut server);
    // Refused, and sent nevertheless, for it did not wait.
    let ticket = take_first(&mut server, b"a APPEND x {12+}\r\nc LOGOUT\r\n\r\n\r\n");
    server.reject_body(ticket.0, status("NO none")).unwrap();
    let mut rest = ticket.1;
    assert_eq!(server.next_event(&mut rest), Ok(Next::NeedInput));
    assert!(rest.is_empty());
    assert_eq!(drain_text(&mut server), "a NO none\r\n");
    take_and_end(&mut server);
    // Refused halfway.
    let ticket = take(&mut server, "a APPEND x {12}");
    server.accept_body(ticket).unwrap();
    feed(&mut server, b"c LOG");
    server.reply(ticket, status("NO [OVERQUOTA] full")).unwrap();
    assert_eq!(feed(&mut server, b"OUT\r\n\r\n\r\n"), []);
    assert_eq!(drain_text(&mut server), "+ go on\r\na NO [OVERQUOTA] full\r\n");
    take_and_end(&mut server);
    // Something follows the message.
    for tail in [" x\r\n", " {3+}\r\nabc\r\n", " (\\Seen) {3}\r\n", "x\n"] {
        let ticket = take(&mut server, "a APPEND x {2}");
        server.accept_body(ticket).unwrap();
        let found = feed(&mut server, format!("hi{tail}").as_bytes());
        assert!(matches!(found.last(), Some(Event::BodyRefused { .. })), "{tail:?} {found:?}");
        assert!(drain_text(&mut server).contains("a BAD "));
        take_and_end(&mut server);
    }
    // Heads that are none.
    for line in [
        "a APPEND",
        "a APPEND x",
        "a APPEND x \"hello\"",
        "a APPEND x y {5}",
        "a APPEND x (\\Recent) {5}",
        "a APPEND x ~{5}",
        "a APPEND x \"99-Jul-1996 02:44:25 -0700\" {5}",
    ] {
        assert!(refused(&mut server, line).starts_with("a BAD "), "{line}");
    }
}

fn take_first(server: &mut server::Connection, text: &[u8]) -> (mailwire_core::Ticket, BytesMut) {
    let mut input = BytesMut::from(text);
    match event(server, &mut input) {
        Event::Command { ticket, .. } => (ticket, input),
        other => panic!("{other:?}"),
    }
}

fn take_and_end(server: &mut server::Connection) {
    done(server, "z NOOP");
}

/// Whoever has refused an APPEND hears no more of it.
#[test]
fn nothing_is_told_of_a_message_after_the_answer() {
    for (append, after) in [
        ("a APPEND x {2+}\r\nhi\r\n", 1),
        ("a APPEND x CATENATE (URL y)\r\n", 1),
        ("a APPEND x CATENATE (TEXT {2+}\r\nhi URL y)\r\n", 4),
    ] {
        let mut config = server_config(Channel::Tls);
        config.accept_bodies = true;
        config.add_capabilities([mailwire_imap::Capability::Catenate]).unwrap();
        let mut server = serving_with(config);
        let mut input = BytesMut::from(format!("{append}b NOOP\r\n").as_bytes());
        let mut ticket = None;
        for _ in 0..after {
            let Ok(Next::Event(event)) = server.next_event(&mut input) else { panic!("{append}") };
            if let server::Event::Command { ticket: it, .. } = event {
                ticket = Some(it);
            }
        }
        server.reply(ticket.unwrap(), status("NO not now")).unwrap();
        let next = server.next_event(&mut input);
        assert!(
            matches!(next, Ok(Next::Event(server::Event::Command { command: Command::Noop, .. }))),
            "{append}: {next:?}"
        );
    }
}

#[test]
fn bodies_are_let_go_on_by_themselves_if_the_config_says_so() {
    let mut config = server_config(Channel::Tls);
    config.accept_bodies = true;
    let mut server = serving_with(config);
    let found = feed(&mut server, b"a APPEND {1}\r\nx {5}\r\n");
    assert!(matches!(&found[..], [Event::Command { .. }, Event::BodyStart { .. }]), "{found:?}");
    assert_eq!(drain_text(&mut server), "+ go on\r\n+ go on\r\n");
}

#[test]
fn chunks_are_slices_of_the_input_and_of_what_was_given() {
    let mut server = serving();
    let text = [b"a APPEND x {9000+}\r\n".as_slice(), &[b'm'; 9000], b"\r\n"].concat();
    let (ticket, mut input) = take_first(&mut server, &text);
    server.accept_body(ticket).unwrap();
    let place = input.as_ptr();
    assert!(matches!(event(&mut server, &mut input), Event::BodyStart { .. }));
    let Event::BodyChunk(chunk) = event(&mut server, &mut input) else { panic!() };
    assert_eq!((chunk.as_ptr(), chunk.len()), (place, 9000));
    assert!(matches!(event(&mut server, &mut input), Event::BodyEnd { .. }));
    server.reply(ticket, status("OK done")).unwrap();
    drain(&mut server);

    done(&mut server, "a SELECT x");
    take(&mut server, "a FETCH 1 BODY[]");
    let part = SectionData::new(Section::WHOLE, Data::Streamed { length: 9000 });
    let items = vec![MsgAtt::Section(Box::new(part)), MsgAtt::Rfc822Size(9000)];
    server.notify(Untagged::Fetch(FetchData::new(SeqNumber::MIN, items))).unwrap();
    let line = server.output().chunk().to_vec();
    assert_eq!(line, b"* 1 FETCH (BODY[] {9000}\r\n");
    server.output().advance(line.len());
    let mut given = Bytes::from(vec![b'm'; 9000]);
    let place = given.as_ptr();
    assert!(server.finish_body().is_err());
    server.send_body(&mut given).unwrap();
    server.finish_body().unwrap();
    assert_eq!(server.output().chunk().as_ptr(), place);
    server.output().advance(9000);
    assert_eq!(drain_text(&mut server), " RFC822.SIZE 9000)\r\n");
}

#[test]
fn logout_and_bye() {
    let mut server = serving();
    let ticket = take(&mut server, "a LOGOUT");
    assert!(server.reply(ticket, status("NO stay")).is_err());
    server.reply(ticket, status("OK bye")).unwrap();
    assert_eq!(drain_text(&mut server), "* BYE logging out\r\na OK bye\r\n");
    assert_eq!(server.next_event(&mut BytesMut::from("b NOOP\r\n")), Ok(Next::Closed));
    let mut server = serving();
    assert!(server.notify(untagged("* BYE shutting down")).is_err(), "there is one way");
    assert!(server.notify(untagged("* PREAUTH hello")).is_err());
    server.goodbye(status("OK shutting down")).unwrap();
    assert!(server.goodbye(status("OK again")).is_err());
    assert_eq!(server.next_event(&mut BytesMut::new()), Ok(Next::Closed), "the output waits still");
    assert_eq!(drain_text(&mut server), "* BYE shutting down\r\n");
    assert_eq!(server.next_event(&mut BytesMut::new()), Ok(Next::Closed));
    assert!(server.notify(Untagged::Exists(1)).is_err());
    let mut config = server_config(Channel::Tls);
    assert!(config.set_greeting(status("BAD x")).is_err());
    let mut server = server::Connection::refuse(config, status("NO [UNAVAILABLE] x"));
    assert_eq!(drain_text(&mut server), "* BYE [UNAVAILABLE] x\r\n");
    assert_eq!(server.state(), State::Logout);
    assert_eq!(server.next_event(&mut BytesMut::new()), Ok(Next::Closed));
    // A client that just goes.
    let mut server = serving();
    server.handle_eof();
    assert_eq!(server.next_event(&mut BytesMut::new()), Ok(Next::Closed));
}

#[test]
fn imap4rev2() {
    let mut server = serving();
    done(&mut server, "a SELECT x");
    let ticket = take(&mut server, "a SELECT y");
    assert!(server.output().is_empty());
    server.reply(ticket, status("OK done")).unwrap();
    drain(&mut server);
    assert_eq!(
        feed(&mut server, b"a ENABLE X-OTHER imap4rev2 IMAP4rev2\r\n"),
        [Event::Enabled(vec![mailwire_imap::Capability::Imap4Rev2])]
    );
    assert_eq!(drain_text(&mut server), "* ENABLED IMAP4rev2\r\na OK done\r\n");
    assert_eq!(feed(&mut server, b"a ENABLE X-OTHER\r\n"), []);
    assert_eq!(drain_text(&mut server), "* ENABLED\r\na OK done\r\n");
    let ticket = take(&mut server, "a SELECT \"Entw\u{fc}rfe\"");
    assert_eq!(drain_text(&mut server), "* OK [CLOSED] the previous mailbox is closed\r\n");
    server.reply(ticket, status("OK done")).unwrap();
}

#[test]
fn what_is_refused_is_told_apart_from_what_does_not_parse() {
    let mut server = serving();
    let found = feed(&mut server, b"a FETCH 1 FLAGS\r\n");
    let [Event::Refused { command, reply }] = &found[..] else { panic!("{found:?}") };
    assert_eq!((command.name(), &**reply), ("FETCH", &status("BAD no mailbox is selected")));
    assert_eq!(drain_text(&mut server), "a BAD no mailbox is selected\r\n");
    let found = feed(&mut server, b"a FETCH 1 (\r\n");
    assert!(matches!(&found[..], [Event::Malformed { ticket: None, .. }]), "{found:?}");
}

#[test]
fn a_step_that_is_not_base64_ends_its_exchange() {
    let mut server = server(Channel::Tls);
    drain(&mut server);
    let ticket = take(&mut server, "a AUTHENTICATE PLAIN");
    server.send_auth(mailwire_core::SaslStep::Data("".into())).unwrap();
    let found = feed(&mut server, b"!secret\r\n");
    let [Event::Malformed { ticket: Some(ended), bytes, .. }] = &found[..] else { panic!("{found:?}") };
    assert!(*ended == ticket && bytes.is_empty());
    assert!(server.reply(ticket, status("OK done")).is_err());
}

#[test]
fn failed_logins_are_counted() {
    let mut server = server_within(|limits| limits.auth_failures = 3);
    let ticket = take(&mut server, "a LOGIN a b");
    server.reply(ticket, status("NO wrong")).unwrap();
    // The client gives up by itself: that was a guess, too.
    take(&mut server, "b AUTHENTICATE PLAIN");
    server.send_auth(mailwire_core::SaslStep::Data("".into())).unwrap();
    feed(&mut server, b"*\r\n");
    drain(&mut server);
    let ticket = take(&mut server, "c LOGIN a b");
    server.reply(ticket, status("NO wrong")).unwrap();
    let error = server.next_event(&mut BytesMut::from("d LOGIN a b\r\n")).unwrap_err();
    assert!(matches!(error, mailwire_core::Error::LimitExceeded { limit: 3, .. }), "{error}");
    assert_eq!(drain_text(&mut server), "c NO wrong\r\n* BYE too many failed logins\r\n");
}

#[test]
fn what_the_machine_cannot_keep_is_not_offered() {
    let mut config = server_config(Channel::Tls);
    for name in ["LITERAL+", "AUTH=PLAIN", "STARTTLS"] {
        let capability = mailwire_imap::Capability::new(name).unwrap();
        assert!(config.add_capabilities([mailwire_imap::Capability::Quota, capability]).is_err(), "{name}");
    }
    assert!(!config.capabilities().has(&mailwire_imap::Capability::Quota), "nothing is changed");
}

#[test]
fn enable_is_answered_with_what_can_be_kept() {
    let capability = |name: &str| mailwire_imap::Capability::new(name).unwrap();
    let mut config = server_config(Channel::Tls);
    config.enable = ["UTF8=ACCEPT", "UTF8=ONLY", "CONDSTORE"].map(capability).into_iter().collect();
    let mut server = serving_with(config);
    feed(&mut server, b"a ENABLE UTF8=ACCEPT UTF8=ONLY CONDSTORE IMAP4rev2\r\n");
    assert_eq!(drain_text(&mut server), "* ENABLED CONDSTORE IMAP4rev2\r\na OK done\r\n");
}

/// RFC 5258 section 3.
#[test]
fn options_of_list() {
    for (line, answer) in [
        ("LIST (X-FOO) \"\" *", "a BAD unknown LIST option: X-FOO\r\n"),
        ("LIST (SUBSCRIBED) \"\" * RETURN (X-FOO)", "a BAD unknown LIST option: X-FOO\r\n"),
        ("LIST (RECURSIVEMATCH) \"\" *", "a BAD RECURSIVEMATCH needs another option\r\n"),
        ("LIST (REMOTE RECURSIVEMATCH) \"\" *", "a BAD RECURSIVEMATCH needs another option\r\n"),
    ] {
        assert_eq!(refused(&mut serving(), &format!("a {line}")), answer, "{line}");
    }
    take(&mut serving(), "a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" % RETURN (CHILDREN)");
}

/// What a lenient server takes from scripts, and a strict one does not.
#[test]
fn a_lenient_server() {
    for (dialect, line, answer) in [
        (Dialect::Strict, "a1", Some("* BAD expected a space\r\n")),
        (Dialect::Lenient, "a1", Some("a1 BAD expected a space\r\n")),
        (Dialect::Lenient, "", Some("* BAD expected a tag\r\n")),
        (Dialect::Strict, "a SEARCH  UNSEEN  FROM  x", Some("a BAD extra-space\r\n")),
        (Dialect::Lenient, "a SEARCH  UNSEEN  FROM  x", None),
        (Dialect::Lenient, "a UID SEARCH  RETURN  (MIN  MAX)  OR  SEEN  NOT  5 ", None),
    ] {
        let mut config = server_config(Channel::Tls);
        config.dialect = dialect;
        let mut server = serving_with(config);
        done(&mut server, "s SELECT x");
        match answer {
            Some(answer) => assert_eq!(refused(&mut server, line), answer, "{line}"),
            None => drop(take(&mut server, line)),
        }
    }
}

#[test]
fn a_mailbox_has_a_name_of_modified_utf7() {
    for line in ["a CREATE &", "a CREATE \"a&b\"", "a RENAME x \"&A\"", "a CREATE {2+}\r\n\u{e9}"] {
        let mut server = serving();
        assert_eq!(refused(&mut server, line), "a NO [CANNOT] the name is not modified UTF-7\r\n", "{line}");
    }
    for line in ["a CREATE &-", "a CREATE a&AOk-b", "a RENAME & x", "a DELETE &"] {
        take(&mut serving(), line);
    }
    // IMAP4rev2 has UTF-8.
    let mut server = serving();
    feed(&mut server, b"e ENABLE IMAP4rev2\r\n");
    take(&mut server, "a CREATE &");
}
