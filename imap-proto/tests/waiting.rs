//! A machine that waits within a line or a literal looks at nothing else. Whatever else happens is
//! seen with the next call all the same, and limits hold at the byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::BytesMut;
use common::*;
use mailwire_core::{
    Channel, Connection, Next,
    testing::{ends_within, wait_within},
};
use mailwire_imap::{Limits, client, command::Command, server};

/// In a line, and in a literal.
const COMMANDS: [&str; 2] = ["a1 FETCH 1 (FL", "a1 X-SEARCH SUBJECT {10+}\r\nsome\r\nt"];
const RESPONSES: [&str; 2] = ["* 1 FETCH (FL", "* 1 FETCH (BODY[] {10}\r\nsome\r\nt"];

fn waiting_server(part: &str) -> (server::Connection, BytesMut) {
    let mut server = serving();
    let input = wait_within(&mut server, part);
    (server, input)
}

/// A command of its waits for its reply, so that there is a time to run out.
fn waiting_client(part: &str) -> (client::Connection, BytesMut) {
    let mut client = selected("IMAP4rev1");
    client.send(Command::Noop).unwrap();
    let input = wait_within(&mut client, part);
    (client, input)
}

#[test]
fn the_end_of_the_stream_a_timeout_and_this_side_end_the_wait() {
    for part in COMMANDS {
        ends_within(|| waiting_server(part), "within a command");
    }
    for part in RESPONSES {
        ends_within(|| waiting_client(part), "within a response");
    }
}

#[test]
fn a_goodbye_ends_the_wait() {
    for part in COMMANDS {
        let (mut server, mut input) = waiting_server(part);
        server.goodbye(status("OK going down")).unwrap();
        assert!(matches!(server.next_event(&mut input), Ok(Next::Closed)));
    }
}

#[test]
fn a_full_output_pauses_a_server_within_a_line() {
    let mut server = serving_within(|limits| limits.output = 100);
    let mut input = wait_within(&mut server, "a1 FETCH 1 (FL");
    while server.notify(untagged("* 3 EXISTS")).is_ok() {}
    assert!(matches!(server.next_event(&mut input), Ok(Next::Paused)));
    drain(&mut server);
    assert!(matches!(server.next_event(&mut input), Ok(Next::NeedInput)));
}

#[test]
fn commands_that_wait_for_room_go_out_within_a_line() {
    let mut client = client_within(|limits| limits.output = 20);
    feed(&mut client, b"* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n");
    let mut input = wait_within(&mut client, "* OK so");
    for _ in 0..5 {
        client.send(command("CREATE x")).unwrap();
    }
    let mut written = Vec::new();
    for byte in b"metext" {
        input.extend_from_slice(&[*byte]);
        assert!(matches!(client.next_event(&mut input), Ok(Next::NeedInput)));
        written.push(drain_text(&mut client));
    }
    assert_eq!(written.concat().matches("CREATE x\r\n").count(), 5, "{written:?}");
    assert_ne!(written[1], "", "not all fitted in at once");
}

#[test]
fn limits_hold_at_the_byte() {
    let limits = limits!(Limits::client(); line: 100);
    let mut config = client_config(Channel::Tls);
    config.limits = limits;
    let mut client = client::Connection::new(config);
    let mut config = server_config(Channel::Tls);
    config.limits = limits;
    let mut server = serving_with(config);
    let (mut to_client, mut to_server) = (BytesMut::new(), BytesMut::new());
    for count in 1..=100 {
        to_client.extend_from_slice(b"x");
        assert_eq!(client.next_event(&mut to_client).is_err(), count == 100, "{count}");
        to_server.extend_from_slice(b"x");
        assert_eq!(server.next_event(&mut to_server).is_err(), count == 100, "{count}");
    }
}
