//! IMAP over a stream.

pub mod client;
pub mod server;
#[cfg(feature = "encoded-words")]
mod words;

pub use client::{
    Client, Config, FetchedMessage, FetchedMessages, FlagChange, Found, Idle, LoginMechanism, ToMailbox,
    ToSet,
};
pub use mailwire_imap as proto;
pub use mailwire_imap::{
    Capability,
    command::{FetchAtt, FetchAtts, SearchKey, StatusAtt},
    types::{Flag, MailboxName, SequenceSet},
};
pub use server::Server;
#[cfg(feature = "encoded-words")]
pub use words::encoded_words;
