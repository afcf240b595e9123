//! The server's side of a connection, without its stream.
//!
//! The machine hands out one command at a time and reads the next when it is answered; what a
//! client pipelines waits in the input. So replies are in order by nature, and nothing is queued.
//!
//! # Examples
//!
//! ```
//! use bytes::{Buf, Bytes, BytesMut};
//! use mailwire_core::{Channel, Connection as _, Next};
//! use mailwire_pop3::{Command, Reply, server};
//! use mailwire_pop3::server::Event;
//!
//! let mut connection = server::Connection::new(server::Config::new(Channel::Tls));
//! let mut input = BytesMut::from("USER mrose\r\nPASS tanstaaf\r\nRETR 1\r\nQUIT\r\n");
//! loop {
//!     match connection.next_event(&mut input)? {
//!         Next::Event(Event::Login { ticket, password, .. }) => {
//!             assert_eq!(password.expose(), b"tanstaaf");
//!             connection.reply(ticket, Reply::ok("maildrop locked and ready")).unwrap();
//!         }
//!         Next::Event(Event::Command { ticket, command: Command::Retr(_), .. }) => {
//!             connection.reply(ticket, Reply::ok("")).unwrap();
//!             let mut message = Bytes::from("Subject: hi\r\n\r\n.dot\r\n");
//!             connection.send_body(&mut message)?;
//!             connection.finish_body()?;
//!         }
//!         Next::Event(Event::Command { ticket, command: Command::Quit, .. }) => {
//!             connection.reply(ticket, Reply::ok("bye")).unwrap();
//!         }
//!         Next::Closed => break, // what waits in the output is to be written
//!         next => panic!("{next:?}"),
//!     }
//! }
//! let output = connection.output();
//! let output = output.copy_to_bytes(output.remaining());
//! assert!(output.ends_with(b"+OK\r\nSubject: hi\r\n\r\n..dot\r\n.\r\n+OK bye\r\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod event;
mod read;
mod rules;
mod send;
mod state;

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
pub use config::{Config, Timeouts, Utf8Offer};
pub use event::Event;
use mailwire_core::{
    Error, Invalid, Misuse, SaslStep, SendError, Ticket, Upgrade, WrongAnswer, WrongState, machine,
    machine_methods, private::Gate, sasl::Mechanism,
};
use send::put_line;
use state::{Current, Machine, Phase, Session, Stage};

use crate::{
    capability::{Capabilities, Capability},
    command::Effect,
    reply::{Greeting, Listing, Reply, ResponseCode},
    state::State,
    types::LanguageTag,
};

machine! {
    /// The state machine of a server.
    ///
    /// See the [module](self) for an example.
    pub struct Connection of Machine in State, parked by |machine| &mut machine.session.framer;
}

impl Connection {
    /// A machine whose greeting waits in the output.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut greeting = Greeting::new(config.greeting.clone());
        greeting.code = (config.xclient && config.resp_codes).then_some(ResponseCode::XCLIENT);
        if let Some(timestamp) = &config.apop {
            greeting = greeting.with_timestamp(timestamp);
        }
        let mut machine = Machine::new(config);
        machine.output.write(|out| greeting.write(out));
        Self(Gate::new(machine))
    }

    /// A machine that refuses its client at the door: the reply stands in the place of the greeting,
    /// and is the end.
    #[must_use]
    pub fn refuse(config: Config, reply: Reply) -> Self {
        let mut machine = Machine::new(config);
        machine.put_status(reply);
        machine.end();
        Self(Gate::new(machine))
    }

    /// Changes [`Config::mechanisms`]: within TLS there are others, such as those that bind to it.
    pub fn set_mechanisms(&mut self, mechanisms: Vec<Mechanism>) {
        self.0.config.mechanisms = mechanisms;
        self.0.announce();
    }

    /// What is announced now.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.0.session.capabilities
    }

    /// Changes what [`Config::more`] has: EXPIRE and LOGIN-DELAY can be more exact after the login ([RFC 2449
    /// section 6.5](https://www.rfc-editor.org/rfc/rfc2449#section-6.5)).
    ///
    /// # Errors
    ///
    /// As [`Config::set_more`].
    pub fn set_more(&mut self, more: impl IntoIterator<Item = Capability>) -> Result<(), Invalid> {
        self.0.config.set_more(more)?;
        self.0.announce();
        Ok(())
    }

    /// Whether the client has said UTF8: header fields of messages may have text beyond ASCII.
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        self.0.session.utf8
    }

    /// The language that was chosen by LANG. Texts of replies may be UTF-8 then.
    #[must_use]
    pub fn language(&self) -> Option<&LanguageTag> {
        self.0.session.language.as_ref()
    }

    /// Answers a command. Where a message or lines follow a positive reply, they are sent next, and
    /// ended with [`finish_body`](Self::finish_body).
    ///
    /// A response code is left out unless RESP-CODES is announced.
    ///
    /// # Errors
    ///
    /// Hands the reply back if it is no answer to this command, or not one line of at most 512
    /// octets of ASCII; or of UTF-8, where the client has said UTF8 or chosen a language.
    pub fn reply(&mut self, ticket: Ticket, reply: Reply) -> Result<(), SendError<Reply>> {
        match self.0.permits_reply(ticket, &reply) {
            Ok(()) => {
                self.0.put_reply(reply);
                Ok(())
            }
            Err(reason) => Err(SendError::new(reason, reply)),
        }
    }

    /// Answers an [application's own command](Config::set_extension_commands) with `+OK` and lines,
    /// which follow with [`send_line`](Self::send_line).
    ///
    /// # Errors
    ///
    /// As [`reply`](Self::reply), or it is another command.
    pub fn reply_with_lines(&mut self, ticket: Ticket, reply: Reply) -> Result<(), SendError<Reply>> {
        match self.0.permits_lines(ticket, &reply) {
            Ok(()) => {
                self.0.put_status(reply);
                self.0.set_stage(Stage::Lines);
                Ok(())
            }
            Err(reason) => Err(SendError::new(reason, reply)),
        }
    }

    /// Agrees to STLS.
    ///
    /// # Errors
    ///
    /// No STLS waits for an answer.
    pub fn accept_upgrade(&mut self, ticket: Ticket) -> Result<(), Misuse> {
        if self.0.answerable(ticket)?.rules.effect != Effect::StartTls {
            return Err(Misuse::WrongAnswer(WrongAnswer::OtherCommand));
        }
        self.0.put_status(Reply::ok("begin TLS negotiation"));
        self.0.session.current = None;
        self.0.session.phase = Phase::Upgrading;
        Ok(())
    }

    /// Ends the session with an `-ERR` that was not asked for: the server shuts down, or the client
    /// took too long. [`Next::Closed`](mailwire_core::Next::Closed) comes next. Nothing is deleted.
    ///
    /// If a command waits for its answer, this is the answer.
    ///
    /// # Errors
    ///
    /// Hands the reply back if it is not `-ERR`, if the session is over, or if it would stand within
    /// an answer: lines or a message that are being sent, or TLS that was agreed to.
    /// [`close`](mailwire_core::Connection::close) ends the session there.
    pub fn goodbye(&mut self, reply: Reply) -> Result<(), SendError<Reply>> {
        match self.0.permits_goodbye(&reply) {
            Ok(()) => {
                self.0.put_status(reply);
                self.0.end();
                Ok(())
            }
            Err(reason) => Err(SendError::new(reason, reply)),
        }
    }

    /// Sends a part of the message that answers RETR or TOP, as it is: the machine stuffs dots. Takes
    /// from `chunk` what the output has room for, without copying it, and returns its length.
    ///
    /// # Errors
    ///
    /// No message is being sent, or it has a bare CR or LF and
    /// [`Config::bare_newline`] refuses that: the connection then ends, as
    /// the message cannot be completed.
    pub fn send_body(&mut self, chunk: &mut Bytes) -> Result<usize, Misuse> {
        let machine = &mut *self.0;
        let Some(Current { stage: Stage::Body(stuffer), .. }) = &mut machine.session.current else {
            return Err(Misuse::WrongState(WrongState::NothingDue("message")));
        };
        let length = chunk.len().min(machine.output.room());
        if length == 0 {
            return Ok(0);
        }
        let result = stuffer.push(chunk.split_to(length), &mut machine.output);
        machine.given_up(result)?;
        Ok(length)
    }

    /// Sends one line of the answer to LIST, UIDL or LANG, or to an application's own command.
    ///
    /// # Errors
    ///
    /// Hands the line back if it is not of the command's kind, or if the output is full
    /// ([`Misuse::Full`]): send it again when some was written.
    pub fn send_line(&mut self, line: Listing) -> Result<(), SendError<Listing>> {
        match self.0.permits_line(&line) {
            Ok(()) => {
                put_line(&mut self.0.output, |out| line.write(out));
                Ok(())
            }
            Err(reason) => Err(SendError::new(reason, line)),
        }
    }

    /// Ends the message or the lines that answer a command.
    ///
    /// # Errors
    ///
    /// Nothing is being sent, or as for [`send_body`](Self::send_body).
    pub fn finish_body(&mut self) -> Result<(), Misuse> {
        let machine = &mut *self.0;
        match &mut machine.session.current {
            Some(Current { stage: Stage::Body(stuffer), .. }) => {
                let result = stuffer.finish(&mut machine.output);
                machine.given_up(result)?;
            }
            Some(Current { stage: Stage::Lines, .. }) => machine.output.put(b".\r\n"),
            _ => return Err(Misuse::WrongState(WrongState::NothingDue("end of an answer"))),
        }
        machine.session.current = None;
        Ok(())
    }
}

impl mailwire_core::Connection for Connection {
    machine_methods!(Event);

    fn timeout(&self) -> Option<Duration> {
        let timeouts = &self.0.config.timeouts;
        if !self.0.output.is_empty() {
            return Some(timeouts.body);
        }
        let applications_turn =
            self.0.session.current.as_ref().is_some_and(|current| !matches!(current.stage, Stage::Auth));
        if self.0.failed.is_some() || self.0.session.phase != Phase::Running || applications_turn {
            return None;
        }
        Some(match self.0.session.state {
            State::Authorization => timeouts.login,
            State::Transaction | State::Update => timeouts.idle,
        })
    }

    /// Ends the connection. Nothing is deleted and nothing is said ([RFC 1939 section
    /// 3](https://www.rfc-editor.org/rfc/rfc1939#section-3)).
    fn handle_timeout(&mut self) {
        if self.timeout().is_some() && self.0.failed.is_none() {
            let waiting_for = if self.0.output.is_empty() { "a command" } else { "the client to read" };
            self.0.fail(Error::TimedOut { waiting_for });
            self.0.output.clear();
        }
    }

    fn is_at_rest(&self) -> bool {
        self.0.session.current.is_none()
    }

    fn upgraded(&mut self, upgrade: Upgrade) {
        if upgrade == Upgrade::Tls && self.0.session.phase == Phase::Upgrading {
            let session = Session::new(&self.0.config, true);
            self.0.session = session;
        }
    }

    fn send_auth(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>> {
        self.0.put_challenge(step)
    }

    fn close(&mut self) {
        self.0.end();
    }
}
