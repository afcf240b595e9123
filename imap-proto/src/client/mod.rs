//! Use a server: send commands, and get what it answers as events.
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
//! let ticket = connection.send(Command::Append(append)).unwrap();
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

mod body;
mod config;
mod event;
mod profile;
mod read;
mod rules;
mod send;
mod state;

use core::time::Duration;

use bytes::Bytes;
pub use config::{Config, Timeouts};
pub use event::{BodyItem, BodyStart, Event};
pub use mailwire_core::AskCapabilities;
use mailwire_core::{
    Error, Misuse, SaslStep, SendError, Ticket, Upgrade, WrongState, machine, machine_methods, private::Gate,
};
pub use profile::{Profile, SearchCharset};
use state::{Idle, Machine, Phase, Session, Unfinished};

use crate::{
    capability::Capabilities,
    command::{Command, rules::Asks},
};

pub use crate::state::State;

machine! {
    /// The client's state machine: it is given what the server says, and gives what is to be written. See
    /// the [module](self).
    pub struct Connection of Machine in State, parked by |machine| machine.framer.lines();
}

impl Connection {
    /// Makes a connection that waits for the server's greeting.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Gate::new(Machine::new(config)))
    }

    /// Sends a command, or queues it until it may be sent: after the greeting, TLS, the machine's own
    /// commands, and those in progress that it would be ambiguous with ([RFC 9051 section
    /// 5.5](https://www.rfc-editor.org/rfc/rfc9051#section-5.5)).
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
        match self.0.check(&command) {
            Err(reason) => Err(SendError::new(reason, command)),
            Ok(()) => Ok(self.0.enqueue(command)),
        }
    }

    /// Gives the next part of the message of an APPEND, after [`Event::BodyRequested`]. What fits
    /// into the output is taken off the front of `chunk`, without a copy.
    ///
    /// # Errors
    ///
    /// No message is due, the message would be longer than announced, or there is a NUL in it and
    /// the APPEND is not `binary`. Nothing is taken.
    #[inline]
    pub fn send_body(&mut self, chunk: &mut Bytes) -> Result<usize, Misuse> {
        let machine = &mut *self.0;
        match &mut *machine.unfinished {
            Some(Unfinished::Sending(body, _)) if machine.failed.is_none() => {
                body.send(chunk, &mut machine.output)
            }
            _ => Err(Misuse::WrongState(WrongState::NothingDue("message"))),
        }
    }

    /// Ends the message. The completion of the APPEND follows.
    ///
    /// # Errors
    ///
    /// No message is due, or less was given than announced: give the rest, or
    /// [`close`](mailwire_core::Connection::close) the connection, which is the one way to take back what
    /// was announced.
    #[inline]
    pub fn finish_body(&mut self) -> Result<(), Misuse> {
        self.0.end_body()
    }

    /// Ends IDLE. Its completion follows.
    ///
    /// # Errors
    ///
    /// IDLE is not in progress.
    pub fn done(&mut self) -> Result<(), Misuse> {
        match &mut *self.0.unfinished {
            // It may be about to begin anew.
            Some(Unfinished::Idle(idle)) => idle.renew = false,
            _ => return Err(Misuse::WrongState(WrongState::NothingDue("end of IDLE"))),
        }
        self.0.end_idle();
        Ok(())
    }

    /// Ends IDLE and begins it anew, with the same ticket and without a [`Event::Reply`], so that
    /// the server does not take the client for gone.
    ///
    /// # Errors
    ///
    /// IDLE is not in progress, or is being ended.
    #[inline]
    pub fn renew_idle(&mut self) -> Result<(), Misuse> {
        self.0.renew_idle()
    }

    /// What the server offers, as far as it said so under the present protection.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.0.session.capabilities
    }

    /// What the server is sent where servers differ: what was set, or what is known of this server by what it said.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.0.profile
    }

    /// Whether the connection is compressed: the server has said OK to COMPRESS.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.0.session.compressed || self.0.phase == Phase::Upgrading(Upgrade::Deflate)
    }

    /// Whether a command was written to the output, in part at least. One that was not had no
    /// effect, however the connection ends. (One that [`Event::NotSent`] told of was not, either.)
    #[must_use]
    pub fn was_sent(&self, ticket: Ticket) -> bool {
        self.0.written >= Some(ticket)
    }

    /// Whether the conversation is over, by its end or by an error: nothing more can be sent.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let machine = &self.0;
        machine.failed.is_some()
            || machine.eof
            || machine.phase == Phase::Closed
            || machine.session.state == State::Logout
    }

    /// Whether the last command waits for a `+` of the server: before a literal, a SASL message or IDLE.
    #[must_use]
    pub fn awaits_continuation(&self) -> bool {
        match &*self.0.unfinished {
            Some(Unfinished::Parts(_)) => true,
            Some(Unfinished::Auth(exchange)) => !exchange.is_clients_turn(),
            Some(Unfinished::Idle(idle)) => !idle.begun,
            Some(Unfinished::Sending(..)) | None => false,
        }
    }

    /// How many commands are queued or in progress, the machine's own among them.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.0.queue.len() + self.0.in_flight.len()
    }
}

impl mailwire_core::Connection for Connection {
    machine_methods!(Event);

    fn timeout(&self) -> Option<Duration> {
        let timeouts = &self.0.config.timeouts;
        match (self.0.phase, &*self.0.unfinished) {
            _ if self.0.failed.is_some() => None,
            (Phase::Greeting, _) => Some(timeouts.greeting),
            (Phase::Running, Some(Unfinished::Idle(Idle { begun: true, done: false, .. }))) => {
                Some(timeouts.idle_renewal)
            }
            (Phase::Running, _) if self.0.waits_for_caller() && self.0.output.is_empty() => None,
            (Phase::Running, _) if !self.0.in_flight.is_empty() => Some(timeouts.command),
            _ => None,
        }
    }

    fn handle_timeout(&mut self) {
        if self.timeout().is_none() || self.0.renew_idle().is_ok() {
            return;
        }
        let waiting_for = match self.0.phase {
            Phase::Greeting => "the greeting",
            _ => "a response",
        };
        self.0.fail(Error::TimedOut { waiting_for });
    }

    fn is_part(event: &Event) -> bool {
        match event {
            Event::Data { .. }
            | Event::Capabilities(_)
            | Event::BodyStart(_)
            | Event::BodyChunk(_)
            | Event::BodyEnd
            | Event::Malformed { ticket: None, .. } => true,
            Event::Greeting { .. }
            | Event::Reply { .. }
            | Event::BodyRequested { .. }
            | Event::AuthChallenge { .. }
            | Event::Idling { .. }
            | Event::NotSent { .. }
            | Event::StartTlsRefused(_)
            | Event::Malformed { .. } => false,
        }
    }

    fn is_asked_for(&self, event: &Event) -> bool {
        let mut commands = self.0.in_flight.iter().map(|command| &command.rules);
        match event {
            Event::Data { data, .. } => commands.any(|rules| rules.asks_for(data)),
            Event::BodyStart(_) | Event::BodyChunk(_) | Event::BodyEnd => {
                commands.any(|rules| rules.asks == Asks::Messages)
            }
            _ => false,
        }
    }

    #[inline]
    fn passes_over(&self) -> bool {
        self.0.framer.is_between()
    }

    fn upgraded(&mut self, upgrade: Upgrade) {
        if self.0.phase != Phase::Upgrading(upgrade) {
            return;
        }
        if upgrade != Upgrade::Tls {
            self.0.phase = Phase::Running;
            self.0.session.compressed = upgrade == Upgrade::Deflate;
            self.0.flush();
            return;
        }
        // Nothing but the caller's queue and the counters outlives the clear part.
        let fresh = Machine::new(self.0.config.clone());
        let machine = &mut *self.0;
        let before = core::mem::replace(machine, fresh);
        machine.tickets = before.tickets;
        machine.tags = before.tags;
        machine.written = before.written;
        machine.queue = before.queue;
        machine.eof = before.eof;
        machine.session = Session::new(true);
        machine.phase = Phase::Running;
        if machine.config.ask_capabilities.after_tls {
            machine.ask_capabilities();
        }
        machine.flush();
    }

    /// Sends a step of the exchange that [`Event::AuthChallenge`] belongs to.
    fn send_auth(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>> {
        if self.0.takes_step() {
            self.0.respond(&step);
            Ok(())
        } else {
            let reason = WrongState::NothingDue("step of an exchange");
            Err(SendError::new(Misuse::WrongState(reason), step))
        }
    }

    /// Ends the connection without LOGOUT.
    fn close(&mut self) {
        self.0.phase = Phase::Closed;
    }
}
