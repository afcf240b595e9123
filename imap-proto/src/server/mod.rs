//! The server's side of a connection.
//!
//! [`Connection`] does by itself what follows from the protocol: it greets, knows which command
//! belongs to which state, answers CAPABILITY and ENABLE and whatever does not parse, lets literals
//! go on or refuses them, takes credentials only where they are safe, and ends what goes beyond a
//! limit. The application is told the rest as [`Event`]s.
//!
//! ```
//! use bytes::{Buf, BytesMut};
//! use mailwire_imap::command::Command;
//! use mailwire_imap::response::{Reply, ReplyKind, Untagged};
//! use mailwire_imap::server::{Config, Connection, Event};
//! use mailwire_imap::{Channel, Connection as _, Next};
//!
//! let mut config = Config::new(Channel::Tls);
//! config.set_greeting(Reply::new(ReplyKind::PreAuth, "hello")?)?;
//! let mut connection = Connection::new(config);
//!
//! let mut input = BytesMut::from("a1 SELECT INBOX\r\na2 FETCH 1 (\r\n");
//! loop {
//!     match connection.next_event(&mut input)? {
//!         Next::Event(Event::Command { ticket, command: Command::Select(select), .. }) => {
//!             assert!(select.mailbox.is_inbox());
//!             connection.notify(Untagged::Exists(3)).unwrap();
//!             connection.reply(ticket, Reply::new(ReplyKind::Ok, "selected")?).unwrap();
//!         }
//!         // The machine has answered it already.
//!         Next::Event(Event::Malformed { .. }) => {}
//!         Next::NeedInput => break,
//!         next => panic!("{next:?}"),
//!     }
//! }
//! let output = connection.output();
//! let written = output.copy_to_bytes(output.remaining());
//! assert!(written.ends_with(
//!     b"* 3 EXISTS\r\na1 OK selected\r\na2 BAD expected a FETCH item\r\n"
//! ));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
// What is refused is handed back as it is.
#![allow(clippy::result_large_err)]

mod answer;
mod config;
mod event;
mod read;
mod rules;
mod state;

use alloc::{collections::VecDeque, vec::Vec};
use core::time::Duration;

use bytes::{Bytes, BytesMut};
pub use config::{Config, Timeouts};
pub use event::{BodyRefusal, Event};
use mailwire_core::{
    Channel, Error, Misuse, Next, Output, SaslStep, SendError, Ticket, Tickets, Upgrade, WrongAnswer,
    WrongState,
    sasl::{self, Mechanism},
};
use read::Refusal;
use state::{Current, Mode, Session};

use crate::{
    body::Outgoing,
    capability::{Capabilities, Capability},
    command::{Effect, Literals},
    framing::{Framed, Framer, Speaker},
    response::{Code, Reply, ReplyKind},
    types::Tag,
};

pub use crate::state::State;

/// A server's connection, without its stream.
///
/// Commands are handed out one at a time: the next one is read when the one before it is answered,
/// so that replies go out in order and no command is ambiguous. What a client pipelines waits in
/// the input.
///
/// # Rules for the application
///
/// - Untagged EXPUNGE is refused while no command is in progress and while FETCH, STORE or SEARCH
///   is (RFC 9051 section 7.5.1): keep it for the next command that
///   [permits it](crate::command::Command::permits_expunge), and count sequence numbers with the
///   message until then.
/// - A literal of a FETCH response that is [`Data::Streamed`](crate::types::Data::Streamed) is
///   given with [`send_body`](Self::send_body) and [`finish_body`](Self::finish_body) before
///   anything else.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    session: Session,
    framer: Framer,
    output: Output,
    /// What is offered in the session's present state.
    offer: Capabilities,
    tickets: Tickets,
    phase: Phase,
    mode: Mode,
    current: Option<Current>,
    events: VecDeque<Event>,
    /// What is left of a response: the literal that the application gives now in front, and what
    /// stands after it.
    pieces: VecDeque<Piece>,
    failed: Option<Error>,
    eof: bool,
}

/// What there can be too many of.
const FAILED_LOGINS: &str = "failed authentications";

/// A part of a response.
#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    /// A literal that the application gives in chunks.
    Literal(Outgoing),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// STARTTLS was accepted.
    Upgrading,
    /// LOGOUT was answered, or BYE was said.
    Closed,
}

impl Connection {
    /// A connection whose greeting waits in the output.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut connection = Self::silent(config);
        let mut greeting = connection.config.greeting().clone();
        if greeting.kind == ReplyKind::PreAuth {
            connection.session.state = State::Authenticated;
        }
        connection.renew_offer();
        if greeting.code.is_none() {
            greeting.code = Some(connection.offer_code());
        }
        connection.untagged(&greeting);
        connection
    }

    /// A connection that is refused at the door: BYE is its greeting, and the end of it. Of `reply`
    /// the code and the text are said, whatever its kind.
    #[must_use]
    pub fn refuse(config: Config, reply: Reply) -> Self {
        let mut connection = Self::silent(config);
        connection.say_bye(reply);
        connection
    }

    fn silent(config: Config) -> Self {
        Self {
            session: Session::new(config.channel == Channel::Tls),
            framer: Framer::new(Speaker::Client),
            output: Output::new(config.limits.output),
            offer: Capabilities::unknown(),
            tickets: Tickets::new(),
            phase: Phase::Running,
            mode: Mode::Command,
            current: None,
            events: VecDeque::new(),
            pieces: VecDeque::new(),
            failed: None,
            eof: false,
            config,
        }
    }

    /// What is offered now.
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        &self.offer
    }

    /// The state, the protection or the mechanisms changed.
    fn renew_offer(&mut self) {
        let mut list = self.config.capabilities().as_slice().to_vec();
        match self.config.literals {
            Literals::Plus => list.push(Capability::LiteralPlus),
            Literals::Minus => list.push(Capability::LiteralMinus),
            Literals::Synchronizing => {}
        }
        if self.session.state == State::NotAuthenticated {
            if self.offers_tls() {
                list.push(Capability::StartTls);
            }
            let policy = self.policy();
            if !policy.permits_password() || !self.config.login {
                list.push(Capability::LoginDisabled);
            }
            let offered = self.config.mechanisms.iter().filter(|mechanism| policy.permits(mechanism));
            let mut offered = offered.cloned().map(Capability::Auth).peekable();
            if offered.peek().is_some() {
                list.push(Capability::SaslIr);
                list.extend(offered);
            }
        }
        self.offer = list.into();
    }

    fn offer_code(&self) -> Code {
        Code::Capability(self.offer.as_slice().to_vec())
    }

    /// Changes [`Config::mechanisms`]: within TLS there are others, such as those that bind to it.
    pub fn set_mechanisms(&mut self, mechanisms: Vec<Mechanism>) {
        self.config.mechanisms = mechanisms;
        self.renew_offer();
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

    /// Whether the client has enabled IMAP4rev2: it wants ESEARCH for SEARCH, and UTF-8 in names.
    #[must_use]
    pub const fn is_rev2(&self) -> bool {
        self.session.rev2
    }

    /// The tag of the command in progress, which ESEARCH names. `None` if this is not its ticket.
    #[must_use]
    pub fn tag(&self, ticket: Ticket) -> Option<&Tag> {
        self.current.as_ref().filter(|current| current.ticket == ticket).map(|current| &current.tag)
    }

    /// What [`next_event`](mailwire_core::Connection::next_event) does where there may be something new.
    #[inline(never)]
    fn advance(&mut self, input: &mut BytesMut) -> Result<Next<Event>, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.step(input).inspect_err(|error| self.fail(*error))
    }

    fn step(&mut self, input: &mut BytesMut) -> Result<Next<Event>, Error> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Next::Event(event));
            }
            match self.phase {
                Phase::Upgrading if !input.is_empty() => {
                    return Err(Error::BytesBehindUpgrade { command: "STARTTLS" });
                }
                Phase::Upgrading if self.eof => {
                    return Err(Error::UnexpectedEof { during: "before TLS" });
                }
                Phase::Upgrading if self.output.is_empty() => return Ok(Next::Upgrade(Upgrade::Tls)),
                Phase::Upgrading => return Ok(Next::Paused),
                Phase::Closed => return Ok(Next::Closed),
                Phase::Running => {}
            }
            match self.mode {
                Mode::Answer | Mode::Decision { .. } => {
                    if self.awaits_upgrade() && !input.is_empty() {
                        return Err(Error::BytesBehindUpgrade { command: "STARTTLS" });
                    }
                    return Ok(Next::Paused);
                }
                // The client has to read before it is given more.
                Mode::Command if self.output.is_full() => return Ok(Next::Paused),
                _ => {}
            }
            match self.framer.next(input, &self.config.limits)? {
                Framed::NeedInput if self.eof => return self.at_eof(input),
                Framed::NeedInput => {
                    self.framer.park();
                    return Ok(Next::NeedInput);
                }
                Framed::Message(frame) => self.take_message(frame, input)?,
                Framed::Literal(announced) => self.take_literal(announced, input)?,
                Framed::Chunk(chunk) => return Ok(Next::Event(Event::BodyChunk(chunk))),
                Framed::End => self.mode = Mode::Tail,
            }
        }
    }

    fn awaits_upgrade(&self) -> bool {
        self.current.as_ref().is_some_and(|current| current.rules.effect == Effect::StartTls)
    }

    fn at_eof(&mut self, input: &BytesMut) -> Result<Next<Event>, Error> {
        let during = match self.mode {
            Mode::Command if self.framer.at_boundary(input) => {
                self.phase = Phase::Closed;
                return Ok(Next::Closed);
            }
            Mode::Body | Mode::Tail => "within a message",
            Mode::AuthLine => "within an authentication",
            Mode::Idle => "within IDLE",
            _ => "within a command",
        };
        Err(Error::UnexpectedEof { during })
    }

    /// The connection cannot go on: the client is told why.
    fn fail(&mut self, error: Error) {
        let code = match error {
            Error::LimitExceeded { what: FAILED_LOGINS, .. } => None,
            Error::LimitExceeded { .. } => Some(Code::TooBig),
            _ => None,
        };
        let text = match error {
            Error::LimitExceeded { what: FAILED_LOGINS, .. } => "too many failed logins",
            Error::LineTooLong { .. } => "the line is too long",
            Error::LimitExceeded { .. } => "too large",
            Error::TooManyBadCommands { .. } => "too many bad commands",
            Error::BytesBehindUpgrade { .. } => "bytes behind STARTTLS",
            Error::TimedOut { .. } => "too slow",
            _ => "closing",
        };
        if self.pieces.is_empty() && !matches!(error, Error::UnexpectedEof { .. }) {
            let bye = Reply { code, ..Reply::from_static(ReplyKind::Bye, text) };
            self.untagged(&bye);
        }
        self.failed = Some(error);
    }

    /// BYE ends the conversation; the reason is that of `reply`.
    fn say_bye(&mut self, reply: Reply) {
        self.untagged(&Reply { kind: ReplyKind::Bye, ..reply });
        self.session.state = State::Logout;
        self.phase = Phase::Closed;
    }

    fn untagged(&mut self, status: &Reply) {
        self.output.write(|out| {
            out.extend_from_slice(b"* ");
            status.write(out);
            out.extend_from_slice(b"\r\n");
        });
    }

    fn tagged(&mut self, tag: &[u8], status: &Reply) {
        self.output.write(|out| {
            out.extend_from_slice(tag);
            out.push(b' ');
            status.write(out);
            out.extend_from_slice(b"\r\n");
        });
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
        if self.failed.is_some() || self.phase != Phase::Running {
            return None;
        }
        let timeouts = &self.config.timeouts;
        match self.mode {
            Mode::Answer | Mode::Decision { .. } => None,
            Mode::Body | Mode::Tail | Mode::Rest => Some(timeouts.body),
            _ if self.session.state == State::NotAuthenticated => Some(timeouts.login),
            _ => Some(timeouts.idle),
        }
    }

    fn handle_timeout(&mut self) {
        self.framer.unpark();
        if self.timeout().is_some() {
            self.fail(Error::TimedOut { waiting_for: "the client" });
        }
    }

    fn upgraded(&mut self, upgrade: Upgrade) {
        if upgrade != Upgrade::Tls || self.phase != Phase::Upgrading {
            return;
        }
        let fresh = Self::silent(self.config.clone());
        let before = core::mem::replace(self, fresh);
        self.tickets = before.tickets;
        self.eof = before.eof;
        self.session = Session::new(true);
        self.renew_offer();
    }

    /// Sends a challenge to AUTHENTICATE. The client's answer comes as [`Event::AuthResponse`].
    fn send_auth(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>> {
        self.framer.unpark();
        let authenticates =
            self.current.as_ref().is_some_and(|current| current.rules.effect == Effect::Authenticate);
        if !authenticates || self.mode != Mode::Answer || self.failed.is_some() {
            return Err(SendError::new(
                Misuse::WrongState(WrongState::NothingDue("step of an exchange")),
                step,
            ));
        }
        let SaslStep::Data(challenge) = &step else {
            return Err(SendError::new(Misuse::WrongAnswer(WrongAnswer::Cancelled), step));
        };
        self.output.write(|out| {
            out.extend_from_slice(b"+ ");
            sasl::encode(challenge.expose(), out);
            out.extend_from_slice(b"\r\n");
        });
        self.mode = Mode::AuthLine;
        Ok(())
    }

    fn close(&mut self) {
        self.framer.unpark();
        self.phase = Phase::Closed;
    }
}
