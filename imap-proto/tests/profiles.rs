//! What is sent to which server.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use bytes::BytesMut;
use common::{client_config, command, drain_text, events};
use mailwire_core::{Channel, NotOffered};
use mailwire_imap::{
    Capability, Misuse,
    client::{Connection, Profile, SearchCharset},
    command::Literals,
};

/// A client that has selected a mailbox, of a server that greets like this; `profile` is what was set.
fn selected(greeting: &str, capabilities: &str, profile: Option<Profile>) -> Connection {
    let mut config = client_config(Channel::Tls);
    config.profile = profile;
    let mut client = Connection::new(config);
    hear(&mut client, &format!("* PREAUTH [CAPABILITY IMAP4rev1 {capabilities}] {greeting}\r\n"));
    client.send(command("SELECT INBOX")).unwrap();
    let sent = drain_text(&mut client);
    let (tag, _) = sent.split_once(' ').unwrap();
    hear(&mut client, &format!("{tag} OK selected\r\n"));
    client
}

fn hear(client: &mut Connection, text: &str) {
    let mut input = BytesMut::from(text);
    drop(events(client, &mut input));
    drop(drain_text(client));
}

/// What is sent, after the tag.
fn sends(client: &mut Connection, line: &str) -> String {
    client.send(command(line)).unwrap();
    let sent = drain_text(client);
    let (_, sent) = sent.split_once(' ').unwrap();
    sent.trim_end().to_owned()
}

#[test]
fn servers_are_known_by_what_they_say() {
    let profile = |client: &Connection| client.profile().clone();
    let coremail = Profile::new().with_id_before_select(true);
    let exchange = Profile::new().with_charset(SearchCharset::OnlyIfNeeded);
    let greeting = "Coremail System IMap Server Ready(163com[0123456789abcdef])";
    assert_eq!(profile(&selected(greeting, "ID", None)), coremail);
    let greeting = "The Microsoft Exchange IMAP4 service is ready.";
    assert_eq!(profile(&selected(greeting, "", None)), exchange);
    assert_eq!(profile(&selected("ready", "CLIENTACCESSRULES", None)), exchange);
    assert_eq!(
        profile(&selected("QQMail IMAP4Server ready", "", None)),
        Profile::new().with_ascending_sets(true)
    );
    for (greeting, capabilities) in
        [("Gimap ready for requests", "X-GM-EXT-1"), ("Dovecot ready.", "NOTIFY"), ("", "")]
    {
        assert_eq!(profile(&selected(greeting, capabilities, None)), Profile::new());
    }
    let mut client = selected("ready", "ID", None);
    client.send(command("ID NIL")).unwrap();
    hear(&mut client, "* ID (\"name\" \"Microsoft.Exchange.Imap4.Imap4Server\" \"version\" \"15.20\")\r\n");
    assert_eq!(profile(&client), exchange);
    // What was set stays.
    let set = Profile::new().with_literals(Literals::Synchronizing);
    assert_eq!(profile(&selected(greeting, "CLIENTACCESSRULES", Some(set.clone()))), set);
}

/// Anybody can have written what comes in clear.
#[test]
fn a_greeting_before_starttls_does_not_count() {
    let mut client = Connection::new(client_config(Channel::StartTls));
    hear(&mut client, "* OK [CAPABILITY IMAP4rev1 STARTTLS CLIENTACCESSRULES] Coremail ready\r\n");
    assert_eq!(*client.profile(), Profile::new());
}

#[test]
fn character_sets() {
    let ascii = "UID SEARCH CHARSET UTF-8 SUBJECT plain";
    let mut other = selected("ready", "", None);
    assert_eq!(sends(&mut other, ascii), ascii);
    let mut exchange = selected("The Microsoft Exchange IMAP4 service is ready.", "LITERAL+", None);
    assert_eq!(sends(&mut exchange, ascii), "UID SEARCH SUBJECT plain");
    assert_eq!(sends(&mut exchange, "SEARCH CHARSET us-ascii OR ALL NOT TO x"), "SEARCH OR ALL NOT TO x");
    // Without its name it would mean something else.
    let beyond = "SEARCH CHARSET UTF-8 SUBJECT {3+}\r\n\u{20ac}";
    assert_eq!(sends(&mut exchange, beyond), beyond);
    let utf16 = "SEARCH CHARSET UTF-16 SUBJECT plain";
    assert_eq!(sends(&mut exchange, utf16), utf16);
    let never = Profile::new().with_charset(SearchCharset::Never);
    let mut never = selected("ready", "LITERAL+", Some(never));
    assert_eq!(sends(&mut never, beyond), "SEARCH SUBJECT {3+}\r\n\u{20ac}");
}

#[test]
fn sets_in_ascending_order() {
    let mut qq = selected("QQMail IMAP4Server ready", "MOVE UIDPLUS", None);
    assert_eq!(sends(&mut qq, "UID FETCH 9,5:2,*:7 FLAGS"), "UID FETCH 2:5,7:*,9 FLAGS");
    assert_eq!(sends(&mut qq, "UID STORE 3:1 FLAGS (\\Seen)"), "UID STORE 1:3 FLAGS (\\Seen)");
    assert_eq!(sends(&mut qq, "UID COPY 2,1 x"), "UID COPY 1,2 x");
    let mut other = selected("ready", "", None);
    assert_eq!(sends(&mut other, "UID FETCH 9,5:2 FLAGS"), "UID FETCH 9,5:2 FLAGS");
}

#[test]
fn literals_and_what_is_not_used() {
    let text = "SEARCH CHARSET UTF-8 SUBJECT {3+}\r\n\u{20ac}";
    let minus = Profile::new().with_literals(Literals::Minus);
    assert_eq!(sends(&mut selected("ready", "LITERAL+", Some(minus)), text), text);
    let synchronizing = Profile::new().with_literals(Literals::Synchronizing);
    let mut client = selected("ready", "LITERAL+", Some(synchronizing));
    assert!(sends(&mut client, text).ends_with("{3}"));
    let unused = Profile::new().with_unused([Capability::Idle]);
    let mut client = selected("ready", "IDLE MOVE", Some(unused));
    assert!(!client.capabilities().has(&Capability::Idle) && client.capabilities().has(&Capability::Move));
    let error = client.send(command("IDLE")).unwrap_err();
    assert_eq!(error.reason, Misuse::NotOffered(NotOffered::Extension("IDLE")));
}

#[test]
fn the_initial_response() {
    for (initial_response, sent) in
        [(true, "AUTHENTICATE PLAIN AGFkYQBz\r\n"), (false, "AUTHENTICATE PLAIN\r\n")]
    {
        let mut config = client_config(Channel::Tls);
        config.profile = Some(Profile::new().with_initial_response(initial_response));
        let mut client = Connection::new(config);
        hear(&mut client, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hi\r\n");
        client.send(command("AUTHENTICATE PLAIN AGFkYQBz")).unwrap();
        assert!(drain_text(&mut client).ends_with(sent));
    }
}
