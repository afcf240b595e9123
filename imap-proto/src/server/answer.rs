//! What the application says.

use alloc::{collections::VecDeque, vec::Vec};

use bytes::Bytes;
use mailwire_core::{Error, Misuse, SendError, Ticket, Upgrade, WrongAnswer, WrongState};

use super::{
    Connection,
    rules::{permits_answer, permits_data},
    say::FAILED_LOGINS,
    state::{Current, Machine, Mode, Phase, Piece},
};
use crate::{
    body::Outgoing,
    command::{Effect, Then},
    response::{Code, Detached, Reply, ReplyKind, Response, Untagged},
};

impl Connection {
    /// Ends a command with OK, NO or BAD. The next command is read from then on.
    ///
    /// OK to LOGIN or AUTHENTICATE gets the new capabilities as its code, if it has none. OK to
    /// LOGOUT is preceded by BYE, and ends the connection. The message of an APPEND that was not
    /// complete is read past, whatever the answer.
    ///
    /// # Errors
    ///
    /// Hands the status back if it is none of the three, if the ticket is not that of the command
    /// in progress, or if the command cannot be ended so now.
    pub fn reply(&mut self, ticket: Ticket, status: Reply) -> Result<(), SendError<Reply>> {
        match self.0.check_reply(ticket, &status) {
            Err(reason) => Err(SendError::new(reason, status)),
            Ok(()) => {
                self.0.complete(status);
                Ok(())
            }
        }
    }

    /// Sends untagged data, at any time: what a command asks for, or what happened by itself.
    ///
    /// Each literal that is [`Data::Streamed`](crate::types::Data::Streamed) is then due, in order:
    /// give it with [`send_body`](Self::send_body) and [`finish_body`](Self::finish_body).
    ///
    /// # Errors
    ///
    /// Hands the data back:
    ///
    /// - EXPUNGE and VANISHED, at a time when sequence numbers must not change;
    /// - VANISHED, if neither QRESYNC nor UIDONLY is enabled;
    /// - EXPUNGE and FETCH, if UIDONLY is enabled, and UIDFETCH, if it is not;
    /// - BYE and PREAUTH: see [`goodbye`](Self::goodbye);
    /// - what has nothing that can be written;
    /// - any, if a literal is due, or if the output is full: drain it first.
    pub fn notify(&mut self, data: Untagged) -> Result<(), SendError<Untagged>> {
        if let Err(reason) = self.0.check_notify(&data) {
            return Err(SendError::new(reason, data));
        }
        let is_streamed = matches!(&data, Untagged::Fetch(fetch) if fetch.is_streamed());
        if let Untagged::Reply(reply) = &data {
            if reply.code == Some(Code::NotificationOverflow) {
                // As after NOTIFY NONE (RFC 5465 section 5.8).
                self.0.session.expunges_at_any_time = false;
            }
            self.0.untagged(reply);
            return Ok(());
        }
        let response = Response::Untagged(data);
        if is_streamed {
            self.0.pieces = pieces(&response);
            self.0.put_up_to_literal();
        } else {
            response.write_to(&mut self.0.output);
        }
        Ok(())
    }

    /// Ends the connection unasked with an untagged BYE: a shutdown, a client that is idle for too
    /// long. Of `reply` the code and the text are said, whatever its kind.
    ///
    /// # Errors
    ///
    /// Hands the reply back if the connection is over already, or if a literal is due.
    pub fn goodbye(&mut self, reply: Reply) -> Result<(), SendError<Reply>> {
        if self.0.failed.is_some() || self.0.phase != Phase::Running {
            return Err(SendError::new(Misuse::Closed, reply));
        }
        if !self.0.pieces.is_empty() {
            return Err(SendError::new(Misuse::WrongState(WrongState::Busy("the rest of a literal")), reply));
        }
        self.0.say_bye(reply);
        Ok(())
    }

    /// Gives the next part of the literal that is due. What fits into the output is taken off the
    /// front of `chunk`, without a copy.
    ///
    /// # Errors
    ///
    /// No literal is due, it would be longer than announced, or there is a NUL in what is not
    /// BINARY. Nothing is taken.
    pub fn send_body(&mut self, chunk: &mut Bytes) -> Result<usize, Misuse> {
        let machine = &mut *self.0;
        match machine.pieces.front_mut() {
            Some(Piece::Literal(body)) if machine.failed.is_none() => body.send(chunk, &mut machine.output),
            _ => Err(Misuse::WrongState(WrongState::NothingDue("literal"))),
        }
    }

    /// Ends the literal that is due. The next one of its response is due then, if there is one.
    ///
    /// # Errors
    ///
    /// No literal is due, or less was given than announced: give the rest, or
    /// [`close`](mailwire_core::Connection::close) the connection, which is the one way to take back
    /// what was announced.
    pub fn finish_body(&mut self) -> Result<(), Misuse> {
        match self.0.pieces.front() {
            Some(Piece::Literal(body)) => body.finish()?,
            _ => return Err(Misuse::WrongState(WrongState::NothingDue("literal"))),
        }
        self.0.pieces.pop_front();
        self.0.put_up_to_literal();
        Ok(())
    }

    /// Lets the client go on with the message of an APPEND. It comes as
    /// [`Event::BodyStart`](super::Event::BodyStart) and what follows that.
    ///
    /// # Errors
    ///
    /// The command is not an APPEND that waits for this.
    pub fn accept_body(&mut self, ticket: Ticket) -> Result<(), Misuse> {
        self.0.command(ticket)?;
        if !matches!(self.0.mode, Mode::Decision { .. }) {
            return Err(Misuse::WrongState(WrongState::NothingDue("message")));
        }
        self.0.begin_body();
        Ok(())
    }

    /// Refuses an APPEND before its message. If the client sends it nevertheless, without waiting
    /// for a go-ahead, it is read past.
    ///
    /// # Errors
    ///
    /// Hands the status back if it is not NO or BAD, or if the command is not an APPEND that waits
    /// for this.
    pub fn reject_body(&mut self, ticket: Ticket, status: Reply) -> Result<(), SendError<Reply>> {
        if !matches!(self.0.mode, Mode::Decision { .. }) {
            return Err(SendError::new(Misuse::WrongState(WrongState::NothingDue("message")), status));
        }
        self.reply(ticket, status)
    }

    /// Accepts STARTTLS or COMPRESS. The stream is to be replaced once the output is drained.
    ///
    /// # Errors
    ///
    /// The command is neither of them.
    pub fn accept_upgrade(&mut self, ticket: Ticket) -> Result<(), Misuse> {
        let text = match self.0.command(ticket)?.effect {
            Effect::StartTls => "begin TLS now",
            Effect::Compress => "compressed from now on",
            _ => return Err(Misuse::WrongAnswer(WrongAnswer::OtherCommand)),
        };
        self.0.complete(Reply::from_static(ReplyKind::Ok, text));
        Ok(())
    }

    /// Lets IDLE begin. It ends with [`Event::IdleDone`](super::Event::IdleDone).
    ///
    /// # Errors
    ///
    /// The command is not an IDLE that waits for this.
    pub fn accept_idle(&mut self, ticket: Ticket) -> Result<(), Misuse> {
        if self.0.command(ticket)?.effect != Effect::Idle || self.0.mode != Mode::Answer {
            return Err(Misuse::WrongAnswer(WrongAnswer::OtherCommand));
        }
        self.0.output.put(b"+ idling\r\n");
        self.0.mode = Mode::Idle;
        Ok(())
    }
}

impl Machine {
    fn check_reply(&self, ticket: Ticket, status: &Reply) -> Result<(), Misuse> {
        let current = self.command(ticket)?;
        permits_answer(current.effect, status)?;
        match self.mode {
            Mode::Answer => Ok(()),
            Mode::Decision { .. } | Mode::Body | Mode::Tail if !status.is_ok() => Ok(()),
            Mode::Decision { .. } | Mode::Body | Mode::Tail => {
                Err(Misuse::WrongAnswer(WrongAnswer::Incomplete))
            }
            Mode::Idle => Err(Misuse::WrongState(WrongState::Busy("the client's DONE"))),
            _ => Err(Misuse::WrongState(WrongState::Busy("the client's step of the exchange"))),
        }
    }

    /// The command in progress, if this is its ticket and it can be answered.
    fn command(&self, ticket: Ticket) -> Result<&Current, Misuse> {
        if self.failed.is_some() || self.phase != Phase::Running {
            return Err(Misuse::Closed);
        }
        if !self.pieces.is_empty() {
            return Err(Misuse::WrongState(WrongState::Busy("the rest of a literal")));
        }
        match &self.current {
            Some(current) if current.ticket == ticket => Ok(current),
            _ => Err(Misuse::UnknownTicket),
        }
    }

    /// Ends the command in progress.
    pub(super) fn complete(&mut self, mut reply: Reply) {
        let Some(current) = self.current.take() else { return };
        // Nothing more is told of it.
        if !self.events.is_empty() {
            self.events.clear();
        }
        if current.bad_end {
            reply = Reply::from_static(ReplyKind::Bad, "expected DONE");
        }
        let then = self.session.conclude(current.effect, reply.kind);
        match then {
            Then::LoggedIn => {
                self.renew_offer();
                if reply.code.is_none() {
                    reply.code = Some(self.offer_code());
                }
            }
            Then::Close => self.say_bye(Reply::from_static(ReplyKind::Bye, "logging out")),
            Then::LoggedOut => {
                self.log_out();
                if reply.code.is_none() {
                    reply.code = Some(self.offer_code());
                }
            }
            Then::Upgrade(upgrade) => self.phase = Phase::Upgrading(upgrade),
            Then::LoginFailed | Then::GoOn => {}
        }
        self.tagged(current.tag.as_text(), &reply);
        if then == Then::LoginFailed {
            self.session.auth_failures += 1;
            let limit = self.config.limits.auth_failures;
            if self.session.auth_failures >= limit {
                self.fail(Error::LimitExceeded { what: FAILED_LOGINS, limit: limit as u64 });
            }
        }
        self.mode = match self.mode {
            Mode::Decision { synchronizing: true, .. } => {
                self.framer.cancel();
                Mode::Command
            }
            Mode::Decision { .. } | Mode::Body => {
                self.framer.discard();
                Mode::Rest { skipped: 0 }
            }
            Mode::Tail => Mode::Rest { skipped: 0 },
            _ => Mode::Command,
        };
    }

    /// UNAUTHENTICATE: compression ends with the session.
    fn log_out(&mut self) {
        if self.session.compressed {
            self.phase = Phase::Upgrading(Upgrade::Uncompressed);
        }
        self.session = self.session.anew(self.session.tls);
        self.renew_offer();
    }

    fn check_notify(&self, data: &Untagged) -> Result<(), Misuse> {
        if self.failed.is_some() || self.phase != Phase::Running {
            return Err(Misuse::Closed);
        }
        if !self.pieces.is_empty() {
            return Err(Misuse::WrongState(WrongState::Busy("the rest of a literal")));
        }
        if self.output.is_full() {
            return Err(Misuse::Full { limit: self.output.limit() });
        }
        permits_data(data, self.current.as_ref(), &self.session)?;
        if data.has_form() { Ok(()) } else { Err(Misuse::WrongAnswer(WrongAnswer::Empty)) }
    }

    /// Puts out what stands before the next literal that the application gives.
    fn put_up_to_literal(&mut self) {
        while let Some(Piece::Bytes(bytes)) = self.pieces.front_mut() {
            self.output.append(core::mem::take(bytes));
            self.pieces.pop_front();
        }
    }
}

/// A response with literals that are given in chunks: they, and what stands between them.
fn pieces(response: &Response) -> VecDeque<Piece> {
    let (mut text, mut streamed, mut chained) = (Vec::new(), Vec::new(), Vec::new());
    response
        .write_detached(&mut text, &mut Detached { streamed: &mut streamed, chained: Some(&mut chained) });
    let chained = chained.into_iter().map(|(offset, bytes)| (offset, Piece::Bytes(bytes)));
    let streamed = streamed
        .into_iter()
        .map(|literal| (literal.offset, Piece::Literal(Outgoing::new(literal.length, literal.binary))));
    let mut detached: Vec<(usize, Piece)> = chained.chain(streamed).collect();
    detached.sort_by_key(|(offset, _)| *offset);
    let (mut text, mut at, mut pieces) = (Bytes::from(text), 0, VecDeque::new());
    for (offset, piece) in detached {
        let length = offset.saturating_sub(at).min(text.len());
        pieces.push_back(Piece::Bytes(text.split_to(length)));
        pieces.push_back(piece);
        at = offset;
    }
    pieces.push_back(Piece::Bytes(text));
    pieces
}
