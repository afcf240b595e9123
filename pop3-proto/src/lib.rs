//! Sans-IO POP3.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "arbitrary")]
mod arbitrary;
pub mod capability;
pub mod client;
pub mod command;
pub mod error;
pub mod limits;
pub mod reply;
pub mod server;
pub mod types;

pub use capability::{Capabilities, Capability};
pub use command::{Command, Follows};
pub use error::{Error, Invalid, Misuse, ParseError, SendError};
pub use limits::Limits;
pub use reply::{Expected, Greeting, Listing, Reply, ResponseCode, ResponseCodeKind};
pub use types::{
    ApopDigest, ApopTimestamp, Keyword, LineText, Mechanism, MessageNumber, Password, ReplyText, UniqueId,
    UserName,
};
