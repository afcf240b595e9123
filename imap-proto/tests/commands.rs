//! Commands of extensions that this crate does not know: they are kept as they came, written as they were,
//! and a server answers them in words.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::*;
use mailwire_core::{Channel, Dialect, Misuse};
use mailwire_imap::{
    command::{Command, Fetch, FetchAtt, OtherCommand, OtherItem, Request, Search, SearchKey, WriteOptions},
    deviation,
    response::{MsgAtt, Untagged},
    server::Event,
    types::{Atom, SequenceSet, UidSet, Value},
};

fn parse(line: &str, dialect: Dialect) -> Request {
    let parsed = Request::parse(&Bytes::from(format!("a {line}")), dialect);
    let parsed = parsed.unwrap_or_else(|error| panic!("{line}: {error}"));
    assert_eq!(parsed.deviations, [], "{line}");
    parsed.value
}

/// Known commands with something in them that is not known, and what that is.
const UNKNOWN: &[(&str, &str)] = &[
    (
        "SELECT \"a b\" (CONDSTORE X-KNOWN (1 2 41,43:211 (1:3 5:7)))",
        "unknown parameter of a command: X-KNOWN",
    ),
    ("EXAMINE INBOX (X-ANNOTATE)", "unknown parameter of a command: X-ANNOTATE"),
    ("CREATE Sent (X-USE (\\Drafts \\Sent))", "unknown CREATE parameter: X-USE"),
    ("DELETE x (X)", "unknown parameter of a command: X"),
    ("RENAME a b (X {3}\r\na\"b)", "unknown parameter of a command: X"),
    ("COPY 1:2 x (X-FAST 1)", "unknown parameter of a command: X-FAST"),
    ("UID MOVE 1:* x (X-FAST)", "unknown parameter of a command: X-FAST"),
    ("STATUS x (MESSAGES) (X-NOW)", "unknown parameter of a command: X-NOW"),
    ("LIST \"\" * RETURN (CHILDREN) (X)", "unknown parameter of a command: X"),
    ("FETCH 1:* FLAGS (X-PART -1:-30)", "unknown FETCH modifier: X-PART"),
    ("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 5 X-OWN)", "unknown FETCH modifier: X-OWN"),
    ("FETCH 1 (FLAGS X-PREVIEW (LAZY))", "unknown FETCH item: X-PREVIEW"),
    ("FETCH 1 (X-NOTE (/comment (value.priv \"a\")) UID)", "unknown FETCH item: X-NOTE"),
    ("FETCH 1 (X-BODY[1.2]<0.5> UID)", "unknown FETCH item: X-BODY"),
    ("STORE 1 (X-SINCE 5) FLAGS ()", "unknown STORE modifier: X-SINCE"),
    ("STORE 1 (UNCHANGEDSINCE 5 X-SINCE 5) FLAGS ()", "unknown STORE modifier: "),
    ("UID STORE 5 +X-LABELS (foo \"b c\")", "unknown STORE item: X-LABELS"),
    ("STORE 5 X-NOTE (/comment (value.priv NIL))", "unknown STORE item: X-NOTE"),
    ("SEARCH MODSEQ \"/comment\" all 620162338", "unknown search key: "),
    ("UID SEARCH UNSEEN X-YOUNGER 259200 FROM x", "unknown search key: X-YOUNGER"),
    ("SEARCH NOT X-RAW \"has:attachment in:unread\"", "unknown search key: X-RAW"),
    ("SEARCH (X-FUZZY (SUBJECT \"x\") SEEN) 5", "unknown search key: X-FUZZY"),
    ("SEARCH OR X-FOO 1 SEEN", "unknown search key: X-FOO"),
    ("SEARCH OR OR SEEN NOT X-FOO 1 SEEN", "unknown search key: OR"),
    ("SEARCH RETURN (X-PART 1:500) ALL", "unknown SEARCH result option: X-PART"),
    ("SEARCH RETURN (X-REL (a b) COUNT) ALL", "unknown SEARCH result option: X-REL"),
    ("LIST (X-META (DEPTH 1)) \"\" *", "unknown LIST option: X-META"),
    ("LIST \"\" * RETURN (X-META (/shared/x))", "unknown LIST option: X-META"),
    ("UID SORT (REVERSE X-DATE) UTF-8 ALL", "unknown sort key: X-DATE"),
    ("UID THREAD X-REFERENCES UTF-8 SINCE 5-MAR-2000", "unknown algorithm: X-REFERENCES"),
    ("UID X-PURGE 1:5", "unknown UID command: X-PURGE"),
    ("X-SORT (DATE) UTF-8 ALL", "unknown command"),
    ("X-GETMETA \"\" (/shared/comment)", "unknown command"),
];

#[test]
fn what_is_not_known_is_kept() {
    // A server reads messages as they come: see `server.rs`.
    const APPEND: &[(&str, &str)] = &[
        ("APPEND x X-CAT (URL \"/a\" TEXT {3}\r\nabc)", ""),
        ("APPEND x {3}\r\nabc X-CAT (URL /a)", ""),
        ("APPEND x X-UTF (~{3}\r\nabc)", ""),
    ];
    for (line, _) in UNKNOWN.iter().chain(APPEND) {
        let strict = parse(line, Dialect::Strict);
        assert_eq!(parse(line, Dialect::Lenient), strict, "{line}");
        let mut out = Vec::new();
        strict.write(WriteOptions::default(), &mut out);
        assert_eq!(
            out.escape_ascii().to_string(),
            format!("a {line}\r\n").escape_default().to_string().replace("\\'", "'")
        );
    }
    // What is wrong in the grammar of all extensions is an error.
    for line in [
        "SELECT INBOX (X",
        "SELECT INBOX (X))",
        "SELECT INBOX X",
        "FETCH 1 FLAGS (X \"a)",
        "FETCH 1 (FLAGS X-PREVIEW ())",
        "STORE 1 +",
        "STORE 1 5 (a)",
        "SEARCH UNSEEN 5x",
        "SEARCH -5",
        "SEARCH X-FOO (a",
        "UID",
        "UID (a)",
        "LOGIN a b (c)",
        "NOOP (a)",
        "UID SORT (DATE",
    ] {
        for dialect in [Dialect::Strict, Dialect::Lenient] {
            let parsed = Request::parse(&Bytes::from(format!("a {line}")), dialect);
            assert!(parsed.is_err(), "{line}: {parsed:?}");
        }
    }
    // However deep it goes.
    for open in ["SELECT x (X ", "FETCH 1 (X ", "SEARCH X ", "FETCH 1 UID (X ", "UID X "] {
        let line = format!("a {open}{}", "(".repeat(100_000));
        assert!(Request::parse(&Bytes::from(line), Dialect::Lenient).is_err());
    }
}

#[test]
fn a_server_that_does_not_know_it_says_so() {
    for (line, words) in UNKNOWN {
        let line = line.replace("{3}", "{3+}");
        let mut server = serving();
        done(&mut server, "s SELECT x");
        let found = feed(&mut server, format!("a {line}\r\n").as_bytes());
        assert!(matches!(&found[..], [Event::Refused { .. }]), "{line}: {found:?}");
        assert_eq!(drain_text(&mut server), format!("a BAD {}\r\n", words.trim_end_matches(": ")), "{line}");
        // The next one is unaffected.
        take(&mut server, "b NOOP");
    }
}

#[test]
fn its_application_may_know_it() {
    for (line, _) in UNKNOWN {
        let line = line.replace("{3}", "{3+}");
        let mut config = server_config(Channel::Tls);
        config.pass_unknown_commands = true;
        let mut server = serving_with(config);
        done(&mut server, "s SELECT x");
        let ticket = take(&mut server, &format!("a {line}"));
        server.reply(ticket, status("BAD not here")).unwrap();
        assert_eq!(drain_text(&mut server), "a BAD not here\r\n", "{line}");
        assert_eq!(server.state(), mailwire_imap::server::State::Selected, "{line}");
    }
}

#[test]
fn nothing_is_asked_before_its_state() {
    let mut config = server_config(Channel::Tls);
    config.pass_unknown_commands = true;
    let mut server = server_within(|_| ());
    feed(&mut server, b"a SELECT x (X-KNOWN)\r\n");
    assert_eq!(drain_text(&mut server), "a BAD log in first\r\n");
    let mut server = serving_with(config);
    feed(&mut server, b"a UID SORT (DATE) UTF-8 ALL\r\n");
    assert_eq!(drain_text(&mut server), "a BAD no mailbox is selected\r\n");
}

#[test]
fn members_with_arguments() {
    let item = OtherItem::new(Atom::new("X-FOO").unwrap())
        .with_arguments([Value::word("LAZY").unwrap(), Value::string("a\"\u{e9}").unwrap()]);
    let key = OtherItem::new(Atom::new("X-RAW").unwrap()).with_arguments([
        Value::string("has:attachment").unwrap(),
        Value::List(vec![Value::number(5), Value::List(vec![])]),
    ]);
    let fetch = Fetch::new(UidSet::all(), [FetchAtt::Other(item.clone())]);
    let search = Search::by_uid([SearchKey::Unseen, SearchKey::Other(key)]);
    for (command, text) in [
        (Command::Fetch(fetch), "a UID FETCH 1:* (X-FOO (LAZY {4}\r\na\"\u{e9}))\r\n"),
        (Command::Search(search), "a UID SEARCH UNSEEN X-RAW \"has:attachment\" (5 ())\r\n"),
    ] {
        let request = Request { tag: "a".try_into().unwrap(), command };
        let mut out = Vec::new();
        let written = request.write(WriteOptions::default(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), text);
        assert_eq!(written.waits.len(), text.matches("{4}").count());
        assert_eq!(parse(text.strip_prefix("a ").unwrap().trim_end(), Dialect::Strict), request);
    }
    let plain = Fetch::new(SequenceSet::all(), [FetchAtt::Other(Atom::new("X-FOO").unwrap().into())]);
    assert_eq!(parse("FETCH 1:* X-FOO", Dialect::Strict).command, Command::Fetch(plain));
}

#[test]
fn values_are_read_and_written() {
    let command = OtherCommand::new(Atom::new("X-SETMETA").unwrap(), "").unwrap().with_values([
        Value::word("INBOX").unwrap(),
        Value::List(vec![Value::word("/shared/comment").unwrap(), Value::string("two\r\nlines").unwrap()]),
    ]);
    assert_eq!(command.arguments(), "INBOX (/shared/comment {10}\r\ntwo\r\nlines)");
    let values = command.values().unwrap();
    assert_eq!(values[1].as_list().unwrap()[1].as_bytes(), Some(&b"two\r\nlines"[..]));
    let mut client = logged_in("IMAP4rev1");
    client.send(Command::Other(command)).unwrap();
    assert_eq!(drain_text(&mut client), "b.1 X-SETMETA INBOX (/shared/comment {10}\r\n");
    feed(&mut client, b"+ go on\r\n");
    assert_eq!(drain_text(&mut client), "two\r\nlines)\r\n");

    let Untagged::Other(other) = untagged("* X-META \"\" (/shared/comment NIL /x {2}\r\na\")") else {
        panic!()
    };
    let values = other.values().unwrap();
    assert!(values[1].as_list().unwrap()[1].is_nil());
    assert_eq!(values[1].as_list().unwrap()[3].as_str(), Some("a\""));
    let Untagged::Fetch(fetch) = untagged("* 1 FETCH (X-FOO (\"a b\" (5 \\Seen)))") else { panic!() };
    let [MsgAtt::Other(other)] = &fetch.items[..] else { panic!() };
    assert_eq!(
        other.value().value().unwrap().as_list().unwrap()[1].as_list().unwrap()[0].as_number(),
        Some(5)
    );
    for wrong in [&b"("[..], b")", b"\"a", b"{5}\r\nab", b"a\0b", b"a\nb"] {
        assert!(Value::parse_all(wrong).is_err(), "{}", wrong.escape_ascii());
    }
    assert_eq!(Value::parse_all(b"").unwrap(), []);
    assert!(Value::word("a b").is_err() && Value::word("{5}").is_err() && Value::word("\\").is_err());
}

/// What a machine has to see goes through its own calls, at once and where it would wait.
#[test]
fn no_raw_command_changes_the_session() {
    for name in [
        "SELECT",
        "examine",
        "CLOSE",
        "UNSELECT",
        "COMPRESS",
        "UNAUTHENTICATE",
        "STARTTLS",
        "LOGIN",
        "AUTHENTICATE",
        "LOGOUT",
        "ENABLE",
        "IDLE",
        "APPEND",
        "NOTIFY",
    ] {
        for mut client in [selected("IMAP4rev2"), logged_in("IMAP4rev2"), client(Channel::Tls)] {
            let raw = OtherCommand::new(Atom::new(name).unwrap(), "x").unwrap();
            let error = client.send(Command::Other(raw)).unwrap_err();
            assert!(matches!(error.reason, Misuse::WrongState(_)), "{name}: {error:?}");
            assert_eq!(drain_text(&mut client), "", "{name}");
        }
    }
}

#[test]
fn nothing_is_enabled_that_the_machine_does_not_follow() {
    for mut client in [logged_in("IMAP4rev2 ENABLE UTF8=ONLY X-OWN"), client(Channel::Tls)] {
        for extension in ["UTF8=ONLY", "CONDSTORE UTF8=ONLY", "COMPRESS=DEFLATE", "NOTIFY"] {
            let error = client.send(command(&format!("ENABLE {extension}"))).unwrap_err();
            assert!(matches!(error.reason, Misuse::WrongState(_)), "{extension}: {error:?}");
        }
        client.send(command("ENABLE CONDSTORE IMAP4rev2 UTF8=ACCEPT X-OWN")).unwrap();
    }
}

/// RFC 4466, RFC 5464: a list of parameters has one at least.
#[test]
fn no_parameters_between_parentheses() {
    for line in ["a CREATE x ()", "a GETMETADATA () INBOX /shared/comment"] {
        let frame = Bytes::copy_from_slice(line.as_bytes());
        let error = Request::parse(&frame, Dialect::Strict).unwrap_err();
        assert_eq!(error.reason, deviation::EMPTY_LIST, "{line}");
        let parsed = Request::parse(&frame, Dialect::Lenient).unwrap();
        assert_eq!(parsed.deviations.first().map(|one| one.name), Some(deviation::EMPTY_LIST), "{line}");
        assert!(!matches!(parsed.value.command, Command::Other(_)), "{line}");
    }
    // A mailbox for nothing is allowed.
    parse("CREATE x (USE ())", Dialect::Strict);
}

/// A word between parentheses after the mailbox is an option to the parser, and an entry in quotes never is.
#[test]
fn an_entry_is_not_written_as_an_option() {
    for line in ["GETMETADATA INBOX shared/comment", "GETMETADATA INBOX MAXSIZE"] {
        let request = parse(line, Dialect::Strict);
        let mut out = Vec::new();
        request.write(WriteOptions::default(), &mut out);
        let written = Bytes::copy_from_slice(out.strip_suffix(b"\r\n").unwrap());
        assert_eq!(Request::parse(&written, Dialect::Strict).unwrap().value, request, "{written:?}");
    }
}
