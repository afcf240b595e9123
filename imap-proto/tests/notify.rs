//! NOTIFY and INPROGRESS, beside what the transcript shows.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod common;

use common::*;
use mailwire_core::{Channel, Dialect, Misuse, NotOffered, WrongAnswer, WrongState};
use mailwire_imap::{
    Capability,
    command::{Command, FetchAtt, Request},
    extensions::notify::{EventGroup, MailboxFilter, Notify, NotifyEvent as Event},
    response::{Code, Response, Untagged},
    server,
};

fn serving_notify() -> server::Connection {
    let mut config = server_config(Channel::Tls);
    config.add_capabilities([Capability::Notify]).unwrap();
    serving_with(config)
}

#[test]
fn events_that_do_not_go_together_are_refused() {
    let new = || Event::MessageNew(vec![]);
    let both = || vec![new(), Event::MessageExpunge];
    for groups in [
        vec![],
        vec![EventGroup::new(MailboxFilter::Personal, [new()])],
        vec![EventGroup::new(MailboxFilter::Personal, [Event::MessageExpunge])],
        vec![EventGroup::new(MailboxFilter::Personal, [Event::FlagChange, new()])],
        vec![EventGroup::new(MailboxFilter::Selected, [Event::MailboxName])],
        vec![EventGroup::new(MailboxFilter::Mailboxes(vec![]), both())],
        vec![
            EventGroup::new(MailboxFilter::Selected, both()),
            EventGroup::new(MailboxFilter::SelectedDelayed, both()),
        ],
        vec![EventGroup::new(
            MailboxFilter::Inboxes,
            [Event::MessageNew(vec![FetchAtt::Uid]), Event::MessageExpunge],
        )],
    ] {
        assert!(Notify::set(groups.clone()).is_err(), "{groups:?}");
    }
    for line in [
        "NOTIFY",
        "NOTIFY SOME",
        "NOTIFY SET",
        "NOTIFY SET STATUS",
        "NOTIFY SET (PERSONAL (MessageNew))",
        "NOTIFY SET (SELECTED (MailboxName))",
        "NOTIFY SET (SELECTED ())",
        "NOTIFY SET (NOWHERE NONE)",
        "NOTIFY SET (SUBTREE () NONE)",
        "NOTIFY SET (PERSONAL (MessageNew (UID) MessageExpunge))",
        "NOTIFY SET (SELECTED NONE) (SELECTED-DELAYED NONE)",
    ] {
        let mut server = serving_notify();
        feed(&mut server, format!("a {line}\r\n").as_bytes());
        let answer = drain_text(&mut server);
        assert!(answer.starts_with("a BAD "), "{line}: {answer}");
    }
}

#[test]
fn names_are_those_of_the_rfc_in_any_case() {
    let line = "a notify set status (selected-delayed (messagenew (uid flags) messageexpunge flagchange)) \
                (mailboxes {3+}\r\na b (annotationchange messagenew messageexpunge mailboxname \
                subscriptionchange mailboxmetadatachange servermetadatachange x-other))";
    let request = Request::parse(&line.into(), Dialect::Strict).unwrap().value;
    let Command::Notify(notify) = &request.command else { panic!("{request:?}") };
    assert!(notify.status() && !notify.expunges_at_any_time());
    let [here, there] = notify.groups() else { panic!("{notify:?}") };
    assert_eq!(here.mailboxes, MailboxFilter::SelectedDelayed);
    assert_eq!(there.events.len(), 8);
    assert!(matches!(there.events.last(), Some(Event::Other(name)) if name.as_bytes() == b"x-other"));
}

#[test]
fn a_client_asks_only_where_it_is_offered() {
    let reason = logged_in("IMAP4rev2").send(command("NOTIFY NONE")).unwrap_err().reason;
    assert_eq!(reason, Misuse::NotOffered(NotOffered::Extension("NOTIFY")));
    let mut client = logged_in("IMAP4rev1 NOTIFY");
    let modseq = command("NOTIFY SET (SELECTED (MessageNew (MODSEQ) MessageExpunge))");
    let reason = client.send(modseq).unwrap_err().reason;
    assert_eq!(reason, Misuse::NotOffered(NotOffered::Extension("CONDSTORE")));
    client.send(command("NOTIFY NONE")).unwrap();
    assert_eq!(drain_text(&mut client), "b.1 NOTIFY NONE\r\n");
}

#[test]
fn expunge_comes_between_commands_only_where_it_was_asked_for() {
    let gone = || untagged("* 1 EXPUNGE");
    let expunge = |server: &mut server::Connection| server.notify(gone()).map_err(|refused| refused.reason);
    let in_use = Err(Misuse::WrongState(WrongState::NumbersInUse));
    let both = "(MessageNew MessageExpunge)";
    for (events, permitted) in [
        ("NONE".to_owned(), false),
        (format!("SET (SELECTED-DELAYED {both})"), false),
        (format!("SET (PERSONAL {both})"), false),
        ("SET (SELECTED NONE)".to_owned(), false),
        (format!("SET (SELECTED {both})"), true),
    ] {
        let mut server = serving_notify();
        done(&mut server, "a SELECT INBOX");
        assert_eq!(expunge(&mut server), in_use);
        // A refusal changes nothing.
        let ticket = take(&mut server, &format!("b NOTIFY {events}"));
        server.reply(ticket, status("NO no")).unwrap();
        assert_eq!(expunge(&mut server), in_use, "{events}");
        done(&mut server, &format!("c NOTIFY {events}"));
        assert_eq!(expunge(&mut server), if permitted { Ok(()) } else { in_use }, "{events}");
        // The numbers of a command are what they were when it was sent.
        take(&mut server, "d FETCH 1 FLAGS");
        assert_eq!(expunge(&mut server), in_use, "{events}");
    }
    let mut server = serving_notify();
    done(&mut server, &format!("a NOTIFY SET (SELECTED {both})"));
    server.notify(untagged("* OK [NOTIFICATIONOVERFLOW] too much")).unwrap();
    assert_eq!(expunge(&mut server), in_use);
}

#[test]
fn progress_is_no_end() {
    let mut server = serving();
    let ticket = take(&mut server, "a NOOP");
    let reason = server.reply(ticket, status("OK [INPROGRESS] soon")).unwrap_err().reason;
    assert_eq!(reason, Misuse::WrongAnswer(WrongAnswer::NotFinal));
    for (code, plausible) in [
        ("INPROGRESS (NIL NIL NIL)", true),
        ("INPROGRESS (\"a\" NIL NIL)", true),
        ("INPROGRESS (\"a\" 175 NIL)", true),
        ("INPROGRESS (\"a\" 5 4)", false),
    ] {
        let Response::Untagged(Untagged::Reply(reply)) = response(format!("* OK [{code}] x").as_bytes())
        else {
            panic!()
        };
        let Some(Code::InProgress(Some(progress))) = &reply.code else { panic!("{reply:?}") };
        assert_eq!(progress.is_plausible(), plausible, "{code}");
        assert_eq!(reply.code.as_ref().unwrap().to_string(), code);
    }
    for wrong in ["(NIL)", "(NIL NIL 5)", "(NIL 1 0)", "(NIL -1 NIL)", "(\"a\" 4294967296 NIL)", "(a 1 2)"] {
        let line = format!("* OK [INPROGRESS {wrong}] x");
        assert!(Response::parse(&line.clone().into(), Dialect::Strict).is_err(), "{line}");
        // It is no more than a sign of life, and is lost alone.
        assert!(Response::parse(&line.into(), Dialect::Lenient).is_ok());
    }
}

/// RFC 5465 section 8: `BADEVENT` has at least one event.
#[test]
fn a_list_of_no_events_is_none() {
    let reply =
        |line: &'static str, dialect| Response::parse(&bytes::Bytes::from_static(line.as_bytes()), dialect);
    assert!(reply("* NO [BADEVENT ()] not that", Dialect::Strict).is_err());
    let found = reply("* NO [BADEVENT ()] not that", Dialect::Lenient).unwrap().value;
    let mut out = Vec::new();
    found.write(&mut out);
    assert_eq!(out, b"* NO not that\r\n");
    reply("* NO [BADEVENT (MessageNew)] not that", Dialect::Strict).unwrap();
}
