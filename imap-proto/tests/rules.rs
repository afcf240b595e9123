//! What the rows say, asked of the machines.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use common::*;
use mailwire_core::{Misuse, NotOffered};
use mailwire_imap::{
    command::{Command, Fetch, FetchAtt, OtherCommand},
    extensions::quota,
    server::Event,
    types::{Atom, ModSeq, SequenceSet},
};

#[test]
fn raw_commands_do_not_change_the_session() {
    let mut client = logged_in("IMAP4rev2");
    for name in ["select", "CLOSE", "Logout", "IDLE", "compress", "UNAUTHENTICATE"] {
        let raw = OtherCommand::new(Atom::new(name).unwrap(), "INBOX").unwrap();
        assert!(client.send(Command::Other(raw)).is_err(), "{name}");
    }
    let raw = OtherCommand::new(Atom::new("X-NOOP").unwrap(), "").unwrap();
    client.send(Command::Other(raw)).unwrap();
}

#[test]
fn extensions_are_asked_for_only_where_they_are_offered() {
    let mut client = logged_in("IMAP4rev2");
    let refused = client.send(quota::QuotaCommand::get("").unwrap().into()).unwrap_err();
    assert_eq!(refused.reason, Misuse::NotOffered(NotOffered::Extension("QUOTA")));
    let mut client = selected("IMAP4rev2 QUOTA");
    client.send(quota::QuotaCommand::get("").unwrap().into()).unwrap();
    let fetch = Fetch::new(SequenceSet::all(), [FetchAtt::Flags]);
    let fetch = fetch.with_since(ModSeq::new(5).unwrap().into());
    let refused = client.send(Command::Fetch(fetch)).unwrap_err();
    assert_eq!(refused.reason, Misuse::NotOffered(NotOffered::Extension("CONDSTORE")));
}

#[test]
fn a_literal_of_a_command_out_of_place_is_refused_before_it_comes() {
    let mut server = serving();
    feed(&mut server, b"a SEARCH {5}\r\n");
    assert_eq!(drain_text(&mut server), "a BAD no mailbox is selected\r\n");
}

#[test]
fn raw_commands_carry_literals_and_text_beyond_ascii() {
    let raw = OtherCommand::new(Atom::new("X-SET").unwrap(), "\u{e9} ").unwrap();
    let raw = raw.with_literal("a\r\nb", false).and_then(|raw| raw.with_text(" ")).unwrap();
    let raw = raw.with_literal("\0", true).and_then(|raw| raw.with_text(")")).unwrap();
    let mut client = logged_in("IMAP4rev1");
    client.send(Command::Other(raw.clone())).unwrap();
    // Each literal waits for the server.
    assert_eq!(drain_text(&mut client), "b.1 X-SET \u{e9} {4}\r\n");
    feed(&mut client, b"+ go on\r\n");
    assert_eq!(drain_text(&mut client), "a\r\nb ~{1}\r\n");
    feed(&mut client, b"+ go on\r\n");
    assert_eq!(drain_text(&mut client), "\0)\r\n");

    // A server hands it to whoever knows it.
    let line = b"a x-set \xc3\xa9 {4+}\r\na\r\nb ~{1+}\r\n\0)\r\n";
    let mut config = server_config(mailwire_core::Channel::Tls);
    let found = feed(&mut serving_with(config.clone()), line);
    assert!(matches!(&found[..], [Event::Refused { command: Command::Other(_), .. }]), "{found:?}");
    config.commands.push(Atom::new("X-SET").unwrap());
    let found = feed(&mut serving_with(config), line);
    let [Event::Command { command: Command::Other(other), .. }] = &found[..] else { panic!("{found:?}") };
    assert_eq!(other.arguments().as_bytes(), b"\xc3\xa9 {4+}\r\na\r\nb ~{1+}\r\n\0)");
}

#[test]
fn what_the_machine_cannot_keep_is_not_enabled() {
    let mut client = logged_in("IMAP4rev2 ENABLE UTF8=ONLY");
    assert!(client.send(command("ENABLE UTF8=ONLY")).is_err());
    client.send(command("ENABLE CONDSTORE")).unwrap();
}

/// A part of a command can need an extension, too; a server holds to what it offers likewise.
#[test]
fn parts_of_a_command_need_what_brings_them() {
    let parts = [
        ("SEARCH RETURN (SAVE) ALL", "SEARCHRES"),
        ("FETCH $ FLAGS", "SEARCHRES"),
        ("UID EXPUNGE $", "SEARCHRES"),
        ("STORE $ FLAGS ()", "SEARCHRES"),
        ("STORE $ X-GM-LABELS (a)", "SEARCHRES"),
        ("UID STORE $ X-GM-LABELS (a)", "SEARCHRES"),
        ("UID SEARCH NOT (ALL UID $)", "SEARCHRES"),
        ("UID FETCH 1:* FLAGS (PARTIAL 1:5)", "PARTIAL"),
        ("SEARCH RETURN (PARTIAL -1:-5) ALL", "PARTIAL"),
        ("SEARCH RETURN (CONTEXT UPDATE) ALL", "CONTEXT=SEARCH"),
        ("CANCELUPDATE \"a\"", "CONTEXT=SEARCH"),
        ("ESEARCH IN (MAILBOXES a) ALL", "MULTISEARCH"),
        ("SEARCH YOUNGER 5", "WITHIN"),
        ("SEARCH OR SEEN OLDER 5", "WITHIN"),
        ("SEARCH FUZZY BODY x", "SEARCH=FUZZY"),
        ("SEARCH NOT FILTER mine", "FILTERS"),
        ("SEARCH EMAILID M1", "OBJECTID"),
        ("FETCH 1 OBJECTID", "OBJECTID+"),
        ("STATUS a (OBJECTID)", "OBJECTID+"),
        ("SELECT a (OBJECTID (MAILBOXID F1))", "OBJECTID+"),
        ("SEARCH SAVEDSINCE 1-Jan-2026", "SAVEDATE"),
        ("SEARCH UIDAFTER 7", "MESSAGELIMIT"),
    ];
    let all = "IMAP4rev1 UIDPLUS ESEARCH SEARCHRES PARTIAL CONTEXT=SEARCH WITHIN SEARCH=FUZZY FILTERS \
               OBJECTID OBJECTID+ SAVEDATE MESSAGELIMIT=1000 MULTISEARCH SORT X-GM-EXT-1";
    for (text, missing) in parts {
        let offered: Vec<&str> = all.split(' ').filter(|name| !name.starts_with(missing)).collect();
        let refused = selected(&offered.join(" ")).send(command(text)).unwrap_err();
        assert_eq!(refused.reason, Misuse::NotOffered(NotOffered::Extension(missing)), "{text}");
        selected(all).send(command(text)).unwrap();
    }
    let refused = selected("IMAP4rev1").send(command("SEARCH RETURN (MIN) ALL")).unwrap_err();
    assert_eq!(refused.reason, Misuse::NotOffered(NotOffered::Extension("ESEARCH")));
    // A page from the beginning comes with CONTEXT, too.
    selected("IMAP4rev1 CONTEXT=SEARCH").send(command("SEARCH RETURN (PARTIAL 1:5) ALL")).unwrap();
    selected("IMAP4rev2").send(command("SEARCH RETURN (SAVE MIN) $")).unwrap();

    for conflict in [
        "SEARCH RETURN (ALL PARTIAL 1:5) ALL",
        "SEARCH RETURN (PARTIAL 1:5 PARTIAL 2:7) ALL",
        "SEARCH RETURN (RELEVANCY) ALL",
        "SORT (RELEVANCY) UTF-8 ALL",
        "ESEARCH IN (MAILBOXES a) RETURN (UPDATE) ALL",
        "ESEARCH IN (SELECTED-DELAYED) ALL",
    ] {
        assert!(selected(all).send(command(conflict)).is_err(), "{conflict}");
    }
}
