//! SMTP and LMTP.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use mailwire_core::{
    Deviation, Dialect, LineFramer, ParseError,
    dot::{LineEnds, Unstuffed, Unstuffer},
    sasl,
};
use mailwire_smtp::{Capabilities, Capability, Command, Limits, Reply, ReplyFramer};
use serde_json::json;

use crate::{
    Inspector, Side,
    report::{Message, Overlong, incomplete},
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
    asked: VecDeque<Asked>,
}

/// What the client's next bytes are.
enum Client {
    Commands,
    Sasl,
    Body { unstuffer: Unstuffer, length: u64 },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
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
            limits: Limits::default(),
            lines: LineFramer::new(),
            replies: ReplyFramer::new(),
            overlong: Overlong::default(),
            client: Client::Commands,
            // The greeting answers nothing.
            asked: VecDeque::from([Asked::Else]),
        }
    }

    fn reply(&mut self, frame: &Bytes) -> Message {
        let asked = if self.context { self.asked.pop_front() } else { None };
        let parsed = match Reply::parse(frame, self.dialect) {
            Ok(parsed) => parsed,
            Err(error) => return Message::malformed(frame, error),
        };
        let (reply, mut deviations) = (parsed.value, parsed.deviations);
        let code = reply.code().get();
        match asked {
            Some(Asked::Data) if code == 354 => self.begin_body(),
            Some(Asked::Sasl) if code == 334 => self.client = Client::Sasl,
            _ => {}
        }
        let mut capabilities = None;
        if code == 250 && asked.map_or_else(|| looks_like_hello(&reply), |asked| asked == Asked::Hello) {
            match Capabilities::parse(frame, self.dialect) {
                Ok(parsed) => {
                    capabilities = Some(parsed.value.iter().collect::<Vec<Capability>>());
                    deviations.extend(parsed.deviations);
                }
                Err(error) => return Message::malformed(frame, error),
            }
        }
        if code == 334 && sasl::decode(reply.first_line().as_bytes()).is_err() {
            let name = "challenge-not-base64";
            match self.dialect {
                Dialect::Strict => return Message::malformed(frame, ParseError::new(4, name)),
                Dialect::Lenient => deviations.push(Deviation { name, offset: 4 }),
            }
        }
        let mut message = Message::new(code.to_string(), &reply, deviations);
        if let (Some(capabilities), Some(fields)) = (capabilities, message.value.as_object_mut()) {
            fields.insert("capabilities".to_owned(), json!(capabilities));
        }
        message
    }

    fn command(&mut self, frame: &Bytes) -> Message {
        let parsed = Command::parse(frame, self.dialect);
        let asked = match parsed.as_ref().map(|parsed| &parsed.value) {
            Ok(Command::Ehlo(_) | Command::Lhlo(_)) => Asked::Hello,
            Ok(Command::Data) => Asked::Data,
            Ok(Command::Auth(_)) => Asked::Sasl,
            _ => Asked::Else,
        };
        self.asked.push_back(asked);
        if !self.context {
            match asked {
                Asked::Data => self.begin_body(),
                Asked::Sasl => self.client = Client::Sasl,
                Asked::Hello | Asked::Else => self.client = Client::Commands,
            }
        }
        Message::of(frame, parsed, |command| command.name().to_owned())
    }

    /// A line of a SASL exchange. With only the client heard, a command ends the exchange.
    fn sasl(&mut self, frame: &Bytes) -> Message {
        let line = frame.strip_suffix(b"\n").unwrap_or(frame);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let decoded = sasl::decode_step(line);
        if !self.context {
            let known = matches!(Command::parse(frame, self.dialect), Ok(parsed) if !matches!(parsed.value, Command::Other { .. }));
            if known || decoded.is_err() {
                return self.command(frame);
            }
        } else {
            self.client = Client::Commands;
            self.asked.push_back(Asked::Sasl);
        }
        match decoded {
            Ok(_) => Message::new("SASL", &json!({ "bytes": "<secret>" }), Vec::new()),
            Err(error) => Message::malformed(b"<secret>", error),
        }
    }

    fn begin_body(&mut self) {
        self.client = Client::Body { unstuffer: Unstuffer::new(LineEnds::CrLf), length: 0 };
    }

    fn body(&mut self, input: &mut BytesMut, ended: bool) -> Option<Message> {
        let Client::Body { unstuffer, length } = &mut self.client else { return None };
        loop {
            match unstuffer.next(input) {
                Unstuffed::Chunk(chunk) => *length += chunk.len() as u64,
                Unstuffed::NeedInput if !ended => return None,
                end => {
                    let length = *length;
                    let bare = unstuffer.bare_newline();
                    self.client = Client::Commands;
                    self.asked.push_back(Asked::Else);
                    input.truncate(if end == Unstuffed::End { input.len() } else { 0 });
                    return Some(body_message(length, bare, end == Unstuffed::End));
                }
            }
        }
    }
}

/// Bare CRs and LFs are how messages are smuggled: an error in every dialect.
fn body_message(length: u64, bare: Option<u64>, complete: bool) -> Message {
    let mut message = Message::new("BODY", &json!({ "length": length }), Vec::new());
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

/// Whether the lines behind the first are keywords.
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
    fn next(&mut self, side: Side, input: &mut BytesMut, ended: bool) -> Option<Message> {
        if let Some(message) = self.overlong.pass(input, ended) {
            return message;
        }
        if side == Side::Client && matches!(self.client, Client::Body { .. }) {
            if input.is_empty() && !ended {
                return None;
            }
            return self.body(input, ended);
        }
        let frame = match side {
            Side::Server => self.replies.next_reply(input, &self.limits),
            Side::Client => self
                .lines
                .find(input, self.limits.auth_line)
                .map_err(Into::into)
                .map(|end| end.map(|end| input.split_to(end).freeze())),
        };
        match frame {
            Ok(Some(frame)) => {
                self.lines.reset();
                Some(match (side, &self.client) {
                    (Side::Server, _) => self.reply(&frame),
                    (Side::Client, Client::Sasl) => self.sasl(&frame),
                    (Side::Client, _) => self.command(&frame),
                })
            }
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
