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

#[cfg(feature = "trace")]
mod hop;
#[cfg(feature = "trace")]
mod protocol;
#[cfg(feature = "trace")]
mod received;
#[cfg(feature = "trace")]
mod return_path;
mod timestamp;

#[cfg(feature = "trace")]
pub use hop::{Hop, hops};
#[cfg(feature = "trace")]
pub use protocol::Protocol;
#[cfg(feature = "trace")]
pub use received::Received;
#[cfg(feature = "trace")]
pub use return_path::ReturnPath;
pub use timestamp::Timestamp;

/// The bytes of a line without its end ([RFC 5322 section 2.1.1](https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1)).
const LINE: usize = 998;
