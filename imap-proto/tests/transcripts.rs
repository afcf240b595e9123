//! Conversations, replayed for both roles: whole, byte by byte, and cut in two at every place.
//!
//! A transcript has lines that begin with:
//!
//! - `C: ` and `S: `: what the client and the server say. A line end (CR LF) follows each.
//! - `@channel clear|starttls|tls`: how the stream is protected. `tls` if there is none.
//! - `@role client|server`: the conversation is replayed for that role only.
//! - `@upgrade`: TLS is put in place.
//! - `@clear-credentials`: both sides take them without TLS.
//! - `#`: a comment.
//!
//! The client's machine is made to say what the transcript has, by the calls that its commands stand
//! for; and likewise the server's, by the calls that its responses stand for. Both must put out the
//! transcript's very bytes. Tags are `b.1`, `b.2` and so on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::{fmt::Debug, fs, path::Path};

use bytes::{Buf, Bytes, BytesMut};
use common::*;
use mailwire_core::{Channel, Connection, Dialect, Next, SaslStep, Secret, Ticket, sasl};
use mailwire_imap::{
    Capability, Limits, client,
    command::{AppendData, Command, Request},
    framing::{Framed, Framer, Speaker},
    response::{Code, Response, Untagged},
    server,
    types::ParseContext,
};

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Client(Vec<u8>),
    Server(Vec<u8>),
    Upgrade,
}

struct Transcript {
    name: String,
    channel: Channel,
    clear_credentials: bool,
    client: bool,
    server: bool,
    steps: Vec<Step>,
}

fn transcripts() -> Vec<Transcript> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Transcript {
    let mut transcript = Transcript {
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
        channel: Channel::Tls,
        clear_credentials: false,
        client: true,
        server: true,
        steps: vec![],
    };
    for line in fs::read_to_string(path).unwrap().lines() {
        let said = |text: &str| [text.as_bytes(), b"\r\n"].concat();
        if let Some(text) = line.strip_prefix("C: ") {
            match transcript.steps.last_mut() {
                Some(Step::Client(bytes)) => bytes.extend(said(text)),
                _ => transcript.steps.push(Step::Client(said(text))),
            }
        } else if let Some(text) = line.strip_prefix("S: ") {
            match transcript.steps.last_mut() {
                Some(Step::Server(bytes)) => bytes.extend(said(text)),
                _ => transcript.steps.push(Step::Server(said(text))),
            }
        } else {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("@upgrade", _) => transcript.steps.push(Step::Upgrade),
                ("@clear-credentials", _) => transcript.clear_credentials = true,
                ("@channel", "clear") => transcript.channel = Channel::Clear,
                ("@channel", "starttls") => transcript.channel = Channel::StartTls,
                ("@role", "client") => transcript.server = false,
                ("@role", "server") => transcript.client = false,
                ("" | "#", _) => {}
                other => panic!("{}: {other:?}", path.display()),
            }
        }
    }
    transcript
}

/// How input is cut into pieces.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Whole,
    Bytes,
    /// All input up to this byte, counted over the conversation, and then the rest.
    At(usize),
}

impl Cut {
    fn pieces(self, bytes: &[u8], seen: usize) -> Vec<&[u8]> {
        match self {
            Cut::Bytes => bytes.chunks(1).collect(),
            Cut::At(at) if seen < at && at < seen + bytes.len() => {
                let (one, other) = bytes.split_at(at - seen);
                vec![one, other]
            }
            _ => vec![bytes],
        }
    }
}

/// Events as text, with the chunks of a body joined.
#[derive(Default)]
struct Log {
    lines: Vec<String>,
    body: Vec<u8>,
}

impl Log {
    fn chunk(&mut self, chunk: &[u8]) {
        self.body.extend_from_slice(chunk);
    }

    fn event(&mut self, event: impl Debug) {
        if !self.body.is_empty() {
            let body = std::mem::take(&mut self.body);
            self.lines.push(format!("body {}", body.escape_ascii()));
        }
        self.lines.push(format!("{event:?}"));
    }
}

/// The complete command at the front of what the client says from this step on.
fn next_request(steps: &[Step], offset: usize) -> Option<Request> {
    let mut said = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        match step {
            Step::Client(bytes) => said.extend_from_slice(&bytes[if index == 0 { offset } else { 0 }..]),
            Step::Server(bytes) if bytes.starts_with(b"+") => {}
            _ if index > 0 => break,
            _ => {}
        }
    }
    let limits = Limits { inline_literal: usize::MAX, ..Limits::client() };
    let (mut framer, mut input) = (Framer::new(Speaker::Client), BytesMut::from(&said[..]));
    loop {
        match framer.next(&mut input, &limits).unwrap() {
            // A message that the server did not want.
            Framed::Literal(announced) if announced.size > input.len() as u64 => {
                let frame = framer.announced_frame(&input);
                return Request::parse(&frame.bytes, frame.context(Dialect::Strict, 10))
                    .ok()
                    .map(|parsed| parsed.value);
            }
            Framed::Literal(_) => framer.keep(&limits).unwrap(),
            Framed::Message(frame) => {
                return Request::parse(&frame.bytes, ParseContext::new(Dialect::Strict))
                    .ok()
                    .map(|parsed| parsed.value);
            }
            _ => return None,
        }
    }
}

fn replay_client(transcript: &Transcript, cut: Cut) -> Vec<String> {
    let mut config = client_config(transcript.channel);
    config.limits.inline_literal = 64;
    config.allow_clear_credentials = transcript.clear_credentials;
    let mut client = client::Connection::new(config);
    let (mut log, mut input, mut seen) = (Log::default(), BytesMut::new(), 0);
    let mut waiting = None;
    let mut message = None;
    let mut ended = false;
    for (index, step) in transcript.steps.iter().enumerate() {
        match step {
            Step::Server(bytes) => {
                for piece in cut.pieces(bytes, seen) {
                    input.extend_from_slice(piece);
                    loop {
                        match client.next_event(&mut input) {
                            Ok(Next::Event(client::Event::BodyChunk(chunk))) => log.chunk(&chunk),
                            Ok(Next::Event(event)) => {
                                log.event(&event);
                                if let event @ (client::Event::AuthChallenge { .. }
                                | client::Event::BodyRequested { .. }
                                | client::Event::Idling { .. }) = event
                                {
                                    waiting = Some(event)
                                }
                            }
                            Ok(Next::Closed) => {
                                ended = true;
                                break;
                            }
                            Ok(_) => break,
                            Err(error) => panic!("{}: {error}", transcript.name),
                        }
                    }
                }
                seen += bytes.len();
            }
            Step::Client(bytes) => {
                let mut said = drain(&mut client);
                while said.len() < bytes.len() {
                    assert!(bytes.starts_with(&said), "{}: {}", transcript.name, said.escape_ascii());
                    let rest = &bytes[said.len()..];
                    match waiting.take() {
                        Some(client::Event::AuthChallenge { .. }) => {
                            let line = rest.split(|byte| *byte == b'\r').next().unwrap();
                            client.send_auth(sasl::decode_step(line).unwrap()).unwrap();
                        }
                        Some(client::Event::Idling { .. }) => client.done().unwrap(),
                        Some(client::Event::BodyRequested { .. }) => {
                            let mut message: Bytes = message.take().unwrap();
                            while !message.is_empty() {
                                client.send_body(&mut message).unwrap();
                            }
                            client.finish_body().unwrap();
                        }
                        _ => {
                            let request = next_request(&transcript.steps[index..], said.len());
                            let mut command = request
                                .unwrap_or_else(|| panic!("{}: {}", transcript.name, rest.escape_ascii()))
                                .command;
                            if let Command::Append(append) = &mut command {
                                let data = &mut append.message;
                                if let AppendData::Inline(text) = data.clone() {
                                    message = Some(text.into_bytes());
                                    *data = AppendData::Streamed { length: data.len() };
                                }
                            }
                            client.send(command).unwrap();
                            let (found, _) = events(&mut client, &mut input);
                            for event in found {
                                log.event(&event);
                                waiting = Some(event);
                            }
                        }
                    }
                    let more = drain(&mut client);
                    assert!(
                        !more.is_empty(),
                        "{}: nothing said for {}",
                        transcript.name,
                        rest.escape_ascii()
                    );
                    said.extend(more);
                }
                assert_eq!(
                    said.escape_ascii().to_string(),
                    bytes.escape_ascii().to_string(),
                    "{}",
                    transcript.name
                );
            }
            Step::Upgrade => {
                assert!(matches!(client.next_event(&mut input), Ok(Next::Upgrade(_))));
                client.upgraded(mailwire_core::Upgrade::Tls);
            }
        }
    }
    assert!(client.output().is_empty(), "{}", drain(&mut client).escape_ascii());
    if ended {
        log.event("closed");
    }
    log.lines
}

/// Does what a server's application does to say `line`.
fn say(server: &mut server::Connection, line: &[u8], ticket: Option<Ticket>, command: Option<&Command>) {
    match response(line) {
        Response::Untagged(data) => server.notify(data).unwrap(),
        Response::Tagged(tagged) => match command {
            Some(Command::StartTls) if tagged.reply.is_ok() => {
                server.accept_upgrade(ticket.unwrap()).unwrap()
            }
            _ => server.reply(ticket.unwrap(), tagged.reply).unwrap(),
        },
        Response::Continuation(text) => match command {
            Some(Command::Idle) => server.accept_idle(ticket.unwrap()).unwrap(),
            Some(Command::Append(_)) => server.accept_body(ticket.unwrap()).unwrap(),
            _ => {
                let challenge = sasl::decode(text.text.as_bytes()).unwrap();
                server.send_auth(SaslStep::Data(Secret::from(challenge.expose()))).unwrap();
            }
        },
    }
}

fn replay_server(transcript: &Transcript, cut: Cut) -> Vec<String> {
    let mut config = server_config(transcript.channel);
    config.allow_clear_credentials = transcript.clear_credentials;
    let mut steps = transcript.steps.iter();
    let (mut log, mut input, mut seen) = (Log::default(), BytesMut::new(), 0);
    // The first thing a server says is its greeting.
    let Some(Step::Server(greeting)) = steps.next() else { panic!("no greeting") };
    let line = greeting.strip_suffix(b"\r\n").unwrap();
    let Response::Untagged(Untagged::Reply(status)) = response(line) else { panic!("no greeting") };
    if let Some(Code::Capability(offered)) = &status.code {
        let extensions = [Capability::Quota, Capability::QuotaSet];
        config.capabilities.extend(extensions.into_iter().filter(|extension| offered.contains(extension)));
    }
    config.greeting = status;
    let mut server = server::Connection::new(config);
    assert_eq!(drain_text(&mut server), String::from_utf8_lossy(greeting));
    let (mut ticket, mut command) = (None, None);
    for step in steps {
        match step {
            Step::Client(bytes) => {
                for piece in cut.pieces(bytes, seen) {
                    input.extend_from_slice(piece);
                    pump(transcript, &mut server, &mut input, &mut log, &mut ticket, &mut command);
                }
                seen += bytes.len();
            }
            Step::Server(bytes) => {
                let mut said = vec![];
                while said.len() < bytes.len() {
                    let more = drain(&mut server);
                    if !more.is_empty() {
                        said.extend(more);
                        assert!(bytes.starts_with(&said), "{}: {}", transcript.name, said.escape_ascii());
                        continue;
                    }
                    let rest = &bytes[said.len()..];
                    // A response with its literals.
                    let limits = Limits { inline_literal: usize::MAX, ..Limits::client() };
                    let (mut framer, mut text) = (Framer::new(Speaker::Server), BytesMut::from(rest));
                    let frame = loop {
                        match framer.next(&mut text, &limits).unwrap() {
                            Framed::Literal(_) => framer.keep(&limits).unwrap(),
                            Framed::Message(frame) => break frame,
                            other => panic!("{other:?}"),
                        }
                    };
                    // The machine says BYE by itself.
                    let bye = rest.split_inclusive(|byte| *byte == b'\n').nth(1);
                    let line = match (&command, bye) {
                        (Some(Command::Logout), Some(line)) => {
                            Bytes::copy_from_slice(&line[..line.len() - 2])
                        }
                        _ => frame.bytes,
                    };
                    say(&mut server, &line, ticket, command.as_ref());
                    // Commands that were pipelined follow.
                    let more = drain(&mut server);
                    said.extend(more);
                    pump(transcript, &mut server, &mut input, &mut log, &mut ticket, &mut command);
                }
                assert_eq!(
                    said.escape_ascii().to_string(),
                    bytes.escape_ascii().to_string(),
                    "{}",
                    transcript.name
                );
            }
            Step::Upgrade => {
                assert!(matches!(server.next_event(&mut input), Ok(Next::Upgrade(_))));
                server.upgraded(mailwire_core::Upgrade::Tls);
            }
        }
    }
    assert!(server.output().is_empty(), "{}", drain(&mut server).escape_ascii());
    log.lines
}

fn pump(
    transcript: &Transcript,
    server: &mut server::Connection,
    input: &mut BytesMut,
    log: &mut Log,
    ticket: &mut Option<Ticket>,
    command: &mut Option<Command>,
) {
    loop {
        match server.next_event(input) {
            Ok(Next::Event(server::Event::BodyChunk(chunk))) => log.chunk(&chunk),
            Ok(Next::Event(event)) => {
                log.event(&event);
                if let server::Event::Command { ticket: new, command: what, .. } = event {
                    // Where the client does not wait for the go-ahead, the transcript has none.
                    if let Command::Append(_) = what {
                        if input.has_remaining() || is_non_synchronizing(transcript, &what) {
                            server.accept_body(new).unwrap();
                        }
                    }
                    (*ticket, *command) = (Some(new), Some(what));
                }
            }
            Ok(_) => return,
            Err(error) => panic!("{}: {error}", transcript.name),
        }
    }
}

fn is_non_synchronizing(transcript: &Transcript, command: &Command) -> bool {
    let Command::Append(append) = command else { return false };
    let announced = format!("{{{}+}}\r\n", append.message.len());
    transcript.steps.iter().any(|step| match step {
        Step::Client(bytes) => bytes.windows(announced.len()).any(|window| window == announced.as_bytes()),
        _ => false,
    })
}

fn length(transcript: &Transcript, client: bool) -> usize {
    let said = |step: &Step| match step {
        Step::Server(bytes) if client => bytes.len(),
        Step::Client(bytes) if !client => bytes.len(),
        _ => 0,
    };
    transcript.steps.iter().map(said).sum()
}

fn at_every_cut(transcript: &Transcript, client: bool, replay: impl Fn(&Transcript, Cut) -> Vec<String>) {
    let whole = replay(transcript, Cut::Whole);
    assert_eq!(replay(transcript, Cut::Bytes), whole, "{}: byte by byte", transcript.name);
    for at in 1..length(transcript, client) {
        assert_eq!(replay(transcript, Cut::At(at)), whole, "{}: cut at {at}", transcript.name);
    }
}

#[test]
fn clients() {
    for transcript in transcripts().iter().filter(|transcript| transcript.client) {
        at_every_cut(transcript, true, replay_client);
    }
}

#[test]
fn servers() {
    for transcript in transcripts().iter().filter(|transcript| transcript.server) {
        at_every_cut(transcript, false, replay_server);
    }
}
