//! IMAP over a stream.

pub mod client;
#[cfg(feature = "message")]
pub mod message;
pub mod server;

pub use client::{Client, Config, FlagChange, Found, Idle, LoginMethod, Message, Messages, ToMailbox, ToSet};
pub use mailwire_imap as proto;
pub use mailwire_imap::{
    Capability,
    command::{FetchItem, FetchItems, SearchKey, StatusItem},
    types::{Flag, MailboxName, SequenceSet},
};
pub use server::Server;
