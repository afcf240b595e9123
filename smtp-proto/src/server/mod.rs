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

mod admit;
mod answer;
mod config;
mod event;
mod read;
mod state;

use alloc::vec::Vec;
use core::time::Duration;

use bytes::BytesMut;
use mailwire_core::{
    Channel, Error, LineFramer, Misuse, Next, Output, SaslStep, SendError, Ticket, Tickets, Upgrade,
    dot::{LineEnds, Unstuffer},
    sasl,
};

pub use answer::default_reply;
pub use config::{Config, Timeouts};
pub use event::{BodyRefusal, Event};
use read::Overlong;
use state::{Asked, Body, Phase, Session, Transaction};

use crate::{Capabilities, Capability, Mechanism, Reply, ReplyCode, reply::write_line};

/// The server's state machine. See the [module](self).
#[derive(Debug)]
pub struct Connection {
    config: Config,
    output: Output,
    framer: LineFramer,
    tickets: Tickets,
    phase: Phase,
    session: Session,
    /// What poisoned the connection.
    failed: Option<Error>,
    tls: bool,
    eof: bool,
    /// A line that passed its limit and whose end is not there yet.
    overlong: Option<Overlong>,
    /// What is offered now.
    offered: Capabilities,
    bad_commands: usize,
    idle_commands: usize,
    auth_failures: usize,
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
            phase: Phase::Commands,
            session: Session::default(),
            failed: None,
            tls: config.channel == Channel::Tls,
            eof: false,
            overlong: None,
            offered: Capabilities::new(),
            bad_commands: 0,
            idle_commands: 0,
            auth_failures: 0,
            secret_may_follow: false,
            config,
        };
        connection.offer();
        connection
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

    /// What is offered at this point: STARTTLS before TLS, AUTH where credentials are safe.
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        &self.offered
    }

    /// Changes [`Config::mechanisms`]: within TLS there are others, such as those that bind to it. The
    /// client learns of it by its next EHLO.
    pub fn set_mechanisms(&mut self, mechanisms: Vec<Mechanism>) {
        self.config.mechanisms = mechanisms;
        self.offer();
    }

    fn offer(&mut self) {
        let config = &self.config;
        self.offered = config
            .capabilities
            .iter()
            .filter_map(|capability| match capability {
                Capability::Size(None) => Some(Capability::Size(Some(config.limits.message))),
                Capability::StartTls | Capability::Auth(_) => None,
                other => Some(other),
            })
            .collect();
        if config.channel == Channel::StartTls && !self.tls {
            self.offered.push(Capability::StartTls);
        }
        let safe = self.tls || config.allow_clear_credentials;
        if safe && !config.mechanisms.is_empty() && !self.session.authenticated {
            self.offered.push(Capability::Auth(config.mechanisms.clone()));
        }
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
        match self.check_reply(ticket, &reply) {
            Ok(()) => {}
            Err(reason) => return Err(SendError::new(reason, reply)),
        }
        let Phase::Answering { ticket: asked_ticket, asked } =
            core::mem::replace(&mut self.phase, Phase::Commands)
        else {
            return Ok(());
        };
        let positive = reply.is_positive();
        match asked {
            Asked::Recipients(recipients) => {
                self.recipient_reply(asked_ticket, recipients, ticket, reply);
                return Ok(());
            }
            Asked::Hello(hello) if positive => {
                self.session.hello = Some(hello);
                self.hello_reply(hello, &reply);
                return Ok(());
            }
            Asked::Hello(_) => {
                self.output.write(|out| reply.write_with(None, out));
                self.close_if_unavailable(&reply);
                return Ok(());
            }
            Asked::Mail { smtp_utf8 } if positive => {
                self.session.transaction = Some(Transaction { smtp_utf8, tried: 0, recipients: Vec::new() });
            }
            Asked::Mail { .. } => self.session.mail_refused = true,
            Asked::Rcpt => {
                if let Some(transaction) = &mut self.session.transaction {
                    transaction.tried += 1;
                    if positive {
                        transaction.recipients.push(ticket);
                        self.idle_commands = 0;
                        self.session.orphans = 0;
                    }
                }
            }
            Asked::Auth if positive => {
                self.session.authenticated = true;
                self.offer();
            }
            Asked::Auth => {
                self.auth_failed();
                if self.failed.is_some() {
                    return Ok(());
                }
            }
            Asked::Message => self.session.transaction = None,
            // RFC 5321 section 4.1.1.4: a refusal of DATA ends the transaction.
            Asked::Data => self.session.transaction = None,
            Asked::Quit => self.phase = Phase::Closed,
            Asked::StartTls | Asked::Other => {}
        }
        self.write_reply(&reply);
        self.close_if_unavailable(&reply);
        Ok(())
    }

    fn check_reply(&self, ticket: Ticket, reply: &Reply) -> Result<(), Misuse> {
        if self.failed.is_some() || matches!(self.phase, Phase::Closed) {
            return Err(Misuse::Closed);
        }
        let Phase::Answering { ticket: expected, asked } = &self.phase else {
            return Err(Misuse::UnknownTicket);
        };
        let known = match asked {
            Asked::Recipients(recipients) => {
                ticket == *expected
                    || recipients.iter().any(|(recipient, reply)| *recipient == ticket && reply.is_none())
            }
            _ => ticket == *expected,
        };
        if !known {
            return Err(Misuse::UnknownTicket);
        }
        match asked {
            _ if reply.is_intermediate() => Err(Misuse::WrongAnswer("an intermediate reply")),
            Asked::Data if reply.is_positive() => Err(Misuse::WrongAnswer("DATA is granted by accept_body")),
            Asked::StartTls if reply.is_positive() => {
                Err(Misuse::WrongAnswer("STARTTLS is granted by accept_upgrade"))
            }
            _ => Ok(()),
        }
    }

    /// Grants DATA: 354, then the message comes as events.
    ///
    /// # Errors
    ///
    /// No DATA with this ticket waits for an answer.
    pub fn accept_body(&mut self, ticket: Ticket) -> Result<(), Misuse> {
        self.framer.unpark();
        match &self.phase {
            _ if self.failed.is_some() => return Err(Misuse::Closed),
            Phase::Answering { ticket: expected, asked: Asked::Data } if *expected == ticket => {}
            _ => return Err(Misuse::UnknownTicket),
        }
        self.output.put(b"354 Start mail input; end with <CRLF>.<CRLF>\r\n");
        let body =
            Body { unstuffer: Unstuffer::new(LineEnds::CrLf), started: false, length: 0, too_large: false };
        self.phase = Phase::Body { ticket, body };
        Ok(())
    }

    /// Refuses DATA: the same as a negative [`reply`](Self::reply).
    ///
    /// # Errors
    ///
    /// As for `reply`; also for a positive one.
    pub fn reject_body(&mut self, ticket: Ticket, reply: Reply) -> Result<(), SendError<Reply>> {
        match &self.phase {
            Phase::Answering { asked: Asked::Data, .. } => self.reply(ticket, reply),
            _ => Err(SendError::new(Misuse::UnknownTicket, reply)),
        }
    }

    /// Grants STARTTLS: 220, then [`Next::Upgrade`] once that is written.
    ///
    /// # Errors
    ///
    /// No STARTTLS with this ticket waits for an answer.
    pub fn accept_upgrade(&mut self, ticket: Ticket) -> Result<(), Misuse> {
        self.framer.unpark();
        match &self.phase {
            _ if self.failed.is_some() => return Err(Misuse::Closed),
            Phase::Answering { ticket: expected, asked: Asked::StartTls } if *expected == ticket => {}
            _ => return Err(Misuse::UnknownTicket),
        }
        self.write_reply(&Reply::of(ReplyCode::READY, 0, 0, "Ready to start TLS"));
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
        if self.failed.is_some() || matches!(self.phase, Phase::Closed) {
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
        match &self.phase {
            _ if self.failed.is_some() => None,
            Phase::Body { .. } => Some(self.config.timeouts.body),
            Phase::Commands | Phase::Refused | Phase::Challenged { .. } => Some(self.config.timeouts.command),
            // The client has to read what was written.
            Phase::Upgrading | Phase::Answering { .. } if !self.output.is_empty() => {
                Some(self.config.timeouts.command)
            }
            Phase::Upgrading | Phase::Answering { .. } | Phase::Closed => None,
        }
    }

    fn handle_timeout(&mut self) {
        self.framer.unpark();
        let waiting_for = match &self.phase {
            _ if self.failed.is_some() => return,
            Phase::Closed => return,
            Phase::Body { .. } => "a message",
            Phase::Challenged { .. } => "a response to a challenge",
            _ => "a command",
        };
        self.write_reply(&Reply::of(ReplyCode::UNAVAILABLE, 4, 2, "Timeout, closing connection"));
        self.failed = Some(Error::TimedOut { waiting_for });
    }

    fn upgraded(&mut self, upgrade: Upgrade) {
        if upgrade == Upgrade::Tls && matches!(self.phase, Phase::Upgrading) && self.failed.is_none() {
            self.tls = true;
            self.session = Session::default();
            self.framer = LineFramer::new();
            self.phase = Phase::Commands;
            self.offer();
        }
    }

    /// Sends a challenge. To end the exchange, [`reply`](Connection::reply).
    fn send_auth(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>> {
        self.framer.unpark();
        let ticket = match &self.phase {
            _ if self.failed.is_some() => return Err(SendError::new(Misuse::Closed, step)),
            Phase::Answering { ticket, asked: Asked::Auth } => *ticket,
            Phase::Closed => return Err(SendError::new(Misuse::Closed, step)),
            _ => return Err(SendError::new(Misuse::WrongState("no SASL exchange waits"), step)),
        };
        let SaslStep::Data(data) = &step else {
            return Err(SendError::new(Misuse::WrongAnswer("a server ends an exchange by a reply"), step));
        };
        self.output.write(|out| {
            out.extend_from_slice(b"334 ");
            sasl::encode(data.expose(), out);
            out.extend_from_slice(b"\r\n");
        });
        self.phase = Phase::Challenged { ticket };
        Ok(())
    }

    fn close(&mut self) {
        self.framer.unpark();
        self.phase = Phase::Closed;
    }
}
