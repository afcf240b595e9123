//! A client and a server of SMTP face to face.

use std::collections::VecDeque;

use arbitrary::Arbitrary;
use bytes::Bytes;
use mailwire_core::{Connection as _, SaslStep};
use mailwire_smtp::{Channel, Command, Mechanism, Reply, ReplyCode, Ticket, client, server};

use mailwire_core::testing::{Faces, Owners};

use super::extensions;
use crate::message;

/// What happens.
#[derive(Debug, Arbitrary)]
pub struct Case {
    steps: Vec<u8>,
    bits: u8,
    commands: Vec<Command>,
    replies: Vec<Reply>,
    body: Vec<u8>,
}

struct Conversation {
    lmtp: bool,
    /// Commands that the client took, in order.
    sent: VecDeque<(Ticket, Command)>,
    /// Commands whose replies have not come yet, in order.
    unanswered: VecDeque<Ticket>,
    /// The codes of the replies that the server gave, in order.
    given: VecDeque<ReplyCode>,
    replies: std::vec::IntoIter<Reply>,
    message: Vec<u8>,
    left: Bytes,
    got: Vec<u8>,
    recipients: Vec<Ticket>,
    /// The last command was an AUTH that failed: a word that is no command may be a secret.
    auth_failed: bool,
}

/// Runs a case: each command arrives as it was sent, each reply at its command, each message whole,
/// and nothing waits in the end.
pub fn run(case: Case) {
    let lmtp = case.bits & 1 != 0;
    let channel = if case.bits & 2 != 0 { Channel::StartTls } else { Channel::Tls };
    let mut config = client::Config::new("client.example".try_into().expect("a name"), channel);
    (config.lmtp, config.pipelining) = (lmtp, case.bits & 4 == 0);
    let client = client::Connection::new(config);
    let mut config = server::Config::new("mx.example".try_into().expect("a name"), channel);
    config.lmtp = lmtp;
    config.mechanisms = vec![Mechanism::Plain];
    let offered: Vec<_> = config.capabilities().iter().chain(extensions()).collect();
    config.set_capabilities(offered).expect("the machine keeps them");
    (config.pass_unknown_commands, config.pass_unknown_parameters) = (true, true);
    (config.limits.bad_commands, config.limits.idle_commands) = (1000, 1000);
    (config.limits.auth_failures, config.limits.output) = (1000, 600);
    let mut faces = Faces::new(client, server::Connection::new(config), case.steps);
    let mut pair = Conversation {
        lmtp,
        sent: VecDeque::new(),
        unanswered: VecDeque::new(),
        given: VecDeque::new(),
        replies: case.replies.into_iter(),
        message: message(&case.body),
        left: Bytes::new(),
        got: Vec::new(),
        recipients: Vec::new(),
        auth_failed: false,
    };
    for command in case.commands.into_iter().take(24) {
        // Some commands can only be sent once the server has said what it offers.
        if case.bits & 8 != 0 {
            faces.run(&mut pair);
        }
        if let Ok(ticket) = faces.client.send(command.clone()) {
            pair.sent.push_back((ticket, command));
            pair.unanswered.push_back(ticket);
        }
    }
    faces.run(&mut pair);
    assert!(faces.client_closed || pair.unanswered.is_empty(), "no answer to {:?}", pair.unanswered);
    assert!(faces.client_closed || pair.sent.is_empty(), "never arrived: {:?}", pair.sent);
    assert!(pair.left.is_empty(), "a part of a message is left");
}

impl Owners<client::Connection, server::Connection> for Conversation {
    fn hear(&mut self, client: &mut client::Connection, event: client::Event) {
        use client::Event;
        match event {
            Event::Greeting { .. } | Event::Capabilities { .. } => {}
            Event::Reply { ticket, reply, deviations, .. } => {
                assert_eq!(deviations, [], "{reply:?}");
                // The answer to the message comes with the ticket of DATA, a second time.
                if self.unanswered.front() == Some(&ticket) {
                    self.unanswered.pop_front();
                }
                assert_eq!(self.given.pop_front(), Some(reply.code()), "{reply:?}");
            }
            Event::RecipientReply { reply, last, data, .. } => {
                assert_eq!(self.given.pop_front(), Some(reply.code()), "{reply:?}");
                if last && self.unanswered.front() == Some(&data) {
                    self.unanswered.pop_front();
                }
            }
            Event::BodyRequested { .. } => self.left = self.message.clone().into(),
            Event::NoRecipients { ticket, reply, .. } => {
                assert_eq!(self.given.pop_front(), Some(reply.code()));
                assert_eq!(self.unanswered.pop_front(), Some(ticket));
            }
            Event::AuthChallenge { .. } => {
                client.send_auth(SaslStep::Data("x".into())).expect("a challenge waits");
            }
            event => panic!("{event:?}"),
        }
    }

    fn serve(&mut self, server: &mut server::Connection, event: server::Event) {
        use server::Event;
        match event {
            Event::Command { ticket, command, deviations, .. } => {
                assert_eq!(deviations, [], "{command:?}");
                match &command {
                    Command::StartTls => return server.accept_upgrade(ticket).expect("it waits"),
                    // The client's own.
                    Command::Ehlo(_) | Command::Helo(_) | Command::Lhlo(_)
                        if self.sent.front().is_none_or(|(_, sent)| *sent != command) =>
                    {
                        return server.reply(ticket, server::default_reply(&command)).expect("it waits");
                    }
                    _ => self.arrived(&command),
                }
                match command {
                    Command::Data => server.accept_body(ticket).expect("it waits"),
                    Command::Auth(ref auth) if auth.initial.is_none() => {
                        server.send_auth(SaslStep::Data("who?".into())).expect("it waits");
                    }
                    command => self.reply(server, ticket, &command),
                }
            }
            Event::Refused { command, reply, .. } => {
                self.arrived(&command);
                self.given.push_back(reply.code());
            }
            Event::Malformed { ticket: None, bytes, .. } if self.auth_failed && bytes.is_empty() => {
                let sent = self.sent.pop_front();
                let word = matches!(sent, Some((_, Command::Other { argument: None, .. })));
                assert!(word, "this is a command: {sent:?}");
                self.given.push_back(ReplyCode::UNRECOGNIZED);
            }
            Event::AuthResponse { ticket, .. } => {
                self.answer(server, ticket, Reply::new(ReplyCode::BAD_CREDENTIALS, "no"));
            }
            Event::BodyStart { .. } => self.got.clear(),
            Event::BodyChunk(chunk) => self.got.extend_from_slice(&chunk),
            Event::BodyEnd { ticket, length, .. } => {
                assert_eq!(length, self.got.len() as u64);
                // An empty one gets out of a DATA without recipients.
                assert!(self.got.is_empty() || self.got == self.message, "another message arrived");
                let recipients = std::mem::take(&mut self.recipients);
                if self.lmtp && !recipients.is_empty() {
                    for recipient in recipients {
                        self.answer(server, recipient, Reply::new(ReplyCode::OK, "delivered"));
                    }
                } else {
                    self.answer(server, ticket, Reply::new(ReplyCode::OK, "queued"));
                }
            }
            event => panic!("{event:?}"),
        }
    }

    fn send(&mut self, client: &mut client::Connection, _: &mut server::Connection) -> bool {
        let mut moved = false;
        while !self.left.is_empty() && !client.output().is_full() {
            let mut piece = self.left.split_to(self.left.len().min(7));
            client.send_body(&mut piece).expect("a body is due");
            assert!(piece.is_empty());
            if self.left.is_empty() {
                client.finish_body().expect("a body is due");
            }
            moved = true;
        }
        moved
    }
}

impl Conversation {
    fn arrived(&mut self, command: &Command) {
        let (_, sent) = self.sent.pop_front().unwrap_or_else(|| panic!("nobody sent {command:?}"));
        // Unless the reply says otherwise.
        self.auth_failed = matches!(command, Command::Auth(_));
        match (&sent, command) {
            // A long first message is sent when the server asks for it.
            (Command::Auth(sent), Command::Auth(got)) => assert_eq!(sent.mechanism, got.mechanism),
            (sent, got) => assert_eq!(sent, got, "sent (left) and arrived (right)"),
        }
    }

    fn reply(&mut self, server: &mut server::Connection, ticket: Ticket, command: &Command) {
        let asked = self.replies.next().filter(|reply| {
            // These end the conversation.
            reply.code() != ReplyCode::UNAVAILABLE && reply.code() != ReplyCode::CLOSING
        });
        let code = asked.as_ref().map(|reply| given(command, reply));
        let code = match asked.map(|reply| server.reply(ticket, reply)) {
            Some(Ok(())) => code.unwrap_or(ReplyCode::OK),
            _ => {
                let reply = match command {
                    Command::Auth(_) => Reply::new(ReplyCode::BAD_CREDENTIALS, "no"),
                    command => server::default_reply(command),
                };
                let code = reply.code();
                server.reply(ticket, reply).expect("it waits");
                code
            }
        };
        self.given.push_back(code);
        match command {
            Command::Auth(_) if code.class() == 2 => self.auth_failed = false,
            Command::Rcpt(_) if code.class() == 2 => self.recipients.push(ticket),
            Command::Mail(_) | Command::Rset => self.recipients.clear(),
            _ => {}
        }
    }

    fn answer(&mut self, server: &mut server::Connection, ticket: Ticket, reply: Reply) {
        self.given.push_back(reply.code());
        server.reply(ticket, reply).expect("it waits");
    }
}

/// The code that the server's machine gives for a reply: beyond ASCII, an answer about a user has to be permitted.
fn given(command: &Command, reply: &Reply) -> ReplyCode {
    let permitted = match command {
        Command::Vrfy(query) | Command::Expn(query) => query.smtp_utf8,
        _ => true,
    };
    if permitted || !reply.is_positive() || reply.lines().all(|line| line.is_ascii()) {
        return reply.code();
    }
    ReplyCode::CANNOT_VERIFY
}
