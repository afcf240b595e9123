//! A client and a server of POP3 face to face.

use std::collections::{HashMap, VecDeque};

use arbitrary::Arbitrary;
use bytes::Bytes;
use mailwire_core::{Connection as _, SaslStep, Ticket};
use mailwire_pop3::{
    ApopTimestamp, Channel, Command, LanguageListing, Listing, Mechanism, Reply, ScanListing, UniqueId,
    UniqueIdListing, client, server,
};

use mailwire_core::testing::{Faces, Owners};

use crate::message;

/// What happens.
#[derive(Debug, Arbitrary)]
pub struct Case {
    steps: Vec<u8>,
    bits: u8,
    commands: Vec<Command>,
    refusals: Vec<bool>,
    scans: Vec<ScanListing>,
    ids: Vec<UniqueIdListing>,
    languages: Vec<LanguageListing>,
    body: Vec<u8>,
}

struct Conversation {
    case: Case,
    sent: VecDeque<(Ticket, Command)>,
    unanswered: VecDeque<Ticket>,
    /// Whether the replies that the server's application gave are positive.
    given: HashMap<Ticket, bool>,
    message: Vec<u8>,
    left: Option<Bytes>,
    lines: VecDeque<Listing>,
    sending_lines: bool,
    expected: VecDeque<Listing>,
    got: Vec<u8>,
    /// The client's AUTH that goes on.
    exchange: Option<Ticket>,
}

/// Runs a case: each command arrives as it was sent, each reply at its command, listings and messages
/// whole, and nothing waits in the end.
pub fn run(mut case: Case) {
    let channel = if case.bits & 2 != 0 { Channel::StartTls } else { Channel::Tls };
    let mut config = client::Config::new(channel);
    (config.pipelining, config.initial_response) = (case.bits & 4 == 0, case.bits & 16 == 0);
    let client = client::Connection::new(config);
    let mut config = server::Config::new(channel);
    config.mechanisms = vec![Mechanism::Plain];
    if case.bits & 64 != 0 {
        config.utf8 = server::Utf8Offer::MessagesAndCredentials;
        (config.lang, config.xclient) = (true, true);
    }
    config.apop = Some(ApopTimestamp::new("<1.2@pop.example>").expect("a timestamp"));
    config.limits.bad_commands = 1000;
    config.limits.auth_failures = 1000;
    config.limits.output = 300;
    let (commands, steps) = (std::mem::take(&mut case.commands), std::mem::take(&mut case.steps));
    let mut faces = Faces::new(client, server::Connection::new(config), steps);
    let mut pair = Conversation {
        sent: VecDeque::new(),
        unanswered: VecDeque::new(),
        given: HashMap::new(),
        message: message(&case.body),
        left: None,
        lines: VecDeque::new(),
        sending_lines: false,
        expected: VecDeque::new(),
        got: Vec::new(),
        exchange: None,
        case,
    };
    faces.run(&mut pair);
    let login = ["USER mrose", "PASS tanstaaf"].map(|line| {
        Command::parse(&Bytes::from_static(line.as_bytes()), mailwire_core::Dialect::Strict)
            .expect("ours")
            .value
    });
    let login = if pair.case.bits & 8 == 0 { &login[..] } else { &[] };
    for command in login.iter().cloned().chain(commands).take(24) {
        if pair.case.bits & 32 != 0 {
            faces.run(&mut pair);
        }
        if let Ok(ticket) = faces.client.send(command.clone()) {
            pair.sent.push_back((ticket, command));
            pair.unanswered.push_back(ticket);
        }
    }
    faces.run(&mut pair);
    assert!(faces.client_closed || pair.unanswered.is_empty(), "no answer to {:?}", pair.unanswered);
    assert!(pair.left.is_none() && pair.lines.is_empty(), "a part of a body is left");
    assert!(faces.client_closed || pair.expected.is_empty(), "lines that did not arrive");
}

impl Owners<client::Connection, server::Connection> for Conversation {
    fn hear(&mut self, client: &mut client::Connection, event: client::Event) {
        use client::Event;
        match event {
            Event::Reply { ticket, reply, deviations, .. } => {
                assert_eq!(deviations, [], "{reply:?}");
                assert_eq!(self.unanswered.pop_front(), Some(ticket));
                // Some are the machine's own.
                let given = self.given.remove(&ticket);
                assert!(given.is_none_or(|ok| ok == reply.is_ok()), "{reply:?}");
            }
            Event::NotSent { ticket, .. } => {
                // It can overtake the answer to what was sent before it.
                self.unanswered.retain(|one| *one != ticket);
                self.sent.retain(|(sent, _)| *sent != ticket);
            }
            Event::Line { line, deviations, .. } => {
                assert_eq!(deviations, [], "{line:?}");
                if !matches!(line, Listing::Capability(_) | Listing::Mechanism(_)) {
                    assert_eq!(self.expected.pop_front(), Some(line));
                }
            }
            Event::BodyStart { .. } => self.got.clear(),
            Event::BodyChunk(chunk) => self.got.extend_from_slice(&chunk),
            Event::BodyEnd { deviations, .. } => {
                assert_eq!(deviations, []);
                assert_eq!(self.got, self.message, "arrived (left) and sent (right)");
            }
            Event::AuthChallenge { .. } => {
                client.send_auth(SaslStep::Data("x".into())).expect("a challenge waits");
            }
            Event::Greeting { .. } | Event::Capabilities(_) | Event::LinesEnd { .. } => {}
            event => panic!("{event:?}"),
        }
    }

    fn serve(&mut self, server: &mut server::Connection, event: server::Event) {
        use server::Event;
        let refused = self.case.refusals.pop().unwrap_or(false);
        match event {
            Event::Command { ticket, command, deviations } => {
                assert_eq!(deviations, [], "{command:?}");
                if command == Command::Stls && self.sent.front().is_none_or(|(_, sent)| *sent != command) {
                    return server.accept_upgrade(ticket).expect("it waits");
                }
                let sent = self.arrived(&command);
                if let Command::Auth { initial: None, .. } = command {
                    self.exchange = Some(sent);
                    return server.send_auth(SaslStep::Data("who?".into())).expect("it waits");
                }
                self.given.insert(sent, !refused);
                self.answer(server, ticket, &command, refused);
            }
            Event::Login { ticket, user, password, .. } => {
                self.arrived(&Command::User(user));
                let sent = self.arrived(&Command::Pass(password));
                self.given.insert(sent, !refused);
                let reply = if refused { Reply::err("no") } else { Reply::ok("yes") };
                server.reply(ticket, reply).expect("it waits");
            }
            Event::AuthResponse { ticket, .. } => {
                if let Some(sent) = self.exchange.take() {
                    self.given.insert(sent, !refused);
                }
                let reply = if refused { Reply::err("no") } else { Reply::ok("yes") };
                server.reply(ticket, reply).expect("it waits");
            }
            Event::Refused { command: refused, .. } => loop {
                let (sent, command) = self.sent.pop_front().expect("somebody sent it");
                // AUTH alone has the name of AUTH, and was answered by the machine.
                let alone = |command: &Command| *command == Command::AuthList;
                if command.keyword() == refused.keyword() && alone(&command) == alone(&refused) {
                    self.given.insert(sent, false);
                    break;
                }
                assert!(machines_own(&command), "never arrived: {command:?}");
            },
            event => panic!("{event:?}"),
        }
    }

    /// Sends what there is room for.
    fn send(&mut self, _: &mut client::Connection, server: &mut server::Connection) -> bool {
        if let Some(left) = &mut self.left {
            let moved = server.send_body(left).expect("a body is due") > 0;
            if left.is_empty() {
                self.left = None;
                server.finish_body().expect("a body is due");
                return true;
            }
            return moved;
        }
        if !self.sending_lines {
            return false;
        }
        match self.lines.pop_front() {
            Some(line) => match server.send_line(line) {
                Ok(()) => true,
                Err(refused) => {
                    self.lines.push_front(refused.message);
                    false
                }
            },
            None => {
                self.sending_lines = false;
                server.finish_body().expect("lines are due");
                true
            }
        }
    }
}

impl Conversation {
    /// The ticket of the command that arrived.
    fn arrived(&mut self, command: &Command) -> Ticket {
        loop {
            let (ticket, sent) = self.sent.pop_front().unwrap_or_else(|| panic!("nobody sent {command:?}"));
            match (&sent, command) {
                // A long first message is sent when the server asks for it.
                (Command::Auth { mechanism: sent, .. }, Command::Auth { mechanism: got, .. })
                    if sent == got =>
                {
                    return ticket;
                }
                (sent, got) if sent == got => return ticket,
                (sent, _) => assert!(machines_own(sent), "sent {sent:?}, and {command:?} arrived"),
            }
        }
    }

    fn answer(&mut self, server: &mut server::Connection, ticket: Ticket, command: &Command, refused: bool) {
        let reply = match command {
            _ if refused => Reply::err("no"),
            Command::Stat => Reply::drop_listing(1, 2),
            Command::List(Some(message)) => Reply::scan_listing(*message, 120),
            Command::Uidl(Some(message)) => {
                Reply::unique_id_listing(*message, UniqueId::new("a").expect("an id"))
            }
            Command::Lang(Some(_)) => Reply::language("de-CH".parse().expect("a tag"), "grüezi"),
            _ => Reply::ok("done"),
        };
        server.reply(ticket, reply).expect("it waits");
        if refused {
            return;
        }
        match command {
            Command::Retr(_) | Command::Top { .. } => self.left = Some(self.message.clone().into()),
            Command::List(None) => {
                self.lines = self.case.scans.iter().cloned().map(Listing::Scan).collect();
                self.sending_lines = true;
            }
            Command::Lang(None) => {
                self.lines = self.case.languages.iter().cloned().map(Listing::Language).collect();
                self.sending_lines = true;
            }
            Command::Uidl(None) => {
                self.lines = self.case.ids.iter().cloned().map(Listing::UniqueId).collect();
                self.sending_lines = true;
            }
            _ => {}
        }
        self.expected.extend(self.lines.iter().cloned());
    }
}

/// What a server's machine answers by itself.
fn machines_own(command: &Command) -> bool {
    matches!(command, Command::User(_) | Command::Capa | Command::AuthList | Command::Utf8 | Command::Noop)
}
