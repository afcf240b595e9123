//! The server's side of a connection.
//!
//! The machine hands out one command at a time and reads the next when it is answered; what a
//! client pipelines waits in the input. So replies are in order by nature, and nothing is queued.
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
//!         Next::Paused => break, // the output waits to be written
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
mod state;

use core::time::Duration;

use bytes::{Bytes, BytesMut};
pub use config::{Config, Timeouts};
pub use event::Event;
use mailwire_core::{
    Channel, Error, Misuse, Next, Output, SaslStep, SendError, Ticket, Tickets, Upgrade, dot::Stuffer,
};
pub use state::State;
use state::{Current, Kind, Session, Stage};

use crate::{
    capability::{Capabilities, Capability},
    reply::{Greeting, Listing, MAX_STATUS_LINE, Reply, write_challenge},
    types::{Mechanism, ReplyText},
};

/// A server's connection, without its stream.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    session: Session,
    output: Output,
    tickets: Tickets,
    bad_commands: usize,
    auth_failures: usize,
    /// Steps of the SASL exchange that goes on.
    auth_steps: u32,
    /// Why the connection ends; it is told once the last reply is in the output.
    failed: Option<Error>,
    closing: bool,
    eof: bool,
}

impl Connection {
    /// A connection whose greeting waits in the output.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut connection = Self::silent(config);
        let config = &connection.config;
        let mut text = config.greeting.clone();
        if let Some(timestamp) = &config.apop {
            let mut bytes = alloc::vec::Vec::from(text.as_bytes());
            if !bytes.is_empty() {
                bytes.push(b' ');
            }
            bytes.extend_from_slice(timestamp.as_bytes());
            text = ReplyText::from_peer(bytes.into());
        }
        let greeting = Greeting { ok: true, code: None, text, timestamp: config.apop.clone() };
        connection.output.write(|out| greeting.write(out));
        connection
    }

    /// A connection that is refused: the reply is the greeting, and the end.
    #[must_use]
    pub fn refuse(config: Config, reply: &Reply) -> Self {
        let mut connection = Self::silent(config);
        connection.output.write(|out| reply.write(out));
        connection.closing = true;
        connection
    }

    fn silent(config: Config) -> Self {
        Self {
            session: Session::new(config.channel == Channel::Tls),
            output: Output::new(config.limits.output),
            tickets: Tickets::new(),
            bad_commands: 0,
            auth_failures: 0,
            auth_steps: 0,
            failed: None,
            closing: false,
            eof: false,
            config,
        }
    }

    /// Answers a command. Where a message or lines follow a positive reply, they are sent next, and
    /// ended with [`finish_body`](Self::finish_body).
    ///
    /// A response code is left out unless RESP-CODES is announced.
    ///
    /// # Errors
    ///
    /// Hands the reply back if it is no answer to this command, or not one line of at most 512
    /// octets of ASCII.
    pub fn reply(&mut self, ticket: Ticket, reply: Reply) -> Result<(), SendError<Reply>> {
        self.session.framer.unpark();
        match self.check_reply(ticket, &reply) {
            Ok(kind) => {
                self.put_reply(kind, reply);
                Ok(())
            }
            Err(reason) => Err(SendError::new(reason, reply)),
        }
    }

    /// Answers an [application's own command](Config::extension_commands) with `+OK` and lines,
    /// which follow with [`send_line`](Self::send_line).
    ///
    /// # Errors
    ///
    /// As [`reply`](Self::reply).
    pub fn reply_with_lines(&mut self, ticket: Ticket, reply: Reply) -> Result<(), SendError<Reply>> {
        self.session.framer.unpark();
        match self.check_reply(ticket, &reply) {
            Ok(Kind::Other) if reply.is_ok() => {
                self.put_status(reply);
                self.set_stage(Stage::Lines);
                Ok(())
            }
            Ok(_) => Err(SendError::new(Misuse::WrongAnswer("no lines follow it"), reply)),
            Err(reason) => Err(SendError::new(reason, reply)),
        }
    }

    /// Agrees to STLS.
    ///
    /// # Errors
    ///
    /// No STLS waits for an answer.
    pub fn accept_upgrade(&mut self, ticket: Ticket) -> Result<(), Misuse> {
        self.session.framer.unpark();
        match self.waiting(ticket)? {
            Kind::Stls => {
                self.put_status(Reply::ok("begin TLS negotiation"));
                self.session.current = None;
                self.session.upgrading = true;
                Ok(())
            }
            _ => Err(Misuse::WrongAnswer("only STLS upgrades")),
        }
    }

    /// Sends a part of the message that answers RETR or TOP, as it is: the machine stuffs dots. Takes
    /// from `chunk` what the output has room for, without copying it, and returns its length.
    ///
    /// # Errors
    ///
    /// No message is being sent, or it has a bare CR or LF and [`Config::bare_newline`] refuses
    /// that: the connection then ends, as the message cannot be completed.
    pub fn send_body(&mut self, chunk: &mut Bytes) -> Result<usize, Misuse> {
        self.session.framer.unpark();
        let Some(Current { stage: Stage::Body(stuffer), .. }) = &mut self.session.current else {
            return Err(Misuse::WrongState("no message is being sent"));
        };
        let length = chunk.len().min(self.output.room());
        if length == 0 {
            return Ok(0);
        }
        let result = stuffer.push(chunk.split_to(length), &mut self.output);
        self.given_up(result)?;
        Ok(length)
    }

    /// Sends one line of the answer to LIST or UIDL.
    ///
    /// # Errors
    ///
    /// Hands the line back if it is not of the command's kind, or if the output is full
    /// ([`Misuse::Full`]): send it again when some was written.
    pub fn send_line(&mut self, line: Listing) -> Result<(), SendError<Listing>> {
        self.session.framer.unpark();
        let fits = match &self.session.current {
            Some(Current { kind, stage: Stage::Lines, .. }) => matches!(
                (kind, &line),
                (Kind::List(_), Listing::Scan(_)) | (Kind::Uidl(_), Listing::UniqueId(_)) | (Kind::Other, _)
            ),
            _ => return Err(SendError::new(Misuse::WrongState("no lines are being sent"), line)),
        };
        if !fits {
            return Err(SendError::new(Misuse::WrongAnswer("a line of another command"), line));
        }
        if self.output.is_full() {
            return Err(SendError::new(Misuse::Full { limit: self.output.limit() }, line));
        }
        self.put_line(&line);
        Ok(())
    }

    /// Ends the message or the lines that answer a command.
    ///
    /// # Errors
    ///
    /// Nothing is being sent, or as for [`send_body`](Self::send_body).
    pub fn finish_body(&mut self) -> Result<(), Misuse> {
        self.session.framer.unpark();
        match &mut self.session.current {
            Some(Current { stage: Stage::Body(stuffer), .. }) => {
                let result = stuffer.finish(&mut self.output);
                self.given_up(result)?;
            }
            Some(Current { stage: Stage::Lines, .. }) => self.output.put(b".\r\n"),
            _ => return Err(Misuse::WrongState("nothing is being sent")),
        }
        self.session.current = None;
        Ok(())
    }

    /// Changes [`Config::mechanisms`]: within TLS there are others, such as those that bind to it.
    pub fn set_mechanisms(&mut self, mechanisms: alloc::vec::Vec<Mechanism>) {
        self.config.mechanisms = mechanisms;
    }

    /// Where the session stands. Whoever sees the connection end before [`State::Update`] must not
    /// delete anything.
    #[must_use]
    pub const fn state(&self) -> State {
        self.session.state
    }

    /// Whether the stream is protected.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.session.tls
    }

    /// What is announced now.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        let config = &self.config;
        let user = self.offers_user().then_some(Capability::User);
        let mechanisms: alloc::vec::Vec<Mechanism> =
            config.mechanisms.iter().filter(|mechanism| self.offers_mechanism(mechanism)).cloned().collect();
        let sasl = (!mechanisms.is_empty()).then_some(Capability::Sasl(mechanisms));
        let implementation = match (&config.implementation, self.session.state) {
            (Some(text), State::Transaction) => Some(Capability::Implementation(text.clone())),
            _ => None,
        };
        let flags = [
            (config.top, Capability::Top),
            (config.uidl, Capability::Uidl),
            (config.resp_codes, Capability::RespCodes),
            (config.auth_resp_code && config.resp_codes, Capability::AuthRespCode),
            (config.pipelining, Capability::Pipelining),
            (self.offers_stls(), Capability::Stls),
        ];
        flags
            .into_iter()
            .filter_map(|(offered, capability)| offered.then_some(capability))
            .chain(user)
            .chain(sasl)
            .chain(implementation)
            .chain(config.more.iter().cloned())
            .collect()
    }

    fn protected(&self) -> bool {
        self.session.tls || self.config.allow_clear_credentials
    }

    fn offers_user(&self) -> bool {
        self.config.user && self.protected()
    }

    fn offers_mechanism(&self, mechanism: &Mechanism) -> bool {
        self.config.mechanisms.contains(mechanism) && (self.protected() || !mechanism.exposes_credentials())
    }

    /// STLS is announced where it is permitted only (RFC 2595 section 4).
    fn offers_stls(&self) -> bool {
        self.config.channel == Channel::StartTls
            && !self.session.tls
            && self.session.state == State::Authorization
    }

    /// The kind of the command that waits for this reply.
    fn waiting(&self, ticket: Ticket) -> Result<Kind, Misuse> {
        if self.failed.is_some() || self.closing {
            return Err(Misuse::Closed);
        }
        match &self.session.current {
            Some(current) if current.ticket == ticket => match current.stage {
                Stage::Reply => Ok(current.kind),
                Stage::Auth => Err(Misuse::WrongState("the client's answer is due")),
                Stage::Body(_) | Stage::Lines => Err(Misuse::WrongState("the reply was given")),
            },
            _ => Err(Misuse::UnknownTicket),
        }
    }

    fn check_reply(&self, ticket: Ticket, reply: &Reply) -> Result<Kind, Misuse> {
        const WRONG: Misuse = Misuse::WrongAnswer("another command has such an answer");
        let kind = self.waiting(ticket)?;
        let fits = match (kind, reply) {
            (_, Reply::Err { .. }) => true,
            (Kind::Stls, _) => return Err(Misuse::WrongAnswer("STLS is agreed to with accept_upgrade")),
            (Kind::Stat, reply) => matches!(reply, Reply::Drop(_)),
            (Kind::List(Some(message)), reply) => {
                matches!(reply, Reply::Listing(Listing::Scan(scan)) if scan.number == message)
            }
            (Kind::Uidl(Some(message)), reply) => {
                matches!(reply, Reply::Listing(Listing::UniqueId(id)) if id.number == message)
            }
            (Kind::Other, _) => true,
            (_, reply) => matches!(reply, Reply::Ok { .. }),
        };
        if !fits {
            return Err(WRONG);
        }
        let (code, text) = match reply {
            Reply::Ok { code, text } | Reply::Err { code, text } => (code.as_ref(), text.as_bytes()),
            Reply::Drop(listing) => (None, listing.rest.as_bytes()),
            Reply::Listing(_) => (None, &[][..]),
        };
        if !text.is_ascii() {
            return Err(Misuse::WrongAnswer("a status line that is not ASCII"));
        }
        let code = code.map_or(0, |code| code.as_text().len().saturating_add(3));
        if text.len().saturating_add(code).saturating_add("-ERR \r\n".len()) > MAX_STATUS_LINE {
            return Err(Misuse::WrongAnswer("a status line longer than 512 octets"));
        }
        Ok(kind)
    }

    fn put_reply(&mut self, kind: Kind, reply: Reply) {
        let ok = reply.is_ok();
        self.put_status(reply);
        match kind {
            Kind::Login | Kind::Auth if ok => self.session.state = State::Transaction,
            Kind::Login | Kind::Auth => {
                self.auth_failures = self.auth_failures.saturating_add(1);
                if self.auth_failures >= self.config.limits.auth_failures {
                    let limit = self.config.limits.auth_failures as u64;
                    self.failed = Some(Error::LimitExceeded { what: "failed logins", limit });
                }
            }
            Kind::Quit => self.closing = true,
            Kind::Message if ok => {
                return self.set_stage(Stage::Body(Stuffer::new(self.config.bare_newline)));
            }
            Kind::List(None) | Kind::Uidl(None) if ok => return self.set_stage(Stage::Lines),
            _ => {}
        }
        self.session.current = None;
    }

    fn set_stage(&mut self, stage: Stage) {
        if let Some(current) = &mut self.session.current {
            current.stage = stage;
        }
    }

    /// Codes are for clients that were told of them (RFC 2449 section 6.4).
    fn put_status(&mut self, mut reply: Reply) {
        if let Reply::Ok { code, .. } | Reply::Err { code, .. } = &mut reply {
            code.take_if(|_| !self.config.resp_codes);
        }
        self.output.write(|out| reply.write(out));
    }

    fn put_line(&mut self, line: &Listing) {
        self.output.write(|out| {
            let start = out.len();
            line.write(out);
            if out.get(start) == Some(&b'.') {
                out.insert(start, b'.');
            }
            out.extend_from_slice(b"\r\n");
        });
    }

    /// A message that cannot be completed takes the connection with it.
    fn given_up(&mut self, result: Result<(), Misuse>) -> Result<(), Misuse> {
        if result.is_err() {
            self.closing = true;
            self.session.current = None;
        }
        result
    }
}

impl mailwire_core::Connection for Connection {
    type Event = Event;
    type Error = Error;

    #[inline]
    fn next_event(&mut self, input: &mut BytesMut) -> Result<Next<Event>, Error> {
        // Nearly free where nothing came but more of a line.
        if self.session.framer.is_parked(input) { Ok(Next::NeedInput) } else { self.advance(input) }
    }

    fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    fn handle_eof(&mut self) {
        self.session.framer.unpark();
        self.eof = true;
    }

    fn timeout(&self) -> Option<Duration> {
        let timeouts = &self.config.timeouts;
        if !self.output.is_empty() {
            return Some(timeouts.body);
        }
        let callers_turn =
            self.session.current.as_ref().is_some_and(|current| !matches!(current.stage, Stage::Auth));
        if self.failed.is_some() || self.closing || self.session.upgrading || callers_turn {
            return None;
        }
        Some(match self.session.state {
            State::Authorization => timeouts.login,
            State::Transaction | State::Update => timeouts.idle,
        })
    }

    /// Nothing is deleted and nothing is said (RFC 1939 section 3).
    fn handle_timeout(&mut self) {
        self.session.framer.unpark();
        if self.timeout().is_some() && self.failed.is_none() {
            let waiting_for = if self.output.is_empty() { "a command" } else { "the client to read" };
            self.failed = Some(Error::TimedOut { waiting_for });
            self.session.current = None;
            self.output.clear();
        }
    }

    fn upgraded(&mut self, upgrade: Upgrade) {
        if upgrade == Upgrade::Tls && self.session.upgrading {
            self.session = Session::new(true);
        }
    }

    fn send_auth(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>> {
        self.session.framer.unpark();
        let ticket = match &self.session.current {
            Some(current) => current.ticket,
            None => return Err(SendError::new(Misuse::WrongState("no exchange goes on"), step)),
        };
        let kind = match self.waiting(ticket) {
            Ok(kind) => kind,
            Err(reason) => return Err(SendError::new(reason, step)),
        };
        match (kind, &step) {
            (Kind::Auth, SaslStep::Data(data)) => {
                self.output.write(|out| write_challenge(data.expose(), out));
                self.challenged();
                Ok(())
            }
            (Kind::Auth, SaslStep::Cancel) => {
                Err(SendError::new(Misuse::WrongAnswer("only a client cancels; reply with -ERR"), step))
            }
            _ => Err(SendError::new(Misuse::WrongState("no exchange goes on"), step)),
        }
    }

    fn close(&mut self) {
        self.session.framer.unpark();
        self.closing = true;
        self.session.current = None;
    }
}
