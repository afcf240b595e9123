//! A raw message as IMAP sees it: its parts, sections, envelope and text.
//!
//! [`Message::parse`] finds the parts, in one pass a level and without copying; everything else is
//! worked out when it is asked for, as slices of the message where that is possible. No message is
//! refused: what is broken is shown as far as it can be understood, and the rest as plain text. See [`Part`]
//! for what becomes of a broken multipart.

mod address;
mod casemap;
mod charset;
mod continuations;
mod date;
mod decode;
mod envelope;
mod fuzzy;
pub mod header;
#[cfg(feature = "sqlite")]
mod indexed;
mod mime;
mod needles;
mod pieces;
mod preview;
mod search;
mod section;
mod structure;
mod words;

use bytes::Bytes;

pub use address::{Address, addresses};
pub use casemap::casemap;
pub use decode::UnknownEncoding;
pub(crate) use fuzzy::Like;
#[cfg(feature = "sqlite")]
pub(crate) use indexed::indexed;
pub use mailwire_transport::encoded_words;
pub use mime::{Content, ContentType, Part};
pub(crate) use pieces::Pieces;
pub(crate) use search::{Found, Scope, TextSearch, Word, Words};
pub(crate) use section::Choice;
pub use section::partial;
pub use structure::without_extension;

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

    /// Gives the whole message.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Gives the message as a part: the root of its tree of parts.
    #[must_use]
    pub const fn root(&self) -> &Part {
        &self.root
    }

    /// Counts the bytes of memory that it takes to know where the parts lie, the message itself aside.
    #[must_use]
    pub fn footprint(&self) -> usize {
        self.root.footprint()
    }

    /// Gives a part's header, with the empty line after it.
    #[must_use]
    pub fn header(&self, part: &Part) -> Bytes {
        self.raw.slice(part.header.clone())
    }

    /// Gives a part's body, in its transfer encoding.
    #[must_use]
    pub fn body(&self, part: &Part) -> Bytes {
        self.raw.slice(part.body.clone())
    }

    /// Gives a part's body without its transfer encoding
    /// ([RFC 2045 section 6](https://www.rfc-editor.org/rfc/rfc2045#section-6)).
    ///
    /// # Errors
    ///
    /// The encoding is not known.
    pub fn decoded(&self, part: &Part) -> Result<Bytes, UnknownEncoding> {
        Ok(self.decoder(part)?.map_or_else(|body| body, decode::Decoder::whole))
    }

    /// Gives a part's text: without its transfer encoding, from its charset. Without a charset that is known it is taken for
    /// UTF-8, and what is not UTF-8 either is shown as U+FFFD.
    ///
    /// # Errors
    ///
    /// The encoding is not known.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_store::message::Message;
    ///
    /// let raw = "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9";
    /// let message = Message::parse(raw.into());
    /// assert_eq!(message.text(message.root())?, "café");
    /// # Ok::<(), mailwire_store::message::UnknownEncoding>(())
    /// ```
    pub fn text(&self, part: &Part) -> Result<String, UnknownEncoding> {
        let name = part.content_type.parameter("charset").map(|name| &name[..]);
        Ok(decode::charset(&self.decoded(part)?, name).into_owned())
    }

    /// What undoes a part's transfer encoding; the body where there is nothing to undo.
    fn decoder(&self, part: &Part) -> Result<Result<decode::Decoder, Bytes>, UnknownEncoding> {
        let body = self.body(part);
        if !matches!(part.content, Content::Leaf { .. }) {
            return Ok(Err(body));
        }
        let encoding = header::first(&self.header(part), b"content-transfer-encoding");
        Ok(decode::Decoder::new(&body, encoding.as_ref())?.ok_or(body))
    }
}

#[cfg(test)]
mod tests {
    use mailwire_core::Dialect;
    use mailwire_imap::{
        response::{FetchData, MsgAtt, Response, Untagged},
        types::Section,
    };

    use super::*;

    const SAMPLE: &[u8] = b"From: \"A, \\\"B\" <a@b>, =?utf-8?q?=C3=BC?= <@r:c@d> (x (y))\r\n\
        To: us: e@f, g;, h\r\nSubject: =?iso-8859-1?b?/A==?=\r\n folded\r\nDate: 1 Feb 2026 25:00\r\n\
        Content-Type: multipart/mixed; boundary=\"b\"; x*0*=y\r\n\r\n--b\r\n\
        Content-Type: text/plain; charset=utf-8; name=\"\xc3\xbc\\\"\"\r\n\
        Content-Transfer-Encoding: quoted-printable\r\nContent-Disposition: inline; filename=x y\r\n\
        Content-Language: de, en\r\n\r\na=3D=\r\nb\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: i\r\n\r\nx\r\n--b--\r\n";

    /// Asks for everything. What is shown must be readable by the strictest client.
    fn look(raw: Vec<u8>) {
        let message = Message::parse(raw.into());
        for needle in ["x", "\u{fc}", ""] {
            let _ = (message.text_contains(needle), message.header_contains(b"to", needle));
        }
        let _ = message.sent_on();
        for part in ["1", "2", "1.1", "2.1", "2.1.1"] {
            let number: Vec<_> = part.split('.').map(|number| number.parse().unwrap()).collect();
            let _ = (message.binary(&number), message.section(&Section::new(number, None).unwrap()));
        }
        assert_eq!(without_extension(message.structure(true)), message.structure(false));
        for item in [
            MsgAtt::Envelope(Box::new(message.envelope())),
            MsgAtt::Body(message.structure(false)),
            MsgAtt::BodyStructure(message.structure(true)),
        ] {
            let response = Response::Untagged(Untagged::Fetch(FetchData::new(
                mailwire_imap::types::SeqNumber::MIN,
                [item],
            )));
            let mut line = Vec::new();
            response.write(&mut line);
            let frame = Bytes::from(line);
            let frame = frame.slice(..frame.len() - 2);
            let parsed = Response::parse(&frame, Dialect::Strict);
            let shown = || format!("{:?} of {:?}", frame, message.raw());
            assert_eq!(
                parsed.unwrap_or_else(|error| panic!("{error}: {}", shown())).value,
                response,
                "{}",
                shown()
            );
        }
    }

    #[test]
    fn every_prefix_can_be_shown() {
        for end in 0..=SAMPLE.len() {
            look(SAMPLE[..end].to_vec());
        }
    }

    #[test]
    fn every_broken_byte_can_be_shown() {
        for at in 0..SAMPLE.len() {
            for byte in *b"\0\r\n \"\\(;:<@=\xff" {
                let mut raw = SAMPLE.to_vec();
                raw[at] = byte;
                look(raw);
            }
        }
    }

    #[test]
    fn bare_line_feeds_are_line_ends() {
        let raw: Vec<u8> = SAMPLE.iter().copied().filter(|&byte| byte != b'\r').collect();
        let message = Message::parse(raw.clone().into());
        assert!(message.root().find(&[std::num::NonZeroU32::new(2).unwrap()]).unwrap().message().is_some());
        look(raw);
    }
}
