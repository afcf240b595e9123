//! What a server makes of what comes.

use alloc::{format, vec::Vec};

use bytes::{Buf, Bytes, BytesMut};
use mailwire_core::{
    Error, Line, Newline, Next, ParseError, SaslStep, Ticket, Upgrade, dot::Unstuffed, sasl,
};

use super::{
    BodyRefusal, Connection, Event,
    admit::{Refusal, Rules},
    state::{Asked, Body, Phase},
};
use crate::{
    Command, ParseContext, Reply, ReplyCode,
    command::{first_word, known},
};

/// A line that passed its limit.
#[derive(Debug)]
pub(super) struct Overlong {
    /// What came of it, up to the limit, unless it may hold a secret.
    bytes: Bytes,
    limit: usize,
}

impl Connection {
    /// What [`next_event`](mailwire_core::Connection::next_event) does where there may be something new.
    #[inline(never)]
    pub(super) fn advance(&mut self, input: &mut BytesMut) -> Result<Next<Event>, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let next = match &mut self.phase {
            Phase::Closed => return Ok(Next::Closed),
            Phase::Answering { .. } => return Ok(Next::Paused),
            Phase::Upgrading if !input.is_empty() => {
                self.failed = Some(Error::BytesBehindUpgrade { command: "STARTTLS" });
                None
            }
            Phase::Upgrading if !self.output.is_empty() => return Ok(Next::Paused),
            Phase::Upgrading => return Ok(Next::Upgrade(Upgrade::Tls)),
            Phase::Body { .. } => self.receive_body(input),
            Phase::Commands | Phase::Refused | Phase::Challenged { .. } => {
                if self.output.is_full() {
                    return Ok(Next::Paused);
                }
                self.receive_line(input)
            }
        };
        match (self.failed, next) {
            (Some(error), _) => Err(error),
            (None, Some(event)) => Ok(Next::Event(event)),
            (None, None) if self.eof => self.end_of_input(input),
            (None, None) => {
                // From the fifth byte on it is certain which limit the line has.
                if input.len() >= 5 {
                    self.framer.park();
                }
                Ok(Next::NeedInput)
            }
        }
    }

    /// The next line, if it is there.
    pub(super) fn receive_line(&mut self, input: &mut BytesMut) -> Option<Event> {
        let in_exchange = match self.phase {
            Phase::Challenged { ticket } => Some(ticket),
            _ => None,
        };
        if self.overlong.is_none() {
            let secret = in_exchange.is_some()
                || input.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"AUTH "));
            let limits = &self.config.limits;
            let limit = if secret { limits.auth_line } else { limits.line };
            match self.framer.next_line(input, limit) {
                Ok(None) => return None,
                Ok(Some(line)) => {
                    return match in_exchange {
                        Some(ticket) => self.response(ticket, &line),
                        None => self.command(&line, input),
                    };
                }
                Err(_) => {
                    self.framer.reset();
                    let start = input.split_to(limit.min(input.len())).freeze();
                    let first = first_word(start.trim_ascii_start());
                    if first.get(..4).is_some_and(|first| first.eq_ignore_ascii_case(b"AUTH")) {
                        self.secret_may_follow = true;
                    }
                    let bytes = if secret || self.secret_may_follow { Bytes::new() } else { start };
                    self.overlong = Some(Overlong { bytes, limit });
                }
            }
        }
        // Its rest is dropped as it comes.
        let Some(end) = memchr::memchr(b'\n', input) else {
            input.clear();
            return None;
        };
        input.advance(end.saturating_add(1));
        let Overlong { bytes, limit } = self.overlong.take()?;
        let error = ParseError::new(limit, "line too long");
        if in_exchange.is_some() {
            self.phase = Phase::Commands;
            self.auth_failed();
        }
        self.refuse_line(Reply::of(ReplyCode::UNRECOGNIZED, 5, 6, "Line too long"));
        Some(Event::Malformed { ticket: in_exchange, bytes, error })
    }

    /// Answers a bad line, or ends the conversation if there were too many.
    fn refuse_line(&mut self, reply: Reply) {
        if self.failed.is_some() {
            return;
        }
        self.bad_commands += 1;
        let limit = self.config.limits.bad_commands;
        if self.bad_commands >= limit {
            self.end("Too many bad commands");
            self.failed = Some(Error::TooManyBadCommands { limit });
        } else {
            self.write_reply(&reply);
        }
    }

    /// A line within a SASL exchange.
    ///
    /// ```abnf
    /// response = [base64] CRLF / "*" CRLF     ; RFC 4954 section 8
    /// ```
    fn response(&mut self, ticket: Ticket, line: &Line) -> Option<Event> {
        let step = match line.newline {
            Newline::CrLf => sasl::decode_step(&line.text),
            Newline::Lf => Err(ParseError::new(line.text.len(), "LF without CR")),
        };
        self.phase = Phase::Commands;
        match step {
            Ok(step @ SaslStep::Data(_)) => {
                self.phase = Phase::Answering { ticket, asked: Asked::Auth };
                Some(Event::AuthResponse { ticket, step })
            }
            Ok(SaslStep::Cancel) => {
                self.auth_failed();
                if self.failed.is_none() {
                    self.write_reply(&Reply::of(ReplyCode::BAD_ARGUMENTS, 7, 0, "Authentication cancelled"));
                }
                Some(Event::AuthResponse { ticket, step: SaslStep::Cancel })
            }
            Err(error) => {
                self.auth_failed();
                self.refuse_line(Reply::of(ReplyCode::BAD_ARGUMENTS, 5, 2, "Cannot decode the response"));
                Some(Event::Malformed { ticket: Some(ticket), bytes: Bytes::new(), error })
            }
        }
    }

    fn command(&mut self, line: &Line, input: &BytesMut) -> Option<Event> {
        let frame = &line.text;
        let context = ParseContext::new(self.config.dialect).with_newline(line.newline);
        let parsed = match Command::parse(frame, context) {
            Ok(parsed) => parsed,
            Err(error) => return Some(self.malformed(frame, error)),
        };
        let command = parsed.value;
        match &command {
            Command::Other { .. } if self.secret_may_follow => {
                return Some(self.malformed(frame, ParseError::new(0, "not a command")));
            }
            Command::Other { .. } => {}
            command => self.secret_may_follow = matches!(command, Command::Auth(_)),
        }
        if matches!(self.phase, Phase::Refused) && command != Command::Quit {
            return self.refused(
                command,
                Refusal { reply: Reply::of(ReplyCode::BAD_SEQUENCE, 5, 1, "No service here"), bad: true },
            );
        }
        let rules =
            Rules { config: &self.config, session: &self.session, offered: &self.offered, tls: self.tls };
        if let Err(refusal) = rules.admit(&command) {
            return self.refused(command, refusal);
        }
        match &command {
            // RFC 5321 section 4.1.4: both end the transaction, at once.
            Command::Ehlo(_) | Command::Helo(_) | Command::Lhlo(_) | Command::Rset => {
                self.session.transaction = None;
                self.session.mail_refused = false;
                self.idle()?;
            }
            Command::Noop(_) | Command::Help(_) | Command::Vrfy(_) | Command::Expn(_) => self.idle()?,
            Command::Mail(_) => {
                self.session.mail_refused = false;
                self.idle()?;
            }
            Command::StartTls if !input.is_empty() => {
                self.write_reply(&Reply::of(ReplyCode::FAILED, 5, 1, "Bytes in clear behind STARTTLS"));
                self.failed = Some(Error::BytesBehindUpgrade { command: "STARTTLS" });
                return None;
            }
            _ => {}
        }
        let ticket = self.tickets.issue();
        self.phase = Phase::Answering { ticket, asked: Asked::of(&command) };
        Some(Event::Command { ticket, command, deviations: parsed.deviations })
    }

    fn malformed(&mut self, frame: &Bytes, error: ParseError) -> Event {
        let word = first_word(frame);
        if word.eq_ignore_ascii_case(b"MAIL") {
            self.session.mail_refused = true;
        }
        let reply = if known(word).is_some() {
            let text = format!("Syntax error at byte {}: {}", error.offset, error.reason);
            Reply::new(ReplyCode::BAD_ARGUMENTS, &text).with_enhanced(5, 4)
        } else {
            Reply::of(ReplyCode::UNRECOGNIZED, 5, 2, "Not a command")
        };
        self.refuse_line(reply);
        let start = first_word(frame.trim_ascii_start());
        if start.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"AUTH")) {
            self.secret_may_follow = true;
        }
        let secret = self.secret_may_follow;
        Event::Malformed { ticket: None, bytes: if secret { Bytes::new() } else { frame.clone() }, error }
    }

    fn refused(&mut self, command: Command, refusal: Refusal) -> Option<Event> {
        let Refusal { reply, bad } = refusal;
        match &command {
            Command::Mail(_) => self.session.mail_refused = true,
            Command::Rcpt(_) => match &mut self.session.transaction {
                Some(transaction) => transaction.tried += 1,
                None => self.session.orphans += 1,
            },
            Command::Data if !bad => {
                // RFC 5321 section 4.1.1.4: nothing of the transaction is left.
                self.session.transaction = None;
                self.session.mail_refused = false;
            }
            _ => {}
        }
        if bad {
            self.refuse_line(reply.clone());
        } else {
            self.write_reply(&reply);
        }
        Some(Event::Refused { command, reply })
    }

    /// Counts a command that leads nowhere. `None` if it was one too many.
    fn idle(&mut self) -> Option<()> {
        self.idle_commands += 1;
        let limit = self.config.limits.idle_commands;
        if self.idle_commands < limit {
            return Some(());
        }
        self.end("Too many commands without a message");
        self.failed = Some(Error::LimitExceeded { what: "commands that lead nowhere", limit: limit as u64 });
        None
    }

    /// The next part of a message, if it is there.
    pub(super) fn receive_body(&mut self, input: &mut BytesMut) -> Option<Event> {
        let limit = self.config.limits.message;
        let Phase::Body { ticket, body } = &mut self.phase else { return None };
        let ticket = *ticket;
        if !body.started {
            body.started = true;
            return Some(Event::BodyStart { ticket });
        }
        loop {
            match body.unstuffer.next(input) {
                Unstuffed::NeedInput => return None,
                Unstuffed::Chunk(mut chunk) => {
                    let room = limit.saturating_sub(body.length);
                    if chunk.len() as u64 > room {
                        body.too_large = true;
                        // `room` is less than a length.
                        chunk.truncate(room as usize);
                    }
                    body.length += chunk.len() as u64;
                    // The rest of a message that is too large is read and dropped.
                    if !chunk.is_empty() {
                        return Some(Event::BodyChunk(chunk));
                    }
                }
                Unstuffed::End => {
                    let verdict = verdict(body, limit);
                    let length = body.length;
                    return Some(self.body_end(ticket, length, verdict));
                }
            }
        }
    }

    fn body_end(&mut self, ticket: Ticket, length: u64, verdict: Option<BodyRefusal>) -> Event {
        if let Some(reason) = verdict {
            let reply = match reason {
                BodyRefusal::BareNewline(_) => {
                    Reply::of(ReplyCode::FAILED, 6, 0, "A bare CR or LF in the message")
                }
                BodyRefusal::TooLarge(_) => Reply::of(ReplyCode::TOO_LARGE, 3, 4, "Message too large"),
            };
            let recipients =
                self.session.transaction.take().map_or(0, |transaction| transaction.recipients.len());
            for _ in 0..if self.config.lmtp { recipients } else { 1 } {
                self.write_reply(&reply);
            }
            self.phase = Phase::Commands;
            return Event::BodyRefused { ticket, reason };
        }
        let asked = match &self.session.transaction {
            Some(transaction) if self.config.lmtp => {
                let recipients: Vec<_> =
                    transaction.recipients.iter().map(|recipient| (*recipient, None)).collect();
                Asked::Recipients(recipients)
            }
            _ => Asked::Message,
        };
        self.phase = Phase::Answering { ticket, asked };
        Event::BodyEnd { ticket, length }
    }

    /// The client has closed the stream.
    pub(super) fn end_of_input(&mut self, input: &BytesMut) -> Result<Next<Event>, Error> {
        let during = match self.phase {
            Phase::Body { .. } => "within a message",
            Phase::Challenged { .. } => "within a SASL exchange",
            _ if !input.is_empty() || self.overlong.is_some() => "within a command",
            _ => {
                self.phase = Phase::Closed;
                return Ok(Next::Closed);
            }
        };
        let error = Error::UnexpectedEof { during };
        self.failed = Some(error);
        Err(error)
    }
}

fn verdict(body: &Body, limit: u64) -> Option<BodyRefusal> {
    match body.unstuffer.bare_newline() {
        Some(offset) => Some(BodyRefusal::BareNewline(offset)),
        None if body.too_large => Some(BodyRefusal::TooLarge(limit)),
        None => None,
    }
}
