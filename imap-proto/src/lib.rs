//! Sans-IO IMAP.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod body;
mod capability;
pub mod client;
pub mod command;
pub mod error;
pub mod framing;
mod limits;
pub mod response;
pub mod server;
pub mod types;

pub use capability::Capability;
pub use error::{Error, Invalid, Misuse, ParseError, SendError};
pub use limits::Limits;
