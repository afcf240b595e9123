//! The client's side of a connection.
//!
//! [`Connection`] does by itself what every client does: it waits for the greeting, sends EHLO
//! (LHLO in LMTP, HELO where EHLO is refused), STARTTLS and EHLO again where TLS is wanted, and
//! then says [`Event::Capabilities`]. From then on [`send`](Connection::send) takes commands, and
//! every answer comes with the ticket of its command.
//!
//! Commands are written in groups where the server offers PIPELINING: MAIL, RCPT and DATA given one
//! after the other leave in one write. Where it does not, the machine keeps them and sends each
//! after the reply to the one before.
//!
//! ```
//! use bytes::{Buf, Bytes, BytesMut};
//! use mailwire_smtp::{Channel, Command, Connection as _, Mail, Mailbox, Next, Rcpt, client};
//!
//! // Stands for a socket: what the server says, and what it is told.
//! fn written(client: &mut client::Connection) -> Bytes {
//!     let output = client.output();
//!     output.copy_to_bytes(output.remaining())
//! }
//!
//! let config = client::Config::new("client.example".try_into()?, Channel::Tls);
//! let mut client = client::Connection::new(config);
//! let mut input = BytesMut::from("220 mx.example ESMTP\r\n");
//! assert!(matches!(client.next_event(&mut input)?, Next::Event(client::Event::Greeting { .. })));
//! assert!(matches!(client.next_event(&mut input)?, Next::NeedInput));
//! assert_eq!(written(&mut client), "EHLO client.example\r\n");
//!
//! input.extend_from_slice(b"250-mx.example\r\n250 PIPELINING\r\n");
//! assert!(matches!(client.next_event(&mut input)?, Next::Event(client::Event::Capabilities { .. })));
//! client.send(Command::Mail(Mail::new(Mailbox::try_from("a@client.example")?)))?;
//! client.send(Command::Rcpt(Rcpt::new(Mailbox::try_from("b@mx.example")?)))?;
//! let data = client.send(Command::Data)?;
//! assert_eq!(written(&mut client), "MAIL FROM:<a@client.example>\r\nRCPT TO:<b@mx.example>\r\nDATA\r\n");
//!
//! input.extend_from_slice(b"250 ok\r\n250 ok\r\n354 go on\r\n");
//! loop {
//!     match client.next_event(&mut input)? {
//!         Next::Event(client::Event::Reply { reply, .. }) => assert!(reply.is_positive()),
//!         Next::Event(client::Event::BodyRequested { .. }) => break,
//!         other => panic!("{other:?}"),
//!     }
//! }
//! let mut body = Bytes::from_static(b"Subject: dots\r\n\r\n.\r\n");
//! client.send_body(&mut body)?;
//! client.finish_body()?;
//! assert_eq!(written(&mut client), "Subject: dots\r\n\r\n..\r\n.\r\n");
//!
//! input.extend_from_slice(b"250 2.0.0 queued\r\n");
//! let Next::Event(client::Event::Reply { ticket, reply, .. }) = client.next_event(&mut input)? else { panic!() };
//! assert!(ticket == data && reply.is_positive());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod event;
mod read;
mod state;

use core::time::Duration;

use bytes::{Bytes, BytesMut};
use mailwire_core::{
    Channel, Error, Misuse, Next, Output, SaslStep, SendError, Ticket, Tickets, Upgrade, dot::Stuffer, sasl,
};

pub use config::{Config, Timeouts};
pub use event::{Event, Outcome};
use state::{Body, InFlight, Kind, Phase, Progress, Session};

use crate::{Auth, BodyType, Capabilities, Capability, Command, ReplyFramer};

/// RFC 5321 section 4.5.3.1.4: an AUTH command that would be longer is sent without its initial
/// response (RFC 4954 section 4).
const COMMAND_LINE: usize = 512;

/// The client's state machine. See the [module](self).
#[derive(Debug)]
pub struct Connection {
    config: Config,
    output: Output,
    /// The bytes that were ever put into the output.
    put: u64,
    framer: ReplyFramer,
    tickets: Tickets,
    phase: Phase,
    session: Session,
    /// What poisoned the connection.
    failed: Option<Error>,
    tls: bool,
    eof: bool,
    noise: usize,
}

impl Connection {
    /// A client at the beginning of a connection.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            output: Output::new(config.limits.output),
            put: 0,
            framer: ReplyFramer::new(),
            tickets: Tickets::new(),
            phase: Phase::Greeting,
            session: Session::new(),
            failed: None,
            tls: config.channel == Channel::Tls,
            eof: false,
            noise: 0,
            config,
        }
    }

    /// What the server offers. Nothing before [`Event::Capabilities`].
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        &self.session.capabilities
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

    /// Whether every command is answered and no message is under way, so that the connection could
    /// be kept for later.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.failed.is_none()
            && self.phase == Phase::Ready
            && self.session.queue.is_empty()
            && self.session.in_flight.is_empty()
            && matches!(self.session.body, Body::None)
            && self.output.is_empty()
    }

    /// What is known of the message that waits for its answer or, if none does, of the one whose MAIL
    /// was sent last.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.session.progress {
            Progress::Unfinished => Outcome::NotSent,
            Progress::Ended(end) if self.drained() < end => Outcome::NotSent,
            Progress::Ended(_) => Outcome::Unknown,
            Progress::Answered { accepted: true } => Outcome::Accepted,
            Progress::Answered { accepted: false } => Outcome::Refused,
        }
    }

    /// Sends a command, now or as soon as the protocol allows.
    ///
    /// EHLO, HELO, LHLO and STARTTLS are the machine's own. After DATA comes
    /// [`Event::BodyRequested`] or the refusal; commands given meanwhile wait.
    ///
    /// # Errors
    ///
    /// Hands the command back: before [`Event::Capabilities`]; a parameter, mechanism or address that
    /// the server does not offer support of; credentials without TLS; too many commands waiting.
    #[allow(clippy::result_large_err)] // The command is handed back.
    pub fn send(&mut self, command: Command) -> Result<Ticket, SendError<Command>> {
        self.framer.unpark();
        if let Err(reason) = self.check(&command) {
            return Err(SendError::new(reason, command));
        }
        match &command {
            Command::Mail(mail) => {
                self.session.smtp_utf8 = mail.smtp_utf8;
                self.session.begin();
            }
            Command::Quit => self.phase = Phase::Leaving,
            _ => {}
        }
        let ticket = self.tickets.issue();
        self.session.queue.push_back((ticket, command));
        self.flush();
        Ok(ticket)
    }

    fn check(&self, command: &Command) -> Result<(), Misuse> {
        if self.failed.is_some() {
            return Err(Misuse::Closed);
        }
        match self.phase {
            Phase::Ready => {}
            Phase::Leaving | Phase::Closed => return Err(Misuse::Closed),
            _ => return Err(Misuse::WrongState("the server's capabilities are not known yet")),
        }
        let limit = self.config.limits.queue;
        if self.session.queue.len() + self.session.in_flight.len() >= limit {
            return Err(Misuse::Full { limit });
        }
        let capabilities = &self.session.capabilities;
        let offers = |capability: Capability, name: &'static str| {
            if capabilities.has(&capability) { Ok(()) } else { Err(Misuse::NotOffered(name)) }
        };
        const INTERNATIONAL: Misuse =
            Misuse::WrongState("an address beyond ASCII, and MAIL without SMTPUTF8");
        match command {
            Command::Ehlo(_) | Command::Helo(_) | Command::Lhlo(_) | Command::StartTls => {
                Err(Misuse::WrongState("the machine sends this command by itself"))
            }
            Command::Mail(mail) => {
                match (mail.size, capabilities.size()) {
                    (Some(_), None) => return Err(Misuse::NotOffered("SIZE")),
                    (Some(size), Some(Some(limit))) if size > limit => {
                        return Err(Misuse::NotOffered("messages of this size"));
                    }
                    _ => {}
                }
                match mail.body {
                    Some(BodyType::BinaryMime) => return Err(Misuse::NotOffered("BINARYMIME")),
                    Some(_) => offers(Capability::EightBitMime, "8BITMIME")?,
                    None => {}
                }
                if mail.auth.is_some() && capabilities.auth().is_none() {
                    return Err(Misuse::NotOffered("AUTH"));
                }
                if mail.smtp_utf8 {
                    offers(Capability::SmtpUtf8, "SMTPUTF8")
                } else if mail.is_international() {
                    offers(Capability::SmtpUtf8, "SMTPUTF8")?;
                    Err(INTERNATIONAL)
                } else {
                    Ok(())
                }
            }
            Command::Rcpt(rcpt) if rcpt.is_international() && !self.session.smtp_utf8 => {
                offers(Capability::SmtpUtf8, "SMTPUTF8")?;
                Err(INTERNATIONAL)
            }
            Command::Auth(auth) => self.check_auth(auth),
            _ => Ok(()),
        }
    }

    fn check_auth(&self, auth: &Auth) -> Result<(), Misuse> {
        if !self.tls && !self.config.allow_clear_credentials {
            return Err(Misuse::CredentialsInClear);
        }
        if self.session.authenticated {
            return Err(Misuse::WrongState("already authenticated"));
        }
        if self.session.mail_accepted {
            return Err(Misuse::WrongState("AUTH is not for within a transaction"));
        }
        match self.session.capabilities.auth() {
            None => Err(Misuse::NotOffered("AUTH")),
            Some(mechanisms) if mechanisms.contains(&auth.mechanism) => Ok(()),
            Some(_) => Err(Misuse::NotOffered("this SASL mechanism")),
        }
    }

    /// Sends a part of the message: takes what fits into the output off the front of `chunk`, which
    /// is not copied unless it is small, and leaves the rest for when the output was drained.
    ///
    /// # Errors
    ///
    /// No [`Event::BodyRequested`] came; or a CR or LF that stands alone, under
    /// [`BareNewline::Refuse`](mailwire_core::dot::BareNewline::Refuse). A part of the message is out
    /// by then, and its end must not be: all that is left is to close the connection. The server
    /// will not have accepted anything.
    pub fn send_body(&mut self, chunk: &mut Bytes) -> Result<usize, Misuse> {
        self.framer.unpark();
        let room = self.output.room().min(chunk.len());
        self.with_stuffer(|stuffer, output| {
            if room > 0 {
                stuffer.push(chunk.split_to(room), output)?;
            }
            Ok(room)
        })
    }

    /// Ends the message. Its answer is a [`Reply`](Event::Reply) with the ticket of DATA; in LMTP, a
    /// [`RecipientReply`](Event::RecipientReply) for each accepted recipient.
    ///
    /// # Errors
    ///
    /// As for [`send_body`](Self::send_body).
    pub fn finish_body(&mut self) -> Result<(), Misuse> {
        self.framer.unpark();
        let Body::Sending { ticket, .. } = self.session.body else {
            return self.with_stuffer(|_, _| Ok(()));
        };
        self.with_stuffer(|stuffer, output| stuffer.finish(output))?;
        self.session.body = Body::None;
        let end = self.put;
        self.session.progress = Progress::Ended(end);
        if self.config.lmtp {
            let mut left = self.session.accepted.len();
            for recipient in &self.session.accepted {
                left -= 1;
                let kind = Kind::RecipientEnd { data: ticket, last: left == 0 };
                self.session.in_flight.push_back(InFlight { ticket: *recipient, kind, end });
            }
        } else {
            self.session.in_flight.push_back(InFlight { ticket, kind: Kind::BodyEnd, end });
        }
        self.flush();
        Ok(())
    }

    fn with_stuffer<T>(
        &mut self,
        push: impl FnOnce(&mut Stuffer, &mut Output) -> Result<T, Misuse>,
    ) -> Result<T, Misuse> {
        if self.failed.is_some() || self.phase == Phase::Closed {
            return Err(Misuse::Closed);
        }
        let before = self.output.len();
        let result = match &mut self.session.body {
            Body::Sending { stuffer, .. } => push(stuffer, &mut self.output),
            Body::Broken(reason) => return Err(*reason),
            Body::None => return Err(Misuse::WrongState("no message was asked for")),
        };
        self.put += self.output.len().saturating_sub(before) as u64;
        if let Err(reason) = result {
            self.session.body = Body::Broken(reason);
        }
        result
    }

    /// Bytes that have left the output.
    fn drained(&self) -> u64 {
        self.put.saturating_sub(self.output.len() as u64)
    }

    /// Writes to the output, and says where that ends.
    fn write(&mut self, write: impl FnOnce(&mut alloc::vec::Vec<u8>)) -> u64 {
        let before = self.output.len();
        self.output.write(write);
        self.put += self.output.len().saturating_sub(before) as u64;
        self.put
    }

    /// Writes the commands whose turn it is (RFC 2920 section 3.1).
    fn flush(&mut self) {
        while matches!(self.phase, Phase::Ready | Phase::Leaving)
            && matches!(self.session.body, Body::None)
            && !self.output.is_full()
        {
            match self.session.in_flight.back() {
                Some(last) if !(self.session.pipelining && last.kind.groups()) => return,
                _ => {}
            }
            let Some((ticket, mut command)) = self.session.queue.pop_front() else { return };
            if let Command::Auth(auth) = &mut command {
                self.session.held_initial = take_long_initial(auth);
            }
            let end = self.write(|out| command.write(out));
            self.session.in_flight.push_back(InFlight { ticket, kind: Kind::of(&command), end });
        }
    }

    fn fail<T>(&mut self, error: Error) -> Result<T, Error> {
        self.failed = Some(error);
        Err(error)
    }
}

/// The initial response, if the AUTH command would be too long with it.
fn take_long_initial(auth: &mut Auth) -> Option<mailwire_core::Secret> {
    let length = auth.initial.as_ref()?.expose().len().div_ceil(3) * 4;
    let line = "AUTH  \r\n".len() + auth.mechanism.as_bytes().len() + length;
    if line > COMMAND_LINE { auth.initial.take() } else { None }
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
        if self.failed.is_some() {
            return None;
        }
        match self.phase {
            Phase::Greeting => Some(timeouts.greeting),
            Phase::Hello { .. } | Phase::StartTls { .. } => Some(timeouts.command),
            Phase::Upgrading | Phase::Closed => None,
            Phase::Ready | Phase::Leaving => {
                if !self.output.is_empty() && !matches!(self.session.body, Body::None) {
                    return Some(timeouts.body);
                }
                let waiting = self.session.in_flight.front().filter(|waiting| waiting.end != u64::MAX)?;
                Some(match waiting.kind {
                    Kind::Mail => timeouts.mail,
                    Kind::Rcpt => timeouts.rcpt,
                    Kind::Data => timeouts.data,
                    Kind::BodyEnd | Kind::EmptyEnd | Kind::RecipientEnd { .. } => timeouts.body_reply,
                    Kind::Rset | Kind::Auth | Kind::Quit | Kind::Other => timeouts.command,
                })
            }
        }
    }

    fn handle_timeout(&mut self) {
        self.framer.unpark();
        let waiting_for = match self.phase {
            Phase::Closed | Phase::Upgrading => return,
            Phase::Greeting => "the greeting",
            Phase::Hello { .. } => "the reply to EHLO",
            Phase::StartTls { .. } => "the reply to STARTTLS",
            Phase::Ready | Phase::Leaving => match self.session.in_flight.front() {
                Some(waiting) => waiting.kind.waiting_for(),
                None => "the server to take the message",
            },
        };
        self.failed.get_or_insert(Error::TimedOut { waiting_for });
    }

    fn upgraded(&mut self, upgrade: Upgrade) {
        if upgrade == Upgrade::Tls && self.phase == Phase::Upgrading && self.failed.is_none() {
            self.tls = true;
            self.session = Session::new();
            self.framer = ReplyFramer::new();
            self.hello(false);
        }
    }

    fn send_auth(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>> {
        self.framer.unpark();
        let turn = match self.session.in_flight.front() {
            _ if self.failed.is_some() || self.phase == Phase::Closed => Err(Misuse::Closed),
            Some(InFlight { kind: Kind::Auth, end: u64::MAX, .. }) => Ok(()),
            _ => Err(Misuse::WrongState("no challenge waits for a response")),
        };
        if let Err(reason) = turn {
            return Err(SendError::new(reason, step));
        }
        self.respond(&step);
        Ok(())
    }

    fn close(&mut self) {
        self.framer.unpark();
        self.phase = Phase::Closed;
    }
}

impl Connection {
    /// Writes a response to a challenge; the reply that is due now answers it.
    fn respond(&mut self, step: &SaslStep) {
        let end = self.write(|out| {
            match step {
                SaslStep::Data(data) => sasl::encode(data.expose(), out),
                SaslStep::Cancel => out.push(b'*'),
            }
            out.extend_from_slice(b"\r\n");
        });
        if let Some(waiting) = self.session.in_flight.front_mut() {
            waiting.end = end;
        }
    }
}
