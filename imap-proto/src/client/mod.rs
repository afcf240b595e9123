//! The client's side of a connection.
//!
//! [`Connection`] does by itself what follows from the protocol: it reads the greeting, puts TLS in
//! place with STARTTLS, learns the capabilities, makes tags, queues what would be ambiguous, waits for
//! the server where literals need it, sends the first message of a SASL exchange when it may, and
//! renews IDLE. What the application decides it is told as [`Event`]s.
//!
//! ```
//! use bytes::{Buf, Bytes, BytesMut};
//! use mailwire_imap::client::{Config, Connection, Event};
//! use mailwire_imap::command::{Append, Command};
//! use mailwire_imap::types::MailboxName;
//! use mailwire_imap::{Channel, Connection as _, Next};
//!
//! let mut connection = Connection::new(Config::new(Channel::Tls, 1));
//! let mut message = Bytes::from_static(b"Subject: hello\r\n\r\nHello.\r\n");
//! // A message of any size, in pieces.
//! let append = Append::streamed(MailboxName::new("Sent")?, message.len() as u64);
//! let ticket = connection.send(Command::Append(append.into())).unwrap();
//!
//! let mut answers = ["+ go on\r\n", "b.1 OK [APPENDUID 1 7] done\r\n"].into_iter();
//! let mut input = BytesMut::from("* PREAUTH [CAPABILITY IMAP4rev1] welcome\r\n");
//! let mut written = Vec::new();
//! loop {
//!     match connection.next_event(&mut input)? {
//!         Next::Event(Event::BodyRequested { .. }) => {
//!             // A small message fits into the output; for a large one the output is drained between.
//!             connection.send_body(&mut message)?;
//!             connection.finish_body()?;
//!         }
//!         Next::Event(Event::Reply { ticket: answered, reply, .. }) => {
//!             assert!(answered == ticket && reply.is_ok());
//!             break;
//!         }
//!         Next::Event(_) => {}
//!         Next::NeedInput => {
//!             let output = connection.output();
//!             written.extend_from_slice(&output.copy_to_bytes(output.remaining()));
//!             input.extend_from_slice(answers.next().unwrap().as_bytes());
//!         }
//!         next => panic!("{next:?}"),
//!     }
//! }
//! assert_eq!(written, b"b.1 APPEND Sent {26}\r\nSubject: hello\r\n\r\nHello.\r\n\r\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
// A command that is refused is handed back as it is.
#![allow(clippy::result_large_err)]

mod config;
mod event;
mod read;
mod rules;
mod send;
mod state;

use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

use bytes::{Bytes, BytesMut};
pub use config::{AskCapabilities, Config, Timeouts};
pub use event::{BodyItem, BodyStart, Event};
use mailwire_core::{
    Channel, Error, Misuse, Next, Output, SaslStep, SendError, Ticket, Tickets, Upgrade, WrongState, sasl,
};
use state::{Idle, InFlight, Queued, Session, Unfinished};

use crate::{
    capability::Capabilities,
    command::Command,
    framing::{Framer, Speaker},
};

pub use crate::state::State;

/// A client's connection, without its stream.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    session: Session,
    framer: Framer,
    output: Output,
    /// All bytes that were ever put into the output.
    put: u64,
    tickets: Tickets,
    tags: u64,
    /// The last of the caller's commands that was written.
    written: Option<Ticket>,
    phase: Phase,
    /// Commands that wait for their turn.
    queue: VecDeque<Queued>,
    /// Commands that were written and are unanswered, oldest first.
    in_flight: VecDeque<InFlight>,
    /// What the youngest of them still has to send.
    unfinished: Option<Unfinished>,
    events: VecDeque<Event>,
    /// The number and UID of the message whose streamed FETCH response is being read.
    fetching: Option<(Option<crate::types::SeqNumber>, Option<crate::types::Uid>)>,
    /// How an APPEND ended whose message is still being sent.
    held: Option<Event>,
    /// The present response is read past.
    ignoring: Option<Ignoring>,
    failed: Option<Error>,
    eof: bool,
    /// BYE responses that came.
    byes: usize,
    /// Responses in a row that do not parse while no command is in progress.
    noise: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Greeting,
    Running,
    /// STARTTLS was accepted.
    Upgrading,
    /// LOGOUT was completed, or the greeting was BYE.
    Closed,
}

/// Why a response is not given to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ignoring {
    /// It has no place in this state.
    State,
    /// A literal is too large for where it stands.
    Literal(usize),
}

impl Connection {
    /// A connection that waits for the server's greeting.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            session: Session::new(config.channel == Channel::Tls),
            framer: Framer::new(Speaker::Server),
            output: Output::new(config.limits.output),
            put: 0,
            tickets: Tickets::new(),
            tags: 0,
            written: None,
            phase: Phase::Greeting,
            queue: VecDeque::new(),
            in_flight: VecDeque::new(),
            unfinished: None,
            events: VecDeque::new(),
            fetching: None,
            held: None,
            ignoring: None,
            failed: None,
            eof: false,
            byes: 0,
            noise: 0,
            config,
        }
    }

    /// Sends a command, or queues it until it may be sent: after the greeting, TLS, the machine's
    /// own commands, and those in progress that it would be ambiguous with (RFC 9051 section 5.5).
    ///
    /// A command ends an IDLE that is in progress. Whether the session's state and the server's
    /// capabilities allow it is checked at once if nothing stands before it, and otherwise when its
    /// turn comes: [`Event::NotSent`].
    ///
    /// # Errors
    ///
    /// Hands the command back if it cannot be sent in this session, if it would show a secret
    /// without TLS, or if too many are in progress.
    pub fn send(&mut self, command: Command) -> Result<Ticket, SendError<Command>> {
        self.framer.unpark();
        if let Err(reason) = self.check(&command) {
            return Err(SendError::new(reason, command));
        }
        let ticket = self.tickets.issue();
        self.queue.push_back(Queued { ticket: Some(ticket), command });
        if matches!(self.unfinished, Some(Unfinished::Idle(_))) {
            self.end_idle();
        }
        self.flush();
        Ok(ticket)
    }

    fn check(&self, command: &Command) -> Result<(), Misuse> {
        if self.failed.is_some() || self.phase == Phase::Closed || self.eof {
            return Err(Misuse::Closed);
        }
        if self.session.state == State::Logout {
            return Err(Misuse::WrongState(WrongState::Ending));
        }
        if self.queue.len() + self.in_flight.len() >= self.config.limits.queue {
            return Err(Misuse::Full { limit: self.config.limits.queue });
        }
        let allow_clear = self.config.allow_clear_credentials;
        let waits = self.phase != Phase::Running
            || !self.queue.is_empty()
            || self.in_flight.iter().any(|sent| sent.rules.is_alone());
        if waits {
            self.session.permits_later(command, self.config.channel != Channel::Clear || allow_clear)
        } else {
            self.session.permits(command, &command.rules(), allow_clear)
        }
    }

    /// Gives the next part of the message of an APPEND, after [`Event::BodyRequested`]. What fits
    /// into the output is taken off the front of `chunk`, without a copy.
    ///
    /// # Errors
    ///
    /// No message is due, the message would be longer than announced, or there is a NUL in it and
    /// the APPEND is not `binary`. Nothing is taken.
    pub fn send_body(&mut self, chunk: &mut Bytes) -> Result<usize, Misuse> {
        self.framer.unpark();
        match &mut self.unfinished {
            Some(Unfinished::Sending(body)) if self.failed.is_none() => {
                let sent = body.send(chunk, &mut self.output)?;
                self.put = self.put.saturating_add(sent as u64);
                Ok(sent)
            }
            _ => Err(Misuse::WrongState(WrongState::NothingDue("message"))),
        }
    }

    /// Ends the message. The completion of the APPEND follows.
    ///
    /// # Errors
    ///
    /// No message is due, or less was given than announced: give the rest, or
    /// [`close`](mailwire_core::Connection::close) the connection, which is the one way to take back what was announced.
    pub fn finish_body(&mut self) -> Result<(), Misuse> {
        self.framer.unpark();
        match &self.unfinished {
            Some(Unfinished::Sending(body)) => body.finish()?,
            _ => return Err(Misuse::WrongState(WrongState::NothingDue("message"))),
        }
        self.unfinished = None;
        self.put(b"\r\n");
        match self.held.take() {
            Some(reply) => self.events.push_back(reply),
            None => self.mark_end(),
        }
        self.flush();
        Ok(())
    }

    /// Ends IDLE. Its completion follows.
    ///
    /// # Errors
    ///
    /// IDLE is not in progress.
    pub fn done(&mut self) -> Result<(), Misuse> {
        self.framer.unpark();
        match &mut self.unfinished {
            // It may be about to begin anew.
            Some(Unfinished::Idle(idle)) => idle.renew = false,
            _ => return Err(Misuse::WrongState(WrongState::NothingDue("end of IDLE"))),
        }
        self.end_idle();
        Ok(())
    }

    /// Ends IDLE and begins it anew, with the same ticket and without a [`Event::Reply`], so that
    /// the server does not take the client for gone.
    ///
    /// # Errors
    ///
    /// IDLE is not in progress, or is being ended.
    pub fn renew_idle(&mut self) -> Result<(), Misuse> {
        self.framer.unpark();
        match &mut self.unfinished {
            Some(Unfinished::Idle(idle)) if idle.begun && !idle.done => idle.renew = true,
            _ => return Err(Misuse::WrongState(WrongState::NothingDue("end of IDLE"))),
        }
        self.end_idle();
        Ok(())
    }

    /// What the server offers, as far as it said so under the present protection.
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        &self.session.capabilities
    }

    /// Where the session stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.session.state
    }

    /// Whether the stream is protected.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.session.tls
    }

    /// Whether a command was written to the output, in part at least. One that was not had no
    /// effect, however the connection ends. (One that [`Event::NotSent`] told of was not, either.)
    #[must_use]
    pub fn was_sent(&self, ticket: Ticket) -> bool {
        self.written >= Some(ticket)
    }

    /// How many commands are queued or in progress, the machine's own among them.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.queue.len() + self.in_flight.len()
    }
}

impl mailwire_core::Connection for Connection {
    type Event = Event;
    type Error = Error;

    #[inline]
    fn next_event(&mut self, input: &mut BytesMut) -> Result<Next<Event>, Error> {
        // Nearly free where nothing came but more of a line.
        if self.framer.is_parked(input) { Ok(Next::NeedInput) } else { self.advance(input) }
    }

    fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    fn handle_eof(&mut self) {
        self.framer.unpark();
        self.eof = true;
    }

    fn timeout(&self) -> Option<Duration> {
        let timeouts = &self.config.timeouts;
        match (self.phase, &self.unfinished) {
            _ if self.failed.is_some() => None,
            (Phase::Greeting, _) => Some(timeouts.greeting),
            (Phase::Running, Some(Unfinished::Idle(Idle { begun: true, done: false, .. }))) => {
                Some(timeouts.idle_renewal)
            }
            (Phase::Running, _) if self.waits_for_caller() && self.output.is_empty() => None,
            (Phase::Running, _) if !self.in_flight.is_empty() => Some(timeouts.command),
            _ => None,
        }
    }

    fn handle_timeout(&mut self) {
        self.framer.unpark();
        if self.timeout().is_none() || self.renew_idle().is_ok() {
            return;
        }
        let waiting_for = match self.phase {
            Phase::Greeting => "the greeting",
            _ => "a response",
        };
        self.fail(Error::TimedOut { waiting_for });
    }

    fn upgraded(&mut self, upgrade: Upgrade) {
        if upgrade != Upgrade::Tls || self.phase != Phase::Upgrading {
            return;
        }
        // Nothing but the caller's queue and the counters outlives the clear part.
        let fresh = Self::new(self.config.clone());
        let before = core::mem::replace(self, fresh);
        self.tickets = before.tickets;
        self.tags = before.tags;
        self.written = before.written;
        self.queue = before.queue;
        self.eof = before.eof;
        self.session = Session::new(true);
        self.phase = Phase::Running;
        if self.config.ask_capabilities.after_tls {
            self.ask_capabilities();
        }
        self.flush();
    }

    /// Sends a step of the exchange that [`Event::AuthChallenge`] belongs to.
    fn send_auth(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>> {
        self.framer.unpark();
        match &mut self.unfinished {
            Some(Unfinished::Auth { challenged, .. }) if *challenged && self.failed.is_none() => {
                *challenged = false;
            }
            _ => {
                return Err(SendError::new(
                    Misuse::WrongState(WrongState::NothingDue("step of an exchange")),
                    step,
                ));
            }
        }
        self.write(|out| {
            match &step {
                SaslStep::Data(data) => sasl::encode(data.expose(), out),
                SaslStep::Cancel => out.push(b'*'),
            }
            out.extend_from_slice(b"\r\n");
        });
        self.mark_end();
        Ok(())
    }

    /// Ends the connection without LOGOUT.
    fn close(&mut self) {
        self.framer.unpark();
        self.phase = Phase::Closed;
    }
}

impl Connection {
    /// The connection cannot go on: each later call says why.
    fn fail(&mut self, error: Error) {
        self.failed = Some(error);
    }

    fn write<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let before = self.output.len();
        let result = self.output.write(write);
        let added = self.output.len().saturating_sub(before);
        self.put = self.put.saturating_add(added as u64);
        result
    }

    fn put(&mut self, bytes: &[u8]) {
        self.write(|out| out.extend_from_slice(bytes));
    }

    /// The youngest command has been put out as far as it can be now.
    fn mark_end(&mut self) {
        let put = self.put;
        if let Some(youngest) = self.in_flight.back_mut() {
            youngest.end = put;
        }
    }

    /// Whether all bytes up to `end` have left.
    fn has_left(&self, end: u64) -> bool {
        self.put.saturating_sub(self.output.len() as u64) >= end
    }
}
