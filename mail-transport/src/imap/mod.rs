//! IMAP over a stream.

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod server;

#[cfg(feature = "pool")]
pub use client::Pool;
#[cfg(feature = "client")]
pub use client::{
    Client, Config, FetchedMessage, FetchedMessages, FlagChange, Found, Idle, LoginMechanism, ToMailbox,
    ToSet,
};
#[cfg(all(feature = "client", feature = "sync"))]
pub use client::{Watch, WatchEvent, WatchOptions};
pub use mailwire_imap as proto;
pub use mailwire_imap::{
    Capability,
    command::{FetchAtt, FetchAtts, SearchKey, StatusAtt},
    types::{Flag, MailboxName, SequenceSet, UidSet},
};
#[cfg(feature = "server")]
pub use server::Server;
