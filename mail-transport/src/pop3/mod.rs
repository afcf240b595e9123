//! POP3 (RFC 1939) over the network: [`Client`] and [`Server`].
//!
//! The values of the protocol are [`mailwire_pop3`]'s, here under the name [`proto`].

pub mod client;
pub mod server;

pub use client::{Body, Client, Config, LoginMechanism, QuitError, RetrievedMessages};
pub use mailwire_pop3 as proto;
pub use mailwire_pop3::{
    Capabilities, Capability, MessageNumber, UniqueId,
    client::Deletions,
    reply::{DropListing, ScanListing, UniqueIdListing},
};
pub use server::Server;
