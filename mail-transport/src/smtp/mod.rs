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

mod client;
mod envelope;
mod send;
pub mod server;

pub use client::{Client, Config};
pub use envelope::Envelope;
pub use mailwire_core::dot::BareNewline;
pub use mailwire_smtp as proto;
pub use mailwire_smtp::client::Outcome;
pub use send::{RefusedRecipient, Sent};
pub use server::Server;
