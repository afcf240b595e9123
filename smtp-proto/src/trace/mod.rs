//! Trace fields: what a server puts before a message that it has received.
//!
//! Every server puts a [`Received`] field before it, whose words are what it knows of the session; the one that delivers
//! it into a mailbox also puts the sender's address there, as [`ReturnPath`] ([RFC 5321 section
//! 4.4](https://www.rfc-editor.org/rfc/rfc5321#section-4.4)).
//!
//! Fields are written folded, and whatever a client called itself, nothing in them ends a field or begins another.
//!
//! What others put there is read by [`hops`], for whoever asks which way a message has come and how long each step took.
//!
//! # Examples
//!
//! ```
//! use mailwire_smtp::trace::{Protocol, Received, ReturnPath, Timestamp};
//!
//! let date = Timestamp::new(1_796_000_000, 60)?;
//! let received = Received::new("client.example".parse()?, "mx.example".try_into()?, date)
//!     .with_address("192.0.2.1".parse()?)
//!     .with_protocol(Protocol::smtp(true).with_tls(true))
//!     .with_id("7B1")?;
//! let mut out = Vec::new();
//! ReturnPath::new("anna@example.org".parse::<mailwire_smtp::Mailbox>()?).write(&mut out);
//! received.write(&mut out);
//! assert_eq!(
//!     String::from_utf8(out)?,
//!     "Return-Path: <anna@example.org>\r\n\
//!      Received: from client.example ([192.0.2.1])\r\n\
//!      \tby mx.example with ESMTPS id 7B1;\r\n\
//!      \tMon, 30 Nov 2026 01:53:20 +0100\r\n",
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod hop;
mod protocol;
mod received;
mod timestamp;

use alloc::vec::Vec;

pub use hop::{Hop, hops};
pub use protocol::Protocol;
pub use received::Received;
pub use timestamp::Timestamp;

use crate::ReversePath;

/// The field `Return-Path`: who gets the reports of failure, as MAIL said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnPath(ReversePath);

impl ReturnPath {
    /// The field for the sender of MAIL.
    #[must_use]
    pub fn new(sender: impl Into<ReversePath>) -> Self {
        Self(sender.into())
    }

    /// The sender.
    #[must_use]
    pub const fn sender(&self) -> &ReversePath {
        &self.0
    }

    /// Appends the field with its line end. An address that is too long for a line of a message, of 998 bytes, is the null
    /// address there: nobody can be told anything then.
    ///
    /// ```abnf
    /// Return-path-line = "Return-Path:" FWS Reverse-path <CRLF>     ; RFC 5321 section 4.4
    /// ```
    pub fn write(&self, out: &mut Vec<u8>) {
        const NAME: &[u8] = b"Return-Path: ";
        let start = out.len();
        out.extend_from_slice(NAME);
        self.0.write(out);
        if out.len().saturating_sub(start) > LINE {
            out.truncate(start.saturating_add(NAME.len()));
            out.extend_from_slice(b"<>");
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// The bytes of a line without its end ([RFC 5322 section 2.1.1](https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1)).
const LINE: usize = 998;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mailbox;

    #[test]
    fn a_path_fits_into_a_line() {
        let field = |length: usize| {
            let local = "a".repeat(length);
            let mut out = Vec::new();
            ReturnPath::new(Mailbox::try_from(&*alloc::format!("{local}@b")).unwrap()).write(&mut out);
            out
        };
        let most = LINE - "Return-Path: <@b>".len();
        assert_eq!(field(most).len(), LINE + 2);
        assert_eq!(field(most + 1), b"Return-Path: <>\r\n");
    }
}
