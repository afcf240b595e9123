//! Sends and reads mail, and serves it: async clients and servers for SMTP, IMAP and POP3 on tokio and
//! rustls.
//!
//! # Sending
//!
//! ```no_run
//! # #[cfg(all(feature = "smtp", feature = "client"))]
//! # async fn example() -> mailwire_transport::Result<()> {
//! use mailwire_transport::{Endpoint, Protocol, Security, sasl::Credentials, smtp};
//!
//! let server = Endpoint::new("mail.example.org", Protocol::Submission, Security::implicit_tls());
//! let mut client = smtp::Client::connect(server, &Credentials::password("anna", "secret")).await?;
//! let envelope = smtp::Envelope::new("anna@example.org", ["bob@example.net"])?;
//! client.send(&envelope, "From: anna@example.org\r\nSubject: Hi\r\n\r\nHello, Bob.\r\n").await?;
//! client.quit().await?;
//! # Ok(())
//! # }
//! ```
//!
//! From many places of a program, over connections that are kept and made anew as needed, [`smtp::Mailer`] sends; [`pool`] is
//! what it is made of, and keeps those of IMAP as well.
//!
//! # Reading
//!
//! ```no_run
//! # #[cfg(all(feature = "imap", feature = "client"))]
//! # async fn example() -> mailwire_transport::Result<()> {
//! use mailwire_transport::{
//!     Endpoint, Protocol, Security,
//!     imap::{self, FetchAtt, SearchKey},
//!     sasl::Credentials,
//! };
//!
//! let server = Endpoint::new("imap.example.org", Protocol::Imap, Security::implicit_tls());
//! let mut client = imap::Client::connect(server, &Credentials::password("anna", "secret")).await?;
//! client.select("INBOX").await?;
//! let unseen = client.uid_search([SearchKey::Unseen]).await?;
//! let mut messages = client.uid_fetch(&unseen, [FetchAtt::Envelope]).await?;
//! while let Some(message) = messages.next().await? {
//!     println!("{}", message.subject().unwrap_or_default());
//! }
//! client.logout().await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`pop3::Client`] downloads and deletes.
//!
//! # Accounts as URLs
//!
//! `Client::connect_to` of each protocol takes an [`Account`], or its URL: `imaps://anna:secret@mail.example.org`,
//! `lmtp+unix:/run/dovecot/lmtp`.
//!
//! # Serving
//!
//! [`smtp::Server`], [`imap::Server`] and [`pop3::Server`] each ask an application through a trait; the
//! protocol, TLS, authentication, limits and shutting down are theirs. The pages of
//! [`smtp::server`] and [`pop3::server`] have whole examples, and the crate `mailwire-store` has an
//! application for all three.
//!
//! # The layers
//!
//! - [`Stream`]: TCP, a Unix socket or anything else, in clear or within TLS. A client gets one from
//!   an [`Endpoint`], which knows the address, the [`Security`] and the [`Timeouts`]; a server from
//!   its listener.
//! - [`Driver`]: moves bytes between a stream and any machine that implements
//!   [`mailwire_core::Connection`], in either role. It has one call, [`Driver::next`].
//! - Clients and servers of each protocol, which are sugar over a driver.
//!
//! # How to build on the driver
//!
//! Put something into the machine, call [`Driver::next`] until your answer is there, and treat its
//! four outcomes:
//!
//! ```
//! use mailwire_core::{Connection, Error as ProtocolError, Misuse, WrongState};
//! use mailwire_transport::{Driver, Endpoint, Error, Result, Step, Stream};
//!
//! /// Waits for the event that `wanted` picks, upgrading to TLS when the machine says so.
//! async fn until<C, T>(
//!     driver: &mut Driver<Stream, C>,
//!     endpoint: &Endpoint,
//!     mut wanted: impl FnMut(C::Event) -> Option<T>,
//! ) -> Result<T>
//! where
//!     C: Connection<Error = ProtocolError>,
//! {
//!     loop {
//!         match driver.next().await? {
//!             Step::Event(event) => {
//!                 if let Some(value) = wanted(event) {
//!                     return Ok(value);
//!                 }
//!             }
//!             // STARTTLS is agreed. A handshake that fails leaves the driver without a stream.
//!             Step::Upgrade(_) => {
//!                 driver.upgrade_in_place(Stream::Absent, |stream, _| endpoint.start_tls(stream)).await?;
//!             }
//!             // All is written, and nothing is due from the peer: what is waited for cannot come.
//!             Step::Blocked => return Err(Misuse::WrongState(WrongState::NothingDue("step")).into()),
//!             Step::Closed => return Err(Error::Closed),
//!         }
//!     }
//! }
//! ```
//!
//! Nothing that [`Driver::next`] does is lost when its future is dropped. What can be lost is what
//! *your* function knew while it waited: a call that was dropped between its command and its reply
//! leaves a reply on the way that nobody expects. A client therefore either remembers the tickets of
//! dropped calls and skips their replies, or answers [`Error::Spent`] from then on (a body that is
//! half sent cannot be taken up again).
//!
//! # Seeing what goes on
//!
//! [`Endpoint::with_wire_log`] and, for servers and drivers, [`WireLog`] show the lines of a conversation as `C: ` and
//! `S: `, without secrets; [`wire_transcript`] writes them to a file.
//!
//! Traces go to `tracing`, those of clients where the feature of that name is on; [`traces`] has a table of them. Those of clients have the target `mailwire_transport::client`: at the level DEBUG connecting,
//! TLS and its version, the login and its mechanism, refusals of a login and the end of the connection with its reason,
//! at TRACE each command by its name when it is sent and when its answer has come. Those of servers have the paths
//! of modules as targets, below `mailwire_transport`. No trace has a secret in it.
//!
//! What is counted stands in [`metrics`].
//!
//! # Features
//!
//! | feature | |
//! | --- | --- |
//! | `smtp`, `imap`, `pop3` (all default) | the protocols |
//! | `client`, `server` (both default) | the roles |
//! | `imap-extensions` (default) | what IMAP's client has beyond what most programs need: ACL, CATENATE, contexts, LIST with options, METADATA, QUOTA, special uses, URLAUTH, parts that are decoded as they come |
//! | `smtp-extensions` (default) | SMTP's client knows what servers say of BURL, DELIVERBY, FUTURERELEASE, LIMITS, MT-PRIORITY, NO-SOLICITING, XCLIENT and XFORWARD, obeys it, and uses what is offered so; servers always do |
//! | `sync` (default) | mirrors of IMAP's mailboxes: [`imap::Watch`] |
//! | `scram` (default) | clients log in by SCRAM, CRAM-MD5 and DIGEST-MD5 too, which do not show the password; servers always can |
//! | `account` (default) | a server and who logs in there, as one URL: [`Account`] |
//! | `oauth` (default) | clients log in by OAuth tokens, and ask for credentials at each login: [`sasl::Credentials::token`]; servers always take tokens |
//! | `pool` (default) | connections that are kept: [`pool`], [`smtp::Mailer`], [`imap::Pool`] |
//! | `proxy` (default) | clients go through SOCKS5 and CONNECT of HTTP: [`proxy`] |
//! | `wire-log` (default) | clients show the lines that are said, without secrets: [`WireLog`]; servers always can |
//! | `tracing` (default) | clients tell `tracing` what they do: [`traces`]; servers always do |
//! | `downgrade` (default) | messages are converted for SMTP servers that take fewer bytes, where [`smtp::Missing::Downgrade`] asks for it |
//! | `blocking` | clients for programs without a runtime: [`blocking`] |
//! | `futures-io` | clients over the streams of `futures-io`, on any executor: `Stream::futures_io` |
//! | `codec` (default) | the machines as codecs of tokio-util: [`codec`] |
//! | `compress` | connections can be compressed: IMAP's COMPRESS; servers offer it then |
//! | `deliver` | delivery to the servers of recipients, by MX and their policies of TLS: [`deliver`] |
//! | `discover` | the servers of an address, and how far they can be trusted: [`discover`], [`dns`], [`http`] |
//! | `doctor` | what is wrong with the mail of an address, and what to do about it: [`doctor`] |
//! | `deadpool` | managers of deadpool's pools: [`pool::deadpool`] |
//! | `ring` (default), `aws-lc-rs` | whose cryptography rustls uses; no provider is installed process-wide |
//! | `idn` (default) | hosts beyond ASCII, as A-labels: [`domain_to_ascii`] |
//! | `platform-verifier` (default), `webpki-roots` | what a client trusts if it is not told |
//! | `encoded-words` | decodes words beyond ASCII in header fields, and texts, of all charsets: [`encoded_words`], [`charset_text`]; needs Rust 1.88 |
//! | `header-envelope` | an envelope out of a message's header: [`smtp::Envelope::from_header`]; an [`smtp::Message`] from a text; needs Rust 1.88 |
//! | `builder`, `lettre` | an [`smtp::Message`] from `mail_builder::MessageBuilder`, from `lettre::Message` |
//! | `metrics` | counters, gauges and histograms, through the facade of that name: [`metrics`] |
//! | `reports` | delivery and disposition reports, read and written: [`smtp::report`]; needs Rust 1.88 |
//! | `testing` | a certificate authority made on the spot: [`testing`]; needs Rust 1.88 |
//! | `simd` | messages are searched with the vector registers that the processor has, of up to 32 bytes; needs Rust 1.89 |
//!
//! A feature that is off costs neither code nor dependencies. A program that sends mail needs no more than
//! `default-features = false, features = ["smtp", "client", "ring", "platform-verifier"]`, one that reads a mailbox `"imap"` or `"pop3"` in
//! place of `"smtp"`. `scram` is for servers that do not take passwords as they are, within TLS, as most do; `oauth` for logins by tokens.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(any(feature = "smtp", feature = "imap", feature = "pop3")),
    allow(dead_code, unused_imports, reason = "without a protocol nothing of it is used")
)]
#![forbid(unsafe_code)]

#[cfg(feature = "account")]
mod account;
#[cfg(feature = "blocking")]
pub mod blocking;
#[cfg(any(
    all(feature = "client", any(feature = "imap", feature = "pop3")),
    all(feature = "server", feature = "smtp")
))]
mod body;
#[cfg(any(feature = "pop3", feature = "server"))]
mod budget;
#[cfg(feature = "codec")]
pub mod codec;
#[cfg(feature = "compress")]
mod compress;
#[cfg(feature = "deliver")]
pub mod deliver;
#[cfg(feature = "discover")]
pub mod discover;
#[cfg(any(feature = "deliver", feature = "discover"))]
pub mod dns;
#[cfg(feature = "doctor")]
pub mod doctor;
pub mod driver;
#[cfg(feature = "encoded-words")]
mod encoded_words;
#[cfg(feature = "client")]
mod endpoint;
mod error;
#[cfg(feature = "futures-io")]
mod futures_io;
#[cfg(any(feature = "deliver", feature = "discover"))]
pub mod http;
mod idn;
#[cfg(feature = "imap")]
pub mod imap;
#[cfg(feature = "testing")]
mod layer;
pub mod metrics;
#[cfg(any(
    all(feature = "pool", feature = "smtp"),
    feature = "deliver",
    feature = "discover",
    feature = "sync"
))]
#[allow(dead_code, reason = "each feature uses a part of it")]
mod pauses;
#[cfg(all(feature = "client", any(feature = "smtp", feature = "imap")))]
mod payload;
#[cfg(all(feature = "pool", any(feature = "smtp", feature = "imap")))]
pub mod pool;
#[cfg(feature = "pop3")]
pub mod pop3;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(any(feature = "proxy", feature = "server"))]
pub mod proxy_protocol;
mod refused;
mod runtime;
pub mod sasl;
mod security;
#[cfg(feature = "server")]
pub mod server;
#[cfg(all(feature = "client", any(feature = "smtp", feature = "imap", feature = "pop3")))]
mod session;
#[cfg(any(feature = "deliver", feature = "discover"))]
mod side_by_side;
#[cfg(feature = "smtp")]
pub mod smtp;
mod stream;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tls;
pub mod traces;

#[cfg(feature = "account")]
pub use account::Account;
#[cfg(any(feature = "pop3", feature = "server"))]
pub use budget::{Budget, OverBudget, run_blocking};
#[cfg(feature = "compress")]
pub use compress::Compressed;
pub use driver::{Driver, DriverConfig, DriverError, Step};
#[cfg(feature = "wire-log")]
pub use driver::{Side, WireLine, WireLog, wire_transcript};
#[cfg(feature = "encoded-words")]
pub use encoded_words::{charset_text, encoded_words};
#[cfg(feature = "client")]
pub use endpoint::{Address, Endpoint, Keepalive, Timeouts};
#[cfg(feature = "oauth")]
pub use error::OAuthError;
pub use error::{Error, InvalidValue, Phase, Refused, RefusedKind, Result};
pub use idn::domain_to_ascii;
#[cfg(all(feature = "client", any(feature = "smtp", feature = "imap")))]
pub use payload::Payload;
#[cfg(feature = "proxy")]
pub use proxy::Proxy;
pub use security::{Protocol, Security, within};
#[cfg(all(feature = "client", any(feature = "smtp", feature = "imap", feature = "pop3")))]
pub use session::Login;
pub use stream::{Duplex, Plain, Stream};

/// The target of the traces of clients.
#[cfg(feature = "client")]
const CLIENT_TRACES: &str = "mailwire_transport::client";

/// The examples at the top of the repository's README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
