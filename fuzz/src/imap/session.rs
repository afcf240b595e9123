//! Sessions of IMAP.

use std::collections::VecDeque;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use mailwire_core::{Connection as _, Dialect, SaslStep, Ticket};
use mailwire_imap::{
    Capability, client,
    command::{Command, Literals, Request},
    response::{Reply, ReplyKind, Response, Untagged},
    server,
    sync::{Change, SyncOptions, SyncState, Synchronizer},
    types::{MailboxName, Uid},
};

use crate::{answer_challenge, body, send_part, sent};
use mailwire_oracles::{
    Observation,
    script::{Owner, channel, dialect},
};

/// Who uses a client, and keeps a mirror of the mailbox.
pub struct Caller {
    sync: Synchronizer,
}

impl Caller {
    /// Whatever a server says, a mirror makes something of it. Any reply is taken for that to the mirror's command.
    fn synchronize(&mut self, event: &client::Event) {
        if let client::Event::Reply { ticket, .. } = event {
            self.sync.sent(*ticket);
        }
        self.sync.handle(event);
        while let Some(change) = self.sync.change() {
            if let Change::Gone { first, last } = change {
                assert!(first <= last, "a range that is none");
            }
        }
        let _ = self.sync.next_step();
        assert!(self.sync.state().segments().count() <= 1001, "a state without a limit");
    }
}

impl Owner for Caller {
    type Connection = client::Connection;
    const HELLO: &'static [&'static str] =
        &["* PREAUTH [CAPABILITY IMAP4rev1 COMPRESS=DEFLATE UNAUTHENTICATE] hi\r\n"];
    const GOOD: &'static str = "* 5 EXISTS\r\n";
    const HELD: usize = 20_000;

    fn connect(bits: u8) -> (Self, client::Connection) {
        let mut config = client::Config::new(channel(bits), 1);
        config.dialect = dialect(bits);
        config.pipelining = bits & 16 == 0;
        config.initial_response = bits & 16 == 0;
        config.non_synchronizing_literals = bits & 16 == 0;
        config.allow_clear_credentials = bits & 32 != 0;
        if bits & 64 != 0 {
            config.ask_capabilities.after_greeting = false;
            config.ask_capabilities.after_login = false;
        }
        (config.limits.line, config.limits.frame) = (1000, 1500);
        (config.limits.inline_literal, config.limits.message, config.limits.literals) = (16, 200, 8);
        (config.limits.queue, config.limits.output) = (16, 4096);
        let connection = client::Connection::new(config);
        let options = SyncOptions::new(MailboxName::INBOX).with_batch(3);
        let known = [(Uid::MIN, Uid::new(4).unwrap_or(Uid::MAX))];
        let sync = Synchronizer::new(SyncState::default(), known, connection.capabilities(), options);
        (Self { sync }, connection)
    }

    fn event(&mut self, connection: &mut client::Connection, event: client::Event) -> Observation {
        let shown = format!("{event:?}");
        self.synchronize(&event);
        match event {
            client::Event::BodyChunk(chunk) => return body(&chunk),
            client::Event::AuthChallenge { data, .. } => answer_challenge(connection, &data),
            _ => {}
        }
        Observation::Event(shown)
    }

    fn operate(&mut self, connection: &mut client::Connection, kind: u8, bytes: &[u8]) {
        let command = match kind {
            b'L' => {
                // With a tag or without.
                let tagged = Bytes::from([b"a ", bytes].concat());
                [Bytes::copy_from_slice(bytes), tagged]
                    .iter()
                    .filter_map(|frame| Request::parse(frame, Dialect::Lenient).ok())
                    .map(|parsed| parsed.value.command)
                    .last()
            }
            b'A' => Command::arbitrary(&mut Unstructured::new(bytes)).ok(),
            _ => None,
        };
        if let Some(command) = command {
            sent(command, |command| connection.send(command));
            assert!(connection.outstanding() <= 20, "a queue without a limit");
        }
        match kind {
            b'B' => send_part(bytes, |chunk| connection.send_body(chunk)),
            b'F' => drop(connection.finish_body()),
            b'D' => drop(connection.done()),
            b'U' => drop(connection.renew_idle()),
            _ => {}
        }
    }
}

/// Who uses a server: answers at once, or when the script says so.
pub struct Service {
    at_once: bool,
    waiting: VecDeque<(Ticket, Command)>,
}

/// A reply with a text.
pub(super) fn status(kind: ReplyKind) -> Reply {
    Reply::new(kind, "done").expect("a text")
}

impl Owner for Service {
    type Connection = server::Connection;
    const GOOD: &'static str = "z NOOP\r\n";
    const HELD: usize = 20_000;

    fn connect(bits: u8) -> (Self, server::Connection) {
        let mut config = server::Config::new(channel(bits));
        config.dialect = dialect(bits);
        config.mechanisms = vec![mailwire_core::sasl::Mechanism::Plain];
        config.allow_clear_credentials = bits & 32 != 0;
        config.enable =
            [Capability::Imap4Rev2, Capability::QResync, Capability::UidOnly].into_iter().collect();
        let extensions = [
            Capability::Binary,
            Capability::Catenate,
            Capability::CompressDeflate,
            Capability::MultiAppend,
            Capability::Notify,
            Capability::QResync,
            Capability::Replace,
            Capability::Unauthenticate,
            Capability::UidOnly,
        ];
        config.add_capabilities(extensions).expect("capabilities");
        config.set_literals(match bits >> 5 & 3 {
            0 => Literals::Plus,
            1 => Literals::Minus,
            _ => Literals::Synchronizing,
        });
        config.accept_bodies = bits & 64 != 0;
        if bits & 16 != 0 {
            config.set_greeting(status(ReplyKind::PreAuth)).expect("a greeting");
        }
        (config.limits.line, config.limits.frame) = (600, 900);
        (config.limits.inline_literal, config.limits.message, config.limits.literals) = (16, 200, 8);
        (config.limits.bad_commands, config.limits.idle_commands) = (8, 12);
        (config.limits.queue, config.limits.output) = (16, 4096);
        (Self { at_once: bits & 1 == 0, waiting: VecDeque::new() }, server::Connection::new(config))
    }

    fn event(&mut self, connection: &mut server::Connection, event: server::Event) -> Observation {
        let shown = format!("{event:?}");
        match event {
            server::Event::BodyChunk(chunk) => return body(&chunk),
            server::Event::Command { ticket, command, .. } => {
                self.waiting.push_back((ticket, command));
                if self.at_once {
                    self.answer(connection, None);
                }
            }
            server::Event::AuthResponse { ticket, step: SaslStep::Data(data) } => {
                let _ = match data.expose() {
                    b"no" => connection.reply(ticket, status(ReplyKind::No)).is_ok(),
                    b"more" => connection.send_auth(SaslStep::Data("go on".into())).is_ok(),
                    _ => connection.reply(ticket, status(ReplyKind::Ok)).is_ok(),
                };
            }
            server::Event::AppendMore { ticket, .. } => drop(connection.accept_body(ticket)),
            server::Event::IdleDone { ticket } | server::Event::BodyEnd { ticket } => {
                connection.reply(ticket, status(ReplyKind::Ok)).expect("it waits for this");
            }
            _ => {}
        }
        Observation::Event(shown)
    }

    fn operate(&mut self, connection: &mut server::Connection, kind: u8, bytes: &[u8]) {
        let frame = Bytes::copy_from_slice(bytes);
        match kind {
            b'L' => match Response::parse(&frame, Dialect::Lenient) {
                Ok(parsed) => match parsed.value {
                    Response::Tagged(tagged) => self.answer(connection, Some(tagged.reply)),
                    Response::Untagged(data) => notify(connection, data),
                    Response::Continuation(_) => self.answer(connection, None),
                },
                Err(_) => {}
            },
            b'A' => match Response::arbitrary(&mut Unstructured::new(bytes)) {
                Ok(Response::Tagged(tagged)) => self.answer(connection, Some(tagged.reply)),
                Ok(Response::Untagged(data)) => notify(connection, data),
                _ => {}
            },
            b'B' => send_part(bytes, |chunk| connection.send_body(chunk)),
            b'F' => drop(connection.finish_body()),
            b'D' => self.answer(connection, None),
            b'N' => drop(connection.notify(Untagged::Exists(1))),
            _ => {}
        }
    }
}

fn notify(connection: &mut server::Connection, data: Untagged) {
    sent(data, |data| connection.notify(data));
}

impl Service {
    /// Answers what waits longest: as asked, or as it should be.
    fn answer(&mut self, connection: &mut server::Connection, asked: Option<Reply>) {
        let Some((ticket, command)) = self.waiting.pop_front() else { return };
        match (asked, &command) {
            (Some(asked), _) => {
                if !sent(asked, |reply| connection.reply(ticket, reply)) && !self.at_once {
                    self.waiting.push_front((ticket, command));
                }
            }
            (None, Command::Append(_) | Command::Replace(_)) => {
                if connection.accept_body(ticket).is_err() {
                    let _ = connection.reply(ticket, status(ReplyKind::Ok));
                }
            }
            (None, Command::Idle) => drop(connection.accept_idle(ticket)),
            (None, Command::StartTls | Command::Compress) => drop(connection.accept_upgrade(ticket)),
            (None, Command::Authenticate(authenticate)) if authenticate.initial.is_none() => {
                let _ = connection.send_auth(SaslStep::Data("who?".into()));
            }
            _ => drop(connection.reply(ticket, status(ReplyKind::Ok))),
        }
    }
}
