//! What the server's responses mean for the session.

use alloc::{borrow::Cow, vec::Vec};

use bytes::{Bytes, BytesMut};
use mailwire_core::{
    Channel, Deviation, Error, Misuse, Next, OutputMark, ParseError, Parsed, SaslStep, Secret, Upgrade,
    private::{await_tls, once_drained},
    sasl::{self, Challenged},
};

use super::{
    Event, State,
    profile::{Profile, Said},
    state::{Ignoring, Machine, Phase, Session, Unfinished},
};
use crate::{
    capability::{Capabilities, Capability},
    command::{Effect, Then},
    deviation,
    framing::{Frame, Framed},
    response::{Code, Continuation, FetchData, Reply, ReplyKind, Response, StatusAttVal, Tagged, Untagged},
    types::{ParseContext, chars},
};

/// What the server says of message 0 is about none.
const NO_MESSAGE: ParseError = ParseError::new(2, deviation::ZERO_FOR_MESSAGE_NUMBER);

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
            if let Some(event) = self.events.pop_front() {
                return Ok(Next::Event(event));
            }
            match self.phase {
                Phase::Upgrading(Upgrade::Tls) => {
                    return await_tls("STARTTLS", input, &self.output, self.eof);
                }
                Phase::Upgrading(upgrade) => return Ok(once_drained(upgrade, &self.output)),
                Phase::Closed => return Ok(self.end()),
                Phase::Greeting | Phase::Running => {}
            }
            self.flush();
            if !self.events.is_empty() {
                continue;
            }
            if self.byes >= self.config.limits.noise.max(1) {
                // As if the server had closed after it, whatever has come already.
                return self.at_eof(&BytesMut::new());
            }
            match self.framer.next(input, &self.config.limits)? {
                Framed::NeedInput if self.eof => return self.at_eof(input),
                Framed::NeedInput if self.waits_for_caller() => return Ok(Next::Paused),
                Framed::NeedInput => {
                    // A full output may keep commands back that go out when it was drained.
                    if !self.output.is_full() {
                        self.framer.park();
                    }
                    return Ok(Next::NeedInput);
                }
                Framed::Message(frame) => self.take_message(frame)?,
                Framed::Literal(announced) => self.take_literal(announced, input)?,
                Framed::Chunk(chunk) => return Ok(Next::Event(Event::BodyChunk(chunk))),
                Framed::End => return Ok(Next::Event(Event::BodyEnd)),
            }
        }
    }

    /// Whether the server can do nothing before the caller does something.
    pub(super) fn waits_for_caller(&self) -> bool {
        match &*self.unfinished {
            Some(Unfinished::Sending(..)) => true,
            Some(Unfinished::Auth(exchange)) => exchange.is_clients_turn(),
            _ => false,
        }
    }

    /// The conversation is over. What was never sent is told apart from what nobody knows of.
    fn end(&mut self) -> Next<Event> {
        while let Some(queued) = self.queue.pop_front() {
            if let Some(ticket) = queued.ticket {
                return Next::Event(Event::NotSent { ticket, reason: Misuse::Closed });
            }
        }
        Next::Closed
    }

    fn at_eof(&mut self, input: &BytesMut) -> Result<Next<Event>, Error> {
        if let Some(reply) = self.held.take() {
            return Ok(Next::Event(reply));
        }
        if let event @ Next::Event(_) = self.end() {
            return Ok(event);
        }
        let during = match (self.phase, self.framer.at_boundary(input)) {
            (Phase::Greeting, _) => "before the greeting",
            (_, false) => "within a response",
            (_, true) if self.in_flight.iter().any(|sent| sent.rules.effect != Effect::Logout) => {
                "while a command is in progress"
            }
            (_, true) => {
                self.phase = Phase::Closed;
                return Ok(Next::Closed);
            }
        };
        Err(Error::UnexpectedEof { during })
    }

    pub(super) fn parse(&self, frame: &mut Frame) -> Result<Parsed<Response>, ParseError> {
        let context = frame.take_context(self.config.dialect, self.config.limits.nesting);
        Response::parse_in(&frame.bytes, &ParseContext { utf8: self.session.utf8, ..context })
    }

    /// Before TLS, where TLS is to come, nothing but the completion of STARTTLS has a meaning.
    pub(super) fn is_out_of_place(&self) -> bool {
        self.config.channel == Channel::StartTls && !self.session.tls
    }

    // Apart from the loop, which has few values to keep then.
    #[inline(never)]
    fn take_message(&mut self, mut frame: Frame) -> Result<(), Error> {
        self.fetching = None;
        match self.ignoring.take() {
            Some(Ignoring::State) => return Ok(()),
            Some(Ignoring::Literal(offset)) => {
                let error = ParseError::new(offset, "the literal is too large for its place");
                return self.malformed(frame.bytes, error);
            }
            Some(Ignoring::Zero) => return self.malformed(frame.bytes, NO_MESSAGE),
            None => {}
        }
        if self.phase == Phase::Greeting {
            return self.greet(frame);
        }
        match self.parse(&mut frame) {
            Err(error) => self.malformed(frame.bytes, error),
            Ok(Parsed { value, deviations, .. }) => self.take_response(value, deviations, frame.bytes),
        }
    }

    #[inline]
    fn take_response(
        &mut self,
        response: Response,
        deviations: Vec<Deviation>,
        bytes: Bytes,
    ) -> Result<(), Error> {
        self.noise = 0;
        match response {
            Response::Tagged(tagged) => self.complete(tagged, deviations),
            Response::Continuation(continuation) => self.take_continuation(&continuation, bytes),
            Response::Untagged(
                Untagged::Expunge(None) | Untagged::Fetch(FetchData { number: None, uid: None, .. }),
            ) => self.malformed(bytes, NO_MESSAGE),
            Response::Untagged(data) => {
                let last = deviations.iter().any(|odd| odd.name == deviation::TAGGED_BYE);
                self.take_data(data, deviations)?;
                if last {
                    // The end of its command, and of all that wait.
                    self.byes = usize::MAX;
                }
                Ok(())
            }
        }
    }

    /// ```text
    /// greeting = "*" SP (resp-cond-auth / resp-cond-bye) CRLF
    /// ```
    fn greet(&mut self, mut frame: Frame) -> Result<(), Error> {
        const EXPECTED: &str = "expected OK, PREAUTH or BYE";
        let Parsed { value, deviations, .. } = match self.parse(&mut frame) {
            Ok(parsed) => parsed,
            Err(error) => return self.invalid_greeting(frame, error),
        };
        let greeting = match value {
            Response::Untagged(Untagged::Reply(greeting)) => greeting,
            _ => return self.invalid_greeting(frame, ParseError::new(0, EXPECTED)),
        };
        let start_tls = self.config.channel == Channel::StartTls;
        match greeting.kind {
            ReplyKind::Bye => {
                self.phase = Phase::Closed;
                self.session.state = State::Logout;
            }
            ReplyKind::PreAuth if start_tls => {
                // A session that begins logged in can never become a protected one.
                return Err(Error::TlsUnavailable { reason: "the server greets with PREAUTH" });
            }
            ReplyKind::PreAuth => self.session.state = State::Authenticated,
            ReplyKind::Ok => {}
            ReplyKind::No | ReplyKind::Bad => {
                return self.invalid_greeting(frame, ParseError::new(2, EXPECTED));
            }
        }
        let capabilities = match &greeting.code {
            Some(Code::Capability(capabilities)) => Some(capabilities.clone()),
            _ => None,
        };
        if !start_tls {
            self.recognise(Said::Greeting(&greeting));
        }
        self.events.push_back(Event::Greeting { greeting, deviations });
        if self.phase == Phase::Closed {
            return Ok(());
        }
        self.phase = Phase::Running;
        if start_tls {
            if capabilities.is_some_and(|offered| !offered.contains(&Capability::StartTls)) {
                return Err(Error::TlsUnavailable { reason: "the server does not offer STARTTLS" });
            }
            self.ask_tls();
        } else if let Some(capabilities) = capabilities {
            self.learn(&capabilities)?;
        } else if self.config.ask_capabilities.after_greeting {
            self.ask_capabilities();
        }
        Ok(())
    }

    /// Whoever is there speaks another protocol, and may say so.
    fn invalid_greeting(&mut self, frame: Frame, error: ParseError) -> Result<(), Error> {
        *self.last_words = Some(Event::Malformed { ticket: None, bytes: frame.bytes, error });
        Err(Error::InvalidGreeting { reason: error.reason, offset: error.offset })
    }

    fn learn(&mut self, capabilities: &[Capability]) -> Result<(), Error> {
        self.recognise(Said::Capabilities(capabilities));
        let unused = &self.profile.unused;
        let used: Cow<'_, [Capability]> = if unused.is_empty() {
            capabilities.into()
        } else {
            capabilities.iter().filter(|offered| !unused.contains(offered)).cloned().collect()
        };
        let limit = self.config.limits.capabilities;
        let Some(kept) = Capabilities::kept(&used, limit) else {
            return Err(Error::LimitExceeded { what: "bytes of capabilities", limit: limit as u64 });
        };
        self.session.capabilities = kept;
        self.session.capabilities_fresh = true;
        self.events.push_back(Event::Capabilities(self.session.capabilities.clone()));
        Ok(())
    }

    /// What a server says may tell which one it is.
    fn recognise(&mut self, said: Said<'_>) {
        if self.config.profile.is_none() {
            if let Some(profile) = Profile::of(said) {
                self.profile = profile;
            }
        }
    }

    fn complete(&mut self, tagged: Tagged, deviations: Vec<Deviation>) -> Result<(), Error> {
        let Tagged { tag, reply: status } = tagged;
        let Some(at) = self.in_flight.iter().position(|sent| sent.tag == tag) else {
            return Err(Error::UnsolicitedReply { what: "a completion with an unknown tag" });
        };
        let youngest = at + 1 == self.in_flight.len();
        let end = self.in_flight.get(at).map_or_else(OutputMark::default, |sent| sent.end);
        // What refuses a command may come before all of it was sent; success may not.
        let unsent = !self.output.has_left(end) || (youngest && self.unfinished_owes());
        if status.is_ok() && unsent {
            return Err(Error::UnsolicitedReply {
                what: "the success of a command that was not sent in full",
            });
        }
        if let Some(Unfinished::Auth(exchange)) = self.unfinished.as_ref().filter(|_| youngest) {
            exchange.conclude(status.is_ok())?;
        }
        let Some(command) = self.in_flight.remove(at) else { return Ok(()) };
        if youngest && matches!(*self.unfinished, Some(Unfinished::Sending(..))) {
            // The server still reads as many bytes as were announced (RFC 7888 section 4). The
            // caller gives them, and then sees how the command ended.
            if let Some(ticket) = command.ticket {
                *self.held = Some(Event::Reply { ticket, reply: status, deviations });
            }
            return Ok(());
        }
        let unfinished = if youngest { self.unfinished.take() } else { None };
        if let Some(Unfinished::Idle(idle)) = &unfinished {
            if status.is_ok() && idle.renew && idle.done_sent && self.queue.is_empty() {
                self.resume_idle(command.ticket);
                return Ok(());
            }
        }
        self.conclude(command.rules.effect, &status)?;
        if let Some(ticket) = command.ticket {
            self.events.push_back(Event::Reply { ticket, reply: status, deviations });
        } else if command.rules.effect == Effect::Nothing && !self.session.capabilities.is_known() {
            // The machine's own CAPABILITY brought nothing; whoever waits for it is told.
            self.events.push_back(Event::Capabilities(Capabilities::unknown()));
        }
        Ok(())
    }

    /// Whether the command that is written still has something to send before it can succeed.
    fn unfinished_owes(&self) -> bool {
        match &*self.unfinished {
            Some(Unfinished::Parts(_) | Unfinished::Sending(..)) => true,
            Some(Unfinished::Auth(exchange)) => exchange.is_clients_turn() || exchange.owes(),
            Some(Unfinished::Idle(_)) | None => false,
        }
    }

    /// What the end of a command means for the session.
    fn conclude(&mut self, effect: Effect, status: &Reply) -> Result<(), Error> {
        let capabilities = match &status.code {
            Some(Code::Capability(capabilities)) if effect != Effect::StartTls => Some(capabilities.clone()),
            _ => None,
        };
        if effect == Effect::StartTls && !status.is_ok() {
            *self.last_words = Some(Event::StartTlsRefused(status.clone()));
        }
        match self.session.conclude(effect, status.kind)? {
            Then::GoOn | Then::LoginFailed => {}
            Then::Upgrade(upgrade) => self.phase = Phase::Upgrading(upgrade),
            Then::LoggedIn if capabilities.is_none() && !self.session.capabilities_fresh => {
                self.session.capabilities = Capabilities::unknown();
                if self.config.ask_capabilities.after_login {
                    self.ask_capabilities();
                }
            }
            Then::LoggedIn => {}
            Then::LoggedOut => self.log_out(capabilities.is_none()),
            Then::Close => self.phase = Phase::Closed,
        }
        capabilities.map_or(Ok(()), |capabilities| self.learn(&capabilities))
    }

    /// UNAUTHENTICATE: compression ends, and all that was learnt belonged to the user who has left.
    fn log_out(&mut self, ask: bool) {
        if self.session.compressed {
            self.phase = Phase::Upgrading(Upgrade::Uncompressed);
        }
        self.session = Session::new(self.session.tls);
        if ask && self.config.ask_capabilities.after_login {
            self.ask_capabilities();
        }
    }

    fn take_continuation(&mut self, continuation: &Continuation, bytes: Bytes) -> Result<(), Error> {
        let Some(youngest) = self.in_flight.back() else { return self.idle_continuation(bytes) };
        if self.unfinished.is_some() && !self.output.has_left(youngest.end) {
            return Err(Error::UnsolicitedReply { what: "a continuation before its command was sent" });
        }
        let ticket = youngest.ticket;
        match &mut *self.unfinished {
            Some(Unfinished::Parts(_)) => self.continue_parts(),
            Some(Unfinished::Idle(idle)) if !idle.begun => {
                idle.begun = true;
                if idle.done {
                    self.end_idle();
                } else if let Some(ticket) = ticket {
                    self.events.push_back(Event::Idling { ticket });
                }
            }
            Some(Unfinished::Auth(exchange)) if !exchange.is_clients_turn() => {
                if let Challenged::Held(initial) = exchange.challenge(self.config.limits.auth_steps)? {
                    self.respond(&SaslStep::Data(initial));
                    return Ok(());
                }
                match decode_challenge(continuation) {
                    Ok(data) => {
                        if let Some(ticket) = ticket {
                            self.events.push_back(Event::AuthChallenge { ticket, data });
                        }
                    }
                    Err(error) => {
                        self.respond(&SaslStep::Cancel);
                        return self.malformed(bytes, ParseError::new(error.offset + 2, error.reason));
                    }
                }
            }
            _ => return self.idle_continuation(bytes),
        }
        Ok(())
    }

    fn idle_continuation(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.malformed(bytes, ParseError::new(0, "a continuation that nothing waits for"))
    }

    fn take_data(&mut self, data: Untagged, deviations: Vec<Deviation>) -> Result<(), Error> {
        if let Untagged::Reply(Reply { kind: ReplyKind::Bye, .. }) = &data {
            self.byes = self.byes.saturating_add(1);
            let first = self.session.state != State::Logout || self.byes == 1;
            self.session.state = State::Logout;
            // Some servers never stop saying it.
            if !first {
                return Ok(());
            }
        } else if self.is_out_of_place() || !self.session.takes(&data, || self.is_selecting()) {
            return Ok(());
        }
        match &data {
            Untagged::Capability(capabilities) => {
                return self.learn(capabilities);
            }
            Untagged::Id(fields) => self.recognise(Said::Id(fields)),
            Untagged::Reply(Reply { code: Some(Code::Capability(capabilities)), .. }) => {
                self.learn(capabilities)?;
            }
            Untagged::Status(status) => {
                for item in &status.items {
                    if let StatusAttVal::AppendLimit(limit) = item {
                        self.session.append_limits.learn(&status.mailbox, *limit);
                    }
                }
            }
            Untagged::Enabled(enabled) => {
                self.session.utf8 |=
                    enabled.contains(&Capability::Imap4Rev2) || enabled.contains(&Capability::Utf8Accept);
                self.session.utf8_accept |= enabled.contains(&Capability::Utf8Accept);
                self.session.qresync |= enabled.contains(&Capability::QResync);
                self.session.uid_only |= enabled.contains(&Capability::UidOnly);
            }
            _ => {}
        }
        let during = self.in_flight.iter().find_map(|sent| sent.ticket);
        self.events.push_back(Event::Data { data, during, deviations });
        Ok(())
    }

    /// Whether a mailbox is selected, or being selected.
    pub(super) fn is_about_messages(&self) -> bool {
        self.session.state == State::Selected || self.is_selecting()
    }

    fn is_selecting(&self) -> bool {
        self.in_flight.iter().any(|sent| sent.rules.effect == Effect::Select)
    }

    /// A response that does not parse. If it ended a command, that is over.
    fn malformed(&mut self, bytes: Bytes, error: ParseError) -> Result<(), Error> {
        let word = bytes.iter().take_while(|byte| chars::is(**byte, chars::TAG)).count();
        let tag = bytes.get(..word).unwrap_or_default();
        let at = self.in_flight.iter().position(|sent| sent.tag.as_bytes() == tag);
        let ended = at.and_then(|at| self.in_flight.remove(at));
        if let Some(ended) = &ended {
            if at == Some(self.in_flight.len()) {
                if matches!(*self.unfinished, Some(Unfinished::Sending(..))) {
                    // The rest of the message has to go, as in `complete`.
                    let ticket = ended.ticket;
                    *self.held = Some(Event::Malformed { ticket, bytes, error });
                    return Ok(());
                }
                *self.unfinished = None;
            }
            match ended.rules.effect {
                Effect::StartTls => {
                    *self.last_words = Some(Event::Malformed { ticket: None, bytes, error });
                    return Err(Error::TlsUnavailable { reason: "the answer to STARTTLS does not parse" });
                }
                // How the next byte is to be read depends on it.
                Effect::Compress | Effect::Unauthenticate => {
                    let what = "an answer to COMPRESS or UNAUTHENTICATE that does not parse";
                    *self.last_words = Some(Event::Malformed { ticket: ended.ticket, bytes, error });
                    return Err(Error::Unexpected { what, offset: error.offset });
                }
                Effect::Logout => self.phase = Phase::Closed,
                _ => {}
            }
        }
        if ended.is_none() && self.in_flight.is_empty() {
            self.noise += 1;
            let limit = self.config.limits.noise;
            if self.noise > limit {
                let what = "responses that do not parse";
                return Err(Error::LimitExceeded { what, limit: limit as u64 });
            }
        }
        if self.is_out_of_place() {
            return Ok(());
        }
        // What belongs to an authentication is not shown.
        let secret =
            bytes.starts_with(b"+") && self.in_flight.iter().any(|sent| sent.rules.effect.is_login());
        let bytes = if secret { bytes.slice(..1) } else { bytes };
        self.events.push_back(Event::Malformed {
            ticket: ended.and_then(|ended| ended.ticket),
            bytes,
            error,
        });
        Ok(())
    }
}

/// ```text
/// continue-req = "+" SP (resp-text / base64) CRLF
/// ```
fn decode_challenge(continuation: &Continuation) -> Result<Secret, ParseError> {
    sasl::decode(continuation.text.as_bytes())
}
