#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
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
pub use command::{Command, Follows, MAX_COMMAND_LINE};
pub use error::{Error, Invalid, Misuse, ParseError, SendError};
pub use limits::Limits;
#[doc(no_inline)]
pub use mailwire_core::{
    Channel, Connection, Deviation, Dialect, Next, Parsed, SaslStep, Secret, Text, Ticket, Upgrade,
};
pub use reply::{Expected, Greeting, Listing, MAX_STATUS_LINE, Reply, ResponseCode, ResponseCodeKind};
pub use types::{
    ApopDigest, ApopTimestamp, Keyword, LineText, Mechanism, MessageNumber, Password, ReplyText, UniqueId,
    UserName,
};
