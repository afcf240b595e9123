//! Read, file and search mail on a server, or be that server, over a connection of your own: IMAP4rev1
//! ([RFC 3501](https://www.rfc-editor.org/rfc/rfc3501)) and IMAP4rev2
//! ([RFC 9051](https://www.rfc-editor.org/rfc/rfc9051)) without I/O.
//!
//! - To use a server, drive a [`client::Connection`]: the example below selects a mailbox and searches it.
//! - To be a server, drive a [`server::Connection`].
//! - To know which message has which number, in either role, keep a [`view::View`].
//! - To keep a copy of a mailbox in step with the server's, use a [`sync::Synchronizer`].
//! - To read or write single messages, use [`command::Request`] and [`Response`] by themselves; where one
//!   ends, with literals in it, [`framing`] tells. What they are made of is in [`types`]: a value that
//!   exists can be sent safely.
//! - To show what is read to people (subjects, names, files, texts), use [`reading`].
//! - Which extensions there are, and how far each goes in either role, is in [`support`].
//!
//! The machines take bytes and give events; `mailwire-transport` puts them on sockets. What is read holds
//! slices of what was received: nothing is copied, and nothing has a lifetime. Large literals come and go
//! as chunks, and need no memory of their own. Reading takes what real servers send
//! ([`Dialect::Lenient`]) and reports what was odd; writing keeps to the grammar.
//!
//! # Examples
//!
//! ```
//! use bytes::{Buf, BytesMut};
//! use mailwire_imap::{Channel, Connection as _, Next};
//! use mailwire_imap::client::{Config, Connection, Event};
//! use mailwire_imap::command::{Command, Search, SearchKey};
//! use mailwire_imap::response::Untagged;
//! use mailwire_imap::types::MailboxName;
//!
//! // The stream is protected already. The number should be random: tags are made of it.
//! let mut connection = Connection::new(Config::new(Channel::Tls, 1));
//! // Commands are queued until it is their turn.
//! connection.send(Command::Select(MailboxName::INBOX.into())).unwrap();
//! connection.send(Command::Search(Search::by_uid([SearchKey::Unseen]))).unwrap();
//!
//! // What a driver does: feed what the server says, write what is put out.
//! let mut answers = [
//!     "b.1 OK [READ-WRITE] selected\r\n",
//!     "* SEARCH 7 9\r\nb.2 OK done\r\n",
//! ]
//! .into_iter();
//! let mut input = BytesMut::from("* PREAUTH [CAPABILITY IMAP4rev1] welcome\r\n");
//! let mut written = Vec::new();
//! let mut unseen = Vec::new();
//! loop {
//!     match connection.next_event(&mut input)? {
//!         Next::Event(Event::Data { data: Untagged::Search(found), .. }) => unseen = found.numbers,
//!         Next::Event(Event::Reply { reply, .. }) => assert!(reply.is_ok(), "{reply}"),
//!         Next::Event(_) => {}
//!         Next::NeedInput => {
//!             let output = connection.output();
//!             written.extend_from_slice(&output.copy_to_bytes(output.remaining()));
//!             let Some(answer) = answers.next() else { break };
//!             input.extend_from_slice(answer.as_bytes());
//!         }
//!         next => panic!("{next:?}"),
//!     }
//! }
//! assert_eq!(written, b"b.1 SELECT INBOX\r\nb.2 UID SEARCH UNSEEN\r\n");
//! assert_eq!(unseen, [7, 9]);
//! # Ok::<(), mailwire_imap::Error>(())
//! ```
//!
//! # States
//!
//! Both machines tell where a session stands ([`client::State`]):
//!
//! ```text
//!               LOGIN, AUTHENTICATE          SELECT, EXAMINE
//!  NotAuthenticated --------> Authenticated ----------------> Selected --.
//!         |                     ^   |   ^   CLOSE, UNSELECT,     |   ^    | SELECT
//!         |           PREAUTH --'   |   '-- SELECT that is refused-'   '---'
//!         '------------ LOGOUT, BYE: Logout ---------------------'
//! ```
//!
//! UNAUTHENTICATE leads from the other two back to `NotAuthenticated`
//! ([RFC 8437 section 5](https://www.rfc-editor.org/rfc/rfc8437#section-5)).
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `std` | yes | vectored output; without it the crate is `no_std` with `alloc` |
//! | `client` | yes | the state machine of clients |
//! | `server` | yes | the state machine of servers, what reads commands ([`command::Request::parse`]) and what matches patterns ([`types::ListMatcher`]) |
//! | `extensions` | yes | commands and data of what stands on its own: ACL, `CANCELUPDATE`, comparators, `JMAPACCESS`, languages, METADATA, QUOTA, `RLIST` and `XLIST`, UIDBATCHES, URLAUTH, push by Apple. Without it they are [`Command::Other`] and [`Untagged::Other`] |
//! | `reading` | yes | names, groups, parts, contents and transfer encodings in [`reading`] |
//! | `sync` | yes | [`sync`], which needs `client`, `extensions` and `view` |
//! | `threading` | yes | [`threading`] |
//! | `url` | yes | [`url`] |
//! | `view` | yes | [`view`] |
//! | `serde` | no | `Serialize` for what is read; secrets are not serialized |
//! | `arbitrary` | no | valid commands and responses for fuzzing |
//! | `chrono`, `jiff`, `time` | no | [`DateTime`](types::DateTime) becomes a date-time of these crates, and comes from one |
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(all(
        feature = "client",
        feature = "server",
        feature = "extensions",
        feature = "reading",
        feature = "view"
    )),
    allow(
        dead_code,
        unreachable_pub,
        unused_imports,
        reason = "parts of what is shared are needed by one role or one feature alone"
    )
)]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod body;
pub mod capability;
#[cfg(feature = "client")]
pub mod client;
pub mod command;
pub mod deviation;
pub mod error;
pub mod extensions;
pub mod framing;
pub mod limits;
mod literal;
pub mod reading;
pub mod response;
#[cfg(feature = "server")]
pub mod server;
mod state;
pub mod support;
#[cfg(feature = "sync")]
pub mod sync;
#[cfg(feature = "threading")]
pub mod threading;
pub mod types;
#[cfg(feature = "url")]
pub mod url;
#[cfg(feature = "view")]
pub mod view;

pub use capability::{Capabilities, Capability};
pub use command::{Command, Request};
pub use error::{Error, Invalid, Misuse, ParseError, SendError};
pub use limits::Limits;
#[doc(no_inline)]
pub use mailwire_core::{
    Channel, Connection, Deviation, Dialect, Next, Output, Parsed, SaslStep, Secret, Text, Ticket, Upgrade,
};
pub use response::{Response, Untagged};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
