//! Reading what the server sends.

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use mailwire_core::{
    Channel, Deviation, Dialect, Error, Line, Newline, Next, ParseError, Parsed, SaslStep, Secret, Upgrade,
    dot::{Unstuffed, Unstuffer},
};

use super::{
    Connection, Event,
    state::{Kind, Pending, Reading, Setup, State, UserStep},
};
use crate::{
    capability::{Capabilities, Capability},
    command::Follows,
    reply::{Expected, Greeting, Listing, Reply, parse_challenge},
    types::ReplyText,
};

/// `None`: look again.
type Step = Result<Option<Next<Event>>, Error>;

impl Connection {
    /// What [`next_event`](mailwire_core::Connection::next_event) does where there may be something new.
    #[inline(never)]
    pub(super) fn advance(&mut self, input: &mut BytesMut) -> Result<Next<Event>, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.step(input).inspect_err(|error| {
            self.failed = Some(*error);
            self.queue.clear();
        })
    }

    pub(super) fn step(&mut self, input: &mut BytesMut) -> Result<Next<Event>, Error> {
        loop {
            if let Some(event) = self.next.take() {
                return Ok(Next::Event(event));
            }
            if self.closed {
                return Ok(if self.output.is_empty() { Next::Closed } else { Next::Paused });
            }
            self.flush();
            if let Some(event) = self.take_unsendable() {
                return Ok(Next::Event(event));
            }
            let found = match &self.session.reading {
                Reading::Greeting => self.read_greeting(input)?,
                Reading::Status => self.read_status(input)?,
                Reading::Lines { .. } => self.read_line_of_list(input)?,
                Reading::BodyStart => Some(self.start_body()),
                Reading::Body { .. } => Some(self.read_body(input)?),
                Reading::Upgrade => Some(self.upgrade(input)?),
            };
            if let Some(next) = found {
                return Ok(next);
            }
        }
    }

    fn need_input(&mut self) -> Result<Next<Event>, Error> {
        if self.eof {
            return Err(Error::UnexpectedEof { during: self.during() });
        }
        // A full output may keep commands back that go out when it was drained.
        if !self.output.is_full() {
            self.session.framer.park();
        }
        Ok(Next::NeedInput)
    }

    fn read_line(&mut self, input: &mut BytesMut) -> Result<Option<Line>, Error> {
        let limits = &self.config.limits;
        let limit = if self.session.auth.is_some() { limits.auth_line } else { limits.line };
        Ok(self.session.framer.next_line(input, limit)?)
    }

    /// A line's end that is not CR LF.
    fn check_newline(&self, line: &Line) -> Result<Option<Deviation>, ParseError> {
        const NAME: &str = "bare-line-feed";
        let offset = line.text.len();
        match (line.newline, self.config.dialect) {
            (Newline::CrLf, _) => Ok(None),
            (Newline::Lf, Dialect::Strict) => Err(ParseError::new(offset, NAME)),
            (Newline::Lf, Dialect::Lenient) => Ok(Some(Deviation { name: NAME, offset })),
        }
    }

    fn read_greeting(&mut self, input: &mut BytesMut) -> Step {
        let Some(line) = self.read_line(input)? else { return self.need_input().map(Some) };
        let parsed = self
            .check_newline(&line)
            .and_then(|odd| Ok(with(Greeting::parse(&line.text, self.config.dialect)?, odd)))
            .map_err(|error| Error::InvalidGreeting { reason: error.reason, offset: error.offset })?;
        let greeting = parsed.value;
        let ask = self.config.ask_capabilities.after_greeting;
        let session = &mut self.session;
        session.reading = Reading::Status;
        session.timestamp.clone_from(&greeting.timestamp);
        if greeting.ok {
            session.setup.extend(ask.then_some(Setup::Capa));
            session.setup.extend((self.config.channel == Channel::StartTls).then_some(Setup::Stls));
        } else {
            self.closed = true;
        }
        Ok(Some(Next::Event(Event::Greeting { greeting, deviations: parsed.deviations })))
    }

    fn read_status(&mut self, input: &mut BytesMut) -> Step {
        let Some(pending) = self.session.pending.front() else {
            if !input.is_empty() {
                return Err(Error::UnsolicitedReply { what: "bytes when no answer was due" });
            }
            self.closed = self.eof;
            return Ok(if self.eof { None } else { Some(Next::Paused) });
        };
        let kind = pending.kind;
        if self.session.auth.as_ref().is_some_and(|auth| auth.challenged) {
            return Ok(Some(Next::Paused));
        }
        let written = self.put.saturating_sub(self.output.len() as u64);
        if !input.is_empty() && written < pending.end {
            return Err(Error::UnsolicitedReply { what: "an answer before its command was sent" });
        }
        let Some(line) = self.read_line(input)? else { return self.need_input().map(Some) };
        if kind == Kind::Auth {
            if let Some(challenge) = parse_challenge(&line.text, self.config.dialect).transpose() {
                return self.challenge(&line, challenge);
            }
        }
        match self.parse_status(&line) {
            Ok(parsed) => self.answered(parsed, input),
            Err(error) => self.malformed_status(line.text, error),
        }
    }

    fn parse_status(&self, line: &Line) -> Result<Parsed<Reply>, ParseError> {
        let odd = self.check_newline(line)?;
        let (kind, expected) = match self.session.pending.front() {
            Some(pending) => (pending.kind, pending.expected),
            None => (Kind::Plain, Expected::Status),
        };
        let empty = line.text.is_empty() && kind.may_be_empty() && self.config.dialect == Dialect::Lenient;
        let parsed = if empty {
            let deviations = alloc::vec![Deviation { name: "empty-line-for-ok", offset: 0 }];
            Parsed { value: Reply::Ok { code: None, text: ReplyText::default() }, deviations }
        } else {
            Reply::parse(&line.text, expected, self.config.dialect)?
        };
        Ok(with(parsed, odd))
    }

    /// An unreadable answer costs its command, unless what follows it would be a guess.
    fn malformed_status(&mut self, bytes: Bytes, error: ParseError) -> Step {
        let simple = self.session.pending.front().is_some_and(|pending| {
            pending.follows == Follows::Nothing
                && matches!(pending.kind, Kind::Plain | Kind::Dele | Kind::Rset | Kind::Noop)
        });
        if !simple {
            return Err(Error::Unexpected { what: error.reason, offset: error.offset });
        }
        let ticket = self.session.pending.pop_front().and_then(|pending| pending.ticket);
        Ok(Some(Next::Event(Event::Malformed { ticket, ends: true, bytes, error })))
    }

    fn answered(&mut self, parsed: Parsed<Reply>, input: &BytesMut) -> Step {
        let Some(Pending { ticket, kind, follows, lines, .. }) = self.session.pending.front() else {
            return Ok(None);
        };
        let (ticket, kind, mut follows, lines) = (*ticket, *kind, *follows, *lines);
        let Parsed { value: reply, deviations } = parsed;
        let ok = reply.is_ok();
        if kind == Kind::Auth && ok && self.ok_for_challenge()? {
            return Ok(self.challenged(ticket, Secret::default(), {
                let mut deviations = deviations;
                deviations.push(Deviation { name: "ok-for-challenge", offset: 0 });
                deviations
            }));
        }
        if !ok {
            follows = Follows::Nothing;
        }
        match follows {
            Follows::Nothing => {
                self.session.pending.pop_front();
            }
            Follows::Lines => {
                self.session.reading = Reading::Lines {
                    expected: lines.unwrap_or(Expected::Status),
                    count: 0,
                    capabilities: Vec::new(),
                };
            }
            Follows::Body => self.session.reading = Reading::BodyStart,
        }
        match kind {
            Kind::User => self.session.user = if ok { UserStep::Accepted } else { UserStep::None },
            Kind::Login | Kind::Auth => self.login_answered(kind, ok),
            Kind::Stls if !ok => {
                return Err(Error::TlsUnavailable { reason: "the server refuses STLS" });
            }
            Kind::Stls => {
                self.session.reading = Reading::Upgrade;
                self.refuse_injection(input)?;
            }
            Kind::Capa if !ok && ticket.is_none() => {
                self.session.capa_refused = true;
                return Ok(self.capabilities_changed(Capabilities::unknown()).map(Next::Event));
            }
            Kind::Dele if ok => self.marked = self.marked.saturating_add(1),
            Kind::Rset if ok => self.marked = 0,
            Kind::Quit => {
                self.quit = Some(ok);
                self.closed = true;
            }
            _ => {}
        }
        let Some(ticket) = ticket else { return Ok(None) };
        Ok(Some(Next::Event(Event::Reply { ticket, reply, follows, deviations })))
    }

    fn login_answered(&mut self, kind: Kind, ok: bool) {
        self.forget_login(kind);
        self.session.auth = None;
        if !ok {
            return;
        }
        // A QUIT behind the login is already on its way when commands are pipelined.
        let quit = self.session.pending.iter().any(|pending| pending.kind == Kind::Quit);
        self.session.state = if quit { State::Update } else { State::Transaction };
        if self.config.ask_capabilities.after_login && !self.session.capa_refused && !quit {
            self.session.setup.push_back(Setup::Capa);
        }
    }

    /// `None` where TLS is still to come: what is offered in clear concerns nobody else.
    fn capabilities_changed(&mut self, capabilities: Capabilities) -> Option<Event> {
        self.session.capabilities = capabilities.clone();
        let hidden = self.config.channel == Channel::StartTls && !self.session.tls;
        (!hidden).then_some(Event::Capabilities(capabilities))
    }

    /// Whether a `+OK` stands for an empty challenge: it cannot be a success before the client has
    /// sent what its mechanism needs.
    fn ok_for_challenge(&self) -> Result<bool, Error> {
        let early =
            self.session.auth.as_ref().is_some_and(|auth| !auth.cancelled && auth.responses < auth.needed);
        match self.config.dialect {
            Dialect::Strict if early => Err(Error::Unexpected { what: "ok-for-challenge", offset: 0 }),
            _ => Ok(early),
        }
    }

    fn challenge(&mut self, line: &Line, challenge: Result<Parsed<Secret>, ParseError>) -> Step {
        let limit = self.config.limits.auth_steps;
        let ticket = self.session.pending.front().and_then(|pending| pending.ticket);
        if let Some(auth) = &mut self.session.auth {
            if auth.cancelled {
                return Err(Error::Unexpected {
                    what: "a challenge after the exchange was cancelled",
                    offset: 0,
                });
            }
            auth.steps = auth.steps.saturating_add(1);
            if auth.steps > limit {
                return Err(Error::LimitExceeded { what: "steps of a SASL exchange", limit: limit.into() });
            }
        }
        let challenge = challenge.and_then(|parsed| Ok(with(parsed, self.check_newline(line)?)));
        match challenge {
            Ok(Parsed { value, deviations }) => Ok(self.challenged(ticket, value, deviations)),
            Err(error) => {
                // RFC 5034 section 4: a client cancels what it cannot decode.
                self.put_auth(&SaslStep::Cancel);
                let bytes = Bytes::from_static(b"+");
                Ok(Some(Next::Event(Event::Malformed { ticket, ends: false, bytes, error })))
            }
        }
    }

    fn challenged(
        &mut self,
        ticket: Option<mailwire_core::Ticket>,
        data: Secret,
        deviations: Vec<Deviation>,
    ) -> Option<Next<Event>> {
        let auth = self.session.auth.as_mut()?;
        if let Some(held) = auth.held.take() {
            self.put_auth(&SaslStep::Data(held));
            return None;
        }
        auth.challenged = true;
        ticket.map(|ticket| Next::Event(Event::AuthChallenge { ticket, data, deviations }))
    }

    fn read_line_of_list(&mut self, input: &mut BytesMut) -> Step {
        let Some(line) = self.read_line(input)? else { return self.need_input().map(Some) };
        // Where a line ends is where the list can end: nothing to be guessed at.
        let odd = self
            .check_newline(&line)
            .map_err(|error| Error::Unexpected { what: error.reason, offset: error.offset })?;
        let ticket = self.session.pending.front().and_then(|pending| pending.ticket);
        let (dialect, limits) = (self.config.dialect, self.config.limits);
        let Reading::Lines { expected, count, capabilities } = &mut self.session.reading else {
            return Ok(None);
        };
        if line.text.as_ref() == b"." {
            let is_capa = *expected == Expected::Capability;
            let list = core::mem::take(capabilities);
            return Ok(self.end_of_list(is_capa, list)?.map(Next::Event));
        }
        *count = count.saturating_add(1);
        if *count > limits.listing_lines {
            let limit = limits.listing_lines;
            return Err(Error::LimitExceeded { what: "lines of a listing", limit });
        }
        let text = if line.text.first() == Some(&b'.') { line.text.slice(1..) } else { line.text };
        match Listing::parse(&text, *expected, dialect) {
            Ok(parsed) => {
                let Parsed { value: line, deviations } = with(parsed, odd);
                if let Listing::Capability(capability) = &line {
                    if capabilities.len() >= limits.capabilities {
                        let limit = limits.capabilities as u64;
                        return Err(Error::LimitExceeded { what: "capabilities", limit });
                    }
                    capabilities.push(capability.clone());
                }
                Ok(ticket.map(|ticket| Next::Event(Event::Line { ticket, line, deviations })))
            }
            Err(error) => Ok(Some(Next::Event(Event::Malformed { ticket, ends: false, bytes: text, error }))),
        }
    }

    fn end_of_list(&mut self, is_capa: bool, list: Vec<Capability>) -> Result<Option<Event>, Error> {
        self.session.reading = Reading::Status;
        let ticket = self.session.pending.pop_front().and_then(|pending| pending.ticket);
        let end = ticket.map(|ticket| Event::LinesEnd { ticket });
        if !is_capa {
            return Ok(end);
        }
        let capabilities: Capabilities = list.into_iter().collect();
        if !self.session.tls
            && self.config.channel == Channel::StartTls
            && !capabilities.contains(&Capability::Stls)
        {
            return Err(Error::TlsUnavailable { reason: "the server does not offer STLS" });
        }
        let changed = self.capabilities_changed(capabilities);
        self.next = end;
        Ok(changed)
    }

    fn start_body(&mut self) -> Next<Event> {
        self.session.reading = Reading::Body {
            unstuffer: Unstuffer::new(self.config.line_ends()),
            length: 0,
            wire: 0,
            stop: None,
        };
        match self.session.pending.front().and_then(|pending| pending.ticket) {
            Some(ticket) => Next::Event(Event::BodyStart { ticket }),
            None => Next::Paused,
        }
    }

    fn read_body(&mut self, input: &mut BytesMut) -> Result<Next<Event>, Error> {
        let (dialect, limit) = (self.config.dialect, self.config.limits.message);
        let Reading::Body { unstuffer, length, wire, stop } = &mut self.session.reading else {
            return Ok(Next::NeedInput);
        };
        if let Some(error) = stop {
            return Err(*error);
        }
        let before = input.len();
        let found = unstuffer.next(input);
        *wire = wire.saturating_add(before.saturating_sub(input.len()) as u64);
        let bare = unstuffer.bare_newline().map(|at| (at, usize::try_from(at).unwrap_or(usize::MAX)));
        let refused = bare.filter(|_| dialect == Dialect::Strict);
        let refusal = |offset| Error::Unexpected { what: "bare-line-end", offset };
        match found {
            Unstuffed::Chunk(mut chunk) => {
                // What is in front of the place where reading stops is handed out, however it came.
                let start = wire.saturating_sub(chunk.len() as u64);
                if let Some((at, offset)) = refused {
                    *stop = Some(refusal(offset));
                    let good = (at + 1).saturating_sub(start);
                    chunk.truncate(usize::try_from(good).unwrap_or(usize::MAX));
                }
                let room = limit.saturating_sub(*length);
                if chunk.len() as u64 > room {
                    *stop = Some(Error::LimitExceeded { what: "octets of a message", limit });
                    chunk.truncate(usize::try_from(room).unwrap_or(usize::MAX));
                }
                *length = length.saturating_add(chunk.len() as u64);
                match stop {
                    Some(error) if chunk.is_empty() => Err(*error),
                    _ => Ok(Next::Event(Event::BodyChunk(chunk))),
                }
            }
            Unstuffed::NeedInput => self.need_input(),
            Unstuffed::End => {
                if let Some((_, offset)) = refused {
                    return Err(refusal(offset));
                }
                let deviation = bare.map(|(_, offset)| Deviation { name: "bare-line-end", offset });
                self.session.reading = Reading::Status;
                match self.session.pending.pop_front().and_then(|pending| pending.ticket) {
                    Some(ticket) => {
                        let deviations = deviation.into_iter().collect();
                        Ok(Next::Event(Event::BodyEnd { ticket, deviations }))
                    }
                    None => Ok(Next::NeedInput),
                }
            }
        }
    }

    fn upgrade(&mut self, input: &BytesMut) -> Result<Next<Event>, Error> {
        self.refuse_injection(input)?;
        if self.eof {
            return Err(Error::UnexpectedEof { during: self.during() });
        }
        Ok(if self.output.is_empty() { Next::Upgrade(Upgrade::Tls) } else { Next::Paused })
    }

    /// Bytes behind the answer to STLS are not protected (CVE-2011-0411).
    fn refuse_injection(&self, input: &BytesMut) -> Result<(), Error> {
        if input.is_empty() { Ok(()) } else { Err(Error::BytesBehindUpgrade { command: "STLS" }) }
    }
}

/// Adds what was odd about the line's end.
fn with<T>(mut parsed: Parsed<T>, odd: Option<Deviation>) -> Parsed<T> {
    parsed.deviations.extend(odd);
    parsed
}
