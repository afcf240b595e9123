//! Sessions of SMTP and LMTP.

use std::collections::VecDeque;

use arbitrary::{Arbitrary, Unstructured};
use mailwire_core::{Connection as _, SaslStep, dot::BareNewline};
use mailwire_smtp::{Capability, Command, Dialect, Mechanism, Reply, ReplyCode, Ticket, client, server};

use super::extensions;
use crate::{answer_challenge, body, send_part, sent};
use mailwire_oracles::{
    Observation,
    script::{Owner, channel, dialect},
};

/// Who uses a client.
pub struct Caller;

impl Owner for Caller {
    type Connection = client::Connection;
    const GOOD: &'static str = "220 mx.example ESMTP\r\n";
    const HELD: usize = 40_000;

    fn connect(bits: u8) -> (Self, client::Connection) {
        let name = "client.example".try_into().expect("a name");
        let mut config = client::Config::new(name, channel(bits));
        config.dialect = dialect(bits);
        config.lmtp = bits & 16 != 0;
        config.pipelining = bits & 32 == 0;
        config.allow_clear_credentials = bits & 64 != 0;
        if bits & 64 != 0 {
            config.bare_newline = BareNewline::Normalize;
        }
        (config.limits.line, config.limits.reply_lines) = (300, 20);
        (config.limits.queue, config.limits.output) = (16, 8192);
        (Self, client::Connection::new(config))
    }

    fn event(&mut self, connection: &mut client::Connection, event: client::Event) -> Observation {
        if let client::Event::AuthChallenge { data, .. } = &event {
            answer_challenge(connection, data);
        }
        Observation::Event(format!("{event:?}"))
    }

    fn operate(&mut self, connection: &mut client::Connection, kind: u8, bytes: &[u8]) {
        let command = match kind {
            b'L' => Command::parse(&[bytes, b"\r\n"].concat().into(), Dialect::Lenient)
                .ok()
                .map(|parsed| parsed.value),
            b'A' => Command::arbitrary(&mut Unstructured::new(bytes)).ok(),
            _ => None,
        };
        if let Some(command) = command {
            sent(command, |command| connection.send(command));
        }
        match kind {
            b'B' => send_part(bytes, |chunk| connection.send_body(chunk)),
            b'F' => drop(connection.finish_body()),
            b'C' => drop(connection.send_chunk(bytes.to_vec().into(), false)),
            b'E' => drop(connection.send_chunk(bytes.to_vec().into(), true)),
            _ => {}
        }
    }
}

/// Who uses a server: answers at once, or when the script says so.
pub struct Service {
    at_once: bool,
    lenient: bool,
    waiting: VecDeque<(Ticket, Command)>,
    ended: VecDeque<Ticket>,
}

impl Owner for Service {
    type Connection = server::Connection;
    const GOOD: &'static str = "NOOP\r\n";
    const HELD: usize = 12_000;

    fn connect(bits: u8) -> (Self, server::Connection) {
        let mut config = server::Config::new("mx.example".try_into().expect("a name"), channel(bits));
        config.dialect = dialect(bits);
        config.lmtp = bits & 16 != 0;
        config.mechanisms = vec![Mechanism::Plain, Mechanism::Login];
        config.allow_clear_credentials = bits & 32 != 0;
        config.require_auth = bits & 64 != 0 && bits & 32 != 0;
        config.pass_unknown_commands = bits & 64 != 0;
        config.pass_unknown_parameters = bits & 64 != 0;
        (config.limits.line, config.limits.auth_line) = (120, 160);
        (config.limits.message, config.limits.recipients) = (300, 5);
        (config.limits.bad_commands, config.limits.idle_commands) = (12, 20);
        config.limits.output = 4096;
        if bits & 8 != 0 {
            let offered: Vec<_> = config.capabilities().iter().collect();
            let offered = offered.into_iter().chain([Capability::Chunking, Capability::BinaryMime]);
            config.set_capabilities(offered.chain(extensions())).expect("the machine keeps them");
        }
        let service = Self {
            at_once: bits & 1 == 0,
            lenient: dialect(bits) == Dialect::Lenient,
            waiting: VecDeque::new(),
            ended: VecDeque::new(),
        };
        (service, server::Connection::new(config))
    }

    fn event(&mut self, connection: &mut server::Connection, event: server::Event) -> Observation {
        let shown = format!("{event:?}");
        match event {
            server::Event::BodyChunk(chunk) => return body(&chunk),
            server::Event::Command { ticket, command, deviations, .. } => {
                assert!(deviations.is_empty() || self.lenient);
                self.waiting.push_back((ticket, command));
                if self.at_once {
                    self.answer(connection, None);
                }
            }
            server::Event::AuthResponse { ticket, step: SaslStep::Data(data), .. } => {
                let reply = if data.expose() == b"yes" {
                    Reply::new(ReplyCode::AUTHENTICATED, "2.7.0 ok")
                } else {
                    Reply::new(ReplyCode::BAD_CREDENTIALS, "5.7.8 no")
                };
                connection.reply(ticket, reply).expect("an exchange waits");
            }
            server::Event::BodyEnd { ticket, .. } => {
                self.ended.push_back(ticket);
                if self.at_once {
                    self.answer(connection, None);
                }
            }
            _ => {}
        }
        Observation::Event(shown)
    }

    fn operate(&mut self, connection: &mut server::Connection, kind: u8, bytes: &[u8]) {
        let reply = match kind {
            b'L' => Reply::parse(&bytes.to_vec().into(), Dialect::Strict).ok().map(|parsed| parsed.value),
            b'A' => Reply::arbitrary(&mut Unstructured::new(bytes)).ok(),
            b'N' => {
                drop(connection.goodbye(Reply::new(ReplyCode::UNAVAILABLE, "4.3.2 going")));
                None
            }
            b'D' => {
                self.answer(connection, None);
                None
            }
            _ => None,
        };
        if let Some(reply) = reply {
            self.answer(connection, Some(reply));
        }
    }
}

impl Service {
    /// Answers what waits longest: as asked, or as it should be.
    fn answer(&mut self, connection: &mut server::Connection, reply: Option<Reply>) {
        if let Some((ticket, command)) = self.waiting.pop_front() {
            let again = command.clone();
            let done = match (reply, &command) {
                (Some(reply), _) => sent(reply, |reply| connection.reply(ticket, reply)),
                (None, Command::Data | Command::Bdat { .. }) => connection.accept_body(ticket).is_ok(),
                (None, Command::StartTls) => connection.accept_upgrade(ticket).is_ok(),
                (None, Command::Auth(auth)) => match &auth.initial {
                    Some(_) => {
                        connection.reply(ticket, Reply::new(ReplyCode::AUTHENTICATED, "2.7.0 ok")).is_ok()
                    }
                    None => connection.send_auth(SaslStep::Data("who?".into())).is_ok(),
                },
                (None, command) => connection.reply(ticket, server::default_reply(command)).is_ok(),
            };
            if !done {
                // The answer was none; the right one follows.
                self.waiting.push_front((ticket, again));
                if self.at_once {
                    self.waiting.clear();
                }
            }
        } else if let Some(ticket) = self.ended.pop_front() {
            let reply = reply.unwrap_or_else(|| Reply::new(ReplyCode::OK, "2.0.0 queued"));
            if connection.reply(ticket, reply).is_err() && !self.at_once {
                self.ended.push_front(ticket);
            }
        }
    }
}
