//! Replays `transcripts/*.txt` for the client's and the server's machine: whole, byte by byte, and
//! cut in two at every place, with the same result each time.
//!
//! A transcript has
//! - `C: ` and `S: ` lines: what client and server send, without CR LF;
//! - `TLS`: here the stream is replaced;
//! - `roles: client`, `roles: server`: for one role only, before anything else;
//! - `channel: clear|starttls|tls` (default `tls`), `clear credentials`, `timestamp: <...>`,
//!   `sasl: NAME ...`, `quiet` (the client asks for no capabilities), `no initial response`:
//!   configuration;
//! - `= ` lines: what the client is told, all of it;
//! - `> ` lines: what the client's caller sends, where the machine makes something else of it;
//! - `# ` lines and empty lines: nothing.
//!
//! The client sends a `C: ` line unless its machine has sent it by itself. The server's
//! application answers with the `S: ` lines, as far as its machine has not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

mod common;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use common::{drain, run};
use mailwire_core::{
    Channel, Connection as _, Dialect, Next, SaslStep, Upgrade,
    dot::{LineEnds, Unstuffed, Unstuffer},
    sasl,
};
use mailwire_pop3::{
    ApopTimestamp, Command, Expected, Follows, Listing, Mechanism, Reply, client, reply, server,
};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Client(String),
    Server(String),
    Tls,
    Told(String),
    Ask(String),
}

struct Transcript {
    items: Vec<Item>,
    client: client::Config,
    server: server::Config,
    roles: (bool, bool),
}

fn load(text: &str) -> Transcript {
    let mut items = Vec::new();
    let mut channel = Channel::Tls;
    let mut clear = false;
    let mut quiet = false;
    let mut initial = true;
    let mut roles = (true, true);
    let mut timestamp = None;
    let mut mechanisms = Vec::new();
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "C:" => items.push(Item::Client(rest.into())),
            "S:" => items.push(Item::Server(rest.into())),
            "=" => items.push(Item::Told(rest.into())),
            ">" => items.push(Item::Ask(rest.into())),
            "TLS" => items.push(Item::Tls),
            "" | "#" => {}
            "roles:" => roles = (rest == "client", rest == "server"),
            "channel:" => {
                channel = match rest {
                    "clear" => Channel::Clear,
                    "starttls" => Channel::StartTls,
                    _ => Channel::Tls,
                }
            }
            "clear" => clear = true,
            "quiet" => quiet = true,
            "no" => initial = false,
            "timestamp:" => timestamp = Some(ApopTimestamp::new(rest).unwrap()),
            "sasl:" => mechanisms = rest.split(' ').map(|name| Mechanism::new(name).unwrap()).collect(),
            _ => panic!("what is this: {line}"),
        }
    }
    let mut client = if quiet { common::quiet_config(channel) } else { client::Config::new(channel) };
    client.allow_clear_credentials = clear;
    client.initial_response = initial;
    client.limits.auth_steps = 8;
    let mut server = server::Config::new(channel);
    server.allow_clear_credentials = clear;
    server.apop = timestamp;
    server.mechanisms = mechanisms;
    Transcript { items, client, server, roles }
}

/// How input is fed.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Whole,
    Bytes,
    At(usize),
}

impl Cut {
    fn pieces(self, text: &str) -> Vec<&str> {
        match self {
            Cut::Whole => vec![text],
            Cut::Bytes => text.split("").filter(|piece| !piece.is_empty()).collect(),
            Cut::At(at) if at < text.len() => vec![&text[..at], &text[at..]],
            Cut::At(_) => vec![text],
        }
    }
}

fn describe(event: &client::Event, told: &mut Vec<String>) {
    use client::Event;
    let status = |reply: &Reply| {
        let mut line = Vec::new();
        reply.write(&mut line);
        String::from_utf8(line).unwrap().trim_end().to_owned()
    };
    let line = match event {
        Event::Greeting { greeting, .. } => match &greeting.timestamp {
            Some(timestamp) => format!("greeting {timestamp}"),
            None => format!("greeting {}", if greeting.ok { "+OK" } else { "-ERR" }),
        },
        Event::Capabilities(capabilities) => {
            let tags: Vec<String> = capabilities.iter().map(|c| c.tag().to_string()).collect();
            format!("capabilities {}", tags.join(" ")).trim_end().to_owned()
        }
        Event::Reply { reply, follows: Follows::Nothing, .. } => format!("reply {}", status(reply)),
        Event::Reply { reply, follows, .. } => format!("reply {} then {follows:?}", status(reply)),
        Event::Line { line, .. } => {
            let mut text = Vec::new();
            line.write(&mut text);
            format!("line {}", String::from_utf8(text).unwrap())
        }
        Event::LinesEnd { .. } => "end of lines".into(),
        Event::BodyStart { .. } => "body".into(),
        Event::BodyChunk(chunk) => {
            let chunk = String::from_utf8(chunk.to_vec()).unwrap().escape_debug().to_string();
            match told.last_mut() {
                Some(last) if last.starts_with("chunk ") => {
                    last.push_str(&chunk);
                    return;
                }
                _ => format!("chunk {chunk}"),
            }
        }
        Event::BodyEnd { .. } => "end of body".into(),
        Event::AuthChallenge { data, .. } => {
            format!("challenge {}", String::from_utf8_lossy(data.expose())).trim_end().to_owned()
        }
        Event::NotSent { .. } => "not sent".into(),
        Event::Malformed { error, .. } => format!("malformed {}", error.reason),
        event => panic!("{event:?}"),
    };
    told.push(line);
}

fn replay_client(transcript: &Transcript, cut: Cut) -> Vec<client::Event> {
    let mut connection = client::Connection::new(transcript.client.clone());
    let mut input = BytesMut::new();
    let mut all = Vec::new();
    let mut told: Vec<String> = Vec::new();
    let mut due = Vec::new();
    let mut written = String::new();
    let mut items = transcript.items.iter().peekable();
    while let Some(item) = items.next() {
        let mut events = Vec::new();
        match item {
            Item::Client(line) => {
                let line = format!("{line}\r\n");
                written += &drain(&mut connection);
                if !written.starts_with(&line) {
                    assert_eq!(written, "", "before {line:?}");
                    let challenged = matches!(all.last(), Some(client::Event::AuthChallenge { .. }));
                    if challenged {
                        let step = sasl::decode_step(line.trim_end().as_bytes()).unwrap();
                        connection.send_auth(step).unwrap();
                    } else {
                        send(&mut connection, line.trim_end());
                    }
                    written += &drain(&mut connection);
                }
                assert!(written.starts_with(&line), "{line:?} was due, not {written:?}");
                written = written.split_off(line.len());
            }
            Item::Server(line) => {
                let mut text = format!("{line}\r\n");
                while let Some(Item::Server(line)) = items.peek() {
                    text += &format!("{line}\r\n");
                    items.next();
                }
                for piece in cut.pieces(&text) {
                    let _ = common::feed(&mut connection, &mut input, piece, &mut events)
                        .unwrap_or_else(|error| panic!("{error} in {text:?}"));
                    written += &drain(&mut connection);
                }
            }
            Item::Tls => {
                let next = run(&mut connection, &mut input, &mut events).unwrap();
                assert_eq!(next, Next::Upgrade(Upgrade::Tls));
                connection.upgraded(Upgrade::Tls);
            }
            Item::Told(line) => due.push(line.clone()),
            Item::Ask(line) => send(&mut connection, line),
        }
        let _ = run(&mut connection, &mut input, &mut events).unwrap();
        events.iter().for_each(|event| describe(event, &mut told));
        all.extend(events);
    }
    assert_eq!(told, due);
    assert_eq!(written, "");
    joined(all)
}

fn send(connection: &mut client::Connection, line: &str) {
    let line = Bytes::from(line.to_owned());
    connection.send(Command::parse(&line, Dialect::Lenient).unwrap().value).unwrap();
}

/// With neighbouring chunks put together.
fn joined(events: Vec<client::Event>) -> Vec<client::Event> {
    let mut joined: Vec<client::Event> = Vec::new();
    for event in events {
        match (joined.last_mut(), event) {
            (Some(client::Event::BodyChunk(before)), client::Event::BodyChunk(chunk)) => {
                *before = [&before[..], &chunk[..]].concat().into();
            }
            (_, event) => joined.push(event),
        }
    }
    joined
}

fn replay_server(transcript: &Transcript, cut: Cut) -> Vec<server::Event> {
    let mut connection = server::Connection::new(transcript.server.clone());
    let mut input = BytesMut::new();
    let mut all = Vec::new();
    let mut written = String::new();
    let mut waiting: VecDeque<server::Event> = VecDeque::new();
    let mut items = transcript.items.iter().peekable();
    while let Some(item) = items.next() {
        let mut events = Vec::new();
        match item {
            Item::Told(_) | Item::Ask(_) => {}
            Item::Tls => {
                assert_eq!(
                    run(&mut connection, &mut input, &mut events).unwrap(),
                    Next::Upgrade(Upgrade::Tls)
                );
                connection.upgraded(Upgrade::Tls);
            }
            Item::Client(line) => {
                let mut text = format!("{line}\r\n");
                while let Some(Item::Client(line)) = items.peek() {
                    text += &format!("{line}\r\n");
                    items.next();
                }
                for piece in cut.pieces(&text) {
                    let _ = common::feed(&mut connection, &mut input, piece, &mut events)
                        .unwrap_or_else(|error| panic!("{error} in {text:?}"));
                    written += &drain(&mut connection);
                }
            }
            Item::Server(line) => {
                let mut text = format!("{line}\r\n");
                while let Some(Item::Server(line)) = items.peek() {
                    text += &format!("{line}\r\n");
                    items.next();
                }
                let mut rest = text.as_str();
                while !rest.is_empty() {
                    written += &drain(&mut connection);
                    if written.is_empty() {
                        let event =
                            waiting.pop_front().unwrap_or_else(|| panic!("nobody asked for {rest:?}"));
                        answer(&mut connection, &event, rest);
                        written += &drain(&mut connection);
                        let _ = run(&mut connection, &mut input, &mut events).unwrap();
                        waiting.extend(events.iter().filter(|event| is_question(event)).cloned());
                        all.append(&mut events);
                        written += &drain(&mut connection);
                    }
                    assert!(
                        rest.starts_with(&written) && !written.is_empty(),
                        "{rest:?} was due, not {written:?}"
                    );
                    rest = &rest[written.len()..];
                    written.clear();
                }
            }
        }
        waiting.extend(events.iter().filter(|event| is_question(event)).cloned());
        all.extend(events);
    }
    assert_eq!(written, "");
    all
}

fn is_question(event: &server::Event) -> bool {
    match event {
        server::Event::Command { .. } | server::Event::Login { .. } => true,
        server::Event::AuthResponse { step, .. } => *step != SaslStep::Cancel,
        _ => false,
    }
}

/// Answers with the lines of the transcript.
fn answer(connection: &mut server::Connection, event: &server::Event, text: &str) {
    let (status, mut rest) = text.split_once("\r\n").unwrap();
    let status = Bytes::from(status.to_owned());
    let (ticket, command) = match event {
        server::Event::Command { ticket, command, .. } => (*ticket, Some(command)),
        server::Event::Login { ticket, .. } | server::Event::AuthResponse { ticket, .. } => (*ticket, None),
        event => panic!("{event:?}"),
    };
    if let Some(challenge) = reply::parse_challenge(&status, Dialect::Strict).unwrap() {
        connection.send_auth(SaslStep::Data(challenge.value)).unwrap();
        return;
    }
    let expected = command.map_or(Expected::Status, Expected::status_of);
    let reply = Reply::parse(&status, expected, Dialect::Strict).unwrap().value;
    if reply.is_ok() && command == Some(&Command::Stls) {
        connection.accept_upgrade(ticket).unwrap();
        return;
    }
    let ok = reply.is_ok();
    connection.reply(ticket, reply).unwrap();
    match command.map(|command| (command.follows(), Expected::lines_of(command))) {
        Some((Follows::Lines, Some(expected))) if ok => {
            while let Some((line, behind)) = rest.split_once("\r\n") {
                rest = behind;
                if line == "." {
                    break;
                }
                let line = Bytes::from(line.to_owned());
                connection
                    .send_line(Listing::parse(&line, expected, Dialect::Strict).unwrap().value)
                    .unwrap();
            }
            connection.finish_body().unwrap();
        }
        Some((Follows::Body, _)) if ok => {
            let mut body = BytesMut::from(rest);
            let mut unstuffer = Unstuffer::new(LineEnds::CrLf);
            while let Unstuffed::Chunk(mut chunk) = unstuffer.next(&mut body) {
                while !chunk.is_empty() {
                    connection.send_body(&mut chunk).unwrap();
                }
            }
            connection.finish_body().unwrap();
        }
        _ => {}
    }
}

#[test]
fn every_transcript_whole_bytewise_and_cut_everywhere() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        let transcript = load(&std::fs::read_to_string(&path).unwrap());
        let longest = transcript.items.len() * 80;
        let cuts = || std::iter::once(Cut::Bytes).chain((1..longest).map(Cut::At));
        if transcript.roles.0 {
            let whole = replay_client(&transcript, Cut::Whole);
            cuts().for_each(|cut| assert_eq!(replay_client(&transcript, cut), whole, "{cut:?}"));
        }
        if transcript.roles.1 {
            let whole = replay_server(&transcript, Cut::Whole);
            cuts().for_each(|cut| assert_eq!(replay_server(&transcript, cut), whole, "{cut:?}"));
        }
        count += 1;
    }
    assert!(count >= 8, "transcripts are missing");
}
