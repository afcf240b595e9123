//! Whatever the peer sends, however it is cut: the same events, the same end, the same output.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::BytesMut;
use common::{Client, Server, drain, quiet_config, run};
use mailwire_core::{Channel, Connection as _, Dialect, Error, Next, SaslStep};
use mailwire_pop3::{Command, Listing, Mechanism, Reply, client::Event, server};
use proptest::prelude::*;

/// What a server could send, right and wrong.
fn server_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "+OK\r\n", "+OK 2 320\r\n", "-ERR no\r\n", "-ERR [SYS/TEMP] x\r\n", ".\r\n", "..\r\n", "1 120\r\n",
            "2 abc\r\n", "TOP\r\n", "SASL PLAIN\r\n", "line\r\n", ".\n", "\n", "\r", ".", "\r\n", "+ \r\n", "+\r\n",
            "+ YQ==\r\n", "+ok 3 -1\r\n", "1   x\n", "\0", "text", "+OK 1 1\r\n+OK 1 a\r\n+OK\r\n",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// What a client could send, right and wrong.
fn client_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        12 => prop::sample::select(vec![
            "USER a\r\nPASS b\r\n", "USER a\r\n", "PASS b\r\n", "AUTH PLAIN\r\n", "AUTH PLAIN AAAA\r\n", "AAAA\r\n",
            "*\r\n", "CAPA\r\n", "NOOP\r\n", "STAT\r\n", "LIST\r\n", "LIST 1\r\n", "UIDL\r\n", "UIDL 1\r\n",
            "RETR 1\r\n", "TOP 1 1\r\n", "DELE 1\r\n", "RSET\r\n", "FOO\r\n", "\r\n", "retr  1 \r\n", "LIST 0\r\n",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => Just(b"QUIT\r\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn pieces<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn client_hears(
    pieces: &[&[u8]],
    dialect: Dialect,
    auth: bool,
) -> (Vec<Event>, Result<Next<()>, Error>, String) {
    let mut config = quiet_config(Channel::Tls);
    config.dialect = dialect;
    let mut client = if auth {
        let mut client = Client::new(config);
        client.hear("+OK\r\n");
        let auth = Command::Auth { mechanism: Mechanism::Plain, initial: Some("a".into()) };
        client.connection.send(auth).unwrap();
        client
    } else {
        Client::logged_in(config)
    };
    if !auth {
        client.connection.send(Command::Capa).unwrap();
        client.hear("+OK\r\nPIPELINING\r\n.\r\n");
        let one = mailwire_pop3::MessageNumber::FIRST;
        for command in [
            Command::Stat,
            Command::List(None),
            Command::Retr(one),
            Command::Uidl(None),
            Command::Dele(one),
            Command::Capa,
            Command::List(Some(one)),
            Command::Uidl(Some(one)),
            Command::Top { number: one, lines: 1 },
            Command::Quit,
        ] {
            client.connection.send(command).unwrap();
        }
    }
    let mut output = drain(&mut client.connection);
    let mut events: Vec<Event> = Vec::new();
    let mut next = Ok(Next::NeedInput);
    for piece in pieces {
        client.input.extend_from_slice(piece);
        loop {
            let before = events.len();
            next = run(&mut client.connection, &mut client.input, &mut events);
            output += &drain(&mut client.connection);
            let challenged =
                matches!(events.last(), Some(Event::AuthChallenge { .. })) && events.len() > before;
            if !challenged || client.connection.send_auth(SaslStep::Data("b".into())).is_err() {
                break;
            }
            output += &drain(&mut client.connection);
        }
    }
    if next == Ok(Next::Paused) {
        next = run(&mut client.connection, &mut client.input, &mut events);
    }
    let mut joined: Vec<Event> = Vec::new();
    for event in events {
        match (joined.last_mut(), event) {
            (Some(Event::BodyChunk(before)), Event::BodyChunk(chunk)) => {
                *before = [&before[..], &chunk[..]].concat().into();
            }
            (_, event) => joined.push(event),
        }
    }
    (joined, next, output)
}

fn server_hears(pieces: &[&[u8]]) -> (Vec<server::Event>, Result<Next<()>, Error>, String) {
    let mut config = server::Config::new(Channel::Tls);
    config.mechanisms = vec![Mechanism::Plain];
    config.limits.bad_commands = 5;
    let mut server = Server::new(config);
    let mut input = BytesMut::new();
    let (mut all, mut output) = (Vec::new(), String::new());
    let mut next = Ok(Next::NeedInput);
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let mut events = Vec::new();
            next = run(&mut server.connection, &mut input, &mut events);
            output += &drain(&mut server.connection);
            let mut answered = false;
            for event in &events {
                answered |= answer(&mut server.connection, event);
            }
            output += &drain(&mut server.connection);
            all.append(&mut events);
            if !answered {
                break;
            }
        }
    }
    if next == Ok(Next::Paused) {
        next = run(&mut server.connection, &mut input, &mut all);
    }
    (all, next, output)
}

fn answer(server: &mut server::Connection, event: &server::Event) -> bool {
    let one = mailwire_pop3::MessageNumber::FIRST;
    let (ticket, reply) = match event {
        server::Event::Login { ticket, .. } => (ticket, Reply::ok("")),
        server::Event::AuthResponse { step: SaslStep::Cancel, .. } => return false,
        server::Event::AuthResponse { ticket, .. } => (ticket, Reply::err("no")),
        server::Event::Command { ticket, command, .. } => match command {
            Command::Auth { initial: None, .. } => {
                server.send_auth(SaslStep::Data("c".into())).unwrap();
                return true;
            }
            Command::Stat => (ticket, Reply::drop_listing(1, 2)),
            Command::List(Some(message)) => (ticket, Reply::scan_listing(*message, 1)),
            Command::Uidl(Some(_)) => (ticket, Reply::err("no")),
            _ => (ticket, Reply::ok("")),
        },
        _ => return false,
    };
    server.reply(*ticket, reply).unwrap();
    match event {
        server::Event::Command { command: Command::Retr(_) | Command::Top { .. }, .. } => {
            server.send_body(&mut "a\r\n.b".into()).unwrap();
            server.finish_body().unwrap();
        }
        server::Event::Command { command: Command::List(None), .. } => {
            let line = mailwire_pop3::ScanListing::new(one, 1);
            server.send_line(Listing::Scan(line)).unwrap();
            server.finish_body().unwrap();
        }
        server::Event::Command { command: Command::Uidl(None), .. } => server.finish_body().unwrap(),
        _ => {}
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_client(
        bytes in server_bytes(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        strict: bool,
        auth: bool,
    ) {
        let dialect = if strict { Dialect::Strict } else { Dialect::Lenient };
        // In an exchange the server must not answer before it was asked: line by line, that is.
        let lines: Vec<&[u8]> = if auth { bytes.split_inclusive(|&b| b == b'\n').collect() } else { vec![&bytes] };
        let whole = client_hears(&lines, dialect, auth);
        let cut: Vec<&[u8]> = lines.iter().flat_map(|line| pieces(line, &cuts)).collect();
        prop_assert_eq!(&client_hears(&cut, dialect, auth), &whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        if !single.is_empty() {
            prop_assert_eq!(&client_hears(&single, dialect, auth), &whole);
        }
    }

    #[test]
    fn a_server(
        bytes in client_bytes(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let whole = server_hears(&[&bytes]);
        prop_assert_eq!(&server_hears(&pieces(&bytes, &cuts)), &whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        if !single.is_empty() {
            prop_assert_eq!(&server_hears(&single), &whole);
        }
    }
}
