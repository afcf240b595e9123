//! IMAP.

use bytes::BytesMut;
use mailwire_core::{Dialect, sasl};
use mailwire_imap::{
    Limits,
    command::{Command, Request},
    framing::{Frame, Framed, Framer, Speaker},
    response::Response,
};
use serde_json::json;

use crate::{
    Inspector, Side,
    report::{Finding, Overlong, incomplete, text},
};

pub(crate) struct Imap {
    dialect: Dialect,
    context: bool,
    limits: Limits,
    client: Framer,
    server: Framer,
    overlong: Overlong,
    /// What a client's line without a tag would be.
    mode: Mode,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Commands,
    Sasl,
    Idle,
}

impl Imap {
    pub(crate) fn new(dialect: Dialect, context: bool) -> Self {
        Self {
            dialect,
            context,
            limits: Limits::client(),
            client: Framer::new(Speaker::Client),
            server: Framer::new(Speaker::Server),
            overlong: Overlong::default(),
            mode: Mode::Commands,
        }
    }

    fn command(&mut self, frame: &Frame) -> Finding {
        let line = frame.bytes.as_ref();
        if self.mode == Mode::Idle && line.eq_ignore_ascii_case(b"DONE") {
            self.mode = Mode::Commands;
            return Finding::new("DONE", &serde_json::Value::Null, Vec::new());
        }
        if self.mode == Mode::Sasl && !line.contains(&b' ') {
            if !self.context && line == b"*" {
                self.mode = Mode::Commands;
            }
            return match sasl::decode_step(line) {
                Ok(_) => Finding::new("SASL", &json!({ "bytes": "<secret>" }), Vec::new()),
                Err(error) => Finding::malformed(b"<secret>", error),
            };
        }
        let parsed = Request::parse(&frame.bytes, frame.context(self.dialect, self.limits.nesting));
        self.mode = match parsed.as_ref().map(|parsed| &parsed.value.command) {
            Ok(Command::Authenticate(_)) => Mode::Sasl,
            Ok(Command::Idle) => Mode::Idle,
            _ => Mode::Commands,
        };
        Finding::of(line, parsed, |request| {
            let uid = if request.command.is_uid() { "UID " } else { "" };
            format!("{uid}{}", request.command.name())
        })
    }

    fn response(&mut self, frame: &Frame) -> Finding {
        let parsed = Response::parse(&frame.bytes, frame.context(self.dialect, self.limits.nesting));
        if let (Mode::Sasl | Mode::Idle, Ok(Response::Tagged(_))) =
            (self.mode, parsed.as_ref().map(|parsed| &parsed.value))
        {
            self.mode = Mode::Commands;
        }
        Finding::of(&frame.bytes, parsed, |response| match response {
            Response::Untagged(data) => text(data.name()).to_ascii_uppercase(),
            Response::Tagged(tagged) => tagged.reply.kind.as_str().to_owned(),
            Response::Continuation(_) => "CONTINUATION".to_owned(),
        })
    }
}

impl Inspector for Imap {
    fn next(&mut self, side: Side, input: &mut BytesMut, ended: bool) -> Option<Finding> {
        if let Some(message) = self.overlong.pass(input, ended) {
            return message;
        }
        loop {
            let framer = if side == Side::Client { &mut self.client } else { &mut self.server };
            let framed = framer.next(input, &self.limits).and_then(|framed| {
                if let Framed::Literal(announced) = framed {
                    if announced.size <= self.limits.inline_literal as u64 {
                        framer.keep(&self.limits)?;
                    } else {
                        framer.stream(input);
                    }
                }
                Ok(framed)
            });
            match framed {
                Ok(Framed::Message(frame)) if side == Side::Client => return Some(self.command(&frame)),
                Ok(Framed::Message(frame)) => return Some(self.response(&frame)),
                // Streamed literals are named with their length in the message itself.
                Ok(Framed::Literal(_) | Framed::Chunk(_) | Framed::End) => {}
                Ok(Framed::NeedInput) => return incomplete(input, ended),
                Err(error) => {
                    *framer =
                        Framer::new(if side == Side::Client { Speaker::Client } else { Speaker::Server });
                    self.overlong.begin(input, &error);
                    return self.overlong.pass(input, ended).flatten();
                }
            }
        }
    }
}
