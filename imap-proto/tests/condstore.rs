//! Modification sequences (RFC 7162): what the machines refuse, and when. The RFC's examples are
//! transcripts.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use common::*;
use mailwire_core::{Channel, Dialect, Misuse, NotOffered, WrongState};
use mailwire_imap::{
    Capability,
    command::{Command, Request, Search, SearchKey, Select, StatusAtt, WriteOptions},
    extensions::condstore::{EntryType, MetadataItem, QResync, SearchModSeq},
    response::Untagged,
    server,
    types::{Flag, MailboxName, ModSeq, UidValidity},
};

fn parse(line: &str, dialect: Dialect) -> Result<Request, mailwire_core::ParseError> {
    Request::parse(&bytes::Bytes::from(format!("a {line}")), dialect).map(|parsed| parsed.value)
}

fn capability(name: &str) -> Capability {
    Capability::new(name).unwrap()
}

/// A server with QRESYNC, logged in.
fn resyncing() -> server::Connection {
    let mut config = server_config(Channel::Tls);
    let offered =
        ["CONDSTORE", "QRESYNC", "SORT", "THREAD=REFERENCES", "X-GM-EXT-1", "ANNOTATE-EXPERIMENT-1"];
    config.add_capabilities(offered.map(capability)).unwrap();
    config.enable = [Capability::CondStore, Capability::QResync].into_iter().collect();
    serving_with(config)
}

#[test]
fn commands_are_read_and_written() {
    for line in [
        "SELECT INBOX (CONDSTORE)",
        "EXAMINE \"a b\" (QRESYNC (67890007 20050715194045000 41,43:211 (1:3 5:7)))",
        "SELECT x (CONDSTORE QRESYNC (1 9223372036854775807))",
        "SELECT x (QRESYNC (1 2 (4 8)))",
        "FETCH 1 (FLAGS MODSEQ)",
        "FETCH 1 MODSEQ",
        "STATUS x (HIGHESTMODSEQ)",
        "UID SEARCH MODSEQ 620162338 NOT MODSEQ \"/flags/\\\\Draft\" priv 5",
        "SEARCH MODSEQ \"/flags/$MDNSent\" shared 0",
        "SEARCH MODSEQ \"/flags/X-own\" all 5",
        "SEARCH MODSEQ \"/flags/\\\\X-own\" all 5",
    ] {
        let request = parse(line, Dialect::Strict).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(!matches!(request.command, Command::Other(_)), "{line}");
        let mut out = Vec::new();
        request.write(WriteOptions::default(), &mut out);
        assert_eq!(out, format!("a {line}\r\n").replace("FETCH 1 (MODSEQ)", "FETCH 1 MODSEQ").as_bytes());
        assert_eq!(
            parse(&line.to_ascii_lowercase(), Dialect::Strict).unwrap().command.name(),
            request.command.name()
        );
    }
    let Command::Search(search) = command("SEARCH MODSEQ \"/FLAGS/\\\\seen\" PRIV 5") else { panic!() };
    let item = MetadataItem::new(Flag::Seen, EntryType::Private).unwrap();
    let key = SearchModSeq::new(ModSeq::new(5).unwrap()).with_entry(item);
    assert_eq!(search, Search::new([SearchKey::ModSeq(key)]));
}

#[test]
fn what_is_none_of_it() {
    for line in [
        "SELECT x ()",
        "SELECT x (QRESYNC)",
        "SELECT x (QRESYNC ())",
        "SELECT x (QRESYNC (0 5))",
        "SELECT x (QRESYNC (1))",
        "SELECT x (QRESYNC (1 9223372036854775808))",
        "SELECT x (QRESYNC (1 5 1:*))",
        "SELECT x (QRESYNC (1 5 $))",
        "SELECT x (QRESYNC (1 5 1:3 4))",
        "SELECT x (QRESYNC (1 5 (1:3 4:5)))",
        "SELECT x (QRESYNC (1 5 (3,1 4,5)))",
        "SELECT x (QRESYNC (1 5 (1 4) 1:3))",
        "SELECT x (QRESYNC (1 5 (1 4) (1 4)))",
        "SELECT x (QRESYNC (1 5) QRESYNC (1 5))",
        "SELECT x (QRESYNC (1 5)",
        "FETCH 1 FLAGS (CHANGEDSINCE 5 VANISHED)",
        "UID FETCH 1 FLAGS (VANISHED)",
        "SEARCH MODSEQ",
        "SEARCH MODSEQ x",
        "SEARCH MODSEQ \"/flags/\\\\recent\" all 5",
        "SEARCH MODSEQ \"/flags/a b\" all 5",
        "SEARCH MODSEQ \"/flags/a\" mine 5",
        "SEARCH MODSEQ \"/flags/a\" 5",
        "SEARCH MODSEQ 9223372036854775808",
    ] {
        for dialect in [Dialect::Strict, Dialect::Lenient] {
            assert!(parse(line, dialect).is_err(), "{line}");
        }
    }
}

#[test]
fn a_client_asks_only_what_is_offered_and_enabled() {
    let not_offered = Misuse::NotOffered(NotOffered::Extension("CONDSTORE"));
    let mut client = selected("IMAP4rev2");
    for line in [
        "SELECT x (CONDSTORE)",
        "FETCH 1 MODSEQ",
        "FETCH 1 FLAGS (CHANGEDSINCE 5)",
        "STORE 1 (UNCHANGEDSINCE 5) FLAGS ()",
        "SEARCH OR SEEN NOT MODSEQ 5",
        "STATUS x (MESSAGES HIGHESTMODSEQ)",
        "LIST \"\" * RETURN (STATUS (HIGHESTMODSEQ))",
    ] {
        assert_eq!(client.send(command(line)).unwrap_err().reason, not_offered, "{line}");
        // The one brings the other.
        selected("IMAP4rev2 QRESYNC").send(command(line)).unwrap();
    }
    for line in ["SELECT x (QRESYNC (1 5))", "UID FETCH 1 FLAGS (CHANGEDSINCE 5 VANISHED)"] {
        let error = client.send(command(line)).unwrap_err();
        assert_eq!(error.reason, Misuse::NotOffered(NotOffered::Extension("QRESYNC")), "{line}");
        let mut client = selected("IMAP4rev2 CONDSTORE QRESYNC");
        let error = client.send(command(line)).unwrap_err();
        assert_eq!(error.reason, Misuse::WrongState(WrongState::NotEnabled("QRESYNC")), "{line}");
        // Not before the server has said so.
        client.send(command("ENABLE QRESYNC")).unwrap();
        let ticket = client.send(command(line)).unwrap();
        drain(&mut client);
        let events = feed(&mut client, b"* ENABLED\r\nb.2 OK done\r\n");
        assert!(
            events
                .iter()
                .any(|event| matches!(event, mailwire_imap::client::Event::NotSent { ticket: not_sent, .. }
                if *not_sent == ticket)),
            "{events:?}"
        );
        client.send(command("ENABLE QRESYNC")).unwrap();
        drain(&mut client);
        feed(&mut client, b"* ENABLED QRESYNC\r\nb.3 OK done\r\n");
        client.send(command(line)).unwrap();
    }
}

#[test]
fn a_server_refuses_what_was_not_enabled() {
    let mut server = resyncing();
    let select = "a SELECT x (QRESYNC (1 5))";
    assert_eq!(refused(&mut server, select), "a BAD QRESYNC is not enabled\r\n");
    done(&mut server, "s SELECT x");
    let fetch = "a UID FETCH 1 FLAGS (CHANGEDSINCE 5 VANISHED)";
    assert_eq!(refused(&mut server, fetch), "a BAD QRESYNC is not enabled\r\n");
    assert!(!server.is_condstore());
    // Nor is anything told that way.
    take(&mut server, "b NOOP");
    let error = server.notify(untagged("* VANISHED 5")).unwrap_err();
    assert_eq!(error.reason, Misuse::WrongState(WrongState::NotEnabled("QRESYNC")));
    // ENABLE is answered with what is offered.
    let mut config = server_config(Channel::Tls);
    config.enable = [Capability::QResync].into_iter().collect();
    let mut server = serving_with(config);
    assert_eq!(refused(&mut server, select), "a BAD the extension is not offered\r\n");

    let mut server = resyncing();
    feed(&mut server, b"a ENABLE QRESYNC\r\n");
    assert_eq!(drain_text(&mut server), "* ENABLED QRESYNC\r\na OK done\r\n");
    assert!(server.is_condstore() && server.is_qresync());
    done(&mut server, select);
    take(&mut server, fetch);
    server.notify(untagged("* VANISHED (EARLIER) 5")).unwrap();
}

/// RFC 7162 section 3.1.
#[test]
fn commands_that_enable() {
    for line in [
        "SELECT x (CONDSTORE)",
        "EXAMINE x (CONDSTORE)",
        "STATUS x (HIGHESTMODSEQ)",
        "FETCH 1 (UID MODSEQ)",
        "FETCH 1 FLAGS (CHANGEDSINCE 5)",
        "SEARCH OR SEEN NOT MODSEQ 5",
        "SORT (DATE) UTF-8 OR SEEN NOT MODSEQ 5",
        "UID THREAD REFERENCES UTF-8 MODSEQ 5",
        "STORE 1 (UNCHANGEDSINCE 5) FLAGS ()",
        "STORE 1 (UNCHANGEDSINCE 5) +X-GM-LABELS (a)",
        "STORE 1 (UNCHANGEDSINCE 5) ANNOTATION (/comment (value.priv NIL))",
    ] {
        let mut server = resyncing();
        done(&mut server, "s SELECT x");
        done(&mut server, "s FETCH 1 FLAGS");
        assert!(!server.is_condstore(), "{line}");
        take(&mut server, &format!("a {line}"));
        assert!(server.is_condstore() && !server.is_qresync(), "{line}");
        // They are not taken where nothing is offered.
        let mut server = serving();
        done(&mut server, "s SELECT x");
        let answer = refused(&mut server, &format!("a {line}"));
        assert_eq!(answer, "a BAD the extension is not offered\r\n", "{line}");
    }
}

/// RFC 7162 section 3.2.11.
#[test]
fn the_mailbox_before_is_closed() {
    let mut server = resyncing();
    done(&mut server, "a SELECT x");
    take(&mut server, "b EXAMINE y");
    assert_eq!(drain_text(&mut server), "* OK [CLOSED] the previous mailbox is closed\r\n");
    let mut server = serving();
    done(&mut server, "a SELECT x");
    take(&mut server, "b EXAMINE y");
    assert_eq!(drain_text(&mut server), "");
}

/// RFC 7162 section 3.2.10: nor may EXPUNGE come then.
#[test]
fn searches_that_count_messages() {
    let mut server = resyncing();
    feed(&mut server, b"a ENABLE QRESYNC\r\n");
    done(&mut server, "s SELECT x");
    for (line, permitted) in [
        ("UID SEARCH SEEN", true),
        ("UID SEARCH UID 5", true),
        ("UID SEARCH NOT 5", false),
        ("SEARCH SEEN", false),
        ("UID SORT (DATE) UTF-8 SEEN", true),
        ("UID SORT (DATE) UTF-8 5", false),
        ("UID THREAD REFERENCES UTF-8 OR SEEN 5", false),
        ("UID FETCH 1 FLAGS", true),
    ] {
        let ticket = take(&mut server, &format!("a {line}"));
        assert_eq!(command(line).permits_expunge(), permitted, "{line}");
        let vanished = untagged("* VANISHED 5");
        assert!(matches!(vanished, Untagged::Vanished(_)));
        assert_eq!(server.notify(vanished).is_ok(), permitted, "{line}");
        server.reply(ticket, status("OK done")).unwrap();
    }
}

#[test]
fn options_can_be_built() {
    let known =
        QResync::new(UidValidity::MIN, ModSeq::new(7).unwrap()).with_known_uids("1:5".parse().unwrap());
    let select = Select::new(MailboxName::new("x").unwrap()).with_condstore(true).with_qresync(known);
    assert_eq!(Command::Select(select), command("SELECT x (CONDSTORE QRESYNC (1 7 1:5))"));
    assert!(MetadataItem::new(Flag::Recent, EntryType::All).is_err());
    let Command::Status(status) = command("STATUS x (HIGHESTMODSEQ)") else { panic!() };
    assert_eq!(status.items, [StatusAtt::HighestModSeq]);
    assert!(capability("QRESYNC") == Capability::QResync);
}
