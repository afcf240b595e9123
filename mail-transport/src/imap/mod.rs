//! IMAP over a stream.

#[cfg(feature = "message")]
pub mod message;
