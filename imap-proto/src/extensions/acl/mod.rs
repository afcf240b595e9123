//! ACL: who may do what with a mailbox ([RFC 4314](https://www.rfc-editor.org/rfc/rfc4314)).
//!
//! ```
//! use mailwire_imap::command::{Command, Request, WriteOptions};
//! use mailwire_imap::extensions::acl::{AclCommand, Rights, RightsChange};
//! use mailwire_imap::types::{MailboxName, Tag};
//!
//! let change = RightsChange::Add(Rights::new("lrs")?);
//! let command = AclCommand::set(MailboxName::new("Archive")?, "fred", change)?;
//! let mut out = Vec::new();
//! Request { tag: Tag::new("a1")?, command: command.into() }.write(WriteOptions::default(), &mut out);
//! assert_eq!(out, b"a1 SETACL Archive fred +lrs\r\n");
//! # Ok::<(), mailwire_core::Invalid>(())
//! ```

#[cfg(feature = "extensions")]
mod commands;
mod rights;

#[cfg(feature = "extensions")]
pub use self::commands::{AclCommand, AclData};
pub use self::rights::{Rights, RightsChange};
