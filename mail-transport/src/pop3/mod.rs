//! POP3 (RFC 1939) over the network: [`Client`].
//!
//! The values of the protocol are [`mailwire_pop3`]'s.

pub mod client;

pub use client::{Body, Client, Config, LoginMethod, Messages};
pub use mailwire_pop3::{
    Capabilities, Capability, MessageNumber, UniqueId,
    client::Deletions,
    reply::{DropListing, ScanListing, UniqueIdListing},
};
