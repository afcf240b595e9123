//! Conversations, replayed for both roles: whole, byte by byte, and cut in two at every place. See
//! `mailwire_core::testing::Transcript` for the language.
//!
//! Options besides `channel` and `role`: `clear-credentials`. The server's greeting is that of the
//! transcript. Tags are `b.1`, `b.2` and so on.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use common::{client_config, limits, response, server_config};
use mailwire_core::{
    Connection as _, Dialect, SaslStep, Secret, Ticket, sasl,
    testing::{Actor, Due, Log, Side, Transcript, Turn},
};
use mailwire_imap::{
    Limits, client,
    command::{AppendBytes, AppendLiteral, AppendMessage, CatPart, Command, Request},
    framing::{Framed, Framer, Speaker},
    response::{Code, ReplyKind, Response, Untagged},
    server,
};

mailwire_core::replay_transcripts!(Caller, Application);

fn any_literal() -> Limits {
    limits!(Limits::client(); inline_literal: usize::MAX)
}

/// Sends what the transcript's client says.
struct Caller {
    machine: client::Connection,
    /// What the server waits for.
    waiting: Option<client::Event>,
    /// The messages of the APPEND that was sent last.
    messages: VecDeque<Bytes>,
}

impl Actor for Caller {
    type Machine = client::Connection;
    const SIDE: Side = Side::Client;

    fn new(transcript: &Transcript) -> Self {
        let mut config = client_config(transcript.channel());
        config.limits.inline_literal = 64;
        config.allow_clear_credentials = transcript.has("clear-credentials");
        Self { machine: client::Connection::new(config), waiting: None, messages: VecDeque::new() }
    }

    fn machine(&mut self) -> &mut client::Connection {
        &mut self.machine
    }

    fn hear(&mut self, event: client::Event, log: &mut Log) {
        use client::Event;
        if let Event::BodyChunk(chunk) = &event {
            return log.body(chunk);
        }
        log.event(&event);
        if let Event::AuthChallenge { .. } | Event::BodyRequested { .. } | Event::Idling { .. } = event {
            self.waiting = Some(event);
        }
    }

    fn say(&mut self, due: &Due<'_>) {
        match self.waiting.take() {
            Some(client::Event::AuthChallenge { .. }) => {
                self.machine.send_auth(sasl::decode_step(due.line()).unwrap()).unwrap();
            }
            Some(client::Event::BodyRequested { .. }) => {
                let mut message = self.messages.pop_front().unwrap();
                while !message.is_empty() {
                    self.machine.send_body(&mut message).unwrap();
                }
                self.machine.finish_body().unwrap();
            }
            Some(_) => self.machine.done().unwrap(),
            None => {
                let mut command = request(due).command;
                self.messages = detach(&mut command);
                self.machine.send(command).unwrap();
            }
        }
    }
}

/// Takes what a command stores; it is then to be sent in pieces.
fn detach(command: &mut Command) -> VecDeque<Bytes> {
    let append = match command {
        Command::Append(append) => append,
        Command::Replace(replace) => &mut replace.append,
        _ => return VecDeque::new(),
    };
    let mut taken = VecDeque::new();
    for literal in append.messages.iter_mut().flat_map(AppendMessage::literals_mut) {
        if let AppendBytes::Inline(text) = literal.bytes.clone() {
            literal.bytes = AppendBytes::Streamed { length: text.len() as u64 };
            taken.push_back(text.into_bytes());
        }
    }
    taken
}

/// The command that begins here, with its literals from later turns.
fn request(due: &Due<'_>) -> Request {
    let limits = any_literal();
    let mut input = BytesMut::from(&due.beyond(|said| said.starts_with(b"+"))[..]);
    let mut framer = Framer::new(Speaker::Client);
    let parsed = loop {
        match framer.next(&mut input, &limits).unwrap() {
            // A message that the server did not want.
            Framed::Literal(announced) if announced.size > input.len() as u64 => {
                let frame = framer.announced_frame(&input);
                break Request::parse(&frame.bytes, frame.context(Dialect::Strict, 10));
            }
            Framed::Literal(_) => framer.keep(&limits).unwrap(),
            Framed::Message(frame) => {
                break Request::parse(&frame.bytes, Dialect::Strict);
            }
            other => panic!("{other:?}"),
        }
    };
    parsed.unwrap_or_else(|error| panic!("{error}: {}", due.rest().escape_ascii())).value
}

/// Answers what the transcript's server answers.
struct Application {
    machine: server::Connection,
    /// The command in progress.
    current: Option<(Ticket, Command)>,
    /// What announces the messages that are sent without a go-ahead.
    unasked: Vec<u64>,
}

impl Actor for Application {
    type Machine = server::Connection;
    const SIDE: Side = Side::Server;

    fn new(transcript: &Transcript) -> Self {
        let mut config = server_config(transcript.channel());
        config.allow_clear_credentials = transcript.has("clear-credentials");
        let Some(Turn::Said { by: Side::Server, bytes }) = transcript.turns.first() else {
            panic!("{}: no greeting", transcript.name)
        };
        let Response::Untagged(Untagged::Reply(greeting)) = response(bytes.strip_suffix(b"\r\n").unwrap())
        else {
            panic!("{}: no greeting", transcript.name)
        };
        if greeting.kind == ReplyKind::Bye {
            let machine = server::Connection::refuse(config, greeting);
            return Self { machine, current: None, unasked: Vec::new() };
        }
        if let Some(Code::Capability(offered)) = &greeting.code {
            for extension in offered {
                // What the machine offers by itself stands there, too.
                let _ = config.add_capabilities([extension.clone()]);
            }
            config.enable = offered.clone().into();
        }
        config.set_greeting(greeting).unwrap();
        let said = String::from_utf8(transcript.said_by(Side::Client)).unwrap();
        let announced = |line: &str| line.rsplit_once('{')?.1.strip_suffix("+}")?.parse().ok();
        let unasked = said.lines().filter_map(announced).collect();
        Self { machine: server::Connection::new(config), current: None, unasked }
    }

    fn machine(&mut self) -> &mut server::Connection {
        &mut self.machine
    }

    fn hear(&mut self, event: server::Event, log: &mut Log) {
        if let server::Event::BodyChunk(chunk) = &event {
            return log.body(chunk);
        }
        log.event(&event);
        if let server::Event::Command { ticket, command, .. } = event {
            let last = command.appended().and_then(|append| append.literals().last());
            self.let_in(ticket, last);
            self.current = Some((ticket, command));
        } else if let server::Event::AppendMore { ticket, parts, messages } = event {
            let part = parts.iter().rev().find_map(|part| match part {
                CatPart::Text(text) => Some(text),
                _ => None,
            });
            self.let_in(ticket, messages.iter().flat_map(AppendMessage::literals).last().or(part));
        }
    }

    fn say(&mut self, due: &Due<'_>) {
        // The machine says the BYE of a LOGOUT by itself.
        if let Some((ticket, Command::Logout)) = &self.current {
            let line = due.rest().split_inclusive(|byte| *byte == b'\n').nth(1).unwrap();
            let Response::Tagged(tagged) = response(line.strip_suffix(b"\r\n").unwrap()) else { panic!() };
            return self.machine.reply(*ticket, tagged.reply).unwrap();
        }
        match (response(&whole_response(due)), &self.current) {
            // Nobody asked for it.
            (Response::Untagged(Untagged::Reply(bye)), _) if bye.kind == ReplyKind::Bye => {
                self.machine.goodbye(bye).unwrap();
            }
            (Response::Untagged(data), _) => self.machine.notify(data).unwrap(),
            (Response::Tagged(tagged), Some((ticket, Command::StartTls | Command::Compress)))
                if tagged.reply.is_ok() =>
            {
                self.machine.accept_upgrade(*ticket).unwrap();
            }
            (Response::Tagged(tagged), Some((ticket, _))) => {
                self.machine.reply(*ticket, tagged.reply).unwrap();
            }
            (Response::Continuation(_), Some((ticket, Command::Idle))) => {
                self.machine.accept_idle(*ticket).unwrap();
            }
            (Response::Continuation(_), Some((ticket, Command::Append(_) | Command::Replace(_)))) => {
                self.machine.accept_body(*ticket).unwrap();
            }
            (Response::Continuation(text), Some(_)) => {
                let challenge = sasl::decode(text.text.as_bytes()).unwrap();
                self.machine.send_auth(SaslStep::Data(Secret::from(challenge.expose()))).unwrap();
            }
            (other, None) => panic!("nobody asked for {other:?}"),
        }
    }
}

impl Application {
    /// What is sent without a go-ahead is taken.
    fn let_in(&mut self, ticket: Ticket, literal: Option<&AppendLiteral>) {
        if literal.is_some_and(|literal| self.unasked.contains(&literal.bytes.len())) {
            self.machine.accept_body(ticket).unwrap();
        }
    }
}

/// The response that begins here, with its literals.
fn whole_response(due: &Due<'_>) -> Bytes {
    let limits = any_literal();
    let (mut framer, mut input) = (Framer::new(Speaker::Server), BytesMut::from(due.rest()));
    loop {
        match framer.next(&mut input, &limits).unwrap() {
            Framed::Literal(_) => framer.keep(&limits).unwrap(),
            Framed::Message(frame) => return frame.bytes,
            other => panic!("{other:?}"),
        }
    }
}
