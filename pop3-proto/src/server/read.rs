//! Reading what the client sends.

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use mailwire_core::{Deviation, Error, Newline, Next, ParseError, Parsed, SaslStep, Ticket, Upgrade, sasl};

use super::{
    Connection, Event,
    state::{Current, Kind, Session, Stage, State},
};
use crate::{
    command::Command,
    reply::{Listing, Reply, ResponseCode},
    types::{Keyword, Mechanism},
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
            self.session.current = None;
        })
    }

    pub(super) fn step(&mut self, input: &mut BytesMut) -> Result<Next<Event>, Error> {
        loop {
            if self.closing {
                return Ok(if self.output.is_empty() { Next::Closed } else { Next::Paused });
            }
            if self.session.upgrading {
                return self.upgrade(input);
            }
            let auth = match &self.session.current {
                None => None,
                Some(Current { ticket, stage: Stage::Auth, .. }) => Some(*ticket),
                Some(current) => {
                    if current.kind == Kind::Stls {
                        refuse_injection(input)?;
                    }
                    return Ok(Next::Paused);
                }
            };
            if self.output.is_full() {
                return Ok(Next::Paused);
            }
            let limits = &self.config.limits;
            let limit = if auth.is_some() { limits.auth_line } else { limits.line };
            let line = match self.session.framer.next_line(input, limit) {
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
            (true, true) => Ok(if self.output.is_empty() { Next::Closed } else { Next::Paused }),
        }
    }

    fn upgrade(&self, input: &BytesMut) -> Result<Next<Event>, Error> {
        refuse_injection(input)?;
        if self.eof {
            return Err(Error::UnexpectedEof { during: "before TLS was up" });
        }
        Ok(if self.output.is_empty() { Next::Upgrade(Upgrade::Tls) } else { Next::Paused })
    }

    /// The client's line of a SASL exchange.
    fn auth_line(&mut self, ticket: Ticket, line: &Bytes) -> Step {
        match sasl::decode_step(line) {
            Ok(SaslStep::Cancel) => {
                self.session.current = None;
                self.put_status(Reply::err("authentication cancelled"));
                Ok(Some(Next::Event(Event::AuthResponse { ticket, step: SaslStep::Cancel })))
            }
            Ok(step) => {
                let limit = self.config.limits.auth_steps;
                if self.auth_steps > limit {
                    self.put_status(Reply::err("too many steps"));
                    return Err(Error::LimitExceeded {
                        what: "steps of a SASL exchange",
                        limit: limit.into(),
                    });
                }
                self.set_stage(Stage::Reply);
                Ok(Some(Next::Event(Event::AuthResponse { ticket, step })))
            }
            Err(error) => {
                self.session.current = None;
                self.malformed(Some(ticket), Bytes::new(), error, "not base64")
            }
        }
    }

    pub(super) fn challenged(&mut self) {
        self.auth_steps = self.auth_steps.saturating_add(1);
        self.set_stage(Stage::Auth);
    }

    fn command_line(&mut self, line: &Bytes, input: &BytesMut) -> Step {
        let Parsed { value: command, deviations } = match Command::parse(line, self.config.dialect) {
            Ok(parsed) => parsed,
            Err(error) => {
                // PASS is void unless it follows USER at once.
                self.session.user = None;
                let bytes = self.without_secrets(line);
                return self.malformed(None, bytes, error, error.reason);
            }
        };
        self.handle(command, deviations, input)
    }

    fn handle(&mut self, command: Command, deviations: Vec<Deviation>, input: &BytesMut) -> Step {
        let user = self.session.user.take();
        if let Some(reason) = self.refusal(&command) {
            let keyword = match command {
                Command::Other { keyword, .. } => {
                    Keyword::from_peer(self.without_secrets(&keyword.as_text().clone().into_bytes()).into())
                }
                command => command.keyword(),
            };
            return self.refused(keyword, reason);
        }
        match command {
            Command::Capa => self.capa(),
            Command::Noop => {
                self.put_status(Reply::ok(""));
                self.no_op()
            }
            Command::User(name) => {
                // The same for every name: who exists is nobody's business.
                self.put_status(Reply::ok("send PASS"));
                self.session.user = Some(name);
                self.no_op()
            }
            Command::Pass(password) => {
                let Some(user) = user else {
                    return self.refused(Keyword::from_static("PASS"), "USER comes first");
                };
                let ticket = self.begin(Kind::Login);
                Ok(Some(Next::Event(Event::Login { ticket, user, password, deviations })))
            }
            Command::Quit if self.session.state == State::Authorization => {
                self.put_status(Reply::ok("bye"));
                self.closing = true;
                Ok(None)
            }
            command => {
                let kind = Kind::of(&command);
                match kind {
                    Kind::Stls => refuse_injection(input)?,
                    Kind::Quit => self.session.state = State::Update,
                    _ => {}
                }
                let ticket = self.begin(kind);
                Ok(Some(Next::Event(Event::Command { ticket, command, deviations })))
            }
        }
    }

    fn begin(&mut self, kind: Kind) -> Ticket {
        let ticket = self.tickets.issue();
        let Session { current, idle_commands, .. } = &mut self.session;
        *current = Some(Current { ticket, kind, stage: Stage::Reply });
        *idle_commands = 0;
        self.auth_steps = 0;
        ticket
    }

    /// Why a command cannot be given now.
    fn refusal(&self, command: &Command) -> Option<&'static str> {
        const LOGGED_IN: &str = "already logged in";
        const NOT_LOGGED_IN: &str = "log in first";
        const NEEDS_TLS: &str = "not without TLS";
        let config = &self.config;
        let login = self.session.state == State::Authorization;
        let unless = |fits: bool, reason| if fits { None } else { Some(reason) };
        match command {
            Command::Capa | Command::Quit => None,
            Command::Stls if self.session.tls => Some("not permitted when TLS is active"),
            Command::Stls if !login => Some(LOGGED_IN),
            Command::Stls => unless(self.offers_stls(), "not offered"),
            Command::User(_) | Command::Pass(_) | Command::Apop { .. } | Command::Auth { .. } if !login => {
                Some(LOGGED_IN)
            }
            Command::User(_) | Command::Pass(_) if !config.user => Some("not offered"),
            Command::User(_) | Command::Pass(_) => unless(self.protected(), NEEDS_TLS),
            Command::Apop { .. } => unless(config.apop.is_some(), "not offered"),
            Command::Auth { mechanism, .. } => self.mechanism_refusal(mechanism),
            Command::Other { keyword, .. } => {
                let known =
                    |name: &Keyword| keyword.as_text().as_bytes().eq_ignore_ascii_case(name.as_bytes());
                unless(config.extension_commands.iter().any(known), "unknown command")
            }
            Command::Top { .. } if !config.top => Some("not offered"),
            Command::Uidl(_) if !config.uidl => Some("not offered"),
            _ => {
                if login {
                    Some(NOT_LOGGED_IN)
                } else {
                    None
                }
            }
        }
    }

    fn mechanism_refusal(&self, mechanism: &Mechanism) -> Option<&'static str> {
        if self.offers_mechanism(mechanism) {
            None
        } else if self.config.mechanisms.contains(mechanism) {
            Some("not without TLS")
        } else {
            Some("mechanism not offered")
        }
    }

    fn capa(&mut self) -> Step {
        self.put_status(Reply::ok("capability list follows"));
        for capability in self.capabilities().iter() {
            self.put_line(&Listing::Capability(capability.clone()));
        }
        self.output.put(b".\r\n");
        self.no_op()
    }

    /// What the machine answers by itself must not go on for ever.
    fn no_op(&mut self) -> Step {
        self.session.idle_commands = self.session.idle_commands.saturating_add(1);
        let limit = self.config.limits.idle_commands;
        if self.session.idle_commands > limit {
            self.put_status(Reply::err("too many commands that do nothing"));
            return Err(Error::LimitExceeded { what: "commands that do nothing", limit: limit as u64 });
        }
        Ok(None)
    }

    fn refused(&mut self, keyword: Keyword, reason: &'static str) -> Step {
        self.put_status(Reply::err(reason));
        self.bad_command();
        Ok(Some(Next::Event(Event::Refused { keyword, reason })))
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

    /// Counts; the error comes with the next call, behind the event.
    fn bad_command(&mut self) {
        self.bad_commands = self.bad_commands.saturating_add(1);
        let limit = self.config.limits.bad_commands;
        if self.bad_commands >= limit {
            let reply = Reply::err_with(ResponseCode::SYS_PERM, "too many bad commands");
            self.put_status(reply);
            self.failed = Some(Error::TooManyBadCommands { limit });
        }
    }
}

/// Bytes behind STLS are not protected (CVE-2011-0411).
fn refuse_injection(input: &BytesMut) -> Result<(), Error> {
    if input.is_empty() { Ok(()) } else { Err(Error::BytesBehindUpgrade { command: "STLS" }) }
}
