//! The client's side of a connection, without its stream.
//!
//! Give commands to [`send`](Connection::send) at any time: the machine sends them when it is their
//! turn. Their answers come as [`Event`]s, each with the ticket of its command.
//!
//! # Examples
//!
//! ```
//! use bytes::{Buf, BytesMut};
//! use mailwire_core::{Channel, Connection as _, Next};
//! use mailwire_pop3::{Command, MessageNumber, Password, UserName, client};
//! use mailwire_pop3::client::Event;
//!
//! let mut connection = client::Connection::new(client::Config::new(Channel::Tls));
//! connection.send(Command::User(UserName::new("mrose")?)).unwrap();
//! connection.send(Command::Pass(Password::new("tanstaaf")?)).unwrap();
//! let retr = connection.send(Command::Retr(MessageNumber::FIRST)).unwrap();
//!
//! // What a driver does: feed what the server sends, write what is put out.
//! let mut answers = ["+OK\r\n.\r\n", "+OK\r\n", "+OK\r\n", "-ERR\r\n", "+OK\r\nHello\r\n.\r\n"].into_iter();
//! let mut input = BytesMut::from("+OK ready\r\n");
//! let mut message = Vec::new();
//! loop {
//!     match connection.next_event(&mut input)? {
//!         Next::Event(Event::BodyChunk(chunk)) => message.extend_from_slice(&chunk),
//!         Next::Event(Event::BodyEnd { ticket, .. }) if ticket == retr => break,
//!         Next::Event(_) => {}
//!         Next::NeedInput => {
//!             let length = connection.output().remaining();
//!             connection.output().advance(length);
//!             input.extend_from_slice(answers.next().unwrap().as_bytes());
//!         }
//!         next => panic!("{next:?}"),
//!     }
//! }
//! assert_eq!(message, b"Hello\r\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod body;
mod config;
mod event;
mod read;
mod rules;
mod send;
mod state;

use alloc::collections::VecDeque;
use core::time::Duration;

use bytes::BytesMut;
pub use config::{AskCapabilities, Config, Timeouts};
pub use event::{Deletions, Event};
use mailwire_core::{
    Channel, Error, Misuse, Next, Output, SaslStep, SendError, Ticket, Tickets, Upgrade, WrongState,
};
use state::{Phase, Queued, Session, Setup};

use crate::{
    capability::Capabilities,
    command::{Command, Effect, Follows},
    state::State,
    types::ApopTimestamp,
};

/// The state machine of a client.
///
/// See the [module](self) for an example.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    session: Session,
    output: Output,
    tickets: Tickets,
    /// Commands that wait to be written.
    queue: VecDeque<Queued>,
    /// Lines from the server that were no replies.
    noise: usize,
    failed: Option<Error>,
    eof: bool,
    /// An event that comes right after another.
    next: Option<Event>,
}

impl Connection {
    /// A machine that waits for the server's greeting.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            session: Session::new(config.channel == Channel::Tls, Phase::Greeting),
            output: Output::new(config.limits.output),
            tickets: Tickets::new(),
            queue: VecDeque::new(),
            noise: 0,
            failed: None,
            eof: false,
            next: None,
            config,
        }
    }

    /// Sends a command, or queues it until it may be sent: after the greeting, TLS and the
    /// machine's own commands, and one by one unless PIPELINING is offered.
    ///
    /// A first message in AUTH is held back where the server cannot take it, and sent when it asks.
    ///
    /// # Errors
    ///
    /// Hands the command back if it cannot be sent in this session, if it would show a secret
    /// without TLS, if it is longer than 255 octets, or if the queue is full.
    pub fn send(&mut self, command: Command) -> Result<Ticket, SendError<Command>> {
        let follows = command.follows();
        self.send_expecting(command, follows)
    }

    /// Sends a command as [`send`](Self::send) does, and tells what follows the answer to a
    /// [`Command::Other`], which only the caller knows.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send). A `Command::Other` with the name of a command that changes the
    /// session is [`Misuse::WrongState`].
    pub fn send_expecting(
        &mut self,
        command: Command,
        follows: Follows,
    ) -> Result<Ticket, SendError<Command>> {
        self.session.framer.unpark();
        if let Err(reason) = self.permits_later(&command, &command.rules()) {
            return Err(SendError::new(reason, command));
        }
        let ticket = self.tickets.issue();
        self.queue.push_back(Queued { ticket, command, follows });
        self.flush();
        Ok(ticket)
    }

    /// What the server offers, as far as it said so under the present protection.
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        &self.session.capabilities
    }

    /// The greeting's timestamp for APOP. It is forgotten when STLS has put TLS in place.
    #[must_use]
    pub const fn timestamp(&self) -> Option<&ApopTimestamp> {
        self.session.timestamp.as_ref()
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

    /// Whether messages are gone from the server.
    #[must_use]
    pub const fn deletions(&self) -> Deletions {
        self.session.marks.deletions(self.session.state, self.is_over())
    }

    fn fail(&mut self, error: Error) {
        self.failed = Some(error);
        self.queue.clear();
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
        if self.failed.is_some() {
            return None;
        }
        let timeouts = &self.config.timeouts;
        match &self.session.phase {
            Phase::Greeting => Some(timeouts.greeting),
            Phase::Lines { .. } | Phase::BodyStart | Phase::Body(_) => Some(timeouts.body),
            Phase::Reply if self.session.is_challenged() => None,
            Phase::Reply => match self.session.in_flight.front()?.rules.effect {
                Effect::Quit => Some(timeouts.quit),
                _ => Some(timeouts.command),
            },
            Phase::Upgrading | Phase::Closed => None,
        }
    }

    fn handle_timeout(&mut self) {
        self.session.framer.unpark();
        if self.timeout().is_some() {
            let waiting_for = match &self.session.phase {
                Phase::Greeting => "the greeting",
                Phase::Lines { .. } => "the rest of a listing",
                Phase::BodyStart | Phase::Body(_) => "the rest of a message",
                Phase::Reply | Phase::Upgrading | Phase::Closed => "an answer",
            };
            self.fail(Error::TimedOut { waiting_for });
        }
    }

    fn upgraded(&mut self, upgrade: Upgrade) {
        if upgrade != Upgrade::Tls || !matches!(self.session.phase, Phase::Upgrading) {
            return;
        }
        self.session = Session::new(true, Phase::Reply);
        self.session.setup.extend(self.config.ask_capabilities.after_tls.then_some(Setup::Capa));
        self.flush();
    }

    fn send_auth(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>> {
        self.session.framer.unpark();
        if self.is_over() {
            return Err(SendError::new(Misuse::Closed, step));
        }
        if !self.session.is_challenged() {
            return Err(SendError::new(
                Misuse::WrongState(WrongState::NothingDue("step of an exchange")),
                step,
            ));
        }
        self.respond(&step);
        Ok(())
    }

    fn close(&mut self) {
        self.session.framer.unpark();
        self.session.phase = Phase::Closed;
        self.queue.clear();
    }
}
