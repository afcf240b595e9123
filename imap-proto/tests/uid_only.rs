//! Sessions without sequence numbers (RFC 9586), and mailboxes in batches (RFC 10022): what the machines
//! refuse, and when. The examples of the RFCs are a transcript.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use common::*;
use mailwire_core::{Channel, Dialect, Misuse, NotOffered, WrongState};
use mailwire_imap::{
    Capability,
    client::{self, Event},
    response::{FetchData, MsgAtt, Response, Untagged},
    server,
    types::Uid,
    view::{Doubt, News, Numbering, View},
};

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

/// A server with UIDONLY, a mailbox selected.
fn serving_uids(enabled: bool) -> server::Connection {
    let mut config = server_config(Channel::Tls);
    let offered = [Capability::UidOnly, Capability::UidBatches, Capability::QResync];
    config.add_capabilities(offered.clone()).unwrap();
    config.enable = offered.iter().cloned().collect();
    let mut server = serving_with(config);
    if enabled {
        feed(&mut server, b"a ENABLE UIDONLY QRESYNC\r\n");
        assert_eq!(drain_text(&mut server), "* ENABLED UIDONLY QRESYNC\r\na OK done\r\n");
    }
    assert_eq!(server.is_uid_only(), enabled);
    done(&mut server, "s SELECT x");
    server
}

/// A client that has enabled UIDONLY, a mailbox selected.
fn selected_by_uid() -> client::Connection {
    let mut client = selected("IMAP4rev2 UIDONLY UIDBATCHES QRESYNC");
    client.send(command("ENABLE UIDONLY QRESYNC")).unwrap();
    drain(&mut client);
    feed(&mut client, b"* ENABLED UIDONLY QRESYNC\r\nb.2 OK done\r\n");
    client
}

const NUMBERED: [&str; 9] = [
    "FETCH 1 FLAGS",
    "STORE 1:* FLAGS ()",
    "SEARCH ALL",
    "SEARCH UID 5",
    "UID SEARCH 1:5",
    "UID SEARCH NOT 1:5",
    "COPY 1 x",
    "MOVE * x",
    "SELECT x (QRESYNC (1 5 1:9 (1 4)))",
];

const BY_UID: [&str; 6] = [
    "UID FETCH 1:* FLAGS",
    "UID STORE 1 FLAGS ()",
    "UID SEARCH UID 1:5",
    "UID MOVE 1 x",
    "EXPUNGE",
    "SELECT x (QRESYNC (1 5 1:9))",
];

#[test]
fn a_client_names_no_message_by_its_number() {
    for line in NUMBERED {
        let error = selected_by_uid().send(command(line)).unwrap_err();
        assert_eq!(error.reason, Misuse::WrongState(WrongState::UidRequired), "{line}");
    }
    for line in BY_UID {
        selected_by_uid().send(command(line)).unwrap();
    }
    // Not before the server has said so; a command that waits for that is not sent then.
    let mut client = selected("IMAP4rev2 UIDONLY");
    client.send(command("ENABLE UIDONLY")).unwrap();
    let ticket = client.send(command("FETCH 1 FLAGS")).unwrap();
    drain(&mut client);
    let events = feed(&mut client, b"* ENABLED UIDONLY\r\nb.2 OK done\r\n");
    let reason = Misuse::WrongState(WrongState::UidRequired);
    assert!(events.contains(&Event::NotSent { ticket, reason }), "{events:?}");
    let error = selected("IMAP4rev2").send(command("UIDBATCHES 500")).unwrap_err();
    assert_eq!(error.reason, Misuse::NotOffered(NotOffered::Extension("UIDBATCHES")));
}

#[test]
fn a_server_takes_no_number() {
    for line in NUMBERED {
        let answer = refused(&mut serving_uids(true), &format!("a {line}"));
        assert!(answer.starts_with("a BAD [UIDREQUIRED] "), "{line}: {answer}");
    }
    for line in BY_UID {
        take(&mut serving_uids(true), &format!("a {line}"));
    }
    take(&mut serving_uids(false), "a FETCH 1 FLAGS");
}

#[test]
fn a_server_says_no_number() {
    let refuses = |enabled, line: &str, reason| {
        let mut server = serving_uids(enabled);
        take(&mut server, "a NOOP");
        let error = server.notify(untagged(line)).unwrap_err();
        assert_eq!(error.reason, Misuse::WrongState(reason), "{line}");
    };
    refuses(true, "* 1 EXPUNGE", WrongState::UidRequired);
    refuses(true, "* 1 FETCH (UID 5 FLAGS ())", WrongState::UidRequired);
    refuses(false, "* 5 UIDFETCH (FLAGS ())", WrongState::NotEnabled("UIDONLY"));
    refuses(false, "* VANISHED 5", WrongState::NotEnabled("QRESYNC"));
    let mut server = serving_uids(true);
    take(&mut server, "a NOOP");
    for line in ["* 5 UIDFETCH (FLAGS ())", "* VANISHED 5", "* 9 EXISTS"] {
        server.notify(untagged(line)).unwrap();
    }
}

#[test]
fn large_literals() {
    let mut client = selected_by_uid();
    client.send(command("UID FETCH 7 (BODY[TEXT] BODY[HEADER])")).unwrap();
    drain(&mut client);
    let body = "x".repeat(70_000);
    let line = format!("* 7 UIDFETCH (BODY[TEXT] {{70000}}\r\n{body} BODY[HEADER] {{70000}}\r\n{body})\r\n");
    let events = feed(&mut client, line.as_bytes());
    let starts = events.iter().filter(|event| match event {
        Event::BodyStart(start) => {
            assert_eq!((start.number, start.uid, start.length), (None, Some(uid(7)), 70_000));
            true
        }
        _ => false,
    });
    assert_eq!(starts.count(), 2, "{events:?}");
    assert!(matches!(events.last(), Some(Event::Data { data: Untagged::Fetch(fetch), .. })
        if fetch.uid == Some(uid(7)) && fetch.number.is_none()));
}

#[test]
fn identifiers_that_cannot_be() {
    let parse = |line: &str, dialect| Response::parse(&bytes::Bytes::from(line.to_owned()), dialect);
    for line in ["* 0 UIDFETCH (FLAGS ())", "* 5 UIDFETCH", "* 4294967296 UIDFETCH (FLAGS ())"] {
        assert!(parse(line, Dialect::Strict).is_err(), "{line}");
    }
    // Of no message: it is not handed out.
    let events = feed(&mut selected_by_uid(), b"* 0 UIDFETCH (FLAGS ())\r\n");
    assert!(matches!(events[..], [Event::Malformed { .. }]), "{events:?}");
    for line in ["UIDBATCHES 0", "UIDBATCHES", "UIDBATCHES 500 1", "UIDBATCHES 500 0:1", "UIDBATCHES 500 1:*"]
    {
        assert!(refused(&mut serving_uids(false), &format!("a {line}")).starts_with("a BAD"), "{line}");
    }
    for line in ["* UIDBATCHES 5:1", "* UIDBATCHES (TAG \"a\") 5", "* UIDBATCHES (TAG \"a\") 5:1,"] {
        assert!(parse(line, Dialect::Strict).is_err(), "{line}");
    }
}

#[test]
fn batches_that_are_too_small_or_too_many() {
    for (line, answer) in [
        ("UIDBATCHES 499", "a NO [TOOFEW]"),
        ("UIDBATCHES 1000 1:101", "a NO [TOOMANY]"),
        ("UIDBATCHES 4294967295 1:4294967295", "a NO [TOOMANY]"),
    ] {
        let told = refused(&mut serving_uids(false), &format!("a {line}"));
        assert!(told.starts_with(answer), "{line}: {told}");
    }
    take(&mut serving_uids(false), "a UIDBATCHES 1000 1:100");
}

#[test]
fn a_view_of_identifiers() {
    let mut view = View::with_uids([(uid(3), uid(5))], Numbering::UidOnly);
    assert_eq!(view.apply(&untagged("* 4 UIDFETCH (FLAGS ())")), News::Flags { uid: uid(4) });
    assert_eq!(
        view.apply(&untagged("* VANISHED 4")),
        News::Vanished { uids: vec![(uid(4), uid(4))], unknown: 0 }
    );
    assert_eq!((view.len(), view.doubt()), (2, None));
    view.apply(&Untagged::Fetch(FetchData::by_uid(uid(3), vec![MsgAtt::Uid(uid(9))])));
    assert_eq!(view.doubt(), Some(Doubt::OtherUid));
    let mut view = View::with_uids([(uid(3), uid(5))], Numbering::Numbers);
    view.set_numbering(Numbering::UidOnly);
    view.apply(&untagged("* 1 FETCH (FLAGS ())"));
    assert_eq!(view.doubt(), Some(Doubt::Numbered));
}

/// SAVELIMIT (RFC 9738), as far as a client can count.
#[test]
fn a_client_saves_no_more_than_the_limit() {
    let too_many = Misuse::NotOffered(NotOffered::MessageCount);
    for limit in ["SAVELIMIT=5", "MESSAGELIMIT=5", "MESSAGELIMIT=9 SAVELIMIT=5"] {
        let mut client = selected(&format!("IMAP4rev1 {limit}"));
        for line in ["COPY 1:6 x", "COPY 9,1:3,2:5,8 x"] {
            assert_eq!(client.send(command(line)).unwrap_err().reason, too_many, "{line}");
        }
        // Of identifiers some need not be there.
        for line in ["COPY 1:5 x", "COPY 1:3,2:5 x", "COPY 1:* x", "UID COPY 1:6 x"] {
            client.send(command(line)).unwrap();
        }
    }
    selected("IMAP4rev1 MESSAGELIMIT=6").send(command("COPY 1:6 x")).unwrap();
}
