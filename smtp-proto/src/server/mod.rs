//! The server's side of a connection.
//!
//! [`Connection`] writes the greeting when it is made, reads commands one at a time, refuses by
//! itself what is no command, out of order, not offered or beyond a limit, and hands on the rest
//! as [`Event::Command`]. The application answers each with its ticket:
//!
//! | command | answer |
//! | --- | --- |
//! | DATA | [`accept_body`](Connection::accept_body), or a refusal by [`reply`](Connection::reply) |
//! | STARTTLS | [`accept_upgrade`](Connection::accept_upgrade), or a refusal by `reply` |
//! | AUTH | [`send_auth`](mailwire_core::Connection::send_auth) with a challenge, or `reply` with 235 or a refusal |
//! | all others | `reply`; [`default_reply`] has one for each |
//!
//! The next command is read after the answer, so that replies go out in the order of the commands.
//! Pipelining costs nothing by that: commands that wait in the input are read without a pause, and
//! their replies leave together. To a positive reply to EHLO the machine adds its name and what it
//! offers. It puts enhanced codes into replies where RFC 2034 wants them, and nowhere else.
//!
//! ```
//! use bytes::{Buf, BytesMut};
//! use mailwire_smtp::{Channel, Connection as _, Next, Reply, ReplyCode, server};
//!
//! let config = server::Config::new("mx.example".try_into()?, Channel::Tls);
//! let mut server = server::Connection::new(config);
//! let mut input = BytesMut::from("EHLO client.example\r\nMAIL FROM:<>\r\nRCPT TO:<a@mx.example>\r\nDATA\r\n");
//! loop {
//!     match server.next_event(&mut input)? {
//!         Next::Event(server::Event::Command { ticket, command: mailwire_smtp::Command::Data, .. }) => {
//!             server.accept_body(ticket)?;
//!         }
//!         Next::Event(server::Event::Command { ticket, command, .. }) => {
//!             server.reply(ticket, server::default_reply(&command))?;
//!         }
//!         Next::Event(server::Event::BodyEnd { ticket, length }) => {
//!             assert_eq!(length, 7);
//!             server.reply(ticket, Reply::new(ReplyCode::OK, "Queued"))?;
//!             break;
//!         }
//!         Next::Event(_) => {}
//!         // Stands for reading from a socket.
//!         Next::NeedInput => input.extend_from_slice(b"Hello\r\n.\r\n"),
//!         other => panic!("{other:?}"),
//!     }
//! }
//! let output = server.output();
//! let written = output.copy_to_bytes(output.remaining());
//! assert!(written.starts_with(b"220 mx.example ESMTP\r\n250-mx.example\r\n250-PIPELINING\r\n"));
//! assert!(written.ends_with(b"250 2.1.5 Ok\r\n354 Start mail input; end with <CRLF>.<CRLF>\r\n250 2.0.0 Queued\r\n"));
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
use mailwire_core::{
    Channel, Error, LineFramer, Misuse, Next, Output, SaslStep, SendError, Ticket, Tickets, Upgrade,
    sasl::{self, Mechanism},
};

pub use config::{Config, Timeouts};
pub use event::{BodyRefusal, Event};
use read::Overlong;
pub use send::default_reply;
use state::{Body, Counts, Current, Due, Phase, Session};

use crate::{Capabilities, Capability, Reply, ReplyCode, State, command::Effect, reply::write_line};

/// The server's state machine. See the [module](self).
#[derive(Debug)]
pub struct Connection {
    config: Config,
    output: Output,
    framer: LineFramer,
    tickets: Tickets,
    phase: Phase,
    /// While there is one, no other is read.
    current: Option<Current>,
    session: Session,
    counts: Counts,
    /// What poisoned the connection.
    failed: Option<Error>,
    tls: bool,
    eof: bool,
    /// A line that passed its limit and whose end is not there yet.
    overlong: Option<Overlong>,
    /// What is offered now.
    capabilities: Capabilities,
    /// An AUTH command failed, and a client that did not notice may send its password as the next
    /// line.
    secret_may_follow: bool,
}

impl Connection {
    /// A server at the beginning of a connection. The greeting waits in the output.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut connection = Self::silent(config);
        let config = &connection.config;
        let banner = match (config.banner.as_str(), config.lmtp) {
            ("", false) => "ESMTP",
            ("", true) => "LMTP",
            (banner, _) => banner,
        };
        connection.output.write(|out| {
            let mut text = Vec::from(config.name.as_bytes());
            text.push(b' ');
            text.extend_from_slice(banner.as_bytes());
            write_line(ReplyCode::READY, None, &text, true, out);
        });
        connection
    }

    /// A server that greets with a refusal: after 554 the client may only send QUIT, after 521 or 421
    /// the conversation is over (RFC 5321 section 3.1, RFC 7504).
    #[must_use]
    pub fn refuse(config: Config, reply: Reply) -> Self {
        let mut connection = Self::silent(config);
        connection.output.write(|out| reply.write_with(None, out));
        connection.phase = if reply.code() == ReplyCode::FAILED { Phase::Refused } else { Phase::Closed };
        connection
    }

    fn silent(config: Config) -> Self {
        let mut connection = Self {
            output: Output::new(config.limits.output),
            framer: LineFramer::new(),
            tickets: Tickets::new(),
            phase: Phase::Open,
            current: None,
            session: Session::new(),
            counts: Counts::default(),
            failed: None,
            tls: config.channel == Channel::Tls,
            eof: false,
            overlong: None,
            capabilities: Capabilities::new(),
            secret_may_follow: false,
            config,
        };
        connection.offer();
        connection
    }

    /// Where the session stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.session.state
    }

    /// Whether an AUTH command succeeded.
    #[must_use]
    pub const fn is_authenticated(&self) -> bool {
        self.session.authenticated
    }

    /// Whether the stream is protected.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.tls
    }

    /// Whether LMTP is spoken.
    #[must_use]
    pub const fn is_lmtp(&self) -> bool {
        self.config.lmtp
    }

    /// What is offered at this point: STARTTLS before TLS, AUTH with the mechanisms that may be used over
    /// the stream as it is.
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Changes [`Config::mechanisms`]: within TLS there are others, such as those that bind to it. The
    /// client learns of it by its next EHLO.
    pub fn set_mechanisms(&mut self, mechanisms: Vec<Mechanism>) {
        self.config.mechanisms = mechanisms;
        self.offer();
    }

    fn offer(&mut self) {
        let config = &self.config;
        let mut offered: Capabilities = config
            .capabilities
            .iter()
            .filter_map(|capability| match capability {
                Capability::Size(None) => Some(Capability::Size(Some(config.limits.message))),
                Capability::StartTls | Capability::Auth(_) => None,
                other => Some(other),
            })
            .collect();
        if config.channel == Channel::StartTls && !self.tls {
            offered.push(Capability::StartTls);
        }
        if !self.session.authenticated {
            let policy = self.policy();
            let mechanisms = config.mechanisms.iter().filter(|mechanism| policy.permits(mechanism));
            let mechanisms: Vec<Mechanism> = mechanisms.cloned().collect();
            if !mechanisms.is_empty() {
                offered.push(Capability::Auth(mechanisms));
            }
        }
        self.capabilities = offered;
    }

    /// Answers a command, or a message.
    ///
    /// A negative reply to MAIL, RCPT or DATA has the effect that RFC 5321 gives it. After the reply
    /// to QUIT, and after 421, the conversation is over. In LMTP, the ticket of DATA after a message
    /// stands for all recipients that are not answered yet.
    ///
    /// # Errors
    ///
    /// Hands the reply back: nothing with this ticket waits for an answer, or it is not an answer to
    /// that. Intermediate replies are the machine's own.
    pub fn reply(&mut self, ticket: Ticket, reply: Reply) -> Result<(), SendError<Reply>> {
        self.framer.unpark();
        if let Err(reason) = self.permits_reply(ticket, &reply) {
            return Err(SendError::new(reason, reply));
        }
        if let Some(current) = self.current.take() {
            self.answer(current, ticket, reply);
        }
        Ok(())
    }

    /// Grants DATA: 354, then the message comes as events.
    ///
    /// # Errors
    ///
    /// No DATA with this ticket waits for an answer.
    pub fn accept_body(&mut self, ticket: Ticket) -> Result<(), Misuse> {
        self.framer.unpark();
        self.permits_grant(ticket, Effect::Data)?;
        self.output.put(b"354 Start mail input; end with <CRLF>.<CRLF>\r\n");
        self.session.state = Effect::Data.after(self.session.state);
        if let Some(current) = &mut self.current {
            current.due = Due::Body(Body::new());
        }
        Ok(())
    }

    /// Refuses DATA: the same as a negative [`reply`](Self::reply).
    ///
    /// # Errors
    ///
    /// As for `reply`; also for a positive one.
    pub fn reject_body(&mut self, ticket: Ticket, reply: Reply) -> Result<(), SendError<Reply>> {
        match self.permits_grant(ticket, Effect::Data) {
            Ok(()) => self.reply(ticket, reply),
            Err(reason) => Err(SendError::new(reason, reply)),
        }
    }

    /// Grants STARTTLS: 220, then [`Next::Upgrade`] once that is written.
    ///
    /// # Errors
    ///
    /// No STARTTLS with this ticket waits for an answer.
    pub fn accept_upgrade(&mut self, ticket: Ticket) -> Result<(), Misuse> {
        self.framer.unpark();
        self.permits_grant(ticket, Effect::StartTls)?;
        self.write_reply(&Reply::of(ReplyCode::READY, 0, 0, "Ready to start TLS"));
        self.current = None;
        self.phase = Phase::Upgrading;
        Ok(())
    }

    /// Ends the conversation from this side, with a 421 that nothing asked for, or in place of the
    /// answer that is due.
    ///
    /// # Errors
    ///
    /// Any other code: SMTP knows no other unsolicited reply.
    pub fn goodbye(&mut self, reply: Reply) -> Result<(), SendError<Reply>> {
        self.framer.unpark();
        if self.failed.is_some() || self.phase == Phase::Closed {
            return Err(SendError::new(Misuse::Closed, reply));
        }
        if reply.code() != ReplyCode::UNAVAILABLE {
            return Err(SendError::new(Misuse::WrongAnswer("only 421 can be sent unasked"), reply));
        }
        self.write_reply(&reply);
        self.phase = Phase::Closed;
        Ok(())
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
        // While it is the application's turn, the client has to read what was written.
        let reading = if self.output.is_empty() { None } else { Some(timeouts.command) };
        match (self.phase, &self.current) {
            (Phase::Closed, _) => None,
            _ if self.failed.is_some() => None,
            (Phase::Upgrading, _) => reading,
            (_, Some(Current { due: Due::Body(_), .. })) => Some(timeouts.body),
            (_, None | Some(Current { due: Due::Response, .. })) => Some(timeouts.command),
            (_, Some(_)) => reading,
        }
    }

    fn handle_timeout(&mut self) {
        self.framer.unpark();
        if self.failed.is_some() || self.phase == Phase::Closed {
            return;
        }
        let waiting_for = match &self.current {
            Some(Current { due: Due::Body(_), .. }) => "a message",
            Some(Current { due: Due::Response, .. }) => "a response to a challenge",
            _ => "a command",
        };
        self.write_reply(&Reply::of(ReplyCode::UNAVAILABLE, 4, 2, "Timeout, closing connection"));
        self.failed = Some(Error::TimedOut { waiting_for });
    }

    fn upgraded(&mut self, upgrade: Upgrade) {
        if upgrade == Upgrade::Tls && self.phase == Phase::Upgrading && self.failed.is_none() {
            self.tls = true;
            self.session = Session::new();
            self.framer = LineFramer::new();
            self.phase = Phase::Open;
            self.offer();
        }
    }

    /// Sends a challenge. To end the exchange, [`reply`](Connection::reply).
    fn send_auth(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>> {
        self.framer.unpark();
        let reason = match (&mut self.current, &step) {
            _ if self.failed.is_some() || self.phase == Phase::Closed => Misuse::Closed,
            (Some(Current { due: due @ Due::Reply, rules, .. }), SaslStep::Data(data))
                if rules.effect == Effect::Auth =>
            {
                self.output.write(|out| {
                    out.extend_from_slice(b"334 ");
                    sasl::encode(data.expose(), out);
                    out.extend_from_slice(b"\r\n");
                });
                *due = Due::Response;
                return Ok(());
            }
            (Some(Current { due: Due::Reply, rules, .. }), _) if rules.effect == Effect::Auth => {
                Misuse::WrongAnswer("a server ends an exchange by a reply")
            }
            _ => Misuse::WrongState("no SASL exchange waits"),
        };
        Err(SendError::new(reason, step))
    }

    fn close(&mut self) {
        self.framer.unpark();
        self.phase = Phase::Closed;
    }
}
