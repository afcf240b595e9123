//! Send mail, or receive it, over a connection of your own: SMTP
//! ([RFC 5321](https://www.rfc-editor.org/rfc/rfc5321)), submission
//! ([RFC 6409](https://www.rfc-editor.org/rfc/rfc6409)) and LMTP
//! ([RFC 2033](https://www.rfc-editor.org/rfc/rfc2033)) without I/O.
//!
//! - To send, drive a [`client::Connection`]; its page has a whole transaction.
//! - To receive, drive a [`server::Connection`].
//! - Which extensions there are, and how far each goes in either role, is in [`support`].
//! - To read or write single messages, use [`Command`], [`Reply`] and [`Capabilities`] by themselves.
//!
//! The machines take bytes and give events; `mailwire-transport` puts them on sockets.
//!
//! # Examples
//!
//! ```
//! use bytes::Bytes;
//! use mailwire_smtp::{Command, Dialect, Reply};
//!
//! // A device that writes a space after the colon, and no brackets. A line end is not part of a frame.
//! let line = Bytes::from_static(b"RCPT TO: scans@example.org");
//! let parsed = Command::parse(&line, Dialect::Lenient)?;
//! let Command::Rcpt(rcpt) = &parsed.value else { panic!() };
//! assert_eq!(rcpt.to.mailbox().unwrap().local_part(), "scans");
//! let names: Vec<_> = parsed.deviations.iter().map(|it| (it.name, it.offset)).collect();
//! assert_eq!(names, [("space-after-colon", 8), ("missing-angle-brackets", 9)]);
//! assert_eq!(Command::parse(&line, Dialect::Strict).unwrap_err().offset, 8);
//!
//! // Writing is always strict.
//! let mut out = Vec::new();
//! parsed.value.write(&mut out);
//! assert_eq!(out, b"RCPT TO:<scans@example.org>\r\n");
//!
//! let reply = Reply::parse(&Bytes::from_static(b"550 5.1.1 No such user"), Dialect::Lenient)?.value;
//! assert!(reply.is_permanent_failure());
//! assert_eq!(reply.first_line(), "No such user");
//! # Ok::<(), mailwire_smtp::ParseError>(())
//! ```
//!
//! # States
//!
//! Both machines tell where a session stands ([`State`]):
//!
//! ```text
//!            EHLO, HELO, LHLO         MAIL           RCPT               DATA
//!  Connected ---------------> Ready -------> Sender ------> Recipients ------> Message
//!      ^                      ^  ^              |             |  |  ^             |
//!      |                      |  '- RSET, EHLO -'- RSET, EHLO-'  '--'             |
//!      |                      |                                 RCPT              |
//!      '---- STARTTLS --------'------------- the message is answered -------------'
//! ```
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `std` | yes | vectored output; without it the crate is `no_std` with `alloc` |
//! | `client`, `server` | yes | the state machine of each role; with `server`, [`Command::parse`] and `trace` |
//! | `extensions` | yes | what servers say of BURL, DELIVERBY, FUTURERELEASE, LIMITS, MT-PRIORITY, NO-SOLICITING, XCLIENT and XFORWARD is read; without it they are [`Capability::Other`]; `server` has it in any case |
//! | `trace` | yes | the fields that servers put before messages, written and read: [`trace`] |
//! | `serde` | no | `Serialize` for what is parsed; secrets are not serialized |
//! | `arbitrary` | no | valid values for fuzzing |
//! | `simd` | no | messages are searched with the vector registers of the processor, of up to 32 bytes; needs Rust 1.89 |
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(all(feature = "client", feature = "server")),
    allow(
        dead_code,
        unused_imports,
        reason = "parts of what both roles share are needed by one of them alone"
    )
)]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod capability;
#[cfg(feature = "client")]
pub mod client;
mod command;
mod context;
pub mod deviation;
mod error;
pub mod extensions;
mod limits;
mod reply;
#[cfg(feature = "server")]
pub mod server;
mod state;
pub mod support;
pub mod trace;
mod types;

pub use capability::{Capabilities, CapabilitiesIter, Capability, OtherCapability};
pub use command::{Auth, Command, Mail, Rcpt};
pub use context::ParseContext;
pub use error::{Error, Invalid, Misuse, ParseError, SendError};
pub use extensions::{MailParameters, RcptParameters};
pub use limits::Limits;
pub use reply::{
    EnhancedCode, EnhancedStatus, Reply, ReplyCode, ReplyFrame, ReplyFramer, ReplyLines, Subject,
};
pub use state::State;
pub use types::{
    AddressLiteral, Argument, BodyType, DateTime, Domain, EhloName, ForwardPath, Host, Keyword, LocalPart,
    Mailbox, Parameter, ParameterValue, Query, ReversePath, Submitter, Verb,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[doc(no_inline)]
pub use mailwire_core::{
    Channel, Connection, Deviation, Dialect, Next, Parsed, SaslStep, Secret, Text, Ticket, Upgrade,
    sasl::Mechanism,
};
