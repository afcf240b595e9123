//! Conversations, replayed for both roles: whole, byte by byte, and cut in two at every place. See
//! `mailwire_core::testing::Transcript` for the language.
//!
//! Options besides `channel` and `role`: `chunking`, `lmtp`, `require-auth`, `no-pipelining`, `pass-unknown`, `dsn`,
//! `future-release`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use common::{chunking_config, client_config, server_config};
use mailwire_core::{
    sasl,
    testing::{Actor, Due, Log, Side, Transcript},
};
use mailwire_smtp::{
    Capability, Command, Connection as _, DateTime, Dialect, Limits, Reply, ReplyCode, ReplyFramer, SaslStep,
    Ticket, client,
    extensions::{
        deliver_by::DeliverByParam,
        future_release::{FutureRelease, HoldInterval},
    },
    server,
};

mailwire_core::replay_transcripts!(Caller, Application);

/// Sends what the transcript's client says.
struct Caller {
    machine: client::Connection,
    /// What the server waits for.
    waiting: Option<client::Event>,
}

impl Actor for Caller {
    type Machine = client::Connection;
    const SIDE: Side = Side::Client;

    fn new(transcript: &Transcript) -> Self {
        let mut config = client_config();
        config.channel = transcript.channel();
        config.lmtp = transcript.has("lmtp");
        config.pipelining = !transcript.has("no-pipelining");
        Self { machine: client::Connection::new(config), waiting: None }
    }

    fn machine(&mut self) -> &mut client::Connection {
        &mut self.machine
    }

    fn hear(&mut self, event: client::Event, log: &mut Log) {
        log.event(&event);
        if matches!(event, client::Event::BodyRequested { .. } | client::Event::AuthChallenge { .. }) {
            self.waiting = Some(event);
        }
    }

    fn say(&mut self, due: &Due<'_>) {
        match self.waiting.take() {
            Some(client::Event::BodyRequested { .. }) => {
                let text = String::from_utf8(due.rest().to_vec()).unwrap();
                let body: String = text
                    .split_inclusive("\r\n")
                    .take_while(|line| *line != ".\r\n")
                    .map(|line| line.strip_prefix('.').unwrap_or(line))
                    .collect();
                self.machine.send_body(&mut Bytes::from(body)).unwrap();
                self.machine.finish_body().unwrap();
            }
            Some(_) => self.machine.send_auth(sasl::decode_step(due.line()).unwrap()).unwrap(),
            None => {
                let frame = Bytes::copy_from_slice(due.line());
                match Command::parse(&frame, Dialect::Strict).unwrap().value {
                    Command::Bdat { size, last } => {
                        let start = frame.len() + 2;
                        let chunk = &due.rest()[start..start + size as usize];
                        self.machine.send_chunk(Bytes::copy_from_slice(chunk), last).unwrap();
                    }
                    command => drop(self.machine.send(command).unwrap()),
                }
            }
        }
    }
}

/// Answers what the transcript's server answers.
struct Application {
    machine: server::Connection,
    /// What waits for an answer.
    questions: VecDeque<Question>,
    /// In LMTP, those who get a reply of their own.
    recipients: Option<Vec<Ticket>>,
}

enum Question {
    Command(Ticket, Command),
    /// A response of an exchange, or a message.
    Other(Ticket),
}

impl Actor for Application {
    type Machine = server::Connection;
    const SIDE: Side = Side::Server;

    fn new(transcript: &Transcript) -> Self {
        let mut config = if transcript.has("chunking") { chunking_config() } else { server_config() };
        config.channel = transcript.channel();
        config.lmtp = transcript.has("lmtp");
        config.require_auth = transcript.has("require-auth");
        config.pass_unknown_commands = transcript.has("pass-unknown");
        let mut offered: Vec<_> = config.capabilities().iter().collect();
        if transcript.has("dsn") {
            offered.push(Capability::Dsn);
        }
        if transcript.has("future-release") {
            let day = HoldInterval::new(86_400).unwrap();
            let end = DateTime::new("2026-11-30T12:00:00Z").unwrap();
            offered.push(Capability::FutureRelease(FutureRelease::new(day, end).unwrap()));
            offered.push(Capability::DeliverBy(DeliverByParam::default()));
        }
        config.set_capabilities(offered).unwrap();
        let recipients = config.lmtp.then(Vec::new);
        Self { machine: server::Connection::new(config), questions: VecDeque::new(), recipients }
    }

    fn machine(&mut self) -> &mut server::Connection {
        &mut self.machine
    }

    fn hear(&mut self, event: server::Event, log: &mut Log) {
        use server::Event;
        if let Event::BodyChunk(chunk) = &event {
            return log.body(chunk);
        }
        log.event(&event);
        match event {
            Event::Command { ticket, command: Command::Bdat { .. }, .. } => {
                self.machine.accept_body(ticket).unwrap();
            }
            Event::Command { ticket, command, .. } => {
                self.questions.push_back(Question::Command(ticket, command));
            }
            Event::BodyEnd { ticket, .. } => match &mut self.recipients {
                Some(recipients) => self.questions.extend(recipients.drain(..).map(Question::Other)),
                None => self.questions.push_back(Question::Other(ticket)),
            },
            Event::AuthResponse { ticket, step: SaslStep::Data(_), .. } => {
                self.questions.push_back(Question::Other(ticket));
            }
            // Answered by the machine.
            _ => {}
        }
    }

    fn say(&mut self, due: &Due<'_>) {
        let (mut framer, mut input) = (ReplyFramer::new(), BytesMut::from(due.rest()));
        let frame = framer.next_reply(&mut input, &Limits::client()).unwrap().unwrap();
        let reply = Reply::parse(&frame.bytes, Dialect::Lenient).unwrap().value;
        let question = self.questions.pop_front().unwrap_or_else(|| panic!("nobody asked for {reply:?}"));
        match (question, reply.code()) {
            (Question::Command(_, Command::Auth(_)) | Question::Other(_), ReplyCode::CHALLENGE) => {
                let challenge = sasl::decode(reply.first_line().as_bytes()).unwrap();
                self.machine.send_auth(SaslStep::Data(challenge)).unwrap();
            }
            (Question::Command(ticket, Command::Data), ReplyCode::START_INPUT) => {
                self.machine.accept_body(ticket).unwrap();
            }
            (Question::Command(ticket, Command::StartTls), ReplyCode::READY) => {
                self.machine.accept_upgrade(ticket).unwrap();
            }
            (Question::Command(ticket, Command::Ehlo(_) | Command::Lhlo(_) | Command::Helo(_)), _)
                if reply.is_positive() =>
            {
                // The machine says what it offers.
                self.machine.reply(ticket, Reply::new(ReplyCode::OK, "")).unwrap();
            }
            (Question::Command(ticket, command), _) => {
                if let (Some(recipients), Command::Rcpt(_), true) =
                    (&mut self.recipients, &command, reply.is_positive())
                {
                    recipients.push(ticket);
                }
                self.machine.reply(ticket, reply).unwrap();
            }
            (Question::Other(ticket), _) => self.machine.reply(ticket, reply).unwrap(),
        }
    }
}
