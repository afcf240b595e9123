//! What the client's commands mean for the session.

use alloc::{boxed::Box, vec::Vec};

use bytes::{Bytes, BytesMut};
use mailwire_core::{
    Dialect, Error, Next, ParseError, Parsed, SaslStep, Text, Ticket, Upgrade,
    private::{await_tls, once_drained, refuse_injection},
    sasl::{self, Steps},
};

use super::{
    Event, State,
    refusal::Refusal,
    state::{Current, Machine, Mode, Phase},
};
use crate::{
    capability::{Capabilities, Capability},
    command::{
        Command, Effect, LITERAL_MINUS, Literals, Name, Request, announces_message, parse_head, row_of,
        takes_message,
    },
    extensions::condstore,
    framing::{Announcement, Frame, Framed, Hide, login_end},
    response::{Code, Reply, ReplyKind},
    types::{ParseContext, Tag, chars},
};

/// What comes of something that was read: an event at most.
pub(super) type Reading = Result<Option<Event>, Error>;

impl Machine {
    /// What [`next_event`](mailwire_core::Connection::next_event) does where there may be something new.
    #[inline(never)]
    pub(super) fn advance(&mut self, input: &mut BytesMut) -> Result<Next<Event>, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        // Not `inspect_err`, with which what is given would be moved once more.
        let next = self.step(input);
        if let Err(error) = &next {
            self.fail(*error);
        }
        next
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
                Phase::Closed => return Ok(Next::Closed),
                Phase::Running => {}
            }
            match self.mode {
                Mode::Answer | Mode::Decision { .. } => {
                    if self.awaits_upgrade() {
                        refuse_injection("STARTTLS", input)?;
                    }
                    return Ok(Next::Paused);
                }
                // The client has to read before it is given more.
                Mode::Command if self.output.is_full() => return Ok(Next::Paused),
                _ => {}
            }
            self.framer.hide(match (self.mode, self.session.state) {
                (Mode::AuthLine, _) => Hide::All,
                (_, State::NotAuthenticated) => Hide::Logins,
                _ => Hide::Nothing,
            });
            match self.framer.next(input, &self.config.limits)? {
                Framed::NeedInput if self.eof => return self.at_eof(input),
                Framed::NeedInput => {
                    self.framer.park();
                    return Ok(Next::NeedInput);
                }
                Framed::Message(frame) => {
                    if let Some(event) = self.take_message(frame, input)? {
                        return Ok(Next::Event(event));
                    }
                }
                Framed::Literal(announced) => self.take_literal(announced, input)?,
                Framed::Chunk(chunk) => {
                    if let Some(nul) = &mut self.nul {
                        nul.look(&chunk);
                    }
                    return Ok(Next::Event(Event::BodyChunk(chunk)));
                }
                Framed::End => self.mode = Mode::Tail,
            }
        }
    }

    fn awaits_upgrade(&self) -> bool {
        self.current.as_ref().is_some_and(|current| current.effect == Effect::StartTls)
    }

    fn at_eof(&mut self, input: &BytesMut) -> Result<Next<Event>, Error> {
        let during = match self.mode {
            Mode::Command if self.framer.at_boundary(input) => {
                self.phase = Phase::Closed;
                return Ok(Next::Closed);
            }
            Mode::Body | Mode::Tail => "within a message",
            Mode::AuthLine => "within an authentication",
            Mode::Idle => "within IDLE",
            _ => "within a command",
        };
        Err(Error::UnexpectedEof { during })
    }

    #[inline(never)]
    fn take_literal(&mut self, announced: Announcement, input: &mut BytesMut) -> Result<(), Error> {
        if let Some(event) = self.answer_literal(announced, input)? {
            // The message of an APPEND that was let in follows its command.
            self.events.push_front(event);
        }
        Ok(())
    }

    /// Lets the announced literal come, or refuses it.
    #[inline]
    fn answer_literal(&mut self, announced: Announcement, input: &mut BytesMut) -> Reading {
        match self.mode {
            Mode::Command => {}
            // In these a line is no command, whatever it ends in.
            Mode::AuthLine | Mode::Idle => {
                let line = self.framer.refuse(input);
                return self.take_line(&line);
            }
            Mode::Tail => return self.take_more(announced, input),
            _ => {
                self.give_up(announced, input)?;
                return Ok(None);
            }
        }
        let text = self.framer.announced(input);
        if !self.let_in {
            let Some(head) = parse_head(text) else {
                let refusal = Refusal::bad(0, "expected a tag and a command");
                return self.refuse_literal(announced, input, &refusal);
            };
            if announces_message(&head) {
                return self.take_append(announced, input);
            }
            if let Err(refusal) = self.permits_literals(head.name) {
                return self.refuse_literal(announced, input, &refusal);
            }
            self.let_in = !takes_message(&head);
        }
        if let Err(refusal) = self.permits_inline(announced, text.len()) {
            return self.refuse_literal(announced, input, &refusal);
        }
        self.framer.keep(&self.config.limits)?;
        if announced.synchronizing {
            self.output.put(b"+ go on\r\n");
        }
        Ok(None)
    }

    /// Whether the client may go on with arguments of the command of this name. What can be told now saves
    /// it the way, and saves a password from the wire.
    fn permits_literals(&self, name: &[u8]) -> Result<(), Refusal> {
        if let Some(row) = row_of(name) {
            row.valid_in.check(self.session.state).map_err(|reason| Refusal::bad(0, reason.as_str()))?;
        }
        if Name::of(name) == Some(Name::Login) { self.permits_login() } else { Ok(()) }
    }

    /// Whether the argument can be kept.
    #[inline]
    pub(super) fn permits_inline(&self, announced: Announcement, so_far: usize) -> Result<(), Refusal> {
        let limits = &self.config.limits;
        let total = announced.size.saturating_add(so_far as u64);
        if announced.size > limits.inline_literal as u64 || total > limits.frame as u64 {
            return Err(Refusal::bad(so_far, "the literal is too large").with_code(Code::TooBig));
        }
        self.permits_size(announced, so_far)
    }

    /// RFC 7888 section 5.
    pub(super) fn permits_size(&self, announced: Announcement, so_far: usize) -> Result<(), Refusal> {
        let minus = self.config.literals() == Literals::Minus;
        if !announced.synchronizing && minus && announced.size > LITERAL_MINUS {
            return Err(
                Refusal::bad(so_far, "too large for a non-synchronizing literal").with_code(Code::TooBig)
            );
        }
        Ok(())
    }

    /// The command is answered now; what still comes of it is read past.
    pub(super) fn refuse_literal(
        &mut self,
        announced: Announcement,
        input: &mut BytesMut,
        refusal: &Refusal,
    ) -> Reading {
        let text = Bytes::copy_from_slice(self.framer.announced(input));
        self.give_up(announced, input)?;
        self.refuse_line(text, refusal)
    }

    /// Reads past the announced literal and the rest of the command, if they come, as far as that is
    /// worth it.
    pub(super) fn give_up(&mut self, announced: Announcement, input: &mut BytesMut) -> Result<(), Error> {
        self.let_in = false;
        if announced.synchronizing {
            self.framer.refuse(input);
            self.mode = Mode::Command;
            return Ok(());
        }
        let before = if let Mode::Rest { skipped } = self.mode { skipped } else { 0 };
        let skipped = announced.size.saturating_add(before);
        // More than this of one command is not read for nothing (RFC 7888 section 4).
        let limit = self.config.limits.message;
        if skipped > limit {
            return Err(Error::LimitExceeded { what: "bytes in a literal", limit });
        }
        self.framer.skip(input);
        self.mode = Mode::Rest { skipped };
        Ok(())
    }

    /// Answers a line that is no command, or none yet.
    #[cold]
    fn refuse_line(&mut self, bytes: Bytes, refusal: &Refusal) -> Reading {
        let head = parse_head(&bytes);
        let tag = head.map(|head| head.tag).or_else(|| self.lone_tag(&bytes));
        self.tagged(&Text::from(tag.unwrap_or(b"*")), &refusal.status);
        let bytes = without_secrets(bytes);
        self.count_bad()?;
        Ok(Some(Event::Malformed { ticket: None, bytes, error: refusal.error }))
    }

    /// A line that is nothing but a tag, which a lenient server answers.
    fn lone_tag<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        const LONGEST: usize = 64;
        let lenient = self.config.dialect == Dialect::Lenient;
        let fits = !line.is_empty() && line.len() <= LONGEST && chars::all(line, chars::TAG);
        (lenient && fits).then_some(line)
    }

    /// Answers a command that is not handed out.
    #[cold]
    pub(super) fn refuse_command(&mut self, Request { tag, command }: Request, refusal: Refusal) -> Reading {
        self.tagged(tag.as_text(), &refusal.status);
        self.count_bad()?;
        Ok(Some(Event::Refused { command, reply: Box::new(refusal.status) }))
    }

    fn count_bad(&mut self) -> Result<(), Error> {
        self.session.bad_commands += 1;
        let limit = self.config.limits.bad_commands;
        if self.session.bad_commands >= limit { Err(Error::TooManyBadCommands { limit }) } else { Ok(()) }
    }

    // Apart from the loop, which has few values to keep then.
    #[inline(never)]
    fn take_message(&mut self, mut frame: Frame, input: &BytesMut) -> Reading {
        self.let_in = false;
        match self.mode {
            Mode::AuthLine | Mode::Idle => self.take_line(&frame.bytes),
            Mode::Rest { .. } => {
                self.mode = Mode::Command;
                Ok(None)
            }
            Mode::Tail => Ok(self.end_body(&frame)),
            _ => {
                let mut unknown = None;
                // What was read is moved only once more.
                match self.parse(&mut frame, &mut unknown) {
                    Ok(parsed) => {
                        if let Some(error) = unknown {
                            let permitted = self.permits_unknown(&parsed.value.command, error, &frame.bytes);
                            if let Err(refusal) = permitted {
                                return self.refuse_command(parsed.value, refusal);
                            }
                        }
                        self.dispatch(parsed, input)
                    }
                    Err(ParseError { offset, reason, .. }) => {
                        self.refuse_line(frame.bytes, &Refusal::bad(offset, reason))
                    }
                }
            }
        }
    }

    /// The command; `unknown` is what of it is not known though the command is.
    #[inline]
    pub(super) fn parse(
        &self,
        frame: &mut Frame,
        unknown: &mut Option<ParseError>,
    ) -> Result<Parsed<Request>, ParseError> {
        let context = frame.take_context(self.config.dialect, self.config.limits.nesting);
        let context = ParseContext { utf8: self.session.utf8(), ..context };
        Request::parse_telling(&frame.bytes, &context, unknown)
    }

    /// Whether the application takes what is not known in it, which then has to be allowed now.
    #[cold]
    pub(super) fn permits_unknown(
        &self,
        command: &Command,
        error: ParseError,
        bytes: &Bytes,
    ) -> Result<(), Refusal> {
        let takes_members = self.config.pass_unknown_commands;
        match self.permits(command, &command.rules()) {
            Ok(()) if takes_members || matches!(command, Command::Other(_)) => Ok(()),
            Err(refusal) if !refusal.is_unknown_command() => Err(refusal),
            _ => Err(Refusal::unknown(error, word_at(bytes, error.offset))),
        }
    }

    #[inline(always)]
    fn dispatch(&mut self, parsed: Parsed<Request>, input: &BytesMut) -> Reading {
        let Request { tag, command } = &parsed.value;
        let rules = command.rules();
        if let Err(refusal) = self.permits(command, &rules) {
            return self.refuse_command(parsed.value, refusal);
        }
        // Nothing of it is still to come: it is put together of what the server has.
        let is_whole_append = rules.effect == Effect::Append;
        if is_whole_append && command.appended().is_none_or(|append| append.literals().next().is_some()) {
            // A message that is not announced by a literal at the end of a line does not exist.
            let refusal = Refusal::bad(0, "expected the message as a literal");
            return self.refuse_command(parsed.value, refusal);
        }
        self.count_idle(command)?;
        match command {
            Command::Capability => {
                let offer = self.offer.as_slice();
                self.output.write(|out| {
                    out.extend_from_slice(b"* CAPABILITY");
                    Capability::write_all(out, offer);
                    out.extend_from_slice(b"\r\n");
                });
                self.tagged(tag.as_text(), &Reply::from_static(ReplyKind::Ok, "done"));
                return Ok(None);
            }
            Command::Enable(asked) => return Ok(self.enable(tag, asked)),
            Command::StartTls => refuse_injection("STARTTLS", input)?,
            // RFC 9051 section 7.1, RFC 7162 section 3.2.11: what comes from here on is about the new mailbox.
            Command::Select(_) | Command::Examine(_)
                if self.says_closed() && self.session.state == State::Selected =>
            {
                let closed = Reply::from_static(ReplyKind::Ok, "the previous mailbox is closed");
                self.untagged(&closed.with_code(Code::Closed));
            }
            _ => {}
        }
        // What enables it is refused where it is not offered.
        self.session.condstore =
            self.session.condstore || (self.config.offers.condstore && condstore::enables_condstore(command));
        let expunge = command.expunges(&rules);
        let Parsed { value: Request { tag, command }, deviations, .. } = parsed;
        let ticket = self.begin(tag, rules.effect, expunge);
        if is_whole_append {
            self.events.push_back(Event::BodyEnd { ticket });
        }
        Ok(Some(Event::Command { ticket, command, deviations }))
    }

    /// Whether a client is told where the responses about one mailbox end and those about the next begin.
    fn says_closed(&self) -> bool {
        self.session.rev2 || self.config.offers.condstore
    }

    /// The command goes to the application.
    pub(super) fn begin(&mut self, tag: Tag, effect: Effect, expunge: bool) -> Ticket {
        let ticket = self.tickets.issue();
        self.session.bad_commands = 0;
        let steps = Steps::default();
        self.current = Some(Current { ticket, tag, effect, expunge, steps, bad_end: false });
        self.mode = Mode::Answer;
        ticket
    }

    /// Nobody stays for ever who does not log in.
    fn count_idle(&mut self, command: &Command) -> Result<(), Error> {
        let may_idle = self.session.state == State::NotAuthenticated;
        if may_idle && matches!(command, Command::Noop | Command::Capability | Command::Id(_)) {
            self.session.idle_commands += 1;
            let limit = self.config.limits.idle_commands as u64;
            if self.session.idle_commands as u64 > limit {
                return Err(Error::LimitExceeded { what: "commands before the login", limit });
            }
        }
        Ok(())
    }

    /// RFC 9051 section 6.3.1.
    fn enable(&mut self, tag: &Tag, asked: &[Capability]) -> Option<Event> {
        let mut enabled: Vec<Capability> = Vec::new();
        for capability in asked {
            let has = match capability {
                Capability::Imap4Rev2 => self.config.capabilities().has(capability),
                Capability::UidOnly => self.config.enable.has(capability),
                Capability::Utf8Accept => offers_utf8(self.config.capabilities()),
                _ => self.config.enable.has(capability) && capability.is_enabled_freely(),
            };
            if has && !enabled.contains(capability) {
                enabled.push(capability.clone());
            }
        }
        self.session.bad_commands = 0;
        self.session.rev2 |= enabled.contains(&Capability::Imap4Rev2);
        self.session.utf8_accept |= enabled.contains(&Capability::Utf8Accept);
        self.session.qresync |= enabled.contains(&Capability::QResync);
        self.session.uid_only |= enabled.contains(&Capability::UidOnly);
        self.session.condstore |= self.session.qresync || enabled.contains(&Capability::CondStore);
        self.output.write(|out| {
            out.extend_from_slice(b"* ENABLED");
            Capability::write_all(out, &enabled);
            out.extend_from_slice(b"\r\n");
        });
        self.tagged(tag.as_text(), &Reply::from_static(ReplyKind::Ok, "done"));
        if enabled.is_empty() { None } else { Some(Event::Enabled(enabled)) }
    }

    /// A line that is no command: DONE, or a step of a SASL exchange.
    fn take_line(&mut self, line: &Bytes) -> Reading {
        let Some(current) = &mut self.current else { return Ok(None) };
        let ticket = current.ticket;
        if self.mode == Mode::Idle {
            // Whatever else it is ends IDLE as well: it is not a command.
            current.bad_end = !line.eq_ignore_ascii_case(b"DONE");
            self.mode = Mode::Answer;
            return Ok(Some(Event::IdleDone { ticket }));
        }
        current.steps.count(self.config.limits.auth_steps)?;
        let (event, reason) = match sasl::decode_step(line) {
            Ok(SaslStep::Data(data)) => {
                self.mode = Mode::Answer;
                return Ok(Some(Event::AuthResponse { ticket, step: SaslStep::Data(data) }));
            }
            Ok(step @ SaslStep::Cancel) => (Event::AuthResponse { ticket, step }, "cancelled"),
            Err(error) => {
                (Event::Malformed { ticket: Some(ticket), bytes: Bytes::new(), error }, error.reason)
            }
        };
        self.complete(Reply::from_static(ReplyKind::Bad, reason));
        Ok(Some(event))
    }
}

/// What stands at an offset, up to the end of the word.
fn word_at(bytes: &Bytes, offset: usize) -> &[u8] {
    const SHOWN: usize = 64;
    let rest = bytes.get(offset..).unwrap_or_default();
    let length =
        rest.iter().take(SHOWN).take_while(|byte| **byte != b'[' && chars::is(**byte, chars::ATOM)).count();
    rest.get(..length).unwrap_or_default()
}

/// What may be shown of a command that was refused: nothing after LOGIN or AUTHENTICATE, wherever
/// they stand, and nothing of a single word, which can be a step of an exchange that was refused
/// before.
fn without_secrets(bytes: Bytes) -> Bytes {
    if let Some(end) = login_end(&bytes) {
        return bytes.slice(..end);
    }
    let mut words = bytes.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    if words.nth(1).is_some() { bytes } else { Bytes::new() }
}

/// Whether UTF8=ACCEPT can be enabled ([RFC 6855 section 3](https://www.rfc-editor.org/rfc/rfc6855#section-3)).
fn offers_utf8(offered: &Capabilities) -> bool {
    offered.has(&Capability::Utf8Accept) || offered.has(&Capability::Utf8Only)
}
