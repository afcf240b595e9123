#![doc = include_str!("../README.md")]
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

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod capability;
#[cfg(feature = "client")]
pub mod client;
mod command;
mod context;
pub mod deviation;
mod extensions;
mod limits;
mod reply;
#[cfg(feature = "server")]
pub mod server;
mod state;
pub mod support;
mod types;

pub use capability::{Capabilities, Capability};
pub use command::{Command, Follows, MAX_COMMAND_LINE};
pub use context::ParseContext;
pub use extensions::Xclient;
pub use limits::Limits;
#[doc(no_inline)]
pub use mailwire_core::{
    Channel, Connection, Deviation, Dialect, Error, Invalid, Misuse, Newline, Next, ParseError, Parsed,
    SaslStep, Secret, SendError, Text, Ticket, Upgrade,
    sasl::{Mechanism, Policy},
};
pub use reply::{
    Challenge, DropListing, Expected, Greeting, LanguageListing, Listing, MAX_STATUS_LINE, Reply,
    ResponseCode, ResponseCodeKind, ScanListing, UniqueIdListing,
};
pub use state::State;
pub use types::{
    ApopDigest, ApopTimestamp, Keyword, LanguageRange, LanguageTag, LineText, MessageNumber, Password,
    ReplyText, UniqueId, UserName,
};
