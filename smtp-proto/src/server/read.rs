//! What a server makes of what comes.

use alloc::{boxed::Box, format, vec::Vec};

use bytes::{Buf, Bytes, BytesMut};
use mailwire_core::{
    Deviation, Error, Line, Newline, Next, ParseError, SaslStep, Ticket,
    dot::Unstuffed,
    private::{NulSearch, await_tls, refuse_injection, take_secret},
    sasl::{self, Steps},
};

use super::{
    BodyRefusal, Event,
    recipients::RecipientReplies,
    rules::Refusal,
    state::{Body, Current, Due, Machine, Phase},
};
use crate::{
    Command, ParseContext, Reply, ReplyCode,
    command::{Effect, Name, Rules, first_word},
};

/// A line that passed its limit.
#[derive(Debug)]
pub(super) struct Overlong {
    /// What came of it, up to the limit, unless it may hold a secret.
    bytes: Bytes,
    /// Whether it is a BDAT, whatever is kept.
    bdat: bool,
    limit: usize,
}

impl Machine {
    /// What [`next_event`](mailwire_core::Connection::next_event) does where there may be something new.
    #[inline(never)]
    pub(super) fn advance(&mut self, input: &mut BytesMut) -> Result<Next<Event>, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let next = match self.phase {
            Phase::Closed => return Ok(Next::Closed),
            Phase::Upgrading => {
                let next = await_tls("STARTTLS", input, &self.output, self.eof);
                self.failed = next.as_ref().err().copied();
                return next;
            }
            Phase::Open | Phase::Refused => match &self.current {
                None if self.later.is_some() => self.later.take(),
                Some(Current { due: Due::Body(_), .. }) => self.receive_body(input),
                Some(Current { due: Due::Chunk(_), .. }) => self.receive_chunk(input),
                Some(Current { due: Due::RefusedChunk(_), .. }) => self.drop_chunk(input),
                None | Some(Current { due: Due::Response, .. }) if !self.output.is_full() => {
                    // Byte by byte, each of a line's first bytes would be looked at for nothing.
                    let is_begun = input.len() < 5 && !input.contains(&b'\n');
                    if is_begun && self.overlong.is_none() { None } else { self.receive_line(input) }
                }
                _ => return Ok(self.later.take().map_or(Next::Paused, Next::Event)),
            },
        };
        if let Some(error) = self.failed {
            return Err(error);
        }
        match next {
            Some(event) => Ok(Next::Event(event)),
            None if core::mem::take(&mut self.moved) => self.advance(input),
            None if self.eof => self.end_of_input(input),
            None => {
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
        // A line is a response or a command.
        let in_exchange = self.current.as_ref().map(|current| current.ticket);
        if self.overlong.is_none() {
            let auth = starts_with_auth(input);
            let secret = in_exchange.is_some() || auth && input.get(4) == Some(&b' ');
            let limits = &self.config.limits;
            let limit = if secret { limits.auth_line } else { self.line_limit };
            // After a blank stands no command, but what is meant for AUTH can.
            let blank = input.first().is_some_and(u8::is_ascii_whitespace);
            let hidden = secret || auth || blank || self.secret_may_follow;
            match self.framer.next_line_hidden(input, limit, hidden) {
                Ok(None) => return None,
                Ok(Some(line)) => {
                    return match in_exchange {
                        Some(ticket) => self.response(ticket, &line),
                        None => self.command(&line, input),
                    };
                }
                Err(_) => {
                    self.framer.reset();
                    let length = limit.min(input.len());
                    let start =
                        if hidden { take_secret(input, length) } else { input.split_to(length).freeze() };
                    self.secret_may_follow |= starts_with_auth(start.trim_ascii_start());
                    let bdat = in_exchange.is_none() && is_bdat(&start);
                    let bytes = if secret || self.secret_may_follow { Bytes::new() } else { start };
                    self.overlong = Some(Overlong { bytes, bdat, limit });
                }
            }
        }
        // Its rest is dropped as it comes.
        let end = memchr::memchr(b'\n', input);
        let dropped = end.map_or(input.len(), |end| end.saturating_add(1));
        if self.overlong.as_ref().is_some_and(|overlong| overlong.bytes.is_empty()) {
            // It may hold a secret.
            drop(take_secret(input, dropped));
        } else if end.is_none() {
            // The input keeps its memory.
            input.clear();
        } else {
            input.advance(dropped);
        }
        end?;
        let Overlong { bytes, bdat, limit } = self.overlong.take()?;
        let error = ParseError::new(limit, "line too long");
        if in_exchange.is_some() {
            self.current = None;
            self.auth_failed();
        }
        self.refuse_line(&Reply::of(ReplyCode::UNRECOGNIZED, 5, 6, "Line too long"));
        if bdat {
            self.lose_track();
        }
        Some(Event::Malformed { ticket: in_exchange, bytes, error })
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
        match step {
            Ok(step @ SaslStep::Data(_)) => {
                let limit = self.config.limits.auth_steps;
                if let Some(current) = &mut self.current {
                    current.due = Due::Reply;
                    if let Err(error) = current.steps.count(limit) {
                        self.write_last("Too many steps of an authentication");
                        self.failed = Some(error);
                        return None;
                    }
                }
                Some(Event::AuthResponse { ticket, step })
            }
            Ok(SaslStep::Cancel) => {
                self.current = None;
                self.auth_failed();
                if self.failed.is_none() {
                    self.write_reply(&Reply::of(ReplyCode::BAD_ARGUMENTS, 7, 0, "Authentication cancelled"));
                }
                Some(Event::AuthResponse { ticket, step: SaslStep::Cancel })
            }
            Err(error) => {
                self.current = None;
                self.auth_failed();
                self.refuse_line(&Reply::of(ReplyCode::BAD_ARGUMENTS, 5, 2, "Cannot decode the response"));
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
        // Base64 is one word.
        if self.secret_may_follow && matches!(command, Command::Other { argument: None, .. }) {
            return Some(self.malformed(frame, ParseError::new(0, "not a command")));
        }
        self.secret_may_follow = matches!(command, Command::Auth(_));
        let rules = command.rules();
        if let Err(refusal) = self.permits(&command, &rules) {
            if let Command::Bdat { size, last } = command {
                return self.refuse_chunk(size, last, refusal);
            }
            if let Command::Burl(_) = command {
                return Some(self.refuse_part(command, refusal));
            }
            return Some(self.refused(command, rules.effect, refusal));
        }
        if let Command::Burl(burl) = &command {
            if let Some(refused) = self.end_chunks(burl.last) {
                return Some(refused);
            }
        }
        self.session.begin(&command, frame.len());
        if rules.idle {
            self.idle()?;
        }
        match &command {
            Command::Bdat { size, last } => return self.begin_chunk(*size, *last, parsed.deviations),
            Command::Burl(burl) => {
                // A message has no end but by the last of its parts.
                if !burl.last {
                    self.idle()?;
                }
                let due = Due::PartReply { last: burl.last };
                return Some(self.ask(command, rules, due, parsed.deviations));
            }
            _ => {}
        }
        if rules.effect == Effect::StartTls {
            self.failed = refuse_injection("STARTTLS", input).err();
            if self.failed.is_some() {
                self.write_reply(&Reply::of(ReplyCode::FAILED, 5, 1, "Bytes in clear after STARTTLS"));
                return None;
            }
        }
        if self.session.transaction.has_begun() {
            let event = self.ask(command, rules, Due::Reply, parsed.deviations);
            return Some(self.between_chunks(rules.effect, event));
        }
        Some(self.ask(command, rules, Due::Reply, parsed.deviations))
    }

    /// Asks the application for the answer to a command.
    #[inline(always)]
    pub(super) fn ask(
        &mut self,
        command: Command,
        rules: Rules,
        due: Due,
        deviations: Vec<Deviation>,
    ) -> Event {
        let ticket = self.tickets.issue();
        self.current = Some(Current { ticket, rules, due, steps: Steps::default() });
        Event::Command { ticket, command, deviations }
    }

    fn malformed(&mut self, frame: &Bytes, error: ParseError) -> Event {
        let word = first_word(frame);
        let name = Name::of(word);
        if name == Some(Name::Mail) {
            self.session.refused(Effect::Mail, ReplyCode::BAD_ARGUMENTS);
        }
        let reply = if name.is_some() {
            let text = format!("Syntax error at byte {}: {}", error.offset, error.reason);
            let before = frame.get(..error.offset).unwrap_or_default();
            // RFC 4954 section 4: what cannot be decoded after the mechanism is as any other response is.
            let undecoded = name == Some(Name::Auth) && memchr::memchr_iter(b' ', before).count() > 1;
            Reply::new(ReplyCode::BAD_ARGUMENTS, &text).with_enhanced(5, if undecoded { 2 } else { 4 })
        } else {
            Reply::of(ReplyCode::UNRECOGNIZED, 5, 2, "Not a command")
        };
        self.refuse_line(&reply);
        if name == Some(Name::Bdat) {
            self.lose_track();
        }
        self.secret_may_follow |= starts_with_auth(frame.trim_ascii_start());
        let secret = self.secret_may_follow;
        Event::Malformed { ticket: None, bytes: if secret { Bytes::new() } else { frame.clone() }, error }
    }

    pub(super) fn refused(&mut self, command: Command, effect: Effect, refusal: Refusal) -> Event {
        let Refusal { reply, bad } = refusal;
        self.session.refused(effect, reply.code());
        if bad {
            self.refuse_line(&reply);
        } else {
            self.write_reply(&reply);
        }
        Event::Refused { command, reply: Box::new(reply) }
    }

    /// The next part of a message, if it is there.
    pub(super) fn receive_body(&mut self, input: &mut BytesMut) -> Option<Event> {
        let limit = self.config.limits.message;
        let Some(Current { ticket, due: Due::Body(body), .. }) = &mut self.current else { return None };
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
                    if let Some(nul) = &mut body.nul {
                        nul.look(&chunk);
                    }
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

    pub(super) fn body_end(&mut self, ticket: Ticket, length: u64, verdict: Option<BodyRefusal>) -> Event {
        if let Some(reason) = verdict {
            self.write_verdict(&reason.reply());
            self.session.end_transaction();
            self.current = None;
            return Event::BodyRefused { ticket, reason };
        }
        let recipients = core::mem::take(&mut self.session.transaction.recipients);
        if let Some(current) = &mut self.current {
            current.due = if self.config.lmtp || self.session.transaction.prdr {
                Due::RecipientReplies(RecipientReplies::new(recipients))
            } else {
                Due::MessageReply
            };
        }
        Event::BodyEnd { ticket, length }
    }

    /// Writes what is said to the end of a message: in LMTP for each recipient.
    pub(super) fn write_verdict(&mut self, reply: &Reply) {
        let recipients = self.session.transaction.recipients.len();
        for _ in 0..if self.config.lmtp { recipients } else { 1 } {
            self.write_reply(reply);
        }
    }

    /// The client has closed the stream.
    pub(super) fn end_of_input(&mut self, input: &BytesMut) -> Result<Next<Event>, Error> {
        let during = match &self.current {
            Some(Current { due: Due::Body(_) | Due::Chunk(_), .. }) => "within a message",
            Some(Current { due: Due::RefusedChunk(_), .. }) => "within a message",
            None if self.session.transaction.chunk.is_some() => "within a message",
            Some(Current { due: Due::Response, .. }) => "within a SASL exchange",
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

/// Whether a line is AUTH, by its first letters.
#[inline]
fn starts_with_auth(line: &[u8]) -> bool {
    matches!(line, [b'A' | b'a', b'U' | b'u', b'T' | b't', b'H' | b'h', ..])
}

fn is_bdat(line: &[u8]) -> bool {
    Name::of(first_word(line)) == Some(Name::Bdat)
}

fn verdict(body: &Body, limit: u64) -> Option<BodyRefusal> {
    match (body.unstuffer.bare_newline(), body.nul.as_ref().and_then(NulSearch::found)) {
        (Some(offset), _) => Some(BodyRefusal::BareNewline(offset)),
        (None, Some(offset)) => Some(BodyRefusal::Nul(offset)),
        (None, None) if body.too_large => Some(BodyRefusal::TooLarge(limit)),
        (None, None) => None,
    }
}
