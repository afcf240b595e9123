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

use bytes::BytesMut;
pub use config::{Config, Timeouts};
pub use event::Event;
use mailwire_core::{Channel, Error, Next, Output, SaslStep, SendError, Tickets, Upgrade, sasl::Mechanism};
use state::{Phase, Session, Stage};

use crate::{
    capability::Capabilities,
    reply::{Greeting, Reply},
    state::State,
};

/// The state machine of a server.
///
/// See the [module](self) for an example.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    session: Session,
    output: Output,
    tickets: Tickets,
    bad_commands: usize,
    auth_failures: usize,
    /// Why the connection ends; it is told once the last reply is in the output.
    failed: Option<Error>,
    eof: bool,
}

impl Connection {
    /// A machine whose greeting waits in the output.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut greeting = Greeting::new(config.greeting.clone());
        if let Some(timestamp) = &config.apop {
            greeting = greeting.with_timestamp(timestamp);
        }
        let mut connection = Self::silent(config);
        connection.output.write(|out| greeting.write(out));
        connection
    }

    /// A machine that refuses its client at the door: the reply stands in the place of the greeting,
    /// and is the end.
    #[must_use]
    pub fn refuse(config: Config, reply: Reply) -> Self {
        let mut connection = Self::silent(config);
        connection.put_status(reply);
        connection.end();
        connection
    }

    fn silent(config: Config) -> Self {
        Self {
            session: Session::new(&config, config.channel == Channel::Tls),
            output: Output::new(config.limits.output),
            tickets: Tickets::new(),
            bad_commands: 0,
            auth_failures: 0,
            failed: None,
            eof: false,
            config,
        }
    }

    /// Changes [`Config::mechanisms`]: within TLS there are others, such as those that bind to it.
    pub fn set_mechanisms(&mut self, mechanisms: Vec<Mechanism>) {
        self.config.mechanisms = mechanisms;
        self.announce();
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
    pub const fn capabilities(&self) -> &Capabilities {
        &self.session.capabilities
    }

    fn fail(&mut self, error: Error) {
        self.failed = Some(error);
        self.session.current = None;
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
        let applications_turn =
            self.session.current.as_ref().is_some_and(|current| !matches!(current.stage, Stage::Auth));
        if self.failed.is_some() || self.session.phase != Phase::Running || applications_turn {
            return None;
        }
        Some(match self.session.state {
            State::Authorization => timeouts.login,
            State::Transaction | State::Update => timeouts.idle,
        })
    }

    /// Ends the connection. Nothing is deleted and nothing is said ([RFC 1939 section
    /// 3](https://www.rfc-editor.org/rfc/rfc1939#section-3)).
    fn handle_timeout(&mut self) {
        self.session.framer.unpark();
        if self.timeout().is_some() && self.failed.is_none() {
            let waiting_for = if self.output.is_empty() { "a command" } else { "the client to read" };
            self.fail(Error::TimedOut { waiting_for });
            self.output.clear();
        }
    }

    fn upgraded(&mut self, upgrade: Upgrade) {
        if upgrade == Upgrade::Tls && self.session.phase == Phase::Upgrading {
            self.session = Session::new(&self.config, true);
        }
    }

    fn send_auth(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>> {
        self.session.framer.unpark();
        self.put_challenge(step)
    }

    fn close(&mut self) {
        self.session.framer.unpark();
        self.end();
    }
}
