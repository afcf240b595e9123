//! QUOTA: how much a user may store (RFC 9208).
//!
//! ```
//! use mailwire_imap::command::{Command, WriteOptions, Request};
//! use mailwire_imap::{extensions::quota::QuotaCommand, types::Tag};
//!
//! let request = Request { tag: Tag::new("a1")?, command: QuotaCommand::get("")?.into() };
//! let mut out = Vec::new();
//! request.write(WriteOptions::default(), &mut out);
//! assert_eq!(out, b"a1 GETQUOTA \"\"\r\n");
//! # Ok::<(), mailwire_core::Invalid>(())
//! ```

#[cfg(feature = "extensions")]
mod commands;
mod resource;

#[cfg(feature = "extensions")]
pub use self::commands::{QuotaCommand, QuotaData, QuotaResource, QuotaRoot, SetQuotaResource};
pub use self::resource::ResourceName;
