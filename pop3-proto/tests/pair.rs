//! A client's and a server's machine face to face, with bytes in pieces of any size.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use bytes::{Buf, Bytes, BytesMut};
use common::quiet_config;
use mailwire_core::{
    Channel, Connection as _, Next, SaslStep,
    testing::{Faces, Owners},
};
use mailwire_pop3::{
    ApopDigest, ApopTimestamp, Command, Listing, Mechanism, MessageNumber, Password, Reply, ScanListing,
    State, UniqueId, UniqueIdListing, UserName,
    client::{self, Deletions, Event},
    server,
};

const MESSAGES: [&str; 3] = ["Subject: a\r\n\r\n.\r\n..\r\nend\r\n", "", "no line end"];

/// Two machines, a maildrop, and who reads it.
struct Pair {
    faces: Faces<client::Connection, server::Connection>,
    owners: Both,
}

#[derive(Default)]
struct Both {
    marked: Vec<u32>,
    deleted: Vec<u32>,
    waiting: Option<Bytes>,
    lines: Vec<Listing>,
    events: Vec<Event>,
}

fn number(n: usize) -> MessageNumber {
    MessageNumber::new(u32::try_from(n).unwrap() + 1).unwrap()
}

impl Pair {
    fn new(client: client::Config, server: server::Config, piece: usize) -> Self {
        let faces = Faces::new(client::Connection::new(client), server::Connection::new(server), [piece]);
        Self { faces, owners: Both::default() }
    }

    /// Lets both go on until neither can.
    fn run(&mut self) {
        self.faces.run(&mut self.owners);
    }

    fn send_all(&mut self, commands: &[&str]) {
        for line in commands {
            let line = Bytes::copy_from_slice(line.as_bytes());
            let command = Command::parse(&line, mailwire_core::Dialect::Strict).unwrap().value;
            self.faces.client.send(command).unwrap();
        }
    }

    fn oks(&self) -> usize {
        self.owners.events.iter().filter(|e| matches!(e, Event::Reply { reply, .. } if reply.is_ok())).count()
    }

    fn bodies(&self) -> Vec<String> {
        let mut bodies: Vec<String> = Vec::new();
        for event in &self.owners.events {
            match event {
                Event::BodyStart { .. } => bodies.push(String::new()),
                Event::BodyChunk(chunk) => {
                    bodies.last_mut().unwrap().push_str(std::str::from_utf8(chunk).unwrap());
                }
                _ => {}
            }
        }
        bodies
    }
}

impl Owners<client::Connection, server::Connection> for Both {
    fn hear(&mut self, client: &mut client::Connection, event: Event) {
        match event {
            Event::AuthChallenge { .. } => {
                client.send_auth(SaslStep::Data("\0mrose\0tanstaaf".into())).unwrap();
            }
            event => self.events.push(event),
        }
    }

    fn serve(&mut self, server: &mut server::Connection, event: server::Event) {
        let (ticket, command) = match event {
            server::Event::Login { ticket, user, password, .. } => {
                let ok = user.as_bytes() == b"mrose" && password.expose() == b"tanstaaf";
                let reply = if ok { Reply::ok("locked") } else { Reply::err("no") };
                return server.reply(ticket, reply).unwrap();
            }
            server::Event::AuthResponse { ticket, step } => {
                let ok = step == SaslStep::Data("\0mrose\0tanstaaf".into());
                let reply = if ok { Reply::ok("locked") } else { Reply::err("no") };
                return server.reply(ticket, reply).unwrap();
            }
            server::Event::Command { ticket, command, .. } => (ticket, command),
            event => panic!("{event:?}"),
        };
        let message = |message: MessageNumber| MESSAGES.get(message.get() as usize - 1);
        let octets = |message: &str| message.len() as u64;
        let reply = match command {
            Command::Stls => return server.accept_upgrade(ticket).unwrap(),
            Command::Auth { initial: None, .. } => {
                return server.send_auth(SaslStep::Data(Default::default())).unwrap();
            }
            Command::Auth { initial: Some(data), .. } if data.expose() == b"\0mrose\0tanstaaf" => {
                Reply::ok("ok")
            }
            Command::Apop { digest, .. } if digest.expose() == &[7; 16] => Reply::ok("ok"),
            Command::Stat => Reply::drop_listing(3, MESSAGES.iter().map(|m| octets(m)).sum()),
            Command::List(Some(n)) => match message(n) {
                Some(text) => Reply::scan_listing(n, octets(text)),
                None => Reply::err("no such message"),
            },
            Command::List(None) => {
                let scan =
                    |(n, text): (usize, &&str)| Listing::Scan(ScanListing::new(number(n), octets(text)));
                self.lines = MESSAGES.iter().enumerate().map(scan).rev().collect();
                Reply::ok("")
            }
            Command::Uidl(None) => {
                let id = |n| UniqueId::new(format!("uid{n}")).unwrap();
                let line = |n| Listing::UniqueId(UniqueIdListing::new(number(n), id(n)));
                self.lines = (0..3).rev().map(line).collect();
                Reply::ok("")
            }
            Command::Retr(n) | Command::Top { number: n, .. } => match message(n) {
                Some(text) => {
                    self.waiting = Some(Bytes::from_static(text.as_bytes()));
                    Reply::ok("")
                }
                None => Reply::err("no such message"),
            },
            Command::Dele(n) => {
                self.marked.push(n.get());
                Reply::ok("")
            }
            Command::Rset => {
                self.marked.clear();
                Reply::ok("")
            }
            Command::Quit => {
                self.deleted = std::mem::take(&mut self.marked);
                Reply::ok("bye")
            }
            _ => Reply::err("no"),
        };
        let lines = !self.lines.is_empty();
        server.reply(ticket, reply).unwrap();
        assert!(!lines || self.waiting.is_none());
    }

    /// Sends what there is room for.
    fn send(&mut self, _: &mut client::Connection, server: &mut server::Connection) -> bool {
        if let Some(body) = &mut self.waiting {
            let moved = server.send_body(body).unwrap() > 0;
            if body.is_empty() {
                self.waiting = None;
                server.finish_body().unwrap();
                return true;
            }
            return moved;
        }
        match self.lines.pop() {
            Some(line) => match server.send_line(line) {
                Ok(()) if self.lines.is_empty() => {
                    server.finish_body().unwrap();
                    true
                }
                Ok(()) => true,
                Err(refused) => {
                    self.lines.push(refused.message);
                    false
                }
            },
            None => false,
        }
    }
}

const SESSION: [&str; 16] = [
    "STAT", "LIST", "LIST 2", "LIST 9", "UIDL", "RETR 1", "RETR 2", "RETR 3", "RETR 9", "TOP 1 0", "DELE 1",
    "RSET", "DELE 2", "NOOP", "CAPA", "QUIT",
];

fn check_session(mut pair: Pair) {
    pair.send_all(&SESSION);
    pair.run();
    assert_eq!(pair.bodies(), [MESSAGES[0], MESSAGES[1], "no line end\r\n", MESSAGES[0]]);
    let lines = pair
        .owners
        .events
        .iter()
        .filter(|event| matches!(event, Event::Line { line, .. } if !matches!(line, Listing::Capability(_))))
        .count();
    assert_eq!(lines, 6);
    assert_eq!(pair.owners.deleted, [2]);
    assert_eq!(pair.faces.client.deletions(), Deletions::Done(1));
    assert_eq!(pair.faces.client.next_event(&mut pair.faces.to_client), Ok(Next::Closed));
    assert_eq!(pair.faces.server.next_event(&mut pair.faces.to_server), Ok(Next::Closed));
    assert!(pair.faces.to_client.is_empty() && pair.faces.to_server.is_empty());
}

fn login(pair: &mut Pair) {
    pair.faces.client.send(Command::User(UserName::new("mrose").unwrap())).unwrap();
    pair.faces.client.send(Command::Pass(Password::new("tanstaaf").unwrap())).unwrap();
}

#[test]
fn a_session_in_pieces_of_any_size_with_and_without_pipelining() {
    for piece in [1, 2, 3, 5, 7, 11, 64, 1400, usize::MAX] {
        for pipelining in [true, false] {
            let mut server = server::Config::new(Channel::Tls);
            server.pipelining = pipelining;
            let mut pair = Pair::new(client::Config::new(Channel::Tls), server, piece);
            login(&mut pair);
            check_session(pair);
        }
    }
}

#[test]
fn a_session_with_little_output_room() {
    let mut server = server::Config::new(Channel::Tls);
    server.limits.output = 7;
    let mut pair = Pair::new(client::Config::new(Channel::Tls), server, 3);
    login(&mut pair);
    check_session(pair);
}

#[test]
fn starttls_and_auth() {
    for piece in [1, 7, usize::MAX] {
        for initial in [None, Some("\0mrose\0tanstaaf".into())] {
            let mut server = server::Config::new(Channel::StartTls);
            server.mechanisms = vec![Mechanism::Plain];
            let mut pair = Pair::new(client::Config::new(Channel::StartTls), server, piece);
            pair.faces.client.send(Command::Auth { mechanism: Mechanism::Plain, initial }).unwrap();
            pair.run();
            assert!(pair.faces.client.is_tls() && pair.faces.server.is_tls());
            assert_eq!(pair.oks(), 1);
            check_session(pair);
        }
    }
}

#[test]
fn apop() {
    let mut server = server::Config::new(Channel::Clear);
    server.apop = Some(ApopTimestamp::new("<1.2@example>").unwrap());
    let mut pair = Pair::new(client::Config::new(Channel::Clear), server, 10);
    pair.run();
    assert_eq!(pair.faces.client.timestamp().unwrap().as_bytes(), b"<1.2@example>");
    let name = UserName::new("mrose").unwrap();
    pair.faces.client.send(Command::Apop { name, digest: ApopDigest::new([7; 16]) }).unwrap();
    check_session(pair);
}

#[test]
fn a_refused_user_or_login_sends_no_more() {
    let mut pair = Pair::new(quiet_config(Channel::Tls), server::Config::new(Channel::Tls), usize::MAX);
    pair.faces.client.send(Command::User(UserName::new("mrose").unwrap())).unwrap();
    pair.faces.client.send(Command::Pass(Password::new("wrong").unwrap())).unwrap();
    pair.send_all(&["STAT", "DELE 1"]);
    pair.run();
    let unsent = pair.owners.events.iter().filter(|event| matches!(event, Event::NotSent { .. })).count();
    assert_eq!(unsent, 2, "{:?}", pair.owners.events);
    // Another try on the same connection.
    login(&mut pair);
    check_session(pair);
}

#[test]
fn a_lost_connection_deletes_nothing() {
    for quit in [false, true] {
        let mut pair = Pair::new(quiet_config(Channel::Tls), server::Config::new(Channel::Tls), usize::MAX);
        login(&mut pair);
        pair.send_all(&["DELE 1", "DELE 2"]);
        pair.run();
        assert_eq!(pair.faces.client.deletions(), Deletions::Marked(2));
        if quit {
            pair.send_all(&["QUIT"]);
        }
        // The wire is cut here.
        pair.faces.client.handle_eof();
        pair.faces.server.handle_eof();
        let length = pair.faces.client.output().remaining();
        pair.faces.client.output().advance(length);
        let next = pair.faces.client.next_event(&mut pair.faces.to_client);
        assert_eq!(next.is_err(), quit);
        assert_eq!(pair.faces.client.deletions(), if quit { Deletions::Unknown } else { Deletions::Lost(2) });
        assert_eq!(pair.faces.server.next_event(&mut pair.faces.to_server), Ok(Next::Closed));
        assert_eq!(pair.faces.server.state(), State::Transaction);
        assert!(pair.owners.deleted.is_empty());
    }
}

#[test]
fn a_failed_update_is_told() {
    let mut client = common::Client::logged_in(quiet_config(Channel::Tls));
    for (command, answer) in [
        (Command::Dele(MessageNumber::FIRST), "+OK\r\n"),
        (Command::Quit, "-ERR some deleted messages not removed\r\n"),
    ] {
        client.connection.send(command).unwrap();
        client.hear(answer);
    }
    assert_eq!(client.connection.deletions(), Deletions::Incomplete(1));
}

/// Chunks are slices of the input, and what is sent is a slice of what was given.
#[test]
fn bodies_are_not_copied() {
    let mut client = common::Client::logged_in(quiet_config(Channel::Tls));
    client.connection.send(Command::Retr(MessageNumber::FIRST)).unwrap();
    client.hear("+OK\r\n");
    let body = "0123456789".repeat(1000);
    let mut input = BytesMut::from(format!("{body}\r\n..{body}\r\n.\r\n").as_str());
    let range = input.as_ptr_range();
    let mut length = 0;
    while let Next::Event(event) = client.connection.next_event(&mut input).unwrap() {
        if let Event::BodyChunk(chunk) = event {
            assert!(range.contains(&chunk.as_ptr()));
            length += chunk.len();
        }
    }
    assert_eq!(length, 20_005);

    let mut server = common::Server::logged_in(server::Config::new(Channel::Tls));
    let (ticket, _) = server.command("RETR 1");
    server.connection.reply(ticket, Reply::ok("")).unwrap();
    let message = Bytes::from(format!("{body}\r\n.{body}\r\n"));
    server.connection.send_body(&mut message.clone()).unwrap();
    let output = server.connection.output();
    output.advance("+OK\r\n".len());
    while output.remaining() > 0 {
        assert!(message.as_ptr_range().contains(&output.chunk().as_ptr()));
        let length = output.chunk().len();
        output.advance(length);
    }
}
