//! What a client makes of replies.

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use mailwire_core::{
    Channel, Deviation, Dialect, Error, Next, OutputMark, ParseError, Parsed, SaslStep, Secret, Ticket,
    dot::Stuffer,
    private::{NulSearch, await_tls, refuse_injection},
    sasl::{self, Challenged},
};

use super::{
    Event,
    rules::Then,
    state::{Body, InFlight, Machine, Part, Phase, Sending, Session},
};
use crate::{
    Capabilities, Capability, Command, Reply, ReplyCode,
    command::Effect,
    deviation,
    reply::{ReplyFrame, has_code},
};

impl Machine {
    /// What [`next_event`](mailwire_core::Connection::next_event) does where there may be something new.
    #[inline(never)]
    pub(super) fn advance(&mut self, input: &mut BytesMut) -> Result<Next<Event>, Error> {
        self.step(input).or_else(|error| self.last_words.take().map(Next::Event).ok_or(error))
    }

    fn step(&mut self, input: &mut BytesMut) -> Result<Next<Event>, Error> {
        loop {
            if let Some(error) = self.failed {
                return Err(error);
            }
            match self.phase {
                Phase::Closed => return Ok(Next::Closed),
                Phase::Upgrading => {
                    let next = await_tls("STARTTLS", input, &self.output, self.eof);
                    return next.or_else(|error| self.fail(error));
                }
                _ => {}
            }
            self.flush();
            if let Some((ticket, reason)) = self.session.unsent.pop_front() {
                return Ok(Next::Event(Event::NotSent { ticket, reason }));
            }
            let frame = match self.framer.next_reply(input, &self.config.limits) {
                Ok(Some(frame)) => frame,
                Ok(None) if self.eof => return self.end_of_input(input),
                Ok(None) => return Ok(self.no_reply()),
                Err(error) => return self.fail(error),
            };
            match self.receive(&frame, input) {
                Ok(event) => {
                    // What waited for this reply goes out with the event.
                    self.flush();
                    if let Some(event) = event {
                        return Ok(Next::Event(event));
                    }
                }
                Err(error) => return self.fail(error),
            }
        }
    }

    /// One frame has come. `input` is what follows it.
    fn receive(&mut self, frame: &ReplyFrame, input: &BytesMut) -> Result<Option<Event>, Error> {
        let reply = match Reply::parse(&frame.bytes, frame.context(self.config.dialect)) {
            Ok(reply) => reply,
            Err(error) => return self.malformed(frame, error).map(Some),
        };
        match self.phase {
            Phase::Greeting => self.greeting(frame, reply).map(Some),
            Phase::Hello { fallback, end } => self.hello_reply(frame, reply, fallback, end, input),
            Phase::StartTls { end } => self.starttls_reply(reply.value, end, input),
            Phase::Ready | Phase::Leaving => self.command_reply(reply),
            Phase::Upgrading | Phase::Closed => Ok(None),
        }
    }

    /// What has no code is noise: a warning of a program that the server runs. What has one answers a
    /// command, and as nobody can say what it means, the conversation ends.
    fn malformed(&mut self, frame: &ReplyFrame, error: ParseError) -> Result<Event, Error> {
        if self.phase == Phase::Greeting {
            return self.invalid_greeting(frame, error);
        }
        let mut ticket = None;
        if has_code(&frame.bytes) || matches!(self.phase, Phase::StartTls { .. }) {
            ticket = self.session.in_flight.front().map(|command| command.ticket);
            self.failed = Some(Error::Unexpected { what: error.reason, offset: error.offset });
        } else {
            self.noise += 1;
            let limit = self.config.limits.noise;
            if self.noise > limit {
                return Err(Error::LimitExceeded { what: "lines that are no replies", limit: limit as u64 });
            }
        }
        Ok(Event::Malformed { ticket, bytes: frame.bytes.clone(), error })
    }

    /// Whoever is there speaks another protocol, and may say so.
    fn invalid_greeting(&mut self, frame: &ReplyFrame, error: ParseError) -> Result<Event, Error> {
        self.last_words = Some(Event::Malformed { ticket: None, bytes: frame.bytes.clone(), error });
        Err(Error::InvalidGreeting { reason: error.reason, offset: error.offset })
    }

    fn greeting(&mut self, frame: &ReplyFrame, greeting: Parsed<Reply>) -> Result<Event, Error> {
        let Parsed { value: reply, deviations, .. } = greeting;
        match reply.code() {
            ReplyCode::READY => match self.early.take() {
                Some(end) => self.phase = Phase::Hello { fallback: false, end },
                None => self.hello(false),
            },
            // RFC 5321 section 3.1: the server waits for QUIT.
            ReplyCode::FAILED => {
                self.write(|out| Command::Quit.write(out));
                self.phase = Phase::Closed;
            }
            code if code.class() > 3 => self.phase = Phase::Closed,
            _ => return self.invalid_greeting(frame, ParseError::new(0, "expected 220")),
        }
        Ok(Event::Greeting { reply, deviations })
    }

    /// Introduces this client before the server has greeted it.
    pub(super) fn early_hello(&mut self) {
        self.hello(false);
        if let Phase::Hello { end, .. } = self.phase {
            self.early = Some(end);
        }
        self.phase = Phase::Greeting;
    }

    /// Introduces this client.
    pub(super) fn hello(&mut self, fallback: bool) {
        let name = self.config.name.clone();
        let command = match (self.config.lmtp, fallback) {
            (true, _) => Command::Lhlo(name),
            (false, false) => Command::Ehlo(name),
            (false, true) => Command::Helo(name),
        };
        let end = self.write(|out| command.write(out));
        self.phase = Phase::Hello { fallback, end };
    }

    fn hello_reply(
        &mut self,
        frame: &ReplyFrame,
        parsed: Parsed<Reply>,
        fallback: bool,
        end: OutputMark,
        input: &BytesMut,
    ) -> Result<Option<Event>, Error> {
        let Parsed { value: reply, mut deviations, .. } = parsed;
        if reply.code() == ReplyCode::UNAVAILABLE {
            self.phase = Phase::Closed;
            return Ok(Some(self.hello_refused(reply)));
        }
        if !self.output.has_left(end) {
            return Err(Error::UnsolicitedReply { what: "a reply before EHLO was sent" });
        }
        let wants_tls = self.config.channel == Channel::StartTls && !self.session.tls;
        match reply.code().class() {
            2 => {}
            3 => return Err(Error::Unexpected { what: "an intermediate reply to EHLO", offset: 0 }),
            _ if wants_tls => {
                self.last_words = Some(Event::StartTlsRefused { reply });
                return Err(Error::TlsUnavailable { reason: "the server refused EHLO" });
            }
            5 if !fallback && !self.config.lmtp && self.config.helo_fallback => {
                // If HELO fails, too, this is why.
                self.last_words = Some(Event::HelloRefused { reply });
                self.hello(true);
                return Ok(None);
            }
            _ => {
                self.write(|out| Command::Quit.write(out));
                self.phase = Phase::Closed;
                return Ok(Some(self.hello_refused(reply)));
            }
        }
        let mut capabilities = Capabilities::from_iter([]);
        if !fallback {
            match Capabilities::parse(&frame.bytes, frame.context(self.config.dialect)) {
                Ok(parsed) => {
                    // What is kept does not keep the receive buffer.
                    capabilities = parsed.value.compact();
                    deviations.extend(parsed.deviations);
                }
                Err(error) => {
                    self.last_words =
                        Some(Event::Malformed { ticket: None, bytes: frame.bytes.clone(), error });
                    return Err(Error::Unexpected { what: error.reason, offset: error.offset });
                }
            }
        }
        if wants_tls {
            if !capabilities.has(&Capability::StartTls) {
                return Err(Error::TlsUnavailable { reason: "the server does not offer STARTTLS" });
            }
            if !input.is_empty() {
                return Err(Error::UnsolicitedReply { what: "a reply before STARTTLS was sent" });
            }
            let end = self.write(|out| Command::StartTls.write(out));
            self.phase = Phase::StartTls { end };
            return Ok(None);
        }
        self.last_words = None;
        self.phase = Phase::Ready;
        self.session.state = Effect::Ehlo.after(self.session.state);
        self.session.counts.announced(&capabilities);
        self.session.capabilities = capabilities.clone();
        Ok(Some(Event::Capabilities { capabilities, reply, deviations }))
    }

    /// The refusal of EHLO, which says more than that of HELO after it.
    fn hello_refused(&mut self, reply: Reply) -> Event {
        self.last_words.take().unwrap_or(Event::HelloRefused { reply })
    }

    fn starttls_reply(
        &mut self,
        reply: Reply,
        end: OutputMark,
        input: &BytesMut,
    ) -> Result<Option<Event>, Error> {
        if !self.output.has_left(end) {
            return Err(Error::UnsolicitedReply { what: "a reply before STARTTLS was sent" });
        }
        if reply.code() != ReplyCode::READY {
            self.last_words = Some(Event::StartTlsRefused { reply });
            return Err(Error::TlsUnavailable { reason: "the server refused STARTTLS" });
        }
        refuse_injection("STARTTLS", input)?;
        self.phase = Phase::Upgrading;
        Ok(None)
    }

    fn command_reply(&mut self, parsed: Parsed<Reply>) -> Result<Option<Event>, Error> {
        let Parsed { value: reply, deviations, .. } = parsed;
        let Some(&command) = self.session.in_flight.front() else {
            return self.unasked(reply, deviations);
        };
        let unavailable = reply.code() == ReplyCode::UNAVAILABLE;
        if self.session.is_challenged() || !self.output.has_left(command.end) {
            // Only a refusal can come before the message it is about was sent in full.
            let refused = command.is_message() && reply.code().class() > 3;
            if !(unavailable || refused) {
                self.last_words = Some(Event::Unsolicited { reply });
                return Err(Error::UnsolicitedReply { what: "a reply before its command was sent" });
            }
            self.phase = Phase::Closed;
            if !command.is_message() {
                return Ok(Some(Event::Unsolicited { reply }));
            }
        } else if unavailable {
            self.phase = Phase::Closed;
        } else if reply.code() == ReplyCode::CLOSING && !command.is_quit() {
            // Taken for a success of this command, it would be a lie.
            self.phase = Phase::Closed;
            return Ok(Some(Event::Unsolicited { reply }));
        }
        if reply.is_intermediate() {
            return self.intermediate(command, &reply, deviations);
        }
        self.session.in_flight.pop_front();
        match self.session.conclude(&command, &reply)? {
            Then::GoOn => {}
            Then::Close => self.phase = Phase::Closed,
            Then::Restart => {
                self.session = Session::new(self.session.tls);
                self.hello(false);
            }
        }
        let ticket = command.ticket;
        Ok(Some(match command.part {
            Part::Line | Part::Chunk | Part::Message => Event::Reply { ticket, reply, deviations },
            Part::Empty => Event::NoRecipients { ticket, reply },
            Part::Recipient { data, last } => Event::RecipientReply { ticket, data, reply, last, deviations },
        }))
    }

    /// A reply, and no command waits for one.
    fn unasked(&mut self, reply: Reply, deviations: Vec<Deviation>) -> Result<Option<Event>, Error> {
        if matches!(reply.code(), ReplyCode::UNAVAILABLE | ReplyCode::CLOSING) {
            self.phase = Phase::Closed;
            return Ok(Some(Event::Unsolicited { reply }));
        }
        match self.session.body {
            Body::Sending { command, .. } if reply.code().class() > 3 => {
                // The message is refused before its end. The end cannot be sent any more: it might
                // be read as a command.
                self.session.answered(false);
                self.phase = Phase::Closed;
                Ok(Some(Event::Reply { ticket: command.ticket, reply, deviations }))
            }
            _ => {
                self.last_words = Some(Event::Unsolicited { reply });
                Err(Error::UnsolicitedReply { what: "a reply, and no command waits for one" })
            }
        }
    }

    /// 354, 334 or 353.
    fn intermediate(
        &mut self,
        command: InFlight,
        reply: &Reply,
        deviations: Vec<Deviation>,
    ) -> Result<Option<Event>, Error> {
        match (command.part, command.rules.effect) {
            // RFC 1845: the server has a part of a message, and nobody here knows of which.
            (Part::Line, Effect::Data) if reply.code() == ReplyCode::RESTART_OFFSET => {
                Err(Error::Unexpected { what: "a place to go on with a message", offset: 0 })
            }
            (Part::Line, Effect::Data) => {
                self.session.in_flight.pop_front();
                if self.session.transaction.recipients.is_empty() {
                    let end = self.write(|out| out.extend_from_slice(b".\r\n"));
                    self.session.in_flight.push_front(InFlight { part: Part::Empty, end, ..command });
                    return Ok(None);
                }
                self.session.state = Effect::Data.after(self.session.state);
                self.session.body = Body::Sending {
                    command,
                    stuffer: Stuffer::new(self.config.bare_newline),
                    nul: (!self.config.allow_nul).then(NulSearch::new),
                };
                Ok(Some(Event::BodyRequested { ticket: command.ticket }))
            }
            (Part::Message, _)
                if reply.code() == ReplyCode::RECIPIENT_REPLIES_FOLLOW
                    && self.session.transaction.prdr
                    && !self.session.transaction.recipients.is_empty() =>
            {
                // That of the message comes after them, and nothing before it: each has one.
                let recipients = core::mem::take(&mut self.session.transaction.recipients);
                for ticket in recipients.into_iter().rev() {
                    let part = Part::Recipient { data: command.ticket, last: false };
                    self.session.in_flight.push_front(InFlight { ticket, part, ..command });
                }
                Ok(None)
            }
            (Part::Line, Effect::Auth) => self.challenge(command.ticket, reply, deviations),
            _ => Err(Error::Unexpected { what: "an intermediate reply", offset: 0 }),
        }
    }

    /// 334: nothing is to be told where the first message was held back.
    fn challenge(
        &mut self,
        ticket: Ticket,
        reply: &Reply,
        mut deviations: Vec<Deviation>,
    ) -> Result<Option<Event>, Error> {
        let limit = self.config.limits.auth_steps;
        let challenged =
            self.session.exchange.as_mut().map(|exchange| exchange.challenge(limit)).transpose()?;
        if let Some(Challenged::Held(initial)) = challenged {
            self.respond(&SaslStep::Data(initial));
            return Ok(None);
        }
        let text = reply.first_line();
        let data = match sasl::decode(text.as_bytes()) {
            Ok(data) => data,
            Err(error) if self.config.dialect == Dialect::Strict => {
                // RFC 4954 section 4: cancel.
                self.respond(&SaslStep::Cancel);
                let error = ParseError::new(error.offset.saturating_add(4), error.reason);
                return Ok(Some(Event::Malformed { ticket: Some(ticket), bytes: Bytes::new(), error }));
            }
            Err(_) => {
                deviations.push(Deviation::new(deviation::CHALLENGE_NOT_BASE64, 4));
                Secret::from(text.as_bytes())
            }
        };
        Ok(Some(Event::AuthChallenge { ticket, data, deviations }))
    }

    /// No whole reply is there.
    pub(super) fn no_reply(&mut self) -> Next<Event> {
        let body_is_due = self.session.in_flight.is_empty() && !matches!(self.session.body, Body::None);
        if self.session.is_challenged() || body_is_due || self.is_chunk_due() {
            return Next::Paused;
        }
        // A full output may keep commands back that go out when it was drained.
        if !self.output.is_full() {
            self.framer.park();
        }
        Next::NeedInput
    }

    /// The server has closed the stream.
    pub(super) fn end_of_input(&mut self, input: &BytesMut) -> Result<Next<Event>, Error> {
        let during = if !input.is_empty() || !self.framer.at_start() {
            "within a reply"
        } else {
            match (self.phase, self.session.in_flight.front(), &self.session.body) {
                (Phase::Greeting, ..) => "before the greeting",
                (Phase::Hello { .. }, ..) => "before the reply to EHLO",
                (Phase::StartTls { .. }, ..) => "before the reply to STARTTLS",
                (_, Some(command), _) if command.is_quit() => return self.closed(),
                (_, Some(command), _) if command.is_message() => "before the reply to a message",
                (_, Some(_), _) => "before a reply",
                (_, None, Body::Sending { .. } | Body::Broken(_)) => "within a message",
                (_, None, Body::None) if self.session.sending == Sending::Chunks => "within a message",
                (_, None, Body::None) if self.session.queue.is_empty() => return self.closed(),
                (_, None, Body::None) => "before a command was sent",
            }
        };
        self.fail(Error::UnexpectedEof { during })
    }

    fn closed(&mut self) -> Result<Next<Event>, Error> {
        self.phase = Phase::Closed;
        Ok(Next::Closed)
    }
}
