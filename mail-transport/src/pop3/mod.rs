//! POP3 ([RFC 1939](https://www.rfc-editor.org/rfc/rfc1939)) over the network: [`Client`] and [`Server`].
//!
//! The values of the protocol are [`mailwire_pop3`]'s, here under the name [`proto`].

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod server;

#[cfg(feature = "discover")]
pub(crate) use client::greeted;
#[cfg(feature = "client")]
pub use client::{
    Body, Client, Config, Download, Downloaded, Downloads, HeaderDigest, Keep, Listed, LoginMechanism,
    QuitError, RetrievedMessages, Seen, ToNumber,
};
pub use mailwire_pop3 as proto;
#[cfg(feature = "client")]
pub use mailwire_pop3::client::Deletions;
pub use mailwire_pop3::{
    Capabilities, Capability, DropListing, LanguageListing, LanguageRange, LanguageTag, MessageNumber,
    ScanListing, UniqueId, UniqueIdListing,
};
#[cfg(feature = "server")]
pub use server::Server;
