//! A client and a server of IMAP face to face.

use std::collections::VecDeque;

use arbitrary::Arbitrary;
use bytes::Bytes;
use mailwire_core::{Channel, Connection as _, SaslStep, Ticket};
use mailwire_imap::{
    Capability, client,
    command::{AppendBytes, AppendMessage, Command, Literals},
    response::{ReplyKind, Response, Untagged},
    server,
};

use mailwire_core::testing::{Faces, Owners};

use super::session::status;

/// What happens.
#[derive(Debug, Arbitrary)]
pub struct Case {
    steps: Vec<u8>,
    bits: u8,
    commands: Vec<Command>,
    data: Vec<Response>,
    answers: Vec<u8>,
    body: Vec<u8>,
}

struct Conversation {
    sent: VecDeque<(Ticket, Command)>,
    /// Commands whose replies have not come yet: several can be on their way.
    unanswered: Vec<Ticket>,
    /// What the server said unasked, or before it answered.
    said: VecDeque<Untagged>,
    data: std::vec::IntoIter<Response>,
    answers: std::vec::IntoIter<u8>,
    message: Bytes,
    left: Option<Bytes>,
    got: Vec<u8>,
    /// All messages are the case's body.
    whole: bool,
}

/// Runs a case: commands arrive in the order in which they were sent and as they were, data arrives in
/// order, each command is answered once, messages are whole, and nothing waits in the end.
pub fn run(case: Case) {
    let channel = if case.bits & 2 != 0 { Channel::StartTls } else { Channel::Tls };
    let mut config = client::Config::new(channel, 1);
    config.pipelining = case.bits & 4 == 0;
    config.initial_response = case.bits & 16 == 0;
    let client = client::Connection::new(config);
    let mut config = server::Config::new(channel);
    config.mechanisms = vec![mailwire_core::sasl::Mechanism::Plain];
    let extensions = [Capability::Binary, Capability::CompressDeflate, Capability::Unauthenticate];
    config.add_capabilities(extensions).expect("capabilities");
    config.enable = [Capability::Imap4Rev2].into_iter().collect();
    config.set_literals(match case.bits >> 5 & 3 {
        0 => Literals::Plus,
        1 => Literals::Minus,
        _ => Literals::Synchronizing,
    });
    if case.bits & 8 == 0 && channel == Channel::Tls {
        config.set_greeting(status(ReplyKind::PreAuth)).expect("a greeting");
    }
    (config.limits.bad_commands, config.limits.idle_commands) = (1000, 1000);
    (config.limits.inline_literal, config.limits.output) = (64, 600);
    let mut faces = Faces::new(client, server::Connection::new(config), case.steps);
    let mut pair = Conversation {
        sent: VecDeque::new(),
        unanswered: Vec::new(),
        said: VecDeque::new(),
        data: case.data.into_iter(),
        answers: case.answers.into_iter(),
        // A message that is no literal8 has no NUL.
        message: case.body.into_iter().filter(|&byte| byte != 0).collect(),
        left: None,
        got: Vec::new(),
        whole: case.bits & 0x80 != 0,
    };
    faces.run(&mut pair);
    for mut command in case.commands.into_iter().take(24) {
        if case.bits & 1 != 0 {
            faces.run(&mut pair);
        }
        if let Command::Append(append) = &mut command {
            for literal in append.messages.iter_mut().flat_map(AppendMessage::literals_mut) {
                if case.bits & 0x80 != 0 {
                    literal.bytes = AppendBytes::Streamed { length: pair.message.len() as u64 };
                }
            }
        }
        if let Ok(ticket) = faces.client.send(command.clone()) {
            pair.sent.push_back((ticket, command));
            pair.unanswered.push(ticket);
        }
    }
    faces.run(&mut pair);
    // What waits after IDLE goes on when it ends.
    for _ in 0..30 {
        if faces.client.done().is_err() {
            break;
        }
        faces.run(&mut pair);
    }
    assert!(
        faces.client_closed || pair.unanswered.is_empty(),
        "no answer to {:?}: {:?}, {:?}",
        pair.unanswered,
        faces.client,
        faces.server
    );
    assert!(pair.left.is_none(), "a part of a message is left");
}

impl Owners<client::Connection, server::Connection> for Conversation {
    fn hear(&mut self, client: &mut client::Connection, event: client::Event) {
        use client::Event;
        match event {
            Event::Reply { ticket, deviations, .. } => {
                assert_eq!(deviations, []);
                self.unanswered.retain(|one| *one != ticket);
            }
            Event::NotSent { ticket, .. } => {
                self.unanswered.retain(|one| *one != ticket);
                self.sent.retain(|(sent, _)| *sent != ticket);
            }
            Event::Data { data, deviations, .. } => {
                assert_eq!(deviations, [], "{data:?}");
                if self.said.contains(&data) {
                    while self.said.pop_front().is_some_and(|said| said != data) {}
                }
            }
            Event::BodyRequested { .. } => self.left = Some(self.message.clone()),
            Event::AuthChallenge { .. } => {
                client.send_auth(SaslStep::Data("x".into())).expect("a challenge waits");
            }
            Event::Malformed { bytes, error, .. } => panic!("{error}: {}", bytes.escape_ascii()),
            _ => {}
        }
    }

    fn serve(&mut self, server: &mut server::Connection, event: server::Event) {
        use server::Event;
        match event {
            Event::Command { ticket, command, deviations } => {
                assert_eq!(deviations, [], "{command:?}");
                match &command {
                    Command::StartTls => return server.accept_upgrade(ticket).expect("it waits"),
                    command => self.arrived(command),
                }
                self.say(server);
                match &command {
                    // One without literals is complete: the next event says so.
                    Command::Append(_) | Command::Replace(_) => drop(server.accept_body(ticket)),
                    Command::Idle => server.accept_idle(ticket).expect("it waits"),
                    Command::Authenticate(authenticate) if authenticate.initial.is_none() => {
                        server.send_auth(SaslStep::Data("who?".into())).expect("it waits");
                    }
                    Command::Compress => server.accept_upgrade(ticket).expect("it waits"),
                    _ => self.reply(server, ticket),
                }
            }
            Event::AppendMore { ticket, .. } => drop(server.accept_body(ticket)),
            Event::BodyStart { .. } => self.got.clear(),
            Event::BodyChunk(chunk) => self.got.extend_from_slice(&chunk),
            Event::BodyEnd { ticket } => {
                if self.whole && !self.got.is_empty() {
                    assert_eq!(self.got, self.message, "arrived (left) and sent (right)");
                }
                self.reply(server, ticket);
            }
            Event::AuthResponse { ticket, .. } | Event::IdleDone { ticket } => self.reply(server, ticket),
            // What is refused for its state is told so; what does not parse is our writer's fault.
            _ => {}
        }
    }

    /// Sends what there is room for.
    fn send(&mut self, client: &mut client::Connection, _: &mut server::Connection) -> bool {
        let Some(left) = &mut self.left else { return false };
        match client.send_body(left) {
            Ok(sent) if !left.is_empty() => sent > 0,
            Ok(_) => {
                self.left = None;
                client.finish_body().expect("a body is due");
                true
            }
            Err(_) => {
                // The server refused it meanwhile.
                self.left = None;
                false
            }
        }
    }
}

impl Conversation {
    /// The command is one that was sent; those before it were refused by the machine, or are its own.
    fn arrived(&mut self, command: &Command) {
        let alike = |sent: &Command| match (sent, command) {
            (Command::Append(sent), Command::Append(got)) => {
                // Those that come later are not in it yet.
                sent.literals().zip(got.literals()).all(|(sent, got)| sent.bytes.len() == got.bytes.len())
            }
            (Command::Replace(_), Command::Replace(_)) => true,
            (Command::Authenticate(sent), Command::Authenticate(got)) => sent.mechanism == got.mechanism,
            (sent, got) => {
                sent == got || format!("{sent:?}").contains(['&', '\\']) && sent.name() == got.name()
            }
        };
        if let Some(at) = self.sent.iter().position(|(_, sent)| alike(sent)) {
            self.sent.drain(..=at);
        } else {
            let own = matches!(command, Command::Capability | Command::StartTls | Command::Noop);
            assert!(own, "nobody sent {command:?}: {:?}", self.sent);
        }
    }

    /// Untagged data, as the application has it.
    fn say(&mut self, server: &mut server::Connection) {
        if self.answers.next().is_none_or(|answer| answer & 1 == 0) {
            return;
        }
        let Some(Response::Untagged(data)) = self.data.next() else { return };
        // These end the connection, or are the machine's own.
        if matches!(&data, Untagged::Reply(status) if status.kind == ReplyKind::Bye) {
            return;
        }
        if server.notify(data.clone()).is_ok() {
            self.said.push_back(data);
        }
    }

    fn reply(&mut self, server: &mut server::Connection, ticket: Ticket) {
        let kind = if self.answers.next().is_some_and(|answer| answer % 5 == 4) {
            ReplyKind::No
        } else {
            ReplyKind::Ok
        };
        if let Err(refused) = server.reply(ticket, status(kind)) {
            // LOGOUT, for instance, cannot be refused.
            assert_eq!(refused.message.kind, ReplyKind::No, "{}", refused.reason);
            server.reply(ticket, status(ReplyKind::Ok)).expect("it waits");
        }
    }
}
