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

mod chunk;
mod config;
mod event;
#[cfg_attr(not(feature = "extensions"), path = "unlimited.rs")]
mod limits;
mod read;
mod rules;
mod send;
mod state;

use core::{borrow::Borrow, time::Duration};

use bytes::Bytes;
use mailwire_core::{
    Error, Misuse, Output, SaslStep, SendError, Ticket, Upgrade, WrongState,
    dot::{CheckedText, Mended, Stuffer},
    machine, machine_methods,
    private::{Gate, NulSearch},
};

pub use config::{Config, Timeouts};
pub use event::{Event, Outcome};
use state::{Body, Machine, Part, Phase, Progress, Queued, Sending, Session};

use crate::{Capabilities, Command, Mail, Rcpt, ReplyFramer, State, command::Effect};

machine! {
    /// The client's state machine. See the [module](self).
    pub struct Connection of Machine in State, parked by |machine| machine.framer.lines();
}

impl Connection {
    /// A client at the beginning of a connection.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut machine = Machine::new(config);
        if machine.config.early_hello {
            machine.early_hello();
        }
        Self(Gate::new(machine))
    }

    /// What the server offers. Nothing before [`Event::Capabilities`], until which they are not
    /// [known](Capabilities::is_known).
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.0.session.capabilities
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

    /// Whether every command is answered and no message is under way, so that the connection could
    /// be kept for later.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.failed.is_none()
            && self.0.phase == Phase::Ready
            && self.0.session.queue.is_empty()
            && self.0.session.in_flight.is_empty()
            && matches!(self.0.session.body, Body::None)
            && self.0.session.sending != Sending::Chunks
            && self.0.output.is_empty()
    }

    /// Whether the conversation is over, by its end or by an error: nothing more can be sent.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.failed.is_some() || self.0.eof || matches!(self.0.phase, Phase::Leaving | Phase::Closed)
    }

    /// What is known of the message that waits for its answer or, if none does, of the one whose MAIL
    /// was sent last.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.0.session.progress {
            Progress::Unfinished => Outcome::NotSent,
            Progress::Ended(end) if !self.0.output.has_left(end) => Outcome::NotSent,
            Progress::Ended(_) => Outcome::Unknown,
            Progress::Answered { accepted: true } => Outcome::Accepted,
            Progress::Answered { accepted: false } => Outcome::Refused,
        }
    }

    /// What is known of the message whose DATA or last BDAT has this ticket, as long as the server has not answered
    /// it: [`NotSent`](Outcome::NotSent) or [`Unknown`](Outcome::Unknown). For a caller that begins the next
    /// transaction before that, so that [`outcome`](Self::outcome) is about two messages.
    #[must_use]
    pub fn outcome_of(&self, message: Ticket) -> Outcome {
        let due = self.0.session.in_flight.iter().find(|due| match due.part {
            Part::Recipient { data, .. } => data == message,
            Part::Message => due.ticket == message,
            Part::Line | Part::Chunk | Part::Empty => false,
        });
        match due {
            Some(due) if self.0.output.has_left(due.end) => Outcome::Unknown,
            _ => Outcome::NotSent,
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
    /// the server does not offer support of; a mechanism that shows the secret, without TLS; a raw
    /// XEXCH50, TURN or the like, which would change what the bytes or the session after it are; BDAT, which is
    /// [`send_chunk`](Self::send_chunk)'s; a command of a transaction after a refused chunk, before RSET; too many
    /// commands waiting.
    #[allow(clippy::result_large_err)] // The command is handed back.
    pub fn send(&mut self, command: Command) -> Result<Ticket, SendError<Command>> {
        if matches!(command, Command::Bdat { .. }) {
            return Err(SendError::new(Misuse::WrongState(WrongState::OwnCall), command));
        }
        if let Err(reason) = self.0.permits(&command) {
            return Err(SendError::new(reason, command));
        }
        if let Command::Burl(burl) = command {
            return self.0.give_burl(burl);
        }
        self.0.session.begin(&command);
        if matches!(command, Command::Quit) {
            self.0.phase = Phase::Leaving;
        }
        let ticket = self.0.tickets.issue();
        self.0.session.queue.push_back(Queued { ticket, command });
        self.0.flush();
        Ok(ticket)
    }

    /// Checks a transaction before its MAIL is sent: whether the server offers all that MAIL and RCPT say, and takes so
    /// many recipients at once.
    ///
    /// # Errors
    ///
    /// What [`send`](Self::send) would refuse of these commands, if they were the next ones.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_smtp::{Channel, Mail, Mailbox, Rcpt, ReversePath, client, extensions::dsn::Notify};
    ///
    /// // Before the server has said what it offers, it offers nothing.
    /// let client = client::Connection::new(client::Config::new("client.example".try_into()?, Channel::Tls));
    /// let bob = Rcpt::new(Mailbox::try_from("bob@example.org")?);
    /// assert!(client.check_transaction(&Mail::new(ReversePath::Null), [&bob]).is_ok());
    /// let bob = bob.with_notify(Notify::NEVER);
    /// assert!(client.check_transaction(&Mail::new(ReversePath::Null), [&bob]).is_err());
    /// # Ok::<(), mailwire_smtp::Invalid>(())
    /// ```
    pub fn check_transaction(
        &self,
        mail: &Mail,
        recipients: impl IntoIterator<Item = impl Borrow<Rcpt>>,
    ) -> Result<(), Misuse> {
        self.0.session.permits_transaction(mail, recipients)
    }

    /// Tells which of these recipients can be in the next transaction together, by the limits that the server has
    /// announced ([RFC 9422](https://www.rfc-editor.org/rfc/rfc9422)): an answer for each, with the limit that forbids it.
    pub fn room_for<'r>(
        &self,
        recipients: impl IntoIterator<Item = &'r Rcpt>,
    ) -> impl Iterator<Item = Result<(), Misuse>> {
        self.0.session.room_for(recipients)
    }

    /// Checks a message before its MAIL is sent: whether [`send_body`](Self::send_body) and
    /// [`finish_body`](Self::finish_body) would take it, and which CRs and LFs that stand alone they would mend. It takes
    /// about as long as copying it.
    ///
    /// # Errors
    ///
    /// As for [`send_body`](Self::send_body), and the connection is not harmed.
    pub fn check_body(&self, message: &Bytes) -> Result<Mended, Misuse> {
        self.check_pieces(core::iter::once(message))
    }

    /// Looks through a message in pieces, as [`check_body`](Self::check_body) does.
    ///
    /// # Errors
    ///
    /// Those of `check_body`.
    pub fn check_pieces<'a>(&self, pieces: impl Iterator<Item = &'a Bytes>) -> Result<Mended, Misuse> {
        const PIECE: usize = 64 * 1024;
        let mut nul = NulSearch::new();
        let mut stuffer = Stuffer::new(self.0.config.bare_newline);
        let mut output = Output::new(PIECE);
        for piece in pieces {
            if !self.0.config.allow_nul {
                nul.look(piece);
                no_nul(nul.found())?;
            }
            let mut rest = piece.clone();
            while !rest.is_empty() {
                stuffer.push(rest.split_to(rest.len().min(PIECE)), &mut output)?;
                output.clear();
            }
        }
        stuffer.finish(&mut output)
    }

    /// Sends a part of the message: takes what fits into the output off the front of `chunk`, which
    /// is not copied unless it is small, and leaves the rest for when the output was drained.
    ///
    /// # Errors
    ///
    /// No [`Event::BodyRequested`] came; or a CR or LF that stands alone, under
    /// [`BareNewline::Refuse`](mailwire_core::dot::BareNewline::Refuse); or a NUL, unless
    /// [`allow_nul`](Config::allow_nul) is set. A part of the message is out
    /// by then, and its end must not be: all that is left is to close the connection. The server
    /// will not have accepted anything.
    pub fn send_body(&mut self, chunk: &mut Bytes) -> Result<usize, Misuse> {
        let room = self.0.output.room().min(chunk.len());
        self.0.with_stuffer(|stuffer, nul, output| {
            if room > 0 {
                let piece = chunk.split_to(room);
                if let Some(nul) = nul {
                    nul.look(&piece);
                    no_nul(nul.found())?;
                }
                stuffer.push(piece, output)?;
            }
            Ok(room)
        })
    }

    /// Sends a part of the message by BDAT ([RFC 3030 section
    /// 2](https://www.rfc-editor.org/rfc/rfc3030#section-2)), now or as soon as the protocol allows: when MAIL and
    /// RCPT are answered, and with PIPELINING without waiting for the answers to the chunks before. The chunk is
    /// taken whole, and not copied unless it is small; `last` ends the message, with an empty chunk, too.
    ///
    /// Each chunk is answered with a [`Reply`](Event::Reply) of its ticket, the last one in LMTP with a
    /// [`RecipientReply`](Event::RecipientReply) for each accepted recipient. A refusal fails the transaction: no
    /// chunk is sent after it ([`NotSent`](Event::NotSent)), and [`RSET`](Command::Rset) has to come before the
    /// next MAIL. It may be given before the answer is there.
    ///
    /// [`Next::Paused`](mailwire_core::Next::Paused) asks for the next chunk.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bytes::{Buf, Bytes, BytesMut};
    /// # use mailwire_smtp::{Channel, Command, Connection as _, Mail, Mailbox, Next, Rcpt, client};
    /// # let config = client::Config::new("client.example".try_into()?, Channel::Tls);
    /// # let mut client = client::Connection::new(config);
    /// # let mut input = BytesMut::from("220 mx\r\n");
    /// # client.next_event(&mut input)?;
    /// # client.output().clear();
    /// # input.extend_from_slice(b"250-mx.example\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    /// # client.next_event(&mut input)?;
    /// client.send(Command::Mail(Mail::new(Mailbox::try_from("a@client.example")?)))?;
    /// client.send(Command::Rcpt(Rcpt::new(Mailbox::try_from("b@mx.example")?)))?;
    /// client.send_chunk(Bytes::from_static(b"Subject: dots\r\n\r\n"), false)?;
    /// client.send_chunk(Bytes::from_static(b".\r\n"), true)?;
    /// # client.output().clear();
    ///
    /// input.extend_from_slice(b"250 ok\r\n250 ok\r\n");
    /// while !matches!(client.next_event(&mut input)?, Next::NeedInput) {}
    /// let output = client.output();
    /// let written = output.copy_to_bytes(output.remaining());
    /// assert_eq!(written, "BDAT 17\r\nSubject: dots\r\n\r\nBDAT 3 LAST\r\n.\r\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Hands the chunk back, and the connection is not harmed: as for [`send`](Self::send); DATA was given for this
    /// message; a CR or LF that stands alone, under [`BareNewline::Refuse`](mailwire_core::dot::BareNewline::Refuse), or a
    /// NUL, unless [`allow_nul`](Config::allow_nul) is set: but with BODY=BINARYMIME any bytes can be sent.
    pub fn send_chunk(&mut self, chunk: Bytes, last: bool) -> Result<Ticket, SendError<Bytes>> {
        self.0.give_chunk(chunk, last)
    }

    /// Sends a part of the message by BDAT, as [`send_chunk`](Self::send_chunk) does, but does not look through it: a message that goes to
    /// several servers, or is tried again, is looked through once.
    ///
    /// # Errors
    ///
    /// Those of `send_chunk`.
    pub fn send_text(&mut self, chunk: CheckedText, last: bool) -> Result<Ticket, SendError<CheckedText>> {
        self.0.give_text(chunk, last)
    }

    /// Returns which CRs and LFs that stood alone were made CR LF in the message that is being given, or was given last,
    /// under [`BareNewline::Normalize`](mailwire_core::dot::BareNewline::Normalize).
    #[must_use]
    pub fn mended(&self) -> Mended {
        match &self.0.session.body {
            Body::Sending { stuffer, .. } => stuffer.mended(),
            _ => self.0.session.mended,
        }
    }

    /// Ends the message. Its answer is a [`Reply`](Event::Reply) with the ticket of DATA; in LMTP, a
    /// [`RecipientReply`](Event::RecipientReply) for each accepted recipient.
    ///
    /// # Errors
    ///
    /// As for [`send_body`](Self::send_body).
    pub fn finish_body(&mut self) -> Result<(), Misuse> {
        self.0.end_body()
    }
}

/// Refuses a body with a NUL.
fn no_nul(found: Option<u64>) -> Result<(), Misuse> {
    found.map_or(Ok(()), |offset| Err(Misuse::InvalidBody { reason: "a NUL", offset }))
}

impl mailwire_core::Connection for Connection {
    machine_methods!(Event);

    fn timeout(&self) -> Option<Duration> {
        let timeouts = &self.0.config.timeouts;
        if self.0.failed.is_some() {
            return None;
        }
        match self.0.phase {
            Phase::Greeting => Some(timeouts.greeting),
            Phase::Hello { .. } | Phase::StartTls { .. } => Some(timeouts.command),
            Phase::Upgrading | Phase::Closed => None,
            Phase::Ready | Phase::Leaving => {
                if !self.0.output.is_empty() && self.0.is_sending_body() {
                    return Some(timeouts.body);
                }
                if self.0.session.is_challenged() {
                    return None;
                }
                let due = self.0.session.in_flight.front()?;
                Some(match (due.part, due.rules.effect) {
                    (Part::Line, Effect::Mail) => timeouts.mail,
                    (Part::Line, Effect::Rcpt) => timeouts.rcpt,
                    (Part::Line, Effect::Data) => timeouts.data,
                    (Part::Line, _) => timeouts.command,
                    _ => timeouts.body_reply,
                })
            }
        }
    }

    fn handle_timeout(&mut self) {
        let waiting_for = match self.0.phase {
            Phase::Closed | Phase::Upgrading => return,
            Phase::Greeting => "the greeting",
            Phase::Hello { .. } => "the reply to EHLO",
            Phase::StartTls { .. } => "the reply to STARTTLS",
            Phase::Ready | Phase::Leaving => match self.0.session.in_flight.front() {
                Some(due) => due.waiting_for(),
                None => "the server to take the message",
            },
        };
        self.0.failed.get_or_insert(Error::TimedOut { waiting_for });
    }

    fn is_part(event: &Event) -> bool {
        matches!(event, Event::RecipientReply { last: false, .. } | Event::Malformed { ticket: None, .. })
    }

    fn is_asked_for(&self, event: &Event) -> bool {
        !matches!(event, Event::Malformed { .. })
    }

    fn upgraded(&mut self, upgrade: Upgrade) {
        if upgrade == Upgrade::Tls && self.0.phase == Phase::Upgrading && self.0.failed.is_none() {
            self.0.session = Session::new(true);
            self.0.framer = ReplyFramer::new();
            self.0.hello(false);
        }
    }

    fn send_auth(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>> {
        self.0.answer_challenge(&step).map_err(|reason| SendError::new(reason, step))
    }

    fn close(&mut self) {
        self.0.phase = Phase::Closed;
    }
}
