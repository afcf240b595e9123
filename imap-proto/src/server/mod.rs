//! Be a server: get what a client asks for as events, and answer it.
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
mod body;
mod config;
mod event;
mod read;
mod refusal;
mod rules;
mod say;
mod state;

use alloc::vec::Vec;
use core::time::Duration;

pub use config::{Config, Timeouts};
pub use event::{BodyRefusal, Event};
use mailwire_core::{
    Dialect, Error, Misuse, SaslStep, SendError, Ticket, Upgrade, WrongAnswer, WrongState, machine,
    machine_methods,
    private::Gate,
    sasl::{self, Mechanism},
};
use state::{Machine, Mode, Phase};

use crate::{capability::Capabilities, command::Effect, response::Reply, types::Tag};

pub use crate::state::State;

machine! {
    /// The server's state machine: it is given what the client says, and gives what is to be written.
    ///
    /// Commands are handed out one at a time: the next one is read when the one before it is answered,
    /// so that replies go out in order and no command is ambiguous. What a client pipelines waits in
    /// the input.
    ///
    /// # Rules for the application
    ///
    /// - Untagged EXPUNGE is refused while no command is in progress and while FETCH, STORE or SEARCH is
    ///   ([RFC 9051 section 7.5.1](https://www.rfc-editor.org/rfc/rfc9051#section-7.5.1)): keep it for the
    ///   next command that [permits it](crate::command::Command::permits_expunge), and count sequence numbers
    ///   with the message until then.
    /// - A literal of a FETCH response that is [`Data::Streamed`](crate::types::Data::Streamed) is
    ///   given with [`send_body`](Self::send_body) and [`finish_body`](Self::finish_body) before
    ///   anything else.
    pub struct Connection of Machine in State, parked by |machine| machine.framer.lines();
}

impl Connection {
    /// Makes a connection whose greeting waits in the output.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut machine = Machine::new(config);
        machine.greet();
        Self(Gate::new(machine))
    }

    /// Makes a connection that is refused at the door: BYE is its greeting, and the end of it. Of `reply`
    /// the code and the text are said, whatever its kind.
    #[must_use]
    pub fn refuse(config: Config, reply: Reply) -> Self {
        let mut machine = Machine::new(config);
        machine.say_bye(reply);
        Self(Gate::new(machine))
    }

    /// What is offered now, in the present state and under the present protection.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.0.offer
    }

    /// Changes [`Config::mechanisms`]: within TLS there are others, such as those that bind to it.
    pub fn set_mechanisms(&mut self, mechanisms: Vec<Mechanism>) {
        self.0.config.mechanisms = mechanisms;
        self.0.renew_offer();
    }

    /// How exactly the client is held to the grammar.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.0.config.dialect
    }

    /// Whether the connection is compressed: COMPRESS was accepted.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.0.session.compressed || self.0.phase == Phase::Upgrading(Upgrade::Deflate)
    }

    /// Whether the client has enabled IMAP4rev2: it wants ESEARCH for SEARCH, and UTF-8 in names.
    #[must_use]
    pub fn is_rev2(&self) -> bool {
        self.0.session.rev2
    }

    /// Whether the client has enabled IMAP4rev2 or UTF8=ACCEPT: names of mailboxes are in UTF-8, not in modified
    /// UTF-7 ([RFC 9755](https://www.rfc-editor.org/rfc/rfc9755)).
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        self.0.session.utf8()
    }

    /// Whether the client has enabled UTF8=ACCEPT: it may append messages with UTF-8 in their headers.
    #[must_use]
    pub fn is_utf8_accept(&self) -> bool {
        self.0.session.utf8_accept
    }

    /// Whether the client knows of modification sequences, by ENABLE or by what it has asked for: each
    /// FETCH response that it did not ask for is to have the UID and MODSEQ from then on ([RFC 7162 sections
    /// 3.1](https://www.rfc-editor.org/rfc/rfc7162#section-3.1) and
    /// [3.2.4](https://www.rfc-editor.org/rfc/rfc7162#section-3.2.4)).
    #[must_use]
    pub fn is_condstore(&self) -> bool {
        self.0.session.condstore
    }

    /// Whether the client has enabled QRESYNC: it is told of messages that are gone by VANISHED, and no more
    /// by EXPUNGE ([RFC 7162 section 3.2.10](https://www.rfc-editor.org/rfc/rfc7162#section-3.2.10)).
    #[must_use]
    pub fn is_qresync(&self) -> bool {
        self.0.session.qresync
    }

    /// Whether the client has enabled UIDONLY: it names messages by UID alone, is told of them by
    /// [UIDFETCH](crate::response::FetchData::by_uid), and of those that are gone by VANISHED
    /// ([RFC 9586](https://www.rfc-editor.org/rfc/rfc9586)).
    #[must_use]
    pub fn is_uid_only(&self) -> bool {
        self.0.session.uid_only
    }

    /// The tag of the command in progress, which ESEARCH names. `None` if this is not its ticket.
    #[must_use]
    pub fn tag(&self, ticket: Ticket) -> Option<&Tag> {
        self.0.current.as_ref().filter(|current| current.ticket == ticket).map(|current| &current.tag)
    }
}

impl mailwire_core::Connection for Connection {
    machine_methods!(Event);

    fn timeout(&self) -> Option<Duration> {
        if self.0.failed.is_some() || self.0.phase != Phase::Running {
            return None;
        }
        let timeouts = &self.0.config.timeouts;
        match self.0.mode {
            Mode::Answer | Mode::Decision { .. } => None,
            Mode::Body | Mode::Tail | Mode::Rest { .. } => Some(timeouts.body),
            _ if self.0.session.state == State::NotAuthenticated => Some(timeouts.login),
            _ => Some(timeouts.idle),
        }
    }

    fn handle_timeout(&mut self) {
        if self.timeout().is_some() {
            self.0.fail(Error::TimedOut { waiting_for: "the client" });
        }
    }

    fn is_part(event: &Event) -> bool {
        matches!(event, Event::BodyStart { .. } | Event::BodyChunk(_))
    }

    fn is_at_rest(&self) -> bool {
        self.0.mode == Mode::Command
    }

    fn upgraded(&mut self, upgrade: Upgrade) {
        if self.0.phase != Phase::Upgrading(upgrade) {
            return;
        }
        if upgrade != Upgrade::Tls {
            self.0.phase = Phase::Running;
            self.0.session.compressed = upgrade == Upgrade::Deflate;
            return;
        }
        let fresh = Machine::new(self.0.config.clone());
        let machine = &mut *self.0;
        let before = core::mem::replace(machine, fresh);
        machine.tickets = before.tickets;
        machine.eof = before.eof;
        machine.session = before.session.anew(true);
        machine.renew_offer();
    }

    /// Sends a challenge to AUTHENTICATE. The client's answer comes as [`Event::AuthResponse`].
    fn send_auth(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>> {
        let authenticates =
            self.0.current.as_ref().is_some_and(|current| current.effect == Effect::Authenticate);
        if !authenticates || self.0.mode != Mode::Answer || self.0.failed.is_some() {
            return Err(SendError::new(
                Misuse::WrongState(WrongState::NothingDue("step of an exchange")),
                step,
            ));
        }
        let SaslStep::Data(challenge) = &step else {
            return Err(SendError::new(Misuse::WrongAnswer(WrongAnswer::Cancelled), step));
        };
        self.0.output.write(|out| {
            out.extend_from_slice(b"+ ");
            sasl::encode(challenge.expose(), out);
            out.extend_from_slice(b"\r\n");
        });
        self.0.mode = Mode::AuthLine;
        Ok(())
    }

    fn close(&mut self) {
        self.0.phase = Phase::Closed;
    }
}
