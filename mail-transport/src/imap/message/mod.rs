//! A raw message as IMAP sees it: its parts, sections, envelope and text.
//!
//! [`Message::parse`] finds the parts, in one pass a level and without copying; everything else is
//! worked out when it is asked for, as slices of the message where that is possible. No message is
//! refused: what is broken is shown as far as it can be understood, and the rest as plain text.

mod address;
mod decode;
mod envelope;
pub mod header;
mod mime;
mod search;
mod section;
mod structure;
mod words;

use bytes::Bytes;

pub use address::{Address, addresses};
pub use decode::UnknownEncoding;
pub use mime::{Content, ContentType, Part};
pub use search::Candidate;
pub use section::partial;

/// A raw message and where its parts lie.
#[derive(Debug, Clone)]
pub struct Message {
    raw: Bytes,
    root: Part,
}

impl Message {
    /// Finds the parts of `raw`.
    #[must_use]
    pub fn parse(raw: Bytes) -> Self {
        let root = Part::parse(&raw);
        Self { raw, root }
    }

    /// The whole message.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The message as a part.
    #[must_use]
    pub const fn root(&self) -> &Part {
        &self.root
    }

    /// A part's header, with the empty line behind it.
    #[must_use]
    pub fn header(&self, part: &Part) -> Bytes {
        self.raw.slice(part.header.clone())
    }

    /// A part's body, in its transfer encoding.
    #[must_use]
    pub fn body(&self, part: &Part) -> Bytes {
        self.raw.slice(part.body.clone())
    }

    /// A part's body without its transfer encoding.
    ///
    /// # Errors
    ///
    /// Nobody knows the encoding.
    pub fn decoded(&self, part: &Part) -> Result<Bytes, UnknownEncoding> {
        let body = self.body(part);
        if !matches!(part.content, Content::Leaf { .. }) {
            return Ok(body);
        }
        let encoding = header::first(&self.header(part), b"content-transfer-encoding");
        decode::transfer(&body, encoding.as_deref())
    }
}
