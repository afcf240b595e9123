//! What a caller passes is one value, and what a peer sends is shown without harm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use mailwire_core::{Channel, Connection, Secret};
use mailwire_imap::{
    client,
    command::{AString, Command, Login, OtherCommand, Request, Search, SearchKey},
    response::{Reply, ReplyKind},
    types::{Atom, ListPattern, MailboxName, Tag},
};

#[test]
fn line_ends_and_nul_are_refused_when_a_value_is_built() {
    for bad in ["a\rb", "a\nb", "a\r\nb LOGOUT", "a\0b", "\r\n", "\0"] {
        assert!(AString::new(bad).is_err());
        assert!(MailboxName::new(bad).is_err());
        assert!(MailboxName::from_wire(bad).is_err());
        assert!(ListPattern::new(bad).is_err());
        assert!(Atom::new(bad).is_err());
        assert!(Tag::new(bad).is_err());
        assert!(OtherCommand::new(Atom::new("X").unwrap(), bad).is_err());
        assert!(Reply::new(ReplyKind::Ok, bad).is_err());
        let error = Login::new(AString::new("fred").unwrap(), bad).unwrap_err();
        assert_eq!(error.offset, 0, "the place would tell something of the password");
    }
    let raw = |arguments: &'static str| OtherCommand::new(Atom::new("X").unwrap(), arguments);
    for bad in ["{5}", "x {5+}", "x ~{5}"] {
        assert!(raw(bad).is_err(), "{bad}");
        assert!(raw("").unwrap().with_text(bad).is_err(), "{bad}");
    }
    // In two parts.
    assert!(raw("x {5").unwrap().with_text("}").is_err());
    assert!(raw("").unwrap().with_literal("a\0b", false).is_err());
}

/// What a client puts out for a command, whose server takes literals without waiting.
fn said(command: Command) -> String {
    let mut client = logged_in("IMAP4rev1 LITERAL+");
    let mut client = match command {
        Command::Login(_) => {
            let mut client = common::client(Channel::Tls);
            feed(&mut client, b"* OK [CAPABILITY IMAP4rev1 LITERAL+] hi\r\n");
            client
        }
        Command::Search(_) => selected("IMAP4rev1 LITERAL+"),
        _ => {
            drain(&mut client);
            client
        }
    };
    client.send(command).unwrap();
    drain_text(&mut client).split_once(' ').unwrap().1.to_owned()
}

#[test]
fn strings_that_look_like_something_else() {
    let login = |user: &str, password: &str| {
        said(Command::Login(Login::new(AString::new(user).unwrap(), password).unwrap()))
    };
    assert_eq!(login("fred", "x {5}"), "LOGIN fred \"x {5}\"\r\n");
    assert_eq!(login("fred", "{5+}"), "LOGIN fred \"{5+}\"\r\n");
    assert_eq!(login("{5}", "a\"b\\c"), "LOGIN \"{5}\" \"a\\\"b\\\\c\"\r\n");
    assert_eq!(login("", "p\u{e4}"), "LOGIN \"\" {3+}\r\np\u{e4}\r\n");
    assert_eq!(login("NIL", "nil"), "LOGIN \"NIL\" \"nil\"\r\n");

    let create = |name: &str| said(Command::Create(MailboxName::new(name).unwrap().into()));
    assert_eq!(create("a\"b\\c"), "CREATE \"a\\\"b\\\\c\"\r\n");
    assert_eq!(create("100% *"), "CREATE \"100% *\"\r\n");
    assert_eq!(create("x {5}"), "CREATE \"x {5}\"\r\n");
    assert_eq!(create("\u{fc}ber"), "CREATE &APw-ber\r\n");
    assert_eq!(create("inbox"), "CREATE INBOX\r\n");

    let search =
        |word: &str| said(Command::Search(Search::new([SearchKey::Text(AString::new(word).unwrap())])));
    assert_eq!(search("{9}"), "SEARCH TEXT \"{9}\"\r\n");
    assert_eq!(search(") ALL"), "SEARCH TEXT \") ALL\"\r\n");
    assert_eq!(search("x]y"), "SEARCH TEXT x]y\r\n");
}

#[test]
fn every_command_is_one_message() {
    let evil = "\" LOGOUT {3+} \\";
    for command in [
        Command::Create(MailboxName::new(evil).unwrap().into()),
        Command::Rename { from: MailboxName::new(evil).unwrap(), to: MailboxName::new(evil).unwrap() },
        Command::Lsub {
            reference: MailboxName::new(evil).unwrap(),
            pattern: ListPattern::new(evil).unwrap(),
        },
        Command::Id(Some(vec![(AString::new(evil).unwrap(), Some(AString::new(evil).unwrap()))])),
        Command::Login(Login::new(AString::new(evil).unwrap(), evil).unwrap()),
    ] {
        let mut line = Vec::new();
        let tag = Tag::new("a").unwrap();
        let encoded = command.write(&tag, Default::default(), &mut line);
        assert_eq!((encoded.waits.len(), encoded.bodies.len()), (0, 0));
        let text = line.strip_suffix(b"\r\n").unwrap();
        let frame = bytes::Bytes::copy_from_slice(text);
        let parsed = Request::parse(&frame, mailwire_core::Dialect::Strict).unwrap();
        assert_eq!(parsed.value.command, command);
    }
}

#[test]
fn text_of_a_peer_is_shown_without_control_characters() {
    let mut client = common::client(Channel::Tls);
    let found = feed(&mut client, b"* OK [ALERT] \x1b[2Jhi\x07 \xe2\x80\xae\r\n");
    let shown = format!("{found:?}");
    assert!(!shown.chars().any(|c| c.is_control() || c == '\u{202e}'), "{shown}");
}

#[test]
fn no_secret_is_shown() {
    let secret = "tanstaaf";
    let base64 = "dGFuc3RhYWY=";
    let mut client = common::client(Channel::Tls);
    feed(&mut client, b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n");
    let login = command(&format!("LOGIN fred {secret}"));
    let authenticate = command(&format!("AUTHENTICATE PLAIN {base64}"));
    let mut shown = format!("{login:?} {authenticate:?}");
    client.send(authenticate).unwrap();
    shown += &format!("{client:?}");
    drain(&mut client);
    let found = feed(&mut client, format!("+ {base64}\r\n").as_bytes());
    shown += &format!("{client:?} {found:?}");
    drain(&mut client);
    let found = feed(&mut client, format!("+ {base64}\r\n").as_bytes());
    shown += &format!("{client:?} {found:?}");

    // A password that waits for a literal's go-ahead.
    let mut client = common::client(Channel::Tls);
    feed(&mut client, b"* OK [CAPABILITY IMAP4rev1] hi\r\n");
    let user = AString::new("f\u{e4}").unwrap();
    client.send(Command::Login(Login::new(user, secret).unwrap())).unwrap();
    shown += &format!("{client:?}");

    // Commands that a server cannot read.
    let mut server = server(Channel::Tls);
    drain(&mut server);
    for line in [
        format!("a LOGIN fred {secret} more"),
        format!("a login fred \"{secret}"),
        format!("a AUTHENTICATE PLAIN !{base64}"),
        format!("a AUTHENTICATE X {base64}"),
        format!("LOGIN fred {secret}"),
        format!("a  LOGIN fred {secret}"),
        format!("a UID         LOGIN fred {secret}"),
        format!("a\tLOGIN fred {secret}"),
        format!("a UID LOGIN fred {secret}"),
        base64.to_owned(),
        secret.to_owned(),
        format!("a AUTHENTICATE PLAIN {base64}"),
    ] {
        let found = feed(&mut server, format!("{line}\r\n").as_bytes());
        shown += &format!("{found:?} {server:?}");
    }
    let json = format!("{:?}", Secret::from(secret));
    for text in [shown, json] {
        assert!(!text.contains(secret) && !text.contains(base64), "{text}");
        assert!(!text.contains(&format!("{:?}", secret.as_bytes())), "{text}");
        assert!(
            !text.contains(&secret.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ")),
            "{text}"
        );
    }
}

/// Found by fuzzing: the arguments of an unknown command were taken as they came, and could have been
/// written elsewhere.
#[test]
fn an_unknown_command_is_one_line_but_for_its_literals() {
    let parse = |line: &'static [u8]| {
        let frame = bytes::Bytes::from_static(line);
        Request::parse(&frame, mailwire_core::Dialect::Lenient).map(|parsed| parsed.value)
    };
    for bad in
        [&b"a X \0"[..], b"a X a\0b", b"a X\rb", b"a X a\nb LOGOUT", b"a X {1}\r\n\0", b"a X {1}\n1\r\n"]
    {
        assert!(parse(bad).is_err(), "{}", bad.escape_ascii());
    }
    for good in [&b"a X (b {3}\r\n\r\nc \"d\")"[..], b"a X ~{3+}\r\n\0\r\n e", b"a X {0}\r\n", b"a X"] {
        assert!(parse(good).is_ok(), "{}", good.escape_ascii());
    }
}

#[test]
fn tags_cannot_be_guessed() {
    let tag = |seed| {
        let mut client = client::Connection::new(client::Config::new(Channel::Tls, seed));
        feed(&mut client, b"* PREAUTH hi\r\n");
        drain_text(&mut client).split_once(' ').unwrap().0.to_owned()
    };
    assert_ne!(tag(u64::MAX), tag(u64::MAX - 1));
    assert_eq!(tag(u64::MAX).split_once('.').unwrap().0.len(), 13);
    let _ = client(Channel::Tls).output();
}
