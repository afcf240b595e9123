//! METADATA: annotations of mailboxes and of the server ([RFC 5464](https://www.rfc-editor.org/rfc/rfc5464)).
//!
//! ```
//! use mailwire_imap::command::{Command, Request, WriteOptions};
//! use mailwire_imap::extensions::metadata::{Depth, EntryName, GetMetadata, MetadataCommand};
//! use mailwire_imap::types::{MailboxName, Tag};
//!
//! let entries = [EntryName::new("/shared/comment")?];
//! let get = GetMetadata::new(MailboxName::INBOX, entries).with_depth(Depth::Infinity);
//! let command = MetadataCommand::Get(get).into();
//! let mut out = Vec::new();
//! Request { tag: Tag::new("a1")?, command }.write(WriteOptions::default(), &mut out);
//! assert_eq!(out, b"a1 GETMETADATA (DEPTH infinity) INBOX (/shared/comment)\r\n");
//! # Ok::<(), mailwire_core::Invalid>(())
//! ```

mod code;
#[cfg(feature = "extensions")]
mod commands;
mod entry;

pub use self::code::MetadataCode;
#[cfg(feature = "extensions")]
pub use self::commands::{GetMetadata, MetadataCommand, MetadataData};
#[cfg(feature = "arbitrary")]
pub(super) use self::entry::arbitrary::value as arbitrary_value;
pub use self::entry::{Depth, EntryName};
pub(super) use self::entry::{put_value, read_value, write_value};
