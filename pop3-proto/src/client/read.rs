//! What becomes of what the server sends.

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use mailwire_core::{
    Channel, Deviation, Dialect, Error, Line, Newline, Next, ParseError, Parsed, SaslStep, Secret, Ticket,
    private::{await_tls, refuse_injection},
    sasl::Challenged,
};

use super::{
    Event,
    rules::Then,
    state::{Machine, Phase, Setup},
};
use crate::{
    capability::{Capabilities, Capability},
    command::{Effect, Follows},
    context::ParseContext,
    deviation,
    reply::{Challenge, Expected, Greeting, Listing, Reply, ResponseCode, ResponseCodeKind},
};

/// `None`: look again.
type Step = Result<Option<Next<Event>>, Error>;

impl Machine {
    /// What [`next_event`](mailwire_core::Connection::next_event) does where there may be something new.
    #[inline(never)]
    pub(super) fn advance(&mut self, input: &mut BytesMut) -> Result<Next<Event>, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.step(input).or_else(|error| {
            self.fail(error);
            self.last_words.take().map(Next::Event).ok_or(error)
        })
    }

    fn step(&mut self, input: &mut BytesMut) -> Result<Next<Event>, Error> {
        loop {
            if let Some(event) = self.next.take() {
                return Ok(Next::Event(event));
            }
            if matches!(self.session.phase, Phase::Closed) {
                return Ok(Next::Closed);
            }
            self.flush();
            if let Some(event) = self.take_unsendable() {
                return Ok(Next::Event(event));
            }
            let found = match &self.session.phase {
                Phase::Closed => None,
                Phase::Greeting => self.read_greeting(input)?,
                Phase::Reply if self.session.in_flight.is_empty() => self.read_noise(input)?,
                Phase::Reply => self.read_reply(input)?,
                Phase::Lines { .. } => self.read_line_of_list(input)?,
                Phase::BodyStart => Some(self.start_body()),
                Phase::Body(_) => Some(self.read_body(input)?),
                Phase::Upgrading => Some(await_tls("STLS", input, &self.output, self.eof)?),
            };
            if let Some(next) = found {
                return Ok(next);
            }
        }
    }

    pub(super) fn need_input(&mut self) -> Result<Next<Event>, Error> {
        if self.eof {
            return Err(Error::UnexpectedEof { during: self.during() });
        }
        // A full output may keep commands back that go out when it was drained.
        if !self.output.is_full() {
            self.session.framer.park();
        }
        Ok(Next::NeedInput)
    }

    /// What is going on, for errors.
    fn during(&self) -> &'static str {
        match (&self.session.phase, self.session.in_flight.front()) {
            (Phase::Greeting, _) => "before the greeting",
            (Phase::Upgrading, _) => "before TLS was up",
            (Phase::Lines { .. }, _) => "within a listing",
            (Phase::BodyStart | Phase::Body(_), _) => "within a message",
            (Phase::Reply, Some(sent)) => match sent.rules.effect {
                Effect::Quit => "before the answer to QUIT",
                Effect::Authenticate => "within a SASL exchange",
                _ => "before the answer to a command",
            },
            (Phase::Reply | Phase::Closed, _) => "between commands",
        }
    }

    fn read_line(&mut self, input: &mut BytesMut) -> Result<Option<Line>, Error> {
        let limits = &self.config.limits;
        let limit = if self.session.exchange.is_some() { limits.auth_line } else { limits.line };
        Ok(self.session.framer.next_line(input, limit)?)
    }

    fn context(&self, line: &Line, expected: Expected) -> ParseContext {
        ParseContext::new(self.config.dialect).with_newline(line.newline).expecting(expected)
    }

    /// The ticket of the command that is being answered; `None` for the machine's own.
    fn ticket(&self) -> Option<Ticket> {
        self.session.in_flight.front().and_then(|sent| sent.ticket)
    }

    fn read_greeting(&mut self, input: &mut BytesMut) -> Step {
        let Some(line) = self.read_line(input)? else { return self.need_input().map(Some) };
        let context = self.context(&line, Expected::Status);
        let Parsed { value: greeting, deviations, .. } = match Greeting::parse(&line.text, context) {
            Ok(parsed) => parsed,
            Err(error) => {
                self.last_words = Some(Event::Malformed { ticket: None, bytes: line.text, error });
                return Err(Error::InvalidGreeting { reason: error.reason, offset: error.offset });
            }
        };
        let session = &mut self.session;
        session.timestamp = greeting.timestamp();
        let code = greeting.code.as_ref().map(ResponseCode::kind);
        session.xclient = code == Some(ResponseCodeKind::Xclient);
        if greeting.ok {
            session.phase = Phase::Reply;
            session.setup.extend(self.config.ask_capabilities.after_greeting.then_some(Setup::Capa));
            session.setup.extend((self.config.channel == Channel::StartTls).then_some(Setup::Stls));
        } else {
            session.phase = Phase::Closed;
            self.queue.clear();
        }
        Ok(Some(Next::Event(Event::Greeting { greeting, deviations })))
    }

    /// Nothing is due. A line that is no reply is a warning of some program behind the server; one
    /// that is a reply answers nothing, and whatever it means, we are out of step.
    fn read_noise(&mut self, input: &mut BytesMut) -> Step {
        if input.is_empty() {
            if self.eof {
                self.session.phase = Phase::Closed;
                return Ok(None);
            }
            return Ok(Some(Next::Paused));
        }
        let Some(line) = self.read_line(input)? else {
            // Nobody waits for the rest of it.
            return if self.eof { self.need_input().map(Some) } else { Ok(Some(Next::Paused)) };
        };
        match Reply::parse(&line.text, Dialect::Lenient) {
            Err(error) if !Challenge::is_one(&line.text) => {
                self.noise = self.noise.saturating_add(1);
                let limit = self.config.limits.noise;
                if self.noise > limit {
                    let what = "lines that are no replies";
                    return Err(Error::LimitExceeded { what, limit: limit as u64 });
                }
                Ok(Some(Next::Event(Event::Malformed { ticket: None, bytes: line.text, error })))
            }
            _ => {
                let what = "a reply when none was due";
                let error = ParseError::new(0, what);
                self.last_words = Some(Event::Malformed { ticket: None, bytes: line.text, error });
                Err(Error::UnsolicitedReply { what })
            }
        }
    }

    fn read_reply(&mut self, input: &mut BytesMut) -> Step {
        if self.session.is_challenged() {
            return Ok(Some(Next::Paused));
        }
        let Some(sent) = self.session.in_flight.front() else { return Ok(None) };
        let (rules, number, end) = (sent.rules, sent.number, sent.end);
        if !input.is_empty() && !self.output.has_left(end) {
            return Err(Error::UnsolicitedReply { what: "an answer before its command was sent" });
        }
        let Some(line) = self.read_line(input)? else { return self.need_input().map(Some) };
        if rules.effect == Effect::Authenticate && Challenge::is_one(&line.text) {
            return self.challenge(&line);
        }
        let empty = line.text.is_empty() && rules.may_be_empty;
        let expected = if empty { Expected::Any } else { rules.status };
        match Reply::parse(&line.text, self.context(&line, expected).about(number)) {
            Ok(Parsed { value, deviations, .. }) => self.answered(value, deviations, input),
            // An answer that cannot be read costs its command, unless what follows would be a guess.
            Err(error)
                if rules.follows == Follows::Nothing
                    && matches!(
                        rules.effect,
                        Effect::Nothing | Effect::Lang | Effect::Dele | Effect::Rset
                    ) =>
            {
                let ticket = self.session.in_flight.pop_front().and_then(|sent| sent.ticket);
                Ok(Some(Next::Event(Event::Malformed { ticket, bytes: line.text, error })))
            }
            Err(error) => {
                self.last_words = Some(Event::Malformed { ticket: self.ticket(), bytes: line.text, error });
                Err(Error::Unexpected { what: error.reason, offset: error.offset })
            }
        }
    }

    fn answered(&mut self, reply: Reply, mut deviations: Vec<Deviation>, input: &BytesMut) -> Step {
        let Some(sent) = self.session.in_flight.front() else { return Ok(None) };
        let (ticket, rules, ok) = (sent.ticket, sent.rules, reply.is_ok());
        if rules.effect == Effect::Authenticate && ok && self.session.takes_ok_for_challenge() {
            let name = deviation::OK_FOR_CHALLENGE;
            if self.config.dialect == Dialect::Strict {
                return Err(Error::Unexpected { what: name, offset: 0 });
            }
            deviations.push(Deviation::new(name, 0));
            return self.challenged(Secret::default(), deviations);
        }
        let follows = if ok { rules.follows } else { Follows::Nothing };
        match follows {
            Follows::Nothing => drop(self.session.in_flight.pop_front()),
            Follows::Lines => {
                self.session.phase = Phase::Lines { count: 0, kept: 0, capabilities: Vec::new() }
            }
            Follows::Body => self.session.phase = Phase::BodyStart,
        }
        if let Reply::Listing(Listing::Language(language)) = &reply {
            self.session.language = Some(language.tag.compact());
        }
        if rules.effect == Effect::StartTls && !ok {
            self.last_words = Some(Event::StartTlsRefused(reply.clone()));
        }
        match self.session.conclude(rules.effect, ok)? {
            Then::GoOn => {}
            Then::Upgrade => {
                self.session.phase = Phase::Upgrading;
                refuse_injection("STLS", input)?;
            }
            Then::LoggedIn => {
                let ask = self.config.ask_capabilities.after_login && !self.session.capa_refused;
                self.session.setup.extend(ask.then_some(Setup::Capa));
            }
            Then::Close => self.session.phase = Phase::Closed,
        }
        if rules.effect == Effect::Capa && !ok && ticket.is_none() {
            self.session.capa_refused = true;
            return Ok(self.capabilities_changed(Capabilities::unknown()).map(Next::Event));
        }
        Ok(ticket.map(|ticket| Next::Event(Event::Reply { ticket, reply, follows, deviations })))
    }

    /// `None` where TLS is still to come: what is offered in clear concerns nobody else.
    fn capabilities_changed(&mut self, capabilities: Capabilities) -> Option<Event> {
        self.session.capabilities = capabilities.clone();
        (!self.waits_for_tls()).then_some(Event::Capabilities(capabilities))
    }

    fn challenge(&mut self, line: &Line) -> Step {
        match Challenge::parse(&line.text, self.context(line, Expected::Any)) {
            Ok(Parsed { value, deviations, .. }) => self.challenged(value.data, deviations),
            Err(error) => {
                self.take_challenge()?;
                // RFC 5034 section 4: a client cancels what it cannot decode. The line can hold a secret.
                self.respond(&SaslStep::Cancel);
                let (ticket, bytes) = (self.ticket(), line.text.slice(..1));
                Ok(Some(Next::Event(Event::Malformed { ticket, bytes, error })))
            }
        }
    }

    fn challenged(&mut self, data: Secret, deviations: Vec<Deviation>) -> Step {
        match self.take_challenge()? {
            Challenged::Held(held) => {
                self.respond(&SaslStep::Data(held));
                Ok(None)
            }
            Challenged::Asks => {
                let event = |ticket| Next::Event(Event::AuthChallenge { ticket, data, deviations });
                Ok(self.ticket().map(event))
            }
        }
    }

    fn take_challenge(&mut self) -> Result<Challenged, Error> {
        let limit = self.config.limits.auth_steps;
        self.session.exchange.as_mut().map_or(Ok(Challenged::Asks), |exchange| exchange.challenge(limit))
    }

    fn read_line_of_list(&mut self, input: &mut BytesMut) -> Step {
        let Some(line) = self.read_line(input)? else { return self.need_input().map(Some) };
        // Where a line ends is where the list can end: nothing to be guessed at.
        if line.newline == Newline::Lf && self.config.dialect == Dialect::Strict {
            return Err(Error::Unexpected { what: deviation::BARE_LF, offset: line.text.len() });
        }
        let expected = self.session.in_flight.front().map_or(Expected::Status, |sent| sent.rules.lines);
        let (ticket, context, limits) = (self.ticket(), self.context(&line, expected), self.config.limits);
        let Phase::Lines { count, kept, capabilities } = &mut self.session.phase else { return Ok(None) };
        if line.text.as_ref() == b"." {
            let capabilities = core::mem::take(capabilities);
            return Ok(self.end_of_list(capabilities)?.map(Next::Event));
        }
        *count = count.saturating_add(1);
        if *count > limits.listing_lines {
            let limit = limits.listing_lines;
            return Err(Error::LimitExceeded { what: "lines of a listing", limit });
        }
        let text = if line.text.first() == Some(&b'.') { line.text.slice(1..) } else { line.text };
        // What is kept holds no receive buffer alive.
        let text = if expected == Expected::Capability { Bytes::copy_from_slice(&text) } else { text };
        match Listing::parse(&text, context) {
            Ok(Parsed { value: line, deviations, .. }) => {
                if let Listing::Capability(capability) = &line {
                    if capabilities.len() >= limits.capabilities {
                        let limit = limits.capabilities as u64;
                        return Err(Error::LimitExceeded { what: "capabilities", limit });
                    }
                    *kept = kept.saturating_add(text.len());
                    if *kept > limits.capability_bytes {
                        let limit = limits.capability_bytes as u64;
                        return Err(Error::LimitExceeded { what: "bytes of capabilities", limit });
                    }
                    capabilities.push(capability.compact());
                }
                Ok(ticket.map(|ticket| Next::Event(Event::Line { ticket, line, deviations })))
            }
            Err(error) => Ok(Some(Next::Event(Event::Malformed { ticket: None, bytes: text, error }))),
        }
    }

    fn end_of_list(&mut self, list: Vec<Capability>) -> Result<Option<Event>, Error> {
        self.session.phase = Phase::Reply;
        let Some(sent) = self.session.in_flight.pop_front() else { return Ok(None) };
        let end = sent.ticket.map(|ticket| Event::LinesEnd { ticket });
        if sent.rules.effect != Effect::Capa {
            return Ok(end);
        }
        let capabilities: Capabilities = list.into_iter().collect();
        if self.waits_for_tls() && !capabilities.has(&Capability::Stls) {
            return Err(Error::TlsUnavailable { reason: "the server does not offer STLS" });
        }
        let changed = self.capabilities_changed(capabilities);
        self.next = end;
        Ok(changed)
    }
}
