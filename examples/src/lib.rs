//! What the programs share: how one starts and ends, who logs in where, and messages in files.

mod account;
pub mod append;
mod compose;
mod download;
mod folder;
#[cfg(feature = "http")]
mod http;
mod input;
mod link;
mod mailboxes;
pub mod maildir;
pub mod migrate;
mod program;
pub mod queue;
pub mod server;
mod status;
mod suspects;
pub mod sync;
mod wire;

#[cfg(feature = "http")]
pub use self::http::{HttpLimits, serve_http};
pub use self::{
    account::{AccountArguments, SecurityName},
    compose::{compose, content_type},
    download::{Download, Failed},
    folder::{Folder, Kept, NewMessage, file_name},
    input::Input,
    link::Link,
    mailboxes::{MailboxArguments, delimiter},
    program::{arguments, exit_code, program, progress, say, tell},
    status::{EXIT_STATUS, Later, Status, Tally, Usage},
    suspects::Suspects,
    wire::WireArguments,
};

/// The examples of READMEs and of the book that no crate's own tests compile.
#[cfg(doctest)]
mod readmes {
    #[doc = include_str!("../../docs/src/choosing.md")]
    struct Choosing;
    #[doc = include_str!("../../docs/src/coming-from.md")]
    struct ComingFrom;
    #[doc = include_str!("../../mail-core/README.md")]
    struct Core;
    #[doc = include_str!("../../mail-transport/README.md")]
    struct Transport;
    #[doc = include_str!("../../docs/src/reading.md")]
    struct Reading;
    #[doc = include_str!("../../docs/src/serving.md")]
    struct Serving;
    #[doc = include_str!("../../docs/src/testing.md")]
    struct Testing;
}
