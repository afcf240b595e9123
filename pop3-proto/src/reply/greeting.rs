//! The line with which a server begins (RFC 1939 section 4).

use bytes::Bytes;
use mailwire_core::{Cursor, Dialect, ParseError, Parsed};

use super::{ResponseCode, parse};
use crate::types::{ApopTimestamp, ReplyText};

/// The greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Greeting {
    /// `+OK`; otherwise the server refuses to serve.
    pub ok: bool,
    /// What machines read of it.
    pub code: Option<ResponseCode>,
    /// What humans read of it, with the timestamp.
    pub text: ReplyText,
    /// The timestamp for APOP, wherever it stands in the text.
    pub timestamp: Option<ApopTimestamp>,
}

impl Greeting {
    /// Reads a greeting without its line end.
    ///
    /// ```text
    /// greeting  = "+OK" [resp-code] *gchar [timestamp] *gchar CRLF
    /// gchar     = %x21-3B / %x3D-7F
    /// timestamp = "<" *VCHAR ">"
    ///             ;MUST conform to RFC-822 msg-id  ; RFC 2449 section 3
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong and where.
    pub fn parse(line: &Bytes, dialect: Dialect) -> Result<Parsed<Self>, ParseError> {
        Cursor::parse(line, dialect, |cursor| {
            let ok = parse::status(cursor)?;
            let (code, text) = parse::text(cursor)?;
            let timestamp = find_timestamp(&text);
            Ok(Self { ok, code, text, timestamp })
        })
    }
}

/// The first `<...@...>` in the text.
fn find_timestamp(text: &ReplyText) -> Option<ApopTimestamp> {
    let bytes = text.as_text().clone().into_bytes();
    let mut from = 0;
    loop {
        let behind = from + memchr::memchr(b'>', bytes.get(from..)?)? + 1;
        let start = memchr::memrchr(b'<', bytes.get(from..behind)?).map(|start| from + start);
        if let Some(timestamp) = start.and_then(|start| ApopTimestamp::new(bytes.slice(start..behind)).ok()) {
            return Some(timestamp);
        }
        from = behind;
    }
}
