//! The line with which a server begins.

use bytes::Bytes;
use mailwire_core::{ParseError, Parsed, Text};

use super::{ResponseCode, parse};
use crate::{
    context::ParseContext,
    types::{ApopTimestamp, ReplyText},
};

/// The line with which a server begins ([RFC 1939 section
/// 4](https://www.rfc-editor.org/rfc/rfc1939#section-4)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Greeting {
    /// Whether it is `+OK`; otherwise the server refuses to serve.
    pub ok: bool,
    /// What machines read of it.
    pub code: Option<ResponseCode>,
    /// What humans read of it, with the timestamp.
    pub text: ReplyText,
}

impl Greeting {
    /// A positive greeting.
    #[must_use]
    pub const fn new(text: ReplyText) -> Self {
        Self { ok: true, code: None, text }
    }

    /// Adds a timestamp at the end of the text, which offers APOP.
    #[must_use]
    pub fn with_timestamp(mut self, timestamp: &ApopTimestamp) -> Self {
        let space: &[u8] = if self.text.is_empty() { b"" } else { b" " };
        let text = [self.text.as_bytes(), space, timestamp.as_bytes()].concat();
        self.text = ReplyText::unchecked(Text::from(text));
        self
    }

    /// The timestamp for APOP, wherever it stands in the text.
    #[must_use]
    pub fn timestamp(&self) -> Option<ApopTimestamp> {
        let bytes = self.text.as_text().clone().into_bytes();
        let mut from = 0;
        loop {
            let end = from + memchr::memchr(b'>', bytes.get(from..)?)? + 1;
            let start = memchr::memrchr(b'<', bytes.get(from..end)?).map(|start| from + start);
            if let Some(timestamp) = start.and_then(|start| ApopTimestamp::new(bytes.slice(start..end)).ok())
            {
                return Some(timestamp);
            }
            from = end;
        }
    }

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
    pub fn parse(frame: &Bytes, context: impl Into<ParseContext>) -> Result<Parsed<Self>, ParseError> {
        context.into().parse(frame, |cursor| {
            let ok = parse::status(cursor)?;
            let (code, text) = parse::text(cursor)?;
            Ok(Self { ok, code, text })
        })
    }
}
