//! What becomes of what the client sends.

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use mailwire_core::{
    Deviation, Dialect, Error, Newline, Next, ParseError, Parsed, SaslStep, Ticket,
    private::{await_tls, refuse_injection},
    sasl,
};

use super::{
    Event,
    state::{Current, Machine, Phase, Stage},
};
use crate::{
    command::{Command, Effect, Rules},
    deviation,
    reply::{Reply, ResponseCode},
    state::State,
    types::Keyword,
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
        self.step(input).inspect_err(|error| self.fail(*error))
    }

    fn step(&mut self, input: &mut BytesMut) -> Result<Next<Event>, Error> {
        loop {
            match self.session.phase {
                Phase::Running => {}
                Phase::Upgrading => return await_tls("STLS", input, &self.output, self.eof),
                Phase::Closed => return Ok(Next::Closed),
            }
            let auth = match &self.session.current {
                None => None,
                Some(Current { ticket, stage: Stage::Auth, .. }) => Some(*ticket),
                Some(current) => {
                    if current.rules.effect == Effect::StartTls {
                        refuse_injection("STLS", input)?;
                    }
                    return Ok(Next::Paused);
                }
            };
            if self.output.is_full() {
                return Ok(Next::Paused);
            }
            let limits = &self.config.limits;
            let limit = if auth.is_some() { limits.auth_line } else { limits.line };
            let hidden = auth.is_some() || may_hold_secret(input);
            let line = match self.session.framer.next_line_hidden(input, limit, hidden) {
                Ok(Some(line)) => line,
                Ok(None) => return self.need_input(input, auth.is_some()),
                Err(error) => {
                    self.put_status(Reply::err("line too long"));
                    return Err(error.into());
                }
            };
            // Whether an LF alone ends a line is what smuggling and injection live on.
            if line.newline == Newline::Lf {
                self.put_status(Reply::err("lines end in CR LF"));
                let offset = line.text.len();
                return Err(Error::Unexpected { what: "a line that ends in a bare LF", offset });
            }
            let found = match auth {
                Some(ticket) => self.auth_line(ticket, &line.text)?,
                None => self.command_line(&line.text, input)?,
            };
            if let Some(next) = found {
                return Ok(next);
            }
        }
    }

    fn need_input(&mut self, input: &BytesMut, in_auth: bool) -> Result<Next<Event>, Error> {
        match (self.eof, input.is_empty()) {
            (false, _) => {
                self.session.framer.park();
                Ok(Next::NeedInput)
            }
            (true, _) if in_auth => Err(Error::UnexpectedEof { during: "within a SASL exchange" }),
            (true, false) => Err(Error::UnexpectedEof { during: "within a command" }),
            // A client that leaves without QUIT is rude, but it has deleted nothing.
            (true, true) => {
                self.end();
                Ok(Next::Closed)
            }
        }
    }

    /// The client's line of a SASL exchange.
    fn auth_line(&mut self, ticket: Ticket, line: &Bytes) -> Step {
        match sasl::decode_step(line) {
            Ok(SaslStep::Cancel) => {
                self.session.current = None;
                self.put_status(Reply::err("authentication cancelled"));
                self.login_failed();
                Ok(Some(Next::Event(Event::AuthResponse { ticket, step: SaslStep::Cancel })))
            }
            Ok(step) => {
                if let Some(current) = &mut self.session.current {
                    current.stage = Stage::Reply;
                    if let Err(error) = current.steps.count(self.config.limits.auth_steps) {
                        self.put_status(Reply::err("too many steps"));
                        return Err(error);
                    }
                }
                Ok(Some(Next::Event(Event::AuthResponse { ticket, step })))
            }
            Err(error) => {
                self.session.current = None;
                self.login_failed();
                self.malformed(Some(ticket), Bytes::new(), error, "not base64")
            }
        }
    }

    fn command_line(&mut self, line: &Bytes, input: &BytesMut) -> Step {
        // PASS is void unless it follows USER at once.
        let user = self.session.user.take();
        let parsed = Command::parse(line, self.config.dialect).or_else(|error| self.own_command(line, error));
        let Parsed { value: command, deviations, .. } = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                let bytes = self.without_secrets(line);
                return self.malformed(None, bytes, error, error.reason);
            }
        };
        let rules = command.rules();
        if let Err(reason) = self.permits(&command, &rules) {
            return Ok(Some(self.refused(command, reason)));
        }
        match command {
            Command::Noop => {
                self.put_status(Reply::ok(""));
                self.idle_command()?;
                Ok(answered(Command::Noop, deviations))
            }
            Command::Capa => {
                self.put_capabilities();
                self.idle_command()?;
                Ok(answered(Command::Capa, deviations))
            }
            Command::AuthList => {
                self.put_mechanisms();
                self.idle_command()?;
                Ok(answered(Command::AuthList, deviations))
            }
            Command::Utf8 => {
                self.session.utf8 = true;
                self.announce();
                self.put_status(Reply::ok("UTF-8 mode"));
                self.idle_command()?;
                Ok(answered(Command::Utf8, deviations))
            }
            Command::User(name) => {
                // Alike for every name: who exists is nobody's business.
                self.put_status(Reply::ok("send PASS"));
                let odd = (!deviations.is_empty()).then(|| Command::User(name.clone()));
                self.session.user = Some(name);
                self.idle_command()?;
                Ok(odd.and_then(|command| answered(command, deviations)))
            }
            Command::Quit if self.session.state == State::Authorization => {
                self.put_status(Reply::ok("bye"));
                self.end();
                Ok(answered(Command::Quit, deviations))
            }
            Command::Pass(password) => {
                let Some(user) = user else {
                    return Ok(Some(self.refused(Command::Pass(password), "USER comes first")));
                };
                let ticket = self.hand_out(rules, None);
                Ok(Some(Next::Event(Event::Login { ticket, user, password, deviations })))
            }
            command => {
                if rules.effect == Effect::StartTls {
                    refuse_injection("STLS", input)?;
                }
                let ticket = self.hand_out(rules, Some(&command));
                Ok(Some(Next::Event(Event::Command { ticket, command, deviations })))
            }
        }
    }

    /// One of the application's own, whose name may be longer than the RFC's.
    #[cold]
    fn own_command(&self, line: &Bytes, error: ParseError) -> Result<Parsed<Command>, ParseError> {
        if error.reason != deviation::KEYWORD_LENGTH {
            return Err(error);
        }
        let mut parsed = Command::parse(line, Dialect::Lenient)?;
        parsed.deviations.retain(|found| found.name != deviation::KEYWORD_LENGTH);
        match (&parsed.value, parsed.deviations.first()) {
            (Command::Other { keyword, .. }, None) if self.config.extension_commands().contains(keyword) => {
                Ok(parsed)
            }
            _ => Err(error),
        }
    }

    /// The application is to answer.
    fn hand_out(&mut self, rules: Rules, command: Option<&Command>) -> Ticket {
        self.begin(rules.effect);
        let ticket = self.tickets.issue();
        self.session.current = Some(Current::new(ticket, rules, command));
        ticket
    }

    /// What the machine answers by itself must not go on for ever.
    fn idle_command(&mut self) -> Result<(), Error> {
        self.session.idle_commands = self.session.idle_commands.saturating_add(1);
        let limit = self.config.limits.idle_commands;
        if self.session.idle_commands > limit {
            self.put_status(Reply::err("too many commands that do nothing"));
            return Err(Error::LimitExceeded { what: "commands that do nothing", limit: limit as u64 });
        }
        Ok(())
    }

    fn refused(&mut self, command: Command, reason: &'static str) -> Next<Event> {
        let command = match command {
            // A line out of step can be a secret.
            Command::Other { keyword, .. } if self.session.state == State::Authorization => {
                let start = self.without_secrets(&keyword.as_text().clone().into_bytes());
                Command::Other { keyword: Keyword::unchecked(start.into()), arguments: None }
            }
            command => command,
        };
        let reply = Reply::err(reason);
        self.put_status(reply.clone());
        self.bad_command();
        Next::Event(Event::Refused { command, reply })
    }

    /// Before the login any line can hold a secret: a mistyped PASS, a SASL response out of step.
    fn without_secrets(&self, line: &Bytes) -> Bytes {
        match self.session.state {
            State::Authorization => line.slice(..line.len().min(4)),
            State::Transaction | State::Update => line.clone(),
        }
    }

    fn malformed(&mut self, ticket: Option<Ticket>, bytes: Bytes, error: ParseError, reason: &str) -> Step {
        self.put_status(Reply::err(reason));
        self.bad_command();
        Ok(Some(Next::Event(Event::Malformed { ticket, bytes, error })))
    }

    /// Counts; the error comes with the next call, after the event.
    fn bad_command(&mut self) {
        self.bad_commands = self.bad_commands.saturating_add(1);
        let limit = self.config.limits.bad_commands;
        if self.bad_commands >= limit {
            self.put_status(Reply::err_with(ResponseCode::SYS_PERM, "too many bad commands"));
            self.fail(Error::TooManyBadCommands { limit });
        }
    }
}

/// What there is to tell of a command that the machine has answered.
fn answered(command: Command, deviations: Vec<Deviation>) -> Option<Next<Event>> {
    (!deviations.is_empty()).then_some(Next::Event(Event::Answered { command, deviations }))
}

/// Whether a line is PASS or AUTH, by its first letters.
fn may_hold_secret(line: &[u8]) -> bool {
    line.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"PASS") || name.eq_ignore_ascii_case(b"AUTH"))
}
