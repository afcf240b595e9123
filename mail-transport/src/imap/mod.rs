//! IMAP over a stream.

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod server;

#[cfg(feature = "pool")]
pub use client::Pool;
#[cfg(feature = "client")]
pub use client::{
    AppendOptions, AppendUid, Body, Client, Config, FetchedMessage, FetchedMessages, FlagChange, Found, Idle,
    LoginMechanism, Selected, StoredUnchanged, ToMailbox, ToSet, Update,
};
#[cfg(all(feature = "client", feature = "sync"))]
pub use client::{Watch, WatchEvent, WatchOptions};
pub use mailwire_imap as proto;
#[cfg(all(feature = "client", feature = "sync"))]
pub use mailwire_imap::sync::{Change, SyncOptions, SyncState};
pub use mailwire_imap::{
    Capability,
    command::{FetchAtt, FetchAtts, SearchKey, StatusAtt},
    types::{Flag, FlagSet, MailboxName, Section, SeqNumber, SequenceSet, Uid, UidSet},
};
#[cfg(feature = "server")]
pub use server::Server;
