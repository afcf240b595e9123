//! What stands behind a mail server: mailboxes and messages, for SMTP, LMTP, IMAP and POP3 alike.
//!
//! # Features
//!
//! | feature | |
//! | --- | --- |
//! | `memory` (default) | a store in memory that all three servers share |
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "memory")]
pub mod memory;
pub mod message;
