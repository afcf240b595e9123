//! The vocabulary that mailwire's crates for SMTP, IMAP and POP3 share.
//!
//! Nothing here does I/O, reads a clock or knows a protocol. It is the part that has to be right
//! once: the [`Connection`] trait that every state machine implements, the [`Output`] they write
//! to, the resumable [`LineFramer`], dot-stuffing ([`dot`]), base64 lines of SASL exchanges
//! ([`sasl`]), [`Secret`] and [`Ticket`], the [`Cursor`] that grammars are written on, and the
//! errors.
//!
//! # Examples
//!
//! ```
//! use bytes::BytesMut;
//! use mailwire_core::{LineFramer, Newline};
//!
//! let mut input = BytesMut::from("NOOP\r\nQU");
//! let mut framer = LineFramer::new();
//! let line = framer.next_line(&mut input, 512).unwrap().unwrap();
//! assert_eq!((&line.text[..], line.newline), (&b"NOOP"[..], Newline::CrLf));
//! // The second line is not whole yet. Nothing was taken, and what was searched is remembered.
//! assert!(framer.next_line(&mut input, 512).unwrap().is_none());
//! assert_eq!(&input[..], b"QU");
//! ```
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod apart;
mod calendar;
mod capabilities;
mod classes;
mod connection;
mod cursor;
pub mod deviation;
mod dialect;
pub mod dot;
mod error;
mod escapes;
mod gate;
#[cfg(feature = "nom")]
pub mod grammar;
mod keywords;
mod line;
mod newtype;
mod nul;
mod numbers;
mod output;
#[doc(hidden)]
pub mod private;
mod reason;
pub mod sasl;
mod secret;
mod setters;
#[cfg(feature = "simd")]
mod simd;
pub mod support;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
mod ticket;
mod upgrade;
mod variants;
mod words;

pub use capabilities::AskCapabilities;
pub use connection::{Channel, Connection, Next, Upgrade};
pub use cursor::{Cursor, Mark};
pub use dialect::{Deviation, Dialect, Parsed};
pub use error::{Error, Invalid, Misuse, ParseError, ParseErrorKind, SendError};
pub use line::{Line, LineFramer, LineTooLong, Newline};
pub use output::{Output, OutputMark};
pub use reason::{NotOffered, WrongAnswer, WrongState};
pub use sasl::step::SaslStep;
pub use secret::Secret;
pub use text::{Text, escape_ascii};
pub use ticket::{Ticket, Tickets};
