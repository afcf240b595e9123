//! Whatever the peer sends and the caller does: no panic, the same events however the input is cut,
//! and memory that is bounded by the limits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use arbitrary::{Arbitrary, Unstructured};
use bytes::{Bytes, BytesMut};
use common::*;
use mailwire_core::{Channel, Connection, Next, SaslStep, Secret, Ticket};
use mailwire_imap::{
    Limits, client,
    command::{AppendData, AppendMessage, Command, Literals, Request, WriteOptions},
    response::Untagged,
    server,
};
use proptest::prelude::*;

/// Pieces of what peers say, well-formed and not.
const SAID: &[&str] = &[
    "* OK [CAPABILITY IMAP4rev1 LITERAL+ IDLE AUTH=PLAIN] hi\r\n",
    "* PREAUTH [CAPABILITY IMAP4rev1 IDLE] hi\r\n",
    "* BYE\r\n",
    "+ go\r\n",
    "+ \r\n",
    "+ eA==\r\n",
    "b.1 OK done\r\n",
    "b.2 OK done\r\n",
    "b.3 NO [TRYCREATE] no\r\n",
    "b.4 BAD\r\n",
    "* 1 FETCH (BODY[] {3}\r\nabc)\r\n",
    "* 1 FETCH (UID 1 BODY[] {40}\r\n0123456789012345678901234567890123456789 BODY[1] {20}\r\n01234567890123456789)\r\n",
    "* LIST () \"/\" {30}\r\n012345678901234567890123456789\r\n",
    "* OK {20}\r\n",
    "* 5 EXISTS\r\n",
    "* 1 FETCH (BODY[] {50}\r\n",
    "* SEARCH 1 2 3\r\n",
    "* ENABLED IMAP4rev2\r\n",
    "\r\n",
    ")",
    "{5}\r\n",
    "a LOGIN {4}\r\nfred {3+}\r\nfoo\r\n",
    "a AUTHENTICATE PLAIN\r\n",
    "a AUTHENTICATE PLAIN AGEAYg==\r\n",
    "AGEAYg==\r\n",
    "*\r\n",
    "a SELECT x\r\n",
    "a APPEND x {10}\r\n0123456789\r\n",
    "a APPEND x {30+}\r\n012345678901234567890123456789\r\n",
    "a IDLE\r\nDONE\r\n",
    "a CREATE {30+}\r\n012345678901234567890123456789\r\n",
    "a CREATE {30}\r\n",
    "a NOOP\r\n",
    "a LOGOUT\r\n",
    "a STARTTLS\r\n",
    "a ENABLE IMAP4rev2\r\n",
    "a FETCH 1 FLAGS\r\n",
    "a CAPABILITY\r\n",
];

#[derive(Debug, Clone)]
enum Step {
    Said(usize),
    Bytes(Vec<u8>),
    Call(u8, Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(
        prop_oneof![
            6 => (0..SAID.len()).prop_map(Step::Said),
            1 => prop::collection::vec(any::<u8>(), 0..10).prop_map(Step::Bytes),
            3 => (0u8..8, prop::collection::vec(any::<u8>(), 20..60)).prop_map(|(call, seed)| Step::Call(call, seed)),
        ],
        0..24,
    )
}

fn limits(server: bool) -> Limits {
    let limits = if server { Limits::server() } else { Limits::client() };
    limits!(limits; inline_literal: 16, message: 100, output: 4096)
}

/// Feeds what is said in pieces of `cut` bytes, and logs the events with chunks joined.
fn run<C: Connection>(
    connection: &mut C,
    steps: &[Step],
    cut: usize,
    is_chunk: impl Fn(&C::Event) -> Option<Bytes>,
    mut react: impl FnMut(&mut C, &C::Event),
    mut call: impl FnMut(&mut C, u8, &[u8]),
) -> Vec<String>
where
    C::Event: std::fmt::Debug,
{
    let (mut log, mut body) = (Vec::new(), Vec::new());
    let mut input = BytesMut::new();
    let mut over = false;
    for step in steps {
        let said: &[u8] = match step {
            Step::Said(index) => SAID[*index].as_bytes(),
            Step::Bytes(bytes) => bytes,
            Step::Call(number, seed) => {
                call(connection, *number, seed);
                &[]
            }
        };
        // A call can let go on what waits.
        let mut pieces: Vec<&[u8]> = said.chunks(cut.max(1)).collect();
        pieces.insert(0, &[]);
        for piece in pieces {
            input.extend_from_slice(piece);
            while !over {
                match connection.next_event(&mut input) {
                    Ok(Next::Event(event)) => {
                        if let Some(chunk) = is_chunk(&event) {
                            body.extend_from_slice(&chunk);
                            continue;
                        }
                        log.push(format!("event {} {event:?}", std::mem::take(&mut body).escape_ascii()));
                        react(connection, &event);
                    }
                    Ok(Next::NeedInput | Next::Paused) => break,
                    Ok(other) => {
                        log.push(format!("event {other:?}"));
                        over = true;
                    }
                    Err(error) => {
                        log.push(format!("event {error:?}"));
                        over = true;
                    }
                }
            }
            // A driver writes all that there is.
            log.push(drain(connection).escape_ascii().to_string());
        }
    }
    log
}

fn run_client(steps: &[Step], cut: usize) -> Vec<String> {
    let mut config = client_config(Channel::Tls);
    config.limits = limits(false);
    let mut client = client::Connection::new(config);
    run(
        &mut client,
        steps,
        cut,
        |event| match event {
            client::Event::BodyChunk(chunk) => Some(chunk.clone()),
            _ => None,
        },
        |client, event| match event {
            client::Event::AuthChallenge { .. } => {
                client.send_auth(SaslStep::Data(Secret::from("x"))).unwrap()
            }
            client::Event::BodyRequested { .. } => {}
            _ => {}
        },
        |client, number, seed| match number {
            0..=4 => {
                if let Ok(request) = Request::arbitrary(&mut Unstructured::new(seed)) {
                    let _ = client.send(request.command);
                }
            }
            5 => {
                let _ = client.done();
            }
            6 => {
                let _ = client.send_body(&mut Bytes::copy_from_slice(seed));
                let _ = client.finish_body();
            }
            _ => {
                let _ = client.send(Command::Noop);
            }
        },
    )
}

fn run_server(steps: &[Step], cut: usize) -> Vec<String> {
    let mut config = server_config(Channel::Tls);
    config.limits = limits(true);
    let mut server = server::Connection::new(config);
    let mut current: Option<Ticket> = None;
    let pending = std::cell::Cell::new(None);
    run(
        &mut server,
        steps,
        cut,
        |event| match event {
            server::Event::BodyChunk(chunk) => Some(chunk.clone()),
            _ => None,
        },
        |server, event| match event {
            server::Event::Command { ticket, command, .. } => match command {
                Command::Append(_) => server.accept_body(*ticket).unwrap(),
                Command::Idle => server.accept_idle(*ticket).unwrap(),
                Command::Authenticate(_) => server.send_auth(SaslStep::Data(Secret::default())).unwrap(),
                _ => pending.set(Some(*ticket)),
            },
            server::Event::IdleDone { ticket } | server::Event::BodyEnd { ticket } => {
                server.reply(*ticket, status("OK done")).unwrap();
            }
            server::Event::AuthResponse { ticket, step: SaslStep::Data(_) } => {
                server.reply(*ticket, status("OK done")).unwrap();
            }
            _ => {}
        },
        |server, number, _| {
            current = pending.take().or(current);
            match (number, current) {
                (0..=4, Some(ticket)) => {
                    let _ = server.reply(ticket, status("OK done"));
                }
                (5, Some(ticket)) => {
                    let _ = server.reply(ticket, status("NO no"));
                }
                (6, _) => {
                    let _ = server.notify(Untagged::Expunge(1.try_into().ok()));
                }
                _ => {
                    let _ = server.notify(Untagged::Exists(1));
                }
            }
        },
    )
}

/// Events and output apart: how they are interleaved depends on how the input is cut.
fn sorted(log: &[String]) -> (Vec<&String>, String) {
    let events = log.iter().filter(|line| line.starts_with("event ")).collect();
    let output = log.iter().filter(|line| !line.starts_with("event ")).map(String::as_str).collect();
    (events, output)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn clients(steps in steps(), cut in 1usize..50) {
        let whole = run_client(&steps, usize::MAX);
        let pieces = run_client(&steps, cut);
        prop_assert_eq!(sorted(&whole), sorted(&pieces));
    }

    #[test]
    fn servers(steps in steps(), cut in 1usize..50) {
        let whole = run_server(&steps, usize::MAX);
        let pieces = run_server(&steps, cut);
        prop_assert_eq!(sorted(&whole), sorted(&pieces));
    }

    /// What a client encodes, whatever it is, a server takes: with its waits answered.
    #[test]
    fn commands_arrive(seed in prop::collection::vec(any::<u8>(), 20..300), plus in any::<bool>()) {
        let Ok(request) = Request::arbitrary(&mut Unstructured::new(&seed)) else { return Ok(()) };
        let mut config = server_config(Channel::Tls);
        use mailwire_imap::Capability as Cap;
        config.add_capabilities([Cap::Binary, Cap::MultiAppend, Cap::Catenate, Cap::Replace]).unwrap();
        let mut server = serving_with(config);
        let literals = if plus { Literals::Plus } else { Literals::Synchronizing };
        let mut bytes = Vec::new();
        let encoded = request.write(WriteOptions::default().with_literals(literals), &mut bytes);
        let mut input = BytesMut::new();
        let mut from = 0;
        let mut found = Vec::new();
        for end in encoded.waits.into_iter().chain([bytes.len()]) {
            input.extend_from_slice(&bytes[from..end]);
            from = end;
            loop {
                match server.next_event(&mut input) {
                    Ok(Next::Event(server::Event::Command { ticket, command, .. })) => {
                        if command.appended().is_some_and(|append| append.literals().count() > 0) {
                            server.accept_body(ticket).unwrap();
                        }
                        found.push(command);
                    }
                    Ok(Next::Event(server::Event::AppendMore { ticket, parts, messages })) => {
                        let Some(Command::Append(append)) = found.last_mut() else { continue };
                        if let Some(AppendMessage { data: AppendData::Catenate(before), .. }) =
                            append.messages.last_mut()
                        {
                            before.extend(parts);
                        }
                        append.messages.extend(messages);
                        // The last event says that it is complete where no literal follows.
                        let _ = server.accept_body(ticket);
                    }
                    Ok(Next::Event(server::Event::BodyRefused { .. })) => found.clear(),
                    Ok(Next::Event(_)) => {}
                    Ok(_) => break,
                    Err(error) => prop_assert!(false, "{error}"),
                }
            }
            if end < bytes.len() && found.is_empty() {
                let said = drain_text(&mut server);
                prop_assert!(said.starts_with("+ ") || said.contains(" BAD ") || said.contains(" NO "), "{}", said);
            }
        }
        prop_assert!(input.is_empty());
        if let (Some(Command::Append(mut got)), Command::Append(sent)) = (found.first().cloned(), &request.command) {
            for (got, sent) in got.messages.iter_mut().flat_map(AppendMessage::literals_mut).zip(sent.literals()) {
                prop_assert_eq!(got.bytes.len(), sent.bytes.len());
                got.bytes = sent.bytes.clone();
            }
            prop_assert_eq!(&got, sent);
        } else if let Some(got) = found.first() {
            prop_assert_eq!(got, &request.command);
        }
    }
}
