//! The server's side of a connection.
//!
//! [`Connection`] writes the greeting when it is made, reads commands one at a time, refuses by
//! itself what is no command, out of order, not offered or beyond a limit, and hands on the rest
//! as [`Event::Command`]. The application answers each with its ticket:
//!
//! | command | answer |
//! | --- | --- |
//! | DATA, BDAT | [`accept_body`](Connection::accept_body), or a refusal by [`reply`](Connection::reply) |
//! | STARTTLS | [`accept_upgrade`](Connection::accept_upgrade), or a refusal by `reply` |
//! | AUTH | [`send_auth`](mailwire_core::Connection::send_auth) with a challenge, or `reply` with 235 or a refusal |
//! | XCLIENT | `reply`; after a positive one the machine greets the client anew, and the session is at its beginning |
//! | BURL | `reply`, once what the URL leads to was fetched and put after what came of the message before; with `LAST` that is the answer to the message |
//! | all others | `reply`; [`default_reply`] has one for each |
//!
//! Where CHUNKING is offered, a message can come in chunks ([RFC 3030](https://www.rfc-editor.org/rfc/rfc3030)). The
//! first BDAT is asked of the application, the others the machine answers by itself: the message is one, with the
//! same events as that of DATA and the ticket of the first BDAT. A chunk is read by its length, and one that is
//! refused is dropped as it comes. What cannot be told from commands ends the connection: a BDAT without a length.
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
//!         Next::Event(server::Event::BodyEnd { ticket, length, .. }) => {
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

mod chunk;
mod config;
mod event;
mod read;
mod recipients;
mod rules;
mod send;
mod state;

use alloc::vec::Vec;
use core::time::Duration;

use mailwire_core::{
    Error, LineFramer, Misuse, SaslStep, SendError, Ticket, Upgrade, WrongAnswer, WrongState, machine,
    machine_methods,
    private::Gate,
    sasl::{self, Mechanism},
};

pub use config::{Config, Timeouts};
pub use event::{BodyRefusal, Event};
pub use send::default_reply;
use state::{Body, Current, Due, Machine, Phase, Session};

use crate::{Capabilities, Reply, ReplyCode, State, command::Effect};

machine! {
    /// The server's state machine. See the [module](self).
    pub struct Connection of Machine in State, parked by |machine| &mut machine.framer;
}

impl Connection {
    /// A server at the beginning of a connection. The greeting waits in the output.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut machine = Machine::new(config);
        machine.greet();
        Self(Gate::new(machine))
    }

    /// A server that greets with a refusal: after 554 the client may only send QUIT, after 521 or 421
    /// the conversation is over ([RFC 5321 section 3.1](https://www.rfc-editor.org/rfc/rfc5321#section-3.1),
    /// [RFC 7504](https://www.rfc-editor.org/rfc/rfc7504)).
    #[must_use]
    pub fn refuse(config: Config, reply: Reply) -> Self {
        let mut machine = Machine::new(config);
        machine.output.write(|out| reply.write_with(None, out));
        machine.phase = if reply.code() == ReplyCode::FAILED { Phase::Refused } else { Phase::Closed };
        Self(Gate::new(machine))
    }

    /// Whether an AUTH command succeeded.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.0.session.authenticated
    }

    /// Whether LMTP is spoken.
    #[must_use]
    pub fn is_lmtp(&self) -> bool {
        self.0.config.lmtp
    }

    /// What is offered at this point: STARTTLS before TLS, AUTH with the mechanisms that may be used over
    /// the stream as it is.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    /// Whether each accepted recipient can have a reply to the message of its own: in LMTP, and with PRDR.
    #[must_use]
    pub fn answers_each(&self) -> bool {
        self.0.config.lmtp || self.0.session.transaction.prdr
    }

    /// The RCPT commands of this transaction that were accepted, in order: who has a reply of its own in LMTP.
    /// There are none any more once the message is complete.
    #[must_use]
    pub fn recipients(&self) -> &[Ticket] {
        &self.0.session.transaction.recipients
    }

    /// Changes [`Config::mechanisms`]: within TLS there are others, such as those that bind to it. The
    /// client learns of it by its next EHLO.
    pub fn set_mechanisms(&mut self, mechanisms: Vec<Mechanism>) {
        self.0.config.mechanisms = mechanisms;
        self.0.offer();
    }

    /// Answers a command, or a message.
    ///
    /// A negative reply to MAIL, RCPT or DATA has the effect that [RFC
    /// 5321](https://www.rfc-editor.org/rfc/rfc5321) gives it. After the reply
    /// to QUIT, and after 421, the conversation is over. In LMTP, the ticket of DATA after a message
    /// stands for all recipients that are not answered yet.
    ///
    /// # Errors
    ///
    /// Hands the reply back: nothing with this ticket waits for an answer, or it is not an answer to
    /// that. Intermediate replies are the machine's own.
    pub fn reply(&mut self, ticket: Ticket, reply: Reply) -> Result<(), SendError<Reply>> {
        if let Err(reason) = self.0.permits_reply(ticket, &reply) {
            return Err(SendError::new(reason, reply));
        }
        self.0.answer(ticket, reply);
        Ok(())
    }

    /// Grants DATA, with 354, or the first BDAT of a message: then the message comes as events.
    ///
    /// # Errors
    ///
    /// No DATA and no BDAT with this ticket waits for an answer.
    pub fn accept_body(&mut self, ticket: Ticket) -> Result<(), Misuse> {
        if self.0.permits_chunk_grant(ticket).is_ok() {
            self.0.accept_chunk();
            return Ok(());
        }
        self.0.permits_grant(ticket, Effect::Data)?;
        self.0.output.put(b"354 Start mail input; end with <CRLF>.<CRLF>\r\n");
        self.0.session.state = Effect::Data.after(self.0.session.state);
        let allow_nul = self.0.config.allow_nul;
        if let Some(current) = &mut self.0.current {
            current.due = Due::Body(Body::new(allow_nul));
        }
        Ok(())
    }

    /// Refuses DATA or BDAT, as a negative [`reply`](Self::reply) does. The chunk of BDAT is dropped before the reply
    /// is written.
    ///
    /// # Errors
    ///
    /// As for `reply`; also for a positive one.
    pub fn reject_body(&mut self, ticket: Ticket, reply: Reply) -> Result<(), SendError<Reply>> {
        match self.0.permits_grant(ticket, Effect::Data).or_else(|_| self.0.permits_chunk_grant(ticket)) {
            Ok(()) => self.reply(ticket, reply),
            Err(reason) => Err(SendError::new(reason, reply)),
        }
    }

    /// Grants STARTTLS: 220, then [`Next::Upgrade`](mailwire_core::Next::Upgrade) once that is written.
    ///
    /// # Errors
    ///
    /// No STARTTLS with this ticket waits for an answer.
    pub fn accept_upgrade(&mut self, ticket: Ticket) -> Result<(), Misuse> {
        self.0.permits_grant(ticket, Effect::StartTls)?;
        self.0.write_reply(&Reply::of(ReplyCode::READY, 0, 0, "Ready to start TLS"));
        self.0.current = None;
        self.0.phase = Phase::Upgrading;
        Ok(())
    }

    /// Ends the conversation from this side, with a 421 that nothing asked for, or in place of the
    /// answer that is due.
    ///
    /// # Errors
    ///
    /// Any other code: SMTP knows no other unsolicited reply.
    pub fn goodbye(&mut self, reply: Reply) -> Result<(), SendError<Reply>> {
        if self.0.failed.is_some() || self.0.phase == Phase::Closed {
            return Err(SendError::new(Misuse::Closed, reply));
        }
        if reply.code() != ReplyCode::UNAVAILABLE {
            return Err(SendError::new(Misuse::WrongAnswer(WrongAnswer::NotGoodbye), reply));
        }
        self.0.write_reply(&reply);
        self.0.phase = Phase::Closed;
        Ok(())
    }
}

impl mailwire_core::Connection for Connection {
    machine_methods!(Event);

    fn timeout(&self) -> Option<Duration> {
        let timeouts = &self.0.config.timeouts;
        // While it is the application's turn, the client has to read what was written.
        let reading = if self.0.output.is_empty() { None } else { Some(timeouts.command) };
        match (self.0.phase, &self.0.current) {
            (Phase::Closed, _) => None,
            _ if self.0.failed.is_some() => None,
            (Phase::Upgrading, _) => reading,
            (_, Some(Current { due: Due::Body(_) | Due::Chunk(_) | Due::RefusedChunk(_), .. })) => {
                Some(timeouts.body)
            }
            (_, None | Some(Current { due: Due::Response, .. })) => Some(timeouts.command),
            (_, Some(_)) => reading,
        }
    }

    fn handle_timeout(&mut self) {
        if self.0.failed.is_some() || self.0.phase == Phase::Closed {
            return;
        }
        let waiting_for = match &self.0.current {
            Some(Current { due: Due::Body(_) | Due::Chunk(_) | Due::RefusedChunk(_), .. }) => "a message",
            Some(Current { due: Due::Response, .. }) => "a response to a challenge",
            _ => "a command",
        };
        self.0.write_reply(&Reply::of(ReplyCode::UNAVAILABLE, 4, 2, "Timeout, closing connection"));
        self.0.failed = Some(Error::TimedOut { waiting_for });
    }

    fn is_part(event: &Event) -> bool {
        matches!(event, Event::BodyStart { .. } | Event::BodyChunk(_))
    }

    fn is_at_rest(&self) -> bool {
        self.0.current.is_none() && self.0.overlong.is_none()
    }

    fn upgraded(&mut self, upgrade: Upgrade) {
        if upgrade == Upgrade::Tls && self.0.phase == Phase::Upgrading && self.0.failed.is_none() {
            self.0.session = Session::new(true);
            self.0.framer = LineFramer::new();
            self.0.phase = Phase::Open;
            self.0.offer();
        }
    }

    /// Sends a challenge. To end the exchange, [`reply`](Connection::reply).
    fn send_auth(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>> {
        let machine = &mut *self.0;
        let reason = match (&mut machine.current, &step) {
            _ if machine.failed.is_some() || machine.phase == Phase::Closed => Misuse::Closed,
            (Some(Current { due: due @ Due::Reply, rules, .. }), SaslStep::Data(data))
                if rules.effect == Effect::Auth =>
            {
                machine.output.write(|out| {
                    out.extend_from_slice(b"334 ");
                    sasl::encode(data.expose(), out);
                    out.extend_from_slice(b"\r\n");
                });
                *due = Due::Response;
                return Ok(());
            }
            (Some(Current { due: Due::Reply, rules, .. }), _) if rules.effect == Effect::Auth => {
                Misuse::WrongAnswer(WrongAnswer::Cancelled)
            }
            _ => Misuse::WrongState(WrongState::NothingDue("step of an exchange")),
        };
        Err(SendError::new(reason, step))
    }

    fn close(&mut self) {
        self.0.phase = Phase::Closed;
    }
}
