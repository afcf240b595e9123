//! How replies, lines and messages leave.

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{
    Error, Misuse, Output, SaslStep, SendError, Ticket, WrongAnswer, WrongState, dot::Stuffer,
};

use super::{
    Connection,
    rules::Then,
    state::{Current, Phase, Stage},
};
use crate::{
    command::{Effect, Follows},
    reply::{Challenge, Listing, Reply},
};

impl Connection {
    /// Answers a command. Where a message or lines follow a positive reply, they are sent next, and
    /// ended with [`finish_body`](Self::finish_body).
    ///
    /// A response code is left out unless RESP-CODES is announced.
    ///
    /// # Errors
    ///
    /// Hands the reply back if it is no answer to this command, or not one line of at most 512
    /// octets of ASCII.
    pub fn reply(&mut self, ticket: Ticket, reply: Reply) -> Result<(), SendError<Reply>> {
        self.session.framer.unpark();
        match self.permits_reply(ticket, &reply) {
            Ok(()) => {
                self.put_reply(reply);
                Ok(())
            }
            Err(reason) => Err(SendError::new(reason, reply)),
        }
    }

    /// Answers an [application's own command](super::Config::extension_commands) with `+OK` and lines,
    /// which follow with [`send_line`](Self::send_line).
    ///
    /// # Errors
    ///
    /// As [`reply`](Self::reply), or it is another command.
    pub fn reply_with_lines(&mut self, ticket: Ticket, reply: Reply) -> Result<(), SendError<Reply>> {
        self.session.framer.unpark();
        match self.permits_lines(ticket, &reply) {
            Ok(()) => {
                self.put_status(reply);
                self.set_stage(Stage::Lines);
                Ok(())
            }
            Err(reason) => Err(SendError::new(reason, reply)),
        }
    }

    /// Agrees to STLS.
    ///
    /// # Errors
    ///
    /// No STLS waits for an answer.
    pub fn accept_upgrade(&mut self, ticket: Ticket) -> Result<(), Misuse> {
        self.session.framer.unpark();
        if self.answerable(ticket)?.rules.effect != Effect::StartTls {
            return Err(Misuse::WrongAnswer(WrongAnswer::OtherCommand));
        }
        self.put_status(Reply::ok("begin TLS negotiation"));
        self.session.current = None;
        self.session.phase = Phase::Upgrading;
        Ok(())
    }

    /// Ends the session with an `-ERR` that was not asked for: the server shuts down, or the client
    /// took too long. [`Next::Closed`](mailwire_core::Next::Closed) comes next. Nothing is deleted.
    ///
    /// If a command waits for its answer, this is the answer.
    ///
    /// # Errors
    ///
    /// Hands the reply back if it is not `-ERR`, if the session is over, or if it would stand within
    /// an answer: lines or a message that are being sent, or TLS that was agreed to.
    /// [`close`](mailwire_core::Connection::close) ends the session there.
    pub fn goodbye(&mut self, reply: Reply) -> Result<(), SendError<Reply>> {
        self.session.framer.unpark();
        match self.permits_goodbye(&reply) {
            Ok(()) => {
                self.put_status(reply);
                self.end();
                Ok(())
            }
            Err(reason) => Err(SendError::new(reason, reply)),
        }
    }

    /// Sends a part of the message that answers RETR or TOP, as it is: the machine stuffs dots. Takes
    /// from `chunk` what the output has room for, without copying it, and returns its length.
    ///
    /// # Errors
    ///
    /// No message is being sent, or it has a bare CR or LF and
    /// [`Config::bare_newline`](super::Config::bare_newline) refuses that: the connection then ends, as
    /// the message cannot be completed.
    pub fn send_body(&mut self, chunk: &mut Bytes) -> Result<usize, Misuse> {
        self.session.framer.unpark();
        let Some(Current { stage: Stage::Body(stuffer), .. }) = &mut self.session.current else {
            return Err(Misuse::WrongState(WrongState::NothingDue("message")));
        };
        let length = chunk.len().min(self.output.room());
        if length == 0 {
            return Ok(0);
        }
        let result = stuffer.push(chunk.split_to(length), &mut self.output);
        self.given_up(result)?;
        Ok(length)
    }

    /// Sends one line of the answer to LIST or UIDL, or to an application's own command.
    ///
    /// # Errors
    ///
    /// Hands the line back if it is not of the command's kind, or if the output is full
    /// ([`Misuse::Full`]): send it again when some was written.
    pub fn send_line(&mut self, line: Listing) -> Result<(), SendError<Listing>> {
        self.session.framer.unpark();
        match self.permits_line(&line) {
            Ok(()) => {
                put_line(&mut self.output, |out| line.write(out));
                Ok(())
            }
            Err(reason) => Err(SendError::new(reason, line)),
        }
    }

    /// Ends the message or the lines that answer a command.
    ///
    /// # Errors
    ///
    /// Nothing is being sent, or as for [`send_body`](Self::send_body).
    pub fn finish_body(&mut self) -> Result<(), Misuse> {
        self.session.framer.unpark();
        match &mut self.session.current {
            Some(Current { stage: Stage::Body(stuffer), .. }) => {
                let result = stuffer.finish(&mut self.output);
                self.given_up(result)?;
            }
            Some(Current { stage: Stage::Lines, .. }) => self.output.put(b".\r\n"),
            _ => return Err(Misuse::WrongState(WrongState::NothingDue("end of an answer"))),
        }
        self.session.current = None;
        Ok(())
    }

    fn put_reply(&mut self, reply: Reply) {
        let ok = reply.is_ok();
        self.put_status(reply);
        let Some(current) = &self.session.current else { return };
        let (rules, number) = (current.rules, current.number);
        match self.conclude(rules.effect, ok) {
            Then::GoOn => {}
            Then::LoginFailed => self.login_failed(),
            Then::Close => self.session.phase = Phase::Closed,
        }
        match rules.follows {
            Follows::Body if ok => self.set_stage(Stage::Body(Stuffer::new(self.config.bare_newline))),
            Follows::Lines if ok && number.is_none() => self.set_stage(Stage::Lines),
            _ => self.session.current = None,
        }
    }

    fn login_failed(&mut self) {
        self.auth_failures = self.auth_failures.saturating_add(1);
        let limit = self.config.limits.auth_failures;
        if self.auth_failures >= limit {
            self.fail(Error::LimitExceeded { what: "failed logins", limit: limit as u64 });
        }
    }

    /// Sends a challenge, or hands it back.
    pub(super) fn put_challenge(&mut self, step: SaslStep) -> Result<(), SendError<SaslStep>> {
        match (self.permits_challenge(), step) {
            (Err(reason), step) => Err(SendError::new(reason, step)),
            (Ok(()), SaslStep::Cancel) => {
                let reason = Misuse::WrongAnswer(WrongAnswer::Cancelled);
                Err(SendError::new(reason, SaslStep::Cancel))
            }
            (Ok(()), SaslStep::Data(data)) => {
                self.output.write(|out| Challenge { data }.write(out));
                self.set_stage(Stage::Auth);
                Ok(())
            }
        }
    }

    pub(super) fn set_stage(&mut self, stage: Stage) {
        if let Some(current) = &mut self.session.current {
            current.stage = stage;
        }
    }

    /// Codes are for clients that were told of them (RFC 2449 section 6.4).
    pub(super) fn put_status(&mut self, mut reply: Reply) {
        if let Reply::Ok { code, .. } | Reply::Err { code, .. } = &mut reply {
            code.take_if(|_| !self.config.resp_codes);
        }
        self.output.write(|out| reply.write(out));
    }

    /// The whole answer to CAPA.
    pub(super) fn put_capabilities(&mut self) {
        self.put_status(Reply::ok("capability list follows"));
        for capability in &self.session.capabilities {
            put_line(&mut self.output, |out| capability.write(out));
        }
        self.output.put(b".\r\n");
    }

    /// The conversation is over, whatever was going on.
    pub(super) fn end(&mut self) {
        self.session.phase = Phase::Closed;
        self.session.current = None;
    }

    /// A message that cannot be completed takes the connection with it.
    fn given_up(&mut self, result: Result<(), Misuse>) -> Result<(), Misuse> {
        if result.is_err() {
            self.end();
        }
        result
    }
}

/// Puts out a line that may start with a dot.
fn put_line(output: &mut Output, write: impl FnOnce(&mut Vec<u8>)) {
    output.write(|out| {
        let start = out.len();
        write(out);
        if out.get(start) == Some(&b'.') {
            out.insert(start, b'.');
        }
        out.extend_from_slice(b"\r\n");
    });
}
