//! A machine that waits within a line looks at nothing but the line. Whatever else happens is seen
//! with the next call all the same, and limits hold at the byte.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::BytesMut;
use common::{Client, Server, drain, quiet_config};
use mailwire_core::{
    Channel, Connection, Error, Next,
    testing::{ends_within, wait_within},
};
use mailwire_pop3::{Command, client, server};

fn waiting_server() -> (server::Connection, BytesMut) {
    let mut server = Server::logged_in(server::Config::new(Channel::Tls)).connection;
    drain(&mut server);
    let input = wait_within(&mut server, "RETR 1");
    (server, input)
}

fn waiting_client(config: client::Config) -> (client::Connection, BytesMut) {
    let mut client = Client::logged_in(config).connection;
    client.send(Command::Stat).unwrap();
    drain(&mut client);
    let input = wait_within(&mut client, "+OK 2");
    (client, input)
}

#[test]
fn the_end_of_the_stream_a_timeout_and_this_side_end_the_wait() {
    ends_within(waiting_server, "within a command");
    ends_within(|| waiting_client(quiet_config(Channel::Tls)), "before the answer to a command");
}

#[test]
fn commands_that_wait_for_room_go_out_within_a_line() {
    let mut config = quiet_config(Channel::Tls);
    config.limits.output = 10;
    let mut client = Client::logged_in(config);
    client.connection.send(Command::Capa).unwrap();
    client.hear("+OK\r\nPIPELINING\r\n.\r\n");
    let mut client = client.connection;
    client.send(Command::Stat).unwrap();
    drain(&mut client);
    let mut input = wait_within(&mut client, "+OK 2");
    for _ in 0..5 {
        client.send(Command::Stat).unwrap();
    }
    let mut written = Vec::new();
    for byte in b" 1000" {
        input.extend_from_slice(&[*byte]);
        assert_eq!(client.next_event(&mut input), Ok(Next::NeedInput));
        written.push(drain(&mut client));
    }
    assert_eq!(written.concat(), "STAT\r\n".repeat(5));
    assert_ne!(written[1], "", "not all fitted in at once");
}

#[test]
fn an_answer_before_its_command_is_refused_at_its_first_byte() {
    let mut client = Client::logged_in(quiet_config(Channel::Tls)).connection;
    let mut input = BytesMut::new();
    client.send(Command::Stat).unwrap();
    assert_eq!(client.next_event(&mut input), Ok(Next::NeedInput));
    input.extend_from_slice(b"+");
    assert!(matches!(client.next_event(&mut input), Err(Error::UnsolicitedReply { .. })));
}

#[test]
fn limits_hold_at_the_byte() {
    let mut config = quiet_config(Channel::Tls);
    config.limits.line = 100;
    let (mut client, mut to_client) = waiting_client(config);
    let mut config = server::Config::new(Channel::Tls);
    config.limits.line = 100;
    let mut server = Server::logged_in(config).connection;
    let mut to_server = wait_within(&mut server, "RETR ");
    for count in 6..=100 {
        to_client.extend_from_slice(b"0");
        assert_eq!(client.next_event(&mut to_client).is_err(), count == 100, "{count}");
        to_server.extend_from_slice(b"0");
        assert_eq!(server.next_event(&mut to_server).is_err(), count == 100, "{count}");
    }
}
