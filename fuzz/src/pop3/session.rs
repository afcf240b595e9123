//! Sessions of POP3.

use std::collections::VecDeque;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use mailwire_core::{Connection as _, SaslStep, Ticket};
use mailwire_pop3::{
    ApopTimestamp, Command, Dialect, Follows, Keyword, LanguageListing, Listing, Mechanism, MessageNumber,
    Reply, ScanListing, UniqueId, UniqueIdListing, client, server,
};

use crate::{answer_challenge, body, send_part, sent};
use mailwire_oracles::{
    Observation,
    script::{Owner, channel, dialect},
};

/// Who uses a client.
pub struct Caller;

impl Owner for Caller {
    type Connection = client::Connection;
    const HELLO: &'static [&'static str] = &["+OK hi\r\n", "+OK\r\n"];
    const GOOD: &'static str = "UIDL\r\n.\r\n";
    const HELD: usize = 20_000;

    fn connect(bits: u8) -> (Self, client::Connection) {
        let mut config = client::Config::new(channel(bits));
        config.dialect = dialect(bits);
        config.pipelining = bits & 16 == 0;
        config.initial_response = bits & 16 == 0;
        config.allow_clear_credentials = bits & 32 != 0;
        if bits & 64 != 0 {
            config.ask_capabilities.after_login = false;
            config.ask_capabilities.after_greeting = false;
        }
        (config.limits.line, config.limits.auth_line) = (600, 700);
        (config.limits.queue, config.limits.pipeline) = (16, 4);
        (config.limits.listing_lines, config.limits.capabilities) = (30, 20);
        (config.limits.message, config.limits.output) = (500, 4096);
        (Self, client::Connection::new(config))
    }

    fn event(&mut self, connection: &mut client::Connection, event: client::Event) -> Observation {
        let shown = format!("{event:?}");
        match event {
            client::Event::BodyChunk(chunk) => return body(&chunk),
            client::Event::AuthChallenge { data, .. } => answer_challenge(connection, &data),
            _ => {}
        }
        Observation::Event(shown)
    }

    fn operate(&mut self, connection: &mut client::Connection, kind: u8, bytes: &[u8]) {
        let command = match kind {
            b'L' => Command::parse(&Bytes::copy_from_slice(bytes), Dialect::Lenient)
                .ok()
                .map(|parsed| parsed.value),
            b'A' => Command::arbitrary(&mut Unstructured::new(bytes)).ok(),
            _ => None,
        };
        if let Some(command) = command {
            let follows = match (&command, bytes.first()) {
                (Command::Other { .. }, Some(b'a'..=b'i')) => Follows::Lines,
                (Command::Other { .. }, Some(b'j'..=b'r')) => Follows::Body,
                _ => command.follows(),
            };
            sent(command, |command| connection.send_expecting(command, follows));
        }
        let _ = connection.deletions();
    }
}

/// Who uses a server: answers at once, or when the script says so.
pub struct Service {
    at_once: bool,
    waiting: VecDeque<(Ticket, Option<Command>)>,
}

impl Owner for Service {
    type Connection = server::Connection;
    const GOOD: &'static str = "CAPA\r\n";
    const HELD: usize = 12_000;

    fn connect(bits: u8) -> (Self, server::Connection) {
        let mut config = server::Config::new(channel(bits));
        config.dialect = dialect(bits);
        config.mechanisms = vec![Mechanism::Plain];
        config.apop = Some(ApopTimestamp::new("<1.2@pop.example>").expect("a timestamp"));
        config.pipelining = bits & 16 == 0;
        config.allow_clear_credentials = bits & 32 != 0;
        if bits & 64 != 0 {
            let own = config.set_extension_commands([Keyword::new("XTND").expect("a keyword")]);
            own.expect("not known here");
            config.resp_codes = false;
            (config.top, config.uidl) = (false, false);
        } else {
            config.utf8 = server::Utf8Offer::MessagesAndCredentials;
            (config.lang, config.xclient) = (true, true);
        }
        (config.limits.line, config.limits.auth_line, config.limits.auth_steps) = (300, 400, 4);
        (config.limits.bad_commands, config.limits.idle_commands) = (6, 8);
        config.limits.output = 2048;
        (Self { at_once: bits & 1 == 0, waiting: VecDeque::new() }, server::Connection::new(config))
    }

    fn event(&mut self, connection: &mut server::Connection, event: server::Event) -> Observation {
        let shown = format!("{event:?}");
        match event {
            server::Event::Command { ticket, command, .. } => {
                self.waiting.push_back((ticket, Some(command)));
                if self.at_once {
                    self.answer(connection, None);
                }
            }
            server::Event::Login { ticket, .. } => {
                self.waiting.push_back((ticket, None));
                if self.at_once {
                    self.answer(connection, None);
                }
            }
            server::Event::AuthResponse { ticket, step: SaslStep::Data(data) } => {
                let _ = match data.expose() {
                    b"no" => connection.reply(ticket, Reply::err("no")).is_ok(),
                    b"more" => connection.send_auth(SaslStep::Data("go on".into())).is_ok(),
                    _ => connection.reply(ticket, Reply::ok("yes")).is_ok(),
                };
            }
            _ => {}
        }
        Observation::Event(shown)
    }

    fn operate(&mut self, connection: &mut server::Connection, kind: u8, bytes: &[u8]) {
        match kind {
            b'L' => {
                let line = Bytes::copy_from_slice(bytes);
                if let Ok(reply) = Reply::parse(&line, Dialect::Strict) {
                    self.answer(connection, Some(reply.value));
                } else if let Ok(line) = Listing::parse(&line, Dialect::Strict) {
                    sent(line.value, |line| connection.send_line(line));
                }
            }
            b'A' => {
                if let Ok(reply) = Reply::arbitrary(&mut Unstructured::new(bytes)) {
                    self.answer(connection, Some(reply));
                }
            }
            b'B' => send_part(bytes, |chunk| connection.send_body(chunk)),
            b'F' => drop(connection.finish_body()),
            b'N' => {
                sent(Reply::err("the end"), |reply| connection.goodbye(reply));
            }
            b'D' => self.answer(connection, None),
            _ => {}
        }
    }
}

impl Service {
    /// Answers what waits longest: as asked, or as it should be.
    fn answer(&mut self, connection: &mut server::Connection, reply: Option<Reply>) {
        let Some((ticket, command)) = self.waiting.pop_front() else { return };
        let again = command.clone();
        if let Some(reply) = reply {
            let lines = matches!(command, Some(Command::Other { .. }));
            let done = sent(reply, |reply| {
                if lines {
                    connection.reply_with_lines(ticket, reply)
                } else {
                    connection.reply(ticket, reply)
                }
            });
            if !done && !self.at_once {
                self.waiting.push_front((ticket, again));
            }
            return;
        }
        let one = MessageNumber::FIRST;
        let reply = match &command {
            Some(Command::Stls) => {
                let _ = connection.accept_upgrade(ticket);
                return;
            }
            Some(Command::Auth { initial: None, .. }) => {
                return drop(connection.send_auth(SaslStep::Data("who?".into())));
            }
            Some(Command::Stat) => Reply::drop_listing(2, 320),
            Some(Command::List(Some(message))) => Reply::scan_listing(*message, 120),
            Some(Command::Uidl(Some(message))) => {
                Reply::unique_id_listing(*message, UniqueId::new("a").expect("an id"))
            }
            Some(Command::Lang(Some(_))) => Reply::language("de".parse().expect("a tag"), "geändert"),
            _ => Reply::ok("done"),
        };
        if connection.reply(ticket, reply).is_err() {
            return;
        }
        match command {
            Some(Command::Retr(_) | Command::Top { .. }) if self.at_once => {
                let _ = connection.send_body(&mut "a\r\n.b".into());
            }
            Some(Command::List(None)) => {
                let _ = connection.send_line(Listing::Scan(ScanListing::new(one, 1)));
            }
            Some(Command::Lang(None)) => {
                let language = LanguageListing::new("de".parse().expect("a tag"), "Deutsch");
                let _ = connection.send_line(Listing::Language(language));
            }
            Some(Command::Uidl(None)) => {
                let unique_id = UniqueId::new("a").expect("an id");
                let _ = connection.send_line(Listing::UniqueId(UniqueIdListing::new(one, unique_id)));
            }
            _ => return,
        }
        if self.at_once {
            let _ = connection.finish_body();
        }
    }
}
