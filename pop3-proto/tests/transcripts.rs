//! Conversations, replayed for both roles: whole, byte by byte, and cut in two at every place. See
//! `mailwire_core::testing::Transcript` for the language.
//!
//! Options besides `channel` and `role`: `clear-credentials`, `timestamp <...>` (APOP is offered),
//! `mechanisms NAME ...`, `quiet` (the client asks for no capabilities by itself) and
//! `no-initial-response`; `utf8`, `lang` and `xclient` (the server offers them).
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use mailwire_core::{
    Connection as _, Dialect, SaslStep, Ticket,
    dot::{LineEnds, Unstuffed, Unstuffer},
    sasl,
    testing::{Actor, Due, Log, Side, Transcript},
};
use mailwire_pop3::{
    ApopTimestamp, Challenge, Command, Expected, Follows, Listing, Mechanism, ParseContext, Reply, client,
    server,
};

mailwire_core::replay_transcripts!(Caller, Application);

/// Sends what the transcript's client says.
struct Caller {
    machine: client::Connection,
    /// The server's challenge is the last that came.
    challenged: bool,
}

impl Actor for Caller {
    type Machine = client::Connection;
    const SIDE: Side = Side::Client;

    fn new(transcript: &Transcript) -> Self {
        let channel = transcript.channel();
        let quiet = transcript.has("quiet");
        let mut config = if quiet { common::quiet_config(channel) } else { client::Config::new(channel) };
        config.allow_clear_credentials = transcript.has("clear-credentials");
        config.initial_response = !transcript.has("no-initial-response");
        Self { machine: client::Connection::new(config), challenged: false }
    }

    fn machine(&mut self) -> &mut client::Connection {
        &mut self.machine
    }

    fn hear(&mut self, event: client::Event, log: &mut Log) {
        if let client::Event::BodyChunk(chunk) = &event {
            return log.body(chunk);
        }
        log.event(&event);
        log.told(described(&event));
        self.challenged = matches!(event, client::Event::AuthChallenge { .. });
    }

    fn say(&mut self, due: &Due<'_>) {
        if std::mem::take(&mut self.challenged) {
            self.machine.send_auth(sasl::decode_step(due.line()).unwrap()).unwrap();
        } else {
            self.ask(std::str::from_utf8(due.line()).unwrap());
        }
    }

    fn ask(&mut self, line: &str) {
        let line = Bytes::from(line.to_owned());
        self.machine.send(Command::parse(&line, Dialect::Lenient).unwrap().value).unwrap();
    }
}

/// An event in the words of the transcripts.
fn described(event: &client::Event) -> String {
    use client::Event;
    let status = |reply: &Reply| {
        let mut line = Vec::new();
        reply.write(&mut line);
        String::from_utf8(line).unwrap().trim_end().to_owned()
    };
    match event {
        Event::Greeting { greeting, .. } => match greeting.timestamp() {
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
        Event::BodyEnd { .. } => "end of body".into(),
        Event::AuthChallenge { data, .. } => {
            format!("challenge {}", String::from_utf8_lossy(data.expose())).trim_end().to_owned()
        }
        Event::NotSent { .. } => "not sent".into(),
        Event::Malformed { error, .. } => format!("malformed {}", error.reason),
        event => panic!("{event:?}"),
    }
}

/// Answers what the transcript's server answers.
struct Application {
    machine: server::Connection,
    /// What waits for an answer: a command, or a login or a step of one.
    questions: VecDeque<(Ticket, Option<Command>)>,
}

impl Actor for Application {
    type Machine = server::Connection;
    const SIDE: Side = Side::Server;

    fn new(transcript: &Transcript) -> Self {
        let mut config = server::Config::new(transcript.channel());
        config.allow_clear_credentials = transcript.has("clear-credentials");
        config.apop = transcript.option("timestamp").map(|timestamp| ApopTimestamp::new(timestamp).unwrap());
        config.utf8 = match transcript.option("utf8") {
            None => server::Utf8Offer::Nothing,
            Some("USER") => server::Utf8Offer::MessagesAndCredentials,
            Some(_) => server::Utf8Offer::Messages,
        };
        (config.lang, config.xclient) = (transcript.has("lang"), transcript.has("xclient"));
        let mechanisms = transcript.option("mechanisms").unwrap_or_default().split_whitespace();
        config.mechanisms = mechanisms.map(|name| Mechanism::new(name).unwrap()).collect();
        Self { machine: server::Connection::new(config), questions: VecDeque::new() }
    }

    fn machine(&mut self) -> &mut server::Connection {
        &mut self.machine
    }

    fn hear(&mut self, event: server::Event, log: &mut Log) {
        use server::Event;
        log.event(&event);
        match event {
            Event::Command { ticket, command, .. } => self.questions.push_back((ticket, Some(command))),
            Event::Login { ticket, .. } | Event::AuthResponse { ticket, step: SaslStep::Data(_) } => {
                self.questions.push_back((ticket, None));
            }
            // Answered by the machine.
            _ => {}
        }
    }

    fn say(&mut self, due: &Due<'_>) {
        let status = Bytes::copy_from_slice(due.line());
        let Some((ticket, command)) = self.questions.pop_front() else {
            // Nobody asked for it.
            return self.machine.goodbye(reply(&status, Expected::Status)).unwrap();
        };
        if Challenge::is_one(&status) {
            let challenge = Challenge::parse(&status, Dialect::Strict).unwrap().value;
            return self.machine.send_auth(SaslStep::Data(challenge.data)).unwrap();
        }
        let reply = reply(&status, command.as_ref().map_or(Expected::Status, Expected::status_of));
        if !reply.is_ok() {
            return self.machine.reply(ticket, reply).unwrap();
        }
        if command == Some(Command::Stls) {
            return self.machine.accept_upgrade(ticket).unwrap();
        }
        self.machine.reply(ticket, reply).unwrap();
        let Some(command) = command else { return };
        let rest = due.rest().get(status.len() + 2..).unwrap_or_default();
        match command.follows() {
            Follows::Lines => self.send_lines(Expected::lines_of(&command).unwrap(), rest),
            Follows::Body => self.send_body(rest),
            Follows::Nothing => {}
        }
    }
}

impl Application {
    fn send_lines(&mut self, expected: Expected, text: &[u8]) {
        let text = String::from_utf8(text.to_vec()).unwrap();
        for line in text.split("\r\n").take_while(|line| *line != ".") {
            let line = Bytes::from(line.to_owned());
            let context = ParseContext::new(Dialect::Strict).expecting(expected);
            self.machine.send_line(Listing::parse(&line, context).unwrap().value).unwrap();
        }
        self.machine.finish_body().unwrap();
    }

    fn send_body(&mut self, text: &[u8]) {
        let mut body = BytesMut::from(text);
        let mut unstuffer = Unstuffer::new(LineEnds::CrLf);
        while let Unstuffed::Chunk(mut chunk) = unstuffer.next(&mut body) {
            while !chunk.is_empty() {
                self.machine.send_body(&mut chunk).unwrap();
            }
        }
        self.machine.finish_body().unwrap();
    }
}

fn reply(status: &Bytes, expected: Expected) -> Reply {
    Reply::parse(status, ParseContext::new(Dialect::Strict).expecting(expected)).unwrap().value
}
