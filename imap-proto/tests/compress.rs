//! COMPRESS and UNAUTHENTICATE, beside what the transcripts show.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod common;

use bytes::BytesMut;
use common::*;
use mailwire_core::{
    Channel, Connection as _, Error, Misuse, Next, NotOffered, Upgrade, WrongAnswer, WrongState,
};
use mailwire_imap::{Capability, client, command::Command, server};

const BOTH: &str = "IMAP4rev2 COMPRESS=DEFLATE UNAUTHENTICATE";

fn serving_both() -> server::Connection {
    let mut config = server_config(Channel::Tls);
    config.add_capabilities([Capability::CompressDeflate, Capability::Unauthenticate]).unwrap();
    serving_with(config)
}

#[test]
fn a_client_asks_only_where_it_is_offered_and_once() {
    for wanted in [Command::Compress, Command::Unauthenticate] {
        let reason = logged_in("IMAP4rev2").send(wanted).unwrap_err().reason;
        assert!(matches!(reason, Misuse::NotOffered(NotOffered::Extension(_))), "{reason}");
    }
    let mut client = logged_in(BOTH);
    client.send(Command::Compress).unwrap();
    // Nothing goes before the answer is there.
    client.send(Command::Noop).unwrap();
    assert_eq!(drain_text(&mut client), "b.1 COMPRESS DEFLATE\r\n");
    let mut input = BytesMut::from("b.1 OK on\r\n\x01\x02");
    assert!(matches!(event(&mut client, &mut input), client::Event::Reply { .. }));
    assert!(client.is_compressed());
    assert_eq!(client.next_event(&mut input), Ok(Next::Upgrade(Upgrade::Deflate)));
    assert_eq!(&input[..], b"\x01\x02", "the first compressed bytes are left for the stream");
    client.upgraded(Upgrade::Deflate);
    assert_eq!(drain_text(&mut client), "b.2 NOOP\r\n");
    feed(&mut client, b"b.2 OK\r\n");
    let reason = client.send(Command::Compress).unwrap_err().reason;
    assert_eq!(reason, Misuse::WrongState(WrongState::Compressed));
}

#[test]
fn a_refusal_leaves_the_stream_as_it_is() {
    let mut client = logged_in(BOTH);
    client.send(Command::Compress).unwrap();
    drain(&mut client);
    feed(&mut client, b"b.1 NO [COMPRESSIONACTIVE] TLS compresses\r\n");
    assert!(!client.is_compressed());
    client.send(Command::Noop).unwrap();
    assert_eq!(drain_text(&mut client), "b.2 NOOP\r\n");

    let mut server = serving_both();
    let ticket = take(&mut server, "a COMPRESS deflate");
    server.reply(ticket, status("NO not now")).unwrap();
    assert_eq!(drain_text(&mut server), "a NO not now\r\n");
    take(&mut server, "b NOOP");
}

/// Whether the next byte is compressed cannot be told then.
#[test]
fn an_answer_that_cannot_be_read_ends_the_connection() {
    for wanted in [Command::Compress, Command::Unauthenticate] {
        let mut client = logged_in(BOTH);
        client.send(wanted).unwrap();
        drain(&mut client);
        let mut input = BytesMut::from("b.1 PERHAPS\r\n");
        assert!(matches!(event(&mut client, &mut input), client::Event::Malformed { .. }));
        assert!(matches!(client.next_event(&mut input), Err(Error::Unexpected { .. })));
    }
}

#[test]
fn a_server_compresses_once_by_its_own_call() {
    let mut server = serving_both();
    feed(&mut server, b"a COMPRESS GZIP\r\n");
    assert_eq!(drain_text(&mut server), "a BAD expected DEFLATE\r\n");
    let ticket = take(&mut server, "b COMPRESS DEFLATE");
    let reason = server.reply(ticket, status("OK on")).unwrap_err().reason;
    assert_eq!(reason, Misuse::WrongAnswer(WrongAnswer::OwnCall("accept_upgrade")));
    server.accept_upgrade(ticket).unwrap();
    let mut input = BytesMut::from("early");
    assert_eq!(server.next_event(&mut input), Ok(Next::Paused), "the OK leaves uncompressed");
    assert_eq!(drain_text(&mut server), "b OK compressed from now on\r\n");
    assert_eq!(server.next_event(&mut input), Ok(Next::Upgrade(Upgrade::Deflate)));
    server.upgraded(Upgrade::Deflate);
    feed(&mut server, b"c COMPRESS DEFLATE\r\n");
    assert_eq!(drain_text(&mut server), "c BAD [COMPRESSIONACTIVE] already compressed\r\n");
    // Before the login there is nothing to compress, and a secret to hide.
    let mut config = server_config(Channel::Tls);
    config.add_capabilities([Capability::CompressDeflate]).unwrap();
    let mut server = server::Connection::new(config);
    drain(&mut server);
    feed(&mut server, b"a COMPRESS DEFLATE\r\n");
    assert_eq!(drain_text(&mut server), "a BAD log in first\r\n");
}

#[test]
fn nothing_is_left_of_a_user_who_has_logged_out() {
    let mut server = serving_both();
    feed(&mut server, b"a ENABLE IMAP4rev2\r\n");
    assert!(server.is_rev2());
    done(&mut server, "b SELECT INBOX");
    let ticket = take(&mut server, "c UNAUTHENTICATE");
    let reason = server.reply(ticket, status("NO not now")).unwrap_err().reason;
    assert_eq!(reason, Misuse::WrongAnswer(WrongAnswer::NotRefusable));
    server.reply(ticket, status("OK bye")).unwrap();
    assert!(drain_text(&mut server).starts_with("c OK [CAPABILITY "));
    assert!(!server.is_rev2() && server.is_tls() && server.state() == server::State::NotAuthenticated);
    feed(&mut server, b"d SELECT INBOX\r\n");
    assert_eq!(drain_text(&mut server), "d BAD log in first\r\n");

    let mut client = selected(BOTH);
    client.send(command("ENABLE IMAP4rev2")).unwrap();
    drain(&mut client);
    feed(&mut client, b"* ENABLED IMAP4rev2\r\nb.2 OK\r\n");
    client.send(Command::Unauthenticate).unwrap();
    drain(&mut client);
    feed(&mut client, b"b.3 OK [CAPABILITY IMAP4rev1] bye\r\n");
    assert_eq!((client.state(), client.is_tls()), (client::State::NotAuthenticated, true));
    assert!(!client.capabilities().has(&Capability::Unauthenticate));
    assert_eq!(drain_text(&mut client), "", "the capabilities are known");
    let reason = client.send(command("SELECT INBOX")).unwrap_err().reason;
    assert_eq!(reason, Misuse::WrongState(WrongState::NotAuthenticated));
}

/// Who guesses passwords does not get new guesses by it.
#[test]
fn failed_logins_count_on() {
    let mut config = server_config(Channel::Tls);
    config.add_capabilities([Capability::Unauthenticate]).unwrap();
    config.limits.auth_failures = 2;
    let mut server = server::Connection::new(config);
    drain(&mut server);
    for (line, answer) in
        [("a LOGIN x y", "NO wrong"), ("b LOGIN x z", "OK in"), ("c UNAUTHENTICATE", "OK out")]
    {
        let ticket = take(&mut server, line);
        server.reply(ticket, status(answer)).unwrap();
    }
    let ticket = take(&mut server, "d LOGIN x y");
    server.reply(ticket, status("NO wrong")).unwrap();
    assert!(matches!(server.next_event(&mut BytesMut::new()), Err(Error::LimitExceeded { limit: 2, .. })));
}
