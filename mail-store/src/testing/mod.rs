//! A mail server for tests: SMTP, submission, LMTP, IMAP and POP3 with TLS on free ports, started by one call.
//!
//! What your code sends is there to look at, with its envelope; what it is to find is put there before:
//!
//! ```
//! use std::time::Duration;
//! use mailwire_store::testing::MailServer;
//! use mailwire_transport::{Protocol, smtp::{Client, Config, Envelope}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = MailServer::start().await?;
//!
//! let mut client = Client::connect_with(server.endpoint(Protocol::Smtp), Config::anonymous()).await?;
//! let envelope = Envelope::new("ada@example.org", ["bob@example.net"])?;
//! client.send(&envelope, "Subject: Hello\r\n\r\nHi!\r\n").await?;
//!
//! let messages = server.wait_for(1, Duration::from_secs(5)).await?;
//! assert_eq!(messages[0].from(), "ada@example.org");
//! assert_eq!(messages[0].recipients(), ["bob@example.net"]);
//! assert_eq!(messages[0].subject().as_deref(), Some("Hello"));
//! # server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Who has a mailbox
//!
//! Without further words everybody has: [`MailServer::start`] takes mail for any recipient, keeps it for that address, and
//! lets anybody log in, by any password, as the one whose mail is to be read: by the address, or what is before its `@`. [`Config::with_user`] names those who have one
//! in place of that: others' mail is refused, and so are wrong passwords. [`Config::with_catch_all`] gives one of them all that
//! is not for the others.
//!
//! # Where it is
//!
//! [`MailServer::endpoint`] has address, protection and the server's own certificate authority in it. Programs that are
//! no clients of ours are told [`address`](MailServer::address) and [`authority`](MailServer::authority).
//!
//! Mail is in memory, and over with the server, unless it is started [over another store](MailServer::start_over).
//!
//! # When it fails
//!
//! [`Fault`]s are given by [`Config::with_faults`] or, at any time, [`MailServer::inject`]: a reply in place of another, a
//! delay, a lost connection and others, at any command or byte of any protocol, by a script or by chance.
//! [`MailServer::faults`] tells what has happened, and [`MailServer::cut_connections`] ends all connections at once, wherever
//! they stand. What a client must not get wrong is whether a message was sent:
//!
//! ```
//! use mailwire_store::testing::{Fault, MailServer};
//! use mailwire_transport::{Protocol, smtp::{Client, Config, Envelope, Outcome}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = MailServer::start().await?;
//! server.inject(Fault::cut().in_place_of_answer("."));
//!
//! let mut client = Client::connect_with(server.endpoint(Protocol::Smtp), Config::anonymous()).await?;
//! let envelope = Envelope::new("ada@example.org", ["bob@example.net"])?;
//! assert!(client.send(&envelope, "Subject: Hello\r\n\r\nHi!\r\n").await.is_err());
//! assert_eq!(client.outcome(), Outcome::Unknown);
//! assert_eq!((server.messages().len(), server.faults().len()), (1, 1));
//! # server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Each server is on its own: many can be started at once, and end when they are dropped.

mod config;
mod faults;
mod log;
mod server;
mod users;

pub use self::{
    config::{Config, ListenAt},
    faults::{Action, Fault, Happened, Moment, NotAFault},
    log::{ReceivedMessage, Tally, TooFew},
    server::{MailServer, StartError},
};
