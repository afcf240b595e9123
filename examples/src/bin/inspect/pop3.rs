//! POP3.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use mailwire_core::{
    Deviation, Dialect, LineFramer, Newline, ParseError,
    dot::{LineEnds, Unstuffed, Unstuffer},
    sasl,
};
use mailwire_pop3::{
    Capability, Challenge, Command, Expected, Follows, Greeting, Limits, Listing, ParseContext, Reply,
    deviation,
};
use serde_json::{Value, json};

use crate::{
    Inspector, Side,
    report::{Finding, Overlong, incomplete},
};

pub(crate) struct Pop3 {
    dialect: Dialect,
    context: bool,
    /// In a raw server side: each success has a body.
    multiline: bool,
    limits: Limits,
    client_lines: LineFramer,
    server_lines: LineFramer,
    overlong: Overlong,
    greeted: bool,
    client_sasl: bool,
    /// What the next replies answer.
    in_flight: VecDeque<InFlight>,
    body: Option<Body>,
}

/// A command, or a line of its SASL exchange, that a reply is due to.
struct InFlight {
    status: Expected,
    follows: Follows,
    lines: Option<Expected>,
    sasl: bool,
    /// The client cannot have said all yet: a success would come too early.
    challenge_due: bool,
}

impl InFlight {
    fn of(command: &Command) -> Self {
        Self {
            status: Expected::status_of(command),
            follows: command.follows(),
            lines: Expected::lines_of(command),
            sasl: matches!(command, Command::Auth { .. }),
            challenge_due: matches!(command, Command::Auth { initial: None, .. }),
        }
    }

    /// What has an answer of one line: a line that cannot be read, or one of a SASL exchange.
    const fn line(sasl: bool) -> Self {
        Self { status: Expected::Status, follows: Follows::Nothing, lines: None, sasl, challenge_due: false }
    }
}

/// A success that lines or a body follow.
struct Body {
    message: Finding,
    unstuffer: Unstuffer,
    /// What the lines are; `None` if that is not known before the first.
    lines: Option<Expected>,
    /// Lines are a message's.
    opaque: bool,
    items: Vec<Value>,
    length: u64,
    /// The line that is not complete, and where in the message it begins.
    line: Vec<u8>,
    line_start: usize,
}

/// More lines than this are read but not shown.
const SHOWN: usize = 1000;

impl Pop3 {
    pub(crate) fn new(dialect: Dialect, context: bool, multiline: bool) -> Self {
        Self {
            dialect,
            context,
            multiline,
            limits: Limits::client(),
            client_lines: LineFramer::new(),
            server_lines: LineFramer::new(),
            overlong: Overlong::default(),
            greeted: false,
            client_sasl: false,
            in_flight: VecDeque::new(),
            body: None,
        }
    }

    /// A deviation of ours; an error in the strict dialect.
    fn deviate(&self, message: &mut Finding, name: &'static str, offset: usize) {
        match self.dialect {
            Dialect::Strict => {
                message.error.get_or_insert(Deviation::new(name, offset).into());
            }
            Dialect::Lenient => message.deviations.push(Deviation::new(name, offset)),
        }
    }

    fn context(&self, newline: Newline, expected: Expected) -> ParseContext {
        ParseContext::new(self.dialect).with_newline(newline).expecting(expected)
    }

    fn status(&mut self, line: &Bytes, newline: Newline) -> Option<Finding> {
        let in_flight = if self.context && self.greeted { self.in_flight.pop_front() } else { None };
        let first = !std::mem::replace(&mut self.greeted, true);
        let sasl = in_flight.as_ref().is_none_or(|command| command.sasl);
        let expected = match &in_flight {
            Some(_) if line.is_empty() => Expected::Any,
            Some(command) => command.status,
            None if self.context => Expected::Status,
            None => Expected::Any,
        };
        let challenge_due = in_flight.as_ref().is_some_and(|command| command.challenge_due);
        if sasl && Challenge::is_one(line) {
            self.client_sasl = true;
            let parsed = Challenge::parse(line, self.context(newline, expected));
            return Some(match parsed {
                Ok(parsed) => challenge(parsed.deviations),
                Err(error) => Finding::malformed(line, error),
            });
        }
        // Some servers write +OK where "+ " is due.
        if challenge_due && line.trim_ascii_end().eq_ignore_ascii_case(b"+OK") {
            self.client_sasl = true;
            let mut message = challenge(Vec::new());
            self.deviate(&mut message, deviation::OK_FOR_CHALLENGE, 0);
            return Some(message);
        }
        let (ok, message) = match Reply::parse(line, self.context(newline, expected)) {
            Ok(parsed) => {
                let ok = parsed.value.is_ok();
                let mut message =
                    Finding::new(if ok { "OK" } else { "ERR" }, &parsed.value, parsed.deviations);
                let timestamp =
                    Greeting::parse(line, self.dialect).ok().and_then(|greeting| greeting.value.timestamp());
                if let (true, Some(timestamp)) = (first, timestamp) {
                    message.value = json!({ "reply": message.value, "timestamp": timestamp });
                }
                (ok, message)
            }
            Err(error) => (false, Finding::malformed(line, error)),
        };
        let (follows, lines) = match in_flight {
            Some(command) => (command.follows, command.lines),
            None if self.multiline && !self.context => (Follows::Lines, None),
            None => (Follows::Nothing, None),
        };
        if !ok || follows == Follows::Nothing {
            return Some(message);
        }
        self.body = Some(Body {
            message,
            unstuffer: Unstuffer::new(LineEnds::Any),
            lines,
            opaque: follows == Follows::Body,
            items: Vec::new(),
            length: 0,
            line: Vec::new(),
            line_start: line.len() + if newline == Newline::Lf { 1 } else { 2 },
        });
        None
    }

    fn read_body(&mut self, input: &mut BytesMut, ended: bool) -> Option<Finding> {
        let mut body = self.body.take()?;
        let status_length = body.line_start.saturating_sub(usize::try_from(body.length).unwrap_or(0));
        let complete = loop {
            match body.unstuffer.next(input) {
                Unstuffed::Chunk(chunk) => body.push(&chunk, self.dialect),
                Unstuffed::End => break true,
                Unstuffed::NeedInput if ended => break false,
                Unstuffed::NeedInput => {
                    self.body = Some(body);
                    return None;
                }
            }
        };
        if !body.line.is_empty() {
            body.end_line(self.dialect);
        }
        let bare = body.unstuffer.bare_newline();
        let mut message = body.message;
        message.value = json!({ "reply": message.value, "length": body.length, "lines": body.items });
        if let Some(at) = bare {
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            self.deviate(&mut message, deviation::BARE_CR_OR_LF, status_length.saturating_add(at));
        }
        if !complete {
            input.clear();
            message.error.get_or_insert(ParseError::new(body.line_start, "the input ends within a body"));
        }
        Some(message)
    }

    fn command(&mut self, line: &Bytes, newline: Newline) -> Finding {
        let parsed = Command::parse(line, self.dialect);
        if std::mem::take(&mut self.client_sasl) {
            let decoded = sasl::decode_step(line);
            let known = parsed.as_ref().is_ok_and(|parsed| !matches!(parsed.value, Command::Other { .. }));
            if self.context || (decoded.is_ok() && !known) {
                self.client_sasl = !self.context;
                self.in_flight.push_back(InFlight::line(true));
                return Finding::sasl(line);
            }
        }
        let in_flight = match &parsed {
            Ok(parsed) => InFlight::of(&parsed.value),
            Err(_) => InFlight::line(false),
        };
        self.client_sasl = in_flight.sasl && !self.context;
        self.in_flight.push_back(in_flight);
        let mut message = Finding::of(line, parsed, |command| command.keyword().to_string());
        if newline == Newline::Lf {
            message.error.get_or_insert(ParseError::new(line.len(), "a line that ends in a bare LF"));
        }
        message
    }
}

fn challenge(deviations: Vec<Deviation>) -> Finding {
    Finding::new("CHALLENGE", &json!({ "bytes": "<secret>" }), deviations)
}

impl Body {
    fn push(&mut self, chunk: &[u8], dialect: Dialect) {
        self.length += chunk.len() as u64;
        if self.opaque {
            self.line_start += chunk.len();
            return;
        }
        for piece in chunk.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.end_line(dialect);
            }
        }
    }

    fn end_line(&mut self, dialect: Dialect) {
        let whole = std::mem::take(&mut self.line);
        let text = whole.strip_suffix(b"\n").unwrap_or(&whole);
        let line = Bytes::copy_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
        if self.lines.is_none() && !self.opaque {
            match guess(&line) {
                Some(expected) => self.lines = Some(expected),
                None => self.opaque = true,
            }
        }
        if let (Some(expected), false) = (self.lines, self.opaque) {
            match Listing::parse(&line, ParseContext::new(dialect).expecting(expected)) {
                Ok(parsed) => {
                    if self.items.len() < SHOWN {
                        self.items.push(json!(parsed.value));
                    }
                    let start = self.line_start;
                    self.message.deviations.extend(parsed.deviations.into_iter().take(SHOWN).map(
                        |Deviation { name, offset, .. }| Deviation::new(name, start.saturating_add(offset)),
                    ));
                }
                Err(ParseError { offset, reason, .. }) => {
                    let error = ParseError::new(self.line_start.saturating_add(offset), reason);
                    self.message.error.get_or_insert(error);
                }
            }
        }
        self.line_start += whole.len();
    }
}

/// What the lines are, of which this is the first, when the command was not heard.
fn guess(line: &Bytes) -> Option<Expected> {
    match Listing::parse(line, Dialect::Lenient).ok()?.value {
        Listing::Scan(_) => return Some(Expected::ScanListing),
        Listing::UniqueId(_) => return Some(Expected::UniqueIdListing),
        _ => {}
    }
    match Capability::parse(line, Dialect::Lenient).ok()?.value {
        Capability::Other { .. } => None,
        _ => Some(Expected::Capability),
    }
}

impl Inspector for Pop3 {
    fn next(&mut self, side: Side, input: &mut BytesMut, ended: bool) -> Option<Finding> {
        if let Some(message) = self.overlong.pass(input, ended) {
            return message;
        }
        if side == Side::Server && self.body.is_some() {
            return self.read_body(input, ended);
        }
        let lines = if side == Side::Client { &mut self.client_lines } else { &mut self.server_lines };
        match lines.next_line(input, self.limits.auth_line) {
            Ok(Some(line)) if side == Side::Client => Some(self.command(&line.text, line.newline)),
            Ok(Some(line)) => match self.status(&line.text, line.newline) {
                Some(message) => Some(message),
                None => self.read_body(input, ended),
            },
            Ok(None) => incomplete(input, ended),
            Err(error) => {
                lines.reset();
                self.overlong.begin(input, &error.into());
                self.overlong.pass(input, ended).flatten()
            }
        }
    }
}
