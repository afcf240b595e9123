//! SMTP, submission and LMTP: a client that sends messages, and a server that receives them.
//!
//! ```no_run
//! use mailwire_transport::{Endpoint, Protocol, Security, sasl::Credentials, smtp};
//!
//! # async fn run() -> mailwire_transport::Result<()> {
//! let server = Endpoint::new("mail.example.org", Protocol::Submission, Security::implicit_tls());
//! let mut client = smtp::Client::connect(server, &Credentials::password("anna", "secret")).await?;
//! let envelope = smtp::Envelope::new("anna@example.org", ["bob@example.net"])?;
//! client.send(&envelope, "From: anna@example.org\r\nSubject: Hello\r\n\r\nHello, Bob.\r\n").await?;
//! client.quit().await?;
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod config;
#[cfg(feature = "client")]
mod current;
#[cfg(all(feature = "client", feature = "downgrade"))]
mod downgrade;
#[cfg(all(feature = "client", not(feature = "downgrade")))]
#[path = "downgrade/absent.rs"]
mod downgrade;
#[cfg(feature = "client")]
mod envelope;
#[cfg(feature = "client")]
mod fields;
#[cfg(any(feature = "builder", feature = "header-envelope", feature = "lettre"))]
mod header;
#[cfg(feature = "pool")]
mod mailer;
#[cfg(feature = "pool")]
mod mailing;
#[cfg(any(feature = "builder", feature = "header-envelope", feature = "lettre"))]
mod message;
#[cfg(feature = "client")]
mod needs;
#[cfg(feature = "client")]
mod pipeline;
#[cfg(feature = "reports")]
pub mod report;
#[cfg(feature = "client")]
mod send;
#[cfg(feature = "client")]
mod sending;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "client")]
mod signed;
#[cfg(feature = "client")]
mod split;
#[cfg(feature = "client")]
mod transaction;

#[cfg(feature = "client")]
pub use client::Client;
#[cfg(feature = "client")]
pub use config::Config;
#[cfg(feature = "doctor")]
pub(crate) use config::own_name;
#[cfg(feature = "client")]
pub use envelope::Envelope;
#[cfg(any(feature = "builder", feature = "header-envelope", feature = "lettre"))]
pub use header::{without_bcc, without_fields};
#[cfg(feature = "pool")]
pub use mailer::{Mailer, MailerOptions};
#[cfg(feature = "pool")]
pub use mailing::Mailing;
#[cfg(feature = "client")]
pub use mailwire_core::dot::{BareNewline, Mended};
pub use mailwire_smtp as proto;
#[cfg(feature = "client")]
pub use mailwire_smtp::client::Outcome;
#[cfg(any(feature = "builder", feature = "header-envelope", feature = "lettre"))]
pub use message::Message;
#[cfg(feature = "client")]
pub use needs::Missing;
#[cfg(feature = "client")]
pub use send::{RefusedRecipient, Sent};
#[cfg(feature = "client")]
pub use sending::{Messages, Sending};
#[cfg(feature = "server")]
pub use server::Server;
