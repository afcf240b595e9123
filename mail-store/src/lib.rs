//! What stands behind a mail server: mailboxes and messages, for SMTP, LMTP, IMAP and POP3 alike.
//!
//! # To run a mail server
//!
//! Take a store, and give a service over it to each server of `mailwire-transport`. What SMTP or LMTP
//! delivers is read by IMAP and POP3:
//!
//! ```no_run
//! use mailwire_store::{ImapService, Pop3Service, SmtpService, memory::MemoryStore};
//! use mailwire_transport::{Security, imap, pop3, server::Listener, smtp, tls::ServerTls};
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn run(chain: &str, key: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new();
//! store.add_user("ada", "secret")?;
//!
//! let tls = ServerTls::builder(chain, key)?.build()?;
//! let bind = |address, security| Listener::bind(address, security, Some(tls.clone()));
//! let stop = CancellationToken::new();
//! let smtp = smtp::Server::new(SmtpService::new(store.clone()), "mx.example.org".try_into()?);
//! let imap = imap::Server::new(ImapService::new(store.clone()));
//! let pop3 = pop3::Server::new(Pop3Service::new(store));
//! tokio::try_join!(
//!     smtp.serve(bind("[::]:25", Security::required_starttls()).await?, stop.clone()),
//!     imap.serve(bind("[::]:993", Security::implicit_tls()).await?, stop.clone()),
//!     pop3.serve(bind("[::]:995", Security::implicit_tls()).await?, stop.clone()),
//! )?;
//! # Ok(())
//! # }
//! ```
//!
//! # To bring your own store
//!
//! Implement [`Store`]: accounts, mailboxes, messages, and one feed of what changes. The three services are
//! written once over it: sequence numbers, `\Recent`, responses and the wording of refusals are theirs and
//! the transport's. If the store knows passwords, let it be the
//! [`Authenticator`](mailwire_transport::sasl::Authenticator) of its users, too; otherwise give the services
//! another one with `with_authenticator`. [`conformance::check`] tests whether it does what every store must.
//!
//! Whoever has no mailboxes to offer, but proxies or makes messages up, implements the traits of
//! `mailwire-transport` instead.
//!
//! # To look into messages
//!
//! [`message`] finds the parts of a raw message as IMAP sees them: sections, envelopes, body structures,
//! texts without their encodings.
//!
//! # Features
//!
//! | feature | |
//! | --- | --- |
//! | `memory` (default) | [`memory`]: a store in memory, for tests, examples and short-lived servers |
//! | `conformance` | [`conformance::check`]: checks of what every store must do, for the tests of a store of one's own |
//! | `object-store` | large bodies of the store in PostgreSQL are in an object store, S3 or what is like it: `postgres::Objects` |
//! | `postgres` | [`postgres`]: a store in a PostgreSQL database, for any number of servers over one store of mail |
//! | `reports` | reports of delivery: [`SmtpService::with_reports`] offers DSN and DELIVERBY |
//! | `sqlite` | [`sqlite`]: a store in one SQLite file, for mail that outlives the process; compiles SQLite, which takes a C compiler |
//! | `testing` | [`testing::MailServer`]: a mail server for the tests of whatever sends or reads mail |
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "conformance")]
pub mod conformance;
mod content;
mod delivering;
mod error;
mod filter;
pub mod gmail;
mod imap;
mod inspect;
#[cfg(any(feature = "memory", feature = "postgres", feature = "sqlite"))]
mod kept;
mod mailbox;
#[cfg(feature = "memory")]
pub mod memory;
pub mod message;
mod messages;
mod path;
mod pop3;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "reports")]
mod reports;
mod service;
mod smtp;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod staging;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod uids;
mod valid_since;

pub use content::Contents;
pub use error::{Error, Result};
pub use filter::{Filter, Preselected};
pub use imap::{ImapService, ImapSession};
pub use inspect::{Inspector, Room, Whole};
pub use mailbox::{
    AccountId, BodyId, Changes, Cursor, Mailbox, MailboxChange, MailboxId, Mailboxes, Opened, ThreadId,
};
pub use messages::{
    Copied, Delivered, Destination, Fields, FlagChange, How, InternalDate, LabelChange, Lease, Row, Stored,
    Target, Which,
};
pub use path::{DELIMITER, MailboxPath};
pub use pop3::{Pop3Maildrop, Pop3Service};
#[cfg(feature = "reports")]
pub use reports::{OutgoingReport, ReportQueue, Reports};
pub use smtp::{Delivery, SmtpService, SmtpSession};
pub use store::{BodyReader, BodyWriter, MAX_CHANGED, MAX_COPIED, Store, Watch};
pub use uids::Uids;
