//! Sans-IO SMTP (RFC 5321), submission (RFC 6409) and LMTP (RFC 2033): values, their parser and
//! writer, and a state machine for each role.
//!
//! [`Command`] and [`Reply`] can be used by themselves. [`client`] and [`server`] have the machines,
//! which take bytes and give events; `mailwire-transport` puts them on sockets.
//!
//! ```
//! use bytes::Bytes;
//! use mailwire_smtp::{Command, Dialect, Reply};
//!
//! // A device that writes a space behind the colon, and no brackets.
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
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod capability;
pub mod client;
pub mod command;
mod context;
pub mod deviation;
mod error;
mod limits;
pub mod reply;
pub mod server;
mod setters;
mod state;
pub mod types;

pub use capability::{Capabilities, Capability};
pub use command::{Auth, Command, Mail, Rcpt};
pub use context::ParseContext;
pub use error::{Error, Invalid, Misuse, ParseError, SendError};
pub use limits::Limits;
pub use reply::{EnhancedCode, Reply, ReplyCode, ReplyFramer};
pub use state::State;
pub use types::{
    AddressLiteral, Argument, BodyType, Domain, EhloName, ForwardPath, Host, Keyword, Mailbox, Parameter,
    ParameterValue, ReversePath, Submitter, Verb,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[doc(no_inline)]
pub use mailwire_core::{
    Channel, Connection, Deviation, Dialect, Next, Parsed, SaslStep, Secret, Text, Ticket, Upgrade,
    sasl::Mechanism,
};
