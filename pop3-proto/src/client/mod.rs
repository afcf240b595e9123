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

use core::time::Duration;

pub use config::{Config, Timeouts};
pub use event::{Deletions, Event};
pub use mailwire_core::AskCapabilities;
use mailwire_core::{Error, SaslStep, SendError, Ticket, Upgrade, machine, machine_methods, private::Gate};
use state::{Machine, Phase, Queued, Session, Setup};

use crate::{
    capability::Capabilities,
    command::{Command, Effect, Follows},
    state::State,
    types::{ApopTimestamp, LanguageTag},
};

machine! {
    /// The state machine of a client.
    ///
    /// See the [module](self) for an example.
    pub struct Connection of Machine in State, parked by |machine| &mut machine.session.framer;
}

impl Connection {
    /// A machine that waits for the server's greeting.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Gate::new(Machine::new(config)))
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
    /// session (PASS, UTF8, LANG, XCLIENT), or whose answer goes on after its status line (LIST, RETR), is
    /// [`Misuse::WrongState`](mailwire_core::Misuse::WrongState).
    pub fn send_expecting(
        &mut self,
        command: Command,
        follows: Follows,
    ) -> Result<Ticket, SendError<Command>> {
        if let Err(reason) = self.0.permits_later(&command, &command.rules()) {
            return Err(SendError::new(reason, command));
        }
        let ticket = self.0.tickets.issue();
        self.0.queue.push_back(Queued { ticket, command, follows });
        self.0.flush();
        Ok(ticket)
    }

    /// What the server offers, as far as it said so under the present protection.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.0.session.capabilities
    }

    /// The greeting's timestamp for APOP. It is forgotten when STLS has put TLS in place.
    #[must_use]
    pub fn timestamp(&self) -> Option<&ApopTimestamp> {
        self.0.session.timestamp.as_ref()
    }

    /// Whether the server's greeting offers XCLIENT. It is forgotten when STLS has put TLS in place.
    #[must_use]
    pub fn offers_xclient(&self) -> bool {
        self.0.session.xclient
    }

    /// Whether the server has accepted UTF8: messages then come with header fields beyond ASCII as they are.
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        self.0.session.utf8
    }

    /// The language that the server has chosen for its texts when it answered LANG. They are UTF-8 then.
    #[must_use]
    pub fn language(&self) -> Option<&LanguageTag> {
        self.0.session.language.as_ref()
    }

    /// Whether the conversation is over, by its end or by an error: nothing more can be sent.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_over() || self.0.eof
    }

    /// Whether messages are gone from the server.
    #[must_use]
    pub fn deletions(&self) -> Deletions {
        self.0.session.marks.deletions(self.0.session.state, self.0.is_over())
    }
}

impl mailwire_core::Connection for Connection {
    machine_methods!(Event);

    fn timeout(&self) -> Option<Duration> {
        if self.0.failed.is_some() {
            return None;
        }
        let timeouts = &self.0.config.timeouts;
        match &self.0.session.phase {
            Phase::Greeting => Some(timeouts.greeting),
            Phase::Lines { .. } | Phase::BodyStart | Phase::Body(_) => Some(timeouts.body),
            Phase::Reply if self.0.session.is_challenged() => None,
            Phase::Reply => match self.0.session.in_flight.front()?.rules.effect {
                Effect::Quit => Some(timeouts.quit),
                _ => Some(timeouts.command),
            },
            Phase::Upgrading | Phase::Closed => None,
        }
    }

    fn handle_timeout(&mut self) {
        if self.timeout().is_some() {
            let waiting_for = match &self.0.session.phase {
                Phase::Greeting => "the greeting",
                Phase::Lines { .. } => "the rest of a listing",
                Phase::BodyStart | Phase::Body(_) => "the rest of a message",
                Phase::Reply | Phase::Upgrading | Phase::Closed => "an answer",
            };
            self.0.fail(Error::TimedOut { waiting_for });
        }
    }

    fn is_part(event: &Event) -> bool {
        match event {
            Event::Reply { follows, .. } => *follows != Follows::Nothing,
            Event::Line { .. }
            | Event::BodyStart { .. }
            | Event::BodyChunk(_)
            | Event::Malformed { ticket: None, .. } => true,
            _ => false,
        }
    }

    fn is_asked_for(&self, event: &Event) -> bool {
        !matches!(event, Event::Malformed { .. })
    }

    fn upgraded(&mut self, upgrade: Upgrade) {
        if upgrade != Upgrade::Tls || !matches!(self.0.session.phase, Phase::Upgrading) {
            return;
        }
        let ask = self.0.config.ask_capabilities.after_tls;
        self.0.session = Session::new(true, Phase::Reply);
        self.0.session.setup.extend(ask.then_some(Setup::Capa));
        self.0.flush();
    }

    fn send_auth(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>> {
        self.0.answer_challenge(&step).map_err(|reason| SendError::new(reason, step))
    }

    fn close(&mut self) {
        self.0.session.phase = Phase::Closed;
        self.0.queue.clear();
    }
}
