//! IMAP.

use bytes::{Bytes, BytesMut};
use mailwire_core::{Dialect, ParseError};
use mailwire_imap::{
    Limits,
    command::{Command, Request},
    framing::{Frame, Framed, Framer, Speaker},
    response::{Response, Untagged},
};
use serde_json::json;

use crate::{
    Inspector, Side,
    report::{Finding, Overlong, text},
};

pub(crate) struct Imap {
    dialect: Dialect,
    context: bool,
    limits: Limits,
    client: Framer,
    server: Framer,
    /// What announced the literal that was streamed last.
    streamed: Bytes,
    overlong: Overlong,
    /// What a client's line without a tag would be.
    mode: Mode,
    /// A client's line whose literal waits for the server's leave.
    waiting: Bytes,
    /// The server has refused that literal: what comes next is another command.
    refused: bool,
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
            streamed: Bytes::new(),
            overlong: Overlong::default(),
            mode: Mode::Commands,
            waiting: Bytes::new(),
            refused: false,
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
            return Finding::sasl(line);
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

    /// A command whose literal the server has refused, at the front of the input.
    fn refused(&mut self, input: &mut BytesMut) -> Finding {
        let line = input.split_to(self.waiting.len().min(input.len()));
        self.client = Framer::new(Speaker::Client);
        (self.waiting, self.refused) = (Bytes::new(), false);
        Finding::new("REFUSED", &json!({ "text": text(line.trim_ascii_end()) }), Vec::new())
    }

    /// The input has ended, perhaps within a message. What follows in it, as far as it is surely a message of
    /// its own, is none of it: a literal was cut, and the conversation went on.
    fn cut(&mut self, side: Side, input: &mut BytesMut) -> Option<Finding> {
        let (framer, speaker) = match side {
            Side::Client => (&mut self.client, Speaker::Client),
            Side::Server => (&mut self.server, Speaker::Server),
        };
        if framer.at_boundary(input) {
            return None;
        }
        let passed = framer.in_literal() && input.is_empty();
        *framer = Framer::new(speaker);
        let reason = "the input ends within a message";
        if passed {
            // A literal so large that it was not waited for.
            let announced = std::mem::take(&mut self.streamed);
            return Some(Finding::malformed(&announced, ParseError::new(announced.len(), reason)));
        }
        let mut at = 0;
        let next = input.split_inclusive(|byte| *byte == b'\n').find_map(|line| {
            let start = at;
            at += line.len();
            (start > 0 && is_message(side, line)).then_some(start)
        });
        let left = input.split_to(next.unwrap_or(input.len()));
        Some(Finding::malformed(&left, ParseError::new(left.len(), reason)))
    }

    fn response(&mut self, frame: &Frame) -> Finding {
        let parsed = Response::parse(&frame.bytes, frame.context(self.dialect, self.limits.nesting));
        if let (Mode::Sasl | Mode::Idle, Ok(Response::Tagged(_))) =
            (self.mode, parsed.as_ref().map(|parsed| &parsed.value))
        {
            self.mode = Mode::Commands;
        }
        if let Ok(Response::Tagged(tagged)) = parsed.as_ref().map(|parsed| &parsed.value) {
            let tag = self.waiting.split(|&byte| byte == b' ').next();
            self.refused = tag == Some(tagged.tag.as_bytes());
        }
        Finding::of(&frame.bytes, parsed, |response| match response {
            Response::Untagged(data) => text(data.name()).to_ascii_uppercase(),
            Response::Tagged(tagged) => tagged.reply.kind.as_str().to_owned(),
            Response::Continuation(_) => "CONTINUATION".to_owned(),
        })
    }
}

/// The line that is all of the input, if it announces a literal that waits for the server's leave.
fn waits_for_leave(input: &BytesMut) -> Bytes {
    let digits =
        input.strip_suffix(b"}\r\n").map(|line| line.rsplit(|&byte| byte == b'{').next().unwrap_or_default());
    match digits {
        Some(digits) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            Bytes::copy_from_slice(input)
        }
        _ => Bytes::new(),
    }
}

/// Literals up to this size are waited for, so that one that is cut takes nothing with it.
const AWAITED: u64 = 64 << 20;

/// Whether all of the announced literal has come.
fn is_there(framer: &Framer, input: &BytesMut, size: u64) -> bool {
    (input.len() - framer.announced(input).len()) as u64 >= size
}

/// Whether a line is surely a message, and none of a mail.
fn is_message(side: Side, line: &[u8]) -> bool {
    let Some(line) = line.strip_suffix(b"\r\n") else { return false };
    let line = Bytes::copy_from_slice(line);
    match side {
        Side::Client => Request::parse(&line, Dialect::Strict)
            .is_ok_and(|parsed| !matches!(parsed.value.command, Command::Other(_))),
        Side::Server => Response::parse(&line, Dialect::Strict).is_ok_and(|parsed| match parsed.value {
            Response::Tagged(_) => true,
            Response::Untagged(data) => !matches!(data, Untagged::Other(_)),
            Response::Continuation(_) => false,
        }),
    }
}

impl Inspector for Imap {
    fn next(&mut self, side: Side, input: &mut BytesMut, ended: bool) -> Option<Finding> {
        if let Some(message) = self.overlong.pass(input, ended) {
            return message;
        }
        if side == Side::Client && self.refused {
            return Some(self.refused(input));
        }
        loop {
            let framer = if side == Side::Client { &mut self.client } else { &mut self.server };
            let framed = framer.next(input, &self.limits).and_then(|framed| {
                if let Framed::Literal(announced) = framed {
                    if announced.size <= self.limits.inline_literal as u64 {
                        framer.keep(&self.limits)?;
                    } else if announced.size <= AWAITED && !is_there(framer, input, announced.size) {
                        // All of it, before any of it is passed over: it may be cut.
                        return Ok(Framed::NeedInput);
                    } else {
                        self.streamed = framer.stream(input);
                    }
                }
                Ok(framed)
            });
            match framed {
                Ok(Framed::Message(frame)) if side == Side::Client => {
                    self.waiting = Bytes::new();
                    return Some(self.command(&frame));
                }
                Ok(Framed::Message(frame)) => return Some(self.response(&frame)),
                // Streamed literals are named with their length in the message itself.
                Ok(Framed::Literal(_) | Framed::Chunk(_) | Framed::End) => {}
                Ok(Framed::NeedInput) if !ended => {
                    if side == Side::Client && self.context {
                        self.waiting = waits_for_leave(input);
                    }
                    return None;
                }
                Ok(Framed::NeedInput) => return self.cut(side, input),
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
