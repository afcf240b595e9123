//! A machine that waits within a line looks at nothing but the line. Whatever else happens is seen
//! with the next call all the same, and limits hold at the byte.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::BytesMut;
use common::{client_config, drain, mailbox, ready_client, server_config};
use mailwire_core::testing::{ends_within, wait_within};
use mailwire_smtp::{Command, Connection, Mail, Next, Reply, ReplyCode, client, server};

fn waiting_server() -> (server::Connection, BytesMut) {
    let mut server = server::Connection::new(server_config());
    drain(&mut server);
    let input = wait_within(&mut server, "EHLO client.exa");
    (server, input)
}

fn waiting_client(config: client::Config) -> (client::Connection, BytesMut) {
    let mut client = ready_client(config);
    client.send(Command::Rset).unwrap();
    drain(&mut client);
    let input = wait_within(&mut client, "250-one\r\n250 tw");
    (client, input)
}

#[test]
fn the_end_of_the_stream_a_timeout_and_this_side_end_the_wait() {
    ends_within(waiting_server, "within a command");
    ends_within(|| waiting_client(client_config()), "within a reply");
}

#[test]
fn a_goodbye_ends_the_wait() {
    let (mut server, mut input) = waiting_server();
    server.goodbye(Reply::new(ReplyCode::UNAVAILABLE, "Going down")).unwrap();
    assert_eq!(server.next_event(&mut input), Ok(Next::Closed));
}

#[test]
fn commands_that_wait_for_room_go_out_within_a_line() {
    let mut config = client_config();
    config.limits.output = 40;
    let (mut client, mut input) = waiting_client(config);
    for _ in 0..3 {
        client.send(Command::Mail(Mail::new(mailbox("someone@client.example")))).unwrap();
    }
    let mut written = Vec::new();
    for byte in b"ooo" {
        input.extend_from_slice(&[*byte]);
        assert_eq!(client.next_event(&mut input), Ok(Next::NeedInput));
        written.push(drain(&mut client));
    }
    // Two fill the output, and the third leaves once they are written.
    assert_eq!(written.concat(), "MAIL FROM:<someone@client.example>\r\n".repeat(3));
    assert_ne!(written[1], "");
}

#[test]
fn limits_hold_at_the_byte() {
    let mut config = client_config();
    config.limits.line = 100;
    let (mut client, mut input) = waiting_client(config);
    // Of this line, six bytes are there.
    for count in 7..=100 {
        input.extend_from_slice(b"o");
        let next = client.next_event(&mut input);
        assert_eq!(next.is_err(), count == 100, "{count}: {next:?}");
    }
    for (start, limit) in [("NOOP ", 50), ("AUTH ", 30)] {
        let mut config = server_config();
        (config.limits.line, config.limits.auth_line) = (50, 30);
        let mut server = server::Connection::new(config);
        let mut input = wait_within(&mut server, start);
        for count in 6..=limit {
            input.extend_from_slice(b"o");
            assert_eq!(server.next_event(&mut input), Ok(Next::NeedInput));
            assert_eq!(input.is_empty(), count == limit, "{start}{count}");
        }
    }
}
