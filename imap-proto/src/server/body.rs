//! The messages of APPEND and REPLACE: their literals, and what stands between them.

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use mailwire_core::{ParseError, Parsed, private::NulSearch};

use super::{
    BodyRefusal, Event,
    read::Reading,
    refusal::Refusal,
    state::{Machine, Mode},
};
use crate::{
    capability::Capability,
    command::{
        AppendLiteral, AppendMessage, AppendMore, Command, Needs, OpenAppend, Request, announces_argument,
    },
    framing::{Announcement, Frame},
    response::{Code, Reply, ReplyKind},
    types::{ParseContext, Reader},
};

impl Machine {
    /// The head of an APPEND, up to the announcement of its message.
    pub(super) fn take_append(&mut self, announced: Announcement, input: &mut BytesMut) -> Reading {
        let mut frame = self.framer.announced_frame(input);
        let mut unknown = None;
        let parsed = match self.parse(&mut frame, &mut unknown) {
            Ok(parsed) => parsed,
            Err(ParseError { offset, reason, .. }) => {
                return self.refuse_literal(announced, input, &Refusal::bad(offset, reason));
            }
        };
        let command = &parsed.value.command;
        let rules = command.rules();
        let mut checked = match unknown {
            None => self.permits(command, &rules),
            Some(error) => self.permits_unknown(command, error, &frame.bytes),
        };
        if checked.is_ok() && announced.size > self.append_limit() {
            checked = Err(Refusal::no(Code::TooBig, "the message is too large"));
        }
        if checked.is_ok() {
            checked = self.permits_size(announced, frame.bytes.len());
        }
        if let Err(refusal) = checked {
            self.give_up(announced, input)?;
            return self.refuse_command(parsed.value, refusal);
        }
        let last = command.appended().and_then(|append| append.messages.last());
        let Some(open) = last.filter(|message| message.literals().count() > 0).map(OpenAppend::after) else {
            let refusal = Refusal::bad(0, "expected the message as a literal");
            return self.refuse_literal(announced, input, &refusal);
        };
        let Parsed { value: Request { tag, command }, deviations, .. } = parsed;
        let ticket = self.begin(tag, rules.effect, rules.expunge);
        self.several = matches!(command, Command::Append(_));
        self.await_body(announced, announced.size, open, input);
        Ok(Some(Event::Command { ticket, command, deviations }))
    }

    /// A literal of a message is to come, if the application lets it: with it, the message has so many bytes.
    fn await_body(&mut self, announced: Announcement, size: u64, open: OpenAppend, input: &mut BytesMut) {
        self.framer.stream(input);
        (self.open, self.size) = (open, size);
        self.nul = (!self.config.allow_nul && !announced.binary).then(NulSearch::new);
        self.mode = Mode::Decision { synchronizing: announced.synchronizing, length: announced.size };
        if self.config.accept_bodies {
            self.begin_body();
        }
    }

    /// What stands between a literal of an APPEND and the next one.
    pub(super) fn take_more(&mut self, announced: Announcement, input: &mut BytesMut) -> Reading {
        let text = self.framer.announced(input);
        let takes_arguments = self.open.is_catenate() || self.permits_several();
        if takes_arguments && announces_argument(text) {
            let so_far = text.len();
            if self.permits_inline(announced, so_far).is_err() {
                self.give_up(announced, input)?;
                return Ok(self.refuse_body(BodyRefusal::Trailing(so_far)));
            }
            self.framer.keep(&self.config.limits)?;
            if announced.synchronizing {
                self.output.put(b"+ go on\r\n");
            }
            return Ok(None);
        }
        let frame = self.framer.announced_frame(input);
        let size = frame.bytes.len();
        let checked = match self.read_more(&frame.bytes, frame.streamed) {
            _ if !self.open.is_open() && !self.permits_several() => Err(BodyRefusal::SecondMessage),
            Ok(more) if more.last_kind().is_some() => self.check_more(&more).map(|()| more),
            _ => Err(BodyRefusal::Trailing(size)),
        };
        let checked = checked.and_then(|more| {
            let before = if more.messages.is_empty() { self.size } else { 0 };
            let message = before.saturating_add(announced.size);
            let fits = message <= self.append_limit() && self.permits_size(announced, size).is_ok();
            if fits { Ok((more, message)) } else { Err(BodyRefusal::TooLarge) }
        });
        let (more, message) = match checked {
            Ok(checked) => checked,
            Err(reason) => {
                self.give_up(announced, input)?;
                return Ok(self.refuse_body(reason));
            }
        };
        let open = more.open();
        // A message that begins is a piece of its own: any number of them can follow each other.
        if !more.messages.is_empty() {
            self.framer.restart();
        }
        self.await_body(announced, message, open, input);
        Ok(self.more_event(more))
    }

    fn more_event(&self, more: AppendMore) -> Option<Event> {
        let AppendMore { parts, messages } = more;
        let current = self.current.as_ref()?;
        Some(Event::AppendMore { ticket: current.ticket, parts, messages })
    }

    /// Whether another message may follow.
    fn permits_several(&self) -> bool {
        self.several && self.config.capabilities().has(&Capability::MultiAppend)
    }

    /// Whether what follows a literal is offered, and the literal has no NUL.
    fn check_more(&self, more: &AppendMore) -> Result<(), BodyRefusal> {
        if let Some(offset) = self.nul.as_ref().and_then(NulSearch::found) {
            return Err(BodyRefusal::Nul(offset));
        }
        if !more.messages.is_empty() && !self.permits_several() {
            return Err(BodyRefusal::SecondMessage);
        }
        let utf8 = more.messages.iter().flat_map(AppendMessage::literals).any(AppendLiteral::is_utf8);
        let mut needs = Needs::new(self.config.capabilities());
        more.needs(&mut needs);
        if needs.lacking().is_some() || (utf8 && !self.session.utf8_accept) {
            return Err(BodyRefusal::Trailing(0));
        }
        Ok(())
    }

    /// What stands after a literal of an APPEND.
    fn read_more(&self, bytes: &Bytes, streamed: Vec<usize>) -> Result<AppendMore, ParseError> {
        let context = ParseContext {
            streamed,
            nesting: self.config.limits.nesting,
            utf8: self.session.utf8(),
            ..ParseContext::new(self.config.dialect)
        };
        let mut reader = Reader::new(bytes, &context);
        let more = AppendMore::read(&mut reader, self.open)?;
        reader.expect_end().map(|()| more)
    }

    /// The client is let go on with the message of an APPEND.
    pub(super) fn begin_body(&mut self) {
        let (Mode::Decision { synchronizing, length }, Some(current)) = (self.mode, &self.current) else {
            return;
        };
        self.events.push_back(Event::BodyStart { ticket: current.ticket, length });
        if synchronizing {
            self.output.put(b"+ go on\r\n");
        }
        self.mode = Mode::Body;
    }

    /// The line after the message of an APPEND.
    pub(super) fn end_body(&mut self, frame: &Frame) -> Option<Event> {
        let end = frame.streamed.last().copied().unwrap_or_default();
        let rest = frame.bytes.slice(end.min(frame.bytes.len())..);
        let checked = match self.read_more(&rest, Vec::new()) {
            Ok(more) => self.check_more(&more).map(|()| more),
            Err(_) => Err(BodyRefusal::Trailing(end)),
        };
        let more = match checked {
            Ok(more) => more,
            Err(reason) => {
                self.mode = Mode::Command;
                return self.refuse_body(reason);
            }
        };
        self.mode = Mode::Answer;
        let ticket = self.current.as_ref()?.ticket;
        let is_end = more.parts.is_empty() && more.messages.is_empty();
        if is_end {
            return Some(Event::BodyEnd { ticket });
        }
        self.events.push_back(Event::BodyEnd { ticket });
        self.more_event(more)
    }

    pub(super) fn refuse_body(&mut self, reason: BodyRefusal) -> Option<Event> {
        let current = self.current.take()?;
        let text = match reason {
            BodyRefusal::SecondMessage => "only one message can be appended",
            BodyRefusal::Trailing(_) => "expected the end of the command",
            BodyRefusal::Nul(_) => "a NUL in the message",
            BodyRefusal::TooLarge => "the message is too large",
        };
        let reply = match reason {
            BodyRefusal::TooLarge => Reply::from_static(ReplyKind::No, text).with_code(Code::TooBig),
            _ => Reply::from_static(ReplyKind::Bad, text),
        };
        self.tagged(current.tag.as_text(), &reply);
        Some(Event::BodyRefused { ticket: current.ticket, reason })
    }
}
