//! SMTP and LMTP.

use std::collections::VecDeque;

use bytes::{Buf as _, BytesMut};
use mailwire_core::{
    Deviation, Dialect, Error, Line, LineFramer, ParseError, Parsed,
    dot::{LineEnds, Unstuffed, Unstuffer},
    sasl,
};
use mailwire_smtp::{
    Capabilities, Capability, Command, Limits, ParseContext, Reply, ReplyFrame, ReplyFramer,
};
use serde_json::json;

use crate::{
    Inspector, Side,
    report::{Finding, Overlong, incomplete},
};

pub(crate) struct Smtp {
    dialect: Dialect,
    /// Whether the other side is heard too.
    context: bool,
    limits: Limits,
    lines: LineFramer,
    replies: ReplyFramer,
    overlong: Overlong,
    client: Client,
    /// What the next replies answer.
    in_flight: VecDeque<InFlight>,
}

/// What the client's next bytes are.
enum Client {
    Commands,
    Sasl,
    Body {
        unstuffer: Unstuffer,
        length: u64,
    },
    /// A part of a message without dots: so long, with so many bytes to come.
    Chunk {
        length: u64,
        left: u64,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum InFlight {
    Hello,
    Sasl,
    Data,
    Else,
}

impl Smtp {
    pub(crate) fn new(dialect: Dialect, context: bool) -> Self {
        Self {
            dialect,
            context,
            limits: Limits::client(),
            lines: LineFramer::new(),
            replies: ReplyFramer::new(),
            overlong: Overlong::default(),
            client: Client::Commands,
            // The greeting answers nothing.
            in_flight: VecDeque::from([InFlight::Else]),
        }
    }

    fn reply(&mut self, frame: &ReplyFrame) -> Finding {
        let context = frame.context(self.dialect);
        let frame = &frame.bytes;
        let asked = if self.context { self.in_flight.pop_front() } else { None };
        let parsed = match Reply::parse(frame, context) {
            Ok(parsed) => parsed,
            Err(error) => return Finding::malformed(frame, error),
        };
        let (reply, mut deviations) = (parsed.value, parsed.deviations);
        let code = reply.code().get();
        match asked {
            Some(InFlight::Data) if code == 354 => self.begin_body(),
            Some(InFlight::Sasl) if code == 334 => self.client = Client::Sasl,
            _ => {}
        }
        let mut capabilities = None;
        if code == 250 && asked.map_or_else(|| looks_like_hello(&reply), |asked| asked == InFlight::Hello) {
            match Capabilities::parse(frame, context) {
                Ok(parsed) => {
                    capabilities = Some(parsed.value.iter().collect::<Vec<Capability>>());
                    deviations.extend(parsed.deviations);
                }
                Err(error) => return Finding::malformed(frame, error),
            }
        }
        if code == 334 && sasl::decode(reply.first_line().as_bytes()).is_err() {
            let name = "challenge-not-base64";
            match self.dialect {
                Dialect::Strict => return Finding::malformed(frame, ParseError::new(4, name)),
                Dialect::Lenient => deviations.push(Deviation::new(name, 4)),
            }
        }
        let mut message = Finding::new(code.to_string(), &reply, deviations);
        if let (Some(capabilities), Some(fields)) = (capabilities, message.value.as_object_mut()) {
            fields.insert("capabilities".to_owned(), json!(capabilities));
        }
        message
    }

    fn command(&mut self, line: &Line) -> Finding {
        let parsed = self.parse(line);
        let asked = match parsed.as_ref().map(|parsed| &parsed.value) {
            Ok(Command::Ehlo(_) | Command::Lhlo(_)) => InFlight::Hello,
            Ok(Command::Data) => InFlight::Data,
            Ok(Command::Auth(_)) => InFlight::Sasl,
            _ => InFlight::Else,
        };
        self.in_flight.push_back(asked);
        if !self.context {
            match asked {
                InFlight::Data => self.begin_body(),
                InFlight::Sasl => self.client = Client::Sasl,
                InFlight::Hello | InFlight::Else => self.client = Client::Commands,
            }
        }
        if let Ok(Command::Bdat { size, .. }) = parsed.as_ref().map(|parsed| &parsed.value) {
            self.client = Client::Chunk { length: *size, left: *size };
        }
        Finding::of(&line.text, parsed, |command| command.name().to_owned())
    }

    /// A line of a SASL exchange. With only the client heard, a command ends the exchange.
    fn sasl(&mut self, line: &Line) -> Finding {
        let decoded = sasl::decode_step(&line.text);
        if !self.context {
            let known =
                matches!(self.parse(line), Ok(parsed) if !matches!(parsed.value, Command::Other { .. }));
            if known || decoded.is_err() {
                return self.command(line);
            }
        } else {
            self.client = Client::Commands;
            self.in_flight.push_back(InFlight::Sasl);
        }
        Finding::sasl(&line.text)
    }

    fn chunk(&mut self, input: &mut BytesMut, ended: bool) -> Option<Finding> {
        let Client::Chunk { length, left } = &mut self.client else { return None };
        let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
        input.advance(taken);
        *left -= taken as u64;
        if *left > 0 && !ended {
            return None;
        }
        let (length, complete) = (*length - *left, *left == 0);
        self.client = Client::Commands;
        Some(body_message(length, None, complete))
    }

    fn parse(&self, line: &Line) -> Result<Parsed<Command>, ParseError> {
        Command::parse(&line.text, ParseContext::new(self.dialect).with_newline(line.newline))
    }

    fn begin_body(&mut self) {
        self.client = Client::Body { unstuffer: Unstuffer::new(LineEnds::CrLf), length: 0 };
    }

    fn body(&mut self, input: &mut BytesMut, ended: bool) -> Option<Finding> {
        let Client::Body { unstuffer, length } = &mut self.client else { return None };
        loop {
            match unstuffer.next(input) {
                Unstuffed::Chunk(chunk) => *length += chunk.len() as u64,
                Unstuffed::NeedInput if !ended => return None,
                end => {
                    let length = *length;
                    let bare = unstuffer.bare_newline();
                    self.client = Client::Commands;
                    self.in_flight.push_back(InFlight::Else);
                    input.truncate(if end == Unstuffed::End { input.len() } else { 0 });
                    return Some(body_message(length, bare, end == Unstuffed::End));
                }
            }
        }
    }
}

/// Bare CRs and LFs are how messages are smuggled: an error in every dialect.
fn body_message(length: u64, bare: Option<u64>, complete: bool) -> Finding {
    let mut message = Finding::new("BODY", &json!({ "length": length }), Vec::new());
    message.error = match bare {
        Some(offset) => Some(ParseError::new(
            usize::try_from(offset).unwrap_or(usize::MAX),
            "a CR or LF that is not part of a CR LF pair",
        )),
        None if !complete => Some(ParseError::new(
            usize::try_from(length).unwrap_or(usize::MAX),
            "the input ends within a body",
        )),
        None => None,
    };
    message
}

/// Whether the lines after the first are keywords.
fn looks_like_hello(reply: &Reply) -> bool {
    let keyword = |line: &[u8]| {
        let end = line.iter().position(|byte| matches!(byte, b' ' | b'=')).unwrap_or(line.len());
        let word = line.get(..end).unwrap_or_default();
        !word.is_empty()
            && word.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'-')
    };
    let mut capabilities = reply.lines().skip(1).peekable();
    capabilities.peek().is_some() && capabilities.all(|line| line.is_empty() || keyword(line.as_bytes()))
}

impl Inspector for Smtp {
    fn next(&mut self, side: Side, input: &mut BytesMut, ended: bool) -> Option<Finding> {
        if let Some(message) = self.overlong.pass(input, ended) {
            return message;
        }
        if side == Side::Client && matches!(self.client, Client::Body { .. }) {
            if input.is_empty() && !ended {
                return None;
            }
            return self.body(input, ended);
        }
        if side == Side::Client && matches!(self.client, Client::Chunk { .. }) {
            return self.chunk(input, ended);
        }
        let message = match side {
            Side::Server => self
                .replies
                .next_reply(input, &self.limits)
                .map(|frame| frame.map(|frame| self.reply(&frame))),
            Side::Client => {
                let line = self.lines.next_line(input, self.limits.auth_line).map_err(Error::from);
                line.map(|line| {
                    line.map(|line| match self.client {
                        Client::Sasl => self.sasl(&line),
                        _ => self.command(&line),
                    })
                })
            }
        };
        match message {
            Ok(Some(message)) => Some(message),
            Ok(None) => incomplete(input, ended),
            Err(error) => {
                self.overlong.begin(input, &error);
                self.lines.reset();
                self.replies = ReplyFramer::new();
                self.overlong.pass(input, ended).flatten()
            }
        }
    }
}
