//! What is printed.

use std::{
    fmt,
    io::{self, Write},
    path::Path,
};

use bytes::{Buf, BytesMut};
use mailwire_core::{Deviation, ParseError, Parsed, sasl};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{Protocol, Side, masked, source::Said};

/// One message, as far as it was understood.
pub(crate) struct Finding {
    pub(crate) kind: String,
    pub(crate) value: Value,
    pub(crate) deviations: Vec<Deviation>,
    /// What was kept unparsed.
    pub(crate) raw: Option<String>,
    pub(crate) error: Option<ParseError>,
}

impl Finding {
    /// A message that was understood.
    pub(crate) fn new(kind: impl Into<String>, value: &impl Serialize, deviations: Vec<Deviation>) -> Self {
        let value =
            serde_json::to_value(value).unwrap_or_else(|error| json!({ "unprintable": error.to_string() }));
        Self { kind: kind.into(), value, deviations, raw: None, error: None }
    }

    /// A message that was not.
    pub(crate) fn malformed(bytes: &[u8], error: ParseError) -> Self {
        Self {
            kind: "MALFORMED".to_owned(),
            value: Value::Null,
            deviations: Vec::new(),
            raw: Some(text(bytes)),
            error: Some(error),
        }
    }

    /// A line of a client's SASL exchange, which is not shown.
    pub(crate) fn sasl(line: &[u8]) -> Self {
        match sasl::decode_step(line) {
            Err(error) if !masked::is_hidden(line) => Self::malformed(b"<secret>", error),
            _ => Self::new("SASL", &json!({ "bytes": "<secret>" }), Vec::new()),
        }
    }

    /// The message of a log, in which some are not whole: that is no error of theirs.
    pub(crate) fn of_log(mut self) -> Self {
        let reason = self.raw.as_deref().and_then(masked::reason);
        if let (Some(kind), Some(_)) = (reason, self.error) {
            (self.kind, self.error) = (kind.to_owned(), None);
        }
        self
    }

    /// Either, of what a parser said about `bytes`. `kind` is asked of a value.
    pub(crate) fn of<T: Serialize>(
        bytes: &[u8],
        parsed: Result<Parsed<T>, ParseError>,
        kind: impl FnOnce(&T) -> String,
    ) -> Self {
        match parsed {
            Ok(Parsed { value, deviations, .. }) => Self::new(kind(&value), &value, deviations),
            Err(error) => Self::malformed(bytes, error),
        }
    }
}

/// Bytes as text: as it is if it is UTF-8, otherwise with escapes.
pub(crate) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => mailwire_core::escape_ascii(bytes).to_string(),
    }
}

/// A message too long to be framed: the rest of its line is passed over before it is reported.
#[derive(Default)]
pub(crate) struct Overlong {
    error: Option<ParseError>,
    start: Vec<u8>,
}

impl Overlong {
    /// Starts passing over the line at the front of `input`.
    pub(crate) fn begin(&mut self, input: &BytesMut, error: &mailwire_core::Error) {
        let (offset, reason) = match *error {
            mailwire_core::Error::LineTooLong { limit } => (limit, "the line exceeds the limit"),
            mailwire_core::Error::LimitExceeded { what, .. } => (0, what),
            _ => (0, "not a message"),
        };
        self.error = Some(ParseError::new(offset, reason));
        self.start = input.get(..input.len().min(200)).unwrap_or_default().to_vec();
    }

    /// Whether a line is being passed over, and the message once it is done.
    pub(crate) fn pass(&mut self, input: &mut BytesMut, ended: bool) -> Option<Option<Finding>> {
        let error = self.error?;
        match input.iter().position(|&byte| byte == b'\n') {
            Some(end) => input.advance(end + 1),
            None => {
                input.clear();
                if !ended {
                    return Some(None);
                }
            }
        }
        self.error = None;
        Some(Some(Finding::malformed(&std::mem::take(&mut self.start), error)))
    }
}

/// What is left of `input` at its end is no message.
pub(crate) fn incomplete(input: &mut BytesMut, ended: bool) -> Option<Finding> {
    if !ended || input.is_empty() {
        return None;
    }
    let left = input.split();
    Some(Finding::malformed(&left, ParseError::new(left.len(), "the input ends within a message")))
}

/// Writes messages.
pub(crate) struct Report<'a, W> {
    file: String,
    out: &'a mut W,
    summary: &'a mut Summary,
}

impl<'a, W: Write> Report<'a, W> {
    pub(crate) fn new(file: &Path, out: &'a mut W, summary: &'a mut Summary) -> Self {
        Self { file: file.display().to_string(), out, summary }
    }

    pub(crate) fn write(&mut self, said: Said, offset: u64, length: u64, message: Finding) -> io::Result<()> {
        let Finding { kind, value, deviations, raw, error } = message;
        self.summary.count(length, &deviations, error.is_some());
        let raw = raw.map(Value::from).or_else(|| unparsed(&value));
        let mut line = json!({
            "file": self.file,
            "offset": offset,
            "length": length,
            "side": if said.side == Side::Client { "client" } else { "server" },
            "kind": kind,
            "value": value,
            "deviations": deviations,
            "raw": raw,
            "error": error,
        });
        if let (Some(of), Some(fields)) = (said.of, line.as_object_mut()) {
            fields.insert("connection".to_owned(), json!(of.connection));
            fields.insert("protocol".to_owned(), json!(of.protocol.map(Protocol::name)));
        }
        serde_json::to_writer(&mut *self.out, &line)?;
        self.out.write_all(b"\n")
    }
}

/// The parts of a value that have no type of their own, under the names that values use for them.
fn unparsed(value: &Value) -> Option<Value> {
    fn collect(value: &Value, found: &mut Vec<Value>) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    match name.as_str() {
                        "Other" | "Raw" | "raw" | "Unknown" | "Malformed" => found.push(field.clone()),
                        _ => collect(field, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(value, &mut found);
    if found.is_empty() { None } else { Some(Value::Array(found)) }
}

/// Counts over all files.
#[derive(Default)]
pub(crate) struct Summary {
    messages: u64,
    bytes: u64,
    deviating: u64,
    deviations: u64,
    pub(crate) errors: u64,
}

impl Summary {
    fn count(&mut self, length: u64, deviations: &[Deviation], error: bool) {
        self.messages += 1;
        self.bytes += length;
        self.deviating += u64::from(!deviations.is_empty());
        self.deviations += deviations.len() as u64;
        self.errors += u64::from(error);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages in {} bytes; {} deviations in {} of them; {} errors",
            self.messages, self.bytes, self.deviations, self.deviating, self.errors
        )
    }
}
