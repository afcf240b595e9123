//! BURL: messages that a server fetches (RFC 4468), in both machines.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::Bytes;
use common::{client_config, drain, feed, mailbox, ready_client_with, server_config};
use mailwire_core::{NotOffered, dot::BareNewline};
use mailwire_smtp::{
    Capability, Command, Connection as _, Dialect, Mail, Misuse, Next, Rcpt, Reply, ReplyCode, client,
    extensions::burl::{Burl, MessageUrl, UrlSources},
    server::{self, BodyRefusal, Event},
};

const URL: &str = "imap://harry@gryffindor.example.com/outbox;uidvalidity=1078863300/;uid=25;urlauth=submit+harry:internal:91354a473744909de610943775f92038";

fn url() -> MessageUrl {
    MessageUrl::new(URL).unwrap()
}

#[test]
fn urls_are_absolute() {
    let parse = |line: &str| Command::parse(&Bytes::from(line.to_owned()), Dialect::Strict);
    assert_eq!(parse(&format!("burl {URL} last")).unwrap().value, Command::Burl(Burl::new(url())));
    let more = parse(&format!("BURL {URL}")).unwrap().value;
    assert_eq!(more, Command::Burl(Burl::new(url()).with_last(false)));
    assert_eq!((url().scheme(), url().host()), ("imap", "gryffindor.example.com"));
    for (line, offset) in [
        ("BURL", 4),
        ("BURL ", 5),
        ("BURL x", 6),
        ("BURL imap:", 10),
        ("BURL 9p://x", 5 + 2),
        ("BURL imap://a#b", 13),
        ("BURL imap://a<b", 13),
        ("BURL imap://a b", 14),
        ("BURL imap://a LAST LAST", 19),
        ("BURL imap://\u{e9}", 12),
    ] {
        assert_eq!(parse(line).unwrap_err().offset, offset, "{line}");
    }
}

#[test]
fn sources_say_what_is_fetched() {
    let plain = MessageUrl::new("imap://harry@imap.example.com/x/;uid=1").unwrap();
    for (sources, authorized, trusted) in [
        ("", false, false),
        ("imap", true, false),
        ("IMAP x-new", true, false),
        ("imap://imap.example.com", false, true),
        ("imap imap://IMAP.example.com", true, true),
        ("imap://other.example.com", false, false),
    ] {
        let sources = UrlSources::new(sources).unwrap();
        assert_eq!((sources.permits(&url()), sources.permits(&plain)), (authorized, trusted), "{sources}");
    }
    for wrong in ["a  b", " a", "a ", "\u{e9}"] {
        assert!(UrlSources::new(wrong).is_err());
    }
}

fn client(offers: &str) -> client::Connection {
    let mut client = ready_client_with(
        client_config(),
        &format!("250-mx.example\r\n250-PIPELINING\r\n{offers}250 SIZE\r\n"),
    );
    client.send(Command::Mail(Mail::new(mailbox("a@b.example")))).unwrap();
    client.send(Command::Rcpt(Rcpt::new(mailbox("c@d.example")))).unwrap();
    client
}

/// Section 3.2: in place of DATA.
#[test]
fn a_client_has_a_message_fetched() {
    let mut one = client("250-BURL imap\r\n");
    let burl = one.send(Command::Burl(Burl::new(url()))).unwrap();
    drain(&mut one);
    feed(&mut one, b"250 ok\r\n250 ok\r\n");
    assert_eq!(drain(&mut one), format!("BURL {URL} LAST\r\n"));
    assert_eq!(one.outcome(), client::Outcome::Unknown);
    let events = feed(&mut one, b"250 2.5.0 Ok.\r\n");
    assert!(matches!(&events[..], [client::Event::Reply { ticket, .. }] if *ticket == burl));
    assert_eq!(one.outcome(), client::Outcome::Accepted);
    assert!(one.is_idle());

    // Nobody to get it: the server is not asked.
    let mut none = client("250-BURL imap\r\n");
    none.send(Command::Burl(Burl::new(url()))).unwrap();
    drain(&mut none);
    let events = feed(&mut none, b"250 ok\r\n550 no\r\n");
    assert!(matches!(events.last(), Some(client::Event::NotSent { .. })), "{events:?}");
    assert_eq!(drain(&mut none), "");

    for (offers, burl, missing) in [
        ("", Burl::new(url()), NotOffered::Extension("BURL")),
        ("250-BURL\r\n", Burl::new(url()), NotOffered::Value("BURL")),
        ("250-BURL imap\r\n", Burl::new(url()).with_last(false), NotOffered::Extension("CHUNKING")),
    ] {
        let refused = client(offers).send(Command::Burl(burl)).unwrap_err();
        assert_eq!(refused.reason, Misuse::NotOffered(missing));
    }
    let mut whole = client("250-BURL imap\r\n250-CHUNKING\r\n");
    whole.send(Command::Burl(Burl::new(url()))).unwrap();
    assert!(whole.send(Command::Burl(Burl::new(url()))).is_err() && whole.send(Command::Data).is_err());
}

/// Section 3.2: BURL and BDAT are interleaved.
#[test]
fn a_message_of_several_parts() {
    let mut client = client("250-BURL imap\r\n250-CHUNKING\r\n");
    client.send_chunk(Bytes::from_static(b"Subject: x\r\n\r\n"), false).unwrap();
    client.send(Command::Burl(Burl::new(url()).with_last(false))).unwrap();
    client.send_chunk(Bytes::from_static(b"end\r\n"), true).unwrap();
    drain(&mut client);
    feed(&mut client, b"250 ok\r\n250 ok\r\n");
    let written = drain(&mut client);
    assert_eq!(written, format!("BDAT 14\r\nSubject: x\r\n\r\nBURL {URL}\r\nBDAT 5 LAST\r\nend\r\n"));
    // What is refused fails the transaction, and RSET has to come.
    feed(&mut client, b"250 ok\r\n554 5.6.6 gone\r\n503 no\r\n");
    assert_eq!(client.outcome(), client::Outcome::Refused);
    assert!(client.send(Command::Mail(Mail::new(mailbox("a@b.example")))).is_err());
    client.send(Command::Rset).unwrap();

    // The first part is the server's, and what follows is looked into.
    let mut client = self::client("250-BURL imap\r\n250-CHUNKING\r\n");
    client.send(Command::Burl(Burl::new(url()).with_last(false))).unwrap();
    assert!(client.send_chunk(Bytes::from_static(b"a\0b"), true).is_err());
    client.send_chunk(Bytes::new(), true).unwrap();
}

/// What a server says, whose application answers BURL with these.
fn served(said: &str, replies: &[u16]) -> (String, Vec<Event>) {
    let burl = Capability::Burl(UrlSources::new("imap").unwrap());
    let mut config = server_config();
    let offered: Vec<_> =
        config.capabilities().iter().chain([Capability::Chunking, Capability::Prdr, burl]).collect();
    config.set_capabilities(offered).unwrap();
    let mut server = server::Connection::new(config);
    let begin = "EHLO x.example\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";
    let mut input = bytes::BytesMut::from(&*format!("{begin}{said}NOOP\r\n"));
    let (mut events, mut replies) = (Vec::new(), replies.iter());
    while let Next::Event(event) = server.next_event(&mut input).unwrap() {
        match &event {
            Event::Command { ticket, command: Command::Burl(_), .. } => {
                let code = ReplyCode::new(*replies.next().unwrap()).unwrap();
                server.reply(*ticket, Reply::new(code, "fetched or not")).unwrap();
            }
            Event::Command { ticket, command: Command::Bdat { .. }, .. } => {
                server.accept_body(*ticket).unwrap()
            }
            Event::Command { ticket, command, .. } => {
                server.reply(*ticket, server::default_reply(command)).unwrap();
            }
            Event::BodyEnd { ticket, .. } => {
                server.reply(*ticket, Reply::new(ReplyCode::OK, "taken")).unwrap()
            }
            _ => {}
        }
        events.push(event);
    }
    let written = drain(&mut server);
    let replies = written.split_once("2.1.5 Ok\r\n").unwrap().1.lines();
    let replies = replies.filter(|line| line.get(3..4) == Some(" ")).filter_map(|line| line.get(..3));
    (replies.collect::<Vec<_>>().join(" "), events)
}

#[test]
fn a_server_asks_its_application() {
    let last = &format!("BURL {URL} LAST\r\n");
    let more = &format!("BURL {URL}\r\n");
    let again = "MAIL FROM:<a@b>\r\n";
    for (said, replies, codes, given_up) in [
        (format!("{last}{again}"), &[250][..], "250 250 250", false),
        (format!("{last}{again}"), &[554], "554 250 250", false),
        // The next needs RSET.
        (format!("{more}{again}RSET\r\n{again}"), &[554], "554 503 250 250 250", false),
        (format!("{more}{last}{again}"), &[554], "554 503 250 250", false),
        (format!("{more}{last}{again}"), &[250, 250], "250 250 250 250", false),
        (format!("{more}{more}RSET\r\n"), &[250, 554], "250 554 250 250", true),
        (format!("{more}BDAT 1\r\nxBDAT 2 LAST\r\n\r\n{again}"), &[250], "250 250 250 250 250", false),
        (format!("BDAT 3\r\nx\r\n{more}BDAT 0 LAST\r\n{again}"), &[250], "250 250 250 250 250", false),
        (format!("BDAT 3\r\nx\r\n{last}{again}"), &[250], "250 250 250 250", false),
        (format!("BDAT 3\r\nx\r\n{last}{again}"), &[554], "250 554 250 250", true),
        (format!("DATA\r\n{last}"), &[], "451 503 250", false),
        (format!("{more}DATA\r\nRSET\r\n"), &[250], "250 503 250 250", true),
        (format!("{more}EHLO x.example\r\n{again}"), &[250], "250 250 250 250", true),
        (format!("{last}NOOP\r\n"), &[421], "421", false),
    ] {
        let (came, events) = served(&said, replies);
        assert_eq!(came, codes, "{said}");
        let gave_up =
            |event: &Event| matches!(event, Event::BodyRefused { reason: BodyRefusal::GivenUp, .. });
        assert_eq!(events.iter().any(gave_up), given_up, "{said}");
    }
    // Its one reply is not each recipient's.
    let (came, events) =
        served(&format!("RSET\r\nMAIL FROM:<> PRDR\r\nRCPT TO:<c@d>\r\n{more}{last}"), &[250]);
    assert_eq!(came, "250 250 250 250 503 250");
    assert!(events.iter().any(|event| matches!(event, Event::BodyRefused { .. })), "{events:?}");
}

/// What the server fetches comes between a CR before it and an LF after it.
#[test]
fn no_line_end_reaches_over_a_fetched_part() {
    let ready = |bare_newline| {
        let mut client = ready_client_with(
            client_config().with_bare_newline(bare_newline),
            "250-mx.example\r\n250-PIPELINING\r\n250-BURL imap\r\n250 CHUNKING\r\n",
        );
        client.send(Command::Mail(Mail::new(mailbox("a@b.example")))).unwrap();
        client.send(Command::Rcpt(Rcpt::new(mailbox("c@d.example")))).unwrap();
        drain(&mut client);
        feed(&mut client, b"250 ok\r\n250 ok\r\n");
        client.send_chunk(Bytes::from_static(b"a\r"), false).unwrap();
        client
    };
    let burl = |last| Command::Burl(Burl::new(url()).with_last(last));
    let mut client = ready(BareNewline::Normalize);
    client.send(burl(false)).unwrap();
    client.send_chunk(Bytes::from_static(b"\nb\r\n"), true).unwrap();
    assert_eq!(drain(&mut client), format!("BDAT 3\r\na\r\nBURL {URL}\r\nBDAT 5 LAST\r\n\r\nb\r\n"));
    let mended = client.mended();
    assert_eq!((mended.count, mended.first), (2, Some(1)));

    for last in [false, true] {
        let mut client = ready(BareNewline::Refuse);
        let refused = client.send(burl(last)).unwrap_err().reason;
        assert!(matches!(refused, Misuse::InvalidBody { offset: 1, .. }), "{refused}");
        // It can go on.
        client.send_chunk(Bytes::from_static(b"\nb\r\n"), true).unwrap();
    }

    for (said, codes) in [
        (format!("BDAT 2\r\nx\rBURL {URL} LAST\r\nMAIL FROM:<a@b>\r\n"), "250 554 250 250"),
        (format!("BDAT 2\r\nx\rBURL {URL}\r\nBDAT 1 LAST\r\n\n"), "250 554 503 250"),
        (format!("BDAT 3\r\nx\r\nBURL {URL}\r\nBDAT 1 LAST\r\n\n"), "250 250 554 250"),
    ] {
        let (came, events) = served(&said, &[250]);
        assert_eq!(came, codes, "{said}");
        let bare =
            |event: &Event| matches!(event, Event::BodyRefused { reason: BodyRefusal::BareNewline(_), .. });
        assert!(events.iter().any(bare), "{said}");
    }
}

#[test]
fn a_server_offers_it_with_what_it_needs() {
    let burl = || Capability::Burl(UrlSources::default());
    assert!(server_config().with_capabilities([burl()]).is_err());
    assert!(server_config().with_capabilities([burl(), Capability::EightBitMime]).is_ok());
}
