//! The client's side of a connection.
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

mod config;
mod event;
mod read;
mod state;

use alloc::collections::VecDeque;
use core::time::Duration;

use bytes::BytesMut;
pub use config::{AskCapabilities, Config, Timeouts};
pub use event::{Deletions, Event};
use mailwire_core::{
    Channel, Error, Misuse, Next, Output, SaslStep, SendError, Ticket, Tickets, Upgrade, sasl,
};
pub use state::State;
use state::{Auth, Kind, Pending, Place, Queued, Reading, Session, Setup, UserStep};

use crate::{
    capability::Capabilities,
    command::{Command, Follows, MAX_COMMAND_LINE},
    reply::Expected,
    types::ApopTimestamp,
};

/// A client's connection, without its stream.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    session: Session,
    output: Output,
    /// All bytes that were ever put into the output.
    put: u64,
    tickets: Tickets,
    queue: VecDeque<Queued>,
    /// Logins in the queue or on their way.
    logins_ahead: usize,
    quit_asked: bool,
    failed: Option<Error>,
    closed: bool,
    eof: bool,
    /// An event that comes right behind another.
    next: Option<Event>,
    /// Messages whose DELE was accepted.
    marked: u64,
    dele_sent: bool,
    /// The answer to QUIT.
    quit: Option<bool>,
}

impl Connection {
    /// A connection that waits for the server's greeting.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            session: Session::new(config.channel == Channel::Tls, Reading::Greeting),
            output: Output::new(config.limits.output),
            put: 0,
            tickets: Tickets::new(),
            queue: VecDeque::new(),
            logins_ahead: 0,
            quit_asked: false,
            failed: None,
            closed: false,
            eof: false,
            next: None,
            marked: 0,
            dele_sent: false,
            quit: None,
            config,
        }
    }

    /// Sends a command, or queues it until it may be sent: behind the greeting, TLS and the
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

    /// The same for a [`Command::Other`], whose answer's form only the caller knows.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_expecting(
        &mut self,
        command: Command,
        follows: Follows,
    ) -> Result<Ticket, SendError<Command>> {
        self.session.framer.unpark();
        if let Err(reason) = self.check(&command) {
            return Err(SendError::new(reason, command));
        }
        let follows = match command {
            Command::Other { .. } => follows,
            _ => command.follows(),
        };
        let kind = Kind::of(&command);
        self.logins_ahead = self.logins_ahead.saturating_add(usize::from(kind.is_login()));
        self.quit_asked |= kind == Kind::Quit;
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

    /// The greeting's timestamp for APOP. Forgotten when STLS has put TLS in place.
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
    pub fn deletions(&self) -> Deletions {
        let over = self.closed || self.failed.is_some();
        match (self.session.state, self.quit) {
            (_, Some(_)) if self.marked == 0 => Deletions::None,
            (_, Some(true)) => Deletions::Done(self.marked),
            (_, Some(false)) => Deletions::Incomplete(self.marked),
            (State::Update, None) if self.dele_sent => {
                if over {
                    Deletions::Unknown
                } else {
                    Deletions::Marked(self.marked)
                }
            }
            _ if self.marked == 0 => Deletions::None,
            _ if over => Deletions::Lost(self.marked),
            _ => Deletions::Marked(self.marked),
        }
    }

    fn check(&self, command: &Command) -> Result<(), Misuse> {
        if self.closed || self.failed.is_some() {
            return Err(Misuse::Closed);
        }
        if self.quit_asked {
            return Err(Misuse::WrongState("QUIT is the last command"));
        }
        let transaction = self.session.state == State::Transaction;
        match Place::of(command) {
            Place::Nowhere => {
                return Err(Misuse::WrongState("STLS is sent by the machine itself, with Channel::StartTls"));
            }
            Place::Authorization if transaction => return Err(Misuse::WrongState("already logged in")),
            Place::Authorization if self.logins_ahead > 0 => {
                return Err(Misuse::WrongState("another login is on its way"));
            }
            Place::Transaction if !transaction && self.logins_ahead == 0 => {
                return Err(Misuse::WrongState("not logged in"));
            }
            _ => {}
        }
        let shows_secret = match command {
            Command::User(_) | Command::Pass(_) => true,
            Command::Auth { mechanism, .. } => mechanism.exposes_credentials(),
            _ => false,
        };
        if shows_secret && self.config.channel == Channel::Clear && !self.config.allow_clear_credentials {
            return Err(Misuse::CredentialsInClear);
        }
        if matches!(command, Command::Apop { .. }) && self.session.timestamp.is_none() {
            return Err(Misuse::NotOffered("APOP"));
        }
        if argument_length(command).saturating_add("APOP ".len() + "\r\n".len()) > MAX_COMMAND_LINE {
            return Err(Misuse::WrongState("the command is longer than 255 octets"));
        }
        if self.queue.len() >= self.config.limits.queue {
            return Err(Misuse::Full { limit: self.config.limits.queue });
        }
        Ok(())
    }

    /// Puts out what may be put out now.
    fn flush(&mut self) {
        while self.flush_one() {}
    }

    fn flush_one(&mut self) -> bool {
        let session = &self.session;
        if self.closed
            || self.failed.is_some()
            || matches!(session.reading, Reading::Greeting | Reading::Upgrade)
            || session.pending.back().is_some_and(|last| last.kind.blocks())
        {
            return false;
        }
        let depth =
            if self.config.pipelining && session.pipelining() { self.config.limits.pipeline } else { 1 };
        if let Some(&setup) = session.setup.front() {
            let (command, depth) = match setup {
                Setup::Capa => (Command::Capa, depth),
                Setup::Stls => (Command::Stls, 1),
            };
            if session.pending.len() >= depth {
                return false;
            }
            self.session.setup.pop_front();
            self.put_command(None, command, None);
            return true;
        }
        if session.pending.len() >= depth || self.output.is_full() || self.unsendable().is_some() {
            return false;
        }
        if !session.tls && self.config.channel == Channel::StartTls {
            return false;
        }
        let Some(queued) = self.queue.pop_front() else { return false };
        self.put_command(Some(queued.ticket), queued.command, Some(queued.follows));
        true
    }

    /// Why the first command of the queue must not be sent any more.
    fn unsendable(&self) -> Option<Misuse> {
        let session = &self.session;
        let waiting = matches!(session.reading, Reading::Greeting | Reading::Upgrade)
            || !session.setup.is_empty()
            || session.pending.iter().any(|pending| pending.kind == Kind::Capa && pending.ticket.is_none())
            || (!session.tls && self.config.channel == Channel::StartTls);
        if waiting {
            return None;
        }
        let command = &self.queue.front()?.command;
        let login_pending = session.pending.iter().any(|pending| pending.kind.is_login());
        let ascii = match command {
            Command::User(name) | Command::Apop { name, .. } => name.is_ascii(),
            Command::Pass(password) => password.expose().is_ascii(),
            _ => true,
        };
        match command {
            _ if !ascii && !session.capabilities.has_utf8_user() => {
                Some(Misuse::NotOffered("UTF-8 in USER, PASS and APOP"))
            }
            Command::Pass(_) if session.user == UserStep::None => {
                Some(Misuse::WrongState("PASS has no accepted USER before it"))
            }
            Command::Apop { .. } if session.timestamp.is_none() => Some(Misuse::NotOffered("APOP")),
            _ if Place::of(command) == Place::Transaction
                && session.state == State::Authorization
                && !login_pending =>
            {
                Some(Misuse::WrongState("the login before it failed"))
            }
            _ => None,
        }
    }

    /// Takes a command off the queue that must not be sent.
    fn take_unsendable(&mut self) -> Option<Event> {
        let reason = self.unsendable()?;
        let queued = self.queue.pop_front()?;
        self.forget_login(Kind::of(&queued.command));
        Some(Event::NotSent { ticket: queued.ticket, reason })
    }

    fn forget_login(&mut self, kind: Kind) {
        self.logins_ahead = self.logins_ahead.saturating_sub(usize::from(kind.is_login()));
    }

    fn put_command(&mut self, ticket: Option<Ticket>, command: Command, follows: Option<Follows>) {
        let kind = Kind::of(&command);
        let expected = Expected::status_of(&command);
        let follows = follows.unwrap_or(command.follows());
        let lines = match follows {
            Follows::Lines => Some(Expected::lines_of(&command).unwrap_or(Expected::Status)),
            Follows::Nothing | Follows::Body => None,
        };
        match kind {
            Kind::User => self.session.user = UserStep::Sent,
            Kind::Login => self.session.user = UserStep::None,
            Kind::Dele => self.dele_sent = true,
            Kind::Quit if self.session.state == State::Transaction => self.session.state = State::Update,
            _ => {}
        }
        let command = match command {
            Command::Auth { mechanism, initial } => self.start_auth(mechanism, initial),
            command => command,
        };
        self.put(|out| command.write(out));
        self.session.pending.push_back(Pending { ticket, kind, expected, lines, follows, end: self.put });
    }

    /// Decides whether the first message goes with AUTH.
    fn start_auth(
        &mut self,
        mechanism: crate::types::Mechanism,
        initial: Option<mailwire_core::Secret>,
    ) -> Command {
        let length =
            initial.as_ref().map_or(0, |data| data.expose().len().div_ceil(3).saturating_mul(4).max(1));
        let line = length.saturating_add(mechanism.as_bytes().len()).saturating_add("AUTH  \r\n".len());
        let now =
            self.config.initial_response && self.session.capabilities.has_sasl() && line <= MAX_COMMAND_LINE;
        let (initial, held) = if now { (initial, None) } else { (None, initial) };
        self.session.auth = Some(Auth::new(&mechanism, held, initial.is_some()));
        Command::Auth { mechanism, initial }
    }

    fn put(&mut self, write: impl FnOnce(&mut alloc::vec::Vec<u8>)) {
        let before = self.output.len();
        self.output.write(write);
        self.put = self.put.saturating_add(self.output.len().saturating_sub(before) as u64);
    }

    /// Sends a client's line of a SASL exchange.
    fn put_auth(&mut self, step: &SaslStep) {
        self.put(|out| {
            match step {
                SaslStep::Data(data) => sasl::encode(data.expose(), out),
                SaslStep::Cancel => out.push(b'*'),
            }
            out.extend_from_slice(b"\r\n");
        });
        let end = self.put;
        if let Some(pending) = self.session.pending.front_mut() {
            pending.end = end;
        }
        if let Some(auth) = &mut self.session.auth {
            auth.challenged = false;
            match step {
                SaslStep::Data(_) => auth.responses = auth.responses.saturating_add(1),
                SaslStep::Cancel => auth.cancelled = true,
            }
        }
    }

    /// What is going on, for errors.
    fn during(&self) -> &'static str {
        match (&self.session.reading, self.session.pending.front()) {
            (Reading::Greeting, _) => "before the greeting",
            (Reading::Upgrade, _) => "before TLS was up",
            (Reading::Lines { .. }, _) => "within a listing",
            (Reading::BodyStart | Reading::Body { .. }, _) => "within a message",
            (Reading::Status, Some(pending)) => match pending.kind {
                Kind::Quit => "before the answer to QUIT",
                Kind::Auth => "within a SASL exchange",
                _ => "before the answer to a command",
            },
            (Reading::Status, None) => "between commands",
        }
    }
}

/// The length of what the caller put into a command. AUTH finds its own way.
fn argument_length(command: &Command) -> usize {
    match command {
        Command::User(name) => name.as_bytes().len(),
        Command::Pass(password) => password.expose().len(),
        Command::Apop { name, .. } => name.as_bytes().len().saturating_add(33),
        Command::Other { keyword, arguments } => keyword
            .as_bytes()
            .len()
            .saturating_sub("APOP".len())
            .saturating_add(arguments.as_ref().map_or(0, |arguments| arguments.as_bytes().len())),
        _ => 0,
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
        if self.closed || self.failed.is_some() {
            return None;
        }
        let timeouts = &self.config.timeouts;
        match (&self.session.reading, self.session.pending.front()) {
            (Reading::Greeting, _) => Some(timeouts.greeting),
            (Reading::Upgrade, _) | (Reading::Status, None) => None,
            (Reading::Lines { .. } | Reading::BodyStart | Reading::Body { .. }, _) => Some(timeouts.body),
            (Reading::Status, Some(pending)) if pending.kind == Kind::Quit => Some(timeouts.quit),
            (Reading::Status, Some(_)) => {
                let callers_turn = self.session.auth.as_ref().is_some_and(|auth| auth.challenged);
                (!callers_turn).then_some(timeouts.command)
            }
        }
    }

    fn handle_timeout(&mut self) {
        self.session.framer.unpark();
        if self.timeout().is_some() && self.failed.is_none() {
            let waiting_for = match &self.session.reading {
                Reading::Greeting => "the greeting",
                Reading::Status => "an answer",
                Reading::Lines { .. } => "the rest of a listing",
                Reading::BodyStart | Reading::Body { .. } => "the rest of a message",
                Reading::Upgrade => return,
            };
            self.failed = Some(Error::TimedOut { waiting_for });
            self.queue.clear();
        }
    }

    fn upgraded(&mut self, upgrade: Upgrade) {
        if upgrade != Upgrade::Tls || !matches!(self.session.reading, Reading::Upgrade) {
            return;
        }
        self.session = Session::new(true, Reading::Status);
        if self.config.ask_capabilities.after_tls {
            self.session.setup.push_back(Setup::Capa);
        }
        self.flush();
    }

    fn send_auth(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>> {
        self.session.framer.unpark();
        if self.closed || self.failed.is_some() {
            return Err(SendError::new(Misuse::Closed, step));
        }
        if !self.session.auth.as_ref().is_some_and(|auth| auth.challenged) {
            return Err(SendError::new(Misuse::WrongState("no challenge waits for an answer"), step));
        }
        self.put_auth(&step);
        Ok(())
    }

    fn close(&mut self) {
        self.session.framer.unpark();
        self.closed = true;
        self.queue.clear();
    }
}
